/* greeting.c - the PROXY header: its bytes, and when it goes to an upstream, which gets it once, and in front of everything else. */
#include "notation.h"
#include "request.h"

#include "http/greeting.h"

#define V1 "PROXY TCP4 10.1.1.1 10.96.0.1 4000 80\r\n"
#define V1_LENGTH (sizeof(V1) - 1)
#define CLIENT "tcp 10.1.1.1:4000 10.96.0.1:80 "
#define UPSTREAM "tcp 10.244.0.5:8080 10.1.1.1:4000 "
#define TO_UPSTREAM "accept established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080"
#define INSTEAD "stolen established ESTABLISHED -> tcp 10.1.1.1:4000 10.244.0.5:8080" /* of it, the header goes */
#define TO_CLIENT "accept established ESTABLISHED -> tcp 10.96.0.1:80 10.1.1.1:4000"

static void expect_greeting(unsigned version, const char *source, const char *destination, const void *bytes, size_t length)
{
	struct lun_tuple tuple = { .source = notation_address(source),
				   .destination = notation_address(destination),
				   .source_port = 0x1234,
				   .destination_port = 443,
				   .protocol = LUN_TCP };
	uint8_t *written = malloc(GREETING_SIZE);

	assert_int_equal(greeting_write(written, version, &tuple), length);
	assert_memory_equal(written, bytes, length);
	free(written);
}

static void each_version_has_these_bytes(void **state)
{
	static const char v1[] = "PROXY TCP4 192.0.2.1 255.255.255.255 4660 443\r\n";
	static const char v1_v6[] = "PROXY TCP6 2001:db8::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 4660 443\r\n";
	static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xcb\0\x71\xff\x12\x34\x01\xbb";
	static const char v2_v6[] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
				    "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\x12\x34\x01\xbb";

	(void)state;
	expect_greeting(1, "192.0.2.1", "255.255.255.255", v1, sizeof(v1) - 1);
	expect_greeting(1, "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", v1_v6, sizeof(v1_v6) - 1);
	expect_greeting(2, "192.0.2.1", "203.0.113.255", v2, 28);
	expect_greeting(2, "2001:db8::1", "fd00::10", v2_v6, 52);
}

static struct lun_policy *greeting_policy(uint8_t version, bool http)
{
	struct lun_address ips[] = { notation_address("10.96.0.1"), notation_address("fd00:96::1") };
	struct lun_port port = { .port = 80, .target_port = 8080 };
	struct lun_endpoint endpoints[] = { { .address = notation_address("10.244.0.5") },
					    { .address = notation_address("fd00::5") } };
	struct lun_header header = { .name = "A", .value = "b" };
	struct lun_service service = { .name = "default/web",
				       .cluster_ips = ips,
				       .cluster_ip_count = 2,
				       .ports = &port,
				       .port_count = 1,
				       .endpoints = endpoints,
				       .endpoint_count = 2,
				       .headers = &header,
				       .header_count = http,
				       .masquerade = LUN_MASQUERADE_NEVER,
				       .proxy_protocol = version };
	struct lun_policy_config config = { .size = sizeof(config), .services = &service, .service_count = 1 };
	struct lun_policy *policy;

	assert_int_equal(lun_policy_new(&policy, &config, NULL), 0);
	return policy;
}

/* The client has sent its SYN, and got the answer; its first byte is number 1000, the upstream's 5000. */
static void start(struct notation *n, bool http)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64, .seed = { 1, 2 } };
	struct lun_policy *policy = greeting_policy(1, http);

	*n = (struct notation) { .now = 1000 };
	assert_int_equal(lun_engine_new(&n->engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	EXPECT(n, { CLIENT "S seq 999 win 60000", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { UPSTREAM "S. seq 4999 ack 1000 win 60000",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" });
}

static void expect_silence(struct notation *n)
{
	struct lun_event event;

	assert_false(lun_engine_next_event(n->engine, &event));
}

/* The header, and nothing else, goes to the upstream, as the client's byte 1000. */
static void expect_header(struct notation *n, uint32_t acknowledgement)
{
	struct lun_event event;

	assert_true(lun_engine_next_event(n->engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_EMIT);
	assert_int_equal(event.side, LUN_SIDE_UPSTREAM);
	assert_int_equal(event.length, 40 + V1_LENGTH);
	assert_memory_equal(event.data + 12, "\x0a\x01\x01\x01\x0a\xf4\0\x05", 8);
	assert_int_equal(load32(event.data + 24), 1000);
	assert_int_equal(load32(event.data + 28), acknowledgement);
	assert_int_equal(event.data[33], TCP_PSH | TCP_ACK);
	assert_memory_equal(event.data + 40, V1, V1_LENGTH);
	expect_silence(n);
}

/* The number of the packet that left last. */
static void expect_sequence(const struct notation *n, uint32_t sequence)
{
	assert_int_equal(load32(n->data + 24), sequence);
}

static void it_comes_before_the_server_must_speak(void **state)
{
	struct notation n;

	(void)state;
	start(&n, false);
	EXPECT(&n, { CLIENT ". seq 1000 ack 5000", INSTEAD });
	expect_header(&n, 5000);
	/* the server's banner acknowledges it */
	EXPECT(&n, { UPSTREAM "P. seq 5000 ack 1039 win 60000 len 20", TO_CLIENT });
	assert_int_equal(load32(n.data + 28), 1000);
	EXPECT(&n, { CLIENT ". seq 1000 ack 5020", TO_UPSTREAM }, { CLIENT "P. seq 1000 ack 5020 len 100", TO_UPSTREAM });
	expect_sequence(&n, 1000 + V1_LENGTH);
	EXPECT(&n, { UPSTREAM ". seq 5020 ack 1139 win 60000", TO_CLIENT });
	assert_int_equal(load32(n.data + 28), 1100);
	expect_silence(&n);
	lun_engine_free(n.engine);
}

static void it_comes_again_until_it_is_acknowledged(void **state)
{
	struct notation n;

	(void)state;
	start(&n, false);
	EXPECT(&n, { CLIENT ". seq 1000 ack 5000", INSTEAD });
	expect_header(&n, 5000);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 len 100", TO_UPSTREAM },
	       { CLIENT "P. seq 1100 ack 5000 len 9", TO_UPSTREAM });
	expect_silence(&n);
	EXPECT(&n, { UPSTREAM ". seq 5000 ack 1000 win 60000", TO_CLIENT },
	       { CLIENT "P. seq 1000 ack 5000 len 100", TO_UPSTREAM });
	expect_header(&n, 5000);
	expect_sequence(&n, 1000 + V1_LENGTH);
	EXPECT(&n, { UPSTREAM ". seq 5000 ack 1020 win 60000", TO_CLIENT }); /* half of it */
	assert_int_equal(load32(n.data + 28), 1000);
	EXPECT(&n, { CLIENT "P. seq 1100 ack 5000 len 9", TO_UPSTREAM });
	expect_header(&n, 5000);
	EXPECT(&n, { UPSTREAM ". seq 5000 ack 1039 win 60000", TO_CLIENT },
	       { CLIENT "P. seq 1000 ack 5000 len 100", TO_UPSTREAM });
	expect_silence(&n);
	lun_engine_free(n.engine);
}

static void it_goes_with_bytes_that_come_first(void **state)
{
	struct notation n;

	(void)state;
	start(&n, false);
	EXPECT(&n, { CLIENT "P. seq 1100 ack 5000 len 9", TO_UPSTREAM }); /* they have overtaken others */
	expect_header(&n, 5000);
	expect_sequence(&n, 1100 + V1_LENGTH);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 len 100", TO_UPSTREAM });
	expect_silence(&n);
	lun_engine_free(n.engine);
}

static void a_reset_is_exact(void **state)
{
	struct notation n;

	(void)state;
	for (int known = 0; known < 2; known++) {
		start(&n, false);
		EXPECT(&n, { CLIENT ". seq 1000 ack 5000", INSTEAD });
		expect_header(&n, 5000);
		if (known)
			EXPECT(&n, { UPSTREAM ". seq 5000 ack 1039 win 60000", TO_CLIENT });
		EXPECT(&n, { CLIENT "R seq 1000", "accept established CLOSE -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
		expect_sequence(&n, known ? 1000 + V1_LENGTH : 1000);
		expect_silence(&n);
		lun_engine_free(n.engine);
	}
}

static void a_client_that_begins_anew_is_announced_anew(void **state)
{
	struct notation n;

	(void)state;
	start(&n, false);
	EXPECT(&n, { CLIENT ". seq 1000 ack 5000", INSTEAD });
	expect_header(&n, 5000);
	EXPECT(&n, { UPSTREAM ". seq 5000 ack 1039 win 60000", TO_CLIENT },
	       { CLIENT "R seq 1000", "accept established CLOSE -> tcp 10.1.1.1:4000 10.244.0.5:8080" },
	       { CLIENT "S seq 999 win 60000", "accept new SYN_SENT -> tcp 10.1.1.1:4000 10.244.0.5:8080" });
	expect_silence(&n);
	EXPECT(&n,
	       { UPSTREAM "S. seq 4999 ack 1000 win 60000",
		 "accept established SYN_RECV -> tcp 10.96.0.1:80 10.1.1.1:4000" },
	       { CLIENT ". seq 1000 ack 5000", INSTEAD });
	expect_header(&n, 5000);
	lun_engine_free(n.engine);
}

static void requests_behind_it_are_edited(void **state)
{
	static const char edited[] = "GET / HTTP/1.1\r\nA: b\r\nHost: a\r\n\r\n";
	struct notation n;

	(void)state;
	start(&n, true);
	EXPECT(&n, { CLIENT "P. seq 1000 ack 5000 text \"GET / HT\"", INSTEAD });
	expect_header(&n, 5000); /* what is held does not hold it back */
	EXPECT(&n, { CLIENT "P. seq 1008 ack 5000 text \"TP/1.1\r\nHost: a\r\n\r\n\"", TO_UPSTREAM });
	expect_sequence(&n, 1000 + V1_LENGTH);
	assert_int_equal(n.packet.length, 40 + sizeof(edited) - 1);
	assert_memory_equal(n.data + 40, edited, sizeof(edited) - 1);
	expect_silence(&n);
	lun_engine_free(n.engine);
}

/* As `lunette http` asks. */
static void the_first_bytes_bring_it(void **state)
{
	static const char client[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	static struct outcome outcome;

	(void)state;
	for (int http = 0; http < 2; http++) {
		struct lun_policy *policy = greeting_policy(1, http);
		const struct trial trial = {
			.policy = policy, .bytes = client, .length = sizeof(client) - 1, .first = 1, .step = 3
		};

		trial_run(&trial, &outcome);
		assert_memory_equal(outcome.bytes, V1 "GET / HTTP/1.1\r\n", V1_LENGTH + 16);
		assert_int_equal(outcome.length, V1_LENGTH + sizeof(client) - 1 + (http ? sizeof("A: b\r\n") - 1 : 0));
		assert_int_equal(outcome.status.requests, http);
		lun_policy_unref(policy);
	}
}

static void a_policy_knows_two_versions(void **state)
{
	struct lun_port port = { .port = 80 };
	struct lun_service service = { .name = "a/b", .ports = &port, .port_count = 1, .proxy_protocol = 3 };
	struct lun_policy_config config = { .size = sizeof(config), .services = &service, .service_count = 1 };
	struct lun_policy *policy;
	struct lun_error error;

	(void)state;
	assert_int_equal(lun_policy_new(&policy, &config, &error), LUN_BAD_POLICY);
	assert_string_equal(error.text, "service \"a/b\" has version 3 of the PROXY protocol, expected 1 or 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_version_has_these_bytes),
		cmocka_unit_test(it_comes_before_the_server_must_speak),
		cmocka_unit_test(it_comes_again_until_it_is_acknowledged),
		cmocka_unit_test(it_goes_with_bytes_that_come_first),
		cmocka_unit_test(a_reset_is_exact),
		cmocka_unit_test(a_client_that_begins_anew_is_announced_anew),
		cmocka_unit_test(requests_behind_it_are_edited),
		cmocka_unit_test(the_first_bytes_bring_it),
		cmocka_unit_test(a_policy_knows_two_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
