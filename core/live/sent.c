/* sent.c - packets of flows that leave by ourselves, because a verdict cannot carry them. */
#include "live/sent.h"
#include "live/live.h"

#include <string.h>

static const uint64_t FAILURE_INTERVAL = UINT64_C(1000000000);

enum {
	SEGMENT_LEAST_V4 = 536, /* payload that every path carries (RFC 9293, 3.7.1) */
	SEGMENT_LEAST_V6 = 1220,
	HEADERS_MOST = 120, /* bytes of IP and TCP headers, but for extensions that are not seen with TCP */
};

/* Says at most once a second that packets were lost. */
void sent_log_loss(struct lun_live *live, const struct lun_tuple *tuple, const char *why)
{
	char text[LUN_TUPLE_TEXT];

	live->stats.failed++;
	live->failures++;
	if (live->failures_at && live->now - live->failures_at < FAILURE_INTERVAL)
		return;
	live_log(live, LUN_LOG_WARNING, "%llu packet(s) lost; the last: %s: %s", (unsigned long long)live->failures,
		 lun_tuple_format(tuple, text), why);
	live->failures = 0;
	live->failures_at = live->now;
}

uint32_t sent_others_bits(const struct lun_live *live, uint32_t mark)
{
	const struct lun_live_marks *marks = &live->rules.marks;

	return mark & ~(marks->queue | marks->committed | marks->reject);
}

/* The mark by which our rules let a packet pass that we send, made of that of the one that caused it. */
static uint32_t own_mark(const struct lun_live *live, uint32_t mark)
{
	return sent_others_bits(live, mark) | live->rules.marks.committed;
}

static void send_on(struct lun_live *live, const struct lun_packet *packet, const uint8_t *data, uint32_t length,
		    uint32_t mark, uint16_t segment)
{
	int problem = inject_send(&live->inject, data, length, mark, segment);

	if (problem)
		sent_log_loss(live, &packet->is, strerror(-problem));
}

/* A TCP packet that grew may not fit the path any more.  It is cut into segments no longer than what came, which is what its
 * sender takes to fit, or than what every path carries. */
void sent_grown(struct lun_live *live, const struct queue_packet *queued, const struct lun_packet *packet)
{
	uint32_t segment = packet->data[0] >> 4 == 4 ? SEGMENT_LEAST_V4 : SEGMENT_LEAST_V6;

	if (queued->length > segment + HEADERS_MOST)
		segment = queued->length - HEADERS_MOST;
	send_on(live, packet, packet->data, packet->length, own_mark(live, queued->mark), (uint16_t)segment);
}

void sent_event(struct lun_live *live, const struct lun_packet *packet, const struct lun_event *event, uint32_t mark)
{
	bool past = live->mode->carries && event->side == LUN_SIDE_CLIENT; /* conntrack, which would translate it */

	live_show_emitted(live, event->data, event->length);
	send_on(live, packet, event->data, event->length, own_mark(live, mark) | (past ? live->rules.marks.reject : 0), 0);
}
