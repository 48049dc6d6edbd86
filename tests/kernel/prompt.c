/* prompt.c - what we believe about a client that only receives and whose connection the kernel has forgotten.  Prints one line for
 * each belief and fails if one is wrong.  prompt.sh makes the namespace, in which 10.96.0.10:80 and [fd96::10]:80 lead to port 8080
 * here, and what carries the mark 7 is answered by a reset. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVICE_PORT = 80, PORT = 8080, MARK = 7 };

static bool failed;

static void believe(bool true_here, const char *family, const char *what)
{
	printf("%s: %s: %s\n", true_here ? "ok" : "NOT SO", family, what);
	failed = failed || !true_here;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint16_t checksum(const uint8_t *bytes, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The TCP header behind its addresses, which its checksum covers. */
static void fill(uint8_t *addresses, size_t size, uint16_t client_port)
{
	struct tcphdr tcp = { .source = htons(SERVICE_PORT), .dest = client_port, .doff = 5, .syn = 1, .ack = 1 };

	memcpy(addresses + size, &tcp, sizeof(tcp));
	tcp.check = checksum(addresses, size + sizeof(tcp), IPPROTO_TCP + sizeof(tcp));
	memcpy(addresses + size, &tcp, sizeof(tcp));
}

/* A SYN/ACK with numbers that mean nothing, from the service to the client. */
static ssize_t prompt4(const struct sockaddr_in *service, const struct sockaddr_in *client)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} packet = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP } };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = client->sin_addr };

	packet.ip.saddr = service->sin_addr.s_addr;
	packet.ip.daddr = client->sin_addr.s_addr;
	packet.ip.tot_len = htons(sizeof(packet));
	fill((uint8_t *)&packet.ip.saddr, 8, client->sin_port);
	return sendto(socket(AF_INET, SOCK_RAW, IPPROTO_RAW), &packet, sizeof(packet), 0, (struct sockaddr *)&to,
		      sizeof(to));
}

static ssize_t prompt6(const struct sockaddr_in6 *service, const struct sockaddr_in6 *client)
{
	struct {
		struct ip6_hdr ip;
		struct tcphdr tcp;
	} packet = { .ip = { .ip6_src = service->sin6_addr, .ip6_dst = client->sin6_addr } };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = client->sin6_addr };

	packet.ip.ip6_vfc = 6 << 4;
	packet.ip.ip6_plen = htons(sizeof(packet.tcp));
	packet.ip.ip6_nxt = IPPROTO_TCP;
	packet.ip.ip6_hlim = 64;
	fill((uint8_t *)&packet.ip.ip6_src, 32, client->sin6_port);
	return sendto(socket(AF_INET6, SOCK_RAW, IPPROTO_RAW), &packet, sizeof(packet), 0, (struct sockaddr *)&to,
		      sizeof(to));
}

/* Does `conntrack -L` tell of the connection from this port? */
static bool is_tracked(const char *family, uint16_t client_port)
{
	char command[128];

	snprintf(command, sizeof(command), "conntrack -L -f %s -p tcp 2>/dev/null | grep -q 'port=%u '", family,
		 ntohs(client_port));
	return system(command) == 0;
}

static void try(const char *family, const struct sockaddr *service, socklen_t size, const struct sockaddr *server)
{
	struct timeval patience = { .tv_sec = 2 };
	struct sockaddr_storage own;
	socklen_t own_size = sizeof(own);
	int listener = socket(server->sa_family, SOCK_STREAM, 0), client = socket(server->sa_family, SOCK_STREAM, 0),
	    mark = MARK;
	bool v4 = server->sa_family == AF_INET;
	uint16_t client_port;
	ssize_t sent;
	char byte;

	if (bind(listener, server, size) < 0 || listen(listener, 1) < 0 || connect(client, service, size) < 0 ||
	    accept(listener, NULL, NULL) < 0 || getsockname(client, (struct sockaddr *)&own, &own_size) < 0)
		die("a connection to the service");
	client_port = v4 ? ((struct sockaddr_in *)&own)->sin_port : ((struct sockaddr_in6 *)&own)->sin6_port;
	setsockopt(client, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	believe(is_tracked(family, client_port), family, "the connection is in the kernel's table");
	if (system("conntrack -F >/dev/null 2>&1") != 0)
		die("conntrack");
	believe(recv(client, &byte, 1, 0) < 0 && errno == EAGAIN, family,
		"a client that only receives hears nothing of its end");
	sent = v4 ? prompt4((const struct sockaddr_in *)service, (struct sockaddr_in *)&own)
		  : prompt6((const struct sockaddr_in6 *)service, (struct sockaddr_in6 *)&own);
	believe(sent > 0, family, "a raw socket sends a SYN/ACK from an address that is not this host's");
	believe(recv(client, &byte, 1, 0) < 0 && errno == ECONNRESET, family,
		"the client answers it, whatever its numbers, and believes the reset that `reject` sends to that");
	believe(!is_tracked(family, client_port), family, "nothing of that is in the kernel's table");
	close(client);
}

int main(void)
{
	struct sockaddr_in service4 = { .sin_family = AF_INET, .sin_port = htons(SERVICE_PORT) }, server4 = service4;
	struct sockaddr_in6 service6 = { .sin6_family = AF_INET6, .sin6_port = htons(SERVICE_PORT) }, server6 = service6;

	inet_pton(AF_INET, "10.96.0.10", &service4.sin_addr);
	inet_pton(AF_INET6, "fd96::10", &service6.sin6_addr);
	inet_pton(AF_INET, "192.0.2.9", &server4.sin_addr);
	inet_pton(AF_INET6, "fd77::9", &server6.sin6_addr);
	server4.sin_port = server6.sin6_port = htons(PORT);
	try("ipv4", (struct sockaddr *)&service4, sizeof(service4), (struct sockaddr *)&server4);
	try("ipv6", (struct sockaddr *)&service6, sizeof(service6), (struct sockaddr *)&server6);
	return failed;
}
