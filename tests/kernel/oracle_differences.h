/* oracle_differences.h - when the two agree, and where the engine deliberately does not: the table at the end, with reasons.
 *
 * A predicate is as narrow as the two opinions, the kernel's flags and the sequence so far allow. */
#ifndef LUNETTE_TESTS_ORACLE_DIFFERENCES_H
#define LUNETTE_TESTS_ORACLE_DIFFERENCES_H

#include "packet/options.h"

#include "oracle_kernel.h"
#include "oracle_walks.h"

enum { KERNEL, ENGINE, WORLDS };

/* All that can be said about one packet. */
struct moment {
	const struct sequence *sequence;
	const struct step *step;
	const struct conversation *conversation;
	const struct world *worlds; /* by KERNEL, ENGINE, as all below */
	uint8_t sent[WORLDS][PACKET_SIZE];
	uint32_t length[WORLDS];
	struct opinion before[WORLDS], after[WORLDS];
	bool refused_end; /* the last segment that the kernel has noted is a FIN or RST that it refused */
};

/* ---- agreement ---- */

/* Puts a number in place of ports that were chosen for one of the conversations; false if none ever was. */
static inline bool forget_choices(const struct moment *m, const struct world *world, struct lun_tuple *tuple)
{
	bool any = false;

	for (int c = 0; c < CONVERSATIONS; c++) {
		uint16_t chosen = world->heard[c].source_port;

		if (chosen == client_tuple(&m->sequence->conversations[c], world->run).source_port)
			continue;
		any = true;
		if (tuple->source_port == chosen && !address_equal(&tuple->source, &world->heard[c].destination))
			tuple->source_port = (uint16_t)(c + 1);
		if (tuple->destination_port == chosen && !address_equal(&tuple->destination, &world->heard[c].destination))
			tuple->destination_port = (uint16_t)(c + 1);
	}
	return any;
}

/* Whether both translations are the same but for a port that each chose by itself. */
static inline bool same_but_port(const struct moment *m)
{
	struct lun_packet io[WORLDS];
	struct packet packets[WORLDS];

	for (int w = 0; w < WORLDS; w++) {
		io[w] = (struct lun_packet) { .data = (uint8_t *)m->after[w].bytes, .length = m->after[w].length };
		packets[w] = (struct packet) { .io = &io[w] };
		if (!packet_parse(&packets[w]) || !forget_choices(m, &m->worlds[w], &packets[w].tuple))
			return false;
	}
	return io[KERNEL].length == io[ENGINE].length &&
	       packet_checksums_right(&packets[KERNEL]) == packet_checksums_right(&packets[ENGINE]) &&
	       tuple_equal(&packets[KERNEL].tuple, &packets[ENGINE].tuple) &&
	       address_equal(&packet_was(&packets[KERNEL])->source, &packet_was(&packets[ENGINE])->source) &&
	       address_equal(&packet_was(&packets[KERNEL])->destination, &packet_was(&packets[ENGINE])->destination);
}

static inline bool is_unchanged(const struct moment *m, int who)
{
	return m->length[who] == m->after[who].length && memcmp(m->sent[who], m->after[who].bytes, m->length[who]) == 0;
}

/* Whether the same packet left, if any. */
static inline bool agree_on_packet(const struct moment *m)
{
	const struct opinion *kernel = &m->after[KERNEL], *engine = &m->after[ENGINE];

	if (kernel->length == engine->length && memcmp(kernel->bytes, engine->bytes, kernel->length) == 0)
		return true;
	if (m->conversation->service == DIRECT || kernel->length == 0 || engine->length == 0)
		return false;
	return (is_unchanged(m, KERNEL) && is_unchanged(m, ENGINE)) || same_but_port(m);
}

/* Whether what left is cut in the same places. */
static inline bool same_pieces(const struct opinion *a, const struct opinion *b)
{
	uint32_t at = 0;

	while (at < a->wire_length && at < b->wire_length && packet_length(a->wire + at) == packet_length(b->wire + at))
		at += packet_length(a->wire + at);
	return at == a->wire_length && at == b->wire_length;
}

static inline bool agree_on_flow(const struct moment *m)
{
	const struct opinion *kernel = &m->after[KERNEL], *engine = &m->after[ENGINE];

	if (kernel->known != engine->known || (kernel->wire_length && engine->wire_length && kernel->ct != engine->ct))
		return false;
	return !kernel->known || (kernel->state == engine->state && kernel->assured == engine->assured);
}

/* Of IPv6 fragments: each has the identification of the others that left with it. */
static inline uint32_t identification_of(const struct opinion *opinion)
{
	const uint8_t *wire = opinion->wire;
	uint32_t front = opinion->wire_length ? front_of(wire) : 0;

	return opinion->wire_length > packet_length(wire) && wire[0] >> 4 == 6 ? load32(wire + front + 4) : 0;
}

static inline bool agree(const struct moment *m)
{
	return agree_on_flow(m) && agree_on_packet(m) && same_pieces(&m->after[KERNEL], &m->after[ENGINE]) &&
	       identification_of(&m->after[KERNEL]) == identification_of(&m->after[ENGINE]);
}

/* ---- differences ---- */

struct difference {
	const char *engine, *why; /* what the engine does, and why the kernel does not */
	bool (*applies)(const struct moment *m);
	enum {
		GOES_ON,
		PARTS,       /* from here on both follow another connection: the sequence ends */
		PARTS_UNSEEN /* and that may not be seen at once: the predicate is asked of every packet */
	} then;
};

static inline bool is_packet(const struct moment *m, uint8_t protocol)
{
	return m->step->kind == STEP_PACKET && m->conversation->protocol == protocol;
}

static inline bool both_say(const struct moment *m, enum lun_ct ct)
{
	return m->after[KERNEL].ct == ct && m->after[ENGINE].ct == ct;
}

/* ---- TCP ---- */

static inline bool is_reset(const struct moment *m)
{
	return is_packet(m, LUN_TCP) && m->step->tcp_flags & TCP_RST;
}

static inline bool is_half_open(const struct moment *m)
{
	return m->before[ENGINE].state == LUN_STATE_SYN_SENT || m->before[ENGINE].state == LUN_STATE_SYN_SENT2;
}

static inline uint8_t syn_and_ack(const struct step *step)
{
	return step->tcp_flags & (TCP_SYN | TCP_ACK);
}

/* Windows of one side refuse nothing, because the connection was picked up in mid-stream. */
static inline bool kernel_is_lenient(const struct opinion *kernel)
{
	return (kernel->flags[LUN_ORIG] | kernel->flags[LUN_REPLY]) & IP_CT_TCP_FLAG_BE_LIBERAL;
}

static inline bool reopens_closed(const struct moment *m)
{
	return is_packet(m, LUN_TCP) && syn_and_ack(m->step) == TCP_SYN && m->before[ENGINE].state == LUN_STATE_CLOSE &&
	       m->after[KERNEL].state == LUN_STATE_CLOSE && m->after[ENGINE].ct == LUN_CT_NEW &&
	       m->after[ENGINE].state == LUN_STATE_SYN_SENT;
}

static inline bool forgets_refused_end(const struct moment *m)
{
	return m->refused_end && is_packet(m, LUN_TCP) && m->before[KERNEL].assured &&
	       (is_reset(m) || syn_and_ack(m->step) == (TCP_SYN | TCP_ACK) || m->before[KERNEL].state == LUN_STATE_LAST_ACK);
}

static inline bool doubts_challenge_reset(const struct moment *m)
{
	return is_reset(m) && is_half_open(m) && m->after[KERNEL].state == LUN_STATE_CLOSE &&
	       m->after[ENGINE].state == m->before[ENGINE].state;
}

static inline bool checks_half_open_reset(const struct moment *m)
{
	if (!is_reset(m) || m->after[KERNEL].state != LUN_STATE_CLOSE)
		return false;
	return is_half_open(m) ||
	       (!m->before[KERNEL].assured && m->step->acknowledgement == 0 && m->after[ENGINE].state != LUN_STATE_CLOSE);
}

static inline bool believes_answer_to_syn(const struct moment *m)
{
	if (!is_reset(m) || !is_half_open(m) || m->after[ENGINE].state != LUN_STATE_CLOSE)
		return false;
	for (const struct step *syn = m->step; syn-- > m->sequence->steps;)
		if (syn->conversation == m->step->conversation && syn->from != m->step->from && syn->tcp_flags & TCP_SYN &&
		    m->step->acknowledgement == syn->sequence + syn->length + 1)
			return true;
	return false;
}

static inline bool notes_lenient_segments(const struct moment *m)
{
	return is_reset(m) && (m->sequence->liberal || kernel_is_lenient(&m->before[KERNEL]));
}

static inline bool knows_windows_again(const struct moment *m)
{
	return is_packet(m, LUN_TCP) && kernel_is_lenient(&m->after[KERNEL]) &&
	       m->after[ENGINE].reason >= LUN_REASON_sequence_past_window &&
	       m->after[ENGINE].reason <= LUN_REASON_acknowledgement_before_window;
}

/* The next SYN of this side behind `step`, with or without ACK, before now; or NULL.  `step` may be NULL. */
static inline const struct step *next_syn(const struct moment *m, const struct step *step, enum side side)
{
	for (step = step ? step + 1 : m->sequence->steps; step < m->step; step++)
		if (step->conversation == m->step->conversation && step->from == side && step->tcp_flags & TCP_SYN)
			return step;
	return NULL;
}

/* Whether a SYN that came after one of the same side offers less than the kernel believes of that side, or a SYN/ACK no
 * scale while it believes that of the other side. */
static inline bool takes_back_options(const struct moment *m)
{
	enum { ACKNOWLEDGED = 0x20 }; /* the kernel's IP_CT_TCP_FLAG_MAXACK_SET, which not all headers have */
	uint8_t kept = IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM |
		       (is_reset(m) ? ACKNOWLEDGED : 0); /* only a reset is held against that */

	if (!is_packet(m, LUN_TCP) || kernel_is_lenient(&m->before[KERNEL]))
		return false;
	for (int side = CLIENT; side <= SERVER; side++) {
		const struct step *syn = next_syn(m, NULL, (enum side)side);

		while (syn && (syn = next_syn(m, syn, (enum side)side)) != NULL) {
			bool scale = syn->options_length >= 4 && syn->options[1] == TCP_OPTION_SCALE;

			if ((syn->options_length == 0 && m->before[KERNEL].flags[side] & kept) ||
			    (!scale && syn->tcp_flags & TCP_ACK &&
			     m->before[KERNEL].flags[!side] & IP_CT_TCP_FLAG_WINDOW_SCALE))
				return true;
		}
	}
	return false;
}

/* Both sides had sent a SYN when another one came. */
static inline bool stays_simultaneous(const struct moment *m)
{
	uint8_t sides = 0, again = 0;

	if (!is_packet(m, LUN_TCP) || m->before[KERNEL].state != LUN_STATE_SYN_RECV ||
	    m->after[KERNEL].state != LUN_STATE_SYN_RECV || m->after[ENGINE].state != LUN_STATE_ESTABLISHED)
		return false;
	for (const struct step *step = m->sequence->steps; step < m->step; step++) {
		if (step->kind != STEP_PACKET || step->conversation != m->step->conversation || syn_and_ack(step) != TCP_SYN)
			continue;
		again |= sides == 3;
		sides |= (uint8_t)(1 << step->from);
	}
	return again;
}

/* Whether both sides had sent a SYN and then two SYN/ACKs came. */
static inline bool counts_second_answer(const struct moment *m)
{
	uint8_t sides = 0, answers = 0;

	if (!is_packet(m, LUN_TCP))
		return false;
	for (const struct step *step = m->sequence->steps; step <= m->step; step++) {
		if (step->kind != STEP_PACKET || step->conversation != m->step->conversation)
			continue;
		answers += sides == 3 && syn_and_ack(step) == (TCP_SYN | TCP_ACK);
		if (syn_and_ack(step) == TCP_SYN)
			sides |= (uint8_t)(1 << step->from);
	}
	return answers >= 2;
}

static inline bool knows_syn_ack(const struct moment *m)
{
	return is_packet(m, LUN_TCP) && syn_and_ack(m->step) == (TCP_SYN | TCP_ACK) &&
	       m->after[KERNEL].state == LUN_STATE_SYN_RECV && m->before[KERNEL].state != LUN_STATE_SYN_RECV &&
	       m->after[ENGINE].state == m->before[ENGINE].state && m->after[ENGINE].ct == LUN_CT_ESTABLISHED;
}

/* ---- ICMP ---- */

static inline bool ignores_query_code(const struct moment *m)
{
	if (m->conversation->icmp_kind == 0)
		return false;
	for (const struct step *step = m->sequence->steps; step <= m->step; step++)
		if (step->conversation == m->step->conversation && step->kind == STEP_PACKET && step->icmp_code != 0)
			return true;
	return false;
}

static inline bool wants_eight_bytes(const struct moment *m)
{
	uint32_t least = (m->conversation->v6 ? IP6_HEADER + 8 : IP4_HEADER + 4) + 8; /* with options */

	return m->step->kind != STEP_PACKET && m->step->quote < least && m->after[ENGINE].reason == LUN_REASON_truncated;
}

static inline bool translates_redirect(const struct moment *m)
{
	return m->step->kind == STEP_ERROR && m->step->icmp_type == 5 && !m->conversation->v6 &&
	       m->conversation->service != DIRECT && m->after[KERNEL].length == 0 && m->after[ENGINE].ct == LUN_CT_RELATED;
}

/* Whether the packet that left has the source address that was sent. */
static inline bool keeps_source(const struct moment *m, int who)
{
	return memcmp(m->after[who].bytes + (m->conversation->v6 ? 8 : 12), m->sent[who] + (m->conversation->v6 ? 8 : 12),
		      m->conversation->v6 ? 16 : 4) == 0;
}

static inline bool shows_router(const struct moment *m)
{
	return m->step->kind == STEP_ERROR && m->step->from == CLIENT && m->conversation->service == FORWARDED &&
	       both_say(m, LUN_CT_RELATED) && !keeps_source(m, KERNEL) && keeps_source(m, ENGINE);
}

/* Whether the error that left quotes what its addressee had sent. */
static inline bool quotes_what_was_sent(const struct moment *m, int who)
{
	uint32_t front = transport_of(m->after[who].bytes) + ICMP_HEADER;

	return memcmp(m->after[who].bytes + front, m->worlds[who].was[m->step->conversation][m->step->from],
		      m->after[who].length - front) == 0;
}

static inline bool repairs_cut_quote(const struct moment *m)
{
	return m->step->kind == STEP_ERROR && both_say(m, LUN_CT_RELATED) &&
	       m->step->quote < m->worlds[ENGINE].came_length[m->step->conversation][m->step->from] &&
	       quotes_what_was_sent(m, ENGINE) && !quotes_what_was_sent(m, KERNEL);
}

static inline bool passes_unverified_error(const struct moment *m)
{
	return m->sequence->unverified && m->step->spoiled && m->step->kind != STEP_PACKET && m->after[KERNEL].length == 0 &&
	       m->after[ENGINE].ct == LUN_CT_RELATED;
}

static inline bool leaves_neighbours_alone(const struct moment *m)
{
	return m->step->kind != STEP_PACKET && m->step->spoiled && m->after[ENGINE].ct == LUN_CT_UNTRACKED;
}

/* ---- fragments ---- */

/* Whether the engine's fragments are those that came, in order. */
static inline bool left_as_they_came(const struct moment *m)
{
	struct step step = *m->step;
	struct opinion came;

	step.mishap = NO_MISHAP;
	came.wire_length = step_cut(&step, m->sent[ENGINE], came.wire);
	return same_pieces(&m->after[ENGINE], &came) && identification_of(&m->after[ENGINE]) == identification_of(&came);
}

static inline bool keeps_fragments(const struct moment *m)
{
	return m->conversation->v6 && m->step->piece && agree_on_flow(m) && agree_on_packet(m) && left_as_they_came(m);
}

static inline bool joins_any_first(const struct moment *m)
{
	return m->conversation->v6 && m->step->piece && m->step->piece < TCP_HEADER && m->after[KERNEL].ct == LUN_CT_INVALID;
}

static inline bool refuses_any_overlap(const struct moment *m)
{
	return m->step->piece && m->step->mishap == OVERLAPPED && m->after[ENGINE].length == 0 &&
	       m->after[KERNEL].length > 0;
}

/* ---- SCTP ---- */

static inline bool has_two_chunks(const struct step *step)
{
	return step->length > ((load16(step->chunks + 2) + 3u) & ~3u);
}

static inline bool opens_by_few_chunks(const struct moment *m)
{
	uint8_t first = m->step->chunks[0];

	return is_packet(m, LUN_SCTP) && first != INIT && m->after[KERNEL].ct == LUN_CT_NEW &&
	       m->after[ENGINE].reason == LUN_REASON_not_an_opening &&
	       (m->step->tag == 0 || (first != HEARTBEAT && first != SHUTDOWN_ACK) || has_two_chunks(m->step));
}

static inline bool refuses_tag_zero(const struct moment *m)
{
	return is_packet(m, LUN_SCTP) && (m->step->chunks[0] == INIT || m->step->chunks[0] == INIT_ACK) &&
	       load32(m->step->chunks + 4) == 0 && m->after[ENGINE].ct == LUN_CT_INVALID;
}

static inline bool checks_each_chunk(const struct moment *m)
{
	return is_packet(m, LUN_SCTP) && has_two_chunks(m->step) &&
	       (m->after[ENGINE].reason == LUN_REASON_bad_verification_tag ||
		(m->after[KERNEL].ct == LUN_CT_INVALID &&
		 (m->step->chunks[0] == HEARTBEAT || m->step->chunks[0] == HEARTBEAT_ACK)));
}

static inline bool knows_tag_of_late_end(const struct moment *m)
{
	return is_packet(m, LUN_SCTP) && m->before[ENGINE].state == LUN_STATE_SCTP_SHUTDOWN_ACK_SENT &&
	       !m->before[KERNEL].assured;
}

static inline bool keeps_wrong_crc(const struct moment *m)
{
	return is_packet(m, LUN_SCTP) && m->sequence->unverified && m->step->spoiled &&
	       m->after[KERNEL].ct == m->after[ENGINE].ct && m->after[KERNEL].state == m->after[ENGINE].state;
}

/* ---- the table ---- */

static const struct difference differences[] = {
	{ "the fragments of an IPv6 packet leave as they came",
	  "they are the same ones; the kernel has put them together, and makes new ones if it has to", keeps_fragments,
	  GOES_ON },
	{ "a first IPv6 fragment without the whole transport header waits for the others",
	  "which tell the rest; the kernel lets it pass alone, to be refused by who gets it (RFC 8200, 4.5)",
	  joins_any_first, PARTS },
	{ "no fragment may overlap with others, but for one that came twice",
	  "RFC 5722, 4; the kernel ignores one that lies in what came", refuses_any_overlap, PARTS },
	{ "a SYN after a reset opens a new flow at once",
	  "whoever was reset may try again; the kernel lets CLOSE time out, unless the side that sends the SYN sent the "
	  "reset",
	  reopens_closed, PARTS },
	{ "a FIN or RST that was refused leaves no trace",
	  "the kernel notes it as the last segment, to shorten a timeout, and forgets the SYN or the data before it",
	  forgets_refused_end, PARTS_UNSEEN },
	{ "in SYN_SENT a reset is not believed for what it acknowledges",
	  "an end there answers a challenge by the number that the challenge acknowledged (RFC 9293, 3.10.7.3)",
	  doubts_challenge_reset, PARTS },
	{ "a reset that closes a half-open connection and answers nothing is held against the windows",
	  "the kernel believes one that names 0, a number it has not noted, or the resetting side's own, and moves no "
	  "window",
	  checks_half_open_reset, PARTS_UNSEEN },
	{ "a reset that acknowledges the other side's SYN is believed, also in a simultaneous open",
	  "so an end refuses one (RFC 9293, 3.10.7.1); the kernel notes only a SYN that is out of place",
	  believes_answer_to_syn, PARTS_UNSEEN },
	{ "a reset is held against what was really seen, also where windows refuse nothing",
	  "the kernel notes numbers only of segments that fit the windows, and here it had to guess these",
	  notes_lenient_segments, PARTS },
	{ "after a new handshake the windows of a connection that was picked up count",
	  "they are known now; the kernel goes on to refuse nothing of the side that sent the SYN/ACK", knows_windows_again,
	  PARTS_UNSEEN },
	{ "a SYN that comes again and offers less takes back what the one before it offered",
	  "it is that which counts (RFC 7323, 2.2; RFC 2018, 2); the kernel keeps all if there are no options, and the "
	  "other side's scale",
	  takes_back_options, PARTS },
	{ "a simultaneous open stays one when a SYN comes again",
	  "the kernel keeps this beside what it notes of a SYN that is out of place, and so forgets it", stays_simultaneous,
	  PARTS },
	{ "of a simultaneous open the second SYN/ACK counts like the first",
	  "it has the other side's scale and window; the kernel lets it pass unread, and holds what follows against less",
	  counts_second_answer, PARTS_UNSEEN },
	{ "a SYN/ACK that the client has acknowledged begins nothing anew when it comes again behind a SYN that does",
	  "both are late copies; the kernel takes the second for the answer to a new SYN, and refuses acknowledgements of "
	  "what the client has sent since",
	  knows_syn_ack, PARTS },
	{ "the code of an ICMP query is no part of its flow",
	  "it is always 0 (RFC 792; RFC 4443, 4.1), and a flow is its identifier (RFC 5508, REQ-1)", ignores_query_code,
	  PARTS },
	{ "an ICMP error that quotes less than eight bytes of transport is about nothing",
	  "it must quote as much (RFC 792; RFC 4443, 3.1); ports are enough for the kernel, which then cannot translate it",
	  wants_eight_bytes, GOES_ON },
	{ "an ICMP redirect is translated as any other error",
	  "a host discards one that is not from its first hop (RFC 1122, 3.2.2.2); the kernel drops it at once",
	  translates_redirect, GOES_ON },
	{ "an ICMP error keeps its source where only a port was translated",
	  "the client's own address is shown, so there is nothing to hide; the kernel puts that into the router's place",
	  shows_router, GOES_ON },
	{ "the checksums in a quote that was cut off are those that were sent",
	  "the sender may look at them (RFC 5508, REQ-4 and REQ-5); the kernel leaves TCP's, and sums SCTP's over what is "
	  "there",
	  repairs_cut_quote, GOES_ON },
	{ "an ICMP error with a wrong checksum passes where checksums are not verified",
	  "as any packet does; the kernel drops it where something may have to be translated", passes_unverified_error,
	  GOES_ON },
	{ "neighbour discovery is left alone, whatever its checksum",
	  "there is nothing to track, and who gets it looks at that", leaves_neighbours_alone, GOES_ON },
	{ "only INIT, HEARTBEAT and SHUTDOWN ACK open an SCTP flow, each alone and the latter two with a tag",
	  "all else is out of the blue (RFC 9260, 8.4), tag 0 is INIT's (8.5.1); the kernel compares it with a tag not yet "
	  "known",
	  opens_by_few_chunks, PARTS },
	{ "INIT and INIT ACK must ask for a tag", "zero is forbidden (RFC 9260, 3.3.2 and 3.3.3)", refuses_tag_zero, PARTS },
	{ "a verification tag counts for each chunk of a packet, and a packet counts wholly or not at all",
	  "RFC 9260, 8.5; in the kernel one chunk excuses the others, and what came before the refused one has been done",
	  checks_each_chunk, PARTS_UNSEEN },
	{ "the tag of a SHUTDOWN ACK that opens a flow is that of its own direction",
	  "so that the SHUTDOWN COMPLETE that reflects it fits (RFC 9260, 8.4 (5)); the kernel takes it for the other one's",
	  knows_tag_of_late_end, PARTS_UNSEEN },
	{ "a wrong SCTP checksum stays wrong", "translation must not hide an error; the kernel sums anew", keeps_wrong_crc,
	  PARTS },
};

enum { DIFFERENCES = sizeof(differences) / sizeof(differences[0]) };

/* The difference that explains this moment, or NULL. */
static inline const struct difference *difference_of(const struct moment *m, bool agreed)
{
	for (size_t i = 0; i < DIFFERENCES; i++)
		if ((!agreed || differences[i].then == PARTS_UNSEEN) && differences[i].applies(m))
			return &differences[i];
	return NULL;
}

#endif
