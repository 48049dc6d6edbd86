/* policy.h - the policy that a command was given. */
#ifndef LUNETTE_CLI_POLICY_H
#define LUNETTE_CLI_POLICY_H

#include <lunette/lunette.h>

/* Loads a Lua policy; errors and warnings go to stderr.  Returns an exit code. */
int open_policy(struct lun_policy **policy, const char *path);

/* The same without warnings, where stderr is for something else. */
int open_policy_quietly(struct lun_policy **policy, const char *path);

#endif
