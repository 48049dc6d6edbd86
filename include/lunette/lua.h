/* lua.h - a policy written in Lua 5.4 (library lunette-lua).
 *
 * Running the file declares the node and its services; the functions that it defines are called later, inside a sandbox with
 * limits of memory and instructions.  The language is described in README.md. */
#ifndef LUNETTE_LUA_H
#define LUNETTE_LUA_H

#include <lunette/lunette.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lun_lua_watch;
struct lun_lua_kept;

/* What calls of a hook cost. */
struct lun_lua_hook_stats {
	uint64_t calls, failed;
	uint64_t ns; /* real time */
};

enum lun_lua_hook { LUN_LUA_ON_FLOW, LUN_LUA_ON_REQUEST, LUN_LUA_ON_PACKET, LUN_LUA_ON_CLOSE, LUN_LUA_HOOKS };
#define LUN_LUA_HOOK_NAMES                                                                                                  \
	{                                                                                                                   \
		"on_flow", "on_request", "on_packet", "on_close"                                                            \
	} /* by their number */

/* A line of the policy at which calls failed. */
struct lun_lua_place {
	char at[80]; /* "kind.lua:30" */
	uint64_t failed;
};

enum { LUN_LUA_PLACES = 32 };

struct lun_lua_stats {
	struct lun_lua_hook_stats hooks[LUN_LUA_HOOKS];
	struct lun_lua_place places[LUN_LUA_PLACES]; /* the first that there were; `failed` is 0 behind the last one */
	uint64_t elsewhere;                          /* failures at all others */
};

struct lun_lua_options {
	size_t size;
	/* A line for a person: a warning while loading, or a hook that failed later ("kind.lua:30: ..."; the same place at most
	 * once a second).  NULL: nothing is said.  `line` is valid during the call. */
	void (*log)(void *user, const char *line);
	void *user;
	uint64_t load_instructions; /* most VM instructions while loading; 100 million */
	uint64_t hook_instructions; /* most in one call of a hook; 100,000 */
	size_t memory;              /* most bytes of the Lua state; 64 MiB */
	/* For who follows the streams that a policy watches.  In: the watch of the policy before, or NULL.  Out, if loading
	 * succeeds: that of this policy, which knows what came on the streams that it has in common with the one before, which is
	 * freed; or NULL, if it watches none.  Without this, what such a stream holds is read once. */
	struct lun_lua_watch **watch;
	/* What rate limits and counters hold, by their names, for policies that come one after the other.  NULL at first, then made
	 * by the first policy; lun_lua_kept_free at the end.  Without this, each policy begins anew. */
	struct lun_lua_kept **kept;
	/* ns since 1970, UTC, at `now` of the engine's clock; NULL: that is its clock, as in captures. */
	uint64_t (*utc)(void *user, uint64_t now);
	struct lun_lua_stats *stats; /* counted up, and must outlive the policy; NULL: hooks are not timed */
};

/* Loads and compiles a policy file.  `options` may be NULL.  => one reference for the caller; the Lua state lives as long as
 * the policy.  Fails: LUN_BAD_FILE (cannot be read), LUN_BAD_ARGUMENT (the size), LUN_NO_MEMORY, LUN_BAD_POLICY; the
 * text is "file:line: what, and what was expected". */
LUN_API int lun_lua_policy_load(struct lun_policy **policy, const char *path, const struct lun_lua_options *options,
				struct lun_error *error);

/* Reads what came on the streams since the last call; does not wait.  If something changed, *next is the policy by which it goes
 * now, with a reference for the caller, else NULL.  Broken JSON and what cannot be honoured is told by options.log, and the rest
 * goes on.  Fails, and the last policy stays good: LUN_NO_MEMORY, LUN_BAD_POLICY. */
LUN_API int lun_lua_watch_read(struct lun_lua_watch *watch, struct lun_policy **next, struct lun_error *error);
LUN_API void lun_lua_watch_free(struct lun_lua_watch *watch); /* NULL is fine */

/* What policies have kept; those that live still use it. */
LUN_API void lun_lua_kept_free(struct lun_lua_kept *kept); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
