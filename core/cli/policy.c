/* policy.c - loading a policy, with its warnings and its hooks' complaints on stderr. */
#include "cli/policy.h"

#include "cli/command.h"

#include <lunette/lua.h>
#include <stdio.h>

static void log_line(void *user, const char *line)
{
	(void)user;
	fprintf(stderr, "lunette: %s\n", line);
}

static int load(struct lun_policy **policy, const char *path, void (*log)(void *user, const char *line))
{
	const struct lun_lua_options options = { .size = sizeof(options), .log = log };
	struct lun_error error;

	return lun_lua_policy_load(policy, path, &options, &error) < 0 ? report_error(&error) : EXIT_DONE;
}

int open_policy(struct lun_policy **policy, const char *path)
{
	return load(policy, path, log_line);
}

int open_policy_quietly(struct lun_policy **policy, const char *path)
{
	return load(policy, path, NULL);
}
