/* requests.c - any bytes as what a client, or an upstream, sends: the same goes on however they are cut, and it is what a naive model says.
 *
 * The model has all bytes at once, copies lines about and knows no states: a message after the other, each line by the grammar,
 * then the edits.  It does not say at which byte of a bad message the scanner stops, and of a body that breaks off or goes wrong
 * only that what goes on is a beginning of it.
 *
 * Input: a byte for the size of the pieces, one for the rules, the answer to an upgrade, and whether these are responses; then the
 * bytes of a stream. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <strings.h>

enum { STREAM_SIZE = 1 << 16, OUTPUT_SIZE = STREAM_SIZE * 4 };

static const struct lun_header rules[] = {
	{ .name = "X-Real-IP", .value = "192.0.2.7" },
	{ .name = "x_id", .value = "new", .kind = LUN_HEADER_DEFAULT },
	{ .name = "Via", .value = "us", .kind = LUN_HEADER_APPEND },
	{ .name = "Proxy", .kind = LUN_HEADER_REMOVE },
	{ .name = "X-New", .value = "192.0.2.7", .response = true },
	{ .name = "server", .kind = LUN_HEADER_REMOVE, .response = true },
};

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

struct output {
	char bytes[OUTPUT_SIZE];
	size_t length;
};

static void put(struct output *output, const char *bytes, size_t length)
{
	MUST(length <= sizeof(output->bytes) - output->length);
	memcpy(output->bytes + output->length, bytes, length);
	output->length += length;
}

static void put_text(struct output *output, const char *text)
{
	put(output, text, strlen(text));
}

/* ---- the program ---- */

static void write_piece(void *user, const struct lun_http_piece *piece)
{
	put(user, (const char *)piece->data, piece->length);
}

static struct lun_policy *make_policy(bool edited)
{
	struct lun_address ip = address_of("10.0.0.1");
	struct lun_port port = { .port = 80 };
	struct lun_service service = { .name = "a/b",
				       .cluster_ips = &ip,
				       .cluster_ip_count = 1,
				       .ports = &port,
				       .port_count = 1,
				       .headers = rules,
				       .header_count = edited ? RULES : 0,
				       .http = true };
	struct lun_policy_config config = { .size = sizeof(config), .services = &service, .service_count = 1 };
	struct lun_policy *policy;

	MUST(lun_policy_new(&policy, &config, NULL) == 0);
	return policy;
}

struct stream {
	struct lun_policy *policy;
	unsigned answer;
	const uint8_t *bytes;
	size_t size;
	bool responses, to_head;
};

static void run(const struct stream *stream, size_t step, struct output *output, struct lun_http_status *status)
{
	struct lun_http_config config = { .size = sizeof(config),
					  .policy = stream->policy,
					  .service = "a/b",
					  .source = address_of("192.0.2.7"),
					  .responses = stream->responses,
					  .to_head = stream->to_head,
					  .write = write_piece,
					  .user = output };
	struct lun_http *http;

	output->length = 0;
	MUST(lun_http_new(&http, &config, NULL) == 0);
	if (stream->answer)
		lun_http_answer(http, stream->answer);
	for (size_t at = 0; at < stream->size; at += step) {
		size_t length = step < stream->size - at ? step : stream->size - at;
		uint8_t *piece = exact_copy(stream->bytes + at, length);

		lun_http_feed(http, piece, length);
		free(piece);
	}
	lun_http_status(http, status);
	lun_http_free(http);
}

/* ---- the model ---- */

static const char token_bytes[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct text {
	const char *bytes;
	size_t length;
};

struct model {
	bool edited, responses, to_head; /* of what */
	bool refused, kept;
	unsigned status;
	bool chunked, upgrade, old, close, keep_alive;
	bool has_length, has_host;
	unsigned long long length;
	struct text method, target, host;
	size_t requests;
	struct output *output;
};

static bool is(struct text text, const char *word)
{
	return text.length == strlen(word) && strncasecmp(text.bytes, word, text.length) == 0;
}

static bool is_twin(struct text a, const char *b)
{
	if (a.length != strlen(b))
		return false;
	for (size_t i = 0; i < a.length; i++) {
		bool a_word = a.bytes[i] && strchr(token_bytes + 15, a.bytes[i]), b_word = strchr(token_bytes + 15, b[i]);

		if (a_word != b_word || (a_word && strncasecmp(a.bytes + i, b + i, 1) != 0))
			return false;
	}
	return true;
}

static bool consists_of(struct text text, const char *bytes)
{
	for (size_t i = 0; i < text.length; i++)
		if (!text.bytes[i] || !strchr(bytes, text.bytes[i]))
			return false;
	return true;
}

static struct text trim(struct text text)
{
	for (; text.length && strchr(" \t", *text.bytes) && *text.bytes; text.bytes++)
		text.length--;
	while (text.length && text.bytes[text.length - 1] && strchr(" \t", text.bytes[text.length - 1]))
		text.length--;
	return text;
}

/* Cuts what is in front of `mark` off the text; false: there is no mark, and nothing is cut. */
static bool cut(struct text *text, const char *mark, struct text *front)
{
	const char *at = text->length ? memmem(text->bytes, text->length, mark, strlen(mark)) : NULL;

	if (!at)
		return false;
	*front = (struct text) { text->bytes, (size_t)(at - text->bytes) };
	text->length -= front->length + strlen(mark);
	text->bytes = at + strlen(mark);
	return true;
}

/* The next member of a list. */
static bool next_member(struct text *list, struct text *member)
{
	if (list->length == 0)
		return false;
	if (!cut(list, ",", member)) {
		*member = *list;
		list->length = 0;
	}
	*member = trim(*member);
	return true;
}

static bool is_host(struct text text)
{
	struct text name = text;
	unsigned port = 0;

	if (text.length && *text.bytes == '[') {
		if (!cut(&text, "]", &name) ||
		    !consists_of((struct text) { name.bytes + 1, name.length - 1 }, "0123456789abcdefABCDEF:."))
			return false;
		if (text.length == 0)
			return true;
		if (*text.bytes != ':')
			return false;
		text = (struct text) { text.bytes + 1, text.length - 1 };
	} else {
		if (!cut(&text, ":", &name))
			return consists_of(name,
					   "!$%&'()*+-.;=_~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
		if (!name.length ||
		    !consists_of(name, "!$%&'()*+-.;=_~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
			return false;
	}
	for (size_t i = 0; i < text.length && i < 6; i++)
		port = port * 10 + (unsigned)(text.bytes[i] - '0');
	return text.length <= 5 && consists_of(text, "0123456789") && port <= 65535;
}

static bool good_request_line(struct model *m, struct text line)
{
	if (!cut(&line, " ", &m->method) || !cut(&line, " ", &m->target) || !m->method.length || !m->target.length)
		return false;
	if (!consists_of(m->method, token_bytes) || is(m->method, "connect") ||
	    memchr(m->target.bytes, '#', m->target.length))
		return false;
	for (size_t i = 0; i < m->target.length; i++)
		if (m->target.bytes[i] <= 0x20 || m->target.bytes[i] == 0x7f)
			return false;
	m->old = line.length == 8 && memcmp(line.bytes, "HTTP/1.0", 8) == 0;
	return m->old || (line.length == 8 && memcmp(line.bytes, "HTTP/1.1", 8) == 0);
}

static bool good_status_line(struct model *m, struct text line)
{
	if (line.length < 12 || memcmp(line.bytes, "HTTP/1.", 7) != 0 || !strchr("01", line.bytes[7]) ||
	    line.bytes[8] != ' ' || !consists_of((struct text) { line.bytes + 9, 3 }, "0123456789"))
		return false;
	m->old = line.bytes[7] == '0';
	m->status = (unsigned)strtoul(line.bytes + 9, NULL, 10);
	for (size_t i = 12; i < line.length; i++) {
		unsigned char byte = (unsigned char)line.bytes[i];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return false;
	}
	return m->status >= 100 && (line.length == 12 || line.bytes[12] == ' ');
}

/* What the target says of the host, if anything. */
static bool good_target(const struct model *m)
{
	struct text rest = m->target, host;
	size_t end = 7;

	if (*m->target.bytes == '/')
		return true;
	if (m->target.length == 1 && *m->target.bytes == '*')
		return is(m->method, "options");
	if (m->target.length < 8 || strncasecmp(m->target.bytes, "http://", 7) != 0)
		return false;
	while (end < rest.length && rest.bytes[end] != '/' && rest.bytes[end] != '?')
		end++;
	host = (struct text) { rest.bytes + 7, end - 7 };
	return host.length && is_host(host) &&
	       (!m->has_host || (host.length == m->host.length && strncasecmp(host.bytes, m->host.bytes, host.length) == 0));
}

static bool good_connection(struct model *m, struct text value)
{
	struct text member;

	while (next_member(&value, &member)) {
		m->close |= is(member, "close");
		m->keep_alive |= is(member, "keep-alive");
		if (is(member, "host") || is_twin(member, "content-length") || is_twin(member, "transfer-encoding"))
			return false;
	}
	return true;
}

static bool good_upgrade(struct model *m, struct text value)
{
	struct text member, name;

	m->upgrade = true;
	while (next_member(&value, &member)) {
		if (cut(&member, "/", &name))
			member = trim(name);
		if (is(member, "h2") || is(member, "h2c"))
			return false;
	}
	return true;
}

static bool good_length(struct model *m, struct text value)
{
	char digits[STREAM_SIZE];
	char *end;

	if (m->has_length || m->chunked || !value.length || value.length >= sizeof(digits) ||
	    !consists_of(value, "0123456789"))
		return false;
	memcpy(digits, value.bytes, value.length);
	digits[value.length] = '\0';
	m->length = strtoull(digits, &end, 10);
	m->has_length = true;
	return m->length <= INT64_MAX - 9; /* about 2^63; both refuse what no body ever has */
}

static bool good_field(struct model *m, struct text line, bool trailers)
{
	struct text name, value = line;

	if (line.length > 8190 || !cut(&value, ":", &name) || !name.length || !consists_of(name, token_bytes))
		return false;
	for (size_t i = 0; i < value.length; i++) {
		unsigned char byte = (unsigned char)value.bytes[i];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return false;
	}
	value = trim(value);
	if (trailers)
		return !is(name, "host") && !is_twin(name, "content-length") && !is_twin(name, "transfer-encoding");
	if (is(name, "connection"))
		return good_connection(m, value);
	if (m->responses && (is(name, "upgrade") || is(name, "host")))
		return true;
	if (is(name, "upgrade"))
		return good_upgrade(m, value);
	if (is_twin(name, "content-length"))
		return is(name, "content-length") && good_length(m, value);
	if (is_twin(name, "transfer-encoding")) {
		bool good =
			is(name, "transfer-encoding") && !m->chunked && !m->has_length && !m->old && is(value, "chunked");

		m->chunked = true;
		return good;
	}
	if (!is(name, "host"))
		return true;
	m->host = value;
	return !m->has_host && (m->has_host = true) && is_host(value);
}

/* ---- the model's edits ---- */

static int rule_of(const struct model *m, struct text name)
{
	for (int i = 0; i < RULES; i++)
		if (rules[i].response == m->responses && is_twin(name, rules[i].name))
			return i;
	return -1;
}

static void put_rule(struct model *m, const struct lun_header *rule, struct text fields)
{
	struct text line, name = { 0 };
	bool any = false;

	if (rule->kind == LUN_HEADER_REMOVE)
		return;
	put_text(m->output, rule->name);
	put_text(m->output, ": ");
	while (rule->kind != LUN_HEADER_SET && cut(&fields, "\r\n", &line)) {
		cut(&line, ":", &name);
		line = trim(line);
		if (line.length == 0 || !is(name, rule->name))
			continue;
		put_text(m->output, any ? ", " : "");
		put(m->output, line.bytes, line.length);
		any = true;
	}
	if (!any || rule->kind == LUN_HEADER_APPEND) {
		put_text(m->output, any ? ", " : "");
		put_text(m->output, rule->value);
	}
	put_text(m->output, "\r\n");
}

static void put_connection(struct model *m, struct text line, struct text name, struct text value)
{
	struct text member, list = value;
	bool named = false, any = false;

	while (next_member(&list, &member))
		named |= rule_of(m, member) >= 0;
	if (!named) {
		put(m->output, line.bytes, line.length + 2);
		return;
	}
	while (next_member(&value, &member)) {
		if (rule_of(m, member) >= 0)
			continue;
		if (!any)
			put(m->output, name.bytes, name.length);
		put_text(m->output, any ? ", " : ": ");
		put(m->output, member.bytes, member.length);
		any = true;
	}
	if (any)
		put_text(m->output, "\r\n");
}

/* Responses that announce another one get no lines. */
static bool is_interim(const struct model *m)
{
	return m->responses && m->status < 200 && m->status != 101;
}

/* A head or trailer section: what is in front of the fields, and the fields with their line ends. */
static void put_section(struct model *m, struct text front, struct text fields, bool trailers)
{
	bool lines = m->edited && !trailers && !is_interim(m);
	struct text all = fields, line, name, value;

	put(m->output, front.bytes, front.length);
	for (int i = 0; i < RULES && lines; i++)
		if (rules[i].response == m->responses)
			put_rule(m, &rules[i], all);
	while (cut(&fields, "\r\n", &line)) {
		value = line;
		cut(&value, ":", &name);
		if (m->edited && !trailers && is(name, "connection"))
			put_connection(m, line, name, trim(value));
		else if (!m->edited || rule_of(m, name) < 0)
			put(m->output, line.bytes, line.length + 2);
	}
	put_text(m->output, "\r\n");
}

/* ---- the model's messages ---- */

/* The section that is in front of the first empty line, and that line; false: there is none. */
static bool cut_section(struct text *rest, struct text *fields)
{
	if (rest->length >= 2 && memcmp(rest->bytes, "\r\n", 2) == 0) {
		*fields = (struct text) { rest->bytes, 0 };
		*rest = (struct text) { rest->bytes + 2, rest->length - 2 };
		return true;
	}
	if (!cut(rest, "\r\n\r\n", fields))
		return false;
	fields->length += 2;
	return true;
}

static bool good_fields(struct model *m, struct text fields, bool trailers)
{
	struct text line;

	while (cut(&fields, "\r\n", &line))
		if (!good_field(m, line, trailers))
			return false;
	return true;
}

static bool good_request(const struct model *m)
{
	return good_target(m) && (m->has_host || m->old);
}

static bool good_response(const struct model *m)
{
	return (m->status >= 200 && m->status != 204) || (!m->chunked && m->length == 0);
}

/* One head at the beginning of `rest`; false: the model ends. */
static bool model_head(struct model *m, struct text *rest)
{
	struct text all = *rest, line, fields;
	bool leading = !m->responses && rest->length >= 2 && memcmp(rest->bytes, "\r\n", 2) == 0;

	if (leading)
		*rest = (struct text) { rest->bytes + 2, rest->length - 2 };
	m->chunked = m->upgrade = m->close = m->keep_alive = m->has_length = m->has_host = false;
	m->length = 0;
	if (!cut(rest, "\r\n", &line) || !cut_section(rest, &fields)) {
		m->kept = true; /* or refused already */
		return false;
	}
	m->refused = line.length > 8190 || !(m->responses ? good_status_line(m, line) : good_request_line(m, line)) ||
		     !good_fields(m, fields, false) || !(m->responses ? good_response(m) : good_request(m)) ||
		     (size_t)(rest->bytes - all.bytes) > 65536;
	if (m->refused)
		return false;
	put_section(m, (struct text) { all.bytes, (size_t)(line.bytes - all.bytes) + line.length + 2 }, fields, false);
	m->requests += !m->responses;
	return true;
}

static bool good_extensions(struct text line)
{
	struct text name;

	while (line.length) {
		size_t length = strspn(line.bytes + 1, token_bytes);

		if (*line.bytes != ';' || length == 0)
			return false;
		name = (struct text) { line.bytes + 1, length };
		line = (struct text) { name.bytes + length, line.length - length - 1 };
		if (line.length == 0 || *line.bytes != '=')
			continue;
		line = (struct text) { line.bytes + 1, line.length - 1 };
		if (line.length && *line.bytes == '"') {
			size_t end = 1;

			for (; end < line.length && line.bytes[end] != '"'; end++) {
				unsigned char byte = (unsigned char)line.bytes[end];

				end += byte == '\\';
				byte = end < line.length ? (unsigned char)line.bytes[end] : 0;
				if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
					return false;
			}
			if (end >= line.length)
				return false;
			line = (struct text) { line.bytes + end + 1, line.length - end - 1 };
		} else {
			length = strspn(line.bytes, token_bytes);
			if (length == 0)
				return false;
			line = (struct text) { line.bytes + length, line.length - length };
		}
	}
	return true;
}

/* One chunk with its line; false, and `rest` is as it was: it is not complete, or wrong. */
static bool model_chunk(struct model *m, struct text *rest, unsigned long long *size)
{
	struct text line, behind = *rest;
	size_t digits;

	if (!cut(&behind, "\r\n", &line) || line.length > 8190)
		return false;
	digits = strspn(line.bytes, "0123456789abcdefABCDEF");
	if (digits == 0 || digits > 16 || !good_extensions((struct text) { line.bytes + digits, line.length - digits }))
		return false;
	*size = strtoull(line.bytes, NULL, 16);
	if (*size >> 60 || (*size && *size + 2 > behind.length) || (*size && memcmp(behind.bytes + *size, "\r\n", 2) != 0))
		return false;
	if (*size)
		behind = (struct text) { behind.bytes + *size + 2, behind.length - *size - 2 };
	put(m->output, rest->bytes, rest->length - behind.length);
	*rest = behind;
	return true;
}

/* The body of the message; false: the model ends, with bytes that may go on in part. */
static bool model_body(struct model *m, struct text *rest)
{
	unsigned long long size = 1;
	struct text fields;

	if (m->responses && (m->to_head || m->status < 200 || m->status == 204 || m->status == 304))
		return true;
	if (m->chunked) {
		while (size)
			if (!model_chunk(m, rest, &size))
				return false;
		if (!cut_section(rest, &fields)) {
			m->kept = true;
			return false;
		}
		m->refused = !good_fields(m, fields, true);
		if (!m->refused)
			put_section(m, (struct text) { fields.bytes, 0 }, fields, true);
		return !m->refused;
	}
	size = m->length < rest->length ? m->length : rest->length;
	if (m->responses && !m->has_length)
		size = rest->length;
	put(m->output, rest->bytes, size);
	*rest = (struct text) { rest->bytes + size, rest->length - size };
	return true;
}

/* Runs the model over the bytes; `rest` is what it left. */
static void run_model(struct model *m, unsigned answer, struct text *rest)
{
	while (rest->length && model_head(m, rest) && model_body(m, rest)) {
		if (is_interim(m))
			continue;
		if (m->responses ? m->status == 101 : m->upgrade && answer == 101) {
			put(m->output, rest->bytes, rest->length);
			rest->length = 0;
			return;
		}
		if (m->upgrade && !answer) {
			m->kept = true;
			return;
		}
		m->refused = rest->length && (m->close || (m->old && !m->keep_alive));
		if (m->refused)
			return;
	}
}

/* ---- together ---- */

static void check_model(const struct output *output, const struct lun_http_status *status, bool edited,
			const struct stream *stream)
{
	static struct output expected;
	struct model model = {
		.edited = edited, .responses = stream->responses, .to_head = stream->to_head, .output = &expected
	};
	struct text rest = { (const char *)stream->bytes, stream->size };

	expected.length = 0;
	run_model(&model, stream->answer, &rest);
	MUST(status->requests == model.requests);
	MUST(output->length >= expected.length && memcmp(output->bytes, expected.bytes, expected.length) == 0);
	if (model.refused)
		MUST(status->refused && output->length == expected.length);
	else if (model.kept)
		MUST((status->refused || status->reason == LUN_REASON_http_incomplete) && output->length == expected.length);
	else if (rest.length == 0)
		MUST(!status->refused && output->length == expected.length);
	else /* in the middle of a body */
		MUST(output->length - expected.length <= rest.length &&
		     memcmp(output->bytes + expected.length, rest.bytes, output->length - expected.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lun_policy *policies[2];
	static struct output whole, cut_up;
	struct lun_http_status status, again;
	struct input input = { data, size };
	size_t step = input_byte(&input) % 64 + 1;
	uint8_t choices = input_byte(&input);
	bool edited = choices & 1;
	unsigned answer = choices & 2 ? choices & 4 ? 101 : 200 : 0;
	struct stream stream;
	uint8_t *bytes;

	if (input.left > STREAM_SIZE - 1)
		return 0;
	if (!policies[edited])
		policies[edited] = make_policy(edited);
	bytes = malloc(input.left + 1); /* the model reads text with an end */
	MUST(bytes);
	memcpy(bytes, input.at, input.left);
	bytes[input.left] = '\0';
	stream = (struct stream) { policies[edited], answer, bytes, input.left, edited && choices & 8, choices & 16 };
	run(&stream, input.left + 1, &whole, &status);
	run(&stream, step, &cut_up, &again);
	MUST(whole.length == cut_up.length && memcmp(whole.bytes, cut_up.bytes, whole.length) == 0);
	MUST(status.refused == again.refused && status.reason == again.reason && status.offset == again.offset &&
	     status.requests == again.requests && status.text == again.text);
	check_model(&whole, &status, edited, &stream);
	free(bytes);
	return 0;
}
