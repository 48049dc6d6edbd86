/* ports.h - what changes over time of each service port: turns, flows now, limits.
 *
 * Policies come and go; flows outlive them.  So this is kept under the port's name ("default/nginx:http"), in slots that flows
 * refer to by number, and a policy's ports are mapped to slots when it is set.  A slot whose port is gone from the policy and whose
 * last flow has ended is used again. */
#ifndef LUNETTE_ENGINE_PORTS_H
#define LUNETTE_ENGINE_PORTS_H

#include "policy/policy.h"
#include "track/flow.h"

struct port_state {
	struct balance_state balance[2]; /* as endpoint lists: IPv4, IPv6 */
	uint64_t name_hash;
	uint32_t flows;
	uint32_t limit;        /* 0: none */
	uint32_t service_port; /* of the policy that is set, if it declares the port */
	uint8_t timeouts;      /* row of the flow table's */
	bool declared;         /* by the policy that is set */
};

struct ports {
	struct port_state *slots;
	uint32_t count;   /* of slots */
	uint32_t *slot;   /* by service port of the policy that is set */
	uint8_t timeouts; /* row for flows to no service */
};

void ports_fini(struct ports *ports);

/* Maps the policy's ports (NULL: none) to slots.  Fails, and changes nothing: LUN_NO_MEMORY; LUN_FULL, more than 255 different
 * sets of timeouts in this policy, the one before, and flows that live. */
int ports_set_policy(struct ports *ports, const struct lun_policy *policy, struct flow_table *flows);

#endif
