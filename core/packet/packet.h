/* packet.h - the one struct that travels the path.
 *
 * Parse fills it from the bytes, each stage leaves its result in it, seal writes lengths and checksums at the end.  Setters only
 * mark what changed: while addresses, ports and sequence numbers change in place, the checksums follow by the difference
 * (RFC 1624), so that a wrong checksum stays wrong; once bytes moved, `rebuilt` asks for a full sum, and whoever moves them has seen
 * that the sum was right before. */
#ifndef LUNETTE_PACKET_PACKET_H
#define LUNETTE_PACKET_PACKET_H

#include "base/bytes.h"

#include <lunette/lunette.h>
#include <stddef.h>

enum { IP4_HEADER = 20, IP6_HEADER = 40, TCP_HEADER = 20, UDP_HEADER = 8, ICMP_HEADER = 8, SCTP_HEADER = 12 };

/* Tracked by addresses alone, but their checksums cover these. */
enum { PROTOCOL_DCCP = 33, PROTOCOL_UDP_LITE = 136 };

enum tcp_flag { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_PSH = 0x08, TCP_ACK = 0x10, TCP_URG = 0x20 };

struct flow;
struct bucket;
struct decision;

/* What a packet is to its flow. */
enum packet_role {
	PACKET_DATA,       /* the flow's own */
	PACKET_ICMP_QUERY, /* the same, a request */
	PACKET_ICMP_REPLY,
	PACKET_ICMP_ERROR, /* about a packet of the flow: the key is that packet's tuple inverted */
	PACKET_FRAGMENT,   /* a piece of a datagram: no ports, also if it has some */
};

struct packet {
	/* by parse */
	struct lun_packet *io;
	struct lun_tuple tuple;  /* the key: what the packet carries when it reaches us */
	uint64_t hash;           /* of `tuple` */
	struct bucket *bucket;   /* of the index, where its flow is looked for first */
	uint32_t guess;          /* where the index had a flow for it when the batch began, or UINT32_MAX */
	uint32_t end;            /* bytes of the IP packet at io->data, without link padding */
	uint32_t payload;        /* offset of the transport payload */
	uint32_t payload_length; /* as the headers say: more than what is there in a cut capture */
	uint32_t sequence, acknowledgement;
	uint16_t transport;       /* offset of the transport header */
	uint16_t inner;           /* of an ICMP error: offset of the IP header it quotes */
	uint16_t inner_transport; /* and of the transport header in that */
	uint64_t reply_hash;      /* if `decision`: of the reply tuple that it asks for */
	/* From here on packet_begin sets all to zero. */
	struct flow *flow;
	const struct decision *decision; /* if it was made ahead of the path, else NULL */
	uint64_t address_difference;     /* for seal: one's complement sums, for the IP header and the pseudo header */
	uint64_t transport_difference;   /* for the transport checksum alone */
	uint32_t crc_difference;         /* SCTP: to be added (that is, xor) to the CRC */
	uint8_t version;                 /* 4 or 6 */
	uint8_t role;                    /* enum packet_role */
	uint8_t inner_role;              /* of an ICMP error: what the quoted packet is */
	uint8_t tcp_flags;
	uint8_t direction; /* enum lun_direction */
	bool readable;     /* parse succeeded: the fields above are set */
	bool opening;      /* the flow was made for this packet */
	bool rebuilt;      /* bytes moved: lengths and checksums anew */
	bool in_pieces;    /* it came in fragments and leaves in them: its length must stay */
	bool is_set;       /* io->is says what the packet carries now; else that is what it carried */
};

/* Makes `p` ready for packet_parse. */
static inline void packet_begin(struct packet *p, struct lun_packet *io)
{
	p->io = io;
	p->guess = UINT32_MAX;
	memset((uint8_t *)p + offsetof(struct packet, flow), 0, sizeof(*p) - offsetof(struct packet, flow));
}

/* What the packet carried when it came: an ICMP error is found by what it quotes. */
static inline const struct lun_tuple *packet_was(const struct packet *p)
{
	return p->role == PACKET_ICMP_ERROR ? &p->io->was : &p->tuple;
}

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

static inline uint64_t load_word(const void *bytes, size_t index)
{
	uint64_t word;

	memcpy(&word, (const uint8_t *)bytes + index * sizeof(word), sizeof(word));
	return word;
}

/* Writes what follows the addresses of a tuple as one word, for as one word it is soon hashed and compared: a processor that has
 * to put a word together from narrower stores waits until they are done. */
static inline void tuple_set_rest(struct lun_tuple *tuple, uint16_t source_port, uint16_t destination_port, uint16_t tenant,
				  uint8_t protocol)
{
	uint64_t word = source_port | (uint64_t)destination_port << 16 | (uint64_t)tenant << 32 | (uint64_t)protocol << 48;

	_Static_assert(offsetof(struct lun_tuple, source_port) == 4 * sizeof(word), "the rest is the last word");
	memcpy((uint8_t *)tuple + 4 * sizeof(word), &word, sizeof(word));
}

/* The ports of that word. */
static inline void tuple_set_ports(struct lun_tuple *tuple, uint16_t source_port, uint16_t destination_port)
{
	uint64_t word = load_word(tuple, 4) >> 32 << 32 | (uint32_t)destination_port << 16 | source_port;

	memcpy((uint8_t *)tuple + 4 * sizeof(word), &word, sizeof(word));
}

static inline struct lun_tuple tuple_inverted(const struct lun_tuple *tuple)
{
	uint64_t word = load_word(tuple, 4);
	uint32_t ports = (uint32_t)word << 16 | (uint32_t)word >> 16;
	struct lun_tuple inverted;

	inverted.source = tuple->destination;
	inverted.destination = tuple->source;
	word = word >> 32 << 32 | ports;
	memcpy((uint8_t *)&inverted + 4 * sizeof(word), &word, sizeof(word));
	return inverted;
}

/* As words, without branches: tuples are compared once per packet, and nearly always equal. */
static inline bool tuple_equal(const struct lun_tuple *a, const struct lun_tuple *b)
{
	_Static_assert(sizeof(*a) == 5 * sizeof(uint64_t), "a tuple is five words, without padding");
	return ((load_word(a, 0) ^ load_word(b, 0)) | (load_word(a, 1) ^ load_word(b, 1)) |
		(load_word(a, 2) ^ load_word(b, 2)) | (load_word(a, 3) ^ load_word(b, 3)) |
		(load_word(a, 4) ^ load_word(b, 4))) == 0;
}

/* A tuple in which ports mean something that can be translated. */
static inline bool protocol_has_ports(uint8_t protocol)
{
	return protocol == LUN_TCP || protocol == LUN_UDP || protocol == LUN_SCTP || protocol == LUN_ICMP ||
	       protocol == LUN_ICMPV6;
}

/* parse.c: fills `p` from p->io; false, with the packet's reason set, if the bytes cannot be read.  p->io->was and is are set
 * for those and for ICMP errors; all others carry p->tuple. */
bool packet_parse(struct packet *p);

/* Where a fragment belongs; read from a packet of role PACKET_FRAGMENT. */
struct fragment_place {
	uint32_t identification;
	uint32_t offset, length; /* bytes of the datagram's transport that it holds */
	uint32_t data;           /* offset of these in the packet */
	bool last;
};
void packet_fragment_place(const struct packet *p, struct fragment_place *place);

/* set.c: change fields in place and keep the differences for seal. */
/* Makes the packet carry `other` inverted. */
void packet_set_inverse(struct packet *p, const struct lun_tuple *other);
void packet_set_sequence(struct packet *p, uint32_t sequence);
void packet_set_acknowledgement(struct packet *p, uint32_t acknowledgement);
void packet_clear_fin(struct packet *p);
/* Puts both edges of every SACK block (RFC 2018, section 3) through `map`. */
void packet_map_sack(struct packet *p, uint32_t (*map)(const void *user, uint32_t sequence), const void *user);

/* Makes an ICMP error carry `outer`'s addresses, and quote a packet with the tuple `inner`. */
void packet_set_related(struct packet *p, const struct lun_tuple *outer, const struct lun_tuple *inner);

/* seal.c: makes lengths and checksums right.  To be called last, and once but for a packet that is `rebuilt`. */
void packet_seal(struct packet *p);
/* Whether the IP header's and the transport's checksums are right; a UDP checksum of zero over IPv4 is. */
bool packet_checksums_right(const struct packet *p);
/* Whether those of a TCP packet that are not right were left to who sends it, as a capture shows it that was taken on that host or
 * made by hand: they are zero, or TCP's is the sum of the pseudo header alone, to which the network card adds the rest. */
bool packet_checksums_left_out(const struct packet *p);

#endif
