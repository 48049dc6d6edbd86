/* kept.h - what http.c, take.c and again.c share: the stream of a packet, and what is remembered of bytes that their receiver has
 * not acknowledged. */
#ifndef LUNETTE_HTTP_KEPT_H
#define LUNETTE_HTTP_KEPT_H

#include "http/http.h"
#include "packet/trace.h"

/* The packet on the path with all that belongs to it. */
struct on_path {
	struct http *http;
	const struct flow_table *table;
	struct http_stream *stream;
	struct http_way *way; /* in which it goes; NULL: nothing is edited there */
	struct seqmap *map;   /* of that */
	struct packet *p;
};

/* Whether the kernel carries the flow. */
static inline bool http_is_carried(const struct on_path *path)
{
	return path->p->io->carried;
}

/* What kind of heads its bytes hold. */
static inline uint16_t http_head_flags(const struct on_path *path)
{
	return path->p->direction == LUN_REPLY ? HEAD_RESPONSE : 0;
}

/* What lies in front of `sequence` is not remembered in full any more. */
static inline void http_forget(struct http_way *way, uint32_t sequence)
{
	if ((int32_t)(sequence - way->floor) > 0)
		way->floor = sequence;
}

/* Leaves the verdict that the packet's bytes do not go on; returns false. */
bool http_drop(const struct on_path *path, enum lun_reason reason, const char *what);

/* take.c: nothing of this stream goes on any more, because of what is at `offset` of it; returns false. */
bool http_give_up(const struct on_path *path, enum lun_reason reason, uint64_t offset, const char *what);

/* Whether the receiver has acknowledged everything in front of `sequence`. */
bool http_is_acknowledged(const struct on_path *path, uint32_t sequence);

/* Renders a head that lies at `bytes`, and is at `start` of the client's stream, behind what is in http->payload.  False: the policy's
 * hook failed, and such a request is refused. */
bool http_render(const struct on_path *path, const struct head *head, const uint8_t *bytes, uint32_t start);

/* Of a head as it came, and as it stands in the payload from `rendered` on: a hook may answer otherwise the next time. */
static inline uint64_t http_digest(const struct http *http, const uint8_t *bytes, uint32_t length, uint32_t rendered)
{
	const struct writer *payload = &http->payload;
	uint64_t digests[2] = { hash_bytes(http->key, bytes, length),
				hash_bytes(http->key, payload->bytes + rendered, payload->length - rendered) };

	return hash_bytes(http->key, digests, sizeof(digests));
}

/* Whether the packet can carry the new payload, with so many bytes that are still to be written; if not, it is dropped. */
bool http_fits(const struct on_path *path, uint32_t more);

/* take.c: bytes that come for the first time, the last `length` of the packet.  False: the packet goes no further. */
bool http_take(const struct on_path *path, uint32_t length);

/* again.c: bytes that came before, the first `length` of the packet. */
bool http_again(const struct on_path *path, uint32_t length);

/* ---- held bytes ---- */

struct http_hold *hold_of(const struct http *http, const struct http_way *way);
/* Where the byte of that number is, up to the hold's end. */
uint8_t *hold_at(const struct http *http, const struct http_hold *hold, uint32_t sequence);

/* Gives the stream a hold that begins at `start`, if need be somebody else's: the one that has been there longest. */
struct http_hold *hold_begin(const struct on_path *path, uint32_t start);
/* Appends bytes; false: there is no room. */
bool hold_add(const struct http *http, struct http_hold *hold, const uint8_t *bytes, uint32_t length);
void hold_end(struct http *http, struct http_way *way);

/* ---- frames ---- */

/* Whether the log will have room for `count` more frames, taking it into use or shortening it if need be. */
bool frames_have_room(const struct on_path *path, uint32_t count);
void frames_add(const struct on_path *path, const struct http_frame *frame);
/* Whether bytes that come again, at `start`, frame chunks as they did. */
bool frames_agree(const struct on_path *path, uint32_t start, const uint8_t *bytes, uint32_t length);
void frames_end(struct http *http, struct http_way *way);

#endif
