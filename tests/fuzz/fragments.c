/* fragments.c - fragments of several datagrams to a service, in any order, of any size, lost, doubled and overlapping: what
 * leaves is whole datagrams, in order, without a gap, each byte from its own datagram, and no fragment is lost from the count.
 *
 * Input: bits of the engine's configuration; then five bytes a fragment: a bit each for IPv6 and "more", two for the datagram,
 * one for a wrong header checksum, one for a place far behind; offset; length; link padding; pause. */
#include "engine.h"
#include "packet/checksum.h"

struct run {
	struct lun_engine *engine;
	uint64_t now, emitted;
	uint32_t expected; /* offset that the next emitted fragment must have */
	bool full;         /* the ring of events may be: then a datagram's end is lost */
};

struct fragment {
	bool v6, more, wrong; /* wrong: its header checksum */
	uint8_t datagram;
	uint32_t offset, size;
};

/* The byte at an offset of a datagram: a UDP header, then what tells one datagram from another. */
static uint8_t byte_at(uint8_t datagram, uint32_t offset)
{
	static const uint8_t udp[UDP_HEADER] = { 0x10, 0, 0, 53, 0, UDP_HEADER, 0, 0 };

	return offset < UDP_HEADER ? udp[offset] : (uint8_t)(offset * 31 + datagram * 7);
}

static uint32_t build(uint8_t *data, const struct fragment *f)
{
	static const uint8_t v4_header[IP4_HEADER] = { 0x45, [8] = 64, LUN_UDP, [12] = 10, 0, 0, 1, 10, 96, 0, 10 };
	static const uint8_t v6_header[IP6_HEADER + 8] = { 0x60, [6] = 44, 64,   0xfd,      [23] = 1, 0xfd,
							   0,    0,        0x96, [39] = 10, LUN_UDP };
	uint32_t header = f->v6 ? sizeof(v6_header) : sizeof(v4_header);

	memcpy(data, f->v6 ? v6_header : v4_header, header);
	store16(data + (f->v6 ? 4 : 2), (uint16_t)(header + f->size - (f->v6 ? IP6_HEADER : 0)));
	store16(data + (f->v6 ? 42 : 6), (uint16_t)(f->v6 ? f->offset | f->more : f->offset / 8 | (uint32_t)f->more << 13));
	data[f->v6 ? 47 : 5] = f->datagram;
	if (!f->v6 && !f->wrong)
		checksum_update(data + 10, checksum_add(0, data, IP4_HEADER));
	for (uint32_t i = 0; i < f->size; i++)
		data[header + i] = byte_at(f->datagram, f->offset + i);
	return header + f->size;
}

static void check_emitted(struct run *run, const struct lun_event *event)
{
	bool v6 = event->data[0] >> 4 == 6, more = event->data[v6 ? 43 : 6] & (v6 ? 1 : 0x20);
	uint32_t header = v6 ? IP6_HEADER + 8 : IP4_HEADER;
	uint32_t offset = v6 ? load16(event->data + 42) & 0xfff8u : (uint32_t)(load16(event->data + 6) & 0x1fff) * 8;
	uint8_t datagram = event->data[v6 ? 47 : 5];

	MUST(event->kind == LUN_EVENT_EMIT && event->flow && offset == run->expected);
	for (uint32_t i = offset ? 0 : UDP_HEADER; i < event->length - header; i++)
		MUST(event->data[header + i] == byte_at(datagram, offset + i));
	run->expected = more ? offset + event->length - header : 0;
	run->emitted++;
}

static void give(struct run *run, struct input *input)
{
	uint8_t flags = input_byte(input), data[PACKET], *bytes;
	struct fragment fragment = { .v6 = flags & 1,
				     .more = flags & 2,
				     .datagram = flags >> 2 & 3,
				     .wrong = flags & 16,
				     .offset = input_byte(input) * (flags & 32 ? 256u : 8u),
				     .size = input_byte(input) * 4u };
	uint32_t length = build(data, &fragment), padding = input_byte(input) & 7;
	struct lun_packet packet = { .length = length + padding, .capacity = length + padding };
	struct lun_event event;

	memset(data + length, 0xee, padding);
	packet.data = bytes = exact_copy(data, length + padding);
	run->now += (uint64_t)(input_byte(input) >> 4) << 31; /* up to 32 s */
	lun_engine_packets(run->engine, &packet, 1, run->now);
	free(bytes);
	while (lun_engine_next_event(run->engine, &event))
		check_emitted(run, &event);
	MUST(run->expected == 0 || run->full); /* to the last one */
	run->expected = 0;
	check_fragments(run->engine, run->emitted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t bits = input_byte(&input) & 0xfe; /* the engine translates */
	struct run run = { .engine = fuzz_engine(bits), .full = bits & 128 };

	while (input.left)
		give(&run, &input);
	fuzz_finish(run.engine, run.now);
	return 0;
}
