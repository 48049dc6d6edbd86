/* live.h - the engine on this machine's packets (library lunette-live; Linux, NFQUEUE and conntrack over netlink).
 *
 * In commit mode only the packet that opens a flow comes to user space; what is decided is committed to the kernel's
 * conntrack, which carries the flow from then on, in both directions, also after this process is gone.  In inline mode every
 * packet comes and goes back translated; the kernel's conntrack has no part in it, and flows end with the process.
 *
 * The library runs on your libuv loop, whose thread alone may call it, and needs CAP_NET_ADMIN in the network namespace it works on (and CAP_NET_RAW inline, or
 * where only iptables-legacy can queue). */
#ifndef LUNETTE_LIVE_H
#define LUNETTE_LIVE_H

#include <lunette/lunette.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lun_live_mode { LUN_LIVE_COMMIT, LUN_LIVE_INLINE };

enum lun_log_level { LUN_LOG_ERROR, LUN_LOG_WARNING, LUN_LOG_INFO, LUN_LOG_DEBUG };

/* Mark bits that the rules use in the packet mark; each must be one free bit.  Zero: the default in parentheses. */
struct lun_live_marks {
	uint32_t queue;     /* to the queue: in commit mode, this packet opens a flow (0x00100000) */
	uint32_t committed; /* came back from the queue: translated or dropped (0x00200000) */
	uint32_t reject;    /* came back, to be answered with RST or ICMP (0x00400000); with `committed`: to be left alone */
};

struct lun_live_config {
	size_t size;
	uv_loop_t *loop;           /* required */
	struct lun_policy *policy; /* required; a reference is taken */
	uint16_t queue;            /* NFQUEUE number; 0: 4242 */
	struct lun_live_marks marks;
	/* Read by lun_live_start; its `commit` and `source` are set for you, and a seed of zero comes from the system; NULL: defaults. */
	const struct lun_config *engine;
	/* A line for a person, without its end, valid during the call; NULL: nothing is said. */
	void (*log)(void *user, enum lun_log_level level, const char *line);
	void *user;
	enum lun_live_mode mode;
	bool set_sysctls; /* sysctls that inline mode or edits need are set, and put back by lun_live_stop; else it is an error */
	uint32_t
		tenant_mask; /* inline: these bits of the packet mark, 16 neighbours at most, are the tenant; 0: there is one */
};

struct lun_live;

/* Binds the queue, adopts what the kernel carries already, installs the rules, and serves on the loop.  Fails, leaving
 * nothing behind: LUN_BAD_ARGUMENT (the size, no loop or policy, marks), LUN_NO_PRIVILEGE, LUN_EXISTS (the queue belongs to
 * another process), LUN_UNSUPPORTED (what the kernel lacks, by name), LUN_SYSTEM (also a sysctl that inline mode needs),
 * LUN_NO_MEMORY; LUN_BAD_POLICY: it has a hook for each packet, and the mode is not inline. */
LUN_API int lun_live_start(struct lun_live **live, const struct lun_live_config *config, struct lun_error *error);

/* Swaps the policy: new flows see it, the addresses that are intercepted follow in one transaction.  Fails, and keeps the
 * old policy: LUN_SYSTEM, LUN_NO_MEMORY, LUN_BAD_POLICY as above. */
LUN_API int lun_live_set_policy(struct lun_live *live, struct lun_policy *policy, struct lun_error *error);

/* The engine inside, for flows and counters; do not feed it packets. */
LUN_API struct lun_engine *lun_live_engine(const struct lun_live *live);

/* Somebody who looks at packets.  The functions are called for each batch; of a batch that comes between lun_live_tap and
 * lun_live_untap only.  In commit mode packets are those that open flows, of which the first 128 bytes are there. */
struct lun_live_tap {
	/* They came.  May set their `trace`, to memory that lives until `after`. */
	void (*before)(void *user, struct lun_packet *packets, size_t count);
	/* They are decided, and translated inline; their verdicts are not given yet. */
	void (*after)(void *user, const struct lun_packet *packets, size_t count);
	void (*emitted)(void *user, const uint8_t *data,
			uint32_t length); /* inline: a packet of the engine's own; NULL: none */
	void *user;
	struct lun_live_tap *next; /* the library's */
};

/* The struct is the caller's and must live until lun_live_untap, which may be called from `after`. */
LUN_API void lun_live_tap(struct lun_live *live, struct lun_live_tap *tap);
LUN_API void lun_live_untap(struct lun_live *live, struct lun_live_tap *tap);

/* Upper bounds of commit_times, in ns; X(bound). */
#define LUN_COMMIT_BOUNDS(X)                                                                                                \
	X(100000) X(250000) X(500000) X(1000000) X(2500000) X(5000000) X(10000000) X(25000000) X(100000000) X(1000000000)
enum {
#define LUN_COMMIT_WITHIN(bound) LUN_COMMIT_WITHIN_##bound,
	LUN_COMMIT_BOUNDS(LUN_COMMIT_WITHIN) LUN_COMMIT_LONGER,
#undef LUN_COMMIT_WITHIN
	LUN_COMMIT_TIMES
};

/* What became of packets since the start, besides what the engine counts. */
struct lun_live_stats {
	uint64_t queued;     /* packets that came out of the queue */
	uint64_t edited;     /* committing: packets that came to have their requests edited; not among the former */
	uint64_t committed;  /* flows that the kernel took */
	uint64_t carried;    /* packets that belonged to a flow that it had already */
	uint64_t replaced;   /* entries of its table that stood in the way of a flow, and were deleted */
	uint64_t failed;     /* packets that were dropped because it did not take their flow, or did not answer; inline, that
			       * could not be sent */
	uint64_t table_full; /* of these: its table was full */
	uint64_t adopted;    /* flows that an earlier agent had committed */
	uint64_t ended;      /* flows that were deleted in its table: their endpoint is gone, or lun_live_end_flow */
	uint64_t queue_full; /* packets that it dropped because too many were waiting */
	uint64_t socket_full;    /* likewise, because our socket's buffer was full */
	uint64_t moved;          /* openings that nobody answered, and that were decided anew when they came again */
	uint64_t rules_restored; /* times that somebody else took firewall rules of ours away, and they were put back */
	uint64_t waiting, waiting_most; /* packets in the queue now, and how many may be: of the fuller queue */
	enum lun_live_mode mode;
	bool counts; /* what flows carried is known: inline, or the kernel counts (nf_conntrack_acct) */
	/* How long openings waited from being read to their verdict, while their flows were committed: by LUN_COMMIT_BOUNDS, the last
	 * one for those that took longer; and in sum, ns. */
	uint64_t commit_times[LUN_COMMIT_TIMES], commit_ns;
};

LUN_API void lun_live_stats(const struct lun_live *live, struct lun_live_stats *stats);

/* Ends a flow, as lun_flow_find or lun_flow_next told it, at once and in the kernel too.  A TCP client gets a reset, at once where
 * the process has CAP_NET_RAW, else when it sends next.  Fails: LUN_NOT_FOUND. */
LUN_API int lun_live_end_flow(struct lun_live *live, const struct lun_flow *flow);

/* Stops.  The rules that queue go; with `flush` those that carry committed flows go too, and the flows with them.  Inline,
 * everything goes.  The memory is freed by the loop, which must run once more.  NULL is fine. */
LUN_API void lun_live_stop(struct lun_live *live, bool flush);

/* The rules that lun_live_start would install, as text for a person, each part headed by the program it is for; malloc'ed
 * into `text`.  Needs no privilege. */
LUN_API int lun_live_rules(char **text, const struct lun_live_config *config, struct lun_error *error);

/* One thing that live operation can use. */
struct lun_live_finding {
	const char *name; /* "nft", "commit", ...: static */
	bool ok;
	bool needed;    /* without it lun_live_start fails */
	char text[300]; /* what was found */
	char cure[200]; /* what to do about it, or "" */
};

/* Tries out what this kernel and these privileges allow, in a network namespace of its own, and reports each thing.
 * Returns 0 if lun_live_start would work, or LUN_UNSUPPORTED, LUN_NO_PRIVILEGE, LUN_SYSTEM: the first thing that is needed
 * and missing. */
LUN_API int lun_live_doctor(void (*report)(void *user, const struct lun_live_finding *finding), void *user,
			    struct lun_error *error);

#ifdef __cplusplus
}
#endif

#endif
