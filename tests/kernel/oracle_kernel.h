/* oracle_kernel.h - what the kernel thinks of a packet.
 *
 * The script beside made the namespace: two TUN devices, `client` and `server`, routes between them, and rules that write
 * conntrack's opinion of each packet into its DSCP while it is forwarded.  So a packet is written to the one device and read
 * back from the other, and says itself what it is.  A marker, sent behind it, tells when it will not come any more; for
 * that, all of it happens on one processor.  The entry is then asked for over netlink. */
#ifndef LUNETTE_TESTS_ORACLE_KERNEL_H
#define LUNETTE_TESTS_ORACLE_KERNEL_H

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "oracle_steps.h"

struct kernel {
	int devices[2]; /* by enum side */
	struct mnl_socket *netlink;
	uint8_t markers[2][IP4_HEADER]; /* by the side that sends it: a packet without transport */
	uint16_t number;                /* of the last packet */
};

/* One of the two's opinion after a packet. */
struct opinion {
	enum lun_ct ct; /* if the packet went on */
	bool known;     /* there is an entry */
	bool assured;
	uint8_t flags[2]; /* the kernel's enum ip_ct_tcp flags, by direction */
	enum lun_state state;
	enum lun_reason reason;     /* the engine's */
	uint8_t wire[WIRE_SIZE];    /* what went on, TTL and DSCP as they were sent */
	uint32_t wire_length;       /* 0: nothing */
	uint8_t bytes[PACKET_SIZE]; /* the same, put together */
	uint32_t length;
};

static inline int open_device(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) {
		perror(name);
		exit(77);
	}
	return device;
}

static inline void write_packet(int device, const uint8_t *data, uint32_t length)
{
	if (write(device, data, length) != (ssize_t)length) {
		perror("write");
		exit(1);
	}
}

/* A device that was opened just now may not carry packets yet: tries until one comes through. */
static inline void wait_for_devices(const struct kernel *kernel, enum side from)
{
	struct pollfd ready = { .fd = kernel->devices[!from], .events = POLLIN };
	uint8_t packet[PACKET_SIZE];

	for (int tries = 0; tries < 200; tries++) {
		write_packet(kernel->devices[from], kernel->markers[from], IP4_HEADER);
		if (poll(&ready, 1, 20) > 0 && read(ready.fd, packet, sizeof(packet)) == IP4_HEADER)
			return;
	}
	fprintf(stderr, "the devices carry nothing\n");
	exit(1);
}

static inline void stay_on_processor(void)
{
	cpu_set_t processors;

	CPU_ZERO(&processors);
	CPU_SET((size_t)sched_getcpu(), &processors);
	if (sched_setaffinity(0, sizeof(processors), &processors) < 0)
		perror("sched_setaffinity");
}

static inline void make_marker(uint8_t marker[IP4_HEADER], uint32_t source, uint32_t destination)
{
	static const uint8_t header[IP4_HEADER] = { 0x45, 0, 0, IP4_HEADER, 0, 0, 0x40, 0, TTL_SENT, OTHER_PROTOCOL };

	memcpy(marker, header, IP4_HEADER);
	store32(marker + 12, source);
	store32(marker + 16, destination);
	set_number(marker, 0);
}

static inline void kernel_open(struct kernel *kernel)
{
	uint32_t client = 0x0a80fffe, server = 0x0a02fffe; /* 10.128.255.254, 10.2.255.254 */

	*kernel = (struct kernel) { .devices = { open_device("client"), open_device("server") } };
	make_marker(kernel->markers[CLIENT], client, server);
	make_marker(kernel->markers[SERVER], server, client);
	kernel->netlink = mnl_socket_open(NETLINK_NETFILTER);
	if (!kernel->netlink || mnl_socket_bind(kernel->netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
		perror("netlink");
		exit(77);
	}
	stay_on_processor();
	wait_for_devices(kernel, CLIENT);
	wait_for_devices(kernel, SERVER);
}

static inline void kernel_set(const char *name, int value)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/netfilter/%s", name);
	file = fopen(path, "w");
	if (!file || fprintf(file, "%d\n", value) < 0 || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

/* Reads up to the marker; returns the length of the packets with our number that came before it. */
static inline uint32_t read_back(const struct kernel *kernel, int device, uint8_t wire[WIRE_SIZE])
{
	struct pollfd ready = { .fd = device, .events = POLLIN };
	uint8_t packet[PACKET_SIZE];
	uint32_t found = 0;

	for (;;) {
		ssize_t length = read(device, packet, sizeof(packet));

		if (length < 0 && poll(&ready, 1, 5000) <= 0) {
			fprintf(stderr, "nothing comes back\n");
			exit(1);
		}
		if (length < IP4_HEADER || number_of(packet) != kernel->number)
			continue; /* the kernel's own, for instance a router solicitation */
		if (length == IP4_HEADER || found + (uint32_t)length > WIRE_SIZE)
			return found;
		memcpy(wire + found, packet, (uint32_t)length);
		found += (uint32_t)length;
	}
}

/* Takes the opinion out of the DSCP; puts that and the TTL back as they were sent. */
static inline enum lun_ct take_opinion(uint8_t *data)
{
	bool v4 = data[0] >> 4 == 4;
	uint8_t dscp = (uint8_t)((v4 ? data[1] : data[0] << 4 | data[1] >> 4) >> 2 & 0x3f);

	if (v4) {
		data[1] = 0;
		data[8] = TTL_SENT;
		sum_ip_header(data);
	} else {
		data[0] = 0x60;
		data[1] &= 0x0f;
		data[7] = TTL_SENT;
	}
	return (enum lun_ct)(dscp - 1);
}

/* ---- entries ---- */

/* The type and code of an ICMP query, and its identifier, from the engine's tuple. */
static inline void put_icmp_tuple(struct nf_conntrack *entry, const struct lun_tuple *tuple, uint8_t code)
{
	bool request = tuple->destination_port < 256;
	uint16_t kind = request ? tuple->destination_port : tuple->source_port;

	nfct_set_attr_u8(entry, ATTR_ICMP_TYPE, (uint8_t)(request ? kind : kind == 8 ? 0 : kind + 1));
	nfct_set_attr_u8(entry, ATTR_ICMP_CODE, code);
	nfct_set_attr_u16(entry, ATTR_ICMP_ID, htons(request ? tuple->source_port : tuple->destination_port));
}

static inline void put_tuple(struct nf_conntrack *entry, const struct lun_tuple *tuple, uint8_t code)
{
	bool v4 = lun_address_is_v4(&tuple->source);

	nfct_set_attr_u8(entry, ATTR_L3PROTO, v4 ? AF_INET : AF_INET6);
	nfct_set_attr_u8(entry, ATTR_L4PROTO, tuple->protocol);
	if (v4) {
		nfct_set_attr(entry, ATTR_IPV4_SRC, tuple->source.bytes + 12);
		nfct_set_attr(entry, ATTR_IPV4_DST, tuple->destination.bytes + 12);
	} else {
		nfct_set_attr(entry, ATTR_IPV6_SRC, tuple->source.bytes);
		nfct_set_attr(entry, ATTR_IPV6_DST, tuple->destination.bytes);
	}
	if (tuple->protocol == LUN_ICMP || tuple->protocol == LUN_ICMPV6) {
		put_icmp_tuple(entry, tuple, code);
	} else if (tuple->protocol != OTHER_PROTOCOL) {
		nfct_set_attr_u16(entry, ATTR_PORT_SRC, htons(tuple->source_port));
		nfct_set_attr_u16(entry, ATTR_PORT_DST, htons(tuple->destination_port));
	}
}

static inline struct nlmsghdr *netlink_message(void *buffer, uint16_t type, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = family;
	return message;
}

/* Sends a message and reads its answers up to the acknowledgement.  Returns its error; an entry goes to `told`. */
static inline int netlink_ask(const struct kernel *kernel, struct nlmsghdr *message, struct nf_conntrack *told)
{
	_Alignas(8) char buffer[8192];

	if (mnl_socket_sendto(kernel->netlink, message, message->nlmsg_len) < 0)
		return errno;
	for (;;) {
		ssize_t received = mnl_socket_recvfrom(kernel->netlink, buffer, sizeof(buffer));
		int left = (int)received;
		const struct nlmsghdr *answer = (const struct nlmsghdr *)buffer;

		if (received < 0)
			return errno;
		for (; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left))
			if (answer->nlmsg_type == NLMSG_ERROR)
				return -((const struct nlmsgerr *)mnl_nlmsg_get_payload(answer))->error;
			else if (told)
				nfct_nlmsg_parse(answer, told);
	}
}

static inline enum lun_state kernel_state(const struct nf_conntrack *told, uint8_t protocol)
{
	bool replied = nfct_get_attr_u32(told, ATTR_STATUS) & IPS_SEEN_REPLY;

	switch (protocol) {
	case LUN_TCP:
		return (enum lun_state)(LUN_STATE_NONE + nfct_get_attr_u8(told, ATTR_TCP_STATE));
	case LUN_SCTP:
		return (enum lun_state)(LUN_STATE_SCTP_CLOSED - 1 + nfct_get_attr_u8(told, ATTR_SCTP_STATE));
	case LUN_UDP:
		return replied ? LUN_STATE_UDP_REPLIED : LUN_STATE_UDP_UNREPLIED;
	case LUN_ICMP:
	case LUN_ICMPV6:
		return replied ? LUN_STATE_ICMP_REPLIED : LUN_STATE_ICMP_UNREPLIED;
	default:
		return replied ? LUN_STATE_OTHER_REPLIED : LUN_STATE_OTHER_UNREPLIED;
	}
}

/* What the kernel knows of the entry with this tuple, in either direction. */
static inline void kernel_entry(const struct kernel *kernel, const struct lun_tuple *tuple, uint8_t code,
				struct opinion *opinion)
{
	struct nf_conntrack *asked = nfct_new(), *told = nfct_new();
	_Alignas(8) char buffer[1024];
	struct nlmsghdr *message;

	put_tuple(asked, tuple, code);
	message = netlink_message(buffer, IPCTNL_MSG_CT_GET, nfct_get_attr_u8(asked, ATTR_L3PROTO));
	nfct_nlmsg_build(message, asked);
	opinion->known = netlink_ask(kernel, message, told) == 0;
	if (opinion->known) {
		opinion->state = kernel_state(told, tuple->protocol);
		opinion->flags[LUN_ORIG] = nfct_get_attr_u8(told, ATTR_TCP_FLAGS_ORIG);
		opinion->flags[LUN_REPLY] = nfct_get_attr_u8(told, ATTR_TCP_FLAGS_REPL);
		opinion->assured = nfct_get_attr_u32(told, ATTR_STATUS) & IPS_ASSURED;
	}
	nfct_destroy(asked);
	nfct_destroy(told);
}

static inline void kernel_forget(const struct kernel *kernel)
{
	_Alignas(8) char buffer[256];

	netlink_ask(kernel, netlink_message(buffer, IPCTNL_MSG_CT_DELETE, AF_UNSPEC), NULL);
}

/* Sends what is on the wire through the namespace. */
static inline void kernel_pass(struct kernel *kernel, enum side from, const uint8_t *wire, uint32_t length,
			       struct opinion *opinion)
{
	*opinion = (struct opinion) { .ct = LUN_CT_INVALID };
	set_number(kernel->markers[from], kernel->number);
	for (uint32_t at = 0; at < length; at += packet_length(wire + at))
		write_packet(kernel->devices[from], wire + at, packet_length(wire + at));
	write_packet(kernel->devices[from], kernel->markers[from], IP4_HEADER);
	opinion->wire_length = read_back(kernel, kernel->devices[!from], opinion->wire);
	for (uint32_t at = 0; at < opinion->wire_length; at += packet_length(opinion->wire + at))
		opinion->ct = take_opinion(opinion->wire + at);
	opinion->length = wire_join(opinion->wire, opinion->wire_length, opinion->bytes);
}

#endif
