/* seal.c - lengths and checksums, once, at the end of the path. */
#include "packet/checksum.h"
#include "packet/packet.h"

enum { IP4_CHECKSUM = 10, TCP_CHECKSUM = 16, UDP_CHECKSUM = 6, UDP_LENGTH = 4 };

static uint32_t checksum_offset(uint8_t protocol)
{
	return protocol == LUN_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
}

/* The sum of pseudo header and transport (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1). */
static uint32_t transport_sum(const struct packet *p)
{
	const uint8_t *ip = p->io->data;
	uint32_t length = p->end - p->transport;
	uint8_t pseudo[8] = { [3] = p->tuple.protocol };
	uint32_t sum;

	if (p->tuple.protocol == LUN_UDP)
		length = load16(ip + p->transport + UDP_LENGTH);
	store32(pseudo + 4, length);
	sum = checksum_add(0, pseudo, sizeof(pseudo));
	sum = p->version == 4 ? checksum_add(sum, ip + 12, 8) : checksum_add(sum, ip + 8, 32);
	return checksum_add(sum, ip + p->transport, length);
}

static void seal_rebuilt(struct packet *p)
{
	uint8_t *ip = p->io->data, *field = packet_transport(p) + checksum_offset(p->tuple.protocol);
	uint16_t checksum;

	if (p->version == 4) {
		store16(ip + 2, (uint16_t)p->end);
		memset(ip + IP4_CHECKSUM, 0, 2);
		checksum = (uint16_t)~checksum_fold(checksum_add(0, ip, p->transport));
		memcpy(ip + IP4_CHECKSUM, &checksum, 2);
	} else {
		store16(ip + 4, (uint16_t)(p->end - IP6_HEADER));
	}
	if (p->tuple.protocol == LUN_UDP)
		store16(packet_transport(p) + UDP_LENGTH, (uint16_t)(p->end - p->transport));
	memset(field, 0, 2);
	checksum = (uint16_t)~checksum_fold(transport_sum(p));
	if (checksum == 0 && p->tuple.protocol == LUN_UDP)
		checksum = 0xffff;
	memcpy(field, &checksum, 2);
	p->io->length = p->end;
}

static void seal_transport(struct packet *p)
{
	uint8_t *field = packet_transport(p) + checksum_offset(p->tuple.protocol);

	if (p->tuple.protocol == LUN_UDP) {
		if (field[0] == 0 && field[1] == 0)
			return; /* no checksum: stays so (RFC 768) */
		checksum_update(field, checksum_fold(p->address_difference) + checksum_fold(p->transport_difference));
		if (field[0] == 0 && field[1] == 0)
			memset(field, 0xff, 2);
		return;
	}
	checksum_update(field, checksum_fold(p->address_difference) + checksum_fold(p->transport_difference));
}

void packet_seal(struct packet *p)
{
	if (p->rebuilt) {
		seal_rebuilt(p);
		return;
	}
	if (!p->address_difference && !p->transport_difference)
		return;
	if (p->version == 4 && p->address_difference)
		checksum_update(p->io->data + IP4_CHECKSUM, p->address_difference);
	seal_transport(p);
}

bool packet_checksums_right(const struct packet *p)
{
	const uint8_t *ip = p->io->data, *field = packet_transport(p) + checksum_offset(p->tuple.protocol);

	if (p->version == 4 && checksum_fold(checksum_add(0, ip, p->transport)) != 0xffff)
		return false;
	if (p->end > p->io->length)
		return true; /* cut: it cannot be known */
	if (p->version == 4 && p->tuple.protocol == LUN_UDP && field[0] == 0 && field[1] == 0)
		return true;
	return checksum_fold(transport_sum(p)) == 0xffff;
}
