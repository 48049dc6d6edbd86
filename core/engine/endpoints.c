/* endpoints.c - see endpoints.h. */
#include "engine/endpoints.h"
#include "base/hash.h"
#include "base/memory.h"

#include <string.h>

enum { PLACES = 8 };

int endpoints_init(struct endpoints *endpoints, uint32_t count)
{
	endpoints->size = PLACES;
	while (endpoints->size < count)
		endpoints->size *= 2;
	endpoints->entries = memory_zeroed(endpoints->size, sizeof(*endpoints->entries));
	return endpoints->entries ? 0 : LUN_NO_MEMORY;
}

void endpoints_fini(struct endpoints *endpoints)
{
	memory_give(endpoints->entries);
}

static bool is_of(const struct endpoint_count *entry, const struct lun_tuple *reply)
{
	return entry->protocol == reply->protocol && entry->port == reply->source_port &&
	       memcmp(&entry->address, &reply->source, sizeof(entry->address)) == 0;
}

/* The endpoint's place; a free one, or that of another, where it has none yet. */
static struct endpoint_count *place_of(const struct endpoints *endpoints, const struct flow_table *table,
				       const struct lun_tuple *reply)
{
	uint64_t hash = hash_bytes(&table->key, &reply->source, sizeof(reply->source)) + reply->source_port;
	struct endpoint_count *places = &endpoints->entries[hash % (endpoints->size / PLACES) * PLACES], *best = places;

	for (int i = 0; i < PLACES; i++) {
		if (is_of(&places[i], reply))
			return &places[i];
		if (!places[i].protocol)
			best = &places[i];
		else if (best->protocol && (int32_t)(places[i].used - best->used) < 0)
			best = &places[i];
	}
	return best;
}

void endpoints_add(struct endpoints *endpoints, const struct flow_table *table, const struct flow *flow)
{
	const struct lun_tuple *reply = &flow->tuple[LUN_REPLY];
	struct endpoint_count *place = place_of(endpoints, table, reply);

	if (!is_of(place, reply)) {
		for (int i = 0; i < FLOW_COUNTS; i++)
			endpoints->others[i] += place->counts[i];
		*place = (struct endpoint_count) { .address = reply->source,
						   .port = reply->source_port,
						   .protocol = reply->protocol };
	}
	place->used = (uint32_t)table->now_ms;
	flow_add_counts(flow, place->counts);
}
