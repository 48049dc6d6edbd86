/* decide.c - the rules for the first packet of a flow, in the order in which they are asked:
 *
 *	the script, if this destination is one it sees;
 *	the frontend of the destination: none, and the address is left alone or refused (R30, R31, R32);
 *	source ranges (R22 to R24);
 *	which endpoints may be had (R1, R10 to R21);
 *	one of them;
 *	whether the source must be masqueraded (R4 to R9). */
#include "base/address.h"
#include "base/memory.h"
#include "packet/trace.h"
#include "policy/policy.h"

#include <stdio.h>

enum { NS_PER_MS = 1000000 };

/* Who opens the flow. */
enum client { CLIENT_OUTSIDE, CLIENT_POD, CLIENT_NODE };

/* All that a decision is made from, and the decision. */
struct question {
	const struct lun_policy *policy;
	const struct policy_memory *memory;
	struct random *random;
	struct packet *packet;
	struct decision *decision;
	const struct service_port *port;
	enum lun_via via;
	enum client client;
	enum lun_masquerade masquerade;   /* asked for by service or script */
	const struct policy_again *again; /* or NULL */
};

static bool any_holds(const struct lun_prefix *prefixes, size_t count, const struct lun_address *address)
{
	for (size_t i = 0; i < count; i++)
		if (lun_prefix_holds(&prefixes[i], address))
			return true;
	return false;
}

static bool any_equals(const struct lun_address *addresses, size_t count, const struct lun_address *address)
{
	for (size_t i = 0; i < count; i++)
		if (address_equal(&addresses[i], address))
			return true;
	return false;
}

static enum client client_of(const struct lun_node *node, const struct lun_address *source)
{
	if (any_holds(node->pods, node->pod_count, source))
		return CLIENT_POD; /* also where the node's address on its bridge is one of the pods' */
	if (address_is_loopback(source) || any_equals(node->addresses, node->address_count, source))
		return CLIENT_NODE;
	return CLIENT_OUTSIDE;
}

static void refuse(struct question *q, enum lun_verdict verdict, enum lun_reason reason, const char *at)
{
	q->decision->verdict = verdict;
	q->decision->reason = reason;
	TRACE(q->packet, "service", at, "%s: %s", lun_verdict_name(verdict), lun_reason_text(reason));
}

/* ---- masquerade ---- */

/* Why the source is masqueraded, or NULL; *kept says why it is not. */
static const char *masquerade_reason(const struct question *q, const struct lun_address *endpoint, const char **kept)
{
	const struct lun_node *node = &q->policy->node;
	bool local = q->port && q->port->service->external_local;

	if (q->masquerade == LUN_MASQUERADE_ALWAYS)
		return "the policy says always";
	*kept = "the policy says never";
	if (q->masquerade == LUN_MASQUERADE_NEVER)
		return NULL;
	if (address_equal(&q->packet->tuple.source, endpoint))
		return "hairpin: the endpoint is the client itself (R5)";
	if (address_is_loopback(&q->packet->tuple.source) && q->via != LUN_VIA_cluster_ip)
		return "the client is on a loopback address (R27)";
	if (q->via == LUN_VIA_script && !q->port) {
		*kept = "the script named the endpoint itself";
		return NULL;
	}
	if (q->via != LUN_VIA_cluster_ip && q->via != LUN_VIA_script) {
		if (!local)
			return "external traffic policy Cluster (R9)";
		*kept = "external traffic policy Local (R10, R11)";
		return q->client == CLIENT_NODE ? "external traffic policy Local, from the node itself (R12)" : NULL;
	}
	if (node->masquerade_all)
		return "masquerade_all (R8)";
	*kept = "which sources are local is unknown (R7)";
	if (!prefixes_of_family(node->pods, node->pod_count, lun_address_is_v4(&q->packet->tuple.source)))
		return NULL;
	*kept = "the client is a pod (R4)";
	return q->client == CLIENT_POD ? NULL : "the client is not a pod (R6)";
}

bool policy_names_masquerade(const struct lun_policy *policy, bool v4)
{
	for (size_t i = 0; i < policy->node.masquerade_address_count; i++)
		if (lun_address_is_v4(&policy->node.masquerade_addresses[i]) == v4)
			return true;
	return false;
}

/* The address to masquerade with: one per client among those of the endpoint's family (RFC 4787 REQ-2, paired), or the primary
 * address.  Unspecified if there is none. */
static struct lun_address masquerade_address(const struct lun_policy *policy, const struct lun_address *client,
					     const struct lun_address *endpoint)
{
	const struct lun_node *node = &policy->node;
	bool v4 = lun_address_is_v4(endpoint);
	uint32_t count = 0, wanted;

	for (size_t i = 0; i < node->masquerade_address_count; i++)
		count += lun_address_is_v4(&node->masquerade_addresses[i]) == v4;
	wanted = count ? (uint32_t)(hash_bytes(&policy->key, client, sizeof(*client)) % count) : 0;
	for (size_t i = 0; i < node->masquerade_address_count; i++)
		if (lun_address_is_v4(&node->masquerade_addresses[i]) == v4 && wanted-- == 0)
			return node->masquerade_addresses[i];
	for (size_t i = 0; i < node->address_count; i++)
		if (lun_address_is_v4(&node->addresses[i]) == v4)
			return node->addresses[i];
	return (struct lun_address) { { 0 } };
}

static void decide_masquerade(struct question *q, const struct lun_address *endpoint)
{
	const char *kept = "", *why = masquerade_reason(q, endpoint, &kept);
	struct lun_trace *trace = q->packet->io->trace;
	char text[LUN_ADDRESS_TEXT];

	q->decision->masquerade = why != NULL;
	if (why)
		q->decision->source = masquerade_address(q->policy, &q->packet->tuple.source, endpoint);
	if (!trace)
		return;
	trace->masquerade = q->decision->masquerade;
	snprintf(trace->masquerade_why, sizeof(trace->masquerade_why), "%s", why ? why : kept);
	if (why)
		TRACE(q->packet, "masquerade", NULL, "source becomes %s: %s", lun_address_format(&q->decision->source, text),
		      why);
	else
		TRACE(q->packet, "masquerade", NULL, "source kept: %s", kept);
}

/* ---- endpoints ---- */

/* Which of the list's endpoints this client may get; none, with the decision made, if there are none. */
static struct endpoint_range usable_endpoints(struct question *q, const struct endpoint_list *list)
{
	const struct service *service = q->port->service;
	bool external = q->via != LUN_VIA_cluster_ip && q->via != LUN_VIA_script;
	/* R16; R10 to R13: pods and the node itself reach all endpoints, as if they had gone out and come back in. */
	bool local = external ? service->external_local && q->client == CLIENT_OUTSIDE : service->internal_local;

	if (list->cluster.count == 0)
		refuse(q, LUN_REJECT, LUN_REASON_no_endpoint, service->at); /* R19 */
	else if (local && list->local.count == 0)
		refuse(q, LUN_DROP, LUN_REASON_no_local_endpoint, service->at); /* R14, R17 */
	else
		return local ? list->local : list->cluster;
	return (struct endpoint_range) { 0 };
}

static void trace_candidate(struct lun_trace *trace, const struct lun_address *address, uint16_t port, double probability)
{
	if (trace->candidate_count < trace->candidate_capacity)
		trace->candidates[trace->candidate_count] =
			(struct lun_candidate) { .address = *address, .port = port, .probability = probability };
	trace->candidate_count++;
}

static void trace_candidates(const struct question *q, const struct balance *balance)
{
	struct lun_trace *trace = q->packet->io->trace;
	double *shares = memory_take(balance->count * sizeof(*shares)); /* a packet that is traced may */

	trace->candidate_count = 0;
	if (!shares)
		return;
	balance_shares(balance, shares);
	for (uint32_t i = 0; i < balance->count; i++)
		if (shares[i] > 0)
			trace_candidate(trace, &balance->endpoints[i].address, balance->endpoints[i].port, shares[i]);
	memory_give(shares);
}

/* The endpoint that the client had, if that was not long ago and it may still have it; NULL.  *entry is where to remember the one
 * that it gets, or NULL if nobody is to. */
static const struct endpoint *remembered(const struct question *q, const struct balance *balance, struct affinity_key *key,
					 struct affinity_entry **entry)
{
	uint64_t lasts = q->port->service->affinity;

	*key = (struct affinity_key) { .client = balance->client,
				       .owner = q->port->hash | 1,
				       .tenant = q->packet->tuple.tenant };
	*entry = lasts && q->memory->affinity->entries ? affinity_place(q->memory->affinity, key) : NULL;
	if (!*entry || q->again || !affinity_holds(*entry, key, (uint32_t)q->memory->now_ms, lasts / NS_PER_MS))
		return NULL;
	for (uint32_t i = 0; i < balance->count; i++)
		if (balance->endpoints[i].port == (*entry)->port &&
		    address_equal(&balance->endpoints[i].address, &(*entry)->endpoint))
			return &balance->endpoints[i];
	return NULL;
}

/* One of the endpoints that the client may have. */
static const struct endpoint *choose(struct question *q, const struct balance *balance)
{
	const char *at = q->port->service->at;
	struct lun_trace *trace = q->packet->io->trace;
	struct affinity_entry *entry;
	struct affinity_key key;
	const struct endpoint *chosen = remembered(q, balance, &key, &entry);
	char text[LUN_ADDRESS_TEXT];

	if (chosen && trace) {
		trace->candidate_count = 0;
		trace_candidate(trace, &chosen->address, chosen->port, 1);
		TRACE(q->packet, "balance", at, "affinity: the client had %s",
		      lun_endpoint_format(&chosen->address, chosen->port, text));
	} else if (!chosen) {
		if (trace)
			trace_candidates(q, balance);
		chosen = &balance->endpoints[balance_choose(balance)];
		TRACE(q->packet, "balance", at, "%s of %u: %s", balance_name(balance->kind), balance->count,
		      lun_endpoint_format(&chosen->address, chosen->port, text));
	}
	if (entry)
		affinity_put(entry, &key, chosen, (uint32_t)q->memory->now_ms);
	return chosen;
}

/* Leaves out the endpoint that did not answer; false: there is no other. */
static bool avoid(const struct question *q, struct balance *balance)
{
	for (uint32_t i = 0; i < balance->count && !balance->avoids; i++) {
		balance->avoided = i;
		balance->avoids = balance->endpoints[i].port == q->again->port &&
				  address_equal(&balance->endpoints[i].address, &q->again->endpoint);
	}
	return !balance->avoids || balance->count > 1;
}

static void decide_endpoint(struct question *q)
{
	const struct service_port *port = q->port;
	bool v6 = !lun_address_is_v4(&q->packet->tuple.destination);
	uint32_t number = (uint32_t)(port - q->policy->ports);
	const struct endpoint *endpoints, *chosen;
	const struct endpoint_list *list = policy_endpoints(q->policy, port, v6, &endpoints);
	struct endpoint_range range = usable_endpoints(q, list);
	struct balance balance = { .kind = port->service->balance,
				   .endpoints = endpoints + range.first,
				   .count = range.count,
				   .table = range.first == list->cluster.first && range.count == list->cluster.count
						    ? list->cluster_table
						    : list->local_table,
				   .seed = q->policy->hash_seed,
				   .client = &q->packet->tuple.source,
				   .random = q->random,
				   .now = q->memory->now_ms,
				   .slow_start = port->service->slow_start };

	if (range.count == 0 || (q->again && !avoid(q, &balance)))
		return;
	q->memory->recall(q->memory->owner, number, v6, range.first, &balance);
	chosen = choose(q, &balance);
	q->decision->translate = true;
	q->decision->destination = chosen->address;
	q->decision->port = chosen->port;
	q->decision->service_port = number;
	q->decision->endpoint = (uint32_t)(chosen - endpoints);
	q->decision->edited = port->service->edited && port->protocol == LUN_TCP;
	decide_masquerade(q, &chosen->address);
}

/* ---- the map ---- */

/* R22, R24. */
static bool source_may_use(const struct question *q)
{
	const struct service *service = q->port->service;
	const struct lun_address *source = &q->packet->tuple.source;

	if (q->via != LUN_VIA_load_balancer_ip || service->source_range_count == 0)
		return true;
	return any_holds(service->source_ranges, service->source_range_count, source) ||
	       (service->ranges_hold_node &&
		any_equals(service->load_balancer_ips, service->load_balancer_ip_count, source));
}

static void set_port(struct question *q, const struct service_port *port, enum lun_via via)
{
	struct lun_trace *trace = q->packet->io->trace;

	q->port = port;
	q->via = via;
	q->masquerade = port->service->masquerade;
	if (trace) {
		trace->via = via;
		snprintf(trace->service, sizeof(trace->service), "%s", port->text);
		TRACE(q->packet, "service", port->service->at, "%s, reached by %s", port->text, lun_via_name(via));
	}
}

/* The service whose health check port this is, on one of the node's addresses, or NULL. */
static const struct service *health_checked(const struct question *q)
{
	const struct lun_policy *policy = q->policy;
	const struct lun_tuple *tuple = &q->packet->tuple;
	uint32_t low = 0, high = policy->health_check_count;

	if (high == 0 || tuple->protocol != LUN_TCP ||
	    !any_equals(policy->node.addresses, policy->node.address_count, &tuple->destination))
		return NULL;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct health_check *check = &policy->health_checks[middle];

		if (check->port == tuple->destination_port)
			return &policy->services[check->service];
		if (check->port < tuple->destination_port)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* R29. */
static void let_in(struct question *q, const struct service *service)
{
	struct lun_trace *trace = q->packet->io->trace;

	if (!trace)
		return;
	snprintf(trace->service, sizeof(trace->service), "%s:%u", service->name, service->health_check_node_port);
	snprintf(trace->reason, sizeof(trace->reason), "the health check port of %s", service->name);
	TRACE(q->packet, "service", service->at, "the health check port of %s: let in (R29)", service->name);
}

/* Whether this is an echo request to a cluster IP, which the service answers as long as it has endpoints. */
static bool answer_echo(struct question *q)
{
	const struct lun_tuple *tuple = &q->packet->tuple;
	uint16_t request = tuple->protocol == LUN_ICMPV6 ? 128 : 8;
	const struct service_port *port;

	if (q->policy->node.no_echo || q->packet->role != PACKET_ICMP_QUERY || tuple->destination_port != request)
		return false;
	port = policy_served_cluster_ip(q->policy, &tuple->destination);
	if (!port)
		return false;
	q->decision->echo = true;
	TRACE(q->packet, "service", port->service->at, "%s has endpoints: the echo request is answered",
	      port->service->name);
	return true;
}

/* No service is reached here: R29 to R32. */
static void decide_nobody(struct question *q)
{
	const struct lun_node *node = &q->policy->node;
	const struct lun_address *destination = &q->packet->tuple.destination;
	const struct service *checked = health_checked(q);

	if (checked)
		let_in(q, checked);
	else if (answer_echo(q))
		return;
	else if (!prefixes_of_family(node->service_ranges, node->service_range_count, lun_address_is_v4(destination)))
		TRACE(q->packet, "service", NULL, "no service has this address, port and protocol: left alone (R32)");
	else if (policy_holds_cluster_ip(q->policy, destination))
		refuse(q, LUN_REJECT, LUN_REASON_undefined_port, NULL);
	else if (any_holds(node->service_ranges, node->service_range_count, destination))
		refuse(q, LUN_DROP, LUN_REASON_unallocated, NULL);
	else
		TRACE(q->packet, "service", NULL, "no service has this address, port and protocol: left alone (R32)");
}

static void decide_by_map(struct question *q, const struct frontend *frontend)
{
	if (!frontend) {
		decide_nobody(q);
		return;
	}
	set_port(q, &q->policy->ports[frontend->service_port], (enum lun_via)frontend->via);
	if (!source_may_use(q))
		refuse(q, LUN_DROP, LUN_REASON_source_range, q->port->service->at);
	else
		decide_endpoint(q);
}

/* ---- the script ---- */

/* The port of `service` that a flow found at `from` (or NULL) is forwarded to: the same name or number, else the first of the
 * protocol; NULL if there is none. */
static const struct service_port *forward_port(const struct lun_policy *policy, const struct service *service,
					       const struct service_port *from, const struct lun_tuple *tuple)
{
	const struct service_port *ports = &policy->ports[service->first_port], *first = NULL;
	uint16_t number = from ? from->port : tuple->destination_port;

	for (uint32_t i = 0; i < service->port_count; i++) {
		if (ports[i].protocol != tuple->protocol)
			continue;
		if (from && from->name && ports[i].name && strcmp(from->name, ports[i].name) == 0)
			return &ports[i];
		if (!first || (ports[i].port == number && first->port != number))
			first = &ports[i];
	}
	return first;
}

static void script_said(struct question *q, const struct lun_decision *answer, enum lun_verdict verdict,
			enum lun_reason reason)
{
	struct lun_trace *trace = q->packet->io->trace;

	q->decision->verdict = verdict;
	q->decision->reason = reason;
	TRACE(q->packet, "script", answer->at, "%s%s%s", lun_verdict_name(verdict), answer->why ? ": " : "",
	      answer->why ? answer->why : "");
	if (trace && answer->why)
		snprintf(trace->reason, sizeof(trace->reason), "%s", answer->why);
}

/* The script has no answer, and `why` says what is wrong.  True: what the policy wants then is no matter for the map. */
static bool script_failed(struct question *q, const char *at, const char *why)
{
	const struct lun_decision fallback = { .why = why, .at = at };
	enum lun_action action = q->policy->on_error;

	q->decision->script_failed = action != LUN_ACTION_DROP; /* that is counted by its verdict */
	if (action == LUN_ACTION_DROP)
		script_said(q, &fallback, LUN_DROP, LUN_REASON_policy_error);
	else if (action == LUN_ACTION_ACCEPT)
		script_said(q, &fallback, LUN_ACCEPT, LUN_REASON_none);
	else
		TRACE(q->packet, "script", at, "%s: the map decides", why);
	return action != LUN_ACTION_MAP;
}

/* The same for one that it has, but that cannot be followed. */
static bool script_erred(struct question *q, const struct lun_decision *answer, const char *why)
{
	const struct lun_hooks *hooks = &q->policy->hooks;

	if (hooks->unfollowed)
		hooks->unfollowed(hooks->user, answer, why);
	return script_failed(q, answer->at, why);
}

/* False: the map has to decide. */
static bool script_forward(struct question *q, const struct lun_decision *answer, const struct frontend *frontend)
{
	const struct service *service = answer->service ? policy_service(q->policy, answer->service) : NULL;
	const struct service_port *from = frontend ? &q->policy->ports[frontend->service_port] : NULL;
	const struct service_port *port = service ? forward_port(q->policy, service, from, &q->packet->tuple) : NULL;
	char why[LUN_NAME_SIZE];

	if (!port) {
		snprintf(why, sizeof(why), "forward to \"%.200s\", which has no such port",
			 answer->service ? answer->service : "");
		return script_erred(q, answer, why);
	}
	TRACE(q->packet, "script", answer->at, "forward to %s", port->text);
	set_port(q, port, LUN_VIA_script);
	if (frontend)
		q->via = (enum lun_via)frontend->via; /* masqueraded as it would have been; the trace says "script" */
	if (answer->masquerade != LUN_MASQUERADE_AUTO)
		q->masquerade = answer->masquerade;
	decide_endpoint(q);
	return true;
}

static bool script_dnat(struct question *q, const struct lun_decision *answer)
{
	struct lun_trace *trace = q->packet->io->trace;
	uint8_t protocol = q->packet->tuple.protocol;
	bool has_port = protocol == LUN_TCP || protocol == LUN_UDP || protocol == LUN_SCTP; /* ICMP's is the type */
	uint16_t port = has_port && answer->port ? answer->port : q->packet->tuple.destination_port;
	char text[LUN_ADDRESS_TEXT];

	if (lun_address_is_v4(&answer->address) != lun_address_is_v4(&q->packet->tuple.destination))
		return script_erred(q, answer, "dnat to the other address family");
	TRACE(q->packet, "script", answer->at, "dnat to %s", lun_endpoint_format(&answer->address, port, text));
	q->via = LUN_VIA_script;
	q->masquerade = answer->masquerade;
	if (trace) {
		trace->via = LUN_VIA_script;
		trace->candidate_count = 0;
		trace_candidate(trace, &answer->address, port, 1);
	}
	q->decision->translate = true;
	q->decision->destination = answer->address;
	q->decision->port = port;
	decide_masquerade(q, &answer->address);
	return true;
}

/* Asks the script.  True: it decided. */
static bool decide_by_script(struct question *q, const struct frontend *frontend)
{
	const struct lun_policy *policy = q->policy;
	const struct service_port *port = frontend ? &policy->ports[frontend->service_port] : NULL;
	struct random random = *q->random; /* what the script draws takes nothing from the engine's choices */
	struct lun_new_flow flow;
	struct lun_decision answer = { .action = LUN_ACTION_MAP };

	if (!policy->hooks.flow ||
	    (!frontend && !any_holds(policy->intercept, policy->intercept_count, &q->packet->tuple.destination)))
		return false;
	flow = (struct lun_new_flow) { .tuple = q->packet->tuple, .now = q->memory->now, .seed = random_next(&random) };
	if (port) {
		flow.service = port->service->name;
		flow.port = port->name;
		flow.via = (enum lun_via)frontend->via;
	}
	if (policy->hooks.flow(policy->hooks.user, &flow, &answer) < 0)
		return script_failed(q, NULL, "the hook failed");
	switch (answer.action) {
	case LUN_ACTION_MAP:
		return false;
	case LUN_ACTION_ACCEPT:
		script_said(q, &answer, LUN_ACCEPT, LUN_REASON_none);
		return true;
	case LUN_ACTION_DROP:
		script_said(q, &answer, LUN_DROP, LUN_REASON_policy_drop);
		return true;
	case LUN_ACTION_REJECT:
		script_said(q, &answer, LUN_REJECT, LUN_REASON_policy_reject);
		return true;
	case LUN_ACTION_FORWARD:
		return script_forward(q, &answer, frontend);
	case LUN_ACTION_DNAT:
		return script_dnat(q, &answer);
	}
	return false;
}

void policy_decide(const struct lun_policy *policy, const struct policy_memory *memory, struct random *random,
		   struct packet *p, struct decision *decision)
{
	struct question q = { .policy = policy, .memory = memory, .random = random, .packet = p, .decision = decision };
	const struct frontend *frontend;

	*decision = (struct decision) { .verdict = LUN_ACCEPT, .service_port = DECISION_NO_PORT };
	if (!policy)
		return;
	frontend = policy_find(policy, &p->tuple.destination, p->tuple.destination_port, p->tuple.protocol);
	q.client = client_of(&policy->node, &p->tuple.source);
	if (!decide_by_script(&q, frontend))
		decide_by_map(&q, frontend);
}

bool policy_decide_again(const struct lun_policy *policy, const struct policy_memory *memory, struct random *random,
			 struct packet *p, const struct policy_again *again, struct decision *decision)
{
	struct question q = {
		.policy = policy, .memory = memory, .random = random, .packet = p, .decision = decision, .again = again
	};
	const struct frontend *frontend =
		policy_find(policy, &p->tuple.destination, p->tuple.destination_port, p->tuple.protocol);
	char text[LUN_ADDRESS_TEXT];

	*decision = (struct decision) { .verdict = LUN_ACCEPT, .service_port = DECISION_NO_PORT };
	q.client = client_of(&policy->node, &p->tuple.source);
	TRACE(p, "retry", policy->ports[again->service_port].service->at, "no answer from %s: another endpoint",
	      lun_endpoint_format(&again->endpoint, again->port, text));
	set_port(&q, &policy->ports[again->service_port],
		 frontend ? (enum lun_via)frontend->via : LUN_VIA_script); /* as it would be masqueraded */
	decide_endpoint(&q);
	return decision->verdict == LUN_ACCEPT && decision->translate;
}
