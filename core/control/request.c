/* request.c - what a client asks: one JSON object, of which every key must be known. */
#include "control/request.h"
#include "control/fail.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* Which of `names`, `count` of them; -1: none. */
static int find_name(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

#define FIND_NAME(names, name) find_name(names, sizeof(names) / sizeof((names)[0]), name)

/* ---- Which flows ---- */

enum { WHERE = 4096 /* more than a line has */ };

/* Adds one thing to what must be true of a flow. */
static int add_item(char where[WHERE], const cJSON *item, struct lun_error *error)
{
	static const char *const keys[] = { "protocol", "state", "service", "source", "destination", "endpoint", "age" };
	const char *text = cJSON_GetStringValue(item);
	size_t length = strlen(where);

	if (!text || !*text || strpbrk(text, " \t\r\n()!&|") || FIND_NAME(keys, item->string) < 0)
		return control_fail(error, LUN_BAD_ARGUMENT, "filter: %.60s %.100s is not known", item->string,
				    text ? text : "of this kind");
	snprintf(where + length, WHERE - length, "%s%s %s", length ? " and " : "", item->string, text);
	return 0;
}

/* One filter of what is in the filter object, which may be NULL, and the expression. */
static int make_filter(struct request *request, const cJSON *object, struct lun_error *error)
{
	char where[WHERE] = "";
	const cJSON *item;
	int code = 0;

	if (request->expression[0])
		snprintf(where, sizeof(where), object ? "(%s)" : "%s", request->expression);
	for (item = object ? object->child : NULL; item && code == 0; item = item->next)
		code = add_item(where, item, error);
	if (code < 0 || !where[0])
		return code;
	return lun_flow_filter_new(&request->filter, where, error);
}

/* ---- The rest ---- */

static int parse_command(struct request *request, const char *text, struct lun_error *error)
{
	static const char *const commands[] = {
		[REQUEST_FLOWS] = "flows", [REQUEST_STATS] = "stats", [REQUEST_TRACE] = "trace", [REQUEST_TOP] = "top"
	};
	int command = FIND_NAME(commands, text);

	if (command < 0)
		return control_fail(error, LUN_BAD_ARGUMENT,
				    "command %.60s is not known, expected flows, stats, top or trace", text);
	request->command = command;
	return 0;
}

static int parse_by(struct request *request, const char *text, struct lun_error *error)
{
	static const char *const groups[] = { [REQUEST_BY_SERVICE] = "service",
					      [REQUEST_BY_ENDPOINT] = "endpoint",
					      [REQUEST_BY_SOURCE] = "source",
					      [REQUEST_BY_FLOW] = "flow" };
	int by = FIND_NAME(groups, text);

	if (by < 0)
		return control_fail(error, LUN_BAD_ARGUMENT,
				    "by %.60s is not known, expected service, endpoint, source or flow", text);
	request->by = by;
	return 0;
}

static int parse_sort(struct request *request, const char *text, struct lun_error *error)
{
	static const char *const sorts[] = { [REQUEST_SORT_FLOWS] = "flows",
					     [REQUEST_SORT_OPENED] = "opened",
					     [REQUEST_SORT_PACKETS] = "packets",
					     [REQUEST_SORT_BYTES] = "bytes" };
	int sort = FIND_NAME(sorts, text);

	if (sort < 0)
		return control_fail(error, LUN_BAD_ARGUMENT,
				    "sort %.60s is not known, expected flows, opened, packets or bytes", text);
	request->sort = sort;
	return 0;
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

static int parse_flag(bool *flag, const cJSON *item)
{
	*flag = cJSON_IsTrue(item);
	return 0;
}

static int parse_item(struct request *request, const cJSON *item, struct lun_error *error)
{
	static const struct {
		const char *key;
		int (*parse)(struct request *request, const char *text, struct lun_error *error);
	} texts[] = {
		{ "command", parse_command }, { "expression", parse_expression }, { "by", parse_by }, { "sort", parse_sort }
	};

	if (strcmp(item->string, "filter") == 0 && cJSON_IsObject(item))
		return 0; /* together with the expression */
	if (strcmp(item->string, "end") == 0 && cJSON_IsBool(item))
		return parse_flag(&request->end, item);
	if (strcmp(item->string, "again") == 0 && cJSON_IsBool(item))
		return parse_flag(&request->again, item);
	if (strcmp(item->string, "count") == 0 && cJSON_IsNumber(item))
		return parse_count(request, item->valuedouble, error);
	for (size_t i = 0; cJSON_IsString(item) && i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(item->string, texts[i].key) == 0)
			return texts[i].parse(request, item->valuestring, error);
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
	if (code == 0 && request->command != REQUEST_TRACE)
		code = make_filter(request, cJSON_GetObjectItemCaseSensitive(object, "filter"), error);
	if (code == 0 && request->end && !request->filter)
		code = control_fail(error, LUN_BAD_ARGUMENT, "which flows to end: a filter is missing");
	cJSON_Delete(object);
	return code;
}

void request_fini(struct request *request)
{
	lun_flow_filter_free(request->filter);
	request->filter = NULL;
}
