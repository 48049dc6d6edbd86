/* wheel.c - slots are doubly linked lists of indices; bitmaps of occupied slots let a long silence be skipped. */
#include "track/wheel.h"

#include <assert.h>

enum { LEVEL_BITS = 8, SLOT_MASK = WHEEL_SLOTS - 1 };

static struct wheel_entry *entry_at(const struct wheel *wheel, int32_t index)
{
	return (struct wheel_entry *)(void *)(wheel->entries + (size_t)index * wheel->stride);
}

void wheel_init(struct wheel *wheel, void *entries, size_t stride)
{
	*wheel = (struct wheel) { .entries = entries, .stride = stride };
	for (size_t i = 0; i < sizeof(wheel->first) / sizeof(wheel->first[0]); i++)
		wheel->first[i] = WHEEL_END;
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

void wheel_put(struct wheel *wheel, uint32_t index, uint64_t deadline_ms)
{
	uint64_t tick = (deadline_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
	struct wheel_entry *entry = entry_at(wheel, (int32_t)index);
	uint32_t slot;

	if (tick <= wheel->tick)
		tick = wheel->tick + 1; /* its own slot may be half worked off */
	slot = slot_of(wheel, tick);
	entry->next = wheel->first[slot];
	entry->previous = -2 - (int32_t)slot;
	if (entry->next != WHEEL_END)
		entry_at(wheel, entry->next)->previous = (int32_t)index;
	else
		set_occupied(wheel, slot, true);
	wheel->first[slot] = (int32_t)index;
}

void wheel_remove(struct wheel *wheel, uint32_t index)
{
	struct wheel_entry *entry = entry_at(wheel, (int32_t)index);

	if (entry->previous == WHEEL_END)
		return;
	if (entry->next != WHEEL_END)
		entry_at(wheel, entry->next)->previous = entry->previous;
	if (entry->previous >= 0) {
		entry_at(wheel, entry->previous)->next = entry->next;
	} else {
		uint32_t slot = (uint32_t)(-2 - entry->previous);

		wheel->first[slot] = entry->next;
		if (entry->next == WHEEL_END)
			set_occupied(wheel, slot, false);
	}
	entry->previous = WHEEL_END;
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

/* The list that has to be worked off at the current tick: first the slots of higher levels that begin here, then our own. */
static int32_t *current_list(struct wheel *wheel)
{
	for (uint32_t level = WHEEL_LEVELS; level-- > 1;) {
		uint64_t below = (1ull << (LEVEL_BITS * level)) - 1;
		int32_t *first = &wheel->first[level * WHEEL_SLOTS + (wheel->tick >> (LEVEL_BITS * level) & SLOT_MASK)];

		if ((wheel->tick & below) == 0 && *first != WHEEL_END)
			return first;
	}
	return &wheel->first[wheel->tick & SLOT_MASK];
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

bool wheel_next(struct wheel *wheel, uint64_t now_ms, uint32_t *budget, uint32_t *index)
{
	uint64_t now = now_ms / WHEEL_TICK_MS;

	for (; *budget > 0; --*budget) {
		int32_t first = *current_list(wheel);
		uint64_t next;

		if (first != WHEEL_END) {
			--*budget;
			*index = (uint32_t)first;
			wheel_remove(wheel, *index);
			return true;
		}
		if (wheel->tick >= now)
			return false;
		next = next_tick(wheel);
		wheel->tick = next < now ? next : now;
	}
	return false;
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
