/* outcome.c - what a flow's state says of its client.
 *
 * A SYN that is refused leaves no flow for long: the kernel forgets it with the RST, and whoever follows sees that it ended unanswered
 * (core/cli/flow_rows.c).  What stays is who waits, and for what; and what was reset. */
#include "control/outcome.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* By then a SYN was repeated (RFC 6298, 2.1: after one second). */
static const uint64_t PATIENCE_NS = UINT64_C(2000000000);

/* Does the kernel know a way to the address?  Connecting a UDP socket looks for one and sends nothing. */
static bool has_route(const struct lun_address *address)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found = true;

	memcpy(&six.sin6_addr, address->bytes, sizeof(six.sin6_addr)); /* IPv4 is mapped there, too */
	if (fd < 0)
		return true;
	if (connect(fd, (struct sockaddr *)&six, sizeof(six)) < 0)
		found = errno != ENETUNREACH && errno != EHOSTUNREACH;
	close(fd);
	return found;
}

struct outcome outcome_of(const struct lun_flow *flow)
{
	if (flow->state == LUN_STATE_SYN_SENT && !has_route(&flow->reply.source))
		return (struct outcome) { "No route to host", "this node has no route to its endpoint" };
	if (flow->state == LUN_STATE_SYN_SENT && flow->age >= PATIENCE_NS)
		return (struct outcome) { "Connection timed out", "its endpoint does not answer" };
	if (flow->state == LUN_STATE_CLOSE && flow->owner == LUN_OWNER_ENGINE && !flow->assured)
		return (struct outcome) { "Connection refused", "its endpoint answered its SYN with a RST" };
	if (flow->state == LUN_STATE_CLOSE)
		return (struct outcome) { "Connection reset by peer", "a RST came when it was open" };
	return (struct outcome) { NULL, NULL };
}
