/* check.c - `lunette check`: loads a policy, lists where it serves, says what is odd.
 *
 * The warnings are those of the Lua library; what is listed is what the compiled policy holds, as the live agent would
 * intercept it. */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/options.h"

#include <lunette/lua.h>
#include <stdlib.h>
#include <string.h>

static const char help[] = "usage: lunette check -p POLICY\n\n"
			   "Loads a policy, lists the services that it declares with the addresses they are reached at, and "
			   "warns of what is odd.\n"
			   "A policy that is wrong gives one line, FILE:LINE: what, and exit status 2.\n\n"
			   "  -p, --policy FILE    the policy, a Lua script\n"
			   "      --json           one object for each address, then one for each warning, then a summary\n"
			   "  -h, --help\n";

enum { OPTION_JSON = 256 };

struct arguments {
	const char *policy;
	bool json, help;
};

/* What the Lua library said while loading. */
struct warnings {
	char **lines;
	size_t count;
};

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":p:h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		if (option == 'p')
			arguments->policy = optarg;
		arguments->json = arguments->json || option == OPTION_JSON;
		arguments->help = arguments->help || option == 'h';
	}
	if (arguments->help)
		return EXIT_DONE;
	if (optind < argc)
		return report_usage(argv[0], "unexpected argument %s", argv[optind]);
	if (arguments->policy == NULL)
		return report_usage(argv[0], "no policy, expected -p POLICY");
	return EXIT_DONE;
}

/* ---- Warnings --------------------------------------------------------------------------------------------------------- */

static void warnings_add(void *user, const char *line)
{
	struct warnings *warnings = user;
	char **lines = realloc(warnings->lines, (warnings->count + 1) * sizeof(*lines));

	if (lines == NULL)
		return;
	warnings->lines = lines;
	lines[warnings->count] = strdup(line);
	warnings->count += lines[warnings->count] != NULL;
}

/* What `lunette run` does only with --inline, and is easily believed to work without. */
static void warn_of_timeouts(struct warnings *warnings, const struct arguments *arguments,
			     const struct lun_frontend *frontend)
{
	const char *slash = strrchr(arguments->policy, '/');
	char line[500];

	snprintf(line, sizeof(line), "%.*s%s: timeouts of service \"%.*s\" hold with --inline, without it the kernel's do",
		 slash ? (int)(slash + 1 - arguments->policy) : 0, arguments->policy, frontend->at,
		 (int)strcspn(frontend->service, ":"), frontend->service);
	warnings_add(warnings, line);
}

static void warnings_free(struct warnings *warnings)
{
	for (size_t i = 0; i < warnings->count; i++)
		free(warnings->lines[i]);
	free(warnings->lines);
}

/* ---- The list --------------------------------------------------------------------------------------------------------- */

/* Whether two frontends belong to the same port of the same service. */
static bool same_service(const struct lun_frontend *a, const struct lun_frontend *b)
{
	return strcmp(a->service, b->service) == 0;
}

static void print_frontend(const struct lun_frontend *frontend, bool first)
{
	char text[LUN_ADDRESS_TEXT];

	if (first)
		printf("%s  (%s)\n", frontend->service, frontend->at != NULL ? frontend->at : "?");
	printf("    %-16s  %-4s  %-32s  %u endpoint%s\n", lun_via_name(frontend->via), lun_protocol_name(frontend->protocol),
	       lun_endpoint_format(&frontend->address, frontend->port, text), frontend->endpoint_count,
	       frontend->endpoint_count == 1 ? "" : "s");
}

static void print_frontend_json(const struct lun_frontend *frontend)
{
	cJSON *object = cJSON_CreateObject();
	char text[LUN_ADDRESS_TEXT];

	json_text(object, "service", frontend->service);
	json_text(object, "via", lun_via_name(frontend->via));
	json_text(object, "protocol", lun_protocol_name(frontend->protocol));
	json_text(object, "address", lun_endpoint_format(&frontend->address, frontend->port, text));
	cJSON_AddNumberToObject(object, "endpoints", frontend->endpoint_count);
	json_text(object, "at", frontend->at);
	json_line(stdout, object);
}

/* Lists all frontends.  => how many; `services` counts ports of services */
static size_t list_frontends(const struct lun_policy *policy, const struct arguments *arguments, struct warnings *warnings,
			     size_t *services)
{
	struct lun_frontend frontend, before;
	size_t count;

	*services = 0;
	for (count = 0; lun_policy_frontend(policy, count, &frontend); count++) {
		bool first = count == 0 || !same_service(&frontend, &before);

		*services += first;
		if (frontend.timeouts && (count == 0 || before.at != frontend.at))
			warn_of_timeouts(warnings, arguments, &frontend);
		before = frontend;
		if (arguments->json)
			print_frontend_json(&frontend);
		else
			print_frontend(&frontend, first);
	}
	return count;
}

static void print_summary(const struct warnings *warnings, size_t frontends, size_t services)
{
	const char *gap = frontends > 0 ? "\n" : "";

	for (size_t i = 0; i < warnings->count; i++, gap = "")
		printf("%swarning: %s\n", gap, warnings->lines[i]);
	printf("%s%zu service port%s at %zu address%s, %zu warning%s\n", frontends + warnings->count > 0 ? "\n" : "",
	       services, services == 1 ? "" : "s", frontends, frontends == 1 ? "" : "es", warnings->count,
	       warnings->count == 1 ? "" : "s");
}

static void print_summary_json(const struct warnings *warnings, size_t frontends, size_t services)
{
	cJSON *object, *summary;

	for (size_t i = 0; i < warnings->count; i++) {
		object = cJSON_CreateObject();
		json_text(object, "warning", warnings->lines[i]);
		json_line(stdout, object);
	}
	object = cJSON_CreateObject();
	summary = cJSON_AddObjectToObject(object, "summary");
	cJSON_AddNumberToObject(summary, "service_ports", (double)services);
	cJSON_AddNumberToObject(summary, "addresses", (double)frontends);
	cJSON_AddNumberToObject(summary, "warnings", (double)warnings->count);
	json_line(stdout, object);
}

static int check(const struct arguments *arguments)
{
	struct warnings warnings = { .count = 0 };
	const struct lun_lua_options options = { .size = sizeof(options), .log = warnings_add, .user = &warnings };
	struct lun_policy *policy;
	struct lun_error error;
	size_t frontends, services;

	if (lun_lua_policy_load(&policy, arguments->policy, &options, &error) < 0) {
		warnings_free(&warnings);
		return report_error(&error);
	}
	frontends = list_frontends(policy, arguments, &warnings, &services);
	if (arguments->json)
		print_summary_json(&warnings, frontends, services);
	else
		print_summary(&warnings, frontends, services);
	lun_policy_unref(policy);
	warnings_free(&warnings);
	return EXIT_DONE;
}

int command_check(int argc, char **argv)
{
	struct arguments arguments = { .policy = NULL };
	int result = parse_arguments(&arguments, argc, argv);

	if (result != EXIT_DONE)
		return result;
	if (arguments.help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	return check(&arguments);
}
