/* edits.c - what clients send on flows that the kernel carries and whose requests are edited.
 *
 *	receive -> the engine edits -> in one write, for each packet: what the kernel adds to numbers from now on, the verdict
 *
 * Packets come behind the kernel's conntrack and in front of its translation: with the client's addresses and numbers.  The kernel
 * translates all else of the flow, answers among it, which never come here.  A packet that outgrew its path is sent by ourselves, as
 * is a refusal: toward the upstream as if the client had sent it, so that the kernel translates it; toward the client past conntrack,
 * which would take it for one of another connection. */
#include "live/edits.h"
#include "live/live.h"
#include "live/sent.h"

#include <string.h>

struct batch {
	size_t count; /* of packets */
	struct queue_packet queued[QUEUE_BATCH];
	struct lun_packet packets[QUEUE_BATCH];
	size_t verdict_count;
	struct queue_verdict verdicts[QUEUE_BATCH]; /* that are not given yet */
	_Alignas(16) char shifts[QUEUE_BATCH][CONNTRACK_SHIFT_SIZE];
};

static void give_verdicts(struct lun_live *live, struct batch *batch)
{
	int problem = queue_answer(&live->edits, batch->verdicts, batch->verdict_count);

	batch->verdict_count = 0;
	if (problem)
		live_log(live, LUN_LOG_ERROR, "answering queue %u: %s", live->edits.number, strerror(-problem));
}

/* The next event about a packet of the batch; false: there is none. */
static bool next_event(struct lun_live *live, struct lun_event *event)
{
	while (lun_engine_next_event(live->engine, event)) {
		if (event->kind == LUN_EVENT_EMIT || event->kind == LUN_EVENT_SHIFT)
			return true;
		endings_note(live, event);
	}
	return false;
}

/* The bits of a verdict are others': no rule of ours looks at the packet any more. */
static void put_verdict(struct lun_live *live, struct batch *batch, size_t index, size_t shift_length)
{
	const struct lun_packet *packet = &batch->packets[index];
	const struct queue_packet *queued = &batch->queued[index];
	struct queue_verdict *verdict = &batch->verdicts[batch->verdict_count++];

	*verdict = (struct queue_verdict) { .id = queued->id, .mark = sent_others_bits(live, queued->mark) };
	if (shift_length) {
		verdict->first = batch->shifts[index];
		verdict->first_length = shift_length;
	}
	if (packet->verdict != LUN_ACCEPT || sent_must_cut(queued, packet))
		return;
	if (packet->changed && packet->wire_length > packet->length) {
		sent_log_loss(live, &packet->was,
			      "it is too long for the queue, of which a changed packet must come back whole");
		return;
	}
	verdict->accept = true;
	verdict->data = packet->changed ? packet->data : NULL;
	verdict->length = packet->length;
}

/* Packets leave in the order in which they came, be it by a verdict or by ourselves. */
static void answer(struct lun_live *live, struct batch *batch)
{
	struct lun_event event;
	bool there = next_event(live, &event);

	batch->verdict_count = 0;
	for (size_t i = 0; i < batch->count; i++) {
		const struct lun_packet *packet = &batch->packets[i];
		size_t shift_length = 0;

		for (; there && event.packet == i; there = next_event(live, &event)) {
			if (event.kind == LUN_EVENT_SHIFT) {
				shift_length = conntrack_put_shift(batch->shifts[i], &event.orig, &event.shift);
				continue;
			}
			give_verdicts(live, batch);
			sent_event(live, packet, &event, batch->queued[i].mark);
		}
		put_verdict(live, batch, i, shift_length);
		if (packet->verdict == LUN_ACCEPT && sent_must_cut(&batch->queued[i], packet)) {
			give_verdicts(live, batch);
			sent_grown(live, &batch->queued[i], packet);
		}
	}
	give_verdicts(live, batch);
}

size_t edits_serve(struct lun_live *live, uint64_t now)
{
	struct batch batch; /* large: only what is read before it is written is set */

	live->now = now;
	batch.count = queue_receive(&live->edits, batch.queued);
	for (size_t i = 0; i < batch.count; i++)
		batch.packets[i] = (struct lun_packet) {
			.data = batch.queued[i].data,
			.length = batch.queued[i].length,
			.capacity = batch.queued[i].capacity,
			.wire_length = batch.queued[i].wire_length,
			.unfinished = batch.queued[i].unfinished,
			.carried = true,
		};
	live->stats.edited += batch.count;
	if (batch.count) {
		live_show_before(live, batch.packets, batch.count);
		lun_engine_packets(live->engine, batch.packets, batch.count, now);
		live_show_after(live, batch.packets, batch.count);
		answer(live, &batch);
		endings_proceed(live);
	}
	return batch.count;
}

static bool has_edits(const struct lun_policy *policy)
{
	struct lun_frontend frontend;

	for (size_t i = 0; lun_policy_frontend(policy, i, &frontend); i++)
		if (frontend.http)
			return true;
	return false;
}

int edits_prepare(struct lun_live *live, const struct lun_policy *policy, struct lun_error *error)
{
	static const char need[] = "requests that are refused, or whose edits outgrow the path, need";
	struct lun_error missing;
	int code = 0;

	if (!has_edits(policy))
		return 0;
	if (!live->inject.open)
		code = inject_open(&live->inject, error);
	if (code == 0 && sysctls_require(&live->sysctls, policy, need, live->set_sysctls, &missing) < 0)
		live_log(live, LUN_LOG_WARNING, "%s", missing.text);
	return code;
}
