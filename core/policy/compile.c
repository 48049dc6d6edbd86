/* compile.c - struct lun_policy_config to struct lun_policy: checks everything, copies everything, sorts services by name.
 *
 * Two passes: the first counts, so that each array is allocated once; the second fills.  After that nothing is written, but the
 * reference count. */
#include "base/address.h"
#include "base/config.h"
#include "base/fail.h"
#include "base/header.h"
#include "base/memory.h"
#include "policy/policy.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t NS_PER_MS = 1000000, REST_DEFAULT = 10000000000;

/* "kind.lua:12: " or "", for the head of a message. */
#define AT(service) (service)->at ? (service)->at : "", (service)->at ? ": " : ""

static const char *copy_text(struct lun_policy *policy, const char *text)
{
	size_t size = text ? strlen(text) + 1 : 0;
	char *copy = policy->text + policy->text_used;

	if (!text)
		return NULL;
	memcpy(copy, text, size);
	policy->text_used += size;
	return copy;
}

/* A copy of an array on the heap: NULL for none, and *failed set when memory is out. */
static void *copy_array(const void *array, size_t count, size_t size, bool *failed)
{
	void *copy = count ? memory_take(count * size) : NULL;

	if (copy)
		memcpy(copy, array, count * size);
	else if (count)
		*failed = true;
	return copy;
}

#define COPY_ARRAY(array, count, failed) copy_array(array, count, sizeof(*(array)), failed)

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

/* Of two texts, and a condition or NULL. */
static size_t rule_text_size(const char *one, const char *other, const struct lun_condition *when)
{
	return text_size(one) + text_size(other) +
	       (when ? text_size(when->host) + text_size(when->path) + text_size(when->method) : 0);
}

/* Bytes of text that a service needs, "namespace/name:port" of each port included. */
static size_t service_text_size(const struct lun_service *service)
{
	size_t size = text_size(service->name) + text_size(service->at);

	for (size_t i = 0; i < service->port_count; i++)
		size += text_size(service->ports[i].name) * 2 + text_size(service->name) + sizeof(":65535");
	for (size_t i = 0; i < service->header_count; i++)
		size += rule_text_size(service->headers[i].name, service->headers[i].value, service->headers[i].when);
	for (size_t i = 0; i < service->path_count; i++)
		size += rule_text_size(service->paths[i].strip, service->paths[i].add, service->paths[i].when);
	return size;
}

/* ---- checks ---- */

static int check_headers(const struct lun_service *service, struct lun_error *error)
{
	if (service->header_count > LUN_HEADERS)
		return fail(error, LUN_BAD_POLICY, "%s%sservice \"%s\" has %zu rules for headers, expected at most %d",
			    AT(service), service->name, service->header_count, LUN_HEADERS);
	for (size_t i = 0; i < service->header_count; i++) {
		const char *name = service->headers[i].name,
			   *fault = name ? header_fault(&service->headers[i]) : "has no name";

		if (fault)
			return fail(error, LUN_BAD_POLICY, "%s%sheader \"%.80s\" of service \"%s\" %s", AT(service),
				    name ? name : "", service->name, fault);
	}
	return 0;
}

static const char *path_rule_fault(const struct lun_path_rule *rule)
{
	const char *strip = rule->strip ? rule->strip : "", *add = rule->add ? rule->add : "";

	if (!*strip && !*add)
		return "strips and adds nothing";
	if (*strip && (!target_is_valid(strip) || strchr(strip, '?')))
		return "strips what is no path that begins with a slash";
	if (*add && (!target_is_valid(add) || strchr(add, '?')))
		return "adds what is no path that begins with a slash";
	return NULL;
}

static int check_paths(const struct lun_service *service, struct lun_error *error)
{
	if (service->path_count > LUN_HEADERS)
		return fail(error, LUN_BAD_POLICY, "%s%sservice \"%s\" has %zu rules for paths, expected at most %d",
			    AT(service), service->name, service->path_count, LUN_HEADERS);
	for (size_t i = 0; i < service->path_count; i++) {
		const char *fault = path_rule_fault(&service->paths[i]);

		if (fault)
			return fail(error, LUN_BAD_POLICY, "%s%sa rule for paths of service \"%s\" %s", AT(service),
				    service->name, fault);
	}
	return 0;
}

static int check_ports(const struct lun_service *service, struct lun_error *error)
{
	for (size_t i = 0; i < service->port_count; i++) {
		const struct lun_port *port = &service->ports[i];

		if (port->port == 0)
			return fail(error, LUN_BAD_POLICY, "%s%sservice \"%s\" has a port 0, expected 1 to 65535",
				    AT(service), service->name);
		if (port->protocol && port->protocol != LUN_TCP && port->protocol != LUN_UDP && port->protocol != LUN_SCTP)
			return fail(error, LUN_BAD_POLICY,
				    "%s%sservice \"%s\" has a port of protocol %u, expected TCP, UDP or SCTP", AT(service),
				    service->name, port->protocol);
	}
	return 0;
}

/* `who` names the place for the message. */
static int check_timeouts(const struct lun_timeout *timeouts, size_t count, const char *who, struct lun_error *error)
{
	const uint64_t least = 1000000000, most = 24 * 86400 * least;

	for (size_t i = 0; i < count; i++)
		if ((unsigned)timeouts[i].state >= LUN_STATE_COUNT || timeouts[i].time < least || timeouts[i].time > most)
			return fail(error, LUN_BAD_POLICY, "%s: a timeout of %llu s, expected 1 second to 24 days", who,
				    (unsigned long long)(timeouts[i].time / least));
	return 0;
}

static int check_prefixes(const struct lun_prefix *prefixes, size_t count, const char *who, struct lun_error *error)
{
	for (size_t i = 0; i < count; i++)
		if (prefixes[i].length > 128 || (lun_address_is_v4(&prefixes[i].address) && prefixes[i].length < 96))
			return fail(error, LUN_BAD_POLICY, "%s: a prefix of length %u, expected %s", who, prefixes[i].length,
				    prefixes[i].length > 128 ? "at most 128"
							     : "96 to 128 for IPv4, which counts in 128 bits");
	return 0;
}

static int check_node(const struct lun_policy_config *config, struct lun_error *error)
{
	const struct lun_node *node = &config->node;

	if (check_prefixes(node->pods, node->pod_count, "pods", error) < 0 ||
	    check_prefixes(node->service_ranges, node->service_range_count, "service_ranges", error) < 0 ||
	    check_prefixes(node->node_port_addresses, node->node_port_address_count, "node_port_addresses", error) < 0 ||
	    check_prefixes(config->intercept, config->intercept_count, "intercept", error) < 0)
		return LUN_BAD_POLICY;
	return check_timeouts(config->timeouts, config->timeout_count, "policy", error);
}

/* Weights are added up in 32 bits, those that are preferred twice. */
int policy_check_endpoints(const struct lun_service *service, struct lun_error *error)
{
	uint64_t weight = 0;

	for (size_t i = 0; i < service->endpoint_count; i++)
		weight += service->endpoints[i].weight ? service->endpoints[i].weight : 1;
	if (weight * 2 * service->port_count > UINT32_MAX)
		return fail(error, LUN_BAD_POLICY,
			    "%s%sthe weights of service \"%s\" are %llu together, expected at most %llu", AT(service),
			    service->name, (unsigned long long)weight,
			    (unsigned long long)(UINT32_MAX / 2 / service->port_count));
	return 0;
}

static int check_service(const struct lun_service *service, struct lun_error *error)
{
	const char *at = service->at ? service->at : service->name;

	if (!service->name || !*service->name)
		return fail(error, LUN_BAD_POLICY, "%s%sa service has no name", AT(service));
	if (strlen(service->name) >= LUN_NAME_SIZE / 2)
		return fail(error, LUN_BAD_POLICY, "%s%sthe name of service \"%.40s...\" is longer than %d bytes",
			    AT(service), service->name, LUN_NAME_SIZE / 2 - 1);
	if (service->port_count == 0)
		return fail(error, LUN_BAD_POLICY, "%s%sservice \"%s\" has no ports", AT(service), service->name);
	if (check_ports(service, error) < 0 || policy_check_endpoints(service, error) < 0 ||
	    check_timeouts(service->timeouts, service->timeout_count, at, error) < 0 ||
	    check_prefixes(service->load_balancer_source_ranges, service->load_balancer_source_range_count, at, error) < 0 ||
	    check_prefixes(service->trusted_proxies, service->trusted_proxy_count, at, error) < 0)
		return LUN_BAD_POLICY;
	if (service->proxy_protocol > 2)
		return fail(error, LUN_BAD_POLICY,
			    "%s%sservice \"%s\" has version %u of the PROXY protocol, expected 1 or 2", AT(service),
			    service->name, service->proxy_protocol);
	return check_headers(service, error) < 0 ? LUN_BAD_POLICY : check_paths(service, error);
}

/* ---- frontends ---- */

static uint32_t frontend_hash(const struct lun_policy *policy, const struct lun_address *address, uint32_t rest)
{
	uint8_t bytes[20];

	memcpy(bytes, address, 16);
	memcpy(bytes + 16, &rest, 4);
	return (uint32_t)hash_bytes(&policy->key, bytes, sizeof(bytes)) & (policy->map_size - 1);
}

static uint32_t port_word(uint16_t port, uint8_t protocol)
{
	return (uint32_t)protocol << 16 | port;
}

const struct frontend *policy_find(const struct lun_policy *policy, const struct lun_address *address, uint16_t port,
				   uint8_t protocol)
{
	for (uint32_t at = frontend_hash(policy, address, port_word(port, protocol)); policy->map[at];
	     at = (at + 1) & (policy->map_size - 1)) {
		const struct frontend *frontend = &policy->frontends[policy->map[at] - 1];

		if (frontend->port == port && frontend->protocol == protocol && address_equal(&frontend->address, address))
			return frontend;
	}
	return NULL;
}

enum { SET_FETCHED = 384 /* lists, and the first endpoints behind them */ };

void policy_fetch(const struct lun_policy *policy, const struct lun_tuple *tuple, int step, struct policy_fetch *fetch)
{
	const struct service_port *port;

	if (step == 0) {
		fetch->at = frontend_hash(policy, &tuple->destination, port_word(tuple->destination_port, tuple->protocol));
		__builtin_prefetch(&policy->map[fetch->at]);
	} else if (step == 1 && policy->map[fetch->at]) { /* the first guess is right, more often than not */
		fetch->next = &policy->frontends[policy->map[fetch->at] - 1];
		fetch_lines(fetch->next, sizeof(struct frontend));
	} else if (step == 2 && fetch->next) {
		fetch->at = ((const struct frontend *)fetch->next)->service_port + 1;
		fetch->next = &policy->ports[fetch->at - 1];
		fetch_lines(fetch->next, sizeof(*port));
	} else if (step == 3 && fetch->next) {
		port = fetch->next;
		fetch_lines(port->service, offsetof(struct service, name));
		__builtin_prefetch(&policy->sets[port->service - policy->services]);
	} else if (step == 4 && fetch->next) {
		port = fetch->next;
		fetch_lines(policy->sets[port->service - policy->services], SET_FETCHED);
	}
}

bool policy_holds_cluster_ip(const struct lun_policy *policy, const struct lun_address *address)
{
	for (uint32_t at = frontend_hash(policy, address, 0); policy->cluster_ips[at];
	     at = (at + 1) & (policy->map_size - 1))
		if (address_equal(&policy->frontends[policy->cluster_ips[at] - 1].address, address))
			return true;
	return false;
}

const struct service_port *policy_served_cluster_ip(const struct lun_policy *policy, const struct lun_address *address)
{
	for (uint32_t at = frontend_hash(policy, address, 0); policy->cluster_ips[at];
	     at = (at + 1) & (policy->map_size - 1)) {
		const struct frontend *frontend = &policy->frontends[policy->cluster_ips[at] - 1];
		const struct service_port *port = &policy->ports[frontend->service_port];
		const struct endpoint *endpoints;

		if (address_equal(&frontend->address, address) &&
		    policy_endpoints(policy, port, !lun_address_is_v4(address), &endpoints)->cluster.count > 0)
			return port;
	}
	return NULL;
}

static void map_put(const struct lun_policy *policy, uint32_t *map, uint32_t at, uint32_t frontend)
{
	while (map[at])
		at = (at + 1) & (policy->map_size - 1);
	map[at] = frontend + 1;
}

/* Adds an (address, port, protocol).  One that the same service has already is kept as it is: an external IP may equal a
 * load balancer IP. */
static int add_frontend(struct lun_policy *policy, const struct lun_address *address, uint16_t port, uint32_t service_port,
			enum lun_via via, struct lun_error *error)
{
	const struct service_port *owner = &policy->ports[service_port];
	const struct frontend *other = policy_find(policy, address, port, owner->protocol);
	struct frontend frontend = {
		.address = *address, .port = port, .protocol = owner->protocol, .service_port = service_port
	};
	uint32_t number = policy->frontend_count;
	char text[LUN_ADDRESS_TEXT];

	if (other && (other->service_port == service_port || owner->service->yields))
		return 0;
	if (other)
		return fail(error, LUN_BAD_POLICY, "%s%s%s %s of \"%s\" belongs to \"%s\" already", AT(owner->service),
			    lun_protocol_name(owner->protocol), lun_endpoint_format(address, port, text), owner->text,
			    policy->ports[other->service_port].text);
	frontend.via = (uint8_t)via;
	policy->frontends[policy->frontend_count++] = frontend;
	map_put(policy, policy->map, frontend_hash(policy, address, port_word(port, owner->protocol)), number);
	if (via == LUN_VIA_cluster_ip)
		map_put(policy, policy->cluster_ips, frontend_hash(policy, address, 0), number);
	return 0;
}

static bool any_prefix_holds(const struct lun_prefix *prefixes, size_t count, const struct lun_address *address)
{
	for (size_t i = 0; i < count; i++)
		if (lun_prefix_holds(&prefixes[i], address))
			return true;
	return false;
}

/* Whether NodePorts are served on a node address: those that the prefixes hold (R26), else the primary one of each family
 * where service_ranges is set, else all. */
static bool serves_node_ports(const struct lun_node *node, size_t number)
{
	const struct lun_address *address = &node->addresses[number];
	bool v4 = lun_address_is_v4(address);

	if (address_is_loopback(address))
		return false; /* localhost is a setting of its own, R28 */
	if (prefixes_of_family(node->node_port_addresses, node->node_port_address_count, v4))
		return any_prefix_holds(node->node_port_addresses, node->node_port_address_count, address);
	if (!prefixes_of_family(node->service_ranges, node->service_range_count, v4))
		return true;
	for (size_t i = 0; i < number; i++)
		if (lun_address_is_v4(&node->addresses[i]) == v4)
			return false;
	return true;
}

/* R27, R28. */
static bool serves_localhost(const struct lun_node *node)
{
	static const struct lun_address localhost = { { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } };

	if (node->localhost_node_ports == LUN_OFF ||
	    (node->localhost_node_ports == LUN_DEFAULT &&
	     prefixes_of_family(node->service_ranges, node->service_range_count, true)))
		return false;
	return !prefixes_of_family(node->node_port_addresses, node->node_port_address_count, true) ||
	       any_prefix_holds(node->node_port_addresses, node->node_port_address_count, &localhost);
}

/* Whether a service is of a family, so that its NodePorts are served there: it has a cluster IP or an endpoint of it, or no cluster
 * IP at all.  A port of one that is not is left alone, as if each family had a proxy of its own. */
static bool is_of_family(const struct lun_service *service, bool v4)
{
	for (size_t i = 0; i < service->cluster_ip_count; i++)
		if (lun_address_is_v4(&service->cluster_ips[i]) == v4)
			return true;
	for (size_t i = 0; i < service->endpoint_count; i++)
		if (lun_address_is_v4(&service->endpoints[i].address) == v4)
			return true;
	return service->cluster_ip_count == 0;
}

static int add_node_port(struct lun_policy *policy, const struct lun_service *from, uint16_t port, uint32_t service_port,
			 struct lun_error *error)
{
	static const struct lun_address localhost = { { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } };
	const struct lun_node *node = &policy->node;
	bool served[2] = { is_of_family(from, false), is_of_family(from, true) };
	int result = 0;

	for (size_t i = 0; i < node->address_count && result == 0; i++)
		if (served[lun_address_is_v4(&node->addresses[i])] && serves_node_ports(node, i))
			result = add_frontend(policy, &node->addresses[i], port, service_port, LUN_VIA_node_port, error);
	if (result == 0 && served[true] && serves_localhost(node))
		result = add_frontend(policy, &localhost, port, service_port, LUN_VIA_node_port, error);
	return result;
}

static int add_frontends_of(struct lun_policy *policy, const struct lun_address *addresses, size_t count,
			    uint32_t service_port, enum lun_via via, struct lun_error *error)
{
	for (size_t i = 0; i < count; i++) {
		int result = add_frontend(policy, &addresses[i], policy->ports[service_port].port, service_port, via, error);

		if (result < 0)
			return result;
	}
	return 0;
}

static int fill_frontends(struct lun_policy *policy, const struct lun_service *from, const struct lun_port *port,
			  uint32_t number, struct lun_error *error)
{
	int result = add_frontends_of(policy, from->cluster_ips, from->cluster_ip_count, number, LUN_VIA_cluster_ip, error);

	if (result == 0)
		result = add_frontends_of(policy, from->load_balancer_ips, from->load_balancer_ip_count, number,
					  LUN_VIA_load_balancer_ip, error);
	if (result == 0)
		result = add_frontends_of(policy, from->external_ips, from->external_ip_count, number, LUN_VIA_external_ip,
					  error);
	if (result == 0 && port->node_port)
		result = add_node_port(policy, from, port->node_port, number, error);
	return result;
}

/* ---- services ---- */

static const char *port_text(struct lun_policy *policy, const char *service, const struct lun_port *port)
{
	char *text = policy->text + policy->text_used;

	if (port->name)
		policy->text_used += (size_t)sprintf(text, "%s:%s", service, port->name) + 1;
	else
		policy->text_used += (size_t)sprintf(text, "%s:%u", service, port->port) + 1;
	return text;
}

/* => a copy at `into`, or NULL */
static const struct lun_condition *copy_condition(struct lun_policy *policy, struct lun_condition *into,
						  const struct lun_condition *from)
{
	if (!from)
		return NULL;
	*into = (struct lun_condition) { .host = copy_text(policy, from->host),
					 .path = copy_text(policy, from->path),
					 .method = copy_text(policy, from->method) };
	return into;
}

static int fill_http(struct lun_policy *policy, const struct lun_service *from, struct service *into)
{
	size_t count = from->header_count + from->path_count;
	struct lun_condition *condition;
	bool failed = false;

	into->headers = COPY_ARRAY(from->headers, from->header_count, &failed);
	into->paths = COPY_ARRAY(from->paths, from->path_count, &failed);
	into->conditions = condition = count ? memory_zeroed(count, sizeof(*condition)) : NULL;
	into->trusted = COPY_ARRAY(from->trusted_proxies, from->trusted_proxy_count, &failed);
	if (failed || (count && !condition))
		return LUN_NO_MEMORY;
	into->http = from->http || count > 0;
	into->http_resets = from->http_resets;
	for (size_t i = 0; i < from->header_count; i++)
		into->http_responses |= from->headers[i].response;
	into->proxy_protocol = from->proxy_protocol;
	into->edited = into->http || into->proxy_protocol;
	into->trusted_count = from->trusted_proxy_count;
	into->header_count = from->header_count;
	into->path_count = from->path_count;
	for (size_t i = 0; i < from->header_count; i++)
		into->headers[i] =
			(struct lun_header) { .name = copy_text(policy, from->headers[i].name),
					      .value = copy_text(policy, from->headers[i].value),
					      .kind = from->headers[i].kind,
					      .response = from->headers[i].response,
					      .when = copy_condition(policy, condition++, from->headers[i].when) };
	for (size_t i = 0; i < from->path_count; i++)
		into->paths[i] = (struct lun_path_rule) { .strip = copy_text(policy, from->paths[i].strip),
							  .add = copy_text(policy, from->paths[i].add),
							  .when = copy_condition(policy, condition++, from->paths[i].when) };
	return 0;
}

static int fill_ports(struct lun_policy *policy, const struct lun_service *from, const struct service *into,
		      struct lun_error *error)
{
	int result = 0;

	for (size_t i = 0; i < from->port_count && result == 0; i++) {
		const struct lun_port *port = &from->ports[i];
		struct service_port *service_port = &policy->ports[policy->port_count];

		*service_port = (struct service_port) { .service = into,
							.text = port_text(policy, into->name, port),
							.name = copy_text(policy, port->name),
							.port = port->port,
							.target = port->target_port ? port->target_port : port->port,
							.protocol = port->protocol ? port->protocol : LUN_TCP };
		/* The protocol counts: a port without a name is "dns:53" for TCP and for UDP. */
		service_port->hash =
			hash_bytes(&policy->key, service_port->text, strlen(service_port->text)) + service_port->protocol;
		result = fill_frontends(policy, from, port, policy->port_count++, error);
	}
	return result;
}

static int fill_service(struct lun_policy *policy, const struct lun_service *from, struct service *into,
			struct lun_error *error)
{
	size_t number = (size_t)(into - policy->services);
	bool failed = false;

	*into = (struct service) { .name = copy_text(policy, from->name), .at = copy_text(policy, from->at) };
	into->first_port = policy->port_count;
	into->port_count = (uint32_t)from->port_count;
	into->balance = from->balance;
	into->masquerade = from->masquerade;
	into->prefer = from->prefer;
	into->external_local = from->external_local;
	into->internal_local = from->internal_local;
	into->yields = from->yields;
	into->load_balancer_ips = COPY_ARRAY(from->load_balancer_ips, from->load_balancer_ip_count, &failed);
	into->load_balancer_ip_count = from->load_balancer_ip_count;
	into->source_ranges = COPY_ARRAY(from->load_balancer_source_ranges, from->load_balancer_source_range_count, &failed);
	into->timeouts = COPY_ARRAY(from->timeouts, from->timeout_count, &failed);
	into->timeout_count = from->timeout_count;
	into->flow_limit = from->flow_limit;
	into->source_range_count = from->load_balancer_source_range_count;
	into->health_check_node_port = from->health_check_node_port;
	into->affinity = from->affinity;
	into->no_retry = from->no_retry;
	into->rest_after = from->rest_after;
	into->rest = (from->rest ? from->rest : REST_DEFAULT) / NS_PER_MS;
	into->slow_start = from->slow_start / NS_PER_MS;
	into->drain = from->drain / NS_PER_MS;
	into->counts = from->balance == LUN_BALANCE_LEAST_CONNECTIONS || from->rest_after || into->slow_start || into->drain;
	policy->counts |= into->counts;
	policy->remembers |= from->affinity > 0;
	for (size_t i = 0; i < from->header_count; i++)
		policy->responses |= from->headers[i].response;
	policy->sets[number] = endpoint_set_new(from, &policy->node, policy->hash_seed);
	failed |= !policy->sets[number];
	if (failed || fill_http(policy, from, into) < 0)
		return fail(error, LUN_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < policy->node.address_count; i++)
		into->ranges_hold_node |=
			any_prefix_holds(into->source_ranges, into->source_range_count, &policy->node.addresses[i]);
	return fill_ports(policy, from, into, error);
}

static int fill_node(struct lun_policy *policy, const struct lun_node *from)
{
	struct lun_node *node = &policy->node;
	bool failed = false;

	*node = *from;
	node->name = copy_text(policy, from->name);
	node->zone = copy_text(policy, from->zone);
	node->addresses = COPY_ARRAY(from->addresses, from->address_count, &failed);
	node->pods = COPY_ARRAY(from->pods, from->pod_count, &failed);
	node->service_ranges = COPY_ARRAY(from->service_ranges, from->service_range_count, &failed);
	node->node_port_addresses = COPY_ARRAY(from->node_port_addresses, from->node_port_address_count, &failed);
	node->masquerade_addresses = COPY_ARRAY(from->masquerade_addresses, from->masquerade_address_count, &failed);
	return failed ? LUN_NO_MEMORY : 0;
}

struct sizes {
	size_t text, ports, frontends;
};

static int measure(const struct lun_policy_config *config, struct sizes *sizes, struct lun_error *error)
{
	*sizes = (struct sizes) { .text = text_size(config->node.name) + text_size(config->node.zone) };
	if (check_node(config, error) < 0)
		return LUN_BAD_POLICY;
	for (size_t i = 0; i < config->service_count; i++) {
		const struct lun_service *service = &config->services[i];
		size_t addresses = service->cluster_ip_count + service->external_ip_count + service->load_balancer_ip_count;
		int result = check_service(service, error);

		if (result < 0)
			return result;
		sizes->text += service_text_size(service);
		sizes->ports += service->port_count;
		sizes->frontends += service->port_count * (addresses + config->node.address_count + 1);
	}
	if (sizes->frontends > UINT32_MAX / 8)
		return fail(error, LUN_BAD_POLICY, "the policy has too many services: %zu frontends", sizes->frontends);
	return 0;
}

static int allocate(struct lun_policy *policy, const struct lun_policy_config *config, const struct sizes *sizes)
{
	for (policy->map_size = 4; policy->map_size < sizes->frontends * 2;)
		policy->map_size *= 2;
	policy->text = memory_take(sizes->text + 1);
	policy->services = memory_zeroed(config->service_count + 1, sizeof(*policy->services));
	policy->ports = memory_zeroed(sizes->ports + 1, sizeof(*policy->ports));
	policy->sets = memory_zeroed(config->service_count + 1, sizeof(struct endpoint_set *));
	policy->first_endpoints = memory_zeroed(config->service_count + 1, sizeof(*policy->first_endpoints));
	policy->health_checks = memory_zeroed(config->service_count + 1, sizeof(*policy->health_checks));
	policy->frontends = memory_zeroed(sizes->frontends + 1, sizeof(*policy->frontends));
	policy->map = memory_zeroed(policy->map_size, sizeof(*policy->map));
	policy->cluster_ips = memory_zeroed(policy->map_size, sizeof(*policy->cluster_ips));
	if (!policy->text || !policy->services || !policy->ports || !policy->sets || !policy->first_endpoints ||
	    !policy->health_checks || !policy->frontends || !policy->map || !policy->cluster_ips)
		return LUN_NO_MEMORY;
	return 0;
}

static int by_port(const void *a, const void *b)
{
	return (int)((const struct health_check *)a)->port - (int)((const struct health_check *)b)->port;
}

static int fill_health_checks(struct lun_policy *policy, struct lun_error *error)
{
	struct health_check *checks = policy->health_checks;

	for (uint32_t i = 0; i < policy->service_count; i++)
		if (policy->services[i].health_check_node_port)
			checks[policy->health_check_count++] =
				(struct health_check) { policy->services[i].health_check_node_port, i };
	qsort(checks, policy->health_check_count, sizeof(*checks), by_port);
	for (uint32_t i = 1; i < policy->health_check_count; i++)
		if (checks[i - 1].port == checks[i].port && !policy->services[checks[i].service].yields)
			return fail(error, LUN_BAD_POLICY, "%s%shealth check port %u of \"%s\" belongs to \"%s\" already",
				    AT(&policy->services[checks[i].service]), checks[i].port,
				    policy->services[checks[i].service].name, policy->services[checks[i - 1].service].name);
	return 0;
}

/* Counts the endpoints of all sets through. */
static void count_endpoints(struct lun_policy *policy)
{
	for (size_t i = 0; i < policy->service_count; i++)
		policy->first_endpoints[i + 1] = policy->first_endpoints[i] + policy->sets[i]->count;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct lun_service *const *)a)->name, (*(const struct lun_service *const *)b)->name);
}

/* Fills services in the order of their names, so that a name is found by bisection; frontends follow, in the same order. */
static int fill(struct lun_policy *policy, const struct lun_policy_config *config, struct lun_error *error)
{
	const struct lun_service **sorted = memory_take((config->service_count + 1) * sizeof(const struct lun_service *));
	int result = sorted && fill_node(policy, &config->node) == 0 ? 0 : fail(error, LUN_NO_MEMORY, "out of memory");

	for (size_t i = 0; i < config->service_count && sorted; i++)
		sorted[i] = &config->services[i];
	if (sorted)
		qsort(sorted, config->service_count, sizeof(*sorted), by_name);
	for (size_t i = 0; i < config->service_count && result == 0; i++) {
		if (i > 0 && by_name(&sorted[i - 1], &sorted[i]) == 0)
			result = fail(error, LUN_BAD_POLICY, "%s%sservice \"%s\" is declared twice", AT(sorted[i]),
				      sorted[i]->name);
		else
			result = fill_service(policy, sorted[i], &policy->services[policy->service_count++], error);
	}
	memory_give(sorted);
	if (result < 0)
		return result;
	count_endpoints(policy);
	return fill_health_checks(policy, error);
}

static void policy_free(struct lun_policy *policy)
{
	for (size_t i = 0; policy->sets && i < policy->service_count; i++)
		endpoint_set_unref(policy->sets[i]);
	memory_give(policy->sets);
	memory_give(policy->first_endpoints);
	if (policy->base) {
		lun_policy_unref(policy->base);
		memory_give(policy);
		return;
	}
	for (size_t i = 0; i < policy->service_count; i++) {
		memory_give(policy->services[i].load_balancer_ips);
		memory_give(policy->services[i].source_ranges);
		memory_give(policy->services[i].headers);
		memory_give(policy->services[i].paths);
		memory_give(policy->services[i].conditions);
		memory_give(policy->services[i].trusted);
		memory_give(policy->services[i].timeouts);
	}
	memory_give((void *)policy->node.addresses);
	memory_give((void *)policy->node.pods);
	memory_give((void *)policy->node.service_ranges);
	memory_give((void *)policy->node.node_port_addresses);
	memory_give((void *)policy->node.masquerade_addresses);
	memory_give(policy->intercept);
	memory_give(policy->timeouts);
	memory_give(policy->text);
	memory_give(policy->services);
	memory_give(policy->ports);
	memory_give(policy->health_checks);
	memory_give(policy->frontends);
	memory_give(policy->map);
	memory_give(policy->cluster_ips);
	memory_give(policy);
}

bool lun_policy_sees_packets(const struct lun_policy *policy)
{
	return policy && policy->hooks.packet;
}

static int check_on_error(const struct lun_policy_config *config, struct lun_error *error)
{
	if (config->on_error == LUN_ACTION_MAP || config->on_error == LUN_ACTION_ACCEPT ||
	    config->on_error == LUN_ACTION_DROP)
		return 0;
	return fail(error, LUN_BAD_POLICY, "on_error: expected the map, accept or drop");
}

/* What concerns no service in particular.  False: no memory. */
static bool fill_rest(struct lun_policy *policy, const struct lun_policy_config *config)
{
	bool failed = false;

	policy->intercept = COPY_ARRAY(config->intercept, config->intercept_count, &failed);
	policy->intercept_count = config->intercept_count;
	policy->timeouts = COPY_ARRAY(config->timeouts, config->timeout_count, &failed);
	policy->timeout_count = config->timeout_count;
	policy->source_limit = config->source_limit;
	policy->half_open_limit = config->half_open_limit;
	policy->limits_drop = config->limits_drop;
	policy->on_error = config->on_error;
	return !failed;
}

int lun_policy_new(struct lun_policy **made, const struct lun_policy_config *given, struct lun_error *error)
{
	static const uint64_t seed[2] = { 0x6c756e65747465,
					  0x6d6170 }; /* the map's keys are the policy's own, not a sender's */
	struct lun_policy_config ours = { 0 };
	const struct lun_policy_config *config = &ours;
	struct lun_policy *policy;
	struct sizes sizes;
	int result;

	if (!config_read(&ours, sizeof(ours), given))
		return fail(error, LUN_BAD_ARGUMENT,
			    "config.size is %zu, expected sizeof(struct lun_policy_config), here %zu", given->size,
			    sizeof(ours));
	policy = memory_zeroed(1, sizeof(*policy));
	if (!policy)
		return fail(error, LUN_NO_MEMORY, "out of memory");
	policy->references = 1;
	policy->hash_seed = config->hash_seed;
	hash_key_init(&policy->key, seed);
	result = check_on_error(config, error);
	if (result == 0)
		result = measure(config, &sizes, error);
	if (result == 0 && allocate(policy, config, &sizes) < 0)
		result = fail(error, LUN_NO_MEMORY, "out of memory");
	if (result == 0)
		result = fill(policy, config, error);
	if (result == 0 && !fill_rest(policy, config))
		result = fail(error, LUN_NO_MEMORY, "out of memory");
	if (result < 0) {
		policy_free(policy);
		return result;
	}
	policy->hooks = config->hooks;
	*made = policy;
	return 0;
}

void lun_policy_ref(struct lun_policy *policy)
{
	policy->references++;
}

void lun_policy_unref(struct lun_policy *policy)
{
	if (!policy || --policy->references > 0)
		return;
	if (policy->hooks.free && !policy->base)
		policy->hooks.free(policy->hooks.user);
	policy_free(policy);
}

const struct service *policy_service(const struct lun_policy *policy, const char *name)
{
	size_t low = 0, high = policy->service_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, policy->services[middle].name);

		if (order == 0)
			return &policy->services[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

bool lun_policy_frontend(const struct lun_policy *policy, size_t index, struct lun_frontend *frontend)
{
	const struct frontend *from = &policy->frontends[index];
	const struct service_port *port;
	const struct endpoint *endpoints;

	if (index >= policy->frontend_count)
		return false;
	port = &policy->ports[from->service_port];
	*frontend = (struct lun_frontend) {
		.address = from->address,
		.port = from->port,
		.protocol = from->protocol,
		.via = (enum lun_via)from->via,
		.service = port->text,
		.at = port->service->at,
		.endpoint_count =
			policy_endpoints(policy, port, !lun_address_is_v4(&from->address), &endpoints)->cluster.count,
		.http = port->service->http && port->protocol == LUN_TCP,
		.http_responses = port->service->http_responses && port->protocol == LUN_TCP,
		.proxy_protocol = port->service->proxy_protocol > 0 && port->protocol == LUN_TCP,
		.timeouts = port->service->timeout_count > 0,
		.echo = from->via == LUN_VIA_cluster_ip && !policy->node.no_echo &&
			policy_served_cluster_ip(policy, &from->address),
	};
	return true;
}

bool lun_policy_range(const struct lun_policy *policy, size_t index, struct lun_prefix *prefix)
{
	if (index < policy->node.service_range_count)
		*prefix = policy->node.service_ranges[index];
	else if (index - policy->node.service_range_count < policy->intercept_count)
		*prefix = policy->intercept[index - policy->node.service_range_count];
	else
		return false;
	return true;
}

bool lun_policy_address(const struct lun_policy *policy, size_t index, struct lun_address *address)
{
	if (index >= policy->node.address_count)
		return false;
	*address = policy->node.addresses[index];
	return true;
}

/* Of a service, on this node and ready: the most that one of its ports has, in one family. */
static uint32_t ready_here(const struct endpoint_set *set)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < set->list_count; i++) {
		const struct endpoint_list *list = &set->lists[i];
		/* Without ready ones here, the local range begins behind those elsewhere. */
		uint32_t here = list->ready && list->local.first == list->serving.first ? list->local.count : 0;

		most = here > most ? here : most;
	}
	return most;
}

bool lun_policy_health_check(const struct lun_policy *policy, size_t index, struct lun_health_check *check)
{
	uint32_t service;

	if (index >= policy->health_check_count)
		return false;
	service = policy->health_checks[index].service;
	*check = (struct lun_health_check) { .port = policy->health_checks[index].port,
					     .service = policy->services[service].name,
					     .endpoints = ready_here(policy->sets[service]) };
	return true;
}

bool lun_policy_endpoint(const struct lun_policy *policy, size_t index, struct lun_address *address, uint16_t *port)
{
	size_t low = 0, high = policy->service_count;
	const struct endpoint *endpoint;

	if (index >= policy->first_endpoints[policy->service_count])
		return false;
	while (low + 1 < high) { /* the last service whose endpoints begin at `index` or before */
		size_t middle = low + (high - low) / 2;

		if (policy->first_endpoints[middle] <= index)
			low = middle;
		else
			high = middle;
	}
	endpoint = &policy->sets[low]->endpoints[index - policy->first_endpoints[low]];
	*address = endpoint->address;
	*port = endpoint->port;
	return true;
}
