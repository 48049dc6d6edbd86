/* lua_policy.c - policies in Lua: what they declare, what is wrong with them and on which line, and what on_flow decides. */
#include "lua_load.h"

/* ---- What is wrong ---------------------------------------------------------------------------------------------------- */

#define SERVICE(lines)                                                                                                      \
	NODE "service 'default/nginx' {\n\tcluster_ips = { '10.96.0.1' },\n\tports = { { port = 80 } },\n" lines "}\n"
#define DURATION "expected 1 second to 24 days, as a number of seconds or as in \"90s\", \"5m\", \"2h4m\", \"1d\", got "
#define PORTS(lines) NODE "service 'default/nginx' {\n\tports = {\n" lines "\t},\n}\n"

static const struct {
	const char *text, *error;
} wrong[] = {
	/* the file */
	{ "node {\n", "p.lua:2: unexpected symbol near <eof>" },
	{ NODE "x = = 1\n", "p.lua:2: unexpected symbol near '='" },
	{ NODE "local x\nx.y = 1\n", "p.lua:3: attempt to index a nil value (local 'x')" },
	{ NODE "error('no good', 0)\n", "p.lua:2: no good" },
	{ NODE "error({})\n", "p.lua:2: error raised with a table" },
	{ "\33Lua", "p.lua: attempt to load a binary chunk (mode is 't')" },
	{ "", "p.lua:1: no node, expected node { name = ..., addresses = { ... } }" },

	/* node */
	{ NODE NODE, "p.lua:2: node: declared twice, first at p.lua:1" },
	{ "node 'n'", "p.lua:1: node: expected node { name = ..., addresses = { ... } }, got \"n\"" },
	{ "node {}", "p.lua:1: node: expected a name, as in node { name = \"worker\" }" },
	{ "node { name = 5 }", "p.lua:1: name of node: expected a string, got 5" },
	{ "node { name = 'a\\0b' }", "p.lua:1: name of node: expected a string, got \"a?b\"" },
	{ "node { name = 'n',\n\tadresses = { '10.0.0.1' } }",
	  "p.lua:2: unknown key adresses in node, did you mean addresses?" },
	{ "node { name = 'n',\n\tb = 1, a = 1 }",
	  "p.lua:2: unknown key a in node, expected one of name, zone, addresses, pods, service_ranges, "
	  "localhost_node_ports, node_port_addresses, "
	  "masquerade_address, masquerade_all, answer_echo, hash_seed, intercept, timeouts, limits, on_error" },
	{ "node { name = 'n', 'x' }", "p.lua:1: node: a value without a key, expected only \"key = value\"" },
	{ "node { name = 'n', invalid = 'drop' }", "p.lua:1: invalid is not supported yet by this version (node)" },
	{ "node {\n\tname = 'n', addresses = { '10.0.0.1',\n\t'10.0.0.300' } }",
	  "p.lua:3: addresses[2] of node: expected an IPv4 or IPv6 address, got \"10.0.0.300\"" },
	{ "node { name = 'n', addresses = '10.0.0.1' }",
	  "p.lua:1: addresses of node: expected a list of addresses, got \"10.0.0.1\"" },
	{ "node { name = 'n', addresses = { first = '10.0.0.1' } }",
	  "p.lua:1: addresses of node: expected a list of addresses, got a table with the key first" },
	{ "node { name = 'n', addresses = { '10.0.0.1', nil, '10.0.0.2' } }",
	  "p.lua:1: addresses of node: expected a list of addresses without gaps" },
	{ "node { name = 'n', pods = { '10.0.0.0/40' } }",
	  "p.lua:1: pods[1] of node: expected a prefix such as \"10.0.0.0/8\", got \"10.0.0.0/40\"" },
	{ "node { name = 'n', node_port_addresses = { 'primary', 'local' } }",
	  "p.lua:1: node_port_addresses[2] of node: expected a prefix such as \"10.0.0.0/8\", \"primary\", \"all\" or "
	  "\"localhost\", got \"local\"" },
	{ "node { name = 'n', node_port_addresses = 'none' }",
	  "p.lua:1: node_port_addresses of node: expected a prefix such as \"10.0.0.0/8\", \"primary\", \"all\" or "
	  "\"localhost\", got \"none\"" },
	{ "node { name = 'n', masquerade_all = 'yes' }",
	  "p.lua:1: masquerade_all of node: expected true or false, got \"yes\"" },
	{ "node { name = 'n', masquerade_address = { '10.0.0.1', 7 } }",
	  "p.lua:1: masquerade_address[2] of node: expected an IPv4 or IPv6 address, got 7" },
	{ "node { name = 'n', intercept = 'al' }",
	  "p.lua:1: intercept of node: expected \"services\" or \"all\", got \"al\", did you mean \"all\"?" },
	{ "node { name = 'n', intercept = 5 }",
	  "p.lua:1: intercept of node: expected \"services\", \"all\" or a list of prefixes, got 5" },
	{ "node { name = 'n', timeouts = 60 }",
	  "p.lua:1: timeouts of node: expected timeouts, { tcp_established = \"2h4m\" }, got 60" },
	{ "node { name = 'n',\n\ttimeouts = {\n\tudpp = 60 } }",
	  "p.lua:3: unknown key udpp in timeouts of node, did you mean udp?" },
	{ "node { name = 'n', timeouts = { minutes = 60 } }", "p.lua:1: unknown key minutes in timeouts of node, expected "
							      "one of tcp_established, tcp_opening, tcp_closing, udp, "
							      "icmp, sctp_established, other" },
	{ "node { name = 'n',\n\ttimeouts = {\n\tudp = 60,\n\ticmp = 0 } }",
	  "p.lua:4: timeouts.icmp of node: " DURATION "0" },
	{ "node { name = 'n', timeouts = { udp = 0.9 } }", "p.lua:1: timeouts.udp of node: " DURATION "0.9" },
	{ "node { name = 'n', timeouts = { udp = -5 } }", "p.lua:1: timeouts.udp of node: " DURATION "-5" },
	{ "node { name = 'n', timeouts = { udp = 2073601 } }", "p.lua:1: timeouts.udp of node: " DURATION "2073601" },
	{ "node { name = 'n', timeouts = { udp = '24d1s' } }", "p.lua:1: timeouts.udp of node: " DURATION "\"24d1s\"" },
	{ "node { name = 'n', timeouts = { udp = math.huge } }", "p.lua:1: timeouts.udp of node: " DURATION "inf" },
	{ "node { name = 'n', timeouts = { udp = true } }", "p.lua:1: timeouts.udp of node: " DURATION "true" },
	{ "node { name = 'n', timeouts = { udp = '' } }", "p.lua:1: timeouts.udp of node: " DURATION "\"\"" },
	{ "node { name = 'n', timeouts = { udp = '90' } }", "p.lua:1: timeouts.udp of node: " DURATION "\"90\"" },
	{ "node { name = 'n', timeouts = { udp = 'm' } }", "p.lua:1: timeouts.udp of node: " DURATION "\"m\"" },
	{ "node { name = 'n', timeouts = { udp = '4m2h' } }", "p.lua:1: timeouts.udp of node: " DURATION "\"4m2h\"" },
	{ "node { name = 'n', timeouts = { udp = '1m1m' } }", "p.lua:1: timeouts.udp of node: " DURATION "\"1m1m\"" },
	{ "node { name = 'n', timeouts = { udp = '1s1' } }", "p.lua:1: timeouts.udp of node: " DURATION "\"1s1\"" },
	{ "node { name = 'n', timeouts = { udp = ' 5m' } }", "p.lua:1: timeouts.udp of node: " DURATION "\" 5m\"" },
	{ "node { name = 'n', timeouts = { udp = '1.5h' } }", "p.lua:1: timeouts.udp of node: " DURATION "\"1.5h\"" },
	{ "node { name = 'n', timeouts = { udp = '18446744073709551676s' } }",
	  "p.lua:1: timeouts.udp of node: " DURATION "\"18446744073709551676s\"" },
	{ "node { name = 'n', on_error = 'accpt' }", "p.lua:1: on_error of node: expected \"services\", \"drop\" or "
						     "\"accept\", got \"accpt\", did you mean \"accept\"?" },
	{ "node { name = 'n', limits = 5 }", "p.lua:1: limits of node: expected limits, { per_source = 1000 }, got 5" },
	{ "node { name = 'n',\n\tlimits = { per_sorce = 5 } }",
	  "p.lua:2: unknown key per_sorce in limits of node, did you mean per_source?" },
	{ "node { name = 'n',\n\tlimits = {\n\tper_source = 4294967296 } }",
	  "p.lua:3: limits.per_source of node: expected a whole number from 1 to 4294967295, got 4294967296" },
	{ "node { name = 'n', limits = { half_open = 1.5 } }",
	  "p.lua:1: limits.half_open of node: expected a whole number from 1 to 4294967295, got 1.5" },
	{ "node { name = 'n', limits = { half_open = '9' } }",
	  "p.lua:1: limits.half_open of node: expected a whole number from 1 to 4294967295, got \"9\"" },
	{ "node { name = 'n', limits = { answer = 'rejct' } }",
	  "p.lua:1: limits.answer of node: expected \"reject\" or \"drop\", got \"rejct\", did you mean \"reject\"?" },

	/* service */
	{ SERVICE("\tendpont = {},\n"),
	  "p.lua:5: unknown key endpont in service \"default/nginx\", did you mean endpoints?" },
	{ SERVICE("\t-- endpont\n\tx = [[endpont = 1]], endpont = {},\n"),
	  "p.lua:6: unknown key endpont in service \"default/nginx\", did you mean endpoints?" },
	{ SERVICE("\tendpoints = {\n\t\t'10.244.0.5', -- good\n\t\t{ '10.244.0.6',\n\t\t  redy = true } },\n"),
	  "p.lua:8: unknown key redy in endpoints[2] of service \"default/nginx\", did you mean ready?" },
	{ SERVICE("\t['endpoints'] = { function() return 1, 2 end, '10.0.0.1' },\n"),
	  "p.lua:5: endpoints[1] of service \"default/nginx\": expected an endpoint such as \"10.244.0.5\", "
	  "\"10.244.0.5:80\" or "
	  "\"[fd00::5]:80\", got a function" },
	{ SERVICE("\tendpoints = { '10.244.0.5:99999' },\n"), "p.lua:5: endpoints[1] of service \"default/nginx\": expected "
							      "an endpoint such as \"10.244.0.5\", \"10.244.0.5:80\" or "
							      "\"[fd00::5]:80\", got \"10.244.0.5:99999\"" },
	{ SERVICE("\tendpoints = { '10.244.0.5:0' },\n"), "p.lua:5: endpoints[1] of service \"default/nginx\": expected "
							  "an endpoint such as \"10.244.0.5\", \"10.244.0.5:80\" or "
							  "\"[fd00::5]:80\", got \"10.244.0.5:0\"" },
	{ SERVICE("\tendpoints = { '[fd00::5]:0' },\n"), "p.lua:5: endpoints[1] of service \"default/nginx\": expected "
							 "an endpoint such as \"10.244.0.5\", \"10.244.0.5:80\" or "
							 "\"[fd00::5]:80\", got \"[fd00::5]:0\"" },
	{ SERVICE("\tendpoints = { { port = 2 } },\n"),
	  "p.lua:5: endpoints[1][1] of service \"default/nginx\": expected an endpoint such as \"10.244.0.5\", "
	  "\"10.244.0.5:80\" or \"[fd00::5]:80\", got nothing" },
	{ SERVICE("\tendpoints = { { '10.244.0.6', weight = 65536 } },\n"),
	  "p.lua:5: endpoints[1].weight of service \"default/nginx\": expected a whole number from 0 to 65535, got 65536" },
	{ SERVICE("\tendpoints = { { '10.244.0.6', hints = { zones = 'a' } } },\n"),
	  "p.lua:5: endpoints[1].hints.zones of service \"default/nginx\": expected a list of names, got \"a\"" },
	{ SERVICE("\tload_balancer_ips = { { '192.0.2.1', ip_mode = 'proxy' } },\n"),
	  "p.lua:5: load_balancer_ips[1].ip_mode of service \"default/nginx\": expected \"VIP\" or \"Proxy\", got "
	  "\"proxy\", did you mean \"Proxy\"?" },
	{ SERVICE("\ttimeouts = {\n\t\tudp = '5m',\n\t\ttcp_opening = '1h70x',\n\t},\n"),
	  "p.lua:7: timeouts.tcp_opening of service \"default/nginx\": " DURATION "\"1h70x\"" },
	{ SERVICE("\ttimeouts = {\n\t\ttcp_establishd = 5 },\n"),
	  "p.lua:6: unknown key tcp_establishd in timeouts of service \"default/nginx\", did you mean tcp_established?" },
	{ SERVICE("\tflow_limit = 0,\n"),
	  "p.lua:5: flow_limit of service \"default/nginx\": expected a whole number from 1 to 4294967295, got 0" },
	{ SERVICE("\trest = { after = 300 },\n"),
	  "p.lua:5: rest of service \"default/nginx\": expected after = 1 to 255, as in { "
	  "after = 3, time = \"10s\" }" },
	{ SERVICE("\taffinity = {},\n"), "p.lua:5: affinity of service \"default/nginx\": expected { client_ip = 10800 }" },
	{ SERVICE("\taffinity = { client_ip = 0 },\n"),
	  "p.lua:5: affinity.client_ip of service \"default/nginx\": " DURATION "0" },
	{ SERVICE("\tbalance = 'rnadom',\n"),
	  "p.lua:5: balance of service \"default/nginx\": expected \"random\", \"round_robin\", \"least_connections\", "
	  "\"maglev\" or \"source_hash\", got \"rnadom\", did you mean \"random\"?" },
	{ SERVICE("\tbalance = 1,\n"), "p.lua:5: balance of service \"default/nginx\": expected a string, got 1" },
	{ SERVICE("\ttype = 'nodeport',\n"),
	  "p.lua:5: type of service \"default/nginx\": expected \"ClusterIP\", \"NodePort\" or \"LoadBalancer\", got "
	  "\"nodeport\", did you mean \"NodePort\"?" },
	{ SERVICE("\ttype = 'ExternalName',\n"),
	  "p.lua:5: type of service \"default/nginx\": expected \"ClusterIP\", \"NodePort\" or \"LoadBalancer\", got "
	  "\"ExternalName\"" },
	{ SERVICE("\texternal_traffic_policy = 'local',\n"),
	  "p.lua:5: external_traffic_policy of service \"default/nginx\": expected \"Cluster\" or \"Local\", got \"local\", "
	  "did "
	  "you mean \"Local\"?" },
	{ SERVICE("\thttp = { set = { ['X-A'] = 5 } },\n"),
	  "p.lua:5: http.set.X-A of service \"default/nginx\": expected the value of a header, a string, got 5" },
	{ SERVICE("\thttp = { set = { { 'X-A' } } },\n"),
	  "p.lua:5: http.set[1] of service \"default/nginx\": expected { name, value }" },
	{ SERVICE("\thttp = { response = { append = {} } },\n"),
	  "p.lua:5: unknown key append in http.response of service \"default/nginx\", expected one of set, remove" },
	{ SERVICE("\thttp = { when = { host = 'a' }, response = {} },\n"),
	  "p.lua:5: http.response of service \"default/nginx\": expected in a group without `when`, which speaks of "
	  "requests" },
	{ SERVICE("\thttp = { response = { set = { A = '$host' } } },\n"),
	  "p.lua:2: header \"A\" of service \"default/nginx\" has a variable that responses do not have" },
	{ SERVICE("\thttp = { remove = {\n\t\t'X-A', 5 } },\n"),
	  "p.lua:6: http.remove[2] of service \"default/nginx\": expected a list of names, { \"X-Debug\" }, got 5" },
	{ SERVICE("\thttp = { { set = {} },\n\t\t{ sett = {} } },\n"),
	  "p.lua:6: unknown key sett in http[2] of service \"default/nginx\", did you mean set?" },
	{ SERVICE("\thttp = { when = { hst = 'a' } },\n"),
	  "p.lua:5: unknown key hst in http.when of service \"default/nginx\", did you mean host?" },
	{ SERVICE("\thttp = { when = { path = { '/a', 'b' } } },\n"),
	  "p.lua:5: http.when of service \"default/nginx\": path: expected one that begins with a slash, got \"b\"" },
	{ SERVICE("\tproxy_protocol = 3,\n"),
	  "p.lua:5: proxy_protocol of service \"default/nginx\": expected the version, 1 or 2, got 3" },
	{ SERVICE("\tproxy_protocol = 'v1',\n"),
	  "p.lua:5: proxy_protocol of service \"default/nginx\": expected the version, 1 or 2, got \"v1\"" },
	{ "service 'a/b' { ports = { { port = 53, protocol = 'udp' } },\n\tproxy_protocol = 1 }\n",
	  "p.lua:2: proxy_protocol of service \"a/b\": expected a TCP port: the header stands at the beginning of a "
	  "stream" },
	{ SERVICE("\thttp = { path = '/api' },\n"),
	  "p.lua:5: http.path of service \"default/nginx\": expected { strip = \"/api\", add = \"/v2\" }, got \"/api\"" },
	{ SERVICE("\thttp = { path = {} },\n"), "p.lua:5: http.path of service \"default/nginx\": expected { strip = "
						"\"/api\", add = \"/v2\" }, or one of the two" },
	{ SERVICE("\thttp = { path = { strip = 'api' } },\n"),
	  "p.lua:5: http.path of service \"default/nginx\": strip: expected a path that begins with a slash, got \"api\"" },
	{ SERVICE("\thttp = { path = { strp = '/api' } },\n"),
	  "p.lua:5: unknown key strp in http.path of service \"default/nginx\", did you mean strip?" },
	{ SERVICE("\thttp = { path = { add = '/v2?x' } },\n"),
	  "p.lua:2: a rule for paths of service \"default/nginx\" adds what is no path that begins with a slash" },
	{ SERVICE("\thttp = { when = { path = {} } },\n"),
	  "p.lua:5: http.when of service \"default/nginx\": expected 1 to 64 combinations of host, path and method, got 0" },
	{ SERVICE("\thttp = { set = { ['Transfer_Encoding'] = 'a' } },\n"),
	  "p.lua:2: header \"Transfer_Encoding\" of service \"default/nginx\" says where a message ends or what its "
	  "connection becomes, and is its sender's to say" },
	{ SERVICE("\thttp = headers.forwarded { trsut = {} },\n"),
	  "p.lua:5: headers.forwarded: unknown option trsut, expected trust" },
	{ SERVICE("\thttp = { headers.forwarded { trust = { '10.0.0.0/8' } },\n"
		  "\t\theaders.forwarded { trust = { '10.0.0.0/8' } } },\n"),
	  "p.lua:6: http[2] of service \"default/nginx\": trust: expected in one group only" },
	{ SERVICE("\thttp = { set = { ['X A'] = 'a' } },\n"),
	  "p.lua:2: header \"X A\" of service \"default/nginx\" is no token (RFC 9110, 5.6.2) of at most "
	  "127 bytes" },
	{ PORTS("\t\t{ port = 80 },\n\t\t{ port = 81,\n\t\t  node_port = 70000 },\n"),
	  "p.lua:6: ports[2].node_port of service \"default/nginx\": expected a port number from 1 to 65535, got 70000" },
	{ PORTS("\t\t{ port = 0 },\n"),
	  "p.lua:4: ports[1].port of service \"default/nginx\": expected a port number from 1 to 65535, got 0" },
	{ PORTS("\t\t{ port = 80.5 },\n"),
	  "p.lua:4: ports[1].port of service \"default/nginx\": expected a port number from 1 to 65535, got 80.5" },
	{ PORTS("\t\t{ port = '80' },\n"),
	  "p.lua:4: ports[1].port of service \"default/nginx\": expected a port number from 1 to 65535, got \"80\"" },
	{ PORTS("\t\t{ port = 80 },\n\t\t{ port = 80 },\n"),
	  "p.lua:5: ports[2] of service \"default/nginx\": port 80/tcp is that of ports[1] already" },
	{ PORTS("\t\t{ port = 80, node_port = 30000 },\n\t\t{ port = 81, node_port = 30000 },\n"),
	  "p.lua:5: ports[2] of service \"default/nginx\": node_port 30000/tcp is that of ports[1] already" },
	{ PORTS("\t\t{ name = 'a', port = 80 },\n\t\t{ name = 'a', port = 81 },\n"),
	  "p.lua:5: ports[2] of service \"default/nginx\": the name \"a\" is that of ports[1] already" },
	{ PORTS("\t\t{ port = 80, protocol = 'icmp' },\n"),
	  "p.lua:4: ports[1].protocol of service \"default/nginx\": expected \"tcp\", \"udp\" or \"sctp\", got \"icmp\"" },
	{ PORTS("\t\t80,\n"), "p.lua:4: ports[1] of service \"default/nginx\": expected a port, { port = 80 }, got 80" },
	{ PORTS("\t\t{ name = 'a' },\n"),
	  "p.lua:4: ports[1] of service \"default/nginx\": expected a port, as in { port = 80 }" },
	{ NODE "service 'default/nginx' { }\n",
	  "p.lua:2: service \"default/nginx\": expected ports, as in ports = { { port = 80 } }" },
	{ NODE "service 'nginx' { }\n", "p.lua:2: service: expected a name such as \"default/nginx\", got \"nginx\"" },
	{ NODE "service 'a/b:c' { }\n", "p.lua:2: service: expected a name such as \"default/nginx\", got \"a/b:c\"" },
	{ NODE "\nservice 'a/b'\n" WEB, "p.lua:3: expected a table behind the name, service \"a/b\" { ... }" },
	{ NODE "\nservice 'a/b'\n", "p.lua:3: expected a table behind the name, service \"a/b\" { ... }" },
	{ NODE WEB WEB, "p.lua:3: service \"default/web\": declared twice, first at p.lua:2" },
	{ NODE WEB "service 'z/b' {\n\tcluster_ips = { '10.96.0.1' }, ports = { { port = 80 } } }\n",
	  "p.lua:3: tcp 10.96.0.1:80 of \"z/b:80\" belongs to \"default/web:80\" already" },
	/* the line of what was computed is that of the declaration */
	{ NODE "local list = { 'x' }\nfor i = 1, 2 do\n\tservice('a/b' .. i) {\n\t\tcluster_ips = list }\nend\n",
	  "p.lua:5: cluster_ips[1] of service \"a/b1\": expected an IPv4 or IPv6 address, got \"x\"" },

	/* functions */
	{ NODE "\nfunction on_pakcet() end\n", "p.lua:3: unknown hook on_pakcet, did you mean on_packet?" },
	{ NODE "on_request = {}\n", "p.lua:1: on_request is a table, expected a function" },
	{ NODE "\nfunction on_flwo() end\n", "p.lua:3: unknown hook on_flwo, did you mean on_flow?" },
	{ NODE "on_flow = 5\n", "p.lua:1: on_flow is a number, expected a function" },
	{ NODE "address('10.0.0.x')\n", "p.lua:2: expected an IPv4 or IPv6 address, got \"10.0.0.x\"" },
	{ NODE "address('10.0.0.1'):within('10/8')\n", "p.lua:2: expected a prefix such as \"10.0.0.0/8\", got \"10/8\"" },
	{ NODE "dnat('10.0.0.1:x')\n",
	  "p.lua:2: dnat: expected an endpoint such as \"10.0.0.1:80\" or \"[fd00::1]:80\", got 10.0.0.1:x" },
	{ NODE "dnat('10.0.0.1', { masq = 1 })\n", "p.lua:2: dnat: unknown option masq, expected masquerade" },
	{ NODE "dnat('10.0.0.1', { masquerade = 1 })\n", "p.lua:2: dnat: masquerade: expected true, false or \"auto\"" },
	{ NODE "forward()\n", "p.lua:2: forward: expected the name of a service, such as \"default/nginx\"" },
};

static void each_mistake_has_its_line(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (loaded_text(&l, wrong[i].text) != LUN_BAD_POLICY)
			fail_msg("expected an error in\n%s", wrong[i].text);
		assert_int_equal(l.error.code, LUN_BAD_POLICY);
		assert_string_equal(loaded_error(&l), wrong[i].error);
	}
	assert_string_equal(l.log, "");
	loaded_fini(&l);
}

static void a_file_that_cannot_be_read(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	assert_int_equal(loaded_file(&l, "/nowhere/p.lua"), LUN_BAD_FILE);
	assert_string_equal(l.error.text, "/nowhere/p.lua: No such file or directory");
	assert_int_equal(loaded_file(&l, "/tmp"), LUN_BAD_FILE);
	assert_string_equal(l.error.text, "/tmp: Is a directory");
	loaded_fini(&l);
}

/* ---- What is odd ------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *text, *log;
} odd[] = {
	{ NODE WEB, "" },
	{ "node { name = 'n', addresses = { '10.0.0.1' } }\n",
	  "p.lua:1: the node has no pods: local traffic is unknown, ClusterIP traffic is not masqueraded (R7)\n" },
	{ "node { name = 'n', masquerade_all = true }\n", "" },
	{ NODE "service 'a/b' { cluster_ips = { '10.96.0.1' }, ports = { { port = 80 } } }\n",
	  "p.lua:2: service \"a/b\" has no ready endpoint: its connections are refused\n" },
	{ NODE "service 'a/b' { ports = { { port = 80 } }, endpoints = { '10.244.0.5' } }\n",
	  "p.lua:2: service \"a/b\" has no address, nothing can reach it\n" },
	{ NODE "service 'a/b' { cluster_ips = { '10.96.0.1', 'fd00::1' }, ports = { { port = 80 } },\n"
	       "endpoints = { '10.244.0.5', { 'fd00::5', ready = false } } }\n",
	  "p.lua:2: service \"a/b\" has IPv6 addresses, but no ready endpoint of that family\n" },
	{ "node { name = 'n', pods = { '10.0.0.0/8' } }\n"
	  "service 'a/b' { ports = { { port = 80, node_port = 30000 } }, endpoints = { '10.244.0.5' } }\n",
	  "p.lua:2: service \"a/b\" has a node_port, but the node has no addresses\n" },
	{ NODE "service 'a/b' { type = 'NodePort', cluster_ips = { '10.96.0.1' }, ports = { { port = 80 } },\n"
	       "endpoints = { '10.244.0.5' } }\n",
	  "p.lua:2: service \"a/b\": the type is NodePort or LoadBalancer, but no port has a node_port\n" },
	{ NODE
	  "service 'a/b' { type = 'ClusterIP', ports = { { port = 80, node_port = 30000 } }, endpoints = { '10.1.1.1' } }\n",
	  "p.lua:2: service \"a/b\": the type is ClusterIP, but a port has a node_port, which is served\n" },
	{ NODE
	  "service 'a/b' { internal_traffic_policy = 'Local', cluster_ips = { '10.96.0.1' }, ports = { { port = 80 } },\n"
	  "endpoints = { '10.244.0.5' } }\n",
	  "p.lua:2: a traffic policy of service \"a/b\" is Local, but no endpoint says its node\n" },
	{ NODE "print('hello', 1, nil, address '10.0.0.1')\n", "p.lua:2: hello\t1\tnil\t10.0.0.1\n" },
};

static void what_is_odd_is_said(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		l.log[0] = '\0';
		if (loaded_text(&l, odd[i].text) < 0)
			fail_msg("%s", l.error.text);
		assert_string_equal(l.log, odd[i].log);
		lun_policy_unref(l.policy);
	}
	l.policy = NULL;
	loaded_fini(&l);
}

/* ---- What is declared ------------------------------------------------------------------------------------------------- */

static void expect_frontends(const struct lun_policy *policy, const char *const *expected)
{
	struct lun_frontend frontend;
	char address[LUN_ADDRESS_TEXT], text[300];
	size_t i;

	for (i = 0; lun_policy_frontend(policy, i, &frontend); i++) {
		snprintf(text, sizeof(text), "%s %s %s %s %u %s", frontend.service, lun_via_name(frontend.via),
			 lun_protocol_name(frontend.protocol),
			 lun_endpoint_format(&frontend.address, frontend.port, address), frontend.endpoint_count,
			 frontend.at);
		if (expected[i] == NULL)
			fail_msg("one too many: %s", text);
		assert_string_equal(text, expected[i]);
	}
	assert_null(expected[i]);
}

static void the_example_declares_what_it_says(void **state)
{
	static const char *const expected[] = {
		"default/nginx:http cluster_ip tcp 10.96.176.241:80 2 kind.lua:26",
		"default/nginx:http cluster_ip tcp [fd00:10:96::b0f1]:80 2 kind.lua:26",
		"default/nginx:http node_port tcp 172.18.0.2:32329 2 kind.lua:26",
		"default/nginx:http node_port tcp [fc00:f853:ccd:e793::2]:32329 2 kind.lua:26",
		"default/nginx-headers:http cluster_ip tcp 10.96.176.242:80 2 kind.lua:37",
		NULL,
	};
	struct loaded l;

	(void)state;
	loaded_init(&l);
	if (loaded_file(&l, "../examples/kind.lua") < 0)
		fail_msg("%s", l.error.text);
	assert_string_equal(l.log, "");
	expect_frontends(l.policy, expected);
	loaded_fini(&l);
}

static void every_key_is_taken(void **state)
{
	static const char *const expected[] = {
		"a/all:web cluster_ip tcp 10.96.0.1:80 3 all.lua:29",
		"a/all:web load_balancer_ip tcp 192.0.2.1:80 3 all.lua:29",
		"a/all:web load_balancer_ip tcp 192.0.2.2:80 3 all.lua:29",
		"a/all:web external_ip tcp 198.51.100.1:80 3 all.lua:29",
		"a/all:web node_port tcp 172.18.0.2:30080 3 all.lua:29",
		"a/all:web node_port tcp 127.0.0.1:30080 3 all.lua:29",
		"a/all:dns cluster_ip udp 10.96.0.1:53 3 all.lua:29",
		"a/all:dns load_balancer_ip udp 192.0.2.1:53 3 all.lua:29",
		"a/all:dns load_balancer_ip udp 192.0.2.2:53 3 all.lua:29",
		"a/all:dns external_ip udp 198.51.100.1:53 3 all.lua:29",
		"a/made:80 cluster_ip tcp 10.96.1.1:80 1 services.lua:4",
		"a/made2:80 cluster_ip tcp 10.96.1.2:80 1 services.lua:4",
		NULL,
	};
	struct loaded l;

	(void)state;
	loaded_init(&l);
	if (loaded_file(&l, "policies/all.lua") < 0)
		fail_msg("%s", l.error.text);
	assert_string_equal(l.log, "");
	expect_frontends(l.policy, expected);
	loaded_fini(&l);
}

/* The words of kube-proxy's --nodeport-addresses (services.md R26 to R28). */
static void node_port_addresses_are_words_too(void **state)
{
#define AT(address) "a/b:80 node_port tcp " address ":30080 1 p.lua:4"
	static const struct {
		const char *value;
		const char *expected[6];
	} cases[] = {
		{ "'primary'", { AT("10.0.0.1"), AT("[fd00::1]"), NULL } },
		{ "'all'", { AT("10.0.0.1"), AT("10.0.0.2"), AT("[fd00::1]"), AT("[fd00::2]"), NULL } },
		{ "{ 'primary', 'localhost' }", { AT("10.0.0.1"), AT("[fd00::1]"), AT("127.0.0.1"), NULL } },
		{ "{ 'localhost', '10.0.0.2/32', 'fd00::2/128' }",
		  { AT("10.0.0.2"), AT("[fd00::2]"), AT("127.0.0.1"), NULL } },
		{ "'primary', localhost_node_ports = true", { AT("10.0.0.1"), AT("[fd00::1]"), NULL } },
		{ "{ 'all', 'localhost' }, localhost_node_ports = false",
		  { AT("10.0.0.1"), AT("10.0.0.2"), AT("[fd00::1]"), AT("[fd00::2]"), NULL } },
	};
#undef AT

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loaded l;
		char text[512];

		loaded_init(&l);
		snprintf(text, sizeof(text),
			 "node { name = 'n', service_ranges = { '10.96.0.0/12', 'fd01::/64' },\n"
			 "addresses = { '10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2' },\n"
			 "node_port_addresses = %s }\n"
			 "service 'a/b' { ports = { { port = 80, node_port = 30080 } },"
			 " endpoints = { '10.244.0.5', 'fd01::5' } }\n",
			 cases[i].value);
		if (loaded_text(&l, text) < 0)
			fail_msg("%s: %s", cases[i].value, l.error.text);
		expect_frontends(l.policy, cases[i].expected);
		loaded_fini(&l);
	}
}

/* A table may be a script's own invention; reading it runs the script, which declares more meanwhile. */
static void services_may_be_declared_while_one_is_read(void **state)
{
	static const char text[] = //
		NODE "for i = 1, 100 do\n"
		     " service('b/w' .. i)(setmetatable({ ports = { { port = 80 } }, endpoints = { '10.244.0.5' } },\n"
		     "  { __index = function(t, key)\n"
		     "   if key ~= 'cluster_ips' then return nil end\n"
		     "   for k = 1, 20 do service('c/w' .. i * 20 + k) { cluster_ips = { '10.97.' .. i .. '.' .. k },\n"
		     "    ports = { { port = 80 } }, endpoints = { '10.244.0.5' } } end\n"
		     "   return { '10.96.0.' .. i }\n"
		     "  end }))\n"
		     "end\n";
	struct lun_frontend frontend;
	struct loaded l;
	size_t count = 0;

	(void)state;
	loaded_init(&l);
	if (loaded_text(&l, text) < 0)
		fail_msg("%s", l.error.text);
	while (lun_policy_frontend(l.policy, count, &frontend))
		count++;
	assert_int_equal(count, 100 * 21);
	loaded_fini(&l);
}

static void modules_are_files_beside_the_policy(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ NODE "require 'nothere'", "p.lua:2: /tmp/lunette-test-" },
		{ NODE "require '../etc/passwd'", "p.lua:2: module '../etc/passwd': expected the name of a file beside" },
		{ NODE "require '/etc/passwd'", "p.lua:2: module '/etc/passwd': expected the name of a file beside" },
		{ NODE "require ''", "p.lua:2: expected the name of a module" },
		{ NODE "require 'lunette.kubernets'",
		  "p.lua:2: there is no module 'lunette.kubernets', expected 'lunette.kub" },
		{ NODE "require 'broken'", "broken.lua:1: syntax error near" },
		{ NODE "require 'failing'", "failing.lua:3: attempt to index a nil value" },
		{ NODE "require 'typo'", "typo.lua:3: unknown key endpont in service \"a/b\"" },
		{ NODE "require 'round'", "round.lua:1: module 'round' requires itself" },
	};
	static const char *const files[] = { "broken.lua", "failing.lua", "typo.lua", "round.lua" };
	static const char *const texts[] = { "x y", "\n\nx.y = 1", "\nservice 'a/b' {\n endpont = 1, ports = {} }",
					     "require 'round'" };
	struct loaded l;
	char path[64];

	(void)state;
	loaded_init(&l);
	for (size_t i = 0; i < 4; i++)
		loaded_write(&l, files[i], texts[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(loaded_text(&l, bad[i].text), LUN_BAD_POLICY);
		if (strncmp(loaded_error(&l), bad[i].error, strlen(bad[i].error)) != 0)
			fail_msg("expected %s\n  got %s", bad[i].error, loaded_error(&l));
	}
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", l.folder, files[i]);
		unlink(path);
	}
	loaded_fini(&l);
}

/* ---- Timeouts and limits ----------------------------------------------------------------------------------------------- */

static const char times[] = //
	"node { name = 'n1', pods = { '10.244.0.0/16' }, timeouts = { tcp_established = '1d2h3m4s', tcp_opening = 11,\n"
	" tcp_closing = '12s', udp = '24d', icmp = 1.5, sctp_established = '1h30m', other = '20m' } }\n"
	"service 'default/own' { cluster_ips = { '10.96.0.1' }, endpoints = { '10.244.0.5' }, ports = { { port = 80 } },\n"
	" timeouts = { tcp_opening = '21s', tcp_closing = 22 } }\n" //
	"service 'default/plain' { cluster_ips = { '10.96.0.2' }, endpoints = { '10.244.0.5' },\n"
	" ports = { { port = 80 } }, timeouts = {} }\n";

/* What the engine made of them: a packet of each kind, and the time that its flow has left behind it. */
static void timeouts_are_those_of_the_node_and_the_service(void **state)
{
	static const struct {
		const char *packet;
		uint64_t ms;
	} steps[] = {
		{ "tcp 10.244.0.7:1 192.0.2.1:80 S seq 10", 11000 }, /* SYN_SENT */
		{ "tcp 192.0.2.1:80 10.244.0.7:1 S. seq 20 ack 11", 11000 },
		{ "tcp 10.244.0.7:1 192.0.2.1:80 . seq 11 ack 21", 93784000 },
		{ "tcp 10.244.0.7:1 192.0.2.1:80 F. seq 11 ack 21", 12000 }, /* FIN_WAIT */
		{ "tcp 192.0.2.1:80 10.244.0.7:1 . seq 21 ack 12", 12000 },  /* CLOSE_WAIT */
		{ "tcp 192.0.2.1:80 10.244.0.7:1 F. seq 21 ack 12", 12000 }, /* LAST_ACK */
		{ "tcp 10.244.0.7:1 192.0.2.1:80 . seq 12 ack 22", 12000 },  /* TIME_WAIT */
		{ "tcp 10.244.0.7:2 192.0.2.1:80 S seq 10", 11000 },
		{ "tcp 192.0.2.1:80 10.244.0.7:2 S seq 20", 11000 }, /* SYN_SENT2 */
		{ "tcp 10.244.0.7:3 192.0.2.1:80 S seq 10", 11000 },
		{ "tcp 192.0.2.1:80 10.244.0.7:3 S. seq 20 ack 11", 11000 },
		{ "tcp 10.244.0.7:3 192.0.2.1:80 . seq 11 ack 21", 93784000 },
		{ "tcp 10.244.0.7:3 192.0.2.1:80 R seq 11", 12000 }, /* CLOSE */
		{ "tcp 10.244.0.7:1 10.96.0.1:80 S seq 10", 21000 },
		{ "tcp 10.244.0.5:80 10.244.0.7:1 S. seq 20 ack 11", 21000 },
		{ "tcp 10.244.0.7:1 10.96.0.1:80 . seq 11 ack 21", 93784000 }, /* not named by the service */
		{ "tcp 10.244.0.7:1 10.96.0.1:80 F. seq 11 ack 21", 22000 },
		{ "tcp 10.244.0.7:2 10.96.0.2:80 S seq 10", 11000 },
		{ "udp 10.244.0.7:1 192.0.2.1:53 len 4", 2073600000 },
		{ "udp 192.0.2.1:53 10.244.0.7:1 len 4", 2073600000 },
		{ "+3s udp 10.244.0.7:1 192.0.2.1:53 len 4", 2073600000 }, /* STREAM */
		{ "icmp 10.244.0.7:7 192.0.2.1:8 len 56", 1500 },
		{ "icmp 192.0.2.1:8 10.244.0.7:7 len 56", 1500 },
		{ "sctp 10.244.0.7:1 192.0.2.1:90 tag 0 chunk init:7", 10000 }, /* the default */
		{ "sctp 192.0.2.1:90 10.244.0.7:1 tag 7 chunk init_ack:9", 10000 },
		{ "sctp 10.244.0.7:1 192.0.2.1:90 tag 9 chunk cookie_echo", 10000 },
		{ "sctp 192.0.2.1:90 10.244.0.7:1 tag 7 chunk cookie_ack", 5400000 },
	};
	struct lun_flow flow;
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, times);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const char *result = notation_run(&l.notation, steps[i].packet);

		if (lun_flow_find(l.notation.engine, &l.notation.packet.was, &flow) < 0)
			fail_msg("%s: no flow, %s", steps[i].packet, result);
		if (flow.expires / 1000000 != steps[i].ms)
			fail_msg("%s: %s, expected %llu ms, got %llu", steps[i].packet, result,
				 (unsigned long long)steps[i].ms, (unsigned long long)(flow.expires / 1000000));
	}
	loaded_fini(&l);
}

/* GRE, both ways: the notation has no packet of it, so a UDP one is given its number. */
static void other_protocols_have_a_timeout_too(void **state)
{
	static const char *const packets[] = { "udp 10.244.0.7:1 192.0.2.1:2 len 4", "udp 192.0.2.1:2 10.244.0.7:1 len 4" };
	struct lun_flow flow;
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, times);
	for (int i = 0; i < 2; i++) {
		notation_build(&l.notation, packets[i]);
		l.notation.data[9] = 47;
		lun_engine_packets(l.notation.engine, &l.notation.packet, 1, l.notation.now);
		assert_int_equal(l.notation.packet.state, i == 0 ? LUN_STATE_OTHER_UNREPLIED : LUN_STATE_OTHER_REPLIED);
		assert_int_equal(lun_flow_find(l.notation.engine, &l.notation.packet.was, &flow), 0);
		assert_int_equal(flow.expires / 1000000, 1200000);
	}
	loaded_fini(&l);
}

static void limits_are_kept(void **state)
{
	static const char text[] = //
		"node { name = 'n1', pods = { '10.244.0.0/16' }, limits = { per_source = 2, half_open = 5%s } }\n"
		"service 'default/web' { cluster_ips = { '10.96.0.1' }, ports = { { port = 80 } },\n"
		" endpoints = { '10.244.0.5' }, flow_limit = 3 }\n";
	static const char *const answers[] = { "", ", answer = 'reject'", ", answer = 'drop'" };
	static const char *const verdicts[] = { "reject", "reject", "drop" };
	static const struct {
		const char *packet, *reason;
	} steps[] = {
		{ "tcp 10.244.0.7:1 10.96.0.1:80 S", NULL },
		{ "tcp 10.244.0.7:2 10.96.0.1:80 S", NULL },
		{ "tcp 10.244.0.7:3 10.96.0.1:80 S", "source_limit" },
		{ "tcp 10.244.0.8:1 10.96.0.1:80 S", NULL },
		{ "tcp 10.244.0.8:2 10.96.0.1:80 S", "service_limit" },
		{ "tcp 10.244.0.8:2 192.0.2.1:80 S", NULL },
		{ "tcp 10.244.0.9:1 192.0.2.1:80 S", NULL },
		{ "tcp 10.244.0.9:2 192.0.2.1:80 S", "half_open_limit" },
		{ "udp 10.244.0.9:2 192.0.2.1:53 len 4", NULL },
	};
	char expected[64], policy[400];
	struct loaded l;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		loaded_init(&l);
		snprintf(policy, sizeof(policy), text, answers[i]);
		loaded_start(&l, policy);
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			const char *result = notation_run(&l.notation, steps[k].packet);

			snprintf(expected, sizeof(expected), "%s new NONE (%s)", verdicts[i], steps[k].reason);
			if (steps[k].reason == NULL ? strncmp(result, "accept", 6) != 0 : strcmp(result, expected) != 0)
				fail_msg("%s: expected %s\n  got %s", steps[k].packet,
					 steps[k].reason == NULL ? "accept" : expected, result);
		}
		loaded_fini(&l);
	}
}

/* ---- What on_flow decides --------------------------------------------------------------------------------------------- */

static const char decisions[] = //
	NODE WEB "service 'default/other' { cluster_ips = { '10.96.0.2' }, endpoints = { '10.244.0.9' },\n"
		 " ports = { { port = 8000 } } }\n"
		 "local by_port = {\n"
		 " [1] = function() return accept() end,\n"
		 " [2] = function() return drop('not you') end,\n"
		 " [3] = function() return reject() end,\n"
		 " [4] = function() return forward('default/other') end,\n"
		 " [5] = function() return dnat('10.1.1.1:99', { masquerade = true }) end,\n"
		 " [6] = function() return dnat('10.1.1.1', { masquerade = false }) end,\n"
		 " [7] = function() return dnat('10.1.1.1:7') end,\n"
		 " [8] = function() return forward('default/none') end,\n"
		 " [9] = function() return 'drop' end,\n"
		 " [10] = function() error('oh') end,\n"
		 " [11] = function() return drop end,\n"
		 "}\n"
		 "function on_flow(flow)\n"
		 " local decide = by_port[flow.source_port]\n"
		 " if decide then return decide() end\n"
		 "end\n";

static void decisions_are_obeyed(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, decisions);
	EXPECT(&l.notation, { "tcp 10.244.0.7:1 10.96.0.1:80 S", "accept new SYN_SENT" },
	       { "tcp 10.244.0.7:2 10.96.0.1:80 S", "drop new NONE (policy_drop)" },
	       { "tcp 10.244.0.7:3 10.96.0.1:80 S", "reject new NONE (policy_reject)" },
	       { "tcp 10.244.0.7:4 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:4 10.244.0.9:8000" },
	       { "tcp 10.244.0.7:5 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.0.1:5 10.1.1.1:99" },
	       { "tcp 10.244.0.7:6 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:6 10.1.1.1:80" },
	       { "tcp 10.244.0.7:7 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:7 10.1.1.1:7" },
	       { "tcp 10.244.0.7:12 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:12 10.244.0.5:80" });
	assert_string_equal(l.log, "");
	loaded_fini(&l);
}

/* The engine lets the map decide, and counts. */
static void a_failing_hook_is_said_and_survived(void **state)
{
	struct loaded l;
	struct lun_stats stats;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, decisions);
	notation_run(&l.notation, "tcp 10.244.0.7:9 10.96.0.1:80 S");
	assert_string_equal(l.log,
			    "p.lua:18: on_flow returned a string, expected nothing (the service map decides) or one of "
			    "accept(), drop(why), reject(why), forward(name), dnat(endpoint)\n");
	assert_string_equal(lun_tuple_format(&l.notation.packet.is, (char[LUN_TUPLE_TEXT]) { 0 }),
			    "tcp 10.244.0.7:9 10.244.0.5:80");
	l.log[0] = '\0';
	for (int i = 0; i < 100; i++) {
		notation_run(&l.notation, "tcp 10.244.0.7:10 10.96.0.1:80 S");
		notation_run(&l.notation, "tcp 10.244.0.7:10 10.96.0.1:80 R");
	}
	assert_string_equal(l.log, "p.lua:15: oh\n"); /* once a second */
	l.log[0] = '\0';
	notation_run(&l.notation, "tcp 10.244.0.7:11 10.96.0.1:80 S");
	assert_string_equal(l.log, ""); /* the same place as the first one */
	lun_engine_stats(l.notation.engine, &stats);
	assert_true(stats.reasons[LUN_REASON_policy_error] >= 3);
	notation_run(&l.notation, "tcp 10.244.0.7:2 10.96.0.1:80 S");
	assert_int_equal(l.notation.packet.verdict, LUN_DROP);
	loaded_fini(&l);
}

/* Whatever is wrong with the hook: what the node says becomes of the flow. */
static void on_error_says_what_becomes_of_a_flow(void **state)
{
	static const struct {
		const char *on_error, *hook, *out;
	} errors[] = {
		{ "services", "error('oh')", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80" },
		{ "accept", "error('oh')", "accept new SYN_SENT" },
		{ "drop", "error('oh')", "drop new NONE (policy_error)" },
		{ "drop", "return 5", "drop new NONE (policy_error)" },
		{ "drop", "while true do end", "drop new NONE (policy_error)" },
		{ "drop", "return ('x'):rep(1 << 40)", "drop new NONE (policy_error)" },
		{ "drop", "return forward 'no/such'", "drop new NONE (policy_error)" },
		{ "drop", "return drop()", "drop new NONE (policy_drop)" },
		{ "drop", "", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80" },
	};
	char text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct loaded l;

		loaded_init(&l);
		snprintf(text, sizeof(text),
			 "node { name = 'n1', pods = { '10.244.0.0/16' }, on_error = '%s' }\n" WEB
			 "function on_flow(flow) %s end\n",
			 errors[i].on_error, errors[i].hook);
		loaded_start(&l, text);
		EXPECT(&l.notation, { "tcp 10.244.0.7:1 10.96.0.1:80 S", errors[i].out });
		loaded_fini(&l);
	}
}

/* The place speaks once a second, and then says how often it could not. */
static void silence_is_counted(void **state)
{
	struct timespec second = { .tv_sec = 1, .tv_nsec = 10 * 1000 * 1000 };
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, decisions);
	for (int i = 0; i < 5; i++) {
		notation_run(&l.notation, "tcp 10.244.0.7:10 10.96.0.1:80 S");
		notation_run(&l.notation, "tcp 10.244.0.7:10 10.96.0.1:80 R");
	}
	nanosleep(&second, NULL);
	notation_run(&l.notation, "tcp 10.244.0.7:10 10.96.0.1:80 S");
	assert_string_equal(l.log, "p.lua:15: oh\np.lua:15: oh (and 4 times since it was said last)\n");
	loaded_fini(&l);
}

static bool trace_says(const struct lun_trace *trace, const char *text, const char *at)
{
	for (uint32_t i = 0; i < trace->step_count; i++) {
		if (strstr(trace->steps[i].text, text) != NULL && strcmp(trace->steps[i].at, at) == 0)
			return true;
	}
	return false;
}

static void traces_quote_the_line_of_the_decision(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, decisions);
	notation_run(&l.notation, "tcp 10.244.0.7:2 10.96.0.1:80 S");
	assert_true(trace_says(&l.notation.trace, "not you", "p.lua:7"));
	assert_non_null(strstr(l.notation.trace.reason, "not you"));
	notation_run(&l.notation, "tcp 10.244.0.7:4 10.96.0.1:80 S");
	assert_true(trace_says(&l.notation.trace, "default/other", "p.lua:9"));
	loaded_fini(&l);
}

static void flows_show_what_the_engine_knows(void **state)
{
	static const char text[] = //
		"node { name = 'n', pods = { '10.244.0.0/16' }, addresses = { '172.18.0.2' }, intercept = 'all' }\n"
		"service 'a/b' { cluster_ips = { '10.96.0.1' }, ports = { { name = 'web', port = 80, node_port = 30000 } "
		"},\n"
		" endpoints = { '10.244.0.5' } }\n"
		"local seen = {}\n"
		"function on_flow(f)\n"
		" seen[#seen + 1] = f.source\n"
		" return drop(table.concat({ tostring(f.source), f.source_port, tostring(f.destination), "
		"f.destination_port,\n"
		"  f.protocol, tostring(f.service), tostring(f.port), tostring(f.via), f.tenant, \n"
		"  tostring(f.source == address '10.244.0.7'), tostring(f.source == seen[1]), tostring(seen[1]),\n"
		"  tostring(f.source:within '10.244.0.0/16'), tostring(f.source:within('fd00::/8')) }, ' '))\n"
		"end\n";
	static const struct {
		const char *packet, *why;
	} flows[] = {
		{ "tcp 10.244.0.7:1 10.96.0.1:80 S",
		  "10.244.0.7 1 10.96.0.1 80 tcp a/b web cluster_ip 0 true true 10.244.0.7 true false" },
		{ "tcp 10.244.0.8:1 172.18.0.2:30000 S",
		  "10.244.0.8 1 172.18.0.2 30000 tcp a/b web node_port 0 false false 10.244.0.7 true false" },
		{ "tenant 7 udp 192.0.2.1:5 198.51.100.1:53 len 4",
		  "192.0.2.1 5 198.51.100.1 53 udp nil nil nil 7 false false 10.244.0.7 false false" },
		{ "tcp [fd00::1]:1 [fd00::2]:2 S",
		  "fd00::1 1 fd00::2 2 tcp nil nil nil 0 false false 10.244.0.7 false true" },
	};
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, text);
	for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		notation_run(&l.notation, flows[i].packet);
		if (strstr(l.notation.trace.reason, flows[i].why) == NULL)
			fail_msg("expected %s\n  got %s\n%s", flows[i].why, l.notation.trace.reason, l.log);
	}
	loaded_fini(&l);
}

static void intercept_says_which_flows_are_seen(void **state)
{
	static const char text[] = "node { name = 'n', pods = { '10.244.0.0/16' }, intercept = { '198.51.100.0/24' } }\n" WEB
				   "function on_flow() return drop() end\n";
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, text);
	EXPECT(&l.notation, { "tcp 10.244.0.7:1 10.96.0.1:80 S", "drop new NONE (policy_drop)" },
	       { "tcp 10.244.0.7:1 198.51.100.7:80 S", "drop new NONE (policy_drop)" },
	       { "tcp 10.244.0.7:1 198.51.101.7:80 S", "accept new SYN_SENT" });
	loaded_fini(&l);
}

static void a_flow_that_was_kept_is_over(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, NODE WEB "function on_flow(flow)\n"
				  " if kept then return drop(tostring(kept.source)) end\n"
				  " kept = flow\n"
				  "end\n");
	notation_run(&l.notation, "tcp 10.244.0.7:1 10.96.0.1:80 S");
	assert_string_equal(l.log, "");
	notation_run(&l.notation, "tcp 10.244.0.7:2 10.96.0.1:80 S");
	assert_string_equal(l.log, "p.lua:4: this flow is over: it can be used only during the call of the hook that it was "
				   "given to\n");
	loaded_fini(&l);
}

/* Each of these as the body of on_flow, with its complaint. */
static void mistakes_in_a_hook_have_their_line(void **state)
{
	static const struct {
		const char *body, *log;
	} mistakes[] = {
		{ "return flow.sorce", "p.lua:3: a flow has no field sorce, did you mean source?\n" },
		{ "return flow[{}].x", "p.lua:3: a flow has no field table: " },
		{ "flow.source = 1", "p.lua:3: a flow can not be changed, on_flow answers with a decision\n" },
		{ "flow.source:within('10.0.0.0/99')",
		  "p.lua:3: expected a prefix such as \"10.0.0.0/8\", got \"10.0.0.0/99\"\n" },
		{ "flow.source.within(1, '10.0.0.0/9')",
		  "p.lua:3: bad argument #1 to 'within' (address expected, got number)\n" },
		{ "node { name = 'x' }", "p.lua:3: a node can be declared only while the policy is loaded\n" },
		{ "service 'a/b'", "p.lua:3: a service can be declared only while the policy is loaded\n" },
		{ "require 'x'", "p.lua:3: require works only while the policy is loaded\n" },
		{ "return drop(), 5", "" },
		{ "return getmetatable(flow)", "p.lua:3: on_flow returned a string, expected nothing" },
		{ "return setmetatable(flow, {})",
		  "p.lua:3: bad argument #1 to 'setmetatable' (table expected, got object of a hook)\n" },
	};
	char text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct loaded l;

		loaded_init(&l);
		snprintf(text, sizeof(text), NODE WEB "function on_flow(flow) %s end\n", mistakes[i].body);
		loaded_start(&l, text);
		notation_run(&l.notation, "tcp 10.244.0.7:1 10.96.0.1:80 S");
		if (strncmp(l.log, mistakes[i].log, strlen(mistakes[i].log)) != 0 ||
		    (*mistakes[i].log == '\0' && *l.log != '\0'))
			fail_msg("%s\n  expected %s\n  got %s", mistakes[i].body, mistakes[i].log, l.log);
		loaded_fini(&l);
	}
}

/* An embedder that was built against a smaller struct. */
static void options_may_be_missing_or_short(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	l.options.size = offsetof(struct lun_lua_options, load_instructions);
	l.options.load_instructions = 1;
	assert_int_equal(loaded_text(&l, NODE), 0);
	lun_policy_unref(l.policy);
	assert_int_equal(lun_lua_policy_load(&l.policy, l.path, NULL, NULL), 0);
	lun_policy_unref(l.policy);
	assert_int_equal(lun_lua_policy_load(&l.policy, "/nowhere", NULL, NULL), LUN_BAD_FILE);
	l.options.size = sizeof(l.options) + 1;
	assert_int_equal(lun_lua_policy_load(&l.policy, l.path, &l.options, NULL), LUN_BAD_ARGUMENT);
	l.policy = NULL;
	loaded_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_has_its_line),
		cmocka_unit_test(a_file_that_cannot_be_read),
		cmocka_unit_test(what_is_odd_is_said),
		cmocka_unit_test(the_example_declares_what_it_says),
		cmocka_unit_test(every_key_is_taken),
		cmocka_unit_test(node_port_addresses_are_words_too),
		cmocka_unit_test(services_may_be_declared_while_one_is_read),
		cmocka_unit_test(modules_are_files_beside_the_policy),
		cmocka_unit_test(timeouts_are_those_of_the_node_and_the_service),
		cmocka_unit_test(other_protocols_have_a_timeout_too),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(decisions_are_obeyed),
		cmocka_unit_test(a_failing_hook_is_said_and_survived),
		cmocka_unit_test(on_error_says_what_becomes_of_a_flow),
		cmocka_unit_test(silence_is_counted),
		cmocka_unit_test(traces_quote_the_line_of_the_decision),
		cmocka_unit_test(flows_show_what_the_engine_knows),
		cmocka_unit_test(intercept_says_which_flows_are_seen),
		cmocka_unit_test(a_flow_that_was_kept_is_over),
		cmocka_unit_test(mistakes_in_a_hook_have_their_line),
		cmocka_unit_test(options_may_be_missing_or_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
