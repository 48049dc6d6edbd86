/* suite.c - see suite.h.
 *
 * Running the file declares scenarios; each is run afterwards in an engine and with a policy of its own, so that none depends on
 * another or on the order.  The file is the user's own program and has all of Lua's libraries. */
#include "cli/suite.h"

#include "cli/scenario.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOWS = 4096 };

struct suite {
	lua_State *state;
	char *folder; /* of the file, "" or with a slash at its end */
	const struct suite_options *options;
};

/* In the registry: the policy of the scenarios to come, and those that were declared: { name, at, policy, seed, flows, run }. */
static const char policy_key, declared_key;

/* ---- what the file may say ---- */

/* policy "kind.lua": of the scenarios from here on. */
static int suite_policy(lua_State *state)
{
	luaL_checkstring(state, 1);
	lua_settop(state, 1);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &policy_key);
	return 0;
}

/* The value of an option, a number of at least 0, into the same field of the declared scenario on top. */
static void take_option(lua_State *state, const char *name, lua_Integer otherwise)
{
	lua_Integer value = otherwise;

	if (lua_istable(state, 2)) {
		int is_integer = 1;

		if (lua_getfield(state, 2, name) != LUA_TNIL)
			value = lua_tointegerx(state, -1, &is_integer);
		if (!is_integer || value < 0 || value > UINT32_MAX)
			luaL_error(state, "%s: expected a number from 0 to %d, got %s", name, UINT32_MAX,
				   luaL_tolstring(state, -1, NULL));
		lua_pop(state, 1);
	}
	lua_pushinteger(state, value);
	lua_setfield(state, -2, name);
}

static void check_options(lua_State *state)
{
	luaL_checktype(state, 2, LUA_TTABLE);
	for (lua_pushnil(state); lua_next(state, 2) != 0; lua_pop(state, 1)) {
		const char *key = luaL_tolstring(state, -2, NULL);

		if (strcmp(key, "seed") != 0 && strcmp(key, "flows") != 0)
			luaL_error(state, "unknown key %s, expected seed or flows", key);
		lua_pop(state, 1);
	}
}

/* scenario("name", function(s) ... end), or with options between: { seed = 7, flows = 100 } */
static int suite_scenario(lua_State *state)
{
	int function = lua_gettop(state) > 2 ? 3 : 2;

	luaL_checkstring(state, 1);
	luaL_checktype(state, function, LUA_TFUNCTION);
	if (function == 3)
		check_options(state);
	if (lua_rawgetp(state, LUA_REGISTRYINDEX, &policy_key) == LUA_TNIL)
		return luaL_error(state, "no policy yet, expected policy \"FILE.lua\" before the first scenario");
	lua_rawgetp(state, LUA_REGISTRYINDEX, &declared_key);
	lua_newtable(state);
	lua_pushvalue(state, 1);
	lua_setfield(state, -2, "name");
	luaL_where(state, 1);
	lua_setfield(state, -2, "at");
	lua_pushvalue(state, -3);
	lua_setfield(state, -2, "policy");
	lua_pushvalue(state, function);
	lua_setfield(state, -2, "run");
	take_option(state, "seed", 0);
	take_option(state, "flows", FLOWS);
	lua_rawseti(state, -2, luaL_len(state, -2) + 1);
	return 0;
}

/* ---- running ---- */

static lua_Integer number_of(lua_State *state, int declared, const char *field)
{
	lua_Integer value;

	lua_getfield(state, declared, field);
	value = lua_tointeger(state, -1);
	lua_pop(state, 1);
	return value;
}

/* Makes the world of a declared scenario. */
static int prepare(struct suite *suite, int declared, struct scenario *scenario, struct lun_error *error)
{
	lua_State *state = suite->state;
	int code;

	lua_pushstring(state, suite->folder);
	lua_getfield(state, declared, "policy");
	lua_concat(state, 2);
	code = scenario_init(scenario, lua_tostring(state, -1), (uint64_t)number_of(state, declared, "seed"),
			     (uint32_t)number_of(state, declared, "flows"), error);
	lua_pop(state, 1);
	return code;
}

/* An error that is no text becomes one. */
static int message_handle(lua_State *state)
{
	luaL_tolstring(state, 1, NULL);
	return 1;
}

/* Runs the declared scenario on top; pushes why it failed, or nil. */
static void run_declared(struct suite *suite)
{
	lua_State *state = suite->state;
	int declared = lua_gettop(state);
	struct scenario *scenario;
	struct lun_error error;

	lua_pushcfunction(state, message_handle);
	lua_getfield(state, declared, "run");
	scenario = scenario_push(state, suite->folder);
	if (prepare(suite, declared, scenario, &error) < 0) {
		lua_pushstring(state, error.text);
		return;
	}
	if (lua_pcall(state, 1, 0, declared + 1) == LUA_OK) {
		char *message = golden_end(&scenario->golden, suite->options->update);

		lua_pushstring(state, message); /* NULL: nil */
		free(message);
	}
	scenario_fini(scenario);
}

static bool is_wanted(struct suite *suite)
{
	const char *filter = suite->options->filter;
	bool wanted;

	lua_getfield(suite->state, -1, "name");
	wanted = !filter || strstr(lua_tostring(suite->state, -1), filter);
	lua_pop(suite->state, 1);
	return wanted;
}

/* Tells how the declared scenario on top ended, whose message is `message` or NULL. */
static void tell(lua_State *state, int declared, const char *message, const struct suite_listener *listener)
{
	struct suite_result result = { .message = message };
	size_t length;

	lua_getfield(state, declared, "name");
	result.name = lua_tostring(state, -1);
	lua_getfield(state, declared, "at");
	result.at = lua_tolstring(state, -1, &length);
	if (length > 2) /* "kind_test.lua:4: " */
		result.at = lua_pushlstring(state, result.at, length - 2);
	listener->result(listener->user, &result);
}

static void run_all(struct suite *suite, const struct suite_listener *listener)
{
	lua_State *state = suite->state;
	lua_Integer count;

	lua_settop(state, 0);
	lua_rawgetp(state, LUA_REGISTRYINDEX, &declared_key);
	count = luaL_len(state, 1);
	for (lua_Integer i = 1; i <= count; i++, lua_settop(state, 1)) {
		lua_rawgeti(state, 1, i);
		if (!is_wanted(suite))
			continue;
		run_declared(suite);
		tell(state, 2, lua_tostring(state, -1), listener);
	}
}

static void open_state(struct suite *suite)
{
	lua_State *state = suite->state;

	luaL_openlibs(state);
	lua_newtable(state);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &declared_key);
	lua_register(state, "policy", suite_policy);
	lua_register(state, "scenario", suite_scenario);
	scenario_open(state);
}

/* Runs the file itself: an error in it is one of its author's. */
static int declare_all(struct suite *suite, const char *path, struct lun_error *error)
{
	lua_State *state = suite->state;
	int status = luaL_loadfile(state, path);

	if (status == LUA_ERRFILE) {
		snprintf(error->text, sizeof(error->text), "%s", lua_tostring(state, -1));
		return error->code = LUN_BAD_FILE;
	}
	if (status == LUA_OK) {
		lua_pushcfunction(state, message_handle);
		lua_insert(state, 1);
		status = lua_pcall(state, 0, 0, 1);
	}
	if (status == LUA_OK)
		return 0;
	snprintf(error->text, sizeof(error->text), "%s", lua_tostring(state, -1));
	return error->code = status == LUA_ERRMEM ? LUN_NO_MEMORY : LUN_BAD_POLICY;
}

int suite_run(const char *path, const struct suite_options *options, const struct suite_listener *listener,
	      struct lun_error *error)
{
	const char *slash = strrchr(path, '/');
	struct suite suite = { .state = luaL_newstate(), .options = options };
	int code = LUN_NO_MEMORY;

	suite.folder = strndup(path, slash ? (size_t)(slash + 1 - path) : 0);
	if (suite.state && suite.folder) {
		open_state(&suite);
		code = declare_all(&suite, path, error);
		if (code == 0)
			run_all(&suite, listener);
	} else {
		snprintf(error->text, sizeof(error->text), "%s: out of memory", path);
		error->code = code;
	}
	if (suite.state)
		lua_close(suite.state);
	free(suite.folder);
	return code;
}
