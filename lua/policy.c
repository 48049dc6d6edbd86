/* policy.c - lun_lua_policy_load: runs the file, compiles what it declared, and answers the engine's hook from then on.
 *
 * All Lua code runs below lua_pcall, and so does everything of ours that may allocate in the state.  Loading ends with some
 * values on the stack, which stay there for the policy's life: the message handler, the functions that run the hooks (or nil), and the
 * last decision, whose strings the engine may read until the next call. */
#include "hash.h"
#include "kept.h"
#include "script.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum {
	HANDLER = 1,
	HOOK,
	REQUEST_HOOK,
	PACKET_HOOK,
	CLOSE_HOOK,
	DECISION,
	HOOKS = DECISION - HOOK
}; /* places on the stack */

enum { ROOM_FIRST = 16 * 1024, ROOM_HUGE = 2 * 1024 * 1024, SOURCE_MAX = 16 * 1024 * 1024, LOOK_INTERVAL = 100 };

static const struct lun_lua_options default_options = {
	.load_instructions = 100 * 1000 * 1000,
	.hook_instructions = 100 * 1000,
	.memory = 64 * 1024 * 1024,
};

static int fail(struct lun_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct lun_error *error, int code, const char *format, ...)
{
	va_list arguments;

	if (error == NULL)
		return code;
	error->code = code;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return code;
}

/* ---- Places and lines ------------------------------------------------------------------------------------------------ */

bool script_where(lua_State *state, lua_Debug *where)
{
	for (int level = 0; lua_getstack(state, level, where); level++) {
		lua_getinfo(state, "Sl", where);
		if (where->currentline > 0)
			return true;
	}
	return false;
}

/* Without snprintf: each decision that on_flow makes gets its place. */
void script_place(lua_State *state, char place[SCRIPT_PLACE])
{
	lua_Debug where;
	size_t length;

	*place = '\0';
	if (!script_where(state, &where))
		return;
	length = strlen(where.short_src);
	memcpy(place, where.short_src, length);
	place[length++] = ':';
	for (int rest = where.currentline; rest > 0; rest /= 10)
		length++;
	place[length] = '\0';
	for (int rest = where.currentline; rest > 0; rest /= 10)
		place[--length] = (char)('0' + rest % 10);
}

size_t script_place_length(const char *message)
{
	const char *colon = strchr(message, ':');
	size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;

	if (digits == 0 || colon[1 + digits] != ':' || colon[2 + digits] != ' ')
		return 0;
	return (size_t)(colon - message) + digits + 3;
}

static uint64_t clock_now(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The account of the place that this line begins with; the places that spoke last are remembered. */
static struct log_place *log_place_of(struct script *script, const char *line)
{
	size_t length = script_place_length(line);
	struct log_place *oldest = &script->log_places[0];

	if (length >= sizeof(oldest->place))
		length = sizeof(oldest->place) - 1;
	for (size_t i = 0; i < sizeof(script->log_places) / sizeof(script->log_places[0]); i++) {
		struct log_place *place = &script->log_places[i];

		if (place->quiet_until > 0 && strncmp(place->place, line, length) == 0 && place->place[length] == '\0')
			return place;
		if (place->quiet_until < oldest->quiet_until)
			oldest = place;
	}
	*oldest = (struct log_place) { .unsaid = 0 };
	memcpy(oldest->place, line, length);
	return oldest;
}

/* Whether a line may be said, a second after the last one of its place; => how many were not, since then. */
static bool log_may_speak(struct script *script, const char *line, uint64_t *unsaid)
{
	struct log_place *place = log_place_of(script, line);
	uint64_t now = clock_now(CLOCK_MONOTONIC_COARSE);

	if (now < place->quiet_until) {
		place->unsaid++;
		return false;
	}
	*unsaid = place->unsaid;
	place->unsaid = 0;
	place->quiet_until = now + 1000000000;
	return true;
}

const char *script_folder(const struct script *script, const char *message)
{
	return *message == '/' ? "" : script->folder;
}

void script_log(struct script *script, const char *line)
{
	char text[SCRIPT_TEXT + 64], more[64] = "";
	uint64_t unsaid = 0;

	if (script->options.log == NULL || (!script->loading && !log_may_speak(script, line, &unsaid)))
		return;
	if (unsaid > 0)
		snprintf(more, sizeof(more), " (and %llu times since it was said last)", (unsigned long long)unsaid);
	snprintf(text, sizeof(text), "%s%s%s", script_folder(script, line), line, more);
	script->options.log(script->options.user, text);
}

/* ---- Files ----------------------------------------------------------------------------------------------------------- */

/* The room to begin with for what a stream holds: of a file that is large already enough, on huge pages, for else the faults
 * cost more than the reading. */
static size_t stream_room(FILE *file, size_t most)
{
	struct stat status;

	if (fstat(fileno(file), &status) < 0 || status.st_size < ROOM_FIRST || (uint64_t)status.st_size >= most)
		return ROOM_FIRST;
	return ((size_t)status.st_size + ROOM_HUGE) / ROOM_HUGE * ROOM_HUGE;
}

/* All that a stream holds, as script_read. */
static char *stream_read(FILE *file, size_t most, size_t *length)
{
	size_t size = stream_room(file, most);
	char *text = aligned_alloc(size % ROOM_HUGE == 0 ? ROOM_HUGE : sizeof(max_align_t), size);

	if (size % ROOM_HUGE == 0 && text != NULL)
		madvise(text, size, MADV_HUGEPAGE);
	for (*length = 0; text != NULL; size *= 2) {
		char *grown;

		*length += fread(text + *length, 1, size - 1 - *length, file);
		if (ferror(file))
			break;
		text[*length] = '\0';
		if (feof(file))
			return text;
		errno = EFBIG;
		grown = size * 2 <= most ? realloc(text, size * 2) : NULL;
		if (grown == NULL)
			break;
		text = grown;
	}
	free(text);
	return NULL;
}

char *script_read(const char *path, size_t most, size_t *length)
{
	FILE *file = fopen(path, "re");
	char *text;
	int code;

	if (file == NULL)
		return NULL;
	text = stream_read(file, most, length);
	code = errno;
	fclose(file);
	errno = code;
	return text;
}

int script_file_error(lua_State *state, const char *path)
{
	return errno == ENOMEM ? limits_no_memory(state) : luaL_error(state, "%s: %s", path, strerror(errno));
}

/* Keeps a file's text for error messages; false if memory is short. */
static bool source_add(struct script *script, const char *name, char *text, size_t length)
{
	size_t size = strlen(name) + 1;
	struct source *source = malloc(sizeof(*source) + size);

	if (source == NULL)
		return false;
	*source = (struct source) { .next = script->sources, .text = text, .length = length };
	memcpy(source->name, name, size);
	script->sources = source;
	return true;
}

static void sources_free(struct script *script)
{
	struct source *next;

	for (struct source *source = script->sources; source != NULL; source = next) {
		next = source->next;
		free(source->text);
		free(source);
	}
	script->sources = NULL;
}

static int chunk_push(lua_State *state, const char *name, const char *text, size_t length)
{
	return luaL_loadbufferx(state, text, length, lua_pushfstring(state, "@%s", name), "t");
}

const struct source *script_source(lua_State *state, const char *name)
{
	struct script *script = script_of(state);
	const char *path = lua_pushfstring(state, "%s%s", script->folder, name);
	size_t length;
	char *text = script_read(path, SOURCE_MAX, &length);

	if (text == NULL)
		script_file_error(state, path);
	if (!source_add(script, name, text, length)) {
		free(text);
		limits_no_memory(state);
	}
	lua_pop(state, 1);
	return script->sources;
}

void script_push_file(lua_State *state, const char *name)
{
	const struct source *source = script_source(state, name);

	if (chunk_push(state, name, source->text, source->length) != LUA_OK)
		lua_error(state);
	lua_remove(state, -2);
}

/* ---- Messages -------------------------------------------------------------------------------------------------------- */

/* The message handler: every message begins with a place. */
static int message_handle(lua_State *state)
{
	const char *message = lua_type(state, 1) == LUA_TSTRING ? lua_tostring(state, 1) : NULL;
	char place[SCRIPT_PLACE];

	if (message == NULL)
		message = lua_pushfstring(state, "error raised with a %s", luaL_typename(state, 1));
	if (script_of(state)->limits.overrun != OVERRUN_NONE || script_place_length(message) > 0)
		return 1;
	script_place(state, place);
	if (*place != '\0')
		lua_pushfstring(state, "%s: %s", place, message);
	return 1;
}

/* What a failed lua_pcall left on top, as "kind.lua:30: message", or "kind.lua: message" if no line could be told. */
static const char *message_of(struct script *script, int status, char text[SCRIPT_TEXT])
{
	char overrun[LIMITS_MESSAGE];
	const char *message = lua_tostring(script->state, -1);

	if (limits_overran(&script->limits, status)) {
		limits_message(&script->limits, overrun);
		message = overrun;
	}
	if (script_place_length(message) > 0)
		snprintf(text, SCRIPT_TEXT, "%s", message);
	else
		snprintf(text, SCRIPT_TEXT, "%s: %s", script->name, message);
	return text;
}

/* ---- The hook -------------------------------------------------------------------------------------------------------- */

/* Calls the function on top of the stack, about script->flow, and says what is wrong with it if it fails; `results` are left on
 * top. */
static int hook_call_top(struct script *script, int results)
{
	char text[SCRIPT_TEXT];
	int status;

	limits_begin(&script->limits, "one call of a hook", script->options.hook_instructions);
	script->call++;
	status = lua_pcall(script->state, 0, results, HANDLER);
	script->flow = NULL;
	script->has_clock = false;
	if (status == LUA_OK)
		return 0;
	script_log(script, message_of(script, status, text));
	return LUN_BAD_POLICY;
}

/* Calls the hook at a place of the stack. */
static int hook_call(struct script *script, int hook, int results)
{
	lua_settop(script->state, CLOSE_HOOK);
	lua_pushvalue(script->state, hook);
	return hook_call_top(script, results);
}

/* The same, and what it costs, where somebody wants to know. */
static int hook_run(struct script *script, int hook, int results, struct lun_lua_hook_stats *stats)
{
	uint64_t began = stats != NULL ? clock_now(CLOCK_MONOTONIC) : 0;
	int code = hook_call(script, hook, results);

	if (stats == NULL)
		return code;
	stats->calls++;
	stats->failed += code < 0;
	stats->ns += clock_now(CLOCK_MONOTONIC) - began;
	return code;
}

static int policy_flow(void *user, const struct lun_new_flow *flow, struct lun_decision *decision)
{
	struct script *script = user;
	int code;

	script->flow = flow;
	script->now = flow->now;
	script->has_clock = true;
	script->decision = decision;
	code = hook_run(script, HOOK, 1, script->options.stats != NULL ? &script->options.stats->flow : NULL);
	script->decision = NULL;
	if (code < 0)
		*decision = (struct lun_decision) { .action = LUN_ACTION_MAP };
	return code;
}

static int policy_request(void *user, struct lun_request *request)
{
	const struct lun_new_flow flow = { .tuple = request->tuple, .service = request->service };
	struct script *script = user;
	int code;

	script->flow = &flow;
	script->request = request;
	code = hook_run(script, REQUEST_HOOK, 0, script->options.stats != NULL ? &script->options.stats->request : NULL);
	script->request = NULL;
	return code;
}

static int policy_packet(void *user, const struct lun_seen_packet *packet, struct lun_decision *decision)
{
	const struct lun_new_flow flow = {
		.tuple = packet->orig, .service = packet->service, .port = packet->port, .now = packet->now
	};
	struct script *script = user;
	int code;

	script->flow = &flow;
	script->now = packet->now;
	script->has_clock = true;
	script->packet = packet;
	script->decision = decision;
	code = hook_call(script, PACKET_HOOK, 1);
	script->packet = NULL;
	script->decision = NULL;
	return code;
}

/* on_close, if there is one and there was a flow; then what the script kept for it goes. */
static void policy_close(void *user, const struct lun_flow *ended, uint64_t now)
{
	struct script *script = user;
	struct lun_new_flow flow = { .tuple = ended->orig, .now = now };
	char service[LUN_NAME_SIZE], *colon;

	if (ended->id != 0 && lua_isfunction(script->state, CLOSE_HOOK)) {
		snprintf(service, sizeof(service), "%s", ended->service != NULL ? ended->service : "");
		colon = strrchr(service, ':');
		if (colon != NULL) {
			*colon = '\0';
			flow.service = service;
			flow.port = colon + 1;
		}
		script->flow = &flow;
		script->now = now;
		script->has_clock = true;
		script->ended = ended;
		hook_call(script, CLOSE_HOOK, 0);
		script->ended = NULL;
	}
	if (script->data_count > 0) {
		script->flow = &flow;
		lua_settop(script->state, CLOSE_HOOK);
		lua_pushcfunction(script->state, flow_drop_data);
		hook_call_top(script, 0);
	}
}

void script_unref(void *user)
{
	struct script *script = user;

	if (--script->references > 0)
		return;
	if (script->state != NULL)
		lua_close(script->state);
	sources_free(script);
	kubernetes_free(script);
	rate_release(script);
	free(script->declared.services);
	free(script->folder);
	free(script->name);
	free(script);
}

/* ---- Loading --------------------------------------------------------------------------------------------------------- */

/* A function whose name is that of a hook which there is not. */
static void hook_check_name(lua_State *state, const char *name)
{
	static const char *const hooks[] = { "on_flow", "on_request", "on_packet", "on_close" };
	static const size_t count = sizeof(hooks) / sizeof(hooks[0]);
	lua_Debug function;
	const char *near;

	if (strncmp(name, "on_", 3) != 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, hooks[i]) == 0)
			return;
	}
	lua_pushvalue(state, -1);
	lua_getinfo(state, ">S", &function);
	near = suggest(name, hooks, count);
	lua_pushfstring(state, "%s:%d: unknown hook %s, did you mean %s?", function.short_src, function.linedefined, name,
			near != NULL ? near : "on_flow");
	lua_error(state);
}

static void hooks_check_names(lua_State *state)
{
	lua_pushglobaltable(state);
	for (lua_pushnil(state); lua_next(state, -2) != 0; lua_pop(state, 1)) {
		if (lua_type(state, -2) == LUA_TSTRING && lua_isfunction(state, -1))
			hook_check_name(state, lua_tostring(state, -2));
	}
	lua_pop(state, 1);
}

/* Pushes what `push` makes of the global function of that name, or nil. */
static void hook_push(lua_State *state, const char *file, const char *name, void (*push)(lua_State *state))
{
	lua_pushglobaltable(state);
	lua_pushstring(state, name);
	lua_rawget(state, -2);
	lua_remove(state, -2);
	if (lua_isfunction(state, -1)) {
		push(state);
	} else if (!lua_isnil(state, -1)) {
		lua_pushfstring(state, "%s:1: %s is a %s, expected a function", file, name, luaL_typename(state, -1));
		lua_error(state);
	}
}

/* => the hooks, or nil */
static int load_script(lua_State *state)
{
	const struct script *script = script_of(state);
	const struct source *source = script->sources;

	sandbox_open(state);
	address_open(state);
	decision_open(state);
	declare_open(state);
	http_open(state);
	set_open(state);
	rate_open(state);
	time_open(state);
	hash_open(state);
	flow_open_data(state);
	warn_keep_globals(state);
	if (chunk_push(state, source->name, source->text, source->length) != LUA_OK)
		return lua_error(state);
	lua_call(state, 0, 0);
	declare_finish(state);
	hooks_check_names(state);
	warn_globals(state);
	hook_push(state, script->name, "on_flow", flow_push_hook);
	hook_push(state, script->name, "on_request", request_push_hook);
	hook_push(state, script->name, "on_packet", packet_push_hook);
	hook_push(state, script->name, "on_close", close_push_hook);
	return HOOKS;
}

/* What a lua_pcall that failed with `status` means for who loads the policy. */
static int script_fail(struct script *script, int status, struct lun_error *error)
{
	char text[SCRIPT_TEXT];

	message_of(script, status, text);
	return fail(error, script->limits.overrun == OVERRUN_SYSTEM ? LUN_NO_MEMORY : LUN_BAD_POLICY, "%s%s",
		    script_folder(script, text), text);
}

static int script_run(struct script *script, struct lun_error *error)
{
	int status;

	script->limits = (struct limits) { .memory = script->options.memory, .tight = true };
	script->state = lua_newstate(limits_allocate, &script->limits);
	if (script->state == NULL)
		return fail(error, LUN_NO_MEMORY, "%s%s: out of memory for a Lua state", script->folder, script->name);
	script->limits.state = script->state;
	script->limits.interval = LOOK_INTERVAL;
	if (script->options.hook_instructions < 4 * LOOK_INTERVAL)
		script->limits.interval = 1 + (int)script->options.hook_instructions / 4;
	*(struct script **)lua_getextraspace(script->state) = script;
	limits_begin(&script->limits, "loading a policy", script->options.load_instructions);
	lua_pushcfunction(script->state, message_handle);
	lua_pushcfunction(script->state, load_script);
	script->loading = true;
	status = lua_pcall(script->state, 0, HOOKS, HANDLER);
	if (status == LUA_OK)
		return 0;
	return script_fail(script, status, error);
}

int script_call(struct script *script, lua_CFunction function, const char *what, struct lun_error *error)
{
	int status;

	lua_settop(script->state, CLOSE_HOOK);
	limits_begin(&script->limits, what, script->options.load_instructions);
	lua_pushcfunction(script->state, function);
	status = lua_pcall(script->state, 0, 0, HANDLER);
	if (status == LUA_OK)
		return 0;
	return script_fail(script, status, error);
}

int script_compile(struct script *script, struct lun_policy **policy, struct lun_error *error)
{
	const struct declared *declared = &script->declared;
	struct lun_policy_config config = {
		.size = sizeof(config),
		.node = declared->node,
		.services = declared->services,
		.service_count = declared->service_count,
		.hooks = { .free = script_unref, .user = script },
		.timeouts = declared->timeouts,
		.timeout_count = declared->timeout_count,
		.source_limit = declared->source_limit,
		.half_open_limit = declared->half_open_limit,
		.limits_drop = declared->limits_drop,
		.on_error = declared->on_error,
		.intercept = declared->intercept,
		.intercept_count = declared->intercept_count,
		.hash_seed = declared->hash_seed,
	};
	struct lun_error wrong;
	int code;

	if (lua_isfunction(script->state, HOOK))
		config.hooks.flow = policy_flow;
	if (lua_isfunction(script->state, REQUEST_HOOK))
		config.hooks.request = policy_request;
	if (lua_isfunction(script->state, PACKET_HOOK))
		config.hooks.packet = policy_packet;
	if (config.hooks.flow != NULL || config.hooks.request != NULL || config.hooks.packet != NULL ||
	    lua_isfunction(script->state, CLOSE_HOOK))
		config.hooks.close = policy_close; /* each of them may use flow.data */
	code = lun_policy_new(policy, &config, &wrong);
	if (code == 0) {
		script->references++;
		return 0;
	}
	if (script_place_length(wrong.text) > 0)
		return fail(error, code, "%s%s", script_folder(script, wrong.text), wrong.text);
	return fail(error, code, "%s%s: %s", script->folder, script->name, wrong.text);
}

/* What only loading needed; to follow streams takes the declarations, too. */
static void script_settle(struct script *script)
{
	script->loading = false;
	sources_free(script);
	if (kubernetes_follows(script))
		return;
	kubernetes_free(script);
	free(script->declared.services);
	script->declared = (struct declared) { .services = NULL };
	declare_release(script->state);
	lua_gc(script->state, LUA_GCCOLLECT);
}

static struct lun_lua_options options_with_defaults(const struct lun_lua_options *given)
{
	struct lun_lua_options options = { .size = sizeof(options) };

	if (given != NULL)
		memcpy(&options, given, given->size);
	if (options.load_instructions == 0)
		options.load_instructions = default_options.load_instructions;
	if (options.hook_instructions == 0)
		options.hook_instructions = default_options.hook_instructions;
	if (options.memory == 0)
		options.memory = default_options.memory;
	return options;
}

/* What the policy before kept, or nothing yet.  => holds a reference for the caller; NULL: no memory */
static struct lun_lua_kept *kept_of(const struct lun_lua_options *options)
{
	struct lun_lua_kept *kept = options->kept != NULL ? *options->kept : NULL;

	if (kept == NULL)
		kept = kept_new();
	else
		kept->references++;
	if (kept != NULL && options->kept != NULL && *options->kept == NULL) {
		*options->kept = kept;
		kept->references++;
	}
	return kept;
}

/* => a script with the text of its file and nothing more, or NULL with `code` */
static struct script *script_new(const char *path, const struct lun_lua_options *options, struct lun_error *error, int *code)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	struct script *script = calloc(1, sizeof(*script));
	size_t length;
	char *text;

	if (script == NULL)
		goto out_of_memory;
	script->references = 1;
	script->options = options_with_defaults(options);
	script->folder = strndup(path, (size_t)(name - path));
	script->name = strdup(name);
	text = script_read(path, SOURCE_MAX, &length);
	if (text == NULL) {
		*code = fail(error, errno == ENOMEM ? LUN_NO_MEMORY : LUN_BAD_FILE, "%s: %s", path, strerror(errno));
		goto failed;
	}
	script->kept = kept_of(&script->options);
	if (script->kept != NULL && script->folder != NULL && script->name != NULL && source_add(script, name, text, length))
		return script;
	free(text);
out_of_memory:
	*code = fail(error, LUN_NO_MEMORY, "%s: %s", path, lun_strerror(LUN_NO_MEMORY));
failed:
	if (script != NULL)
		script_unref(script);
	return NULL;
}

/* Who follows streams gets a watch in place of the one before. */
static int script_follow(struct script *script, struct lun_policy **policy, struct lun_error *error)
{
	struct lun_lua_watch *watch = NULL;

	if (script->options.watch == NULL)
		return 0;
	if (kubernetes_follows(script)) {
		watch = kubernetes_watch(script, *policy);
		if (watch == NULL) {
			lun_policy_unref(*policy);
			return fail(error, LUN_NO_MEMORY, "%s%s: %s", script->folder, script->name,
				    lun_strerror(LUN_NO_MEMORY));
		}
	}
	lun_lua_watch_free(*script->options.watch);
	*script->options.watch = watch;
	script->options.watch = NULL;
	return 0;
}

int lun_lua_policy_load(struct lun_policy **policy, const char *path, const struct lun_lua_options *options,
			struct lun_error *error)
{
	struct script *script;
	int code;

	if (options != NULL && (options->size == 0 || options->size > sizeof(*options)))
		return fail(error, LUN_BAD_ARGUMENT,
			    "options.size is %zu, expected sizeof(struct lun_lua_options), here %zu", options->size,
			    sizeof(*options));
	script = script_new(path, options, error, &code);
	if (script == NULL)
		return code;
	code = script_run(script, error);
	if (code == 0)
		code = script_compile(script, policy, error);
	if (code == 0) {
		warn_declared(script);
		script_settle(script);
		code = script_follow(script, policy, error);
	}
	script_unref(script);
	return code;
}
