/* tracing.c - the next packets that fit a filter are given a sink, and what it holds after the engine is said.
 *
 * Others pay for the filter, a hundred nanoseconds or so a packet, and only while somebody asks.  Several may: the sink of a packet
 * is that of the first who wants it, and all read it. */
#include "control/tracing.h"
#include "control/fail.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, CANDIDATES = 64 };

struct tracing {
	struct lun_live *live;
	struct lun_filter *filter;
	struct lun_live_tap tap;
	uint32_t left; /* packets that are still to be explained */
	void (*on_line)(void *user);
	void *user;
	char *lines[REQUEST_COUNT_MOST]; /* said, and not taken */
	size_t line_count;
	size_t chosen[BATCH], chosen_count; /* packets of the batch */
	struct lun_trace traces[BATCH];
	struct lun_candidate candidates[BATCH][CANDIDATES];
};

static void before(void *user, struct lun_packet *packets, size_t count)
{
	struct tracing *tracing = user;

	tracing->chosen_count = 0;
	for (size_t i = 0; i < count && tracing->chosen_count < BATCH && tracing->chosen_count < tracing->left; i++) {
		struct lun_trace *trace = &tracing->traces[tracing->chosen_count];

		if (!lun_filter_holds(tracing->filter, packets[i].data, packets[i].length, packets[i].wire_length))
			continue;
		if (!packets[i].trace) {
			*trace = (struct lun_trace) { .candidates = tracing->candidates[tracing->chosen_count],
						      .candidate_capacity = CANDIDATES };
			packets[i].trace = trace;
		}
		tracing->chosen[tracing->chosen_count++] = i;
	}
}

/* A packet that opens a flow which the kernel will translate is told as it will leave, as far as that is known: the kernel may
 * choose another source port. */
static struct lun_packet as_told(const struct tracing *tracing, const struct lun_packet *packet)
{
	struct lun_packet told = *packet;
	struct lun_flow flow;

	if (packet->changed || !packet->trace->translated ||
	    lun_flow_find(lun_live_engine(tracing->live), &packet->was, &flow) < 0)
		return told;
	told.is.source = flow.reply.destination;
	told.is.source_port = flow.reply.destination_port;
	told.is.destination = flow.reply.source;
	told.is.destination_port = flow.reply.source_port;
	return told;
}

static void after(void *user, const struct lun_packet *packets, size_t count)
{
	struct tracing *tracing = user;
	char tuple[LUN_TUPLE_TEXT];

	(void)count;
	for (size_t i = 0; i < tracing->chosen_count; i++) {
		const struct lun_packet packet = as_told(tracing, &packets[tracing->chosen[i]]);
		char *line = lun_trace_json(&packet, packet.was.protocol ? lun_tuple_format(&packet.was, tuple)
									 : "a packet that cannot be read");

		if (line)
			tracing->lines[tracing->line_count++] = line;
		tracing->left--;
	}
	if (tracing->chosen_count == 0)
		return;
	tracing->chosen_count = 0;
	tracing->on_line(tracing->user);
	if (tracing->left == 0)
		lun_live_untap(tracing->live, &tracing->tap);
}

int tracing_begin(struct tracing **result, struct lun_live *live, const struct request *request, void (*on_line)(void *user),
		  void *user, struct lun_error *error)
{
	struct tracing *tracing = calloc(1, sizeof(*tracing));
	int code = 0;

	if (!tracing)
		return control_fail(error, LUN_NO_MEMORY, "no memory for traces");
	*tracing = (struct tracing) { .live = live, .left = request->count, .on_line = on_line, .user = user };
	tracing->tap = (struct lun_live_tap) { .before = before, .after = after, .user = tracing };
	if (request->expression[0])
		code = lun_filter_new(&tracing->filter, request->expression, error);
	if (code < 0) {
		free(tracing);
		return code;
	}
	lun_live_tap(live, &tracing->tap);
	*result = tracing;
	return 0;
}

bool tracing_take(struct tracing *tracing, FILE *out)
{
	for (size_t i = 0; i < tracing->line_count; i++) {
		fprintf(out, "%s\n", tracing->lines[i]);
		free(tracing->lines[i]);
	}
	tracing->line_count = 0;
	return tracing->left == 0;
}

bool tracing_waits(const struct tracing *tracing)
{
	return tracing->line_count > 0 || tracing->left == 0;
}

void tracing_end(struct tracing *tracing)
{
	if (!tracing)
		return;
	lun_live_untap(tracing->live, &tracing->tap);
	for (size_t i = 0; i < tracing->line_count; i++)
		free(tracing->lines[i]);
	lun_filter_free(tracing->filter);
	free(tracing);
}
