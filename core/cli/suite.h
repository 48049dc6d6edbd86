/* suite.h - a file of scenarios in Lua: what `lunette test` finds in it, and how each one ends. */
#ifndef LUNETTE_CLI_SUITE_H
#define LUNETTE_CLI_SUITE_H

#include <lunette/lunette.h>
#include <stdbool.h>

/* How a scenario ended. */
struct suite_result {
	const char *name;
	const char *at;      /* "kind_test.lua:4" */
	const char *message; /* NULL: it passed; else "kind_test.lua:7: expected ..., got ...", in lines */
};

struct suite_listener {
	void (*result)(void *user, const struct suite_result *result);
	void *user;
};

struct suite_options {
	const char *filter; /* only scenarios whose names contain it; NULL: all */
	bool update;        /* golden files that differ are recorded anew */
};

/* Runs the scenarios of a file.  Fails, and the text begins with file and line:
 * LUN_BAD_FILE, LUN_BAD_POLICY (the file itself is wrong), LUN_NO_MEMORY. */
int suite_run(const char *path, const struct suite_options *options, const struct suite_listener *listener,
	      struct lun_error *error);

/* scenario_lua.c: what a scenario's function gets. */
struct lua_State;
struct scenario;

/* Makes the types known to a state. */
void scenario_open(struct lua_State *state);
/* Pushes an object for a scenario whose files are in `folder` ("" or with a slash at its end), which must outlive the state.
 * => the scenario in it, not initialized; once it is finished, the object and its conversations say that it is over. */
struct scenario *scenario_push(struct lua_State *state, const char *folder);

#endif
