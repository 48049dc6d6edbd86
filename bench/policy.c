/* policy.c - what services cost: loading a cluster from Kubernetes' JSON, changing one endpoint of it, and deciding.
 *
 * The cluster is written to a file as `kubectl get services,endpointslices -A -o json` prints it, and loaded by a Lua policy.
 * A change is what an agent does with it: a new policy, the engine takes it, the old one goes.  What a decision costs is the time
 * in which a flow opens and is forgotten again, with services chosen at random, beside the same among 10 services.
 *
 * Among 10 services all of it is in the nearest caches.  Among 10,000 a decision reads about a dozen lines that are not (two of them
 * by chance: which endpoint), each behind the address in another; the engine fetches them ahead for a whole batch (policy_fetch), and
 * what is left of the difference is how many the processor fetches at a time.
 *
 * Times are the thread's CPU time, medians of some runs.  A Release build counts. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "timing.h"

#include <lunette/lua.h>

enum { FEW = 10, BATCH = 32, BUFFER = 64, PORT = 80, MOST_RUNS = 99, ROUND = 8192, SLICE = 100, IP = 24 };

struct options {
	uint32_t services, endpoints; /* endpoints: of all */
	uint32_t runs;
	bool json;
};

static void die(const char *what)
{
	fprintf(stderr, "policy: %s\n", what);
	exit(1);
}

static double cpu_us(void)
{
	return (double)cpu_ns() / 1e3;
}

/* ---- The cluster, as text -------------------------------------------------------------------------------------------- */

static void cluster_ip(char text[IP], uint32_t service)
{
	snprintf(text, IP, "10.%u.%u.%u", 96 + (service >> 16), service >> 8 & 255, service & 255);
}

static void endpoint_ip(char text[IP], uint32_t endpoint)
{
	snprintf(text, IP, "10.%u.%u.%u", 128 + (endpoint >> 16), endpoint >> 8 & 255, endpoint & 255);
}

static void write_service(FILE *file, uint32_t service)
{
	char ip[IP];

	cluster_ip(ip, service);
	fprintf(file,
		"        {\n            \"apiVersion\": \"v1\",\n            \"kind\": \"Service\",\n            "
		"\"metadata\": {\n"
		"                \"creationTimestamp\": \"2026-01-01T00:00:00Z\",\n                \"labels\": {\n"
		"                    \"app\": \"app-%u\"\n                },\n                \"name\": \"app-%u\",\n"
		"                \"namespace\": \"default\",\n                \"resourceVersion\": \"%u\",\n"
		"                \"uid\": \"00000000-0000-4000-8000-%012u\"\n            },\n            \"spec\": {\n"
		"                \"clusterIP\": \"%s\",\n                \"clusterIPs\": [\n                    \"%s\"\n"
		"                ],\n                \"internalTrafficPolicy\": \"Cluster\",\n                "
		"\"ipFamilies\": [\n"
		"                    \"IPv4\"\n                ],\n                \"ipFamilyPolicy\": \"SingleStack\",\n"
		"                \"ports\": [\n                    {\n                        \"name\": \"http\",\n"
		"                        \"port\": %d,\n                        \"protocol\": \"TCP\",\n"
		"                        \"targetPort\": 8080\n                    }\n                ],\n"
		"                \"selector\": {\n                    \"app\": \"app-%u\"\n                },\n"
		"                \"sessionAffinity\": \"None\",\n                \"type\": \"ClusterIP\"\n            },\n"
		"            \"status\": {\n                \"loadBalancer\": {}\n            }\n        },\n",
		service, service, service, service, ip, ip, PORT, service);
}

static void write_endpoint(FILE *file, uint32_t endpoint, bool last)
{
	char ip[IP];

	endpoint_ip(ip, endpoint);
	fprintf(file,
		"                {\n                    \"addresses\": [\n                        \"%s\"\n"
		"                    ],\n                    \"conditions\": {\n                        \"ready\": true,\n"
		"                        \"serving\": true,\n                        \"terminating\": false\n"
		"                    },\n                    \"nodeName\": \"node-%u\",\n                    \"targetRef\": "
		"{\n"
		"                        \"kind\": \"Pod\",\n                        \"name\": \"app-%u\",\n"
		"                        \"namespace\": \"default\",\n"
		"                        \"uid\": \"00000000-0000-4000-8000-%012u\"\n                    },\n"
		"                    \"zone\": \"zone-%u\"\n                }%s\n",
		ip, endpoint % 1000, endpoint, endpoint, endpoint % 3, last ? "" : ",");
}

/* Endpoints `first` and on, of one service. */
static void write_slice(FILE *file, uint32_t service, uint32_t first, uint32_t count, bool last)
{
	fprintf(file,
		"        {\n            \"addressType\": \"IPv4\",\n            \"apiVersion\": \"discovery.k8s.io/v1\",\n"
		"            \"endpoints\": [\n");
	for (uint32_t i = 0; i < count; i++)
		write_endpoint(file, first + i, i + 1 == count);
	fprintf(file,
		"            ],\n            \"kind\": \"EndpointSlice\",\n            \"metadata\": {\n"
		"                \"creationTimestamp\": \"2026-01-01T00:00:00Z\",\n                \"labels\": {\n"
		"                    \"endpointslice.kubernetes.io/managed-by\": \"endpointslice-controller.k8s.io\",\n"
		"                    \"kubernetes.io/service-name\": \"app-%u\"\n                },\n"
		"                \"name\": \"app-%u-%u\",\n                \"namespace\": \"default\"\n            },\n"
		"            \"ports\": [\n                {\n                    \"name\": \"http\",\n"
		"                    \"port\": 8080,\n                    \"protocol\": \"TCP\"\n                }\n        "
		"    ]\n"
		"        }%s\n",
		service, service, first, last ? "" : ",");
}

static void write_cluster(const char *path, uint32_t services, uint32_t endpoints)
{
	FILE *file = fopen(path, "w");
	uint32_t each = endpoints / services;

	if (!file)
		die("cannot write the cluster");
	fprintf(file, "{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n");
	for (uint32_t i = 0; i < services; i++)
		write_service(file, i);
	for (uint32_t i = 0; i < services; i++)
		for (uint32_t k = 0; k < each; k += SLICE)
			write_slice(file, i, i * each + k, each - k < SLICE ? each - k : SLICE,
				    i + 1 == services && each - k <= SLICE);
	fprintf(file, "    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n");
	if (ferror(file) | fclose(file))
		die("cannot write the cluster");
}

/* ---- Loading --------------------------------------------------------------------------------------------------------- */

static struct lun_policy *load(const char *path)
{
	struct lun_policy *policy;
	struct lun_error error;

	if (lun_lua_policy_load(&policy, path, NULL, &error) < 0)
		die(error.text);
	return policy;
}

/* A policy over the file, with a path for both; => ms of a load, the median */
static double measure_load(const char *lua, const struct options *options, struct lun_policy **policy)
{
	double times[MOST_RUNS];

	*policy = NULL;
	for (uint32_t i = 0; i < options->runs; i++) {
		double start;

		lun_policy_unref(*policy);
		start = cpu_us();
		*policy = load(lua);
		times[i] = (cpu_us() - start) / 1e3;
	}
	return median(times, options->runs);
}

static struct lun_policy *load_cluster(const char *folder, uint32_t services, uint32_t endpoints,
				       const struct options *options, double *ms)
{
	char lua[64], json[64];
	struct lun_policy *policy;
	FILE *file;

	snprintf(lua, sizeof(lua), "%s/policy.lua", folder);
	snprintf(json, sizeof(json), "%s/objects.json", folder);
	write_cluster(json, services, endpoints);
	file = fopen(lua, "w");
	if (!file ||
	    fprintf(file, "node { name = 'node-1', pods = { '10.128.0.0/9' } }\n"
			  "require('lunette.kubernetes').load('objects.json')\n") < 0 ||
	    fclose(file) != 0)
		die("cannot write the policy");
	*ms = measure_load(lua, options, &policy);
	unlink(lua);
	unlink(json);
	return policy;
}

/* ---- A change -------------------------------------------------------------------------------------------------------- */

struct change {
	double whole_us, swap_us; /* of these the engine's part, which a packet may wait for */
};

/* One service after the other gets one endpoint less, or its old ones again. */
static struct change measure_change(struct lun_engine *engine, struct lun_policy *policy, const struct options *options)
{
	uint32_t each = options->endpoints / options->services;
	struct lun_endpoint *endpoints = calloc(each, sizeof(*endpoints));
	double whole[MOST_RUNS], swap[MOST_RUNS];
	struct lun_error error;

	if (!endpoints)
		die("out of memory");
	lun_policy_ref(policy);
	for (uint32_t i = 0; i < options->runs; i++) {
		char name[40], ip[IP];
		struct lun_service service = { .name = name, .endpoints = endpoints, .endpoint_count = each - 1 };
		struct lun_policy *next;
		double start, middle;

		snprintf(name, sizeof(name), "default/app-%u", i * 7919 % options->services);
		for (uint32_t k = 0; k < each; k++) {
			endpoint_ip(ip, (i * 7919 % options->services) * each + k);
			endpoints[k] = (struct lun_endpoint) { .port = 8080 };
			lun_address_parse(&endpoints[k].address, ip);
		}
		start = cpu_us();
		if (lun_policy_change(&next, policy, &service, 1, &error) < 0)
			die(error.text);
		middle = cpu_us();
		if (lun_engine_set_policy(engine, next) < 0)
			die("the engine takes no policy");
		swap[i] = cpu_us() - middle;
		lun_policy_unref(policy);
		whole[i] = cpu_us() - start;
		policy = next;
	}
	lun_policy_unref(policy);
	free(endpoints);
	return (struct change) { median(whole, options->runs), median(swap, options->runs) };
}

/* ---- Decisions ------------------------------------------------------------------------------------------------------- */

struct load {
	struct lun_engine *engine;
	uint32_t services;
	uint64_t random, now;
	struct lun_packet batch[BATCH];
	uint8_t buffers[BATCH][BUFFER];
};

/* A SYN from a new client to a service at random.  Its checksums are wrong, and nobody looks. */
static void build(struct load *load, int index)
{
	static const uint8_t head[] = { 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, LUN_TCP };
	uint8_t *data = load->buffers[index];
	uint32_t service, random;

	load->random = load->random * 6364136223846793005u + 1442695040888963407u;
	random = (uint32_t)(load->random >> 32);
	service = (uint32_t)((uint64_t)random * load->services >> 32);
	memset(data, 0, BUFFER);
	memcpy(data, head, sizeof(head));
	data[12] = 10;
	data[13] = (uint8_t)(128 | random >> 24);
	memcpy(data + 14, &random, 2);
	data[16] = 10;
	data[17] = (uint8_t)(96 + (service >> 16));
	data[18] = (uint8_t)(service >> 8);
	data[19] = (uint8_t)service;
	memcpy(data + 20, (const uint8_t *)&random + 2, 2);
	data[20] |= 0x80;
	data[23] = PORT;
	data[32] = 0x50;
	data[33] = 2;
	load->batch[index] = (struct lun_packet) { .data = data, .length = 40, .capacity = BUFFER };
}

/* ns of a flow that opens and ends, the median of runs. */
static double measure_decision(struct load *load, uint32_t runs)
{
	double times[MOST_RUNS];

	for (uint32_t run = 0; run < runs; run++) {
		struct lun_flow flow;
		double start = cpu_us();

		for (uint32_t i = 0; i < ROUND; i += BATCH) {
			for (int k = 0; k < BATCH; k++)
				build(load, k);
			load->now += 1000;
			lun_engine_packets(load->engine, load->batch, BATCH, load->now);
		}
		times[run] = (cpu_us() - start) * 1e3 / ROUND;
		for (uint64_t cursor = 0; lun_flow_next(load->engine, &cursor, &flow);)
			lun_flow_end(load->engine, flow.id);
	}
	return median(times, runs);
}

static struct load load_new(struct lun_policy *policy, uint32_t services)
{
	struct lun_config config = { .size = sizeof(config), .flows = 2 * ROUND, .seed = { 1, 2 } };
	struct load load = { .services = services, .now = 1000000000, .random = 1 };
	struct lun_error error;

	if (lun_engine_new(&load.engine, &config, policy, &error) < 0)
		die(error.text);
	return load;
}

/* In turns, so that what the machine does meanwhile meets both. */
static void measure_decisions(struct load *many, struct load *few, uint32_t runs, double ns[2])
{
	double times[2][MOST_RUNS];

	for (uint32_t run = 0; run < runs; run++) {
		times[0][run] = measure_decision(many, 3);
		times[1][run] = measure_decision(few, 3);
	}
	ns[0] = median(times[0], runs);
	ns[1] = median(times[1], runs);
}

/* ---- The program ----------------------------------------------------------------------------------------------------- */

static void measure(const struct options *options)
{
	char folder[] = "/tmp/lunette-bench-XXXXXX";
	double load_ms, few_ms, ns[2];
	struct lun_policy *policy, *few;
	struct load many_load, few_load;
	struct change change;

	if (!mkdtemp(folder))
		die("no folder below /tmp");
	policy = load_cluster(folder, options->services, options->endpoints, options, &load_ms);
	few = load_cluster(folder, FEW, FEW * (options->endpoints / options->services), options, &few_ms);
	rmdir(folder);
	many_load = load_new(policy, options->services);
	few_load = load_new(few, FEW);
	measure_decisions(&many_load, &few_load, options->runs, ns);
	change = measure_change(many_load.engine, policy, options);
	if (options->json)
		printf("{\"services\":%u,\"endpoints\":%u,\"load_ms\":%.1f,\"change_us\":%.1f,\"swap_us\":%.1f,"
		       "\"decision_ns\":%.1f,\"decision_ns_few\":%.1f}\n",
		       options->services, options->endpoints, load_ms, change.whole_us, change.swap_us, ns[0], ns[1]);
	else
		printf("%u services with %u endpoints: loaded in %.0f ms, one endpoint changed in %.0f us (of which the\n"
		       "engine %.1f us), a flow opened in %.0f ns; among %d services in %.0f ns\n",
		       options->services, options->endpoints, load_ms, change.whole_us, change.swap_us, ns[0], FEW, ns[1]);
	lun_engine_free(many_load.engine);
	lun_engine_free(few_load.engine);
	lun_policy_unref(policy);
	lun_policy_unref(few);
}

_Noreturn static void usage(void)
{
	fprintf(stderr, "usage: policy [--json] [--services N] [--endpoints N, of all] [--runs N]\n");
	exit(2);
}

static uint32_t number(uint32_t least, uint32_t most)
{
	char *end;
	unsigned long value = strtoul(optarg, &end, 10);

	if (*end || end == optarg || value < least || value > most) {
		fprintf(stderr, "policy: expected a number from %u to %u, not %s\n", least, most, optarg);
		exit(2);
	}
	return (uint32_t)value;
}

int main(int argc, char **argv)
{
	static const struct option known[] = { { "json", no_argument, NULL, 'j' },
					       { "services", required_argument, NULL, 's' },
					       { "endpoints", required_argument, NULL, 'e' },
					       { "runs", required_argument, NULL, 'r' },
					       { 0 } };
	struct options options = { .services = 10000, .endpoints = 100000, .runs = 7 };

	for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		if (option == 'j')
			options.json = true;
		else if (option == 's')
			options.services = number(FEW, 100000);
		else if (option == 'e')
			options.endpoints = number(FEW, 4000000);
		else if (option == 'r')
			options.runs = number(1, MOST_RUNS);
		else
			usage();
	}
	if (optind < argc || options.endpoints < options.services)
		usage();
	measure(&options);
	return 0;
}
