/* parse.c - any bytes as a packet: parsing reads no byte that is not there, and rewriting what was parsed keeps a right
 * checksum right, a wrong one wrong, and gives the tuple that was asked for.
 *
 * Input: one byte of flags, then the packet. */
#include "fuzz.h"

#include "packet/options.h"

enum { CUT = 1, EXCHANGE = 4, NUMBERS = 8, MEND = 16 };

static uint32_t add_seven(const void *user, uint32_t sequence)
{
	(void)user;
	return sequence + 7;
}

/* Another tuple that the packet could carry. */
static struct lun_tuple other_tuple(const struct packet *p, uint8_t flags)
{
	struct lun_tuple other = p->tuple;
	uint16_t *port = p->role == PACKET_ICMP_REPLY ? &other.destination_port : &other.source_port;

	other.source.bytes[15] ^= 0x5a;
	other.destination.bytes[12] ^= flags;
	*port ^= protocol_has_ports(other.protocol) ? 0xa55a : 0;
	return flags & EXCHANGE ? other : p->tuple;
}

static void rewrite(struct packet *p, uint8_t flags)
{
	struct lun_tuple other = other_tuple(p, flags), inverse = tuple_inverted(&other), outer = *packet_was(p);

	if (p->role == PACKET_ICMP_ERROR) {
		outer.source.bytes[13] ^= flags;
		outer.destination = inverse.source; /* an error goes to whoever sent what it quotes */
		packet_set_related(p, &outer, &inverse);
		return;
	}
	packet_set_inverse(p, &inverse);
	if (p->tuple.protocol == LUN_TCP && flags & NUMBERS) {
		packet_set_sequence(p, p->sequence + 1);
		packet_set_acknowledgement(p, p->acknowledgement - 1);
		packet_map_sack(p, add_seven, NULL);
	}
}

/* Makes checksums right, for no fuzzer guesses them. */
static void mend(struct packet *p)
{
	p->rebuilt = true;
	packet_seal(p);
	/* The headers of these may ask for a sum that leaves out its own field. */
	MUST(packet_checksums_right(p) || p->tuple.protocol == PROTOCOL_UDP_LITE || p->tuple.protocol == PROTOCOL_DCCP);
	p->rebuilt = false;
}

static void check_rewriting(struct packet *p, uint8_t flags)
{
	struct lun_packet io_after;
	struct packet after;
	bool right;

	if (flags & MEND && p->end <= p->io->length)
		mend(p);
	right = packet_checksums_right(p);
	rewrite(p, flags);
	packet_seal(p);
	MUST(parse_again(&after, &io_after, p->io) == right && after.readable);
	MUST(after.role == p->role && after.payload == p->payload && tuple_equal(packet_was(&after), &p->io->is));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t flags = input_byte(&input), *bytes = exact_copy(input.at, input.left);
	struct lun_packet io = { .data = bytes, .length = (uint32_t)input.left, .wire_length = flags & CUT ? 65575 : 0 };
	struct packet p;
	bool parsed;

	packet_begin(&p, &io);
	parsed = packet_parse(&p);
	if (parsed)
		packet_checksums_right(&p); /* whatever it is, nothing may be read behind it */
	if (parsed && p.role != PACKET_FRAGMENT && !transport_is_zero(&p))
		check_rewriting(&p, flags);
	free(bytes);
	return 0;
}
