/* carried.c - streams that are edited while the kernel carries their flow.
 *
 * A kernel is played that does what SHIFT events say: it adds to the client's sequence numbers, by one position, and sends up what it
 * is asked for.  An upstream writes down the bytes that reach it, where their numbers say: they must be what was expected, without a
 * gap, and the same each time. */
#include "notation.h"

#include "base/bytes.h"

#define CLIENT "tcp 10.1.1.1:4000 10.96.0.1:80 "
#define UPSTREAM "tcp 10.244.0.5:8080 10.1.1.1:4000 "
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n" /* 27 bytes */
#define GOT "GET / HTTP/1.1\r\nA: b\r\nHost: a\r\n\r\n"
#define WEBSOCKET "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n" /* 47 bytes */
#define WEBSOCKET_GOT "GET / HTTP/1.1\r\nA: b\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"
#define V1 "PROXY TCP4 10.1.1.1 10.96.0.1 4000 80\r\n"
#define FIRST 1000 /* number of the client's first byte */

struct world {
	struct notation n;
	struct lun_shift shift; /* what the kernel adds */
	bool edited, watched;   /* what it sends up */
	char bytes[65536];      /* what the upstream got */
	uint32_t length;
};

/* A packet comes to the upstream. */
static void arrive(struct world *w, const uint8_t *packet, uint32_t length)
{
	uint32_t header = 20 + (packet[32] >> 4) * 4u, sequence = load32(packet + 24);
	bool behind = (int32_t)(sequence - w->shift.position) > 0;
	uint32_t at = sequence + (behind ? w->shift.after : w->shift.before) - FIRST;

	if (length == header)
		return;
	assert_true(at <= w->length && at + (length - header) < sizeof(w->bytes)); /* no gap */
	for (uint32_t i = 0; i < length - header; i++) {
		if (at + i < w->length)
			assert_int_equal(w->bytes[at + i], (char)packet[header + i]);
		w->bytes[at + i] = (char)packet[header + i];
	}
	if (at + (length - header) > w->length)
		w->length = at + (length - header);
}

/* The kernel hears of the events in order, then of the verdict. */
static void settle(struct world *w)
{
	struct lun_event event;

	while (lun_engine_next_event(w->n.engine, &event)) {
		if (event.kind == LUN_EVENT_REFUSED)
			continue;
		assert_true(event.kind == LUN_EVENT_EMIT || event.kind == LUN_EVENT_SHIFT);
		if (event.kind == LUN_EVENT_SHIFT) {
			w->shift = event.shift;
			w->edited = event.edited;
			w->watched = event.watched;
		} else if (event.side == LUN_SIDE_UPSTREAM) {
			arrive(w, event.data, event.length);
		}
	}
}

/* A packet passes the kernel, by way of the engine if that asked for such. */
static const char *pass(struct world *w, const char *line)
{
	static char result[LUN_OUTCOME_TEXT];
	bool answers = strncmp(line, UPSTREAM, strlen(UPSTREAM)) == 0;

	notation_build(&w->n, line);
	if (w->watched || (w->edited && !answers && strstr(line, "text"))) {
		w->n.packet.carried = true;
		w->n.packet.answers = answers;
		lun_engine_packets(w->n.engine, &w->n.packet, 1, w->n.now);
		settle(w);
		lun_packet_outcome(&w->n.packet, result);
	} else {
		strcpy(result, "past");
	}
	if (!answers && w->n.packet.verdict == LUN_ACCEPT)
		arrive(w, w->n.data, w->n.packet.length);
	return result;
}

static void send_text(struct world *w, uint32_t sequence, const char *text, const char *wanted)
{
	char line[2048];

	snprintf(line, sizeof(line), CLIENT "P. seq %u ack 5000 text \"%s\"", sequence, text);
	assert_string_equal(pass(w, line), wanted);
}

#define ON "accept established SYN_SENT"
#define KEPT "stolen established SYN_SENT"
#define DROPPED "drop established SYN_SENT (http_lost_place)"

static void expect_upstream(const struct world *w, const char *bytes)
{
	assert_int_equal(w->length, strlen(bytes));
	assert_memory_equal(w->bytes, bytes, w->length);
}

/* An engine that commits, with room for one edited flow. */
static void start(struct world *w, uint8_t proxy_protocol, bool http)
{
	static const struct lun_header header = { .name = "A", .value = "b" };
	struct lun_config config = { .size = sizeof(config), .flows = 64, .edits = 1, .commit = true, .seed = { 1, 2 } };
	struct lun_port port = { .port = 80, .target_port = 8080 };
	struct lun_endpoint endpoint = { .address = notation_address("10.244.0.5") };
	struct lun_address cluster_ip = notation_address("10.96.0.1");
	struct lun_service service = { .name = "a/b",
				       .ports = &port,
				       .port_count = 1,
				       .cluster_ips = &cluster_ip,
				       .cluster_ip_count = 1,
				       .endpoints = &endpoint,
				       .endpoint_count = 1,
				       .headers = &header,
				       .header_count = http,
				       .masquerade = LUN_MASQUERADE_NEVER,
				       .proxy_protocol = proxy_protocol };
	struct lun_policy_config policy_config = { .size = sizeof(policy_config), .services = &service, .service_count = 1 };
	struct lun_policy *policy;

	*w = (struct world) { .n.now = 1000 };
	assert_int_equal(lun_policy_new(&policy, &policy_config, NULL), 0);
	assert_int_equal(lun_engine_new(&w->n.engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
}

/* Opens the flow of a client's port; returns its id, and does in the world what the commit says. */
static uint64_t open_flow(struct world *w, const char *line)
{
	struct lun_event event;

	notation_run(&w->n, line);
	if (w->n.packet.verdict != LUN_ACCEPT)
		return 0;
	assert_true(lun_engine_next_event(w->n.engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_COMMIT);
	w->edited = event.edited;
	w->watched = event.watched;
	event.kind = LUN_EVENT_CONFIRMED;
	event.reply.destination = event.orig.source;
	event.reply.destination_port = event.orig.source_port;
	assert_int_equal(lun_engine_event(w->n.engine, &event, w->n.now), 0);
	return event.flow;
}

static void expect_asked(const struct world *w, bool edited, bool watched)
{
	assert_int_equal(w->edited, edited);
	assert_int_equal(w->watched, watched);
}

static void requests_are_edited(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0, true);
	open_flow(&w, CLIENT "S seq 999");
	expect_asked(&w, true, false);
	assert_string_equal(pass(&w, CLIENT ". seq 1000 ack 5000"), "past");
	send_text(&w, 1000, "GET / HT", KEPT);
	send_text(&w, 1008, "TP/1.1\r\nHost: a\r\n\r\n", ON);
	send_text(&w, 1027, GET, ON);
	assert_string_equal(pass(&w, CLIENT ". seq 1054 ack 5100"), "past");
	send_text(&w, 1000, GET GET, ON); /* again, as one */
	send_text(&w, 1027, GET, ON);
	send_text(&w, 1054, GET GET, ON);
	send_text(&w, 1054, GET, ON);
	expect_upstream(&w, GOT GOT GOT GOT);
	expect_asked(&w, true, false);
	lun_engine_free(w.n.engine);
}

static void the_header_comes_before_all_else(void **state)
{
	struct world w;

	(void)state;
	for (int http = 0; http < 2; http++) {
		start(&w, 1, http);
		open_flow(&w, CLIENT "S seq 999");
		expect_asked(&w, true, true);
		assert_string_equal(pass(&w, CLIENT ". seq 1000 ack 5000"), KEPT);
		expect_upstream(&w, V1);
		expect_asked(&w, true, true);
		assert_string_equal(pass(&w, UPSTREAM ". seq 5000 ack 1000"), ON); /* it was lost */
		send_text(&w, 1000, GET, ON);
		send_text(&w, 1000, GET, ON); /* and again with what comes again */
		assert_string_equal(pass(&w, UPSTREAM ". seq 5000 ack 1039"), ON);
		expect_asked(&w, http, false);
		send_text(&w, 1027, GET, http ? ON : "past");
		send_text(&w, 1000, GET, http ? ON : "past");
		expect_upstream(&w, http ? V1 GOT GOT : V1 GET GET);
		lun_engine_free(w.n.engine);
	}
}

static void the_header_comes_with_bytes_that_are_refused(void **state)
{
	struct world w;

	(void)state;
	start(&w, 1, true);
	open_flow(&w, CLIENT "S seq 999");
	send_text(&w, 1000, "GET /\r\n\r\n", "reject established SYN_SENT (http_malformed)");
	expect_upstream(&w, V1);
	lun_engine_free(w.n.engine);
}

static void behind_an_upgrade_the_kernel_is_alone(void **state)
{
	struct world w;

	(void)state;
	for (uint8_t greets = 0; greets < 2; greets++) {
		uint32_t header = greets ? strlen(V1) : 0;
		char line[128];

		start(&w, greets, true);
		open_flow(&w, CLIENT "S seq 999");
		send_text(&w, 1000, WEBSOCKET "frame", ON);
		expect_asked(&w, true, true);
		send_text(&w, 1047, "frame", DROPPED);
		snprintf(line, sizeof(line), UPSTREAM "P. seq 5000 ack %u text \"HTTP/1.1 100 C\r\n\r\n\"", 1053 + header);
		assert_string_equal(pass(&w, line), ON);
		expect_asked(&w, true, true);
		assert_string_equal(pass(&w, UPSTREAM "P. seq 5030 ack 1090 text \"1.1 101\""), DROPPED);
		snprintf(line, sizeof(line), UPSTREAM "P. seq 5018 ack %u text \"HTTP/1.1 101 S\"", 1053 + header);
		assert_string_equal(pass(&w, line), ON);
		expect_asked(&w, false, false);
		send_text(&w, 1047, "frame", "past");
		send_text(&w, 1052, "more", "past");
		expect_upstream(&w, greets ? V1 WEBSOCKET_GOT "framemore" : WEBSOCKET_GOT "framemore");
		lun_engine_free(w.n.engine);
	}
}

static void behind_another_answer_are_requests(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0, true);
	open_flow(&w, CLIENT "S seq 999");
	send_text(&w, 1000, WEBSOCKET GET, ON);
	assert_string_equal(pass(&w, UPSTREAM "P. seq 5000 ack 1053 text \"HTTP/1.1 200 OK\""), ON);
	expect_asked(&w, true, false);
	send_text(&w, 1047, GET, ON);
	assert_string_equal(pass(&w, UPSTREAM "P. seq 5015 ack 1053 text \"x\""), "past");
	expect_upstream(&w, WEBSOCKET_GOT GOT);
	/* an answer that is none of HTTP leaves nothing to wait for */
	lun_engine_free(w.n.engine);
	start(&w, 0, true);
	open_flow(&w, CLIENT "S seq 999");
	send_text(&w, 1000, WEBSOCKET, ON);
	assert_string_equal(pass(&w, UPSTREAM "P. seq 5000 ack 1053 text \"SSH-2.0-OpenSSH\""), ON);
	expect_asked(&w, true, false);
	lun_engine_free(w.n.engine);
}

static void a_syn_goes_without_its_bytes(void **state)
{
	struct lun_event event;
	struct world w;

	(void)state;
	start(&w, 0, true);
	open_flow(&w, "tcp 10.1.1.2:4000 10.96.0.1:80 S seq 999 bad-checksum text \"" GET "\"");
	assert_false(w.n.packet.changed);
	lun_engine_free(w.n.engine);
	start(&w, 0, true);
	open_flow(&w, CLIENT "S seq 999 text \"" GET "\"");
	assert_true(w.n.packet.changed);
	assert_int_equal(w.n.packet.length, 40);
	assert_string_equal(notation_run(&w.n, CLIENT "S seq 999 text \"" GET "\""), "accept new SYN_SENT (retransmission)");
	assert_int_equal(w.n.packet.length, 40);
	assert_false(lun_engine_next_event(w.n.engine, &event));
	send_text(&w, 1000, GET, ON);
	expect_upstream(&w, GOT);
	lun_engine_free(w.n.engine);
}

static void an_answer_of_an_unknown_flow_passes(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0, true);
	w.watched = true;
	assert_string_equal(pass(&w, UPSTREAM "P. seq 5000 ack 1053 text \"HTTP/1.1 101 S\""), "accept established NONE");
	assert_string_equal(pass(&w, CLIENT "P. seq 1000 ack 5000 text \"frame\""),
			    "reject established NONE (not_an_opening)");
	lun_engine_free(w.n.engine);
}

/* An endpoint opens a connection whose addresses are those of another one's replies: no stream of that direction is known. */
static void the_other_direction_of_a_flow_is_another_flow(void **state)
{
	struct lun_event event;
	struct world w;

	(void)state;
	start(&w, 0, true);
	open_flow(&w, CLIENT "S seq 999");
	notation_build(&w.n, UPSTREAM "P. seq 5000 ack 1000 text \"" GET "\"");
	w.n.packet.carried = true;
	lun_engine_packets(w.n.engine, &w.n.packet, 1, w.n.now);
	assert_int_equal(w.n.packet.verdict, LUN_REJECT);
	assert_int_equal(w.n.packet.reason, LUN_REASON_not_an_opening);
	assert_true(lun_engine_next_event(w.n.engine, &event));
	assert_int_equal(event.side, LUN_SIDE_CLIENT);
	assert_int_equal(load32(event.data + 16), 0x0af40005); /* who sent it */
	assert_true(lun_engine_next_event(w.n.engine, &event));
	assert_int_equal(event.side, LUN_SIDE_UPSTREAM);
	assert_int_equal(load32(event.data + 16), 0x0a010101);
	assert_false(lun_engine_next_event(w.n.engine, &event));
	send_text(&w, 1000, GET, ON);
	expect_upstream(&w, GOT);
	lun_engine_free(w.n.engine);
}

/* Where the kernel keeps what is over for two minutes, few edited connections a second would fill the pool. */
static void what_is_over_makes_room(void **state)
{
	struct lun_event over = { .kind = LUN_EVENT_STATE, .state = LUN_STATE_TIME_WAIT, .timeout = UINT64_C(120000000000) };
	struct world w;

	(void)state;
	start(&w, 0, true);
	over.flow = open_flow(&w, CLIENT "S seq 999");
	assert_int_equal(open_flow(&w, "tcp 10.1.1.2:4000 10.96.0.1:80 S seq 999"), 0);
	assert_int_equal(w.n.packet.reason, LUN_REASON_edits_full);
	assert_int_equal(lun_engine_event(w.n.engine, &over, w.n.now), 0);
	assert_int_not_equal(open_flow(&w, "tcp 10.1.1.2:4000 10.96.0.1:80 S seq 999"), 0);
	lun_engine_free(w.n.engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_edited),
		cmocka_unit_test(the_header_comes_before_all_else),
		cmocka_unit_test(the_header_comes_with_bytes_that_are_refused),
		cmocka_unit_test(behind_an_upgrade_the_kernel_is_alone),
		cmocka_unit_test(behind_another_answer_are_requests),
		cmocka_unit_test(a_syn_goes_without_its_bytes),
		cmocka_unit_test(an_answer_of_an_unknown_flow_passes),
		cmocka_unit_test(the_other_direction_of_a_flow_is_another_flow),
		cmocka_unit_test(what_is_over_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
