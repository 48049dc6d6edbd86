/* replay.c - a capture through the engine, frame by frame.
 *
 * Each packet is a call of its own, at its own time.  A batch would have one time for all its packets, and an event would not
 * say which of them caused it; hardly two frames of a capture share a nanosecond, so there is nothing to win by being clever.
 * (lun_replay_bench batches: there speed is the question.) */
#include "base/fail.h"
#include "replay/link.h"
#include "replay/reader.h"
#include "replay/writer.h"

#include <lunette/replay.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct replay {
	struct lun_engine *engine;
	struct lun_replay_options options;
	struct lun_replay_summary summary;
	struct reader reader;
	struct writer writer; /* if options.out */
	uint64_t clock_cost;  /* ns that reading the clock adds to an interval */
	uint8_t frame[READER_FRAME_MAX + READER_ROOM];
	uint8_t emitted[READER_FRAME_MAX + READER_ROOM];
};

/* Not the thread's CPU time: reading that is a system call, several times as long as a packet takes. */
static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t clock_cost(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 1000; i++) {
		uint64_t start = clock_ns(), cost = clock_ns() - start;

		if (cost < least)
			least = cost;
	}
	return least;
}

static void write_frame(struct replay *replay, const struct pcap_pkthdr *header, const uint8_t *frame)
{
	if (replay->options.out)
		writer_write(&replay->writer, header, frame);
}

/* The packet that left, in its frame.  One that kept its length keeps what was behind it too; a cut one stays cut. */
static void write_packet(struct replay *replay, const struct reader_frame *frame, const struct lun_packet *packet)
{
	struct pcap_pkthdr header = frame->header;

	if (packet->length != frame->length) {
		header.caplen = frame->link_size + packet->length;
		header.len = header.caplen;
		if (frame->wire_length)
			header.len += frame->wire_length - frame->length;
	}
	write_frame(replay, &header, replay->frame);
}

/* Bytes of the engine's own, behind the link header of the packet that caused them; true if they go the way it went. */
static bool write_emitted(struct replay *replay, const struct reader_frame *frame, const struct lun_packet *packet,
			  const struct lun_event *event)
{
	bool onward = (event->side == LUN_SIDE_UPSTREAM) == (packet->direction == LUN_ORIG);
	struct pcap_pkthdr header = frame->header;

	if (event->length > sizeof(replay->emitted) - LINK_HEADER_MAX)
		return false; /* no IP packet is so long */
	memcpy(replay->emitted, frame->data, frame->link_size);
	memcpy(replay->emitted + frame->link_size, event->data, event->length);
	if (!onward)
		link_turn(replay->reader.link_type, replay->emitted);
	header.caplen = header.len = frame->link_size + event->length;
	write_frame(replay, &header, replay->emitted);
	replay->summary.emitted++;
	return onward;
}

/* Ends what is over before this packet comes; the engine does a bounded number at a time. */
static void run_timers(struct replay *replay)
{
	struct lun_event event;

	while (lun_engine_tick(replay->engine, replay->reader.now) <= replay->reader.now)
		while (lun_engine_next_event(replay->engine, &event))
			;
}

static void run_engine(struct replay *replay, struct lun_packet *packet)
{
	uint64_t start, cost;

	run_timers(replay);
	start = clock_ns();
	lun_engine_packets(replay->engine, packet, 1, replay->reader.now);
	cost = clock_ns() - start;
	replay->summary.engine_ns += cost > replay->clock_cost ? cost - replay->clock_cost : 0;
}

/* Runs the IP packet of a frame; true if it went on its way. */
static bool run_packet(struct replay *replay, const struct reader_frame *frame, struct lun_packet *packet)
{
	struct lun_event event;
	bool left;

	*packet = (struct lun_packet) {
		.data = replay->frame + frame->link_size,
		.length = frame->length,
		.capacity = (uint32_t)sizeof(replay->frame) - frame->link_size,
		.wire_length = frame->wire_length,
	};
	run_engine(replay, packet);
	left = packet->verdict == LUN_ACCEPT;
	if (left)
		write_packet(replay, frame, packet);
	while (lun_engine_next_event(replay->engine, &event))
		if (event.kind == LUN_EVENT_EMIT && write_emitted(replay, frame, packet, &event))
			left = left || packet->verdict == LUN_STOLEN;
	return left;
}

static void run_frame(struct replay *replay, const struct reader_frame *frame)
{
	struct lun_packet packet;
	struct lun_replay_frame seen = { .number = replay->reader.frames, .packet = &packet, .left = true };

	memcpy(replay->frame, frame->data, frame->header.caplen);
	if (frame->ip) {
		seen.left = run_packet(replay, frame, &packet);
	} else {
		seen.packet = NULL;
		replay->summary.not_ip++;
		write_frame(replay, &frame->header, replay->frame);
	}
	if (replay->options.on_frame)
		replay->options.on_frame(replay->options.user, &seen);
}

static bool is_input(const struct replay *replay, const char *out)
{
	struct stat in_status, out_status;

	return fstat(fileno(pcap_file(replay->reader.pcap)), &in_status) == 0 && stat(out, &out_status) == 0 &&
	       S_ISREG(in_status.st_mode) && in_status.st_dev == out_status.st_dev && in_status.st_ino == out_status.st_ino;
}

/* Reads to the end and closes the output; the input is open. */
static int run_capture(struct replay *replay, struct lun_error *error)
{
	const char *out = replay->options.out;
	struct reader_frame frame;
	int result = 0;

	if (out && is_input(replay, out))
		return fail(error, LUN_BAD_ARGUMENT, "%s: is the capture that is read, expected another file to write", out);
	if (out)
		result = writer_open(&replay->writer, out, replay->reader.link_type, error);
	if (result < 0)
		return result;
	while (reader_next(&replay->reader, &frame))
		run_frame(replay, &frame);
	return out ? writer_close(&replay->writer, error) : 0;
}

static void summarize(const struct replay *replay, struct lun_replay_summary *summary)
{
	*summary = replay->summary;
	summary->frames = replay->reader.frames;
	summary->written = replay->writer.frames;
	summary->capture_ns = replay->reader.now - replay->reader.first;
	summary->cut = replay->reader.problem[0] != '\0';
	memcpy(summary->cut_text, replay->reader.problem, sizeof(summary->cut_text));
}

int lun_replay_run(struct lun_engine *engine, const char *in, const struct lun_replay_options *options,
		   struct lun_replay_summary *summary, struct lun_error *error)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int result;

	if (!replay)
		return fail(error, LUN_NO_MEMORY, "%s: %s", in, lun_strerror(LUN_NO_MEMORY));
	replay->engine = engine;
	replay->clock_cost = clock_cost();
	if (options)
		memcpy(&replay->options, options, options->size < sizeof(*options) ? options->size : sizeof(*options));
	result = reader_open(&replay->reader, in, error);
	if (result == 0) {
		result = run_capture(replay, error);
		if (summary)
			summarize(replay, summary);
		reader_close(&replay->reader);
	}
	free(replay);
	return result;
}
