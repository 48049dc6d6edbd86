/* many.c - very many connections, from the addresses of series.h.
 *
 *	many fill MOST		UDP entries that the kernel may not give up, until it refuses one or MOST are made
 *	many open COUNT		entries as the agent commits them: TCP, established, to 10.96.0.10:80, DNAT to 10.244.0.5:8080
 *
 * Both work on the connection table of this network namespace and print how many entries they made. */
#include "series.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128, MESSAGE = 256, OURS = 0x4c000000 };

struct side {
	uint32_t address;
	uint16_t port;
};

static void put_tuple(struct nlmsghdr *message, uint16_t type, uint8_t protocol, struct side from, struct side to)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);
	struct nlattr *inner = mnl_attr_nest_start(message, CTA_TUPLE_IP);

	mnl_attr_put_u32(message, CTA_IP_V4_SRC, from.address);
	mnl_attr_put_u32(message, CTA_IP_V4_DST, to.address);
	mnl_attr_nest_end(message, inner);
	inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
	mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, from.port);
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, to.port);
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static void put_dnat(struct nlmsghdr *message)
{
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_NAT_DST), *inner;

	mnl_attr_put_u32(message, CTA_NAT_V4_MINIP, inet_addr("10.244.0.5"));
	inner = mnl_attr_nest_start(message, CTA_NAT_PROTO);
	mnl_attr_put_u16(message, CTA_PROTONAT_PORT_MIN, htons(8080));
	mnl_attr_put_u16(message, CTA_PROTONAT_PORT_MAX, htons(8080));
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static void put_established(struct nlmsghdr *message)
{
	static const struct nf_ct_tcp_flags liberal = { IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL };
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_PROTOINFO);
	struct nlattr *inner = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);

	mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(liberal), &liberal);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(liberal), &liberal);
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static size_t put_entry(void *buffer, uint32_t number, bool committed)
{
	struct side client = { series_address(number), series_port(number) };
	struct side server = { inet_addr(committed ? "10.96.0.10" : "192.0.2.1"), htons(committed ? 80 : 9) };
	uint8_t protocol = committed ? IPPROTO_TCP : IPPROTO_UDP;
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *family;

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
	message->nlmsg_seq = number;
	family = mnl_nlmsg_put_extra_header(message, sizeof(*family));
	family->nfgen_family = AF_INET;
	put_tuple(message, CTA_TUPLE_ORIG, protocol, client, server);
	put_tuple(message, CTA_TUPLE_REPLY, protocol, server, client);
	mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(3600));
	mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	if (committed) {
		mnl_attr_put_u32(message, CTA_MARK, htonl(OURS));
		put_established(message);
		put_dnat(message);
	}
	return MNL_ALIGN(message->nlmsg_len);
}

/* Makes entries until one is refused; that is meant if `fill`. */
static int make(uint32_t most, bool committed)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_NONBLOCK);
	static char buffer[BATCH * MESSAGE], answer[8192];
	uint32_t made = 0;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return 1;
	while (made < most) {
		uint32_t count = most - made < BATCH ? most - made : BATCH;
		size_t size = 0;

		for (uint32_t i = 0; i < count; i++)
			size += put_entry(buffer + size, made + i, committed);
		if (mnl_socket_sendto(nl, buffer, size) < 0)
			return 1;
		if (mnl_socket_recvfrom(nl, answer, sizeof(answer)) > 0) {
			const struct nlmsghdr *message = (const struct nlmsghdr *)answer;
			const struct nlmsgerr *problem = mnl_nlmsg_get_payload(message);

			printf("%u\n", message->nlmsg_seq);
			return problem->error == -ENOMEM && !committed ? 0 : 1;
		}
		made += count;
	}
	printf("%u\n", made);
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t count = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	int result = 2;

	if (count && strcmp(argv[1], "fill") == 0)
		result = make(count, false);
	if (count && strcmp(argv[1], "open") == 0)
		result = make(count, true);
	if (result)
		fprintf(stderr, result == 2 ? "usage: many fill|open COUNT\n" : "many: %s\n", strerror(errno));
	return result;
}
