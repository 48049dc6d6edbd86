/* query.c - the packet of a question: "tcp 203.0.113.2:40000 172.30.0.41:80". */
#include "base/fail.h"
#include "packet/build.h"

#include <lunette/replay.h>
#include <string.h>

#define EXPECTED "expected PROTOCOL SOURCE:PORT DESTINATION:PORT"

enum { QUERY_SIZE = 200, WORDS = 3 };

static int parse_end(struct lun_address *address, uint16_t *port, const char *text, struct lun_error *error)
{
	if (lun_endpoint_parse(address, port, text) < 0)
		return fail(error, LUN_BAD_ARGUMENT, "bad address %.60s, expected 10.0.0.1:80 or [fd00::1]:80", text);
	if (*port == 0)
		return fail(error, LUN_BAD_ARGUMENT, "%.60s has no port, expected 10.0.0.1:80 or [fd00::1]:80", text);
	return 0;
}

/* `tuple` comes zeroed. */
static int parse_words(struct lun_tuple *tuple, char *words[WORDS], struct lun_error *error)
{
	int protocol = lun_protocol_number(words[0]);

	if (protocol != LUN_TCP && protocol != LUN_UDP && protocol != LUN_SCTP)
		return fail(error, LUN_BAD_ARGUMENT, "unknown protocol %.60s, expected tcp, udp or sctp", words[0]);
	tuple->protocol = (uint8_t)protocol;
	if (parse_end(&tuple->source, &tuple->source_port, words[1], error) < 0 ||
	    parse_end(&tuple->destination, &tuple->destination_port, words[2], error) < 0)
		return LUN_BAD_ARGUMENT;
	if (lun_address_is_v4(&tuple->source) != lun_address_is_v4(&tuple->destination))
		return fail(error, LUN_BAD_ARGUMENT, "%.60s and %.60s are of two families, expected one", words[1],
			    words[2]);
	return 0;
}

static int parse_query(struct lun_tuple *tuple, const char *query, struct lun_error *error)
{
	char copy[QUERY_SIZE], *words[WORDS], *rest;
	size_t length = strlen(query);
	int count = 0;

	if (length >= sizeof(copy))
		return fail(error, LUN_BAD_ARGUMENT, "a query of more than %d characters, " EXPECTED, QUERY_SIZE - 1);
	memcpy(copy, query, length + 1);
	for (char *word = strtok_r(copy, " \t\r\n", &rest); word; word = strtok_r(NULL, " \t\r\n", &rest)) {
		if (count == WORDS)
			return fail(error, LUN_BAD_ARGUMENT, "unexpected %.60s at the end, " EXPECTED, word);
		words[count++] = word;
	}
	if (count < WORDS)
		return fail(error, LUN_BAD_ARGUMENT, "%d of 3 words, " EXPECTED, count);
	return parse_words(tuple, words, error);
}

/* RFC 9260, 3.3.2: an INIT chunk with tag, window, ten streams each way, and the first sequence number. */
static const uint8_t init_chunk[] = { 1, 0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1 };

int lun_replay_query(const char *query, uint8_t *data, size_t capacity, struct lun_packet *packet, struct lun_error *error)
{
	struct packet_spec spec = { .tcp_flags = TCP_SYN, .window = 64240, .sequence = 1 };
	uint32_t room = capacity < UINT32_MAX ? (uint32_t)capacity : UINT32_MAX;
	struct lun_tuple tuple = { 0 };

	if (parse_query(&tuple, query, error) < 0)
		return LUN_BAD_ARGUMENT;
	if (tuple.protocol == LUN_UDP) {
		spec.payload = "ping";
		spec.payload_length = 4;
	}
	if (tuple.protocol == LUN_SCTP) {
		spec.payload = init_chunk;
		spec.payload_length = sizeof(init_chunk);
	}
	*packet = (struct lun_packet) { .data = data, .capacity = room };
	packet->length = packet_build(data, room, &tuple, &spec);
	return packet->length ? 0 : fail(error, LUN_FULL, "no room for the packet in %zu bytes", capacity);
}
