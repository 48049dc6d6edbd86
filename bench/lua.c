/* lua.c - what scripts cost: a hook, and what it may ask.
 *
 * Each case is two policies that differ in one thing, such as an on_flow or a line in it; both open the same flows in turns,
 * and the cost is the difference.  Times are the thread's CPU time, medians of some runs.  A Release build counts. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "timing.h"

#include <lunette/lua.h>

enum { BATCH = 32, BUFFER = 64, ROUND = 8192, MOST_RUNS = 99, PREFIXES = 100000 };

#define NODE "node { name = 'n', addresses = { '10.0.0.1' }, pods = { '10.128.0.0/9' } }\n"
#define WEB                                                                                                                 \
	"service 'default/web' { cluster_ips = { '10.96.0.1' }, ports = { { port = 80 } }, endpoints = { '10.244.0.5' } "   \
	"}\n"
#define EDITED                                                                                                              \
	"service 'default/edited' { cluster_ips = { '10.96.0.2' }, ports = { { port = 80 } }, endpoints = { '10.244.0.5' "  \
	"}, "                                                                                                               \
	"http = { set = { ['X-A'] = 'b' } } }\n"
#define SET "local blocked = prefixes 'blocked.list'\n"

static void die(const char *what)
{
	fprintf(stderr, "lua: %s\n", what);
	exit(1);
}

static uint32_t random_next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*random >> 32);
}

/* ---- Policies -------------------------------------------------------------------------------------------------------- */

static FILE *file_begin(char path[64], const char *folder, const char *name)
{
	FILE *file;

	snprintf(path, 64, "%s/%s", folder, name);
	file = fopen(path, "w");
	if (!file)
		die("cannot write a policy");
	return file;
}

/* /24 networks at random, as in a list of those who shall not. */
static void write_list(FILE *file)
{
	uint64_t random = 7;

	for (int i = 0; i < PREFIXES; i++) {
		uint32_t bits = random_next(&random);

		fprintf(file, "%u.%u.%u.0/24\n", bits >> 24, bits >> 16 & 255, bits >> 8 & 255);
	}
	fclose(file);
}

static struct lun_policy *load(const char *text)
{
	char folder[] = "/tmp/lunette-bench-XXXXXX", path[64], list[64];
	struct lun_policy *policy;
	struct lun_error error;
	FILE *file;

	if (!mkdtemp(folder))
		die("no folder below /tmp");
	write_list(file_begin(list, folder, "blocked.list"));
	file = file_begin(path, folder, "policy.lua");
	fputs(text, file);
	fclose(file);
	if (lun_lua_policy_load(&policy, path, NULL, &error) < 0)
		die(error.text);
	unlink(path);
	unlink(list);
	rmdir(folder);
	return policy;
}

/* ---- What a policy is given ------------------------------------------------------------------------------------------ */

/* One policy at work. */
struct side {
	struct lun_policy *policy;
	struct lun_engine *engine;
	uint64_t random, now;
	struct lun_packet batch[BATCH];
	uint8_t buffers[BATCH][BUFFER];
	double times[MOST_RUNS];
};

static struct side *side_new(const char *text)
{
	struct lun_config config = { .size = sizeof(config), .flows = 2 * ROUND, .seed = { 1, 2 } };
	struct side *side = calloc(1, sizeof(*side));
	struct lun_error error;

	if (!side)
		die("out of memory");
	side->policy = load(text);
	side->random = 1;
	side->now = 1000000000;
	if (lun_engine_new(&side->engine, &config, side->policy, &error) < 0)
		die(error.text);
	return side;
}

static void side_free(struct side *side)
{
	lun_engine_free(side->engine);
	lun_policy_unref(side->policy);
	free(side);
}

/* A SYN from a new client to the service.  Its checksums are wrong, and nobody looks. */
static void build(struct side *side, int index)
{
	static const uint8_t head[] = { 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, LUN_TCP };
	uint8_t *data = side->buffers[index];
	uint32_t source = random_next(&side->random), port = random_next(&side->random);

	memset(data, 0, BUFFER);
	memcpy(data, head, sizeof(head));
	memcpy(data + 12, &source, 4);
	memcpy(data + 16, (const uint8_t[]) { 10, 96, 0, 1 }, 4);
	memcpy(data + 20, &port, 2);
	data[20] |= 0x80;
	data[23] = 80;
	data[32] = 0x50;
	data[33] = 2;
	side->batch[index] = (struct lun_packet) { .data = data, .length = 40, .capacity = BUFFER };
}

static double flows_end(struct side *side)
{
	double start = cpu_ns();
	struct lun_flow flow;

	for (uint64_t cursor = 0; lun_flow_next(side->engine, &cursor, &flow);)
		lun_flow_end(side->engine, flow.id);
	return (cpu_ns() - start) / ROUND;
}

static double flows_open(struct side *side)
{
	double start = cpu_ns(), time;
	struct lun_stats stats;

	for (uint32_t i = 0; i < ROUND; i += BATCH) {
		for (int k = 0; k < BATCH; k++)
			build(side, k);
		side->now += 1000;
		lun_engine_packets(side->engine, side->batch, BATCH, side->now);
	}
	time = (cpu_ns() - start) / ROUND;
	lun_engine_stats(side->engine, &stats);
	if (stats.flows != ROUND)
		die("not every flow opened");
	return time;
}

/* ns of a flow that opens, by its first packet. */
static double open_flows(struct side *side)
{
	double time = flows_open(side);

	flows_end(side);
	return time;
}

/* ns of a flow that ends. */
static double end_flows(struct side *side)
{
	flows_open(side);
	return flows_end(side);
}

static void written(void *user, const struct lun_http_piece *piece)
{
	*(size_t *)user += piece->length;
}

/* ns of a request of some 370 bytes. */
static double send_requests(struct side *side)
{
	static const char head[] =
		"GET /search?q=lunette&page=2 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux "
		"x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\nAccept: text/html,application/xhtml+xml,application/xml;"
		"q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: "
		"keep-alive\r\nCookie: session=0123456789abcdef\r\n\r\n";
	size_t bytes = 0;
	struct lun_http_config config = {
		.size = sizeof(config), .policy = side->policy, .service = "default/edited", .write = written, .user = &bytes
	};
	struct lun_http *http;
	struct lun_error error;
	double time;

	if (lun_http_new(&http, &config, &error) < 0)
		die(error.text);
	time = cpu_ns();
	for (uint32_t i = 0; i < ROUND; i++)
		lun_http_feed(http, head, sizeof(head) - 1);
	time = (cpu_ns() - time) / ROUND;
	if (bytes < ROUND * (sizeof(head) - 1))
		die("a request was refused");
	lun_http_free(http);
	return time;
}

/* ---- The cases ------------------------------------------------------------------------------------------------------- */

#define LIMIT "local opens = rate_limit 'opens' { rate = '10/s', burst = 100 }\n"
enum { LOOKUPS = 64 };

/* Other addresses each time. */
#define ASKED                                                                                                               \
	"local asked, at = {}, 0\n"                                                                                         \
	"for i = 1, 8192 do asked[i] = address(('%d.%d.%d.%d'):format(math.random(0, 255), math.random(0, 255),\n"          \
	" math.random(0, 255), math.random(0, 255))) end\n"
#define FOR_EACH(line) "for i = at + 1, at + 64 do " line " end at = (at + 64) % 8192\n"
#define ON_FLOW(line) "function on_flow(flow)\n" line "end\n"

static const struct bench_case {
	const char *name, *without, *with;
	double (*run)(struct side *side);
	int times; /* how often the line runs each time */
} cases[] = {
	{ "on_flow", NODE WEB,
	  NODE WEB ON_FLOW("if flow.source_port == 80 and flow.service == 'default/web' then return drop() end\n"),
	  open_flows, 1 },
	{ "on_packet", NODE WEB, NODE WEB "function on_packet(packet) if packet.length == 7 then return drop() end end\n",
	  open_flows, 1 },
	{ "on_close", NODE WEB, NODE WEB "function on_close(flow) end\n", end_flows, 1 },
	{ "rate_limit", NODE WEB LIMIT ON_FLOW("local a = opens.allow, flow.source\n"),
	  NODE WEB LIMIT ON_FLOW("local a = opens:allow(flow.source)\n"), open_flows, 1 },
	{ "on_request", NODE EDITED, NODE EDITED "function on_request(request) request.headers['X-Tenant'] = 'blue' end\n",
	  send_requests, 1 },
	{ "prefixes", NODE WEB SET ASKED ON_FLOW(FOR_EACH("local a = blocked.contains")),
	  NODE WEB SET ASKED ON_FLOW(FOR_EACH("local a = blocked:contains(asked[i])")), open_flows, LOOKUPS },
};

static void measure(const struct bench_case *one, uint32_t runs, bool json)
{
	struct side *sides[] = { side_new(one->without), side_new(one->with) };
	double ns;

	for (uint32_t run = 0; run < runs; run++)
		for (int i = 0; i < 2; i++)
			sides[i]->times[run] = one->run(sides[i]);
	ns = median(sides[1]->times, runs) - median(sides[0]->times, runs);
	ns /= one->times;
	printf(json ? "{\"case\":\"%s\",\"ns\":%.1f}\n" : "%-12s %8.1f ns\n", one->name, ns);
	for (int i = 0; i < 2; i++)
		side_free(sides[i]);
}

/* Garbage, which is collected by ticks between batches: ns for each flow that left some, and the longest tick. */
static void measure_collector(uint32_t runs, bool json)
{
	struct side *side = side_new(NODE WEB ON_FLOW("local t = { tostring(flow.source) .. ':' .. flow.source_port }\n"));
	double longest = 0, all = 0;

	for (uint32_t run = 0; run < runs; run++) {
		for (uint32_t i = 0; i < ROUND; i += BATCH) {
			for (int k = 0; k < BATCH; k++)
				build(side, k);
			side->now += 1000;
			lun_engine_packets(side->engine, side->batch, BATCH, side->now);
			while (lun_engine_deadline(side->engine) <= side->now) {
				double start = cpu_ns(), took;

				lun_engine_tick(side->engine, side->now);
				took = cpu_ns() - start;
				all += took;
				longest = took > longest ? took : longest;
			}
		}
		flows_end(side);
	}
	printf(json ? "{\"case\":\"%s\",\"ns\":%.1f,\"longest_us\":%.1f}\n" : "%-12s %8.1f ns, %.1f us at most\n",
	       "collector", all / runs / ROUND, longest / 1000);
	side_free(side);
}

_Noreturn static void usage(void)
{
	fprintf(stderr, "usage: lua [--json] [--runs N]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option known[] = { { "json", no_argument, NULL, 'j' },
					       { "runs", required_argument, NULL, 'r' },
					       { 0 } };
	unsigned long runs = 21;
	bool json = false;

	for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		if (option == 'j')
			json = true;
		else if (option == 'r')
			runs = strtoul(optarg, NULL, 10);
		else
			usage();
	}
	if (optind < argc || runs < 1 || runs > MOST_RUNS)
		usage();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		measure(&cases[i], (uint32_t)runs, json);
	measure_collector((uint32_t)runs, json);
	return 0;
}
