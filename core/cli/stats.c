/* stats.c - `lunette stats`: the counters of a running agent. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
	"usage: lunette stats\n\n"
	"Prints the counters of a running agent: connections of each endpoint now, packets and what became of "
	"them.\n\n"
	"      --control PATH   the agent's socket; else that of the agent in this network namespace\n"
	"      --json           an object for each endpoint, then {\"summary\":...}\n"
	"  -h, --help\n\n"
	"  lunette stats --json\n";

struct arguments {
	const char *control;
	bool json, help;
};

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	*arguments = (struct arguments) { 0 };
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		if (option == 'c')
			arguments->control = optarg;
		arguments->json = arguments->json || option == 'j';
		arguments->help = arguments->help || option == 'h';
	}
	if (!arguments->help && optind < argc)
		return report_usage(argv[0], "unexpected argument %s", argv[optind]);
	return EXIT_DONE;
}

/* What a reason means, or "". */
static const char *sentence_of(const char *group, const char *name)
{
	for (int i = 0; strcmp(group, "reasons") == 0 && i < LUN_REASON_COUNT; i++)
		if (strcmp(lun_reason_name(i), name) == 0)
			return lun_reason_text(i);
	return "";
}

static void print_counter(const char *group, const cJSON *counter)
{
	const char *sentence = sentence_of(group, counter->string);

	printf("%-8s %-28s %.0f%s%s\n", group, counter->string, cJSON_GetNumberValue(counter), *sentence ? "  " : "",
	       sentence);
}

/* Each counter on a line; one of a group behind its group's name, a reason with its sentence:
 * "reasons  no_endpoint                  3  the service has no ready endpoint". */
static void print_counters(const char *group, const cJSON *counters)
{
	const cJSON *item;

	for (item = counters->child; item; item = item->next) {
		if (cJSON_IsObject(item))
			print_counters(item->string, item);
		else
			print_counter(group, item);
	}
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "-";
}

static void print_object(void *user, const cJSON *object)
{
	const cJSON *summary = cJSON_GetObjectItemCaseSensitive(object, "summary");

	(void)user;
	if (summary)
		print_counters("", summary);
	else
		printf("%-8s %-28s %.0f  %s\n", text_of(object, "protocol"), text_of(object, "endpoint"),
		       cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, "flows")), text_of(object, "service"));
}

int command_stats(int argc, char **argv)
{
	struct arguments arguments;
	int code = parse_arguments(&arguments, argc, argv);
	cJSON *request;

	if (code != EXIT_DONE || arguments.help) {
		if (code == EXIT_DONE)
			fputs(help, stdout);
		return code;
	}
	request = cJSON_CreateObject();
	json_text(request, "command", "stats");
	return client_ask(arguments.control, request, arguments.json, print_object, NULL);
}
