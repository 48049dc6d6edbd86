/* address.h - one type for both families: IPv4 lives in ::ffff:0:0/96, so there is one comparison and one hash. */
#ifndef LUNETTE_BASE_ADDRESS_H
#define LUNETTE_BASE_ADDRESS_H

#include <lunette/lunette.h>
#include <string.h>

static const uint8_t address_v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static inline bool address_equal(const struct lun_address *a, const struct lun_address *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline void address_from_v4(struct lun_address *address, const uint8_t bytes[4])
{
	memcpy(address->bytes, address_v4_prefix, sizeof(address_v4_prefix));
	memcpy(address->bytes + sizeof(address_v4_prefix), bytes, 4);
}

/* 127.0.0.0/8 and ::1. */
static inline bool address_is_loopback(const struct lun_address *address)
{
	static const struct lun_address v6 = { { [15] = 1 } };

	return lun_address_is_v4(address) ? address->bytes[12] == 127 : address_equal(address, &v6);
}

#endif
