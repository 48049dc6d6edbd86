/* tcp.h - what is remembered of a TCP connection: a state, and for each side how far it may go.
 *
 * All numbers of a stream are in its sender's own numbering, also where bytes were added to it. */
#ifndef LUNETTE_TRACK_TCP_H
#define LUNETTE_TRACK_TCP_H

#include "packet/packet.h"

/* What kind of segment flags make; NONE is a combination that no stack sends. */
enum tcp_kind { TCP_KIND_SYN, TCP_KIND_SYNACK, TCP_KIND_FIN, TCP_KIND_ACK, TCP_KIND_RST, TCP_KIND_NONE, TCP_KIND_COUNT };

enum tcp_side_flag {
	TCP_SIDE_SCALE = 0x01,      /* offered window scaling */
	TCP_SIDE_SACK = 0x02,       /* offered SACK */
	TCP_SIDE_LIBERAL = 0x04,    /* windows are not known well enough to refuse */
	TCP_SIDE_ACKED = 0x08,      /* max_ack is set */
	TCP_SIDE_CLOSED = 0x10,     /* began to close */
	TCP_SIDE_CHALLENGED = 0x20, /* in `noted_flags`: the answer to the noted SYN may be a challenge ACK */
};

/* One side as a sender.  By window.c only. */
struct tcp_side {
	uint32_t end;                  /* highest sequence number sent, plus one */
	uint32_t max_end;              /* up to where the other side allowed it to send */
	uint32_t max_window;           /* largest window it has offered, scaled; 0: it was not heard yet */
	uint32_t max_ack;              /* highest acknowledgement it has sent */
	uint8_t scale, flags;          /* flags: enum tcp_side_flag */
} __attribute__((packed, aligned(2))); /* two of them in 36 bytes, without gaps */

struct tcp_track {
	struct tcp_side side[2]; /* by direction in which it sends */
	/* Of the last segment: for what comes next.  `noted` is where it ends; for a challenge ACK what it acknowledges. */
	uint32_t noted;
	uint16_t noted_window;
	uint8_t noted_kind : 3; /* enum tcp_kind */
	uint8_t noted_direction : 1;
	uint8_t noted_scale : 4;
	uint8_t noted_flags : 7;  /* enum tcp_side_flag */
	uint8_t simultaneous : 1; /* both sides sent a SYN */
};

/* The numbers of a segment. */
struct tcp_segment {
	enum tcp_kind kind;
	enum lun_direction direction;
	uint32_t sequence, end; /* end: behind its last byte, SYN and FIN counted */
	uint32_t acknowledgement;
	uint32_t sack; /* the highest number acknowledged, selectively or not */
	uint16_t window;
	uint8_t flags;
	const struct packet *packet;
};

enum tcp_kind tcp_kind(uint8_t flags);

/* The state after a segment; TCP_INVALID: not possible in this state; TCP_IGNORE: let through, changes nothing. */
enum { TCP_INVALID = 0, TCP_IGNORE = 0xff };
uint8_t tcp_next_state(uint8_t state, enum lun_direction direction, enum tcp_kind kind);

/* What a segment is to its connection. */
enum tcp_outcome {
	TCP_PASS,    /* moves it on */
	TCP_PASS_BY, /* is let through and changes nothing */
	TCP_REFUSE,  /* is invalid */
};

/* Holds a segment against both sides' windows, and if it fits, moves them.  *reason says why not. */
enum tcp_outcome tcp_window(struct tcp_track *tcp, uint8_t state, const struct tcp_segment *segment,
			    enum lun_reason *reason);

/* An acknowledgement of ours, with this field as its window, goes to the side that sends in direction `sender`. */
void tcp_window_promise(struct tcp_track *tcp, enum lun_direction sender, uint32_t ack, uint16_t window);

/* Sets the windows from the first segment of a connection, a SYN or one in mid-stream. */
void tcp_window_open(struct tcp_track *tcp, const struct tcp_segment *segment);

/* A SYN, or the RST that refuses one (RFC 9293, 3.10.7.1): its numbers are outside of a stream that is edited. */
static inline bool tcp_speaks_of_syn(const struct packet *p)
{
	return p->tcp_flags & TCP_SYN || (p->tcp_flags & TCP_RST && p->tcp_flags & TCP_ACK && p->sequence == 0);
}

/* a < b in sequence space (RFC 9293, 3.4). */
static inline bool sequence_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
