/* request.h - what a client asks. */
#ifndef LUNETTE_CONTROL_REQUEST_H
#define LUNETTE_CONTROL_REQUEST_H

#include <lunette/replay.h>

enum {
	REQUEST_EXPRESSION = 1024,
	REQUEST_COUNT_MOST = 1000 /* traces: what is said of them waits in memory for who does not read */
};

struct request {
	enum { REQUEST_FLOWS, REQUEST_STATS, REQUEST_TRACE, REQUEST_TOP } command;
	bool end;
	bool again;                     /* of top: of the same time as the answer before */
	struct lun_flow_filter *filter; /* which flows; NULL: all */
	enum request_by { REQUEST_BY_SERVICE, REQUEST_BY_ENDPOINT, REQUEST_BY_SOURCE, REQUEST_BY_FLOW } by;
	enum request_sort { REQUEST_SORT_FLOWS, REQUEST_SORT_OPENED, REQUEST_SORT_PACKETS, REQUEST_SORT_BYTES } sort;
	char expression[REQUEST_EXPRESSION]; /* of a trace: which packets, or "" */
	uint32_t count;                      /* and how many */
};

/* Reads a line.  Fails with LUN_BAD_ARGUMENT and a sentence; what is read goes by request_fini anyhow. */
int request_parse(struct request *request, const char *line, struct lun_error *error);

void request_fini(struct request *request);

#endif
