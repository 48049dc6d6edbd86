/* track.h - what a packet does to the state of its flow. */
#ifndef LUNETTE_TRACK_TRACK_H
#define LUNETTE_TRACK_TRACK_H

#include "track/flow.h"

/* What kind of segment flags make; NONE is a combination that no stack sends. */
enum tcp_kind { TCP_KIND_SYN, TCP_KIND_SYNACK, TCP_KIND_FIN, TCP_KIND_ACK, TCP_KIND_RST, TCP_KIND_NONE, TCP_KIND_COUNT };
enum tcp_kind tcp_kind(uint8_t flags);

/* The state after a segment; TCP_INVALID: not possible in this state; TCP_IGNORE: let through, changes nothing. */
enum { TCP_INVALID = 0, TCP_IGNORE = 0xff };
uint8_t tcp_next_state(uint8_t state, enum lun_direction direction, enum tcp_kind kind);

/* Default timeouts of every state, RFC 5382 REQ-5 and RFC 4787 REQ-5. */
void track_default_timeouts(uint32_t timeout_ms[LUN_STATE_COUNT]);

/* Whether a packet without a flow may open one; if not, it is invalid and its reason says why. */
bool track_may_open(struct packet *p, bool pick_up);

/* Whether this packet begins a new connection on the tuple of one that is over. */
bool track_reopens(const struct flow *flow, const struct packet *p);

/* Moves the flow's state, time and counters.  False: the packet is invalid, and the flow as it was. */
bool track_update(struct flow_table *table, struct packet *p);

#endif
