/* policy.h - services compiled to an immutable map, and the question that is asked once per flow.
 *
 * A frontend is one (address, port, protocol) at which a service port is reached, and by which way (`via`).  All frontends of
 * all services stand in one hash table; addresses that are some service's cluster IP in another (rule R30).  An endpoint list
 * holds one family, usable ones only, those on this node first: so "the node's own" is a prefix of the list and needs no second
 * one.  Rules are quoted by their numbers in the Service rules, R1 to R35. */
#ifndef LUNETTE_POLICY_POLICY_H
#define LUNETTE_POLICY_POLICY_H

#include "balance/balance.h"
#include "base/hash.h"
#include "packet/packet.h"
#include "track/decision.h"

struct endpoint {
	struct lun_address address;
	uint16_t port;
};

/* `first` counts in policy->endpoints. */
struct endpoint_list {
	uint32_t first, count, local_count;
};

struct service;

struct service_port {
	const struct service *service;
	const char *text; /* "default/nginx:http" */
	const char *name; /* "http", or NULL */
	uint16_t port;    /* as clients see it */
	uint8_t protocol;
	struct endpoint_list endpoints[2]; /* [0] IPv4, [1] IPv6 */
};

struct service {
	const char *name, *at;
	uint32_t first_port, port_count;
	struct lun_address *load_balancer_ips;
	size_t load_balancer_ip_count;
	struct lun_prefix *source_ranges;
	size_t source_range_count;
	struct lun_header *headers;
	size_t header_count;
	struct lun_condition *conditions; /* of the headers that have one */
	struct lun_prefix *trusted;
	size_t trusted_count;
	bool http; /* requests are read, and edited if there are headers */
	enum lun_balance balance;
	enum lun_masquerade masquerade;
	bool external_local, internal_local;
	bool ranges_hold_node; /* R24 */
	struct lun_timeout *timeouts;
	size_t timeout_count;
	uint32_t flow_limit;
};

struct frontend {
	struct lun_address address;
	uint16_t port;
	uint8_t protocol;
	uint8_t via;
	uint32_t service_port;
};

struct lun_policy {
	uint32_t references;
	struct lun_node node;
	struct lun_hooks hooks;
	struct lun_timeout *timeouts;
	size_t timeout_count;
	uint32_t source_limit, half_open_limit;
	bool limits_drop;
	struct lun_prefix *intercept;
	size_t intercept_count;
	struct service *services;
	size_t service_count;
	struct service_port *ports;
	uint32_t port_count;
	struct endpoint *endpoints;
	uint32_t endpoint_count;
	struct frontend *frontends;
	uint32_t frontend_count;
	uint32_t *map;         /* hash table of frontends: index + 1, or 0; linear probing, half full at most */
	uint32_t *cluster_ips; /* the same, of frontends by address alone */
	uint32_t map_size;     /* a power of two, of both */
	struct hash_key key;
	char *text; /* all strings */
	size_t text_used;
};

/* Whether some prefix is of this family: what is not said of a family is unknown, as if each had a proxy of its own. */
static inline bool prefixes_of_family(const struct lun_prefix *prefixes, size_t count, bool v4)
{
	for (size_t i = 0; i < count; i++)
		if (lun_address_is_v4(&prefixes[i].address) == v4)
			return true;
	return false;
}

/* The frontend at an address, or NULL. */
const struct frontend *policy_find(const struct lun_policy *policy, const struct lun_address *address, uint16_t port,
				   uint8_t protocol);
/* Whether the address is a cluster IP of some service, on whatever port. */
bool policy_holds_cluster_ip(const struct lun_policy *policy, const struct lun_address *address);

/* The service of a name, or NULL. */
const struct service *policy_service(const struct lun_policy *policy, const char *name);

/* Whether the policy itself names an address of this family to masquerade with, besides the node's own. */
bool policy_names_masquerade(const struct lun_policy *policy, bool v4);

/* Says what becomes of the flow that `p` opens: asks the script first, then the map.  `turns` finds what
 * balancing remembers of a service port. */
struct policy_turns {
	struct balance_state *(*of)(const void *owner, uint32_t service_port, bool v6);
	const void *owner;
};
void policy_decide(const struct lun_policy *policy, const struct policy_turns *turns, struct random *random,
		   struct packet *p, struct decision *decision);

#endif
