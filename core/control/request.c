/* request.c - what a client asks: one JSON object, of which every key must be known. */
#include "control/request.h"
#include "control/fail.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "10.0.0.0/8", "10.0.0.1", "10.0.0.1:80", "[fd00::1]:80". */
static bool parse_place(struct request_place *place, const char *text)
{
	if (lun_prefix_parse(&place->prefix, text) == 0)
		return true;
	place->prefix.length = 128;
	return lun_endpoint_parse(&place->prefix.address, &place->port, text) == 0;
}

static bool parse_protocol(struct request *request, const char *text)
{
	int number = lun_protocol_number(text);

	request->protocol = (uint8_t)number;
	return number > 0;
}

static bool parse_state(struct request *request, const char *text)
{
	snprintf(request->state, sizeof(request->state), "%s", text);
	for (int state = 0; state < LUN_STATE_COUNT; state++)
		if (strcmp(lun_state_name((enum lun_state)state), text) == 0)
			return true;
	return false;
}

static bool parse_service(struct request *request, const char *text)
{
	return (size_t)snprintf(request->service, sizeof(request->service), "%s", text) < sizeof(request->service) && *text;
}

/* Seconds. */
static bool parse_age(struct request *request, const char *text)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	request->age = seconds * UINT64_C(1000000000);
	return *text >= '0' && *text <= '9' && !*end && seconds <= UINT32_MAX;
}

/* False: the key is unknown, or the value is none for it. */
static bool parse_filter_item(struct request *request, const char *key, const char *text)
{
	if (strcmp(key, "protocol") == 0)
		return parse_protocol(request, text);
	if (strcmp(key, "state") == 0)
		return parse_state(request, text);
	if (strcmp(key, "service") == 0)
		return parse_service(request, text);
	if (strcmp(key, "age") == 0)
		return parse_age(request, text);
	if (strcmp(key, "source") == 0)
		return parse_place(&request->source, text);
	if (strcmp(key, "destination") == 0)
		return parse_place(&request->destination, text);
	return strcmp(key, "endpoint") == 0 && parse_place(&request->endpoint, text);
}

static int parse_filter(struct request *request, const cJSON *filter, struct lun_error *error)
{
	const cJSON *item;

	if (!cJSON_IsObject(filter))
		return control_fail(error, LUN_BAD_ARGUMENT, "filter: expected an object");
	for (item = filter->child; item; item = item->next) {
		const char *text = cJSON_GetStringValue(item);

		if (!text || !parse_filter_item(request, item->string, text))
			return control_fail(error, LUN_BAD_ARGUMENT, "filter: %.60s %.100s is not known", item->string,
					    text ? text : "of this kind");
	}
	return 0;
}

static int parse_command(struct request *request, const char *command, struct lun_error *error)
{
	static const char *const commands[] = {
		[REQUEST_FLOWS] = "flows", [REQUEST_STATS] = "stats", [REQUEST_TRACE] = "trace"
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		request->command = i;
		if (strcmp(command, commands[i]) == 0)
			return 0;
	}
	return control_fail(error, LUN_BAD_ARGUMENT, "command %.60s is not known, expected flows, stats or trace", command);
}

static int parse_count(struct request *request, double count, struct lun_error *error)
{
	if (!(count >= 1 && count <= REQUEST_COUNT_MOST))
		return control_fail(error, LUN_BAD_ARGUMENT, "count: expected 1 to %d", REQUEST_COUNT_MOST);
	request->count = (uint32_t)count;
	return 0;
}

static int parse_expression(struct request *request, const char *text, struct lun_error *error)
{
	if ((size_t)snprintf(request->expression, sizeof(request->expression), "%s", text) < sizeof(request->expression))
		return 0;
	return control_fail(error, LUN_BAD_ARGUMENT, "expression: expected at most %d bytes", REQUEST_EXPRESSION - 1);
}

static int parse_item(struct request *request, const cJSON *item, struct lun_error *error)
{
	if (strcmp(item->string, "filter") == 0)
		return parse_filter(request, item, error);
	if (strcmp(item->string, "end") == 0 && cJSON_IsBool(item)) {
		request->end = cJSON_IsTrue(item);
		return 0;
	}
	if (strcmp(item->string, "expression") == 0 && cJSON_IsString(item))
		return parse_expression(request, item->valuestring, error);
	if (strcmp(item->string, "count") == 0 && cJSON_IsNumber(item))
		return parse_count(request, item->valuedouble, error);
	if (strcmp(item->string, "command") == 0 && cJSON_IsString(item))
		return parse_command(request, item->valuestring, error);
	return control_fail(error, LUN_BAD_ARGUMENT, "%.60s: not known", item->string);
}

int request_parse(struct request *request, const char *line, struct lun_error *error)
{
	cJSON *object = cJSON_Parse(line);
	const cJSON *item;
	int code = 0;

	*request = (struct request) { .count = 1 };
	if (!cJSON_IsObject(object) || !cJSON_HasObjectItem(object, "command"))
		code = control_fail(error, LUN_BAD_ARGUMENT, "expected an object with a command");
	else
		for (item = object->child; item && code == 0; item = item->next)
			code = parse_item(request, item, error);
	if (code == 0 && request->end && !cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(object, "filter")))
		code = control_fail(error, LUN_BAD_ARGUMENT, "which flows to end: a filter is missing");
	cJSON_Delete(object);
	return code;
}

static bool place_holds(const struct request_place *place, const struct lun_address *address, uint16_t port)
{
	return lun_prefix_holds(&place->prefix, address) && (!place->port || place->port == port);
}

/* A service is asked for with its port, "default/dns:dns", or without. */
static bool service_fits(const char *wanted, const char *service)
{
	size_t length = strlen(wanted);

	if (!length)
		return true;
	return service && strncmp(service, wanted, length) == 0 && (!service[length] || service[length] == ':');
}

bool request_wants(const struct request *request, const struct lun_flow *flow)
{
	return (!request->protocol || request->protocol == flow->orig.protocol) &&
	       (!request->state[0] || strcmp(request->state, lun_state_name(flow->state)) == 0) &&
	       flow->age >= request->age && service_fits(request->service, flow->service) &&
	       place_holds(&request->source, &flow->orig.source, flow->orig.source_port) &&
	       place_holds(&request->destination, &flow->orig.destination, flow->orig.destination_port) &&
	       place_holds(&request->endpoint, &flow->reply.source, flow->reply.source_port);
}
