/* balance.c - random and round robin. */
#include "balance/balance.h"

uint32_t balance_choose(enum lun_balance kind, struct balance_state *state, struct random *random, uint32_t count)
{
	switch (kind) {
	case LUN_BALANCE_ROUND_ROBIN:
		return state->position++ % count;
	case LUN_BALANCE_RANDOM:
		break;
	}
	return random_below(random, count);
}

const char *balance_name(enum lun_balance kind)
{
	return kind == LUN_BALANCE_ROUND_ROBIN ? "round robin" : "random";
}
