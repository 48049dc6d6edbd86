/* netlink.c - a netlink socket, and a request that is answered at once. */
#include "live/netlink.h"
#include "live/fail.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { SEND_TRIES = 3 };

int netlink_open(struct netlink *netlink, int family, struct lun_error *error)
{
	int on = 1;

	netlink->sequence = 0;
	netlink->socket = mnl_socket_open2(family, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int problem = errno;

		netlink_close(netlink);
		return live_fail(error, LUN_SYSTEM, "a netlink socket (family %d): %s", family, strerror(problem));
	}
	netlink->fd = mnl_socket_get_fd(netlink->socket);
	/* Errors then quote only the header of what was wrong; old kernels quote all, which is as good. */
	mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	netlink->socket = NULL;
}

int netlink_send(const struct netlink *netlink, const struct iovec *parts, size_t count)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr message = {
		.msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = (struct iovec *)parts, .msg_iovlen = count
	};
	ssize_t sent = -1;

	for (int tries = 0; sent < 0 && tries < SEND_TRIES; tries++) {
		sent = sendmsg(netlink->fd, &message, 0);
		if (sent < 0 && errno != ENOBUFS && errno != ENOMEM && errno != EINTR)
			break;
	}
	return sent < 0 ? -errno : 0;
}

int netlink_read(struct netlink *netlink)
{
	struct sockaddr_nl from = { 0 };
	struct iovec bytes = { netlink->buffer, sizeof(netlink->buffer) };
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &bytes, .msg_iovlen = 1 };

	for (;;) {
		ssize_t length = recvmsg(netlink->fd, &message, MSG_DONTWAIT);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from.nl_pid == 0)
			return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : (int)length;
		message.msg_namelen = sizeof(from);
	}
}

int netlink_request(struct netlink *netlink, struct nlmsghdr *request, mnl_cb_t on_answer, void *user)
{
	unsigned port = mnl_socket_get_portid(netlink->socket);
	int problem;

	request->nlmsg_seq = ++netlink->sequence;
	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	problem = netlink_send(netlink, &(struct iovec) { request, request->nlmsg_len }, 1);
	if (problem)
		return problem;
	for (;;) {
		int length = netlink_read(netlink);

		if (length <= 0)
			return length < 0 ? length : -EIO;
		switch (mnl_cb_run(netlink->buffer, (size_t)length, request->nlmsg_seq, port, on_answer, user)) {
		case MNL_CB_ERROR:
			return errno == EPROTO ? -EIO : -errno;
		case MNL_CB_STOP:
			return 0;
		}
	}
}
