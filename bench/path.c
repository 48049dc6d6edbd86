/* path.c - what one packet costs on the path: a known flow, and a flow that opens while another one expires.
 *
 * Batches of 32 packets of random flows go through an engine that holds N of them.  The same loop runs without the engine,
 * and that time, which builds packets and looks at answers, is taken off.
 *
 * "New" is a steady state: the clock moves by timeout / N per packet, so that each flow that opens takes the place of one
 * that has just expired; opening, ticks until nothing more is due, and draining of events are all in the figure.
 *
 * Times are the thread's CPU time, medians of some runs.  Machines differ and drift: beside each figure stands the time of
 * one dependent random read (`chase`) over as much memory as the flows take, in pages of the same kind.
 *
 * Checksums in the packets are constant and wrong: the engine is not told to verify them, and updates them all the same. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <lunette/lunette.h>

enum { BATCH = 32, BUFFER = 128, PAYLOAD = 32, PORT = 80, MOST_LISTED = 16, MOST_RUNS = 99, LINE = 64, HUGE_PAGE = 2 << 20 };
enum { IP_SOURCE = 12, IP_DESTINATION = 16, IP_HEADER = 20, TCP_SEQUENCE = 24, TCP_ACKNOWLEDGEMENT = 28, TCP_FLAGS = 33 };
enum { SYN = 0x02, ACK = 0x10 };

static const uint8_t cluster_ip[4] = { 10, 96, 0, 10 };

/* With masquerade all flows leave from one address: each endpoint can have no more of them than there are ports. */
static const struct scenario {
	const char *name;
	uint8_t protocol;
	bool masquerade;
	uint32_t endpoints;
} scenarios[] = {
	{ "udp-dnat", LUN_UDP, false, 16 },
	{ "tcp-dnat", LUN_TCP, false, 16 },
	{ "udp-dnat-masquerade", LUN_UDP, true, 1024 },
	{ "tcp-dnat-masquerade", LUN_TCP, true, 1024 },
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

struct options {
	bool json;
	bool chosen[SCENARIOS];
	uint32_t flows[MOST_LISTED];
	uint32_t flow_count;
	uint32_t runs;
	uint32_t packets; /* of one run */
};

/* One engine with its load. */
struct load {
	const struct scenario *scenario;
	uint32_t flows;
	struct lun_policy *policy;
	struct lun_engine *engine;
	uint64_t now, step;       /* ns; step: per batch */
	uint64_t random;          /* state of the generator that picks known flows */
	uint32_t next;            /* index of the next new flow */
	uint64_t packets, wanted; /* sent; of these accepted and translated, as all should be */
	struct lun_packet batch[BATCH];
	uint8_t buffers[BATCH][BUFFER];
};

struct result {
	double known_ns, new_ns, chase_ns;
	uint64_t bytes_per_flow;
};

static void die(const char *what)
{
	fprintf(stderr, "path: %s\n", what);
	exit(1);
}

static uint64_t cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* xorshift64*, Vigna 2014; below `limit` by multiplication. */
static uint32_t random_below(uint64_t *state, uint32_t limit)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(((*state * 0x2545f4914f6cdd1du >> 32) * limit) >> 32);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

/* ---- Packets --------------------------------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

/* A SYN has no payload, all else has some. */
static void set_length(struct load *load, uint32_t i, uint8_t tcp_flags)
{
	bool tcp = load->scenario->protocol == LUN_TCP;

	load->batch[i].length = IP_HEADER + (tcp ? 20 : 8) + (tcp && tcp_flags & SYN ? 0 : PAYLOAD);
	put16(load->buffers[i] + 2, load->batch[i].length);
}

/* The parts of a packet that no flow changes. */
static void fill_template(const struct load *load, uint8_t *data)
{
	static const uint8_t ip[] = { 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 0, 0x12, 0x34 };

	memset(data, 0, BUFFER);
	memcpy(data, ip, sizeof(ip));
	data[9] = load->scenario->protocol;
	if (load->scenario->protocol == LUN_TCP) {
		data[32] = 5 << 4; /* header length */
		put16(data + 34, 65535);
		put16(data + 36, 0x1234);
	} else {
		put16(data + 24, 8 + PAYLOAD);
		put16(data + 26, 0x1234);
	}
}

/* The address and port of the client number `index`: sixteen clients share an address, ports are spread. */
static uint32_t client_address(uint32_t index)
{
	return (10u << 24) + (index >> 4);
}

static uint16_t client_port(uint32_t index)
{
	return (uint16_t)(1024 + index * 40503u % (65536 - 1024));
}

/* Puts a packet into place `i` of the batch: from client `index` to the service. */
static void build(struct load *load, uint32_t i, uint32_t index, uint8_t tcp_flags, uint32_t sequence)
{
	uint8_t *data = load->buffers[i];

	put32(data + IP_SOURCE, client_address(index));
	memcpy(data + IP_DESTINATION, cluster_ip, sizeof(cluster_ip));
	put16(data + IP_HEADER, client_port(index));
	put16(data + IP_HEADER + 2, PORT);
	if (load->scenario->protocol == LUN_TCP) {
		put32(data + TCP_SEQUENCE, sequence);
		put32(data + TCP_ACKNOWLEDGEMENT, tcp_flags & ACK ? 5001 : 0);
		data[TCP_FLAGS] = tcp_flags;
	}
	load->batch[i].data = data;
	load->batch[i].capacity = BUFFER;
	set_length(load, i, tcp_flags);
}

/* Turns the packet that left the engine at place `i` round, as its endpoint would answer. */
static void build_reply(struct load *load, uint32_t i)
{
	uint8_t *data = load->buffers[i], swap[4];

	memcpy(swap, data + IP_SOURCE, 4);
	memcpy(data + IP_SOURCE, data + IP_DESTINATION, 4);
	memcpy(data + IP_DESTINATION, swap, 4);
	memcpy(swap, data + IP_HEADER, 2);
	memcpy(data + IP_HEADER, data + IP_HEADER + 2, 2);
	memcpy(data + IP_HEADER + 2, swap, 2);
	if (load->scenario->protocol == LUN_TCP) {
		put32(data + TCP_SEQUENCE, 5000);
		put32(data + TCP_ACKNOWLEDGEMENT, 1001);
		data[TCP_FLAGS] = SYN | ACK;
	}
	set_length(load, i, SYN | ACK);
}

/* Every packet is looked at: accepted, and sent elsewhere than to the service; an answer, as if from the service. */
static void count_wanted(struct load *load, bool reply)
{
	uint32_t at = reply ? IP_SOURCE : IP_DESTINATION;

	load->packets += BATCH;
	for (uint32_t i = 0; i < BATCH; i++) {
		bool of_service = memcmp(load->buffers[i] + at, cluster_ip, sizeof(cluster_ip)) == 0;

		load->wanted += load->batch[i].verdict == LUN_ACCEPT && of_service == reply;
	}
}

static void through_engine(struct load *load)
{
	struct lun_event event;

	lun_engine_packets(load->engine, load->batch, BATCH, load->now);
	while (lun_engine_next_event(load->engine, &event))
		continue;
}

/* ---- The engine and its flows ---------------------------------------------------------------------------------------- */

static struct lun_address v4(uint32_t value)
{
	struct lun_address address = { .bytes = { [10] = 0xff, [11] = 0xff } };

	put32(address.bytes + 12, value);
	return address;
}

static struct lun_policy *policy_new(const struct scenario *scenario)
{
	struct lun_endpoint endpoints[1024];
	struct lun_address node = v4(172u << 24 | 18u << 16 | 2);
	struct lun_address service = v4(10u << 24 | 96u << 16 | 10);
	struct lun_port port = { .protocol = scenario->protocol, .port = PORT, .target_port = 8080 };
	struct lun_service services[] = { { .name = "bench/service",
					    .cluster_ips = &service,
					    .cluster_ip_count = 1,
					    .ports = &port,
					    .port_count = 1,
					    .endpoints = endpoints,
					    .endpoint_count = scenario->endpoints,
					    .masquerade =
						    scenario->masquerade ? LUN_MASQUERADE_ALWAYS : LUN_MASQUERADE_NEVER } };
	struct lun_policy_config config = { .size = sizeof(config),
					    .node = { .addresses = &node, .address_count = 1 },
					    .services = services,
					    .service_count = 1 };
	struct lun_policy *policy;
	struct lun_error error;

	for (uint32_t i = 0; i < scenario->endpoints; i++)
		endpoints[i] = (struct lun_endpoint) { .address = v4((10u << 24 | 244u << 16) + 1 + i) };
	if (lun_policy_new(&policy, &config, &error) < 0)
		die(error.text);
	return policy;
}

/* The table has some room to spare, as expired flows go one tick of the engine's clock later. */
static void load_init(struct load *load, const struct scenario *scenario, uint32_t flows)
{
	struct lun_config config = { .size = sizeof(config), .seed = { 1, 2 }, .flows = flows + flows / 16 + 256 };
	struct lun_error error;

	*load = (struct load) { .scenario = scenario, .flows = flows, .now = 1000000000, .random = 88172645463325252u };
	load->policy = policy_new(scenario);
	if (lun_engine_new(&load->engine, &config, load->policy, &error) < 0)
		die(error.text);
	for (uint32_t i = 0; i < BATCH; i++)
		fill_template(load, load->buffers[i]);
}

static void load_fini(struct load *load)
{
	lun_engine_free(load->engine);
	lun_policy_unref(load->policy);
}

/* Opens the next BATCH flows and brings them to where both sides have spoken. */
static void establish_batch(struct load *load)
{
	bool tcp = load->scenario->protocol == LUN_TCP;

	for (uint32_t i = 0; i < BATCH; i++)
		build(load, i, load->next + i, SYN, 1000);
	through_engine(load);
	count_wanted(load, false);
	for (uint32_t i = 0; i < BATCH; i++)
		build_reply(load, i);
	through_engine(load);
	count_wanted(load, true);
	for (uint32_t i = 0; tcp && i < BATCH; i++)
		build(load, i, load->next + i, ACK, 1001);
	if (tcp) {
		through_engine(load);
		count_wanted(load, false);
	}
	load->next += BATCH;
}

/* How long a flow that was just opened lives, from the engine itself. */
static uint64_t opening_timeout(struct load *load)
{
	struct lun_flow flow;

	if (lun_flow_find(load->engine, &load->batch[0].was, &flow) < 0)
		die("a flow that was just opened is not there");
	return flow.expires;
}

static void check(const struct load *load, const char *phase)
{
	struct lun_stats stats;
	char text[200];

	lun_engine_stats(load->engine, &stats);
	snprintf(text, sizeof(text),
		 "%s, %u flows, %s: %llu of %llu packets accepted and translated, %llu flows in the table",
		 load->scenario->name, load->flows, phase, (unsigned long long)load->wanted,
		 (unsigned long long)load->packets, (unsigned long long)stats.flows);
	if (load->wanted != load->packets || stats.flows < load->flows)
		die(text);
}

/* ---- Measuring ------------------------------------------------------------------------------------------------------- */

/* ns for each of `count` packets of known flows; without the engine: of building and looking at them. */
static double pass_known(struct load *load, uint32_t count, bool with_engine)
{
	uint64_t random = load->random, start = cpu_ns();

	for (uint32_t done = 0; done < count; done += BATCH) {
		for (uint32_t i = 0; i < BATCH; i++) {
			uint32_t index = random_below(&load->random, load->flows);

			build(load, i, index, ACK, 1001 + (index & 0x3fff)); /* somewhere in the window */
		}
		if (with_engine)
			through_engine(load);
		count_wanted(load, false);
	}
	if (!with_engine)
		load->random = random;
	return (double)(cpu_ns() - start) / count;
}

/* The same for packets that open a flow. */
static double pass_new(struct load *load, uint32_t count, bool with_engine)
{
	uint64_t start = cpu_ns();
	uint32_t next = load->next;

	for (uint32_t done = 0; done < count; done += BATCH) {
		for (uint32_t i = 0; i < BATCH; i++)
			build(load, i, load->next++, SYN, 1000);
		if (with_engine) {
			load->now += load->step;
			through_engine(load);
			while (lun_engine_tick(load->engine, load->now) <= load->now)
				continue;
		}
		count_wanted(load, false);
	}
	if (!with_engine)
		load->next = next;
	return (double)(cpu_ns() - start) / count;
}

/* The median over the runs of what the engine adds to a pass; the first pair of passes warms up. */
static double measure(struct load *load, const struct options *options,
		      double (*pass)(struct load *load, uint32_t count, bool with_engine))
{
	double values[MOST_RUNS + 1];

	for (uint32_t run = 0; run <= options->runs; run++) {
		uint64_t packets = load->packets, wanted = load->wanted;
		double without = pass(load, options->packets, false);

		load->packets = packets; /* these went nowhere */
		load->wanted = wanted;
		values[run] = pass(load, options->packets, true) - without;
	}
	return median(values + 1, options->runs);
}

static double measure_known(const struct scenario *scenario, uint32_t flows, const struct options *options,
			    uint64_t *bytes_per_flow)
{
	struct lun_stats stats;
	struct load load;
	double ns;

	load_init(&load, scenario, flows);
	while (load.next < flows)
		establish_batch(&load);
	check(&load, "opening");
	ns = measure(&load, options, pass_known);
	check(&load, "known");
	lun_engine_stats(load.engine, &stats);
	if (stats.flows_opened != flows)
		die("packets of known flows opened new ones");
	*bytes_per_flow = stats.flow_bytes;
	load_fini(&load);
	return ns;
}

static double measure_new(const struct scenario *scenario, uint32_t flows, const struct options *options)
{
	struct lun_stats stats;
	struct load load;
	double ns;

	load_init(&load, scenario, flows);
	pass_new(&load, BATCH, true);
	load.step = opening_timeout(&load) * BATCH / flows;
	pass_new(&load, flows - BATCH, true);
	check(&load, "opening");
	ns = measure(&load, options, pass_new);
	check(&load, "new");
	lun_engine_stats(load.engine, &stats);
	if (stats.flows_opened != load.packets)
		die("packets of new flows found old ones");
	load_fini(&load);
	return ns;
}

/* ns of a read whose address the read before gave: a random cycle through all lines (Sattolo) of `size` bytes. */
static double measure_chase(uint64_t size, const struct options *options)
{
	uint32_t count = (uint32_t)(size / LINE), at = 0;
	uint64_t random = 88172645463325252u;
	double values[MOST_RUNS];
	struct line {
		uint32_t next;
		uint8_t rest[LINE - sizeof(uint32_t)];
	} *lines = aligned_alloc(HUGE_PAGE, (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);

	if (!lines)
		die("out of memory");
	(void)madvise(lines, size, MADV_HUGEPAGE);
	for (uint32_t i = 0; i < count; i++)
		lines[i].next = i;
	for (uint32_t i = count; i-- > 1;) {
		uint32_t other = random_below(&random, i), swap = lines[i].next;

		lines[i].next = lines[other].next;
		lines[other].next = swap;
	}
	for (uint32_t run = 0; run < options->runs; run++) {
		uint64_t start = cpu_ns();

		for (uint32_t i = 0; i < options->packets; i++)
			at = lines[at].next;
		__asm__ volatile("" : : "r"(at));
		values[run] = (double)(cpu_ns() - start) / options->packets;
	}
	free(lines);
	return median(values, options->runs);
}

/* ---- The program ----------------------------------------------------------------------------------------------------- */

static void print_result(const struct scenario *scenario, uint32_t flows, const struct result *result, bool json)
{
	if (json)
		printf("{\"case\":\"%s\",\"flows\":%u,\"known_ns\":%.1f,\"new_ns\":%.1f,\"chase_ns\":%.1f,"
		       "\"bytes_per_flow\":%llu}\n",
		       scenario->name, flows, result->known_ns, result->new_ns, result->chase_ns,
		       (unsigned long long)result->bytes_per_flow);
	else
		printf("%-20s %8u %9.1f %9.1f %9.1f %12.2f %11.2f %11llu\n", scenario->name, flows, result->known_ns,
		       result->new_ns, result->chase_ns, result->known_ns / result->chase_ns,
		       result->new_ns / result->chase_ns, (unsigned long long)result->bytes_per_flow);
	fflush(stdout);
}

static void run(const struct options *options)
{
	if (!options->json)
		printf("%-20s %8s %9s %9s %9s %12s %11s %11s\n", "case", "flows", "known ns", "new ns", "chase ns",
		       "known/chase", "new/chase", "bytes/flow");
	for (uint32_t i = 0; i < options->flow_count; i++) {
		uint64_t chased = 0;
		struct result result = { 0 };

		for (uint32_t s = 0; s < SCENARIOS; s++) {
			uint32_t flows = options->flows[i];

			if (!options->chosen[s])
				continue;
			result.known_ns = measure_known(&scenarios[s], flows, options, &result.bytes_per_flow);
			result.new_ns = measure_new(&scenarios[s], flows, options);
			if (chased != result.bytes_per_flow)
				result.chase_ns = measure_chase(flows * result.bytes_per_flow, options);
			chased = result.bytes_per_flow;
			print_result(&scenarios[s], flows, &result, options->json);
		}
	}
}

static _Noreturn void usage(int status)
{
	fprintf(status ? stderr : stdout, "usage: path [--json] [--quick] [--cases NAME,...] [--flows N,...] [--runs N]\n"
					  "  --json   a line of JSON per case and number of flows\n"
					  "  --cases  of");
	for (uint32_t s = 0; s < SCENARIOS; s++)
		fprintf(status ? stderr : stdout, " %s", scenarios[s].name);
	fprintf(status ? stderr : stdout,
		"\n"
		"  --flows  multiples of 32 from 64 to 16777216; default 1024,65536,1048576,4194304\n"
		"  --runs   1 to 99, of which the median counts; default 9\n"
		"  --quick  whether it works, not how fast: few flows, few packets, 3 runs\n");
	exit(status);
}

static void choose_scenarios(struct options *options, char *names)
{
	memset(options->chosen, 0, sizeof(options->chosen));
	for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		uint32_t s = 0;

		while (s < SCENARIOS && strcmp(scenarios[s].name, name) != 0)
			s++;
		if (s == SCENARIOS) {
			fprintf(stderr, "path: there is no case %s\n", name);
			usage(2);
		}
		options->chosen[s] = true;
	}
}

static uint32_t number(const char *text, uint32_t least, uint32_t most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < least || value > most) {
		fprintf(stderr, "path: expected a number from %u to %u, not %s\n", least, most, text);
		usage(2);
	}
	return (uint32_t)value;
}

static void choose_flows(struct options *options, char *numbers)
{
	options->flow_count = 0;
	for (char *text = strtok(numbers, ","); text && options->flow_count < MOST_LISTED; text = strtok(NULL, ","))
		options->flows[options->flow_count++] = number(text, 2 * BATCH, 1 << 24) / BATCH * BATCH;
}

int main(int argc, char **argv)
{
	static const struct option names[] = { { "json", no_argument, NULL, 'j' },
					       { "quick", no_argument, NULL, 'q' },
					       { "cases", required_argument, NULL, 'c' },
					       { "flows", required_argument, NULL, 'f' },
					       { "runs", required_argument, NULL, 'r' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	struct options options = {
		.flows = { 1 << 10, 1 << 16, 1 << 20, 1 << 22 }, .flow_count = 4, .runs = 9, .packets = 1 << 20
	};
	int option;

	memset(options.chosen, true, sizeof(options.chosen));
	while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (option) {
		case 'j':
			options.json = true;
			break;
		case 'q':
			options.packets = 1 << 14;
			options.runs = 3;
			options.flows[1] = 1 << 12;
			options.flow_count = 2;
			break;
		case 'c':
			choose_scenarios(&options, optarg);
			break;
		case 'f':
			choose_flows(&options, optarg);
			break;
		case 'r':
			options.runs = number(optarg, 1, MOST_RUNS);
			break;
		case 'h':
			usage(0);
		default:
			usage(2);
		}
	}
	if (optind < argc)
		usage(2);
	run(&options);
	return 0;
}
