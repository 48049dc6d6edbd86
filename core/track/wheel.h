/* wheel.h - a hierarchical timing wheel of flows (Varghese and Lauck, scheme 7).
 *
 * Three levels of 256 slots; a slot of the first spans 16 ms, a lap of the last 3 days.  An entry sits where its deadline was
 * when it was put there.  A packet that moves the deadline does not touch the wheel: when the slot comes, an entry that is not
 * due is put again.  So a known packet costs one store, and an entry is moved at most once per timeout.
 *
 * A slot is a list of chunks, each a cache line of entries; all but its first are full.  Not a list of the entries themselves:
 * such a list is read at a cache miss per step, while the entries of a chunk can be fetched together before they are looked at.
 *
 * The wheel works some entries at a time and stops anywhere, so that any number of entries due at once stalls no packet. */
#ifndef LUNETTE_TRACK_WHEEL_H
#define LUNETTE_TRACK_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WHEEL_LEVELS = 3,
	WHEEL_SLOTS = 256,
	WHEEL_TICK_MS = 16,
	WHEEL_CHUNK = 14,
};
#define WHEEL_NONE UINT32_MAX /* as a chunk: none; as an entry's place: it is not in the wheel */

struct wheel_chunk {
	_Alignas(64) uint32_t next; /* of its slot, or of the free ones */
	uint16_t slot;
	uint16_t count;
	uint32_t entries[WHEEL_CHUNK];
};

_Static_assert(sizeof(struct wheel_chunk) == 64, "a chunk is one cache line");

struct wheel {
	uint32_t first[WHEEL_LEVELS * WHEEL_SLOTS]; /* chunk of each slot */
	uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	uint64_t tick; /* the slot that is being worked on */
	struct wheel_chunk *chunks;
	uint32_t chunk_count; /* enough for every entry and a partly filled chunk per slot */
	uint32_t used;        /* chunks ever taken */
	uint32_t free;        /* first of those given back */
	/* The place of entry number i, a uint32_t (chunk << 4 | index), is `stride` bytes behind that of entry i - 1: places are
	 * fields of an array of larger records. */
	uint8_t *places;
	size_t stride;
};

/* For entries numbered below `capacity`; the caller sets their places to WHEEL_NONE.  Returns 0 or LUN_NO_MEMORY. */
int wheel_init(struct wheel *wheel, uint32_t capacity, void *places, size_t stride);
void wheel_fini(struct wheel *wheel);

/* The entry must not be in the wheel. */
void wheel_put(struct wheel *wheel, uint32_t index, uint64_t deadline_ms);
void wheel_remove(struct wheel *wheel, uint32_t index);

/* Takes entries off the wheel whose slots have come by `now_ms`, at most `most`, and returns how many; the caller looks which
 * are due and puts the others again.  *budget counts entries and slots passed: when it is used up, some may be left. */
uint32_t wheel_take(struct wheel *wheel, uint64_t now_ms, uint32_t *budget, uint32_t *indices, uint32_t most);

/* A time not after the next entry's slot, or UINT64_MAX if the wheel is empty. */
uint64_t wheel_deadline(const struct wheel *wheel);

#endif
