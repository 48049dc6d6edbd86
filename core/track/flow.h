/* flow.h - one tracked connection, and the table of all of them.
 *
 * NAT is two tuples: a flow stores the tuple that a packet of each direction carries *when it reaches us*; what it must carry
 * when it leaves is the other one inverted.  There is no other table of translations.
 *
 * A flow is two records at the same index of two arrays.  `struct flow`, two cache lines, is all that most flows have;
 * `struct flow_more` is what TCP and SCTP remember, and is neither set nor read for others.  Flows refer to each other by index,
 * and the world refers to a flow by an id that holds a generation, so that an id kept too long finds nothing.
 *
 * Life: flow_open takes a record and indexes both tuples; flow_rekey may replace the reply tuple; flow_end takes it out of the
 * index and the wheel and frees the record.  Nothing else does. */
#ifndef LUNETTE_TRACK_FLOW_H
#define LUNETTE_TRACK_FLOW_H

#include "base/hash.h"
#include "base/limits.h"
#include "packet/packet.h"
#include "track/decision.h"
#include "track/index.h"
#include "track/sctp.h"
#include "track/seqmap.h"
#include "track/tcp.h"
#include "track/wheel.h"

enum flow_flag {
	FLOW_REPLIED = 0x01,    /* a packet of the reply direction was seen */
	FLOW_ASSURED = 0x02,    /* traffic both ways (the kernel's IPS_ASSURED) */
	FLOW_TRANSLATED = 0x04, /* by a decision: the reply tuple is not orig inverted */
	FLOW_MASQUERADE = 0x08,
	FLOW_HTTP = 0x10,     /* heads of its requests are edited */
	FLOW_OPEN = 0x20,     /* the record is in use */
	FLOW_ANSWERED = 0x40, /* its stream was refused, and we are the client's other end */
};

enum { FLOW_NONE = UINT32_MAX };

enum { FLOW_COUNTS = 4 };

struct flow {
	_Alignas(64) struct lun_tuple tuple[2]; /* by direction; changed only by open and rekey */
	uint32_t place; /* in the wheel, by it alone; while the record is free, index of the next free one */
	uint32_t port;  /* what the embedder of the table counts it under: a service port, or FLOW_NONE */
	/* by track_update, for each packet */
	uint32_t deadline;               /* ms of the table's clock; moves without touching the wheel */
	uint32_t count_low[FLOW_COUNTS]; /* packets orig, packets reply, bytes orig, bytes reply: 48 bits each */
	uint16_t count_high[FLOW_COUNTS];
	uint8_t state; /* enum lun_state */
	/* at the opening */
	uint8_t owner;    /* enum lun_owner; only flow_set_owner changes it */
	uint8_t flags;    /* enum flow_flag; by track_update, too */
	uint8_t timeouts; /* index of a row of the table's */
	uint32_t generation;
	uint32_t opened; /* ms of the table's clock */
};

_Static_assert(sizeof(struct flow) == 128, "a flow is two cache lines");

struct flow_more {
	union {
		struct tcp_track tcp;
		struct sctp_track sctp;
	};
	uint32_t edit; /* index of its sequence map, or FLOW_NONE */
};

_Static_assert(sizeof(struct flow_more) <= 48, "with 128, 18.3 of index and 4.6 of the wheel, a flow stays below 200");

/* How long a flow may be silent, by its state: a row that flows and policies share.  One that nobody refers to is used again. */
struct flow_timeouts {
	uint32_t ms[LUN_STATE_COUNT];
	uint32_t flows; /* that refer to it */
	bool held;      /* by the policy that is set; row 0 always */
	bool wanted;    /* by the one that is being set */
};

enum { FLOW_TIMEOUT_ROWS = 256 };

struct flow_table {
	struct flow *flows;
	struct flow_more *more;
	struct index index;
	struct wheel wheel;
	struct hash_key key;
	struct seqmap *maps;            /* of edited streams: flow_more.edit is an index */
	struct seqmap *reply_maps;      /* as many, of what upstreams send, or NULL: nothing of that is edited */
	struct flow_timeouts *timeouts; /* FLOW_TIMEOUT_ROWS; row 0 are the defaults */
	uint32_t map_count;
	uint32_t half_open; /* TCP flows that are */
	uint32_t capacity;
	uint32_t used;  /* records ever taken: those past it were never touched */
	uint32_t free;  /* first free record, linked by `place` */
	uint32_t count; /* flows now */
	uint64_t opened, ended;
	uint64_t epoch;  /* ns of the caller's clock at which the table's clock was 0 */
	uint64_t now_ms; /* the table's clock */
	bool started;    /* the epoch is known */
	bool liberal;    /* TCP windows refuse nothing */
};

/* Takes all memory.  Returns 0 or LUN_NO_MEMORY. */
int flow_table_init(struct flow_table *table, uint32_t capacity, uint32_t edits, const uint64_t seed[2]);
void flow_table_fini(struct flow_table *table);

static inline uint64_t flow_hash(const struct flow_table *table, const struct lun_tuple *tuple)
{
	return hash_bytes(&table->key, tuple, sizeof(*tuple));
}

static inline uint32_t flow_index(const struct flow_table *table, const struct flow *flow)
{
	return (uint32_t)(flow - table->flows);
}

static inline uint64_t flow_id(const struct flow_table *table, const struct flow *flow)
{
	return (uint64_t)flow->generation << 32 | (flow_index(table, flow) + 1);
}

static inline struct flow_more *flow_more(const struct flow_table *table, const struct flow *flow)
{
	return &table->more[flow_index(table, flow)];
}

/* The map of what one end of a TCP flow sends, or NULL: that is not edited. */
static inline struct seqmap *flow_map(const struct flow_table *table, const struct flow *flow, enum lun_direction direction)
{
	uint32_t edit = flow_more(table, flow)->edit, reply;

	if (edit == FLOW_NONE || direction == LUN_ORIG)
		return edit == FLOW_NONE ? NULL : &table->maps[edit];
	reply = table->maps[edit].reply;
	return reply == FLOW_NONE ? NULL : &table->reply_maps[reply];
}

/* Takes the memory for reply maps, unless it has it.  Returns 0 or LUN_NO_MEMORY. */
int flow_table_edit_replies(struct flow_table *table);

/* The row with these times, made if there is none, for a policy that is being set.  Returns its index, or LUN_FULL. */
int flow_timeouts_want(struct flow_table *table, const uint32_t ms[LUN_STATE_COUNT]);
/* The policy is `set`, and holds the rows that it wanted instead of the one before; or it is not, and wants none. */
void flow_timeouts_settle(struct flow_table *table, bool set);

/* Gives a flow, which has row 0 when it opens, another row. */
static inline void flow_set_timeouts(struct flow_table *table, struct flow *flow, uint8_t row)
{
	table->timeouts[flow->timeouts].flows--;
	table->timeouts[row].flows++;
	flow->timeouts = row;
}

/* The flow of an id, or NULL if it ended. */
struct flow *flow_by_id(const struct flow_table *table, uint64_t id);

/* The flow that is seen with `tuple` (hashed as `hash`); its direction goes to *direction.  NULL if there is none. */
struct flow *flow_lookup(const struct flow_table *table, const struct lun_tuple *tuple, uint64_t hash,
			 enum lun_direction *direction);

/* How a batch's cache misses overlap: first the buckets of all its packets are fetched, then the flows that these name, and only
 * then each is looked for.  Both are inlined by force: GCC 12 takes a function that only fetches for one without effect and
 * drops the call. */
static inline __attribute__((always_inline)) void flow_fetch_bucket(const struct flow_table *table, struct packet *p)
{
	p->hash = flow_hash(table, &p->tuple);
	p->bucket = index_first(&table->index, p->hash);
	__builtin_prefetch(p->bucket);
}

/* Fetches the flow that the packet's bucket names for it, mostly its own.  False: it names none. */
static inline __attribute__((always_inline)) bool flow_guess(const struct flow_table *table, struct packet *p)
{
	uint32_t match = bucket_match(p->bucket, index_tag(p->hash));
	const char *flow, *more;

	if (!match)
		return false;
	p->guess = p->bucket->slots[__builtin_ctz(match)];
	flow = (const char *)&table->flows[p->guess >> 1];
	__builtin_prefetch(flow, 1);
	__builtin_prefetch(flow + 64, 1);
	if (p->tuple.protocol == LUN_TCP) {
		more = (const char *)&table->more[p->guess >> 1]; /* on two lines, more often than not */
		__builtin_prefetch(more, 1);
		__builtin_prefetch(more + sizeof(struct flow_more) - 1, 1);
	}
	return true;
}

/* Finds the flow of a packet, with its direction, and leaves both there.  False: no flow. */
bool flow_find(const struct flow_table *table, struct packet *p);

/* Opens a flow with these tuples (orig, reply) and their hashes; the caller has checked that neither is in the index, and calls
 * flow_schedule when the flow has a deadline.  NULL if the table is full. */
struct flow *flow_open(struct flow_table *table, const struct lun_tuple tuple[2], const uint64_t hash[2]);

/* Puts a flow that was just opened, and has its first deadline, into the wheel. */
void flow_schedule(struct flow_table *table, const struct flow *flow);

/* Gives a flow another reply tuple, which must be free.  False, and nothing changed: no place in the index. */
bool flow_rekey(struct flow_table *table, struct flow *flow, const struct lun_tuple *reply);

void flow_end(struct flow_table *table, struct flow *flow);

/* Moves a flow in the wheel, whose deadline comes sooner than when it was put there. */
void flow_schedule_anew(struct flow_table *table, const struct flow *flow);

/* Milliseconds left; 0 if the time is over. */
static inline uint32_t flow_left_ms(const struct flow_table *table, const struct flow *flow)
{
	int32_t left = (int32_t)(flow->deadline - (uint32_t)table->now_ms);

	return left > 0 ? (uint32_t)left : 0;
}

/* Sets the time at which the flow ends if nothing comes, from now on.  A later one the wheel finds out by itself; one that is sooner
 * by more than a second, as at the end of a connection that was open for long, would hold the record for hours if it were not told. */
static inline void flow_expire_in(struct flow_table *table, struct flow *flow, uint32_t timeout_ms)
{
	bool sooner = timeout_ms + 1000 < flow_left_ms(table, flow);

	flow->deadline = (uint32_t)table->now_ms + timeout_ms;
	if (sooner)
		flow_schedule_anew(table, flow);
}

/* Moves the table's clock; a clock that went back is held. */
void flow_set_clock(struct flow_table *table, uint64_t now);

/* Takes flows whose time is over out of the wheel and returns how many; the caller ends every one of them.  What ending them
 * needs is fetched.  Examines at most *budget wheel entries and takes them off it; at the end of the work 0 is returned. */
enum { FLOW_EXPIRED = LIMIT(32, 1) };
uint32_t flow_take_expired(struct flow_table *table, uint32_t *budget, struct flow *expired[FLOW_EXPIRED]);

/* The table's clock, in ns of the caller's. */
uint64_t flow_now(const struct flow_table *table);

/* When flow_take_expired wants to be called, in ns of the caller's clock, or UINT64_MAX. */
uint64_t flow_deadline(const struct flow_table *table);

/* What was counted, in the order of count_low. */
static inline uint64_t flow_count_of(const struct flow *flow, int counter)
{
	return (uint64_t)flow->count_high[counter] << 32 | flow->count_low[counter];
}

/* Adds all of it. */
static inline void flow_add_counts(const struct flow *flow, uint64_t counts[FLOW_COUNTS])
{
	for (int i = 0; i < FLOW_COUNTS; i++)
		counts[i] += flow_count_of(flow, i);
}

/* Replaces what was counted, by direction. */
void flow_set_counts(struct flow *flow, const uint64_t packets[2], const uint64_t bytes[2]);
void flow_count(struct flow *flow, enum lun_direction direction, uint32_t bytes);
void flow_describe(const struct flow_table *table, const struct flow *flow, struct lun_flow *description);

/* Who translates the flow's packets.  Legal steps: ENGINE (new) -> PENDING -> KERNEL; an import is KERNEL at once. */
void flow_set_owner(struct flow *flow, enum lun_owner owner);

#endif
