/* fragment.c - see fragment.h for the idea.  Datagrams are few, so they are looked for one after the other. */
#include "track/fragment.h"

#include "packet/checksum.h"

#include <stdlib.h>

enum { WAIT_V4_MS = 30000, WAIT_V6_MS = 60000, IP6_FRAGMENT_HEADER = 8, ADDRESSES_V4 = 12, ADDRESSES_V6 = 8 };

int fragments_init(struct fragments *fragments, uint32_t size)
{
	*fragments = (struct fragments) { .size = size };
	fragments->datagrams = calloc(FRAGMENT_DATAGRAMS, sizeof(*fragments->datagrams));
	fragments->bytes = malloc(size);
	fragments->whole = malloc(FRAGMENT_WHOLE);
	if (fragments->datagrams && fragments->bytes && fragments->whole)
		return 0;
	fragments_fini(fragments);
	return LUN_NO_MEMORY;
}

void fragments_fini(struct fragments *fragments)
{
	free(fragments->datagrams);
	free(fragments->bytes);
	free(fragments->whole);
	fragments->datagrams = NULL;
	fragments->bytes = fragments->whole = NULL;
}

void fragments_done(struct fragments *fragments, struct datagram *datagram)
{
	datagram->number = 0;
	fragments->waiting--;
}

static void give_up(struct fragments *fragments, struct datagram *datagram, enum lun_reason reason)
{
	fragments->given_up[reason] += datagram->count;
	fragments_done(fragments, datagram);
}

void fragments_expire(struct fragments *fragments, uint64_t now_ms)
{
	for (struct datagram *d = fragments->datagrams; fragments->waiting && d < fragments->datagrams + FRAGMENT_DATAGRAMS;
	     d++)
		if (d->number && d->deadline_ms <= now_ms)
			give_up(fragments, d, LUN_REASON_fragment_timeout);
}

static struct datagram *find(const struct fragments *fragments, const struct fragment_key *key)
{
	for (struct datagram *d = fragments->datagrams; fragments->waiting && d < fragments->datagrams + FRAGMENT_DATAGRAMS;
	     d++)
		if (d->number && memcmp(&d->key, key, sizeof(*key)) == 0)
			return d;
	return NULL;
}

static struct datagram *oldest(const struct fragments *fragments)
{
	struct datagram *oldest = NULL;

	for (struct datagram *d = fragments->datagrams; d < fragments->datagrams + FRAGMENT_DATAGRAMS; d++)
		if (d->number && (!oldest || d->number < oldest->number))
			oldest = d;
	return oldest;
}

static struct datagram *begin(struct fragments *fragments, const struct fragment_key *key, uint64_t now_ms)
{
	struct datagram *d = fragments->datagrams;

	if (fragments->waiting == FRAGMENT_DATAGRAMS)
		give_up(fragments, oldest(fragments), LUN_REASON_fragment_memory);
	while (d->number)
		d++;
	d->key = *key;
	d->number = ++fragments->number;
	d->count = d->length = d->received = 0;
	d->deadline_ms = now_ms + (lun_address_is_v4(&key->source) ? WAIT_V4_MS : WAIT_V6_MS);
	fragments->waiting++;
	return d;
}

static bool overlaps_ring(const struct datagram *d, uint32_t at, uint32_t size)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (d->pieces[i].at < at + size && at < d->pieces[i].at + d->pieces[i].size)
			return true;
	return false;
}

/* Room for `size` bytes at the ring's head; whoever lies there has waited longest and is given up.  UINT32_MAX: that would be
 * `own`, or the fragment is larger than the ring. */
static uint32_t make_room(struct fragments *fragments, const struct datagram *own, uint32_t size)
{
	uint32_t at = fragments->head + size <= fragments->size ? fragments->head : 0;

	if (size > fragments->size || overlaps_ring(own, at, size))
		return UINT32_MAX;
	for (struct datagram *d = fragments->datagrams; d < fragments->datagrams + FRAGMENT_DATAGRAMS; d++)
		if (d->number && overlaps_ring(d, at, size))
			give_up(fragments, d, LUN_REASON_fragment_memory);
	fragments->head = at + size;
	return at;
}

/* Where a fragment goes among the sorted ones; *reason says if it cannot. */
static uint32_t place_among(const struct datagram *d, const struct fragment_place *place, enum lun_reason *reason)
{
	uint32_t index = 0, end = place->offset + place->length;

	while (index < d->count && d->pieces[index].offset < place->offset)
		index++;
	if (index < d->count && d->pieces[index].offset == place->offset && d->pieces[index].length == place->length)
		*reason = LUN_REASON_fragment_duplicate;
	else if ((index > 0 && d->pieces[index - 1].offset + d->pieces[index - 1].length > place->offset) ||
		 (index < d->count && d->pieces[index].offset < end) || (d->length && end > d->length))
		*reason = LUN_REASON_fragment_overlap;
	else if (d->count == FRAGMENT_PIECES)
		*reason = LUN_REASON_fragment_memory;
	return index;
}

/* A fragment that no receiver could use: it ends nowhere, past the longest datagram, or not at a multiple of eight. */
static bool is_impossible(const struct datagram *d, const struct fragment_place *place)
{
	uint32_t end = place->offset + place->length;

	if (place->length == 0 || end > UINT16_MAX || (!place->last && place->length % 8 != 0))
		return true;
	return place->last && ((d->length && d->length != end) ||
			       (d->count && d->pieces[d->count - 1].offset + d->pieces[d->count - 1].length > end));
}

static void insert(struct datagram *d, uint32_t index, const struct fragment_place *place, uint32_t at, uint32_t size)
{
	memmove(&d->pieces[index + 1], &d->pieces[index], (d->count - index) * sizeof(d->pieces[0]));
	d->pieces[index] =
		(struct fragment_piece) { .at = at, .size = size, .offset = place->offset, .length = place->length };
	d->count++;
	d->received += place->length;
	if (place->last)
		d->length = place->offset + place->length;
}

struct datagram *fragments_keep(struct fragments *fragments, struct packet *p, uint64_t now_ms)
{
	struct fragment_key key = { .source = p->tuple.source,
				    .destination = p->tuple.destination,
				    .tenant = p->tuple.tenant };
	enum lun_reason reason = LUN_REASON_none;
	struct fragment_place place;
	struct datagram *d;
	uint32_t index, at;

	packet_fragment_place(p, &place);
	key.identification = place.identification;
	key.protocol = p->version == 4 ? p->tuple.protocol : 0; /* RFC 791: part of the identity; RFC 8200: not */
	if (p->end > p->io->length) {
		packet_stop(p, LUN_ACCEPT, LUN_REASON_truncated);
		return NULL;
	}
	d = find(fragments, &key);
	if (!d)
		d = begin(fragments, &key, now_ms);
	index = place_among(d, &place, &reason);
	if (is_impossible(d, &place))
		reason = LUN_REASON_fragment_overlap;
	at = reason == LUN_REASON_none ? make_room(fragments, d, p->end) : UINT32_MAX;
	if (reason == LUN_REASON_none && at == UINT32_MAX)
		reason = LUN_REASON_fragment_memory;
	if (reason != LUN_REASON_none) {
		if (reason != LUN_REASON_fragment_duplicate)
			give_up(fragments, d, reason);
		packet_stop(p, LUN_DROP, reason);
		return NULL;
	}
	memcpy(fragments->bytes + at, p->io->data, p->end);
	insert(d, index, &place, at, p->end);
	packet_stop(p, LUN_STOLEN, LUN_REASON_none);
	return d->length && d->received == d->length ? d : NULL;
}

/* Bytes of a piece in front of its part of the datagram that the datagram has too: its headers without the fragment header. */
static uint32_t front_of(const struct fragments *fragments, const struct fragment_piece *piece)
{
	bool v4 = *fragment_bytes(fragments, piece) >> 4 == 4;

	return piece->size - piece->length - (v4 ? 0 : IP6_FRAGMENT_HEADER);
}

/* The field that says which header comes behind the first `front` bytes, which end an IPv6 extension header. */
static uint8_t *next_header(uint8_t *packet, uint32_t front)
{
	uint8_t *field = packet + 6;

	for (uint32_t at = IP6_HEADER; at < front; at += 8 + packet[at + 1] * 8u)
		field = packet + at;
	return field;
}

uint32_t fragments_join(const struct fragments *fragments, const struct datagram *datagram)
{
	const uint8_t *first = fragment_bytes(fragments, datagram->pieces);
	uint32_t front = front_of(fragments, datagram->pieces), length = front + datagram->length;
	bool v4 = *first >> 4 == 4;
	uint8_t *whole = fragments->whole;

	if (length > (v4 ? 0 : IP6_HEADER) + UINT16_MAX)
		return 0;
	memcpy(whole, first, front);
	for (const struct fragment_piece *piece = datagram->pieces; piece < datagram->pieces + datagram->count; piece++)
		memcpy(whole + front + piece->offset, fragment_bytes(fragments, piece) + piece->size - piece->length,
		       piece->length);
	if (v4) {
		store16(whole + 2, (uint16_t)length);
		store16(whole + 6, 0);
		checksum_update(whole + 10, checksum_difference(0, first, whole, 8));
	} else {
		*next_header(whole, front) = first[front];
		store16(whole + 4, (uint16_t)(length - IP6_HEADER));
	}
	return length;
}

void fragments_part(const struct fragments *fragments, const struct datagram *datagram)
{
	bool v4 = *fragments->whole >> 4 == 4;
	uint32_t front = front_of(fragments, datagram->pieces), at = v4 ? ADDRESSES_V4 : ADDRESSES_V6, size = v4 ? 8 : 32;
	const uint8_t *addresses = fragments->whole + at;

	for (const struct fragment_piece *piece = datagram->pieces; piece < datagram->pieces + datagram->count; piece++) {
		uint8_t *bytes = fragment_bytes(fragments, piece);

		if (v4)
			checksum_update(bytes + 10, checksum_difference(0, bytes + at, addresses, size));
		memcpy(bytes + at, addresses, size);
		memcpy(bytes + piece->size - piece->length, fragments->whole + front + piece->offset, piece->length);
	}
}
