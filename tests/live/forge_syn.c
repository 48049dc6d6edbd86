/* forge_syn.c - sends TCP SYNs, or ACKs, with the addresses and ports of your choice (IPv4), and sequence numbers all over the
 * range. */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct forged {
	struct iphdr ip;
	struct tcphdr tcp;
};

/* What the TCP checksum covers besides the segment. */
struct pseudo {
	uint32_t source, destination;
	uint16_t protocol, length;
};

static uint32_t add(const void *bytes, size_t size, uint32_t sum)
{
	uint16_t word;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void forge(int fd, struct forged *packet, const struct sockaddr_in *to, uint32_t sequence)
{
	struct pseudo pseudo = { packet->ip.saddr, packet->ip.daddr, htons(IPPROTO_TCP), htons(sizeof(packet->tcp)) };

	packet->tcp.seq = htonl(sequence);
	packet->tcp.check = 0;
	packet->tcp.check = fold(add(&packet->tcp, sizeof(packet->tcp), add(&pseudo, sizeof(pseudo), 0)));
	if (sendto(fd, packet, sizeof(*packet), 0, (const struct sockaddr *)to, sizeof(*to)) != sizeof(*packet)) {
		perror("forge_syn");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct forged packet = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP },
				 .tcp = { .doff = 5 } };
	uint32_t count = argc >= 6 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

	if (fd < 0 || !count || inet_pton(AF_INET, argv[1], &packet.ip.saddr) != 1 ||
	    inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: forge_syn SOURCE PORT DESTINATION PORT COUNT [ack], with CAP_NET_RAW\n");
		return 2;
	}
	packet.tcp.ack = argc == 7;
	packet.tcp.syn = argc == 6;
	packet.ip.daddr = to.sin_addr.s_addr;
	packet.tcp.source = htons((uint16_t)strtoul(argv[2], NULL, 10));
	packet.tcp.dest = htons((uint16_t)strtoul(argv[4], NULL, 10));
	packet.tcp.window = htons(1024);
	for (uint32_t i = 0; i < count; i++)
		forge(fd, &packet, &to, 17 + i * (UINT32_MAX / count));
	return 0;
}
