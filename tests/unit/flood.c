/* flood.c - a million SYNs that nobody follows up, from a million places, against a table that is much smaller.
 *
 * Live flows keep passing, memory stays where it was, every packet is in the counters once, and when the half-open flows end
 * all at once, each call does a bounded part of that. */
#include "notation.h"

enum { FLOWS = 65536, LIVE = 1000, SYNS = 1000000, BATCH_SIZE = 32, ENDED_PER_TICK = 1024, HEADERS = 40 };

struct flood {
	struct lun_engine *engine;
	uint64_t now;
	uint64_t sent;
	struct lun_packet packets[BATCH_SIZE];
	uint8_t data[BATCH_SIZE][HEADERS];
	uint32_t count;
};

static void run(struct flood *flood)
{
	struct lun_event event;

	flood->now += 1000 * flood->count;
	lun_engine_packets(flood->engine, flood->packets, flood->count, flood->now);
	while (lun_engine_next_event(flood->engine, &event))
		continue;
	flood->sent += flood->count;
}

/* Adds a segment to the batch. */
static void add(struct flood *flood, const struct lun_tuple *tuple, const struct packet_spec *spec)
{
	uint8_t *data = flood->data[flood->count];

	flood->packets[flood->count++] = (struct lun_packet) { .data = data,
							       .length = packet_build(data, HEADERS, tuple, spec),
							       .capacity = HEADERS };
}

static struct lun_tuple client(uint32_t number, uint8_t net)
{
	struct lun_tuple tuple = { .protocol = LUN_TCP,
				   .source = notation_address("0.0.0.0"),
				   .destination = notation_address("10.96.0.1"),
				   .source_port = (uint16_t)(1024 + number % 50000),
				   .destination_port = 80 };

	tuple.source.bytes[12] = net;
	store16(tuple.source.bytes + 13, (uint16_t)(number >> 8));
	tuple.source.bytes[15] = (uint8_t)number;
	return tuple;
}

/* All live flows say something, as clients: all of it must pass. */
static void live_flows_pass(struct flood *flood, uint32_t flags, uint32_t sequence)
{
	struct packet_spec spec = {
		.tcp_flags = (uint8_t)flags, .sequence = sequence, .acknowledgement = 501, .window = 1000
	};

	for (uint32_t i = 0; i < LIVE;) {
		for (flood->count = 0; flood->count < BATCH_SIZE && i < LIVE; i++) {
			struct lun_tuple tuple = client(i, 10);

			add(flood, &tuple, &spec);
		}
		run(flood);
		for (uint32_t k = 0; k < flood->count; k++) {
			assert_int_equal(flood->packets[k].verdict, LUN_ACCEPT);
			assert_int_equal(flood->packets[k].reason, LUN_REASON_none);
			assert_int_equal(flood->packets[k].is.destination.bytes[13], 244);
		}
	}
}

/* The endpoint answers every client's SYN. */
static void answer_all(struct flood *flood)
{
	struct packet_spec spec = {
		.tcp_flags = TCP_SYN | TCP_ACK, .sequence = 500, .acknowledgement = 101, .window = 1000
	};

	for (uint32_t i = 0; i < LIVE; i++) {
		struct lun_tuple orig = client(i, 10);
		struct lun_flow flow;

		assert_int_equal(lun_flow_find(flood->engine, &orig, &flow), 0);
		flood->count = 0;
		add(flood, &flow.reply, &spec);
		run(flood);
		assert_int_equal(flood->packets[0].verdict, LUN_ACCEPT);
	}
}

static struct lun_policy *flooded_policy(uint32_t half_open_limit)
{
	struct lun_address ip = notation_address("10.96.0.1");
	struct lun_port port = { .port = 80, .target_port = 8080 };
	struct lun_endpoint endpoint = { .address = notation_address("10.244.0.5") };
	struct lun_service service = { .name = "default/flooded",
				       .cluster_ips = &ip,
				       .cluster_ip_count = 1,
				       .ports = &port,
				       .port_count = 1,
				       .endpoints = &endpoint,
				       .endpoint_count = 1 };
	struct lun_policy_config config = {
		.size = sizeof(config), .services = &service, .service_count = 1, .half_open_limit = half_open_limit
	};
	struct lun_policy *policy;
	struct lun_error error;

	if (lun_policy_new(&policy, &config, &error) < 0)
		fail_msg("%s", error.text);
	return policy;
}

static void begin_flood(struct flood *flood, uint32_t half_open_limit)
{
	struct lun_config config = { .size = sizeof(config), .seed = { 7, 8 }, .flows = FLOWS };
	struct lun_policy *policy = flooded_policy(half_open_limit);
	struct lun_error error;

	*flood = (struct flood) { .now = 1 };
	assert_int_equal(lun_engine_new(&flood->engine, &config, policy, &error), 0);
	lun_policy_unref(policy);
	live_flows_pass(flood, TCP_SYN, 100);
	answer_all(flood);
	live_flows_pass(flood, TCP_ACK, 101);
}

static void send_flood(struct flood *flood)
{
	struct packet_spec spec = { .tcp_flags = TCP_SYN, .sequence = 9, .window = 1000 };

	for (uint32_t i = 0; i < SYNS;) {
		for (flood->count = 0; flood->count < BATCH_SIZE && i < SYNS; i++) {
			struct lun_tuple tuple = client(i, 20);

			add(flood, &tuple, &spec);
		}
		run(flood);
		if (i % 50000 < BATCH_SIZE)
			live_flows_pass(flood, TCP_ACK, 101);
	}
}

/* Every packet has one verdict, and every refused SYN its reason. */
static void expect_counters(const struct flood *flood, enum lun_reason reason, uint64_t opened)
{
	struct lun_stats stats;
	uint64_t verdicts = 0, reasons = 0;

	lun_engine_stats(flood->engine, &stats);
	for (size_t i = 0; i < sizeof(stats.verdicts) / sizeof(stats.verdicts[0]); i++)
		verdicts += stats.verdicts[i];
	for (size_t i = 0; i < LUN_REASON_COUNT; i++)
		reasons += stats.reasons[i];
	assert_true(stats.packets == flood->sent && verdicts == flood->sent && reasons == flood->sent);
	assert_true(stats.flows_opened == opened && stats.flows_ended == 0 && stats.flows == opened);
	assert_true(stats.reasons[reason] == LIVE + SYNS - opened);
	assert_true(stats.verdicts[LUN_REJECT] == stats.reasons[reason]);
}

/* Time passes: the half-open flows are due together, the live ones are not. */
static void end_flood(struct flood *flood)
{
	struct lun_stats before, after;
	uint32_t calls = 0;

	flood->now += UINT64_C(240) * 1000000000;
	do {
		lun_engine_stats(flood->engine, &before);
		lun_engine_tick(flood->engine, flood->now);
		lun_engine_stats(flood->engine, &after);
		assert_true(after.flows_ended - before.flows_ended <= ENDED_PER_TICK);
		assert_true(++calls < 10000);
	} while (after.flows > LIVE);
	live_flows_pass(flood, TCP_ACK, 101);
	assert_int_equal(after.flows, LIVE);
}

static void a_flood_fills_the_table_and_no_more(void **state)
{
	static struct flood flood;
	struct lun_stats before, after;

	(void)state;
	begin_flood(&flood, 0);
	lun_engine_stats(flood.engine, &before);
	send_flood(&flood);
	lun_engine_stats(flood.engine, &after);
	assert_true(after.memory == before.memory);
	expect_counters(&flood, LUN_REASON_table_full, FLOWS);
	end_flood(&flood);
	lun_engine_free(flood.engine);
}

static void a_flood_is_held_by_the_limit_of_half_open_flows(void **state)
{
	static struct flood flood;

	(void)state;
	begin_flood(&flood, LIVE + 500);
	send_flood(&flood);
	expect_counters(&flood, LUN_REASON_half_open_limit, 2 * LIVE + 500);
	end_flood(&flood);
	lun_engine_free(flood.engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_fills_the_table_and_no_more),
		cmocka_unit_test(a_flood_is_held_by_the_limit_of_half_open_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
