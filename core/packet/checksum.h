/* checksum.h - the Internet checksum (RFC 1071) and its repair by differences (RFC 1624, equation 3).
 *
 * Sums are 32-bit and unfolded; words are summed in the order of the bytes in memory, which gives the same result on every
 * machine as long as it is also stored as bytes (RFC 1071, section 2 (B)). */
#ifndef LUNETTE_PACKET_CHECKSUM_H
#define LUNETTE_PACKET_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "packet/packet.h"

static inline uint16_t checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* Adds `size` bytes at `data` to `sum`. */
static inline uint32_t checksum_add(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t total = sum;
	uint32_t word;
	uint16_t half;

	for (; size >= 4; size -= 4, bytes += 4) {
		memcpy(&word, bytes, 4);
		total += word;
	}
	if (size >= 2) {
		memcpy(&half, bytes, 2);
		total += half;
		bytes += 2;
		size -= 2;
	}
	if (size)
		total += *bytes;
	total = (total & 0xffffffff) + (total >> 32);
	total = (total & 0xffffffff) + (total >> 32);
	return (uint32_t)(total & 0xffff) + (uint32_t)(total >> 16);
}

/* The difference that replacing bytes makes: the sum of ~before and after.  A 32-bit word is two 16-bit ones side by side,
 * and a sum of such words folds to the same (RFC 1071, section 2 (C)); 64 bits hold the carries of four thousand million. */
static inline uint64_t checksum_difference32(uint64_t sum, const void *before, const void *after)
{
	uint32_t from, to;

	memcpy(&from, before, 4);
	memcpy(&to, after, 4);
	return sum + (uint32_t)~from + to;
}

static inline uint64_t checksum_difference16(uint64_t sum, const void *before, const void *after)
{
	uint16_t from, to;

	memcpy(&from, before, 2);
	memcpy(&to, after, 2);
	return sum + (uint16_t)~from + to;
}

/* Of `size` (even) bytes. */
static inline uint64_t checksum_difference(uint64_t sum, const void *before, const void *after, size_t size)
{
	const uint8_t *old = before, *new = after;

	for (; size >= 4; size -= 4, old += 4, new += 4)
		sum = checksum_difference32(sum, old, new);
	return size ? checksum_difference16(sum, old, new) : sum;
}

/* Applies a difference to the checksum field at `field`. */
static inline void checksum_update(uint8_t *field, uint64_t difference)
{
	uint16_t checksum;
	uint64_t sum;
	uint32_t half;

	memcpy(&checksum, field, 2);
	/* Twice: a number plus itself with its halves exchanged has in its upper half the sum of both, carry included. */
	sum = difference + (uint16_t)~checksum;
	half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
	checksum = (uint16_t) ~((half + (half << 16 | half >> 16)) >> 16);
	memcpy(field, &checksum, 2);
}

/* ---- of transports ---- */

/* Offset of the checksum, a sum of 16 bits, in the transport header; 0 for a protocol without one that we know. */
static inline uint32_t protocol_checksum(uint8_t protocol)
{
	static const uint8_t offsets[UINT8_MAX + 1] = {
		[LUN_TCP] = 16,      [LUN_UDP] = 6,  [PROTOCOL_UDP_LITE] = 6,
		[PROTOCOL_DCCP] = 6, [LUN_ICMP] = 2, [LUN_ICMPV6] = 2,
	};

	return offsets[protocol];
}

/* Applies to the checksum at `field` the differences of addresses, which count where there is a pseudo header, and of the
 * transport.  UDP's zero is none and stays (RFC 768), UDP-Lite has no such (RFC 3828, 3.1); with both a sum of zero is sent
 * as ones. */
static inline void protocol_checksum_update(uint8_t protocol, uint8_t *field, uint64_t addresses, uint64_t transport)
{
	uint64_t difference = transport + (protocol == LUN_ICMP ? 0 : addresses);
	bool udp = protocol == LUN_UDP || protocol == PROTOCOL_UDP_LITE;

	if (difference == 0 || (protocol == LUN_UDP && field[0] == 0 && field[1] == 0))
		return;
	checksum_update(field, difference);
	if (udp && field[0] == 0 && field[1] == 0)
		memset(field, 0xff, 2);
}

#endif
