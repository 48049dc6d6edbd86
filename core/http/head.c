/* head.c - a head from its first byte to its empty line: a switch in grammar order that can stop behind any byte.
 *
 * Every step is entered with `at` on the next byte, and leaves by MORE without having moved anything that it would need again; within
 * a line each goes on with the next one.  What fields mean is looked at when their line is complete. */
#include "http/head.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum step {
	START,
	START_LF,
	METHOD,
	TARGET,
	VERSION,
	STATUS,
	PHRASE,
	PHRASE_LF,
	FIELD,
	NAME,
	VALUE,
	FIELD_LF,
	END_LF,
	DONE,
	BAD
};

/* ---- bytes ---- */

enum class { TOKEN = 1, TARGET_BYTE = 2, VALUE_BYTE = 4, HOST_BYTE = 8, HEX = 16 };

#define VISIBLE (TARGET_BYTE | VALUE_BYTE)
#define WORD (VISIBLE | TOKEN | HOST_BYTE)

/* Tokens are RFC 9110, 5.6.2; a target is any visible ASCII but '#'; a value has no control character but HTAB; a host is a
 * reg-name of RFC 3986, 3.2.2, without the comma, for lists are split at it. */
static const uint8_t classes[256] = {
	['\t'] = VALUE_BYTE,
	[' '] = VALUE_BYTE,
	['!'] = WORD,
	['"'] = VISIBLE,
	['#'] = TOKEN | VALUE_BYTE,
	['$' ... '\''] = WORD,
	['(' ... ')'] = VISIBLE | HOST_BYTE,
	['*' ... '+'] = WORD,
	[','] = VISIBLE,
	['-' ... '.'] = WORD,
	['/'] = VISIBLE,
	['0' ... '9'] = WORD | HEX,
	[':'] = VISIBLE,
	[';'] = VISIBLE | HOST_BYTE,
	['<'] = VISIBLE,
	['='] = VISIBLE | HOST_BYTE,
	['>' ... '@'] = VISIBLE,
	['A' ... 'F'] = WORD | HEX,
	['G' ... 'Z'] = WORD,
	['[' ... ']'] = VISIBLE,
	['^'] = VISIBLE | TOKEN,
	['_'] = WORD,
	['`'] = VISIBLE | TOKEN,
	['a' ... 'f'] = WORD | HEX,
	['g' ... 'z'] = WORD,
	['{'] = VISIBLE,
	['|'] = VISIBLE | TOKEN,
	['}'] = VISIBLE,
	['~'] = WORD,
	[0x80 ... 0xff] = VALUE_BYTE,
};

static inline uint32_t skip(const uint8_t *bytes, uint32_t at, uint32_t end, uint8_t class)
{
	while (at < end && classes[bytes[at]] & class)
		at++;
	return at;
}

/* The same, sixteen bytes at a time where the processor can.  Each stops at the first byte that is certainly none of the class or that
 * only the table knows about, and lets the table go on. */
#ifdef __SSE2__
static inline __m128i load16(const uint8_t *bytes)
{
	return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

/* Bytes from `low` to `high`, both below 0x80. */
static inline __m128i between(__m128i word, char low, char high)
{
	return _mm_and_si128(_mm_cmpgt_epi8(word, _mm_set1_epi8((char)(low - 1))),
			     _mm_cmplt_epi8(word, _mm_set1_epi8((char)(high + 1))));
}

static inline __m128i are_values(__m128i word)
{
	__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(word, _mm_set1_epi8(0x1f)), word);

	return _mm_andnot_si128(_mm_or_si128(control, _mm_cmpeq_epi8(word, _mm_set1_epi8(0x7f))), _mm_set1_epi8(-1));
}

static inline __m128i are_target_bytes(__m128i word)
{
	return _mm_andnot_si128(_mm_cmpeq_epi8(word, _mm_set1_epi8('#')), between(word, 0x21, 0x7e));
}

/* Letters and '-': what most names consist of.  A letter without its bit of case is one of 26 in a row. */
static inline __m128i are_letters(__m128i word)
{
	__m128i upper = _mm_and_si128(word, _mm_set1_epi8((char)0xdf));
	__m128i place = _mm_sub_epi8(upper, _mm_set1_epi8('A'));

	return _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(place, _mm_set1_epi8(25)), place),
			    _mm_cmpeq_epi8(word, _mm_set1_epi8('-')));
}

#define SKIP_FAST(bytes, at, end, class, are)                                                                               \
	for (; (end) - (at) >= 16; (at)++) {                                                                                \
		int members = _mm_movemask_epi8(are(load16((bytes) + (at))));                                               \
		for (; members == 0xffff && (end) - (at) >= 32; (at) += 16)                                                 \
			members = _mm_movemask_epi8(are(load16((bytes) + (at) + 16)));                                      \
		(at) += (uint32_t)__builtin_ctz((unsigned)members ^ 0x1ffff);                                               \
		if ((at) == (end) || !(classes[(bytes)[at]] & (class)))                                                     \
			return at;                                                                                          \
	}
#else
#define SKIP_FAST(bytes, at, end, class, are) (void)0
#endif

static inline uint32_t skip_target(const uint8_t *bytes, uint32_t at, uint32_t end)
{
	SKIP_FAST(bytes, at, end, TARGET_BYTE, are_target_bytes);
	return skip(bytes, at, end, TARGET_BYTE);
}

static inline uint32_t skip_value(const uint8_t *bytes, uint32_t at, uint32_t end)
{
	SKIP_FAST(bytes, at, end, VALUE_BYTE, are_values);
	return skip(bytes, at, end, VALUE_BYTE);
}

static inline uint32_t skip_name(const uint8_t *bytes, uint32_t at, uint32_t end)
{
	SKIP_FAST(bytes, at, end, TOKEN, are_letters);
	return skip(bytes, at, end, TOKEN);
}

static inline uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

static inline uint8_t twin_byte(uint8_t byte)
{
	byte = lower(byte);
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ? byte : '-';
}

bool name_is_twin(const uint8_t *a, size_t a_length, const char *b, size_t b_length)
{
	if (a_length != b_length)
		return false;
	for (size_t i = 0; i < a_length; i++)
		if (a[i] != (uint8_t)b[i] && twin_byte(a[i]) != twin_byte((uint8_t)b[i]))
			return false;
	return true;
}

static struct part trimmed(const uint8_t *bytes, uint32_t start, uint32_t end)
{
	while (start < end && (bytes[start] == ' ' || bytes[start] == '\t'))
		start++;
	while (start < end && (bytes[end - 1] == ' ' || bytes[end - 1] == '\t'))
		end--;
	return (struct part) { .offset = start, .length = end - start };
}

bool part_next_member(const uint8_t *bytes, struct part *rest, struct part *member)
{
	const uint8_t *comma = rest->length ? memchr(bytes + rest->offset, ',', rest->length) : NULL;
	uint32_t end = comma ? (uint32_t)(comma - bytes) : rest->offset + rest->length;

	if (rest->length == 0)
		return false;
	*member = trimmed(bytes, rest->offset, end);
	rest->length -= end - rest->offset + (comma != NULL);
	rest->offset = end + (comma != NULL);
	return true;
}

/* ---- results ---- */

static int bad(struct head *head, uint32_t at, const char *wrong)
{
	head->wrong = wrong;
	head->wrong_at = at;
	head->step = BAD;
	return HEAD_BAD;
}

/* The line goes on at `at`, where no byte is any more: there may be more to come, or it is too long. */
static int more(struct head *head, uint32_t at)
{
	head->at = at;
	if (at < head->line + HEAD_LINE && at < HEAD_SIZE)
		return HEAD_MORE;
	head->flags |= HEAD_TOO_LARGE;
	return bad(head, at, at < HEAD_SIZE ? "a line of more than 8 kB" : "a head of more than 64 kB");
}

/* ---- the request line ---- */

bool authority_is_valid(const uint8_t *bytes, struct part part)
{
	uint32_t at = part.offset, end = part.offset + part.length, port = 0, digits;

	if (part.length && bytes[at] == '[') {
		while (++at < end && (classes[bytes[at]] & HEX || bytes[at] == ':' || bytes[at] == '.'))
			;
		if (at == end || bytes[at++] != ']')
			return false;
	} else {
		at = skip(bytes, at, end, HOST_BYTE);
	}
	if (at == end)
		return true;
	digits = end - at - 1;
	if (bytes[at] != ':' || at == part.offset || digits > 5)
		return false;
	while (++at < end) {
		if (bytes[at] < '0' || bytes[at] > '9')
			return false;
		port = port * 10 + (uint32_t)(bytes[at] - '0');
	}
	return port <= UINT16_MAX;
}

/* "http://" authority, then a path, a query or nothing. */
static bool is_absolute(struct head *head, const uint8_t *bytes)
{
	static const char scheme[] = "http://";
	struct part target = head->target;
	uint32_t at = target.offset + sizeof(scheme) - 1, end = target.offset + target.length;

	if (target.length < sizeof(scheme) ||
	    !part_equals(bytes, (struct part) { target.offset, sizeof(scheme) - 1 }, scheme))
		return false;
	head->authority.offset = at;
	while (at < end && bytes[at] != '/' && bytes[at] != '?')
		at++;
	head->authority.length = at - head->authority.offset;
	return head->authority.length && authority_is_valid(bytes, head->authority);
}

/* Method and target are complete.  NULL, or what is wrong with them. */
static const char *check_target(struct head *head, const uint8_t *bytes)
{
	const uint8_t *target = bytes + head->target.offset;

	if (part_equals(bytes, head->method, "connect"))
		return "CONNECT: what follows would be no HTTP";
	if (head->target.length == 0)
		return "no target behind the method";
	if (*target == '/')
		return NULL;
	if (head->target.length == 1 && *target == '*') {
		if (head->method.length == 3 && memcmp(bytes + head->method.offset, "PRI", 3) == 0)
			return "the preface of HTTP/2";
		return part_equals(bytes, head->method, "options") ? NULL : "the target * of another method than OPTIONS";
	}
	return is_absolute(head, bytes) ? NULL : "a target that is neither a path nor http://HOST with a valid host";
}

/* HTTP/1.0 or HTTP/1.1 and CRLF, ten bytes in all. */
static int scan_version(struct head *head, const uint8_t *bytes, uint32_t end)
{
	static const char version[] = "HTTP/1.?\r\n";
	uint32_t start = head->target.offset + head->target.length + 1;

	if (head->at == start && end - start >= 10 && memcmp(bytes + start, "HTTP/1.1\r\n", 10) == 0)
		head->at = start + 10; /* as nearly always */
	for (uint32_t at = head->at; at < start + sizeof(version) - 1; at++) {
		uint32_t i = at - start;

		if (at >= end)
			return more(head, at);
		if (version[i] == '?' ? bytes[at] != '0' && bytes[at] != '1' : bytes[at] != (uint8_t)version[i])
			return bad(head, at, "expected HTTP/1.0 or HTTP/1.1 and CRLF behind one space");
		if (version[i] == '?' && bytes[at] == '0')
			head->flags |= HEAD_OLD;
	}
	head->at = head->line = head->fields_offset = start + sizeof(version) - 1;
	head->step = FIELD;
	return 0;
}

static int scan_method(struct head *head, const uint8_t *bytes, uint32_t end)
{
	uint32_t at = skip(bytes, head->at, end, TOKEN);

	if (at == end)
		return more(head, at);
	if (bytes[at] != ' ' || at == head->line)
		return bad(head, at, "expected a method and one space");
	head->method = (struct part) { head->line, at - head->line };
	head->target.offset = head->at = at + 1;
	head->step = TARGET;
	return 0;
}

static int scan_target(struct head *head, const uint8_t *bytes, uint32_t end)
{
	uint32_t at = skip_target(bytes, head->at, end);
	const char *wrong;

	if (at == end)
		return more(head, at);
	if (bytes[at] == '\r' || bytes[at] == '\n')
		return bad(head, at, "no version: HTTP/0.9");
	if (bytes[at] != ' ')
		return bad(head, at, "a byte that no target has");
	head->target.length = at - head->target.offset;
	wrong = check_target(head, bytes);
	if (wrong)
		return bad(head, head->target.offset, wrong);
	head->at = at + 1;
	head->step = VERSION;
	return 0;
}

/* One CRLF may stand in front of a request line (RFC 9112, 2.2). */
static int scan_start(struct head *head, const uint8_t *bytes, uint32_t end)
{
	if (head->at == end)
		return HEAD_MORE;
	if (head->step == START_LF && bytes[head->at] != '\n')
		return bad(head, head->at, "a CR without LF");
	if (head->step == START && bytes[head->at] == '\r') {
		head->step = START_LF;
		head->at++;
		return 0;
	}
	head->at += head->step == START_LF;
	head->line = head->at;
	head->step = METHOD;
	return 0;
}

/* ---- the status line ---- */

/* HTTP/1.0 or HTTP/1.1, a space and three digits (RFC 9112, 4). */
static int scan_status(struct head *head, const uint8_t *bytes, uint32_t end)
{
	static const char line[] = "HTTP/1.? ###";

	for (; head->at < sizeof(line) - 1; head->at++) {
		uint8_t byte;
		char wanted = line[head->at];

		if (head->at >= end)
			return more(head, head->at);
		byte = bytes[head->at];
		if (wanted == '?'   ? byte != '0' && byte != '1'
		    : wanted == '#' ? !(byte >= '0' && byte <= '9')
				    : byte != (uint8_t)wanted)
			return bad(head, head->at, "expected HTTP/1.0 or HTTP/1.1, a space and a status of three digits");
		if (wanted == '?' && byte == '0')
			head->flags |= HEAD_OLD;
		if (wanted == '#')
			head->status = (uint16_t)(head->status * 10 + (byte - '0'));
	}
	head->step = PHRASE;
	return head->status >= 100 ? 0 : bad(head, head->at - 3, "a status below 100");
}

/* The phrase, and CRLF.  Without a phrase some servers leave out the space in front of it, too. */
static int scan_phrase(struct head *head, const uint8_t *bytes, uint32_t end)
{
	uint32_t start = sizeof("HTTP/1.1 200") - 1, at = skip_value(bytes, head->at, end);

	if (at > start && bytes[start] != ' ')
		return bad(head, start, "a status of more than three digits");
	if (at == end)
		return more(head, at);
	if (bytes[at] != '\r')
		return bad(head, at, bytes[at] == '\n' ? "a LF without CR" : "a control character in the status line");
	head->at = at + 1;
	head->step = PHRASE_LF;
	return 0;
}

static int scan_phrase_end(struct head *head, const uint8_t *bytes, uint32_t end)
{
	if (head->at == end)
		return more(head, end);
	if (bytes[head->at] != '\n')
		return bad(head, head->at, "a CR without LF");
	head->line = head->fields_offset = ++head->at;
	head->step = FIELD;
	return 0;
}

/* ---- what fields mean ---- */

/* Decimal digits, below 2^63. */
static bool parse_length(const uint8_t *bytes, struct part part, uint64_t *length)
{
	*length = 0;
	for (uint32_t i = 0; i < part.length; i++) {
		uint8_t byte = bytes[part.offset + i];

		if (byte < '0' || byte > '9' || *length > (uint64_t)(INT64_MAX - (byte - '0')) / 10)
			return false;
		*length = *length * 10 + (uint64_t)(byte - '0');
	}
	return part.length > 0;
}

static const char *note_length(struct head *head, const uint8_t *bytes, struct part name, struct part value)
{
	if (!name_is_twin(bytes + name.offset, name.length, "content-length", 14))
		return NULL;
	if (!part_equals(bytes, name, "content-length"))
		return "a name that some servers take for Content-Length";
	if (head->flags & HEAD_CHUNKED)
		return "Content-Length beside Transfer-Encoding";
	if (head->flags & HEAD_LENGTH)
		return "a second Content-Length";
	if (!parse_length(bytes, value, &head->content_length))
		return "a Content-Length that is no number below 2^63";
	head->flags |= HEAD_LENGTH;
	return NULL;
}

static const char *note_coding(struct head *head, const uint8_t *bytes, struct part name, struct part value)
{
	if (!name_is_twin(bytes + name.offset, name.length, "transfer-encoding", 17))
		return NULL;
	if (!part_equals(bytes, name, "transfer-encoding"))
		return "a name that some servers take for Transfer-Encoding";
	if (head->flags & HEAD_LENGTH)
		return "Transfer-Encoding beside Content-Length";
	if (head->flags & HEAD_CHUNKED)
		return "a second Transfer-Encoding";
	if (head->flags & HEAD_OLD)
		return "Transfer-Encoding in HTTP/1.0";
	if (!part_equals(bytes, value, "chunked"))
		return "a Transfer-Encoding other than chunked";
	head->flags |= HEAD_CHUNKED;
	return NULL;
}

static const char *note_host(struct head *head, const uint8_t *bytes, struct part name, struct part value)
{
	if (!part_equals(bytes, name, "host"))
		return NULL;
	if (head->flags & HEAD_HOST)
		return "a second Host";
	if (!authority_is_valid(bytes, value))
		return "a Host that is no host";
	head->host = value;
	head->flags |= HEAD_HOST;
	return NULL;
}

/* A protocol is a name and perhaps a version behind a slash. */
static const char *note_upgrade(struct head *head, const uint8_t *bytes, struct part name, struct part value)
{
	struct part member;

	if (!part_equals(bytes, name, "upgrade"))
		return NULL;
	while (part_next_member(bytes, &value, &member)) {
		const uint8_t *slash = member.length ? memchr(bytes + member.offset, '/', member.length) : NULL;

		if (slash)
			member = trimmed(bytes, member.offset, (uint32_t)(slash - bytes));
		if (part_equals(bytes, member, "h2c") || part_equals(bytes, member, "h2"))
			return "an upgrade to HTTP/2";
	}
	head->flags |= HEAD_UPGRADE;
	return NULL;
}

/* Names without which the message would be another one. */
static bool is_needed(const uint8_t *bytes, struct part name)
{
	return part_equals(bytes, name, "host") || name_is_twin(bytes + name.offset, name.length, "content-length", 14) ||
	       name_is_twin(bytes + name.offset, name.length, "transfer-encoding", 17);
}

/* A proxy removes the fields that Connection names. */
static const char *note_connection(struct head *head, const uint8_t *bytes, struct part name, struct part value)
{
	struct part member;

	if (!part_equals(bytes, name, "connection"))
		return NULL;
	head->flags |= HEAD_CONNECTION;
	while (part_next_member(bytes, &value, &member)) {
		if (part_equals(bytes, member, "close"))
			head->flags |= HEAD_CLOSE;
		else if (part_equals(bytes, member, "keep-alive"))
			head->flags |= HEAD_KEEP_ALIVE;
		else if (is_needed(bytes, member))
			return "a Connection that names a field which the message needs";
	}
	return NULL;
}

/* The line is complete, its CR at `end`.  NULL, or why two servers could disagree. */
static const char *note_field(struct head *head, const uint8_t *bytes, uint32_t end)
{
	struct part name = { head->line, head->colon - head->line };
	const char *(*note)(struct head *, const uint8_t *, struct part, struct part);

	switch (name.length) {
	case sizeof("host") - 1:
		note = note_host;
		break;
	case sizeof("upgrade") - 1:
		note = note_upgrade;
		break;
	case sizeof("connection") - 1:
		note = note_connection;
		break;
	case sizeof("content-length") - 1:
		note = note_length;
		break;
	case sizeof("transfer-encoding") - 1:
		note = note_coding;
		break;
	default:
		return NULL;
	}
	if (head->flags & HEAD_TRAILERS)
		return is_needed(bytes, name) ? "a trailer that belongs into a head" : NULL;
	if (head->flags & HEAD_RESPONSE && (note == note_host || note == note_upgrade))
		return NULL; /* means nothing there */
	return note(head, bytes, name, trimmed(bytes, head->colon + 1, end));
}

/* ---- fields ---- */

static int scan_field_end(struct head *head, const uint8_t *bytes, uint32_t end)
{
	const char *wrong;

	if (head->at == end)
		return more(head, end);
	if (bytes[head->at] != '\n')
		return bad(head, head->at, "a CR without LF");
	wrong = note_field(head, bytes, head->at - 1);
	if (wrong)
		return bad(head, head->line, wrong);
	head->line = ++head->at;
	head->step = FIELD;
	return 0;
}

static int scan_value(struct head *head, const uint8_t *bytes, uint32_t end)
{
	uint32_t at = skip_value(bytes, head->at, end);

	if (at == end)
		return more(head, at);
	if (bytes[at] != '\r')
		return bad(head, at, bytes[at] == '\n' ? "a LF without CR" : "a control character in a value");
	head->at = at + 1;
	head->step = FIELD_LF;
	return scan_field_end(head, bytes, end);
}

static int scan_name(struct head *head, const uint8_t *bytes, uint32_t end)
{
	uint32_t at = skip_name(bytes, head->at, end);

	if (at == end)
		return more(head, at);
	if (bytes[at] == ':' && at > head->line) {
		head->colon = at;
		head->at = at + 1;
		head->step = VALUE;
		return scan_value(head, bytes, end);
	}
	if (at == head->line && (bytes[at] == ' ' || bytes[at] == '\t'))
		return bad(head, at, "a line that begins with a blank");
	return bad(head, at, "expected the name of a field and a colon");
}

/* A status that has no body must not announce one (RFC 9112, 6.1 and 6.2); a length of zero is none. */
static const char *check_response(struct head *head)
{
	if ((head->status < 200 || head->status == 204) &&
	    (head->flags & HEAD_CHUNKED || (head->flags & HEAD_LENGTH && head->content_length)))
		return "a body announced by a response that has none";
	if (head->flags & HEAD_OLD && !(head->flags & HEAD_KEEP_ALIVE))
		head->flags |= HEAD_CLOSE;
	return NULL;
}

/* The empty line is complete. */
static const char *check_head(struct head *head, const uint8_t *bytes)
{
	struct part host = head->host, authority = head->authority;

	if (head->flags & HEAD_TRAILERS)
		return NULL;
	if (head->flags & HEAD_RESPONSE)
		return check_response(head);
	if (!(head->flags & (HEAD_HOST | HEAD_OLD)))
		return "no Host";
	if (authority.length && head->flags & HEAD_HOST) {
		if (host.length != authority.length)
			return "a Host that is not the target's";
		for (uint32_t i = 0; i < host.length; i++)
			if (lower(bytes[host.offset + i]) != lower(bytes[authority.offset + i]))
				return "a Host that is not the target's";
	}
	if (head->flags & HEAD_OLD && !(head->flags & HEAD_KEEP_ALIVE))
		head->flags |= HEAD_CLOSE;
	return NULL;
}

static int scan_end(struct head *head, const uint8_t *bytes, uint32_t end)
{
	const char *wrong;

	if (head->at == end)
		return more(head, end);
	if (bytes[head->at] != '\n')
		return bad(head, head->at, "a CR without LF");
	wrong = check_head(head, bytes);
	if (wrong)
		return bad(head, head->line, wrong);
	head->length = ++head->at;
	head->step = DONE;
	return (int)head->length;
}

/* How far the scanner may look, with the limits of a line and a head. */
static uint32_t line_end(const struct head *head, uint32_t size)
{
	uint32_t end = head->line + HEAD_LINE < HEAD_SIZE ? head->line + HEAD_LINE : HEAD_SIZE;

	return size < end ? size : end;
}

/* Lines that are there from their first byte to their last: what the steps do, in fewer.  The first one that is not, or in which
 * something is wrong, is left to them. */
static int scan_lines(struct head *head, const uint8_t *bytes, uint32_t size)
{
	const char *wrong = NULL;

	while (!wrong && head->at < size && bytes[head->at] != '\r') {
		uint32_t end = line_end(head, size), colon = skip_name(bytes, head->at, end), at;

		if (colon == end || bytes[colon] != ':' || colon == head->at)
			return 0;
		at = skip_value(bytes, colon + 1, end);
		if (end - at < 2 || bytes[at] != '\r' || bytes[at + 1] != '\n')
			return 0;
		head->colon = colon;
		wrong = note_field(head, bytes, at);
		if (!wrong)
			head->line = head->at = at + 2;
	}
	return wrong ? bad(head, head->line, wrong) : 0;
}

static int scan_field(struct head *head, const uint8_t *bytes, uint32_t end)
{
	if (head->at == end)
		return more(head, end);
	if (bytes[head->at] == '\r') {
		head->at++;
		head->step = END_LF;
		return scan_end(head, bytes, end);
	}
	head->step = NAME;
	return scan_name(head, bytes, end);
}

void head_begin(struct head *head, uint16_t flags)
{
	*head = (struct head) { .step = flags & HEAD_TRAILERS   ? FIELD
					: flags & HEAD_RESPONSE ? STATUS
								: START,
				.flags = flags };
}

bool head_is_for_head(const struct head *head, const uint8_t *bytes)
{
	return head->method.length == 4 && memcmp(bytes + head->method.offset, "HEAD", 4) == 0;
}

int head_scan(struct head *head, const uint8_t *bytes, uint32_t size)
{
	int result = 0;

	while (result == 0) {
		uint32_t end = line_end(head, size);

		switch ((enum step)head->step) {
		case START:
		case START_LF:
			result = scan_start(head, bytes, end);
			break;
		case METHOD:
			result = scan_method(head, bytes, end);
			break;
		case TARGET:
			result = scan_target(head, bytes, end);
			break;
		case VERSION:
			result = scan_version(head, bytes, end);
			break;
		case STATUS:
			result = scan_status(head, bytes, end);
			break;
		case PHRASE:
			result = scan_phrase(head, bytes, end);
			break;
		case PHRASE_LF:
			result = scan_phrase_end(head, bytes, end);
			break;
		case FIELD:
			result = scan_lines(head, bytes, size);
			if (result == 0)
				result = scan_field(head, bytes, line_end(head, size));
			break;
		case NAME:
			result = scan_name(head, bytes, end);
			break;
		case VALUE:
			result = scan_value(head, bytes, end);
			break;
		case FIELD_LF:
			result = scan_field_end(head, bytes, end);
			break;
		case END_LF:
			result = scan_end(head, bytes, end);
			break;
		case DONE:
			return (int)head->length;
		case BAD:
			return HEAD_BAD;
		}
	}
	return result;
}

bool head_next_field(const struct head *head, const uint8_t *bytes, uint32_t *at, struct field *field)
{
	const uint8_t *colon, *line_feed;

	if (*at + 2 >= head->length)
		return false;
	colon = memchr(bytes + *at, ':', head->length - *at);
	line_feed = memchr(colon, '\n', head->length - (size_t)(colon - bytes));
	field->name = (struct part) { *at, (uint32_t)(colon - bytes) - *at };
	field->end = (uint32_t)(line_feed - bytes) + 1;
	field->value = trimmed(bytes, (uint32_t)(colon - bytes) + 1, field->end - 2);
	*at = field->end;
	return true;
}
