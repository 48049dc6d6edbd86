/* head.h - where the parts of an HTTP/1 head are (RFC 9112, 2 to 6), a request's or a response's, and of a trailer section (7.1.2).
 *
 * The scanner is strict: what two servers could read differently is refused, because bytes in flight cannot be repaired.  It
 * looks at each byte once, copies and allocates nothing, and can stop behind any byte: parts are offsets into the caller's
 * bytes, which begin with the head's first byte each time.  Of the fields only those that say where the message ends, to whom
 * it goes and what comes behind it are remembered; head_next_field walks along all of them. */
#ifndef LUNETTE_HTTP_HEAD_H
#define LUNETTE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of a line with its CRLF, and of a head. */
enum { HEAD_LINE = 8192, HEAD_SIZE = 65536 };

struct part {
	uint32_t offset, length;
};

struct field {
	struct part name, value; /* the value without blanks around it */
	uint32_t end;            /* behind the line's CRLF; it begins with the name */
};

enum head_flag {
	HEAD_OLD = 0x01, /* HTTP/1.0 */
	HEAD_LENGTH = 0x02,
	HEAD_CHUNKED = 0x04,
	HEAD_HOST = 0x08,
	HEAD_UPGRADE = 0x10,    /* asks for another protocol */
	HEAD_CLOSE = 0x20,      /* nothing may come behind this message */
	HEAD_KEEP_ALIVE = 0x40, /* says so: only of meaning in HTTP/1.0 */
	HEAD_CONNECTION = 0x80,
	HEAD_TOO_LARGE = 0x100, /* that is what is wrong with it */
	HEAD_TRAILERS = 0x200,  /* no head, but a trailer section */
	HEAD_RESPONSE = 0x400,  /* a response's; of trailers, too */
};

struct head {
	/* of a complete head */
	struct part method, target;
	struct part authority;   /* of an absolute target; inside of it */
	struct part host;        /* the value; if HEAD_HOST */
	uint32_t fields_offset;  /* behind the request line, or the status line */
	uint32_t length;         /* behind the empty line */
	uint64_t content_length; /* if HEAD_LENGTH */
	uint16_t flags;
	uint16_t status; /* of a response */
	/* where the scanner is */
	uint8_t step;
	uint32_t at, line; /* the next byte; where its line begins */
	uint32_t colon;
	/* of a bad one: a few words, and the offset of the byte, or of the line, that they speak of */
	const char *wrong;
	uint32_t wrong_at;
};

/* Bytes used; or one of these. */
enum { HEAD_BAD = -1, HEAD_MORE = -2 };

/* A head begins; `flags` of HEAD_TRAILERS and HEAD_RESPONSE. */
void head_begin(struct head *head, uint16_t flags);

/* Whether a request's method is HEAD, so that its response has no body. */
bool head_is_for_head(const struct head *head, const uint8_t *bytes);

/* Goes on with a head of which `size` bytes are there by now. */
int head_scan(struct head *head, const uint8_t *bytes, uint32_t size);

/* The field that begins at `at`, which is then behind it; first head->fields_offset.  False: there is no more.  Of a complete head. */
bool head_next_field(const struct head *head, const uint8_t *bytes, uint32_t *at, struct field *field);

/* The next member of a comma-separated list, out of `rest` (RFC 9110, 5.6.1); false: there is no more.  Members may be empty. */
bool part_next_member(const uint8_t *bytes, struct part *rest, struct part *member);

/* Whether a part is host[:port], where the host is a name, an IPv4 address, an IPv6 address in brackets, or nothing at all. */
bool authority_is_valid(const uint8_t *bytes, struct part part);

/* Whether a part without control characters is `text`, of lower case letters, digits and "-/:.", in any case.  Inline, for the length of
 * a text that is written out is then known. */
static inline bool part_equals(const uint8_t *bytes, struct part part, const char *text)
{
	if (strlen(text) != part.length)
		return false;
	bytes += part.offset;
	for (; part.length >= 8; part.length -= 8, bytes += 8, text += 8) {
		uint64_t a, b;

		memcpy(&a, bytes, sizeof(a));
		memcpy(&b, text, sizeof(b));
		if ((a | 0x2020202020202020) != b)
			return false;
	}
	for (uint32_t i = 0; i < part.length; i++)
		if ((bytes[i] | 0x20) != (uint8_t)text[i]) /* of letters; digits and '-' have that bit */
			return false;
	return true;
}

/* Whether two names mean the same to some server: letters in any case, and every other byte but digits alike, since CGI turns
 * them all into an underscore (RFC 3875, 4.1.18). */
bool name_is_twin(const uint8_t *a, size_t a_length, const char *b, size_t b_length);

#endif
