/* record.h - `lunette run --capture`: packets before and after, in a file. */
#ifndef LUNETTE_CLI_RECORD_H
#define LUNETTE_CLI_RECORD_H

#include <lunette/live.h>
#include <lunette/replay.h>

struct record {
	struct lun_recorder *recorder; /* NULL: off */
	struct lun_live *live;
	struct lun_live_tap tap;
	void (*say)(void *user, const char *line); /* that no more is written, and why */
	void *user;
};

/* Records what comes to the agent from now on, into an open recorder; the agent stops before that is closed. */
void record_start(struct record *record, struct lun_live *live);

#endif
