/* rules.c - `lunette rules`: what `run` would install, without installing it. */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/policy.h"

#include <lunette/live.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] = "usage: lunette rules -p POLICY\n\n"
			   "Prints the firewall rules that `lunette run` would install.  Needs no privilege.\n\n"
			   "  -p, --policy FILE    the policy, a Lua script\n"
			   "      --queue N        number of the packet queue (4242)\n"
			   "      --inline         those of `lunette run --inline`\n"
			   "      --marks Q,C,R    bits of the packet mark, as for `lunette run`\n"
			   "      --json           one object, the text in it\n"
			   "  -h, --help\n\n"
			   "  lunette rules -p kind.lua\n";

enum { OPTION_QUEUE = 256, OPTION_INLINE, OPTION_MARKS, OPTION_JSON };

struct arguments {
	const char *policy;
	uint64_t queue;
	uint32_t marks[3];
	bool translate, json, help;
};

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "queue", required_argument, NULL, OPTION_QUEUE },
		{ "inline", no_argument, NULL, OPTION_INLINE },
		{ "marks", required_argument, NULL, OPTION_MARKS },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	*arguments = (struct arguments) { 0 };
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":p:h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		if (option == OPTION_QUEUE && !option_number(argv[0], "--queue", UINT16_MAX, &arguments->queue))
			return EXIT_BAD_INPUT;
		if (option == OPTION_QUEUE && arguments->queue == 0)
			return report_usage(argv[0], "--queue 0: expected a number from 1");
		if (option == OPTION_MARKS && !option_masks(argv[0], "--marks", 3, arguments->marks))
			return EXIT_BAD_INPUT;
		if (option == 'p')
			arguments->policy = optarg;
		arguments->translate = arguments->translate || option == OPTION_INLINE;
		arguments->json = arguments->json || option == OPTION_JSON;
		arguments->help = arguments->help || option == 'h';
	}
	if (!arguments->help && optind < argc)
		return report_usage(argv[0], "unexpected argument %s", argv[optind]);
	if (!arguments->help && !arguments->policy)
		return report_usage(argv[0], "no policy, expected -p POLICY");
	return EXIT_DONE;
}

static void print(const char *text, bool json)
{
	if (json) {
		cJSON *object = cJSON_CreateObject();

		json_text(object, "rules", text);
		json_line(stdout, object);
	} else {
		fputs(text, stdout);
	}
}

int command_rules(int argc, char **argv)
{
	struct lun_live_config config = { .size = sizeof(config) };
	struct arguments arguments;
	struct lun_error error;
	char *text;
	int code = parse_arguments(&arguments, argc, argv);

	if (code != EXIT_DONE)
		return code;
	if (arguments.help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	code = open_policy(&config.policy, arguments.policy);
	if (code != EXIT_DONE)
		return code;
	config.queue = (uint16_t)arguments.queue;
	config.marks = (struct lun_live_marks) { arguments.marks[0], arguments.marks[1], arguments.marks[2] };
	config.mode = arguments.translate ? LUN_LIVE_INLINE : LUN_LIVE_COMMIT;
	if (lun_live_rules(&text, &config, &error) < 0) {
		code = report_error(&error);
	} else {
		print(text, arguments.json);
		free(text);
	}
	lun_policy_unref(config.policy);
	return code;
}
