/* probe - packets that curl does not send: UDP echo and ping, both families.
 *
 *	probe serve PORT                       answers each datagram with its own bytes
 *	probe udp ADDRESS PORT SIZE            asks with SIZE bytes
 *	probe ping ADDRESS SIZE
 *	probe flood ADDRESS PORT COUNT         sends COUNT datagrams, each from another port, and waits for nothing
 *
 * A question prints "SIZE bytes" if the same bytes came back from where they went, "refused" for an ICMP error, or "silence"
 * after a second. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST = 65536 };

static uint8_t sent[LONGEST], got[LONGEST];

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static struct sockaddr_in6 address_of(const char *text, int port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	if (inet_pton(AF_INET6, mapped, &address.sin6_addr) != 1)
		die(text);
	return address;
}

/* Both families come in by one socket, and answers leave from the address that was asked. */
static void serve(int port)
{
	struct sockaddr_in6 address = address_of("::", port), from;
	uint8_t control[256];
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), on = 1;

	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("bind");
	for (;;) {
		struct iovec bytes = { got, sizeof(got) };
		struct msghdr message = { &from, sizeof(from), &bytes, 1, control, sizeof(control), 0 };
		ssize_t length = recvmsg(fd, &message, 0);

		if (length < 0)
			continue;
		bytes.iov_len = (size_t)length;
		sendmsg(fd, &message, 0);
	}
}

static void report(ssize_t length, size_t size, const uint8_t *bytes)
{
	if (length < 0)
		puts(errno == ECONNREFUSED || errno == EHOSTUNREACH ? "refused"
		     : errno == EAGAIN                              ? "silence"
								    : strerror(errno));
	else if ((size_t)length == size && memcmp(bytes, sent, size) == 0)
		printf("%zu bytes\n", size);
	else
		printf("%zd other bytes\n", length);
}

/* Sends and waits for what comes back, over a socket that is to talk to this address alone. */
static ssize_t ask(int fd, const struct sockaddr *to, socklen_t to_size, size_t size)
{
	const struct timeval patience = { .tv_sec = 1 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, to, to_size) < 0)
		die("connect");
	if (send(fd, sent, size, 0) < 0)
		die("send");
	return recv(fd, got, sizeof(got), 0);
}

static void ask_udp(const char *text, int port, size_t size)
{
	struct sockaddr_in6 to = address_of(text, port);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	report(ask(fd, (struct sockaddr *)&to, sizeof(to), size), size, got);
}

static uint16_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* A request of `size` bytes with its ICMP header, under an identifier of this process.  A raw socket sees requests to this host,
 * too. */
static void ask_ping(const char *text, size_t size)
{
	struct sockaddr_in6 to = address_of(text, 0);
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_addr.s_addr = to.sin6_addr.s6_addr32[3] };
	bool v4 = IN6_IS_ADDR_V4MAPPED(&to.sin6_addr);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_RAW, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	size_t header = v4 ? 20 : 0; /* IP's, which is received over IPv4 */
	ssize_t length;
	uint16_t sum, identifier = (uint16_t)getpid();

	memset(sent, 0, 4);
	memcpy(sent + 4, &identifier, 2);
	sent[0] = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	sum = v4 ? checksum(sent, size) : 0; /* the kernel does it over IPv6 */
	memcpy(sent + 2, &sum, 2);
	length =
		v4 ? ask(fd, (struct sockaddr *)&to4, sizeof(to4), size) : ask(fd, (struct sockaddr *)&to, sizeof(to), size);
	sent[0] = v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
	while (length >= 0 && got[header] != sent[0])
		length = recv(fd, got, sizeof(got), 0);
	memcpy(sent + 2, got + header + 2, 2); /* its checksum is another one */
	report(length < 0 ? length : length - (ssize_t)header, size, got + header);
}

static void flood(const char *text, int port, int count)
{
	enum { FIRST_PORT = 10000, PORTS = 50000 };
	struct sockaddr_in6 to = address_of(text, port), own = { .sin6_family = AF_INET6 };

	for (int i = 0; i < count; i++) {
		int fd = socket(AF_INET6, SOCK_DGRAM, 0);

		own.sin6_port = htons((uint16_t)(FIRST_PORT + i % PORTS));
		if (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 ||
		    sendto(fd, sent, 20, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			die("flood");
		close(fd);
	}
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + i / 251);
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	else if (argc == 5 && strcmp(argv[1], "udp") == 0)
		ask_udp(argv[2], atoi(argv[3]), (size_t)atoi(argv[4]));
	else if (argc == 5 && strcmp(argv[1], "flood") == 0)
		flood(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (argc == 4 && strcmp(argv[1], "ping") == 0)
		ask_ping(argv[2], (size_t)atoi(argv[3]));
	else
		return 2;
	return 0;
}
