/* request.c - on_request: the request object that it gets, with its headers, which can be read and set, as can its target.
 *
 * Both objects are tickets, as a flow is (flow.c): the number of the call that they were made for. */
#include "script.h"

#include <string.h>

struct ticket {
	uint64_t call;
};

/* X(name): what a script can ask of a request. */
#define REQUEST_FIELDS(X)                                                                                                   \
	X(method)                                                                                                           \
	X(target)                                                                                                           \
	X(host)                                                                                                             \
	X(headers)                                                                                                          \
	X(service)
static const char *const request_fields[] = {
#define REQUEST_FIELD_NAME(name) #name,
	REQUEST_FIELDS(REQUEST_FIELD_NAME)
#undef REQUEST_FIELD_NAME
};
enum { REQUEST_FIELD_COUNT = sizeof(request_fields) / sizeof(request_fields[0]) };

/* Upvalues of the hook's function; the first of the metamethods, too: their own metatable. */
enum { HOOK = 1, REQUEST_METATABLE, HEADERS_METATABLE, FLOW_METATABLE };

/* The request that argument 1 stands for; upvalue 1: its metatable. */
static struct lun_request *request_check(lua_State *state, const char *what)
{
	const struct script *script = script_of(state);
	bool is_ours = lua_type(state, 1) == LUA_TUSERDATA && lua_getmetatable(state, 1);

	if (!is_ours || !lua_rawequal(state, -1, lua_upvalueindex(1)))
		luaL_typeerror(state, 1, what);
	if (script->request == NULL || ((const struct ticket *)lua_touserdata(state, 1))->call != script->call)
		luaL_error(state,
			   "this request is over: it can be used only during the call of on_request that it was given to");
	return script->request;
}

static void ticket_push(lua_State *state, int metatable)
{
	((struct ticket *)lua_newuserdatauv(state, sizeof(struct ticket), 0))->call = script_of(state)->call;
	lua_pushvalue(state, metatable);
	lua_setmetatable(state, -2);
}

/* ---- headers --------------------------------------------------------------------------------------------------------- */

/* What the client sent, or nil; what the script has set shows there no more than what the service's rules will. */
static int headers_index(lua_State *state)
{
	const struct lun_request *request = request_check(state, "headers");
	const char *name = luaL_checkstring(state, 2);
	luaL_Buffer text;
	size_t length = lun_request_header(request, name, NULL, 0);

	if (length == 0)
		return 0;
	lun_request_header(request, name, luaL_buffinitsize(state, &text, length), length);
	luaL_pushresultsize(&text, length);
	return 1;
}

static int headers_set(lua_State *state)
{
	struct lun_request *request = request_check(state, "headers");
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

/* ---- the request ----------------------------------------------------------------------------------------------------- */

static int request_unknown(lua_State *state)
{
	const char *name = luaL_tolstring(state, 2, NULL);
	const char *near = suggest(name, request_fields, REQUEST_FIELD_COUNT);

	if (near != NULL)
		return luaL_error(state, "a request has no field %s, did you mean %s?", name, near);
	return luaL_error(state, "a request has no field %s", name);
}

/* Upvalues: the metatables of requests and of headers. */
static int request_index(lua_State *state)
{
	const struct lun_request *request = request_check(state, "request");
	const char *name = lua_type(state, 2) == LUA_TSTRING ? lua_tostring(state, 2) : "";

	if (strcmp(name, "method") == 0)
		lua_pushlstring(state, request->method, request->method_length);
	else if (strcmp(name, "target") == 0)
		lua_pushlstring(state, request->target, request->target_length);
	else if (strcmp(name, "host") == 0 && request->host_length == 0)
		lua_pushnil(state);
	else if (strcmp(name, "host") == 0)
		lua_pushlstring(state, request->host, request->host_length);
	else if (strcmp(name, "service") == 0)
		lua_pushstring(state, request->service);
	else if (strcmp(name, "headers") == 0)
		ticket_push(state, lua_upvalueindex(2));
	else
		return request_unknown(state);
	return 1;
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
	struct lun_request *request = request_check(state, "request");

	if (lua_type(state, 2) == LUA_TSTRING && strcmp(lua_tostring(state, 2), "target") == 0)
		return request_set_target(state, request);
	return luaL_error(
		state, "of a request only the headers and the target can be changed, as in request.headers[\"X-Tenant\"] = "
		       "\"blue\" or request.target = \"/v2/x\"");
}

/* One call of on_request. */
static int request_run(lua_State *state)
{
	lua_pushvalue(state, lua_upvalueindex(HOOK));
	ticket_push(state, lua_upvalueindex(REQUEST_METATABLE));
	flow_push(state, lua_upvalueindex(FLOW_METATABLE));
	lua_call(state, 2, 1);
	if (!lua_isnil(state, -1))
		return luaL_error(state, "on_request returned a %s, expected nothing", luaL_typename(state, -1));
	return 0;
}

/* Pushes a metatable with these two functions, which get it as first upvalue, and `more` values from the top of the stack, popped. */
static void push_metatable(lua_State *state, const char *name, const luaL_Reg *functions, int more)
{
	int metatable, others = lua_gettop(state) - more;

	lua_newtable(state);
	metatable = lua_gettop(state);
	lua_pushstring(state, name);
	lua_setfield(state, metatable, "__name");
	lua_pushfstring(state, "a %s", name);
	lua_setfield(state, metatable, "__metatable");
	for (; functions->name != NULL; functions++) {
		lua_pushvalue(state, metatable);
		for (int i = 1; i <= more; i++)
			lua_pushvalue(state, others + i);
		lua_pushcclosure(state, functions->func, 1 + more);
		lua_setfield(state, metatable, functions->name);
	}
}

void request_push_hook(lua_State *state)
{
	static const luaL_Reg of_headers[] = { { "__index", headers_index }, { "__newindex", headers_set }, { NULL, NULL } };
	static const luaL_Reg of_requests[] = { { "__index", request_index },
						{ "__newindex", request_change },
						{ NULL, NULL } };

	push_metatable(state, "headers", of_headers, 0);
	push_metatable(state, "request", of_requests, 1);
	lua_insert(state, -2);
	flow_push_metatable(state);
	lua_pushcclosure(state, request_run, 4);
}
