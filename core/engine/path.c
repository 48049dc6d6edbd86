/* path.c - packet in, verdict out: the path is engine_run, the last function but one.
 *
 * Order within a batch: all packets are parsed and hashed and their buckets fetched; then the flows that the buckets point to
 * are fetched, and where a bucket says that there is none, the policy is asked already, to fetch the bucket of the reply tuple;
 * then each runs the path alone, so that a second packet of a flow in the same batch sees what the first did. */
#include "engine/engine.h"

#include "base/cold.h"
#include "engine/gone.h"
#include "engine/hooks.h"
#include "engine/retry.h"
#include "packet/build.h"
#include "packet/trace.h"

enum {
	EXPIRE_BUDGET = 2, /* wheel entries looked at per packet: flows end at least as fast as they can be opened */
	EXPIRE_BUDGET_TICK = LIMIT(512, 8), /* and per tick, some 50 µs of work at worst */
	PORTS_FAR = 256,                    /* fewer service ports are in the nearer caches anyway */
	NS_PER_MS = 1000000,
	RESTS_MOST = 5, /* doublings of a rest */
};

/* ---- ends ---- */

void engine_forget_flow(struct lun_engine *engine, struct flow *flow)
{
	hooks_end(engine, flow);
	if (flow->port != FLOW_NONE) {
		flow_add_counts(flow, ports_port(&engine->ports, flow->port)->counts);
		ports_count(&engine->ports, flow->port, -1);
	}
	if (engine->endpoints.entries && flow->flags & FLOW_TRANSLATED)
		endpoints_add(&engine->endpoints, &engine->flows, flow);
	sources_remove(&engine->sources, &flow->tuple[LUN_ORIG]);
	if (flow->flags & FLOW_HTTP)
		lun_policy_unref(http_stream_close(&engine->http, &engine->flows, flow));
	flow_end(&engine->flows, flow);
}

static void end_flow(struct lun_engine *engine, struct flow *flow, bool withdrawn)
{
	struct lun_event *event = engine->config.commit ? events_put(&engine->events) : NULL;

	if (!event && engine->config.commit) {
		engine->events.resync = true;
		engine->stats.events_lost++;
	}
	if (event) {
		event->kind = LUN_EVENT_ENDED;
		event->flow = flow_id(&engine->flows, flow);
		event->orig = flow->tuple[LUN_ORIG];
		event->reply = flow->tuple[LUN_REPLY];
		event->state = (enum lun_state)flow->state;
		event->withdrawn = withdrawn;
	}
	engine_forget_flow(engine, flow);
}

void engine_end_flow(struct lun_engine *engine, struct flow *flow)
{
	end_flow(engine, flow, false);
}

void engine_withdraw_flow(struct lun_engine *engine, struct flow *flow)
{
	end_flow(engine, flow, true);
}

static void expire(struct lun_engine *engine, uint32_t budget)
{
	struct flow *expired[FLOW_EXPIRED];
	uint32_t left = budget, count;

	while ((count = flow_take_expired(&engine->flows, &left, expired)) > 0)
		for (uint32_t i = 0; i < count; i++) {
			retry_expired(engine, expired[i]);
			engine_end_flow(engine, expired[i]);
		}
	gone_drain(engine);
	gone_proceed(engine, budget);
	fragments_expire(&engine->fragments, engine->flows.now_ms);
}

/* ---- the opening packet of a flow ---- */

/* A limit that is reached is no fault of the port's. */
static enum refusal refusal_of(enum lun_reason reason)
{
	switch (reason) {
	case LUN_REASON_table_full:
	case LUN_REASON_source_limit:
	case LUN_REASON_service_limit:
	case LUN_REASON_half_open_limit:
	case LUN_REASON_no_free_port:
	case LUN_REASON_edits_full:
		return REFUSAL_HOST;
	default:
		return REFUSAL_PORT;
	}
}

/* Drops or rejects the packet; a rejection is answered by an event when the engine translates itself. */
static COLD bool refuse(struct lun_engine *engine, struct packet *p, enum lun_verdict verdict, enum lun_reason reason)
{
	uint8_t *bytes = NULL;
	uint32_t length = 0;

	p->io->ct = LUN_CT_NEW;
	engine->stats.decisions[verdict == LUN_DROP ? LUN_DECIDED_DROP : LUN_DECIDED_REJECT]++;
	if (verdict == LUN_REJECT && !engine->config.commit) {
		bytes = events_full(&engine->events) ? NULL : events_bytes(&engine->events, REFUSAL_SIZE);
		length = bytes ? packet_build_refusal(bytes, REFUSAL_SIZE, p, refusal_of(reason)) : 0;
		engine->stats.events_lost += !bytes;
	}
	if (length > 0)
		engine_emit(engine, LUN_SIDE_CLIENT, length);
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
	if (p->flow->flags & FLOW_HTTP)
		http_tell_carried(&engine->http, &engine->flows, p->flow, event);
	if (decision->masquerade && !policy_names_masquerade(engine->policy, v4))
		event->reply.destination = (struct lun_address) { { 0 } };
	flow_set_owner(p->flow, LUN_OWNER_PENDING);
}

static bool open_stream(struct lun_engine *engine, struct packet *p, const struct decision *decision)
{
	const struct service_port *port = &engine->policy->ports[decision->service_port];
	struct http_headers headers = engine_headers(engine->policy, port);

	headers.responses = headers.responses && !engine->config.commit; /* which pass by, there */
	if (!http_stream_open(&engine->http, &engine->flows, p, &headers, engine->policy))
		return false;
	lun_policy_ref(engine->policy);
	return true;
}

/* Which limit this flow is over; none: LUN_REASON_none.  A live flow is never ended for a new one. */
static enum lun_reason over_limit(const struct lun_engine *engine, const struct packet *p, const struct port_state *port)
{
	const struct lun_policy *policy = engine->policy;
	bool half_open = p->tuple.protocol == LUN_TCP && p->tcp_flags & TCP_SYN;

	if (engine->flows.count == engine->flows.capacity)
		return LUN_REASON_table_full;
	if (!policy)
		return LUN_REASON_none;
	if (policy->source_limit && sources_count(&engine->sources, &p->tuple) >= policy->source_limit)
		return LUN_REASON_source_limit;
	if (port && port->limit && port->load.flows >= port->limit)
		return LUN_REASON_service_limit;
	if (policy->half_open_limit && half_open && engine->flows.half_open >= policy->half_open_limit)
		return LUN_REASON_half_open_limit;
	return LUN_REASON_none;
}

/* What is counted and remembered of a flow besides its tuples. */
static void describe_flow(struct lun_engine *engine, struct packet *p, const struct decision *decision,
			  const struct port_state *port)
{
	p->flow->flags |=
		(uint8_t)((decision->translate ? FLOW_TRANSLATED : 0) | (decision->masquerade ? FLOW_MASQUERADE : 0));
	flow_set_timeouts(&engine->flows, p->flow, port ? port->timeouts : engine->ports.timeouts);
	sources_add(&engine->sources, &p->tuple);
	if (port) {
		p->flow->port = ports_slot(&engine->ports, engine->policy, decision->service_port, decision->endpoint);
		ports_count(&engine->ports, p->flow->port, 1);
	}
	p->opening = true;
}

/* Both tuples that the packets of a new flow will carry when they reach us, and their hashes. */
static enum lun_reason bind_flow(struct lun_engine *engine, const struct packet *p, const struct decision *decision,
				 struct lun_tuple tuple[2], uint64_t hash[2])
{
	tuple[LUN_ORIG] = p->tuple;
	tuple[LUN_REPLY] = nat_wanted_reply(decision, &p->tuple);
	hash[LUN_ORIG] = p->hash;
	hash[LUN_REPLY] = p->decision ? p->reply_hash : flow_hash(&engine->flows, &tuple[LUN_REPLY]);
	return nat_bind(&engine->flows, &engine->random, &tuple[LUN_REPLY], &hash[LUN_REPLY]);
}

/* Opens the flow of an accepted decision. */
static bool engine_open(struct lun_engine *engine, struct packet *p, const struct decision *decision)
{
	const struct port_state *port = decision->service_port == DECISION_NO_PORT
						? NULL
						: &engine->ports.slots[engine->ports.slot[decision->service_port]];
	struct lun_tuple tuple[2];
	uint64_t hash[2];
	enum lun_verdict verdict = engine->policy && engine->policy->limits_drop ? LUN_DROP : LUN_REJECT;
	enum lun_reason reason = over_limit(engine, p, port);

	if (reason != LUN_REASON_none) { /* flows whose time is over do not count: see whether some are left */
		expire(engine, EXPIRE_BUDGET_TICK);
		reason = over_limit(engine, p, port);
	}
	if (reason != LUN_REASON_none)
		return refuse(engine, p, verdict, reason);
	if (decision->masquerade && lun_address_is_zero(&decision->source) && !engine->config.commit)
		return refuse(engine, p, LUN_DROP, LUN_REASON_no_masquerade_address);
	reason = bind_flow(engine, p, decision, tuple, hash);
	if (reason != LUN_REASON_none)
		return refuse(engine, p, verdict, reason);
	if (engine->config.commit && events_full(&engine->events))
		return refuse(engine, p, LUN_DROP, LUN_REASON_events_full);
	if (decision->edited && !(p->tcp_flags & TCP_SYN))
		return refuse(engine, p, LUN_REJECT, LUN_REASON_not_an_opening); /* its place between heads is unknown */
	p->flow = flow_open(&engine->flows, tuple, hash);
	if (!p->flow)
		return refuse(engine, p, LUN_REJECT, LUN_REASON_table_full);
	describe_flow(engine, p, decision, port);
	if (decision->edited && !open_stream(engine, p, decision)) {
		engine_forget_flow(engine, p->flow);
		p->flow = NULL;
		return refuse(engine, p, LUN_REJECT, LUN_REASON_edits_full);
	}
	if (engine->config.commit)
		ask_commit(engine, p, decision);
	engine->stats.decisions[decision->translate ? LUN_DECIDED_TRANSLATE : LUN_DECIDED_ACCEPT]++;
	return true;
}

/* Finds what balancing remembers of a service port's endpoints of one family. */
static void recall(const void *owner, uint32_t service_port, bool v6, uint32_t first, struct balance *balance)
{
	const struct lun_engine *engine = owner;
	const struct ports *ports = &engine->ports;
	const struct service *service = engine->policy->ports[service_port].service;

	balance->state = &ports->slots[ports->slot[service_port]].balance[v6];
	balance->loads = (const char *)&ports->slots->load;
	balance->stride = sizeof(*ports->slots);
	if (service->counts)
		balance->slots =
			ports->endpoint_slot + engine->policy->first_endpoints[service - engine->policy->services] + first;
}

/* Where the policy names no address to masquerade with, the embedder may know a better one than the node's primary. */
void engine_ask_source(const struct lun_engine *engine, struct decision *decision)
{
	const struct lun_config *config = &engine->config;
	const struct lun_address *endpoint = &decision->destination;

	if (decision->masquerade && config->source &&
	    !policy_names_masquerade(engine->policy, lun_address_is_v4(endpoint)) &&
	    !config->source(config->user, endpoint, &decision->source))
		decision->source = (struct lun_address) { { 0 } };
}

struct policy_memory engine_memory(const struct lun_engine *engine)
{
	return (struct policy_memory) { .recall = recall,
					.owner = engine,
					.affinity = &engine->affinity,
					.now_ms = engine->flows.now_ms,
					.now = flow_now(&engine->flows) };
}

static void decide(struct lun_engine *engine, struct packet *p, struct decision *decision)
{
	const struct policy_memory memory = engine_memory(engine);

	policy_decide(engine->policy, &memory, &engine->random, p, decision);
	engine_ask_source(engine, decision);
	engine->stats.reasons[LUN_REASON_policy_error] +=
		decision->script_failed; /* beside the verdict, which the map gave */
}

/* Answers an echo request in the place of a service, and drops it; false: it is none that can be answered. */
static COLD bool answer_echo(struct lun_engine *engine, struct packet *p)
{
	uint32_t size = p->end < p->io->length ? p->end : p->io->length, length = 0;
	uint8_t *bytes;

	if (engine->config.commit || p->in_pieces || events_full(&engine->events))
		return false;
	bytes = events_bytes(&engine->events, size);
	length = bytes ? packet_build_echo(bytes, size, p) : 0;
	if (length == 0)
		return false;
	engine_emit(engine, LUN_SIDE_CLIENT, length);
	p->io->ct = LUN_CT_NEW;
	packet_stop(p, LUN_STOLEN, LUN_REASON_none);
	engine->stats.echoes++;
	return true;
}

/* Does with a packet without a flow what was decided; true: it has one. */
static bool engine_obey(struct lun_engine *engine, struct packet *p, const struct decision *decision)
{
	if (decision->verdict != LUN_ACCEPT)
		return refuse(engine, p, decision->verdict, decision->reason);
	if (decision->echo && answer_echo(engine, p))
		return false;
	return engine_open(engine, p, decision);
}

/* A packet without a flow: decide, bind, open. */
static APART bool engine_admit(struct lun_engine *engine, struct packet *p)
{
	const struct decision *decision = p->decision;
	struct decision made;

	if (!track_may_open(p, !engine->config.no_pick_up))
		return false;
	if (!decision) {
		decide(engine, p, &made);
		decision = &made;
	}
	if (engine_obey(engine, p, decision))
		return true;
	hooks_refused(engine, &p->tuple);
	return false;
}

/* When committing, what comes may open a flow.  If we know that flow, the kernel's entry has to tell: a UDP packet may be one
 * of it or come after its end; the opening of a TCP or SCTP connection may be a new one or a forgery.  With the same sequence
 * number as before it is a retransmission. */
static bool engine_opens_again(struct lun_engine *engine, struct packet *p)
{
	if (!engine->config.commit || p->opening || p->role != PACKET_DATA)
		return true;
	p->io->ct = LUN_CT_NEW;
	if (p->tuple.protocol == LUN_TCP &&
	    flow_more(&engine->flows, p->flow)->tcp.side[LUN_ORIG].end - p->payload_length - 1 == p->sequence)
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_retransmission);
	return packet_stop(p, LUN_QUERY, LUN_REASON_none);
}

/* Takes the bytes off a SYN whose flow is edited (TCP Fast Open): they cannot be read before the upstream has answered, nor can what
 * the kernel adds to numbers be said.  The client sends them again when it sees that they were not acknowledged (RFC 7413, 3).  It is
 * sealed at once, for its checksum is looked at later; one with a wrong checksum is as it was. */
static COLD void strip_syn(const struct lun_engine *engine, struct packet *p)
{
	if (!http_arrived_whole(&engine->http, p))
		return;
	TRACE(p, "http", NULL, "%u bytes on a SYN are taken off: the client sends them again", p->payload_length);
	p->end -= p->payload_length;
	p->payload_length = 0;
	p->rebuilt = true;
	packet_seal(p);
}

/* ---- fragments ---- */

static void engine_run(struct lun_engine *engine, struct packet *p);
static void begin(struct lun_engine *engine, struct packet *p, struct lun_packet *io);

/* Says what the packet carried, and what it carries now. */
static void say_tuples(struct packet *p)
{
	if (!p->readable || p->role == PACKET_ICMP_ERROR)
		return; /* parse has said it */
	p->io->was = p->tuple;
	if (!p->is_set)
		p->io->is = p->tuple;
}

/* What is invalid is left alone, unless the embedder wants otherwise. */
static void leave_invalid(const struct lun_engine *engine, struct lun_packet *io)
{
	if (io->ct == LUN_CT_INVALID && engine->config.drop_invalid && io->verdict == LUN_ACCEPT)
		io->verdict = LUN_DROP;
}

/* Sends the fragments of a datagram on, of which packet `p` says the flow, if it has one; returns how many went. */
static uint32_t emit_datagram(struct lun_engine *engine, struct packet *p, const struct datagram *datagram)
{
	for (uint32_t i = 0; i < datagram->count; i++) {
		const struct fragment_piece *piece = &datagram->pieces[i];
		uint8_t *bytes = events_full(&engine->events) ? NULL : events_bytes(&engine->events, piece->size);
		struct lun_event *event;

		if (!bytes) { /* for the receiver, this one and those behind it are lost */
			packet_stop(p, LUN_DROP, LUN_REASON_events_full);
			return i;
		}
		fragments_part(&engine->fragments, datagram, piece, bytes);
		event = events_put(&engine->events);
		event->kind = LUN_EVENT_EMIT;
		event->packet = engine->packet;
		event->flow = p->flow ? flow_id(&engine->flows, p->flow) : 0;
		event->side = p->direction == LUN_ORIG ? LUN_SIDE_UPSTREAM : LUN_SIDE_CLIENT;
		events_keep_bytes(&engine->events, event, piece->size);
	}
	return datagram->count;
}

/* Runs a complete datagram down the path as the packet that it was, and sends its fragments on, in order.  What becomes of the
 * datagram, packet `p` reports, which completed it.  Returns how many fragments went. */
static uint32_t run_datagram(struct lun_engine *engine, struct packet *p, const struct datagram *datagram)
{
	uint32_t length = fragments_join(&engine->fragments, datagram);
	struct lun_packet io = { .data = engine->fragments.whole,
				 .length = length,
				 .capacity = length,
				 .tenant = datagram->key.tenant,
				 .trace = p->io->trace };
	struct packet whole;

	begin(engine, &whole, &io);
	whole.in_pieces = true;
	if (whole.readable && whole.role != PACKET_FRAGMENT)
		engine_run(engine, &whole);
	leave_invalid(engine, &io);
	p->flow = whole.flow;
	p->direction = whole.direction;
	p->io->ct = io.ct;
	p->io->reason = io.reason;
	if (whole.readable) {
		say_tuples(&whole);
		p->role = whole.role;
		p->tuple = whole.tuple;
		p->io->was = io.was;
		p->io->is = io.is;
		p->is_set = true;
	}
	if (length == 0 || whole.role == PACKET_FRAGMENT) /* too long; a fragment in a fragment */
		packet_stop(p, LUN_DROP, LUN_REASON_bad_ip_header);
	else if (io.verdict != LUN_ACCEPT)
		p->io->verdict = io.verdict;
	else
		return emit_datagram(engine, p, datagram);
	return 0;
}

/* A fragment waits for the others; the one that completes a datagram sends all of them on. */
static COLD void fragment_keep(struct lun_engine *engine, struct packet *p)
{
	struct datagram *datagram = fragments_keep(&engine->fragments, p, engine->flows.now_ms);
	uint32_t lost;
	bool counted;

	if (!datagram)
		return;
	lost = datagram->count - run_datagram(engine, p, datagram);
	counted = p->io->verdict != LUN_STOLEN; /* one of them, which is `p` itself, by its verdict */
	if (lost)
		engine->fragments.given_up[counted ? p->io->reason : LUN_REASON_events_full] += lost - counted;
	fragments_done(&engine->fragments, datagram);
}

static bool fragment_resolve(struct lun_engine *engine, struct packet *p)
{
	if (p->role != PACKET_FRAGMENT)
		return true;
	fragment_keep(engine, p);
	return false;
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

static bool checksums_resolve(const struct lun_engine *engine, struct packet *p)
{
	if (!engine->config.verify || packet_checksums_right(p))
		return true;
	p->io->ct = LUN_CT_INVALID;
	return packet_stop(p, LUN_ACCEPT, LUN_REASON_bad_checksum);
}

/* Tells the embedder what the kernel does from this packet on. */
static void tell_shift(struct lun_engine *engine, const struct packet *p)
{
	struct lun_event *event = events_put(&engine->events);

	event->kind = LUN_EVENT_SHIFT;
	event->packet = engine->packet;
	event->flow = flow_id(&engine->flows, p->flow);
	event->orig = p->flow->tuple[LUN_ORIG];
	http_tell_carried(&engine->http, &engine->flows, p->flow, event);
}

/* The edited flow of a packet that the kernel carries.  What it takes for the other direction of one that we know is another
 * connection's, which has its addresses. */
static bool find_carried(struct lun_engine *engine, struct packet *p)
{
	if (p->role == PACKET_DATA && flow_find(&engine->flows, p) && p->flow->flags & FLOW_HTTP &&
	    (p->direction == LUN_REPLY) == p->io->answers)
		return true;
	p->flow = NULL;
	p->direction = LUN_ORIG;
	return false;
}

/* A packet of a flow that the kernel carries: the client's bytes are edited, and the kernel does the rest; the upstream's are only read.
 * One whose place between heads is unknown, because an earlier agent committed its flow, is refused when the client sends it. */
static bool engine_edit_carried(struct lun_engine *engine, struct packet *p)
{
	struct http *http = &engine->http;

	http->acknowledges = http->shifts = http->greets = false;
	p->io->ct = LUN_CT_ESTABLISHED;
	if (!find_carried(engine, p))
		return p->io->answers || packet_stop(p, LUN_REJECT, LUN_REASON_not_an_opening);
	if (events_full(&engine->events))
		return packet_stop(p, LUN_DROP, LUN_REASON_events_full);
	if (!http_inspect(http, &engine->flows, p))
		return false;
	if (p->direction == LUN_ORIG)
		http_edit(http, &engine->flows, p);
	packet_seal(p);
	return true;
}

static COLD void run_carried(struct lun_engine *engine, struct packet *p)
{
	bool goes_on = engine_edit_carried(engine, p);

	if (engine->http.shifts)
		tell_shift(engine, p);
	if (!goes_on || engine->http.acknowledges || engine->http.greets)
		engine_answer(engine, p);
}

/* What the client sends in a stream that is edited, or is told; false: the packet goes no further. */
static APART bool inspect_stream(struct lun_engine *engine, struct packet *p)
{
	bool goes_on = http_inspect(&engine->http, &engine->flows, p);

	if (!goes_on || engine->http.acknowledges || engine->http.greets)
		engine_answer(engine, p);
	return goes_on;
}

static void engine_run(struct lun_engine *engine, struct packet *p)
{
	uint8_t before;
	bool edited;

	if (p->io->carried) {
		run_carried(engine, p);
		return;
	}
	if (!checksums_resolve(engine, p) || !fragment_resolve(engine, p))
		return;
	if (!engine_find(engine, p) && !engine_admit(engine, p))
		return;
	if (p->flow->flags & FLOW_ANSWERED) {
		engine_linger(engine, p);
		return;
	}
	if (p->flow->flags & FLOW_HTTP && p->tcp_flags & TCP_SYN && p->payload_length > 0 && p->role == PACKET_DATA)
		strip_syn(engine, p);
	if (!engine_opens_again(engine, p))
		return;
	retry_opening(engine, p);
	before = p->flow->state;
	if (!track_update(&engine->flows, p))
		return;
	retry_hear(engine, p, before);
	if (p->opening) /* now it has a deadline; track_may_open has seen to it that an opening packet is valid */
		flow_schedule(&engine->flows, p->flow);
	if (engine->config.commit)
		return; /* the kernel translates */
	if (!hooks_packet(engine, p))
		return;
	edited = p->flow->flags & FLOW_HTTP;
	if (edited && !inspect_stream(engine, p))
		return;
	nat_apply(p);
	if (edited)
		http_edit(&engine->http, &engine->flows, p);
	packet_seal(p);
}

/* ---- batches ---- */

static void begin(struct lun_engine *engine, struct packet *p, struct lun_packet *io)
{
	packet_begin(p, io);
	io->verdict = LUN_ACCEPT;
	io->reason = LUN_REASON_none;
	io->direction = LUN_ORIG;
	io->state = LUN_STATE_NONE;
	io->changed = false;
	io->flow = 0;
	if (packet_parse(p))
		flow_fetch_bucket(&engine->flows, p);
}

/* The packets of a batch that were decided on ahead, by a hash of their tuples: the second packet of a flow is none of them. */
struct ahead {
	uint64_t seen[8];
};

/* Decides on a packet that will open a flow, in its turn, and fetches the index's line for the reply tuple. */
static APART void decide_ahead(struct lun_engine *engine, struct packet *p, struct ahead *ahead)
{
	uint64_t *word = &ahead->seen[p->hash >> 6 & 7], bit = 1ull << (p->hash & 63);
	struct decision *decision = &engine->decisions[p - engine->batch];
	struct lun_tuple reply;

	if (*word & bit || p->io->trace || p->role == PACKET_FRAGMENT || engine->config.verify)
		return; /* the path will see to it */
	if (engine->policy && engine->policy->counts)
		return; /* the flows before this one in the batch count, when they are open */
	if (!track_may_open(p, !engine->config.no_pick_up)) { /* not now; its turn will tell */
		p->io->reason = LUN_REASON_none;
		p->io->ct = LUN_CT_UNTRACKED;
		return;
	}
	*word |= bit;
	decide(engine, p, decision);
	p->decision = decision;
	reply = nat_wanted_reply(decision, &p->tuple);
	p->reply_hash = flow_hash(&engine->flows, &reply);
	__builtin_prefetch(index_first(&engine->flows.index, p->reply_hash), 1);
}

/* Fetches what decisions on these packets will read, each step of the way to their services together. */
static void fetch_services(const struct lun_engine *engine, struct packet *const *openers, uint32_t count)
{
	const struct ports *ports = &engine->ports;
	struct policy_fetch fetches[BATCH] = { { 0 } };

	for (int step = 0; step < POLICY_FETCH_STEPS; step++)
		for (uint32_t i = 0; i < count; i++)
			policy_fetch(engine->policy, &openers[i]->tuple, step, &fetches[i]);
	for (uint32_t i = 0; i < count; i++)
		if (fetches[i].next)
			__builtin_prefetch(&ports->slot[fetches[i].at - 1]);
	for (uint32_t i = 0; i < count; i++)
		if (fetches[i].next)
			fetch_lines(&ports->slots[ports->slot[fetches[i].at - 1]], offsetof(struct port_state, name_hash));
}

/* Decides on the packets that will open flows. */
static APART void decide_openers(struct lun_engine *engine, struct packet *const *openers, uint32_t count)
{
	struct ahead ahead = { { 0 } };

	if (count > 1 && engine->policy && engine->policy->port_count >= PORTS_FAR)
		fetch_services(engine, openers, count);
	for (uint32_t i = 0; i < count; i++)
		decide_ahead(engine, openers[i], &ahead);
}

/* Fetches the flow that the packet will find; false: it has none. */
static inline bool look_ahead(struct lun_engine *engine, struct packet *p)
{
	return flow_guess(&engine->flows, p) || p->bucket->away > 0;
}

static void finish(struct lun_engine *engine, struct packet *p)
{
	struct lun_packet *io = p->io;

	say_tuples(p);
	if (p->flow) {
		io->flow = flow_id(&engine->flows, p->flow);
		io->direction = (enum lun_direction)p->direction;
		io->state = (enum lun_state)p->flow->state;
	}
	leave_invalid(engine, io);
	if (io->trace)
		io->trace->translated = p->flow && p->flow->flags & FLOW_TRANSLATED;
	engine->stats.bytes += io->length;
	engine->stats.verdicts[io->verdict]++;
	engine->stats.reasons[io->reason]++;
	if (p->flow && flow_left_ms(&engine->flows, p->flow) == 0) /* refused: nothing comes after this packet */
		engine_end_flow(engine, p->flow);
}

/* Of the policy's own time between batches: less than a packet would notice. */
static const uint64_t between_ns = 30000;

static bool policy_wants_time(const struct lun_engine *engine, uint64_t ns)
{
	const struct lun_policy *policy = engine->policy;

	return policy && policy->hooks.between && policy->hooks.between(policy->hooks.user, ns);
}

void lun_engine_packets(struct lun_engine *engine, struct lun_packet *packets, size_t count, uint64_t now)
{
	struct packet *batch = engine->batch;

	flow_set_clock(&engine->flows, now);
	policy_wants_time(engine, between_ns); /* and has had it, if it was given by a tick */
	for (size_t start = 0; start < count; start += BATCH) {
		size_t size = count - start < BATCH ? count - start : BATCH;
		struct packet *openers[BATCH];
		uint32_t opener_count = 0;

		for (size_t i = 0; i < size; i++)
			begin(engine, &batch[i], &packets[start + i]);
		expire(engine, EXPIRE_BUDGET * (uint32_t)size);
		for (size_t i = 0; i < size; i++)
			if (batch[i].readable && !look_ahead(engine, &batch[i]))
				openers[opener_count++] = &batch[i];
		if (opener_count > 0)
			decide_openers(engine, openers, opener_count);
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
	policy_wants_time(engine, between_ns);
	return lun_engine_deadline(engine);
}

uint64_t lun_engine_deadline(const struct lun_engine *engine)
{
	uint64_t flows = flow_deadline(&engine->flows), now = flow_now(&engine->flows), drain;

	if (gone_pending(engine) || policy_wants_time(engine, 0))
		return now;
	if (engine->ports.drain_next == UINT64_MAX)
		return flows;
	drain = now + (engine->ports.drain_next - engine->flows.now_ms) * NS_PER_MS;
	return drain < flows ? drain : flows;
}
