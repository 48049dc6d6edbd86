/* nat.h - from a decision to a reply tuple, and from two tuples to a packet that left. */
#ifndef LUNETTE_NAT_NAT_H
#define LUNETTE_NAT_NAT_H

#include "base/random.h"
#include "track/flow.h"

/* Fills tuple[LUN_REPLY] for tuple[LUN_ORIG] under a decision: a port is free if no flow is seen with that reply tuple.  The
 * source port is kept if it can be; else another one of its class is searched from a random start (RFC 6056, 3.3.1), a bounded
 * number of times.  *hash is the reply tuple's.  LUN_REASON_none, or no_free_port. */
enum lun_reason nat_bind(const struct flow_table *table, struct random *random, const struct decision *decision,
			 struct lun_tuple tuple[2], uint64_t *hash);

/* The reply tuple that a decision asks for, whether or not it is free. */
struct lun_tuple nat_wanted_reply(const struct decision *decision, const struct lun_tuple *orig);

/* Makes the packet carry what the flow says it must carry when it leaves. */
void nat_apply(struct packet *p);

#endif
