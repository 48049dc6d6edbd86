/* netlink.c - a kernel that fails: a library that the agent is started with (LD_PRELOAD).
 *
 * The file named by the environment variable NETLINK_COUNTDOWN holds a number, in four bytes of this machine's order.  Each
 * write to and each read from a netlink socket takes one off, and the one that comes to 0 fails with ENOBUFS: a write then did
 * nothing, and of a read the kernel's messages are lost.  At 0 nothing fails.  Only in a program of the name "lunette", not in
 * those that it runs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static volatile uint32_t *countdown;

__attribute__((constructor)) static void begin(void)
{
	const char *path = strcmp(program_invocation_short_name, "lunette") == 0 ? getenv("NETLINK_COUNTDOWN") : NULL;
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*countdown), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	countdown = mapped == MAP_FAILED ? NULL : mapped;
}

static bool fails(int fd)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	if (!countdown || *countdown == 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	    domain != AF_NETLINK)
		return false;
	return --*countdown == 0;
}

/* What a call fails with that was not to be. */
static int no_memory(void)
{
	errno = ENOBUFS;
	return -1;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");

	return fails(fd) ? no_memory() : real(fd, message, flags);
}

/* A read that fails for want of room is of messages that are not there any more. */
ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t (*real)(int, struct msghdr *, int) = dlsym(RTLD_NEXT, "recvmsg");
	ssize_t length = real(fd, message, flags);

	return length >= 0 && fails(fd) ? no_memory() : length;
}

/* Nothing of a queue is lost without the kernel's counting it, and then it is dropped: the read fails, the packets are there. */
int recvmmsg(int fd, struct mmsghdr *vmessages, unsigned vlen, int flags, struct timespec *tmo)
{
	int (*real)(int, struct mmsghdr *, unsigned, int, struct timespec *) = dlsym(RTLD_NEXT, "recvmmsg");

	return fails(fd) ? no_memory() : real(fd, vmessages, vlen, flags, tmo);
}
