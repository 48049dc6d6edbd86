/* seal.c - lengths and checksums, once, at the end of the path. */
#include "packet/checksum.h"
#include "packet/crc32c.h"
#include "packet/packet.h"

enum { IP4_CHECKSUM = 10, UDP_LENGTH = 4, UDP_LITE_COVERAGE = 4, DCCP_OFFSET = 4, DCCP_COVERAGE = 5, SCTP_CHECKSUM = 8 };

/* The protocol of the packet itself: an ICMP error's key has that of the packet it quotes. */
static uint8_t own_protocol(const struct packet *p)
{
	if (p->role == PACKET_ICMP_ERROR)
		return p->version == 4 ? LUN_ICMP : LUN_ICMPV6;
	return p->tuple.protocol;
}

/* How many of the `length` bytes of transport the checksum covers; 0: the header asks for what cannot be. */
static uint32_t covered(const uint8_t *transport, uint8_t protocol, uint32_t length)
{
	uint32_t coverage = length;

	if (protocol == PROTOCOL_UDP_LITE && load16(transport + UDP_LITE_COVERAGE) != 0) /* RFC 3828, 3.1 */
		coverage = load16(transport + UDP_LITE_COVERAGE);
	else if (protocol == PROTOCOL_DCCP && transport[DCCP_COVERAGE] & 0x0f) /* RFC 4340, 9.2 */
		coverage = (transport[DCCP_OFFSET] + (transport[DCCP_COVERAGE] & 0x0fu) - 1) * 4;
	return coverage < UDP_HEADER || coverage > length ? 0 : coverage;
}

/* The sum of the pseudo header (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1) for `length` bytes of transport. */
static uint32_t pseudo_sum(const struct packet *p, uint32_t length)
{
	const uint8_t *ip = p->io->data;
	uint8_t pseudo[8] = { [3] = own_protocol(p) };
	uint32_t sum;

	store32(pseudo + 4, length);
	sum = checksum_add(0, pseudo, sizeof(pseudo));
	return p->version == 4 ? checksum_add(sum, ip + 12, 8) : checksum_add(sum, ip + 8, 32);
}

/* The sum of pseudo header, which ICMP has none of, and transport. */
static uint32_t transport_sum(const struct packet *p)
{
	const uint8_t *transport = p->io->data + p->transport;
	uint32_t length = p->end - p->transport;
	uint8_t protocol = own_protocol(p);

	if (protocol == LUN_ICMP)
		return checksum_add(0, transport, length);
	if (protocol == LUN_UDP)
		length = load16(transport + UDP_LENGTH);
	return checksum_add(pseudo_sum(p, length), transport, covered(transport, protocol, length));
}

/* The CRC of an SCTP packet as it stands in the packet, by its bytes (RFC 9260, appendix A). */
static uint32_t whole_crc(const struct packet *p)
{
	const uint8_t *sctp = packet_transport(p), zero[4] = { 0 };
	uint32_t crc = crc32c(crc32c(UINT32_MAX, sctp, SCTP_CHECKSUM), zero, sizeof(zero));

	return ~crc32c(crc, sctp + SCTP_HEADER, p->end - p->transport - SCTP_HEADER);
}

static void seal_whole_transport(struct packet *p)
{
	uint8_t protocol = own_protocol(p), *field = packet_transport(p) + protocol_checksum(protocol);
	uint16_t checksum;
	uint32_t crc;

	if (protocol == LUN_SCTP) {
		crc = whole_crc(p);
		memcpy(packet_transport(p) + SCTP_CHECKSUM, &crc, sizeof(crc));
	}
	if (protocol_checksum(protocol) == 0)
		return;
	if (protocol == LUN_UDP)
		store16(packet_transport(p) + UDP_LENGTH, (uint16_t)(p->end - p->transport));
	memset(field, 0, 2);
	checksum = (uint16_t)~checksum_fold(transport_sum(p));
	if (checksum == 0 && protocol == LUN_UDP)
		checksum = 0xffff;
	memcpy(field, &checksum, 2);
}

/* Lengths and sums anew. */
static void seal_rebuilt(struct packet *p)
{
	uint8_t *ip = p->io->data;
	uint16_t checksum;

	if (p->version == 4) {
		store16(ip + 2, (uint16_t)p->end);
		memset(ip + IP4_CHECKSUM, 0, 2);
		checksum = (uint16_t)~checksum_fold(checksum_add(0, ip, p->transport));
		memcpy(ip + IP4_CHECKSUM, &checksum, 2);
	} else {
		store16(ip + 4, (uint16_t)(p->end - IP6_HEADER));
	}
	seal_whole_transport(p);
	p->io->length = p->end;
}

static void seal_crc(struct packet *p)
{
	uint8_t *field = packet_transport(p) + SCTP_CHECKSUM;
	uint32_t crc;

	memcpy(&crc, field, 4); /* in the order of its bytes, low first (RFC 9260, appendix A) */
	crc ^= p->crc_difference;
	memcpy(field, &crc, 4);
}

void packet_seal(struct packet *p)
{
	uint8_t protocol = own_protocol(p);
	uint32_t offset = protocol_checksum(protocol);

	p->io->changed = p->rebuilt || (p->address_difference | p->transport_difference | p->crc_difference) != 0;
	if (!p->io->changed)
		return;
	if (p->rebuilt) {
		seal_rebuilt(p);
		return;
	}
	if (p->version == 4 && p->address_difference)
		checksum_update(p->io->data + IP4_CHECKSUM, p->address_difference);
	if (p->io->unfinished && p->end <= p->io->length)
		seal_whole_transport(p); /* there is nothing yet that a difference could repair */
	else if (p->crc_difference)
		seal_crc(p);
	else if (offset)
		protocol_checksum_update(protocol, packet_transport(p) + offset, p->address_difference,
					 p->transport_difference);
}

static bool crc_right(const struct packet *p)
{
	uint32_t stored;

	memcpy(&stored, packet_transport(p) + SCTP_CHECKSUM, sizeof(stored));
	return whole_crc(p) == stored;
}

static bool ip_right(const struct packet *p)
{
	const uint8_t *ip = p->io->data;

	return p->version == 6 || checksum_fold(checksum_add(0, ip, (size_t)(ip[0] & 15) * 4)) == 0xffff;
}

static bool transport_right(const struct packet *p)
{
	uint8_t protocol = own_protocol(p);
	const uint8_t *field = packet_transport(p) + protocol_checksum(protocol);

	if (p->end > p->io->length || p->role == PACKET_FRAGMENT || p->io->unfinished)
		return true; /* cut, a piece, or yet to be computed: it cannot be known */
	if (protocol == LUN_SCTP)
		return crc_right(p);
	if (protocol_checksum(protocol) == 0 || (protocol == LUN_UDP && field[0] == 0 && field[1] == 0))
		return true; /* none (RFC 768), which over IPv6 is for tunnels (RFC 6936, 5) */
	return covered(packet_transport(p), protocol, p->end - p->transport) > 0 &&
	       checksum_fold(transport_sum(p)) == 0xffff;
}

bool packet_checksums_right(const struct packet *p)
{
	return ip_right(p) && transport_right(p);
}

bool packet_checksums_left_out(const struct packet *p)
{
	uint16_t pseudo = checksum_fold(pseudo_sum(p, p->end - p->transport)), ip, tcp;

	memcpy(&ip, p->io->data + IP4_CHECKSUM, sizeof(ip));
	memcpy(&tcp, packet_transport(p) + protocol_checksum(LUN_TCP), sizeof(tcp));
	return (ip_right(p) || ip == 0) && (transport_right(p) || tcp == 0 || tcp == pseudo);
}
