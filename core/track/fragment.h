/* fragment.h - reassembly: the fragments of a datagram are held until all are there, and then sent on in order.
 *
 * What a datagram is can only be said of the whole: ports, chunks and checksums are where they are.  So a complete one is put
 * together, goes down the path like any packet, and what the path changed is put back into its fragments, which leave as they
 * came: of the same sizes, with their own headers.
 *
 * Waiting fragments lie in blocks of one piece of memory.  When a datagram or a fragment more has no room, the datagram that waits
 * longest is given up: of its own source, if that has its quota already, so that nobody can push out all others; else of all.  A
 * datagram that is not complete after 30 seconds (RFC 791, 3.2; 60 for IPv6, RFC 8200, 4.5) is given up as well, and so is one
 * whose fragments overlap, for two receivers may read it differently (RFC 5722). */
#ifndef LUNETTE_TRACK_FRAGMENT_H
#define LUNETTE_TRACK_FRAGMENT_H

#include "base/limits.h"
#include "packet/packet.h"

enum {
	FRAGMENT_DATAGRAMS = LIMIT(64, 4),        /* waiting at once */
	FRAGMENT_PIECES = 64,                     /* of one datagram: 64 kB in pieces of 1 kB */
	FRAGMENT_BLOCK = 512,                     /* bytes; three hold a fragment of 1,500 */
	FRAGMENT_QUOTA = 4,                       /* a source may have one datagram, and one block, of as many */
	FRAGMENT_WHOLE = IP6_HEADER + UINT16_MAX, /* bytes of the longest datagram, its header included */
};

/* One fragment of a datagram. */
struct fragment_piece {
	uint32_t block, size;    /* where the packet's bytes begin; how many there are */
	uint32_t offset, length; /* in the datagram */
};

struct fragment_key {
	struct lun_address source, destination;
	uint32_t identification;
	uint16_t tenant;
	uint8_t protocol, zero;
};

struct datagram {
	struct fragment_key key;
	struct fragment_piece pieces[FRAGMENT_PIECES]; /* sorted by offset */
	uint64_t deadline_ms;
	uint64_t number;   /* in the order in which datagrams began; 0: the slot is free */
	uint32_t count;    /* of pieces */
	uint32_t length;   /* of the datagram; 0 until its last fragment came */
	uint32_t received; /* bytes of it that are here */
	uint32_t blocks;   /* that its pieces take */
};

struct fragments {
	struct datagram *datagrams;
	uint8_t *bytes; /* of the blocks */
	uint32_t *next; /* block of a block: of the same piece, or the next free one */
	uint8_t *whole; /* the datagram that is complete */
	uint32_t blocks, free_blocks, first_free;
	uint32_t waiting;                    /* datagrams */
	uint64_t number;                     /* the last one's */
	uint64_t given_up[LUN_REASON_COUNT]; /* fragments that never left, by reason */
};

/* Takes `size` bytes for fragments.  Returns 0 or LUN_NO_MEMORY. */
int fragments_init(struct fragments *fragments, uint32_t size);
void fragments_fini(struct fragments *fragments);

/* Keeps a fragment, whose verdict is then stolen, or refuses it.  Returns the datagram if this one made it complete: the caller
 * sends its pieces and calls fragments_done; else NULL. */
struct datagram *fragments_keep(struct fragments *fragments, struct packet *p, uint64_t now_ms);
void fragments_done(struct fragments *fragments, struct datagram *datagram);

/* Puts a complete datagram together in fragments->whole, as the packet that was fragmented.  Returns its length, or 0 if no packet
 * can be as long. */
uint32_t fragments_join(const struct fragments *fragments, const struct datagram *datagram);

/* Writes a piece of the datagram as it leaves: its own headers, with the addresses and bytes of fragments->whole, which still has
 * the same length.  `bytes` has room for piece->size. */
void fragments_part(const struct fragments *fragments, const struct datagram *datagram, const struct fragment_piece *piece,
		    uint8_t *bytes);

/* Gives up datagrams whose time is over. */
void fragments_expire(struct fragments *fragments, uint64_t now_ms);

#endif
