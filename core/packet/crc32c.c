/* crc32c.c - four bits at a time: SCTP is rare, and sixteen words of table suffice. */
#include "packet/crc32c.h"

/* The remainder of each half byte by the polynomial 0x1EDC6F41, bits reversed. */
static const uint32_t remainders[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t step(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	crc = crc >> 4 ^ remainders[crc & 15];
	return crc >> 4 ^ remainders[crc & 15];
}

uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		crc = step(crc, bytes[i]);
	return crc;
}

uint32_t crc32c_zeros(uint32_t crc, size_t size)
{
	for (size_t i = 0; i < size; i++)
		crc = step(crc, 0);
	return crc;
}
