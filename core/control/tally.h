/* tally.h - how many flows each endpoint has, by service and protocol. */
#ifndef LUNETTE_CONTROL_TALLY_H
#define LUNETTE_CONTROL_TALLY_H

#include <lunette/lunette.h>

struct tally_entry {
	struct lun_address endpoint;
	uint16_t port;
	uint8_t protocol;
	char *service; /* or NULL */
	uint64_t flows;
};

/* Zero it to begin with. */
struct tally {
	struct tally_entry *entries; /* open addressing, at most half full; flows 0: no entry */
	size_t capacity, count;
};

/* Counts a flow.  False: no memory. */
bool tally_add(struct tally *tally, const struct lun_flow *flow);
void tally_fini(struct tally *tally);

#endif
