/* numbers.h - small numbers for the engine's flow ids, in order of first appearance: 1, 2, 3. */
#ifndef LUNETTE_CLI_NUMBERS_H
#define LUNETTE_CLI_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

struct number {
	uint64_t id, number; /* number 0: empty */
};

/* Zero it to begin with. */
struct numbers {
	struct number *slots; /* open addressing, a power of two, at most half full */
	size_t capacity, count;
};

/* The number of an id, the same each time; 0 if there is no memory for a new one. */
uint64_t numbers_get(struct numbers *numbers, uint64_t id);
void numbers_fini(struct numbers *numbers);

#endif
