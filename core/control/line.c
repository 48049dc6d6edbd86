/* line.c - cJSON, with our conventions. */
#include "control/line.h"

#include <lunette/lunette.h>

void line_text(cJSON *object, const char *key, const char *text)
{
	if (text)
		cJSON_AddStringToObject(object, key, text);
	else
		cJSON_AddNullToObject(object, key);
}

void line_pair(cJSON *object, const char *key, const uint64_t values[2])
{
	cJSON *pair = cJSON_AddArrayToObject(object, key);

	cJSON_AddItemToArray(pair, cJSON_CreateNumber((double)values[LUN_ORIG]));
	cJSON_AddItemToArray(pair, cJSON_CreateNumber((double)values[LUN_REPLY]));
}

void line_put(FILE *out, cJSON *object)
{
	char *line = cJSON_PrintUnformatted(object);

	fprintf(out, "%s\n", line ? line : "{\"error\":\"out of memory\"}");
	cJSON_free(line);
	cJSON_Delete(object);
}
