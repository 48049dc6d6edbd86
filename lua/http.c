/* http.c - `http = { set = ..., append = ..., default = ..., remove = ..., path = ..., when = ..., trust = ..., refuse = ...,
 * response = ... }` of a service, or a list of such groups, and headers.forwarded(), which returns a group.
 *
 * A group whose `when` names several hosts, paths or methods is one rule for each combination: of rules for one name that speak of
 * the same request the last counts, and these are all the same. */
#include "read.h"

#include <stdlib.h>
#include <string.h>

struct names {
	const char **texts;
	size_t count;
};

/* What has been read of a service's `http`. */
struct rules {
	struct lun_header headers[LUN_HEADERS];
	size_t count;
	bool response; /* what is read now is for responses */
	struct lun_path_rule paths[LUN_HEADERS];
	size_t path_count;
	struct lun_service *service;
};

/* ---- when ------------------------------------------------------------------------------------------------------------ */

/* A text or a list of texts; NULL once if the key is not there. */
static struct names read_names(struct reader *reader, struct keys *keys, const char *key, const char *expected)
{
	struct names names = { .texts = read_memory(reader, 1, sizeof(*names.texts)), .count = 1 };

	if (!read_enter(reader, keys, key))
		return names;
	if (lua_istable(reader->state, -1)) {
		names.count = read_list(reader, expected);
		names.texts = read_memory(reader, names.count, sizeof(*names.texts));
		for (size_t i = 0; i < names.count; i++) {
			read_enter_item(reader, i);
			names.texts[i] = read_kept_string(reader, expected);
			read_leave(reader);
		}
	} else {
		names.texts[0] = read_kept_string(reader, expected);
	}
	read_leave(reader);
	return names;
}

/* Names of hosts are compared in lower case. */
static void lower_names(struct reader *reader, struct names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		size_t size = names->texts[i] ? strlen(names->texts[i]) + 1 : 0;
		char *copy = read_memory(reader, size, 1);

		for (size_t k = 0; k < size; k++) {
			char byte = names->texts[i][k];

			copy[k] = byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte;
		}
		names->texts[i] = copy;
	}
}

static void check_paths(struct reader *reader, const struct names *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		if (paths->texts[i] && paths->texts[i][0] != '/')
			read_fail(reader, "path: expected one that begins with a slash, got \"%.60s\"", paths->texts[i]);
}

/* => the conditions, of which one must hold; NULL: none is needed */
static struct lun_condition *read_when(struct reader *reader, struct keys *group_keys, size_t *count)
{
	struct keys keys = { .count = 0 };
	struct names hosts, paths, methods;
	struct lun_condition *conditions;

	*count = 1;
	if (!read_enter(reader, group_keys, "when"))
		return NULL;
	read_table(reader, "conditions, { host = \"www.example.com\", path = \"/api\", method = \"POST\" }");
	hosts = read_names(reader, &keys, "host", "a host, or a list of hosts");
	paths = read_names(reader, &keys, "path", "a path, or a list of paths");
	methods = read_names(reader, &keys, "method", "a method, or a list of methods");
	read_end(reader, &keys);
	lower_names(reader, &hosts);
	check_paths(reader, &paths);
	*count = hosts.count * paths.count * methods.count;
	if (*count == 0 || *count > LUN_HEADERS)
		read_fail(reader, "expected 1 to %d combinations of host, path and method, got %zu", LUN_HEADERS, *count);
	conditions = read_memory(reader, *count, sizeof(*conditions));
	for (size_t i = 0; i < *count; i++)
		conditions[i] = (struct lun_condition) { .host = hosts.texts[i % hosts.count],
							 .path = paths.texts[i / hosts.count % paths.count],
							 .method = methods.texts[i / hosts.count / paths.count] };
	read_leave(reader);
	return conditions;
}

/* ---- headers --------------------------------------------------------------------------------------------------------- */

static void add_header(struct reader *reader, struct rules *rules, enum lun_header_kind kind, const char *name,
		       const char *value)
{
	if (rules->count == LUN_HEADERS)
		read_fail(reader, "expected at most %d headers, those of each condition counted", LUN_HEADERS);
	rules->headers[rules->count++] =
		(struct lun_header) { .name = name, .value = value, .kind = kind, .response = rules->response };
}

static int compare_headers(const void *a, const void *b)
{
	return strcmp(((const struct lun_header *)a)->name, ((const struct lun_header *)b)->name);
}

/* { ["X-Real-IP"] = "$remote_addr" }: a table has no order, so these go by name. */
static void read_header_table(struct reader *reader, struct rules *rules, enum lun_header_kind kind)
{
	lua_State *state = reader->state;
	size_t first = rules->count;

	for (lua_pushnil(state); lua_next(state, -2) != 0; lua_pop(state, 1)) {
		const char *name;

		if (lua_type(state, -2) != LUA_TSTRING)
			read_fail(reader, "expected names and values, or a list of { name, value }, got both");
		lua_pushvalue(state, -2);
		name = read_kept_string(reader, "the name of a header");
		lua_pop(state, 1);
		read_step(reader, (struct step) { .key = name });
		add_header(reader, rules, kind, name, read_kept_string(reader, "the value of a header, a string"));
		reader->depth--;
	}
	qsort(rules->headers + first, rules->count - first, sizeof(*rules->headers), compare_headers);
}

/* { { "X-Real-IP", "$remote_addr" }, ... } */
static void read_header_list(struct reader *reader, struct rules *rules, enum lun_header_kind kind)
{
	static const char expected[] = "{ name, value }";
	size_t count = read_list(reader, "a list of { name, value }");

	for (size_t i = 0; i < count; i++) {
		const char *name, *value;

		read_enter_item(reader, i);
		if (read_list(reader, expected) != 2)
			read_fail(reader, "expected %s", expected);
		read_enter_item(reader, 0);
		name = read_kept_string(reader, "the name of a header");
		read_leave(reader);
		read_enter_item(reader, 1);
		value = read_kept_string(reader, "the value of a header, a string");
		read_leave(reader);
		add_header(reader, rules, kind, name, value);
		read_leave(reader);
	}
}

static void read_headers(struct reader *reader, struct rules *rules, enum lun_header_kind kind)
{
	read_table(reader, "headers, { [\"X-Real-IP\"] = \"$remote_addr\" }");
	if (lua_rawlen(reader->state, -1) > 0)
		read_header_list(reader, rules, kind);
	else
		read_header_table(reader, rules, kind);
	read_leave(reader);
}

static void read_removed(struct reader *reader, struct rules *rules)
{
	static const char expected[] = "a list of names, { \"X-Debug\" }";
	size_t count = read_list(reader, expected);

	for (size_t i = 0; i < count; i++) {
		read_enter_item(reader, i);
		add_header(reader, rules, LUN_HEADER_REMOVE, read_kept_string(reader, expected), NULL);
		read_leave(reader);
	}
	read_leave(reader);
}

/* The headers from `first` on get these conditions, each a copy of all of them. */
static void repeat_headers(struct reader *reader, struct rules *rules, size_t first, const struct lun_condition *conditions,
			   size_t condition_count)
{
	size_t count = rules->count - first;

	if (!conditions)
		return;
	for (size_t i = count; i < count * condition_count; i++) {
		const struct lun_header *header = &rules->headers[first + i % count];

		add_header(reader, rules, header->kind, header->name, header->value);
	}
	for (size_t i = 0; i < count * condition_count; i++)
		rules->headers[first + i].when = &conditions[i / count];
}

/* ---- path ------------------------------------------------------------------------------------------------------------ */

static const char *read_prefix_of_path(struct reader *reader, struct keys *keys, const char *key)
{
	const char *text = read_text(reader, keys, key, "a path, \"/api\"");

	if (text && text[0] != '/')
		read_fail(reader, "%s: expected a path that begins with a slash, got \"%.60s\"", key, text);
	return text;
}

/* path = { strip = "/api", add = "/v2" }, once for each condition */
static void read_path(struct reader *reader, struct keys *group_keys, struct rules *rules,
		      const struct lun_condition *conditions, size_t condition_count)
{
	struct keys keys = { .count = 0 };
	struct lun_path_rule rule;

	if (!read_enter(reader, group_keys, "path"))
		return;
	read_table(reader, "{ strip = \"/api\", add = \"/v2\" }");
	rule.strip = read_prefix_of_path(reader, &keys, "strip");
	rule.add = read_prefix_of_path(reader, &keys, "add");
	read_end(reader, &keys);
	if (!rule.strip && !rule.add)
		read_fail(reader, "expected { strip = \"/api\", add = \"/v2\" }, or one of the two");
	for (size_t i = 0; i < condition_count; i++) {
		if (rules->path_count == LUN_HEADERS)
			read_fail(reader, "expected at most %d paths, those of each condition counted", LUN_HEADERS);
		rule.when = conditions ? &conditions[i] : NULL;
		rules->paths[rules->path_count++] = rule;
	}
	read_leave(reader);
}

/* ---- a group --------------------------------------------------------------------------------------------------------- */

static void read_trust(struct reader *reader, struct keys *keys, struct lun_service *service)
{
	size_t count = 0;
	const struct lun_prefix *trusted = read_prefixes(reader, keys, "trust", &count);

	if (!trusted)
		return;
	if (service->trusted_proxies)
		read_fail(reader, "trust: expected in one group only");
	service->trusted_proxies = trusted;
	service->trusted_proxy_count = count;
}

/* response = { set = ..., remove = ... } */
static void read_response(struct reader *reader, struct keys *group_keys, struct rules *rules,
			  const struct lun_condition *conditions)
{
	struct keys keys = { .count = 0 };

	if (!read_enter(reader, group_keys, "response"))
		return;
	if (conditions)
		read_fail(reader, "expected in a group without `when`, which speaks of requests");
	read_table(reader, "{ set = { [\"X-Frame-Options\"] = \"DENY\" }, remove = { \"Server\" } }");
	rules->response = true;
	if (read_enter(reader, &keys, "set"))
		read_headers(reader, rules, LUN_HEADER_SET);
	if (read_enter(reader, &keys, "remove"))
		read_removed(reader, rules);
	rules->response = false;
	read_end(reader, &keys);
	read_leave(reader);
}

/* refuse = "answer" | "reset", of all that comes to the service */
static void read_refuse(struct reader *reader, struct keys *keys, struct lun_service *service)
{
	static const char *const words[] = { "answer", "reset", NULL };

	service->http_resets |= read_choice(reader, keys, "refuse", words, NULL) == 1;
}

static void read_group(struct reader *reader, struct rules *rules)
{
	struct keys keys = { .count = 0 };
	struct lun_condition *conditions;
	size_t first = rules->count, count;

	read_table(reader, "{ set = { [\"X-Real-IP\"] = \"$remote_addr\" } }");
	conditions = read_when(reader, &keys, &count);
	if (read_enter(reader, &keys, "set"))
		read_headers(reader, rules, LUN_HEADER_SET);
	if (read_enter(reader, &keys, "append"))
		read_headers(reader, rules, LUN_HEADER_APPEND);
	if (read_enter(reader, &keys, "default"))
		read_headers(reader, rules, LUN_HEADER_DEFAULT);
	if (read_enter(reader, &keys, "remove"))
		read_removed(reader, rules);
	read_path(reader, &keys, rules, conditions, count);
	read_trust(reader, &keys, rules->service);
	read_refuse(reader, &keys, rules->service);
	read_response(reader, &keys, rules, conditions);
	read_end(reader, &keys);
	repeat_headers(reader, rules, first, conditions, count);
}

void http_read(struct reader *reader, struct keys *service_keys, struct lun_service *service)
{
	struct rules rules = { .service = service };
	struct lun_path_rule *paths;
	struct lun_header *headers;

	if (!read_enter(reader, service_keys, "http"))
		return;
	service->http = true;
	if (lua_istable(reader->state, -1) && lua_rawlen(reader->state, -1) > 0) {
		size_t count = read_list(reader, "a list of groups, { headers.forwarded(), { set = ... } }");

		for (size_t i = 0; i < count; i++) {
			read_enter_item(reader, i);
			read_group(reader, &rules);
			read_leave(reader);
		}
	} else {
		read_group(reader, &rules);
	}
	read_leave(reader);
	headers = read_memory(reader, rules.count, sizeof(*headers));
	if (rules.count)
		memcpy(headers, rules.headers, rules.count * sizeof(*headers));
	service->headers = headers;
	service->header_count = rules.count;
	paths = read_memory(reader, rules.path_count, sizeof(*paths));
	if (rules.path_count)
		memcpy(paths, rules.paths, rules.path_count * sizeof(*paths));
	service->paths = paths;
	service->path_count = rules.path_count;
}

/* ---- headers.forwarded() --------------------------------------------------------------------------------------------- */

/* What ingress-nginx sends with its default settings: names in its order, and values.  What its clients send under these names is
 * overwritten, but for X-Request-ID. */
static const char *const forwarded[][2] = {
	{ "X-Real-IP", "$remote_addr" },
	{ "X-Forwarded-For", "$remote_addr" },
	{ "X-Forwarded-Host", "$forwarded_host" },
	{ "X-Forwarded-Port", "$forwarded_port" },
	{ "X-Forwarded-Proto", "$forwarded_proto" },
	{ "X-Forwarded-Scheme", "$forwarded_proto" },
	{ "X-Scheme", "$forwarded_proto" },
	{ "X-Original-Forwarded-For", "$http_x_forwarded_for" },
	{ "X-Original-Forwarded-Host", "$http_x_forwarded_host" },
};

/* Adds { name, value } to the list on top. */
static void push_header(lua_State *state, const char *name, const char *value)
{
	lua_createtable(state, 2, 0);
	lua_pushstring(state, name);
	lua_rawseti(state, -2, 1);
	lua_pushstring(state, value);
	lua_rawseti(state, -2, 2);
	lua_rawseti(state, -2, (lua_Integer)lua_rawlen(state, -2) + 1);
}

/* Pushes `trust` of the options at 1, or nil. */
static void push_trust(lua_State *state)
{
	if (lua_isnoneornil(state, 1)) {
		lua_pushnil(state);
		return;
	}
	luaL_checktype(state, 1, LUA_TTABLE);
	for (lua_pushnil(state); lua_next(state, 1) != 0; lua_pop(state, 1)) {
		if (lua_type(state, -2) != LUA_TSTRING || strcmp(lua_tostring(state, -2), "trust") != 0)
			luaL_error(state, "headers.forwarded: unknown option %s, expected trust",
				   luaL_tolstring(state, -2, NULL));
	}
	lua_pushliteral(state, "trust");
	lua_rawget(state, 1);
}

static int headers_forwarded(lua_State *state)
{
	bool trust;

	lua_settop(state, 1);
	lua_createtable(state, 0, 4);
	push_trust(state);
	trust = !lua_isnil(state, -1);
	lua_setfield(state, 2, "trust");
	lua_createtable(state, 16, 0);
	if (trust)
		push_header(state, "Host", "$forwarded_host");
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		push_header(state, forwarded[i][0], forwarded[i][1]);
	lua_setfield(state, 2, "set");
	lua_createtable(state, 1, 0);
	push_header(state, "X-Request-ID", "$request_id");
	lua_setfield(state, 2, "default");
	lua_createtable(state, 1, 0);
	lua_pushliteral(state, "Proxy");
	lua_rawseti(state, -2, 1);
	lua_setfield(state, 2, "remove");
	lua_settop(state, 2);
	return 1;
}

void http_open(lua_State *state)
{
	lua_createtable(state, 0, 1);
	lua_pushcfunction(state, headers_forwarded);
	lua_setfield(state, -2, "forwarded");
	lua_setglobal(state, "headers");
}
