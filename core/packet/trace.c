/* trace.c - formats steps into the caller's memory. */
#include "packet/trace.h"

#include <stdarg.h>
#include <stdio.h>

void trace_step(struct lun_trace *trace, const char *stage, const char *at, const char *format, ...)
{
	struct lun_trace_step *step;
	va_list arguments;

	if (trace->step_count < LUN_TRACE_STEPS)
		trace->step_count++;
	step = &trace->steps[trace->step_count - 1];
	step->stage = stage;
	snprintf(step->at, sizeof(step->at), "%s", at ? at : "");
	va_start(arguments, format);
	vsnprintf(step->text, sizeof(step->text), format, arguments);
	va_end(arguments);
}
