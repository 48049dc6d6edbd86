/* http.c - what becomes of a packet of an edited flow; see http.h. */
#include "http/http.h"

#include "http/kept.h"
#include "track/track.h"

/* Sequence numbers are compared by the sign of their difference, so an edit must never be 2 GiB behind: at half of that the
 * map gets an empty edit. */
enum { REARM_BYTES = 1 << 30 };

enum { ACKNOWLEDGED_BYTES = 8192 }; /* held ones; less than any client sends without an answer */

/* Its sender's first byte will have this number. */
static void begin_way(struct http_way *way, struct seqmap *map, bool responses, uint32_t first)
{
	way->first = way->next = way->released = way->floor = first;
	stream_begin(&way->stream, responses);
	map->count = 0;
}

static void end_way(struct http *http, struct http_way *way)
{
	hold_end(http, way);
	frames_end(http, way);
}

/* The client's first byte will have this number. */
static void begin_stream(struct http_stream *stream, struct seqmap *map, const struct flow *flow, uint32_t first)
{
	uint8_t bytes[GREETING_SIZE];
	unsigned version = stream->headers.greeting_version;

	begin_way(&stream->way, map, false, first);
	stream->answer = (struct answer) { 0 };
	if (!stream->headers.read)
		stream->way.stream.place = STREAM_OPAQUE;
	stream->greeted = false;
	stream->greeting = (uint8_t)(version ? greeting_write(bytes, version, &flow->tuple[LUN_ORIG]) : 0);
	if (stream->greeting)
		seqmap_add(map, first, 0, stream->greeting);
}

/* ---- pools ---- */

/* Gives a stream the upstream's way, too; false: the pool is empty. */
static bool open_reply(struct http *http, const struct flow_table *table, struct http_stream *stream)
{
	struct http_reply *reply;

	if (http->replies_free != HTTP_NONE) {
		reply = &http->replies[http->replies_free];
		http->replies_free = reply->next_free;
	} else if (http->replies && http->replies_used < http->capacity) {
		reply = &http->replies[http->replies_used++];
	} else {
		return false;
	}
	stream->reply = (uint32_t)(reply - http->replies);
	*reply = (struct http_reply) { .way = { .hold = HTTP_NONE, .frames = HTTP_NONE } };
	begin_way(&reply->way, &table->reply_maps[stream->reply], true, 0); /* the SYN/ACK will say where */
	return true;
}

static void close_reply(struct http *http, struct http_stream *stream)
{
	if (stream->reply == HTTP_NONE)
		return;
	end_way(http, &http->replies[stream->reply].way);
	http->replies[stream->reply].next_free = http->replies_free;
	http->replies_free = stream->reply;
}

static void free_stream(struct http *http, struct http_stream *stream)
{
	stream->reply = http->free;
	http->free = (uint32_t)(stream - http->streams);
}

bool http_stream_open(struct http *http, const struct flow_table *table, struct packet *p,
		      const struct http_headers *headers, void *owner)
{
	struct http_stream *stream;
	struct seqmap *map;

	if (http->free != FLOW_NONE) {
		stream = &http->streams[http->free];
		http->free = stream->reply;
	} else if (http->used < http->capacity) {
		stream = &http->streams[http->used++];
	} else {
		return false;
	}
	*stream = (struct http_stream) {
		.way = { .hold = HTTP_NONE, .frames = HTTP_NONE }, .headers = *headers, .owner = owner, .reply = HTTP_NONE
	};
	if (headers->responses && !open_reply(http, table, stream)) {
		free_stream(http, stream);
		return false;
	}
	map = &table->maps[stream - http->streams];
	map->reply = stream->reply;
	begin_stream(stream, map, p->flow, p->sequence + !!(p->tcp_flags & TCP_SYN));
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
	more->edit = FLOW_NONE;
	end_way(http, &stream->way);
	close_reply(http, stream);
	free_stream(http, stream);
	return stream->owner;
}

/* ---- a packet ---- */

static struct on_path on_path(struct http *http, const struct flow_table *table, struct packet *p)
{
	struct http_stream *stream = http_stream_of(http, table, p->flow);

	return (struct on_path) { .http = http,
				  .table = table,
				  .stream = stream,
				  .way = http_way_of(http, stream, (enum lun_direction)p->direction),
				  .map = flow_map(table, p->flow, (enum lun_direction)p->direction),
				  .p = p };
}

bool http_drop(const struct on_path *path, enum lun_reason reason, const char *what)
{
	TRACE(path->p, "http", NULL, "not now: %s", what);
	return packet_stop(path->p, LUN_DROP, reason);
}

bool http_is_acknowledged(const struct on_path *path, uint32_t sequence)
{
	const struct tcp_side *receiver = &flow_more(path->table, path->p->flow)->tcp.side[!path->p->direction];

	return receiver->flags & TCP_SIDE_ACKED && !sequence_before(receiver->max_ack, sequence);
}

bool http_fits(const struct on_path *path, uint32_t more)
{
	const struct packet *p = path->p;
	const struct writer *payload = &path->http->payload;
	uint32_t end = p->end - p->payload_length + payload->length + more;

	if (!payload->full && end <= UINT16_MAX && (end <= p->end || end <= p->io->capacity))
		return true;
	return http_drop(path, LUN_REASON_http_too_large, "the edited packet is longer than its buffer");
}

bool http_render(const struct on_path *path, const struct head *head, const uint8_t *bytes, uint32_t start)
{
	const struct flow *flow = path->p->flow;
	unsigned rendered;
	struct request request = { .headers = &path->stream->headers,
				   .head = head,
				   .bytes = bytes,
				   .tuple = flow->tuple,
				   .key = path->http->key,
				   .place = start,
				   .generation = flow->generation };

	rendered = request_render(&path->http->payload, &request);
	if (rendered & RENDERED_FAILED)
		TRACE(path->p, "script", NULL, "the request's hook failed");
	if (rendered_refuses(&request, rendered))
		return false; /* which is counted by the verdict */
	path->http->hooks_failed += !!(rendered & RENDERED_FAILED);
	return true;
}

/* Notes a piece that overtakes others.  False: there is no room for one more. */
static bool note_ahead(struct http_stream *stream, struct http_piece piece)
{
	for (unsigned i = 0; i < stream->overtaken; i++) {
		struct http_piece *other = &stream->ahead[i];

		if ((int32_t)(piece.start - other->end) > 0 || (int32_t)(other->start - piece.end) > 0)
			continue;
		if ((int32_t)(piece.start - other->start) < 0)
			other->start = piece.start;
		if ((int32_t)(piece.end - other->end) > 0)
			other->end = piece.end;
		return true;
	}
	if (stream->overtaken == HTTP_AHEAD)
		return false;
	stream->ahead[stream->overtaken++] = piece;
	return true;
}

/* The end of what went on without a gap: the stream's place, or where the pieces that are ahead lead to.  Those are forgotten. */
static uint32_t take_ahead(struct http_stream *stream)
{
	uint32_t end = stream->way.next;

	for (unsigned i = 0; i < stream->overtaken;) {
		const struct http_piece piece = stream->ahead[i];

		if ((int32_t)(piece.start - end) > 0) {
			i++;
			continue;
		}
		stream->ahead[i] = stream->ahead[--stream->overtaken];
		if ((int32_t)(piece.end - end) > 0) {
			end = piece.end;
			i = 0; /* one that was too far ahead may touch now */
		}
	}
	return end;
}

/* What was missing may have come to the receiver past us, or with what we let pass by below. */
static void catch_up(const struct on_path *path)
{
	const struct tcp_side *receiver = &flow_more(path->table, path->p->flow)->tcp.side[!path->p->direction];
	struct http_way *way = path->way;
	uint32_t more = receiver->flags & TCP_SIDE_ACKED ? receiver->max_ack - way->next : 0;

	if (path->stream->answer.known && path->p->direction == LUN_ORIG)
		stream_answered(&way->stream, path->stream->answer.status);
	if (path->stream->overtaken)
		more = take_ahead(path->stream) - way->next;
	if (way->next != way->released || (int32_t)more <= 0 || !stream_skip(&way->stream, more))
		return;
	way->next = way->released += more;
}

/* Bytes in front of which some are missing: if all of them are of the same body, they may overtake those. */
static bool inspect_ahead(const struct on_path *path, uint32_t ahead)
{
	const struct packet *p = path->p;
	struct stream stream = path->way->stream;

	if (path->way->next == path->way->released && !(p->tcp_flags & TCP_FIN) &&
	    stream_skip(&stream, (uint64_t)ahead + p->payload_length) &&
	    (!http_is_carried(path) ||
	     note_ahead(path->stream, (struct http_piece) { p->sequence, p->sequence + p->payload_length })))
		return true;
	return http_drop(path, LUN_REASON_http_lost_place, "bytes before it are missing");
}

/* The receiver would take a FIN for the end of what it has. */
static bool inspect_fin(const struct on_path *path)
{
	const struct http_way *way = path->way;

	if ((int32_t)(path->p->sequence - way->released) <= 0)
		return true;
	if (path->p->sequence == way->next)
		return http_give_up(path, LUN_REASON_http_incomplete, way->stream.offset, "it ends in the middle of a head");
	return http_drop(path, LUN_REASON_http_lost_place, "bytes in front of the FIN are missing");
}

/* Whether what is held may be acknowledged: else what is in front of it would be, too. */
static bool may_acknowledge(const struct on_path *path)
{
	return http_is_acknowledged(path, path->way->released);
}

/* An end that has been told of a closed window asks, by a number that it has used, whether it is open again.  The other's own updates
 * are of no use to it if they acknowledge less than we did. */
static bool inspect_probe(const struct on_path *path)
{
	const struct http_way *way = path->way;
	bool probe = way->next != way->released && (int32_t)(path->p->sequence - way->next) < 0;

	path->http->acknowledges = probe && !(path->p->tcp_flags & (TCP_SYN | TCP_RST)) && may_acknowledge(path);
	return true;
}

bool http_arrived_whole(const struct http *http, const struct packet *p)
{
	return packet_checksums_right(p) || (http->captured && packet_checksums_left_out(p));
}

static bool inspect_checksums(const struct on_path *path)
{
	if (http_arrived_whole(path->http, path->p))
		return true;
	path->p->io->ct = LUN_CT_INVALID;
	return http_drop(path, LUN_REASON_bad_checksum, "a checksum is wrong");
}

/* Whether the packet's bytes are the next ones of a body, and nothing else is to be said with it: then nobody reads them, and an error in
 * them stays one. */
static bool passes_unread(const struct on_path *path)
{
	const struct http_way *way = path->way;
	const struct packet *p = path->p;

	return p->payload_length > 0 && p->sequence == way->next && way->next == way->released && !path->stream->greeting &&
	       stream_passes(&way->stream, p->payload_length);
}

/* Bytes must be at their place, but those of a body. */
static bool inspect_place(const struct on_path *path)
{
	struct packet *p = path->p;
	int32_t ahead;
	uint32_t old;

	ahead = (int32_t)(p->sequence - path->way->next);
	old = ahead < 0 ? (uint32_t)-ahead : 0;
	if (path->way->stream.place == STREAM_REFUSED && p->payload_length > 0 &&
	    (int32_t)(p->sequence + p->payload_length - path->way->released) >
		    0) /* wherever its bytes are, but what went on */
		return http_give_up(path, path->way->stream.reason, path->way->stream.refused_offset,
				    path->way->stream.wrong);
	if (p->payload_length == 0)
		return p->tcp_flags & TCP_FIN ? inspect_fin(path) : inspect_probe(path);
	if (p->tcp_flags & (TCP_SYN | TCP_RST))
		return http_drop(path, LUN_REASON_http_lost_place, "data on a SYN or RST");
	if (p->end > p->io->length || p->in_pieces)
		return http_drop(path, LUN_REASON_http_incomplete, "the packet is cut or a fragment");
	if (ahead > 0)
		return inspect_ahead(path, (uint32_t)ahead);
	path->http->came_again = old > 0;
	old = old < p->payload_length ? old : p->payload_length;
	if (old && !http_again(path, old))
		return false;
	return old == p->payload_length || http_take(path, p->payload_length - old);
}

/* An end that sends again by a timer begins with the first byte that it misses an acknowledgement of.  A probe of the tail may be
 * meant by one such packet, but not by this many in a row. */
enum { AGAIN_MOST = 3 };

/* None of the packet's bytes go on.  An end that sends again what is held would get no answer; one that has sent much may wait for
 * one, provided that what is in front has been acknowledged, for that would be, too.  And if the receiver's window is closed, it is
 * only asked for by bytes that it has no room for, or had: so what comes again goes on as a question for it. */
static bool hold(const struct on_path *path)
{
	struct http_way *way = path->way;
	struct http *http = path->http;

	TRACE(path->p, "http", NULL, "held: a head that is not complete");
	if (http->came_again && path->p->sequence == way->released)
		way->again += way->again < AGAIN_MOST;
	http->acknowledges = (http->came_again || way->next - way->released > ACKNOWLEDGED_BYTES) &&
			     (may_acknowledge(path) || way->again == AGAIN_MOST);
	if (!http->came_again)
		return packet_stop(path->p, LUN_STOLEN, LUN_REASON_none);
	http->start = way->released - 1;
	packet_clear_fin(path->p);
	return true;
}

/* A client that begins again on the same ports numbers anew: by its SYN while nobody has answered, later by the SYN/ACK to it, as
 * far as tracking believes that. */
static void begin_again(const struct on_path *path)
{
	const struct packet *p = path->p;
	struct http_stream *stream = path->stream;
	bool orig = p->direction == LUN_ORIG;
	uint32_t next = orig ? p->sequence + 1 : flow_more(path->table, p->flow)->tcp.side[LUN_REPLY].max_ack;

	if (p->flow->state != (orig ? LUN_STATE_SYN_SENT : LUN_STATE_SYN_RECV) || next == stream->way.next)
		return;
	end_way(path->http, &stream->way);
	begin_stream(stream, flow_map(path->table, p->flow, LUN_ORIG), p->flow, next);
}

/* The upstream numbers its bytes by its SYN, as far as tracking believes that. */
static void begin_reply(const struct on_path *path)
{
	const struct packet *p = path->p;
	struct http_way *way = path->way;

	if (p->direction != LUN_REPLY || !way || !state_is_half_open(p->flow->state) || way->first == p->sequence + 1 ||
	    flow_more(path->table, p->flow)->tcp.side[LUN_REPLY].end != p->sequence + 1)
		return;
	end_way(path->http, way);
	begin_way(way, path->map, true, p->sequence + 1);
}

static bool is_answer_awaited(const struct http_stream *stream)
{
	return stream->way.stream.upgrade && !stream->answer.known && !stream->answer.odd;
}

/* The kernel adds the same to all numbers from now on, and so needs us no more. */
static void shift_all(const struct on_path *path, uint32_t shift)
{
	struct http_stream *stream = path->stream;

	stream->shift = (struct lun_shift) { .position = stream->way.released, .before = shift, .after = shift };
	path->http->shifts = true;
}

/* The first answer is there.  If another protocol begins, the upstream has read all in front of that, so that it does not matter how
 * that is numbered if it comes again. */
static void take_answer(const struct on_path *path)
{
	struct http_stream *stream = path->stream;

	if (stream->answer.known)
		stream_answered(&stream->way.stream, stream->answer.status);
	path->http->shifts = http_is_carried(path);
	if (http_is_carried(path) && stream->way.stream.place == STREAM_OPAQUE)
		shift_all(path, seqmap_to_receiver(flow_map(path->table, path->p->flow, LUN_ORIG), stream->way.released) -
					stream->way.released);
}

/* The upstream's bytes while its first answer is awaited; those that come too soon must come again. */
static bool inspect_answer(const struct on_path *path)
{
	struct http_stream *stream = path->stream;
	const struct packet *p = path->p;
	int32_t old = (int32_t)(stream->answer_next - p->sequence);

	if (p->tcp_flags & TCP_SYN)
		stream->answer_next = p->sequence + 1;
	if (p->tcp_flags & TCP_SYN || !stream->way.stream.upgrade || stream->answer.known || p->payload_length == 0 ||
	    old >= (int32_t)p->payload_length)
		return true;
	if (old < 0 || p->end > p->io->length)
		return http_drop(path, LUN_REASON_http_lost_place, "an answer to an upgrade, of which bytes are missing");
	if (!inspect_checksums(path))
		return false;
	answer_read(&stream->answer, p->io->data + p->payload + old, p->payload_length - (uint32_t)old);
	stream->answer_next = p->sequence + p->payload_length;
	if (!is_answer_awaited(stream))
		take_answer(path);
	return true;
}

/* Looks whether the upstream has the PROXY header, or should get it now. */
static void inspect_greeting(const struct on_path *path)
{
	struct http_stream *stream = path->stream;
	const struct packet *p = path->p;

	if (!stream->greeting || p->tcp_flags & (TCP_SYN | TCP_RST) ||
	    !(http_is_carried(path) || p->flow->flags & FLOW_REPLIED))
		return;
	if (p->direction == LUN_REPLY) {
		if ((int32_t)(p->acknowledgement - (stream->way.first + stream->greeting)) < 0)
			return;
		stream->greeting = 0;
		path->http->shifts = http_is_carried(path);
		return;
	}
	if (http_is_carried(path) && !stream->greeted)
		shift_all(path, stream->greeting); /* what lies in front of the header is the handshake, which is over */
	path->http->greets = !stream->greeted || p->payload_length == 0 || (int32_t)(p->sequence - stream->way.next) < 0;
}

/* The header goes in the place of a packet without payload, which says nothing that it does not.  If it is lost, the upstream has not
 * heard of the client, and sends its SYN/ACK again: so it gets the header, however long the client is silent. */
static bool greet_instead(const struct on_path *path)
{
	TRACE(path->p, "http", NULL, "the PROXY header goes instead");
	return packet_stop(path->p, LUN_STOLEN, LUN_REASON_none);
}

bool http_inspect(struct http *http, const struct flow_table *table, struct packet *p)
{
	struct on_path path;

	http->acknowledges = http->shifts = http->greets = false;
	if (p->role != PACKET_DATA)
		return true;
	http->plan_count = http->new_frame_count = http->payload.length = 0;
	http->payload.full = http->replaced = http->came_again = false;
	path = on_path(http, table, p);
	if (path.way) {
		catch_up(&path);
		if (!passes_unread(&path) && !inspect_checksums(&path))
			return false;
	}
	if (p->tcp_flags & TCP_SYN) {
		begin_again(&path);
		begin_reply(&path);
	}
	inspect_greeting(&path);
	if (p->direction == LUN_REPLY && !inspect_answer(&path))
		return false;
	if (!path.way)
		return true;
	http->start = p->sequence;
	if (!inspect_place(&path))
		return false;
	if (http->replaced && http->payload.length == 0)
		return hold(&path);
	if (http->greets && p->payload_length == 0 && !(p->tcp_flags & TCP_FIN))
		return greet_instead(&path);
	if (p->tcp_flags & TCP_FIN && p->sequence + p->payload_length == path.way->next)
		path.way->next = ++path.way->released; /* it has a number, too */
	return true;
}

static uint32_t to_sender(const void *map, uint32_t sequence)
{
	return seqmap_to_sender(map, sequence);
}

/* Adds an edit; the one that the log forgets for it may have been of bytes that come again. */
static void add_edit(const struct on_path *path, uint32_t start, uint32_t before, uint32_t after)
{
	struct seqmap *map = path->map;
	const struct seqmap_edit *oldest = &map->edits[map->count % SEQMAP_EDITS];

	if (map->count >= SEQMAP_EDITS)
		http_forget(path->way, oldest->start + oldest->before);
	seqmap_add(map, start, before, after);
}

/* A request goes on: its response is to be read. */
static void await_response(const struct on_path *path, const struct http_plan *plan)
{
	struct http_way *reply = http_reply_of(path->http, path->stream);

	if (reply && path->p->direction == LUN_ORIG && !plan->trailers)
		stream_await(&reply->stream, plan->to_head, plan->upgrade);
}

/* Notes what goes on for the first time. */
static void note_new(const struct on_path *path)
{
	struct http *http = path->http;
	struct http_way *way = path->way;

	for (uint32_t i = 0; i < http->plan_count; i++) {
		const struct http_plan *plan = &http->plans[i];
		uint32_t number = path->map->count % SEQMAP_EDITS;

		TRACE(path->p, "http", NULL, "%s of %u bytes becomes %u", plan->trailers ? "trailer section" : "head",
		      plan->before, plan->after);
		way->digests[number] = plan->digest;
		way->trailers = (uint16_t)((way->trailers & ~(1u << number)) | (unsigned)plan->trailers << number);
		add_edit(path, plan->start, plan->before, plan->after);
		await_response(path, plan);
		http->edits++;
	}
	for (uint32_t i = 0; i < http->new_frame_count; i++)
		frames_add(path, &http->new_frames[i]);
}

/* Puts the planned payload in place. */
static void put_payload(const struct on_path *path)
{
	const struct writer *payload = &path->http->payload;
	struct packet *p = path->p;

	memcpy(p->io->data + p->payload, payload->bytes, payload->length);
	p->end = p->end - p->payload_length + payload->length;
	p->payload_length = payload->length;
	p->rebuilt = true;
}

/* Of a RST at the stream's first byte, before the upstream has acknowledged the PROXY header: it answers a segment in which the
 * upstream awaited that header, or will be said again. */
static bool resets_greeting(const struct on_path *path)
{
	const struct packet *p = path->p;

	return p->tcp_flags & TCP_RST && p->direction == LUN_ORIG && path->stream->greeting &&
	       p->sequence == path->stream->way.first;
}

/* The number that a packet has, as its sender counts.  What a segment without bytes says of its place, if it has
 * overtaken heads whose edits are not known yet: the place that the stream has come to, where its acknowledgement and window are as
 * good.  A RST keeps its own: it must be exact to count. */
static uint32_t sequence_known(const struct on_path *path)
{
	const struct packet *p = path->p;
	bool ahead = p->payload_length == 0 && (int32_t)(p->sequence - path->way->released) > 0;

	if (path->http->replaced)
		return path->http->start;
	return ahead && !(p->tcp_flags & TCP_RST) ? path->way->released : p->sequence;
}

/* An empty edit, at the place that was checked, not at what a bare ACK says. */
static void rearm(const struct on_path *path)
{
	struct seqmap *map = path->map;
	const struct seqmap_edit *last = &map->edits[(map->count - 1) % SEQMAP_EDITS],
				 *oldest = &map->edits[map->count % SEQMAP_EDITS];

	if (path->way->released - path->way->floor > REARM_BYTES)
		http_forget(path->way, path->way->released - REARM_BYTES / 2);
	if (map->count == 0 || (int32_t)(path->way->released - last->start) <= REARM_BYTES)
		return;
	if (map->count < SEQMAP_EDITS || http_is_carried(path) || http_is_acknowledged(path, oldest->start + oldest->before))
		add_edit(path, path->way->released, 0, 0);
}

uint32_t http_unshifted(const struct lun_shift *shift, uint32_t sequence)
{
	uint32_t behind = sequence - shift->after;

	return (int32_t)(behind - shift->position) > 0 ? behind : sequence - shift->before;
}

/* The kernel is told of the edits from number `first` on, as of one.  Numbers in front of the last of them are translated to smaller
 * ones than they are, so that less is acknowledged. */
static void shift(const struct on_path *path, uint32_t first)
{
	const struct seqmap *map = path->map;
	const struct seqmap_edit *from = &map->edits[first % SEQMAP_EDITS],
				 *last = &map->edits[(map->count - 1) % SEQMAP_EDITS];

	path->stream->shift = (struct lun_shift) { .position = from->start,
						   .before = from->shift,
						   .after = last->shift + last->after - last->before };
	path->http->shifts = true;
}

/* What an end has sent, under the number that the kernel or, if it does not, we add to. */
static void edit_sent(const struct on_path *path)
{
	struct packet *p = path->p;
	uint32_t count = path->map->count,
		 number = resets_greeting(path) ? p->sequence : seqmap_to_receiver(path->map, sequence_known(path));

	note_new(path);
	rearm(path);
	if (http_is_carried(path) && path->map->count != count)
		shift(path, count);
	packet_set_sequence(p, http_is_carried(path) ? http_unshifted(&path->stream->shift, number) : number);
	if (path->http->replaced)
		put_payload(path);
}

void http_edit(struct http *http, const struct flow_table *table, struct packet *p)
{
	const struct seqmap *other;
	struct on_path path;

	if (p->role != PACKET_DATA || tcp_speaks_of_syn(p))
		return;
	path = on_path(http, table, p);
	other = flow_map(table, p->flow, (enum lun_direction) !p->direction);
	if (other && other->count > 0) {
		packet_set_acknowledgement(p, seqmap_to_sender(other, p->acknowledgement));
		packet_map_sack(p, to_sender, other);
	}
	if (path.way)
		edit_sent(&path);
}

bool http_is_owed(const struct http *http, const struct http_stream *stream)
{
	const struct http_way *reply = http_reply_of(http, stream);

	return reply ? reply->next != reply->released || stream_is_owed(&reply->stream) : stream->way.stream.requests > 0;
}

void http_tell_carried(const struct http *http, const struct flow_table *table, const struct flow *flow,
		       struct lun_event *event)
{
	const struct http_stream *stream = &http->streams[flow_more(table, flow)->edit];

	event->shift = stream->shift;
	event->watched = stream->greeting || is_answer_awaited(stream);
	event->edited = event->watched || stream->way.stream.place != STREAM_OPAQUE;
}

const struct lun_shift *http_shift(const struct http *http, const struct flow_table *table, const struct flow *flow)
{
	return &http_stream_of(http, table, flow)->shift;
}

uint32_t http_receiver_place(const struct http *http, const struct flow_table *table, const struct flow *flow,
			     enum lun_direction direction)
{
	return seqmap_to_receiver(flow_map(table, flow, direction),
				  http_way_of(http, http_stream_of(http, table, flow), direction)->released);
}

uint32_t http_sender_place(const struct http *http, const struct flow_table *table, const struct flow *flow,
			   enum lun_direction direction)
{
	return http_way_of(http, http_stream_of(http, table, flow), direction)->next;
}

uint32_t http_greeting(struct http *http, const struct flow_table *table, const struct flow *flow,
		       uint8_t bytes[GREETING_SIZE], uint32_t *sequence)
{
	struct http_stream *stream = http_stream_of(http, table, flow);

	http->edits += !stream->greeted;
	stream->greeted = true;
	*sequence = stream->way.first;
	return greeting_write(bytes, stream->headers.greeting_version, &flow->tuple[LUN_ORIG]);
}
