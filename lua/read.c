/* read.c - see read.h. */
#include "read.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Registry key of the table that keeps memory and strings while loading. */
static const char anchor_key;

enum { READ_TEXT = 400 };

/* Text that grows piece by piece and is cut at its end. */
struct text {
	char bytes[READ_TEXT];
	size_t length;
};

static void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void text_add_list(struct text *text, const char *format, va_list arguments)
{
	int added = vsnprintf(text->bytes + text->length, sizeof(text->bytes) - text->length, format, arguments);

	if (added > 0)
		text->length += (size_t)added;
	if (text->length >= sizeof(text->bytes))
		text->length = sizeof(text->bytes) - 1;
}

static void text_add(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_add_list(text, format, arguments);
	va_end(arguments);
}

/* What a person wrote, in quotes: the beginning of it, and no control characters. */
static void text_add_quoted(struct text *text, const char *bytes, size_t length)
{
	text_add(text, "\"");
	for (size_t i = 0; i < length && i < 60; i++)
		text_add(text, "%c", iscntrl((unsigned char)bytes[i]) ? '?' : bytes[i]);
	text_add(text, length > 60 ? "...\"" : "\"");
}

static void text_add_value(struct text *text, lua_State *state, int index)
{
	size_t length;
	const char *bytes;

	switch (lua_type(state, index)) {
	case LUA_TSTRING:
		bytes = lua_tolstring(state, index, &length);
		text_add_quoted(text, bytes, length);
		break;
	case LUA_TNUMBER:
		if (lua_isinteger(state, index))
			text_add(text, "%lld", (long long)lua_tointeger(state, index));
		else
			text_add(text, "%.14g", (double)lua_tonumber(state, index));
		break;
	case LUA_TBOOLEAN:
		text_add(text, lua_toboolean(state, index) ? "true" : "false");
		break;
	case LUA_TNIL:
		text_add(text, "nothing");
		break;
	default:
		text_add(text, "a %s", luaL_typename(state, index));
	}
}

/* service "default/nginx" */
static void text_add_owner(struct text *text, const struct reader *reader)
{
	text_add(text, "%s", reader->word);
	if (reader->name != NULL)
		text_add(text, " \"%s\"", reader->name);
}

/* ports[2].node_port of service "default/nginx" */
static void text_add_path(struct text *text, const struct reader *reader)
{
	for (size_t i = 0; i < reader->depth; i++) {
		const struct step *step = &reader->path[i];

		if (step->key != NULL)
			text_add(text, "%s%s", i > 0 ? "." : "", step->key);
		else
			text_add(text, "[%lld]", step->index);
	}
	if (reader->depth > 0)
		text_add(text, " of ");
	text_add_owner(text, reader);
}

/* ---- Errors ---------------------------------------------------------------------------------------------------------- */

static int read_line(const struct reader *reader)
{
	for (const struct source *source = script_of(reader->state)->sources; source != NULL; source = source->next) {
		if (strcmp(source->name, reader->file) == 0)
			return locate_line(source, reader->word, reader->line, reader->path, reader->depth);
	}
	return reader->line;
}

_Noreturn static void read_raise(const struct reader *reader, const struct text *text)
{
	lua_pushfstring(reader->state, "%s:%d: %s", reader->file, read_line(reader), text->bytes);
	lua_error(reader->state);
	__builtin_unreachable();
}

_Noreturn void read_fail(struct reader *reader, const char *format, ...)
{
	struct text text = { .length = 0 };
	va_list arguments;

	text_add_path(&text, reader);
	text_add(&text, ": ");
	va_start(arguments, format);
	text_add_list(&text, format, arguments);
	va_end(arguments);
	read_raise(reader, &text);
}

_Noreturn void read_unexpected(struct reader *reader, const char *expected)
{
	struct text text = { .length = 0 };

	text_add_path(&text, reader);
	text_add(&text, ": expected %s, got ", expected);
	text_add_value(&text, reader->state, -1);
	read_raise(reader, &text);
}

void read_warn(struct reader *reader, const char *format, ...)
{
	struct text text = { .length = 0 };
	va_list arguments;

	text_add(&text, "%s:%d: ", reader->file, read_line(reader));
	text_add_path(&text, reader);
	text_add(&text, ": ");
	va_start(arguments, format);
	text_add_list(&text, format, arguments);
	va_end(arguments);
	script_log(script_of(reader->state), text.bytes);
}

/* `what` is of the design; the last `steps` steps of the path lead to it. */
_Noreturn static void read_fail_unsupported(struct reader *reader, const char *what, size_t steps)
{
	struct reader owner = *reader;
	struct text text = { .length = 0 };

	owner.depth -= steps;
	text_add(&text, "%s is not supported yet by this version (", what);
	text_add_path(&text, &owner);
	text_add(&text, ")");
	read_raise(reader, &text);
}

/* `key` is in the table but not among the known keys. */
_Noreturn static void read_fail_key(struct reader *reader, const struct keys *keys, const char *key)
{
	struct text text = { .length = 0 };
	const char *near = suggest(key, keys->known, keys->count);

	text_add(&text, "unknown key %.60s in ", key);
	text_add_path(&text, reader);
	if (near != NULL)
		text_add(&text, ", did you mean %s?", near);
	for (size_t i = 0; near == NULL && i < keys->count; i++)
		text_add(&text, "%s%s", i == 0 ? ", expected one of " : ", ", keys->known[i]);
	if (reader->depth < READ_DEPTH)
		reader->path[reader->depth++] = (struct step) { .key = key };
	read_raise(reader, &text);
}

/* ---- Walking --------------------------------------------------------------------------------------------------------- */

void read_begin(struct reader *reader, lua_State *state, const char *word, const char *name)
{
	lua_Debug where;

	*reader = (struct reader) { .state = state, .word = word, .name = name };
	if (!script_where(state, &where))
		return;
	memcpy(reader->file, where.short_src, sizeof(reader->file));
	reader->line = where.currentline;
}

char *read_place(const struct reader *reader, char place[SCRIPT_PLACE])
{
	snprintf(place, SCRIPT_PLACE, "%s:%d", reader->file, reader->line);
	return place;
}

void read_table(struct reader *reader, const char *expected)
{
	if (!lua_istable(reader->state, -1))
		read_unexpected(reader, expected);
	luaL_checkstack(reader->state, 8, "a table in too many tables");
}

void read_step(struct reader *reader, struct step step)
{
	assert(reader->depth < READ_DEPTH);
	reader->path[reader->depth++] = step;
}

bool read_enter(struct reader *reader, struct keys *keys, const char *key)
{
	assert(keys->count < READ_KEYS);
	keys->known[keys->count++] = key;
	if (lua_getfield(reader->state, -1, key) == LUA_TNIL) {
		lua_pop(reader->state, 1);
		return false;
	}
	read_step(reader, (struct step) { .key = key });
	return true;
}

void read_enter_item(struct reader *reader, size_t index)
{
	lua_rawgeti(reader->state, -1, (lua_Integer)index + 1);
	read_step(reader, (struct step) { .index = (long long)index + 1 });
}

void read_leave(struct reader *reader)
{
	lua_pop(reader->state, 1);
	reader->depth--;
}

size_t read_list(struct reader *reader, const char *expected)
{
	lua_State *state = reader->state;
	size_t length, entries = 0;

	read_table(reader, expected);
	length = lua_rawlen(state, -1);
	for (lua_pushnil(state); lua_next(state, -2) != 0; lua_pop(state, 1)) {
		if (!lua_isinteger(state, -2))
			read_fail(reader, "expected %s, got a table with the key %.60s", expected,
				  luaL_tolstring(state, -2, NULL));
		entries++;
	}
	if (entries != length)
		read_fail(reader, "expected %s without gaps", expected);
	return length;
}

void read_end(struct reader *reader, const struct keys *keys)
{
	lua_State *state = reader->state;
	const char *unknown = NULL;

	for (lua_pushnil(state); lua_next(state, -2) != 0; lua_pop(state, 1)) {
		const char *key = lua_type(state, -2) == LUA_TSTRING ? lua_tostring(state, -2) : NULL;
		bool known = key == NULL && keys->positional && lua_isinteger(state, -2) && lua_tointeger(state, -2) == 1;

		for (size_t i = 0; key != NULL && i < keys->count; i++)
			known |= strcmp(key, keys->known[i]) == 0;
		if (known)
			continue;
		if (key == NULL)
			read_fail(reader, "a value without a key, expected only \"key = value\"");
		/* Tables have no order; of several mistakes always name the same. */
		if (unknown == NULL || strcmp(key, unknown) < 0)
			unknown = key;
	}
	if (unknown != NULL)
		read_fail_key(reader, keys, unknown);
}

void read_unsupported(struct reader *reader, struct keys *keys, const char *key)
{
	bool there = read_enter(reader, keys, key);

	keys->count--; /* nothing to suggest for a mistyped key */
	if (there)
		read_fail_unsupported(reader, key, 1);
}

/* ---- Values ---------------------------------------------------------------------------------------------------------- */

/* Keeps the value on top from being collected, and pops it. */
static void read_keep(lua_State *state)
{
	if (lua_rawgetp(state, LUA_REGISTRYINDEX, &anchor_key) == LUA_TNIL) {
		lua_pop(state, 1);
		lua_newtable(state);
		lua_pushvalue(state, -1);
		lua_rawsetp(state, LUA_REGISTRYINDEX, &anchor_key);
	}
	lua_insert(state, -2);
	lua_rawseti(state, -2, (lua_Integer)lua_rawlen(state, -2) + 1);
	lua_pop(state, 1);
}

void read_release(lua_State *state)
{
	lua_pushnil(state);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &anchor_key);
}

void *read_memory(struct reader *reader, size_t count, size_t size)
{
	void *memory;

	if (count == 0)
		return NULL;
	memory = memset(lua_newuserdatauv(reader->state, count * size, 0), 0, count * size);
	read_keep(reader->state);
	return memory;
}

const char *read_string(struct reader *reader, const char *expected)
{
	size_t length;
	const char *text;

	if (lua_type(reader->state, -1) != LUA_TSTRING)
		read_unexpected(reader, expected);
	text = lua_tolstring(reader->state, -1, &length);
	if (strlen(text) != length)
		read_unexpected(reader, expected);
	return text;
}

const char *read_kept_string(struct reader *reader, const char *expected)
{
	const char *text = read_string(reader, expected);

	lua_pushvalue(reader->state, -1);
	read_keep(reader->state);
	return text;
}

struct lun_address read_address(struct reader *reader)
{
	static const char expected[] = "an IPv4 or IPv6 address";
	struct lun_address address;

	if (lun_address_parse(&address, read_string(reader, expected)) < 0)
		read_unexpected(reader, expected);
	return address;
}

struct lun_prefix read_prefix(struct reader *reader)
{
	static const char expected[] = "a prefix such as \"10.0.0.0/8\"";
	struct lun_prefix prefix;

	if (lun_prefix_parse(&prefix, read_string(reader, expected)) < 0)
		read_unexpected(reader, expected);
	return prefix;
}

const char *read_text(struct reader *reader, struct keys *keys, const char *key, const char *expected)
{
	const char *text;

	if (!read_enter(reader, keys, key))
		return NULL;
	text = read_kept_string(reader, expected);
	read_leave(reader);
	return text;
}

enum lun_switch read_switch(struct reader *reader, struct keys *keys, const char *key)
{
	bool on;

	if (!read_enter(reader, keys, key))
		return LUN_DEFAULT;
	if (!lua_isboolean(reader->state, -1))
		read_unexpected(reader, "true or false");
	on = lua_toboolean(reader->state, -1);
	read_leave(reader);
	return on ? LUN_ON : LUN_OFF;
}

uint16_t read_port(struct reader *reader, struct keys *keys, const char *key)
{
	lua_Integer port;
	int exact;

	if (!read_enter(reader, keys, key))
		return 0;
	port = lua_tointegerx(reader->state, -1, &exact);
	if (lua_type(reader->state, -1) != LUA_TNUMBER || !exact || port < 1 || port > UINT16_MAX)
		read_unexpected(reader, "a port number from 1 to 65535");
	read_leave(reader);
	return (uint16_t)port;
}

uint32_t read_limit(struct reader *reader, struct keys *keys, const char *key)
{
	lua_Integer limit;
	int exact;

	if (!read_enter(reader, keys, key))
		return 0;
	limit = lua_tointegerx(reader->state, -1, &exact);
	if (lua_type(reader->state, -1) != LUA_TNUMBER || !exact || limit < 1 || limit > UINT32_MAX)
		read_unexpected(reader, "a whole number from 1 to 4294967295");
	read_leave(reader);
	return (uint32_t)limit;
}

/* "2h4m" in seconds, 0 if it is no duration: each unit at most once, the largest first. */
static double duration_parse(const char *text)
{
	static const char units[] = "dhms";
	static const double seconds[] = { 86400, 3600, 60, 1 };
	const char *unit = units;
	double sum = 0;

	while (*text != '\0') {
		size_t digits = strspn(text, "0123456789");

		unit = text[digits] != '\0' ? strchr(unit, text[digits]) : NULL;
		if (unit == NULL || digits == 0 || digits > 9)
			return 0;
		sum += (double)strtoul(text, NULL, 10) * seconds[unit++ - units];
		text += digits + 1;
	}
	return sum;
}

uint64_t read_duration(struct reader *reader, struct keys *keys, const char *key)
{
	static const char expected[] =
		"1 second to 24 days, as a number of seconds or as in \"90s\", \"5m\", \"2h4m\", \"1d\"";
	double seconds;

	if (!read_enter(reader, keys, key))
		return 0;
	if (lua_type(reader->state, -1) == LUA_TNUMBER)
		seconds = lua_tonumber(reader->state, -1);
	else
		seconds = duration_parse(read_string(reader, expected));
	if (!(seconds >= 1 && seconds <= 24 * 86400)) /* so that NaN is none */
		read_unexpected(reader, expected);
	read_leave(reader);
	return (uint64_t)(seconds * 1e9);
}

const struct lun_address *read_addresses(struct reader *reader, struct keys *keys, const char *key, size_t *count)
{
	struct lun_address *addresses;

	if (!read_enter(reader, keys, key))
		return NULL;
	*count = read_list(reader, "a list of addresses");
	addresses = read_memory(reader, *count, sizeof(*addresses));
	for (size_t i = 0; i < *count; i++) {
		read_enter_item(reader, i);
		addresses[i] = read_address(reader);
		read_leave(reader);
	}
	read_leave(reader);
	return addresses;
}

const struct lun_prefix *read_prefixes(struct reader *reader, struct keys *keys, const char *key, size_t *count)
{
	struct lun_prefix *prefixes;

	if (!read_enter(reader, keys, key))
		return NULL;
	*count = read_list(reader, "a list of prefixes");
	prefixes = read_memory(reader, *count, sizeof(*prefixes));
	for (size_t i = 0; i < *count; i++) {
		read_enter_item(reader, i);
		prefixes[i] = read_prefix(reader);
		read_leave(reader);
	}
	read_leave(reader);
	return prefixes;
}

static size_t word_count(const char *const *words)
{
	size_t count = 0;

	while (words != NULL && words[count] != NULL)
		count++;
	return count;
}

/* None of the words: says which there are, or which was meant. */
_Noreturn static void read_fail_choice(struct reader *reader, const char *word, const char *const *words)
{
	const char *near = suggest(word, words, word_count(words));
	struct text expected = { .length = 0 };

	for (size_t i = 0; words[i] != NULL; i++)
		text_add(&expected, "%s\"%s\"", i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ", words[i]);
	if (near != NULL)
		read_fail(reader, "expected %s, got \"%.60s\", did you mean \"%s\"?", expected.bytes, word, near);
	read_unexpected(reader, expected.bytes);
}

int read_choice(struct reader *reader, struct keys *keys, const char *key, const char *const *words,
		const char *const *later)
{
	const char *word;

	if (!read_enter(reader, keys, key))
		return -1;
	word = read_string(reader, "a string");
	for (size_t i = 0; i < word_count(later); i++) {
		if (strcmp(word, later[i]) == 0)
			read_fail_unsupported(reader, word, 0);
	}
	for (int i = 0; words[i] != NULL; i++) {
		if (strcmp(word, words[i]) != 0)
			continue;
		read_leave(reader);
		return i;
	}
	read_fail_choice(reader, word, words);
}
