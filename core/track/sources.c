/* sources.c - see sources.h. */
#include "track/sources.h"

#include "base/address.h"
#include "base/memory.h"

int sources_init(struct sources *sources, uint32_t flows, const struct hash_key *key)
{
	*sources = (struct sources) { .key = key };
	for (sources->size = 16; sources->size < flows * 2;)
		sources->size *= 2;
	sources->table = memory_new((size_t)sources->size * sizeof(*sources->table));
	return sources->table ? 0 : LUN_NO_MEMORY;
}

void sources_fini(struct sources *sources)
{
	memory_free(sources->table, (size_t)sources->size * sizeof(*sources->table));
	sources->table = NULL;
}

static uint32_t home(const struct sources *sources, const struct lun_address *address, uint32_t tenant)
{
	return (uint32_t)(hash_bytes(sources->key, address, sizeof(*address)) + tenant) & (sources->size - 1);
}

/* The source's place, or the free one where it would go. */
static struct source *place(const struct sources *sources, const struct lun_tuple *orig)
{
	uint32_t at = home(sources, &orig->source, orig->tenant);

	while (sources->table[at].count &&
	       (sources->table[at].tenant != orig->tenant || !address_equal(&sources->table[at].address, &orig->source)))
		at = (at + 1) & (sources->size - 1);
	return &sources->table[at];
}

uint32_t sources_count(const struct sources *sources, const struct lun_tuple *orig)
{
	return sources->table ? place(sources, orig)->count : 0;
}

void sources_add(struct sources *sources, const struct lun_tuple *orig)
{
	struct source *source;

	if (!sources->table)
		return;
	source = place(sources, orig);
	source->address = orig->source;
	source->tenant = orig->tenant;
	source->count++;
}

/* Frees the entry at `hole`, and closes the gap for those that a probe would look for behind it. */
static void take_out(struct sources *sources, uint32_t hole)
{
	uint32_t mask = sources->size - 1;

	for (uint32_t at = (hole + 1) & mask; sources->table[at].count; at = (at + 1) & mask) {
		uint32_t wanted = home(sources, &sources->table[at].address, sources->table[at].tenant);

		if (((at - wanted) & mask) < ((at - hole) & mask))
			continue; /* it is not behind the hole on its own way */
		sources->table[hole] = sources->table[at];
		hole = at;
	}
	sources->table[hole].count = 0;
}

void sources_remove(struct sources *sources, const struct lun_tuple *orig)
{
	struct source *source;

	if (!sources->table)
		return;
	source = place(sources, orig);
	if (source->count > 1)
		source->count--;
	else if (source->count == 1)
		take_out(sources, (uint32_t)(source - sources->table));
}
