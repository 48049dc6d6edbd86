/* set.c - setters: write the field, add the difference to what seal will apply. */
#include "base/address.h"
#include "packet/checksum.h"
#include "packet/packet.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_SACK = 5 };

static void set_address(struct packet *p, uint32_t offset, const struct lun_address *before, const struct lun_address *after)
{
	bool v4 = p->version == 4;
	const uint8_t *from = before->bytes + (v4 ? 12 : 0), *to = after->bytes + (v4 ? 12 : 0);
	size_t size = v4 ? 4 : 16;

	if (address_equal(before, after))
		return;
	p->address_difference = checksum_difference(p->address_difference, from, to, size);
	memcpy(p->io->data + offset, to, size);
}

/* Writes `size` (even) bytes into the transport header. */
static void set_transport(struct packet *p, uint32_t offset, const void *bytes, size_t size)
{
	uint8_t *field = packet_transport(p) + offset;

	p->transport_difference = checksum_difference(p->transport_difference, field, bytes, size);
	memcpy(field, bytes, size);
}

static void set_port(struct packet *p, uint32_t offset, uint16_t before, uint16_t after)
{
	uint8_t bytes[2];

	if (before == after)
		return;
	store16(bytes, after);
	set_transport(p, offset, bytes, sizeof(bytes));
}

void packet_set_tuple(struct packet *p, const struct lun_tuple *tuple)
{
	bool v4 = p->version == 4;

	set_address(p, v4 ? 12 : 8, &p->tuple.source, &tuple->source);
	set_address(p, v4 ? 16 : 24, &p->tuple.destination, &tuple->destination);
	set_port(p, 0, p->tuple.source_port, tuple->source_port);
	set_port(p, 2, p->tuple.destination_port, tuple->destination_port);
	p->io->is = *tuple;
}

void packet_set_sequence(struct packet *p, uint32_t sequence)
{
	uint8_t bytes[4];

	store32(bytes, sequence);
	set_transport(p, 4, bytes, sizeof(bytes));
}

void packet_set_acknowledgement(struct packet *p, uint32_t acknowledgement)
{
	uint8_t bytes[4];

	store32(bytes, acknowledgement);
	set_transport(p, 8, bytes, sizeof(bytes));
}

/* The difference of a 32-bit value at an odd offset has its bytes in each other's places (RFC 1071, section 2 (B)): the value
 * is summed with a zero byte on both sides. */
static void set_option_word(struct packet *p, uint8_t *field, uint32_t value)
{
	uint32_t odd = (uint32_t)(field - packet_transport(p)) & 1;
	uint8_t before[6] = { 0 }, after[6] = { 0 };
	size_t size = odd ? 6 : 4;

	memcpy(before + odd, field, 4);
	store32(after + odd, value);
	p->transport_difference = checksum_difference(p->transport_difference, before, after, size);
	memcpy(field, after + odd, 4);
}

void packet_map_sack(struct packet *p, uint32_t (*map)(const void *user, uint32_t sequence), const void *user)
{
	uint8_t *at = packet_transport(p) + TCP_HEADER, *end = p->io->data + p->payload;

	while (at < end && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return; /* malformed options: the receiver will not read on either */
		if (at[0] == OPTION_SACK)
			for (uint8_t *edge = at + 2; edge + 4 <= at + at[1]; edge += 4)
				set_option_word(p, edge, map(user, load32(edge)));
		at += at[1];
	}
}
