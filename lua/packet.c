/* packet.c - on_packet: the packet object that it gets, and its answer; and on_close, which gets a flow only.
 *
 * A packet object is a ticket, as a flow is (flow.c). */
#include "script.h"

struct ticket {
	uint64_t call;
};

/* X(name): what a script can ask of a packet. */
#define PACKET_FIELDS(X)                                                                                                    \
	X(source)                                                                                                           \
	X(destination)                                                                                                      \
	X(source_port)                                                                                                      \
	X(destination_port)                                                                                                 \
	X(protocol)                                                                                                         \
	X(direction)                                                                                                        \
	X(state)                                                                                                            \
	X(length)                                                                                                           \
	X(flags)                                                                                                            \
	X(payload)
enum packet_field {
	PACKET_UNKNOWN,
#define PACKET_FIELD_VALUE(name) PACKET_##name,
	PACKET_FIELDS(PACKET_FIELD_VALUE)
#undef PACKET_FIELD_VALUE
};
static const char *const packet_fields[] = {
#define PACKET_FIELD_NAME(name) #name,
	PACKET_FIELDS(PACKET_FIELD_NAME)
#undef PACKET_FIELD_NAME
};
enum { PACKET_FIELD_COUNT = sizeof(packet_fields) / sizeof(packet_fields[0]) };

/* Upvalues of packet_index, and of the hooks' functions. */
enum { FIELDS = 1, PACKET_METATABLE, ADDRESS_METATABLE };
enum { HOOK = 1, FLOW_METATABLE, HOOK_PACKET_METATABLE };

static int packet_unknown(lua_State *state)
{
	const char *name = luaL_tolstring(state, 2, NULL);
	const char *near = suggest(name, packet_fields, PACKET_FIELD_COUNT);

	if (near != NULL)
		return luaL_error(state, "a packet has no field %s, did you mean %s?", name, near);
	return luaL_error(state, "a packet has no field %s", name);
}

/* The packet that argument 1 stands for. */
static const struct lun_seen_packet *packet_check(lua_State *state)
{
	const struct script *script = script_of(state);
	bool is_packet = lua_type(state, 1) == LUA_TUSERDATA && lua_getmetatable(state, 1);

	if (!is_packet || !lua_rawequal(state, -1, lua_upvalueindex(PACKET_METATABLE)))
		luaL_typeerror(state, 1, "packet");
	if (script->packet == NULL || ((const struct ticket *)lua_touserdata(state, 1))->call != script->call)
		luaL_error(state,
			   "this packet is over: it can be used only during the call of on_packet that it was given to");
	return script->packet;
}

/* "S." as tcpdump has them. */
static void push_flags(lua_State *state, uint8_t flags)
{
	static const char letters[] = "FSRP.U";
	char text[sizeof(letters)];
	size_t length = 0;

	for (int i = 0; letters[i] != '\0'; i++) {
		if (flags >> i & 1)
			text[length++] = letters[i];
	}
	lua_pushlstring(state, text, length);
}

static void push_payload(lua_State *state, const struct lun_seen_packet *packet)
{
	if (packet->payload == NULL) {
		lua_pushnil(state);
		return;
	}
	limits_charge(state, packet->payload_length / 8);
	lua_pushlstring(state, (const char *)packet->payload, packet->payload_length);
}

static int packet_index(lua_State *state)
{
	const struct lun_seen_packet *packet = packet_check(state);

	lua_pushvalue(state, 2);
	lua_rawget(state, lua_upvalueindex(FIELDS));
	switch ((enum packet_field)lua_tointeger(state, -1)) {
	case PACKET_UNKNOWN:
		return packet_unknown(state);
	case PACKET_source:
		address_push(state, &packet->tuple.source, lua_upvalueindex(ADDRESS_METATABLE));
		break;
	case PACKET_destination:
		address_push(state, &packet->tuple.destination, lua_upvalueindex(ADDRESS_METATABLE));
		break;
	case PACKET_source_port:
		lua_pushinteger(state, packet->tuple.source_port);
		break;
	case PACKET_destination_port:
		lua_pushinteger(state, packet->tuple.destination_port);
		break;
	case PACKET_protocol:
		lua_pushstring(state, lun_protocol_name(packet->tuple.protocol));
		break;
	case PACKET_direction:
		lua_pushstring(state, packet->direction == LUN_ORIG ? "orig" : "reply");
		break;
	case PACKET_state:
		lua_pushstring(state, lun_state_name(packet->state));
		break;
	case PACKET_length:
		lua_pushinteger(state, packet->length);
		break;
	case PACKET_flags:
		push_flags(state, packet->tcp_flags);
		break;
	case PACKET_payload:
		push_payload(state, packet);
		break;
	}
	return 1;
}

static int packet_change(lua_State *state)
{
	return luaL_error(state, "a packet can not be changed, on_packet answers with accept() or drop(why)");
}

static int packet_bad_answer(lua_State *state)
{
	lua_Debug function;

	lua_pushvalue(state, lua_upvalueindex(HOOK));
	lua_getinfo(state, ">S", &function);
	lua_pushfstring(state, "%s:%d: on_packet returned %s, expected nothing, accept() or drop(why)", function.short_src,
			function.linedefined,
			script_of(state)->decision->action == LUN_ACTION_MAP
				? lua_pushfstring(state, "a %s", luaL_typename(state, -1))
				: "another decision");
	return lua_error(state);
}

/* One call of on_packet.  => the decision, so that its strings live on */
static int packet_run(lua_State *state)
{
	struct script *script = script_of(state);

	lua_pushvalue(state, lua_upvalueindex(HOOK));
	((struct ticket *)lua_newuserdatauv(state, sizeof(struct ticket), 0))->call = script->call;
	lua_pushvalue(state, lua_upvalueindex(HOOK_PACKET_METATABLE));
	lua_setmetatable(state, -2);
	flow_push(state, lua_upvalueindex(FLOW_METATABLE));
	lua_call(state, 2, 1);
	if (lua_isnil(state, -1))
		return 1;
	if (!decision_read(state, -1, script->decision) ||
	    (script->decision->action != LUN_ACTION_ACCEPT && script->decision->action != LUN_ACTION_DROP))
		return packet_bad_answer(state);
	return 1;
}

static void packet_push_metatable(lua_State *state)
{
	int metatable;

	lua_newtable(state);
	metatable = lua_gettop(state);
	lua_createtable(state, 0, PACKET_FIELD_COUNT);
	for (int i = 0; i < PACKET_FIELD_COUNT; i++) {
		lua_pushinteger(state, i + 1);
		lua_setfield(state, -2, packet_fields[i]);
	}
	lua_pushvalue(state, metatable);
	address_push_metatable(state);
	lua_pushcclosure(state, packet_index, 3);
	lua_setfield(state, metatable, "__index");
	lua_pushcfunction(state, packet_change);
	lua_setfield(state, metatable, "__newindex");
	lua_pushliteral(state, "packet");
	lua_setfield(state, metatable, "__name");
	lua_pushliteral(state, "a packet");
	lua_setfield(state, metatable, "__metatable");
}

void packet_push_hook(lua_State *state)
{
	flow_push_metatable(state);
	packet_push_metatable(state);
	lua_pushcclosure(state, packet_run, 3);
}

/* One call of on_close. */
static int close_run(lua_State *state)
{
	lua_pushvalue(state, lua_upvalueindex(HOOK));
	flow_push(state, lua_upvalueindex(FLOW_METATABLE));
	lua_call(state, 1, 0);
	return 0;
}

void close_push_hook(lua_State *state)
{
	flow_push_metatable(state);
	lua_pushcclosure(state, close_run, 2);
}
