/* netlink.c - any bytes as a message of the kernel's, about a connection or with a packet: what is read lies in the message.
 *
 * libmnl rounds the end of a message up, as the kernel's buffers do; so does this.
 *
 * Input: a byte for what the message is taken for and how long it says that it is, then the message. */
#include "fuzz.h"

#include "live/conntrack.h"
#include "live/queue.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>

static void read_entry(const struct nlmsghdr *message)
{
	struct conntrack_entry entry;

	if (!conntrack_parse(message, &entry))
		return;
	MUST(entry.state < LUN_STATE_COUNT);
	MUST(entry.orig.zero == 0 && entry.reply.zero == 0);
	(void)conntrack_is_alive(&entry);
}

static void read_packet(const uint8_t *bytes, size_t size)
{
	struct queue_packet queued;
	struct lun_packet packet;

	if (!queue_parse(bytes, size, size, &queued, &packet) || !packet.data)
		return;
	MUST(packet.data >= bytes && packet.data <= bytes + size);
	MUST(packet.length <= packet.capacity && packet.capacity <= (size_t)(bytes + size - packet.data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t kind = input_byte(&input), *bytes;
	struct nlmsghdr *message;

	input.left &= ~(size_t)(MNL_ALIGNTO - 1);
	if (input.left < sizeof(*message))
		return 0;
	bytes = exact_copy(input.at, input.left);
	message = (struct nlmsghdr *)bytes;
	if (kind & 2)
		message->nlmsg_len = (uint32_t)input.left; /* else what the input says */
	if (kind & 1) {
		message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
		read_packet(bytes, input.left);
	} else if (netlink_holds(message, (int)input.left)) {
		message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
		read_entry(message);
	}
	free(bytes);
	return 0;
}
