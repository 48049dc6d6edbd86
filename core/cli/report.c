/* report.c - what the program says when something is wrong, and the exit code for it. */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>

int report_error(const struct lun_error *error)
{
	fflush(stdout); /* so that the message comes after what went before */
	fprintf(stderr, "lunette: %s\n", error->text);
	switch (error->code) {
	case LUN_BAD_ARGUMENT:
	case LUN_BAD_POLICY:
	case LUN_BAD_FILE:
	case LUN_NOT_FOUND:
		return EXIT_BAD_INPUT;
	default:
		return EXIT_SYSTEM_REFUSED;
	}
}

int report_usage(const char *command, const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fprintf(stderr, "lunette %s: ", command);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "; see lunette %s --help\n", command);
	return EXIT_BAD_INPUT;
}
