/* scrape.h - one text of metrics, made in pieces of bounded work. */
#ifndef LUNETTE_CONTROL_SCRAPE_H
#define LUNETTE_CONTROL_SCRAPE_H

#include "control/tally.h"

#include <lunette/control.h>
#include <stdio.h>

/* What was seen of the loading of policies. */
struct loads {
	uint64_t good, bad;
	uint64_t at; /* ns of the loop's clock: when the one that serves was loaded */
	bool last_bad;
};

struct scrape {
	struct lun_live *live;
	const struct lun_lua_stats *hooks; /* or NULL */
	FILE *out;
	char *text;
	size_t size;
	int stage;
	uint64_t cursor;
	struct tally services;  /* by service alone; flows: now; packets and bytes: ever */
	struct tally endpoints; /* flows of each */
	struct tally_entry other_service, other_endpoint;
	struct tally carried; /* packets and bytes of each endpoint, ever */
	struct tally_entry other_carried;
	struct tally told; /* what was said of services the last time, below which nothing may fall */
	struct tally_entry told_other;
	struct tally told_carried; /* likewise, of endpoints */
	struct tally_entry told_other_carried;
};

/* Begins a text; the struct is zero, or was used before.  False: no memory. */
bool scrape_begin(struct scrape *scrape);

/* Makes some more of it; true: it is complete, at `text`, `size` bytes, malloc'ed and the caller's. */
bool scrape_step(struct scrape *scrape, const struct loads *loads);

/* Gives up what is under way, and all memory. */
void scrape_fini(struct scrape *scrape);

#endif
