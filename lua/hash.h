/* hash.h - a number for a value, the same on every machine and in every version: what a policy splits traffic by. */
#ifndef LUNETTE_LUA_HASH_H
#define LUNETTE_LUA_HASH_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* Of bytes.  No secret is in it: who knows the seed can find values that meet. */
uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed);

/* Opens the global `hash`. */
void hash_open(lua_State *state);

#endif
