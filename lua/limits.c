/* limits.c - the allocator, the count hook and the account they share; limits.h says why.
 *
 * The allocator may not touch the stack (it is called while that is being moved), so it only notes why it refused; the place
 * for the message is the one that the count hook saw last.  It may call lua_sethook, as a signal handler may. */
#include "limits.h"
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

/* What a new block costs, in instructions, and each of so many bytes of it: making, clearing and collecting it takes about that time. */
enum { INSTRUCTIONS_PER_BLOCK = 8, BYTES_PER_INSTRUCTION = 64 };

/* A single instruction ("...") copies all further arguments of a function; nobody needs more than so many. */
enum { ARGUMENTS_MAX = 1000 };

static void limits_look(lua_State *state, lua_Debug *where);

static void limits_tighten(struct limits *limits)
{
	if (limits->state == NULL || limits->tight)
		return;
	limits->tight = true;
	lua_sethook(limits->state, limits_look, LUA_MASKCOUNT, 1);
}

void limits_spend(struct limits *limits, uint64_t instructions)
{
	limits->left = instructions < (uint64_t)INT64_MAX / 2 ? limits->left - (int64_t)instructions : -1;
	if (limits->left < 0)
		limits_tighten(limits);
}

/* A full state makes Lua collect everything and ask again; a quarter of the account for each refusal keeps a script from
 * having that done for every allocation. */
static void *limits_refuse(struct limits *limits, enum overrun why)
{
	limits->refused = why;
	limits_spend(limits, (uint64_t)limits->account / 4);
	return NULL;
}

void *limits_allocate(void *user, void *block, size_t old, size_t size)
{
	struct limits *limits = user;
	size_t had = block != NULL ? old : 0;
	void *grown;

	if (size == 0) {
		free(block);
		limits->used -= had;
		return NULL;
	}
	/* For a new block `old` is the type of the object; a string has a header of less than 64 bytes. */
	if (block == NULL && old == LUA_TSTRING && size > LIMITS_STRING + 64)
		return limits_refuse(limits, OVERRUN_STRING);
	if (size > had && (size > limits->memory || limits->used - had > limits->memory - size))
		return limits_refuse(limits, OVERRUN_MEMORY);
	grown = realloc(block, size);
	if (grown == NULL)
		return limits_refuse(limits, OVERRUN_SYSTEM);
	limits->used = limits->used - had + size;
	if (size > had)
		limits->made += size - had;
	if (size > had)
		limits_spend(limits, INSTRUCTIONS_PER_BLOCK + size / BYTES_PER_INSTRUCTION);
	return grown;
}

static void limits_raise(lua_State *state)
{
	struct limits *limits = &script_of(state)->limits;
	char message[LIMITS_MESSAGE];

	if (limits->overrun == OVERRUN_NONE)
		limits->overrun = OVERRUN_INSTRUCTIONS;
	limits_tighten(limits);
	limits_message(limits, message);
	lua_pushstring(state, message);
	lua_error(state);
}

static void limits_note_place(lua_State *state, struct limits *limits)
{
	if (!script_where(state, &limits->where))
		limits->where.currentline = 0;
}

/* The count hook. */
static void limits_look(lua_State *state, lua_Debug *where)
{
	struct limits *limits = &script_of(state)->limits;

	limits->left -= limits->interval;
	if (limits->overrun == OVERRUN_NONE)
		limits_note_place(state, limits);
	if (limits->left < 0)
		limits_raise(state);
	if (lua_getlocal(state, where, -ARGUMENTS_MAX) != NULL)
		luaL_error(state, "a function was given more than %d arguments", ARGUMENTS_MAX);
}

void limits_begin(struct limits *limits, const char *what, uint64_t instructions)
{
	limits->what = what;
	limits->account = instructions < INT64_MAX ? (int64_t)instructions : INT64_MAX;
	limits->left = limits->account;
	limits->overrun = OVERRUN_NONE;
	limits->refused = OVERRUN_NONE;
	limits->where.currentline = 0;
	if (!limits->tight)
		return;
	limits->tight = false;
	lua_sethook(limits->state, limits_look, LUA_MASKCOUNT, limits->interval);
}

void limits_charge(lua_State *state, uint64_t instructions)
{
	struct limits *limits = &script_of(state)->limits;

	limits_spend(limits, instructions);
	if (limits->left >= 0)
		return;
	if (limits->overrun == OVERRUN_NONE)
		limits_note_place(state, limits);
	limits_raise(state);
}

int limits_no_memory(lua_State *state)
{
	struct limits *limits = &script_of(state)->limits;

	limits->overrun = OVERRUN_SYSTEM;
	limits_note_place(state, limits);
	limits_raise(state);
	return 0;
}

bool limits_overran(struct limits *limits, int status)
{
	if (status == LUA_ERRMEM && limits->overrun == OVERRUN_NONE) {
		limits->overrun = limits->refused != OVERRUN_NONE ? limits->refused : OVERRUN_MEMORY;
		limits->left = -1;
		limits_tighten(limits);
	}
	return limits->overrun != OVERRUN_NONE;
}

void limits_message(const struct limits *limits, char message[LIMITS_MESSAGE])
{
	size_t length = 0;

	if (limits->where.currentline > 0)
		length = (size_t)sprintf(message, "%s:%d: ", limits->where.short_src, limits->where.currentline);
	if (limits->overrun == OVERRUN_INSTRUCTIONS)
		snprintf(message + length, LIMITS_MESSAGE - length, "more than %lld instructions, the most that %s may take",
			 (long long)limits->account, limits->what);
	else if (limits->overrun == OVERRUN_STRING)
		snprintf(message + length, LIMITS_MESSAGE - length,
			 "a string of more than %d bytes, the longest that a policy may make", LIMITS_STRING);
	else if (limits->overrun == OVERRUN_SYSTEM)
		snprintf(message + length, LIMITS_MESSAGE - length, "out of memory");
	else
		snprintf(message + length, LIMITS_MESSAGE - length,
			 "more than %zu bytes of memory, the most that a policy may use", limits->memory);
}
