/* queue.c - the NFQUEUE socket.
 *
 * A queue of headers has no fail-open and no bypass: a packet that opens a flow and cannot be decided is dropped, its
 * sender tries again.  One of whole packets has both, since what does not concern us comes through it, too.  When the
 * socket's buffer is full the kernel drops the packet and says nothing (NETLINK_NO_ENOBUFS): an error
 * there would have to be answered by reading on anyway. */
#define _GNU_SOURCE
#include "live/queue.h"
#include "live/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	QUEUE_LENGTH = 16384,   /* packets that may wait */
	ATTRIBUTE_MOST = 65531, /* bytes in a netlink attribute: a longer packet is cut */
	VERDICT_SIZE = 64,      /* of a message with a verdict, without the packet */
	WRITE_MOST = 256 << 10, /* bytes after which a write is done; with one more packet, the send buffer holds it */
	SEND_BUFFER = 1 << 20,
};

/* A message is twice as long as was ever seen, in an odd number of cache lines: several do not share the sets of a cache.  What
 * may wait takes about 1,300 bytes of the kernel's memory for each short packet. */
static const struct {
	uint32_t copy_range, flags, message_size;
	int receive_buffer;
} kinds[] = {
	[QUEUE_HEADERS] = { 128, 0, 17 * 64, 32 << 20 },
	[QUEUE_PAYLOAD] = { ATTRIBUTE_MOST, NFQA_CFG_F_GSO, 1041 * 64, 64 << 20 },
	[QUEUE_WHOLE] = { ATTRIBUTE_MOST, NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN, 1041 * 64, 64 << 20 },
};

/* What /proc says of a queue. */
struct queue_line {
	unsigned port; /* of the socket that has it */
	unsigned waiting, queue_full, socket_full;
};

static int list_open(void)
{
	return open("/proc/net/netfilter/nfnetlink_queue", O_RDONLY | O_CLOEXEC);
}

/* Reads the list anew from the start.  False if nobody has the queue, or the list is not open (-1). */
static bool find_line(int list, uint16_t number, struct queue_line *found)
{
	int fd = fcntl(list, F_DUPFD_CLOEXEC, 0);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	bool is_there = false;
	unsigned queue;
	char line[256];

	if (!file)
		return false;
	rewind(file);
	while (!is_there && fgets(line, sizeof(line), file))
		is_there = sscanf(line, "%u %u %u %*u %*u %u %u", &queue, &found->port, &found->waiting, &found->queue_full,
				  &found->socket_full) == 5 &&
			   queue == number;
	fclose(file);
	return is_there;
}

void queue_add_state(const struct queue *queue, struct lun_live_stats *stats)
{
	struct queue_line line;

	if (!find_line(queue->losses, queue->number, &line))
		return;
	if (line.waiting > stats->waiting)
		stats->waiting = line.waiting;
	stats->waiting_most = QUEUE_LENGTH;
	stats->queue_full += line.queue_full;
	stats->socket_full += line.socket_full;
}

const char *queue_owner(uint16_t number, char *text, size_t size)
{
	char path[64], name[32] = "";
	struct queue_line line;
	int list = list_open();
	bool is_there = find_line(list, number, &line);
	FILE *file;

	if (list >= 0)
		close(list);
	if (!is_there)
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

/* A read takes up to QUEUE_BATCH messages.  It is prepared once, for most reads take few. */
struct reads {
	uint8_t *messages; /* `size` bytes each */
	uint32_t size;
	struct mmsghdr headers[QUEUE_BATCH];
	struct iovec places[QUEUE_BATCH];
	struct sockaddr_nl senders[QUEUE_BATCH];
};

static void reads_free(struct reads *reads)
{
	if (reads)
		free(reads->messages);
	free(reads);
}

/* NULL without memory. */
static struct reads *reads_new(uint32_t size)
{
	struct reads *reads = calloc(1, sizeof(*reads));

	if (!reads)
		return NULL;
	reads->size = size;
	reads->messages = aligned_alloc(64, (size_t)QUEUE_BATCH * size);
	if (!reads->messages) {
		reads_free(reads);
		return NULL;
	}
	for (size_t i = 0; i < QUEUE_BATCH; i++) {
		reads->places[i] = (struct iovec) { reads->messages + i * size, size };
		reads->headers[i].msg_hdr = (struct msghdr) { .msg_name = &reads->senders[i],
							      .msg_namelen = sizeof(reads->senders[i]),
							      .msg_iov = &reads->places[i],
							      .msg_iovlen = 1 };
	}
	return reads;
}

/* How much of a packet is copied, how many may wait. */
static int configure(struct queue *queue, enum queue_kind kind, struct lun_error *error)
{
	_Alignas(16) char buffer[256];
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue->number);
	int receive = kinds[kind].receive_buffer, send = SEND_BUFFER, on = 1, problem;

	nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, (int)kinds[kind].copy_range);
	nfq_nlmsg_cfg_put_qmaxlen(message, QUEUE_LENGTH);
	mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(kinds[kind].flags));
	mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(kinds[kind].flags));
	problem = netlink_request(&queue->netlink, message, NULL, NULL);
	if (problem)
		return live_fail(error, LUN_SYSTEM, "setting up queue %u: %s", queue->number, strerror(-problem));
	setsockopt(queue->netlink.fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof(receive));
	setsockopt(queue->netlink.fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof(send));
	setsockopt(queue->netlink.fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	queue->reads = reads_new(kinds[kind].message_size);
	return queue->reads ? 0 : live_fail(error, LUN_NO_MEMORY, "no memory for queue %u", queue->number);
}

int queue_open(struct queue *queue, uint16_t number, enum queue_kind kind, struct lun_error *error)
{
	_Alignas(16) char buffer[256];
	struct nlmsghdr *message;
	int code = netlink_open(&queue->netlink, NETLINK_NETFILTER, error);

	if (code < 0)
		return code;
	queue->number = number;
	queue->reads = NULL;
	queue->losses = list_open();
	message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
	nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	code = netlink_request(&queue->netlink, message, NULL, NULL);
	code = code ? bind_failed(number, code, error) : configure(queue, kind, error);
	if (code < 0)
		queue_close(queue);
	return code;
}

void queue_close(struct queue *queue)
{
	netlink_close(&queue->netlink);
	reads_free(queue->reads);
	queue->reads = NULL;
	if (queue->losses > 0)
		close(queue->losses);
	queue->losses = 0;
}

/* What an attribute holds, or NULL: it is not there, shorter than `least`, or not all in the message.  libmnl rounds the end of a message up,
 * and libnetfilter_queue does not look at the length of each. */
static void *value_of(const struct nlmsghdr *message, const struct nlattr *attribute, size_t least)
{
	const char *end = (const char *)message + message->nlmsg_len;

	if (!attribute || end - (const char *)attribute < attribute->nla_len || mnl_attr_get_payload_len(attribute) < least)
		return NULL;
	return mnl_attr_get_payload(attribute);
}

static uint32_t get_u32(const struct nlmsghdr *message, const struct nlattr *attribute)
{
	const uint32_t *value = value_of(message, attribute, sizeof(*value));

	return value ? ntohl(*value) : 0;
}

bool queue_parse(const uint8_t *bytes, size_t length, size_t size, struct queue_packet *queued, struct lun_packet *packet)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)bytes;
	struct nlattr *attributes[NFQA_MAX + 1] = { 0 };
	const struct nfqnl_msg_packet_hdr *header;
	uint32_t info;

	if (!netlink_holds(message, (int)length) || message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) ||
	    nfq_nlmsg_parse(message, attributes) < 0)
		return false;
	header = value_of(message, attributes[NFQA_PACKET_HDR], sizeof(*header));
	if (!header)
		return false;
	info = get_u32(message, attributes[NFQA_SKB_INFO]);
	*packet = (struct lun_packet) { .unfinished = info & NFQA_SKB_CSUMNOTREADY };
	packet->data = value_of(message, attributes[NFQA_PAYLOAD], 0);
	if (packet->data) {
		packet->length = mnl_attr_get_payload_len(attributes[NFQA_PAYLOAD]);
		size -= (size_t)(packet->data - bytes); /* the packet is the last thing in a message */
		packet->capacity = size < ATTRIBUTE_MOST ? (uint32_t)size : ATTRIBUTE_MOST;
	}
	packet->wire_length = attributes[NFQA_CAP_LEN] ? get_u32(message, attributes[NFQA_CAP_LEN]) : packet->length;
	*queued = (struct queue_packet) { .id = ntohl(header->packet_id),
					  .mark = get_u32(message, attributes[NFQA_MARK]),
					  .length = packet->length,
					  .large = info & NFQA_SKB_GSO };
	return true;
}

size_t queue_receive(struct queue *queue, struct queue_packet *queued, struct lun_packet *packets)
{
	struct reads *reads = queue->reads;
	int received = recvmmsg(queue->netlink.fd, reads->headers, QUEUE_BATCH, MSG_DONTWAIT, NULL);
	size_t count = 0;

	for (int i = 0; i < received; i++)
		if (reads->senders[i].nl_pid == 0 && queue_parse(reads->places[i].iov_base, reads->headers[i].msg_len,
								 reads->size, &queued[count], &packets[count]))
			count++;
	return count;
}

/* A write in parts: messages, and packets that lie in the queue's buffer. */
struct parts {
	struct iovec parts[3 * QUEUE_BATCH];
	size_t count, length;
};

/* One that lies right behind the last one becomes a part of it. */
static void put_part(struct parts *parts, void *bytes, size_t length)
{
	struct iovec *last = parts->count ? &parts->parts[parts->count - 1] : NULL;

	parts->length += length;
	if (last && (char *)last->iov_base + last->iov_len == bytes)
		last->iov_len += length;
	else
		parts->parts[parts->count++] = (struct iovec) { bytes, length };
}

/* May one message say both? */
static bool is_same(const struct queue_verdict *a, const struct queue_verdict *b)
{
	return !a->data && !b->data && !a->first && !b->first && a->accept == b->accept && a->mark == b->mark;
}

/* Builds the message of a verdict at `buffer`, be it on one packet or on all that wait up to that one; returns its length without
 * the packet, which is a part of its own. */
static size_t put_verdict(struct parts *parts, void *buffer, unsigned type, uint16_t queue,
			  const struct queue_verdict *verdict)
{
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, (int)type, queue);
	struct nlattr *attribute;
	size_t length;

	nfq_nlmsg_verdict_put(message, (int)verdict->id, verdict->accept ? NF_ACCEPT : NF_DROP);
	if (verdict->accept)
		nfq_nlmsg_verdict_put_mark(message, verdict->mark);
	length = MNL_ALIGN(message->nlmsg_len);
	if (!verdict->data) {
		put_part(parts, buffer, length);
		return length;
	}
	attribute = mnl_nlmsg_get_payload_tail(message);
	attribute->nla_type = NFQA_PAYLOAD;
	attribute->nla_len = (uint16_t)(MNL_ATTR_HDRLEN + verdict->length);
	message->nlmsg_len += MNL_ALIGN(attribute->nla_len);
	put_part(parts, buffer, length + MNL_ATTR_HDRLEN);
	put_part(parts, (void *)verdict->data, MNL_ALIGN(verdict->length));
	return length + MNL_ATTR_HDRLEN;
}

static int send_parts(struct queue *queue, struct parts *parts)
{
	int problem = parts->count ? netlink_send(&queue->netlink, parts->parts, parts->count) : 0;

	parts->count = parts->length = 0;
	return problem;
}

int queue_answer(struct queue *queue, const struct queue_verdict *verdicts, size_t count)
{
	_Alignas(16) char buffer[QUEUE_BATCH * VERDICT_SIZE];
	struct parts parts; /* large: only what is used is set */
	size_t used = 0;
	int problem = 0, last;

	parts.count = parts.length = 0;
	for (size_t i = 0; i < count; i++) {
		unsigned type = NFQNL_MSG_VERDICT;

		for (; i + 1 < count && is_same(&verdicts[i], &verdicts[i + 1]); i++)
			type = NFQNL_MSG_VERDICT_BATCH;
		if (verdicts[i].first)
			put_part(&parts, (void *)verdicts[i].first, verdicts[i].first_length);
		used += put_verdict(&parts, buffer + used, type, queue->number, &verdicts[i]);
		if (parts.length < WRITE_MOST)
			continue;
		last = send_parts(queue, &parts);
		problem = problem ? problem : last;
	}
	last = send_parts(queue, &parts);
	return problem ? problem : last;
}
