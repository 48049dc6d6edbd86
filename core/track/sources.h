/* sources.h - how many flows each source address has; kept only where a policy limits them.
 *
 * Open addressing, half full at most since no more sources than flows exist; an entry whose count falls to zero is taken out by
 * moving its followers up (Knuth, 6.4, algorithm R), so that a probe never passes a grave. */
#ifndef LUNETTE_TRACK_SOURCES_H
#define LUNETTE_TRACK_SOURCES_H

#include "base/hash.h"

#include <lunette/lunette.h>

struct source {
	struct lun_address address;
	uint32_t tenant;
	uint32_t count; /* 0: free */
};

struct sources {
	struct source *table; /* NULL: nothing is counted */
	uint32_t size;        /* a power of two */
	const struct hash_key *key;
};

/* Room for the sources of `flows` flows.  Returns 0 or LUN_NO_MEMORY. */
int sources_init(struct sources *sources, uint32_t flows, const struct hash_key *key);
void sources_fini(struct sources *sources);

uint32_t sources_count(const struct sources *sources, const struct lun_tuple *orig);
void sources_add(struct sources *sources, const struct lun_tuple *orig);
void sources_remove(struct sources *sources, const struct lun_tuple *orig);

#endif
