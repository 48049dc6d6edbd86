/* batch.h - frames that go through the engine in one call.
 *
 * The engine's clock counts whole milliseconds since its first packet, so packets of one of its milliseconds can share a call:
 * each gets what it would have got alone.  Only room for what the engine emits could tell the difference: the ring is drained
 * after a batch, not after a packet.  A packet is answered by one event at most, but a fragment can bring out a whole datagram,
 * so a fragment goes alone.
 *
 * A frame is copied once, out of libpcap's hands into a place where it may become as long as any IP packet.  Places are 64 KiB
 * and one cache line apart: only the pages that frames touch are ever taken, and the same bytes of two frames are not in the
 * same set of a cache. */
#ifndef LUNETTE_REPLAY_BATCH_H
#define LUNETTE_REPLAY_BATCH_H

#include "replay/link.h"
#include "replay/reader.h"

enum {
	BATCH_MOST = 32,
	BATCH_PLACE = (LINK_HEADER_MAX + UINT16_MAX + 63) / 64 * 64, /* of a frame, unless it is longer itself */
	BATCH_BYTES = BATCH_MOST * BATCH_PLACE,
};

_Static_assert((int)BATCH_BYTES >= (int)READER_FRAME_MAX + 63, "the longest frame has a place");

struct batch_frame {
	struct reader_frame read;  /* but its data, which is gone */
	uint8_t *bytes;            /* the frame, for the engine to rewrite */
	struct lun_packet *packet; /* in the array below; NULL if the frame holds no IP packet */
};

struct batch {
	uint32_t most; /* packets, from 1 to BATCH_MOST: set by the owner */
	bool keep;     /* frames as they were captured, in `before`: likewise */
	/* The clock, which survives batch_clear. */
	bool started;
	uint64_t epoch; /* ns: of the first packet of all */
	uint64_t now;   /* of the first packet of the batch */
	uint64_t end;   /* where the millisecond of `now` ends */
	/* The frames. */
	uint32_t count, packet_count, used;
	bool alone;                                /* a fragment is in it: no other packet may be */
	struct batch_frame frames[BATCH_MOST + 1]; /* the one behind the last is being read */
	struct lun_packet packets[BATCH_MOST];
	uint8_t bytes[BATCH_BYTES];
	uint8_t before[BATCH_BYTES]; /* the same places; untouched, and so no memory, unless they are kept */
};

/* Where the next frame is to be read to, so that it need not be copied. */
static inline struct reader_frame *batch_next(struct batch *batch)
{
	return &batch->frames[batch->count].read;
}

/* Whether that frame, read at `now`, may be added; an empty batch takes any. */
bool batch_takes(const struct batch *batch, uint64_t now);

/* Adds it, and copies its bytes. */
void batch_add(struct batch *batch, uint64_t now);

/* Forgets all frames but the next. */
void batch_clear(struct batch *batch);

#endif
