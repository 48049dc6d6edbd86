/* decision.c - what a hook answers, as values: accept(), drop(why), reject(why), forward(name), dnat(endpoint, options).
 *
 * A decision is made where the script says it, which is what a trace quotes, so each is a new object; the string that it
 * holds is its user value. */
#include "script.h"

#include <string.h>

struct decision {
	struct lun_decision answer;
	char at[SCRIPT_PLACE];
};

static const char metatable_key;

/* Pushes a new decision; `text` is the index of the string that it holds, or 0. */
static struct lun_decision *decision_push(lua_State *state, enum lun_action action, int text)
{
	struct decision *decision = lua_newuserdatauv(state, sizeof(*decision), 1);

	decision->answer = (struct lun_decision) { .action = action, .at = decision->at };
	script_place(state, decision->at);
	if (text != 0) {
		lua_pushvalue(state, text);
		lua_setiuservalue(state, -2, 1);
	}
	lua_rawgetp(state, LUA_REGISTRYINDEX, &metatable_key);
	lua_setmetatable(state, -2);
	return &decision->answer;
}

static int decision_accept(lua_State *state)
{
	decision_push(state, LUN_ACTION_ACCEPT, 0);
	return 1;
}

/* drop(why), reject(why): the reason is optional. */
static int decision_refuse(lua_State *state, enum lun_action action)
{
	const char *why = luaL_optstring(state, 1, NULL);

	decision_push(state, action, why != NULL ? 1 : 0)->why = why;
	return 1;
}

static int decision_drop(lua_State *state)
{
	return decision_refuse(state, LUN_ACTION_DROP);
}

static int decision_reject(lua_State *state)
{
	return decision_refuse(state, LUN_ACTION_REJECT);
}

static int decision_forward(lua_State *state)
{
	const char *service;

	if (lua_type(state, 1) != LUA_TSTRING)
		return luaL_error(state, "forward: expected the name of a service, such as \"default/nginx\"");
	service = lua_tostring(state, 1);
	decision_push(state, LUN_ACTION_FORWARD, 1)->service = service;
	return 1;
}

/* Argument 2 of dnat: { masquerade = true | false | "auto" }. */
static enum lun_masquerade dnat_masquerade(lua_State *state)
{
	if (lua_isnoneornil(state, 2))
		return LUN_MASQUERADE_AUTO;
	luaL_checktype(state, 2, LUA_TTABLE);
	for (lua_pushnil(state); lua_next(state, 2) != 0; lua_pop(state, 1)) {
		if (lua_type(state, -2) != LUA_TSTRING || strcmp(lua_tostring(state, -2), "masquerade") != 0)
			luaL_error(state, "dnat: unknown option %s, expected masquerade", luaL_tolstring(state, -2, NULL));
	}
	lua_pushliteral(state, "masquerade");
	lua_rawget(state, 2);
	if (lua_isboolean(state, -1))
		return lua_toboolean(state, -1) ? LUN_MASQUERADE_ALWAYS : LUN_MASQUERADE_NEVER;
	if (!lua_isnil(state, -1) && (lua_type(state, -1) != LUA_TSTRING || strcmp(lua_tostring(state, -1), "auto") != 0))
		luaL_error(state, "dnat: masquerade: expected true, false or \"auto\"");
	return LUN_MASQUERADE_AUTO;
}

static int decision_dnat(lua_State *state)
{
	const char *text = lua_type(state, 1) == LUA_TSTRING ? lua_tostring(state, 1) : "";
	enum lun_masquerade masquerade = dnat_masquerade(state);
	struct lun_decision *decision;
	struct lun_address address;
	uint16_t port;

	if (lun_endpoint_parse(&address, &port, text) < 0)
		return luaL_error(state, "dnat: expected an endpoint such as \"10.0.0.1:80\" or \"[fd00::1]:80\", got %s",
				  luaL_tolstring(state, 1, NULL));
	decision = decision_push(state, LUN_ACTION_DNAT, 0);
	decision->address = address;
	decision->port = port;
	decision->masquerade = masquerade;
	return 1;
}

bool decision_read(lua_State *state, int index, struct lun_decision *decision)
{
	bool is_decision = false;

	if (lua_type(state, index) != LUA_TUSERDATA || !lua_getmetatable(state, index))
		return false;
	lua_rawgetp(state, LUA_REGISTRYINDEX, &metatable_key);
	is_decision = lua_rawequal(state, -1, -2);
	lua_pop(state, 2);
	if (is_decision)
		*decision = ((const struct decision *)lua_touserdata(state, index))->answer;
	return is_decision;
}

void decision_open(lua_State *state)
{
	static const luaL_Reg functions[] = {
		{ "accept", decision_accept },   { "drop", decision_drop }, { "reject", decision_reject },
		{ "forward", decision_forward }, { "dnat", decision_dnat }, { NULL, NULL },
	};

	lua_pushglobaltable(state);
	luaL_setfuncs(state, functions, 0);
	lua_pop(state, 1);
	lua_newtable(state);
	lua_pushliteral(state, "decision");
	lua_setfield(state, -2, "__name");
	lua_pushliteral(state, "a decision");
	lua_setfield(state, -2, "__metatable");
	lua_rawsetp(state, LUA_REGISTRYINDEX, &metatable_key);
}
