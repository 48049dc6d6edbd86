/* sent.h - how a batch of whole packets is answered: by verdicts, and by packets that leave by ourselves. */
#ifndef LUNETTE_LIVE_SENT_H
#define LUNETTE_LIVE_SENT_H

#include "live/conntrack.h"
#include "live/queue.h"

struct lun_live;

/* Large: only what is read before it is written is to be set. */
struct batch {
	/* by queue_receive and the engine */
	size_t count; /* of packets */
	struct queue_packet queued[QUEUE_BATCH];
	struct lun_packet packets[QUEUE_BATCH];
	uint32_t bits[QUEUE_BATCH]; /* of ours, that an accepted packet goes on with */
	/* by sent_answer */
	size_t verdict_count;
	struct queue_verdict verdicts[QUEUE_BATCH]; /* that are not given yet */
	size_t shift_length; /* of what the kernel is to be told before the next of them; 0: nothing */
	_Alignas(16) char shifts[QUEUE_BATCH][CONNTRACK_SHIFT_SIZE];
};

/* A packet's mark without our bits. */
uint32_t sent_others_bits(const struct lun_live *live, uint32_t mark);

/* Does what the engine wants done about a batch that came from this queue, in the order of its packets. */
void sent_answer(struct lun_live *live, struct queue *queue, struct batch *batch);

#endif
