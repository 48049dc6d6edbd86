/* set.c - setters: write the field, add the difference to what seal will apply.
 *
 * An ICMP error has two packets in it.  The quoted one gets its own checksums repaired here, at once; everything that changed in
 * it, these included, is then one more difference of the ICMP checksum. */
#include "base/address.h"
#include "packet/checksum.h"
#include "packet/crc32c.h"
#include "packet/options.h"
#include "packet/packet.h"

enum {
	IP4_CHECKSUM = 10,
	SCTP_CHECKSUM = 8,
	ICMP_IDENTIFIER = 4,
	QUOTED_HEADER = 40,    /* what translation changes of a quoted IP header, */
	QUOTED_TRANSPORT = 18, /* and of the transport header behind it */
};

static uint64_t put_address_v6(uint8_t *field, const struct lun_address *before, const struct lun_address *after,
			       uint64_t sum)
{
	if (address_equal(before, after))
		return sum;
	sum = checksum_difference(sum, before->bytes, after->bytes, 16);
	memcpy(field, after->bytes, 16);
	return sum;
}

static uint64_t put_address_v4(uint8_t *field, const struct lun_address *before, const struct lun_address *after,
			       uint64_t sum)
{
	if (memcmp(before->bytes + 12, after->bytes + 12, 4) == 0)
		return sum;
	memcpy(field, after->bytes + 12, 4);
	return checksum_difference32(sum, before->bytes + 12, after->bytes + 12);
}

/* Writes those addresses that change into the IP header at `ip`; returns the difference. */
static uint64_t put_addresses(uint8_t *ip, uint8_t version, const struct lun_tuple *before, const struct lun_tuple *after,
			      uint64_t sum)
{
	if (version == 4) {
		sum = put_address_v4(ip + 12, &before->source, &after->source, sum);
		return put_address_v4(ip + 16, &before->destination, &after->destination, sum);
	}
	sum = put_address_v6(ip + 8, &before->source, &after->source, sum);
	return put_address_v6(ip + 24, &before->destination, &after->destination, sum);
}

/* Writes `size` (even) bytes at an even offset of the transport header. */
static void set_transport(struct packet *p, uint32_t offset, const void *bytes, size_t size)
{
	uint8_t *field = packet_transport(p) + offset;

	p->transport_difference = checksum_difference(p->transport_difference, field, bytes, size);
	memcpy(field, bytes, size);
}

/* SCTP's checksum is no sum: see crc32c.h. */
static void set_sctp_ports(struct packet *p, const uint8_t ports[4])
{
	uint8_t *field = packet_transport(p), difference[4];

	for (int i = 0; i < 4; i++)
		difference[i] = field[i] ^ ports[i];
	p->crc_difference ^= crc32c_zeros(crc32c(0, difference, 4), p->end - p->transport - 4);
	memcpy(field, ports, 4);
}

/* `ports` are the new ones, as bytes. */
static void set_ports(struct packet *p, const uint8_t ports[4])
{
	switch (p->tuple.protocol) {
	case LUN_TCP:
	case LUN_UDP:
		p->transport_difference = checksum_difference32(p->transport_difference, packet_transport(p), ports);
		memcpy(packet_transport(p), ports, 4);
		return;
	case LUN_SCTP:
		set_sctp_ports(p, ports);
		return;
	case LUN_ICMP:
	case LUN_ICMPV6:
		set_transport(p, ICMP_IDENTIFIER, p->role == PACKET_ICMP_QUERY ? ports : ports + 2, 2);
		return;
	default:
		return;
	}
}

void packet_set_inverse(struct packet *p, const struct lun_tuple *other)
{
	struct lun_tuple *is = &p->io->is;
	uint8_t ports[4];

	*is = tuple_inverted(other);
	p->is_set = true;
	p->address_difference = put_addresses(p->io->data, p->version, &p->tuple, is, p->address_difference);
	if (p->tuple.source_port == is->source_port && p->tuple.destination_port == is->destination_port)
		return;
	store16(ports, is->source_port);
	store16(ports + 2, is->destination_port);
	set_ports(p, ports);
}

/* ---- ICMP errors ---- */

/* SCTP's checksum changes by the ports and by how much follows them, which the quoted IP header says: see crc32c.h. */
static void put_quoted_crc(struct packet *p, const uint8_t before[4], const uint8_t after[4])
{
	const uint8_t *ip = p->io->data + p->inner;
	uint32_t end = p->version == 4 ? load16(ip + 2) : IP6_HEADER + load16(ip + 4),
		 front = p->inner_transport - p->inner + 4u;
	uint8_t *field = p->io->data + p->inner_transport + SCTP_CHECKSUM, difference[4];
	uint32_t crc;

	if (end < front || !packet_has(p, p->inner_transport + SCTP_CHECKSUM, 4) ||
	    p->inner_transport + (uint32_t)SCTP_HEADER > p->end)
		return;
	for (int i = 0; i < 4; i++)
		difference[i] = before[i] ^ after[i];
	memcpy(&crc, field, 4);
	crc ^= crc32c_zeros(crc32c(0, difference, 4), end - front);
	memcpy(field, &crc, 4);
}

static uint64_t put_quoted_ports(struct packet *p, const struct lun_tuple *before, const struct lun_tuple *after)
{
	uint8_t *transport = p->io->data + p->inner_transport, bytes[4];
	bool icmp = p->tuple.protocol == LUN_ICMP || p->tuple.protocol == LUN_ICMPV6;
	uint8_t *field = transport + (icmp ? ICMP_IDENTIFIER : 0);
	const uint8_t *value = icmp && p->inner_role == PACKET_ICMP_REPLY ? bytes + 2 : bytes;
	size_t size = icmp ? 2 : 4;
	uint64_t sum;

	if (!protocol_has_ports(p->tuple.protocol) ||
	    (before->source_port == after->source_port && before->destination_port == after->destination_port))
		return 0;
	store16(bytes, after->source_port);
	store16(bytes + 2, after->destination_port);
	sum = checksum_difference(0, field, value, size);
	if (p->tuple.protocol == LUN_SCTP)
		put_quoted_crc(p, field, bytes);
	memcpy(field, value, size);
	return sum;
}

/* Makes the quoted packet carry `after`, its own checksums included as far as they are quoted. */
static void put_quoted(struct packet *p, const struct lun_tuple *before, const struct lun_tuple *after)
{
	uint8_t *ip = p->io->data + p->inner;
	uint64_t addresses = put_addresses(ip, p->version, before, after, 0), ports = put_quoted_ports(p, before, after);
	uint32_t checksum = protocol_checksum(p->tuple.protocol);
	uint8_t *field = p->io->data + p->inner_transport + checksum;

	if (p->version == 4 && addresses)
		checksum_update(ip + IP4_CHECKSUM, addresses);
	if (!checksum || !packet_has(p, p->inner_transport + checksum, 2) || p->inner_transport + checksum + 2 > p->end)
		return;
	protocol_checksum_update(p->tuple.protocol, field, addresses, ports);
}

void packet_set_related(struct packet *p, const struct lun_tuple *outer, const struct lun_tuple *inner)
{
	uint8_t header[QUOTED_HEADER], transport[QUOTED_TRANSPORT];
	uint8_t *ip = p->io->data + p->inner, *behind = p->io->data + p->inner_transport;
	uint32_t there = p->end < p->io->length ? p->end : p->io->length;
	size_t header_size = p->version == 4 ? IP4_HEADER : IP6_HEADER, transport_size = there - p->inner_transport;
	struct lun_tuple quoted = tuple_inverted(&p->tuple);

	transport_size = transport_size < sizeof(transport) ? transport_size & ~(size_t)1 : sizeof(transport);
	if (!tuple_equal(&quoted, inner)) {
		memcpy(header, ip, header_size);
		memcpy(transport, behind, transport_size);
		put_quoted(p, &quoted, inner);
		p->transport_difference = checksum_difference(p->transport_difference, header, ip, header_size);
		p->transport_difference = checksum_difference(p->transport_difference, transport, behind, transport_size);
	}
	p->address_difference = put_addresses(p->io->data, p->version, &p->io->was, outer, p->address_difference);
	p->io->is.source = outer->source;
	p->io->is.destination = outer->destination;
}

/* ---- TCP ---- */

void packet_set_sequence(struct packet *p, uint32_t sequence)
{
	uint8_t bytes[4];

	store32(bytes, sequence);
	set_transport(p, 4, bytes, sizeof(bytes));
}

void packet_clear_fin(struct packet *p)
{
	uint8_t bytes[2] = { packet_transport(p)[12], (uint8_t)(packet_transport(p)[13] & ~TCP_FIN) };

	p->tcp_flags &= (uint8_t)~TCP_FIN;
	set_transport(p, 12, bytes, sizeof(bytes));
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

	memcpy(before + odd, field, 4);
	store32(after + odd, value);
	p->transport_difference = checksum_difference(p->transport_difference, before, after, odd ? 6 : 4);
	memcpy(field, after + odd, 4);
}

void packet_map_sack(struct packet *p, uint32_t (*map)(const void *user, uint32_t sequence), const void *user)
{
	const uint8_t *option = NULL;

	while ((option = tcp_option_next(p, option)) != NULL) {
		uint8_t *edge = p->io->data + (option - p->io->data) + 2;

		if (option[0] != TCP_OPTION_SACK)
			continue;
		for (; edge + 4 <= option + option[1]; edge += 4)
			set_option_word(p, edge, map(user, load32(edge)));
	}
}
