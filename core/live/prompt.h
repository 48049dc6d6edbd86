/* prompt.h - getting a client that only receives to send, so that it hears that its connection is over. */
#ifndef LUNETTE_LIVE_PROMPT_H
#define LUNETTE_LIVE_PROMPT_H

#include <lunette/lunette.h>

struct prompt {
	int v4, v6; /* raw sockets, or -1: without CAP_NET_RAW clients hear of it when they send next */
};

void prompt_open(struct prompt *prompt);
void prompt_close(struct prompt *prompt);

/* Sends the client of a TCP connection, whose orig tuple this is, a segment that it answers.  One that is lost is lost. */
void prompt_client(const struct prompt *prompt, const struct lun_tuple *orig);

#endif
