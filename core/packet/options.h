/* options.h - the TCP options that tracking reads (RFC 9293, 3.1; RFC 7323; RFC 2018). */
#ifndef LUNETTE_PACKET_OPTIONS_H
#define LUNETTE_PACKET_OPTIONS_H

#include "packet/packet.h"

enum { TCP_OPTION_END = 0, TCP_OPTION_NOP = 1, TCP_OPTION_SCALE = 3, TCP_OPTION_SACK_PERMITTED = 4, TCP_OPTION_SACK = 5 };

struct tcp_options {
	uint8_t scale; /* at most 14 (RFC 7323, 2.3) */
	bool has_scale;
	bool sack_permitted;
	const uint8_t *sack; /* the blocks, or NULL */
	uint8_t sack_length; /* bytes of them */
};

/* The option behind `option`, or with NULL the first one: its kind and length bytes, both there and true.  NULL at the end. */
const uint8_t *tcp_option_next(const struct packet *p, const uint8_t *option);

/* Malformed options end the list, as they do for a receiver. */
void tcp_options_read(const struct packet *p, struct tcp_options *options);

#endif
