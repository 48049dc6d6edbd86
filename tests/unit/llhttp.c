/* llhttp.c - our reading of requests beside that of llhttp, the parser of Node.js, in its strict form: every class of http_rows.h, and each
 * of these with every byte exchanged for others, doubled, or left out.
 *
 * Whether a stream is refused must be the same, and where it is not, how many heads it has; or the difference is listed here with its
 * reason.  What is listed and does not occur is wrong, too.  Debian 12 has llhttp's C sources in node-llhttp; without them this
 * test is not built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <llhttp.h>
#include <stdio.h>
#include <string.h>

#include "http/stream.h"
#include "http_rows.h"

enum { MOST = 1024 };

struct reading {
	bool refused;
	const char *why; /* of a refusal */
	uint64_t heads;
	bool another_protocol; /* from some place on */
};

static struct reading read_by_us(const uint8_t *bytes, size_t size, unsigned answer)
{
	struct stream stream;
	size_t at = 0;
	uint32_t length;

	stream_begin(&stream, false);
	for (;; at += length) {
		enum stream_step step;

		if (answer)
			stream_answered(&stream, answer);
		step = stream_next(&stream, bytes + at, (uint32_t)(size - at), &length);
		if (step == STREAM_MORE || step == STREAM_STOP)
			break;
	}
	return (struct reading) { .refused = stream.place == STREAM_REFUSED,
				  .why = stream.wrong,
				  .heads = stream.requests,
				  .another_protocol = stream.upgrade || stream.place == STREAM_OPAQUE };
}

static int count_head(llhttp_t *parser)
{
	++*(uint64_t *)parser->data;
	return 0;
}

static struct reading read_by_llhttp(const uint8_t *bytes, size_t size)
{
	struct reading reading = { 0 };
	llhttp_settings_t settings;
	llhttp_t parser;
	llhttp_errno_t problem;

	llhttp_settings_init(&settings);
	settings.on_headers_complete = count_head;
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	parser.data = &reading.heads;
	problem = llhttp_execute(&parser, (const char *)bytes, size);
	reading.another_protocol = problem == HPE_PAUSED_UPGRADE;
	reading.refused = problem != HPE_OK && !reading.another_protocol;
	reading.why = llhttp_get_error_reason(&parser);
	return reading;
}

/* ---- differences ---- */

struct difference {
	const char *why;    /* what the one says that refuses */
	const char *reason; /* what the other one does, or why */
	unsigned long count;
};

/* What we refuse, and llhttp takes. */
static struct difference stricter[] = {
	{ "a Host that is no host", "looks at no Host", 0 },
	{ "no Host", "wants none, not even in HTTP/1.1", 0 },
	{ "a second Host", "counts none", 0 },
	{ "a Host that is not the target's", "compares them not", 0 },
	{ "a target that is neither a path nor http://HOST with a valid host",
	  "takes any scheme, and a host of any bytes, also a user and a bad port", 0 },
	{ "the target * of another method than OPTIONS", "takes it for a path", 0 },
	{ "a byte that no target has", "takes # for the beginning of a fragment, which nobody sends (RFC 9112, 3.2)", 0 },
	{ "no target behind the method",
	  "takes several spaces for one (RFC 9112, 3: lenient servers may; others read an empty target)", 0 },
	{ "no version: HTTP/0.9", "takes HTTP/0.9", 0 },
	{ "expected HTTP/1.0 or HTTP/1.1 and CRLF behind one space",
	  "takes HTTP/0.9 and HTTP/2.0, several spaces, a bare LF", 0 },
	{ "the preface of HTTP/2", "says that it is one", 0 },
	{ "an upgrade to HTTP/2", "leaves it to its user", 0 },
	{ "CONNECT: what follows would be no HTTP", "leaves it to its user", 0 },
	{ "a Transfer-Encoding other than chunked",
	  "sees only whether \"chunked\" comes last, and of several lines the last", 0 },
	{ "Transfer-Encoding in HTTP/1.0", "does not look at the version", 0 },
	{ "a name that some servers take for Transfer-Encoding", "speaks for one server: for CGI an underscore is a hyphen",
	  0 },
	{ "a name that some servers take for Content-Length", "the same", 0 },
	{ "a Content-Length that is no number below 2^63", "takes any below 2^64, and one on a folded line", 0 },
	{ "a chunk of 2^60 bytes or more", "takes any below 2^64", 0 },
	{ "a chunk's extension without a name or value", "takes an empty value", 0 },
	{ "a control character in a chunk's line, or quotes that were not closed", "takes DEL", 0 },
	{ "a Connection that names a field which the message needs", "leaves it to proxies, which would take the field out",
	  0 },
	{ "a trailer that belongs into a head", "leaves it to its user, and takes Host", 0 },
	{ "expected the name of a field and a colon", "takes an empty name, and a bare LF for the empty line", 0 },
	{ "expected a method and one space", "skips any number of CR and LF in front of a request", 0 },
	{ "a CR without LF", "the same", 0 },
	{ "a line that begins with a blank", "unfolds it (RFC 9112, 5.2: a server may refuse it)", 0 },
	{ "bytes behind the last message", "skips CR and LF there, too", 0 },
};

/* What llhttp refuses, and we take. */
static struct difference laxer[] = {
	{ "Invalid method encountered", "it knows a table of methods; a method is any token (RFC 9110, 9.1)", 0 },
	{ "Expected space after method", "the same, of one that begins as one in the table", 0 },
	{ "Invalid character in chunk size", "behind a value without quotes it takes no more extensions", 0 },
	{ "Invalid character in chunk extensions quoted value",
	  "it takes no HTAB and no byte above 0x7f between quotes (RFC 9110, 5.6.4: qdtext, quoted-pair)", 0 },
	{ "Request has invalid `Transfer-Encoding`",
	  "it takes HTAB for a part of the value (RFC 9110, 5.6.3: OWS is SP and HTAB)", 0 },
	{ "Invalid character in Content-Length", "the same", 0 },
};

/* Notes a difference; false: it is not listed. */
static bool is_listed(struct difference *list, size_t count, const char *why)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].why, why) == 0) {
			list[i].count++;
			return true;
		}
	return false;
}

static void print_bytes(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] >= ' ' && bytes[i] < 0x7f)
			fputc(bytes[i], stderr);
		else
			fprintf(stderr, "\\x%02x", bytes[i]);
	fputc('\n', stderr);
}

/* Compares both readings; `name` says of what. */
static void compare(const char *name, const uint8_t *bytes, size_t size, unsigned answer)
{
	struct reading ours = read_by_us(bytes, size, answer), theirs = read_by_llhttp(bytes, size);
	bool same = theirs.another_protocol || ours.heads == theirs.heads;

	if (ours.refused && theirs.refused)
		return;
	/* What follows a request for another protocol llhttp does not read, and we do not before the answer. */
	if (ours.refused ? theirs.another_protocol && theirs.heads <= ours.heads : ours.another_protocol)
		return;
	if (ours.refused != theirs.refused)
		same = ours.refused ? is_listed(stricter, sizeof(stricter) / sizeof(stricter[0]), ours.why)
				    : is_listed(laxer, sizeof(laxer) / sizeof(laxer[0]), theirs.why);
	if (same)
		return;
	print_bytes(bytes, size);
	fail_msg("%s: ours: %s, %lu heads; llhttp: %s, %lu heads", name, ours.refused ? ours.why : "taken",
		 (unsigned long)ours.heads, theirs.refused ? theirs.why : "taken", (unsigned long)theirs.heads);
}

/* The row with each byte exchanged, doubled, or left out. */
static void compare_changed(const struct row *row)
{
	static const char others[] = " \t\r\n\0\x7f\xe9:;,_x0";
	uint8_t bytes[MOST];

	assert_true(row->length < sizeof(bytes));
	for (size_t i = 0; i < row->length; i++) {
		for (size_t k = 0; k < sizeof(others) - 1; k++) {
			memcpy(bytes, row->bytes, row->length);
			bytes[i] = (uint8_t)others[k];
			compare(row->name, bytes, row->length, row->answer);
		}
		memcpy(bytes, row->bytes, i + 1);
		memcpy(bytes + i + 1, row->bytes + i, row->length - i);
		compare(row->name, bytes, row->length + 1, row->answer);
		memcpy(bytes + i, row->bytes + i + 1, row->length - i - 1);
		compare(row->name, bytes, row->length - 1, row->answer);
	}
}

static void occur(const struct difference *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("%8lu  %s: %s\n", list[i].count, list[i].why, list[i].reason);
		if (list[i].count == 0)
			fail_msg("\"%s\" is listed as a difference, and is none", list[i].why);
	}
}

static void every_difference_has_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		compare(rows[i].name, (const uint8_t *)rows[i].bytes, rows[i].length, rows[i].answer);
		compare_changed(&rows[i]);
	}
	print_message("refused by us alone:\n");
	occur(stricter, sizeof(stricter) / sizeof(stricter[0]));
	print_message("refused by llhttp alone:\n");
	occur(laxer, sizeof(laxer) / sizeof(laxer[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_difference_has_its_reason) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
