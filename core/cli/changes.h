/* changes.h - tells when the files of a policy are others than those that were loaded. */
#ifndef LUNETTE_CLI_CHANGES_H
#define LUNETTE_CLI_CHANGES_H

#include <stdint.h>
#include <uv.h>

struct changes {
	uv_fs_event_t folder;
	uv_timer_t settled; /* runs out when nothing has happened for a while */
	const char *policy;
	uint64_t seen; /* what the files were when they were looked at last */
	void (*changed)(void *user);
	void *user;
};

/* Watches the folder of a policy; `changed` is called, on the loop, once its files are others and stay so for a moment.  Both
 * handles are the loop's until changes_close.  => 0, or an error of libuv: then nobody is told of changes, and all else works. */
int changes_init(struct changes *changes, uv_loop_t *loop, const char *policy, void (*changed)(void *user), void *user);

/* The files are loaded as they are now. */
void changes_note(struct changes *changes);

void changes_close(struct changes *changes);

#endif
