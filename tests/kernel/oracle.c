/* oracle.c - the kernel as oracle: the same random sequences of packets go through nf_conntrack and through the engine, and
 * after each packet both are asked what it was, what they now know of its flow, and what left.
 *
 *	oracle_steps.h		a step: who sends what; its bytes and its fragments
 *	oracle_walks.h		random sequences of steps, mostly plausible
 *	oracle_kernel.h		the kernel, which answers for a packet
 *	oracle_differences.h	when both agree, and where they deliberately do not
 *
 * Where they disagree, either the table of differences says why the engine is right, or the test fails, with the shortest
 * sequence that it can make of it.  Everything follows from the seed; only ports that the kernel chose do not.  What takes
 * time is not compared: the engine's clock moves by a millisecond a step, the kernel's as it likes.
 *
 * Arguments: how many sequences, and the first seed.  Trackers change from kernel to kernel: on another one than
 * WRITTEN_AGAINST disagreements are shown, and the test counts as skipped. */
#define _GNU_SOURCE /* sched_setaffinity */
#include "oracle_differences.h"

#include <inttypes.h>
#include <sys/utsname.h>

enum { SEQUENCES = 5000, SEQUENCES_LONG = 20000, FAILURES_SHOWN = 5, MILLISECOND = 1000000 };

#define WRITTEN_AGAINST "6.18."

struct oracle {
	struct kernel kernel;
	struct lun_policy *policy;
	uint32_t runs;
	uint64_t differences[DIFFERENCES]; /* how often each showed */
	uint64_t packets, cts[LUN_CT_UNTRACKED + 1], states[LUN_STATE_COUNT], reasons[LUN_REASON_COUNT];
};

/* ---- the engine ---- */

/* The same two services that the kernel's rules have. */
static struct lun_policy *make_policy(void)
{
	struct lun_address node[2] = { address_of(NODE_V4, NODE_V6, false), address_of(NODE_V4, NODE_V6, true) }, ips[2][2];
	struct lun_port ports[3] = {
		{ .name = "tcp", .port = SERVICE_PORT, .target_port = SERVER_PORT },
		{ .name = "udp", .port = SERVICE_PORT, .target_port = SERVER_PORT, .protocol = LUN_UDP },
		{ .name = "sctp", .port = SERVICE_PORT, .target_port = SERVER_PORT, .protocol = LUN_SCTP }
	};
	struct lun_endpoint endpoints[2] = { { .address = service_address(DIRECT, false) },
					     { .address = service_address(DIRECT, true) } };
	struct lun_service services[2] = { { .name = "test/forwarded", .masquerade = LUN_MASQUERADE_NEVER },
					   { .name = "test/masqueraded", .masquerade = LUN_MASQUERADE_ALWAYS } };
	struct lun_policy_config config = { .size = sizeof(config), .services = services, .service_count = 2 };
	struct lun_policy *policy;
	struct lun_error error;

	config.node.masquerade_addresses = node;
	config.node.masquerade_address_count = 2;
	for (int i = 0; i < 2; i++) {
		ips[i][0] = service_address((enum service)(FORWARDED + i), false);
		ips[i][1] = service_address((enum service)(FORWARDED + i), true);
		services[i].cluster_ips = ips[i];
		services[i].cluster_ip_count = 2;
		services[i].ports = ports;
		services[i].port_count = 3;
		services[i].endpoints = endpoints;
		services[i].endpoint_count = 2;
	}
	if (lun_policy_new(&policy, &config, &error) < 0) {
		fprintf(stderr, "policy: %s\n", error.text);
		exit(1);
	}
	return policy;
}

static struct lun_engine *make_engine(const struct oracle *oracle, const struct sequence *sequence)
{
	struct lun_config config = { .size = sizeof(config),
				     .seed = { sequence->seed, 1 },
				     .flows = 64,
				     .emit_size = 65536,
				     .fragment_size = 65536,
				     .verify = !sequence->unverified,
				     .liberal = sequence->liberal,
				     .no_pick_up = sequence->no_pick_up };
	struct lun_engine *engine;

	if (lun_engine_new(&engine, &config, oracle->policy, NULL) < 0) {
		fprintf(stderr, "no engine\n");
		exit(1);
	}
	return engine;
}

static void engine_entry(const struct lun_engine *engine, const struct lun_tuple *tuple, struct opinion *opinion)
{
	struct lun_flow flow;

	opinion->known = lun_flow_find(engine, tuple, &flow) == 0;
	opinion->state = opinion->known ? flow.state : LUN_STATE_NONE;
	opinion->assured = opinion->known && flow.assured;
}

static void put_on_wire(struct opinion *opinion, const uint8_t *data, uint32_t length)
{
	if (opinion->wire_length + length > WIRE_SIZE)
		return;
	memcpy(opinion->wire + opinion->wire_length, data, length);
	opinion->wire_length += length;
}

static void engine_pass(struct lun_engine *engine, uint8_t *wire, uint32_t length, uint64_t now, struct opinion *opinion)
{
	*opinion = (struct opinion) { 0 };
	for (uint32_t at = 0, size, before; at < length; at += size) {
		struct lun_packet packet = { .data = wire + at };
		struct lun_event event;

		size = packet.length = packet.capacity = packet_length(wire + at);
		before = opinion->wire_length;
		lun_engine_packets(engine, &packet, 1, now);
		if (packet.verdict == LUN_ACCEPT)
			put_on_wire(opinion, packet.data, packet.length);
		while (lun_engine_next_event(engine, &event))
			put_on_wire(opinion, event.data, event.length);
		if (opinion->wire_length > before || before == 0) { /* a duplicate behind the packet's end says nothing */
			opinion->ct = packet.ct;
			opinion->reason = packet.reason;
		}
	}
	opinion->length = wire_join(opinion->wire, opinion->wire_length, opinion->bytes);
}

/* ---- one run ---- */

struct run {
	struct oracle *oracle;
	const struct sequence *sequence;
	struct lun_engine *engine;
	struct world worlds[WORLDS];
	bool refused_end[CONVERSATIONS]; /* see struct moment */
	uint64_t now;
	bool print;
};

static void run_begin(struct run *run)
{
	uint32_t number = ++run->oracle->runs;

	kernel_set("nf_conntrack_tcp_be_liberal", run->sequence->liberal);
	kernel_set("nf_conntrack_tcp_loose", !run->sequence->no_pick_up);
	kernel_set("nf_conntrack_checksum", !run->sequence->unverified);
	run->engine = make_engine(run->oracle, run->sequence);
	for (int w = 0; w < WORLDS; w++) {
		run->worlds[w] = (struct world) { .run = number };
		for (int c = 0; c < CONVERSATIONS; c++)
			run->worlds[w].heard[c] = expected_at_server(&run->sequence->conversations[c], number);
	}
}

/* Ports that the kernel chose must not be in the way of later runs' own. */
static void run_end(struct run *run)
{
	bool chosen = run->oracle->runs % (CLIENT_PORTS / 8) == 0;

	for (int c = 0; c < CONVERSATIONS; c++)
		chosen |= run->worlds[KERNEL].heard[c].source_port !=
			  client_tuple(&run->sequence->conversations[c], run->oracle->runs).source_port;
	if (chosen)
		kernel_forget(&run->oracle->kernel);
	lun_engine_free(run->engine);
}

/* Keeps what the other side got. */
static void world_learn(struct world *world, const struct moment *m, int who)
{
	const struct opinion *opinion = &m->after[who];
	struct lun_packet io = { .data = (uint8_t *)opinion->bytes, .length = opinion->length };
	struct packet p = { .io = &io };
	uint8_t c = m->step->conversation, to = !m->step->from;

	if (m->step->kind != STEP_PACKET || opinion->length == 0 ||
	    (opinion->ct != LUN_CT_NEW && opinion->ct != LUN_CT_ESTABLISHED))
		return;
	memcpy(world->came[c][to], opinion->bytes, opinion->length);
	memcpy(world->was[c][to], m->sent[who], opinion->length);
	world->came_length[c][to] = opinion->length;
	if (m->step->from == CLIENT && packet_parse(&p))
		world->heard[c] = p.tuple;
}

/* The packet in one world: the flow before it, the packet, the flow after it. */
static void pass_in(struct run *run, struct moment *m, int who)
{
	struct lun_packet io = { .data = m->sent[who], .length = m->length[who] };
	struct packet p = { .io = &io };
	struct kernel *kernel = &run->oracle->kernel;
	uint8_t wire[WIRE_SIZE], code;
	uint32_t length;

	set_number(m->sent[who], kernel->number);
	length = step_cut(m->step, m->sent[who], wire);
	packet_parse(&p);
	code = p.role == PACKET_ICMP_ERROR ? m->sent[who][p.inner_transport + 1] : m->step->icmp_code;
	if (who == KERNEL) {
		kernel_entry(kernel, &p.tuple, code, &m->before[who]);
		kernel_pass(kernel, m->step->from, wire, length, &m->after[who]);
		kernel_entry(kernel, &p.tuple, code, &m->after[who]);
	} else {
		engine_entry(run->engine, &p.tuple, &m->before[who]);
		engine_pass(run->engine, wire, length, run->now, &m->after[who]);
		engine_entry(run->engine, &p.tuple, &m->after[who]);
	}
	world_learn(&run->worlds[who], m, who);
}

/* Whether the last segment that the kernel has noted now is a FIN or RST that it refused. */
static bool notes_refused_end(const struct moment *m)
{
	if (!is_packet(m, LUN_TCP))
		return m->refused_end;
	if (m->after[KERNEL].ct == LUN_CT_INVALID)
		return m->refused_end || (m->before[KERNEL].assured && m->step->tcp_flags & (TCP_FIN | TCP_RST));
	return m->refused_end && m->after[ENGINE].reason != LUN_REASON_none;
}

static void count(struct oracle *oracle, const struct moment *m)
{
	oracle->packets++;
	oracle->cts[m->after[KERNEL].ct]++;
	oracle->states[m->after[KERNEL].state] += m->after[KERNEL].known;
	oracle->reasons[m->after[ENGINE].reason]++;
}

static void print_opinion(const struct moment *m, const char *who, const struct opinion *opinion)
{
	struct lun_packet io = { .data = (uint8_t *)opinion->bytes, .length = opinion->length };
	struct packet p = { .io = &io };
	char text[LUN_TUPLE_TEXT];

	packet_parse(&p);
	printf("\t%s: %s %s %s%s -> %s", who, opinion->length ? "accept" : "drop", lun_ct_name(opinion->ct),
	       opinion->known ? lun_state_name(opinion->state) : "-", opinion->assured ? " assured" : "",
	       lun_tuple_format(packet_was(&p), text));
	if (p.role == PACKET_ICMP_ERROR)
		printf(" about %s", lun_tuple_format(&p.tuple, text));
	if (opinion->reason != LUN_REASON_none)
		printf(" (%s)", lun_reason_name(opinion->reason));
	if (m->step->piece && opinion->wire_length) {
		printf(", as fragments of identification %u:", identification_of(opinion));
		for (uint32_t at = 0; at < opinion->wire_length; at += packet_length(opinion->wire + at))
			printf(" %u", packet_length(opinion->wire + at));
	}
	putchar('\n');
}

static void print_moment(const struct moment *m, bool agreed)
{
	const struct opinion *kernel = &m->after[KERNEL], *engine = &m->after[ENGINE];

	step_print(m->sequence, m->step, &m->worlds[KERNEL], stdout);
	print_opinion(m, "kernel", kernel);
	print_opinion(m, "engine", engine);
	for (uint32_t i = 0; !agreed && i < kernel->length && i < engine->length; i++)
		if (kernel->bytes[i] != engine->bytes[i])
			printf("\tbyte %u of what left: kernel %02x, engine %02x\n", i, kernel->bytes[i], engine->bytes[i]);
}

enum outcome { AGREED, EXPLAINED, PARTED, DISAGREED };

static enum outcome run_step(struct run *run, const struct step *step)
{
	static struct moment m;
	const struct difference *difference;
	bool agreed;

	m.sequence = run->sequence;
	m.step = step;
	m.conversation = &run->sequence->conversations[step->conversation];
	m.worlds = run->worlds;
	m.refused_end = run->refused_end[step->conversation];
	for (int w = 0; w < WORLDS; w++)
		if ((m.length[w] = step_build(run->sequence, step, &run->worlds[w], m.sent[w])) == 0)
			return AGREED;
	run->oracle->kernel.number += run->oracle->kernel.number == UINT16_MAX ? 2 : 1; /* never zero */
	run->now += MILLISECOND;
	for (int w = 0; w < WORLDS; w++)
		pass_in(run, &m, w);
	run->refused_end[step->conversation] = notes_refused_end(&m);
	count(run->oracle, &m);
	agreed = agree(&m);
	if (run->print)
		print_moment(&m, agreed);
	difference = difference_of(&m, agreed);
	if (!difference)
		return agreed ? AGREED : DISAGREED;
	run->oracle->differences[difference - differences]++;
	return difference->then == GOES_ON ? EXPLAINED : PARTED;
}

/* Runs a sequence; returns how many steps went well: its whole count, if all did. */
static uint32_t run_sequence(struct oracle *oracle, const struct sequence *sequence, bool print)
{
	static struct run run;
	uint32_t step = 0;

	run = (struct run) { .oracle = oracle, .sequence = sequence, .print = print };
	run_begin(&run);
	for (; step < sequence->count; step++) {
		enum outcome outcome = run_step(&run, &sequence->steps[step]);

		if (outcome == DISAGREED)
			break;
		if (outcome == PARTED)
			step = sequence->count - 1;
	}
	run_end(&run);
	return step;
}

/* Takes out steps as long as what is left still shows a disagreement. */
static void shrink(struct oracle *oracle, struct sequence *sequence, uint32_t agreed)
{
	sequence->count = agreed + 1;
	for (uint32_t i = 0; i < sequence->count;) {
		struct sequence shorter = *sequence;

		memmove(shorter.steps + i, shorter.steps + i + 1, (shorter.count - i - 1) * sizeof(shorter.steps[0]));
		shorter.count--;
		agreed = run_sequence(oracle, &shorter, false);
		if (agreed >= shorter.count) {
			i++;
			continue;
		}
		shorter.count = agreed + 1;
		*sequence = shorter;
		i = 0;
	}
}

/* ---- all of them ---- */

static bool run_seed(struct oracle *oracle, uint64_t seed)
{
	static struct sequence sequence;
	uint32_t agreed, count;

	sequence_make(&sequence, seed);
	count = sequence.count;
	agreed = run_sequence(oracle, &sequence, false);
	if (agreed == count)
		return true;
	printf("FAILED: seed %" PRIu64 ", step %u of %u%s%s%s; the least that shows it:\n", seed, agreed + 1, count,
	       sequence.liberal ? ", liberal" : "", sequence.no_pick_up ? ", no pick-up" : "",
	       sequence.unverified ? ", checksums not verified" : "");
	shrink(oracle, &sequence, agreed);
	run_sequence(oracle, &sequence, true);
	return false;
}

/* What every run of the usual length must have come across, or the walks are no test. */
static bool saw_enough(const struct oracle *oracle)
{
	bool enough = true;

	for (int ct = 0; ct <= LUN_CT_UNTRACKED; ct++)
		enough &= oracle->cts[ct] > 0;
	for (int state = LUN_STATE_SYN_SENT; state <= LUN_STATE_SCTP_HEARTBEAT_SENT; state++)
		enough &= oracle->states[state] > 0 || state == LUN_STATE_UDP_STREAM;
	for (int reason = LUN_REASON_invalid_state; reason <= LUN_REASON_not_an_opening; reason++)
		enough &= oracle->reasons[reason] > 0;
	if (!enough)
		printf("FAILED: some state, reason or kind of packet never came up\n");
	return enough;
}

/* Prints the differences; false if one that is listed did not show, which a long run must not have. */
static bool report_differences(const struct oracle *oracle, uint64_t sequences)
{
	bool stale = false;

	printf("deliberate differences, and how often they showed:\n");
	for (size_t i = 0; i < DIFFERENCES; i++) {
		stale |= oracle->differences[i] == 0;
		printf("%6" PRIu64 "  %s\n        (%s)\n", oracle->differences[i], differences[i].engine,
		       differences[i].why);
	}
	if (sequences < SEQUENCES_LONG || !stale)
		return true;
	printf("FAILED: one of them never showed\n");
	return false;
}

static bool report(const struct oracle *oracle, const char *kernel, uint64_t sequences, uint64_t failed)
{
	bool fine = failed == 0;

	printf("Linux %s: %" PRIu64 " sequences, %" PRIu64 " packets:", kernel, sequences, oracle->packets);
	for (int ct = 0; ct <= LUN_CT_UNTRACKED; ct++)
		printf(" %" PRIu64 " %s", oracle->cts[ct], lun_ct_name((enum lun_ct)ct));
	printf("; %" PRIu64 " sequences disagree\n", failed);
	fine &= report_differences(oracle, sequences);
	return fine && (sequences < SEQUENCES || saw_enough(oracle));
}

int main(int argc, char **argv)
{
	static struct oracle oracle;
	uint64_t sequences = argc > 1 ? strtoull(argv[1], NULL, 10) : SEQUENCES,
		 first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, seed = first, failed = 0;
	struct utsname kernel;
	bool fine;

	uname(&kernel);
	kernel_open(&oracle.kernel);
	oracle.policy = make_policy();
	for (; seed < first + sequences && failed < FAILURES_SHOWN; seed++)
		failed += !run_seed(&oracle, seed);
	fine = report(&oracle, kernel.release, seed - first, failed);
	lun_policy_unref(oracle.policy);
	if (fine || strncmp(kernel.release, WRITTEN_AGAINST, strlen(WRITTEN_AGAINST)) == 0)
		return !fine;
	printf("skipped: the differences are those to Linux " WRITTEN_AGAINST "x, this is another\n");
	return 77;
}
