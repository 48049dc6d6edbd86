/* wheel.c - slots are lists of chunks; bitmaps of occupied slots let a long silence be skipped. */
#include "track/wheel.h"

#include "base/memory.h"
#include "base/process.h"

#include <lunette/lunette.h>

enum { LEVEL_BITS = 8, SLOT_MASK = WHEEL_SLOTS - 1, SLOTS = WHEEL_LEVELS * WHEEL_SLOTS, PLACE_BITS = 4 };

int wheel_init(struct wheel *wheel, uint32_t capacity, void *places, size_t stride)
{
	*wheel = (struct wheel) {
		.chunk_count = capacity / WHEEL_CHUNK + SLOTS + 1, .free = WHEEL_NONE, .places = places, .stride = stride
	};
	for (size_t i = 0; i < SLOTS; i++)
		wheel->first[i] = WHEEL_NONE;
	wheel->chunks = memory_new((size_t)wheel->chunk_count * sizeof(*wheel->chunks));
	return wheel->chunks ? 0 : LUN_NO_MEMORY;
}

void wheel_fini(struct wheel *wheel)
{
	memory_free(wheel->chunks, (size_t)wheel->chunk_count * sizeof(*wheel->chunks));
	wheel->chunks = NULL;
}

static uint32_t *place_of(const struct wheel *wheel, uint32_t index)
{
	return (uint32_t *)(void *)(wheel->places + index * wheel->stride);
}

static void set_occupied(struct wheel *wheel, uint32_t slot, bool occupied)
{
	uint64_t *word = &wheel->occupied[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS / 64], bit = 1ull << (slot % 64);

	*word = occupied ? *word | bit : *word & ~bit;
}

/* The slot for a tick that is not in the past: the lowest level whose lap reaches it. */
static uint32_t slot_of(const struct wheel *wheel, uint64_t tick)
{
	for (uint32_t level = 0; level < WHEEL_LEVELS - 1; level++)
		if (tick >> (LEVEL_BITS * (level + 1)) == wheel->tick >> (LEVEL_BITS * (level + 1)))
			return level * WHEEL_SLOTS + (uint32_t)(tick >> (LEVEL_BITS * level) & SLOT_MASK);
	/* Past the last lap: into the slot that comes last; it is put again from there. */
	if ((tick >> 16) - (wheel->tick >> 16) >= WHEEL_SLOTS)
		tick = wheel->tick + ((uint64_t)(WHEEL_SLOTS - 1) << 16);
	return (WHEEL_LEVELS - 1) * WHEEL_SLOTS + (uint32_t)(tick >> 16 & SLOT_MASK);
}

/* The slot's first chunk, with room for one more. */
static struct wheel_chunk *chunk_with_room(struct wheel *wheel, uint32_t slot)
{
	uint32_t first = wheel->first[slot], taken = wheel->free;

	if (first != WHEEL_NONE && wheel->chunks[first].count < WHEEL_CHUNK)
		return &wheel->chunks[first];
	if (taken != WHEEL_NONE)
		wheel->free = wheel->chunks[taken].next;
	else
		taken = wheel->used++;
	invariant(taken < wheel->chunk_count);
	wheel->chunks[taken].next = first;
	wheel->chunks[taken].slot = (uint16_t)slot;
	wheel->chunks[taken].count = 0;
	wheel->first[slot] = taken;
	set_occupied(wheel, slot, true);
	return &wheel->chunks[taken];
}

/* The last entry of a slot that has some, taken off it. */
static uint32_t slot_pop(struct wheel *wheel, uint32_t slot)
{
	uint32_t first = wheel->first[slot];
	struct wheel_chunk *chunk = &wheel->chunks[first];
	uint32_t index = chunk->entries[--chunk->count];

	if (chunk->count > 0)
		return index;
	wheel->first[slot] = chunk->next;
	chunk->next = wheel->free;
	wheel->free = first;
	set_occupied(wheel, slot, wheel->first[slot] != WHEEL_NONE);
	return index;
}

void wheel_put(struct wheel *wheel, uint32_t index, uint64_t deadline_ms)
{
	uint64_t tick = (deadline_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
	struct wheel_chunk *chunk;

	if (tick <= wheel->tick)
		tick = wheel->tick + 1; /* its own slot may be half worked off */
	chunk = chunk_with_room(wheel, slot_of(wheel, tick));
	*place_of(wheel, index) = (uint32_t)(chunk - wheel->chunks) << PLACE_BITS | chunk->count;
	chunk->entries[chunk->count++] = index;
}

void wheel_remove(struct wheel *wheel, uint32_t index)
{
	uint32_t place = *place_of(wheel, index), last;
	struct wheel_chunk *chunk = &wheel->chunks[place >> PLACE_BITS];

	if (place == WHEEL_NONE)
		return;
	last = slot_pop(wheel, chunk->slot); /* it fills the gap */
	if (last != index) {
		chunk->entries[place & ((1 << PLACE_BITS) - 1)] = last;
		*place_of(wheel, last) = place;
	}
	*place_of(wheel, index) = WHEEL_NONE;
}

/* The number of slots from `from` to the next occupied one of a level, itself included; WHEEL_SLOTS - from if there is none
 * before the lap ends. */
static uint32_t slots_to_occupied(const struct wheel *wheel, uint32_t level, uint32_t from)
{
	for (uint32_t at = from; at < WHEEL_SLOTS; at = (at | 63) + 1) {
		uint64_t word = wheel->occupied[level][at / 64] >> (at % 64);

		if (word)
			return at + (uint32_t)__builtin_ctzll(word) - from;
	}
	return WHEEL_SLOTS - from;
}

/* The slot that has to be worked off at the current tick: first those of higher levels that begin here, then our own. */
static uint32_t current_slot(const struct wheel *wheel)
{
	for (uint32_t level = WHEEL_LEVELS; level-- > 1;) {
		uint64_t below = (1ull << (LEVEL_BITS * level)) - 1;
		uint32_t slot = level * WHEEL_SLOTS + (uint32_t)(wheel->tick >> (LEVEL_BITS * level) & SLOT_MASK);

		if ((wheel->tick & below) == 0 && wheel->first[slot] != WHEEL_NONE)
			return slot;
	}
	return wheel->tick & SLOT_MASK;
}

/* The tick to go to when there is nothing at this one: the next occupied slot's, or the end of the last level's lap.  A level is
 * looked at only if the ones below have nothing more in their lap, so a silence of years is few steps. */
static uint64_t next_tick(const struct wheel *wheel)
{
	for (uint32_t level = 0;; level++) {
		uint32_t shift = LEVEL_BITS * level;
		uint64_t here = wheel->tick >> shift;
		uint32_t from = (uint32_t)(here & SLOT_MASK) + 1, ahead = slots_to_occupied(wheel, level, from);

		if (from + ahead < WHEEL_SLOTS || level == WHEEL_LEVELS - 1)
			return (here + 1 + ahead) << shift;
	}
}

uint32_t wheel_take(struct wheel *wheel, uint64_t now_ms, uint32_t *budget, uint32_t *indices, uint32_t most)
{
	uint64_t now = now_ms / WHEEL_TICK_MS;
	uint32_t count = 0;

	for (; *budget > 0 && count < most; --*budget) {
		uint32_t slot = current_slot(wheel);

		if (wheel->first[slot] != WHEEL_NONE) {
			indices[count] = slot_pop(wheel, slot);
			__builtin_prefetch(place_of(wheel, indices[count++]), 1);
		} else if (wheel->tick >= now) {
			break;
		} else {
			uint64_t next = next_tick(wheel);

			wheel->tick = next < now ? next : now;
		}
	}
	for (uint32_t i = 0; i < count; i++)
		*place_of(wheel, indices[i]) = WHEEL_NONE;
	return count;
}

uint64_t wheel_deadline(const struct wheel *wheel)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
		uint32_t shift = LEVEL_BITS * level, here = (uint32_t)(wheel->tick >> shift & SLOT_MASK);
		uint32_t ahead = slots_to_occupied(wheel, level, here);
		uint64_t tick;

		if (here + ahead == WHEEL_SLOTS) { /* the last level's lap may go round */
			ahead = WHEEL_SLOTS - here + slots_to_occupied(wheel, level, 0);
			if (ahead >= 2 * WHEEL_SLOTS - here)
				continue;
		}
		tick = ((wheel->tick >> shift) + ahead) << shift;
		if (tick < wheel->tick)
			tick = wheel->tick;
		if (tick * WHEEL_TICK_MS < best)
			best = tick * WHEEL_TICK_MS;
	}
	return best;
}
