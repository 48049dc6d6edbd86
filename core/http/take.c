/* take.c - bytes that an end sends for the first time, in order.
 *
 * They are looked at where they are, or behind those that are held, and the stream takes as many steps over them as it can.  What it
 * cannot step over is held, or cut off, or refuses the stream; what is in front of that goes on, so that it does not matter how the
 * bytes were put into packets. */
#include "http/kept.h"

enum { HEAD_TIME = 60000 }; /* ms from a head's first byte to its last, once it did not come in one packet */

/* How the steps over some bytes ended. */
enum ending { ENDING_ALL, ENDING_HOLD, ENDING_CUT, ENDING_REFUSED };

/* The bytes on hand: `size` of them, from `start` on, of which `at` are done with and `written` are in http->payload. */
struct taken {
	struct stream ahead;  /* the stream as it will be */
	struct stream before; /* the last step */
	const uint8_t *bytes;
	uint32_t start, size, at, written;
	const char *why; /* of a cut */
};

/* Puts the bytes that were only passed over into the new payload. */
static void write_passed(const struct on_path *path, struct taken *t)
{
	writer_put(&path->http->payload, t->bytes + t->written, t->at - t->written);
	t->written = t->at;
}

/* Whether the log of edits may forget its oldest ones for so many new ones: the receiver has acknowledged all of those heads.  Then
 * what lies in front of them is translated by a wrong shift, but always to numbers that are acknowledged, too; and so is what the
 * receiver says of it. */
static bool log_has_room(const struct on_path *path, uint32_t count)
{
	const struct seqmap *map = path->map;
	const struct seqmap_edit *last = &map->edits[(map->count + count - 1) % SEQMAP_EDITS]; /* to be forgotten */

	return map->count + count <= SEQMAP_EDITS || http_is_carried(path) ||
	       http_is_acknowledged(path, last->start + last->before);
}

/* Whether the responses to so many more requests can be told apart, if they are read. */
static bool has_room_for_response(const struct on_path *path, uint32_t count)
{
	const struct http_way *reply = http_reply_of(path->http, path->stream);

	return !reply || path->p->direction != LUN_ORIG || reply->stream.awaited + count <= STREAM_AWAITED;
}

/* One head, or trailer section, of `length` bytes. */
static enum ending take_head(const struct on_path *path, struct taken *t, uint32_t length)
{
	struct http *http = path->http;
	const uint8_t *bytes = t->bytes + t->at;
	uint32_t after;

	if (http->plan_count == SEQMAP_EDITS || !log_has_room(path, http->plan_count + 1) ||
	    !has_room_for_response(path, http->plan_count + 1)) {
		t->why = "too many heads are under way";
		return ENDING_CUT;
	}
	write_passed(path, t);
	after = http->payload.length;
	if (!http_render(path, &t->ahead.head, bytes, t->start + t->at)) {
		stream_refuse(&t->ahead, LUN_REASON_policy_error, t->ahead.offset - length, HTTP_HOOK_FAILED);
		return ENDING_REFUSED;
	}
	http->plans[http->plan_count++] = (struct http_plan) { .start = t->start + t->at,
							       .before = length,
							       .after = http->payload.length - after,
							       .digest = http_digest(http, bytes, length, after),
							       .trailers = t->ahead.head.flags & HEAD_TRAILERS,
							       .to_head = head_is_for_head(&t->ahead.head, bytes),
							       .upgrade = t->ahead.upgrade };
	t->written = t->at + length;
	return ENDING_ALL;
}

/* Bytes that frame chunks. */
static enum ending take_frame(const struct on_path *path, struct taken *t, uint32_t length)
{
	struct http *http = path->http;
	const uint32_t most = sizeof(http->new_frames[0].bytes);
	uint32_t count = (length + most - 1) / most;

	if (http->new_frame_count + count > HTTP_FRAMES || !frames_have_room(path, http->new_frame_count + count)) {
		t->why = "too many chunks are under way";
		return ENDING_CUT;
	}
	for (uint32_t done = 0; done < length; done += most) {
		struct http_frame *frame = &http->new_frames[http->new_frame_count++];

		frame->start = t->start + t->at + done;
		frame->length = (uint8_t)(length - done < most ? length - done : most);
		memcpy(frame->bytes, t->bytes + t->at + done, frame->length);
	}
	return ENDING_ALL;
}

/* One step; false: the last one, and how it ended. */
static bool step(const struct on_path *path, struct taken *t, enum ending *ending)
{
	uint32_t length;

	if (path->stream->answer.known && path->p->direction == LUN_ORIG)
		stream_answered(&t->ahead, path->stream->answer.status);
	t->before = t->ahead;
	switch (stream_next(&t->ahead, t->bytes + t->at, t->size - t->at, &length)) {
	case STREAM_STOP:
		*ending = ENDING_REFUSED;
		return false;
	case STREAM_MORE:
		t->why = "bytes behind a request that was not answered yet";
		*ending = t->ahead.place == STREAM_WAITING ? ENDING_CUT : ENDING_HOLD;
		return false;
	case STREAM_EDIT:
		if (path->p->direction == LUN_ORIG && t->ahead.upgrade && t->ahead.requests > 1) {
			stream_refuse(&t->ahead, LUN_REASON_http_malformed, t->ahead.offset - length,
				      "an upgrade behind other requests, whose answers are not read");
			*ending = ENDING_REFUSED;
			return false;
		}
		if (t->ahead.upgrade && http_is_carried(path) && !(t->ahead.head.flags & HEAD_TRAILERS))
			path->stream->answer_next = path->p->acknowledgement; /* nothing was answered on this connection */
		*ending = take_head(path, t, length);
		break;
	case STREAM_FRAME:
		*ending = take_frame(path, t, length);
		break;
	case STREAM_PASS:
		break;
	}
	if (*ending == ENDING_CUT)
		t->ahead = t->before;
	if (*ending == ENDING_ALL)
		t->at += length;
	return *ending == ENDING_ALL;
}

static enum ending take_steps(const struct on_path *path, struct taken *t)
{
	enum ending ending = ENDING_ALL;

	while (t->at < t->size && step(path, t, &ending))
		;
	return ending;
}

/* Keeps the rest, which begins a head, unless it is where it is to be kept already.  False: there is no room now. */
static bool keep_rest(const struct on_path *path, const struct taken *t)
{
	struct http_hold *hold = hold_of(path->http, path->way);

	if (hold && t->bytes + t->at == hold_at(path->http, hold, t->start + t->at)) {
		if (t->at)
			hold->since = path->table->now_ms; /* another head */
		return true;
	}
	if (hold && !http_is_carried(path) && !http_is_acknowledged(path, hold->start + hold->length))
		return false; /* the head before this one may have to go on again */
	hold = hold_begin(path, t->start + t->at);
	return hold_add(path->http, hold, t->bytes + t->at, t->size - t->at);
}

/* Sets the bytes on hand: those of the packet, or those that are held with them.  False: there is no room for both. */
static bool gather(const struct on_path *path, struct taken *t, uint32_t length)
{
	struct http_way *way = path->way;
	struct http_hold *hold = hold_of(path->http, way);
	uint8_t *payload = path->p->io->data + path->p->payload + path->p->payload_length - length;

	*t = (struct taken) { .ahead = way->stream, .bytes = payload, .start = way->next, .size = length };
	if (way->next == way->released)
		return true;
	if (!hold_add(path->http, hold, payload, length))
		return false;
	t->start = way->released;
	t->size += way->next - way->released;
	t->bytes = hold_at(path->http, hold, t->start);
	return true;
}

bool http_give_up(const struct on_path *path, enum lun_reason reason, uint64_t offset, const char *what)
{
	struct http_way *way = path->way;

	stream_refuse(&way->stream, reason, offset, what);
	way->next = way->released;
	hold_end(path->http, way);
	TRACE(path->p, "http", NULL, "refused at byte %llu: %s", (unsigned long long)offset, what);
	return packet_stop(path->p, LUN_REJECT, reason);
}

/* Decides about what the steps did not get over; then the stream is where it is. */
static bool settle_stream(const struct on_path *path, struct taken *t, enum ending ending)
{
	struct http_way *way = path->way;
	const struct http_hold *hold = hold_of(path->http, way);
	bool held = way->next != way->released;

	if (ending == ENDING_HOLD && held && t->at == 0 && path->table->now_ms - hold->since > HEAD_TIME) {
		stream_refuse(&t->ahead, LUN_REASON_http_incomplete, t->ahead.offset, "a head that took more than a minute");
		ending = ENDING_REFUSED;
	}
	if (ending == ENDING_REFUSED && t->at == 0 && path->http->payload.length == 0)
		return http_give_up(path, t->ahead.reason, t->ahead.refused_offset, t->ahead.wrong);
	if (!http_fits(path, t->at - t->written))
		return false;
	if (ending == ENDING_HOLD && !keep_rest(path, t)) {
		t->why = "the head before this one is not acknowledged yet";
		t->ahead = t->before;
		ending = ENDING_CUT;
	}
	if (ending == ENDING_CUT && t->at == 0) /* the stream stays where it is, in the middle of a held head perhaps */
		return path->http->payload.length > 0 || http_drop(path, LUN_REASON_http_lost_place, t->why);
	if (t->at)
		way->again = 0;
	way->released = t->start + t->at;
	way->next = ending == ENDING_HOLD ? t->start + t->size : way->released;
	way->stream = t->ahead;
	return true;
}

bool http_take(const struct on_path *path, uint32_t length)
{
	struct http *http = path->http;
	struct http_way *way = path->way;
	struct http_hold *hold = hold_of(http, way);
	bool held = way->next != way->released, taken;
	enum ending ending;
	struct taken t;

	if (hold && !held && http_is_acknowledged(path, hold->start + hold->length))
		hold_end(http, way);
	if (way->stream.place == STREAM_HEAD && http_is_acknowledged(path, way->released))
		frames_end(http, way);
	if (!gather(path, &t, length))
		return http_drop(path, LUN_REASON_http_lost_place, "no room for more held bytes");
	if (http->payload.length == 0)
		http->start = t.start;
	ending = take_steps(path, &t);
	taken = settle_stream(path, &t, ending);
	if (held && hold_of(http, way) == hold)
		hold->length = way->next - hold->start; /* what was not taken is not kept */
	if (!taken || (!held && t.at == t.size && t.written == 0 && !http->replaced))
		return taken;
	write_passed(path, &t);
	http->replaced = true;
	if (t.at < t.size) /* a FIN would end what is cut off, too */
		packet_clear_fin(path->p);
	return true;
}
