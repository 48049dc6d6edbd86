/* balance.c - which endpoint a flow gets: shares, who moves when an endpoint comes or goes, whom a client meets again. */
#include "notation.h"

#include "balance/balance.h"
#include "engine/engine.h"
#include "packet/build.h"

enum { FLOWS = 100000, MOST = 200 };

/* A service with endpoints 10.244.0.1, .2, ... on the nodes "n1" and "n2" in turn. */
struct world {
	struct lun_endpoint endpoints[MOST];
	struct lun_address cluster_ip;
	struct lun_port ports[2];
	struct lun_service service;
	struct lun_policy_config config;
};

static void world_init(struct world *w, enum lun_balance balance, uint32_t count)
{
	*w = (struct world) { .config = { .size = sizeof(w->config), .services = &w->service, .service_count = 1 } };
	w->cluster_ip = notation_address("10.96.0.1");
	w->ports[0] = (struct lun_port) { .port = 80 };
	w->ports[1] = (struct lun_port) { .port = 80, .protocol = LUN_UDP };
	for (uint32_t i = 0; i < count; i++) {
		w->endpoints[i] =
			(struct lun_endpoint) { .address = notation_address("10.244.0.0"), .node = i % 2 ? "n2" : "n1" };
		w->endpoints[i].address.bytes[15] = (uint8_t)(i + 1);
	}
	w->service = (struct lun_service) { .name = "a/b",
					    .cluster_ips = &w->cluster_ip,
					    .cluster_ip_count = 1,
					    .ports = w->ports,
					    .port_count = 2,
					    .endpoints = w->endpoints,
					    .endpoint_count = count,
					    .balance = balance };
	w->config.node.name = "n1";
}

static struct lun_policy *world_policy(const struct world *w)
{
	struct lun_policy *policy;
	struct lun_error error;

	if (lun_policy_new(&policy, &w->config, &error) < 0)
		fail_msg("%s", error.text);
	return policy;
}

static struct lun_engine *world_start(const struct world *w, uint32_t flows)
{
	struct lun_config config = { .size = sizeof(config), .flows = flows, .seed = { 1, 2 } };
	struct lun_policy *policy = world_policy(w);
	struct lun_engine *engine;

	assert_int_equal(lun_engine_new(&engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	return engine;
}

static void world_set(struct lun_engine *engine, const struct world *w)
{
	struct lun_policy *policy = world_policy(w);

	assert_int_equal(lun_engine_set_policy(engine, policy), 0);
	lun_policy_unref(policy);
}

/* The packet that opens flow `number` of a client. */
static struct lun_packet opening(uint8_t data[128], uint8_t protocol, uint32_t client, uint16_t port)
{
	struct packet_spec spec = { .tcp_flags = TCP_SYN, .window = 64240, .sequence = 1 };
	struct lun_tuple tuple = { .protocol = protocol, .source_port = port, .destination_port = 80 };

	tuple.source = notation_address("10.0.0.0");
	for (int i = 0; i < 3; i++)
		tuple.source.bytes[15 - i] = (uint8_t)(client >> (8 * i));
	tuple.destination = notation_address("10.96.0.1");
	return (struct lun_packet) { .data = data, .capacity = 128, .length = packet_build(data, 128, &tuple, &spec) };
}

/* The number of the endpoint that a new flow of a client gets, from 1; 0: none. */
static uint32_t ask(struct lun_engine *engine, uint32_t client, uint16_t port, uint64_t now)
{
	uint8_t data[128];
	struct lun_packet packet = opening(data, LUN_TCP, client, port);

	lun_engine_packets(engine, &packet, 1, now);
	return packet.verdict == LUN_ACCEPT ? packet.is.destination.bytes[15] : 0;
}

/* Opens `count` flows of as many clients, in batches, and counts them by endpoint. */
static void open_flows(struct lun_engine *engine, uint32_t first, uint32_t count, uint32_t shares[MOST + 1])
{
	static uint8_t data[32][128];
	struct lun_packet packets[32];

	for (uint32_t i = 0; i < count; i += 32) {
		for (uint32_t k = 0; k < 32; k++)
			packets[k] = opening(data[k], LUN_TCP, first + i + k, 40000);
		lun_engine_packets(engine, packets, 32, 1000 + first + i);
		for (uint32_t k = 0; k < 32; k++)
			shares[packets[k].is.destination.bytes[15]]++;
	}
}

static void expect_near(uint32_t got, double expected, double percent_of_all)
{
	double off = ((double)got - expected) / FLOWS * 100;

	if (off > percent_of_all || off < -percent_of_all)
		fail_msg("%u flows, expected %.0f", got, expected);
}

static const uint16_t weights[] = { 1, 2, 5, 0 /* says nothing: 1 */ };

static void world_weigh(struct world *w)
{
	for (uint32_t i = 0; i < 4; i++)
		w->endpoints[i].weight = weights[i];
}

/* Within 1 % of all flows; round robin to the flow. */
static void shares_follow_weights(void **state)
{
	static const enum lun_balance kinds[] = { LUN_BALANCE_RANDOM, LUN_BALANCE_ROUND_ROBIN, LUN_BALANCE_LEAST_CONNECTIONS,
						  LUN_BALANCE_MAGLEV, LUN_BALANCE_SOURCE_HASH };
	static const double within[] = { 1, 0.01, 0.01, 1, 1 };

	(void)state;
	for (int i = 0; i < 5; i++) {
		uint32_t shares[MOST + 1] = { 0 };
		struct lun_engine *engine;
		struct world w;

		world_init(&w, kinds[i], 4);
		world_weigh(&w);
		engine = world_start(&w, FLOWS);
		open_flows(engine, 0, FLOWS, shares);
		for (uint32_t k = 0; k < 4; k++)
			expect_near(shares[k + 1], FLOWS * (weights[k] ? weights[k] : 1) / 9.0, within[i]);
		lun_engine_free(engine);
	}
}

static void equal_endpoints_get_equal_shares(void **state)
{
	static const enum lun_balance kinds[] = { LUN_BALANCE_RANDOM, LUN_BALANCE_ROUND_ROBIN, LUN_BALANCE_MAGLEV,
						  LUN_BALANCE_SOURCE_HASH };

	(void)state;
	for (int i = 0; i < 4; i++) {
		uint32_t shares[MOST + 1] = { 0 };
		struct lun_engine *engine;
		struct world w;

		world_init(&w, kinds[i], 10);
		engine = world_start(&w, FLOWS);
		open_flows(engine, 0, FLOWS, shares);
		for (uint32_t k = 1; k <= 10; k++)
			expect_near(shares[k], FLOWS / 10.0, 1);
		lun_engine_free(engine);
	}
}

/* Of a policy Local, weights count among the node's own. */
static void weights_count_within_a_part_of_the_list(void **state)
{
	uint32_t shares[MOST + 1] = { 0 };
	struct lun_engine *engine;
	struct world w;

	(void)state;
	world_init(&w, LUN_BALANCE_RANDOM, 6);
	w.endpoints[0].weight = 3;
	w.endpoints[0].not_ready = w.endpoints[2].not_ready = w.endpoints[4].not_ready = true;
	w.endpoints[0].ending = w.endpoints[2].ending = true;
	w.service.internal_local = true; /* of n1: 1 and 3 serve while they end; 2, 4 and 6, of n2, are ready */
	engine = world_start(&w, FLOWS);
	open_flows(engine, 0, FLOWS, shares);
	expect_near(shares[1], FLOWS * 0.75, 1);
	expect_near(shares[3], FLOWS * 0.25, 1);
	lun_engine_free(engine);
}

/* A heavy endpoint's turns do not come in a row. */
static void round_robin_spreads_turns(void **state)
{
	uint32_t longest = 0, run = 0, before = 0;
	struct lun_engine *engine;
	struct world w;

	(void)state;
	world_init(&w, LUN_BALANCE_ROUND_ROBIN, 3);
	w.endpoints[0].weight = 4;
	w.endpoints[1].weight = w.endpoints[2].weight = 2;
	engine = world_start(&w, 256);
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t got = ask(engine, i, 40000, 1000);

		run = got == before ? run + 1 : 1;
		longest = run > longest ? run : longest;
		before = got;
	}
	assert_true(longest <= 2);
	lun_engine_free(engine);
}

/* ---- least connections ---- */

static void count_flows(const struct lun_engine *engine, uint32_t counts[MOST + 1])
{
	struct lun_flow flow;

	memset(counts, 0, (MOST + 1) * sizeof(counts[0]));
	for (uint64_t cursor = 0; lun_flow_next(engine, &cursor, &flow);)
		counts[flow.reply.source.bytes[15]]++;
}

static uint32_t spread(const uint32_t *counts, uint32_t endpoints)
{
	uint32_t least = UINT32_MAX, most = 0;

	for (uint32_t i = 1; i <= endpoints; i++) {
		least = counts[i] < least ? counts[i] : least;
		most = counts[i] > most ? counts[i] : most;
	}
	return most - least;
}

/* Flows come, by 32 in a batch, and go at random; while more come than go, the live ones stay even. */
static void least_connections_keeps_live_flows_even(void **state)
{
	uint32_t shares[MOST + 1] = { 0 }, counts[MOST + 1];
	struct random random = { 42 };
	struct lun_engine *engine;
	struct world w;

	(void)state;
	world_init(&w, LUN_BALANCE_LEAST_CONNECTIONS, 7);
	engine = world_start(&w, 65536);
	for (uint32_t round = 0; round < 60; round++) {
		struct lun_flow flow;

		open_flows(engine, round * 640, 640, shares);
		count_flows(engine, counts);
		assert_true(spread(counts, 7) <= 1);
		for (uint64_t cursor = 0; lun_flow_next(engine, &cursor, &flow);)
			if (random_below(&random, 3) == 0)
				lun_flow_end(engine, flow.id);
	}
	lun_engine_free(engine);
}

/* Counts survive a change of policy, also where endpoints are preferred and stand in their list twice. */
static void least_connections_survives_a_reload(void **state)
{
	uint32_t shares[MOST + 1] = { 0 }, counts[MOST + 1];
	struct lun_engine *engine;
	struct world w;

	(void)state;
	world_init(&w, LUN_BALANCE_LEAST_CONNECTIONS, 8);
	engine = world_start(&w, 4096);
	open_flows(engine, 0, 32, shares);
	w.endpoints[0].not_ready = true;
	w.service.prefer = LUN_PREFER_LOCAL;
	world_set(engine, &w);
	open_flows(engine, 1000, 288, shares); /* to 3, 5 and 7: a hundred each */
	count_flows(engine, counts);
	assert_int_equal(counts[1], 4);
	assert_int_equal(counts[2], 4);
	for (uint32_t i = 3; i <= 7; i += 2)
		assert_int_equal(counts[i], 100);
	w.endpoints[0].not_ready = false;
	w.service.prefer = LUN_PREFER_NONE;
	world_set(engine, &w);
	open_flows(engine, 2000, 96 * 5, shares); /* the five others catch up */
	count_flows(engine, counts);
	assert_true(spread(counts, 8) <= 1);
	lun_engine_free(engine);
}

/* ---- Maglev and source hash ---- */

/* Which endpoint each of some clients gets. */
static void ask_all(struct lun_engine *engine, uint8_t *got, uint32_t clients)
{
	for (uint32_t i = 0; i < clients; i++)
		got[i] = (uint8_t)ask(engine, i, (uint16_t)(1024 + i % 60000), 1000);
}

static void the_same_client_gets_the_same_endpoint_on_every_node(void **state)
{
	static const enum lun_balance kinds[] = { LUN_BALANCE_MAGLEV, LUN_BALANCE_SOURCE_HASH };
	static uint8_t got[3][2000];
	uint32_t differ = 0;

	(void)state;
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 3; k++) {
			struct lun_config config = { .size = sizeof(config), .flows = 4096, .seed = { (uint64_t)k, 77 } };
			struct lun_policy *policy;
			struct lun_engine *engine;
			struct world w;

			world_init(&w, kinds[i], 20);
			w.config.hash_seed = k == 2 ? 8 : 7;
			if (k == 1) { /* another node, which lists them in another order */
				struct lun_endpoint first = w.endpoints[0];

				w.config.node.name = "n2";
				w.endpoints[0] = w.endpoints[19];
				w.endpoints[19] = first;
			}
			policy = world_policy(&w);
			assert_int_equal(lun_engine_new(&engine, &config, policy, NULL), 0);
			lun_policy_unref(policy);
			ask_all(engine, got[k], 2000);
			lun_engine_free(engine);
		}
		assert_memory_equal(got[0], got[1], 2000);
		for (uint32_t k = 0; k < 2000; k++)
			differ += got[0][k] != got[2][k];
		assert_true(differ > 1800 * (uint32_t)(i + 1)); /* another seed, another choice */
	}
}

/* Of 100 endpoints one goes: its clients move, and of the others' at most 2 % for Maglev, none for source hash. */
static void hardly_anybody_else_moves(void **state)
{
	static const enum lun_balance kinds[] = { LUN_BALANCE_MAGLEV, LUN_BALANCE_SOURCE_HASH };
	static const uint32_t most[] = { 2, 0 };
	static uint8_t before[20000], after[20000];

	(void)state;
	for (int i = 0; i < 2; i++) {
		uint32_t moved = 0, others = 0;
		struct lun_engine *engine;
		struct world w;

		world_init(&w, kinds[i], 100);
		engine = world_start(&w, 65536);
		ask_all(engine, before, 20000);
		lun_engine_free(engine);
		w.endpoints[41].not_ready = true;
		engine = world_start(&w, 65536);
		ask_all(engine, after, 20000);
		lun_engine_free(engine);
		for (uint32_t k = 0; k < 20000; k++) {
			assert_int_not_equal(after[k], 42);
			others += before[k] != 42;
			moved += before[k] != 42 && before[k] != after[k];
		}
		if (moved * 100 > others * most[i])
			fail_msg("%u of %u moved", moved, others);
	}
}

/* More endpoints than places in the table, one endpoint, weights that lie far apart. */
static void the_table_is_always_full(void **state)
{
	static struct endpoint endpoints[MAGLEV_SIZE + 10];
	const uint32_t counts[] = { 1, 2, 3, MAGLEV_SIZE + 10 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		uint32_t *table;

		for (uint32_t k = 0; k < counts[i]; k++) {
			endpoints[k] = (struct endpoint) { .port = (uint16_t)k, .weight = k ? 1 : 65535 };
			memcpy(endpoints[k].address.bytes, &k, sizeof(k));
		}
		table = maglev_new(endpoints, counts[i], 1);
		assert_non_null(table);
		for (uint32_t k = 0; k < MAGLEV_SIZE; k++)
			assert_true(table[k] < counts[i]);
		free(table);
	}
}

/* ---- affinity ---- */

static const uint64_t second = 1000000000;

static void a_client_gets_the_endpoint_that_it_had(void **state)
{
	struct lun_engine *engine;
	struct world w;
	uint64_t now = second;
	uint32_t first;
	uint16_t port = 1024;

	(void)state;
	world_init(&w, LUN_BALANCE_ROUND_ROBIN, 8);
	w.service.affinity = 100 * second;
	engine = world_start(&w, 4096);
	first = ask(engine, 5, port++, now);
	for (int i = 0; i < 50; i++) { /* each connection renews it */
		now += 99 * second;
		assert_int_not_equal(ask(engine, 6, port, now), 0); /* somebody else takes turns */
		assert_int_equal(ask(engine, 5, port++, now), first);
	}
	now += 100 * second;
	assert_int_not_equal(ask(engine, 5, port++, now), first);
	lun_engine_free(engine);
}

static void affinity_ends_with_the_endpoint(void **state)
{
	struct lun_engine *engine;
	struct world w;
	uint32_t first, second_choice;

	(void)state;
	world_init(&w, LUN_BALANCE_ROUND_ROBIN, 8);
	w.service.affinity = 100 * second;
	engine = world_start(&w, 4096);
	first = ask(engine, 5, 1000, second);
	w.endpoints[first - 1].not_ready = true;
	world_set(engine, &w);
	second_choice = ask(engine, 5, 1001, second);
	assert_int_not_equal(second_choice, first);
	w.endpoints[first - 1].not_ready = false; /* back, but the client has another one now */
	world_set(engine, &w);
	assert_int_equal(ask(engine, 5, 1002, second), second_choice);
	lun_engine_free(engine);
}

/* Each port of a service has its own, and so has each client; in one batch the second packet knows of the first. */
static void affinity_is_of_client_and_port(void **state)
{
	uint8_t data[4][128];
	struct lun_packet packets[4];
	struct lun_engine *engine;
	struct world w;

	(void)state;
	world_init(&w, LUN_BALANCE_ROUND_ROBIN, 8);
	w.service.affinity = 100 * second;
	engine = world_start(&w, 4096);
	packets[0] = opening(data[0], LUN_TCP, 5, 1000);
	packets[1] = opening(data[1], LUN_TCP, 6, 1000);
	packets[2] = opening(data[2], LUN_TCP, 5, 1001);
	packets[3] = opening(data[3], LUN_UDP, 5, 1000);
	lun_engine_packets(engine, packets, 4, second);
	assert_int_equal(packets[0].is.destination.bytes[15], packets[2].is.destination.bytes[15]);
	assert_int_not_equal(packets[0].is.destination.bytes[15], packets[1].is.destination.bytes[15]);
	assert_int_equal(packets[3].is.destination.bytes[15], packets[0].is.destination.bytes[15]); /* its first turn */
	assert_int_not_equal(ask(engine, 5, 1002, second), 0);
	lun_engine_free(engine);
}

/* More clients than places: the newest are remembered, and nothing breaks. */
static void affinity_has_its_room(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 65536, .affinities = 256 };
	struct lun_policy *policy;
	struct lun_engine *engine;
	struct world w;
	uint32_t last = 0;

	(void)state;
	world_init(&w, LUN_BALANCE_ROUND_ROBIN, 8);
	w.service.affinity = 100 * second;
	policy = world_policy(&w);
	assert_int_equal(lun_engine_new(&engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	for (uint32_t i = 0; i < 10000; i++)
		last = ask(engine, i, 1000, second + i * 1000000ull);
	assert_int_equal(ask(engine, 9999, 1001, 11 * second), last);
	lun_engine_free(engine);
}

/* ---- traces ---- */

static void shares_of_a_trace_add_up_to_one(void **state)
{
	(void)state;
	for (int kind = LUN_BALANCE_RANDOM; kind <= LUN_BALANCE_SOURCE_HASH; kind++) {
		struct lun_candidate candidates[16];
		struct lun_trace trace = { .candidates = candidates, .candidate_capacity = 16 };
		struct lun_engine *engine;
		bool by_client = kind == LUN_BALANCE_MAGLEV || kind == LUN_BALANCE_SOURCE_HASH;
		struct lun_packet packet;
		uint8_t data[128];
		struct world w;
		double sum = 0;

		world_init(&w, (enum lun_balance)kind, 4);
		world_weigh(&w);
		engine = world_start(&w, 64);
		packet = opening(data, LUN_TCP, 9, 1000);
		packet.trace = &trace;
		lun_engine_packets(engine, &packet, 1, second);
		for (uint32_t i = 0; i < trace.candidate_count; i++)
			sum += candidates[i].probability;
		assert_true(sum > 0.999999 && sum < 1.000001);
		assert_int_equal(trace.candidate_count, by_client || kind == LUN_BALANCE_LEAST_CONNECTIONS ? 1 : 4);
		if (kind == LUN_BALANCE_LEAST_CONNECTIONS) /* nobody has any: the heaviest */
			assert_memory_equal(&candidates[0].address, &w.endpoints[2].address, sizeof(candidates[0].address));
		if (kind == LUN_BALANCE_RANDOM)
			assert_true(candidates[0].probability > 0.111 && candidates[0].probability < 0.112);
		lun_engine_free(engine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_follow_weights),
		cmocka_unit_test(equal_endpoints_get_equal_shares),
		cmocka_unit_test(weights_count_within_a_part_of_the_list),
		cmocka_unit_test(round_robin_spreads_turns),
		cmocka_unit_test(least_connections_keeps_live_flows_even),
		cmocka_unit_test(least_connections_survives_a_reload),
		cmocka_unit_test(the_same_client_gets_the_same_endpoint_on_every_node),
		cmocka_unit_test(hardly_anybody_else_moves),
		cmocka_unit_test(the_table_is_always_full),
		cmocka_unit_test(a_client_gets_the_endpoint_that_it_had),
		cmocka_unit_test(affinity_ends_with_the_endpoint),
		cmocka_unit_test(affinity_is_of_client_and_port),
		cmocka_unit_test(affinity_has_its_room),
		cmocka_unit_test(shares_of_a_trace_add_up_to_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
