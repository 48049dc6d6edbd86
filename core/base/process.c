/* process.c - memory and broken invariants are the process' business, not an engine's: a policy has memory before there is an engine,
 * and nobody goes on after a broken one.  So it is told once, for all. */
#include "base/process.h"

#include "base/config.h"

#include <assert.h>
#include <stdlib.h>

struct lun_process the_process;

int lun_process_set(const struct lun_process *given)
{
	struct lun_process told = { 0 };

	if (given && (!config_read(&told, sizeof(told), given) || !told.take != !told.give))
		return LUN_BAD_ARGUMENT;
	the_process = told;
	return 0;
}

void invariant_broken(const char *what, const char *file, int line)
{
	if (!the_process.broken)
		__assert_fail(what, file, (unsigned)line, "lunette");
	the_process.broken(the_process.user, what, file, line);
	abort();
}

uint32_t lun_version(void)
{
	return LUN_VERSION;
}
