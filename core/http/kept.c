/* kept.c - two pools of a fixed size: a few large places for heads that come in pieces, which are rarely needed and never for long,
 * and some for the frames of chunked bodies. */
#include "http/kept.h"

#include "base/memory.h"

/* ---- held bytes ---- */

enum { HOLD_SIZE = HEAD_SIZE + UINT16_MAX + 1 }; /* a head that lacks a byte, and a packet behind it */

struct http_hold *hold_of(const struct http *http, const struct http_way *way)
{
	return way->hold == HTTP_NONE ? NULL : &http->holds[way->hold];
}

uint8_t *hold_at(const struct http *http, const struct http_hold *hold, uint32_t sequence)
{
	return http->hold_bytes + (size_t)(hold - http->holds) * HOLD_SIZE + (sequence - hold->start);
}

/* A free hold, else the one that began first; who had that waits no longer. */
static struct http_hold *find_hold(struct http *http)
{
	struct http_hold *oldest = &http->holds[0];
	struct http_way *loser;

	for (uint32_t i = 0; i < http->hold_count; i++) {
		if (!http->holds[i].way)
			return &http->holds[i];
		if (http->holds[i].since < oldest->since)
			oldest = &http->holds[i];
	}
	loser = oldest->way;
	if (loser->next != loser->released) {
		stream_refuse(&loser->stream, LUN_REASON_http_incomplete, loser->stream.offset,
			      "a head that gave its place to another one");
		loser->next = loser->released;
	}
	hold_end(http, loser);
	return oldest;
}

struct http_hold *hold_begin(const struct on_path *path, uint32_t start)
{
	struct http *http = path->http;
	struct http_hold *hold = hold_of(http, path->way);

	if (!hold)
		hold = find_hold(http);
	*hold = (struct http_hold) { .way = path->way, .start = start, .since = path->table->now_ms };
	path->way->hold = (uint32_t)(hold - http->holds);
	return hold;
}

bool hold_add(const struct http *http, struct http_hold *hold, const uint8_t *bytes, uint32_t length)
{
	if (length > HOLD_SIZE - hold->length)
		return false;
	memcpy(hold_at(http, hold, hold->start + hold->length), bytes, length);
	hold->length += length;
	return true;
}

void hold_end(struct http *http, struct http_way *way)
{
	if (way->hold == HTTP_NONE)
		return;
	http->holds[way->hold].way = NULL;
	way->hold = HTTP_NONE;
}

/* ---- frames ---- */

static struct http_frame *frame_at(struct http_frames *frames, uint32_t number)
{
	return &frames->ring[(frames->first + number) % HTTP_FRAMES];
}

static struct http_frames *frames_of(const struct http *http, const struct http_way *way)
{
	return way->frames == HTTP_NONE ? NULL : &http->frames[way->frames];
}

/* A log that is in use, but holds nothing that matters any more, or NULL. */
static struct http_frames *find_idle(const struct on_path *path)
{
	const struct http *http = path->http;

	for (uint32_t i = 0; i < http->frames_used; i++) {
		struct http_frames *frames = &http->frames[i];
		const struct tcp_side *receiver = &path->table->more[frames->flow].tcp.side[!frames->direction];
		const struct http_frame *last;

		if (frames->count == 0)
			return frames;
		last = frame_at(frames, frames->count - 1);
		if (receiver->flags & TCP_SIDE_ACKED && !sequence_before(receiver->max_ack, last->start + last->length))
			return frames;
	}
	return NULL;
}

/* The log of another stream, whose client's framing is not known then. */
static struct http_frames *rob(struct http *http)
{
	struct http_frames *frames = &http->frames[http->frames_robbed++ % http->frames_used];
	const struct http_frame *last = frame_at(frames, frames->count - 1);

	http_forget(frames->way, last->start + last->length);
	return frames;
}

/* Takes a log into use, if need be another stream's; false: all are needed. */
static bool frames_begin(const struct on_path *path)
{
	struct http *http = path->http;
	struct http_frames *frames = NULL;

	if (http->frames_free != HTTP_NONE) {
		frames = &http->frames[http->frames_free];
		http->frames_free = frames->next_free;
	} else if (http->frames_used < http->frames_count) {
		frames = &http->frames[http->frames_used++];
	} else {
		frames = find_idle(path);
		if (!frames && http_is_carried(path))
			frames = rob(http);
		if (!frames)
			return false;
		frames->way->frames = HTTP_NONE;
	}
	frames->first = frames->count = 0;
	frames->way = path->way;
	frames->direction = path->p->direction;
	frames->flow = flow_index(path->table, path->p->flow);
	path->way->frames = (uint32_t)(frames - http->frames);
	return true;
}

bool frames_have_room(const struct on_path *path, uint32_t count)
{
	struct http_frames *frames = frames_of(path->http, path->way);

	if (!frames)
		return frames_begin(path) && count <= HTTP_FRAMES;
	while (frames->count > 0 && http_is_acknowledged(path, frame_at(frames, 0)->start + frame_at(frames, 0)->length)) {
		frames->first = (frames->first + 1) % HTTP_FRAMES;
		frames->count--;
	}
	while (http_is_carried(path) && frames->count + count > HTTP_FRAMES && frames->count > 0) {
		http_forget(path->way, frame_at(frames, 0)->start + frame_at(frames, 0)->length);
		frames->first = (frames->first + 1) % HTTP_FRAMES;
		frames->count--;
	}
	return frames->count + count <= HTTP_FRAMES;
}

void frames_add(const struct on_path *path, const struct http_frame *frame)
{
	struct http_frames *frames = frames_of(path->http, path->way);

	*frame_at(frames, frames->count++) = *frame;
}

bool frames_agree(const struct on_path *path, uint32_t start, const uint8_t *bytes, uint32_t length)
{
	struct http_frames *frames = frames_of(path->http, path->way);

	for (uint32_t i = 0; frames && i < frames->count; i++) {
		const struct http_frame *frame = frame_at(frames, i);

		for (uint32_t k = 0; k < frame->length; k++) {
			uint32_t offset = frame->start + k - start;

			if (offset < length && bytes[offset] != frame->bytes[k])
				return false;
		}
	}
	return true;
}

void frames_end(struct http *http, struct http_way *way)
{
	if (way->frames == HTTP_NONE)
		return;
	http->frames[way->frames].next_free = http->frames_free;
	http->frames_free = way->frames;
	way->frames = HTTP_NONE;
}

/* ---- memory ---- */

enum { HOLDS = 64 };

int http_init(struct http *http, uint32_t capacity, const struct hash_key *key)
{
	uint32_t holds = capacity < HOLDS ? capacity : HOLDS, logs = capacity / 32 + 16;

	*http = (struct http) { .capacity = capacity,
				.hold_count = holds,
				.frames_count = logs < capacity ? logs : capacity,
				.free = FLOW_NONE,
				.frames_free = HTTP_NONE,
				.replies_free = HTTP_NONE,
				.key = key };
	http->streams = memory_new((size_t)capacity * sizeof(*http->streams));
	http->holds = memory_new(holds * sizeof(*http->holds));
	http->hold_bytes = memory_new((size_t)holds * HOLD_SIZE);
	http->frames = memory_new(http->frames_count * sizeof(*http->frames));
	http->payload = (struct writer) { .bytes = memory_take(UINT16_MAX), .capacity = UINT16_MAX };
	if (!http->streams || !http->holds || !http->hold_bytes || !http->frames || !http->payload.bytes) {
		http_fini(http);
		return LUN_NO_MEMORY;
	}
	for (uint32_t i = 0; i < holds; i++)
		http->holds[i].way = NULL;
	return 0;
}

int http_edit_responses(struct http *http, struct flow_table *table)
{
	if (flow_table_edit_replies(table) < 0)
		return LUN_NO_MEMORY;
	if (!http->replies)
		http->replies = memory_new((size_t)http->capacity * sizeof(*http->replies));
	return http->replies ? 0 : LUN_NO_MEMORY;
}

void http_fini(struct http *http)
{
	memory_free(http->replies, (size_t)http->capacity * sizeof(*http->replies));
	memory_free(http->streams, (size_t)http->capacity * sizeof(*http->streams));
	memory_free(http->holds, http->hold_count * sizeof(*http->holds));
	memory_free(http->hold_bytes, (size_t)http->hold_count * HOLD_SIZE);
	memory_free(http->frames, http->frames_count * sizeof(*http->frames));
	memory_give(http->payload.bytes);
	*http = (struct http) { .free = FLOW_NONE };
}

uint64_t http_memory(const struct http *http)
{
	uint64_t replies = http->replies ? http->capacity * (sizeof(*http->replies) + sizeof(struct seqmap)) : 0;

	return http->capacity * sizeof(*http->streams) + replies + http->hold_count * (HOLD_SIZE + sizeof(*http->holds)) +
	       http->frames_count * sizeof(*http->frames) + UINT16_MAX;
}
