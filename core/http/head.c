/* head.c - a request head from its first byte to its empty line, in the order of the grammar. */
#include "http/head.h"

#include <string.h>

struct cursor {
	const uint8_t *bytes;
	uint32_t at, size;
};

static bool is_token_byte(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

static uint8_t twin_byte(uint8_t byte)
{
	byte = lower(byte);
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ? byte : '-';
}

bool name_is_twin(const uint8_t *a, size_t a_length, const char *b)
{
	if (strlen(b) != a_length)
		return false;
	for (size_t i = 0; i < a_length; i++)
		if (twin_byte(a[i]) != twin_byte((uint8_t)b[i]))
			return false;
	return true;
}

static bool equals(const uint8_t *bytes, struct part part, const char *text)
{
	if (strlen(text) != part.length)
		return false;
	for (uint32_t i = 0; i < part.length; i++)
		if (lower(bytes[part.offset + i]) != (uint8_t)text[i])
			return false;
	return true;
}

/* Takes bytes while `is` says so; the part may be empty. */
static struct part take(struct cursor *c, bool (*is)(uint8_t))
{
	struct part part = { .offset = c->at };

	while (c->at < c->size && is(c->bytes[c->at]))
		c->at++;
	part.length = c->at - part.offset;
	return part;
}

/* 0: the text is there and was passed; HEAD_MORE or HEAD_BAD. */
static int expect(struct cursor *c, const char *text)
{
	for (; *text; text++, c->at++) {
		if (c->at == c->size)
			return HEAD_MORE;
		if (c->bytes[c->at] != (uint8_t)*text)
			return HEAD_BAD;
	}
	return 0;
}

static bool is_target_byte(uint8_t byte)
{
	return byte > 0x20 && byte < 0x7f && byte != '#';
}

static bool is_value_byte(uint8_t byte)
{
	return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

/* method SP request-target SP HTTP/1.0 or 1.1 CRLF.  Targets of other forms than "/..." are for proxies. */
static int scan_request_line(struct head *head, struct cursor *c, bool *old)
{
	struct part method = take(c, is_token_byte);
	int result = method.length ? expect(c, " ") : c->at == c->size ? HEAD_MORE : HEAD_BAD;

	if (result < 0)
		return result;
	head->target = take(c, is_target_byte);
	if (c->at == c->size)
		return HEAD_MORE;
	if (head->target.length == 0 || c->bytes[head->target.offset] != '/' || equals(c->bytes, method, "connect"))
		return HEAD_BAD;
	result = expect(c, " HTTP/1.");
	if (result < 0)
		return result;
	if (c->at == c->size)
		return HEAD_MORE;
	if (c->bytes[c->at] != '0' && c->bytes[c->at] != '1')
		return HEAD_BAD;
	*old = c->bytes[c->at++] == '0';
	return expect(c, "\r\n");
}

/* name ":" OWS value OWS CRLF */
static int scan_field(struct field *field, struct cursor *c)
{
	int result;

	field->name = take(c, is_token_byte);
	result = field->name.length ? expect(c, ":") : HEAD_BAD;
	if (result < 0)
		return result;
	field->value = take(c, is_value_byte);
	while (field->value.length && strchr(" \t", c->bytes[field->value.offset])) {
		field->value.offset++;
		field->value.length--;
	}
	while (field->value.length && strchr(" \t", c->bytes[field->value.offset + field->value.length - 1]))
		field->value.length--;
	result = expect(c, "\r\n");
	field->end = c->at;
	return result;
}

/* Decimal digits only, below 2^63. */
static bool parse_length(const uint8_t *bytes, struct part part, uint64_t *length)
{
	*length = 0;
	if (part.length == 0 || part.length > 18)
		return false;
	for (uint32_t i = 0; i < part.length; i++) {
		uint8_t byte = bytes[part.offset + i];

		if (byte < '0' || byte > '9')
			return false;
		*length = *length * 10 + (uint64_t)(byte - '0');
	}
	return true;
}

static bool is_host(const uint8_t *bytes, struct part part)
{
	for (uint32_t i = 0; i < part.length; i++)
		if (strchr(" \t,/@?#\\\"<>", bytes[part.offset + i]))
			return false;
	return true;
}

/* What a field means for framing and routing; false: two servers could disagree. */
static bool note_field(struct head *head, const struct field *field, const uint8_t *bytes)
{
	if (equals(bytes, field->name, "content-length")) {
		if (head->has_body_length || !parse_length(bytes, field->value, &head->content_length))
			return false;
		head->has_body_length = true;
	} else if (equals(bytes, field->name, "host")) {
		if (head->host || !is_host(bytes, field->value))
			return false;
		head->host = field;
	}
	/* A twin of either is what some servers take for it; codings and upgrades change what follows the head. */
	return !(name_is_twin(bytes + field->name.offset, field->name.length, "content-length") &&
		 !equals(bytes, field->name, "content-length")) &&
	       !name_is_twin(bytes + field->name.offset, field->name.length, "transfer-encoding") &&
	       !name_is_twin(bytes + field->name.offset, field->name.length, "upgrade");
}

static int scan_fields(struct head *head, struct cursor *c)
{
	for (;;) {
		struct field *field = &head->fields[head->field_count];
		int result;

		if (c->at == c->size)
			return HEAD_MORE;
		if (c->bytes[c->at] == '\r')
			return expect(c, "\r\n");
		if (head->field_count == HEAD_FIELDS)
			return HEAD_BAD;
		result = scan_field(field, c);
		if (result < 0)
			return result == HEAD_BAD && c->at == c->size ? HEAD_MORE : result;
		if (!note_field(head, field, c->bytes))
			return HEAD_BAD;
		head->field_count++;
	}
}

int head_scan(struct head *head, const uint8_t *bytes, uint32_t size)
{
	struct cursor c = { .bytes = bytes, .size = size < HEAD_SIZE ? size : HEAD_SIZE };
	bool old = false;
	int result;

	head->field_count = 0;
	head->content_length = 0;
	head->host = NULL;
	head->has_body_length = false;
	result = scan_request_line(head, &c, &old);
	if (result < 0)
		return result;
	head->fields_offset = c.at;
	result = scan_fields(head, &c);
	if (result < 0)
		return result == HEAD_MORE && size >= HEAD_SIZE ? HEAD_BAD : result;
	if (!head->host && !old)
		return HEAD_BAD; /* RFC 9112, 3.2 */
	head->length = c.at;
	return (int)c.at;
}
