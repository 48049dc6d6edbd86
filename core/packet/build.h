/* build.h - packets of our own: questions, and answers to packets that are refused. */
#ifndef LUNETTE_PACKET_BUILD_H
#define LUNETTE_PACKET_BUILD_H

#include "packet/packet.h"

/* What a built packet holds besides its tuple. */
struct packet_spec {
	uint8_t tcp_flags;
	uint16_t window;
	uint32_t sequence, acknowledgement;
	const void *payload;
	uint32_t payload_length;
};

/* Builds an IP packet with right checksums.  The tuple's protocol is LUN_TCP or LUN_UDP and its addresses are of one family.
 * Returns its length, or 0 if `capacity` is too small or the tuple cannot be built. */
uint32_t packet_build(uint8_t *data, uint32_t capacity, const struct lun_tuple *tuple, const struct packet_spec *spec);

/* Builds the answer that refuses `p`, from the address it was sent to: a RST to TCP (RFC 9293, 3.10.7.1), else ICMP port
 * unreachable quoting it (RFC 792; RFC 4443, 3.1).  Returns its length, or 0 if there must be none: to a RST (RFC 9293), to an
 * address that names no single host (RFC 1122, 3.2.2), if `capacity` is too small. */
uint32_t packet_build_refusal(uint8_t *data, uint32_t capacity, const struct packet *p);

#endif
