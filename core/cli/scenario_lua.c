/* scenario_lua.c - a scenario as Lua sees it: conversations begin in it, time passes, the policy changes.
 *
 * An object that is kept past its scenario can do nothing but say so. */
#include "cli/scenario_lua.h"

#include <string.h>

#define SCENARIO "scenario"

enum { ECHO_REQUEST = 8, ECHO_REQUEST_V6 = 128, FIRST_ECHO_ID = 1000, FIRST_PORT = 1024, PORTS = 60000 };

struct object {
	struct scenario scenario;
	const char *folder;
	uint16_t echo_ids;
	uint16_t spread; /* the port, from FIRST_PORT on, at which the next spread begins */
};

static struct object *scenario_at(lua_State *state, int index)
{
	struct object *object = luaL_checkudata(state, index, SCENARIO);

	if (!object->scenario.engine)
		luaL_error(state, "this scenario is over");
	return object;
}

static void check_families(lua_State *state, const struct lun_tuple *tuple)
{
	if (lun_address_is_v4(&tuple->source) != lun_address_is_v4(&tuple->destination))
		luaL_error(state, "from and to are of two families, expected one");
}

/* ---- conversations ---- */

/* Pushes a conversation; the table at index 2 says what else is to be known of it. */
static int push_conversation(lua_State *state, struct lun_tuple *tuple)
{
	check_families(state, tuple);
	tuple->tenant = (uint16_t)take_number(state, 2, "tenant", UINT16_MAX, 0);
	conversation_push(state, 1, &scenario_at(state, 1)->scenario, tuple);
	return 1;
}

static int new_with_ports(lua_State *state, uint8_t protocol)
{
	static const char *const keys[] = { "from", "to", "tenant", NULL };
	struct lun_tuple tuple = { .protocol = protocol };

	check_keys(state, 2, keys);
	take_address(state, 2, "from", &tuple.source, &tuple.source_port);
	take_address(state, 2, "to", &tuple.destination, &tuple.destination_port);
	return push_conversation(state, &tuple);
}

static int scenario_tcp(lua_State *state)
{
	return new_with_ports(state, LUN_TCP);
}

static int scenario_udp(lua_State *state)
{
	return new_with_ports(state, LUN_UDP);
}

/* s:icmp { from = "10.0.0.1", to = "10.96.0.10" }: echo requests. */
static int scenario_icmp(lua_State *state)
{
	static const char *const keys[] = { "from", "to", "tenant", NULL };
	struct object *object = scenario_at(state, 1);
	struct lun_tuple tuple = { 0 };
	bool v4;

	check_keys(state, 2, keys);
	take_address(state, 2, "from", &tuple.source, NULL);
	take_address(state, 2, "to", &tuple.destination, NULL);
	v4 = lun_address_is_v4(&tuple.source);
	tuple.protocol = v4 ? LUN_ICMP : LUN_ICMPV6;
	tuple.source_port = (uint16_t)(FIRST_ECHO_ID + object->echo_ids++);
	tuple.destination_port = v4 ? ECHO_REQUEST : ECHO_REQUEST_V6;
	return push_conversation(state, &tuple);
}

/* ---- the scenario itself ---- */

static int scenario_pass_time(lua_State *state)
{
	struct object *object = scenario_at(state, 1);

	scenario_advance(&object->scenario, take_duration(state, 2));
	return return_itself(state);
}

/* The file that argument 2 names: beside the test, unless it begins with a slash. */
static const char *push_path(lua_State *state, const struct object *object)
{
	const char *name = luaL_checkstring(state, 2);

	return lua_pushfstring(state, "%s%s", *name == '/' ? "" : object->folder, name);
}

/* s:reload("other.lua"): another policy, as after SIGHUP; one that is wrong is an error, and changes nothing. */
static int reload_policy(lua_State *state)
{
	struct object *object = scenario_at(state, 1);
	const char *path = push_path(state, object);
	struct lun_error error;

	if (scenario_reload(&object->scenario, path, &error) < 0)
		return luaL_error(state, "%s", error.text);
	return return_itself(state);
}

/* The value on top, of a field of that name. */
static bool take_boolean(lua_State *state, const char *field)
{
	if (!lua_isboolean(state, -1))
		luaL_error(state, "%s: expected true or false, got %s", field, luaL_tolstring(state, -1, NULL));
	return lua_toboolean(state, -1);
}

/* The endpoint on top of the stack, a text or a table. */
static void take_endpoint(lua_State *state, struct lun_endpoint *endpoint)
{
	static const char *const keys[] = { "1", "weight", "ready", "node", NULL };
	int at = lua_gettop(state);
	const char *text;

	lua_pushvalue(state, at);
	if (lua_istable(state, at)) {
		check_keys(state, at, keys);
		endpoint->weight = (uint16_t)take_number(state, at, "weight", UINT16_MAX, 1);
		endpoint->not_ready = endpoint->weight == 0; /* as in a policy: it keeps new flows away */
		if (lua_getfield(state, at, "ready") != LUA_TNIL)
			endpoint->not_ready = !take_boolean(state, "ready") || endpoint->not_ready;
		if (lua_getfield(state, at, "node") != LUA_TNIL && lua_type(state, -1) != LUA_TSTRING)
			luaL_error(state, "node: expected a name, got a %s", luaL_typename(state, -1));
		endpoint->node = lua_tostring(state, -1); /* lives as long as the table */
		lua_rawgeti(state, at, 1);
	}
	text = lua_tostring(state, -1);
	if (!text || lun_endpoint_parse(&endpoint->address, &endpoint->port, text) < 0)
		luaL_error(state, "expected an endpoint such as \"10.244.0.5\" or \"[fd00::5]:80\", got %s",
			   luaL_tolstring(state, -1, NULL));
	lua_settop(state, at);
}

/* s:endpoints("a/web", { "10.244.0.7", { "10.244.0.8:8080", weight = 2, ready = false, node = "n1" } }) */
static int scenario_endpoints(lua_State *state)
{
	struct object *object = scenario_at(state, 1);
	struct lun_service service = { .name = luaL_checkstring(state, 2) };
	struct lun_endpoint *endpoints;
	struct lun_error error;

	luaL_checktype(state, 3, LUA_TTABLE);
	service.endpoint_count = (size_t)luaL_len(state, 3);
	endpoints = lua_newuserdatauv(state, (service.endpoint_count + 1) * sizeof(*endpoints), 0);
	memset(endpoints, 0, (service.endpoint_count + 1) * sizeof(*endpoints));
	for (size_t i = 0; i < service.endpoint_count; i++, lua_settop(state, 4)) {
		lua_geti(state, 3, (lua_Integer)i + 1);
		take_endpoint(state, &endpoints[i]);
	}
	service.endpoints = endpoints;
	if (scenario_set_endpoints(&object->scenario, &service, &error) < 0)
		return luaL_error(state, "%s", error.text);
	return return_itself(state);
}

/* ---- packets that no conversation sends ---- */

static int fail_about_packet(lua_State *state, const char *line, const char *expected, const struct outcome *outcome)
{
	char text[LUN_OUTCOME_TEXT];

	lua_pushfstring(state, "of the packet %s\n  expected  %s\n  got       %s", line, expected,
			lun_packet_outcome(&outcome->packet, text));
	if (outcome->reason[0])
		lua_pushfstring(state, "\n  reason    %s", outcome->reason);
	if (outcome->at[0])
		lua_pushfstring(state, "\n  policy    %s", outcome->at);
	lua_concat(state, lua_gettop(state) - 3);
	return luaL_error(state, "%s", lua_tostring(state, -1));
}

/* s:packet("tcp 192.0.2.1:40000 10.96.0.1:80 S seq 1000", "accept new SYN_SENT -> tcp 192.0.2.1:40000 10.244.0.5:80"): a packet, and
 * what must become of it, if that is said. */
static int scenario_send_packet(lua_State *state)
{
	struct object *object = scenario_at(state, 1);
	const char *line = luaL_checkstring(state, 2), *expected;
	char text[LUN_OUTCOME_TEXT];
	struct outcome outcome;
	struct lun_error error;

	lua_settop(state, 3);
	expected = luaL_optstring(state, 3, NULL);
	if (scenario_packet(&object->scenario, line, &outcome, &error) < 0)
		return luaL_error(state, "%s", error.text);
	if (expected && strcmp(lun_packet_outcome(&outcome.packet, text), expected) != 0)
		return fail_about_packet(state, line, expected, &outcome);
	return return_itself(state);
}

/* s:replay "x.pcap": a capture, on its own clock. */
static int scenario_run_capture(lua_State *state)
{
	struct object *object = scenario_at(state, 1);
	const char *path = push_path(state, object);
	struct lun_error error;

	if (scenario_replay(&object->scenario, path, &error) < 0)
		return luaL_error(state, "%s", error.text);
	return return_itself(state);
}

/* s:golden "x.txt": all that happens from here on must be what that file holds. */
static int scenario_golden(lua_State *state)
{
	struct object *object = scenario_at(state, 1);

	golden_begin(&object->scenario.golden, push_path(state, object));
	return return_itself(state);
}

/* ---- many flows, and counters ---- */

/* The source of flow number `i` of many, which begin at port `from`: ports first, then the next addresses. */
static void set_source(struct lun_tuple *tuple, const struct lun_tuple *first, uint32_t from, uint32_t i)
{
	uint32_t address = i / PORTS;

	*tuple = *first;
	tuple->source_port = (uint16_t)(FIRST_PORT + (from + i) % PORTS);
	for (int at = 15; address; address >>= 8) {
		address += tuple->source.bytes[at];
		tuple->source.bytes[at--] = (uint8_t)address;
	}
}

/* Adds one to the number in the table below, of the endpoint on top, which is popped. */
static void count_endpoint(lua_State *state)
{
	if (lua_isboolean(state, -1)) {
		lua_pop(state, 1);
		lua_pushliteral(state, "none");
	}
	lua_pushvalue(state, -1);
	lua_rawget(state, -3);
	lua_pushinteger(state, lua_tointeger(state, -1) + 1);
	lua_remove(state, -2);
	lua_rawset(state, -3);
}

/* s:spread { protocol = "udp", from = "192.0.2.1", to = "10.96.0.10:80", flows = 1000 }: opens so many flows, and returns how
 * many each endpoint got; those that got none are under "none".  The next one goes on with other ports, or it would repeat the SYNs
 * of flows that are there. */
static int scenario_spread(lua_State *state)
{
	static const char *const keys[] = { "protocol", "from", "to", "flows", NULL }, *const protocols[] = { "tcp", "udp",
													      NULL };
	struct object *object = scenario_at(state, 1);
	struct lun_tuple first = { 0 }, tuple;
	uint32_t flows;

	check_keys(state, 2, keys);
	lua_getfield(state, 2, "protocol");
	first.protocol = luaL_checkoption(state, 3, "tcp", protocols) == 0 ? LUN_TCP : LUN_UDP;
	take_address(state, 2, "from", &first.source, NULL);
	take_address(state, 2, "to", &first.destination, &first.destination_port);
	check_families(state, &first);
	flows = (uint32_t)take_number(state, 2, "flows", 1000000, 100);
	lua_newtable(state);
	for (uint32_t i = 0; i < flows; i++) {
		struct conversation conversation;

		set_source(&tuple, &first, object->spread, i);
		conversation_init(&conversation, &object->scenario, &tuple);
		if (tuple.protocol == LUN_TCP)
			conversation_open(&conversation, false);
		else
			conversation_send(&conversation, LUN_ORIG, "", 0);
		conversation_push_endpoint(state, &conversation);
		conversation_fini(&conversation);
		count_endpoint(state);
	}
	object->spread = (uint16_t)((object->spread + flows) % PORTS);
	return 1;
}

/* The counter of a name: "flows", "opened", "ended", a verdict's or a reason's. */
static bool counter(const struct lun_stats *stats, const char *name, uint64_t *value)
{
	*value = strcmp(name, "flows") == 0     ? stats->flows
		 : strcmp(name, "opened") == 0  ? stats->flows_opened
		 : strcmp(name, "ended") == 0   ? stats->flows_ended
		 : strcmp(name, "packets") == 0 ? stats->packets
		 : strcmp(name, "drained") == 0 ? stats->drained
						: UINT64_MAX;
	for (int i = 0; i <= LUN_QUERY && *value == UINT64_MAX; i++)
		if (strcmp(name, lun_verdict_name((enum lun_verdict)i)) == 0)
			*value = stats->verdicts[i];
	for (int i = 0; i < LUN_REASON_COUNT && *value == UINT64_MAX; i++)
		if (strcmp(name, lun_reason_name((enum lun_reason)i)) == 0)
			*value = stats->reasons[i];
	return *value != UINT64_MAX;
}

/* s:expect { flows = 1, no_endpoint = 2 }: the engine's counters. */
static int scenario_expect(lua_State *state)
{
	struct object *object = scenario_at(state, 1);
	struct lun_stats stats;
	uint64_t value;

	luaL_checktype(state, 2, LUA_TTABLE);
	lun_engine_stats(object->scenario.engine, &stats);
	for (lua_pushnil(state); lua_next(state, 2) != 0; lua_settop(state, 3)) {
		if (lua_type(state, 3) != LUA_TSTRING || !counter(&stats, lua_tostring(state, 3), &value))
			return luaL_error(
				state,
				"unknown counter %s, expected flows, opened, ended, packets, drained, or the name of a "
				"verdict or a reason",
				luaL_tolstring(state, 3, NULL));
		lua_pushinteger(state, (lua_Integer)value);
		if (!lua_compare(state, 4, 5, LUA_OPEQ))
			return luaL_error(state, "expected %s %s, got %s", lua_tostring(state, 3), push_shown(state, 4),
					  push_shown(state, 5));
	}
	return return_itself(state);
}

/* ---- types ---- */

void scenario_open(lua_State *state)
{
	static const luaL_Reg scenarios[] = { { "tcp", scenario_tcp },
					      { "udp", scenario_udp },
					      { "icmp", scenario_icmp },
					      { "packet", scenario_send_packet },
					      { "replay", scenario_run_capture },
					      { "golden", scenario_golden },
					      { "advance", scenario_pass_time },
					      { "reload", reload_policy },
					      { "endpoints", scenario_endpoints },
					      { "spread", scenario_spread },
					      { "expect", scenario_expect },
					      { NULL, NULL } };
	open_type(state, SCENARIO, scenarios);
	lua_pop(state, 1);
	conversation_open_type(state);
}

struct scenario *scenario_push(lua_State *state, const char *folder)
{
	struct object *object = lua_newuserdatauv(state, sizeof(*object), 0);

	*object = (struct object) { .folder = folder };
	luaL_setmetatable(state, SCENARIO);
	return &object->scenario;
}
