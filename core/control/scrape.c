/* scrape.c - the metrics of an agent.
 *
 * What flows to a service, or an endpoint, carried is known in two parts: the engine counts what ended, and those that live are
 * walked, some at a time.  A flow may end in between and be in neither part; a counter that falls would be taken for one that began
 * anew, so none is told lower than the last time.
 *
 * Labels are bounded: what is over SERIES services, or endpoints, is told in one sum as "other".  What is not known, such as the
 * packets of flows that the kernel carries and does not count, is not told at all. */
#include "control/scrape.h"
#include "control/exposition.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { SERIES = 1000, FLOWS_A_STEP = 2048, SERIES_A_STEP = 64 };

/* Stages in the order of the text; the first makes none. */
enum stage {
	WALK,
	SERVICE_FLOWS,
	SERVICE_PACKETS,
	SERVICE_BYTES,
	ENDPOINT_FLOWS,
	ENDPOINT_PACKETS,
	ENDPOINT_BYTES,
	COUNTERS
};

/* ---- what is counted flow by flow ---- */

static struct tally_entry *place(struct tally *tally, const struct tally_entry *key, struct tally_entry *other)
{
	struct tally_entry *entry = tally->count < SERIES ? tally_place(tally, key) : tally_find(tally, key);

	return entry ? entry : other;
}

static void add_traffic(struct tally_entry *entry, const uint64_t packets[2], const uint64_t bytes[2])
{
	for (int way = 0; way < 2; way++) {
		entry->packets[way] += packets[way];
		entry->bytes[way] += bytes[way];
	}
}

/* The ports that the policy has now; they are what the text will speak of. */
static void place_services(struct scrape *scrape)
{
	struct lun_port_stats port;

	for (size_t i = 0; lun_engine_port(lun_live_engine(scrape->live), i, &port); i++) {
		struct tally_entry key = { .service = (char *)(uintptr_t)port.service };
		struct tally_entry *entry = place(&scrape->services, &key, &scrape->other_service);

		entry->flows += port.flows;
		add_traffic(entry, port.ended_packets, port.ended_bytes);
	}
}

/* Endpoints of which flows ended.  They are told apart by where they are alone: a service may be gone by now. */
static void place_endpoints(struct scrape *scrape)
{
	struct lun_endpoint_stats stats;
	uint64_t cursor = 0;
	bool more;

	do {
		struct tally_entry *entry = &scrape->other_carried;

		more = lun_engine_endpoint(lun_live_engine(scrape->live), &cursor, &stats);
		if (more)
			entry = place(&scrape->carried,
				      &(struct tally_entry) {
					      .endpoint = stats.address, .port = stats.port, .protocol = stats.protocol },
				      &scrape->other_carried);
		add_traffic(entry, stats.ended_packets, stats.ended_bytes);
	} while (more);
}

static void count_flow(struct scrape *scrape, const struct lun_flow *flow)
{
	struct tally_entry key = tally_key(flow), service_key = { .service = key.service };
	struct tally_entry *service = flow->service ? tally_find(&scrape->services, &service_key) : NULL;

	if (flow->translated) {
		place(&scrape->endpoints, &key, &scrape->other_endpoint)->flows++;
		key.service = NULL;
		add_traffic(place(&scrape->carried, &key, &scrape->other_carried), flow->packets, flow->bytes);
	}
	if (flow->service)
		add_traffic(service ? service : &scrape->other_service, flow->packets, flow->bytes);
}

static void not_below(struct tally_entry *entry, const struct tally_entry *told)
{
	for (int way = 0; told && way < 2; way++) {
		if (entry->packets[way] < told->packets[way])
			entry->packets[way] = told->packets[way];
		if (entry->bytes[way] < told->bytes[way])
			entry->bytes[way] = told->bytes[way];
	}
}

static void none_below(struct tally *tally, const struct tally *told)
{
	for (size_t slot = 0; slot < tally->capacity; slot++)
		if (tally->entries[slot].used)
			not_below(&tally->entries[slot], tally_find(told, &tally->entries[slot]));
}

/* True: all flows were seen. */
static bool walk(struct scrape *scrape)
{
	struct lun_flow flow;

	for (int i = 0; i < FLOWS_A_STEP; i++) {
		if (lun_flow_next(lun_live_engine(scrape->live), &scrape->cursor, &flow)) {
			count_flow(scrape, &flow);
			continue;
		}
		none_below(&scrape->services, &scrape->told);
		none_below(&scrape->carried, &scrape->told_carried);
		not_below(&scrape->other_service, &scrape->told_other);
		not_below(&scrape->other_carried, &scrape->told_other_carried);
		return true;
	}
	return false;
}

/* ---- families with a sample for each service, or endpoint ---- */

/* Samples of both directions; the last of the labels says which. */
static void put_pair(FILE *out, const char *name, struct label *labels, const uint64_t values[2])
{
	static const char *const ways[] = { [LUN_ORIG] = "orig", [LUN_REPLY] = "reply" };
	struct label *last = labels;

	while (last[1].name)
		last++;
	for (int way = 0; way < 2; way++) {
		last->value = ways[way];
		exposition_count(out, name, labels, values[way]);
	}
}

static void put_entry(struct scrape *scrape, const struct tally_entry *entry, const char *service, const char *endpoint)
{
	struct label of_service[] = { { "service", service }, { "direction", NULL }, { 0 } };
	struct label of_endpoint[] = {
		{ "protocol", lun_protocol_name(entry->protocol) }, { "endpoint", endpoint }, { "direction", NULL }, { 0 }
	};

	switch (scrape->stage) {
	case SERVICE_FLOWS:
		exposition_count(scrape->out, "lunette_service_flows",
				 (const struct label[]) { { "service", service }, { 0 } }, entry->flows);
		break;
	case SERVICE_PACKETS:
		put_pair(scrape->out, "lunette_service_packets_total", of_service, entry->packets);
		break;
	case SERVICE_BYTES:
		put_pair(scrape->out, "lunette_service_bytes_total", of_service, entry->bytes);
		break;
	case ENDPOINT_PACKETS:
		put_pair(scrape->out, "lunette_endpoint_packets_total", of_endpoint, entry->packets);
		break;
	case ENDPOINT_BYTES:
		put_pair(scrape->out, "lunette_endpoint_bytes_total", of_endpoint, entry->bytes);
		break;
	case ENDPOINT_FLOWS:
		exposition_count(scrape->out, "lunette_endpoint_flows",
				 (const struct label[]) { { "service", service },
							  { "protocol", lun_protocol_name(entry->protocol) },
							  { "endpoint", endpoint },
							  { 0 } },
				 entry->flows);
		break;
	}
}

static void put_head(const struct scrape *scrape)
{
	static const struct {
		const char *name, *type, *help;
	} heads[] = {
		[SERVICE_FLOWS] = { "lunette_service_flows", "gauge", "Connections to each port of a service." },
		[SERVICE_PACKETS] = { "lunette_service_packets_total", "counter",
				      "Packets of connections to each port of a service." },
		[SERVICE_BYTES] = { "lunette_service_bytes_total", "counter",
				    "Bytes, with IP headers, of connections to each port of a service." },
		[ENDPOINT_FLOWS] = { "lunette_endpoint_flows", "gauge",
				     "Connections at each endpoint; one without any is not there." },
		[ENDPOINT_PACKETS] = { "lunette_endpoint_packets_total", "counter",
				       "Packets of connections to each endpoint." },
		[ENDPOINT_BYTES] = { "lunette_endpoint_bytes_total", "counter",
				     "Bytes, with IP headers, of connections to each endpoint." },
	};

	exposition_family(scrape->out, heads[scrape->stage].name, heads[scrape->stage].type, heads[scrape->stage].help);
}

/* Some entries of a table; true: that were all. */
static bool put_table(struct scrape *scrape, const struct tally *tally, const struct tally_entry *other)
{
	char endpoint[LUN_ADDRESS_TEXT];

	if (scrape->cursor == 0)
		put_head(scrape);
	for (int put = 0; put < SERIES_A_STEP && scrape->cursor < tally->capacity; scrape->cursor++) {
		const struct tally_entry *entry = &tally->entries[scrape->cursor];

		if (!entry->used)
			continue;
		put_entry(scrape, entry, entry->service, lun_endpoint_format(&entry->endpoint, entry->port, endpoint));
		put++;
	}
	if (scrape->cursor < tally->capacity)
		return false;
	if (tally->count >= SERIES || (tally == &scrape->carried && other->packets[LUN_ORIG]))
		put_entry(scrape, other, "other", "other");
	return true;
}

/* ---- counters of the whole ---- */

struct counter {
	const char *name, *type, *help;
	size_t offset; /* of an uint64_t, in the struct that it is of */
};

static void put_counters(FILE *out, const struct counter *counters, size_t count, const void *values)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value;

		memcpy(&value, (const char *)values + counters[i].offset, sizeof(value));
		exposition_family(out, counters[i].name, counters[i].type, counters[i].help);
		exposition_count(out, counters[i].name, NULL, value);
	}
}

static void put_each(FILE *out, const char *name, const char *label, const char *text, uint64_t value)
{
	exposition_count(out, name, (const struct label[]) { { label, text }, { 0 } }, value);
}

/* Packets, by what became of them. */
static void put_decided(FILE *out, const struct lun_stats *stats)
{
#define DECIDED(name, text) text,
	static const char *const decisions[] = { LUN_DECIDED(DECIDED) };
#undef DECIDED

	exposition_family(out, "lunette_new_flows_total", "counter",
			  "Packets that would open a connection, by what was decided.");
	for (int i = 0; i < LUN_DECIDED_COUNT; i++)
		put_each(out, "lunette_new_flows_total", "decision", decisions[i], stats->decisions[i]);
	exposition_family(out, "lunette_packets_total", "counter", "Packets that came to the agent, by verdict.");
	for (int i = 0; i <= LUN_QUERY; i++)
		put_each(out, "lunette_packets_total", "verdict", lun_verdict_name((enum lun_verdict)i), stats->verdicts[i]);
	exposition_family(out, "lunette_reasons_total", "counter", "Packets that were not simply let through, by reason.");
	for (int i = LUN_REASON_none + 1; i < LUN_REASON_COUNT; i++)
		put_each(out, "lunette_reasons_total", "reason", lun_reason_name((enum lun_reason)i), stats->reasons[i]);
}

static void put_engine(const struct scrape *scrape)
{
	static const struct counter counters[] = {
		{ "lunette_flows", "gauge", "Connections now.", offsetof(struct lun_stats, flows) },
		{ "lunette_flows_max", "gauge", "Most connections that there may be.",
		  offsetof(struct lun_stats, flows_max) },
		{ "lunette_half_open_flows", "gauge", "TCP connections whose handshake is not complete.",
		  offsetof(struct lun_stats, half_open) },
		{ "lunette_flows_opened_total", "counter", "Connections that began, or were taken over.",
		  offsetof(struct lun_stats, flows_opened) },
		{ "lunette_flows_ended_total", "counter", "Connections that ended.",
		  offsetof(struct lun_stats, flows_ended) },
		{ "lunette_memory_bytes", "gauge", "Memory of the engine.", offsetof(struct lun_stats, memory) },
		{ "lunette_edits_total", "counter", "Edits of streams.", offsetof(struct lun_stats, edits) },
		{ "lunette_retries_total", "counter",
		  "SYNs that went to another endpoint in the engine, for theirs was silent.",
		  offsetof(struct lun_stats, retries) },
		{ "lunette_rests_total", "counter", "Endpoints that began to rest.", offsetof(struct lun_stats, rests) },
		{ "lunette_drained_flows_total", "counter", "TCP connections that were ended, for their endpoint went.",
		  offsetof(struct lun_stats, drained) },
		{ "lunette_echoes_total", "counter", "Pings that the engine answered; without --inline the kernel does.",
		  offsetof(struct lun_stats, echoes) },
		{ "lunette_events_lost_total", "counter", "Events of the engine for which there was no room.",
		  offsetof(struct lun_stats, events_lost) },
	};
	struct lun_stats stats;

	lun_engine_stats(lun_live_engine(scrape->live), &stats);
	put_counters(scrape->out, counters, sizeof(counters) / sizeof(counters[0]), &stats);
	put_decided(scrape->out, &stats);
}

static void put_commit_times(FILE *out, const struct lun_live_stats *stats)
{
#define BOUND_NS(bound) bound,
	static const uint64_t bounds[] = { LUN_COMMIT_BOUNDS(BOUND_NS) };
#undef BOUND_NS
	uint64_t count = 0;
	char bound[32];

	exposition_family(out, "lunette_commit_seconds", "histogram",
			  "How long openings waited for their verdict while their connections were committed.");
	for (int i = 0; i < LUN_COMMIT_TIMES; i++) {
		count += stats->commit_times[i];
		if (i == LUN_COMMIT_TIMES - 1)
			strcpy(bound, "+Inf");
		else
			snprintf(bound, sizeof(bound), "%g", (double)bounds[i] / 1e9);
		put_each(out, "lunette_commit_seconds_bucket", "le", bound, count);
	}
	exposition_seconds(out, "lunette_commit_seconds_sum", NULL, stats->commit_ns);
	exposition_count(out, "lunette_commit_seconds_count", NULL, count);
}

static void put_live(const struct scrape *scrape)
{
	static const struct counter counters[] = {
		{ "lunette_queued_packets_total", "counter", "Packets that came out of the queue.",
		  offsetof(struct lun_live_stats, queued) },
		{ "lunette_queue_waiting", "gauge", "Packets that wait in the queue.",
		  offsetof(struct lun_live_stats, waiting) },
		{ "lunette_failed_packets_total", "counter", "Packets that were lost to a failure of the kernel's.",
		  offsetof(struct lun_live_stats, failed) },
		{ "lunette_rules_restored_total", "counter",
		  "Times that somebody else took firewall rules of the agent's away.",
		  offsetof(struct lun_live_stats, rules_restored) },
	};
	static const struct counter carried[] = {
		{ "lunette_committed_flows_total", "counter", "Connections that the kernel took.",
		  offsetof(struct lun_live_stats, committed) },
		{ "lunette_carried_packets_total", "counter", "Packets of connections that the kernel carried already.",
		  offsetof(struct lun_live_stats, carried) },
		{ "lunette_replaced_entries_total", "counter", "Entries of its table that stood in the way.",
		  offsetof(struct lun_live_stats, replaced) },
		{ "lunette_table_full_packets_total", "counter", "Packets that were dropped because its table was full.",
		  offsetof(struct lun_live_stats, table_full) },
		{ "lunette_adopted_flows_total", "counter", "Connections that an earlier agent had committed.",
		  offsetof(struct lun_live_stats, adopted) },
		{ "lunette_withdrawn_flows_total", "counter", "Connections that were deleted in its table.",
		  offsetof(struct lun_live_stats, ended) },
		{ "lunette_moved_flows_total", "counter", "Openings that nobody answered, and that were decided anew.",
		  offsetof(struct lun_live_stats, moved) },
	};
	struct lun_live_stats stats;

	lun_live_stats(scrape->live, &stats);
	put_counters(scrape->out, counters, sizeof(counters) / sizeof(counters[0]), &stats);
	exposition_family(scrape->out, "lunette_queue_dropped_packets_total", "counter",
			  "Packets that the kernel dropped before the agent: the queue, or its socket's buffer, was full.");
	put_each(scrape->out, "lunette_queue_dropped_packets_total", "cause", "queue_full", stats.queue_full);
	put_each(scrape->out, "lunette_queue_dropped_packets_total", "cause", "socket_full", stats.socket_full);
	if (stats.mode == LUN_LIVE_INLINE)
		return;
	put_counters(scrape->out, carried, sizeof(carried) / sizeof(carried[0]), &stats);
	put_commit_times(scrape->out, &stats);
}

/* Lines of the policy, of which as many have a counter as the policy counts apart. */
static void put_places(FILE *out, const struct lun_lua_stats *hooks)
{
	static const char family[] = "lunette_policy_errors_total";

	exposition_family(out, family, "counter", "Calls that failed, by the line of the policy.");
	for (int i = 0; i < LUN_LUA_PLACES && hooks->places[i].failed > 0; i++)
		put_each(out, family, "place", hooks->places[i].at, hooks->places[i].failed);
	put_each(out, family, "place", "other", hooks->elsewhere);
}

static void put_hooks(const struct scrape *scrape)
{
	const struct lun_lua_hook_stats *of = scrape->hooks->hooks;
	static const char *const names[LUN_LUA_HOOKS] = LUN_LUA_HOOK_NAMES;
	FILE *out = scrape->out;

	exposition_family(out, "lunette_hook_calls_total", "counter", "Calls of a function of the policy.");
	for (int i = 0; i < LUN_LUA_HOOKS; i++)
		put_each(out, "lunette_hook_calls_total", "hook", names[i], of[i].calls);
	exposition_family(out, "lunette_hook_errors_total", "counter", "Calls that failed.");
	for (int i = 0; i < LUN_LUA_HOOKS; i++)
		put_each(out, "lunette_hook_errors_total", "hook", names[i], of[i].failed);
	exposition_family(out, "lunette_hook_seconds_total", "counter", "Time that calls took.");
	for (int i = 0; i < LUN_LUA_HOOKS; i++)
		exposition_seconds(out, "lunette_hook_seconds_total", (const struct label[]) { { "hook", names[i] }, { 0 } },
				   of[i].ns);
	put_places(out, scrape->hooks);
}

static void put_loads(FILE *out, const struct loads *loads)
{
	exposition_family(out, "lunette_policy_loads_total", "counter", "Times that a policy was loaded, or refused.");
	put_each(out, "lunette_policy_loads_total", "result", "success", loads->good);
	put_each(out, "lunette_policy_loads_total", "result", "failure", loads->bad);
	exposition_family(out, "lunette_policy_last_load_successful", "gauge", "1 if the last one was not refused.");
	exposition_count(out, "lunette_policy_last_load_successful", NULL, !loads->last_bad);
	exposition_family(out, "lunette_policy_age_seconds", "gauge", "Time since the policy that serves was loaded.");
	exposition_seconds(out, "lunette_policy_age_seconds", NULL, uv_hrtime() - loads->at);
}

/* ---- the text ---- */

bool scrape_begin(struct scrape *scrape)
{
	scrape->stage = WALK;
	scrape->cursor = 0;
	scrape->other_service = scrape->other_endpoint = scrape->other_carried = (struct tally_entry) { .flows = 0 };
	scrape->out = open_memstream(&scrape->text, &scrape->size);
	if (scrape->out) {
		place_services(scrape);
		place_endpoints(scrape);
	}
	return scrape->out;
}

/* What was told becomes what nothing falls below. */
static bool finish(struct scrape *scrape)
{
	tally_fini(&scrape->told);
	tally_fini(&scrape->endpoints);
	scrape->told = scrape->services;
	scrape->told_other = scrape->other_service;
	scrape->services = (struct tally) { .count = 0 };
	tally_fini(&scrape->told_carried);
	scrape->told_carried = scrape->carried;
	scrape->told_other_carried = scrape->other_carried;
	scrape->carried = (struct tally) { .count = 0 };
	if (fclose(scrape->out) != 0)
		scrape->size = 0;
	scrape->out = NULL;
	return true;
}

/* Is it known what flows carried? */
static bool is_counted(const struct lun_live *live)
{
	struct lun_live_stats stats;

	lun_live_stats(live, &stats);
	return stats.counts;
}

/* What is not known is left out. */
static int next_stage(const struct scrape *scrape)
{
	if (is_counted(scrape->live))
		return scrape->stage + 1;
	return scrape->stage == SERVICE_FLOWS    ? ENDPOINT_FLOWS
	       : scrape->stage == ENDPOINT_FLOWS ? COUNTERS
						 : scrape->stage + 1;
}

bool scrape_step(struct scrape *scrape, const struct loads *loads)
{
	bool done = true;

	if (scrape->stage == WALK)
		done = walk(scrape);
	else if (scrape->stage == ENDPOINT_FLOWS)
		done = put_table(scrape, &scrape->endpoints, &scrape->other_endpoint);
	else if (scrape->stage == ENDPOINT_PACKETS || scrape->stage == ENDPOINT_BYTES)
		done = put_table(scrape, &scrape->carried, &scrape->other_carried);
	else if (scrape->stage != COUNTERS)
		done = put_table(scrape, &scrape->services, &scrape->other_service);
	if (scrape->stage == COUNTERS) {
		put_engine(scrape);
		put_live(scrape);
		if (scrape->hooks)
			put_hooks(scrape);
		put_loads(scrape->out, loads);
		return finish(scrape);
	}
	if (!done)
		return false;
	scrape->cursor = 0;
	scrape->stage = next_stage(scrape);
	return false;
}

void scrape_fini(struct scrape *scrape)
{
	if (scrape->out) {
		fclose(scrape->out);
		free(scrape->text);
	}
	scrape->out = NULL;
	tally_fini(&scrape->services);
	tally_fini(&scrape->endpoints);
	tally_fini(&scrape->told);
	tally_fini(&scrape->carried);
	tally_fini(&scrape->told_carried);
}
