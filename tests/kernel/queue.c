/* queue.c - what we believe about packets that wait in a queue while conntrack and the rules change.  queue.sh makes the
 * network namespace: what opens a connection to 192.0.2.1:80 comes to queue 77 before conntrack, a server is to be at
 * 192.0.2.2:8080, and the route to 192.0.2.1 leads nowhere.  Prints one line for each belief and fails if one is wrong. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUEUE = 77, PATIENCE_MS = 3000, SHORT_MS = 300 };

static struct mnl_socket *nl;
static bool failed;

static void believe(bool true_here, const char *what)
{
	printf("%s: %s\n", true_here ? "ok" : "NOT SO", what);
	failed = failed || !true_here;
}

static bool is_readable(int fd, int wait_ms)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	return poll(&readable, 1, wait_ms) > 0;
}

static void change_rules(const char *command)
{
	if (system(command) != 0) {
		printf("FAILED: %s\n", command);
		exit(1);
	}
}

/* ---- The queue ---- */

static struct nlmsghdr *header(void *buffer, int subsystem, int type, uint16_t flags, uint16_t resource)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *family;

	message->nlmsg_type = (uint16_t)(subsystem << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	family = mnl_nlmsg_put_extra_header(message, sizeof(*family));
	family->nfgen_family = AF_INET;
	family->res_id = htons(resource);
	return message;
}

static size_t put_verdict(void *buffer, uint32_t id, uint32_t verdict)
{
	struct nfqnl_msg_verdict_hdr said = { .verdict = htonl(verdict), .id = htonl(id) };
	struct nlmsghdr *message = header(buffer, NFNL_SUBSYS_QUEUE, NFQNL_MSG_VERDICT, NLM_F_ACK, QUEUE);

	mnl_attr_put(message, NFQA_VERDICT_HDR, sizeof(said), &said);
	return MNL_ALIGN(message->nlmsg_len);
}

/* Reads until `answers` requests are answered or, if that is 0, until a packet is there.  Returns its id, or the first error
 * as a negative errno, or 0. */
static int64_t read_queue(int answers)
{
	bool wants_packet = answers == 0;
	char buffer[8192];
	int64_t problem = 0;

	while (wants_packet || answers > 0) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
		int length = is_readable(mnl_socket_get_fd(nl), PATIENCE_MS)
				     ? (int)mnl_socket_recvfrom(nl, buffer, sizeof(buffer))
				     : -1;

		if (length < 0)
			return -ETIMEDOUT;
		for (; mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length)) {
			const struct nlattr *attribute = mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg));

			if (message->nlmsg_type == NLMSG_ERROR) {
				problem = problem ? problem : ((struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
				answers--;
			} else if (wants_packet && mnl_attr_get_type(attribute) == NFQA_PACKET_HDR) {
				return ntohl(((struct nfqnl_msg_packet_hdr *)mnl_attr_get_payload(attribute))->packet_id);
			}
		}
	}
	return problem;
}

static int64_t ask(const void *messages, size_t size, int answers)
{
	return mnl_socket_sendto(nl, messages, size) < 0 ? -errno : read_queue(answers);
}

static bool bind_queue(void)
{
	struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND };
	struct nfqnl_msg_config_params copy = { .copy_range = htonl(128), .copy_mode = NFQNL_COPY_PACKET };
	char buffer[512];
	struct nlmsghdr *message = header(buffer, NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG, NLM_F_ACK, QUEUE);

	mnl_attr_put(message, NFQA_CFG_CMD, sizeof(bind), &bind);
	mnl_attr_put(message, NFQA_CFG_PARAMS, sizeof(copy), &copy);
	return ask(message, message->nlmsg_len, 1) == 0;
}

/* ---- Connections ---- */

static struct sockaddr_in at(const char *address, uint16_t port)
{
	return (struct sockaddr_in) { .sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = inet_addr(address) };
}

/* Begins to connect from 192.0.2.9 and a port; returns the socket. */
static int open_connection(uint16_t port)
{
	struct sockaddr_in from = at("192.0.2.9", port), to = at("192.0.2.1", 80);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)) {
		perror("connecting");
		exit(1);
	}
	return fd;
}

static int listen_at_endpoint(void)
{
	struct sockaddr_in here = at("192.0.2.2", 8080);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(fd, 16) < 0) {
		perror("listening");
		exit(1);
	}
	return fd;
}

/* The entry of the connection from that port, translated to the endpoint. */
static size_t put_commit(void *buffer, uint16_t port)
{
	struct nf_conntrack *entry = nfct_new();
	struct nlmsghdr *message =
		header(buffer, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 0);

	nfct_set_attr_u8(entry, ATTR_L3PROTO, AF_INET);
	nfct_set_attr_u8(entry, ATTR_L4PROTO, IPPROTO_TCP);
	nfct_set_attr_u32(entry, ATTR_IPV4_SRC, inet_addr("192.0.2.9"));
	nfct_set_attr_u32(entry, ATTR_IPV4_DST, inet_addr("192.0.2.1"));
	nfct_set_attr_u16(entry, ATTR_PORT_SRC, htons(port));
	nfct_set_attr_u16(entry, ATTR_PORT_DST, htons(80));
	nfct_setobjopt(entry, NFCT_SOPT_SETUP_REPLY);
	nfct_set_attr_u8(entry, ATTR_TCP_STATE, TCP_CONNTRACK_SYN_SENT);
	nfct_set_attr_u32(entry, ATTR_TIMEOUT, 60);
	nfct_set_attr_u32(entry, ATTR_DNAT_IPV4, inet_addr("192.0.2.2"));
	nfct_set_attr_u16(entry, ATTR_DNAT_PORT, htons(8080));
	nfct_nlmsg_build(message, entry);
	nfct_destroy(entry);
	return MNL_ALIGN(message->nlmsg_len);
}

/* ---- Beliefs ---- */

static void one_write(int endpoint)
{
	int connection = open_connection(40000);
	int64_t id = read_queue(0);
	char buffer[2048];
	size_t size = put_commit(buffer, 40000);

	believe(id > 0, "what opens a connection waits in the queue, before conntrack");
	size += put_verdict(buffer + size, (uint32_t)id, NF_ACCEPT);
	believe(ask(buffer, size, 2) == 0 && is_readable(endpoint, PATIENCE_MS),
		"an entry and the verdict in one write: the packet finds the entry, is translated and sent by another "
		"route");
	close(accept(endpoint, NULL, NULL));
	close(connection);
}

/* A packet waits, the rules are changed, then it gets its verdict: is it still there? */
static bool survives(uint16_t port, const char *command)
{
	int connection = open_connection(port);
	int64_t id = read_queue(0);
	char buffer[512];
	bool is_there;

	change_rules(command);
	is_there = id > 0 && ask(buffer, put_verdict(buffer, (uint32_t)id, NF_DROP), 1) == 0;
	close(connection);
	return is_there;
}

int main(void)
{
	int endpoint = listen_at_endpoint();
	char buffer[512];

	nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 || !bind_queue()) {
		perror("queue");
		return 77;
	}
	one_write(endpoint);
	believe(!is_readable(endpoint, SHORT_MS), "nobody else connects");
	believe(survives(40001, "nft 'add table inet more; add chain inet more x { type filter hook input priority 7; }'"),
		"a hook that comes takes nothing from the queue");
	believe(survives(40002, "nft 'flush chain inet x check; add rule inet x check ct status dnat counter'"),
		"a chain that is emptied and filled takes nothing from the queue");
	believe(survives(40003, "nft 'flush set inet x s; add element inet x s { 10.0.0.2 }'"),
		"a set that is emptied and filled takes nothing from the queue");
	believe(!survives(40004, "nft delete table inet more"), "a hook that goes takes everything from the queue");
	believe(ask(buffer, put_verdict(buffer, 4711, NF_ACCEPT), 1) == -ENOENT,
		"a verdict on a packet that is not there: ENOENT");
	mnl_socket_close(nl);
	return failed;
}
