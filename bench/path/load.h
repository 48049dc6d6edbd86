/* load.h - what goes through the engine under test: flows of many clients to one service, whose packets are built in place.
 *
 * Checksums in the packets are constant and wrong: the engine is not told to verify them, and updates them all the same. */
#ifndef LUNETTE_BENCH_LOAD_H
#define LUNETTE_BENCH_LOAD_H

#include "../timing.h"

#include <lunette/lunette.h>

enum { LOAD_BATCH = 32, LOAD_BUFFER = 128 };

struct scenario {
	const char *name;
	uint8_t protocol;
	bool v6;
	bool masquerade;
	uint32_t endpoints;
};

/* One engine with its flows. */
struct load {
	const struct scenario *scenario;
	uint32_t flows;
	struct lun_policy *policy;
	struct lun_engine *engine;
	uint64_t now, step;       /* ns; step: per batch */
	uint64_t random;          /* state of the generator that picks known flows */
	uint32_t next;            /* index of the next new flow */
	uint64_t packets, wanted; /* sent; of these accepted and translated, as all should be */
	struct lun_packet batch[LOAD_BATCH];
	uint8_t buffers[LOAD_BATCH][LOAD_BUFFER];
};

/* The engine's table has some room to spare, as expired flows go one tick of its clock later. */
void load_init(struct load *load, const struct scenario *scenario, uint32_t flows);
void load_fini(struct load *load);

/* Opens all flows and brings them to where both sides have spoken. */
void load_establish(struct load *load);

/* Fills the batch with packets of flows drawn at random, or with those that open the next ones. */
void load_build_known(struct load *load);
void load_build_new(struct load *load);

void load_through_engine(struct load *load);

/* Every packet is looked at: accepted, and sent elsewhere than to the service; an answer, as if from the service. */
void load_count_wanted(struct load *load, bool reply);

/* Ends the program unless all packets were wanted and all flows are in the table. */
void load_check(const struct load *load, const char *phase);

/* xorshift64*, Vigna 2014; below `limit` by multiplication. */
uint32_t load_random_below(uint64_t *state, uint32_t limit);

_Noreturn void die(const char *what);

/* The policy with another number of endpoints.  The caller owns it. */
struct lun_policy *load_policy_new(const struct scenario *scenario, uint32_t endpoint_count);

/* parts.c: what each layer adds to a packet of a known flow, in the order of the path. */
enum layer { LAYER_PARSE, LAYER_LOOKUP, LAYER_TRACK, LAYER_TRANSLATE, LAYER_SEAL, LAYERS };
extern const char *const layer_names[LAYERS];
/* Sends the batch through the layers up to `last`, without the engine around them. */
void load_through_layers(struct load *load, enum layer last);

/* stall.c: the longest calls while all flows of a load end. */
enum stall { STALL_PACKET, STALL_BATCH, STALL_TICK, STALL_SWAP, STALLS };
extern const char *const stall_names[STALLS];
struct stall_result {
	uint32_t calls;
	double median_us, longest_us; /* of a call */
};
struct stall_result measure_stall(const struct scenario *scenario, uint32_t flows, enum stall stall, uint32_t runs);

#endif
