/* kubernetes.c - the module `lunette.kubernetes`: load(path) declares the services of a cluster, watch(path) follows it.
 *
 * What is loaded is joined only when the script has run, so that services and their endpoint slices may stand in several files,
 * in any order.  A service that the script declares itself takes the place of the cluster's; what `node` does not say of this
 * node, its Node object may.
 *
 * A stream changes its objects later.  As long as only endpoints change, the next policy is the last one with other endpoints for
 * these services; else all is joined with what the script declared, and compiled anew.  What came on streams outlives the script:
 * a pipe does not say it again.  So that is a store of its own, which the next script takes over. */
#include "objects.h"
#include "script.h"
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { OBJECTS_MAX = 1 << 30 };

/* What came on streams. */
struct cluster {
	unsigned references;
	struct objects objects;
	struct stream *streams;
};

struct kubernetes {
	struct objects loaded;
	struct cluster *cluster; /* NULL: no stream */
	struct arena joined;     /* endpoints of services, as declared */
	/* what the script alone declared; once the first join was made */
	struct lun_node own_node;
	size_t own_count;
	bool is_joined;
};

struct lun_lua_watch {
	struct script *script;
	struct lun_policy *policy; /* the last one */
	unsigned long version;     /* of the objects that were looked at last */
	bool failed;               /* that is not what the policy has */
};

static void say(void *user, const char *line)
{
	script_log(user, line);
}

static struct kubernetes *kubernetes_of(lua_State *state)
{
	struct script *script = script_of(state);

	if (!script->loading)
		luaL_error(state, "objects can be loaded only while the policy is");
	if (script->kubernetes == NULL) {
		script->kubernetes = calloc(1, sizeof(*script->kubernetes));
		if (script->kubernetes == NULL)
			limits_no_memory(state);
		script->kubernetes->loaded.log = say;
		script->kubernetes->loaded.user = script;
	}
	return script->kubernetes;
}

/* ---- load ------------------------------------------------------------------------------------------------------------ */

/* Pushes the path of a file that the policy names. */
static const char *push_path(lua_State *state, const char *name)
{
	return lua_pushfstring(state, "%s%s", script_folder(script_of(state), name), name);
}

/* load("objects.json"): what `kubectl get services,endpointslices,nodes -A -o json` prints. */
static int kubernetes_load(lua_State *state)
{
	struct objects_place place = { .name = luaL_checkstring(state, 1), .line = 1 };
	struct kubernetes *kubernetes = kubernetes_of(state);
	const char *path = push_path(state, place.name);
	struct lun_error error = { .code = 0 };
	size_t length;
	char *text = script_read(path, OBJECTS_MAX, &length);

	if (text == NULL)
		return script_file_error(state, path);
	error.code = objects_read(&kubernetes->loaded, &place, text, length, &error);
	free(text);
	if (error.code == 0)
		return 0;
	if (error.code == LUN_NO_MEMORY)
		return limits_no_memory(state);
	lua_pushstring(state, error.text[0] != '\0' ? error.text : lun_strerror(error.code));
	return lua_error(state);
}

/* ---- watch ----------------------------------------------------------------------------------------------------------- */

/* Gives what came on a stream to the objects; an object that is broken is named and left out. */
static void stream_read_objects(struct script *script, struct stream *stream)
{
	struct objects *objects = &script->kubernetes->cluster->objects;
	struct objects_place place = { .name = stream->name };
	struct lun_error error;
	const char *text;
	size_t length;

	objects->log = say;
	objects->user = script;
	if (!stream_fill(stream)) {
		snprintf(error.text, sizeof(error.text), "%.200s:%lu: %s", stream->name, stream->line, strerror(errno));
		say(script, error.text);
	}
	while ((text = stream_take(stream, &length, &place.line)) != NULL) {
		error.text[0] = '\0';
		if (objects_read(objects, &place, text, length, &error) < 0)
			say(script, error.text[0] != '\0' ? error.text : lun_strerror(LUN_NO_MEMORY));
	}
}

static void cluster_unref(struct cluster *cluster)
{
	if (cluster == NULL || --cluster->references > 0)
		return;
	for (struct stream *stream = cluster->streams, *next; stream != NULL; stream = next) {
		next = stream->next;
		stream_close(stream);
	}
	objects_fini(&cluster->objects);
	free(cluster);
}

/* That of the policy before, if it is followed, else a new one; NULL: no memory. */
static struct cluster *cluster_of(struct script *script)
{
	struct lun_lua_watch *before = script->options.watch != NULL ? *script->options.watch : NULL;
	struct cluster **cluster = &script->kubernetes->cluster;

	if (*cluster != NULL)
		return *cluster;
	*cluster = before != NULL ? before->script->kubernetes->cluster : calloc(1, sizeof(**cluster));
	if (*cluster != NULL)
		(*cluster)->references++;
	return *cluster;
}

static bool cluster_has(const struct cluster *cluster, const char *path)
{
	for (const struct stream *stream = cluster->streams; stream != NULL; stream = stream->next)
		if (strcmp(stream->path, path) == 0)
			return true;
	return false;
}

/* Whether the stream at `path` cannot be read by who does not follow it; that is said. */
static bool refuse_pipe(lua_State *state, const char *path)
{
	struct script *script = script_of(state);
	struct stat status;

	if (script->options.watch != NULL || stat(path, &status) < 0 || S_ISREG(status.st_mode))
		return false;
	luaL_where(state, 1);
	lua_pushfstring(state, "%s is a pipe, which only an agent follows: nothing is read of it", path);
	lua_concat(state, 2);
	script_log(script, lua_tostring(state, -1));
	return true;
}

/* watch("events.json"): a file or pipe that `kubectl get ... --watch --output-watch-events -o json` writes to. */
static int kubernetes_watch_path(lua_State *state)
{
	const char *name = luaL_checkstring(state, 1), *path;
	struct script *script = script_of(state);
	struct cluster *cluster;
	struct stream *stream;

	kubernetes_of(state);
	path = push_path(state, name);
	if (refuse_pipe(state, path))
		return 0;
	cluster = cluster_of(script);
	if (cluster == NULL)
		return limits_no_memory(state);
	if (cluster_has(cluster, path))
		return 0;
	stream = stream_open(name, path);
	if (stream == NULL)
		return script_file_error(state, path);
	stream->next = cluster->streams;
	cluster->streams = stream;
	stream_read_objects(script, stream);
	return 0;
}

void kubernetes_push(lua_State *state)
{
	static const luaL_Reg functions[] = { { "load", kubernetes_load },
					      { "watch", kubernetes_watch_path },
					      { NULL, NULL } };

	luaL_newlib(state, functions);
}

/* ---- Joining --------------------------------------------------------------------------------------------------------- */

/* What there is: loaded, and from streams. */
static size_t stores_of(const struct kubernetes *kubernetes, struct objects *stores[2])
{
	stores[0] = (struct objects *)&kubernetes->loaded;
	stores[1] = kubernetes->cluster != NULL ? &kubernetes->cluster->objects : NULL;
	return stores[1] != NULL ? 2 : 1;
}

static void complete_node(struct lun_node *node, const struct objects *objects)
{
	const struct kube_node *found = objects_node(objects, node->name);

	if (found == NULL)
		return;
	if (node->zone == NULL)
		node->zone = found->zone;
	if (node->address_count == 0) {
		node->addresses = found->addresses;
		node->address_count = found->address_count;
	}
}

/* Back to what the script itself declared. */
static void unjoin(struct script *script)
{
	struct kubernetes *kubernetes = script->kubernetes;

	if (kubernetes->is_joined) {
		script->declared.node = kubernetes->own_node;
		script->declared.service_count = kubernetes->own_count;
	}
	kubernetes->own_node = script->declared.node;
	kubernetes->own_count = script->declared.service_count;
	kubernetes->is_joined = true;
	arena_free(&kubernetes->joined);
}

static void join_entry(lua_State *state, struct kube_entry *entry)
{
	struct script *script = script_of(state);
	struct lun_service service = objects_service(entry, &script->kubernetes->joined);

	entry->hidden = !declare_add(state, &service);
	if (!entry->hidden)
		return;
	lua_pushfstring(state, "%s: Service %s: declared at %s, which counts", service.at, service.name,
			lua_tostring(state, -1));
	script_log(script, lua_tostring(state, -1));
	lua_pop(state, 3);
}

static void join_store(lua_State *state, struct objects *objects)
{
	objects->user = script_of(state);
	objects_check_claims(objects);
	for (size_t i = 0; i < objects->entry_size; i++)
		if (objects->entries[i] != NULL && objects->entries[i]->service != NULL)
			join_entry(state, objects->entries[i]);
	objects_settle(objects);
}

void kubernetes_declare(lua_State *state)
{
	struct script *script = script_of(state);
	struct kubernetes *kubernetes = script->kubernetes;
	struct objects *stores[2];
	size_t count;

	if (kubernetes == NULL)
		return;
	unjoin(script);
	count = stores_of(kubernetes, stores);
	for (size_t i = 0; i < count; i++) {
		complete_node(&script->declared.node, stores[i]);
		join_store(state, stores[i]);
	}
	if (kubernetes->joined.failed)
		limits_no_memory(state);
}

void kubernetes_free(struct script *script)
{
	struct kubernetes *kubernetes = script->kubernetes;

	if (kubernetes == NULL)
		return;
	cluster_unref(kubernetes->cluster);
	objects_fini(&kubernetes->loaded);
	arena_free(&kubernetes->joined);
	free(kubernetes);
	script->kubernetes = NULL;
}

/* ---- Following ------------------------------------------------------------------------------------------------------- */

bool kubernetes_follows(const struct script *script)
{
	return script->options.watch != NULL && script->kubernetes != NULL && script->kubernetes->cluster != NULL;
}

static int join_again(lua_State *state)
{
	kubernetes_declare(state);
	return 0;
}

/* All anew. */
static int follow_services(struct lun_lua_watch *watch, struct lun_policy **next, struct lun_error *error)
{
	int code = script_call(watch->script, join_again, "joining the objects of a cluster", error);

	return code < 0 ? code : script_compile(watch->script, next, error);
}

/* The last policy with other endpoints for the services that changed. */
static int follow_endpoints(struct lun_lua_watch *watch, struct lun_policy **next, struct lun_error *error)
{
	struct objects *objects = &watch->script->kubernetes->cluster->objects;
	struct lun_service *changed = NULL;
	struct arena arena = { .chunks = NULL };
	size_t count = 0;
	int code = 0;

	for (size_t i = 0; i < objects->entry_size; i++)
		count += objects->entries[i] != NULL && objects->entries[i]->changed;
	changed = arena_take(&arena, count, sizeof(*changed));
	count = 0;
	for (size_t i = 0; changed != NULL && i < objects->entry_size; i++) {
		struct kube_entry *entry = objects->entries[i];

		if (entry == NULL || !entry->changed)
			continue;
		entry->changed = false;
		if (entry->service != NULL && !entry->hidden)
			changed[count++] = objects_service(entry, &arena);
	}
	if (arena.failed)
		code = LUN_NO_MEMORY;
	else if (count > 0)
		code = lun_policy_change(next, watch->policy, changed, count, error);
	arena_free(&arena);
	return code;
}

int lun_lua_watch_read(struct lun_lua_watch *watch, struct lun_policy **next, struct lun_error *error)
{
	struct cluster *cluster = watch->script->kubernetes->cluster;
	int code;

	*next = NULL;
	for (struct stream *stream = cluster->streams; stream != NULL; stream = stream->next)
		stream_read_objects(watch->script, stream);
	if (watch->version == cluster->objects.version)
		return 0;
	watch->version = cluster->objects.version;
	code = cluster->objects.services_changed || watch->failed ? follow_services(watch, next, error)
								  : follow_endpoints(watch, next, error);
	watch->failed = code < 0;
	if (*next == NULL)
		return code;
	lun_policy_unref(watch->policy);
	watch->policy = *next;
	lun_policy_ref(watch->policy);
	return 0;
}

struct lun_lua_watch *kubernetes_watch(struct script *script, struct lun_policy *policy)
{
	struct lun_lua_watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return NULL;
	*watch = (struct lun_lua_watch) { .script = script,
					  .policy = policy,
					  .version = script->kubernetes->cluster->objects.version };
	script->references++;
	lun_policy_ref(policy);
	return watch;
}

void lun_lua_watch_free(struct lun_lua_watch *watch)
{
	if (watch == NULL)
		return;
	lun_policy_unref(watch->policy);
	script_unref(watch->script);
	free(watch);
}
