/* engine.h - the conductor's own struct: each layer's state, and what belongs to none. */
#ifndef LUNETTE_ENGINE_ENGINE_H
#define LUNETTE_ENGINE_ENGINE_H

#include "base/limits.h"
#include "engine/endpoints.h"
#include "engine/events.h"
#include "engine/ports.h"
#include "http/http.h"
#include "nat/nat.h"
#include "packet/build.h"
#include "policy/policy.h"
#include "track/flow.h"
#include "track/fragment.h"
#include "track/sources.h"
#include "track/track.h"

enum { BATCH = LIMIT(32, 2) /* packets whose cache misses overlap */ };

struct lun_engine {
	struct flow_table flows;
	struct http http;
	struct events events;
	struct lun_policy *policy; /* or NULL */
	bool sees_packets;         /* it has a hook for each */
	struct ports ports;
	struct endpoints endpoints;
	struct sources sources;
	struct affinity affinity;
	struct fragments fragments;
	struct random random;
	struct lun_config config;
	struct lun_stats stats;
	uint32_t gone_next, gone_end; /* records that are still to be looked at since the policy changed (gone.c) */
	uint64_t memory;
	size_t packet; /* index of the packet on the path, in the caller's array */
	struct packet batch[BATCH];
	struct decision decisions[BATCH]; /* of these packets, made ahead */
};

/* path.c: ends a flow and its stream; engine_end_flow also says so in an event, when committing; engine_withdraw_flow says that it
 * is to end in the kernel too. */
void engine_forget_flow(struct lun_engine *engine, struct flow *flow);
void engine_end_flow(struct lun_engine *engine, struct flow *flow);
void engine_withdraw_flow(struct lun_engine *engine, struct flow *flow);

/* answers.c: packets of our own. */
enum { REFUSAL_SIZE = 1280 };

enum { TIMESTAMPS_SIZE = 12 };

/* REFUSAL_SIZE bytes for one, or NULL: the rings are full. */
uint8_t *engine_room(struct lun_engine *engine);
/* Puts one into the ring, of `length` bytes that engine_room or events_bytes gave; the ring must have room. */
void engine_emit(struct lun_engine *engine, enum lun_side side, uint32_t length);
/* Builds one and puts it into the ring, if there is room. */
void engine_emit_tcp(struct lun_engine *engine, enum lun_side side, const struct lun_tuple *tuple,
		     const struct packet_spec *spec);
/* The receiver's number `place`, and the tuple of a packet of ours toward it, as whoever translates the flow (we, or the kernel) needs them. */
uint32_t engine_place_for(const struct lun_engine *engine, const struct packet *p, uint32_t place);
struct lun_tuple engine_tuple_onward(const struct packet *p);
/* The timestamps option that answers the packet's: the newest that its sender has seen of the other end, and its own.  Returns its
 * size, or 0: it has none. */
uint32_t engine_answer_timestamps(const struct packet *p, uint8_t options[TIMESTAMPS_SIZE]);
/* What is to be said beside a packet of an edited flow: the PROXY header; and where its bytes do not go on, nothing, an
 * acknowledgement, or that the stream is refused. */
void engine_answer(struct lun_engine *engine, struct packet *p);

/* What the packet acknowledges, as the end counts that it is for. */
uint32_t engine_acknowledged(const struct lun_engine *engine, const struct packet *p);

/* refused.c: the stream of the packet's flow, or the packet as the first of an edited flow that is not known, is refused. */
void engine_refuse_stream(struct lun_engine *engine, struct packet *p);
/* A packet of a flow whose client was answered. */
void engine_linger(struct lun_engine *engine, struct packet *p);

/* What a service does to the requests that come to a port of it. */
static inline struct http_headers engine_headers(const struct lun_policy *policy, const struct service_port *port)
{
	const struct service *service = port->service;

	return (struct http_headers) { .headers = service->headers,
				       .count = (uint16_t)service->header_count,
				       .paths = service->paths,
				       .path_count = (uint16_t)service->path_count,
				       .trusted = service->trusted,
				       .trusted_count = service->trusted_count,
				       .hooks = &policy->hooks,
				       .on_error = (uint8_t)policy->on_error,
				       .read = service->http,
				       .resets = service->http_resets,
				       .responses = service->http_responses,
				       .greeting_version = service->proxy_protocol,
				       .service = service->name,
				       .port = port->port };
}

/* path.c: what is remembered of services; where the policy names no address to masquerade with, the embedder may know a better one
 * than the node's primary. */
struct policy_memory engine_memory(const struct lun_engine *engine);
void engine_ask_source(const struct lun_engine *engine, struct decision *decision);

#endif
