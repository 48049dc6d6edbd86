/* trace.h - what a stage says of a packet that somebody asked about.  Costs one test of a pointer when nobody did. */
#ifndef LUNETTE_PACKET_TRACE_H
#define LUNETTE_PACKET_TRACE_H

#include "packet/packet.h"

#define TRACE(p, stage, at, ...)                                                                                            \
	do {                                                                                                                \
		if (__builtin_expect((p)->io->trace != NULL, 0))                                                            \
			trace_step((p)->io->trace, stage, at, __VA_ARGS__);                                                 \
	} while (0)

/* Adds a step; `at` is "file:line" or NULL.  Past the last place the last step is overwritten, so that the end is seen. */
void trace_step(struct lun_trace *trace, const char *stage, const char *at, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
