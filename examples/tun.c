/* tun.c - the engine as a router of its own: packets come out of a TUN device, are translated and edited, and go back in.
 *
 *	tun POLICY DEVICE
 *
 * No conntrack, no queue, no firewall rule: whoever routes the packets of both directions into the device has them
 * translated.  Unlike `lunette run` it edits HTTP heads; it also sees every packet, which costs.  capture.sh uses it and
 * shows the routes.  A head that grows beyond the path's MTU is lost: nothing is split here. */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <lunette/lua.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static int device_open(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int device = open("/dev/net/tun", O_RDWR);

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

/* What cannot be sent is lost, as on any other router. */
static void forward(int device, const uint8_t *data, uint32_t length)
{
	if (write(device, data, length) < 0)
		perror("a packet is lost");
}

static void route(struct lun_engine *engine, int device)
{
	static uint8_t data[UINT16_MAX];
	struct lun_event event;
	ssize_t length;

	while ((length = read(device, data, sizeof(data))) > 0) {
		struct lun_packet packet = { .data = data, .length = (uint32_t)length, .capacity = sizeof(data) };

		lun_engine_packets(engine, &packet, 1, now());
		if (packet.verdict == LUN_ACCEPT)
			forward(device, packet.data, packet.length);
		while (lun_engine_next_event(engine, &event))
			if (event.kind == LUN_EVENT_EMIT)
				forward(device, event.data, event.length);
	}
}

int main(int argc, char **argv)
{
	struct lun_config config = { .size = sizeof(config), .seed = { now(), (uint64_t)getpid() } };
	struct lun_policy *policy = NULL;
	struct lun_engine *engine = NULL;
	struct lun_error error;
	int device;

	if (argc != 3)
		return fprintf(stderr, "usage: tun POLICY DEVICE\n"), 2;
	if (lun_lua_policy_load(&policy, argv[1], NULL, &error) < 0 ||
	    lun_engine_new(&engine, &config, policy, &error) < 0) {
		lun_policy_unref(policy);
		return fprintf(stderr, "%s\n", error.text), 1;
	}
	device = device_open(argv[2]);
	if (device >= 0)
		route(engine, device);
	lun_engine_free(engine);
	lun_policy_unref(policy);
	return 1; /* the device is gone */
}
