/* retry.c - endpoints that do not answer: SYNs that go elsewhere, rests, new endpoints that start slowly, and
 * old ones that drain. */
#include "notation.h"

#include "engine/engine.h"

/* A service with endpoints 10.244.0.1, .2, ..., in turns; pods keep their source. */
struct world {
	struct lun_endpoint endpoints[4];
	struct lun_address cluster_ip, node, masquerade;
	struct lun_prefix pods;
	struct lun_port port;
	struct lun_service service;
	struct lun_policy_config config;
	struct notation n;
};

static const uint64_t second = 1000000000;

static void world_init(struct world *w, uint32_t count)
{
	*w = (struct world) { .config = { .size = sizeof(w->config), .services = &w->service, .service_count = 1 } };
	w->cluster_ip = notation_address("10.96.0.1");
	w->node = notation_address("172.18.0.2");
	w->pods = notation_prefix("10.244.0.0/16");
	w->config.node = (struct lun_node) {
		.name = "n1", .addresses = &w->node, .address_count = 1, .pods = &w->pods, .pod_count = 1
	};
	w->port = (struct lun_port) { .port = 80 };
	for (uint32_t i = 0; i < count; i++) {
		w->endpoints[i].address = notation_address("10.244.0.0");
		w->endpoints[i].address.bytes[15] = (uint8_t)(i + 1);
	}
	w->service = (struct lun_service) { .name = "a/b",
					    .at = "p.lua:3",
					    .cluster_ips = &w->cluster_ip,
					    .cluster_ip_count = 1,
					    .ports = &w->port,
					    .port_count = 1,
					    .endpoints = w->endpoints,
					    .endpoint_count = count,
					    .balance = LUN_BALANCE_ROUND_ROBIN };
	w->n = (struct notation) { .now = second, .traced = true };
}

static void world_set(struct world *w)
{
	struct lun_config config = { .size = sizeof(config), .flows = 4096, .seed = { 1, 2 } };
	struct lun_policy *policy;
	struct lun_error error;

	if (lun_policy_new(&policy, &w->config, &error) < 0)
		fail_msg("%s", error.text);
	if (!w->n.engine)
		assert_int_equal(lun_engine_new(&w->n.engine, &config, policy, NULL), 0);
	else
		assert_int_equal(lun_engine_set_policy(w->n.engine, policy), 0);
	lun_policy_unref(policy);
}

static struct lun_stats stats_of(const struct world *w)
{
	struct lun_stats stats;

	lun_engine_stats(w->n.engine, &stats);
	return stats;
}

#define SYN "tcp 10.244.9.9:40000 10.96.0.1:80 S seq 100"
#define TO(last) "accept new SYN_SENT -> tcp 10.244.9.9:40000 10.244.0." last ":80"

static void the_second_repetition_goes_elsewhere(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	world_set(&w);
	EXPECT(&w.n, { SYN, TO("1") }, { "+1s " SYN, TO("1") }, { "+2s " SYN, TO("2") });
	assert_string_equal(w.n.trace.steps[0].stage, "retry");
	assert_string_equal(w.n.trace.steps[0].text, "no answer from 10.244.0.1:80: another endpoint");
	assert_string_equal(w.n.trace.steps[0].at, "p.lua:3");
	assert_int_equal(stats_of(&w).retries, 1);
	EXPECT(&w.n,
	       { "tcp 10.244.0.2:80 10.244.9.9:40000 S. seq 500 ack 101",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.244.9.9:40000" },
	       { "tcp 10.244.9.9:40000 10.96.0.1:80 . seq 101 ack 501",
		 "accept established ESTABLISHED -> tcp 10.244.9.9:40000 10.244.0.2:80" });
	lun_engine_free(w.n.engine);
}

/* An answered one stays, and so does one that has nowhere to go, or whose service does not want it. */
static void who_is_answered_stays(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	world_set(&w);
	EXPECT(&w.n, { SYN, TO("1") },
	       { "tcp 10.244.0.1:80 10.244.9.9:40000 S. seq 500 ack 101",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.244.9.9:40000" },
	       { "+1s " SYN, "accept established SYN_RECV -> tcp 10.244.9.9:40000 10.244.0.1:80" },
	       { "+2s " SYN, "accept established SYN_RECV -> tcp 10.244.9.9:40000 10.244.0.1:80" });
	lun_engine_free(w.n.engine);
	world_init(&w, 1);
	world_set(&w);
	EXPECT(&w.n, { SYN, TO("1") }, { "+1s " SYN, TO("1") }, { "+2s " SYN, TO("1") });
	lun_engine_free(w.n.engine);
	world_init(&w, 2);
	w.service.no_retry = true;
	world_set(&w);
	EXPECT(&w.n, { SYN, TO("1") }, { "+1s " SYN, TO("1") }, { "+2s " SYN, TO("1") });
	assert_int_equal(stats_of(&w).retries, 0);
	lun_engine_free(w.n.engine);
}

static void it_ends_after_some(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	world_set(&w);
	EXPECT(&w.n, { SYN, TO("1") }, { "+1s " SYN, TO("1") }, { "+2s " SYN, TO("2") }, { "+4s " SYN, TO("1") },
	       { "+8s " SYN, TO("2") }, { "+16s " SYN, TO("1") }, { "+32s " SYN, TO("1") });
	assert_int_equal(stats_of(&w).retries, 4);
	lun_engine_free(w.n.engine);
}

/* The new endpoint is the client itself: now its source must be hidden, and its port may be another. */
static void masquerade_is_decided_again(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	world_set(&w);
	EXPECT(&w.n,
	       { "tcp 10.244.0.2:4000 10.96.0.1:80 S seq 1", "accept new SYN_SENT -> tcp 10.244.0.2:4000 10.244.0.1:80" },
	       { "+1s tcp 10.244.0.2:4000 10.96.0.1:80 S seq 1",
		 "accept new SYN_SENT -> tcp 10.244.0.2:4000 10.244.0.1:80" },
	       { "+2s tcp 10.244.0.2:4000 10.96.0.1:80 S seq 1",
		 "accept new SYN_SENT -> tcp 172.18.0.2:4000 10.244.0.2:80" },
	       { "tcp 10.244.0.2:80 172.18.0.2:4000 S. seq 5 ack 2",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.244.0.2:4000" });
	lun_engine_free(w.n.engine);
}

/* The seed is such that it goes to 4, where the next turn would be that of 2. */
static void affinity_goes_with_it(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 4);
	w.service.affinity = 1000 * second;
	world_set(&w);
	EXPECT(&w.n, { SYN, TO("1") }, { "+1s " SYN, TO("1") }, { "+2s " SYN, TO("4") },
	       { "tcp 10.244.9.9:40001 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.9.9:40001 10.244.0.4:80" });
	lun_engine_free(w.n.engine);
}

/* Least connections counts the flow where it is. */
static void connections_are_counted_where_they_are(void **state)
{
	struct world w;
	uint32_t first;

	(void)state;
	world_init(&w, 2);
	w.service.balance = LUN_BALANCE_LEAST_CONNECTIONS;
	world_set(&w);
	notation_run(&w.n, SYN);
	first = w.n.packet.is.destination.bytes[15];
	notation_run(&w.n, SYN);
	notation_run(&w.n, SYN);
	assert_int_equal(w.n.packet.is.destination.bytes[15], 3 - first);
	notation_run(&w.n, "tcp 10.244.9.9:40001 10.96.0.1:80 S");
	assert_int_equal(w.n.packet.is.destination.bytes[15], first);
	lun_engine_free(w.n.engine);
}

/* ---- rests ---- */

/* The endpoint that a new connection gets; then it is refused, or opened. */
static uint32_t connect_to(struct world *w, uint16_t port, bool refused)
{
	char line[120];
	uint32_t last;

	snprintf(line, sizeof(line), "tcp 10.244.9.9:%u 10.96.0.1:80 S seq 100", port);
	notation_run(&w->n, line);
	last = w->n.packet.is.destination.bytes[15];
	snprintf(line, sizeof(line), "tcp 10.244.0.%u:80 10.244.9.9:%u %s seq 500 ack 101", last, port,
		 refused ? "R." : "S.");
	notation_run(&w->n, line);
	return last;
}

/* Counts, of `count` connections that are answered, those that endpoint 1 gets. */
static uint32_t connect_many(struct world *w, uint32_t count)
{
	static uint16_t port = 1024;
	uint32_t got = 0;

	for (uint32_t i = 0; i < count; i++)
		got += connect_to(w, port++, false) == 1;
	return got;
}

/* Connects until endpoint 1, which refuses, was asked; the others answer. */
static void fail_once(struct world *w)
{
	static uint16_t port = 20000;

	for (uint32_t last = 0; last != 1; port++) {
		char line[120];

		snprintf(line, sizeof(line), "tcp 10.244.9.9:%u 10.96.0.1:80 S seq 100", port);
		notation_run(&w->n, line);
		last = w->n.packet.is.destination.bytes[15];
		snprintf(line, sizeof(line), "tcp 10.244.0.%u:80 10.244.9.9:%u %s seq 500 ack 101", last, port,
			 last == 1 ? "R." : "S.");
		notation_run(&w->n, line);
	}
}

static void an_endpoint_that_fails_rests(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	w.service.rest_after = 3;
	w.service.rest = 10 * second;
	world_set(&w);
	fail_once(&w);
	fail_once(&w);
	assert_int_equal(stats_of(&w).rests, 0);
	fail_once(&w);
	assert_int_equal(stats_of(&w).rests, 1);
	assert_int_equal(connect_many(&w, 60), 0);
	w.n.now += 10 * second;
	fail_once(&w); /* one more suffices, and it rests twice as long */
	assert_int_equal(stats_of(&w).rests, 2);
	w.n.now += 19 * second;
	assert_int_equal(connect_many(&w, 60), 0);
	w.n.now += second;
	assert_true(connect_many(&w, 60) > 0); /* it answers: all is forgotten */
	fail_once(&w);
	fail_once(&w);
	assert_int_equal(stats_of(&w).rests, 2);
	lun_engine_free(w.n.engine);
}

static void the_last_one_never_rests(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	w.service.rest_after = 1;
	world_set(&w);
	for (uint16_t i = 0; i < 20; i++) {
		uint32_t last = connect_to(&w, (uint16_t)(30000 + i), true);

		assert_true(last == 1 || last == 2);
	}
	assert_int_equal(stats_of(&w).rests, 2);
	lun_engine_free(w.n.engine);
}

/* Silence is a failure too: at the move to another endpoint, and when the flow's time is over.  A client's own reset is none. */
static void silence_is_a_failure_and_a_clients_reset_is_not(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	w.service.rest_after = 1;
	world_set(&w);
	EXPECT(&w.n, { SYN, TO("1") });
	notation_run(&w.n, "tcp 10.244.9.9:40000 10.96.0.1:80 R seq 101");
	assert_int_equal(stats_of(&w).rests, 0);
	EXPECT(&w.n, { "tcp 10.244.9.9:40001 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.9.9:40001 10.244.0.2:80" });
	w.n.now += 300 * second;
	lun_engine_tick(w.n.engine, w.n.now);
	assert_int_equal(stats_of(&w).rests, 1);
	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(connect_to(&w, (uint16_t)(31000 + i), false), 1);
	lun_engine_free(w.n.engine);
}

/* Who rests is passed over by each way of choosing. */
static void nobody_chooses_who_rests(void **state)
{
	(void)state;
	for (int kind = LUN_BALANCE_RANDOM; kind <= LUN_BALANCE_SOURCE_HASH; kind++) {
		struct world w;
		uint32_t resting;

		world_init(&w, 3);
		w.service.balance = (enum lun_balance)kind;
		w.service.rest_after = 1;
		world_set(&w);
		resting = connect_to(&w, 1000, true);
		for (uint32_t i = 0; i < 50; i++) {
			char line[120];

			snprintf(line, sizeof(line), "tcp 10.244.9.%u:4000 10.96.0.1:80 S", i + 1);
			notation_run(&w.n, line);
			assert_int_not_equal(w.n.packet.is.destination.bytes[15], resting);
			assert_true(w.n.trace.candidate_count <= 2);
		}
		lun_engine_free(w.n.engine);
	}
}

/* ---- slow start ---- */

static void a_new_endpoint_starts_slowly(void **state)
{
	static const uint32_t least[] = { 10, 230, 420 }, most[] = { 140, 400, 590 };
	struct world w;

	(void)state;
	world_init(&w, 2);
	w.service.slow_start = 100 * second;
	w.endpoints[1].not_ready = true;
	world_set(&w);
	connect_many(&w, 1); /* the clock runs */
	w.n.now += 1000 * second;
	connect_many(&w, 1);
	w.endpoints[1].not_ready = false;
	world_set(&w);
	for (int i = 0; i < 3;
	     i++) { /* at the beginning, at half the time, at its end: a tenth to 1, a half to 1, as many */
		uint32_t second_got = 1000 - connect_many(&w, 1000);

		if (second_got < least[i] || second_got > most[i])
			fail_msg("%u of 1000 at stage %d", second_got, i);
		w.n.now += 50 * second;
	}
	lun_engine_free(w.n.engine);
}

/* ---- draining ---- */

/* Opens a connection of a client's port to `last`, and has both sides send something. */
static void establish(struct world *w, unsigned port, unsigned last)
{
	char lines[3][120];

	snprintf(lines[0], sizeof(lines[0]), "tcp 10.244.9.9:%u 10.96.0.1:80 S seq 100", port);
	snprintf(lines[1], sizeof(lines[1]), "tcp 10.244.0.%u:80 10.244.9.9:%u S. seq 500 ack 101", last, port);
	snprintf(lines[2], sizeof(lines[2]), "tcp 10.244.9.9:%u 10.96.0.1:80 P. seq 101 ack 501 len 10", port);
	for (int i = 0; i < 3; i++)
		notation_run(&w->n, lines[i]);
	assert_int_equal(w->n.packet.state, LUN_STATE_ESTABLISHED);
	assert_int_equal(w->n.packet.is.destination.bytes[15], last);
}

/* Takes a reset out of the ring: who it goes to, and the number that it must have to be believed. */
static void expect_reset(struct world *w, enum lun_side side, const char *tuple, uint32_t sequence)
{
	struct lun_event event;
	struct lun_packet io = { 0 };
	struct packet p;
	char text[LUN_TUPLE_TEXT];

	assert_true(lun_engine_next_event(w->n.engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_EMIT);
	assert_int_equal(event.side, side);
	io.data = (uint8_t *)event.data;
	io.length = event.length;
	packet_begin(&p, &io);
	assert_true(packet_parse(&p) && packet_checksums_right(&p));
	assert_string_equal(lun_tuple_format(&p.tuple, text), tuple);
	assert_int_equal(p.tcp_flags, TCP_RST);
	assert_int_equal(p.sequence, sequence);
}

static void connections_drain_and_end(void **state)
{
	struct lun_event event;
	struct world w;
	uint64_t deadline;

	(void)state;
	for (int gone = 0; gone < 2; gone++) { /* it ends, and serves meanwhile; or it is gone */
		world_init(&w, 2);
		w.service.drain = 30 * second;
		world_set(&w);
		establish(&w, 40000, 1);
		establish(&w, 40001, 2);
		w.endpoints[0].not_ready = true;
		w.endpoints[0].ending = !gone;
		world_set(&w);
		deadline = lun_engine_deadline(w.n.engine);
		assert_true(deadline > w.n.now + 29 * second && deadline <= w.n.now + 31 * second);
		EXPECT(&w.n, { "+29s tcp 10.244.0.1:80 10.244.9.9:40000 P. seq 501 ack 111 len 20",
			       "accept established ESTABLISHED -> tcp 10.96.0.1:80 10.244.9.9:40000" });
		assert_false(lun_engine_next_event(w.n.engine, &event));
		lun_engine_tick(w.n.engine, w.n.now += 2 * second);
		expect_reset(&w, LUN_SIDE_CLIENT, "tcp 10.96.0.1:80 10.244.9.9:40000", 521);
		expect_reset(&w, LUN_SIDE_UPSTREAM, "tcp 10.244.9.9:40000 10.244.0.1:80", 111);
		assert_false(lun_engine_next_event(w.n.engine, &event));
		assert_int_equal(stats_of(&w).drained, 1);
		EXPECT(&w.n, { "tcp 10.244.9.9:40001 10.96.0.1:80 . seq 111 ack 501",
			       "accept established ESTABLISHED -> tcp 10.244.9.9:40001 10.244.0.2:80" });
		lun_engine_free(w.n.engine);
	}
}

/* Back in time, or the only one that serves: nothing ends. */
static void who_is_needed_does_not_drain(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	w.service.drain = 30 * second;
	world_set(&w);
	establish(&w, 40000, 1);
	w.endpoints[0].not_ready = true;
	world_set(&w);
	w.endpoints[0].not_ready = false;
	world_set(&w);
	w.endpoints[0].not_ready = w.endpoints[0].ending = w.endpoints[1].not_ready = true;
	world_set(&w);
	lun_engine_tick(w.n.engine, w.n.now += 60 * second);
	assert_int_equal(stats_of(&w).drained, 0);
	EXPECT(&w.n, { "tcp 10.244.9.9:40000 10.96.0.1:80 . seq 111 ack 501",
		       "accept established ESTABLISHED -> tcp 10.244.9.9:40000 10.244.0.1:80" });
	lun_engine_free(w.n.engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_repetition_goes_elsewhere),
		cmocka_unit_test(who_is_answered_stays),
		cmocka_unit_test(it_ends_after_some),
		cmocka_unit_test(masquerade_is_decided_again),
		cmocka_unit_test(affinity_goes_with_it),
		cmocka_unit_test(connections_are_counted_where_they_are),
		cmocka_unit_test(an_endpoint_that_fails_rests),
		cmocka_unit_test(the_last_one_never_rests),
		cmocka_unit_test(silence_is_a_failure_and_a_clients_reset_is_not),
		cmocka_unit_test(nobody_chooses_who_rests),
		cmocka_unit_test(a_new_endpoint_starts_slowly),
		cmocka_unit_test(connections_drain_and_end),
		cmocka_unit_test(who_is_needed_does_not_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
