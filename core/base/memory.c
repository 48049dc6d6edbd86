/* memory.c - anonymous mappings; the kernel zeroes them lazily, so an engine with room for a million flows starts at once. */
#define _GNU_SOURCE
#include "base/memory.h"

#include <stdint.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

void *memory_new(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (size >= HUGE_PAGE)
		(void)madvise(memory, size, MADV_HUGEPAGE); /* a wish: without it everything works, slower */
	return memory;
}

void memory_free(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}
