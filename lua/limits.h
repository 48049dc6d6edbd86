/* limits.h - how many bytes and how many instructions a script may use, and what happens when it uses more.
 *
 * Lua counts instructions and nothing else, so everything that can work long within one instruction spends from the same
 * account: new memory (in the allocator), steps of a pattern, ranges of table functions (sandbox.c).  What is
 * left of the account is looked at every few instructions and by the spenders that may raise an error themselves.
 *
 * An overrun is sticky: until the call into Lua has been left altogether, the very next instruction raises it again, and
 * pcall does not catch it.  The next call starts with a fresh account. */
#ifndef LUNETTE_LUA_LIMITS_H
#define LUNETTE_LUA_LIMITS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A single instruction may compare, copy or concatenate strings; this is the longest that one can be. */
enum { LIMITS_STRING = 64 * 1024, LIMITS_MESSAGE = 240 };

/* SYSTEM is no fault of the script: there is no memory. */
enum overrun { OVERRUN_NONE, OVERRUN_INSTRUCTIONS, OVERRUN_MEMORY, OVERRUN_STRING, OVERRUN_SYSTEM };

struct limits {
	lua_State *state; /* NULL while it is being made */
	size_t memory;    /* most bytes */
	size_t used;
	uint64_t made;    /* bytes that were ever allocated */
	const char *what; /* the call into Lua that the account is for, in words */
	int64_t account;  /* instructions for it */
	int64_t left;
	int interval;         /* instructions between two looks at `left` */
	bool tight;           /* look before each instruction, since nothing is left; true before the first call */
	enum overrun refused; /* why the allocator said no last */
	enum overrun overrun; /* sticky, see above */
	lua_Debug where;      /* at the last look: a failed allocation can not ask */
};

/* The allocator of lua_newstate; `user` is the limits. */
void *limits_allocate(void *user, void *block, size_t old, size_t size);

/* A call into Lua begins, with `instructions` to spend; `what` it is goes into the message of an overrun. */
void limits_begin(struct limits *limits, const char *what, uint64_t instructions);

/* Spends without looking: for where no error may be raised. */
void limits_spend(struct limits *limits, uint64_t instructions);

/* Spends, and raises the overrun in `state` if nothing is left. */
void limits_charge(lua_State *state, uint64_t instructions);

/* Raises in `state` that there is no memory, for what is taken past the allocator of the state.  Does not return. */
int limits_no_memory(lua_State *state);

/* To be called with a status of lua_pcall other than LUA_OK: true if it was an overrun, which must be raised again. */
bool limits_overran(struct limits *limits, int status);

/* The sentence of the overrun that happened, with its place. */
void limits_message(const struct limits *limits, char message[LIMITS_MESSAGE]);

#endif
