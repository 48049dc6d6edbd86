/* edits.h - the bytes of clients whose flows the kernel carries, and whose requests are edited. */
#ifndef LUNETTE_LIVE_EDITS_H
#define LUNETTE_LIVE_EDITS_H

#include "live/fail.h"

struct lun_live;
struct lun_policy;

/* Opens what edits need, if the policy has some, and warns of what they need of the system.  Fails: LUN_SYSTEM, LUN_NO_PRIVILEGE,
 * LUN_UNSUPPORTED. */
int edits_prepare(struct lun_live *live, const struct lun_policy *policy, struct lun_error *error);

/* Takes one batch off the queue of edits, and answers.  Returns how many packets it was. */
size_t edits_serve(struct lun_live *live, uint64_t now);

#endif
