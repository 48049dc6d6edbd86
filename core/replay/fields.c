/* fields.c - packets of an embedder's own, for its tests: built from their fields, and read back. */
#include "packet/build.h"

#include <lunette/replay.h>

int lun_packet_build(struct lun_packet *packet, const struct lun_tuple *tuple, const struct lun_packet_fields *fields)
{
	const struct packet_spec spec = { .tcp_flags = fields->tcp_flags,
					  .window = fields->window,
					  .sequence = fields->sequence,
					  .acknowledgement = fields->acknowledgement,
					  .payload = fields->payload,
					  .payload_length = fields->payload_length };
	bool query = tuple->protocol == LUN_ICMP || tuple->protocol == LUN_ICMPV6;

	if (lun_address_is_v4(&tuple->source) != lun_address_is_v4(&tuple->destination) ||
	    (tuple->protocol != LUN_TCP && tuple->protocol != LUN_UDP && !query))
		return LUN_BAD_ARGUMENT;
	packet->length = packet_build(packet->data, packet->capacity, tuple, &spec);
	return packet->length ? 0 : LUN_FULL;
}

int lun_packet_read(const uint8_t *data, uint32_t length, struct lun_tuple *tuple, struct lun_packet_fields *fields)
{
	struct lun_packet io = { .data = (uint8_t *)(uintptr_t)data, .length = length, .capacity = length };
	struct packet p;

	*fields = (struct lun_packet_fields) { 0 };
	packet_begin(&p, &io);
	if (!packet_parse(&p) || p.role == PACKET_FRAGMENT || p.payload + p.payload_length > length)
		return LUN_BAD_ARGUMENT;
	*tuple = *packet_was(&p);
	if (p.role == PACKET_ICMP_ERROR)
		return LUN_BAD_ARGUMENT;
	if (tuple->protocol == LUN_TCP) {
		fields->tcp_flags = p.tcp_flags;
		fields->sequence = p.sequence;
		fields->acknowledgement = p.acknowledgement;
		fields->window = load16(packet_transport(&p) + 14);
	}
	fields->payload = data + p.payload;
	fields->payload_length = p.payload_length;
	return 0;
}
