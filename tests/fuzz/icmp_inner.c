/* icmp_inner.c - ICMP errors about packets of known, translated flows, with anything in the quoted packet: what leaves has
 * right checksums if what came had, carries what the engine says it does, and has neither ended nor refreshed the flow.
 *
 * Input: kind of the flow, bytes quoted, type; then pairs of position and value that overwrite the error, up to position
 * zero; what is left follows the quote. */
#include "engine.h"

enum { SECOND = 1000000000 };

/* Opens a flow; leaves the packet as it left. */
static void open_flow(struct lun_engine *engine, uint8_t kind, uint8_t *data, struct lun_packet *packet)
{
	static const uint8_t init[20] = { 1, 0, 0, 20, 0, 0, 0, 7 }; /* a chunk, if it is SCTP */
	struct lun_tuple tuple = tuple_of(kind);
	struct packet_spec spec = { .tcp_flags = TCP_SYN,
				    .payload = init,
				    .payload_length = tuple.protocol == LUN_TCP ? 0 : sizeof(init) };

	*packet = (struct lun_packet) { .data = data, .length = build_any(data, tuple, &spec), .capacity = PACKET };
	lun_engine_packets(engine, packet, 1, 1);
	MUST(packet->verdict == LUN_ACCEPT && packet->flow);
}

/* Builds an error about `about`; returns its length. */
static uint32_t build_error(uint8_t *data, const struct lun_packet *about, struct input *input)
{
	static const uint8_t types[] = { 3, 4, 5, 11, 12 };
	bool v4 = lun_address_is_v4(&about->is.source);
	struct lun_tuple tuple = { .source = address_of(v4 ? "198.51.100.7" : "2001:db8:7::1"),
				   .destination = about->is.source,
				   .protocol = v4 ? LUN_ICMP : LUN_ICMPV6 };
	uint8_t quoted = input_byte(input), type = input_byte(input), position;
	struct packet_spec spec = { .payload = about->data,
				    .payload_length = quoted < about->length ? quoted : about->length };
	uint32_t length = packet_build(data, PACKET, &tuple, &spec), header = v4 ? IP4_HEADER : IP6_HEADER;
	struct lun_packet io = { .data = data };
	struct packet p = {
		.io = &io, .tuple = tuple, .version = v4 ? 4 : 6, .transport = (uint16_t)header, .rebuilt = true
	};

	data[header] = v4 ? types[type % 5] : (uint8_t)(1 + type % 4);
	data[header + 1] = type >> 4;
	while ((position = input_byte(input)) != 0)
		data[(header + position) % length] = input_byte(input);
	length += input_bytes(input, data + length, 64);
	p.end = length;
	if (!(type & 8))
		packet_seal(&p);
	return length;
}

/* Whether the checksums of the quoted packet are right, as far as it is quoted. */
static bool quote_is_right(const struct lun_packet *error)
{
	struct lun_packet io, quote = { .wire_length = UINT16_MAX + IP6_HEADER };
	struct packet p;

	parse_again(&p, &io, error);
	if (!p.readable || p.role != PACKET_ICMP_ERROR)
		return false;
	quote.data = error->data + p.inner;
	quote.length = (p.end < error->length ? p.end : error->length) - p.inner;
	return parse_again(&p, &io, &quote);
}

/* An error that was taken for one about the flow. */
static void check_error(struct lun_engine *engine, const struct lun_packet *error, const struct lun_flow *flow)
{
	struct lun_tuple quoted = error->direction == LUN_REPLY ? flow->orig : flow->reply, key = tuple_inverted(&quoted);
	struct lun_packet io;
	struct lun_flow after;
	struct packet p;

	parse_again(&p, &io, error);
	MUST(p.readable && p.role == PACKET_ICMP_ERROR && tuple_equal(&p.tuple, &key));
	MUST(tuple_equal(&io.was, &error->is) && error->flow == flow->id && error->verdict == LUN_ACCEPT);
	MUST(lun_flow_find(engine, &flow->orig, &after) == 0 && after.id == flow->id && after.state == flow->state);
	MUST(after.packets[0] == 1 && after.packets[1] == 0 && after.expires + SECOND == flow->expires);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct lun_engine *engine = fuzz_engine(0);
	uint8_t quote[PACKET], error[PACKET];
	struct lun_packet opening, packet = { 0 }, io;
	struct lun_flow flow;
	struct packet p;
	bool right, quoted_right;

	open_flow(engine, input_byte(&input), quote, &opening);
	MUST(lun_flow_find(engine, &opening.was, &flow) == 0);
	packet.length = packet.capacity = build_error(error, &opening, &input);
	packet.data = exact_copy(error, packet.length);
	right = parse_again(&p, &io, &packet);
	quoted_right = quote_is_right(&packet);
	lun_engine_packets(engine, &packet, 1, 1 + SECOND);
	if (packet.ct == LUN_CT_RELATED) {
		check_error(engine, &packet, &flow);
		MUST(parse_again(&p, &io, &packet) == right && (!quoted_right || quote_is_right(&packet)));
	}
	free(packet.data);
	fuzz_finish(engine, 1 + SECOND);
	return 0;
}
