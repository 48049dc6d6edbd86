/* clock.c - a wall clock that steps: a library that a program is started with (LD_PRELOAD).
 *
 * What it is told of CLOCK_REALTIME is as many seconds ahead as the file named by the environment variable CLOCK_AHEAD says, or
 * behind, if that begins with a minus; the file may change at any time.  Other clocks are left alone: the kernel's never step. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void)
{
	static long last; /* the file may be empty for a moment while it is written */
	const char *path = getenv("CLOCK_AHEAD");
	char text[32] = "";
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) > 0)
		last = atol(text);
	close(fd);
	return last;
}

int clock_gettime(clockid_t clock_id, struct timespec *tp)
{
	int result = (int)syscall(SYS_clock_gettime, clock_id, tp);

	if (result == 0 && clock_id == CLOCK_REALTIME)
		tp->tv_sec += ahead();
	return result;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec now;

	(void)tz;
	clock_gettime(CLOCK_REALTIME, &now);
	*tv = (struct timeval) { now.tv_sec, now.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *timer)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (timer)
		*timer = now.tv_sec;
	return now.tv_sec;
}
