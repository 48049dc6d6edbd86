/* sctp.c - just enough SCTP (RFC 9260) on raw sockets for the tests, for kernels that have none.
 *
 *	sctp serve NAME					answers on every port; to data: "NAME SOURCE"
 *	sctp ask [-f PORT] [-w MS] [-k] ADDRESS PORT	opens an association, sends data, prints the answer
 *	sctp init PORT ADDRESS PORT			sends the INIT of another association, and waits for nothing
 *
 * `ask` waits for MS between opening and data; at the end it sends an ABORT, with -k nothing.  Exit status: 0 answered, 1 not
 * within a second, 2 a wrong argument, 3 refused by an ICMP error. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA, INIT, INIT_ACK, ABORT = 6, COOKIE_ECHO = 10, COOKIE_ACK };
enum { HEADER = 12, PACKET = 512, PATIENCE_MS = 1000, STATE_COOKIE = 7 };

struct packet {
	uint8_t bytes[PACKET];
	size_t length;
};

static uint32_t load(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void store(uint8_t *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* CRC32c of the packet with a checksum of zero, in the order in which it stands there (RFC 9260, appendix A). */
static uint32_t checksum(const struct packet *packet)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < packet->length; i++) {
		crc ^= i >= 8 && i < HEADER ? 0 : packet->bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return __builtin_bswap32(~crc);
}

static void begin(struct packet *packet, uint16_t from, uint16_t to, uint32_t tag)
{
	*packet = (struct packet) { .length = HEADER };
	store(packet->bytes, (uint32_t)from << 16 | to);
	store(packet->bytes + 4, tag);
}

/* A chunk with this value, padded to four bytes. */
static void put_chunk(struct packet *packet, uint8_t type, const void *value, size_t size)
{
	uint8_t *chunk = packet->bytes + packet->length;

	store(chunk, (uint32_t)type << 24 | (type == DATA ? 3u << 16 : 0) | (uint32_t)(size + 4));
	memcpy(chunk + 4, value, size);
	packet->length += (size + 4 + 3) / 4 * 4;
}

static void put_init(struct packet *packet, uint8_t type, uint32_t tag)
{
	uint8_t value[24] = { 0 };

	store(value, tag);
	store(value + 4, 65536);                   /* window */
	store(value + 8, 1u << 16 | 1);            /* streams */
	store(value + 12, 1);                      /* first sequence number */
	store(value + 16, STATE_COOKIE << 16 | 8); /* and a cookie, which nobody looks at */
	put_chunk(packet, type, value, type == INIT ? 16 : 24);
}

static void put_data(struct packet *packet, const char *text)
{
	uint8_t value[PACKET / 2] = { [3] = 1 };
	size_t length = strlen(text);

	memcpy(value + 12, text, length + 1);
	put_chunk(packet, DATA, value, 12 + length);
}

static void send_packet(int fd, struct packet *packet, const struct sockaddr *to, socklen_t size)
{
	store(packet->bytes + 8, checksum(packet));
	sendto(fd, packet->bytes, packet->length, 0, to, size);
}

/* Reads one packet without its IP header.  False if it is none, or not whole. */
static bool receive(int fd, struct packet *packet, struct sockaddr_storage *from, socklen_t *size)
{
	ssize_t length = recvfrom(fd, packet->bytes, PACKET, 0, (struct sockaddr *)from, size);
	size_t skip = 0;

	if (length > 0 && from->ss_family == AF_INET)
		skip = (size_t)((struct iphdr *)(void *)packet->bytes)->ihl * 4;
	if (length < (ssize_t)(skip + HEADER + 4))
		return false;
	packet->length = (size_t)length - skip;
	memmove(packet->bytes, packet->bytes + skip, packet->length);
	return checksum(packet) == load(packet->bytes + 8);
}

/* What a server answers; it keeps no state, so the client's tag comes back in its own. */
static void answer(int fd, const char *name)
{
	char address[INET6_ADDRSTRLEN], text[PACKET / 4];
	struct sockaddr_storage from;
	struct packet packet, reply;
	socklen_t size = sizeof(from);
	uint32_t tag;

	if (!receive(fd, &packet, &from, &size))
		return;
	tag = packet.bytes[HEADER] == INIT ? load(packet.bytes + HEADER + 4) : load(packet.bytes + 4);
	begin(&reply, (uint16_t)load(packet.bytes), (uint16_t)(load(packet.bytes) >> 16), tag);
	switch (packet.bytes[HEADER]) {
	case INIT:
		put_init(&reply, INIT_ACK, tag); /* both ends have the same tag */
		break;
	case COOKIE_ECHO:
		put_chunk(&reply, COOKIE_ACK, "", 0);
		break;
	case DATA:
		getnameinfo((struct sockaddr *)&from, size, address, sizeof(address), NULL, 0, NI_NUMERICHOST);
		snprintf(text, sizeof(text), "%s %s", name, address);
		put_data(&reply, text);
		break;
	default:
		return;
	}
	if (from.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&from)->sin6_port = 0;
	send_packet(fd, &reply, (struct sockaddr *)&from, size);
}

static void serve(const char *name)
{
	struct pollfd fds[] = { { .fd = socket(AF_INET, SOCK_RAW, IPPROTO_SCTP), .events = POLLIN },
				{ .fd = socket(AF_INET6, SOCK_RAW, IPPROTO_SCTP), .events = POLLIN } };

	for (;;) {
		poll(fds, 2, -1);
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				answer(fds[i].fd, name);
	}
}

static int connect_to(const char *address)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM }, *to;
	int fd;

	if (getaddrinfo(address, NULL, &hints, &to) != 0)
		exit(2);
	fd = socket(to->ai_family, SOCK_RAW, IPPROTO_SCTP);
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) < 0) {
		perror("sctp");
		exit(2);
	}
	freeaddrinfo(to);
	return fd;
}

/* Sends a packet and waits for an answer to its port that begins with this chunk. */
static void exchange(int fd, struct packet *packet, uint8_t wanted, uint16_t port)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	struct sockaddr_storage from = { 0 };
	socklen_t size = sizeof(from);

	send_packet(fd, packet, NULL, 0);
	while (poll(&readable, 1, PATIENCE_MS) > 0) {
		errno = 0;
		if (receive(fd, packet, &from, &size) && (uint16_t)load(packet->bytes) == port &&
		    packet->bytes[HEADER] == wanted)
			return;
		if (errno == ECONNREFUSED || errno == EPROTO || errno == EACCES)
			exit(3);
	}
	exit(1);
}

static int ask(const char *address, uint16_t from, uint16_t to, int wait_ms, bool keep)
{
	uint32_t tag = 0x10000u + from;
	struct packet packet;
	int fd = connect_to(address);

	begin(&packet, from, to, 0);
	put_init(&packet, INIT, tag);
	exchange(fd, &packet, INIT_ACK, from);
	begin(&packet, from, to, tag);
	put_chunk(&packet, COOKIE_ECHO, "oak", 4);
	exchange(fd, &packet, COOKIE_ACK, from);
	usleep((useconds_t)wait_ms * 1000);
	begin(&packet, from, to, tag);
	put_data(&packet, "?");
	exchange(fd, &packet, DATA, from);
	printf("%.*s\n", (int)(load(packet.bytes + HEADER) & 0xffff) - 16, (const char *)packet.bytes + HEADER + 16);
	begin(&packet, from, to, tag);
	put_chunk(&packet, ABORT, "", 0);
	if (!keep)
		send_packet(fd, &packet, NULL, 0);
	return 0;
}

static int send_init(const char *from, const char *address, const char *to)
{
	struct packet packet;

	begin(&packet, (uint16_t)atoi(from), (uint16_t)atoi(to), 0);
	put_init(&packet, INIT, 4711);
	send_packet(connect_to(address), &packet, NULL, 0);
	return 0;
}

int main(int argc, char **argv)
{
	int option, from = 40000, wait_ms = 0;
	bool keep = false;

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	if (argc == 5 && strcmp(argv[1], "init") == 0)
		return send_init(argv[2], argv[3], argv[4]);
	if (argc < 4 || strcmp(argv[1], "ask") != 0)
		return 2;
	argv++, argc--;
	while ((option = getopt(argc, argv, "f:w:k")) != -1) {
		if (option == '?')
			return 2;
		if (option == 'k')
			keep = true;
		else
			*(option == 'f' ? &from : &wait_ms) = atoi(optarg);
	}
	if (argc - optind != 2)
		return 2;
	return ask(argv[optind], (uint16_t)from, (uint16_t)atoi(argv[optind + 1]), wait_ms, keep);
}
