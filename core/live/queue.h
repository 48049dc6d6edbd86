/* queue.h - the NFQUEUE socket: batches of packets in, one write of verdicts out. */
#ifndef LUNETTE_LIVE_QUEUE_H
#define LUNETTE_LIVE_QUEUE_H

#include "live/netlink.h"

#include <lunette/live.h>

enum { QUEUE_BATCH = 64 };

/* What of a packet comes up, and how it is treated where we do not keep up. */
enum queue_kind {
	QUEUE_HEADERS, /* the headers of an opening; dropped */
	QUEUE_PAYLOAD, /* all of it, also what is yet to be segmented; dropped */
	QUEUE_WHOLE,   /* all of it, also what is yet to be segmented; passed on as it is: rules tell it by its mark */
};

/* One packet that waits in the kernel for its verdict: what is to be known of it besides what the engine is told. */
struct queue_packet {
	uint32_t id;
	uint32_t mark;   /* what the packet carries */
	uint32_t length; /* as it came */
	bool large;      /* it is yet to be cut into segments */
};

struct queue_verdict {
	uint32_t id;
	uint32_t mark;       /* what it is to carry */
	bool accept;         /* or drop */
	const void *first;   /* a message that the kernel is to have in front of it, or NULL */
	size_t first_length; /* aligned */
	const uint8_t *data; /* the packet changed: it is this, in the queue's buffer; NULL: it is as it was */
	uint32_t length;
};

struct queue {
	struct netlink netlink;
	uint16_t number;
	int losses;          /* /proc's list of queues, which only root may open: the user may change */
	struct reads *reads; /* where packets come in, see queue.c */
};

/* Opens the socket and binds the queue.  Fails: LUN_EXISTS (another process has it: the text says which), LUN_UNSUPPORTED,
 * LUN_SYSTEM, LUN_NO_MEMORY. */
int queue_open(struct queue *queue, uint16_t number, enum queue_kind kind, struct lun_error *error);
void queue_close(struct queue *queue);

/* Reads the packet out of one message of `length` bytes, which lies in `size`, a multiple of four.  False if there is none in it. */
bool queue_parse(const uint8_t *bytes, size_t length, size_t size, struct queue_packet *queued, struct lun_packet *packet);

/* Takes what waits, QUEUE_BATCH packets at most, as the engine is to be told of them; their bytes lie in the queue's buffer until the
 * next call, and may grow there.  Returns their number, 0 if there is none. */
size_t queue_receive(struct queue *queue, struct queue_packet *queued, struct lun_packet *packets);

/* Gives the verdicts, QUEUE_BATCH at most, in one write, or a few where packets go back.  Each packet that was received needs
 * exactly one.  Returns 0 or a negative errno. */
int queue_answer(struct queue *queue, const struct queue_verdict *verdicts, size_t count);

/* Adds how many packets wait, and how many the kernel dropped since the queue was bound: too many were waiting, or the socket was
 * full.  Of how many may wait, the part that is taken is that of the fuller queue.  Nothing is added if nobody has the queue. */
void queue_add_state(const struct queue *queue, struct lun_live_stats *stats);

/* The process that has a queue, as text ("process 4711 (lunette)"), or NULL if nobody has it. */
const char *queue_owner(uint16_t number, char *text, size_t size);

#endif
