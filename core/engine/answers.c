/* answers.c - packets of our own, to the ends of a flow whose stream is edited: the PROXY header (core/http/http.h), an acknowledgement.
 * Of what is refused see refused.c.
 *
 * Held bytes must be acknowledged to an end that would not send the rest without: one that had to send them again, or that has
 * sent much.  It may: the packet that completes a head is never acknowledged by us, so that it comes again until the
 * receiver has it, and with it goes all of the head (core/http/again.c). */
#include "base/cold.h"
#include "engine/engine.h"
#include "packet/build.h"
#include "packet/options.h"

/* A window for a client whose scale is not known: enough for a segment to follow, until the upstream tells its own. */
enum { WINDOW_UNKNOWN = 4096 };

enum { OPTION_TIMESTAMPS = 8, TIMESTAMPS_LENGTH = 10 };

void engine_emit(struct lun_engine *engine, enum lun_side side, uint32_t length)
{
	struct lun_event *event = events_put(&engine->events);

	event->kind = LUN_EVENT_EMIT;
	event->side = side;
	event->packet = engine->packet;
	events_keep_bytes(&engine->events, event, length);
}

uint8_t *engine_room(struct lun_engine *engine)
{
	uint8_t *bytes = events_full(&engine->events) ? NULL : events_bytes(&engine->events, REFUSAL_SIZE);

	engine->stats.events_lost += !bytes;
	return bytes;
}

void engine_emit_tcp(struct lun_engine *engine, enum lun_side side, const struct lun_tuple *tuple,
		     const struct packet_spec *spec)
{
	uint8_t *bytes = engine_room(engine);
	uint32_t length = bytes ? packet_build(bytes, REFUSAL_SIZE, tuple, spec) : 0;

	if (length)
		engine_emit(engine, side, length);
}

uint32_t engine_place_for(const struct lun_engine *engine, const struct packet *p, uint32_t place)
{
	return p->io->carried ? http_unshifted(http_shift(&engine->http, &engine->flows, p->flow), place) : place;
}

struct lun_tuple engine_tuple_onward(const struct packet *p)
{
	return p->io->carried ? p->tuple : tuple_inverted(&p->flow->tuple[!p->direction]);
}

uint32_t engine_acknowledged(const struct lun_engine *engine, const struct packet *p)
{
	const struct seqmap *map = flow_map(&engine->flows, p->flow, (enum lun_direction) !p->direction);

	return map ? seqmap_to_sender(map, p->acknowledgement) : p->acknowledgement;
}

/* The packet's timestamps (RFC 7323, 3.2), as an option.  Returns its size, or 0 if it has none. */
static uint32_t copy_timestamps(const struct packet *p, uint8_t options[TIMESTAMPS_SIZE])
{
	for (const uint8_t *option = tcp_option_next(p, NULL); option; option = tcp_option_next(p, option)) {
		if (option[0] != OPTION_TIMESTAMPS || option[1] != TIMESTAMPS_LENGTH)
			continue;
		options[0] = options[1] = TCP_OPTION_NOP;
		memcpy(options + 2, option, TIMESTAMPS_LENGTH);
		return TIMESTAMPS_SIZE;
	}
	return 0;
}

uint32_t engine_answer_timestamps(const struct packet *p, uint8_t options[TIMESTAMPS_SIZE])
{
	uint8_t own[TIMESTAMPS_SIZE];
	uint32_t size = copy_timestamps(p, own);

	if (size) {
		memcpy(options, own, 4);
		memcpy(options + 4, own + 8, 4);
		memcpy(options + 8, own + 4, 4);
	}
	return size;
}

/* Acknowledges to the packet's sender what is held; the window ends where the receiver's did, if it was seen. */
static COLD void acknowledge(struct lun_engine *engine, const struct packet *p)
{
	struct tcp_track *tcp = &flow_more(&engine->flows, p->flow)->tcp;
	const struct lun_tuple tuple = tuple_inverted(&p->tuple);
	enum lun_direction from = (enum lun_direction)p->direction;
	uint8_t options[TIMESTAMPS_SIZE], scale = tcp->side[!from].scale;
	struct packet_spec spec = { .tcp_flags = TCP_ACK,
				    .sequence = p->acknowledgement,
				    .acknowledgement = http_sender_place(&engine->http, &engine->flows, p->flow, from),
				    .options = options,
				    .options_length = engine_answer_timestamps(p, options) };
	int32_t room = (int32_t)(tcp->side[from].max_end - spec.acknowledgement);

	/* Rounded up: with a coarse scale nothing would be left of a window that is open. */
	room = room > 0 ? (room + (1 << scale) - 1) >> scale : 0;
	spec.window = room < UINT16_MAX ? (uint16_t)room : UINT16_MAX;
	if (p->io->carried)
		spec.window = WINDOW_UNKNOWN;
	else
		tcp_window_promise(tcp, from, spec.acknowledgement, spec.window);
	engine_emit_tcp(engine, from == LUN_ORIG ? LUN_SIDE_CLIENT : LUN_SIDE_UPSTREAM, &tuple, &spec);
}

/* The PROXY header, as the client would send it now.  If it goes in the place of the packet, it is what the packet carries. */
static COLD void greet(struct lun_engine *engine, struct packet *p)
{
	const struct lun_tuple tuple = engine_tuple_onward(p);
	uint8_t options[TIMESTAMPS_SIZE], header[GREETING_SIZE];
	struct packet_spec spec = { .tcp_flags = TCP_PSH | TCP_ACK,
				    .acknowledgement = engine_acknowledged(engine, p),
				    .window = load16(packet_transport(p) + 14),
				    .options = options,
				    .options_length = copy_timestamps(p, options),
				    .payload = header };

	spec.payload_length = http_greeting(&engine->http, &engine->flows, p->flow, header, &spec.sequence);
	spec.sequence = engine_place_for(engine, p, spec.sequence);
	engine_emit_tcp(engine, LUN_SIDE_UPSTREAM, &tuple, &spec);
	if (p->io->verdict != LUN_STOLEN)
		return;
	p->io->is = tuple;
	p->is_set = true;
}

void engine_answer(struct lun_engine *engine, struct packet *p)
{
	if (engine->http.greets)
		greet(engine, p);
	if (p->io->verdict == LUN_REJECT)
		engine_refuse_stream(engine, p);
	else if (engine->http.acknowledges)
		acknowledge(engine, p);
}
