/* seqmap.h - where bytes of a stream were added or removed, and the arithmetic that hides it from both ends.
 *
 * The sender numbers its bytes by what it sent, the receiver by what it got.  An edit replaces the sender's bytes
 * [start, start + before) by `after` bytes.  Edits are in order and do not overlap.  Outside of them a number is translated by
 * the sum of (after - before) of the edits in front of it; inside an edit, numbers of the other side mean nothing, so they
 * become the edit's start: an acknowledgement of half a head acknowledges none of it.
 *
 * A ring keeps the last sixteen edits.  A number from before the oldest one is translated by the shift in front of that. */
#ifndef LUNETTE_TRACK_SEQMAP_H
#define LUNETTE_TRACK_SEQMAP_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum { SEQMAP_EDITS = LIMIT(16, 2) };

struct seqmap_edit {
	uint32_t start;  /* in the sender's numbering */
	uint32_t before; /* bytes that were sent */
	uint32_t after;  /* bytes that the receiver gets */
	uint32_t shift;  /* of everything in front of this edit, modulo 2^32 */
};

struct seqmap {
	struct seqmap_edit edits[SEQMAP_EDITS];
	uint32_t count; /* ever made; the ring holds the last SEQMAP_EDITS of them */
	uint32_t reply; /* of a client's: index of the upstream's among the flow table's reply maps, or UINT32_MAX */
};

/* Adds an edit behind all others. */
void seqmap_add(struct seqmap *map, uint32_t start, uint32_t before, uint32_t after);

/* The edit that starts at `start`, or NULL. */
const struct seqmap_edit *seqmap_find(const struct seqmap *map, uint32_t start);

uint32_t seqmap_to_receiver(const struct seqmap *map, uint32_t sequence);
uint32_t seqmap_to_sender(const struct seqmap *map, uint32_t sequence);

#endif
