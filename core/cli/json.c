/* json.c - cJSON, with our conventions. */
#include "cli/json.h"

#include "cli/command.h"

#include <stdlib.h>

void json_text(cJSON *object, const char *key, const char *text)
{
	if (text && *text)
		cJSON_AddStringToObject(object, key, text);
	else
		cJSON_AddNullToObject(object, key);
}

void json_line(FILE *stream, cJSON *object)
{
	char *line = cJSON_PrintUnformatted(object);

	if (!line) {
		fprintf(stderr, "lunette: %s\n", lun_strerror(LUN_NO_MEMORY));
		exit(EXIT_SYSTEM_REFUSED);
	}
	fprintf(stream, "%s\n", line);
	cJSON_free(line);
	cJSON_Delete(object);
}
