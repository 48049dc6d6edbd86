/* gone.c - a change of policy and the flows that it touches.
 *
 * Old flows keep what was decided for them, and drain, but for one kind: a UDP client never learns that nobody is there any more
 * and would talk to it for ever.  So UDP flows end whose service port, or whose endpoint in it, is not in the new policy.  What
 * a script decided by naming an address is its own affair.
 *
 * Where a service says so, TCP flows to an endpoint that went, or ends while others are ready, have some time; then both sides get
 * a reset.  To an upstream that was sent more than its client sent (edited heads) none goes: the numbers are not known here.
 *
 * All records are looked at once after each change, some at a time, so that no packet waits for it; the first piece, which is
 * all of a small table, before the change returns. */
#include "engine/gone.h"

#include "base/address.h"
#include "packet/build.h"

enum {
	ENDS_BEGIN = 256 /* some 50 µs of work at worst */,
	LOOKS_PER_END = 8 /* ending a flow takes as long as looking at so many */,
	NO_ENDPOINT = UINT32_MAX,
	RESET_SIZE = 64
};

/* The endpoint of a service port that a flow goes to, in the set of the service, if it serves; what it cost is taken off
 * *budget. */
static uint32_t find_endpoint(const struct lun_policy *policy, const struct service_port *port,
			      const struct lun_tuple *reply, uint32_t *budget)
{
	const struct endpoint *endpoints;
	const struct endpoint_list *list = policy_endpoints(policy, port, !lun_address_is_v4(&reply->source), &endpoints);

	*budget -= *budget < list->serving.count ? *budget : list->serving.count;
	for (uint32_t i = list->serving.first; i < list->serving.first + list->serving.count; i++)
		if (endpoints[i].port == reply->source_port && address_equal(&endpoints[i].address, &reply->source))
			return i;
	return NO_ENDPOINT;
}

static bool is_gone(const struct lun_engine *engine, const struct flow *flow, uint32_t *budget)
{
	const struct port_state *state;

	if (!(flow->flags & FLOW_OPEN) || !(flow->flags & FLOW_TRANSLATED) || flow->port == FLOW_NONE ||
	    flow->tuple[LUN_ORIG].protocol != LUN_UDP)
		return false;
	state = ports_port(&engine->ports, flow->port);
	return !state->declared || find_endpoint(engine->policy, &engine->policy->ports[state->service_port],
						 &flow->tuple[LUN_REPLY], budget) == NO_ENDPOINT;
}

/* Whether the time is over that the flow had since its endpoint was not ready any more. */
static bool is_drained(const struct lun_engine *engine, const struct flow *flow)
{
	const struct port_state *state;

	if (!(flow->flags & FLOW_OPEN) || flow->port == FLOW_NONE || flow->tuple[LUN_ORIG].protocol != LUN_TCP)
		return false;
	state = &engine->ports.slots[flow->port];
	return state->drained && state->drained <= engine->flows.now_ms;
}

/* Sends the end of `tuple` that is its destination a reset, as from the other. */
static void emit_reset(struct lun_engine *engine, const struct flow *flow, enum lun_direction sender)
{
	struct lun_tuple tuple = tuple_inverted(&flow->tuple[sender == LUN_ORIG ? LUN_REPLY : LUN_ORIG]);
	struct packet_spec spec = { .tcp_flags = TCP_RST,
				    .sequence = flow_more(&engine->flows, flow)->tcp.side[sender].end };
	uint8_t *bytes = events_full(&engine->events) ? NULL : events_bytes(&engine->events, RESET_SIZE);
	uint32_t length = bytes ? packet_build(bytes, RESET_SIZE, &tuple, &spec) : 0;
	struct lun_event *event;

	engine->stats.events_lost += length == 0;
	if (length == 0)
		return;
	event = events_put(&engine->events);
	event->kind = LUN_EVENT_EMIT;
	event->flow = flow_id(&engine->flows, flow);
	event->side = sender == LUN_ORIG ? LUN_SIDE_UPSTREAM : LUN_SIDE_CLIENT;
	events_keep_bytes(&engine->events, event, length);
}

static void drain(struct lun_engine *engine, struct flow *flow)
{
	engine->stats.drained++;
	if (!engine->config.commit) {
		emit_reset(engine, flow, LUN_REPLY);
		if (!(flow->flags & FLOW_HTTP))
			emit_reset(engine, flow, LUN_ORIG);
	}
	engine_withdraw_flow(engine, flow);
}

void gone_begin(struct lun_engine *engine)
{
	engine->gone_next = 0;
	engine->gone_end = engine->flows.used;
	gone_proceed(engine, ENDS_BEGIN);
}

void gone_proceed(struct lun_engine *engine, uint32_t ends)
{
	uint32_t budget = ends * LOOKS_PER_END;

	for (; budget > 0 && gone_pending(engine); engine->gone_next++) {
		struct flow *flow = &engine->flows.flows[engine->gone_next];

		if (engine->config.commit && events_full(&engine->events))
			return; /* nobody would hear of it */
		budget--;
		if (is_gone(engine, flow, &budget)) {
			engine_withdraw_flow(engine, flow);
			budget -= budget < LOOKS_PER_END ? budget : LOOKS_PER_END;
		} else if (is_drained(engine, flow)) {
			drain(engine, flow);
			budget -= budget < LOOKS_PER_END ? budget : LOOKS_PER_END;
		}
	}
}

void gone_adopt(struct lun_engine *engine, struct flow *flow)
{
	const struct lun_tuple *orig = &flow->tuple[LUN_ORIG];
	const struct lun_policy *policy = engine->policy;
	const struct frontend *frontend =
		policy ? policy_find(policy, &orig->destination, orig->destination_port, orig->protocol) : NULL;
	uint32_t endpoint, budget = 0;

	if (!frontend || !(flow->flags & FLOW_TRANSLATED) || (engine->config.commit && events_full(&engine->events)))
		return;
	endpoint = find_endpoint(policy, &policy->ports[frontend->service_port], &flow->tuple[LUN_REPLY], &budget);
	/* A script may have sent it to another service, or anywhere. */
	if (policy->hooks.flow && endpoint == NO_ENDPOINT)
		return;
	flow->port = endpoint == NO_ENDPOINT ? engine->ports.slot[frontend->service_port]
					     : ports_slot(&engine->ports, policy, frontend->service_port, endpoint);
	ports_count(&engine->ports, flow->port, 1);
	if (is_gone(engine, flow, &budget))
		engine_withdraw_flow(engine, flow);
}
