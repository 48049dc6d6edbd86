/* ctnetlink.c - what we believe about the kernel's conntrack over netlink.  Run in a network namespace of its own; prints
 * one line for each belief and fails if one is wrong. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARK = 0x4c000000 };

static struct mnl_socket *nl;
static bool failed;

static void believe(bool true_here, const char *what)
{
	printf("%s: %s\n", true_here ? "ok" : "NOT SO", what);
	failed = failed || !true_here;
}

/* Sends `count` bytes of messages and reads one answer to each; returns the first error, or 0.  An entry that is told goes
 * to `told`. */
static int ask(void *messages, size_t size, int answers, struct nf_conntrack *told)
{
	char buffer[8192];
	int problem = 0;

	if (mnl_socket_sendto(nl, messages, size) < 0)
		return errno;
	while (answers > 0) {
		ssize_t left = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
		int length = (int)left;
		struct nlmsghdr *message = (struct nlmsghdr *)buffer;

		if (left < 0)
			return errno;
		for (; mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length)) {
			if (message->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

				problem = problem ? problem : -error->error;
				answers--;
			} else if (told) {
				nfct_nlmsg_parse(message, told);
			}
		}
	}
	return problem;
}

static struct nlmsghdr *header(void *buffer, int type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *family;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	family = mnl_nlmsg_put_extra_header(message, sizeof(*family));
	family->nfgen_family = AF_INET;
	return message;
}

static const char *client = "192.0.2.1";

/* client:port -> 192.0.2.2:80. */
static struct nf_conntrack *tuple(uint16_t port)
{
	struct nf_conntrack *entry = nfct_new();

	nfct_set_attr_u8(entry, ATTR_L3PROTO, AF_INET);
	nfct_set_attr_u8(entry, ATTR_L4PROTO, IPPROTO_TCP);
	nfct_set_attr_u32(entry, ATTR_IPV4_SRC, inet_addr(client));
	nfct_set_attr_u32(entry, ATTR_IPV4_DST, inet_addr("192.0.2.2"));
	nfct_set_attr_u16(entry, ATTR_PORT_SRC, htons(port));
	nfct_set_attr_u16(entry, ATTR_PORT_DST, htons(80));
	return entry;
}

/* What the agent commits: DNAT to 198.51.100.1:8080, SNAT to an address, liberal. */
static size_t put_commit(void *buffer, uint16_t port)
{
	struct nf_conntrack *entry = tuple(port);
	struct nlmsghdr *message = header(buffer, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL);
	static const enum nf_conntrack_attr flags[] = { ATTR_TCP_FLAGS_ORIG, ATTR_TCP_MASK_ORIG, ATTR_TCP_FLAGS_REPL,
							ATTR_TCP_MASK_REPL };

	nfct_setobjopt(entry, NFCT_SOPT_SETUP_REPLY);
	nfct_set_attr_u8(entry, ATTR_TCP_STATE, TCP_CONNTRACK_SYN_SENT);
	for (size_t i = 0; i < 4; i++)
		nfct_set_attr_u8(entry, flags[i], IP_CT_TCP_FLAG_BE_LIBERAL);
	nfct_set_attr_u32(entry, ATTR_TIMEOUT, 60);
	nfct_set_attr_u32(entry, ATTR_MARK, MARK);
	nfct_set_attr_u32(entry, ATTR_DNAT_IPV4, inet_addr("198.51.100.1"));
	nfct_set_attr_u16(entry, ATTR_DNAT_PORT, htons(8080));
	nfct_set_attr_u32(entry, ATTR_SNAT_IPV4, inet_addr("198.51.100.2"));
	nfct_nlmsg_build(message, entry);
	nfct_destroy(entry);
	return MNL_ALIGN(message->nlmsg_len);
}

static int commit(uint16_t port)
{
	char buffer[2048];

	return ask(buffer, put_commit(buffer, port), 1, NULL);
}

static int on_tuple(int type, uint16_t port, uint32_t id, struct nf_conntrack *told)
{
	char buffer[2048];
	struct nf_conntrack *entry = tuple(port);
	struct nlmsghdr *message = header(buffer, type, 0);

	nfct_nlmsg_build(message, entry);
	nfct_destroy(entry);
	if (id)
		mnl_attr_put_u32(message, CTA_ID, htonl(id));
	return ask(message, message->nlmsg_len, 1, told);
}

static void creating(void)
{
	struct nf_conntrack *told = nfct_new(), *other = nfct_new();
	char buffer[4096];
	size_t size;

	believe(commit(1000) == 0,
		"an entry with DNAT, SNAT to an address, mark, state and liberal flags is made in one message");
	believe(on_tuple(IPCTNL_MSG_CT_GET, 1000, 0, told) == 0, "it is found by its tuple");
	believe(nfct_get_attr_u32(told, ATTR_REPL_IPV4_SRC) == inet_addr("198.51.100.1") &&
			nfct_get_attr_u16(told, ATTR_REPL_PORT_SRC) == htons(8080) &&
			nfct_get_attr_u32(told, ATTR_REPL_IPV4_DST) == inet_addr("198.51.100.2"),
		"its reply tuple is the translation");
	believe(nfct_get_attr_u16(told, ATTR_REPL_PORT_DST) == htons(1000), "the source port is kept while it is free");
	believe(nfct_get_attr_u8(told, ATTR_TCP_FLAGS_ORIG) & IP_CT_TCP_FLAG_BE_LIBERAL &&
			nfct_get_attr_u8(told, ATTR_TCP_FLAGS_REPL) & IP_CT_TCP_FLAG_BE_LIBERAL,
		"it is liberal in both directions");
	believe((nfct_get_attr_u32(told, ATTR_STATUS) & (IPS_DST_NAT | IPS_SRC_NAT)) == (IPS_DST_NAT | IPS_SRC_NAT),
		"its status says dnat and snat");
	believe(commit(1000) == EEXIST, "a second one with the same tuple is refused: EEXIST");
	size = put_commit(buffer, 1000);
	size += put_commit(buffer + size, 1001);
	believe(ask(buffer, size, 2, NULL) == EEXIST && on_tuple(IPCTNL_MSG_CT_GET, 1001, 0, other) == 0,
		"after a message that fails the next one of the same write is still done");
	nfct_destroy(told);
	nfct_destroy(other);
}

static void deleting(void)
{
	struct nf_conntrack *told = nfct_new();
	uint32_t id;

	on_tuple(IPCTNL_MSG_CT_GET, 1000, 0, told);
	id = nfct_get_attr_u32(told, ATTR_ID);
	believe(on_tuple(IPCTNL_MSG_CT_DELETE, 1000, id + 1, NULL) == ENOENT, "an entry is not deleted by another one's id");
	believe(on_tuple(IPCTNL_MSG_CT_DELETE, 1000, id, NULL) == 0, "it is by its own");
	believe(on_tuple(IPCTNL_MSG_CT_GET, 1000, 0, NULL) == ENOENT, "then it is gone");
	nfct_destroy(told);
}

/* The port that the kernel chose for the entry of client:port, in network byte order; 0 if there is none. */
static uint16_t masqueraded_port(uint16_t port)
{
	struct nf_conntrack *told = nfct_new();
	uint16_t chosen = on_tuple(IPCTNL_MSG_CT_GET, port, 0, told) == 0 ? nfct_get_attr_u16(told, ATTR_REPL_PORT_DST) : 0;

	nfct_destroy(told);
	return chosen;
}

static void masquerading(void)
{
	uint16_t first, second;

	commit(1500);
	first = masqueraded_port(1500);
	client = "192.0.2.3";
	believe(commit(1500) == 0,
		"another client from the same port to the same endpoint, masqueraded with the same address");
	second = masqueraded_port(1500);
	believe(first == htons(1500) && second && second != first, "gets another port, which the kernel chooses");
	client = "192.0.2.1";
}

/* How many entries a dump holds, of those with this mark in the upper byte. */
static int count_of_dump(uint32_t mark, uint32_t mask)
{
	char buffer[8192];
	struct nlmsghdr *message = header(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
	int count = 0;

	mnl_attr_put_u32(message, CTA_MARK, htonl(mark));
	mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(mask));
	message->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	if (mnl_socket_sendto(nl, message, message->nlmsg_len) < 0)
		return -1;
	for (;;) {
		ssize_t left = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
		int length = (int)left;

		if (left < 0)
			return -1;
		for (message = (struct nlmsghdr *)buffer; mnl_nlmsg_ok(message, length);
		     message = mnl_nlmsg_next(message, &length)) {
			if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
				return count;
			count++;
		}
	}
}

static void listing(void)
{
	believe(count_of_dump(MARK, 0xff000000) == 3, "a dump by mark holds what has it");
	believe(count_of_dump(0x11000000, 0xff000000) == 0, "and nothing else");
}

/* Offsets for both directions, as editing a stream wants them. */
static int adjust(uint16_t port, bool both)
{
	char buffer[2048];
	struct nf_conntrack *entry = tuple(port);
	struct nlmsghdr *message = header(buffer, IPCTNL_MSG_CT_NEW, 0);

	nfct_set_attr_u32(entry, ATTR_ORIG_NAT_SEQ_CORRECTION_POS, 1);
	nfct_set_attr_u32(entry, ATTR_ORIG_NAT_SEQ_OFFSET_BEFORE, 0);
	nfct_set_attr_u32(entry, ATTR_ORIG_NAT_SEQ_OFFSET_AFTER, 100);
	if (both) {
		nfct_set_attr_u32(entry, ATTR_REPL_NAT_SEQ_CORRECTION_POS, 0);
		nfct_set_attr_u32(entry, ATTR_REPL_NAT_SEQ_OFFSET_BEFORE, 0);
		nfct_set_attr_u32(entry, ATTR_REPL_NAT_SEQ_OFFSET_AFTER, 0);
	}
	nfct_nlmsg_build(message, entry);
	nfct_destroy(entry);
	return ask(message, message->nlmsg_len, 1, NULL);
}

static void flushing(void)
{
	char buffer[512];
	struct nlmsghdr *message = header(buffer, IPCTNL_MSG_CT_DELETE, 0);

	((struct nfgenmsg *)mnl_nlmsg_get_payload(message))->nfgen_family = AF_UNSPEC;
	mnl_attr_put_u32(message, CTA_MARK, htonl(0x11000000));
	mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(0xff000000));
	believe(ask(message, message->nlmsg_len, 1, NULL) == 0 && on_tuple(IPCTNL_MSG_CT_GET, 1001, 0, NULL) == 0,
		"deleting by mark spares other marks");
	message = header(buffer, IPCTNL_MSG_CT_DELETE, 0);
	((struct nfgenmsg *)mnl_nlmsg_get_payload(message))->nfgen_family = AF_UNSPEC;
	mnl_attr_put_u32(message, CTA_MARK, htonl(MARK));
	mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(0xff000000));
	believe(ask(message, message->nlmsg_len, 1, NULL) == 0 && on_tuple(IPCTNL_MSG_CT_GET, 1001, 0, NULL) == ENOENT,
		"deleting by mark takes ours");
}

int main(void)
{
	nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		perror("netlink");
		return 77;
	}
	creating();
	deleting();
	masquerading();
	listing();
	believe(adjust(1001, true) == 0, "sequence offsets can be set while both directions are given");
	flushing();
	mnl_socket_close(nl);
	return failed;
}
