/* event_loop.c - the least that listening to the kernel's table of connections costs: events are read and forgotten.
 *
 *	event_loop new|update|destroy
 *
 * Only those of this network namespace are told, and nobody else's are made for it.  At SIGTERM it prints how many came, and how
 * often some were lost because it did not keep up. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { RECEIVE_BUFFER = 64 << 20 };

static const struct {
	const char *name;
	int group;
} kinds[] = {
	{ "new", NFNLGRP_CONNTRACK_NEW },
	{ "update", NFNLGRP_CONNTRACK_UPDATE },
	{ "destroy", NFNLGRP_CONNTRACK_DESTROY },
};

static volatile sig_atomic_t over;

static void on_signal(int number)
{
	(void)number;
	over = 1;
}

/* 0: there is no such kind. */
static int group_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].group;
	return 0;
}

static struct mnl_socket *listen_to(int group)
{
	struct mnl_socket *events = mnl_socket_open(NETLINK_NETFILTER);
	int size = RECEIVE_BUFFER;

	if (!events || mnl_socket_bind(events, 0, MNL_SOCKET_AUTOPID) < 0)
		return NULL;
	setsockopt(mnl_socket_get_fd(events), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return mnl_socket_setsockopt(events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ? NULL : events;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal }; /* without SA_RESTART: the read ends */
	int group = argc == 2 ? group_of(argv[1]) : 0;
	struct mnl_socket *events = group ? listen_to(group) : NULL;
	uint64_t count = 0, losses = 0;
	char buffer[8192];

	if (!events) {
		perror("usage: event_loop new|update|destroy, with CAP_NET_ADMIN");
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	puts("ready");
	fflush(stdout);
	while (!over) {
		if (mnl_socket_recvfrom(events, buffer, sizeof(buffer)) > 0)
			count++;
		else if (errno == ENOBUFS)
			losses++;
	}
	printf("%llu events, %llu times some were lost\n", (unsigned long long)count, (unsigned long long)losses);
	return 0;
}
