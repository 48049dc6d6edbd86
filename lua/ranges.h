/* ranges.h - many ranges of numbers, each with a value, and the value of the narrowest one that holds a number.
 *
 * Addresses are numbers of 128 bits, and a prefix is a range of them; a range of ports is one, too. */
#ifndef LUNETTE_LUA_RANGES_H
#define LUNETTE_LUA_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In memory of Lua, which aligns by 8. */
__extension__ typedef unsigned __int128 number __attribute__((aligned(8)));

struct range {
	number first, last;
	uint32_t value;            /* not 0 */
	uint8_t width;             /* of two that are the same range, the one of greater width holds the other */
	const struct range *outer; /* of ranges_build: the one that holds this one, or NULL */
};

/* Where the value changes, and to what; 0: no range.  Narrow: keys less than 2^32 apart, counted from the first. */
struct narrow_key {
	uint32_t key, value;
};
struct wide_key {
	number key;
	uint32_t value;
};

struct ranges {
	uint32_t count, bucket_count;
	unsigned shift;
	bool is_narrow;
	number first;              /* key */
	struct wide_key *wide;     /* ascending */
	struct narrow_key *narrow; /* the same, in the same memory */
	uint32_t *buckets;         /* how many keys are below the bucket; bucket_count + 1 */
};

/* Two ranges of which neither holds the other, or the same one with two values. */
struct range_conflict {
	struct range a, b;
};

/* Bytes that ranges_build needs for so many. */
size_t ranges_size(size_t count);

/* Sorts `list` and makes `ranges` of it in `memory`.  False: there is a conflict. */
bool ranges_build(struct ranges *ranges, struct range *list, size_t count, void *memory, struct range_conflict *conflict);

/* The value of the narrowest range that holds `key`, or 0. */
uint32_t ranges_find(const struct ranges *ranges, number key);

#endif
