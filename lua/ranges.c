/* ranges.c - see ranges.h.
 *
 * Ranges that lie one within another are laid flat: keys are the numbers at which the answer changes, so that the longest
 * prefix is found by one search however many lengths there are.  The search begins in one of many buckets of equal width
 * between the first key and the last, and most have a key or two; keys that crowd into one cost no more than a binary search
 * among them all.  What a lookup costs is cache misses, one for the bucket and one for its keys, so keys that allow it (IPv4, ports)
 * are short ones.  A trie would want less memory and more code. */
#include "ranges.h"

#include <stdlib.h>

enum { BUCKETS_MOST = 1 << 18 };

static size_t key_room(size_t count)
{
	return 2 * count;
}

/* A power of two of about half as many as there are keys. */
static uint32_t bucket_room(size_t count)
{
	uint32_t buckets = 1;

	while (buckets < BUCKETS_MOST && buckets < count)
		buckets *= 2;
	return buckets;
}

size_t ranges_size(size_t count)
{
	return key_room(count) * sizeof(struct wide_key) + (bucket_room(count) + 1) * sizeof(uint32_t);
}

/* By where they begin, those that hold others first. */
static int range_compare(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->last != b->last)
		return a->last > b->last ? -1 : 1;
	return b->width - a->width;
}

/* From `key` on the answer is `value`. */
static void key_add(struct ranges *ranges, number key, uint32_t value)
{
	if (ranges->count > 0 && ranges->wide[ranges->count - 1].key == key)
		ranges->count--;
	ranges->wide[ranges->count++] = (struct wide_key) { key, value };
}

/* Ends the range `open` and those that hold it, as far as they end before `next`, or all.  => the one that is open then, or NULL */
static const struct range *range_leave(struct ranges *ranges, const struct range *open, const struct range *next)
{
	while (open != NULL && (next == NULL || open->last < next->first)) {
		if (open->last != ~(number)0)
			key_add(ranges, open->last + 1, open->outer != NULL ? open->outer->value : 0);
		open = open->outer;
	}
	return open;
}

/* Whether the range can stand beside or within the one that is open. */
static bool range_fits(const struct range *range, const struct range *open)
{
	if (open != NULL && range_compare(open, range) == 0)
		return open->value == range->value;
	return open == NULL || range->last <= open->last;
}

/* Divides the keys, and makes them short if they may be. */
static void ranges_finish(struct ranges *ranges, uint32_t room)
{
	number span;
	uint32_t key = 0;

	if (ranges->count == 0)
		return;
	ranges->first = ranges->wide[0].key;
	span = ranges->wide[ranges->count - 1].key - ranges->first;
	while (span >> ranges->shift >= room)
		ranges->shift++;
	ranges->bucket_count = (uint32_t)(span >> ranges->shift) + 1;
	for (uint32_t bucket = 0; bucket <= ranges->bucket_count; bucket++) {
		while (key < ranges->count && (ranges->wide[key].key - ranges->first) >> ranges->shift < bucket)
			key++;
		ranges->buckets[bucket] = key;
	}
	ranges->is_narrow = span <= UINT32_MAX;
	for (uint32_t i = 0; ranges->is_narrow && i < ranges->count; i++) {
		struct wide_key wide = ranges->wide[i];

		ranges->narrow[i] = (struct narrow_key) { (uint32_t)(wide.key - ranges->first), wide.value };
	}
}

bool ranges_build(struct ranges *ranges, struct range *list, size_t count, void *memory, struct range_conflict *conflict)
{
	const struct range *open = NULL;

	*ranges = (struct ranges) { .wide = memory, .narrow = memory };
	ranges->buckets = (uint32_t *)(ranges->wide + key_room(count));
	if (count > 0)
		qsort(list, count, sizeof(*list), range_compare);
	for (size_t i = 0; i < count; i++) {
		open = range_leave(ranges, open, &list[i]);
		if (!range_fits(&list[i], open)) {
			*conflict = (struct range_conflict) { *open, list[i] };
			return false;
		}
		list[i].outer = open;
		open = &list[i];
		key_add(ranges, list[i].first, list[i].value);
	}
	range_leave(ranges, open, NULL);
	ranges_finish(ranges, bucket_room(count));
	return true;
}

/* The last key that is not above decides; `low` to `high` are those of a bucket, and before `low` all are not above. */
static uint32_t find_narrow(const struct narrow_key *keys, uint32_t low, uint32_t high, uint32_t key)
{
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (keys[middle].key <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return keys[low - 1].value;
}

static uint32_t find_wide(const struct wide_key *keys, uint32_t low, uint32_t high, number key)
{
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (keys[middle].key <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return keys[low - 1].value;
}

uint32_t ranges_find(const struct ranges *ranges, number key)
{
	number bucket, last;

	if (ranges->count == 0 || key < ranges->first)
		return 0;
	bucket = (key - ranges->first) >> ranges->shift;
	last = ranges->bucket_count - 1;
	if (bucket > last) /* behind the last key */
		bucket = last, key = ~(number)0;
	if (!ranges->is_narrow)
		return find_wide(ranges->wide, ranges->buckets[bucket], ranges->buckets[bucket + 1], key);
	key -= ranges->first;
	return find_narrow(ranges->narrow, ranges->buckets[bucket], ranges->buckets[bucket + 1],
			   key < UINT32_MAX ? (uint32_t)key : UINT32_MAX);
}
