/* refused.c - what the two ends of a stream are told that is refused (core/http/http.h).
 *
 * The upstream gets a RST.  The client gets a response that says why, and the end of the stream, where it is owed no response, so that
 * it cannot take ours for another request's, and where it has all that the upstream sent, so that ours begins at the number which it
 * expects next.  Else it gets a RST, too, and so it does if the policy says so.
 *
 * With a RST behind it many clients would throw the response away unread.  So from there on we are the client's other end: what it
 * still sends is acknowledged and thrown away, and it gets the response again with whatever it sends without having seen it.  That
 * needs no timer: the bytes that were refused are acknowledged by the response alone, and so come again until that has come.  After
 * LINGER_MS the flow is forgotten, and what comes then gets a RST like anything in the middle of an unknown connection. */
#include "base/cold.h"
#include "engine/engine.h"
#include "packet/trace.h"

#include <stdio.h>

enum { LINGER_MS = 30000, RESPONSE_SIZE = 128 };

/* Nothing is wrong with these numbers, but they are of bytes that we throw away. */
enum { WINDOW = UINT16_MAX };

/* ---- the client's other end ---- */

static unsigned status_of(enum lun_reason reason)
{
	switch (reason) {
	case LUN_REASON_http_incomplete:
		return 408;
	case LUN_REASON_http_too_large:
		return 431;
	case LUN_REASON_http_malformed:
		return 400;
	default:
		return 0; /* no fault of the client's */
	}
}

/* Writes the response of a status; returns its length. */
static uint32_t write_response(unsigned status, char text[RESPONSE_SIZE])
{
	const char *phrase = status == 408   ? "Request Timeout"
			     : status == 431 ? "Request Header Fields Too Large"
					     : "Bad Request";

	return (uint32_t)snprintf(text, RESPONSE_SIZE, "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
				  status, phrase);
}

/* Behind the packet's last byte, and its FIN. */
static uint32_t end_of(const struct packet *p)
{
	return p->sequence + p->payload_length + !!(p->tcp_flags & TCP_FIN);
}

/* Acknowledges what the client has sent, together with the response unless it has that. */
static void send_to_client(struct lun_engine *engine, const struct packet *p, bool has_response)
{
	const struct http_refusal *refusal = &http_stream_of(&engine->http, &engine->flows, p->flow)->way.refusal;
	const struct tcp_side *upstream = &flow_more(&engine->flows, p->flow)->tcp.side[LUN_REPLY];
	const struct lun_tuple tuple = tuple_inverted(&p->flow->tuple[LUN_ORIG]);
	uint8_t options[TIMESTAMPS_SIZE];
	char text[RESPONSE_SIZE];
	struct packet_spec spec = { .tcp_flags = TCP_ACK,
				    .window = (uint16_t)(WINDOW >> upstream->scale),
				    .sequence = refusal->end,
				    .acknowledgement = refusal->next,
				    .options = options,
				    .options_length = engine_answer_timestamps(p, options) };

	if (!has_response) {
		spec.tcp_flags |= TCP_PSH | TCP_FIN;
		spec.sequence = refusal->start;
		spec.payload = text;
		spec.payload_length = write_response(refusal->status, text);
	}
	engine_emit_tcp(engine, LUN_SIDE_CLIENT, &tuple, &spec);
}

/* Whether the client can be told by a response. */
static bool may_respond(const struct lun_engine *engine, const struct packet *p, const struct http_stream *stream)
{
	const struct tcp_side *upstream = &flow_more(&engine->flows, p->flow)->tcp.side[LUN_REPLY];

	return status_of(stream->way.stream.reason) && !p->io->carried && p->direction == LUN_ORIG &&
	       !stream->headers.resets && !http_is_owed(&engine->http, stream) && p->tcp_flags & TCP_ACK &&
	       p->flow->flags & FLOW_REPLIED && !state_is_half_open(p->flow->state) &&
	       !(upstream->flags & TCP_SIDE_CLOSED) && engine_acknowledged(engine, p) == upstream->end;
}

static void respond(struct lun_engine *engine, const struct packet *p, struct http_stream *stream)
{
	unsigned status = status_of(stream->way.stream.reason);
	char text[RESPONSE_SIZE];

	stream->way.refusal = (struct http_refusal) { .status = status,
						      .start = p->acknowledgement,
						      .end = p->acknowledgement + write_response(status, text) + 1,
						      .next = end_of(p) };
	p->flow->flags |= FLOW_ANSWERED;
	TRACE(p, "http", NULL, "answered with %u", status);
	send_to_client(engine, p, false);
}

COLD void engine_linger(struct lun_engine *engine, struct packet *p)
{
	struct http_refusal *refusal = &http_stream_of(&engine->http, &engine->flows, p->flow)->way.refusal;
	uint8_t *bytes;
	uint32_t length;

	p->io->ct = LUN_CT_ESTABLISHED;
	packet_stop(p, LUN_STOLEN, LUN_REASON_none);
	if (p->role != PACKET_DATA || p->tcp_flags & TCP_RST)
		return;
	if (p->direction == LUN_REPLY) { /* it has not got our RST */
		bytes = engine_room(engine);
		length = bytes ? packet_build_refusal(bytes, REFUSAL_SIZE, p, REFUSAL_PORT) : 0;
		if (length)
			engine_emit(engine, LUN_SIDE_UPSTREAM, length);
		return;
	}
	if (end_of(p) == p->sequence && p->sequence == refusal->next)
		return; /* an acknowledgement */
	if (!sequence_before(refusal->next, p->sequence) && sequence_before(refusal->next, end_of(p)))
		refusal->next = end_of(p);
	send_to_client(engine, p, !sequence_before(p->acknowledgement, refusal->end));
}

/* ---- RST ---- */

/* The number at which the packet's receiver expects a RST, as whoever translates it needs it. */
static uint32_t reset_place(const struct lun_engine *engine, const struct packet *p)
{
	if (!p->flow || !(p->flow->flags & FLOW_HTTP))
		return p->sequence;
	return engine_place_for(engine, p,
				http_receiver_place(&engine->http, &engine->flows, p->flow,
						    (enum lun_direction)p->direction));
}

static void reset_sender(struct lun_engine *engine, const struct packet *p)
{
	uint8_t *bytes = engine_room(engine);
	uint32_t length = bytes ? packet_build_refusal(bytes, REFUSAL_SIZE, p, REFUSAL_PORT) : 0;

	if (length)
		engine_emit(engine, p->direction == LUN_ORIG ? LUN_SIDE_CLIENT : LUN_SIDE_UPSTREAM, length);
}

static void reset_receiver(struct lun_engine *engine, const struct packet *p)
{
	const struct lun_tuple tuple = engine_tuple_onward(p);
	const struct packet_spec spec = { .tcp_flags = TCP_RST | TCP_ACK,
					  .sequence = reset_place(engine, p),
					  .acknowledgement =
						  p->io->carried ? p->acknowledgement : engine_acknowledged(engine, p) };

	engine_emit_tcp(engine, p->direction == LUN_ORIG ? LUN_SIDE_UPSTREAM : LUN_SIDE_CLIENT, &tuple, &spec);
}

/* ---- both ---- */

/* Once a connection. */
static void tell_embedder(struct lun_engine *engine, const struct packet *p, struct http_stream *stream)
{
	const struct stream *refused = &http_way_of(&engine->http, stream, (enum lun_direction)p->direction)->stream;
	struct lun_event *event = stream->told ? NULL : events_put(&engine->events);

	stream->told = true;
	if (!event)
		return;
	event->kind = LUN_EVENT_REFUSED;
	event->packet = engine->packet;
	event->flow = flow_id(&engine->flows, p->flow);
	event->orig = p->flow->tuple[LUN_ORIG];
	event->reply = p->flow->tuple[LUN_REPLY];
	event->reason = refused->reason;
	event->text = refused->wrong;
	event->offset = refused->refused_offset;
	event->status = p->flow->flags & FLOW_ANSWERED ? stream->way.refusal.status : 0;
}

COLD void engine_refuse_stream(struct lun_engine *engine, struct packet *p)
{
	struct flow *flow = p->flow;
	struct http_stream *stream =
		flow && flow->flags & FLOW_HTTP ? http_stream_of(&engine->http, &engine->flows, flow) : NULL;

	if (stream && may_respond(engine, p, stream))
		respond(engine, p, stream);
	else
		reset_sender(engine, p);
	reset_receiver(engine, p);
	if (stream)
		tell_embedder(engine, p, stream);
	if (p->io->carried)
		return; /* the kernel's entry is over, and tells */
	if (!state_is_half_open(flow->state))
		flow->state = LUN_STATE_CLOSE;
	flow_expire_in(&engine->flows, flow,
		       flow->flags & FLOW_ANSWERED ? LINGER_MS : engine->flows.timeouts[flow->timeouts].ms[flow->state]);
}
