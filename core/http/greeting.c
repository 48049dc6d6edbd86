/* greeting.c - version 1 is a line of text, version 2 is binary:
 *
 *	 0           12     13       14       16        +a             +2a      +2       +2
 *	+------------+------+--------+--------+---------+-------------+--------+--------+
 *	| signature  | 0x21 | family | length | source  | destination | source | dest.  |
 *	|            |      | TCP    |        | address | address     | port   | port   |
 *	+------------+------+--------+--------+---------+-------------+--------+--------+
 *
 * where addresses have a = 4 or 16 bytes, and 0x21 stands for version 2 and a connection that is somebody else's. */
#include "http/greeting.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

static uint32_t write_line(uint8_t bytes[GREETING_SIZE], const struct lun_tuple *orig, bool v4)
{
	char source[LUN_ADDRESS_TEXT], destination[LUN_ADDRESS_TEXT], line[GREETING_SIZE + 1];
	int length = snprintf(line, sizeof(line), "PROXY TCP%c %s %s %u %u\r\n", v4 ? '4' : '6',
			      lun_address_format(&orig->source, source), lun_address_format(&orig->destination, destination),
			      orig->source_port, orig->destination_port);

	memcpy(bytes, line, (size_t)length);
	return (uint32_t)length;
}

static uint32_t write_binary(uint8_t bytes[GREETING_SIZE], const struct lun_tuple *orig, bool v4)
{
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	uint32_t size = v4 ? 4 : 16, unused = 16 - size; /* IPv4 is the end of an address */
	uint8_t *at = bytes + sizeof(signature);

	memcpy(bytes, signature, sizeof(signature));
	at[0] = 0x21;
	at[1] = v4 ? 0x11 : 0x21;
	store16(at + 2, (uint16_t)(2 * size + 4));
	memcpy(at + 4, orig->source.bytes + unused, size);
	memcpy(at + 4 + size, orig->destination.bytes + unused, size);
	store16(at + 4 + 2 * size, orig->source_port);
	store16(at + 6 + 2 * size, orig->destination_port);
	return sizeof(signature) + 8 + 2 * size;
}

uint32_t greeting_write(uint8_t bytes[GREETING_SIZE], unsigned version, const struct lun_tuple *orig)
{
	bool v4 = lun_address_is_v4(&orig->source);

	return version == 1 ? write_line(bytes, orig, v4) : write_binary(bytes, orig, v4);
}
