/* carried.h - what the kernel carries: learnt from a list of our entries once a second or so, and at the start. */
#ifndef LUNETTE_LIVE_CARRIED_H
#define LUNETTE_LIVE_CARRIED_H

#include "live/conntrack.h"

struct lun_live;

struct sighting {
	uint64_t flow; /* 0: no entry */
	uint32_t dump; /* number of the list in which the flow was last seen */
};

struct carried {
	struct netlink netlink; /* of its own: a list arrives over many reads */
	struct sighting *sightings;
	size_t capacity; /* a power of two, twice the flows or more */
	size_t count;
	size_t swept;            /* slots that were looked at since the last list */
	uint32_t dump;           /* number of the list that is coming, or came last */
	uint64_t asked_at, took; /* ns; when that was asked for, and how long a list took */
	enum { CARRIED_IDLE, CARRIED_LISTING, CARRIED_SWEEPING } state;
};

int carried_open(struct carried *carried, uint32_t flows, struct lun_error *error);
void carried_close(struct carried *carried);

/* The kernel took a flow: it is to be in the lists from now on. */
void carried_expect(struct carried *carried, uint64_t flow);

/* The kernel has this entry of ours: what it says counts. */
void carried_sight(struct lun_live *live, const struct conntrack_entry *entry, uint64_t now);

/* Takes over what an earlier agent committed.  Waits for the whole list. */
int carried_adopt(struct lun_live *live, uint64_t now, struct lun_error *error);

/* Goes on with the round list, sweep, pause.  Returns in how many ms it wants to be called again. */
uint64_t carried_proceed(struct lun_live *live, uint64_t now);

/* Reads a part of the list. */
void carried_read(struct lun_live *live, uint64_t now);

#endif
