/* flow_rows.h - the flows of an agent as it told them once: sorted, counted, printed, compared with those of a moment before. */
#ifndef LUNETTE_CLI_FLOW_ROWS_H
#define LUNETTE_CLI_FLOW_ROWS_H

#include "cli/json.h"

#include <lunette/lunette.h>
#include <stdbool.h>

struct flow_row {
	char protocol[12], source[LUN_ADDRESS_TEXT], destination[LUN_ADDRESS_TEXT], endpoint[LUN_ADDRESS_TEXT];
	char state[20];
	char *service;  /* "-" for none */
	char sees[100]; /* the error that its client gets, and why, or "" */
	bool masquerade;
	double expires, age;   /* seconds */
	double packets, bytes; /* of both directions */
};

/* Zero it to begin with. */
struct flow_rows {
	struct flow_row *rows;
	size_t count, capacity;
	bool no_memory; /* not all are there */
};

/* What rows can be sorted or counted by; NULL ends the names. */
extern const char *const flow_row_sorts[];
extern const char *const flow_row_groups[];

/* Adds an object of the agent's answer; a summary is none. */
void flow_rows_add(struct flow_rows *rows, const cJSON *object);

/* By one of flow_row_sorts: texts from a on, numbers from the greatest on. */
void flow_rows_sort(struct flow_rows *rows, const char *by);

/* In columns that are as wide as their widest text. */
void flow_rows_print(const struct flow_rows *rows);
void flow_rows_print_csv(const struct flow_rows *rows);

/* "FLOWS  GROUP" for each, the largest group first; by one of flow_row_groups. */
void flow_rows_print_counts(struct flow_rows *rows, const char *by);

/* "ended" and the flows that are only in `before`, "opened" and those that are only in `after`.  Sorts both. */
void flow_rows_print_changes(struct flow_rows *before, struct flow_rows *after);

void flow_rows_fini(struct flow_rows *rows);

#endif
