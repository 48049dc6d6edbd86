/* endpoints.h - what flows that ended had carried, by endpoint.
 *
 * A table of fixed size: eight places for each hash; who finds none takes that of the endpoint which is silent for longest, whose counts
 * go into one sum of all others.  So endpoints come and go for ever, and no memory grows. */
#ifndef LUNETTE_ENGINE_ENDPOINTS_H
#define LUNETTE_ENGINE_ENDPOINTS_H

#include "track/flow.h"

struct endpoint_count {
	struct lun_address address;
	uint16_t port;
	uint8_t protocol; /* 0: free */
	uint32_t used;    /* ms of the table's clock, when a flow ended last */
	uint64_t counts[FLOW_COUNTS];
};

struct endpoints {
	struct endpoint_count *entries; /* NULL: nobody asked for it */
	uint32_t size;                  /* a multiple of the places of a hash */
	uint64_t others[FLOW_COUNTS];
};

/* For so many endpoints, at least.  Returns 0 or LUN_NO_MEMORY. */
int endpoints_init(struct endpoints *endpoints, uint32_t count);
void endpoints_fini(struct endpoints *endpoints);

/* A translated flow ends. */
void endpoints_add(struct endpoints *endpoints, const struct flow_table *table, const struct flow *flow);

#endif
