/* crc32c.h - SCTP's checksum (RFC 9260, appendix A), and how it changes with a few bytes.
 *
 * A CRC without its initial and final inversion is linear: the CRC of the xor of two packets is the xor of their CRCs.  So the
 * change of two ports changes the checksum by a value that depends on them and on how many bytes follow, not on what these are:
 * a wrong checksum stays wrong by the same difference, and a cut capture can be translated. */
#ifndef LUNETTE_PACKET_CRC32C_H
#define LUNETTE_PACKET_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` over bytes; begin with UINT32_MAX and invert the end for the checksum, begin with 0 for a difference. */
uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t size);
uint32_t crc32c_zeros(uint32_t crc, size_t size);

#endif
