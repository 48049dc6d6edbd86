/* opening.c - what becomes of the packets that open connections.
 *
 *	receive -> the engine decides -> packets of flows that we know are checked -> entries are made -> verdicts
 *
 * Whatever is asked or made is asked or made in one write for the whole batch, and the kernel works while we write.  So when
 * the verdicts are given it is known what became of each entry, and no packet goes on toward an entry that is not there.
 *
 * An entry in the way is never deleted blindly: a forged opening on a live connection's addresses and ports must change
 * nothing.  Only one that is closed, or that is not ours on an address that is ours to serve, makes room; and that of a SYN
 * which nobody has answered for a while, when the same SYN comes again: it is decided anew.
 *
 * UDP has no opening.  Its packets come here until the kernel's own set knows their flow: the first, those that came right
 * behind it, and the first answer where a range is intercepted. */
#include "live/edits.h"
#include "live/live.h"

#include <errno.h>
#include <string.h>

static const uint64_t FAILURE_INTERVAL = UINT64_C(1000000000);

/* How long an endpoint may leave a SYN unanswered: the first retransmission comes after a second, the next a second (Linux
 * from 6.5 on) or two later. */
static const uint64_t SILENCE = UINT64_C(1500000000);

enum { MOVE_TRIES = 4 };

_Static_assert((int)QUEUE_BATCH <= (int)CONNTRACK_BATCH, "a batch is committed in one write");

struct batch {
	uint64_t now;
	size_t count; /* of packets */
	struct queue_packet queued[QUEUE_BATCH];
	struct lun_packet packets[QUEUE_BATCH];
	bool opens[QUEUE_BATCH];      /* the packet opens its flow */
	bool left_alone[QUEUE_BATCH]; /* accepted, with nothing to translate */
	size_t commit_count;
	struct conntrack_commit commits[QUEUE_BATCH];
	uint64_t flows[QUEUE_BATCH];   /* of the commits */
	size_t packet_of[QUEUE_BATCH]; /* likewise: index of the packet that waits for it */
};

static const char *failure_text(int problem)
{
	return problem == -ENOMEM ? "its table is full (sysctl net.netfilter.nf_conntrack_max)" : strerror(-problem);
}

/* Drops a packet: the kernel would not take its flow, or did not answer.  Says so at most once a second. */
static void fail_packet(struct lun_live *live, struct batch *batch, size_t index, int problem)
{
	char tuple[LUN_TUPLE_TEXT];

	batch->packets[index].verdict = LUN_DROP;
	live->stats.failed++;
	live->stats.table_full += problem == -ENOMEM;
	live->failures++;
	if (live->failures_at && batch->now - live->failures_at < FAILURE_INTERVAL)
		return;
	live_log(live, LUN_LOG_WARNING,
		 "%llu opening(s) dropped, the kernel would not take the connection; the last: %s: %s",
		 (unsigned long long)live->failures, lun_tuple_format(&batch->packets[index].was, tuple),
		 failure_text(problem));
	live->failures = 0;
	live->failures_at = batch->now;
}

/* The packet is dropped and the flow forgotten; its sender tries again. */
static void fail_opening(struct lun_live *live, struct batch *batch, size_t index, uint64_t flow, int problem)
{
	struct lun_event event = { .kind = LUN_EVENT_FAILED, .flow = flow, .error = -problem };

	lun_engine_event(live->engine, &event, batch->now);
	fail_packet(live, batch, index, problem);
}

/* From what the engine wants to what is asked of the kernel.  Returns 0 or a negative errno. */
static int prepare(struct lun_live *live, const struct lun_event *event, uint64_t now, struct conntrack_commit *commit)
{
	*commit = (struct conntrack_commit) {
		.orig = event->orig,
		.translate = event->translate,
		.edited = event->edited,
		.watched = event->watched,
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

/* What the engine wants committed for packets of the batch, from `first` on; `replaced`, if not NULL, is in the way. */
static void plan_commits(struct lun_live *live, struct batch *batch, size_t first, const struct conntrack_entry *replaced)
{
	struct lun_event event;

	while (batch->commit_count < QUEUE_BATCH && lun_engine_next_event(live->engine, &event)) {
		struct conntrack_commit *commit = &batch->commits[batch->commit_count];
		size_t index = first + event.packet;
		int problem;

		if (event.kind != LUN_EVENT_COMMIT) {
			endings_note(live, &event);
			continue;
		}
		batch->opens[index] = true;
		problem = prepare(live, &event, batch->now, commit);
		if (problem) {
			fail_opening(live, batch, index, event.flow, problem);
		} else if (conntrack_changes(commit)) {
			commit->replaces = replaced != NULL;
			if (replaced)
				commit->replaced = *replaced;
			batch->flows[batch->commit_count] = event.flow;
			batch->packet_of[batch->commit_count++] = index;
		} else {
			batch->left_alone[index] = true;
		}
	}
}

/* The packet of the batch that opens the same flow as this one belongs to, or batch->count. */
static size_t opener_of(const struct batch *batch, size_t index)
{
	size_t opener = 0;

	while (opener < batch->count && !(batch->opens[opener] && batch->packets[opener].flow == batch->packets[index].flow))
		opener++;
	return opener;
}

/* Was the packet refused for want of room?  Then it need not open anything: we may only have had no room for its flow. */
static bool is_refused_for_room(const struct lun_packet *packet)
{
	switch (packet->reason) {
	case LUN_REASON_table_full:
	case LUN_REASON_source_limit:
	case LUN_REASON_service_limit:
	case LUN_REASON_half_open_limit:
	case LUN_REASON_events_full:
		return true;
	default:
		return false;
	}
}

/* Can only the kernel tell what the packet is?  One that seems to open a UDP flow may as well be the answer in another. */
static bool wants_check(const struct batch *batch, size_t index)
{
	const struct lun_packet *packet = &batch->packets[index];

	if (packet->verdict == LUN_QUERY || packet->reason == LUN_REASON_retransmission)
		return opener_of(batch, index) == batch->count;
	if (packet->was.protocol == LUN_UDP)
		return !batch->opens[index] || batch->left_alone[index];
	return is_refused_for_room(packet);
}

/* A UDP packet of the reply direction of an entry that we did not know, or not with the port that the kernel chose. */
static void take_as_answer(struct lun_live *live, struct batch *batch, size_t index, const struct conntrack_entry *entry)
{
	struct lun_packet *packet = &batch->packets[index];
	struct lun_event opened_nothing = { .kind = LUN_EVENT_FAILED, .flow = packet->flow, .error = EISCONN };

	if (packet->flow && packet->direction == LUN_ORIG)
		lun_engine_event(live->engine, &opened_nothing, batch->now);
	packet->verdict = LUN_ACCEPT;
	batch->left_alone[index] = !conntrack_is_ours(entry);
	if (conntrack_is_ours(entry))
		carried_sight(live, entry, batch->now);
}

/* The packet opens its flow once more; the one before ends. */
static void decide_anew(struct lun_live *live, struct batch *batch, size_t index)
{
	struct lun_event ended = { .kind = LUN_EVENT_ENDED, .flow = batch->packets[index].flow };

	lun_engine_event(live->engine, &ended, batch->now);
	lun_engine_packets(live->engine, &batch->packets[index], 1, batch->now);
}

/* The flow is known and its entry is not what it should be. */
static void reopen(struct lun_live *live, struct batch *batch, size_t index, const struct conntrack_entry *replaced)
{
	decide_anew(live, batch, index);
	plan_commits(live, batch, index, replaced);
}

/* Is this a SYN that is sent again because the endpoint is silent, so that another one may be tried?  An answer that passes
 * the kernel between its saying so and our replacing the entry meets none; its sender sends it again, and is reset. */
static bool is_unanswered(const struct lun_live *live, const struct lun_packet *packet, const struct conntrack_entry *entry)
{
	struct lun_flow flow;

	return packet->reason == LUN_REASON_retransmission && conntrack_is_ours(entry) &&
	       entry->state == LUN_STATE_SYN_SENT && !entry->answered &&
	       lun_flow_find(live->engine, &packet->was, &flow) == 0 && flow.age >= SILENCE;
}

/* Chance may choose the same endpoint again, and then has some more tries. */
static void move(struct lun_live *live, struct batch *batch, size_t index, const struct conntrack_entry *entry)
{
	struct lun_event discarded;
	struct lun_flow flow;

	live->stats.moved++;
	for (int tries = 1;; tries++) {
		decide_anew(live, batch, index);
		if (tries == MOVE_TRIES || lun_flow_find(live->engine, &batch->packets[index].was, &flow) < 0 ||
		    memcmp(&flow.reply.source, &entry->reply.source, sizeof(flow.reply.source)) != 0)
			break;
		while (lun_engine_next_event(live->engine, &discarded))
			endings_note(live, &discarded);
	}
	plan_commits(live, batch, index, entry);
}

/* What the kernel says of the packet. */
static void check(struct lun_live *live, struct batch *batch, size_t index, const struct conntrack_question *answer)
{
	const struct conntrack_entry *entry = &answer->entry;
	struct lun_packet *packet = &batch->packets[index];
	bool found = answer->problem == 0, alive = found && conntrack_is_alive(entry);
	bool same = found && memcmp(&entry->orig, &packet->was, sizeof(packet->was)) == 0;
	bool known = packet->verdict == LUN_QUERY || packet->reason == LUN_REASON_retransmission;

	if (alive && !same && packet->was.protocol == LUN_UDP) {
		take_as_answer(live, batch, index, entry);
	} else if (alive && same && is_unanswered(live, packet, entry)) {
		move(live, batch, index, entry);
		return;
	} else if (alive && conntrack_is_ours(entry) && (known || is_refused_for_room(packet))) {
		packet->verdict = LUN_ACCEPT;
	} else if (known && (found || answer->problem == -ENOENT)) {
		reopen(live, batch, index, same ? entry : NULL);
	} else if (known) {
		fail_packet(live, batch, index, answer->problem);
	}
	live->stats.carried += alive && conntrack_is_ours(entry) && packet->verdict == LUN_ACCEPT;
}

static void check_all(struct lun_live *live, struct batch *batch)
{
	struct conntrack_question questions[QUEUE_BATCH];
	size_t packet_of[QUEUE_BATCH], count = 0;

	for (size_t i = 0; i < batch->count; i++) {
		if (!wants_check(batch, i))
			continue;
		questions[count].tuple = batch->packets[i].was;
		packet_of[count++] = i;
	}
	conntrack_get(&live->conntrack, questions, count);
	for (size_t i = 0; i < count; i++)
		check(live, batch, packet_of[i], &questions[i]);
}

/* An entry stands in the way of a commit: the flow is carried by that one (0), or it is to be replaced (-EAGAIN), or the packet
 * opens nothing and is an answer (-EISCONN), or it goes nowhere. */
static int judge_conflict(struct conntrack_commit *commit, const struct conntrack_question *answer)
{
	const struct conntrack_entry *entry = &answer->entry;
	bool same;

	if (answer->problem)
		return answer->problem == -ENOENT ? -EAGAIN : answer->problem;
	same = memcmp(&entry->orig, &commit->orig, sizeof(entry->orig)) == 0;
	if (conntrack_is_alive(entry) && same && conntrack_is_ours(entry))
		return 0;
	if (conntrack_is_alive(entry) && !same)
		return commit->orig.protocol == LUN_UDP ? -EISCONN : -EEXIST;
	commit->replaces = true;
	commit->replaced = *entry;
	return -EAGAIN;
}

/* Settles the commits that found an entry in their way. */
static void settle_conflicts(struct lun_live *live, struct batch *batch)
{
	struct conntrack_question questions[QUEUE_BATCH];
	struct conntrack_commit again[QUEUE_BATCH];
	size_t conflicts[QUEUE_BATCH], retried[QUEUE_BATCH], count = 0, again_count = 0;

	for (size_t i = 0; i < batch->commit_count; i++) {
		if (batch->commits[i].problem != -EEXIST)
			continue;
		questions[count].tuple = batch->commits[i].orig;
		conflicts[count++] = i;
	}
	conntrack_get(&live->conntrack, questions, count);
	for (size_t i = 0; i < count; i++) {
		struct conntrack_commit *commit = &batch->commits[conflicts[i]];

		commit->problem = judge_conflict(commit, &questions[i]);
		if (commit->problem == -EISCONN)
			take_as_answer(live, batch, batch->packet_of[conflicts[i]], &questions[i].entry);
		if (commit->problem == -EAGAIN) {
			again[again_count] = *commit;
			retried[again_count++] = conflicts[i];
		}
	}
	conntrack_create(&live->conntrack, again, again_count);
	for (size_t i = 0; i < again_count; i++)
		batch->commits[retried[i]].problem = again[i].problem;
}

/* Makes the entries.  What their reply tuples came to be (the kernel may have chosen a port) is told by the next list of
 * entries, which confirms the flows. */
static void commit_all(struct lun_live *live, struct batch *batch)
{
	conntrack_create(&live->conntrack, batch->commits, batch->commit_count);
	settle_conflicts(live, batch);
	for (size_t i = 0; i < batch->commit_count; i++) {
		const struct conntrack_commit *commit = &batch->commits[i];

		live->stats.committed += !commit->problem;
		live->stats.replaced += !commit->problem && commit->replaces;
		if (!commit->problem)
			carried_expect(&live->carried, batch->flows[i]);
		else if (commit->problem != -EISCONN)
			fail_opening(live, batch, batch->packet_of[i], batch->flows[i], commit->problem);
	}
}

/* What came behind the opening of its flow, in one batch with it, goes the way of that one. */
static void follow_openings(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		size_t opener = batch->packets[i].flow && !batch->opens[i] ? opener_of(batch, i) : batch->count;

		if (opener == batch->count)
			continue;
		batch->packets[i].verdict = batch->packets[opener].verdict;
		batch->left_alone[i] = batch->left_alone[opener];
	}
}

static struct queue_verdict verdict_of(const struct lun_live *live, const struct batch *batch, size_t index)
{
	const struct lun_live_marks *marks = &live->rules.marks;
	const struct queue_packet *queued = &batch->queued[index];
	struct queue_verdict verdict = { .id = queued->id, .accept = true };

	verdict.mark = queued->mark & ~(marks->queue | marks->committed | marks->reject);
	if (batch->packets[index].length < queued->length) { /* data was taken off a SYN */
		verdict.data = batch->packets[index].data;
		verdict.length = batch->packets[index].length;
	}
	if (batch->packets[index].verdict == LUN_ACCEPT)
		verdict.mark |= marks->committed | (batch->left_alone[index] ? marks->reject : 0);
	else if (batch->packets[index].verdict == LUN_REJECT)
		verdict.mark |= marks->reject;
	else
		verdict.accept = false;
	return verdict;
}

static void answer(struct lun_live *live, const struct batch *batch)
{
	struct queue_verdict verdicts[QUEUE_BATCH];
	int problem;

	for (size_t i = 0; i < batch->count; i++)
		verdicts[i] = verdict_of(live, batch, i);
	problem = queue_answer(&live->queue, verdicts, batch->count);
	if (problem)
		live_log(live, LUN_LOG_ERROR, "answering queue %u: %s", live->queue.number, strerror(-problem));
}

/* Every opening of the batch waited for all of it. */
static void note_time(struct lun_live *live, const struct batch *batch)
{
#define BOUND(bound) bound,
	static const uint64_t bounds[] = { LUN_COMMIT_BOUNDS(BOUND) };
#undef BOUND
	uint64_t took = uv_hrtime() - batch->now;
	size_t slot = 0;

	while (slot < LUN_COMMIT_TIMES - 1 && took > bounds[slot])
		slot++;
	live->stats.commit_times[slot] += batch->commit_count;
	live->stats.commit_ns += took * batch->commit_count;
}

static size_t opening_serve(struct lun_live *live, uint64_t now)
{
	struct batch batch; /* large: only what is read before it is written is set */

	batch.now = now;
	batch.commit_count = 0;
	memset(batch.opens, 0, sizeof(batch.opens));
	memset(batch.left_alone, 0, sizeof(batch.left_alone));
	batch.count = queue_receive(&live->queue, batch.queued, batch.packets);
	if (!batch.count)
		return 0;
	live->stats.queued += batch.count;
	live_show_before(live, batch.packets, batch.count);
	lun_engine_packets(live->engine, batch.packets, batch.count, now);
	plan_commits(live, &batch, 0, NULL);
	check_all(live, &batch);
	commit_all(live, &batch);
	follow_openings(&batch);
	live_show_after(live, batch.packets, batch.count);
	endings_proceed(live);
	answer(live, &batch);
	note_time(live, &batch);
	return batch.count;
}

/* ---- The mode ---- */

static int opening_open(struct lun_live *live, struct lun_config *engine, struct lun_error *error)
{
	int code = queue_open(&live->queue, live->rules.queue, QUEUE_HEADERS, error);

	engine->commit = true;
	prompt_open(&live->prompt);
	if (!engine->edits) /* those of a connection that is over are in use until a list tells, which may take a second and more */
		engine->edits = engine->flows / 4 + 1;
	if (code == 0)
		code = queue_open(&live->edits, rules_edits_queue(&live->rules), QUEUE_PAYLOAD, error);
	if (code == 0)
		code = netlink_open(&live->conntrack, NETLINK_NETFILTER, error);
	if (code == 0)
		code = route_open(&live->routes, error);
	if (code == 0)
		code = carried_open(&live->carried, engine->flows, error);
	return code;
}

static int opening_begin(struct lun_live *live, struct lun_error *error)
{
	int code = edits_prepare(live, live->policy, error);

	return code ? code : carried_adopt(live, uv_hrtime(), error);
}

static void opening_end(struct lun_live *live, bool flush)
{
	struct lun_error error;
	int problem;

	if (!flush)
		return;
	problem = conntrack_flush(&live->conntrack);
	if (problem)
		live_log(live, LUN_LOG_ERROR, "deleting the committed connections: %s", strerror(-problem));
	if (rules_remove(&live->rules, &error) < 0)
		live_log(live, LUN_LOG_ERROR, "%s", error.text);
}

const struct live_mode live_commit = {
	.open = opening_open,
	.begin = opening_begin,
	.serve = opening_serve,
	.prepare = edits_prepare,
	.end = opening_end,
	.carries = true,
};
