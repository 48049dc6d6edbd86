/* What flows to an endpoint carried is told when they have ended; more endpoints than there is room for become one sum, and none is
 * lost. */
#include <lunette/lunette.h>
#include <lunette/replay.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { ENDPOINTS = 20, ROOM = 8, ROUNDS = 3 };

static const uint64_t second = 1000000000;

static struct lun_policy *make_policy(void)
{
	static struct lun_endpoint endpoints[ENDPOINTS];
	struct lun_address address;
	struct lun_port port = { .protocol = LUN_UDP, .port = 53 };
	struct lun_service service = { .name = "default/dns",
				       .cluster_ips = &address,
				       .cluster_ip_count = 1,
				       .ports = &port,
				       .port_count = 1,
				       .endpoints = endpoints,
				       .endpoint_count = ENDPOINTS,
				       .balance = LUN_BALANCE_ROUND_ROBIN };
	struct lun_policy_config config = { .size = sizeof(config), .services = &service, .service_count = 1 };
	struct lun_policy *policy;
	struct lun_error error;
	char text[32];

	lun_address_parse(&address, "10.96.0.1");
	for (int i = 0; i < ENDPOINTS; i++) {
		snprintf(text, sizeof(text), "10.244.0.%d", i + 1);
		lun_address_parse(&endpoints[i].address, text);
	}
	assert_int_equal(lun_policy_new(&policy, &config, &error), 0);
	return policy;
}

/* A flow of one packet of 32 bytes opens, and ends. */
static void open_and_end(struct lun_engine *engine, int port, uint64_t now)
{
	struct lun_packet packet;
	struct lun_error error;
	uint8_t data[128];
	char query[64];

	snprintf(query, sizeof(query), "udp 192.0.2.1:%d 10.96.0.1:53", port);
	assert_int_equal(lun_replay_query(query, data, sizeof(data), &packet, &error), 0);
	lun_engine_packets(engine, &packet, 1, now);
	assert_int_equal(packet.verdict, LUN_ACCEPT);
	assert_int_equal(lun_flow_end(engine, packet.flow), 0);
}

static void test_counts(void **state)
{
	struct lun_policy *policy = make_policy();
	struct lun_config config = { .size = sizeof(config), .flows = 64, .endpoint_counts = ROOM };
	struct lun_endpoint_stats stats;
	struct lun_engine *engine;
	struct lun_error error;
	uint64_t cursor = 0, packets = 0, bytes = 0;
	int count = 0;

	(void)state;
	assert_int_equal(lun_engine_new(&engine, &config, policy, &error), 0);
	lun_policy_unref(policy);
	assert_false(lun_engine_endpoint(engine, &cursor, &stats));
	assert_int_equal(stats.ended_packets[LUN_ORIG], 0);
	for (int i = 0; i < ROUNDS * ENDPOINTS; i++)
		open_and_end(engine, 1000 + i, (uint64_t)(i + 1) * second);
	for (cursor = 0; lun_engine_endpoint(engine, &cursor, &stats); count++) {
		/* Those that ended last: room for eight of twenty, in turns. */
		assert_int_equal(stats.protocol, LUN_UDP);
		assert_int_equal(stats.port, 53);
		assert_true(stats.address.bytes[15] > ENDPOINTS - ROOM);
		assert_int_equal(stats.ended_packets[LUN_ORIG], 1);
		packets += stats.ended_packets[LUN_ORIG];
		bytes += stats.ended_bytes[LUN_ORIG];
		assert_int_equal(stats.ended_packets[LUN_REPLY] + stats.ended_bytes[LUN_REPLY], 0);
	}
	assert_int_equal(count, ROOM);
	assert_int_equal(stats.protocol, 0);
	assert_int_equal(packets + stats.ended_packets[LUN_ORIG], ROUNDS * ENDPOINTS);
	assert_int_equal(bytes + stats.ended_bytes[LUN_ORIG], ROUNDS * ENDPOINTS * 32);
	lun_engine_free(engine);
}

static void test_bounds(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .endpoint_counts = (1 << 20) + 1 };
	struct lun_endpoint_stats stats;
	struct lun_engine *engine;
	struct lun_error error;
	uint64_t cursor = 0;

	(void)state;
	assert_int_equal(lun_engine_new(&engine, &config, NULL, &error), LUN_BAD_ARGUMENT);
	assert_string_equal(error.text, "1048577 endpoint_counts, expected at most 1048576");
	config.endpoint_counts = 0;
	assert_int_equal(lun_engine_new(&engine, &config, NULL, &error), 0);
	assert_false(lun_engine_endpoint(engine, &cursor, &stats));
	lun_engine_free(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
