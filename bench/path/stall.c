/* stall.c - how long a single call keeps a packet waiting while all flows end at once: because their time is over, or because the
 * service that they go to has no endpoint any more.
 *
 * The bound is about the longest call.  But an interrupt, and what else the machine does, is in a thread's CPU time too; so the same
 * calls are made some times over, which with the same seed do the same work, and each counts with its shortest time. */
#include "load.h"

#include <stdlib.h>
#include <string.h>

const char *const stall_names[STALLS] = { "packet", "batch", "tick", "swap" };

static const uint64_t past_every_timeout = 5ull * 24 * 3600 * 1000000000; /* ns */

static uint64_t flows_ended(const struct load *load)
{
	struct lun_stats stats;

	lun_engine_stats(load->engine, &stats);
	return stats.flows_opened - stats.flows;
}

/* The time of one call; those with packets open flows meanwhile, as on a node that is flooded. */
static uint64_t one_call(struct load *load, enum stall stall)
{
	uint64_t start;

	load_build_new(load);
	start = cpu_ns();
	if (stall == STALL_TICK)
		lun_engine_tick(load->engine, load->now);
	else
		lun_engine_packets(load->engine, load->batch, stall == STALL_PACKET ? 1 : LOAD_BATCH, load->now);
	return cpu_ns() - start;
}

/* The time of a change to a policy whose service has no endpoint; what making and ending policies takes is not in it, for that
 * need not be done by the thread of the engine. */
static uint64_t swap(struct load *load)
{
	struct lun_policy *old = load->policy;
	uint64_t start, taken;

	load->policy = load_policy_new(load->scenario, 0);
	start = cpu_ns();
	if (lun_engine_set_policy(load->engine, load->policy) < 0)
		die("the policy was refused");
	taken = cpu_ns() - start;
	lun_policy_unref(old);
	return taken;
}

static void shorten(uint64_t *time, uint64_t other)
{
	if (other < *time)
		*time = other;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Ends all flows of a load, and keeps the shorter of each call's time and what was measured before. */
static uint32_t run(struct load *load, enum stall stall, uint64_t *times, uint32_t room)
{
	uint32_t count = 0;

	if (stall == STALL_SWAP)
		shorten(&times[count++], swap(load));
	else
		load->now += past_every_timeout;
	while (flows_ended(load) < load->flows && count < room)
		shorten(&times[count++], one_call(load, stall));
	if (flows_ended(load) < load->flows)
		die("flows did not end");
	return count;
}

struct stall_result measure_stall(const struct scenario *scenario, uint32_t flows, enum stall stall, uint32_t runs)
{
	uint32_t room = flows + 4096, count = 0; /* every call ends one flow at least */
	uint64_t *times = malloc(room * sizeof(*times));
	struct stall_result result;

	if (!times)
		die("out of memory");
	memset(times, 0xff, room * sizeof(*times));
	for (uint32_t i = 0; i < runs; i++) {
		struct load load;

		load_init(&load, scenario, flows);
		load_establish(&load);
		count = run(&load, stall, times, room);
		load_fini(&load);
	}
	qsort(times, count, sizeof(*times), by_time);
	result = (struct stall_result) { .calls = count,
					 .median_us = (double)times[count / 2] / 1000,
					 .longest_us = (double)times[count - 1] / 1000 };
	free(times);
	return result;
}
