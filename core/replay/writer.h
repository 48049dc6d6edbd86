/* writer.h - the capture that a replay writes. */
#ifndef LUNETTE_REPLAY_WRITER_H
#define LUNETTE_REPLAY_WRITER_H

#include <lunette/lunette.h>
#include <pcap/pcap.h>

struct writer {
	const char *name;
	pcap_t *shape; /* carries link type and precision */
	pcap_dumper_t *dumper;
	uint64_t frames;
};

/* Opens the file `name`, or standard output for "-".  Fails: LUN_SYSTEM, LUN_NO_MEMORY. */
int writer_open(struct writer *writer, const char *name, int link_type, struct lun_error *error);

/* Writes `header->caplen` bytes of a frame; whether they arrived is said by writer_close. */
void writer_write(struct writer *writer, const struct pcap_pkthdr *header, const uint8_t *frame);

/* Fails: LUN_SYSTEM, if not everything could be written. */
int writer_close(struct writer *writer, struct lun_error *error);

#endif
