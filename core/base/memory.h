/* memory.h - where the engine's memory comes from: the process that the embedder told of (lun_process_set), else the C library and
 * the kernel; and fetching ahead what lies in it. */
#ifndef LUNETTE_BASE_MEMORY_H
#define LUNETTE_BASE_MEMORY_H

#include <stddef.h>

/* As malloc, calloc and free. */
void *memory_take(size_t size);
void *memory_zeroed(size_t count, size_t size);
void memory_give(void *memory);

/* Memory that begins a cache line. */
void *memory_aligned(size_t size);

/* The same bytes in a piece of `size`, which is less than it had.  NULL: it is left as it was. */
void *memory_shrink(void *memory, size_t size);

/* The large, long-lived arrays of an engine: zeroed, page-aligned, on huge pages where the system gives them.  NULL when there is
 * none.  => give the same size to memory_free */
void *memory_new(size_t size);
void memory_free(void *memory, size_t size);

/* Fetches all cache lines of so many bytes. */
static inline void fetch_lines(const void *at, size_t size)
{
	const char *first = at;

	for (size_t i = 0; i < size; i += 64)
		__builtin_prefetch(first + i);
	__builtin_prefetch(first + size - 1);
}

#endif
