/* packet.c - the packet that on_packet is given. */
#include "script.h"

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

static void packet_push_field(lua_State *state, int field)
{
	const struct lun_seen_packet *packet = script_of(state)->packet;

	switch ((enum packet_field)field) {
	case PACKET_UNKNOWN:
		break;
	case PACKET_source:
		address_push(state, &packet->tuple.source, OBJECT_ADDRESSES);
		break;
	case PACKET_destination:
		address_push(state, &packet->tuple.destination, OBJECT_ADDRESSES);
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
}

static int packet_change(lua_State *state)
{
	return luaL_error(state, "a packet can not be changed, on_packet answers with accept() or drop(why)");
}

const struct object_kind packet_kind = {
	.name = "packet",
	.given_to = "on_packet",
	.fields = packet_fields,
	.field_count = PACKET_FIELD_COUNT,
	.push = packet_push_field,
	.change = packet_change,
};
