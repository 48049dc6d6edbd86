/* track.c - states, times and counters: the one place where a packet changes its flow. */
#include "track/track.h"

#include "packet/trace.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

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
		[LUN_STATE_UNREPLIED] = 5 * MINUTE,
		[LUN_STATE_REPLIED] = 5 * MINUTE,
	};

	memcpy(timeout_ms, defaults, sizeof(defaults));
}

bool track_may_open(struct packet *p, bool pick_up)
{
	enum tcp_kind kind;

	if (p->tuple.protocol != LUN_TCP)
		return true;
	kind = tcp_kind(p->tcp_flags);
	if (tcp_next_state(LUN_STATE_NONE, LUN_ORIG, kind) != TCP_INVALID && (kind == TCP_KIND_SYN || pick_up))
		return true;
	TRACE(p, "track", NULL, "no flow has this tuple, and these TCP flags cannot open one");
	p->io->ct = LUN_CT_INVALID;
	return packet_stop(p, LUN_ACCEPT, LUN_REASON_not_an_opening);
}

bool track_reopens(const struct flow *flow, const struct packet *p)
{
	if (p->tuple.protocol != LUN_TCP || tcp_kind(p->tcp_flags) != TCP_KIND_SYN)
		return false;
	return flow->state == LUN_STATE_TIME_WAIT || (flow->state == LUN_STATE_CLOSE && p->direction == LUN_ORIG);
}

static bool update_tcp(struct flow *flow, struct packet *p)
{
	uint8_t next = tcp_next_state(flow->state, p->direction, tcp_kind(p->tcp_flags));

	if (next == TCP_INVALID) {
		TRACE(p, "track", NULL, "these TCP flags are not possible in %s",
		      lun_state_name((enum lun_state)flow->state));
		p->io->ct = LUN_CT_INVALID;
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_invalid_state);
	}
	if (next == TCP_IGNORE)
		return true;
	if (next == LUN_STATE_ESTABLISHED && flow->state != LUN_STATE_NONE)
		flow->flags |= FLOW_ASSURED;
	flow->state = next;
	return true;
}

static void update_udp(struct flow *flow, const struct packet *p)
{
	if (p->direction == LUN_REPLY)
		flow->state = LUN_STATE_REPLIED;
	else if (flow->state == LUN_STATE_NONE)
		flow->state = LUN_STATE_UNREPLIED;
	else if (flow->state == LUN_STATE_REPLIED)
		flow->flags |= FLOW_ASSURED;
}

bool track_update(struct flow_table *table, struct packet *p)
{
	struct flow *flow = p->flow;
	uint8_t before = flow->state;

	if (p->tuple.protocol != LUN_TCP)
		update_udp(flow, p);
	else if (!update_tcp(flow, p))
		return false;
	if (p->direction == LUN_REPLY)
		flow->flags |= FLOW_REPLIED;
	p->io->ct = flow->flags & FLOW_REPLIED ? LUN_CT_ESTABLISHED : LUN_CT_NEW;
	flow_expire_in(table, flow, table->timeout_ms[flow->state]);
	flow_count(flow, p->direction, p->end);
	TRACE(p, "track", NULL, "%s direction, %s -> %s, ends in %u s of silence",
	      p->direction == LUN_ORIG ? "orig" : "reply", lun_state_name((enum lun_state)before),
	      lun_state_name((enum lun_state)flow->state), table->timeout_ms[flow->state] / SECOND);
	return true;
}
