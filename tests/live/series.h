/* series.h - connection number N comes from this address and port, both in network byte order: 198.18.0.0/15, so many
 * ports each. */
#ifndef LUNETTE_TESTS_SERIES_H
#define LUNETTE_TESTS_SERIES_H

#include <arpa/inet.h>
#include <stdint.h>

enum { SERIES_PORTS = 60000, SERIES_FIRST_PORT = 1024 };

static inline uint32_t series_address(uint32_t number)
{
	return htonl(0xc6120000u + number / SERIES_PORTS);
}

static inline uint16_t series_port(uint32_t number)
{
	return htons((uint16_t)(SERIES_FIRST_PORT + number % SERIES_PORTS));
}

#endif
