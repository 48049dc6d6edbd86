/* rate.c - `rate_limit "name" { rate = "10/s", burst = 100 }` and `counter "name" { keys = 1000 }`: numbers by key that hooks change
 * and a reload keeps (kept.h).
 *
 * A token bucket is one number, the time at which it is full again (the generic cell rate algorithm: ITU-T I.371): a token moves
 * it on by the time that a token takes to come back, and it may not lie further ahead than a whole burst does.  So a bucket
 * whose time is past is as good as one that was never used. */
#include "hash.h"
#include "kept.h"
#include "read.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS = 65536, KEYS_MOST = 16 * 1024 * 1024, TABLES_MOST = SCRIPT_TABLES };

static const uint64_t burst_longest = UINT64_C(1) << 62; /* ns: 146 years */

struct rate {
	struct kept_table *table;
	uint64_t interval; /* ns until one more; 0: a counter */
	uint64_t burst;
};

static const char limit_kind[] = "rate_limit", counter_kind[] = "counter";

/* Upvalues of methods. */
enum { RATE_METATABLE = 1, ADDRESS_METATABLE };

/* ---- Declaring ------------------------------------------------------------------------------------------------------- */

/* "10/s": ns of one; `count` of them are the rate. */
static uint64_t read_rate(struct reader *reader, struct keys *keys, uint64_t *count)
{
	static const char expected[] = "a rate such as \"10/s\", \"600/m\", \"100/h\" or \"1/d\"";
	static const char units[] = "smhd";
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };
	const char *text, *unit;
	size_t digits;

	if (!read_enter(reader, keys, "rate"))
		read_fail(reader, "expected %s", expected);
	text = read_string(reader, expected);
	digits = strspn(text, "0123456789");
	unit = digits > 0 && digits < 10 && text[digits] == '/' && text[digits + 1] != '\0' ? strchr(units, text[digits + 1])
											    : NULL;
	*count = strtoul(text, NULL, 10);
	if (unit == NULL || text[digits + 2] != '\0' || *count == 0)
		read_unexpected(reader, expected);
	read_leave(reader);
	return seconds[unit - units] * UINT64_C(1000000000) / *count;
}

/* The table of these numbers, which the script holds from now on. */
static struct kept_table *table_of(struct reader *reader, const char *kind, uint32_t keys)
{
	struct script *script = script_of(reader->state);
	size_t size = kept_table_size(keys);
	struct kept_table *table;

	if (script->table_count == TABLES_MOST)
		read_fail(reader, "more than %d rate limits and counters", TABLES_MOST);
	if (size > script->limits.memory - script->limits.used)
		read_fail(reader, "%u keys take %zu bytes, more than the policy may use", keys, size);
	table = kept_table_find(script->kept, kind, reader->name, keys);
	if (table == NULL)
		read_fail(reader, "out of memory");
	script->limits.used += size;
	script->tables[script->table_count++] = table;
	return table;
}

static void read_rate_table(struct reader *reader, const char *kind, struct rate *rate)
{
	struct keys keys = { .count = 0 };
	uint32_t key_count;

	*rate = (struct rate) { .interval = 0 };
	read_table(reader, "a table behind the name");
	if (kind == limit_kind) {
		uint64_t count;
		uint32_t burst;

		rate->interval = read_rate(reader, &keys, &count);
		burst = read_limit(reader, &keys, "burst");
		rate->burst = burst > 0 ? burst : count;
		if (rate->burst > burst_longest / rate->interval)
			read_fail(reader, "a burst that takes more than 100 years to come back");
	}
	key_count = read_limit(reader, &keys, "keys");
	read_end(reader, &keys);
	if (key_count > KEYS_MOST)
		read_fail(reader, "expected at most %d keys", KEYS_MOST);
	rate->table = table_of(reader, kind, key_count > 0 ? key_count : KEYS);
}

/* The second half: the table.  Upvalues: the name, the metatable, the line. */
static int declare_rate_table(lua_State *state, const char *kind)
{
	struct reader reader;
	struct rate *rate;

	if (!script_of(state)->loading)
		return luaL_error(state, "%s: can be declared only while the policy is loaded", kind);
	lua_settop(state, 1);
	read_begin(&reader, state, kind, lua_tostring(state, lua_upvalueindex(1)));
	reader.line = (int)lua_tointeger(state, lua_upvalueindex(3));
	rate = lua_newuserdatauv(state, sizeof(*rate), 0);
	lua_insert(state, 1);
	read_rate_table(&reader, kind, rate);
	lua_settop(state, 1);
	lua_pushvalue(state, lua_upvalueindex(2));
	lua_setmetatable(state, 1);
	return 1;
}

static int declare_limit_table(lua_State *state)
{
	return declare_rate_table(state, limit_kind);
}

static int declare_counter_table(lua_State *state)
{
	return declare_rate_table(state, counter_kind);
}

/* The first half: the name.  Upvalue 1: the metatable.  => the function that takes the table */
static int declare_rate(lua_State *state, const char *kind, lua_CFunction table)
{
	static const char expected[] = "a name of up to 63 bytes";
	struct reader reader;

	read_begin(&reader, state, kind, NULL);
	lua_settop(state, 1);
	if (strlen(read_string(&reader, expected)) >= KEPT_NAME)
		read_unexpected(&reader, expected);
	lua_pushvalue(state, lua_upvalueindex(1));
	lua_pushinteger(state, reader.line);
	lua_pushcclosure(state, table, 3);
	return 1;
}

static int declare_limit(lua_State *state)
{
	return declare_rate(state, limit_kind, declare_limit_table);
}

static int declare_counter(lua_State *state)
{
	return declare_rate(state, counter_kind, declare_counter_table);
}

/* ---- Asking ---------------------------------------------------------------------------------------------------------- */

static const struct rate *rate_check(lua_State *state, bool is_limit)
{
	const struct rate *rate = lua_touserdata(state, 1);

	lua_settop(state, 3);
	if (lua_type(state, 1) != LUA_TUSERDATA || !lua_getmetatable(state, 1) ||
	    !lua_rawequal(state, -1, lua_upvalueindex(RATE_METATABLE)) || is_limit != (rate->interval > 0))
		luaL_typeerror(state, 1, is_limit ? limit_kind : counter_kind);
	return rate;
}

/* Argument 2 as a key: an address is itself; text and numbers are their hashes, below a prefix of which no address is a source. */
static void key_of(lua_State *state, uint8_t key[KEPT_KEY])
{
	const struct lun_address *address = address_at(state, 2, lua_upvalueindex(ADDRESS_METATABLE));
	const char *text = "";
	uint64_t hash;
	size_t length = 0;

	if (address != NULL) {
		memcpy(key, address->bytes, KEPT_KEY);
		return;
	}
	if (lua_type(state, 2) != LUA_TSTRING && !lua_isnoneornil(state, 2) && !lua_isinteger(state, 2))
		luaL_typeerror(state, 2, "address, text or whole number");
	if (!lua_isnoneornil(state, 2)) {
		lua_pushvalue(state, 2);
		text = lua_tolstring(state, -1, &length);
		limits_charge(state, length / 4);
	}
	hash = hash_bytes(text, length, 1);
	memset(key, 0xff, KEPT_KEY / 2);
	memcpy(key + KEPT_KEY / 2, &hash, sizeof(hash));
}

/* limit:allow(key, count): takes so many tokens, 1, if they are there. */
static int limit_allow(lua_State *state)
{
	const struct rate *rate = rate_check(state, true);
	const struct script *script = script_of(state);
	lua_Integer count = luaL_optinteger(state, 3, 1);
	uint8_t key[KEPT_KEY];
	uint64_t *full, begin;
	bool allowed;

	if (!script->has_clock)
		return luaL_error(state, "a rate limit can be asked only in a hook, and not in on_request");
	luaL_argcheck(state, count >= 0, 3, "a count of 0 or more expected");
	key_of(state, key);
	full = kept_place(rate->table, key);
	begin = *full > script->now ? *full : script->now;
	allowed = (uint64_t)count <= rate->burst && begin - script->now <= (rate->burst - (uint64_t)count) * rate->interval;
	if (allowed)
		*full = begin + (uint64_t)count * rate->interval;
	lua_pushboolean(state, allowed);
	return 1;
}

/* counter:add(key, count) => its number then */
static int counter_add(lua_State *state)
{
	const struct rate *rate = rate_check(state, false);
	lua_Integer count = luaL_optinteger(state, 3, 1);
	uint8_t key[KEPT_KEY];
	uint64_t *number;

	luaL_argcheck(state, count >= 0, 3, "a count of 0 or more expected");
	key_of(state, key);
	number = kept_place(rate->table, key);
	*number += (uint64_t)count;
	if (*number > INT64_MAX)
		*number = INT64_MAX;
	lua_pushinteger(state, (lua_Integer)*number);
	return 1;
}

static int counter_get(lua_State *state)
{
	const struct rate *rate = rate_check(state, false);
	uint8_t key[KEPT_KEY];

	key_of(state, key);
	lua_pushinteger(state, (lua_Integer)kept_get(rate->table, key));
	return 1;
}

/* ---- Opening --------------------------------------------------------------------------------------------------------- */

void rate_open(lua_State *state)
{
	static const luaL_Reg of_limits[] = { { "allow", limit_allow }, { NULL, NULL } };
	static const luaL_Reg of_counters[] = { { "add", counter_add }, { "get", counter_get }, { NULL, NULL } };

	sandbox_push_type(state, limit_kind, of_limits);
	lua_pushcclosure(state, declare_limit, 1);
	lua_setglobal(state, limit_kind);
	sandbox_push_type(state, counter_kind, of_counters);
	lua_pushcclosure(state, declare_counter, 1);
	lua_setglobal(state, counter_kind);
}

void rate_release(struct script *script)
{
	for (size_t i = 0; i < script->table_count; i++)
		kept_table_unref(script->kept, script->tables[i]);
	kept_unref(script->kept);
}
