/* script.h - one policy script: the Lua state, and what the files of this folder share about it.
 *
 * Order of life: policy.c makes it, sandbox.c fills the globals, declare.c takes what the running file declares, policy.c
 * compiles that and throws it away, hooks.c stays and is called for each new flow. */
#ifndef LUNETTE_LUA_SCRIPT_H
#define LUNETTE_LUA_SCRIPT_H

#include "limits.h"
#include <lauxlib.h>
#include <lunette/lua.h>
#include <time.h>

enum {
	SCRIPT_PLACE = LUA_IDSIZE + 16, /* "kind.lua:30" */
	SCRIPT_TABLES = 64,
	SCRIPT_TEXT = sizeof(((struct lun_error *)NULL)->text), /* a whole message */
	SCRIPT_SOURCE = 16 * 1024 * 1024,                       /* the longest file */
};

/* Places on the stack, for the policy's life. */
enum {
	PLACE_HANDLER = 1, /* of messages */
	PLACE_HOOKS,       /* the script's functions, or nil, by enum lun_lua_hook */
	PLACE_ANSWER = PLACE_HOOKS + LUN_LUA_HOOKS,
};

/* The text of a file that was run, kept while loading so that an error can be given the line it belongs to. */
struct source {
	struct source *next;
	char *text;
	size_t length;
	char name[]; /* "kind.lua" */
};

/* When a place may say something again. */
struct log_place {
	char place[SCRIPT_PLACE];
	uint64_t quiet_until;
	uint64_t unsaid; /* lines since it spoke */
};

/* What the running file declared.  All memory but `services` belongs to the Lua state. */
struct declared {
	struct lun_node node;
	char node_place[SCRIPT_PLACE]; /* "": not declared yet */
	const struct lun_prefix *intercept;
	size_t intercept_count;
	const struct lun_timeout *timeouts;
	size_t timeout_count;
	uint32_t source_limit, half_open_limit;
	bool limits_drop;
	enum lun_action on_error;
	uint64_t hash_seed;
	struct lun_service *services;
	size_t service_count, service_capacity;
	const char *pending; /* `service "x"` was called, its table has not come yet */
	char pending_place[SCRIPT_PLACE];
};

struct script {
	unsigned references; /* who loads it, the policies that call its hooks, who follows its streams */
	/* set once */
	lua_State *state;
	struct lun_lua_options options;
	char *folder; /* of the policy, "" or with a slash at its end: goes before each place in a message */
	char *name;   /* its last component */
	struct lun_lua_kept *kept;
	struct kept_table *tables[SCRIPT_TABLES]; /* of `kept`, that it uses */
	size_t table_count;
	/* while loading only */
	bool loading;
	struct source *sources;
	struct declared declared;
	struct kubernetes *kubernetes; /* NULL: the script asked for none */
	/* while a hook runs only */
	const struct lun_new_flow *flow;
	bool has_clock; /* on_request has none: it is asked again for the same head, and must then say the same */
	uint64_t now;   /* ns, the engine's clock */
	struct lun_request *request;
	const struct lun_seen_packet *packet;
	const struct lun_flow *ended; /* during on_close */
	/* changes */
	struct limits limits;
	bool seeded;
	uint64_t data_count;   /* flows that have a flow.data */
	uint64_t call;         /* number of the hook's call: what was given in another one is over */
	bool collecting;       /* a round has begun, */
	uint64_t round_made;   /* when so many bytes had been made; */
	uint64_t clean_made;   /* and of what had been made by then, no garbage is left */
	uint32_t prefix_count; /* in the cache of address.c */
	struct log_place log_places[16];
};

/* Every C function finds its script here. */
static inline struct script *script_of(lua_State *state)
{
	return *(struct script **)lua_getextraspace(state);
}

/* message.c */

/* Where the innermost Lua function is (currentline, short_src); false if none runs.  Allocates nothing. */
bool script_where(lua_State *state, lua_Debug *where);

/* Writes "kind.lua:30" of it, or "" if none runs. */
void script_place(lua_State *state, char place[SCRIPT_PLACE]);

/* Whether a message begins with a place; => its length up to the text, or 0. */
size_t script_place_length(const char *message);

/* Hands a line to options.log with the folder before it; while a hook runs, each place once a second, with how often it had to be
 * silent. */
void script_log(struct script *script, const char *line);

/* What goes before a place in a message: the policy's folder, or nothing before an absolute path. */
const char *script_folder(const struct script *script, const char *message);

/* The message handler of every lua_pcall: a message begins with a place. */
int script_handle_message(lua_State *state);

/* What a failed lua_pcall left on top, as "kind.lua:30: message", or "kind.lua: message" if no line could be told. */
const char *script_message(struct script *script, int status, char text[SCRIPT_TEXT]);

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* files.c */

/* All that a file holds, at most `most` bytes, as a malloc'ed string; NULL with errno (EFBIG: more). */
char *script_read(const char *path, size_t most, size_t *length);

/* Raises in `state` why a file could not be read, by errno.  Does not return. */
int script_file_error(lua_State *state, const char *path);

/* Reads a file beside the policy, or raises an error.  => what it holds, until loading ends */
const struct source *script_source(lua_State *state, const char *name);

/* Pushes the compiled chunk of a file, or raises an error; the latter reads it, beside the policy ("kind.lua"). */
void script_push_chunk(lua_State *state, const struct source *source);
void script_push_file(lua_State *state, const char *name);

/* Keeps a file's text; false: no memory.  Frees all of them. */
bool script_source_add(struct script *script, const char *name, char *text, size_t length);
void script_sources_free(struct script *script);

/* sandbox.c: fills the globals; a Lua function that seeds math.random with its argument. */
void sandbox_open(lua_State *state);
int sandbox_seed(lua_State *state);

/* sandbox.c: pushes the metatable of a type of values that scripts get from us, with these methods.  Their upvalues: 1, the metatable; 2,
 * that of addresses. */
void sandbox_push_type(lua_State *state, const char *name, const luaL_Reg *methods);

/* pattern.c: string.find, match, gmatch and gsub, into the table on top. */
void pattern_open(lua_State *state);

/* declare.c: `node` and `service`; declare_finish raises an error if something is missing; what was declared lives until
 * declare_release. */
void declare_open(lua_State *state);
void declare_finish(lua_State *state);
void declare_release(lua_State *state);

/* http.c: the global `headers`. */
void http_open(lua_State *state);

/* declare.c: adds a service to what was declared, or raises an error; false if the script declared one of that name, whose place
 * is left on the stack. */
bool declare_add(lua_State *state, const struct lun_service *service);

/* policy.c: compiles what is declared. */
int script_compile(struct script *script, struct lun_policy **policy, struct lun_error *error);
void script_unref(void *user);

/* policy.c: runs a function in the state, as while loading.  Fails: LUN_BAD_POLICY. */
int script_call(struct script *script, lua_CFunction function, const char *what, struct lun_error *error);

/* kubernetes.c: pushes the module `lunette.kubernetes`; adds what was loaded to what was declared; frees all of it. */
void kubernetes_push(lua_State *state);
void kubernetes_declare(lua_State *state);
void kubernetes_free(struct script *script);

/* kubernetes.c: whether there are streams to follow, for who asked; makes the watch for `policy`, NULL: no memory. */
bool kubernetes_follows(const struct script *script);
struct lun_lua_watch *kubernetes_watch(struct script *script, struct lun_policy *policy);

/* warn.c: keeps what the globals are before the policy runs, and says what is odd about what it made of them; and what is odd
 * about what was declared. */
void warn_keep_globals(lua_State *state);
void warn_globals(lua_State *state);
void warn_declared(struct script *script);

/* locate.c */

/* One step into a table constructor: a key, or an index counted from 1 if `key` is NULL. */
struct step {
	const char *key;
	long long index;
};

/* The line of what `path` leads to inside the table that is given to `word` ("service") on `line`; as far as the source
 * shows it, at least `line` itself. */
int locate_line(const struct source *source, const char *word, int line, const struct step *path, size_t path_count);

/* The first line that assigns to a global as far as the source shows it, or 0; adds how often its name stands there to `count`. */
int locate_global(const struct source *source, const char *name, unsigned *count);

/* suggest.c: the name nearest to a mistyped `word`, or NULL if none is near. */
const char *suggest(const char *word, const char *const *names, size_t name_count);

/* address.c: address objects. */
void address_open(lua_State *state);

/* Pushes an address object; `metatable` is the index of the table that address_push_metatable pushes. */
void address_push(lua_State *state, const struct lun_address *address, int metatable);
void address_push_metatable(lua_State *state);

/* The address at `index`, or NULL if there is something else. */
const struct lun_address *address_at(lua_State *state, int index, int metatable);

/* set.c: the globals `prefixes` and `ports`. */
void set_open(lua_State *state);

/* Whether the set of prefixes at `index` holds the address; raises an error if it is no such set. */
bool set_has(lua_State *state, int index, const struct lun_address *address);

/* rate.c: the globals `rate_limit` and `counter`; lets go of what they keep. */
void rate_open(lua_State *state);
void rate_release(struct script *script);

/* window.c: the global `time_window`. */
void time_open(lua_State *state);

/* decision.c: accept, drop, reject, forward, dnat. */
void decision_open(lua_State *state);

/* Reads the decision at `index`; its strings live as long as that value.  False if it is none. */
bool decision_read(lua_State *state, int index, struct lun_decision *decision);

/* object.c: what a hook is given; only during its call. */
enum object { OBJECT_FLOW, OBJECT_PACKET, OBJECT_REQUEST, OBJECT_HEADERS };
void object_push(lua_State *state, enum object object);
void object_open(lua_State *state);

/* flow.c, packet.c, request.c: what there is to such an object.  `push` pushes a field, whose name is argument 2, by its number from
 * 1 on; it finds the metatable for address_push at OBJECT_ADDRESSES.  `change` sets it to argument 3, or raises an error. */
#define OBJECT_ADDRESSES lua_upvalueindex(1)
struct object_kind {
	const char *name;     /* "flow" */
	const char *given_to; /* "the hook" */
	const char *const *fields;
	int field_count; /* 0: any name is one */
	void (*push)(lua_State *state, int field);
	int (*change)(lua_State *state);
};
extern const struct object_kind flow_kind, packet_kind, request_kind, headers_kind;

/* flow.c: makes the table of what scripts keep by flow; takes that of script->flow out of it. */
void flow_open_data(lua_State *state);
int flow_drop_data(lua_State *state);

/* hooks.c: their names; those that the script has; loading is over, and from now on garbage is collected between batches. */
extern const char *const hook_names[LUN_LUA_HOOKS];
struct lun_hooks hooks_of(struct script *script);
void hooks_settle(struct script *script);

#endif
