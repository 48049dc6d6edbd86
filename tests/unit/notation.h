/* notation.h - packets and what becomes of them, a line each:
 *
 *	in:	[+DURATION] [tenant N] PROTOCOL SOURCE DESTINATION [FLAGS] [seq N] [ack N] [len N | text "..."] [bad-checksum]
 *		+1.5s tcp 10.1.1.1:40000 10.96.0.10:80 S seq 1000
 *	out:	VERDICT CT STATE [-> PROTOCOL SOURCE DESTINATION] [(reason)]
 *		accept new SYN_SENT -> tcp 10.1.1.1:40000 10.244.0.5:80
 *
 * FLAGS as tcpdump has them: S, S., ., F., R, R., P. The tuple is given only when it changed.  Every packet that leaves is parsed
 * again, and its checksums are checked. */
#ifndef LUNETTE_TESTS_NOTATION_H
#define LUNETTE_TESTS_NOTATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lunette/lunette.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/build.h"

enum { NOTATION_PACKET = 4096 };

struct notation {
	struct lun_engine *engine;
	uint64_t now;
	uint8_t data[NOTATION_PACKET];
	struct lun_packet packet; /* the last one */
	struct lun_trace trace;   /* of the last one, if `traced` */
	bool traced;
	uint32_t capacity; /* of the last one; 0: all of data */
};

static inline uint8_t notation_flags(const char *text)
{
	uint8_t flags = 0;

	for (; *text; text++)
		flags |= *text == 'S'   ? TCP_SYN
			 : *text == 'F' ? TCP_FIN
			 : *text == 'R' ? TCP_RST
			 : *text == 'P' ? TCP_PSH
			 : *text == 'U' ? TCP_URG
			 : *text == '.' ? TCP_ACK
					: 0;
	return flags;
}

/* Builds the packet of a line; moves the clock. */
static inline void notation_build(struct notation *n, const char *line)
{
	struct packet_spec spec = { .window = 65535 };
	struct lun_tuple tuple = { 0 };
	char copy[2048], payload[2048], *word, *save;
	const char *text = strstr(line, "text \"");
	bool spoil = false;
	int tenant = 0;

	memset(payload, 'x', sizeof(payload));
	snprintf(copy, sizeof(copy), "%.*s", text ? (int)(text - line) : (int)strlen(line), line);
	if (text) {
		text += strlen("text \"");
		spec.payload_length = (uint32_t)(strrchr(text, '"') - text);
		memcpy(payload, text, spec.payload_length);
	}
	spec.payload = payload;
	word = strtok_r(copy, " ", &save);
	if (*word == '+') {
		char *unit;
		double amount = strtod(word + 1, &unit);

		n->now += (uint64_t)(amount * (strcmp(unit, "ms") == 0 ? 1e6 : strcmp(unit, "h") == 0 ? 3600e9 : 1e9));
		word = strtok_r(NULL, " ", &save);
	}
	if (word && strcmp(word, "tenant") == 0) {
		tenant = atoi(strtok_r(NULL, " ", &save));
		word = strtok_r(NULL, " ", &save);
	}
	tuple.protocol = (uint8_t)lun_protocol_number(word);
	assert_int_equal(lun_endpoint_parse(&tuple.source, &tuple.source_port, strtok_r(NULL, " ", &save)), 0);
	assert_int_equal(lun_endpoint_parse(&tuple.destination, &tuple.destination_port, strtok_r(NULL, " ", &save)), 0);
	while ((word = strtok_r(NULL, " ", &save)) != NULL) {
		if (strcmp(word, "seq") == 0)
			spec.sequence = (uint32_t)strtoul(strtok_r(NULL, " ", &save), NULL, 10);
		else if (strcmp(word, "ack") == 0)
			spec.acknowledgement = (uint32_t)strtoul(strtok_r(NULL, " ", &save), NULL, 10);
		else if (strcmp(word, "len") == 0)
			spec.payload_length = (uint32_t)strtoul(strtok_r(NULL, " ", &save), NULL, 10);
		else if (strcmp(word, "bad-checksum") == 0)
			spoil = true;
		else
			spec.tcp_flags = notation_flags(word);
	}
	n->packet = (struct lun_packet) { .data = n->data, .tenant = (uint16_t)tenant };
	n->packet.length = packet_build(n->data, sizeof(n->data), &tuple, &spec);
	assert_true(n->packet.length > 0);
	n->packet.capacity = n->capacity ? n->capacity : sizeof(n->data);
	if (spoil)
		n->data[n->packet.length - 1] ^= 0x55;
}

/* Runs the packet of a line; returns what became of it, in the notation. */
static inline const char *notation_run(struct notation *n, const char *line)
{
	static char result[512];
	char tuple[LUN_TUPLE_TEXT];
	int length;

	notation_build(n, line);
	n->trace =
		(struct lun_trace) { .candidates = n->trace.candidates, .candidate_capacity = n->trace.candidate_capacity };
	n->packet.trace = n->traced ? &n->trace : NULL;
	lun_engine_packets(n->engine, &n->packet, 1, n->now);
	length = snprintf(result, sizeof(result), "%s %s %s", lun_verdict_name(n->packet.verdict), lun_ct_name(n->packet.ct),
			  lun_state_name(n->packet.state));
	if (memcmp(&n->packet.was, &n->packet.is, sizeof(n->packet.was)) != 0)
		length += snprintf(result + length, sizeof(result) - (size_t)length, " -> %s",
				   lun_tuple_format(&n->packet.is, tuple));
	if (n->packet.reason != LUN_REASON_none)
		snprintf(result + length, sizeof(result) - (size_t)length, " (%s)", lun_reason_name(n->packet.reason));
	if (n->packet.verdict == LUN_ACCEPT && !strstr(line, "bad-checksum")) {
		struct lun_packet io = n->packet;
		struct packet left = { .io = &io };

		assert_true(packet_parse(&left));
		assert_true(tuple_equal(&left.tuple, &n->packet.is));
		assert_true(packet_checksums_right(&left));
	}
	return result;
}

struct notation_step {
	const char *in, *out;
};

/* Runs lines in order and compares each result; says which line failed. */
static inline void notation_expect(struct notation *n, const struct notation_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *result = notation_run(n, steps[i].in);

		if (strcmp(result, steps[i].out) != 0)
			fail_msg("step %zu: %s\n  expected: %s\n  got:      %s", i + 1, steps[i].in, steps[i].out, result);
	}
}

#define EXPECT(notation, ...)                                                                                               \
	notation_expect(notation, (const struct notation_step[]) { __VA_ARGS__ },                                           \
			sizeof((const struct notation_step[]) { __VA_ARGS__ }) / sizeof(struct notation_step))

static inline struct lun_address notation_address(const char *text)
{
	struct lun_address address;

	assert_int_equal(lun_address_parse(&address, text), 0);
	return address;
}

static inline struct lun_prefix notation_prefix(const char *text)
{
	struct lun_prefix prefix;

	assert_int_equal(lun_prefix_parse(&prefix, text), 0);
	return prefix;
}

#endif
