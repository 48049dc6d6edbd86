/* parse.c - bytes to tuple.  Every length is checked against what is there before it is believed; nothing is changed.
 *
 * "There" is io->length.  A capture may have cut the packet (io->wire_length says how long it was): then the headers must be
 * there, the payload need not.  What lies behind the IP packet's own length is link padding and not looked at. */
#include "base/address.h"
#include "packet/packet.h"

enum {
	EXTENSIONS_MAX = 8, /* IPv6 extension headers walked: more than any stack sends, few enough to bound the work */

	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_DESTINATION = 60,

	IP4_FRAGMENT_MASK = 0x3fff, /* more fragments, or an offset */
	IP6_FRAGMENT_MASK = 0xfff9,
};

static bool parse_tcp(struct packet *p)
{
	const uint8_t *tcp = packet_transport(p);
	uint32_t header;

	if (!packet_has(p, p->transport, TCP_HEADER) || p->end - p->transport < TCP_HEADER)
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_truncated);
	header = (uint32_t)(tcp[12] >> 4) * 4;
	if (header < TCP_HEADER || header > p->end - p->transport)
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_bad_transport_header);
	if (!packet_has(p, p->transport, header))
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_truncated);
	p->tuple.source_port = load16(tcp);
	p->tuple.destination_port = load16(tcp + 2);
	p->sequence = load32(tcp + 4);
	p->acknowledgement = load32(tcp + 8);
	p->tcp_flags = tcp[13] & 0x3f;
	p->payload = p->transport + header;
	p->payload_length = p->end - p->payload;
	return true;
}

static bool parse_udp(struct packet *p)
{
	const uint8_t *udp = packet_transport(p);
	uint32_t length;

	if (!packet_has(p, p->transport, UDP_HEADER) || p->end - p->transport < UDP_HEADER)
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_truncated);
	length = load16(udp + 4);
	if (length < UDP_HEADER || length > p->end - p->transport)
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_bad_transport_header);
	p->tuple.source_port = load16(udp);
	p->tuple.destination_port = load16(udp + 2);
	p->payload = p->transport + UDP_HEADER;
	p->payload_length = length - UDP_HEADER;
	return true;
}

static bool parse_transport(struct packet *p)
{
	if (p->fragment)
		return true; /* the fragment stage's business */
	switch (p->tuple.protocol) {
	case LUN_TCP:
		return parse_tcp(p);
	case LUN_UDP:
		return parse_udp(p);
	default:
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_unsupported_protocol);
	}
}

/* `total` is the IP packet's length as its header has it. */
static bool parse_end(struct packet *p, uint32_t total)
{
	uint32_t there = p->io->wire_length > p->io->length ? p->io->wire_length : p->io->length;

	p->end = total;
	return total <= there ? true : packet_stop(p, LUN_ACCEPT, LUN_REASON_truncated);
}

static bool parse_v4(struct packet *p)
{
	const uint8_t *ip = p->io->data;
	uint32_t header, total;

	if (p->io->length < IP4_HEADER)
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_truncated);
	header = (uint32_t)(ip[0] & 0x0f) * 4;
	total = load16(ip + 2);
	if (header < IP4_HEADER || total < header)
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_bad_ip_header);
	if (p->io->length < header || !parse_end(p, total))
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_truncated);
	address_from_v4(&p->tuple.source, ip + 12);
	address_from_v4(&p->tuple.destination, ip + 16);
	p->tuple.protocol = ip[9];
	p->fragment = (load16(ip + 6) & IP4_FRAGMENT_MASK) != 0;
	p->transport = (uint16_t)header;
	return parse_transport(p);
}

/* Walks the extension headers (RFC 8200, section 4) up to the transport; false if they do not end where they must. */
static bool parse_extensions(struct packet *p, uint32_t *offset, uint8_t *next)
{
	for (int i = 0; i <= EXTENSIONS_MAX; i++) {
		const uint8_t *extension = p->io->data + *offset;

		if (*next != NEXT_HOP_BY_HOP && *next != NEXT_ROUTING && *next != NEXT_DESTINATION && *next != NEXT_FRAGMENT)
			return true;
		if (!packet_has(p, *offset, 8) || *offset + 8 > p->end)
			return packet_stop(p, LUN_ACCEPT, LUN_REASON_truncated);
		if (*next == NEXT_FRAGMENT) {
			p->fragment = (load16(extension + 2) & IP6_FRAGMENT_MASK) != 0;
			*offset += 8;
		} else {
			*offset += 8 + (uint32_t)extension[1] * 8;
		}
		*next = extension[0];
		if (*offset > p->end)
			return packet_stop(p, LUN_ACCEPT, LUN_REASON_bad_ip_header);
		if (p->fragment)
			return true;
	}
	return packet_stop(p, LUN_ACCEPT, LUN_REASON_extension_headers);
}

static bool parse_v6(struct packet *p)
{
	const uint8_t *ip = p->io->data;
	uint32_t offset = IP6_HEADER;
	uint8_t next;

	if (p->io->length < IP6_HEADER)
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_truncated);
	if (!parse_end(p, IP6_HEADER + load16(ip + 4)))
		return false;
	memcpy(p->tuple.source.bytes, ip + 8, 16);
	memcpy(p->tuple.destination.bytes, ip + 24, 16);
	/* ::ffff:a.b.c.d never travels (RFC 4291, 2.5.5.2); let in, it would pass for an IPv4 flow. */
	if (lun_address_is_v4(&p->tuple.source) || lun_address_is_v4(&p->tuple.destination))
		return packet_stop(p, LUN_ACCEPT, LUN_REASON_bad_ip_header);
	next = ip[6];
	if (!parse_extensions(p, &offset, &next))
		return false;
	p->tuple.protocol = next;
	p->transport = (uint16_t)offset;
	return parse_transport(p);
}

bool packet_parse(struct packet *p)
{
	uint8_t version = p->io->length > 0 ? p->io->data[0] >> 4 : 0;

	p->tuple.tenant = p->io->tenant;
	p->version = version;
	if (version == 4)
		p->readable = parse_v4(p);
	else if (version == 6)
		p->readable = parse_v6(p);
	else
		packet_stop(p, LUN_ACCEPT, p->io->length > 0 ? LUN_REASON_bad_ip_version : LUN_REASON_truncated);
	return p->readable;
}
