/* lines.c - any bytes as packets in the notation of tests: a line is refused with a word why, or becomes a packet that can be read. */
#include "fuzz.h"

#include <lunette/replay.h>

enum { ROOM = 2048 };

/* Builds the packet of a line behind the one that `left` holds, which it replaces. */
static void build(const char *line, struct lun_packet *left)
{
	uint8_t bytes[ROOM];
	struct lun_packet packet = { .data = bytes, .capacity = sizeof(bytes) };
	struct lun_packet_fields fields;
	struct lun_error error = { .text = "" };
	struct lun_tuple tuple;
	char text[LUN_LINE_TEXT];
	uint64_t wait;
	int code = lun_packet_from_line(&packet, line, left, &wait, &error);

	if (code < 0) {
		MUST((code == LUN_BAD_ARGUMENT || code == LUN_FULL) && error.text[0] && strlen(error.text) < 300);
		return;
	}
	MUST(packet.length > 0 && packet.length <= ROOM);
	MUST(strlen(lun_packet_to_line(&packet, text)) < LUN_LINE_TEXT);
	if (lun_packet_read(bytes, packet.length, &tuple, &fields) < 0)
		return; /* an ICMP error, or "bad-checksum" spoilt the header */
	memcpy(left->data, bytes, packet.length);
	left->length = packet.length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[ROOM];
	struct lun_packet left = { .data = bytes };
	char *text = malloc(size + 1), *rest;

	MUST(text);
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		build(line, &left);
	free(text);
	return 0;
}
