/* parts.c - the layers of the path by themselves: this file alone of the benchmarks knows what is inside the engine.
 *
 * A clock per packet and layer would cost more than a layer.  So a batch goes through the first layers only, as many as the caller
 * says; what one adds is the difference of two passes.  What the engine adds around all of them (limits, checks, HTTP, events,
 * expiry, reports) is the difference to a pass through the engine. */
#include "engine/engine.h"
#include "load.h"

const char *const layer_names[LAYERS] = { "parse", "lookup", "track", "translate", "seal" };

static void rest_of_path(struct flow_table *flows, struct packet *p, enum layer last)
{
	if (!flow_find(flows, p))
		die("a known flow is not in the table");
	if (last >= LAYER_TRACK && !track_update(flows, p))
		die("a packet of a known flow was refused");
	if (last >= LAYER_TRANSLATE)
		nat_apply(p);
	if (last >= LAYER_SEAL)
		packet_seal(p);
}

void load_through_layers(struct load *load, enum layer last)
{
	struct packet *batch = load->engine->batch;
	struct flow_table *flows = &load->engine->flows;

	flow_set_clock(flows, load->now);
	for (uint32_t i = 0; i < LOAD_BATCH; i++) {
		packet_begin(&batch[i], &load->batch[i]);
		batch[i].io->verdict = LUN_ACCEPT;
		if (!packet_parse(&batch[i]))
			die("a packet of the benchmark's own cannot be read");
		if (last >= LAYER_LOOKUP)
			flow_fetch_bucket(flows, &batch[i]);
	}
	if (last < LAYER_LOOKUP)
		return;
	for (uint32_t i = 0; i < LOAD_BATCH; i++)
		flow_guess(flows, &batch[i]);
	for (uint32_t i = 0; i < LOAD_BATCH; i++)
		rest_of_path(flows, &batch[i], last);
}
