/* stream.h - what one end sends on one connection: heads, bodies, and what comes behind the last message.
 *
 * Where a response ends depends on its request, too (RFC 9112, 6.3): each is awaited before it comes, in the order of requests.  One
 * without a length goes on until the connection ends.
 *
 * Bytes go in from the front, as many as there are; each step says what is to become of the next of them.  A head, or a trailer
 * section, is one step, taken when it is complete: nothing of it leaves before.  Steps do not depend on how the bytes were cut
 * into pieces.  The state is small, and may be copied to look ahead. */
#ifndef LUNETTE_HTTP_STREAM_H
#define LUNETTE_HTTP_STREAM_H

#include "base/limits.h"
#include "http/chunked.h"
#include "http/head.h"

#include <lunette/lunette.h>

enum stream_place {
	STREAM_HEAD,     /* in front of a head, or inside one */
	STREAM_BODY,     /* of a length */
	STREAM_CHUNKED,  /* a chunked body */
	STREAM_TRAILERS, /* behind a chunked body */
	STREAM_WAITING,  /* behind a request for another protocol: until the upstream has answered it */
	STREAM_OPAQUE,   /* another protocol */
	STREAM_CLOSED,   /* behind the last request: nothing may come */
	STREAM_REFUSED,
};

struct stream {
	uint64_t offset; /* of the next byte, from the beginning of the stream */
	uint64_t body_left;
	union {
		uint64_t requests; /* whose head was complete */
		uint64_t
			awaited_heads; /* of responses: a bit for each that is awaited, the first one's the lowest: its request is HEAD */
	};
	struct head head; /* the last one, or the one that is coming */
	struct chunked chunked;
	uint8_t place;           /* enum stream_place */
	uint8_t awaited;         /* responses, at most STREAM_AWAITED */
	bool responses;          /* that is what it consists of */
	bool upgrade, last;      /* what was said by the head of the message that is under way; of responses: by a request */
	enum lun_reason reason;  /* if refused */
	const char *wrong;       /* the same in words */
	uint64_t refused_offset; /* the byte, or the line, that was wrong */
};

enum stream_step {
	STREAM_PASS,  /* `length` bytes go on as they are, and mean nothing */
	STREAM_FRAME, /* the same, but they say where chunks end */
	STREAM_EDIT,  /* `length` bytes are a complete head or trailer section, described in `head` */
	STREAM_MORE,  /* these bytes cannot go on yet: come again with them and what follows them */
	STREAM_STOP,  /* refused, and so is everything after it */
};

enum { STREAM_AWAITED = LIMIT(64, 2) };

void stream_begin(struct stream *stream, bool responses);

/* One more response will come, to a request that is HEAD, or that asks for another protocol. */
void stream_await(struct stream *stream, bool to_head, bool upgrade);

/* Whether one is awaited, or has not come to its end. */
bool stream_is_owed(const struct stream *stream);

/* The next step over `bytes`, which begin at stream->offset; `length` bytes of them are done with. */
enum stream_step stream_next(struct stream *stream, const uint8_t *bytes, uint32_t size, uint32_t *length);

/* Whether the next `length` bytes mean nothing to us: those of a body whose length is known, or of another protocol. */
static inline bool stream_passes(const struct stream *stream, uint64_t length)
{
	return stream->place == STREAM_BODY ? length <= stream->body_left : stream->place == STREAM_OPAQUE;
}

/* Steps over bytes without looking at them, if they mean nothing.  False: not all are such. */
bool stream_skip(struct stream *stream, uint64_t length);

/* Nothing goes on from `offset` on; `wrong` is static text. */
enum stream_step stream_refuse(struct stream *stream, enum lun_reason reason, uint64_t offset, const char *wrong);

/* The upstream has answered the request that the stream waits behind, with this status (not 1xx but 101). */
void stream_answered(struct stream *stream, unsigned status);

#endif
