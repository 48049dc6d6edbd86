/* address.c - address objects: values that never change, so that a script may keep one, with :within("10.0.0.0/8"), ==,
 * tostring and `..`.
 *
 * Both the objects and the prefixes that scripts ask about come again and again, so both are kept: the last objects in the
 * integer keys of the metatable, where an address has one place by its hash; prefixes by their text. */
#include "script.h"

#include <string.h>

enum { ADDRESS_SLOTS = 256 /* the upper eight bits of the hash */, PREFIXES_MAX = 1024 };

static const char metatable_key;

void address_push_metatable(lua_State *state)
{
	lua_rawgetp(state, LUA_REGISTRYINDEX, &metatable_key);
}

static lua_Integer address_slot(const struct lun_address *address)
{
	uint64_t half[2];

	memcpy(half, address->bytes, sizeof(half));
	return (lua_Integer)((half[0] ^ half[1]) * UINT64_C(0x9e3779b97f4a7c15) >> 56) + 1;
}

void address_push(lua_State *state, const struct lun_address *address, int metatable)
{
	lua_Integer slot = address_slot(address);

	if (lua_rawgeti(state, metatable, slot) != LUA_TNIL &&
	    memcmp(lua_touserdata(state, -1), address, sizeof(*address)) == 0)
		return;
	lua_pop(state, 1);
	memcpy(lua_newuserdatauv(state, sizeof(*address), 0), address, sizeof(*address));
	lua_pushvalue(state, metatable);
	lua_setmetatable(state, -2);
	lua_pushvalue(state, -1);
	lua_rawseti(state, metatable, slot);
}

const struct lun_address *address_at(lua_State *state, int index, int metatable)
{
	const struct lun_address *address = NULL;

	if (lua_type(state, index) == LUA_TUSERDATA && lua_getmetatable(state, index)) {
		if (lua_rawequal(state, -1, metatable))
			address = lua_touserdata(state, index);
		lua_pop(state, 1);
	}
	return address;
}

/* address("10.0.0.1"); upvalue 1: the metatable. */
static int address_new(lua_State *state)
{
	const char *text = luaL_checkstring(state, 1);
	struct lun_address address;

	if (lun_address_parse(&address, text) < 0)
		return luaL_error(state, "expected an IPv4 or IPv6 address, got \"%s\"", text);
	address_push(state, &address, lua_upvalueindex(1));
	return 1;
}

/* Parses argument 2 and keeps the prefix for the next time; there are only so many, a script could make up ever new ones. */
static const struct lun_prefix *prefix_new(lua_State *state)
{
	struct script *script = script_of(state);
	const char *text = luaL_checkstring(state, 2);
	struct lun_prefix prefix;

	if (lun_prefix_parse(&prefix, text) < 0)
		luaL_error(state, "expected a prefix such as \"10.0.0.0/8\", got \"%s\"", text);
	if (script->prefix_count++ == PREFIXES_MAX) {
		script->prefix_count = 1;
		lua_newtable(state);
		lua_replace(state, lua_upvalueindex(2));
	}
	lua_pushvalue(state, 2);
	memcpy(lua_newuserdatauv(state, sizeof(prefix), 0), &prefix, sizeof(prefix));
	lua_rawset(state, lua_upvalueindex(2));
	lua_pushvalue(state, 2);
	lua_rawget(state, lua_upvalueindex(2));
	return lua_touserdata(state, -1);
}

/* address:within("10.0.0.0/8"), address:within(set); upvalues: the metatable, prefixes by their text. */
static int address_within(lua_State *state)
{
	const struct lun_address *address = address_at(state, 1, lua_upvalueindex(1));
	const struct lun_prefix *prefix;

	if (address == NULL)
		return luaL_typeerror(state, 1, "address");
	lua_settop(state, 2);
	if (lua_type(state, 2) == LUA_TUSERDATA) {
		lua_pushboolean(state, set_has(state, 2, address));
		return 1;
	}
	lua_pushvalue(state, 2);
	lua_rawget(state, lua_upvalueindex(2));
	prefix = lua_touserdata(state, -1);
	if (prefix == NULL)
		prefix = prefix_new(state);
	lua_pushboolean(state, lun_prefix_holds(prefix, address));
	return 1;
}

static int address_equal(lua_State *state)
{
	const struct lun_address *a = address_at(state, 1, lua_upvalueindex(1));
	const struct lun_address *b = address_at(state, 2, lua_upvalueindex(1));

	lua_pushboolean(state, a != NULL && b != NULL && memcmp(a, b, sizeof(*a)) == 0);
	return 1;
}

static int address_text(lua_State *state)
{
	const struct lun_address *address = address_at(state, 1, lua_upvalueindex(1));
	char text[LUN_ADDRESS_TEXT];

	if (address == NULL)
		return luaL_typeerror(state, 1, "address");
	lua_pushstring(state, lun_address_format(address, text));
	return 1;
}

static int address_concat(lua_State *state)
{
	luaL_tolstring(state, 1, NULL);
	luaL_tolstring(state, 2, NULL);
	lua_concat(state, 2);
	return 1;
}

void address_open(lua_State *state)
{
	static const luaL_Reg metamethods[] = {
		{ "__eq", address_equal },
		{ "__tostring", address_text },
		{ "__concat", address_concat },
		{ NULL, NULL },
	};

	lua_createtable(state, ADDRESS_SLOTS, 8);
	lua_pushvalue(state, -1);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &metatable_key);
	lua_pushvalue(state, -1);
	luaL_setfuncs(state, metamethods, 1);

	lua_newtable(state);
	lua_pushvalue(state, -2);
	lua_newtable(state);
	lua_pushcclosure(state, address_within, 2);
	lua_setfield(state, -2, "within");
	lua_setfield(state, -2, "__index");
	lua_pushliteral(state, "address");
	lua_setfield(state, -2, "__name");
	lua_pushliteral(state, "an address");
	lua_setfield(state, -2, "__metatable");

	lua_pushcclosure(state, address_new, 1);
	lua_setglobal(state, "address");
}
