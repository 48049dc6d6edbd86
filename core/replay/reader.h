/* reader.h - a capture file, frame by frame. */
#ifndef LUNETTE_REPLAY_READER_H
#define LUNETTE_REPLAY_READER_H

#include "replay/plain.h"

#include <lunette/lunette.h>
#include <pcap/pcap.h>

enum { READER_FRAME_MAX = 262144 /* libpcap's own limit for these link types: a longer frame is damage */ };

struct reader {
	const char *name; /* as messages have it */
	pcap_t *pcap;
	struct plain *plain; /* reads in its stead, if not NULL */
	char *buffer;        /* of the file, for as long as it is open */
	int link_type;
	uint64_t frames;     /* read so far */
	uint64_t first, now; /* ns: of the first frame; the latest so far, so that time never goes back */
	char problem[300];   /* why reading stopped before the end, or "" */
};

/* One frame; valid until the next is read. */
struct reader_frame {
	struct pcap_pkthdr header; /* tv_usec counts nanoseconds */
	uint64_t time;             /* ns since 1970, as the file has it */
	const uint8_t *data;
	uint32_t link_size;   /* of the link header */
	uint32_t length;      /* of the IP packet in it, as captured, without padding */
	uint32_t wire_length; /* as it was on the wire if the capture cut it, else 0 */
	bool ip;              /* the frame holds an IP packet: the three above are set, and the one below */
	bool fragment;        /* the packet is a fragment, or it cannot be told */
};

/* Opens the file `name`, or standard input for "-".  Fails: LUN_BAD_FILE. */
int reader_open(struct reader *reader, const char *name, struct lun_error *error);

/* The next frame; false at the end, or where the rest cannot be read (`problem` says why). */
bool reader_next(struct reader *reader, struct reader_frame *frame);

/* Bytes of the file that are read, and all it has; false if it is no regular file. */
bool reader_place(const struct reader *reader, uint64_t *read, uint64_t *size);

void reader_close(struct reader *reader);

#endif
