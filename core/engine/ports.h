/* ports.h - what changes over time of each service port, and where balancing counts, of each of its endpoints: turns, flows now,
 * limits.
 *
 * Policies come and go; flows outlive them.  So this is kept under names ("default/nginx:http", or that and an endpoint), in slots
 * that flows refer to by number, and a policy's ports and endpoints are mapped to slots when it is set.  A slot whose port or
 * endpoint is gone from the policy and whose last flow has ended is used again. */
#ifndef LUNETTE_ENGINE_PORTS_H
#define LUNETTE_ENGINE_PORTS_H

#include "policy/policy.h"
#include "track/flow.h"

struct port_state {
	struct balance_load load;
	struct balance_state balance[2]; /* as endpoint lists: IPv4, IPv6 */
	uint32_t owner;                  /* of an endpoint: the slot of its port; else FLOW_NONE */
	uint32_t limit;                  /* 0: none */
	uint32_t service_port;           /* of the policy that is set, if it declares the port */
	uint8_t timeouts;                /* row of the flow table's */
	bool declared;                   /* by the policy that is set */
	bool wanted;                     /* by the one that is being set */
	/* not for a new flow: */
	uint64_t name_hash;
	uint64_t drain;   /* of an endpoint: ms that its flows have once it is not ready; 0: as long as they like */
	uint64_t drained; /* ms of the table's clock: then they end; 0: it is ready */
	uint64_t counts[FLOW_COUNTS]; /* of a port: what its flows that ended had counted */
};

struct ports {
	struct port_state *slots;
	uint32_t count;          /* of slots */
	uint32_t *slot;          /* by service port of the policy that is set */
	uint32_t *endpoint_slot; /* by endpoint of all sets of that policy, of services that count; NULL: none does */
	uint64_t drain_next;     /* ms: the next time at which flows of some endpoint end; UINT64_MAX: none */
	uint8_t timeouts;        /* row for flows to no service */
};

/* The port that flows of a slot belong to. */
static inline struct port_state *ports_port(const struct ports *ports, uint32_t slot)
{
	uint32_t owner = ports->slots[slot].owner;

	return &ports->slots[owner == FLOW_NONE ? slot : owner];
}

/* A flow more, or one less, of a slot: its port counts them too. */
static inline void ports_count(struct ports *ports, uint32_t slot, int more)
{
	ports->slots[slot].load.flows += (uint32_t)more;
	if (ports->slots[slot].owner != FLOW_NONE)
		ports->slots[ports->slots[slot].owner].load.flows += (uint32_t)more;
}

/* Finds the next time after `now_ms` at which flows of some endpoint end. */
void ports_drain_next(struct ports *ports, uint64_t now_ms);

/* The slot for a flow to `endpoint` of the set of a service port's service. */
uint32_t ports_slot(const struct ports *ports, const struct lun_policy *policy, uint32_t service_port, uint32_t endpoint);

void ports_fini(struct ports *ports);

/* Maps the policy's ports (NULL: none), which comes after `before`, to slots.  Fails, and changes nothing: LUN_NO_MEMORY; LUN_FULL, more than 255 different
 * sets of timeouts in this policy, the one before, and flows that live. */
int ports_set_policy(struct ports *ports, const struct lun_policy *before, const struct lun_policy *policy,
		     struct flow_table *flows);

#endif
