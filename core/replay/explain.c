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

char *lun_trace_json(const struct lun_packet *packet, const char *query)
{
	const struct lun_trace *trace = packet->trace;
	cJSON *object = cJSON_CreateObject();
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
	line = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	return line;
}
