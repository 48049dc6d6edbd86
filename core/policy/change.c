/* change.c - a policy that differs from another one in endpoints only.
 *
 * Endpoints come and go all the time, services seldom.  So the new policy has sets of its own for the services that changed, shares
 * the other sets, and all else is the first policy's, which it keeps alive. */
#include "base/fail.h"
#include "base/memory.h"
#include "policy/policy.h"

/* The set of a service with other endpoints; NULL: no memory. */
static struct endpoint_set *set_change(const struct lun_policy *policy, const struct service *service,
				       const struct lun_service *changed)
{
	struct lun_port *ports = memory_take(service->port_count * sizeof(*ports));
	struct lun_service whole = { .ports = ports,
				     .port_count = service->port_count,
				     .endpoints = changed->endpoints,
				     .endpoint_count = changed->endpoint_count,
				     .balance = service->balance,
				     .prefer = service->prefer };
	struct endpoint_set *set = NULL;

	for (uint32_t i = 0; ports && i < service->port_count; i++) {
		const struct service_port *port = &policy->ports[service->first_port + i];

		ports[i] = (struct lun_port) {
			.name = port->name, .protocol = port->protocol, .port = port->port, .target_port = port->target
		};
	}
	if (ports)
		set = endpoint_set_new(&whole, &policy->node, policy->hash_seed);
	memory_give(ports);
	return set;
}

static int replace(struct lun_policy *policy, const struct lun_service *changed, struct lun_error *error)
{
	const struct service *service = changed->name ? policy_service(policy, changed->name) : NULL;
	struct lun_service counted = *changed;
	struct endpoint_set *set;

	if (!service)
		return fail(error, LUN_NOT_FOUND, "there is no service \"%.127s\"", changed->name ? changed->name : "");
	counted.port_count = service->port_count;
	if (policy_check_endpoints(&counted, error) < 0)
		return LUN_BAD_POLICY;
	set = set_change(policy, service, changed);
	if (!set)
		return fail(error, LUN_NO_MEMORY, "out of memory");
	endpoint_set_unref(policy->sets[service - policy->services]);
	policy->sets[service - policy->services] = set;
	return 0;
}

/* All as in `from`, and shared; NULL: no memory. */
static struct lun_policy *policy_share(struct lun_policy *from)
{
	struct lun_policy *policy = memory_take(sizeof(*policy));
	struct endpoint_set **sets = memory_take((from->service_count + 1) * sizeof(struct endpoint_set *));
	size_t *first = memory_take((from->service_count + 1) * sizeof(*first));

	if (!policy || !sets || !first) {
		memory_give(policy);
		memory_give(sets);
		memory_give(first);
		return NULL;
	}
	*policy = *from;
	policy->references = 1;
	policy->base = from->base ? from->base : from;
	policy->sets = sets;
	policy->first_endpoints = first;
	lun_policy_ref(policy->base);
	for (size_t i = 0; i < from->service_count; i++) {
		sets[i] = from->sets[i];
		sets[i]->references++;
	}
	return policy;
}

int lun_policy_change(struct lun_policy **made, struct lun_policy *from, const struct lun_service *changed, size_t count,
		      struct lun_error *error)
{
	struct lun_policy *policy = policy_share(from);
	int result = policy ? 0 : fail(error, LUN_NO_MEMORY, "out of memory");

	for (size_t i = 0; i < count && result == 0; i++)
		result = replace(policy, &changed[i], error);
	if (result < 0) {
		lun_policy_unref(policy);
		return result;
	}
	policy->first_endpoints[0] = 0;
	for (size_t i = 0; i < policy->service_count; i++)
		policy->first_endpoints[i + 1] = policy->first_endpoints[i] + policy->sets[i]->count;
	*made = policy;
	return 0;
}
