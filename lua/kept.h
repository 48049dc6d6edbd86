/* kept.h - what outlives a policy: numbers by key, in tables that have names, which the next policy finds again.
 *
 * A table has room for so many keys and takes no more memory ever.  A key has eight places where it may be; if all are taken,
 * the one with the smallest number makes room.  So what is forgotten is what tells least: the counter that counted least, the
 * bucket that is full again soonest. */
#ifndef LUNETTE_LUA_KEPT_H
#define LUNETTE_LUA_KEPT_H

#include <lunette/lua.h>

enum { KEPT_KEY = 16, KEPT_WAYS = 8, KEPT_NAME = 64 };

/* `kept.tables` are those that some policy uses. */
struct lun_lua_kept {
	unsigned references; /* who loads policies, and the policies */
	struct kept_table *tables;
};

struct kept_slot {
	uint8_t key[KEPT_KEY];
	uint64_t number; /* 0: free */
};

struct kept_table {
	struct kept_table *next;
	unsigned references;
	const char *kind;
	char name[KEPT_NAME];
	uint32_t group_count; /* of KEPT_WAYS slots */
	struct kept_slot slots[];
};

struct lun_lua_kept *kept_new(void);
void kept_unref(struct lun_lua_kept *kept);

/* Bytes of a table for so many keys. */
size_t kept_table_size(uint32_t keys);

/* The table of that kind and name, with room for so many keys: the one that there is, or a new one.  NULL: no memory.  => holds a
 * reference for the caller */
struct kept_table *kept_table_find(struct lun_lua_kept *kept, const char *kind, const char *name, uint32_t keys);
void kept_table_unref(struct lun_lua_kept *kept, struct kept_table *table);

/* The number of a key, or 0. */
uint64_t kept_get(const struct kept_table *table, const uint8_t key[KEPT_KEY]);

/* A place for the number of a key, which it has already; else 0 is there. */
uint64_t *kept_place(struct kept_table *table, const uint8_t key[KEPT_KEY]);

#endif
