/* kept.c - see kept.h. */
#include "kept.h"

#include "hash.h"

#include <stdlib.h>
#include <string.h>

struct lun_lua_kept *kept_new(void)
{
	struct lun_lua_kept *kept = calloc(1, sizeof(*kept));

	if (kept != NULL)
		kept->references = 1;
	return kept;
}

void kept_unref(struct lun_lua_kept *kept)
{
	if (kept != NULL && --kept->references == 0)
		free(kept);
}

void lun_lua_kept_free(struct lun_lua_kept *kept)
{
	kept_unref(kept);
}

static uint32_t group_count(uint32_t keys)
{
	return (keys + KEPT_WAYS - 1) / KEPT_WAYS;
}

size_t kept_table_size(uint32_t keys)
{
	return sizeof(struct kept_table) + group_count(keys) * KEPT_WAYS * sizeof(struct kept_slot);
}

static struct kept_table *table_new(const char *kind, const char *name, uint32_t keys)
{
	struct kept_table *table = calloc(1, kept_table_size(keys));

	if (table == NULL)
		return NULL;
	table->kind = kind;
	table->group_count = group_count(keys);
	strncpy(table->name, name, KEPT_NAME - 1);
	return table;
}

struct kept_table *kept_table_find(struct lun_lua_kept *kept, const char *kind, const char *name, uint32_t keys)
{
	struct kept_table *table = kept->tables;

	while (table != NULL &&
	       (strcmp(table->kind, kind) != 0 || strcmp(table->name, name) != 0 || table->group_count != group_count(keys)))
		table = table->next;
	if (table == NULL) {
		table = table_new(kind, name, keys);
		if (table == NULL)
			return NULL;
		table->next = kept->tables;
		kept->tables = table;
	}
	table->references++;
	return table;
}

void kept_table_unref(struct lun_lua_kept *kept, struct kept_table *table)
{
	struct kept_table **link = &kept->tables;

	if (--table->references > 0)
		return;
	while (*link != table)
		link = &(*link)->next;
	*link = table->next;
	free(table);
}

/* The slots where a key may be. */
static const struct kept_slot *group_of(const struct kept_table *table, const uint8_t key[KEPT_KEY])
{
	uint64_t hash = hash_bytes(key, KEPT_KEY, 0) >> 32;

	return &table->slots[(hash * table->group_count >> 32) * KEPT_WAYS];
}

uint64_t kept_get(const struct kept_table *table, const uint8_t key[KEPT_KEY])
{
	const struct kept_slot *group = group_of(table, key);

	for (int i = 0; i < KEPT_WAYS; i++) {
		if (memcmp(group[i].key, key, KEPT_KEY) == 0)
			return group[i].number;
	}
	return 0;
}

uint64_t *kept_place(struct kept_table *table, const uint8_t key[KEPT_KEY])
{
	struct kept_slot *group = (struct kept_slot *)group_of(table, key), *least = group;

	for (int i = 0; i < KEPT_WAYS; i++) {
		if (memcmp(group[i].key, key, KEPT_KEY) == 0)
			return &group[i].number;
		if (group[i].number < least->number)
			least = &group[i];
	}
	memcpy(least->key, key, KEPT_KEY);
	least->number = 0;
	return &least->number;
}
