/* message.c - what is wrong, and where: the places that messages begin with, and the lines that a person reads.
 *
 * Every message begins with its place, "kind.lua:30: ".  While hooks run, a place may speak once a second, and says then how often it
 * could not: a hook that always fails must not fill the log. */
#include "script.h"

#include <stdio.h>
#include <string.h>

bool script_where(lua_State *state, lua_Debug *where)
{
	for (int level = 0; lua_getstack(state, level, where); level++) {
		lua_getinfo(state, "Sl", where);
		if (where->currentline > 0)
			return true;
	}
	return false;
}

/* Without snprintf: each decision that on_flow makes gets its place. */
void script_place(lua_State *state, char place[SCRIPT_PLACE])
{
	lua_Debug where;
	size_t length;

	*place = '\0';
	if (!script_where(state, &where))
		return;
	length = strlen(where.short_src);
	memcpy(place, where.short_src, length);
	place[length++] = ':';
	for (int rest = where.currentline; rest > 0; rest /= 10)
		length++;
	place[length] = '\0';
	for (int rest = where.currentline; rest > 0; rest /= 10)
		place[--length] = (char)('0' + rest % 10);
}

size_t script_place_length(const char *message)
{
	const char *colon = strchr(message, ':');
	size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;

	if (digits == 0 || colon[1 + digits] != ':' || colon[2 + digits] != ' ')
		return 0;
	return (size_t)(colon - message) + digits + 3;
}

/* The account of the place that this line begins with; the places that spoke last are remembered. */
static struct log_place *log_place_of(struct script *script, const char *line)
{
	size_t length = script_place_length(line);
	struct log_place *oldest = &script->log_places[0];

	if (length >= sizeof(oldest->place))
		length = sizeof(oldest->place) - 1;
	for (size_t i = 0; i < sizeof(script->log_places) / sizeof(script->log_places[0]); i++) {
		struct log_place *place = &script->log_places[i];

		if (place->quiet_until > 0 && strncmp(place->place, line, length) == 0 && place->place[length] == '\0')
			return place;
		if (place->quiet_until < oldest->quiet_until)
			oldest = place;
	}
	*oldest = (struct log_place) { .unsaid = 0 };
	memcpy(oldest->place, line, length);
	return oldest;
}

/* Whether a line may be said, a second after the last one of its place; => how many were not, since then. */
static bool log_may_speak(struct script *script, const char *line, uint64_t *unsaid)
{
	struct log_place *place = log_place_of(script, line);
	uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);

	if (now < place->quiet_until) {
		place->unsaid++;
		return false;
	}
	*unsaid = place->unsaid;
	place->unsaid = 0;
	place->quiet_until = now + 1000000000;
	return true;
}

const char *script_folder(const struct script *script, const char *message)
{
	return *message == '/' ? "" : script->folder;
}

void script_log(struct script *script, const char *line)
{
	char text[SCRIPT_TEXT + 64], more[64] = "";
	uint64_t unsaid = 0;

	if (script->options.log == NULL || (!script->loading && !log_may_speak(script, line, &unsaid)))
		return;
	if (unsaid > 0)
		snprintf(more, sizeof(more), " (and %llu times since it was said last)", (unsigned long long)unsaid);
	snprintf(text, sizeof(text), "%s%s%s", script_folder(script, line), line, more);
	script->options.log(script->options.user, text);
}

/* The message handler: every message begins with a place. */
int script_handle_message(lua_State *state)
{
	const char *message = lua_type(state, 1) == LUA_TSTRING ? lua_tostring(state, 1) : NULL;
	char place[SCRIPT_PLACE];

	if (message == NULL)
		message = lua_pushfstring(state, "error raised with a %s", luaL_typename(state, 1));
	if (script_of(state)->limits.overrun != OVERRUN_NONE || script_place_length(message) > 0)
		return 1;
	script_place(state, place);
	if (*place != '\0')
		lua_pushfstring(state, "%s: %s", place, message);
	return 1;
}

/* What a failed lua_pcall left on top, as "kind.lua:30: message", or "kind.lua: message" if no line could be told. */
const char *script_message(struct script *script, int status, char text[SCRIPT_TEXT])
{
	char overrun[LIMITS_MESSAGE];
	const char *message = lua_tostring(script->state, -1);

	if (limits_overran(&script->limits, status)) {
		limits_message(&script->limits, overrun);
		message = overrun;
	}
	if (script_place_length(message) > 0)
		snprintf(text, SCRIPT_TEXT, "%s", message);
	else
		snprintf(text, SCRIPT_TEXT, "%s: %s", script->name, message);
	return text;
}
