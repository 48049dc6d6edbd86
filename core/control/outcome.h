/* outcome.h - the errors that a client gets of a TCP connection that does not go well. */
#ifndef LUNETTE_CONTROL_OUTCOME_H
#define LUNETTE_CONTROL_OUTCOME_H

#include <lunette/lunette.h>

/* What connect(), or read(), fails with, as strerror() has it, and why; NULL: nothing is wrong, or it is not known. */
struct outcome {
	const char *error, *why;
};

struct outcome outcome_of(const struct lun_flow *flow);

#endif
