/* tally.h - how many flows each endpoint has, by service and protocol; and other groups. */
#ifndef LUNETTE_CONTROL_TALLY_H
#define LUNETTE_CONTROL_TALLY_H

#include <lunette/lunette.h>

struct tally_entry {
	struct lun_address endpoint;
	uint16_t port;
	uint8_t protocol;
	char *service; /* or NULL */
	bool used;     /* it is an entry */
	uint64_t flows, opened;
	uint64_t packets[2], bytes[2]; /* by direction */
};

/* Zero it to begin with. */
struct tally {
	struct tally_entry *entries; /* open addressing, at most half full */
	size_t capacity, count;
};

/* Room for so many entries; false: no memory. */
bool tally_reserve(struct tally *tally, size_t count);

/* No entries, and the same room. */
void tally_clear(struct tally *tally);

/* The entry of this endpoint, port, protocol and service, or NULL. */
struct tally_entry *tally_find(const struct tally *tally, const struct tally_entry *wanted);

/* The same, made if it is not there; NULL: no memory. */
struct tally_entry *tally_place(struct tally *tally, const struct tally_entry *wanted);

/* What a flow is counted under; the service is the flow's. */
struct tally_entry tally_key(const struct lun_flow *flow);
void tally_fini(struct tally *tally);

#endif
