/* forge_syn.c - sends one TCP SYN with the addresses, ports and sequence number of your choice (IPv4). */
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

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct forged packet = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP } };
	struct pseudo pseudo = { .protocol = htons(IPPROTO_TCP), .length = htons(sizeof(packet.tcp)) };
	int fd;

	if (argc != 6 || inet_pton(AF_INET, argv[1], &packet.ip.saddr) != 1 ||
	    inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: forge_syn SOURCE PORT DESTINATION PORT SEQUENCE\n");
		return 2;
	}
	packet.ip.daddr = pseudo.destination = to.sin_addr.s_addr;
	pseudo.source = packet.ip.saddr;
	packet.tcp.source = htons((uint16_t)strtoul(argv[2], NULL, 10));
	packet.tcp.dest = htons((uint16_t)strtoul(argv[4], NULL, 10));
	packet.tcp.seq = htonl((uint32_t)strtoul(argv[5], NULL, 10));
	packet.tcp.doff = 5;
	packet.tcp.syn = 1;
	packet.tcp.window = htons(1024);
	packet.tcp.check = fold(add(&packet.tcp, sizeof(packet.tcp), add(&pseudo, sizeof(pseudo), 0)));
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0 || sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) != sizeof(packet)) {
		perror("forge_syn");
		return 1;
	}
	return 0;
}
