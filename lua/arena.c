/* arena.c - see arena.h: chunks that double in size, the newest first. */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = sizeof(max_align_t), FIRST = 512 };

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	max_align_t bytes[];
};

static struct arena_chunk *chunk_add(struct arena *arena, size_t wanted)
{
	size_t size = arena->chunks ? arena->chunks->size * 2 : FIRST;
	struct arena_chunk *chunk;

	while (size < wanted)
		size *= 2;
	chunk = calloc(1, sizeof(*chunk) + size);
	if (chunk == NULL)
		return NULL;
	chunk->size = size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *arena_take(struct arena *arena, size_t count, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	size_t wanted = (count * size + ALIGN - 1) / ALIGN * ALIGN;

	if (chunk == NULL || chunk->size - chunk->used < wanted)
		chunk = chunk_add(arena, wanted);
	if (chunk == NULL) {
		arena->failed = true;
		return NULL;
	}
	chunk->used += wanted;
	return (char *)chunk->bytes + chunk->used - wanted;
}

char *arena_text(struct arena *arena, const char *text)
{
	size_t size = text != NULL ? strlen(text) + 1 : 0;
	char *copy = text != NULL ? arena_take(arena, size, 1) : NULL;

	return copy != NULL ? memcpy(copy, text, size) : NULL;
}

void arena_free(struct arena *arena)
{
	struct arena_chunk *next;

	for (struct arena_chunk *chunk = arena->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	arena->chunks = NULL;
}
