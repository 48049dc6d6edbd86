/* balance.h - which of `count` endpoints a new flow gets.
 *
 * What changes over time (a position) is the engine's and passed in; what is asked for is the service's.  A chooser answers
 * with an index and knows nothing of addresses. */
#ifndef LUNETTE_BALANCE_BALANCE_H
#define LUNETTE_BALANCE_BALANCE_H

#include "base/random.h"

#include <lunette/lunette.h>

/* Of one list of endpoints, that is of one family of a service port, in one engine. */
struct balance_state {
	uint32_t position; /* round robin: flows given out */
};

/* `count` is not 0. */
uint32_t balance_choose(enum lun_balance kind, struct balance_state *state, struct random *random, uint32_t count);

/* "random", "round robin". */
const char *balance_name(enum lun_balance kind);

#endif
