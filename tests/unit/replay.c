/* replay.c - captures of every link type, and hostile ones, through the engine; the benchmark; questions. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture_file.h"
#include "packet/build.h"

#include <lunette/replay.h>
#include <pcap/pcap.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define START (1700000000 * SECOND + 123456789)

/* ---- A policy, an engine, packets ------------------------------------------------------------------------------------ */

static struct lun_address address_of(const char *text)
{
	struct lun_address address;

	assert_int_equal(lun_address_parse(&address, text), 0);
	return address;
}

static struct lun_tuple tuple_of(uint8_t protocol, const char *source, const char *destination)
{
	struct lun_tuple tuple = { .protocol = protocol };

	assert_int_equal(lun_endpoint_parse(&tuple.source, &tuple.source_port, source), 0);
	assert_int_equal(lun_endpoint_parse(&tuple.destination, &tuple.destination_port, destination), 0);
	return tuple;
}

/* 10.96.0.10:80 and [fd00:96::10]:80 go to port 8080 of one endpoint each; other addresses of the range are refused.  Heads
 * of requests to 10.96.0.20:80 get a line. */
static struct lun_policy *new_policy(void)
{
	const struct lun_address node[] = { address_of("172.18.0.2"), address_of("fd00:18::2") };
	const struct lun_address web_ips[] = { address_of("10.96.0.10"), address_of("fd00:96::10") };
	const struct lun_address edited_ips[] = { address_of("10.96.0.20") };
	const struct lun_endpoint web_endpoints[] = { { .address = address_of("10.244.0.5") },
						      { .address = address_of("fd00:244::5") } };
	const struct lun_port ports[] = { { .port = 80, .target_port = 8080 } };
	const struct lun_header headers[] = { { .name = "X-Real-IP", .value = "$remote_addr" } };
	const struct lun_service services[] = {
		{ .name = "default/web",
		  .cluster_ips = web_ips,
		  .cluster_ip_count = COUNT(web_ips),
		  .ports = ports,
		  .port_count = 1,
		  .endpoints = web_endpoints,
		  .endpoint_count = COUNT(web_endpoints) },
		{ .name = "default/edited",
		  .cluster_ips = edited_ips,
		  .cluster_ip_count = 1,
		  .ports = ports,
		  .port_count = 1,
		  .endpoints = web_endpoints,
		  .endpoint_count = 1,
		  .headers = headers,
		  .header_count = 1 },
	};
	struct lun_prefix range;
	struct lun_policy_config config = { .size = sizeof(config),
					    .node = { .name = "node",
						      .addresses = node,
						      .address_count = COUNT(node),
						      .service_ranges = &range,
						      .service_range_count = 1 },
					    .services = services,
					    .service_count = COUNT(services) };
	struct lun_policy *policy;
	struct lun_error error;

	assert_int_equal(lun_prefix_parse(&range, "10.96.0.0/16"), 0);
	if (lun_policy_new(&policy, &config, &error) < 0)
		fail_msg("%s", error.text);
	return policy;
}

/* With room for so many events; 0: the usual. */
static struct lun_engine *new_engine_with(uint32_t events)
{
	struct lun_config config = { .size = sizeof(config), .flows = 1024, .events = events };
	struct lun_policy *policy = new_policy();
	struct lun_engine *engine;
	struct lun_error error;

	if (lun_engine_new(&engine, &config, policy, &error) < 0)
		fail_msg("%s", error.text);
	lun_policy_unref(policy);
	return engine;
}

static struct lun_engine *new_engine(void)
{
	return new_engine_with(0);
}

struct bytes {
	uint8_t data[2048];
	uint32_t size;
};

/* A link header and a TCP packet behind it. */
static struct bytes frame_of(const uint8_t *link, uint32_t link_size, struct lun_tuple tuple, const struct packet_spec *spec)
{
	struct bytes frame;

	if (link_size)
		memcpy(frame.data, link, link_size);
	frame.size = packet_build(frame.data + link_size, sizeof(frame.data) - link_size, &tuple, spec);
	assert_true(frame.size > 0);
	frame.size += link_size;
	return frame;
}

static const struct packet_spec syn = { .tcp_flags = TCP_SYN, .window = 1000, .sequence = 100 };
static const struct packet_spec syn_ack = {
	.tcp_flags = TCP_SYN | TCP_ACK, .window = 1000, .sequence = 500, .acknowledgement = 101
};
static const struct packet_spec ack = { .tcp_flags = TCP_ACK, .window = 1000, .sequence = 101, .acknowledgement = 501 };

static const uint8_t ethernet[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };

/* ---- What came out --------------------------------------------------------------------------------------------------- */

struct frame {
	uint64_t time;
	struct bytes bytes;
	uint32_t wire;
};

struct seen {
	bool ip;
	struct lun_packet packet; /* its data is gone */
	bool left;
};

struct outcome {
	int result, link_type;
	struct lun_error error;
	struct lun_replay_summary summary;
	struct seen seen[64];
	struct frame frames[64];
	size_t seen_count, frame_count;
};

static struct outcome outcome;

static void on_frame(void *user, const struct lun_replay_frame *frame)
{
	struct seen *seen = &outcome.seen[outcome.seen_count % COUNT(outcome.seen)];

	assert_ptr_equal(user, &outcome);
	assert_int_equal(frame->number, ++outcome.seen_count);
	*seen = (struct seen) { .ip = frame->packet != NULL, .left = frame->left };
	if (frame->packet)
		seen->packet = *frame->packet;
}

static void read_frames(const char *path)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	struct pcap_pkthdr *header;
	const u_char *data;

	if (!pcap)
		fail_msg("%s", why);
	outcome.link_type = pcap_datalink(pcap);
	for (; pcap_next_ex(pcap, &header, &data) == 1; outcome.frame_count++) {
		struct frame *frame = &outcome.frames[outcome.frame_count % COUNT(outcome.frames)];

		frame->time = (uint64_t)header->ts.tv_sec * SECOND + (uint64_t)header->ts.tv_usec;
		frame->wire = header->len;
		frame->bytes.size = header->caplen < sizeof(frame->bytes.data) ? header->caplen : sizeof(frame->bytes.data);
		memcpy(frame->bytes.data, data, frame->bytes.size);
	}
	pcap_close(pcap);
}

static void run_on(struct lun_engine *engine, struct capture_file *file)
{
	char out[80];
	struct lun_replay_options options = { .size = sizeof(options), .out = out, .on_frame = on_frame, .user = &outcome };

	memset(&outcome, 0, sizeof(outcome));
	capture_save(file);
	snprintf(out, sizeof(out), "%s.out", file->path);
	outcome.result = lun_replay_run(engine, file->path, &options, &outcome.summary, &outcome.error);
	if (outcome.result == 0)
		read_frames(out);
	unlink(out);
	capture_remove(file);
}

/* Replays the file with an engine of its own, and leaves all that came of it in `outcome`. */
static void run(struct capture_file *file)
{
	struct lun_engine *engine = new_engine();

	run_on(engine, file);
	lun_engine_free(engine);
}

static struct capture_file file;

/* The tuple that written frame `index` carries behind a link header, its checksums being right. */
static const char *written_tuple(size_t index, uint32_t link_size)
{
	static char text[LUN_TUPLE_TEXT];
	struct frame *frame = &outcome.frames[index];
	struct lun_packet io = { .data = frame->bytes.data + link_size, .length = frame->bytes.size - link_size };
	struct packet p = { .io = &io };

	assert_true(index < outcome.frame_count);
	assert_true(packet_parse(&p));
	assert_true(packet_checksums_right(&p));
	return lun_tuple_format(&p.tuple, text);
}

/* ---- Link types ------------------------------------------------------------------------------------------------------ */

#define ADDRESSES 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2

static const struct {
	const char *name;
	uint32_t link_type; /* as in the file */
	uint32_t size;
	uint8_t header[40];
	bool v6;
} links[] = {
	{ "ethernet", 1, 14, { ADDRESSES, 8, 0 }, false },
	{ "ethernet, IPv6", 1, 14, { ADDRESSES, 0x86, 0xdd }, true },
	{ "one VLAN tag", 1, 18, { ADDRESSES, 0x81, 0, 0, 7, 8, 0 }, false },
	{ "two VLAN tags", 1, 22, { ADDRESSES, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 0x86, 0xdd }, true },
	{ "three VLAN tags", 1, 26, { ADDRESSES, 0x88, 0xa8, 0, 7, 0x91, 0, 0, 9, 0x81, 0, 0, 1, 8, 0 }, false },
	{ "cooked", 113, 16, { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0 }, false },
	{ "cooked, version 2", 276, 20, { 0x86, 0xdd, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0 }, true },
	{ "raw, IPv4", 101, 0, { 0 }, false },
	{ "raw, IPv6", 101, 0, { 0 }, true },
	{ "IPv4", 228, 0, { 0 }, false },
	{ "IPv6", 229, 0, { 0 }, true },
	{ "BSD loopback", 0, 4, { 2, 0, 0, 0 }, false },
	{ "BSD loopback of another byte order", 0, 4, { 0, 0, 0, 30 }, true },
	{ "OpenBSD loopback", 108, 4, { 0, 0, 0, 24 }, true },
};

static void check_link(size_t i)
{
	const bool v6 = links[i].v6;
	const uint32_t size = links[i].size;
	struct bytes opening, answer;

	opening = frame_of(links[i].header, size,
			   v6 ? tuple_of(LUN_TCP, "[fd00:1::1]:40000", "[fd00:96::10]:80")
			      : tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:80"),
			   &syn);
	answer = frame_of(links[i].header, size,
			  v6 ? tuple_of(LUN_TCP, "[fd00:244::5]:8080", "[fd00:1::1]:40000")
			     : tuple_of(LUN_TCP, "10.244.0.5:8080", "10.1.1.1:40000"),
			  &syn_ack);
	capture_begin(&file, links[i].link_type);
	capture_frame(&file, START, opening.data, opening.size, opening.size);
	capture_frame(&file, START + 1, answer.data, answer.size, answer.size);
	run(&file);
	assert_int_equal(outcome.result, 0);
	assert_int_equal(outcome.summary.frames, 2);
	assert_int_equal(outcome.summary.written, 2);
	assert_int_equal(outcome.summary.not_ip, 0);
	assert_int_equal(outcome.frame_count, 2);
	assert_string_equal(written_tuple(0, size),
			    v6 ? "tcp [fd00:1::1]:40000 [fd00:244::5]:8080" : "tcp 10.1.1.1:40000 10.244.0.5:8080");
	assert_string_equal(written_tuple(1, size),
			    v6 ? "tcp [fd00:96::10]:80 [fd00:1::1]:40000" : "tcp 10.96.0.10:80 10.1.1.1:40000");
	for (size_t frame = 0; frame < 2; frame++) {
		assert_memory_equal(outcome.frames[frame].bytes.data, links[i].header, size);
		assert_int_equal(outcome.frames[frame].bytes.size, opening.size);
		assert_int_equal(outcome.frames[frame].time, START + frame);
	}
}

static void test_links(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(links); i++) {
		print_message("           %s\n", links[i].name);
		check_link(i);
	}
}

static void test_pcapng(void **state)
{
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:80"), &syn);

	(void)state;
	capture_begin_ng(&file);
	capture_interface_ng(&file, 1);
	capture_frame_ng(&file, 0, START, frame.data, frame.size);
	run(&file);
	assert_int_equal(outcome.result, 0);
	assert_int_equal(outcome.summary.written, 1);
	assert_int_equal(outcome.frames[0].time, START);
	assert_string_equal(written_tuple(0, 14), "tcp 10.1.1.1:40000 10.244.0.5:8080");
}

/* ---- Frames and packets are not of one length ------------------------------------------------------------------------- */

static void test_not_ip_is_copied(void **state)
{
	static const uint8_t arp[60] = { ADDRESSES, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };

	(void)state;
	capture_begin(&file, 1);
	capture_frame(&file, START, arp, sizeof(arp), sizeof(arp));
	capture_frame(&file, START, arp, 0, 60);  /* nothing was captured */
	capture_frame(&file, START, arp, 13, 60); /* less than a link header */
	run(&file);
	assert_int_equal(outcome.result, 0);
	assert_int_equal(outcome.summary.not_ip, 3);
	assert_int_equal(outcome.summary.written, 3);
	assert_false(outcome.seen[0].ip);
	assert_true(outcome.seen[0].left);
	assert_memory_equal(outcome.frames[0].bytes.data, arp, sizeof(arp));
	assert_int_equal(outcome.frames[2].bytes.size, 13);
	assert_int_equal(outcome.frames[2].wire, 60);
}

static void test_padding_is_no_part_of_the_packet(void **state)
{
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:80"), &syn);

	(void)state;
	memset(frame.data + 54, 0xee, 6);
	capture_begin(&file, 1);
	capture_frame(&file, START, frame.data, 60, 60);
	run(&file);
	assert_int_equal(outcome.seen[0].packet.length, 40);
	assert_int_equal(outcome.seen[0].packet.wire_length, 0);
	assert_string_equal(written_tuple(0, 14), "tcp 10.1.1.1:40000 10.244.0.5:8080");
	assert_int_equal(outcome.frames[0].bytes.size, 60);
	assert_memory_equal(outcome.frames[0].bytes.data + 54, frame.data + 54, 6);
}

/* A capture with a snap length of 54 bytes has the headers only; lengths on the wire stay what they were. */
static void test_cut_packets_are_translated(void **state)
{
	static const char payload[500];
	struct packet_spec data = {
		.tcp_flags = TCP_ACK, .window = 1000, .sequence = 101, .payload = payload, .payload_length = sizeof(payload)
	};
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:80"), &data);

	(void)state;
	capture_begin(&file, 1);
	capture_frame(&file, START, frame.data, 54, frame.size);
	run(&file);
	assert_int_equal(outcome.seen[0].packet.length, 40);
	assert_int_equal(outcome.seen[0].packet.wire_length, 540);
	assert_int_equal(outcome.seen[0].packet.reason, LUN_REASON_none);
	assert_int_equal(outcome.frames[0].bytes.size, 54);
	assert_int_equal(outcome.frames[0].wire, 554);
	assert_memory_equal(outcome.frames[0].bytes.data + 14 + 16, "\x0a\xf4\x00\x05", 4);
}

static void test_packets_that_grow(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct packet_spec data = { .tcp_flags = TCP_ACK | TCP_PSH,
				    .window = 1000,
				    .sequence = 101,
				    .acknowledgement = 501,
				    .payload = request,
				    .payload_length = sizeof(request) - 1 };
	struct lun_tuple orig = tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.20:80");
	struct lun_tuple reply = tuple_of(LUN_TCP, "10.244.0.5:8080", "10.1.1.1:40000");
	struct bytes frames[] = { frame_of(ethernet, 14, orig, &syn), frame_of(ethernet, 14, reply, &syn_ack),
				  frame_of(ethernet, 14, orig, &ack), frame_of(ethernet, 14, orig, &data) };
	uint32_t grown = (uint32_t)strlen("X-Real-IP: 10.1.1.1\r\n");

	(void)state;
	memset(frames[3].data + frames[3].size, 0xee, 10); /* something behind the packet, which must not stay behind it */
	capture_begin(&file, 1);
	for (size_t i = 0; i < COUNT(frames); i++)
		capture_frame(&file, START + i, frames[i].data, frames[i].size + (i == 3 ? 10 : 0),
			      frames[i].size + (i == 3 ? 10 : 0));
	run(&file);
	assert_int_equal(outcome.result, 0);
	assert_int_equal(outcome.frame_count, 4);
	assert_string_equal(written_tuple(3, 14), "tcp 10.1.1.1:40000 10.244.0.5:8080");
	assert_int_equal(outcome.frames[3].bytes.size, frames[3].size + grown);
	assert_int_equal(outcome.frames[3].wire, frames[3].size + grown);
	assert_non_null(
		memmem(outcome.frames[3].bytes.data, outcome.frames[3].bytes.size, "X-Real-IP: 10.1.1.1\r\n", grown));
}

/* ---- The engine's own packets ----------------------------------------------------------------------------------------- */

static void test_answers_go_back(void **state)
{
	static const uint8_t turned[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0 };
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:81"), &syn);

	(void)state;
	capture_begin(&file, 1);
	capture_frame(&file, START, frame.data, frame.size, frame.size);
	run(&file);
	assert_int_equal(outcome.seen[0].packet.verdict, LUN_REJECT);
	assert_int_equal(outcome.seen[0].packet.reason, LUN_REASON_undefined_port);
	assert_false(outcome.seen[0].left);
	assert_int_equal(outcome.summary.emitted, 1);
	assert_int_equal(outcome.summary.written, 1);
	assert_string_equal(written_tuple(0, 14), "tcp 10.96.0.10:81 10.1.1.1:40000");
	assert_memory_equal(outcome.frames[0].bytes.data, turned, sizeof(turned));
	assert_int_equal(outcome.frames[0].bytes.data[14 + 20 + 13], TCP_RST | TCP_ACK);
	assert_int_equal(outcome.frames[0].time, START);
}

static void test_answers_in_cooked_captures(void **state)
{
	static const uint8_t cooked[16] = { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0 };
	static const uint8_t turned[16] = { 0, 4, 0, 1, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0 };
	struct bytes frame = frame_of(cooked, 16, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:81"), &syn);

	(void)state;
	capture_begin(&file, 113);
	capture_frame(&file, START, frame.data, frame.size, frame.size);
	run(&file);
	assert_int_equal(outcome.summary.emitted, 1);
	assert_memory_equal(outcome.frames[0].bytes.data, turned, sizeof(turned));
}

static void test_dropped_packets_are_not_written(void **state)
{
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.9.9:80"), &syn);

	(void)state;
	capture_begin(&file, 1);
	capture_frame(&file, START, frame.data, frame.size, frame.size);
	run(&file);
	assert_int_equal(outcome.seen[0].packet.verdict, LUN_DROP);
	assert_int_equal(outcome.summary.written, 0);
	assert_int_equal(outcome.frame_count, 0);
}

/* ---- The clock -------------------------------------------------------------------------------------------------------- */

/* A UDP flow lives five minutes; it ends on the capture's clock, and a timestamp in the past does not bring it back. */
static void test_time_is_the_captures(void **state)
{
	static const uint64_t times[] = { 0, 299 * SECOND, 600 * SECOND, 100 * SECOND, 901 * SECOND };
	struct packet_spec ping = { .payload = "ping", .payload_length = 4 };
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_UDP, "10.1.1.1:40000", "10.2.2.2:53"), &ping);
	uint64_t flow[COUNT(times)];

	(void)state;
	capture_begin(&file, 1);
	for (size_t i = 0; i < COUNT(times); i++)
		capture_frame(&file, START + times[i], frame.data, frame.size, frame.size);
	run(&file);
	for (size_t i = 0; i < COUNT(times); i++)
		flow[i] = outcome.seen[i].packet.flow;
	assert_int_equal(flow[1], flow[0]);
	assert_int_not_equal(flow[2], flow[1]); /* 301 s later */
	assert_int_equal(flow[3], flow[2]);     /* not before it */
	assert_int_not_equal(flow[4], flow[3]); /* 301 s after the latest, not 801 s after the last */
	assert_int_equal(outcome.summary.capture_ns, 901 * SECOND);
	assert_int_equal(outcome.frames[3].time, START + 100 * SECOND);
}

/* No timestamp is too wild to be survived, nor do the engine's timers take forever to reach it. */
static void test_wild_timestamps(void **state)
{
	static const uint32_t wild[][2] = {
		{ 0, 0 }, { 1, 0xffffffff }, { 0x7fffffff, 999999999 }, { 0xffffffff, 5 }, { 3, 3 }
	};
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.2.2.2:80"), &syn);

	(void)state;
	capture_begin(&file, 1);
	for (size_t i = 0; i < COUNT(wild); i++) {
		const uint32_t header[4] = { wild[i][0], wild[i][1], frame.size, frame.size };

		capture_put(&file, header, sizeof(header));
		capture_put(&file, frame.data, frame.size);
	}
	run(&file);
	assert_int_equal(outcome.result, 0);
	assert_int_equal(outcome.summary.frames, COUNT(wild));
	capture_begin_ng(&file);
	capture_interface_ng(&file, 1);
	capture_frame_ng(&file, 0, 0, frame.data, frame.size);
	capture_frame_ng(&file, 0, UINT64_MAX, frame.data, frame.size);
	capture_frame_ng(&file, 0, 1ull << 63, frame.data, frame.size);
	run(&file);
	assert_int_equal(outcome.result, 0);
	assert_int_equal(outcome.summary.frames, 3);
}

/* ---- Bad files -------------------------------------------------------------------------------------------------------- */

static void test_cut_file(void **state)
{
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:80"), &syn);
	size_t whole;

	(void)state;
	capture_begin(&file, 1);
	for (int i = 0; i < 3; i++)
		capture_frame(&file, START, frame.data, frame.size, frame.size);
	whole = file.size;
	for (file.size = whole - 16 - frame.size + 1; file.size < whole; file.size++) {
		run(&file);
		assert_int_equal(outcome.result, 0);
		assert_true(outcome.summary.cut);
		assert_int_equal(outcome.summary.frames, 2);
		assert_int_equal(outcome.frame_count, 2);
		assert_non_null(strstr(outcome.summary.cut_text, "after frame 2: truncated dump file"));
	}
	run(&file);
	assert_false(outcome.summary.cut);
	assert_string_equal(outcome.summary.cut_text, "");
	assert_int_equal(outcome.summary.frames, 3);
}

/* pcapng may go on with frames of another link type, which libpcap does not read. */
static void test_link_type_changes(void **state)
{
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:80"), &syn);

	(void)state;
	capture_begin_ng(&file);
	capture_interface_ng(&file, 1);
	capture_frame_ng(&file, 0, START, frame.data, frame.size);
	capture_interface_ng(&file, 101);
	capture_frame_ng(&file, 1, START, frame.data, frame.size);
	run(&file);
	assert_int_equal(outcome.result, 0);
	assert_int_equal(outcome.frame_count, 1);
	assert_true(outcome.summary.cut);
}

static void expect_refused(int code, const char *text)
{
	assert_int_equal(outcome.result, code);
	assert_int_equal(outcome.error.code, code);
	if (!strstr(outcome.error.text, text))
		fail_msg("\"%s\" is not in \"%s\"", text, outcome.error.text);
}

static void test_not_a_capture(void **state)
{
	(void)state;
	file.size = 0;
	run(&file);
	expect_refused(LUN_BAD_FILE, ": not a capture: ");
	capture_put(&file, "just some text, not a capture at all", 36);
	run(&file);
	expect_refused(LUN_BAD_FILE, ": not a capture: unknown file format");
	assert_int_equal(strncmp(outcome.error.text, file.path, strlen(file.path)), 0);
	capture_begin(&file, 105);
	run(&file);
	expect_refused(LUN_BAD_FILE, "link type IEEE802_11 (105) is not supported, expected");
}

static void test_files_that_cannot_be_used(void **state)
{
	struct lun_replay_options options = { .size = sizeof(options) };
	struct lun_engine *engine = new_engine();

	(void)state;
	memset(&outcome, 0, sizeof(outcome));
	outcome.result = lun_replay_run(engine, "/nowhere/in.pcap", NULL, NULL, &outcome.error);
	expect_refused(LUN_BAD_FILE, "/nowhere/in.pcap: No such file or directory");
	outcome.result = lun_replay_run(engine, "/tmp", NULL, NULL, &outcome.error);
	expect_refused(LUN_BAD_FILE, "/tmp: not a capture: ");
	capture_begin(&file, 1);
	options.size++;
	outcome.result = lun_replay_run(engine, file.path, &options, NULL, &outcome.error);
	expect_refused(LUN_BAD_ARGUMENT, "expected sizeof(struct lun_replay_options)");
	options.size--;
	options.out = capture_save(&file);
	outcome.result = lun_replay_run(engine, file.path, &options, NULL, &outcome.error);
	expect_refused(LUN_BAD_ARGUMENT, "is the capture that is read");
	options.out = "/nowhere/out.pcap";
	outcome.result = lun_replay_run(engine, file.path, &options, NULL, &outcome.error);
	expect_refused(LUN_SYSTEM, "/nowhere/out.pcap: No such file or directory");
	options.out = "/dev/full";
	outcome.result = lun_replay_run(engine, file.path, &options, NULL, &outcome.error);
	expect_refused(LUN_SYSTEM, "/dev/full: not everything could be written: No space left on device");
	capture_remove(&file);
	lun_engine_free(engine);
}

/* ---- Hostile frames --------------------------------------------------------------------------------------------------- */

/* Headers that lie about lengths; each must be survived, and written as it came. */
static void test_lying_headers(void **state)
{
	static const struct {
		uint32_t offset; /* in the IP packet */
		uint8_t value;
		enum lun_reason reason;
	} lies[] = {
		{ 0, 0x40, LUN_REASON_bad_ip_header }, /* a header of no length */
		{ 0, 0x4f, LUN_REASON_bad_ip_header }, /* of 60 bytes, more than the packet has */
		{ 0, 0x55, LUN_REASON_bad_ip_version },
		{ 0, 0x65, LUN_REASON_none },       /* IPv6 with next header 64 */
		{ 2, 0xff, LUN_REASON_truncated },  /* 65,320 bytes */
		{ 3, 0, LUN_REASON_bad_ip_header }, /* none */
		{ 3, 21, LUN_REASON_truncated },    /* one byte of TCP */
		{ 32, 0xf0, LUN_REASON_bad_transport_header },
	};
	struct bytes good = frame_of(ethernet, 14, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:80"), &syn);

	(void)state;
	capture_begin(&file, 1);
	for (size_t i = 0; i < COUNT(lies); i++) {
		struct bytes lie = good;

		lie.data[14 + lies[i].offset] = lies[i].value;
		capture_frame(&file, START, lie.data, lie.size, lie.size);
	}
	capture_frame(&file, START, ethernet, 14, 14);         /* nothing behind the link header */
	capture_frame(&file, START, good.data, good.size, 20); /* captured more than there was */
	run(&file);
	assert_int_equal(outcome.frame_count, COUNT(lies) + 2);
	for (size_t i = 0; i < COUNT(lies); i++) {
		assert_int_equal(outcome.seen[i].packet.reason, lies[i].reason);
		assert_int_equal(outcome.frames[i].bytes.size, good.size);
	}
	assert_int_equal(outcome.seen[COUNT(lies)].packet.reason, LUN_REASON_truncated);
	assert_int_equal(outcome.seen[COUNT(lies) + 1].packet.reason, LUN_REASON_none);
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return limit ? (random_state >> 8) % limit : 0;
}

/* Frames that begin right and then go wrong in a few bytes and in their length. */
static void test_random_frames(void **state)
{
	(void)state;
	for (size_t link = 0; link < COUNT(links); link++) {
		struct bytes good = frame_of(links[link].header, links[link].size,
					     links[link].v6 ? tuple_of(LUN_TCP, "[fd00:1::1]:40000", "[fd00:96::10]:80")
							    : tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:80"),
					     &syn);

		capture_begin(&file, links[link].link_type);
		for (int i = 0; i < 3000; i++) {
			struct bytes bad = good;

			for (uint32_t flips = random_below(4); flips > 0; flips--)
				bad.data[random_below(bad.size)] = (uint8_t)random_below(256);
			bad.size = random_below(3) ? bad.size : random_below(bad.size + 1);
			capture_frame(&file, START + random_below(1000), bad.data, bad.size, random_below(200));
		}
		run(&file);
		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.seen_count, 3000);
		assert_int_equal(outcome.frame_count, outcome.summary.written);
	}
}

/* ---- Batches, and two ways to read ------------------------------------------------------------------------------------ */

/* All that can be seen of a replay. */
struct log {
	struct lun_engine *engine;
	struct record {
		uint64_t number;
		bool left, ip;
		struct lun_packet packet; /* if `ip`, but its data, which is gone */
	} records[8000];
	size_t count, packets;
	size_t ahead; /* most packets that the engine had seen, and we not yet */
	struct lun_replay_summary summary;
	uint8_t out[2 << 20];
	size_t out_size;
};

static void log_frame(void *user, const struct lun_replay_frame *frame)
{
	struct log *log = user;
	struct record *record = &log->records[log->count++];
	struct lun_stats stats;

	assert_true(log->count <= COUNT(log->records));
	*record = (struct record) { .number = frame->number, .left = frame->left, .ip = frame->packet != NULL };
	if (!frame->packet)
		return;
	record->packet = *frame->packet;
	lun_engine_stats(log->engine, &stats);
	log->packets++;
	if (stats.packets - log->packets > log->ahead)
		log->ahead = stats.packets - log->packets;
}

static void read_out(struct log *log, const char *path)
{
	FILE *stream = fopen(path, "rb");

	assert_non_null(stream);
	log->out_size = fread(log->out, 1, sizeof(log->out), stream);
	assert_true(log->out_size < sizeof(log->out));
	fclose(stream);
}

/* Replays the file with `batch` packets a call in a new engine with room for `events`. */
static struct log *log_of(struct capture_file *capture, uint32_t batch, uint32_t events)
{
	char out[80];
	struct log *log = calloc(1, sizeof(*log));
	struct lun_replay_options options = {
		.size = sizeof(options), .out = out, .on_frame = log_frame, .user = log, .batch = batch
	};
	struct lun_error error;

	assert_non_null(log);
	log->engine = new_engine_with(events);
	capture_save(capture);
	snprintf(out, sizeof(out), "%s.out", capture->path);
	assert_int_equal(lun_replay_run(log->engine, capture->path, &options, &log->summary, &error), 0);
	log->summary.engine_ns = 0;
	read_out(log, out);
	unlink(out);
	capture_remove(capture);
	lun_engine_free(log->engine);
	return log;
}

static void expect_same_packet(const struct lun_packet *a, const struct lun_packet *b)
{
	assert_int_equal(a->length, b->length);
	assert_int_equal(a->wire_length, b->wire_length);
	assert_int_equal(a->verdict, b->verdict);
	assert_int_equal(a->reason, b->reason);
	assert_int_equal(a->ct, b->ct);
	assert_int_equal(a->direction, b->direction);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->flow, b->flow);
	assert_memory_equal(&a->was, &b->was, sizeof(a->was));
	assert_memory_equal(&a->is, &b->is, sizeof(a->is));
}

static void expect_same(const struct log *a, const struct log *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->records[i].number, b->records[i].number);
		assert_int_equal(a->records[i].left, b->records[i].left);
		assert_int_equal(a->records[i].ip, b->records[i].ip);
		if (a->records[i].ip)
			expect_same_packet(&a->records[i].packet, &b->records[i].packet);
	}
	assert_memory_equal(&a->summary, &b->summary, sizeof(a->summary));
	assert_int_equal(a->out_size, b->out_size);
	assert_memory_equal(a->out, b->out, a->out_size);
}

static size_t count_verdicts(const struct log *log, enum lun_verdict verdict)
{
	size_t count = 0;

	for (size_t i = 0; i < log->count; i++)
		count += log->records[i].ip && log->records[i].packet.verdict == verdict;
	return count;
}

static void add(uint64_t time, const struct bytes *frame)
{
	capture_frame(&file, time, frame->data, frame->size, frame->size);
}

static void add_packet(uint64_t time, struct lun_tuple tuple, const struct packet_spec *spec)
{
	struct bytes frame = frame_of(ethernet, 14, tuple, spec);

	add(time, &frame);
}

/* One half of a UDP datagram that came in two. */
static void add_fragment(uint64_t time, uint32_t id, bool second)
{
	static const char payload[56];
	struct packet_spec spec = { .payload = payload, .payload_length = sizeof(payload) };
	struct bytes frame = frame_of(ethernet, 14, tuple_of(LUN_UDP, "10.1.1.1:700", "10.2.2.2:53"), &spec);
	uint8_t *ip = frame.data + 14;

	ip[3] = 20 + 32;
	ip[5] = (uint8_t)id;
	ip[6] = second ? 0 : 0x20;
	ip[7] = second ? 32 / 8 : 0;
	if (second)
		memmove(ip + 20, ip + 52, 32);
	frame.size = 14 + 20 + 32;
	add(time, &frame);
}

static void add_request(uint64_t time, uint16_t port)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct packet_spec data = ack;
	struct lun_tuple orig = tuple_of(LUN_TCP, "10.1.1.1:0", "10.96.0.20:80");
	struct lun_tuple reply = tuple_of(LUN_TCP, "10.244.0.5:8080", "10.1.1.1:0");

	data.payload = request;
	data.payload_length = sizeof(request) - 1;
	orig.source_port = reply.destination_port = port;
	add_packet(time, orig, &syn);
	add_packet(time, reply, &syn_ack);
	add_packet(time, orig, &data);
}

/* Something at random, of a few flows. */
static void add_random(uint64_t time)
{
	static const char *const services[] = { "10.96.0.10:80", "10.96.0.10:81", "10.96.9.9:80", "10.2.2.2:80" };
	struct lun_tuple tuple = tuple_of(LUN_TCP, "10.1.1.1:0", services[random_below(COUNT(services))]);
	uint32_t what = random_below(1000);

	tuple.source_port = (uint16_t)(40000 + random_below(30));
	if (what < 50)
		capture_frame(&file, time, (const uint8_t[60]) { ADDRESSES, 8, 6 }, 60, 60);
	else if (what < 200)
		add_fragment(time, random_below(4), random_below(2));
	else if (what < 220)
		add_request(time, (uint16_t)(1000 + random_below(60000)));
	else
		add_packet(time, tuple, what < 700 ? &syn : &ack);
}

/* Bursts, pauses, milliseconds that begin just there, steps back, and times after which flows are over. */
static void make_mixture(void)
{
	uint64_t time = START;

	capture_begin(&file, 1);
	for (int i = 0; i < 64; i++) /* answers that fill a ring */
		add_packet(time, tuple_of(LUN_TCP, "10.1.1.1:40000", "10.96.0.10:81"), &syn);
	for (int i = 0; i < 4000; i++) {
		uint32_t what = random_below(1000);

		time += what < 900 ? random_below(100000) : what < 990 ? 1000000 - (time - START) % 1000000 : 0;
		time += what > 996 ? 150 * SECOND : 0;
		add_random(what == 995 ? time - 5000000 : time);
	}
}

static void test_batches_change_nothing(void **state)
{
	static const uint32_t rounds[][2] = { { 0, 32 }, { 4, 4 }, { 1000, 0 }, { 0, 0 } }; /* batch, events */
	struct log *one, *many;

	(void)state;
	make_mixture();
	for (size_t i = 0; i < COUNT(rounds); i++) {
		one = log_of(&file, 1, rounds[i][1]);
		many = log_of(&file, rounds[i][0], rounds[i][1]);
		assert_int_equal(one->ahead, 0);
		assert_int_equal(many->ahead, rounds[i][0] == 4 ? 3 : 31);
		expect_same(one, many);
		free(one);
		free(many);
	}
	one = log_of(&file, 1, 0);
	assert_true(count_verdicts(one, LUN_DROP) > 100 && count_verdicts(one, LUN_STOLEN) > 100);
	assert_true(one->summary.emitted > count_verdicts(one, LUN_REJECT) + 100 && one->summary.not_ip > 100);
	assert_true(one->records[0].packet.verdict == LUN_REJECT && one->records[63].packet.verdict == LUN_REJECT);
	free(one);
}

/* The engine's milliseconds begin with its first packet.  A flow is over after five minutes; the packet in front of one that comes
 * just then must not lend it its time. */
static void test_batches_end_with_a_millisecond(void **state)
{
	struct packet_spec ping = { .payload = "ping", .payload_length = 4 };
	struct lun_tuple flow = tuple_of(LUN_UDP, "10.1.1.1:40000", "10.2.2.2:53");
	struct lun_tuple other = tuple_of(LUN_UDP, "10.1.1.1:40001", "10.2.2.2:53");

	(void)state;
	capture_begin(&file, 1);
	add_packet(START, flow, &ping);
	add_packet(START + 300 * SECOND - 1, other, &ping);
	add_packet(START + 300 * SECOND, flow, &ping);
	run(&file);
	assert_int_equal(outcome.seen[2].packet.ct, LUN_CT_NEW);
	assert_int_not_equal(outcome.seen[2].packet.flow, outcome.seen[0].packet.flow);
}

static void swap_words(uint8_t *bytes, size_t count)
{
	for (; count > 0; count--, bytes += 4) {
		const uint8_t word[] = { bytes[3], bytes[2], bytes[1], bytes[0] };

		memcpy(bytes, word, sizeof(word));
	}
}

/* Makes of the pcap file one with microseconds, if `micro`, and of a machine of the other byte order, if `swap`; such a one is
 * not read in the short way.  `snap` is its snap length. */
static void change_file(bool micro, bool swap, uint32_t snap)
{
	const uint32_t magic = 0xa1b2c3d4;

	for (size_t at = 24; at < file.size;) {
		uint32_t record[4]; /* seconds, fraction, captured, length */

		memcpy(record, file.bytes + at, sizeof(record));
		record[1] /= micro ? 1000 : 1;
		memcpy(file.bytes + at, record, sizeof(record));
		if (swap)
			swap_words(file.bytes + at, 4);
		at += 16 + record[2];
	}
	memcpy(file.bytes + 16, &snap, sizeof(snap));
	if (micro)
		memcpy(file.bytes, &magic, sizeof(magic));
	if (!swap)
		return;
	swap_words(file.bytes, 6);
	memcpy(file.bytes + 4, "\0\2\0\4", 4);
}

/* Frames that are longer than a place, and together than all places. */
static void test_long_frames_in_a_batch(void **state)
{
	static uint8_t frame[80000] = { ADDRESSES, 8, 0, 0x45, 0, 0, 28 };
	struct log *one, *many;

	(void)state;
	capture_begin(&file, 1);
	for (uint8_t i = 0; i < 32; i++) {
		memset(frame + 100, i, sizeof(frame) - 100);
		capture_frame(&file, START, frame, i < 20 ? 100 : sizeof(frame), sizeof(frame));
	}
	change_file(false, false, 262144);
	one = log_of(&file, 1, 0);
	many = log_of(&file, 0, 0);
	assert_int_equal(many->out_size, file.size);
	assert_int_not_equal(many->ahead, 0);
	expect_same(one, many);
	free(one);
	free(many);
}

static void test_both_ways_to_read(void **state)
{
	static const uint32_t snaps[] = { 262144, 0, 65535, 60 }; /* with the last two, some frames are longer */
	struct log *own, *foreign;

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(snaps); i++) {
		make_mixture();
		assert_true(file.size > 270000); /* more than one buffer */
		change_file(i % 2, false, snaps[i / 2]);
		own = log_of(&file, 0, 0);
		change_file(false, true, snaps[i / 2]);
		foreign = log_of(&file, 0, 0);
		assert_true(own->count > 4000);
		expect_same(own, foreign);
		free(own);
		free(foreign);
	}
}

/* ---- The benchmark ---------------------------------------------------------------------------------------------------- */

static void test_bench(void **state)
{
	static const uint8_t arp[60] = { ADDRESSES, 8, 6 };
	struct lun_config config = { .size = sizeof(config), .flows = 1024 };
	struct lun_policy *policy = new_policy();
	struct lun_replay_bench bench;
	struct lun_capture *capture;
	struct lun_error error;

	(void)state;
	capture_begin(&file, 1);
	capture_frame(&file, START, arp, sizeof(arp), sizeof(arp));
	for (int i = 0; i < 100; i++) {
		struct lun_tuple tuple = tuple_of(LUN_TCP, "10.1.1.1:0", i % 10 ? "10.96.0.10:80" : "10.96.0.10:81");
		struct bytes frame;

		tuple.source_port = (uint16_t)(40000 + i);
		frame = frame_of(ethernet, 14, tuple, &syn);
		capture_frame(&file, START + (uint64_t)i, frame.data, frame.size, frame.size);
	}
	assert_int_equal(lun_capture_load(&capture, capture_save(&file), &error), 0);
	assert_int_equal(lun_capture_count(capture), 100);
	assert_int_equal(lun_replay_bench(capture, &config, policy, 5, &bench, &error), 0);
	assert_int_equal(bench.runs, 5);
	assert_int_equal(bench.packets, 500);
	assert_int_equal(bench.flows_opened, 450); /* the same packets in every run, not what the last one made of them */
	assert_int_equal(bench.verdicts[LUN_ACCEPT], 450);
	assert_int_equal(bench.verdicts[LUN_REJECT], 50);
	assert_true(bench.packet_min_ns > 0 && bench.packet_min_ns <= bench.packet_ns &&
		    bench.packet_ns <= bench.packet_max_ns);
	assert_int_equal(lun_replay_bench(capture, &config, policy, 0, &bench, &error), LUN_BAD_ARGUMENT);
	lun_capture_free(capture);
	lun_policy_unref(policy);
	capture_remove(&file);
}

static void test_bench_wants_whole_captures(void **state)
{
	struct lun_capture *capture;
	struct lun_replay_bench bench;
	struct lun_config config = { .size = sizeof(config), .flows = 1024 };
	struct lun_error error;

	(void)state;
	capture_begin(&file, 1);
	assert_int_equal(lun_capture_load(&capture, capture_save(&file), &error), 0);
	assert_int_equal(lun_replay_bench(capture, &config, NULL, 1, &bench, &error), 0);
	assert_int_equal(bench.packets, 0);
	lun_capture_free(capture);
	capture_remove(&file);
	capture_put(&file, "abc", 3);
	assert_int_equal(lun_capture_load(&capture, capture_save(&file), &error), LUN_BAD_FILE);
	assert_non_null(strstr(error.text, ": after frame 0: truncated dump file"));
	capture_remove(&file);
	lun_capture_free(NULL);
}

/* ---- Questions -------------------------------------------------------------------------------------------------------- */

static void test_queries(void **state)
{
	static const struct {
		const char *query, *tuple;
		uint32_t length;
	} queries[] = {
		{ "tcp 203.0.113.2:40000 172.30.0.41:80", "tcp 203.0.113.2:40000 172.30.0.41:80", 40 },
		{ " udp\t10.0.0.1:1  10.0.0.2:65535 \r\n", "udp 10.0.0.1:1 10.0.0.2:65535", 32 },
		{ "tcp [fd00::1]:40000 [FD00:0::2]:80", "tcp [fd00::1]:40000 [fd00::2]:80", 60 },
		{ "udp [fd00::1]:40000 [fd00::2]:53", "udp [fd00::1]:40000 [fd00::2]:53", 52 },
	};
	char text[LUN_TUPLE_TEXT];
	uint8_t data[128];

	(void)state;
	for (size_t i = 0; i < COUNT(queries); i++) {
		struct lun_packet io;
		struct packet p = { .io = &io };
		struct lun_error error;

		assert_int_equal(lun_replay_query(queries[i].query, data, sizeof(data), &io, &error), 0);
		assert_ptr_equal(io.data, data);
		assert_int_equal(io.length, queries[i].length);
		assert_int_equal(io.capacity, sizeof(data));
		assert_true(packet_parse(&p));
		assert_true(packet_checksums_right(&p));
		assert_string_equal(lun_tuple_format(&p.tuple, text), queries[i].tuple);
		assert_int_equal(p.tcp_flags, p.tuple.protocol == LUN_TCP ? TCP_SYN : 0);
	}
}

static void test_bad_queries(void **state)
{
	static const struct {
		const char *query, *text;
	} queries[] = {
		{ "", "0 of 3 words, expected PROTOCOL SOURCE:PORT DESTINATION:PORT" },
		{ "tcp 10.0.0.1:1", "2 of 3 words, expected PROTOCOL SOURCE:PORT DESTINATION:PORT" },
		{ "tcp 10.0.0.1:1 10.0.0.2:2 x", "unexpected x at the end, expected PROTOCOL SOURCE:PORT DESTINATION:PORT" },
		{ "tpc 10.0.0.1:1 10.0.0.2:2", "unknown protocol tpc, expected tcp, udp or sctp" },
		{ "icmp 10.0.0.1:1 10.0.0.2:2", "unknown protocol icmp, expected tcp, udp or sctp" },
		{ "tcp 10.0.0.256:1 10.0.0.2:2", "bad address 10.0.0.256:1, expected 10.0.0.1:80 or [fd00::1]:80" },
		{ "tcp 10.0.0.1:1 10.0.0.2", "10.0.0.2 has no port, expected 10.0.0.1:80 or [fd00::1]:80" },
		{ "tcp 10.0.0.1:1 [fd00::2]:2", "10.0.0.1:1 and [fd00::2]:2 are of two families, expected one" },
	};
	struct lun_packet packet;
	struct lun_error error;
	uint8_t data[128];
	char many[2000];

	(void)state;
	for (size_t i = 0; i < COUNT(queries); i++) {
		assert_int_equal(lun_replay_query(queries[i].query, data, sizeof(data), &packet, &error), LUN_BAD_ARGUMENT);
		assert_string_equal(error.text, queries[i].text);
	}
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_int_equal(lun_replay_query(many, data, sizeof(data), &packet, &error), LUN_BAD_ARGUMENT);
	assert_int_equal(lun_replay_query("tcp 10.0.0.1:1 10.0.0.2:2", data, 39, &packet, &error), LUN_FULL);
	assert_int_equal(lun_replay_query("tcp 10.0.0.1:1 10.0.0.2:2", data, 40, &packet, &error), 0);
}

/* What is built is read back, at every length that is too short it is not. */
static void test_packets_of_ones_own(void **state)
{
	const char *const sources[] = { "10.0.0.1:1000", "[fd00::1]:1000" }, *const destinations[] = { "10.0.0.2:80",
												       "[fd00::2]:80" };
	const uint8_t protocols[] = { LUN_TCP, LUN_UDP };
	const struct lun_packet_fields fields = { .tcp_flags = 0x18,
						  .window = 1234,
						  .sequence = 0xfffffffe,
						  .acknowledgement = 7,
						  .payload = (const uint8_t *)"payload",
						  .payload_length = 7 };
	uint8_t data[128];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct lun_tuple tuple = tuple_of(protocols[i & 1], sources[i >> 1], destinations[i >> 1]), read_tuple;
		struct lun_packet packet = { .data = data, .capacity = sizeof(data) };
		struct lun_packet_fields read_fields;

		assert_int_equal(lun_packet_build(&packet, &tuple, &fields), 0);
		assert_int_equal(lun_packet_read(data, packet.length, &read_tuple, &read_fields), 0);
		assert_memory_equal(&tuple, &read_tuple, sizeof(tuple));
		assert_int_equal(read_fields.payload_length, 7);
		assert_memory_equal(read_fields.payload, "payload", 7);
		assert_int_equal(read_fields.tcp_flags, tuple.protocol == LUN_TCP ? 0x18 : 0);
		assert_int_equal(read_fields.window, tuple.protocol == LUN_TCP ? 1234 : 0);
		assert_int_equal(read_fields.sequence, tuple.protocol == LUN_TCP ? 0xfffffffe : 0);
		for (uint32_t length = 0; length < packet.length; length++)
			assert_int_equal(lun_packet_read(data, length, &read_tuple, &read_fields), LUN_BAD_ARGUMENT);
		packet.capacity = packet.length - 1;
		assert_int_equal(lun_packet_build(&packet, &tuple, &fields), LUN_FULL);
	}
}

static void test_packets_that_cannot_be_built(void **state)
{
	struct lun_tuple tuple = tuple_of(LUN_TCP, "10.0.0.1:1", "10.0.0.2:2"),
			 other = tuple_of(LUN_TCP, "[fd00::1]:1", "[fd00::2]:2");
	const struct lun_packet_fields fields = { 0 };
	uint8_t data[128];
	struct lun_packet packet = { .data = data, .capacity = sizeof(data) };

	(void)state;
	tuple.protocol = LUN_SCTP;
	assert_int_equal(lun_packet_build(&packet, &tuple, &fields), LUN_BAD_ARGUMENT);
	other.source = tuple.source;
	assert_int_equal(lun_packet_build(&packet, &other, &fields), LUN_BAD_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_pcapng),
		cmocka_unit_test(test_not_ip_is_copied),
		cmocka_unit_test(test_padding_is_no_part_of_the_packet),
		cmocka_unit_test(test_cut_packets_are_translated),
		cmocka_unit_test(test_packets_that_grow),
		cmocka_unit_test(test_answers_go_back),
		cmocka_unit_test(test_answers_in_cooked_captures),
		cmocka_unit_test(test_dropped_packets_are_not_written),
		cmocka_unit_test(test_time_is_the_captures),
		cmocka_unit_test(test_wild_timestamps),
		cmocka_unit_test(test_cut_file),
		cmocka_unit_test(test_link_type_changes),
		cmocka_unit_test(test_not_a_capture),
		cmocka_unit_test(test_files_that_cannot_be_used),
		cmocka_unit_test(test_lying_headers),
		cmocka_unit_test(test_random_frames),
		cmocka_unit_test(test_batches_change_nothing),
		cmocka_unit_test(test_batches_end_with_a_millisecond),
		cmocka_unit_test(test_long_frames_in_a_batch),
		cmocka_unit_test(test_both_ways_to_read),
		cmocka_unit_test(test_bench),
		cmocka_unit_test(test_bench_wants_whole_captures),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_bad_queries),
		cmocka_unit_test(test_packets_of_ones_own),
		cmocka_unit_test(test_packets_that_cannot_be_built),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
