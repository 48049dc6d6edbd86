/* build.c - writes headers, leaves lengths and checksums to seal. */
#include "packet/build.h"

#include "base/address.h"
#include "packet/checksum.h"

enum {
	TTL = 64,
	QUOTE_V4 = 548,  /* so that the error fits 576 bytes (RFC 1812, 4.3.2.3) */
	QUOTE_V6 = 1232, /* and 1,280 (RFC 4443, 2.4 (c)) */
};

/* Writes the IP header; returns its size. */
static uint32_t put_ip(uint8_t *data, const struct lun_address *source, const struct lun_address *destination,
		       uint8_t protocol, uint32_t content)
{
	if (lun_address_is_v4(source)) {
		memset(data, 0, IP4_HEADER);
		data[0] = 0x45;
		store16(data + 2, (uint16_t)(IP4_HEADER + content));
		data[6] = 0x40; /* do not fragment: an identification of zero is then right (RFC 6864) */
		data[8] = TTL;
		data[9] = protocol;
		memcpy(data + 12, source->bytes + 12, 4);
		memcpy(data + 16, destination->bytes + 12, 4);
		return IP4_HEADER;
	}
	memset(data, 0, IP6_HEADER);
	data[0] = 0x60;
	store16(data + 4, (uint16_t)content);
	data[6] = protocol;
	data[7] = TTL;
	memcpy(data + 8, source->bytes, 16);
	memcpy(data + 24, destination->bytes, 16);
	return IP6_HEADER;
}

static void put_ports(uint8_t *transport, const struct lun_tuple *tuple)
{
	store16(transport, tuple->source_port);
	store16(transport + 2, tuple->destination_port);
}

static void put_tcp(uint8_t *tcp, const struct packet_spec *spec)
{
	store32(tcp + 4, spec->sequence);
	store32(tcp + 8, spec->acknowledgement);
	tcp[12] = (uint8_t)((TCP_HEADER + spec->options_length) / 4 << 4);
	tcp[13] = spec->tcp_flags;
	store16(tcp + 14, spec->window);
	if (spec->options_length)
		memcpy(tcp + TCP_HEADER, spec->options, spec->options_length);
}

/* A request if the destination port is a request's type; else the reply to one. */
static void put_icmp(uint8_t *icmp, const struct lun_tuple *tuple)
{
	bool v6 = tuple->protocol == LUN_ICMPV6, request = tuple->destination_port == (v6 ? 128 : 8);

	icmp[0] = (uint8_t)(request ? tuple->destination_port : v6 ? 129 : 0);
	store16(icmp + 4, request ? tuple->source_port : tuple->destination_port);
}

/* The size of a transport header; 0 for a protocol that is not built. */
static uint32_t transport_header(const struct lun_tuple *tuple, const struct packet_spec *spec)
{
	bool v4 = lun_address_is_v4(&tuple->source);

	switch (tuple->protocol) {
	case LUN_TCP:
		return spec->options_length % 4 == 0 && spec->options_length <= 40 ? TCP_HEADER + spec->options_length : 0;
	case LUN_UDP:
		return UDP_HEADER;
	case LUN_SCTP:
		return SCTP_HEADER;
	case LUN_ICMP:
		return v4 ? ICMP_HEADER : 0;
	case LUN_ICMPV6:
		return v4 ? 0 : ICMP_HEADER;
	default:
		return 0;
	}
}

uint32_t packet_build(uint8_t *data, uint32_t capacity, const struct lun_tuple *tuple, const struct packet_spec *spec)
{
	bool v4 = lun_address_is_v4(&tuple->source);
	uint32_t header = transport_header(tuple, spec),
		 total = (v4 ? IP4_HEADER : IP6_HEADER) + header + spec->payload_length;
	struct lun_packet io = { .data = data, .length = total };
	struct packet p = { .io = &io, .tuple = *tuple, .version = v4 ? 4 : 6, .end = total, .rebuilt = true };
	uint8_t *transport;

	if (!header || v4 != lun_address_is_v4(&tuple->destination) || spec->payload_length > UINT16_MAX ||
	    total > UINT16_MAX || total > capacity)
		return 0;
	p.transport =
		(uint16_t)put_ip(data, &tuple->source, &tuple->destination, tuple->protocol, header + spec->payload_length);
	transport = packet_transport(&p);
	memset(transport, 0, header);
	if (tuple->protocol == LUN_ICMP || tuple->protocol == LUN_ICMPV6)
		put_icmp(transport, tuple);
	else
		put_ports(transport, tuple);
	if (tuple->protocol == LUN_TCP)
		put_tcp(transport, spec);
	if (tuple->protocol == LUN_SCTP)
		store32(transport + 4, spec->tag);
	if (spec->payload_length)
		memcpy(transport + header, spec->payload, spec->payload_length);
	packet_seal(&p);
	return total;
}

/* RFC 9293, 3.10.7.1: an answer to an ACK takes its sequence number from there; else it acknowledges all that came. */
static uint32_t build_reset(uint8_t *data, uint32_t capacity, const struct packet *p)
{
	struct lun_tuple tuple = tuple_inverted(&p->tuple);
	struct packet_spec spec = { .tcp_flags = TCP_RST };

	if (p->tcp_flags & TCP_RST)
		return 0;
	if (p->tcp_flags & TCP_ACK) {
		spec.sequence = p->acknowledgement;
	} else {
		spec.tcp_flags |= TCP_ACK;
		spec.acknowledgement =
			p->sequence + p->payload_length + !!(p->tcp_flags & TCP_SYN) + !!(p->tcp_flags & TCP_FIN);
	}
	return packet_build(data, capacity, &tuple, &spec);
}

/* The checksum of an ICMPv6 message covers a pseudo header (RFC 4443, 2.3), that of ICMP does not. */
static void seal_icmp(uint8_t *data, uint32_t header, uint32_t content, bool v4)
{
	uint8_t pseudo[8] = { [7] = LUN_ICMPV6 };
	uint32_t sum = 0;
	uint16_t checksum;

	if (v4) {
		checksum = (uint16_t)~checksum_fold(checksum_add(0, data, header));
		memcpy(data + 10, &checksum, 2);
	} else {
		store32(pseudo, content);
		sum = checksum_add(checksum_add(0, pseudo, sizeof(pseudo)), data + 8, 32);
	}
	checksum = (uint16_t)~checksum_fold(checksum_add(sum, data + header, content));
	memcpy(data + header + 2, &checksum, 2);
}

static uint32_t build_unreachable(uint8_t *data, uint32_t capacity, const struct packet *p, enum refusal refusal)
{
	static const uint8_t codes[2][2] = { [REFUSAL_PORT] = { 4, 3 }, [REFUSAL_HOST] = { 3, 1 } }; /* by IPv6, IPv4 */
	bool v4 = p->version == 4;
	uint32_t quote = p->end < p->io->length ? p->end : p->io->length, most = v4 ? QUOTE_V4 : QUOTE_V6, header;

	if (quote > most)
		quote = most;
	if ((v4 ? IP4_HEADER : IP6_HEADER) + ICMP_HEADER + quote > capacity)
		return 0;
	header = put_ip(data, &p->tuple.destination, &p->tuple.source, v4 ? LUN_ICMP : LUN_ICMPV6, ICMP_HEADER + quote);
	memset(data + header, 0, ICMP_HEADER);
	data[header] = v4 ? 3 : 1; /* destination unreachable */
	data[header + 1] = codes[refusal][v4];
	memcpy(data + header + ICMP_HEADER, p->io->data, quote);
	seal_icmp(data, header, ICMP_HEADER + quote, v4);
	return header + ICMP_HEADER + quote;
}

/* Addresses to or from which no error may be sent (RFC 1122, 3.2.2; RFC 4443, 2.4 (e)). */
static bool names_one_host(const struct lun_address *address)
{
	static const uint8_t zero[4];

	if (lun_address_is_v4(address))
		return (address->bytes[12] & 0xf0) != 0xe0 && address->bytes[12] != 0xff &&
		       memcmp(address->bytes + 12, zero, 4) != 0;
	return address->bytes[0] != 0xff && !lun_address_is_zero(address);
}

uint32_t packet_build_refusal(uint8_t *data, uint32_t capacity, const struct packet *p, enum refusal refusal)
{
	if (!names_one_host(&p->tuple.source) || !names_one_host(&p->tuple.destination) ||
	    (p->role != PACKET_DATA && p->role != PACKET_ICMP_QUERY))
		return 0;
	if (p->tuple.protocol == LUN_TCP && (refusal == REFUSAL_PORT || p->tcp_flags & TCP_RST))
		return build_reset(data, capacity, p);
	/* A query has no port to be unreachable. */
	return build_unreachable(data, capacity, p, p->role == PACKET_ICMP_QUERY ? REFUSAL_HOST : refusal);
}

uint32_t packet_build_echo(uint8_t *data, uint32_t capacity, const struct packet *p)
{
	bool v4 = p->version == 4;
	uint32_t content = p->end - p->transport, header = v4 ? IP4_HEADER : IP6_HEADER;
	const uint8_t *request = packet_transport(p);

	if (p->role != PACKET_ICMP_QUERY || p->end > p->io->length || content < ICMP_HEADER || header + content > capacity ||
	    request[0] != (v4 ? 8 : 128) || !names_one_host(&p->tuple.source) || !packet_checksums_right(p))
		return 0;
	put_ip(data, &p->tuple.destination, &p->tuple.source, v4 ? LUN_ICMP : LUN_ICMPV6, content);
	memcpy(data + header, request, content);
	data[header] = v4 ? 0 : 129;
	memset(data + header + 2, 0, 2);
	seal_icmp(data, header, content, v4);
	return header + content;
}
