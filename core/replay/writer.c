/* writer.c - a pcap file with nanoseconds.  Its snap length is not the one of the file that was read: frames may have grown. */
#include "replay/writer.h"

#include "base/fail.h"
#include "replay/reader.h"

#include <errno.h>
#include <string.h>

int writer_open(struct writer *writer, const char *name, int link_type, struct lun_error *error)
{
	*writer = (struct writer) { .name = name };
	writer->shape = pcap_open_dead_with_tstamp_precision(link_type, READER_FRAME_MAX, PCAP_TSTAMP_PRECISION_NANO);
	if (!writer->shape)
		return fail(error, LUN_NO_MEMORY, "%s: %s", name, lun_strerror(LUN_NO_MEMORY));
	writer->dumper = pcap_dump_open(writer->shape, name);
	if (!writer->dumper) {
		fail(error, LUN_SYSTEM, "%s", pcap_geterr(writer->shape)); /* which begins with the name */
		pcap_close(writer->shape);
		return LUN_SYSTEM;
	}
	return 0;
}

void writer_write(struct writer *writer, const struct pcap_pkthdr *header, const uint8_t *frame)
{
	writer->frames++;
	pcap_dump((u_char *)writer->dumper, header, frame);
}

int writer_close(struct writer *writer, struct lun_error *error)
{
	bool failed = pcap_dump_flush(writer->dumper) < 0 || ferror(pcap_dump_file(writer->dumper));
	int why = errno;

	pcap_dump_close(writer->dumper);
	pcap_close(writer->shape);
	return failed ? fail(error, LUN_SYSTEM, "%s: not everything could be written: %s", writer->name, strerror(why)) : 0;
}
