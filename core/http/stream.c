/* stream.c - from message to message; see stream.h. */
#include "http/stream.h"

void stream_begin(struct stream *stream, bool responses)
{
	*stream = (struct stream) { .place = STREAM_HEAD, .responses = responses };
	head_begin(&stream->head, responses ? HEAD_RESPONSE : 0);
}

void stream_await(struct stream *stream, bool to_head, bool upgrade)
{
	stream->awaited_heads |= (uint64_t)to_head << stream->awaited++;
	stream->upgrade |= upgrade;
}

bool stream_is_owed(const struct stream *stream)
{
	return stream->awaited > 0 || stream->place != STREAM_HEAD;
}

enum stream_step stream_refuse(struct stream *stream, enum lun_reason reason, uint64_t offset, const char *wrong)
{
	stream->place = STREAM_REFUSED;
	stream->reason = reason;
	stream->refused_offset = offset;
	stream->wrong = wrong;
	return STREAM_STOP;
}

static enum stream_step refuse_head(struct stream *stream)
{
	const struct head *head = &stream->head;

	return stream_refuse(stream, head->flags & HEAD_TOO_LARGE ? LUN_REASON_http_too_large : LUN_REASON_http_malformed,
			     stream->offset + head->wrong_at, head->wrong);
}

/* Behind a message. */
static void end_message(struct stream *stream)
{
	if (stream->upgrade && !stream->responses)
		stream->place = STREAM_WAITING;
	else if (stream->last)
		stream->place = STREAM_CLOSED;
	else
		stream->place = STREAM_HEAD;
}

/* What follows a head, if that is as it says. */
static void begin_body(struct stream *stream)
{
	const struct head *head = &stream->head;

	stream->last = head->flags & HEAD_CLOSE;
	stream->body_left = head->flags & HEAD_LENGTH ? head->content_length : 0;
	stream->chunked = (struct chunked) { 0 };
	if (head->flags & HEAD_CHUNKED)
		stream->place = STREAM_CHUNKED;
	else if (stream->body_left)
		stream->place = STREAM_BODY;
	else
		end_message(stream);
}

static void begin_request(struct stream *stream)
{
	stream->requests++;
	stream->upgrade = stream->head.flags & HEAD_UPGRADE;
	begin_body(stream);
}

/* RFC 9112, 6.3.  NULL, or what is wrong with the response. */
static const char *begin_response(struct stream *stream)
{
	const struct head *head = &stream->head;
	bool to_head = stream->awaited && stream->awaited_heads & 1, upgrade = stream->upgrade;

	if (head->status < 200 && head->status != 101)
		return NULL; /* another one follows */
	if (stream->awaited == 0 && !(head->flags & HEAD_CLOSE))
		return "a response that no request has asked for";
	stream->awaited_heads >>= 1;
	stream->awaited -= stream->awaited > 0;
	stream->upgrade = false;
	if (head->status == 101) {
		stream->place = STREAM_OPAQUE;
		return upgrade ? NULL : "another protocol that no request has asked for";
	}
	begin_body(stream);
	if (to_head || head->status == 204 || head->status == 304)
		end_message(stream);
	else if (!(head->flags & (HEAD_LENGTH | HEAD_CHUNKED)))
		stream->place = STREAM_OPAQUE;
	return NULL;
}

static enum stream_step next_head(struct stream *stream, const uint8_t *bytes, uint32_t size, uint32_t *length)
{
	bool trailers = stream->place == STREAM_TRAILERS;
	const char *wrong = NULL;
	int used;

	if (stream->head.length) /* of the head before this one */
		head_begin(&stream->head,
			   (uint16_t)((trailers ? HEAD_TRAILERS : 0) | (stream->responses ? HEAD_RESPONSE : 0)));
	used = head_scan(&stream->head, bytes, size);
	if (used == HEAD_BAD)
		return refuse_head(stream);
	if (used == HEAD_MORE)
		return STREAM_MORE;
	if (trailers)
		end_message(stream);
	else if (stream->responses)
		wrong = begin_response(stream);
	else
		begin_request(stream);
	if (wrong)
		return stream_refuse(stream, LUN_REASON_http_malformed, stream->offset, wrong);
	*length = (uint32_t)used;
	stream->offset += *length;
	return STREAM_EDIT;
}

bool stream_skip(struct stream *stream, uint64_t length)
{
	if (!stream_passes(stream, length))
		return false;
	stream->offset += length;
	if (stream->place == STREAM_OPAQUE)
		return true;
	stream->body_left -= length;
	if (stream->body_left == 0)
		end_message(stream);
	return true;
}

static enum stream_step next_body(struct stream *stream, uint32_t size, uint32_t *length)
{
	*length = stream->body_left < size ? (uint32_t)stream->body_left : size;
	stream_skip(stream, *length);
	return STREAM_PASS;
}

static enum stream_step next_chunked(struct stream *stream, const uint8_t *bytes, uint32_t size, uint32_t *length)
{
	enum stream_step step = chunked_in_data(&stream->chunked) ? STREAM_PASS : STREAM_FRAME;

	*length = chunked_scan(&stream->chunked, bytes, size);
	stream->offset += *length;
	if (*length == 0)
		return stream_refuse(stream, LUN_REASON_http_malformed, stream->offset, stream->chunked.wrong);
	if (chunked_is_over(&stream->chunked))
		stream->place = STREAM_TRAILERS;
	return step;
}

enum stream_step stream_next(struct stream *stream, const uint8_t *bytes, uint32_t size, uint32_t *length)
{
	*length = 0;
	if (stream->place == STREAM_REFUSED)
		return STREAM_STOP;
	if (size == 0)
		return STREAM_MORE;
	switch ((enum stream_place)stream->place) {
	case STREAM_BODY:
		return next_body(stream, size, length);
	case STREAM_CHUNKED:
		return next_chunked(stream, bytes, size, length);
	case STREAM_WAITING:
		return size <= HEAD_SIZE ? STREAM_MORE
					 : stream_refuse(stream, LUN_REASON_http_too_large, stream->offset,
							 "more than 64 kB behind a request that was not answered yet");
	case STREAM_OPAQUE:
		*length = size;
		stream->offset += size;
		return STREAM_PASS;
	case STREAM_CLOSED:
		return stream_refuse(stream, LUN_REASON_http_malformed, stream->offset, "bytes behind the last message");
	default:
		return next_head(stream, bytes, size, length);
	}
}

void stream_answered(struct stream *stream, unsigned status)
{
	if (stream->place != STREAM_WAITING)
		return;
	stream->upgrade = false;
	if (status == 101)
		stream->place = STREAM_OPAQUE;
	else
		end_message(stream);
}
