/* gone.h - a change of policy and the flows that it touches. */
#ifndef LUNETTE_ENGINE_GONE_H
#define LUNETTE_ENGINE_GONE_H

#include "engine/engine.h"

/* Another policy was set: looks at the first flows, and leaves the rest to gone_proceed. */
void gone_begin(struct lun_engine *engine);

/* Looks at some more of them, for about the time that ending `ends` flows takes. */
void gone_proceed(struct lun_engine *engine, uint32_t ends);

/* Has them looked at again when flows of endpoints that went or end are to end. */
static inline void gone_drain(struct lun_engine *engine)
{
	if (engine->flows.now_ms < engine->ports.drain_next)
		return;
	ports_drain_next(&engine->ports, engine->flows.now_ms);
	engine->gone_next = 0;
	engine->gone_end = engine->flows.used;
}

static inline bool gone_pending(const struct lun_engine *engine)
{
	return engine->gone_next < engine->gone_end;
}

/* A flow from an earlier life, which nobody counts yet: finds out which service port it is of, and whether that still has the
 * endpoint. */
void gone_adopt(struct lun_engine *engine, struct flow *flow);

#endif
