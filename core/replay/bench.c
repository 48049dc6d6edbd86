/* bench.c - a capture in memory, run many times.
 *
 * All packets lie in one arena, each with room to grow behind it; a second copy of the arena is what the runs work on, restored
 * before each.  So the timed part is the engine and nothing else: no file, no copying, two readings of the clock. */
#include "base/fail.h"
#include "replay/reader.h"

#include <lunette/replay.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BATCH = 32,
	ROOM = 512, /* behind each packet: what the usual headers need; more would only spread the capture over memory */
	ALIGN = 64, /* as a driver does */
};

struct capture_packet {
	size_t offset; /* in the arena */
	uint32_t length, wire_length;
	uint64_t time;
};

struct lun_capture {
	struct capture_packet *packets;
	size_t count, capacity;
	uint8_t *pristine, *work; /* arenas of `size` bytes */
	size_t size, allocated;
};

/* Makes room for `count` elements more than `used` of them; NULL if there is no memory, and the old array stays. */
static void *grow(void *array, size_t *capacity, size_t used, size_t count, size_t element)
{
	size_t wanted = *capacity ? *capacity : 64;
	void *grown;

	if (used + count <= *capacity)
		return array;
	while (wanted < used + count)
		wanted *= 2;
	grown = realloc(array, wanted * element);
	if (grown)
		*capacity = wanted;
	return grown;
}

static bool add_packet(struct lun_capture *capture, const struct reader_frame *frame, uint64_t time)
{
	size_t size = ((size_t)frame->length + ROOM + ALIGN - 1) / ALIGN * ALIGN;
	struct capture_packet *packets =
		grow(capture->packets, &capture->capacity, capture->count, 1, sizeof(*capture->packets));
	uint8_t *arena;

	if (!packets)
		return false;
	capture->packets = packets;
	arena = grow(capture->pristine, &capture->allocated, capture->size, size, 1);
	if (!arena)
		return false;
	capture->pristine = arena;
	memcpy(arena + capture->size, frame->data + frame->link_size, frame->length);
	memset(arena + capture->size + frame->length, 0, size - frame->length);
	packets[capture->count++] = (struct capture_packet) {
		.offset = capture->size, .length = frame->length, .wire_length = frame->wire_length, .time = time
	};
	capture->size += size;
	return true;
}

static int read_packets(struct lun_capture *capture, struct reader *reader, struct lun_error *error)
{
	struct reader_frame frame;
	bool fits = true;

	while (fits && reader_next(reader, &frame))
		fits = !frame.ip || add_packet(capture, &frame, reader->now);
	if (reader->problem[0])
		return fail(error, LUN_BAD_FILE, "%s: %s", reader->name, reader->problem);
	capture->work = fits ? malloc(capture->size + 1) : NULL;
	return capture->work ? 0 : fail(error, LUN_NO_MEMORY, "%s: %s", reader->name, lun_strerror(LUN_NO_MEMORY));
}

int lun_capture_load(struct lun_capture **capture, const char *in, struct lun_error *error)
{
	struct lun_capture *loaded;
	struct reader reader;
	int result = reader_open(&reader, in, error);

	if (result < 0)
		return result;
	loaded = calloc(1, sizeof(*loaded));
	result = loaded ? read_packets(loaded, &reader, error)
			: fail(error, LUN_NO_MEMORY, "%s: %s", in, lun_strerror(LUN_NO_MEMORY));
	reader_close(&reader);
	if (result < 0)
		lun_capture_free(loaded);
	else
		*capture = loaded;
	return result;
}

void lun_capture_free(struct lun_capture *capture)
{
	if (!capture)
		return;
	free(capture->packets);
	free(capture->pristine);
	free(capture->work);
	free(capture);
}

size_t lun_capture_count(const struct lun_capture *capture)
{
	return capture->count;
}

/* Points up to BATCH packets at the bytes from number `first` on; returns how many. */
static size_t fill_batch(const struct lun_capture *capture, size_t first, struct lun_packet packets[BATCH])
{
	size_t count = capture->count - first < BATCH ? capture->count - first : BATCH;

	for (size_t i = 0; i < count; i++) {
		const struct capture_packet *from = &capture->packets[first + i];

		packets[i].data = capture->work + from->offset;
		packets[i].length = from->length;
		packets[i].capacity = from->length + ROOM;
		packets[i].wire_length = from->wire_length;
	}
	return count;
}

/* CPU time of this thread, so that other programs on the machine do not count. */
static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CPU time of the whole capture once. */
static uint64_t run_once(const struct lun_capture *capture, struct lun_engine *engine)
{
	struct lun_packet packets[BATCH] = { 0 };
	struct lun_event event;
	uint64_t start;
	size_t count;

	if (capture->size)
		memcpy(capture->work, capture->pristine, capture->size);
	start = clock_ns();
	for (size_t first = 0; first < capture->count; first += count) {
		count = fill_batch(capture, first, packets);
		lun_engine_packets(engine, packets, count, capture->packets[first].time);
		while (lun_engine_next_event(engine, &event))
			;
	}
	return clock_ns() - start;
}

static void add_counters(struct lun_replay_bench *result, const struct lun_engine *engine)
{
	struct lun_stats stats;

	lun_engine_stats(engine, &stats);
	result->packets += stats.packets;
	result->flows_opened += stats.flows_opened;
	for (int i = 0; i <= LUN_QUERY; i++)
		result->verdicts[i] += stats.verdicts[i];
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorts the times. */
static void summarize(struct lun_replay_bench *result, uint64_t *times, size_t packets)
{
	double count = packets ? (double)packets : 1;
	uint64_t runs = result->runs, below = (runs - 1) / 2, above = runs / 2;

	qsort(times, runs, sizeof(*times), compare_times);
	result->packet_ns = (double)(times[below] + times[above]) / 2 / count;
	result->packet_min_ns = (double)times[0] / count;
	result->packet_max_ns = (double)times[runs - 1] / count;
}

/* The runs, each in an engine of its own; leaves the time of each, and the counters of all. */
static int run_all(const struct lun_capture *capture, const struct lun_config *config, struct lun_policy *policy,
		   uint64_t *times, struct lun_replay_bench *result, struct lun_error *error)
{
	for (uint64_t run = 0; run < result->runs; run++) {
		struct lun_engine *engine;
		int failed = lun_engine_new(&engine, config, policy, error);

		if (failed)
			return failed;
		times[run] = run_once(capture, engine);
		add_counters(result, engine);
		lun_engine_free(engine);
	}
	return 0;
}

int lun_replay_bench(const struct lun_capture *capture, const struct lun_config *config, struct lun_policy *policy,
		     uint64_t runs, struct lun_replay_bench *result, struct lun_error *error)
{
	uint64_t *times;
	int failed;

	*result = (struct lun_replay_bench) { .runs = runs };
	if (runs == 0)
		return fail(error, LUN_BAD_ARGUMENT, "0 runs, expected at least one");
	times = calloc(runs, sizeof(*times));
	if (!times)
		return fail(error, LUN_NO_MEMORY, "%s", lun_strerror(LUN_NO_MEMORY));
	failed = run_all(capture, config, policy, times, result, error);
	if (!failed)
		summarize(result, times, capture->count);
	free(times);
	return failed;
}
