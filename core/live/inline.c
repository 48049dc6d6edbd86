/* inline.c - every packet comes up, and the engine translates.
 *
 *	receive -> the engine -> what is its own is sent -> verdicts, with the bytes where they changed
 *
 * The engine sees the packets of both directions before routing and before the kernel's conntrack (prerouting), and those made
 * here before they leave (output); each once, for the rules let pass what carries our bits.  A verdict's bits say which:
 *
 *	committed           it is translated: conntrack does not look at it
 *	committed, reject   it is left alone: everything else in the kernel sees it as if we were not there
 *	none                it is neither: something is wrong with it.  Where it concerns a service the rules drop it, as they
 *	                    drop what came past us, for nothing leaves untranslated */
#include "live/fail.h"
#include "live/live.h"
#include "live/sent.h"

#include <string.h>

enum {
	EMIT_SIZE = 4 << 20, /* of the engine: in a batch every datagram that waits may become complete */
	EVENTS = 8192,
};

/* What is not valid is not translated; if its flow is, it must not go on. */
static bool is_stray(const struct lun_live *live, const struct lun_packet *packet)
{
	struct lun_flow flow;

	if (packet->verdict != LUN_ACCEPT || packet->ct != LUN_CT_INVALID ||
	    lun_flow_find(live->engine, &packet->was, &flow) < 0)
		return false;
	return memcmp(&flow.orig.source, &flow.reply.destination, sizeof(flow.orig.source)) != 0 ||
	       memcmp(&flow.orig.destination, &flow.reply.source, sizeof(flow.orig.destination)) != 0 ||
	       flow.orig.source_port != flow.reply.destination_port || flow.orig.destination_port != flow.reply.source_port;
}

/* The bits with which a packet goes on. */
static uint32_t bits_of(const struct lun_live *live, const struct lun_packet *packet)
{
	const struct lun_live_marks *marks = &live->rules.marks;

	if (packet->changed)
		return marks->committed;
	return packet->ct != LUN_CT_INVALID || packet->flow ? marks->committed | marks->reject : 0;
}

/* ---- The mode ---- */

static uint16_t tenant_of(const struct lun_live *live, uint32_t mark)
{
	return live->tenant_mask ? (uint16_t)((mark & live->tenant_mask) >> __builtin_ctz(live->tenant_mask)) : 0;
}

static size_t inline_serve(struct lun_live *live, uint64_t now)
{
	struct batch batch;

	live->now = now;
	batch.count = queue_receive(&live->queue, batch.queued, batch.packets);
	for (size_t i = 0; i < batch.count; i++)
		batch.packets[i].tenant = tenant_of(live, batch.queued[i].mark);
	live->stats.queued += batch.count;
	if (!batch.count)
		return 0;
	live_show_before(live, batch.packets, batch.count);
	lun_engine_packets(live->engine, batch.packets, batch.count, now);
	for (size_t i = 0; i < batch.count; i++) {
		if (is_stray(live, &batch.packets[i]))
			batch.packets[i].verdict = LUN_DROP;
		batch.bits[i] = bits_of(live, &batch.packets[i]);
	}
	live_show_after(live, batch.packets, batch.count);
	sent_answer(live, &live->queue, &batch);
	return batch.count;
}

/* For the engine: the source of a masqueraded flow. */
static bool source_of(void *user, const struct lun_address *endpoint, struct lun_address *source)
{
	struct lun_live *live = user;

	return route_source(&live->routes, endpoint, live->now, source) == 0;
}

/* Up to 16 neighbouring bits, and none of ours. */
static int check_tenant_mask(const struct lun_live *live, struct lun_error *error)
{
	uint32_t mask = live->tenant_mask, bits = mask ? mask >> __builtin_ctz(mask) : 0;

	if (bits <= UINT16_MAX && (bits & (bits + 1)) == 0 && mask == sent_others_bits(live, mask))
		return 0;
	return live_fail(error, LUN_BAD_ARGUMENT,
			 "tenant mask 0x%x: expected at most 16 neighbouring bits, none of them a mark of ours", mask);
}

static int inline_open(struct lun_live *live, struct lun_config *engine, struct lun_error *error)
{
	int code = check_tenant_mask(live, error);

	engine->source = source_of;
	engine->user = live;
	if (!engine->emit_size)
		engine->emit_size = EMIT_SIZE;
	if (!engine->events)
		engine->events = EVENTS;
	if (code == 0)
		code = queue_open(&live->queue, live->rules.queue, QUEUE_WHOLE, error);
	if (code == 0)
		code = route_open(&live->routes, error);
	if (code == 0)
		code = inject_open(&live->inject, error);
	return code;
}

static int inline_prepare(struct lun_live *live, const struct lun_policy *policy, struct lun_error *error)
{
	return sysctls_require(&live->sysctls, policy, "inline mode needs", live->set_sysctls, error);
}

static int inline_begin(struct lun_live *live, struct lun_error *error)
{
	return inline_prepare(live, live->policy, error);
}

static void inline_end(struct lun_live *live, bool flush)
{
	struct lun_error error;

	(void)flush;
	if (rules_remove(&live->rules, &error) < 0)
		live_log(live, LUN_LOG_ERROR, "%s", error.text);
}

const struct live_mode live_inline = {
	.open = inline_open,
	.begin = inline_begin,
	.serve = inline_serve,
	.prepare = inline_prepare,
	.end = inline_end,
};
