/* render.c - a request head, with the service's headers set. */
#include "http/http.h"

#include <stdio.h>
#include <string.h>

struct writer {
	uint8_t *bytes;
	uint32_t length, capacity;
	bool full;
};

/* What a variable of a header value is taken from. */
struct source {
	const struct http *http;
	const struct flow *flow;
	const struct http_stream *stream;
	const uint8_t *bytes; /* the head */
	uint32_t sequence;    /* of its first byte */
};

static void put(struct writer *writer, const void *bytes, size_t length)
{
	if (length > writer->capacity - writer->length) {
		writer->full = true;
		return;
	}
	memcpy(writer->bytes + writer->length, bytes, length);
	writer->length += (uint32_t)length;
}

static void put_text(struct writer *writer, const char *text)
{
	put(writer, text, strlen(text));
}

static void put_part(struct writer *writer, const struct source *source, struct part part)
{
	put(writer, source->bytes + part.offset, part.length);
}

static void put_address(struct writer *writer, const struct source *source, const char *name)
{
	const struct lun_address *address = &source->flow->tuple[LUN_ORIG].source;
	char text[LUN_ADDRESS_TEXT];

	if (strcmp(name, "server_addr") == 0)
		address = &source->flow->tuple[LUN_ORIG].destination;
	put_text(writer, lun_address_format(address, text));
}

static void put_port(struct writer *writer, const struct source *source, const char *name)
{
	char text[8];

	snprintf(text, sizeof(text), "%u",
		 strcmp(name, "remote_port") == 0 ? source->flow->tuple[LUN_ORIG].source_port
						  : source->stream->headers.port);
	put_text(writer, text);
}

/* The Host field without its port, in lower case. */
static void put_host(struct writer *writer, const struct source *source, const char *name)
{
	struct part part = source->http->head.host ? source->http->head.host->value : (struct part) { 0, 0 };
	bool bracket = false;

	(void)name;
	for (uint32_t i = 0; i < part.length; i++) {
		char byte = (char)source->bytes[part.offset + i];

		bracket = byte == '[' || (bracket && byte != ']');
		if (byte == ':' && !bracket)
			return;
		if (byte >= 'A' && byte <= 'Z')
			byte = (char)(byte + 32);
		put(writer, &byte, 1);
	}
}

/* 128 bits from the flow, the place in the stream and the engine's secret: the same for a retransmission, new for each head. */
static void put_request_id(struct writer *writer, const struct source *source, const char *name)
{
	struct {
		struct lun_tuple tuple;
		uint32_t sequence, generation, half, zero;
	} input = { .tuple = source->flow->tuple[LUN_ORIG],
		    .sequence = source->sequence,
		    .generation = source->flow->generation };
	char text[17];

	(void)name;
	for (input.half = 0; input.half < 2; input.half++) {
		snprintf(text, sizeof(text), "%016llx",
			 (unsigned long long)hash_bytes(source->http->key, &input, sizeof(input)));
		put_text(writer, text);
	}
}

static void put_scheme(struct writer *writer, const struct source *source, const char *name)
{
	(void)source, (void)name;
	put_text(writer, "http");
}

static void put_uri(struct writer *writer, const struct source *source, const char *name)
{
	(void)name;
	put_part(writer, source, source->http->head.target);
}

static void put_service(struct writer *writer, const struct source *source, const char *name)
{
	(void)name;
	put_text(writer, source->stream->headers.service);
}

static void put_endpoint(struct writer *writer, const struct source *source, const char *name)
{
	const struct lun_tuple *reply = &source->flow->tuple[LUN_REPLY];
	char text[LUN_ADDRESS_TEXT];

	(void)name;
	put_text(writer, lun_endpoint_format(&reply->source, reply->source_port, text));
}

/* "http_user_agent": the first field whose name is User-Agent, or nothing. */
static void put_field(struct writer *writer, const struct source *source, const char *name)
{
	const struct head *head = &source->http->head;

	for (uint32_t i = 0; i < head->field_count; i++)
		if (name_is_twin(source->bytes + head->fields[i].name.offset, head->fields[i].name.length,
				 name + strlen("http_"))) {
			put_part(writer, source, head->fields[i].value);
			return;
		}
}

static const struct {
	const char *name;
	void (*put)(struct writer *writer, const struct source *source, const char *name);
} variables[] = {
	{ "remote_addr", put_address },   { "server_addr", put_address }, { "remote_port", put_port },
	{ "server_port", put_port },      { "host", put_host },           { "scheme", put_scheme },
	{ "request_id", put_request_id }, { "request_uri", put_uri },     { "service", put_service },
	{ "endpoint", put_endpoint },
};

/* Puts the variable whose name is the `length` bytes at `text`; one without a meaning stays as it is written. */
static void put_variable(struct writer *writer, const struct source *source, const char *text, size_t length)
{
	char name[64];

	if (length < sizeof(name)) {
		memcpy(name, text, length);
		name[length] = '\0';
		if (strncmp(name, "http_", strlen("http_")) == 0) {
			put_field(writer, source, name);
			return;
		}
		for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
			if (strcmp(variables[i].name, name) == 0) {
				variables[i].put(writer, source, name);
				return;
			}
	}
	put_text(writer, "$");
	put(writer, text, length);
}

static size_t variable_length(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

static void put_value(struct writer *writer, const struct source *source, const char *value)
{
	while (*value) {
		size_t plain = strcspn(value, "$"), length;

		put(writer, value, plain);
		value += plain;
		if (*value == '\0')
			return;
		if (value[1] == '$') {
			put_text(writer, "$");
			value += 2;
			continue;
		}
		length = variable_length(++value);
		put_variable(writer, source, value, length);
		value += length;
	}
}

/* Whether one of our headers takes the place of this line. */
static bool is_replaced(const struct http_headers *headers, const uint8_t *bytes, const struct field *field)
{
	for (size_t i = 0; i < headers->count; i++)
		if (name_is_twin(bytes + field->name.offset, field->name.length, headers->headers[i].name))
			return true;
	return false;
}

bool http_render(struct http *http, const struct flow *flow, const struct http_stream *stream, const uint8_t *bytes,
		 uint32_t sequence)
{
	struct source source = { .http = http, .flow = flow, .stream = stream, .bytes = bytes, .sequence = sequence };
	struct writer writer = { .bytes = http->rendered, .capacity = HEAD_SIZE * 2 };
	const struct head *head = &http->head;
	uint32_t at = head->fields_offset;

	put(&writer, bytes, head->fields_offset);
	for (size_t i = 0; i < stream->headers.count; i++) {
		put_text(&writer, stream->headers.headers[i].name);
		put_text(&writer, ": ");
		put_value(&writer, &source, stream->headers.headers[i].value);
		put_text(&writer, "\r\n");
	}
	for (uint32_t i = 0; i < head->field_count; i++) {
		if (!is_replaced(&stream->headers, bytes, &head->fields[i]))
			put(&writer, bytes + at, head->fields[i].end - at);
		at = head->fields[i].end;
	}
	put(&writer, bytes + at, head->length - at);
	http->rendered_length = writer.length;
	return !writer.full;
}
