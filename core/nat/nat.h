/* nat.h - from a decision to a reply tuple, and from two tuples to a packet that left. */
#ifndef LUNETTE_NAT_NAT_H
#define LUNETTE_NAT_NAT_H

#include "base/random.h"
#include "track/flow.h"

/* The reply tuple that a decision asks for, whether or not it is free. */
struct lun_tuple nat_wanted_reply(const struct decision *decision, const struct lun_tuple *orig);

/* Changes a wanted reply tuple, hashed as *hash, to one that is free: with which no flow is seen.  The client's port is kept if it can
 * be; else another one of its class is searched from a random start (RFC 6056, 3.3.1), a bounded number of times.
 * LUN_REASON_none, or no_free_port. */
enum lun_reason nat_bind(const struct flow_table *table, struct random *random, struct lun_tuple *reply, uint64_t *hash);

/* Makes the packet carry what the flow says it must carry when it leaves. */
void nat_apply(struct packet *p);

#endif
