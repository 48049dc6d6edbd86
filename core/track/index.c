/* index.c - placing, moving and removing entries; looking up is the flow table's, which can compare tuples. */
#include "track/index.h"

#include "base/memory.h"
#include "base/process.h"

#include <lunette/lunette.h>

int index_init(struct index *index, uint32_t entries, uint64_t (*hash_of)(const void *owner, uint32_t slot),
	       const void *owner)
{
	index->count = entries / INDEX_LOAD + 2;
	index->hash_of = hash_of;
	index->owner = owner;
	index->buckets = memory_new((size_t)index->count * sizeof(struct bucket));
	return index->buckets ? 0 : LUN_NO_MEMORY;
}

void index_fini(struct index *index)
{
	memory_free(index->buckets, (size_t)index->count * sizeof(struct bucket));
	index->buckets = NULL;
}

static bool bucket_put(struct bucket *bucket, uint8_t tag, uint32_t slot)
{
	uint32_t empty = bucket_match(bucket, 0);

	if (!empty)
		return false;
	bucket->tags[__builtin_ctz(empty)] = tag;
	bucket->slots[__builtin_ctz(empty)] = slot;
	return true;
}

/* Makes room in a full bucket by moving one of its entries to that entry's other bucket. */
static bool bucket_move_one(struct index *index, struct bucket *bucket)
{
	for (uint32_t way = 0; way < INDEX_WAYS; way++) {
		uint64_t hash = index->hash_of(index->owner, bucket->slots[way]);
		struct bucket *first = index_first(index, hash), *second = index_second(index, hash);
		struct bucket *other = first == bucket ? second : first;

		if (other == bucket || !bucket_put(other, bucket->tags[way], bucket->slots[way]))
			continue;
		if (other == second)
			first->away++;
		else
			first->away--;
		bucket->tags[way] = 0;
		return true;
	}
	return false;
}

bool index_insert(struct index *index, uint64_t hash, uint32_t slot)
{
	struct bucket *first = index_first(index, hash), *second = index_second(index, hash);
	uint8_t tag = index_tag(hash);

	if (bucket_put(first, tag, slot))
		return true;
	if (second != first && bucket_put(second, tag, slot)) {
		first->away++;
		return true;
	}
	if (bucket_move_one(index, first))
		return bucket_put(first, tag, slot);
	if (second == first || !bucket_move_one(index, second))
		return false;
	first->away++;
	return bucket_put(second, tag, slot);
}

static bool bucket_take(struct bucket *bucket, uint8_t tag, uint32_t slot)
{
	for (uint32_t match = bucket_match(bucket, tag); match; match &= match - 1) {
		uint32_t way = (uint32_t)__builtin_ctz(match);

		if (bucket->slots[way] == slot) {
			bucket->tags[way] = 0;
			return true;
		}
	}
	return false;
}

void index_remove(struct index *index, uint64_t hash, uint32_t slot)
{
	struct bucket *first = index_first(index, hash);
	bool found = bucket_take(first, index_tag(hash), slot);

	if (!found) {
		found = bucket_take(index_second(index, hash), index_tag(hash), slot);
		first->away--;
	}
	invariant(found);
}
