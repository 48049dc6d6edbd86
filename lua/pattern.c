/* pattern.c - string.find, match, gmatch and gsub, whose work can be bounded.
 *
 * Lua's own matcher runs inside one instruction and can not be stopped: a pattern of a dozen "a-" keeps it busy for hours.
 * This one speaks the same language, but charges a step for every character it tries.  A pattern is compiled first, into
 * items of one kind each, so that matching is a walk over an array; only a repeated item needs to go back, hence recursion
 * is no deeper than the pattern has items.  As there are no alternatives in Lua patterns, a way that leads to the end has
 * passed every capture: what earlier attempts left in them needs no undoing.
 *
 * What is different: a pattern has at most PATTERN_ITEMS items, and a malformed one is an error even if the subject would
 * not have led there. */
#define _GNU_SOURCE /* memmem */
#include "script.h"

#include <ctype.h>
#include <string.h>

enum { PATTERN_ITEMS = 128, PATTERN_CAPTURES = 32 };

enum item_kind { ITEM_SET, ITEM_OPEN, ITEM_CLOSE, ITEM_POSITION, ITEM_BALANCE, ITEM_FRONTIER, ITEM_BACK, ITEM_END };

struct item {
	uint8_t kind;
	char repeat;      /* SET: '*', '+', '-', '?', or 0 for exactly one */
	uint8_t number;   /* OPEN, CLOSE, POSITION, BACK: of the capture */
	uint8_t from, to; /* BALANCE */
	uint32_t set[8];  /* SET, FRONTIER: a bit for each character */
};

struct pattern {
	bool anchored;
	unsigned item_count, capture_count;
	struct item items[PATTERN_ITEMS];
};

/* ---- From text to items ---------------------------------------------------------------------------------------------- */

struct compiler {
	lua_State *state;
	const char *at, *end;
	struct pattern *pattern;
	bool open[PATTERN_CAPTURES];
};

static void set_add(uint32_t set[8], unsigned char c)
{
	set[c / 32] |= UINT32_C(1) << c % 32;
}

static bool set_holds(const uint32_t set[8], unsigned char c)
{
	return set[c / 32] >> c % 32 & 1;
}

/* %z, which Lua still knows. */
static int is_zero(int c)
{
	return c == 0;
}

/* What follows a '%' in a set or alone: a class (its complement in upper case), or the character itself. */
static void set_add_class(uint32_t set[8], unsigned char letter)
{
	static const struct {
		char letter;
		int (*holds)(int);
	} classes[] = { { 'a', isalpha }, { 'c', iscntrl },  { 'd', isdigit }, { 'g', isgraph },
			{ 'l', islower }, { 'p', ispunct },  { 's', isspace }, { 'u', isupper },
			{ 'w', isalnum }, { 'x', isxdigit }, { 'z', is_zero } };

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (classes[i].letter != tolower(letter))
			continue;
		for (int c = 0; c < 256; c++) {
			if ((classes[i].holds(c) != 0) == (islower(letter) != 0))
				set_add(set, (unsigned char)c);
		}
		return;
	}
	set_add(set, letter);
}

/* The next character of the pattern, which must be there. */
static unsigned char compile_next(struct compiler *compiler, const char *missing)
{
	if (compiler->at == compiler->end)
		luaL_error(compiler->state, "malformed pattern (%s)", missing);
	return (unsigned char)*compiler->at++;
}

/* "[...]", behind its bracket. */
static void compile_brackets(struct compiler *compiler, uint32_t set[8])
{
	static const char missing[] = "missing ']'";
	bool complement = compiler->at < compiler->end && *compiler->at == '^';
	bool first = true;

	compiler->at += complement;
	for (;; first = false) {
		unsigned char c = compile_next(compiler, missing);

		if (c == ']' && !first)
			break;
		if (c == '%') {
			set_add_class(set, compile_next(compiler, missing));
		} else if (compiler->end - compiler->at >= 2 && compiler->at[0] == '-' && compiler->at[1] != ']') {
			for (int in = c; in <= (unsigned char)compiler->at[1]; in++)
				set_add(set, (unsigned char)in);
			compiler->at += 2;
		} else {
			set_add(set, c);
		}
	}
	for (int word = 0; complement && word < 8; word++)
		set[word] = ~set[word];
}

static void compile_single(struct compiler *compiler, struct item *item, unsigned char c)
{
	item->kind = ITEM_SET;
	if (c == '.')
		memset(item->set, 0xff, sizeof(item->set));
	else if (c == '[')
		compile_brackets(compiler, item->set);
	else if (c == '%')
		set_add_class(item->set, compile_next(compiler, "ends with '%'"));
	else
		set_add(item->set, c);
	if (compiler->at < compiler->end && strchr("*+-?", *compiler->at) != NULL && *compiler->at != '\0')
		item->repeat = *compiler->at++;
}

static void compile_open(struct compiler *compiler, struct item *item)
{
	struct pattern *pattern = compiler->pattern;
	bool position = compiler->at < compiler->end && *compiler->at == ')';

	if (pattern->capture_count == PATTERN_CAPTURES)
		luaL_error(compiler->state, "too many captures");
	item->kind = position ? ITEM_POSITION : ITEM_OPEN;
	item->number = (uint8_t)pattern->capture_count++;
	compiler->open[item->number] = !position;
	compiler->at += position;
}

static void compile_close(struct compiler *compiler, struct item *item)
{
	unsigned number = compiler->pattern->capture_count;

	while (number > 0 && !compiler->open[number - 1])
		number--;
	if (number == 0)
		luaL_error(compiler->state, "invalid pattern capture");
	item->kind = ITEM_CLOSE;
	item->number = (uint8_t)(number - 1);
	compiler->open[number - 1] = false;
}

/* "%b()", "%f[set]", "%1": true if the text is one of these. */
static bool compile_escape(struct compiler *compiler, struct item *item)
{
	unsigned char c = compiler->at < compiler->end ? (unsigned char)*compiler->at : 0;

	if (c == 'b') {
		compiler->at++;
		item->kind = ITEM_BALANCE;
		item->from = compile_next(compiler, "missing arguments to '%b'");
		item->to = compile_next(compiler, "missing arguments to '%b'");
	} else if (c == 'f') {
		compiler->at++;
		if (compile_next(compiler, "missing '[' after '%f' in pattern") != '[')
			luaL_error(compiler->state, "missing '[' after '%%f' in pattern");
		item->kind = ITEM_FRONTIER;
		compile_brackets(compiler, item->set);
	} else if (isdigit(c)) {
		unsigned number = (unsigned)c - '1';

		compiler->at++;
		if (c == '0' || number >= compiler->pattern->capture_count || compiler->open[number])
			luaL_error(compiler->state, "invalid capture index %%%c in pattern", c);
		item->kind = ITEM_BACK;
		item->number = (uint8_t)number;
	} else {
		return false;
	}
	return true;
}

static void compile_item(struct compiler *compiler, struct item *item)
{
	unsigned char c = (unsigned char)*compiler->at++;

	if (c == '(')
		compile_open(compiler, item);
	else if (c == ')')
		compile_close(compiler, item);
	else if (c == '$' && compiler->at == compiler->end)
		item->kind = ITEM_END;
	else if (c != '%' || !compile_escape(compiler, item))
		compile_single(compiler, item, c);
}

/* `anchor`: whether a '^' at the beginning is one. */
static void pattern_compile(lua_State *state, struct pattern *pattern, const char *text, size_t length, bool anchor)
{
	struct compiler compiler = { .state = state, .at = text, .end = text + length, .pattern = pattern };

	limits_charge(state, length);
	pattern->item_count = pattern->capture_count = 0;
	pattern->anchored = anchor && length > 0 && text[0] == '^';
	compiler.at += pattern->anchored;
	while (compiler.at < compiler.end) {
		struct item *item = &pattern->items[pattern->item_count];

		if (pattern->item_count++ == PATTERN_ITEMS)
			luaL_error(state, "pattern too long (more than %d items)", PATTERN_ITEMS);
		memset(item, 0, sizeof(*item));
		compile_item(&compiler, item);
	}
	for (unsigned i = 0; i < pattern->capture_count; i++) {
		if (compiler.open[i])
			luaL_error(state, "unfinished capture");
	}
}

/* ---- Matching -------------------------------------------------------------------------------------------------------- */

struct capture {
	const char *start, *end; /* end NULL: a position */
};

struct matcher {
	lua_State *state;
	struct limits *limits;
	const struct pattern *pattern;
	const char *start, *end; /* of the subject */
	struct capture captures[PATTERN_CAPTURES];
};

static void matcher_init(struct matcher *matcher, lua_State *state, const struct pattern *pattern, const char *subject,
			 size_t length)
{
	matcher->state = state;
	matcher->limits = &script_of(state)->limits;
	matcher->pattern = pattern;
	matcher->start = subject;
	matcher->end = subject + length;
}

static inline void match_step(struct matcher *matcher)
{
	if (--matcher->limits->left < 0)
		limits_charge(matcher->state, 0);
}

static bool match_set(struct matcher *matcher, const struct item *item, const char *at)
{
	match_step(matcher);
	return at < matcher->end && set_holds(item->set, (unsigned char)*at);
}

static const char *match_balance(struct matcher *matcher, const struct item *item, const char *at)
{
	size_t depth = 0;

	for (; at < matcher->end; at++) {
		match_step(matcher);
		if (depth > 0 && (unsigned char)*at == item->to) {
			if (--depth == 0)
				return at + 1;
		} else if ((unsigned char)*at == item->from) {
			depth++;
		} else if (depth == 0) {
			return NULL;
		}
	}
	return NULL;
}

static bool match_frontier(const struct matcher *matcher, const struct item *item, const char *at)
{
	unsigned char before = at > matcher->start ? (unsigned char)at[-1] : 0;
	unsigned char here = at < matcher->end ? (unsigned char)*at : 0;

	return !set_holds(item->set, before) && set_holds(item->set, here);
}

static const char *match_back(struct matcher *matcher, const struct item *item, const char *at)
{
	const struct capture *capture = &matcher->captures[item->number];
	size_t length;

	if (capture->end == NULL)
		luaL_error(matcher->state, "capture %%%d is a position, which can not be matched again", item->number + 1);
	length = (size_t)(capture->end - capture->start);
	limits_charge(matcher->state, length / 16);
	if ((size_t)(matcher->end - at) < length || memcmp(capture->start, at, length) != 0)
		return NULL;
	return at + length;
}

static const char *match_items(struct matcher *matcher, unsigned index, const char *at);

/* A repeated item and all that follows it. */
static const char *match_repeat(struct matcher *matcher, unsigned index, const char *at)
{
	const struct item *item = &matcher->pattern->items[index];
	const char *least = at + (item->repeat == '+');
	const char *found;

	if (item->repeat == '-') {
		while ((found = match_items(matcher, index + 1, at)) == NULL && match_set(matcher, item, at))
			at++;
		return found;
	}
	if (item->repeat == '?')
		at += match_set(matcher, item, at);
	else
		while (match_set(matcher, item, at))
			at++;
	for (; at >= least; at--) {
		found = match_items(matcher, index + 1, at);
		if (found != NULL || at == matcher->start)
			return found;
	}
	return NULL;
}

/* One item that is not repeated: => behind it, or NULL. */
static const char *match_once(struct matcher *matcher, const struct item *item, const char *at)
{
	struct capture *capture = &matcher->captures[item->number];

	switch ((enum item_kind)item->kind) {
	case ITEM_OPEN:
		capture->start = at;
		return at;
	case ITEM_CLOSE:
		capture->end = at;
		return at;
	case ITEM_POSITION:
		*capture = (struct capture) { .start = at, .end = NULL };
		return at;
	case ITEM_BALANCE:
		return match_balance(matcher, item, at);
	case ITEM_FRONTIER:
		return match_frontier(matcher, item, at) ? at : NULL;
	case ITEM_BACK:
		return match_back(matcher, item, at);
	case ITEM_END:
		return at == matcher->end ? at : NULL;
	case ITEM_SET:
		break;
	}
	return match_set(matcher, item, at) ? at + 1 : NULL;
}

/* => behind the match of items `index` and following, or NULL. */
static const char *match_items(struct matcher *matcher, unsigned index, const char *at)
{
	for (; index < matcher->pattern->item_count && at != NULL; index++) {
		const struct item *item = &matcher->pattern->items[index];

		match_step(matcher);
		if (item->repeat != 0)
			return match_repeat(matcher, index, at);
		at = match_once(matcher, item, at);
	}
	return at;
}

static void push_capture(const struct matcher *matcher, unsigned number)
{
	const struct capture *capture = &matcher->captures[number];

	if (capture->end == NULL)
		lua_pushinteger(matcher->state, capture->start - matcher->start + 1);
	else
		lua_pushlstring(matcher->state, capture->start, (size_t)(capture->end - capture->start));
}

/* All captures, or, if there are none and `start` is not NULL, the whole match.  => how many values */
static int push_captures(const struct matcher *matcher, const char *start, const char *end)
{
	unsigned count = matcher->pattern->capture_count;

	luaL_checkstack(matcher->state, (int)count + 1, "too many captures");
	if (count == 0 && start != NULL) {
		lua_pushlstring(matcher->state, start, (size_t)(end - start));
		return 1;
	}
	for (unsigned i = 0; i < count; i++)
		push_capture(matcher, i);
	return (int)count;
}

/* ---- The four functions ---------------------------------------------------------------------------------------------- */

/* Argument `index` as an offset into a string of `length`: from the end if negative; may be past the end. */
static size_t start_offset(lua_State *state, int index, size_t length)
{
	lua_Integer position = luaL_optinteger(state, index, 1);

	if (position > 0)
		return (size_t)position - 1;
	if (position == 0 || position < -(lua_Integer)length)
		return 0;
	return length - (size_t)-position;
}

static int find_plain(lua_State *state, const char *subject, size_t length, size_t offset)
{
	size_t size;
	const char *text = luaL_checklstring(state, 2, &size);
	const char *found;

	limits_charge(state, (length - offset + size) / 16);
	found = size == 0 ? subject + offset : memmem(subject + offset, length - offset, text, size);
	if (found == NULL) {
		luaL_pushfail(state);
		return 1;
	}
	lua_pushinteger(state, found - subject + 1);
	lua_pushinteger(state, found - subject + (lua_Integer)size);
	return 2;
}

static int find_pattern(lua_State *state, bool find, const char *subject, size_t length, size_t offset)
{
	size_t size;
	const char *text = luaL_checklstring(state, 2, &size);
	const char *at = subject + offset;
	struct pattern pattern;
	struct matcher matcher;

	pattern_compile(state, &pattern, text, size, true);
	matcher_init(&matcher, state, &pattern, subject, length);
	do {
		const char *end = match_items(&matcher, 0, at);

		if (end == NULL)
			continue;
		if (!find)
			return push_captures(&matcher, at, end);
		lua_pushinteger(state, at - subject + 1);
		lua_pushinteger(state, end - subject);
		return push_captures(&matcher, NULL, NULL) + 2;
	} while (at++ < matcher.end && !pattern.anchored);
	luaL_pushfail(state);
	return 1;
}

static bool is_plain(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\0' && strchr("^$*+?.([%-", text[i]) != NULL)
			return false;
	}
	return true;
}

static int pattern_find(lua_State *state)
{
	size_t length, size;
	const char *subject = luaL_checklstring(state, 1, &length);
	const char *text = luaL_checklstring(state, 2, &size);
	size_t offset = start_offset(state, 3, length);

	if (offset > length) {
		luaL_pushfail(state);
		return 1;
	}
	if (lua_toboolean(state, 4) || is_plain(text, size))
		return find_plain(state, subject, length, offset);
	return find_pattern(state, true, subject, length, offset);
}

static int pattern_match(lua_State *state)
{
	size_t length;
	const char *subject = luaL_checklstring(state, 1, &length);
	size_t offset = start_offset(state, 3, length);

	luaL_checkstring(state, 2);
	if (offset > length) {
		luaL_pushfail(state);
		return 1;
	}
	return find_pattern(state, false, subject, length, offset);
}

/* What a gmatch iterator holds; the subject is its first upvalue. */
struct iterator {
	struct pattern pattern;
	size_t offset;
	size_t last_end; /* of the match before: an empty one there is not taken again */
};

static int pattern_gmatch_next(lua_State *state)
{
	size_t length;
	const char *subject = lua_tolstring(state, lua_upvalueindex(1), &length);
	struct iterator *iterator = lua_touserdata(state, lua_upvalueindex(2));
	struct matcher matcher;

	matcher_init(&matcher, state, &iterator->pattern, subject, length);
	for (; iterator->offset <= length; iterator->offset++) {
		const char *at = subject + iterator->offset;
		const char *end = match_items(&matcher, 0, at);

		if (end == NULL || (size_t)(end - subject) == iterator->last_end)
			continue;
		iterator->offset = iterator->last_end = (size_t)(end - subject);
		return push_captures(&matcher, at, end);
	}
	return 0;
}

static int pattern_gmatch(lua_State *state)
{
	size_t length, size;
	const char *text = luaL_checklstring(state, 2, &size);
	size_t offset;
	struct iterator *iterator;

	luaL_checklstring(state, 1, &length);
	offset = start_offset(state, 3, length);
	lua_pushvalue(state, 1);
	iterator = lua_newuserdatauv(state, sizeof(*iterator), 0);
	pattern_compile(state, &iterator->pattern, text, size, false);
	iterator->offset = offset;
	iterator->last_end = SIZE_MAX;
	lua_pushcclosure(state, pattern_gmatch_next, 2);
	return 1;
}

/* The replacement string, with %0 to %9 filled in. */
static void add_string(struct matcher *matcher, luaL_Buffer *buffer, const char *at, const char *end)
{
	size_t length;
	const char *text = lua_tolstring(matcher->state, 3, &length);

	limits_charge(matcher->state, length / 16);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c != '%') {
			luaL_addchar(buffer, (char)c);
			continue;
		}
		c = ++i < length ? (unsigned char)text[i] : 0;
		if (c == '%')
			luaL_addchar(buffer, '%');
		else if (c == '0' || (c == '1' && matcher->pattern->capture_count == 0))
			luaL_addlstring(buffer, at, (size_t)(end - at));
		else if (!isdigit(c))
			luaL_error(matcher->state, "invalid use of '%%' in replacement string");
		else if ((unsigned)c - '1' >= matcher->pattern->capture_count)
			luaL_error(matcher->state, "invalid capture index %%%c in replacement string", c);
		else {
			push_capture(matcher, (unsigned)c - '1');
			luaL_addvalue(buffer);
		}
	}
}

/* What takes the place of one match.  Captures come first: calling a function may not change them, but reads them. */
static void add_replacement(struct matcher *matcher, luaL_Buffer *buffer, const char *at, const char *end)
{
	lua_State *state = matcher->state;

	if (lua_type(state, 3) == LUA_TSTRING || lua_type(state, 3) == LUA_TNUMBER) {
		add_string(matcher, buffer, at, end);
		return;
	}
	if (lua_type(state, 3) == LUA_TFUNCTION) {
		lua_pushvalue(state, 3);
		lua_call(state, push_captures(matcher, at, end), 1);
	} else {
		int count = push_captures(matcher, at, end);

		lua_pop(state, count - 1);
		lua_gettable(state, 3);
	}
	if (!lua_toboolean(state, -1)) {
		lua_pop(state, 1);
		luaL_addlstring(buffer, at, (size_t)(end - at));
		return;
	}
	if (!lua_isstring(state, -1))
		luaL_error(state, "invalid replacement value (a %s)", luaL_typename(state, -1));
	luaL_addvalue(buffer);
}

static int pattern_gsub(lua_State *state)
{
	size_t length, size;
	const char *at = luaL_checklstring(state, 1, &length);
	const char *text = luaL_checklstring(state, 2, &size);
	lua_Integer most = luaL_optinteger(state, 4, (lua_Integer)length + 1);
	lua_Integer count = 0;
	const char *last = NULL;
	int type = lua_type(state, 3);
	struct pattern pattern;
	struct matcher matcher;
	luaL_Buffer buffer;

	luaL_argexpected(state, type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
			 "string/function/table");
	pattern_compile(state, &pattern, text, size, true);
	matcher_init(&matcher, state, &pattern, at, length);
	luaL_buffinit(state, &buffer);
	while (count < most) {
		const char *end = match_items(&matcher, 0, at);

		if (end != NULL && end != last) {
			count++;
			add_replacement(&matcher, &buffer, at, end);
			at = last = end;
		} else if (at < matcher.end) {
			luaL_addchar(&buffer, *at++);
		} else {
			break;
		}
		if (pattern.anchored)
			break;
	}
	luaL_addlstring(&buffer, at, (size_t)(matcher.end - at));
	luaL_pushresult(&buffer);
	lua_pushinteger(state, count);
	return 2;
}

void pattern_open(lua_State *state)
{
	static const luaL_Reg functions[] = {
		{ "find", pattern_find }, { "match", pattern_match }, { "gmatch", pattern_gmatch }, { "gsub", pattern_gsub },
		{ NULL, NULL },
	};

	luaL_setfuncs(state, functions, 0);
}
