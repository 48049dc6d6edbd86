/* head.h - where the parts of an HTTP/1 request head are (RFC 9112, 2 to 6).
 *
 * The scanner is strict: what two servers could read differently is refused, because bytes in flight cannot be repaired.  It
 * copies nothing; parts are offsets into the caller's bytes. */
#ifndef LUNETTE_HTTP_HEAD_H
#define LUNETTE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_FIELDS = 100, HEAD_SIZE = 16384 };

struct part {
	uint32_t offset, length;
};

struct field {
	struct part name, value; /* the value without blanks around it */
	uint32_t end;            /* behind the line's CRLF */
};

struct head {
	struct part target;
	struct field fields[HEAD_FIELDS];
	uint32_t field_count;
	uint32_t fields_offset;   /* behind the request line */
	uint32_t length;          /* behind the empty line */
	uint64_t content_length;  /* 0 without one */
	const struct field *host; /* NULL in HTTP/1.0 without one */
	bool has_body_length;
};

/* Bytes used; or one of these. */
enum { HEAD_BAD = -1, HEAD_MORE = -2 };

int head_scan(struct head *head, const uint8_t *bytes, uint32_t size);

/* Whether two names mean the same to some server: letters in any case, and every other byte but digits alike, since CGI turns
 * them all into an underscore (RFC 3875, 4.1.18). */
bool name_is_twin(const uint8_t *a, size_t a_length, const char *b);

#endif
