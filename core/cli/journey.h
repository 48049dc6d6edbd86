/* journey.h - the life of one flow, gathered while a capture is replayed, and drawn as a picture. */
#ifndef LUNETTE_CLI_JOURNEY_H
#define LUNETTE_CLI_JOURNEY_H

#include <lunette/replay.h>

enum {
	JOURNEY_FIRST = 60,     /* steps that are drawn from the beginning, */
	JOURNEY_LAST = 20,      /* and from the end; what is between is counted */
	JOURNEY_EDIT = 900,     /* bytes of text that says what an edit did */
	JOURNEY_PAYLOAD = 4096, /* longest part of a payload that is compared line by line */
	JOURNEY_EMISSIONS = 8   /* of one frame */
};

/* Of a packet's bytes, what a picture shows. */
struct journey_fields {
	enum { FIELDS_NONE, FIELDS_READ, FIELDS_ICMP_ERROR } kind;
	uint8_t tcp_flags;
	uint32_t sequence, acknowledgement; /* counted from what the capture has first of each direction */
	uint32_t length;                    /* of the payload */
};

/* A packet of the capture, or one of the engine's own. */
struct journey_step {
	uint64_t number, time; /* number 0: the engine's own */
	enum lun_direction direction;
	struct lun_tuple was, is;            /* protocol 0: it did not come, or did not leave */
	struct journey_fields before, after; /* kind FIELDS_NONE, likewise */
	enum lun_verdict verdict;
	enum lun_reason reason;
	const char *state;          /* of the flow, after this packet; NULL without one */
	uint32_t inserted, removed; /* bytes of the payload, in whole lines where it has lines */
	uint32_t edit_length;
	char edit
		[JOURNEY_EDIT]; /* "+LINE\n" for each that was put in, "-LINE\n" for each that was taken out; or its beginning */
};

struct journey {
	const struct lun_engine *engine;
	/* Which flow: its number, or the first packet with this address, and port if that is not 0, at either end. */
	uint64_t wanted;
	struct lun_address place;
	uint16_t port;
	/* The flow, once `count` is not 0. */
	uint64_t flow, number; /* 0: its packets have none so far */
	struct lun_tuple orig, reply;
	char service[LUN_NAME_SIZE]; /* or "" */
	bool known[2];               /* by direction: `base` is */
	uint32_t base[2];            /* the first sequence number */
	/* What is drawn: the step i is at first[i], or if it is late at last[i % JOURNEY_LAST]. */
	uint64_t count;
	struct journey_step first[JOURNEY_FIRST], last[JOURNEY_LAST];
	/* What the engine sent of its own, until its frame is told. */
	uint32_t emission_count;
	struct {
		bool onward;
		struct journey_step step;
		uint32_t payload_length;
		uint8_t payload[JOURNEY_PAYLOAD];
	} emissions[JOURNEY_EMISSIONS];
};

/* Zeroes it, and chooses: "3", a flow by its number, "10.1.1.1", "10.1.1.1:80", "[fd00::1]:80".  False: it is none of these. */
bool journey_init(struct journey *journey, const char *flow);

/* The two calls of a replay; `number` is that of the packet's flow, or 0. */
void journey_emission(struct journey *journey, const struct lun_replay_emission *emission);
void journey_frame(struct journey *journey, const struct lun_replay_frame *frame, uint64_t number);

/* Whether a file of this name can be drawn: "*.svg" or "*.html". */
bool journey_takes(const char *path);

/* Draws it into a file.  Returns an exit code; a message was printed if it is not EXIT_DONE. */
int journey_draw(const struct journey *journey, const char *path);

#endif
