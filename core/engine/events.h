/* events.h - effects are data: a bounded ring of events, and a bounded ring of bytes for those that carry a packet. */
#ifndef LUNETTE_ENGINE_EVENTS_H
#define LUNETTE_ENGINE_EVENTS_H

#include <lunette/lunette.h>

struct events {
	struct lun_event *ring;
	uint32_t capacity, first, count;
	uint8_t *bytes;
	uint32_t bytes_size, bytes_first, bytes_used; /* `used` counts the unused end of a lap, too */
	uint32_t lent; /* bytes of the event last taken out, which stay valid until the next call */
	bool resync;   /* ENDED events were lost, and nobody was told yet */
};

/* `bytes_size` bytes for packets.  Returns 0 or LUN_NO_MEMORY. */
int events_init(struct events *events, uint32_t capacity, uint32_t bytes_size);
void events_fini(struct events *events);

/* A place for one more event, zeroed, or NULL when the ring is full. */
struct lun_event *events_put(struct events *events);

/* `size` contiguous bytes for an event to be put next, or NULL; kept by events_keep_bytes. */
uint8_t *events_bytes(struct events *events, uint32_t size);
/* Keeps the first `size` of the bytes just given: the event now put points to them. */
void events_keep_bytes(struct events *events, struct lun_event *event, uint32_t size);

bool events_take(struct events *events, struct lun_event *event);

static inline bool events_full(const struct events *events)
{
	return events->count == events->capacity;
}

#endif
