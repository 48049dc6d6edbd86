/* line.c - packets as a line each, for tests: to bytes, back, and what became of them.  replay.h has the notation.
 *
 * A line is read word by word from the left; every word that may follow the addresses is a row of one table. */
#include "base/fail.h"
#include "packet/build.h"

#include <lunette/replay.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_ROOM = 1024, PAYLOAD_ROOM = 16384, OPTIONS_ROOM = 40, CHUNK = 20, QUOTE = 576 };

/* A line taken apart so far. */
struct line {
	struct lun_error *error;
	char words[WORDS_ROOM];
	char *rest; /* of strtok_r */
	struct lun_tuple tuple;
	struct packet_spec spec;
	uint8_t options[OPTIONS_ROOM];
	uint8_t payload[PAYLOAD_ROOM];
	uint64_t wait;
	bool spoil;
};

static int wrong(struct line *line, const char *what, const char *word, const char *expected)
{
	fail(line->error, LUN_BAD_ARGUMENT, "%s %.60s, expected %s", what, word ? word : "at the end", expected);
	return LUN_BAD_ARGUMENT;
}

static char *next_word(struct line *line)
{
	return strtok_r(NULL, " ", &line->rest);
}

/* ---- Words behind the addresses --------------------------------------------------------------------------------------- */

static int read_number(struct line *line, const char *word, char stop, uint64_t most, uint32_t *number)
{
	char *end = NULL;
	uint64_t value = word && *word >= '0' && *word <= '9' ? strtoull(word, &end, 10) : 0;

	if (!end || *end != stop || value > most)
		return wrong(line, "bad number", word, "one from 0 on that fits");
	*number = (uint32_t)value;
	return 0;
}

static int take_number(struct line *line, uint64_t most, uint32_t *number)
{
	return read_number(line, next_word(line), '\0', most, number);
}

static int take_seq(struct line *line)
{
	return take_number(line, UINT32_MAX, &line->spec.sequence);
}

static int take_ack(struct line *line)
{
	return take_number(line, UINT32_MAX, &line->spec.acknowledgement);
}

static int take_win(struct line *line)
{
	uint32_t window = 0;
	int code = take_number(line, UINT16_MAX, &window);

	line->spec.window = (uint16_t)window;
	return code;
}

static int take_tag(struct line *line)
{
	return take_number(line, UINT32_MAX, &line->spec.tag);
}

static int take_len(struct line *line)
{
	return take_number(line, PAYLOAD_ROOM, &line->spec.payload_length);
}

static int add_option(struct line *line, const uint8_t *option, uint32_t size)
{
	if (line->spec.options_length + size > OPTIONS_ROOM)
		return fail(line->error, LUN_BAD_ARGUMENT, "more than %d bytes of TCP options", OPTIONS_ROOM);
	memcpy(line->options + line->spec.options_length, option, size);
	line->spec.options_length += size;
	return 0;
}

static int take_scale(struct line *line)
{
	uint32_t shift;

	if (take_number(line, UINT8_MAX, &shift) < 0)
		return LUN_BAD_ARGUMENT;
	return add_option(line, (const uint8_t[4]) { 1, 3, 3, (uint8_t)shift }, 4);
}

static int take_sackok(struct line *line)
{
	return add_option(line, (const uint8_t[4]) { 1, 1, 4, 2 }, 4);
}

static int take_sack(struct line *line)
{
	char *range = next_word(line), *dash = range ? strchr(range, '-') : NULL;
	uint8_t option[12] = { 1, 1, 5, 10 };
	uint32_t from, to;

	if (!dash)
		return wrong(line, "bad block", range, "sack FROM-TO");
	if (read_number(line, range, '-', UINT32_MAX, &from) < 0 || read_number(line, dash + 1, '\0', UINT32_MAX, &to) < 0)
		return LUN_BAD_ARGUMENT;
	store32(option + 4, from);
	store32(option + 8, to);
	return add_option(line, option, sizeof(option));
}

/* "init:7", "init_ack:9", "cookie_echo", ...: a chunk (RFC 9260, 3.2), with the tag that an INIT asks for. */
static int take_chunk(struct line *line)
{
	static const char *const names[] = {
		"data",  "init",     "init_ack",         "sack",  "heartbeat",   "heartbeat_ack",
		"abort", "shutdown", "shutdown_ack",     "error", "cookie_echo", "cookie_ack",
		"",      "",         "shutdown_complete"
	};
	enum { NAMES = sizeof(names) / sizeof(names[0]) };
	const char *word = next_word(line), *colon = word ? strchr(word, ':') : NULL;
	uint8_t *chunk = line->payload + line->spec.payload_length, type = 0;
	size_t length = !word ? 0 : colon ? (size_t)(colon - word) : strlen(word);
	uint32_t tag = 0, size = colon ? CHUNK : 4;

	while (type < NAMES && (length == 0 || strlen(names[type]) != length || strncmp(names[type], word, length) != 0))
		type++;
	if (type == NAMES)
		return wrong(line, "unknown chunk", word, "init:TAG, cookie_echo, ...");
	if (colon && read_number(line, colon + 1, '\0', UINT32_MAX, &tag) < 0)
		return LUN_BAD_ARGUMENT;
	if (line->spec.payload_length + size > PAYLOAD_ROOM)
		return fail(line->error, LUN_BAD_ARGUMENT, "more than %d bytes of payload", PAYLOAD_ROOM);
	memset(chunk, 0, size);
	chunk[0] = type;
	store16(chunk + 2, (uint16_t)size);
	if (colon)
		store32(chunk + 4, tag);
	line->spec.payload_length += size;
	return 0;
}

static int take_bad_checksum(struct line *line)
{
	line->spoil = true;
	return 0;
}

static const struct {
	const char *word;
	int (*take)(struct line *line);
} words[] = {
	{ "seq", take_seq },       { "ack", take_ack },
	{ "win", take_win },       { "len", take_len },
	{ "tag", take_tag },       { "chunk", take_chunk },
	{ "scale", take_scale },   { "sack", take_sack },
	{ "sackok", take_sackok }, { "bad-checksum", take_bad_checksum },
};

static const char flag_letters[] = "FSRP.U"; /* in the order of their bits */

static int take_flags(struct line *line, const char *word)
{
	for (const char *at = word; *at; at++) {
		const char *letter = strchr(flag_letters, *at);

		if (!letter)
			return wrong(line, "unknown word", word,
				     "flags such as S. or PF., seq, ack, win, scale, sackok, sack, tag, chunk, len, text or "
				     "bad-checksum");
		line->spec.tcp_flags |= (uint8_t)(1 << (letter - flag_letters));
	}
	return 0;
}

static int take_word(struct line *line, const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i].word) == 0)
			return words[i].take(line);
	return take_flags(line, word);
}

/* ---- The line --------------------------------------------------------------------------------------------------------- */

/* Takes `text "..."` from the end, and leaves the words before it. */
static int split(struct line *line, const char *text)
{
	const char *quote = strstr(text, "text \""), *end = quote ? strrchr(text, '"') : NULL;
	size_t length = quote ? (size_t)(quote - text) : strlen(text);
	const char *payload = quote ? quote + strlen("text \"") : NULL;

	line->spec.options = line->options;
	line->spec.payload = line->payload;
	memset(line->payload, 'x', sizeof(line->payload));
	if (length >= sizeof(line->words))
		return fail(line->error, LUN_BAD_ARGUMENT, "a line of more than %d characters", WORDS_ROOM - 1);
	memcpy(line->words, text, length);
	line->words[length] = '\0';
	if (!quote)
		return 0;
	if (end < payload || end[1] != '\0' || (size_t)(end - payload) > sizeof(line->payload))
		return fail(line->error, LUN_BAD_ARGUMENT, "expected text \"...\" at the end, at most %d bytes",
			    PAYLOAD_ROOM);
	line->spec.payload_length = (uint32_t)(end - payload);
	memcpy(line->payload, payload, line->spec.payload_length);
	return 0;
}

/* "+1.5s": a time that passes first. */
static int take_wait(struct line *line, const char *word)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
	char *unit;
	double amount = strtod(word + 1, &unit);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit) != 0 || !(amount >= 0 && amount * units[i].ns < 4e18))
			continue;
		line->wait = (uint64_t)(amount * units[i].ns);
		return 0;
	}
	return wrong(line, "bad duration", word, "one such as +300ms, +1.5s, +5m or +2h");
}

/* Takes what may go before the packet; => its first word. */
static char *take_prelude(struct line *line)
{
	char *word = strtok_r(line->words, " ", &line->rest);
	uint32_t tenant = 0;

	if (word && *word == '+') {
		if (take_wait(line, word) < 0)
			return NULL;
		word = next_word(line);
	}
	if (word && strcmp(word, "tenant") == 0) {
		if (take_number(line, UINT16_MAX, &tenant) < 0)
			return NULL;
		line->tuple.tenant = (uint16_t)tenant;
		word = next_word(line);
	}
	if (!word)
		wrong(line, "no packet", word, "PROTOCOL SOURCE DESTINATION, or error TYPE/CODE FROM");
	return word;
}

static int take_end(struct line *line, struct lun_address *address, uint16_t *port)
{
	const char *word = next_word(line);

	if (!word || lun_endpoint_parse(address, port, word) < 0)
		return wrong(line, "bad address", word, "10.0.0.1:80 or [fd00::1]:80");
	return 0;
}

static int build(struct line *line, struct lun_packet *packet)
{
	packet->tenant = line->tuple.tenant;
	line->tuple.tenant = 0;
	packet->length = packet_build(packet->data, packet->capacity, &line->tuple, &line->spec);
	return packet->length ? 0 : fail(line->error, LUN_FULL, "no room for the packet in %u bytes", packet->capacity);
}

/* PROTOCOL SOURCE DESTINATION and the rest. */
static int take_packet(struct line *line, const char *word, struct lun_packet *packet)
{
	struct lun_tuple *tuple = &line->tuple;
	int protocol = lun_protocol_number(word);

	if (protocol != LUN_TCP && protocol != LUN_UDP && protocol != LUN_SCTP && protocol != LUN_ICMP &&
	    protocol != LUN_ICMPV6)
		return wrong(line, "unknown protocol", word, "tcp, udp, sctp, icmp, icmpv6, or error");
	tuple->protocol = (uint8_t)protocol;
	if (take_end(line, &tuple->source, &tuple->source_port) < 0 ||
	    take_end(line, &tuple->destination, &tuple->destination_port) < 0)
		return LUN_BAD_ARGUMENT;
	if (lun_address_is_v4(&tuple->source) != lun_address_is_v4(&tuple->destination))
		return fail(line->error, LUN_BAD_ARGUMENT, "source and destination are of two families, expected one");
	for (word = next_word(line); word; word = next_word(line))
		if (take_word(line, word) < 0)
			return LUN_BAD_ARGUMENT;
	if (build(line, packet) < 0)
		return LUN_FULL;
	if (line->spoil)
		packet->data[packet->length - 1] ^= 0x55;
	return 0;
}

/* Makes the ICMP query that was built an error: another type, the same bytes behind. */
static void make_error(struct lun_packet *packet, uint8_t type, uint8_t code)
{
	struct packet p = { .io = packet };

	packet_begin(&p, packet);
	packet_parse(&p);
	packet_transport(&p)[0] = type;
	packet_transport(&p)[1] = code;
	p.rebuilt = true;
	packet_seal(&p);
}

/* error TYPE/CODE FROM: an ICMP error about `left`, to where that came from. */
static int take_error(struct line *line, const struct lun_packet *left, struct lun_packet *packet)
{
	const char *what = next_word(line), *slash = what ? strchr(what, '/') : NULL;
	struct packet quoted;
	struct lun_packet io;
	uint32_t type, code;
	uint16_t port;

	if (!left || left->length == 0)
		return fail(line->error, LUN_BAD_ARGUMENT,
			    "an ICMP error about nothing, expected a packet that left before");
	if (!slash)
		return wrong(line, "bad error", what, "TYPE/CODE, such as 3/4");
	if (read_number(line, what, '/', UINT8_MAX, &type) < 0 || read_number(line, slash + 1, '\0', UINT8_MAX, &code) < 0 ||
	    take_end(line, &line->tuple.source, &port) < 0)
		return LUN_BAD_ARGUMENT;
	io = *left;
	packet_begin(&quoted, &io);
	if (!packet_parse(&quoted) || lun_address_is_v4(&line->tuple.source) != (quoted.version == 4))
		return fail(line->error, LUN_BAD_ARGUMENT, "expected an address of the family of the packet that left");
	line->tuple.destination = packet_was(&quoted)->source;
	line->tuple.protocol = quoted.version == 4 ? LUN_ICMP : LUN_ICMPV6;
	line->spec.payload = left->data;
	line->spec.payload_length = left->length < QUOTE ? left->length : QUOTE;
	if (build(line, packet) < 0)
		return LUN_FULL;
	make_error(packet, (uint8_t)type, (uint8_t)code);
	return 0;
}

int lun_packet_from_line(struct lun_packet *packet, const char *text, const struct lun_packet *left, uint64_t *wait,
			 struct lun_error *error)
{
	struct line line = { .error = error, .spec = { .window = UINT16_MAX } };
	const char *word;
	int code;

	if (split(&line, text) < 0 || !(word = take_prelude(&line)))
		return LUN_BAD_ARGUMENT;
	code = strcmp(word, "error") == 0 ? take_error(&line, left, packet) : take_packet(&line, word, packet);
	*wait = line.wait;
	return code;
}

/* ---- And back --------------------------------------------------------------------------------------------------------- */

static void add_flags(char *text, size_t room, uint8_t flags)
{
	size_t length = strlen(text);

	if (length + 2 + sizeof(flag_letters) > room)
		return;
	text[length++] = ' ';
	for (size_t i = 0; flag_letters[i]; i++)
		if (flags & 1 << i)
			text[length++] = flag_letters[i];
	text[length] = '\0';
}

char *lun_packet_to_line(const struct lun_packet *packet, char text[LUN_LINE_TEXT])
{
	struct lun_packet_fields fields;
	struct lun_tuple tuple = { 0 };
	char name[LUN_TUPLE_TEXT];
	size_t length;

	if (lun_packet_read(packet->data, packet->length, &tuple, &fields) < 0) {
		if (tuple.protocol)
			snprintf(text, LUN_LINE_TEXT, "%s, an error", lun_tuple_format(&tuple, name));
		else
			snprintf(text, LUN_LINE_TEXT, "%u bytes that cannot be read", packet->length);
		return text;
	}
	length = (size_t)snprintf(text, LUN_LINE_TEXT, "%s", lun_tuple_format(&tuple, name));
	if (tuple.protocol == LUN_TCP) {
		add_flags(text, LUN_LINE_TEXT, fields.tcp_flags);
		length = strlen(text);
		length += (size_t)snprintf(text + length, LUN_LINE_TEXT - length, " seq %u", fields.sequence);
		if (fields.tcp_flags & TCP_ACK)
			length += (size_t)snprintf(text + length, LUN_LINE_TEXT - length, " ack %u", fields.acknowledgement);
	}
	if (fields.payload_length)
		snprintf(text + length, LUN_LINE_TEXT - length, " len %u", fields.payload_length);
	return text;
}

char *lun_packet_outcome(const struct lun_packet *packet, char text[LUN_OUTCOME_TEXT])
{
	char name[LUN_TUPLE_TEXT];
	size_t length = (size_t)snprintf(text, LUN_OUTCOME_TEXT, "%s %s %s", lun_verdict_name(packet->verdict),
					 lun_ct_name(packet->ct), lun_state_name(packet->state));

	if (memcmp(&packet->was, &packet->is, sizeof(packet->was)) != 0)
		length += (size_t)snprintf(text + length, LUN_OUTCOME_TEXT - length, " -> %s",
					   lun_tuple_format(&packet->is, name));
	if (packet->reason != LUN_REASON_none)
		snprintf(text + length, LUN_OUTCOME_TEXT - length, " (%s)", lun_reason_name(packet->reason));
	return text;
}
