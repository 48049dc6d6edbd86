/* inject.c - packets of the engine's own: answers, held fragments, and packets that grew.
 *
 * They are sent by a packet socket into the loopback interface, out of which they come as if they had arrived there: the
 * kernel routes them, counts down their time to live, fragments them or answers that they are too long, whatever their source
 * address.  Out of a raw socket they would leave as this host's own: with none of that, and no longer than the path's MTU.
 * The mark tells our rules to let them pass.
 *
 * What they see of the input interface is "lo", be it in routing rules or in others' firewall rules. */
#include "live/inject.h"
#include "live/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int find_loopback(struct inject *inject, struct lun_error *error)
{
	struct ifreq request = { .ifr_name = "lo" };

	if (ioctl(inject->fd, SIOCGIFFLAGS, &request) < 0 || !(request.ifr_flags & IFF_UP))
		return live_fail(error, LUN_SYSTEM, "the loopback interface is down: `ip link set lo up`");
	inject->interface = (int)if_nametoindex("lo");
	return 0;
}

int inject_open(struct inject *inject, struct lun_error *error)
{
	int on = 1, code;

	inject->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* 0: nothing is received */
	if (inject->fd < 0 && errno == EPERM)
		return live_fail(error, LUN_NO_PRIVILEGE, "a packet socket needs CAP_NET_RAW in this network namespace");
	if (inject->fd < 0)
		return live_fail(error, LUN_UNSUPPORTED, "a packet socket (CONFIG_PACKET): %s", strerror(errno));
	inject->open = true;
	code = setsockopt(inject->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0
		       ? live_fail(error, LUN_UNSUPPORTED, "a packet socket that segments: %s", strerror(errno))
		       : find_loopback(inject, error);
	if (code < 0)
		inject_close(inject);
	return code;
}

void inject_close(struct inject *inject)
{
	if (inject->open)
		close(inject->fd);
	inject->open = false;
}

/* Adds the mark, which is another one for each packet. */
static void put_mark(struct msghdr *message, uint32_t mark)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);

	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SO_MARK;
	control->cmsg_len = CMSG_LEN(sizeof(mark));
	memcpy(CMSG_DATA(control), &mark, sizeof(mark));
}

int inject_send(const struct inject *inject, const uint8_t *data, uint32_t length, uint32_t mark, uint16_t segment)
{
	bool v4 = data[0] >> 4 == 4;
	struct virtio_net_hdr head = { .gso_size = segment };
	struct ethhdr ethernet = { .h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6) };
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = ethernet.h_proto,
				  .sll_ifindex = inject->interface };
	struct iovec parts[] = { { &head, sizeof(head) }, { &ethernet, sizeof(ethernet) }, { (void *)data, length } };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(mark))] = { 0 };
	struct msghdr message = { .msg_name = &to,
				  .msg_namelen = sizeof(to),
				  .msg_iov = parts,
				  .msg_iovlen = 3,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };

	if (segment)
		head.gso_type = v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	put_mark(&message, mark);
	return sendmsg(inject->fd, &message, 0) < 0 ? -errno : 0;
}
