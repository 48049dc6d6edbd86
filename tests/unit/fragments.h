/* fragments.h - cuts IP packets into fragments (RFC 791, 3.2; RFC 8200, 4.5), and puts them together again. */
#ifndef LUNETTE_TESTS_FRAGMENTS_H
#define LUNETTE_TESTS_FRAGMENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "packet/checksum.h"
#include "packet/packet.h"

enum { FRAGMENT_HEADER = 8, NEXT_FRAGMENT = 44, WHOLE_MOST = 8192 };

/* Where to cut: after every `size` bytes (a multiple of eight) behind the IP header. */
struct fragment_cut {
	uint32_t size, identification;
};

static inline void fragment_seal_v4(uint8_t *header)
{
	uint16_t checksum;

	memset(header + 10, 0, 2);
	checksum = (uint16_t)~checksum_fold(checksum_add(0, header, IP4_HEADER));
	memcpy(header + 10, &checksum, 2);
}

/* Writes piece number `index` of a packet without options or extension headers; returns its length, or 0 behind the last
 * one. */
static inline uint32_t fragment_cut(uint8_t *piece, const uint8_t *data, uint32_t length, struct fragment_cut cut,
				    uint32_t index)
{
	bool v4 = data[0] >> 4 == 4;
	uint32_t header = v4 ? IP4_HEADER : IP6_HEADER, front = header + (v4 ? 0 : FRAGMENT_HEADER), at = index * cut.size;
	uint32_t left = at < length - header ? length - header - at : 0, size = left < cut.size ? left : cut.size;
	bool more = size < left;

	memcpy(piece, data, header);
	memcpy(piece + front, data + header + at, size);
	if (v4) {
		store16(piece + 2, (uint16_t)(header + size));
		store16(piece + 4, (uint16_t)cut.identification);
		store16(piece + 6, (uint16_t)((more ? 0x2000 : 0) | at / 8));
		fragment_seal_v4(piece);
	} else {
		store16(piece + 4, (uint16_t)(FRAGMENT_HEADER + size));
		piece[40] = piece[6];
		piece[41] = 0;
		piece[6] = NEXT_FRAGMENT;
		store16(piece + 42, (uint16_t)(at | more));
		store32(piece + 44, cut.identification);
	}
	return size ? front + size : 0;
}

/* What was put together so far; zero it. */
struct whole {
	uint8_t data[WHOLE_MOST];
	uint32_t length;
	bool complete;
};

/* Adds the next piece in order.  False: it is not that, or its header is not the first one's, or has a wrong checksum. */
static inline bool whole_add(struct whole *w, const uint8_t *piece, uint32_t length)
{
	bool v4 = piece[0] >> 4 == 4, begins = w->length == 0;
	uint32_t header = v4 ? IP4_HEADER : IP6_HEADER, front = header + (v4 ? 0 : FRAGMENT_HEADER);
	uint16_t place = load16(v4 ? piece + 6 : piece + 42);
	uint32_t at = v4 ? (place & 0x1fffu) * 8 : place & 0xfff8u;

	if (begins) {
		memcpy(w->data, piece, header);
		w->length = header;
	}
	if (w->complete || at != w->length - header || w->length + length - front > WHOLE_MOST ||
	    length != (uint32_t)load16(piece + (v4 ? 2 : 4)) + (v4 ? 0 : IP6_HEADER) ||
	    memcmp(w->data + (v4 ? 12 : 8), piece + (v4 ? 12 : 8), v4 ? 8 : 32) != 0 ||
	    (v4 && checksum_fold(checksum_add(0, piece, IP4_HEADER)) != 0xffff))
		return false;
	memcpy(w->data + w->length, piece + front, length - front);
	w->length += length - front;
	w->complete = !(place & (v4 ? 0x2000 : 1));
	if (w->complete && v4) {
		store16(w->data + 2, (uint16_t)w->length);
		memcpy(w->data + 4, (const uint8_t[4]) { 0, 0, 0x40, 0 }, 4); /* as packet_build has it */
		fragment_seal_v4(w->data);
	} else if (w->complete) {
		store16(w->data + 4, (uint16_t)(w->length - IP6_HEADER));
		w->data[6] = piece[40];
	}
	return true;
}

#endif
