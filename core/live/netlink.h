/* netlink.h - a netlink socket, and a request that is answered at once. */
#ifndef LUNETTE_LIVE_NETLINK_H
#define LUNETTE_LIVE_NETLINK_H

#include <libmnl/libmnl.h>
#include <lunette/lunette.h>
#include <sys/uio.h>

/* Room for one message of ours and for one read: what the kernel puts into a read while it dumps. */
enum { NETLINK_BUFFER = 32768 };

struct netlink {
	struct mnl_socket *socket;
	int fd;
	uint32_t sequence;
	_Alignas(16) char buffer[NETLINK_BUFFER]; /* for one reader at a time */
};

/* Opens a non-blocking socket of a netlink family (NETLINK_NETFILTER, ...).  Fails: LUN_SYSTEM. */
int netlink_open(struct netlink *netlink, int family, struct lun_error *error);
void netlink_close(struct netlink *netlink);

/* Sends messages to the kernel in one write, a few times where it has no memory for them: what is said here nobody says again.
 * Returns 0 or a negative errno. */
int netlink_send(const struct netlink *netlink, const struct iovec *parts, size_t count);

/* Sends one request, which gets its sequence number here, and hands every answer to `on_answer` (NULL: there is none).
 * The kernel works while we send, so nothing is waited for.  Returns 0 or a negative errno: the kernel's answer. */
int netlink_request(struct netlink *netlink, struct nlmsghdr *request, mnl_cb_t on_answer, void *user);

/* Reads once.  Returns the bytes in netlink->buffer, 0 if nothing is there, or a negative errno.  What does not come from
 * the kernel is not returned. */
int netlink_read(struct netlink *netlink);

/* Whether a whole message lies in `length` bytes.  libmnl's own word takes a length of 2^31 and more for a negative one. */
static inline bool netlink_holds(const struct nlmsghdr *message, int length)
{
	return mnl_nlmsg_ok(message, length) && message->nlmsg_len <= (uint32_t)length;
}

#endif
