/* answer.c - what a client is told, in pieces of bounded work. */
#include "control/control.h"
#include "control/line.h"
#include "control/outcome.h"

#include <stdlib.h>
#include <string.h>

/* Of one piece: some 150 µs. */
enum { FLOWS_LISTED = 32, FLOWS_LOOKED_AT = 2048 };

static const uint64_t NS_PER_S = UINT64_C(1000000000);

/* The text of a stream that open_memstream made, or NULL. */
static char *text_of(FILE *out, char **text)
{
	if (fclose(out) == 0)
		return *text;
	free(*text);
	return NULL;
}

char *answer_error(const char *sentence)
{
	cJSON *object = cJSON_CreateObject();
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	line_text(object, "error", sentence);
	if (!out) {
		cJSON_Delete(object);
		return NULL;
	}
	line_put(out, object);
	return text_of(out, &text);
}

/* ---- Flows ---- */

/* What the client of a flow sees that does not go well, and why; nothing of one that does, or of which it is not known. */
static void add_outcome(cJSON *object, const struct lun_flow *flow)
{
	struct outcome outcome = outcome_of(flow);

	if (!outcome.error)
		return;
	line_text(object, "client_sees", outcome.error);
	line_text(object, "client_sees_why", outcome.why);
}

static void put_flow(FILE *out, const struct lun_flow *flow)
{
	static const char *const owners[] = { "engine", "pending", "kernel", "kernel_edited" };
	cJSON *object = cJSON_CreateObject();
	char tuple[LUN_TUPLE_TEXT];

	line_text(object, "orig", lun_tuple_format(&flow->orig, tuple));
	line_text(object, "reply", lun_tuple_format(&flow->reply, tuple));
	line_text(object, "state", lun_state_name(flow->state));
	line_text(object, "owner", owners[flow->owner]);
	line_text(object, "service", flow->service);
	cJSON_AddBoolToObject(object, "masquerade", flow->masquerade);
	cJSON_AddNumberToObject(object, "expires_s", (double)(flow->expires / NS_PER_S));
	cJSON_AddNumberToObject(object, "age_s", (double)(flow->age / NS_PER_S));
	line_pair(object, "packets", flow->packets);
	line_pair(object, "bytes", flow->bytes);
	add_outcome(object, flow);
	line_put(out, object);
}

static void put_flows(struct session *session, FILE *out)
{
	struct lun_live *live = session->control->live;
	cJSON *object, *summary;
	struct lun_flow flow;
	int listed = 0, looked_at = 0;

	while (listed < FLOWS_LISTED && looked_at++ < FLOWS_LOOKED_AT) {
		session->last = !lun_flow_next(lun_live_engine(live), &session->cursor, &flow);
		if (session->last)
			break;
		if (!lun_flow_filter_holds(session->request.filter, &flow))
			continue;
		put_flow(out, &flow);
		listed++;
		session->flows++;
		if (session->request.end)
			lun_live_end_flow(live, &flow);
	}
	if (!session->last)
		return;
	object = cJSON_CreateObject();
	summary = cJSON_AddObjectToObject(object, "summary");
	cJSON_AddNumberToObject(summary, "flows", (double)session->flows);
	line_put(out, object);
}

/* ---- Counters ---- */

static void add_counter(cJSON *object, const char *name, uint64_t value)
{
	cJSON_AddNumberToObject(object, name, (double)value);
}

/* What is not zero of an array of counters that have names. */
static void add_named(cJSON *parent, const char *key, const uint64_t *values, int count, const char *(*name_of)(int))
{
	cJSON *object = cJSON_AddObjectToObject(parent, key);

	for (int i = 0; i < count; i++)
		if (values[i])
			add_counter(object, name_of(i), values[i]);
}

static const char *verdict_name(int verdict)
{
	return lun_verdict_name((enum lun_verdict)verdict);
}

static const char *reason_name(int reason)
{
	return lun_reason_name((enum lun_reason)reason);
}

static void add_engine(cJSON *object, const struct lun_live *live)
{
	struct lun_stats stats;

	lun_engine_stats(lun_live_engine(live), &stats);
	add_counter(object, "flows", stats.flows);
	add_counter(object, "flow_limit", stats.flows_max);
	add_counter(object, "flows_opened", stats.flows_opened);
	add_counter(object, "flows_ended", stats.flows_ended);
	add_counter(object, "half_open", stats.half_open);
	add_counter(object, "memory", stats.memory);
	add_counter(object, "packets", stats.packets);
	add_named(object, "verdicts", stats.verdicts, LUN_QUERY + 1, verdict_name);
	stats.reasons[LUN_REASON_none] = 0;
	add_named(object, "reasons", stats.reasons, LUN_REASON_COUNT, reason_name);
}

static void add_live(cJSON *object, const struct lun_live *live)
{
	struct lun_live_stats stats;

	lun_live_stats(live, &stats);
	add_counter(object, "queued", stats.queued);
	add_counter(object, "edited", stats.edited);
	add_counter(object, "committed", stats.committed);
	add_counter(object, "carried", stats.carried);
	add_counter(object, "replaced", stats.replaced);
	add_counter(object, "failed", stats.failed);
	add_counter(object, "table_full", stats.table_full);
	add_counter(object, "adopted", stats.adopted);
	add_counter(object, "ended", stats.ended);
	add_counter(object, "queue_full", stats.queue_full);
	add_counter(object, "socket_full", stats.socket_full);
	add_counter(object, "moved", stats.moved);
	add_counter(object, "rules_restored", stats.rules_restored);
}

/* Failed calls of hooks, by the line of the policy. */
static void add_places(cJSON *object, const struct lun_lua_stats *hooks)
{
	cJSON *places = cJSON_AddObjectToObject(object, "policy_errors");

	for (int i = 0; i < LUN_LUA_PLACES && hooks->places[i].failed > 0; i++)
		add_counter(places, hooks->places[i].at, hooks->places[i].failed);
	if (hooks->elsewhere > 0)
		add_counter(places, "other", hooks->elsewhere);
}

static void put_summary(const struct session *session, FILE *out)
{
	cJSON *object = cJSON_CreateObject(), *summary = cJSON_AddObjectToObject(object, "summary");

	add_engine(summary, session->control->live);
	add_live(summary, session->control->live);
	if (session->control->hooks)
		add_places(summary, session->control->hooks);
	line_put(out, object);
}

static void put_endpoint(FILE *out, const struct tally_entry *entry)
{
	cJSON *object = cJSON_CreateObject();
	char address[LUN_ADDRESS_TEXT];

	line_text(object, "endpoint", lun_endpoint_format(&entry->endpoint, entry->port, address));
	line_text(object, "protocol", lun_protocol_name(entry->protocol));
	line_text(object, "service", entry->service);
	cJSON_AddNumberToObject(object, "flows", (double)entry->flows);
	line_put(out, object);
}

/* Counts some of the flows.  True: that were all, or there is no memory for more. */
static bool count_flows(struct session *session)
{
	const struct lun_engine *engine = lun_live_engine(session->control->live);
	struct tally_entry key, *entry;
	struct lun_flow flow;

	for (int i = 0; i < FLOWS_LOOKED_AT; i++) {
		if (!lun_flow_next(engine, &session->cursor, &flow))
			return true;
		if (!flow.translated)
			continue;
		key = tally_key(&flow);
		entry = tally_place(&session->tally, &key);
		if (!entry)
			return true;
		entry->flows++;
	}
	return false;
}

/* First all flows are counted, then the endpoints are told: the cursor goes through one table and then the other. */
static void put_stats(struct session *session, FILE *out)
{
	const struct tally *tally = &session->tally;

	if (!session->counted) {
		session->counted = count_flows(session);
		if (session->counted)
			session->cursor = 0;
		return;
	}
	for (int listed = 0; listed < FLOWS_LISTED && session->cursor < tally->capacity; session->cursor++) {
		if (!tally->entries[session->cursor].used)
			continue;
		put_endpoint(out, &tally->entries[session->cursor]);
		listed++;
	}
	session->last = session->cursor >= tally->capacity;
	if (session->last)
		put_summary(session, out);
}

static void put_traces(struct session *session, FILE *out)
{
	cJSON *object;

	session->last = tracing_take(session->tracing, out);
	if (!session->last)
		return;
	object = cJSON_CreateObject();
	add_counter(cJSON_AddObjectToObject(object, "summary"), "packets", session->request.count);
	line_put(out, object);
}

char *answer_piece(struct session *session)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (session->request.command == REQUEST_STATS)
		put_stats(session, out);
	else if (session->request.command == REQUEST_TRACE)
		put_traces(session, out);
	else if (session->request.command == REQUEST_TOP)
		session->last = top_step(session->top, out);
	else
		put_flows(session, out);
	return text_of(out, &text);
}
