/* balance.h - which endpoint of a list a new flow gets.
 *
 * What changes over time (a position, how many flows an endpoint has) is the engine's and passed in; what is asked for is the
 * service's.  A chooser answers with an index; shares follow weights in each kind, and balance_share says which. */
#ifndef LUNETTE_BALANCE_BALANCE_H
#define LUNETTE_BALANCE_BALANCE_H

#include "base/hash.h"
#include "base/random.h"

#include <lunette/lunette.h>

struct endpoint {
	struct lun_address address;
	uint32_t weight_sum; /* of all endpoints before it in its array, and its own */
	uint16_t port;
	uint16_t weight; /* not 0 */
};

/* Of one list of endpoints, that is of one family of a service port, in one engine. */
struct balance_state {
	uint32_t position; /* round robin: flows given out */
};

/* What an engine knows of an endpoint of a service port. */
struct balance_load {
	uint32_t flows;       /* now */
	uint8_t failures;     /* TCP connections in a row that did not open */
	uint8_t rests;        /* in a row */
	uint64_t rests_until; /* ms of the caller's clock: gets no new flows before */
	uint64_t since;       /* ms: known from then on */
};

/* A list and who asks. */
struct balance {
	enum lun_balance kind;
	const struct endpoint *endpoints;
	uint32_t count;        /* not 0 */
	const uint32_t *table; /* Maglev: maglev_new of the list */
	uint64_t seed;         /* Maglev, source hash */
	const struct lun_address *client;
	struct balance_state *state;
	struct random *random;
	/* The load of endpoint `i` is at loads + slots[i] * stride; NULL: nobody counts. */
	const uint32_t *slots;
	const char *loads;
	size_t stride;
	uint64_t now, slow_start; /* ms: a new endpoint's share grows for so long */
	bool avoids;              /* endpoint `avoided`, of several */
	uint32_t avoided;
	bool tireless; /* nobody rests: all would */
};

/* An endpoint that rests is not chosen, unless all do. */
uint32_t balance_choose(const struct balance *balance);

/* Fills the probability with which each endpoint is the next one, as far as nothing else happens before. */
void balance_shares(const struct balance *balance, double *shares);

/* "random", "round robin". */
const char *balance_name(enum lun_balance kind);

/* maglev.c: a table of MAGLEV_SIZE indices into the list; NULL: no memory.  => free it */
enum { MAGLEV_SIZE = 65537 };
uint32_t *maglev_new(const struct endpoint *endpoints, uint32_t count, uint64_t seed);

#endif
