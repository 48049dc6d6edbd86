/* affinity.h - which endpoint a client had last, per service port.
 *
 * A table of fixed size: four places for each hash; who finds none free takes that of the one who is silent for longest.  So a
 * flood of clients makes others forget their endpoint, and no memory grow. */
#ifndef LUNETTE_BALANCE_AFFINITY_H
#define LUNETTE_BALANCE_AFFINITY_H

#include "balance/balance.h"

struct affinity_entry {
	struct lun_address client, endpoint;
	uint64_t owner;  /* a hash of the service port's name; 0: free */
	uint32_t used;   /* ms of the caller's clock, by the client's newest flow */
	uint16_t port;   /* of the endpoint */
	uint16_t tenant; /* of the client */
};

struct affinity {
	struct affinity_entry *entries; /* NULL: no policy asked for it yet */
	uint32_t size;                  /* a power of two */
};

struct affinity_key {
	const struct lun_address *client;
	uint64_t owner;
	uint16_t tenant;
};

/* For `clients` at least.  Returns 0 or LUN_NO_MEMORY. */
int affinity_init(struct affinity *affinity, uint32_t clients);
void affinity_fini(struct affinity *affinity);

/* The place of a client: its own, or one that it may have, then with another owner or client in it. */
struct affinity_entry *affinity_place(const struct affinity *affinity, const struct affinity_key *key);

/* Whether a place is the client's, and not older than `lasts_ms`. */
bool affinity_holds(const struct affinity_entry *entry, const struct affinity_key *key, uint32_t now_ms, uint64_t lasts_ms);

/* The client has this endpoint from now on. */
void affinity_put(struct affinity_entry *entry, const struct affinity_key *key, const struct endpoint *endpoint,
		  uint32_t now_ms);

#endif
