/* scenario.c - see scenario.h. */
#include "cli/scenario.h"

#include <lunette/lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { PACKET = 65536, MSS = 1400, WINDOW = 64240, FIRST_SEQUENCE = 1000 };

static const uint64_t second = 1000000000;

/* ---- the world ---- */

static void log_line(void *user, const char *line)
{
	const struct scenario *scenario = user;

	if (!scenario->loading)
		fprintf(stderr, "lunette: %s\n", line);
}

static int load(struct scenario *scenario, struct lun_policy **policy, const char *path, struct lun_error *error)
{
	const struct lun_lua_options options = {
		.size = sizeof(options), .log = log_line, .user = scenario, .kept = &scenario->kept
	};
	int code;

	scenario->loading = true;
	code = lun_lua_policy_load(policy, path, &options, error);
	scenario->loading = false;
	return code;
}

int scenario_init(struct scenario *scenario, const char *path, uint64_t seed, uint32_t flows, struct lun_error *error)
{
	struct lun_config config = { .size = sizeof(config), .flows = flows, .seed = { seed }, .captured = true };
	int code;

	*scenario = (struct scenario) { .now = second, .left.data = malloc(PACKET) };
	if (!scenario->left.data)
		abort(); /* as everywhere below: a test whose packets get lost would tell lies */
	code = load(scenario, &scenario->policy, path, error);
	if (code == 0)
		code = lun_engine_new(&scenario->engine, &config, scenario->policy, error);
	if (code < 0)
		scenario_fini(scenario);
	return code;
}

void scenario_fini(struct scenario *scenario)
{
	lun_engine_free(scenario->engine);
	lun_policy_unref(scenario->policy);
	lun_lua_kept_free(scenario->kept);
	free(scenario->left.data);
	golden_fini(&scenario->golden);
	*scenario = (struct scenario) { 0 };
}

/* Changes to a policy, whose reference it takes, made of `what`. */
static int change(struct scenario *scenario, struct lun_policy *policy, const char *what, struct lun_error *error)
{
	int code = lun_engine_set_policy(scenario->engine, policy);

	if (code < 0) {
		error->code = code;
		snprintf(error->text, sizeof(error->text), "%s: %s", what, lun_strerror(code));
		lun_policy_unref(policy);
		return code;
	}
	lun_policy_unref(scenario->policy);
	scenario->policy = policy;
	golden_line(&scenario->golden, "", "changes to %s", what);
	return 0;
}

int scenario_reload(struct scenario *scenario, const char *path, struct lun_error *error)
{
	struct lun_policy *policy;
	int code = load(scenario, &policy, path, error);
	const char *slash = strrchr(path, '/');

	return code < 0 ? code : change(scenario, policy, slash ? slash + 1 : path, error);
}

int scenario_set_endpoints(struct scenario *scenario, const struct lun_service *service, struct lun_error *error)
{
	struct lun_policy *policy;
	char what[LUN_NAME_SIZE + 40];
	int code = lun_policy_change(&policy, scenario->policy, service, 1, error);

	snprintf(what, sizeof(what), "%zu endpoints of %s", service->endpoint_count, service->name);
	return code < 0 ? code : change(scenario, policy, what, error);
}

/* ---- time and packets ---- */

/* The next packet that the engine sends of its own accord. */
static bool next_emitted(struct scenario *scenario, struct lun_event *event)
{
	char text[LUN_LINE_TEXT];

	while (lun_engine_next_event(scenario->engine, event)) {
		const struct lun_packet packet = { .data = (uint8_t *)(uintptr_t)event->data, .length = event->length };

		if (event->kind != LUN_EVENT_EMIT)
			continue;
		golden_line(&scenario->golden, "", "\temits, to the %s: %s",
			    event->side == LUN_SIDE_CLIENT ? "client" : "upstream", lun_packet_to_line(&packet, text));
		return true;
	}
	return false;
}

static void pass_time(struct scenario *scenario, uint64_t ns)
{
	struct lun_event event;

	scenario->now += ns;
	do {
		while (next_emitted(scenario, &event))
			continue; /* nobody waits for what is sent to time's end */
	} while (lun_engine_tick(scenario->engine, scenario->now) <= scenario->now);
}

void scenario_advance(struct scenario *scenario, uint64_t ns)
{
	golden_line(&scenario->golden, "", "+%gs", (double)ns / (double)second);
	pass_time(scenario, ns);
}

static void keep_outcome(struct outcome *outcome, const struct lun_packet *packet, const struct lun_trace *trace)
{
	outcome->packet = *packet;
	outcome->packet.data = NULL;
	outcome->packet.trace = NULL;
	memcpy(outcome->reason, trace->reason, sizeof(outcome->reason));
	memcpy(outcome->service, trace->service, sizeof(outcome->service));
	outcome->at[0] = '\0';
	for (uint32_t i = trace->step_count; i-- > 0 && !outcome->at[0];)
		memcpy(outcome->at, trace->steps[i].at, sizeof(outcome->at));
}

/* Keeps a packet that left, unless it is an ICMP error: there are none about these. */
static void keep_left(struct scenario *scenario, const struct lun_packet *packet)
{
	struct lun_packet_fields fields;
	struct lun_tuple tuple;

	if (packet->verdict != LUN_ACCEPT || lun_packet_read(packet->data, packet->length, &tuple, &fields) < 0)
		return;
	memcpy(scenario->left.data, packet->data, packet->length);
	scenario->left.length = packet->length;
}

/* Runs a packet, whose line is `line` if it has one already; `outcome` says what became of it. */
static void run_packet(struct scenario *scenario, struct lun_packet *packet, const char *line, struct outcome *outcome)
{
	static struct lun_trace trace;
	char text[LUN_LINE_TEXT], became[LUN_OUTCOME_TEXT];

	trace.step_count = 0;
	trace.reason[0] = trace.service[0] = '\0';
	packet->trace = &trace;
	golden_line(&scenario->golden, "", "%s", line ? line : lun_packet_to_line(packet, text));
	lun_engine_packets(scenario->engine, packet, 1, scenario->now);
	keep_outcome(outcome, packet, &trace);
	golden_line(&scenario->golden, outcome->at, "\t%s", lun_packet_outcome(packet, became));
	keep_left(scenario, packet);
}

int scenario_packet(struct scenario *scenario, const char *line, struct outcome *outcome, struct lun_error *error)
{
	static uint8_t data[PACKET];
	struct lun_packet packet = { .data = data, .capacity = sizeof(data) };
	struct lun_event event;
	uint64_t wait;
	int code = lun_packet_from_line(&packet, line, &scenario->left, &wait, error);

	if (code < 0)
		return code;
	pass_time(scenario, wait);
	run_packet(scenario, &packet, line, outcome);
	while (next_emitted(scenario, &event))
		continue; /* nobody waits for it */
	return 0;
}

static void on_frame(void *user, const struct lun_replay_frame *frame)
{
	struct scenario *scenario = user;
	char text[LUN_OUTCOME_TEXT];

	if (!frame->packet)
		return;
	golden_line(&scenario->golden, "", "%s", lun_tuple_format(&frame->packet->was, text));
	golden_line(&scenario->golden, "", "\t%s", lun_packet_outcome(frame->packet, text));
}

int scenario_replay(struct scenario *scenario, const char *path, struct lun_error *error)
{
	const struct lun_replay_options options = { .size = sizeof(options), .on_frame = on_frame, .user = scenario };
	struct lun_replay_summary summary;
	struct lun_stats stats;
	int code;

	lun_engine_stats(scenario->engine, &stats);
	if (scenario->now != second || stats.packets > 0) {
		snprintf(error->text, sizeof(error->text), "%s: expected before all packets and before time passes", path);
		return error->code = LUN_BAD_ARGUMENT;
	}
	code = lun_replay_run(scenario->engine, path, &options, &summary, error);
	if (code == 0 && summary.cut) {
		snprintf(error->text, sizeof(error->text), "%s: %s", path, summary.cut_text);
		code = error->code = LUN_BAD_FILE;
	}
	if (code == 0 && summary.frames > 0)
		scenario->now = summary.end_ns;
	return code;
}

/* ---- what reaches an end ---- */

static struct lun_tuple inverted(const struct lun_tuple *tuple)
{
	struct lun_tuple other = *tuple;

	other.source = tuple->destination;
	other.destination = tuple->source;
	other.source_port = tuple->destination_port;
	other.destination_port = tuple->source_port;
	return other;
}

static void keep_bytes(struct end *end, const uint8_t *bytes, size_t length)
{
	if (end->got_length + length > end->got_room) {
		end->got_room = 2 * (end->got_length + length);
		end->got = realloc(end->got, end->got_room);
		if (!end->got)
			abort();
	}
	if (length)
		memcpy(end->got + end->got_length, bytes, length);
	end->got_length += length;
}

/* In order, or not at all: nothing is lost here, so what comes early or again was the engine's doing or the test's. */
static void take_segment(struct end *end, const struct lun_packet_fields *fields)
{
	uint32_t known = end->expected - fields->sequence;

	if (fields->tcp_flags & RST) {
		end->reset = true;
		return;
	}
	if (fields->tcp_flags & SYN) {
		end->expected = fields->sequence + 1;
		return;
	}
	if ((int32_t)known < 0 || known > fields->payload_length)
		return;
	keep_bytes(end, fields->payload + known, fields->payload_length - known);
	end->expected = fields->sequence + fields->payload_length + !!(fields->tcp_flags & FIN);
}

static void deliver(struct conversation *conversation, enum lun_direction to, const uint8_t *data, uint32_t length)
{
	struct end *end = &conversation->ends[to];
	struct lun_packet_fields fields;
	struct lun_tuple tuple = { 0 };

	if (lun_packet_read(data, length, &tuple, &fields) < 0) {
		end->refused_by_icmp = end->refused_by_icmp || tuple.protocol != 0;
		return;
	}
	tuple = inverted(&tuple);
	tuple.tenant = conversation->ends[LUN_ORIG].tuple.tenant;
	if (to == LUN_REPLY && (!end->tuple.protocol || tuple.protocol != LUN_TCP || fields.tcp_flags == SYN))
		end->tuple = tuple; /* this is how it learns of it; another one may have had it before */
	if (memcmp(&tuple, &end->tuple, sizeof(tuple)) != 0)
		return;
	if (tuple.protocol == LUN_TCP)
		take_segment(end, &fields);
	else
		keep_bytes(end, fields.payload, fields.payload_length);
}

/* ---- what an end sends ---- */

/* Sends one packet, and delivers what comes of it; `outcome` says what that was.  Returns whether it went on its way. */
static bool transmit(struct conversation *conversation, const struct segment *segment, struct outcome *outcome)
{
	static uint8_t data[PACKET];
	const struct end *end = &conversation->ends[segment->from];
	const struct lun_packet_fields fields = { .tcp_flags = segment->flags,
						  .window = WINDOW,
						  .sequence = segment->sequence,
						  .acknowledgement = segment->flags & ACK ? end->expected : 0,
						  .payload = segment->payload,
						  .payload_length = segment->length };
	struct scenario *scenario = conversation->scenario;
	struct lun_packet packet = { .data = data, .capacity = sizeof(data), .tenant = end->tuple.tenant };
	struct lun_event event;

	if (lun_packet_build(&packet, &end->tuple, &fields) < 0)
		abort(); /* sizes and families were looked at before */
	run_packet(scenario, &packet, NULL, outcome);
	if (packet.verdict == LUN_ACCEPT)
		deliver(conversation, !segment->from, packet.data, packet.length);
	while (next_emitted(scenario, &event))
		deliver(conversation, event.side == LUN_SIDE_CLIENT ? LUN_ORIG : LUN_REPLY, event.data, event.length);
	return packet.verdict == LUN_ACCEPT || packet.verdict == LUN_STOLEN;
}

/* Sends a packet that the test has asked for. */
static bool send_segment(struct conversation *conversation, enum lun_direction from, uint8_t flags, const void *payload,
			 uint32_t length)
{
	struct segment *kept = &conversation->kept;
	struct end *end = &conversation->ends[from];

	free(kept->payload);
	*kept = (struct segment) { .from = from, .flags = flags, .sequence = end->next, .length = length };
	kept->payload = malloc(length + 1);
	if (!kept->payload)
		abort();
	if (length)
		memcpy(kept->payload, payload, length);
	end->next += length + !!(flags & SYN) + !!(flags & FIN);
	return transmit(conversation, kept, &conversation->last);
}

/* An end acknowledges what reached it since it expected byte `before`. */
static void acknowledge(struct conversation *conversation, enum lun_direction from, uint32_t before)
{
	const struct end *end = &conversation->ends[from];
	const struct segment segment = { .from = from, .flags = ACK, .sequence = end->next };
	struct outcome outcome;

	if (end->tuple.protocol == LUN_TCP && end->expected != before && !transmit(conversation, &segment, &outcome))
		conversation->last = outcome;
}

/* ---- conversations ---- */

void conversation_init(struct conversation *conversation, struct scenario *scenario, const struct lun_tuple *tuple)
{
	*conversation = (struct conversation) { .scenario = scenario };
	conversation->ends[LUN_ORIG].tuple = *tuple;
	for (int i = 0; i < 2; i++)
		conversation->ends[i].next = FIRST_SEQUENCE + (uint32_t)i * 4000;
}

void conversation_fini(struct conversation *conversation)
{
	free(conversation->kept.payload);
	free(conversation->ends[LUN_ORIG].got);
	free(conversation->ends[LUN_REPLY].got);
	*conversation = (struct conversation) { 0 };
}

void conversation_open(struct conversation *conversation, bool answered)
{
	struct end *client = &conversation->ends[LUN_ORIG], *server = &conversation->ends[LUN_REPLY];
	bool sent = send_segment(conversation, LUN_ORIG, SYN, NULL, 0);

	conversation->opening = conversation->last;
	if (!sent || !answered || !server->tuple.protocol || !send_segment(conversation, LUN_REPLY, SYN | ACK, NULL, 0) ||
	    client->expected != server->next)
		return;
	send_segment(conversation, LUN_ORIG, ACK, NULL, 0);
}

void conversation_send(struct conversation *conversation, enum lun_direction from, const void *bytes, size_t length)
{
	struct end *receiver = &conversation->ends[!from];
	bool tcp = conversation->ends[LUN_ORIG].tuple.protocol == LUN_TCP, first = conversation->opening.packet.length == 0;
	uint32_t before = receiver->expected;
	size_t done = 0;

	receiver->mark = receiver->got_length;
	do {
		size_t size = tcp && length - done > MSS ? MSS : length - done;

		if (!send_segment(conversation, from, PSH | ACK, (const char *)bytes + done, (uint32_t)size))
			break;
		done += size;
	} while (done < length);
	if (first)
		conversation->opening = conversation->last;
	acknowledge(conversation, !from, before);
}

void conversation_finish(struct conversation *conversation, enum lun_direction from)
{
	uint32_t before = conversation->ends[!from].expected;

	if (send_segment(conversation, from, FIN | ACK, NULL, 0))
		acknowledge(conversation, !from, before);
}

void conversation_reset(struct conversation *conversation, enum lun_direction from)
{
	send_segment(conversation, from, RST | ACK, NULL, 0);
}

void conversation_repeat(struct conversation *conversation)
{
	uint32_t before = conversation->ends[!conversation->kept.from].expected;

	if (transmit(conversation, &conversation->kept, &conversation->last))
		acknowledge(conversation, !conversation->kept.from, before);
}
