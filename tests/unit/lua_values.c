/* lua_values.c - what a policy has to decide by: sets of prefixes and ports. */
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
	{ "local s = prefixes 'list.txt' print(s:contains '10.1.2.3', s:get '10.1.3.0', s:contains '5.6.7.8', s:get "
	  "'fd00::1')",
	  "true\tnil\ttrue\ttrue" },
	{ "local s = ports 'ports.txt' print(s:contains(22), s:contains(23), s:contains(8500))", "true\tfalse\ttrue" },
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
	  "p.lua:2: prefixes: expected a list, or the name of a file beside the policy that ends with .txt, got 5" },
	{ "prefixes '../list.txt'", "p.lua:2: prefixes: expected a list, or the name of a file" },
	{ "prefixes '.list.txt'", "p.lua:2: prefixes: expected a list, or the name of a file" },
	{ "prefixes '/etc/passwd'", "p.lua:2: prefixes: expected a list, or the name of a file" },
	{ "prefixes 'list.txt\\0.txt'", "p.lua:2: prefixes: expected a list, or the name of a file" },
	{ "prefixes 'ports.txt'", "ports.txt:1: expected a prefix such as \"10.0.0.0/8\", got \"22\"" },
	{ "ports 'list.txt'", "list.txt:2: expected a port such as 80 or \"8000-8999\", got \"10.1.2.0/24\"" },
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
	{ "local t = {} for i = 1, 1e7 do t[i] = '10.0.0.0/8' end prefixes(t)", "p.lua:2: more than " },
};

static void loaded_lists(const struct loaded *l)
{
	loaded_write(l, "list.txt", "# those who shall not\n10.1.2.0/24 ; why\n\n\t5.6.7.8\r\nfd00::/8");
	loaded_write(l, "ports.txt", "22\n8000-8999\n");
}

static void loaded_fini_lists(struct loaded *l)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/list.txt", l->folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/ports.txt", l->folder);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_give_the_longest_prefix),
		cmocka_unit_test(each_mistake_has_its_line),
		cmocka_unit_test(sets_agree_with_a_look_at_each),
		cmocka_unit_test(sets_decide_on_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
