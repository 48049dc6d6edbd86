/* carried.c - what the kernel carries.
 *
 * Once a flow is committed nothing of it comes to user space, and events of the kernel's table cost more than they tell.
 * So the entries with our mark are listed once a second: what is found gives the real reply tuple, the state, the time
 * left, and what the kernel counted; what two whole lists did not hold, ended.  Two, because an entry that moves in the
 * table while it is walked can be missed.  A list that takes long is asked for less often: nine tenths of the time belong
 * to others.
 *
 * When a flow was last seen stands in a table of its own (open addressing), swept after each list.  Every step is bounded:
 * a read is at most NETLINK_BUFFER bytes, a sweep step SWEEP_SLOTS. */
#include "live/carried.h"
#include "live/fail.h"
#include "live/live.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
	DUMP_INTERVAL_MS = 1000,
	DUMP_SHARE = 10,
	NS_PER_MS = 1000000,
	DUMPS_TO_MISS = 2,
	SWEEP_SLOTS = 16384,
	ADOPT_TIMEOUT_MS = 10000
};

int carried_open(struct carried *carried, uint32_t flows, struct lun_error *error)
{
	carried->capacity = 1024;
	while (carried->capacity < (size_t)flows * 2)
		carried->capacity *= 2;
	carried->sightings = calloc(carried->capacity, sizeof(*carried->sightings));
	if (!carried->sightings)
		return live_fail(error, LUN_NO_MEMORY, "no memory for %u flows", flows);
	return netlink_open(&carried->netlink, NETLINK_NETFILTER, error);
}

void carried_close(struct carried *carried)
{
	netlink_close(&carried->netlink);
	free(carried->sightings);
	carried->sightings = NULL;
}

static size_t home_of(const struct carried *carried, uint64_t flow)
{
	return (flow * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (carried->capacity - 1);
}

void carried_expect(struct carried *carried, uint64_t flow)
{
	size_t slot = home_of(carried, flow);

	while (carried->sightings[slot].flow && carried->sightings[slot].flow != flow)
		slot = (slot + 1) & (carried->capacity - 1);
	if (!carried->sightings[slot].flow) {
		if (carried->count + carried->capacity / 8 > carried->capacity)
			return; /* never full: then only the engine's own timer ends the flow */
		carried->count++;
	}
	carried->sightings[slot] = (struct sighting) { flow, carried->dump };
}

/* Takes a sighting out and moves up what was behind it, so that no gap ends a search too early. */
static void forget(struct carried *carried, size_t hole)
{
	size_t mask = carried->capacity - 1;

	carried->count--;
	for (size_t slot = (hole + 1) & mask; carried->sightings[slot].flow; slot = (slot + 1) & mask) {
		size_t home = home_of(carried, carried->sightings[slot].flow);

		if (((slot - home) & mask) >= ((slot - hole) & mask)) {
			carried->sightings[hole] = carried->sightings[slot];
			hole = slot;
		}
	}
	carried->sightings[hole].flow = 0;
}

static void report(struct lun_live *live, enum lun_event_kind kind, uint64_t flow, const struct conntrack_entry *entry,
		   uint64_t now)
{
	struct lun_event event = { .kind = kind, .flow = flow };

	if (entry) {
		event.orig = entry->orig;
		event.reply = entry->reply;
		event.state = entry->state;
		event.timeout = entry->timeout;
		memcpy(event.packets, entry->packets, sizeof(event.packets));
		memcpy(event.bytes, entry->bytes, sizeof(event.bytes));
	}
	lun_engine_event(live->engine, &event, now);
}

/* A flow of an earlier agent, or one that we forgot while it lives. */
static bool adopt(struct lun_live *live, const struct conntrack_entry *entry, uint64_t now, struct lun_flow *flow)
{
	*flow = (struct lun_flow) { .orig = entry->orig, .reply = entry->reply, .state = entry->state };
	flow->expires = entry->timeout;
	flow->translated = !(entry->mark & CONNTRACK_PLAIN);
	flow->masquerade = memcmp(&entry->reply.destination, &entry->orig.source, sizeof(entry->orig.source)) != 0;
	if (!conntrack_is_alive(entry) || lun_flow_import(live->engine, flow, now) < 0 ||
	    lun_flow_find(live->engine, &entry->orig, flow) < 0)
		return false;
	live->stats.adopted++;
	return true;
}

/* Takes what an entry says that was looked up not before `since`.  Of a flow that is younger it may say nothing: it may be that of the
 * flow before, with the same client's port. */
static void sight(struct lun_live *live, const struct conntrack_entry *entry, uint64_t since, uint64_t now)
{
	struct lun_flow flow;

	if (lun_flow_find(live->engine, &entry->orig, &flow) < 0) {
		if (!adopt(live, entry, now, &flow))
			return;
	} else if (flow.age < now - since + NS_PER_MS) {
		return;
	}
	if (memcmp(&flow.orig, &entry->orig, sizeof(flow.orig)) != 0)
		return;
	if (flow.owner < LUN_OWNER_KERNEL || memcmp(&flow.reply, &entry->reply, sizeof(flow.reply)) != 0)
		report(live, LUN_EVENT_CONFIRMED, flow.id, entry, now);
	report(live, LUN_EVENT_STATE, flow.id, entry, now);
	carried_expect(&live->carried, flow.id);
}

void carried_sight(struct lun_live *live, const struct conntrack_entry *entry, uint64_t now)
{
	sight(live, entry, now + NS_PER_MS, now);
}

/* Reads once.  Returns 1 when the list is complete, 0 if more is to come, or a negative errno. */
static int read_part(struct lun_live *live, uint64_t now)
{
	struct carried *carried = &live->carried;
	const struct nlmsghdr *message = (const struct nlmsghdr *)carried->netlink.buffer;
	struct conntrack_entry entry;
	int length = netlink_read(&carried->netlink);

	if (length < 0)
		return length;
	for (; netlink_holds(message, length); message = mnl_nlmsg_next(message, &length)) {
		if (message->nlmsg_seq != carried->netlink.sequence)
			continue;
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		if (conntrack_parse(message, &entry) && conntrack_is_ours(&entry))
			sight(live, &entry, carried->asked_at, now);
	}
	return 0;
}

int carried_adopt(struct lun_live *live, uint64_t now, struct lun_error *error)
{
	struct pollfd readable = { .fd = live->carried.netlink.fd, .events = POLLIN };
	int part = conntrack_dump(&live->carried.netlink);

	while (part == 0) {
		int ready = poll(&readable, 1, ADOPT_TIMEOUT_MS);

		if (ready > 0)
			part = read_part(live, now);
		else if (ready == 0 || errno != EINTR)
			part = -ETIMEDOUT;
	}
	if (part == -EINVAL || part == -EOPNOTSUPP || part == -EIO)
		return live_fail(error, LUN_UNSUPPORTED, "this kernel cannot list its conntrack (CONFIG_NF_CT_NETLINK): %s",
				 strerror(-part));
	return part < 0 ? live_fail(error, LUN_SYSTEM, "listing the kernel's conntrack: %s", strerror(-part)) : 0;
}

/* Ends what was not seen for too long, among the next slots.  False when all were looked at. */
static bool sweep(struct lun_live *live, uint64_t now)
{
	struct carried *carried = &live->carried;

	for (int steps = 0; steps < SWEEP_SLOTS && carried->swept < carried->capacity; steps++) {
		struct sighting *sighting = &carried->sightings[carried->swept];

		if (sighting->flow && carried->dump - sighting->dump >= DUMPS_TO_MISS) {
			report(live, LUN_EVENT_ENDED, sighting->flow, NULL, now);
			forget(carried, carried->swept); /* another one may be here now */
		} else {
			carried->swept++;
		}
	}
	return carried->swept < carried->capacity;
}

uint64_t carried_proceed(struct lun_live *live, uint64_t now)
{
	struct carried *carried = &live->carried;

	if (carried->state == CARRIED_SWEEPING) {
		if (sweep(live, now))
			return 1;
		carried->state = CARRIED_IDLE;
	} else if (carried->state == CARRIED_IDLE && conntrack_dump(&carried->netlink) == 0) {
		carried->dump++;
		carried->asked_at = now;
		carried->state = CARRIED_LISTING;
	}
	return DUMP_INTERVAL_MS + carried->took / NS_PER_MS * DUMP_SHARE;
}

void carried_read(struct lun_live *live, uint64_t now)
{
	struct carried *carried = &live->carried;
	int part = read_part(live, now);

	if (part == 0 || carried->state != CARRIED_LISTING)
		return;
	/* A list that broke off is not held against anybody. */
	if (part < 0)
		carried->dump--;
	carried->swept = 0;
	carried->took = now - carried->asked_at;
	carried->state = part < 0 ? CARRIED_IDLE : CARRIED_SWEEPING;
}
