/* line.h - what is said on the control socket: one JSON object a line. */
#ifndef LUNETTE_CONTROL_LINE_H
#define LUNETTE_CONTROL_LINE_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

/* Adds a string, or null. */
void line_text(cJSON *object, const char *key, const char *text);

/* Adds what was counted in both directions: [orig, reply]. */
void line_pair(cJSON *object, const char *key, const uint64_t values[2]);

/* Prints an object as a line, and deletes it. */
void line_put(FILE *out, cJSON *object);

#endif
