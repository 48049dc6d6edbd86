/* embed_tun.c - the engine with packets and a clock of one's own: a router in user space that translates and edits.
 *
 *	embed_tun POLICY CLIENTS [SERVERS]
 *
 * CLIENTS and SERVERS are TUN devices: what comes out of one goes into the other, or back, if there is only one.  No conntrack, no queue,
 * no firewall rule: whoever routes packets into the devices has them translated.  All that an embedder does is here: read a batch,
 * hand it over with the time, send what is accepted, send what the engine itself has to say, wake up when it wants to.
 *
 * A head that grows beyond the path's MTU is lost: nothing is split here. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <lunette/lua.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 32 };

struct router {
	struct lun_engine *engine;
	struct pollfd devices[2]; /* of the clients, of the servers */
	nfds_t count;
};

static int device_open(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) {
		perror(name);
		return -1;
	}
	return device;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* To the side of the clients, or of the servers.  What cannot be sent is lost, as on any other router. */
static void forward(const struct router *router, enum lun_side side, const uint8_t *data, uint32_t length)
{
	if (write(router->devices[side == LUN_SIDE_UPSTREAM ? router->count - 1 : 0].fd, data, length) < 0)
		perror("a packet is lost");
}

static void forward_emitted(const struct router *router)
{
	struct lun_event event;

	while (lun_engine_next_event(router->engine, &event))
		if (event.kind == LUN_EVENT_EMIT)
			forward(router, event.side, event.data, event.length);
}

/* What waits at a device, a batch at most; the rest is there at the next turn. */
static size_t receive(int device, struct lun_packet packets[BATCH])
{
	static uint8_t data[BATCH][UINT16_MAX];
	size_t count = 0;
	ssize_t length;

	while (count < BATCH && (length = read(device, data[count], sizeof(data[count]))) > 0) {
		packets[count] = (struct lun_packet) { .data = data[count],
						       .length = (uint32_t)length,
						       .capacity = sizeof(data[count]) };
		count++;
	}
	return count;
}

static void route(const struct router *router, nfds_t from)
{
	enum lun_side to = from == 0 ? LUN_SIDE_UPSTREAM : LUN_SIDE_CLIENT;
	struct lun_packet packets[BATCH];
	size_t count = receive(router->devices[from].fd, packets);

	lun_engine_packets(router->engine, packets, count, now());
	for (size_t i = 0; i < count; i++)
		if (packets[i].verdict == LUN_ACCEPT)
			forward(router, to, packets[i].data, packets[i].length);
	forward_emitted(router);
}

static void on_signal(int number)
{
	(void)number; /* that it came is enough: ppoll ends */
}

/* Until a signal comes, or a device goes.  Signals come nowhere else than in ppoll. */
static void serve(struct router *router)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked, before;
	uint64_t due = UINT64_MAX;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	for (;;) {
		uint64_t time = now(), wait = due > time ? due - time : 0;
		struct timespec left = { .tv_sec = (time_t)(wait / 1000000000), .tv_nsec = (long)(wait % 1000000000) };

		if (ppoll(router->devices, router->count, due == UINT64_MAX ? NULL : &left, &before) < 0)
			break;
		for (nfds_t i = 0; i < router->count; i++) {
			if (router->devices[i].revents & ~POLLIN)
				return;
			if (router->devices[i].revents)
				route(router, i);
		}
		due = lun_engine_tick(router->engine, now());
		forward_emitted(router);
	}
}

int main(int argc, char **argv)
{
	struct lun_config config = { .size = sizeof(config), .seed = { now(), (uint64_t)getpid() } };
	struct router router = { .engine = NULL };
	struct lun_policy *policy = NULL;
	struct lun_error error;

	if (argc != 3 && argc != 4)
		return fprintf(stderr, "usage: embed_tun POLICY CLIENTS [SERVERS]\n"), 2;
	if (lun_lua_policy_load(&policy, argv[1], NULL, &error) < 0 ||
	    lun_engine_new(&router.engine, &config, policy, &error) < 0) {
		lun_policy_unref(policy);
		return fprintf(stderr, "%s\n", error.text), 1;
	}
	for (int i = 2; i < argc && router.count == (nfds_t)i - 2; i++) {
		router.devices[i - 2] = (struct pollfd) { .fd = device_open(argv[i]), .events = POLLIN };
		router.count += router.devices[i - 2].fd >= 0;
	}
	if (router.count == (nfds_t)argc - 2) {
		fprintf(stderr, "routing\n");
		serve(&router);
	}
	for (nfds_t i = 0; i < router.count; i++)
		close(router.devices[i].fd);
	lun_engine_free(router.engine);
	lun_policy_unref(policy);
	return router.count == (nfds_t)argc - 2 ? 0 : 1;
}
