/* seqmap.c - a walk from the newest edit to the oldest: nearly every number lies behind the newest one. */
#include "track/seqmap.h"

#include <stddef.h>

/* a < b in sequence space (RFC 9293, 3.4). */
static bool precedes(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static const struct seqmap_edit *edit_at(const struct seqmap *map, uint32_t number)
{
	return &map->edits[number % SEQMAP_EDITS];
}

static uint32_t oldest(const struct seqmap *map)
{
	return map->count > SEQMAP_EDITS ? map->count - SEQMAP_EDITS : 0;
}

void seqmap_add(struct seqmap *map, uint32_t start, uint32_t length_before, uint32_t length_after)
{
	struct seqmap_edit edit = { .start = start, .before = length_before, .after = length_after };

	if (map->count > 0) {
		const struct seqmap_edit *last = edit_at(map, map->count - 1);

		edit.shift = last->shift + last->after - last->before;
	}
	map->edits[map->count++ % SEQMAP_EDITS] = edit;
}

const struct seqmap_edit *seqmap_find(const struct seqmap *map, uint32_t start)
{
	for (uint32_t i = map->count; i-- > oldest(map);)
		if (edit_at(map, i)->start == start)
			return edit_at(map, i);
	return NULL;
}

uint32_t seqmap_to_receiver(const struct seqmap *map, uint32_t sequence)
{
	uint32_t shift = 0;

	for (uint32_t i = map->count; i-- > oldest(map);) {
		const struct seqmap_edit *edit = edit_at(map, i);

		if (!precedes(sequence, edit->start + edit->before))
			return sequence + edit->shift + edit->after - edit->before;
		if (!precedes(sequence, edit->start))
			return edit->start + edit->shift;
		shift = edit->shift;
	}
	return sequence + shift;
}

uint32_t seqmap_to_sender(const struct seqmap *map, uint32_t sequence)
{
	uint32_t shift = 0;

	for (uint32_t i = map->count; i-- > oldest(map);) {
		const struct seqmap_edit *edit = edit_at(map, i);
		uint32_t start = edit->start + edit->shift;

		if (!precedes(sequence, start + edit->after))
			return sequence - edit->shift - edit->after + edit->before;
		if (!precedes(sequence, start))
			return edit->start;
		shift = edit->shift;
	}
	return sequence - shift;
}
