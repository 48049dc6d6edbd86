/* events.c - two rings that are filled and emptied in the same order. */
#include "engine/events.h"

#include "base/memory.h"

int events_init(struct events *events, uint32_t capacity, uint32_t bytes_size)
{
	*events = (struct events) { .capacity = capacity, .bytes_size = bytes_size };
	events->ring = memory_zeroed(capacity, sizeof(*events->ring));
	events->bytes = memory_take(bytes_size);
	if (events->ring && events->bytes)
		return 0;
	events_fini(events);
	return LUN_NO_MEMORY;
}

void events_fini(struct events *events)
{
	memory_give(events->ring);
	memory_give(events->bytes);
	events->ring = NULL;
	events->bytes = NULL;
}

struct lun_event *events_put(struct events *events)
{
	struct lun_event *event;

	if (events_full(events))
		return NULL;
	event = &events->ring[(events->first + events->count++) % events->capacity];
	*event = (struct lun_event) { 0 };
	return event;
}

uint8_t *events_bytes(struct events *events, uint32_t size)
{
	uint32_t next = (events->bytes_first + events->bytes_used) % events->bytes_size;

	if (events->bytes_used == 0)
		next = events->bytes_first = 0;
	if (next + size > events->bytes_size) { /* not in two pieces: the lap's end stays empty */
		uint32_t skipped = events->bytes_size - next;

		if (events->bytes_used + skipped + size > events->bytes_size)
			return NULL;
		events->bytes_used += skipped;
		next = 0;
	}
	return events->bytes_used + size <= events->bytes_size ? events->bytes + next : NULL;
}

void events_keep_bytes(struct events *events, struct lun_event *event, uint32_t size)
{
	event->data = events->bytes + (events->bytes_first + events->bytes_used) % events->bytes_size;
	event->length = size;
	events->bytes_used += size;
}

bool events_take(struct events *events, struct lun_event *event)
{
	events->bytes_first = (events->bytes_first + events->lent) % events->bytes_size;
	events->bytes_used -= events->lent;
	events->lent = 0;
	if (events->count == 0) {
		if (!events->resync)
			return false;
		events->resync = false;
		*event = (struct lun_event) { .kind = LUN_EVENT_RESYNC };
		return true;
	}
	*event = events->ring[events->first];
	events->first = (events->first + 1) % events->capacity;
	events->count--;
	if (event->data) /* its own bytes and the empty end of the lap in front of them */
		events->lent = (uint32_t)((size_t)(event->data - events->bytes) + events->bytes_size - events->bytes_first) %
				       events->bytes_size +
			       event->length;
	return true;
}
