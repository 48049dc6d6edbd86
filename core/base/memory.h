/* memory.h - the large, long-lived arrays of an engine: zeroed, page-aligned, on huge pages where the system gives them. */
#ifndef LUNETTE_BASE_MEMORY_H
#define LUNETTE_BASE_MEMORY_H

#include <stddef.h>

/* NULL when there is none.  => give the same size to memory_free */
void *memory_new(size_t size);
void memory_free(void *memory, size_t size);

#endif
