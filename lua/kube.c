/* kube.c - one Kubernetes object: from JSON to the structs of lunette.h, by the names of Kubernetes' API (core/v1 Service and Node,
 * discovery.k8s.io/v1 EndpointSlice), with its defaults.
 *
 * Unknown fields are fine.  A value that cannot be honoured is left out and named; what an object needs, and has not, makes it
 * ignored. */
#include "kube.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 500, AFFINITY_DEFAULT = 10800 };

static const uint64_t ns_per_s = 1000000000;

/* ---- JSON ------------------------------------------------------------------------------------------------------------ */

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *kube_text(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(member(object, key));
}

/* A member that is an array and how many items it has. */
static const cJSON *array(const cJSON *object, const char *key, size_t *count)
{
	const cJSON *found = member(object, key);

	*count = cJSON_IsArray(found) ? (size_t)cJSON_GetArraySize(found) : 0;
	return found;
}

static bool is_text(const cJSON *object, const char *key, const char *expected)
{
	const char *text = kube_text(object, key);

	return text != NULL && strcmp(text, expected) == 0;
}

/* A whole number from 1 to `most`; 0 if it is not there or none. */
static uint32_t number(const cJSON *object, const char *key, uint32_t most)
{
	const cJSON *found = member(object, key);
	double value = cJSON_IsNumber(found) ? found->valuedouble : 0;

	return value >= 1 && value <= most && value == (uint32_t)value ? (uint32_t)value : 0;
}

/* A member that says yes or no, or is not there. */
static bool condition(const cJSON *object, const char *key, bool otherwise)
{
	const cJSON *found = member(object, key);

	return cJSON_IsBool(found) ? cJSON_IsTrue(found) : otherwise;
}

/* ---- names and messages ---------------------------------------------------------------------------------------------- */

/* What Kubernetes takes for a name, and something more: letters, digits, '-', '_', '.'. */
static bool is_name(const char *text)
{
	size_t length = 0;

	for (; text != NULL && text[length] != '\0'; length++)
		if (!isalnum((unsigned char)text[length]) && strchr("-_.", text[length]) == NULL)
			return false;
	return length > 0;
}

bool kube_name(const struct kube_source *source, char name[LUN_NAME_SIZE])
{
	const cJSON *metadata = member(source->json, "metadata");
	const char *own = kube_text(metadata, "name"), *space = kube_text(metadata, "namespace");
	int length;

	if (space == NULL && (is_text(source->json, "kind", "Service") || is_text(source->json, "kind", "EndpointSlice")))
		space = "default"; /* as kubectl takes it */
	if (!is_name(own) || (space != NULL && !is_name(space)))
		return false;
	length = snprintf(name, LUN_NAME_SIZE, "%s%s%s", space != NULL ? space : "", space != NULL ? "/" : "", own);
	return length < LUN_NAME_SIZE;
}

void kube_say(const struct kube_source *source, const char *format, ...)
{
	const char *kind = kube_text(source->json, "kind");
	char name[LUN_NAME_SIZE], line[LINE];
	va_list arguments;
	int length;

	if (source->log == NULL)
		return;
	if (!kube_name(source, name))
		strcpy(name, "without a good name");
	length = snprintf(line, sizeof(line), "%s: %.60s %.140s: ", source->at, kind != NULL ? kind : "object", name);
	if (length < 0 || (size_t)length >= sizeof(line))
		return;
	va_start(arguments, format);
	vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
	va_end(arguments);
	source->log(source->user, line);
}

/* ---- addresses ------------------------------------------------------------------------------------------------------- */

/* Adds the address of a text. */
static void add_address(const struct kube_source *source, struct lun_address *addresses, size_t *count, const char *text,
			const char *what)
{
	if (addresses == NULL)
		return;
	if (text == NULL || lun_address_parse(&addresses[*count], text) < 0)
		kube_say(source, "%s \"%.60s\" is no address: left out", what, text != NULL ? text : "");
	else
		++*count;
}

/* ---- services -------------------------------------------------------------------------------------------------------- */

/* clusterIPs, or in older objects clusterIP alone. */
static void read_cluster_ips(const struct kube_source *source, struct arena *arena, const cJSON *spec,
			     struct lun_service *service)
{
	const char *one = kube_text(spec, "clusterIP");
	size_t size;
	const cJSON *texts = array(spec, "clusterIPs", &size), *text;
	struct lun_address *addresses = arena_take(arena, size + 1, sizeof(*addresses));

	service->cluster_ips = addresses;
	cJSON_ArrayForEach(text, texts)
		add_address(source, addresses, &service->cluster_ip_count, cJSON_GetStringValue(text), "clusterIPs");
	if (service->cluster_ip_count == 0 && one != NULL && *one != '\0')
		add_address(source, addresses, &service->cluster_ip_count, one, "clusterIP");
}

/* Adds an address of a family that the service has a cluster IP of: in the other one there is no such service, as if each had a
 * proxy of its own. */
static void add_outer_address(const struct kube_source *source, struct lun_address *addresses, size_t *count,
			      const char *text, const char *what, const struct lun_service *service)
{
	size_t before = *count;

	add_address(source, addresses, count, text, what);
	if (*count == before || service->cluster_ip_count == 0)
		return;
	for (size_t i = 0; i < service->cluster_ip_count; i++)
		if (lun_address_is_v4(&service->cluster_ips[i]) == lun_address_is_v4(&addresses[before]))
			return;
	*count = before;
	kube_say(source, "%s %.60s is of a family that the service has no cluster IP of: left out", what, text);
}

static void read_external_ips(const struct kube_source *source, struct arena *arena, const cJSON *spec,
			      struct lun_service *service)
{
	size_t size;
	const cJSON *texts = array(spec, "externalIPs", &size), *text;
	struct lun_address *addresses = arena_take(arena, size, sizeof(*addresses));

	cJSON_ArrayForEach(text, texts) add_outer_address(source, addresses, &service->external_ip_count,
							  cJSON_GetStringValue(text), "externalIPs", service);
	service->external_ips = addresses;
}

/* status.loadBalancer.ingress; ipMode Proxy is not handled on the node (R33). */
static void read_load_balancer_ips(const struct kube_source *source, struct arena *arena, struct lun_service *service)
{
	size_t size;
	const cJSON *balancer = member(member(source->json, "status"), "loadBalancer"), *item;
	const cJSON *items = array(balancer, "ingress", &size);
	struct lun_address *addresses = arena_take(arena, size, sizeof(*addresses));

	cJSON_ArrayForEach(item, items) if (kube_text(item, "ip") != NULL && !is_text(item, "ipMode", "Proxy"))
		add_outer_address(source, addresses, &service->load_balancer_ip_count, kube_text(item, "ip"),
				  "load balancer IP", service);
	service->load_balancer_ips = addresses;
}

static void read_source_ranges(const struct kube_source *source, struct arena *arena, const cJSON *spec,
			       struct lun_service *service)
{
	size_t size;
	const cJSON *texts = array(spec, "loadBalancerSourceRanges", &size), *text;
	struct lun_prefix *prefixes = arena_take(arena, size + 1, sizeof(*prefixes));

	service->load_balancer_source_ranges = prefixes;
	if (prefixes == NULL)
		return;
	cJSON_ArrayForEach(text, texts)
	{
		const char *range = cJSON_GetStringValue(text);

		if (range == NULL || lun_prefix_parse(&prefixes[service->load_balancer_source_range_count], range) < 0)
			kube_say(source, "load balancer source range \"%.60s\" is no prefix: left out",
				 range != NULL ? range : "");
		else
			service->load_balancer_source_range_count++;
	}
	if (size > 0 && service->load_balancer_source_range_count == 0) { /* guarded, not open to all: only 0.0.0.0 may */
		lun_prefix_parse(&prefixes[0], "0.0.0.0/32");
		service->load_balancer_source_range_count = 1;
	}
}

/* 0 if there is no such protocol. */
static uint8_t protocol_of(const cJSON *port)
{
	const char *text = kube_text(port, "protocol");

	if (text == NULL || strcmp(text, "TCP") == 0)
		return LUN_TCP;
	return strcmp(text, "UDP") == 0 ? LUN_UDP : strcmp(text, "SCTP") == 0 ? LUN_SCTP : 0;
}

/* A port's name, or NULL for the empty one. */
static const char *port_name(struct arena *arena, const cJSON *port)
{
	const char *name = kube_text(port, "name");

	return name != NULL && *name != '\0' ? arena_text(arena, name) : NULL;
}

static bool same_port(const struct lun_port *a, const struct lun_port *b)
{
	return a->protocol == b->protocol && a->port == b->port;
}

static void read_port(const struct kube_source *source, struct arena *arena, const cJSON *json, struct lun_service *service,
		      struct lun_port *ports)
{
	struct lun_port *port = &ports[service->port_count];
	const char *name = kube_text(json, "name");

	*port = (struct lun_port) { .protocol = protocol_of(json),
				    .port = (uint16_t)number(json, "port", UINT16_MAX),
				    .node_port = (uint16_t)number(json, "nodePort", UINT16_MAX) };
	if (port->protocol == 0 || port->port == 0 ||
	    (name != NULL && *name != '\0' && (!is_name(name) || strlen(name) > 63))) {
		kube_say(source, "a port that is none (name \"%.60s\"): left out", name != NULL ? name : "");
		return;
	}
	port->name = port_name(arena, json);
	for (size_t i = 0; i < service->port_count; i++)
		if (same_port(&ports[i], port)) {
			kube_say(source, "port %u/%s comes twice: left out", port->port, lun_protocol_name(port->protocol));
			return;
		}
	service->port_count++;
}

static void read_ports(const struct kube_source *source, struct arena *arena, const cJSON *spec, struct lun_service *service)
{
	size_t size;
	const cJSON *items = array(spec, "ports", &size), *item;
	struct lun_port *ports = arena_take(arena, size, sizeof(*ports));

	service->ports = ports;
	if (ports == NULL)
		return;
	cJSON_ArrayForEach(item, items) read_port(source, arena, item, service, ports);
}

static void read_affinity(const struct kube_source *source, const cJSON *spec, struct lun_service *service)
{
	const cJSON *client_ip = member(member(spec, "sessionAffinityConfig"), "clientIP");
	uint32_t seconds = number(client_ip, "timeoutSeconds", 86400);

	if (is_text(spec, "sessionAffinity", "ClientIP"))
		service->affinity = (seconds ? seconds : AFFINITY_DEFAULT) * ns_per_s;
	else if (kube_text(spec, "sessionAffinity") != NULL && !is_text(spec, "sessionAffinity", "None"))
		kube_say(source, "sessionAffinity \"%.60s\" is unknown: none", kube_text(spec, "sessionAffinity"));
}

static void read_policies(const cJSON *spec, struct lun_service *service)
{
	bool balanced = is_text(spec, "type", "LoadBalancer");
	bool external = balanced || is_text(spec, "type", "NodePort") || service->external_ip_count > 0;

	service->external_local = external && is_text(spec, "externalTrafficPolicy", "Local");
	service->internal_local = is_text(spec, "internalTrafficPolicy", "Local");
	if (balanced && service->external_local)
		service->health_check_node_port = (uint16_t)number(spec, "healthCheckNodePort", UINT16_MAX);
}

/* Whether labels say that there is nothing to do for a service, or a slice, and why. */
static const char *label_to_ignore(const struct kube_source *source)
{
	const cJSON *labels = member(member(source->json, "metadata"), "labels");

	if (member(labels, "service.kubernetes.io/headless") != NULL)
		return "it is headless";
	if (member(labels, "service.kubernetes.io/service-proxy-name") != NULL)
		return "it is for another proxy";
	return NULL;
}

/* Whether there is nothing to do for a service, and why. */
static const char *reason_to_ignore(const struct kube_source *source, const cJSON *spec)
{
	if (spec == NULL)
		return "it has no spec";
	if (is_text(spec, "type", "ExternalName"))
		return "the type is ExternalName";
	if (is_text(spec, "clusterIP", "None"))
		return "it is headless";
	return label_to_ignore(source);
}

bool kube_read_service(const struct kube_source *source, struct arena *arena, struct lun_service *service)
{
	const cJSON *spec = member(source->json, "spec");
	const char *ignored = reason_to_ignore(source, spec);
	char name[LUN_NAME_SIZE];

	if (ignored == NULL && (!kube_name(source, name) || strchr(name, '/') == NULL || strlen(name) >= LUN_NAME_SIZE / 2))
		ignored = "its name is none, or too long";
	if (ignored == NULL) {
		*service = (struct lun_service) { .name = arena_text(arena, name), .at = arena_text(arena, source->at) };
		read_ports(source, arena, spec, service);
		if (service->port_count == 0)
			ignored = "it has no ports";
	}
	if (ignored != NULL) {
		kube_say(source, "%s: ignored", ignored);
		return false;
	}
	service->yields = true;
	read_cluster_ips(source, arena, spec, service);
	read_external_ips(source, arena, spec, service);
	read_load_balancer_ips(source, arena, service);
	read_source_ranges(source, arena, spec, service);
	read_affinity(source, spec, service);
	read_policies(spec, service);
	return true;
}

/* ---- endpoint slices ------------------------------------------------------------------------------------------------- */

const char *kube_slice_owner(const struct kube_source *source)
{
	return kube_text(member(member(source->json, "metadata"), "labels"), "kubernetes.io/service-name");
}

/* [{ "name": "a" }, ...] */
static const char *const *read_hints(struct arena *arena, const cJSON *hints, const char *key, size_t *count)
{
	size_t size;
	const cJSON *items = array(hints, key, &size), *item;
	const char **names = size > 0 ? arena_take(arena, size, sizeof(const char *)) : NULL;

	cJSON_ArrayForEach(item, items) if (names != NULL && kube_text(item, "name") != NULL) names[(*count)++] =
		arena_text(arena, kube_text(item, "name"));
	return names;
}

/* What an endpoint is on all its ports.  False: no address. */
static bool read_endpoint(const struct kube_source *source, struct arena *arena, const cJSON *json,
			  struct lun_endpoint *endpoint)
{
	const cJSON *conditions = member(json, "conditions"), *hints = member(json, "hints");
	const char *address = cJSON_GetStringValue(cJSON_GetArrayItem(member(json, "addresses"), 0));

	*endpoint = (struct lun_endpoint) { .not_ready = !condition(conditions, "ready", true) };
	if (address == NULL || lun_address_parse(&endpoint->address, address) < 0) {
		kube_say(source, "endpoint \"%.60s\" is no address: left out", address != NULL ? address : "");
		return false;
	}
	endpoint->ending = condition(conditions, "serving", true) && condition(conditions, "terminating", false);
	endpoint->node = arena_text(arena, kube_text(json, "nodeName"));
	endpoint->zone = arena_text(arena, kube_text(json, "zone"));
	if (hints != NULL) {
		endpoint->zone_hints = read_hints(arena, hints, "forZones", &endpoint->zone_hint_count);
		endpoint->node_hints = read_hints(arena, hints, "forNodes", &endpoint->node_hint_count);
	}
	return true;
}

/* The ports of a slice: what is to be set in each endpoint.  => how many */
static size_t read_slice_ports(const struct kube_source *source, struct arena *arena, const cJSON *items,
			       struct lun_endpoint *ports)
{
	const cJSON *item;
	size_t count = 0;

	cJSON_ArrayForEach(item, items)
	{
		const char *name = port_name(arena, item);

		ports[count] = (struct lun_endpoint) { .port = (uint16_t)number(item, "port", UINT16_MAX),
						       .protocol = protocol_of(item),
						       .port_name = name != NULL ? name : "" };
		if (ports[count].port == 0 || ports[count].protocol == 0)
			kube_say(source, "a port without a number or protocol of its own (name \"%.60s\"): left out",
				 ports[count].port_name);
		else
			count++;
	}
	return count;
}

bool kube_read_slice(const struct kube_source *source, struct arena *arena, struct kube_slice *slice)
{
	size_t port_size, size;
	const cJSON *port_items = array(source->json, "ports", &port_size), *item;
	const cJSON *items = array(source->json, "endpoints", &size);
	struct lun_endpoint *ports = arena_take(arena, port_size, sizeof(*ports));
	struct lun_endpoint *endpoints = arena_take(arena, size * port_size, sizeof(*endpoints)), endpoint;
	const char *ignored = is_text(source->json, "addressType", "FQDN") ? "its endpoints have names, not addresses"
									   : label_to_ignore(source);
	size_t port_count;

	if (ignored != NULL) {
		kube_say(source, "%s: ignored", ignored);
		return false;
	}
	if (ports == NULL || endpoints == NULL)
		return true; /* the arena says that it failed */
	port_count = read_slice_ports(source, arena, port_items, ports);
	cJSON_ArrayForEach(item, items)
	{
		if (!read_endpoint(source, arena, item, &endpoint))
			continue;
		for (size_t i = 0; i < port_count; i++) {
			endpoint.port = ports[i].port;
			endpoint.protocol = ports[i].protocol;
			endpoint.port_name = ports[i].port_name;
			endpoints[slice->count++] = endpoint;
		}
	}
	slice->endpoints = endpoints;
	return true;
}

/* ---- nodes ----------------------------------------------------------------------------------------------------------- */

void kube_read_node(const struct kube_source *source, struct arena *arena, struct kube_node *node)
{
	const cJSON *labels = member(member(source->json, "metadata"), "labels"), *item;
	size_t size;
	const cJSON *items = array(member(source->json, "status"), "addresses", &size);
	struct lun_address *addresses = arena_take(arena, size, sizeof(*addresses));

	node->zone = arena_text(arena, kube_text(labels, "topology.kubernetes.io/zone"));
	node->addresses = addresses;
	cJSON_ArrayForEach(item, items) if (is_text(item, "type", "InternalIP"))
		add_address(source, addresses, &node->address_count, kube_text(item, "address"), "InternalIP");
}
