/* packet.h - the one struct that travels the path.
 *
 * Parse fills it from the bytes, each stage leaves its result in it, seal writes lengths and checksums at the end.  Setters only
 * mark what changed: while addresses, ports and sequence numbers change in place, the checksums follow by the difference
 * (RFC 1624), so that a wrong checksum stays wrong; once bytes moved, `rebuilt` asks for a full sum. */
#ifndef LUNETTE_PACKET_PACKET_H
#define LUNETTE_PACKET_PACKET_H

#include "base/bytes.h"

#include <lunette/lunette.h>

enum { IP4_HEADER = 20, IP6_HEADER = 40, TCP_HEADER = 20, UDP_HEADER = 8, ICMP_HEADER = 8 };

enum tcp_flag { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_PSH = 0x08, TCP_ACK = 0x10, TCP_URG = 0x20 };

struct flow;

struct packet {
	/* by parse */
	struct lun_packet *io;
	struct lun_tuple tuple;  /* the key: what the packet carries when it reaches us */
	uint64_t hash;           /* of `tuple` */
	uint32_t end;            /* bytes of the IP packet at io->data, without link padding */
	uint32_t payload;        /* offset of the transport payload */
	uint32_t payload_length; /* as the headers say: more than what is there in a cut capture */
	uint16_t transport;      /* offset of the transport header */
	uint8_t version;         /* 4 or 6 */
	uint8_t tcp_flags;
	uint32_t sequence, acknowledgement;
	bool readable; /* parse succeeded: the fields above are set */
	bool fragment; /* a piece of a larger packet; no ports unless it is the first */
	/* by the path */
	struct flow *flow;
	enum lun_direction direction;
	bool opening; /* the flow was made for this packet */
	/* by setters, for seal */
	uint32_t address_difference;   /* one's complement sums, for the IP header and the pseudo header */
	uint32_t transport_difference; /* for the transport checksum alone */
	bool rebuilt;                  /* bytes moved: lengths and checksums anew */
};

/* Leaves the verdict of a packet that goes no further; returns false, so that a stage can `return packet_stop(...)`. */
static inline bool packet_stop(struct packet *p, enum lun_verdict verdict, enum lun_reason reason)
{
	p->io->verdict = verdict;
	p->io->reason = reason;
	return false;
}

static inline uint8_t *packet_transport(const struct packet *p)
{
	return p->io->data + p->transport;
}

/* Whether `size` bytes at `offset` of the packet are there to be read and written. */
static inline bool packet_has(const struct packet *p, uint32_t offset, uint32_t size)
{
	return offset <= p->io->length && size <= p->io->length - offset;
}

static inline struct lun_tuple tuple_inverted(const struct lun_tuple *tuple)
{
	struct lun_tuple inverted = *tuple;

	inverted.source = tuple->destination;
	inverted.destination = tuple->source;
	inverted.source_port = tuple->destination_port;
	inverted.destination_port = tuple->source_port;
	return inverted;
}

/* As bytes, without branches: tuples are compared once per packet, and nearly always equal. */
static inline bool tuple_equal(const struct lun_tuple *a, const struct lun_tuple *b)
{
	uint64_t x[5], y[5];

	_Static_assert(sizeof(*a) == sizeof(x), "a tuple is five words, without padding");
	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

/* parse.c: fills `p` from p->io; false, with the packet's reason set, if the bytes cannot be read. */
bool packet_parse(struct packet *p);

/* set.c: change fields in place and keep the differences for seal. */
void packet_set_tuple(struct packet *p, const struct lun_tuple *tuple);
void packet_set_sequence(struct packet *p, uint32_t sequence);
void packet_set_acknowledgement(struct packet *p, uint32_t acknowledgement);
/* Puts both edges of every SACK block (RFC 2018, section 3) through `map`. */
void packet_map_sack(struct packet *p, uint32_t (*map)(const void *user, uint32_t sequence), const void *user);

/* seal.c: makes lengths and checksums right.  To be called once, last. */
void packet_seal(struct packet *p);
/* Whether the IP header's and the transport's checksums are right; a UDP checksum of zero over IPv4 is. */
bool packet_checksums_right(const struct packet *p);

#endif
