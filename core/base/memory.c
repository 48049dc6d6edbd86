/* memory.c - large arrays are anonymous mappings; the kernel zeroes them lazily, so an engine with room for a million flows starts at
 * once.  From an embedder's allocator they are zeroed here, which touches every page. */
#define _GNU_SOURCE
#include "base/memory.h"

#include "base/process.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CACHE_LINE = 64, PAGE = 4096, HUGE_PAGE = 2 << 20 };

/* From the embedder, who told how. */
static void *take(size_t size, size_t alignment)
{
	return the_process.take(the_process.user, size ? size : 1, alignment);
}

void *memory_take(size_t size)
{
	return the_process.take ? take(size, _Alignof(max_align_t)) : malloc(size);
}

void *memory_zeroed(size_t count, size_t size)
{
	size_t bytes;
	void *memory;

	if (!the_process.take)
		return calloc(count, size);
	memory = __builtin_mul_overflow(count, size, &bytes) ? NULL : memory_take(bytes);
	return memory ? memset(memory, 0, bytes) : NULL;
}

void memory_give(void *memory)
{
	if (!the_process.take)
		free(memory);
	else if (memory)
		the_process.give(the_process.user, memory);
}

void *memory_aligned(size_t size)
{
	size_t whole = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;

	return the_process.take ? take(whole, CACHE_LINE) : aligned_alloc(CACHE_LINE, whole);
}

void *memory_shrink(void *memory, size_t size)
{
	void *less;

	if (!the_process.take)
		return realloc(memory, size);
	less = memory_take(size);
	if (!less)
		return NULL;
	memcpy(less, memory, size);
	memory_give(memory);
	return less;
}

void *memory_new(size_t size)
{
	void *memory;

	if (the_process.take) {
		memory = take(size, PAGE);
		return memory ? memset(memory, 0, size) : NULL;
	}
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	if (size >= HUGE_PAGE)
		(void)madvise(memory, size, MADV_HUGEPAGE); /* a wish: without it everything works, slower */
	return memory;
}

void memory_free(void *memory, size_t size)
{
	if (the_process.take)
		memory_give(memory);
	else if (memory)
		munmap(memory, size);
}
