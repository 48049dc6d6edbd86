/* balance.c - see balance.h.
 *
 * Weights are kept as sums, so that a number below the weight of all finds its endpoint by bisection.  Round robin walks through
 * these numbers in steps of about 0.618 of all, coprime to it: each comes once in a round, and the numbers of a heavy endpoint do
 * not come in a row. */
#include "balance/balance.h"

#include <math.h>

/* What stands before the first endpoint of the list, and the weight of all. */
static uint32_t sum_before(const struct balance *balance)
{
	return balance->endpoints[0].weight_sum - balance->endpoints[0].weight;
}

static uint32_t weight_of_all(const struct balance *balance)
{
	return balance->endpoints[balance->count - 1].weight_sum - sum_before(balance);
}

/* The endpoint that number `at`, below the weight of all, belongs to. */
static uint32_t endpoint_at(const struct balance *balance, uint32_t at)
{
	uint32_t low = 0, high = balance->count - 1;

	at += sum_before(balance);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (at < balance->endpoints[middle].weight_sum)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static uint32_t greatest_common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static uint32_t take_turn(const struct balance *balance)
{
	uint32_t all = weight_of_all(balance), turn = balance->state->position++, step = (uint32_t)(all * 0.618) | 1;

	if (all == balance->count)
		return turn % all;
	while (greatest_common_divisor(step, all) != 1)
		step++;
	return endpoint_at(balance, (uint32_t)((uint64_t)(turn % all) * step % all));
}

/* ---- by the client's address ---- */

static uint32_t look_up(const struct balance *balance)
{
	return balance->table[XXH3_64bits_withSeed(balance->client, sizeof(*balance->client), balance->seed) % MAGLEV_SIZE];
}

/* Rendezvous hashing: each endpoint draws a number from the client's address and its own, and the least one wins.  Divided by
 * its weight, the logarithm of a uniform number is the least with a probability that goes by weight. */
static uint32_t meet(const struct balance *balance)
{
	struct {
		struct lun_address client, endpoint;
		uint8_t port[2];
	} pair = { .client = *balance->client };
	double least = INFINITY;
	uint32_t winner = 0;

	for (uint32_t i = 0; i < balance->count; i++) {
		const struct endpoint *endpoint = &balance->endpoints[i];
		double drawn;

		pair.endpoint = endpoint->address;
		pair.port[0] = (uint8_t)(endpoint->port >> 8);
		pair.port[1] = (uint8_t)endpoint->port;
		drawn = ((double)(XXH3_64bits_withSeed(&pair, sizeof(pair), balance->seed) >> 11) + 0.5) * 0x1p-53;
		drawn = -log(drawn) / endpoint->weight;
		if (drawn < least) {
			least = drawn;
			winner = i;
		}
	}
	return winner;
}

/* ---- by load ---- */

/* The order of loads: flows that there would be, by weight.  Whether `a` has less than `b`, in whole numbers. */
static bool less_loaded(const struct balance *balance, uint32_t a, uint32_t b)
{
	const struct balance_load *x = (const void *)(balance->loads + balance->slots[a] * balance->stride);
	const struct balance_load *y = (const void *)(balance->loads + balance->slots[b] * balance->stride);

	return (x->flows + 1ull) * balance->endpoints[b].weight < (y->flows + 1ull) * balance->endpoints[a].weight;
}

/* The least loaded endpoint; of several the one at place `tie` among them.  *ties: how many there are. */
static uint32_t least_loaded(const struct balance *balance, uint32_t tie, uint32_t *ties)
{
	uint32_t least = 0, found = 0;

	*ties = 1;
	for (uint32_t i = 1; i < balance->count; i++) {
		if (less_loaded(balance, i, least)) {
			least = i;
			*ties = 1;
		} else if (!less_loaded(balance, least, i)) {
			++*ties;
		}
	}
	for (uint32_t i = least; tie > 0 && i < balance->count; i++)
		if (!less_loaded(balance, least, i) && found++ == tie)
			return i;
	return least;
}

static uint32_t choose_by_load(const struct balance *balance)
{
	uint32_t ties, least = least_loaded(balance, 0, &ties);

	return ties == 1 ? least : least_loaded(balance, random_below(balance->random, ties), &ties);
}

/* ---- all of them ---- */

uint32_t balance_choose(const struct balance *balance)
{
	uint32_t all = weight_of_all(balance), drawn;

	switch (balance->kind) {
	case LUN_BALANCE_ROUND_ROBIN:
		return take_turn(balance);
	case LUN_BALANCE_LEAST_CONNECTIONS:
		return choose_by_load(balance);
	case LUN_BALANCE_MAGLEV:
		return look_up(balance);
	case LUN_BALANCE_SOURCE_HASH:
		return meet(balance);
	case LUN_BALANCE_RANDOM:
		break;
	}
	drawn = random_below(balance->random, all);
	return all == balance->count ? drawn : endpoint_at(balance, drawn);
}

void balance_shares(const struct balance *balance, double *shares)
{
	bool drawn = balance->kind == LUN_BALANCE_RANDOM || balance->kind == LUN_BALANCE_ROUND_ROBIN;
	uint32_t ties, least;

	for (uint32_t i = 0; i < balance->count; i++)
		shares[i] = drawn ? (double)balance->endpoints[i].weight / weight_of_all(balance) : 0;
	if (balance->kind == LUN_BALANCE_LEAST_CONNECTIONS) {
		least = least_loaded(balance, 0, &ties);
		for (uint32_t i = 0; i < balance->count; i++)
			shares[i] = less_loaded(balance, least, i) ? 0 : 1.0 / ties;
	} else if (!drawn) {
		shares[balance_choose(balance)] = 1;
	}
}

const char *balance_name(enum lun_balance kind)
{
	static const char *const names[] = { "random", "round robin", "least connections", "maglev", "source hash" };

	return names[kind];
}
