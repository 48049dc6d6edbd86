/* index.h - from the hash of a tuple to the flow that has it.
 *
 * A bucket is one cache line: twelve tags of eight bits and twelve slots; a slot is flow * 2 + direction.  Every tuple has two
 * buckets.  It lives in its first one; only when that is full does it go to its second, and the first one then counts one
 * guest away, so that a lookup reads the second line only for buckets that sent somebody there.  At the design load, seven of
 * twelve slots, that is some three in a hundred.  When both are full, one entry of either is moved to its own other bucket.
 *
 * Why not chaining: a chain is a dependent miss per step.  Why not open addressing over slots: a probe sequence has no bound.
 * The index knows nothing of tuples: whoever looks up compares them, and gives the hash back when an entry has to move. */
#ifndef LUNETTE_TRACK_INDEX_H
#define LUNETTE_TRACK_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { INDEX_WAYS = 12, INDEX_LOAD = 7 /* entries per bucket when the table is full */ };

struct bucket {
	uint8_t tags[INDEX_WAYS]; /* 0: empty */
	uint32_t away;            /* entries whose first bucket this is, but which live in their second */
	uint32_t slots[INDEX_WAYS];
};

_Static_assert(sizeof(struct bucket) == 64, "a bucket is one cache line");

struct index {
	struct bucket *buckets;
	uint32_t count;
	/* The hash of the entry in a slot, for moving it. */
	uint64_t (*hash_of)(const void *owner, uint32_t slot);
	const void *owner;
};

/* Room for `entries` at the design load.  Returns 0 or LUN_NO_MEMORY. */
int index_init(struct index *index, uint32_t entries, uint64_t (*hash_of)(const void *owner, uint32_t slot),
	       const void *owner);
void index_fini(struct index *index);

/* False: no place (a few entries in a billion at the design load). */
bool index_insert(struct index *index, uint64_t hash, uint32_t slot);
/* The entry must be there. */
void index_remove(struct index *index, uint64_t hash, uint32_t slot);

static inline uint8_t index_tag(uint64_t hash)
{
	uint8_t tag = (uint8_t)(hash >> 56);

	return tag ? tag : 1;
}

static inline struct bucket *index_first(const struct index *index, uint64_t hash)
{
	return &index->buckets[((hash & 0xffffffff) * index->count) >> 32];
}

static inline struct bucket *index_second(const struct index *index, uint64_t hash)
{
	uint64_t other = (hash * 0x9e3779b97f4a7c15u) >> 32;

	return &index->buckets[(other * index->count) >> 32];
}

/* A bit per way that has `tag`: the plain form. */
static inline uint32_t bucket_match_plain(const struct bucket *bucket, uint8_t tag)
{
	uint32_t mask = 0;

	for (uint32_t way = 0; way < INDEX_WAYS; way++)
		mask |= (uint32_t)(bucket->tags[way] == tag) << way;
	return mask;
}

static inline uint32_t bucket_match(const struct bucket *bucket, uint8_t tag)
{
#ifdef __SSE2__
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)bucket);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) & ((1u << INDEX_WAYS) - 1);
#else
	return bucket_match_plain(bucket, tag);
#endif
}

#endif
