/* http.h - header lines set in the requests of a flow, without terminating it.
 *
 * The client's stream is followed from message to message (stream.h).  A head, or trailer section, that is complete in one segment
 * is replaced by what the service makes of it (request.h); one that is not is refused, for a request that passes unedited is a
 * spoofed one.  A segment may hold any number of them.
 *
 * http_inspect decides and renders, and changes nothing; http_edit copies.  What is sent again is rendered again and gives the
 * same bytes, because everything in it comes from the head, the flow and the head's position in the stream. */
#ifndef LUNETTE_HTTP_HTTP_H
#define LUNETTE_HTTP_HTTP_H

#include "http/request.h"
#include "http/stream.h"
#include "track/flow.h"
#include "track/seqmap.h"

/* The client's stream of one flow; its sequence map has the same index in the flow table. */
struct http_stream {
	uint64_t digests[SEQMAP_EDITS]; /* of the heads of the map's edits: sent again, they must be the same bytes */
	struct stream stream;
	struct http_headers headers;
	void *owner;        /* what keeps `headers` alive; given back by http_stream_close */
	uint32_t next;      /* sequence number of the next byte, as the client counts */
	uint32_t next_free; /* in the pool */
	uint16_t trailers;  /* a bit for each edit of the ring: it is one of a trailer section */
};

/* One head, or trailer section, of the segment on the path. */
struct http_plan {
	uint32_t offset, before, after; /* in the segment's payload */
	uint64_t digest;
	bool trailers;
};

struct http {
	struct http_stream *streams;
	uint32_t capacity, used, free;
	const struct hash_key *key; /* for request ids */
	uint64_t edits;
	/* For the packet on the path: what http_inspect planned. */
	struct http_plan plans[SEQMAP_EDITS];
	uint32_t plan_count;
	struct writer payload; /* the segment's, as it is to be */
	bool again;            /* these heads were edited before */
};

int http_init(struct http *http, uint32_t capacity, const struct hash_key *key);
void http_fini(struct http *http);

/* Gives a flow, opened by `p`, a stream; false: the pool is empty. */
bool http_stream_open(struct http *http, const struct flow_table *table, struct packet *p,
		      const struct http_headers *headers, void *owner);
/* Takes the stream of a flow back; returns its owner, or NULL if the flow has none. */
void *http_stream_close(struct http *http, const struct flow_table *table, struct flow *flow);

/* False: the packet goes no further. */
bool http_inspect(struct http *http, const struct flow_table *table, struct packet *p);
/* Puts the planned head in place and translates numbers. */
void http_edit(struct http *http, const struct flow_table *table, struct packet *p);

#endif
