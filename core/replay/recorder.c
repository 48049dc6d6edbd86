/* recorder.c - a pcapng file in which every packet stands twice: as it came, on the interface "in", with what was decided of it as
 * its comment, and as it left, on "out".
 *
 * libpcap writes pcapng neither with two interfaces nor with comments, and the format is simple (draft-ietf-opsawg-pcapng, sections
 * 3 and 4): blocks of a type, a length, a body padded to four bytes, options, and the length again; in the byte order of the host,
 * which the section's magic tells.
 *
 * Packets have the header of Linux' cooked captures, which tells the two ways apart, too.  Raw IP would do, but libpcap 1.10 takes a
 * second interface of that type for one of another type than the first.
 *
 * What came is kept while the engine works, for it translates in place, and whether a packet is wanted may show only when it
 * leaves: a filter on a service's address is to find the answers, too. */
#include "base/fail.h"

#include <errno.h>
#include <lunette/replay.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SECTION_BLOCK = 0x0A0D0D0A,
	INTERFACE_BLOCK = 1,
	PACKET_BLOCK = 6, /* enhanced */
	BYTE_ORDER_MAGIC = 0x1A2B3C4D,
	OPTION_COMMENT = 1,
	OPTION_NAME = 2,        /* of an interface */
	OPTION_APPLICATION = 4, /* of a section */
	OPTION_RESOLUTION = 9,  /* of an interface */
	NANOSECONDS = 9,        /* 10^-9 s */
	LINKTYPE_LINUX_SLL = 113,
	LINK_SIZE = 16,
	COMMENT_MOST = 600,
	BLOCK_MOST = UINT16_MAX + COMMENT_MOST + 128,
	DEFAULT_LIMIT = 100 << 20,
};

enum interface { IN, OUT };

struct kept {
	uint8_t *data;
	uint32_t capacity, length, wire_length;
};

struct lun_recorder {
	FILE *file;
	const char *path;
	struct lun_filter *filter;
	uint64_t limit, written;
	bool stopped;
	struct kept kept[LUN_RECORDER_PACKETS];
	uint8_t block[BLOCK_MOST];
	size_t used; /* bytes of the block so far */
};

/* ---- blocks ---- */

static void put(struct lun_recorder *recorder, const void *bytes, size_t size)
{
	memcpy(recorder->block + recorder->used, bytes, size);
	recorder->used += size;
	while (recorder->used % 4)
		recorder->block[recorder->used++] = 0;
}

static void put_u32(struct lun_recorder *recorder, uint32_t value)
{
	put(recorder, &value, sizeof(value));
}

static void put_pair(struct lun_recorder *recorder, uint16_t first, uint16_t second)
{
	const uint16_t pair[2] = { first, second };

	put(recorder, pair, sizeof(pair));
}

static void put_option(struct lun_recorder *recorder, uint16_t code, const void *value, size_t size)
{
	put_pair(recorder, code, (uint16_t)size);
	put(recorder, value, size);
}

static void begin_block(struct lun_recorder *recorder, uint32_t type)
{
	recorder->used = 0;
	put_u32(recorder, type);
	put_u32(recorder, 0); /* its length */
}

/* The end of options, the length in both places, and out with it.  Returns 0, LUN_FULL or LUN_SYSTEM. */
static int end_block(struct lun_recorder *recorder)
{
	uint32_t length;

	put_pair(recorder, 0, 0);
	length = (uint32_t)recorder->used + sizeof(length);
	memcpy(recorder->block + sizeof(length), &length, sizeof(length));
	put_u32(recorder, length);
	if (recorder->written + length > recorder->limit)
		return LUN_FULL;
	recorder->written += length;
	return fwrite(recorder->block, 1, length, recorder->file) == length ? 0 : LUN_SYSTEM;
}

static int write_section(struct lun_recorder *recorder)
{
	const uint64_t length_unknown = UINT64_MAX;
	static const char application[] = "lunette";

	begin_block(recorder, SECTION_BLOCK);
	put_u32(recorder, BYTE_ORDER_MAGIC);
	put_pair(recorder, 1, 0);
	put(recorder, &length_unknown, sizeof(length_unknown));
	put_option(recorder, OPTION_APPLICATION, application, strlen(application));
	return end_block(recorder);
}

static int write_interface(struct lun_recorder *recorder, const char *name)
{
	const uint8_t resolution = NANOSECONDS;

	begin_block(recorder, INTERFACE_BLOCK);
	put_pair(recorder, LINKTYPE_LINUX_SLL, 0);
	put_u32(recorder, 0); /* no limit of length */
	put_option(recorder, OPTION_NAME, name, strlen(name));
	put_option(recorder, OPTION_RESOLUTION, &resolution, sizeof(resolution));
	return end_block(recorder);
}

/* The type of the packet (to us, from us), ARPHRD_NONE, no address, the protocol; big-endian. */
static void put_link(struct lun_recorder *recorder, enum interface interface, const uint8_t *packet)
{
	uint8_t header[LINK_SIZE] = { 0, interface == IN ? 0 : 4, 0xff, 0xfe };

	header[14] = packet[0] >> 4 == 6 ? 0x86 : 0x08;
	header[15] = packet[0] >> 4 == 6 ? 0xdd : 0x00;
	put(recorder, header, sizeof(header));
}

static int write_packet(struct lun_recorder *recorder, enum interface interface, const struct kept *packet, uint64_t time,
			const char *comment)
{
	uint32_t length = packet->length <= UINT16_MAX ? packet->length : UINT16_MAX;

	begin_block(recorder, PACKET_BLOCK);
	put_u32(recorder, interface);
	put_u32(recorder, (uint32_t)(time >> 32));
	put_u32(recorder, (uint32_t)time);
	put_u32(recorder, LINK_SIZE + length);
	put_u32(recorder, LINK_SIZE + (packet->wire_length > length ? packet->wire_length : length));
	put_link(recorder, interface, packet->data);
	put(recorder, packet->data, length);
	put_option(recorder, OPTION_COMMENT, comment, strlen(comment));
	return end_block(recorder);
}

/* ---- packets ---- */

void lun_recorder_before(struct lun_recorder *recorder, size_t index, const struct lun_packet *packet)
{
	struct kept *kept = &recorder->kept[index];

	kept->length = 0;
	if (recorder->stopped)
		return;
	if (packet->length > kept->capacity) {
		uint8_t *data = realloc(kept->data, packet->length);

		if (!data)
			return;
		kept->data = data;
		kept->capacity = packet->length;
	}
	memcpy(kept->data, packet->data, packet->length);
	kept->length = packet->length;
	kept->wire_length = packet->wire_length;
}

/* "accept, established, flow 7, tcp 10.1.1.1:40000 10.96.0.10:80, endpoint 10.244.0.5:80" */
static void comment_on(const struct lun_packet *packet, const struct lun_engine *engine, char comment[COMMENT_MOST])
{
	char was[LUN_TUPLE_TEXT], endpoint[LUN_ADDRESS_TEXT];
	struct lun_flow flow;
	int used = snprintf(comment, COMMENT_MOST, "%s, %s", lun_verdict_name(packet->verdict), lun_ct_name(packet->ct));

	if (packet->reason != LUN_REASON_none)
		used += snprintf(comment + used, (size_t)(COMMENT_MOST - used), ", %s (%s)", lun_reason_name(packet->reason),
				 lun_reason_text(packet->reason));
	if (packet->was.protocol)
		used += snprintf(comment + used, (size_t)(COMMENT_MOST - used), ", %s", lun_tuple_format(&packet->was, was));
	if (packet->flow && lun_flow_find(engine, &packet->was, &flow) == 0)
		snprintf(comment + used, (size_t)(COMMENT_MOST - used), ", flow %llu, %s, endpoint %s",
			 (unsigned long long)flow.id, lun_state_name(flow.state),
			 lun_endpoint_format(&flow.reply.source, flow.reply.source_port, endpoint));
}

/* Nothing more is written from the first failure on. */
static int settle(struct lun_recorder *recorder, int code, struct lun_error *error)
{
	int why = errno;

	if (code == 0 && fflush(recorder->file) == 0)
		return 0;
	why = code == 0 ? errno : why;
	recorder->stopped = true;
	if (code == LUN_FULL)
		return fail(error, LUN_FULL, "%s: is as long as it may be, %llu bytes; no more packets are written",
			    recorder->path, (unsigned long long)recorder->limit);
	return fail(error, LUN_SYSTEM, "%s: %s; no more packets are written", recorder->path, strerror(why));
}

int lun_recorder_after(struct lun_recorder *recorder, size_t index, const struct lun_packet *packet,
		       const struct lun_engine *engine, uint64_t time, struct lun_error *error)
{
	const struct kept *in = &recorder->kept[index];
	const struct kept out = { .data = packet->data, .length = packet->length };
	bool left = packet->verdict == LUN_ACCEPT && packet->changed;
	char comment[COMMENT_MOST];
	int code;

	if (recorder->stopped || in->length == 0 ||
	    (!lun_filter_holds(recorder->filter, in->data, in->length, in->wire_length) &&
	     !(left && lun_filter_holds(recorder->filter, out.data, out.length, 0))))
		return 0;
	comment_on(packet, engine, comment);
	code = write_packet(recorder, IN, in, time, comment);
	if (code == 0 && packet->verdict == LUN_ACCEPT)
		code = write_packet(recorder, OUT, packet->changed ? &out : in, time,
				    packet->changed ? "translated" : "as it came");
	return settle(recorder, code, error);
}

int lun_recorder_emitted(struct lun_recorder *recorder, const uint8_t *data, uint32_t length, uint64_t time,
			 struct lun_error *error)
{
	const struct kept out = { .data = (uint8_t *)(uintptr_t)data, .length = length };

	if (recorder->stopped || !lun_filter_holds(recorder->filter, data, length, 0))
		return 0;
	return settle(recorder, write_packet(recorder, OUT, &out, time, "made by the engine"), error);
}

/* ---- open and close ---- */

int lun_recorder_open(struct lun_recorder **result, const struct lun_recorder_config *config, struct lun_error *error)
{
	struct lun_recorder *recorder = calloc(1, sizeof(*recorder));
	int code = 0;

	if (!recorder)
		return fail(error, LUN_NO_MEMORY, "%s: %s", config->path, lun_strerror(LUN_NO_MEMORY));
	recorder->path = config->path;
	recorder->limit = config->limit ? config->limit : DEFAULT_LIMIT;
	if (config->filter)
		code = lun_filter_new(&recorder->filter, config->filter, error);
	if (code == 0) {
		recorder->file = fopen(config->path, "we");
		code = recorder->file ? 0 : fail(error, LUN_SYSTEM, "%s: %s", config->path, strerror(errno));
	}
	if (code == 0) {
		code = write_section(recorder);
		if (code == 0)
			code = write_interface(recorder, "in");
		if (code == 0)
			code = write_interface(recorder, "out");
		code = settle(recorder, code, error);
	}
	if (code < 0)
		lun_recorder_close(recorder);
	else
		*result = recorder;
	return code;
}

void lun_recorder_close(struct lun_recorder *recorder)
{
	if (!recorder)
		return;
	if (recorder->file)
		fclose(recorder->file); /* all is written: settle has seen to it, packet by packet */
	for (size_t i = 0; i < LUN_RECORDER_PACKETS; i++)
		free(recorder->kept[i].data);
	lun_filter_free(recorder->filter);
	free(recorder);
}
