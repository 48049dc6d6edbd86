/* policy.h - services compiled to an immutable map, and the question that is asked once per flow.
 *
 * A frontend is one (address, port, protocol) at which a service port is reached, and by which way (`via`).  All frontends of
 * all services stand in one hash table; addresses that are some service's cluster IP in another (rule R30).  Endpoints stand in a
 * set for each service.  Rules are quoted by their numbers in the Service rules, R1 to R35. */
#ifndef LUNETTE_POLICY_POLICY_H
#define LUNETTE_POLICY_POLICY_H

#include "balance/affinity.h"
#include "balance/balance.h"
#include "base/hash.h"
#include "base/memory.h"
#include "packet/packet.h"
#include "track/decision.h"

/* Neighbours in the `endpoints` of a set. */
struct endpoint_range {
	uint32_t first, count;
};

/* The endpoints of one family of a service port, each once. */
struct endpoint_list {
	struct endpoint_range
		cluster;             /* what a new flow may have, R20, by hints or preferences: empty only if none serves */
	struct endpoint_range local; /* the same of this node's, R21 */
	struct endpoint_range serving;         /* all that serve: an old flow may stay where it is */
	uint32_t ready;                        /* so many of these, from the first on, are ready */
	uint32_t *cluster_table, *local_table; /* Maglev: of these ranges; else NULL.  One may be the other */
};

/* The endpoints of a service.  Immutable; shared by the policies in which they are the same. */
struct endpoint_set {
	uint32_t references;
	uint32_t count, list_count;
	struct endpoint *endpoints;   /* behind the lists, in the same memory */
	struct endpoint_list lists[]; /* for each port of the service IPv4, IPv6 */
};

struct service;

struct service_port {
	const struct service *service;
	const char *text; /* "default/nginx:http" */
	uint64_t hash;    /* of this and the protocol */
	const char *name; /* "http", or NULL */
	uint16_t port;    /* as clients see it */
	uint16_t target;  /* of endpoints that say none */
	uint8_t protocol;
};

struct service {
	/* read for each new flow: the first 88 bytes */
	const char *at;
	uint64_t slow_start; /* ms */
	uint64_t affinity;   /* ns */
	uint32_t first_port, port_count;
	enum lun_balance balance;
	enum lun_masquerade masquerade;
	bool external_local, internal_local, yields, no_retry;
	bool counts;            /* what is known of its endpoints has a say in who gets a flow */
	bool ranges_hold_node;  /* R24 */
	bool edited;            /* either of: */
	bool http;              /* requests are read, and edited if there are rules */
	bool http_resets;       /* ... and if refused, answered with a RST */
	bool http_responses;    /* responses are edited */
	uint8_t proxy_protocol; /* version, or 0 */
	uint16_t health_check_node_port;
	uint32_t flow_limit;
	size_t header_count;
	size_t source_range_count;
	struct lun_header *headers;
	/* seldom */
	const char *name;
	struct lun_condition *conditions; /* of the headers, and then of the paths, that have one */
	struct lun_path_rule *paths;
	size_t path_count;
	struct lun_prefix *trusted;
	size_t trusted_count;
	struct lun_address *load_balancer_ips;
	size_t load_balancer_ip_count;
	struct lun_prefix *source_ranges;
	struct lun_timeout *timeouts;
	size_t timeout_count;
	enum lun_prefer prefer;
	uint64_t rest, drain; /* ms */
	uint8_t rest_after;
};

struct frontend {
	struct lun_address address;
	uint16_t port;
	uint8_t protocol;
	uint8_t via;
	uint32_t service_port;
};

struct health_check {
	uint16_t port;
	uint32_t service;
};

struct lun_policy {
	uint32_t references;
	struct lun_policy *base; /* all but `sets` and `first_endpoints` is that one's; NULL: its own */
	struct lun_node node;
	struct lun_hooks hooks;
	struct lun_timeout *timeouts;
	size_t timeout_count;
	uint32_t source_limit, half_open_limit;
	bool limits_drop;
	enum lun_action on_error;
	struct lun_prefix *intercept;
	size_t intercept_count;
	uint64_t hash_seed;
	bool counts;    /* some service does */
	bool remembers; /* some service has affinity */
	bool responses; /* some service edits them */
	struct service *services;
	size_t service_count;
	struct service_port *ports;
	uint32_t port_count;
	struct endpoint_set **sets;         /* of each service */
	size_t *first_endpoints;            /* of each service, and how many there are: all sets counted through */
	struct health_check *health_checks; /* by port */
	uint32_t health_check_count;
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
/* Fetches what a decision on `tuple` will read, one step of what hangs on another a call; packets of a batch take each step
 * together, so that their cache misses overlap.  `fetch` begins zeroed, and ends so where no service is found. */
enum { POLICY_FETCH_STEPS = 5 };
struct policy_fetch {
	uint32_t at;      /* place in the map, then number of the service port + 1 */
	const void *next; /* frontend, then service port, then set */
};
void policy_fetch(const struct lun_policy *policy, const struct lun_tuple *tuple, int step, struct policy_fetch *fetch);

/* Whether the address is a cluster IP of some service, on whatever port. */
bool policy_holds_cluster_ip(const struct lun_policy *policy, const struct lun_address *address);

/* The endpoints of one family of a service port, and where its ranges begin to count. */
static inline const struct endpoint_list *policy_endpoints(const struct lun_policy *policy, const struct service_port *port,
							   bool v6, const struct endpoint **endpoints)
{
	const struct endpoint_set *set = policy->sets[port->service - policy->services];
	uint32_t number = (uint32_t)(port - policy->ports) - port->service->first_port;

	*endpoints = set->endpoints;
	return &set->lists[2 * number + v6];
}

/* Whether both have the same services and ports, by the same numbers. */
static inline bool policy_same_ports(const struct lun_policy *a, const struct lun_policy *b)
{
	return a && b && (a->base ? a->base : a) == (b->base ? b->base : b);
}

/* compile.c: whether the weights of a service can be added up; 0 or LUN_BAD_POLICY. */
int policy_check_endpoints(const struct lun_service *service, struct lun_error *error);

/* endpoints.c: of a service, as a node sees them, holding one reference; NULL: no memory. */
struct endpoint_set *endpoint_set_new(const struct lun_service *service, const struct lun_node *node, uint64_t hash_seed);
void endpoint_set_unref(struct endpoint_set *set); /* NULL is fine */

/* The service port of an address that is its cluster IP and for which it has endpoints, or NULL. */
const struct service_port *policy_served_cluster_ip(const struct lun_policy *policy, const struct lun_address *address);

/* The service of a name, or NULL. */
const struct service *policy_service(const struct lun_policy *policy, const char *name);

/* Whether the policy itself names an address of this family to masquerade with, besides the node's own. */
bool policy_names_masquerade(const struct lun_policy *policy, bool v4);

/* What an engine remembers of services, for those who decide. */
struct policy_memory {
	/* Fills what balancing remembers of a service port's endpoints, and their loads, if the policy `counts`: those of the set's
	 * endpoint `first` and on. */
	void (*recall)(const void *owner, uint32_t service_port, bool v6, uint32_t first, struct balance *balance);
	const void *owner;
	const struct affinity *affinity; /* without entries unless the policy `remembers` */
	uint64_t now_ms, now;            /* now: ns */
};

struct policy_again {
	uint32_t service_port;
	struct lun_address endpoint; /* that does not answer */
	uint16_t port;
};

/* Says what becomes of the flow that `p` opens: asks the script first, then the map. */
void policy_decide(const struct lun_policy *policy, const struct policy_memory *memory, struct random *random,
		   struct packet *p, struct decision *decision);

/* The same for a flow that is there, to an endpoint of this service port, which does not answer: another one.  False: there is
 * none. */
bool policy_decide_again(const struct lun_policy *policy, const struct policy_memory *memory, struct random *random,
			 struct packet *p, const struct policy_again *again, struct decision *decision);

#endif
