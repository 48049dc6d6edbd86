/* options.h - what commands share in reading their arguments. */
#ifndef LUNETTE_CLI_OPTIONS_H
#define LUNETTE_CLI_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one of `names` that is nearly `word`, or NULL.  `stride` is the distance in bytes from one name to the next: names may
 * be members of an array of structs; a NULL name ends them. */
const char *closest_name(const char *word, const char *const *names, size_t stride);

/* Says what is wrong where getopt_long returned '?' or ':' (opterr is 0, the option string begins with ':'), with a "did you
 * mean"; returns EXIT_BAD_INPUT. */
int report_option(int result, char **argv, const struct option *options);

/* A decimal number of at most `most`; false, with a message naming `option`, if it is none. */
bool option_number(const char *command, const char *option, uint64_t most, uint64_t *number);

/* `count` hexadecimal numbers with commas between, bits of the packet mark; false, with a message naming `option`, if it is
 * something else. */
bool option_masks(const char *command, const char *option, size_t count, uint32_t *masks);

/* The words behind the options, joined by blanks: a filter of flows, or "".  Says what is wrong with it here, where looking up a name
 * holds up nobody's packets; returns an exit code. */
int option_filter(int argc, char **argv, char *text, size_t size);

#endif
