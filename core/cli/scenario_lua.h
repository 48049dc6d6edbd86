/* scenario_lua.h - what the files that show scenarios to Lua share. */
#ifndef LUNETTE_CLI_SCENARIO_LUA_H
#define LUNETTE_CLI_SCENARIO_LUA_H

#include "cli/scenario.h"
#include "cli/suite.h"

#include <lauxlib.h>

/* The conversation at `index`; an error if it is none, or its scenario is over. */
struct conversation *conversation_at(lua_State *state, int index);

/* Pushes a new object for a conversation; the scenario's object is at `owner` and lives as long. */
void conversation_push(lua_State *state, int owner, struct scenario *scenario, const struct lun_tuple *tuple);

/* Pushes "10.244.0.5:80", or `false` if nothing has reached the upstream. */
void conversation_push_endpoint(lua_State *state, const struct conversation *conversation);

/* Makes the type known. */
void conversation_open_type(lua_State *state);

/* arguments_lua.c */

/* Every key of the table at `index` must be one of `names`, which NULL ends. */
void check_keys(lua_State *state, int index, const char *const *names);

/* "10.0.0.1:80", or an address alone if `port` is NULL, in a field of the table at `index`. */
void take_address(lua_State *state, int index, const char *field, struct lun_address *address, uint16_t *port);

/* A field's number, from 0 to `most`; `otherwise` if there is none. */
lua_Integer take_number(lua_State *state, int index, const char *field, lua_Integer most, lua_Integer otherwise);

/* "2h4m", "1.5s", "300ms", or a number of seconds, in ns. */
uint64_t take_duration(lua_State *state, int index);

/* Pushes a value as a message shows it: strings quoted, of long ones the beginning. */
const char *push_shown(lua_State *state, int index);

/* For the methods that return their object. */
int return_itself(lua_State *state);

void open_type(lua_State *state, const char *name, const luaL_Reg *methods);

#endif
