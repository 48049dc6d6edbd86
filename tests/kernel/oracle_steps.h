/* oracle_steps.h - a sequence of packets, before anybody has seen it: what each step is, its bytes, its fragments, its text.
 *
 * A step says who sends what; addresses come in when it is sent, for two reasons.  Each run uses a client of its own, so
 * that a sequence can be run again (to shrink it) while the kernel still remembers the last run.  And where a source port is
 * translated the kernel and the engine choose ports of their own: the server answers each of them as it heard from it. */
#ifndef LUNETTE_TESTS_ORACLE_STEPS_H
#define LUNETTE_TESTS_ORACLE_STEPS_H

#include <lunette/lunette.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/random.h"
#include "packet/build.h"
#include "packet/checksum.h"

enum { STEPS = 64, CONVERSATIONS = 2, PACKET_SIZE = 2048, PAYLOAD_SIZE = 1400, OTHER_PROTOCOL = 253, TTL_SENT = 64 };
enum { PIECES = 16, WIRE_SIZE = 2 * PACKET_SIZE, FRAGMENT_HEADER = 8, NEXT_FRAGMENT = 44, NEXT_OPTIONS = 60 };

enum side { CLIENT, SERVER };

/* What the client connects to, and so what happens to its packets. */
enum service { DIRECT, FORWARDED, MASQUERADED };

/* Packets between one port of a client and one of a server. */
struct conversation {
	uint8_t protocol;
	bool v6;
	enum service service;
	uint8_t client;     /* which of the run's clients */
	uint16_t port;      /* of the client, counted from the run's first one; of ICMP: the identifier */
	uint16_t icmp_kind; /* of ICMP: the type of the request */
};

enum step_kind {
	STEP_PACKET,
	STEP_ERROR,         /* an ICMP error about the packet of this conversation that came last */
	STEP_UNKNOWN_ERROR, /* about a packet that nobody sent */
	STEP_STRAY_ERROR,   /* about the one that came last, but to another address than sent it */
};

/* What happens to the fragments of a packet on their way. */
enum mishap { NO_MISHAP, BACKWARDS, LOST, TWICE, OVERLAPPED };

struct step {
	uint8_t kind; /* enum step_kind */
	uint8_t conversation;
	uint8_t from; /* enum side */
	uint8_t tcp_flags;
	uint16_t window, length; /* length: of the payload; SCTP: of the chunks */
	uint32_t sequence, acknowledgement, tag;
	uint8_t options[40], options_length;
	uint8_t chunks[64];
	uint8_t icmp_type, icmp_code; /* of an error; of a query the code */
	uint16_t quote;               /* bytes that an error quotes at most */
	bool spoiled;                 /* the transport checksum is wrong */
	bool unsummed;                /* of UDP: there is none */
	bool mangled;                 /* of TCP and UDP: the transport header contradicts itself */
	bool extended;                /* of IPv4: there are options; of IPv6: an extension header */
	uint16_t piece;            /* comes in fragments with as many bytes of transport, if it is not too many; 0: whole */
	uint8_t mishap, mishap_at; /* enum mishap; to which fragment */
};

struct sequence {
	uint64_t seed;
	bool liberal, no_pick_up, unverified; /* how both are configured */
	struct conversation conversations[CONVERSATIONS];
	struct step steps[STEPS];
	uint32_t count;
};

/* How one of the two, kernel or engine, has changed the world: what the server hears, and what came to whom last. */
struct world {
	struct lun_tuple heard[CONVERSATIONS];
	uint8_t came[CONVERSATIONS][2][PACKET_SIZE]; /* by the side that it came to */
	uint32_t came_length[CONVERSATIONS][2];
	uint8_t was[CONVERSATIONS][2][PACKET_SIZE]; /* the same packet as its sender had sent it */
	uint32_t run;
};

/* ---- addresses ---- */

/* What masquerading puts in front. */
#define NODE_V4 "10.244.0.1"
#define NODE_V6 "fd44::1"

static inline struct lun_address address_of(const char *v4, const char *v6, bool is_v6)
{
	struct lun_address address;

	lun_address_parse(&address, is_v6 ? v6 : v4);
	return address;
}

static inline struct lun_address client_address(uint32_t run, uint8_t client, bool v6)
{
	struct lun_address address = address_of("10.128.0.0", "fd01::", v6);

	store32(address.bytes + 12, load32(address.bytes + 12) + run % 0x3fffff * 2 + client);
	return address;
}

/* Where the client sends to: the server itself, or a service in front of it. */
static inline struct lun_address service_address(enum service service, bool v6)
{
	static const char *const v4s[] = { "10.2.2.2", "10.96.0.1", "10.96.0.2" }, *const v6s[] = { "fd02::2", "fd96::1",
												    "fd96::2" };

	return address_of(v4s[service], v6s[service], v6);
}

enum { SERVICE_PORT = 80, SERVER_PORT = 8080, CLIENT_PORTS = 50000 };

/* The tuple that the client sends, and the one that the server hears if all is translated. */
static inline struct lun_tuple client_tuple(const struct conversation *c, uint32_t run)
{
	struct lun_tuple tuple = { .source = client_address(run, c->client, c->v6),
				   .destination = service_address(c->service, c->v6),
				   .protocol = c->protocol,
				   .source_port = (uint16_t)(4096 + (run * 4 + c->port) % CLIENT_PORTS),
				   .destination_port = c->service == DIRECT ? SERVER_PORT : SERVICE_PORT };

	if (c->protocol == LUN_ICMP || c->protocol == LUN_ICMPV6)
		tuple.destination_port = c->icmp_kind;
	if (c->protocol == OTHER_PROTOCOL)
		tuple.source_port = tuple.destination_port = 0;
	return tuple;
}

static inline struct lun_tuple expected_at_server(const struct conversation *c, uint32_t run)
{
	struct lun_tuple tuple = client_tuple(c, run);

	if (c->service == DIRECT)
		return tuple;
	tuple.destination = service_address(DIRECT, c->v6);
	tuple.destination_port = SERVER_PORT;
	if (c->service == MASQUERADED)
		tuple.source = address_of(NODE_V4, NODE_V6, c->v6);
	return tuple;
}

/* ---- bytes ---- */

static inline void sum_ip_header(uint8_t *data)
{
	uint16_t checksum;

	if (data[0] >> 4 != 4)
		return;
	memset(data + 10, 0, 2);
	checksum = (uint16_t)~checksum_fold(checksum_add(0, data, (data[0] & 15u) * 4));
	memcpy(data + 10, &checksum, 2);
}

/* Numbers a packet, so that it is known again when it comes back: by the identification, or the flow label. */
static inline void set_number(uint8_t *data, uint16_t number)
{
	store16(data + (data[0] >> 4 == 4 ? 4 : 2), number);
	sum_ip_header(data);
}

static inline uint16_t number_of(const uint8_t *data)
{
	return load16(data + (data[0] >> 4 == 4 ? 4 : 2));
}

/* Offset of the transport in a packet that was built here: without options and extensions. */
static inline uint32_t transport_of(const uint8_t *data)
{
	return data[0] >> 4 == 4 ? IP4_HEADER : IP6_HEADER;
}

/* Makes the checksums right again after bytes were changed. */
static inline void seal_again(uint8_t *data, uint32_t length)
{
	struct lun_packet io = { .data = data, .length = length, .capacity = length };
	struct packet p = { .io = &io, .version = data[0] >> 4, .end = length, .rebuilt = true };

	p.transport = (uint16_t)transport_of(data);
	p.tuple.protocol = p.version == 4 ? data[9] : data[6];
	packet_seal(&p);
}

/* An ICMP query has any kind and code; packet_build knows only one. */
static inline void set_icmp_kind(uint8_t *icmp, const struct lun_tuple *tuple, uint8_t code)
{
	bool request = tuple->destination_port < 256;
	uint16_t kind = request ? tuple->destination_port : tuple->source_port;

	icmp[0] = (uint8_t)(request ? kind : kind == 8 ? 0 : kind + 1);
	icmp[1] = code;
	store16(icmp + 4, request ? tuple->source_port : tuple->destination_port);
}

/* A TCP header that would be longer than the packet, or a UDP datagram shorter than its header. */
static inline void mangle(uint8_t *data, uint32_t length, uint8_t protocol)
{
	uint8_t *transport = data + transport_of(data);

	if (protocol == LUN_TCP)
		transport[12] = length - transport_of(data) < 60 ? 0xf0 : 0x40;
	if (protocol == LUN_TCP)
		seal_again(data, length);
	if (protocol == LUN_UDP)
		store16(transport + 4, 7);
}

/* Puts options that do nothing in front of the transport: of IPv4 (RFC 791, 3.1), or in an IPv6 destination options header
 * (RFC 8200, 4.6).  No transport checksum covers them.  Returns the new length. */
static inline uint32_t extend(uint8_t *data, uint32_t length)
{
	const uint8_t v4[4] = { 1, 1, 1, 0 }, v6[8] = { data[6], 0, 1, 4 };
	uint32_t front = transport_of(data), size = front == IP4_HEADER ? sizeof(v4) : sizeof(v6);

	memmove(data + front + size, data + front, length - front);
	memcpy(data + front, front == IP4_HEADER ? v4 : v6, size);
	length += size;
	if (front == IP4_HEADER) {
		data[0]++;
		store16(data + 2, (uint16_t)length);
		sum_ip_header(data);
	} else {
		data[6] = NEXT_OPTIONS;
		store16(data + 4, (uint16_t)(length - IP6_HEADER));
	}
	return length;
}

/* Returns the length; 0: this step cannot be. */
static inline uint32_t build_packet(const struct step *step, const struct lun_tuple *tuple, uint8_t data[PACKET_SIZE])
{
	static const uint8_t payload[PAYLOAD_SIZE] = "payload";
	struct packet_spec spec = { .tcp_flags = step->tcp_flags,
				    .window = step->window,
				    .sequence = step->sequence,
				    .acknowledgement = step->acknowledgement,
				    .options = step->options,
				    .options_length = step->options_length,
				    .tag = step->tag,
				    .payload = tuple->protocol == LUN_SCTP ? step->chunks : payload,
				    .payload_length = step->length };
	struct lun_tuple built = *tuple;
	uint32_t length, transport;

	if (tuple->protocol == OTHER_PROTOCOL)
		built.protocol = LUN_UDP;
	length = packet_build(data, PACKET_SIZE, &built, &spec);
	if (!length)
		return 0;
	transport = transport_of(data);
	if (tuple->protocol == LUN_ICMP || tuple->protocol == LUN_ICMPV6) {
		set_icmp_kind(data + transport, tuple, step->icmp_code);
		seal_again(data, length);
	}
	if (step->mangled)
		mangle(data, length, tuple->protocol);
	if (step->unsummed)
		memset(data + transport + 6, 0, 2);
	if (step->spoiled)
		data[length - 1] ^= 0x55;
	if (tuple->protocol == OTHER_PROTOCOL)
		data[transport == IP4_HEADER ? 9 : 6] = OTHER_PROTOCOL;
	return step->extended ? extend(data, length) : length;
}

/* An error from a router beside the side that sends it, about `quote`. */
static inline uint32_t build_error(const struct step *step, const uint8_t *quote, uint32_t quote_length,
				   uint8_t data[PACKET_SIZE])
{
	bool v6 = quote[0] >> 4 == 6;
	struct lun_tuple tuple = { .protocol = v6 ? LUN_ICMPV6 : LUN_ICMP };
	struct packet_spec spec = { .payload = quote,
				    .payload_length = quote_length < step->quote ? quote_length : step->quote };
	uint32_t length;

	tuple.source =
		step->from == CLIENT ? address_of("10.128.255.9", "fd01:9::9", v6) : address_of("10.2.9.9", "fd02::9:9", v6);
	tuple.destination = address_of("0.0.0.0", "::", v6);
	if (v6)
		memcpy(tuple.destination.bytes, quote + 8, 16);
	else
		memcpy(tuple.destination.bytes + 12, quote + 12, 4);
	if (step->kind == STEP_STRAY_ERROR)
		tuple.destination = step->from == CLIENT ? address_of("10.2.9.8", "fd02::9:8", v6)
							 : address_of("10.128.255.8", "fd01:9::8", v6);
	length = packet_build(data, PACKET_SIZE, &tuple, &spec);
	data[transport_of(data)] = step->icmp_type;
	data[transport_of(data) + 1] = step->icmp_code;
	seal_again(data, length);
	if (step->spoiled)
		data[length - 1] ^= 0x55;
	return length;
}

/* The bytes of a step as this world's ends would send it; 0: there is nothing to send, for instance no packet to quote. */
static inline uint32_t step_build(const struct sequence *sequence, const struct step *step, const struct world *world,
				  uint8_t data[PACKET_SIZE])
{
	const struct conversation *c = &sequence->conversations[step->conversation];
	const uint8_t *came = world->came[step->conversation][step->from];
	uint32_t came_length = world->came_length[step->conversation][step->from], length = 0;
	struct lun_tuple tuple = client_tuple(c, world->run);
	struct step quoted = { .tcp_flags = TCP_ACK, .length = 40, .chunks = { [3] = 40 } };
	uint8_t unknown[PACKET_SIZE];

	if (step->from == SERVER && c->service == MASQUERADED && came_length == 0)
		return 0; /* it heard nothing yet, and would speak to the other conversation's client */
	if (step->kind == STEP_PACKET) {
		if (step->from == SERVER)
			tuple = tuple_inverted(&world->heard[step->conversation]);
		length = build_packet(step, &tuple, data);
	} else if (step->kind == STEP_UNKNOWN_ERROR) {
		if (step->from == CLIENT)
			tuple = tuple_inverted(&tuple);
		tuple.source_port ^= 1;
		length = build_error(step, unknown, build_packet(&quoted, &tuple, unknown), data);
	} else if (came_length > 0) {
		length = build_error(step, came, came_length, data);
	}
	if (length > 0 && step->piece && data[0] >> 4 == 4)
		data[6] = 0; /* it may be fragmented; set_number sums the header */
	return length;
}

/* ---- fragments ---- */

/* Bytes of the packet at `data` with its headers; also says where one of several on the wire ends. */
static inline uint32_t packet_length(const uint8_t *data)
{
	return data[0] >> 4 == 4 ? load16(data + 2) : IP6_HEADER + load16(data + 4);
}

/* Bytes that stand in front of each fragment: the IPv6 options too, for so the kernel cuts. */
static inline uint32_t front_of(const uint8_t *data)
{
	return data[0] >> 4 == 4 ? (data[0] & 15u) * 4 : data[6] == NEXT_OPTIONS ? IP6_HEADER + 8 : IP6_HEADER;
}

/* Of IPv6: the byte that says what comes behind the front. */
static inline uint8_t *next_of(uint8_t *data)
{
	return data + (data[6] == NEXT_OPTIONS ? IP6_HEADER : 6);
}

/* Makes the fragment of a packet that has `size` bytes from `offset` behind its front; returns its length. */
static inline uint32_t cut_fragment(const uint8_t *packet, uint32_t offset, uint32_t size, uint8_t *fragment)
{
	uint32_t front = front_of(packet), header = packet[0] >> 4 == 4 ? 0 : FRAGMENT_HEADER;
	bool last = front + offset + size == packet_length(packet);

	memcpy(fragment, packet, front);
	memcpy(fragment + front + header, packet + front + offset, size);
	if (header == 0) {
		store16(fragment + 2, (uint16_t)(front + size));
		store16(fragment + 6, (uint16_t)(offset / 8 | (last ? 0 : 0x2000)));
		sum_ip_header(fragment);
	} else {
		uint8_t *next = next_of(fragment);

		store16(fragment + 4, (uint16_t)(front - IP6_HEADER + header + size));
		memset(fragment + front, 0, header);
		fragment[front] = *next;
		*next = NEXT_FRAGMENT;
		store16(fragment + front + 2, (uint16_t)(offset | !last));
		store16(fragment + front + 6, number_of(packet));
	}
	return front + header + size;
}

/* What a step puts on the wire for its packet: that, or its fragments one behind the other.  Returns the bytes of all. */
static inline uint32_t step_cut(const struct step *step, const uint8_t *packet, uint8_t wire[WIRE_SIZE])
{
	uint32_t whole = packet_length(packet) - front_of(packet), least = whole / PIECES / 8 * 8 + 8,
		 size = step->piece > least ? step->piece : least, count = (whole + size - 1) / size, length = 0;

	if (step->piece == 0 || count < 2) {
		memcpy(wire, packet, packet_length(packet));
		return packet_length(packet);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = (step->mishap == BACKWARDS ? count - 1 - i : i) * size,
			 left = whole - at < size ? whole - at : size;
		uint8_t mishap = i == step->mishap_at % count ? step->mishap : NO_MISHAP;

		if (mishap != LOST)
			length += cut_fragment(packet, at, left, wire + length);
		if (mishap == TWICE)
			length += cut_fragment(packet, at, left, wire + length);
		if (mishap == OVERLAPPED && left > 8)
			length += cut_fragment(packet, at + 8, left - 8, wire + length);
	}
	return length;
}

/* Puts the fragment at `data` into its place in `packet`, whose front is there; returns where it ends. */
static inline uint32_t join_fragment(uint8_t *data, uint8_t packet[PACKET_SIZE])
{
	bool v4 = data[0] >> 4 == 4;
	uint32_t front = front_of(data), from = v4 ? front : front + FRAGMENT_HEADER, size = packet_length(data) - from,
		 at = front + (v4 ? (load16(data + 6) & 0x1fffu) * 8 : load16(data + front + 2) & 0xfff8u);

	if (at + size > PACKET_SIZE)
		return 0;
	memcpy(packet + at, data + from, size);
	return at + size;
}

/* The packet that those on the wire are the fragments of, or the one that is there; returns its length, 0 if none is. */
static inline uint32_t wire_join(uint8_t *wire, uint32_t length, uint8_t packet[PACKET_SIZE])
{
	bool v4 = wire[0] >> 4 == 4;
	uint32_t front = front_of(wire), end = 0;

	if (length == 0)
		return 0;
	if (!(v4 ? load16(wire + 6) & 0x3fff : *next_of(wire) == NEXT_FRAGMENT)) {
		memcpy(packet, wire, packet_length(wire));
		return packet_length(wire);
	}
	memcpy(packet, wire, front);
	for (uint32_t at = 0; at < length; at += packet_length(wire + at)) {
		uint32_t reached = join_fragment(wire + at, packet);

		end = reached > end ? reached : end;
	}
	if (v4) {
		store16(packet + 2, (uint16_t)end);
		store16(packet + 6, 0);
		sum_ip_header(packet);
	} else {
		*next_of(packet) = wire[front];
		store16(packet + 4, (uint16_t)(end - IP6_HEADER));
	}
	return end;
}

/* ---- text ---- */

static const char *const chunk_names[] = { "data",          "init",       "init_ack", "sack",         "heartbeat",
					   "heartbeat_ack", "abort",      "shutdown", "shutdown_ack", "error",
					   "cookie_echo",   "cookie_ack", "ecne",     "cwr",          "shutdown_complete" };

static const char *const mishaps[] = { "", ", the last one first", ", one lost", ", one twice", ", one overlapped" };

static inline void print_tcp(const struct step *step, FILE *file)
{
	static const struct {
		uint8_t flag;
		char letter;
	} letters[] = { { TCP_SYN, 'S' }, { TCP_FIN, 'F' }, { TCP_RST, 'R' },
			{ TCP_PSH, 'P' }, { TCP_URG, 'U' }, { TCP_ACK, '.' } };
	const uint8_t *at = step->options, *end = at + step->options_length;

	fputc(' ', file);
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (step->tcp_flags & letters[i].flag)
			fputc(letters[i].letter, file);
	fprintf(file, " seq %u ack %u win %u", step->sequence, step->acknowledgement, step->window);
	for (; at < end; at += *at == 1 ? 1 : at[1])
		if (*at == 3)
			fprintf(file, " scale %u", at[2]);
		else if (*at == 4)
			fprintf(file, " sackok");
		else if (*at == 5)
			fprintf(file, " sack %u-%u", load32(at + 2), load32(at + 6));
		else if (*at == 8)
			fprintf(file, " timestamps");
}

static inline void print_chunks(const struct step *step, FILE *file)
{
	fprintf(file, " tag %u", step->tag);
	for (uint32_t at = 0; at + 4 <= step->length; at += (load16(step->chunks + at + 2) + 3u) & ~3u) {
		const uint8_t *chunk = step->chunks + at;

		fprintf(file, " chunk %s%s", chunk[0] < 15 ? chunk_names[chunk[0]] : "unknown", chunk[1] & 1 ? "/T" : "");
		if (chunk[0] == 1 || chunk[0] == 2)
			fprintf(file, ":%u", load32(chunk + 4));
		if (load16(chunk + 2) < 4)
			break;
	}
}

/* The step in the notation of tests/unit/notation.h. */
static inline void step_print(const struct sequence *sequence, const struct step *step, const struct world *world,
			      FILE *file)
{
	const struct conversation *c = &sequence->conversations[step->conversation];
	struct lun_tuple tuple = client_tuple(c, world->run);
	char text[LUN_TUPLE_TEXT];

	if (step->from == SERVER)
		tuple = tuple_inverted(&world->heard[step->conversation]);
	if (step->kind != STEP_PACKET)
		tuple = tuple_inverted(&tuple);
	if (step->kind != STEP_PACKET)
		fprintf(file, "error %u/%u from the %s%s, quoting %u bytes of: ", step->icmp_type, step->icmp_code,
			step->from == CLIENT ? "client" : "server",
			step->kind == STEP_STRAY_ERROR     ? " to a stranger"
			: step->kind == STEP_UNKNOWN_ERROR ? " about an unknown packet"
							   : "",
			step->quote);
	fprintf(file, "%s", lun_tuple_format(&tuple, text));
	if (step->kind == STEP_PACKET && c->protocol == LUN_TCP)
		print_tcp(step, file);
	if (step->kind == STEP_PACKET && c->protocol == LUN_SCTP)
		print_chunks(step, file);
	else if (step->kind == STEP_PACKET && step->length)
		fprintf(file, " len %u", step->length);
	if (step->kind == STEP_PACKET && step->icmp_code)
		fprintf(file, " code %u", step->icmp_code);
	if (step->piece)
		fprintf(file, " in pieces of %u%s", step->piece, mishaps[step->mishap]);
	fprintf(file, "%s%s%s%s\n", step->spoiled ? " bad-checksum" : "", step->unsummed ? " no-checksum" : "",
		step->mangled ? " mangled" : "", step->extended ? " extended" : "");
}

#endif
