/* live.c - the conductor: starts and stops the parts, and lets the loop call them.
 *
 * Order of a start: what can fail without a trace comes first (privileges, sockets, memory), the rules come last.  From
 * then on every callback does a bounded piece of work and returns to the loop. */
#include "live/live.h"
#include "live/edits.h"
#include "live/fail.h"
#include "live/privilege.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	DEFAULT_QUEUE = 4242,
	DEFAULT_MARK_QUEUE = 0x00100000,
	DEFAULT_MARK_COMMITTED = 0x00200000,
	DEFAULT_MARK_REJECT = 0x00400000,
	DEFAULT_FLOWS = 65536,
	BATCHES_A_TURN = 8, /* before the loop asks what else there is: verdicts often bring the next packets at once */
	LAST_BATCHES = 256, /* of a queue that is being left: all that it can hold */
};

void live_log(struct lun_live *live, enum lun_log_level level, const char *format, ...)
{
	va_list arguments;
	char line[512];

	if (!live->log)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	live->log(live->user, level, line);
}

/* ---- Callbacks of the loop ---- */

static void on_engine_due(uv_timer_t *timer);

/* Sees to it that the engine is called when it wants to be. */
static void arm_engine(struct lun_live *live, uint64_t now)
{
	uint64_t deadline = lun_engine_deadline(live->engine);

	if (deadline == live->armed_for)
		return;
	live->armed_for = deadline;
	if (deadline == UINT64_MAX)
		uv_timer_stop(&live->engine_due);
	else
		uv_timer_start(&live->engine_due, on_engine_due, deadline > now ? (deadline - now) / 1000000 + 1 : 0, 0);
}

/* The engine's events outside of a batch: no COMMIT is among them. */
static void drain_events(struct lun_live *live)
{
	struct lun_event event;

	while (lun_engine_next_event(live->engine, &event))
		endings_note(live, &event);
	endings_proceed(live);
}

static void on_engine_due(uv_timer_t *timer)
{
	struct lun_live *live = timer->data;
	uint64_t now = uv_hrtime();

	live->armed_for = 0;
	lun_engine_tick(live->engine, now);
	drain_events(live);
	arm_engine(live, now);
}

static void on_queue_readable(uv_poll_t *poll, int status, int events)
{
	struct lun_live *live = poll->data;
	uint64_t now = uv_hrtime();

	(void)status;
	(void)events;
	for (int i = 0; i < BATCHES_A_TURN && live->mode->serve(live, now) > 0; i++)
		now = uv_hrtime();
	arm_engine(live, now);
}

static void on_edits_readable(uv_poll_t *poll, int status, int events)
{
	struct lun_live *live = poll->data;
	uint64_t now = uv_hrtime();

	(void)status;
	(void)events;
	for (int i = 0; i < BATCHES_A_TURN && edits_serve(live, now) > 0; i++)
		now = uv_hrtime();
	arm_engine(live, now);
}

static void on_dump_due(uv_timer_t *timer)
{
	struct lun_live *live = timer->data;
	uint64_t now = uv_hrtime();

	uv_timer_start(timer, on_dump_due, carried_proceed(live, now), 0);
	drain_events(live);
	arm_engine(live, now);
}

static void on_dump_readable(uv_poll_t *poll, int status, int events)
{
	struct lun_live *live = poll->data;
	uint64_t now = uv_hrtime();

	(void)status;
	(void)events;
	carried_read(live, now);
	if (live->carried.state == CARRIED_SWEEPING)
		uv_timer_start(&live->dump_due, on_dump_due, 0, 0);
	drain_events(live);
	arm_engine(live, now);
}

static void on_rules_due(uv_timer_t *timer);

/* Somebody changed firewall rules, perhaps ours. */
static void see_rules(struct lun_live *live)
{
	uint64_t wait_ms = watch_proceed(live, uv_hrtime());

	if (wait_ms)
		uv_timer_start(&live->rules_due, on_rules_due, wait_ms, 0);
}

static void on_rules_due(uv_timer_t *timer)
{
	see_rules(timer->data);
}

static void on_rules_changed(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	see_rules(poll->data);
}

/* ---- Parts ---- */

static void parts_free(struct lun_live *live)
{
	watch_close(&live->watch);
	queue_close(&live->queue);
	queue_close(&live->edits);
	netlink_close(&live->conntrack);
	route_close(&live->routes);
	carried_close(&live->carried);
	inject_close(&live->inject);
	prompt_close(&live->prompt);
	sysctls_restore(&live->sysctls);
	lun_engine_free(live->engine);
	lun_policy_unref(live->policy);
	free(live);
}

static void on_closed(uv_handle_t *handle)
{
	struct lun_live *live = handle->data;

	if (--live->open_handles == 0)
		parts_free(live);
}

/* The struct goes when the loop has closed the last handle; at once if there is none. */
static void live_close(struct lun_live *live)
{
	uv_handle_t *handles[] = {
		(uv_handle_t *)&live->engine_due,     (uv_handle_t *)&live->rules_due, (uv_handle_t *)&live->queue_readable,
		(uv_handle_t *)&live->rules_changed,  (uv_handle_t *)&live->dump_due,  (uv_handle_t *)&live->dump_readable,
		(uv_handle_t *)&live->edits_readable,
	};
	unsigned count = live->open_handles;

	for (unsigned i = 0; i < count; i++)
		uv_close(handles[i], on_closed);
	if (count == 0)
		parts_free(live);
}

/* Handles are made in the order in which live_close counts them. */
static int handles_open(struct lun_live *live, uv_loop_t *loop, struct lun_error *error)
{
	int problem;

	uv_timer_init(loop, &live->engine_due);
	uv_timer_init(loop, &live->rules_due);
	live->engine_due.data = live->rules_due.data = live->dump_due.data = live;
	live->queue_readable.data = live->rules_changed.data = live->dump_readable.data = live->edits_readable.data = live;
	live->open_handles = 2;
	problem = uv_poll_init(loop, &live->queue_readable, live->queue.netlink.fd);
	if (problem == 0) {
		live->open_handles++;
		problem = uv_poll_init(loop, &live->rules_changed, live->watch.netlink.fd);
	}
	if (problem == 0)
		live->open_handles++;
	if (problem == 0 && live->mode->carries) {
		uv_timer_init(loop, &live->dump_due);
		live->open_handles++;
		problem = uv_poll_init(loop, &live->dump_readable, live->carried.netlink.fd);
		live->open_handles += problem == 0;
		if (problem == 0)
			problem = uv_poll_init(loop, &live->edits_readable, live->edits.netlink.fd);
		live->open_handles += problem == 0;
	}
	return problem ? live_fail(error, LUN_SYSTEM, "the event loop: %s", uv_strerror(problem)) : 0;
}

static void handles_start(struct lun_live *live)
{
	uv_poll_start(&live->queue_readable, UV_READABLE, on_queue_readable);
	uv_poll_start(&live->rules_changed, UV_READABLE, on_rules_changed);
	if (live->mode->carries) {
		uv_poll_start(&live->dump_readable, UV_READABLE, on_dump_readable);
		uv_poll_start(&live->edits_readable, UV_READABLE, on_edits_readable);
		uv_timer_start(&live->dump_due, on_dump_due, 0, 0);
	}
	see_rules(live);
	arm_engine(live, uv_hrtime());
}

/* A struct of the caller's that begins with its `size` (lunette.h, "Growth"), into ours, which is zero. */
static int struct_read(void *ours, size_t size, const void *given, const char *name, struct lun_error *error)
{
	size_t given_size;

	memcpy(&given_size, given, sizeof(given_size));
	if (given_size == 0 || given_size > size)
		return live_fail(error, LUN_BAD_ARGUMENT, "the size in the %s is %zu, expected its sizeof, here %zu", name,
				 given_size, size);
	memcpy(ours, given, given_size);
	return 0;
}

/* The parts of the mode, and the engine as it wants it. */
static int engine_open(struct lun_live *live, const struct lun_live_config *config, struct lun_error *error)
{
	struct lun_config engine = { 0 };
	int code = config->engine ? struct_read(&engine, sizeof(engine), config->engine, "engine's config", error) : 0;

	if (code < 0)
		return code;
	engine.size = sizeof(engine);
	if (!engine.flows)
		engine.flows = DEFAULT_FLOWS;
	code = live->mode->open(live, &engine, error);
	if (code < 0)
		return code;
	if (!engine.seed[0] && !engine.seed[1] && getrandom(engine.seed, sizeof(engine.seed), 0) != sizeof(engine.seed))
		return live_fail(error, LUN_SYSTEM, "no random seed: %s", strerror(errno));
	if (lun_engine_new(&live->engine, &engine, config->policy, error) < 0)
		return error ? error->code : LUN_NO_MEMORY;
	return 0;
}

static int rules_init(struct rules *rules, const struct lun_live_config *config, struct lun_error *error)
{
	rules->mode = config->mode;
	rules->queueing = RULES_NFT;
	rules->queue = config->queue ? config->queue : DEFAULT_QUEUE;
	rules->udp_timeout_ms = rules_udp_timeout();
	rules->marks = config->marks;
	if (!rules->marks.queue)
		rules->marks.queue = DEFAULT_MARK_QUEUE;
	if (!rules->marks.committed)
		rules->marks.committed = DEFAULT_MARK_COMMITTED;
	if (!rules->marks.reject)
		rules->marks.reject = DEFAULT_MARK_REJECT;
	if (__builtin_popcount(rules->marks.queue) != 1 || __builtin_popcount(rules->marks.committed) != 1 ||
	    __builtin_popcount(rules->marks.reject) != 1 ||
	    __builtin_popcount(rules->marks.queue | rules->marks.committed | rules->marks.reject) != 3)
		return live_fail(error, LUN_BAD_ARGUMENT, "marks: expected three different bits");
	return 0;
}

/* Everything but the rules.  What was opened before a failure is closed by live_close. */
static int parts_open(struct lun_live *live, const struct lun_live_config *config, struct lun_error *error)
{
	int code = privilege_check(error);

	if (code == 0)
		code = rules_init(&live->rules, config, error);
	if (code == 0)
		code = rules_detect(&live->rules.queueing, error);
	if (code == 0)
		code = engine_open(live, config, error);
	if (code == 0)
		code = live->mode->begin(live, error);
	if (code == 0)
		code = watch_open(&live->watch, live->rules.queueing, error);
	if (code == 0)
		code = handles_open(live, config->loop, error);
	return code;
}

/* Tells what is not done where the kernel carries connections. */
static void warn_carried(struct lun_live *live)
{
	struct lun_frontend frontend;
	char address[LUN_ADDRESS_TEXT];

	for (size_t i = 0; live->mode->carries && lun_policy_frontend(live->policy, i, &frontend); i++)
		if (frontend.timeouts)
			live_log(live, LUN_LOG_WARNING, "%s: connections to %s have the kernel's timeouts, not the policy's",
				 frontend.service, lun_endpoint_format(&frontend.address, frontend.port, address));
}

/* What the kernel carries, no hook sees, and of it no response is edited. */
static int check_policy(const struct live_mode *mode, const struct lun_policy *policy, struct lun_error *error)
{
	struct lun_frontend frontend;

	for (size_t i = 0; mode->carries && lun_policy_frontend(policy, i, &frontend); i++)
		if (frontend.http_responses)
			return live_fail(
				error, LUN_BAD_POLICY,
				"%s: its responses are edited, but the kernel carries them past us: expected lunette "
				"run --inline",
				frontend.service);
	if (!mode->carries || !lun_policy_sees_packets(policy))
		return 0;
	return live_fail(error, LUN_BAD_POLICY,
			 "the policy has on_packet, but the kernel carries packets past it: expected lunette run --inline");
}

/* ---- The public functions ---- */

int lun_live_start(struct lun_live **result, const struct lun_live_config *given, struct lun_error *error)
{
	struct lun_live_config ours = { 0 };
	const struct lun_live_config *config = &ours;
	struct lun_live *live;
	int code = struct_read(&ours, sizeof(ours), given, "config", error);

	if (code < 0)
		return code;
	if (!config->loop || !config->policy)
		return live_fail(error, LUN_BAD_ARGUMENT, "a live agent needs a loop and a policy");
	code = check_policy(config->mode == LUN_LIVE_INLINE ? &live_inline : &live_commit, config->policy, error);
	if (code < 0)
		return code;
	live = calloc(1, sizeof(*live));
	if (!live)
		return live_fail(error, LUN_NO_MEMORY, "no memory for a live agent");
	live->log = config->log;
	live->user = config->user;
	live->mode = config->mode == LUN_LIVE_INLINE ? &live_inline : &live_commit;
	live->tenant_mask = config->tenant_mask;
	live->set_sysctls = config->set_sysctls;
	live->prompt = (struct prompt) { -1, -1 };
	live->policy = config->policy;
	lun_policy_ref(live->policy);
	code = parts_open(live, config, error);
	if (code == 0)
		code = rules_install(&live->rules, live->policy, error);
	if (code < 0) {
		live_close(live);
		return code;
	}
	watch_own_change(live);
	warn_carried(live);
	drain_events(live); /* flows of an earlier agent whose endpoints are gone */
	handles_start(live);
	*result = live;
	return 0;
}

/* The engine goes first: until the sets follow, nothing of a new service is queued. */
int lun_live_set_policy(struct lun_live *live, struct lun_policy *policy, struct lun_error *error)
{
	int code = check_policy(live->mode, policy, error);

	if (code == 0 && live->mode->prepare)
		code = live->mode->prepare(live, policy, error);
	if (code < 0)
		return code;
	code = lun_engine_set_policy(live->engine, policy);
	if (code < 0)
		return live_fail(error, code, "%s", lun_strerror(code));
	code = rules_update(&live->rules, live->policy, policy, error);
	if (code < 0) {
		lun_engine_set_policy(live->engine, live->policy);
		return code;
	}
	lun_policy_ref(policy);
	lun_policy_unref(live->policy);
	live->policy = policy;
	watch_own_change(live);
	see_rules(live);
	route_clear(&live->routes);
	drain_events(live); /* flows that the change ended */
	arm_engine(live, uv_hrtime());
	warn_carried(live);
	return 0;
}

struct lun_engine *lun_live_engine(const struct lun_live *live)
{
	return live->engine;
}

int lun_live_end_flow(struct lun_live *live, const struct lun_flow *flow)
{
	if (lun_flow_end(live->engine, flow->id) < 0)
		return LUN_NOT_FOUND;
	if (live->mode->carries)
		endings_add(live, &flow->orig, &flow->reply);
	endings_proceed(live);
	return 0;
}

void lun_live_stats(const struct lun_live *live, struct lun_live_stats *stats)
{
	*stats = live->stats;
	queue_add_state(&live->queue, stats);
	if (live->mode->carries)
		queue_add_state(&live->edits, stats);
	stats->mode = live->mode->carries ? LUN_LIVE_COMMIT : LUN_LIVE_INLINE;
	stats->counts = !live->mode->carries || sysctl_is_on("net/netfilter/nf_conntrack_acct");
}

void lun_live_stop(struct lun_live *live, bool flush)
{
	struct lun_error error;

	if (!live)
		return;
	if (rules_stop_queueing(&live->rules, &error) < 0)
		live_log(live, LUN_LOG_ERROR, "%s", error.text);
	for (int i = 0; i < LAST_BATCHES && live->mode->serve(live, uv_hrtime()) > 0; i++)
		;
	live->mode->end(live, flush);
	live_close(live);
}

int lun_live_rules(char **text, const struct lun_live_config *given, struct lun_error *error)
{
	struct lun_live_config config = { 0 };
	struct rules rules;
	int code = struct_read(&config, sizeof(config), given, "config", error);

	if (code == 0)
		code = rules_init(&rules, &config, error);
	if (code < 0)
		return code;
	*text = rules_text(&rules, config.policy);
	return *text ? 0 : live_fail(error, LUN_NO_MEMORY, "no memory for the rules");
}
