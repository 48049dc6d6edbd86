/* notify.c - telling a service manager how the agent is: one datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)
 * has the protocol, and says that it is stable and may be spoken without its library). */
#define _GNU_SOURCE
#include "cli/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A path, or "@" and a name that is in no file system.  False and errno if it is neither. */
static bool address_of(const char *name, struct sockaddr_un *address, socklen_t *length)
{
	size_t size = strlen(name);

	*address = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if ((*name != '/' && *name != '@') || size >= sizeof(address->sun_path)) {
		errno = EINVAL;
		return false;
	}
	memcpy(address->sun_path, name, size);
	if (*name == '@')
		address->sun_path[0] = 0;
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	return true;
}

bool notify(const char *lines)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t length;
	int fd, problem;

	if (!name || !*name)
		return true;
	if (!address_of(name, &address, &length))
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	problem = sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0 ? errno : 0;
	close(fd);
	errno = problem;
	return problem == 0;
}

bool notify_reloading(void)
{
	struct timespec now;
	char lines[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	return notify(lines);
}
