/* hooks.h - what a policy hears of flows and packets besides the question what is to become of a new flow. */
#ifndef LUNETTE_ENGINE_HOOKS_H
#define LUNETTE_ENGINE_HOOKS_H

#include "engine/engine.h"

bool hooks_ask_packet(struct lun_engine *engine, struct packet *p);
void hooks_tell_end(const struct lun_engine *engine, const struct flow *flow);
void hooks_tell_refused(const struct lun_engine *engine, const struct lun_tuple *tuple);

/* Of each packet with a flow; false: it goes no further. */
static inline bool hooks_packet(struct lun_engine *engine, struct packet *p)
{
	return !engine->sees_packets || hooks_ask_packet(engine, p);
}

/* The flow is about to be forgotten. */
static inline void hooks_end(const struct lun_engine *engine, const struct flow *flow)
{
	if (engine->policy && engine->policy->hooks.close)
		hooks_tell_end(engine, flow);
}

/* The policy was asked about a flow that was not opened then. */
static inline void hooks_refused(const struct lun_engine *engine, const struct lun_tuple *tuple)
{
	if (engine->policy && engine->policy->hooks.close)
		hooks_tell_refused(engine, tuple);
}

#endif
