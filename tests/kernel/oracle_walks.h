/* oracle_walks.h - random sequences that are mostly plausible.
 *
 * Two ends are modelled just well enough to know which numbers are interesting: what each end has sent and acknowledged, and
 * how far it may go.  A walk takes moves out of a table by weight; mischief takes the same anchors with any flags, or says
 * again what was said before. */
#ifndef LUNETTE_TESTS_ORACLE_WALKS_H
#define LUNETTE_TESTS_ORACLE_WALKS_H

#include "oracle_steps.h"

/* Of 100. */
static inline bool chance(struct random *random, uint32_t percent)
{
	return random_below(random, 100) < percent;
}

/* ---- TCP ---- */

enum phase { CLOSED, SYN_SENT, SYN_BOTH, SYN_RECEIVED, OPEN, ENDING, LAST, OVER };

/* Numbers that mean something.  Of sequence numbers the sender's own, of acknowledgements the other one's. */
enum anchor {
	ZERO,
	FRESH,  /* a new initial number */
	NEXT,   /* behind all that was sent */
	FIRST,  /* the initial number again */
	HEARD,  /* the highest that was acknowledged */
	EDGE,   /* the highest that was allowed */
	OLDEST, /* the lowest that may still be repeated or acknowledged */
	PASSED, /* behind the last SYN that was out of place */
	ANY,
	ANCHORS
};

struct move {
	enum phase phase;
	uint8_t weight;
	enum side from;
	uint8_t flags;
	enum anchor sequence, acknowledgement;
	bool data;
	enum phase next;
};

static const struct move moves[] = {
	{ CLOSED, 85, CLIENT, TCP_SYN, FRESH, ZERO, false, SYN_SENT },
	{ CLOSED, 8, CLIENT, TCP_ACK | TCP_PSH, FRESH, FRESH, true, OPEN }, /* in mid-stream */
	{ CLOSED, 3, SERVER, TCP_ACK | TCP_PSH, FRESH, FRESH, true, OPEN },
	{ CLOSED, 2, CLIENT, TCP_FIN | TCP_ACK, FRESH, FRESH, false, ENDING },
	{ CLOSED, 2, SERVER, TCP_RST, ANY, ZERO, false, CLOSED },

	{ SYN_SENT, 60, SERVER, TCP_SYN | TCP_ACK, FRESH, NEXT, false, SYN_RECEIVED },
	{ SYN_SENT, 10, CLIENT, TCP_SYN, FIRST, ZERO, false, SYN_SENT },
	{ SYN_SENT, 4, CLIENT, TCP_SYN, FRESH, ZERO, false, SYN_SENT },
	{ SYN_SENT, 6, SERVER, TCP_RST | TCP_ACK, ZERO, NEXT, false, CLOSED }, /* refused */
	{ SYN_SENT, 6, SERVER, TCP_ACK, ANY, ANY, false, SYN_SENT },           /* challenged: half-open there */
	{ SYN_SENT, 8, SERVER, TCP_SYN, FRESH, ZERO, false, SYN_BOTH },        /* simultaneous open */
	{ SYN_SENT, 3, CLIENT, TCP_RST, PASSED, ZERO, false, SYN_SENT },       /* answers a challenge */
	{ SYN_SENT, 3, CLIENT, TCP_RST, NEXT, ZERO, false, CLOSED },
	{ SYN_SENT, 2, SERVER, TCP_SYN | TCP_ACK, FRESH, ANY, false, SYN_SENT },

	{ SYN_BOTH, 30, CLIENT, TCP_SYN | TCP_ACK, FIRST, NEXT, false, SYN_BOTH },
	{ SYN_BOTH, 30, SERVER, TCP_SYN | TCP_ACK, FIRST, NEXT, false, SYN_BOTH },
	{ SYN_BOTH, 10, CLIENT, TCP_SYN, FIRST, ZERO, false, SYN_BOTH },
	{ SYN_BOTH, 10, SERVER, TCP_SYN, FIRST, ZERO, false, SYN_BOTH },
	{ SYN_BOTH, 10, CLIENT, TCP_ACK, NEXT, NEXT, false, OPEN },
	{ SYN_BOTH, 10, SERVER, TCP_ACK, NEXT, NEXT, false, OPEN },

	{ SYN_RECEIVED, 60, CLIENT, TCP_ACK, NEXT, NEXT, false, OPEN },
	{ SYN_RECEIVED, 8, CLIENT, TCP_ACK | TCP_PSH, NEXT, NEXT, true, OPEN },
	{ SYN_RECEIVED, 6, SERVER, TCP_SYN | TCP_ACK, FIRST, NEXT, false, SYN_RECEIVED },
	{ SYN_RECEIVED, 6, CLIENT, TCP_SYN | TCP_ACK, FIRST, NEXT, false, SYN_RECEIVED },
	{ SYN_RECEIVED, 5, CLIENT, TCP_SYN, FIRST, ZERO, false, SYN_RECEIVED },
	{ SYN_RECEIVED, 5, SERVER, TCP_ACK, NEXT, NEXT, false, SYN_RECEIVED },
	{ SYN_RECEIVED, 3, CLIENT, TCP_FIN | TCP_ACK, NEXT, NEXT, false, ENDING },
	{ SYN_RECEIVED, 3, SERVER, TCP_FIN | TCP_ACK, NEXT, NEXT, false, ENDING },
	{ SYN_RECEIVED, 2, CLIENT, TCP_RST, NEXT, ZERO, false, OVER },
	{ SYN_RECEIVED, 2, SERVER, TCP_RST, NEXT, ZERO, false, OVER },

	{ OPEN, 20, CLIENT, TCP_ACK | TCP_PSH, NEXT, NEXT, true, OPEN },
	{ OPEN, 20, SERVER, TCP_ACK | TCP_PSH, NEXT, NEXT, true, OPEN },
	{ OPEN, 8, CLIENT, TCP_ACK, NEXT, NEXT, false, OPEN },
	{ OPEN, 8, SERVER, TCP_ACK, NEXT, NEXT, false, OPEN },
	{ OPEN, 6, CLIENT, TCP_ACK, NEXT, HEARD, false, OPEN },
	{ OPEN, 6, SERVER, TCP_ACK, NEXT, HEARD, false, OPEN },
	{ OPEN, 4, CLIENT, TCP_ACK, HEARD, NEXT, true, OPEN }, /* retransmitted */
	{ OPEN, 4, SERVER, TCP_ACK, HEARD, NEXT, true, OPEN },
	{ OPEN, 4, CLIENT, TCP_ACK, EDGE, NEXT, true, OPEN }, /* as far as it may */
	{ OPEN, 4, SERVER, TCP_ACK, EDGE, NEXT, true, OPEN },
	{ OPEN, 3, CLIENT, TCP_FIN | TCP_ACK, NEXT, NEXT, false, ENDING },
	{ OPEN, 3, SERVER, TCP_FIN | TCP_ACK, NEXT, NEXT, false, ENDING },
	{ OPEN, 1, CLIENT, TCP_FIN | TCP_ACK | TCP_PSH, NEXT, NEXT, true, ENDING },
	{ OPEN, 2, CLIENT, TCP_RST | TCP_ACK, NEXT, NEXT, false, OVER },
	{ OPEN, 2, SERVER, TCP_RST, NEXT, ZERO, false, OVER },
	{ OPEN, 2, CLIENT, TCP_RST, HEARD, ZERO, false, OVER },
	{ OPEN, 2, SERVER, TCP_RST, HEARD, ZERO, false, OVER },
	{ OPEN, 2, CLIENT, TCP_SYN, FRESH, ZERO, false, OPEN }, /* restarted, or forged */
	{ OPEN, 3, SERVER, TCP_SYN | TCP_ACK, FRESH, PASSED, false, SYN_RECEIVED },
	{ OPEN, 1, SERVER, TCP_RST | TCP_ACK, ZERO, PASSED, false, OVER },

	{ ENDING, 20, CLIENT, TCP_ACK, NEXT, NEXT, false, ENDING },
	{ ENDING, 20, SERVER, TCP_ACK, NEXT, NEXT, false, ENDING },
	{ ENDING, 10, CLIENT, TCP_ACK | TCP_PSH, NEXT, NEXT, true, ENDING },
	{ ENDING, 10, SERVER, TCP_ACK | TCP_PSH, NEXT, NEXT, true, ENDING },
	{ ENDING, 14, CLIENT, TCP_FIN | TCP_ACK, NEXT, NEXT, false, LAST },
	{ ENDING, 14, SERVER, TCP_FIN | TCP_ACK, NEXT, NEXT, false, LAST },
	{ ENDING, 4, CLIENT, TCP_RST, NEXT, ZERO, false, OVER },
	{ ENDING, 4, SERVER, TCP_RST | TCP_ACK, NEXT, NEXT, false, OVER },
	{ ENDING, 4, CLIENT, TCP_SYN, FRESH, ZERO, false, ENDING },

	{ LAST, 30, CLIENT, TCP_ACK, NEXT, NEXT, false, OVER },
	{ LAST, 30, SERVER, TCP_ACK, NEXT, NEXT, false, OVER },
	{ LAST, 10, CLIENT, TCP_SYN, FRESH, ZERO, false, LAST },
	{ LAST, 10, SERVER, TCP_ACK, NEXT, NEXT, false, LAST }, /* challenges it */
	{ LAST, 5, CLIENT, TCP_FIN | TCP_ACK, HEARD, NEXT, false, LAST },
	{ LAST, 5, SERVER, TCP_FIN | TCP_ACK, HEARD, NEXT, false, LAST },
	{ LAST, 5, CLIENT, TCP_RST, NEXT, ZERO, false, OVER },

	{ OVER, 30, CLIENT, TCP_ACK, NEXT, NEXT, false, OVER },
	{ OVER, 25, SERVER, TCP_ACK, NEXT, NEXT, false, OVER },
	{ OVER, 6, CLIENT, TCP_FIN | TCP_ACK, HEARD, NEXT, false, OVER },
	{ OVER, 6, SERVER, TCP_FIN | TCP_ACK, HEARD, NEXT, false, OVER },
	{ OVER, 5, CLIENT, TCP_RST, NEXT, ZERO, false, OVER },
	{ OVER, 5, SERVER, TCP_RST, NEXT, ZERO, false, OVER },
	{ OVER, 3, SERVER, TCP_ACK, HEARD, HEARD, true, OVER },
	{ OVER, 16, CLIENT, TCP_SYN, FRESH, ZERO, false, SYN_SENT }, /* the port again */
	{ OVER, 2, SERVER, TCP_SYN, FRESH, ZERO, false, OVER },
	{ OVER, 3, SERVER, TCP_SYN | TCP_ACK, FRESH, PASSED, false, SYN_RECEIVED },
};

/* One end, as a sender. */
struct tcp_end {
	uint32_t first, next;
	uint32_t heard;  /* the highest acknowledgement of it */
	uint32_t edge;   /* the highest number it may send */
	uint32_t wide;   /* the largest window it has offered, scaled */
	uint16_t window; /* as it offers it */
	uint8_t scale;
	bool scales, sacks;
};

struct tcp_walk {
	enum phase phase;
	struct tcp_end ends[2]; /* by enum side */
	uint32_t passed;
};

static inline uint32_t random_initial(struct random *random)
{
	return chance(random, 30) ? UINT32_MAX - random_below(random, 3000) : (uint32_t)random_next(random);
}

static inline uint16_t random_window(struct random *random)
{
	static const uint16_t windows[] = { 0, 1, 500, 2000, 2000, 14600, 14600, 65535 };

	return windows[random_below(random, 8)];
}

/* The window of `end` as the other one has to take it. */
static inline uint32_t scaled_window(const struct tcp_walk *walk, enum side side, uint16_t window)
{
	bool both = walk->ends[CLIENT].scales && walk->ends[SERVER].scales;

	return (uint32_t)window << (both ? walk->ends[side].scale : 0);
}

static inline uint32_t sequence_at(const struct tcp_walk *walk, struct random *random, enum side from, enum anchor anchor)
{
	const struct tcp_end *end = &walk->ends[from];

	switch (anchor) {
	case FRESH:
		return random_initial(random);
	case NEXT:
		return end->next;
	case FIRST:
		return end->first;
	case HEARD:
		return end->heard;
	case EDGE:
		return end->edge;
	case OLDEST:
		return end->next - walk->ends[!from].wide;
	case PASSED:
		return walk->passed;
	case ANY:
		return (uint32_t)random_next(random);
	default:
		return 0;
	}
}

static inline uint32_t acknowledgement_at(const struct tcp_walk *walk, struct random *random, enum side from,
					  enum anchor anchor)
{
	const struct tcp_end *other = &walk->ends[!from], *own = &walk->ends[from];

	if (anchor == OLDEST)
		return other->next - (own->wide > 66000 ? own->wide : 66000);
	return sequence_at(walk, random, !from, anchor);
}

static inline void put_option(struct step *step, const uint8_t *option, uint8_t size)
{
	memcpy(step->options + step->options_length, option, size);
	step->options_length += size;
}

/* SYNs say what they can do. */
static inline void put_syn_options(struct step *step, struct random *random, struct tcp_end *end)
{
	end->scales = chance(random, 60);
	end->scale = (uint8_t)random_below(random, chance(random, 90) ? 9 : 16);
	end->sacks = chance(random, 60);
	if (end->scales)
		put_option(step, (const uint8_t[4]) { 1, 3, 3, end->scale }, 4);
	if (end->sacks)
		put_option(step, (const uint8_t[4]) { 1, 1, 4, 2 }, 4);
	if (end->scale > 14)
		end->scale = 14;
}

static inline void put_ack_options(const struct tcp_walk *walk, struct random *random, struct step *step)
{
	uint8_t sack[12] = { 1, 1, 5, 10 }, timestamps[12] = { 1, 1, 8, 10 };
	uint32_t next = walk->ends[!step->from].next;

	if (walk->ends[!step->from].sacks && chance(random, 25)) {
		if (chance(random, 50))
			step->acknowledgement = walk->ends[!step->from].heard;
		store32(sack + 4, step->acknowledgement + 1);
		store32(sack + 8,
			chance(random, 80) ? next : next + random_below(random, 3) - 1 + random_below(random, 300));
		put_option(step, sack, sizeof(sack));
	} else if (chance(random, 20)) {
		put_option(step, timestamps, sizeof(timestamps));
	}
}

/* Keeps what the step says of its sender, as the other end would. */
static inline void walk_learn(struct tcp_walk *walk, const struct step *step)
{
	struct tcp_end *own = &walk->ends[step->from], *other = &walk->ends[!step->from];
	uint32_t end = step->sequence + step->length + !!(step->tcp_flags & TCP_SYN) + !!(step->tcp_flags & TCP_FIN);
	uint32_t window = scaled_window(walk, step->from, step->window);

	if (step->tcp_flags & TCP_SYN) {
		own->first = own->heard = step->sequence;
		own->next = own->edge = end;
		own->wide = window = step->window;
	} else if (!(step->tcp_flags & TCP_RST) && (int32_t)(end - own->next) > 0) {
		own->next = end;
	}
	if (!(step->tcp_flags & TCP_ACK) || step->tcp_flags & TCP_RST)
		return;
	own->wide = window > own->wide ? window : own->wide;
	if ((int32_t)(step->acknowledgement - other->heard) > 0)
		other->heard = step->acknowledgement;
	if ((int32_t)(step->acknowledgement + window - other->edge) > 0)
		other->edge = step->acknowledgement + window;
}

static inline const struct move *pick_move(const struct tcp_walk *walk, struct random *random)
{
	uint32_t total = 0, at;
	const struct move *move = moves;

	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
		total += moves[i].phase == walk->phase ? moves[i].weight : 0;
	at = random_below(random, total);
	for (;; move++) {
		uint32_t weight = move->phase == walk->phase ? move->weight : 0;

		if (at < weight)
			return move;
		at -= weight;
	}
}

static inline uint16_t random_length(struct random *random)
{
	return (uint16_t)(chance(random, 50) ? 1 + random_below(random, PAYLOAD_SIZE) : 1 + random_below(random, 10));
}

static inline void tcp_plausible(struct tcp_walk *walk, struct random *random, struct step *step)
{
	const struct move *move = pick_move(walk, random);
	struct tcp_end *own = &walk->ends[move->from];
	bool out_of_place =
		move->flags == TCP_SYN && move->next == move->phase && move->sequence == FRESH && move->phase != SYN_SENT;

	step->from = (uint8_t)move->from;
	step->tcp_flags = move->flags;
	if (chance(random, 10) || own->window == 0)
		own->window = random_window(random);
	step->window = move->flags & TCP_RST ? 0 : own->window;
	step->length = move->data ? random_length(random) : 0;
	step->sequence = sequence_at(walk, random, move->from, move->sequence);
	step->acknowledgement = acknowledgement_at(walk, random, move->from, move->acknowledgement);
	if (move->acknowledgement == FRESH) { /* in mid-stream: nothing was seen of either end */
		own->next = own->heard = own->edge = step->sequence;
		walk->ends[!move->from].next = walk->ends[!move->from].heard = step->acknowledgement;
		walk->ends[!move->from].edge = step->acknowledgement;
	}
	if (out_of_place) {
		struct tcp_end unknown = { 0 };

		put_syn_options(step, random, &unknown);
		walk->passed = step->sequence + 1;
		return;
	}
	if (step->tcp_flags & TCP_SYN)
		put_syn_options(step, random, own);
	else
		put_ack_options(walk, random, step);
	if (move->phase == SYN_SENT && move->flags == TCP_ACK)
		walk->passed = step->acknowledgement;
	else
		walk_learn(walk, step);
	walk->phase = move->next;
}

static inline void tcp_mischief(struct tcp_walk *walk, struct random *random, struct step *step)
{
	static const uint8_t flags[] = { TCP_ACK,           TCP_ACK,           TCP_ACK,           TCP_RST,
					 TCP_RST,           TCP_RST | TCP_ACK, TCP_SYN,           TCP_SYN | TCP_ACK,
					 TCP_FIN | TCP_ACK, TCP_ACK | TCP_PSH, TCP_ACK | TCP_URG, 0 };

	step->from = (uint8_t)random_below(random, 2);
	step->tcp_flags = flags[random_below(random, sizeof(flags))];
	if (step->tcp_flags == 0)
		step->tcp_flags = (uint8_t)random_below(random, 64);
	step->window = random_window(random);
	step->length = step->tcp_flags & TCP_RST || chance(random, 60) ? 0 : random_length(random);
	step->sequence = sequence_at(walk, random, step->from, (enum anchor)random_below(random, ANCHORS)) +
			 (chance(random, 50) ? random_below(random, 3) - 1 : 0);
	step->acknowledgement = acknowledgement_at(walk, random, step->from, (enum anchor)random_below(random, ANCHORS)) +
				(chance(random, 50) ? random_below(random, 3) - 1 : 0);
	if (chance(random, 50))
		step->acknowledgement = walk->ends[!step->from].next;
	if (chance(random, 10))
		put_ack_options(walk, random, step);
	if (step->tcp_flags == TCP_SYN)
		walk->passed = step->sequence + step->length + 1;
}

/* ---- SCTP ---- */

enum chunk_type {
	DATA = 0,
	INIT = 1,
	INIT_ACK = 2,
	SELECTIVE_ACK = 3,
	HEARTBEAT = 4,
	HEARTBEAT_ACK = 5,
	ABORT = 6,
	SHUTDOWN = 7,
	SHUTDOWN_ACK = 8,
	OPERATION_ERROR = 9,
	COOKIE_ECHO = 10,
	COOKIE_ACK = 11,
	SHUTDOWN_COMPLETE = 14,
};

enum tag {
	TAG_NONE,
	TAG_RIGHT,     /* the one that the other side asked for */
	TAG_REFLECTED, /* the sender's own, with the T bit */
	TAG_WRONG,
	TAGS
};

struct sctp_move {
	enum phase phase;
	uint8_t weight;
	enum side from;
	enum chunk_type chunk;
	enum tag tag;
	enum phase next;
};

static const struct sctp_move sctp_moves[] = {
	{ CLOSED, 80, CLIENT, INIT, TAG_NONE, SYN_SENT },
	{ CLOSED, 6, CLIENT, HEARTBEAT, TAG_RIGHT, OPEN }, /* a second path */
	{ CLOSED, 4, CLIENT, DATA, TAG_RIGHT, OPEN },
	{ CLOSED, 3, CLIENT, SHUTDOWN_ACK, TAG_RIGHT, OVER },
	{ CLOSED, 3, CLIENT, ABORT, TAG_RIGHT, CLOSED },
	{ CLOSED, 2, CLIENT, COOKIE_ECHO, TAG_RIGHT, SYN_RECEIVED },
	{ CLOSED, 2, CLIENT, COOKIE_ACK, TAG_RIGHT, CLOSED },

	{ SYN_SENT, 70, SERVER, INIT_ACK, TAG_RIGHT, SYN_RECEIVED },
	{ SYN_SENT, 10, CLIENT, INIT, TAG_NONE, SYN_SENT },
	{ SYN_SENT, 6, SERVER, ABORT, TAG_RIGHT, OVER },
	{ SYN_SENT, 5, SERVER, INIT, TAG_NONE, SYN_SENT }, /* collision */

	{ SYN_RECEIVED, 60, CLIENT, COOKIE_ECHO, TAG_RIGHT, SYN_RECEIVED },
	{ SYN_RECEIVED, 50, SERVER, COOKIE_ACK, TAG_RIGHT, OPEN },
	{ SYN_RECEIVED, 6, SERVER, OPERATION_ERROR, TAG_RIGHT, CLOSED }, /* stale cookie */
	{ SYN_RECEIVED, 6, SERVER, INIT_ACK, TAG_RIGHT, SYN_RECEIVED },
	{ SYN_RECEIVED, 4, SERVER, COOKIE_ECHO, TAG_RIGHT, SYN_RECEIVED },
	{ SYN_RECEIVED, 4, CLIENT, COOKIE_ACK, TAG_RIGHT, OPEN },

	{ OPEN, 20, CLIENT, DATA, TAG_RIGHT, OPEN },
	{ OPEN, 20, SERVER, DATA, TAG_RIGHT, OPEN },
	{ OPEN, 15, CLIENT, SELECTIVE_ACK, TAG_RIGHT, OPEN },
	{ OPEN, 15, SERVER, SELECTIVE_ACK, TAG_RIGHT, OPEN },
	{ OPEN, 8, CLIENT, HEARTBEAT, TAG_RIGHT, OPEN },
	{ OPEN, 8, SERVER, HEARTBEAT_ACK, TAG_RIGHT, OPEN },
	{ OPEN, 4, SERVER, HEARTBEAT, TAG_RIGHT, OPEN },
	{ OPEN, 2, CLIENT, HEARTBEAT, TAG_WRONG, OPEN }, /* an end has restarted */
	{ OPEN, 3, SERVER, HEARTBEAT_ACK, TAG_WRONG, OPEN },
	{ OPEN, 4, CLIENT, HEARTBEAT_ACK, TAG_RIGHT, OPEN },
	{ OPEN, 6, CLIENT, SHUTDOWN, TAG_RIGHT, ENDING },
	{ OPEN, 6, SERVER, SHUTDOWN, TAG_RIGHT, ENDING },
	{ OPEN, 3, CLIENT, ABORT, TAG_RIGHT, OVER },
	{ OPEN, 3, SERVER, ABORT, TAG_REFLECTED, OVER },
	{ OPEN, 3, CLIENT, INIT, TAG_NONE, SYN_SENT }, /* restarted */

	{ ENDING, 30, CLIENT, SHUTDOWN_ACK, TAG_RIGHT, ENDING },
	{ ENDING, 30, SERVER, SHUTDOWN_ACK, TAG_RIGHT, ENDING },
	{ ENDING, 20, CLIENT, SHUTDOWN_COMPLETE, TAG_RIGHT, OVER },
	{ ENDING, 20, SERVER, SHUTDOWN_COMPLETE, TAG_REFLECTED, OVER },
	{ ENDING, 5, CLIENT, DATA, TAG_RIGHT, ENDING },
	{ ENDING, 5, CLIENT, INIT, TAG_NONE, SYN_SENT },

	{ OVER, 30, CLIENT, INIT, TAG_NONE, SYN_SENT },
	{ OVER, 20, CLIENT, DATA, TAG_RIGHT, OVER },
	{ OVER, 20, SERVER, ABORT, TAG_REFLECTED, OVER },
	{ OVER, 10, SERVER, INIT, TAG_NONE, SYN_SENT },
	{ OVER, 10, SERVER, INIT_ACK, TAG_RIGHT, SYN_RECEIVED },
};

struct sctp_walk {
	enum phase phase;
	uint32_t tags[2]; /* that each side wants to see */
};

static inline void put_chunk(struct step *step, uint8_t type, uint8_t flags, uint32_t tag)
{
	uint8_t *chunk = step->chunks + step->length;
	uint16_t size = type == INIT || type == INIT_ACK ? 20 : type == DATA ? 17 : 8;

	chunk[0] = type;
	chunk[1] = flags;
	store16(chunk + 2, size);
	if (type == INIT || type == INIT_ACK)
		store32(chunk + 4, tag);
	step->length = (uint16_t)(step->length + ((size + 3) & ~3));
}

static inline uint32_t sctp_tag(const struct sctp_walk *walk, struct random *random, enum side from, enum tag tag)
{
	return tag == TAG_NONE    ? 0
	       : tag == TAG_RIGHT ? walk->tags[!from]
	       : tag == TAG_WRONG ? 1 + (uint32_t)random_next(random) / 2
				  : walk->tags[from];
}

static inline void sctp_plausible(struct sctp_walk *walk, struct random *random, struct step *step)
{
	static const enum chunk_type behind[] = { DATA, DATA, SELECTIVE_ACK, SHUTDOWN };
	const struct sctp_move *move = sctp_moves;
	uint32_t total = 0, at;

	for (size_t i = 0; i < sizeof(sctp_moves) / sizeof(sctp_moves[0]); i++)
		total += sctp_moves[i].phase == walk->phase ? sctp_moves[i].weight : 0;
	at = random_below(random, total);
	for (;; move++) {
		uint32_t weight = move->phase == walk->phase ? move->weight : 0;

		if (at < weight)
			break;
		at -= weight;
	}
	step->from = (uint8_t)move->from;
	step->tag = sctp_tag(walk, random, move->from, move->tag);
	if (move->chunk == INIT || move->chunk == INIT_ACK)
		walk->tags[move->from] = chance(random, 97) ? 1 + (uint32_t)random_next(random) / 2 : 0;
	put_chunk(step, (uint8_t)move->chunk, move->tag == TAG_REFLECTED, walk->tags[move->from]);
	if ((move->chunk == COOKIE_ECHO || move->chunk == COOKIE_ACK || move->chunk == DATA) && chance(random, 30))
		put_chunk(step, (uint8_t)behind[random_below(random, 4)], 0, 0);
	walk->phase = move->next;
}

static inline void sctp_mischief(struct sctp_walk *walk, struct random *random, struct step *step)
{
	uint32_t count = 1 + random_below(random, 10) / 8;

	step->from = (uint8_t)random_below(random, 2);
	step->tag = sctp_tag(walk, random, step->from, (enum tag)random_below(random, TAGS));
	while (count--)
		put_chunk(step, (uint8_t)random_below(random, 17), chance(random, 20), (uint32_t)random_next(random));
	if (chance(random, 3))
		store16(step->chunks + 2, (uint16_t)random_below(random, 8));
}

/* ---- the others ---- */

static inline void simple_step(struct random *random, const struct conversation *c, struct step *step)
{
	step->from = chance(random, 60) ? CLIENT : SERVER;
	step->length = (uint16_t)random_below(random, chance(random, 50) ? 16 : PAYLOAD_SIZE);
	step->unsummed = c->protocol == LUN_UDP && chance(random, 10);
	if (c->icmp_kind && chance(random, 5))
		step->icmp_code = (uint8_t)(1 + random_below(random, 3));
}

/* ---- errors ---- */

static inline void error_step(struct random *random, const struct conversation *c, struct step *step)
{
	static const uint8_t v4[][2] = { { 3, 0 }, { 3, 1 },  { 3, 3 },  { 3, 4 }, { 4, 0 },
					 { 5, 1 }, { 11, 0 }, { 12, 0 }, { 6, 0 }, { 40, 0 } };
	static const uint8_t v6[][2] = { { 1, 0 }, { 1, 4 }, { 2, 0 },   { 2, 0 },   { 3, 0 },
					 { 3, 1 }, { 4, 1 }, { 100, 0 }, { 135, 0 }, { 200, 0 } };
	const uint8_t *type = (c->v6 ? v6 : v4)[random_below(random, 10)];

	step->from = (uint8_t)random_below(random, 2);
	step->kind = chance(random, 75) ? STEP_ERROR : chance(random, 50) ? STEP_UNKNOWN_ERROR : STEP_STRAY_ERROR;
	step->icmp_type = type[0];
	step->icmp_code = type[1];
	step->quote = (uint16_t)(chance(random, 70) ? 128 : (c->v6 ? IP6_HEADER : IP4_HEADER) + random_below(random, 28));
}

/* ---- sequences ---- */

struct walk {
	struct tcp_walk tcp;
	struct sctp_walk sctp;
};

static inline void next_step(const struct conversation *c, struct walk *walk, struct random *random, bool mischief,
			     struct step *step)
{
	if (c->protocol == LUN_TCP)
		(mischief ? tcp_mischief : tcp_plausible)(&walk->tcp, random, step);
	else if (c->protocol == LUN_SCTP)
		(mischief ? sctp_mischief : sctp_plausible)(&walk->sctp, random, step);
	else
		simple_step(random, c, step);
}

static inline struct conversation random_conversation(struct random *random)
{
	static const uint8_t kinds[] = { 8, 8, 13, 17 };
	struct conversation c = { .v6 = chance(random, 40) };
	uint32_t dice = random_below(random, 100);

	c.protocol = dice < 66   ? LUN_TCP
		     : dice < 86 ? LUN_SCTP
		     : dice < 92 ? LUN_UDP
		     : dice < 98 ? (c.v6 ? LUN_ICMPV6 : LUN_ICMP)
				 : OTHER_PROTOCOL;
	if (c.protocol == LUN_ICMP || c.protocol == LUN_ICMPV6)
		c.icmp_kind = c.v6 ? 128 : kinds[random_below(random, 4)];
	else if (c.protocol != OTHER_PROTOCOL)
		c.service = chance(random, 50) ? DIRECT : chance(random, 50) ? FORWARDED : MASQUERADED;
	return c;
}

static inline void fragment_step(struct random *random, struct step *step)
{
	static const uint16_t pieces[] = { 8, 16, 24, 48, 200, 512 };

	step->piece = pieces[random_below(random, 6)];
	step->mishap = chance(random, 50) ? NO_MISHAP : (uint8_t)random_below(random, OVERLAPPED + 1);
	step->mishap_at = (uint8_t)random_below(random, PIECES);
}

/* Says a step again, or a new one. */
static inline void add_step(struct sequence *sequence, struct walk *walks, struct random *random, uint32_t mischief)
{
	struct step *step = &sequence->steps[sequence->count];
	uint8_t which = chance(random, 80) ? 0 : (uint8_t)random_below(random, CONVERSATIONS);

	*step = (struct step) { .conversation = which };
	if (sequence->count > 0 && chance(random, mischief / 2)) {
		*step = sequence->steps[random_below(random, sequence->count)];
	} else if (chance(random, 5)) {
		error_step(random, &sequence->conversations[which], step);
	} else {
		next_step(&sequence->conversations[which], &walks[which], random, chance(random, mischief), step);
	}
	step->spoiled = step->spoiled || chance(random, 2);
	step->mangled = step->mangled || chance(random, 1);
	step->extended = step->kind == STEP_PACKET && chance(random, 3);
	if (chance(random, 5))
		fragment_step(random, step);
	sequence->count++;
}

/* The sequence of a seed.  Its second conversation is another client's, often from the same port. */
static inline void sequence_make(struct sequence *sequence, uint64_t seed)
{
	static const uint8_t mischiefs[] = { 0, 3, 10, 10, 25, 50 };
	struct random seeds = { .state = seed }, random = { .state = random_next(&seeds) };
	struct walk walks[CONVERSATIONS] = { 0 };
	uint32_t mischief = mischiefs[random_below(&random, sizeof(mischiefs))],
		 length = 8 + random_below(&random, STEPS - 7);

	*sequence = (struct sequence) { .seed = seed,
					.liberal = chance(&random, 5),
					.no_pick_up = chance(&random, 10),
					.unverified = chance(&random, 10) };
	sequence->conversations[0] = random_conversation(&random);
	sequence->conversations[1] = chance(&random, 70) ? sequence->conversations[0] : random_conversation(&random);
	sequence->conversations[1].client = 1;
	sequence->conversations[1].port = chance(&random, 30);
	while (sequence->count < length)
		add_step(sequence, walks, &random, mischief);
}

#endif
