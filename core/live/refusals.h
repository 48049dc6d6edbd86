/* refusals.h - a log line about requests that are refused. */
#ifndef LUNETTE_LIVE_REFUSALS_H
#define LUNETTE_LIVE_REFUSALS_H

#include <stdint.h>

struct lun_live;
struct lun_event;

struct refusals {
	uint64_t count; /* since the last line */
	uint64_t at;    /* ns; when that was; 0: never */
};

/* Says what a REFUSED event says, at most once a second; of other events nothing. */
void refusals_note(struct lun_live *live, const struct lun_event *event);

#endif
