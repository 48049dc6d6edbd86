/* fragment.c - see fragment.h for the idea.  Datagrams are few, so they are looked for one after the other. */
#include "track/fragment.h"

#include "base/address.h"
#include "base/memory.h"
#include "packet/checksum.h"

enum { WAIT_V4_MS = 30000, WAIT_V6_MS = 60000, IP6_FRAGMENT_HEADER = 8, ADDRESSES_V4 = 12, ADDRESSES_V6 = 8 };

int fragments_init(struct fragments *fragments, uint32_t size)
{
	*fragments = (struct fragments) { .blocks = size / FRAGMENT_BLOCK };
	fragments->datagrams = memory_zeroed(FRAGMENT_DATAGRAMS, sizeof(*fragments->datagrams));
	fragments->bytes = memory_take(size);
	fragments->next = memory_take(fragments->blocks * sizeof(*fragments->next));
	fragments->whole = memory_take(FRAGMENT_WHOLE);
	if (!fragments->datagrams || !fragments->bytes || !fragments->next || !fragments->whole) {
		fragments_fini(fragments);
		return LUN_NO_MEMORY;
	}
	for (uint32_t i = 0; i < fragments->blocks; i++)
		fragments->next[i] = i + 1;
	fragments->free_blocks = fragments->blocks;
	return 0;
}

void fragments_fini(struct fragments *fragments)
{
	memory_give(fragments->datagrams);
	memory_give(fragments->bytes);
	memory_give(fragments->next);
	memory_give(fragments->whole);
	*fragments = (struct fragments) { 0 };
}

/* ---- blocks ---- */

static uint32_t blocks_for(uint32_t size)
{
	return (size + FRAGMENT_BLOCK - 1) / FRAGMENT_BLOCK;
}

/* Copies `size` bytes, of which there is at least one, into free blocks, of which there are enough; returns the first. */
static uint32_t blocks_take(struct fragments *fragments, const uint8_t *bytes, uint32_t size)
{
	uint32_t first = fragments->first_free;

	fragments->free_blocks -= blocks_for(size);
	for (uint32_t part; size > 0; size -= part, bytes += part) {
		part = size < FRAGMENT_BLOCK ? size : FRAGMENT_BLOCK;
		memcpy(fragments->bytes + (size_t)fragments->first_free * FRAGMENT_BLOCK, bytes, part);
		fragments->first_free = fragments->next[fragments->first_free];
	}
	return first;
}

static void blocks_give(struct fragments *fragments, uint32_t first, uint32_t size)
{
	uint32_t last = first;

	for (uint32_t i = blocks_for(size); i > 1; i--)
		last = fragments->next[last];
	fragments->next[last] = fragments->first_free;
	fragments->first_free = first;
	fragments->free_blocks += blocks_for(size);
}

/* Copies `size` bytes of a piece out, from its byte `at` on. */
static void piece_read(const struct fragments *fragments, const struct fragment_piece *piece, uint32_t at, uint8_t *bytes,
		       uint32_t size)
{
	uint32_t block = piece->block;

	for (; at >= FRAGMENT_BLOCK; at -= FRAGMENT_BLOCK)
		block = fragments->next[block];
	for (uint32_t part; size > 0; size -= part, bytes += part, at = 0, block = fragments->next[block]) {
		part = size < FRAGMENT_BLOCK - at ? size : FRAGMENT_BLOCK - at;
		memcpy(bytes, fragments->bytes + (size_t)block * FRAGMENT_BLOCK + at, part);
	}
}

/* ---- who goes and who may come ---- */

void fragments_done(struct fragments *fragments, struct datagram *datagram)
{
	for (uint32_t i = 0; i < datagram->count; i++)
		blocks_give(fragments, datagram->pieces[i].block, datagram->pieces[i].size);
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

/* What waits. */
struct share {
	uint32_t datagrams, blocks;
	struct datagram *oldest; /* that waits longest; or NULL */
};

/* What waits of the source of `key`, or, if that is NULL, of all.  `own` is not looked at as the oldest. */
static struct share share_of(const struct fragments *fragments, const struct fragment_key *key, const struct datagram *own)
{
	struct share share = { 0 };

	for (struct datagram *d = fragments->datagrams; d < fragments->datagrams + FRAGMENT_DATAGRAMS; d++) {
		if (!d->number || (key && (d->key.tenant != key->tenant || !address_equal(&d->key.source, &key->source))))
			continue;
		share.datagrams++;
		share.blocks += d->blocks;
		if (d != own && (!share.oldest || d->number < share.oldest->number))
			share.oldest = d;
	}
	return share;
}

static struct datagram *begin(struct fragments *fragments, const struct fragment_key *key, uint64_t now_ms)
{
	struct share source = share_of(fragments, key, NULL);
	struct datagram *d = fragments->datagrams;

	if (source.datagrams >= FRAGMENT_DATAGRAMS / FRAGMENT_QUOTA)
		give_up(fragments, source.oldest, LUN_REASON_fragment_memory);
	else if (fragments->waiting == FRAGMENT_DATAGRAMS)
		give_up(fragments, share_of(fragments, NULL, NULL).oldest, LUN_REASON_fragment_memory);
	while (d->number)
		d++;
	d->key = *key;
	d->number = ++fragments->number;
	d->count = d->length = d->received = d->blocks = 0;
	d->deadline_ms = now_ms + (lun_address_is_v4(&key->source) ? WAIT_V4_MS : WAIT_V6_MS);
	fragments->waiting++;
	return d;
}

/* Makes `blocks` more free for the datagram `own`; a source may have one that is over its quota.  False: `own` would have to go. */
static bool make_room(struct fragments *fragments, const struct datagram *own, uint32_t blocks)
{
	uint32_t quota = fragments->blocks / FRAGMENT_QUOTA;

	while (fragments->blocks - fragments->free_blocks + blocks > quota) {
		struct share source = share_of(fragments, &own->key, own);
		struct datagram *victim = source.blocks + blocks > quota ? source.oldest : NULL;

		if (!victim && fragments->free_blocks >= blocks)
			return true;
		if (!victim)
			victim = share_of(fragments, NULL, own).oldest;
		if (!victim)
			return false;
		give_up(fragments, victim, LUN_REASON_fragment_memory);
	}
	return true;
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

static void insert(struct datagram *d, uint32_t index, const struct fragment_place *place, uint32_t block, uint32_t size)
{
	memmove(&d->pieces[index + 1], &d->pieces[index], (d->count - index) * sizeof(d->pieces[0]));
	d->pieces[index] =
		(struct fragment_piece) { .block = block, .size = size, .offset = place->offset, .length = place->length };
	d->count++;
	d->received += place->length;
	d->blocks += blocks_for(size);
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
	uint32_t index;

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
	if (reason == LUN_REASON_none && !make_room(fragments, d, blocks_for(p->end)))
		reason = LUN_REASON_fragment_memory;
	if (reason != LUN_REASON_none) {
		if (reason != LUN_REASON_fragment_duplicate)
			give_up(fragments, d, reason);
		packet_stop(p, LUN_DROP, reason);
		return NULL;
	}
	insert(d, index, &place, blocks_take(fragments, p->io->data, p->end), p->end);
	packet_stop(p, LUN_STOLEN, LUN_REASON_none);
	return d->length && d->received == d->length ? d : NULL;
}

/* ---- complete ones ---- */

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
	const struct fragment_piece *first = datagram->pieces, *piece = first;
	bool v4 = lun_address_is_v4(&datagram->key.source);
	uint32_t front = first->size - first->length - (v4 ? 0 : IP6_FRAGMENT_HEADER), length = front + datagram->length;
	uint8_t *whole = fragments->whole, before[8];

	if (length > (v4 ? 0 : IP6_HEADER) + UINT16_MAX)
		return 0;
	piece_read(fragments, first, 0, whole, front);
	for (; piece < first + datagram->count; piece++)
		piece_read(fragments, piece, piece->size - piece->length, whole + front + piece->offset, piece->length);
	memcpy(before, whole, sizeof(before));
	if (v4) {
		store16(whole + 2, (uint16_t)length);
		store16(whole + 6, 0);
		checksum_update(whole + 10, checksum_difference(0, before, whole, sizeof(before)));
	} else {
		piece_read(fragments, first, front, next_header(whole, front), 1);
		store16(whole + 4, (uint16_t)(length - IP6_HEADER));
	}
	return length;
}

void fragments_part(const struct fragments *fragments, const struct datagram *datagram, const struct fragment_piece *piece,
		    uint8_t *bytes)
{
	bool v4 = lun_address_is_v4(&datagram->key.source);
	const struct fragment_piece *first = datagram->pieces;
	uint32_t front = first->size - first->length - (v4 ? 0 : IP6_FRAGMENT_HEADER);
	uint32_t at = v4 ? ADDRESSES_V4 : ADDRESSES_V6, size = v4 ? 8 : 32;
	const uint8_t *whole = fragments->whole;

	piece_read(fragments, piece, 0, bytes, piece->size - piece->length);
	if (v4)
		checksum_update(bytes + 10, checksum_difference(0, bytes + at, whole + at, size));
	memcpy(bytes + at, whole + at, size);
	memcpy(bytes + piece->size - piece->length, whole + front + piece->offset, piece->length);
}
