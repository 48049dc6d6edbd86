/* build.h - packets of our own: questions, and answers to packets that are refused. */
#ifndef LUNETTE_PACKET_BUILD_H
#define LUNETTE_PACKET_BUILD_H

#include "packet/packet.h"

/* What a built packet holds besides its tuple. */
struct packet_spec {
	uint8_t tcp_flags;
	uint16_t window;
	uint32_t sequence, acknowledgement;
	const void *options;     /* of TCP */
	uint32_t options_length; /* a multiple of four, at most 40 */
	uint32_t tag;            /* of SCTP */
	const void *payload;     /* SCTP: the chunks */
	uint32_t payload_length;
};

/* Builds an IP packet with right checksums, of TCP, UDP, SCTP or an ICMP query (whose ports are as parse.c has them: a tuple with
 * the request's type as destination port is a request).  Returns its length, or 0 if `capacity` is too small or the tuple cannot
 * be built: mixed families, another protocol. */
uint32_t packet_build(uint8_t *data, uint32_t capacity, const struct lun_tuple *tuple, const struct packet_spec *spec);

/* Why a packet is refused, as far as its sender is to know. */
enum refusal {
	REFUSAL_PORT, /* nobody is there: a RST to TCP (RFC 9293, 3.10.7.1), else ICMP port unreachable */
	REFUSAL_HOST, /* no room for it: ICMP host unreachable (RFC 6888, REQ-11), for IPv6 address unreachable */
};

/* Builds the answer that refuses `p`, from the address it was sent to; ICMP quotes it (RFC 792; RFC 4443, 3.1).  Returns its
 * length, or 0 if there must be none: to a RST (RFC 9293), to an ICMP error or reply, to a fragment that is not the first, to an
 * address that names no single host (RFC 1122, 3.2.2), if `capacity` is too small. */
uint32_t packet_build_refusal(uint8_t *data, uint32_t capacity, const struct packet *p, enum refusal refusal);

/* Builds the reply to an echo request, with its data (RFC 792; RFC 4443, 4.2).  Returns its length, or 0: if `p` is none, is not
 * whole or has a wrong checksum, comes from an address that names no single host, if `capacity` is too small. */
uint32_t packet_build_echo(uint8_t *data, uint32_t capacity, const struct packet *p);

#endif
