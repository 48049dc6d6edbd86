/* object.c - what a hook is given: a flow, a packet, a request and its headers.
 *
 * None of them is a thing: each is the number of the hook's call and which of the four it is, as a light userdata, so that handing
 * them out allocates nothing.  What they show is read from the engine's structs, which are gone after the call; a script that kept
 * one has the number of a call that is over, and gets an error instead of another flow's fields.
 *
 * Lua has one metatable for all light userdata.  So this one's functions look which object is meant, and scripts have no others. */
#include "script.h"

#include <string.h>

enum { KIND_BITS = 2 };

/* Upvalues of object_index, behind OBJECT_ADDRESSES: for each kind the numbers of its fields by their names. */
enum { FIELDS = 2 };

static const struct object_kind *const kinds[] = {
	[OBJECT_FLOW] = &flow_kind,
	[OBJECT_PACKET] = &packet_kind,
	[OBJECT_REQUEST] = &request_kind,
	[OBJECT_HEADERS] = &headers_kind,
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
_Static_assert(KINDS <= 1 << KIND_BITS, "a kind is that many bits of an object");

void object_push(lua_State *state, enum object object)
{
	lua_pushlightuserdata(state, (void *)(uintptr_t)(script_of(state)->call << KIND_BITS | object));
}

/* What argument 1 is, if its call is not over. */
static enum object object_check(lua_State *state)
{
	const struct script *script = script_of(state);
	uintptr_t number = (uintptr_t)lua_touserdata(state, 1);
	enum object object = (enum object)(number & ((1 << KIND_BITS) - 1));

	if (script->flow == NULL || number >> KIND_BITS != (uintptr_t)(script->call << KIND_BITS) >> KIND_BITS)
		luaL_error(state, "this %s is over: it can be used only during the call of %s that it was given to",
			   kinds[object]->name, kinds[object]->given_to);
	return object;
}

static int object_unknown(lua_State *state, const struct object_kind *kind)
{
	const char *name = luaL_tolstring(state, 2, NULL);
	const char *near = suggest(name, kind->fields, (size_t)kind->field_count);

	if (near != NULL)
		return luaL_error(state, "a %s has no field %s, did you mean %s?", kind->name, name, near);
	return luaL_error(state, "a %s has no field %s", kind->name, name);
}

static int object_index(lua_State *state)
{
	enum object object = object_check(state);
	const struct object_kind *kind = kinds[object];
	int field = 0;

	if (kind->field_count > 0) {
		lua_pushvalue(state, 2);
		lua_rawget(state, lua_upvalueindex(FIELDS + (int)object));
		field = (int)lua_tointeger(state, -1);
		if (field == 0)
			return object_unknown(state, kind);
	}
	kind->push(state, field);
	return 1;
}

static int object_change(lua_State *state)
{
	return kinds[object_check(state)]->change(state);
}

/* The name of its kind. */
static int object_text(lua_State *state)
{
	uintptr_t number = (uintptr_t)lua_touserdata(state, 1);

	lua_pushstring(state, kinds[number & ((1 << KIND_BITS) - 1)]->name);
	return 1;
}

void object_open(lua_State *state)
{
	static const luaL_Reg metamethods[] = { { "__newindex", object_change },
						{ "__tostring", object_text },
						{ NULL, NULL } };

	lua_pushlightuserdata(state, NULL);
	luaL_newlib(state, metamethods);
	address_push_metatable(state);
	for (int i = 0; i < KINDS; i++) {
		lua_createtable(state, 0, kinds[i]->field_count);
		for (int field = 0; field < kinds[i]->field_count; field++) {
			lua_pushinteger(state, field + 1);
			lua_setfield(state, -2, kinds[i]->fields[field]);
		}
	}
	lua_pushcclosure(state, object_index, 1 + KINDS);
	lua_setfield(state, -2, "__index");
	lua_pushliteral(state, "object of a hook");
	lua_setfield(state, -2, "__name");
	lua_pushliteral(state, "a hook's");
	lua_setfield(state, -2, "__metatable");
	lua_setmetatable(state, -2);
	lua_pop(state, 1);
}
