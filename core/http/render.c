/* render.c - a head as its receiver gets it. */
#include "http/request.h"

#include <string.h>

/* The rules that speak of this request, in their order. */
struct active {
	const struct lun_header *rules[LUN_HEADERS + HOOK_HEADERS];
	size_t lengths[LUN_HEADERS + HOOK_HEADERS]; /* of their names */
	size_t count;
	uint64_t length_bits; /* a bit for each length that there is */
	const struct hook_edits *edits;
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
static void add_rule(struct active *active, const struct lun_header *rule)
{
	size_t length = strlen(rule->name);
	int before = find_rule(active, (const uint8_t *)rule->name, length);

	if (before < 0) {
		before = (int)active->count++;
		active->lengths[before] = length;
		active->length_bits |= length_bit(length);
	}
	active->rules[before] = rule;
}

static void collect(struct active *active, const struct request *request, const struct hook_edits *edits)
{
	const struct http_headers *headers = request->headers;
	uint16_t flags = request->head->flags;
	bool response = flags & HEAD_RESPONSE;

	active->count = 0;
	active->length_bits = 0;
	active->edits = edits;
	for (size_t i = 0; i < headers->count; i++) {
		const struct lun_header *rule = &headers->headers[i];

		/* Trailers have no host, path and method of their own: none are for them. */
		if (rule->response == response && (flags & HEAD_TRAILERS || condition_holds(rule->when, request)))
			add_rule(active, rule);
	}
	for (size_t i = 0; i < edits->count; i++)
		add_rule(active, &edits->headers[i]);
}

/* Puts the value of a rule; a text of a hook's has no variables. */
static void put_own_value(struct writer *writer, const struct request *request, const struct hook_edits *edits,
			  const struct lun_header *rule)
{
	if (rule >= edits->headers && rule < edits->headers + HOOK_HEADERS)
		writer_put_text(writer, rule->value);
	else
		value_put(writer, request, rule->value);
}

/* The text of rule number `i`; nothing put means no line. */
static void put_rule_value(struct writer *writer, const struct request *request, const struct active *active, size_t i)
{
	const struct lun_header *rule = active->rules[i];
	uint32_t start = writer->length;

	if (rule->kind == LUN_HEADER_REMOVE)
		return;
	if (rule->kind == LUN_HEADER_APPEND || rule->kind == LUN_HEADER_DEFAULT)
		value_put_field(writer, request, rule->name, active->lengths[i]);
	if (writer->length > start && rule->kind == LUN_HEADER_DEFAULT)
		return;
	if (writer->length > start)
		writer_put(writer, ", ", 2);
	put_own_value(writer, request, active->edits, rule);
	if (writer->length == start && !(request->head->flags & HEAD_RESPONSE) &&
	    name_is_twin((const uint8_t *)rule->name, active->lengths[i], "host", 4))
		value_put_field(writer, request, "host", 4); /* there must be one */
}

/* => whether there is a line now */
static bool put_rule(struct writer *writer, const struct request *request, const struct active *active, size_t i)
{
	uint32_t start = writer->length, value;

	writer_put(writer, active->rules[i]->name, active->lengths[i]);
	writer_put(writer, ": ", 2);
	value = writer->length;
	put_rule_value(writer, request, active, i);
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

/* The sender's lines, but for those of our names. */
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

/* Puts `add` and what was sent behind the path that the rule strips, without an empty element between them. */
static void put_path(struct writer *writer, const struct request *request, const struct lun_path_rule *rule,
		     const struct path_rest *rest)
{
	size_t length = rule->add ? strlen(rule->add) : 0;

	while (length && rule->add[length - 1] == '/')
		length--;
	if (length)
		writer_put(writer, rule->add, length);
	if (rest->slash || length == 0)
		writer_put(writer, "/", 1);
	writer_put(writer, request->bytes + rest->part.offset, rest->part.length);
}

/* The rule that counts for this request, or NULL. */
static const struct lun_path_rule *find_path_rule(const struct request *request, struct path_rest *rest)
{
	const struct http_headers *headers = request->headers;

	for (size_t i = headers->path_count; i-- > 0;) {
		const struct lun_path_rule *rule = &headers->paths[i];

		if (condition_holds(rule->when, request) && path_holds(rule->strip ? rule->strip : "", request, rest))
			return rule;
	}
	return NULL;
}

/* Lines are taken out of these, but none put in: trailers, and responses that announce another one. */
static bool gets_no_lines(const struct head *head)
{
	return head->flags & HEAD_TRAILERS || (head->flags & HEAD_RESPONSE && head->status < 200 && head->status != 101);
}

/* The request line, and what may stand in front of it. */
static void put_request_line(struct writer *writer, const struct request *request, const struct hook_edits *edits)
{
	const struct head *head = request->head;
	struct part path = request_path(request);
	const struct lun_path_rule *rule = NULL;
	uint32_t behind = path.offset + path.length;
	struct path_rest kept;

	if (edits->target)
		behind = head->target.offset + head->target.length;
	else
		rule = find_path_rule(request, &kept);
	writer_put(writer, request->bytes, path.offset);
	if (edits->target)
		writer_put_text(writer, edits->target);
	else if (rule)
		put_path(writer, request, rule, &kept);
	else
		behind = path.offset;
	writer_put(writer, request->bytes + behind, head->fields_offset - behind);
}

unsigned request_render(struct writer *writer, const struct request *request)
{
	struct request indexed = *request;
	struct field fields[INDEXED];
	struct hook_edits edits;
	struct active active;
	const struct head *head = request->head;
	bool injected = false, asked;

	indexed.fields = fields;
	indexed.fields_end = head->fields_offset;
	while (indexed.field_count < INDEXED &&
	       head_next_field(head, request->bytes, &indexed.fields_end, &fields[indexed.field_count]))
		indexed.field_count++;
	asked = hook_ask(&edits, &indexed);
	if (!asked && request->headers->on_error == LUN_ACTION_ACCEPT)
		writer_put(writer, request->bytes, request->head->length);
	if (!asked && request->headers->on_error != LUN_ACTION_MAP)
		return RENDERED_FAILED;
	collect(&active, &indexed, &edits);
	if (head->flags & HEAD_RESPONSE)
		writer_put(writer, request->bytes, head->fields_offset);
	else if (!(head->flags & HEAD_TRAILERS))
		put_request_line(writer, &indexed, &edits);
	for (size_t i = 0; i < active.count && !gets_no_lines(head); i++)
		injected |= put_rule(writer, &indexed, &active, i);
	put_fields(writer, &indexed, &active);
	return (injected ? RENDERED_LINES : 0u) | (asked ? 0u : RENDERED_FAILED);
}
