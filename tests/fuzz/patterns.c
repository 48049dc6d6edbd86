/* patterns.c - any text as a pattern, in the sandbox's matcher and in Lua's own: where both match, they give the same.
 *
 * Short ones, since Lua's own cannot be stopped.  Where only one of them refuses a pattern, it is ours: it reads all of it first.
 *
 * Input: a byte for the length of the pattern, the pattern, then the subject. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <lunette/lua.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATTERN_MOST = 12, SUBJECT_MOST = 16, SCRIPT = 2048, SAID = 4096 };

/* Prints a line for each function: "error", or all results, texts as numbers. */
static const char tries[] =
	"local function show(ok, ...) if not ok then return 'error' end local t = {} for i = 1, select('#', ...) do\n"
	"local v = select(i, ...) t[i] = type(v) == 'string' and '\"' .. table.concat({ string.byte(v, 1, -1) }, ',') or "
	"tostring(v)\n"
	"end return '.' .. table.concat(t, ' ') end\n"
	"local function all() local t = {} for a, b in string.gmatch(s, p) do t[#t + 1] = tostring(a) .. ',' .. tostring(b) "
	"end\n"
	"return table.concat(t, ';') end\n"
	"print(show(pcall(string.find, s, p)))\n" /* a line each: a place says something once a second */
	"print(show(pcall(string.find, s, p, 3)))\n"
	"print(show(pcall(string.match, s, p)))\n"
	"print(show(pcall(string.gsub, s, p, '<%0>')))\n"
	"print(show(pcall(all)))\n";

struct said {
	char text[SAID];
	size_t length;
};

static void say(struct said *said, const char *line)
{
	int length = snprintf(said->text + said->length, SAID - said->length, "%s\n", line);

	MUST(length > 0 && (size_t)length < SAID - said->length);
	said->length += (size_t)length;
}

/* Ours has the place in front. */
static void on_log(void *user, const char *line)
{
	const char *behind = strstr(line, ": ");

	MUST(behind);
	say(user, behind + 2);
}

static int on_print(lua_State *state)
{
	say(lua_touserdata(state, lua_upvalueindex(1)), luaL_checkstring(state, 1));
	return 0;
}

static void run_ours(const char *script, size_t length, struct said *said)
{
	const struct lun_lua_options options = { .size = sizeof(options), .log = on_log, .user = said };
	struct lun_policy *policy;
	struct lun_error error;
	char path[32];
	int file = memfd_create("policy", 0);

	MUST(file >= 0 && write(file, script, length) == (ssize_t)length);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (lun_lua_policy_load(&policy, path, &options, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	lun_policy_unref(policy);
	close(file);
}

static void run_luas(const char *script, size_t length, struct said *said)
{
	lua_State *state = luaL_newstate();

	MUST(state);
	luaL_openlibs(state);
	lua_pushlightuserdata(state, said);
	lua_pushcclosure(state, on_print, 1);
	lua_setglobal(state, "print");
	MUST(luaL_dostring(state, "function node() end") == LUA_OK);
	MUST(luaL_loadbuffer(state, script, length, "script") == LUA_OK && lua_pcall(state, 0, 0, 0) == LUA_OK);
	lua_close(state);
}

static size_t put_text(char *script, size_t at, const char *name, const uint8_t *bytes, size_t size)
{
	at += (size_t)sprintf(script + at, "local %s = \"", name);
	for (size_t i = 0; i < size; i++)
		at += (size_t)sprintf(script + at, "\\%03u", bytes[i]);
	return at + (size_t)sprintf(script + at, "\" ");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct said ours, luas;
	struct input input = { data, size };
	uint8_t pattern[PATTERN_MOST], subject[SUBJECT_MOST];
	uint32_t pattern_size = input_bytes(&input, pattern, input_byte(&input) % (PATTERN_MOST + 1));
	uint32_t subject_size = input_bytes(&input, subject, SUBJECT_MOST);
	char script[SCRIPT] = "node { name = 'n', pods = { '10.0.0.0/8' } } ", *our_line, *lua_line, *our_rest, *lua_rest;
	size_t length = strlen(script);

	length = put_text(script, length, "p", pattern, pattern_size);
	length = put_text(script, length, "s", subject, subject_size);
	length += (size_t)snprintf(script + length, SCRIPT - length, "%s", tries);
	ours.length = luas.length = 0;
	run_ours(script, length, &ours);
	run_luas(script, length, &luas);
	our_line = strtok_r(ours.text, "\n", &our_rest);
	lua_line = strtok_r(luas.text, "\n", &lua_rest);
	for (; our_line && lua_line; our_line = strtok_r(NULL, "\n", &our_rest), lua_line = strtok_r(NULL, "\n", &lua_rest))
		if (strcmp(our_line, lua_line) != 0 && strcmp(our_line, "error") != 0) {
			fprintf(stderr, "%s\nours: %s\nLua's: %s\n", script, our_line, lua_line);
			abort();
		}
	MUST(!our_line && !lua_line);
	return 0;
}
