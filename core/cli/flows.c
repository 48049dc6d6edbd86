/* flows.c - `lunette flows`: the connections of a running agent, listed, filtered, ended. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"

#include <stdio.h>

static const char help[] =
	"usage: lunette flows [FILTER...] [--end]\n\n"
	"Lists the connections of a running agent: what the client sees, where it leads, the state in the kernel's table up "
	"to a\n"
	"second ago, and the seconds of silence after which it ends.\n\n"
	"      --protocol NAME        tcp, udp or sctp\n"
	"      --state NAME           ESTABLISHED, STREAM, ...\n"
	"      --service NAME         namespace/name, or namespace/name:port\n"
	"      --source PLACE         a prefix, an address, or ADDRESS:PORT, of the client;\n"
	"      --destination PLACE    of what it asked for;\n"
	"      --endpoint PLACE       of who serves it\n"
	"      --end                  ends them at once, in the kernel too; wants a filter (--source ::/0 is everybody)\n"
	"      --control PATH         the agent's socket; else that of the agent in this network namespace\n"
	"      --json                 an object for each, then {\"summary\":...}\n"
	"  -h, --help\n\n"
	"  lunette flows --service default/nginx --state ESTABLISHED\n"
	"  lunette flows --endpoint 10.244.0.5 --end\n";

/* Options that are filters have the names of the request's keys. */
static const struct option options[] = {
	{ "protocol", required_argument, NULL, 'f' },
	{ "state", required_argument, NULL, 'f' },
	{ "service", required_argument, NULL, 'f' },
	{ "source", required_argument, NULL, 'f' },
	{ "destination", required_argument, NULL, 'f' },
	{ "endpoint", required_argument, NULL, 'f' },
	{ "end", no_argument, NULL, 'e' },
	{ "control", required_argument, NULL, 'c' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct arguments {
	const char *control;
	cJSON *filter;
	bool end, json, help;
};

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	int option, index;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, &index)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		if (option == 'f') {
			cJSON_DeleteItemFromObject(arguments->filter, options[index].name); /* the last one counts */
			cJSON_AddStringToObject(arguments->filter, options[index].name, optarg);
		}
		if (option == 'c')
			arguments->control = optarg;
		arguments->end = arguments->end || option == 'e';
		arguments->json = arguments->json || option == 'j';
		arguments->help = arguments->help || option == 'h';
	}
	if (!arguments->help && optind < argc)
		return report_usage(argv[0], "unexpected argument %s", argv[optind]);
	if (!arguments->help && arguments->end && !arguments->filter->child)
		return report_usage(argv[0], "--end wants a filter, for instance --source ::/0 for all");
	return EXIT_DONE;
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "-";
}

/* "tcp 10.1.1.1:40000 10.96.0.10:80 -> 10.244.0.5:8080  ESTABLISHED  119 s  default/nginx:http, masqueraded" */
static void print_flow(const cJSON *object)
{
	char endpoint[LUN_ADDRESS_TEXT] = "?";

	if (cJSON_HasObjectItem(object, "summary"))
		return;
	sscanf(text_of(object, "reply"), "%*s %47s", endpoint);
	printf("%s -> %s  %s  %.0f s  %s%s\n", text_of(object, "orig"), endpoint, text_of(object, "state"),
	       cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, "expires_s")), text_of(object, "service"),
	       cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "masquerade")) ? ", masqueraded" : "");
}

int command_flows(int argc, char **argv)
{
	struct arguments arguments = { .filter = cJSON_CreateObject() };
	int code = parse_arguments(&arguments, argc, argv);
	cJSON *request;

	if (code != EXIT_DONE || arguments.help) {
		cJSON_Delete(arguments.filter);
		if (code == EXIT_DONE)
			fputs(help, stdout);
		return code;
	}
	request = cJSON_CreateObject();
	json_text(request, "command", "flows");
	cJSON_AddItemToObject(request, "filter", arguments.filter);
	cJSON_AddBoolToObject(request, "end", arguments.end);
	return client_ask(arguments.control, request, arguments.json, print_flow);
}
