/* sysctl.c - what the kernel must be set to for inline mode.
 *
 * The engine translates before routing, both addresses at once, so the kernel routes packets whose source is an address of
 * this host (a masqueraded one, the reply of a node port), or one that is reached by another interface (a service's).  By
 * default it takes the former for forged, and with a strict reverse path filter the latter, too.  The filter's setting is
 * the greater one of "all" and the interface's, "default" is what a new interface gets. */
#include "live/sysctl.h"
#include "live/fail.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char root[] = "/proc/sys/";

struct need {
	struct sysctls *sysctls;
	struct lun_error *error;
	bool set;
	char missing[300]; /* "net.ipv4.ip_forward=1 ...": what is not right, as far as it fits */
};

static bool read_value(const char *path, char *value, size_t size)
{
	FILE *file = fopen(path, "re");
	bool read = file && fgets(value, (int)size, file);

	if (file)
		fclose(file);
	if (read)
		value[strcspn(value, "\n")] = 0;
	return read;
}

/* Returns 0 or an errno. */
static int write_value(const char *path, const char *value)
{
	FILE *file = fopen(path, "we");
	int problem = file ? 0 : errno;

	if (file && fputs(value, file) < 0)
		problem = errno;
	if (file && fclose(file) != 0 && !problem)
		problem = errno;
	return problem;
}

/* The name as the program sysctl wants it: with slashes where an interface has a dot in its name. */
static const char *name_of(const char *path, char name[96])
{
	snprintf(name, 96, "%s", path + strlen(root));
	if (!strchr(name, '.'))
		for (char *c = name; *c; c++)
			*c = *c == '/' ? '.' : *c;
	return name;
}

/* Sets one, and remembers what it was. */
static int set_one(struct need *need, const struct sysctl_before *before, const char *value)
{
	struct sysctls *sysctls = need->sysctls;
	struct sysctl_before *more = realloc(sysctls->before, (sysctls->count + 1) * sizeof(*more));
	char name[96];
	int problem;

	if (!more)
		return live_fail(need->error, LUN_NO_MEMORY, "no memory for sysctls");
	sysctls->before = more;
	problem = write_value(before->path, value);
	if (problem)
		return live_fail(need->error, LUN_SYSTEM, "sysctl %s cannot be set to %s: %s", name_of(before->path, name),
				 value, strerror(problem));
	more[sysctls->count++] = *before;
	return 0;
}

/* What is not `value` is not right; or if `wrong` is given, only what is that. */
static int need_one(struct need *need, const struct sysctl_before *found, const char *value, const char *wrong)
{
	size_t length = strlen(need->missing);
	char name[96];

	if (wrong ? strcmp(found->value, wrong) != 0 : strcmp(found->value, value) == 0)
		return 0;
	if (need->set)
		return set_one(need, found, value);
	name_of(found->path, name);
	if (length + strlen(name) + strlen(value) + 3 < sizeof(need->missing))
		sprintf(need->missing + length, " %s=%s", name, value);
	return 0;
}

static int need_value(struct need *need, const char *name, const char *value)
{
	struct sysctl_before found = { .value = "unknown" };

	snprintf(found.path, sizeof(found.path), "%s%s", root, name);
	read_value(found.path, found.value, sizeof(found.value));
	return need_one(need, &found, value, NULL);
}

static int need_no_strict_filter(struct need *need)
{
	DIR *interfaces = opendir("/proc/sys/net/ipv4/conf");
	struct sysctl_before found;
	const struct dirent *entry;
	int code = 0;

	while (interfaces && code == 0 && (entry = readdir(interfaces)) != NULL) {
		snprintf(found.path, sizeof(found.path), "%snet/ipv4/conf/%.20s/rp_filter", root, entry->d_name);
		if (read_value(found.path, found.value, sizeof(found.value)))
			code = need_one(need, &found, "0", "1");
	}
	if (interfaces)
		closedir(interfaces);
	return code;
}

static bool serves_ipv6(const struct lun_policy *policy)
{
	struct lun_frontend frontend;
	struct lun_prefix range;

	if (!policy)
		return false;
	for (size_t i = 0; lun_policy_frontend(policy, i, &frontend); i++)
		if (!lun_address_is_v4(&frontend.address))
			return true;
	for (size_t i = 0; lun_policy_range(policy, i, &range); i++)
		if (!lun_address_is_v4(&range.address))
			return true;
	return false;
}

int sysctls_require(struct sysctls *sysctls, const struct lun_policy *policy, const char *who, bool set,
		    struct lun_error *error)
{
	struct need need = { .sysctls = sysctls, .error = error, .set = set };
	int code = need_value(&need, "net/ipv4/ip_forward", "1");

	if (code == 0)
		code = need_value(&need, "net/ipv4/conf/all/accept_local", "1");
	if (code == 0)
		code = need_no_strict_filter(&need);
	if (code == 0 && serves_ipv6(policy))
		code = need_value(&need, "net/ipv6/conf/all/forwarding", "1");
	if (code == 0 && need.missing[0])
		code = live_fail(error, LUN_SYSTEM, "%s `sysctl -w%s`, or --set-sysctls to do it", who, need.missing);
	return code;
}

bool sysctl_is_on(const char *name)
{
	char path[sizeof(((struct sysctl_before *)NULL)->path)], value[sizeof(((struct sysctl_before *)NULL)->value)];

	snprintf(path, sizeof(path), "%s%s", root, name);
	return read_value(path, value, sizeof(value)) && strcmp(value, "0") != 0;
}

void sysctls_restore(struct sysctls *sysctls)
{
	for (; sysctls->count > 0; sysctls->count--)
		write_value(sysctls->before[sysctls->count - 1].path, sysctls->before[sysctls->count - 1].value);
	free(sysctls->before);
	*sysctls = (struct sysctls) { 0 };
}
