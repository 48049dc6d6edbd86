/* path.c - what one packet costs on the path: a known flow, and a flow that opens while another one expires.
 *
 * Batches of 32 packets of random flows go through an engine that holds N of them (path/load.c).  The same loop runs without the
 * engine, and that time, which builds packets and looks at answers, is taken off.
 *
 * "New" is a steady state: the clock moves by timeout / N per packet, so that each flow that opens takes the place of one
 * that has just expired; opening, ticks until nothing more is due, and draining of events are all in the figure.
 *
 * Times are the thread's CPU time, medians of some runs.  Machines differ and drift: beside each figure stands the time of
 * one dependent random read (`chase`) over as much memory as the flows take, in pages of the same kind. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "path/load.h"

enum { MOST_LISTED = 16, MOST_RUNS = 99, LINE = 64, HUGE_PAGE = 2 << 20 };

/* With masquerade all flows leave from one address: each endpoint can have no more of them than there are ports. */
static const struct scenario scenarios[] = {
	{ "udp-dnat", LUN_UDP, false, false, 16 },
	{ "tcp-dnat", LUN_TCP, false, false, 16 },
	{ "udp-dnat-v6", LUN_UDP, true, false, 16 },
	{ "tcp-dnat-v6", LUN_TCP, true, false, 16 },
	{ "udp-dnat-masquerade", LUN_UDP, false, true, 1024 },
	{ "tcp-dnat-masquerade", LUN_TCP, false, true, 1024 },
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

struct options {
	void (*run)(const struct options *options);
	bool json;
	bool chosen[SCENARIOS];
	uint32_t flows[MOST_LISTED];
	uint32_t flow_count;
	uint32_t runs;
	uint32_t packets; /* of one run */
};

struct result {
	double known_ns, new_ns, chase_ns;
	uint64_t bytes_per_flow;
};

/* ---- Measuring ------------------------------------------------------------------------------------------------------- */

/* ns for each of `count` packets of known flows; without the engine: of building and looking at them. */
static double pass_known(struct load *load, uint32_t count, bool with_engine)
{
	uint64_t random = load->random, start = cpu_ns();

	for (uint32_t done = 0; done < count; done += LOAD_BATCH) {
		load_build_known(load);
		if (with_engine)
			load_through_engine(load);
		load_count_wanted(load, false);
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

	for (uint32_t done = 0; done < count; done += LOAD_BATCH) {
		load_build_new(load);
		if (with_engine) {
			load->now += load->step;
			load_through_engine(load);
			while (lun_engine_tick(load->engine, load->now) <= load->now)
				continue;
		}
		load_count_wanted(load, false);
	}
	if (!with_engine)
		load->next = next;
	return (double)(cpu_ns() - start) / count;
}

/* How long a flow that was just opened lives, from the engine itself. */
static uint64_t opening_timeout(struct load *load)
{
	struct lun_flow flow;

	if (lun_flow_find(load->engine, &load->batch[0].was, &flow) < 0)
		die("a flow that was just opened is not there");
	return flow.expires;
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
	load_establish(&load);
	ns = measure(&load, options, pass_known);
	load_check(&load, "known");
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
	pass_new(&load, LOAD_BATCH, true);
	load.step = opening_timeout(&load) * LOAD_BATCH / flows;
	pass_new(&load, flows - LOAD_BATCH, true);
	load_check(&load, "opening");
	ns = measure(&load, options, pass_new);
	load_check(&load, "new");
	lun_engine_stats(load.engine, &stats);
	if (stats.flows_opened != load.packets)
		die("packets of new flows found old ones");
	load_fini(&load);
	return ns;
}

/* ns for each of `count` packets of known flows that go through the layers up to `last`. */
static double pass_parts(struct load *load, uint32_t count, enum layer last)
{
	uint64_t packets = load->packets, wanted = load->wanted, start = cpu_ns();
	double ns;

	for (uint32_t done = 0; done < count; done += LOAD_BATCH) {
		load_build_known(load);
		load_through_layers(load, last);
		load_count_wanted(load, false);
	}
	ns = (double)(cpu_ns() - start) / count;
	load->packets = packets; /* most of them were not to be translated */
	load->wanted = wanted;
	return ns;
}

/* The medians over the runs of what each layer adds to the ones before it, and in the last place the engine to all of them. */
static void measure_parts(struct load *load, const struct options *options, double ns[LAYERS + 1])
{
	double values[LAYERS + 1][MOST_RUNS + 1];

	for (uint32_t run = 0; run <= options->runs; run++) {
		uint64_t packets = load->packets, wanted = load->wanted;
		double before = pass_known(load, options->packets, false), now;

		load->packets = packets;
		load->wanted = wanted;
		for (uint32_t part = 0; part < LAYERS; part++) {
			now = pass_parts(load, options->packets, (enum layer)part);
			values[part][run] = now - before;
			before = now;
		}
		values[LAYERS][run] = pass_known(load, options->packets, true) - before;
	}
	for (uint32_t part = 0; part <= LAYERS; part++)
		ns[part] = median(values[part] + 1, options->runs);
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
		uint32_t other = load_random_below(&random, i), swap = lines[i].next;

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

static void run_parts(const struct scenario *scenario, uint32_t flows, const struct options *options)
{
	double ns[LAYERS + 1];
	struct load load;

	load_init(&load, scenario, flows);
	load_establish(&load);
	measure_parts(&load, options, ns);
	load_check(&load, "parts");
	load_fini(&load);
	printf(options->json ? "{\"case\":\"%s\",\"flows\":%u,\"parts\":{" : "%-20s %8u", scenario->name, flows);
	for (uint32_t part = 0; part <= LAYERS; part++) {
		if (options->json)
			printf("%s\"%s_ns\":%.1f", part ? "," : "", part < LAYERS ? layer_names[part] : "engine", ns[part]);
		else
			printf(" %9.1f", ns[part]);
	}
	printf(options->json ? "}}\n" : "\n");
	fflush(stdout);
}

static void run_all_parts(const struct options *options)
{
	if (!options->json) {
		printf("%-20s %8s", "case, known flows", "flows");
		for (uint32_t part = 0; part < LAYERS; part++)
			printf(" %9s", layer_names[part]);
		printf(" %9s   ns each adds\n", "engine");
	}
	for (uint32_t i = 0; i < options->flow_count; i++)
		for (uint32_t s = 0; s < SCENARIOS; s++)
			if (options->chosen[s])
				run_parts(&scenarios[s], options->flows[i], options);
}

static void run_stalls(const struct scenario *scenario, uint32_t flows, const struct options *options)
{
	for (uint32_t stall = 0; stall < STALLS; stall++) {
		struct stall_result result;

		if (stall == STALL_SWAP && scenario->protocol != LUN_UDP)
			continue; /* connections drain */
		result = measure_stall(scenario, flows, (enum stall)stall, options->runs);
		printf(options->json ? "{\"case\":\"%s\",\"flows\":%u,\"call\":\"%s\",\"calls\":%u,\"median_us\":%.1f,"
				       "\"longest_us\":%.1f}\n"
				     : "%-20s %8u %8s %10u %10.1f %10.1f\n",
		       scenario->name, flows, stall_names[stall], result.calls, result.median_us, result.longest_us);
		fflush(stdout);
	}
}

static void run_all_stalls(const struct options *options)
{
	if (!options->json)
		printf("%-20s %8s %8s %10s %10s %10s\n", "case, all flows end", "flows", "call", "calls", "median us",
		       "longest us");
	for (uint32_t i = 0; i < options->flow_count; i++)
		for (uint32_t s = 0; s < SCENARIOS; s++)
			if (options->chosen[s])
				run_stalls(&scenarios[s], options->flows[i], options);
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
	fprintf(status ? stderr : stdout,
		"usage: path [--json] [--parts | --stalls] [--quick] [--cases NAME,...] [--flows N,...] [--runs N]\n"
		"  --json   a line of JSON per case and number of flows\n"
		"  --parts  what each layer adds to a packet of a known flow, instead\n"
		"  --stalls how long single calls take while all flows end, instead\n"
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
		options->flows[options->flow_count++] = number(text, 2 * LOAD_BATCH, 1 << 24) / LOAD_BATCH * LOAD_BATCH;
}

int main(int argc, char **argv)
{
	static const struct option names[] = { { "json", no_argument, NULL, 'j' },
					       { "parts", no_argument, NULL, 'p' },
					       { "stalls", no_argument, NULL, 's' },
					       { "quick", no_argument, NULL, 'q' },
					       { "cases", required_argument, NULL, 'c' },
					       { "flows", required_argument, NULL, 'f' },
					       { "runs", required_argument, NULL, 'r' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	struct options options = {
		.run = run, .flows = { 1 << 10, 1 << 16, 1 << 20, 1 << 22 }, .flow_count = 4, .runs = 9, .packets = 1 << 20
	};
	int option;

	memset(options.chosen, true, sizeof(options.chosen));
	while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (option) {
		case 'j':
			options.json = true;
			break;
		case 'p':
			options.run = run_all_parts;
			break;
		case 's':
			options.run = run_all_stalls;
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
	options.run(&options);
	return 0;
}
