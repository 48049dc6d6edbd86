/* make_capture.c - a large capture of small packets, for measuring `lunette replay`.
 *
 * UDP from many clients to one service, 10.96.0.10:53, in frames of 64 to 100 bytes: each packet is of a client drawn at random,
 * which is the hardest order for the engine's memory.  Checksums are right.  Timestamps are evenly spaced.  The same arguments
 * give the same bytes.
 *
 *	make_capture 1000000000 >big.pcap         a gigabyte: some ten million packets of 100,000 flows, in ten seconds
 *	make_capture 1000000000 100000 20000      the same packets, 20,000 a second: fifty times as long */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOWS = 100000, RATE = 1000000, FRAME_LEAST = 64, FRAME_MOST = 100 };
enum { IP = 14, IP_CHECKSUM = IP + 10, IP_SOURCE = IP + 12, UDP = IP + 20, UDP_LENGTH = UDP + 4, UDP_CHECKSUM = UDP + 6 };

struct settings {
	uint64_t bytes, flows, rate;
};

static void usage(void)
{
	fprintf(stderr, "usage: make_capture BYTES [FLOWS [PACKETS_PER_SECOND]] >CAPTURE\n"
			"  FLOWS from 1 to 16,777,216 (100,000), PACKETS_PER_SECOND from 1 to 1,000,000 (1,000,000)\n");
	exit(2);
}

static uint64_t number(const char *text, uint64_t most)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || value < 1 || value > most)
		usage();
	return value;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* xorshift64*, Vigna 2014; below `limit` by multiplication. */
static uint32_t random_below(uint32_t limit)
{
	static uint64_t state = 1;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)(((state * 0x2545f4914f6cdd1du >> 32) * limit) >> 32);
}

static uint32_t sum(const uint8_t *bytes, size_t size)
{
	uint32_t total = 0;

	for (size_t i = 0; i < size; i++)
		total += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	return total;
}

static uint32_t checksum(uint32_t total)
{
	total = (total & 0xffff) + (total >> 16);
	total = (total & 0xffff) + (total >> 16);
	return ~total & 0xffff;
}

/* A frame of `size` bytes of the client number `client`; each has an address and a port that no other has. */
static void build(uint8_t frame[FRAME_MOST], uint32_t size, uint32_t client)
{
	static const uint8_t start[] = { 2,  0, 0, 0, 0,  1,  2,  0,  0,  0,  0, 2, 8, 0, /* Ethernet */
					 69, 0, 0, 0, 0,  0,  64, 0,  64, 17, 0, 0,       /* IPv4, don't fragment, UDP */
					 10, 0, 0, 0, 10, 96, 0,  10, 0,  0,  0, 53 };
	uint32_t udp = size - UDP, total;

	memset(frame, 0, FRAME_MOST);
	memcpy(frame, start, sizeof(start));
	put16(frame + IP + 2, size - IP);
	put16(frame + IP_SOURCE + 1, client >> 8 & 0xffff);
	frame[IP_SOURCE + 3] = (uint8_t)client;
	put16(frame + IP_CHECKSUM, checksum(sum(frame + IP, UDP - IP)));
	put16(frame + UDP, 1024 + client * 40503u % (65536 - 1024));
	put16(frame + UDP_LENGTH, udp);
	total = sum(frame + IP_SOURCE, size - IP_SOURCE) + 17 + udp;
	put16(frame + UDP_CHECKSUM, checksum(total) ? checksum(total) : 0xffff);
}

static void write_capture(const struct settings *settings)
{
	static const uint32_t header[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1 }; /* pcap with microseconds, Ethernet */
	uint64_t written = sizeof(header);
	uint8_t frame[FRAME_MOST];

	fwrite(header, sizeof(header), 1, stdout);
	for (uint64_t packet = 0; written < settings->bytes && !ferror(stdout); packet++) {
		uint32_t size = FRAME_LEAST + random_below(FRAME_MOST - FRAME_LEAST + 1);
		uint64_t microseconds = packet * RATE / settings->rate;
		const uint32_t record[4] = { 1700000000 + (uint32_t)(microseconds / 1000000),
					     (uint32_t)(microseconds % 1000000), size, size };

		build(frame, size, random_below((uint32_t)settings->flows));
		fwrite(record, sizeof(record), 1, stdout);
		fwrite(frame, size, 1, stdout);
		written += sizeof(record) + size;
	}
}

int main(int argc, char **argv)
{
	struct settings settings = { .flows = FLOWS, .rate = RATE };

	if (argc < 2 || argc > 4)
		usage();
	settings.bytes = number(argv[1], UINT64_MAX);
	if (argc > 2)
		settings.flows = number(argv[2], 1 << 24);
	if (argc > 3)
		settings.rate = number(argv[3], RATE);
	write_capture(&settings);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	perror("make_capture");
	return 1;
}
