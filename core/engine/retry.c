/* retry.c - endpoints that do not answer.
 *
 * A client repeats its SYN for a minute or two, always to the same endpoint, for that was decided once.  If that one is dead, the
 * second repetition goes to another one: the flow gets another reply tuple.  An answer of the first that was under way meanwhile
 * is lost then, and the client's next repetition finds the second.
 *
 * Where a service asks for it, an endpoint at which some connections in a row did not open rests: new flows are not given to it
 * (balance.c), for twice as long each time, until one opens. */
#include "engine/retry.h"

#include "packet/trace.h"

enum {
	RESTS_MOST = 5,  /* doublings of a rest */
	RETRY_FROM = 2,  /* SYNs were sent before this one: it is the second repetition */
	RETRY_UNTIL = 6, /* a minute later, with the clock of most stacks: the service is what does not answer */
};

/* ---- rests ---- */

static void opening_succeeded(struct lun_engine *engine, const struct flow *flow)
{
	struct balance_load *load = &engine->ports.slots[flow->port].load;

	load->failures = load->rests = 0;
}

static void opening_failed(struct lun_engine *engine, const struct flow *flow)
{
	struct port_state *state = &engine->ports.slots[flow->port];
	const struct port_state *port = ports_port(&engine->ports, flow->port);
	const struct service *service;

	if (state->owner == FLOW_NONE || !port->declared || state->load.rests_until > engine->flows.now_ms)
		return;
	service = engine->policy->ports[port->service_port].service;
	if (!service->rest_after || ++state->load.failures < service->rest_after)
		return;
	state->load.failures--; /* when it wakes, one more failure suffices */
	state->load.rests_until = engine->flows.now_ms + (service->rest << state->load.rests);
	state->load.rests += state->load.rests < RESTS_MOST;
	engine->stats.rests++;
}

void retry_heard(struct lun_engine *engine, const struct packet *p)
{
	const struct flow *flow = p->flow;

	if (flow->port == FLOW_NONE || p->direction != LUN_REPLY)
		return;
	if (flow->state == LUN_STATE_SYN_RECV)
		opening_succeeded(engine, flow);
	else if (flow->state == LUN_STATE_CLOSE)
		opening_failed(engine, flow);
}

void retry_expired(struct lun_engine *engine, const struct flow *flow)
{
	if (flow->state == LUN_STATE_SYN_SENT && flow->port != FLOW_NONE)
		opening_failed(engine, flow);
}

/* ---- another endpoint ---- */

/* Whether `p` repeats a SYN that nobody answered, for the second time or more; somebody else may.  Not for ever: then the service
 * is what does not answer. */
static bool should_retry(const struct lun_engine *engine, const struct packet *p)
{
	const struct flow *flow = p->flow;

	return !engine->config.commit && p->role == PACKET_DATA && p->direction == LUN_ORIG &&
	       (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && flow->flags & FLOW_TRANSLATED &&
	       !(flow->flags & FLOW_REPLIED) && flow->port != FLOW_NONE && flow->count_low[LUN_ORIG] >= RETRY_FROM &&
	       flow->count_low[LUN_ORIG] < RETRY_UNTIL;
}

/* The flow goes to another endpoint: under the reply tuple that this takes, which must be free. */
static void move_flow(struct lun_engine *engine, struct flow *flow, const struct decision *decision)
{
	struct lun_tuple reply = nat_wanted_reply(decision, &flow->tuple[LUN_ORIG]);
	uint64_t hash = flow_hash(&engine->flows, &reply);

	if (nat_bind(&engine->flows, &engine->random, &reply, &hash) != LUN_REASON_none ||
	    !flow_rekey(&engine->flows, flow, &reply))
		return;
	opening_failed(engine, flow);
	ports_count(&engine->ports, flow->port, -1);
	flow->port = ports_slot(&engine->ports, engine->policy, decision->service_port, decision->endpoint);
	ports_count(&engine->ports, flow->port, 1);
	flow->flags = (uint8_t)((flow->flags & ~FLOW_MASQUERADE) | (decision->masquerade ? FLOW_MASQUERADE : 0));
	engine->stats.retries++;
}

/* What a script decided about masquerading is not asked again: a flow that would have it otherwise stays where it is. */
static void retry(struct lun_engine *engine, struct packet *p)
{
	const struct port_state *port = ports_port(&engine->ports, p->flow->port);
	const struct policy_memory memory = engine_memory(engine);
	const struct lun_tuple *reply = &p->flow->tuple[LUN_REPLY];
	struct policy_again again = { .service_port = port->service_port,
				      .endpoint = reply->source,
				      .port = reply->source_port };
	struct decision decision;

	if (!port->declared || engine->policy->ports[port->service_port].service->no_retry ||
	    !policy_decide_again(engine->policy, &memory, &engine->random, p, &again, &decision))
		return;
	engine_ask_source(engine, &decision);
	if ((engine->policy->hooks.flow && decision.masquerade != !!(p->flow->flags & FLOW_MASQUERADE)) ||
	    (decision.masquerade && lun_address_is_zero(&decision.source)))
		return;
	move_flow(engine, p->flow, &decision);
}

void retry_move(struct lun_engine *engine, struct packet *p)
{
	if (should_retry(engine, p))
		retry(engine, p);
}
