/* notation.h - packets and what becomes of them, a line each:
 *
 *	in:	[+DURATION] [tenant N] PROTOCOL SOURCE DESTINATION [FLAGS] [seq N] [ack N] [win N] [scale N] [sackok]
 *		[sack FROM-TO] [tag N] [chunk NAME[:TAG]] [len N | text "..."] [bad-checksum]
 *	or:	[+DURATION] error TYPE/CODE FROM: an ICMP error from that address about the packet that left last
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
#include "packet/checksum.h"

enum { NOTATION_PACKET = 8192 };

struct notation {
	struct lun_engine *engine;
	uint8_t left[NOTATION_PACKET]; /* the packet that left last, as it left */
	uint32_t left_length;
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

/* The line taken apart so far. */
struct notation_line {
	struct packet_spec spec;
	uint8_t options[40];
	uint8_t payload[2048];
	bool spoil;
};

static inline void notation_option(struct notation_line *l, const uint8_t *option, uint32_t size)
{
	memcpy(l->options + l->spec.options_length, option, size);
	l->spec.options_length += size;
}

/* "init:7", "init_ack:9", "cookie_echo", ...: a chunk, with the tag that an INIT asks for. */
static inline void notation_chunk(struct notation_line *l, const char *text)
{
	static const char *const names[] = {
		"data",  "init",     "init_ack",         "sack",  "heartbeat",   "heartbeat_ack",
		"abort", "shutdown", "shutdown_ack",     "error", "cookie_echo", "cookie_ack",
		"",      "",         "shutdown_complete"
	};
	uint8_t *chunk = l->payload + l->spec.payload_length, type = 0;
	const char *tag = strchr(text, ':');
	size_t length = tag ? (size_t)(tag - text) : strlen(text);

	while (strlen(names[type]) != length || strncmp(names[type], text, length) != 0)
		assert_true(++type < 15);
	memset(chunk, 0, 20);
	chunk[0] = type;
	store16(chunk + 2, tag ? 20 : 4);
	if (tag)
		store32(chunk + 4, (uint32_t)strtoul(tag + 1, NULL, 10));
	l->spec.payload_length += tag ? 20 : 4;
}

static inline uint32_t notation_number(char **save)
{
	return (uint32_t)strtoul(strtok_r(NULL, " ", save), NULL, 10);
}

static inline void notation_word(struct notation_line *l, const char *word, char **save)
{
	if (strcmp(word, "seq") == 0)
		l->spec.sequence = notation_number(save);
	else if (strcmp(word, "ack") == 0)
		l->spec.acknowledgement = notation_number(save);
	else if (strcmp(word, "win") == 0)
		l->spec.window = (uint16_t)notation_number(save);
	else if (strcmp(word, "tag") == 0)
		l->spec.tag = notation_number(save);
	else if (strcmp(word, "len") == 0)
		l->spec.payload_length = notation_number(save);
	else if (strcmp(word, "chunk") == 0)
		notation_chunk(l, strtok_r(NULL, " ", save));
	else if (strcmp(word, "scale") == 0)
		notation_option(l, (const uint8_t[4]) { 1, 3, 3, (uint8_t)notation_number(save) }, 4);
	else if (strcmp(word, "sackok") == 0)
		notation_option(l, (const uint8_t[4]) { 1, 1, 4, 2 }, 4);
	else if (strcmp(word, "bad-checksum") == 0)
		l->spoil = true;
	else if (strcmp(word, "sack") == 0) {
		char *range = strtok_r(NULL, " ", save);
		uint8_t option[12] = { 1, 1, 5, 10 };

		store32(option + 4, (uint32_t)strtoul(range, NULL, 10));
		store32(option + 8, (uint32_t)strtoul(strchr(range, '-') + 1, NULL, 10));
		notation_option(l, option, 12);
	} else
		l->spec.tcp_flags = notation_flags(word);
}

/* Moves the clock by a word such as "+1.5s"; returns the next word. */
static inline char *notation_time(struct notation *n, char *word, char **save)
{
	char *unit;
	double amount;

	if (*word != '+')
		return word;
	amount = strtod(word + 1, &unit);
	n->now += (uint64_t)(amount * (strcmp(unit, "ms") == 0  ? 1e6
				       : strcmp(unit, "h") == 0 ? 3600e9
				       : strcmp(unit, "m") == 0 ? 60e9
								: 1e9));
	return strtok_r(NULL, " ", save);
}

/* An ICMP error about the packet that left last. */
static inline void notation_error(struct notation *n, char **save)
{
	char *what = strtok_r(NULL, " ", save);
	struct lun_packet quoted = { .data = n->left, .length = n->left_length };
	struct packet inner = { .io = &quoted };
	struct lun_tuple tuple = { .protocol = LUN_ICMP };
	uint8_t quote[576];
	struct packet_spec spec = { .payload = quote };
	uint32_t header;

	assert_true(packet_parse(&inner));
	assert_int_equal(lun_address_parse(&tuple.source, strtok_r(NULL, " ", save)), 0);
	tuple.destination = inner.tuple.source;
	tuple.protocol = inner.version == 4 ? LUN_ICMP : LUN_ICMPV6;
	spec.payload_length = n->left_length < sizeof(quote) ? n->left_length : sizeof(quote);
	memcpy(quote, n->left, spec.payload_length);
	n->packet = (struct lun_packet) { .data = n->data };
	n->packet.length = packet_build(n->data, sizeof(n->data), &tuple, &spec);
	header = inner.version == 4 ? IP4_HEADER : IP6_HEADER;
	n->data[header] = (uint8_t)atoi(what);
	n->data[header + 1] = (uint8_t)atoi(strchr(what, '/') + 1);
	{ /* its checksum, now that the type is another one */
		struct packet whole = { .io = &n->packet,
					.tuple = tuple,
					.version = inner.version,
					.end = n->packet.length,
					.transport = (uint16_t)header,
					.rebuilt = true };

		packet_seal(&whole);
	}
}

/* Builds the packet of a line; moves the clock. */
static inline void notation_build(struct notation *n, const char *line)
{
	struct notation_line l = { .spec = { .window = 65535 } };
	struct lun_tuple tuple = { 0 };
	char copy[2048], *word, *save;
	const char *text = strstr(line, "text \"");
	int tenant = 0;

	memset(l.payload, 'x', sizeof(l.payload));
	snprintf(copy, sizeof(copy), "%.*s", text ? (int)(text - line) : (int)strlen(line), line);
	if (text) {
		text += strlen("text \"");
		l.spec.payload_length = (uint32_t)(strrchr(text, '"') - text);
		memcpy(l.payload, text, l.spec.payload_length);
	}
	l.spec.payload = l.payload;
	l.spec.options = l.options;
	word = notation_time(n, strtok_r(copy, " ", &save), &save);
	if (strcmp(word, "tenant") == 0) {
		tenant = atoi(strtok_r(NULL, " ", &save));
		word = strtok_r(NULL, " ", &save);
	}
	if (strcmp(word, "error") == 0) {
		notation_error(n, &save);
		n->packet.capacity = sizeof(n->data);
		return;
	}
	tuple.protocol = (uint8_t)lun_protocol_number(word);
	assert_int_equal(lun_endpoint_parse(&tuple.source, &tuple.source_port, strtok_r(NULL, " ", &save)), 0);
	assert_int_equal(lun_endpoint_parse(&tuple.destination, &tuple.destination_port, strtok_r(NULL, " ", &save)), 0);
	while ((word = strtok_r(NULL, " ", &save)) != NULL)
		notation_word(&l, word, &save);
	n->packet = (struct lun_packet) { .data = n->data, .tenant = (uint16_t)tenant };
	n->packet.length = packet_build(n->data, sizeof(n->data), &tuple, &l.spec);
	assert_true(n->packet.length > 0);
	n->packet.capacity = n->capacity ? n->capacity : sizeof(n->data);
	if (l.spoil)
		n->data[n->packet.length - 1] ^= 0x55;
}

/* Runs the packet of a line; returns what became of it, in the notation. */
static inline const char *notation_run(struct notation *n, const char *line)
{
	static char result[512];
	static uint8_t before[NOTATION_PACKET];
	char tuple[LUN_TUPLE_TEXT];
	int length;

	notation_build(n, line);
	n->trace =
		(struct lun_trace) { .candidates = n->trace.candidates, .candidate_capacity = n->trace.candidate_capacity };
	n->packet.trace = n->traced ? &n->trace : NULL;
	memcpy(before, n->data, n->packet.length);
	lun_engine_packets(n->engine, &n->packet, 1, n->now);
	assert_true(n->packet.changed || memcmp(n->data, before, n->packet.length) == 0);
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
		assert_true(tuple_equal(packet_was(&left), &n->packet.is));
		assert_true(packet_checksums_right(&left));
		if (left.role != PACKET_ICMP_ERROR) {
			memcpy(n->left, n->data, n->packet.length);
			n->left_length = n->packet.length;
		}
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
