/* http.c - follows the client's stream from head to head; see http.h. */
#include "http/http.h"

#include "base/memory.h"
#include "packet/trace.h"

#include <assert.h>
#include <stdlib.h>

/* Sequence numbers are compared by the sign of their difference, so an edit must never be 2 GiB behind: at half of that the
 * map gets an empty edit. */
enum { REARM_BYTES = 1 << 30 };

int http_init(struct http *http, uint32_t capacity, const struct hash_key *key)
{
	*http = (struct http) { .capacity = capacity, .free = FLOW_NONE, .key = key };
	http->streams = memory_new((size_t)capacity * sizeof(*http->streams));
	http->rendered = malloc((size_t)HEAD_SIZE * 2);
	if (http->streams && http->rendered)
		return 0;
	http_fini(http);
	return LUN_NO_MEMORY;
}

void http_fini(struct http *http)
{
	memory_free(http->streams, (size_t)http->capacity * sizeof(*http->streams));
	free(http->rendered);
	http->streams = NULL;
	http->rendered = NULL;
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

/* The head that begins at `offset` of the payload. */
static bool inspect_head(struct http *http, struct http_stream *stream, struct packet *p, uint32_t offset)
{
	const uint8_t *bytes = p->io->data + p->payload + offset;
	int used = head_scan(&http->head, bytes, p->payload_length - offset);
	uint32_t growth_room;

	if (used == HEAD_MORE)
		return refuse(p, LUN_REASON_http_incomplete, "the head is not complete in this segment");
	if (used == HEAD_BAD)
		return refuse(p, LUN_REASON_http_malformed, "not a head that every server reads alike");
	if (!http_render(http, p->flow, stream, bytes, p->sequence + offset))
		return refuse(p, LUN_REASON_http_too_large, "the edited head is too long");
	growth_room = p->io->capacity > p->end ? p->io->capacity - p->end : 0;
	if (http->rendered_length > (uint32_t)used + growth_room ||
	    p->end + http->rendered_length - (uint32_t)used > UINT16_MAX)
		return refuse(p, LUN_REASON_http_too_large, "the edited packet is longer than its buffer");
	http->digest = hash_bytes(http->key, bytes, http->head.length);
	http->planned = true;
	http->head_offset = offset;
	return true;
}

/* Whether the log of edits may forget its oldest: the upstream has acknowledged all of that head.  Then what lies in front of it is
 * translated by a wrong shift, but always to numbers that are acknowledged, too; and so is what the upstream says of it. */
static bool log_has_room(const struct flow_table *table, const struct flow *flow)
{
	const struct tcp_side *upstream = &flow_more(table, flow)->tcp.side[LUN_REPLY];
	const struct seqmap *map = map_of(table, flow);
	const struct seqmap_edit *oldest = &map->edits[map->count % SEQMAP_EDITS];

	return map->count < SEQMAP_EDITS ||
	       (upstream->flags & TCP_SIDE_ACKED && !sequence_before(upstream->max_ack, oldest->start + oldest->before));
}

/* The next bytes of the stream: the rest of a body, then a head, then its body; a second head in one segment is refused. */
static bool inspect_next(struct http *http, const struct flow_table *table, struct http_stream *stream, struct packet *p)
{
	uint32_t length = p->payload_length;
	uint32_t body = stream->body_left < length ? (uint32_t)stream->body_left : length;

	if (body < length) {
		if (!log_has_room(table, p->flow))
			return refuse(p, LUN_REASON_http_lost_place, "too many heads are under way");
		if (!inspect_head(http, stream, p, body))
			return false;
		if (http->head.content_length < length - body - http->head.length)
			return refuse(p, LUN_REASON_http_incomplete, "two heads in one segment");
		stream->body_left = http->head.content_length - (length - body - http->head.length);
	} else {
		stream->body_left -= body;
	}
	stream->next += length;
	return true;
}

/* Bytes that were let through before: body bytes pass; a head must be there again from its first byte to its last.  One that the
 * log forgot is passed as it is: it lands in front of what the upstream has acknowledged (see log_has_room). */
static bool inspect_again(struct http *http, struct http_stream *stream, const struct seqmap *map, struct packet *p)
{
	for (uint32_t i = map->count < SEQMAP_EDITS ? map->count : SEQMAP_EDITS; i-- > 0;) {
		const struct seqmap_edit *edit = &map->edits[i];
		uint32_t offset = edit->start - p->sequence;

		if (edit->before == 0 || (int32_t)(edit->start + edit->before - p->sequence) <= 0 ||
		    (int32_t)offset >= (int32_t)p->payload_length)
			continue; /* no head, in front of the segment, or behind it */
		if ((int32_t)offset < 0 || offset + edit->before > p->payload_length || http->planned)
			return refuse(p, LUN_REASON_http_lost_place, "a retransmission cuts a head in another place");
		if (!inspect_head(http, stream, p, offset))
			return false;
		if (http->head.length != edit->before || http->digest != stream->digests[i])
			return refuse(p, LUN_REASON_http_lost_place, "a retransmission brings another head");
	}
	http->again = true;
	return true;
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
	stream->body_left = 0;
	map_of(table, p->flow)->count = 0;
}

bool http_inspect(struct http *http, const struct flow_table *table, struct packet *p)
{
	struct http_stream *stream;

	http->planned = http->again = false;
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

/* Replaces the planned head; what is behind it moves. */
static void put_head(struct http *http, struct http_stream *stream, struct seqmap *map, struct packet *p)
{
	uint32_t before = http->head.length, after = http->rendered_length;
	uint8_t *head = p->io->data + p->payload + http->head_offset;

	if (!http->again) {
		stream->digests[map->count % SEQMAP_EDITS] = http->digest;
		seqmap_add(map, p->sequence + http->head_offset, before, after);
	}
	memmove(head + after, head + before, p->end - p->payload - http->head_offset - before);
	memcpy(head, http->rendered, after);
	p->end = p->end + after - before;
	p->payload_length = p->payload_length + after - before;
	p->rebuilt = true;
	http->edits += !http->again;
	TRACE(p, "http", NULL, "head of %u bytes becomes %u", before, after);
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
		if (!http->planned && map->count > 0 && log_has_room(table, p->flow) &&
		    (int32_t)(stream->next - map->edits[(map->count - 1) % SEQMAP_EDITS].start) > REARM_BYTES)
			seqmap_add(map, stream->next, 0, 0); /* the place that was checked, not what a bare ACK says */
	} else if (map->count > 0) {
		packet_set_acknowledgement(p, seqmap_to_client(map, p->acknowledgement));
		packet_map_sack(p, to_client, map);
	}
	if (http->planned)
		put_head(http, stream, map, p);
}
