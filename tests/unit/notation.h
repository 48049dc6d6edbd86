/* notation.h - packets and what becomes of them, a line each:
 *
 *	in:	+1.5s tcp 10.1.1.1:40000 10.96.0.1:80 S seq 1000	(lun_packet_from_line)
 *	out:	accept new SYN_SENT -> tcp 10.1.1.1:40000 10.244.0.5:80	(lun_packet_outcome)
 *
 * Every packet that leaves is parsed again, and its checksums are checked. */
#ifndef LUNETTE_TESTS_NOTATION_H
#define LUNETTE_TESTS_NOTATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lunette/replay.h>
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

/* Builds the packet of a line; moves the clock. */
static inline void notation_build(struct notation *n, const char *line)
{
	const struct lun_packet left = { .data = n->left, .length = n->left_length };
	struct lun_error error;
	uint64_t wait;

	n->packet = (struct lun_packet) { .data = n->data, .capacity = sizeof(n->data) };
	if (lun_packet_from_line(&n->packet, line, &left, &wait, &error) < 0)
		fail_msg("%s: %s", line, error.text);
	n->now += wait;
	if (n->capacity)
		n->packet.capacity = n->capacity;
}

/* Runs the packet of a line; returns what became of it, in the notation. */
static inline const char *notation_run(struct notation *n, const char *line)
{
	static char result[LUN_OUTCOME_TEXT];
	static uint8_t before[NOTATION_PACKET];

	notation_build(n, line);
	n->trace =
		(struct lun_trace) { .candidates = n->trace.candidates, .candidate_capacity = n->trace.candidate_capacity };
	n->packet.trace = n->traced ? &n->trace : NULL;
	memcpy(before, n->data, n->packet.length);
	lun_engine_packets(n->engine, &n->packet, 1, n->now);
	assert_true(n->packet.changed || memcmp(n->data, before, n->packet.length) == 0);
	lun_packet_outcome(&n->packet, result);
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
