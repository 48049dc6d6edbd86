/* set.c - sets of prefixes and of ports: `prefixes { "10.0.0.0/8", ["10.1.0.0/16"] = "blue" }`, `ports { 80, "8000-8999" }`,
 * or either of a file beside the policy, `prefixes "blocked.list"`.
 *
 * A set is made while the policy is loaded and never changes.  The two families are apart, so that each is spread evenly over
 * its own search; a prefix that holds all of IPv4 (::/0) is in both, as address:within has it.  Memory is the Lua state's. */
#include "ranges.h"
#include "read.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V4, V6, FAMILIES };
enum { VALUE_TRUE = 1 }; /* of an item that has no value; others are at that number in the user value */
enum { LINE_ROOM = 64 };

struct set {
	const struct set_kind *kind;
	struct ranges ranges[FAMILIES]; /* of ports: only the first */
};

/* What there can be sets of. */
struct set_kind {
	const char *word, *expected;
	bool (*parse)(struct range *range, const char *text);
	char *(*format)(const struct range *range, char text[LINE_ROOM]);
};

/* Items while they are gathered. */
struct items {
	struct range *list;
	size_t count, capacity;
};

static const char metatable_key;

/* Upvalues of methods. */
enum { SET_METATABLE = 1, ADDRESS_METATABLE };

/* ---- prefixes -------------------------------------------------------------------------------------------------------- */

static number address_number(const struct lun_address *address)
{
	uint64_t high, low;

	memcpy(&high, address->bytes, sizeof(high));
	memcpy(&low, address->bytes + sizeof(high), sizeof(low));
	return (number)__builtin_bswap64(high) << 64 | __builtin_bswap64(low);
}

static const number first_v4 = (number)UINT64_C(0xffff00000000), last_v4 = (number)UINT64_C(0xffffffffffff);

static bool prefix_parse(struct range *range, const char *text)
{
	struct lun_prefix prefix;

	if (lun_prefix_parse(&prefix, text) < 0)
		return false;
	range->first = address_number(&prefix.address);
	range->width = (uint8_t)(128 - prefix.length);
	range->last = prefix.length < 128 ? range->first | ~(number)0 >> prefix.length : range->first;
	return true;
}

static char *prefix_format(const struct range *range, char text[LINE_ROOM])
{
	struct lun_address address;
	number bits = range->first;

	for (int i = 16; i-- > 0; bits >>= 8)
		address.bytes[i] = (uint8_t)bits;
	return lun_address_format(&address, text);
}

/* ---- ports ----------------------------------------------------------------------------------------------------------- */

/* "80" or "8000-8999". */
static bool port_parse(struct range *range, const char *text)
{
	char *end;
	unsigned long first = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : UINT16_MAX + 1UL, last = first;

	if (first > UINT16_MAX)
		return false;
	if (*end == '-' && isdigit((unsigned char)end[1]))
		last = strtoul(end + 1, &end, 10);
	range->first = first;
	range->last = last;
	range->width = 0;
	return *end == '\0' && last <= UINT16_MAX && first <= last;
}

static char *port_format(const struct range *range, char text[LINE_ROOM])
{
	lua_Integer first = (lua_Integer)range->first, last = (lua_Integer)range->last;

	snprintf(text, LINE_ROOM, first == last ? "%lld" : "%lld-%lld", (long long)first, (long long)last);
	return text;
}

/* ---- The two kinds --------------------------------------------------------------------------------------------------- */

static const struct set_kind kind_prefixes = { "prefixes", "a prefix such as \"10.0.0.0/8\"", prefix_parse, prefix_format };
static const struct set_kind kind_ports = { "ports", "a port such as 80 or \"8000-8999\"", port_parse, port_format };

/* ---- Gathering ------------------------------------------------------------------------------------------------------- */

/* Room for one more item; the list is the userdata at `index` of the stack. */
static struct range *items_add(lua_State *state, struct items *items, int index)
{
	struct range *grown;

	if (items->count == items->capacity) {
		items->capacity = items->capacity > 0 ? items->capacity * 2 : 64;
		grown = lua_newuserdatauv(state, items->capacity * sizeof(*grown), 0);
		if (items->count > 0)
			memcpy(grown, items->list, items->count * sizeof(*grown));
		items->list = grown;
		lua_replace(state, index);
	}
	return &items->list[items->count++];
}

/* Places on the stack of the function that makes a set. */
enum { ARGUMENT = 1, LIST, VALUES };

/* An item of a table: what it is of is a copy on top of the stack, its value below. */
static void read_item(struct reader *reader, const struct set_kind *kind, struct items *items)
{
	lua_State *state = reader->state;
	bool has_value = lua_type(state, -2) != LUA_TNIL;
	struct range *range = items_add(state, items, LIST);

	if (lua_isinteger(state, -1) && kind == &kind_ports)
		lua_tostring(state, -1);
	if (!kind->parse(range, read_string(reader, kind->expected)))
		read_unexpected(reader, kind->expected);
	range->value = VALUE_TRUE;
	if (has_value) {
		range->value = (uint32_t)lua_rawlen(state, VALUES) + 1;
		lua_pushvalue(state, -2);
		lua_rawseti(state, VALUES, range->value);
	}
}

/* The step to an item whose key is at `index`. */
static struct step step_to(lua_State *state, int index)
{
	if (lua_type(state, index) == LUA_TSTRING)
		return (struct step) { .key = lua_tostring(state, index) };
	return (struct step) { .index = lua_tointeger(state, index) };
}

/* { "10.0.0.0/8", ["10.1.0.0/16"] = "blue" }: of a list the values are what the set is of, of the rest the keys. */
static void read_items(struct reader *reader, const struct set_kind *kind, struct items *items)
{
	lua_State *state = reader->state;
	lua_Integer length = (lua_Integer)lua_rawlen(state, ARGUMENT);

	for (lua_pushnil(state); lua_next(state, ARGUMENT) != 0; lua_pop(state, 1)) {
		lua_Integer index = lua_isinteger(state, -2) ? lua_tointeger(state, -2) : 0;

		read_step(reader, step_to(state, -2));
		if (index >= 1 && index <= length) {
			lua_pushnil(state);
			lua_insert(state, -2);
		} else {
			lua_pushvalue(state, -2);
		}
		read_item(reader, kind, items);
		read_leave(reader);
		limits_charge(state, 10);
	}
}

/* A line without its comment and the blanks around, in `line`; false: it does not fit, or holds a zero byte. */
static bool line_read(const char *text, size_t length, char line[LINE_ROOM])
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '#' || text[i] == ';')
			length = i;
	}
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		length--;
	while (length > 0 && isspace((unsigned char)*text))
		text++, length--;
	snprintf(line, LINE_ROOM, "%.*s", (int)length, text);
	return length < LINE_ROOM && strlen(line) == length;
}

/* A file of one item a line, "#" and ";" begin comments. */
static void read_file(struct reader *reader, const struct set_kind *kind, struct items *items)
{
	lua_State *state = reader->state;
	const char *name = lua_tostring(state, ARGUMENT);
	const struct source *source = script_source(state, name);
	const char *at = source->text, *end = at + source->length;
	char line[LINE_ROOM];

	limits_charge(state, source->length / 8);
	for (int count = 1; at < end; count++) {
		const char *next = memchr(at, '\n', (size_t)(end - at));
		size_t length = next != NULL ? (size_t)(next - at) : (size_t)(end - at);
		bool whole = line_read(at, length, line);

		at += length + 1;
		if (*line == '\0' && whole)
			continue;
		if (!whole || !kind->parse(items_add(state, items, LIST), line)) {
			lua_pushfstring(state, "%s:%d: expected %s, got \"%s\"", name, count, kind->expected, line);
			lua_error(state);
		}
		items->list[items->count - 1].value = VALUE_TRUE;
		limits_charge(state, 10);
	}
}

/* "blocked.list": letters, digits, '_', '-' and '.', of a file beside the policy. */
static void check_file_name(struct reader *reader)
{
	static const char expected[] = "a list, or the name of a file beside the policy that ends with .list";
	const char *name = read_string(reader, expected);
	size_t length = strlen(name);

	if (length < 6 || length > 100 || *name == '.' || strcmp(name + length - 5, ".list") != 0)
		read_unexpected(reader, expected);
	for (; *name != '\0'; name++) {
		if (!isalnum((unsigned char)*name) && strchr("_-.", *name) == NULL)
			read_unexpected(reader, expected);
	}
}

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

/* Those of `items` that can hold numbers from `first` to `last`, cut there, into `list`; => how many */
static size_t items_within(const struct items *items, number first, number last, struct range *list)
{
	size_t count = 0;

	for (size_t i = 0; i < items->count; i++) {
		struct range item = items->list[i];

		if (item.first > last || item.last < first)
			continue;
		item.first = item.first < first ? first : item.first;
		item.last = item.last > last ? last : item.last;
		list[count++] = item;
	}
	return count;
}

_Noreturn static void fail_conflict(struct reader *reader, const struct set_kind *kind,
				    const struct range_conflict *conflict)
{
	bool same = conflict->a.first == conflict->b.first && conflict->a.last == conflict->b.last;
	char a[LINE_ROOM], b[LINE_ROOM];

	if (same)
		read_fail(reader, "%s is there twice, with two values", kind->format(&conflict->a, a));
	read_fail(reader, "%s and %s overlap, expected one within the other or both apart", kind->format(&conflict->a, a),
		  kind->format(&conflict->b, b));
}

/* Pushes the set of these items; VALUES is its user value. */
static void set_push(struct reader *reader, const struct set_kind *kind, const struct items *items)
{
	lua_State *state = reader->state;
	struct range *list = lua_newuserdatauv(state, (items->count + 1) * sizeof(*list), 0);
	size_t v4 =
		items_within(items, kind == &kind_ports ? 0 : first_v4, kind == &kind_ports ? UINT16_MAX : last_v4, list);
	size_t head = (sizeof(struct set) + sizeof(number) - 1) / sizeof(number) * sizeof(number);
	size_t v4_size = (ranges_size(v4) + sizeof(number) - 1) / sizeof(number) * sizeof(number);
	size_t v6 = kind == &kind_ports ? 0 : items->count;
	struct set *set = lua_newuserdatauv(state, head + v4_size + ranges_size(v6), 1);
	char *memory = (char *)set + head;
	struct range_conflict conflict;

	set->kind = kind;
	limits_charge(state, items->count * 8);
	if (!ranges_build(&set->ranges[V4], list, v4, memory, &conflict) ||
	    !ranges_build(&set->ranges[V6], items->list, v6, memory + v4_size, &conflict))
		fail_conflict(reader, kind, &conflict);
	lua_pushvalue(state, VALUES);
	lua_setiuservalue(state, -2, 1);
	lua_rawgetp(state, LUA_REGISTRYINDEX, &metatable_key);
	lua_setmetatable(state, -2);
}

static int set_new(lua_State *state, const struct set_kind *kind)
{
	struct items items = { .count = 0 };
	struct reader reader;

	if (!script_of(state)->loading)
		return luaL_error(state, "%s: a set can be made only while the policy is loaded", kind->word);
	read_begin(&reader, state, kind->word, NULL);
	lua_settop(state, ARGUMENT);
	if (!lua_istable(state, ARGUMENT))
		check_file_name(&reader);
	lua_pushnil(state); /* LIST */
	lua_newtable(state);
	lua_pushboolean(state, true);
	lua_rawseti(state, VALUES, VALUE_TRUE);
	if (lua_istable(state, ARGUMENT))
		read_items(&reader, kind, &items);
	else
		read_file(&reader, kind, &items);
	set_push(&reader, kind, &items);
	return 1;
}

static int set_new_prefixes(lua_State *state)
{
	return set_new(state, &kind_prefixes);
}

static int set_new_ports(lua_State *state)
{
	return set_new(state, &kind_ports);
}

/* ---- Asking ---------------------------------------------------------------------------------------------------------- */

static uint32_t set_find_address(const struct set *set, const struct lun_address *address)
{
	return ranges_find(&set->ranges[lun_address_is_v4(address) ? V4 : V6], address_number(address));
}

/* Argument 2 of a method: an address, or one as text. */
static uint32_t find_address(lua_State *state, const struct set *set)
{
	const struct lun_address *address = address_at(state, 2, lua_upvalueindex(ADDRESS_METATABLE));
	struct lun_address parsed;

	if (address != NULL)
		return set_find_address(set, address);
	if (lua_type(state, 2) != LUA_TSTRING)
		luaL_typeerror(state, 2, "address");
	if (lun_address_parse(&parsed, lua_tostring(state, 2)) < 0)
		luaL_error(state, "expected an IPv4 or IPv6 address, got \"%s\"", lua_tostring(state, 2));
	return set_find_address(set, &parsed);
}

/* The number of the value that the set, argument 1, has for argument 2; 0: it does not hold it. */
static uint32_t set_find(lua_State *state)
{
	const struct set *set = lua_touserdata(state, 1);
	lua_Integer port;

	lua_settop(state, 2);
	if (lua_type(state, 1) != LUA_TUSERDATA || !lua_getmetatable(state, 1) ||
	    !lua_rawequal(state, -1, lua_upvalueindex(SET_METATABLE)))
		luaL_typeerror(state, 1, "set");
	if (set->kind == &kind_prefixes)
		return find_address(state, set);
	port = luaL_checkinteger(state, 2);
	return port >= 0 && port <= UINT16_MAX ? ranges_find(&set->ranges[0], (number)port) : 0;
}

static int set_contains(lua_State *state)
{
	lua_pushboolean(state, set_find(state) != 0);
	return 1;
}

static int set_get(lua_State *state)
{
	uint32_t value = set_find(state);

	lua_getiuservalue(state, 1, 1);
	if (value == 0)
		lua_pushnil(state);
	else
		lua_rawgeti(state, -1, value);
	return 1;
}

bool set_has(lua_State *state, int index, const struct lun_address *address)
{
	const struct set *set = lua_touserdata(state, index);

	lua_rawgetp(state, LUA_REGISTRYINDEX, &metatable_key);
	if (!lua_getmetatable(state, index) || !lua_rawequal(state, -1, -2) || set->kind != &kind_prefixes)
		luaL_typeerror(state, index, "set of prefixes");
	return set_find_address(set, address) != 0;
}

void set_open(lua_State *state)
{
	static const luaL_Reg methods[] = { { "contains", set_contains }, { "get", set_get }, { NULL, NULL } };

	sandbox_push_type(state, "set", methods);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &metatable_key);
	lua_pushcfunction(state, set_new_prefixes);
	lua_setglobal(state, "prefixes");
	lua_pushcfunction(state, set_new_ports);
	lua_setglobal(state, "ports");
}
