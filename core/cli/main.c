/* main.c - the program `lunette`: finds the command and lets it do the rest. */
#include "cli/command.h"
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

static const struct command commands[] = {
	{ "check", command_check, "load a policy, list what it declares, warn of what is odd" },
	{ "doctor", command_doctor, "what this kernel and these privileges allow, and the cure where they do not" },
	{ "flows", command_flows, "the connections of a running agent: list, filter, end" },
	{ "http", command_http, "what an upstream would get of the bytes that a client sends" },
	{ "replay", command_replay, "run a capture through a policy; report, and write it as it left" },
	{ "rules", command_rules, "the firewall rules that run would install, as text" },
	{ "run", command_run, "the live agent: install the rules, serve until stopped" },
	{ "stats", command_stats, "the counters of a running agent" },
	{ "test", command_test, "run the scenarios of a policy's tests" },
	{ "top", command_top, "watch a running agent: who has most connections, packets and bytes" },
	{ "trace", command_trace, "explain what becomes of one packet, step by step" },
	{ NULL, NULL, NULL },
};

static void print_help(void)
{
	printf("usage: lunette COMMAND [ARGUMENT]...\n\n"
	       "A connection tracker whose policy is a Lua script: live, on captures, and packet by packet.\n\n");
	for (const struct command *command = commands; command->name; command++)
		printf("  %-8s  %s\n", command->name, command->help);
	printf("\n  --help, --version\n\n"
	       "lunette COMMAND --help says more.  Every command takes --json: one object a line.\n"
	       "Exit status: 0 done, 1 a check failed, 2 bad input, 3 the system refused.\n");
}

static int unknown_command(const char *name)
{
	const char *closest = closest_name(name, &commands[0].name, sizeof(commands[0]));

	if (closest)
		fprintf(stderr, "lunette: unknown command %s, did you mean %s?\n", name, closest);
	else
		fprintf(stderr, "lunette: unknown command %s; see lunette --help\n", name);
	return EXIT_BAD_INPUT;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "lunette: no command; see lunette --help\n");
		return EXIT_BAD_INPUT;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help();
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		uint32_t version = lun_version();

		printf("lunette %u.%u.%u\n", version >> 16, version >> 8 & 255, version & 255);
		return EXIT_DONE;
	}
	for (const struct command *command = commands; command->name; command++)
		if (strcmp(argv[1], command->name) == 0)
			return command->run(argc - 1, argv + 1);
	return unknown_command(argv[1]);
}

int main(int argc, char **argv)
{
	int result = run(argc, argv);

	/* An answer that did not arrive was not given. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "lunette: standard output: %s\n", strerror(errno));
		return EXIT_SYSTEM_REFUSED;
	}
	return result;
}
