/* http_responses.c - what an upstream sends, and what the client gets: rows as in http_rows.c, each whole, byte by byte, and cut in two at
 * every offset; and responses through the engine, where requests say how to read them and both directions are edited. */
#include "lua_load.h"
#include "notation.h"
#include "request.h"

#include "http/stream.h"

/* ---- one response after the other ---- */

#define OK "HTTP/1.1 200 OK\r\n"
#define NEW "X-New: 10.1.1.1\r\n"
#define END "\r\n"

struct row {
	const char *name;
	bool to_head;
	const char *sent, *got;
	long refused; /* the offset, or -1 */
};

/* The service removes Server and sets X-New. */
static const struct row rows[] = {
	{ "a length", false, OK "Server: x\r\nContent-Length: 2\r\n\r\nab", OK NEW "Content-Length: 2\r\n\r\nab", -1 },
	{ "no body at all", false, OK "Content-Length: 0\r\n\r\n" OK "Content-Length: 1\r\n\r\nx",
	  OK NEW "Content-Length: 0\r\n\r\n" OK NEW "Content-Length: 1\r\n\r\nx", -1 },
	{ "chunked, with trailers", false,
	  OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSERVER: x\r\nX-Sum: 1\r\n\r\n" OK
	     "Content-Length: 0\r\n\r\n",
	  OK NEW "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n" OK NEW "Content-Length: 0\r\n\r\n",
	  -1 },
	{ "to the end of the connection", false, OK "X-New: y\r\n\r\nHTTP/1.1 200 OK\r\nServer: x\r\n\r\n",
	  OK NEW "\r\nHTTP/1.1 200 OK\r\nServer: x\r\n\r\n", -1 },
	{ "HTTP/1.0, to the end", false, "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nab", "HTTP/1.0 200 OK\r\n" NEW "\r\nab", -1 },
	{ "to HEAD", true, OK "Content-Length: 5\r\n\r\n" OK "Transfer-Encoding: chunked\r\n\r\n" OK "\r\n" OK END,
	  OK NEW "Content-Length: 5\r\n\r\n" OK NEW "Transfer-Encoding: chunked\r\n\r\n" OK NEW "\r\n" OK NEW END, -1 },
	{ "304 and 204", false,
	  "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204\r\nServer: x\r\n\r\nHTTP/1.1 204 "
	  "No\r\nContent-Length: "
	  "0\r\n\r\n",
	  "HTTP/1.1 304 Not Modified\r\n" NEW "Content-Length: 5\r\n\r\nHTTP/1.1 204\r\n" NEW "\r\nHTTP/1.1 204 No\r\n" NEW
	  "Content-Length: 0\r\n\r\n",
	  -1 },
	{ "100 and 103 get no lines, but lose some", false,
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\nServer: x\r\n\r\n" OK
	  "Content-Length: 0\r\n\r\n",
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" OK NEW "Content-Length: 0\r\n\r\n",
	  -1 },
	{ "101, and what follows it", false, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n\x81\x05hello\n\n",
	  "HTTP/1.1 101 Switching\r\n" NEW "Upgrade: x\r\n\r\n\x81\x05hello\n\n", -1 },
	{ "a phrase that is empty, long, or not of ASCII", false,
	  "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 N\xc3\xb6 \t\r\nContent-Length: 0\r\n\r\n",
	  "HTTP/1.1 404 \r\n" NEW "Content-Length: 0\r\n\r\nHTTP/1.1 500 N\xc3\xb6 \t\r\n" NEW "Content-Length: 0\r\n\r\n",
	  -1 },
	{ "the last one", false, OK "Connection: close\r\nContent-Length: 1\r\n\r\nx",
	  OK NEW "Connection: close\r\nContent-Length: 1\r\n\r\nx", -1 },
	{ "Upgrade, Host and two Hosts mean nothing", false,
	  OK "Upgrade: h2c\r\nHost: /\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
	  OK NEW "Upgrade: h2c\r\nHost: /\r\nHost: b\r\nContent-Length: 0\r\n\r\n", -1 },

	{ "something behind the last one", false, OK "Connection: close\r\nContent-Length: 1\r\n\r\nxH",
	  OK NEW "Connection: close\r\nContent-Length: 1\r\n\r\nx", 58 },
	{ "two lengths", false, OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "", 36 },
	{ "a length beside chunks", false, OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "", 36 },
	{ "another coding", false, OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "", 17 },
	{ "chunks in HTTP/1.0", false, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", 17 },
	{ "a 204 with a body", false, "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\nx", "", 36 },
	{ "a 100 with chunks", false, "HTTP/1.1 100 No\r\nTransfer-Encoding: chunked\r\n\r\n", "", 45 },
	{ "a bare LF", false, "HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\nx", "", 15 },
	{ "a bare CR", false, "HTTP/1.1 200 OK\rContent-Length: 1\r\n\r\nx", "", 16 },
	{ "a folded line", false, OK "X: y\r\n z\r\n\r\n", "", 23 },
	{ "a line in front of it", false, "\r\n" OK END, "", 0 },
	{ "HTTP/2.0", false, "HTTP/2.0 200 OK\r\n\r\n", "", 5 },
	{ "HTTP/1.2", false, "HTTP/1.2 200 OK\r\n\r\n", "", 7 },
	{ "two spaces", false, "HTTP/1.1  200 OK\r\n\r\n", "", 9 },
	{ "a status of two digits", false, "HTTP/1.1 20 OK\r\n\r\n", "", 11 },
	{ "a status of four digits", false, "HTTP/1.1 2000 OK\r\n\r\n", "", 12 },
	{ "a status below 100", false, "HTTP/1.1 099 OK\r\n\r\n", "", 9 },
	{ "no HTTP", false, "SSH-2.0-x\r\n", "", 0 },
	{ "a chunk without a size", false, OK "Transfer-Encoding: chunked\r\n\r\nx",
	  OK NEW "Transfer-Encoding: chunked\r\n\r\n", 47 },
	{ "a trailer that belongs into a head", false, OK "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n",
	  OK NEW "Transfer-Encoding: chunked\r\n\r\n0\r\n", 50 },
};

static struct outcome outcome;

static void check(const struct row *row, struct lun_policy *policy, size_t first, size_t step)
{
	const struct trial trial = { .policy = policy,
				     .responses = true,
				     .to_head = row->to_head,
				     .bytes = row->sent,
				     .length = strlen(row->sent),
				     .first = first,
				     .step = step };

	trial_run(&trial, &outcome);
	if (outcome.status.refused != (row->refused >= 0) ||
	    (row->refused >= 0 && outcome.status.offset != (uint64_t)row->refused))
		fail_msg("%s, cut at %zu, then each %zu: %s at %llu: %s, expected %ld", row->name, first, step,
			 outcome.status.refused ? "refused" : "not refused", (unsigned long long)outcome.status.offset,
			 outcome.status.text ? outcome.status.text : "", row->refused);
	if (outcome.length != strlen(row->got) || memcmp(outcome.bytes, row->got, outcome.length) != 0)
		fail_msg("%s, cut at %zu, then each %zu: the client gets\n%.*s", row->name, first, step, (int)outcome.length,
			 (const char *)outcome.bytes);
}

static struct lun_policy *policy_of(const char *http)
{
	static struct loaded loaded;
	char text[1000];

	snprintf(text, sizeof(text),
		 "node { name = 'n', addresses = { '172.18.0.2' } }\n"
		 "service 'default/web' { cluster_ips = { '10.96.0.1' }, ports = { { port = 80, target_port = 8080 } },\n"
		 "endpoints = { '10.244.0.5' }, http = %s }\n",
		 http);
	loaded_init(&loaded);
	if (loaded_text(&loaded, text) < 0)
		fail_msg("%s", loaded.error.text);
	lun_policy_ref(loaded.policy);
	loaded_fini(&loaded);
	return loaded.policy;
}

#define EDITED "{ set = { A = '1' }, response = { set = { ['X-New'] = '$remote_addr' }, remove = { 'Server' } } }"

static void every_response_is_read_alike_however_it_is_cut(void **state)
{
	struct lun_policy *policy = policy_of(EDITED);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t length = strlen(rows[i].sent);

		check(&rows[i], policy, length, 1);
		check(&rows[i], policy, 1, 1);
		check(&rows[i], policy, 1, 3);
		for (size_t cut = 0; cut < length; cut++)
			check(&rows[i], policy, cut, length);
	}
	lun_policy_unref(policy);
}

/* ---- with their requests ---- */

#define CLIENT "tcp 10.1.1.1:4000 10.96.0.1:80 "
#define UPSTREAM "tcp 10.244.0.5:8080 10.1.1.1:4000 "
#define ON_ITS_WAY "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080"
#define BACK "accept established ESTABLISHED -> tcp 10.96.0.1:80 10.1.1.1:4000"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"   /* 27 bytes; 6 more go on */
#define HEAD "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" /* 28 bytes */
#define SHORT OK "Content-Length: 1\r\n\r\nx"     /* 39 bytes; 17 more go back */

static void start(struct notation *n)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .seed = { 1, 2 } };
	struct lun_policy *policy = policy_of(EDITED);

	*n = (struct notation) { .now = 1000 };
	assert_int_equal(lun_engine_new(&n->engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	EXPECT(n, { CLIENT "S seq 999", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { UPSTREAM "S. seq 4999 ack 1000", "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" },
	       { CLIENT ". seq 1000 ack 5000", ON_ITS_WAY });
}

/* What left has these numbers, and this payload. */
static void expect_left(const struct notation *n, uint32_t sequence, uint32_t ack, const char *payload)
{
	assert_int_equal(load32(n->data + 24), sequence);
	assert_int_equal(load32(n->data + 28), ack);
	assert_int_equal(n->packet.length, 40 + strlen(payload));
	assert_memory_equal(n->data + 40, payload, strlen(payload));
}

static void both_directions_shift_both_numbers(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" GET "\"", ON_ITS_WAY });
	expect_left(&n, 1000, 5000, "GET / HTTP/1.1\r\nA: 1\r\nHost: a\r\n\r\n");
	EXPECT(&n, { UPSTREAM "P. seq 5000 ack 1033 text \"" SHORT "\"", BACK });
	expect_left(&n, 5000, 1027, OK NEW "Content-Length: 1\r\n\r\nx");
	EXPECT(&n, { CLIENT "P. seq 1027 ack 5056 text \"" GET "\"", ON_ITS_WAY });
	expect_left(&n, 1033, 5039, "GET / HTTP/1.1\r\nA: 1\r\nHost: a\r\n\r\n");
	/* half a head acknowledges none of it */
	EXPECT(&n, { UPSTREAM "P. seq 5039 ack 1050 text \"" SHORT "\"", BACK });
	expect_left(&n, 5056, 1027, OK NEW "Content-Length: 1\r\n\r\nx");
	EXPECT(&n, { CLIENT ". seq 1054 ack 5100", ON_ITS_WAY });
	expect_left(&n, 1066, 5039, "");
	/* again, and the ends */
	EXPECT(&n, { UPSTREAM "P. seq 5039 ack 1066 text \"" SHORT "\"", BACK });
	expect_left(&n, 5056, 1054, OK NEW "Content-Length: 1\r\n\r\nx");
	EXPECT(&n, { UPSTREAM "F. seq 5078 ack 1066", "accept established FIN_WAIT -> tcp 10.96.0.1:80 10.1.1.1:4000" });
	expect_left(&n, 5112, 1054, "");
	EXPECT(&n, { CLIENT "F. seq 1054 ack 5113", "accept established LAST_ACK -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	expect_left(&n, 1066, 5079, "");
	lun_engine_free(n.engine);
}

static void sack_is_translated_too(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" GET "\"", ON_ITS_WAY },
	       { UPSTREAM "P. seq 5000 ack 1033 text \"" OK "Content-Length: 9\r\n\r\n"
			  "\"",
		 BACK },
	       { UPSTREAM "P. seq 5041 ack 1033 text \"defghi\"", BACK });
	expect_left(&n, 5058, 1027, "defghi");
	EXPECT(&n, { CLIENT ". seq 1027 ack 5055 sack 5058-5064", ON_ITS_WAY });
	assert_int_equal(load32(n.data + 28), 5038);
	assert_int_equal(load32(n.data + n.packet.length - 8), 5041);
	assert_int_equal(load32(n.data + n.packet.length - 4), 5047);
	lun_engine_free(n.engine);
}

static void pipelined_responses_are_those_of_their_requests(void **state)
{
	struct notation n;

	(void)state;
	if (STREAM_AWAITED < 3)
		skip(); /* tiny limits have no room for three */
	start(&n);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" HEAD GET HEAD "\"", ON_ITS_WAY },
	       { UPSTREAM "P. seq 5000 ack 1101 text \"" OK "Content-Length: 1\r\n\r\n" SHORT OK "Content-Length: 1\r\n\r\n"
			  "\"",
		 BACK });
	expect_left(&n, 5000, 1083,
		    OK NEW "Content-Length: 1\r\n\r\n" OK NEW "Content-Length: 1\r\n\r\nx" OK NEW
			   "Content-Length: 1\r\n\r\n");
	lun_engine_free(n.engine);
}

static void a_response_in_pieces_is_held(void **state)
{
	struct lun_event event;
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" GET "\"", ON_ITS_WAY },
	       { UPSTREAM "P. seq 5000 ack 1033 text \"HTTP/1.1 200\"", "stolen established ESTABLISHED" },
	       { UPSTREAM "P. seq 5000 ack 1033 text \"HTTP/1.1 200\"", BACK });
	expect_left(&n, 4999, 1027, ""); /* it comes again, so we say that it has come, and ask the client for its window */
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.side, LUN_SIDE_UPSTREAM);
	assert_int_equal(load32(event.data + 24), 1033);
	assert_int_equal(load32(event.data + 28), 5012);
	EXPECT(&n, { UPSTREAM "P. seq 5012 ack 1033 text \" OK\r\nContent-Length: 1\r\n\r\nx\"", BACK });
	expect_left(&n, 5000, 1027, OK NEW "Content-Length: 1\r\n\r\nx");
	lun_engine_free(n.engine);
}

static void what_is_refused_resets_both(void **state)
{
	struct lun_event event;
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" GET "\"", ON_ITS_WAY },
	       { UPSTREAM "P. seq 5000 ack 1033 text \"" OK "Content-Length: x\r\n\"",
		 "reject established CLOSE (http_malformed)" });
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.side, LUN_SIDE_UPSTREAM);
	assert_int_equal(event.data[33], TCP_RST);
	assert_int_equal(load32(event.data + 24), 1033);
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.side, LUN_SIDE_CLIENT);
	assert_int_equal(event.data[33], TCP_RST | TCP_ACK);
	assert_int_equal(load32(event.data + 24), 5000);
	assert_int_equal(load32(event.data + 28), 1027);
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_REFUSED);
	assert_int_equal(event.offset, 17);
	lun_engine_free(n.engine);
}

static void a_response_that_nobody_asked_for_is_the_last(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n,
	       { UPSTREAM "P. seq 5000 ack 1000 text \"HTTP/1.1 408 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n\"",
		 BACK });
	lun_engine_free(n.engine);
	start(&n);
	EXPECT(&n, { UPSTREAM "P. seq 5000 ack 1000 text \"" SHORT "\"", "reject established CLOSE (http_malformed)" });
	lun_engine_free(n.engine);
	start(&n); /* nor for another protocol */
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" GET "\"", ON_ITS_WAY },
	       { UPSTREAM "P. seq 5000 ack 1033 text \"HTTP/1.1 101 x\r\n\r\n\"",
		 "reject established CLOSE (http_malformed)" });
	lun_engine_free(n.engine);
}

static void behind_an_upgrade_nothing_is_read(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n,
	       { CLIENT "P. seq 1000 ack 5000 text \"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n\"",
		 ON_ITS_WAY },
	       { UPSTREAM "P. seq 5000 ack 1053 text \"HTTP/1.1 101 x\r\n\r\nframe\n\"", BACK });
	expect_left(&n, 5000, 1047, "HTTP/1.1 101 x\r\n" NEW "\r\nframe\n");
	EXPECT(&n, { CLIENT "P. seq 1047 ack 5041 text \"frame\n\"", ON_ITS_WAY });
	expect_left(&n, 1053, 5024, "frame\n");
	lun_engine_free(n.engine);
}

/* Once the responses are there, a refused request gets one of ours, too. */
static void who_has_all_responses_is_answered(void **state)
{
	struct lun_event event;
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" GET "\"", ON_ITS_WAY },
	       { UPSTREAM "P. seq 5000 ack 1033 text \"" SHORT "\"", BACK },
	       { CLIENT "P. seq 1027 ack 5056 text \"GET  / HTTP/1.1\r\n\"", "reject established CLOSE (http_malformed)" });
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.side, LUN_SIDE_CLIENT);
	assert_int_equal(event.data[33], TCP_FIN | TCP_PSH | TCP_ACK);
	assert_int_equal(load32(event.data + 24), 5056);
	assert_int_equal(load32(event.data + 28), 1044);
	assert_memory_equal(event.data + 40, "HTTP/1.1 400 ", 13);
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.data[33], TCP_RST | TCP_ACK);
	assert_int_equal(load32(event.data + 24), 1033);
	assert_int_equal(load32(event.data + 28), 5039);
	lun_engine_free(n.engine);
}

static void only_so_many_requests_wait_at_once(void **state)
{
	char line[200];
	struct notation n;

	(void)state;
	start(&n);
	for (int i = 0; i < STREAM_AWAITED; i++) { /* each acknowledged, none answered */
		snprintf(line, sizeof(line), CLIENT "P. seq %d ack 5000 text \"" GET "\"", 1000 + i * 27);
		assert_string_equal(notation_run(&n, line), ON_ITS_WAY);
		snprintf(line, sizeof(line), UPSTREAM ". seq 5000 ack %d", 1000 + (i + 1) * 33);
		assert_string_equal(notation_run(&n, line), BACK);
	}
	snprintf(line, sizeof(line), CLIENT "P. seq %d ack 5000 text \"" GET "\"", 1000 + STREAM_AWAITED * 27);
	assert_string_equal(notation_run(&n, line), "drop established ESTABLISHED (http_lost_place)");
	EXPECT(&n, { UPSTREAM "P. seq 5000 ack 1033 text \"" SHORT "\"", BACK });
	assert_string_equal(notation_run(&n, line), ON_ITS_WAY);
	lun_engine_free(n.engine);
}

/* The pool for responses is taken when a policy first wants it, by flows that begin then. */
static void a_policy_may_begin_to_edit_responses(void **state)
{
	struct lun_policy *without = policy_of("{ set = { A = '1' } }"), *with = policy_of(EDITED);
	struct lun_config config = { .size = sizeof(config), .flows = 64, .edits = 8 };
	struct lun_stats before, after;
	struct notation n = { .now = 1000 };

	(void)state;
	assert_int_equal(lun_engine_new(&n.engine, &config, without, NULL), 0);
	EXPECT(&n, { CLIENT "S seq 999", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { UPSTREAM "S. seq 4999 ack 1000", "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" });
	lun_engine_stats(n.engine, &before);
	assert_int_equal(lun_engine_set_policy(n.engine, with), 0);
	lun_engine_stats(n.engine, &after);
	assert_true(after.memory > before.memory);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" GET "\"", ON_ITS_WAY },
	       { UPSTREAM "P. seq 5000 ack 1033 text \"" SHORT "\"", BACK });
	expect_left(&n, 5000, 1027, SHORT); /* as it was decided */
	lun_engine_free(n.engine);
	lun_policy_unref(with);
	lun_policy_unref(without);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_response_is_read_alike_however_it_is_cut),
		cmocka_unit_test(both_directions_shift_both_numbers),
		cmocka_unit_test(sack_is_translated_too),
		cmocka_unit_test(pipelined_responses_are_those_of_their_requests),
		cmocka_unit_test(a_response_in_pieces_is_held),
		cmocka_unit_test(what_is_refused_resets_both),
		cmocka_unit_test(a_response_that_nobody_asked_for_is_the_last),
		cmocka_unit_test(behind_an_upgrade_nothing_is_read),
		cmocka_unit_test(who_has_all_responses_is_answered),
		cmocka_unit_test(only_so_many_requests_wait_at_once),
		cmocka_unit_test(a_policy_may_begin_to_edit_responses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
