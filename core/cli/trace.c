/* trace.c - `lunette trace`: one packet explained.
 *
 * Each question gets an engine of its own, so that no answer depends on the questions before it. */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/policy.h"

#include <lunette/replay.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: lunette trace -p POLICY PROTOCOL SOURCE:PORT DESTINATION:PORT\n"
	"       lunette trace -p POLICY < QUERIES\n\n"
	"Explains what becomes of the packet that opens a connection (tcp: a SYN; udp; sctp: an INIT), step by step, with "
	"file and line "
	"of\n"
	"the policy.  Without a query on the command line they are read from standard input, one a line; blank lines and\n"
	"lines that begin with # are skipped.\n\n"
	"  -p, --policy FILE    the policy, a Lua script\n"
	"      --seed N         of random choices (0); the endpoints that were possible are listed anyhow\n"
	"      --json           one object for each query\n"
	"  -h, --help\n\n"
	"  lunette trace -p kind.lua tcp 192.168.31.9:40000 172.18.0.2:32329\n";

enum { OPTION_JSON = 256, OPTION_SEED, QUERY_SIZE = 256, PACKET_SIZE = 128, FIRST_CANDIDATES = 64, SHOWN_CANDIDATES = 8 };

static const uint64_t second = 1000000000;

struct arguments {
	const char *policy;
	char query[QUERY_SIZE]; /* empty: from standard input */
	bool json, help;
	struct lun_config config;
};

/* ---- Arguments -------------------------------------------------------------------------------------------------------- */

/* The words that are left, as one query. */
static int join_query(struct arguments *arguments, int argc, char **argv)
{
	size_t used = 0;

	for (int i = optind; i < argc; i++) {
		size_t length = strlen(argv[i]);

		if (used + length + 2 > sizeof(arguments->query))
			return report_usage(argv[0],
					    "the query is too long, expected PROTOCOL SOURCE:PORT DESTINATION:PORT");
		if (used)
			arguments->query[used++] = ' ';
		memcpy(arguments->query + used, argv[i], length + 1);
		used += length;
	}
	return EXIT_DONE;
}

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "seed", required_argument, NULL, OPTION_SEED },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	*arguments = (struct arguments) { .config = { .size = sizeof(arguments->config), .flows = 64 } };
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":p:h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		if (option == OPTION_SEED && !option_number(argv[0], "--seed", UINT64_MAX, &arguments->config.seed[0]))
			return EXIT_BAD_INPUT;
		if (option == 'p')
			arguments->policy = optarg;
		arguments->json = arguments->json || option == OPTION_JSON;
		arguments->help = arguments->help || option == 'h';
	}
	if (arguments->help)
		return EXIT_DONE;
	if (!arguments->policy)
		return report_usage(argv[0], "no policy, expected -p POLICY");
	return join_query(arguments, argc, argv);
}

/* ---- An answer -------------------------------------------------------------------------------------------------------- */

struct answer {
	const char *query;
	uint8_t data[PACKET_SIZE];
	struct lun_packet packet;
	struct lun_trace trace;
};

static const char *result_of(const struct answer *answer)
{
	if (answer->packet.verdict == LUN_ACCEPT && answer->trace.translated)
		return "dnat";
	return lun_verdict_name(answer->packet.verdict);
}

/* Why the packet was not simply let through, or NULL. */
static const char *reason_of(const struct answer *answer)
{
	if (answer->trace.reason[0])
		return answer->trace.reason;
	return answer->packet.reason != LUN_REASON_none ? lun_reason_text(answer->packet.reason) : NULL;
}

static cJSON *endpoints_array(const struct lun_trace *trace)
{
	cJSON *array = cJSON_CreateArray();
	char text[LUN_ADDRESS_TEXT];

	for (uint32_t i = 0; i < trace->candidate_count; i++) {
		cJSON *endpoint = cJSON_CreateObject();

		json_text(endpoint, "address",
			  lun_endpoint_format(&trace->candidates[i].address, trace->candidates[i].port, text));
		cJSON_AddNumberToObject(endpoint, "probability", trace->candidates[i].probability);
		cJSON_AddItemToArray(array, endpoint);
	}
	return array;
}

static cJSON *steps_array(const struct lun_trace *trace)
{
	cJSON *array = cJSON_CreateArray();

	for (uint32_t i = 0; i < trace->step_count; i++) {
		cJSON *step = cJSON_CreateObject();

		json_text(step, "stage", trace->steps[i].stage);
		json_text(step, "text", trace->steps[i].text);
		json_text(step, "at", trace->steps[i].at);
		cJSON_AddItemToArray(array, step);
	}
	return array;
}

static void print_json(const struct answer *answer)
{
	const struct lun_trace *trace = &answer->trace;
	cJSON *object = cJSON_CreateObject();

	json_text(object, "query", answer->query);
	json_text(object, "result", result_of(answer));
	json_text(object, "reason", reason_of(answer));
	json_text(object, "service", trace->service);
	json_text(object, "via", trace->via != LUN_VIA_none ? lun_via_name(trace->via) : NULL);
	cJSON_AddItemToObject(object, "endpoints", endpoints_array(trace));
	cJSON_AddBoolToObject(object, "masquerade", trace->masquerade);
	json_text(object, "masquerade_why", trace->masquerade_why);
	cJSON_AddItemToObject(object, "steps", steps_array(trace));
	json_line(stdout, object);
}

static void print_steps(const struct lun_trace *trace)
{
	int stage_width = 0, text_width = 0;

	for (uint32_t i = 0; i < trace->step_count; i++) {
		int stage = (int)strlen(trace->steps[i].stage), text = (int)strlen(trace->steps[i].text);

		stage_width = stage > stage_width ? stage : stage_width;
		if (trace->steps[i].at[0] && text > text_width)
			text_width = text;
	}
	for (uint32_t i = 0; i < trace->step_count; i++) {
		const struct lun_trace_step *step = &trace->steps[i];

		if (step->at[0])
			printf("  %-*s  %-*s  %s\n", stage_width, step->stage, text_width, step->text, step->at);
		else
			printf("  %-*s  %s\n", stage_width, step->stage, step->text);
	}
}

static void print_endpoints(const struct lun_trace *trace)
{
	uint32_t shown = trace->candidate_count < SHOWN_CANDIDATES ? trace->candidate_count : SHOWN_CANDIDATES;
	char text[LUN_ADDRESS_TEXT];

	if (trace->candidate_count < 2)
		return;
	printf("\n  each of these was possible\n");
	for (uint32_t i = 0; i < shown; i++)
		printf("    %5.1f %%  %s\n", trace->candidates[i].probability * 100,
		       lun_endpoint_format(&trace->candidates[i].address, trace->candidates[i].port, text));
	if (shown < trace->candidate_count)
		printf("             and %u more\n", trace->candidate_count - shown);
}

static void print_result(const struct answer *answer)
{
	char text[LUN_TUPLE_TEXT];
	const char *reason = reason_of(answer);

	printf("\n  => %s", result_of(answer));
	if (answer->packet.verdict == LUN_ACCEPT)
		printf("  %s", lun_tuple_format(&answer->packet.is, text));
	if (reason)
		printf(": %s", reason);
	printf("\n");
}

static void print_text(const struct answer *answer)
{
	static bool again;

	printf("%s%s\n\n", again ? "\n" : "", answer->query);
	print_steps(&answer->trace);
	print_result(answer);
	print_endpoints(&answer->trace);
	again = true;
}

/* ---- The command ------------------------------------------------------------------------------------------------------ */

struct trace_command {
	struct arguments arguments;
	struct lun_policy *policy;
	struct lun_candidate *candidates;
	uint32_t candidate_capacity;
};

/* Runs the packet of `query` through a fresh engine. */
static int run_query(struct trace_command *command, struct answer *answer, struct lun_error *error)
{
	struct lun_engine *engine = NULL;
	int result = lun_replay_query(answer->query, answer->data, sizeof(answer->data), &answer->packet, error);

	if (result == 0)
		result = lun_engine_new(&engine, &command->arguments.config, command->policy, error);
	if (result < 0)
		return result;
	answer->trace =
		(struct lun_trace) { .candidates = command->candidates, .candidate_capacity = command->candidate_capacity };
	answer->packet.trace = &answer->trace;
	lun_engine_packets(engine, &answer->packet, 1, second);
	lun_engine_free(engine);
	return 0;
}

/* Makes room for `count` candidates. */
static int reserve_candidates(struct trace_command *command, uint32_t count, struct lun_error *error)
{
	free(command->candidates);
	command->candidate_capacity = count;
	command->candidates = calloc(count, sizeof(*command->candidates));
	if (command->candidates)
		return 0;
	*error = (struct lun_error) { LUN_NO_MEMORY, "out of memory for the endpoints of a service" };
	return LUN_NO_MEMORY;
}

/* Answers one query.  One that has more endpoints than there was room for is run again: it is as if it never had been. */
static int answer_query(struct trace_command *command, const char *query, struct lun_error *error)
{
	struct answer answer = { .query = query };
	int result = run_query(command, &answer, error);

	if (result == 0 && answer.trace.candidate_count > command->candidate_capacity) {
		result = reserve_candidates(command, answer.trace.candidate_count, error);
		if (result == 0)
			result = run_query(command, &answer, error);
	}
	if (result < 0)
		return result;
	if (command->arguments.json)
		print_json(&answer);
	else
		print_text(&answer);
	return 0;
}

/* The line without blanks at either end. */
static char *trimmed(char *line)
{
	static const char blanks[] = " \t\r\n";
	size_t length;

	line += strspn(line, blanks);
	length = strlen(line);
	while (length > 0 && strchr(blanks, line[length - 1]))
		line[--length] = '\0';
	return line;
}

/* Answers each line that can be answered; the exit code is that of the last which could not. */
static int answer_lines(struct trace_command *command)
{
	char *line = NULL, *query;
	size_t size = 0;
	int result = EXIT_DONE;

	for (unsigned long number = 1; getline(&line, &size, stdin) >= 0; number++) {
		struct lun_error error, placed;

		query = trimmed(line);
		if (!*query || *query == '#' || answer_query(command, query, &error) == 0)
			continue;
		placed.code = error.code;
		snprintf(placed.text, sizeof(placed.text), "stdin:%lu: %.450s", number, error.text);
		result = report_error(&placed);
	}
	free(line);
	return result;
}

static int run_command(struct trace_command *command)
{
	struct lun_error error;

	if (reserve_candidates(command, FIRST_CANDIDATES, &error) < 0)
		return report_error(&error);
	if (!command->arguments.query[0])
		return answer_lines(command);
	if (answer_query(command, command->arguments.query, &error) < 0)
		return report_error(&error);
	return EXIT_DONE;
}

int command_trace(int argc, char **argv)
{
	struct trace_command command = { 0 };
	int result = parse_arguments(&command.arguments, argc, argv);

	if (result != EXIT_DONE)
		return result;
	if (command.arguments.help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	result = open_policy(&command.policy, command.arguments.policy);
	if (result != EXIT_DONE)
		return result;
	result = run_command(&command);
	lun_policy_unref(command.policy);
	free(command.candidates);
	return result;
}
