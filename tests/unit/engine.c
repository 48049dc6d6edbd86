/* engine.c - the path as a whole: services, both directions, masquerade, hairpin, refusals, limits, commit. */
#include "notation.h"

/* The node of the reference scenario, with one TCP service of two endpoints that takes turns, and one UDP service. */
struct fixture {
	struct lun_address node[2], masquerade[2], cluster_ip[2], dns_ip;
	struct lun_prefix pods[2], ranges[1];
	struct lun_port web_port, dns_port;
	struct lun_endpoint web[3], dns[1];
	struct lun_service services[3];
	struct lun_policy_config config;
};

static void fixture_init(struct fixture *f)
{
	*f = (struct fixture) {
		.node = { notation_address("172.18.0.2"), notation_address("fc00:f853:ccd:e793::2") },
		.masquerade = { notation_address("10.244.0.1"), notation_address("fd00:10:244::1") },
		.cluster_ip = { notation_address("10.96.176.241"), notation_address("fd00:10:96::b0f1") },
		.dns_ip = notation_address("10.96.0.10"),
		.pods = { notation_prefix("10.244.0.0/16"), notation_prefix("fd00:10:244::/56") },
		.ranges = { notation_prefix("10.96.0.0/12") },
		.web_port = { .name = "http", .port = 80, .node_port = 32329, .target_port = 8080 },
		.dns_port = { .port = 53, .protocol = LUN_UDP },
		.web = { { .address = notation_address("10.244.0.5") },
			 { .address = notation_address("10.244.0.6") },
			 { .address = notation_address("fd00:10:244::5") } },
		.dns = { { .address = notation_address("10.244.0.9") } },
	};
	f->services[0] = (struct lun_service) { .name = "default/web",
						.cluster_ips = f->cluster_ip,
						.cluster_ip_count = 2,
						.ports = &f->web_port,
						.port_count = 1,
						.endpoints = f->web,
						.endpoint_count = 3,
						.balance = LUN_BALANCE_ROUND_ROBIN };
	f->services[1] = (struct lun_service) { .name = "kube-system/dns",
						.cluster_ips = &f->dns_ip,
						.cluster_ip_count = 1,
						.ports = &f->dns_port,
						.port_count = 1,
						.endpoints = f->dns,
						.endpoint_count = 1 };
	f->config = (struct lun_policy_config) { .size = sizeof(f->config), .services = f->services, .service_count = 2 };
	f->config.node = (struct lun_node) { .name = "node",
					     .addresses = f->node,
					     .address_count = 2,
					     .pods = f->pods,
					     .pod_count = 2,
					     .service_ranges = f->ranges,
					     .service_range_count = 1,
					     .masquerade_addresses = f->masquerade,
					     .masquerade_address_count = 2 };
}

static void start(struct notation *n, const struct fixture *f, const struct lun_config *config)
{
	struct lun_config defaults = { .size = sizeof(defaults), .flows = 1024, .seed = { 1, 2 } };
	struct lun_policy *policy = NULL;
	struct lun_error error;

	*n = (struct notation) { .now = 1000 };
	if (f && lun_policy_new(&policy, &f->config, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(lun_engine_new(&n->engine, config ? config : &defaults, policy, &error), 0);
	lun_policy_unref(policy);
}

static void stop(struct notation *n)
{
	lun_engine_free(n->engine);
}

static void cluster_ip_from_a_pod_keeps_the_source(void **state)
{
	struct fixture f;
	struct notation n;

	(void)state;
	fixture_init(&f);
	start(&n, &f, NULL);
	EXPECT(&n,
	       { "tcp 10.244.0.7:40000 10.96.176.241:80 S seq 100",
		 "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" },
	       { "tcp 10.244.0.5:8080 10.244.0.7:40000 S. seq 900 ack 101",
		 "accept established SYN_RECV -> tcp 10.96.176.241:80 10.244.0.7:40000" },
	       { "tcp 10.244.0.7:40000 10.96.176.241:80 . seq 101 ack 901",
		 "accept established ESTABLISHED -> tcp 10.244.0.7:40000 10.244.0.5:8080" },
	       { "tcp 10.244.0.7:40000 10.96.176.241:80 P. seq 101 ack 901 len 11",
		 "accept established ESTABLISHED -> tcp 10.244.0.7:40000 10.244.0.5:8080" },
	       { "tcp 10.244.0.7:40001 10.96.176.241:80 S seq 100",
		 "accept new SYN_SENT -> tcp 10.244.0.7:40001 10.244.0.6:8080" },
	       { "tcp [fd00:10:244::7]:40000 [fd00:10:96::b0f1]:80 S seq 1",
		 "accept new SYN_SENT -> tcp [fd00:10:244::7]:40000 [fd00:10:244::5]:8080" },
	       { "tcp [fd00:10:244::5]:8080 [fd00:10:244::7]:40000 S. seq 1 ack 2",
		 "accept established SYN_RECV -> tcp [fd00:10:96::b0f1]:80 [fd00:10:244::7]:40000" });
	stop(&n);
}

static void others_are_masqueraded_and_get_a_free_port(void **state)
{
	struct fixture f;
	struct notation n;
	struct lun_tuple reply;

	(void)state;
	fixture_init(&f);
	f.services[0].endpoint_count = 1;
	start(&n, &f, NULL);
	EXPECT(&n,
	       { "tcp 192.168.31.9:40000 172.18.0.2:32329 S seq 100",
		 "accept new SYN_SENT -> tcp 10.244.0.1:40000 10.244.0.5:8080" },
	       { "tcp 10.244.0.5:8080 10.244.0.1:40000 S. seq 900 ack 101",
		 "accept established SYN_RECV -> tcp 172.18.0.2:32329 192.168.31.9:40000" },
	       { "tcp 172.18.0.2:41000 10.96.176.241:80 S seq 7",
		 "accept new SYN_SENT -> tcp 10.244.0.1:41000 10.244.0.5:8080" },
	       { "tcp 10.244.0.5:42000 10.96.176.241:80 S seq 7",
		 "accept new SYN_SENT -> tcp 10.244.0.1:42000 10.244.0.5:8080" });
	/* A second client with the same port gets another one, and its answers find it. */
	notation_run(&n, "tcp 192.168.31.10:40000 172.18.0.2:32329 S seq 100");
	assert_int_equal(n.packet.verdict, LUN_ACCEPT);
	assert_int_not_equal(n.packet.is.source_port, 40000);
	assert_true(n.packet.is.source_port >= 1024);
	reply = tuple_inverted(&n.packet.is);
	{
		char line[256], text[LUN_TUPLE_TEXT];

		snprintf(line, sizeof(line), "%s S. seq 1 ack 101", lun_tuple_format(&reply, text));
		assert_string_equal(notation_run(&n, line),
				    "accept established SYN_RECV -> tcp 172.18.0.2:32329 192.168.31.10:40000");
	}
	stop(&n);
}

/* Stands for the routes of a host: an address for one endpoint, none for others. */
static bool route_to(void *user, const struct lun_address *endpoint, struct lun_address *source)
{
	const struct fixture *f = user;

	*source = notation_address("10.244.0.254");
	return memcmp(endpoint, &f->web[0].address, sizeof(*endpoint)) == 0;
}

static void the_embedder_names_the_source_where_the_policy_does_not(void **state)
{
	struct fixture f;
	struct notation n;
	struct lun_config config = { .size = sizeof(config), .flows = 64, .seed = { 1, 2 }, .source = route_to, .user = &f };

	(void)state;
	fixture_init(&f);
	f.config.node.masquerade_address_count = 0;
	start(&n, &f, &config);
	EXPECT(&n,
	       { "tcp 192.168.31.9:40000 172.18.0.2:32329 S seq 1",
		 "accept new SYN_SENT -> tcp 10.244.0.254:40000 10.244.0.5:8080" },
	       { "tcp 192.168.31.9:40001 172.18.0.2:32329 S seq 1", "drop new NONE (no_masquerade_address)" },
	       { "tcp 10.244.0.7:40000 10.96.176.241:80 S seq 1",
		 "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" });
	stop(&n);
	f.config.node.masquerade_address_count = 1; /* the IPv4 one */
	start(&n, &f, &config);
	EXPECT(&n,
	       { "tcp 192.168.31.9:40000 172.18.0.2:32329 S seq 1",
		 "accept new SYN_SENT -> tcp 10.244.0.1:40000 10.244.0.5:8080" },
	       { "tcp [2001:db8::9]:40000 [fd00:10:96::b0f1]:80 S seq 1", "drop new NONE (no_masquerade_address)" });
	stop(&n);
}

/* What is said of one family is not said of the other: each is as if it had a proxy of its own. */
static void rules_are_by_family(void **state)
{
	struct fixture f;
	struct notation n;

	(void)state;
	fixture_init(&f);
	f.config.node.pod_count = 1; /* IPv4 pods only: which IPv6 sources are local is unknown (R7) */
	start(&n, &f, NULL);
	EXPECT(&n,
	       { "tcp [2001:db8::9]:40000 [fd00:10:96::b0f1]:80 S seq 1",
		 "accept new SYN_SENT -> tcp [2001:db8::9]:40000 [fd00:10:244::5]:8080" },
	       { "tcp 192.168.31.9:40000 10.96.176.241:80 S seq 1",
		 "accept new SYN_SENT -> tcp 10.244.0.1:40000 10.244.0.5:8080" },
	       /* IPv4 service ranges only: an IPv6 address of a service with another port is left alone (R32) */
	       { "tcp [2001:db8::9]:40000 [fd00:10:96::b0f1]:81 S seq 1", "accept new SYN_SENT" });
	stop(&n);
}

static void udp_goes_both_ways(void **state)
{
	struct fixture f;
	struct notation n;

	(void)state;
	fixture_init(&f);
	start(&n, &f, NULL);
	EXPECT(&n,
	       { "udp 10.244.0.7:5353 10.96.0.10:53 len 20", "accept new UNREPLIED -> udp 10.244.0.7:5353 10.244.0.9:53" },
	       { "udp 10.244.0.7:5353 10.96.0.10:53 len 20", "accept new UNREPLIED -> udp 10.244.0.7:5353 10.244.0.9:53" },
	       { "udp 10.244.0.9:53 10.244.0.7:5353 len 60",
		 "accept established REPLIED -> udp 10.96.0.10:53 10.244.0.7:5353" },
	       { "+299s udp 10.244.0.7:5353 10.96.0.10:53 len 20",
		 "accept established STREAM -> udp 10.244.0.7:5353 10.244.0.9:53" },
	       /* after the five minutes of RFC 4787 REQ-5 the flow is a new one */
	       { "+300s udp 10.244.0.7:5353 10.96.0.10:53 len 20",
		 "accept new UNREPLIED -> udp 10.244.0.7:5353 10.244.0.9:53" });
	stop(&n);
}

static void refusals_have_reasons_and_answers(void **state)
{
	struct fixture f;
	struct notation n;
	struct lun_event event;

	(void)state;
	fixture_init(&f);
	f.services[1].endpoint_count = 0;
	start(&n, &f, NULL);
	EXPECT(&n, { "udp 10.244.0.7:5353 10.96.0.10:53 len 20", "reject new NONE (no_endpoint)" },
	       { "tcp 10.244.0.7:5353 10.96.0.10:53 S seq 4", "reject new NONE (undefined_port)" },
	       { "tcp 10.244.0.7:5353 10.96.0.11:53 S seq 4", "drop new NONE (unallocated)" },
	       { "tcp 10.244.0.7:5353 10.1.0.11:53 S seq 4", "accept new SYN_SENT" },
	       { "tcp 10.244.0.7:5354 10.1.0.11:53 R seq 4", "accept invalid NONE (not_an_opening)" },
	       { "tcp 10.244.0.7:5353 10.1.0.11:53 F. seq 4 ack 5", "accept invalid SYN_SENT (invalid_state)" });
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_EMIT);
	assert_int_equal(event.side, LUN_SIDE_CLIENT);
	assert_int_equal(event.data[9], 1); /* ICMP */
	assert_int_equal(event.data[20], 3);
	assert_int_equal(event.data[21], 3);
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.data[9], LUN_TCP);
	assert_int_equal(event.data[33], TCP_RST | TCP_ACK);
	assert_int_equal(load32(event.data + 28), 5);
	assert_false(lun_engine_next_event(n.engine, &event));
	stop(&n);
}

static void a_wrong_checksum_stays_wrong(void **state)
{
	struct fixture f;
	struct notation n;
	struct packet left = { .io = &n.packet };
	struct lun_config verify = { .size = sizeof(verify), .flows = 64, .verify = true };

	(void)state;
	fixture_init(&f);
	start(&n, &f, NULL);
	EXPECT(&n, { "udp 10.244.0.7:5353 10.96.0.10:53 len 20 bad-checksum",
		     "accept new UNREPLIED -> udp 10.244.0.7:5353 10.244.0.9:53" });
	assert_true(packet_parse(&left));
	assert_false(packet_checksums_right(&left));
	stop(&n);
	start(&n, &f, &verify);
	EXPECT(&n, { "udp 10.244.0.7:5353 10.96.0.10:53 len 20 bad-checksum", "accept invalid NONE (bad_checksum)" });
	stop(&n);
}

static void tenants_do_not_meet(void **state)
{
	struct notation n;

	(void)state;
	start(&n, NULL, NULL);
	EXPECT(&n, { "tenant 1 udp 10.0.0.1:1 10.0.0.2:2 len 4", "accept new UNREPLIED" },
	       { "tenant 2 udp 10.0.0.2:2 10.0.0.1:1 len 4", "accept new UNREPLIED" },
	       { "tenant 1 udp 10.0.0.2:2 10.0.0.1:1 len 4", "accept established REPLIED" });
	stop(&n);
}

static void a_full_table_refuses_and_evicts_nobody(void **state)
{
	struct lun_config small = { .size = sizeof(small), .flows = 4 };
	struct lun_stats stats;
	struct notation n;

	(void)state;
	start(&n, NULL, &small);
	for (int i = 0; i < 4; i++) {
		char line[80];

		snprintf(line, sizeof(line), "udp 10.0.0.1:%d 10.0.0.2:53 len 4", 1000 + i);
		assert_string_equal(notation_run(&n, line), "accept new UNREPLIED");
	}
	EXPECT(&n, { "udp 10.0.0.1:2000 10.0.0.2:53 len 4", "reject new NONE (table_full)" },
	       { "udp 10.0.0.2:53 10.0.0.1:1000 len 4", "accept established REPLIED" },
	       { "+300s udp 10.0.0.1:2000 10.0.0.2:53 len 4", "accept new UNREPLIED" });
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.flows_opened, 5);
	assert_int_equal(stats.reasons[LUN_REASON_table_full], 1);
	stop(&n);
}

static void a_reload_keeps_turns_and_old_flows(void **state)
{
	struct fixture f;
	struct notation n;
	struct lun_policy *policy;

	(void)state;
	fixture_init(&f);
	start(&n, &f, NULL);
	EXPECT(&n,
	       { "tcp 10.244.0.7:40000 10.96.176.241:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" });
	f.web_port.target_port = 9090;
	assert_int_equal(lun_policy_new(&policy, &f.config, NULL), 0);
	assert_int_equal(lun_engine_set_policy(n.engine, policy), 0);
	lun_policy_unref(policy);
	EXPECT(&n,
	       { "tcp 10.244.0.7:40000 10.96.176.241:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" },
	       { "tcp 10.244.0.7:40001 10.96.176.241:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:40001 10.244.0.6:9090" });
	stop(&n);
}

static void set_policy(struct notation *n, const struct fixture *f)
{
	struct lun_policy *policy;

	assert_int_equal(lun_policy_new(&policy, &f->config, NULL), 0);
	assert_int_equal(lun_engine_set_policy(n->engine, policy), 0);
	lun_policy_unref(policy);
}

/* A reload in which the DNS service moves to another endpoint, and the web service loses one of its two. */
static void a_reload_ends_udp_to_endpoints_that_are_gone(void **state)
{
	struct lun_stats stats;
	struct fixture f;
	struct notation n;

	(void)state;
	fixture_init(&f);
	start(&n, &f, NULL);
	EXPECT(&n,
	       { "udp 10.244.0.7:5353 10.96.0.10:53 len 20", "accept new UNREPLIED -> udp 10.244.0.7:5353 10.244.0.9:53" },
	       { "udp 10.244.0.7:5353 1.1.1.1:53 len 20", "accept new UNREPLIED" },
	       { "tcp 10.244.0.7:40000 10.96.176.241:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" });
	set_policy(&n, &f); /* nothing changed */
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.flows, 3);
	f.dns[0].address = notation_address("10.244.0.10");
	f.web[0].address = notation_address("10.244.0.11");
	set_policy(&n, &f);
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.flows, 2);
	EXPECT(&n,
	       { "udp 10.244.0.7:5353 10.96.0.10:53 len 20", "accept new UNREPLIED -> udp 10.244.0.7:5353 10.244.0.10:53" },
	       { "tcp 10.244.0.7:40000 10.96.176.241:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" });
	f.dns[0].port = 54; /* another port of the same address is another endpoint */
	set_policy(&n, &f);
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.flows, 2);
	EXPECT(&n,
	       { "udp 10.244.0.7:5353 10.96.0.10:53 len 20", "accept new UNREPLIED -> udp 10.244.0.7:5353 10.244.0.10:54" });
	f.config.service_count = 1; /* the service is gone */
	set_policy(&n, &f);
	assert_int_equal(lun_engine_set_policy(n.engine, NULL), 0);
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.flows, 2);
	stop(&n);
}

static int no_opinion(void *user, const struct lun_new_flow *flow, struct lun_decision *decision)
{
	(void)user;
	(void)flow;
	(void)decision;
	return 0;
}

/* More flows than one piece, and more ends than the ring has room for: none is forgotten. */
static void a_reload_ends_many_flows_bit_by_bit(void **state)
{
	enum { FLOWS = 20000, EVENTS = 1000 };
	struct lun_config config = { .size = sizeof(config), .flows = FLOWS, .commit = true, .events = EVENTS };
	uint32_t withdrawn = 0;
	struct lun_event event;
	struct lun_stats stats;
	struct fixture f;
	struct notation n;

	(void)state;
	fixture_init(&f);
	start(&n, &f, &config);
	for (int i = 0; i < FLOWS; i++) {
		char line[100];

		snprintf(line, sizeof(line), "udp 10.244.1.%d:%d 10.96.0.10:53 len 20", i % 200, 1000 + i / 200);
		notation_run(&n, line);
		assert_true(lun_engine_next_event(n.engine, &event));
	}
	f.dns[0].address = notation_address("10.244.0.10");
	set_policy(&n, &f);
	for (int ticks = 0; ticks < FLOWS; ticks++) {
		bool more = lun_engine_deadline(n.engine) <= n.now;

		while (lun_engine_next_event(n.engine, &event)) {
			assert_int_equal(event.kind, LUN_EVENT_ENDED);
			assert_true(event.withdrawn);
			assert_int_equal(event.reply.source_port, 53);
			withdrawn++;
		}
		assert_true(more || withdrawn == FLOWS);
		lun_engine_tick(n.engine, n.now);
	}
	assert_int_equal(withdrawn, FLOWS);
	assert_true(lun_engine_deadline(n.engine) > n.now);
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.flows, 0);
	stop(&n);
}

/* What an earlier agent committed to an endpoint that is there, to one that is not, and to what only a script can have said. */
static void import_ends_udp_to_endpoints_that_are_gone(void **state)
{
	static const struct {
		const char *endpoint;
		bool script;
		uint32_t flows;
	} cases[] = {
		{ "10.244.0.9", false, 1 },
		{ "10.244.0.8", false, 0 },
		{ "10.244.0.9", true, 1 },
		{ "10.244.0.8", true, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lun_config config = { .size = sizeof(config), .flows = 64, .commit = true };
		struct lun_flow flow = { .state = LUN_STATE_UDP_STREAM, .expires = 1000000000, .translated = true };
		struct lun_stats stats;
		struct lun_event event;
		struct fixture f;
		struct notation n;

		fixture_init(&f);
		f.config.hooks.flow = cases[i].script ? no_opinion : NULL;
		f.services[1].flow_limit = 1;
		start(&n, &f, &config);
		flow.orig = (struct lun_tuple) { .source = notation_address("10.244.0.7"),
						 .destination = f.dns_ip,
						 .source_port = 5353,
						 .destination_port = 53,
						 .protocol = LUN_UDP };
		flow.reply = tuple_inverted(&flow.orig);
		flow.reply.source = notation_address(cases[i].endpoint);
		assert_int_equal(lun_flow_import(n.engine, &flow, n.now), 0);
		lun_engine_stats(n.engine, &stats);
		assert_int_equal(stats.flows, cases[i].flows);
		assert_int_equal(lun_engine_next_event(n.engine, &event), cases[i].flows == 0);
		assert_true(cases[i].flows == 1 || event.withdrawn);
		if (i == 0) /* it counts for its service */
			EXPECT(&n, { "udp 10.244.0.7:5354 10.96.0.10:53 len 20", "reject new NONE (service_limit)" });
		stop(&n);
	}
}

static void commit_asks_and_is_told(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .commit = true };
	struct lun_event event, report;
	struct lun_flow flow;
	struct fixture f;
	struct notation n;

	(void)state;
	fixture_init(&f);
	start(&n, &f, &config);
	EXPECT(&n, { "tcp 192.168.31.9:40000 172.18.0.2:32329 S seq 100", "accept new SYN_SENT" });
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_COMMIT);
	assert_true(event.masquerade && event.translate);
	assert_int_equal(event.reply.source_port, 8080);
	/* the kernel chose another port */
	report = (struct lun_event) { .kind = LUN_EVENT_CONFIRMED, .flow = event.flow, .reply = event.reply };
	report.reply.destination_port = 50000;
	assert_int_equal(lun_engine_event(n.engine, &report, n.now), 0);
	assert_int_equal(lun_flow_find(n.engine, &report.reply, &flow), 0);
	assert_int_equal(flow.owner, LUN_OWNER_KERNEL);
	assert_int_equal(lun_flow_find(n.engine, &event.reply, &flow), LUN_NOT_FOUND);
	report = (struct lun_event) { .kind = LUN_EVENT_STATE,
				      .flow = event.flow,
				      .state = LUN_STATE_SYN_SENT,
				      .timeout = 60000000000,
				      .packets = { UINT64_C(1) << 40, 2 },
				      .bytes = { UINT64_C(3) << 40, 4 } };
	assert_int_equal(lun_engine_event(n.engine, &report, n.now), 0);
	assert_int_equal(lun_flow_find(n.engine, &event.orig, &flow), 0);
	assert_true(flow.packets[0] == UINT64_C(1) << 40 && flow.packets[1] == 2);
	assert_true(flow.bytes[0] == UINT64_C(3) << 40 && flow.bytes[1] == 4);
	EXPECT(&n, { "tcp 192.168.31.9:40000 172.18.0.2:32329 S seq 100", "accept new SYN_SENT (retransmission)" },
	       { "tcp 192.168.31.9:40000 172.18.0.2:32329 S seq 777", "query new SYN_SENT" });
	report = (struct lun_event) { .kind = LUN_EVENT_ENDED, .orig = event.orig };
	assert_int_equal(lun_engine_event(n.engine, &report, n.now), 0);
	assert_int_equal(lun_engine_event(n.engine, &report, n.now), LUN_NOT_FOUND);
	EXPECT(&n, { "tcp 192.168.31.9:40000 172.18.0.2:32329 S seq 777", "accept new SYN_SENT" });
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_COMMIT);
	assert_false(lun_engine_next_event(n.engine, &event));
	stop(&n);
}

/* UDP and SCTP have no sequence number to tell a retransmission by: the kernel is asked, of both directions. */
static void commit_queries_what_it_knows(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .commit = true };
	struct lun_event event, report;
	struct notation n;

	(void)state;
	start(&n, NULL, &config);
	EXPECT(&n, { "udp 10.0.0.1:5353 10.0.0.2:53 len 20", "accept new UNREPLIED" });
	assert_true(lun_engine_next_event(n.engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_COMMIT);
	EXPECT(&n, { "udp 10.0.0.1:5353 10.0.0.2:53 len 20", "query new UNREPLIED" },
	       { "udp 10.0.0.2:53 10.0.0.1:5353 len 20", "query new UNREPLIED" });
	assert_false(lun_engine_next_event(n.engine, &event));
	report = (struct lun_event) { .kind = LUN_EVENT_ENDED, .flow = event.flow };
	assert_int_equal(lun_engine_event(n.engine, &report, n.now), 0);
	EXPECT(&n, { "udp 10.0.0.1:5353 10.0.0.2:53 len 20", "accept new UNREPLIED" },
	       { "sctp 10.0.0.1:5 10.0.0.2:6 tag 0 chunk init:7", "accept new CLOSED" },
	       { "sctp 10.0.0.1:5 10.0.0.2:6 tag 0 chunk init:8", "query new CLOSED" });
	stop(&n);
}

static void expect_event(struct notation *n, enum lun_event_kind kind)
{
	struct lun_event event;

	assert_true(lun_engine_next_event(n->engine, &event));
	assert_int_equal(event.kind, kind);
}

/* What a full ring has no room for is counted, and who keeps a list of flows is told to look again. */
static void events_that_are_lost_are_known(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .commit = true, .events = 2 };
	struct lun_event event = { .kind = LUN_EVENT_RESYNC };
	struct lun_stats stats;
	struct fixture f;
	struct notation n;
	char line[100];

	(void)state;
	start(&n, NULL, &config);
	for (int i = 0; i < 5; i++) {
		snprintf(line, sizeof(line), "udp 10.0.0.1:%d 10.0.0.2:53 len 4", 2000 + i);
		EXPECT(&n, { line, "accept new UNREPLIED" });
		expect_event(&n, LUN_EVENT_COMMIT);
	}
	lun_engine_tick(n.engine, n.now + 600000000000);
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.flows, 0);
	assert_int_equal(stats.events_lost, 3);
	expect_event(&n, LUN_EVENT_ENDED);
	expect_event(&n, LUN_EVENT_ENDED);
	expect_event(&n, LUN_EVENT_RESYNC);
	assert_false(lun_engine_next_event(n.engine, &event)); /* once for all of them */
	EXPECT(&n, { "+601s udp 10.0.0.1:1 10.0.0.2:53 len 4", "accept new UNREPLIED" });
	expect_event(&n, LUN_EVENT_COMMIT);
	event = (struct lun_event) { .kind = LUN_EVENT_RESYNC, .flow = n.packet.flow };
	assert_int_equal(lun_engine_event(n.engine, &event, n.now), LUN_BAD_ARGUMENT);
	stop(&n);

	fixture_init(&f);
	config.commit = false;
	config.events = 1;
	start(&n, &f, &config);
	EXPECT(&n, { "tcp 10.244.0.7:5353 10.96.0.10:53 S seq 4", "reject new NONE (undefined_port)" },
	       { "tcp 10.244.0.7:5353 10.96.0.10:53 S seq 4", "reject new NONE (undefined_port)" });
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.events_lost, 1);
	expect_event(&n, LUN_EVENT_EMIT);
	assert_false(lun_engine_next_event(n.engine, &event)); /* no flow ended unheard */
	stop(&n);
}

static void import_takes_over(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .commit = true };
	struct lun_flow flow = { .state = LUN_STATE_ESTABLISHED, .expires = 1000000000 };
	struct notation n;

	(void)state;
	start(&n, NULL, &config);
	notation_build(&n, "tcp 10.0.0.1:1 10.0.0.2:2 S");
	flow.orig = (struct lun_tuple) { .source = notation_address("10.0.0.1"),
					 .destination = notation_address("10.0.0.2"),
					 .source_port = 1,
					 .destination_port = 2,
					 .protocol = LUN_TCP };
	flow.reply = tuple_inverted(&flow.orig);
	assert_int_equal(lun_flow_import(n.engine, &flow, n.now), 0);
	assert_int_equal(lun_flow_import(n.engine, &flow, n.now), LUN_EXISTS);
	EXPECT(&n, { "tcp 10.0.0.1:1 10.0.0.2:2 S seq 5", "query new ESTABLISHED" },
	       { "+1s tcp 10.0.0.1:1 10.0.0.2:2 S seq 5", "accept new SYN_SENT" });
	stop(&n);
}

static void import_takes_only_states_of_the_protocol(void **state)
{
	static const struct {
		const char *line;
		enum lun_state state;
		int result;
	} cases[] = {
		{ "tcp 10.0.0.1:1 10.0.0.2:2 . seq 5", LUN_STATE_ESTABLISHED, 0 },
		{ "tcp 10.0.0.1:1 10.0.0.2:2 . seq 5", LUN_STATE_UDP_REPLIED, LUN_BAD_ARGUMENT },
		{ "tcp 10.0.0.1:1 10.0.0.2:2 . seq 5", LUN_STATE_SCTP_ESTABLISHED, LUN_BAD_ARGUMENT },
		{ "sctp 10.0.0.1:1 10.0.0.2:2 tag 5 chunk data", LUN_STATE_ESTABLISHED, LUN_BAD_ARGUMENT },
		{ "sctp 10.0.0.1:1 10.0.0.2:2 tag 5 chunk data", LUN_STATE_SCTP_ESTABLISHED, 0 },
		{ "udp 10.0.0.1:1 10.0.0.2:2 len 5", LUN_STATE_UDP_STREAM, 0 },
		{ "udp 10.0.0.1:1 10.0.0.2:2 len 5", LUN_STATE_COUNT, LUN_BAD_ARGUMENT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lun_flow flow = { .state = cases[i].state, .expires = 1000000000 };
		struct lun_stats stats;
		struct notation n;

		start(&n, NULL, NULL);
		notation_build(&n, cases[i].line);
		{
			struct packet p = { .io = &n.packet };

			assert_true(packet_parse(&p));
			flow.orig = p.tuple;
			flow.reply = tuple_inverted(&p.tuple);
		}
		assert_int_equal(lun_flow_import(n.engine, &flow, n.now), cases[i].result);
		lun_engine_stats(n.engine, &stats);
		assert_int_equal(stats.flows, cases[i].result == 0);
		notation_run(&n, cases[i].line);
		stop(&n);
	}
}

static void import_takes_only_tuples_of_one_kind(void **state)
{
	static const char *const lines[] = { "icmp 10.0.0.1:77 10.0.0.2:8 len 4", "udp 10.0.0.1:1 10.0.0.2:2 len 4" };
	struct lun_flow flow = { .state = LUN_STATE_NONE, .expires = 1000000000 };
	struct notation n;

	(void)state;
	start(&n, NULL, NULL);
	for (size_t i = 0; i < 2; i++) {
		struct packet p = { .io = &n.packet };

		notation_build(&n, lines[i]);
		assert_true(packet_parse(&p));
		flow.orig = p.tuple;
		flow.reply = tuple_inverted(&p.tuple);
		if (i == 0)
			flow.reply.source_port = 13; /* a timestamp's reply is none to an echo */
		else
			flow.reply.source = notation_address("fd00::1");
		assert_int_equal(lun_flow_import(n.engine, &flow, n.now), LUN_BAD_ARGUMENT);
	}
	stop(&n);
}

static void without_memory_there_is_no_engine(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .edits = UINT32_MAX };
	struct lun_engine *engine;
	struct lun_error error;

	(void)state;
	if (lun_engine_new(&engine, &config, NULL, &error) == 0)
		lun_engine_free(engine); /* a system that promises terabytes */
	else
		assert_int_equal(error.code, LUN_NO_MEMORY);
	config = (struct lun_config) { .size = sizeof(config), .emit_size = UINT32_MAX };
	assert_int_equal(lun_engine_new(&engine, &config, NULL, &error), LUN_BAD_ARGUMENT);
	config = (struct lun_config) { .size = 0, .flows = 64 };
	assert_int_equal(lun_engine_new(&engine, &config, NULL, &error), LUN_BAD_ARGUMENT);
	config.size = offsetof(struct lun_config, flows);
	config.flows = UINT32_MAX; /* is not there */
	assert_int_equal(lun_engine_new(&engine, &config, NULL, &error), 0);
	lun_engine_free(engine);
}

/* However far the clock leaps: 30 days and half a century are past and future by the sign of a 32-bit difference. */
static void a_leap_of_the_clock_ends_flows(void **state)
{
	static const char *const leaps[] = { "+2h", "+144h", "+596h", "+720h", "+1100h", "+474000h" };

	(void)state;
	for (size_t i = 0; i < sizeof(leaps) / sizeof(leaps[0]); i++) {
		char line[100];
		struct notation n;

		start(&n, NULL, NULL);
		EXPECT(&n, { "udp 10.0.0.1:1 10.0.0.2:2 len 5", "accept new UNREPLIED" },
		       { "udp 10.0.0.2:2 10.0.0.1:1 len 5", "accept established REPLIED" });
		snprintf(line, sizeof(line), "%s udp 10.0.0.1:1 10.0.0.2:2 len 5", leaps[i]);
		EXPECT(&n, { line, "accept new UNREPLIED" });
		stop(&n);
	}
}

/* Its place in the wheel is that of an open connection, hours ahead, when the end comes. */
static void what_was_open_for_long_leaves_minutes_after_its_end(void **state)
{
	struct notation n;
	struct lun_stats stats;

	(void)state;
	start(&n, NULL, NULL);
	EXPECT(&n, { "tcp 10.0.0.1:1 10.0.0.2:2 S seq 1", "accept new SYN_SENT" },
	       { "tcp 10.0.0.2:2 10.0.0.1:1 S. seq 1 ack 2", "accept established SYN_RECV" },
	       { "tcp 10.0.0.1:1 10.0.0.2:2 . seq 2 ack 2", "accept established ESTABLISHED" },
	       { "+10m tcp 10.0.0.1:1 10.0.0.2:2 . seq 2 ack 2", "accept established ESTABLISHED" },
	       { "tcp 10.0.0.1:1 10.0.0.2:2 R. seq 2 ack 2", "accept established CLOSE" },
	       { "+5m udp 10.0.0.3:1 10.0.0.2:2 len 5", "accept new UNREPLIED" });
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.flows, 1);
	assert_int_equal(stats.flows_ended, 1);
	stop(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cluster_ip_from_a_pod_keeps_the_source),
		cmocka_unit_test(others_are_masqueraded_and_get_a_free_port),
		cmocka_unit_test(the_embedder_names_the_source_where_the_policy_does_not),
		cmocka_unit_test(rules_are_by_family),
		cmocka_unit_test(udp_goes_both_ways),
		cmocka_unit_test(refusals_have_reasons_and_answers),
		cmocka_unit_test(a_wrong_checksum_stays_wrong),
		cmocka_unit_test(tenants_do_not_meet),
		cmocka_unit_test(a_full_table_refuses_and_evicts_nobody),
		cmocka_unit_test(a_reload_keeps_turns_and_old_flows),
		cmocka_unit_test(a_reload_ends_udp_to_endpoints_that_are_gone),
		cmocka_unit_test(a_reload_ends_many_flows_bit_by_bit),
		cmocka_unit_test(import_ends_udp_to_endpoints_that_are_gone),
		cmocka_unit_test(commit_asks_and_is_told),
		cmocka_unit_test(commit_queries_what_it_knows),
		cmocka_unit_test(events_that_are_lost_are_known),
		cmocka_unit_test(import_takes_over),
		cmocka_unit_test(import_takes_only_states_of_the_protocol),
		cmocka_unit_test(import_takes_only_tuples_of_one_kind),
		cmocka_unit_test(without_memory_there_is_no_engine),
		cmocka_unit_test(a_leap_of_the_clock_ends_flows),
		cmocka_unit_test(what_was_open_for_long_leaves_minutes_after_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
