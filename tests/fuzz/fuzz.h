/* fuzz.h - what the fuzzers share.
 *
 * A fuzzer is one function of bytes, LLVMFuzzerTestOneInput, that must come back, whatever the bytes are, and says with MUST
 * what has to hold.  libFuzzer feeds it (tests/quality/fuzz.sh); built with -DFUZZ_REPLAY, as by default, it is a plain
 * program that runs its corpus, corpus/NAME.hex: so the corpus is a regression test for any compiler. */
#ifndef LUNETTE_TESTS_FUZZ_H
#define LUNETTE_TESTS_FUZZ_H

#include <lunette/lunette.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet.h"

#define MUST(condition)                                                                                                     \
	do {                                                                                                                \
		if (!(condition)) {                                                                                         \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition);                          \
			abort();                                                                                            \
		}                                                                                                           \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the input, read from the front ---- */

struct input {
	const uint8_t *at;
	size_t left;
};

/* The next byte; zero when there is none. */
static inline uint8_t input_byte(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

/* Takes at most `size` bytes into `bytes`; returns how many. */
static inline uint32_t input_bytes(struct input *input, uint8_t *bytes, uint32_t size)
{
	size = size < input->left ? size : (uint32_t)input->left;
	if (size)
		memcpy(bytes, input->at, size);
	input->at += size;
	input->left -= size;
	return size;
}

/* ---- packets ---- */

static inline struct lun_address address_of(const char *text)
{
	struct lun_address address;

	MUST(lun_address_parse(&address, text) == 0);
	return address;
}

/* A copy that ends where its memory ends, so that a byte read too far is seen.  => free it. */
static inline uint8_t *exact_copy(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	MUST(copy);
	if (size)
		memcpy(copy, bytes, size);
	return copy;
}

/* Reads a packet as it is now; whether its checksums are right, as far as that can be known. */
static inline bool parse_again(struct packet *p, struct lun_packet *io, const struct lun_packet *from)
{
	*io = (struct lun_packet) { .data = from->data, .length = from->length, .wire_length = from->wire_length };
	packet_begin(p, io);
	return packet_parse(p) && packet_checksums_right(p);
}

/* An ICMP message of zeros: its sum is zero, too, which is no right one, but the arithmetic cannot tell it from one. */
static inline bool transport_is_zero(const struct packet *p)
{
	uint32_t at = p->transport;

	while (at < p->end && at < p->io->length && p->io->data[at] == 0)
		at++;
	return at == p->end;
}

/* ---- without libFuzzer ---- */

#ifdef FUZZ_REPLAY
/* Runs one line of a corpus: an input in hexadecimal. */
static void replay(const char *line)
{
	size_t size = strspn(line, "0123456789abcdef") / 2;
	uint8_t *input = malloc(size ? size : 1);

	MUST(input && line[size * 2] == '\n');
	for (size_t i = 0; i < size; i++)
		MUST(sscanf(line + i * 2, "%2hhx", &input[i]) == 1);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
}

int main(int argc, char **argv)
{
	static char line[1 << 16];
	FILE *corpus = argc == 2 ? fopen(argv[1], "r") : NULL;
	int inputs = 0;

	if (!corpus) {
		perror(argc == 2 ? argv[1] : "usage: fuzz-NAME corpus/NAME.hex");
		return 2;
	}
	for (; fgets(line, sizeof(line), corpus); inputs++) {
		printf("%s:%d\n", argv[1], inputs + 1);
		fflush(stdout); /* what stopped it */
		replay(line);
	}
	fclose(corpus);
	MUST(inputs > 0);
	return 0;
}
#endif

#endif
