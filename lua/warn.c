/* warn.c - what is odd about a policy, though it can be obeyed: a line each for options.log. */
#include "script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V4 = 1, V6 = 2 };

/* Each global is looked for in the whole text; a policy that has more of both is no one's that needs to hear of it. */
enum { GLOBALS_MOST = 256, TEXT_MOST = 256 * 1024 };

static void warn(struct script *script, const char *place, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void warn(struct script *script, const char *place, const char *format, ...)
{
	char line[500];
	va_list arguments;
	int length = snprintf(line, sizeof(line), "%s: ", place);

	va_start(arguments, format);
	vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
	va_end(arguments);
	script_log(script, line);
}

/* ---- globals ---------------------------------------------------------------------------------------------------------- */

static const char globals_key;

void warn_keep_globals(lua_State *state)
{
	lua_newtable(state);
	lua_pushglobaltable(state);
	for (lua_pushnil(state); lua_next(state, -2) != 0;) {
		lua_pushvalue(state, -2);
		lua_insert(state, -2);
		lua_rawset(state, -5);
	}
	lua_pop(state, 1);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &globals_key);
}

/* Writes where a global is assigned, or the first line of the policy, and tells how often its name stands in what was run. */
static unsigned find_global(const struct script *script, const char *name, char place[SCRIPT_PLACE])
{
	unsigned count = 0;

	snprintf(place, SCRIPT_PLACE, "%s:1", script->name);
	for (const struct source *source = script->sources; source != NULL; source = source->next) {
		int line = locate_global(source, name, &count);

		if (line > 0)
			snprintf(place, SCRIPT_PLACE, "%.*s:%d", LUA_IDSIZE, source->name, line);
	}
	return count;
}

/* A global of the policy's own whose name stands nowhere else; hooks are read by us. */
static void warn_unread(struct script *script, const char *name, bool is_function)
{
	static const char *const hooks[] = { "on_flow", "on_request", "on_packet", "on_close" };
	const char *near = is_function ? suggest(name, hooks, sizeof(hooks) / sizeof(hooks[0])) : NULL;
	char place[SCRIPT_PLACE];

	if (strncmp(name, "on_", 3) == 0 || find_global(script, name, place) != 1)
		return;
	if (near != NULL)
		warn(script, place, "nothing calls the global function %s, did you mean %s?", name, near);
	else
		warn(script, place, "nothing reads the global %s", name);
}

/* What was there before the policy ran and is something else now. */
static void warn_shadowed(struct script *script, const char *name)
{
	char place[SCRIPT_PLACE];

	find_global(script, name, place);
	warn(script, place, "the global %s takes the place of Lunette's own, expected local %s or another name", name, name);
}

/* Replaces the name on top by the global's that follows it in the order of names; false if there is none. */
static bool next_global(lua_State *state)
{
	const char *last = lua_tostring(state, -1);

	lua_pushnil(state); /* the nearest yet */
	lua_pushglobaltable(state);
	for (lua_pushnil(state); lua_next(state, -2) != 0; lua_pop(state, 1)) {
		const char *name = lua_type(state, -2) == LUA_TSTRING ? lua_tostring(state, -2) : "";

		if (strcmp(name, last) <= 0 || (!lua_isnil(state, -4) && strcmp(name, lua_tostring(state, -4)) >= 0))
			continue;
		lua_pushvalue(state, -2);
		lua_replace(state, -5);
	}
	lua_pop(state, 1);
	lua_replace(state, -2);
	return !lua_isnil(state, -1);
}

static bool is_worth_reading(lua_State *state)
{
	const struct script *script = script_of(state);
	size_t count = 0, length = 0;

	lua_pushglobaltable(state);
	for (lua_pushnil(state); lua_next(state, -2) != 0; lua_pop(state, 1))
		count++;
	lua_pop(state, 1);
	for (const struct source *source = script->sources; source != NULL; source = source->next)
		length += source->length;
	return count <= GLOBALS_MOST && length <= TEXT_MOST;
}

void warn_globals(lua_State *state)
{
	struct script *script = script_of(state);

	if (!is_worth_reading(state))
		return;
	lua_rawgetp(state, LUA_REGISTRYINDEX, &globals_key);
	for (lua_pushliteral(state, ""); next_global(state);) {
		const char *name = lua_tostring(state, -1);

		lua_getglobal(state, name);
		if (lua_getfield(state, -3, name) == LUA_TNIL)
			warn_unread(script, name, lua_isfunction(state, -2));
		else if (!lua_rawequal(state, -1, -2))
			warn_shadowed(script, name);
		lua_pop(state, 2);
	}
	lua_pop(state, 2);
	lua_pushnil(state);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &globals_key);
}

/* ---- services --------------------------------------------------------------------------------------------------------- */

static unsigned families(const struct lun_address *addresses, size_t count)
{
	unsigned found = 0;

	for (size_t i = 0; i < count; i++)
		found |= lun_address_is_v4(&addresses[i]) ? V4 : V6;
	return found;
}

static unsigned ready_families(const struct lun_service *service)
{
	unsigned found = 0;

	for (size_t i = 0; i < service->endpoint_count; i++) {
		if (!service->endpoints[i].not_ready || service->endpoints[i].ending)
			found |= families(&service->endpoints[i].address, 1);
	}
	return found;
}

static unsigned endpoint_families(const struct lun_service *service)
{
	unsigned found = 0;

	for (size_t i = 0; i < service->endpoint_count; i++)
		found |= families(&service->endpoints[i].address, 1);
	return found;
}

static bool has_node_port(const struct lun_service *service)
{
	for (size_t i = 0; i < service->port_count; i++) {
		if (service->ports[i].node_port != 0)
			return true;
	}
	return false;
}

static bool names_a_node(const struct lun_service *service)
{
	for (size_t i = 0; i < service->endpoint_count; i++) {
		if (service->endpoints[i].node != NULL)
			return true;
	}
	return false;
}

static void warn_service(struct script *script, const struct lun_service *service)
{
	const struct lun_node *node = &script->declared.node;
	unsigned served = families(service->cluster_ips, service->cluster_ip_count) |
			  families(service->external_ips, service->external_ip_count) |
			  families(service->load_balancer_ips, service->load_balancer_ip_count);
	unsigned lacking = served & ~ready_families(service), useless = endpoint_families(service) & ~served;

	if (served == 0 && !has_node_port(service))
		warn(script, service->at, "service \"%s\" has no address, nothing can reach it", service->name);
	if (has_node_port(service) && node->address_count + node->node_port_address_count == 0)
		warn(script, service->at, "service \"%s\" has a node_port, but the node has no addresses", service->name);
	if (ready_families(service) == 0)
		warn(script, service->at, "service \"%s\" has no ready endpoint: its connections are refused",
		     service->name);
	else if (lacking != 0)
		warn(script, service->at, "service \"%s\" has IPv%c addresses, but no ready endpoint of that family",
		     service->name, lacking & V4 ? '4' : '6');
	if (served != 0 && useless != 0 && !has_node_port(service))
		warn(script, service->at,
		     "service \"%s\" has IPv%c endpoints, but no address of that family: they get nothing", service->name,
		     useless & V4 ? '4' : '6');
	if ((service->external_local || service->internal_local) && service->endpoint_count > 0 && !names_a_node(service))
		warn(script, service->at, "a traffic policy of service \"%s\" is Local, but no endpoint says its node",
		     service->name);
}

/* A cluster IP of a service. */
struct holder {
	const struct lun_address *address;
	const struct lun_service *service;
};

/* By address, then in the order in which they were declared. */
static int compare_holders(const void *one, const void *other)
{
	const struct holder *a = one, *b = other;
	int order = memcmp(a->address, b->address, sizeof(*a->address));

	return order != 0 ? order : a->service < b->service ? -1 : a->service > b->service;
}

/* The same cluster IP twice is allowed as long as the ports differ, but nobody means it.  Where memory is short nothing is said. */
static void warn_shared(struct script *script, const struct declared *declared)
{
	size_t room = 0, count = 0;
	struct holder *holders;

	for (size_t i = 0; i < declared->service_count; i++)
		room += declared->services[i].yields ? 0 : declared->services[i].cluster_ip_count;
	holders = malloc((room + 1) * sizeof(*holders));
	for (size_t i = 0; holders != NULL && i < declared->service_count; i++)
		for (size_t j = 0; !declared->services[i].yields && j < declared->services[i].cluster_ip_count; j++)
			holders[count++] = (struct holder) { &declared->services[i].cluster_ips[j], &declared->services[i] };
	if (count > 1)
		qsort(holders, count, sizeof(*holders), compare_holders);
	for (size_t i = 1; i < count; i++) {
		const struct lun_service *first = holders[i - 1].service, *second = holders[i].service;
		char text[LUN_ADDRESS_TEXT];

		if (first != second && memcmp(holders[i - 1].address, holders[i].address, sizeof(*holders->address)) == 0)
			warn(script, second->at, "cluster IP %s of service \"%s\" is that of service \"%s\" too, at %s",
			     lun_address_format(holders[i].address, text), second->name, first->name, first->at);
	}
	free(holders);
}

void warn_declared(struct script *script)
{
	const struct declared *declared = &script->declared;

	if (declared->node.pod_count == 0 && !declared->node.masquerade_all)
		warn(script, declared->node_place,
		     "the node has no pods: local traffic is unknown, ClusterIP traffic is not masqueraded (R7)");
	for (size_t i = 0; i < declared->service_count; i++)
		if (!declared->services[i].yields) /* one of a cluster is as it is */
			warn_service(script, &declared->services[i]);
	warn_shared(script, declared);
}
