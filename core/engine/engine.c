/* engine.c - making, freeing and asking an engine; what it does with packets is in path.c. */
#include "engine/engine.h"
#include "engine/gone.h"

#include "base/config.h"
#include "base/fail.h"
#include "base/memory.h"

enum {
	FLOWS_DEFAULT = 65536,
	FLOWS_MOST = 1 << 27,
	ENDPOINTS_MOST = 1 << 20, /* a slot of the index is flow * 2 + direction, a wheel entry a positive int32_t */
	EVENTS_DEFAULT = 1024,
	RING_MOST = 1 << 30, /* offsets in a ring are added up in 32 bits */
	EMIT_DEFAULT = 1 << 20,
	EMIT_LEAST = 65536, /* any IPv4 packet fits; no IPv6 link carries fragments as long */
	FRAGMENT_DEFAULT = 1 << 20,
	FRAGMENT_LEAST = 65536,
};

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

static struct lun_config config_completed(const struct lun_config *config)
{
	struct lun_config complete = *config;

	complete.flows = or_default(config->flows, FLOWS_DEFAULT);
	complete.edits = or_default(config->edits, complete.flows / 16 + 1);
	complete.affinities = or_default(config->affinities, complete.flows);
	complete.events = or_default(config->events, EVENTS_DEFAULT);
	complete.fragment_size = or_default(config->fragment_size, FRAGMENT_DEFAULT);
	complete.emit_size = or_default(config->emit_size, EMIT_DEFAULT);
	return complete;
}

static void count_memory(struct lun_engine *engine)
{
	const struct lun_config *config = &engine->config;
	uint64_t index = (uint64_t)engine->flows.index.count * sizeof(struct bucket);
	uint64_t wheel = (uint64_t)(config->flows / WHEEL_CHUNK) * sizeof(struct wheel_chunk);
	uint64_t table = (uint64_t)config->flows * (sizeof(struct flow) + sizeof(struct flow_more)) + index + wheel;

	engine->stats.flows_max = config->flows;
	engine->stats.flow_bytes = (table + config->flows - 1) / config->flows;
	engine->stats.memory = table + engine->flows.wheel.chunk_count * sizeof(struct wheel_chunk) - wheel +
			       (uint64_t)config->edits * sizeof(struct seqmap) + http_memory(&engine->http) +
			       config->fragment_size + engine->fragments.blocks * sizeof(uint32_t) + FRAGMENT_WHOLE +
			       FRAGMENT_DATAGRAMS * sizeof(struct datagram) +
			       (uint64_t)config->events * sizeof(struct lun_event) + config->emit_size + sizeof(*engine) +
			       (uint64_t)engine->endpoints.size * sizeof(struct endpoint_count);
}

/* Limits that are none. */
static int check_limits(const struct lun_config *config, struct lun_error *error)
{
	if (config->affinities > FLOWS_MOST)
		return fail(error, LUN_BAD_ARGUMENT, "%u affinities, expected at most %d", config->affinities, FLOWS_MOST);
	if (config->endpoint_counts > ENDPOINTS_MOST)
		return fail(error, LUN_BAD_ARGUMENT, "%u endpoint_counts, expected at most %d", config->endpoint_counts,
			    ENDPOINTS_MOST);
	if (config->flows > FLOWS_MOST)
		return fail(error, LUN_BAD_ARGUMENT, "%u flows, expected at most %d", config->flows, FLOWS_MOST);
	if (config->emit_size > RING_MOST || config->fragment_size > RING_MOST)
		return fail(error, LUN_BAD_ARGUMENT, "emit_size is %u and fragment_size %u, expected at most %d",
			    config->emit_size, config->fragment_size, RING_MOST);
	if (config->emit_size && config->emit_size < EMIT_LEAST)
		return fail(error, LUN_BAD_ARGUMENT, "emit_size is %u, expected at least %d", config->emit_size, EMIT_LEAST);
	if (config->fragment_size && config->fragment_size < FRAGMENT_LEAST)
		return fail(error, LUN_BAD_ARGUMENT, "fragment_size is %u, expected at least %d", config->fragment_size,
			    FRAGMENT_LEAST);
	return 0;
}

int lun_engine_new(struct lun_engine **made, const struct lun_config *given, struct lun_policy *policy,
		   struct lun_error *error)
{
	struct lun_config ours = { 0 };
	const struct lun_config *config = &ours;
	struct lun_engine *engine;
	int result;

	if (!config_read(&ours, sizeof(ours), given))
		return fail(error, LUN_BAD_ARGUMENT, "config.size is %zu, expected sizeof(struct lun_config), here %zu",
			    given->size, sizeof(ours));
	result = check_limits(config, error);
	if (result < 0)
		return result;
	engine = memory_aligned(sizeof(*engine));
	if (!engine)
		return fail(error, LUN_NO_MEMORY, "out of memory");
	*engine = (struct lun_engine) { .config = config_completed(config), .ports.drain_next = UINT64_MAX };
	engine->random.state = config->seed[0] ^ (config->seed[1] * 0x9e3779b97f4a7c15u);
	if (flow_table_init(&engine->flows, engine->config.flows, engine->config.edits, config->seed) < 0 ||
	    http_init(&engine->http, engine->config.edits, &engine->flows.key) < 0 ||
	    fragments_init(&engine->fragments, engine->config.fragment_size) < 0 ||
	    events_init(&engine->events, engine->config.events, engine->config.emit_size) < 0 ||
	    (config->endpoint_counts && endpoints_init(&engine->endpoints, config->endpoint_counts) < 0))
		result = fail(error, LUN_NO_MEMORY, "out of memory for %u flows", engine->config.flows);
	else if ((result = lun_engine_set_policy(engine, policy)) < 0)
		fail(error, result, "the policy cannot be used: %s", lun_strerror(result));
	if (result < 0) {
		lun_engine_free(engine);
		return result;
	}
	engine->flows.liberal = config->liberal;
	engine->http.captured = config->captured;
	*made = engine;
	return 0;
}

void lun_engine_free(struct lun_engine *engine)
{
	if (!engine)
		return;
	for (uint32_t i = 0; i < engine->flows.used; i++)
		if (engine->flows.flows[i].flags & FLOW_HTTP)
			lun_policy_unref(http_stream_close(&engine->http, &engine->flows, &engine->flows.flows[i]));
	flow_table_fini(&engine->flows);
	http_fini(&engine->http);
	events_fini(&engine->events);
	lun_policy_unref(engine->policy);
	ports_fini(&engine->ports);
	endpoints_fini(&engine->endpoints);
	sources_fini(&engine->sources);
	affinity_fini(&engine->affinity);
	fragments_fini(&engine->fragments);
	memory_give(engine);
}

/* Counts the sources of the flows that there are: from now on a policy limits them. */
static int count_sources(struct lun_engine *engine)
{
	if (sources_init(&engine->sources, engine->config.flows, &engine->flows.key) < 0)
		return LUN_NO_MEMORY;
	for (uint32_t i = 0; i < engine->flows.used; i++)
		if (engine->flows.flows[i].flags & FLOW_OPEN)
			sources_add(&engine->sources, &engine->flows.flows[i].tuple[LUN_ORIG]);
	return 0;
}

int lun_engine_set_policy(struct lun_engine *engine, struct lun_policy *policy)
{
	int result = 0;

	if (policy && policy->source_limit && !engine->sources.table)
		result = count_sources(engine);
	if (result == 0 && policy && policy->remembers && !engine->affinity.entries)
		result = affinity_init(&engine->affinity, engine->config.affinities);
	if (result == 0 && policy && policy->responses && !engine->config.commit)
		result = http_edit_responses(&engine->http, &engine->flows);
	if (result == 0)
		result = ports_set_policy(&engine->ports, engine->policy, policy, &engine->flows);
	if (result < 0)
		return result;
	if (policy)
		lun_policy_ref(policy);
	lun_policy_unref(engine->policy);
	engine->policy = policy;
	count_memory(engine);
	engine->sees_packets = lun_policy_sees_packets(policy);
	gone_begin(engine);
	return 0;
}

void lun_engine_stats(const struct lun_engine *engine, struct lun_stats *stats)
{
	*stats = engine->stats;
	for (size_t i = 0; i < sizeof(stats->verdicts) / sizeof(stats->verdicts[0]); i++)
		stats->packets += stats->verdicts[i]; /* each has one */
	stats->flows_opened = engine->flows.opened;
	stats->flows_ended = engine->flows.ended;
	stats->flows = engine->flows.count;
	stats->edits = engine->http.edits;
	stats->reasons[LUN_REASON_policy_error] += engine->http.hooks_failed;
	stats->half_open = engine->flows.half_open;
	memcpy(stats->fragments_given_up, engine->fragments.given_up, sizeof(stats->fragments_given_up));
	if (engine->affinity.entries)
		stats->memory += (uint64_t)engine->affinity.size * sizeof(struct affinity_entry);
	if (engine->sources.table)
		stats->memory += (uint64_t)engine->sources.size * sizeof(struct source);
}

bool lun_engine_port(const struct lun_engine *engine, size_t index, struct lun_port_stats *stats)
{
	const struct port_state *port;

	if (!engine->policy || index >= engine->policy->port_count)
		return false;
	port = &engine->ports.slots[engine->ports.slot[index]];
	*stats = (struct lun_port_stats) { .service = engine->policy->ports[index].text,
					   .flows = port->load.flows,
					   .ended_packets = { port->counts[0], port->counts[1] },
					   .ended_bytes = { port->counts[2], port->counts[3] } };
	return true;
}

static void take_counts(struct lun_endpoint_stats *stats, const uint64_t counts[FLOW_COUNTS])
{
	memcpy(stats->ended_packets, counts, sizeof(stats->ended_packets));
	memcpy(stats->ended_bytes, counts + 2, sizeof(stats->ended_bytes));
}

bool lun_engine_endpoint(const struct lun_engine *engine, uint64_t *cursor, struct lun_endpoint_stats *stats)
{
	const struct endpoints *endpoints = &engine->endpoints;

	for (; *cursor < endpoints->size; ++*cursor) {
		const struct endpoint_count *entry = &endpoints->entries[*cursor];

		if (!entry->protocol)
			continue;
		*stats = (struct lun_endpoint_stats) { .address = entry->address,
						       .port = entry->port,
						       .protocol = entry->protocol };
		take_counts(stats, entry->counts);
		++*cursor;
		return true;
	}
	*stats = (struct lun_endpoint_stats) { .protocol = 0 };
	take_counts(stats, endpoints->others);
	return false;
}

bool lun_engine_next_event(struct lun_engine *engine, struct lun_event *event)
{
	return events_take(&engine->events, event);
}

static void describe(const struct lun_engine *engine, const struct flow *flow, struct lun_flow *description)
{
	uint32_t port = flow->port;

	flow_describe(&engine->flows, flow, description);
	if (port != FLOW_NONE && engine->ports.slots[port].declared)
		description->service = engine->policy->ports[engine->ports.slots[port].service_port].text;
}

bool lun_flow_next(const struct lun_engine *engine, uint64_t *cursor, struct lun_flow *flow)
{
	for (; *cursor < engine->flows.used; ++*cursor) {
		const struct flow *found = &engine->flows.flows[*cursor];

		if (!(found->flags & FLOW_OPEN) || flow_left_ms(&engine->flows, found) == 0)
			continue;
		describe(engine, found, flow);
		++*cursor;
		return true;
	}
	return false;
}

int lun_flow_find(const struct lun_engine *engine, const struct lun_tuple *tuple, struct lun_flow *flow)
{
	enum lun_direction direction;
	const struct flow *found = flow_lookup(&engine->flows, tuple, flow_hash(&engine->flows, tuple), &direction);

	if (!found || flow_left_ms(&engine->flows, found) == 0)
		return LUN_NOT_FOUND;
	describe(engine, found, flow);
	return 0;
}

int lun_flow_end(struct lun_engine *engine, uint64_t id)
{
	struct flow *flow = flow_by_id(&engine->flows, id);

	if (!flow)
		return LUN_NOT_FOUND;
	engine_forget_flow(engine, flow);
	return 0;
}
