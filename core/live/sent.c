/* sent.c - the answer to a batch of whole packets.
 *
 * They leave in the order in which they came, be it by a verdict or by ourselves.  By ourselves leave the engine's own packets, and one
 * that outgrew its path: a verdict cannot cut it.  Verdicts are gathered until such a packet has to go between them; in front of each goes
 * what the kernel is to do from it on, in the same write. */
#include "live/sent.h"
#include "live/live.h"

#include <string.h>

static const uint64_t FAILURE_INTERVAL = UINT64_C(1000000000);

enum {
	SEGMENT_LEAST_V4 = 536, /* payload that every path carries (RFC 9293, 3.7.1) */
	SEGMENT_LEAST_V6 = 1220,
	HEADERS_MOST = 120, /* bytes of IP and TCP headers, but for extensions that are not seen with TCP */
	/* The least that IPv6 asks of every link: a narrower path to an endpoint is not served. */
	CARRIED_BY_ALL = 1280,
};

/* Says at most once a second that packets were lost. */
static void log_loss(struct lun_live *live, const struct lun_tuple *tuple, const char *why)
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

/* ---- By ourselves ---- */

/* Sends a packet with the bits by which our rules let it pass, because of the one with this mark. */
static void send_on(struct lun_live *live, const struct lun_packet *packet, const uint8_t *data, uint32_t length,
		    uint32_t mark, uint16_t segment)
{
	int problem = inject_send(&live->inject, data, length, mark, segment);

	if (problem)
		log_loss(live, &packet->is, strerror(-problem));
}

static uint32_t own_mark(const struct lun_live *live, const struct queue_packet *queued)
{
	return sent_others_bits(live, queued->mark) | live->rules.marks.committed;
}

/* Did it change, though not all of it came? */
static bool is_cut(const struct queue_packet *queued, const struct lun_packet *packet)
{
	return packet->changed && packet->wire_length > queued->length;
}

/* Has the packet become longer than a path may carry? */
static bool must_be_cut(const struct queue_packet *queued, const struct lun_packet *packet)
{
	return packet->verdict == LUN_ACCEPT && packet->changed && packet->length > queued->length &&
	       packet->length > CARRIED_BY_ALL && !queued->large && !is_cut(queued, packet);
}

/* It is cut into segments no longer than what came, which is what its sender takes to fit, or than what every path carries. */
static void send_grown(struct lun_live *live, const struct queue_packet *queued, const struct lun_packet *packet)
{
	uint32_t segment = packet->data[0] >> 4 == 4 ? SEGMENT_LEAST_V4 : SEGMENT_LEAST_V6;

	if (queued->length > segment + HEADERS_MOST)
		segment = queued->length - HEADERS_MOST;
	send_on(live, packet, packet->data, packet->length, own_mark(live, queued), (uint16_t)segment);
}

static void send_emitted(struct lun_live *live, const struct queue_packet *queued, const struct lun_packet *packet,
			 const struct lun_event *event)
{
	bool past = live->mode->carries && event->side == LUN_SIDE_CLIENT; /* conntrack, which would translate it */

	live_show_emitted(live, event->data, event->length);
	send_on(live, packet, event->data, event->length, own_mark(live, queued) | (past ? live->rules.marks.reject : 0), 0);
}

/* ---- By verdicts ---- */

static void give_verdicts(struct lun_live *live, struct queue *queue, struct batch *batch)
{
	int problem = queue_answer(queue, batch->verdicts, batch->verdict_count);

	batch->verdict_count = 0;
	if (problem)
		live_log(live, LUN_LOG_ERROR, "answering queue %u: %s", queue->number, strerror(-problem));
}

static void put_verdict(struct lun_live *live, struct batch *batch, size_t index)
{
	const struct lun_packet *packet = &batch->packets[index];
	const struct queue_packet *queued = &batch->queued[index];
	struct queue_verdict *verdict = &batch->verdicts[batch->verdict_count++];

	*verdict = (struct queue_verdict) { .id = queued->id };
	if (batch->shift_length) {
		verdict->first = batch->shifts[index];
		verdict->first_length = batch->shift_length;
		batch->shift_length = 0;
	}
	if (packet->verdict != LUN_ACCEPT || must_be_cut(queued, packet))
		return;
	if (is_cut(queued, packet)) {
		log_loss(live, &packet->was, "it is too long for the queue, of which a changed packet must come back whole");
		return;
	}
	verdict->accept = true;
	verdict->mark = sent_others_bits(live, queued->mark) | batch->bits[index];
	verdict->data = packet->changed ? packet->data : NULL;
	verdict->length = packet->length;
}

/* The next event about a packet of the batch; false: there is none. */
static bool next_event(struct lun_live *live, struct lun_event *event)
{
	while (lun_engine_next_event(live->engine, event)) {
		if (event->kind == LUN_EVENT_EMIT || event->kind == LUN_EVENT_SHIFT)
			return true;
		endings_note(live, event);
		refusals_note(live, event);
	}
	return false;
}

/* What a watched flow's upstream sends is found by what the kernel made of the reply tuple: perhaps it is not known yet. */
static void learn_reply(struct lun_live *live, const struct lun_event *event)
{
	struct conntrack_question question = { .tuple = event->orig };
	struct lun_flow flow;

	if (!event->watched || lun_flow_find(live->engine, &event->orig, &flow) < 0 || flow.owner >= LUN_OWNER_KERNEL)
		return;
	conntrack_get(&live->conntrack, &question, 1);
	if (question.problem == 0 && conntrack_is_ours(&question.entry))
		carried_sight(live, &question.entry, live->now);
}

/* Does what the events about packet `index` say, of which the one at hand is the first; returns whether another is at hand. */
static bool take_events(struct lun_live *live, struct queue *queue, struct batch *batch, size_t index,
			struct lun_event *event)
{
	bool there = true;

	for (; there && event->packet == index; there = next_event(live, event)) {
		if (event->kind == LUN_EVENT_SHIFT) {
			batch->shift_length = conntrack_put_shift(batch->shifts[index], event);
			learn_reply(live, event);
			continue;
		}
		give_verdicts(live, queue, batch);
		conntrack_send(&live->conntrack, batch->shifts[index], batch->shift_length);
		batch->shift_length = 0;
		send_emitted(live, &batch->queued[index], &batch->packets[index], event);
	}
	return there;
}

void sent_answer(struct lun_live *live, struct queue *queue, struct batch *batch)
{
	struct lun_event event;
	bool there = next_event(live, &event);

	batch->verdict_count = batch->shift_length = 0;
	for (size_t i = 0; i < batch->count; i++) {
		if (there)
			there = take_events(live, queue, batch, i, &event);
		put_verdict(live, batch, i);
		if (must_be_cut(&batch->queued[i], &batch->packets[i])) {
			give_verdicts(live, queue, batch);
			send_grown(live, &batch->queued[i], &batch->packets[i]);
		}
	}
	give_verdicts(live, queue, batch);
}
