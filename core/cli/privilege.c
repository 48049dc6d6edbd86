/* privilege.c - what the agent keeps of its privileges once it serves.
 *
 * The two capabilities are made ambient, for the programs that change the firewall are started by exec and need them, too.
 * With "no new privileges" no exec adds any, whatever the file or the user is; so the bounding set need not be emptied,
 * which would want a capability more. */
#define _GNU_SOURCE
#include "cli/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int kept[] = { CAP_NET_ADMIN, CAP_NET_RAW };

enum { KEPT = sizeof(kept) / sizeof(kept[0]) };

int privilege_find_user(struct privilege_user *user, struct lun_error *error)
{
	const struct passwd *entry = getpwnam(user->name);

	if (!entry) {
		error->code = LUN_NOT_FOUND;
		snprintf(error->text, sizeof(error->text), "--user %.60s: there is no such user", user->name);
		return LUN_NOT_FOUND;
	}
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	return 0;
}

/* False and errno if it may not be. */
static bool become(const struct privilege_user *user)
{
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && initgroups(user->name, user->gid) == 0 &&
	       setresgid(user->gid, user->gid, user->gid) == 0 && setresuid(user->uid, user->uid, user->uid) == 0;
}

/* Of what there is only what is kept stays; false and errno if that fails. */
static bool keep_only(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3], left[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	for (int i = 0; i < KEPT; i++) {
		uint32_t bit = data[CAP_TO_INDEX(kept[i])].permitted & CAP_TO_MASK(kept[i]);

		left[CAP_TO_INDEX(kept[i])].permitted |= bit;
		left[CAP_TO_INDEX(kept[i])].effective |= bit;
		left[CAP_TO_INDEX(kept[i])].inheritable |= bit;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &header, left) < 0)
		return false;
	for (int i = 0; i < KEPT; i++)
		if (left[CAP_TO_INDEX(kept[i])].permitted & CAP_TO_MASK(kept[i]) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept[i], 0, 0) < 0)
			return false;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

int privilege_drop(const struct privilege_user *user, struct lun_error *error)
{
	const char *what = NULL;

	if (user->name && !become(user))
		what = user->name;
	else if (!keep_only())
		what = "capabilities";
	if (!what)
		return 0;
	error->code = LUN_SYSTEM;
	snprintf(error->text, sizeof(error->text), "giving up privileges (%.60s): %s", what, strerror(errno));
	return LUN_SYSTEM;
}
