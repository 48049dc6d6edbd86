/* inject.c - sends an IPv4 packet into the loopback interface by a packet socket, out of which it comes as if it had arrived.
 *
 *	inject SOURCE DESTINATION MARK [SEGMENT]
 *
 * UDP with 8 bytes; with SEGMENT, TCP with 3,000 bytes that is to be cut into segments of that size. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TTL = 64, PORT = 7777, LONG = 3000, SHORT = 8 };

struct packet {
	struct virtio_net_hdr segmentation;
	struct ethhdr ethernet;
	struct iphdr ip;
	union {
		struct udphdr udp;
		struct tcphdr tcp;
		uint8_t bytes[sizeof(struct tcphdr) + LONG];
	};
} __attribute__((packed));

static uint16_t checksum(const void *bytes, size_t size)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < size; i += 2) {
		memcpy(&word, (const uint8_t *)bytes + i, 2);
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* Returns the length of the transport. */
static size_t fill_transport(struct packet *packet, int segment)
{
	if (!segment) {
		packet->udp.source = packet->udp.dest = htons(PORT);
		packet->udp.len = htons(sizeof(packet->udp) + SHORT); /* no checksum */
		return sizeof(packet->udp) + SHORT;
	}
	packet->tcp.source = packet->tcp.dest = htons(PORT);
	packet->tcp.doff = sizeof(packet->tcp) / 4;
	packet->tcp.ack = 1;
	packet->segmentation.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	packet->segmentation.gso_size = (uint16_t)segment;
	return sizeof(packet->tcp) + LONG;
}

int main(int argc, char **argv)
{
	static struct packet packet;
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = (int)if_nametoindex("lo") };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1, mark = argc > 3 ? (int)strtol(argv[3], NULL, 0) : 0;
	size_t length;

	if (argc < 4)
		return 2;
	length = fill_transport(&packet, argc > 4 ? atoi(argv[4]) : 0);
	packet.ethernet.h_proto = htons(ETH_P_IP);
	packet.ip = (struct iphdr) { .version = 4, .ihl = 5, .ttl = TTL, .protocol = argc > 4 ? IPPROTO_TCP : IPPROTO_UDP };
	packet.ip.frag_off = htons(0x4000); /* not to be fragmented */
	packet.ip.tot_len = htons((uint16_t)(sizeof(packet.ip) + length));
	packet.ip.saddr = inet_addr(argv[1]);
	packet.ip.daddr = inet_addr(argv[2]);
	packet.ip.check = checksum(&packet.ip, sizeof(packet.ip));
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
	    sendto(fd, &packet, offsetof(struct packet, bytes) + length, 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("inject");
		return 1;
	}
	return 0;
}
