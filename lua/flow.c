/* flow.c - on_flow: the flow object that it and other hooks get, and the decision that it returns.
 *
 * What a script keeps by flow, flow.data, is a table that stands under the tuple of the flow's first packet: on_flow has no other name
 * for a flow that may never be opened.  It goes when the engine tells the end of the flow, or that there was none.
 *
 * A flow object is a ticket of eight bytes, the number of the call it was made for; what it shows is read from the engine's
 * struct, which is gone after the call.  A script that kept the ticket gets an error instead of another flow's fields. */
#include "script.h"

#include <string.h>

struct ticket {
	uint64_t call;
};

/* X(name): what a script can ask of a flow. */
#define FLOW_FIELDS(X)                                                                                                      \
	X(source)                                                                                                           \
	X(destination)                                                                                                      \
	X(source_port)                                                                                                      \
	X(destination_port)                                                                                                 \
	X(protocol)                                                                                                         \
	X(service)                                                                                                          \
	X(port)                                                                                                             \
	X(via)                                                                                                              \
	X(tenant)                                                                                                           \
	X(data)                                                                                                             \
	X(packets)                                                                                                          \
	X(bytes)                                                                                                            \
	X(age)
enum flow_field {
	FLOW_UNKNOWN,
#define FLOW_FIELD_VALUE(name) FLOW_##name,
	FLOW_FIELDS(FLOW_FIELD_VALUE)
#undef FLOW_FIELD_VALUE
};
static const char *const flow_fields[] = {
#define FLOW_FIELD_NAME(name) #name,
	FLOW_FIELDS(FLOW_FIELD_NAME)
#undef FLOW_FIELD_NAME
};
enum { FLOW_FIELD_COUNT = sizeof(flow_fields) / sizeof(flow_fields[0]) };

/* Upvalues of flow_index. */
enum { FIELDS = 1, FLOW_METATABLE, ADDRESS_METATABLE };

static int flow_unknown(lua_State *state)
{
	const char *name = luaL_tolstring(state, 2, NULL);
	const char *near = suggest(name, flow_fields, FLOW_FIELD_COUNT);

	if (near != NULL)
		return luaL_error(state, "a flow has no field %s, did you mean %s?", name, near);
	return luaL_error(state, "a flow has no field %s", name);
}

/* The flow that argument 1 stands for. */
static const struct lun_new_flow *flow_check(lua_State *state)
{
	const struct script *script = script_of(state);
	bool is_flow = lua_type(state, 1) == LUA_TUSERDATA && lua_getmetatable(state, 1);

	if (!is_flow || !lua_rawequal(state, -1, lua_upvalueindex(FLOW_METATABLE)))
		luaL_typeerror(state, 1, "flow");
	if (script->flow == NULL || ((const struct ticket *)lua_touserdata(state, 1))->call != script->call)
		luaL_error(state, "this flow is over: it can be used only during the call of the hook that it was given to");
	return script->flow;
}

/* ---- flow.data ------------------------------------------------------------------------------------------------------- */

/* Registry key of the table from tuples, as strings of their bytes, to what is kept. */
static const char data_key;

void flow_open_data(lua_State *state)
{
	lua_newtable(state);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &data_key);
}

/* Pushes the table, and in it the tuple of script->flow. */
static void push_data_key(lua_State *state)
{
	const struct lun_tuple *tuple = &script_of(state)->flow->tuple;

	lua_rawgetp(state, LUA_REGISTRYINDEX, &data_key);
	lua_pushlstring(state, (const char *)tuple, sizeof(*tuple));
}

static void push_data(lua_State *state)
{
	push_data_key(state);
	lua_pushvalue(state, -1);
	if (lua_rawget(state, -3) != LUA_TNIL)
		return;
	lua_newtable(state);
	lua_replace(state, -2);
	lua_pushvalue(state, -2);
	lua_pushvalue(state, -2);
	lua_rawset(state, -5);
	script_of(state)->data_count++;
}

int flow_drop_data(lua_State *state)
{
	push_data_key(state);
	lua_pushvalue(state, -1);
	if (lua_rawget(state, -3) == LUA_TNIL)
		return 0;
	lua_pop(state, 1);
	lua_pushnil(state);
	lua_rawset(state, -3);
	script_of(state)->data_count--;
	return 0;
}

/* ---- Fields ---------------------------------------------------------------------------------------------------------- */

/* Of both directions, of a flow that ended; else nil. */
static void push_sum(lua_State *state, const uint64_t counts[2])
{
	uint64_t sum = counts != NULL ? counts[LUN_ORIG] + counts[LUN_REPLY] : 0;

	if (counts == NULL)
		lua_pushnil(state);
	else
		lua_pushinteger(state, (lua_Integer)sum);
}

static int flow_index(lua_State *state)
{
	const struct lun_flow *ended = script_of(state)->ended;
	const struct lun_new_flow *flow = flow_check(state);

	lua_pushvalue(state, 2);
	lua_rawget(state, lua_upvalueindex(FIELDS));
	switch ((enum flow_field)lua_tointeger(state, -1)) {
	case FLOW_UNKNOWN:
		return flow_unknown(state);
	case FLOW_source:
		address_push(state, &flow->tuple.source, lua_upvalueindex(ADDRESS_METATABLE));
		break;
	case FLOW_destination:
		address_push(state, &flow->tuple.destination, lua_upvalueindex(ADDRESS_METATABLE));
		break;
	case FLOW_source_port:
		lua_pushinteger(state, flow->tuple.source_port);
		break;
	case FLOW_destination_port:
		lua_pushinteger(state, flow->tuple.destination_port);
		break;
	case FLOW_protocol:
		lua_pushstring(state, lun_protocol_name(flow->tuple.protocol));
		break;
	case FLOW_service:
		lua_pushstring(state, flow->service);
		break;
	case FLOW_port:
		lua_pushstring(state, flow->port);
		break;
	case FLOW_via:
		lua_pushstring(state, flow->via != LUN_VIA_none ? lun_via_name(flow->via) : NULL);
		break;
	case FLOW_tenant:
		lua_pushinteger(state, flow->tuple.tenant);
		break;
	case FLOW_data:
		push_data(state);
		break;
	case FLOW_packets:
		push_sum(state, ended != NULL ? ended->packets : NULL);
		break;
	case FLOW_bytes:
		push_sum(state, ended != NULL ? ended->bytes : NULL);
		break;
	case FLOW_age:
		if (ended != NULL)
			lua_pushnumber(state, (lua_Number)ended->age / 1e9);
		else
			lua_pushnil(state);
		break;
	}
	return 1;
}

static int flow_change(lua_State *state)
{
	return luaL_error(state, "a flow can not be changed, on_flow answers with a decision");
}

/* on_flow (upvalue 1) returned something else than nothing or a decision. */
static int flow_bad_answer(lua_State *state)
{
	lua_Debug function;

	lua_pushvalue(state, lua_upvalueindex(1));
	lua_getinfo(state, ">S", &function);
	lua_pushfstring(state,
			"%s:%d: on_flow returned a %s, expected nothing (the service map decides) or one of accept(), "
			"drop(why), reject(why), forward(name), dnat(endpoint)",
			function.short_src, function.linedefined, luaL_typename(state, -1));
	return lua_error(state);
}

void flow_push(lua_State *state, int metatable)
{
	((struct ticket *)lua_newuserdatauv(state, sizeof(struct ticket), 0))->call = script_of(state)->call;
	lua_pushvalue(state, metatable);
	lua_setmetatable(state, -2);
}

/* One call of on_flow.  Upvalues: on_flow, the metatable of flows.  => the decision, so that its strings live on */
static int flow_run(lua_State *state)
{
	struct script *script = script_of(state);

	if (!script->seeded) {
		script->seeded = true;
		sandbox_seed(state, script->flow->seed);
	}
	lua_pushvalue(state, lua_upvalueindex(1));
	flow_push(state, lua_upvalueindex(2));
	lua_call(state, 1, 1);
	if (!lua_isnil(state, -1) && !decision_read(state, -1, script->decision))
		return flow_bad_answer(state);
	return 1;
}

void flow_push_metatable(lua_State *state)
{
	int metatable;

	lua_newtable(state);
	metatable = lua_gettop(state);
	lua_createtable(state, 0, FLOW_FIELD_COUNT);
	for (int i = 0; i < FLOW_FIELD_COUNT; i++) {
		lua_pushinteger(state, i + 1);
		lua_setfield(state, -2, flow_fields[i]);
	}
	lua_pushvalue(state, metatable);
	address_push_metatable(state);
	lua_pushcclosure(state, flow_index, 3);
	lua_setfield(state, metatable, "__index");
	lua_pushcfunction(state, flow_change);
	lua_setfield(state, metatable, "__newindex");
	lua_pushliteral(state, "flow");
	lua_setfield(state, metatable, "__name");
	lua_pushliteral(state, "a flow");
	lua_setfield(state, metatable, "__metatable");
}

void flow_push_hook(lua_State *state)
{
	flow_push_metatable(state);
	lua_pushcclosure(state, flow_run, 2);
}
