/* engine.h - an engine with small limits for the fuzzers, and what must hold of it between two calls. */
#ifndef LUNETTE_TESTS_FUZZ_ENGINE_H
#define LUNETTE_TESTS_FUZZ_ENGINE_H

#include "engine/engine.h"
#include "fuzz.h"
#include "packet/build.h"

enum { OTHER = 200, /* a protocol that is tracked by addresses */ PACKET = 2048 };

/* What a client sends to the policies below, or to a plain server: kind % 8 is the protocol, kind & 8 the family. */
static inline struct lun_tuple tuple_of(uint8_t kind)
{
	static const struct {
		uint8_t protocol;
		uint16_t port;
	} kinds[8] = { { LUN_TCP, 80 },  { LUN_TCP, 81 }, { LUN_UDP, 53 }, { LUN_ICMP, 8 },
		       { LUN_SCTP, 90 }, { OTHER, 0 },    { LUN_TCP, 7 },  { LUN_UDP, 7 } };
	bool v6 = kind & 8, ping = v6 && kinds[kind & 7].protocol == LUN_ICMP;
	const char *service = v6 ? "fd00:96::a" : "10.96.0.10", *server = v6 ? "2001:db8::2" : "192.0.2.2";

	return (struct lun_tuple) { .source = address_of(v6 ? "2001:db8::1" : "192.0.2.1"),
				    .destination = address_of((kind & 7) < 5 ? service : server),
				    .source_port = (kind & 7) == 5 ? 0 : 40000,
				    .destination_port = ping ? 128 : kinds[kind & 7].port,
				    .protocol = ping ? LUN_ICMPV6 : kinds[kind & 7].protocol };
}

/* packet_build, which knows no other protocols. */
static inline uint32_t build_any(uint8_t *data, struct lun_tuple tuple, const struct packet_spec *spec)
{
	bool other = tuple.protocol == OTHER;
	uint32_t length;

	tuple.protocol = other ? LUN_UDP : tuple.protocol;
	length = packet_build(data, PACKET, &tuple, spec);
	if (other)
		data[data[0] >> 4 == 4 ? 9 : 6] = OTHER;
	return length;
}

/* ---- policies ---- */

/* A script of few words: what it says hangs on the client's port, but of requests it says nothing. */
static inline int decide_by_port(void *user, const struct lun_new_flow *flow, struct lun_decision *decision)
{
	(void)user;
	if (flow->tuple.destination_port == 80)
		return 0;
	decision->action = (enum lun_action)(flow->tuple.source_port % (LUN_ACTION_DNAT + 1));
	decision->service = "a/plain";
	decision->address = flow->tuple.source; /* its own family, and hairpin */
	decision->port = flow->tuple.source_port & 64 ? 9 : 0;
	decision->masquerade = (enum lun_masquerade)(flow->tuple.source_port >> 4 & 1);
	return flow->tuple.source_port & 32 ? -1 : 0;
}

/* A service with edited heads and one without, see tuple_of; clients are hidden.  The strict one edits responses, too, has a PROXY header, limits, short times and a
 * script.  => one reference. */
static inline struct lun_policy *make_policy(bool strict)
{
	struct lun_policy *policy;
	struct lun_address ips[] = { address_of("10.96.0.10"), address_of("fd00:96::a") };
	struct lun_address masquerade[] = { address_of("10.244.0.1"), address_of("fd00::1") };
	struct lun_endpoint endpoints[] = { { .address = address_of("10.244.0.5") }, { .address = address_of("fd00::5") } };
	struct lun_port edited = { .port = 80, .target_port = 8080 };
	struct lun_port ports[] = { { .name = "tcp", .port = 81, .target_port = 8081 },
				    { .name = "udp", .port = 53, .protocol = LUN_UDP, .target_port = 5353 },
				    { .name = "sctp", .port = 90, .protocol = LUN_SCTP, .target_port = 9090 } };
	struct lun_header headers[] = { { .name = "X-Real-IP",
					  .value = "$remote_addr:$remote_port $http_x_real_ip$request_id" },
					{ .name = "Server", .value = "$endpoint", .response = true } };
	struct lun_timeout short_time = { .state = LUN_STATE_UDP_UNREPLIED, .time = 1000000000 };
	struct lun_service services[] = {
		{ .name = "a/edited",
		  .ports = &edited,
		  .port_count = 1,
		  .headers = headers,
		  .header_count = strict ? 2 : 1,
		  .proxy_protocol = strict ? 2 : 0 },
		{ .name = "a/plain", .ports = ports, .port_count = 3, .flow_limit = strict ? 2 : 0 }
	};
	struct lun_prefix all = { .length = 0 };
	struct lun_policy_config config = { .size = sizeof(config), .services = services, .service_count = 2 };

	for (int i = 0; i < 2; i++) {
		services[i].cluster_ips = ips;
		services[i].cluster_ip_count = 2;
		services[i].endpoints = endpoints;
		services[i].endpoint_count = 2;
		services[i].masquerade = LUN_MASQUERADE_ALWAYS;
	}
	config.node.no_echo = !strict;
	config.node.masquerade_addresses = masquerade;
	config.node.masquerade_address_count = 2;
	if (strict) {
		services[1].balance = LUN_BALANCE_LEAST_CONNECTIONS;
		services[1].affinity = services[1].slow_start = 1000000000;
		services[1].rest_after = 1;
		config.hooks = (struct lun_hooks) { .flow = decide_by_port };
		config.timeouts = &short_time;
		config.timeout_count = 1;
		config.source_limit = 4;
		config.half_open_limit = 2;
		config.intercept = &all;
		config.intercept_count = 1;
	}
	MUST(lun_policy_new(&policy, &config, NULL) == 0);
	return policy;
}

/* One of two policies, made once. */
static inline struct lun_policy *fuzz_policy(bool strict)
{
	static struct lun_policy *policies[2];

	if (!policies[strict])
		policies[strict] = make_policy(strict);
	return policies[strict];
}

/* An engine of few flows; bits: commit, no pick-up, verify, liberal, drop what is invalid, no policy, the strict policy, very few
 * flows and events. */
static inline struct lun_engine *fuzz_engine(uint8_t bits)
{
	struct lun_config config = { .size = sizeof(config),
				     .flows = bits & 128 ? 3 : 16,
				     .edits = 2,
				     .events = bits & 128 ? 3 : 64,
				     .emit_size = 65536,
				     .fragment_size = 65536,
				     .seed = { 1, 2 },
				     .commit = bits & 1,
				     .no_pick_up = bits & 2,
				     .verify = bits & 4,
				     .liberal = bits & 8,
				     .drop_invalid = bits & 16 };
	struct lun_engine *engine;

	MUST(lun_engine_new(&engine, &config, bits & 32 ? NULL : fuzz_policy(bits & 64), NULL) == 0);
	return engine;
}

/* ---- what must hold between two calls ---- */

/* Both tuples of an open flow lead to it, by the index and through the library; its source is counted. */
static inline void check_flow(const struct lun_engine *engine, const struct flow *flow)
{
	const struct flow_table *table = &engine->flows;
	uint32_t same_source = 0;

	for (int i = 0; i < 2; i++) {
		enum lun_direction direction;
		const struct lun_tuple *tuple = &flow->tuple[i];

		MUST(flow_lookup(table, tuple, flow_hash(table, tuple), &direction) == flow);
		MUST(direction == (unsigned)i || tuple_equal(tuple, &flow->tuple[!i])); /* from an address to itself */
	}
	MUST(flow_by_id(table, flow_id(table, flow)) == flow && flow->state < LUN_STATE_COUNT);
	MUST(flow->place != WHEEL_NONE); /* it will end */
	for (uint32_t i = 0; i < table->used; i++)
		same_source += table->flows[i].flags & FLOW_OPEN &&
			       table->flows[i].tuple[0].tenant == flow->tuple[0].tenant &&
			       memcmp(&table->flows[i].tuple[0].source, &flow->tuple[0].source, 16) == 0;
	MUST(!engine->sources.table || sources_count(&engine->sources, &flow->tuple[0]) == same_source);
}

/* Every record is open or free, and what is counted of flows is what there is. */
static inline void check_table(const struct lun_engine *engine)
{
	const struct flow_table *table = &engine->flows;
	uint32_t open = 0, half_open = 0, edited = 0, ported = 0, entries = 0, free = 0, streams = 0, replies = 0,
		 answered = 0;

	for (uint32_t i = 0; i < table->used; i++) {
		const struct flow *flow = &table->flows[i];

		if (!(flow->flags & FLOW_OPEN))
			continue;
		check_flow(engine, flow);
		open++;
		half_open += flow->tuple[0].protocol == LUN_TCP && state_is_half_open(flow->state);
		edited += !!(flow->flags & FLOW_HTTP);
		answered += flow->flags & FLOW_HTTP && http_stream_of(&engine->http, table, flow)->reply != HTTP_NONE;
		ported += flow->port != FLOW_NONE;
	}
	for (uint32_t i = table->free; i != FLOW_NONE; i = table->flows[i].place)
		MUST(++free <= table->used);
	for (uint32_t i = engine->http.free; i != FLOW_NONE; i = engine->http.streams[i].reply)
		MUST(++streams <= engine->http.used);
	for (uint32_t i = engine->http.replies_free; i != HTTP_NONE; i = engine->http.replies[i].next_free)
		MUST(++replies <= engine->http.replies_used);
	for (uint32_t i = 0; i < table->index.count; i++)
		for (int way = 0; way < INDEX_WAYS; way++)
			entries += table->index.buckets[i].tags[way] != 0;
	for (uint32_t i = 0; i < engine->ports.count; i++)
		if (engine->ports.slots[i].owner == FLOW_NONE) /* an endpoint's are its port's, too */
			ported -= engine->ports.slots[i].load.flows;
	MUST(open == table->count && open + free == table->used && entries == 2 * open && half_open == table->half_open);
	MUST(ported == 0 && edited + streams == engine->http.used && answered + replies == engine->http.replies_used);
}

/* Every packet has one verdict and one reason; every flow that was opened is there or has ended. */
static inline void check_counters(const struct lun_engine *engine)
{
	struct lun_stats stats;
	uint64_t verdicts = 0, reasons = 0;

	lun_engine_stats(engine, &stats);
	for (int i = 0; i <= LUN_QUERY; i++)
		verdicts += stats.verdicts[i];
	for (int i = 0; i < LUN_REASON_COUNT; i++)
		reasons += stats.reasons[i];
	MUST(verdicts == stats.packets && reasons - stats.reasons[LUN_REASON_policy_error] <= stats.packets &&
	     reasons >= stats.packets);
	MUST(stats.flows_opened == stats.flows_ended + stats.flows && stats.flows <= stats.flows_max);
}

/* Fragments that wait for the rest of their datagram. */
static inline uint64_t fragments_waiting(const struct lun_engine *engine)
{
	uint64_t count = 0;
	uint32_t waiting = 0;

	for (int i = 0; i < FRAGMENT_DATAGRAMS; i++) {
		const struct datagram *datagram = &engine->fragments.datagrams[i];

		count += datagram->number ? datagram->count : 0;
		waiting += datagram->number != 0;
	}
	MUST(waiting == engine->fragments.waiting);
	return count;
}

/* Every fragment that was kept waits, has left, or was given up.  The ring of events is empty. */
static inline void check_fragments(const struct lun_engine *engine, uint64_t emitted)
{
	struct lun_stats stats;
	uint64_t known = emitted + fragments_waiting(engine);

	lun_engine_stats(engine, &stats);
	known += stats.echoes;
	for (int i = 0; i < LUN_REASON_COUNT; i++)
		known += stats.fragments_given_up[i];
	MUST(stats.verdicts[LUN_STOLEN] == known);
}

/* Lets all time go by: nothing may stay, and whoever asks when to come again is told a time ahead.  => frees the engine. */
static inline void fuzz_finish(struct lun_engine *engine, uint64_t now)
{
	struct lun_stats stats;
	struct lun_event event;

	now += 61000000000; /* for fragments, of which no deadline speaks */
	for (int i = 0; i < 1000 && lun_engine_tick(engine, now) != UINT64_MAX; i++) {
		MUST(lun_engine_deadline(engine) > now ||
		     events_full(&engine->events)); /* what it has to say must be heard */
		while (lun_engine_next_event(engine, &event))
			continue;
		now = lun_engine_deadline(engine);
		check_table(engine);
	}
	check_counters(engine);
	lun_engine_stats(engine, &stats);
	MUST(stats.flows == 0 && stats.half_open == 0 && fragments_waiting(engine) == 0);
	lun_engine_free(engine);
}

#endif
