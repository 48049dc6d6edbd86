/* sctp.h - what is remembered of an SCTP association (RFC 9260): a state, and the verification tag of each direction. */
#ifndef LUNETTE_TRACK_SCTP_H
#define LUNETTE_TRACK_SCTP_H

#include "packet/packet.h"

struct sctp_track {
	uint32_t tag[2];         /* that packets of each direction must carry; 0: not known yet */
	uint8_t heartbeat_doubt; /* a heartbeat came with another tag ... */
	uint8_t doubt_direction; /* ... in this direction */
	uint8_t initiated;       /* bit 1 << direction: an INIT went that way since the last COOKIE ACK */
	uint8_t established;     /* the association was, once */
};

/* The state after a packet; UINT8_MAX, and *reason set, if it is refused.  `opening`: the packet is to open the flow. */
uint8_t sctp_update(struct sctp_track *sctp, uint8_t state, const struct packet *p, bool opening, enum lun_reason *reason);

#endif
