/* hooks.c - see hooks.h.  The packet shows as it came: it is asked about before anything in it is changed. */
#include "engine/hooks.h"

#include "base/cold.h"
#include "packet/trace.h"

#include <stdio.h>

/* The service port by which the flow was decided, while the policy has it; or NULL. */
static const struct service_port *port_of(const struct lun_engine *engine, const struct flow *flow)
{
	const struct port_state *state = flow->port != FLOW_NONE ? &engine->ports.slots[flow->port] : NULL;

	return state && state->declared ? &engine->policy->ports[state->service_port] : NULL;
}

static void show(const struct lun_engine *engine, const struct packet *p, struct lun_seen_packet *seen)
{
	const struct service_port *port = port_of(engine, p->flow);
	uint32_t end = p->end < p->io->length ? p->end : p->io->length;

	*seen = (struct lun_seen_packet) {
		.tuple = *packet_was(p),
		.orig = p->flow->tuple[LUN_ORIG],
		.service = port ? port->service->name : NULL,
		.port = port ? port->name : NULL,
		.direction = (enum lun_direction)p->direction,
		.state = (enum lun_state)p->flow->state,
		.data = p->io->data,
		.length = end,
		.now = flow_now(&engine->flows),
	};
	if (p->role == PACKET_ICMP_ERROR)
		return;
	seen->tcp_flags = p->tcp_flags;
	if (p->payload <= end) {
		seen->payload = p->io->data + p->payload;
		seen->payload_length = p->payload_length < end - p->payload ? p->payload_length : end - p->payload;
	}
}

static COLD bool packet_failed(struct lun_engine *engine, struct packet *p)
{
	TRACE(p, "script", NULL, "the packet's hook failed");
	if (engine->policy->on_error == LUN_ACTION_DROP)
		return packet_stop(p, LUN_DROP, LUN_REASON_policy_error);
	engine->stats.reasons[LUN_REASON_policy_error]++;
	return true;
}

APART bool hooks_ask_packet(struct lun_engine *engine, struct packet *p)
{
	const struct lun_hooks *hooks = &engine->policy->hooks;
	struct lun_decision answer = { .action = LUN_ACTION_MAP };
	struct lun_seen_packet seen;

	show(engine, p, &seen);
	if (hooks->packet(hooks->user, &seen, &answer) < 0)
		return packet_failed(engine, p);
	if (answer.action == LUN_ACTION_MAP || answer.action == LUN_ACTION_ACCEPT)
		return true;
	if (answer.action != LUN_ACTION_DROP)
		return packet_failed(engine, p);
	TRACE(p, "script", answer.at, "drop%s%s", answer.why ? ": " : "", answer.why ? answer.why : "");
	if (p->io->trace && answer.why)
		snprintf(p->io->trace->reason, sizeof(p->io->trace->reason), "%s", answer.why);
	return packet_stop(p, LUN_DROP, LUN_REASON_policy_drop);
}

APART void hooks_tell_end(const struct lun_engine *engine, const struct flow *flow)
{
	const struct lun_hooks *hooks = &engine->policy->hooks;
	const struct service_port *port = port_of(engine, flow);
	struct lun_flow ended;

	flow_describe(&engine->flows, flow, &ended);
	if (port)
		ended.service = port->text;
	hooks->close(hooks->user, &ended, flow_now(&engine->flows));
}

COLD void hooks_tell_refused(const struct lun_engine *engine, const struct lun_tuple *tuple)
{
	const struct lun_flow refused = { .orig = *tuple };

	engine->policy->hooks.close(engine->policy->hooks.user, &refused, flow_now(&engine->flows));
}
