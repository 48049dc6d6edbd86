/* flow_filter.c - libpcap's filter language over flows, with terms of our own.
 *
 * libpcap knows precedence, brackets, and what "port 80 or 443" means, so it reads the whole: a flow is shown to it as the packet that
 * opened it, in an Ethernet frame whose addresses hold, a byte each, whether our terms are true of the flow.  "state ESTABLISHED" is
 * compiled as (ether[0] = 1).  There are no Ethernet addresses that somebody could have meant: with terms that are always true, the
 * expression must be one over IP packets. */
#include "base/fail.h"
#include "packet/build.h"
#include "replay/filter.h"

#include <lunette/replay.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TERMS = 12 /* bytes of two Ethernet addresses */, FRAME_HEADER = 14, FRAME = 128, WORD = 256, TEXT = 4096 };

/* An address or a range of them, and a port or any (0). */
struct place {
	struct lun_prefix prefix;
	uint16_t port;
};

struct kind;

struct term {
	const struct kind *kind;
	char name[WORD]; /* of a service */
	struct place place;
	uint64_t number; /* a state, a protocol, ns */
};

struct kind {
	const char *word, *expected;
	bool (*parse)(struct term *term, const char *value);
	bool (*holds)(const struct term *term, const struct lun_flow *flow);
};

struct lun_flow_filter {
	struct bpf_program program;
	struct term terms[TERMS];
	size_t term_count;
};

/* ---- Terms ---- */

static bool parse_state(struct term *term, const char *value)
{
	for (int state = 0; state < LUN_STATE_COUNT; state++) {
		term->number = (uint64_t)state;
		if (strcasecmp(lun_state_name((enum lun_state)state), value) == 0)
			return true;
	}
	return false;
}

static bool state_holds(const struct term *term, const struct lun_flow *flow)
{
	return flow->state == term->number;
}

static bool parse_protocol(struct term *term, const char *value)
{
	int number = lun_protocol_number(value);

	term->number = (uint64_t)number;
	return number > 0;
}

static bool protocol_holds(const struct term *term, const struct lun_flow *flow)
{
	return flow->orig.protocol == term->number;
}

/* Seconds. */
static bool parse_age(struct term *term, const char *value)
{
	char *end;
	unsigned long seconds = strtoul(value, &end, 10);

	term->number = seconds * UINT64_C(1000000000);
	return *value >= '0' && *value <= '9' && !*end && seconds <= UINT32_MAX;
}

static bool age_holds(const struct term *term, const struct lun_flow *flow)
{
	return flow->age >= term->number;
}

static bool parse_service(struct term *term, const char *value)
{
	strcpy(term->name, value); /* which fits: both are words */
	return true;
}

/* A service is asked for with its port, "default/dns:dns", or without. */
static bool service_holds(const struct term *term, const struct lun_flow *flow)
{
	size_t length = strlen(term->name);

	return flow->service && strncmp(flow->service, term->name, length) == 0 &&
	       (!flow->service[length] || flow->service[length] == ':');
}

/* "10.0.0.0/8", "10.0.0.1", "10.0.0.1:80", "[fd00::1]:80". */
static bool parse_place(struct term *term, const char *value)
{
	if (lun_prefix_parse(&term->place.prefix, value) == 0)
		return true;
	term->place.prefix.length = 128;
	return lun_endpoint_parse(&term->place.prefix.address, &term->place.port, value) == 0;
}

static bool place_holds(const struct place *place, const struct lun_address *address, uint16_t port)
{
	return lun_prefix_holds(&place->prefix, address) && (!place->port || place->port == port);
}

static bool source_holds(const struct term *term, const struct lun_flow *flow)
{
	return place_holds(&term->place, &flow->orig.source, flow->orig.source_port);
}

static bool destination_holds(const struct term *term, const struct lun_flow *flow)
{
	return place_holds(&term->place, &flow->orig.destination, flow->orig.destination_port);
}

static bool endpoint_holds(const struct term *term, const struct lun_flow *flow)
{
	return place_holds(&term->place, &flow->reply.source, flow->reply.source_port);
}

static const char a_place[] = "an address, a prefix, or ADDRESS:PORT";

static const struct kind kinds[] = {
	{ "state", "a state such as ESTABLISHED", parse_state, state_holds },
	{ "service", "namespace/name, or namespace/name:port", parse_service, service_holds },
	{ "endpoint", a_place, parse_place, endpoint_holds },
	{ "age", "seconds", parse_age, age_holds },
	{ "source", a_place, parse_place, source_holds },
	{ "destination", a_place, parse_place, destination_holds },
	{ "protocol", "a protocol such as tcp", parse_protocol, protocol_holds },
};

/* ---- Reading an expression ---- */

/* What is compiled: over frames, and, to see whether it is an expression over IP packets, with terms that are true. */
struct reading {
	const char *text, *at;
	char frames[TEXT], packets[TEXT];
	size_t frames_length, packets_length;
};

/* Takes a word, or nothing where none stands; of a longer one its beginning. */
static void take_word(struct reading *reading, char word[WORD])
{
	size_t length = strcspn(reading->at, " \t\r\n()!&|");

	length = length < WORD ? length : WORD - 1;
	memcpy(word, reading->at, length);
	word[length] = '\0';
	reading->at += length;
}

static const struct kind *find_kind(const char *word)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].word, word) == 0)
			return &kinds[i];
	return NULL;
}

/* Adds the same, or two ways to say it; false: there is no room. */
static bool put(struct reading *reading, const char *frames, const char *packets)
{
	reading->frames_length +=
		(size_t)snprintf(reading->frames + reading->frames_length, TEXT - reading->frames_length, "%s", frames);
	reading->packets_length +=
		(size_t)snprintf(reading->packets + reading->packets_length, TEXT - reading->packets_length, "%s", packets);
	return reading->frames_length < TEXT && reading->packets_length < TEXT;
}

static int read_term(struct lun_flow_filter *filter, struct reading *reading, const struct kind *kind,
		     struct lun_error *error)
{
	struct term *term = &filter->terms[filter->term_count];
	char value[WORD], code[32];

	if (filter->term_count == TERMS)
		return fail(error, LUN_BAD_ARGUMENT, "filter: more than %d of state, service, endpoint, ...", TERMS);
	reading->at += strspn(reading->at, " \t\r\n");
	take_word(reading, value);
	term->kind = kind;
	if (!*value || !kind->parse(term, value))
		return fail(error, LUN_BAD_ARGUMENT, "filter: %s %.100s: expected %s", kind->word, value, kind->expected);
	snprintf(code, sizeof(code), "(ether[%zu] = 1)", filter->term_count++);
	return put(reading, code, "(len != 1)") ? 0 : LUN_FULL;
}

/* A word, or what is between two.  LUN_FULL: it is too long. */
static int read_piece(struct lun_flow_filter *filter, struct reading *reading, struct lun_error *error)
{
	char word[WORD];
	const struct kind *kind;

	take_word(reading, word);
	if (!*word)
		snprintf(word, sizeof(word), "%c", *reading->at++);
	kind = find_kind(word);
	if (kind)
		return read_term(filter, reading, kind, error);
	return put(reading, word, word) ? 0 : LUN_FULL;
}

static int compile(struct lun_flow_filter *filter, struct reading *reading, struct lun_error *error)
{
	const struct filter_source frames = { reading->frames, reading->text, DLT_EN10MB, true };
	const struct filter_source packets = { reading->packets, reading->text, DLT_RAW, false };
	struct bpf_program over_packets;
	int code = 0;

	while (*reading->at && code == 0)
		code = read_piece(filter, reading, error);
	if (code == LUN_FULL)
		return fail(error, LUN_BAD_ARGUMENT, "filter: too long");
	if (code == 0)
		code = filter_compile(&over_packets, &packets, error);
	if (code < 0)
		return code;
	pcap_freecode(&over_packets);
	return filter_compile(&filter->program, &frames, error);
}

int lun_flow_filter_new(struct lun_flow_filter **result, const char *text, struct lun_error *error)
{
	struct reading reading = { .text = text, .at = text };
	struct lun_flow_filter *filter = calloc(1, sizeof(*filter));
	int code;

	if (!filter)
		return fail(error, LUN_NO_MEMORY, "filter %.200s: %s", text, lun_strerror(LUN_NO_MEMORY));
	code = compile(filter, &reading, error);
	if (code < 0)
		free(filter);
	else
		*result = filter;
	return code;
}

void lun_flow_filter_free(struct lun_flow_filter *filter)
{
	if (!filter)
		return;
	pcap_freecode(&filter->program);
	free(filter);
}

/* ---- Matching ---- */

/* The packet that opens a flow.  A protocol that nobody builds has the packet of UDP, but for its number. */
static uint32_t build_opening(uint8_t *data, uint32_t capacity, const struct lun_tuple *tuple)
{
	const struct packet_spec spec = { .tcp_flags = TCP_SYN };
	struct lun_tuple plain = *tuple;
	uint32_t length;

	length = packet_build(data, capacity, tuple, &spec);
	if (length)
		return length;
	plain.protocol = LUN_UDP;
	length = packet_build(data, capacity, &plain, &spec);
	if (length)
		data[lun_address_is_v4(&tuple->source) ? 9 : 6] = tuple->protocol;
	return length;
}

bool lun_flow_filter_holds(const struct lun_flow_filter *filter, const struct lun_flow *flow)
{
	uint8_t frame[FRAME] = { 0 };
	uint32_t length;
	bool v4 = lun_address_is_v4(&flow->orig.source);

	if (!filter)
		return true;
	for (size_t i = 0; i < filter->term_count; i++)
		frame[i] = filter->terms[i].kind->holds(&filter->terms[i], flow);
	frame[12] = v4 ? 0x08 : 0x86; /* the EtherTypes of IPv4 and IPv6 */
	frame[13] = v4 ? 0x00 : 0xdd;
	length = FRAME_HEADER + build_opening(frame + FRAME_HEADER, sizeof(frame) - FRAME_HEADER, &flow->orig);
	return filter_run(&filter->program, frame, length, length);
}
