/* track.h - what a packet does to the state of its flow. */
#ifndef LUNETTE_TRACK_TRACK_H
#define LUNETTE_TRACK_TRACK_H

#include "track/flow.h"

/* Default timeouts of every state: RFC 5382 REQ-5, RFC 4787 REQ-5, RFC 5508 REQ-1 and REQ-2, the kernel's for SCTP's short ones. */
void track_default_timeouts(uint32_t timeout_ms[LUN_STATE_COUNT]);

/* Whether a packet without a flow may open one; if not, it is invalid and its reason says why. */
bool track_may_open(struct packet *p, bool pick_up);

/* Whether this packet begins a new connection on the tuple of one that is over. */
bool track_reopens(const struct flow *flow, const struct packet *p);

/* Moves the flow's state, time and counters.  False: the packet is invalid, and the flow as it was. */
bool track_update(struct flow_table *table, struct packet *p);

/* segment.c: the part of it that is TCP's. */
enum tcp_outcome tcp_update(struct flow_table *table, struct packet *p);

static inline bool state_is_half_open(uint8_t state)
{
	return state == LUN_STATE_SYN_SENT || state == LUN_STATE_SYN_SENT2 || state == LUN_STATE_SYN_RECV;
}

#endif
