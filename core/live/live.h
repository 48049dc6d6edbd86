/* live.h - what the parts of a live agent share. */
#ifndef LUNETTE_LIVE_LIVE_H
#define LUNETTE_LIVE_LIVE_H

#include "live/carried.h"
#include "live/conntrack.h"
#include "live/endings.h"
#include "live/queue.h"
#include "live/route.h"
#include "live/rules.h"

struct lun_live {
	/* set by lun_live_start */
	struct lun_engine *engine;
	struct lun_policy *policy;
	struct rules rules;
	void (*log)(void *user, enum lun_log_level level, const char *line);
	void *user;
	/* by whoever sees it happen */
	struct lun_live_stats stats;
	/* by opening.c */
	struct queue queue;
	struct netlink conntrack; /* for commits and questions; every answer is read at once */
	struct route_cache routes;
	uint64_t failures;    /* openings that were dropped since the last message about them */
	uint64_t failures_at; /* ns; when that message was */
	/* by endings.c */
	struct endings endings;
	/* by carried.c */
	struct carried carried;
	/* by live.c */
	uv_poll_t queue_readable, dump_readable;
	uv_timer_t engine_due, dump_due;
	uint64_t armed_for;    /* the deadline for which engine_due was started */
	unsigned open_handles; /* the struct goes with the last one */
};

void live_log(struct lun_live *live, enum lun_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* opening.c: takes one batch off the queue, decides, commits, and answers.  Returns how many packets it was. */
size_t opening_serve(struct lun_live *live, uint64_t now);

#endif
