/* sandbox.c - the globals that a policy finds: Lua's own, less what reaches outside, and none that can work without end.
 *
 * There is no io, os, debug, coroutine and package, nothing that compiles text or loads bytecode, and no finalizer.  Library
 * functions that work in proportion to their arguments are called through a wrapper that charges for that work first
 * (limits.h).  What is left unbounded on purpose: one instruction on strings of LIMITS_STRING bytes, and `next` over a table
 * that was large once and is empty now; a policy has to want it, and it only delays its own packets. */
#include "script.h"

#include <ctype.h>
#include <lualib.h>
#include <string.h>

/* A single instruction ("...") copies them all, so a function returns at most so many values. */
enum { RESULTS_MAX = 250 };

/* ---- Errors that cannot be caught ------------------------------------------------------------------------------------ */

/* Behind a lua_pcall that failed, with the error on top: an overrun goes on.  Lua has walked along the whole stack to see
 * whether it could shrink, so a deep one is charged for. */
static void sandbox_caught(lua_State *state, int status)
{
	lua_Debug where;
	int depth = 16;

	if (limits_overran(&script_of(state)->limits, status))
		lua_error(state);
	while (lua_getstack(state, depth, &where))
		depth *= 2;
	limits_charge(state, (uint64_t)depth);
}

/* The same as Lua's pcall, but for overruns. */
static int sandbox_pcall(lua_State *state)
{
	int status;

	luaL_checkany(state, 1);
	lua_pushboolean(state, true);
	lua_insert(state, 1);
	status = lua_pcall(state, lua_gettop(state) - 2, LUA_MULTRET, 0);
	if (status == LUA_OK)
		return lua_gettop(state);
	sandbox_caught(state, status);
	lua_pushboolean(state, false);
	lua_insert(state, -2);
	return 2;
}

/* The message handler of xpcall; the script's own is its upvalue.  It would run with the count hook off after an overrun, so
 * then it does not run. */
static int sandbox_handle(lua_State *state)
{
	if (script_of(state)->limits.overrun != OVERRUN_NONE)
		return 1;
	lua_pushvalue(state, lua_upvalueindex(1));
	lua_insert(state, 1);
	lua_call(state, lua_gettop(state) - 1, 1);
	return 1;
}

static int sandbox_xpcall(lua_State *state)
{
	int status;

	luaL_checktype(state, 2, LUA_TFUNCTION);
	lua_pushvalue(state, 2);
	lua_pushcclosure(state, sandbox_handle, 1);
	lua_replace(state, 2);
	lua_pushvalue(state, 1);
	lua_insert(state, 3); /* function, handler, function, arguments */
	status = lua_pcall(state, lua_gettop(state) - 3, LUA_MULTRET, 2);
	if (status != LUA_OK)
		sandbox_caught(state, status);
	lua_pushboolean(state, status == LUA_OK);
	lua_replace(state, 2);
	return lua_gettop(state) - 1;
}

/* ---- Functions of the base library ----------------------------------------------------------------------------------- */

static int sandbox_setmetatable(lua_State *state)
{
	luaL_checktype(state, 1, LUA_TTABLE);
	luaL_argexpected(state, lua_isnil(state, 2) || lua_istable(state, 2), 2, "nil or table");
	if (luaL_getmetafield(state, 1, "__metatable") != LUA_TNIL)
		return luaL_error(state, "cannot change a protected metatable");
	if (lua_istable(state, 2)) {
		lua_pushliteral(state, "__gc");
		if (lua_rawget(state, 2) != LUA_TNIL)
			return luaL_error(state, "a metatable with __gc: a policy has no finalizers");
	}
	lua_settop(state, 2);
	lua_setmetatable(state, 1);
	return 1;
}

/* print goes where the warnings go. */
static int sandbox_print(lua_State *state)
{
	int count = lua_gettop(state);
	char place[SCRIPT_PLACE];
	luaL_Buffer line;

	script_place(state, place);
	luaL_buffinit(state, &line);
	luaL_addstring(&line, place);
	luaL_addstring(&line, ": ");
	for (int i = 1; i <= count; i++) {
		if (i > 1)
			luaL_addchar(&line, '\t');
		luaL_tolstring(state, i, NULL);
		luaL_addvalue(&line);
	}
	luaL_pushresult(&line);
	script_log(script_of(state), lua_tostring(state, -1));
	return 0;
}

/* A module's name is that of a file beside the policy: letters, digits, '_' and '-'. */
static void require_check(lua_State *state, const char *name)
{
	if (strncmp(name, "lunette.", 8) == 0)
		luaL_error(state, "there is no module '%s', expected 'lunette.kubernetes'", name);
	if (!script_of(state)->loading)
		luaL_error(state, "require works only while the policy is loaded");
	for (const char *at = name; *at != '\0'; at++) {
		if (!isalnum((unsigned char)*at) && *at != '_' && *at != '-')
			luaL_error(state, "module '%s': expected the name of a file beside the policy, without its .lua",
				   name);
	}
	if (*name == '\0' || strlen(name) > 100)
		luaL_error(state, "expected the name of a module, of 1 to 100 characters");
}

/* Runs a module once; upvalue 1 holds what each returned, `false` while it runs. */
static int sandbox_require(lua_State *state)
{
	const char *name = luaL_checkstring(state, 1);

	if (strcmp(name, "lunette.kubernetes") == 0) {
		kubernetes_push(state);
		return 1;
	}
	require_check(state, name);
	lua_settop(state, 1);
	lua_pushvalue(state, 1);
	if (lua_rawget(state, lua_upvalueindex(1)) == LUA_TBOOLEAN && !lua_toboolean(state, -1))
		return luaL_error(state, "module '%s' requires itself", name);
	if (!lua_isnil(state, -1))
		return 1;
	lua_pushvalue(state, 1);
	lua_pushboolean(state, false);
	lua_rawset(state, lua_upvalueindex(1));
	script_push_file(state, lua_pushfstring(state, "%s.lua", name));
	lua_pushvalue(state, 1);
	lua_call(state, 1, 1);
	if (!lua_toboolean(state, -1)) {
		lua_pop(state, 1);
		lua_pushboolean(state, true);
	}
	lua_pushvalue(state, 1);
	lua_pushvalue(state, -2);
	lua_rawset(state, lua_upvalueindex(1));
	return 1;
}

/* ---- Wrappers that charge -------------------------------------------------------------------------------------------- */

/* Calls the library's function (upvalue 1) in our place: same arguments, and its errors name the function as called. */
static int charged_call(lua_State *state, uint64_t charge)
{
	int count;

	limits_charge(state, charge);
	count = lua_tocfunction(state, lua_upvalueindex(1))(state);
	if (count > RESULTS_MAX)
		return luaL_error(state, "too many results (more than %d)", RESULTS_MAX);
	return count;
}

/* For functions that walk along the strings they are given. */
static int charged_by_strings(lua_State *state)
{
	uint64_t bytes = 0;

	for (int i = lua_gettop(state); i > 0; i--) {
		if (lua_type(state, i) == LUA_TSTRING)
			bytes += lua_rawlen(state, i);
	}
	return charged_call(state, bytes / 8);
}

/* The number of items from `first` to `last`. */
static uint64_t range_size(lua_Integer first, lua_Integer last)
{
	return first <= last ? (uint64_t)last - (uint64_t)first + 1 : 0;
}

/* The length of the table that is argument 1.  One with __len could give another answer to the function itself. */
static lua_Integer plain_length(lua_State *state)
{
	luaL_checktype(state, 1, LUA_TTABLE);
	if (luaL_getmetafield(state, 1, "__len") != LUA_TNIL)
		luaL_argerror(state, 1, "a table without __len expected");
	return (lua_Integer)lua_rawlen(state, 1);
}

/* Makes the optional arguments `first` and `last`, a range of argument 1, explicit.  => its size */
static uint64_t explicit_range(lua_State *state, int first, int last)
{
	lua_Integer from = luaL_optinteger(state, first, 1);
	lua_Integer to = lua_isnoneornil(state, last) ? luaL_len(state, 1) : luaL_checkinteger(state, last);

	lua_settop(state, last);
	lua_pushinteger(state, from);
	lua_replace(state, first);
	lua_pushinteger(state, to);
	lua_replace(state, last);
	return range_size(from, to);
}

static int charged_concat(lua_State *state)
{
	return charged_call(state, explicit_range(state, 3, 4));
}

static int charged_unpack(lua_State *state)
{
	uint64_t size = explicit_range(state, 2, 3);

	if (size > RESULTS_MAX)
		return luaL_error(state, "too many results to unpack (more than %d)", RESULTS_MAX);
	return charged_call(state, size);
}

static int charged_move(lua_State *state)
{
	return charged_call(state, range_size(luaL_checkinteger(state, 2), luaL_checkinteger(state, 3)));
}

/* What is behind the position moves; without one, the end is meant. */
static int charged_insert(lua_State *state)
{
	lua_Integer length = plain_length(state);

	return charged_call(state, lua_gettop(state) > 2 ? range_size(lua_tointeger(state, 2), length) : 1);
}

static int charged_remove(lua_State *state)
{
	lua_Integer length = plain_length(state);

	return charged_call(state, lua_gettop(state) > 1 ? range_size(lua_tointeger(state, 2), length) : 1);
}

static int charged_sort(lua_State *state)
{
	uint64_t length = (uint64_t)plain_length(state);
	unsigned depth = 1;

	while (depth < 63 && length >> depth != 0)
		depth++;
	return charged_call(state, length * depth);
}

static int charged_rep(lua_State *state)
{
	size_t length, separator = 0;
	lua_Integer count = luaL_checkinteger(state, 2);

	luaL_checklstring(state, 1, &length);
	luaL_optlstring(state, 3, "", &separator);
	if (count <= 0 || length + separator == 0) {
		lua_pushliteral(state, "");
		return 1;
	}
	if ((uint64_t)count > (LIMITS_STRING + separator) / (length + separator))
		return luaL_error(state, "resulting string too large (more than %d bytes)", LIMITS_STRING);
	return charged_call(state, (uint64_t)count / 8);
}

/* ---- Types ----------------------------------------------------------------------------------------------------------- */

void sandbox_push_type(lua_State *state, const char *name, const luaL_Reg *methods)
{
	lua_newtable(state);
	lua_newtable(state);
	lua_pushvalue(state, -2);
	address_push_metatable(state);
	luaL_setfuncs(state, methods, 2);
	lua_setfield(state, -2, "__index");
	lua_pushstring(state, name);
	lua_setfield(state, -2, "__name");
	lua_pushfstring(state, "a %s", name);
	lua_setfield(state, -2, "__metatable");
}

/* ---- Opening --------------------------------------------------------------------------------------------------------- */

/* Puts each wrapper of the list in the place of the function of that name, in the table on top. */
static void sandbox_wrap(lua_State *state, const luaL_Reg *wrappers)
{
	for (; wrappers->name != NULL; wrappers++) {
		lua_getfield(state, -1, wrappers->name);
		lua_pushcclosure(state, wrappers->func, 1);
		lua_setfield(state, -2, wrappers->name);
	}
}

static void sandbox_open_base(lua_State *state)
{
	static const luaL_Reg functions[] = {
		{ "pcall", sandbox_pcall },
		{ "print", sandbox_print },
		{ "setmetatable", sandbox_setmetatable },
		{ "xpcall", sandbox_xpcall },
		/* none of these: code from outside, and control of the collector and of Lua's own warnings */
		{ "collectgarbage", NULL },
		{ "dofile", NULL },
		{ "load", NULL },
		{ "loadfile", NULL },
		{ "warn", NULL },
		{ NULL, NULL },
	};
	static const luaL_Reg wrappers[] = { { "tonumber", charged_by_strings }, { NULL, NULL } };

	luaL_requiref(state, LUA_GNAME, luaopen_base, 1);
	for (const luaL_Reg *function = functions; function->name != NULL; function++) {
		if (function->func != NULL)
			lua_pushcfunction(state, function->func);
		else
			lua_pushnil(state);
		lua_setfield(state, -2, function->name);
	}
	sandbox_wrap(state, wrappers);
	lua_newtable(state);
	lua_pushcclosure(state, sandbox_require, 1);
	lua_setfield(state, -2, "require");
	lua_pop(state, 1);
}

static void sandbox_open_string(lua_State *state)
{
	static const luaL_Reg wrappers[] = {
		{ "byte", charged_by_strings },
		{ "char", charged_by_strings },
		{ "format", charged_by_strings },
		{ "lower", charged_by_strings },
		{ "pack", charged_by_strings },
		{ "packsize", charged_by_strings },
		{ "reverse", charged_by_strings },
		{ "rep", charged_rep },
		{ "unpack", charged_by_strings },
		{ "upper", charged_by_strings },
		{ NULL, NULL },
	};

	luaL_requiref(state, LUA_STRLIBNAME, luaopen_string, 1);
	lua_pushnil(state);
	lua_setfield(state, -2, "dump");
	sandbox_wrap(state, wrappers);
	pattern_open(state);
	lua_pop(state, 1);
}

static void sandbox_open_table(lua_State *state)
{
	static const luaL_Reg wrappers[] = {
		{ "concat", charged_concat },
		{ "insert", charged_insert },
		{ "move", charged_move },
		{ "remove", charged_remove },
		{ "sort", charged_sort },
		{ "unpack", charged_unpack },
		{ NULL, NULL },
	};

	luaL_requiref(state, LUA_TABLIBNAME, luaopen_table, 1);
	sandbox_wrap(state, wrappers);
	lua_pop(state, 1);
}

static const char seed_key;

int sandbox_seed(lua_State *state)
{
	lua_rawgetp(state, LUA_REGISTRYINDEX, &seed_key);
	lua_insert(state, 1);
	lua_call(state, 1, 0);
	return 0;
}

/* math.random begins with 0 while loading and with what the engine draws in the first hook, so that a replay gives the same result
 * each time. */
static void sandbox_open_math(lua_State *state)
{
	luaL_requiref(state, LUA_MATHLIBNAME, luaopen_math, 1);
	lua_getfield(state, -1, "randomseed");
	lua_rawsetp(state, LUA_REGISTRYINDEX, &seed_key);
	lua_pushcfunction(state, sandbox_seed);
	lua_pushinteger(state, 0);
	lua_call(state, 1, 0);
	lua_pop(state, 1);
}

static void sandbox_open_utf8(lua_State *state)
{
	static const luaL_Reg wrappers[] = {
		{ "codepoint", charged_by_strings },
		{ "len", charged_by_strings },
		{ "offset", charged_by_strings },
		{ NULL, NULL },
	};

	luaL_requiref(state, LUA_UTF8LIBNAME, luaopen_utf8, 1);
	sandbox_wrap(state, wrappers);
	lua_pop(state, 1);
}

void sandbox_open(lua_State *state)
{
	sandbox_open_base(state);
	sandbox_open_string(state);
	sandbox_open_table(state);
	sandbox_open_math(state);
	sandbox_open_utf8(state);
}
