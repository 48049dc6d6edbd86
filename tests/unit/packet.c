/* packet.c - bytes from strangers: parse against everything that can be wrong, and setters and seal against plain sums.
 *
 * Packets lie at the very end of their own piece of the heap, so that the sanitizer sees one byte read or written too many.
 * Sums are compared with a plain one of this file's own, byte by byte in network order (RFC 1071, 4.1). */
#include "notation.h"

#include "base/random.h"
#include "packet/checksum.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ROOM = 4096, ICMP = 1, ICMPV6 = 58 };

/* ---- packets, exactly as long as they are ---- */

static bool is_piece(const struct packet *p)
{
	return p->role == PACKET_FRAGMENT;
}

/* Makes a packet carry a tuple; the engine says it the other way round. */
static void carry(struct packet *p, const struct lun_tuple *tuple)
{
	struct lun_tuple other = tuple_inverted(tuple);

	packet_set_inverse(p, &other);
}

/* A packet of its own piece of the heap; freed by exact_free. */
static struct lun_packet exact(const uint8_t *bytes, uint32_t length)
{
	struct lun_packet packet = { .data = malloc(length ? length : 1), .length = length, .capacity = length };

	assert_non_null(packet.data);
	memcpy(packet.data, bytes, length);
	return packet;
}

static void exact_free(struct lun_packet *packet)
{
	free(packet->data);
	packet->data = NULL;
}

/* The bytes of a line in the notation. */
static uint32_t bytes_of(const char *line, uint8_t bytes[ROOM])
{
	struct notation n = { .now = 0 };

	notation_build(&n, line);
	memcpy(bytes, n.data, n.packet.length);
	return n.packet.length;
}

/* Puts `size` bytes at `offset`; the IP length grows with them. */
static uint32_t insert(uint8_t *bytes, uint32_t length, uint32_t offset, const void *what, uint32_t size)
{
	bool v4 = bytes[0] >> 4 == 4;

	memmove(bytes + offset + size, bytes + offset, length - offset);
	memcpy(bytes + offset, what, size);
	if (v4)
		store16(bytes + 2, (uint16_t)(load16(bytes + 2) + size));
	else
		store16(bytes + 4, (uint16_t)(load16(bytes + 4) + size));
	return length + size;
}

/* ---- a plain checksum ---- */

static uint32_t plain_add(uint32_t sum, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t plain_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The folded sum of pseudo header and transport, the checksum field included: 0xffff if it is right. */
static uint16_t plain_transport(const struct packet *p)
{
	const uint8_t *ip = p->io->data;
	uint32_t length = p->tuple.protocol == LUN_UDP ? load16(ip + p->transport + 4) : p->end - p->transport;
	uint32_t sum = plain_add(p->tuple.protocol + length, ip + (p->version == 4 ? 12 : 8), p->version == 4 ? 8 : 32);

	return plain_fold(plain_add(sum, ip + p->transport, length));
}

static uint16_t plain_header(const struct packet *p)
{
	return plain_fold(plain_add(0, p->io->data, p->transport));
}

/* Zero and 0xffff are the same number in ones' complement. */
static bool same_sum(uint16_t a, uint16_t b)
{
	return a == b || (a == 0 && b == 0xffff) || (a == 0xffff && b == 0);
}

static uint8_t *checksum_field(const struct packet *p)
{
	return packet_transport(p) + (p->tuple.protocol == LUN_TCP ? 16 : 6);
}

/* ---- truncation and lies ---- */

static const char *const good_lines[] = {
	"tcp 10.1.1.1:40000 10.96.0.10:80 P. seq 1000 ack 5 len 33",
	"udp 10.1.1.1:40000 10.96.0.10:53 len 21",
	"udp 10.1.1.1:40000 10.96.0.10:53 len 0",
	"tcp [fd00::1]:40000 [fd00::2]:80 S seq 9",
	"udp [fd00::1]:40000 [fd00::2]:53 len 21",
};

/* How many bytes must be there for the headers to be read. */
static uint32_t header_bytes(const uint8_t *bytes)
{
	uint32_t ip = bytes[0] >> 4 == 4 ? IP4_HEADER : IP6_HEADER;

	return ip + (bytes[bytes[0] >> 4 == 4 ? 9 : 6] == LUN_TCP ? TCP_HEADER : UDP_HEADER);
}

/* A packet whose end was lost on the way is not read; one that a capture cut is, as long as its headers are there. */
static void every_truncation_is_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_lines); i++) {
		uint8_t bytes[ROOM];
		uint32_t whole = bytes_of(good_lines[i], bytes);

		for (uint32_t length = 0; length <= whole; length++) {
			struct lun_packet io = exact(bytes, length);
			struct packet p = { .io = &io }, cut = { .io = &io };

			assert_int_equal(packet_parse(&p), length == whole);
			assert_int_equal(io.reason, length == whole ? LUN_REASON_none : LUN_REASON_truncated);
			io.wire_length = whole;
			io.reason = LUN_REASON_none;
			assert_int_equal(packet_parse(&cut), length >= header_bytes(bytes));
			assert_int_equal(cut.readable, length >= header_bytes(bytes));
			if (cut.readable)
				assert_true(cut.end == whole && packet_checksums_right(&cut));
			exact_free(&io);
		}
	}
}

#define TCP4 "tcp 10.1.1.1:40000 10.96.0.10:80 S len 12"
#define UDP4 "udp 10.1.1.1:40000 10.96.0.10:53 len 12"
#define TCP6 "tcp [fd00::1]:40000 [fd00::2]:80 S len 12"
#define UDP6 "udp [fd00::1]:40000 [fd00::2]:53 len 12"

/* Two bytes of a good packet are changed: `value` at `offset`. */
static const struct {
	const char *line;
	uint32_t offset;
	uint16_t value;
	enum lun_reason reason;
} lies[] = {
	{ TCP4, 0, 0x3500, LUN_REASON_bad_ip_version },
	{ TCP4, 0, 0x0500, LUN_REASON_bad_ip_version },
	{ TCP4, 0, 0xff00, LUN_REASON_bad_ip_version },
	{ TCP4, 0, 0x4000, LUN_REASON_bad_ip_header }, /* a header of 0 */
	{ TCP4, 0, 0x4400, LUN_REASON_bad_ip_header }, /* of 16 */
	{ TCP4, 0, 0x4d00, LUN_REASON_truncated },     /* of 52: nothing is left for TCP */
	{ TCP4, 0, 0x4f00, LUN_REASON_bad_ip_header }, /* of 60, more than the packet */
	{ TCP4, 2, 0, LUN_REASON_bad_ip_header },
	{ TCP4, 2, 19, LUN_REASON_bad_ip_header },
	{ TCP4, 2, 20, LUN_REASON_truncated },
	{ TCP4, 2, 39, LUN_REASON_truncated },
	{ TCP4, 2, 40, LUN_REASON_none },
	{ TCP4, 2, 52, LUN_REASON_none },
	{ TCP4, 2, 53, LUN_REASON_truncated },
	{ TCP4, 2, 0xffff, LUN_REASON_truncated },
	{ TCP4, 8, 0x4001, LUN_REASON_icmp_type },
	{ TCP4, 8, 0x4084, LUN_REASON_none },                  /* SCTP */
	{ TCP4, 32, 0x0002, LUN_REASON_bad_transport_header }, /* a TCP header of 0 */
	{ TCP4, 32, 0x4002, LUN_REASON_bad_transport_header }, /* of 16 */
	{ TCP4, 32, 0x8002, LUN_REASON_none },                 /* of 32: the payload is options */
	{ TCP4, 32, 0x9002, LUN_REASON_bad_transport_header }, /* of 36, more than the packet */
	{ TCP4, 32, 0xf002, LUN_REASON_bad_transport_header },
	{ UDP4, 24, 0, LUN_REASON_bad_transport_header },
	{ UDP4, 24, 7, LUN_REASON_bad_transport_header },
	{ UDP4, 24, 8, LUN_REASON_none },
	{ UDP4, 24, 20, LUN_REASON_none },
	{ UDP4, 24, 21, LUN_REASON_bad_transport_header },
	{ UDP4, 24, 0xffff, LUN_REASON_bad_transport_header },
	{ UDP4, 2, 27, LUN_REASON_truncated },
	{ TCP6, 4, 0, LUN_REASON_truncated }, /* a jumbo payload, RFC 2675: not for us */
	{ TCP6, 4, 19, LUN_REASON_truncated },
	{ TCP6, 4, 20, LUN_REASON_none },
	{ TCP6, 4, 33, LUN_REASON_truncated },
	{ TCP6, 4, 0xffff, LUN_REASON_truncated },
	{ TCP6, 6, 0x3b40, LUN_REASON_none }, /* no next header: tracked by addresses */
	{ TCP6, 52, 0x4002, LUN_REASON_bad_transport_header },
	{ UDP6, 44, 7, LUN_REASON_bad_transport_header },
	{ UDP6, 44, 0xffff, LUN_REASON_bad_transport_header },
};

static void lying_lengths_are_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++) {
		uint8_t bytes[ROOM];
		uint32_t length = bytes_of(lies[i].line, bytes);
		struct lun_packet io;
		struct packet p = { .io = &io };

		store16(bytes + lies[i].offset, lies[i].value);
		io = exact(bytes, length);
		packet_parse(&p);
		if (io.reason != lies[i].reason || p.readable != (lies[i].reason == LUN_REASON_none))
			fail_msg("lie %zu: %s, 0x%04x at %u\n  expected: %s\n  got:      %s", i, lies[i].line, lies[i].value,
				 lies[i].offset, lun_reason_name(lies[i].reason), lun_reason_name(io.reason));
		exact_free(&io);
	}
}

/* What lies behind the IP packet is link padding. */
static void padding_is_not_looked_at(void **state)
{
	uint8_t bytes[ROOM] = { 0 };
	uint32_t length = bytes_of("tcp 10.1.1.1:40000 10.96.0.10:80 . seq 1 ack 2", bytes);
	struct lun_packet io = exact(bytes, length + 6);
	struct packet p = { .io = &io };

	(void)state;
	assert_true(packet_parse(&p));
	assert_int_equal(p.end, length);
	assert_int_equal(p.payload_length, 0);
	assert_true(packet_checksums_right(&p));
	exact_free(&io);
}

static void fragments_have_no_ports(void **state)
{
	static const struct {
		uint16_t field;
		bool fragment;
	} cases[] = { { 0x4000, false }, { 0x0000, false }, { 0x8000, false },
		      { 0x2000, true },  { 0x0001, true },  { 0x3fff, true } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t bytes[ROOM];
		uint32_t length = bytes_of(UDP4, bytes);
		struct lun_packet io;
		struct packet p = { .io = &io };

		store16(bytes + 6, cases[i].field);
		io = exact(bytes, cases[i].fragment ? 24 : length); /* shorter than a UDP header */
		store16(io.data + 2, (uint16_t)io.length);
		assert_true(packet_parse(&p));
		assert_int_equal(is_piece(&p), cases[i].fragment);
		assert_int_equal(p.tuple.source_port, cases[i].fragment ? 0 : 40000);
		exact_free(&io);
	}
}

/* ---- IPv6 extension headers ---- */

static uint8_t next_header_of(const char *word)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = { { "hop", 0 },   { "routing", 43 }, { "fragment", 44 }, { "atomic", 44 },
		      { "last", 44 }, { "options", 60 }, { "long", 60 },     { "huge", 60 },
		      { "tcp", 6 },   { "udp", 17 },     { "esp", 50 },      { "none", 59 } };

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(names[i].name, word) == 0)
			return names[i].number;
	fail_msg("no header is called %s", word);
	return 0;
}

/* The bytes of one extension header; returns how many.  "long" has 2,048 bytes, "huge" only says that it has; "fragment" is
 * the first one of several, "last" the last, "atomic" the only one. */
static uint32_t extension_of(const char *word, uint8_t extension[2048])
{
	bool is_long = strcmp(word, "long") == 0;

	memset(extension, 0, 2048);
	if (is_long || strcmp(word, "huge") == 0)
		extension[1] = 255;
	else if (strcmp(word, "fragment") == 0)
		extension[3] = 1;
	else if (strcmp(word, "last") == 0)
		extension[2] = 1;
	return is_long ? 2048 : 8;
}

/* Builds "hop routing tcp": an IPv6 packet with these headers in a row; the last word is what the payload is said to be. */
static uint32_t build_chain(const char *chain, uint8_t bytes[ROOM * 8])
{
	char copy[200], *word, *save;
	uint32_t length = bytes_of(strstr(chain, "udp") ? UDP6 : TCP6, bytes), at = IP6_HEADER, next = 6;

	snprintf(copy, sizeof(copy), "%s", chain);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		uint8_t extension[2048];
		uint32_t size = extension_of(word, extension);

		bytes[next] = next_header_of(word);
		if (*save == '\0')
			break;
		length = insert(bytes, length, at, extension, size);
		next = at;
		at += size;
	}
	return length;
}

static const struct {
	const char *chain;
	enum lun_reason reason;
	bool fragment;
} chains[] = {
	{ "tcp", LUN_REASON_none, false },
	{ "hop tcp", LUN_REASON_none, false },
	{ "hop routing options udp", LUN_REASON_none, false },
	{ "long long long tcp", LUN_REASON_none, false },
	{ "long long long long long long long long tcp", LUN_REASON_none, false },
	{ "hop hop hop hop hop hop hop hop tcp", LUN_REASON_none, false },
	{ "hop hop hop hop hop hop hop hop hop tcp", LUN_REASON_extension_headers, false },
	{ "options options options options options options options options options options options options tcp",
	  LUN_REASON_extension_headers, false },
	{ "huge tcp", LUN_REASON_bad_ip_header, false },
	{ "hop huge udp", LUN_REASON_bad_ip_header, false },
	{ "hop esp", LUN_REASON_none, false },
	{ "none", LUN_REASON_none, false },
	{ "atomic tcp", LUN_REASON_none, false }, /* RFC 6946 */
	{ "fragment tcp", LUN_REASON_none, true },
	{ "hop last udp", LUN_REASON_none, true },
	{ "fragment hop udp", LUN_REASON_none, true },
	{ "atomic last tcp", LUN_REASON_none, true },
};

static void extension_headers_are_walked(void **state)
{
	static uint8_t bytes[ROOM * 8];

	(void)state;
	for (size_t i = 0; i < COUNT(chains); i++) {
		uint32_t length = build_chain(chains[i].chain, bytes);
		struct lun_packet io = exact(bytes, length);
		struct packet p = { .io = &io };
		bool read = packet_parse(&p);

		if (io.reason != chains[i].reason || is_piece(&p) != chains[i].fragment)
			fail_msg("%s: expected %s, got %s", chains[i].chain, lun_reason_name(chains[i].reason),
				 lun_reason_name(io.reason));
		if (read && !is_piece(&p) && protocol_has_ports(p.tuple.protocol)) {
			assert_int_equal(p.tuple.source_port, 40000);
			assert_int_equal(p.payload_length, 12);
			assert_true(packet_checksums_right(&p));
		}
		exact_free(&io);
	}
}

/* Every beginning of a chain: of a packet that says that it is longer, that a capture cut, that says that it ends here. */
static void truncated_chains_are_seen(void **state)
{
	static uint8_t bytes[ROOM * 8];

	(void)state;
	for (size_t i = 0; i < COUNT(chains); i++) {
		uint32_t whole = build_chain(chains[i].chain, bytes);

		for (uint32_t length = IP6_HEADER; length<whole; length += whole> 1000 ? 97 : 1) {
			struct lun_packet io = exact(bytes, length);
			struct packet p = { .io = &io }, cut = { .io = &io }, end = { .io = &io };

			assert_false(packet_parse(&p));
			io.wire_length = whole;
			if (packet_parse(&cut) && !is_piece(&cut))
				assert_true(cut.payload <= length && cut.end == whole);
			io.wire_length = 0;
			store16(io.data + 4, (uint16_t)(length - IP6_HEADER));
			if (packet_parse(&end) && !is_piece(&end))
				assert_true(end.payload <= length && end.end == length);
			exact_free(&io);
		}
	}
}

static void mapped_addresses_inside_ipv6_are_refused(void **state)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	(void)state;
	for (uint32_t offset = 8; offset <= 24; offset += 16) {
		uint8_t bytes[ROOM];
		uint32_t length = bytes_of(TCP6, bytes);
		struct lun_packet io;
		struct packet p = { .io = &io };

		memcpy(bytes + offset, mapped, sizeof(mapped));
		io = exact(bytes, length);
		assert_false(packet_parse(&p));
		assert_int_equal(io.reason, LUN_REASON_bad_ip_header);
		exact_free(&io);
	}
}

/* ---- mutations ---- */

enum { MUTATIONS = 200000, BATCH_OF_FEW = 4 };

static const char *const seeds[] = {
	"tcp 10.1.1.1:4000 10.96.0.1:80 S seq 999",
	"tcp 10.244.0.5:8080 10.1.1.1:4000 S. seq 4999 ack 1000",
	"tcp 10.1.1.1:4000 10.96.0.1:80 . seq 1000 ack 5000",
	"tcp 10.1.1.1:4000 10.96.0.1:80 P. seq 1000 ack 5000 text \"GET / HTTP/1.1\r\nHost: a\r\n\r\n\"",
	"tcp 10.244.0.5:8080 10.1.1.1:4000 . seq 5000 ack 1050 len 10",
	"tcp 10.1.1.1:4000 10.96.0.1:80 R seq 1000", /* so that it begins anew */
	"tcp 10.244.0.5:8080 10.1.1.1:4000 R. seq 5000 ack 1000",
	"udp 10.1.1.1:4000 10.96.0.1:80 len 9",
	"udp 10.244.0.5:9090 10.1.1.1:4000 len 9",
	"tcp [fd00::1]:4000 [fd00:96::1]:80 S seq 7 len 3",
	"udp [fd00::1]:4000 [fd00:96::1]:80 len 9",
	"udp [fd00:244::5]:9090 [fd00::1]:4000 len 3",
	"icmp 10.1.1.1:7 10.96.0.1:8 len 9",
	"icmp 10.244.0.5:8 10.1.1.1:7 len 9",
	"icmpv6 [fd00::1]:7 [fd00:96::1]:128 len 9",
	"sctp 10.1.1.1:4000 10.96.0.1:80 chunk init:7",
	"sctp 10.244.0.5:7070 10.1.1.1:4000 tag 7 chunk init_ack:9",
	"sctp 10.1.1.1:4000 10.96.0.1:80 tag 9 chunk cookie_echo chunk data",
};

/* As they left: errors quote them. */
static const char *const quoted_seeds[] = {
	"tcp 10.1.1.1:4000 10.244.0.5:8080 . seq 1000 ack 5000",
	"tcp 10.96.0.1:80 10.1.1.1:4000 . seq 5000 ack 1000",
	"udp 10.1.1.1:4000 10.244.0.5:9090 len 9",
	"udp [fd00::1]:4000 [fd00:244::5]:9090 len 9",
	"icmp 10.1.1.1:7 10.244.0.5:8 len 9",
	"icmpv6 [fd00::1]:7 [fd00:244::5]:128 len 9",
	"sctp 10.1.1.1:4000 10.244.0.5:7070 chunk init:7",
};

/* Puts the packet into an ICMP error that quotes it, from a router to its source. */
static uint32_t quote_in_error(struct random *random, uint8_t bytes[ROOM], uint32_t length)
{
	bool v4 = bytes[0] >> 4 == 4;
	uint8_t error[IP6_HEADER + ICMP_HEADER] = { v4 ? 0x45 : 0x60 };
	uint32_t header = v4 ? IP4_HEADER : IP6_HEADER, size = header + ICMP_HEADER;
	static const uint8_t types[2][3] = { { 1, 2, 3 }, { 3, 11, 12 } };

	error[v4 ? 8 : 7] = 64;
	error[v4 ? 9 : 6] = v4 ? ICMP : ICMPV6;
	store16(error + (v4 ? 2 : 4), (uint16_t)(v4 ? size + length : ICMP_HEADER + length));
	memcpy(error + (v4 ? 12 : 8), bytes + (v4 ? 16 : 24), v4 ? 4 : 16);
	memcpy(error + (v4 ? 16 : 24), bytes + (v4 ? 12 : 8), v4 ? 4 : 16);
	error[v4 ? 15 : 23] = 99; /* any router */
	error[header] = types[v4][random_below(random, 3)];
	memmove(bytes + size, bytes, length);
	memcpy(bytes, error, size);
	return size + length;
}

/* Makes the packet one half of itself: a fragment whose other half may come as well. */
static uint32_t halve(struct random *random, uint8_t bytes[ROOM], uint32_t length)
{
	bool v4 = bytes[0] >> 4 == 4, last = random_below(random, 2);
	uint32_t header = v4 ? IP4_HEADER : IP6_HEADER, first = header + (length - header) / 16 * 8;
	uint8_t extension[8] = { bytes[6], 0, 0, !last, 0, 0, 0, 7 };

	if (last) {
		memmove(bytes + header, bytes + first, length - first);
		length -= first - header;
	} else {
		length = first;
	}
	store16(bytes + (v4 ? 2 : 4), (uint16_t)(v4 ? length : length - IP6_HEADER));
	if (v4) {
		store16(bytes + 4, 7);
		store16(bytes + 6, (uint16_t)(last ? (first - header) / 8 : 0x2000));
		return length;
	}
	store16(extension + 2, (uint16_t)((last ? first - header : 0) | !last));
	bytes[6] = 44;
	return insert(bytes, length, IP6_HEADER, extension, sizeof(extension));
}

/* Changes a few bytes, mostly of the headers; now and then cuts or extends. */
static uint32_t mutate(struct random *random, uint8_t bytes[ROOM], uint32_t length)
{
	static const uint8_t nice[] = { 0, 1, 4, 5, 6, 8, 17, 20, 40, 44, 60, 0x45, 0x4f, 0x60, 0x7f, 0x80, 0xf0, 0xff };

	for (uint32_t i = random_below(random, 5); i > 0; i--) {
		uint32_t at = random_below(random, random_below(random, 4) ? 64 : length);

		bytes[at < length ? at : 0] =
			random_below(random, 2) ? nice[random_below(random, COUNT(nice))] : (uint8_t)random_next(random);
	}
	switch (random_below(random, 12)) {
	case 0:
		return random_below(random, length + 1);
	case 1:
		memset(bytes + length, (int)random_below(random, 256), 40);
		return length + random_below(random, 40);
	case 2: {
		uint8_t extension[8] = { bytes[6], 0, 5, 10, 1, 1, 2, 2 };

		if (bytes[0] >> 4 != 6 || length < IP6_HEADER)
			return length;
		bytes[6] = random_below(random, 2) ? 60 : 43;
		return insert(bytes, length, IP6_HEADER, extension, sizeof(extension));
	}
	default:
		return length;
	}
}

/* Makes the sums of a readable packet right, most times. */
static void mend(struct random *random, struct lun_packet *io)
{
	struct packet p = { .io = io };
	uint32_t length = io->length;

	if (random_below(random, 4) == 0 || !packet_parse(&p) || is_piece(&p))
		return;
	p.rebuilt = true;
	packet_seal(&p);
	io->length = length; /* the padding is part of the test */
}

static struct lun_packet mutant(struct random *random)
{
	uint8_t bytes[ROOM];
	uint32_t kind = random_below(random, 16), length;
	struct lun_packet io;

	if (kind < 3) /* an error */
		length = bytes_of(quoted_seeds[random_below(random, COUNT(quoted_seeds))], bytes);
	else
		length = bytes_of(seeds[random_below(random, COUNT(seeds))], bytes);
	if (kind == 0 || kind == 4)
		bytes[bytes[0] >> 4 == 4 ? 9 : 6] = 47; /* a protocol that is known by its addresses only */
	if (kind < 3)
		length = quote_in_error(random, bytes, length);
	else if (kind == 3)
		length = halve(random, bytes, length);
	io = exact(bytes, mutate(random, bytes, length));
	mend(random, &io);
	if (random_below(random, 8) == 0)
		io.wire_length = io.length + random_below(random, 2000);
	return io;
}

static void check_parsed(const struct packet *p)
{
	assert_int_equal(p->version, p->io->data[0] >> 4);
	assert_true(p->end <= p->io->length || p->end <= p->io->wire_length);
	if (is_piece(p))
		return;
	assert_true(p->transport >= IP4_HEADER && p->transport <= p->payload);
	assert_true(p->payload <= p->end && (p->payload <= p->io->length || !protocol_has_ports(p->tuple.protocol)));
	assert_true(p->payload + p->payload_length <= p->end);
	assert_int_equal(lun_address_is_v4(&p->tuple.source), p->version == 4);
	assert_int_equal(lun_address_is_v4(&p->tuple.destination), p->version == 4);
	assert_int_equal(p->tuple.zero, 0);
}

static void parse_survives_mutations(void **state)
{
	struct random random = { 20240601 };
	uint32_t read = 0;

	(void)state;
	for (int i = 0; i < MUTATIONS; i++) {
		struct lun_packet io = mutant(&random);
		struct packet p = { .io = &io };
		uint8_t before[ROOM];

		memcpy(before, io.data, io.length);
		if (packet_parse(&p)) {
			read++;
			check_parsed(&p);
		} else {
			assert_true(io.reason != LUN_REASON_none || io.ct == LUN_CT_UNTRACKED); /* or the link's own */
		}
		assert_memory_equal(io.data, before, io.length); /* nothing is changed */
		exact_free(&io);
	}
	assert_true(read > MUTATIONS / 4 && read < MUTATIONS); /* the mutations are neither harmless nor hopeless */
}

/* Sends what no service knows, ICMP and others, to the endpoints too. */
static int send_to_endpoint(void *user, const struct lun_new_flow *flow, struct lun_decision *decision)
{
	(void)user;
	if (flow->service || flow->tuple.protocol == LUN_TCP || flow->tuple.protocol == LUN_UDP)
		return 0;
	decision->action = LUN_ACTION_DNAT;
	decision->address = notation_address(lun_address_is_v4(&flow->tuple.destination) ? "10.244.0.5" : "fd00:244::5");
	return 0;
}

static struct lun_policy *mutation_policy(void)
{
	struct lun_address ips[2] = { notation_address("10.96.0.1"), notation_address("fd00:96::1") };
	struct lun_address node[2] = { notation_address("172.18.0.2"), notation_address("fd00:172::2") };
	struct lun_prefix ranges[2] = { notation_prefix("10.96.0.0/12"), notation_prefix("fd00:96::/64") };
	struct lun_prefix all = notation_prefix("::/0");
	struct lun_port ports[3] = { { "web", LUN_TCP, 80, 0, 8080 },
				     { "quic", LUN_UDP, 80, 0, 9090 },
				     { "sctp", LUN_SCTP, 80, 0, 7070 } };
	struct lun_endpoint endpoints[2] = { { .address = notation_address("10.244.0.5") },
					     { .address = notation_address("fd00:244::5") } };
	struct lun_header header = { .name = "X-Real-IP", .value = "$remote_addr" };
	struct lun_service service = { .name = "default/web", .cluster_ips = ips, .cluster_ip_count = 2 };
	struct lun_policy_config config = { .size = sizeof(config), .services = &service, .service_count = 1 };
	struct lun_policy *policy;

	config.node = (struct lun_node) { .addresses = node, .address_count = 2 };
	config.node.service_ranges = ranges;
	config.node.service_range_count = 2;
	config.intercept = &all;
	config.intercept_count = 1;
	config.hooks.flow = send_to_endpoint;
	service.ports = ports;
	service.port_count = 3;
	service.endpoints = endpoints;
	service.endpoint_count = 2;
	service.headers = &header;
	service.header_count = 1;
	assert_int_equal(lun_policy_new(&policy, &config, NULL), 0);
	return policy;
}

/* Whether the packet can be read and its sums are right. */
static bool is_right(const struct lun_packet *packet)
{
	struct lun_packet io = *packet;
	struct packet p = { .io = &io };

	return packet_parse(&p) && !is_piece(&p) && packet_checksums_right(&p);
}

/* Gives a mutant room to grow, now and then. */
static void make_room(struct random *random, struct lun_packet *io)
{
	uint32_t room = random_below(random, 2) ? 100 : 0;

	io->capacity = io->length + room;
	io->data = realloc(io->data, io->capacity ? io->capacity : 1);
	assert_non_null(io->data);
}

/* How far mutants got. */
struct reach {
	uint32_t accepted, related, translated_related, emitted_fragments;
};

/* Looks at what the engine sends by itself. */
static void drain(struct lun_engine *engine, struct reach *reach)
{
	struct lun_event event;

	while (lun_engine_next_event(engine, &event)) {
		struct lun_packet io;
		struct packet p = { .io = &io };

		if (event.kind != LUN_EVENT_EMIT)
			continue;
		io = exact(event.data, event.length);
		assert_true(packet_parse(&p)); /* RST, ICMP, or fragments that were held */
		reach->emitted_fragments += is_piece(&p);
		exact_free(&io);
	}
}

/* Runs a batch; every packet gets a verdict, and what was right before and goes on is right after. */
static void run_mutants(struct lun_engine *engine, struct random *random, uint64_t now, struct reach *reach)
{
	struct lun_packet packets[BATCH_OF_FEW];
	bool right[BATCH_OF_FEW];

	for (int i = 0; i < BATCH_OF_FEW; i++) {
		packets[i] = mutant(random);
		make_room(random, &packets[i]);
		packets[i].verdict = (enum lun_verdict)77;
		packets[i].reason = (enum lun_reason)77;
		packets[i].ct = (enum lun_ct)77;
		right[i] = is_right(&packets[i]);
	}
	lun_engine_packets(engine, packets, BATCH_OF_FEW, now);
	for (int i = 0; i < BATCH_OF_FEW; i++) {
		const struct lun_packet *packet = &packets[i];

		assert_true(packet->verdict == LUN_ACCEPT || packet->verdict == LUN_DROP || packet->verdict == LUN_REJECT ||
			    packet->verdict == LUN_STOLEN);
		assert_true(packet->reason < LUN_REASON_COUNT && packet->ct <= LUN_CT_UNTRACKED);
		assert_true(packet->length <= packet->capacity && packet->state < LUN_STATE_COUNT);
		if (packet->verdict == LUN_ACCEPT && right[i])
			assert_true(is_right(packet));
		reach->accepted += packet->verdict == LUN_ACCEPT && packet->flow;
		reach->related += packet->ct == LUN_CT_RELATED;
		reach->translated_related +=
			packet->ct == LUN_CT_RELATED && memcmp(&packet->is, &packet->was, sizeof(packet->is)) != 0;
		exact_free(&packets[i]);
	}
	drain(engine, reach);
}

static void the_engine_survives_mutations(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 2048, .seed = { 5, 6 }, .emit_size = 65536 };
	struct lun_policy *policy = mutation_policy();
	struct random random = { 20240602 };
	struct lun_engine *engine;
	struct lun_stats stats;
	struct reach reach = { 0 };

	(void)state;
	assert_int_equal(lun_engine_new(&engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	for (int i = 0; i < MUTATIONS / BATCH_OF_FEW; i++)
		run_mutants(engine, &random, (uint64_t)i * 200000000, &reach);
	lun_engine_stats(engine, &stats);
	assert_int_equal(stats.packets, MUTATIONS);
	/* They got as far as that. */
	assert_true(reach.accepted > MUTATIONS / 8 && stats.edits > 20);
	assert_true(reach.related > 1000 && reach.translated_related > 100 && reach.emitted_fragments > 100);
	assert_int_equal(stats.flows_opened - stats.flows_ended, stats.flows);
	lun_engine_free(engine);
}

/* ---- setters and seal ---- */

static struct lun_address random_address(struct random *random, bool v4)
{
	struct lun_address address = { { [10] = 0xff, [11] = 0xff } };

	for (int i = v4 ? 12 : 0; i < 16; i++)
		address.bytes[i] = (uint8_t)random_next(random);
	if (!v4)
		address.bytes[0] |= 1; /* no v4-mapped one */
	return address;
}

/* The bytes of a random packet; TCP with up to 40 bytes of options. */
static uint32_t random_bytes(struct random *random, uint8_t bytes[ROOM])
{
	bool v4 = random_below(random, 2);
	uint8_t payload[64], options[40];
	struct packet_spec spec = { .tcp_flags = TCP_ACK, .window = 1000, .payload = payload };
	struct lun_tuple tuple = { .source = random_address(random, v4),
				   .destination = random_address(random, v4),
				   .source_port = (uint16_t)random_next(random),
				   .destination_port = (uint16_t)random_next(random),
				   .protocol = random_below(random, 2) ? LUN_TCP : LUN_UDP };
	uint32_t length, transport = v4 ? IP4_HEADER : IP6_HEADER, size = random_below(random, 11) * 4;

	spec.sequence = (uint32_t)random_next(random);
	spec.acknowledgement = (uint32_t)random_next(random);
	spec.payload_length = random_below(random, sizeof(payload));
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)random_next(random);
	length = packet_build(bytes, ROOM, &tuple, &spec);
	assert_true(length > 0);
	if (tuple.protocol == LUN_UDP || size == 0)
		return length;
	memset(options, 1, sizeof(options));
	bytes[transport + 12] = (uint8_t)((TCP_HEADER + size) / 4 << 4);
	return insert(bytes, length, transport + TCP_HEADER, options, size);
}

/* A random packet with right sums, and its parse. */
static void random_packet(struct random *random, struct lun_packet *io, struct packet *p)
{
	uint8_t bytes[ROOM];
	uint32_t length = random_bytes(random, bytes);

	*io = exact(bytes, length);
	*p = (struct packet) { .io = io };
	assert_true(packet_parse(p));
	p->rebuilt = true;
	packet_seal(p);
	*p = (struct packet) { .io = io };
	assert_true(packet_parse(p));
	assert_int_equal(plain_transport(p), 0xffff);
}

/* The packet's own tuple with some of its fields changed. */
static struct lun_tuple other_tuple(struct random *random, const struct lun_tuple *tuple)
{
	struct lun_tuple other = *tuple;

	for (int i = 12; i < 16; i++) {
		if (random_below(random, 3))
			other.source.bytes[i] = (uint8_t)random_next(random);
		if (random_below(random, 3))
			other.destination.bytes[i] = (uint8_t)random_next(random);
	}
	if (random_below(random, 2))
		other.source_port = (uint16_t)random_next(random);
	if (random_below(random, 2))
		other.destination_port = (uint16_t)random_next(random);
	return other;
}

static void set_at_random(struct random *random, struct packet *p)
{
	struct lun_tuple tuple = other_tuple(random, &p->tuple);

	carry(p, &tuple);
	assert_true(tuple_equal(&p->io->is, &tuple));
	if (p->tuple.protocol == LUN_TCP && random_below(random, 2))
		packet_set_sequence(p, (uint32_t)random_next(random));
	if (p->tuple.protocol == LUN_TCP && random_below(random, 2))
		packet_set_acknowledgement(p, (uint32_t)random_next(random));
}

enum { SEALS = 50000 };

/* The sums that follow by differences are, bit by bit, the ones that a full sum gives. */
static void differences_give_the_full_sums(void **state)
{
	struct random random = { 11 };

	(void)state;
	for (int i = 0; i < SEALS; i++) {
		struct packet p, full;
		struct lun_packet io, copy;

		random_packet(&random, &io, &p);
		set_at_random(&random, &p);
		packet_seal(&p);
		assert_int_equal(plain_transport(&p), 0xffff);
		if (p.version == 4)
			assert_int_equal(plain_header(&p), 0xffff);
		copy = exact(io.data, io.length);
		full = (struct packet) { .io = &copy };
		assert_true(packet_parse(&full));
		assert_true(tuple_equal(&full.tuple, &io.is));
		full.rebuilt = true;
		packet_seal(&full);
		assert_memory_equal(copy.data, io.data, io.length);
		exact_free(&copy);
		exact_free(&io);
	}
}

/* Corrupt packets stay as corrupt as they were: the sum over everything is off by the same amount. */
static void a_wrong_checksum_stays_wrong_by_the_same_difference(void **state)
{
	struct random random = { 12 };

	(void)state;
	for (int i = 0; i < SEALS; i++) {
		struct packet p;
		struct lun_packet io;
		uint16_t transport, header;

		random_packet(&random, &io, &p);
		checksum_field(&p)[random_below(&random, 2)] ^= (uint8_t)(1 + random_below(&random, 255));
		if (p.tuple.protocol == LUN_UDP && load16(checksum_field(&p)) == 0)
			checksum_field(&p)[1] = 1; /* zero means none */
		if (p.version == 4)
			io.data[10] ^= (uint8_t)random_next(&random);
		transport = plain_transport(&p);
		header = plain_header(&p);
		set_at_random(&random, &p);
		packet_seal(&p);
		assert_true(same_sum(plain_transport(&p), transport));
		if (p.version == 4)
			assert_true(same_sum(plain_header(&p), header));
		if (p.tuple.protocol == LUN_UDP)
			assert_int_not_equal(load16(checksum_field(&p)), 0);
		exact_free(&io);
	}
}

static void a_udp_checksum_of_zero_stays_zero(void **state)
{
	struct random random = { 13 };
	int seen = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct packet p;
		struct lun_packet io;

		random_packet(&random, &io, &p);
		if (p.tuple.protocol == LUN_UDP) {
			seen++;
			store16(checksum_field(&p), 0);
			assert_true(packet_checksums_right(&p)); /* none; over IPv6, RFC 6936 */
			set_at_random(&random, &p);
			packet_seal(&p);
			assert_int_equal(load16(checksum_field(&p)), 0);
			if (p.version == 4)
				assert_int_equal(plain_header(&p), 0xffff);
		}
		exact_free(&io);
	}
	assert_true(seen > 300);
}

/* A sum that comes out as zero is sent as 0xffff (RFC 768): each source port is tried, so one of them makes it so. */
static void a_udp_sum_of_zero_is_sent_as_ones(void **state)
{
	int ones = 0;

	(void)state;
	for (uint32_t port = 0; port < 65536; port++) {
		uint8_t bytes[ROOM];
		struct lun_packet io = { .data = bytes };
		struct packet p = { .io = &io };
		struct lun_tuple tuple;

		io.length = bytes_of("udp 10.0.0.1:1000 10.0.0.2:53 len 2", bytes);
		assert_true(packet_parse(&p));
		tuple = p.tuple;
		tuple.source_port = (uint16_t)port;
		carry(&p, &tuple);
		packet_seal(&p);
		assert_int_not_equal(load16(checksum_field(&p)), 0);
		assert_int_equal(plain_transport(&p), 0xffff);
		ones += load16(checksum_field(&p)) == 0xffff;
	}
	assert_int_equal(ones, 1);
}

/* ---- checksums that cover only the front of a packet ---- */

/* A header of DCCP or UDP-Lite with 40 bytes behind it, of which the checksum covers the first `covered`. */
static const struct {
	uint8_t protocol, field[2], covered; /* `field`: the two bytes at offset 4 */
} partly[] = {
	{ PROTOCOL_UDP_LITE, { 0, 0 }, 48 }, { PROTOCOL_UDP_LITE, { 0, 8 }, 8 }, { PROTOCOL_UDP_LITE, { 0, 21 }, 21 },
	{ PROTOCOL_DCCP, { 4, 0 }, 48 },     { PROTOCOL_DCCP, { 4, 0xf1 }, 16 }, { PROTOCOL_DCCP, { 4, 0x03 }, 24 },
};

/* The folded sum of pseudo header and what is covered, the checksum field included. */
static uint16_t plain_partly(const struct packet *p, uint32_t covered)
{
	uint32_t sum = p->tuple.protocol + p->end - p->transport;

	sum = plain_add(sum, p->io->data + (p->version == 4 ? 12 : 8), p->version == 4 ? 8 : 32);
	return plain_fold(plain_add(sum, packet_transport(p), covered));
}

/* Builds the packet of partly[i]; its sum is right. */
static uint32_t build_partly(size_t i, bool v4, uint8_t bytes[ROOM])
{
	uint32_t length =
		bytes_of(v4 ? "udp 10.1.1.1:4000 10.2.2.2:53 len 40" : "udp [fd00::1]:4000 [fd00::2]:53 len 40", bytes);
	struct lun_packet io = { .data = bytes, .length = length };
	struct packet p = { .io = &io };

	bytes[v4 ? 9 : 6] = partly[i].protocol;
	if (v4) {
		store16(bytes + 10, 0);
		store16(bytes + 10, (uint16_t)~plain_fold(plain_add(0, bytes, IP4_HEADER)));
	}
	assert_true(packet_parse(&p));
	memcpy(packet_transport(&p) + 4, partly[i].field, 2);
	store16(checksum_field(&p), 0);
	store16(checksum_field(&p), (uint16_t)~plain_partly(&p, partly[i].covered));
	return length;
}

static void sums_that_cover_a_part_follow_the_addresses(void **state)
{
	struct random random = { 19 };
	uint8_t bytes[ROOM];

	(void)state;
	for (size_t i = 0; i < COUNT(partly) * 2; i++) {
		struct lun_packet io = exact(bytes, build_partly(i / 2, i % 2, bytes));
		struct packet p = { .io = &io };
		struct lun_tuple tuple;

		assert_true(packet_parse(&p));
		assert_true(packet_checksums_right(&p));
		packet_transport(&p)[47] ^= 1;
		assert_int_equal(packet_checksums_right(&p), partly[i / 2].covered < 48);
		packet_transport(&p)[47] ^= 1;
		tuple = other_tuple(&random, &p.tuple);
		tuple.source_port = tuple.destination_port = 0;
		carry(&p, &tuple);
		packet_seal(&p);
		assert_int_equal(plain_partly(&p, partly[i / 2].covered), 0xffff);
		packet_transport(&p)[1] ^= 1;
		assert_false(packet_checksums_right(&p));
		exact_free(&io);
	}
}

static void a_sum_of_zero_is_none_for_udp_alone(void **state)
{
	struct random random = { 20 };
	uint8_t bytes[ROOM];
	struct lun_packet io = exact(bytes, build_partly(0, true, bytes));
	struct packet p = { .io = &io };
	struct lun_tuple tuple;

	(void)state;
	assert_true(packet_parse(&p));
	store16(checksum_field(&p), 0);
	store16(packet_transport(&p) + UDP_HEADER, 0);
	store16(packet_transport(&p) + UDP_HEADER, (uint16_t)~plain_partly(&p, 48)); /* the sum is right as it is */
	tuple = other_tuple(&random, &p.tuple);
	tuple.source_port = tuple.destination_port = 0;
	carry(&p, &tuple);
	packet_seal(&p);
	assert_int_equal(plain_partly(&p, 48), 0xffff);
	exact_free(&io);
}

/* A coverage that ends inside of the header or behind the packet, and a packet that ends before the checksum. */
static void sums_of_what_cannot_be_covered_are_wrong(void **state)
{
	static const uint8_t fields[][2] = { { 0, 7 }, { 0, 49 }, { 13, 1 } };
	uint8_t bytes[ROOM];

	(void)state;
	for (size_t i = 0; i < COUNT(fields); i++) {
		uint32_t length = build_partly(i < 2 ? 0 : 3, true, bytes);
		struct lun_packet io = { .data = bytes, .length = length };
		struct packet p = { .io = &io };

		memcpy(bytes + IP4_HEADER + 4, fields[i], 2);
		assert_true(packet_parse(&p));
		assert_false(packet_checksums_right(&p));
		store16(bytes + 2, IP4_HEADER + 7);
		p = (struct packet) { .io = &io };
		assert_false(packet_parse(&p));
		assert_int_equal(io.reason, LUN_REASON_truncated);
	}
}

/* A checksum that the network card was to compute is computed here if anything changes, whatever stood in its place. */
static void an_unfinished_checksum_is_finished_when_something_changes(void **state)
{
	struct random random = { 15 };

	(void)state;
	for (int i = 0; i < SEALS / 10; i++) {
		uint8_t before[ROOM];
		struct packet p;
		struct lun_packet io;

		random_packet(&random, &io, &p);
		io.unfinished = true;
		store16(checksum_field(&p), (uint16_t)random_next(&random));
		assert_true(packet_checksums_right(&p));
		memcpy(before, io.data, io.length);
		if (random_below(&random, 4))
			set_at_random(&random, &p);
		packet_seal(&p);
		assert_int_equal(io.changed, memcmp(before, io.data, io.length) != 0);
		if (io.changed)
			assert_int_equal(plain_transport(&p), 0xffff);
		exact_free(&io);
	}
}

/* Of a packet that was cut there is nothing to compute it from: what is behind its end is not read. */
static void an_unfinished_checksum_of_a_cut_packet_is_left(void **state)
{
	uint8_t bytes[ROOM];
	uint32_t length = bytes_of("tcp 10.0.0.1:1 10.0.0.2:2 . seq 1 ack 2 len 500", bytes);
	struct lun_packet io = exact(bytes, 60);
	struct packet p = { .io = &io };
	struct lun_tuple tuple;

	(void)state;
	io.wire_length = length;
	io.unfinished = true;
	assert_true(packet_parse(&p));
	tuple = p.tuple;
	tuple.destination_port = 3;
	carry(&p, &tuple);
	packet_seal(&p);
	assert_true(io.changed);
	assert_int_equal(load16(io.data + 22), 3);
	exact_free(&io);
}

/* Nothing was changed: nothing is written, not even to a wrong sum. */
static void nothing_set_is_nothing_sealed(void **state)
{
	uint8_t bytes[ROOM];
	struct lun_packet io;
	struct packet p = { .io = &io };
	struct lun_tuple tuple;

	(void)state;
	io = exact(bytes, bytes_of("tcp 10.0.0.1:1 10.0.0.2:2 . seq 1 ack 2 len 5 bad-checksum", bytes));
	assert_true(packet_parse(&p));
	tuple = p.tuple;
	carry(&p, &tuple);
	packet_seal(&p);
	assert_memory_equal(io.data, bytes, io.length);
	exact_free(&io);
}

/* ---- SCTP ---- */

/* CRC-32C by its definition (RFC 9260, appendix A), bit by bit, with the checksum field as zero. */
static uint32_t plain_crc(const struct packet *p)
{
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = p->transport; i < p->end; i++) {
		crc ^= i - p->transport >= 8 && i - p->transport < 12 ? 0 : p->io->data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

/* The checksum field, low byte first. */
static uint32_t crc_field(const struct packet *p)
{
	const uint8_t *field = packet_transport(p) + 8;

	return (uint32_t)field[0] | (uint32_t)field[1] << 8 | (uint32_t)field[2] << 16 | (uint32_t)field[3] << 24;
}

static const char *const associations[] = {
	"sctp 10.0.0.1:1 10.0.0.2:2 tag 7 chunk init:9",
	"sctp 10.0.0.1:1 10.0.0.2:2 tag 7 len 77",
	"sctp [fd00::1]:1 [fd00::2]:2 tag 7 len 0",
	"sctp [fd00::1]:1 [fd00::2]:2 tag 7 len 333",
};

static void an_sctp_checksum_follows_by_difference_right_or_wrong(void **state)
{
	struct random random = { 14 };

	(void)state;
	for (int i = 0; i < 4000; i++) {
		uint8_t bytes[ROOM];
		struct lun_packet io = exact(bytes, bytes_of(associations[i % COUNT(associations)], bytes));
		struct packet p = { .io = &io };
		struct lun_tuple tuple;
		uint32_t wrong = i % 2 ? (uint32_t)random_next(&random) : 0;

		assert_true(packet_parse(&p));
		assert_true(packet_checksums_right(&p) && crc_field(&p) == plain_crc(&p));
		for (int k = 0; k < 4; k++)
			packet_transport(&p)[8 + k] ^= (uint8_t)(wrong >> 8 * k);
		tuple = other_tuple(&random, &p.tuple);
		carry(&p, &tuple);
		packet_seal(&p);
		assert_int_equal(crc_field(&p) ^ plain_crc(&p), wrong);
		exact_free(&io);
	}
}

/* ---- ICMP errors ---- */

/* The quoted packet, as a packet of its own. */
static void read_quote(const struct packet *error, struct lun_packet *io, struct packet *quoted)
{
	*io = (struct lun_packet) { .data = error->io->data + error->inner, .length = error->io->length - error->inner };
	*quoted = (struct packet) { .io = io };
	assert_true(packet_parse(quoted));
}

/* The sum of an ICMP message, which for ICMPv6 covers a pseudo header. */
static uint16_t plain_icmp(const struct packet *p)
{
	uint32_t length = p->end - p->transport, sum = p->version == 4 ? 0 : ICMPV6 + length;

	if (p->version == 6)
		sum = plain_add(sum, p->io->data + 8, 32);
	return plain_fold(plain_add(sum, p->io->data + p->transport, length));
}

/* An error about a translated packet is put back inside and outside; every sum in it stays as right as it was. */
static void errors_and_their_quotes_keep_their_sums(void **state)
{
	struct random random = { 15 };

	(void)state;
	for (int i = 0; i < SEALS / 5; i++) {
		uint8_t bytes[ROOM];
		struct lun_packet io, quoted_io;
		struct packet p, quoted;
		struct lun_tuple inner, outer;

		random_packet(&random, &io, &p);
		memcpy(bytes, io.data, io.length);
		quoted_io = exact(bytes, quote_in_error(&random, bytes, io.length));
		exact_free(&io);
		io = quoted_io;
		p = (struct packet) { .io = &io };
		assert_true(packet_parse(&p));
		assert_int_equal(p.role, PACKET_ICMP_ERROR);
		p.rebuilt = true;
		packet_seal(&p);
		p = (struct packet) { .io = &io };
		assert_true(packet_parse(&p));
		read_quote(&p, &quoted_io, &quoted);
		inner = other_tuple(&random, &quoted.tuple);
		outer = other_tuple(&random, &io.was);
		packet_set_related(&p, &outer, &inner);
		packet_seal(&p);
		read_quote(&p, &quoted_io, &quoted);
		assert_true(tuple_equal(&quoted.tuple, &inner));
		assert_int_equal(plain_transport(&quoted), 0xffff);
		assert_int_equal(plain_icmp(&p), 0xffff);
		if (p.version == 4)
			assert_true(plain_header(&p) == 0xffff && plain_header(&quoted) == 0xffff);
		exact_free(&io);
	}
}

static void quotes_of_sums_that_cover_a_part_follow_the_addresses(void **state)
{
	struct random random = { 20 };
	uint8_t bytes[ROOM];

	(void)state;
	for (size_t i = 0; i < COUNT(partly) * 2; i++) {
		struct lun_packet io = { .data = bytes }, quoted_io;
		struct packet p = { .io = &io }, quoted;
		struct lun_tuple inner;

		io.length = quote_in_error(&random, bytes, build_partly(i / 2, i % 2, bytes));
		assert_true(packet_parse(&p));
		read_quote(&p, &quoted_io, &quoted);
		inner = other_tuple(&random, &quoted.tuple);
		inner.source_port = inner.destination_port = 0;
		packet_set_related(&p, &io.was, &inner);
		packet_seal(&p);
		read_quote(&p, &quoted_io, &quoted);
		assert_true(tuple_equal(&quoted.tuple, &inner));
		assert_int_equal(plain_partly(&quoted, partly[i / 2].covered), 0xffff);
	}
}

/* A quoted header may say that its transport begins far behind the end of everything. */
static void a_quote_that_ends_before_its_transport_is_not_read(void **state)
{
	for (int size = 8; size <= 2048; size += 680) {
		uint8_t bytes[ROOM], extension[8] = { 47, (uint8_t)(size / 8 - 1) };
		struct random random = { 16 };
		struct lun_packet io;
		struct packet p = { .io = &io };
		uint32_t length = bytes_of("udp [fd00::1]:1 [fd00::2]:2 len 0", bytes);

		(void)state;
		bytes[6] = 60; /* destination options, behind which comes a protocol without ports */
		memcpy(bytes + IP6_HEADER, extension, sizeof(extension));
		store16(bytes + 4, 4000);
		io = exact(bytes, quote_in_error(&random, bytes, length));
		if (packet_parse(&p))
			assert_true(p.inner_transport <= io.length);
		assert_int_equal(p.readable, size == 8);
		exact_free(&io);
	}
}

/* ---- SACK ---- */

static uint32_t plus_1000(const void *user, uint32_t sequence)
{
	++*(uint32_t *)(uintptr_t)user;
	return sequence + 1000;
}

/* Options as bytes; `edges`: how many of them are mapped. */
static const struct {
	const char *what;
	uint8_t bytes[40];
	uint32_t size, edges;
} sacks[] = {
	{ "none", { 1, 1, 1, 1 }, 4, 0 },
	{ "even", { 1, 1, 5, 10, 0xff, 0xff, 0xfe, 0x18, 0xff, 0xff, 0xff, 0xff }, 12, 2 },
	{ "odd", { 1, 5, 10, 0xff, 0xff, 0xfe, 0x18, 0x12, 0x34, 0x56, 0x78, 0 }, 12, 2 },
	{ "odd, behind timestamps", { 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 5, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1 }, 24, 2 },
	{ "four blocks",
	  { 1, 1, 5, 34, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22 },
	  36,
	  8 },
	{ "two options", { 5, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1 }, 24, 4 },
	{ "behind the end", { 0, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, 12, 0 },
	{ "longer than the header", { 1, 1, 5, 18, 1, 2, 3, 4, 5, 6, 7, 8 }, 12, 0 },
	{ "no room for a length", { 1, 1, 1, 5 }, 4, 0 },
	{ "a length of zero", { 5, 0, 1, 1 }, 4, 0 },
	{ "a length of one", { 5, 1, 1, 1 }, 4, 0 },
	{ "no block", { 5, 2, 1, 1 }, 4, 0 },
	{ "half a block", { 5, 6, 1, 2, 3, 4, 1, 1 }, 8, 1 },
	{ "less than an edge", { 5, 5, 1, 2, 3, 1, 1, 1 }, 8, 0 },
	{ "behind a bad option", { 8, 0, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8 }, 12, 0 },
};

static void run_sack(size_t number, const char *line)
{
	uint8_t bytes[ROOM];
	uint32_t length = bytes_of(line, bytes), size = sacks[number].size, mapped = 0;
	uint32_t transport = bytes[0] >> 4 == 4 ? IP4_HEADER : IP6_HEADER;
	struct lun_packet io;
	struct packet p = { .io = &io };

	length = insert(bytes, length, transport + TCP_HEADER, sacks[number].bytes, size);
	bytes[transport + 12] = (uint8_t)((TCP_HEADER + size) / 4 << 4);
	io = exact(bytes, length);
	assert_true(packet_parse(&p));
	p.rebuilt = true;
	packet_seal(&p);
	p = (struct packet) { .io = &io };
	assert_true(packet_parse(&p));
	packet_map_sack(&p, plus_1000, &mapped);
	packet_seal(&p);
	if (mapped != sacks[number].edges)
		fail_msg("%s: %u edges, expected %u", sacks[number].what, mapped, sacks[number].edges);
	if (plain_transport(&p) != 0xffff)
		fail_msg("%s: the checksum is wrong", sacks[number].what);
	assert_memory_equal(io.data + p.payload, bytes + p.payload, length - p.payload);
	exact_free(&io);
}

static void sack_is_mapped_at_any_offset(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sacks); i++) {
		run_sack(i, "tcp 10.0.0.1:1 10.0.0.2:2 . seq 1 ack 2");
		run_sack(i, "tcp 10.0.0.1:1 10.0.0.2:2 . seq 1 ack 2 len 7");
		run_sack(i, "tcp [fd00::1]:1 [fd00::2]:2 . seq 1 ack 2 len 7");
	}
}

static void sack_edges_become_what_the_map_says(void **state)
{
	static const uint8_t options[] = { 1, 5, 10, 0xff, 0xff, 0xfe, 0x18, 0, 0, 0, 7, 1 };
	uint8_t bytes[ROOM];
	uint32_t length = bytes_of("tcp 10.0.0.1:1 10.0.0.2:2 . seq 1 ack 2", bytes), mapped = 0;
	struct lun_packet io;
	struct packet p = { .io = &io };

	(void)state;
	length = insert(bytes, length, 40, options, sizeof(options));
	bytes[32] = 0x80;
	io = exact(bytes, length);
	assert_true(packet_parse(&p));
	packet_map_sack(&p, plus_1000, &mapped);
	assert_int_equal(load32(io.data + 43), 0x200); /* across the end of the sequence space */
	assert_int_equal(load32(io.data + 47), 1007);
	exact_free(&io);
}

/* ---- building ---- */

static void a_packet_is_built_or_not_at_all(void **state)
{
	struct lun_tuple tuple = { .source = notation_address("10.0.0.1"),
				   .destination = notation_address("10.0.0.2"),
				   .protocol = LUN_UDP };
	struct packet_spec spec = { .payload = "x", .payload_length = 1 };
	uint8_t bytes[29];

	(void)state;
	assert_int_equal(packet_build(bytes, 29, &tuple, &spec), 29);
	assert_int_equal(packet_build(bytes, 28, &tuple, &spec), 0);
	spec.payload_length = UINT32_MAX - 20; /* the sum would go round */
	assert_int_equal(packet_build(bytes, 29, &tuple, &spec), 0);
	spec.payload_length = 65535;
	assert_int_equal(packet_build(bytes, UINT32_MAX, &tuple, &spec), 0);
	spec.payload_length = 1;
	tuple.protocol = 50;
	assert_int_equal(packet_build(bytes, 29, &tuple, &spec), 0);
	tuple.protocol = LUN_UDP;
	tuple.destination = notation_address("fd00::1");
	assert_int_equal(packet_build(bytes, 29, &tuple, &spec), 0);
}

/* ---- refusals ---- */

/* A packet, and the RST that answers it: flags, sequence number, acknowledgement. */
static const struct {
	const char *line;
	uint8_t flags;
	uint32_t sequence, acknowledgement;
} resets[] = {
	{ "tcp 10.0.0.1:1 10.0.0.2:2 S seq 100", TCP_RST | TCP_ACK, 0, 101 },
	{ "tcp 10.0.0.1:1 10.0.0.2:2 S seq 100 len 10", TCP_RST | TCP_ACK, 0, 111 },
	{ "tcp 10.0.0.1:1 10.0.0.2:2 S seq 4294967295", TCP_RST | TCP_ACK, 0, 0 },
	{ "tcp 10.0.0.1:1 10.0.0.2:2 F seq 100 len 5", TCP_RST | TCP_ACK, 0, 106 },
	{ "tcp 10.0.0.1:1 10.0.0.2:2 P seq 100 len 5", TCP_RST | TCP_ACK, 0, 105 },
	{ "tcp 10.0.0.1:1 10.0.0.2:2 . seq 100 ack 777", TCP_RST, 777, 0 },
	{ "tcp 10.0.0.1:1 10.0.0.2:2 S. seq 100 ack 777", TCP_RST, 777, 0 },
	{ "tcp 10.0.0.1:1 10.0.0.2:2 F. seq 100 ack 777 len 9", TCP_RST, 777, 0 },
	{ "tcp [fd00::1]:1 [fd00::2]:2 S seq 100", TCP_RST | TCP_ACK, 0, 101 },
	{ "tcp [fd00::1]:1 [fd00::2]:2 . seq 100 ack 777", TCP_RST, 777, 0 },
};

static void a_refused_segment_is_answered_with_a_reset(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(resets); i++) {
		uint8_t bytes[ROOM], answer[ROOM];
		struct lun_packet io, reply;
		struct packet p = { .io = &io }, got = { .io = &reply };
		struct lun_tuple back;
		uint32_t length;

		io = exact(bytes, bytes_of(resets[i].line, bytes));
		assert_true(packet_parse(&p));
		length = packet_build_refusal(answer, sizeof(answer), &p, REFUSAL_PORT);
		assert_int_equal(length, (p.version == 4 ? IP4_HEADER : IP6_HEADER) + TCP_HEADER);
		reply = exact(answer, length);
		assert_true(packet_parse(&got));
		back = tuple_inverted(&p.tuple);
		assert_true(tuple_equal(&got.tuple, &back));
		if (got.tcp_flags != resets[i].flags || got.sequence != resets[i].sequence ||
		    got.acknowledgement != resets[i].acknowledgement)
			fail_msg("%s: flags 0x%02x seq %u ack %u", resets[i].line, got.tcp_flags, got.sequence,
				 got.acknowledgement);
		assert_true(packet_checksums_right(&got));
		assert_int_equal(plain_transport(&got), 0xffff);
		assert_int_equal(packet_build_refusal(answer, length - 1, &p, REFUSAL_PORT), 0);
		exact_free(&reply);
		exact_free(&io);
	}
}

/* The answer to a datagram: port unreachable, from where it was sent to, quoting as much as fits. */
static void check_unreachable(const struct packet *p, uint8_t *answer, uint32_t length, uint32_t quote)
{
	bool v4 = p->version == 4;
	uint32_t header = v4 ? IP4_HEADER : IP6_HEADER, sum = v4 ? 0 : ICMPV6 + length - header;

	assert_int_equal(length, header + ICMP_HEADER + quote);
	assert_int_equal(answer[0] >> 4, p->version);
	assert_int_equal(v4 ? load16(answer + 2) : load16(answer + 4) + IP6_HEADER, length);
	assert_int_equal(answer[v4 ? 9 : 6], v4 ? ICMP : ICMPV6);
	assert_memory_equal(answer + (v4 ? 12 : 8), p->io->data + (v4 ? 16 : 24), v4 ? 4 : 16);
	assert_memory_equal(answer + (v4 ? 16 : 24), p->io->data + (v4 ? 12 : 8), v4 ? 4 : 16);
	assert_int_equal(answer[header], v4 ? 3 : 1);
	assert_int_equal(answer[header + 1], v4 ? 3 : 4);
	assert_memory_equal(answer + header + ICMP_HEADER, p->io->data, quote);
	if (v4)
		assert_int_equal(plain_fold(plain_add(0, answer, IP4_HEADER)), 0xffff);
	else
		sum = plain_add(sum, answer + 8, 32);
	assert_int_equal(plain_fold(plain_add(sum, answer + header, length - header)), 0xffff);
}

static void a_refused_datagram_is_answered_with_port_unreachable(void **state)
{
	static const struct {
		const char *line;
		uint32_t quote;
	} cases[] = {
		{ "udp 10.0.0.1:1 10.0.0.2:2 len 0", 28 },        { "udp 10.0.0.1:1 10.0.0.2:2 len 33", 61 },
		{ "udp 10.0.0.1:1 10.0.0.2:2 len 1400", 548 },    { "udp [fd00::1]:1 [fd00::2]:2 len 7", 55 },
		{ "udp [fd00::1]:1 [fd00::2]:2 len 1400", 1232 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t bytes[ROOM], *answer = malloc(1280);
		struct lun_packet io;
		struct packet p = { .io = &io };
		uint32_t length;

		io = exact(bytes, bytes_of(cases[i].line, bytes));
		assert_true(packet_parse(&p));
		length = packet_build_refusal(answer, 1280, &p, REFUSAL_PORT);
		check_unreachable(&p, answer, length, cases[i].quote);
		assert_int_equal(packet_build_refusal(answer, length - 1, &p, REFUSAL_PORT), 0);
		exact_free(&io);
		free(answer);
	}
}

/* A packet that a capture cut is quoted as far as it is there; what lies behind it is not quoted. */
static void a_quote_ends_where_the_packet_does(void **state)
{
	uint8_t bytes[ROOM] = { 0 }, answer[1280];
	uint32_t whole = bytes_of("udp 10.0.0.1:1 10.0.0.2:2 len 100", bytes);
	struct lun_packet io = exact(bytes, 40);
	struct packet p = { .io = &io };

	(void)state;
	io.wire_length = whole;
	assert_true(packet_parse(&p));
	check_unreachable(&p, answer, packet_build_refusal(answer, sizeof(answer), &p, REFUSAL_PORT), 40);
	exact_free(&io);
	io = exact(bytes, whole + 10);
	p = (struct packet) { .io = &io };
	assert_true(packet_parse(&p));
	check_unreachable(&p, answer, packet_build_refusal(answer, sizeof(answer), &p, REFUSAL_PORT), whole);
	exact_free(&io);
}

static const char *const unanswered[] = {
	"tcp 10.0.0.1:1 10.0.0.2:2 R seq 5",      "tcp 10.0.0.1:1 10.0.0.2:2 R. seq 5 ack 6",
	"tcp [fd00::1]:1 [fd00::2]:2 R seq 5",    "udp 10.0.0.1:1 224.0.0.251:5353 len 4",
	"udp 10.0.0.1:1 239.255.255.255:1 len 4", "udp 10.0.0.1:1 255.255.255.255:1 len 4",
	"udp 224.0.0.1:1 10.0.0.2:2 len 4",       "udp 255.255.255.255:1 10.0.0.2:2 len 4",
	"udp 0.0.0.0:68 10.0.0.2:67 len 4",       "tcp 224.0.0.1:1 10.0.0.2:2 S seq 1",
	"tcp 10.0.0.1:1 224.0.0.1:2 S seq 1",     "udp [fd00::1]:1 [ff02::fb]:5353 len 4",
	"udp [ff02::1]:1 [fd00::2]:2 len 4",      "udp [::]:1 [fd00::2]:2 len 4",
	"tcp [::]:1 [fd00::2]:2 S seq 1",
};

static void some_packets_must_not_be_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(unanswered); i++) {
		uint8_t bytes[ROOM], answer[1280];
		struct lun_packet io;
		struct packet p = { .io = &io };

		io = exact(bytes, bytes_of(unanswered[i], bytes));
		assert_true(packet_parse(&p));
		if (packet_build_refusal(answer, sizeof(answer), &p, REFUSAL_PORT) != 0)
			fail_msg("%s is answered", unanswered[i]);
		exact_free(&io);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation_is_seen),
		cmocka_unit_test(lying_lengths_are_seen),
		cmocka_unit_test(padding_is_not_looked_at),
		cmocka_unit_test(fragments_have_no_ports),
		cmocka_unit_test(extension_headers_are_walked),
		cmocka_unit_test(truncated_chains_are_seen),
		cmocka_unit_test(mapped_addresses_inside_ipv6_are_refused),
		cmocka_unit_test(parse_survives_mutations),
		cmocka_unit_test(the_engine_survives_mutations),
		cmocka_unit_test(differences_give_the_full_sums),
		cmocka_unit_test(a_wrong_checksum_stays_wrong_by_the_same_difference),
		cmocka_unit_test(a_udp_checksum_of_zero_stays_zero),
		cmocka_unit_test(a_udp_sum_of_zero_is_sent_as_ones),
		cmocka_unit_test(sums_that_cover_a_part_follow_the_addresses),
		cmocka_unit_test(a_sum_of_zero_is_none_for_udp_alone),
		cmocka_unit_test(sums_of_what_cannot_be_covered_are_wrong),
		cmocka_unit_test(an_unfinished_checksum_is_finished_when_something_changes),
		cmocka_unit_test(an_unfinished_checksum_of_a_cut_packet_is_left),
		cmocka_unit_test(nothing_set_is_nothing_sealed),
		cmocka_unit_test(an_sctp_checksum_follows_by_difference_right_or_wrong),
		cmocka_unit_test(errors_and_their_quotes_keep_their_sums),
		cmocka_unit_test(quotes_of_sums_that_cover_a_part_follow_the_addresses),
		cmocka_unit_test(a_quote_that_ends_before_its_transport_is_not_read),
		cmocka_unit_test(sack_is_mapped_at_any_offset),
		cmocka_unit_test(sack_edges_become_what_the_map_says),
		cmocka_unit_test(a_packet_is_built_or_not_at_all),
		cmocka_unit_test(a_refused_segment_is_answered_with_a_reset),
		cmocka_unit_test(a_refused_datagram_is_answered_with_port_unreachable),
		cmocka_unit_test(a_quote_ends_where_the_packet_does),
		cmocka_unit_test(some_packets_must_not_be_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
