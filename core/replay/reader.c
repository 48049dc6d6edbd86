/* reader.c - frames out of libpcap: the clock, and the bounds of the IP packet in each.
 *
 * A frame may be longer than its IP packet (Ethernet pads to 60 bytes) and shorter (a capture cuts at its snap length).  The
 * IP header's total length tells the two apart, but is believed only where it makes the packet shorter than the frame: what
 * it claims beyond that is for the engine to refuse. */
#include "replay/reader.h"

#include "base/bytes.h"
#include "base/fail.h"
#include "replay/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IP4_HEADER_MIN = 20, IP6_HEADER_SIZE = 40, HOP_BY_HOP = 0, FRAGMENT_BITS = 0x3fff /* more, and the offset */ };

enum { BUFFER_SIZE = 262144 /* a system call for some thousand small packets, and fits the usual second-level cache */ };

#define SECOND 1000000000ull
#define LATEST (1ull << 62) /* the year 2116: whatever a hostile file says, timers can still be added to it */

/* Opens the file for libpcap, with a large buffer and, as one thread reads it, without locks: together half of what its reading
 * costs.  Standard input is opened once more, so that closing is the same for all and the buffer can go. */
static FILE *open_file(struct reader *reader, const char *name, bool standard)
{
	int copy = standard ? dup(STDIN_FILENO) : -1;
	FILE *file = NULL;

	if (!standard)
		file = fopen(name, "rb");
	else if (copy >= 0)
		file = fdopen(copy, "rb");

	if (!file) {
		if (copy >= 0)
			close(copy);
		return NULL;
	}
	reader->buffer = malloc(BUFFER_SIZE);
	if (reader->buffer)
		setvbuf(file, reader->buffer, _IOFBF, BUFFER_SIZE);
	__fsetlocking(file, FSETLOCKING_BYCALLER);
	return file;
}

int reader_open(struct reader *reader, const char *name, struct lun_error *error)
{
	char why[PCAP_ERRBUF_SIZE];
	bool standard = strcmp(name, "-") == 0;
	FILE *file;

	*reader = (struct reader) { .name = standard ? "standard input" : name };
	file = open_file(reader, name, standard);
	if (!file)
		return fail(error, LUN_BAD_FILE, "%s: %s", reader->name, strerror(errno));
	reader->pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!reader->pcap) {
		fclose(file);
		free(reader->buffer);
		return fail(error, LUN_BAD_FILE, "%s: not a capture: %s", reader->name, why);
	}
	reader->link_type = pcap_datalink(reader->pcap);
	if (!link_is_supported(reader->link_type)) {
		const char *type = pcap_datalink_val_to_name(reader->link_type);

		fail(error, LUN_BAD_FILE,
		     "%s: link type %s (%d) is not supported, expected Ethernet, Linux cooked or raw IP", reader->name,
		     type ? type : "unknown", reader->link_type);
		reader_close(reader);
		return LUN_BAD_FILE;
	}
	reader->plain = plain_new(reader->pcap);
	return 0;
}

void reader_close(struct reader *reader)
{
	plain_free(reader->plain);
	pcap_close(reader->pcap);
	free(reader->buffer);
}

bool reader_place(const struct reader *reader, uint64_t *read, uint64_t *size)
{
	FILE *file = pcap_file(reader->pcap);
	off_t offset = reader->plain ? (off_t)plain_place(reader->plain) : ftello(file);
	struct stat status;

	if (offset < 0 || fstat(fileno(file), &status) < 0 || !S_ISREG(status.st_mode))
		return false;
	*read = (uint64_t)offset;
	*size = (uint64_t)status.st_size;
	return true;
}

static uint64_t time_of(const struct pcap_pkthdr *header)
{
	uint64_t seconds = header->ts.tv_sec < 0 ? 0 : (uint64_t)header->ts.tv_sec;
	uint64_t rest = header->ts.tv_usec < 0 ? 0 : (uint64_t)header->ts.tv_usec;

	if (seconds >= LATEST / SECOND)
		return LATEST;
	return seconds * SECOND + (rest < SECOND ? rest : SECOND - 1);
}

/* What the IP header says that the packet's length is; 0 if that cannot be believed. */
static uint32_t total_length(const uint8_t *ip, uint32_t captured)
{
	if (captured >= IP4_HEADER_MIN && ip[0] >> 4 == 4) {
		uint32_t header = (uint32_t)(ip[0] & 0x0f) * 4, total = load16(ip + 2);

		return header >= IP4_HEADER_MIN && total >= header ? total : 0;
	}
	if (captured >= IP6_HEADER_SIZE && ip[0] >> 4 == 6) {
		uint32_t payload = load16(ip + 4);

		/* A jumbogram (RFC 2675) has its length in the option. */
		return payload || ip[6] != HOP_BY_HOP ? IP6_HEADER_SIZE + payload : 0;
	}
	return 0;
}

/* An extension header of IPv6 may be followed by the one of a fragment. */
static bool may_be_fragment(const uint8_t *ip, uint32_t captured)
{
	if (captured >= IP4_HEADER_MIN && ip[0] >> 4 == 4)
		return load16(ip + 6) & FRAGMENT_BITS;
	if (captured >= IP6_HEADER_SIZE && ip[0] >> 4 == 6)
		return ip[6] != LUN_TCP && ip[6] != LUN_UDP && ip[6] != LUN_ICMPV6 && ip[6] != LUN_SCTP;
	return false;
}

static void measure(struct reader_frame *frame, int link_type)
{
	uint32_t captured = frame->header.caplen, wire = frame->header.len, total;
	int link_size = link_header_size(link_type, frame->data, captured);

	frame->ip = link_size >= 0;
	if (!frame->ip)
		return;
	frame->link_size = (uint32_t)link_size;
	captured -= frame->link_size;
	wire = wire > frame->header.caplen ? wire - frame->link_size : captured;
	frame->fragment = may_be_fragment(frame->data + frame->link_size, captured);
	total = total_length(frame->data + frame->link_size, captured);
	if (total && total < wire)
		wire = total;
	frame->length = captured < wire ? captured : wire;
	frame->wire_length = wire > frame->length ? wire : 0;
}

/* The next record by libpcap; false at the end and where it is not one. */
static bool next_record(struct reader *reader, struct reader_frame *frame)
{
	struct pcap_pkthdr *header;
	const u_char *data;
	int result = pcap_next_ex(reader->pcap, &header, &data);

	if (result == 1 && header->caplen <= READER_FRAME_MAX) {
		frame->header = *header;
		frame->data = data;
		return true;
	}
	if (result != PCAP_ERROR_BREAK)
		snprintf(reader->problem, sizeof(reader->problem), "after frame %llu: %.240s",
			 (unsigned long long)reader->frames,
			 result == 1 ? "a frame longer than any can be" : pcap_geterr(reader->pcap));
	return false;
}

bool reader_next(struct reader *reader, struct reader_frame *frame)
{
	if (reader->plain && !plain_next(reader->plain, &frame->header, &frame->data)) {
		plain_free(reader->plain);
		reader->plain = NULL;
	}
	if (!reader->plain && !next_record(reader, frame))
		return false;
	measure(frame, reader->link_type);
	frame->time = time_of(&frame->header);
	if (reader->frames++ == 0)
		reader->first = frame->time;
	if (frame->time > reader->now)
		reader->now = frame->time;
	return true;
}
