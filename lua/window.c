/* window.c - `time_window "Mon-Fri 22:00-04:00, Sun"`: whether now is within times of the week, UTC.
 *
 * A week is 10,080 minutes, and a window is a bit for each: whatever was written, to ask costs the same.  What goes past midnight
 * belongs to the day on which it begins. */
#include "script.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { DAY = 24 * 60, WEEK = 7 * DAY, EPOCH_DAY = 3 /* 1 January 1970 was a Thursday, Monday is 0 */ };

struct window {
	uint64_t minutes[(WEEK + 63) / 64];
};

/* Reads "Mon"; => 0 to 6, or -1 */
static int read_day(const char **at)
{
	static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

	for (int day = 0; day < 7; day++) {
		if (strncasecmp(*at, days[day], 3) == 0) {
			*at += 3;
			return day;
		}
	}
	return -1;
}

static bool read_char(const char **at, char wanted)
{
	if (**at != wanted)
		return false;
	++*at;
	return true;
}

/* Reads "22:00"; => minutes, or -1 */
static int read_time(const char **at)
{
	const char *text = *at;
	int hour, minute;

	for (int i = 0; i < 5; i++) {
		if (i == 2 ? text[i] != ':' : !isdigit((unsigned char)text[i]))
			return -1;
	}
	hour = (text[0] - '0') * 10 + text[1] - '0';
	minute = (text[3] - '0') * 10 + text[4] - '0';
	*at += 5;
	return minute < 60 && hour * 60 + minute <= DAY ? hour * 60 + minute : -1;
}

static void skip_blanks(const char **at)
{
	while (**at == ' ')
		++*at;
}

/* Reads "Mon-Fri 22:00-04:00": the days, all if none is given; then the times, the whole day if none is. */
static bool read_span(const char **at, struct window *window)
{
	int first = read_day(at), last = first, from = 0, to = DAY;

	if (first >= 0 && read_char(at, '-'))
		last = read_day(at);
	if (first >= 0 && last < 0)
		return false;
	skip_blanks(at);
	if (first < 0 || isdigit((unsigned char)**at)) {
		from = read_time(at);
		to = read_char(at, '-') ? read_time(at) : -1;
	}
	if (from < 0 || to < 0 || from == to)
		return false;
	if (first < 0)
		first = 0, last = 6;
	for (int day = first, left = (last - first + 7) % 7; left >= 0; left--, day++) {
		for (int minute = from; minute != (to > from ? to : to + DAY); minute++) {
			int of_week = (day * DAY + minute) % WEEK;

			window->minutes[of_week / 64] |= UINT64_C(1) << of_week % 64;
		}
	}
	return true;
}

static bool window_read(const char *text, struct window *window)
{
	memset(window, 0, sizeof(*window));
	do {
		skip_blanks(&text);
		if (!read_span(&text, window))
			return false;
		skip_blanks(&text);
	} while (read_char(&text, ','));
	if (strcasecmp(text, "UTC") == 0)
		text += 3;
	return *text == '\0';
}

/* Upvalue 1: the metatable. */
static int window_new(lua_State *state)
{
	size_t length;
	const char *text = luaL_checklstring(state, 1, &length);
	struct window *window = lua_newuserdatauv(state, sizeof(*window), 0);

	limits_charge(state, length * 1000);
	if (strlen(text) != length || !window_read(text, window))
		return luaL_error(state,
				  "expected times such as \"Mon-Fri 22:00-04:00 UTC\", \"Sat, Sun\" or \"12:00-13:00\", got "
				  "\"%s\"",
				  text);
	lua_pushvalue(state, lua_upvalueindex(1));
	lua_setmetatable(state, -2);
	return 1;
}

/* window:open(); upvalue 1: the metatable. */
static int window_open(lua_State *state)
{
	const struct script *script = script_of(state);
	const struct window *window = lua_touserdata(state, 1);
	uint64_t minute;

	if (lua_type(state, 1) != LUA_TUSERDATA || !lua_getmetatable(state, 1) ||
	    !lua_rawequal(state, -1, lua_upvalueindex(1)))
		luaL_typeerror(state, 1, "time_window");
	if (!script->has_clock)
		return luaL_error(state, "a time window can be asked only in a hook, and not in on_request");
	minute = script->now;
	if (script->options.utc != NULL)
		minute = script->options.utc(script->options.user, minute);
	minute = (minute / (UINT64_C(60) * 1000000000) + EPOCH_DAY * DAY) % WEEK;
	lua_pushboolean(state, window->minutes[minute / 64] >> minute % 64 & 1);
	return 1;
}

void time_open(lua_State *state)
{
	static const luaL_Reg methods[] = { { "open", window_open }, { NULL, NULL } };

	sandbox_push_type(state, "time_window", methods);
	lua_pushcclosure(state, window_new, 1);
	lua_setglobal(state, "time_window");
}
