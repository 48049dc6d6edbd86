/* numbers.c - a hash map that only grows. */
#include "cli/numbers.h"

#include <stdlib.h>

static struct number *find(struct number *slots, size_t capacity, uint64_t id)
{
	size_t slot = (id * 0x9e3779b97f4a7c15u) >> 32;

	for (;; slot++) {
		struct number *number = &slots[slot & (capacity - 1)];

		if (number->number == 0 || number->id == id)
			return number;
	}
}

static int grow(struct numbers *numbers)
{
	size_t capacity = numbers->capacity ? numbers->capacity * 2 : 64;
	struct number *slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return -1;
	for (size_t i = 0; i < numbers->capacity; i++)
		if (numbers->slots[i].number)
			*find(slots, capacity, numbers->slots[i].id) = numbers->slots[i];
	free(numbers->slots);
	numbers->slots = slots;
	numbers->capacity = capacity;
	return 0;
}

uint64_t numbers_get(struct numbers *numbers, uint64_t id)
{
	struct number *number;

	if (numbers->count >= numbers->capacity / 2 && grow(numbers) < 0)
		return 0;
	number = find(numbers->slots, numbers->capacity, id);
	if (number->number == 0)
		*number = (struct number) { .id = id, .number = ++numbers->count };
	return number->number;
}

void numbers_fini(struct numbers *numbers)
{
	free(numbers->slots);
}
