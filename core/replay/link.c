/* link.c - link headers.  What is not IP by its type field is not looked into: the frame is copied as it is. */
#include "replay/link.h"

#include "base/bytes.h"

#include <pcap/pcap.h>

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_VLAN = 0x8100,
	TYPE_SERVICE_VLAN = 0x88a8,
	TYPE_OLD_SERVICE_VLAN = 0x9100,
	TAGS_MAX = 3, /* customer, service, and one more that some carriers add */

	ETHERNET_HEADER = 14,
	COOKED_HEADER = 16,
	COOKED2_HEADER = 20,
	NULL_HEADER = 4,

	COOKED_TO_US = 0, /* of the packet type field (LINKTYPE_LINUX_SLL) */
	COOKED_FROM_US = 4,
};

_Static_assert((int)COOKED2_HEADER + TAGS_MAX * 4 <= (int)LINK_HEADER_MAX, "the longest header fits");

bool link_is_supported(int type)
{
	switch (type) {
	case DLT_EN10MB:
	case DLT_LINUX_SLL:
	case DLT_LINUX_SLL2:
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
	case DLT_NULL:
	case DLT_LOOP:
		return true;
	default:
		return false;
	}
}

/* `type_offset` is where the type field is, `offset` where the header ends if there are no VLAN tags. */
static int size_by_type(const uint8_t *frame, uint32_t size, uint32_t type_offset, uint32_t offset)
{
	uint16_t type;

	if (size < offset)
		return -1;
	type = load16(frame + type_offset);
	for (int tag = 0; tag < TAGS_MAX; tag++) {
		if (type != TYPE_VLAN && type != TYPE_SERVICE_VLAN && type != TYPE_OLD_SERVICE_VLAN)
			break;
		if (size < offset + 4)
			return -1;
		type = load16(frame + offset + 2);
		offset += 4;
	}
	return type == TYPE_IPV4 || type == TYPE_IPV6 ? (int)offset : -1;
}

/* BSD loopback: an address family, in the byte order of the machine that captured; IPv6 has a number for each system. */
static int size_by_family(const uint8_t *frame, uint32_t size)
{
	uint32_t family;

	if (size < NULL_HEADER)
		return -1;
	family = load32(frame);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	return family == 2 || family == 10 || family == 24 || family == 28 || family == 30 ? NULL_HEADER : -1;
}

int link_header_size(int type, const uint8_t *frame, uint32_t size)
{
	switch (type) {
	case DLT_EN10MB:
		return size_by_type(frame, size, 12, ETHERNET_HEADER);
	case DLT_LINUX_SLL:
		return size_by_type(frame, size, 14, COOKED_HEADER);
	case DLT_LINUX_SLL2:
		return size_by_type(frame, size, 0, COOKED2_HEADER);
	case DLT_NULL:
	case DLT_LOOP:
		return size_by_family(frame, size);
	default:
		return 0;
	}
}

/* A cooked header has the sender's address only, and ours is not known: the answer has none. */
static void turn_cooked(uint8_t *direction, uint8_t *address_length)
{
	*direction = *direction == COOKED_FROM_US ? COOKED_TO_US : COOKED_FROM_US;
	*address_length = 0;
}

void link_turn(int type, uint8_t *header)
{
	uint8_t destination[6];

	switch (type) {
	case DLT_EN10MB:
		memcpy(destination, header, sizeof(destination));
		memcpy(header, header + sizeof(destination), sizeof(destination));
		memcpy(header + sizeof(destination), destination, sizeof(destination));
		break;
	case DLT_LINUX_SLL:
		turn_cooked(header + 1, header + 5);
		break;
	case DLT_LINUX_SLL2:
		turn_cooked(header + 10, header + 11);
		break;
	default:
		break;
	}
}
