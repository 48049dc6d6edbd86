/* allocation.c - a packet never allocates: while the engine runs packets of every kind, nobody asks the C library for memory.
 *
 * This program alone is linked with --wrap, so that every call that the engine makes is seen here first. */
#include "notation.h"

#include <sys/mman.h>

static volatile bool watching; /* volatile: the compiler knows malloc, and thinks it reads nothing of ours */
static volatile uint32_t taken;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset);
void __real_free(void *memory);

void *__wrap_malloc(size_t size)
{
	taken += watching;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	taken += watching;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	taken += watching;
	return __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	taken += watching;
	return __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset)
{
	taken += watching;
	return __real_mmap(at, length, protection, flags, file, offset);
}

void __wrap_free(void *memory)
{
	taken += watching; /* giving back is as slow, and what is given back was taken */
	__real_free(memory);
}

/* NOLINTEND(bugprone-reserved-identifier) */

static const char *const lines[] = {
	"tcp 10.1.1.1:4000 10.96.0.1:80 S seq 100 win 1000 scale 7 sackok",
	"tcp 10.244.0.5:8080 172.18.0.2:4000 S. seq 500 ack 101 win 1000 scale 7 sackok",
	"tcp 10.1.1.1:4000 10.96.0.1:80 . seq 101 ack 501 win 1000",
	"tcp 10.1.1.1:4000 10.96.0.1:80 P. seq 101 ack 501 win 1000 text \"GET / HTTP/1.1\r\nHost: a\r\n\r\n\"",
	"tcp 10.1.1.1:4000 10.96.0.1:80 P. seq 101 ack 501 win 1000 text \"GET / HTTP/1.1\r\nHost: a\r\n\r\n\"",
	"tcp 10.1.1.1:4000 10.96.0.1:80 . seq 99999999 ack 501 win 1000", /* past the window */
	"tcp 10.1.1.1:4001 10.96.0.1:81 S seq 100 win 1000",              /* no such port: answered */
	"udp 10.1.1.1:4000 10.96.0.1:53 len 20",
	"error 3/1 10.244.0.9", /* about that one */
	"icmp 10.1.1.1:77 10.2.2.2:8 len 20",
	"sctp 10.1.1.1:4000 10.2.2.2:90 tag 0 chunk init:7",
	"tcp [fd00::1]:4000 [fd00::2]:80 S seq 100 win 1000",
	"+10m udp 10.1.1.1:4001 10.96.0.1:53 len 20", /* most of them end */
	"tcp 10.1.1.1:4000 10.96.0.1:80 F. seq 128 ack 501 win 1000",
	"tcp 10.244.0.5:8080 172.18.0.2:4000 R seq 501 win 0",
};

/* A datagram in two fragments: the first 24 bytes of its transport, and the rest. */
static void run_fragments(struct notation *n)
{
	static uint8_t pieces[2][128];

	notation_build(n, "udp 10.1.1.1:4100 10.96.0.1:53 len 40");
	for (int i = 0; i < 2; i++) {
		uint32_t from = i ? 24 : 0, size = 24;
		struct lun_packet packet = { .data = pieces[i], .length = IP4_HEADER + size, .capacity = IP4_HEADER + size };

		memcpy(pieces[i], n->data, IP4_HEADER);
		memcpy(pieces[i] + IP4_HEADER, n->data + IP4_HEADER + from, size);
		store16(pieces[i] + 2, (uint16_t)(IP4_HEADER + size));
		store16(pieces[i] + 6, i ? 24 / 8 : 0x2000);
		watching = true;
		lun_engine_packets(n->engine, &packet, 1, n->now);
		watching = false;
		assert_int_equal(packet.verdict, LUN_STOLEN);
	}
}

static struct lun_policy *busy_policy(void)
{
	struct lun_address node = notation_address("172.18.0.2"), ip = notation_address("10.96.0.1");
	struct lun_port web = { .port = 80, .target_port = 8080 }, dns = { .port = 53, .protocol = LUN_UDP };
	struct lun_endpoint endpoint = { .address = notation_address("10.244.0.5") };
	struct lun_prefix range = notation_prefix("10.96.0.0/12");
	struct lun_header header = { .name = "X-Real-IP", .value = "$remote_addr" };
	struct lun_service services[] = {
		{ .name = "a/web",
		  .ports = &web,
		  .headers = &header,
		  .header_count = 1,
		  .masquerade = LUN_MASQUERADE_ALWAYS },
		{ .name = "a/dns", .ports = &dns },
	};
	struct lun_policy_config config = {
		.size = sizeof(config),
		.node = { .addresses = &node, .address_count = 1, .service_ranges = &range, .service_range_count = 1 },
		.services = services,
		.service_count = 2,
		.source_limit = 100
	};
	struct lun_policy *policy;
	struct lun_error error;

	for (int i = 0; i < 2; i++) {
		services[i].cluster_ips = &ip;
		services[i].endpoints = &endpoint;
		services[i].cluster_ip_count = services[i].port_count = services[i].endpoint_count = 1;
	}
	if (lun_policy_new(&policy, &config, &error) < 0)
		fail_msg("%s", error.text);
	return policy;
}

static void packets_never_allocate(void **state)
{
	static struct notation n;
	struct lun_config config = { .size = sizeof(config), .flows = 64, .seed = { 1, 2 } };
	struct lun_policy *policy = busy_policy();
	struct lun_event event;
	struct lun_stats stats;
	struct lun_error error;
	void *volatile memory;

	(void)state;
	assert_int_equal(lun_engine_new(&n.engine, &config, policy, &error), 0);
	lun_policy_unref(policy);
	n.now = 1000000000;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
			notation_build(&n, lines[i]);
			n.packet.capacity = sizeof(n.data);
			watching = true;
			lun_engine_packets(n.engine, &n.packet, 1, n.now);
			lun_engine_tick(n.engine, n.now);
			while (lun_engine_next_event(n.engine, &event))
				continue;
			watching = false;
			memcpy(n.left, n.data, n.packet.length);
			n.left_length = n.packet.length;
		}
		run_fragments(&n);
	}
	lun_engine_stats(n.engine, &stats);
	assert_true(stats.flows_opened > 10 && stats.flows_ended > 5 && stats.edits > 0);
	assert_true(stats.reasons[LUN_REASON_undefined_port] > 0 && stats.reasons[LUN_REASON_sequence_past_window] > 0);
	assert_int_equal(taken, 0);
	lun_engine_free(n.engine);
	watching = true; /* and the counter counts */
	memory = malloc(1);
	free(memory);
	watching = false;
	assert_int_equal(taken, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(packets_never_allocate) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
