/* privilege.c - what this process may do: the kernel's own answer, asked without a library. */
#include "live/privilege.h"
#include "live/fail.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

bool privilege_has(int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

int privilege_check(struct lun_error *error)
{
	if (privilege_has(CAP_NET_ADMIN))
		return 0;
	return live_fail(error, LUN_NO_PRIVILEGE,
			 "needs CAP_NET_ADMIN in this network namespace: run it as root, or give it with "
			 "`setpriv --inh-caps +net_admin,+net_raw --ambient-caps +net_admin,+net_raw`");
}
