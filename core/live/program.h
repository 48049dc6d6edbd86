/* program.h - running a firewall program: text in, text out, in bounded time. */
#ifndef LUNETTE_LIVE_PROGRAM_H
#define LUNETTE_LIVE_PROGRAM_H

#include <lunette/lunette.h>
#include <stdbool.h>
#include <sys/types.h>

/* Runs argv[0] (looked for in PATH, then in the system's sbin folders) with `input` on stdin (NULL: nothing) and waits for
 * it, ten seconds at most.  What it writes to stdout goes to *output if that is not NULL.  => the caller frees *output.
 * Fails: LUN_UNSUPPORTED (no such program), LUN_SYSTEM (it failed: the text holds the first line that it wrote to stderr),
 * LUN_NO_MEMORY. */
int program_run(const char *const *argv, const char *input, char **output, struct lun_error *error);

/* Is this the number of a program that was run here lately?  32 are remembered. */
bool program_was_run(pid_t pid);

#endif
