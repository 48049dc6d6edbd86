/* netlink.c - any bytes as a message of the kernel's, about a connection or with a packet: what is read lies in the message.
 *
 * A message may end anywhere; the buffer that it lies in is aligned, for libmnl rounds that end up.
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

static void read_packet(const uint8_t *bytes, size_t length, size_t size)
{
	struct queue_packet queued;
	struct lun_packet packet;

	if (!queue_parse(bytes, length, size, &queued, &packet) || !packet.data)
		return;
	MUST(packet.data >= bytes && packet.data + packet.length <= bytes + length);
	MUST(packet.length <= packet.capacity && packet.capacity <= (size_t)(bytes + size - packet.data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t kind = input_byte(&input), *bytes;
	struct nlmsghdr *message;
	size_t room = MNL_ALIGN(input.left);

	if (input.left < sizeof(*message))
		return 0;
	bytes = calloc(1, room); /* ends where its memory ends, so that a byte read too far is seen */
	MUST(bytes);
	memcpy(bytes, input.at, input.left);
	message = (struct nlmsghdr *)bytes;
	if (kind & 2)
		message->nlmsg_len = (uint32_t)input.left; /* else what the input says */
	if (kind & 1) {
		message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
		read_packet(bytes, input.left, room);
	} else if (netlink_holds(message, (int)input.left)) {
		message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
		read_entry(message);
	}
	free(bytes);
	return 0;
}
