/* segment.c - what one TCP segment does to its connection: the state table, the windows, and the few cases in which a tracker
 * that stands between two ends must admit that they may know more than it does:
 *
 *	- a SYN in the middle of a connection may be a forgery, or the client has restarted.  It passes; a SYN/ACK that answers it
 *	  shows that both ends are in step, and we follow; a challenge ACK (RFC 5961, 4) shows nothing and changes nothing;
 *	- a RST counts only at exactly the number the other end expects (RFC 5961, 3); near it, it passes, and the other end may
 *	  challenge it; behind it, it is invalid;
 *	- a RST that answers a segment we had let pass by is believed by the number it quotes. */
#include "packet/options.h"
#include "track/seqmap.h"
#include "track/track.h"

#include "packet/trace.h"

#include <stdio.h>

/* The highest right edge of the SACK blocks, or the acknowledgement. */
static uint32_t highest_sack(const struct packet *p, uint32_t acknowledgement, const struct seqmap *map)
{
	struct tcp_options options;
	uint32_t highest = acknowledgement;

	tcp_options_read(p, &options);
	for (uint8_t at = 0; options.sack && at < options.sack_length; at += 8) {
		uint32_t edge = load32(options.sack + at + 4);

		edge = map ? seqmap_to_sender(map, edge) : edge;
		if (sequence_before(highest, edge))
			highest = edge;
	}
	return highest;
}

/* Reads the segment's numbers; those that a receiver says of edited bytes are put into their sender's numbering. */
static void segment_read(struct tcp_segment *segment, const struct flow_table *table, const struct packet *p)
{
	const struct flow_more *more = flow_more(table, p->flow);
	const struct seqmap *map =
		tcp_speaks_of_syn(p) ? NULL : flow_map(table, p->flow, (enum lun_direction) !p->direction);
	uint32_t ack = map ? seqmap_to_sender(map, p->acknowledgement) : p->acknowledgement;
	bool sack = more->tcp.side[!p->direction].flags & TCP_SIDE_SACK && p->payload - p->transport > TCP_HEADER;

	*segment = (struct tcp_segment) {
		.kind = tcp_kind(p->tcp_flags),
		.direction = (enum lun_direction)p->direction,
		.sequence = p->sequence,
		.end = p->sequence + p->payload_length + !!(p->tcp_flags & TCP_SYN) + !!(p->tcp_flags & TCP_FIN),
		.acknowledgement = ack,
		.sack = sack ? highest_sack(p, ack, map) : ack,
		.window = load16(packet_transport(p) + 14),
		.flags = p->tcp_flags,
		.packet = p,
	};
}

/* Keeps what a segment that passes by may be answered with. */
static enum tcp_outcome pass_by(struct tcp_track *tcp, uint8_t state, const struct tcp_segment *s)
{
	struct tcp_options options;

	tcp->noted_kind = s->kind & 7;
	tcp->noted_direction = s->direction & 1;
	tcp->noted = s->end;
	tcp->noted_window = s->window;
	if (s->kind == TCP_KIND_SYN && s->direction == LUN_ORIG) {
		tcp_options_read(s->packet, &options);
		tcp->noted_scale = options.scale & 15;
		tcp->noted_flags =
			(uint8_t)((options.has_scale ? TCP_SIDE_SCALE : 0) | (options.sack_permitted ? TCP_SIDE_SACK : 0) |
				  (state == LUN_STATE_LAST_ACK ? TCP_SIDE_CHALLENGED : 0));
	}
	if (state == LUN_STATE_SYN_SENT && s->kind == TCP_KIND_ACK && s->direction == LUN_REPLY)
		tcp->noted = s->acknowledgement; /* a challenge: the RST that answers it has this number */
	return TCP_PASS_BY;
}

/* A SYN/ACK that answers a SYN which we had let pass by: both ends are in step, so we get there. */
static bool answers_noted_syn(const struct tcp_track *tcp, const struct tcp_segment *s)
{
	return s->kind == TCP_KIND_SYNACK && tcp->noted_kind == TCP_KIND_SYN && tcp->noted_direction != s->direction &&
	       s->acknowledgement == tcp->noted;
}

/* A SYN/ACK that comes late, or again, and so did the SYN in front of it: they are of the connection that we know, in which either side has
 * sent little since.  Followed, they would take that back. */
static bool comes_again(const struct tcp_track *tcp, const struct tcp_segment *s)
{
	const struct tcp_side *other = &tcp->side[!s->direction];

	return other->flags & TCP_SIDE_ACKED && other->max_ack - s->end <= UINT16_MAX &&
	       other->end - s->acknowledgement <= UINT16_MAX;
}

static void follow_noted_syn(struct tcp_track *tcp, const struct tcp_segment *s)
{
	tcp->side[tcp->noted_direction] = (struct tcp_side) {
		.end = tcp->noted,
		.max_end = tcp->noted,
		.max_window = tcp->noted_window ? tcp->noted_window : 1,
		.scale = tcp->noted_scale,
		.flags = tcp->noted_flags & (TCP_SIDE_SCALE | TCP_SIDE_SACK),
	};
	tcp->side[s->direction] = (struct tcp_side) { 0 };
	tcp->simultaneous = 0;
}

/* What is to be done with a RST besides holding it against the windows. */
enum reset { RESET_CHECK, RESET_BELIEVE, RESET_KEEP_STATE, RESET_REFUSE };

/* States in which both ends are about to forget the connection: a RST is then not worth a check, and the numbers may be stale. */
static bool is_closing(uint8_t state)
{
	return state == LUN_STATE_FIN_WAIT || state == LUN_STATE_CLOSE_WAIT || state == LUN_STATE_LAST_ACK ||
	       state == LUN_STATE_TIME_WAIT || state == LUN_STATE_CLOSE;
}

static enum reset judge_reset(const struct tcp_track *tcp, const struct flow *flow, const struct tcp_segment *s)
{
	const struct tcp_side *receiver = &tcp->side[!s->direction];
	bool replied = flow->flags & FLOW_REPLIED, assured = flow->flags & FLOW_ASSURED;
	bool established = flow->state == LUN_STATE_ESTABLISHED && assured;

	if (is_closing(flow->state))
		return RESET_BELIEVE;
	if (receiver->flags & TCP_SIDE_ACKED && tcp->noted_kind != TCP_KIND_SYN) {
		if (s->sequence == 0 && !established)
			return RESET_CHECK; /* most likely the answer to a SYN that passed by */
		if (sequence_before(s->sequence, receiver->max_ack))
			return RESET_REFUSE;
		if (!established || s->sequence == receiver->max_ack)
			return RESET_CHECK;
		if (tcp->noted_kind == TCP_KIND_ACK && tcp->noted_direction == s->direction && s->sequence == tcp->noted)
			return RESET_CHECK; /* right behind this side's own last segment */
		return RESET_KEEP_STATE;
	}
	if (((replied && tcp->noted_kind == TCP_KIND_SYN) ||
	     (!assured && tcp->noted_kind == TCP_KIND_ACK && flow->state != LUN_STATE_SYN_SENT)) &&
	    tcp->noted_direction != s->direction && s->acknowledgement == tcp->noted)
		return RESET_BELIEVE;
	if (flow->state == LUN_STATE_SYN_SENT && tcp->noted_kind == TCP_KIND_ACK && s->direction == LUN_ORIG &&
	    s->sequence == tcp->noted)
		return RESET_BELIEVE; /* the client answers a challenge to its SYN */
	return RESET_CHECK;
}

/* The state after the segment with all exceptions applied; *state is from the table and is changed.  *check: windows matter. */
static enum tcp_outcome judge(struct tcp_track *tcp, const struct flow *flow, const struct tcp_segment *s, uint8_t *state,
			      bool *check, enum lun_reason *reason)
{
	*check = true;
	switch (*state) {
	case TCP_INVALID:
		*reason = s->kind == TCP_KIND_NONE ? LUN_REASON_bad_flags : LUN_REASON_invalid_state;
		return TCP_REFUSE;
	case TCP_IGNORE:
		if (flow->state == LUN_STATE_SYN_RECV && s->kind == TCP_KIND_SYNACK && tcp->simultaneous) {
			*state =
				LUN_STATE_SYN_RECV; /* no repetition: the first of this end that acknowledges the other's SYN */
			return TCP_PASS;
		}
		if (!answers_noted_syn(tcp, s) || comes_again(tcp, s))
			return pass_by(tcp, flow->state, s);
		follow_noted_syn(tcp, s);
		*state = LUN_STATE_SYN_RECV;
		return TCP_PASS;
	case LUN_STATE_TIME_WAIT:
		if (flow->state == LUN_STATE_LAST_ACK && s->kind == TCP_KIND_ACK && tcp->noted_kind == TCP_KIND_SYN &&
		    tcp->noted_direction != s->direction && tcp->noted_flags & TCP_SIDE_CHALLENGED) {
			tcp->noted_flags &= 0x7f & ~TCP_SIDE_CHALLENGED;
			return TCP_PASS_BY; /* a challenge ACK, not the last FIN's */
		}
		return TCP_PASS;
	case LUN_STATE_SYN_SENT2:
		tcp->simultaneous = 1;
		return TCP_PASS;
	case LUN_STATE_SYN_RECV:
		if (s->direction == LUN_REPLY && s->kind == TCP_KIND_ACK && tcp->simultaneous)
			*state = LUN_STATE_ESTABLISHED;
		return TCP_PASS;
	case LUN_STATE_CLOSE:
		break;
	default:
		return TCP_PASS;
	}
	if (s->kind != TCP_KIND_RST)
		return TCP_PASS;
	switch (judge_reset(tcp, flow, s)) {
	case RESET_REFUSE:
		*reason = LUN_REASON_invalid_reset;
		return TCP_REFUSE;
	case RESET_KEEP_STATE:
		*state = flow->state;
		return TCP_PASS;
	case RESET_BELIEVE:
		*check = false;
		return TCP_PASS;
	case RESET_CHECK:
		break;
	}
	return TCP_PASS;
}

static bool tcp_reason_is_window(enum lun_reason reason)
{
	return reason >= LUN_REASON_sequence_past_window && reason <= LUN_REASON_acknowledgement_before_window;
}

/* The numbers behind a refusal, for whoever asked about this packet. */
static void explain(const struct tcp_track *tcp, const struct tcp_segment *s, const struct packet *p, uint8_t state,
		    enum lun_reason reason)
{
	const struct tcp_side *sender = &tcp->side[s->direction], *receiver = &tcp->side[!s->direction];
	struct lun_trace *trace = p->io->trace;
	char *text = trace->reason;
	size_t size = sizeof(trace->reason);

	switch (reason) {
	case LUN_REASON_sequence_past_window:
		snprintf(text, size, "sequence %u past the window, which ends at %u", s->sequence - sender->max_end,
			 sender->max_end);
		break;
	case LUN_REASON_sequence_before_window:
		snprintf(text, size, "sequence ends %u before the window, which begins at %u",
			 sender->end - receiver->max_window - s->end, sender->end - receiver->max_window);
		break;
	case LUN_REASON_acknowledgement_past_window:
		snprintf(text, size, "acknowledges %u more than was sent, which ends at %u", s->sack - receiver->end,
			 receiver->end);
		break;
	case LUN_REASON_acknowledgement_before_window:
		snprintf(text, size, "acknowledges %u less than was sent", receiver->end - s->sack);
		break;
	case LUN_REASON_invalid_reset:
		snprintf(text, size, "RST with sequence %u, %u before the expected %u", s->sequence,
			 receiver->max_ack - s->sequence, receiver->max_ack);
		break;
	default:
		snprintf(text, size, "these TCP flags are not possible in %s", lun_state_name((enum lun_state)state));
		break;
	}
	TRACE(p, "track", NULL, "%s", text);
}

static void note(struct tcp_track *tcp, const struct tcp_segment *s)
{
	tcp->noted_kind = s->kind & 7;
	tcp->noted_direction = s->direction & 1;
	tcp->noted = s->end;
	tcp->noted_window = s->window;
}

/* Sets the flow's state and flags by a segment that counts. */
static void advance(struct flow *flow, struct tcp_track *tcp, const struct tcp_segment *s, uint8_t next)
{
	bool was_open = flow->state == LUN_STATE_SYN_RECV || flow->state == LUN_STATE_ESTABLISHED;

	if (next == LUN_STATE_FIN_WAIT && flow->state != LUN_STATE_FIN_WAIT)
		tcp->side[s->direction].flags |= TCP_SIDE_CLOSED;
	if (was_open && next == LUN_STATE_ESTABLISHED && flow->flags & FLOW_REPLIED)
		flow->flags |= FLOW_ASSURED;
	flow->state = next;
}

enum tcp_outcome tcp_update(struct flow_table *table, struct packet *p)
{
	struct flow *flow = p->flow;
	struct tcp_track *tcp = &flow_more(table, flow)->tcp;
	enum lun_reason reason = LUN_REASON_none;
	struct tcp_segment segment;
	enum tcp_outcome outcome = TCP_PASS;
	bool check = true;
	uint8_t next;

	segment_read(&segment, table, p);
	next = tcp_next_state(flow->state, segment.direction, segment.kind);
	if (flow->state == LUN_STATE_NONE && next != TCP_INVALID) {
		tcp_window_open(tcp, &segment);
		check = false;
	} else {
		outcome = judge(tcp, flow, &segment, &next, &check, &reason);
	}
	if (outcome == TCP_PASS && check)
		outcome = tcp_window(tcp, flow->state, &segment, &reason);
	if (outcome != TCP_PASS && table->liberal && tcp_reason_is_window(reason)) {
		outcome = TCP_PASS;
		reason = LUN_REASON_none;
	}
	if (reason != LUN_REASON_none && p->io->trace)
		explain(tcp, &segment, p, flow->state, reason);
	p->io->reason = reason;
	if (outcome != TCP_PASS)
		return outcome;
	note(tcp, &segment);
	advance(flow, tcp, &segment, next);
	return TCP_PASS;
}
