/* endpoints.c - which endpoints of a service a node sends new flows to: from what is said of each to ranges of an array.
 *
 * Each list has the node's own ready endpoints first, then other ready ones, then the node's own that serve while they end, then
 * others that do.  So the ready ones, those that serve while they end, and this node's of either kind are neighbours, and rules
 * R20 and R21 are a matter of where a range begins.  Endpoints that are preferred by hints or by the service are scattered among
 * the ready ones and stand once more behind the list. */
#include "base/address.h"
#include "base/memory.h"
#include "policy/policy.h"

enum kind { READY_HERE, READY_AWAY, ENDING_HERE, ENDING_AWAY, KINDS, NO_KIND = KINDS };

/* One service, while its endpoints are sorted. */
struct sorting {
	const struct lun_service *service;
	const struct lun_node *node;
	struct endpoint_set *set;
	const struct lun_port *port;
	bool v6;
	uint8_t *kinds; /* of each endpoint: enum kind in the list at hand */
	uint32_t *seen; /* hash table of endpoints of the list at hand: index + 1, or 0 */
	size_t seen_size;
};

static uint16_t port_of(const struct sorting *sorting, const struct lun_endpoint *endpoint)
{
	const struct lun_port *port = sorting->port;

	if (endpoint->port)
		return endpoint->port;
	return port->target_port ? port->target_port : port->port;
}

static bool same_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static bool is_here(const struct sorting *sorting, const struct lun_endpoint *endpoint)
{
	return same_text(endpoint->node, sorting->node->name);
}

/* Whether the endpoint is one of the service port's. */
static bool serves_port(const struct sorting *sorting, const struct lun_endpoint *endpoint)
{
	const struct lun_port *port = sorting->port;
	uint8_t protocol = port->protocol ? port->protocol : LUN_TCP;

	return lun_address_is_v4(&endpoint->address) != sorting->v6 &&
	       (!endpoint->protocol || endpoint->protocol == protocol) &&
	       (!endpoint->port_name || strcmp(endpoint->port_name, port->name ? port->name : "") == 0);
}

/* Whether the list has this address and port already; from now on it does.  Of two the first counts, but one that is said to be here
 * before one that is not. */
static bool seen_before(const struct sorting *sorting, const struct lun_endpoint *endpoint)
{
	const struct lun_endpoint *endpoints = sorting->service->endpoints;
	uint16_t port = port_of(sorting, endpoint);
	size_t at = (size_t)(XXH3_64bits(&endpoint->address, sizeof(endpoint->address)) + port) & (sorting->seen_size - 1);

	for (; sorting->seen[at]; at = (at + 1) & (sorting->seen_size - 1)) {
		const struct lun_endpoint *other = &endpoints[sorting->seen[at] - 1];

		if (port_of(sorting, other) != port || !address_equal(&other->address, &endpoint->address))
			continue;
		if (is_here(sorting, other) || !is_here(sorting, endpoint))
			return true;
		sorting->kinds[sorting->seen[at] - 1] = NO_KIND;
		break;
	}
	sorting->seen[at] = (uint32_t)(endpoint - endpoints) + 1;
	return false;
}

static enum kind kind_of(const struct sorting *sorting, const struct lun_endpoint *endpoint)
{
	if (!serves_port(sorting, endpoint) || seen_before(sorting, endpoint))
		return NO_KIND;
	if (!endpoint->not_ready)
		return is_here(sorting, endpoint) ? READY_HERE : READY_AWAY;
	if (endpoint->ending)
		return is_here(sorting, endpoint) ? ENDING_HERE : ENDING_AWAY;
	return NO_KIND;
}

static void append(const struct sorting *sorting, const struct lun_endpoint *endpoint)
{
	struct endpoint_set *set = sorting->set;
	uint32_t before = set->count ? set->endpoints[set->count - 1].weight_sum : 0;
	uint16_t weight = endpoint->weight ? endpoint->weight : 1;

	set->endpoints[set->count++] = (struct endpoint) { .address = endpoint->address,
							   .port = port_of(sorting, endpoint),
							   .weight = weight,
							   .weight_sum = before + weight };
}

/* ---- preferences ---- */

static bool any_text(const char *const *texts, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (same_text(texts[i], text))
			return true;
	return false;
}

static bool hinted_to_node(const struct sorting *sorting, const struct lun_endpoint *endpoint)
{
	return any_text(endpoint->node_hints, endpoint->node_hint_count, sorting->node->name);
}

static bool hinted_to_zone(const struct sorting *sorting, const struct lun_endpoint *endpoint)
{
	return any_text(endpoint->zone_hints, endpoint->zone_hint_count, sorting->node->zone);
}

static bool in_zone(const struct sorting *sorting, const struct lun_endpoint *endpoint)
{
	return same_text(endpoint->zone, sorting->node->zone);
}

typedef bool preferred(const struct sorting *sorting, const struct lun_endpoint *endpoint);

/* What tells the endpoints apart that are to be taken before others, or NULL.  Hints count only if each ready endpoint has some and
 * one is meant for this node. */
static preferred *preference(const struct sorting *sorting)
{
	const struct lun_service *service = sorting->service;
	bool all_node = true, all_zone = true, any_node = false, any_zone = false;

	if (service->prefer == LUN_PREFER_LOCAL)
		return is_here;
	if (service->prefer == LUN_PREFER_ZONE)
		return in_zone;
	for (size_t i = 0; i < service->endpoint_count; i++) {
		const struct lun_endpoint *endpoint = &service->endpoints[i];

		if (sorting->kinds[i] > READY_AWAY)
			continue;
		all_node = all_node && endpoint->node_hint_count > 0;
		all_zone = all_zone && endpoint->zone_hint_count > 0;
		any_node = any_node || hinted_to_node(sorting, endpoint);
		any_zone = any_zone || hinted_to_zone(sorting, endpoint);
	}
	if (all_node && any_node)
		return hinted_to_node;
	return all_zone && any_zone ? hinted_to_zone : NULL;
}

/* Narrows the ready endpoints of `range` to those that are preferred, if there are any. */
static void prefer(const struct sorting *sorting, struct endpoint_range *range)
{
	const struct lun_service *service = sorting->service;
	preferred *is_preferred = preference(sorting);
	struct endpoint_range narrow = { .first = sorting->set->count };

	for (int kind = READY_HERE; is_preferred && kind <= READY_AWAY; kind++)
		for (size_t i = 0; i < service->endpoint_count; i++)
			if (sorting->kinds[i] == kind && is_preferred(sorting, &service->endpoints[i]))
				append(sorting, &service->endpoints[i]);
	narrow.count = sorting->set->count - narrow.first;
	if (narrow.count == range->count)
		sorting->set->count = narrow.first;
	else if (narrow.count > 0)
		*range = narrow;
}

/* ---- lists ---- */

static void fill_list(const struct sorting *sorting, struct endpoint_list *list)
{
	const struct lun_service *service = sorting->service;
	uint32_t first = sorting->set->count, count[KINDS] = { 0 }, ready, ending;

	memset(sorting->seen, 0, sorting->seen_size * sizeof(*sorting->seen));
	for (size_t i = 0; i < service->endpoint_count; i++)
		sorting->kinds[i] = (uint8_t)kind_of(sorting, &service->endpoints[i]);
	for (size_t i = 0; i < service->endpoint_count; i++)
		if (sorting->kinds[i] != NO_KIND)
			count[sorting->kinds[i]]++;
	for (int kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; count[kind] > 0 && i < service->endpoint_count; i++)
			if (sorting->kinds[i] == kind)
				append(sorting, &service->endpoints[i]);
	ready = count[READY_HERE] + count[READY_AWAY];
	ending = count[ENDING_HERE] + count[ENDING_AWAY];

	list->serving = (struct endpoint_range) { first, ready + ending };
	list->ready = ready;
	list->cluster =
		ready ? (struct endpoint_range) { first, ready } : (struct endpoint_range) { first, ending }; /* R20 */
	list->local = count[READY_HERE] ? (struct endpoint_range) { first, count[READY_HERE] }
					: (struct endpoint_range) { first + ready, count[ENDING_HERE] }; /* R21 */
	if (ready)
		prefer(sorting, &list->cluster);
}

static bool same_range(const struct endpoint_range *a, const struct endpoint_range *b)
{
	return a->first == b->first && a->count == b->count;
}

/* Makes the tables of a list, of which the local one may be the same or empty.  False: no memory. */
static bool fill_tables(const struct endpoint_set *set, struct endpoint_list *list, uint64_t seed)
{
	const struct endpoint *endpoints = set->endpoints;

	if (list->cluster.count == 0)
		return true;
	list->cluster_table = maglev_new(endpoints + list->cluster.first, list->cluster.count, seed);
	if (same_range(&list->local, &list->cluster) || list->local.count == 0)
		list->local_table = list->cluster_table;
	else
		list->local_table = maglev_new(endpoints + list->local.first, list->local.count, seed);
	return list->cluster_table && list->local_table;
}

/* The memory for a set that has room for each endpoint in each list, twice. */
static struct endpoint_set *set_allocate(size_t lists, size_t endpoints)
{
	struct endpoint_set *set =
		memory_zeroed(1, sizeof(*set) + lists * sizeof(set->lists[0]) + endpoints * sizeof(struct endpoint));

	if (set) {
		set->references = 1;
		set->list_count = (uint32_t)lists;
		set->endpoints = (struct endpoint *)&set->lists[lists];
	}
	return set;
}

static struct endpoint_set *set_shrink(struct endpoint_set *set)
{
	size_t lists = set->list_count;
	struct endpoint_set *shrunk =
		memory_shrink(set, sizeof(*set) + lists * sizeof(set->lists[0]) + set->count * sizeof(struct endpoint));

	if (!shrunk)
		return set;
	shrunk->endpoints = (struct endpoint *)&shrunk->lists[lists];
	return shrunk;
}

/* All lists of a service, sorted. */
static struct endpoint_set *set_sort(const struct lun_service *service, const struct lun_node *node)
{
	struct sorting sorting = { .service = service, .node = node, .seen_size = 4 };
	size_t count = service->endpoint_count, lists = 2 * service->port_count;

	while (sorting.seen_size < 2 * count)
		sorting.seen_size *= 2;
	sorting.kinds = memory_take(count + 1);
	sorting.seen = memory_take(sorting.seen_size * sizeof(*sorting.seen));
	sorting.set = set_allocate(lists, lists * count);
	for (size_t i = 0; sorting.kinds && sorting.seen && sorting.set && i < lists; i++) {
		sorting.port = &service->ports[i / 2];
		sorting.v6 = i % 2;
		fill_list(&sorting, &sorting.set->lists[i]);
	}
	if (!sorting.kinds || !sorting.seen) {
		memory_give(sorting.set);
		sorting.set = NULL;
	}
	memory_give(sorting.kinds);
	memory_give(sorting.seen);
	return sorting.set ? set_shrink(sorting.set) : NULL;
}

struct endpoint_set *endpoint_set_new(const struct lun_service *service, const struct lun_node *node, uint64_t hash_seed)
{
	struct endpoint_set *set = set_sort(service, node);
	bool made = true;

	for (uint32_t i = 0; set && service->balance == LUN_BALANCE_MAGLEV && i < set->list_count; i++)
		made = fill_tables(set, &set->lists[i], hash_seed) && made;
	if (made)
		return set;
	endpoint_set_unref(set);
	return NULL;
}

void endpoint_set_unref(struct endpoint_set *set)
{
	if (!set || --set->references > 0)
		return;
	for (uint32_t i = 0; i < set->list_count; i++) {
		if (set->lists[i].local_table != set->lists[i].cluster_table)
			memory_give(set->lists[i].local_table);
		memory_give(set->lists[i].cluster_table);
	}
	memory_give(set);
}
