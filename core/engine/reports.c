/* reports.c - what the embedder reports of flows that the kernel carries, and takes over from an earlier life. */
#include "engine/engine.h"
#include "engine/gone.h"

enum { NS_PER_MS = 1000000 };

static struct flow *flow_of_event(const struct lun_engine *engine, const struct lun_event *event)
{
	enum lun_direction direction = LUN_ORIG;
	struct flow *flow;

	if (event->flow)
		return flow_by_id(&engine->flows, event->flow);
	flow = flow_lookup(&engine->flows, &event->orig, flow_hash(&engine->flows, &event->orig), &direction);
	return direction == LUN_ORIG ? flow : NULL;
}

/* Whether these can be the two tuples of a flow: no translation changes the family, or the type of an ICMP query. */
static bool tuples_fit(const struct lun_tuple *orig, const struct lun_tuple *reply)
{
	bool v4 = lun_address_is_v4(&orig->source), query = orig->protocol == LUN_ICMP || orig->protocol == LUN_ICMPV6;

	return reply->protocol == orig->protocol && reply->tenant == orig->tenant && !orig->zero && !reply->zero &&
	       lun_address_is_v4(&orig->destination) == v4 && lun_address_is_v4(&reply->source) == v4 &&
	       lun_address_is_v4(&reply->destination) == v4 && (!query || reply->source_port == orig->destination_port);
}

/* The kernel has the flow, and chose this reply tuple.  Its word counts: whoever else has that tuple here is over there. */
static int confirm(struct lun_engine *engine, struct flow *flow, const struct lun_tuple *reply)
{
	enum lun_direction direction;
	struct flow *other = flow_lookup(&engine->flows, reply, flow_hash(&engine->flows, reply), &direction);
	bool taken = other && other != flow;

	if (flow->owner == LUN_OWNER_ENGINE || !tuples_fit(&flow->tuple[LUN_ORIG], reply))
		return LUN_BAD_ARGUMENT;
	if (taken)
		engine_end_flow(engine, other);
	flow_set_owner(flow, flow->flags & FLOW_HTTP ? LUN_OWNER_KERNEL_EDITED : LUN_OWNER_KERNEL);
	if (!flow_rekey(&engine->flows, flow, reply)) {
		engine_end_flow(engine, flow);
		return LUN_FULL;
	}
	return taken ? LUN_EXISTS : 0;
}

/* TCP's and SCTP's states index tables of steps: those of other protocols must not come near them. */
static bool state_fits(uint8_t protocol, enum lun_state state)
{
	if (protocol == LUN_TCP)
		return (unsigned)state <= LUN_STATE_SYN_SENT2;
	if (protocol == LUN_SCTP)
		return state >= LUN_STATE_SCTP_CLOSED && state <= LUN_STATE_SCTP_HEARTBEAT_SENT;
	return (unsigned)state < LUN_STATE_COUNT;
}

/* Nothing of such a flow is on its way any more that would have to be edited; and the kernel may keep it for minutes. */
static void end_edits(struct lun_engine *engine, struct flow *flow)
{
	if (flow->owner != LUN_OWNER_KERNEL_EDITED || !(flow->flags & FLOW_HTTP) || flow->state != LUN_STATE_TIME_WAIT)
		return;
	flow_set_owner(flow, LUN_OWNER_KERNEL);
	lun_policy_unref(http_stream_close(&engine->http, &engine->flows, flow));
	flow->flags &= (uint8_t)~FLOW_HTTP;
}

static int set_state(struct lun_engine *engine, struct flow *flow, enum lun_state state, uint64_t timeout)
{
	if (!state_fits(flow->tuple[LUN_ORIG].protocol, state))
		return LUN_BAD_ARGUMENT;
	if (flow->tuple[LUN_ORIG].protocol == LUN_TCP)
		engine->flows.half_open +=
			(uint32_t)state_is_half_open((uint8_t)state) - (uint32_t)state_is_half_open(flow->state);
	flow->state = (uint8_t)state;
	end_edits(engine, flow);
	if (timeout / NS_PER_MS > INT32_MAX)
		timeout = (uint64_t)INT32_MAX * NS_PER_MS;
	flow_expire_in(&engine->flows, flow, (uint32_t)(timeout / NS_PER_MS));
	return 0;
}

int lun_engine_event(struct lun_engine *engine, const struct lun_event *event, uint64_t now)
{
	struct flow *flow;

	flow_set_clock(&engine->flows, now);
	flow = flow_of_event(engine, event);
	if (!flow)
		return LUN_NOT_FOUND;
	switch (event->kind) {
	case LUN_EVENT_CONFIRMED:
		return confirm(engine, flow, &event->reply);
	case LUN_EVENT_STATE:
		if (event->packets[LUN_ORIG])
			flow_set_counts(flow, event->packets, event->bytes);
		return set_state(engine, flow, event->state, event->timeout);
	case LUN_EVENT_ENDED:
	case LUN_EVENT_FAILED:
		engine_forget_flow(engine, flow);
		return 0;
	case LUN_EVENT_EMIT:
	case LUN_EVENT_COMMIT:
	case LUN_EVENT_SHIFT:
	case LUN_EVENT_REFUSED:
	case LUN_EVENT_RESYNC:
		break;
	}
	return LUN_BAD_ARGUMENT;
}

int lun_flow_import(struct lun_engine *engine, const struct lun_flow *import, uint64_t now)
{
	struct lun_tuple tuple[2] = { import->orig, import->reply };
	uint64_t hash[2];
	enum lun_direction direction;
	struct flow *flow;

	if (!tuples_fit(&import->orig, &import->reply))
		return LUN_BAD_ARGUMENT;
	flow_set_clock(&engine->flows, now);
	for (int i = 0; i < 2; i++) {
		hash[i] = flow_hash(&engine->flows, &tuple[i]);
		if (flow_lookup(&engine->flows, &tuple[i], hash[i], &direction))
			return LUN_EXISTS;
	}
	flow = flow_open(&engine->flows, tuple, hash);
	if (!flow)
		return LUN_FULL;
	flow_set_owner(flow, LUN_OWNER_KERNEL);
	flow->flags |= (uint16_t)((import->translated ? FLOW_TRANSLATED : 0) | (import->masquerade ? FLOW_MASQUERADE : 0));
	if (set_state(engine, flow, import->state, import->expires) < 0) {
		flow_end(&engine->flows, flow);
		return LUN_BAD_ARGUMENT;
	}
	sources_add(&engine->sources, &flow->tuple[LUN_ORIG]);
	flow_schedule(&engine->flows, flow);
	gone_adopt(engine, flow);
	return 0;
}
