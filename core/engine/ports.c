/* ports.c - see ports.h. */
#include "engine/ports.h"

#include <stdlib.h>

enum { NS_PER_MS = 1000000 };

void ports_fini(struct ports *ports)
{
	free(ports->slots);
	free(ports->slot);
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
	while (slots[*next].declared || slots[*next].flows)
		++*next;
	return (*next)++;
}

/* Fills new slots and the map; both are large enough for all old slots and all new ports. */
static int map_ports(struct port_state *slots, uint32_t *slot, const struct named *sorted, uint32_t count,
		     const struct lun_policy *policy, struct flow_table *flows)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < policy->port_count; i++) {
		const struct service_port *port = &policy->ports[i];
		/* The protocol counts: a port without a name is "dns:53" for TCP and for UDP. */
		uint64_t hash = hash_bytes(&policy->key, port->text, strlen(port->text)) + port->protocol;
		int row = timeout_row(flows, policy, port->service);
		struct port_state *state;

		if (row < 0)
			return row;
		slot[i] = find_slot(slots, sorted, count, hash, &next);
		state = &slots[slot[i]];
		if (state->name_hash != hash)
			*state = (struct port_state) { .name_hash = hash };
		state->declared = true;
		state->service_port = i;
		state->limit = port->service->flow_limit;
		state->timeouts = (uint8_t)row;
	}
	return 0;
}

/* Marks the slots that the policy has; returns how many slots, from the first on, are in use. */
static uint32_t settle(struct port_state *slots, uint32_t count, const uint32_t *slot, uint32_t declared)
{
	for (uint32_t i = 0; i < count; i++)
		slots[i].declared = false;
	for (uint32_t i = 0; i < declared; i++)
		slots[slot[i]].declared = true;
	while (count > 0 && !slots[count - 1].declared && !slots[count - 1].flows)
		count--;
	return count;
}

int ports_set_policy(struct ports *ports, const struct lun_policy *policy, struct flow_table *flows)
{
	uint32_t added = policy ? policy->port_count : 0;
	struct port_state *slots = calloc((size_t)ports->count + added + 1, sizeof(*slots));
	uint32_t *slot = calloc((size_t)added + 1, sizeof(*slot));
	struct named *sorted = calloc((size_t)ports->count + 1, sizeof(*sorted));
	uint32_t known = 0;
	int result = slots && slot && sorted ? 0 : LUN_NO_MEMORY, row = 0;

	for (uint32_t i = 0; i < ports->count && result == 0; i++) {
		slots[i] = ports->slots[i];
		if (slots[i].declared || slots[i].flows)
			sorted[known++] = (struct named) { .hash = slots[i].name_hash, .slot = i };
		slots[i].declared = false;
	}
	if (result == 0) {
		qsort(sorted, known, sizeof(*sorted), by_hash);
		/* Known ones keep their slots: none of them may be given to a new name meanwhile. */
		for (uint32_t i = 0; i < known; i++)
			slots[sorted[i].slot].declared = true;
		if (policy)
			row = timeout_row(flows, policy, NULL);
		result = row < 0 ? row : 0;
		if (policy && result == 0)
			result = map_ports(slots, slot, sorted, known, policy, flows);
	}
	free(sorted);
	flow_timeouts_settle(flows, result == 0);
	if (result < 0) {
		free(slots);
		free(slot);
		return result;
	}
	ports->count = settle(slots, ports->count + added, slot, added);
	free(ports->slots);
	free(ports->slot);
	ports->slots = slots;
	ports->slot = slot;
	ports->timeouts = (uint8_t)row;
	return 0;
}
