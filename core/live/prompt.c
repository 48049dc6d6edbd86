/* prompt.c - getting a client that only receives to send.
 *
 * A TCP connection whose entry was deleted is answered with a reset by the fail-safe rule as soon as its client sends.  One that only
 * receives, a long download, sends nothing and would wait for ever.  A reset of our own would have to have the number that
 * it expects next, which nobody here knows; but a segment that cannot be, a SYN/ACK in the middle of a connection, draws an
 * acknowledgement from it, whatever its numbers (RFC 5961, 4.2), and that one draws the reset, which has the right number.
 *
 * It leaves by a raw socket, as this host's own: out of "lo" (inject.c) it would need sysctls.  The kernel's conntrack makes no entry of a
 * SYN/ACK that it does not know.  tests/kernel/prompt.c holds all of that. */
#include "live/prompt.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TTL = 64 };

void prompt_open(struct prompt *prompt)
{
	prompt->v4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	prompt->v6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
}

void prompt_close(struct prompt *prompt)
{
	if (prompt->v4 >= 0)
		close(prompt->v4);
	if (prompt->v6 >= 0)
		close(prompt->v6);
	prompt->v4 = prompt->v6 = -1;
}

/* Of `size` bytes, an even number, and what is not in them. */
static uint16_t checksum(const uint8_t *bytes, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Puts both addresses of `size` bytes, and the TCP header, behind what is in front of them in an IP header. */
static void put_segment(uint8_t *addresses, size_t size, const struct lun_tuple *orig)
{
	size_t skipped = sizeof(orig->source.bytes) - size; /* of an IPv4 address, which is mapped */
	struct tcphdr tcp = { .source = htons(orig->destination_port),
			      .dest = htons(orig->source_port),
			      .doff = sizeof(tcp) / 4,
			      .syn = 1,
			      .ack = 1 };

	memcpy(addresses, orig->destination.bytes + skipped, size);
	memcpy(addresses + size, orig->source.bytes + skipped, size);
	memcpy(addresses + 2 * size, &tcp, sizeof(tcp));
	tcp.check = checksum(addresses, 2 * size + sizeof(tcp), IPPROTO_TCP + sizeof(tcp));
	memcpy(addresses + 2 * size, &tcp, sizeof(tcp));
}

static void prompt_v4(int fd, const struct lun_tuple *orig)
{
	struct {
		struct iphdr ip; /* the kernel computes its checksum */
		struct tcphdr tcp;
	} packet = { .ip = { .version = 4, .ihl = sizeof(packet.ip) / 4, .ttl = TTL, .protocol = IPPROTO_TCP } };
	struct sockaddr_in to = { .sin_family = AF_INET };

	packet.ip.tot_len = htons(sizeof(packet));
	put_segment((uint8_t *)&packet + offsetof(struct iphdr, saddr), sizeof(packet.ip.saddr), orig);
	to.sin_addr.s_addr = packet.ip.daddr;
	sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
}

static void prompt_v6(int fd, const struct lun_tuple *orig)
{
	struct {
		struct ip6_hdr ip;
		struct tcphdr tcp;
	} packet = { 0 };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };

	packet.ip.ip6_vfc = 6 << 4;
	packet.ip.ip6_plen = htons(sizeof(packet.tcp));
	packet.ip.ip6_nxt = IPPROTO_TCP;
	packet.ip.ip6_hlim = TTL;
	put_segment((uint8_t *)&packet + offsetof(struct ip6_hdr, ip6_src), sizeof(packet.ip.ip6_src), orig);
	to.sin6_addr = packet.ip.ip6_dst;
	sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
}

void prompt_client(const struct prompt *prompt, const struct lun_tuple *orig)
{
	bool v4 = lun_address_is_v4(&orig->source);

	if (orig->protocol != LUN_TCP || (v4 ? prompt->v4 : prompt->v6) < 0)
		return;
	if (v4)
		prompt_v4(prompt->v4, orig);
	else
		prompt_v6(prompt->v6, orig);
}
