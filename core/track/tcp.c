/* tcp.c - the TCP state machine, by the kernel's names and with the kernel's steps (net/netfilter/nf_conntrack_proto_tcp.c).
 *
 *	orig: who opened.  reply: the other end.
 *	SYN_SENT	a SYN was seen			SYN_SENT2	both ends sent one (simultaneous open)
 *	SYN_RECV	the SYN/ACK was seen		ESTABLISHED	its ACK was, or picked up in mid-stream
 *	FIN_WAIT	one FIN				CLOSE_WAIT	its ACK
 *	LAST_ACK	the second FIN			TIME_WAIT	its ACK
 *	CLOSE		a RST
 *
 * One line per legal step; what is not written is invalid.  IGNORE lets a segment through that may be answered by an end that
 * knows more than we do, and changes nothing. */
#include "track/track.h"

#define S(name) LUN_STATE_##name
#define IGNORE TCP_IGNORE

enum { SYN = TCP_KIND_SYN, SYNACK = TCP_KIND_SYNACK, FIN = TCP_KIND_FIN, ACK = TCP_KIND_ACK, RST = TCP_KIND_RST };

static const uint8_t steps[S(SYN_SENT2) + 1][2][TCP_KIND_COUNT] = {
	[S(NONE)] = {
		[LUN_ORIG] = {
			[SYN] = S(SYN_SENT),
			[ACK] = S(ESTABLISHED), /* mid-stream */
		},
	},
	[S(SYN_SENT)] = {
		[LUN_ORIG] = {
			[SYN] = S(SYN_SENT), /* retransmitted */
			[RST] = S(CLOSE),
		},
		[LUN_REPLY] = {
			[SYN] = S(SYN_SENT2), /* simultaneous open */
			[SYNACK] = S(SYN_RECV),
			[ACK] = IGNORE, /* a challenge: the other end still has an old connection */
			[RST] = S(CLOSE), /* refused */
		},
	},
	[S(SYN_RECV)] = {
		[LUN_ORIG] = {
			[SYN] = IGNORE, /* retransmitted, late */
			[SYNACK] = S(SYN_RECV), /* simultaneous open, retransmitted */
			[FIN] = S(FIN_WAIT),
			[ACK] = S(ESTABLISHED),
			[RST] = S(CLOSE),
		},
		[LUN_REPLY] = {
			[SYNACK] = IGNORE, /* retransmitted */
			[FIN] = S(FIN_WAIT),
			[ACK] = S(SYN_RECV),
			[RST] = S(CLOSE),
		},
	},
	[S(ESTABLISHED)] = {
		[LUN_ORIG] = {
			[SYN] = IGNORE, /* the other end will challenge it (RFC 5961, 4) */
			[FIN] = S(FIN_WAIT),
			[ACK] = S(ESTABLISHED),
			[RST] = S(CLOSE),
		},
		[LUN_REPLY] = {
			[SYNACK] = IGNORE,
			[FIN] = S(FIN_WAIT),
			[ACK] = S(ESTABLISHED),
			[RST] = S(CLOSE),
		},
	},
	[S(FIN_WAIT)] = {
		[LUN_ORIG] = {
			[SYN] = IGNORE,
			[FIN] = S(LAST_ACK),
			[ACK] = S(CLOSE_WAIT),
			[RST] = S(CLOSE),
		},
		[LUN_REPLY] = {
			[SYNACK] = IGNORE,
			[FIN] = S(LAST_ACK),
			[ACK] = S(CLOSE_WAIT),
			[RST] = S(CLOSE),
		},
	},
	[S(CLOSE_WAIT)] = {
		[LUN_ORIG] = {
			[SYN] = IGNORE,
			[FIN] = S(LAST_ACK),
			[ACK] = S(CLOSE_WAIT),
			[RST] = S(CLOSE),
		},
		[LUN_REPLY] = {
			[SYNACK] = IGNORE,
			[FIN] = S(LAST_ACK),
			[ACK] = S(CLOSE_WAIT),
			[RST] = S(CLOSE),
		},
	},
	[S(LAST_ACK)] = {
		[LUN_ORIG] = {
			[SYN] = IGNORE,
			[FIN] = S(LAST_ACK), /* retransmitted */
			[ACK] = S(TIME_WAIT),
			[RST] = S(CLOSE),
		},
		[LUN_REPLY] = {
			[SYNACK] = IGNORE,
			[FIN] = S(LAST_ACK),
			[ACK] = S(TIME_WAIT),
			[RST] = S(CLOSE),
		},
	},
	[S(TIME_WAIT)] = { /* a SYN does not come here: track_reopens ends the flow first */
		[LUN_ORIG] = {
			[FIN] = S(TIME_WAIT),
			[ACK] = S(TIME_WAIT),
			[RST] = S(CLOSE),
		},
		[LUN_REPLY] = {
			[SYNACK] = IGNORE,
			[FIN] = S(TIME_WAIT),
			[ACK] = S(TIME_WAIT),
			[RST] = S(CLOSE),
		},
	},
	[S(CLOSE)] = {
		[LUN_ORIG] = {
			[FIN] = S(CLOSE),
			[ACK] = S(CLOSE),
			[RST] = S(CLOSE),
		},
		[LUN_REPLY] = {
			[SYNACK] = IGNORE,
			[FIN] = S(CLOSE),
			[ACK] = S(CLOSE),
			[RST] = S(CLOSE),
		},
	},
	[S(SYN_SENT2)] = {
		[LUN_ORIG] = {
			[SYN] = S(SYN_SENT2),
			[SYNACK] = S(SYN_RECV),
			[RST] = S(CLOSE),
		},
		[LUN_REPLY] = {
			[SYN] = S(SYN_SENT2),
			[SYNACK] = S(SYN_RECV),
			[ACK] = IGNORE,
			[RST] = S(CLOSE),
		},
	},
};

enum tcp_kind tcp_kind(uint8_t flags)
{
	switch (flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG)) {
	case TCP_SYN:
	case TCP_SYN | TCP_URG:
		return TCP_KIND_SYN;
	case TCP_SYN | TCP_ACK:
		return TCP_KIND_SYNACK;
	case TCP_FIN | TCP_ACK:
	case TCP_FIN | TCP_ACK | TCP_URG:
		return TCP_KIND_FIN;
	case TCP_ACK:
	case TCP_ACK | TCP_URG:
		return TCP_KIND_ACK;
	case TCP_RST:
	case TCP_RST | TCP_ACK:
		return TCP_KIND_RST;
	default:
		return TCP_KIND_NONE;
	}
}

uint8_t tcp_next_state(uint8_t state, enum lun_direction direction, enum tcp_kind kind)
{
	return steps[state][direction][kind];
}
