/* fail.c - one line for a person, whatever it was made of. */
#include "control/fail.h"

#include <stdarg.h>
#include <stdio.h>

int control_fail(struct lun_error *error, int code, const char *format, ...)
{
	va_list arguments;

	if (error) {
		error->code = code;
		va_start(arguments, format);
		vsnprintf(error->text, sizeof(error->text), format, arguments);
		va_end(arguments);
	}
	return code;
}
