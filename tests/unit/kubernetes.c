/* kubernetes.c - what is read of Kubernetes objects, what is named and left out, and what is an error.  That the service rules
 * hold for them is in policy.c. */
#include "lua_load.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_json_has_its_line),           cmocka_unit_test(cut_anywhere_nothing_breaks),
		cmocka_unit_test(what_cannot_be_honoured_is_named),   cmocka_unit_test(objects_meet_in_any_order),
		cmocka_unit_test(ports_match_by_name_and_protocol),   cmocka_unit_test(the_script_comes_first),
		cmocka_unit_test(the_node_object_completes_the_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
