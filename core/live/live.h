/* live.h - what the parts of a live agent share. */
#ifndef LUNETTE_LIVE_LIVE_H
#define LUNETTE_LIVE_LIVE_H

#include "live/carried.h"
#include "live/conntrack.h"
#include "live/endings.h"
#include "live/inject.h"
#include "live/prompt.h"
#include "live/queue.h"
#include "live/refusals.h"
#include "live/route.h"
#include "live/rules.h"
#include "live/sysctl.h"
#include "live/watch.h"

/* Who translates: opening.c has the kernel do it, inline.c the engine.  In the order in which they are called. */
struct live_mode {
	/* Opens the queue and what else the mode needs, and says what it wants of the engine. */
	int (*open)(struct lun_live *live, struct lun_config *engine, struct lun_error *error);
	/* The engine is there, the rules are not. */
	int (*begin)(struct lun_live *live, struct lun_error *error);
	/* Takes one batch off the queue, decides, and answers.  Returns how many packets it was. */
	size_t (*serve)(struct lun_live *live, uint64_t now);
	/* Another policy is to be served; the old one stays if this fails. */
	int (*prepare)(struct lun_live *live, const struct lun_policy *policy, struct lun_error *error);
	/* Nothing is queued any more; `flush` as for lun_live_stop. */
	void (*end)(struct lun_live *live, bool flush);
	bool carries; /* the kernel does: it is asked every second (carried.c), and told what ends (endings.c) */
};

extern const struct live_mode live_commit, live_inline;

struct lun_live {
	/* set by lun_live_start */
	const struct live_mode *mode;
	struct lun_engine *engine;
	struct lun_policy *policy;
	struct rules rules;
	void (*log)(void *user, enum lun_log_level level, const char *line);
	void *user;
	/* by lun_live_tap */
	struct lun_live_tap *taps;
	/* by whoever sees it happen */
	struct lun_live_stats stats;
	/* by the mode */
	struct queue queue, edits; /* the latter if the kernel carries */
	struct route_cache routes;
	uint64_t failures;    /* packets that were lost to a failure since the last message about them */
	uint64_t failures_at; /* ns; when that message was */
	/* by opening.c */
	struct netlink conntrack; /* for commits and questions; every answer is read at once */
	/* by endings.c */
	struct endings endings;
	/* by refusals.c */
	struct refusals refusals;
	/* by prompt.c */
	struct prompt prompt;
	/* by inline.c or edits.c */
	struct inject inject;
	struct sysctls sysctls;
	uint64_t now;         /* ns; of the batch */
	uint32_t tenant_mask; /* bits of the packet mark that are the tenant */
	bool set_sysctls;
	/* by carried.c */
	struct carried carried;
	/* by watch.c */
	struct watch watch;
	/* by live.c */
	uv_poll_t queue_readable, rules_changed, dump_readable, edits_readable;
	uv_timer_t engine_due, rules_due, dump_due;
	uint64_t armed_for;    /* the deadline for which engine_due was started */
	unsigned open_handles; /* the struct goes with the last one */
};

/* What taps see.  Without one it costs the look for it. */
void live_show_before(const struct lun_live *live, struct lun_packet *packets, size_t count);
void live_show_after(const struct lun_live *live, const struct lun_packet *packets, size_t count);
void live_show_emitted(const struct lun_live *live, const uint8_t *data, uint32_t length);

void live_log(struct lun_live *live, enum lun_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
