/* lua_sandbox.c - what a policy can not reach, and that nothing in it works without end: each way out is tried, while
 * loading and in a hook, against the clock.  The bound of a case is far above what it takes, and far below what it would
 * take if the way were open. */
#include "lua_load.h"

#include <malloc.h>

/* How much slower than an ordinary build this one may be. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#endif
#ifdef SANITIZED
enum { SLOWNESS = 20 };
#else
enum { SLOWNESS = 1 };
#endif

/* Each must be an error that says this. */
static const struct {
	const char *code, *says;
} unreachable[] = {
	{ "io.open('/etc/passwd')", "(global 'io')" },
	{ "os.execute('true')", "(global 'os')" },
	{ "debug.getregistry()", "(global 'debug')" },
	{ "coroutine.wrap(print)()", "(global 'coroutine')" },
	{ "package.loadlib('x', 'y')", "(global 'package')" },
	{ "dofile('/etc/passwd')", "(global 'dofile')" },
	{ "loadfile('/etc/passwd')", "(global 'loadfile')" },
	{ "load('return 1')", "(global 'load')" },
	{ "loadstring('return 1')", "(global 'loadstring')" },
	{ "collectgarbage('stop')", "(global 'collectgarbage')" },
	{ "warn('@on')", "(global 'warn')" },
	{ "string.dump(print)", "(field 'dump')" },
	{ "setmetatable({}, { __gc = print })", "__gc" },
	{ "setmetatable(setmetatable({}, { __metatable = 1 }), {})", "protected metatable" },
	{ "setmetatable(address '10.0.0.1', {})", "table expected, got address" },
	{ "getmetatable(address '10.0.0.1').__index.within = nil", "attempt to index" },
};

/* Each would take minutes, or all memory. */
static const struct {
	const char *code, *says;
} endless[] = {
	{ "while true do end", "instructions" },
	{ "pcall(function() while true do end end)", "instructions" },
	{ "while true do pcall(function() while true do end end) end", "instructions" },
	{ "while true do pcall(pcall, error) end", "instructions" },
	{ "xpcall(function() while true do end end, function() while true do end end)", "instructions" },
	{ "xpcall(error, function() while true do end end)", "instructions" },
	{ "local function f() xpcall(f, f) f() end f()", "" },
	{ "while true do xpcall(error, function() error() end) end", "instructions" },
	{ "local x <close> = setmetatable({}, { __close = function() while true do end end }) while true do end",
	  "instructions" },
	{ "for i = 1, 1000 do local x <close> = setmetatable({}, { __close = function() while true do end end }) end",
	  "instructions" },
	{ "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) return t[1]", "" },
	{ "local t = setmetatable({}, {}) getmetatable(t).__index = function() while true do end end return t.x",
	  "instructions" },
	{ "tostring(setmetatable({}, { __tostring = function() while true do end end }))", "instructions" },
	{ "print(setmetatable({}, { __tostring = function() while true do end end }))", "instructions" },
	{ "error(setmetatable({}, { __tostring = function() while true do end end }))", "error raised with a table" },
	/* patterns */
	{ "('a'):rep(100):find(('a-'):rep(30) .. 'b')", "instructions" },
	{ "('a'):rep(3000):match(('.-'):rep(10) .. 'b')", "instructions" },
	{ "('a'):rep(60):gsub(('a?'):rep(60) .. ('a'):rep(60), '')", "" },
	{ "for x in ('a'):rep(100):gmatch(('a*'):rep(20) .. 'b') do end", "instructions" },
	{ "('('):rep(60000):find('%b()')", "" },
	{ "('a'):rep(60000):find(('a'):rep(30000) .. 'b', 1, true)", "" },
	{ "while true do ('a'):rep(60000):find('b', 1, true) end", "instructions" },
	{ "pcall(string.find, ('a'):rep(100), ('a-'):rep(30) .. 'b') while true do end", "instructions" },
	{ "('a'):gsub('a', function() while true do end end)", "instructions" },
	{ "('x'):rep(60000):gsub('x', ('y'):rep(60000))", "" },
	/* strings */
	{ "local s = 'a' while true do s = s .. s end", "string of more than 65536 bytes" },
	{ "pcall(function() local s = 'a' while true do s = s .. s end end) while true do end",
	  "string of more than 65536 bytes" },
	{ "('a'):rep(1e10)", "resulting string too large" },
	{ "('a'):rep(math.maxinteger, 'b')", "resulting string too large" },
	{ "('a'):rep(2, ('b'):rep(65536))", "resulting string too large" },
	{ "(''):rep(math.maxinteger)", "" },
	{ "while true do local s = ('a'):rep(65536) end", "instructions" },
	{ "while true do ('a'):rep(65536):byte(1, 250) end", "instructions" },
	{ "while true do ('%s'):format(('a'):rep(60000)) end", "instructions" },
	{ "while true do tonumber(('1'):rep(60000)) end", "instructions" },
	{ "while true do utf8.len(('1'):rep(60000)) end", "instructions" },
	{ "('a'):rep(60000):byte(1, -1)", "too many results" },
	{ "utf8.codepoint(('a'):rep(60000), 1, -1)", "too many results" },
	/* tables */
	{ "local t = {} while true do t[#t + 1] = {} end", "" },
	{ "local t = {} pcall(function() while true do t[#t + 1] = {} end end) while true do end", "" },
	{ "while true do local t = {} for i = 1, 1000 do t[i] = i end end", "instructions" },
	{ "table.concat({}, '', 1, 1e9)", "" },
	{ "table.concat(setmetatable({}, { __len = function() return 1e9 end, __index = function() return '' end }))", "" },
	{ "table.unpack({}, 1, 1e7)", "too many results to unpack" },
	{ "table.unpack({}, math.mininteger, math.maxinteger)", "too many results to unpack" },
	{ "table.move({}, 1, 1e10, 2)", "instructions" },
	{ "table.insert(setmetatable({}, { __len = function() return 1e10 end }), 1, 1)", "without __len" },
	{ "table.remove(setmetatable({}, { __len = function() return 1e10 end }), 1)", "without __len" },
	{ "table.sort(setmetatable({}, { __len = function() return 1e9 end }))", "without __len" },
	{ "local t = {} for i = 1, 5000 do t[i] = i end while true do table.insert(t, 1, 1) table.remove(t, 1) end",
	  "instructions" },
	{ "local t = {} for i = 1, 5000 do t[i] = i end while true do table.sort(t) end", "instructions" },
	{ "local t = {} for i = 1, 5000 do t[i] = i end while true do table.concat(t) end", "instructions" },
	{ "local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function() return true end)", "" },
	{ "local function f(...) while true do local x = select('#', ...) end end f(table.unpack({}, 1, 250))",
	  "instructions" },
	{ "local function f(...) return f(1, ...) end f()", "more than 1000 arguments" },
	/* the stack */
	{ "local function f() return 1 + f() end f()", "" },
	{ "while true do pcall(function() local function f() return 1 + f() end f() end) end", "" },
	{ "local function f() return pcall(f) end while true do f() end", "" },
	{ "local s = 'x' local function f() return (s:gsub('x', f)) end while true do f() end", "" },
	/* addresses */
	{ "local a = address '10.0.0.1' local i = 0 while true do i = i + 1 a:within('10.0.0.0/' .. i % 30 .. (' '):rep(i % "
	  "100)) end",
	  "instructions" },
};

static void nothing_outside_can_be_reached(void **state)
{
	struct loaded l;
	char text[1000];

	(void)state;
	loaded_init(&l);
	for (size_t i = 0; i < sizeof(unreachable) / sizeof(unreachable[0]); i++) {
		snprintf(text, sizeof(text), NODE "%s\n", unreachable[i].code);
		assert_int_equal(loaded_text(&l, text), LUN_BAD_POLICY);
		if (strncmp(loaded_error(&l), "p.lua:2: ", 9) != 0 || strstr(l.error.text, unreachable[i].says) == NULL)
			fail_msg("%s\n  expected %s\n  got %s", unreachable[i].code, unreachable[i].says, l.error.text);
	}
	loaded_fini(&l);
}

static void loading_ends(void **state)
{
	struct loaded l;
	char text[1000];

	(void)state;
	loaded_init(&l);
	l.options.load_instructions = 3 * 1000 * 1000;
	l.options.memory = 8 * 1024 * 1024;
	for (size_t i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
		double before = cpu_seconds(), took;
		int result;

		snprintf(text, sizeof(text), NODE "local function all() %s end\nall()\n", endless[i].code);
		result = loaded_text(&l, text);
		took = cpu_seconds() - before;
		if (took > 1.0 * SLOWNESS)
			fail_msg("%s\n  took %.1f s", endless[i].code, took);
		if (*endless[i].says != '\0' && (result == 0 || strncmp(loaded_error(&l), "p.lua:2: ", 9) != 0 ||
						 strstr(l.error.text, endless[i].says) == NULL))
			fail_msg("%s\n  expected %s\n  got %s", endless[i].code, endless[i].says, l.error.text);
		if (result == 0)
			lun_policy_unref(l.policy);
	}
	l.policy = NULL;
	loaded_fini(&l);
}

/* No packet waits for more than 10 ms of the thread's time, and no memory is taken past the limit.  Afterwards the next flow is decided as
 * if nothing had been. */
static void hooks_end(void **state)
{
	enum { MEMORY = 16 << 20 };
	struct loaded l;
	char text[1000];
	size_t had;

	(void)state;
	for (size_t i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
		double before, took;

		loaded_init(&l);
		l.options.memory = MEMORY;
		snprintf(text, sizeof(text),
			 NODE WEB
			 "local function all() %s end\n"
			 "function on_flow(flow) if flow.source_port == 1 then all() else return drop('next') end end\n",
			 endless[i].code);
		loaded_start(&l, text);
		had = mallinfo2().uordblks + mallinfo2().hblkhd;
		before = cpu_seconds();
		notation_run(&l.notation, "tcp 10.244.0.7:1 10.96.0.1:80 S");
		took = cpu_seconds() - before;
		if (took > 0.010 * SLOWNESS)
			fail_msg("%s\n  took %.1f ms", endless[i].code, took * 1e3);
		assert_true(mallinfo2().uordblks + mallinfo2().hblkhd < had + MEMORY);
		if (strstr(l.log, endless[i].says) == NULL)
			fail_msg("%s\n  expected %s\n  got %s", endless[i].code, endless[i].says, l.log);
		assert_int_equal(l.notation.packet.verdict, LUN_ACCEPT);
		notation_run(&l.notation, "tcp 10.244.0.7:2 10.96.0.1:80 S");
		if (l.notation.packet.verdict != LUN_DROP)
			fail_msg("%s\n  the next one: %s", endless[i].code, l.log);
		loaded_fini(&l);
	}
}

static void overruns_say_which_limit_and_where(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	l.options.load_instructions = 12345;
	assert_int_equal(loaded_text(&l, NODE "\nwhile true do end\n"), LUN_BAD_POLICY);
	assert_string_equal(loaded_error(&l),
			    "p.lua:3: more than 12345 instructions, the most that loading a policy may take");
	l.options.load_instructions = 0;
	l.options.memory = 1024 * 1024;
	assert_int_equal(loaded_text(&l, NODE "local t = {}\nfor i = 1, 1e9 do t[i] = {} end\n"), LUN_BAD_POLICY);
	assert_string_equal(loaded_error(&l), "p.lua:3: more than 1048576 bytes of memory, the most that a policy may use");
	l.options.memory = 0;
	l.options.hook_instructions = 10;
	loaded_start(&l, NODE WEB "function on_flow()\n for i = 1, 100 do end end\n");
	notation_run(&l.notation, "tcp 10.244.0.7:1 10.96.0.1:80 S");
	assert_string_equal(l.log, "p.lua:4: more than 10 instructions, the most that one call of a hook may take\n");
	loaded_fini(&l);
}

/* A hook gets its whole account each time, whatever the one before used. */
static void each_call_has_an_account_of_its_own(void **state)
{
	struct loaded l;
	char line[100];

	(void)state;
	loaded_init(&l);
	loaded_start(&l, NODE WEB "function on_flow() for i = 1, 90000 do end return drop() end\n");
	for (int i = 1; i < 50; i++) {
		snprintf(line, sizeof(line), "tcp 10.244.0.7:%d 10.96.0.1:80 S", i);
		notation_run(&l.notation, line);
		assert_string_equal(l.log, "");
		assert_int_equal(l.notation.packet.verdict, LUN_DROP);
	}
	loaded_fini(&l);
}

/* What a script keeps from call to call counts, but what it lets go of comes back. */
static void memory_is_given_back(void **state)
{
	struct loaded l;
	char line[100];

	(void)state;
	loaded_init(&l);
	l.options.memory = 512 * 1024;
	loaded_start(&l, NODE WEB "local kept\n"
				  "function on_flow(flow)\n"
				  " local t = {}\n"
				  " if flow.source_port == 1 then while true do t[#t + 1] = { 1, 2, 3, 4, 5, 6, 7, "
				  "flow.source_port } end end\n"
				  " for i = 1, 100 do t[i] = { i } end\n"
				  " kept = t\n"
				  " return drop('next')\n"
				  "end\n");
	notation_run(&l.notation, "tcp 10.244.0.7:1 10.96.0.1:80 S");
	assert_string_equal(l.log, "p.lua:6: more than 524288 bytes of memory, the most that a policy may use\n");
	for (int i = 2; i < 3000; i++) {
		snprintf(line, sizeof(line), "tcp 10.244.0.7:%d 10.96.0.1:80 S", i);
		notation_run(&l.notation, line);
		assert_int_equal(l.notation.packet.verdict, LUN_DROP);
	}
	loaded_fini(&l);
}

/* The limit of memory is met at each allocation in turn: an error each time, and nothing worse. */
static void every_allocation_may_fail(void **state)
{
	struct loaded l;
	size_t memory;
	int result = -1;

	(void)state;
	loaded_init(&l);
	for (memory = 1; result < 0; memory += memory < 4096 ? 64 : 16) {
		l.options.memory = memory;
		result = loaded_file(&l, "policies/all.lua");
		if (result < 0 && result != LUN_BAD_POLICY && result != LUN_NO_MEMORY)
			fail_msg("%zu bytes: %s", memory, l.error.text);
		assert_true(memory < 1024 * 1024);
	}
	loaded_fini(&l);
}

/* math.random is part of a policy, and a replay must give the same result each time. */
static void random_numbers_are_the_same_each_time(void **state)
{
	struct loaded l;
	char first[sizeof(l.log)];

	(void)state;
	loaded_init(&l);
	for (int i = 0; i < 2; i++) {
		l.log[0] = '\0';
		assert_int_equal(loaded_text(&l, NODE "print(math.random(1 << 40), math.random(1 << 40))\n"), 0);
		lun_policy_unref(l.policy);
		if (i == 0)
			memcpy(first, l.log, sizeof(first));
	}
	assert_string_equal(l.log, first);
	l.policy = NULL;
	loaded_fini(&l);
}

/* What is left works as in Lua. */
static void the_rest_works(void **state)
{
	static const char text[] = NODE
		"assert(select('#', pcall(error, 'x')) == 2)\n"
		"local ok, a, b = pcall(function(...) return ... end, 1, 2) assert(ok and a == 1 and b == 2)\n"
		"local ok, m = xpcall(function(x) error({ x }) end, function(e) return e[1] + 1 end, 5) assert(not ok and m "
		"== 6)\n"
		"local ok, m, n = xpcall(function(x, y) return x, y end, print, 5, 6) assert(ok and m == 5 and n == 6)\n"
		"assert(select(2, pcall(error)) == nil and select('#', pcall(error)) == 2)\n"
		"assert(not pcall(pcall) and not pcall(xpcall, print))\n"
		"assert(table.concat({ 1, 2, 3 }, ',') == '1,2,3' and table.concat({ 1, 2, 3 }, ',', 2, 3) == '2,3')\n"
		"assert(select('#', table.unpack({ 1, nil, 3 }, 1, 3)) == 3 and table.unpack({ 7, 8 }, 2) == 8)\n"
		"local t = { 3, 1, 2 } table.sort(t) assert(table.concat(t) == '123')\n"
		"table.sort(t, function(x, y) return x > y end) assert(table.concat(t) == '321')\n"
		"table.insert(t, 4) table.insert(t, 1, 0) assert(table.concat(t) == '03214')\n"
		"assert(table.remove(t) == 4 and table.remove(t, 1) == 0 and table.concat(t) == '321')\n"
		"assert(table.concat(table.move(t, 1, 3, 2)) == '3321')\n"
		"assert(('x'):rep(3, '-') == 'x-x-x' and ('x'):rep(0) == '' and ('x'):rep(-1) == '')\n"
		"assert(#('x'):rep(65536) == 65536 and ('x'):upper() == 'X' and ('%d%s'):format(1, 'a') == '1a')\n"
		"assert(tonumber('ff', 16) == 255 and tostring(12) == '12' and utf8.char(228) == 'ä')\n"
		"assert(getmetatable(setmetatable({}, { __metatable = 5 })) == 5)\n"
		"assert(not pcall(table.insert, { 1 }, 5, 1) and not pcall(string.rep))\n"
		"assert(select(2, pcall(string.rep)):find('number expected'))\n"
		"assert(math.type(math.random(5)) == 'integer')\n";
	struct loaded l;

	(void)state;
	loaded_init(&l);
	if (loaded_text(&l, text) < 0)
		fail_msg("%s", l.error.text);
	loaded_fini(&l);
}

/* Nobody ticks, and each call leaves megabytes: the limit holds, and no call waits long for the collector. */
static void garbage_has_a_limit(void **state)
{
	double longest = 0, began;
	struct loaded l;
	char packet[100];

	(void)state;
	loaded_init(&l);
	l.options.memory = 16 * 1024 * 1024;
	l.options.hook_instructions = 100 * 1000;
	loaded_start(&l, NODE WEB "function on_flow() for i = 1, 1800 do local t = { i, {} } end return drop() end\n");
	for (int i = 0; i < 500; i++) {
		snprintf(packet, sizeof(packet), "tcp 10.244.0.7:%d 10.96.0.1:80 S", i + 1);
		began = cpu_seconds();
		notation_run(&l.notation, packet);
		if (cpu_seconds() - began > longest)
			longest = cpu_seconds() - began;
		assert_int_equal(l.notation.packet.verdict, LUN_DROP);
	}
	assert_string_equal(l.log, "");
	assert_true(longest < 0.010 * SLOWNESS);
	loaded_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_outside_can_be_reached),
		cmocka_unit_test(loading_ends),
		cmocka_unit_test(hooks_end),
		cmocka_unit_test(overruns_say_which_limit_and_where),
		cmocka_unit_test(each_call_has_an_account_of_its_own),
		cmocka_unit_test(memory_is_given_back),
		cmocka_unit_test(garbage_has_a_limit),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(random_numbers_are_the_same_each_time),
		cmocka_unit_test(the_rest_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
