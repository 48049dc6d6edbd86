/* tally.c - a small hash table, which grows; services are copied, since the policy may change while we count. */
#include "control/tally.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 64 };

static size_t hash_of(const struct tally_entry *entry)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ entry->port ^ (uint64_t)entry->protocol << 16;

	for (size_t i = 0; i < sizeof(entry->endpoint.bytes); i++)
		hash = (hash ^ entry->endpoint.bytes[i]) * UINT64_C(0x100000001b3);
	for (const char *byte = entry->service; byte && *byte; byte++)
		hash = (hash ^ (uint8_t)*byte) * UINT64_C(0x100000001b3);
	return (size_t)(hash ^ hash >> 32);
}

static bool same_service(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Where the entry is, or is to be. */
static struct tally_entry *place_of(const struct tally *tally, const struct tally_entry *wanted)
{
	for (size_t i = hash_of(wanted);; i++) {
		struct tally_entry *entry = &tally->entries[i & (tally->capacity - 1)];

		if (!entry->used || (memcmp(&entry->endpoint, &wanted->endpoint, sizeof(entry->endpoint)) == 0 &&
				     entry->port == wanted->port && entry->protocol == wanted->protocol &&
				     same_service(entry->service, wanted->service)))
			return entry;
	}
}

/* `capacity` is a power of two, and more than there was. */
static bool resize(struct tally *tally, size_t capacity)
{
	struct tally larger = { .capacity = capacity, .count = tally->count };

	larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
	if (!larger.entries)
		return false;
	for (size_t i = 0; i < tally->capacity; i++)
		if (tally->entries[i].used)
			*place_of(&larger, &tally->entries[i]) = tally->entries[i];
	free(tally->entries);
	*tally = larger;
	return true;
}

bool tally_reserve(struct tally *tally, size_t count)
{
	size_t capacity = tally->capacity ? tally->capacity : CAPACITY_FIRST;

	while (capacity < count * 2)
		capacity *= 2;
	return capacity == tally->capacity || resize(tally, capacity);
}

struct tally_entry *tally_find(const struct tally *tally, const struct tally_entry *wanted)
{
	struct tally_entry *entry = tally->capacity ? place_of(tally, wanted) : NULL;

	return entry && entry->used ? entry : NULL;
}

struct tally_entry *tally_place(struct tally *tally, const struct tally_entry *wanted)
{
	struct tally_entry *entry = tally_find(tally, wanted);
	char *service;

	if (entry)
		return entry;
	if (!tally_reserve(tally, tally->count + 1))
		return NULL;
	service = wanted->service ? strdup(wanted->service) : NULL;
	if (wanted->service && !service)
		return NULL;
	entry = place_of(tally, wanted);
	*entry = (struct tally_entry) { .endpoint = wanted->endpoint,
					.port = wanted->port,
					.protocol = wanted->protocol,
					.service = service,
					.used = true };
	tally->count++;
	return entry;
}

struct tally_entry tally_key(const struct lun_flow *flow)
{
	return (struct tally_entry) { .endpoint = flow->reply.source,
				      .port = flow->reply.source_port,
				      .protocol = flow->reply.protocol,
				      .service = (char *)(uintptr_t)flow->service };
}

void tally_clear(struct tally *tally)
{
	for (size_t i = 0; tally->count && i < tally->capacity; i++)
		free(tally->entries[i].service);
	if (tally->count)
		memset(tally->entries, 0, tally->capacity * sizeof(*tally->entries));
	tally->count = 0;
}

void tally_fini(struct tally *tally)
{
	for (size_t i = 0; i < tally->capacity; i++)
		free(tally->entries[i].service);
	free(tally->entries);
	*tally = (struct tally) { .count = 0 };
}
