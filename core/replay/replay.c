/* replay.c - a capture through the engine, batch by batch.
 *
 * Frames are gathered while they may share a call (batch.h), then run, and then finished one by one in their order: written, with
 * what the engine emitted for each behind it, and reported.  Events come in the order of the packets that caused them, so one
 * event is looked at ahead and waits for its packet. */
#include "base/config.h"
#include "base/fail.h"
#include "replay/batch.h"
#include "replay/link.h"
#include "replay/reader.h"
#include "replay/writer.h"

#include <lunette/replay.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PROGRESS_NS = 100000000 };

struct replay {
	struct lun_engine *engine;
	struct lun_replay_options options;
	struct lun_replay_summary summary;
	struct reader reader;
	struct writer writer;           /* if options.out */
	uint64_t clock_cost;            /* ns that reading the clock adds to an interval */
	uint64_t started, progress_due; /* real time, ns */
	uint64_t ticked;                /* the `end` of the millisecond for which timers have run */
	struct lun_event event;         /* the next one, if `event_waits` */
	bool event_waits;
	struct batch batch;
	uint8_t emitted[LINK_HEADER_MAX + UINT16_MAX];
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

static uint64_t time_of(const struct pcap_pkthdr *header)
{
	return (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec; /* which counts nanoseconds */
}

static void write_frame(struct replay *replay, const struct pcap_pkthdr *header, const uint8_t *frame)
{
	if (replay->options.out)
		writer_write(&replay->writer, header, frame);
}

/* The packet that left, in its frame.  One that kept its length keeps what was behind it too; a cut one stays cut. */
static void write_packet(struct replay *replay, const struct batch_frame *frame)
{
	const struct reader_frame *read = &frame->read;
	struct pcap_pkthdr header = read->header;

	if (frame->packet->length != read->length) {
		header.caplen = read->link_size + frame->packet->length;
		header.len = header.caplen;
		if (read->wire_length)
			header.len += read->wire_length - read->length;
	}
	write_frame(replay, &header, frame->bytes);
}

/* Of a recorder's failures the first is kept. */
static struct lun_error *recorder_error(const struct replay *replay)
{
	struct lun_error *error = replay->options.recorder_error;

	return error && error->code == 0 ? error : NULL;
}

/* Bytes of the engine's own, behind the link header of the packet that caused them; true if they go the way it went. */
static bool write_emitted(struct replay *replay, const struct batch_frame *frame, const struct lun_event *event)
{
	struct lun_replay_emission emission = { .data = event->data, .length = event->length };
	bool onward = (event->side == LUN_SIDE_UPSTREAM) == (frame->packet->direction == LUN_ORIG);
	struct pcap_pkthdr header = frame->read.header;
	uint32_t link_size = frame->read.link_size;

	if (event->length > sizeof(replay->emitted) - LINK_HEADER_MAX)
		return false; /* no IP packet is so long */
	if (replay->options.recorder)
		lun_recorder_emitted(replay->options.recorder, event->data, event->length, time_of(&header),
				     recorder_error(replay));
	emission.onward = onward;
	if (replay->options.on_emission)
		replay->options.on_emission(replay->options.user, &emission);
	memcpy(replay->emitted, frame->bytes, link_size);
	memcpy(replay->emitted + link_size, event->data, event->length);
	if (!onward)
		link_turn(replay->reader.link_type, replay->emitted);
	header.caplen = header.len = link_size + event->length;
	write_frame(replay, &header, replay->emitted);
	replay->summary.emitted++;
	return onward;
}

static void take_event(struct replay *replay)
{
	replay->event_waits = lun_engine_next_event(replay->engine, &replay->event);
}

/* Ends what is over before this batch comes; the engine does a bounded number at a time.  Once a millisecond: its clock does not
 * move within one. */
static void run_timers(struct replay *replay)
{
	const struct batch *batch = &replay->batch;
	struct lun_event event;

	if (replay->ticked == batch->end)
		return;
	replay->ticked = batch->end;
	while (lun_engine_tick(replay->engine, batch->now) <= batch->now)
		while (lun_engine_next_event(replay->engine, &event))
			;
}

static void report_progress(struct replay *replay, uint64_t clock)
{
	struct lun_replay_progress progress = { .frames = replay->reader.frames, .elapsed = clock - replay->started };

	replay->progress_due = clock + PROGRESS_NS;
	reader_place(&replay->reader, &progress.read, &progress.size);
	replay->options.on_progress(replay->options.user, &progress);
}

static void run_engine(struct replay *replay)
{
	struct batch *batch = &replay->batch;
	uint64_t start, end, cost;

	run_timers(replay);
	for (size_t i = 0; replay->options.recorder && i < batch->packet_count; i++)
		lun_recorder_before(replay->options.recorder, i, &batch->packets[i]);
	start = clock_ns();
	lun_engine_packets(replay->engine, batch->packets, batch->packet_count, batch->now);
	end = clock_ns();
	cost = end - start;
	replay->summary.engine_ns += cost > replay->clock_cost ? cost - replay->clock_cost : 0;
	if (replay->options.on_progress && end >= replay->progress_due)
		report_progress(replay, end);
	take_event(replay);
}

static void record(const struct replay *replay, const struct batch_frame *frame, size_t index)
{
	if (replay->options.recorder)
		lun_recorder_after(replay->options.recorder, index, frame->packet, replay->engine,
				   time_of(&frame->read.header), recorder_error(replay));
}

/* Writes what became of a packet; true if it went on its way. */
static bool finish_packet(struct replay *replay, const struct batch_frame *frame)
{
	const struct lun_packet *packet = frame->packet;
	size_t index = (size_t)(packet - replay->batch.packets);
	bool left = packet->verdict == LUN_ACCEPT;

	record(replay, frame, index);
	if (left)
		write_packet(replay, frame);
	for (; replay->event_waits && replay->event.packet <= index; take_event(replay))
		if (replay->event.kind == LUN_EVENT_EMIT && write_emitted(replay, frame, &replay->event))
			left = left || packet->verdict == LUN_STOLEN;
	return left;
}

static void finish_frame(struct replay *replay, const struct batch_frame *frame, uint64_t number)
{
	const struct reader_frame *read = &frame->read;
	struct lun_replay_frame seen = { .number = number, .time = read->time, .packet = frame->packet, .left = true };

	if (frame->packet) {
		seen.left = finish_packet(replay, frame);
		if (replay->batch.keep) {
			seen.before = replay->batch.before + (frame->bytes - replay->batch.bytes) + read->link_size;
			seen.before_length = read->length;
		}
	} else {
		replay->summary.not_ip++;
		write_frame(replay, &frame->read.header, frame->bytes);
	}
	if (replay->options.on_frame)
		replay->options.on_frame(replay->options.user, &seen);
}

static void run_batch(struct replay *replay)
{
	struct batch *batch = &replay->batch;

	if (batch->packet_count > 0)
		run_engine(replay);
	for (uint32_t i = 0; i < batch->count; i++)
		finish_frame(replay, &batch->frames[i], ++replay->summary.frames);
	batch_clear(batch);
}

/* Reads to the end. */
static void run_frames(struct replay *replay)
{
	struct batch *batch = &replay->batch;
	struct reader *reader = &replay->reader;

	while (reader_next(reader, batch_next(batch))) {
		if (!batch_takes(batch, reader->now))
			run_batch(replay);
		batch_add(batch, reader->now);
	}
	run_batch(replay);
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
	int result = 0;

	if (out && is_input(replay, out))
		return fail(error, LUN_BAD_ARGUMENT, "%s: is the capture that is read, expected another file to write", out);
	if (out)
		result = writer_open(&replay->writer, out, replay->reader.link_type, error);
	if (result < 0)
		return result;
	run_frames(replay);
	return out ? writer_close(&replay->writer, error) : 0;
}

static void summarize(const struct replay *replay, struct lun_replay_summary *summary)
{
	*summary = replay->summary;
	summary->written = replay->writer.frames;
	summary->capture_ns = replay->reader.now - replay->reader.first;
	summary->end_ns = replay->reader.now;
	summary->cut = replay->reader.problem[0] != '\0';
	memcpy(summary->cut_text, replay->reader.problem, sizeof(summary->cut_text));
}

static void prepare(struct replay *replay, struct lun_engine *engine)
{
	uint32_t most = replay->options.batch;

	replay->engine = engine;
	replay->batch.keep = replay->options.before;
	replay->batch.most = most > 0 && most < BATCH_MOST ? most : BATCH_MOST;
	replay->clock_cost = clock_cost();
	replay->started = clock_ns();
	replay->progress_due = replay->started + PROGRESS_NS;
}

int lun_replay_run(struct lun_engine *engine, const char *in, const struct lun_replay_options *options,
		   struct lun_replay_summary *summary, struct lun_error *error)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int result;

	if (!replay)
		return fail(error, LUN_NO_MEMORY, "%s: %s", in, lun_strerror(LUN_NO_MEMORY));
	if (options && !config_read(&replay->options, sizeof(*options), options)) {
		free(replay);
		return fail(error, LUN_BAD_ARGUMENT,
			    "options.size is %zu, expected sizeof(struct lun_replay_options), here %zu", options->size,
			    sizeof(*options));
	}
	prepare(replay, engine);
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
