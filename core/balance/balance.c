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

/* ---- weights now ---- */

static const struct balance_load *load_of(const struct balance *balance, uint32_t index)
{
	return balance->slots ? (const void *)(balance->loads + balance->slots[index] * balance->stride) : NULL;
}

/* 0: it gets none. */
static double weight_now(const struct balance *balance, uint32_t index)
{
	const struct balance_load *load = load_of(balance, index);
	double weight = balance->endpoints[index].weight;
	uint64_t age;

	if (balance->avoids && index == balance->avoided)
		return 0;
	if (!load)
		return weight;
	if (!balance->tireless && load->rests_until > balance->now)
		return 0;
	age = balance->now - load->since;
	if (age >= balance->slow_start)
		return weight;
	return age * 10 < balance->slow_start ? weight / 10 : weight * (double)age / (double)balance->slow_start;
}

/* Whether some weight is not what it was declared to be. */
static bool is_adjusted(const struct balance *balance)
{
	bool adjusted = balance->avoids;

	if (!balance->slots)
		return adjusted;
	for (uint32_t i = 0; !adjusted && i < balance->count; i++)
		adjusted = weight_now(balance, i) != balance->endpoints[i].weight;
	return adjusted;
}

static double weight_of_all_now(const struct balance *balance)
{
	double all = 0;

	for (uint32_t i = 0; i < balance->count; i++)
		all += weight_now(balance, i);
	return all;
}

/* One at random, by what weights are now. */
static uint32_t draw_now(const struct balance *balance)
{
	double at = (double)(random_next(balance->random) >> 11) * 0x1p-53 * weight_of_all_now(balance);
	uint32_t last = 0;

	for (uint32_t i = 0; i < balance->count; i++) {
		double weight = weight_now(balance, i);

		if (weight <= 0)
			continue;
		last = i;
		at -= weight;
		if (at < 0)
			break;
	}
	return last;
}

/* ---- by the client's address ---- */

static uint32_t look_up(const struct balance *balance)
{
	uint64_t hash = XXH3_64bits_withSeed(balance->client, sizeof(*balance->client), balance->seed);
	uint32_t found = balance->table[hash % MAGLEV_SIZE];

	if (is_adjusted(balance)) /* who rests is passed over, at a place that hangs on the client again */
		for (int i = 0; i < MAGLEV_SIZE && weight_now(balance, found) <= 0; i++)
			found = balance->table[(hash + (uint64_t)i * 257) % MAGLEV_SIZE];
	return found;
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
		drawn = -log(drawn) / weight_now(balance, i); /* of no weight: infinite */
		if (drawn < least) {
			least = drawn;
			winner = i;
		}
	}
	return winner;
}

/* ---- by load ---- */

/* The flows that there would be, by weight; infinite for one that gets none. */
static double load_now(const struct balance *balance, uint32_t index)
{
	return (load_of(balance, index)->flows + 1) / weight_now(balance, index);
}

/* The least loaded endpoint; of several the one at place `tie` among them.  *ties: how many there are. */
static uint32_t least_loaded(const struct balance *balance, uint32_t tie, uint32_t *ties)
{
	double least = INFINITY;
	uint32_t found = 0, first = 0;

	*ties = 0;
	for (uint32_t i = 0; i < balance->count; i++) {
		double load = load_now(balance, i);

		if (load < least) {
			least = load;
			*ties = 0;
			first = i;
		}
		*ties += load == least && load < INFINITY;
	}
	for (uint32_t i = first; tie > 0 && i < balance->count; i++)
		if (load_now(balance, i) == least && found++ == tie)
			return i;
	return first;
}

static uint32_t choose_by_load(const struct balance *balance)
{
	uint32_t ties, least = least_loaded(balance, 0, &ties);

	return ties <= 1 ? least : least_loaded(balance, random_below(balance->random, ties), &ties);
}

/* ---- all of them ---- */

/* Where all that may be had would rest, nobody does. */
static struct balance awake(const struct balance *balance)
{
	struct balance awake = *balance;

	awake.tireless = balance->slots && weight_of_all_now(balance) <= 0;
	return awake;
}

static uint32_t choose(const struct balance *balance)
{
	uint32_t all = weight_of_all(balance), drawn;

	switch (balance->kind) {
	case LUN_BALANCE_LEAST_CONNECTIONS:
		return choose_by_load(balance);
	case LUN_BALANCE_MAGLEV:
		return look_up(balance);
	case LUN_BALANCE_SOURCE_HASH:
		return meet(balance);
	case LUN_BALANCE_ROUND_ROBIN:
		if (!is_adjusted(balance))
			return take_turn(balance);
		break;
	case LUN_BALANCE_RANDOM:
		break;
	}
	if (is_adjusted(balance))
		return draw_now(balance);
	drawn = random_below(balance->random, all);
	return all == balance->count ? drawn : endpoint_at(balance, drawn);
}

uint32_t balance_choose(const struct balance *balance)
{
	struct balance ready;

	if (!balance->slots)
		return choose(balance);
	ready = awake(balance);
	return choose(&ready);
}

void balance_shares(const struct balance *balance, double *shares)
{
	struct balance ready = awake(balance);
	double all = weight_of_all_now(&ready), least;
	uint32_t ties;

	for (uint32_t i = 0; i < balance->count; i++)
		shares[i] = weight_now(&ready, i) / all;
	if (balance->kind == LUN_BALANCE_RANDOM || balance->kind == LUN_BALANCE_ROUND_ROBIN)
		return;
	least = balance->kind == LUN_BALANCE_LEAST_CONNECTIONS ? load_now(&ready, least_loaded(&ready, 0, &ties)) : 0;
	for (uint32_t i = 0; i < balance->count; i++)
		shares[i] = least > 0 && load_now(&ready, i) == least ? 1.0 / ties : 0;
	if (balance->kind != LUN_BALANCE_LEAST_CONNECTIONS)
		shares[choose(&ready)] = 1;
}

const char *balance_name(enum lun_balance kind)
{
	static const char *const names[] = { "random", "round robin", "least connections", "maglev", "source hash" };

	return names[kind];
}
