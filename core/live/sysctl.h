/* sysctl.h - what the kernel must be set to for inline mode. */
#ifndef LUNETTE_LIVE_SYSCTL_H
#define LUNETTE_LIVE_SYSCTL_H

#include <lunette/lunette.h>

/* What was set, to be put back. */
struct sysctls {
	struct sysctl_before {
		char path[96], value[16];
	} * before;
	size_t count;
};

/* Sees to it that packets which come in by "lo" go on: with `set` by setting what is not right, else by a failure that names it, the
 * cure and who needs it ("inline mode needs").  IPv6 is asked for only where the policy (or NULL) serves it.  Fails: LUN_SYSTEM, LUN_NO_MEMORY. */
int sysctls_require(struct sysctls *sysctls, const struct lun_policy *policy, const char *who, bool set,
		    struct lun_error *error);

/* Is the sysctl, "net/ipv4/ip_forward", something else than 0?  False if it cannot be read. */
bool sysctl_is_on(const char *name);

/* Puts back what was set, the last one first. */
void sysctls_restore(struct sysctls *sysctls);

#endif
