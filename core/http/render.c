/* render.c - a request head as the upstream gets it. */
#include "http/request.h"

#include <string.h>

/* The rules that speak of this request, in their order. */
struct active {
	const struct lun_header *rules[LUN_HEADERS];
	size_t lengths[LUN_HEADERS]; /* of their names */
	size_t count;
	uint64_t length_bits; /* a bit for each length that there is */
};

enum { INDEXED = 32 }; /* fields that are found once; a head with more is walked along as often as it is asked */

static uint64_t length_bit(size_t length)
{
	return UINT64_C(1) << (length < 63 ? length : 63);
}

/* The rule of a name, or of a twin of it, or -1. */
static int find_rule(const struct active *active, const uint8_t *name, size_t length)
{
	if (!(active->length_bits & length_bit(length)))
		return -1;
	for (size_t i = 0; i < active->count; i++)
		if (active->lengths[i] == length && name_is_twin(name, length, active->rules[i]->name, length))
			return (int)i;
	return -1;
}

/* Of two rules of a name the later one counts, in the place of the earlier. */
static void collect(struct active *active, const struct request *request)
{
	const struct http_headers *headers = request->headers;

	active->count = 0;
	active->length_bits = 0;
	for (size_t i = 0; i < headers->count; i++) {
		const struct lun_header *rule = &headers->headers[i];
		size_t length = strlen(rule->name);
		int before;

		if (!(request->head->flags & HEAD_TRAILERS) && !condition_holds(rule->when, request))
			continue; /* trailers have no host, path and method of their own: none of our names are for them */
		before = find_rule(active, (const uint8_t *)rule->name, length);
		if (before < 0) {
			before = (int)active->count++;
			active->lengths[before] = length;
			active->length_bits |= length_bit(length);
		}
		active->rules[before] = rule;
	}
}

/* The text of a rule; nothing put means no line. */
static void put_rule_value(struct writer *writer, const struct request *request, const struct lun_header *rule,
			   size_t length)
{
	uint32_t start = writer->length;

	if (rule->kind == LUN_HEADER_REMOVE)
		return;
	if (rule->kind == LUN_HEADER_APPEND || rule->kind == LUN_HEADER_DEFAULT)
		value_put_field(writer, request, rule->name, length);
	if (writer->length > start && rule->kind == LUN_HEADER_DEFAULT)
		return;
	if (writer->length > start)
		writer_put(writer, ", ", 2);
	value_put(writer, request, rule->value);
	if (writer->length == start && name_is_twin((const uint8_t *)rule->name, length, "host", 4))
		value_put_field(writer, request, "host", 4); /* there must be one */
}

/* => whether there is a line now */
static bool put_rule(struct writer *writer, const struct request *request, const struct lun_header *rule, size_t length)
{
	uint32_t start = writer->length, value;

	writer_put(writer, rule->name, length);
	writer_put(writer, ": ", 2);
	value = writer->length;
	put_rule_value(writer, request, rule, length);
	if (writer->length == value) {
		writer->length = start;
		return false;
	}
	writer_put(writer, "\r\n", 2);
	return true;
}

/* A Connection without the members that are names of ours: a proxy behind us would take them out (RFC 9110, 7.6.1). */
static void put_connection(struct writer *writer, const struct request *request, const struct active *active,
			   const struct field *field)
{
	uint32_t start = writer->length;
	struct part rest = field->value, member;
	const char *between = ": ";
	bool named = false;

	writer_put(writer, request->bytes + field->name.offset, field->name.length);
	while (part_next_member(request->bytes, &rest, &member)) {
		if (find_rule(active, request->bytes + member.offset, member.length) >= 0) {
			named = true;
			continue;
		}
		writer_put(writer, between, 2);
		writer_put(writer, request->bytes + member.offset, member.length);
		between = ", ";
	}
	writer_put(writer, "\r\n", 2);
	if (named && between[0] == ',')
		return;
	writer->length = start;
	if (!named)
		writer_put(writer, request->bytes + field->name.offset, field->end - field->name.offset);
}

/* The client's lines, but for those of our names. */
static void put_fields(struct writer *writer, const struct request *request, const struct active *active)
{
	const struct head *head = request->head;
	uint32_t kept = head->fields_offset;
	struct field_walk walk = { 0 };
	struct field field;

	while (request_next_field(request, &walk, &field)) {
		bool connection = head->flags & HEAD_CONNECTION && field.name.length == sizeof("connection") - 1 &&
				  part_equals(request->bytes, field.name, "connection");

		if (!connection && find_rule(active, request->bytes + field.name.offset, field.name.length) < 0)
			continue;
		writer_put(writer, request->bytes + kept, field.name.offset - kept);
		if (connection)
			put_connection(writer, request, active, &field);
		kept = field.end;
	}
	writer_put(writer, request->bytes + kept, head->length - kept);
}

bool request_render(struct writer *writer, const struct request *given)
{
	struct request request = *given;
	struct field fields[INDEXED];
	struct active active;
	bool injected = false;

	request.fields = fields;
	request.fields_end = request.head->fields_offset;
	while (request.field_count < INDEXED &&
	       head_next_field(request.head, request.bytes, &request.fields_end, &fields[request.field_count]))
		request.field_count++;
	collect(&active, &request);
	writer_put(writer, request.bytes, request.head->fields_offset);
	for (size_t i = 0; i < active.count && !(request.head->flags & HEAD_TRAILERS); i++)
		injected |= put_rule(writer, &request, active.rules[i], active.lengths[i]);
	put_fields(writer, &request, &active);
	return injected;
}
