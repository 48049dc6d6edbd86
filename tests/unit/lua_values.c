/* lua_values.c - what a policy has to decide by: sets of prefixes and ports, rate limits, counters, times, hashes. */
#include "lua_load.h"

#define HERE "node { name = 'n1', addresses = { '172.18.0.2' }, pods = { '10.244.0.0/16' }, intercept = 'all' }\n"
#define SET                                                                                                                 \
	"local s = prefixes { '10.0.0.0/8', '0.0.0.0/32', '255.255.255.255', ['10.1.0.0/16'] = 'blue',\n"                   \
	" ['10.1.2.0/24'] = false, ['fd00::/8'] = 6, ['fd00::/16'] = 16, '10.1.2.3', '10.0.0.0/8' }\n"
#define PORTS "local s = ports { 80, '8000-8999', 0, 65535, [8080] = 'alt', ['6000-6063'] = 'x', [443] = 'tls' }\n"

/* What the last line of the code prints after "p.lua:LINE: ". */
static const struct {
	const char *code, *says;
} sets[] = {
	{ SET "print(s:get '10.2.0.0', s:get '10.1.9.9', s:get '10.1.2.9', s:get '10.1.2.3')", "true\tblue\tfalse\ttrue" },
	{ SET "print(s:get '9.255.255.255', s:get '11.0.0.0', s:get '10.255.255.255')", "nil\tnil\ttrue" },
	{ SET "print(s:contains '0.0.0.0', s:contains '0.0.0.1', s:contains '255.255.255.255')", "true\tfalse\ttrue" },
	{ SET "print(s:contains '10.1.2.9', s:contains '::', s:get 'fd00::1', s:get 'fdff::1')", "true\tfalse\t16\t6" },
	{ SET "local a = address '10.1.2.9' print(s:get(a), s:contains(a), a:within(s))", "false\ttrue\ttrue" },
	{ SET "print(address '11.0.0.0':within(s), address 'fe00::':within(s))", "false\tfalse" },
	{ "local s = prefixes {} print(s:contains '0.0.0.0', s:get '::')", "false\tnil" },
	{ "local s = prefixes { '::/0' } print(s:contains '0.0.0.0', s:contains '255.255.255.255', s:contains 'ff::')",
	  "true\ttrue\ttrue" },
	{ "local s = prefixes { ['::/0'] = 1, ['0.0.0.0/0'] = 2 } print(s:get '10.0.0.1', s:get '::1')", "2\t1" },
	{ "local t = {} local s = prefixes { ['10.0.0.0/8'] = t } print(s:get '10.0.0.1' == t)", "true" },
	{ PORTS "print(s:get(80), s:get(8001), s:get(8080), s:get(6063), s:get(443))", "true\ttrue\talt\tx\ttls" },
	{ PORTS "print(s:get(6064), s:get(0), s:get(65535), s:contains(65536), s:contains(-1))",
	  "nil\ttrue\ttrue\tfalse\tfalse" },
	{ "local s = prefixes 'list.list' print(s:contains '10.1.2.3', s:get '10.1.3.0', s:contains '5.6.7.8', s:get "
	  "'fd00::1')",
	  "true\tnil\ttrue\ttrue" },
	{ "local s = ports 'ports.list' print(s:contains(22), s:contains(23), s:contains(8500))", "true\tfalse\ttrue" },
};

static const struct {
	const char *code, *error;
} wrong[] = {
	{ "prefixes { '10.0.0.0/8',\n '10.0.0/8' }",
	  "p.lua:3: [2] of prefixes: expected a prefix such as \"10.0.0.0/8\", got \"10.0.0/8\"" },
	{ "prefixes { ['10.0.0.0/33'] = 1 }",
	  "p.lua:2: 10.0.0.0/33 of prefixes: expected a prefix such as \"10.0.0.0/8\", got \"10.0.0.0/33\"" },
	{ "prefixes { [7] = 1 }", "p.lua:2: [7] of prefixes: expected a prefix such as \"10.0.0.0/8\", got 7" },
	{ "prefixes { '10.0.0.0/8', ['10.0.0.0/8'] = 1 }", "p.lua:2: prefixes: 10.0.0.0 is there twice, with two values" },
	{ "prefixes(5)",
	  "p.lua:2: prefixes: expected a list, or the name of a file beside the policy that ends with .list, got 5" },
	{ "prefixes '../list.list'", "p.lua:2: prefixes: expected a list, or the name of a file" },
	{ "prefixes '.list.list'", "p.lua:2: prefixes: expected a list, or the name of a file" },
	{ "prefixes '/etc/passwd'", "p.lua:2: prefixes: expected a list, or the name of a file" },
	{ "prefixes 'list.list\\0.list'", "p.lua:2: prefixes: expected a list, or the name of a file" },
	{ "prefixes 'ports.list'", "ports.list:1: expected a prefix such as \"10.0.0.0/8\", got \"22\"" },
	{ "ports 'list.list'", "list.list:2: expected a port such as 80 or \"8000-8999\", got \"10.1.2.0/24\"" },
	{ "ports { 65536 }", "p.lua:2: [1] of ports: expected a port such as 80 or \"8000-8999\", got \"65536\"" },
	{ "ports { '9-8' }", "p.lua:2: [1] of ports: expected a port such as 80 or \"8000-8999\", got \"9-8\"" },
	{ "ports { '1-' }", "p.lua:2: [1] of ports: expected a port such as 80 or \"8000-8999\", got \"1-\"" },
	{ "ports { -1 }", "p.lua:2: [1] of ports: expected a port such as 80 or \"8000-8999\", got \"-1\"" },
	{ "ports { '99999999999999999999' }", "p.lua:2: [1] of ports: expected a port" },
	{ "ports { true }", "p.lua:2: [1] of ports: expected a port such as 80 or \"8000-8999\", got true" },
	{ "ports { '1-5', '3-9' }", "p.lua:2: ports: 1-5 and 3-9 overlap, expected one within the other or both apart" },
	{ "prefixes {}:contains(5)", "p.lua:2: bad argument #1 to 'contains' (address expected, got number)" },
	{ "prefixes {}:contains 'x'", "p.lua:2: expected an IPv4 or IPv6 address, got \"x\"" },
	{ "ports {}:contains 'x'", "p.lua:2: bad argument #1 to 'contains' (number expected, got string)" },
	{ "prefixes {}.contains({}, '::')", "p.lua:2: bad argument #1 to 'contains' (set expected, got table)" },
	{ "address '::':within(ports {})", "p.lua:2: bad argument #1 to 'within' (set of prefixes expected, got set)" },
	{ "address '::':within(address '::')",
	  "p.lua:2: bad argument #1 to 'within' (set of prefixes expected, got address)" },
	{ "setmetatable(ports {}, {})", "p.lua:2: bad argument #1 to 'setmetatable' (table expected, got set)" },
	{ "rate_limit 'x' {}", "p.lua:2: rate_limit \"x\": expected a rate such as \"10/s\"" },
	{ "rate_limit 'x' {\n rate = '10' }",
	  "p.lua:3: rate of rate_limit \"x\": expected a rate such as \"10/s\", \"600/m\", "
	  "\"100/h\" or \"1/d\", got \"10\"" },
	{ "rate_limit 'x' { rate = '0/s' }", "p.lua:2: rate of rate_limit \"x\": expected a rate" },
	{ "rate_limit 'x' { rate = '1/w' }", "p.lua:2: rate of rate_limit \"x\": expected a rate" },
	{ "rate_limit 'x' { rate = '1/' }", "p.lua:2: rate of rate_limit \"x\": expected a rate" },
	{ "rate_limit 'x' { rate = '1/ss' }", "p.lua:2: rate of rate_limit \"x\": expected a rate" },
	{ "rate_limit 'x' { rate = '9999999999/s' }", "p.lua:2: rate of rate_limit \"x\": expected a rate" },
	{ "rate_limit 'x' { rate = '1/d', burst = 4294967295 }",
	  "p.lua:2: rate_limit \"x\": a burst that takes more than 100 years to come back" },
	{ "rate_limit 'x' { rate = '1/s', burts = 5 }",
	  "p.lua:2: unknown key burts in rate_limit \"x\", did you mean burst?" },
	{ "rate_limit 'x' { rate = '1/s', keys = 100000000 }", "p.lua:2: rate_limit \"x\": expected at most 16777216 keys" },
	{ "rate_limit 'x' { rate = '1/s', keys = 16777216 }", "p.lua:2: rate_limit \"x\": 16777216 keys take 40" },
	{ "for i = 1, 100 do rate_limit(tostring(i)) { rate = '1/s', keys = 1 } end",
	  "p.lua:2: rate_limit \"65\": more than 64 rate limits and counters" },
	{ "rate_limit(5)", "p.lua:2: rate_limit: expected a name of up to 63 bytes, got 5" },
	{ "rate_limit(('x'):rep(64))", "p.lua:2: rate_limit: expected a name of up to 63 bytes, got \"xxx" },
	{ "rate_limit 'x' { rate = '1/s' }:allow()",
	  "p.lua:2: a rate limit can be asked only in a hook, and not in on_request" },
	{ "rate_limit 'x' { rate = '1/s' }.allow(counter 'x' {})",
	  "p.lua:2: bad argument #1 to 'allow' (rate_limit expected, got counter)" },
	{ "counter 'x' { rate = '1/s' }", "p.lua:2: unknown key rate in counter \"x\", expected one of keys" },
	{ "counter 'x' {}:add('a', -1)", "p.lua:2: bad argument #2 to 'add' (a count of 0 or more expected)" },
	{ "counter 'x' {}:add({})",
	  "p.lua:2: bad argument #1 to 'add' (address, text or whole number expected, got table)" },
	{ "counter 'x' {}:add(1.5)",
	  "p.lua:2: bad argument #1 to 'add' (address, text or whole number expected, got number)" },
	{ "hash({})", "p.lua:2: bad argument #1 to 'hash' (address, text or whole number expected, got table)" },
	{ "time_window 'Mon-Fri 22:00-04:00':open()",
	  "p.lua:2: a time window can be asked only in a hook, and not in on_request" },
	{ "time_window ''", "p.lua:2: expected times such as \"Mon-Fri 22:00-04:00 UTC\"" },
	{ "time_window 'Mon-'", "p.lua:2: expected times" },
	{ "time_window 'Mo'", "p.lua:2: expected times" },
	{ "time_window '22:00'", "p.lua:2: expected times" },
	{ "time_window '22:00-22:00'", "p.lua:2: expected times" },
	{ "time_window '22:60-23:00'", "p.lua:2: expected times" },
	{ "time_window '22:00-24:01'", "p.lua:2: expected times" },
	{ "time_window 'Mon 22:00-23:00 CET'", "p.lua:2: expected times" },
	{ "time_window 'Mon,'", "p.lua:2: expected times" },
	{ "time_window 'Mon\\0'", "p.lua:2: expected times" },
	{ "local t = {} for i = 1, 1e7 do t[i] = '10.0.0.0/8' end prefixes(t)", "p.lua:2: more than " },
};

static void loaded_lists(const struct loaded *l)
{
	loaded_write(l, "list.list", "# those who shall not\n10.1.2.0/24 ; why\n\n\t5.6.7.8\r\nfd00::/8");
	loaded_write(l, "ports.list", "22\n8000-8999\n");
}

static void loaded_fini_lists(struct loaded *l)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/list.list", l->folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/ports.list", l->folder);
	unlink(path);
	loaded_fini(l);
}

static void sets_give_the_longest_prefix(void **state)
{
	char text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct loaded l;

		loaded_init(&l);
		loaded_lists(&l);
		snprintf(text, sizeof(text), HERE "%s\n", sets[i].code);
		loaded_text(&l, text);
		snprintf(text, sizeof(text), ": %s\n", sets[i].says);
		if (l.policy == NULL || strstr(l.log, text) == NULL)
			fail_msg("%s\n  expected %s  got %s%s", sets[i].code, text, l.log, l.error.text);
		loaded_fini_lists(&l);
	}
}

static void each_mistake_has_its_line(void **state)
{
	char text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct loaded l;

		loaded_init(&l);
		loaded_lists(&l);
		snprintf(text, sizeof(text), HERE "%s\n", wrong[i].code);
		if (loaded_text(&l, text) == 0 || strncmp(loaded_error(&l), wrong[i].error, strlen(wrong[i].error)) != 0)
			fail_msg("%s\n  expected %s\n  got %s", wrong[i].code, wrong[i].error, loaded_error(&l));
		loaded_fini_lists(&l);
	}
}

/* Random prefixes of both families, close together so that they lie one within another, against a look at each. */
static void sets_agree_with_a_look_at_each(void **state)
{
	static const char text[] =
		HERE "local function part() return math.random(0, 3) * 85 end\n"
		     "local function v4() return ('10.%d.%d.%d'):format(part(), part(), part()) end\n"
		     "local function v6() return ('fd00:%x:%x::%x'):format(part(), part(), part()) end\n"
		     "local asked, held = 0, 0\n"
		     "for round = 1, 30 do\n"
		     " local lengths = {}\n"
		     " for i = 1, math.random(0, 60) do\n"
		     "  local four = math.random(2) == 1\n"
		     "  local length = four and math.random(8, 32) or math.random(16, 128)\n"
		     "  local prefix = (four and v4() or v6()) .. '/' .. length\n"
		     "  lengths[prefix] = length\n"
		     " end\n"
		     " local list = {}\n"
		     " for prefix in pairs(lengths) do list[#list + 1] = prefix end\n"
		     " local set = prefixes(list)\n"
		     " for i = 1, 100 do\n"
		     "  local a = address(math.random(2) == 1 and v4() or v6())\n"
		     "  local expected = false\n"
		     "  for prefix in pairs(lengths) do expected = expected or a:within(prefix) end\n"
		     "  asked = asked + 1\n"
		     "  if expected then held = held + 1 end\n"
		     "  if set:contains(a) ~= expected then error(tostring(a) .. ' in ' .. table.concat(list, ' ')) end\n"
		     " end\n"
		     "end\n"
		     "assert(asked == 3000 and held > 300 and held < 2700)\n";
	struct loaded l;

	(void)state;
	loaded_init(&l);
	if (loaded_text(&l, text) < 0)
		fail_msg("%s", l.error.text);
	loaded_fini(&l);
}

static void sets_decide_on_flows(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, HERE "local blocked, open = prefixes { '203.0.113.0/24' }, ports { '1-1024' }\n"
			      "function on_flow(flow)\n"
			      " if late then prefixes {} end\n"
			      " if flow.source:within(blocked) then return drop() end\n"
			      " if not open:contains(flow.destination_port) then late = true return reject() end\n"
			      "end\n");
	EXPECT(&l.notation, { "tcp 203.0.113.9:1 10.96.0.1:80 S", "drop new NONE (policy_drop)" },
	       { "tcp 203.0.114.9:1 10.96.0.1:80 S", "accept new SYN_SENT" },
	       { "tcp 203.0.114.9:1 10.96.0.1:1025 S", "reject new NONE (policy_reject)" });
	notation_run(&l.notation, "tcp 203.0.114.9:2 10.96.0.1:80 S");
	assert_string_equal(l.log, "p.lua:4: prefixes: a set can be made only while the policy is loaded\n");
	loaded_fini(&l);
}

/* ---- Rate limits and counters ----------------------------------------------------------------------------------------- */

#define LIMIT(keys)                                                                                                         \
	HERE "local opens = rate_limit 'opens' { rate = '10/s', burst = 3" keys " }\n"                                      \
	     "function on_flow(flow)\n"                                                                                     \
	     " if not opens:allow(flow.source) then return drop('too fast') end\n"                                          \
	     "end\n"

/* How many of `count` flows from this source get through, one after the other. */
static int open_flows(struct loaded *l, const char *source, int count)
{
	static int port;
	char text[100];
	int opened = 0;

	for (int i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "tcp %s:%d 10.96.0.1:80 S", source, 1 + port++ % 60000);
		notation_run(&l->notation, text);
		opened += l->notation.packet.verdict == LUN_ACCEPT;
	}
	return opened;
}

static void later(struct loaded *l, uint64_t ms)
{
	l->notation.now += ms * 1000000;
}

static void rate_limits_are_buckets_by_key(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, LIMIT(""));
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 3);
	assert_int_equal(open_flows(&l, "10.244.0.8", 10), 3);
	later(&l, 99);
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 0);
	later(&l, 1);
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 1);
	later(&l, 250);
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 2);
	later(&l, 50);
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 1);
	later(&l, 3600 * 1000);
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 3);
	assert_string_equal(l.log, "");
	loaded_fini(&l);
}

/* Many sources push each other out, and none of them gets less than its due. */
static void rate_limits_forget_what_tells_least(void **state)
{
	struct loaded l;
	char source[32];

	(void)state;
	loaded_init(&l);
	loaded_start(&l, LIMIT(", keys = 8"));
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 3);
	for (int i = 0; i < 500; i++) {
		snprintf(source, sizeof(source), "10.9.%d.%d", i / 250, i % 250);
		assert_int_equal(open_flows(&l, source, 1), 1);
		assert_int_equal(open_flows(&l, "10.244.0.7", 1), 0);
	}
	loaded_fini(&l);
}

/* Another policy takes over, with the same names. */
static void reload(struct loaded *l, const char *text)
{
	struct lun_policy *before = l->policy;

	if (loaded_text(l, text) < 0)
		fail_msg("%s", l->error.text);
	assert_int_equal(lun_engine_set_policy(l->notation.engine, l->policy), 0);
	lun_policy_unref(before);
}

static void rate_limits_survive_a_reload(void **state)
{
	struct lun_lua_kept *kept = NULL;
	struct loaded l;

	(void)state;
	loaded_init(&l);
	l.options.kept = &kept;
	loaded_start(&l, LIMIT(""));
	assert_int_equal(open_flows(&l, "10.244.0.7", 2), 2);
	reload(&l, LIMIT(""));
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 1);
	assert_int_equal(lun_lua_policy_load(&(struct lun_policy *) { NULL }, "/nowhere", &l.options, NULL), LUN_BAD_FILE);
	reload(&l, LIMIT(", keys = 100")); /* another size: it begins anew */
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 3);
	reload(&l, HERE); /* nobody holds it */
	reload(&l, LIMIT(", keys = 100"));
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 3);
	lun_lua_kept_free(kept); /* before the policy */
	assert_int_equal(open_flows(&l, "10.244.0.7", 10), 0);
	loaded_fini(&l);
}

static void counters_count_by_key(void **state)
{
	struct lun_lua_kept *kept = NULL;
	struct loaded l;

	(void)state;
	loaded_init(&l);
	l.options.kept = &kept;
	loaded_start(
		&l, HERE
		"local c, other = counter 'c' {}, counter 'other' {}\n"
		"print(c:add(address '::1'), c:add(address '::1', 4), c:add('::1'), c:add(1), c:add(1, 0), c:add())\n"
		"print(c:get(address '::1'), c:get('1'), c:get('never'), other:get(1), c:add('most', math.maxinteger),\n"
		" c:add('most'))\n");
	assert_non_null(strstr(l.log, "p.lua:3: 1\t5\t1\t1\t1\t1\n"));
	assert_non_null(strstr(l.log, "p.lua:4: 5\t1\t0\t0\t9223372036854775807\t9223372036854775807\n"));
	l.log[0] = '\0';
	reload(&l, HERE "print(counter 'c' {}:get(address '::1'))\n");
	assert_non_null(strstr(l.log, "p.lua:2: 5\n"));
	loaded_fini(&l);
	lun_lua_kept_free(kept);
}

/* ---- Times, hashes, chance -------------------------------------------------------------------------------------------- */

static uint64_t utc_of_test(void *user, uint64_t now)
{
	(void)user;
	return now + UINT64_C(1764060000) * 1000000000; /* Tuesday, 25 November 2025, 08:40 */
}

/* Hours after Thursday, 1 January 1970, 00:00, at which a window is open: the first four days, a digit for each hour. */
static void time_windows_are_of_the_week(void **state)
{
	static const struct {
		const char *window, *hours;
	} windows[] = {
		{ "Thu", "111111111111111111111111 000000000000000000000000 000000000000000000000000" },
		{ "Fri-Thu", "111111111111111111111111 111111111111111111111111 111111111111111111111111" },
		{ "Sat-Thu", "111111111111111111111111 000000000000000000000000 111111111111111111111111" },
		{ "thu-fri 22:00-04:00 UTC", "000000000000000000000011 111100000000000000000011 111100000000000000000000" },
		{ "Wed 23:00-01:00 , 12:30-14:00",
		  "100000000000010000000000 000000000000010000000000 000000000000010000000000" },
		{ "Fri 00:00-24:00", "000000000000000000000000 111111111111111111111111 000000000000000000000000" },
	};
	char text[500];

	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		struct loaded l;

		loaded_init(&l);
		snprintf(text, sizeof(text),
			 HERE "local w = time_window '%s'\nfunction on_flow() if not w:open() then return drop() end end\n",
			 windows[i].window);
		loaded_start(&l, text);
		for (const char *hour = windows[i].hours; *hour != '\0'; hour++) {
			if (*hour == ' ')
				continue;
			if (open_flows(&l, "10.244.0.7", 1) != *hour - '0')
				fail_msg("%s: not %c at %zu", windows[i].window, *hour, hour - windows[i].hours);
			later(&l, 3600 * 1000);
		}
		loaded_fini(&l);
	}
}

static void time_windows_go_by_the_embedders_clock(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	l.options.utc = utc_of_test;
	loaded_start(&l, HERE
		     "local w = time_window 'Tue 08:40-08:41'\nfunction on_flow() if not w:open() then return drop() end "
		     "end\n");
	assert_int_equal(open_flows(&l, "10.244.0.7", 1), 1);
	later(&l, 60 * 1000);
	assert_int_equal(open_flows(&l, "10.244.0.7", 1), 0);
	loaded_fini(&l);
}

/* The numbers are a promise: nodes and versions must agree. */
static void hashes_are_the_same_everywhere(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, HERE "print(hash 'a', hash('a', 1), hash('a', '1'), hash(1) == hash '1', hash '')\n"
			      "print(hash(address '10.244.0.7'), hash(address '10.244.0.7', 'canary'))\n"
			      "local small = 0\n"
			      "for i = 1, 10000 do if hash(i, 'canary') % 100 < 5 then small = small + 1 end end\n"
			      "print(small > 400 and small < 600, hash('12345678') ~= hash('12345678\\0'))\n");
	assert_string_equal(
		l.log, "p.lua:2: 6620816896585533019\t374329782411952226\t374329782411952226\ttrue\t1873292843429313585\n"
		       "p.lua:3: 2604218394324930044\t8753881214324644889\n"
		       "p.lua:6: true\ttrue\n");
	loaded_fini(&l);
}

/* The same seed of the engine gives the same numbers, another one others. */
static void chance_is_the_engines(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64 };
	char said[3][sizeof(((struct loaded *)NULL)->log)];

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct loaded l;
		struct lun_error error;

		loaded_init(&l);
		loaded_start(&l, HERE "function on_flow() print(math.random(1 << 40)) end\n");
		lun_engine_free(l.notation.engine);
		config.seed[0] = i < 2 ? 5 : 6;
		assert_int_equal(lun_engine_new(&l.notation.engine, &config, l.policy, &error), 0);
		open_flows(&l, "10.244.0.7", 1);
		memcpy(said[i], l.log, sizeof(l.log));
		loaded_fini(&l);
	}
	assert_string_equal(said[0], said[1]);
	assert_string_not_equal(said[0], said[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_give_the_longest_prefix),   cmocka_unit_test(each_mistake_has_its_line),
		cmocka_unit_test(sets_agree_with_a_look_at_each), cmocka_unit_test(sets_decide_on_flows),
		cmocka_unit_test(rate_limits_are_buckets_by_key), cmocka_unit_test(rate_limits_forget_what_tells_least),
		cmocka_unit_test(rate_limits_survive_a_reload),   cmocka_unit_test(counters_count_by_key),
		cmocka_unit_test(time_windows_are_of_the_week),   cmocka_unit_test(time_windows_go_by_the_embedders_clock),
		cmocka_unit_test(hashes_are_the_same_everywhere), cmocka_unit_test(chance_is_the_engines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
