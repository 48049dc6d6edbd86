/* endings.h - flows that end before the kernel ends them. */
#ifndef LUNETTE_LIVE_ENDINGS_H
#define LUNETTE_LIVE_ENDINGS_H

#include "live/conntrack.h"

struct lun_live;

struct endings {
	size_t count;
	struct {
		struct lun_tuple orig;
		struct lun_address endpoint;
		uint16_t endpoint_port;
	} waiting[CONNTRACK_BATCH];
};

/* The kernel's entry of this flow, with this reply tuple's source, is to go.  It does when endings_proceed is called. */
void endings_add(struct lun_live *live, const struct lun_tuple *orig, const struct lun_tuple *reply);

/* Deletes what waits. */
void endings_proceed(struct lun_live *live);

/* To be called with every event of the engine's that is no COMMIT: notes the flows that it wants to have ended. */
static inline void endings_note(struct lun_live *live, const struct lun_event *event)
{
	if (event->kind == LUN_EVENT_ENDED && event->withdrawn)
		endings_add(live, &event->orig, &event->reply);
}

#endif
