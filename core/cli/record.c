/* record.c - a recorder at a live agent.  It says once why it ends; the agent goes on. */
#include "cli/record.h"

#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void before(void *user, struct lun_packet *packets, size_t count)
{
	const struct record *record = user;

	for (size_t i = 0; i < count; i++)
		lun_recorder_before(record->recorder, i, &packets[i]);
}

static void after(void *user, const struct lun_packet *packets, size_t count)
{
	const struct record *record = user;
	const struct lun_engine *engine = lun_live_engine(record->live);
	uint64_t now = now_ns();
	struct lun_error error;

	for (size_t i = 0; i < count; i++)
		if (lun_recorder_after(record->recorder, i, &packets[i], engine, now, &error) < 0)
			record->say(record->user, error.text);
}

static void emitted(void *user, const uint8_t *data, uint32_t length)
{
	const struct record *record = user;
	struct lun_error error;

	if (lun_recorder_emitted(record->recorder, data, length, now_ns(), &error) < 0)
		record->say(record->user, error.text);
}

void record_start(struct record *record, struct lun_live *live)
{
	record->live = live;
	record->tap = (struct lun_live_tap) { .before = before, .after = after, .emitted = emitted, .user = record };
	if (record->recorder)
		lun_live_tap(live, &record->tap);
}
