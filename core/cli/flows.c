/* flows.c - `lunette flows`: the connections of a running agent, listed, filtered, ended. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/flow_rows.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: lunette flows [FILTER...] [OPTION]...\n\n"
	"Lists the connections of a running agent: what the client sees, where it leads, the state in the kernel's table up "
	"to a\n"
	"second ago, and the seconds of silence after which it ends.  FILTER is in libpcap's language, over the packet "
	"that\n"
	"opened a connection as its client sent it, with terms of our own: state NAME, service NAME, endpoint PLACE, age "
	"SECONDS\n"
	"(at least).  The options from --protocol to --age say the same; all must fit.\n\n"
	"      --protocol NAME        tcp, udp or sctp\n"
	"      --state NAME           ESTABLISHED, STREAM, ...\n"
	"      --service NAME         namespace/name, or namespace/name:port\n"
	"      --source PLACE         a prefix, an address, or ADDRESS:PORT, of the client;\n"
	"      --destination PLACE    of what it asked for;\n"
	"      --endpoint PLACE       of who serves it\n"
	"      --age SECONDS          at least so old\n"
	"      --sort KEY             age, expires, bytes or packets, the most first; protocol, source, destination, "
	"endpoint,\n"
	"                             state or service\n"
	"      --count-by KEY         how many there are of each service, endpoint, source (address), state or protocol\n"
	"      --csv                  a line of names, then a line for each\n"
	"      --follow               those that opened or ended, looked for each second, until interrupted\n"
	"      --end                  ends them at once, in the kernel too; wants a filter (--source ::/0 is everybody)\n"
	"      --control PATH         the agent's socket; else that of the agent in this network namespace\n"
	"      --json                 an object for each, then {\"summary\":...}\n"
	"  -h, --help\n\n"
	"  lunette flows 'tcp and src net 10.9.0.0/16 and (state ESTABLISHED or age 60) and not endpoint 10.244.0.5'\n"
	"  lunette flows --service default/nginx --state ESTABLISHED\n"
	"  lunette flows --count-by source --state ESTABLISHED\n"
	"  lunette flows --endpoint 10.244.0.5 --end\n";

/* Options that are filters have the names of the request's keys. */
static const struct option options[] = {
	{ "protocol", required_argument, NULL, 'f' },
	{ "state", required_argument, NULL, 'f' },
	{ "service", required_argument, NULL, 'f' },
	{ "source", required_argument, NULL, 'f' },
	{ "destination", required_argument, NULL, 'f' },
	{ "endpoint", required_argument, NULL, 'f' },
	{ "age", required_argument, NULL, 'f' },
	{ "sort", required_argument, NULL, 's' },
	{ "count-by", required_argument, NULL, 'b' },
	{ "csv", no_argument, NULL, 'v' },
	{ "follow", no_argument, NULL, 'F' },
	{ "end", no_argument, NULL, 'e' },
	{ "control", required_argument, NULL, 'c' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct arguments {
	const char *control, *sort, *count_by;
	char expression[1024];
	cJSON *filter;
	bool end, csv, follow, json, help;
};

/* Says so if `value`, of an option, is none of `names`. */
static int check_name(const char *option, const char *value, const char *const *names)
{
	const char *const *name = names;

	while (value && *name && strcmp(*name, value) != 0)
		name++;
	return !value || *name ? EXIT_DONE : report_usage("flows", "%s %s: not one of its keys", option, value);
}

/* What does not go together. */
static int check_arguments(const struct arguments *arguments)
{
	int ways = arguments->json + arguments->csv + arguments->follow + (arguments->count_by != NULL);
	int code = check_name("--sort", arguments->sort, flow_row_sorts);

	if (code == EXIT_DONE)
		code = check_name("--count-by", arguments->count_by, flow_row_groups);
	if (code != EXIT_DONE)
		return code;
	if (arguments->end && !arguments->filter->child && !arguments->expression[0])
		return report_usage("flows", "--end wants a filter, for instance --source ::/0 for all");
	if (ways > 1 || (arguments->sort && ways && !arguments->csv) || (arguments->end && arguments->follow))
		return report_usage("flows",
				    "one of --json, --csv, --count-by and --follow; --sort is for lists, --end ends once");
	return EXIT_DONE;
}

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	int option, index, code;

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
		if (option == 's')
			arguments->sort = optarg;
		if (option == 'b')
			arguments->count_by = optarg;
		arguments->csv = arguments->csv || option == 'v';
		arguments->follow = arguments->follow || option == 'F';
		arguments->end = arguments->end || option == 'e';
		arguments->json = arguments->json || option == 'j';
		arguments->help = arguments->help || option == 'h';
	}
	if (arguments->help)
		return EXIT_DONE;
	code = option_filter(argc, argv, arguments->expression, sizeof(arguments->expression));
	return code == EXIT_DONE ? check_arguments(arguments) : code;
}

static void add_row(void *user, const cJSON *object)
{
	flow_rows_add(user, object);
}

/* What the agent answers, into `rows` unless it is JSON that goes out as it comes. */
static int ask(const struct arguments *arguments, struct flow_rows *rows)
{
	cJSON *request = cJSON_CreateObject();
	int code;

	json_text(request, "command", "flows");
	cJSON_AddItemToObject(request, "filter", cJSON_Duplicate(arguments->filter, true));
	if (arguments->expression[0])
		json_text(request, "expression", arguments->expression);
	cJSON_AddBoolToObject(request, "end", arguments->end);
	code = client_ask(arguments->control, request, arguments->json, add_row, rows);
	if (code == EXIT_DONE && rows->no_memory)
		return report_error(&(struct lun_error) { LUN_NO_MEMORY, "out of memory for the list of flows" });
	return code;
}

static void print(const struct arguments *arguments, struct flow_rows *rows)
{
	if (arguments->sort)
		flow_rows_sort(rows, arguments->sort);
	if (arguments->count_by)
		flow_rows_print_counts(rows, arguments->count_by);
	else if (arguments->csv)
		flow_rows_print_csv(rows);
	else
		flow_rows_print(rows);
}

static int list(const struct arguments *arguments)
{
	struct flow_rows rows = { 0 };
	int code = ask(arguments, &rows);

	if (code == EXIT_DONE && !arguments->json)
		print(arguments, &rows);
	flow_rows_fini(&rows);
	return code;
}

/* Asks each second: a flow that began and ended between two answers is not seen.  Ends when the agent does not answer, or nobody
 * reads. */
static int follow(const struct arguments *arguments)
{
	struct flow_rows before = { 0 }, after = { 0 };
	int code = ask(arguments, &before);

	while (code == EXIT_DONE && fflush(stdout) == 0) {
		sleep(1);
		code = ask(arguments, &after);
		if (code == EXIT_DONE)
			flow_rows_print_changes(&before, &after);
		flow_rows_fini(&before);
		before = after;
		after = (struct flow_rows) { 0 };
	}
	flow_rows_fini(&before);
	return code;
}

int command_flows(int argc, char **argv)
{
	struct arguments arguments = { .filter = cJSON_CreateObject() };
	int code = parse_arguments(&arguments, argc, argv);

	if (code == EXIT_DONE && arguments.help)
		fputs(help, stdout);
	else if (code == EXIT_DONE)
		code = arguments.follow ? follow(&arguments) : list(&arguments);
	cJSON_Delete(arguments.filter);
	return code;
}
