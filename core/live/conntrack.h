/* conntrack.h - the kernel's connection table: entries of ours made, looked up, deleted and listed.
 *
 * What is ours carries our mark.  An entry that is not translated (the policy left the flow alone, or the endpoint is the
 * very address that was asked for) says so by one more bit, by which the fail-safe rule lets it pass.  Such an entry is made by
 * the kernel, and marked by a rule: in one that we make no other rule could translate any more. */
#ifndef LUNETTE_LIVE_CONNTRACK_H
#define LUNETTE_LIVE_CONNTRACK_H

#include "live/netlink.h"

#define CONNTRACK_MARK UINT32_C(0x48000000)
#define CONNTRACK_MASK UINT32_C(0xf8000000)      /* the rest is others', but for these: */
#define CONNTRACK_UNWATCHED UINT32_C(0x04000000) /* as nearly all are: their mark begins with 0x4c, an 'L' */
#define CONNTRACK_EDITED UINT32_C(0x02000000)    /* what its client sends is edited */
#define CONNTRACK_PLAIN UINT32_C(0x01000000)     /* it is not translated */
#define CONNTRACK_ALL (CONNTRACK_MASK | CONNTRACK_UNWATCHED | CONNTRACK_EDITED | CONNTRACK_PLAIN)

/* An entry as the kernel tells it. */
struct conntrack_entry {
	struct lun_tuple orig, reply;
	enum lun_state state;          /* LUN_STATE_NONE where the kernel knows none */
	uint64_t timeout;              /* ns */
	uint64_t packets[2], bytes[2]; /* by direction; zero unless the kernel counts (sysctl nf_conntrack_acct) */
	uint32_t mark;
	uint32_t id;            /* distinguishes it from an earlier one with the same tuple */
	bool assured, answered; /* IPS_ASSURED, IPS_SEEN_REPLY */
};

/* Ours, whoever of us made it. */
static inline bool conntrack_is_ours(const struct conntrack_entry *entry)
{
	return (entry->mark & CONNTRACK_MASK) == CONNTRACK_MARK;
}

/* A connection is going on: an opening that comes now must not disturb it.  The kernel says "closed" of an SCTP association
 * also while its opening waits for the answer. */
static inline bool conntrack_is_alive(const struct conntrack_entry *entry)
{
	return entry->state != LUN_STATE_TIME_WAIT && entry->state != LUN_STATE_CLOSE &&
	       !(entry->state == LUN_STATE_SCTP_CLOSED && entry->answered);
}

/* An entry to be made; `problem` is what became of it: 0 or a negative errno. */
struct conntrack_commit {
	struct lun_tuple orig;
	struct lun_address endpoint; /* the new destination, if `translate` */
	uint16_t endpoint_port;
	struct lun_address masquerade; /* the new source, the port being the kernel's to choose; zero: the source stays */
	bool translate;
	bool edited, watched;            /* as struct lun_event has it */
	bool replaces;                   /* `replaced` is deleted first */
	struct conntrack_entry replaced; /* by its id: no other one */
	int problem;
};

/* A question for the entry that is seen with `tuple`, in either direction.  `problem` is 0 or a negative errno: -ENOENT. */
struct conntrack_question {
	struct lun_tuple tuple;
	struct conntrack_entry entry;
	int problem;
};

/* Is there anything to translate, or to edit?  If not, the kernel makes the entry by itself when the packet comes. */
bool conntrack_changes(const struct conntrack_commit *commit);

enum { CONNTRACK_BATCH = 64 };

/* Makes the entries, CONNTRACK_BATCH at most, in one write, and leaves in each what became of it. */
void conntrack_create(struct netlink *netlink, struct conntrack_commit *commits, size_t count);

/* Answers the questions, CONNTRACK_BATCH at most, asked in one write. */
void conntrack_get(struct netlink *netlink, struct conntrack_question *questions, size_t count);

/* Deletes these very entries, CONNTRACK_BATCH at most, in one write; those that are gone already are gone. */
void conntrack_delete(struct netlink *netlink, const struct conntrack_entry *entries, size_t count);

/* Deletes all entries of ours.  Returns 0 or a negative errno. */
int conntrack_flush(struct netlink *netlink);

/* Begins a message that changes the entry with this tuple; the caller puts the attributes that are to change. */
struct nlmsghdr *conntrack_put_update(void *buffer, const struct lun_tuple *tuple);

/* Builds a message that has the kernel do what a SHIFT event says, at `buffer` of CONNTRACK_SHIFT_SIZE bytes; returns its length.  It is
 * for a write together with verdicts, in front of the packet that it is about. */
enum { CONNTRACK_SHIFT_SIZE = 256 };
size_t conntrack_put_shift(void *buffer, const struct lun_event *event);

/* Sends messages of this kind by themselves; the kernel has done what they say when this returns.  Errors are not told. */
void conntrack_send(struct netlink *netlink, const void *messages, size_t length);

/* Asks for all entries of ours; they come as messages for conntrack_parse, after them one of type NLMSG_DONE.  Returns 0
 * or a negative errno. */
int conntrack_dump(struct netlink *netlink);

/* False if the message is no entry with ports, or not whole. */
bool conntrack_parse(const struct nlmsghdr *message, struct conntrack_entry *entry);

#endif
