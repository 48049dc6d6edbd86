/* load.c - see load.h. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAYLOAD = 32, PORT = 80, CLIENTS_PER_ADDRESS = 16 };
enum { TCP_SEQUENCE = 4, TCP_ACKNOWLEDGEMENT = 8, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_CHECKSUM = 16 };
enum { SYN = 0x02, ACK = 0x10 };

/* Where the fields of an IP header are. */
static const struct layout {
	uint32_t header, length, source, destination, address; /* address: bytes of one; length: where the field is */
} layouts[2] = { { 20, 2, 12, 16, 4 }, { 40, 4, 8, 24, 16 } };

static const uint8_t cluster_ips[2][16] = { { 10, 96, 0, 10 }, { 0xfd, 0x96, [15] = 10 } };

void die(const char *what)
{
	fprintf(stderr, "path: %s\n", what);
	exit(1);
}

uint32_t load_random_below(uint64_t *state, uint32_t limit)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(((*state * 0x2545f4914f6cdd1du >> 32) * limit) >> 32);
}

/* ---- packets ---- */

static const struct layout *layout_of(const struct load *load)
{
	return &layouts[load->scenario->v6];
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

/* A SYN has no payload, all else has some. */
static void set_length(struct load *load, uint32_t i, uint8_t tcp_flags)
{
	const struct layout *layout = layout_of(load);
	bool tcp = load->scenario->protocol == LUN_TCP;
	uint32_t transport = (tcp ? 20 : 8) + (tcp && tcp_flags & SYN ? 0 : PAYLOAD);

	load->batch[i].length = layout->header + transport;
	put16(load->buffers[i] + layout->length, load->scenario->v6 ? transport : layout->header + transport);
}

/* The parts of a packet that no flow changes. */
static void fill_template(const struct load *load, uint8_t *data)
{
	static const uint8_t v4[] = { 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 0, 0x12, 0x34 };
	uint8_t *transport = data + layout_of(load)->header;

	memset(data, 0, LOAD_BUFFER);
	if (load->scenario->v6) {
		data[0] = 0x60;
		data[6] = load->scenario->protocol;
		data[7] = 64; /* hop limit */
	} else {
		memcpy(data, v4, sizeof(v4));
		data[9] = load->scenario->protocol;
	}
	if (load->scenario->protocol == LUN_TCP) {
		transport[TCP_OFFSET] = 5 << 4;
		put16(transport + TCP_WINDOW, 65535);
		put16(transport + TCP_CHECKSUM, 0x1234);
	} else {
		put16(transport + 4, 8 + PAYLOAD);
		put16(transport + 6, 0x1234);
	}
}

/* The address of client number `index`: some clients share one, their ports are spread. */
static void put_client(const struct load *load, uint8_t *at, uint32_t index)
{
	if (load->scenario->v6) {
		put32(at, 0x20010db8);
		memset(at + 4, 0, 8);
		put32(at + 12, index / CLIENTS_PER_ADDRESS);
	} else {
		put32(at, (10u << 24) + index / CLIENTS_PER_ADDRESS);
	}
}

static uint16_t client_port(uint32_t index)
{
	return (uint16_t)(1024 + index * 40503u % (65536 - 1024));
}

/* Puts a packet into place `i` of the batch: from client `index` to the service. */
static void build(struct load *load, uint32_t i, uint32_t index, uint8_t tcp_flags, uint32_t sequence)
{
	const struct layout *layout = layout_of(load);
	uint8_t *data = load->buffers[i], *transport = data + layout->header;

	put_client(load, data + layout->source, index);
	memcpy(data + layout->destination, cluster_ips[load->scenario->v6], layout->address);
	put16(transport, client_port(index));
	put16(transport + 2, PORT);
	if (load->scenario->protocol == LUN_TCP) {
		put32(transport + TCP_SEQUENCE, sequence);
		put32(transport + TCP_ACKNOWLEDGEMENT, tcp_flags & ACK ? 5001 : 0);
		transport[TCP_FLAGS] = tcp_flags;
	}
	load->batch[i].data = data;
	load->batch[i].capacity = LOAD_BUFFER;
	set_length(load, i, tcp_flags);
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t size)
{
	uint8_t kept[16];

	memcpy(kept, a, size);
	memcpy(a, b, size);
	memcpy(b, kept, size);
}

/* Turns the packet that left the engine at place `i` round, as its endpoint would answer. */
static void build_reply(struct load *load, uint32_t i)
{
	const struct layout *layout = layout_of(load);
	uint8_t *data = load->buffers[i], *transport = data + layout->header;

	swap_bytes(data + layout->source, data + layout->destination, layout->address);
	swap_bytes(transport, transport + 2, 2);
	if (load->scenario->protocol == LUN_TCP) {
		put32(transport + TCP_SEQUENCE, 5000);
		put32(transport + TCP_ACKNOWLEDGEMENT, 1001);
		transport[TCP_FLAGS] = SYN | ACK;
	}
	set_length(load, i, SYN | ACK);
}

void load_build_known(struct load *load)
{
	for (uint32_t i = 0; i < LOAD_BATCH; i++) {
		uint32_t index = load_random_below(&load->random, load->flows);

		build(load, i, index, ACK, 1001 + (index & 0x3fff)); /* somewhere in the window */
	}
}

void load_build_new(struct load *load)
{
	for (uint32_t i = 0; i < LOAD_BATCH; i++)
		build(load, i, load->next++, SYN, 1000);
}

void load_count_wanted(struct load *load, bool reply)
{
	const struct layout *layout = layout_of(load);
	uint32_t at = reply ? layout->source : layout->destination;

	load->packets += LOAD_BATCH;
	for (uint32_t i = 0; i < LOAD_BATCH; i++) {
		bool of_service = memcmp(load->buffers[i] + at, cluster_ips[load->scenario->v6], layout->address) == 0;

		load->wanted += load->batch[i].verdict == LUN_ACCEPT && of_service == reply;
	}
}

void load_through_engine(struct load *load)
{
	struct lun_event event;

	lun_engine_packets(load->engine, load->batch, LOAD_BATCH, load->now);
	while (lun_engine_next_event(load->engine, &event))
		continue;
}

/* ---- the engine and its flows ---- */

static struct lun_address address(const char *text)
{
	struct lun_address address;

	if (lun_address_parse(&address, text) < 0)
		die("an address of the benchmark's own is none");
	return address;
}

struct lun_policy *load_policy_new(const struct scenario *scenario, uint32_t endpoint_count)
{
	struct lun_endpoint endpoints[1024];
	struct lun_address node = address(scenario->v6 ? "fd77::1" : "172.18.0.2");
	struct lun_address service = address(scenario->v6 ? "fd96::a" : "10.96.0.10");
	struct lun_port port = { .protocol = scenario->protocol, .port = PORT, .target_port = 8080 };
	struct lun_service services[] = { { .name = "bench/service",
					    .cluster_ips = &service,
					    .cluster_ip_count = 1,
					    .ports = &port,
					    .port_count = 1,
					    .endpoints = endpoints,
					    .endpoint_count = endpoint_count,
					    .masquerade =
						    scenario->masquerade ? LUN_MASQUERADE_ALWAYS : LUN_MASQUERADE_NEVER } };
	struct lun_policy_config config = { .size = sizeof(config),
					    .node = { .addresses = &node, .address_count = 1 },
					    .services = services,
					    .service_count = 1 };
	struct lun_policy *policy;
	struct lun_error error;

	for (uint32_t i = 0; i < endpoint_count; i++) {
		endpoints[i] = (struct lun_endpoint) { .address = address(scenario->v6 ? "fd44::" : "10.244.0.0") };
		put16(endpoints[i].address.bytes + 14, 1 + i);
	}
	if (lun_policy_new(&policy, &config, &error) < 0)
		die(error.text);
	return policy;
}

void load_init(struct load *load, const struct scenario *scenario, uint32_t flows)
{
	struct lun_config config = { .size = sizeof(config), .seed = { 1, 2 }, .flows = flows + flows / 16 + 256 };
	struct lun_error error;

	*load = (struct load) { .scenario = scenario, .flows = flows, .now = 1000000000, .random = 88172645463325252u };
	load->policy = load_policy_new(scenario, scenario->endpoints);
	if (lun_engine_new(&load->engine, &config, load->policy, &error) < 0)
		die(error.text);
	for (uint32_t i = 0; i < LOAD_BATCH; i++)
		fill_template(load, load->buffers[i]);
}

void load_fini(struct load *load)
{
	lun_engine_free(load->engine);
	lun_policy_unref(load->policy);
}

static void establish_batch(struct load *load)
{
	uint32_t first = load->next;
	bool tcp = load->scenario->protocol == LUN_TCP;

	load_build_new(load);
	load_through_engine(load);
	load_count_wanted(load, false);
	for (uint32_t i = 0; i < LOAD_BATCH; i++)
		build_reply(load, i);
	load_through_engine(load);
	load_count_wanted(load, true);
	if (!tcp)
		return;
	for (uint32_t i = 0; i < LOAD_BATCH; i++)
		build(load, i, first + i, ACK, 1001);
	load_through_engine(load);
	load_count_wanted(load, false);
}

void load_establish(struct load *load)
{
	while (load->next < load->flows)
		establish_batch(load);
	load_check(load, "opening");
}

void load_check(const struct load *load, const char *phase)
{
	struct lun_stats stats;
	char text[200];

	lun_engine_stats(load->engine, &stats);
	snprintf(text, sizeof(text),
		 "%s, %u flows, %s: %llu of %llu packets accepted and translated, %llu flows in the table",
		 load->scenario->name, load->flows, phase, (unsigned long long)load->wanted,
		 (unsigned long long)load->packets, (unsigned long long)stats.flows);
	if (load->wanted != load->packets || stats.flows < load->flows)
		die(text);
}
