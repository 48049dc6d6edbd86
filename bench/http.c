/* http.c - what it costs to read and edit requests.
 *
 *   head            a head of 370 bytes, as a browser sends it, read and passed on as it is
 *   head-forwarded  the same, with the lines that ingress-nginx sets
 *   chunked         a body in chunks of 4 kB, each with its line
 *   path            a packet with that head through an engine, edited, and the upstream's acknowledgement back through it
 *
 * Times are the thread's CPU time, medians of some runs, each of a few milliseconds; copying the packets of `path` into their
 * buffers is in its figure.  `connection_bytes` is what the engine's memory grows by for one more connection whose requests are
 * edited, flow included, and `connection-both` where responses are, too. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timing.h"

#include <lunette/lunette.h>

enum { RUNS = 15, CHUNK = 4096, CHUNKS = 64, BUFFER = 2048 };
enum { SEQUENCE = 24, ACKNOWLEDGEMENT = 28, FLAGS = 33, ACK = 0x10, SYN = 0x02 };

static const char head[] = "GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1\r\n"
			   "Host: www.kittyhell.com\r\n"
			   "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
			   "Accept: image/avif,image/webp,*/*;q=0.8\r\n"
			   "Accept-Language: en-US,en;q=0.7\r\n"
			   "Accept-Encoding: gzip, deflate\r\n"
			   "Keep-Alive: 115\r\n"
			   "Connection: keep-alive\r\n"
			   "Cookie: wp_ozh_wsa_visits=2; v=1abc\r\n"
			   "\r\n";

static const struct lun_header forwarded[] = {
	{ .name = "X-Real-IP", .value = "$remote_addr" },
	{ .name = "X-Forwarded-For", .value = "$remote_addr" },
	{ .name = "X-Forwarded-Host", .value = "$forwarded_host" },
	{ .name = "X-Forwarded-Port", .value = "$forwarded_port" },
	{ .name = "X-Forwarded-Proto", .value = "$forwarded_proto" },
	{ .name = "X-Forwarded-Scheme", .value = "$forwarded_proto" },
	{ .name = "X-Scheme", .value = "$forwarded_proto" },
	{ .name = "X-Original-Forwarded-For", .value = "$http_x_forwarded_for" },
	{ .name = "X-Original-Forwarded-Host", .value = "$http_x_forwarded_host" },
	{ .name = "X-Request-ID", .value = "$request_id", .kind = LUN_HEADER_DEFAULT },
	{ .name = "Proxy", .kind = LUN_HEADER_REMOVE },
	{ .name = "X-Frame-Options", .value = "DENY", .response = true },
};

/* How many of these: for requests alone, or for responses, too. */
enum { RULES_BOTH = sizeof(forwarded) / sizeof(forwarded[0]), RULES_REQUESTS = RULES_BOTH - 1 };

static void die(const char *what)
{
	fprintf(stderr, "http: %s\n", what);
	exit(1);
}

static struct lun_policy *make_policy(size_t header_count)
{
	struct lun_address ip = { { [10] = 0xff, [11] = 0xff, 10, 96, 0, 1 } };
	struct lun_endpoint endpoint = { .address = { { [10] = 0xff, [11] = 0xff, 10, 244, 0, 5 } } };
	struct lun_port port = { .port = 80 };
	struct lun_service service = { .name = "default/web",
				       .cluster_ips = &ip,
				       .cluster_ip_count = 1,
				       .ports = &port,
				       .port_count = 1,
				       .endpoints = &endpoint,
				       .endpoint_count = 1,
				       .headers = forwarded,
				       .header_count = header_count,
				       .http = true };
	struct lun_policy_config config = { .size = sizeof(config), .services = &service, .service_count = 1 };
	struct lun_policy *policy;
	struct lun_error error;

	if (lun_policy_new(&policy, &config, &error) < 0)
		die(error.text);
	return policy;
}

/* ---- streams ---- */

/* Something that is done over and over, and how often it is. */
struct work {
	struct lun_http *http;
	const char *bytes;
	size_t length;
	uint64_t written;
};

static void count_piece(void *user, const struct lun_http_piece *piece)
{
	((struct work *)user)->written += piece->length;
}

static void start_stream(struct work *work, size_t header_count)
{
	struct lun_http_config config = { .size = sizeof(config),
					  .policy = make_policy(header_count),
					  .service = "default/web",
					  .source = { { [10] = 0xff, [11] = 0xff, 192, 168, 31, 9 } },
					  .source_port = 40000,
					  .write = count_piece,
					  .user = work };

	if (lun_http_new(&work->http, &config, NULL) < 0)
		die("no stream");
	lun_policy_unref(config.policy);
}

static void end_stream(struct work *work)
{
	struct lun_http_status status;

	lun_http_status(work->http, &status);
	if (status.refused)
		die(status.text);
	lun_http_free(work->http);
}

/* ns of feeding the bytes once. */
static double feed_ns(struct work *work, uint32_t times)
{
	double runs[RUNS];

	for (int run = 0; run < RUNS; run++) {
		double start = cpu_ns();

		for (uint32_t i = 0; i < times; i++)
			lun_http_feed(work->http, work->bytes, work->length);
		runs[run] = (cpu_ns() - start) / times;
	}
	return median(runs, RUNS);
}

static double bench_head(size_t header_count, uint32_t times)
{
	struct work work = { .bytes = head, .length = sizeof(head) - 1 };
	double ns;

	start_stream(&work, header_count);
	ns = feed_ns(&work, times);
	end_stream(&work);
	if (work.written < (uint64_t)RUNS * times * work.length)
		die("a head did not go on");
	return ns;
}

/* Bytes a ns, lines and data. */
static double bench_chunked(uint32_t times)
{
	static const char begin[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
	static char chunks[CHUNKS * (CHUNK + 16)];
	struct work work = { .bytes = chunks };
	double ns;

	for (int i = 0; i < CHUNKS; i++) {
		work.length += (size_t)sprintf(chunks + work.length, "%x\r\n", CHUNK);
		memset(chunks + work.length, 'x', CHUNK);
		work.length += CHUNK;
		work.length += (size_t)sprintf(chunks + work.length, "\r\n");
	}
	start_stream(&work, 0);
	lun_http_feed(work.http, begin, sizeof(begin) - 1);
	ns = feed_ns(&work, times);
	end_stream(&work);
	return (double)work.length / ns;
}

/* ---- packets ---- */

static void put32(uint8_t *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* A connection, whose packets come one by one. */
struct connection {
	struct lun_engine *engine;
	struct lun_packet packet;
	uint8_t buffer[BUFFER];
	uint64_t now;
};

/* Sends a packet, from the client or from the endpoint, with this payload. */
static void send_packet(struct connection *c, bool reply, uint8_t flags, uint32_t sequence, uint32_t acknowledgement,
			size_t payload)
{
	static const uint8_t ends[2][12] = { { 192, 168, 31, 9, 10, 96, 0, 1, 0x9c, 0x40, 0, 80 },
					     { 10, 244, 0, 5, 192, 168, 31, 9, 0, 80, 0x9c, 0x40 } };
	uint8_t *bytes = c->buffer;
	size_t length = 40 + payload;

	memset(bytes, 0, 40);
	bytes[0] = 0x45;
	bytes[2] = (uint8_t)(length >> 8);
	bytes[3] = (uint8_t)length;
	bytes[8] = 64;
	bytes[9] = LUN_TCP;
	memcpy(bytes + 12, ends[reply], 12);
	put32(bytes + SEQUENCE, sequence);
	put32(bytes + ACKNOWLEDGEMENT, acknowledgement);
	bytes[32] = 5 << 4;
	bytes[FLAGS] = flags;
	bytes[34] = 0xff;
	memcpy(bytes + 40, head, payload);
	c->packet = (struct lun_packet) { .data = bytes, .length = (uint32_t)length, .capacity = BUFFER };
	lun_engine_packets(c->engine, &c->packet, 1, c->now += 1000);
	if (c->packet.verdict != LUN_ACCEPT)
		die(lun_reason_name(c->packet.reason));
}

static struct lun_engine *make_engine(uint32_t edits, size_t rules)
{
	/* The packets' checksums are zero, which is seen once they have been added up: that is part of the work. */
	struct lun_config config = { .size = sizeof(config), .flows = 4096, .edits = edits, .captured = true };
	struct lun_policy *policy = make_policy(rules);
	struct lun_engine *engine;

	if (lun_engine_new(&engine, &config, policy, NULL) < 0)
		die("no engine");
	lun_policy_unref(policy);
	return engine;
}

/* ns of a request and its acknowledgement. */
static double bench_path(uint32_t times)
{
	struct connection c = { .engine = make_engine(64, RULES_REQUESTS) };
	uint32_t sequence = 1000, upstream;
	double runs[RUNS];

	send_packet(&c, false, SYN, sequence++, 0, 0);
	send_packet(&c, true, SYN | ACK, 5000, sequence, 0);
	for (int run = 0; run < RUNS; run++) {
		double start = cpu_ns();

		for (uint32_t i = 0; i < times; i++, sequence += sizeof(head) - 1) {
			send_packet(&c, false, ACK, sequence, 5001, sizeof(head) - 1);
			upstream = get32(c.buffer + SEQUENCE) + c.packet.length - 40;
			send_packet(&c, true, ACK, 5001, upstream, 0);
		}
		runs[run] = (cpu_ns() - start) / times;
	}
	lun_engine_free(c.engine);
	return median(runs, RUNS);
}

static double connection_bytes(size_t rules)
{
	enum { MORE = 1000 };
	struct lun_engine *few = make_engine(1000, rules), *many = make_engine(1000 + MORE, rules);
	struct lun_stats a, b;

	lun_engine_stats(few, &a);
	lun_engine_stats(many, &b);
	lun_engine_free(few);
	lun_engine_free(many);
	return (double)(b.memory - a.memory) / MORE + (double)a.flow_bytes;
}

/* ---- the program ---- */

static void print(bool json, const char *name, const char *key, double value, const char *unit)
{
	if (json)
		printf("{\"case\":\"%s\",\"%s\":%.2f}\n", name, key, value);
	else
		printf("%-16s  %8.1f %s\n", name, value, unit);
}

static int usage(int status)
{
	fprintf(status ? stderr : stdout, "usage: http [--json] [--quick]\n"
					  "  --json   a line of JSON per case\n"
					  "  --quick  whether it works, not how fast\n");
	return status;
}

int main(int argc, char **argv)
{
	static const struct option names[] = { { "json", no_argument, NULL, 'j' },
					       { "quick", no_argument, NULL, 'q' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	uint32_t times = 20000;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'h' || option == '?')
			return usage(option == 'h' ? 0 : 2);
		json |= option == 'j';
		times = option == 'q' ? 20 : times;
	}
	if (optind < argc)
		return usage(2);
	print(json, "head", "ns", bench_head(0, times), "ns a head of 370 bytes");
	print(json, "head-forwarded", "ns", bench_head(RULES_REQUESTS, times), "ns");
	print(json, "chunked", "gb_per_s", bench_chunked(times / 100 + 1), "GB/s in chunks of 4 kB");
	print(json, "path", "ns", bench_path(times), "ns a request and its acknowledgement");
	print(json, "connection", "bytes", connection_bytes(RULES_REQUESTS), "bytes a connection");
	print(json, "connection-both", "bytes", connection_bytes(RULES_BOTH), "bytes, with edited responses");
	return 0;
}
