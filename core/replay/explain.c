/* explain.c - a trace as JSON: what `lunette trace` prints, and what a running agent answers. */
#include <cjson/cJSON.h>
#include <lunette/replay.h>

static void add_text(cJSON *object, const char *key, const char *text)
{
	if (text && *text)
		cJSON_AddStringToObject(object, key, text);
	else
		cJSON_AddNullToObject(object, key);
}

static const char *result_of(const struct lun_packet *packet)
{
	if (packet->verdict == LUN_ACCEPT && packet->trace->translated)
		return "dnat";
	return lun_verdict_name(packet->verdict);
}

/* Why the packet was not simply let through, or NULL. */
static const char *reason_of(const struct lun_packet *packet)
{
	if (packet->trace->reason[0])
		return packet->trace->reason;
	return packet->reason != LUN_REASON_none ? lun_reason_text(packet->reason) : NULL;
}

static void add_endpoints(cJSON *object, const struct lun_trace *trace)
{
	cJSON *array = cJSON_AddArrayToObject(object, "endpoints");
	char text[LUN_ADDRESS_TEXT];

	for (uint32_t i = 0; i < trace->candidate_count && i < trace->candidate_capacity; i++) {
		cJSON *endpoint = cJSON_CreateObject();

		add_text(endpoint, "address",
			 lun_endpoint_format(&trace->candidates[i].address, trace->candidates[i].port, text));
		cJSON_AddNumberToObject(endpoint, "probability", trace->candidates[i].probability);
		cJSON_AddItemToArray(array, endpoint);
	}
}

static void add_steps(cJSON *object, const struct lun_trace *trace)
{
	cJSON *array = cJSON_AddArrayToObject(object, "steps");

	for (uint32_t i = 0; i < trace->step_count; i++) {
		cJSON *step = cJSON_CreateObject();

		add_text(step, "stage", trace->steps[i].stage);
		add_text(step, "text", trace->steps[i].text);
		add_text(step, "at", trace->steps[i].at);
		cJSON_AddItemToArray(array, step);
	}
}

/* What the client's connect(), or read(), fails with. */
struct outcome {
	const char *error, *why;
};

/* Is it the limit that answers, with ICMP host unreachable (RFC 6888, REQ-11), where the engine answers? */
static bool is_limit(enum lun_reason reason)
{
	return reason == LUN_REASON_table_full || reason == LUN_REASON_source_limit || reason == LUN_REASON_service_limit ||
	       reason == LUN_REASON_half_open_limit || reason == LUN_REASON_no_free_port || reason == LUN_REASON_edits_full;
}

/* Of what is let through, the endpoint decides; what belongs to no connection has no client. */
static struct outcome outcome_of(const struct lun_packet *packet)
{
	bool tcp = packet->was.protocol == LUN_TCP, opens = packet->ct == LUN_CT_NEW;

	if (!tcp && packet->was.protocol != LUN_UDP)
		return (struct outcome) { NULL, NULL };
	if (packet->verdict == LUN_DROP && opens)
		return (struct outcome) { tcp ? "Connection timed out" : NULL, tcp ? "nothing answers its SYN" : NULL };
	if (packet->verdict != LUN_REJECT)
		return (struct outcome) { NULL, NULL };
	if (!opens)
		return (struct outcome) { "Connection reset by peer", "both ends get a RST" };
	if (is_limit(packet->reason))
		return (struct outcome) { "No route to host", "ICMP host unreachable answers; where the kernel does, "
							      "it is Connection refused" };
	return (struct outcome) { "Connection refused", tcp ? "a RST answers its SYN" : "ICMP port unreachable answers" };
}

char *lun_trace_json(const struct lun_packet *packet, const char *query)
{
	const struct lun_trace *trace = packet->trace;
	cJSON *object = cJSON_CreateObject();
	const struct outcome outcome = outcome_of(packet);
	char tuple[LUN_TUPLE_TEXT], *line;

	add_text(object, "query", query);
	add_text(object, "result", result_of(packet));
	add_text(object, "reason", reason_of(packet));
	add_text(object, "service", trace->service);
	add_text(object, "via", trace->via != LUN_VIA_none ? lun_via_name(trace->via) : NULL);
	add_endpoints(object, trace);
	cJSON_AddBoolToObject(object, "masquerade", trace->masquerade);
	add_text(object, "masquerade_why", trace->masquerade_why);
	add_steps(object, trace);
	cJSON_AddNumberToObject(object, "endpoint_count", trace->candidate_count);
	add_text(object, "out", packet->verdict == LUN_ACCEPT ? lun_tuple_format(&packet->is, tuple) : NULL);
	if (outcome.error) {
		add_text(object, "client_sees", outcome.error);
		add_text(object, "client_sees_why", outcome.why);
	}
	line = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	return line;
}
