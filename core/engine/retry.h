/* retry.h - endpoints that do not answer: their SYNs go elsewhere, and they rest. */
#ifndef LUNETTE_ENGINE_RETRY_H
#define LUNETTE_ENGINE_RETRY_H

#include "engine/engine.h"

/* Before the flow of a packet is updated: moves it to another endpoint, if that is due. */
void retry_move(struct lun_engine *engine, struct packet *p);

/* After it was, and is in SYN_SENT no more: what that says of the endpoint. */
void retry_heard(struct lun_engine *engine, const struct packet *p);

/* A flow's time is over, and it ends. */
void retry_expired(struct lun_engine *engine, const struct flow *flow);

/* Of each packet with a flow. */
static inline void retry_opening(struct lun_engine *engine, struct packet *p)
{
	if (p->flow->state == LUN_STATE_SYN_SENT && !p->opening)
		retry_move(engine, p);
}

static inline void retry_hear(struct lun_engine *engine, const struct packet *p, uint8_t before)
{
	if (before == LUN_STATE_SYN_SENT && p->flow->state != before)
		retry_heard(engine, p);
}

#endif
