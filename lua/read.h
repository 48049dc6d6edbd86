/* read.h - values out of a Lua table, each checked, each error with the line that the value is written on.
 *
 * A reader follows one declaration.  The table that is being read is on top of the stack; read_enter pushes one of its
 * values and notes the step, read_leave pops it.  Memory that a read returns belongs to the Lua state (anchored until
 * loading ends), so an error may leave at any point. */
#ifndef LUNETTE_LUA_READ_H
#define LUNETTE_LUA_READ_H

#include "script.h"

enum { READ_DEPTH = 8, READ_KEYS = 32 };

struct reader {
	lua_State *state;
	const char *word; /* "service" */
	const char *name; /* its name, or NULL */
	char file[LUA_IDSIZE];
	int line; /* of the declaring call */
	struct step path[READ_DEPTH];
	size_t depth;
};

/* The keys that one table may have, gathered as they are asked for: whatever is there besides is a mistake. */
struct keys {
	const char *known[READ_KEYS];
	size_t count;
	bool positional; /* [1] too */
};

/* A declaration begins, on the line that the innermost Lua function is at. */
void read_begin(struct reader *reader, lua_State *state, const char *word, const char *name);

/* "kind.lua:12"; => `place` */
char *read_place(const struct reader *reader, char place[SCRIPT_PLACE]);

/* Raises "file:line: KEY of service "x": MESSAGE". */
_Noreturn void read_fail(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same as a line for options.log; goes on. */
void read_warn(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Raises "...: expected WHAT, got VALUE" about the value on top. */
_Noreturn void read_unexpected(struct reader *reader, const char *expected);

/* The value on top must be a table. */
void read_table(struct reader *reader, const char *expected);

/* Pushes the value of a key; false, and nothing is pushed, if there is none. */
bool read_enter(struct reader *reader, struct keys *keys, const char *key);

/* The same for item `index` of a list, counted from 0. */
void read_enter_item(struct reader *reader, size_t index);
void read_leave(struct reader *reader);

/* Notes the step to a value that was pushed by other means. */
void read_step(struct reader *reader, struct step step);

/* The table on top as a list: => how many items. */
size_t read_list(struct reader *reader, const char *expected);

/* All keys have been asked for: any other one is an error. */
void read_end(struct reader *reader, const struct keys *keys);

/* A key of the design that this version does not have. */
void read_unsupported(struct reader *reader, struct keys *keys, const char *key);

/* Zeroed memory for `count` items, or NULL for none. */
void *read_memory(struct reader *reader, size_t count, size_t size);

/* Lets go of all memory and strings that any reader returned; the embedder has copied them. */
void read_release(lua_State *state);

/* The value on top: read_string until it is popped, read_kept_string as all memory here. */
const char *read_string(struct reader *reader, const char *expected);
const char *read_kept_string(struct reader *reader, const char *expected);
struct lun_address read_address(struct reader *reader);
struct lun_prefix read_prefix(struct reader *reader);

/* The value of a key; what is not there is NULL, LUN_DEFAULT, 0, no items. */
const char *read_text(struct reader *reader, struct keys *keys, const char *key, const char *expected);
enum lun_switch read_switch(struct reader *reader, struct keys *keys, const char *key);
uint16_t read_port(struct reader *reader, struct keys *keys, const char *key);
uint32_t read_limit(struct reader *reader, struct keys *keys, const char *key);
uint64_t read_duration(struct reader *reader, struct keys *keys, const char *key); /* ns */
const struct lun_address *read_addresses(struct reader *reader, struct keys *keys, const char *key, size_t *count);
const struct lun_prefix *read_prefixes(struct reader *reader, struct keys *keys, const char *key, size_t *count);

/* One word of a few, as its number; -1 if the key is not there.  `later` are words of the design that this version does not
 * have; both lists end with NULL, `later` may be NULL. */
int read_choice(struct reader *reader, struct keys *keys, const char *key, const char *const *words,
		const char *const *later);

/* http.c: `http = ...` of a service. */
void http_read(struct reader *reader, struct keys *service_keys, struct lun_service *service);

#endif
