/* track.c - states, times and counters: the one place where a packet changes its flow. */
#include "track/track.h"

#include "packet/trace.h"

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	HOUR = 60 * MINUTE,
	STREAM_AFTER_MS = 2 * SECOND, /* a UDP flow that is still answered then is a stream, as on Linux */
};

void track_default_timeouts(uint32_t timeout_ms[LUN_STATE_COUNT])
{
	static const uint32_t defaults[LUN_STATE_COUNT] = {
		[LUN_STATE_NONE] = 4 * MINUTE,
		[LUN_STATE_SYN_SENT] = 4 * MINUTE,
		[LUN_STATE_SYN_SENT2] = 4 * MINUTE,
		[LUN_STATE_SYN_RECV] = 4 * MINUTE,
		[LUN_STATE_ESTABLISHED] = 2 * HOUR + 4 * MINUTE,
		[LUN_STATE_FIN_WAIT] = 4 * MINUTE,
		[LUN_STATE_CLOSE_WAIT] = 4 * MINUTE,
		[LUN_STATE_LAST_ACK] = 4 * MINUTE,
		[LUN_STATE_TIME_WAIT] = 4 * MINUTE,
		[LUN_STATE_CLOSE] = 4 * MINUTE,
		[LUN_STATE_UDP_UNREPLIED] = 5 * MINUTE,
		[LUN_STATE_UDP_REPLIED] = 5 * MINUTE,
		[LUN_STATE_UDP_STREAM] = 5 * MINUTE,
		[LUN_STATE_ICMP_UNREPLIED] = 60 * SECOND,
		[LUN_STATE_ICMP_REPLIED] = 60 * SECOND,
		[LUN_STATE_SCTP_CLOSED] = 10 * SECOND,
		[LUN_STATE_SCTP_COOKIE_WAIT] = 10 * SECOND,
		[LUN_STATE_SCTP_COOKIE_ECHOED] = 10 * SECOND,
		[LUN_STATE_SCTP_ESTABLISHED] = 2 * HOUR + 4 * MINUTE,
		[LUN_STATE_SCTP_SHUTDOWN_SENT] = 10 * SECOND,
		[LUN_STATE_SCTP_SHUTDOWN_RECD] = 10 * SECOND,
		[LUN_STATE_SCTP_SHUTDOWN_ACK_SENT] = 10 * SECOND,
		[LUN_STATE_SCTP_HEARTBEAT_SENT] = 30 * SECOND,
		[LUN_STATE_OTHER_UNREPLIED] = 10 * MINUTE,
		[LUN_STATE_OTHER_REPLIED] = 10 * MINUTE,
	};

	memcpy(timeout_ms, defaults, sizeof(defaults));
}

static bool invalid(struct packet *p, enum lun_reason reason)
{
	p->io->ct = LUN_CT_INVALID;
	TRACE(p, "track", NULL, "invalid: %s", lun_reason_text(reason));
	return packet_stop(p, LUN_ACCEPT, reason);
}

static bool tcp_may_open(struct packet *p, bool pick_up)
{
	enum tcp_kind kind = tcp_kind(p->tcp_flags);

	if (kind == TCP_KIND_NONE)
		return invalid(p, LUN_REASON_bad_flags);
	if (tcp_next_state(LUN_STATE_NONE, LUN_ORIG, kind) != TCP_INVALID && (kind == TCP_KIND_SYN || pick_up))
		return true;
	return invalid(p, LUN_REASON_not_an_opening);
}

bool track_may_open(struct packet *p, bool pick_up)
{
	enum lun_reason reason = LUN_REASON_none;
	struct sctp_track none = { .tag = { 0 } };

	switch (p->role) {
	case PACKET_ICMP_ERROR:
		return invalid(p, LUN_REASON_icmp_unrelated);
	case PACKET_ICMP_REPLY:
		return invalid(p, LUN_REASON_not_an_opening);
	default:
		break;
	}
	if (p->tuple.protocol == LUN_TCP)
		return tcp_may_open(p, pick_up);
	if (p->tuple.protocol == LUN_SCTP && sctp_update(&none, LUN_STATE_NONE, p, true, &reason) == UINT8_MAX)
		return invalid(p, reason);
	return true;
}

bool track_reopens(const struct flow *flow, const struct packet *p)
{
	if (p->tuple.protocol != LUN_TCP || p->role != PACKET_DATA || tcp_kind(p->tcp_flags) != TCP_KIND_SYN)
		return false;
	return flow->state == LUN_STATE_TIME_WAIT || (flow->state == LUN_STATE_CLOSE && p->direction == LUN_ORIG);
}

/* ---- by protocol: each returns whether the packet counts for the flow's time ---- */

/* Moves the state; the number of half-open flows follows. */
static void set_state(struct flow_table *table, struct flow *flow, uint8_t state)
{
	table->half_open += (uint32_t)state_is_half_open(state) - (uint32_t)state_is_half_open(flow->state);
	flow->state = state;
}

static void update_udp(struct flow_table *table, struct flow *flow, const struct packet *p)
{
	bool late = (uint32_t)table->now_ms - flow->opened >= STREAM_AFTER_MS;

	if (flow->state == LUN_STATE_NONE) {
		flow->state = LUN_STATE_UDP_UNREPLIED;
	} else if (p->direction == LUN_REPLY && flow->state == LUN_STATE_UDP_UNREPLIED) {
		flow->state = LUN_STATE_UDP_REPLIED;
	} else if (flow->state == LUN_STATE_UDP_REPLIED && late) {
		flow->state = LUN_STATE_UDP_STREAM;
		flow->flags |= FLOW_ASSURED;
	}
}

/* Protocols of which only a question and an answer are known. */
static void update_simple(struct flow *flow, const struct packet *p, uint8_t unreplied, uint8_t replied)
{
	if (p->direction == LUN_REPLY)
		flow->state = replied;
	else if (flow->state == LUN_STATE_NONE)
		flow->state = unreplied;
}

static bool update_sctp(struct flow_table *table, struct packet *p)
{
	struct flow *flow = p->flow;
	enum lun_reason reason = LUN_REASON_none;
	struct sctp_track *sctp = &flow_more(table, flow)->sctp;
	uint8_t next = sctp_update(sctp, flow->state, p, flow->state == LUN_STATE_NONE, &reason);

	if (next == UINT8_MAX)
		return invalid(p, reason);
	if (sctp->established)
		flow->flags |= FLOW_ASSURED;
	flow->state = next;
	return true;
}

/* False: invalid. *counts: whether the packet moves the flow's time. */
static bool update_tcp(struct flow_table *table, struct packet *p, bool *counts)
{
	uint8_t before = p->flow->state, after;
	enum tcp_outcome outcome = tcp_update(table, p);

	after = p->flow->state;
	p->flow->state = before;
	set_state(table, p->flow, after);
	/* A reset that moves nothing may be a forgery, which the other end challenges: no time for it (RFC 7857, 7.1). */
	*counts = outcome == TCP_PASS && !(p->tcp_flags & TCP_RST && after == before);
	if (outcome != TCP_REFUSE)
		return true;
	p->io->ct = LUN_CT_INVALID;
	return false;
}

static bool update_state(struct flow_table *table, struct packet *p, bool *counts)
{
	*counts = true;
	switch (p->tuple.protocol) {
	case LUN_TCP:
		return update_tcp(table, p, counts);
	case LUN_UDP:
		update_udp(table, p->flow, p);
		return true;
	case LUN_SCTP:
		return update_sctp(table, p);
	case LUN_ICMP:
	case LUN_ICMPV6:
		update_simple(p->flow, p, LUN_STATE_ICMP_UNREPLIED, LUN_STATE_ICMP_REPLIED);
		return true;
	default:
		update_simple(p->flow, p, LUN_STATE_OTHER_UNREPLIED, LUN_STATE_OTHER_REPLIED);
		return true;
	}
}

/* How long the flow may be silent now.  A TCP connection of which only one side was heard is half-open, whatever that side
 * says. */
static uint32_t timeout_of(const struct flow_table *table, const struct flow *flow)
{
	const uint32_t *timeout_ms = table->timeouts[flow->timeouts].ms;

	if (flow->state == LUN_STATE_ESTABLISHED && !(flow->flags & FLOW_REPLIED))
		return timeout_ms[LUN_STATE_SYN_SENT];
	return timeout_ms[flow->state];
}

bool track_update(struct flow_table *table, struct packet *p)
{
	struct flow *flow = p->flow;
	uint8_t before = flow->state;
	bool replied = flow->flags & FLOW_REPLIED, counts;

	if (p->role == PACKET_ICMP_ERROR) { /* neither ends nor refreshes its flow (RFC 5508, REQ-4 to REQ-6) */
		p->io->ct = LUN_CT_RELATED;
		TRACE(p, "track", NULL, "an ICMP error about a packet of this flow");
		return true;
	}
	if (!update_state(table, p, &counts))
		return false;
	if (p->direction == LUN_REPLY)
		flow->flags |= FLOW_REPLIED;
	p->io->ct = flow->flags & FLOW_REPLIED ? LUN_CT_ESTABLISHED : LUN_CT_NEW;
	flow_count(flow, (enum lun_direction)p->direction, p->end);
	if (counts)
		flow_expire_in(table, flow, timeout_of(table, flow));
	if (flow->state == LUN_STATE_CLOSE && !replied)
		flow_expire_in(table, flow, 0); /* refused at once: there is nothing to wait for */
	TRACE(p, "track", NULL, "%s direction, %s -> %s, ends in %u s of silence",
	      p->direction == LUN_ORIG ? "orig" : "reply", lun_state_name((enum lun_state)before),
	      lun_state_name((enum lun_state)flow->state), flow_left_ms(table, flow) / SECOND);
	return true;
}
