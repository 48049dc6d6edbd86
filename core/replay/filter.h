/* filter.h - compiling libpcap's filter language, for packets and for flows. */
#ifndef LUNETTE_REPLAY_FILTER_H
#define LUNETTE_REPLAY_FILTER_H

#include <lunette/lunette.h>
#include <pcap/pcap.h>

/* Compiles `code` for packets of a link type; `text` is what a message quotes.  Who wants it optimized is told, too, if no packet can
 * fit.  Fails: LUN_BAD_ARGUMENT, LUN_NO_MEMORY. */
struct filter_source {
	const char *code, *text;
	int link_type;
	bool optimize;
};

int filter_compile(struct bpf_program *program, const struct filter_source *source, struct lun_error *error);

/* Does the packet, of which `length` bytes are there, fit? */
bool filter_run(const struct bpf_program *program, const uint8_t *data, uint32_t length, uint32_t wire_length);

#endif
