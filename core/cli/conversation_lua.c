/* conversation_lua.c - a conversation as Lua sees it: what its ends do, and what is expected of them.
 *
 * Methods return the conversation, so that they may be chained.  One that expects something raises an error that says what was
 * expected, what came, which packet it was and which line of the policy decided. */
#define _GNU_SOURCE /* memmem */
#include "cli/scenario_lua.h"

#include <string.h>

#define CONVERSATION "conversation"

struct conversation *conversation_at(lua_State *state, int index)
{
	struct conversation *conversation = luaL_checkudata(state, index, CONVERSATION);

	if (!conversation->scenario->engine)
		luaL_error(state, "the scenario of this conversation is over");
	return conversation;
}

void conversation_push(lua_State *state, int owner, struct scenario *scenario, const struct lun_tuple *tuple)
{
	conversation_init(lua_newuserdatauv(state, sizeof(struct conversation), 1), scenario, tuple);
	luaL_setmetatable(state, CONVERSATION);
	lua_pushvalue(state, owner);
	lua_setiuservalue(state, -2, 1);
}

static int conversation_gc(lua_State *state)
{
	conversation_fini(luaL_checkudata(state, 1, CONVERSATION));
	return 0;
}

static void need_tcp(lua_State *state, const struct conversation *conversation)
{
	if (conversation->ends[LUN_ORIG].tuple.protocol != LUN_TCP)
		luaL_error(state, "only a TCP connection can do this");
}

/* The upstream can only answer what has reached it. */
static void need_upstream(lua_State *state, const struct conversation *conversation)
{
	if (!conversation->ends[LUN_REPLY].tuple.protocol)
		luaL_error(state, "nothing has reached the upstream yet: %s",
			   conversation->last.packet.reason ? lun_reason_text(conversation->last.packet.reason)
							    : "nothing was sent");
}

/* c:open(), or c:open { answer = false }: a SYN that nobody answers. */
static int method_open(lua_State *state)
{
	static const char *const keys[] = { "answer", NULL };
	struct conversation *conversation = conversation_at(state, 1);
	bool answered = true;

	need_tcp(state, conversation);
	if (!lua_isnoneornil(state, 2)) {
		check_keys(state, 2, keys);
		answered = lua_getfield(state, 2, "answer") == LUA_TNIL || lua_toboolean(state, -1);
	}
	conversation_open(conversation, answered);
	return return_itself(state);
}

static int send_from(lua_State *state, enum lun_direction from)
{
	struct conversation *conversation = conversation_at(state, 1);
	size_t length;
	const char *bytes = luaL_optlstring(state, 2, "", &length);

	if (from == LUN_REPLY)
		need_upstream(state, conversation);
	if (conversation->ends[LUN_ORIG].tuple.protocol == LUN_TCP)
		luaL_argcheck(state, length > 0, 2, "a segment without bytes");
	else
		luaL_argcheck(state, length <= 1400, 2, "more than the 1400 bytes of one datagram");
	conversation_send(conversation, from, bytes, length);
	return return_itself(state);
}

static int method_send(lua_State *state)
{
	return send_from(state, LUN_ORIG);
}

static int method_reply(lua_State *state)
{
	return send_from(state, LUN_REPLY);
}

/* "client" or "upstream", argument 2; the client if there is none. */
static enum lun_direction side_at(lua_State *state, struct conversation *conversation)
{
	static const char *const sides[] = { "client", "upstream", NULL };
	enum lun_direction side = luaL_checkoption(state, 2, "client", sides) == 0 ? LUN_ORIG : LUN_REPLY;

	need_tcp(state, conversation);
	if (side == LUN_REPLY)
		need_upstream(state, conversation);
	return side;
}

static int method_half_close(lua_State *state)
{
	struct conversation *conversation = conversation_at(state, 1);

	conversation_finish(conversation, side_at(state, conversation));
	return return_itself(state);
}

/* Both ends say that they are done, the one that is named first. */
static int method_close(lua_State *state)
{
	struct conversation *conversation = conversation_at(state, 1);
	enum lun_direction side = side_at(state, conversation);

	need_upstream(state, conversation);
	conversation_finish(conversation, side);
	conversation_finish(conversation, !side);
	return return_itself(state);
}

static int method_reset(lua_State *state)
{
	struct conversation *conversation = conversation_at(state, 1);

	conversation_reset(conversation, side_at(state, conversation));
	return return_itself(state);
}

static int method_retransmit(lua_State *state)
{
	struct conversation *conversation = conversation_at(state, 1);

	if (conversation->last.packet.length == 0)
		luaL_error(state, "nothing was sent yet");
	conversation_repeat(conversation);
	return return_itself(state);
}

/* ---- what is expected of a conversation ---- */

static void push_verdict(lua_State *state, const struct conversation *conversation)
{
	lua_pushstring(state, lun_verdict_name(conversation->last.packet.verdict));
}

static void push_ct(lua_State *state, const struct conversation *conversation)
{
	lua_pushstring(state, lun_ct_name(conversation->last.packet.ct));
}

static void push_state(lua_State *state, const struct conversation *conversation)
{
	struct lun_flow flow;

	if (lun_flow_find(conversation->scenario->engine, &conversation->ends[LUN_ORIG].tuple, &flow) < 0)
		flow.state = LUN_STATE_NONE;
	lua_pushstring(state, lun_state_name(flow.state));
}

void conversation_push_endpoint(lua_State *state, const struct conversation *conversation)
{
	const struct lun_tuple *upstream = &conversation->ends[LUN_REPLY].tuple;
	char text[LUN_ADDRESS_TEXT];

	if (upstream->protocol)
		lua_pushstring(state, lun_endpoint_format(&upstream->source, upstream->source_port, text));
	else
		lua_pushboolean(state, false);
}

/* The client's address as the upstream sees it. */
static void push_source(lua_State *state, const struct conversation *conversation)
{
	const struct lun_tuple *upstream = &conversation->ends[LUN_REPLY].tuple;
	char text[LUN_ADDRESS_TEXT];

	if (upstream->protocol)
		lua_pushstring(state, lun_address_format(&upstream->destination, text));
	else
		lua_pushboolean(state, false);
}

static void push_masquerade(lua_State *state, const struct conversation *conversation)
{
	const struct lun_tuple *client = &conversation->ends[LUN_ORIG].tuple,
			       *upstream = &conversation->ends[LUN_REPLY].tuple;

	lua_pushboolean(state,
			upstream->protocol && memcmp(&client->source, &upstream->destination, sizeof(client->source)) != 0);
}

static void push_service(lua_State *state, const struct conversation *conversation)
{
	if (conversation->opening.service[0])
		lua_pushstring(state, conversation->opening.service);
	else
		lua_pushboolean(state, false);
}

static void push_got(lua_State *state, const struct end *end)
{
	lua_pushlstring(state, end->got_length ? end->got + end->mark : "", end->got_length - end->mark);
}

static void push_upstream(lua_State *state, const struct conversation *conversation)
{
	push_got(state, &conversation->ends[LUN_REPLY]);
}

static void push_client(lua_State *state, const struct conversation *conversation)
{
	push_got(state, &conversation->ends[LUN_ORIG]);
}

static void push_refused(lua_State *state, const struct conversation *conversation)
{
	const struct end *client = &conversation->ends[LUN_ORIG];

	lua_pushboolean(state, client->reset || client->refused_by_icmp);
}

/* The script's words, else the reason's name. */
static void push_reason(lua_State *state, const struct conversation *conversation)
{
	const struct outcome *last = &conversation->last;

	if (last->packet.reason == LUN_REASON_none)
		lua_pushboolean(state, false);
	else
		lua_pushstring(state, lun_reason_name(last->packet.reason));
}

static const struct {
	const char *name;
	void (*push)(lua_State *state, const struct conversation *conversation);
} properties[] = {
	{ "verdict", push_verdict },   { "reason", push_reason }, { "endpoint", conversation_push_endpoint },
	{ "source", push_source },     { "state", push_state },   { "masquerade", push_masquerade },
	{ "service", push_service },   { "ct", push_ct },         { "refused", push_refused },
	{ "upstream", push_upstream }, { "client", push_client },
};
enum { PROPERTIES = sizeof(properties) / sizeof(properties[0]) };

/* The text of a field of the table at `index`, or `otherwise`; it lives as long as the table. */
static const char *text_of(lua_State *state, int index, const char *field, const char *otherwise)
{
	const char *text = lua_getfield(state, index, field) == LUA_TSTRING ? lua_tostring(state, -1) : otherwise;

	lua_pop(state, 1);
	return text;
}

/* Adds the packet that the client's would have had to become, if the table at `index` says something of that. */
static void add_wanted(lua_State *state, int index, luaL_Buffer *message, const struct lun_packet *packet)
{
	const char *endpoint = text_of(state, index, "endpoint", NULL), *source = text_of(state, index, "source", NULL);
	const char *verdict = lun_verdict_name(packet->verdict);
	const char *wanted = text_of(state, index, "verdict", endpoint ? lun_verdict_name(LUN_ACCEPT) : verdict);
	struct lun_tuple tuple = packet->is;
	char text[LUN_TUPLE_TEXT];

	if (packet->direction != LUN_ORIG ||
	    (endpoint && lun_endpoint_parse(&tuple.destination, &tuple.destination_port, endpoint) < 0) ||
	    (source && lun_address_parse(&tuple.source, source) < 0) ||
	    (strcmp(wanted, verdict) == 0 && memcmp(&tuple, &packet->is, sizeof(tuple)) == 0))
		return;
	lua_pushfstring(state, "\n  wanted  %s, %s", wanted, lun_tuple_format(&tuple, text));
	luaL_addvalue(message);
}

/* Adds what the packet was, and who decided on it, to the message on top, and raises it; what was expected is the table at index
 * 2. */
static int fail_about(lua_State *state, const struct conversation *conversation)
{
	const struct outcome *last = &conversation->last, *opening = &conversation->opening;
	char text[LUN_TUPLE_TEXT];
	luaL_Buffer message;

	luaL_where(state, 1);
	lua_insert(state, -2);
	lua_concat(state, 2);
	luaL_buffinit(state, &message);
	lua_pushvalue(state, -2);
	luaL_addvalue(&message);
	if (last->packet.length && last->packet.was.protocol) {
		lua_pushfstring(state, "\n  sent    %s", lun_tuple_format(&last->packet.was, text));
		luaL_addvalue(&message);
		add_wanted(state, 2, &message, &last->packet);
		lua_pushfstring(state, "\n  left    %s, %s", lun_verdict_name(last->packet.verdict),
				lun_tuple_format(&last->packet.is, text));
		luaL_addvalue(&message);
	}
	if (last->packet.reason != LUN_REASON_none) {
		lua_pushfstring(state, "\n  reason  %s: %s", lun_reason_name(last->packet.reason),
				last->reason[0] ? last->reason : lun_reason_text(last->packet.reason));
		luaL_addvalue(&message);
	}
	if (opening->at[0]) {
		lua_pushfstring(state, "\n  policy  %s", opening->at);
		luaL_addvalue(&message);
	}
	luaL_pushresult(&message);
	return lua_error(state);
}

/* Whether the actual value on top is what is expected below it; a reason may also be given in the script's own words. */
static bool is_expected(lua_State *state, const struct conversation *conversation, const char *name)
{
	if (lua_rawequal(state, -1, -2))
		return true;
	return strcmp(name, "reason") == 0 && lua_type(state, -2) == LUA_TSTRING &&
	       strcmp(lua_tostring(state, -2), conversation->last.reason) == 0;
}

/* c:expect { endpoint = "10.244.0.5:80", masquerade = true } */
static int method_expect(lua_State *state)
{
	struct conversation *conversation = conversation_at(state, 1);
	const char *names[PROPERTIES + 1] = { NULL };

	for (int i = 0; i < PROPERTIES; i++)
		names[i] = properties[i].name;
	check_keys(state, 2, names);
	if (conversation->last.packet.length == 0)
		luaL_error(state, "nothing was sent yet");
	for (int i = 0; i < PROPERTIES; i++) {
		lua_settop(state, 2);
		if (lua_getfield(state, 2, names[i]) == LUA_TNIL)
			continue;
		properties[i].push(state, conversation);
		if (is_expected(state, conversation, names[i]))
			continue;
		lua_pushfstring(state, "expected %s %s, got %s", names[i], push_shown(state, 3), push_shown(state, 4));
		return fail_about(state, conversation);
	}
	return return_itself(state);
}

/* ---- requests ---- */

/* The head that the upstream got with the last send. */
struct head {
	const char *bytes;
	size_t length; /* up to the empty line; 0: there is none */
};

static struct head head_of(const struct conversation *conversation)
{
	const struct end *upstream = &conversation->ends[LUN_REPLY];
	struct head head = { .bytes = upstream->got_length ? upstream->got + upstream->mark : "" };
	size_t there = upstream->got_length - upstream->mark;
	const char *end = there ? memmem(head.bytes, there, "\r\n\r\n", 4) : NULL;

	head.length = end ? (size_t)(end + 2 - head.bytes) : 0;
	return head;
}

/* Pushes the value of a field, or `false`; of several, all, with ", " between. */
static void push_field(lua_State *state, const struct head *head, const char *name)
{
	size_t length = strlen(name);
	bool found = false;

	lua_pushliteral(state, "");
	for (const char *line = head->bytes; line < head->bytes + head->length;) {
		const char *end = memmem(line, (size_t)(head->bytes + head->length - line), "\r\n", 2);

		if ((size_t)(end - line) > length && line[length] == ':' && strncasecmp(line, name, length) == 0) {
			const char *value = line + length + 1;

			while (value < end && (*value == ' ' || *value == '\t'))
				value++;
			if (found)
				lua_pushliteral(state, ", ");
			lua_pushlstring(state, value, (size_t)(end - value));
			lua_concat(state, found ? 3 : 2);
			found = true;
		}
		line = end + 2;
	}
	if (!found) {
		lua_pop(state, 1);
		lua_pushboolean(state, false);
	}
}

static int fail_about_request(lua_State *state, const struct conversation *conversation, const struct head *head)
{
	lua_pushliteral(state, "\n  the upstream got ");
	lua_pushlstring(state, head->bytes, head->length);
	push_shown(state, -1);
	lua_remove(state, -2);
	lua_concat(state, 3);
	return fail_about(state, conversation);
}

/* c:expect_request { "GET / HTTP/1.1", ["X-Real-IP"] = "192.168.31.9", ["X-Other"] = false } */
static int method_expect_request(lua_State *state)
{
	struct conversation *conversation = conversation_at(state, 1);
	struct head head = head_of(conversation);

	luaL_checktype(state, 2, LUA_TTABLE);
	if (head.length == 0) {
		lua_pushliteral(state, "expected a request, and the upstream got none with the last send");
		return fail_about(state, conversation);
	}
	for (lua_pushnil(state); lua_next(state, 2) != 0; lua_settop(state, 3)) { /* 3: key, 4: expected, 5: actual */
		bool line = lua_isinteger(state, 3) && lua_tointeger(state, 3) == 1;

		if (!line && lua_type(state, 3) != LUA_TSTRING)
			luaL_error(state, "expected names of headers, and at [1] the request line");
		if (line)
			lua_pushlstring(state, head.bytes,
					(size_t)((const char *)memmem(head.bytes, head.length, "\r\n", 2) - head.bytes));
		else
			push_field(state, &head, lua_tostring(state, 3));
		if (lua_rawequal(state, 4, 5))
			continue;
		lua_pushfstring(state, "expected %s %s, got %s", line ? "the request line" : lua_tostring(state, 3),
				push_shown(state, 4), push_shown(state, 5));
		return fail_about_request(state, conversation, &head);
	}
	return return_itself(state);
}

void conversation_open_type(lua_State *state)
{
	static const luaL_Reg methods[] = { { "open", method_open },
					    { "send", method_send },
					    { "reply", method_reply },
					    { "half_close", method_half_close },
					    { "close", method_close },
					    { "reset", method_reset },
					    { "retransmit", method_retransmit },
					    { "expect", method_expect },
					    { "expect_request", method_expect_request },
					    { NULL, NULL } };

	open_type(state, CONVERSATION, methods);
	lua_pushcfunction(state, conversation_gc);
	lua_setfield(state, -2, "__gc");
	lua_pop(state, 1);
}
