/* tap.c - those who look at packets: a list, mostly empty. */
#include "live/live.h"

void lun_live_tap(struct lun_live *live, struct lun_live_tap *tap)
{
	tap->next = live->taps;
	live->taps = tap;
}

void lun_live_untap(struct lun_live *live, struct lun_live_tap *tap)
{
	struct lun_live_tap **link = &live->taps;

	while (*link && *link != tap)
		link = &(*link)->next;
	if (*link)
		*link = tap->next;
}

void live_show_before(const struct lun_live *live, struct lun_packet *packets, size_t count)
{
	for (struct lun_live_tap *tap = live->taps; tap; tap = tap->next)
		tap->before(tap->user, packets, count);
}

void live_show_after(const struct lun_live *live, const struct lun_packet *packets, size_t count)
{
	struct lun_live_tap *next;

	for (struct lun_live_tap *tap = live->taps; tap; tap = next) {
		next = tap->next;
		tap->after(tap->user, packets, count);
	}
}

void live_show_emitted(const struct lun_live *live, const uint8_t *data, uint32_t length)
{
	for (struct lun_live_tap *tap = live->taps; tap; tap = tap->next)
		if (tap->emitted)
			tap->emitted(tap->user, data, length);
}
