/* balance.c - see balance.h.
 *
 * Weights are kept as sums, so that a number below the weight of all finds its endpoint by bisection.  Round robin walks through
 * these numbers in steps of about 0.618 of all, coprime to it: each comes once in a round, and the numbers of a heavy endpoint do
 * not come in a row. */
#include "balance/balance.h"

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

uint32_t balance_choose(const struct balance *balance)
{
	uint32_t all = weight_of_all(balance), drawn;

	if (balance->kind == LUN_BALANCE_ROUND_ROBIN)
		return take_turn(balance);
	drawn = random_below(balance->random, all);
	return all == balance->count ? drawn : endpoint_at(balance, drawn);
}

double balance_share(const struct balance *balance, uint32_t index)
{
	return (double)balance->endpoints[index].weight / weight_of_all(balance);
}

const char *balance_name(enum lun_balance kind)
{
	return kind == LUN_BALANCE_ROUND_ROBIN ? "round robin" : "random";
}
