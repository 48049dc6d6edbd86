/* replay.c - `lunette replay`: a capture through a policy, as lines or as a summary. */
#include "cli/command.h"
#include "cli/journey.h"
#include "cli/json.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "cli/policy.h"
#include "cli/progress.h"

#include <inttypes.h>
#include <lunette/replay.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: lunette replay [-p POLICY] IN [-w OUT] [OPTION]...\n\n"
	"Runs the capture IN (pcap or pcapng; - is standard input) through the engine, on the capture's own clock, and\n"
	"reports.  Without a policy connections are tracked and packets left alone.\n\n"
	"  -p, --policy FILE    the policy, a Lua script\n"
	"  -w, --write FILE     write the capture as the packets left (- is standard output; the report goes to stderr)\n"
	"      --capture FILE   write packets as they came and as they left, on two interfaces of a pcapng file, with what "
	"was\n"
	"                       decided as their comments\n"
	"      --filter EXPR    which packets that file gets, in libpcap's language\n"
	"      --packets        a line for each packet of the capture\n"
	"      --flows          a line for each flow that is left at the end\n"
	"      --journey FILE   draw a flow's life into FILE, *.svg or *.html\n"
	"      --flow WHICH     the flow to draw: its number, or the first packet's ADDRESS or ADDRESS:PORT (1)\n"
	"      --json           one object a line, the summary last\n"
	"      --seed N         of random choices; the same seed gives the same result (0)\n"
	"      --flow-limit N   most flows at once (65536)\n"
	"      --no-pick-up     a TCP flow may begin only with a SYN\n"
	"      --verify         check checksums; a packet with a wrong one is invalid\n"
	"      --drop-invalid   drop invalid packets instead of leaving them alone\n"
	"  -h, --help\n";

enum { TIMED_FRAMES = 1000 /* fewer say more of fresh memory than of the engine */ };

enum option_code {
	OPTION_JSON = 256,
	OPTION_PACKETS,
	OPTION_FLOWS,
	OPTION_SEED,
	OPTION_FLOW_LIMIT,
	OPTION_CAPTURE,
	OPTION_FILTER,
	OPTION_JOURNEY,
	OPTION_FLOW
};

struct arguments {
	const char *in, *out, *policy, *journey, *flow;
	bool json, packets, flows, help;
	struct lun_config config;
	struct lun_recorder_config capture;
};

struct report {
	struct arguments arguments;
	FILE *stream;
	struct lun_engine *engine;
	struct numbers numbers;
	struct progress progress;
	struct journey journey;
	uint64_t verdicts[LUN_REJECT + 1];
	struct lun_replay_summary summary;
	struct lun_stats stats;
};

/* ---- Arguments -------------------------------------------------------------------------------------------------------- */

/* Takes one option that has a value or a long name; false if its value is wrong. */
static bool take_option(struct arguments *arguments, int option)
{
	uint64_t number = 0;

	switch (option) {
	case OPTION_JSON:
		arguments->json = true;
		return true;
	case OPTION_PACKETS:
		arguments->packets = true;
		return true;
	case OPTION_FLOWS:
		arguments->flows = true;
		return true;
	case OPTION_CAPTURE:
		arguments->capture.path = optarg;
		return true;
	case OPTION_FILTER:
		arguments->capture.filter = optarg;
		return true;
	case OPTION_SEED:
		return option_number("replay", "--seed", UINT64_MAX, &arguments->config.seed[0]);
	case OPTION_FLOW_LIMIT:
		if (!option_number("replay", "--flow-limit", UINT32_MAX, &number))
			return false;
		arguments->config.flows = (uint32_t)number;
		return true;
	case OPTION_JOURNEY:
		arguments->journey = optarg;
		return true;
	case OPTION_FLOW:
		arguments->flow = optarg;
		return true;
	case 'p':
		arguments->policy = optarg;
		return true;
	case 'w':
		arguments->out = optarg;
		return true;
	default:
		arguments->help = true;
		return true;
	}
}

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	int no_pick_up = 0, verify = 0, drop_invalid = 0, option;
	const struct option options[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "write", required_argument, NULL, 'w' },
		{ "capture", required_argument, NULL, OPTION_CAPTURE },
		{ "filter", required_argument, NULL, OPTION_FILTER },
		{ "packets", no_argument, NULL, OPTION_PACKETS },
		{ "flows", no_argument, NULL, OPTION_FLOWS },
		{ "journey", required_argument, NULL, OPTION_JOURNEY },
		{ "flow", required_argument, NULL, OPTION_FLOW },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "seed", required_argument, NULL, OPTION_SEED },
		{ "flow-limit", required_argument, NULL, OPTION_FLOW_LIMIT },
		{ "no-pick-up", no_argument, &no_pick_up, 1 },
		{ "verify", no_argument, &verify, 1 },
		{ "drop-invalid", no_argument, &drop_invalid, 1 },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};

	*arguments =
		(struct arguments) { .config.size = sizeof(arguments->config), .capture.size = sizeof(arguments->capture) };
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":p:w:h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		if (option != 0 && !take_option(arguments, option))
			return EXIT_BAD_INPUT;
	}
	arguments->config.no_pick_up = no_pick_up;
	arguments->config.verify = verify;
	arguments->config.captured = true;
	arguments->config.drop_invalid = drop_invalid;
	if (arguments->help)
		return EXIT_DONE;
	if (arguments->capture.filter && !arguments->capture.path)
		return report_usage(argv[0], "--filter is for --capture FILE");
	if (optind != argc - 1)
		return report_usage(argv[0],
				    optind == argc ? "no capture, expected IN" : "%s is one too many, expected one capture",
				    argv[optind == argc ? 0 : optind + 1]);
	arguments->in = argv[optind];
	if (arguments->flow && !arguments->journey)
		return report_usage(argv[0], "--flow is for --journey");
	if (arguments->journey && !journey_takes(arguments->journey))
		return report_usage(argv[0], "--journey %s: expected a name that ends in .svg or .html", arguments->journey);
	return EXIT_DONE;
}

/* ---- A line for a packet ---------------------------------------------------------------------------------------------- */

/* What became of a packet, in the three words of the report: a stolen one is accepted, whether its bytes went on in the same call, are
 * held for a later packet to bring them out, or were answered. */
static enum lun_verdict verdict_of(const struct lun_replay_frame *frame)
{
	if (frame->left || frame->packet->verdict == LUN_STOLEN)
		return LUN_ACCEPT;
	return frame->packet->verdict == LUN_REJECT ? LUN_REJECT : LUN_DROP;
}

/* A tuple as text, or NULL where there is none. */
static const char *tuple_text(const struct lun_tuple *tuple, bool present, char text[LUN_TUPLE_TEXT])
{
	return present && tuple->protocol ? lun_tuple_format(tuple, text) : NULL;
}

/* A packet's line before it is printed; NULL where there is nothing. */
struct line {
	uint64_t number, flow;
	const char *verdict, *reason, *ct, *direction, *state, *in, *out;
	const char *nothing; /* for a person, instead of `in` */
	char in_text[LUN_TUPLE_TEXT], out_text[LUN_TUPLE_TEXT];
};

static void line_fill(struct line *line, struct report *report, const struct lun_replay_frame *frame)
{
	const struct lun_packet *packet = frame->packet;

	*line = (struct line) { .number = frame->number,
				.verdict = lun_verdict_name(verdict_of(frame)),
				.ct = lun_ct_name(packet ? packet->ct : LUN_CT_UNTRACKED),
				.nothing = packet ? "cannot be read" : "not IP" };
	if (!packet)
		return;
	if (packet->reason != LUN_REASON_none)
		line->reason = lun_reason_name(packet->reason);
	line->in = tuple_text(&packet->was, true, line->in_text);
	line->out = tuple_text(&packet->is, frame->left, line->out_text);
	if (!packet->flow)
		return;
	line->flow = numbers_get(&report->numbers, packet->flow);
	line->direction = packet->direction == LUN_ORIG ? "orig" : "reply";
	line->state = lun_state_name(packet->state);
}

static void json_number(cJSON *object, const char *key, uint64_t number)
{
	if (number)
		cJSON_AddNumberToObject(object, key, (double)number);
	else
		cJSON_AddNullToObject(object, key);
}

static void print_packet_json(const struct report *report, const struct line *line)
{
	cJSON *object = cJSON_CreateObject();

	json_number(object, "n", line->number);
	json_text(object, "verdict", line->verdict);
	json_text(object, "reason", line->reason);
	json_text(object, "ct", line->ct);
	json_text(object, "dir", line->direction);
	json_number(object, "flow", line->flow);
	json_text(object, "state", line->state);
	json_text(object, "in", line->in);
	json_text(object, "out", line->out);
	json_line(report->stream, object);
}

static void print_packet(const struct report *report, const struct line *line)
{
	char flow[24] = "";

	if (line->flow)
		snprintf(flow, sizeof(flow), "#%" PRIu64, line->flow);
	fprintf(report->stream, "%6" PRIu64 "  %-6s  %-11s  %-5s  %6s  %-11s  %s", line->number, line->verdict, line->ct,
		line->direction ? line->direction : "", flow, line->state ? line->state : "",
		line->in ? line->in : line->nothing);
	if (line->in && line->out && strcmp(line->in, line->out) != 0)
		fprintf(report->stream, "  ->  %s", line->out);
	if (line->reason)
		fprintf(report->stream, "  (%s)", line->reason);
	fputc('\n', report->stream);
}

static void on_frame(void *user, const struct lun_replay_frame *frame)
{
	struct report *report = user;
	struct line line;

	report->verdicts[verdict_of(frame)]++;
	if (!report->arguments.packets && !report->arguments.flows && !report->arguments.journey)
		return;
	line_fill(&line, report, frame); /* also gives flows their numbers */
	if (report->arguments.journey)
		journey_frame(&report->journey, frame, line.flow);
	if (!report->arguments.packets)
		return;
	if (report->arguments.json)
		print_packet_json(report, &line);
	else
		print_packet(report, &line);
}

static void on_emission(void *user, const struct lun_replay_emission *emission)
{
	struct report *report = user;

	journey_emission(&report->journey, emission);
}

static void on_progress(void *user, const struct lun_replay_progress *at)
{
	struct report *report = user;

	progress_draw(&report->progress, at);
}

/* ---- A line for a flow that is left ----------------------------------------------------------------------------------- */

static void print_flow(const struct report *report, uint64_t number, const struct lun_flow *flow)
{
	char orig[LUN_TUPLE_TEXT], reply[LUN_TUPLE_TEXT];
	uint64_t expires_ms = flow->expires / 1000000;
	double expires_s = (double)expires_ms / 1000;
	cJSON *object;

	lun_tuple_format(&flow->orig, orig);
	lun_tuple_format(&flow->reply, reply);
	if (!report->arguments.json) {
		fprintf(report->stream, "  #%-5" PRIu64 "  %-11s  %10.3f s left  %s  reply %s\n", number,
			lun_state_name(flow->state), expires_s, orig, reply);
		return;
	}
	object = cJSON_CreateObject();
	json_number(object, "flow", number);
	json_text(object, "orig", orig);
	json_text(object, "reply", reply);
	json_text(object, "state", lun_state_name(flow->state));
	cJSON_AddNumberToObject(object, "expires_s", expires_s);
	json_line(report->stream, object);
}

struct numbered_flow {
	uint64_t number;
	struct lun_flow flow;
};

static int compare_numbers(const void *a, const void *b)
{
	const struct numbered_flow *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* In order of their numbers, which is not the order of the engine's table. */
static int print_flows(struct report *report)
{
	struct numbered_flow *flows = calloc(report->stats.flows + 1, sizeof(*flows));
	uint64_t cursor = 0, count = 0;

	if (!flows)
		return report_error(&(struct lun_error) { LUN_NO_MEMORY, "out of memory for the list of flows" });
	while (count < report->stats.flows && lun_flow_next(report->engine, &cursor, &flows[count].flow)) {
		flows[count].number = numbers_get(&report->numbers, flows[count].flow.id);
		count++;
	}
	qsort(flows, count, sizeof(*flows), compare_numbers);
	if (count && !report->arguments.json)
		fprintf(report->stream, "\n");
	for (uint64_t i = 0; i < count; i++)
		print_flow(report, flows[i].number, &flows[i].flow);
	free(flows);
	return EXIT_DONE;
}

/* ---- The summary ------------------------------------------------------------------------------------------------------ */

static double engine_ns_per_packet(const struct lun_replay_summary *summary)
{
	uint64_t packets = summary->frames - summary->not_ip;

	return packets ? (double)summary->engine_ns / (double)packets : 0;
}

static cJSON *reasons_object(const struct lun_stats *stats)
{
	cJSON *reasons = cJSON_CreateObject();

	for (int i = LUN_REASON_none + 1; i < LUN_REASON_COUNT; i++)
		if (stats->reasons[i])
			cJSON_AddNumberToObject(reasons, lun_reason_name(i), (double)stats->reasons[i]);
	return reasons;
}

static void print_summary_json(const struct report *report)
{
	const struct lun_replay_summary *summary = &report->summary;
	cJSON *line = cJSON_CreateObject(), *object = cJSON_AddObjectToObject(line, "summary");
	cJSON *verdicts, *flows;

	cJSON_AddNumberToObject(object, "frames", (double)summary->frames);
	cJSON_AddNumberToObject(object, "not_ip", (double)summary->not_ip);
	verdicts = cJSON_AddObjectToObject(object, "verdicts");
	for (int i = LUN_ACCEPT; i <= LUN_REJECT; i++)
		cJSON_AddNumberToObject(verdicts, lun_verdict_name(i), (double)report->verdicts[i]);
	cJSON_AddItemToObject(object, "reasons", reasons_object(&report->stats));
	flows = cJSON_AddObjectToObject(object, "flows");
	cJSON_AddNumberToObject(flows, "opened", (double)report->stats.flows_opened);
	cJSON_AddNumberToObject(flows, "ended", (double)report->stats.flows_ended);
	cJSON_AddNumberToObject(flows, "left", (double)report->stats.flows);
	cJSON_AddNumberToObject(object, "edits", (double)report->stats.edits);
	cJSON_AddNumberToObject(object, "emitted", (double)summary->emitted);
	cJSON_AddNumberToObject(object, "written", (double)summary->written);
	cJSON_AddNumberToObject(object, "capture_s", (double)summary->capture_ns / 1e9);
	cJSON_AddNumberToObject(object, "engine_ns_per_packet", (double)(uint64_t)engine_ns_per_packet(summary));
	json_text(object, "cut", summary->cut_text);
	json_line(report->stream, line);
}

static void print_count(FILE *stream, const char *name, uint64_t count, const char *rest)
{
	if (count)
		fprintf(stream, "  %-10s %10" PRIu64 "%s\n", name, count, rest);
}

static void print_summary(const struct report *report)
{
	const struct lun_replay_summary *summary = &report->summary;
	const struct lun_stats *stats = &report->stats;
	FILE *stream = report->stream;

	if ((report->arguments.packets && summary->frames) || (report->arguments.flows && stats->flows))
		fprintf(stream, "\n");
	fprintf(stream, "  %-10s %10" PRIu64 "  in %.6f s of capture\n", "frames", summary->frames,
		(double)summary->capture_ns / 1e9);
	print_count(stream, "not IP", summary->not_ip, "  copied");
	for (int i = LUN_ACCEPT; i <= LUN_REJECT; i++)
		print_count(stream, lun_verdict_name(i), report->verdicts[i], "");
	for (int i = LUN_REASON_none + 1; i < LUN_REASON_COUNT; i++)
		if (stats->reasons[i])
			fprintf(stream, "  %-10s %10" PRIu64 "  %s: %s\n", "reason", stats->reasons[i], lun_reason_name(i),
				lun_reason_text(i));
	fprintf(stream, "  %-10s %10" PRIu64 "  opened, %" PRIu64 " ended, %" PRIu64 " left\n", "flows", stats->flows_opened,
		stats->flows_ended, stats->flows);
	print_count(stream, "edits", stats->edits, "  of streams");
	print_count(stream, "emitted", summary->emitted, "  packets of the engine's own");
	print_count(stream, "written", summary->written, "  frames");
	if (summary->frames >= TIMED_FRAMES)
		fprintf(stream, "  %-10s %10.0f  ns a packet\n", "engine", engine_ns_per_packet(summary));
}

/* ---- The command ------------------------------------------------------------------------------------------------------ */

static int draw_journey(const struct report *report)
{
	const char *flow = report->arguments.flow;

	if (report->journey.count)
		return journey_draw(&report->journey, report->arguments.journey);
	fprintf(stderr, "lunette: %s: no packet of flow %s in it, so there is no journey to draw\n", report->arguments.in,
		flow ? flow : "1");
	return EXIT_BAD_INPUT;
}

static int finish_report(struct report *report)
{
	const struct lun_replay_summary *summary = &report->summary;
	const char *name = strcmp(report->arguments.in, "-") == 0 ? "standard input" : report->arguments.in;
	int result = EXIT_DONE;

	lun_engine_stats(report->engine, &report->stats);
	if (report->arguments.flows)
		result = print_flows(report);
	if (report->arguments.json)
		print_summary_json(report);
	else
		print_summary(report);
	if (report->arguments.journey && result == EXIT_DONE)
		result = draw_journey(report);
	if (!summary->cut)
		return result;
	fflush(report->stream);
	fprintf(stderr, "lunette: %s: %s; what came before was replayed\n", name, summary->cut_text);
	return EXIT_BAD_INPUT;
}

static int run_report(struct report *report)
{
	const char *out = report->arguments.out;
	struct lun_replay_options options = {
		.size = sizeof(options), .out = out, .on_frame = on_frame, .on_progress = on_progress, .user = report
	};
	struct lun_error error, record_error = { 0 };
	bool to_stdout = out && strcmp(out, "-") == 0;
	int result = 0;

	options.recorder_error = &record_error;
	if (report->arguments.capture.path)
		result = lun_recorder_open(&options.recorder, &report->arguments.capture, &error);
	if (result < 0)
		return report_error(&error);
	if (report->arguments.journey) {
		options.on_emission = on_emission;
		options.before = true;
		report->journey.engine = report->engine;
	}
	progress_init(&report->progress, to_stdout ? stdout : report->arguments.packets ? report->stream : NULL);
	result = lun_replay_run(report->engine, report->arguments.in, &options, &report->summary, &error);
	progress_clear(&report->progress);
	lun_recorder_close(options.recorder);
	if (result == 0 && record_error.code < 0) {
		error = record_error;
		result = error.code;
	}
	return result < 0 ? report_error(&error) : finish_report(report);
}

int command_replay(int argc, char **argv)
{
	struct report report = { 0 };
	struct arguments *arguments = &report.arguments;
	struct lun_policy *policy = NULL;
	struct lun_error error;
	int result = parse_arguments(arguments, argc, argv);

	if (result != EXIT_DONE)
		return result;
	if (arguments->help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	report.stream = arguments->out && strcmp(arguments->out, "-") == 0 ? stderr : stdout;
	if (arguments->journey && !journey_init(&report.journey, arguments->flow ? arguments->flow : "1"))
		return report_usage(argv[0], "--flow %s: expected a flow's number, ADDRESS or ADDRESS:PORT",
				    arguments->flow);
	if (arguments->policy)
		result = open_policy(&policy, arguments->policy);
	if (result != EXIT_DONE)
		return result;
	if (lun_engine_new(&report.engine, &arguments->config, policy, &error) < 0)
		result = report_error(&error);
	else
		result = run_report(&report);
	lun_engine_free(report.engine);
	numbers_fini(&report.numbers);
	lun_policy_unref(policy);
	return result;
}
