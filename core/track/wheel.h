/* wheel.h - a hierarchical timing wheel of flows (Varghese and Lauck, scheme 7).
 *
 * Three levels of 256 slots; a slot of the first spans 16 ms, a lap of the last 3 days.  An entry sits where its deadline was
 * when it was put there.  A packet that moves the deadline does not touch the wheel: when the slot comes, an entry that is not
 * due is put again.  So a known packet costs one store, and an entry is moved at most once per timeout.
 *
 * The wheel works one entry at a time and stops anywhere, so that any number of entries due at once stalls no packet. */
#ifndef LUNETTE_TRACK_WHEEL_H
#define LUNETTE_TRACK_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WHEEL_LEVELS = 3,
	WHEEL_SLOTS = 256,
	WHEEL_TICK_MS = 16,
	WHEEL_END = -1, /* of a list; as `previous`: the entry is in no list */
};

/* Indices of entries; `previous` of the first in a slot is -2 - slot, so that removing needs no search. */
struct wheel_entry {
	int32_t next, previous;
};

struct wheel {
	int32_t first[WHEEL_LEVELS * WHEEL_SLOTS];
	uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	uint64_t tick; /* the slot that is being worked on */
	/* Entry number i is `stride` bytes behind entry i - 1: they are fields of an array of larger records. */
	uint8_t *entries;
	size_t stride;
};

void wheel_init(struct wheel *wheel, void *entries, size_t stride);
void wheel_put(struct wheel *wheel, uint32_t index, uint64_t deadline_ms);
void wheel_remove(struct wheel *wheel, uint32_t index);

/* Takes the next entry off the wheel whose slot has come by `now_ms`; the caller looks whether it is due and puts it again if
 * not.  False: none, or *budget, which counts entries and slots passed, is used up. */
bool wheel_next(struct wheel *wheel, uint64_t now_ms, uint32_t *budget, uint32_t *index);

/* A time not after the next entry's slot, or UINT64_MAX if the wheel is empty. */
uint64_t wheel_deadline(const struct wheel *wheel);

#endif
