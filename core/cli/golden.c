/* golden.c - see golden.h.
 *
 * The file holds exactly the lines, so that its history is read as a diff of what the policy does. */
#define _GNU_SOURCE /* asprintf */
#include "cli/golden.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void golden_begin(struct golden *golden, const char *path)
{
	golden_fini(golden);
	golden->path = strdup(path);
	golden->lines = open_memstream(&golden->text, &golden->length);
	golden->places = open_memstream(&golden->at, &golden->at_length);
	if (!golden->path || !golden->lines || !golden->places)
		abort(); /* a test that records less would tell lies */
}

void golden_line(struct golden *golden, const char *place, const char *format, ...)
{
	va_list arguments;

	if (!golden->path)
		return;
	va_start(arguments, format);
	vfprintf(golden->lines, format, arguments);
	va_end(arguments);
	fprintf(golden->lines, "\n");
	fprintf(golden->places, "%s\n", place);
}

/* All that a file holds, which the caller frees; NULL with errno. */
static char *read_whole(const char *path)
{
	FILE *file = fopen(path, "re"), *copy;
	char *text = NULL;
	size_t length;
	int byte;

	if (!file)
		return NULL;
	copy = open_memstream(&text, &length);
	if (!copy)
		abort();
	while ((byte = fgetc(file)) != EOF)
		fputc(byte, copy);
	fclose(copy);
	fclose(file);
	return text;
}

/* The line behind the one at `line`, or the end of the text. */
static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

/* Whether two texts go on with the same line. */
static bool same_line(const char *a, const char *b)
{
	size_t length = strcspn(a, "\n");

	return length == strcspn(b, "\n") && memcmp(a, b, length) == 0;
}

static void print_line(FILE *message, const char *title, const char *line)
{
	line += *line == '\t';
	if (*line)
		fprintf(message, "\n  %-9s %.*s", title, (int)strcspn(line, "\n"), line);
	else
		fprintf(message, "\n  %-9s (the end)", title);
}

/* Says where the lines differ from the file's. */
static char *differ(const struct golden *golden, const char *expected)
{
	const char *got = golden->text, *place = golden->at, *packet = got;
	char *text = NULL;
	size_t length;
	int number = 1;
	FILE *message = open_memstream(&text, &length);

	if (!message)
		abort();
	for (; *expected && *got && same_line(expected, got); number++) {
		expected = next_line(expected);
		got = next_line(got);
		place = next_line(place);
		packet = *got == '\t' ? packet : got;
	}
	fprintf(message, "%s:%d: not what was recorded; if it is right now, --update records it", golden->path, number);
	if (*got == '\t')
		print_line(message, "packet", packet);
	print_line(message, "expected", expected);
	print_line(message, "got", got);
	if (*place && *place != '\n')
		print_line(message, "policy", place);
	fclose(message);
	return text;
}

static char *record(const struct golden *golden)
{
	FILE *file = fopen(golden->path, "we");
	char *text = NULL;
	bool done = file && fwrite(golden->text, 1, golden->length, file) == golden->length;

	if (file && fclose(file) != 0)
		done = false;
	if (!done && asprintf(&text, "%s: %s", golden->path, strerror(errno)) < 0)
		abort();
	if (done)
		fprintf(stderr, "lunette: recorded %s\n", golden->path);
	return text;
}

char *golden_end(struct golden *golden, bool update)
{
	char *expected, *message = NULL;

	if (!golden->path)
		return NULL;
	fflush(golden->lines);
	fflush(golden->places);
	expected = read_whole(golden->path);
	if (expected && strcmp(expected, golden->text) == 0)
		message = NULL;
	else if (update)
		message = record(golden);
	else if (expected)
		message = differ(golden, expected);
	else if (asprintf(&message, "%s: %s; --update records it", golden->path, strerror(errno)) < 0)
		abort();
	free(expected);
	return message;
}

void golden_fini(struct golden *golden)
{
	if (golden->lines)
		fclose(golden->lines);
	if (golden->places)
		fclose(golden->places);
	free(golden->text);
	free(golden->at);
	free(golden->path);
	*golden = (struct golden) { 0 };
}
