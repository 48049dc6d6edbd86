/* simulator.c - honest TCP ends on a bad network, with the engine between them: nobody may notice the engine.
 *
 * A seed draws everything: what kind of stacks, what the network does to packets on both sides of the engine (loss,
 * duplication, delay, reordering, fragments), whether the engine translates, and when connections begin.  Then the ends talk
 * in simulated time, and of every packet that the engine sees it must hold that
 *
 *	- it passes, and is not called invalid.  Old duplicates pass with the reason *_before_window.  What an honest end may
 *	  cause and is refused by design, see is_fair_refusal: a RST that is worth nothing any more, or that answers a SYN which
 *	  was; of a simultaneous opening a late segment that the state machine has from the other end only, or a SYN/ACK repeated
 *	  when the flow is closed and gone; and, where heads are edited, bytes in front of which some are missing; there, the
 *	  beginning of a head is held;
 *	- it leaves with right checksums and the right tuple, and is else unchanged, byte by byte; fragments leave once all are
 *	  there, in order;
 *	- if a byte of it was changed on its way to the engine, which its checksum tells, it does not leave with a right one, and the
 *	  engine keeps and answers nothing because of it;
 *
 * and at the end that both streams arrived whole (up to a RST), that the flow is in TIME_WAIT or CLOSE (but for a RST of
 * which only the other end could know that it was exact), and that the table is empty once its time is over.  Checksums and
 * headers are read here by code of our own.
 *
 * SIMULATOR_SEEDS=N runs N seeds, from SIMULATOR_SEED=K on or from 0; K without N that one alone, and prints every packet.
 * A failure prints its seed and the last packets. */
#include "simulator.h"

#include "fragments.h"
#include "notation.h"

enum {
	PACKET = 4096,
	FLIGHTS = 1024,
	CUT_PACKETS = 4096,
	CONNECTIONS = 3,
	BATCH = 8,
	HISTORY = 40,
	SEEDS = 1000,
	STEPS_MOST = 1000000
};

enum mode { MODE_TRACK, MODE_DNAT, MODE_MASQUERADE, MODE_HTTP, MODE_COUNT };

/* A packet as we read it. */
struct reading {
	struct lun_tuple tuple;
	struct segment segment;
	uint32_t transport; /* offset */
};

/* A packet under way: to the engine, or from it to an end. */
struct flight {
	uint64_t at, number;
	bool to_engine;
	uint8_t direction, connection; /* direction: of its sender, the client or the server */
	uint32_t cut;                  /* a fragment of the packet with this number; 0: whole */
	bool spoilt;                   /* a byte was changed on the way */
	uint32_t length;
	uint8_t data[PACKET];
};

struct link {
	uint32_t loss, duplication, delays, errors; /* of a thousand */
	uint32_t piece;                             /* cuts packets into fragments of so many bytes; 0: it does not */
	uint64_t delay, jitter;
};

/* What an end sends goes here. */
struct wire {
	uint8_t direction, connection;
};

struct connection {
	struct end ends[2]; /* by the direction in which they send */
	struct wire wires[2];
	struct lun_tuple client; /* as the client sends it */
	struct lun_tuple server; /* as the server gets it, once the engine has said so */
	uint8_t out[2][STREAM_MOST];
	uint8_t wanted[2][STREAM_MOST]; /* what the other end must get */
	uint32_t length[2], wanted_length[2];
	enum lun_direction drawn; /* whose stream is being drawn */
	uint64_t flow;
	enum lun_state state;
	uint32_t acknowledged[2]; /* highest that the engine has seen, by direction; in the receiver's numbers */
	bool has_acknowledged[2];
	bool simultaneous;  /* both ends open */
	uint32_t opened_by; /* the sequence number of the SYN that opened the flow */
	bool opened_late;   /* an old SYN that was under way when the connection ended has opened another flow */
	uint32_t rounds;
	uint64_t begins_at;
};

struct record {
	uint64_t at;
	struct reading before;
	struct lun_packet after;
};

static struct world {
	uint32_t seed;
	bool talks; /* prints every packet */
	struct random random;
	enum mode mode;
	bool v6;
	bool greets;   /* the server gets a PROXY header first */
	bool verifies; /* the engine verifies checksums */
	bool answers;  /* responses are edited, too */
	uint64_t now;
	struct lun_engine *engine;
	struct link links[2][2]; /* by direction, and whether it leads to the engine */
	struct flight flights[FLIGHTS];
	uint16_t order[FLIGHTS]; /* indices of flights: the first `count` are under way */
	uint32_t count;
	uint64_t number;
	struct {
		uint32_t length;
		uint8_t data[PACKET];
	} cut_packets[CUT_PACKETS]; /* the last ones, as they were */
	uint32_t cuts;              /* the last one's number, which is its identification, too */
	uint64_t emitted;           /* fragments */
	uint64_t held;              /* packets with a part of a head */
	struct connection connections[CONNECTIONS];
	uint32_t connection_count;
	struct record history[HISTORY];
	uint64_t records;
	struct lun_address endpoint, masquerade;
} world;

/* Of all seeds: a simulator in which nothing happens proves nothing. */
static struct coverage {
	struct deeds deeds;
	uint64_t packets, before_window, lost_place, late_resets, reopened, moved_ports, edits, left_behind, put_together,
		same_again, held, acknowledged_by_us, too_slow, greetings, spoilt;
} coverage;

/* ---- saying what happened ---- */

static const char *flags_text(uint8_t flags, char text[8])
{
	static const struct {
		uint8_t flag;
		char letter;
	} letters[] = { { TCP_SYN, 'S' }, { TCP_FIN, 'F' }, { TCP_RST, 'R' }, { TCP_PSH, 'P' }, { TCP_ACK, '.' } };
	size_t length = 0;

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (flags & letters[i].flag)
			text[length++] = letters[i].letter;
	text[length] = '\0';
	return text;
}

static void print_record(const struct record *record, uint64_t before)
{
	const struct segment *s = &record->before.segment;
	char tuple[LUN_TUPLE_TEXT], flags[8];

	print_error("+%.6fs %s %s seq %u ack %u win %u", (double)(record->at - before) / 1e9,
		    lun_tuple_format(&record->before.tuple, tuple), flags_text(s->flags, flags), s->sequence,
		    s->acknowledgement, s->window);
	if (s->scale >= 0)
		print_error(" scale %d", s->scale);
	if (s->sack_permitted)
		print_error(" sackok");
	for (uint32_t i = 0; i < s->sack_count; i++)
		print_error(" sack %u-%u", s->sacks[i].from, s->sacks[i].to);
	if (s->length)
		print_error(" len %u", s->length);
	print_error("\n\t%s %s %s", lun_verdict_name(record->after.verdict), lun_ct_name(record->after.ct),
		    lun_state_name(record->after.state));
	if (!tuple_equal(&record->after.was, &record->after.is))
		print_error(" -> %s", lun_tuple_format(&record->after.is, tuple));
	print_error(record->after.reason ? " (%s)\n" : "\n", lun_reason_name(record->after.reason));
}

static void fail_seed(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail_seed(const char *format, ...)
{
	uint64_t first = world.records > HISTORY ? world.records - HISTORY : 0, before = 0;
	char text[500];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (uint64_t i = first; i < world.records; i++) {
		const struct record *record = &world.history[i % HISTORY];

		print_record(record, i == first ? record->at : before);
		before = record->at;
	}
	fail_msg("seed %u: %s", world.seed, text);
	abort(); /* cmocka has left before */
}

/* ---- bytes ---- */

/* The sum of RFC 1071, taken literally. */
static uint32_t sum_words(const uint8_t *bytes, uint32_t size, uint32_t sum)
{
	for (uint32_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Lengths and checksums of a TCP packet. */
static bool is_sealed(const uint8_t *data, uint32_t length)
{
	bool v4 = data[0] >> 4 == 4;
	uint32_t header = v4 ? IP4_HEADER : IP6_HEADER;
	uint32_t sum = sum_words(data + (v4 ? 12 : 8), v4 ? 8 : 32, LUN_TCP + length - header);

	if (load16(data + (v4 ? 2 : 4)) + (v4 ? 0u : IP6_HEADER) != length)
		return false;
	return (!v4 || sum_words(data, IP4_HEADER, 0) == 0xffff) && sum_words(data + header, length - header, sum) == 0xffff;
}

static void read_option(struct segment *s, const uint8_t *option)
{
	s->scale = option[0] == 3 ? option[2] : s->scale;
	s->sack_permitted = s->sack_permitted || option[0] == 4;
	s->timestamps = s->timestamps || option[0] == 8;
	for (uint32_t at = 2; option[0] == 5 && at < option[1]; at += 8)
		s->sacks[s->sack_count++] = (struct range) { load32(option + at), load32(option + at + 4) };
}

/* Reads one of our own packets. */
static struct reading read_packet(const uint8_t *data, uint32_t length)
{
	struct reading r = { .tuple = { .protocol = LUN_TCP }, .segment = { .scale = -1 } };
	bool v4 = data[0] >> 4 == 4;
	const uint8_t *tcp = data + (v4 ? IP4_HEADER : IP6_HEADER), *payload = tcp + (tcp[12] >> 4) * 4;

	r.transport = (uint32_t)(tcp - data);
	for (int i = 0; i < 2; i++) {
		struct lun_address *address = i ? &r.tuple.destination : &r.tuple.source;

		if (!v4) {
			memcpy(address->bytes, data + 8 + i * 16, 16);
			continue;
		}
		memset(address->bytes + 10, 0xff, 2);
		memcpy(address->bytes + 12, data + 12 + i * 4, 4);
	}
	r.tuple.source_port = load16(tcp);
	r.tuple.destination_port = load16(tcp + 2);
	r.segment.flags = tcp[13];
	r.segment.sequence = load32(tcp + 4);
	r.segment.acknowledgement = load32(tcp + 8);
	r.segment.window = load16(tcp + 14);
	for (const uint8_t *option = tcp + TCP_HEADER; option < payload; option += option[0] == 1 ? 1 : option[1])
		if (option[0] != 1)
			read_option(&r.segment, option);
	r.segment.payload = payload;
	r.segment.length = (uint32_t)(data + length - payload);
	return r;
}

static uint32_t write_packet(uint8_t *data, const struct lun_tuple *tuple, const struct segment *s)
{
	uint8_t options[40] = { 1, 1, 8, 10 };
	struct packet_spec spec = { .tcp_flags = s->flags,
				    .window = s->window,
				    .sequence = s->sequence,
				    .acknowledgement = s->acknowledgement,
				    .options = options,
				    .options_length = s->timestamps ? 12 : 0,
				    .payload = s->payload,
				    .payload_length = s->length };
	uint8_t *option = options + spec.options_length;

	if (s->scale >= 0) {
		memcpy(option, (const uint8_t[4]) { 1, 3, 3, (uint8_t)s->scale }, 4);
		option += 4;
	}
	if (s->sack_permitted) {
		memcpy(option, (const uint8_t[4]) { 1, 1, 4, 2 }, 4);
		option += 4;
	}
	if (s->sack_count) {
		memcpy(option, (const uint8_t[4]) { 1, 1, 5, (uint8_t)(2 + s->sack_count * 8) }, 4);
		option += 4;
	}
	for (uint32_t i = 0; i < s->sack_count; i++, option += 8) {
		store32(option, s->sacks[i].from);
		store32(option + 4, s->sacks[i].to);
	}
	spec.options_length = (uint32_t)(option - options);
	return packet_build(data, PACKET, tuple, &spec);
}

/* ---- the network ---- */

static bool chance(uint32_t of_a_thousand)
{
	return random_below(&world.random, 1000) < of_a_thousand;
}

static void fly(const struct flight *like, const uint8_t *data, uint32_t length, uint64_t at)
{
	struct flight *flight;

	if (world.count == FLIGHTS)
		return; /* a full queue loses packets, too */
	flight = &world.flights[world.order[world.count++]];
	flight->at = at;
	flight->number = world.number++;
	flight->to_engine = like->to_engine;
	flight->direction = like->direction;
	flight->connection = like->connection;
	flight->cut = like->cut;
	flight->spoilt = like->spoilt;
	flight->length = length;
	memcpy(flight->data, data, length);
}

/* Where an engine that does not verify checksums believes headers, only payload is changed: else it would track what nobody sent. */
static void fly_spoilt(const struct flight *like, const uint8_t *data, uint32_t length, uint64_t at)
{
	uint32_t transport = data[0] >> 4 == 4 ? IP4_HEADER : IP6_HEADER;
	uint32_t first = world.verifies ? transport : transport + (data[transport + 12] >> 4) * 4u;
	struct flight spoilt = *like;
	static uint8_t bytes[PACKET];

	if (first == length)
		return;
	memcpy(bytes, data, length);
	bytes[first + random_below(&world.random, length - first)] ^= (uint8_t)(1 << random_below(&world.random, 8));
	spoilt.spoilt = true;
	fly(&spoilt, bytes, length, at);
}

/* A packet without options or extension headers, or the first fragment of one. */
static bool is_syn(const uint8_t *data, uint32_t length)
{
	uint32_t transport = data[0] >> 4 == 4 ? IP4_HEADER : IP6_HEADER;
	uint8_t protocol = data[0] >> 4 == 4 ? data[9] : data[6];

	return protocol == LUN_TCP && length >= transport + TCP_HEADER && data[transport + 13] & TCP_SYN;
}

/* SYNs come once and soon: to a tracker a late duplicate of one that finds its connection closing is a new opening, for this one as
 * for the kernel, and the old connection's last segments then come too late. */
static void carry_one(const struct link *link, const struct flight *like, const uint8_t *data, uint32_t length)
{
	bool syn = is_syn(data, length);

	for (int copies = 1 + (!syn && chance(link->duplication)); copies > 0; copies--) {
		uint64_t at = world.now + link->delay + random_below(&world.random, (uint32_t)link->jitter + 1);

		if (!syn && chance(link->delays))
			at += random_below(&world.random, 500) * MILLISECOND;
		if (!syn && !link->piece && chance(link->errors))
			fly_spoilt(like, data, length, at);
		else if (!chance(link->loss))
			fly(like, data, length, at);
	}
}

/* In pieces, if the link has them so and that is more than one. */
static void carry(const struct flight *like, const uint8_t *data, uint32_t length)
{
	const struct link *link = &world.links[like->direction][like->to_engine];
	struct fragment_cut cut = { .size = link->piece };
	struct flight piece = *like;
	static uint8_t bytes[PACKET];
	uint32_t size;

	if (!link->piece || length <= (data[0] >> 4 == 4 ? IP4_HEADER : IP6_HEADER) + link->piece) {
		carry_one(link, like, data, length);
		return;
	}
	piece.cut = cut.identification = ++world.cuts;
	world.cut_packets[piece.cut % CUT_PACKETS].length = length;
	memcpy(world.cut_packets[piece.cut % CUT_PACKETS].data, data, length);
	for (uint32_t i = 0; (size = fragment_cut(bytes, data, length, cut, i)) > 0; i++)
		carry_one(link, &piece, bytes, size);
}

static void send_segment(void *from, const struct segment *segment)
{
	const struct wire *wire = from;
	const struct connection *c = &world.connections[wire->connection];
	struct lun_tuple tuple = wire->direction == LUN_ORIG ? c->client : tuple_inverted(&c->server);
	struct flight like = { .to_engine = true, .direction = wire->direction, .connection = wire->connection };
	static uint8_t data[PACKET];

	carry(&like, data, write_packet(data, &tuple, segment));
}

/* The flight that lands next, by its place in `order`; UINT32_MAX if there is none. */
static uint32_t next_flight(void)
{
	uint32_t best = UINT32_MAX;
	const struct flight *first = NULL;

	for (uint32_t i = 0; i < world.count; i++) {
		const struct flight *flight = &world.flights[world.order[i]];

		if (!first || flight->at < first->at || (flight->at == first->at && flight->number < first->number)) {
			best = i;
			first = flight;
		}
	}
	return best;
}

/* Takes a flight out; its bytes stay until the next one flies. */
static struct flight *land(uint32_t place)
{
	uint16_t index = world.order[place];

	world.order[place] = world.order[--world.count];
	world.order[world.count] = index;
	return &world.flights[index];
}

/* ---- what must hold of each packet ---- */

/* A RST that answers a SYN; to an old one it counts for nobody. */
static bool refuses_syn(const struct segment *s)
{
	return s->flags == (TCP_RST | TCP_ACK) && s->sequence == 0;
}

static bool is_edited(uint8_t direction)
{
	return direction == LUN_ORIG || world.answers;
}

/* A refusal that is by design. */
static bool is_fair_refusal(const struct connection *c, const struct flight *flight, const struct reading *r,
			    const struct lun_packet *io)
{
	const struct segment *s = &r->segment;

	if (c->opened_late) /* what is left of the connection that was is nothing to this flow, as in the kernel */
		return true;
	if (world.mode == MODE_HTTP && io->reason == LUN_REASON_http_incomplete) /* a head of more than a minute */
		return is_edited(flight->direction) && io->verdict == LUN_REJECT;
	if (world.mode == MODE_HTTP && io->reason == LUN_REASON_http_lost_place) {
		coverage.lost_place++;
		return is_edited(flight->direction) && io->verdict == LUN_DROP && (s->length > 0 || s->flags & TCP_FIN);
	}
	if (s->flags & TCP_SYN)
		return c->simultaneous &&
		       ((io->reason == LUN_REASON_invalid_state && (io->direction == LUN_ORIG) == !!(s->flags & TCP_ACK)) ||
			(io->reason == LUN_REASON_not_an_opening && c->state == LUN_STATE_CLOSE));
	if (!(s->flags & TCP_RST))
		return false;
	coverage.late_resets++;
	if (refuses_syn(s))
		return true;
	if (io->reason == LUN_REASON_not_an_opening)
		return c->state == LUN_STATE_CLOSE;
	return io->reason == LUN_REASON_invalid_reset && c->has_acknowledged[!flight->direction] &&
	       (int32_t)(s->sequence - c->acknowledged[!flight->direction]) < 0;
}

/* A late RST of a flow that was refused, whose port another connection has by now: it passes by, and its receiver finds it
 * odd. */
static bool is_stray(const struct connection *c, const struct reading *r, const struct lun_packet *io)
{
	for (uint32_t i = 0; i < world.connection_count; i++)
		if (&world.connections[i] != c && world.connections[i].flow == io->flow)
			return refuses_syn(&r->segment) && c->state == LUN_STATE_CLOSE && io->reason != LUN_REASON_none;
	return false;
}

static bool is_pass_with_reason(const struct reading *r, const struct lun_packet *io)
{
	bool old = io->reason == LUN_REASON_sequence_before_window || io->reason == LUN_REASON_acknowledgement_before_window;

	coverage.before_window += old;
	return (old || refuses_syn(&r->segment)) && io->ct == LUN_CT_ESTABLISHED;
}

static bool has_flow(const struct connection *c)
{
	struct lun_flow flow;

	return lun_flow_find(world.engine, &c->client, &flow) == 0 && flow.id == c->flow;
}

/* A flow that we see for the first time: what does its server see? */
static void learn_flow(struct connection *c, const struct reading *r, const struct lun_packet *io)
{
	const struct lun_tuple *is = &io->is;
	bool hidden = world.mode == MODE_MASQUERADE || world.mode == MODE_HTTP;

	if (!(r->segment.flags & TCP_SYN))
		fail_seed("a flow begins in the middle of a connection");
	coverage.reopened += c->flow != 0;
	c->opened_late = c->flow != 0 && c->opened_by == r->segment.sequence;
	c->opened_by = r->segment.sequence;
	c->flow = io->flow;
	c->has_acknowledged[0] = c->has_acknowledged[1] = false;
	if (world.mode == MODE_TRACK)
		return;
	coverage.moved_ports += is->source_port != c->client.source_port;
	if (memcmp(&is->destination, &world.endpoint, 16) != 0 || is->destination_port != 8080)
		fail_seed("the destination is not the endpoint");
	if (memcmp(&is->source, hidden ? &world.masquerade : &c->client.source, 16) != 0 || is->source_port == 0)
		fail_seed("the source is not what it should be");
	for (uint32_t i = 0; i < world.connection_count; i++)
		if (&world.connections[i] != c && has_flow(&world.connections[i]) &&
		    tuple_equal(&world.connections[i].server, is))
			fail_seed("two connections have one tuple");
	c->server = *is;
}

/* All but addresses, ports and checksums must be as it came; where heads are edited, the ends will tell. */
static void compare_bytes(const struct reading *r, const uint8_t *before, uint32_t length, const struct lun_packet *io)
{
	uint32_t checksum = r->transport + 16;

	if (world.mode == MODE_HTTP)
		return;
	if (io->length != length || memcmp(before, io->data, r->transport == IP4_HEADER ? 10 : 8) != 0 ||
	    memcmp(before + r->transport + 4, io->data + r->transport + 4, 12) != 0 ||
	    memcmp(before + checksum + 2, io->data + checksum + 2, length - checksum - 2) != 0)
		fail_seed("bytes changed that have nothing to do with the translation");
}

static void note_acknowledgement(struct connection *c, uint8_t direction, const struct segment *s)
{
	if (!(s->flags & TCP_ACK) ||
	    (c->has_acknowledged[direction] && (int32_t)(s->acknowledgement - c->acknowledged[direction]) <= 0))
		return;
	c->acknowledged[direction] = s->acknowledgement;
	c->has_acknowledged[direction] = true;
}

/* A packet that was changed on its way: where it goes, its receiver drops it. */
static void check_spoilt(struct connection *c, const struct flight *flight, const struct reading *before,
			 const struct lun_packet *io)
{
	coverage.spoilt++;
	if (io->verdict == LUN_STOLEN)
		fail_seed("bytes are kept that were changed on the way");
	if (io->verdict == LUN_ACCEPT && is_sealed(io->data, io->length))
		fail_seed("a packet leaves with a right checksum that came with a wrong one");
	if (io->ct == LUN_CT_INVALID)
		return;
	c->state = io->state;
	note_acknowledgement(c, flight->direction, &before->segment);
}

/* Holds what left the engine against what came; false: it did not leave. */
static bool check_packet(const struct flight *flight, const struct reading *before, const struct lun_packet *io)
{
	struct connection *c = &world.connections[flight->connection];
	struct reading after;
	struct lun_tuple expected;

	coverage.packets++;
	world.history[world.records++ % HISTORY] = (struct record) { world.now, *before, *io };
	if (world.talks)
		print_record(&world.history[(world.records - 1) % HISTORY], 0);
	if (flight->spoilt) {
		check_spoilt(c, flight, before, io);
		return false;
	}
	if (io->verdict == LUN_STOLEN && world.mode == MODE_HTTP && is_edited(flight->direction) &&
	    io->flow == c->flow) { /* it is held */
		coverage.held++;
		world.held++;
		c->state = io->state;
		note_acknowledgement(c, flight->direction, &before->segment);
		return false;
	}
	if (io->verdict != LUN_ACCEPT || io->ct == LUN_CT_INVALID) {
		if (!is_fair_refusal(c, flight, before, io))
			fail_seed("a packet of an honest end was refused");
		note_acknowledgement(c, flight->direction, &before->segment);
		return false;
	}
	if (is_stray(c, before, io))
		return false;
	if (io->reason != LUN_REASON_none && !is_pass_with_reason(before, io))
		fail_seed("a packet of an honest end was found odd");
	if (io->flow != c->flow)
		learn_flow(c, before, io);
	c->state = io->state;
	after = read_packet(io->data, io->length);
	expected = flight->direction == LUN_ORIG ? c->server : tuple_inverted(&c->client);
	if (!tuple_equal(&after.tuple, &expected) || !tuple_equal(&io->is, &expected))
		fail_seed("a packet leaves with a wrong tuple");
	if (!is_sealed(io->data, io->length))
		fail_seed("a packet leaves with a wrong length or checksum");
	compare_bytes(before, flight->data, flight->length, io);
	note_acknowledgement(c, flight->direction, &after.segment);
	return true;
}

/* What the engine is given at once. */
static struct batch {
	struct flight came[BATCH]; /* as they came */
	struct reading before[BATCH];
	uint8_t data[BATCH][PACKET]; /* what the engine works on */
	struct lun_packet packets[BATCH];
	struct whole wholes[BATCH]; /* what leaves because of it, put together */
	size_t count;
} batch;

/* For a fragment, what it was cut out of stands for what came. */
static void restore_cut(struct flight *came)
{
	uint32_t place = came->cut % CUT_PACKETS;

	if (world.cuts - came->cut >= CUT_PACKETS)
		fail_seed("a fragment came after %u other packets", CUT_PACKETS);
	came->length = world.cut_packets[place].length;
	memcpy(came->data, world.cut_packets[place].data, came->length);
}

/* Takes what has come by now, a little later included: as a busy machine finds it. */
static void fill_batch(uint32_t place)
{
	uint64_t until = world.now + random_below(&world.random, 300000);

	for (batch.count = 0; batch.count < BATCH && place != UINT32_MAX; batch.count++, place = next_flight()) {
		size_t i = batch.count;

		if (world.flights[world.order[place]].at > until || !world.flights[world.order[place]].to_engine)
			return;
		batch.came[i] = *land(place);
		batch.wholes[i].length = 0;
		batch.wholes[i].complete = false;
		memcpy(batch.data[i], batch.came[i].data, batch.came[i].length);
		batch.packets[i] =
			(struct lun_packet) { .data = batch.data[i], .length = batch.came[i].length, .capacity = PACKET };
		if (batch.came[i].cut)
			restore_cut(&batch.came[i]);
		if (batch.came[i].spoilt && world.verifies) /* perhaps unreadable */
			batch.before[i] = (struct reading) { .segment = { .scale = -1 } };
		else
			batch.before[i] = read_packet(batch.came[i].data, batch.came[i].length);
	}
}

/* The engine acknowledges to its sender what is held of a head, and resets both ends if that is too slow; the server gets the PROXY
 * header. */
static void take_answer(const struct lun_event *event)
{
	struct flight like = batch.came[event->packet];
	const struct connection *c = &world.connections[like.connection];
	struct reading r = read_packet(event->data, event->length);
	bool upstream = event->side == LUN_SIDE_UPSTREAM, reset = r.segment.flags & TCP_RST;
	bool greeting = world.greets && upstream && r.segment.flags == (TCP_PSH | TCP_ACK) && r.segment.length > 0;
	struct lun_tuple expected = upstream ? c->server : tuple_inverted(&c->client);

	if (world.mode != MODE_HTTP || like.spoilt ||
	    (!greeting &&
	     ((r.segment.flags != TCP_ACK && !reset) || (upstream && !reset && !world.answers) || r.segment.length)) ||
	    !tuple_equal(&r.tuple, &expected) || !is_sealed(event->data, event->length))
		fail_seed("an event, where nothing is to be said");
	coverage.greetings += greeting;
	coverage.acknowledged_by_us += !reset && !greeting;
	coverage.too_slow += reset;
	like.to_engine = false;
	like.direction = upstream ? LUN_ORIG : LUN_REPLY;
	carry(&like, event->data, event->length);
}

/* Puts together what the engine emits: whole datagrams, each in order. */
static void take_events(void)
{
	struct lun_event event;

	while (lun_engine_next_event(world.engine, &event)) {
		if (event.kind == LUN_EVENT_EMIT && event.packet < batch.count && !batch.came[event.packet].cut) {
			take_answer(&event);
			continue;
		}
		if (event.kind == LUN_EVENT_REFUSED)
			continue;
		if (event.kind != LUN_EVENT_EMIT || event.packet >= batch.count ||
		    event.flow != batch.packets[event.packet].flow)
			fail_seed("an event, where nothing is to be said");
		if (!whole_add(&batch.wholes[event.packet], event.data, event.length))
			fail_seed("fragments leave that are no datagram");
		world.emitted++;
	}
}

/* Makes the last fragment of a datagram speak for all of it; false: there is nothing to be said of it yet. */
static bool speaks_for_datagram(struct lun_packet *packet, struct whole *whole)
{
	if (packet->verdict == LUN_DROP && packet->reason == LUN_REASON_fragment_duplicate) {
		coverage.same_again++;
		return false;
	}
	if (packet->verdict != LUN_STOLEN)
		return true; /* refused, as a whole */
	if (whole->length == 0)
		return false; /* it waits for the others */
	if (!whole->complete)
		fail_seed("a part of a datagram leaves");
	coverage.put_together++;
	packet->verdict = LUN_ACCEPT;
	packet->data = whole->data;
	packet->length = whole->length;
	return true;
}

static void run_engine(uint32_t place)
{
	fill_batch(place);
	lun_engine_packets(world.engine, batch.packets, batch.count, world.now);
	take_events();
	for (size_t i = 0; i < batch.count; i++) {
		struct flight *came = &batch.came[i];
		struct lun_packet *packet = &batch.packets[i];

		if ((came->cut && !speaks_for_datagram(packet, &batch.wholes[i])) ||
		    !check_packet(came, &batch.before[i], packet))
			continue;
		came->to_engine = false;
		came->cut = 0;
		carry(came, packet->data, packet->length);
	}
}

/* ---- what a seed draws ---- */

static uint32_t between(uint32_t from, uint32_t to)
{
	return from + random_below(&world.random, to - from + 1);
}

static struct traits draw_traits(void)
{
	static const uint32_t sizes[] = { 17, 88, 536, 1220, 1460 };
	struct traits t = { .isn = (uint32_t)random_next(&world.random),
			    .mss = sizes[random_below(&world.random, 5)],
			    .buffer = chance(300) ? between(1, 2000) : between(2000, 60000),
			    .scale = -1,
			    .sack = chance(700),
			    .timestamps = chance(400),
			    .duplicate_sack = chance(300),
			    .forgets_sacks = chance(500),
			    .rounds_down = chance(200),
			    .probes_with_byte = chance(400),
			    .fin_at_edge = chance(300),
			    .closes_last = chance(400),
			    .long_pauses = chance(100),
			    .abort_odds = chance(150) ? between(1, 30) : 0,
			    .read_most = chance(300) ? between(1, 2000) : STREAM_MOST,
			    .timeout = between(20, 1000) * MILLISECOND,
			    .keep_alive = chance(300) ? between(1, 60) * SECOND : 7200 * SECOND,
			    .delayed_ack = between(0, 200) * MILLISECOND };

	if (chance(500))
		t.isn = 0u - between(0, 3000); /* wraps soon */
	if (chance(700))
		t.scale = (int)between(0, 14);
	while (t.scale > 0 && 1u << t.scale > t.buffer / 2)
		t.scale--;
	t.flight = t.mss * between(1, 40);
	return t;
}

static void draw_link(struct link *link, bool to_engine)
{
	bool good = chance(200);

	*link = (struct link) { .loss = good ? 0 : between(0, 150),
				.duplication = good ? 0 : between(0, 80),
				.delays = good ? 0 : between(0, 20),
				.errors = !good && to_engine ? between(0, 20) : 0,
				.delay = between(1, 40000) * 1000,
				.jitter = chance(300) ? 0 : between(1, 40000) * 1000 };
	if (to_engine && world.mode != MODE_HTTP && chance(300)) { /* no head is looked for in fragments */
		link->piece = 8 * between(8, 100);
		link->loss /= 1 + 1460 / link->piece; /* of pieces: as many packets are lost */
	}
}

static void draw_stream(uint8_t *bytes, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)random_next(&world.random);
}

/* ---- requests ---- */

static void put_sent(struct connection *c, const char *text, uint32_t length)
{
	memcpy(c->out[c->drawn] + c->length[c->drawn], text, length);
	c->length[c->drawn] += length;
}

static void put_wanted(struct connection *c, const char *text, uint32_t length)
{
	memcpy(c->wanted[c->drawn] + c->wanted_length[c->drawn], text, length);
	c->wanted_length[c->drawn] += length;
}

static void put_both(struct connection *c, const char *text, uint32_t length)
{
	put_sent(c, text, length);
	put_wanted(c, text, length);
}

static void put_text(struct connection *c, const char *text)
{
	put_both(c, text, (uint32_t)strlen(text));
}

static void put_sent_text(struct connection *c, const char *text)
{
	put_sent(c, text, (uint32_t)strlen(text));
}

static void put_wanted_text(struct connection *c, const char *text)
{
	put_wanted(c, text, (uint32_t)strlen(text));
}

static void put_body(struct connection *c, uint32_t length)
{
	char bytes[3000];

	draw_stream((uint8_t *)bytes, length);
	put_both(c, bytes, length);
}

/* A chunked body, and trailers that lie. */
static void put_chunks(struct connection *c, const char *lie)
{
	char line[64];

	for (uint32_t chunks = between(0, 12); chunks > 0; chunks--) {
		uint32_t length = chance(500) ? between(1, 20) : between(1, 600);

		snprintf(line, sizeof(line), chance(200) ? "%x;name=\"and a value\"\r\n" : "%X\r\n", length);
		put_text(c, line);
		put_body(c, length);
		put_text(c, "\r\n");
	}
	put_text(c, "0\r\n");
	put_sent_text(c, lie);
	put_text(c, chance(500) ? "\r\n" : "X-Sum: 5\r\n\r\n");
}

static void put_request(struct connection *c, uint32_t number, bool to_head)
{
	static const char *const lies[] = { "", "x-real-ip: 6.6.6.6\r\n",
					    "X-Real-IP: a-very-long-lie-that-makes-the-head-shrink-when-it-goes\r\n" };
	uint32_t body = to_head || chance(500) ? 0 : between(1, 3000);
	char address[LUN_ADDRESS_TEXT], line[64], ours[128], rest[128];
	const char *lie = lies[random_below(&world.random, 3)];
	bool chunked = !to_head && chance(400);

	snprintf(line, sizeof(line), "/%u HTTP/1.1\r\n", number);
	snprintf(ours, sizeof(ours), "X-Real-IP: %s\r\nX-Via: default/web\r\n",
		 lun_address_format(&c->client.source, address));
	snprintf(rest, sizeof(rest), "Host: a\r\nContent-Length: %u\r\n\r\n", body);
	put_text(c, to_head ? "HEAD " : "POST ");
	put_sent_text(c, "/api");
	put_text(c, line);
	put_sent_text(c, lie);
	put_wanted_text(c, ours);
	put_text(c, chunked ? "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n" : rest);
	if (chunked)
		put_chunks(c, lie);
	else
		put_body(c, body);
}

/* A response, which announces a body also where it has none. */
static void put_response(struct connection *c, bool to_head, bool last)
{
	static const char *const lies[] = { "", "SERVER: x\r\n",
					    "Server: a-long-one-that-nobody-is-to-know\r\nserver: y\r\n" };
	const char *lie = lies[random_below(&world.random, 3)];
	uint32_t body = chance(500) ? 0 : between(1, 3000), kind = random_below(&world.random, 10);
	char rest[128];

	if (chance(100)) {
		put_text(c, "HTTP/1.1 100 Continue\r\n");
		put_sent_text(c, lie);
		put_text(c, "\r\n");
	}
	put_text(c, kind == 0 ? "HTTP/1.1 304 Not Modified\r\n" : kind == 1 ? "HTTP/1.1 204\r\n" : "HTTP/1.1 200 OK\r\n");
	put_sent_text(c, lie);
	put_wanted_text(c, "X-Frame-Options: DENY\r\n");
	if (last && chance(500)) {
		put_text(c, "\r\n");
		put_body(c, kind < 2 || to_head ? 0 : body); /* to the end */
		return;
	}
	if (kind < 5 && kind != 1) {
		put_text(c, "Transfer-Encoding: chunked\r\n\r\n");
		if (kind && !to_head)
			put_chunks(c, lie);
		return;
	}
	snprintf(rest, sizeof(rest), "Content-Length: %u\r\n\r\n", kind == 1 ? 0 : body);
	put_text(c, rest);
	put_body(c, kind == 1 || to_head ? 0 : body);
}

static void put_greeting(struct connection *c)
{
	char source[LUN_ADDRESS_TEXT], destination[LUN_ADDRESS_TEXT], line[128];

	snprintf(line, sizeof(line), "PROXY TCP%d %s %s %u 80\r\n", world.v6 ? 6 : 4,
		 lun_address_format(&c->client.source, source), lun_address_format(&c->client.destination, destination),
		 c->client.source_port);
	put_wanted_text(c, line);
}

/* A window that a head fits into, or it never comes whole; and no long sleep in the middle of one. */
static void draw_patience(struct connection *c, int from)
{
	c->ends[!from].traits.buffer = between(8000, 60000);
	c->ends[!from].traits.rounds_down = false;
	c->ends[from].traits.long_pauses = false;
}

/* The response to what has been drawn of requests comes when these have. */
static void draw_response(struct connection *c, bool to_head, bool last)
{
	struct end *server = &c->ends[1];

	server->gates[server->gate_count++] = (struct gate) { c->wanted_length[0], c->length[1] };
	c->drawn = LUN_REPLY;
	put_response(c, to_head, last);
	c->drawn = LUN_ORIG;
}

static void draw_requests(struct connection *c)
{
	uint32_t count = between(1, 40), least_size = c->ends[0].traits.mss < 100 ? 4000 : STREAM_MOST - 16000;

	draw_patience(c, 0);
	if (world.answers)
		draw_patience(c, 1);
	c->length[0] = 0;
	c->length[1] = world.answers ? 0 : c->length[1];
	c->wanted_length[1] = c->length[1];
	c->drawn = LUN_ORIG;
	if (world.greets)
		put_greeting(c);
	for (uint32_t i = 0; i < count && c->length[0] < least_size; i++) {
		bool to_head = chance(200), last = i + 1 == count || c->length[1] > least(least_size, 50000);

		put_request(c, i, to_head);
		if (world.answers)
			draw_response(c, to_head, last);
		if (world.answers && last)
			return;
	}
}

static void draw_streams(struct connection *c)
{
	c->ends[1].gate_count = 0;
	for (int i = 0; i < 2; i++) {
		uint32_t most = chance(200) ? 50000 : 4000;
		uint32_t piece = least(c->ends[i].traits.mss, c->ends[!i].traits.buffer);

		c->length[i] = least(between(0, most), 400 * piece);
		draw_stream(c->out[i], c->length[i]);
		c->wanted_length[i] = c->length[i];
		memcpy(c->wanted[i], c->out[i], c->length[i]);
	}
	c->wanted_length[0] = world.mode == MODE_HTTP ? 0 : c->wanted_length[0];
	if (world.mode == MODE_HTTP)
		draw_requests(c);
}

/* ---- connections ---- */

/* Makes an end anew.  Its numbers go on from the last connection's, as its clock would have it (RFC 9293, 3.4.1), or are
 * random, and then not near those that it had. */
static void begin_end(struct connection *c, int side)
{
	struct end *end = &c->ends[side];
	uint32_t last = end->traits.isn + end->sent;
	bool again = end->sent > 0;

	memset(end, 0, sizeof(*end));
	end->traits = draw_traits();
	end->random.state = random_next(&world.random);
	end->send = send_segment;
	end->wire = &c->wires[side];
	end->deeds = &coverage.deeds;
	if (again)
		end->traits.isn = last + between(1, chance(700) ? 1 << 20 : UINT32_MAX - (1 << 20));
}

/* Two ends that are to meet. */
static void match_ends(struct traits *client, struct traits *server)
{
	client->closes_last &= !server->closes_last;    /* or both would wait */
	if (client->abort_odds || server->abort_odds) { /* a RST may get lost, and is asked for while the flow is known */
		client->keep_alive = between(1, 60) * SECOND;
		server->keep_alive = between(1, 60) * SECOND;
	}
}

static void begin_connection(struct connection *c)
{
	c->simultaneous = world.mode == MODE_TRACK && c->ends[0].sent == 0 && chance(50);
	if (c->simultaneous)
		c->rounds = 1; /* the next one may go the other way, which a flow in CLOSE does not let through */
	for (int side = 0; side < 2; side++)
		begin_end(c, side);
	match_ends(&c->ends[0].traits, &c->ends[1].traits);
	draw_streams(c);
	for (int side = 0; side < 2; side++) {
		struct end *end = &c->ends[side];

		end->out = c->out[side];
		end->length = c->length[side];
		end->congestion = least(end->traits.flight, 4 * end->traits.mss);
	}
	end_open(&c->ends[1], c->simultaneous, world.now);
	if (!c->simultaneous && chance(20))
		end_close(&c->ends[1]); /* nobody listens */
	end_open(&c->ends[0], true, world.now);
	c->begins_at = NEVER;
}

/* What an end got is what the other sent, or its beginning if the connection was reset. */
static void check_stream(const struct end *receiver, const struct end *sender, const uint8_t *wanted, uint32_t length)
{
	uint32_t got = receiver->expected > 1 ? receiver->expected - 1 : 0;
	bool whole = !receiver->was_reset && !sender->was_reset;

	if (receiver->fin && receiver->expected > receiver->fin)
		got--;
	if (got > length || memcmp(receiver->in, wanted, got) != 0)
		fail_seed("a stream arrived with other bytes");
	if (whole && (got != length || !receiver->fin))
		fail_seed("a stream arrived with %u bytes of %u", got, length);
}

static bool is_under_way(const struct connection *c)
{
	for (uint32_t i = 0; i < world.count; i++)
		if (&world.connections[world.flights[world.order[i]].connection] == c)
			return true;
	return false;
}

/* A connection that is over is checked, and may begin once more with the same tuple. */
static void settle_connection(struct connection *c)
{
	if (c->rounds == 0 || c->begins_at != NEVER || !end_is_over(&c->ends[0]) || !end_is_over(&c->ends[1]) ||
	    is_under_way(c))
		return;
	check_stream(&c->ends[1], &c->ends[0], c->wanted[0], c->wanted_length[0]);
	check_stream(&c->ends[0], &c->ends[1], c->wanted[1], c->wanted_length[1]);
	if (--c->rounds)
		c->begins_at = world.now + (chance(500) ? between(1, 1000) * MILLISECOND : between(1, 600) * SECOND);
}

/* ---- a seed ---- */

static struct lun_policy *make_policy(struct lun_address address)
{
	struct lun_port port = { .port = 80, .target_port = 8080 };
	struct lun_endpoint endpoint = { .address = world.endpoint };
	struct lun_header headers[] = { { .name = "X-Real-IP", .value = "$remote_addr" },
					{ .name = "X-Via", .value = "$service" },
					{ .name = "X-Frame-Options", .value = "DENY", .response = true },
					{ .name = "Server", .kind = LUN_HEADER_REMOVE, .response = true } };
	struct lun_path_rule path = { .strip = "/api" };
	struct lun_service service = { .name = "default/web",
				       .cluster_ips = &address,
				       .cluster_ip_count = 1,
				       .ports = &port,
				       .port_count = 1,
				       .endpoints = &endpoint,
				       .endpoint_count = 1,
				       .headers = headers,
				       .header_count = world.answers             ? 4
						       : world.mode == MODE_HTTP ? 2
										 : 0,
				       .http_resets =
					       true, /* of slow heads: an end that hears of it otherwise is not honest */
				       .paths = &path,
				       .path_count = world.mode == MODE_HTTP,
				       .proxy_protocol = world.greets,
				       .masquerade =
					       world.mode == MODE_DNAT ? LUN_MASQUERADE_NEVER : LUN_MASQUERADE_ALWAYS };
	struct lun_policy_config config = { .size = sizeof(config), .services = &service, .service_count = 1 };
	struct lun_policy *policy = NULL;

	config.node.masquerade_addresses = &world.masquerade;
	config.node.masquerade_address_count = 1;
	assert_int_equal(lun_policy_new(&policy, &config, NULL), 0);
	return policy;
}

static void make_engine(struct lun_address service)
{
	struct lun_config config = { .size = sizeof(config),
				     .flows = 64,
				     .edits = 2 * CONNECTIONS, /* so that each end may have a head that is held */
				     .seed = { world.seed, 7 },
				     .no_pick_up = chance(500),
				     .verify = world.verifies,
				     .drop_invalid = chance(300) };
	struct lun_policy *policy = world.mode == MODE_TRACK ? NULL : make_policy(service);

	assert_int_equal(lun_engine_new(&world.engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	world.now = 1;
	if (chance(200)) { /* an engine so old that its 32-bit milliseconds wrap soon */
		lun_engine_tick(world.engine, world.now);
		world.now = (UINT32_MAX - (uint64_t)between(0, 600000)) * MILLISECOND;
	}
}

static void make_connection(uint8_t index, struct lun_address service)
{
	struct connection *c = &world.connections[index];

	c->client = (struct lun_tuple) { .source = notation_address(world.v6 ? "2001:db8::1" : "192.0.2.1"),
					 .destination = world.mode == MODE_TRACK ? world.endpoint : service,
					 .source_port = (uint16_t)(chance(500) ? 40000 : between(1, 65535)),
					 .destination_port = world.mode == MODE_TRACK ? 8080 : 80,
					 .protocol = LUN_TCP };
	c->client.source.bytes[15] = index + 1;
	c->server = c->client;
	c->flow = 0;
	c->state = LUN_STATE_NONE;
	c->rounds = 1 + chance(300);
	c->begins_at = world.now + between(0, 100) * MILLISECOND;
	for (uint8_t side = 0; side < 2; side++) {
		c->wires[side] = (struct wire) { .direction = side, .connection = index };
		c->ends[side].sent = 0;
		end_close(&c->ends[side]);
	}
}

static void begin_world(uint32_t seed)
{
	struct lun_address service;

	world.seed = seed;
	world.random.state = seed * 0x9e3779b97f4a7c15u;
	world.mode = (enum mode)(seed % MODE_COUNT);
	world.v6 = chance(350);
	world.greets = world.mode == MODE_HTTP && chance(500);
	world.verifies = chance(300);
	world.answers = world.mode == MODE_HTTP && chance(600);
	world.endpoint = notation_address(world.v6 ? "fd00::5" : "10.244.0.5");
	world.masquerade = notation_address(world.v6 ? "fd00::1" : "10.244.0.1");
	service = notation_address(world.v6 ? "fd00:96::a" : "10.96.0.10");
	make_engine(service);
	for (int i = 0; i < FLIGHTS; i++)
		world.order[i] = (uint16_t)i;
	world.count = 0;
	world.records = 0;
	world.cuts = 0;
	world.held = 0;
	world.emitted = 0;
	for (int i = 0; i < 4; i++)
		draw_link(&world.links[i / 2][i % 2], i % 2);
	world.connection_count = between(1, CONNECTIONS);
	for (uint32_t i = 0; i < world.connection_count; i++)
		make_connection((uint8_t)i, service);
}

/* The earliest of what the ends and the embedder want to do; *end is NULL if it is to begin connection *c. */
static uint64_t next_turn(struct connection **c, struct end **end)
{
	uint64_t first = NEVER;

	for (uint32_t i = 0; i < world.connection_count; i++) {
		struct connection *candidate = &world.connections[i];

		if (candidate->begins_at < first) {
			first = candidate->begins_at;
			*c = candidate;
			*end = NULL;
		}
		for (int side = 0; side < 2; side++) {
			if (end_deadline(&candidate->ends[side]) >= first)
				continue;
			first = end_deadline(&candidate->ends[side]);
			*c = candidate;
			*end = &candidate->ends[side];
		}
	}
	return first;
}

static void deliver(uint32_t place)
{
	const struct flight *flight = &world.flights[world.order[place]];
	static uint8_t data[PACKET];
	struct reading r;

	if (flight->to_engine) {
		run_engine(place);
		return;
	}
	flight = land(place);
	memcpy(data, flight->data, flight->length);
	r = read_packet(data, flight->length);
	end_input(&world.connections[flight->connection].ends[!flight->direction], &r.segment, world.now);
}

/* One thing happens; false: nothing is left to happen. */
static bool step(void)
{
	struct connection *c = NULL;
	struct end *end = NULL;
	uint32_t place = next_flight();
	uint64_t landing = place == UINT32_MAX ? NEVER : world.flights[world.order[place]].at, turn = next_turn(&c, &end);

	if (landing == NEVER && turn == NEVER)
		return false;
	if (landing <= turn) {
		world.now = landing > world.now ? landing : world.now;
		deliver(place);
	} else {
		world.now = turn > world.now ? turn : world.now;
		if (end)
			end_run(end, world.now);
		else
			begin_connection(c);
	}
	for (uint32_t i = 0; i < world.connection_count; i++)
		settle_connection(&world.connections[i]);
	return true;
}

static bool was_reset(uint64_t flow)
{
	for (uint32_t i = 0; i < world.connection_count; i++)
		if (world.connections[i].flow == flow)
			return world.connections[i].ends[0].was_reset || world.connections[i].ends[1].was_reset ||
			       world.connections[i].opened_late;
	return false;
}

/* The flows are over, and gone when their time is; so are fragments. */
static void check_table(void)
{
	struct lun_flow flow;
	struct lun_stats stats;
	uint64_t cursor = 0, fragments = world.emitted;
	char text[LUN_TUPLE_TEXT];

	while (lun_flow_next(world.engine, &cursor, &flow)) {
		if (flow.state == LUN_STATE_TIME_WAIT || flow.state == LUN_STATE_CLOSE)
			continue;
		coverage.left_behind++;
		if (!was_reset(flow.id))
			fail_seed("%s is left in %s", lun_tuple_format(&flow.orig, text), lun_state_name(flow.state));
	}
	world.now += 61 * SECOND; /* of which no deadline speaks: fragments */
	lun_engine_tick(world.engine, world.now);
	for (int i = 0; i < 1000 && lun_engine_deadline(world.engine) != NEVER; i++) {
		uint64_t deadline = lun_engine_deadline(world.engine);

		world.now = deadline > world.now ? deadline : world.now;
		lun_engine_tick(world.engine, world.now);
	}
	lun_engine_stats(world.engine, &stats);
	coverage.edits += stats.edits;
	if (stats.flows != 0 || stats.half_open != 0 || stats.flows_opened != stats.flows_ended)
		fail_seed("%lu flows stay in the table", (unsigned long)stats.flows);
	for (int i = 0; i < LUN_REASON_COUNT; i++)
		fragments += stats.fragments_given_up[i];
	if (stats.verdicts[LUN_STOLEN] != fragments + world.held)
		fail_seed("%lu fragments were kept, and %lu emitted or given up", (unsigned long)stats.verdicts[LUN_STOLEN],
			  (unsigned long)fragments);
}

static void run_seed(uint32_t seed)
{
	int steps = 0;

	begin_world(seed);
	while (step())
		if (++steps == STEPS_MOST)
			fail_seed("the ends do not come to an end");
	for (uint32_t i = 0; i < world.connection_count; i++)
		if (world.connections[i].rounds)
			fail_seed("a connection does not come to an end");
	check_table();
	lun_engine_free(world.engine);
}

static uint32_t number_from(const char *variable, uint32_t otherwise)
{
	const char *text = getenv(variable);

	return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static void print_coverage(uint32_t seeds)
{
	const struct deeds *d = &coverage.deeds;

	print_message("%u seeds: %lu packets, %lu old duplicates, %lu timeouts, %lu fast retransmissions, %lu probes,\n"
		      "%lu keep-alives, %lu zero windows, %lu SACKs, %lu wraps, %lu half-closes, %lu resets (%lu late,\n"
		      "%lu flows left behind), %lu challenges, %lu flows reopened, %lu ports moved, %lu heads edited, %lu "
		      "segments out of place,\n%lu packets put together, %lu fragments again, %lu packets held, %lu "
		      "acknowledged by us, %lu resets for slow heads, %lu PROXY headers, %lu with errors\n",
		      seeds, coverage.packets, coverage.before_window, d->timeouts, d->fast_retransmissions, d->probes,
		      d->keep_alives, d->zero_windows, d->sacks, d->wraps, d->half_closes, d->resets, coverage.late_resets,
		      coverage.left_behind, d->challenges, coverage.reopened, coverage.moved_ports, coverage.edits,
		      coverage.lost_place, coverage.put_together, coverage.same_again, coverage.held,
		      coverage.acknowledged_by_us, coverage.too_slow, coverage.greetings, coverage.spoilt);
}

static void nobody_notices_the_engine(void **state)
{
	const struct deeds *d = &coverage.deeds;
	uint32_t first = number_from("SIMULATOR_SEED", 0), seeds = number_from("SIMULATOR_SEEDS", SEEDS);

	(void)state;
	world.talks = getenv("SIMULATOR_SEED") && !getenv("SIMULATOR_SEEDS");
	if (world.talks)
		seeds = 1;
	for (uint32_t seed = first; seed - first < seeds; seed++)
		run_seed(seed);
	print_coverage(seeds);
	if (seeds < SEEDS)
		return;
	assert_true(coverage.before_window && d->timeouts && d->fast_retransmissions && d->probes && d->keep_alives);
	assert_true(d->zero_windows && d->sacks && d->wraps && d->half_closes && d->resets && d->challenges);
	assert_true(coverage.reopened && coverage.moved_ports && coverage.edits && coverage.lost_place);
	assert_true(coverage.put_together && coverage.same_again && coverage.held && coverage.acknowledged_by_us);
	assert_true(coverage.spoilt);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nobody_notices_the_engine) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
