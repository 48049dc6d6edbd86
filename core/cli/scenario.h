/* scenario.h - a made-up world around an engine: a clock that moves when it is told to, and conversations whose two ends are played.
 *
 * Every packet of a conversation goes through the engine, as it would on a node, and what leaves is read as its receiver would:
 * an end knows only what reached it, so what the upstream saw is what the engine let it see.  Nothing is lost on the way, and
 * ends are honest; `tests/unit/simulator.c` is for the contrary. */
#ifndef LUNETTE_CLI_SCENARIO_H
#define LUNETTE_CLI_SCENARIO_H

#include "cli/golden.h"

#include <lunette/replay.h>

struct scenario {
	struct lun_engine *engine; /* NULL: it is over */
	struct lun_policy *policy;
	struct lun_lua_kept *kept;
	uint64_t now;           /* ns */
	struct lun_packet left; /* the packet that left last, as it left: what an ICMP error may be about */
	struct golden golden;
	bool loading; /* warnings of a policy that loads are not told: `lunette check` tells them, once */
};

/* What became of one packet. */
struct outcome {
	struct lun_packet packet; /* its `data` is gone */
	char reason[LUN_TRACE_TEXT];
	char service[LUN_NAME_SIZE];
	char at[LUN_NAME_SIZE]; /* the place in the policy that had the last word, or "" */
};

/* One of the two ends; `enum lun_direction` says which: the one that began is LUN_ORIG. */
struct end {
	struct lun_tuple tuple; /* of what it sends; protocol 0: nothing has reached it */
	uint32_t next;          /* sequence number of its next byte, in its own numbering */
	uint32_t expected;      /* of the other's next byte */
	char *got;              /* every byte that reached it, in order */
	size_t got_length, got_room;
	size_t mark; /* what came before this belongs to an earlier send */
	bool reset;  /* a RST reached it */
	bool refused_by_icmp;
};

struct segment {
	enum lun_direction from;
	uint8_t flags;
	uint32_t sequence;
	uint8_t *payload;
	uint32_t length;
};

struct conversation {
	struct scenario *scenario;
	struct end ends[2];
	struct outcome opening, last;
	struct segment kept; /* what was sent last, to be sent again */
};

/* Loads a policy, and an engine that starts empty, at second 1, with `flows` at most and `seed` of random choices.  What hooks
 * complain of goes to stderr.  Fails as lun_lua_policy_load and lun_engine_new; the scenario must stay where it is. */
int scenario_init(struct scenario *scenario, const char *path, uint64_t seed, uint32_t flows, struct lun_error *error);
void scenario_fini(struct scenario *scenario);

/* Changes to another policy; one that is wrong changes nothing.  Fails as lun_lua_policy_load and lun_engine_set_policy. */
int scenario_reload(struct scenario *scenario, const char *path, struct lun_error *error);

/* Gives a service, "a/web", other endpoints, as when pods come and go.  Fails as lun_policy_change and lun_engine_set_policy. */
int scenario_set_endpoints(struct scenario *scenario, const struct lun_service *service, struct lun_error *error);

/* Sends the packet of a line (lun_packet_from_line) after the time that it says; nobody is there to answer it. */
int scenario_packet(struct scenario *scenario, const char *line, struct outcome *outcome, struct lun_error *error);

/* Runs a capture, which must be the first thing that happens; the clock then stands where the capture ends.  Fails as
 * lun_replay_run, and LUN_BAD_FILE for a capture that is cut. */
int scenario_replay(struct scenario *scenario, const char *path, struct lun_error *error);

/* Moves the clock, and lets the engine do what falls due. */
void scenario_advance(struct scenario *scenario, uint64_t ns);

/* A conversation of nothing yet; `tuple` is what its first packet will carry: TCP, UDP or an ICMP query. */
void conversation_init(struct conversation *conversation, struct scenario *scenario, const struct lun_tuple *tuple);
void conversation_fini(struct conversation *conversation);

/* Each sends packets until all are sent or one does not arrive, and leaves what became of the last one in `last`: an
 * acknowledgement that the receiver answers with on its own counts only if it was refused. */
void conversation_open(struct conversation *conversation, bool answered); /* TCP: SYN, and SYN/ACK and ACK if answered */
void conversation_send(struct conversation *conversation, enum lun_direction from, const void *bytes, size_t length);
void conversation_finish(struct conversation *conversation, enum lun_direction from); /* TCP: a FIN */
void conversation_reset(struct conversation *conversation, enum lun_direction from);  /* TCP: a RST */
void conversation_repeat(struct conversation *conversation);                          /* what was sent last */

#endif
