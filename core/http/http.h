/* http.h - header lines set in the requests of a flow, without terminating it.
 *
 * This layer does one thing so far: a head that is complete in one segment, at the place in the stream where a head is due, is
 * replaced by one with the service's headers right behind the request line and without the client's lines of those names.  A
 * head that is not so is refused, for a request that passes unedited is a spoofed one.  Bodies have a Content-Length; chunked
 * bodies and upgrades are refused.
 *
 * http_inspect decides and renders, and changes nothing; http_edit copies.  A retransmitted head is rendered again and gives
 * the same bytes, because everything in it comes from the head, the flow and its position in the stream. */
#ifndef LUNETTE_HTTP_HTTP_H
#define LUNETTE_HTTP_HTTP_H

#include "http/head.h"
#include "track/flow.h"
#include "track/seqmap.h"

/* What is set in the requests of a service, and the texts that values may name. */
struct http_headers {
	const struct lun_header *headers;
	size_t count;
	const char *service; /* "namespace/name" */
	uint16_t port;       /* the service's */
};

/* The client's stream of one flow; its sequence map has the same index in the flow table. */
struct http_stream {
	uint64_t digests[SEQMAP_EDITS]; /* of the heads of the map's edits: sent again, they must be the same bytes */
	struct http_headers headers;
	void *owner;        /* what keeps `headers` alive; given back by http_stream_close */
	uint64_t body_left; /* bytes until the next head */
	uint32_t next;      /* sequence number of the next byte, as the client counts */
	uint32_t next_free; /* in the pool */
};

struct http {
	struct http_stream *streams;
	uint32_t capacity, used, free;
	const struct hash_key *key; /* for request ids */
	uint64_t edits;
	/* For the packet on the path: what http_inspect planned. */
	struct head head;
	uint8_t *rendered; /* HEAD_SIZE * 2 bytes */
	uint32_t rendered_length;
	uint32_t head_offset; /* in the payload */
	uint64_t digest;      /* of the planned head's bytes */
	bool planned, again;  /* an edit; of a head that was edited before */
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

/* render.c: the head with the headers set, into `http->rendered`.  False: it does not fit there. */
bool http_render(struct http *http, const struct flow *flow, const struct http_stream *stream, const uint8_t *bytes,
		 uint32_t sequence);

#endif
