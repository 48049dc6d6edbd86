/* http.h - header lines set in the requests and responses of a flow, and a PROXY header in front of them, without terminating it.
 *
 * The client's stream, and where responses are edited the upstream's, too, is followed from message to message (stream.h).  Both are
 * one type and go through the same functions; a client has no more of it than its own where responses are left alone.  What may go on
 * goes on at once, in the packet that it came in; the rest is one of three:
 *
 *	held     the beginning of a head, or trailer section, is kept until its end has come; then it goes on, edited, in the
 *	         packet that completed it
 *	cut off  what cannot be taken now is as if it had been lost: its sender sends it again
 *	refused  nothing goes on any more; what the ends are told, core/engine/refused.c says
 *
 * Each request that goes on leaves word in the upstream's stream: how its response is to be read.
 *
 * What follows a request for another protocol is cut off until its answer is known.  That needs the upstream's first bytes, and so
 * the request must be the first.
 *
 * The PROXY header is an edit at the stream's beginning.  It goes in a packet of our own, beside the client's first one: in time for a
 * server that speaks first, and without making a full segment of the client's longer than the way allows.  Until the upstream has
 * acknowledged it, it goes again with whatever the client sends again, and in the place of what has no payload.
 *
 * What is sent again must be the same, as far as it has a meaning: an upstream may have got only the second copy.  Heads are
 * rendered again, from the packet or from what was held, and give the same bytes, because everything in them comes from the head,
 * the flow and the head's position in the stream; what frames chunks is kept until the upstream has acknowledged it; bodies may
 * differ.
 *
 * Of a flow that the kernel carries only the client's packets with payload come here, so that nothing is known of what the upstream
 * has acknowledged.  Then the oldest is forgotten where there is no room, and what comes again from in front of that is dropped.  The
 * kernel adds one of two numbers to the client's: before and behind the newest edit.  What we send on is numbered so that the sum is
 * right.  While the PROXY header is on its way, or the answer to a request for another protocol, packets of both directions come here;
 * behind that the kernel does without us, if nothing is left to edit. */
#ifndef LUNETTE_HTTP_HTTP_H
#define LUNETTE_HTTP_HTTP_H

#include "base/limits.h"
#include "http/answer.h"
#include "http/greeting.h"
#include "http/request.h"
#include "http/stream.h"
#include "track/flow.h"
#include "track/seqmap.h"

enum { HTTP_NONE = UINT32_MAX };

/* Bytes of a client, from `start` to in front of `end`. */
struct http_piece {
	uint32_t start, end;
};

enum { HTTP_AHEAD = LIMIT(4, 1) };

/* What the client of a refused stream was told, as it counts. */
struct http_refusal {
	uint32_t start, end; /* of our response, and of the FIN behind it */
	uint32_t next;       /* of the client's next byte */
	unsigned status;
};

/* What one end sends.  Sequence numbers are that end's. */
struct http_way {
	union {
		uint64_t
			digests[SEQMAP_EDITS]; /* of the heads of the map's edits: sent again, they must be the same bytes */
		struct http_refusal refusal;   /* of the client's, if it was answered: the flow is FLOW_ANSWERED then */
	};
	struct stream stream;
	uint32_t next;     /* of the next byte that is to come */
	uint32_t released; /* of the first that has not gone on: what is between is held */
	uint32_t first;    /* of the first byte */
	uint32_t
		floor; /* if the kernel carries: of what is in front of it, not all is remembered that must be the same again */
	uint32_t hold;     /* index, or HTTP_NONE */
	uint32_t frames;   /* index, or HTTP_NONE */
	uint16_t trailers; /* a bit for each edit of the ring: it is one of a trailer section */
	uint8_t again;     /* times that what is held came again, with nothing in front of it between */
};

/* The streams of one flow; the client's sequence map has the same index in the flow table. */
struct http_stream {
	struct http_way way; /* of the client */
	struct http_headers headers;
	void *owner;          /* what keeps `headers` alive; given back by http_stream_close */
	uint32_t reply;       /* index of the upstream's way, or HTTP_NONE; in the pool, of the next free stream */
	uint32_t answer_next; /* the upstream's number of the next byte of its first answer */
	struct answer answer; /* to the first request, if that asks for another protocol */
	uint8_t greeting;     /* length of the PROXY header that the upstream has not acknowledged yet; 0: none */
	bool greeted : 1;     /* it was sent */
	bool told : 1;        /* the embedder was, that the stream is refused */
	/* If the kernel carries the flow. */
	uint8_t overtaken;                   /* pieces in `ahead` */
	struct lun_shift shift;              /* what the kernel adds */
	struct http_piece ahead[HTTP_AHEAD]; /* of a body, that went on although bytes in front of them are missing */
};

/* What the upstream of a flow sends, where responses are edited; its map has the same index among the reply maps. */
struct http_reply {
	struct http_way way;
	uint32_t next_free;
};

/* Bytes as they came: of a head that is not complete, or was not, until its receiver has acknowledged it. */
struct http_hold {
	struct http_way *way; /* whose, or NULL */
	uint32_t start;       /* sequence number of the first byte */
	uint32_t length;
	uint64_t since; /* ms of the table's clock */
};

/* A few bytes that frame chunks. */
struct http_frame {
	uint32_t start;
	uint8_t length, bytes[11];
};

enum { HTTP_FRAMES = LIMIT(128, 8) };

/* The frames that their receiver has not acknowledged yet, in order. */
struct http_frames {
	struct http_frame ring[HTTP_FRAMES];
	uint32_t first, count;
	struct http_way *way; /* whose */
	uint32_t flow;        /* index */
	uint8_t direction;
	uint32_t next_free;
};

/* One head, or trailer section, that is to be edited on the path. */
struct http_plan {
	uint32_t start, before, after;
	uint64_t digest;
	bool trailers;
	bool to_head, upgrade; /* of a request: it is HEAD; it asks for another protocol */
};

struct http {
	struct http_stream *streams;
	struct http_reply *replies; /* `capacity`, or NULL: no policy has edited responses yet */
	uint32_t replies_used, replies_free;
	struct http_hold *holds;
	uint8_t *hold_bytes; /* HTTP_HOLD_SIZE for each */
	struct http_frames *frames;
	uint32_t capacity, used, free;
	uint32_t hold_count, frames_count, frames_used, frames_free, frames_robbed;
	const struct hash_key *key; /* for request ids */
	uint64_t edits, hooks_failed;
	bool captured; /* as in lun_config */
	/* For the packet on the path: what http_inspect planned. */
	struct http_plan plans[SEQMAP_EDITS]; /* of heads that go on for the first time */
	uint32_t plan_count;
	struct http_frame new_frames[HTTP_FRAMES];
	uint32_t new_frame_count;
	struct writer payload; /* the segment's, as it is to be; if `replaced` */
	uint32_t start;        /* the sender's number of its first byte */
	bool replaced;
	bool came_again;   /* some of its bytes */
	bool acknowledges; /* the sender should be told that what is held has come */
	bool shifts;       /* the kernel is to be told what it does from now on */
	bool greets;       /* the upstream should get the PROXY header, now */
};

int http_init(struct http *http, uint32_t capacity, const struct hash_key *key);
void http_fini(struct http *http);

/* Takes the memory to edit responses with, unless it has it.  Returns 0 or LUN_NO_MEMORY. */
int http_edit_responses(struct http *http, struct flow_table *table);

/* Bytes that it has taken. */
uint64_t http_memory(const struct http *http);

/* Gives a flow, opened by `p`, a stream; false: the pool is empty. */
bool http_stream_open(struct http *http, const struct flow_table *table, struct packet *p,
		      const struct http_headers *headers, void *owner);
/* Takes the stream of a flow back; returns its owner, or NULL if the flow has none. */
void *http_stream_close(struct http *http, const struct flow_table *table, struct flow *flow);

/* Whether the packet's checksums say so.  What is read of it is acted on, and what is written anew gets a new checksum: an error on the
 * way must not get through either. */
bool http_arrived_whole(const struct http *http, const struct packet *p);

/* Of a packet whose flow has a stream.  False: it goes no further. */
bool http_inspect(struct http *http, const struct flow_table *table, struct packet *p);
/* Puts the planned payload in place and translates numbers. */
void http_edit(struct http *http, const struct flow_table *table, struct packet *p);

/* The stream of a flow that is FLOW_HTTP. */
static inline struct http_stream *http_stream_of(const struct http *http, const struct flow_table *table,
						 const struct flow *flow)
{
	return &http->streams[flow_more(table, flow)->edit];
}

/* What the upstream sends, or NULL: it is not edited. */
static inline struct http_way *http_reply_of(const struct http *http, const struct http_stream *stream)
{
	return stream->reply == HTTP_NONE ? NULL : &http->replies[stream->reply].way;
}

static inline struct http_way *http_way_of(const struct http *http, struct http_stream *stream, enum lun_direction direction)
{
	return direction == LUN_ORIG ? &stream->way : http_reply_of(http, stream);
}

/* Whether the client waits for a response, or may. */
bool http_is_owed(const struct http *http, const struct http_stream *stream);

/* Fills in what the kernel is to do for a flow that it carries: `shift`, `edited` and `watched`. */
void http_tell_carried(const struct http *http, const struct flow_table *table, const struct flow *flow,
		       struct lun_event *event);
/* What it is to add to the numbers of the flow's client. */
const struct lun_shift *http_shift(const struct http *http, const struct flow_table *table, const struct flow *flow);
/* The number to which the kernel adds so that `sequence` comes out. */
uint32_t http_unshifted(const struct lun_shift *shift, uint32_t sequence);
/* Writes the PROXY header of a flow, which is about to be sent; returns its length, and sets the number of its first byte. */
uint32_t http_greeting(struct http *http, const struct flow_table *table, const struct flow *flow,
		       uint8_t bytes[GREETING_SIZE], uint32_t *sequence);

/* The number of the next byte that goes on in a direction, as its receiver counts. */
uint32_t http_receiver_place(const struct http *http, const struct flow_table *table, const struct flow *flow,
			     enum lun_direction direction);
/* The number of the next byte that is to come from the end that sends in a direction, as it counts. */
uint32_t http_sender_place(const struct http *http, const struct flow_table *table, const struct flow *flow,
			   enum lun_direction direction);

#endif
