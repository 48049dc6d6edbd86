/* hooks.c - the engine's questions: each is a call of a function of the script, and what that answers, or how it failed.
 *
 * The functions and the last answer have places on the stack, for the policy's life: the engine may read the answer's strings until the
 * next call.  All Lua code runs below lua_pcall; what is done here beside it allocates nothing in the state.
 *
 * Garbage is collected between batches of packets, in small steps, not while a hook runs: a packet does not wait for what earlier ones
 * left.  Only where hooks leave more of it than the time between batches is enough for, a call begins with a step. */
#include "script.h"

#include <stdio.h>
#include <string.h>

enum {
	COLLECT_STEP = 6,          /* 2^6 bytes that might have been allocated meanwhile: some 400 objects, 10 µs */
	COLLECT_FROM = 512 * 1024, /* bytes of garbage that a round is worth */
	COLLECT_PART = 4,          /* of the memory: if more garbage than this is there, a call waits */
	COLLECT_WAIT = 2000000,    /* for so many ns at most: more than what one call can leave takes (limits.c) */
};

const char *const hook_names[LUN_LUA_HOOKS] = LUN_LUA_HOOK_NAMES;

/* ---- Failures -------------------------------------------------------------------------------------------------------- */

/* Counts a failure at the place that the message begins with. */
static void count_place(struct lun_lua_stats *stats, const char *message)
{
	size_t length = script_place_length(message);
	struct lun_lua_place *place = stats->places;

	length = length > 2 ? length - 2 : 0; /* without ": " */
	for (; place < stats->places + LUN_LUA_PLACES && place->failed > 0; place++)
		if (strncmp(place->at, message, length) == 0 && place->at[length] == '\0')
			break;
	if (length == 0 || length >= sizeof(place->at) || place == stats->places + LUN_LUA_PLACES) {
		stats->elsewhere++;
		return;
	}
	memcpy(place->at, message, length);
	place->failed++;
}

/* => LUN_BAD_POLICY */
static int hook_failed(struct script *script, enum lun_lua_hook hook, const char *message)
{
	struct lun_lua_stats *stats = script->options.stats;

	if (stats != NULL) {
		stats->hooks[hook].failed++;
		count_place(stats, message);
	}
	script_log(script, message);
	return LUN_BAD_POLICY;
}

/* The hook returned something else than it may. */
static int hook_bad_answer(struct script *script, enum lun_lua_hook hook, const char *got, const char *expected)
{
	char text[SCRIPT_TEXT];
	lua_Debug function;

	lua_pushvalue(script->state, PLACE_HOOKS + (int)hook);
	lua_getinfo(script->state, ">S", &function);
	snprintf(text, sizeof(text), "%s:%d: %s returned %s, expected %s", function.short_src, function.linedefined,
		 hook_names[hook], got, expected);
	return hook_failed(script, hook, text);
}

static int hook_bad_type(struct script *script, enum lun_lua_hook hook, const char *expected)
{
	char got[32];

	snprintf(got, sizeof(got), "a %s", luaL_typename(script->state, PLACE_ANSWER));
	return hook_bad_answer(script, hook, got, expected);
}

/* ---- Calls ----------------------------------------------------------------------------------------------------------- */

/* The most bytes that garbage may have. */
static uint64_t garbage_of(const struct script *script)
{
	return script->limits.made - script->clean_made;
}

/* Makes an object that lives until the next one is made. */
static int renew_newest(lua_State *state)
{
	static const char newest_key;

	lua_newuserdatauv(state, 1, 0);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &newest_key);
	return 0;
}

/* Collects for so many ns.  False: there is none left.  Lua begins to sweep by freeing all that is newer than the newest object that lives
 * (lgc.c, sweeptolive), in one go; so there is one that nothing is newer than. */
static bool collect(struct script *script, uint64_t ns)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + ns;

	lua_settop(script->state, PLACE_ANSWER);
	lua_pushcfunction(script->state, renew_newest);
	if (lua_pcall(script->state, 0, 0, 0) != LUA_OK)
		lua_pop(script->state, 1);
	if (!script->collecting)
		script->round_made = script->limits.made;
	script->collecting = true;
	while (lua_gc(script->state, LUA_GCSTEP, 0) == 0)
		if (clock_ns(CLOCK_MONOTONIC) >= until)
			return true;
	script->collecting = false;
	script->clean_made = script->round_made;
	return false;
}

/* Calls what is on the stack, for a hook; what it returns is at PLACE_ANSWER. */
static int call(struct script *script, enum lun_lua_hook hook, int arguments)
{
	char text[SCRIPT_TEXT];
	int status = lua_pcall(script->state, arguments, 1, PLACE_HANDLER);

	return status == LUA_OK ? 0 : hook_failed(script, hook, script_message(script, status, text));
}

/* Begins something that runs Lua for a flow. */
static void begin(struct script *script, const struct lun_new_flow *flow)
{
	script->flow = flow;
	script->call++;
	if (garbage_of(script) > script->limits.memory / COLLECT_PART)
		collect(script, COLLECT_WAIT);
	limits_begin(&script->limits, "one call of a hook", script->options.hook_instructions);
	lua_settop(script->state, PLACE_ANSWER - 1);
}

/* Gives the flow to a hook, and what that gets in front of it. */
static int hook_call(struct script *script, enum lun_lua_hook hook, const struct lun_new_flow *flow)
{
	struct lun_lua_hook_stats *stats = script->options.stats != NULL ? &script->options.stats->hooks[hook] : NULL;
	uint64_t began = stats != NULL ? clock_ns(CLOCK_MONOTONIC) : 0;
	int arguments = 1, code;

	begin(script, flow);
	lua_pushvalue(script->state, PLACE_HOOKS + (int)hook);
	if (script->packet != NULL || script->request != NULL) {
		object_push(script->state, script->packet != NULL ? OBJECT_PACKET : OBJECT_REQUEST);
		arguments++;
	}
	object_push(script->state, OBJECT_FLOW);
	code = call(script, hook, arguments);
	script->flow = NULL;
	if (stats != NULL) {
		stats->calls++;
		stats->ns += clock_ns(CLOCK_MONOTONIC) - began;
	}
	return code;
}

static void set_clock(struct script *script, uint64_t now)
{
	script->now = now;
	script->has_clock = true;
}

/* What math.random gives from now on is the engine's choice. */
static void seed(struct script *script, const struct lun_new_flow *flow)
{
	script->seeded = true;
	begin(script, flow);
	lua_pushcfunction(script->state, sandbox_seed);
	lua_pushinteger(script->state, (lua_Integer)flow->seed);
	call(script, LUN_LUA_ON_FLOW, 1);
}

static int policy_flow(void *user, const struct lun_new_flow *flow, struct lun_decision *decision)
{
	struct script *script = user;
	int code;

	if (!script->seeded)
		seed(script, flow);
	set_clock(script, flow->now);
	code = hook_call(script, LUN_LUA_ON_FLOW, flow);
	script->has_clock = false;
	if (code < 0 || lua_isnil(script->state, PLACE_ANSWER) || decision_read(script->state, PLACE_ANSWER, decision))
		return code;
	return hook_bad_type(script, LUN_LUA_ON_FLOW,
			     "nothing (the service map decides) or one of accept(), drop(why), reject(why), forward(name), "
			     "dnat(endpoint)");
}

static int policy_request(void *user, struct lun_request *request)
{
	const struct lun_new_flow flow = { .tuple = request->tuple, .service = request->service };
	struct script *script = user;
	int code;

	script->request = request;
	code = hook_call(script, LUN_LUA_ON_REQUEST, &flow);
	script->request = NULL;
	if (code < 0 || lua_isnil(script->state, PLACE_ANSWER))
		return code;
	return hook_bad_type(script, LUN_LUA_ON_REQUEST, "nothing");
}

static int policy_packet(void *user, const struct lun_seen_packet *packet, struct lun_decision *decision)
{
	static const char expected[] = "nothing, accept() or drop(why)";
	const struct lun_new_flow flow = {
		.tuple = packet->orig, .service = packet->service, .port = packet->port, .now = packet->now
	};
	struct script *script = user;
	int code;

	set_clock(script, packet->now);
	script->packet = packet;
	code = hook_call(script, LUN_LUA_ON_PACKET, &flow);
	script->packet = NULL;
	script->has_clock = false;
	if (code < 0 || lua_isnil(script->state, PLACE_ANSWER))
		return code;
	if (!decision_read(script->state, PLACE_ANSWER, decision))
		return hook_bad_type(script, LUN_LUA_ON_PACKET, expected);
	if (decision->action != LUN_ACTION_ACCEPT && decision->action != LUN_ACTION_DROP)
		return hook_bad_answer(script, LUN_LUA_ON_PACKET, "another decision", expected);
	return 0;
}

/* on_close, if there is one and there was a flow; then what the script kept for it goes. */
static void policy_close(void *user, const struct lun_flow *ended, uint64_t now)
{
	struct script *script = user;
	struct lun_new_flow flow = { .tuple = ended->orig, .now = now };
	char service[LUN_NAME_SIZE], *colon;

	if (ended->id != 0 && lua_isfunction(script->state, PLACE_HOOKS + LUN_LUA_ON_CLOSE)) {
		snprintf(service, sizeof(service), "%s", ended->service != NULL ? ended->service : "");
		colon = strrchr(service, ':');
		if (colon != NULL) {
			*colon = '\0';
			flow.service = service;
			flow.port = colon + 1;
		}
		set_clock(script, now);
		script->ended = ended;
		hook_call(script, LUN_LUA_ON_CLOSE, &flow);
		script->ended = NULL;
		script->has_clock = false;
	}
	if (script->data_count > 0) {
		begin(script, &flow);
		lua_pushcfunction(script->state, flow_drop_data);
		call(script, LUN_LUA_ON_CLOSE, 0);
		script->flow = NULL;
	}
}

/* Said as any other failure of on_flow. */
static void policy_unfollowed(void *user, const struct lun_decision *decision, const char *why)
{
	char text[SCRIPT_TEXT];

	snprintf(text, sizeof(text), "%s: %s", decision->at, why);
	hook_failed(user, LUN_LUA_ON_FLOW, text);
}

/* ---- Between batches ------------------------------------------------------------------------------------------------- */

static bool policy_between(void *user, uint64_t ns)
{
	struct script *script = user;

	if (!script->collecting && (garbage_of(script) < COLLECT_FROM || garbage_of(script) < script->limits.used / 2))
		return false;
	return ns == 0 || collect(script, ns);
}

void hooks_settle(struct script *script)
{
	lua_gc(script->state, LUA_GCINC, 0, 0, COLLECT_STEP);
	lua_gc(script->state, LUA_GCCOLLECT);
	lua_gc(script->state, LUA_GCSTOP);
	script->clean_made = script->limits.made;
}

struct lun_hooks hooks_of(struct script *script)
{
	struct lun_hooks hooks = { .free = script_unref, .user = script };

	if (lua_isfunction(script->state, PLACE_HOOKS + LUN_LUA_ON_FLOW)) {
		hooks.flow = policy_flow;
		hooks.unfollowed = policy_unfollowed;
	}
	if (lua_isfunction(script->state, PLACE_HOOKS + LUN_LUA_ON_REQUEST))
		hooks.request = policy_request;
	if (lua_isfunction(script->state, PLACE_HOOKS + LUN_LUA_ON_PACKET))
		hooks.packet = policy_packet;
	if (hooks.flow != NULL || hooks.request != NULL || hooks.packet != NULL ||
	    lua_isfunction(script->state, PLACE_HOOKS + LUN_LUA_ON_CLOSE)) {
		hooks.close = policy_close; /* each of them may use flow.data */
		hooks.between = policy_between;
	}
	return hooks;
}
