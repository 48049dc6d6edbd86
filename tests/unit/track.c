/* track.c - protocols and their states, in the notation of notation.h; the numbers of requirements are those of the RFCs. */
#include "fragments.h"
#include "notation.h"

static void start(struct notation *n, struct lun_config config, struct lun_policy *policy)
{
	config.size = sizeof(config);
	config.flows = config.flows ? config.flows : 256;
	*n = (struct notation) { .now = 1000 };
	assert_int_equal(lun_engine_new(&n->engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
}

static struct lun_policy *make_policy(struct lun_service service, struct lun_policy_config config)
{
	struct lun_address ip = notation_address("10.96.0.1"), masquerade = notation_address("10.244.0.1");
	struct lun_port ports[] = { { .name = "tcp", .port = 80, .target_port = 8080 },
				    { .name = "udp", .port = 53, .protocol = LUN_UDP, .target_port = 5353 },
				    { .name = "sctp", .port = 90, .protocol = LUN_SCTP, .target_port = 9090 } };
	struct lun_endpoint endpoint = { .address = notation_address("10.244.0.5") };
	struct lun_policy *policy;
	struct lun_error error;

	service.name = "default/all";
	service.cluster_ips = &ip;
	service.cluster_ip_count = 1;
	service.ports = ports;
	service.port_count = 3;
	service.endpoints = &endpoint;
	service.endpoint_count = 1;
	config.size = sizeof(config);
	config.services = &service;
	config.service_count = 1;
	config.node.masquerade_addresses = &masquerade;
	config.node.masquerade_address_count = 1;
	if (lun_policy_new(&policy, &config, &error) < 0)
		fail_msg("%s", error.text);
	return policy;
}

#define PLAIN make_policy((struct lun_service) { 0 }, (struct lun_policy_config) { 0 })
#define MASQUERADED                                                                                                         \
	make_policy((struct lun_service) { .masquerade = LUN_MASQUERADE_ALWAYS }, (struct lun_policy_config) { 0 })
#define NO_CONFIG                                                                                                           \
	(struct lun_config)                                                                                                 \
	{                                                                                                                   \
		0                                                                                                           \
	}

/* A connection that is open: the client's next byte is 101, the server's 501; windows of 1,000. */
static void open_tcp(struct notation *n)
{
	EXPECT(n, { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 100 win 1000", "accept new SYN_SENT" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 S. seq 500 ack 101 win 1000", "accept established SYN_RECV" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 101 ack 501 win 1000", "accept established ESTABLISHED" });
}

static void tcp_opens_talks_and_closes(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	open_tcp(&n);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 P. seq 101 ack 501 len 100 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 501 ack 201 len 500 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 P. seq 101 ack 501 len 100 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 F. seq 201 ack 1001 win 1000", "accept established FIN_WAIT" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 1001 ack 202 win 1000", "accept established CLOSE_WAIT" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 F. seq 1001 ack 202 win 1000", "accept established LAST_ACK" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 202 ack 1002 win 1000", "accept established TIME_WAIT" },
	       /* a new connection on the same ports, at once */
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 90000 win 1000", "accept new SYN_SENT" });
	lun_engine_free(n.engine);
}

static void tcp_windows_are_kept(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	n.traced = true;
	open_tcp(&n);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 2500 ack 501 len 10 win 1000",
		     "accept invalid ESTABLISHED (sequence_past_window)" });
	assert_string_equal(n.trace.reason, "sequence 1399 past the window, which ends at 1101");
	EXPECT(&n,
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 101 ack 502 win 1000",
		 "accept invalid ESTABLISHED (acknowledgement_past_window)" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 1101 ack 501 len 10 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 501 ack 1111 win 1000", "accept established ESTABLISHED" },
	       /* a little past the window: the other end judges that */
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 2112 ack 501 len 9 win 1000",
		 "accept established ESTABLISHED (sequence_past_window)" },
	       /* old data passes and changes nothing */
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 90 ack 501 len 9 win 1000",
		 "accept established ESTABLISHED (sequence_before_window)" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 1000 ack 501 len 111 win 1000", "accept established ESTABLISHED" });
	lun_engine_free(n.engine);
}

static void tcp_windows_scale(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 100 win 1000 scale 4", "accept new SYN_SENT" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 S. seq 500 ack 101 win 1000 scale 3", "accept established SYN_RECV" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 101 ack 501 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 16501 ack 101 len 1 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 40000 ack 101 len 1 win 1000",
		 "accept invalid ESTABLISHED (sequence_past_window)" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 8101 ack 501 len 1 win 1000", "accept established ESTABLISHED" });
	lun_engine_free(n.engine);
	/* only if both sides offered it */
	start(&n, NO_CONFIG, NULL);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 100 win 1000 scale 4", "accept new SYN_SENT" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 S. seq 500 ack 101 win 1000", "accept established SYN_RECV" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 101 ack 501 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 3000 ack 101 len 1 win 1000",
		 "accept invalid ESTABLISHED (sequence_past_window)" });
	lun_engine_free(n.engine);
}

static void tcp_resets_must_be_exact(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	open_tcp(&n);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 P. seq 101 ack 501 len 100 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 501 ack 201 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 R seq 150", "accept invalid ESTABLISHED (invalid_reset)" },
	       /* in the window but not the next number: it passes, and the server may challenge it */
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 R seq 250", "accept established ESTABLISHED" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 R seq 201", "accept established CLOSE" });
	lun_engine_free(n.engine);
	/* refused at once: the flow is gone, and the port free */
	start(&n, NO_CONFIG, NULL);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 100", "accept new SYN_SENT" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 R. seq 0 ack 101", "accept established CLOSE" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 777", "accept new SYN_SENT" });
	lun_engine_free(n.engine);
}

static void tcp_syns_in_the_middle_are_answered_by_the_ends(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	open_tcp(&n);
	/* forged: the server challenges it, nothing changes */
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 99999", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 501 ack 101 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 P. seq 101 ack 501 len 10 win 1000", "accept established ESTABLISHED" },
	       /* real: the client has restarted, the server has forgotten; we follow */
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 70000 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 S. seq 80000 ack 70001 win 1000", "accept established SYN_RECV" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 70001 ack 80001 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 101 ack 501 len 10 win 1000",
		 "accept established ESTABLISHED (sequence_before_window)" });
	lun_engine_free(n.engine);
}

static void an_opening_that_comes_again_late_takes_nothing_back(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	open_tcp(&n);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 P. seq 101 ack 501 len 100 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 100 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 S. seq 500 ack 101 win 1000", "accept established ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 501 ack 201 win 1000", "accept established ESTABLISHED" });
	lun_engine_free(n.engine);
}

static void tcp_opens_from_both_sides_at_once(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 100 win 1000", "accept new SYN_SENT" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 S seq 500 win 1000", "accept established SYN_SENT2" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 S. seq 100 ack 501 win 1000", "accept established SYN_RECV" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 S. seq 500 ack 101 win 1000", "accept established SYN_RECV" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 101 ack 501 len 900 win 1000", "accept established ESTABLISHED" },
	       /* the second SYN/ACK has said how far */
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 1001 ack 501 len 100 win 1000", "accept established ESTABLISHED" });
	lun_engine_free(n.engine);
}

static void tcp_is_picked_up_in_mid_stream_if_allowed(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 P. seq 101 ack 501 len 10", "accept new ESTABLISHED" },
	       { "tcp 10.2.2.2:80 10.1.1.1:4000 . seq 501 ack 111 len 1400", "accept established ESTABLISHED" },
	       { "tcp 10.1.1.1:4001 10.2.2.2:80 F. seq 101 ack 501", "accept invalid NONE (not_an_opening)" },
	       { "tcp 10.1.1.1:4001 10.2.2.2:80 SF seq 101", "accept invalid NONE (bad_flags)" });
	lun_engine_free(n.engine);
	start(&n, (struct lun_config) { .no_pick_up = true, .drop_invalid = true }, NULL);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 P. seq 101 ack 501 len 10", "drop invalid NONE (not_an_opening)" });
	lun_engine_free(n.engine);
	start(&n, (struct lun_config) { .liberal = true }, NULL);
	open_tcp(&n);
	EXPECT(&n,
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 . seq 999999 ack 501 len 10 win 1000", "accept established ESTABLISHED" });
	lun_engine_free(n.engine);
}

static void tcp_times_are_those_of_rfc_5382(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	open_tcp(&n); /* REQ-5: established 2 h 4 min at least, half-open and closing 4 min */
	EXPECT(&n, { "+7439s tcp 10.1.1.1:4000 10.2.2.2:80 . seq 101 ack 501 win 1000", "accept established ESTABLISHED" },
	       { "+7440s tcp 10.2.2.2:80 10.1.1.1:4000 R seq 501", "accept invalid NONE (not_an_opening)" },
	       { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 100 win 1000", "accept new SYN_SENT" },
	       { "+239s tcp 10.2.2.2:80 10.1.1.1:4000 S. seq 500 ack 101 win 1000", "accept established SYN_RECV" },
	       { "+240s tcp 10.2.2.2:80 10.1.1.1:4000 S. seq 500 ack 101 win 1000",
		 "accept invalid NONE (not_an_opening)" });
	lun_engine_free(n.engine);
}

static void icmp_queries_are_flows(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	EXPECT(&n, { "icmp 10.1.1.1:77 10.2.2.2:8 len 56", "accept new UNREPLIED" },
	       { "icmp 10.2.2.2:8 10.1.1.1:77 len 56", "accept established REPLIED" },
	       { "icmp 10.2.2.2:8 10.1.1.1:78 len 56", "accept invalid NONE (not_an_opening)" },
	       { "icmpv6 [fd00::1]:9 [fd00::2]:128 len 8", "accept new UNREPLIED" },
	       { "icmpv6 [fd00::2]:128 [fd00::1]:9 len 8", "accept established REPLIED" },
	       { "+60s icmp 10.2.2.2:8 10.1.1.1:77 len 56", "accept invalid NONE (not_an_opening)" });
	lun_engine_free(n.engine);
}

static void icmp_errors_are_translated_with_what_they_quote(void **state)
{
	struct notation n;
	struct lun_packet quote;
	struct packet inner = { .io = &quote };
	char text[LUN_TUPLE_TEXT];

	(void)state;
	start(&n, NO_CONFIG, MASQUERADED);
	EXPECT(&n,
	       { "udp 10.1.1.1:4000 10.96.0.1:53 len 20", "accept new UNREPLIED -> udp 10.244.0.1:4000 10.244.0.5:5353" },
	       /* the endpoint refuses: the client hears it from the service */
	       { "error 3/3 10.244.0.5", "accept related UNREPLIED -> icmp 10.96.0.1:0 10.1.1.1:0" });
	quote = (struct lun_packet) { .data = n.data + 28, .length = n.packet.length - 28 };
	assert_true(packet_parse(&inner));
	assert_string_equal(lun_tuple_format(&inner.tuple, text), "udp 10.1.1.1:4000 10.96.0.1:53");
	assert_true(packet_checksums_right(&inner));
	/* a router on the way to the endpoint: a path-MTU error reaches the true sender */
	EXPECT(&n,
	       { "udp 10.1.1.1:4000 10.96.0.1:53 len 20", "accept new UNREPLIED -> udp 10.244.0.1:4000 10.244.0.5:5353" },
	       { "error 3/4 10.9.9.9", "accept related UNREPLIED -> icmp 10.96.0.1:0 10.1.1.1:0" },
	       /* the other direction: the endpoint's answer could not be delivered */
	       { "udp 10.244.0.5:5353 10.244.0.1:4000 len 20",
		 "accept established REPLIED -> udp 10.96.0.1:53 10.1.1.1:4000" },
	       { "error 3/1 10.7.7.7", "accept related REPLIED -> icmp 10.244.0.1:0 10.244.0.5:0" });
	quote = (struct lun_packet) { .data = n.data + 28, .length = n.packet.length - 28 };
	inner = (struct packet) { .io = &quote };
	assert_true(packet_parse(&inner));
	assert_string_equal(lun_tuple_format(&inner.tuple, text), "udp 10.244.0.5:5353 10.244.0.1:4000");
	assert_true(packet_checksums_right(&inner));
	lun_engine_free(n.engine);
}

static void icmp_errors_change_nothing(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	open_tcp(&n);
	EXPECT(&n, { "+7430s tcp 10.1.1.1:4000 10.2.2.2:80 . seq 101 ack 501 win 1000", "accept established ESTABLISHED" },
	       { "+7430s error 3/1 10.9.9.9", "accept related ESTABLISHED" },
	       /* RFC 5382 REQ-9, RFC 5508 REQ-6: neither ended ... nor refreshed by it */
	       { "+9s error 3/1 10.9.9.9", "accept related ESTABLISHED" },
	       { "+1s error 3/1 10.9.9.9", "accept invalid NONE (icmp_unrelated)" });
	lun_engine_free(n.engine);
}

static void sctp_associations_are_followed(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, PLAIN);
	EXPECT(&n,
	       { "sctp 10.1.1.1:4000 10.96.0.1:90 tag 0 chunk init:7",
		 "accept new CLOSED -> sctp 10.1.1.1:4000 10.244.0.5:9090" },
	       { "sctp 10.244.0.5:9090 10.1.1.1:4000 tag 7 chunk init_ack:9",
		 "accept established COOKIE_WAIT -> sctp 10.96.0.1:90 10.1.1.1:4000" },
	       { "sctp 10.1.1.1:4000 10.96.0.1:90 tag 9 chunk cookie_echo",
		 "accept established COOKIE_ECHOED -> sctp 10.1.1.1:4000 10.244.0.5:9090" },
	       { "sctp 10.244.0.5:9090 10.1.1.1:4000 tag 7 chunk cookie_ack",
		 "accept established ESTABLISHED -> sctp 10.96.0.1:90 10.1.1.1:4000" },
	       { "sctp 10.1.1.1:4000 10.96.0.1:90 tag 8 chunk data", "accept invalid ESTABLISHED (bad_verification_tag)" },
	       { "sctp 10.1.1.1:4000 10.96.0.1:90 tag 9 chunk data chunk init:3",
		 "accept invalid ESTABLISHED (bad_chunks)" },
	       { "sctp 10.1.1.1:4000 10.96.0.1:90 tag 9 chunk shutdown",
		 "accept established SHUTDOWN_SENT -> sctp 10.1.1.1:4000 10.244.0.5:9090" },
	       { "sctp 10.244.0.5:9090 10.1.1.1:4000 tag 7 chunk shutdown_ack",
		 "accept established SHUTDOWN_ACK_SENT -> sctp 10.96.0.1:90 10.1.1.1:4000" },
	       { "sctp 10.1.1.1:4000 10.96.0.1:90 tag 9 chunk shutdown_complete",
		 "accept established CLOSED -> sctp 10.1.1.1:4000 10.244.0.5:9090" },
	       { "sctp 10.1.1.1:4001 10.96.0.1:90 tag 9 chunk abort", "accept invalid NONE (not_an_opening)" },
	       { "sctp 10.1.1.1:4002 10.96.0.1:90 tag 5 chunk heartbeat",
		 "accept new HEARTBEAT_SENT -> sctp 10.1.1.1:4002 10.244.0.5:9090" });
	lun_engine_free(n.engine);
}

/* One packet may complete the set-up and say more, that the association is to end for instance. */
static void sctp_is_assured_once_it_is_established(void **state)
{
	struct lun_flow flow;
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, NULL);
	EXPECT(&n, { "sctp 10.1.1.1:4000 10.2.2.2:90 tag 0 chunk init:7", "accept new CLOSED" },
	       { "sctp 10.2.2.2:90 10.1.1.1:4000 tag 7 chunk init_ack:9", "accept established COOKIE_WAIT" },
	       { "sctp 10.1.1.1:4000 10.2.2.2:90 tag 9 chunk cookie_echo", "accept established COOKIE_ECHOED" });
	assert_int_equal(lun_flow_find(n.engine, &n.packet.is, &flow), 0);
	assert_false(flow.assured);
	EXPECT(&n, { "sctp 10.2.2.2:90 10.1.1.1:4000 tag 7 chunk cookie_ack chunk shutdown",
		     "accept established SHUTDOWN_RECD" });
	assert_int_equal(lun_flow_find(n.engine, &n.packet.is, &flow), 0);
	assert_true(flow.assured);
	lun_engine_free(n.engine);
}

/* RFC 9260, 8.5: a heartbeat with another tag is doubted until its answer comes with it; no other chunk comes in with either. */
static void sctp_heartbeats_may_change_tags(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, PLAIN);
	EXPECT(&n,
	       { "sctp 10.1.1.1:4000 10.96.0.1:90 tag 5 chunk heartbeat",
		 "accept new HEARTBEAT_SENT -> sctp 10.1.1.1:4000 10.244.0.5:9090" },
	       { "sctp 10.1.1.1:4000 10.96.0.1:90 tag 6 chunk heartbeat chunk sack",
		 "accept invalid HEARTBEAT_SENT (bad_verification_tag)" },
	       { "sctp 10.1.1.1:4000 10.96.0.1:90 tag 6 chunk heartbeat",
		 "accept new HEARTBEAT_SENT -> sctp 10.1.1.1:4000 10.244.0.5:9090" },
	       /* The first tag of this direction: nothing was asked of it that it could answer. */
	       { "sctp 10.244.0.5:9090 10.1.1.1:4000 tag 7 chunk heartbeat_ack",
		 "accept established ESTABLISHED -> sctp 10.96.0.1:90 10.1.1.1:4000" },
	       { "sctp 10.244.0.5:9090 10.1.1.1:4000 tag 8 chunk heartbeat_ack chunk data",
		 "accept invalid ESTABLISHED (bad_verification_tag)" },
	       { "sctp 10.244.0.5:9090 10.1.1.1:4000 tag 8 chunk heartbeat_ack",
		 "accept established ESTABLISHED -> sctp 10.96.0.1:90 10.1.1.1:4000" },
	       { "sctp 10.244.0.5:9090 10.1.1.1:4000 tag 8 chunk data",
		 "accept established ESTABLISHED -> sctp 10.96.0.1:90 10.1.1.1:4000" },
	       { "sctp 10.1.1.1:4001 10.96.0.1:90 tag 5 chunk heartbeat chunk data",
		 "accept invalid NONE (not_an_opening)" });
	lun_engine_free(n.engine);
}

static void limits_refuse_and_evict_nobody(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG,
	      make_policy((struct lun_service) { .flow_limit = 3 },
			  (struct lun_policy_config) { .source_limit = 2, .half_open_limit = 1, .limits_drop = true }));
	EXPECT(&n, { "udp 10.1.1.1:1 10.96.0.1:53 len 1", "accept new UNREPLIED -> udp 10.1.1.1:1 10.244.0.5:5353" },
	       { "udp 10.1.1.1:2 10.96.0.1:53 len 1", "accept new UNREPLIED -> udp 10.1.1.1:2 10.244.0.5:5353" },
	       { "udp 10.1.1.1:3 10.96.0.1:53 len 1", "drop new NONE (source_limit)" },
	       { "udp 10.1.1.2:3 10.96.0.1:53 len 1", "accept new UNREPLIED -> udp 10.1.1.2:3 10.244.0.5:5353" },
	       { "udp 10.1.1.2:4 10.96.0.1:53 len 1", "drop new NONE (service_limit)" },
	       { "tcp 10.1.1.3:4 10.96.0.1:80 S seq 5", "accept new SYN_SENT -> tcp 10.1.1.3:4 10.244.0.5:8080" },
	       { "tcp 10.1.1.4:4 10.96.0.1:80 S seq 5", "drop new NONE (half_open_limit)" },
	       { "tcp 10.244.0.5:8080 10.1.1.3:4 R. seq 0 ack 6",
		 "accept established CLOSE -> tcp 10.96.0.1:80 10.1.1.3:4" },
	       { "tcp 10.1.1.4:4 10.96.0.1:80 S seq 5", "accept new SYN_SENT -> tcp 10.1.1.4:4 10.244.0.5:8080" },
	       { "+300s udp 10.1.1.1:3 10.96.0.1:53 len 1", "accept new UNREPLIED -> udp 10.1.1.1:3 10.244.0.5:5353" });
	lun_engine_free(n.engine);
}

static void timeouts_are_the_policys(void **state)
{
	struct lun_timeout all = { LUN_STATE_UDP_UNREPLIED, 10000000000 }, own = { LUN_STATE_SYN_SENT, 20000000000 };
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG,
	      make_policy((struct lun_service) { .timeouts = &own, .timeout_count = 1 },
			  (struct lun_policy_config) { .timeouts = &all, .timeout_count = 1 }));
	EXPECT(&n, { "udp 10.1.1.1:1 10.2.2.2:53 len 1", "accept new UNREPLIED" },
	       { "+10s udp 10.2.2.2:53 10.1.1.1:1 len 1", "accept new UNREPLIED" },
	       { "tcp 10.1.1.1:1 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.1.1.1:1 10.244.0.5:8080" },
	       { "+20s tcp 10.244.0.5:8080 10.1.1.1:1 S. ack 1", "accept invalid NONE (not_an_opening)" });
	lun_engine_free(n.engine);
}

/* A reload with another timeout of UDP, and a flow that gets it; returns the reload's result. */
static int reload(struct notation *n, uint64_t seconds)
{
	struct lun_timeout timeout = { LUN_STATE_UDP_UNREPLIED, seconds * 1000000000 };
	struct lun_policy *policy = make_policy((struct lun_service) { 0 },
						(struct lun_policy_config) { .timeouts = &timeout, .timeout_count = 1 });
	int result = lun_engine_set_policy(n->engine, policy);

	lun_policy_unref(policy);
	return result;
}

static void expect_flow_that_expires_in(struct notation *n, uint16_t port, uint64_t seconds)
{
	struct lun_flow flow;
	char line[80];

	snprintf(line, sizeof(line), "udp 10.1.1.1:%u 10.2.2.2:53 len 1", port);
	EXPECT(n, { line, "accept new UNREPLIED" });
	assert_int_equal(lun_flow_find(n->engine, &n->packet.is, &flow), 0);
	assert_int_equal(flow.expires, seconds * 1000000000);
}

/* However often they change: only those that a flow still has are kept. */
static void timeouts_of_old_policies_make_room(void **state)
{
	struct notation n;
	uint64_t first;
	uint16_t last = 1;

	(void)state;
	start(&n, (struct lun_config) { .flows = 1024 }, NULL);
	for (uint64_t seconds = 1; seconds <= 1000; seconds++)
		assert_int_equal(reload(&n, seconds), 0);
	for (; reload(&n, 5000 + last) == 0; last++)
		expect_flow_that_expires_in(&n, last, 5000 + last);
	assert_int_equal(last, 256); /* that many rows, of which the defaults have one */
	expect_flow_that_expires_in(&n, 1, 5001);
	first = n.packet.flow;
	expect_flow_that_expires_in(&n, 2, 5002);
	expect_flow_that_expires_in(&n, 300, 5255); /* the old policy is still there */
	assert_int_equal(lun_flow_end(n.engine, first), 0);
	assert_int_equal(reload(&n, 9999), 0);
	expect_flow_that_expires_in(&n, 1, 9999);
	expect_flow_that_expires_in(&n, 2, 5002);
	lun_engine_free(n.engine);
}

/* ---- fragments ---- */

/* Cuts the packet in n->data into pieces of `size` bytes of transport each; returns how many. */
static uint32_t cut(const struct notation *n, uint32_t size, uint8_t pieces[][2048], uint32_t lengths[])
{
	struct fragment_cut cut = { .size = size, .identification = 4711 };
	uint32_t count = 0;

	while ((lengths[count] = fragment_cut(pieces[count], n->data, n->packet.length, cut, count)) > 0)
		count++;
	return count;
}

/* Hands pieces in, in this order; returns the last one's verdict. */
static enum lun_verdict hand_in(struct notation *n, uint8_t pieces[][2048], const uint32_t lengths[], const char *order)
{
	for (; *order; order++) {
		uint32_t i = (uint32_t)(*order - '0');
		uint8_t copy[2048];

		memcpy(copy, pieces[i], lengths[i]);
		n->packet = (struct lun_packet) { .data = copy, .length = lengths[i], .capacity = lengths[i] };
		lun_engine_packets(n->engine, &n->packet, 1, n->now);
	}
	return n->packet.verdict;
}

/* All that is emitted, put together again; checks order, addresses, and the checksum of the whole. */
static void expect_whole(struct notation *n, uint32_t count, const char *tuple)
{
	static struct whole whole;
	struct lun_packet io = { .data = whole.data };
	struct packet p = { .io = &io };
	struct lun_event event;
	char text[LUN_TUPLE_TEXT];

	whole = (struct whole) { 0 };
	for (uint32_t i = 0; i < count; i++) {
		assert_true(lun_engine_next_event(n->engine, &event));
		assert_int_equal(event.kind, LUN_EVENT_EMIT);
		assert_true(whole_add(&whole, event.data, event.length));
	}
	assert_false(lun_engine_next_event(n->engine, &event));
	assert_true(whole.complete);
	io.length = whole.length;
	assert_true(packet_parse(&p));
	assert_string_equal(lun_tuple_format(&p.tuple, text), tuple);
	assert_true(packet_checksums_right(&p));
}

static void fragments_are_translated_and_leave_in_order(void **state)
{
	static const char *const orders[] = { "0123", "3210", "1032", "02213" };
	static uint8_t pieces[8][2048];
	uint32_t lengths[8];
	struct notation n;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		start(&n, NO_CONFIG, MASQUERADED);
		notation_build(&n, "udp 10.1.1.1:4000 10.96.0.1:53 len 1500");
		assert_int_equal(cut(&n, 400, pieces, lengths), 4);
		assert_int_equal(hand_in(&n, pieces, lengths, orders[i]), LUN_STOLEN);
		assert_int_equal(n.packet.ct, LUN_CT_NEW);
		expect_whole(&n, 4, "udp 10.244.0.1:4000 10.244.0.5:5353");
		notation_build(&n, "udp 10.244.0.5:5353 10.244.0.1:4000 len 1500");
		cut(&n, 800, pieces, lengths);
		assert_int_equal(hand_in(&n, pieces, lengths, "10"), LUN_STOLEN);
		expect_whole(&n, 2, "udp 10.96.0.1:53 10.1.1.1:4000");
		notation_build(&n, "udp [fd00::1]:4000 [fd00::2]:53 len 1500");
		assert_int_equal(cut(&n, 400, pieces, lengths), 4);
		assert_int_equal(hand_in(&n, pieces, lengths, orders[i]), LUN_STOLEN);
		expect_whole(&n, 4, "udp [fd00::1]:4000 [fd00::2]:53");
		lun_engine_free(n.engine);
	}
}

/* What is quoted, chunks, and checksums may lie in any fragment. */
static void fragments_are_tracked_as_the_whole(void **state)
{
	static uint8_t pieces[8][2048];
	uint32_t lengths[8];
	struct notation n;

	(void)state;
	start(&n, NO_CONFIG, MASQUERADED);
	EXPECT(&n,
	       { "udp 10.1.1.1:4000 10.96.0.1:53 len 20", "accept new UNREPLIED -> udp 10.244.0.1:4000 10.244.0.5:5353" });
	notation_build(&n, "error 3/3 10.9.9.9");
	assert_int_equal(cut(&n, 16, pieces, lengths), 4); /* the second one has the quoted addresses */
	assert_int_equal(hand_in(&n, pieces, lengths, "3120"), LUN_STOLEN);
	assert_int_equal(n.packet.ct, LUN_CT_RELATED);
	expect_whole(&n, 4, "udp 10.96.0.1:53 10.1.1.1:4000");
	notation_build(&n, "sctp 10.1.1.1:4000 10.96.0.1:90 tag 0 chunk init:7");
	assert_int_equal(cut(&n, 16, pieces, lengths), 2); /* the second one has the tag */
	assert_int_equal(hand_in(&n, pieces, lengths, "01"), LUN_STOLEN);
	assert_int_equal(n.packet.ct, LUN_CT_NEW);
	expect_whole(&n, 2, "sctp 10.244.0.1:4000 10.244.0.5:9090");
	EXPECT(&n, { "sctp 10.244.0.5:9090 10.244.0.1:4000 tag 7 chunk init_ack:9",
		     "accept established COOKIE_WAIT -> sctp 10.96.0.1:90 10.1.1.1:4000" });
	notation_build(&n, "tcp 10.1.1.1:4000 10.96.0.1:80 S scale 7 sackok");
	assert_int_equal(cut(&n, 8, pieces, lengths), 4); /* not even its flags are in the first */
	assert_int_equal(hand_in(&n, pieces, lengths, "0123"), LUN_STOLEN);
	expect_whole(&n, 4, "tcp 10.244.0.1:4000 10.244.0.5:8080");
	lun_engine_free(n.engine);
}

static void fragments_of_what_is_invalid_are_left_alone(void **state)
{
	static uint8_t pieces[8][2048];
	struct lun_event event;
	struct notation n;
	uint32_t lengths[8];

	(void)state;
	for (int drop = 0; drop <= 1; drop++) {
		start(&n, (struct lun_config) { .verify = true, .drop_invalid = drop }, PLAIN);
		notation_build(&n, "udp 10.1.1.1:4000 10.96.0.1:53 len 100 bad-checksum");
		assert_int_equal(cut(&n, 80, pieces, lengths), 2);
		assert_int_equal(hand_in(&n, pieces, lengths, "10"), drop ? LUN_DROP : LUN_STOLEN);
		assert_int_equal(n.packet.ct, LUN_CT_INVALID);
		assert_int_equal(n.packet.reason, LUN_REASON_bad_checksum);
		for (uint32_t i = 0; i < 2 && !drop; i++) {
			assert_true(lun_engine_next_event(n.engine, &event));
			assert_int_equal(event.length, lengths[i]);
			assert_memory_equal(event.data, pieces[i], lengths[i]);
		}
		assert_false(lun_engine_next_event(n.engine, &event));
		lun_engine_free(n.engine);
	}
}

/* Together longer than a packet can be, or a fragment in a fragment. */
static void fragments_that_make_no_packet_are_dropped(void **state)
{
	static uint8_t pieces[8][2048];
	struct lun_event event;
	struct notation n;
	uint32_t lengths[8], length;

	(void)state;
	start(&n, (struct lun_config) { .fragment_size = 1 << 20 }, NULL);
	notation_build(&n, "udp 10.1.1.1:4000 10.2.2.2:53 len 1472");
	cut(&n, 2000, pieces, lengths);
	for (uint32_t at = 0; at < UINT16_MAX; at += 1480) {
		bool last = at + 1480 > UINT16_MAX;

		length = IP4_HEADER + (last ? UINT16_MAX - at : 1480);
		store16(pieces[0] + 2, (uint16_t)length);
		store16(pieces[0] + 6, (uint16_t)(at / 8 | (last ? 0 : 0x2000)));
		assert_int_equal(hand_in(&n, pieces, &length, "0"), last ? LUN_DROP : LUN_STOLEN);
	}
	assert_int_equal(n.packet.reason, LUN_REASON_bad_ip_header);
	notation_build(&n, "udp [fd00::1]:4000 [fd00::2]:53 len 100");
	cut(&n, 2000, pieces, lengths);
	pieces[0][40] = 44; /* the first header says that more comes, the second one that this is all */
	pieces[0][43] = 1;
	memset(pieces[0] + 48, 0, 8);
	pieces[0][48] = LUN_UDP;
	assert_int_equal(hand_in(&n, pieces, lengths, "0"), LUN_DROP);
	assert_int_equal(n.packet.reason, LUN_REASON_bad_ip_header);
	assert_false(lun_engine_next_event(n.engine, &event));
	lun_engine_free(n.engine);
}

static void fragments_that_overlap_are_refused(void **state)
{
	static uint8_t pieces[8][2048];
	struct lun_event event;
	struct lun_stats stats;
	struct notation n;
	uint32_t lengths[8];

	(void)state;
	start(&n, NO_CONFIG, NULL);
	notation_build(&n, "udp 10.1.1.1:4000 10.2.2.2:53 len 1500");
	cut(&n, 400, pieces, lengths);
	assert_int_equal(hand_in(&n, pieces, lengths, "01"), LUN_STOLEN);
	store16(pieces[2] + 6, 0x2000 | 99); /* one unit too early */
	assert_int_equal(hand_in(&n, pieces, lengths, "2"), LUN_DROP);
	assert_int_equal(n.packet.reason, LUN_REASON_fragment_overlap);
	assert_false(lun_engine_next_event(n.engine, &event));
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.fragments_given_up[LUN_REASON_fragment_overlap], 2);
	/* what waits is forgotten after 30 seconds */
	assert_int_equal(hand_in(&n, pieces, lengths, "3"), LUN_STOLEN);
	n.now += 30000000000;
	lun_engine_tick(n.engine, n.now);
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.fragments_given_up[LUN_REASON_fragment_timeout], 1);
	lun_engine_free(n.engine);
}

static void fragments_never_take_more_than_their_memory(void **state)
{
	static uint8_t pieces[8][2048];
	struct notation n;
	struct lun_stats stats;
	uint32_t lengths[8];

	(void)state;
	start(&n, (struct lun_config) { .fragment_size = 65536 }, NULL);
	notation_build(&n, "udp 10.1.1.1:4000 10.2.2.2:53 len 2000");
	cut(&n, 1600, pieces, lengths);
	for (uint16_t id = 0; id < 1000; id++) {
		store16(pieces[0] + 4, id);
		assert_int_equal(hand_in(&n, pieces, lengths, "0"), LUN_STOLEN);
	}
	lun_engine_stats(n.engine, &stats);
	assert_true(stats.fragments_given_up[LUN_REASON_fragment_memory] >= 1000 - 64);
	store16(pieces[1] + 4, 999); /* the newest is still there */
	assert_int_equal(hand_in(&n, pieces, lengths, "1"), LUN_STOLEN);
	assert_int_equal(n.packet.ct, LUN_CT_NEW);
	lun_engine_free(n.engine);
}

static void fragments_of_a_reset_end_their_flow_once(void **state)
{
	static uint8_t pieces[8][2048];
	struct notation n;
	struct lun_stats stats;
	uint32_t lengths[8];

	(void)state;
	start(&n, NO_CONFIG, NULL);
	EXPECT(&n, { "tcp 10.1.1.1:4000 10.2.2.2:80 S seq 100", "accept new SYN_SENT" });
	notation_build(&n, "tcp 10.2.2.2:80 10.1.1.1:4000 R. seq 0 ack 101 len 900");
	cut(&n, 400, pieces, lengths);
	assert_int_equal(hand_in(&n, pieces, lengths, "012"), LUN_STOLEN);
	expect_whole(&n, 3, "tcp 10.2.2.2:80 10.1.1.1:4000");
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.flows, 0);
	assert_int_equal(stats.flows_ended, 1);
	lun_engine_free(n.engine);
}

static void fragments_that_were_kept_and_never_sent_are_counted(void **state)
{
	static uint8_t pieces[8][2048];
	struct notation n;
	struct lun_stats stats;
	struct lun_event event;
	uint32_t lengths[8];

	(void)state;
	start(&n, (struct lun_config) { .events = 2, .drop_invalid = true }, NULL);
	notation_build(&n, "icmp 10.2.2.2:8 10.1.1.1:77 len 1500"); /* a reply to nothing */
	assert_int_equal(cut(&n, 400, pieces, lengths), 4);
	assert_int_equal(hand_in(&n, pieces, lengths, "0123"), LUN_DROP);
	notation_build(&n, "icmp 10.1.1.1:77 10.2.2.2:8 len 1500");
	cut(&n, 400, pieces, lengths);
	assert_int_equal(hand_in(&n, pieces, lengths, "0123"), LUN_DROP); /* the last one speaks for what is lost */
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.fragments_given_up[LUN_REASON_not_an_opening], 3);
	assert_int_equal(stats.reasons[LUN_REASON_not_an_opening], 1);
	assert_int_equal(stats.fragments_given_up[LUN_REASON_events_full], 1);
	while (lun_engine_next_event(n.engine, &event))
		stats.verdicts[LUN_STOLEN]--;
	assert_int_equal(stats.verdicts[LUN_STOLEN], 3 + 1);
	lun_engine_free(n.engine);
}

/* As a whole packet would be: an invalid one is left alone, and so is what is not tracked. */
static void fragments_that_concern_no_flow_leave_as_they_came(void **state)
{
	static const char *const lines[] = {
		"icmp 10.2.2.2:8 10.1.1.1:77 len 900",                                 /* a reply to nothing */
		"tcp 10.1.1.1:4000 10.96.0.1:80 . seq 99999999 ack 501 len 900 win 9", /* of a flow, but far past its window */
		"icmpv6 [fe80::1]:9 [ff02::1]:128 len 900", /* becomes neighbour discovery, below */
	};
	static uint8_t pieces[8][2048];
	struct notation n;
	struct lun_event event;
	uint32_t lengths[8], count;

	(void)state;
	start(&n, NO_CONFIG, MASQUERADED);
	EXPECT(&n,
	       { "tcp 10.1.1.1:4000 10.96.0.1:80 S seq 100 win 1000",
		 "accept new SYN_SENT -> tcp 10.244.0.1:4000 10.244.0.5:8080" },
	       { "tcp 10.244.0.5:8080 10.244.0.1:4000 S. seq 500 ack 101 win 1000",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" });
	for (size_t i = 0; i < 3; i++) {
		notation_build(&n, lines[i]);
		if (i == 2)
			n.data[40] = 135;
		count = cut(&n, 400, pieces, lengths);
		assert_int_equal(hand_in(&n, pieces, lengths, "102"), LUN_STOLEN);
		assert_int_equal(n.packet.ct, i == 2 ? LUN_CT_UNTRACKED : LUN_CT_INVALID);
		for (uint32_t k = 0; k < count; k++) {
			assert_true(lun_engine_next_event(n.engine, &event));
			assert_int_equal(event.length, lengths[k]);
			assert_memory_equal(event.data, pieces[k], lengths[k]);
		}
		assert_false(lun_engine_next_event(n.engine, &event));
	}
	lun_engine_free(n.engine);
}

static void fragments_with_a_wrong_checksum_are_not_kept(void **state)
{
	static uint8_t pieces[8][2048];
	struct lun_event event;
	struct notation n;
	uint32_t lengths[8];

	(void)state;
	start(&n, (struct lun_config) { .verify = true }, NULL);
	notation_build(&n, "udp 10.1.1.1:4000 10.2.2.2:53 len 1500");
	cut(&n, 800, pieces, lengths);
	pieces[1][10] ^= 1;
	assert_int_equal(hand_in(&n, pieces, lengths, "01"), LUN_ACCEPT);
	assert_int_equal(n.packet.ct, LUN_CT_INVALID);
	assert_int_equal(n.packet.reason, LUN_REASON_bad_checksum);
	assert_false(lun_engine_next_event(n.engine, &event));
	pieces[1][10] ^= 1;
	assert_int_equal(hand_in(&n, pieces, lengths, "1"), LUN_STOLEN);
	expect_whole(&n, 2, "udp 10.1.1.1:4000 10.2.2.2:53");
	lun_engine_free(n.engine);
}

/* Whether the rest of a datagram that began before 1,000 others of another source, each `size` bytes, still makes it whole. */
static bool survives_flood(uint32_t size, const uint8_t flooding[4], uint32_t fragment_size)
{
	static uint8_t pieces[8][2048], flood[8][2048];
	uint32_t lengths[8], flood_lengths[8];
	struct lun_stats stats;
	struct notation n;
	char line[64];
	bool whole;

	start(&n, (struct lun_config) { .fragment_size = fragment_size }, NULL);
	notation_build(&n, "udp 10.1.1.1:4000 10.2.2.2:53 len 1500");
	cut(&n, 800, pieces, lengths);
	assert_int_equal(hand_in(&n, pieces, lengths, "0"), LUN_STOLEN);
	snprintf(line, sizeof(line), "udp 10.1.1.9:4000 10.2.2.2:53 len %u", size);
	notation_build(&n, line);
	assert_int_equal(cut(&n, size, flood, flood_lengths), 2);
	for (uint16_t id = 0; id < 1000; id++) {
		store16(flood[0] + 4, id);
		memcpy(flood[0] + 12, flooding, 4);
		flood[0][15] ^= flooding[3] ? 0 : (uint8_t)id; /* zero: 256 sources */
		assert_int_equal(hand_in(&n, flood, flood_lengths, "0"), LUN_STOLEN);
	}
	whole = hand_in(&n, pieces, lengths, "1") == LUN_STOLEN && n.packet.ct == LUN_CT_NEW;
	lun_engine_stats(n.engine, &stats);
	assert_true(stats.fragments_given_up[LUN_REASON_fragment_memory] >= 1000 - 64);
	lun_engine_free(n.engine);
	return whole;
}

static void fragments_of_one_source_push_out_nobody_else(void **state)
{
	static const uint8_t one[4] = { 10, 1, 1, 9 }, many[4] = { 10, 1, 2, 0 };

	(void)state;
	assert_true(survives_flood(8, one, 1 << 20));    /* by number, */
	assert_true(survives_flood(1600, one, 1 << 16)); /* and by size */
	assert_false(survives_flood(8, many, 1 << 20));  /* together they can: who waits longest goes */
	assert_false(survives_flood(1600, many, 1 << 16));
}

/* A source may have one datagram that is larger than its quota; it goes when a second one of its comes. */
static void fragments_of_a_large_datagram_have_room(void **state)
{
	static uint8_t pieces[2][2048];
	struct notation n;
	uint32_t lengths[2];

	(void)state;
	start(&n, (struct lun_config) { .fragment_size = 1 << 16, .emit_size = 1 << 17 }, NULL);
	notation_build(&n, "udp 10.1.1.1:4000 10.2.2.2:53 len 1472");
	store16(n.data + IP4_HEADER + 4, 29600); /* the length of a datagram of 20 fragments */
	cut(&n, 2000, pieces, lengths);
	for (uint32_t at = 0; at < 29600; at += 1480) {
		store16(pieces[0] + 6, (uint16_t)(at / 8 | (at + 1480 == 29600 ? 0 : 0x2000)));
		assert_int_equal(hand_in(&n, pieces, lengths, "0"), LUN_STOLEN);
	}
	assert_int_equal(n.packet.ct, LUN_CT_NEW);
	lun_engine_free(n.engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_opens_talks_and_closes),
		cmocka_unit_test(tcp_windows_are_kept),
		cmocka_unit_test(tcp_windows_scale),
		cmocka_unit_test(tcp_resets_must_be_exact),
		cmocka_unit_test(tcp_syns_in_the_middle_are_answered_by_the_ends),
		cmocka_unit_test(an_opening_that_comes_again_late_takes_nothing_back),
		cmocka_unit_test(tcp_opens_from_both_sides_at_once),
		cmocka_unit_test(tcp_is_picked_up_in_mid_stream_if_allowed),
		cmocka_unit_test(tcp_times_are_those_of_rfc_5382),
		cmocka_unit_test(icmp_queries_are_flows),
		cmocka_unit_test(icmp_errors_are_translated_with_what_they_quote),
		cmocka_unit_test(icmp_errors_change_nothing),
		cmocka_unit_test(sctp_associations_are_followed),
		cmocka_unit_test(sctp_heartbeats_may_change_tags),
		cmocka_unit_test(sctp_is_assured_once_it_is_established),
		cmocka_unit_test(limits_refuse_and_evict_nobody),
		cmocka_unit_test(timeouts_are_the_policys),
		cmocka_unit_test(timeouts_of_old_policies_make_room),
		cmocka_unit_test(fragments_are_translated_and_leave_in_order),
		cmocka_unit_test(fragments_are_tracked_as_the_whole),
		cmocka_unit_test(fragments_of_what_is_invalid_are_left_alone),
		cmocka_unit_test(fragments_that_make_no_packet_are_dropped),
		cmocka_unit_test(fragments_that_overlap_are_refused),
		cmocka_unit_test(fragments_of_a_reset_end_their_flow_once),
		cmocka_unit_test(fragments_that_were_kept_and_never_sent_are_counted),
		cmocka_unit_test(fragments_that_concern_no_flow_leave_as_they_came),
		cmocka_unit_test(fragments_with_a_wrong_checksum_are_not_kept),
		cmocka_unit_test(fragments_never_take_more_than_their_memory),
		cmocka_unit_test(fragments_of_one_source_push_out_nobody_else),
		cmocka_unit_test(fragments_of_a_large_datagram_have_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
