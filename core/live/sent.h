/* sent.h - what leaves by ourselves. */
#ifndef LUNETTE_LIVE_SENT_H
#define LUNETTE_LIVE_SENT_H

#include "live/queue.h"

struct lun_live;

/* Says at most once a second that packets were lost; `tuple` is the last one's. */
void sent_log_loss(struct lun_live *live, const struct lun_tuple *tuple, const char *why);

/* A packet's mark without our bits. */
uint32_t sent_others_bits(const struct lun_live *live, uint32_t mark);

void sent_grown(struct lun_live *live, const struct queue_packet *queued, const struct lun_packet *packet);

/* Sends what an EMIT event holds, which `packet` with this mark caused. */
void sent_event(struct lun_live *live, const struct lun_packet *packet, const struct lun_event *event, uint32_t mark);

#endif
