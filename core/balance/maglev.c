/* maglev.c - the lookup table of Maglev (Eisenbud et al., NSDI 2016, 3.4).
 *
 * Each endpoint has a permutation of the table's slots of its own, from a hash of its address and port; in turns each takes the
 * next slot of its permutation that is free.  As the permutations do not depend on who else there is, hardly a slot changes hands
 * when another endpoint comes or goes.  The next turn is that of whoever would then have the fewest slots for its weight, of
 * several the one with the lower hash: so the table is the same on every node, whatever order it lists them in. */
#include "balance/balance.h"

#include "base/memory.h"

#include <stdlib.h>

struct turn {
	uint64_t hash;
	uint32_t index;
	uint32_t next, skip; /* of its permutation: next, next + skip, ... modulo the size */
	uint32_t slots;      /* that it has */
	uint32_t weight;
};

static struct turn turn_of(const struct endpoint *endpoint, uint32_t index, uint64_t seed)
{
	uint8_t bytes[sizeof(endpoint->address) + 2];
	uint64_t hash;

	memcpy(bytes, &endpoint->address, sizeof(endpoint->address));
	bytes[sizeof(bytes) - 2] = (uint8_t)(endpoint->port >> 8);
	bytes[sizeof(bytes) - 1] = (uint8_t)endpoint->port;
	hash = XXH3_64bits_withSeed(bytes, sizeof(bytes), seed);
	return (struct turn) { .hash = hash,
			       .index = index,
			       .weight = endpoint->weight,
			       .next = (uint32_t)(hash >> 32) % MAGLEV_SIZE,
			       .skip = (uint32_t)hash % (MAGLEV_SIZE - 1) + 1 };
}

/* Gives the next free slot of a permutation to its endpoint; a slot that is taken holds its index + 1. */
static void take_slot(uint32_t *table, struct turn *turn)
{
	while (table[turn->next])
		turn->next = (turn->next + turn->skip) % MAGLEV_SIZE;
	table[turn->next] = turn->index + 1;
}

static bool goes_first(const struct turn *a, const struct turn *b)
{
	uint64_t x = (a->slots + 1ull) * b->weight, y = (b->slots + 1ull) * a->weight;

	return x < y || (x == y && a->hash < b->hash);
}

/* Lets the first of the heap `turns` sink to where it belongs. */
static void sink(struct turn *turns, uint32_t count)
{
	struct turn turn = turns[0];
	uint32_t at = 0, child;

	for (; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && goes_first(&turns[child + 1], &turns[child]))
			child++;
		if (!goes_first(&turns[child], &turn))
			break;
		turns[at] = turns[child];
	}
	turns[at] = turn;
}

static int by_turn(const void *a, const void *b)
{
	return goes_first(a, b) ? -1 : 1;
}

static void fill(uint32_t *table, struct turn *turns, uint32_t count)
{
	qsort(turns, count, sizeof(*turns), by_turn); /* in order is a heap */
	for (uint32_t taken = 0; taken < MAGLEV_SIZE; taken++) {
		take_slot(table, &turns[0]);
		turns[0].slots++;
		sink(turns, count);
	}
	for (uint32_t i = 0; i < MAGLEV_SIZE; i++)
		table[i]--;
}

uint32_t *maglev_new(const struct endpoint *endpoints, uint32_t count, uint64_t seed)
{
	uint32_t *table = memory_zeroed(MAGLEV_SIZE, sizeof(*table));
	struct turn *turns = memory_take((count + 1) * sizeof(*turns));

	for (uint32_t i = 0; table && turns && i < count; i++)
		turns[i] = turn_of(&endpoints[i], i, seed);
	if (!table || !turns) {
		memory_give(table);
		memory_give(turns);
		return NULL;
	}
	if (count)
		fill(table, turns, count);
	memory_give(turns);
	return table;
}
