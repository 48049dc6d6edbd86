/* address.h - one type for both families: IPv4 lives in ::ffff:0:0/96, so there is one comparison and one hash. */
#ifndef LUNETTE_BASE_ADDRESS_H
#define LUNETTE_BASE_ADDRESS_H

#include <lunette/lunette.h>
#include <string.h>

static const uint8_t address_v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* Without branches: addresses are compared for every packet. */
static inline bool address_equal(const struct lun_address *a, const struct lun_address *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static inline void address_from_v4(struct lun_address *address, const uint8_t bytes[4])
{
	uint64_t words[2] = { 0 };
	uint32_t v4;

	memcpy(&v4, bytes, sizeof(v4));
	words[1] = (uint64_t)v4 << 32 | 0xffff0000; /* ::ffff:a.b.c.d, the low end of each word first */
	memcpy(address->bytes, words, sizeof(words));
}

/* 127.0.0.0/8 and ::1. */
static inline bool address_is_loopback(const struct lun_address *address)
{
	static const struct lun_address v6 = { { [15] = 1 } };

	return lun_address_is_v4(address) ? address->bytes[12] == 127 : address_equal(address, &v6);
}

#endif
