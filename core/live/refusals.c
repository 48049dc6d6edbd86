/* refusals.c - whoever operates a service is to find out which byte of a request was wrong, but a client must not fill the log. */
#include "live/refusals.h"
#include "live/live.h"

#include <stdio.h>

static const uint64_t INTERVAL = UINT64_C(1000000000);

void refusals_note(struct lun_live *live, const struct lun_event *event)
{
	struct refusals *refusals = &live->refusals;
	char text[LUN_TUPLE_TEXT], answer[16] = "a RST";

	if (event->kind != LUN_EVENT_REFUSED)
		return;
	refusals->count++;
	if (refusals->at && live->now - refusals->at < INTERVAL)
		return;
	if (event->status)
		snprintf(answer, sizeof(answer), "%u", event->status);
	live_log(live, LUN_LOG_WARNING, "%llu connection(s) refused, the last: %s at byte %llu: %s (%s, answered with %s)",
		 (unsigned long long)refusals->count, lun_tuple_format(&event->orig, text),
		 (unsigned long long)event->offset, event->text, lun_reason_name(event->reason), answer);
	*refusals = (struct refusals) { .at = live->now };
}
