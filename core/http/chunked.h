/* chunked.h - a chunked body up to its trailer section (RFC 9112, 7.1), byte by byte, of any length, in a few bytes of state.
 *
 * Bytes may be passed on as soon as they were scanned: what is wrong is seen at its first byte, and without the rest the body
 * is an incomplete one to every server.  As strict as the head: no blanks in a chunk's line but inside quotes, sizes below
 * 2^60 of at most sixteen digits, extensions by the grammar. */
#ifndef LUNETTE_HTTP_CHUNKED_H
#define LUNETTE_HTTP_CHUNKED_H

#include <stdbool.h>
#include <stdint.h>

struct chunked {
	uint64_t left;  /* bytes of the chunk's data, or its size so far */
	uint16_t line;  /* bytes of the chunk's line so far */
	uint8_t digits; /* of its size */
	uint8_t step;
	const char *wrong; /* why no more bytes are taken, or NULL */
};

/* Goes on over bytes of one kind, a chunk's data or what is between two of them; returns how many those are.  None: the next one is
 * wrong.  Not to be called once chunked_is_over. */
uint32_t chunked_scan(struct chunked *chunked, const uint8_t *bytes, uint32_t size);

/* Whether the next byte is a chunk's data. */
bool chunked_in_data(const struct chunked *chunked);

/* Behind the line of the last chunk. */
bool chunked_is_over(const struct chunked *chunked);

#endif
