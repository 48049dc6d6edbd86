/* lua_pattern.c - the matcher of policies answers as Lua's own does: one script, policies/patterns.lua, prints its answers
 * to four thousand patterns in both. */
#include "lua_load.h"

#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>

struct output {
	char *text;
	size_t length;
};

static void output_add(struct output *output, const char *line)
{
	size_t length = strlen(line);

	output->text = realloc(output->text, output->length + length + 2);
	assert_non_null(output->text);
	memcpy(output->text + output->length, line, length);
	output->length += length;
	output->text[output->length++] = '\n';
	output->text[output->length] = '\0';
}

/* options.log: what a policy prints, less its place. */
static void output_log(void *user, const char *line)
{
	const char *text = strstr(line, ": ");

	output_add(user, text != NULL ? text + 2 : line);
}

/* print of the stock interpreter, in the same form; upvalue 1 is the output. */
static int output_print(lua_State *lua)
{
	int count = lua_gettop(lua);
	luaL_Buffer line;

	luaL_buffinit(lua, &line);
	for (int i = 1; i <= count; i++) {
		if (i > 1)
			luaL_addchar(&line, '\t');
		luaL_tolstring(lua, i, NULL);
		luaL_addvalue(&line);
	}
	luaL_pushresult(&line);
	output_add(lua_touserdata(lua, lua_upvalueindex(1)), lua_tostring(lua, -1));
	return 0;
}

static void run_stock(struct output *output)
{
	lua_State *lua = luaL_newstate();

	assert_non_null(lua);
	luaL_openlibs(lua);
	lua_pushlightuserdata(lua, output);
	lua_pushcclosure(lua, output_print, 1);
	lua_setglobal(lua, "print");
	if (luaL_dofile(lua, "policies/patterns.lua"))
		fail_msg("%s", lua_tostring(lua, -1));
	lua_close(lua);
}

static void run_policy(struct output *output)
{
	const struct lun_lua_options options = { .size = sizeof(options), .log = output_log, .user = output };
	struct lun_policy *policy;
	struct lun_error error;

	if (lun_lua_policy_load(&policy, "policies/patterns_policy.lua", &options, &error) < 0)
		fail_msg("%s", error.text);
	lun_policy_unref(policy);
}

static void the_answers_are_those_of_lua(void **state)
{
	struct output stock = { .length = 0 }, policy = { .length = 0 };
	char *stock_line, *policy_line, *stock_rest, *policy_rest;
	size_t lines = 0;

	(void)state;
	run_stock(&stock);
	run_policy(&policy);
	stock_line = strtok_r(stock.text, "\n", &stock_rest);
	policy_line = strtok_r(policy.text, "\n", &policy_rest);
	for (; stock_line != NULL && policy_line != NULL; lines++) {
		assert_string_equal(policy_line, stock_line);
		stock_line = strtok_r(NULL, "\n", &stock_rest);
		policy_line = strtok_r(NULL, "\n", &policy_rest);
	}
	assert_null(stock_line);
	assert_null(policy_line);
	assert_true(lines > 4000);
	free(stock.text);
	free(policy.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answers_are_those_of_lua),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
