/* doctor.c - `lunette doctor`: what this kernel and these privileges allow. */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/options.h"

#include <lunette/live.h>
#include <stdio.h>

static const char help[] =
	"usage: lunette doctor\n\n"
	"Tries out what `lunette run` needs of this kernel and these privileges, in a network namespace "
	"of its own, so that\n"
	"nothing is left behind; looks at what else is here: sysctls, others' firewall rules, the size of the\n"
	"kernel's table, the clock; and says of each thing pass, warn or fail, with the cure.  Exit status 0 if\n"
	"run would work, else 3.\n\n"
	"      --json    one object for each thing, and a summary\n"
	"  -h, --help\n";

enum { OPTION_JSON = 256 };

struct arguments {
	bool json, help;
};

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	*arguments = (struct arguments) { 0 };
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		arguments->json = arguments->json || option == OPTION_JSON;
		arguments->help = arguments->help || option == 'h';
	}
	if (!arguments->help && optind < argc)
		return report_usage(argv[0], "unexpected argument %s", argv[optind]);
	return EXIT_DONE;
}

/* What is only good to have is a warning. */
static const char *result_of(const struct lun_live_finding *finding)
{
	return finding->ok ? "pass" : finding->needed ? "fail" : "warn";
}

static void print_finding(void *user, const struct lun_live_finding *finding)
{
	(void)user;
	printf("%-4s  %-20s %s\n", result_of(finding), finding->name, finding->text);
	if (finding->cure[0])
		printf("%-4s  %-20s   %s\n", "", "", finding->cure);
}

static void print_finding_json(void *user, const struct lun_live_finding *finding)
{
	cJSON *object = cJSON_CreateObject();

	(void)user;
	json_text(object, "name", finding->name);
	json_text(object, "result", result_of(finding));
	cJSON_AddBoolToObject(object, "ok", finding->ok);
	cJSON_AddBoolToObject(object, "needed", finding->needed);
	json_text(object, "text", finding->text);
	json_text(object, "cure", finding->cure);
	json_line(stdout, object);
}

static void print_summary(bool json, int code, const struct lun_error *error)
{
	cJSON *object;

	if (!json) {
		printf("\nlunette run %s%s\n",
		       code == 0 ? "would work here" : "would not work here: ", code == 0 ? "" : error->text);
		return;
	}
	object = cJSON_CreateObject();
	cJSON_AddItemToObject(object, "summary", cJSON_CreateObject());
	cJSON_AddBoolToObject(cJSON_GetObjectItem(object, "summary"), "ok", code == 0);
	json_text(cJSON_GetObjectItem(object, "summary"), "text", code == 0 ? NULL : error->text);
	json_line(stdout, object);
}

int command_doctor(int argc, char **argv)
{
	struct arguments arguments;
	struct lun_error error = { 0 };
	int code = parse_arguments(&arguments, argc, argv);

	if (code != EXIT_DONE)
		return code;
	if (arguments.help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	setvbuf(stdout, NULL, _IOLBF, 0); /* what was found is seen while the rest is tried */
	code = lun_live_doctor(arguments.json ? print_finding_json : print_finding, NULL, &error);
	print_summary(arguments.json, code, &error);
	return code == 0 ? EXIT_DONE : EXIT_SYSTEM_REFUSED;
}
