/* kubernetes.c - what is read of Kubernetes objects, what is named and left out, and what is an error.  That the service rules
 * hold for them is in policy.c. */
#include "lua_load.h"

#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KUBE_NODE "node { name = 'n1', pods = { '10.244.0.0/16' } }\n"
#define LOAD "require('lunette.kubernetes').load('objects.json')\n"

#define SERVICE(spec) "{\"kind\":\"Service\",\"metadata\":{\"namespace\":\"a\",\"name\":\"b\"},\"spec\":{" spec "}}"
#define SLICE(name, rest)                                                                                                   \
	"{\"kind\":\"EndpointSlice\",\"metadata\":{\"namespace\":\"a\",\"name\":\"" name                                    \
	"\",\"labels\":{\"kubernetes.io/service-name\":\"b\"}},\"addressType\":\"IPv4\"," rest "}"
#define PORTS "\"ports\":[{\"name\":\"\",\"port\":8080,\"protocol\":\"TCP\"}]"
#define GOOD SERVICE("\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"port\":80}]")
#define GOOD_SLICE SLICE("b-1", "\"endpoints\":[{\"addresses\":[\"10.244.0.5\"]}]," PORTS)

static int load(struct loaded *l, const char *json, const char *lua)
{
	char path[64];
	int code;

	loaded_write(l, "objects.json", json);
	code = loaded_text(l, lua);
	snprintf(path, sizeof(path), "%s/objects.json", l->folder);
	unlink(path);
	return code;
}

static const struct {
	const char *json, *error;
} broken[] = {
	{ "", "objects.json:1: broken JSON, expected an object, got the end" },
	{ "[]", "objects.json:1: broken JSON, expected an object, got \"[]\"" },
	{ "{\n \"items\": [\n", "objects.json:3: broken JSON, expected an item of the list, got the end" },
	{ "{\n \"items\": [\n{ \"kind\" 1 } ] }",
	  "objects.json:3: broken JSON, expected an item of the list, got \"1 } ] }\"" },
	{ "{\n \"items\": [" GOOD "\n" GOOD "] }",
	  "objects.json:3: broken JSON, expected \",\" or \"]\", got \"{\"kind\":\"Service\",\"m\"" },
	{ "{ \"items\": []\n\n, 7: 1 }", "objects.json:3: broken JSON, expected a key, got \": 1 }\"" },
	{ "{ \"kind\" }", "objects.json:1: broken JSON, expected \":\", got \"}\"" },
	{ "{ \"kind\": \"List\" ] }", "objects.json:1: broken JSON, expected \",\" or \"}\", got \"] }\"" },
	{ GOOD "\n\n{ \"kind\": nul }", "objects.json:3: broken JSON, expected a value, got \"nul }\"" },
};

static void broken_json_has_its_line(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	for (size_t i = 0; i < COUNT(broken); i++) {
		assert_int_equal(load(&l, broken[i].json, KUBE_NODE LOAD), LUN_BAD_POLICY);
		assert_string_equal(loaded_error(&l), broken[i].error);
	}
	assert_int_equal(loaded_text(&l, KUBE_NODE "\n" LOAD), LUN_BAD_POLICY);
	assert_int_equal(strncmp(loaded_error(&l), "p.lua:3: /tmp/lunette-test-", 27), 0);
	assert_non_null(strstr(loaded_error(&l), "objects.json: No such file"));
	loaded_fini(&l);
}

/* Each cut of good text is an error or, between two objects, less of them; nothing else happens. */
static void cut_anywhere_nothing_breaks(void **state)
{
	static const char text[] =
		"{\"kind\":\"List\",\"items\":[" GOOD "," GOOD_SLICE "]}\n{\"type\":\"ADDED\",\"object\":" GOOD "}";
	struct loaded l;

	(void)state;
	loaded_init(&l);
	for (size_t length = 1; length < sizeof(text); length++) {
		char cut[sizeof(text)];

		snprintf(cut, length + 1, "%s", text);
		if (load(&l, cut, KUBE_NODE LOAD) == 0)
			lun_policy_unref(l.policy);
		l.policy = NULL;
	}
	loaded_fini(&l);
}

static const struct {
	const char *json, *log;
} named[] = {
	{ "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"x\",\"name\":\"y\"}}",
	  "objects.json:1: Pod x/y: neither Service, EndpointSlice nor Node: ignored\n" },
	{ "\n{}", "objects.json:2: object without a good name: no name, or none that Kubernetes would take: ignored\n" },
	{ SERVICE("\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]"),
	  "objects.json:1: Service a/b: it is headless: ignored\n" },
	{ SERVICE("\"type\":\"ExternalName\""), "objects.json:1: Service a/b: the type is ExternalName: ignored\n" },
	{ SERVICE("\"clusterIP\":\"10.96.0.1\""), "objects.json:1: Service a/b: it has no ports: ignored\n" },
	{ SERVICE("\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"port\":80},{\"port\":80,\"name\":\"x\"}]"),
	  "objects.json:1: Service a/b: port 80/tcp comes twice: left out\n" },
	{ SERVICE("\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"port\":80},{\"port\":99999,\"name\":\"x\"}]"),
	  "objects.json:1: Service a/b: a port that is none (name \"x\"): left out\n" },
	{ SERVICE("\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"port\":80},{\"port\":1,\"protocol\":\"QUIC\"}]"),
	  "objects.json:1: Service a/b: a port that is none (name \"\"): left out\n" },
	{ SERVICE("\"clusterIPs\":[\"10.96.0.1\",\"x\"],\"ports\":[{\"port\":80}]"),
	  "objects.json:1: Service a/b: clusterIPs \"x\" is no address: left out\n" },
	{ SERVICE("\"clusterIP\":\"10.96.0.1\",\"loadBalancerSourceRanges\":[\"x/y\"],\"ports\":[{\"port\":80}]"),
	  "objects.json:1: Service a/b: load balancer source range \"x/y\" is no prefix: left out\n" },
	{ SERVICE("\"clusterIP\":\"10.96.0.1\",\"sessionAffinity\":\"Cookie\",\"ports\":[{\"port\":80}]"),
	  "objects.json:1: Service a/b: sessionAffinity \"Cookie\" is unknown: none\n" },
	{ SLICE("c", "\"endpoints\":[{\"addresses\":[\"pod-5\"]}]," PORTS),
	  "objects.json:1: EndpointSlice a/c: endpoint \"pod-5\" is no address: left out\n" },
	{ SLICE("c", "\"endpoints\":[],\"ports\":[{}]"),
	  "objects.json:1: EndpointSlice a/c: a port without a number or protocol of its own (name \"\"): left out\n" },
	{ "{\"kind\":\"EndpointSlice\",\"metadata\":{\"namespace\":\"a\",\"name\":\"c\"}}",
	  "objects.json:1: EndpointSlice a/c: no label kubernetes.io/service-name says its service: ignored\n" },
	{ "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"c\",\"labels\":{\"kubernetes.io/service-name\":\"b\","
	  "\"service.kubernetes.io/headless\":\"\"}}}",
	  "objects.json:1: EndpointSlice default/c: it is headless: ignored\n" },
	{ "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"c\",\"labels\":{\"kubernetes.io/service-name\":\"b\","
	  "\"service.kubernetes.io/service-proxy-name\":\"x\"}}}",
	  "objects.json:1: EndpointSlice default/c: it is for another proxy: ignored\n" },
	{ SERVICE("\"clusterIP\":\"10.96.0.1\",\"externalIPs\":[\"2001:db8::1\",\"192.0.2.1\"],\"ports\":[{\"port\":80}]"),
	  "objects.json:1: Service a/b: externalIPs 2001:db8::1 is of a family that the service has no cluster IP of: left "
	  "out\n" },
	{ "{\"kind\":\"List\",\"items\":[" GOOD
	  ",\n{\"kind\":\"Service\",\"metadata\":{\"namespace\":\"z\",\"name\":\"z\"},\"spec\":{"
	  "\"externalIPs\":[\"10.96.0.1\"],\"ports\":[{\"port\":80}]}}]}",
	  "objects.json:2: Service z/z: tcp 10.96.0.1:80 belongs to a/b already: left to it\n" },
	{ "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"too old\"}}",
	  "objects.json:1: Status without a good name: the API server says: too old\n" },
	{ GOOD, "" },
	{ GOOD_SLICE, "" },
};

static void what_cannot_be_honoured_is_named(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	for (size_t i = 0; i < COUNT(named); i++) {
		l.log[0] = '\0';
		if (load(&l, named[i].json, KUBE_NODE LOAD) < 0)
			fail_msg("%s\n%s", l.error.text, named[i].json);
		assert_string_equal(l.log, named[i].log);
		lun_policy_unref(l.policy);
		l.policy = NULL;
	}
	loaded_fini(&l);
}

/* Loads, asks where a SYN from `source` to 10.96.0.1:80 goes, and whether it is masqueraded. */
static void expect(const char *json, const char *lua, const char *in, const char *expected)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64 };
	struct loaded l;

	loaded_init(&l);
	if (load(&l, json, lua) < 0)
		fail_msg("%s", l.error.text);
	l.notation = (struct notation) { .now = 1000 };
	assert_int_equal(lun_engine_new(&l.notation.engine, &config, l.policy, NULL), 0);
	EXPECT(&l.notation, { in, expected });
	loaded_fini(&l);
}

#define SYN "tcp 10.244.0.9:4000 10.96.0.1:80 S"
#define TO(endpoint) "accept new SYN_SENT -> tcp 10.244.0.9:4000 " endpoint

/* The defaults of Kubernetes' API, and who comes last. */
static void objects_meet_in_any_order(void **state)
{
	(void)state;
	expect(GOOD GOOD_SLICE, KUBE_NODE LOAD, SYN, TO("10.244.0.5:8080"));
	expect(GOOD_SLICE GOOD, LOAD KUBE_NODE, SYN, TO("10.244.0.5:8080"));
	expect(GOOD GOOD_SLICE SLICE("b-1", "\"endpoints\":[{\"addresses\":[\"10.244.0.6\"]}]," PORTS), KUBE_NODE LOAD, SYN,
	       TO("10.244.0.6:8080"));
	expect(GOOD GOOD_SLICE "{\"type\":\"DELETED\",\"object\":" GOOD_SLICE "}", KUBE_NODE LOAD, SYN,
	       "reject new NONE (no_endpoint)");
	expect(GOOD GOOD_SLICE "{\"type\":\"DELETED\",\"object\":" GOOD "}", KUBE_NODE LOAD, SYN, "accept new SYN_SENT");
	expect(GOOD SLICE("b-1", "\"endpoints\":[{\"addresses\":[\"10.244.0.5\"],\"conditions\":{\"ready\":false}}]," PORTS),
	       KUBE_NODE LOAD, SYN, "reject new NONE (no_endpoint)");
	expect(GOOD SLICE("b-1", "\"endpoints\":[{\"addresses\":[\"10.244.0.5\"],\"conditions\":{\"ready\":false,"
				 "\"terminating\":true}}]," PORTS),
	       KUBE_NODE LOAD, SYN, TO("10.244.0.5:8080"));
	/* the API server's own lists, whose items do not say their kind; and no namespace, which is "default" */
	expect("{\"kind\":\"ServiceList\",\"items\":[{\"metadata\":{\"name\":\"b\"},\"spec\":{\"clusterIP\":\"10.96.0.1\","
	       "\"ports\":[{\"port\":80}]}}]}{\"kind\":\"EndpointSliceList\",\"items\":[{\"metadata\":{\"name\":\"b-1\","
	       "\"namespace\":\"default\",\"labels\":{\"kubernetes.io/service-name\":\"b\"}},\"endpoints\":[{\"addresses\":"
	       "[\"10.244.0.5\"]}]," PORTS "}]}",
	       KUBE_NODE LOAD, SYN, TO("10.244.0.5:8080"));
}

/* A port is its name and its protocol; the number is the slice's. */
static void ports_match_by_name_and_protocol(void **state)
{
	(void)state;
	expect(GOOD SLICE("b-1",
			  "\"endpoints\":[{\"addresses\":[\"10.244.0.5\"]}],\"ports\":[{\"port\":1,\"protocol\":\"UDP\"},"
			  "{\"name\":\"x\",\"port\":2},{\"port\":3}]"),
	       KUBE_NODE LOAD, SYN, TO("10.244.0.5:3"));
	expect(GOOD SLICE("b-1",
			  "\"endpoints\":[{\"addresses\":[\"10.244.0.5\"]}],\"ports\":[{\"port\":1,\"protocol\":\"UDP\"}]"),
	       KUBE_NODE LOAD, SYN, "reject new NONE (no_endpoint)");
}

static void the_script_comes_first(void **state)
{
	(void)state;
	expect(GOOD GOOD_SLICE,
	       KUBE_NODE LOAD "service 'a/b' { cluster_ips = { '10.96.0.1' }, ports = { { port = 80 } }, endpoints = { "
			      "'10.244.0.7' } }",
	       SYN, TO("10.244.0.7:80"));
}

/* Addresses and zone of this node, where the script does not say them. */
static void the_node_object_completes_the_node(void **state)
{
	static const char json[] = SERVICE("\"type\":\"NodePort\",\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"port\":80,"
					   "\"nodePort\":30080}]")
		SLICE("b-1", "\"endpoints\":[{\"addresses\":[\"10.244.0.5\"],\"hints\":{"
			     "\"forZones\":[{\"name\":\"a\"}]}},{\"addresses\":"
			     "[\"10.244.0.6\"],\"hints\":{\"forZones\":[{\"name\":\"b\"}]}}]"
			     "," PORTS) "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\","
					"\"labels\":{\"topology.kubernetes.io/"
					"zone\":\"b\"}},\"status\":{"
					"\"addresses\":[{\"type\":\"Hostname\",\"address\":\"n1\"}"
					",{\"type\":\"InternalIP\",\"address\":\"172.18.0.2\"}]}}";

	(void)state;
	expect(json, KUBE_NODE LOAD, "tcp 192.0.2.1:4000 172.18.0.2:30080 S",
	       "accept new SYN_SENT -> tcp 172.18.0.2:4000 10.244.0.6:8080");
	expect(json, "node { name = 'n1', zone = 'a', addresses = { '172.18.0.3' } }\n" LOAD,
	       "tcp 192.0.2.1:4000 172.18.0.3:30080 S", "accept new SYN_SENT -> tcp 172.18.0.3:4000 10.244.0.5:8080");
}

/* ---- watch ---- */

#define WATCH "require('lunette.kubernetes').watch('events.json')\n"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define SLICE_OF(address) SLICE("b-1", "\"endpoints\":[{\"addresses\":[\"" address "\"]}]," PORTS)

struct follower {
	struct loaded l;
	struct lun_lua_watch *watch;
	FILE *events;
	char path[64];
	uint16_t port; /* of the next client */
};

/* Starts with a stream (a file, or a pipe) that is empty. */
static void follower_init(struct follower *f, bool pipe, const char *lua)
{
	struct lun_config config = { .size = sizeof(config), .flows = 64 };

	*f = (struct follower) { .port = 1000 };
	loaded_init(&f->l);
	f->l.options.watch = &f->watch;
	snprintf(f->path, sizeof(f->path), "%s/events.json", f->l.folder);
	if (pipe)
		assert_int_equal(mkfifo(f->path, 0600), 0);
	f->events = fopen(f->path, pipe ? "r+" : "w");
	assert_non_null(f->events);
	if (loaded_text(&f->l, lua) < 0)
		fail_msg("%s", f->l.error.text);
	assert_non_null(f->watch);
	f->l.notation = (struct notation) { .now = 1000 };
	assert_int_equal(lun_engine_new(&f->l.notation.engine, &config, f->l.policy, NULL), 0);
}

static void follower_fini(struct follower *f)
{
	lun_lua_watch_free(f->watch);
	fclose(f->events);
	unlink(f->path);
	loaded_fini(&f->l);
}

/* Writes to the stream, reads it, and gives the engine what comes of it.  => whether something did */
static bool follow(struct follower *f, const char *text)
{
	struct lun_policy *next;
	struct lun_error error;

	fputs(text, f->events);
	fflush(f->events);
	if (lun_lua_watch_read(f->watch, &next, &error) < 0)
		fail_msg("%s", error.text);
	if (!next)
		return false;
	assert_int_equal(lun_engine_set_policy(f->l.notation.engine, next), 0);
	lun_policy_unref(next);
	return true;
}

/* What a new connection to the service gets; "" where it is left alone. */
static void expect_endpoint(struct follower *f, const char *endpoint)
{
	char in[100], expected[100] = "accept new SYN_SENT";

	snprintf(in, sizeof(in), "tcp 10.244.0.9:%u 10.96.0.1:80 S", f->port);
	if (strcmp(endpoint, "reject") == 0)
		strcpy(expected, "reject new NONE (no_endpoint)");
	else if (*endpoint)
		snprintf(expected, sizeof(expected), "accept new SYN_SENT -> tcp 10.244.0.9:%u %s", f->port, endpoint);
	f->port++;
	EXPECT(&f->l.notation, { in, expected });
}

static void a_stream_is_followed(void **state)
{
	(void)state;
	for (int pipe = 0; pipe < 2; pipe++) {
		struct follower f;

		follower_init(&f, pipe, KUBE_NODE WATCH);
		assert_false(follow(&f, ""));
		expect_endpoint(&f, "");
		assert_true(follow(&f, EVENT("ADDED", GOOD)));
		expect_endpoint(&f, "reject");
		assert_true(follow(&f, EVENT("ADDED", SLICE_OF("10.244.0.5"))));
		expect_endpoint(&f, "10.244.0.5:8080");
		assert_false(follow(&f, "{\"type\":\"MODIFIED\",\"object\":"));
		assert_true(follow(&f, SLICE_OF("10.244.0.6") "}" EVENT("BOOKMARK", "{}")));
		expect_endpoint(&f, "10.244.0.6:8080");
		assert_true(follow(&f, EVENT("MODIFIED", SLICE_OF("10.244.0.7")) EVENT("MODIFIED", SLICE_OF("10.244.0.8"))));
		expect_endpoint(&f, "10.244.0.8:8080");
		assert_true(follow(&f, EVENT("DELETED", SLICE_OF("10.244.0.8"))));
		expect_endpoint(&f, "reject");
		assert_true(follow(&f, EVENT("DELETED", GOOD)));
		expect_endpoint(&f, "");
		assert_string_equal(f.l.log, "");
		follower_fini(&f);
	}
}

/* What is broken is named, with the line of the stream, and the rest goes on. */
static void a_broken_event_is_left_out(void **state)
{
	struct follower f;

	(void)state;
	follower_init(&f, true, KUBE_NODE WATCH);
	assert_true(follow(&f, EVENT("ADDED", GOOD) "\n{\"type\" 1}\n" EVENT("ADDED", SLICE_OF("10.244.0.5"))));
	assert_string_equal(f.l.log, "events.json:3: broken JSON, expected \":\", got \"1}\"\n");
	expect_endpoint(&f, "10.244.0.5:8080");
	follower_fini(&f);
}

/* A reload goes on with what came on the stream, and so does a reload that fails. */
static void a_reload_keeps_what_came(void **state)
{
	struct follower f;
	struct lun_lua_watch *before;

	(void)state;
	follower_init(&f, true, KUBE_NODE WATCH);
	assert_true(follow(&f, EVENT("ADDED", GOOD) EVENT("ADDED", SLICE_OF("10.244.0.5"))));
	before = f.watch;
	lun_policy_unref(f.l.policy);
	assert_int_equal(loaded_text(&f.l, KUBE_NODE WATCH "x = nil + 1"), LUN_BAD_POLICY);
	assert_ptr_equal(f.watch, before);
	assert_true(follow(&f, EVENT("MODIFIED", SLICE_OF("10.244.0.6"))));
	expect_endpoint(&f, "10.244.0.6:8080");
	if (loaded_text(&f.l, KUBE_NODE WATCH "service 'x/y' { ports = { { port = 1 } } }") < 0)
		fail_msg("%s", f.l.error.text);
	assert_ptr_not_equal(f.watch, before);
	assert_int_equal(lun_engine_set_policy(f.l.notation.engine, f.l.policy), 0);
	expect_endpoint(&f, "10.244.0.6:8080");
	assert_true(follow(&f, EVENT("MODIFIED", SLICE_OF("10.244.0.7"))));
	expect_endpoint(&f, "10.244.0.7:8080");
	follower_fini(&f);
}

/* The script's own services and its hook go on, whatever comes. */
static void the_script_lives_on(void **state)
{
	struct follower f;

	(void)state;
	follower_init(&f, false,
		      KUBE_NODE "service 'a/b' { cluster_ips = { '10.96.0.1' }, ports = { { port = 80 } }, endpoints = { "
				"'10.244.0.4:1' } }\n" WATCH
				"function on_flow(flow) if flow.source_port == 1001 then return drop('x') "
				"end end\n");
	follow(&f, EVENT("ADDED", GOOD) EVENT("ADDED", SLICE_OF("10.244.0.5")));
	expect_endpoint(&f, "10.244.0.4:1");
	EXPECT(&f.l.notation, { "tcp 10.244.0.9:1001 10.96.0.1:80 S", "drop new NONE (policy_drop)" });
	follow(&f, EVENT("MODIFIED", SLICE_OF("10.244.0.6")));
	f.port++;
	expect_endpoint(&f, "10.244.0.4:1");
	follower_fini(&f);
}

/* Who follows nothing reads what a file holds, and leaves a pipe alone. */
static void without_an_agent_a_stream_is_a_file(void **state)
{
	struct follower f;
	struct lun_policy *policy;
	struct lun_frontend frontend;

	(void)state;
	for (int pipe = 0; pipe < 2; pipe++) {
		follower_init(&f, pipe, KUBE_NODE WATCH);
		fputs(EVENT("ADDED", GOOD) "{", f.events);
		fflush(f.events);
		f.l.options.watch = NULL;
		assert_int_equal(lun_lua_policy_load(&policy, f.l.path, &f.l.options, &f.l.error), 0);
		assert_int_equal(lun_policy_frontend(policy, 0, &frontend), !pipe);
		assert_int_equal(strstr(f.l.log, "is a pipe, which only an agent follows") != NULL, pipe);
		lun_policy_unref(policy);
		follower_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_json_has_its_line),
		cmocka_unit_test(cut_anywhere_nothing_breaks),
		cmocka_unit_test(what_cannot_be_honoured_is_named),
		cmocka_unit_test(objects_meet_in_any_order),
		cmocka_unit_test(ports_match_by_name_and_protocol),
		cmocka_unit_test(the_script_comes_first),
		cmocka_unit_test(the_node_object_completes_the_node),
		cmocka_unit_test(a_stream_is_followed),
		cmocka_unit_test(a_broken_event_is_left_out),
		cmocka_unit_test(a_reload_keeps_what_came),
		cmocka_unit_test(the_script_lives_on),
		cmocka_unit_test(without_an_agent_a_stream_is_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
