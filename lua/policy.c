/* policy.c - lun_lua_policy_load: runs the file, and compiles what it declared; hooks.c answers the engine from then on. */
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

enum { LOOK_INTERVAL = 100 };

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

void script_unref(void *user)
{
	struct script *script = user;

	if (--script->references > 0)
		return;
	if (script->state != NULL)
		lua_close(script->state);
	script_sources_free(script);
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
	lua_Debug function;
	const char *near;

	if (strncmp(name, "on_", 3) != 0)
		return;
	for (int i = 0; i < LUN_LUA_HOOKS; i++) {
		if (strcmp(name, hook_names[i]) == 0)
			return;
	}
	lua_pushvalue(state, -1);
	lua_getinfo(state, ">S", &function);
	near = suggest(name, hook_names, LUN_LUA_HOOKS);
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

/* Pushes the global function of that name, or nil. */
static void hook_push(lua_State *state, const char *file, const char *name)
{
	lua_pushglobaltable(state);
	lua_pushstring(state, name);
	lua_rawget(state, -2);
	lua_remove(state, -2);
	if (!lua_isfunction(state, -1) && !lua_isnil(state, -1)) {
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
	object_open(state);
	flow_open_data(state);
	warn_keep_globals(state);
	script_push_chunk(state, source);
	lua_call(state, 0, 0);
	declare_finish(state);
	hooks_check_names(state);
	warn_globals(state);
	for (int i = 0; i < LUN_LUA_HOOKS; i++)
		hook_push(state, script->name, hook_names[i]);
	return LUN_LUA_HOOKS;
}

/* What a lua_pcall that failed with `status` means for who loads the policy. */
static int script_fail(struct script *script, int status, struct lun_error *error)
{
	char text[SCRIPT_TEXT];

	script_message(script, status, text);
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
	lua_pushcfunction(script->state, script_handle_message);
	lua_pushcfunction(script->state, load_script);
	script->loading = true;
	status = lua_pcall(script->state, 0, LUN_LUA_HOOKS, PLACE_HANDLER);
	if (status == LUA_OK)
		return 0;
	return script_fail(script, status, error);
}

int script_call(struct script *script, lua_CFunction function, const char *what, struct lun_error *error)
{
	int status;

	lua_settop(script->state, PLACE_ANSWER - 1);
	limits_begin(&script->limits, what, script->options.load_instructions);
	lua_pushcfunction(script->state, function);
	status = lua_pcall(script->state, 0, 0, PLACE_HANDLER);
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
		.hooks = hooks_of(script),
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
	script_sources_free(script);
	if (!kubernetes_follows(script)) {
		kubernetes_free(script);
		free(script->declared.services);
		script->declared = (struct declared) { .services = NULL };
		declare_release(script->state);
	}
	hooks_settle(script);
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
	text = script_read(path, SCRIPT_SOURCE, &length);
	if (text == NULL) {
		*code = fail(error, errno == ENOMEM ? LUN_NO_MEMORY : LUN_BAD_FILE, "%s: %s", path, strerror(errno));
		goto failed;
	}
	script->kept = kept_of(&script->options);
	if (script->kept != NULL && script->folder != NULL && script->name != NULL &&
	    script_source_add(script, name, text, length))
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
