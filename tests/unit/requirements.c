/* requirements.c - what the RFCs ask of a NAT: 4787 (UDP), 5382 (TCP), 5508 (ICMP), 7857 (updates), 6888 (carrier-grade).
 *
 * A test per requirement that the engine meets, with its number in the name; tests/source/requirements.sh makes a table of
 * them, and says what is met in part, not met, or does not apply.  The policy makes the engine the plain NAT that the RFCs
 * have in mind: 10.0.0.0/8 is inside, 203.0.113.1 is the external address, and its port 8000 and pings to it lead to 10.1.1.5;
 * the others, 192.0.2.0/24 and 198.51.100.0/24, are outside. */
#include "notation.h"

#define EXTERNAL "203.0.113.1"

static int nat_box(void *user, const struct lun_new_flow *flow, struct lun_decision *decision)
{
	struct lun_prefix inside = notation_prefix("10.0.0.0/8"), exempt = notation_prefix("192.0.2.99");
	struct lun_prefix external = notation_prefix(EXTERNAL);
	const struct lun_tuple *tuple = &flow->tuple;
	bool leaves = lun_prefix_holds(&inside, &tuple->source);
	bool mapped = lun_prefix_holds(&external, &tuple->destination) &&
		      (tuple->destination_port == 8000 || tuple->protocol == LUN_ICMP);

	(void)user;
	if ((!leaves && !mapped) || lun_prefix_holds(&exempt, &tuple->destination))
		return 0; /* left alone */
	decision->action = LUN_ACTION_DNAT;
	decision->masquerade = leaves ? LUN_MASQUERADE_ALWAYS : LUN_MASQUERADE_NEVER;
	decision->address = mapped ? notation_address("10.1.1.5") : tuple->destination;
	decision->port = mapped && tuple->protocol != LUN_ICMP ? 80 : tuple->destination_port;
	return 0;
}

/* Starts anew: a NAT without flows. */
static void start(struct notation *n, struct lun_config config, struct lun_policy_config policy_config)
{
	struct lun_address external = notation_address(EXTERNAL);
	struct lun_prefix all = notation_prefix("::/0");
	struct lun_policy *policy;
	struct lun_error error;

	policy_config.size = sizeof(policy_config);
	policy_config.hooks = (struct lun_hooks) { .flow = nat_box };
	policy_config.intercept = &all;
	policy_config.intercept_count = 1;
	if (policy_config.node.masquerade_address_count == 0) {
		policy_config.node.masquerade_addresses = &external;
		policy_config.node.masquerade_address_count = 1;
	}
	config.size = sizeof(config);
	config.flows = config.flows ? config.flows : 4096;
	lun_engine_free(n->engine);
	*n = (struct notation) { .now = 1000 };
	if (lun_policy_new(&policy, &policy_config, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(lun_engine_new(&n->engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
}

/* Three external addresses that are not in one range. */
static void start_with_pool(struct notation *n)
{
	struct lun_address pool[] = { notation_address(EXTERNAL), notation_address("198.51.100.77"),
				      notation_address("203.0.113.200") };

	start(n, (struct lun_config) { 0 },
	      (struct lun_policy_config) { .node = { .masquerade_addresses = pool, .masquerade_address_count = 3 } });
}

/* Runs a packet that is to leave; it is then in n->packet.is. */
static void leave(struct notation *n, const char *line)
{
	const char *result = notation_run(n, line);

	if (n->packet.verdict != LUN_ACCEPT || n->packet.ct == LUN_CT_INVALID)
		fail_msg("%s\n  expected to leave\n  got: %s", line, result);
}

/* The external port that a packet leaves with. */
static uint16_t external_port(struct notation *n, const char *line)
{
	leave(n, line);
	return n->packet.is.source_port;
}

/* Expects the answer to the packet that left last, with `words` behind its tuple, to become `expected`. */
static void answer(struct notation *n, const char *words, const char *expected)
{
	struct lun_tuple tuple = tuple_inverted(&n->packet.is);
	char line[256], text[LUN_TUPLE_TEXT];

	snprintf(line, sizeof(line), "%s %s", lun_tuple_format(&tuple, text), words);
	EXPECT(n, { line, expected });
}

/* Seconds of silence after which the flow of the last packet ends. */
static uint64_t left_s(const struct notation *n)
{
	struct lun_flow flow;

	assert_int_equal(lun_flow_find(n->engine, &n->packet.was, &flow), 0);
	return flow.expires / 1000000000;
}

static uint64_t flows(const struct notation *n)
{
	struct lun_stats stats;

	lun_engine_stats(n->engine, &stats);
	return stats.flows;
}

/* Expects the ICMP error that left last to quote a packet with this tuple and right checksums. */
static void expect_quote(const struct notation *n, const char *expected)
{
	struct lun_packet io = { .data = (uint8_t *)n->data + 28, .length = n->packet.length - 28 };
	struct packet quote = { .io = &io };
	char text[LUN_TUPLE_TEXT];

	assert_true(packet_parse(&quote));
	assert_string_equal(lun_tuple_format(&quote.tuple, text), expected);
	assert_true(packet_checksums_right(&quote));
}

/* Expects an ICMP host unreachable to have been emitted to 10.1.1.`host`. */
static void expect_host_unreachable(struct notation *n, uint8_t host)
{
	struct lun_event event;

	assert_true(lun_engine_next_event(n->engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_EMIT);
	assert_int_equal(event.side, LUN_SIDE_CLIENT);
	assert_int_equal(event.data[9], LUN_ICMP);
	assert_memory_equal(event.data + 16, ((const uint8_t[]) { 10, 1, 1, host }), 4);
	assert_memory_equal(event.data + 20, ((const uint8_t[]) { 3, 1 }), 2);
	assert_false(lun_engine_next_event(n->engine, &event));
}

static void open_tcp(struct notation *n)
{
	EXPECT(n,
	       { "tcp 10.1.1.1:4000 192.0.2.1:80 S seq 100 win 1000",
		 "accept new SYN_SENT -> tcp 203.0.113.1:4000 192.0.2.1:80" },
	       { "tcp 192.0.2.1:80 203.0.113.1:4000 S. seq 500 ack 101 win 1000",
		 "accept established SYN_RECV -> tcp 192.0.2.1:80 10.1.1.1:4000" },
	       { "tcp 10.1.1.1:4000 192.0.2.1:80 . seq 101 ack 501 win 1000",
		 "accept established ESTABLISHED -> tcp 203.0.113.1:4000 192.0.2.1:80" });
}

/* ---- RFC 4787: UDP ---- */

static void rfc4787_req_1_mapping_is_the_same_for_every_destination(void **state)
{
	struct notation *n = *state;

	EXPECT(n, { "udp 10.1.1.1:4000 192.0.2.1:53 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 192.0.2.1:53" },
	       { "udp 10.1.1.1:4000 192.0.2.1:54 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 192.0.2.1:54" },
	       { "udp 10.1.1.1:4000 192.0.2.2:53 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 192.0.2.2:53" });
}

static void rfc4787_req_2_a_client_keeps_its_external_address(void **state)
{
	struct notation *n = *state;
	struct lun_address first = { { 0 } };
	char line[128];

	start_with_pool(n);
	for (int client = 0; client < 32; client++)
		for (int peer = 0; peer < 8; peer++) {
			snprintf(line, sizeof(line), "udp 10.1.1.%d:%d 192.0.2.%d:53 len 9", client, 4000 + peer % 3, peer);
			leave(n, line);
			if (peer == 0)
				first = n->packet.is.source;
			assert_memory_equal(&n->packet.is.source, &first, sizeof(first));
		}
}

static void rfc4787_req_3_ports_are_not_overloaded_and_keep_their_class(void **state)
{
	struct notation *n = *state;
	uint16_t port;

	assert_int_equal(external_port(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9"), 4000);
	port = external_port(n, "udp 10.1.1.2:4000 192.0.2.1:53 len 9");
	assert_true(port >= 1024 && port != 4000);
	answer(n, "len 9", "accept established REPLIED -> udp 192.0.2.1:53 10.1.1.2:4000");
	assert_int_equal(external_port(n, "udp 10.1.1.1:700 192.0.2.1:53 len 9"), 700);
	port = external_port(n, "udp 10.1.1.2:700 192.0.2.1:53 len 9");
	assert_true(port > 0 && port < 1024 && port != 700);
	answer(n, "len 9", "accept established REPLIED -> udp 192.0.2.1:53 10.1.1.2:700");
}

static void rfc4787_req_5_udp_timeout_is_five_minutes(void **state)
{
	struct notation *n = *state;
	struct lun_timeout own = { LUN_STATE_UDP_UNREPLIED, 120000000000 };

	EXPECT(n, { "udp 10.1.1.1:4000 192.0.2.1:53 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 192.0.2.1:53" },
	       { "+299s udp 192.0.2.1:53 203.0.113.1:4000 len 9",
		 "accept established REPLIED -> udp 192.0.2.1:53 10.1.1.1:4000" },
	       { "+299s udp 192.0.2.1:53 203.0.113.1:4000 len 9",
		 "accept established STREAM -> udp 192.0.2.1:53 10.1.1.1:4000" },
	       { "+299s udp 192.0.2.1:53 203.0.113.1:4000 len 9",
		 "accept established STREAM -> udp 192.0.2.1:53 10.1.1.1:4000" },
	       { "+300s udp 192.0.2.1:53 203.0.113.1:4000 len 9", "accept new UNREPLIED" });
	start(n, (struct lun_config) { 0 }, (struct lun_policy_config) { .timeouts = &own, .timeout_count = 1 });
	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	assert_int_equal(left_s(n), 120);
}

static void rfc4787_req_6_packets_that_leave_refresh_the_mapping(void **state)
{
	struct notation *n = *state;

	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	for (int i = 0; i < 5; i++)
		leave(n, "+200s udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	EXPECT(n, { "+200s udp 192.0.2.1:53 203.0.113.1:4000 len 9",
		    "accept established REPLIED -> udp 192.0.2.1:53 10.1.1.1:4000" });
}

static void rfc4787_req_9_hairpinned_packets_come_from_the_external_address(void **state)
{
	struct notation *n = *state;

	EXPECT(n, { "udp 10.1.1.1:4000 203.0.113.1:8000 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 10.1.1.5:80" },
	       { "udp 10.1.1.5:80 203.0.113.1:4000 len 9",
		 "accept established REPLIED -> udp 203.0.113.1:8000 10.1.1.1:4000" },
	       /* even to itself */
	       { "udp 10.1.1.5:4001 203.0.113.1:8000 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4001 10.1.1.5:80" });
}

static void rfc4787_req_12_icmp_errors_pass_and_end_no_mapping(void **state)
{
	struct notation *n = *state;
	static const char *const errors[] = { "3/1", "3/3", "3/4", "3/13", "4/0", "5/1", "11/0", "12/0" };
	char line[64];

	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		snprintf(line, sizeof(line), "error %s 198.51.100.%zu", errors[i], i); /* any router may have sent it */
		notation_run(n, line);
		assert_int_equal(n->packet.ct, LUN_CT_RELATED);
		assert_int_equal(n->packet.verdict, LUN_ACCEPT);
	}
	EXPECT(n, { "udp 192.0.2.1:53 203.0.113.1:4000 len 9",
		    "accept established REPLIED -> udp 192.0.2.1:53 10.1.1.1:4000" });
}

/* Hands in the fragment with `size` bytes of transport from offset `at` of the packet in `whole`. */
static void hand_in_fragment(struct notation *n, const uint8_t *whole, uint32_t at, uint32_t size, uint16_t identification)
{
	uint32_t total = load16(whole + 2);
	uint16_t checksum;

	memcpy(n->data, whole, IP4_HEADER);
	memcpy(n->data + IP4_HEADER, whole + IP4_HEADER + at, size);
	store16(n->data + 2, (uint16_t)(IP4_HEADER + size));
	store16(n->data + 4, identification);
	store16(n->data + 6, (uint16_t)((IP4_HEADER + at + size < total ? 0x2000 : 0) | at / 8));
	memset(n->data + 10, 0, 2);
	checksum = (uint16_t)~checksum_fold(checksum_add(0, n->data, IP4_HEADER));
	memcpy(n->data + 10, &checksum, 2);
	n->packet = (struct lun_packet) { .data = n->data, .length = IP4_HEADER + size, .capacity = sizeof(n->data) };
	lun_engine_packets(n->engine, &n->packet, 1, n->now);
}

static void rfc4787_req_14_fragments_come_in_any_order(void **state)
{
	struct notation *n = *state;
	static const uint32_t orders[][3] = { { 0, 400, 800 }, { 800, 400, 0 }, { 400, 0, 800 } };
	uint8_t whole[NOTATION_PACKET];
	struct lun_event event;

	notation_build(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 1192");
	memcpy(whole, n->data, n->packet.length);
	for (uint16_t order = 0; order < 3; order++) {
		for (uint16_t id = 0; id < 500; id++) /* those that will never be complete stand in nobody's way */
			hand_in_fragment(n, whole, 0, 400, (uint16_t)(1000 + id));
		for (int i = 0; i < 3; i++)
			hand_in_fragment(n, whole, orders[order][i], 400, order);
		for (uint32_t at = 0; at < 1200; at += 400) {
			assert_true(lun_engine_next_event(n->engine, &event));
			assert_int_equal((load16(event.data + 6) & 0x1fff) * 8, at);
			assert_memory_equal(event.data + 12, ((const uint8_t[]) { 203, 0, 113, 1 }), 4);
		}
		assert_false(lun_engine_next_event(n->engine, &event));
	}
	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
}

/* ---- RFC 5382: TCP ---- */

static void rfc5382_req_1_mapping_is_the_same_for_every_destination(void **state)
{
	struct notation *n = *state;

	EXPECT(n, { "tcp 10.1.1.1:4000 192.0.2.1:80 S", "accept new SYN_SENT -> tcp 203.0.113.1:4000 192.0.2.1:80" },
	       { "tcp 10.1.1.1:4000 192.0.2.1:81 S", "accept new SYN_SENT -> tcp 203.0.113.1:4000 192.0.2.1:81" },
	       { "tcp 10.1.1.1:4000 192.0.2.2:80 S", "accept new SYN_SENT -> tcp 203.0.113.1:4000 192.0.2.2:80" });
}

static void rfc5382_req_2_connections_open_from_inside_outside_and_both_at_once(void **state)
{
	struct notation *n = *state;

	open_tcp(n);
	EXPECT(n,
	       { "tcp 198.51.100.7:5000 203.0.113.1:8000 S seq 7",
		 "accept new SYN_SENT -> tcp 198.51.100.7:5000 10.1.1.5:80" },
	       { "tcp 10.1.1.5:80 198.51.100.7:5000 S. seq 1 ack 8",
		 "accept established SYN_RECV -> tcp 203.0.113.1:8000 198.51.100.7:5000" },
	       { "tcp 198.51.100.7:5000 203.0.113.1:8000 . seq 8 ack 2",
		 "accept established ESTABLISHED -> tcp 198.51.100.7:5000 10.1.1.5:80" },
	       /* both at once */
	       { "tcp 10.1.1.1:4001 192.0.2.1:4001 S seq 100",
		 "accept new SYN_SENT -> tcp 203.0.113.1:4001 192.0.2.1:4001" },
	       { "tcp 192.0.2.1:4001 203.0.113.1:4001 S seq 500",
		 "accept established SYN_SENT2 -> tcp 192.0.2.1:4001 10.1.1.1:4001" },
	       { "tcp 10.1.1.1:4001 192.0.2.1:4001 S. seq 100 ack 501",
		 "accept established SYN_RECV -> tcp 203.0.113.1:4001 192.0.2.1:4001" },
	       { "tcp 192.0.2.1:4001 203.0.113.1:4001 S. seq 500 ack 101",
		 "accept established SYN_RECV -> tcp 192.0.2.1:4001 10.1.1.1:4001" },
	       { "tcp 10.1.1.1:4001 192.0.2.1:4001 . seq 101 ack 501",
		 "accept established ESTABLISHED -> tcp 203.0.113.1:4001 192.0.2.1:4001" },
	       /* and close both at once */
	       { "tcp 10.1.1.1:4001 192.0.2.1:4001 F. seq 101 ack 501",
		 "accept established FIN_WAIT -> tcp 203.0.113.1:4001 192.0.2.1:4001" },
	       { "tcp 192.0.2.1:4001 203.0.113.1:4001 F. seq 501 ack 101",
		 "accept established LAST_ACK -> tcp 192.0.2.1:4001 10.1.1.1:4001" },
	       { "tcp 10.1.1.1:4001 192.0.2.1:4001 . seq 102 ack 502",
		 "accept established TIME_WAIT -> tcp 203.0.113.1:4001 192.0.2.1:4001" },
	       { "tcp 192.0.2.1:4001 203.0.113.1:4001 . seq 502 ack 102",
		 "accept established TIME_WAIT -> tcp 192.0.2.1:4001 10.1.1.1:4001" });
}

static void rfc5382_req_5_idle_times_are_two_hours_four_and_four_minutes(void **state)
{
	struct notation *n = *state;

	leave(n, "tcp 10.1.1.1:4000 192.0.2.1:80 S seq 100");
	assert_int_equal(left_s(n), 240);
	leave(n, "tcp 192.0.2.1:80 203.0.113.1:4000 S. seq 500 ack 101");
	assert_int_equal(left_s(n), 240);
	leave(n, "+239s tcp 10.1.1.1:4000 192.0.2.1:80 . seq 101 ack 501");
	assert_int_equal(left_s(n), 7440);
	leave(n, "+7439s tcp 192.0.2.1:80 203.0.113.1:4000 F. seq 501 ack 101");
	assert_int_equal(left_s(n), 240);
	leave(n, "+239s tcp 10.1.1.1:4000 192.0.2.1:80 . seq 101 ack 502");
	assert_int_equal(left_s(n), 240);
	leave(n, "+239s tcp 10.1.1.1:4000 192.0.2.1:80 F. seq 101 ack 502");
	assert_int_equal(left_s(n), 240);
	EXPECT(n, { "+240s tcp 192.0.2.1:80 203.0.113.1:4000 F. seq 501 ack 101", "accept invalid NONE (not_an_opening)" });
}

static void rfc5382_req_7_ports_are_not_overloaded(void **state)
{
	struct notation *n = *state;

	assert_int_equal(external_port(n, "tcp 10.1.1.1:4000 192.0.2.1:80 S seq 100"), 4000);
	assert_int_not_equal(external_port(n, "tcp 10.1.1.2:4000 192.0.2.1:80 S seq 100"), 4000);
	answer(n, "S. seq 500 ack 101", "accept established SYN_RECV -> tcp 192.0.2.1:80 10.1.1.2:4000");
}

static void rfc5382_req_8_hairpinned_connections_come_from_the_external_address(void **state)
{
	struct notation *n = *state;

	EXPECT(n,
	       { "tcp 10.1.1.1:4000 203.0.113.1:8000 S seq 100", "accept new SYN_SENT -> tcp 203.0.113.1:4000 10.1.1.5:80" },
	       { "tcp 10.1.1.5:80 203.0.113.1:4000 S. seq 500 ack 101",
		 "accept established SYN_RECV -> tcp 203.0.113.1:8000 10.1.1.1:4000" },
	       { "tcp 10.1.1.1:4000 203.0.113.1:8000 . seq 101 ack 501",
		 "accept established ESTABLISHED -> tcp 203.0.113.1:4000 10.1.1.5:80" });
}

static void rfc5382_req_9_unreachables_about_tcp_are_translated(void **state)
{
	struct notation *n = *state;

	leave(n, "tcp 10.1.1.1:4000 192.0.2.1:80 S seq 100");
	leave(n, "tcp 10.1.1.2:4000 192.0.2.1:80 S seq 100"); /* its port is another one */
	EXPECT(n, { "error 3/4 192.0.2.254", "accept related SYN_SENT -> icmp 192.0.2.254:0 10.1.1.2:0" });
	expect_quote(n, "tcp 10.1.1.2:4000 192.0.2.1:80");
}

static void rfc5382_req_10_icmp_errors_end_no_connection(void **state)
{
	struct notation *n = *state;

	open_tcp(n);
	EXPECT(n, { "error 3/3 192.0.2.1", "accept related ESTABLISHED -> icmp 192.0.2.1:0 10.1.1.1:0" },
	       { "error 3/2 192.0.2.1", "accept related ESTABLISHED -> icmp 192.0.2.1:0 10.1.1.1:0" },
	       { "tcp 192.0.2.1:80 203.0.113.1:4000 P. seq 501 ack 101 len 9",
		 "accept established ESTABLISHED -> tcp 192.0.2.1:80 10.1.1.1:4000" });
	assert_int_equal(left_s(n), 7440);
}

/* ---- RFC 5508: ICMP ---- */

static void rfc5508_req_1_queries_and_their_answers_pass(void **state)
{
	struct notation *n = *state;
	uint16_t identifier;

	EXPECT(n, { "icmp 10.1.1.1:77 192.0.2.1:8 len 56", "accept new UNREPLIED -> icmp 203.0.113.1:77 192.0.2.1:8" },
	       { "icmp 192.0.2.1:8 203.0.113.1:77 len 56", "accept established REPLIED -> icmp 192.0.2.1:8 10.1.1.1:77" },
	       /* the identifier does not depend on the destination */
	       { "icmp 10.1.1.1:77 192.0.2.2:8 len 56", "accept new UNREPLIED -> icmp 203.0.113.1:77 192.0.2.2:8" });
	identifier = external_port(n, "icmp 10.1.1.2:77 192.0.2.1:8 len 56");
	assert_int_not_equal(identifier, 77);
	answer(n, "len 56", "accept established REPLIED -> icmp 192.0.2.1:8 10.1.1.2:77");
}

static void rfc5508_req_2_query_timeout_is_a_minute(void **state)
{
	struct notation *n = *state;
	struct lun_timeout own = { LUN_STATE_ICMP_UNREPLIED, 120000000000 };

	leave(n, "icmp 10.1.1.1:77 192.0.2.1:8 len 56");
	EXPECT(n,
	       { "+59s icmp 192.0.2.1:8 203.0.113.1:77 len 56",
		 "accept established REPLIED -> icmp 192.0.2.1:8 10.1.1.1:77" },
	       { "+59s icmp 192.0.2.1:8 203.0.113.1:77 len 56",
		 "accept established REPLIED -> icmp 192.0.2.1:8 10.1.1.1:77" },
	       { "+60s icmp 192.0.2.1:8 203.0.113.1:77 len 56", "accept invalid NONE (not_an_opening)" });
	start(n, (struct lun_config) { 0 }, (struct lun_policy_config) { .timeouts = &own, .timeout_count = 1 });
	leave(n, "icmp 10.1.1.1:77 192.0.2.1:8 len 56");
	assert_int_equal(left_s(n), 120);
}

/* Puts four bytes of IP options into the packet that left last. */
static void add_options(struct notation *n)
{
	uint16_t checksum;

	memmove(n->left + IP4_HEADER + 4, n->left + IP4_HEADER, n->left_length - IP4_HEADER);
	memset(n->left + IP4_HEADER, 1, 4); /* no operation */
	n->left[0] = 0x46;
	n->left_length += 4;
	store16(n->left + 2, (uint16_t)n->left_length);
	memset(n->left + 10, 0, 2);
	checksum = (uint16_t)~checksum_fold(checksum_add(0, n->left, IP4_HEADER + 4));
	memcpy(n->left + 10, &checksum, 2);
}

static void rfc5508_req_3_errors_are_read_past_options_and_with_a_right_checksum(void **state)
{
	struct notation *n = *state;

	start(n, (struct lun_config) { .verify = true, .drop_invalid = true }, (struct lun_policy_config) { 0 });
	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	add_options(n);
	EXPECT(n, { "error 3/3 192.0.2.1", "accept related UNREPLIED -> icmp 192.0.2.1:0 10.1.1.1:0" });
	expect_quote(n, "udp 10.1.1.1:4000 192.0.2.1:53");
	notation_build(n, "error 3/3 192.0.2.1");
	n->data[22] ^= 1; /* the ICMP checksum */
	lun_engine_packets(n->engine, &n->packet, 1, n->now);
	assert_int_equal(n->packet.verdict, LUN_DROP);
	assert_int_equal(n->packet.reason, LUN_REASON_bad_checksum);
	n->left[IP4_HEADER + 4 + 6] ^= 1; /* the quoted UDP checksum: not ours to judge */
	EXPECT(n, { "error 3/3 192.0.2.1", "accept related UNREPLIED -> icmp 192.0.2.1:0 10.1.1.1:0" });
}

static void rfc5508_req_4_errors_from_outside_are_reverted(void **state)
{
	struct notation *n = *state;

	start(n, (struct lun_config) { .drop_invalid = true }, (struct lun_policy_config) { 0 });
	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	leave(n, "udp 10.1.1.2:4000 192.0.2.1:53 len 9"); /* its port is another one */
	EXPECT(n, { "error 11/1 192.0.2.254", "accept related UNREPLIED -> icmp 192.0.2.254:0 10.1.1.2:0" });
	assert_memory_equal(n->data + IP4_HEADER, ((const uint8_t[]) { 11, 1 }), 2);
	expect_quote(n, "udp 10.1.1.2:4000 192.0.2.1:53");
	EXPECT(n, { "+300s error 11/1 192.0.2.254", "drop invalid NONE (icmp_unrelated)" });
}

static void rfc5508_req_5_errors_from_inside_are_reverted_and_hide_their_source(void **state)
{
	struct notation *n = *state;

	start(n, (struct lun_config) { .drop_invalid = true }, (struct lun_policy_config) { 0 });
	leave(n, "udp 198.51.100.7:5000 203.0.113.1:8000 len 9");
	EXPECT(n, { "error 11/0 10.9.9.9", "accept related UNREPLIED -> icmp 203.0.113.1:0 198.51.100.7:0" });
	assert_memory_equal(n->data + IP4_HEADER, ((const uint8_t[]) { 11, 0 }), 2);
	expect_quote(n, "udp 198.51.100.7:5000 203.0.113.1:8000");
	EXPECT(n, { "+300s error 11/0 10.9.9.9", "drop invalid NONE (icmp_unrelated)" });
}

static void rfc5508_req_6_errors_about_queries_neither_end_nor_refresh(void **state)
{
	struct notation *n = *state;

	leave(n, "icmp 10.1.1.1:77 192.0.2.1:8 len 56");
	EXPECT(n, { "+50s error 3/1 192.0.2.254", "accept related UNREPLIED -> icmp 192.0.2.254:0 10.1.1.1:0" });
	expect_quote(n, "icmp 10.1.1.1:77 192.0.2.1:8");
	EXPECT(n, { "+9s error 3/1 192.0.2.254", "accept related UNREPLIED -> icmp 192.0.2.254:0 10.1.1.1:0" },
	       { "+1s icmp 192.0.2.1:8 203.0.113.1:77 len 56", "accept invalid NONE (not_an_opening)" });
}

static void rfc5508_req_7_hairpinned_errors_reach_the_inside_client(void **state)
{
	struct notation *n = *state;

	leave(n, "udp 10.1.1.1:4000 203.0.113.1:8000 len 9");
	EXPECT(n, { "error 3/3 10.1.1.5", "accept related UNREPLIED -> icmp 203.0.113.1:0 10.1.1.1:0" });
	expect_quote(n, "udp 10.1.1.1:4000 203.0.113.1:8000");
}

static void rfc5508_req_8_who_is_refused_for_want_of_room_is_told(void **state)
{
	struct notation *n = *state;

	start(n, (struct lun_config) { .flows = 1 }, (struct lun_policy_config) { 0 });
	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	EXPECT(n, { "udp 10.1.1.2:4000 192.0.2.1:53 len 9", "reject new NONE (table_full)" });
	expect_host_unreachable(n, 2);
	EXPECT(n, { "tcp 10.1.1.3:4000 192.0.2.1:80 S", "reject new NONE (table_full)" });
	expect_host_unreachable(n, 3);
	EXPECT(n, { "icmp 10.1.1.4:77 192.0.2.1:8 len 56", "reject new NONE (table_full)" });
	expect_host_unreachable(n, 4);
}

static void rfc5508_req_10_unreachable_time_exceeded_and_echo_are_supported(void **state)
{
	struct notation *n = *state;
	char line[64];

	leave(n, "icmp 10.1.1.1:77 192.0.2.1:8 len 56");
	answer(n, "len 56", "accept established REPLIED -> icmp 192.0.2.1:8 10.1.1.1:77");
	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	for (int type = 3; type <= 11; type += 8)
		for (int code = 0; code <= (type == 3 ? 15 : 1); code++) {
			snprintf(line, sizeof(line), "error %d/%d 192.0.2.254", type, code);
			EXPECT(n, { line, "accept related UNREPLIED -> icmp 192.0.2.254:0 10.1.1.1:0" });
			expect_quote(n, "udp 10.1.1.1:4000 192.0.2.1:53");
		}
}

static void rfc5508_req_11_other_icmp_is_left_alone_or_dropped(void **state)
{
	struct notation *n = *state;
	static const uint8_t others[] = { 1, 2, 7, 9, 10, 30, 40, 255 };

	for (int drop = 0; drop < 2; drop++) {
		start(n, (struct lun_config) { .drop_invalid = drop }, (struct lun_policy_config) { 0 });
		for (size_t i = 0; i < sizeof(others); i++) {
			notation_build(n, "icmp 10.1.1.1:77 192.0.2.1:8 len 56");
			n->data[IP4_HEADER] = others[i];
			lun_engine_packets(n->engine, &n->packet, 1, n->now);
			assert_int_equal(n->packet.verdict, drop ? LUN_DROP : LUN_ACCEPT);
			assert_int_equal(n->packet.reason, LUN_REASON_icmp_type);
		}
		assert_int_equal(flows(n), 0);
	}
}

/* ---- RFC 7857: updates, by section ---- */

static void rfc7857_section_2_tcp_is_followed_from_both_syns_to_both_fins(void **state)
{
	struct notation *n = *state;

	open_tcp(n);
	EXPECT(n,
	       { "tcp 10.1.1.1:4000 192.0.2.1:80 F. seq 101 ack 501 win 1000",
		 "accept established FIN_WAIT -> tcp 203.0.113.1:4000 192.0.2.1:80" },
	       /* the other half is still open */
	       { "tcp 192.0.2.1:80 203.0.113.1:4000 . seq 501 ack 102 win 1000 len 500",
		 "accept established CLOSE_WAIT -> tcp 192.0.2.1:80 10.1.1.1:4000" },
	       { "tcp 10.1.1.1:4000 192.0.2.1:80 . seq 102 ack 1001 win 1000",
		 "accept established CLOSE_WAIT -> tcp 203.0.113.1:4000 192.0.2.1:80" },
	       { "tcp 192.0.2.1:80 203.0.113.1:4000 F. seq 1001 ack 102 win 1000",
		 "accept established LAST_ACK -> tcp 192.0.2.1:80 10.1.1.1:4000" },
	       { "tcp 10.1.1.1:4000 192.0.2.1:80 . seq 102 ack 1002 win 1000",
		 "accept established TIME_WAIT -> tcp 203.0.113.1:4000 192.0.2.1:80" });
}

static void rfc7857_section_2_1_opening_and_closing_have_timeouts_of_their_own(void **state)
{
	struct notation *n = *state;
	struct lun_timeout own[] = { { LUN_STATE_SYN_SENT, 30000000000 }, { LUN_STATE_FIN_WAIT, 60000000000 } };

	start(n, (struct lun_config) { 0 }, (struct lun_policy_config) { .timeouts = own, .timeout_count = 2 });
	leave(n, "tcp 10.1.1.1:4000 192.0.2.1:80 S seq 100 win 1000");
	assert_int_equal(left_s(n), 30);
	open_tcp(n);
	assert_int_equal(left_s(n), 7440);
	leave(n, "tcp 10.1.1.1:4000 192.0.2.1:80 F. seq 101 ack 501 win 1000");
	assert_int_equal(left_s(n), 60);
	leave(n, "tcp 192.0.2.1:80 203.0.113.1:4000 . seq 501 ack 102 win 1000");
	assert_int_equal(left_s(n), 240);
}

static void rfc7857_section_2_2_a_reset_is_translated_and_waited_after(void **state)
{
	struct notation *n = *state;

	open_tcp(n);
	EXPECT(n,
	       /* one that is not for this connection is not believed */
	       { "tcp 192.0.2.1:80 203.0.113.1:4000 R seq 400", "accept invalid ESTABLISHED (invalid_reset)" },
	       { "tcp 192.0.2.1:80 203.0.113.1:4000 R seq 501",
		 "accept established CLOSE -> tcp 192.0.2.1:80 10.1.1.1:4000" });
	assert_int_equal(left_s(n), 240);
	EXPECT(n, { "+239s tcp 10.1.1.1:4000 192.0.2.1:80 . seq 101 ack 501 win 1000",
		    "accept established CLOSE -> tcp 203.0.113.1:4000 192.0.2.1:80" });
}

static void rfc7857_section_3_clients_share_a_port_toward_different_destinations(void **state)
{
	struct notation *n = *state;

	EXPECT(n, { "udp 10.1.1.1:4000 192.0.2.1:53 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 192.0.2.1:53" },
	       { "udp 10.1.1.2:4000 192.0.2.2:53 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 192.0.2.2:53" },
	       { "udp 192.0.2.1:53 203.0.113.1:4000 len 9", "accept established REPLIED -> udp 192.0.2.1:53 10.1.1.1:4000" },
	       { "udp 192.0.2.2:53 203.0.113.1:4000 len 9",
		 "accept established REPLIED -> udp 192.0.2.2:53 10.1.1.2:4000" });
}

static void rfc7857_section_4_the_external_address_is_the_same_for_every_protocol(void **state)
{
	struct notation *n = *state;
	static const char *const lines[] = { "tcp 10.1.1.%d:4000 192.0.2.1:80 S", "udp 10.1.1.%d:4000 192.0.2.1:53 len 9",
					     "icmp 10.1.1.%d:77 192.0.2.1:8 len 9" };
	struct lun_address first = { { 0 } };
	char line[128];

	start_with_pool(n);
	for (int client = 0; client < 32; client++)
		for (int i = 0; i < 3; i++) {
			snprintf(line, sizeof(line), lines[i], client);
			leave(n, line);
			if (i == 0)
				first = n->packet.is.source;
			assert_memory_equal(&n->packet.is.source, &first, sizeof(first));
		}
}

static void rfc7857_section_5_a_mapping_is_of_one_protocol(void **state)
{
	struct notation *n = *state;

	EXPECT(n, { "udp 10.1.1.1:4000 192.0.2.1:80 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 192.0.2.1:80" },
	       { "tcp 192.0.2.1:80 203.0.113.1:4000 S", "accept new SYN_SENT" },
	       { "tcp 10.1.1.2:4001 192.0.2.1:80 S", "accept new SYN_SENT -> tcp 203.0.113.1:4001 192.0.2.1:80" },
	       { "udp 10.1.1.1:4001 192.0.2.1:80 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4001 192.0.2.1:80" });
}

static void rfc7857_section_7_1_errors_that_leave_refresh_nothing(void **state)
{
	struct notation *n = *state;

	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	leave(n, "udp 192.0.2.1:53 203.0.113.1:4000 len 9");
	EXPECT(n, { "+299s error 3/3 10.1.1.1", "accept related REPLIED -> icmp 203.0.113.1:0 192.0.2.1:0" },
	       { "+1s udp 192.0.2.1:53 203.0.113.1:4000 len 9", "accept new UNREPLIED" });
	/* a reset that may be challenged, since it is not exact */
	open_tcp(n);
	leave(n, "tcp 192.0.2.1:80 203.0.113.1:4000 . seq 501 ack 101 win 1000");
	leave(n, "+7000s tcp 10.1.1.1:4000 192.0.2.1:80 R seq 150");
	assert_int_equal(n->packet.state, LUN_STATE_ESTABLISHED);
	assert_int_equal(left_s(n), 440);
}

static void rfc7857_section_9_ports_that_must_change_are_random(void **state)
{
	struct notation *n = *state;
	uint16_t port, before = 4000;
	int rises = 0;
	char line[128];

	leave(n, "udp 10.2.2.2:4000 192.0.2.1:53 len 9");
	for (int client = 0; client < 64; client++) {
		snprintf(line, sizeof(line), "udp 10.1.1.%d:4000 192.0.2.1:53 len 9", client);
		port = external_port(n, line);
		assert_true(abs(port - before) > 1);
		rises += port > before;
		before = port;
	}
	assert_in_range(rises, 16, 48);
}

static void rfc7857_section_11_query_mappings_end_with_their_session(void **state)
{
	struct notation *n = *state;

	assert_int_equal(external_port(n, "icmp 10.1.1.1:77 192.0.2.1:8 len 56"), 77);
	assert_int_not_equal(external_port(n, "icmp 10.1.1.2:77 192.0.2.1:8 len 56"), 77);
	lun_engine_tick(n->engine, n->now += 60000000000);
	assert_int_equal(flows(n), 0);
	assert_int_equal(external_port(n, "icmp 10.1.1.3:77 192.0.2.1:8 len 56"), 77);
}

static void rfc7857_section_12_queries_are_hairpinned(void **state)
{
	struct notation *n = *state;

	EXPECT(n, { "icmp 10.1.1.1:77 203.0.113.1:8 len 56", "accept new UNREPLIED -> icmp 203.0.113.1:77 10.1.1.5:8" },
	       { "icmp 10.1.1.5:8 203.0.113.1:77 len 56", "accept established REPLIED -> icmp 203.0.113.1:8 10.1.1.1:77" });
}

/* ---- RFC 6888: carrier-grade NAT ---- */

static void rfc6888_req_2_pairing_is_the_default(void **state)
{
	struct notation *n = *state;
	struct lun_address first;

	start_with_pool(n);
	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	first = n->packet.is.source;
	leave(n, "+10h udp 10.1.1.1:4001 192.0.2.2:99 len 9"); /* long after its first flow */
	assert_memory_equal(&n->packet.is.source, &first, sizeof(first));
	leave(n, "tcp 10.1.1.1:4001 192.0.2.2:99 S");
	assert_memory_equal(&n->packet.is.source, &first, sizeof(first));
}

static void rfc6888_req_3_any_external_addresses_will_do(void **state)
{
	struct notation *n = *state;
	bool used[256] = { false };
	char line[128];

	start_with_pool(n);
	for (int client = 0; client < 64; client++) {
		snprintf(line, sizeof(line), "udp 10.1.1.%d:4000 192.0.2.1:53 len 9", client);
		leave(n, line);
		used[n->packet.is.source.bytes[15]] = true;
	}
	assert_true(used[1] && used[77] && used[200]);
}

static void rfc6888_req_4_a_client_can_be_held_to_a_number_of_ports(void **state)
{
	struct notation *n = *state;

	start(n, (struct lun_config) { 0 }, (struct lun_policy_config) { .source_limit = 2, .limits_drop = true });
	leave(n, "udp 10.1.1.1:1 192.0.2.1:53 len 9");
	leave(n, "tcp 10.1.1.1:2 192.0.2.1:80 S");
	EXPECT(n, { "udp 10.1.1.1:3 192.0.2.1:53 len 9", "drop new NONE (source_limit)" },
	       { "icmp 10.1.1.1:77 192.0.2.1:8 len 9", "drop new NONE (source_limit)" },
	       { "udp 10.1.1.2:3 192.0.2.1:53 len 9", "accept new UNREPLIED -> udp 203.0.113.1:3 192.0.2.1:53" },
	       { "+300s udp 10.1.1.1:4 192.0.2.1:53 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4 192.0.2.1:53" });
}

static void rfc6888_req_5_a_client_can_be_held_to_an_amount_of_state(void **state)
{
	struct notation *n = *state;
	struct lun_stats before, after;
	char line[128];

	start(n, (struct lun_config) { .events = 16 },
	      (struct lun_policy_config) { .source_limit = 100, .half_open_limit = 10 });
	lun_engine_stats(n->engine, &before);
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "tcp 10.1.1.1:%d 192.0.2.1:80 S", 2000 + i);
		notation_run(n, line);
		snprintf(line, sizeof(line), "udp 10.1.1.1:%d 192.0.2.1:53 len 9", 2000 + i);
		notation_run(n, line);
	}
	lun_engine_stats(n->engine, &after);
	assert_int_equal(after.half_open, 10);
	assert_int_equal(after.flows, 100);
	assert_int_equal(after.memory, before.memory);
	leave(n, "udp 10.1.1.2:4000 192.0.2.1:53 len 9");
}

static void rfc6888_req_6_destinations_can_be_left_untranslated(void **state)
{
	struct notation *n = *state;

	EXPECT(n, { "udp 10.1.1.1:4000 192.0.2.99:53 len 9", "accept new UNREPLIED" },
	       { "udp 192.0.2.99:53 10.1.1.1:4000 len 9", "accept established REPLIED" },
	       { "udp 10.1.1.1:4000 192.0.2.98:53 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 192.0.2.98:53" });
}

static void rfc6888_req_8_a_port_may_be_reused_at_once_since_it_is_open_to_its_peer_only(void **state)
{
	struct notation *n = *state;
	struct lun_flow flow;

	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	assert_int_equal(lun_flow_find(n->engine, &n->packet.was, &flow), 0);
	EXPECT(n, { "udp 192.0.2.1:54 203.0.113.1:4000 len 9", "accept new UNREPLIED" },
	       { "udp 192.0.2.2:53 203.0.113.1:4000 len 9", "accept new UNREPLIED" },
	       { "udp 192.0.2.1:53 203.0.113.1:4000 len 9",
		 "accept established REPLIED -> udp 192.0.2.1:53 10.1.1.1:4000" });
	assert_int_equal(lun_flow_end(n->engine, flow.id), 0);
	EXPECT(n, { "udp 10.1.1.2:4000 192.0.2.3:53 len 9", "accept new UNREPLIED -> udp 203.0.113.1:4000 192.0.2.3:53" },
	       { "udp 192.0.2.1:53 203.0.113.1:4000 len 9", "accept new UNREPLIED" });
}

static void rfc6888_req_10_flows_and_counters_can_be_read(void **state)
{
	struct notation *n = *state;
	struct lun_stats stats;
	struct lun_flow flow;
	uint64_t cursor = 0;
	char text[LUN_TUPLE_TEXT];

	start(n, (struct lun_config) { 0 }, (struct lun_policy_config) { .source_limit = 1, .limits_drop = true });
	leave(n, "udp 10.1.1.1:4000 192.0.2.1:53 len 9");
	notation_run(n, "udp 10.1.1.1:4001 192.0.2.1:53 len 9");
	lun_engine_stats(n->engine, &stats);
	assert_int_equal(stats.flows, 1);
	assert_int_equal(stats.reasons[LUN_REASON_source_limit], 1);
	assert_true(lun_flow_next(n->engine, &cursor, &flow));
	assert_string_equal(lun_tuple_format(&flow.orig, text), "udp 10.1.1.1:4000 192.0.2.1:53");
	assert_string_equal(lun_tuple_format(&flow.reply, text), "udp 192.0.2.1:53 203.0.113.1:4000");
	assert_int_equal(flow.packets[LUN_ORIG], 1);
	assert_int_equal(flow.bytes[LUN_ORIG], 37);
	assert_false(lun_flow_next(n->engine, &cursor, &flow));
}

static void rfc6888_req_11_over_a_limit_the_newcomer_is_refused_and_nobody_evicted(void **state)
{
	struct notation *n = *state;
	struct lun_stats stats;

	start(n, (struct lun_config) { .flows = 3 }, (struct lun_policy_config) { .source_limit = 2 });
	leave(n, "udp 10.1.1.1:1 192.0.2.1:53 len 9");
	leave(n, "udp 10.1.1.1:2 192.0.2.1:53 len 9");
	EXPECT(n, { "udp 10.1.1.1:3 192.0.2.1:53 len 9", "reject new NONE (source_limit)" });
	expect_host_unreachable(n, 1);
	leave(n, "udp 10.1.1.2:1 192.0.2.1:53 len 9");
	EXPECT(n, { "udp 10.1.1.3:1 192.0.2.1:53 len 9", "reject new NONE (table_full)" });
	expect_host_unreachable(n, 3);
	lun_engine_stats(n->engine, &stats);
	assert_int_equal(stats.reasons[LUN_REASON_source_limit], 1);
	assert_int_equal(stats.reasons[LUN_REASON_table_full], 1);
	EXPECT(n,
	       { "+299s udp 192.0.2.1:53 203.0.113.1:1 len 9", "accept established REPLIED -> udp 192.0.2.1:53 10.1.1.1:1" },
	       { "udp 192.0.2.1:53 203.0.113.1:2 len 9", "accept established REPLIED -> udp 192.0.2.1:53 10.1.1.1:2" });
}

static void rfc6888_req_11_who_finds_no_free_port_is_told(void **state)
{
	struct notation *n = *state;
	char line[128];

	for (int i = 0; i < 424; i++) { /* takes the class of port 700 */
		snprintf(line, sizeof(line), "udp 10.2.2.2:%d 192.0.2.1:53 len 9", 600 + i);
		leave(n, line);
	}
	EXPECT(n, { "udp 10.1.1.1:700 192.0.2.1:53 len 9", "reject new NONE (no_free_port)" });
	expect_host_unreachable(n, 1);
}

static void rfc6888_req_13_nine_ports_in_ten_can_be_used_toward_one_peer(void **state)
{
	struct notation *n = *state;
	enum { FIRST = 600, COUNT = 424 }; /* the class of port 700: the smallest but one */
	bool used[FIRST + COUNT] = { false };
	char line[128];

	for (int client = 0; client < COUNT * 9 / 10; client++) {
		uint16_t port;

		snprintf(line, sizeof(line), "udp 10.1.%d.%d:700 192.0.2.1:53 len 9", client / 256, client % 256);
		port = external_port(n, line);
		assert_true(port >= FIRST && port < FIRST + COUNT && !used[port]);
		used[port] = true;
	}
}

static void rfc6888_req_15_ports_are_hard_to_guess(void **state)
{
	struct notation *n = *state;
	static const char first[] = "udp 10.1.1.1:4000 192.0.2.1:53 len 9",
			  second[] = "udp 10.1.1.2:4000 192.0.2.1:53 len 9";
	uint16_t port, before = 0;

	for (uint64_t seed = 1; seed < 5; seed++) { /* all that an attacker does not know */
		start(n, (struct lun_config) { .seed = { seed, seed } }, (struct lun_policy_config) { 0 });
		leave(n, first);
		port = external_port(n, second);
		assert_true(port != before && port != 4001);
		before = port;
	}
}

static int set_up(void **state)
{
	static struct notation notation;

	start(&notation, (struct lun_config) { 0 }, (struct lun_policy_config) { 0 });
	*state = &notation;
	return 0;
}

static int tear_down(void **state)
{
	struct notation *n = *state;

	lun_engine_free(n->engine);
	n->engine = NULL;
	return 0;
}

#define REQUIREMENT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		REQUIREMENT(rfc4787_req_1_mapping_is_the_same_for_every_destination),
		REQUIREMENT(rfc4787_req_2_a_client_keeps_its_external_address),
		REQUIREMENT(rfc4787_req_3_ports_are_not_overloaded_and_keep_their_class),
		REQUIREMENT(rfc4787_req_5_udp_timeout_is_five_minutes),
		REQUIREMENT(rfc4787_req_6_packets_that_leave_refresh_the_mapping),
		REQUIREMENT(rfc4787_req_9_hairpinned_packets_come_from_the_external_address),
		REQUIREMENT(rfc4787_req_12_icmp_errors_pass_and_end_no_mapping),
		REQUIREMENT(rfc4787_req_14_fragments_come_in_any_order),
		REQUIREMENT(rfc5382_req_1_mapping_is_the_same_for_every_destination),
		REQUIREMENT(rfc5382_req_2_connections_open_from_inside_outside_and_both_at_once),
		REQUIREMENT(rfc5382_req_5_idle_times_are_two_hours_four_and_four_minutes),
		REQUIREMENT(rfc5382_req_7_ports_are_not_overloaded),
		REQUIREMENT(rfc5382_req_8_hairpinned_connections_come_from_the_external_address),
		REQUIREMENT(rfc5382_req_9_unreachables_about_tcp_are_translated),
		REQUIREMENT(rfc5382_req_10_icmp_errors_end_no_connection),
		REQUIREMENT(rfc5508_req_1_queries_and_their_answers_pass),
		REQUIREMENT(rfc5508_req_2_query_timeout_is_a_minute),
		REQUIREMENT(rfc5508_req_3_errors_are_read_past_options_and_with_a_right_checksum),
		REQUIREMENT(rfc5508_req_4_errors_from_outside_are_reverted),
		REQUIREMENT(rfc5508_req_5_errors_from_inside_are_reverted_and_hide_their_source),
		REQUIREMENT(rfc5508_req_6_errors_about_queries_neither_end_nor_refresh),
		REQUIREMENT(rfc5508_req_7_hairpinned_errors_reach_the_inside_client),
		REQUIREMENT(rfc5508_req_8_who_is_refused_for_want_of_room_is_told),
		REQUIREMENT(rfc5508_req_10_unreachable_time_exceeded_and_echo_are_supported),
		REQUIREMENT(rfc5508_req_11_other_icmp_is_left_alone_or_dropped),
		REQUIREMENT(rfc7857_section_2_tcp_is_followed_from_both_syns_to_both_fins),
		REQUIREMENT(rfc7857_section_2_1_opening_and_closing_have_timeouts_of_their_own),
		REQUIREMENT(rfc7857_section_2_2_a_reset_is_translated_and_waited_after),
		REQUIREMENT(rfc7857_section_3_clients_share_a_port_toward_different_destinations),
		REQUIREMENT(rfc7857_section_4_the_external_address_is_the_same_for_every_protocol),
		REQUIREMENT(rfc7857_section_5_a_mapping_is_of_one_protocol),
		REQUIREMENT(rfc7857_section_7_1_errors_that_leave_refresh_nothing),
		REQUIREMENT(rfc7857_section_9_ports_that_must_change_are_random),
		REQUIREMENT(rfc7857_section_11_query_mappings_end_with_their_session),
		REQUIREMENT(rfc7857_section_12_queries_are_hairpinned),
		REQUIREMENT(rfc6888_req_2_pairing_is_the_default),
		REQUIREMENT(rfc6888_req_3_any_external_addresses_will_do),
		REQUIREMENT(rfc6888_req_4_a_client_can_be_held_to_a_number_of_ports),
		REQUIREMENT(rfc6888_req_5_a_client_can_be_held_to_an_amount_of_state),
		REQUIREMENT(rfc6888_req_6_destinations_can_be_left_untranslated),
		REQUIREMENT(rfc6888_req_8_a_port_may_be_reused_at_once_since_it_is_open_to_its_peer_only),
		REQUIREMENT(rfc6888_req_10_flows_and_counters_can_be_read),
		REQUIREMENT(rfc6888_req_11_over_a_limit_the_newcomer_is_refused_and_nobody_evicted),
		REQUIREMENT(rfc6888_req_11_who_finds_no_free_port_is_told),
		REQUIREMENT(rfc6888_req_13_nine_ports_in_ten_can_be_used_toward_one_peer),
		REQUIREMENT(rfc6888_req_15_ports_are_hard_to_guess),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
