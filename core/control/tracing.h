/* tracing.h - a client that wants the next packets explained. */
#ifndef LUNETTE_CONTROL_TRACING_H
#define LUNETTE_CONTROL_TRACING_H

#include "control/request.h"

#include <lunette/live.h>
#include <lunette/replay.h>
#include <stdio.h>

struct tracing;

/* Looks at packets of the agent from now on.  `on_line` is called when something is said, in the midst of a batch.  Fails:
 * LUN_BAD_ARGUMENT (the filter), LUN_NO_MEMORY. */
int tracing_begin(struct tracing **result, struct lun_live *live, const struct request *request, void (*on_line)(void *user),
		  void *user, struct lun_error *error);

/* Moves what was said since the last call to `out`; true: all packets that were asked for are explained. */
bool tracing_take(struct tracing *tracing, FILE *out);

/* Is there something to be taken? */
bool tracing_waits(const struct tracing *tracing);

void tracing_end(struct tracing *tracing); /* NULL is fine */

#endif
