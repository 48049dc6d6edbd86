/* privilege.h - what the agent keeps of its privileges once it serves. */
#ifndef LUNETTE_CLI_PRIVILEGE_H
#define LUNETTE_CLI_PRIVILEGE_H

#include <lunette/lunette.h>
#include <stdbool.h>
#include <sys/types.h>

struct privilege_user {
	const char *name; /* as it was asked for; NULL: the user stays */
	uid_t uid;
	gid_t gid;
};

/* Looks up user->name.  Fails with LUN_NOT_FOUND. */
int privilege_find_user(struct privilege_user *user, struct lun_error *error);

/* Becomes that user, if there is one, and gives up every capability but CAP_NET_ADMIN and CAP_NET_RAW, for this process and
 * the programs that it starts, for good.  What was not there before is not there after.  Fails with LUN_SYSTEM, half done: the
 * process should end then. */
int privilege_drop(const struct privilege_user *user, struct lun_error *error);

#endif
