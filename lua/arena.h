/* arena.h - memory that is taken piece by piece and given back as a whole. */
#ifndef LUNETTE_LUA_ARENA_H
#define LUNETTE_LUA_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;
	bool failed; /* memory was out at least once */
};

/* Zeroed memory for `count` items, aligned for anything; NULL when memory is out. */
void *arena_take(struct arena *arena, size_t count, size_t size);

/* A copy; NULL for NULL, and when memory is out. */
char *arena_text(struct arena *arena, const char *text);

void arena_free(struct arena *arena);

#endif
