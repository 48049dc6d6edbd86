/* fill_table.c - fills the connection table of this network namespace with entries that the kernel may not give up.
 *
 *	fill_table MOST		stops at the first refusal, or after MOST entries; prints how many it made
 *
 * They are UDP 198.18.0.0/15 -> 192.0.2.1:9, assured, for an hour. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 128, MESSAGE = 256 };

static void put_tuple(struct nlmsghdr *message, uint16_t type, uint32_t number, bool reply)
{
	uint32_t client = htonl(0xc6120000u + number / 60000), server = inet_addr("192.0.2.1");
	uint16_t client_port = htons((uint16_t)(1024 + number % 60000)), server_port = htons(9);
	struct nlattr *nest = mnl_attr_nest_start(message, type);
	struct nlattr *inner = mnl_attr_nest_start(message, CTA_TUPLE_IP);

	mnl_attr_put_u32(message, CTA_IP_V4_SRC, reply ? server : client);
	mnl_attr_put_u32(message, CTA_IP_V4_DST, reply ? client : server);
	mnl_attr_nest_end(message, inner);
	inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, IPPROTO_UDP);
	mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, reply ? server_port : client_port);
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, reply ? client_port : server_port);
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static size_t put_entry(void *buffer, uint32_t number)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *family;

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
	message->nlmsg_seq = number;
	family = mnl_nlmsg_put_extra_header(message, sizeof(*family));
	family->nfgen_family = AF_INET;
	put_tuple(message, CTA_TUPLE_ORIG, number, false);
	put_tuple(message, CTA_TUPLE_REPLY, number, true);
	mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(3600));
	mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	return MNL_ALIGN(message->nlmsg_len);
}

int main(int argc, char **argv)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_NONBLOCK);
	uint32_t most = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0, made = 0;
	static char buffer[BATCH * MESSAGE], answer[8192];

	if (!most || !nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		fprintf(stderr, "usage: fill_table MOST, with CAP_NET_ADMIN\n");
		return 2;
	}
	while (made < most) {
		uint32_t count = most - made < BATCH ? most - made : BATCH;
		size_t size = 0;

		for (uint32_t i = 0; i < count; i++)
			size += put_entry(buffer + size, made + i);
		if (mnl_socket_sendto(nl, buffer, size) < 0) {
			perror("fill_table");
			return 1;
		}
		if (mnl_socket_recvfrom(nl, answer, sizeof(answer)) > 0) {
			const struct nlmsghdr *message = (const struct nlmsghdr *)answer;
			const struct nlmsgerr *problem = mnl_nlmsg_get_payload(message);

			printf("%u\n", message->nlmsg_seq);
			return problem->error == -ENOMEM ? 0 : 1;
		}
		made += count;
	}
	printf("%u\n", made);
	return 0;
}
