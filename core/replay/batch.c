/* batch.c - see batch.h. */
#include "replay/batch.h"

#include <string.h>

enum { NS_PER_MS = 1000000 };

static uint32_t place_size(const struct reader_frame *frame)
{
	uint32_t size = (frame->header.caplen + 63) / 64 * 64;

	return size > BATCH_PLACE ? size : BATCH_PLACE;
}

bool batch_takes(const struct batch *batch, uint64_t now)
{
	const struct reader_frame *next = &batch->frames[batch->count].read;

	if (batch->count == batch->most || place_size(next) > BATCH_BYTES - batch->used)
		return false;
	if (!next->ip || batch->packet_count == 0)
		return true;
	return now < batch->end && !batch->alone && !next->fragment;
}

/* The first packet of a batch sets the time for all. */
static void set_clock(struct batch *batch, uint64_t now)
{
	if (!batch->started)
		batch->epoch = now;
	batch->started = true;
	batch->now = now;
	batch->end = now - (now - batch->epoch) % NS_PER_MS + NS_PER_MS;
}

/* The rest of the packet is the engine's to fill. */
static struct lun_packet *add_packet(struct batch *batch, const struct batch_frame *frame, uint64_t now)
{
	const struct reader_frame *read = &frame->read;
	struct lun_packet *packet = &batch->packets[batch->packet_count];

	if (batch->packet_count++ == 0)
		set_clock(batch, now);
	batch->alone = read->fragment;
	packet->data = frame->bytes + read->link_size;
	packet->length = read->length;
	packet->capacity = place_size(read) - read->link_size;
	packet->wire_length = read->wire_length;
	return packet;
}

void batch_add(struct batch *batch, uint64_t now)
{
	struct batch_frame *frame = &batch->frames[batch->count++];

	frame->bytes = batch->bytes + batch->used;
	batch->used += place_size(&frame->read);
	memcpy(frame->bytes, frame->read.data, frame->read.header.caplen);
	if (batch->keep)
		memcpy(batch->before + (frame->bytes - batch->bytes), frame->read.data, frame->read.header.caplen);
	frame->packet = frame->read.ip ? add_packet(batch, frame, now) : NULL;
}

void batch_clear(struct batch *batch)
{
	batch->frames[0].read = *batch_next(batch);
	batch->count = batch->packet_count = batch->used = 0;
	batch->alone = false;
}
