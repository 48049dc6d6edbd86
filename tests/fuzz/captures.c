/* captures.c - any bytes as a capture, and a text as a filter: the file is refused with a word why or replayed, twice with the same result,
 * and each packet in it is held against the filter.
 *
 * Input: a byte for the length of the filter, the filter, then the file. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <lunette/replay.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FILTER_MOST = 24 }; /* libpcap takes long for what nobody writes */

struct seen {
	const struct lun_filter *filter;
	uint64_t frames, held;
};

static void on_frame(void *user, const struct lun_replay_frame *frame)
{
	struct seen *seen = user;

	seen->frames++;
	MUST(frame->number == seen->frames);
	if (frame->before)
		seen->held += lun_filter_holds(seen->filter, frame->before, frame->before_length, frame->before_length);
}

static int replay_file(const char *path, struct seen *seen, struct lun_replay_summary *summary)
{
	const struct lun_config config = {
		.size = sizeof(config), .flows = 64, .events = 64, .emit_size = 65536, .fragment_size = 65536
	};
	const struct lun_replay_options options = {
		.size = sizeof(options), .on_frame = on_frame, .user = seen, .before = true
	};
	struct lun_error error = { .text = "" };
	struct lun_engine *engine;
	int code;

	MUST(lun_engine_new(&engine, &config, NULL, NULL) == 0);
	code = lun_replay_run(engine, path, &options, summary, &error);
	MUST(code == 0 || (code == LUN_BAD_FILE && error.text[0]));
	MUST(code < 0 || (seen->frames == summary->frames && summary->not_ip <= summary->frames));
	lun_engine_free(engine);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct lun_replay_summary first, second;
	struct seen seen[2] = { { .filter = NULL } };
	struct lun_filter *filter = NULL;
	struct lun_capture *capture;
	struct lun_error error = { .text = "" };
	char text[FILTER_MOST + 1] = "", path[32];
	int file = memfd_create("capture", 0), code;

	input_bytes(&input, (uint8_t *)text, input_byte(&input) % FILTER_MOST);
	if (lun_filter_new(&filter, text, &error) < 0)
		MUST(error.code == LUN_BAD_ARGUMENT && error.text[0]);
	MUST(file >= 0 && write(file, input.at, input.left) == (ssize_t)input.left);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	seen[0].filter = seen[1].filter = filter;
	code = replay_file(path, &seen[0], &first);
	MUST(replay_file(path, &seen[1], &second) == code);
	MUST(code < 0 || (first.cut == second.cut && seen[0].held == seen[1].held && seen[0].held <= seen[0].frames));
	if (lun_capture_load(&capture, path, &error) == 0) {
		MUST(code == 0 && !first.cut && lun_capture_count(capture) == first.frames - first.not_ip);
		lun_capture_free(capture);
	}
	lun_filter_free(filter);
	close(file);
	return 0;
}
