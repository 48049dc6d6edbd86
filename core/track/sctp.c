/* sctp.c - SCTP by its chunks, with the kernel's states and steps (net/netfilter/nf_conntrack_proto_sctp.c).
 *
 *	COOKIE_WAIT	the answer to an INIT was seen		SHUTDOWN_SENT	orig began to shut down
 *	COOKIE_ECHOED	the cookie came back			SHUTDOWN_RECD	reply did
 *	ESTABLISHED	it was acknowledged			SHUTDOWN_ACK_SENT  the other one agreed
 *	HEARTBEAT_SENT	the flow began with a heartbeat: another path of an association
 *	CLOSED		an INIT alone, an ABORT, the end of a shutdown, or chunks that fit nothing
 *
 * What is not written in the table leaves the state as it is. */
#include "track/sctp.h"

enum chunk {
	CHUNK_DATA = 0,
	CHUNK_INIT = 1,
	CHUNK_INIT_ACK = 2,
	CHUNK_HEARTBEAT = 4,
	CHUNK_HEARTBEAT_ACK = 5,
	CHUNK_ABORT = 6,
	CHUNK_SHUTDOWN = 7,
	CHUNK_SHUTDOWN_ACK = 8,
	CHUNK_ERROR = 9,
	CHUNK_COOKIE_ECHO = 10,
	CHUNK_COOKIE_ACK = 11,
	CHUNK_SHUTDOWN_COMPLETE = 14,
	CHUNK_TYPES = 15,

	CHUNK_HEADER = 4,
	FLAG_T = 0x01, /* the tag is the peer's, reflected (RFC 9260, 8.5.1) */
	STATES = LUN_STATE_SCTP_HEARTBEAT_SENT + 1 - LUN_STATE_SCTP_CLOSED + 1,
	NOTHING = 0, /* no state yet; the others count from 1 here */
	INVALID = 0xff,
};

#define S(name) (LUN_STATE_SCTP_##name - LUN_STATE_SCTP_CLOSED + 1)

/* [direction][chunk][state] to state; 0 keeps it. */
static const uint8_t steps[2][CHUNK_TYPES][STATES] = {
	[LUN_ORIG] = {
		[CHUNK_INIT] = {
			[NOTHING] = S(CLOSED),
			[S(SHUTDOWN_SENT)] = S(CLOSED),
			[S(SHUTDOWN_RECD)] = S(CLOSED),
			[S(HEARTBEAT_SENT)] = S(COOKIE_WAIT),
		},
		[CHUNK_INIT_ACK] = { [S(HEARTBEAT_SENT)] = S(CLOSED) },
		[CHUNK_ERROR] = { [S(HEARTBEAT_SENT)] = S(CLOSED) },
		[CHUNK_SHUTDOWN] = { [S(ESTABLISHED)] = S(SHUTDOWN_SENT), [S(HEARTBEAT_SENT)] = S(CLOSED) },
		[CHUNK_SHUTDOWN_ACK] = {
			[NOTHING] = S(SHUTDOWN_ACK_SENT),
			[S(SHUTDOWN_SENT)] = S(SHUTDOWN_ACK_SENT),
			[S(SHUTDOWN_RECD)] = S(SHUTDOWN_ACK_SENT),
			[S(HEARTBEAT_SENT)] = S(SHUTDOWN_ACK_SENT),
		},
		[CHUNK_COOKIE_ECHO] = { [S(COOKIE_WAIT)] = S(COOKIE_ECHOED), [S(HEARTBEAT_SENT)] = S(CLOSED) },
		[CHUNK_COOKIE_ACK] = { [S(COOKIE_ECHOED)] = S(ESTABLISHED), [S(HEARTBEAT_SENT)] = S(CLOSED) },
		[CHUNK_SHUTDOWN_COMPLETE] = { [S(SHUTDOWN_ACK_SENT)] = S(CLOSED), [S(HEARTBEAT_SENT)] = S(CLOSED) },
		[CHUNK_HEARTBEAT] = { [NOTHING] = S(HEARTBEAT_SENT) },
	},
	[LUN_REPLY] = {
		[CHUNK_INIT] = { [S(HEARTBEAT_SENT)] = INVALID },
		[CHUNK_INIT_ACK] = { [S(CLOSED)] = S(COOKIE_WAIT), [S(HEARTBEAT_SENT)] = INVALID },
		[CHUNK_ABORT] = { [S(HEARTBEAT_SENT)] = INVALID },
		[CHUNK_SHUTDOWN] = { [S(ESTABLISHED)] = S(SHUTDOWN_RECD), [S(HEARTBEAT_SENT)] = INVALID },
		[CHUNK_SHUTDOWN_ACK] = {
			[S(SHUTDOWN_SENT)] = S(SHUTDOWN_ACK_SENT),
			[S(SHUTDOWN_RECD)] = S(SHUTDOWN_ACK_SENT),
			[S(HEARTBEAT_SENT)] = INVALID,
		},
		[CHUNK_ERROR] = { [S(COOKIE_ECHOED)] = S(CLOSED), [S(HEARTBEAT_SENT)] = INVALID },
		[CHUNK_COOKIE_ECHO] = { [S(COOKIE_WAIT)] = S(COOKIE_ECHOED), [S(HEARTBEAT_SENT)] = INVALID },
		[CHUNK_COOKIE_ACK] = { [S(COOKIE_ECHOED)] = S(ESTABLISHED), [S(HEARTBEAT_SENT)] = INVALID },
		[CHUNK_SHUTDOWN_COMPLETE] = { [S(SHUTDOWN_ACK_SENT)] = S(CLOSED), [S(HEARTBEAT_SENT)] = INVALID },
		[CHUNK_HEARTBEAT_ACK] = { [S(HEARTBEAT_SENT)] = S(ESTABLISHED) },
	},
};

/* The chunks of a packet, one after the other. */
struct walk {
	const uint8_t *at, *end;
	uint32_t count;
};

static struct walk walk_begin(const struct packet *p)
{
	uint32_t end = p->end < p->io->length ? p->end : p->io->length;

	return (struct walk) { .at = p->io->data + p->payload, .end = p->io->data + end };
}

/* The chunk's bytes, at least its header; NULL at the end. */
static const uint8_t *walk_next(struct walk *walk)
{
	const uint8_t *chunk = walk->at;
	uint32_t length;

	if (walk->end - chunk < CHUNK_HEADER)
		return NULL;
	length = (load16(chunk + 2) + 3u) & ~3u;
	walk->at = length < (uint32_t)(walk->end - chunk) ? chunk + length : walk->end;
	walk->count++;
	return chunk;
}

/* How many chunks there are; 0: none, or they may not stand together (RFC 9260, 6.10; cookies first, INITs alone). */
static uint32_t count_chunks(const struct packet *p)
{
	struct walk walk = walk_begin(p);
	const uint8_t *chunk;
	bool alone = false;

	while ((chunk = walk_next(&walk)) != NULL) {
		uint8_t type = chunk[0];

		alone |= type == CHUNK_INIT || type == CHUNK_INIT_ACK || type == CHUNK_SHUTDOWN_COMPLETE;
		if (load16(chunk + 2) < CHUNK_HEADER)
			return 0;
		if ((alone || type == CHUNK_COOKIE_ACK || type == CHUNK_COOKIE_ECHO) && walk.count > 1)
			return 0;
	}
	return walk.count;
}

/* The tag that INIT or INIT ACK asks the other side to use; 0 if it is cut off or forbidden (RFC 9260, 3.3.2). */
static uint32_t initiate_tag(const struct packet *p, const uint8_t *chunk)
{
	return packet_has(p, (uint32_t)(chunk - p->io->data), CHUNK_HEADER + 16) ? load32(chunk + CHUNK_HEADER) : 0;
}

/* What the first packet of a flow tells of tags. */
static bool open_tags(struct sctp_track *sctp, const struct packet *p, uint32_t tag, bool alone)
{
	struct walk walk = walk_begin(p);
	const uint8_t *chunk = walk_next(&walk);

	if (chunk[0] == CHUNK_INIT) {
		sctp->tag[LUN_REPLY] = initiate_tag(p, chunk);
		sctp->initiated = 1 << LUN_ORIG;
		return tag == 0 && sctp->tag[LUN_REPLY] != 0;
	}
	/* Another path of an association, or the end of one that was forgotten.  All else is out of the blue (RFC 9260, 8.4), and
	 * would not tell the tag of the other direction. */
	sctp->tag[LUN_ORIG] = tag;
	return tag != 0 && alone && (chunk[0] == CHUNK_HEARTBEAT || chunk[0] == CHUNK_SHUTDOWN_ACK);
}

/* A heartbeat's tag (RFC 9260, 8.5): a path's first one sets it; another one is doubted until its answer comes with it.  A
 * chunk with a tag in doubt must be `alone`, or it would bring others past the check. */
static bool heartbeat_tag(struct sctp_track *sctp, enum lun_direction direction, uint8_t type, uint32_t tag, bool alone)
{
	if (sctp->tag[direction] == 0) {
		sctp->tag[direction] = tag;
		return true;
	}
	if (sctp->tag[direction] == tag) {
		sctp->heartbeat_doubt = 0;
		return true;
	}
	if (!alone)
		return false;
	if (type == CHUNK_HEARTBEAT) {
		sctp->heartbeat_doubt = 1;
		sctp->doubt_direction = direction & 1;
		return true;
	}
	if (!sctp->heartbeat_doubt || sctp->doubt_direction == direction)
		return false;
	sctp->heartbeat_doubt = 0;
	sctp->tag[direction] = tag;
	sctp->tag[!direction] = 0;
	return true;
}

/* Whether the tag fits this chunk (RFC 9260, 8.5 and 8.5.1). */
static bool tag_fits(struct sctp_track *sctp, enum lun_direction direction, const uint8_t *chunk, uint32_t tag, bool alone)
{
	switch (chunk[0]) {
	case CHUNK_INIT:
		return tag == 0;
	case CHUNK_ABORT:
	case CHUNK_SHUTDOWN_COMPLETE:
		return tag == sctp->tag[chunk[1] & FLAG_T ? !direction : direction];
	case CHUNK_SHUTDOWN_ACK:
		return true;
	case CHUNK_HEARTBEAT:
	case CHUNK_HEARTBEAT_ACK:
		return heartbeat_tag(sctp, direction, chunk[0], tag, alone);
	default:
		return tag == sctp->tag[direction];
	}
}

/* Keeps the tags that INIT and INIT ACK ask for.  The answer to an INIT that came may change its sender's tag, also when both ends
 * sent one (RFC 9260, 5.2.1); any other INIT ACK must ask for the tag that is known already. */
static bool note_init(struct sctp_track *sctp, const struct packet *p, const uint8_t *chunk)
{
	uint8_t own = (uint8_t)(1 << p->direction), other = own ^ 3;
	uint32_t known = sctp->tag[!p->direction], tag;

	if (chunk[0] == CHUNK_COOKIE_ACK)
		sctp->initiated = 0;
	if (chunk[0] != CHUNK_INIT && chunk[0] != CHUNK_INIT_ACK)
		return true;
	tag = initiate_tag(p, chunk);
	if (tag == 0)
		return false;
	if (chunk[0] == CHUNK_INIT) {
		if (known != tag) /* the same one again begins nothing */
			sctp->initiated = (uint8_t)((sctp->initiated == 3 ? 0 : sctp->initiated) | own);
	} else {
		if (!(sctp->initiated & other) && known && known != tag)
			return false;
		if (sctp->initiated == 3 && known != tag)
			return false;
	}
	sctp->tag[!p->direction] = tag;
	return true;
}

static uint8_t refuse(enum lun_reason *reason, enum lun_reason why)
{
	*reason = why;
	return UINT8_MAX;
}

uint8_t sctp_update(struct sctp_track *sctp, uint8_t state, const struct packet *p, bool opening, enum lun_reason *reason)
{
	uint8_t now = opening ? NOTHING : (uint8_t)(state - LUN_STATE_SCTP_CLOSED + 1);
	uint32_t tag = load32(packet_transport(p) + 4), count = count_chunks(p);
	struct sctp_track after = *sctp;
	struct walk walk = walk_begin(p);
	const uint8_t *chunk;

	if (count == 0)
		return refuse(reason, LUN_REASON_bad_chunks);
	if (opening && !open_tags(&after, p, tag, count == 1))
		return refuse(reason, LUN_REASON_not_an_opening);
	while ((chunk = walk_next(&walk)) != NULL) {
		if (!opening && !tag_fits(&after, (enum lun_direction)p->direction, chunk, tag, count == 1))
			return refuse(reason, LUN_REASON_bad_verification_tag);
		if (chunk[0] < CHUNK_TYPES && steps[p->direction][chunk[0]][now] == INVALID)
			return refuse(reason, LUN_REASON_bad_chunks);
		if (chunk[0] < CHUNK_TYPES && steps[p->direction][chunk[0]][now])
			now = steps[p->direction][chunk[0]][now];
		else if (chunk[0] == CHUNK_ABORT || now == NOTHING)
			now = S(CLOSED);
		after.established |= now == S(ESTABLISHED);
		if (!note_init(&after, p, chunk))
			return refuse(reason, LUN_REASON_bad_verification_tag);
	}
	*sctp = after;
	return (uint8_t)(now + LUN_STATE_SCTP_CLOSED - 1);
}
