/* plain.c - see plain.h. */
#include "replay/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_HEADER = 24, MICROSECONDS = 0xa1b2c3d4, NANOSECONDS = 0xa1b23c4d };

enum { BUFFER = 262144 /* a system call for some thousand small packets, and fits the usual second-level cache */ };

struct record {
	uint32_t seconds, fraction, captured, length;
};

struct plain {
	pcap_t *pcap;
	int descriptor;
	uint32_t unit;  /* ns that the fraction of a second counts */
	uint32_t snap;  /* bytes of the longest record */
	uint64_t place; /* in the file, of the buffer's first byte */
	uint32_t at, filled;
	uint8_t buffer[BUFFER];
};

struct plain *plain_new(pcap_t *pcap)
{
	FILE *file = pcap_file(pcap);
	off_t place = ftello(file);
	struct plain *plain;
	uint32_t magic;

	if (place < FILE_HEADER || pread(fileno(file), &magic, sizeof(magic), place - FILE_HEADER) != sizeof(magic))
		return NULL;
	if ((magic != MICROSECONDS && magic != NANOSECONDS) || pcap_major_version(pcap) != 2 ||
	    pcap_minor_version(pcap) != 4)
		return NULL;
	plain = malloc(sizeof(*plain));
	if (!plain)
		return NULL;
	plain->pcap = pcap;
	plain->descriptor = fileno(file);
	plain->unit = magic == MICROSECONDS ? 1000 : 1;
	plain->snap = (uint32_t)pcap_snapshot(pcap);
	plain->place = (uint64_t)place;
	plain->at = plain->filled = 0;
	return plain;
}

/* Moves what is left to the front, and reads as much as has room behind it. */
static void fill(struct plain *plain)
{
	ssize_t added;

	plain->filled -= plain->at;
	plain->place += plain->at;
	memmove(plain->buffer, plain->buffer + plain->at, plain->filled);
	plain->at = 0;
	added = pread(plain->descriptor, plain->buffer + plain->filled, BUFFER - plain->filled,
		      (off_t)(plain->place + plain->filled));
	if (added > 0)
		plain->filled += (uint32_t)added;
}

/* Whether `size` bytes are in the buffer, now or after reading. */
static bool has(struct plain *plain, uint32_t size)
{
	if (plain->filled - plain->at < size)
		fill(plain);
	return plain->filled - plain->at >= size;
}

static bool is_odd(const struct plain *plain, const struct record *record)
{
	return record->captured > plain->snap || record->captured > BUFFER - sizeof(*record) ||
	       record->seconds > INT32_MAX || record->fraction >= 1000000000 / plain->unit;
}

bool plain_next(struct plain *plain, struct pcap_pkthdr *header, const uint8_t **data)
{
	struct record record;

	if (has(plain, sizeof(record))) {
		memcpy(&record, plain->buffer + plain->at, sizeof(record));
		if (!is_odd(plain, &record) && has(plain, (uint32_t)sizeof(record) + record.captured)) {
			header->ts.tv_sec = (time_t)record.seconds;
			header->ts.tv_usec = (suseconds_t)record.fraction * plain->unit;
			header->caplen = record.captured;
			header->len = record.length;
			*data = plain->buffer + plain->at + sizeof(record);
			plain->at += (uint32_t)sizeof(record) + record.captured;
			return true;
		}
	}
	fseeko(pcap_file(plain->pcap), (off_t)plain_place(plain), SEEK_SET);
	return false;
}

uint64_t plain_place(const struct plain *plain)
{
	return plain->place + plain->at;
}

void plain_free(struct plain *plain)
{
	free(plain);
}
