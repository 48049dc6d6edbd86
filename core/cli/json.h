/* json.h - one object a line, and null for what is not there. */
#ifndef LUNETTE_CLI_JSON_H
#define LUNETTE_CLI_JSON_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

/* Adds a string, or null if `text` is NULL or empty. */
void json_text(cJSON *object, const char *key, const char *text);

/* Prints and deletes the object.  Without memory for the line the program ends: half an answer would pass for a whole one. */
void json_line(FILE *stream, cJSON *object);

#endif
