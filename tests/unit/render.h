/* render.h - a policy's structs as text: a Lua policy, and a Kubernetes list.  What is asked of the one can be asked of all. */
#ifndef LUNETTE_TESTS_RENDER_H
#define LUNETTE_TESTS_RENDER_H

#include "notation.h"

#include <stdarg.h>
#include <stdio.h>

struct render {
	char text[32768];
	size_t length;
	bool zeros; /* IPv4 addresses and prefix lengths get leading zeros */
	bool proxy; /* load balancer addresses have the mode Proxy */
};

static inline void put(struct render *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void put(struct render *r, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	r->length += (size_t)vsnprintf(r->text + r->length, sizeof(r->text) - r->length, format, arguments);
	va_end(arguments);
	assert_true(r->length < sizeof(r->text));
}

static inline void put_address(struct render *r, const struct lun_address *address)
{
	char text[LUN_ADDRESS_TEXT];
	const uint8_t *v4 = address->bytes + 12;

	if (r->zeros && lun_address_is_v4(address))
		put(r, "%03u.%03u.%03u.%03u", v4[0], v4[1], v4[2], v4[3]);
	else
		put(r, "%s", lun_address_format(address, text));
}

/* "a", "b", */
static inline void put_addresses(struct render *r, const struct lun_address *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		put(r, i ? ", \"" : "\"");
		put_address(r, &addresses[i]);
		put(r, "\"");
	}
}

static inline void put_prefixes(struct render *r, const struct lun_prefix *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool v4 = lun_address_is_v4(&prefixes[i].address);

		put(r, i ? ", \" " : "\" ");
		put_address(r, &prefixes[i].address);
		put(r, r->zeros ? "/0%u \"" : "/%u \"", v4 ? prefixes[i].length - 96u : prefixes[i].length);
	}
}

/* Texts as a list between `open` and `close`, each in `form`. */
static inline void put_texts(struct render *r, const char *form, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		put(r, i ? ", " : "");
		r->length += (size_t)snprintf(r->text + r->length, sizeof(r->text) - r->length,
					      strcmp(form, "lua") == 0 ? "\"%s\"" : "{ \"name\": \"%s\" }", texts[i]);
	}
}

/* ---- Lua ---- */

static inline void render_node(struct render *r, const struct lun_node *node)
{
	put(r, "node { name = \"%s\", zone = \"%s\", addresses = { ", node->name, node->zone);
	put_addresses(r, node->addresses, node->address_count);
	put(r, " }, pods = { ");
	put_prefixes(r, node->pods, node->pod_count);
	put(r, " }, service_ranges = { ");
	put_prefixes(r, node->service_ranges, node->service_range_count);
	put(r, " }, node_port_addresses = { ");
	put_prefixes(r, node->node_port_addresses, node->node_port_address_count);
	put(r, " }, masquerade_all = %s", node->masquerade_all ? "true" : "false");
	if (node->localhost_node_ports != LUN_DEFAULT)
		put(r, ", localhost_node_ports = %s", node->localhost_node_ports == LUN_ON ? "true" : "false");
	put(r, " }\n");
}

static inline void render_endpoint(struct render *r, const struct lun_endpoint *endpoint)
{
	put(r, "\t\t{ \"");
	put_address(r, &endpoint->address);
	put(r, "\", node = \"%s\", zone = \"%s\", ready = %s", endpoint->node, endpoint->zone,
	    endpoint->not_ready ? "false" : "true");
	put(r, ", serving = %s, terminating = %s, hints = { zones = { ", endpoint->ending ? "true" : "false",
	    endpoint->ending ? "true" : "false");
	put_texts(r, "lua", endpoint->zone_hints, endpoint->zone_hint_count);
	put(r, " }, nodes = { ");
	put_texts(r, "lua", endpoint->node_hints, endpoint->node_hint_count);
	put(r, " } } },\n");
}

static inline void render_service(struct render *r, const struct lun_service *service, size_t load_balancer_ips)
{
	static const char *const masquerades[] = { "auto", "always", "never" }, *const prefers[] = { "none", "local",
												     "zone" };

	put(r, "service \"%s\" {\n\tcluster_ips = { ", service->name);
	put_addresses(r, service->cluster_ips, service->cluster_ip_count);
	put(r, " },\n\texternal_ips = { ");
	put_addresses(r, service->external_ips, service->external_ip_count);
	put(r, " },\n\tload_balancer_ips = { ");
	for (size_t i = 0; i < load_balancer_ips; i++) {
		put(r, "{ ");
		put_addresses(r, &service->load_balancer_ips[i], 1);
		put(r, r->proxy ? ", ip_mode = \"Proxy\" }, " : " }, ");
	}
	put(r, "},\n\tload_balancer_source_ranges = { ");
	put_prefixes(r, service->load_balancer_source_ranges, service->load_balancer_source_range_count);
	put(r, " },\n\tports = {");
	for (size_t i = 0; i < service->port_count; i++)
		put(r, " { name = \"%s\", protocol = \"%s\", port = %u, node_port = %u, target_port = %u },",
		    service->ports[i].name, lun_protocol_name(service->ports[i].protocol), service->ports[i].port,
		    service->ports[i].node_port, service->ports[i].target_port);
	put(r, " },\n\tendpoints = {\n");
	for (size_t i = 0; i < service->endpoint_count; i++)
		render_endpoint(r, &service->endpoints[i]);
	put(r, "\t},\n\tbalance = \"round_robin\", masquerade = \"%s\", prefer = \"%s\",\n",
	    masquerades[service->masquerade], prefers[service->prefer]);
	put(r, "\texternal_traffic_policy = \"%s\", internal_traffic_policy = \"%s\",\n",
	    service->external_local ? "Local" : "Cluster", service->internal_local ? "Local" : "Cluster");
	if (service->health_check_node_port)
		put(r, "\thealth_check_node_port = %u,\n", service->health_check_node_port);
	put(r, "}\n");
}

/* ---- Kubernetes ---- */

static inline void render_kube_service(struct render *r, const struct lun_service *service, size_t load_balancer_ips)
{
	const char *slash = strchr(service->name, '/');

	put(r, "{ \"kind\": \"Service\", \"metadata\": { \"namespace\": \"%.*s\", \"name\": \"%s\", \"unknown\": [{}] },\n",
	    (int)(slash - service->name), service->name, slash + 1);
	put(r, "\"spec\": { \"type\": \"LoadBalancer\", \"clusterIPs\": [");
	put_addresses(r, service->cluster_ips, service->cluster_ip_count);
	put(r, "], \"externalIPs\": [");
	put_addresses(r, service->external_ips, service->external_ip_count);
	put(r, "], \"loadBalancerSourceRanges\": [");
	put_prefixes(r, service->load_balancer_source_ranges, service->load_balancer_source_range_count);
	put(r, "], \"ports\": [");
	for (size_t i = 0; i < service->port_count; i++)
		put(r, "%s{ \"name\": \"%s\", \"protocol\": \"%s\", \"port\": %u, \"nodePort\": %u, \"targetPort\": \"x\" }",
		    i ? "," : "", service->ports[i].name, service->ports[i].protocol == LUN_TCP ? "TCP" : "UDP",
		    service->ports[i].port, service->ports[i].node_port);
	put(r, "],\n\"externalTrafficPolicy\": \"%s\", \"internalTrafficPolicy\": \"%s\", \"healthCheckNodePort\": %u },\n",
	    service->external_local ? "Local" : "Cluster", service->internal_local ? "Local" : "Cluster",
	    service->health_check_node_port);
	put(r, "\"status\": { \"loadBalancer\": { \"ingress\": [");
	for (size_t i = 0; i < load_balancer_ips; i++) {
		put(r, i ? ", { \"ip\": " : "{ \"ip\": ");
		put_addresses(r, &service->load_balancer_ips[i], 1);
		put(r, r->proxy ? ", \"ipMode\": \"Proxy\" }" : i ? ", \"ipMode\": \"VIP\" }" : " }");
	}
	put(r, "] } } }");
}

static inline void render_kube_endpoint(struct render *r, const struct lun_endpoint *endpoint)
{
	put(r, "{ \"addresses\": [");
	put_addresses(r, &endpoint->address, 1);
	put(r,
	    "], \"nodeName\": \"%s\", \"zone\": \"%s\", \"conditions\": { \"ready\": %s, \"serving\": %s, \"terminating\": "
	    "%s }",
	    endpoint->node, endpoint->zone, endpoint->not_ready ? "false" : "true",
	    !endpoint->not_ready || endpoint->ending ? "true" : "false", endpoint->ending ? "true" : "false");
	put(r, ", \"hints\": { \"forZones\": [");
	put_texts(r, "json", endpoint->zone_hints, endpoint->zone_hint_count);
	put(r, "], \"forNodes\": [");
	put_texts(r, "json", endpoint->node_hints, endpoint->node_hint_count);
	put(r, "] } }");
}

/* A slice for each endpoint: that several make one service is part of the question. */
static inline void render_kube_slices(struct render *r, const struct lun_service *service)
{
	const char *slash = strchr(service->name, '/');

	for (size_t i = 0; i < service->endpoint_count; i++) {
		const struct lun_endpoint *endpoint = &service->endpoints[i];

		put(r, ",\n{ \"kind\": \"EndpointSlice\", \"metadata\": { \"namespace\": \"%.*s\", \"name\": \"s-%zu\", ",
		    (int)(slash - service->name), service->name, i);
		put(r, "\"labels\": { \"kubernetes.io/service-name\": \"%s\" } }, \"addressType\": \"%s\", \"endpoints\": [",
		    slash + 1, lun_address_is_v4(&endpoint->address) ? "IPv4" : "IPv6");
		render_kube_endpoint(r, endpoint);
		put(r, "], \"ports\": [");
		for (size_t k = 0; k < service->port_count; k++)
			put(r, "%s{ \"name\": \"%s\", \"protocol\": \"%s\", \"port\": %u }", k ? ", " : "",
			    service->ports[k].name, service->ports[k].protocol == LUN_TCP ? "TCP" : "UDP",
			    service->ports[k].target_port);
		put(r, "] }");
	}
}

static inline void render_kubernetes(struct render *r, const struct lun_service *service, size_t load_balancer_ips)
{
	put(r, "{\n\"apiVersion\": \"v1\",\n\"items\": [\n");
	render_kube_service(r, service, load_balancer_ips);
	render_kube_slices(r, service);
	put(r, "\n],\n\"kind\": \"List\"\n}\n");
}

#endif
