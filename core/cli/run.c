/* run.c - `lunette run`: the live agent, on a libuv loop.
 *
 * SIGHUP, or another file in its place, loads the policy again, SIGTERM and SIGINT stop; what a policy watches changes it in
 * between.  Standard error gets one line per thing that happened, the first of them when the agent serves: "ready". */
#include "cli/changes.h"
#include "cli/command.h"
#include "cli/health.h"
#include "cli/json.h"
#include "cli/notify.h"
#include "cli/options.h"
#include "cli/privilege.h"
#include "cli/record.h"

#include <errno.h>
#include <lunette/control.h>
#include <lunette/lua.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
	"usage: lunette run -p POLICY\n\n"
	"The live agent: intercepts the packets that open connections to the policy's services, decides, and hands the\n"
	"connections to the kernel, which carries them from then on.  Runs until SIGTERM or SIGINT; SIGHUP loads the "
	"policy\n"
	"again (a wrong one is refused, the old one stays).  Works on the network namespace that it is started in, and "
	"needs\n"
	"CAP_NET_ADMIN there (and CAP_NET_RAW inline); other privileges are given up once it serves.  At the end\n"
	"connections live on and new ones wait for the next agent.\n\n"
	"  -p, --policy FILE      the policy, a Lua script\n"
	"      --queue N          number of the packet queue (4242)\n"
	"      --flow-limit N     most connections at once (65536)\n"
	"      --flush            at the end all rules go, and the connections with them\n"
	"      --inline           every packet comes here and is translated here, without the kernel's connection "
	"tracking;\n"
	"                         at the end everything goes, as with --flush\n"
	"      --set-sysctls      set the sysctls that --inline and edits need, and put them back at the end\n"
	"      --tenant-mask BITS with --inline: these bits of the packet mark (0xff00) tell tenants apart\n"
	"      --marks Q,C,R      bits of the packet mark: queue, committed, reject (0x100000,0x200000,0x400000)\n"
	"      --control PATH     the socket for `lunette flows` and `lunette stats` (/run/lunette-NAMESPACE.sock), or "
	"none\n"
	"      --metrics PLACE    serve /metrics for Prometheus, /healthz and /readyz at ADDRESS:PORT\n"
	"      --capture FILE     packets as they come and as they leave, on two interfaces of a pcapng file, with what was "
	"decided\n"
	"      --filter EXPR      which of them, in libpcap's language\n"
	"      --capture-limit N  most bytes of that file (104857600)\n"
	"      --user NAME        become this user once it serves; the policy must be readable for it, to be loaded again\n"
	"      --json             one object a line on standard error\n"
	"  -h, --help\n\n"
	"  lunette run -p kind.lua\n";

enum { ENDPOINTS_COUNTED = 2048 /* for metrics, which name 1,000 */ };

enum {
	OPTION_QUEUE = 256,
	OPTION_FLOWS,
	OPTION_FLUSH,
	OPTION_INLINE,
	OPTION_SYSCTLS,
	OPTION_TENANT,
	OPTION_MARKS,
	OPTION_CONTROL,
	OPTION_METRICS,
	OPTION_CAPTURE,
	OPTION_FILTER,
	OPTION_CAPTURE_LIMIT,
	OPTION_USER,
	OPTION_JSON,
	FOLLOW_MS = 50
};

struct arguments {
	const char *policy, *control, *metrics;
	uint64_t queue, flows;
	struct lun_recorder_config capture;
	uint32_t tenant_mask, marks[3];
	struct privilege_user user;
	bool flush, translate, set_sysctls, json, help;
};

struct agent {
	struct arguments arguments;
	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_timer_t follow; /* looks at the streams that the policy watches */
	struct lun_lua_watch *watch;
	struct lun_lua_kept *kept;
	struct changes changes; /* of the policy's files */
	struct health health;
	struct lun_live *live;
	struct lun_control *control;
	struct record record;
	struct lun_metrics *metrics;     /* or NULL */
	struct lun_lua_stats hook_stats; /* for these */
};

/* What is wrong with them as a whole. */
static int check_arguments(const struct arguments *arguments, int argc, char **argv)
{
	if (optind < argc)
		return report_usage(argv[0], "unexpected argument %s", argv[optind]);
	if (!arguments->policy)
		return report_usage(argv[0], "no policy, expected -p POLICY");
	if (!arguments->translate && arguments->tenant_mask)
		return report_usage(argv[0], "--tenant-mask is for --inline");
	if (!arguments->capture.path && (arguments->capture.filter || arguments->capture.limit))
		return report_usage(argv[0], "--filter and --capture-limit are for --capture FILE");
	return EXIT_DONE;
}

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "queue", required_argument, NULL, OPTION_QUEUE },
		{ "flow-limit", required_argument, NULL, OPTION_FLOWS },
		{ "flush", no_argument, NULL, OPTION_FLUSH },
		{ "inline", no_argument, NULL, OPTION_INLINE },
		{ "set-sysctls", no_argument, NULL, OPTION_SYSCTLS },
		{ "tenant-mask", required_argument, NULL, OPTION_TENANT },
		{ "marks", required_argument, NULL, OPTION_MARKS },
		{ "control", required_argument, NULL, OPTION_CONTROL },
		{ "metrics", required_argument, NULL, OPTION_METRICS },
		{ "capture", required_argument, NULL, OPTION_CAPTURE },
		{ "filter", required_argument, NULL, OPTION_FILTER },
		{ "capture-limit", required_argument, NULL, OPTION_CAPTURE_LIMIT },
		{ "user", required_argument, NULL, OPTION_USER },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	*arguments = (struct arguments) { .capture.size = sizeof(arguments->capture) };
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":p:h", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return report_option(option, argv, options);
		if (option == OPTION_QUEUE && !option_number(argv[0], "--queue", UINT16_MAX, &arguments->queue))
			return EXIT_BAD_INPUT;
		if (option == OPTION_FLOWS && !option_number(argv[0], "--flow-limit", UINT32_C(1) << 27, &arguments->flows))
			return EXIT_BAD_INPUT;
		if (option == OPTION_TENANT && !option_masks(argv[0], "--tenant-mask", 1, &arguments->tenant_mask))
			return EXIT_BAD_INPUT;
		if (option == OPTION_MARKS && !option_masks(argv[0], "--marks", 3, arguments->marks))
			return EXIT_BAD_INPUT;
		if (option == OPTION_QUEUE && arguments->queue == 0)
			return report_usage(argv[0], "--queue 0: expected a number from 1");
		if (option == 'p')
			arguments->policy = optarg;
		if (option == OPTION_CONTROL)
			arguments->control = optarg;
		if (option == OPTION_CAPTURE_LIMIT &&
		    !option_number(argv[0], "--capture-limit", UINT64_MAX, &arguments->capture.limit))
			return EXIT_BAD_INPUT;
		if (option == OPTION_CAPTURE)
			arguments->capture.path = optarg;
		if (option == OPTION_FILTER)
			arguments->capture.filter = optarg;
		if (option == OPTION_METRICS)
			arguments->metrics = optarg;
		if (option == OPTION_USER)
			arguments->user.name = optarg;
		arguments->flush = arguments->flush || option == OPTION_FLUSH;
		arguments->translate = arguments->translate || option == OPTION_INLINE;
		arguments->set_sysctls = arguments->set_sysctls || option == OPTION_SYSCTLS;
		arguments->json = arguments->json || option == OPTION_JSON;
		arguments->help = arguments->help || option == 'h';
	}
	return arguments->help ? EXIT_DONE : check_arguments(arguments, argc, argv);
}

/* ---- Lines on standard error ---- */

static const char *const level_names[] = { "error", "warning", "info", "debug" };

static void on_log(void *user, enum lun_log_level level, const char *line)
{
	const struct agent *agent = user;
	cJSON *object;

	if (!agent->arguments.json) {
		fprintf(stderr, "lunette: %s%s%s\n", level == LUN_LOG_WARNING ? level_names[level] : "",
			level == LUN_LOG_WARNING ? ": " : "", line);
		return;
	}
	object = cJSON_CreateObject();
	json_text(object, "event", "log");
	json_text(object, "level", level_names[level]);
	json_text(object, "text", line);
	json_line(stderr, object);
}

static void on_policy_log(void *user, const char *line)
{
	on_log(user, LUN_LOG_WARNING, line);
}

/* Tells the service manager, or says why not; `sent` is what notify returned. */
static void check_notified(struct agent *agent, bool sent)
{
	char line[120];

	if (sent)
		return;
	snprintf(line, sizeof(line), "the service manager at NOTIFY_SOCKET was not told: %s", strerror(errno));
	on_log(agent, LUN_LOG_WARNING, line);
}

/* What the agent does now: "ready", "reloaded". */
static void say_serving(struct agent *agent, const char *event, struct lun_policy *policy)
{
	struct lun_frontend frontend;
	struct lun_stats stats;
	size_t count = 0;
	cJSON *object;

	check_notified(agent, notify("READY=1"));
	while (lun_policy_frontend(policy, count, &frontend))
		count++;
	lun_engine_stats(lun_live_engine(agent->live), &stats);
	if (!agent->arguments.json) {
		fprintf(stderr, "lunette: %s, %zu service addresses, %llu connections\n", event, count,
			(unsigned long long)stats.flows);
		return;
	}
	object = cJSON_CreateObject();
	json_text(object, "event", event);
	cJSON_AddNumberToObject(object, "addresses", (double)count);
	cJSON_AddNumberToObject(object, "flows", (double)stats.flows);
	json_line(stderr, object);
}

/* ---- Signals ---- */

static uint64_t utc(void *user, uint64_t now)
{
	struct timespec time;

	(void)user;
	(void)now; /* which is of this moment, of a clock that is not set */
	clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int load_policy(struct agent *agent, struct lun_policy **policy, struct lun_error *error)
{
	const struct lun_lua_options options = {
		.size = sizeof(options),
		.log = on_policy_log,
		.user = agent,
		.watch = &agent->watch,
		.kept = &agent->kept,
		.utc = utc,
		.stats = &agent->hook_stats,
	};

	changes_note(&agent->changes); /* before: what changes meanwhile is another change */
	return lun_lua_policy_load(policy, agent->arguments.policy, &options, error);
}

/* What came on the streams is taken as one change. */
static void on_follow(uv_timer_t *timer)
{
	struct agent *agent = timer->data;
	struct lun_policy *policy = NULL;
	struct lun_error error;
	int code = lun_lua_watch_read(agent->watch, &policy, &error);

	if (code == 0 && policy)
		code = lun_live_set_policy(agent->live, policy, &error);
	if (code == 0 && policy)
		health_set_policy(&agent->health, policy);
	if (code < 0 || policy)
		lun_metrics_loaded(agent->metrics, code == 0);
	if (code < 0) {
		on_log(agent, LUN_LOG_ERROR, error.text);
		on_log(agent, LUN_LOG_WARNING, "the old policy stays");
	}
	lun_policy_unref(policy);
}

/* Looks at the streams from now on, if the policy watches some. */
static void follow(struct agent *agent)
{
	if (agent->watch)
		uv_timer_start(&agent->follow, on_follow, FOLLOW_MS, FOLLOW_MS);
	else
		uv_timer_stop(&agent->follow);
}

static void reload(void *user)
{
	struct agent *agent = user;
	struct lun_policy *policy;
	struct lun_error error;
	int code;

	check_notified(agent, notify_reloading());
	code = load_policy(agent, &policy, &error);
	follow(agent);
	if (code == 0) {
		code = lun_live_set_policy(agent->live, policy, &error);
		if (code == 0) {
			health_set_policy(&agent->health, policy);
			say_serving(agent, "reloaded", policy);
		}
		lun_policy_unref(policy);
	}
	lun_metrics_loaded(agent->metrics, code == 0);
	if (code < 0) {
		on_log(agent, LUN_LOG_ERROR, error.text);
		on_log(agent, LUN_LOG_WARNING, "the old policy stays");
		check_notified(agent, notify("READY=1"));
	}
}

static void on_reload(uv_signal_t *signal, int number)
{
	(void)number;
	reload(signal->data);
}

static void close_handles(struct agent *agent)
{
	health_set_policy(&agent->health, NULL);
	changes_close(&agent->changes);
	uv_close((uv_handle_t *)&agent->follow, NULL);
	for (int i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&agent->signals[i], NULL);
}

static void on_stop(uv_signal_t *signal, int number)
{
	struct agent *agent = signal->data;

	(void)number;
	check_notified(agent, notify("STOPPING=1"));
	lun_metrics_close(agent->metrics);
	lun_control_close(agent->control);
	lun_live_stop(agent->live, agent->arguments.flush); /* which serves what is still queued: it is recorded, too */
	close_handles(agent);
}

static void open_signals(struct agent *agent)
{
	static const struct {
		int number;
		uv_signal_cb callback;
	} signals[3] = { { SIGHUP, on_reload }, { SIGTERM, on_stop }, { SIGINT, on_stop } };
	char text[100];
	int code = changes_init(&agent->changes, &agent->loop, agent->arguments.policy, reload, agent);

	if (code < 0) {
		snprintf(text, sizeof(text), "changes of the policy's files are not noticed: %s", uv_strerror(code));
		on_log(agent, LUN_LOG_WARNING, text);
	}
	uv_timer_init(&agent->loop, &agent->follow);
	agent->follow.data = agent;
	for (int i = 0; i < 3; i++) {
		uv_signal_init(&agent->loop, &agent->signals[i]);
		agent->signals[i].data = agent;
		uv_signal_start(&agent->signals[i], signals[i].callback, signals[i].number);
	}
}

/* ---- The agent ---- */

/* Without a socket that nobody asked for the agent serves as well. */
static int open_control(struct agent *agent, struct lun_error *error)
{
	const struct lun_control_config config = {
		.size = sizeof(config),
		.loop = &agent->loop,
		.live = agent->live,
		.path = agent->arguments.control,
		.hooks = &agent->hook_stats,
	};
	int code = 0;

	if (!config.path || strcmp(config.path, "none") != 0)
		code = lun_control_open(&agent->control, &config, error);
	if (code == 0 || config.path)
		return code;
	on_log(agent, LUN_LOG_WARNING, error->text);
	on_log(agent, LUN_LOG_WARNING, "there is no control socket, `lunette flows` and `lunette stats` will not work");
	return 0;
}

static int open_metrics(struct agent *agent, struct lun_error *error)
{
	const struct lun_metrics_config config = { .size = sizeof(config),
						   .loop = &agent->loop,
						   .live = agent->live,
						   .address = agent->arguments.metrics,
						   .hooks = &agent->hook_stats };

	return config.address ? lun_metrics_open(&agent->metrics, &config, error) : 0;
}

/* Whoever the agent is from now on, the socket is its own. */
static int drop_privileges(struct agent *agent, struct lun_error *error)
{
	const struct privilege_user *user = &agent->arguments.user;
	char path[LUN_CONTROL_PATH];

	if (user->name && agent->control &&
	    chown(agent->arguments.control ? agent->arguments.control : lun_control_path(path), user->uid, user->gid) < 0) {
		error->code = LUN_SYSTEM;
		snprintf(error->text, sizeof(error->text), "giving the control socket to %.60s: %s", user->name,
			 strerror(errno));
		return error->code;
	}
	return privilege_drop(user, error);
}

/* What comes after the agent serves; it stops if this fails. */
static int settle(struct agent *agent, struct lun_error *error)
{
	int code = open_control(agent, error);

	if (code == 0)
		code = open_metrics(agent, error);
	if (code == 0)
		code = drop_privileges(agent, error);
	if (code < 0) {
		lun_metrics_close(agent->metrics);
		lun_control_close(agent->control);
		lun_live_stop(agent->live, agent->arguments.flush);
	}
	return code;
}

static int start(struct agent *agent, struct lun_error *error)
{
	const struct lun_config engine = { .size = sizeof(engine),
					   .flows = (uint32_t)agent->arguments.flows,
					   .endpoint_counts = agent->arguments.metrics ? ENDPOINTS_COUNTED : 0 };
	struct lun_live_config config = {
		.size = sizeof(config),
		.loop = &agent->loop,
		.queue = (uint16_t)agent->arguments.queue,
		.engine = &engine,
		.log = on_log,
		.user = agent,
		.mode = agent->arguments.translate ? LUN_LIVE_INLINE : LUN_LIVE_COMMIT,
		.set_sysctls = agent->arguments.set_sysctls,
		.tenant_mask = agent->arguments.tenant_mask,
		.marks = { agent->arguments.marks[0], agent->arguments.marks[1], agent->arguments.marks[2] },
	};
	int code = agent->arguments.user.name ? privilege_find_user(&agent->arguments.user, error) : 0;

	if (code == 0)
		code = load_policy(agent, &config.policy, error);
	if (code < 0)
		return code;
	if (agent->arguments.capture.path)
		code = lun_recorder_open(&agent->record.recorder, &agent->arguments.capture, error);
	if (code == 0)
		code = lun_live_start(&agent->live, &config, error);
	if (code == 0)
		code = settle(agent, error);
	if (code == 0) {
		record_start(&agent->record, agent->live);
		changes_note(&agent->changes); /* as they look without privileges */
		agent->health = (struct health) { .loop = &agent->loop, .say = on_policy_log, .user = agent };
		health_set_policy(&agent->health, config.policy);
		say_serving(agent, "ready", config.policy);
		follow(agent);
	}
	lun_policy_unref(config.policy);
	return code;
}

int command_run(int argc, char **argv)
{
	struct agent agent = { .control = NULL, .metrics = NULL, .record.recorder = NULL, .watch = NULL };
	struct lun_error error;
	int code = parse_arguments(&agent.arguments, argc, argv), result = EXIT_DONE;

	if (code != EXIT_DONE)
		return code;
	if (agent.arguments.help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	code = uv_loop_init(&agent.loop);
	if (code < 0) {
		fprintf(stderr, "lunette: the event loop: %s\n", uv_strerror(code));
		return EXIT_SYSTEM_REFUSED;
	}
	agent.record = (struct record) { .say = on_policy_log, .user = &agent };
	signal(SIGPIPE, SIG_IGN); /* whoever asks may go away */
	open_signals(&agent);     /* before the rules: who stops us early stops us properly */
	if (start(&agent, &error) < 0) {
		result = report_error(&error);
		close_handles(&agent);
	}
	uv_run(&agent.loop, UV_RUN_DEFAULT);
	lun_recorder_close(agent.record.recorder);
	lun_lua_watch_free(agent.watch);
	lun_lua_kept_free(agent.kept);
	uv_loop_close(&agent.loop);
	return result;
}
