/* top.c - `lunette top`: who has most now, of a running agent.
 *
 * The agent does the sums (<lunette/control.h>); here is who asks: one connection, on which a question is asked when the time has come,
 * or a key wants to see something else of the same time. */
#define _GNU_SOURCE /* clock_gettime */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/top_frame.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char help[] = "usage: lunette top [FILTER...] [OPTION]...\n\n"
			   "Watches a running agent: services, endpoints, clients or single connections, how many "
			   "connections each has, and how\n"
			   "many came, and packets and bytes went both ways, in a second.  FILTER is that of lunette flows. "
			   " On a terminal, keys:\n\n"
			   "  s e c f              services, endpoints, clients, flows\n"
			   "  n o p b              sort by number of connections, those opened, packets, bytes\n"
			   "  up, down, j, k       another line; enter looks into it, escape or backspace goes back out\n"
			   "  + -                  slower, faster\n"
			   "  q                    ends\n\n"
			   "      --by KEY         service, endpoint, source or flow (service)\n"
			   "      --sort KEY       flows, opened, packets or bytes (flows)\n"
			   "      --interval N     seconds from one look to the next (2)\n"
			   "      --once           one look, as text; so it is where there is no terminal\n"
			   "      --control PATH   the agent's socket; else that of the agent in this network namespace\n"
			   "      --json           an object for each line, then {\"summary\":...}\n"
			   "  -h, --help\n\n"
			   "  lunette top --by source --sort bytes 'dst port 80 and not state TIME_WAIT'\n";

enum {
	DEPTH = 4,
	INTERVAL_MOST_S = 3600,
	COLUMNS_LEAST = 64 /* for names and bars as short as may be */,
	COLUMNS_MOST = 240
};

/* The groups there are, in the order in which one looks into them; a flow holds nothing more. */
static const char *const groups[] = { "service", "endpoint", "source", "flow", NULL };
static const char *const sorts[] = { "flows", "opened", "packets", "bytes", NULL };

/* A line that was looked into, and from where. */
struct step {
	char name[TOP_NAME];
	size_t by, selected;
};

struct top {
	const char *control;
	char expression[1024];
	bool once, json, help;
	size_t by, sort; /* of the names above */
	uint64_t interval_s;
	FILE *connection;
	struct top_frame frame;
	struct step steps[DEPTH];
	size_t depth, selected;
	struct timespec next; /* when it is time to ask again */
};

/* ---- Arguments ---- */

/* Which of `names`; or what the command fails with. */
static int take_name(const char *option, const char *const *names, size_t *index)
{
	for (*index = 0; names[*index]; ++*index)
		if (strcmp(names[*index], optarg) == 0)
			return EXIT_DONE;
	return report_usage("top", "%s %s: not one of its keys", option, optarg);
}

static int take_option(struct top *top, int option)
{
	if (option == 'b')
		return take_name("--by", groups, &top->by);
	if (option == 's')
		return take_name("--sort", sorts, &top->sort);
	if (option == 'i')
		return option_number("top", "--interval", INTERVAL_MOST_S, &top->interval_s) ? EXIT_DONE : EXIT_BAD_INPUT;
	if (option == 'c')
		top->control = optarg;
	top->once = top->once || option == 'o';
	top->json = top->json || option == 'j';
	top->help = top->help || option == 'h';
	return EXIT_DONE;
}

static int parse_arguments(struct top *top, int argc, char **argv)
{
	static const struct option options[] = {
		{ "by", required_argument, NULL, 'b' },       { "sort", required_argument, NULL, 's' },
		{ "interval", required_argument, NULL, 'i' }, { "once", no_argument, NULL, 'o' },
		{ "control", required_argument, NULL, 'c' },  { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },           { 0 },
	};
	int option, code = EXIT_DONE;

	opterr = 0;
	while (code == EXIT_DONE && (option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		code = take_option(top, option);
	}
	if (code != EXIT_DONE || top->help)
		return code;
	if (top->interval_s == 0)
		return report_usage("top", "--interval 0: expected seconds, 1 at least");
	return option_filter(argc, argv, top->expression, sizeof(top->expression));
}

/* ---- Asking ---- */

static void add_object(void *user, const cJSON *object)
{
	top_frame_add(user, object);
}

/* What was looked into, as the agent takes it; a client's port is another one each time, its address is meant. */
static cJSON *filter_of(const struct top *top)
{
	cJSON *filter = cJSON_CreateObject();

	for (size_t i = 0; i < top->depth; i++)
		json_text(filter, groups[top->steps[i].by], top->steps[i].name);
	return filter;
}

/* Asks; with `again`, of the same time as before. */
static int ask(struct top *top, bool again)
{
	cJSON *request = cJSON_CreateObject();

	json_text(request, "command", "top");
	json_text(request, "by", groups[top->by]);
	json_text(request, "sort", sorts[top->sort]);
	cJSON_AddBoolToObject(request, "again", again);
	cJSON_AddItemToObject(request, "filter", filter_of(top));
	if (top->expression[0])
		json_text(request, "expression", top->expression);
	top->frame.row_count = 0;
	return client_exchange(top->connection, request, top->json, add_object, &top->frame);
}

static void words_of_filter(const struct top *top, char text[TOP_NAME * (DEPTH + 1)])
{
	size_t length = strnlen(top->expression, TOP_NAME);

	memcpy(text, top->expression, length);
	text[length] = '\0';
	for (size_t i = 0; i < top->depth; i++)
		length += (size_t)sprintf(text + length, "%s%s %s", length ? ", " : "", groups[top->steps[i].by],
					  top->steps[i].name);
}

static void print(const struct top *top, bool screen)
{
	char filter[TOP_NAME * (DEPTH + 1) + 64];
	struct top_look look = { .by = groups[top->by], .filter = filter, .sort = top->sort, .columns = 80 };

	words_of_filter(top, filter);
	if (screen) {
		terminal_size(&look.rows, &look.columns);
		look.columns = look.columns < COLUMNS_LEAST  ? COLUMNS_LEAST
			       : look.columns > COLUMNS_MOST ? COLUMNS_MOST
							     : look.columns;
		look.selected = top->selected;
	}
	look.unicode = terminal_is_unicode();
	top_frame_print(&top->frame, &look);
}

/* Two questions, since it takes time to see what comes. */
static int look_once(struct top *top)
{
	bool json = top->json;
	int code;

	top->json = false;
	code = ask(top, false);
	if (code != EXIT_DONE)
		return code;
	sleep((unsigned)top->interval_s);
	top->json = json;
	code = ask(top, false);
	if (code == EXIT_DONE && !json)
		print(top, false);
	return code;
}

static int look_as_json(struct top *top)
{
	int code = EXIT_DONE;

	while (code == EXIT_DONE && fflush(stdout) == 0) {
		code = ask(top, false);
		sleep((unsigned)top->interval_s);
	}
	return code;
}

/* ---- Keys ---- */

/* Looks into the line that is selected: only what fits it, in smaller groups. */
static bool go_in(struct top *top)
{
	const struct top_row *row = &top->frame.rows[top->selected];
	struct step *step = &top->steps[top->depth];

	if (top->selected >= top->frame.row_count || !row->is_group || !groups[top->by + 1])
		return false;
	for (size_t i = 0; i < top->depth; i++)
		if (top->steps[i].by == top->by)
			return false; /* the one that we are in already */
	step->by = top->by;
	step->selected = top->selected;
	strcpy(step->name, row->name);
	top->depth++;
	top->by++;
	top->selected = 0;
	return true;
}

static bool go_out(struct top *top)
{
	if (top->depth == 0)
		return false;
	top->depth--;
	top->by = top->steps[top->depth].by;
	top->selected = top->steps[top->depth].selected;
	return true;
}

static bool show(struct top *top, size_t by)
{
	top->by = by;
	top->selected = 0;
	return true;
}

static bool sort_by(struct top *top, size_t sort)
{
	top->sort = sort;
	return true;
}

/* Another line; nothing has to be asked for that. */
static bool select_line(struct top *top, int more)
{
	if (more < 0 && top->selected > 0)
		top->selected--;
	if (more > 0 && top->selected + 1 < top->frame.row_count)
		top->selected++;
	return false;
}

static bool change_interval(struct top *top, int more)
{
	if (more > 0 && top->interval_s < INTERVAL_MOST_S)
		top->interval_s++;
	if (more < 0 && top->interval_s > 1)
		top->interval_s--;
	return false;
}

/* True: it wants another answer. */
static bool take_key(struct top *top, int key)
{
	static const char group_keys[] = "secf", sort_keys[] = "nopb";
	const char *found;

	if (key > 0 && key < 128 && (found = strchr(group_keys, key)) != NULL)
		return show(top, (size_t)(found - group_keys));
	if (key > 0 && key < 128 && (found = strchr(sort_keys, key)) != NULL)
		return sort_by(top, (size_t)(found - sort_keys));
	switch (key) {
	case KEY_ENTER:
	case KEY_RIGHT:
		return go_in(top);
	case KEY_ESCAPE:
	case KEY_BACKSPACE:
	case KEY_LEFT:
		return go_out(top);
	case KEY_UP:
	case 'k':
		return select_line(top, -1);
	case KEY_DOWN:
	case 'j':
		return select_line(top, 1);
	case '+':
		return change_interval(top, 1);
	case '-':
		return change_interval(top, -1);
	default:
		return false;
	}
}

/* ---- The screen ---- */

static int ms_left(const struct top *top)
{
	struct timespec now;
	long long left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (top->next.tv_sec - now.tv_sec) * 1000LL + (top->next.tv_nsec - now.tv_nsec) / 1000000;
	return left > 0 ? (int)left : 0;
}

static int look_at_time(struct top *top)
{
	clock_gettime(CLOCK_MONOTONIC, &top->next);
	top->next.tv_sec += (time_t)top->interval_s;
	return ask(top, false);
}

static int look_on_screen(struct top *top)
{
	int key, code = look_at_time(top);

	while (code == EXIT_DONE) {
		if (top->selected >= top->frame.row_count)
			top->selected = top->frame.row_count ? top->frame.row_count - 1 : 0;
		print(top, true);
		key = terminal_key(ms_left(top));
		if (key == 'q' || key == KEY_QUIT)
			break;
		if (key == KEY_NONE && ms_left(top) == 0)
			code = look_at_time(top);
		else if (take_key(top, key))
			code = ask(top, true);
	}
	return code;
}

int command_top(int argc, char **argv)
{
	struct top *top = calloc(1, sizeof(*top));
	int code;

	if (!top)
		return report_error(&(struct lun_error) { LUN_NO_MEMORY, "out of memory" });
	top->interval_s = 2;
	code = parse_arguments(top, argc, argv);
	if (code == EXIT_DONE && top->help)
		fputs(help, stdout);
	else if (code == EXIT_DONE && (top->connection = client_open(top->control)) == NULL)
		code = EXIT_SYSTEM_REFUSED;
	else if (code == EXIT_DONE && top->json && !top->once)
		code = look_as_json(top);
	else if (code == EXIT_DONE && (top->once || !terminal_enter()))
		code = look_once(top);
	else if (code == EXIT_DONE)
		code = look_on_screen(top);
	terminal_leave();
	if (top->connection)
		fclose(top->connection);
	free(top);
	return code;
}
