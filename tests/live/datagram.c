/* datagram.c - UDP for the tests.
 *
 *	datagram serve NAME PORT...			answers each datagram: "NAME SOURCE TEXT"
 *	datagram ask [-f PORT] [-n COUNT] [-g MS] ADDRESS PORT
 *
 * `ask` sends COUNT datagrams (1) from one socket, at once or with gaps, waits a second at most for as many answers,
 * and prints the different ones, each "COUNT NAME SOURCE".  Exit status: 0 every datagram has its answer, 1 some have not, 2 a
 * wrong argument, 3 refused by an ICMP error. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TEXT = 512, MOST_ANSWERS = 16, PATIENCE_MS = 1000, SERVED_PORTS = 16 };

static int listen_on(const char *port)
{
	struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), both = 0;

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0) {
		perror("datagram: bind");
		exit(1);
	}
	return fd;
}

static void answer(int fd, const char *name)
{
	char text[TEXT + 1], source[INET6_ADDRSTRLEN], reply[TEXT * 2];
	struct sockaddr_in6 from;
	socklen_t size = sizeof(from);
	ssize_t length = recvfrom(fd, text, TEXT, 0, (struct sockaddr *)&from, &size);

	if (length < 0)
		return; /* an ICMP error about an answer */
	text[length] = 0;
	inet_ntop(AF_INET6, &from.sin6_addr, source, sizeof(source));
	snprintf(reply, sizeof(reply), "%s %s %s", name,
		 IN6_IS_ADDR_V4MAPPED(&from.sin6_addr) ? source + strlen("::ffff:") : source, text);
	sendto(fd, reply, strlen(reply), 0, (struct sockaddr *)&from, size);
}

static void serve(const char *name, char **ports, int count)
{
	struct pollfd fds[SERVED_PORTS];

	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd) { .fd = listen_on(ports[i]), .events = POLLIN };
	for (;;) {
		poll(fds, (nfds_t)count, -1);
		for (int i = 0; i < count; i++)
			if (fds[i].revents)
				answer(fds[i].fd, name);
	}
}

static int connect_to(const char *address, const char *port, int from)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM }, *to;
	struct sockaddr_storage here = { 0 };
	int fd, again = 1;

	if (getaddrinfo(address, port, &hints, &to) != 0)
		exit(2);
	fd = socket(to->ai_family, SOCK_DGRAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &again, sizeof(again));
	here.ss_family = (sa_family_t)to->ai_family;
	((struct sockaddr_in *)&here)->sin_port = htons((uint16_t)from); /* at the same place in IPv6's */
	if (bind(fd, (struct sockaddr *)&here, to->ai_addrlen) < 0 || connect(fd, to->ai_addr, to->ai_addrlen) < 0) {
		perror("datagram: connect");
		exit(2);
	}
	freeaddrinfo(to);
	return fd;
}

static char answers[MOST_ANSWERS][TEXT * 2];
static int times[MOST_ANSWERS];

static void count_answer(char *text)
{
	int i = 0;

	*strrchr(text, ' ') = 0; /* the text that was sent */
	while (i < MOST_ANSWERS - 1 && answers[i][0] && strcmp(answers[i], text) != 0)
		i++;
	strcpy(answers[i], text);
	times[i]++;
}

/* Takes what comes until `wanted` answers are there or it has been quiet for so long; returns how many.  Refused: -1. */
static int receive(int fd, int wanted, int patience_ms)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char text[TEXT * 2];
	int got = 0;

	while (got < wanted && poll(&readable, 1, patience_ms) > 0) {
		ssize_t length = recv(fd, text, sizeof(text) - 1, 0);

		if (length < 0)
			return -1;
		text[length] = 0;
		count_answer(text);
		got++;
	}
	return got;
}

static int ask(int fd, int count, int gap_ms)
{
	int got = 0, more;
	char text[32];

	for (int i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "%d", i);
		if (send(fd, text, strlen(text), 0) < 0)
			return errno == ECONNREFUSED ? 3 : 1;
		more = gap_ms || i + 1 == count ? receive(fd, i + 1 - got, i + 1 == count ? PATIENCE_MS : gap_ms) : 0;
		if (more < 0)
			return 3;
		got += more;
		if (gap_ms && more && i + 1 < count)
			usleep((useconds_t)gap_ms * 1000);
	}
	for (int i = 0; i < MOST_ANSWERS && answers[i][0]; i++)
		printf("%d %s\n", times[i], answers[i]);
	return got == count ? 0 : 1;
}

int main(int argc, char **argv)
{
	int option, from = 0, count = 1, gap_ms = 0;

	if (argc > 3 && argc <= 3 + SERVED_PORTS && strcmp(argv[1], "serve") == 0)
		serve(argv[2], argv + 3, argc - 3);
	if (argc < 4 || strcmp(argv[1], "ask") != 0)
		return 2;
	argv++, argc--;
	while ((option = getopt(argc, argv, "f:n:g:")) != -1) {
		if (option == '?')
			return 2;
		*(option == 'f' ? &from : option == 'n' ? &count : &gap_ms) = atoi(optarg);
	}
	if (argc - optind != 2)
		return 2;
	return ask(connect_to(argv[optind], argv[optind + 1], from), count, gap_ms);
}
