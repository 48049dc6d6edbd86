/* http.c - `lunette http`: what the upstream would get of the bytes on standard input.
 *
 * Bytes go out as soon as they may, so what stands on standard output when the command refuses is what an upstream would have
 * got by then: complete heads, edited, and bodies up to the byte that is wrong. */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: lunette http -p POLICY --service NAME < BYTES\n\n"
	"Reads what a client sends on one connection to a service, and writes what its upstream would get.  What is "
	"refused\n"
	"ends with exit status 2 and a reason; what had gone on before that is written.  A head that is not complete when "
	"the\n"
	"input ends, and what follows a request for another protocol (Upgrade), is kept back: exit status 0, and a note.\n\n"
	"  -p, --policy FILE     the policy, a Lua script\n"
	"      --service NAME    \"namespace/name\", or with \":port\" behind it, a name or number; else the first TCP "
	"port\n"
	"      --from IP:PORT    the client (192.0.2.1:40000)\n"
	"      --split N         the bytes come N at a time; the answer is the same for each N\n"
	"      --responses       the bytes are the upstream's, and what is written is what the client would get\n"
	"      --to-head         of responses: all are to HEAD\n"
	"      --answer STATUS   what the upstream answers to a request for another protocol, such as 101\n"
	"      --seed N          of request ids (0)\n"
	"      --json            one object on standard error\n"
	"  -h, --help\n\n"
	"  printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' | lunette http -p kind.lua --service default/nginx\n";

enum {
	OPTION_JSON = 256,
	OPTION_SEED,
	OPTION_SERVICE,
	OPTION_FROM,
	OPTION_SPLIT,
	OPTION_ANSWER,
	OPTION_RESPONSES,
	OPTION_TO_HEAD,
	READ_SIZE = 1 << 16
};

struct arguments {
	const char *policy;
	bool json, help;
	uint64_t split, answer;
	struct lun_http_config config;
};

/* The run so far. */
struct run {
	const struct arguments *arguments;
	cJSON *injected_at; /* with --json, else NULL */
	bool failed;        /* standard output did */
};

static bool parse_from(const char *command, struct lun_http_config *config)
{
	if (lun_endpoint_parse(&config->source, &config->source_port, optarg) == 0 && config->source_port)
		return true;
	report_usage(command, "--from %.60s: expected 192.0.2.1:40000 or [2001:db8::1]:40000", optarg);
	return false;
}

/* Reads one option; false, with a message, if its value is wrong. */
static bool parse_option(struct arguments *arguments, const char *command, int option)
{
	switch (option) {
	case 'p':
		arguments->policy = optarg;
		break;
	case 'h':
		arguments->help = true;
		break;
	case OPTION_JSON:
		arguments->json = true;
		break;
	case OPTION_SERVICE:
		arguments->config.service = optarg;
		break;
	case OPTION_FROM:
		return parse_from(command, &arguments->config);
	case OPTION_RESPONSES:
		arguments->config.responses = true;
		break;
	case OPTION_TO_HEAD:
		arguments->config.to_head = true;
		break;
	case OPTION_SEED:
		return option_number(command, "--seed", UINT64_MAX, &arguments->config.seed[0]);
	case OPTION_ANSWER:
		if (!option_number(command, "--answer", 999, &arguments->answer))
			return false;
		if (arguments->answer < 100) {
			report_usage(command, "--answer %s: expected a status from 100 to 999", optarg);
			return false;
		}
		break;
	case OPTION_SPLIT:
		return option_number(command, "--split", UINT32_MAX, &arguments->split);
	}
	return true;
}

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "service", required_argument, NULL, OPTION_SERVICE },
		{ "from", required_argument, NULL, OPTION_FROM },
		{ "split", required_argument, NULL, OPTION_SPLIT },
		{ "answer", required_argument, NULL, OPTION_ANSWER },
		{ "responses", no_argument, NULL, OPTION_RESPONSES },
		{ "to-head", no_argument, NULL, OPTION_TO_HEAD },
		{ "seed", required_argument, NULL, OPTION_SEED },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	*arguments = (struct arguments) { .config = { .size = sizeof(arguments->config), .source_port = 40000 } };
	lun_address_parse(&arguments->config.source, "192.0.2.1");
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":p:h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		if (!parse_option(arguments, argv[0], option))
			return EXIT_BAD_INPUT;
	}
	if (arguments->help)
		return EXIT_DONE;
	if (optind < argc)
		return report_usage(argv[0], "unexpected argument %s", argv[optind]);
	if (!arguments->policy)
		return report_usage(argv[0], "no policy, expected -p POLICY");
	if (!arguments->config.service)
		return report_usage(argv[0], "no service, expected --service NAME");
	return EXIT_DONE;
}

/* ---- The run ---------------------------------------------------------------------------------------------------------- */

static void write_piece(void *user, const struct lun_http_piece *piece)
{
	struct run *run = user;

	if (fwrite(piece->data, 1, piece->length, stdout) != piece->length)
		run->failed = true;
	if (run->injected_at && piece->injected_at)
		cJSON_AddItemToArray(run->injected_at, cJSON_CreateNumber((double)piece->injected_at));
}

/* Feeds some bytes, as many at a time as was asked for, and came. */
static void feed(struct lun_http *http, const struct arguments *arguments, const uint8_t *bytes, size_t length)
{
	size_t part = arguments->split && arguments->split < length ? arguments->split : length;

	for (size_t at = 0; at < length; at += part)
		lun_http_feed(http, bytes + at, length - at < part ? length - at : part);
}

/* Feeds standard input; an exit code. */
static int feed_input(struct lun_http *http, struct run *run)
{
	static uint8_t bytes[READ_SIZE];
	ssize_t length;

	do {
		length = read(STDIN_FILENO, bytes, sizeof(bytes));
		if (length > 0)
			feed(http, run->arguments, bytes, (size_t)length);
	} while ((length > 0 && !run->failed) || (length < 0 && errno == EINTR));
	if (length >= 0)
		return EXIT_DONE;
	fprintf(stderr, "lunette: standard input: %s\n", strerror(errno));
	return EXIT_SYSTEM_REFUSED;
}

static void print_json(const struct lun_http_status *status, cJSON *injected_at)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddBoolToObject(object, "refused", status->refused);
	if (status->reason != LUN_REASON_none)
		cJSON_AddNumberToObject(object, "offset", (double)status->offset);
	else
		cJSON_AddNullToObject(object, "offset");
	json_text(object, "reason", status->text);
	cJSON_AddNumberToObject(object, "requests", (double)status->requests);
	cJSON_AddItemToObject(object, "injected_at", injected_at);
	json_line(stderr, object);
}

/* Says how it ended; an exit code. */
static int report(const struct lun_http *http, struct run *run)
{
	struct lun_http_status status;

	lun_http_status(http, &status);
	fflush(stdout);
	if (run->injected_at)
		print_json(&status, run->injected_at);
	else if (status.reason != LUN_REASON_none)
		fprintf(stderr, "lunette: %s at byte %llu: %s (%s)\n", status.refused ? "refused" : "kept back",
			(unsigned long long)status.offset, status.text, lun_reason_name(status.reason));
	return status.refused ? EXIT_BAD_INPUT : EXIT_DONE;
}

static int run_command(struct arguments *arguments)
{
	struct run run = { .arguments = arguments };
	struct lun_http *http;
	struct lun_error error;
	int result;

	arguments->config.write = write_piece;
	arguments->config.user = &run;
	if (lun_http_new(&http, &arguments->config, &error) < 0)
		return report_error(&error);
	if (arguments->json)
		run.injected_at = cJSON_CreateArray();
	if (arguments->answer)
		lun_http_answer(http, (unsigned)arguments->answer);
	result = feed_input(http, &run);
	if (result == EXIT_DONE)
		result = report(http, &run);
	else
		cJSON_Delete(run.injected_at);
	lun_http_free(http);
	return result;
}

int command_http(int argc, char **argv)
{
	struct arguments arguments;
	int result = parse_arguments(&arguments, argc, argv);

	if (result != EXIT_DONE)
		return result;
	if (arguments.help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	result = (arguments.json ? open_policy_quietly : open_policy)(&arguments.config.policy, arguments.policy);
	if (result != EXIT_DONE)
		return result;
	result = run_command(&arguments);
	lun_policy_unref(arguments.config.policy);
	return result;
}
