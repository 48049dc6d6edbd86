/* queue.c - the NFQUEUE socket.
 *
 * There is no fail-open and no bypass: a packet that opens a flow and cannot be decided is dropped, its sender tries
 * again. When the socket's buffer is full the kernel drops the packet and says nothing (NETLINK_NO_ENOBUFS): an error
 * there would have to be answered by reading on anyway. */
#define _GNU_SOURCE
#include "live/queue.h"
#include "live/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	QUEUE_LENGTH = 16384,      /* packets that may wait */
	RECEIVE_BUFFER = 32 << 20, /* enough for them: about 1,300 bytes of the kernel's memory each */
};

/* What /proc says of a queue. */
struct queue_line {
	unsigned port; /* of the socket that has it */
	unsigned queue_full, socket_full;
};

/* False if nobody has the queue. */
static bool find_line(uint16_t number, struct queue_line *found)
{
	FILE *file = fopen("/proc/net/netfilter/nfnetlink_queue", "re");
	bool is_there = false;
	unsigned queue;
	char line[256];

	if (!file)
		return false;
	while (!is_there && fgets(line, sizeof(line), file))
		is_there = sscanf(line, "%u %u %*u %*u %*u %u %u", &queue, &found->port, &found->queue_full,
				  &found->socket_full) == 4 &&
			   queue == number;
	fclose(file);
	return is_there;
}

void queue_losses(uint16_t number, uint64_t *queue_full, uint64_t *socket_full)
{
	struct queue_line line;

	if (!find_line(number, &line))
		return;
	*queue_full = line.queue_full;
	*socket_full = line.socket_full;
}

const char *queue_owner(uint16_t number, char *text, size_t size)
{
	char path[64], name[32] = "";
	struct queue_line line;
	FILE *file;

	if (!find_line(number, &line))
		return NULL;
	/* The port of a process' first netlink socket is its number. */
	snprintf(path, sizeof(path), "/proc/%u/comm", line.port);
	file = fopen(path, "re");
	if (file) {
		if (fgets(name, sizeof(name), file))
			name[strcspn(name, "\n")] = 0;
		fclose(file);
	}
	if (*name)
		snprintf(text, size, "process %u (%s)", line.port, name);
	else
		snprintf(text, size, "another process (netlink port %u)", line.port);
	return text;
}

static int bind_failed(uint16_t number, int problem, struct lun_error *error)
{
	char owner[64];

	if ((problem == -EPERM || problem == -EBUSY) && queue_owner(number, owner, sizeof(owner)))
		return live_fail(error, LUN_EXISTS, "queue %u belongs to %s; choose another number", number, owner);
	if (problem == -EPERM)
		return live_fail(error, LUN_NO_PRIVILEGE, "binding queue %u needs CAP_NET_ADMIN in this network namespace",
				 number);
	if (problem == -EINVAL || problem == -EOPNOTSUPP)
		return live_fail(error, LUN_UNSUPPORTED,
				 "this kernel has no packet queues (nfnetlink_queue, CONFIG_NETFILTER_NETLINK_QUEUE)");
	return live_fail(error, LUN_SYSTEM, "binding queue %u: %s", number, strerror(-problem));
}

/* How much of a packet is copied, how many may wait. */
static int configure(struct queue *queue, struct lun_error *error)
{
	_Alignas(16) char buffer[256];
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue->number);
	int size = RECEIVE_BUFFER, on = 1, problem;

	nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, QUEUE_COPY_RANGE);
	nfq_nlmsg_cfg_put_qmaxlen(message, QUEUE_LENGTH);
	problem = netlink_request(&queue->netlink, message, NULL, NULL);
	if (problem)
		return live_fail(error, LUN_SYSTEM, "setting up queue %u: %s", queue->number, strerror(-problem));
	setsockopt(queue->netlink.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(queue->netlink.fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	return 0;
}

int queue_open(struct queue *queue, uint16_t number, struct lun_error *error)
{
	_Alignas(16) char buffer[256];
	struct nlmsghdr *message;
	int code = netlink_open(&queue->netlink, NETLINK_NETFILTER, error);

	if (code < 0)
		return code;
	queue->number = number;
	message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
	nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	code = netlink_request(&queue->netlink, message, NULL, NULL);
	code = code ? bind_failed(number, code, error) : configure(queue, error);
	if (code < 0)
		queue_close(queue);
	return code;
}

void queue_close(struct queue *queue)
{
	netlink_close(&queue->netlink);
}

/* Reads the packet out of one message.  False if there is none in it. */
static bool parse_packet(const uint8_t *bytes, size_t length, struct queue_packet *packet)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)bytes;
	struct nlattr *attributes[NFQA_MAX + 1] = { 0 };
	const struct nfqnl_msg_packet_hdr *header;

	if (!mnl_nlmsg_ok(message, (int)length) || message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) ||
	    nfq_nlmsg_parse(message, attributes) < 0)
		return false;
	if (!attributes[NFQA_PACKET_HDR] || mnl_attr_get_payload_len(attributes[NFQA_PACKET_HDR]) < sizeof(*header))
		return false;
	header = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
	*packet = (struct queue_packet) { .id = ntohl(header->packet_id) };
	if (attributes[NFQA_PAYLOAD]) {
		packet->data = mnl_attr_get_payload(attributes[NFQA_PAYLOAD]);
		packet->length = mnl_attr_get_payload_len(attributes[NFQA_PAYLOAD]);
	}
	packet->wire_length = packet->length;
	if (attributes[NFQA_CAP_LEN])
		packet->wire_length = ntohl(mnl_attr_get_u32(attributes[NFQA_CAP_LEN]));
	if (attributes[NFQA_MARK])
		packet->mark = ntohl(mnl_attr_get_u32(attributes[NFQA_MARK]));
	return true;
}

size_t queue_receive(struct queue *queue, struct queue_packet *packets)
{
	struct mmsghdr headers[QUEUE_BATCH] = { 0 };
	struct sockaddr_nl from[QUEUE_BATCH];
	struct iovec bytes[QUEUE_BATCH];
	size_t count = 0;
	int received;

	for (int i = 0; i < QUEUE_BATCH; i++) {
		bytes[i] = (struct iovec) { queue->messages[i], QUEUE_MESSAGE_SIZE };
		headers[i].msg_hdr = (struct msghdr) {
			.msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &bytes[i], .msg_iovlen = 1
		};
	}
	received = recvmmsg(queue->netlink.fd, headers, QUEUE_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < received; i++)
		if (from[i].nl_pid == 0 && parse_packet(queue->messages[i], headers[i].msg_len, &packets[count]))
			count++;
	return count;
}

int queue_answer(struct queue *queue, const struct queue_verdict *verdicts, size_t count)
{
	_Alignas(16) char buffer[QUEUE_BATCH * QUEUE_VERDICT_SIZE];
	size_t length = 0;

	if (!count)
		return 0;
	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *message = nfq_nlmsg_put(buffer + length, NFQNL_MSG_VERDICT, queue->number);

		nfq_nlmsg_verdict_put(message, (int)verdicts[i].id, verdicts[i].accept ? NF_ACCEPT : NF_DROP);
		if (verdicts[i].accept)
			nfq_nlmsg_verdict_put_mark(message, verdicts[i].mark);
		length += MNL_ALIGN(message->nlmsg_len);
	}
	return mnl_socket_sendto(queue->netlink.socket, buffer, length) < 0 ? -errno : 0;
}
