/* sent.h - what leaves by ourselves. */
#ifndef LUNETTE_LIVE_SENT_H
#define LUNETTE_LIVE_SENT_H

#include "live/queue.h"

struct lun_live;

/* Says at most once a second that packets were lost; `tuple` is the last one's. */
void sent_log_loss(struct lun_live *live, const struct lun_tuple *tuple, const char *why);

/* A packet's mark without our bits. */
uint32_t sent_others_bits(const struct lun_live *live, uint32_t mark);

/* Has the packet become longer than a path may carry?  Then it cannot go by a verdict, but must be cut.  Up to the least that IPv6 asks
 * of every link is no longer in this sense: a narrower path to an endpoint is not served. */
enum { SENT_CARRIED_BY_ALL = 1280 };
static inline bool sent_must_cut(const struct queue_packet *queued, const struct lun_packet *packet)
{
	return packet->changed && packet->length > queued->length && packet->length > SENT_CARRIED_BY_ALL && !queued->large;
}

void sent_grown(struct lun_live *live, const struct queue_packet *queued, const struct lun_packet *packet);

/* Sends what an EMIT event holds, which `packet` with this mark caused. */
void sent_event(struct lun_live *live, const struct lun_packet *packet, const struct lun_event *event, uint32_t mark);

#endif
