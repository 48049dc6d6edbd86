/* test.c - `lunette test`: scenarios run, and how they ended, for a person, for TAP, or as JSON. */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/suite.h"

#include <string.h>

static const char help[] = "usage: lunette test [--filter TEXT] [--update] [--tap | --json] FILE...\n\n"
			   "Runs the scenarios of each file against the policies that they name, each in an engine of its "
			   "own, without the kernel.\n"
			   "What a file may say: README.md, \"Testing a policy\".\n\n"
			   "      --filter TEXT    only scenarios whose name contains it\n"
			   "      --update         records anew what golden files hold that is no longer so\n"
			   "      --tap            as the Test Anything Protocol, version 14\n"
			   "      --json           one object for each scenario, and a summary\n"
			   "  -h, --help\n\n"
			   "Exit status: 1 if a scenario failed, 2 if a file or an argument is wrong.\n";

enum { OPTION_FILTER = 256, OPTION_UPDATE, OPTION_TAP, OPTION_JSON };

struct run {
	struct suite_options options;
	bool tap, json, help;
	size_t count, failed; /* of all files */
};

static int parse_arguments(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "filter", required_argument, NULL, OPTION_FILTER },
		{ "update", no_argument, NULL, OPTION_UPDATE },
		{ "tap", no_argument, NULL, OPTION_TAP },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		if (option == OPTION_FILTER)
			run->options.filter = optarg;
		run->options.update = run->options.update || option == OPTION_UPDATE;
		run->tap = run->tap || option == OPTION_TAP;
		run->json = run->json || option == OPTION_JSON;
		run->help = run->help || option == 'h';
	}
	if (run->help)
		return EXIT_DONE;
	if (run->tap && run->json)
		return report_usage(argv[0], "--tap and --json, expected one of them");
	if (optind == argc)
		return report_usage(argv[0], "no file, expected FILE...");
	return EXIT_DONE;
}

/* Prints each line of the message behind `indent`. */
static void print_indented(const char *message, const char *indent)
{
	for (const char *line = message; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		printf("%s%.*s\n", indent, (int)strcspn(line, "\n"), line);
}

static void print_json(const struct suite_result *result)
{
	cJSON *object = cJSON_CreateObject();

	json_text(object, "scenario", result->name);
	json_text(object, "at", result->at);
	cJSON_AddBoolToObject(object, "passed", !result->message);
	json_text(object, "message", result->message);
	json_line(stdout, object);
}

/* TAP takes a # in a description for the beginning of a directive. */
static void print_tap(const struct suite_result *result, size_t number)
{
	printf("%s %zu - ", result->message ? "not ok" : "ok", number);
	for (const char *at = result->name; *at; at++)
		printf(*at == '#' || *at == '\\' ? "\\%c" : "%c", *at);
	printf("\n");
	if (result->message) {
		printf("  ---\n  at: %s\n  message: |\n", result->at);
		print_indented(result->message, "    ");
		printf("  ...\n");
	}
}

static void on_result(void *user, const struct suite_result *result)
{
	struct run *run = user;

	run->count++;
	run->failed += result->message != NULL;
	if (run->json) {
		print_json(result);
	} else if (run->tap) {
		print_tap(result, run->count);
	} else {
		printf("%s  %s\n", result->message ? "FAILED" : "ok    ", result->name);
		if (result->message)
			print_indented(result->message, "        ");
	}
}

static void print_summary(const struct run *run)
{
	if (run->json) {
		cJSON *object = cJSON_CreateObject(), *summary = cJSON_AddObjectToObject(object, "summary");

		cJSON_AddNumberToObject(summary, "scenarios", (double)run->count);
		cJSON_AddNumberToObject(summary, "failed", (double)run->failed);
		json_line(stdout, object);
	} else if (run->tap) {
		printf("1..%zu\n", run->count);
	} else {
		printf("\n%zu scenario%s, %zu failed\n", run->count, run->count == 1 ? "" : "s", run->failed);
	}
}

int command_test(int argc, char **argv)
{
	struct run run = { 0 };
	const struct suite_listener listener = { .result = on_result, .user = &run };
	int result = parse_arguments(&run, argc, argv);
	struct lun_error error;

	if (run.help)
		fputs(help, stdout);
	if (result != EXIT_DONE || run.help)
		return result;
	if (run.tap)
		printf("TAP version 14\n");
	for (int i = optind; i < argc; i++)
		if (suite_run(argv[i], &run.options, &listener, &error) < 0)
			result = report_error(&error);
	print_summary(&run);
	if (result != EXIT_DONE)
		return result;
	if (run.count == 0)
		return report_usage(argv[0],
				    run.options.filter ? "no scenario's name contains \"%s\"" : "there is no scenario",
				    run.options.filter);
	return run.failed ? EXIT_CHECK_FAILED : EXIT_DONE;
}
