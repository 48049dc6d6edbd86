/* inject.h - packets of the engine's own, put where arriving ones are. */
#ifndef LUNETTE_LIVE_INJECT_H
#define LUNETTE_LIVE_INJECT_H

#include <lunette/lunette.h>

struct inject {
	bool open;
	int fd;
	int interface; /* index of the loopback interface */
};

/* Fails: LUN_NO_PRIVILEGE, LUN_UNSUPPORTED, LUN_SYSTEM (also: the loopback interface is down). */
int inject_open(struct inject *inject, struct lun_error *error);
void inject_close(struct inject *inject);

/* Sends an IP packet on its way, with this mark.  A TCP packet with more than `segment` bytes of payload is cut into such
 * segments by the kernel (0: none is).  Returns 0 or a negative errno. */
int inject_send(const struct inject *inject, const uint8_t *data, uint32_t length, uint32_t mark, uint16_t segment);

#endif
