/* arguments_lua.c - what scenarios are told by their files, checked; each error says what was expected. */
#include "cli/scenario_lua.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MOST = 1000 /* bytes of a string in a message */ };

static const uint64_t second = 1000000000;

void check_keys(lua_State *state, int index, const char *const *names)
{
	luaL_checktype(state, index, LUA_TTABLE);
	for (lua_pushnil(state); lua_next(state, index) != 0; lua_pop(state, 1)) {
		luaL_Buffer list;
		const char *const *name = names;

		const char *key;

		lua_pushvalue(state, -2);
		key = lua_tostring(state, -1);
		while (*name && (!key || strcmp(*name, key) != 0))
			name++;
		lua_pop(state, 1);
		if (*name)
			continue;
		luaL_buffinit(state, &list);
		for (name = names; *name; name++) {
			luaL_addstring(&list, name == names ? "" : name[1] ? ", " : " or ");
			luaL_addstring(&list, *name);
		}
		luaL_pushresult(&list);
		luaL_tolstring(state, -3, NULL);
		luaL_error(state, "unknown key %s, expected %s", lua_tostring(state, -1), lua_tostring(state, -2));
	}
}

void take_address(lua_State *state, int index, const char *field, struct lun_address *address, uint16_t *port)
{
	const char *text;

	lua_getfield(state, index, field);
	text = lua_tostring(state, -1);
	if (!text || (port ? lun_endpoint_parse(address, port, text) : lun_address_parse(address, text)) < 0 ||
	    (port && *port == 0))
		luaL_error(state, "%s: expected %s, got %s", field,
			   port ? "\"10.0.0.1:80\" or \"[fd00::1]:80\"" : "an address", luaL_tolstring(state, -1, NULL));
	lua_pop(state, 1);
}

lua_Integer take_number(lua_State *state, int index, const char *field, lua_Integer most, lua_Integer otherwise)
{
	lua_Integer value = otherwise;
	int is_integer = 1;

	if (lua_getfield(state, index, field) != LUA_TNIL)
		value = lua_tointegerx(state, -1, &is_integer);
	if (!is_integer || value < 0 || value > most)
		luaL_error(state, "%s: expected a number from 0 to %d, got %s", field, (int)most,
			   luaL_tolstring(state, -1, NULL));
	lua_pop(state, 1);
	return value;
}

/* Reads "1.5s" at `text`, or a number alone, which is one of seconds.  => what stands behind it, or NULL */
static const char *read_duration(const char *text, double *seconds)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = { { "ms", 0.001 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	char *end;
	double value = strtod(text, &end);

	if (end == text || !(value >= 0))
		return NULL;
	*seconds = value;
	for (size_t i = 0; *end && i < sizeof(units) / sizeof(units[0]); i++) {
		size_t length = strlen(units[i].unit);

		*seconds = value * units[i].seconds;
		if (strncmp(end, units[i].unit, length) == 0)
			return end + length;
	}
	return *end ? NULL : end;
}

uint64_t take_duration(lua_State *state, int index)
{
	const char *text = luaL_checkstring(state, index);
	double sum = 0, seconds;

	do {
		text = read_duration(text, &seconds);
		sum += text ? seconds : 0;
	} while (text && *text);
	if (!text || sum > 1e9)
		luaL_argerror(state, index,
			      "expected a duration such as \"300ms\", \"1.5s\", \"2h4m\" or a number of seconds");
	return (uint64_t)(sum * (double)second);
}

static void add_escaped(luaL_Buffer *text, unsigned char byte)
{
	static const char plain[] = "\"\\\r\n\t", letters[] = "\"\\rnt";
	const char *at = byte ? strchr(plain, byte) : NULL;
	char escaped[8] = { (char)byte, '\0' };

	if (at)
		snprintf(escaped, sizeof(escaped), "\\%c", letters[at - plain]);
	else if (byte < 0x20 || byte > 0x7e)
		snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
	luaL_addstring(text, escaped);
}

const char *push_shown(lua_State *state, int index)
{
	size_t length;
	const char *bytes;
	luaL_Buffer text;

	index = lua_absindex(state, index);
	if (lua_type(state, index) != LUA_TSTRING)
		return luaL_tolstring(state, index, NULL);
	bytes = lua_tolstring(state, index, &length);
	luaL_buffinit(state, &text);
	luaL_addchar(&text, '"');
	for (size_t i = 0; i < length && i < SHOWN_MOST; i++)
		add_escaped(&text, (unsigned char)bytes[i]);
	luaL_addstring(&text, length > SHOWN_MOST ? "\"..." : "\"");
	luaL_pushresult(&text);
	if (length > SHOWN_MOST)
		lua_pushfstring(state, "%s (%d bytes)", lua_tostring(state, -1), (int)length);
	return lua_tostring(state, -1);
}

int return_itself(lua_State *state)
{
	lua_settop(state, 1);
	return 1;
}

void open_type(lua_State *state, const char *name, const luaL_Reg *methods)
{
	luaL_newmetatable(state, name);
	lua_newtable(state);
	luaL_setfuncs(state, methods, 0);
	lua_setfield(state, -2, "__index");
}
