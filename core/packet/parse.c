/* parse.c - bytes to tuple.  Every length is checked against what is there before it is believed; nothing is changed.
 *
 * "There" is io->length.  A capture may have cut the packet (io->wire_length says how long it was): then the headers must be
 * there, the payload need not.  What lies behind the IP packet's own length is link padding and not looked at.
 *
 * Parse decides the key.  A TCP, UDP or SCTP packet's is what it carries.  An ICMP query's ports are its identifier and the type
 * of its request, so that the reply's tuple is the request's inverted.  An ICMP error's key is that of the packet it quotes,
 * inverted: it is found where an answer to that packet would be found. */
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
	IP6_FRAGMENT_HEADER = 8,

	QUOTE_LEAST = 8,     /* bytes of transport that an error quotes at least (RFC 792) */
	CHECKSUM_WITHIN = 8, /* bytes that hold the checksum of DCCP and UDP-Lite */
};

/* One IP header, of the packet or of the one that an error quotes. */
struct ip {
	uint32_t at, end;   /* offset of the header; end of the packet as the header says */
	uint32_t transport; /* offset behind it and its extensions */
	uint32_t piece;     /* offset of the fragmentable part */
	uint8_t version, protocol;
	bool fragment, first; /* a fragment; one with offset 0 */
};

/* `there`: bytes from the header on. */
static inline enum lun_reason parse_v4(const uint8_t *bytes, uint32_t there, struct ip *ip, struct lun_tuple *tuple)
{
	uint32_t header, total, fragment;

	if (there < IP4_HEADER)
		return LUN_REASON_truncated;
	header = (uint32_t)(bytes[0] & 0x0f) * 4;
	total = load16(bytes + 2);
	if (header < IP4_HEADER || total < header)
		return LUN_REASON_bad_ip_header;
	if (there < header)
		return LUN_REASON_truncated;
	fragment = load16(bytes + 6);
	ip->protocol = bytes[9];
	ip->fragment = (fragment & IP4_FRAGMENT_MASK) != 0;
	ip->first = (fragment & 0x1fff) == 0;
	ip->end = ip->at + total;
	ip->transport = ip->piece = ip->at + header;
	address_from_v4(&tuple->source, bytes + 12);
	address_from_v4(&tuple->destination, bytes + 16);
	return LUN_REASON_none;
}

/* Walks the extension headers (RFC 8200, section 4) up to the transport, or to the data of a fragment that is not the first. */
static enum lun_reason parse_extensions(const struct packet *p, struct ip *ip)
{
	for (int i = 0; i <= EXTENSIONS_MAX; i++) {
		const uint8_t *extension = p->io->data + ip->transport;
		uint8_t next = ip->protocol;

		if (next != NEXT_HOP_BY_HOP && next != NEXT_ROUTING && next != NEXT_DESTINATION && next != NEXT_FRAGMENT)
			return LUN_REASON_none;
		if (!packet_has(p, ip->transport, 8) || ip->transport + 8 > ip->end)
			return LUN_REASON_truncated;
		ip->protocol = extension[0];
		if (next == NEXT_FRAGMENT) {
			ip->fragment = ip->fragment || (load16(extension + 2) & IP6_FRAGMENT_MASK) != 0;
			ip->first = ip->first && (load16(extension + 2) & 0xfff8) == 0;
			ip->transport += IP6_FRAGMENT_HEADER;
			ip->piece = ip->transport;
			if (!ip->first)
				return LUN_REASON_none; /* what follows is data */
		} else {
			ip->transport += 8 + (uint32_t)extension[1] * 8;
		}
		if (ip->transport > ip->end)
			return LUN_REASON_bad_ip_header;
	}
	return LUN_REASON_extension_headers;
}

static enum lun_reason parse_v6(const struct packet *p, struct ip *ip, struct lun_tuple *tuple)
{
	const uint8_t *bytes = p->io->data + ip->at;

	if (!packet_has(p, ip->at, IP6_HEADER))
		return LUN_REASON_truncated;
	memcpy(tuple->source.bytes, bytes + 8, 16);
	memcpy(tuple->destination.bytes, bytes + 24, 16);
	/* ::ffff:a.b.c.d never travels (RFC 4291, 2.5.5.2); let in, it would pass for an IPv4 flow. */
	if (lun_address_is_v4(&tuple->source) || lun_address_is_v4(&tuple->destination))
		return LUN_REASON_bad_ip_header;
	ip->protocol = bytes[6];
	ip->first = true;
	ip->end = ip->at + IP6_HEADER + load16(bytes + 4);
	ip->transport = ip->at + IP6_HEADER;
	return parse_extensions(p, ip);
}

/* Reads the IP header at `at` into `ip`, and addresses, protocol and tenant into `tuple`. */
static inline enum lun_reason parse_ip(const struct packet *p, uint32_t at, struct ip *ip, struct lun_tuple *tuple)
{
	enum lun_reason reason = LUN_REASON_bad_ip_version;
	struct ip v6 = { .at = at, .version = 6 };

	if (!packet_has(p, at, 1))
		return LUN_REASON_truncated;
	ip->at = at;
	ip->version = p->io->data[at] >> 4;
	if (ip->version == 4) {
		reason = parse_v4(p->io->data + at, p->io->length - at, ip, tuple);
	} else if (ip->version == 6) {
		reason = parse_v6(p, &v6, tuple);
		*ip = v6; /* not in place: then the compiler keeps IPv4's in registers */
	}
	tuple_set_rest(tuple, 0, 0, p->io->tenant, ip->protocol);
	return reason;
}

/* ---- ICMP ---- */

/* Query types of both protocols; the kind of a reply is the type of its request. */
static bool icmp_query(uint8_t protocol, uint8_t type, uint8_t *kind, enum packet_role *role)
{
	static const uint8_t queries[][3] = {
		{ LUN_ICMP, 8, 0 },   { LUN_ICMP, 13, 14 },     { LUN_ICMP, 15, 16 },
		{ LUN_ICMP, 17, 18 }, { LUN_ICMPV6, 128, 129 }, { LUN_ICMPV6, 139, 140 },
	};

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		if (queries[i][0] != protocol || (queries[i][1] != type && queries[i][2] != type))
			continue;
		*kind = queries[i][1];
		*role = queries[i][1] == type ? PACKET_ICMP_QUERY : PACKET_ICMP_REPLY;
		return true;
	}
	return false;
}

static bool icmp_is_error(uint8_t protocol, uint8_t type)
{
	if (protocol == LUN_ICMPV6)
		return type < 128; /* also those that nobody knows yet (RFC 4443, 2.4 (a)) */
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Neighbour discovery and multicast listening keep the link itself going: never tracked (net/netfilter/nf_conntrack_proto_icmpv6.c). */
static bool icmp_is_link_local(uint8_t protocol, uint8_t type)
{
	return protocol == LUN_ICMPV6 && ((type >= 130 && type <= 136) || type == 143);
}

static void set_query_ports(struct lun_tuple *tuple, enum packet_role role, uint8_t kind, uint16_t identifier)
{
	bool query = role == PACKET_ICMP_QUERY;

	tuple_set_ports(tuple, query ? identifier : kind, query ? kind : identifier);
}

/* The packet that an error quotes: its tuple inverted becomes the key. */
static enum lun_reason parse_quote(struct packet *p)
{
	enum packet_role role = PACKET_DATA;
	struct ip inner = { 0 };
	struct lun_tuple tuple;
	enum lun_reason reason = parse_ip(p, p->transport + ICMP_HEADER, &inner, &tuple);
	const uint8_t *transport = p->io->data + inner.transport;
	uint32_t least;
	uint8_t kind;

	if (reason != LUN_REASON_none)
		return reason;
	if (inner.version != p->version || !inner.first || inner.transport > UINT16_MAX)
		return LUN_REASON_icmp_unrelated;
	if (!address_equal(&tuple.source, &p->tuple.destination))
		return LUN_REASON_icmp_unrelated; /* it must go to whoever sent what it quotes */
	least = protocol_has_ports(inner.protocol) ? QUOTE_LEAST : 0;
	if (!packet_has(p, inner.transport, least) || inner.transport + least > p->end)
		return LUN_REASON_truncated;
	if (least) {
		tuple_set_ports(&tuple, load16(transport), load16(transport + 2));
	}
	if (inner.protocol == LUN_ICMP || inner.protocol == LUN_ICMPV6) {
		if (!icmp_query(inner.protocol, transport[0], &kind, &role))
			return LUN_REASON_icmp_unrelated; /* an error about an error must not be (RFC 1122, 3.2.2) */
		set_query_ports(&tuple, role, kind, load16(transport + 4));
	}
	p->io->was = p->io->is = p->tuple; /* the key becomes another one; this is what the packet carries */
	p->role = PACKET_ICMP_ERROR;
	p->inner_role = (uint8_t)role;
	p->inner = (uint16_t)inner.at;
	p->inner_transport = (uint16_t)inner.transport;
	p->tuple = tuple_inverted(&tuple);
	return LUN_REASON_none;
}

static enum lun_reason parse_icmp(struct packet *p)
{
	const uint8_t *icmp = packet_transport(p);
	enum packet_role role;
	uint8_t kind;

	if (!packet_has(p, p->transport, ICMP_HEADER) || p->end - p->transport < ICMP_HEADER)
		return LUN_REASON_truncated;
	p->payload = p->transport + ICMP_HEADER;
	p->payload_length = p->end - p->payload;
	if (icmp_is_error(p->tuple.protocol, icmp[0]))
		return parse_quote(p);
	if (!icmp_query(p->tuple.protocol, icmp[0], &kind, &role)) {
		if (icmp_is_link_local(p->tuple.protocol, icmp[0]))
			p->io->ct = LUN_CT_UNTRACKED;
		return LUN_REASON_icmp_type;
	}
	p->role = (uint8_t)role;
	set_query_ports(&p->tuple, role, kind, load16(icmp + 4));
	return LUN_REASON_none;
}

/* ---- the others ---- */

static enum lun_reason parse_tcp(struct packet *p)
{
	const uint8_t *tcp = packet_transport(p);
	uint32_t header;

	if (!packet_has(p, p->transport, TCP_HEADER) || p->end - p->transport < TCP_HEADER)
		return LUN_REASON_truncated;
	header = (uint32_t)(tcp[12] >> 4) * 4;
	if (header < TCP_HEADER || header > p->end - p->transport)
		return LUN_REASON_bad_transport_header;
	if (!packet_has(p, p->transport, header))
		return LUN_REASON_truncated;
	tuple_set_ports(&p->tuple, load16(tcp), load16(tcp + 2));
	p->sequence = load32(tcp + 4);
	p->acknowledgement = load32(tcp + 8);
	p->tcp_flags = tcp[13] & 0x3f;
	p->payload = p->transport + header;
	p->payload_length = p->end - p->payload;
	return LUN_REASON_none;
}

static enum lun_reason parse_udp(struct packet *p)
{
	const uint8_t *udp = packet_transport(p);
	uint32_t length;

	if (!packet_has(p, p->transport, UDP_HEADER) || p->end - p->transport < UDP_HEADER)
		return LUN_REASON_truncated;
	length = load16(udp + 4);
	if (length < UDP_HEADER || length > p->end - p->transport)
		return LUN_REASON_bad_transport_header;
	tuple_set_ports(&p->tuple, load16(udp), load16(udp + 2));
	p->payload = p->transport + UDP_HEADER;
	p->payload_length = length - UDP_HEADER;
	return LUN_REASON_none;
}

static enum lun_reason parse_sctp(struct packet *p)
{
	const uint8_t *sctp = packet_transport(p);

	if (!packet_has(p, p->transport, SCTP_HEADER) || p->end - p->transport < SCTP_HEADER)
		return LUN_REASON_truncated;
	tuple_set_ports(&p->tuple, load16(sctp), load16(sctp + 2));
	p->payload = p->transport + SCTP_HEADER;
	p->payload_length = p->end - p->payload;
	return LUN_REASON_none;
}

/* A protocol of which no more than the first `least` bytes matter. */
static enum lun_reason parse_by_addresses(struct packet *p, uint32_t least)
{
	p->payload = p->transport;
	p->payload_length = p->end - p->payload;
	return packet_has(p, p->transport, least) && p->payload_length >= least ? LUN_REASON_none : LUN_REASON_truncated;
}

static enum lun_reason parse_transport(struct packet *p)
{
	switch (p->tuple.protocol) {
	case LUN_TCP:
		return parse_tcp(p);
	case LUN_UDP:
		return parse_udp(p);
	case LUN_SCTP:
		return parse_sctp(p);
	case LUN_ICMP:
		return p->version == 4 ? parse_icmp(p) : LUN_REASON_icmp_type;
	case LUN_ICMPV6:
		return p->version == 6 ? parse_icmp(p) : LUN_REASON_icmp_type;
	case PROTOCOL_DCCP:
	case PROTOCOL_UDP_LITE:
		return parse_by_addresses(p, CHECKSUM_WITHIN);
	default:
		return parse_by_addresses(p, 0);
	}
}

static inline enum lun_reason parse_whole(struct packet *p)
{
	uint32_t there = p->io->wire_length > p->io->length ? p->io->wire_length : p->io->length;
	struct ip ip = { 0 };
	enum lun_reason reason = parse_ip(p, 0, &ip, &p->tuple);

	if (reason != LUN_REASON_none)
		return reason;
	if (ip.end > there)
		return LUN_REASON_truncated;
	if (ip.transport > UINT16_MAX)
		return LUN_REASON_bad_ip_header;
	p->version = ip.version;
	p->end = ip.end;
	p->transport = (uint16_t)ip.transport;
	if (ip.fragment) {
		p->role = PACKET_FRAGMENT;
		p->transport = (uint16_t)ip.piece;
		return LUN_REASON_none;
	}
	return parse_transport(p);
}

bool packet_parse(struct packet *p)
{
	struct lun_packet *io = p->io;
	enum lun_reason reason;

	io->ct = LUN_CT_INVALID;
	reason = parse_whole(p);
	if (reason != LUN_REASON_none) {
		io->was = io->is = (struct lun_tuple) { 0 };
		return packet_stop(p, LUN_ACCEPT, io->ct == LUN_CT_UNTRACKED ? LUN_REASON_none : reason);
	}
	io->ct = LUN_CT_UNTRACKED;
	p->readable = true;
	return true;
}

void packet_fragment_place(const struct packet *p, struct fragment_place *place)
{
	const uint8_t *ip = p->io->data, *extension = packet_transport(p) - IP6_FRAGMENT_HEADER;
	uint16_t field = load16(p->version == 4 ? ip + 6 : extension + 2);

	*place = (struct fragment_place) { .data = p->transport, .length = p->end - p->transport };
	if (p->version == 4) {
		place->identification = load16(ip + 4);
		place->offset = (uint32_t)(field & 0x1fff) * 8;
		place->last = !(field & 0x2000);
		return;
	}
	place->identification = load32(extension + 4);
	place->offset = field & 0xfff8;
	place->last = !(field & 1);
}
