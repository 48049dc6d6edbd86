/* config.h - structs of the caller's that begin with their `size` (lunette.h, conventions). */
#ifndef LUNETTE_BASE_CONFIG_H
#define LUNETTE_BASE_CONFIG_H

#include <stdbool.h>
#include <string.h>

/* Copies the caller's struct into ours, which is zero and has `size` bytes.  False: its size is not set, or larger than
 * ours: made for a newer header, which knows what we do not. */
static inline bool config_read(void *ours, size_t size, const void *given)
{
	size_t given_size;

	memcpy(&given_size, given, sizeof(given_size));
	if (given_size == 0 || given_size > size)
		return false;
	memcpy(ours, given, given_size);
	return true;
}

#endif
