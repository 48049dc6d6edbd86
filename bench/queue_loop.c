/* queue_loop.c - the bare loop that inline mode is compared with: every packet comes up whole and is accepted as it was.
 *
 *	queue_loop NUMBER
 *
 * It reads and answers as `lunette run --inline` does (batches of 64, one write of verdicts, packets that are yet to be
 * segmented in one piece), waits in the read itself, and does nothing in between.  Runs until it is killed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BATCH = 64, WHOLE = 65531, MESSAGE_SIZE = 1041 * 64, VERDICT_SIZE = 64, QUEUE_LENGTH = 16384 };

static struct mnl_socket *queue_open(uint16_t number)
{
	_Alignas(16) char buffer[256];
	struct mnl_socket *queue = mnl_socket_open(NETLINK_NETFILTER);
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
	int size = 64 << 20;

	if (!queue || mnl_socket_bind(queue, 0, MNL_SOCKET_AUTOPID) < 0)
		return NULL;
	nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	if (mnl_socket_sendto(queue, message, message->nlmsg_len) < 0)
		return NULL;
	message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
	nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, WHOLE);
	nfq_nlmsg_cfg_put_qmaxlen(message, QUEUE_LENGTH);
	mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
	mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
	setsockopt(mnl_socket_get_fd(queue), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return mnl_socket_sendto(queue, message, message->nlmsg_len) < 0 ? NULL : queue;
}

/* Appends the verdict on the packet in a message; returns its length. */
static size_t accept_packet(const void *bytes, uint16_t number, void *verdict)
{
	const struct nlmsghdr *message = bytes;
	struct nlattr *attributes[NFQA_MAX + 1] = { 0 };
	const struct nfqnl_msg_packet_hdr *header;
	struct nlmsghdr *answer;

	if (message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) || nfq_nlmsg_parse(message, attributes) < 0)
		return 0;
	header = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
	answer = nfq_nlmsg_put(verdict, NFQNL_MSG_VERDICT, number);
	nfq_nlmsg_verdict_put(answer, (int)ntohl(header->packet_id), NF_ACCEPT);
	return MNL_ALIGN(answer->nlmsg_len);
}

static void serve(struct mnl_socket *queue, uint16_t number, uint8_t *messages)
{
	_Alignas(16) char verdicts[BATCH * VERDICT_SIZE];
	struct mmsghdr headers[BATCH];
	struct iovec parts[BATCH];

	for (;;) {
		size_t length = 0;
		int count;

		for (int i = 0; i < BATCH; i++) {
			parts[i] = (struct iovec) { messages + (size_t)i * MESSAGE_SIZE, MESSAGE_SIZE };
			headers[i].msg_hdr = (struct msghdr) { .msg_iov = &parts[i], .msg_iovlen = 1 };
		}
		count = recvmmsg(mnl_socket_get_fd(queue), headers, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < count; i++)
			length += accept_packet(parts[i].iov_base, number, verdicts + length);
		if (length)
			mnl_socket_sendto(queue, verdicts, length);
	}
}

int main(int argc, char **argv)
{
	uint16_t number = argc == 2 ? (uint16_t)atoi(argv[1]) : 0;
	struct mnl_socket *queue = number ? queue_open(number) : NULL;
	uint8_t *messages = aligned_alloc(64, (size_t)BATCH * MESSAGE_SIZE);

	if (!queue || !messages) {
		perror("usage: queue_loop NUMBER, with CAP_NET_ADMIN");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	serve(queue, number, messages);
	return 0;
}
