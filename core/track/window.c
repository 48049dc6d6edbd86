/* window.c - may this segment be sent?  Four inequalities (G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter"), in
 * the form in which Linux asks them (net/netfilter/nf_conntrack_proto_tcp.c).
 *
 * A sender S talks to a receiver R.  S.end is the highest number S has sent, S.max_end the highest it was allowed to send, and
 * S.max_window the largest window that S has offered.  A segment [sequence, end) of S that acknowledges `ack` is valid if
 *
 *	  I.	sequence <= S.max_end			not past what R allowed
 *	 II.	end >= S.end - R.max_window		not data that R acknowledged long ago
 *	III.	ack <= R.end				not data that R never sent
 *	 IV.	ack >= R.end - max(S.max_window, 66000)	not an acknowledgement of long ago
 *
 * I and III are what a forger must guess; they make a segment invalid.  II and IV are what an old duplicate looks like; it is let
 * through without effect, for the other end answers it, and its answer may be what the sender waits for. */
#include "packet/options.h"
#include "track/tcp.h"

enum { ACK_WINDOW_LEAST = 66000 };

static bool after(uint32_t a, uint32_t b)
{
	return sequence_before(b, a);
}

static uint32_t at_least_one(uint32_t window)
{
	return window ? window : 1;
}

/* What a SYN says of its sender; scaling counts only if both sides offered it (RFC 7323, 2.2). */
static void side_begin(struct tcp_side *sender, struct tcp_side *receiver, const struct tcp_segment *segment)
{
	struct tcp_options options;
	bool answer = segment->flags & TCP_ACK || segment->direction == LUN_REPLY;

	tcp_options_read(segment->packet, &options);
	*sender = (struct tcp_side) { .end = segment->end,
				      .max_end = segment->end,
				      .max_window = at_least_one(segment->window),
				      .scale = options.scale };
	sender->flags = (uint8_t)((options.has_scale ? TCP_SIDE_SCALE : 0) | (options.sack_permitted ? TCP_SIDE_SACK : 0));
	if (answer && !(sender->flags & receiver->flags & TCP_SIDE_SCALE))
		sender->scale = receiver->scale = 0;
}

/* A side first heard in mid-stream: its history is lost, so its own words are believed. */
static void side_pick_up(struct tcp_side *sender, struct tcp_side *receiver, const struct tcp_segment *segment)
{
	sender->end = segment->end;
	sender->max_window = at_least_one((uint32_t)segment->window << sender->scale);
	sender->max_end = segment->end + sender->max_window;
	if (receiver->max_window == 0)
		receiver->end = receiver->max_end = segment->sack;
	else if (segment->sack == receiver->end + 1)
		receiver->end++; /* most likely the answer to a keep-alive */
}

void tcp_window_open(struct tcp_track *tcp, const struct tcp_segment *segment)
{
	struct tcp_side *sender = &tcp->side[segment->direction], *receiver = &tcp->side[!segment->direction];

	if (segment->kind == TCP_KIND_SYN) {
		side_begin(sender, receiver, segment);
		return;
	}
	/* Scales and SACK are unknown: the windows are followed, and nothing is refused for them. */
	side_pick_up(sender, receiver, segment);
	sender->flags = receiver->flags = TCP_SIDE_SACK | TCP_SIDE_LIBERAL;
	receiver->end = receiver->max_end = 0;
}

/* A side may send `window` bytes from `ack` on; into a closed window one, to ask whether it still is. */
static void allow(struct tcp_side *sender, uint32_t ack, uint32_t window)
{
	if (after(ack + window, sender->max_end - 1))
		sender->max_end = ack + window + (window == 0);
}

void tcp_window_promise(struct tcp_track *tcp, enum lun_direction sender, uint32_t ack, uint16_t window)
{
	allow(&tcp->side[sender], ack, (uint32_t)window << tcp->side[!sender].scale);
}

/* Moves both sides by a segment that fits. */
static void move(struct tcp_side *sender, struct tcp_side *receiver, const struct tcp_segment *s, uint32_t end, uint32_t ack,
		 uint32_t sack)
{
	uint32_t window = s->flags & TCP_SYN ? s->window : (uint32_t)s->window << sender->scale;

	if (sender->max_window < window + (sack - ack))
		sender->max_window = window + (sack - ack);
	if (after(end, sender->end))
		sender->end = end;
	if (s->flags & TCP_ACK && (!(sender->flags & TCP_SIDE_ACKED) || after(ack, sender->max_ack))) {
		sender->max_ack = ack;
		sender->flags |= TCP_SIDE_ACKED;
	}
	if (receiver->max_window != 0 && after(end, sender->max_end))
		receiver->max_window += end - sender->max_end;
	allow(receiver, sack, window);
}

static enum tcp_outcome refuse(const struct tcp_side *sender, enum tcp_outcome outcome, enum lun_reason why,
			       enum lun_reason *reason)
{
	if (sender->flags & TCP_SIDE_LIBERAL)
		return TCP_PASS;
	*reason = why;
	return outcome;
}

/* True: the segment speaks for a side that is heard for the first time, or begins anew, and there is nothing to check. */
static bool begins(struct tcp_track *tcp, uint8_t state, const struct tcp_segment *s)
{
	struct tcp_side *sender = &tcp->side[s->direction], *receiver = &tcp->side[!s->direction];
	bool half_open = state == LUN_STATE_SYN_SENT || state == LUN_STATE_SYN_RECV;

	if (sender->max_window == 0) {
		if (s->flags & TCP_SYN)
			side_begin(sender, receiver, s);
		else
			side_pick_up(sender, receiver, s);
		return s->kind == TCP_KIND_SYN; /* simultaneous open */
	}
	if (s->flags & TCP_SYN && half_open && after(s->end, sender->end)) {
		side_begin(sender, receiver, s);
		return s->kind == TCP_KIND_SYN && s->direction == LUN_REPLY;
	}
	return false;
}

enum tcp_outcome tcp_window(struct tcp_track *tcp, uint8_t state, const struct tcp_segment *s, enum lun_reason *reason)
{
	struct tcp_side *sender = &tcp->side[s->direction], *receiver = &tcp->side[!s->direction];
	uint32_t sequence = s->sequence, end = s->end, ack = s->acknowledgement, sack = s->sack, ack_window;
	bool little;

	if (begins(tcp, state, s))
		return TCP_PASS;
	if (!(s->flags & TCP_ACK) || (s->flags & TCP_RST && ack == 0))
		ack = sack = receiver->end; /* none, or the zero that some stacks put into a RST */
	if (s->flags & TCP_RST && sequence == 0 && state == LUN_STATE_SYN_SENT)
		sequence = end = sender->end; /* refuses a SYN */
	ack_window = sender->max_window > ACK_WINDOW_LEAST ? sender->max_window : ACK_WINDOW_LEAST;
	if (after(sequence, sender->max_end)) {
		/* A stack that sends a little more than it may: the other end judges that, and may acknowledge it. */
		little = receiver->max_window && end - sender->max_end + 1 <= receiver->max_window &&
			 !after(sack, receiver->end) && after(sack, receiver->end - ack_window - 1) &&
			 after(end, sender->end - receiver->max_window - 1);
		if (little)
			sender->end = end;
		return refuse(sender, little ? TCP_PASS_BY : TCP_REFUSE, LUN_REASON_sequence_past_window, reason);
	}
	if (after(sack, receiver->end))
		return refuse(sender, TCP_REFUSE, LUN_REASON_acknowledgement_past_window, reason);
	if (receiver->max_window && !after(end, sender->end - receiver->max_window - 1))
		return refuse(sender, TCP_PASS_BY, LUN_REASON_sequence_before_window, reason);
	if (!after(sack, receiver->end - ack_window - 1))
		return refuse(sender, TCP_PASS_BY, LUN_REASON_acknowledgement_before_window, reason);
	move(sender, receiver, s, end, ack, sack);
	return TCP_PASS;
}
