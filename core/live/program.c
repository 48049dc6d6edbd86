/* program.c - running a firewall program.
 *
 * Standard input, output and error are files in memory, not pipes: a program that does not read, or writes too much, can
 * neither block us nor send us SIGPIPE, and there is nothing to poll but its end. */
#define _GNU_SOURCE
#include "live/program.h"
#include "live/fail.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROGRAM_TIMEOUT_MS = 10000 };

struct streams {
	int fd[3];
};

static void streams_close(struct streams *streams)
{
	for (int i = 0; i < 3; i++)
		if (streams->fd[i] >= 0)
			close(streams->fd[i]);
}

/* False, with nothing open, if there is no memory for them. */
static bool streams_open(struct streams *streams, const char *input)
{
	size_t length = input ? strlen(input) : 0;
	bool ok = true;

	for (int i = 0; i < 3; i++) {
		streams->fd[i] = memfd_create("lunette", MFD_CLOEXEC);
		ok = ok && streams->fd[i] >= 0;
	}
	for (size_t done = 0; ok && done < length;) {
		ssize_t written = write(streams->fd[0], input + done, length - done);

		ok = written > 0;
		done += ok ? (size_t)written : 0;
	}
	if (ok && lseek(streams->fd[0], 0, SEEK_SET) == 0)
		return true;
	streams_close(streams);
	return false;
}

/* All that a stream holds, NUL-terminated, or NULL. */
static char *stream_read(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = size < 0 ? NULL : malloc((size_t)size + 1);

	if (text) {
		ssize_t length = pread(fd, text, (size_t)size, 0);

		text[length > 0 ? length : 0] = 0;
	}
	return text;
}

/* Starts the program with the default of every signal.  Returns 0 or an errno. */
static int program_spawn(pid_t *pid, const char *const *argv, const struct streams *streams)
{
	static const char *const folders[] = { "", "/usr/sbin/", "/sbin/" };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int problem = 0;

	posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < 3; i++)
		problem = problem ? problem : posix_spawn_file_actions_adddup2(&actions, streams->fd[i], i);
	posix_spawnattr_init(&attributes);
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attributes, &signals);
	sigfillset(&signals);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

	for (size_t i = 0; !problem && i < sizeof(folders) / sizeof(folders[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s%s", folders[i], argv[0]);
		problem = posix_spawnp(pid, path, &actions, &attributes, (char *const *)argv, environ);
		if (problem != ENOENT)
			break;
		problem = i + 1 < sizeof(folders) / sizeof(folders[0]) ? 0 : ENOENT;
	}
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return problem;
}

/* Waits for the end of the program; kills it when its time is over.  Returns its wait status, or -1 if it was killed. */
static int program_wait(pid_t pid)
{
	struct pollfd end = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	int status = 0, ready;

	do
		ready = end.fd < 0 ? 1 : poll(&end, 1, PROGRAM_TIMEOUT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		kill(pid, SIGKILL);
	if (end.fd >= 0)
		close(end.fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return ready == 0 ? -1 : status;
}

/* The sentence for a program that did not succeed. */
static int program_failed(const char *name, int status, int error_fd, struct lun_error *error)
{
	char *said = stream_read(error_fd);
	int code;

	if (said)
		said[strcspn(said, "\n")] = 0;
	if (status == -1)
		code = live_fail(error, LUN_SYSTEM, "%s: not done after %d s", name, PROGRAM_TIMEOUT_MS / 1000);
	else if (said && *said)
		code = live_fail(error, LUN_SYSTEM, "%s: %s", name, said);
	else
		code = live_fail(error, LUN_SYSTEM, "%s: failed with status %d", name,
				 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	free(said);
	return code;
}

/* The numbers come round only after very many. */
static struct {
	pid_t last[32];
	unsigned count;
} programs;

static void remember(pid_t pid)
{
	programs.last[programs.count++ % (sizeof(programs.last) / sizeof(programs.last[0]))] = pid;
}

bool program_was_run(pid_t pid)
{
	for (size_t i = 0; i < sizeof(programs.last) / sizeof(programs.last[0]); i++)
		if (programs.last[i] == pid && pid > 0)
			return true;
	return false;
}

int program_run(const char *const *argv, const char *input, char **output, struct lun_error *error)
{
	struct streams streams;
	int code = 0, problem, status;
	pid_t pid;

	if (!streams_open(&streams, input))
		return live_fail(error, LUN_NO_MEMORY, "%s: no memory for its input", argv[0]);
	problem = program_spawn(&pid, argv, &streams);
	if (!problem)
		remember(pid);
	if (problem == ENOENT)
		code = live_fail(error, LUN_UNSUPPORTED, "the program %s is not installed", argv[0]);
	else if (problem)
		code = live_fail(error, LUN_SYSTEM, "%s: cannot be started: %s", argv[0], strerror(problem));
	else if ((status = program_wait(pid)) != 0)
		code = program_failed(argv[0], status, streams.fd[2], error);
	else if (output && !(*output = stream_read(streams.fd[1])))
		code = live_fail(error, LUN_NO_MEMORY, "%s: no memory for its output", argv[0]);
	streams_close(&streams);
	return code;
}
