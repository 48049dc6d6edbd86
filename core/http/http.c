/* http.c - follows the client's stream from head to head; see http.h. */
#include "http/http.h"

#include "base/memory.h"
#include "packet/trace.h"

#include <assert.h>
#include <stdlib.h>

/* Sequence numbers are compared by the sign of their difference, so an edit must never be 2 GiB behind: at half of that the
 * map gets an empty edit. */
enum { REARM_BYTES = 1 << 30 };

enum { PAYLOAD_SIZE = UINT16_MAX };

int http_init(struct http *http, uint32_t capacity, const struct hash_key *key)
{
	*http = (struct http) { .capacity = capacity, .free = FLOW_NONE, .key = key };
	http->streams = memory_new((size_t)capacity * sizeof(*http->streams));
	http->payload = (struct writer) { .bytes = malloc(PAYLOAD_SIZE), .capacity = PAYLOAD_SIZE };
	if (http->streams && http->payload.bytes)
		return 0;
	http_fini(http);
	return LUN_NO_MEMORY;
}

void http_fini(struct http *http)
{
	memory_free(http->streams, (size_t)http->capacity * sizeof(*http->streams));
	free(http->payload.bytes);
	http->streams = NULL;
	http->payload.bytes = NULL;
}

bool http_stream_open(struct http *http, const struct flow_table *table, struct packet *p,
		      const struct http_headers *headers, void *owner)
{
	struct http_stream *stream;

	if (http->free != FLOW_NONE) {
		stream = &http->streams[http->free];
		http->free = stream->next_free;
	} else if (http->used < http->capacity) {
		stream = &http->streams[http->used++];
	} else {
		return false;
	}
	*stream = (struct http_stream) { .headers = *headers, .owner = owner };
	stream_begin(&stream->stream);
	table->maps[stream - http->streams].count = 0;
	stream->next = p->sequence + !!(p->tcp_flags & TCP_SYN);
	flow_more(table, p->flow)->edit = (uint32_t)(stream - http->streams);
	p->flow->flags |= FLOW_HTTP;
	return true;
}

void *http_stream_close(struct http *http, const struct flow_table *table, struct flow *flow)
{
	struct flow_more *more = flow_more(table, flow);
	struct http_stream *stream;

	if (more->edit == FLOW_NONE)
		return NULL;
	stream = &http->streams[more->edit];
	stream->next_free = http->free;
	http->free = more->edit;
	more->edit = FLOW_NONE;
	return stream->owner;
}

static struct http_stream *stream_of(const struct http *http, const struct flow_table *table, const struct flow *flow)
{
	return &http->streams[flow_more(table, flow)->edit];
}

static struct seqmap *map_of(const struct flow_table *table, const struct flow *flow)
{
	return &table->maps[flow_more(table, flow)->edit];
}

static bool refuse(struct packet *p, enum lun_reason reason, const char *what)
{
	TRACE(p, "http", NULL, "refused: %s", what);
	return packet_stop(p, LUN_DROP, reason);
}

/* Whether the log of edits may forget `count` more of its oldest: the upstream has acknowledged all of those heads.  Then what lies
 * in front of them is translated by a wrong shift, but always to numbers that are acknowledged, too; and so is what the upstream says
 * of it. */
static bool log_has_room(const struct flow_table *table, const struct flow *flow, uint32_t count)
{
	const struct tcp_side *upstream = &flow_more(table, flow)->tcp.side[LUN_REPLY];
	const struct seqmap *map = map_of(table, flow);
	const struct seqmap_edit *last = &map->edits[(map->count + count - 1) % SEQMAP_EDITS]; /* to be forgotten */

	return map->count + count <= SEQMAP_EDITS ||
	       (upstream->flags & TCP_SIDE_ACKED && !sequence_before(upstream->max_ack, last->start + last->before));
}

/* Renders the head, or trailer section, of `length` bytes that begins at `offset` of the payload. */
static bool plan_head(struct http *http, const struct http_stream *stream, const struct head *head, struct packet *p,
		      uint32_t offset)
{
	const uint8_t *bytes = p->io->data + p->payload + offset;
	struct request request = { .headers = &stream->headers,
				   .head = head,
				   .bytes = bytes,
				   .tuple = p->flow->tuple,
				   .key = http->key,
				   .place = p->sequence + offset,
				   .generation = p->flow->generation };
	struct http_plan *plan = &http->plans[http->plan_count];
	uint32_t start = http->payload.length;

	if (http->plan_count == SEQMAP_EDITS)
		return refuse(p, LUN_REASON_http_lost_place, "too many heads in one segment");
	request_render(&http->payload, &request);
	*plan = (struct http_plan) { .offset = offset,
				     .before = head->length,
				     .after = http->payload.length - start,
				     .digest = hash_bytes(http->key, bytes, head->length),
				     .trailers = head->flags & HEAD_TRAILERS };
	http->plan_count++;
	return true;
}

static bool fits(const struct http *http, struct packet *p)
{
	uint32_t end = p->end - p->payload_length + http->payload.length;

	if (!http->payload.full && end <= UINT16_MAX && (end <= p->end || end <= p->io->capacity))
		return true;
	return refuse(p, LUN_REASON_http_too_large, "the edited packet is longer than its buffer");
}

/* The next bytes of the stream, and where they lead to. */
static bool inspect_next(struct http *http, const struct flow_table *table, struct http_stream *stream, struct packet *p)
{
	struct stream ahead = stream->stream;
	const uint8_t *bytes = p->io->data + p->payload;
	uint32_t length;

	for (uint32_t at = 0; at < p->payload_length; at += length) {
		switch (stream_next(&ahead, bytes + at, p->payload_length - at, &length)) {
		case STREAM_STOP:
			return refuse(p, ahead.reason, ahead.wrong);
		case STREAM_MORE:
			return refuse(p, LUN_REASON_http_incomplete,
				      ahead.place == STREAM_WAITING ? "bytes behind a request that was not answered yet"
								    : "a head that is not complete in this segment");
		case STREAM_EDIT:
			if (!plan_head(http, stream, &ahead.head, p, at))
				return false;
			break;
		case STREAM_PASS:
			writer_put(&http->payload, bytes + at, length);
		}
	}
	if (http->plan_count && !log_has_room(table, p->flow, http->plan_count))
		return refuse(p, LUN_REASON_http_lost_place, "too many heads are under way");
	if (http->plan_count && !fits(http, p))
		return false;
	stream->stream = ahead;
	stream->next += p->payload_length;
	return true;
}

/* A head of the log, as it lies in this segment: it must be there again, from its first byte to its last. */
static bool plan_again(struct http *http, const struct http_stream *stream, const struct seqmap *map, uint32_t number,
		       struct packet *p)
{
	const struct seqmap_edit *edit = &map->edits[number];
	uint32_t offset = edit->start - p->sequence;
	struct head head;

	if ((int32_t)offset < 0 || offset + edit->before > p->payload_length)
		return refuse(p, LUN_REASON_http_lost_place, "a retransmission cuts a head in another place");
	head_begin(&head, stream->trailers >> number & 1);
	if (hash_bytes(http->key, p->io->data + p->payload + offset, edit->before) != stream->digests[number] ||
	    head_scan(&head, p->io->data + p->payload + offset, edit->before) != (int)edit->before)
		return refuse(p, LUN_REASON_http_lost_place, "a retransmission brings another head");
	if (!plan_head(http, stream, &head, p, offset))
		return false;
	return http->plans[http->plan_count - 1].after == edit->after ||
	       refuse(p, LUN_REASON_http_lost_place, "a head gets other lines than it got before");
}

/* Bytes that were let through before: body bytes pass, heads are edited as they were.  One that the log forgot is passed as it is:
 * it lands in front of what the upstream has acknowledged (see log_has_room). */
static bool inspect_again(struct http *http, struct http_stream *stream, const struct seqmap *map, struct packet *p)
{
	const uint8_t *bytes = p->io->data + p->payload;
	uint32_t first = map->count < SEQMAP_EDITS ? 0 : map->count - SEQMAP_EDITS, at = 0;

	http->again = true;
	for (uint32_t i = first; i < map->count; i++) {
		const struct seqmap_edit *edit = &map->edits[i % SEQMAP_EDITS];
		uint32_t offset = edit->start - p->sequence;

		if (edit->before == 0 || (int32_t)(offset + edit->before) <= 0 ||
		    (int32_t)offset >= (int32_t)p->payload_length)
			continue; /* no head, in front of the segment, or behind it */
		if ((int32_t)offset > 0)
			writer_put(&http->payload, bytes + at, offset - at);
		if (!plan_again(http, stream, map, i % SEQMAP_EDITS, p))
			return false;
		at = offset + edit->before;
	}
	writer_put(&http->payload, bytes + at, p->payload_length - at);
	return http->plan_count == 0 || fits(http, p);
}

/* Bytes must be at their place; so must a FIN, for the upstream would take it for the end of what it has. */
static bool inspect_place(struct http *http, const struct flow_table *table, struct http_stream *stream, struct packet *p)
{
	int32_t ahead = (int32_t)(p->sequence - stream->next);

	if (p->payload_length == 0)
		return !(p->tcp_flags & TCP_FIN) || ahead <= 0 ||
		       refuse(p, LUN_REASON_http_lost_place, "bytes in front of the FIN are missing");
	if (p->tcp_flags & (TCP_SYN | TCP_RST))
		return refuse(p, LUN_REASON_http_lost_place, "data on a SYN or RST");
	if (p->end > p->io->length || p->in_pieces)
		return refuse(p, LUN_REASON_http_incomplete, "the packet is cut or a fragment");
	if (ahead == 0)
		return inspect_next(http, table, stream, p);
	if (ahead < 0 && (int32_t)(p->sequence + p->payload_length - stream->next) <= 0)
		return inspect_again(http, stream, map_of(table, p->flow), p);
	return refuse(p, LUN_REASON_http_lost_place,
		      ahead < 0 ? "old and new bytes in one segment" : "bytes before it are missing");
}

/* A client that begins again on the same ports numbers anew: by its SYN while nobody has answered, later by the SYN/ACK to it, as
 * far as tracking believes that. */
static void begin_again(struct http_stream *stream, const struct flow_table *table, const struct packet *p)
{
	bool orig = p->direction == LUN_ORIG;
	uint32_t next = orig ? p->sequence + 1 : flow_more(table, p->flow)->tcp.side[LUN_REPLY].max_ack;

	if (p->flow->state != (orig ? LUN_STATE_SYN_SENT : LUN_STATE_SYN_RECV) || next == stream->next)
		return;
	stream->next = next;
	stream_begin(&stream->stream);
	map_of(table, p->flow)->count = 0;
}

bool http_inspect(struct http *http, const struct flow_table *table, struct packet *p)
{
	struct http_stream *stream;

	http->again = false;
	http->plan_count = http->payload.length = 0;
	http->payload.full = false;
	if (!(p->flow->flags & FLOW_HTTP) || p->role != PACKET_DATA)
		return true;
	stream = stream_of(http, table, p->flow);
	if (p->tcp_flags & TCP_SYN)
		begin_again(stream, table, p);
	if (p->direction != LUN_ORIG)
		return true;
	if (!inspect_place(http, table, stream, p))
		return false;
	if (p->tcp_flags & TCP_FIN && p->sequence + p->payload_length == stream->next)
		stream->next++; /* it has a number, too */
	return true;
}

static uint32_t to_client(const void *map, uint32_t sequence)
{
	return seqmap_to_client(map, sequence);
}

/* Puts the planned payload in place. */
static void put_payload(struct http *http, struct http_stream *stream, struct seqmap *map, struct packet *p)
{
	uint32_t sequence = p->sequence;

	for (uint32_t i = 0; i < http->plan_count; i++) {
		const struct http_plan *plan = &http->plans[i];
		uint32_t number = map->count % SEQMAP_EDITS;

		TRACE(p, "http", NULL, "%s of %u bytes becomes %u", plan->trailers ? "trailer section" : "head",
		      plan->before, plan->after);
		if (http->again)
			continue;
		stream->digests[number] = plan->digest;
		stream->trailers = (uint16_t)((stream->trailers & ~(1u << number)) | (unsigned)plan->trailers << number);
		seqmap_add(map, sequence + plan->offset, plan->before, plan->after);
		http->edits++;
	}
	memcpy(p->io->data + p->payload, http->payload.bytes, http->payload.length);
	p->end = p->end - p->payload_length + http->payload.length;
	p->payload_length = http->payload.length;
	p->rebuilt = true;
}

/* What a segment without bytes says of its place, if it has overtaken heads whose edits are not known yet: the place that the
 * stream has come to, where its acknowledgement and window are as good.  A RST keeps its own: it must be exact to count. */
static uint32_t sequence_known(const struct http_stream *stream, const struct packet *p)
{
	bool ahead = (int32_t)(p->sequence - stream->next) > 0;

	return ahead && !(p->tcp_flags & TCP_RST) ? stream->next : p->sequence;
}

void http_edit(struct http *http, const struct flow_table *table, struct packet *p)
{
	struct http_stream *stream;
	struct seqmap *map;

	if (!(p->flow->flags & FLOW_HTTP) || p->role != PACKET_DATA || tcp_speaks_of_syn(p))
		return;
	stream = stream_of(http, table, p->flow);
	map = map_of(table, p->flow);
	if (p->direction == LUN_ORIG) {
		packet_set_sequence(p, seqmap_to_upstream(map, sequence_known(stream, p)));
		if (!http->plan_count && map->count > 0 && log_has_room(table, p->flow, 1) &&
		    (int32_t)(stream->next - map->edits[(map->count - 1) % SEQMAP_EDITS].start) > REARM_BYTES)
			seqmap_add(map, stream->next, 0, 0); /* the place that was checked, not what a bare ACK says */
	} else if (map->count > 0) {
		packet_set_acknowledgement(p, seqmap_to_client(map, p->acknowledgement));
		packet_map_sack(p, to_client, map);
	}
	if (http->plan_count)
		put_payload(http, stream, map, p);
}
