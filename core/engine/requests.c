/* requests.c - one end's bytes through the edits of a service, without packets: what `lunette http` and tests of a policy ask.
 *
 * Bytes that cannot go on yet are kept, at most one head of them; all others are written from where they are. */
#include "base/config.h"
#include "base/fail.h"
#include "base/memory.h"
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

enum { HELD_SIZE = HEAD_SIZE + 1, RENDERED_SIZE = 4 * HEAD_SIZE };

struct lun_http {
	struct stream stream;
	struct http_headers headers;
	struct lun_tuple tuple[2];
	struct hash_key key;
	struct lun_http_config config;
	bool greeted;    /* the PROXY header is written, if there is one */
	unsigned answer; /* to a request for another protocol; 0: none yet */
	uint32_t held_length;
	uint8_t *held;     /* HELD_SIZE bytes */
	uint8_t *rendered; /* RENDERED_SIZE bytes, in the same piece of memory */
};

/* ---- the service ---- */

/* The port that `text` names behind "namespace/name:", or the first of TCP if it is NULL. */
static const struct service_port *find_port(const struct lun_policy *policy, const struct service *service, const char *text)
{
	for (uint32_t i = 0; i < service->port_count; i++) {
		const struct service_port *port = &policy->ports[service->first_port + i];
		char number[8];

		snprintf(number, sizeof(number), "%u", port->port);
		if (port->protocol == LUN_TCP &&
		    (!text || strcmp(text, number) == 0 || (port->name && strcmp(text, port->name) == 0)))
			return port;
	}
	return NULL;
}

static const struct service_port *find_service(const struct lun_policy *policy, const char *text)
{
	const char *colon = strchr(text, ':');
	const struct service *service;
	char name[LUN_NAME_SIZE];

	if (strlen(text) >= sizeof(name))
		return NULL;
	strcpy(name, text);
	if (colon)
		name[colon - text] = '\0';
	service = policy_service(policy, name);
	return service ? find_port(policy, service, colon ? colon + 1 : NULL) : NULL;
}

/* The tuples of a connection from the client to the first address of the port, and from there to its first endpoint. */
static void set_tuples(struct lun_http *http, const struct lun_policy *policy, const struct service_port *port)
{
	bool v4 = lun_address_is_v4(&http->config.source);
	const struct endpoint *endpoints;
	struct endpoint_range range = policy_endpoints(policy, port, !v4, &endpoints)->cluster;
	struct lun_tuple *orig = &http->tuple[LUN_ORIG], *reply = &http->tuple[LUN_REPLY];

	orig->protocol = LUN_TCP;
	orig->source = http->config.source;
	orig->source_port = http->config.source_port;
	orig->destination_port = port->port;
	for (uint32_t i = 0; i < policy->frontend_count; i++) {
		const struct frontend *frontend = &policy->frontends[i];

		if (&policy->ports[frontend->service_port] != port || lun_address_is_v4(&frontend->address) != v4)
			continue;
		orig->destination = frontend->address;
		orig->destination_port = frontend->port;
		break;
	}
	*reply = tuple_inverted(orig);
	if (range.count) {
		reply->source = endpoints[range.first].address;
		reply->source_port = endpoints[range.first].port;
	}
}

int lun_http_new(struct lun_http **made, const struct lun_http_config *given, struct lun_error *error)
{
	struct lun_http_config config = { 0 };
	const struct service_port *port;
	struct lun_http *http;
	uint8_t *bytes;

	if (!config_read(&config, sizeof(config), given))
		return fail(error, LUN_BAD_ARGUMENT, "config.size is %zu, expected sizeof(struct lun_http_config), here %zu",
			    given->size, sizeof(config));
	port = find_service(config.policy, config.service);
	if (!port)
		return fail(error, LUN_NOT_FOUND, "the policy has no service \"%s\" with a TCP port", config.service);
	http = memory_zeroed(1, sizeof(*http));
	bytes = memory_take(HELD_SIZE + RENDERED_SIZE);
	if (!http || !bytes) {
		memory_give(http);
		memory_give(bytes);
		return fail(error, LUN_NO_MEMORY, "out of memory");
	}
	http->held = bytes;
	http->rendered = bytes + HELD_SIZE;
	http->config = config;
	http->headers = engine_headers(config.policy, port);
	hash_key_init(&http->key, config.seed);
	set_tuples(http, config.policy, port);
	stream_begin(&http->stream, config.responses);
	if (config.responses ? !http->headers.responses : !http->headers.read)
		http->stream.place = STREAM_OPAQUE;
	lun_policy_ref(config.policy);
	*made = http;
	return 0;
}

void lun_http_free(struct lun_http *http)
{
	if (!http)
		return;
	lun_policy_unref(http->config.policy);
	memory_give(http->held);
	memory_give(http);
}

/* ---- its requests ---- */

static void write_piece(const struct lun_http *http, const struct lun_http_piece *piece)
{
	if (piece->length)
		http->config.write(http->config.user, piece);
}

/* In front of the first bytes. */
static void write_greeting(struct lun_http *http)
{
	uint8_t bytes[GREETING_SIZE];
	struct lun_http_piece piece = { .data = bytes };

	if (http->headers.greeting_version && !http->greeted && !http->config.responses)
		piece.length = greeting_write(bytes, http->headers.greeting_version, &http->tuple[LUN_ORIG]);
	http->greeted = true;
	write_piece(http, &piece);
}

/* A complete head, or trailer section; the stream is behind it already.  False: it cannot go on. */
static bool write_head(struct lun_http *http, const uint8_t *bytes, uint32_t length)
{
	struct stream *stream = &http->stream;
	struct writer writer = { .bytes = http->rendered, .capacity = RENDERED_SIZE };
	struct request request = { .headers = &http->headers,
				   .head = &stream->head,
				   .bytes = bytes,
				   .tuple = http->tuple,
				   .key = &http->key,
				   .place = stream->offset - length };
	struct lun_http_piece piece = { .data = bytes, .length = length, .offset = request.place, .taken = length };
	bool edits = http->headers.count || http->headers.path_count || http->headers.hooks->request;
	unsigned rendered = edits ? request_render(&writer, &request) : 0;

	if (rendered_refuses(&request, rendered)) {
		stream_refuse(stream, LUN_REASON_policy_error, request.place, HTTP_HOOK_FAILED);
		return false;
	}
	if (rendered & RENDERED_LINES)
		piece.injected_at = request.place + stream->head.fields_offset;
	if (writer.full) {
		stream_refuse(stream, LUN_REASON_http_too_large, request.place, "the edited head is too long");
		return false;
	}
	piece.edited = edits && (writer.length != length || memcmp(writer.bytes, bytes, length) != 0);
	if (piece.edited) {
		piece.data = writer.bytes;
		piece.length = writer.length;
	}
	write_piece(http, &piece);
	return true;
}

/* Requests without end, all of the same kind. */
static void await(struct lun_http *http)
{
	while (http->stream.awaited < STREAM_AWAITED)
		stream_await(&http->stream, http->config.to_head, true);
}

/* Writes what can go on; returns how many of the bytes that was. */
static size_t advance(struct lun_http *http, const uint8_t *bytes, size_t size)
{
	size_t at = 0;

	for (;;) {
		uint32_t there = size - at < INT32_MAX ? (uint32_t)(size - at) : INT32_MAX, length;

		if (http->config.responses)
			await(http);
		else if (http->answer)
			stream_answered(&http->stream, http->answer);
		switch (stream_next(&http->stream, bytes + at, there, &length)) {
		case STREAM_MORE:
		case STREAM_STOP:
			return at;
		case STREAM_EDIT:
			if (!write_head(http, bytes + at, length))
				return at;
			break;
		case STREAM_FRAME:
		case STREAM_PASS:
			write_piece(http, &(struct lun_http_piece) { .data = bytes + at,
								     .length = length,
								     .offset = http->stream.offset - length,
								     .taken = length });
		}
		at += length;
	}
}

/* Writes what the held bytes have become with the new ones. */
static void advance_held(struct lun_http *http)
{
	size_t done = advance(http, http->held, http->held_length);

	http->held_length -= (uint32_t)done;
	memmove(http->held, http->held + done, http->held_length);
}

void lun_http_feed(struct lun_http *http, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	write_greeting(http);
	while (size && http->stream.place != STREAM_REFUSED) {
		size_t taken = http->held_length ? 0 : advance(http, bytes, size);

		bytes += taken;
		size -= taken;
		taken = size < HELD_SIZE - http->held_length ? size : HELD_SIZE - http->held_length;
		memcpy(http->held + http->held_length, bytes, taken);
		http->held_length += (uint32_t)taken;
		bytes += taken;
		size -= taken;
		advance_held(http);
	}
}

void lun_http_answer(struct lun_http *http, unsigned status)
{
	http->answer = status;
	advance_held(http);
}

void lun_http_status(const struct lun_http *http, struct lun_http_status *status)
{
	const struct stream *stream = &http->stream;

	*status = (struct lun_http_status) { .requests = http->config.responses ? 0 : stream->requests };
	if (stream->place == STREAM_REFUSED) {
		status->refused = true;
		status->reason = stream->reason;
		status->text = stream->wrong;
		status->offset = stream->refused_offset;
	} else if (http->held_length) {
		status->reason = LUN_REASON_http_incomplete;
		status->offset = stream->offset;
		status->text = stream->place == STREAM_WAITING
				       ? "bytes that wait for the answer to the request in front of them"
				       : "a head or trailer section that is not complete";
	}
}
