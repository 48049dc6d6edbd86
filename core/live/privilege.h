/* privilege.h - what this process may do. */
#ifndef LUNETTE_LIVE_PRIVILEGE_H
#define LUNETTE_LIVE_PRIVILEGE_H

#include <lunette/lunette.h>

/* Is a capability (CAP_NET_ADMIN, ...) in effect? */
bool privilege_has(int capability);

/* Returns 0, or LUN_NO_PRIVILEGE with what is missing and how to get it. */
int privilege_check(struct lun_error *error);

#endif
