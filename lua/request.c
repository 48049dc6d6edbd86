/* request.c - the request that on_request is given, with its headers: they can be read and set, as can its target. */
#include "script.h"

#include <string.h>

/* X(name): what a script can ask of a request. */
#define REQUEST_FIELDS(X)                                                                                                   \
	X(method)                                                                                                           \
	X(target)                                                                                                           \
	X(host)                                                                                                             \
	X(headers)                                                                                                          \
	X(service)
enum request_field {
	REQUEST_UNKNOWN,
#define REQUEST_FIELD_VALUE(name) REQUEST_##name,
	REQUEST_FIELDS(REQUEST_FIELD_VALUE)
#undef REQUEST_FIELD_VALUE
};
static const char *const request_fields[] = {
#define REQUEST_FIELD_NAME(name) #name,
	REQUEST_FIELDS(REQUEST_FIELD_NAME)
#undef REQUEST_FIELD_NAME
};
enum { REQUEST_FIELD_COUNT = sizeof(request_fields) / sizeof(request_fields[0]) };

/* ---- headers --------------------------------------------------------------------------------------------------------- */

/* What the client sent, or nil; what the script has set shows there no more than what the service's rules will. */
static void headers_push(lua_State *state, int field)
{
	const struct lun_request *request = script_of(state)->request;
	const char *name = luaL_checkstring(state, 2);
	luaL_Buffer text;
	size_t length = lun_request_header(request, name, NULL, 0);

	(void)field;
	if (length == 0) {
		lua_pushnil(state);
		return;
	}
	lun_request_header(request, name, luaL_buffinitsize(state, &text, length), length);
	luaL_pushresultsize(&text, length);
}

static int headers_set(lua_State *state)
{
	struct lun_request *request = script_of(state)->request;
	const char *name = luaL_checkstring(state, 2);
	const char *value = lua_isnil(state, 3) ? NULL : luaL_tolstring(state, 3, NULL);
	int code;

	if (value != NULL && strlen(value) != lua_rawlen(state, -1))
		return luaL_error(state, "the value of header %s holds a zero byte", name);
	code = lun_request_set(request, name, value);
	if (code == LUN_FULL)
		return luaL_error(state, "too many headers are set in one request (more than 16, or 4 kB of text)");
	if (code < 0)
		return luaL_error(state,
				  "header %s cannot be set to \"%s\": expected a token that does not say where the request "
				  "ends, and a value without control characters",
				  name, value != NULL ? value : "nil");
	return 0;
}

const struct object_kind headers_kind = {
	.name = "request", .given_to = "on_request", .push = headers_push, .change = headers_set
};

/* ---- the request ----------------------------------------------------------------------------------------------------- */

static void request_push_field(lua_State *state, int field)
{
	const struct lun_request *request = script_of(state)->request;

	switch ((enum request_field)field) {
	case REQUEST_UNKNOWN:
		break;
	case REQUEST_method:
		lua_pushlstring(state, request->method, request->method_length);
		break;
	case REQUEST_target:
		lua_pushlstring(state, request->target, request->target_length);
		break;
	case REQUEST_host:
		if (request->host_length > 0)
			lua_pushlstring(state, request->host, request->host_length);
		else
			lua_pushnil(state);
		break;
	case REQUEST_headers:
		object_push(state, OBJECT_HEADERS);
		break;
	case REQUEST_service:
		lua_pushstring(state, request->service);
		break;
	}
}

static int request_set_target(lua_State *state, struct lun_request *request)
{
	const char *target = luaL_tolstring(state, 3, NULL);
	int code = strlen(target) == lua_rawlen(state, -1) ? lun_request_set_target(request, target) : LUN_BAD_ARGUMENT;

	if (code == LUN_FULL)
		return luaL_error(state, "the target is too long (4 kB, with the headers that are set)");
	if (code < 0)
		return luaL_error(
			state,
			"the target cannot be set to \"%s\": expected a path, and perhaps a query, that begins with a "
			"slash and has no blank, '#', control character or byte above 126",
			target);
	return 0;
}

static int request_change(lua_State *state)
{
	struct lun_request *request = script_of(state)->request;

	if (lua_type(state, 2) == LUA_TSTRING && strcmp(lua_tostring(state, 2), "target") == 0)
		return request_set_target(state, request);
	return luaL_error(
		state, "of a request only the headers and the target can be changed, as in request.headers[\"X-Tenant\"] = "
		       "\"blue\" or request.target = \"/v2/x\"");
}

const struct object_kind request_kind = {
	.name = "request",
	.given_to = "on_request",
	.fields = request_fields,
	.field_count = REQUEST_FIELD_COUNT,
	.push = request_push_field,
	.change = request_change,
};
