/* watch.h - noticing that somebody else takes our firewall rules away, and putting them back. */
#ifndef LUNETTE_LIVE_WATCH_H
#define LUNETTE_LIVE_WATCH_H

#include "live/netlink.h"
#include "live/rules.h"

#include <stdbool.h>

struct lun_live;

enum { WATCH_TABLES = 4 }; /* raw and mangle, of both families */

struct watch {
	struct netlink netlink;
	bool raw;                      /* the rule that queues is in iptables' raw tables, as nft has them */
	bool legacy;                   /* it is in those of iptables-legacy: */
	int sockets[2];                /* by which that is asked, of IPv4 and IPv6 */
	uint64_t shapes[WATCH_TABLES]; /* what it said last: rules and bytes */
	bool wanted;                   /* the rules are to be installed again */
	bool failed;                   /* that went wrong last time, and was said */
	uint64_t done_at;              /* ns; when it was last tried, or 0 */
};

/* From now on it is known what happens to the rules.  Fails: LUN_SYSTEM. */
int watch_open(struct watch *watch, enum rules_queueing queueing, struct lun_error *error);
void watch_close(struct watch *watch);

/* We have just changed the rules ourselves: if that was more than could be told, nobody else is blamed. */
void watch_own_change(struct lun_live *live);

/* Sees what happened, and installs the rules again where somebody else took something away, at most once a second.  Returns
 * in how many ms it wants to be called even if nothing more happens, or 0. */
uint64_t watch_proceed(struct lun_live *live, uint64_t now);

#endif
