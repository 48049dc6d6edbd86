/* node_agent.c - an agent for a Kubernetes node: what `lunette run` does, as far as a node needs it, in a program of one's own.
 *
 *	node_agent POLICY ADDRESS:PORT
 *
 * The policy follows the cluster's objects, by `require("lunette.kubernetes").watch("events")`, from a pipe into which somebody writes
 * watch events, as deploy/daemonset.yaml does.  At ADDRESS:PORT a kubelet's probes
 * get /healthz and /readyz, and Prometheus gets /metrics.  Connections live on when the agent ends, as on an update of its image. */
#include <lunette/control.h>
#include <lunette/live.h>
#include <lunette/lua.h>
#include <signal.h>
#include <stdio.h>

enum { LOOK_MS = 50 };

struct agent {
	struct lun_lua_watch *watch;
	struct lun_live *live;
	struct lun_metrics *metrics;
	uv_timer_t look;
	uv_signal_t stop;
};

static void on_line(void *user, const char *line)
{
	(void)user;
	fprintf(stderr, "%s\n", line);
}

static void on_live_line(void *user, enum lun_log_level level, const char *line)
{
	if (level <= LUN_LOG_INFO)
		on_line(user, line);
}

/* Objects came: connections that begin from now on go by them.  What cannot be taken changes nothing. */
static void on_look(uv_timer_t *look)
{
	struct agent *agent = look->data;
	struct lun_policy *next = NULL;
	struct lun_error error;
	int code = lun_lua_watch_read(agent->watch, &next, &error);

	if (code == 0 && next)
		code = lun_live_set_policy(agent->live, next, &error);
	if (code < 0 || next)
		lun_metrics_loaded(agent->metrics, code == 0);
	if (code < 0)
		on_line(NULL, error.text);
	lun_policy_unref(next);
}

static void stop(struct agent *agent)
{
	lun_metrics_close(agent->metrics);
	lun_live_stop(agent->live, false);
	uv_close((uv_handle_t *)&agent->look, NULL);
	uv_close((uv_handle_t *)&agent->stop, NULL);
}

static void on_stop(uv_signal_t *signal, int number)
{
	(void)number;
	stop(signal->data);
}

static int start(struct agent *agent, uv_loop_t *loop, char **argv, struct lun_error *error)
{
	const struct lun_lua_options options = { .size = sizeof(options), .log = on_line, .watch = &agent->watch };
	struct lun_live_config live = { .size = sizeof(live), .loop = loop, .log = on_live_line };
	struct lun_metrics_config metrics = { .size = sizeof(metrics), .loop = loop, .address = argv[2] };
	int code = lun_lua_policy_load(&live.policy, argv[1], &options, error);

	if (code == 0)
		code = lun_live_start(&agent->live, &live, error);
	lun_policy_unref(live.policy); /* the agent has a reference of its own */
	if (code == 0) {
		metrics.live = agent->live;
		code = lun_metrics_open(&agent->metrics, &metrics, error);
	}
	if (code == 0 && agent->watch)
		uv_timer_start(&agent->look, on_look, LOOK_MS, LOOK_MS);
	return code;
}

int main(int argc, char **argv)
{
	struct agent agent = { .watch = NULL };
	uv_loop_t *loop = uv_default_loop();
	struct lun_error error;
	int code;

	if (argc != 3)
		return fprintf(stderr, "usage: node_agent POLICY ADDRESS:PORT\n"), 2;
	signal(SIGPIPE, SIG_IGN); /* who asks for metrics may go */
	uv_timer_init(loop, &agent.look);
	uv_signal_init(loop, &agent.stop);
	agent.look.data = agent.stop.data = &agent;
	code = start(&agent, loop, argv, &error);
	if (code == 0) {
		uv_signal_start(&agent.stop, on_stop, SIGTERM);
		fprintf(stderr, "serving\n");
	} else {
		fprintf(stderr, "%s\n", error.text);
		stop(&agent);
	}
	uv_run(loop, UV_RUN_DEFAULT);
	lun_lua_watch_free(agent.watch);
	return code < 0 ? 1 : uv_loop_close(loop);
}
