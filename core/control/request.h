/* request.h - what a client asks. */
#ifndef LUNETTE_CONTROL_REQUEST_H
#define LUNETTE_CONTROL_REQUEST_H

#include <lunette/lunette.h>

/* An address or a range of them, and a port or any (0).  A filter that says nothing has a prefix of length 0. */
struct request_place {
	struct lun_prefix prefix;
	uint16_t port;
};

enum {
	REQUEST_EXPRESSION = 1024,
	REQUEST_COUNT_MOST = 1000 /* traces: what is said of them waits in memory for who does not read */
};

struct request {
	enum { REQUEST_FLOWS, REQUEST_STATS, REQUEST_TRACE } command;
	bool end;
	uint8_t protocol; /* 0: any */
	uint64_t age;     /* ns: no younger ones */
	char state[24], service[LUN_NAME_SIZE];
	struct request_place source, destination, endpoint;
	char expression[REQUEST_EXPRESSION]; /* of a trace: which packets, or "" */
	uint32_t count;                      /* and how many */
};

/* Reads a line.  Fails with LUN_BAD_ARGUMENT and a sentence. */
int request_parse(struct request *request, const char *line, struct lun_error *error);

/* Does the flow fit all that is asked for? */
bool request_wants(const struct request *request, const struct lun_flow *flow);

#endif
