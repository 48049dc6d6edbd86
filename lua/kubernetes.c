/* kubernetes.c - the module `lunette.kubernetes`: load(path) declares the services of a cluster.
 *
 * What is loaded is joined only when the script has run, so that services and their endpoint slices may stand in several files,
 * in any order.  A service that the script declares itself takes the place of the cluster's; what `node` does not say of this
 * node, its Node object may. */
#include "objects.h"
#include "script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS_MAX = 1 << 30 };

struct kubernetes {
	struct objects objects;
	struct arena joined; /* endpoints of services, as declared */
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
			luaL_error(state, "out of memory");
		script->kubernetes->objects.log = say;
		script->kubernetes->objects.user = script;
	}
	return script->kubernetes;
}

/* load("objects.json"): what `kubectl get services,endpointslices,nodes -A -o json` prints. */
static int kubernetes_load(lua_State *state)
{
	const char *name = luaL_checkstring(state, 1);
	struct kubernetes *kubernetes = kubernetes_of(state);
	const char *path = lua_pushfstring(state, "%s%s", script_folder(script_of(state), name), name);
	struct lun_error error = { .code = 0 };
	size_t length;
	char *text = script_read(path, OBJECTS_MAX, &length);

	if (text == NULL)
		return luaL_error(state, "%s: %s", path, strerror(errno));
	error.code = objects_read(&kubernetes->objects, name, text, length, &error);
	free(text);
	if (error.code == 0)
		return 0;
	lua_pushstring(state, error.text[0] != '\0' ? error.text : lun_strerror(error.code));
	return lua_error(state);
}

void kubernetes_push(lua_State *state)
{
	static const luaL_Reg functions[] = { { "load", kubernetes_load }, { NULL, NULL } };

	luaL_newlib(state, functions);
}

static void complete_node(struct script *script)
{
	struct lun_node *node = &script->declared.node;
	const struct kube_node *found = objects_node(&script->kubernetes->objects, node->name);

	if (found == NULL)
		return;
	if (node->zone == NULL)
		node->zone = found->zone;
	if (node->address_count == 0) {
		node->addresses = found->addresses;
		node->address_count = found->address_count;
	}
}

void kubernetes_declare(lua_State *state)
{
	struct script *script = script_of(state);
	struct kubernetes *kubernetes = script->kubernetes;

	if (kubernetes == NULL)
		return;
	complete_node(script);
	objects_check_claims(&kubernetes->objects);
	for (size_t i = 0; i < kubernetes->objects.entry_size; i++) {
		const struct kube_entry *entry = kubernetes->objects.entries[i];
		struct lun_service service;

		if (entry == NULL || entry->service == NULL)
			continue;
		service = objects_service(entry, &kubernetes->joined);
		if (declare_add(state, &service))
			continue;
		lua_pushfstring(state, "%s: Service %s: declared at %s, which counts", service.at, service.name,
				lua_tostring(state, -1));
		script_log(script, lua_tostring(state, -1));
		lua_pop(state, 3);
	}
	if (kubernetes->joined.failed)
		luaL_error(state, "out of memory for the endpoints of a cluster");
}

void kubernetes_free(struct script *script)
{
	if (script->kubernetes == NULL)
		return;
	objects_fini(&script->kubernetes->objects);
	arena_free(&script->kubernetes->joined);
	free(script->kubernetes);
	script->kubernetes = NULL;
}
