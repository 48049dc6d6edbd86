/* options.c - one walk over the options of a TCP header that parse has found to be there. */
#include "packet/options.h"

enum { SCALE_MOST = 14, TIMESTAMPS_ALONE = 0x0101080a };

static void read_option(struct tcp_options *options, const uint8_t *option)
{
	uint8_t length = option[1];

	switch (option[0]) {
	case TCP_OPTION_SCALE:
		if (length != 3)
			return;
		options->has_scale = true;
		options->scale = option[2] > SCALE_MOST ? SCALE_MOST : option[2];
		return;
	case TCP_OPTION_SACK_PERMITTED:
		options->sack_permitted = length == 2;
		return;
	case TCP_OPTION_SACK:
		options->sack = option + 2;
		options->sack_length = (uint8_t)((length - 2) & ~7);
		return;
	default:
		return;
	}
}

const uint8_t *tcp_option_next(const struct packet *p, const uint8_t *option)
{
	const uint8_t *at = option ? option + option[1] : packet_transport(p) + TCP_HEADER, *end = p->io->data + p->payload;

	while (at < end && *at == TCP_OPTION_NOP)
		at++;
	if (end - at < 2 || *at == TCP_OPTION_END || at[1] < 2 || at[1] > end - at)
		return NULL;
	return at;
}

void tcp_options_read(const struct packet *p, struct tcp_options *options)
{
	const uint8_t *option = NULL;

	*options = (struct tcp_options) { 0 };
	if (p->payload - p->transport == TCP_HEADER + 12 && load32(packet_transport(p) + TCP_HEADER) == TIMESTAMPS_ALONE)
		return; /* nearly every segment */
	while ((option = tcp_option_next(p, option)) != NULL)
		read_option(options, option);
}
