/* checksum.h - the Internet checksum (RFC 1071) and its repair by differences (RFC 1624, equation 3).
 *
 * Sums are 32-bit and unfolded; words are summed in the order of the bytes in memory, which gives the same result on every
 * machine as long as it is also stored as bytes (RFC 1071, section 2 (B)). */
#ifndef LUNETTE_PACKET_CHECKSUM_H
#define LUNETTE_PACKET_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* The difference that replacing `size` (even) bytes makes: the sum of ~before and after. */
static inline uint32_t checksum_difference(uint32_t sum, const void *before, const void *after, size_t size)
{
	const uint8_t *old = before, *new = after;

	for (size_t i = 0; i < size; i += 2) {
		uint16_t from, to;

		memcpy(&from, old + i, 2);
		memcpy(&to, new + i, 2);
		sum += (uint16_t)~from;
		sum += to;
	}
	return sum;
}

/* Applies a difference to the checksum field at `field`. */
static inline void checksum_update(uint8_t *field, uint32_t difference)
{
	uint16_t checksum;

	memcpy(&checksum, field, 2);
	checksum = (uint16_t)~checksum_fold((uint32_t)checksum_fold((uint16_t)~checksum + checksum_fold(difference)));
	memcpy(field, &checksum, 2);
}

#endif
