/* path.c - packets, fragments, ICMP errors, times, reports and new policies in any order through a whole engine: nothing
 * breaks, a packet with right checksums leaves with right ones and with the tuple that the engine says, nothing is written
 * behind a packet's capacity, all that is counted comes out even, and once all time has gone by the table is empty.
 *
 * Input: bits of the engine's configuration.  Then steps: a byte `kind` that says whose packet it is (bits 0 to 3, see
 * tuple_of), which side sends it (4), whether more packets follow in the batch (5), whether its buffer has no room to grow
 * (6), and whether it is a step of another kind (7), see do_other; what talk_next takes; pause, and how many bytes are
 * overwritten; for each of these position and value.  Servers answer what left last. */
#include "engine.h"
#include "fragments.h"

enum { BATCH_MOST = 4, ROOM = 300, TALKS = 16 };

/* Two ends that talk. */
struct talk {
	struct lun_tuple left; /* as the server saw it */
	uint32_t number[2];    /* the next ones */
	uint64_t flow;
	uint8_t last[PACKET]; /* the packet that left last */
	uint32_t last_length;
};

struct run {
	struct lun_engine *engine;
	struct talk talks[TALKS];
	struct lun_packet packets[BATCH_MOST];
	uint8_t kinds[BATCH_MOST];
	bool right[BATCH_MOST], readable[BATCH_MOST], whole[BATCH_MOST]; /* as they came; whole: no fragment */
	size_t count;
	uint64_t now, emitted; /* emitted: fragments, and what of edited streams went no further */
	uint16_t identification;
	bool cut;              /* the next packet is cut into fragments */
	bool carried, answers; /* it comes out of the middle of a flow that the kernel carries */
};

/* What may be in a packet: heads, chunks, bytes. */
static uint32_t payload_of(uint8_t choice, const char **payload)
{
	static const char *const payloads[8] = {
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nX-Real-IP: 6\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
		"\1\0\0\24aaaabbbbccccdddd",                    /* INIT */
		"\2\0\0\24aaaabbbbccccdddd",                    /* INIT ACK */
		"\12\0\0\4\13\0\0\4\16\0\0\4\7\0\0\4\10\0\0\4", /* COOKIE ECHO and ACK, the three of SHUTDOWN */
		"twenty bytes of body",
	};

	*payload = payloads[choice & 7];
	return choice & 4 ? 20 : (uint32_t)strlen(*payload);
}

/* Builds the next packet of a talk: TCP flags and options, how far its number is from the one that is due, payload. */
static uint32_t talk_next(struct talk *talk, uint8_t kind, struct input *input, uint8_t *data)
{
	uint8_t side = kind >> 4 & 1, flags = input_byte(input), choice, sack[12] = { 1, 1, 5, 10 };
	static const uint8_t syn[8] = { 1, 3, 3, 7, 1, 1, 4, 2 };
	int8_t difference = (int8_t)input_byte(input);
	const char *payload;
	struct packet_spec spec = { .tcp_flags = flags & 0x3f, .acknowledgement = talk->number[!side] };

	choice = input_byte(input);
	spec.window = (uint16_t)(choice << 8);
	spec.payload_length = payload_of(choice, &payload);
	spec.payload = payload;
	spec.sequence = spec.tag = talk->number[side] + (uint32_t)difference * (flags & 0x40 ? 5000 : 1);
	store32(sack + 4, talk->number[!side] + 10);
	store32(sack + 8, talk->number[!side] + 20 + (choice >> 3));
	spec.options = flags & TCP_SYN ? syn : sack;
	spec.options_length = !(flags & 0x80) ? 0 : flags & TCP_SYN ? sizeof(syn) : sizeof(sack);
	if (difference == 0)
		talk->number[side] += spec.payload_length + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
	return build_any(data, side ? tuple_inverted(&talk->left) : tuple_of(kind), &spec);
}

/* ---- what comes out ---- */

static void check_packet(struct run *run, size_t i)
{
	const struct lun_packet *packet = &run->packets[i];
	struct lun_packet io;
	struct packet after;
	bool right;

	MUST(packet->verdict <= LUN_QUERY && packet->reason < LUN_REASON_COUNT && packet->state < LUN_STATE_COUNT);
	MUST(packet->length <= packet->capacity && packet->ct <= LUN_CT_UNTRACKED);
	MUST(packet->verdict != LUN_DROP || packet->reason != LUN_REASON_none);
	run->emitted += packet->verdict == LUN_STOLEN && run->whole[i] && packet->was.protocol == LUN_TCP;
	if (packet->verdict != LUN_ACCEPT)
		return;
	right = parse_again(&after, &io, packet);
	MUST(after.readable == run->readable[i]);
	if (!after.readable)
		return;
	MUST(tuple_equal(packet_was(&after), &packet->is));
	if (run->right[i] || !transport_is_zero(&after))
		MUST(right == run->right[i]);
}

static void note_what_left(struct run *run, size_t i)
{
	const struct lun_packet *packet = &run->packets[i];
	struct talk *talk = &run->talks[run->kinds[i] % TALKS];

	if (!packet->flow)
		return;
	talk->flow = packet->flow;
	if (packet->direction == LUN_ORIG && packet->is.protocol == talk->left.protocol)
		talk->left = packet->is;
	if (packet->verdict == LUN_ACCEPT && packet->length <= PACKET) {
		memcpy(talk->last, packet->data, packet->length);
		talk->last_length = packet->length;
	}
}

/* The kernel takes a flow, or does not, and speaks of it. */
static void answer_commit(struct run *run, const struct lun_event *event, uint8_t mood)
{
	struct lun_event answer = { .kind = mood & 1 ? LUN_EVENT_CONFIRMED : LUN_EVENT_FAILED,
				    .flow = event->flow,
				    .reply = event->reply,
				    .state = (enum lun_state)(mood >> 3) };

	answer.reply.destination_port ^= mood & 2;
	lun_engine_event(run->engine, &answer, run->now);
	answer.kind = mood & 4 ? LUN_EVENT_STATE : LUN_EVENT_ENDED;
	answer.timeout = (uint64_t)mood << 30;
	answer.flow = mood & 8 ? event->flow : 0;
	answer.orig = event->orig;
	lun_engine_event(run->engine, &answer, run->now);
}

/* A packet that the engine sends by itself; returns whether it is a fragment. */
static bool check_emitted(const struct lun_event *event)
{
	uint8_t *copy = exact_copy(event->data, event->length);
	struct lun_packet io = { .data = copy, .length = event->length };
	struct packet p;

	packet_begin(&p, &io);
	MUST(packet_parse(&p) && (p.role == PACKET_FRAGMENT || packet_checksums_right(&p)));
	free(copy);
	return p.role == PACKET_FRAGMENT;
}

static void drain(struct run *run, uint8_t mood)
{
	struct lun_event event;

	while (lun_engine_next_event(run->engine, &event)) {
		MUST(event.kind <= LUN_EVENT_RESYNC);
		if (event.kind == LUN_EVENT_COMMIT)
			answer_commit(run, &event, mood);
		if (event.kind == LUN_EVENT_EMIT)
			run->emitted += check_emitted(&event);
	}
	check_fragments(run->engine, run->emitted);
}

static void flush(struct run *run, uint8_t mood)
{
	lun_engine_packets(run->engine, run->packets, run->count, run->now);
	for (size_t i = 0; i < run->count; i++) {
		check_packet(run, i);
		note_what_left(run, i);
		free(run->packets[i].data);
	}
	run->count = 0;
	if (mood & 7)
		drain(run, mood);
	check_table(run->engine);
	check_counters(run->engine);
}

/* ---- what goes in ---- */

static void queue(struct run *run, uint8_t kind, const uint8_t *data, uint32_t length)
{
	struct lun_packet *packet = &run->packets[run->count], io;
	uint32_t room = kind & 0x40 ? 0 : ROOM;
	struct packet p;

	*packet = (struct lun_packet) { .data = malloc(length + room + 1),
					.length = length,
					.capacity = length + room,
					.carried = run->carried,
					.answers = run->answers };
	run->carried = run->answers = false;
	MUST(packet->data);
	packet->data[length + room] = 0x5a; /* and behind it nothing may be touched: that is the sanitizer's */
	memcpy(packet->data, data, length);
	run->right[run->count] = parse_again(&p, &io, packet);
	run->readable[run->count] = p.readable;
	run->whole[run->count] = p.role != PACKET_FRAGMENT;
	run->kinds[run->count++] = kind;
	if (run->count == BATCH_MOST)
		flush(run, kind);
}

/* In fragments of 8 to 64 bytes: in order or against it, one of them twice, one lost. */
static void queue_cut(struct run *run, uint8_t kind, const uint8_t *data, uint32_t length, uint8_t how)
{
	struct fragment_cut cut = { .size = 8 + (how & 7) * 8u, .identification = ++run->identification };
	uint8_t piece[PACKET];
	uint32_t count = 0, odd = how >> 4, size;

	while (fragment_cut(piece, data, length, cut, count) > 0)
		count++;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = how & 8 ? count - 1 - i : i;

		size = fragment_cut(piece, data, length, cut, index);
		if (odd != index)
			queue(run, kind, piece, size);
		if (odd == 15 - index)
			queue(run, kind, piece, size);
	}
}

static void wait(struct run *run, uint8_t exponent)
{
	run->now += exponent < 32 ? 1ull << exponent << 20 : 1000; /* from a millisecond to 26 days */
}

static void give(struct run *run, uint8_t kind, struct input *input)
{
	uint8_t data[PACKET], changes, position;
	uint32_t length = talk_next(&run->talks[kind % TALKS], kind, input, data);

	changes = input_byte(input);
	wait(run, changes & 4 ? changes >> 3 : UINT8_MAX);
	for (uint8_t i = 0; i < (changes & 3); i++) {
		position = input_byte(input);
		data[position % length] = input_byte(input);
	}
	if (run->cut && (data[0] >> 4 == 4) == !(kind & 8)) /* it can still be cut */
		queue_cut(run, kind, data, length, input_byte(input));
	else
		queue(run, kind, data, length);
	run->cut = false;
	if (!(kind & 0x20))
		flush(run, kind ^ changes);
}

/* An ICMP error about what left last. */
static void give_error(struct run *run, uint8_t kind, struct input *input)
{
	static const uint8_t types[] = { 3, 4, 5, 11, 12 };
	const struct talk *talk = &run->talks[kind % TALKS];
	uint8_t data[PACKET], type = input_byte(input), quoted = input_byte(input);
	bool v4 = !(kind & 8);
	struct lun_packet io = { .data = (uint8_t *)talk->last, .length = talk->last_length };
	struct packet p;
	struct packet_spec spec = { .payload = talk->last,
				    .payload_length = quoted < talk->last_length ? quoted : talk->last_length };
	struct lun_tuple tuple = { .source = address_of(v4 ? "198.51.100.7" : "2001:db8:7::1"),
				   .protocol = v4 ? LUN_ICMP : LUN_ICMPV6 };

	packet_begin(&p, &io);
	if (!packet_parse(&p) || lun_address_is_v4(&packet_was(&p)->source) != v4)
		return;
	tuple.destination = packet_was(&p)->source;
	p = (struct packet) { .io = &io, .tuple = tuple, .version = v4 ? 4 : 6, .rebuilt = true };
	p.end = packet_build(data, PACKET, &tuple, &spec);
	io = (struct lun_packet) { .data = data, .length = p.end };
	p.transport = v4 ? IP4_HEADER : IP6_HEADER;
	data[p.transport] = v4 ? types[type % 5] : (uint8_t)(1 + type % 4);
	packet_seal(&p);
	if (run->cut)
		queue_cut(run, kind, data, p.end, type);
	else
		queue(run, kind, data, p.end);
	run->cut = false;
}

static void give_bytes(struct run *run, uint8_t kind, struct input *input)
{
	uint8_t data[256];
	uint32_t length = input_bytes(input, data, input_byte(input));

	queue(run, kind, data, length);
}

/* A flow that the kernel carries already, or something that cannot be one. */
static void import(struct run *run, uint8_t kind, struct input *input)
{
	uint8_t what = input_byte(input);
	struct lun_flow flow = { .orig = tuple_of(kind),
				 .state = (enum lun_state)(what >> 2),
				 .expires = (uint64_t)input_byte(input) << 28,
				 .translated = what & 1,
				 .masquerade = what & 2 };

	flow.reply = tuple_inverted(&run->talks[kind % TALKS].left);
	flow.orig.tenant = kind & 0x10 ? 1 : 0;
	flow.reply.tenant = kind & 0x20 ? 1 : 0;
	lun_flow_import(run->engine, &flow, run->now);
}

/* Steps that are no packet of a talk. */
static void do_other(struct run *run, uint8_t kind, struct input *input)
{
	uint8_t what = input_byte(input);

	switch (what & 7) {
	case 0:
		give_error(run, kind, input);
		return;
	case 1:
		run->cut = !(what & 8);
		run->carried = what & 8;
		run->answers = what & 16;
		return;
	case 2:
		lun_flow_end(run->engine, run->talks[kind % TALKS].flow);
		break;
	case 3:
		import(run, kind, input);
		break;
	case 4:
		MUST(lun_engine_set_policy(run->engine, what & 8 ? NULL : fuzz_policy(what & 16)) == 0);
		break;
	case 5:
		wait(run, what >> 3);
		lun_engine_tick(run->engine, run->now);
		break;
	case 6:
		run->now -= run->now > what ? what : 0; /* a clock that goes back is held */
		break;
	default:
		give_bytes(run, kind, input);
		return;
	}
	check_table(run->engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct run run = { .engine = fuzz_engine(input_byte(&input)), .now = 1 };

	for (int kind = 0; kind < TALKS; kind++) {
		run.talks[kind].left = tuple_of((uint8_t)kind);
		run.talks[kind].number[0] = 1000;
		run.talks[kind].number[1] = 0u - 60;
	}
	while (input.left) {
		uint8_t kind = input_byte(&input);

		if (kind & 0x80)
			do_other(&run, kind, &input);
		else
			give(&run, kind, &input);
	}
	flush(&run, 0);
	drain(&run, 0);
	fuzz_finish(run.engine, run.now);
	return 0;
}
