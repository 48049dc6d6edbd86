/* affinity.c - see affinity.h. */
#include "balance/affinity.h"

#include "base/address.h"
#include "base/memory.h"

enum { WAYS = 4 };

int affinity_init(struct affinity *affinity, uint32_t clients)
{
	for (affinity->size = WAYS; affinity->size < clients;)
		affinity->size *= 2;
	affinity->entries = memory_new(affinity->size * sizeof(*affinity->entries));
	return affinity->entries ? 0 : LUN_NO_MEMORY;
}

void affinity_fini(struct affinity *affinity)
{
	if (affinity->entries)
		memory_free(affinity->entries, affinity->size * sizeof(*affinity->entries));
}

static bool is_of(const struct affinity_entry *entry, const struct affinity_key *key)
{
	return entry->owner == key->owner && entry->tenant == key->tenant && address_equal(&entry->client, key->client);
}

struct affinity_entry *affinity_place(const struct affinity *affinity, const struct affinity_key *key)
{
	uint64_t hash = XXH3_64bits_withSeed(key->client, sizeof(*key->client), key->owner + key->tenant);
	struct affinity_entry *ways = &affinity->entries[hash & (affinity->size - 1) & ~(uint64_t)(WAYS - 1)];
	struct affinity_entry *oldest = ways;

	for (int i = 0; i < WAYS; i++) {
		if (is_of(&ways[i], key))
			return &ways[i];
		if (oldest->owner && (!ways[i].owner || (int32_t)(ways[i].used - oldest->used) < 0))
			oldest = &ways[i];
	}
	return oldest;
}

bool affinity_holds(const struct affinity_entry *entry, const struct affinity_key *key, uint32_t now_ms, uint64_t lasts_ms)
{
	return is_of(entry, key) && now_ms - entry->used < lasts_ms;
}

void affinity_put(struct affinity_entry *entry, const struct affinity_key *key, const struct endpoint *endpoint,
		  uint32_t now_ms)
{
	*entry = (struct affinity_entry) { .client = *key->client,
					   .owner = key->owner,
					   .tenant = key->tenant,
					   .endpoint = endpoint->address,
					   .port = endpoint->port,
					   .used = now_ms };
}
