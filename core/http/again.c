/* again.c - bytes that an end sends again.
 *
 * Those that went on go on again, heads edited as they were.  A head that does not lie whole in the packet is taken from what was held
 * of it, and goes on as a whole; if nothing was held, it is cut off with what follows it: when the bytes in front of it are
 * acknowledged, the sender begins with it; and if the head itself is, without the sender knowing, what is left of the packet asks the
 * receiver to say so again.  One that the log of edits forgot is passed as it is: it lands in front of what the receiver has
 * acknowledged (see log_has_room in take.c). */
#include "http/kept.h"

/* The first bytes of the packet that went on before. */
struct gone {
	const uint8_t *bytes;
	uint32_t start, length;
	uint32_t written; /* of these, in http->payload */
};

/* Whether bytes are what was held of them. */
static bool held_agrees(const struct on_path *path, uint32_t start, const uint8_t *bytes, uint32_t length)
{
	const struct http_hold *hold = hold_of(path->http, path->way);

	return hold && start - hold->start <= hold->length && length <= hold->length - (start - hold->start) &&
	       memcmp(hold_at(path->http, hold, start), bytes, length) == 0;
}

/* The bytes of an edited head: in the packet, or held; NULL: neither. */
static const uint8_t *find_head(const struct on_path *path, const struct gone *gone, uint32_t number)
{
	const struct seqmap_edit *edit = &path->map->edits[number];
	const struct http_hold *hold = hold_of(path->http, path->way);
	int32_t offset = (int32_t)(edit->start - gone->start), end = offset + (int32_t)edit->before;
	uint32_t from = offset < 0 ? 0 : (uint32_t)offset, to = end > (int32_t)gone->length ? gone->length : (uint32_t)end;
	const uint8_t *bytes = gone->bytes + from;

	if (offset < 0 || end > (int32_t)gone->length) {
		if (!held_agrees(path, gone->start + from, bytes, to - from) || edit->start - hold->start > hold->length ||
		    edit->before > hold->length - (edit->start - hold->start))
			return NULL;
		bytes = hold_at(path->http, hold, edit->start);
	}
	return bytes;
}

/* Puts an edited head into the new payload, and what is in front of it; or cuts it off. */
static bool put_head(const struct on_path *path, struct gone *gone, uint32_t number)
{
	const struct seqmap_edit *edit = &path->map->edits[number];
	const uint8_t *bytes = find_head(path, gone, number);
	struct http *http = path->http;
	int32_t offset = (int32_t)(edit->start - gone->start);
	uint32_t before;
	struct head head;

	if (!bytes && (offset > 0 || http_is_acknowledged(path, edit->start + edit->before))) {
		gone->length = offset > 0 ? (uint32_t)offset : gone->written;
		packet_clear_fin(path->p);
		return true;
	}
	head_begin(&head, (path->way->trailers >> number & 1 ? HEAD_TRAILERS : 0) | http_head_flags(path));
	if (!bytes || head_scan(&head, bytes, edit->before) != (int)edit->before)
		return http_drop(path, LUN_REASON_http_lost_place, "another head than before, or a part of one");
	if (offset < 0)
		http->start = edit->start;
	else
		writer_put(&http->payload, gone->bytes + gone->written, (uint32_t)offset - gone->written);
	before = http->payload.length;
	if (!http_render(path, &head, bytes, edit->start))
		return http_drop(path, LUN_REASON_policy_error, HTTP_HOOK_FAILED);
	gone->written = (uint32_t)(offset + (int32_t)edit->before);
	http->replaced = true;
	return http_digest(http, bytes, edit->before, before) == path->way->digests[number] ||
	       http_drop(path, LUN_REASON_http_lost_place, "another head than before, or it gets other lines");
}

/* Puts all heads that these bytes touch. */
static bool put_heads(const struct on_path *path, struct gone *gone)
{
	const struct seqmap *map = path->map;

	for (uint32_t i = map->count < SEQMAP_EDITS ? 0 : map->count - SEQMAP_EDITS; i < map->count; i++) {
		const struct seqmap_edit *edit = &map->edits[i % SEQMAP_EDITS];
		int32_t offset = (int32_t)(edit->start - gone->start);

		if (edit->before == 0 || offset + (int32_t)edit->before <= 0 || offset >= (int32_t)gone->length)
			continue; /* no head, in front of these, or behind them */
		if (!put_head(path, gone, i % SEQMAP_EDITS))
			return false;
	}
	return true;
}

bool http_again(const struct on_path *path, uint32_t length)
{
	struct packet *p = path->p;
	int32_t released = (int32_t)(path->way->released - p->sequence);
	struct gone gone = { .bytes = p->io->data + p->payload, .start = p->sequence, .length = length };

	if (released > 0)
		path->way->again = 0;
	if (http_is_carried(path) && sequence_before(p->sequence, path->way->floor))
		return http_drop(path, LUN_REASON_http_lost_place, "bytes from before what is remembered");
	if (released < (int32_t)length) {
		gone.length = released < 0 ? 0 : (uint32_t)released;
		if (!held_agrees(path, gone.start + gone.length, gone.bytes + gone.length, length - gone.length))
			return http_drop(path, LUN_REASON_http_lost_place, "other bytes than those that are held");
	}
	if (!frames_agree(path, gone.start, gone.bytes, gone.length))
		return http_drop(path, LUN_REASON_http_lost_place, "chunks that are framed in another way than before");
	if (!put_heads(path, &gone))
		return false;
	if (!path->http->replaced && gone.length == p->payload_length)
		return true; /* it goes on as it is */
	if (gone.written < gone.length)
		writer_put(&path->http->payload, gone.bytes + gone.written, gone.length - gone.written);
	path->http->replaced = true;
	return http_fits(path, 0);
}
