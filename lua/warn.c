/* warn.c - what is odd about a policy, though it can be obeyed: a line each for options.log. */
#include "script.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { V4 = 1, V6 = 2 };

static void warn(struct script *script, const char *place, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void warn(struct script *script, const char *place, const char *format, ...)
{
	char line[500];
	va_list arguments;
	int length = snprintf(line, sizeof(line), "%s: ", place);

	va_start(arguments, format);
	vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
	va_end(arguments);
	script_log(script, line);
}

static unsigned families(const struct lun_address *addresses, size_t count)
{
	unsigned found = 0;

	for (size_t i = 0; i < count; i++)
		found |= lun_address_is_v4(&addresses[i]) ? V4 : V6;
	return found;
}

static unsigned ready_families(const struct lun_service *service)
{
	unsigned found = 0;

	for (size_t i = 0; i < service->endpoint_count; i++) {
		if (!service->endpoints[i].not_ready || service->endpoints[i].ending)
			found |= families(&service->endpoints[i].address, 1);
	}
	return found;
}

static bool has_node_port(const struct lun_service *service)
{
	for (size_t i = 0; i < service->port_count; i++) {
		if (service->ports[i].node_port != 0)
			return true;
	}
	return false;
}

static bool names_a_node(const struct lun_service *service)
{
	for (size_t i = 0; i < service->endpoint_count; i++) {
		if (service->endpoints[i].node != NULL)
			return true;
	}
	return false;
}

static void warn_service(struct script *script, const struct lun_service *service)
{
	const struct lun_node *node = &script->declared.node;
	unsigned served = families(service->cluster_ips, service->cluster_ip_count) |
			  families(service->external_ips, service->external_ip_count) |
			  families(service->load_balancer_ips, service->load_balancer_ip_count);
	unsigned lacking = served & ~ready_families(service);

	if (served == 0 && !has_node_port(service))
		warn(script, service->at, "service \"%s\" has no address, nothing can reach it", service->name);
	if (has_node_port(service) && node->address_count + node->node_port_address_count == 0)
		warn(script, service->at, "service \"%s\" has a node_port, but the node has no addresses", service->name);
	if (ready_families(service) == 0)
		warn(script, service->at, "service \"%s\" has no ready endpoint: its connections are refused",
		     service->name);
	else if (lacking != 0)
		warn(script, service->at, "service \"%s\" has IPv%c addresses, but no ready endpoint of that family",
		     service->name, lacking & V4 ? '4' : '6');
	if ((service->external_local || service->internal_local) && service->endpoint_count > 0 && !names_a_node(service))
		warn(script, service->at, "a traffic policy of service \"%s\" is Local, but no endpoint says its node",
		     service->name);
}

void warn_declared(struct script *script)
{
	const struct declared *declared = &script->declared;

	if (declared->node.pod_count == 0 && !declared->node.masquerade_all)
		warn(script, declared->node_place,
		     "the node has no pods: local traffic is unknown, ClusterIP traffic is not masqueraded (R7)");
	for (size_t i = 0; i < declared->service_count; i++)
		if (!declared->services[i].yields) /* one of a cluster is as it is */
			warn_service(script, &declared->services[i]);
}
