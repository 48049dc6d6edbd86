/* opening.c - what becomes of the packets that open connections.
 *
 *	receive -> the engine decides -> entries are made -> what went wrong is settled -> verdicts
 *
 * Entries are made in one write for the whole batch and the kernel works while we write, so when the verdicts are given it
 * is known what became of each entry, and a packet never goes on toward an entry that is not there.
 *
 * An entry in the way is never deleted blindly: a forged opening on a live connection's addresses and ports must change
 * nothing.  Only one that is closed, or that is not ours on an address that is ours to serve, makes room. */
#include "live/live.h"

#include <errno.h>
#include <string.h>

static const uint64_t FAILURE_INTERVAL = UINT64_C(1000000000);

_Static_assert((int)QUEUE_BATCH <= (int)CONNTRACK_BATCH, "a batch is committed in one write");

struct batch {
	struct queue_packet queued[QUEUE_BATCH];
	struct lun_packet packets[QUEUE_BATCH];
	bool left_alone[QUEUE_BATCH]; /* accepted, with nothing to translate */
	size_t count;
};

/* Says at most once a second that openings could not be committed. */
static void log_failure(struct lun_live *live, const struct lun_tuple *orig, int problem, uint64_t now)
{
	char tuple[LUN_TUPLE_TEXT];

	live->failures++;
	if (live->failures_at && now - live->failures_at < FAILURE_INTERVAL)
		return;
	live_log(live, LUN_LOG_WARNING,
		 "%llu opening(s) dropped, the kernel would not take the connection; the last: %s: %s",
		 (unsigned long long)live->failures, lun_tuple_format(orig, tuple), strerror(-problem));
	live->failures = 0;
	live->failures_at = now;
}

static void fail_opening(struct lun_live *live, const struct lun_event *commit, struct lun_packet *packet, int problem,
			 uint64_t now)
{
	struct lun_event event = { .kind = LUN_EVENT_FAILED, .flow = commit->flow, .error = -problem };

	lun_engine_event(live->engine, &event, now);
	packet->verdict = LUN_DROP;
	log_failure(live, &commit->orig, problem, now);
}

/* From what the engine wants to what is asked of the kernel.  Returns 0 or a negative errno. */
static int prepare(struct lun_live *live, const struct lun_event *event, uint64_t now, struct conntrack_commit *commit)
{
	*commit = (struct conntrack_commit) {
		.orig = event->orig,
		.translate = event->translate,
		.endpoint = event->reply.source,
		.endpoint_port = event->reply.source_port,
	};
	if (!event->masquerade)
		return 0;
	commit->masquerade = event->reply.destination;
	if (!lun_address_is_zero(&commit->masquerade))
		return 0;
	return route_source(&live->routes, &event->reply.source, now, &commit->masquerade);
}

/* An entry stands in the way.  Returns 0 if the flow is carried, by that entry or by a new one, or a negative errno. */
static int settle_conflict(struct lun_live *live, struct conntrack_commit *commit)
{
	struct conntrack_entry entry;
	int problem = conntrack_get(&live->conntrack, &commit->orig, &entry);

	if (problem == 0) {
		bool same = memcmp(&entry.orig, &commit->orig, sizeof(entry.orig)) == 0;

		if (conntrack_is_alive(&entry) && same && conntrack_is_ours(&entry))
			return 0;
		if (conntrack_is_alive(&entry) && !same)
			return -EEXIST; /* these are the replies of another connection */
		problem = conntrack_delete(&live->conntrack, &entry);
	}
	if (problem && problem != -ENOENT)
		return problem;
	conntrack_create(&live->conntrack, commit, 1);
	return commit->problem;
}

/* After the kernel answered: there is an entry for the packet, or the packet is dropped.  What the reply tuple came to be
 * (the kernel may have chosen a port) is told by the next list of entries, which confirms the flow. */
static void settle(struct lun_live *live, const struct lun_event *event, struct conntrack_commit *commit,
		   struct lun_packet *packet, uint64_t now)
{
	int problem = commit->problem;

	if (problem == -EEXIST)
		problem = settle_conflict(live, commit);
	if (problem)
		fail_opening(live, event, packet, problem, now);
	else
		carried_expect(&live->carried, event->flow);
}

/* One event of the engine.  True: *commit is to be made. */
static bool plan(struct lun_live *live, const struct lun_event *event, struct batch *batch, size_t index, uint64_t now,
		 struct conntrack_commit *commit)
{
	int problem = prepare(live, event, now, commit);

	if (problem)
		fail_opening(live, event, &batch->packets[index], problem, now);
	else if (!conntrack_changes(commit))
		batch->left_alone[index] = true;
	return !problem && !batch->left_alone[index];
}

/* Decides on packets of the batch and commits what is to be committed. */
static void decide(struct lun_live *live, struct batch *batch, size_t first, size_t count, uint64_t now)
{
	struct conntrack_commit commits[QUEUE_BATCH];
	struct lun_event events[QUEUE_BATCH];
	size_t ready = 0;

	lun_engine_packets(live->engine, &batch->packets[first], count, now);
	while (ready < count && lun_engine_next_event(live->engine, &events[ready]))
		if (events[ready].kind == LUN_EVENT_COMMIT &&
		    plan(live, &events[ready], batch, first + events[ready].packet, now, &commits[ready]))
			ready++;
	conntrack_create(&live->conntrack, commits, ready);
	for (size_t i = 0; i < ready; i++)
		settle(live, &events[i], &commits[i], &batch->packets[first + events[i].packet], now);
}

/* An opening of a flow that we know, be it a retransmission or a new attempt: is the flow still there?  If not, this
 * packet opens it anew. */
static void recheck(struct lun_live *live, struct batch *batch, size_t index, uint64_t now)
{
	struct lun_packet *packet = &batch->packets[index];
	struct lun_event ended = { .kind = LUN_EVENT_ENDED, .flow = packet->flow };
	struct conntrack_entry entry;
	int problem = conntrack_get(&live->conntrack, &packet->was, &entry);

	if (problem == 0) {
		if (conntrack_is_ours(&entry) && conntrack_is_alive(&entry)) {
			packet->verdict = LUN_ACCEPT;
			return;
		}
		problem = conntrack_delete(&live->conntrack, &entry);
	}
	packet->verdict = LUN_DROP;
	if (problem && problem != -ENOENT)
		return;
	lun_engine_event(live->engine, &ended, now);
	decide(live, batch, index, 1, now);
}

static bool wants_recheck(const struct lun_packet *packet)
{
	return packet->verdict == LUN_QUERY || packet->reason == LUN_REASON_retransmission;
}

static struct queue_verdict verdict_of(const struct lun_live *live, const struct batch *batch, size_t index)
{
	const struct lun_live_marks *marks = &live->rules.marks;
	const struct queue_packet *queued = &batch->queued[index];
	struct queue_verdict verdict = { .id = queued->id, .accept = true };

	verdict.mark = queued->mark & ~(marks->queue | marks->committed | marks->reject);
	if (batch->packets[index].verdict == LUN_ACCEPT)
		verdict.mark |= marks->committed | (batch->left_alone[index] ? marks->reject : 0);
	else if (batch->packets[index].verdict == LUN_REJECT)
		verdict.mark |= marks->reject;
	else
		verdict.accept = false;
	return verdict;
}

size_t opening_serve(struct lun_live *live, uint64_t now)
{
	struct queue_verdict verdicts[QUEUE_BATCH];
	struct batch batch = { 0 };
	int problem;

	batch.count = queue_receive(&live->queue, batch.queued);
	for (size_t i = 0; i < batch.count; i++)
		batch.packets[i] = (struct lun_packet) {
			.data = batch.queued[i].data,
			.length = batch.queued[i].length,
			.capacity = batch.queued[i].length,
			.wire_length = batch.queued[i].wire_length,
		};
	decide(live, &batch, 0, batch.count, now);
	for (size_t i = 0; i < batch.count; i++)
		if (wants_recheck(&batch.packets[i]))
			recheck(live, &batch, i, now);
	for (size_t i = 0; i < batch.count; i++)
		verdicts[i] = verdict_of(live, &batch, i);
	problem = queue_answer(&live->queue, verdicts, batch.count);
	if (problem)
		live_log(live, LUN_LOG_ERROR, "answering queue %u: %s", live->queue.number, strerror(-problem));
	return batch.count;
}
