/* simulator.h - one honest TCP end (RFC 9293, with 2018, 2883, 5681, 5961 and 7323), for simulator.c.
 *
 * Inside, numbers are relative to their side's initial sequence number: 0 is the SYN, 1 the first byte, 1 + length the FIN.
 * They never wrap; only what goes on the wire does.  An end does nothing by itself: end_input takes a segment, end_run does
 * what is due; both hand segments to `send`.  What stacks may decide freely (sizes, pauses, when to read, how to probe a
 * closed window) it draws from `traits` and its own generator, so that a seed tells all.
 *
 * It is no good TCP: its timer does not measure, its congestion window is a few lines.  But what it sends, a stack may
 * send. */
#ifndef LUNETTE_TESTS_SIMULATOR_H
#define LUNETTE_TESTS_SIMULATOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/random.h"
#include "packet/packet.h"

enum { STREAM_MOST = 1 << 17, RANGES = 24, SACKS = 4, HEADS_MOST = 64 };

static const uint64_t MILLISECOND = 1000000, SECOND = 1000000000, NEVER = UINT64_MAX;
static const uint64_t TIME_WAIT = 4000000000; /* more than twice what a packet lives here */

/* ---- sets of numbers ---- */

struct range {
	uint32_t from, to;
};

struct ranges {
	struct range list[RANGES]; /* sorted, and apart */
	uint32_t count;
};

/* Adds a range; one too many is forgotten, as both a receiver and a sender of SACK may. */
static inline void ranges_add(struct ranges *ranges, uint32_t from, uint32_t to)
{
	uint32_t first = 0, last;

	while (first < ranges->count && ranges->list[first].to < from)
		first++;
	for (last = first; last < ranges->count && ranges->list[last].from <= to; last++) {
		from = ranges->list[last].from < from ? ranges->list[last].from : from;
		to = ranges->list[last].to > to ? ranges->list[last].to : to;
	}
	if (first == last && ranges->count == RANGES)
		return;
	memmove(&ranges->list[first + 1], &ranges->list[last], (ranges->count - last) * sizeof(ranges->list[0]));
	ranges->count = ranges->count - (last - first) + 1;
	ranges->list[first] = (struct range) { from, to };
}

/* Removes what lies before `from`. */
static inline void ranges_trim(struct ranges *ranges, uint32_t from)
{
	uint32_t gone = 0;

	while (gone < ranges->count && ranges->list[gone].to <= from)
		gone++;
	ranges->count -= gone;
	memmove(ranges->list, &ranges->list[gone], ranges->count * sizeof(ranges->list[0]));
	if (ranges->count && ranges->list[0].from < from)
		ranges->list[0].from = from;
}

/* The first range that ends behind `number`, or NULL. */
static inline const struct range *ranges_behind(const struct ranges *ranges, uint32_t number)
{
	for (uint32_t i = 0; i < ranges->count; i++)
		if (ranges->list[i].to > number)
			return &ranges->list[i];
	return NULL;
}

/* ---- one end ---- */

struct segment {
	uint8_t flags;
	uint32_t sequence, acknowledgement; /* as on the wire */
	uint16_t window;
	int scale; /* -1: not offered */
	bool sack_permitted, timestamps;
	struct range sacks[SACKS]; /* as on the wire */
	uint32_t sack_count;
	const uint8_t *payload;
	uint32_t length;
};

/* What kind of stack this is, and what its program does. */
struct traits {
	uint32_t isn, mss, buffer;
	int scale; /* -1: not offered */
	bool sack, timestamps;
	bool duplicate_sack;   /* RFC 2883 */
	bool forgets_sacks;    /* at a timeout (RFC 2018, section 8) */
	bool rounds_down;      /* windows to the unit of the scale: the right edge may move back a little (RFC 7323, 2.4) */
	bool probes_with_byte; /* else with no byte and the number in front, as Linux */
	bool fin_at_edge;      /* sends a FIN although the window ends in front of it */
	bool closes_last;      /* its program closes only when the other did */
	bool long_pauses;      /* its program may sleep for hours */
	uint32_t flight;       /* bytes under way at most */
	uint32_t read_most;    /* bytes that the program takes at once */
	uint32_t abort_odds;   /* one in so many turns of the program ends it with a RST; 0: none */
	uint64_t timeout, keep_alive, delayed_ack;
};

enum end_state { END_CLOSED, END_LISTEN, END_SYN_SENT, END_SYN_RECEIVED, END_OPEN, END_TIME_WAIT };

/* The program writes no more than `out` bytes of its stream before it has got `in` bytes. */
struct gate {
	uint32_t in, out;
};

/* What the tests want to know to have happened. */
struct deeds {
	uint64_t timeouts, fast_retransmissions, probes, keep_alives, zero_windows, resets, challenges, sacks, wraps,
		half_closes;
};

struct end {
	struct traits traits;
	struct random random;
	void (*send)(void *wire, const struct segment *segment);
	void *wire;
	struct deeds *deeds;
	enum end_state state;
	bool was_reset;
	bool scaled, uses_sack, uses_timestamps; /* both ends offered it */
	uint8_t peer_scale;
	/* sender */
	const uint8_t *out;
	uint32_t length, written; /* of the stream; what the program has written of it */
	struct gate gates[HEADS_MOST];
	uint32_t gate_count;
	bool shut;                /* the program closed */
	bool idle;                /* it waits for bytes or the end */
	uint32_t una, next, sent; /* acknowledged up to; to be sent next; highest ever sent, plus one */
	uint32_t allowed;         /* right edge of the peer's window */
	uint32_t window_sequence, window_acknowledgement;
	uint32_t congestion, recover, hole, duplicates;
	struct ranges sacked;
	int backoff;
	/* receiver */
	uint8_t in[STREAM_MOST];
	uint32_t peer_isn, expected, edge, read;
	uint32_t fin; /* number of the peer's FIN; 0: not known */
	bool passive; /* the peer's FIN came before ours left */
	struct ranges beyond;
	uint32_t recent; /* a number in the range of `beyond` that came last */
	struct range duplicate;
	uint32_t unacknowledged; /* segments */
	/* timers */
	uint64_t retransmit_at, ack_at, keep_alive_at, program_at, gone_at;
};

static inline bool one_in(struct random *random, uint32_t odds)
{
	return random_below(random, odds) == 0;
}

static inline uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t end_fin_number(const struct end *end)
{
	return 1 + end->length;
}

static inline bool end_fin_acknowledged(const struct end *end)
{
	return end->una > end_fin_number(end);
}

static inline bool end_is_over(const struct end *end)
{
	return end->state == END_CLOSED || end->state == END_LISTEN;
}

static inline void end_close(struct end *end)
{
	end->state = END_CLOSED;
	end->retransmit_at = end->ack_at = end->keep_alive_at = end->program_at = end->gone_at = NEVER;
}

/* The window to announce, as a field; moves the edge. */
static inline uint16_t end_announce(struct end *end, bool syn)
{
	uint32_t shift = syn || !end->scaled ? 0 : (uint32_t)end->traits.scale, unit = (1u << shift) - 1;
	uint32_t edge = 1 + end->read + end->traits.buffer, room = edge > end->expected ? edge - end->expected : 0;
	uint32_t before = end->edge > end->expected ? end->edge - end->expected : 0;

	if (!end->traits.rounds_down && room < before)
		room = before;
	room = least((end->traits.rounds_down ? room : room + unit) >> shift, 65535);
	end->edge = end->expected + (room << shift);
	end->deeds->zero_windows += room == 0;
	return (uint16_t)room;
}

/* SACK blocks: a duplicate first, then what came last, then the others. */
static inline void end_put_sacks(struct end *end, struct segment *s)
{
	uint32_t most = end->uses_timestamps ? SACKS - 1 : SACKS, count = 0;
	const struct range *recent = ranges_behind(&end->beyond, end->recent);

	if (end->traits.duplicate_sack && end->duplicate.to > end->duplicate.from)
		s->sacks[count++] = end->duplicate;
	if (recent)
		s->sacks[count++] = *recent;
	for (uint32_t i = 0; i < end->beyond.count && count < most; i++)
		if (&end->beyond.list[i] != recent)
			s->sacks[count++] = end->beyond.list[i];
	for (uint32_t i = 0; i < count; i++) {
		s->sacks[i].from += end->peer_isn;
		s->sacks[i].to += end->peer_isn;
	}
	s->sack_count = count;
	end->deeds->sacks += count > 0;
}

/* Sends `size` bytes of the stream from number `from` on. */
static inline void end_emit(struct end *end, uint8_t flags, uint32_t from, uint32_t size)
{
	bool syn = flags & TCP_SYN;
	struct segment s = { .flags = flags,
			     .sequence = end->traits.isn + from,
			     .scale = syn && (end->scaled || !(flags & TCP_ACK)) ? end->traits.scale : -1,
			     .sack_permitted = syn && (end->uses_sack || (!(flags & TCP_ACK) && end->traits.sack)),
			     .timestamps = end->uses_timestamps || (syn && !(flags & TCP_ACK) && end->traits.timestamps),
			     .payload = size ? end->out + from - 1 : NULL,
			     .length = size };

	s.window = end_announce(end, syn);
	if (flags & TCP_ACK) {
		s.acknowledgement = end->peer_isn + end->expected;
		if (end->uses_sack && !syn)
			end_put_sacks(end, &s);
		end->duplicate = (struct range) { 0 };
		end->unacknowledged = 0;
		end->ack_at = NEVER;
	}
	end->sent = from + size + !!(flags & TCP_FIN) > end->sent ? from + size + !!(flags & TCP_FIN) : end->sent;
	end->deeds->wraps += s.sequence + size < s.sequence;
	end->send(end->wire, &s);
}

/* The number for a segment without data: the next one, but not outside of the peer's window. */
static inline uint32_t end_acceptable_number(const struct end *end)
{
	uint32_t edge = end->allowed > end->una ? end->allowed : end->una;

	return least(end->sent, edge);
}

static inline void end_acknowledge(struct end *end)
{
	end_emit(end, TCP_ACK, end_acceptable_number(end), 0);
}

static inline void end_emit_syn(struct end *end)
{
	end_emit(end, end->state == END_SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK, 0, 0);
	end->next = end->sent = 1;
}

static inline void end_arm(struct end *end, uint64_t now)
{
	uint64_t time = end->traits.timeout << end->backoff;

	end->retransmit_at = now + (time < 60 * SECOND ? time : 60 * SECOND);
}

/* Begins: by a SYN, or by waiting for one. */
static inline void end_open(struct end *end, bool active, uint64_t now)
{
	end_close(end);
	end->state = active ? END_SYN_SENT : END_LISTEN;
	if (!active)
		return;
	end_emit_syn(end);
	end_arm(end, now);
}

static inline void end_abort(struct end *end)
{
	if (end->state == END_OPEN || end->state == END_SYN_RECEIVED) {
		end_emit(end, TCP_RST | TCP_ACK, end_acceptable_number(end), 0);
		end->deeds->resets++;
	}
	end->was_reset = true;
	end_close(end);
}

/* ---- sending ---- */

/* How many bytes the segment that begins at `from` takes; 0: none for now. */
static inline uint32_t end_cut(struct end *end, uint32_t from, uint32_t limit)
{
	const struct range *sacked = ranges_behind(&end->sacked, from);
	uint32_t last = 1 + end->written, size, wanted;

	if (from >= last || from >= limit)
		return 0;
	wanted = size = least(end->traits.mss, last - from);
	size = least(size, limit - from);
	if (sacked && sacked->from > from)
		size = least(size, sacked->from - from);
	if (size < wanted / 2 && from == end->sent && end->una < end->sent)
		return 0; /* the window is a little open: wait for more (RFC 9293, 3.8.6.2.1) */
	return one_in(&end->random, 4) ? 1 + random_below(&end->random, size) : size;
}

/* Sends the next new or repeated segment; false: nothing may be sent. */
static inline bool end_send_next(struct end *end)
{
	uint32_t limit = least(end->allowed, end->una + end->congestion), size;
	const struct range *sacked;
	bool fin;

	while ((sacked = ranges_behind(&end->sacked, end->next)) != NULL && sacked->from <= end->next)
		end->next = sacked->to;
	size = end_cut(end, end->next, limit);
	fin = end->shut && end->next + size == end_fin_number(end) &&
	      (end_fin_number(end) < end->allowed || (end_fin_number(end) == end->allowed && end->traits.fin_at_edge));
	if (size == 0 && !fin)
		return false;
	if (fin && end->sent <= end_fin_number(end))
		end->passive = end->fin && end->expected > end->fin;
	end_emit(end, (uint8_t)(TCP_ACK | (fin ? TCP_FIN : 0) | (one_in(&end->random, 2) && size ? TCP_PSH : 0)), end->next,
		 size);
	end->next += size + fin;
	return true;
}

/* Sends the next hole again, of those that SACK leaves or the one at the left edge. */
static inline void end_fill_hole(struct end *end)
{
	const struct range *sacked;
	uint32_t limit, size;

	if (end->hole < end->una)
		end->hole = end->una;
	sacked = ranges_behind(&end->sacked, end->hole);
	if (sacked && sacked->from <= end->hole)
		end->hole = sacked->to;
	if (end->hole > end->una && !ranges_behind(&end->sacked, end->hole))
		return; /* nothing behind it came: it may be on its way */
	limit = least(end->sent, end->allowed);
	size = end_cut(end, end->hole, limit);
	if (size == 0)
		return;
	end_emit(end, TCP_ACK, end->hole, size);
	end->hole += size;
	end->deeds->fast_retransmissions++;
}

static inline bool end_waits_for_window(const struct end *end)
{
	return end->next < 1 + end->written || (end->shut && end->next <= end_fin_number(end));
}

static inline void end_output(struct end *end, uint64_t now)
{
	if (end->state != END_OPEN)
		return;
	while (end_send_next(end))
		;
	if (end->una == end->sent && !end_waits_for_window(end))
		end->retransmit_at = NEVER;
	else if (end->retransmit_at == NEVER)
		end_arm(end, now);
}

/* A closed window, or an idle connection, is probed by an old number, or by the byte behind what was acknowledged. */
static inline void end_probe(struct end *end, bool keep_alive)
{
	bool byte = end->traits.probes_with_byte && end->written > 0;

	if (byte && !keep_alive && end->una < 1 + end->written)
		end_emit(end, TCP_ACK, end->una, 1);
	else if (byte && end->una > 1 && end->una <= 1 + end->written)
		end_emit(end, TCP_ACK, end->una - 1, 1);
	else
		end_emit(end, TCP_ACK, end->una - 1, 0);
}

/* An opening that nobody answers is given up in the end (RFC 9293, section 3.8.3). */
static inline void end_timeout(struct end *end, uint64_t now)
{
	bool opening = end->state == END_SYN_SENT || end->state == END_SYN_RECEIVED;

	if (opening && end->backoff == 16) {
		end->was_reset = true;
		end_close(end);
		return;
	}
	end->backoff += end->backoff < 16;
	if (opening) {
		end_emit_syn(end);
		end->deeds->timeouts++;
	} else if (end->una < end->sent) {
		end->next = end->una;
		end->congestion = end->traits.mss;
		end->recover = end->duplicates = 0;
		if (end->traits.forgets_sacks)
			end->sacked.count = 0;
		end->deeds->timeouts++;
	}
	if (end->state == END_OPEN && (end->una == end->sent || !end_send_next(end))) {
		end_probe(end, false);
		end->deeds->probes++;
	}
	end_arm(end, now);
}

/* ---- the program ---- */

static inline bool end_is_closing(const struct end *end)
{
	return end->shut || end->fin;
}

static inline void end_plan_program(struct end *end, uint64_t now)
{
	uint64_t pause = random_below(&end->random, 20) * MILLISECOND;

	if (one_in(&end->random, 20))
		pause = random_below(&end->random, 2000) * MILLISECOND;
	if (end->traits.long_pauses && !end_is_closing(end) && one_in(&end->random, 20))
		pause = random_below(&end->random, 4 * 3600) * SECOND;
	end->program_at = now + pause;
}

/* How much of its stream the program may have written, with so much that it got. */
static inline uint32_t end_writes(const struct end *end, uint32_t there)
{
	for (uint32_t i = 0; i < end->gate_count; i++)
		if (there < end->gates[i].in)
			return end->gates[i].out;
	return end->length;
}

static inline void end_program(struct end *end, uint64_t now)
{
	uint32_t there = end->expected - 1 - (end->fin && end->expected > end->fin);
	bool all = end->written == end->length;

	if (end->traits.abort_odds && one_in(&end->random, end->traits.abort_odds)) {
		end_abort(end);
		return;
	}
	end->written += least(end_writes(end, there) - end->written, 1 + random_below(&end->random, 8000));
	if (all && (!end->traits.closes_last || (end->fin && end->expected > end->fin)))
		end->shut = true;
	if (!one_in(&end->random, 4))
		end->read += least(there - end->read, 1 + random_below(&end->random, end->traits.read_most));
	/* A window that opens by enough, from little, is told at once (RFC 9293, 3.8.6.2.2). */
	if (1 + end->read + end->traits.buffer >= end->edge + least(end->traits.buffer / 2, end->traits.mss) &&
	    end->edge < end->expected + 2 * end->traits.mss)
		end->ack_at = now;
	end->idle = all && end->read == there && (end->shut || end->traits.closes_last);
	if (end->idle)
		end->program_at = NEVER;
	else
		end_plan_program(end, now);
}

/* ---- receiving ---- */

static inline void end_refuse(struct end *end, const struct segment *s)
{
	struct segment reset = { .flags = TCP_RST, .sequence = s->acknowledgement, .scale = -1 };

	if (s->flags & TCP_RST)
		return;
	if (!(s->flags & TCP_ACK)) {
		reset.flags |= TCP_ACK;
		reset.sequence = 0;
		reset.acknowledgement = s->sequence + s->length + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
	}
	end->deeds->resets++;
	end->send(end->wire, &reset);
}

static inline uint32_t end_window_of(const struct end *end, const struct segment *s)
{
	return s->flags & TCP_SYN ? s->window : (uint32_t)s->window << end->peer_scale;
}

static inline void end_opened(struct end *end, const struct segment *s, uint64_t now)
{
	end->state = END_OPEN;
	end->una = 1;
	end->backoff = 0;
	end->retransmit_at = NEVER;
	end->allowed = 1 + end_window_of(end, s);
	end->window_sequence = s->sequence - end->peer_isn;
	end->window_acknowledgement = 1;
	end->keep_alive_at = now + end->traits.keep_alive;
	end_plan_program(end, now);
}

/* The peer's SYN, with or without an ACK. */
static inline void end_meet(struct end *end, const struct segment *s)
{
	end->peer_isn = s->sequence;
	end->expected = 1;
	end->edge = 1 + least(end->traits.buffer, 65535);
	end->scaled = end->traits.scale >= 0 && s->scale >= 0;
	end->peer_scale = (uint8_t)(end->scaled ? s->scale : 0);
	end->uses_sack = end->traits.sack && s->sack_permitted;
	end->uses_timestamps = end->traits.timestamps && s->timestamps;
}

static inline void end_input_unsynchronized(struct end *end, const struct segment *s, uint64_t now)
{
	bool good = s->flags & TCP_ACK && s->acknowledgement == end->traits.isn + 1;

	if (end->state == END_LISTEN) {
		if (s->flags & TCP_RST)
			return;
		if (s->flags & TCP_ACK || !(s->flags & TCP_SYN)) {
			end_refuse(end, s);
			return;
		}
	} else if (s->flags & TCP_ACK && !good) {
		end_refuse(end, s);
		return;
	} else if (s->flags & TCP_RST) {
		end->was_reset = good;
		if (good)
			end_close(end);
		return;
	}
	if (!(s->flags & TCP_SYN))
		return;
	end_meet(end, s);
	if (good) {
		end_opened(end, s, now);
		end->ack_at = now;
		return;
	}
	end->state = END_SYN_RECEIVED; /* also of a simultaneous opening */
	end_emit_syn(end);
	end_arm(end, now);
}

static inline void end_challenge(struct end *end)
{
	end->deeds->challenges++;
	end_acknowledge(end);
}

static inline void end_take_sacks(struct end *end, const struct segment *s)
{
	for (uint32_t i = 0; i < s->sack_count; i++) {
		uint32_t from = s->sacks[i].from - end->traits.isn, to = s->sacks[i].to - end->traits.isn;

		if (from >= end->una && from < to && to <= end->sent)
			ranges_add(&end->sacked, from, to);
	}
}

/* SACK or not, three answers that bring nothing new mean a loss (RFC 5681, 3.2). */
static inline void end_take_duplicate(struct end *end)
{
	if (++end->duplicates == 3 && !end->recover) {
		end->recover = end->sent;
		end->hole = end->una;
		end->congestion = end->congestion / 2 + end->traits.mss;
	}
	if (end->recover && (end->duplicates == 3 || end->uses_sack))
		end_fill_hole(end);
}

static inline void end_advance(struct end *end, uint32_t ack)
{
	end->una = ack;
	end->next = end->next < ack ? ack : end->next;
	ranges_trim(&end->sacked, ack);
	end->duplicates = 0;
	end->backoff = 0;
	end->retransmit_at = NEVER;
	end->congestion = least(end->congestion + end->traits.mss, end->traits.flight);
	if (end->recover && ack < end->recover) {
		end->hole = ack;
		end_fill_hole(end);
	} else {
		end->recover = 0;
	}
}

/* False: the segment goes no further. */
static inline bool end_take_acknowledgement(struct end *end, const struct segment *s)
{
	uint32_t ack = s->acknowledgement - end->traits.isn, sequence = s->sequence - end->peer_isn;
	uint32_t allowed = ack + end_window_of(end, s);

	if ((int32_t)(ack - end->una) < 0)
		return true; /* of long ago */
	if (ack > end->sent) {
		end_challenge(end);
		return false;
	}
	end_take_sacks(end, s);
	if (ack > end->una)
		end_advance(end, ack);
	else if (s->length == 0 && !(s->flags & TCP_FIN) && end->una < end->sent && allowed == end->allowed)
		end_take_duplicate(end);
	if ((int32_t)(sequence - end->window_sequence) > 0 ||
	    (sequence == end->window_sequence && ack >= end->window_acknowledgement)) {
		end->window_sequence = sequence;
		end->window_acknowledgement = ack;
		if (allowed > end->allowed && end->next == end->sent)
			end->retransmit_at = NEVER; /* an open window needs no probe */
		end->allowed = allowed;
	}
	return true;
}

/* The FIN is there and all in front of it. */
static inline void end_take_fin(struct end *end, uint64_t now)
{
	end->expected = end->fin + 1;
	end->ack_at = now;
	end->program_at = now + random_below(&end->random, 5) * MILLISECOND; /* wakes it */
	end->deeds->half_closes += end->sent <= end_fin_number(end);
}

static inline void end_take_data(struct end *end, const struct segment *s, uint64_t now)
{
	int64_t first = (int32_t)(s->sequence - end->peer_isn), last = first + s->length, before = end->expected;
	int64_t from = first < before ? before : first, to = last < end->edge ? last : end->edge;

	if (s->length == 0 && !(s->flags & TCP_FIN))
		return;
	if (from < to && to <= STREAM_MOST) {
		memcpy(end->in + from - 1, s->payload + (from - first), (size_t)(to - from));
		ranges_add(&end->beyond, (uint32_t)from, (uint32_t)to);
		end->recent = (uint32_t)from;
	}
	if (s->length && last <= before)
		end->duplicate = (struct range) { (uint32_t)first, (uint32_t)last };
	if (end->beyond.count && end->beyond.list[0].from <= end->expected) {
		if (end->idle)
			end_plan_program(end, now);
		end->idle = false;
		end->expected = end->beyond.list[0].to;
		ranges_trim(&end->beyond, end->expected);
	}
	if (s->flags & TCP_FIN && last <= end->edge)
		end->fin = (uint32_t)last;
	if (end->fin && end->expected == end->fin)
		end_take_fin(end, now);
	/* At once if something is odd, else for every second segment. */
	if (first != before || last > to || end->beyond.count || ++end->unacknowledged >= 2)
		end->ack_at = now;
	else if (end->ack_at == NEVER)
		end->ack_at = now + end->traits.delayed_ack;
}

static inline void end_settle(struct end *end, uint64_t now)
{
	if (!end_fin_acknowledged(end) || !end->fin || end->expected <= end->fin)
		return;
	if (end->ack_at != NEVER)
		end_acknowledge(end);
	if (end->passive) {
		end_close(end);
		return;
	}
	end_close(end);
	end->state = END_TIME_WAIT;
	end->gone_at = now + TIME_WAIT;
}

/* Whether the segment touches the window (RFC 9293, 3.10.7.4, as stacks do it: up to its edge). */
static inline bool end_accepts(const struct end *end, const struct segment *s)
{
	int64_t first = (int32_t)(s->sequence - end->peer_isn), last = first + s->length + !!(s->flags & TCP_FIN);

	return last >= end->expected && first <= (end->edge > end->expected ? end->edge : end->expected);
}

/* A segment outside of the window is answered, and goes no further; but if it is an old one, what it acknowledges counts, as in the
 * BSDs.  Else two ends of which each believes the other's window to be closed, and so sends old numbers, say so for ever. */
static inline void end_input_unacceptable(struct end *end, const struct segment *s, uint64_t now)
{
	bool old = (int32_t)(s->sequence - end->peer_isn - end->expected) < 0;

	if (s->flags & TCP_RST)
		return;
	if (!old || !(s->flags & TCP_ACK) || end->state != END_OPEN) {
		end_challenge(end);
	} else if (end_take_acknowledgement(end, s)) {
		end_challenge(end);
		end_settle(end, now);
	}
}

static inline void end_input_synchronized(struct end *end, const struct segment *s, uint64_t now)
{
	if (s->flags & TCP_SYN && end->state == END_SYN_RECEIVED && s->sequence == end->peer_isn && !(s->flags & TCP_ACK)) {
		end_emit_syn(end); /* it asks again */
		return;
	}
	if (s->flags & TCP_SYN && !(end->state == END_SYN_RECEIVED && s->sequence == end->peer_isn)) {
		end_challenge(end);
		return;
	}
	if (!end_accepts(end, s) && !(s->flags & TCP_SYN)) {
		end_input_unacceptable(end, s, now);
		return;
	}
	if (s->flags & TCP_RST) {
		if (s->sequence != end->peer_isn + end->expected) {
			end_challenge(end);
			return;
		}
		end->was_reset = true;
		end_close(end);
		return;
	}
	if (!(s->flags & TCP_ACK))
		return;
	if (end->state == END_SYN_RECEIVED) {
		if (s->acknowledgement - end->traits.isn - 1 > end->sent - 1) {
			end_refuse(end, s);
			return;
		}
		end_opened(end, s, now);
		end->ack_at = s->flags & TCP_SYN ? now : NEVER;
	}
	if (!end_take_acknowledgement(end, s))
		return;
	if (end->state == END_TIME_WAIT) {
		if (s->flags & TCP_FIN) {
			end_acknowledge(end);
			end->gone_at = now + TIME_WAIT;
		}
		return;
	}
	end_take_data(end, s, now);
	end_settle(end, now);
}

/* ---- the end as a whole ---- */

static inline void end_run(struct end *end, uint64_t now)
{
	if (now >= end->gone_at)
		end_close(end);
	if (now >= end->program_at)
		end_program(end, now);
	if (now >= end->retransmit_at)
		end_timeout(end, now);
	if (now >= end->keep_alive_at) {
		end_probe(end, true);
		end->deeds->keep_alives++;
		end->keep_alive_at = now + (end->traits.keep_alive < 75 * SECOND ? end->traits.keep_alive : 75 * SECOND);
	}
	end_output(end, now);
	if (now >= end->ack_at)
		end_acknowledge(end);
}

static inline void end_input(struct end *end, const struct segment *s, uint64_t now)
{
	if (end->state == END_CLOSED) {
		end_refuse(end, s);
		return;
	}
	if (end->keep_alive_at != NEVER)
		end->keep_alive_at = now + end->traits.keep_alive;
	if (end->state == END_LISTEN || end->state == END_SYN_SENT)
		end_input_unsynchronized(end, s, now);
	else
		end_input_synchronized(end, s, now);
	end_run(end, now);
}

static inline uint64_t end_deadline(const struct end *end)
{
	const uint64_t times[] = { end->retransmit_at, end->ack_at, end->keep_alive_at, end->program_at, end->gone_at };
	uint64_t first = NEVER;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		first = times[i] < first ? times[i] : first;
	return first;
}

#endif
