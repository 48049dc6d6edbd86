/* exposition.h - Prometheus' text format, version 0.0.4: families of samples. */
#ifndef LUNETTE_CONTROL_EXPOSITION_H
#define LUNETTE_CONTROL_EXPOSITION_H

#include <stdint.h>
#include <stdio.h>

/* Labels are an array that ends with a NULL name; a value may be any text, NULL is "". */
struct label {
	const char *name, *value;
};

/* The head of a family, before its samples; the help is ours and holds nothing that would have to be escaped. */
void exposition_family(FILE *out, const char *name, const char *type, const char *help);

/* A sample; `labels` may be NULL.  Seconds are given in ns. */
void exposition_count(FILE *out, const char *name, const struct label *labels, uint64_t value);
void exposition_seconds(FILE *out, const char *name, const struct label *labels, uint64_t ns);

#endif
