/* control.h - what the parts of the control socket share: the socket and those who are connected. */
#ifndef LUNETTE_CONTROL_CONTROL_H
#define LUNETTE_CONTROL_CONTROL_H

#include "control/request.h"
#include "control/tally.h"
#include "control/top.h"
#include "control/tracing.h"

#include <lunette/control.h>
#include <stdio.h>

enum { CONTROL_SESSIONS = 16, CONTROL_LINE = 4096 /* bytes of a request */ };

/* Somebody who is connected.  Life: reads until a line is there, then makes its answer in pieces while the loop is idle,
 * each written before the next is made, and closes; or, when it asked who has most, reads the next line. */
struct session {
	struct lun_control *control; /* NULL: the place is free */
	uv_pipe_t pipe;
	uv_idle_t idle;
	uv_write_t write;
	unsigned open_handles;
	char line[CONTROL_LINE];
	size_t length;
	struct request request;
	uint64_t cursor, flows;
	struct tally tally;
	struct tracing *tracing; /* NULL: it did not ask for traces */
	struct top *top;         /* NULL: nor for who has most */
	bool counted;            /* all flows are in the tally */
	char *piece;             /* malloc'ed, being written */
	bool last;               /* nothing comes after this piece */
};

struct lun_control {
	struct lun_live *live;
	const struct lun_lua_stats *hooks; /* or NULL */
	uv_pipe_t pipe;
	bool closing;
	unsigned open; /* handles and sessions: the struct goes with the last one */
	struct session sessions[CONTROL_SESSIONS];
};

/* session.c: somebody connects, or is to go. */
void session_open(struct lun_control *control);
void session_close(struct session *session);

/* control.c: one of those that `open` counts is closed. */
void control_closed(struct lun_control *control);

/* answer.c: the next piece of the answer, all of it if that was short; sets session->last.  NULL without memory. */
char *answer_piece(struct session *session);

/* A line that says what is wrong. */
char *answer_error(const char *sentence);

#endif
