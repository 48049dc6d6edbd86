/* value.c - the variables of a header's value, and what they stand for in one request. */
#include "http/request.h"

#include <string.h>

static void put_part(struct writer *writer, const struct request *request, struct part part)
{
	writer_put(writer, request->bytes + part.offset, part.length);
}

/* ---- fields ---- */

static inline char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte;
}

static bool is_field(const struct request *request, struct part name, const char *wanted, size_t length)
{
	const char *bytes = (const char *)request->bytes + name.offset;

	if (name.length != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != wanted[i] && lower(bytes[i]) != lower(wanted[i]))
			return false;
	return true;
}

/* The next field of a name that has a value. */
static bool next_value(const struct request *request, const char *name, size_t length, struct field_walk *walk,
		       struct part *value)
{
	struct field field;

	while (request_next_field(request, walk, &field)) {
		if (field.value.length == 0 || !is_field(request, field.name, name, length))
			continue;
		*value = field.value;
		return true;
	}
	return false;
}

void value_put_field(struct writer *writer, const struct request *request, const char *name, size_t length)
{
	struct field_walk walk = { 0 };
	bool first = true;
	struct part value;

	for (; next_value(request, name, length, &walk, &value); first = false) {
		if (!first)
			writer_put(writer, ", ", 2);
		put_part(writer, request, value);
	}
}

/* ---- proxies in front of us ---- */

static bool is_trusted(const struct request *request, const struct lun_address *address)
{
	for (size_t i = 0; i < request->headers->trusted_count; i++)
		if (lun_prefix_holds(&request->headers->trusted[i], address))
			return true;
	return false;
}

static const struct lun_address *source_of(const struct request *request)
{
	return &request->tuple[LUN_ORIG].source;
}

static bool parse_member(const struct request *request, struct part member, struct lun_address *address)
{
	char text[LUN_ADDRESS_TEXT];
	uint16_t port;

	if (member.length >= sizeof(text))
		return false;
	memcpy(text, request->bytes + member.offset, member.length);
	text[member.length] = '\0';
	return lun_endpoint_parse(address, &port, text) == 0;
}

/* The client's address: whoever is connected; but if that is a trusted proxy, the address that it got X-Forwarded-For from, and so
 * on, from the right to the left of the list.  Read from the left, that is: the first address behind the last that is not
 * trusted or is none. */
static struct lun_address peer_of(const struct request *request)
{
	static const char name[] = "x-forwarded-for";
	struct field_walk walk = { 0 };
	struct lun_address peer = *source_of(request), address;
	struct part value, member;
	bool found = false;

	if (!is_trusted(request, &peer) || request->head->flags & HEAD_RESPONSE)
		return peer;
	while (next_value(request, name, sizeof(name) - 1, &walk, &value))
		while (part_next_member(request->bytes, &value, &member)) {
			if (member.length == 0)
				continue;
			if (!parse_member(request, member, &address)) {
				found = false;
				continue;
			}
			if (!found || !is_trusted(request, &address))
				peer = address;
			found = true;
		}
	return found ? peer : *source_of(request);
}

/* What a trusted proxy says in a header, or nothing: length 0. */
static struct part said_by_proxy(const struct request *request, const char *name)
{
	struct field_walk walk = { 0 };
	struct part value = { 0 };

	if (is_trusted(request, source_of(request)))
		next_value(request, name, strlen(name), &walk, &value);
	return value;
}

/* ---- variables ---- */

static void put_remote_address(struct writer *writer, const struct request *request)
{
	struct lun_address peer = peer_of(request);
	char text[LUN_ADDRESS_TEXT];

	writer_put_text(writer, lun_address_format(&peer, text));
}

static void put_server_address(struct writer *writer, const struct request *request)
{
	char text[LUN_ADDRESS_TEXT];

	writer_put_text(writer, lun_address_format(&request->tuple[LUN_ORIG].destination, text));
}

static void put_number(struct writer *writer, unsigned number)
{
	char text[16];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	writer_put(writer, text + at, sizeof(text) - at);
}

static void put_remote_port(struct writer *writer, const struct request *request)
{
	put_number(writer, request->tuple[LUN_ORIG].source_port);
}

static void put_server_port(struct writer *writer, const struct request *request)
{
	put_number(writer, request->headers->port);
}

/* The host without its port, in lower case. */
static void put_host(struct writer *writer, const struct request *request)
{
	struct part part = request->head->flags & HEAD_HOST ? request->head->host : request->head->authority;
	bool bracket = false;

	for (uint32_t i = 0; i < part.length; i++) {
		char byte = (char)request->bytes[part.offset + i];

		bracket = byte == '[' || (bracket && byte != ']');
		if (byte == ':' && !bracket)
			return;
		if (byte >= 'A' && byte <= 'Z')
			byte = (char)(byte + 32);
		writer_put(writer, &byte, 1);
	}
}

/* 128 bits from the flow, the place in the stream and the engine's secret: the same for a retransmission, new for each head. */
static void put_request_id(struct writer *writer, const struct request *request)
{
	struct {
		struct lun_tuple tuple;
		uint64_t place;
		uint32_t generation, half;
	} input = { .tuple = request->tuple[LUN_ORIG], .place = request->place, .generation = request->generation };
	char text[17];

	for (input.half = 0; input.half < 2; input.half++) {
		uint64_t half = hash_bytes(request->key, &input, sizeof(input));

		for (int i = 0; i < 16; i++)
			text[i] = "0123456789abcdef"[half >> (60 - 4 * i) & 15];
		writer_put(writer, text, 16);
	}
}

static void put_scheme(struct writer *writer, const struct request *request)
{
	(void)request;
	writer_put_text(writer, "http");
}

static void put_uri(struct writer *writer, const struct request *request)
{
	put_part(writer, request, request->head->target);
}

static void put_service(struct writer *writer, const struct request *request)
{
	writer_put_text(writer, request->headers->service);
}

static void put_endpoint(struct writer *writer, const struct request *request)
{
	const struct lun_tuple *reply = &request->tuple[LUN_REPLY];
	char text[LUN_ADDRESS_TEXT];

	writer_put_text(writer, lun_endpoint_format(&reply->source, reply->source_port, text));
}

static void put_forwarded_host(struct writer *writer, const struct request *request)
{
	struct part said = said_by_proxy(request, "x-forwarded-host"), first = { 0 };

	part_next_member(request->bytes, &said, &first);
	if (first.length && authority_is_valid(request->bytes, first))
		put_part(writer, request, first);
	else
		value_put_field(writer, request, "host", 4);
}

static void put_forwarded_port(struct writer *writer, const struct request *request)
{
	struct part said = said_by_proxy(request, "x-forwarded-port");

	if (said.length)
		put_part(writer, request, said);
	else
		put_server_port(writer, request);
}

static void put_forwarded_proto(struct writer *writer, const struct request *request)
{
	struct part said = said_by_proxy(request, "x-forwarded-proto");

	if (said.length)
		put_part(writer, request, said);
	else
		put_scheme(writer, request);
}

struct variable {
	const char *name;
	size_t length;
	void (*put)(struct writer *writer, const struct request *request);
};

#define VARIABLE(name, put)                                                                                                 \
	{                                                                                                                   \
		name, sizeof(name) - 1, put                                                                                 \
	}

static const struct variable variables[] = {
	VARIABLE("remote_addr", put_remote_address),
	VARIABLE("server_addr", put_server_address),
	VARIABLE("remote_port", put_remote_port),
	VARIABLE("server_port", put_server_port),
	VARIABLE("host", put_host),
	VARIABLE("scheme", put_scheme),
	VARIABLE("request_id", put_request_id),
	VARIABLE("request_uri", put_uri),
	VARIABLE("service", put_service),
	VARIABLE("endpoint", put_endpoint),
	VARIABLE("forwarded_host", put_forwarded_host),
	VARIABLE("forwarded_port", put_forwarded_port),
	VARIABLE("forwarded_proto", put_forwarded_proto),
};

/* $http_x_real_ip is of X-Real-IP, never of X_Real_IP: some servers take that for it, so a client could speak through it. */
static void put_field(struct writer *writer, const struct request *request, const char *text, size_t length)
{
	char name[LUN_HEADER_NAME];

	if (length >= sizeof(name))
		return;
	for (size_t i = 0; i < length; i++)
		name[i] = text[i] == '_' ? '-' : text[i];
	value_put_field(writer, request, name, length);
}

/* Puts the variable whose name is the `length` bytes at `text`; one without a meaning stays as it is written. */
static void put_variable(struct writer *writer, const struct request *request, const char *text, size_t length)
{
	static const char field[] = "http_";

	if (length > sizeof(field) - 1 && memcmp(text, field, sizeof(field) - 1) == 0) {
		put_field(writer, request, text + sizeof(field) - 1, length - (sizeof(field) - 1));
		return;
	}
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if (variables[i].length == length && memcmp(variables[i].name, text, length) == 0) {
			variables[i].put(writer, request);
			return;
		}
	writer_put_text(writer, "$");
	writer_put(writer, text, length);
}

static size_t variable_length(const char *text)
{
	static const bool in_names[256] = { ['a' ... 'z'] = true, ['0' ... '9'] = true, ['_'] = true };
	size_t length = 0;

	while (in_names[(uint8_t)text[length]])
		length++;
	return length;
}

void value_put(struct writer *writer, const struct request *request, const char *value)
{
	while (*value) {
		size_t length;

		if (*value != '$') {
			length = strcspn(value, "$");
			writer_put(writer, value, length);
			value += length;
			continue;
		}
		if (value[1] == '$') {
			writer_put_text(writer, "$");
			value += 2;
			continue;
		}
		length = variable_length(++value);
		put_variable(writer, request, value, length);
		value += length;
	}
}
