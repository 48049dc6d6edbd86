/* forge_syn.c - sends TCP SYNs, or ACKs without or with a byte of data, that pretend (IPv4).
 *
 *	forge_syn SOURCE PORT DESTINATION PORT COUNT [ack | data]	COUNT of them, with sequence numbers all over the range
 *	forge_syn series COUNT DESTINATION PORT			a SYN from each address and port of the series */
#include "series.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct forged {
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t data[2]; /* one byte, and one for the checksum */
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

static void forge(int fd, struct forged *packet, const struct sockaddr_in *to, uint32_t sequence, bool data)
{
	const uint16_t length = sizeof(packet->tcp) + data;
	struct pseudo pseudo = { packet->ip.saddr, packet->ip.daddr, htons(IPPROTO_TCP), htons(length) };
	ssize_t size = (ssize_t)sizeof(packet->ip) + length;

	packet->tcp.seq = htonl(sequence);
	packet->tcp.check = 0;
	packet->tcp.check =
		fold(add(&packet->tcp, sizeof(packet->tcp) + sizeof(packet->data), add(&pseudo, sizeof(pseudo), 0)));
	if (sendto(fd, packet, (size_t)size, 0, (const struct sockaddr *)to, sizeof(*to)) != size) {
		perror("forge_syn");
		exit(1);
	}
}

static int usage(void)
{
	fprintf(stderr,
		"usage: forge_syn SOURCE PORT DESTINATION PORT COUNT [ack | data] | series COUNT DESTINATION PORT, with "
		"CAP_NET_RAW\n");
	return 2;
}

int main(int argc, char **argv)
{
	bool data = argc == 7 && strcmp(argv[6], "data") == 0;
	bool series = argc == 5 && strcmp(argv[1], "series") == 0;
	uint32_t count = series || argc >= 6 ? (uint32_t)strtoul(argv[series ? 2 : 5], NULL, 10) : 0;
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct forged packet = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP },
				 .tcp = { .doff = 5, .syn = argc != 7, .ack = argc == 7, .window = htons(1024) } };
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

	if (fd < 0 || !count || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1 ||
	    (!series && inet_pton(AF_INET, argv[1], &packet.ip.saddr) != 1))
		return usage();
	packet.ip.daddr = to.sin_addr.s_addr;
	packet.tcp.source = htons((uint16_t)strtoul(argv[2], NULL, 10));
	packet.tcp.dest = htons((uint16_t)strtoul(argv[4], NULL, 10));
	for (uint32_t i = 0; i < count; i++) {
		if (series) {
			packet.ip.saddr = series_address(i);
			packet.tcp.source = series_port(i);
		}
		forge(fd, &packet, &to, 17 + i * (UINT32_MAX / count), data);
	}
	return 0;
}
