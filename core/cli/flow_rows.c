/* flow_rows.c - one array of rows; each question about them is a sort and a walk.  They are taken out of the agent's JSON, of which a
 * million objects would not fit in memory. */
#define _GNU_SOURCE /* qsort_r */
#include "cli/flow_rows.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_S = 5 /* of silence left, by which it may have ended for that */ };

const char *const flow_row_sorts[] = { "age",         "expires",  "bytes", "packets", "protocol", "source",
				       "destination", "endpoint", "state", "service", NULL };
const char *const flow_row_groups[] = { "service", "endpoint", "source", "state", "protocol", NULL };

/* ---- Taking them ---- */

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "-";
}

static double number_of(const cJSON *object, const char *key)
{
	return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static double sum_of(const cJSON *object, const char *key)
{
	const cJSON *pair = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_GetArraySize(pair) == 2 ? cJSON_GetNumberValue(pair->child) + cJSON_GetNumberValue(pair->child->next)
					     : 0;
}

static bool grow(struct flow_rows *rows)
{
	size_t capacity = rows->capacity ? rows->capacity * 2 : 256;
	struct flow_row *grown = realloc(rows->rows, capacity * sizeof(*grown));

	if (!grown)
		return false;
	rows->rows = grown;
	rows->capacity = capacity;
	return true;
}

void flow_rows_add(struct flow_rows *rows, const cJSON *object)
{
	struct flow_row *row;

	if (cJSON_HasObjectItem(object, "summary") || rows->no_memory)
		return;
	rows->no_memory = rows->count == rows->capacity && !grow(rows);
	if (rows->no_memory)
		return;
	row = &rows->rows[rows->count];
	*row = (struct flow_row) { .service = strdup(text_of(object, "service")),
				   .masquerade = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "masquerade")),
				   .expires = number_of(object, "expires_s"),
				   .age = number_of(object, "age_s"),
				   .packets = sum_of(object, "packets"),
				   .bytes = sum_of(object, "bytes") };
	snprintf(row->state, sizeof(row->state), "%s", text_of(object, "state"));
	if (cJSON_HasObjectItem(object, "client_sees"))
		snprintf(row->sees, sizeof(row->sees), "%s (%s)", text_of(object, "client_sees"),
			 text_of(object, "client_sees_why"));
	sscanf(text_of(object, "orig"), "%11s %47s %47s", row->protocol, row->source, row->destination);
	sscanf(text_of(object, "reply"), "%*s %47s", row->endpoint);
	rows->no_memory = !row->service;
	rows->count += row->service != NULL;
}

void flow_rows_fini(struct flow_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->rows[i].service);
	free(rows->rows);
	*rows = (struct flow_rows) { 0 };
}

/* ---- Sorting ---- */

/* The text of a row that `by` names, or NULL if that is a number. */
static const char *row_text(const struct flow_row *row, const char *by)
{
	return strcmp(by, "service") == 0       ? row->service
	       : strcmp(by, "endpoint") == 0    ? row->endpoint
	       : strcmp(by, "source") == 0      ? row->source
	       : strcmp(by, "destination") == 0 ? row->destination
	       : strcmp(by, "state") == 0       ? row->state
	       : strcmp(by, "protocol") == 0    ? row->protocol
						: NULL;
}

static double row_number(const struct flow_row *row, const char *by)
{
	return strcmp(by, "age") == 0       ? row->age
	       : strcmp(by, "expires") == 0 ? row->expires
	       : strcmp(by, "bytes") == 0   ? row->bytes
					    : row->packets;
}

static int compare_identity(const struct flow_row *a, const struct flow_row *b)
{
	int order = strcmp(a->protocol, b->protocol);

	order = order ? order : strcmp(a->source, b->source);
	return order ? order : strcmp(a->destination, b->destination);
}

/* qsort_r's; what is equal stays in an order that does not depend on the table. */
static int compare_rows(const void *x, const void *y, void *by)
{
	const struct flow_row *a = x, *b = y;
	const char *text = by ? row_text(a, by) : NULL;
	double left = by ? row_number(a, by) : 0, right = by ? row_number(b, by) : 0;
	int order = text ? strcmp(text, row_text(b, by)) : (left < right) - (left > right);

	return order ? order : compare_identity(a, b);
}

void flow_rows_sort(struct flow_rows *rows, const char *by)
{
	if (rows->count)
		qsort_r(rows->rows, rows->count, sizeof(*rows->rows), compare_rows, (void *)(uintptr_t)by);
}

/* ---- Printing ---- */

struct widths {
	int protocol, source, destination, endpoint, state, expires;
};

static void widen(int *width, int length)
{
	*width = length > *width ? length : *width;
}

static struct widths widths_of(const struct flow_rows *rows)
{
	struct widths widths = { 0 };

	for (size_t i = 0; i < rows->count; i++) {
		const struct flow_row *row = &rows->rows[i];

		widen(&widths.protocol, (int)strlen(row->protocol));
		widen(&widths.source, (int)strlen(row->source));
		widen(&widths.destination, (int)strlen(row->destination));
		widen(&widths.endpoint, (int)strlen(row->endpoint));
		widen(&widths.state, (int)strlen(row->state));
		widen(&widths.expires, snprintf(NULL, 0, "%.0f", row->expires));
	}
	return widths;
}

/* "tcp 10.1.1.1:40000 10.96.0.10:80 -> 10.244.0.5:8080  ESTABLISHED  119 s  default/nginx:http, masqueraded" */
static void print_row(const struct flow_row *row, const struct widths *widths)
{
	printf("%-*s %-*s %-*s -> %-*s  %-*s  %*.0f s  %s%s%s%s\n", widths->protocol, row->protocol, widths->source,
	       row->source, widths->destination, row->destination, widths->endpoint, row->endpoint, widths->state,
	       row->state, widths->expires, row->expires, row->service, row->masquerade ? ", masqueraded" : "",
	       *row->sees ? "; the client sees: " : "", row->sees);
}

void flow_rows_print(const struct flow_rows *rows)
{
	struct widths widths = widths_of(rows);

	for (size_t i = 0; i < rows->count; i++)
		print_row(&rows->rows[i], &widths);
}

/* RFC 4180, but for the end of a line.  No field holds a comma or a quote but a service's name may. */
void flow_rows_print_csv(const struct flow_rows *rows)
{
	printf("protocol,source,destination,endpoint,state,service,masquerade,expires_s,age_s,packets,bytes\n");
	for (size_t i = 0; i < rows->count; i++) {
		const struct flow_row *row = &rows->rows[i];

		printf("%s,%s,%s,%s,%s,\"", row->protocol, row->source, row->destination, row->endpoint, row->state);
		for (const char *at = row->service; *at; at++)
			printf(*at == '"' ? "\"\"" : "%c", *at);
		printf("\",%s,%.0f,%.0f,%.0f,%.0f\n", row->masquerade ? "true" : "false", row->expires, row->age,
		       row->packets, row->bytes);
	}
}

/* ---- Counting ---- */

/* How much of the text names the group: clients are counted by address, without the port. */
static int group_length(const char *text, const char *by)
{
	const char *colon = strcmp(by, "source") == 0 ? strrchr(text, ':') : NULL;

	return (int)(colon ? (size_t)(colon - text) : strlen(text));
}

static bool same_group(const struct flow_row *a, const struct flow_row *b, const char *by)
{
	const char *x = row_text(a, by), *y = row_text(b, by);
	int length = group_length(x, by);

	return length == group_length(y, by) && strncmp(x, y, (size_t)length) == 0;
}

struct group {
	const struct flow_row *row; /* one of it */
	size_t flows;
};

static int compare_groups(const void *x, const void *y)
{
	const struct group *a = x, *b = y;

	return a->flows != b->flows ? (a->flows < b->flows) - (a->flows > b->flows) : a->row < b->row ? -1 : a->row > b->row;
}

void flow_rows_print_counts(struct flow_rows *rows, const char *by)
{
	struct group *groups = calloc(rows->count + 1, sizeof(*groups));
	size_t count = 0;

	rows->no_memory = rows->no_memory || !groups;
	flow_rows_sort(rows, by);
	for (size_t i = 0; groups && i < rows->count; i++) {
		if (i == 0 || !same_group(&rows->rows[i], &rows->rows[i - 1], by))
			groups[count++].row = &rows->rows[i];
		groups[count - 1].flows++;
	}
	if (count)
		qsort(groups, count, sizeof(*groups), compare_groups);
	for (size_t i = 0; i < count; i++) {
		const char *text = row_text(groups[i].row, by);

		printf("%8zu  %.*s\n", groups[i].flows, group_length(text, by), text);
	}
	free(groups);
}

/* ---- Following ---- */

static void print_change(const char *word, const struct flow_row *row)
{
	static const struct widths none;

	printf("%-6s  ", word);
	print_row(row, &none);
}

/* One that ended, before its time, while it waited for an answer to its SYN, got a RST: the kernel forgets it then. */
static void print_ended(struct flow_row *row)
{
	if (strcmp(row->state, "SYN_SENT") == 0 && row->expires > LATE_S)
		strcpy(row->sees, "Connection refused (it ended before it was answered)");
	print_change("ended", row);
}

void flow_rows_print_changes(struct flow_rows *before, struct flow_rows *after)
{
	size_t i = 0, j = 0;

	flow_rows_sort(before, NULL);
	flow_rows_sort(after, NULL);
	while (i < before->count || j < after->count) {
		struct flow_row *old = i < before->count ? &before->rows[i] : NULL;
		const struct flow_row *new = j < after->count ? &after->rows[j] : NULL;
		int order = !old ? 1 : !new ? -1 : compare_identity(old, new);
		bool another = order == 0 && new->age < old->age; /* with the same tuple */

		if (order < 0 || another)
			print_ended(old);
		if (order > 0 || another)
			print_change("opened", new);
		i += order <= 0;
		j += order >= 0;
	}
}
