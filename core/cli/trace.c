/* trace.c - `lunette trace`: one packet explained.
 *
 * Each question gets an engine of its own, so that no answer depends on the questions before it. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/policy.h"

#include <lunette/replay.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: lunette trace -p POLICY PROTOCOL SOURCE:PORT DESTINATION:PORT\n"
	"       lunette trace -p POLICY < QUERIES\n"
	"       lunette trace --live [--filter EXPR] [--count N]\n\n"
	"Explains what becomes of the packet that opens a connection (tcp: a SYN; udp; sctp: an INIT), step by step, with "
	"file and line "
	"of\n"
	"the policy.  Without a query on the command line they are read from standard input, one a line; blank lines and\n"
	"lines that begin with # are skipped.  With --live, explains the next packets that come to a running agent: every\n"
	"packet inline, else those that open connections.\n\n"
	"  -p, --policy FILE    the policy, a Lua script\n"
	"      --seed N         of random choices (0); the endpoints that were possible are listed anyhow\n"
	"      --live           of the agent in this network namespace\n"
	"      --filter EXPR    which of its packets, in libpcap's language\n"
	"      --count N        how many, up to 1000 (1)\n"
	"      --control PATH   the agent's socket, with --live\n"
	"      --json           one object for each query, or packet\n"
	"  -h, --help\n\n"
	"  lunette trace -p kind.lua tcp 192.168.31.9:40000 172.18.0.2:32329\n"
	"  lunette trace --live --filter 'tcp dst port 80 and src net 10.9.0.0/16' --count 5\n";

enum { OPTION_JSON = 256, OPTION_SEED, OPTION_LIVE, OPTION_FILTER, OPTION_COUNT, OPTION_CONTROL };
enum { COUNT_MOST = 1000, QUERY_SIZE = 256, PACKET_SIZE = 128, FIRST_CANDIDATES = 64, SHOWN_CANDIDATES = 8 };

static const uint64_t second = 1000000000;

struct arguments {
	const char *policy;
	char query[QUERY_SIZE]; /* empty: from standard input */
	bool json, help, live;
	const char *filter, *control; /* of a running agent */
	uint64_t count;
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

/* What is wrong with them as a whole. */
static int check_arguments(struct arguments *arguments, int argc, char **argv)
{
	if (!arguments->live && (arguments->filter || arguments->control || arguments->count))
		return report_usage(argv[0], "--filter, --count and --control are for --live");
	if (!arguments->live && !arguments->policy)
		return report_usage(argv[0], "no policy, expected -p POLICY");
	if (arguments->live && (arguments->policy || optind < argc))
		return report_usage(argv[0], "--live asks a running agent, which has its policy and its packets");
	if (arguments->live && !arguments->count)
		arguments->count = 1;
	return join_query(arguments, argc, argv);
}

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "seed", required_argument, NULL, OPTION_SEED },
		{ "live", no_argument, NULL, OPTION_LIVE },
		{ "filter", required_argument, NULL, OPTION_FILTER },
		{ "count", required_argument, NULL, OPTION_COUNT },
		{ "control", required_argument, NULL, OPTION_CONTROL },
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
		if (option == OPTION_COUNT && !option_number(argv[0], "--count", COUNT_MOST, &arguments->count))
			return EXIT_BAD_INPUT;
		if (option == OPTION_FILTER)
			arguments->filter = optarg;
		if (option == OPTION_CONTROL)
			arguments->control = optarg;
		if (option == 'p')
			arguments->policy = optarg;
		arguments->live = arguments->live || option == OPTION_LIVE;
		arguments->json = arguments->json || option == OPTION_JSON;
		arguments->help = arguments->help || option == 'h';
	}
	return arguments->help ? EXIT_DONE : check_arguments(arguments, argc, argv);
}

/* ---- An answer, as JSON has it ---------------------------------------------------------------------------------------- */

static const char *text_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key)); /* or NULL */
}

static int width_of(const char *text)
{
	return text ? (int)strlen(text) : 0;
}

static void print_steps(const cJSON *steps)
{
	int stage_width = 0, text_width = 0;
	const cJSON *step;

	cJSON_ArrayForEach(step, steps)
	{
		int stage = width_of(text_of(step, "stage")), text = width_of(text_of(step, "text"));

		stage_width = stage > stage_width ? stage : stage_width;
		if (text_of(step, "at") && text > text_width)
			text_width = text;
	}
	cJSON_ArrayForEach(step, steps)
	{
		const char *stage = text_of(step, "stage"), *text = text_of(step, "text"), *at = text_of(step, "at");

		if (at)
			printf("  %-*s  %-*s  %s\n", stage_width, stage ? stage : "", text_width, text ? text : "", at);
		else
			printf("  %-*s  %s\n", stage_width, stage ? stage : "", text ? text : "");
	}
}

static void print_endpoints(const cJSON *answer)
{
	double count = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(answer, "endpoint_count"));
	const cJSON *endpoint;
	int shown = 0;

	if (!(count >= 2))
		return;
	printf("\n  each of these was possible\n");
	cJSON_ArrayForEach(endpoint, cJSON_GetObjectItemCaseSensitive(answer, "endpoints"))
	{
		const char *address = text_of(endpoint, "address");

		if (shown++ == SHOWN_CANDIDATES)
			break;
		printf("    %5.1f %%  %s\n",
		       cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(endpoint, "probability")) * 100,
		       address ? address : "");
	}
	if (count > SHOWN_CANDIDATES)
		printf("             and %.0f more\n", count - SHOWN_CANDIDATES);
}

static void print_text(void *user, const cJSON *answer)
{
	const char *query = text_of(answer, "query"), *result = text_of(answer, "result"), *out = text_of(answer, "out");
	const char *reason = text_of(answer, "reason"), *sees = text_of(answer, "client_sees");
	const char *why = text_of(answer, "client_sees_why");
	static bool again;

	(void)user;
	if (!query || !result)
		return; /* the summary of a running agent */
	printf("%s%s\n\n", again ? "\n" : "", query);
	print_steps(cJSON_GetObjectItemCaseSensitive(answer, "steps"));
	printf("\n  => %s", result);
	if (out)
		printf("  %s", out);
	if (reason)
		printf(": %s", reason);
	printf("\n");
	if (sees && why)
		printf("  the client sees: %s (%s)\n", sees, why);
	print_endpoints(answer);
	again = true;
}

/* Prints what the engine said of a packet. */
static int print_answer(const struct lun_packet *packet, const char *query, bool json, struct lun_error *error)
{
	char *line = lun_trace_json(packet, query);
	cJSON *answer = line ? cJSON_Parse(line) : NULL;

	if (!answer)
		*error = (struct lun_error) { LUN_NO_MEMORY, "out of memory for an answer" };
	else if (json)
		puts(line);
	else
		print_text(NULL, answer);
	cJSON_Delete(answer);
	free(line);
	return answer ? 0 : LUN_NO_MEMORY;
}

/* ---- Of a running agent ---------------------------------------------------------------------------------------------- */

/* Says what is wrong with a filter here, where looking up a name holds up nobody's packets. */
static int check_filter(const char *text)
{
	struct lun_filter *filter = NULL;
	struct lun_error error;

	if (text && lun_filter_new(&filter, text, &error) < 0)
		return report_error(&error);
	lun_filter_free(filter);
	return EXIT_DONE;
}

static int trace_live(const struct arguments *arguments)
{
	cJSON *request;

	if (check_filter(arguments->filter) != EXIT_DONE)
		return EXIT_BAD_INPUT;
	request = cJSON_CreateObject();
	json_text(request, "command", "trace");
	if (arguments->filter)
		json_text(request, "expression", arguments->filter);
	cJSON_AddNumberToObject(request, "count", (double)arguments->count);
	setvbuf(stdout, NULL, _IOLBF, 0); /* each as soon as it comes */
	return client_wait(arguments->control, request, arguments->json, print_text, NULL);
}

/* ---- The command ------------------------------------------------------------------------------------------------------ */

struct trace_command {
	struct arguments arguments;
	struct lun_policy *policy;
	struct lun_candidate *candidates;
	uint32_t candidate_capacity;
};

struct answer {
	const char *query;
	uint8_t data[PACKET_SIZE];
	struct lun_packet packet;
	struct lun_trace trace;
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
	return print_answer(&answer.packet, query, command->arguments.json, error);
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
	if (command.arguments.live)
		return trace_live(&command.arguments);
	result = open_policy(&command.policy, command.arguments.policy);
	if (result != EXIT_DONE)
		return result;
	result = run_command(&command);
	lun_policy_unref(command.policy);
	free(command.candidates);
	return result;
}
