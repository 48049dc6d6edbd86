/* http.c - stream arithmetic, and edited requests through the engine, both directions. */
#include "notation.h"

#include "track/seqmap.h"

static void numbers_are_translated_around_edits(void **state)
{
	struct seqmap map = { 0 };

	(void)state;
	assert_int_equal(seqmap_to_receiver(&map, 5), 5);
	seqmap_add(&map, 1000, 100, 150);
	seqmap_add(&map, 1200, 50, 20);
	assert_int_equal(seqmap_to_receiver(&map, 999), 999);
	assert_int_equal(seqmap_to_receiver(&map, 1000), 1000);
	assert_int_equal(seqmap_to_receiver(&map, 1100), 1150);
	assert_int_equal(seqmap_to_receiver(&map, 1200), 1250);
	assert_int_equal(seqmap_to_receiver(&map, 1250), 1270);
	assert_int_equal(seqmap_to_sender(&map, 1000), 1000);
	assert_int_equal(seqmap_to_sender(&map, 1149), 1000); /* half a head acknowledges none of it */
	assert_int_equal(seqmap_to_sender(&map, 1150), 1100);
	assert_int_equal(seqmap_to_sender(&map, 1260), 1200);
	assert_int_equal(seqmap_to_sender(&map, 1270), 1250);
	/* across the end of the sequence space */
	map = (struct seqmap) { 0 };
	seqmap_add(&map, 0xfffffff0, 0x20, 0x40);
	assert_int_equal(seqmap_to_receiver(&map, 0x10), 0x30);
	assert_int_equal(seqmap_to_sender(&map, 0x30), 0x10);
	/* after four edits too many the newest are exact */
	map = (struct seqmap) { 0 };
	for (uint32_t i = 0; i < SEQMAP_EDITS + 4; i++)
		seqmap_add(&map, i * 100, 10, 15);
	assert_int_equal(seqmap_to_receiver(&map, SEQMAP_EDITS * 100 + 350),
			 SEQMAP_EDITS * 100 + 350 + (SEQMAP_EDITS + 4) * 5);
	assert_int_equal(seqmap_to_receiver(&map, 450), 450 + 25);
	assert_int_equal(seqmap_to_sender(&map, 450 + 25), 450);
}

static struct lun_policy *policy_that(bool resets)
{
	struct lun_address node = notation_address("172.18.0.2"), ip = notation_address("10.96.0.1");
	struct lun_port port = { .port = 80, .target_port = 8080 };
	struct lun_endpoint endpoint = { .address = notation_address("10.244.0.5") };
	struct lun_header headers[] = {
		{ .name = "X-Real-IP", .value = "$remote_addr" },
		{ .name = "X-All",
		  .value = "$remote_port,$server_addr,$server_port,$host,$http_x_y,$scheme,$request_uri,"
			   "$service,$endpoint,$$,$nothing" },
		{ .name = "X-Request-ID", .value = "$request_id" }
	};
	struct lun_service service = { .name = "default/web",
				       .cluster_ips = &ip,
				       .cluster_ip_count = 1,
				       .ports = &port,
				       .port_count = 1,
				       .endpoints = &endpoint,
				       .endpoint_count = 1,
				       .headers = headers,
				       .header_count = 3,
				       .http_resets = resets };
	struct lun_policy_config config = { .size = sizeof(config),
					    .node = { .addresses = &node, .address_count = 1 },
					    .services = &service,
					    .service_count = 1 };
	struct lun_policy *policy;
	struct lun_error error;

	if (lun_policy_new(&policy, &config, &error) < 0)
		fail_msg("%s", error.text);
	return policy;
}

static struct lun_policy *header_policy(void)
{
	return policy_that(false);
}

static void start_with(struct notation *n, struct lun_config config, bool resets)
{
	struct lun_policy *policy = policy_that(resets);

	config.size = sizeof(config);
	config.flows = 64;
	config.seed[0] = 1;
	config.seed[1] = 2;
	*n = (struct notation) { .now = 1000 };
	assert_int_equal(lun_engine_new(&n->engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	EXPECT(n, { "tcp 10.1.1.1:4000 10.96.0.1:80 S seq 999", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { "tcp 10.244.0.5:8080 10.1.1.1:4000 S. seq 4999 ack 1000",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" },
	       { "tcp 10.1.1.1:4000 10.96.0.1:80 . seq 1000 ack 5000",
		 "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
}

static void start_as(struct notation *n, struct lun_config config)
{
	start_with(n, config, false);
}

static void start(struct notation *n)
{
	start_as(n, (struct lun_config) { 0 });
}

#define CLIENT "tcp 10.1.1.1:4000 10.96.0.1:80 "

static const char request[] =
	"tcp 10.1.1.1:4000 10.96.0.1:80 P. seq 1000 ack 5000 text \"GET /p HTTP/1.1\r\nHost: WEB.example:81\r\n"
	"x-real_ip: 6.6.6.6\r\nX-Y: z\r\nX-Real-IP:\r\n\r\n\"";

static void a_request_gets_its_headers(void **state)
{
	static const char expected[] =
		"GET /p HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n"
		"X-All: 4000,10.96.0.1,80,web.example,z,http,/p,default/web,10.244.0.5:8080,$,$nothing\r\n"
		"X-Request-ID: ";
	static const char rest[] = "\r\nHost: WEB.example:81\r\nX-Y: z\r\n\r\n";
	uint8_t first[NOTATION_PACKET];
	uint32_t length, head;
	struct notation n;
	const char *head_sent = strstr(request, "GET");
	uint32_t sent = (uint32_t)strlen(head_sent) - 1;

	(void)state;
	start(&n);
	assert_string_equal(notation_run(&n, request),
			    "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080");
	length = n.packet.length;
	head = length - 40;
	memcpy(first, n.data, length);
	assert_int_equal(head, strlen(expected) + 32 + strlen(rest));
	assert_memory_equal(first + 40, expected, strlen(expected));
	assert_memory_equal(first + 40 + strlen(expected) + 32, rest, strlen(rest));
	/* sent again: the same bytes */
	notation_run(&n, request);
	assert_int_equal(n.packet.length, length);
	assert_memory_equal(n.data, first, length);
	{ /* the upstream's acknowledgement of all of it is the client's; the client's next byte is the upstream's next */
		char line[200];

		snprintf(line, sizeof(line), "tcp 10.244.0.5:8080 10.1.1.1:4000 . seq 5000 ack %u len 10", 1000 + head);
		notation_run(&n, line);
		assert_int_equal(load32(n.data + 28), 1000 + sent);
		snprintf(line, sizeof(line), "tcp 10.1.1.1:4000 10.96.0.1:80 . seq %u ack 5010", 1000 + sent);
		notation_run(&n, line);
		assert_int_equal(load32(n.data + 24), 1000 + head);
	}
	lun_engine_free(n.engine);
}

static void what_cannot_go_on_now_is_dropped(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.96.0.1:80 P. seq 1100 ack 5000 len 5",
		     "drop established ESTABLISHED (http_lost_place)" });
	n.capacity = 120;
	EXPECT(&n, { request, "drop established ESTABLISHED (http_too_large)" });
	lun_engine_free(n.engine);
}

/* Takes the next packet of the engine's own: to which side, its flags, and its number. */
static void expect_emitted(struct notation *n, enum lun_side side, uint8_t flags, uint32_t sequence, uint32_t ack)
{
	struct lun_event event;

	assert_true(lun_engine_next_event(n->engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_EMIT);
	assert_int_equal(event.side, side);
	assert_int_equal(event.data[33], flags);
	assert_int_equal(load32(event.data + 24), sequence);
	assert_int_equal(load32(event.data + 28), ack);
}

#define FROM_UPSTREAM(flags, rest) "tcp 10.244.0.5:8080 10.1.1.1:4000 " flags " " rest

/* The same, of a response that we send in the upstream's place; and the bytes behind its headers are this text. */
static void expect_response(struct notation *n, uint32_t sequence, uint32_t ack, const char *line)
{
	static const char rest[] = "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
	struct lun_event event;

	assert_true(lun_engine_next_event(n->engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_EMIT);
	assert_int_equal(event.side, LUN_SIDE_CLIENT);
	assert_int_equal(event.data[33], TCP_FIN | TCP_PSH | TCP_ACK);
	assert_int_equal(load32(event.data + 24), sequence);
	assert_int_equal(load32(event.data + 28), ack);
	assert_int_equal(event.length, 40 + strlen(line) + strlen(rest));
	assert_memory_equal(event.data + 40, line, strlen(line));
	assert_memory_equal(event.data + 40 + strlen(line), rest, strlen(rest));
}

static void expect_refused(struct notation *n, enum lun_reason reason, uint64_t offset, unsigned status)
{
	struct lun_event event;

	assert_true(lun_engine_next_event(n->engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_REFUSED);
	assert_int_equal(event.flow, n->packet.flow);
	assert_int_equal(event.reason, reason);
	assert_int_equal(event.offset, offset);
	assert_int_equal(event.status, status);
	assert_non_null(event.text);
}

static void expect_no_event(struct notation *n)
{
	struct lun_event event;

	assert_false(lun_engine_next_event(n->engine, &event));
}

#define BAD "GET  / HTTP/1.1\r\n"              /* 17 bytes; the fifth is wrong */
#define BAD_REQUEST "HTTP/1.1 400 Bad Request" /* with what follows it 66 bytes, and a FIN */

static void who_is_refused_gets_a_response(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" BAD "\"", "reject established CLOSE (http_malformed)" });
	expect_response(&n, 5000, 1017, BAD_REQUEST);
	expect_emitted(&n, LUN_SIDE_UPSTREAM, TCP_RST | TCP_ACK, 1000, 5000);
	expect_refused(&n, LUN_REASON_http_malformed, 4, 400);
	expect_no_event(&n);
	/* it was lost, and more comes with the same bytes */
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" BAD "Host: a\r\n\"", "stolen established CLOSE" });
	expect_response(&n, 5000, 1026, BAD_REQUEST);
	/* what came before the response counts as a question for it, too, but is not taken out of order */
	EXPECT(&n, { CLIENT "P. seq 1030 ack 5000 len 7", "stolen established CLOSE" });
	expect_response(&n, 5000, 1026, BAD_REQUEST);
	EXPECT(&n, { CLIENT ". seq 1026 ack 5067", "stolen established CLOSE" });
	expect_no_event(&n);
	/* what it still had to say, its FIN, and that again */
	EXPECT(&n, { CLIENT "P. seq 1026 ack 5067 len 1000", "stolen established CLOSE" });
	expect_emitted(&n, LUN_SIDE_CLIENT, TCP_ACK, 5067, 2026);
	EXPECT(&n, { CLIENT "F. seq 2026 ack 5067", "stolen established CLOSE" });
	expect_emitted(&n, LUN_SIDE_CLIENT, TCP_ACK, 5067, 2027);
	EXPECT(&n, { CLIENT "F. seq 2026 ack 5067", "stolen established CLOSE" });
	expect_emitted(&n, LUN_SIDE_CLIENT, TCP_ACK, 5067, 2027);
	/* an upstream that has missed its RST */
	EXPECT(&n, { FROM_UPSTREAM(".", "seq 5000 ack 1000"), "stolen established CLOSE" });
	expect_emitted(&n, LUN_SIDE_UPSTREAM, TCP_RST, 1000, 0);
	/* it is forgotten in the end, and the port is free at once */
	EXPECT(&n, { "+31s " CLIENT "P. seq 2027 ack 5067 len 1", "reject new NONE (not_an_opening)" },
	       { CLIENT "S seq 99", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	lun_engine_free(n.engine);
}

static void a_client_that_was_refused_may_begin_again_at_once(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" BAD "\"", "reject established CLOSE (http_malformed)" },
	       { CLIENT "R seq 1017", "stolen established CLOSE" },
	       { CLIENT "S seq 99", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	lun_engine_free(n.engine);
}

/* A response of ours would be taken for that to the first request. */
static void who_is_owed_a_response_gets_a_reset(void **state)
{
	struct notation n;
	uint32_t place;

	(void)state;
	start(&n);
	notation_run(&n, CLIENT "P. seq 1000 ack 5000 text \"GET / HTTP/1.1\r\nHost: a\r\n\r\n\"");
	place = 1000 + n.packet.length - 40;
	EXPECT(&n, { CLIENT "P. seq 1027 ack 5000 text \"" BAD "\"", "reject established CLOSE (http_malformed)" });
	expect_emitted(&n, LUN_SIDE_CLIENT, TCP_RST, 5000, 0);
	expect_emitted(&n, LUN_SIDE_UPSTREAM, TCP_RST | TCP_ACK, place, 5000);
	expect_refused(&n, LUN_REASON_http_malformed, 31, 0);
	EXPECT(&n, { CLIENT "P. seq 1027 ack 5000 text \"GET / HTTP/1.1\r\nHost: a\r\n\r\n\"",
		     "reject established CLOSE (http_malformed)" });
	expect_emitted(&n, LUN_SIDE_CLIENT, TCP_RST, 5000, 0);
	expect_emitted(&n, LUN_SIDE_UPSTREAM, TCP_RST | TCP_ACK, place, 5000);
	expect_no_event(&n); /* it was said once */
	lun_engine_free(n.engine);
}

static void who_has_not_all_that_came_gets_a_reset(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n,
	       { FROM_UPSTREAM("P.", "seq 5000 ack 1000 len 9"),
		 "accept established ESTABLISHED -> tcp 10.96.0.1:80 10.1.1.1:4000" },
	       { CLIENT "P. seq 1000 ack 5000 text \"" BAD "\"", "reject established CLOSE (http_malformed)" });
	expect_emitted(&n, LUN_SIDE_CLIENT, TCP_RST, 5000, 0);
	lun_engine_free(n.engine);
}

static void a_policy_may_want_resets(void **state)
{
	struct notation n;

	(void)state;
	start_with(&n, (struct lun_config) { 0 }, true);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"" BAD "\"", "reject established CLOSE (http_malformed)" });
	expect_emitted(&n, LUN_SIDE_CLIENT, TCP_RST, 5000, 0);
	expect_emitted(&n, LUN_SIDE_UPSTREAM, TCP_RST | TCP_ACK, 1000, 5000);
	expect_refused(&n, LUN_REASON_http_malformed, 4, 0);
	lun_engine_free(n.engine);
}

/* It goes on in as many packets as it takes to have a line of more than 8 kB. */
static void too_much_is_said_to_be_too_much(void **state)
{
	static char line[9000];
	struct notation n;

	(void)state;
	start(&n);
	snprintf(line, sizeof(line), CLIENT ". seq 1000 ack 5000 text \"GET /%04000d\"", 0);
	assert_string_equal(notation_run(&n, line), "stolen established ESTABLISHED");
	snprintf(line, sizeof(line), CLIENT ". seq 5005 ack 5000 text \"%05000d\"", 0);
	assert_string_equal(notation_run(&n, line), "reject established CLOSE (http_too_large)");
	expect_response(&n, 5000, 10005, "HTTP/1.1 431 Request Header Fields Too Large");
	expect_emitted(&n, LUN_SIDE_UPSTREAM, TCP_RST | TCP_ACK, 1000, 5000);
	expect_refused(&n, LUN_REASON_http_too_large, 8192, 431);
	lun_engine_free(n.engine);
}

static void bodies_pass_and_the_next_head_is_edited(void **state)
{
	struct notation n;
	struct lun_stats stats;
	char line[300];

	(void)state;
	start(&n);
	notation_run(&n, "tcp 10.1.1.1:4000 10.96.0.1:80 P. seq 1000 ack 5000 text \"POST / HTTP/1.1\r\nHost: a\r\n"
			 "Content-Length: 10\r\n\r\n12345\"");
	assert_int_equal(n.packet.verdict, LUN_ACCEPT);
	/* 48 bytes of head and 5 of body went; 5 of body and the next head come together */
	snprintf(line, sizeof(line),
		 "tcp 10.1.1.1:4000 10.96.0.1:80 P. seq %d ack 5000 text \"67890GET /2 HTTP/1.1\r\nHost: a\r\n\r\n\"", 1053);
	notation_run(&n, line);
	assert_int_equal(n.packet.verdict, LUN_ACCEPT);
	assert_memory_equal(n.data + 40, "67890GET /2 HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n", 43);
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.edits, 2);
	lun_engine_free(n.engine);
}

/* ---- what a client may try ---- */

/* A head of exactly 48 bytes. */
#define HEAD_48 "text \"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %02d\r\n\r\n\""
#define SPOOF_48 "text \"GET /admin HTTP/1.1\r\nX-Real-IP: 6.6.6.6\r\n\r\nxxxxx\""

/* Sends head number `i`; returns the number behind it as the upstream counts, or 0 if it was refused. */
static uint32_t send_head(struct notation *n, int i)
{
	char line[300];

	snprintf(line, sizeof(line), CLIENT "P. seq %d ack 5000 " HEAD_48, 1000 + i * 48, 0);
	notation_run(n, line);
	return n->packet.verdict == LUN_ACCEPT ? load32(n->data + 24) + n->packet.length - 40 : 0;
}

static void a_head_is_forgotten_only_when_the_upstream_has_it(void **state)
{
	struct notation n;
	uint32_t first, last;
	char line[300];

	(void)state;
	start(&n);
	first = send_head(&n, 0);
	for (int i = 1; i < SEQMAP_EDITS; i++)
		assert_int_not_equal(last = send_head(&n, i), 0);
	assert_int_equal(send_head(&n, SEQMAP_EDITS), 0);
	assert_int_equal(n.packet.reason, LUN_REASON_http_lost_place);
	snprintf(line, sizeof(line), "tcp 10.244.0.5:8080 10.1.1.1:4000 . seq 5000 ack %u", first - 1);
	notation_run(&n, line);
	assert_int_equal(send_head(&n, SEQMAP_EDITS), 0); /* its last byte is missing */
	snprintf(line, sizeof(line), "tcp 10.244.0.5:8080 10.1.1.1:4000 . seq 5000 ack %u", first);
	notation_run(&n, line);
	assert_int_equal(load32(n.data + 28), 1048);
	assert_int_equal(send_head(&n, SEQMAP_EDITS), last + first - 1000);
	/* what is not a head any more, or another one, goes where the upstream does not look */
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 " SPOOF_48,
		     "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	assert_true(load32(n.data + 24) + 48 <= first);
	EXPECT(&n, { CLIENT "P. seq 1048 ack 5000 " SPOOF_48, "drop established ESTABLISHED (http_lost_place)" });
	lun_engine_free(n.engine);
}

static void bare_acknowledgements_do_not_flush_the_edits(void **state)
{
	struct notation n;
	char line[300];

	(void)state;
	start_as(&n, (struct lun_config) { .liberal = true }); /* windows would refuse these */
	snprintf(line, sizeof(line), CLIENT "P. seq 1000 ack 5000 " HEAD_48, 0);
	notation_run(&n, line);
	assert_int_equal(n.packet.verdict, LUN_ACCEPT);
	for (uint32_t i = 1; i <= 16; i++) {
		snprintf(line, sizeof(line), CLIENT ". seq %u ack 5000", 1000 + i * ((1u << 30) + 1));
		notation_run(&n, line);
	}
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 " SPOOF_48, "drop established ESTABLISHED (http_lost_place)" });
	lun_engine_free(n.engine);
}

static void a_head_is_sent_again_with_the_same_bytes_or_not_at_all(void **state)
{
	struct notation n;
	char line[300];

	(void)state;
	start(&n);
	snprintf(line, sizeof(line), CLIENT "P. seq 1000 ack 5000 " HEAD_48, 99);
	notation_run(&n, line);
	assert_int_equal(n.packet.verdict, LUN_ACCEPT);
	EXPECT(&n, { CLIENT "P. seq 1048 ack 5000 " SPOOF_48,
		     "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	snprintf(line, sizeof(line), CLIENT "P. seq 1000 ack 5000 " HEAD_48, 0);
	EXPECT(&n, { line, "drop established ESTABLISHED (http_lost_place)" });
	lun_engine_free(n.engine);
}

static void an_edited_stream_begins_with_a_syn(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .seed = { 1, 2 } };
	struct lun_policy *policy = header_policy();
	struct notation n = { .now = 1000 };

	(void)state;
	assert_int_equal(lun_engine_new(&n.engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	EXPECT(&n, { request, "reject new NONE (not_an_opening)" });
	lun_engine_free(n.engine);
}

static void a_second_syn_moves_the_stream(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .seed = { 1, 2 } };
	struct lun_policy *policy = header_policy();
	struct notation n = { .now = 1000 };

	(void)state;
	assert_int_equal(lun_engine_new(&n.engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	EXPECT(&n, { CLIENT "S seq 77", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { "+60s " CLIENT "S seq 999", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { "tcp 10.244.0.5:8080 10.1.1.1:4000 S. seq 4999 ack 1000",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" },
	       { CLIENT ". seq 1000 ack 5000", "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { request, "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	lun_engine_free(n.engine);
}

static void what_overtakes_a_head_does_not_show_where_it_came_from(void **state)
{
	struct notation n;
	uint32_t after;
	char line[400];

	(void)state;
	start(&n);
	EXPECT(&n, { CLIENT "F. seq 1048 ack 5000", "drop established FIN_WAIT (http_lost_place)" },
	       { CLIENT ". seq 1048 ack 5000", "accept established CLOSE_WAIT -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	assert_int_equal(load32(n.data + 24), 1000); /* how much longer the head gets is not known yet */
	snprintf(line, sizeof(line), CLIENT "P. seq 1000 ack 5000 " HEAD_48, 0);
	notation_run(&n, line);
	after = 1000 + n.packet.length - 40;
	EXPECT(&n, { CLIENT "F. seq 1048 ack 5000", "accept established LAST_ACK -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	assert_int_equal(load32(n.data + 24), after);
	EXPECT(&n, { CLIENT ". seq 1049 ack 5000", "accept established TIME_WAIT -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	assert_int_equal(load32(n.data + 24), after + 1);
	lun_engine_free(n.engine);
}

static void a_client_that_begins_again_gets_an_edited_stream_again(void **state)
{
	struct notation n;
	char line[400];

	(void)state;
	start(&n);
	snprintf(line, sizeof(line), CLIENT "P. seq 1000 ack 5000 " HEAD_48, 99); /* its body never comes */
	notation_run(&n, line);
	EXPECT(&n, { CLIENT "S seq 70000", "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { "tcp 10.244.0.5:8080 10.1.1.1:4000 S. seq 80000 ack 70001",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" });
	assert_int_equal(load32(n.data + 28), 70001);
	/* forged, and let pass by, as long as the opening is not complete */
	EXPECT(&n, { "tcp 10.244.0.5:8080 10.1.1.1:4000 S. seq 80000 ack 60001",
		     "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" });
	snprintf(line, sizeof(line), CLIENT "P. seq 70001 ack 80001 " HEAD_48, 0);
	EXPECT(&n, { line, "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	assert_int_equal(load32(n.data + 24), 70001);
	assert_memory_equal(n.data + 40, "POST / HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n", 38);
	lun_engine_free(n.engine);
}

/* ---- heads in pieces ---- */

#define FROM_CLIENT(flags, sequence, text) CLIENT flags " seq " #sequence " ack 5000 text \"" text "\""
#define ON_ITS_WAY "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080"
#define HELD "stolen established ESTABLISHED"

/* What left holds this text at its beginning, and has this number. */
static void expect_left(const struct notation *n, uint32_t sequence, const char *text)
{
	assert_int_equal(load32(n->data + 24), sequence);
	assert_true(n->packet.length >= 40 + strlen(text));
	assert_memory_equal(n->data + 40, text, strlen(text));
}

static bool left_is_right(struct notation *n)
{
	struct packet left = { .io = &n->packet };

	packet_begin(&left, &n->packet);
	return packet_parse(&left) && packet_checksums_right(&left);
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n" /* 27 bytes */

/* Sends text where the request of this number begins. */
static const char *send_at(struct notation *n, int number, const char *text)
{
	char line[200];

	snprintf(line, sizeof(line), CLIENT "P. seq %d ack 5000 text \"%s\"", 1000 + 27 * number, text);
	return notation_run(n, line);
}

/* The client sends a request and the next one at once, of which some bytes are held, while the log of edits is full. */
static void what_is_held_stays_so_when_a_head_before_it_comes_again(void **state)
{
	struct notation n;
	uint32_t end;
	char line[200];

	(void)state;
	start(&n);
	for (int i = 0; i < SEQMAP_EDITS; i++)
		assert_string_equal(send_at(&n, i, GET), ON_ITS_WAY);
	assert_string_equal(send_at(&n, SEQMAP_EDITS, "GET / HTTP/1.1\r\nHos"), HELD);
	assert_string_equal(send_at(&n, SEQMAP_EDITS - 1, GET GET), ON_ITS_WAY);
	end = load32(n.data + 24) + n.packet.length - 40;
	assert_string_equal(send_at(&n, SEQMAP_EDITS, "PUT"), "drop established ESTABLISHED (http_lost_place)");
	assert_string_equal(send_at(&n, SEQMAP_EDITS, "GET"), ON_ITS_WAY); /* a question for the window */
	snprintf(line, sizeof(line), "tcp 10.244.0.5:8080 10.1.1.1:4000 . seq 5000 ack %u", end);
	assert_string_equal(notation_run(&n, line), "accept established ESTABLISHED -> tcp 10.96.0.1:80 10.1.1.1:4000");
	assert_string_equal(send_at(&n, SEQMAP_EDITS, GET), ON_ITS_WAY);
	expect_left(&n, end, "GET / HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n");
	lun_engine_free(n.engine);
}

static void a_good_request_goes_on_in_front_of_a_bad_one(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { FROM_CLIENT("FP.", 1000, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nX: y\r\n\r\n"),
		     "accept established FIN_WAIT -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	expect_left(&n, 1000, "GET / HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n");
	assert_memory_equal(n.data + n.packet.length - 11, "Host: a\r\n\r\n", 11);
	assert_int_equal(n.data[33], TCP_PSH | TCP_ACK); /* the end is not there yet */
	EXPECT(&n,
	       { FROM_CLIENT("FP.", 1027, "GET / HTTP/1.1\r\nX: y\r\n\r\n"), "reject established CLOSE (http_malformed)" });
	lun_engine_free(n.engine);
}

static void a_head_in_pieces_goes_on_when_it_is_complete(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { FROM_CLIENT(".", 1000, "GET / HT"), HELD }, { FROM_CLIENT(".", 1008, "TP/1.1\r\nHos"), HELD },
	       { FROM_CLIENT("P.", 1019, "t: a\r\n\r\nGET /2"), ON_ITS_WAY });
	expect_left(&n, 1000, "GET / HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n");
	assert_memory_equal(n.data + n.packet.length - 11, "Host: a\r\n\r\n", 11); /* the second one is held */
	EXPECT(&n, { FROM_CLIENT("P.", 1033, " HTTP/1.1\r\nHost: a\r\n\r\n"), ON_ITS_WAY });
	assert_memory_equal(n.data + 40, "GET /2 HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n", 38);
	lun_engine_free(n.engine);
}

static void a_part_of_a_head_brings_all_of_it_again(void **state)
{
	uint8_t whole[NOTATION_PACKET];
	struct lun_event event;
	struct notation n;
	uint32_t length;

	(void)state;
	start(&n);
	EXPECT(&n, { FROM_CLIENT(".", 1000, "GET / HT"), HELD });
	assert_false(lun_engine_next_event(n.engine, &event));
	/* again, while it is held: we say that it has come, and ask the upstream for its window */
	EXPECT(&n, { FROM_CLIENT(".", 1000, "GET / HT"), ON_ITS_WAY });
	assert_int_equal(n.packet.length, 40);
	assert_int_equal(load32(n.data + 24), 999);
	expect_emitted(&n, LUN_SIDE_CLIENT, TCP_ACK, 5000, 1008);
	EXPECT(&n, { FROM_CLIENT("P.", 1008, "TP/1.1\r\nHost: a\r\n\r\n"), ON_ITS_WAY });
	length = n.packet.length;
	memcpy(whole, n.data, length);
	EXPECT(&n, { FROM_CLIENT(".", 1000, "GET / HT"), ON_ITS_WAY });
	assert_int_equal(n.packet.length, length);
	assert_memory_equal(n.data + 40, whole + 40, length - 40);
	EXPECT(&n, { FROM_CLIENT(".", 1010, "/1.1"), ON_ITS_WAY });
	assert_int_equal(n.packet.length, length);
	assert_memory_equal(n.data + 40, whole + 40, length - 40);
	/* old bytes and new ones in one */
	EXPECT(&n, { FROM_CLIENT(".", 1019, "t: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"), ON_ITS_WAY });
	assert_memory_equal(n.data + 40, whole + 40, length - 40);
	assert_memory_equal(n.data + length, "GET /2 HTTP/1.1\r\nX-Real-IP", 26);
	assert_false(lun_engine_next_event(n.engine, &event));
	lun_engine_free(n.engine);
}

/* The client may go by the window of an acknowledgement that was ours. */
static void what_we_allow_the_client_may_send(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .seed = { 1, 2 } };
	struct lun_policy *policy = header_policy();
	struct notation n = { .now = 1000 };

	(void)state;
	assert_int_equal(lun_engine_new(&n.engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	/* an upstream whose window is 16 bytes */
	EXPECT(&n, { CLIENT "S seq 999 scale 4", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { "tcp 10.244.0.5:8080 10.1.1.1:4000 S. seq 4999 ack 1000 win 16 scale 4",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" },
	       { CLIENT ". seq 1000 ack 5000", ON_ITS_WAY }, { FROM_CLIENT(".", 1000, "GET / HT"), HELD },
	       { FROM_CLIENT(".", 1000, "GET / HT"), ON_ITS_WAY });
	expect_emitted(&n, LUN_SIDE_CLIENT, TCP_ACK, 5000, 1008); /* with a window up to 1024 */
	EXPECT(&n, { FROM_CLIENT(".", 1008, "TP/1.1\r\nHost: a"), HELD }, { CLIENT ". seq 1022 ack 5000", ON_ITS_WAY });
	lun_engine_free(n.engine);
}

/* A segment that was changed on its way must not get a right checksum here, nor may its bytes be kept or answered. */
static void errors_on_the_way_are_not_repaired(void **state)
{
	struct lun_event event;
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n,
	       { CLIENT "P. seq 1000 ack 5000 bad-checksum text \"GET / HTTP/1.1\r\nHost: a\r\n\r\n\"",
		 "drop invalid ESTABLISHED (bad_checksum)" },
	       { CLIENT ". seq 1000 ack 5000 bad-checksum text \"GET / HT\"", "drop invalid ESTABLISHED (bad_checksum)" },
	       { CLIENT ". seq 1000 ack 5000 bad-checksum text \"GET  / HT\"", "drop invalid ESTABLISHED (bad_checksum)" });
	assert_false(lun_engine_next_event(n.engine, &event));
	/* nothing was remembered of them; and again, when the upstream has not acknowledged it */
	EXPECT(&n, { FROM_CLIENT("P.", 1000, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"), ON_ITS_WAY },
	       { CLIENT "P. seq 1000 ack 5000 bad-checksum text \"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
			"9\r\n\r\n\"",
		 "drop invalid ESTABLISHED (bad_checksum)" },
	       /* a body passes unread, and its error with it */
	       { CLIENT "P. seq 1047 ack 5000 bad-checksum text \"123456789\"", ON_ITS_WAY });
	assert_false(left_is_right(&n));
	lun_engine_free(n.engine);
}

/* TCP Fast Open; what comes with a wrong checksum must not leave with a right one. */
static void a_syn_goes_without_its_bytes(void **state)
{
	static const char *const syn = "tcp 10.1.1.1:4001 10.96.0.1:80 S seq 999 text \"GET /\"";
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { "tcp 10.1.1.1:4001 10.96.0.1:80 S seq 999 bad-checksum text \"GET /\"",
		     "drop invalid SYN_SENT (bad_checksum)" });
	for (int i = 0; i < 2; i++) {
		EXPECT(&n, { syn, "accept new SYN_SENT -> tcp 10.1.1.1:4001 10.244.0.5:8080" });
		assert_int_equal(n.packet.length, 40);
	}
	EXPECT(&n,
	       { "tcp 10.244.0.5:8080 10.1.1.1:4001 S. seq 4999 ack 1000",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4001" },
	       { "tcp 10.1.1.1:4001 10.96.0.1:80 P. seq 1000 ack 5000 text \"GET /\"", "stolen established ESTABLISHED" });
	lun_engine_free(n.engine);
}

/* As a capture on the sending host shows them: the checksum is only that of the pseudo header. */
static void unfinished_checksums_are_finished(void **state)
{
	(void)state;
	for (int captured = 0; captured < 2; captured++) {
		uint8_t pseudo[12] = { [9] = LUN_TCP };
		struct notation n;
		uint16_t sum;

		start_as(&n, (struct lun_config) { .captured = captured });
		notation_build(&n, request);
		memcpy(pseudo, n.data + 12, 8);
		store16(pseudo + 10, (uint16_t)(n.packet.length - 20));
		sum = checksum_fold(checksum_add(0, pseudo, sizeof(pseudo)));
		memcpy(n.data + 36, &sum, 2);
		lun_engine_packets(n.engine, &n.packet, 1, n.now);
		assert_int_equal(n.packet.reason, captured ? LUN_REASON_none : LUN_REASON_bad_checksum);
		if (captured)
			expect_left(&n, 1000, "GET /p HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n");
		assert_int_equal(left_is_right(&n), captured);
		lun_engine_free(n.engine);
	}
}

static void other_bytes_than_before_are_dropped(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { FROM_CLIENT(".", 1000, "GET /p HT"), HELD },
	       { FROM_CLIENT(".", 1000, "GET /q HT"), "drop established ESTABLISHED (http_lost_place)" },
	       { FROM_CLIENT(".", 1005, "q HTTP/1.1\r\nHost: a\r\n\r\n"), "drop established ESTABLISHED (http_lost_place)" },
	       { FROM_CLIENT("P.", 1009, "TP/1.1\r\nHost: a\r\n\r\n"), ON_ITS_WAY },
	       { FROM_CLIENT(".", 1000, "GET /q HT"), "drop established ESTABLISHED (http_lost_place)" },
	       { FROM_CLIENT(".", 1020, "b\r\n\r\n"), "drop established ESTABLISHED (http_lost_place)" });
	lun_engine_free(n.engine);
}

/* A client whose first copy gets lost on purpose must not make two messages of what we took for one. */
static void chunks_must_be_framed_as_before(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n,
	       { FROM_CLIENT("P.", 1000, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), ON_ITS_WAY },
	       { FROM_CLIENT("P.", 1056, "5\r\nhello\r\n1;longer=\"than eleven bytes\"\r\nx\r\n0\r\n\r\n"), ON_ITS_WAY },
	       { FROM_CLIENT("P.", 1056, "5\r\nHELLO\r\n1;longer=\"than eleven bytes\"\r\ny\r\n0\r\n\r\n"), ON_ITS_WAY },
	       { FROM_CLIENT("P.", 1056, "9\r\nhello\r\n1;longer=\"than eleven bytes\"\r\nx\r\n0\r\n\r\n"),
		 "drop established ESTABLISHED (http_lost_place)" },
	       { FROM_CLIENT("P.", 1059, "hello;\n1"), "drop established ESTABLISHED (http_lost_place)" },
	       { FROM_CLIENT("P.", 1086, "BYTES"), "drop established ESTABLISHED (http_lost_place)" },
	       { "tcp 10.244.0.5:8080 10.1.1.1:4000 . seq 5000 ack 1300",
		 "accept invalid ESTABLISHED (acknowledgement_past_window)" });
	lun_engine_free(n.engine);
}

static void a_client_that_gives_up_in_a_head_is_refused(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { FROM_CLIENT(".", 1000, "GET / HT"), HELD },
	       { CLIENT "F. seq 1009 ack 5000", "drop established FIN_WAIT (http_lost_place)" },
	       { CLIENT "F. seq 1008 ack 5000", "reject established CLOSE (http_incomplete)" });
	expect_response(&n, 5000, 1009, "HTTP/1.1 408 Request Timeout");
	expect_emitted(&n, LUN_SIDE_UPSTREAM, TCP_RST | TCP_ACK, 1000, 5000);
	lun_engine_free(n.engine);
}

static void slow_heads_are_refused(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { FROM_CLIENT(".", 1000, "GET / HT"), HELD }, { "+50s " FROM_CLIENT(".", 1008, "TP/1"), HELD },
	       { "+11s " FROM_CLIENT(".", 1012, ".1"), "reject established CLOSE (http_incomplete)" });
	lun_engine_free(n.engine);
}

/* An engine of few edits has as few places for heads in pieces. */
static void holds_are_taken_from_the_oldest(void **state)
{
	struct notation n;
	char line[300];

	(void)state;
	start(&n); /* 64 flows: 5 edits */
	EXPECT(&n, { FROM_CLIENT(".", 1000, "GET / HT"), HELD });
	for (int i = 1; i <= 4; i++) {
		snprintf(line, sizeof(line), "+1s tcp 10.1.1.%d:4000 10.96.0.1:80 S seq 999", i + 1);
		notation_run(&n, line);
		snprintf(line, sizeof(line), "tcp 10.244.0.5:8080 10.1.1.%d:4000 S. seq 4999 ack 1000", i + 1);
		notation_run(&n, line);
		snprintf(line, sizeof(line), "tcp 10.1.1.%d:4000 10.96.0.1:80 . seq 1000 ack 5000 text \"GET / HT\"", i + 1);
		assert_string_equal(notation_run(&n, line), HELD);
	}
	EXPECT(&n, { FROM_CLIENT("P.", 1008, "TP/1.1\r\nHost: a\r\n\r\n"), ON_ITS_WAY });
	lun_engine_free(n.engine);
}

#define UPSTREAM "tcp 10.244.0.5:8080 10.1.1.1:4000 . ack 1000 seq "
#define BACK "accept established ESTABLISHED -> tcp 10.96.0.1:80 10.1.1.1:4000"
#define WEBSOCKET "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n" /* 47 bytes */

static void after_an_upgrade_the_answer_counts(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { FROM_CLIENT("P.", 1000, WEBSOCKET "frame"), ON_ITS_WAY });
	assert_memory_equal(n.data + n.packet.length - 13, "websocket\r\n\r\n", 13); /* and no frame */
	EXPECT(&n, { FROM_CLIENT("P.", 1047, "frame"), "drop established ESTABLISHED (http_lost_place)" },
	       { UPSTREAM "5006 text \"1.1 101 S\"", "drop established ESTABLISHED (http_lost_place)" },
	       { UPSTREAM "5000 text \"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/\"", BACK },
	       { FROM_CLIENT("P.", 1047, "frame"), "drop established ESTABLISHED (http_lost_place)" },
	       { UPSTREAM "5032 text \"TTP/1.1 101 S\"", BACK }, { FROM_CLIENT("P.", 1047, "frame\r\n\r\n"), ON_ITS_WAY },
	       { FROM_CLIENT("P.", 1056, "GET / HTTP"), ON_ITS_WAY });
	expect_left(&n, load32(n.data + 24), "GET / HTTP");
	lun_engine_free(n.engine);
}

static void an_upgrade_that_is_refused_leaves_requests(void **state)
{
	struct notation n;

	(void)state;
	start(&n);
	EXPECT(&n, { FROM_CLIENT("P.", 1000, WEBSOCKET), ON_ITS_WAY },
	       { UPSTREAM "5000 text \"HTTP/1.1 200 OK\r\n\"", BACK },
	       { FROM_CLIENT("P.", 1047, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"), ON_ITS_WAY });
	assert_memory_equal(n.data + 40, "GET /2 HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n", 38);
	EXPECT(&n, { FROM_CLIENT("P.", 1075, WEBSOCKET), "reject established CLOSE (http_malformed)" });
	lun_engine_free(n.engine);
}

static void bodies_may_overtake(void **state)
{
	struct notation n;
	uint32_t shift;

	(void)state;
	start(&n);
	EXPECT(&n, { FROM_CLIENT("P.", 1000, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"), ON_ITS_WAY });
	shift = n.packet.length - 40 - 48;
	EXPECT(&n, { FROM_CLIENT("P.", 1050, "34567"), ON_ITS_WAY });
	assert_int_equal(load32(n.data + 24), 1050 + shift);
	EXPECT(&n, { FROM_CLIENT("P.", 1050, "34567890GET"), "drop established ESTABLISHED (http_lost_place)" },
	       { FROM_CLIENT("P.", 1048, "12345678"), ON_ITS_WAY }, { FROM_CLIENT("P.", 1056, "90"), ON_ITS_WAY },
	       { FROM_CLIENT("P.", 1058, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"), ON_ITS_WAY });
	expect_left(&n, 1058 + shift, "GET /2 HTTP/1.1\r\nX-Real-IP: 10.1.1.1\r\n");
	lun_engine_free(n.engine);
}

static void a_capacity_of_zero_is_the_length(void **state)
{
	struct lun_packet packet;
	struct notation n;
	uint8_t *exact;

	(void)state;
	start(&n);
	notation_build(&n, request);
	exact = malloc(n.packet.length);
	memcpy(exact, n.data, n.packet.length);
	packet = (struct lun_packet) { .data = exact, .length = n.packet.length };
	lun_engine_packets(n.engine, &packet, 1, n.now);
	assert_int_equal(packet.verdict, LUN_DROP);
	assert_int_equal(packet.reason, LUN_REASON_http_too_large);
	free(exact);
	lun_engine_free(n.engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_translated_around_edits),
		cmocka_unit_test(a_request_gets_its_headers),
		cmocka_unit_test(what_cannot_go_on_now_is_dropped),
		cmocka_unit_test(who_is_refused_gets_a_response),
		cmocka_unit_test(a_client_that_was_refused_may_begin_again_at_once),
		cmocka_unit_test(who_is_owed_a_response_gets_a_reset),
		cmocka_unit_test(who_has_not_all_that_came_gets_a_reset),
		cmocka_unit_test(a_policy_may_want_resets),
		cmocka_unit_test(too_much_is_said_to_be_too_much),
		cmocka_unit_test(what_is_held_stays_so_when_a_head_before_it_comes_again),
		cmocka_unit_test(a_good_request_goes_on_in_front_of_a_bad_one),
		cmocka_unit_test(a_head_in_pieces_goes_on_when_it_is_complete),
		cmocka_unit_test(a_part_of_a_head_brings_all_of_it_again),
		cmocka_unit_test(what_we_allow_the_client_may_send),
		cmocka_unit_test(errors_on_the_way_are_not_repaired),
		cmocka_unit_test(a_syn_goes_without_its_bytes),
		cmocka_unit_test(unfinished_checksums_are_finished),
		cmocka_unit_test(other_bytes_than_before_are_dropped),
		cmocka_unit_test(chunks_must_be_framed_as_before),
		cmocka_unit_test(a_client_that_gives_up_in_a_head_is_refused),
		cmocka_unit_test(slow_heads_are_refused),
		cmocka_unit_test(holds_are_taken_from_the_oldest),
		cmocka_unit_test(bodies_may_overtake),
		cmocka_unit_test(after_an_upgrade_the_answer_counts),
		cmocka_unit_test(an_upgrade_that_is_refused_leaves_requests),
		cmocka_unit_test(bodies_pass_and_the_next_head_is_edited),
		cmocka_unit_test(a_head_is_forgotten_only_when_the_upstream_has_it),
		cmocka_unit_test(bare_acknowledgements_do_not_flush_the_edits),
		cmocka_unit_test(a_head_is_sent_again_with_the_same_bytes_or_not_at_all),
		cmocka_unit_test(an_edited_stream_begins_with_a_syn),
		cmocka_unit_test(a_second_syn_moves_the_stream),
		cmocka_unit_test(what_overtakes_a_head_does_not_show_where_it_came_from),
		cmocka_unit_test(a_client_that_begins_again_gets_an_edited_stream_again),
		cmocka_unit_test(a_capacity_of_zero_is_the_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
