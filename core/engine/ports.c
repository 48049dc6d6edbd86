/* ports.c - see ports.h. */
#include "engine/ports.h"

#include "base/address.h"
#include "base/memory.h"

#include <stdlib.h>

enum { NS_PER_MS = 1000000 };

void ports_fini(struct ports *ports)
{
	memory_give(ports->slots);
	memory_give(ports->slot);
	memory_give(ports->endpoint_slot);
}

/* A slot's name and number, for looking it up. */
struct named {
	uint64_t hash;
	uint32_t slot;
};

static int by_hash(const void *a, const void *b)
{
	uint64_t x = ((const struct named *)a)->hash, y = ((const struct named *)b)->hash;

	return (x > y) - (x < y);
}

static void set_timeouts(uint32_t ms[LUN_STATE_COUNT], const struct lun_timeout *timeouts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ms[timeouts[i].state] = (uint32_t)(timeouts[i].time / NS_PER_MS);
}

/* The row of timeouts of a service port: the policy's, and over them the service's. */
static int timeout_row(struct flow_table *flows, const struct lun_policy *policy, const struct service *service)
{
	uint32_t ms[LUN_STATE_COUNT];

	memcpy(ms, flows->timeouts[0].ms, sizeof(ms));
	set_timeouts(ms, policy->timeouts, policy->timeout_count);
	if (service)
		set_timeouts(ms, service->timeouts, service->timeout_count);
	return flow_timeouts_want(flows, ms);
}

/* The slot of a name, or a free one, from *next on. */
static uint32_t find_slot(const struct port_state *slots, const struct named *sorted, uint32_t count, uint64_t hash,
			  uint32_t *next)
{
	struct named wanted = { .hash = hash };
	const struct named *found = count ? bsearch(&wanted, sorted, count, sizeof(wanted), by_hash) : NULL;

	if (found)
		return found->slot;
	while (slots[*next].declared || slots[*next].load.flows)
		++*next;
	return (*next)++;
}

/* The mapping of one policy, while it is made: slots are enough for all old ones and all that may be new. */
struct mapping {
	struct port_state *slots;
	uint32_t *slot, *endpoint_slot;
	struct named *known; /* old slots in use, by hash */
	uint32_t known_count, next, room;
	uint64_t now_ms;
	const struct lun_policy *policy;
};

static struct port_state *map_name(struct mapping *mapping, uint64_t hash, uint32_t owner, uint32_t *slot)
{
	struct port_state *state;

	*slot = find_slot(mapping->slots, mapping->known, mapping->known_count, hash, &mapping->next);
	state = &mapping->slots[*slot];
	if (state->name_hash != hash) {
		memset(state, 0, sizeof(*state));
		state->name_hash = hash;
		state->load.since = mapping->now_ms;
	}
	state->declared = state->wanted = true;
	state->owner = owner;
	return state;
}

static uint64_t endpoint_hash(uint64_t port, const struct endpoint *endpoint)
{
	return XXH3_64bits_withSeed(&endpoint->address, sizeof(endpoint->address), port + endpoint->port);
}

/* Endpoints of one list.  Those that are preferred stand in it twice, the second time in the same order. */
static void map_endpoints(struct mapping *mapping, uint32_t number, bool v6)
{
	const struct lun_policy *policy = mapping->policy;
	const struct service_port *port = &policy->ports[number];
	const struct endpoint *endpoints;
	const struct endpoint_list *list = policy_endpoints(policy, port, v6, &endpoints);
	uint32_t *slots = mapping->endpoint_slot + policy->first_endpoints[port->service - policy->services];
	uint32_t end = list->serving.first + list->serving.count, first = list->serving.first;

	for (uint32_t i = first; i < end; i++) {
		struct port_state *state =
			map_name(mapping, endpoint_hash(port->hash, &endpoints[i]), mapping->slot[number], &slots[i]);

		state->drain = port->service->drain;
		if (list->ready == 0 || i < list->serving.first + list->ready)
			state->drained = 0;
		else if (state->drained == 0)
			state->drained = state->drain ? mapping->now_ms + state->drain : 0;
	}
	for (uint32_t i = list->cluster.first; i >= end && i < list->cluster.first + list->cluster.count; i++) {
		while (endpoints[first].port != endpoints[i].port ||
		       !address_equal(&endpoints[first].address, &endpoints[i].address))
			first++;
		slots[i] = slots[first];
	}
}

static int map_ports(struct mapping *mapping, struct flow_table *flows)
{
	const struct lun_policy *policy = mapping->policy;

	for (uint32_t i = 0; i < policy->port_count; i++) {
		const struct service_port *port = &policy->ports[i];
		int row = timeout_row(flows, policy, port->service);
		struct port_state *state;

		if (row < 0)
			return row;
		state = map_name(mapping, port->hash, FLOW_NONE, &mapping->slot[i]);
		state->service_port = i;
		state->limit = port->service->flow_limit;
		state->timeouts = (uint8_t)row;
		for (int v6 = 0; v6 < 2 && port->service->counts; v6++)
			map_endpoints(mapping, i, v6);
	}
	return 0;
}

/* What was not wanted is not declared any more.  => how many slots, from the first on, are in use */
static uint32_t settle(struct port_state *slots, uint32_t count, uint64_t now_ms)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!slots[i].wanted && slots[i].drain && slots[i].drained == 0)
			slots[i].drained = now_ms + slots[i].drain;
		slots[i].declared = slots[i].wanted;
		slots[i].wanted = false;
	}
	while (count > 0 && !slots[count - 1].declared && !slots[count - 1].load.flows)
		count--;
	return count;
}

uint32_t ports_slot(const struct ports *ports, const struct lun_policy *policy, uint32_t service_port, uint32_t endpoint)
{
	const struct service_port *port = &policy->ports[service_port];

	if (!port->service->counts)
		return ports->slot[service_port];
	return ports->endpoint_slot[policy->first_endpoints[port->service - policy->services] + endpoint];
}

/* Room for the new slots and maps, with the old slots in it.  False: no memory. */
static bool mapping_init(struct mapping *mapping, const struct ports *ports, const struct lun_policy *policy)
{
	size_t added = policy ? policy->port_count : 0;
	size_t endpoints = policy && policy->counts ? policy->first_endpoints[policy->service_count] : 0;

	*mapping = (struct mapping) { .policy = policy };
	mapping->slots = memory_zeroed(ports->count + added + endpoints + 1, sizeof(*mapping->slots));
	mapping->slot = memory_zeroed(added + 1, sizeof(*mapping->slot));
	mapping->known = memory_zeroed((size_t)ports->count + 1, sizeof(*mapping->known));
	if (endpoints)
		mapping->endpoint_slot = memory_zeroed(endpoints, sizeof(*mapping->endpoint_slot));
	if (!mapping->slots || !mapping->slot || !mapping->known || (endpoints && !mapping->endpoint_slot))
		return false;
	for (uint32_t i = 0; i < ports->count; i++) {
		mapping->slots[i] = ports->slots[i];
		/* Until all names are mapped, none of the known slots may be given to a new one. */
		mapping->slots[i].declared = mapping->slots[i].declared || mapping->slots[i].load.flows;
		if (mapping->slots[i].declared)
			mapping->known[mapping->known_count++] =
				(struct named) { .hash = mapping->slots[i].name_hash, .slot = i };
	}
	mapping->room = ports->count + (uint32_t)(added + endpoints);
	qsort(mapping->known, mapping->known_count, sizeof(*mapping->known), by_hash);
	return true;
}

int ports_set_policy(struct ports *ports, const struct lun_policy *before, const struct lun_policy *policy,
		     struct flow_table *flows)
{
	struct mapping mapping;
	int result, row = 0;

	if (policy_same_ports(before, policy) && !policy->counts)
		return 0;
	result = mapping_init(&mapping, ports, policy) ? 0 : LUN_NO_MEMORY;
	if (policy && result == 0)
		result = row = timeout_row(flows, policy, NULL);
	mapping.now_ms = flows->now_ms;
	if (policy && result >= 0)
		result = map_ports(&mapping, flows);
	memory_give(mapping.known);
	flow_timeouts_settle(flows, result >= 0);
	if (result < 0) {
		memory_give(mapping.slots);
		memory_give(mapping.slot);
		memory_give(mapping.endpoint_slot);
		return result;
	}
	ports_fini(ports);
	*ports = (struct ports) { .slots = mapping.slots,
				  .count = settle(mapping.slots, mapping.room, flows->now_ms),
				  .slot = mapping.slot,
				  .endpoint_slot = mapping.endpoint_slot,
				  .timeouts = (uint8_t)row };
	ports_drain_next(ports, flows->now_ms);
	return 0;
}

void ports_drain_next(struct ports *ports, uint64_t now_ms)
{
	ports->drain_next = UINT64_MAX;
	for (uint32_t i = 0; i < ports->count; i++) {
		const struct port_state *state = &ports->slots[i];

		if (state->drained > now_ms && state->load.flows && state->drained < ports->drain_next)
			ports->drain_next = state->drained;
	}
}
