/* flow.c - the flow that hooks are given, and what a script keeps by flow.
 *
 * That, flow.data, is a table that stands under the tuple of the flow's first packet: on_flow has no other name for a flow that may
 * never be opened.  It goes when the engine tells the end of the flow, or that there was none. */
#include "script.h"

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

static void flow_push_field(lua_State *state, int field)
{
	const struct lun_flow *ended = script_of(state)->ended;
	const struct lun_new_flow *flow = script_of(state)->flow;

	switch ((enum flow_field)field) {
	case FLOW_UNKNOWN:
		break;
	case FLOW_source:
		address_push(state, &flow->tuple.source, OBJECT_ADDRESSES);
		break;
	case FLOW_destination:
		address_push(state, &flow->tuple.destination, OBJECT_ADDRESSES);
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
}

static int flow_change(lua_State *state)
{
	return luaL_error(state, "a flow can not be changed, on_flow answers with a decision");
}

const struct object_kind flow_kind = {
	.name = "flow",
	.given_to = "the hook",
	.fields = flow_fields,
	.field_count = FLOW_FIELD_COUNT,
	.push = flow_push_field,
	.change = flow_change,
};
