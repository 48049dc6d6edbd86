/* path.c - packet in, verdict out: the path is engine_run, the last function but one.
 *
 * Order within a batch: all packets are parsed and hashed and their buckets fetched; then the flows that the buckets point to
 * are fetched; then each runs the path alone, so that a second packet of a flow in the same batch sees what the first did. */
#include "engine/engine.h"
#include "packet/build.h"
#include "packet/trace.h"

enum {
	EXPIRE_BUDGET = 2,         /* wheel entries looked at per packet: flows end at least as fast as they can be opened */
	EXPIRE_BUDGET_TICK = 1024, /* and per tick, some 50 µs of work */
	REFUSAL_SIZE = 1280,
};

/* ---- ends ---- */

void engine_forget_flow(struct lun_engine *engine, struct flow *flow)
{
	if (flow->flags & FLOW_HTTP)
		lun_policy_unref(http_stream_close(&engine->http, &engine->flows, flow));
	flow_end(&engine->flows, flow);
}

void engine_end_flow(struct lun_engine *engine, struct flow *flow)
{
	struct lun_event *event = engine->config.commit ? events_put(&engine->events) : NULL;

	if (event) {
		event->kind = LUN_EVENT_ENDED;
		event->flow = flow_id(&engine->flows, flow);
		event->orig = flow->tuple[LUN_ORIG];
		event->reply = flow->tuple[LUN_REPLY];
		event->state = (enum lun_state)flow->state;
	}
	engine_forget_flow(engine, flow);
}

static void expire(struct lun_engine *engine, uint32_t budget)
{
	struct flow *flow;

	while ((flow = flow_next_expired(&engine->flows, &budget)) != NULL)
		engine_end_flow(engine, flow);
}

/* ---- the opening packet of a flow ---- */

/* Drops or rejects the packet; a rejection is answered by an event when the engine translates itself. */
static bool refuse(struct lun_engine *engine, struct packet *p, enum lun_verdict verdict, enum lun_reason reason)
{
	uint8_t *bytes = NULL;
	uint32_t length = 0;

	p->io->ct = LUN_CT_NEW;
	if (verdict == LUN_REJECT && !engine->config.commit && !events_full(&engine->events)) {
		bytes = events_bytes(&engine->events, REFUSAL_SIZE);
		length = bytes ? packet_build_refusal(bytes, REFUSAL_SIZE, p) : 0;
	}
	if (length > 0) {
		struct lun_event *event = events_put(&engine->events);

		event->kind = LUN_EVENT_EMIT;
		event->side = LUN_SIDE_CLIENT;
		event->packet = engine->packet;
		events_keep_bytes(&engine->events, event, length);
	}
	return packet_stop(p, verdict, reason);
}

/* Asks the embedder to give the flow to the kernel, which finds a free port by itself. */
static void ask_commit(struct lun_engine *engine, const struct packet *p, const struct decision *decision)
{
	struct lun_event *event = events_put(&engine->events);
	bool v4 = lun_address_is_v4(&p->tuple.destination);

	event->kind = LUN_EVENT_COMMIT;
	event->flow = flow_id(&engine->flows, p->flow);
	event->packet = engine->packet;
	event->orig = p->tuple;
	event->reply = nat_wanted_reply(decision, &p->tuple);
	event->translate = decision->translate;
	event->masquerade = decision->masquerade;
	if (decision->masquerade && !policy_names_masquerade(engine->policy, v4))
		event->reply.destination = (struct lun_address) { { 0 } };
	flow_set_owner(p->flow, LUN_OWNER_PENDING);
}

static bool open_stream(struct lun_engine *engine, struct packet *p, const struct decision *decision)
{
	const struct service_port *port = &engine->policy->ports[decision->service_port];
	struct http_headers headers = { .headers = port->service->headers,
					.count = port->service->header_count,
					.service = port->service->name,
					.port = port->port };

	if (!http_stream_open(&engine->http, &engine->flows, p, &headers, engine->policy))
		return false;
	lun_policy_ref(engine->policy);
	return true;
}

/* Opens the flow of an accepted decision. */
static bool engine_open(struct lun_engine *engine, struct packet *p, const struct decision *decision)
{
	struct lun_tuple tuple[2] = { [LUN_ORIG] = p->tuple };
	enum lun_reason reason = nat_bind(&engine->flows, &engine->random, decision, tuple);

	if (reason != LUN_REASON_none)
		return refuse(engine, p, LUN_DROP, reason);
	if (decision->masquerade && lun_address_is_zero(&tuple[LUN_REPLY].destination) && !engine->config.commit)
		return refuse(engine, p, LUN_DROP, LUN_REASON_no_masquerade_address);
	if (engine->config.commit && events_full(&engine->events))
		return refuse(engine, p, LUN_DROP, LUN_REASON_events_full);
	p->flow = flow_open(&engine->flows, tuple);
	if (!p->flow)
		return refuse(engine, p, LUN_REJECT, LUN_REASON_table_full);
	p->flow->flags |=
		(uint16_t)((decision->translate ? FLOW_TRANSLATED : 0) | (decision->masquerade ? FLOW_MASQUERADE : 0));
	flow_more(&engine->flows, p->flow)->initial_sequence = p->sequence;
	if (engine->config.commit) {
		ask_commit(engine, p, decision);
	} else if (decision->http && !open_stream(engine, p, decision)) {
		engine_forget_flow(engine, p->flow);
		p->flow = NULL;
		return refuse(engine, p, LUN_REJECT, LUN_REASON_edits_full);
	}
	p->opening = true;
	return true;
}

/* A packet without a flow: decide, bind, open. */
static bool engine_admit(struct lun_engine *engine, struct packet *p)
{
	struct decision decision;

	if (!track_may_open(p, !engine->config.no_pick_up))
		return false;
	policy_decide(engine->policy, engine->balance, &engine->random, p, &decision);
	if (decision.reason == LUN_REASON_policy_error && decision.verdict == LUN_ACCEPT)
		engine->stats.reasons[LUN_REASON_policy_error]++; /* said beside the verdict, which the map gave */
	if (decision.verdict != LUN_ACCEPT)
		return refuse(engine, p, decision.verdict, decision.reason);
	return engine_open(engine, p, &decision);
}

/* When committing, only openings come.  One of a flow that we know: the same sequence number is a retransmission; another one
 * may be a new connection or a forgery, which only the kernel's entry can tell. */
static bool engine_opens_again(struct lun_engine *engine, struct packet *p)
{
	if (!engine->config.commit || p->opening || p->tuple.protocol != LUN_TCP)
		return true;
	p->io->ct = LUN_CT_NEW;
	if (flow_more(&engine->flows, p->flow)->initial_sequence == p->sequence)
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_retransmission);
	return packet_stop(p, LUN_QUERY, LUN_REASON_none);
}

/* ---- the path ---- */

/* The flow of the packet; one whose time is over, or which this packet replaces, ends here. */
static bool engine_find(struct lun_engine *engine, struct packet *p)
{
	if (!flow_find(&engine->flows, p))
		return false;
	if (flow_left_ms(&engine->flows, p->flow) > 0 && !track_reopens(p->flow, p))
		return true;
	engine_end_flow(engine, p->flow);
	p->flow = NULL;
	p->direction = LUN_ORIG;
	return false;
}

/* Fragments carry no ports: they are told apart here, before anything looks for a flow. */
static bool fragment_resolve(struct packet *p)
{
	return p->fragment ? packet_stop(p, LUN_ACCEPT, LUN_REASON_fragment) : true;
}

static bool checksums_resolve(const struct lun_engine *engine, struct packet *p)
{
	if (!engine->config.verify || packet_checksums_right(p))
		return true;
	p->io->ct = LUN_CT_INVALID;
	return packet_stop(p, LUN_ACCEPT, LUN_REASON_bad_checksum);
}

static void engine_run(struct lun_engine *engine, struct packet *p)
{
	if (!fragment_resolve(p) || !checksums_resolve(engine, p))
		return;
	if (!engine_find(engine, p) && !engine_admit(engine, p))
		return;
	if (!engine_opens_again(engine, p) || !track_update(&engine->flows, p))
		return;
	if (engine->config.commit)
		return; /* the kernel translates */
	if (!http_inspect(&engine->http, &engine->flows, p))
		return;
	nat_apply(p);
	http_edit(&engine->http, &engine->flows, p);
	packet_seal(p);
}

/* ---- batches ---- */

static void begin(struct lun_engine *engine, struct packet *p, struct lun_packet *io)
{
	*p = (struct packet) { .io = io };
	io->verdict = LUN_ACCEPT;
	io->reason = LUN_REASON_none;
	io->ct = LUN_CT_UNTRACKED;
	io->direction = LUN_ORIG;
	io->state = LUN_STATE_NONE;
	io->flow = 0;
	if (packet_parse(p)) {
		p->hash = flow_hash(&engine->flows, &p->tuple);
		__builtin_prefetch(index_first(&engine->flows.index, p->hash));
	} else if (io->reason != LUN_REASON_unsupported_protocol) {
		io->ct = LUN_CT_INVALID;
	}
	io->was = p->readable ? p->tuple : (struct lun_tuple) { 0 };
	io->is = io->was;
}

/* Fetches the flow that the packet most likely belongs to.  Inlined by force: GCC 12 takes a function that only fetches for one
 * without effect and drops the call. */
static inline __attribute__((always_inline)) void fetch_flow(const struct lun_engine *engine, const struct packet *p)
{
	const struct bucket *bucket = index_first(&engine->flows.index, p->hash);
	uint32_t match = bucket_match(bucket, index_tag(p->hash));
	const char *flow;

	if (!match)
		return;
	flow = (const char *)&engine->flows.flows[bucket->slots[__builtin_ctz(match)] >> 1];
	__builtin_prefetch(flow, 1);
	__builtin_prefetch(flow + 64, 1);
}

static void finish(struct lun_engine *engine, struct packet *p)
{
	struct lun_packet *io = p->io;

	if (p->flow) {
		io->flow = flow_id(&engine->flows, p->flow);
		io->direction = p->direction;
		io->state = (enum lun_state)p->flow->state;
	}
	if (io->ct == LUN_CT_INVALID && engine->config.drop_invalid && io->verdict == LUN_ACCEPT)
		io->verdict = LUN_DROP;
	if (io->trace)
		io->trace->translated = p->flow && p->flow->flags & FLOW_TRANSLATED;
	engine->stats.packets++;
	engine->stats.bytes += io->length;
	engine->stats.verdicts[io->verdict]++;
	engine->stats.reasons[io->reason]++;
}

void lun_engine_packets(struct lun_engine *engine, struct lun_packet *packets, size_t count, uint64_t now)
{
	struct packet *batch = engine->batch;

	flow_set_clock(&engine->flows, now);
	for (size_t start = 0; start < count; start += BATCH) {
		size_t size = count - start < BATCH ? count - start : BATCH;

		for (size_t i = 0; i < size; i++)
			begin(engine, &batch[i], &packets[start + i]);
		expire(engine, EXPIRE_BUDGET * (uint32_t)size);
		for (size_t i = 0; i < size; i++)
			if (batch[i].readable)
				fetch_flow(engine, &batch[i]);
		for (size_t i = 0; i < size; i++) {
			engine->packet = start + i;
			if (batch[i].readable)
				engine_run(engine, &batch[i]);
			finish(engine, &batch[i]);
		}
	}
}

uint64_t lun_engine_tick(struct lun_engine *engine, uint64_t now)
{
	flow_set_clock(&engine->flows, now);
	expire(engine, EXPIRE_BUDGET_TICK);
	return flow_deadline(&engine->flows);
}

uint64_t lun_engine_deadline(const struct lun_engine *engine)
{
	return flow_deadline(&engine->flows);
}
