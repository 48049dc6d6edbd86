/* hash.c - see hash.h: eight bytes at a time, each stirred by the finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable
 * pseudorandom number generators, 2014). */
#include "hash.h"
#include "script.h"

static uint64_t stir(uint64_t word)
{
	word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
	return word ^ word >> 31;
}

uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
	const uint8_t *at = bytes;
	uint64_t sum = stir(seed + UINT64_C(0x9e3779b97f4a7c15)), word = 0;

	for (size_t i = 0; i < length; i++) {
		word |= (uint64_t)at[i] << i % 8 * 8;
		if (i % 8 == 7) {
			sum = stir(sum ^ word);
			word = 0;
		}
	}
	return stir(stir(sum ^ word) ^ length);
}

/* Of the value at `index`; upvalue 1: the metatable of addresses. */
static uint64_t hash_value(lua_State *state, int index, uint64_t seed)
{
	const struct lun_address *address = address_at(state, index, lua_upvalueindex(1));
	const char *text;
	size_t length;

	if (address != NULL)
		return hash_bytes(address->bytes, sizeof(address->bytes), seed);
	if (lua_type(state, index) != LUA_TSTRING && !lua_isinteger(state, index))
		luaL_typeerror(state, index, "address, text or whole number");
	lua_pushvalue(state, index);
	text = lua_tolstring(state, -1, &length);
	limits_charge(state, length / 8);
	seed = hash_bytes(text, length, seed);
	lua_pop(state, 1);
	return seed;
}

/* hash(value, seed) => 0 to 2^63 - 1 */
static int hash_call(lua_State *state)
{
	uint64_t seed = lua_isnoneornil(state, 2) ? 0 : hash_value(state, 2, 0);

	lua_pushinteger(state, (lua_Integer)(hash_value(state, 1, seed) >> 1));
	return 1;
}

void hash_open(lua_State *state)
{
	address_push_metatable(state);
	lua_pushcclosure(state, hash_call, 1);
	lua_setglobal(state, "hash");
}
