/* golden.h - what happened in a scenario, a line for each packet and what became of it, compared with what was recorded. */
#ifndef LUNETTE_CLI_GOLDEN_H
#define LUNETTE_CLI_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct golden {
	char *path;           /* of the file; NULL: nobody wants to know, lines are thrown away */
	FILE *lines, *places; /* `places`: for each line the place in the policy that decided, or an empty one */
	char *text, *at;      /* what they hold */
	size_t length, at_length;
};

/* From here on lines are kept, to be compared with the file at `path`. */
void golden_begin(struct golden *golden, const char *path);
void golden_line(struct golden *golden, const char *place, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Compares the lines with the file's, or with `update` writes them there if they differ, which is told on stderr.  => NULL, or what
 * is wrong, which the caller frees. */
char *golden_end(struct golden *golden, bool update);
void golden_fini(struct golden *golden);

#endif
