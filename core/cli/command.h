/* command.h - what main and the commands share: one function per command, one set of exit codes. */
#ifndef LUNETTE_CLI_COMMAND_H
#define LUNETTE_CLI_COMMAND_H

#include <lunette/lunette.h>

/* Exit codes (also of the usage errors of every command). */
enum { EXIT_DONE = 0, EXIT_CHECK_FAILED = 1, EXIT_BAD_INPUT = 2, EXIT_SYSTEM_REFUSED = 3 };

/* Each gets its own argv, argv[0] being the command's name, and returns an exit code. */
int command_check(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_flows(int argc, char **argv);
int command_http(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_rules(int argc, char **argv);
int command_run(int argc, char **argv);
int command_stats(int argc, char **argv);
int command_test(int argc, char **argv);
int command_top(int argc, char **argv);
int command_trace(int argc, char **argv);

/* Prints "lunette: TEXT" (TEXT being file:line: message) to stderr and returns the exit code that fits the error's code. */
int report_error(const struct lun_error *error);

/* "lunette COMMAND: MESSAGE" and a hint at --help, to stderr; returns EXIT_BAD_INPUT. */
int report_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
