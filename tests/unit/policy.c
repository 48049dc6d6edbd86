/* policy.c - the service rules, a line each: who opens a flow to which address, and what it gets.
 *
 * Each rule is a test, which runs the lines that name it: with the policy made by C, by Lua, and from Kubernetes objects.
 *
 * One service stands at every kind of address, on one number for TCP and UDP, with an endpoint on this node ("here") and one
 * on another ("away").  A row of the table names client and destination by what they are; it is run for TCP and UDP over
 * IPv4 and IPv6, through a whole engine, and the packet that leaves is looked at.  What is more than one packet has a test
 * of its own: errors, turns, hooks, traces, many services. */
#include "lua_load.h"
#include "render.h"

#include "policy/policy.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the world ---- */

enum { PORT = 80, TCP_TARGET = 8080, UDP_TARGET = 9090, TCP_NODE_PORT = 30080, UDP_NODE_PORT = 30081, CLIENT_PORT = 40000 };

/* What differs from the plain world; bits. */
enum with { /* unsigned, all of them */
	    PODS_UNKNOWN = 0x1,
	    SERVICE_RANGES = 0x2,
	    MASQUERADE_ALL = 0x4,
	    EXTERNAL_LOCAL = 0x8,
	    INTERNAL_LOCAL = 0x10,
	    ONLY_HERE = 0x20,
	    ONLY_AWAY = 0x40,
	    NO_ENDPOINTS = 0x80,
	    NONE_READY = 0x100,
	    HERE_NOT_READY = 0x200,
	    SOURCE_RANGES = 0x400,
	    RANGES_HOLD_NODE = 0x800,
	    NODE_PORTS_ON_SECOND = 0x1000,
	    NODE_PORTS_ON_LOCALHOST = 0x2000,
	    LOCALHOST_ON = 0x4000,
	    LOCALHOST_OFF = 0x8000,
	    ALWAYS = 0x10000,
	    NEVER = 0x20000,
	    HERE_ENDING = 0x40000, /* not ready, but serving while it ends */
	    AWAY_ENDING = 0x80000,
	    AWAY_NOT_READY = 0x100000,
	    HEALTH_CHECK = 0x200000,
	    PROXY_MODE = 0x400000,  /* of the load balancer addresses */
	    HERE_HINTED = 0x800000, /* to this node's zone */
	    AWAY_HINTED = 0x1000000,
	    HINTED_ELSEWHERE = 0x2000000,    /* all, to another zone */
	    AWAY_HINTED_TO_NODE = 0x4000000, /* and the other to another node */
	    PREFER_LOCAL = 0x8000000,
	    PREFER_ZONE = 0x10000000,
	    LEADING_ZEROS = 0x20000000,
	    TWICE = 0x40000000, /* each endpoint is listed twice */
};

/* Who and where, in both families; ports of a destination by protocol. */
static const struct place {
	const char *name, *v4, *v6;
	uint16_t tcp, udp;
	enum lun_via via;
} places[] = {
	{ "pod", "10.244.0.7", "fd00:10:244::7", .tcp = 0 },
	{ "here", "10.244.0.5", "fd00:10:244::5", TCP_TARGET, UDP_TARGET, LUN_VIA_none },
	{ "away", "10.244.1.5", "fd00:10:244:1::5", TCP_TARGET, UDP_TARGET, LUN_VIA_none },
	{ "node", "172.18.0.2", "fc00:f853:ccd:e793::2", .tcp = 0 },
	{ "loopback", "127.0.0.1", "::1", .tcp = 0 },
	{ "outside", "192.0.2.9", "2001:db8::9", .tcp = 0 },
	{ "friend", "198.51.100.9", "2001:db8:51::9", .tcp = 0 },
	{ "cluster_ip", "10.96.0.1", "fd00:10:96::1", PORT, PORT, LUN_VIA_cluster_ip },
	{ "external_ip", "203.0.113.1", "2001:db8:113::1", PORT, PORT, LUN_VIA_external_ip },
	{ "load_balancer_ip", "203.0.113.2", "2001:db8:113::2", PORT, PORT, LUN_VIA_load_balancer_ip },
	{ "node_port", "172.18.0.2", "fc00:f853:ccd:e793::2", TCP_NODE_PORT, UDP_NODE_PORT, LUN_VIA_node_port },
	{ "node_port_on_second", "172.19.0.2", "fc00:f853:ccd:e794::2", TCP_NODE_PORT, UDP_NODE_PORT, LUN_VIA_node_port },
	{ "node_port_on_localhost", "127.0.0.1", "::1", TCP_NODE_PORT, UDP_NODE_PORT, LUN_VIA_node_port },
	{ "health_check", "172.18.0.2", "fc00:f853:ccd:e793::2", 32000, 32000, LUN_VIA_none },
	{ "undefined_port", "10.96.0.1", "fd00:10:96::1", 81, 81, LUN_VIA_none },
	{ "unallocated", "10.96.0.99", "fd00:10:96::99", PORT, PORT, LUN_VIA_none },
	{ "elsewhere", "198.18.0.1", "2001:db8:198::1", PORT, PORT, LUN_VIA_none },
};

static const struct place *place_of(const char *name)
{
	for (size_t i = 0; i < COUNT(places); i++)
		if (strcmp(places[i].name, name) == 0)
			return &places[i];
	fail_msg("no place is called %s", name);
	return NULL;
}

static struct lun_address place_address(const char *name, bool v4)
{
	const struct place *place = place_of(name);

	return notation_address(v4 ? place->v4 : place->v6);
}

/* Everything that a policy is made from; pointers go to the struct itself, so it is filled in place. */
struct world {
	struct lun_address node[4], cluster_ips[2], external_ips[2], load_balancer_ips[2], masquerade[6];
	struct lun_prefix pods[2], service_ranges[2], node_ports[2], source_ranges[4], intercept[2];
	struct lun_port ports[2];
	struct lun_endpoint endpoints[8];
	struct lun_header headers[LUN_HEADERS + 1];
	struct lun_service services[2];
	struct lun_policy_config config;
};

static void both_families(struct lun_address address[2], const char *name)
{
	address[0] = place_address(name, true);
	address[1] = place_address(name, false);
}

static void fill_node(struct world *w, unsigned with)
{
	struct lun_node *node = &w->config.node;

	both_families(w->node, "node");
	both_families(w->node + 2, "node_port_on_second");
	w->pods[0] = notation_prefix("10.244.0.0/16");
	w->pods[1] = notation_prefix("fd00:10:244::/48");
	w->service_ranges[0] = notation_prefix("10.96.0.0/12");
	w->service_ranges[1] = notation_prefix("fd00:10:96::/112");
	w->node_ports[0] = notation_prefix(with & NODE_PORTS_ON_LOCALHOST ? "127.0.0.0/8" : "172.19.0.0/16");
	w->node_ports[1] = notation_prefix(with & NODE_PORTS_ON_LOCALHOST ? "::1" : "fc00:f853:ccd:e794::/64");
	*node = (struct lun_node) { .name = "here", .zone = "a", .addresses = w->node, .address_count = 4, .pods = w->pods };
	node->pod_count = with & PODS_UNKNOWN ? 0 : 2;
	node->service_ranges = w->service_ranges;
	node->service_range_count = with & SERVICE_RANGES ? 2 : 0;
	node->node_port_addresses = w->node_ports;
	node->node_port_address_count = with & (NODE_PORTS_ON_SECOND | NODE_PORTS_ON_LOCALHOST) ? 2 : 0;
	node->masquerade_all = with & MASQUERADE_ALL;
	node->localhost_node_ports = with & LOCALHOST_ON ? LUN_ON : with & LOCALHOST_OFF ? LUN_OFF : LUN_DEFAULT;
}

static const char *const here_zone[] = { "a" }, *const away_zone[] = { "b" }, *const away_zones[] = { "b", "a" },
			 *const here_node[] = { "here" }, *const away_node[] = { "there" };

static void fill_hints(struct lun_endpoint *endpoint, unsigned with, bool away)
{
	if (with & HINTED_ELSEWHERE)
		endpoint->zone_hints = away_zone;
	else if (with & HERE_HINTED && !away)
		endpoint->zone_hints = here_zone;
	else if (with & AWAY_HINTED && away)
		endpoint->zone_hints = away_zones;
	else if (with & HERE_HINTED && with & AWAY_HINTED_TO_NODE)
		endpoint->zone_hints = away_zone;
	endpoint->zone_hint_count = !endpoint->zone_hints ? 0 : endpoint->zone_hints == away_zones ? 2 : 1;
	if (with & AWAY_HINTED_TO_NODE) {
		endpoint->node_hints = away ? here_node : away_node;
		endpoint->node_hint_count = 1;
	}
}

static void fill_endpoints(struct world *w, unsigned with)
{
	struct lun_service *service = &w->services[0];

	for (int i = 0; i < 8; i++) {
		bool away = i % 4 < 2; /* declared first: that the node's own come first is the map's doing */
		struct lun_endpoint *endpoint = &w->endpoints[i];

		*endpoint = (struct lun_endpoint) { .address = place_address(away ? "away" : "here", i % 2 == 0),
						    .node = away ? "there" : "here",
						    .zone = away ? "b" : "a" };
		endpoint->ending = with & (away ? AWAY_ENDING : HERE_ENDING);
		endpoint->not_ready =
			endpoint->ending || with & NONE_READY || with & (away ? AWAY_NOT_READY : HERE_NOT_READY);
		fill_hints(endpoint, with, away);
	}
	service->endpoints = with & ONLY_HERE ? w->endpoints + 2 : w->endpoints;
	service->endpoint_count = with & NO_ENDPOINTS ? 0 : with & (ONLY_HERE | ONLY_AWAY) ? 2 : with & TWICE ? 8 : 4;
}

static void fill_service(struct world *w, unsigned with)
{
	struct lun_service *service = &w->services[0];

	both_families(w->cluster_ips, "cluster_ip");
	both_families(w->external_ips, "external_ip");
	both_families(w->load_balancer_ips, "load_balancer_ip");
	w->source_ranges[0] = notation_prefix(" 198.051.100.0/024\t"); /* R25, R34 */
	w->source_ranges[1] = notation_prefix("2001:db8:51::/48");
	w->source_ranges[2] = notation_prefix("172.18.0.0/16");
	w->source_ranges[3] = notation_prefix("fc00:f853:ccd:e793::/64");
	w->ports[0] = (struct lun_port) { "web", LUN_TCP, PORT, TCP_NODE_PORT, TCP_TARGET };
	w->ports[1] = (struct lun_port) { "quic", LUN_UDP, PORT, UDP_NODE_PORT, UDP_TARGET };
	*service = (struct lun_service) { .name = "default/shop", .at = "shop.lua:7" };
	service->cluster_ips = w->cluster_ips;
	service->external_ips = w->external_ips;
	service->load_balancer_ips = w->load_balancer_ips;
	service->cluster_ip_count = service->external_ip_count = 2;
	service->load_balancer_ip_count = with & PROXY_MODE ? 0 : 2; /* nobody says them: the embedder leaves them out */
	service->load_balancer_source_ranges = w->source_ranges;
	service->load_balancer_source_range_count = with & RANGES_HOLD_NODE ? 4 : with & SOURCE_RANGES ? 2 : 0;
	service->ports = w->ports;
	service->port_count = 2;
	service->external_local = with & EXTERNAL_LOCAL;
	service->internal_local = with & INTERNAL_LOCAL;
	service->prefer = with & PREFER_LOCAL ? LUN_PREFER_LOCAL : with & PREFER_ZONE ? LUN_PREFER_ZONE : LUN_PREFER_NONE;
	service->health_check_node_port = with & HEALTH_CHECK ? 32000 : 0;
	service->balance = LUN_BALANCE_ROUND_ROBIN;
	service->masquerade = with & ALWAYS  ? LUN_MASQUERADE_ALWAYS
			      : with & NEVER ? LUN_MASQUERADE_NEVER
					     : LUN_MASQUERADE_AUTO;
	fill_endpoints(w, with);
}

static void world_init(struct world *w, unsigned with)
{
	*w = (struct world) { .config = { .size = sizeof(w->config), .services = w->services, .service_count = 1 } };
	fill_node(w, with);
	fill_service(w, with);
}

static struct lun_policy *world_policy(const struct world *w)
{
	struct lun_policy *policy;
	struct lun_error error;

	if (lun_policy_new(&policy, &w->config, &error) < 0)
		fail_msg("%s", error.text);
	return policy;
}

enum { CANDIDATES = 8 };

static void start_with(struct notation *n, struct lun_policy *policy)
{
	static struct lun_candidate candidates[CANDIDATES];
	struct lun_config config = { .size = sizeof(config), .flows = 256, .seed = { 1, 2 } };

	*n = (struct notation) { .now = 1000, .traced = true };
	n->trace.candidates = candidates;
	n->trace.candidate_capacity = CANDIDATES;
	assert_int_equal(lun_engine_new(&n->engine, &config, policy, NULL), 0);
}

static void start(struct notation *n, const struct world *w)
{
	struct lun_policy *policy = world_policy(w);

	start_with(n, policy);
	lun_policy_unref(policy);
}

static void stop(struct notation *n)
{
	lun_engine_free(n->engine);
}

/* ---- the rules ---- */

/* `gets`: the endpoints that the client could get, and its source: kept, or masqueraded with the node's primary address; or
 * what is said instead. */
static const struct row {
	const char *rule;
	unsigned with;
	const char *from, *to;
	const char *gets;
	const char *families; /* NULL: both; a "t": TCP only */
} rows[] = {
	{ "R1 R2 R3 R4 a pod keeps its source", 0, "pod", "cluster_ip", "here away kept", NULL },
	{ "R1 one endpoint will do", ONLY_AWAY, "pod", "cluster_ip", "away kept", NULL },
	{ "R5 hairpin", ONLY_HERE, "here", "cluster_ip", "here masqueraded", NULL },
	{ "R5 not to itself, no hairpin", ONLY_AWAY, "here", "cluster_ip", "away kept", NULL },
	{ "R5 also where sources are unknown", ONLY_HERE | PODS_UNKNOWN, "here", "cluster_ip", "here masqueraded", NULL },
	{ "R5 also with external policy Local", ONLY_HERE | EXTERNAL_LOCAL, "here", "external_ip", "here masqueraded",
	  NULL },
	{ "R6 from outside", 0, "outside", "cluster_ip", "here away masqueraded", NULL },
	{ "R6 from the node", 0, "node", "cluster_ip", "here away masqueraded", NULL },
	{ "R7 outside, pods unknown", PODS_UNKNOWN, "outside", "cluster_ip", "here away kept", NULL },
	{ "R7 node, pods unknown", PODS_UNKNOWN, "node", "cluster_ip", "here away kept", NULL },
	{ "R8 a pod, masquerade_all", MASQUERADE_ALL, "pod", "cluster_ip", "here away masqueraded", NULL },
	{ "R8 pods unknown", MASQUERADE_ALL | PODS_UNKNOWN, "pod", "cluster_ip", "here away masqueraded", NULL },
	{ "R8 is about ClusterIPs", MASQUERADE_ALL | EXTERNAL_LOCAL, "pod", "external_ip", "here away kept", NULL },

	{ "R9 outside", 0, "outside", "external_ip", "here away masqueraded", NULL },
	{ "R9 outside", 0, "outside", "load_balancer_ip", "here away masqueraded", NULL },
	{ "R9 outside", 0, "outside", "node_port", "here away masqueraded", NULL },
	{ "R9 pods too", 0, "pod", "external_ip", "here away masqueraded", NULL },
	{ "R9 pods too", 0, "pod", "load_balancer_ip", "here away masqueraded", NULL },
	{ "R9 pods too", 0, "pod", "node_port", "here away masqueraded", NULL },
	{ "R9 the node", 0, "node", "node_port", "here away masqueraded", NULL },
	{ "R9 pods unknown", PODS_UNKNOWN, "pod", "node_port", "here away masqueraded", NULL },
	{ "R10 outside, Local", EXTERNAL_LOCAL, "outside", "external_ip", "here kept", NULL },
	{ "R10 outside, Local", EXTERNAL_LOCAL, "outside", "load_balancer_ip", "here kept", NULL },
	{ "R10 outside, Local", EXTERNAL_LOCAL, "outside", "node_port", "here kept", NULL },
	{ "R11 a pod, Local", EXTERNAL_LOCAL, "pod", "external_ip", "here away kept", NULL },
	{ "R11 a pod, Local", EXTERNAL_LOCAL, "pod", "load_balancer_ip", "here away kept", NULL },
	{ "R11 a pod, Local", EXTERNAL_LOCAL, "pod", "node_port", "here away kept", NULL },
	{ "R12 the node, Local", EXTERNAL_LOCAL, "node", "external_ip", "here away masqueraded", NULL },
	{ "R12 the node, Local", EXTERNAL_LOCAL, "node", "node_port", "here away masqueraded", NULL },
	{ "R12 the node, none here", EXTERNAL_LOCAL | ONLY_AWAY, "node", "node_port", "away masqueraded", NULL },
	{ "R12 loopback, Local", EXTERNAL_LOCAL, "loopback", "node_port", "here away masqueraded", NULL },
	{ "R13 pods unknown, Local", EXTERNAL_LOCAL | PODS_UNKNOWN, "pod", "node_port", "here kept", NULL },
	{ "R13 none here", EXTERNAL_LOCAL | PODS_UNKNOWN | ONLY_AWAY, "pod", "node_port", "drop no_local_endpoint", NULL },
	{ "R14 outside", EXTERNAL_LOCAL | ONLY_AWAY, "outside", "external_ip", "drop no_local_endpoint", NULL },
	{ "R14 outside", EXTERNAL_LOCAL | ONLY_AWAY, "outside", "load_balancer_ip", "drop no_local_endpoint", NULL },
	{ "R14 outside", EXTERNAL_LOCAL | ONLY_AWAY, "outside", "node_port", "drop no_local_endpoint", NULL },
	{ "R14 here, but not ready", EXTERNAL_LOCAL | HERE_NOT_READY, "outside", "node_port", "drop no_local_endpoint",
	  NULL },
	{ "R14 is about outside clients", EXTERNAL_LOCAL | ONLY_AWAY, "pod", "node_port", "away kept", NULL },
	{ "R15 a pod", EXTERNAL_LOCAL | ONLY_AWAY, "pod", "cluster_ip", "away kept", NULL },
	{ "R15 outside", EXTERNAL_LOCAL, "outside", "cluster_ip", "here away masqueraded", NULL },

	{ "R16 a pod", INTERNAL_LOCAL, "pod", "cluster_ip", "here kept", NULL },
	{ "R16 outside", INTERNAL_LOCAL, "outside", "cluster_ip", "here masqueraded", NULL },
	{ "R16 the node", INTERNAL_LOCAL, "node", "cluster_ip", "here masqueraded", NULL },
	{ "R16 pods unknown", INTERNAL_LOCAL | PODS_UNKNOWN, "outside", "cluster_ip", "here kept", NULL },
	{ "R17 a pod", INTERNAL_LOCAL | ONLY_AWAY, "pod", "cluster_ip", "drop no_local_endpoint", NULL },
	{ "R17 the node", INTERNAL_LOCAL | ONLY_AWAY, "node", "cluster_ip", "drop no_local_endpoint", NULL },
	{ "R18 outside", INTERNAL_LOCAL, "outside", "external_ip", "here away masqueraded", NULL },
	{ "R18 none here", INTERNAL_LOCAL | ONLY_AWAY, "outside", "load_balancer_ip", "away masqueraded", NULL },
	{ "R18 a pod", INTERNAL_LOCAL | ONLY_AWAY, "pod", "node_port", "away masqueraded", NULL },
	{ "R19 no endpoint", NO_ENDPOINTS, "pod", "cluster_ip", "reject no_endpoint", NULL },
	{ "R19 no endpoint", NO_ENDPOINTS, "outside", "external_ip", "reject no_endpoint", NULL },
	{ "R19 no endpoint", NO_ENDPOINTS, "outside", "load_balancer_ip", "reject no_endpoint", NULL },
	{ "R19 no endpoint", NO_ENDPOINTS, "outside", "node_port", "reject no_endpoint", NULL },
	{ "R19 whatever the policies", NO_ENDPOINTS | EXTERNAL_LOCAL, "outside", "node_port", "reject no_endpoint", NULL },
	{ "R19 whatever the policies", NO_ENDPOINTS | INTERNAL_LOCAL, "pod", "cluster_ip", "reject no_endpoint", NULL },
	{ "R19 none that is ready", NONE_READY, "pod", "cluster_ip", "reject no_endpoint", NULL },
	{ "R1 R20 only ready ones", HERE_NOT_READY, "pod", "cluster_ip", "away kept", NULL },
	{ "R20 none ready, both serve", HERE_ENDING | AWAY_ENDING, "pod", "cluster_ip", "here away kept", NULL },
	{ "R20 none ready, one serves", HERE_NOT_READY | AWAY_ENDING, "outside", "external_ip", "away masqueraded", NULL },
	{ "R20 not while one is ready", AWAY_ENDING, "pod", "cluster_ip", "here kept", NULL },
	{ "R20 not while one is ready", HERE_ENDING, "outside", "load_balancer_ip", "away masqueraded", NULL },
	{ "R21 of this node's", HERE_ENDING | EXTERNAL_LOCAL, "outside", "node_port", "here kept", NULL },
	{ "R21 of this node's", HERE_ENDING | EXTERNAL_LOCAL, "outside", "external_ip", "here kept", NULL },
	{ "R21 not of the cluster's", HERE_ENDING | EXTERNAL_LOCAL, "pod", "node_port", "away kept", NULL },
	{ "R21 not of the cluster's", HERE_ENDING | EXTERNAL_LOCAL, "node", "node_port", "away masqueraded", NULL },
	{ "R21 internal", HERE_ENDING | INTERNAL_LOCAL, "pod", "cluster_ip", "here kept", NULL },
	{ "R21 internal, the other list", HERE_ENDING | INTERNAL_LOCAL, "pod", "external_ip", "away masqueraded", NULL },
	{ "R21 both end", HERE_ENDING | AWAY_ENDING | EXTERNAL_LOCAL, "outside", "node_port", "here kept", NULL },
	{ "R21 R14 only away ends", HERE_NOT_READY | AWAY_ENDING | EXTERNAL_LOCAL, "outside", "node_port",
	  "drop no_local_endpoint", NULL },
	{ "R21 R17 only away ends", HERE_NOT_READY | AWAY_ENDING | INTERNAL_LOCAL, "pod", "cluster_ip",
	  "drop no_local_endpoint", NULL },
	{ "R19 none that serves", HERE_NOT_READY | AWAY_NOT_READY | INTERNAL_LOCAL, "pod", "cluster_ip",
	  "reject no_endpoint", NULL },

	{ "zone hints", HERE_HINTED | AWAY_HINTED, "pod", "cluster_ip", "here away kept", NULL },
	{ "zone hints, one without", AWAY_HINTED, "pod", "cluster_ip", "here away kept", NULL },
	{ "zone hints, none for this one", HINTED_ELSEWHERE, "pod", "cluster_ip", "here away kept", NULL },
	{ "zone hints, only ready ones count", HERE_NOT_READY | AWAY_HINTED, "pod", "cluster_ip", "away kept", NULL },
	{ "zone and node hints, node come first", HERE_HINTED | AWAY_HINTED_TO_NODE, "pod", "cluster_ip", "away kept",
	  NULL },
	{ "node hints, never of the local list", HERE_HINTED | AWAY_HINTED_TO_NODE | INTERNAL_LOCAL, "pod", "cluster_ip",
	  "here kept", NULL },
	{ "node hints, none ready", HERE_ENDING | AWAY_ENDING | AWAY_HINTED_TO_NODE, "pod", "cluster_ip", "here away kept",
	  NULL },
	{ "prefer local", PREFER_LOCAL, "pod", "cluster_ip", "here kept", NULL },
	{ "prefer local", PREFER_LOCAL, "outside", "node_port", "here masqueraded", NULL },
	{ "prefer local, none here", PREFER_LOCAL | HERE_NOT_READY, "pod", "cluster_ip", "away kept", NULL },
	{ "prefer local, none ready here", PREFER_LOCAL | HERE_ENDING, "pod", "cluster_ip", "away kept", NULL },
	{ "prefer zone", PREFER_ZONE, "pod", "cluster_ip", "here kept", NULL },
	{ "prefer zone, none in it", PREFER_ZONE | HERE_NOT_READY, "pod", "cluster_ip", "away kept", NULL },
	{ "R1 each endpoint once", TWICE, "pod", "cluster_ip", "here away kept", NULL },

	{ "R22 outside the ranges", SOURCE_RANGES, "outside", "load_balancer_ip", "drop source_range", NULL },
	{ "R22 pods included", SOURCE_RANGES, "pod", "load_balancer_ip", "drop source_range", NULL },
	{ "R22 the node included", SOURCE_RANGES, "node", "load_balancer_ip", "drop source_range", NULL },
	{ "R22 R25 inside the ranges", SOURCE_RANGES, "friend", "load_balancer_ip", "here away masqueraded", NULL },
	{ "R23 a NodePort", SOURCE_RANGES, "outside", "node_port", "here away masqueraded", NULL },
	{ "R22 an external IP", SOURCE_RANGES, "outside", "external_ip", "here away masqueraded", NULL },
	{ "R22 a ClusterIP", SOURCE_RANGES, "pod", "cluster_ip", "here away kept", NULL },
	{ "R24 the LB IP", RANGES_HOLD_NODE, "load_balancer_ip", "load_balancer_ip", "here away masqueraded", NULL },
	{ "R24 the node", RANGES_HOLD_NODE, "node", "load_balancer_ip", "here away masqueraded", NULL },
	{ "R24 nobody else", RANGES_HOLD_NODE, "outside", "load_balancer_ip", "drop source_range", NULL },
	{ "R24 not without the node", SOURCE_RANGES, "load_balancer_ip", "load_balancer_ip", "drop source_range", NULL },

	{ "R26 all addresses", 0, "outside", "node_port_on_second", "here away masqueraded", NULL },
	{ "R26 primary, with ranges", SERVICE_RANGES, "outside", "node_port", "here away masqueraded", NULL },
	{ "R26 not the second", SERVICE_RANGES, "outside", "node_port_on_second", "left alone", NULL },
	{ "R26 as configured", NODE_PORTS_ON_SECOND, "outside", "node_port_on_second", "here away masqueraded", NULL },
	{ "R26 not the others", NODE_PORTS_ON_SECOND, "outside", "node_port", "left alone", NULL },
	{ "R26 as configured, with ranges", SERVICE_RANGES | NODE_PORTS_ON_SECOND, "outside", "node_port_on_second",
	  "here away masqueraded", NULL },
	{ "R27 by default", 0, "loopback", "node_port_on_localhost", "here away masqueraded", "4" },
	{ "R27 Local", EXTERNAL_LOCAL, "loopback", "node_port_on_localhost", "here away masqueraded", "4" },
	{ "R27 never on ::1", LOCALHOST_ON, "loopback", "node_port_on_localhost", "left alone", "6" },
	{ "R27 off", LOCALHOST_OFF, "loopback", "node_port_on_localhost", "left alone", NULL },
	{ "R27 off by default with ranges", SERVICE_RANGES, "loopback", "node_port_on_localhost", "left alone", NULL },
	{ "R27 on", SERVICE_RANGES | LOCALHOST_ON, "loopback", "node_port_on_localhost", "here away masqueraded", "4" },
	{ "R27 within the addresses", LOCALHOST_ON | NODE_PORTS_ON_SECOND, "loopback", "node_port_on_localhost",
	  "left alone", NULL },
	{ "R27 within the addresses", LOCALHOST_ON | NODE_PORTS_ON_LOCALHOST, "loopback", "node_port_on_localhost",
	  "here away masqueraded", "4" },
	{ "R28 listed, but off", LOCALHOST_OFF | NODE_PORTS_ON_LOCALHOST, "loopback", "node_port_on_localhost", "left alone",
	  NULL },
	{ "R29 let in", HEALTH_CHECK | EXTERNAL_LOCAL, "outside", "health_check", "let in", "46t" },
	{ "R29 not without the service's", EXTERNAL_LOCAL, "outside", "health_check", "left alone", NULL },
	{ "R30", SERVICE_RANGES, "pod", "undefined_port", "reject undefined_port", NULL },
	{ "R30 nftables only", 0, "pod", "undefined_port", "left alone", NULL },
	{ "R31", SERVICE_RANGES, "pod", "unallocated", "drop unallocated", NULL },
	{ "R31 nftables only", 0, "pod", "unallocated", "left alone", NULL },
	{ "R33 Proxy", PROXY_MODE, "pod", "load_balancer_ip", "left alone", NULL },
	{ "R33 Proxy, external", PROXY_MODE, "outside", "load_balancer_ip", "left alone", NULL },
	{ "R33 VIP or unset", 0, "pod", "load_balancer_ip", "here away masqueraded", NULL },
	{ "R34 R25", LEADING_ZEROS | SOURCE_RANGES, "friend", "load_balancer_ip", "here away masqueraded", NULL },
	{ "R32", 0, "pod", "elsewhere", "left alone", NULL },
	{ "R32", SERVICE_RANGES, "outside", "elsewhere", "left alone", NULL },
	{ "R32 an endpoint itself", 0, "outside", "here", "left alone", NULL },

	{ "masquerade always", ALWAYS, "pod", "cluster_ip", "here away masqueraded", NULL },
	{ "masquerade always, Local", ALWAYS | EXTERNAL_LOCAL, "outside", "node_port", "here masqueraded", NULL },
	{ "masquerade never", NEVER, "outside", "node_port", "here away kept", NULL },
};

/* Appends the name of each endpoint that the trace holds, and checks that all are as likely as they must be. */
static void name_candidates(const struct lun_trace *trace, char *text, bool tcp)
{
	assert_true(trace->candidate_count > 0 && trace->candidate_count <= CANDIDATES);
	for (uint32_t i = 0; i < trace->candidate_count; i++) {
		const struct lun_candidate *candidate = &trace->candidates[i];
		struct lun_address here = place_address("here", lun_address_is_v4(&candidate->address));

		strcat(text, memcmp(&candidate->address, &here, sizeof(here)) == 0 ? "here " : "away ");
		assert_true(candidate->probability == 1.0 / trace->candidate_count);
		assert_int_equal(candidate->port, tcp ? TCP_TARGET : UDP_TARGET); /* R2, R3 */
	}
}

/* Checks a packet that was translated against its trace; returns how its source fared. */
static const char *check_translated(const struct notation *n, bool v4)
{
	const struct lun_packet *packet = &n->packet;
	struct lun_address source = n->trace.masquerade ? place_address("node", v4) : packet->was.source;
	bool possible = false;

	for (uint32_t i = 0; i < n->trace.candidate_count; i++)
		possible |= memcmp(&packet->is.destination, &n->trace.candidates[i].address, sizeof(source)) == 0 &&
			    packet->is.destination_port == n->trace.candidates[i].port;
	assert_true(possible);
	assert_memory_equal(&packet->is.source, &source, sizeof(source));
	assert_int_equal(packet->is.source_port, CLIENT_PORT);
	return n->trace.masquerade ? "masqueraded" : "kept";
}

/* What became of the packet, in the words of the table. */
static const char *outcome(const struct notation *n, bool v4, bool tcp)
{
	static char text[200];
	const struct lun_packet *packet = &n->packet;

	*text = '\0';
	if (packet->verdict != LUN_ACCEPT) {
		snprintf(text, sizeof(text), "%s %s", lun_verdict_name(packet->verdict), lun_reason_name(packet->reason));
	} else if (!n->trace.translated) {
		assert_memory_equal(&packet->is, &packet->was, sizeof(packet->was));
		return strcmp(n->trace.service, "default/shop:32000") == 0 ? "let in" : "left alone";
	} else {
		name_candidates(&n->trace, text, tcp);
		strcat(text, check_translated(n, v4));
	}
	return text;
}

/* The line of the packet that opens a flow, in the notation. */
static const char *opening(const char *from, const char *to, bool v4, bool tcp)
{
	static char line[200];
	const struct place *destination = place_of(to);
	struct lun_address source = place_address(from, v4), target = place_address(to, v4);
	char a[LUN_ADDRESS_TEXT], b[LUN_ADDRESS_TEXT];

	lun_endpoint_format(&source, CLIENT_PORT, a);
	lun_endpoint_format(&target, tcp ? destination->tcp : destination->udp, b);
	snprintf(line, sizeof(line), tcp ? "tcp %s %s S seq 7" : "udp %s %s len 4", a, b);
	return line;
}

/* How the policy of a row is made. */
enum form { FROM_C, FROM_LUA, FROM_KUBERNETES, FORMS };

static const char *const form_names[FORMS] = { "C", "Lua", "Kubernetes" };

/* The world as text, loaded. */
static struct lun_policy *load_world(const struct world *w, unsigned with, enum form form)
{
	static struct render lua, json;
	const struct lun_service *service = &w->services[0];
	struct loaded l;
	char path[64];

	lua = (struct render) { .zeros = with & LEADING_ZEROS, .proxy = with & PROXY_MODE };
	json = lua;
	render_node(&lua, &w->config.node);
	if (form == FROM_LUA)
		render_service(&lua, service, 2);
	else
		put(&lua, "require('lunette.kubernetes').load('objects.json')\n");
	render_kubernetes(&json, service, 2);
	loaded_init(&l);
	loaded_write(&l, "objects.json", json.text);
	if (loaded_text(&l, lua.text) < 0)
		fail_msg("%s\n%s", l.error.text, form == FROM_LUA ? lua.text : json.text);
	if (form == FROM_KUBERNETES)
		assert_string_equal(l.log, with & PODS_UNKNOWN && !(with & MASQUERADE_ALL) ? l.log : "");
	snprintf(path, sizeof(path), "%s/objects.json", l.folder);
	unlink(path);
	lun_policy_ref(l.policy);
	loaded_fini(&l);
	return l.policy;
}

/* What Kubernetes cannot say. */
static const unsigned not_kubernetes = ALWAYS | NEVER | PREFER_LOCAL | PREFER_ZONE;

static void run_row(const struct row *row, bool v4, bool tcp, enum form form)
{
	const char *line = opening(row->from, row->to, v4, tcp), *got;
	struct lun_policy *policy;
	struct world w;
	struct notation n;

	if (form == FROM_KUBERNETES && row->with & not_kubernetes)
		return;
	world_init(&w, row->with);
	policy = form == FROM_C ? world_policy(&w) : load_world(&w, row->with, form);
	start_with(&n, policy);
	lun_policy_unref(policy);
	notation_run(&n, line);
	got = outcome(&n, v4, tcp);
	if (strcmp(got, row->gets) != 0)
		fail_msg("%s: %s to %s, %s, from %s\n  expected: %s\n  got:      %s", row->rule, row->from, row->to, line,
			 form_names[form], row->gets, got);
	if (n.trace.translated)
		assert_int_equal(n.trace.via, place_of(row->to)->via);
	stop(&n);
}

/* Whether a row's text has this word. */
static bool names(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if ((at == text || at[-1] == ' ') && (at[length] == ' ' || at[length] == ',' || !at[length]))
			return true;
	return false;
}

/* Runs the rows that name `rule`, of which there must be some. */
static void run_rule(const char *rule)
{
	size_t found = 0;

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *families = rows[i].families ? rows[i].families : "46";

		if (!names(rows[i].rule, rule))
			continue;
		found++;
		for (int kind = 0; kind < 4 * FORMS; kind++) {
			bool v4 = kind & 1, tcp = kind & 2;

			if (strchr(families, v4 ? '4' : '6') && (tcp || !strchr(families, 't')))
				run_row(&rows[i], v4, tcp, (enum form)(kind / 4));
		}
	}
	if (found == 0)
		fail_msg("no row names %s", rule);
}

#define CLUSTER_IP_RULES(X) X(R1) X(R2) X(R3) X(R4) X(R5) X(R6) X(R7) X(R8)
#define EXTERNAL_RULES(X) X(R9) X(R10) X(R11) X(R12) X(R13) X(R14) X(R15)
#define ENDPOINT_RULES(X) X(R16) X(R17) X(R18) X(R19) X(R20) X(R21) X(zone) X(node) X(prefer) X(masquerade)
#define ADDRESS_RULES(X) X(R22) X(R23) X(R24) X(R25) X(R26) X(R27) X(R28) X(R29) X(R30) X(R31) X(R32) X(R33) X(R34)
#define RULES(X) CLUSTER_IP_RULES(X) EXTERNAL_RULES(X) ENDPOINT_RULES(X) ADDRESS_RULES(X)
#define RULE_TEST(name)                                                                                                     \
	static void rule_##name(void **state)                                                                               \
	{                                                                                                                   \
		(void)state;                                                                                                \
		run_rule(#name);                                                                                            \
	}
RULES(RULE_TEST)

static void r3_protocols_are_apart(void **state)
{
	struct world w;
	struct notation n;
	struct lun_frontend frontend;
	size_t sctp = 0;

	(void)state;
	world_init(&w, 0);
	w.ports[1].protocol = LUN_SCTP;
	start(&n, &w);
	EXPECT(&n, { "udp 10.244.0.7:40000 10.96.0.1:80 len 4", "accept new UNREPLIED" },
	       { "tcp 10.244.0.7:40000 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" });
	stop(&n);
	world_init(&w, SERVICE_RANGES); /* R30 has a port that is defined for another protocol, too */
	w.services[0].port_count = 1;
	start(&n, &w);
	EXPECT(&n, { "udp 10.244.0.7:40000 10.96.0.1:80 len 4", "reject new NONE (undefined_port)" });
	stop(&n);
	world_init(&w, 0);
	w.ports[1].protocol = LUN_SCTP;
	{
		struct lun_policy *policy = world_policy(&w);

		for (size_t i = 0; lun_policy_frontend(policy, i, &frontend); i++)
			sctp += frontend.protocol == LUN_SCTP;
		lun_policy_unref(policy);
	}
	assert_int_equal(sctp, 11); /* six addresses, four of the node, 127.0.0.1 */
}

static void r2_an_endpoint_may_have_its_own_port(void **state)
{
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, ONLY_HERE);
	w.endpoints[2].port = 1234;
	w.ports[1].target_port = 0;
	start(&n, &w);
	EXPECT(&n, { "tcp 10.244.0.7:40000 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:1234" },
	       { "udp [fd00:10:244::7]:40000 [fd00:10:96::1]:80 len 4",
		 "accept new UNREPLIED -> udp [fd00:10:244::7]:40000 [fd00:10:244::5]:80" });
	stop(&n);
}

static void r19_families_have_endpoints_of_their_own(void **state)
{
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, 0);
	w.services[0].endpoint_count = 1; /* IPv4, away */
	start(&n, &w);
	EXPECT(&n, { "tcp 10.244.0.7:40000 10.96.0.1:80 S", "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.1.5:8080" },
	       { "tcp [fd00:10:244::7]:40000 [fd00:10:96::1]:80 S", "reject new NONE (no_endpoint)" });
	stop(&n);
}

/* A service of one family has no NodePorts in the other: there it is not known, and what is not known is left alone. */
static void r32_node_ports_are_of_the_families_of_their_service(void **state)
{
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, ONLY_HERE);
	w.services[0].endpoints = w.endpoints + 2; /* IPv4, here */
	w.services[0].endpoint_count = 1;
	w.services[0].cluster_ip_count = 1;
	start(&n, &w);
	EXPECT(&n,
	       { "tcp 172.18.0.1:40000 172.18.0.2:30080 S", "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.244.0.5:8080" },
	       { "tcp [fc00:f853:ccd:e793::1]:40000 [fc00:f853:ccd:e793::2]:30080 S", "accept new SYN_SENT" });
	stop(&n);
	w.services[0].endpoint_count = 0;
	start(&n, &w);
	EXPECT(&n, { "tcp 172.18.0.1:40000 172.18.0.2:30080 S", "reject new NONE (no_endpoint)" },
	       { "tcp [fc00:f853:ccd:e793::1]:40000 [fc00:f853:ccd:e793::2]:30080 S", "accept new SYN_SENT" });
	stop(&n);
	w.services[0].cluster_ip_count = 0;
	start(&n, &w);
	EXPECT(&n, { "tcp [fc00:f853:ccd:e793::1]:40000 [fc00:f853:ccd:e793::2]:30080 S", "reject new NONE (no_endpoint)" });
	stop(&n);
}

/* What comes twice is here if one of the two says so. */
static void r16_an_endpoint_that_comes_twice_is_here_if_one_of_them_is(void **state)
{
	struct world w;
	struct notation n;

	(void)state;
	for (int first = 0; first < 2; first++) {
		world_init(&w, INTERNAL_LOCAL);
		w.services[0].endpoint_count = 2;
		w.endpoints[0] = w.endpoints[2];
		w.endpoints[1] = w.endpoints[2];
		w.endpoints[first].node = "there";
		start(&n, &w);
		EXPECT(&n, { "tcp 10.244.0.7:40000 10.96.0.1:80 S",
			     "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" });
		stop(&n);
	}
}

static void r15_an_address_that_is_listed_twice_is_the_first_of_its_kinds(void **state)
{
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, 0);
	w.load_balancer_ips[0] = w.external_ips[0] = w.cluster_ips[0];
	start(&n, &w);
	notation_run(&n, "tcp 10.244.0.7:40000 10.96.0.1:80 S");
	assert_int_equal(n.trace.via, LUN_VIA_cluster_ip);
	assert_false(n.trace.masquerade);
	stop(&n);
}

static void r28_a_loopback_address_of_the_node_serves_no_node_ports(void **state)
{
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, LOCALHOST_OFF);
	w.node[2] = notation_address("127.0.0.1");
	w.node[3] = notation_address("::1");
	start(&n, &w);
	EXPECT(&n, { "tcp 127.0.0.1:40000 127.0.0.1:30080 S", "accept new SYN_SENT" },
	       { "tcp [::1]:40000 [::1]:30080 S", "accept new SYN_SENT" });
	stop(&n);
}

static void r35_new_flows_see_only_the_new_policy(void **state)
{
	static const char old[] = "tcp 10.244.0.7:40000 10.96.0.1:80 S", new[] = "tcp 10.244.0.7:40001 10.96.0.1:80 S";
	struct world w;
	struct notation n;
	struct lun_policy *policy;

	(void)state;
	world_init(&w, ONLY_HERE);
	start(&n, &w);
	EXPECT(&n, { old, "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" });
	world_init(&w, NO_ENDPOINTS);
	policy = world_policy(&w);
	assert_int_equal(lun_engine_set_policy(n.engine, policy), 0);
	lun_policy_unref(policy);
	EXPECT(&n, { new, "reject new NONE (no_endpoint)" },
	       { old, "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" });
	assert_int_equal(lun_engine_set_policy(n.engine, NULL), 0);
	EXPECT(&n, { new, "accept new SYN_SENT" });
	stop(&n);
}

/* A change of endpoints: new flows see it, a UDP flow to an endpoint that is gone ends, the policy before stays as it was. */
static void r35_endpoints_change_and_the_rest_is_shared(void **state)
{
	static const char tcp[] = "tcp 10.244.0.7:40000 10.96.0.1:80 S", udp[] = "udp 10.244.0.7:40000 10.96.0.1:80 len 4",
			  tcp2[] = "tcp 10.244.0.7:40001 10.96.0.1:80 S";
	struct lun_policy *first, *second, *third;
	struct lun_service change = { .name = "default/shop" }, nobody = { .name = "default/nobody" };
	struct lun_error error;
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, ONLY_HERE);
	first = world_policy(&w);
	start_with(&n, first);
	EXPECT(&n, { tcp, "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" },
	       { udp, "accept new UNREPLIED -> udp 10.244.0.7:40000 10.244.0.5:9090" });
	change.endpoints = w.endpoints; /* away */
	change.endpoint_count = 1;
	assert_int_equal(lun_policy_change(&second, first, &change, 1, &error), 0);
	assert_int_equal(lun_engine_set_policy(n.engine, second), 0);
	EXPECT(&n, { tcp, "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.0.5:8080" },
	       { udp, "accept new UNREPLIED -> udp 10.244.0.7:40000 10.244.1.5:9090" },
	       { tcp2, "accept new SYN_SENT -> tcp 10.244.0.7:40001 10.244.1.5:8080" });
	change.endpoint_count = 0;
	assert_int_equal(lun_policy_change(&third, second, &change, 1, &error), 0);
	lun_policy_unref(second);
	assert_int_equal(lun_engine_set_policy(n.engine, third), 0);
	lun_policy_unref(third);
	EXPECT(&n, { udp, "reject new NONE (no_endpoint)" });
	assert_int_equal(lun_policy_change(&third, first, &nobody, 1, &error), LUN_NOT_FOUND);
	assert_string_equal(error.text, "there is no service \"default/nobody\"");
	assert_int_equal(lun_engine_set_policy(n.engine, first), 0);
	lun_policy_unref(first);
	EXPECT(&n, { udp, "accept new UNREPLIED -> udp 10.244.0.7:40000 10.244.0.5:9090" });
	stop(&n);
}

/* What the engine emitted last, or NULL; the packet is checked as whoever gets it would. */
static const struct lun_event *emitted(struct notation *n)
{
	static struct lun_event event;
	struct lun_config config = { .size = sizeof(config), .flows = 8, .verify = true };
	struct lun_packet packet = { 0 };
	struct lun_engine *engine;

	if (!lun_engine_next_event(n->engine, &event))
		return NULL;
	packet.data = (uint8_t *)event.data;
	packet.length = packet.capacity = event.length;
	assert_int_equal(lun_engine_new(&engine, &config, NULL, NULL), 0);
	lun_engine_packets(engine, &packet, 1, 1);
	assert_int_not_equal(packet.reason, LUN_REASON_bad_checksum);
	lun_engine_free(engine);
	return &event;
}

/* A ping of a service that has endpoints is answered, with its data; others are as they were. */
static void a_cluster_ip_can_be_pinged(void **state)
{
	static const char v4[] = "icmp 10.244.0.7:77 10.96.0.1:8 text \"abcdefgh\"",
			  v6[] = "icmpv6 [fd00:10:244::7]:77 [fd00:10:96::1]:128 text \"abcdefgh\"";
	struct world w;
	struct notation n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct lun_event *event;
		uint32_t header = i ? 40 : 20;

		world_init(&w, SERVICE_RANGES);
		start(&n, &w);
		EXPECT(&n, { i ? v6 : v4, "stolen new NONE" });
		event = emitted(&n);
		assert_non_null(event);
		assert_int_equal(event->side, LUN_SIDE_CLIENT);
		assert_int_equal(event->length, header + 8 + 8);
		assert_int_equal(event->data[header], i ? 129 : 0);
		assert_memory_equal(event->data + header + 4, n.data + header + 4, 4 + 8); /* identifier, number, data */
		assert_memory_equal(event->data + (i ? 24 : 16), n.data + (i ? 8 : 12), i ? 16 : 4);
		stop(&n);
		world_init(&w, NO_ENDPOINTS | SERVICE_RANGES);
		start(&n, &w);
		EXPECT(&n, { i ? v6 : v4, "reject new NONE (undefined_port)" });
		stop(&n);
		world_init(&w, 0);
		w.config.node.no_echo = true;
		start(&n, &w);
		notation_run(&n, i ? v6 : v4);
		assert_int_equal(n.packet.verdict, LUN_ACCEPT);
		assert_null(emitted(&n));
		stop(&n);
	}
}

/* ---- errors ---- */

static void no_name(struct world *w)
{
	w->services[0].name = NULL;
}

static void empty_name(struct world *w)
{
	w->services[0].name = "";
}

static void long_name(struct world *w)
{
	static char name[LUN_NAME_SIZE];

	memset(name, 'a', sizeof(name) - 1);
	w->services[0].name = name;
}

static void no_ports(struct world *w)
{
	w->services[0].port_count = 0;
}

static void port_zero(struct world *w)
{
	w->ports[1].port = 0;
}

static void odd_protocol(struct world *w)
{
	w->ports[1].protocol = 1;
}

static void port_twice(struct world *w)
{
	w->ports[1].protocol = LUN_TCP;
}

static void node_port_twice(struct world *w)
{
	w->ports[1] = (struct lun_port) { "other", LUN_TCP, 81, TCP_NODE_PORT, 0 };
}

static void bad_header(struct world *w, const char *name, const char *value)
{
	w->headers[0] = (struct lun_header) { .name = name, .value = value };
	w->services[0].headers = w->headers;
	w->services[0].header_count = 1;
}

static void header_without_name(struct world *w)
{
	bad_header(w, NULL, "x");
}

static void header_with_empty_name(struct world *w)
{
	bad_header(w, "", "x");
}

static void header_with_colon(struct world *w)
{
	bad_header(w, "X-A:", "x");
}

static void header_of_two_lines(struct world *w)
{
	bad_header(w, "X-A", "x\r\nX-B: y");
}

static void header_that_frames(struct world *w)
{
	bad_header(w, "content_length", "5");
}

static void host_that_is_removed(struct world *w)
{
	bad_header(w, "Host", NULL);
	w->headers[0].kind = LUN_HEADER_REMOVE;
}

static void bad_path(struct world *w, const char *strip, const char *add)
{
	static struct lun_path_rule rules[LUN_HEADERS + 1];

	rules[0] = (struct lun_path_rule) { .strip = strip, .add = add };
	w->services[0].paths = rules;
	w->services[0].path_count = 1;
}

static void path_rule_of_nothing(struct world *w)
{
	bad_path(w, NULL, "");
}

static void path_with_blank(struct world *w)
{
	bad_path(w, "/a b", NULL);
}

static void path_without_slash(struct world *w)
{
	bad_path(w, NULL, "v2");
}

static void too_many_paths(struct world *w)
{
	bad_path(w, "/a", NULL);
	w->services[0].path_count = LUN_HEADERS + 1;
}

static void too_many_headers(struct world *w)
{
	bad_header(w, "X-A", "x");
	w->services[0].header_count = LUN_HEADERS + 1;
}

static void header_without_value(struct world *w)
{
	bad_header(w, "X-A", NULL);
}

static void second_service(struct world *w, const char *name)
{
	w->services[1] = w->services[0];
	w->services[1].name = name;
	w->services[1].at = "shop.lua:30";
	w->config.service_count = 2;
}

static void name_twice(struct world *w)
{
	second_service(w, "default/shop");
}

static void address_twice(struct world *w)
{
	second_service(w, "default/shop-copy");
}

static void node_port_of_two_services(struct world *w)
{
	second_service(w, "default/shop-copy");
	w->services[1].cluster_ip_count = w->services[1].external_ip_count = w->services[1].load_balancer_ip_count = 0;
}

static void node_port_on_an_external_ip(struct world *w)
{
	second_service(w, "default/shop-copy");
	w->external_ips[0] = w->node[0];
	w->ports[0].node_port = PORT;
	w->services[0].port_count = w->services[1].port_count = 1;
	w->services[1].cluster_ip_count = w->services[1].load_balancer_ip_count = 0;
}

static void long_source_range(struct world *w)
{
	static const struct lun_prefix range = { .length = 129 };

	w->services[0].load_balancer_source_ranges = &range;
	w->services[0].load_balancer_source_range_count = 1;
}

static void short_pods_of_v4(struct world *w)
{
	static struct lun_prefix pods;

	pods = notation_prefix("10.0.0.0/8");
	pods.length = 8; /* as IPv4 counts */
	w->config.node.pods = &pods;
	w->config.node.pod_count = 1;
}

static void long_intercept(struct world *w)
{
	static const struct lun_prefix range = { .length = 255 };

	w->config.intercept = &range;
	w->config.intercept_count = 1;
}

/* What is spoilt; the message begins with the place and holds `says`. */
static const struct {
	void (*spoil)(struct world *w);
	const char *at, *says;
} errors[] = {
	{ no_name, "shop.lua:7: ", "no name" },
	{ empty_name, "shop.lua:7: ", "no name" },
	{ long_name, "shop.lua:7: ", "longer than 127 bytes" },
	{ no_ports, "shop.lua:7: ", "\"default/shop\" has no ports" },
	{ port_zero, "shop.lua:7: ", "port 0" },
	{ odd_protocol, "shop.lua:7: ", "protocol 1" },
	{ port_twice, "shop.lua:7: ", "tcp 10.96.0.1:80 of \"default/shop:quic\" belongs to \"default/shop:web\" already" },
	{ node_port_twice,
	  "shop.lua:7: ", "tcp 172.18.0.2:30080 of \"default/shop:other\" belongs to \"default/shop:web\"" },
	{ header_without_name, "shop.lua:7: ", "header \"\" of service" },
	{ header_with_empty_name, "shop.lua:7: ", "header \"\" of service" },
	{ header_with_colon, "shop.lua:7: ", "header \"X-A:\" of service \"default/shop\" is no token" },
	{ header_of_two_lines, "shop.lua:7: ", "header \"X-A\" of service \"default/shop\" has a value with" },
	{ header_that_frames, "shop.lua:7: ", "header \"content_length\" of service \"default/shop\" says where" },
	{ host_that_is_removed, "shop.lua:7: ", "header \"Host\" of service \"default/shop\" can only be set" },
	{ too_many_headers, "shop.lua:7: ", "service \"default/shop\" has 65 rules for headers, expected at most 64" },
	{ path_rule_of_nothing, "shop.lua:7: ", "a rule for paths of service \"default/shop\" strips and adds nothing" },
	{ path_with_blank,
	  "shop.lua:7: ", "a rule for paths of service \"default/shop\" strips what is no path that begins with a slash" },
	{ path_without_slash,
	  "shop.lua:7: ", "a rule for paths of service \"default/shop\" adds what is no path that begins with a slash" },
	{ too_many_paths, "shop.lua:7: ", "service \"default/shop\" has 65 rules for paths, expected at most 64" },
	{ header_without_value, "shop.lua:7: ", "header \"X-A\" of service \"default/shop\" has a value with" },
	{ long_source_range, "shop.lua:7: ", "prefix of length 129, expected at most 128" },
	{ short_pods_of_v4, "pods: ", "prefix of length 8, expected 96 to 128 for IPv4" },
	{ long_intercept, "intercept: ", "prefix of length 255, expected at most 128" },
	{ name_twice, "shop.lua:", "\"default/shop\" is declared twice" },
	{ address_twice, "shop.lua:30: ", "tcp 10.96.0.1:80 of \"default/shop-copy:web\" belongs to \"default/shop:web\"" },
	{ node_port_of_two_services, "shop.lua:30: ", "tcp 172.18.0.2:30080 of \"default/shop-copy:web\"" },
	{ node_port_on_an_external_ip, "shop.lua:", "tcp 172.18.0.2:80 of" },
};

static void count_free(void *user)
{
	++*(unsigned *)user;
}

static void a_wrong_policy_says_where_and_what(void **state)
{
	unsigned freed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(errors); i++) {
		struct lun_policy *policy = NULL;
		struct lun_error error = { 0 };
		struct world w;

		world_init(&w, 0);
		errors[i].spoil(&w);
		w.config.hooks = (struct lun_hooks) { .free = count_free, .user = &freed };
		assert_int_equal(lun_policy_new(&policy, &w.config, &error), LUN_BAD_POLICY);
		assert_int_equal(error.code, LUN_BAD_POLICY);
		if (strncmp(error.text, errors[i].at, strlen(errors[i].at)) != 0 || !strstr(error.text, errors[i].says))
			fail_msg("error %zu: expected \"%s...%s\", got \"%s\"", i, errors[i].at, errors[i].says, error.text);
		assert_int_equal(lun_policy_new(&policy, &w.config, NULL), LUN_BAD_POLICY);
		assert_null(policy);
	}
	assert_int_equal(freed, 0); /* hooks belong to a policy that was made */
}

/* An embedder that was built against an older header has a shorter struct, one that forgot the size none. */
static void a_config_is_as_long_as_it_says(void **state)
{
	struct {
		struct lun_policy_config config;
		uint64_t behind;
	} longer = { .behind = 1 };
	struct lun_policy *policy = NULL;
	struct lun_error error;
	struct world w;

	(void)state;
	world_init(&w, 0);
	longer.config = w.config;
	longer.config.size = sizeof(longer);
	assert_int_equal(lun_policy_new(&policy, &longer.config, &error), LUN_BAD_ARGUMENT);
	assert_non_null(strstr(error.text, "expected sizeof(struct lun_policy_config)"));
	longer.config.size = 0;
	assert_int_equal(lun_policy_new(&policy, &longer.config, &error), LUN_BAD_ARGUMENT);
	assert_null(policy);
	longer.config.size = offsetof(struct lun_policy_config, intercept);
	longer.config.intercept_count = SIZE_MAX; /* is not there */
	assert_int_equal(lun_policy_new(&policy, &longer.config, NULL), 0);
	lun_policy_unref(policy);
}

/* ---- choosing ---- */

/* The endpoint that a new client of the web port gets. */
static uint16_t draw(struct notation *n, struct lun_tuple *tuple)
{
	struct packet_spec spec = { .tcp_flags = TCP_SYN };

	n->packet = (struct lun_packet) { .data = n->data, .capacity = sizeof(n->data) };
	n->packet.length = packet_build(n->data, sizeof(n->data), tuple, &spec);
	lun_engine_packets(n->engine, &n->packet, 1, n->now);
	assert_int_equal(n->packet.verdict, LUN_ACCEPT);
	return n->packet.is.destination_port;
}

static struct lun_tuple web_tuple(bool v4)
{
	return (struct lun_tuple) { .source = place_address("pod", v4),
				    .destination = place_address("cluster_ip", v4),
				    .source_port = 1024,
				    .destination_port = PORT,
				    .protocol = LUN_TCP };
}

/* A web service whose endpoints, `count` of each family, are told apart by their ports: 1, 2, ... */
static void world_with_endpoints(struct world *w, struct lun_endpoint *endpoints, size_t count, enum lun_balance balance)
{
	world_init(w, 0);
	for (size_t i = 0; i < count * 2; i++)
		endpoints[i] = (struct lun_endpoint) { .address = place_address("away", i < count),
						       .port = (uint16_t)(i % count + 1) };
	w->services[0].endpoints = endpoints;
	w->services[0].endpoint_count = count * 2;
	w->services[0].balance = balance;
}

static void round_robin_takes_turns(void **state)
{
	struct lun_tuple tuple = web_tuple(true);
	struct lun_endpoint endpoints[6];
	struct world w;
	struct notation n;

	(void)state;
	world_with_endpoints(&w, endpoints, 3, LUN_BALANCE_ROUND_ROBIN);
	start(&n, &w);
	for (uint16_t i = 0; i < 30; i++, tuple.source_port++)
		assert_int_equal(draw(&n, &tuple), i % 3 + 1);
	tuple.source_port--; /* the last client again: no new flow, no turn */
	assert_int_equal(draw(&n, &tuple), 3);
	tuple.source_port++;
	assert_int_equal(draw(&n, &tuple), 1);
	stop(&n);
}

/* Each family has its own endpoints: clients of the other one do not take their turns. */
static void round_robin_is_fair_in_both_families_at_once(void **state)
{
	struct lun_tuple tuples[2] = { web_tuple(true), web_tuple(false) };
	struct lun_endpoint endpoints[4];
	struct world w;
	struct notation n;

	(void)state;
	world_with_endpoints(&w, endpoints, 2, LUN_BALANCE_ROUND_ROBIN);
	start(&n, &w);
	for (uint16_t i = 0; i < 10; i++)
		for (int family = 0; family < 2; family++, tuples[family & 1].source_port++)
			assert_int_equal(draw(&n, &tuples[family]), i % 2 + 1);
	stop(&n);
}

static void random_is_near_uniform(void **state)
{
	enum { DRAWS = 10000, ENDPOINTS = 8 };
	struct lun_config config = { .size = sizeof(config), .flows = DRAWS, .seed = { 3, 4 } };
	struct lun_tuple tuple = web_tuple(true);
	struct lun_endpoint endpoints[ENDPOINTS * 2];
	struct notation n = { .now = 1000 };
	struct lun_policy *policy;
	struct world w;
	unsigned seen[ENDPOINTS] = { 0 };
	double chi = 0;

	(void)state;
	world_with_endpoints(&w, endpoints, ENDPOINTS, LUN_BALANCE_RANDOM);
	policy = world_policy(&w);
	assert_int_equal(lun_engine_new(&n.engine, &config, policy, NULL), 0);
	lun_policy_unref(policy);
	for (int i = 0; i < DRAWS; i++, tuple.source_port++)
		seen[draw(&n, &tuple) - 1]++;
	for (int i = 0; i < ENDPOINTS; i++)
		chi += (seen[i] - 1250.0) * (seen[i] - 1250.0) / 1250.0;
	/* Seven degrees of freedom: a fair die is above 30 once in ten thousand times, and never this even. */
	if (chi > 30 || chi < 0.1)
		fail_msg("chi-square %.1f", chi);
	stop(&n);
}

static void the_same_seed_gives_the_same_choices(void **state)
{
	struct lun_endpoint endpoints[16];
	uint16_t first[50];
	struct world w;

	(void)state;
	world_with_endpoints(&w, endpoints, 8, LUN_BALANCE_RANDOM);
	for (int run = 0; run < 2; run++) {
		struct lun_tuple tuple = web_tuple(true);
		struct notation n;

		start(&n, &w);
		for (int i = 0; i < 50; i++, tuple.source_port++) {
			uint16_t got = draw(&n, &tuple);

			if (run == 0)
				first[i] = got;
			else
				assert_int_equal(got, first[i]);
		}
		stop(&n);
	}
}

/* ---- masquerade addresses ---- */

static void masquerade_addresses_are_paired_with_clients(void **state)
{
	static const char *const addresses[] = { "172.18.0.10", "fc00::10",    "172.18.0.11",
						 "fc00::11",    "172.18.0.12", "fc00::12" };
	struct world w;
	struct notation n;
	unsigned used = 0;

	(void)state;
	world_init(&w, 0);
	for (size_t i = 0; i < COUNT(addresses); i++)
		w.masquerade[i] = notation_address(addresses[i]);
	w.config.node.masquerade_addresses = w.masquerade;
	w.config.node.masquerade_address_count = COUNT(addresses);
	start(&n, &w);
	for (int i = 0; i < 60; i++) {
		char line[120], text[LUN_ADDRESS_TEXT], first[LUN_ADDRESS_TEXT];

		for (int port = 1; port <= 3; port++) { /* one client has one address, whatever it talks to */
			snprintf(line, sizeof(line),
				 i % 2 ? "tcp [2001:db8::%x]:%d [2001:db8:113::1]:80 S"
				       : "tcp 192.0.2.%d:%d 203.0.113.1:80 S",
				 i + 1, port * 2000);
			notation_run(&n, line);
			assert_int_equal(n.packet.verdict, LUN_ACCEPT);
			lun_address_format(&n.packet.is.source, port == 1 ? first : text);
			assert_string_equal(first, port == 1 ? first : text);
		}
		for (size_t k = 0; k < COUNT(addresses); k++)
			used |= (unsigned)(strcmp(first, addresses[k]) == 0) << k;
		assert_true(lun_address_is_v4(&n.packet.is.source) == (i % 2 == 0));
	}
	assert_int_equal(used, 0x3f); /* all of them, of both families */
	stop(&n);
}

static void without_an_address_of_the_family_nothing_is_masqueraded(void **state)
{
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, ONLY_HERE);
	w.config.node.address_count = 1; /* IPv4 only */
	start(&n, &w);
	EXPECT(&n, { "tcp [2001:db8::9]:40000 [2001:db8:113::1]:80 S", "drop new NONE (no_masquerade_address)" },
	       { "tcp 192.0.2.9:40000 203.0.113.1:80 S", "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.244.0.5:8080" });
	stop(&n);
}

/* ---- hooks ---- */

struct script {
	struct lun_decision answer;
	int result;
	unsigned calls, freed;
	struct lun_new_flow seen;
};

static int script_flow(void *user, const struct lun_new_flow *flow, struct lun_decision *decision)
{
	struct script *script = user;

	assert_int_equal(decision->action, LUN_ACTION_MAP); /* it comes zeroed */
	assert_null(decision->service);
	script->calls++;
	script->seen = *flow;
	*decision = script->answer;
	return script->result;
}

static void script_free(void *user)
{
	((struct script *)user)->freed++;
}

static void start_scripted(struct notation *n, struct world *w, struct script *script)
{
	w->config.hooks = (struct lun_hooks) { .flow = script_flow, .free = script_free, .user = script };
	start(n, w);
}

#define SHOP "tcp 192.0.2.9:40000 10.96.0.1:80 S"
#define POD "tcp 10.244.0.7:40000 10.96.0.1:80 S"
#define EXTERNAL "tcp 10.244.0.7:40000 203.0.113.1:80 S"
#define QUIC "udp 192.0.2.9:40000 10.96.0.1:80 len 4"
#define WEB6 "tcp [2001:db8::9]:40000 [fd00:10:96::1]:80 S"

/* `says`: what the script answers, in its own words; "fail" is a hook that fails. */
static const struct {
	const char *says, *in, *out;
	bool error; /* policy_error is counted */
} answers[] = {
	{ "", SHOP, "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.244.0.5:8080", false },
	{ "accept", SHOP, "accept new SYN_SENT", false },
	{ "drop", SHOP, "drop new NONE (policy_drop)", false },
	{ "reject", SHOP, "reject new NONE (policy_reject)", false },
	{ "dnat 10.9.9.9:99", SHOP, "accept new SYN_SENT -> tcp 192.0.2.9:40000 10.9.9.9:99", false },
	{ "dnat 10.9.9.9", SHOP, "accept new SYN_SENT -> tcp 192.0.2.9:40000 10.9.9.9:80", false },
	{ "dnat 10.9.9.9 always", SHOP, "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.9.9.9:80", false },
	{ "dnat 192.0.2.9:99", SHOP, "accept new SYN_SENT -> tcp 172.18.0.2:40000 192.0.2.9:99", false }, /* hairpin */
	{ "dnat fd00::9", WEB6, "accept new SYN_SENT -> tcp [2001:db8::9]:40000 [fd00::9]:80", false },
	{ "dnat 10.9.9.9", WEB6, "accept new SYN_SENT -> tcp [fc00:f853:ccd:e793::2]:40000 [fd00:10:244::5]:8080", true },
	{ "forward default/canary", SHOP, "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.244.9.9:8888", false },
	{ "forward default/canary never", SHOP, "accept new SYN_SENT -> tcp 192.0.2.9:40000 10.244.9.9:8888", false },
	{ "forward default/canary", POD, "accept new SYN_SENT -> tcp 10.244.0.7:40000 10.244.9.9:8888", false },
	{ "forward default/canary always", POD, "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.244.9.9:8888", false },
	/* over an external IP: masqueraded as that is, R9 */
	{ "forward default/canary", EXTERNAL, "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.244.9.9:8888", false },
	{ "forward default/canary", WEB6, "reject new NONE (no_endpoint)", false },
	{ "forward default/canari", SHOP, "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.244.0.5:8080", true },
	{ "forward", SHOP, "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.244.0.5:8080", true },
	{ "forward default/canary", QUIC, "accept new UNREPLIED -> udp 172.18.0.2:40000 10.244.0.5:9090", true },
	{ "fail", SHOP, "accept new SYN_SENT -> tcp 172.18.0.2:40000 10.244.0.5:8080", true },
};

/* The script that answers so.  `copy` holds its strings. */
static struct script script_of(const char *says, char copy[64])
{
	static const char *const actions[] = { "map", "accept", "drop", "reject", "forward", "dnat" };
	struct script script = { .result = strcmp(says, "fail") == 0 ? -1 : 0 };
	char *word, *save;

	snprintf(copy, 64, "%s", says);
	word = strtok_r(copy, " ", &save);
	for (int i = 0; word && i <= LUN_ACTION_DNAT; i++)
		if (strcmp(word, actions[i]) == 0)
			script.answer.action = (enum lun_action)i;
	word = word ? strtok_r(NULL, " ", &save) : NULL;
	if (word && script.answer.action == LUN_ACTION_DNAT)
		assert_int_equal(lun_endpoint_parse(&script.answer.address, &script.answer.port, word), 0);
	else
		script.answer.service = word;
	word = word ? strtok_r(NULL, " ", &save) : NULL;
	if (word)
		script.answer.masquerade = *word == 'a' ? LUN_MASQUERADE_ALWAYS : LUN_MASQUERADE_NEVER;
	return script;
}

/* A second service, TCP only, whose second port is named as the first one of the shop. */
static void add_canary(struct world *w, struct lun_port ports[2], struct lun_endpoint *endpoint)
{
	ports[0] = (struct lun_port) { "admin", LUN_TCP, PORT, 0, 7777 };
	ports[1] = (struct lun_port) { "web", LUN_TCP, 8000, 0, 8888 };
	*endpoint = (struct lun_endpoint) { .address = notation_address("10.244.9.9") };
	w->services[1] = (struct lun_service) { .name = "default/canary", .ports = ports, .port_count = 2 };
	w->services[1].endpoints = endpoint;
	w->services[1].endpoint_count = 1;
	w->config.service_count = 2;
}

static void hooks_decide(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		char copy[64];
		struct script script = script_of(answers[i].says, copy);
		struct lun_endpoint endpoint;
		struct lun_port ports[2];
		struct lun_stats stats;
		struct world w;
		struct notation n;
		const char *got;

		world_init(&w, 0);
		add_canary(&w, ports, &endpoint);
		start_scripted(&n, &w, &script);
		got = notation_run(&n, answers[i].in);
		if (strcmp(got, answers[i].out) != 0)
			fail_msg("%s: %s\n  expected: %s\n  got:      %s", answers[i].says, answers[i].in, answers[i].out,
				 got);
		lun_engine_stats(n.engine, &stats);
		assert_int_equal(stats.reasons[LUN_REASON_policy_error], answers[i].error);
		assert_int_equal(script.calls, 1);
		notation_run(&n, answers[i].in); /* a known flow is not asked about again */
		assert_int_equal(script.calls, n.packet.verdict == LUN_ACCEPT ? 1 : 2);
		stop(&n);
		assert_int_equal(script.freed, 1);
	}
}

/* What the map would have forwarded. */
static void on_error_decides_for_a_failed_hook(void **state)
{
	static const struct {
		const char *says;
		enum lun_action on_error;
		const char *out;
	} failures[] = {
		{ "fail", LUN_ACTION_DROP, "drop new NONE (policy_error)" },
		{ "fail", LUN_ACTION_ACCEPT, "accept new SYN_SENT" },
		{ "forward default/none", LUN_ACTION_DROP, "drop new NONE (policy_error)" },
		{ "dnat fd00::9", LUN_ACTION_DROP, "drop new NONE (policy_error)" },
		{ "dnat fd00::9", LUN_ACTION_ACCEPT, "accept new SYN_SENT" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(failures); i++) {
		char copy[64];
		struct script script = script_of(failures[i].says, copy);
		struct lun_stats stats;
		struct world w;
		struct notation n;

		world_init(&w, 0);
		w.config.on_error = failures[i].on_error;
		start_scripted(&n, &w, &script);
		assert_string_equal(notation_run(&n, SHOP), failures[i].out);
		lun_engine_stats(n.engine, &stats);
		assert_int_equal(stats.reasons[LUN_REASON_policy_error], 1);
		stop(&n);
	}
}

static void on_error_must_be_one_of_three(void **state)
{
	struct lun_policy *policy;
	struct lun_error error;
	struct world w;

	(void)state;
	world_init(&w, 0);
	w.config.on_error = LUN_ACTION_FORWARD;
	assert_int_equal(lun_policy_new(&policy, &w.config, &error), LUN_BAD_POLICY);
	assert_string_equal(error.text, "on_error: expected the map, accept or drop");
}

/* The failure is counted whatever the map says then. */
static void a_failed_hook_is_counted_also_when_the_map_refuses(void **state)
{
	struct script script = { .result = -1 };
	struct lun_stats stats;
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, NO_ENDPOINTS);
	start_scripted(&n, &w, &script);
	EXPECT(&n, { SHOP, "reject new NONE (no_endpoint)" });
	lun_engine_stats(n.engine, &stats);
	assert_int_equal(stats.reasons[LUN_REASON_policy_error], 1);
	stop(&n);
}

/* Of the same number, where the names differ; else the first of the protocol. */
static void forward_takes_a_port_by_name_number_or_order(void **state)
{
	static const struct {
		const char *name;
		const char *in;
		uint16_t target;
	} cases[] = {
		{ "web", "tcp 10.244.0.7:40000 10.96.0.1:80 S", 8888 },
		{ "other", "tcp 10.244.0.7:40000 10.96.0.1:80 S", 7777 },
		{ NULL, "tcp 10.244.0.7:40000 10.96.0.1:80 S", 7777 },
		{ "web", "tcp 10.244.0.7:40000 198.18.0.1:8000 S", 8888 }, /* no service there: by number */
		{ "web", "tcp 10.244.0.7:40000 198.18.0.1:9000 S", 7777 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct script script = { .answer = { .action = LUN_ACTION_FORWARD, .service = "default/canary" } };
		struct lun_endpoint endpoint;
		struct lun_port ports[2];
		struct world w;
		struct notation n;

		world_init(&w, 0);
		add_canary(&w, ports, &endpoint);
		w.ports[0].name = cases[i].name;
		w.intercept[0] = notation_prefix("198.18.0.0/15");
		w.config.intercept = w.intercept;
		w.config.intercept_count = 1;
		start_scripted(&n, &w, &script);
		notation_run(&n, cases[i].in);
		assert_int_equal(n.packet.is.destination_port, cases[i].target);
		assert_int_equal(n.trace.via, LUN_VIA_script);
		stop(&n);
	}
}

static const struct {
	const char *in;
	bool asked;
	const char *service, *port;
	enum lun_via via;
} sights[] = {
	{ SHOP, true, "default/shop", "web", LUN_VIA_cluster_ip },
	{ "udp [2001:db8::9]:1 [fc00:f853:ccd:e793::2]:30081 len 1", true, "default/shop", "quic", LUN_VIA_node_port },
	{ "tcp 192.0.2.9:1 198.18.5.5:5 S", true, NULL, NULL, LUN_VIA_none },
	{ "tcp 192.0.2.9:1 198.20.5.5:5 S", false, NULL, NULL, LUN_VIA_none },
	{ "tcp [2001:db8::9]:1 [2001:db8:198::5]:5 S", false, NULL, NULL, LUN_VIA_none },
};

static void expect_text(const char *text, const char *expected)
{
	assert_true(!text == !expected);
	if (text)
		assert_string_equal(text, expected);
}

static void hooks_see_services_and_what_is_intercepted(void **state)
{
	struct script script = { .result = 0 };
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, 0);
	w.intercept[0] = notation_prefix("198.18.0.0/15");
	w.config.intercept = w.intercept;
	w.config.intercept_count = 1;
	start_scripted(&n, &w, &script);
	for (size_t i = 0; i < COUNT(sights); i++) {
		script.calls = 0;
		notation_run(&n, sights[i].in);
		assert_int_equal(script.calls, sights[i].asked);
		if (!sights[i].asked)
			continue;
		assert_memory_equal(&script.seen.tuple, &n.packet.was, sizeof(n.packet.was));
		assert_int_equal(script.seen.via, sights[i].via);
		/* The names are the policy's: they live on. */
		expect_text(script.seen.service, sights[i].service);
		expect_text(script.seen.port, sights[i].port);
	}
	stop(&n);
}

static void hooks_see_everything_if_everything_is_intercepted(void **state)
{
	struct script script = { .result = 0 };
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, 0);
	w.intercept[0] = notation_prefix("::/0");
	w.config.intercept = w.intercept;
	w.config.intercept_count = 1;
	start_scripted(&n, &w, &script);
	notation_run(&n, "tcp [2001:db8::9]:1 [2001:db8:198::5]:5 S");
	notation_run(&n, "tcp 192.0.2.9:1 198.20.5.5:5 S");
	assert_int_equal(script.calls, 2);
	stop(&n);
}

static void the_last_reference_frees_hooks_once(void **state)
{
	struct lun_config config = { .size = sizeof(config), .flows = 8 };
	struct lun_engine *engines[2];
	struct lun_policy *policy;
	unsigned freed = 0;
	struct world w;

	(void)state;
	world_init(&w, 0);
	w.config.hooks = (struct lun_hooks) { .free = count_free, .user = &freed };
	policy = world_policy(&w);
	for (int i = 0; i < 2; i++)
		assert_int_equal(lun_engine_new(&engines[i], &config, policy, NULL), 0);
	lun_policy_ref(policy);
	lun_policy_unref(policy);
	lun_policy_unref(policy);
	assert_int_equal(lun_engine_set_policy(engines[0], policy), 0); /* the one that it has */
	lun_engine_free(engines[0]);
	assert_int_equal(freed, 0);
	assert_int_equal(lun_engine_set_policy(engines[1], NULL), 0);
	assert_int_equal(freed, 1);
	lun_engine_free(engines[1]);
	assert_int_equal(freed, 1);
	lun_policy_unref(NULL);
}

/* ---- traces ---- */

/* The step of a stage, or NULL. */
static const struct lun_trace_step *step_of(const struct notation *n, const char *stage)
{
	for (uint32_t i = 0; i < n->trace.step_count; i++)
		if (strcmp(n->trace.steps[i].stage, stage) == 0)
			return &n->trace.steps[i];
	return NULL;
}

static void expect_step(const struct notation *n, const char *stage, const char *at, const char *says)
{
	const struct lun_trace_step *step = step_of(n, stage);

	if (!step)
		fail_msg("no step \"%s\"", stage);
	else if (strcmp(step->at, at) != 0 || !strstr(step->text, says))
		fail_msg("step \"%s\": expected \"%s\" at \"%s\", got \"%s\" at \"%s\"", stage, says, at, step->text,
			 step->at);
}

static void traces_explain_a_service(void **state)
{
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, 0);
	start(&n, &w);
	notation_run(&n, "tcp 192.0.2.9:40000 172.18.0.2:30080 S");
	assert_string_equal(n.trace.service, "default/shop:web");
	assert_int_equal(n.trace.via, LUN_VIA_node_port);
	assert_int_equal(n.trace.candidate_count, 2);
	assert_true(n.trace.candidates[0].probability == 0.5 && n.trace.candidates[1].probability == 0.5);
	assert_true(n.trace.translated && n.trace.masquerade);
	assert_non_null(strstr(n.trace.masquerade_why, "R9"));
	expect_step(&n, "service", "shop.lua:7", "default/shop:web, reached by node_port");
	expect_step(&n, "balance", "shop.lua:7", "round robin of 2: 10.244.0.5:8080");
	expect_step(&n, "masquerade", "", "source becomes 172.18.0.2");
	expect_step(&n, "track", "", "SYN_SENT");
	expect_step(&n, "nat", "", "-> tcp 172.18.0.2:40000 10.244.0.5:8080");
	stop(&n);
}

static void traces_explain_refusals_and_what_is_left_alone(void **state)
{
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, EXTERNAL_LOCAL | ONLY_AWAY | SERVICE_RANGES);
	start(&n, &w);
	notation_run(&n, "tcp 192.0.2.9:40000 172.18.0.2:30080 S");
	assert_string_equal(n.trace.service, "default/shop:web");
	assert_int_equal(n.trace.candidate_count, 0);
	assert_string_equal(n.trace.steps[n.trace.step_count - 1].at, "shop.lua:7");
	assert_non_null(strstr(n.trace.steps[n.trace.step_count - 1].text, "drop: the traffic policy is Local"));
	notation_run(&n, "tcp 192.0.2.9:40000 198.18.0.1:80 S");
	assert_string_equal(n.trace.service, "");
	assert_int_equal(n.trace.via, LUN_VIA_none);
	expect_step(&n, "service", "", "left alone");
	notation_run(&n, "tcp 10.244.0.7:40000 10.96.0.1:80 S");
	assert_false(n.trace.masquerade);
	assert_non_null(strstr(n.trace.masquerade_why, "R4"));
	stop(&n);
}

static void traces_quote_the_script(void **state)
{
	struct script script = { .result = 0 };
	char copy[64];
	struct world w;
	struct notation n;

	(void)state;
	world_init(&w, 0);
	script = script_of("drop", copy);
	script.answer.why = "blocked range";
	script.answer.at = "shop.lua:99";
	start_scripted(&n, &w, &script);
	notation_run(&n, SHOP);
	expect_step(&n, "script", "shop.lua:99", "drop: blocked range");
	assert_string_equal(n.trace.reason, "blocked range");
	script = script_of("dnat 10.9.9.9", copy);
	script.answer.at = "shop.lua:98";
	notation_run(&n, SHOP);
	expect_step(&n, "script", "shop.lua:98", "dnat to 10.9.9.9:80");
	assert_int_equal(n.trace.via, LUN_VIA_script);
	assert_int_equal(n.trace.candidate_count, 1);
	assert_true(n.trace.candidates[0].probability == 1.0);
	stop(&n);
}

static void a_trace_keeps_to_its_room(void **state)
{
	struct lun_endpoint endpoints[32];
	struct lun_candidate two[3] = { [2] = { .port = 4242 } };
	struct world w;
	struct notation n;

	(void)state;
	world_with_endpoints(&w, endpoints, 16, LUN_BALANCE_RANDOM);
	start(&n, &w);
	n.trace.candidates = two;
	n.trace.candidate_capacity = 2;
	notation_run(&n, "tcp 10.244.0.7:40000 10.96.0.1:80 S");
	assert_int_equal(n.trace.candidate_count, 16); /* of all */
	assert_true(two[1].probability == 1.0 / 16);
	assert_int_equal(two[2].port, 4242);
	stop(&n);
}

/* ---- enumeration and size ---- */

/* The shop, and a canary with a ClusterIP that is declared after it. */
static struct lun_policy *two_services(void)
{
	struct lun_endpoint endpoint;
	struct lun_port ports[2];
	struct lun_address canary_ip = notation_address("10.96.0.7");
	struct world w;

	world_init(&w, 0);
	add_canary(&w, ports, &endpoint);
	w.services[1].cluster_ips = &canary_ip;
	w.services[1].cluster_ip_count = 1;
	return world_policy(&w);
}

static void frontends_are_listed_in_order_of_names(void **state)
{
	struct lun_policy *policy = two_services();
	struct lun_frontend frontend;
	struct lun_address address;
	size_t count = 0, vias[LUN_VIA_script + 1] = { 0 };

	(void)state;
	assert_true(lun_policy_frontend(policy, 0, &frontend));
	assert_string_equal(frontend.service, "default/canary:admin");
	assert_null(frontend.at);
	for (; lun_policy_frontend(policy, count, &frontend); count++) {
		vias[frontend.via]++;
		assert_int_equal(frontend.echo, frontend.via == LUN_VIA_cluster_ip);
		if (count < 2)
			continue;
		assert_int_equal(strncmp(frontend.service, "default/shop:", 13), 0);
		assert_string_equal(frontend.at, "shop.lua:7");
		assert_int_equal(frontend.endpoint_count, 2);
	}
	assert_int_equal(count, 2 + 2 * (2 + 2 + 2 + 4 + 1)); /* four node addresses, and 127.0.0.1 */
	assert_int_equal(vias[LUN_VIA_cluster_ip], 6);
	assert_int_equal(vias[LUN_VIA_external_ip], 4);
	assert_int_equal(vias[LUN_VIA_load_balancer_ip], 4);
	assert_int_equal(vias[LUN_VIA_node_port], 10);
	assert_false(lun_policy_frontend(policy, count, &frontend));
	for (count = 0; lun_policy_address(policy, count, &address); count++)
		assert_true(policy_find(policy, &address, TCP_NODE_PORT, LUN_TCP) != NULL);
	assert_int_equal(count, 4);
	lun_policy_unref(policy);
}

static void endpoints_are_listed_once_for_each_port(void **state)
{
	struct lun_policy *policy = two_services();
	struct lun_address address = { { 0 } };
	size_t count = 0;
	uint16_t port;

	(void)state;
	for (; lun_policy_endpoint(policy, count, &address, &port); count++) {
		assert_false(lun_address_is_zero(&address));
		assert_int_not_equal(port, 0);
	}
	assert_int_equal(count, 2 * 1 + 2 * 4); /* the canary's and the shop's, for two ports each */
	lun_policy_unref(policy);
}

enum { MANY = 10000, MANY_ENDPOINTS = 10 };

struct many {
	char names[MANY][24];
	struct lun_address ips[MANY];
	struct lun_service services[MANY];
	struct lun_endpoint endpoints[MANY][MANY_ENDPOINTS];
	struct lun_port port;
};

static void many_init(struct many *many)
{
	many->port = (struct lun_port) { .port = PORT, .protocol = LUN_TCP };
	for (uint32_t i = 0; i < MANY; i++) {
		struct lun_service *service = &many->services[i];

		snprintf(many->names[i], sizeof(many->names[i]), "many/%04u", i * 7919 % MANY); /* in no order */
		many->ips[i] = notation_address("10.96.0.0");
		many->ips[i].bytes[14] = (uint8_t)(i >> 8);
		many->ips[i].bytes[15] = (uint8_t)i;
		*service = (struct lun_service) { .name = many->names[i], .ports = &many->port, .port_count = 1 };
		service->cluster_ips = &many->ips[i];
		service->cluster_ip_count = 1;
		service->endpoints = many->endpoints[i];
		service->endpoint_count = MANY_ENDPOINTS;
		for (uint32_t k = 0; k < MANY_ENDPOINTS; k++) {
			many->endpoints[i][k].address = many->ips[i];
			many->endpoints[i][k].address.bytes[12] = 11;
			many->endpoints[i][k].port = (uint16_t)(k + 1);
		}
	}
}

static void ten_thousand_services_are_found(void **state)
{
	struct many *many = calloc(1, sizeof(*many));
	struct lun_policy_config config = { .size = sizeof(config), .services = many->services, .service_count = MANY };
	struct lun_policy *policy;
	struct lun_frontend frontend;
	size_t count = 0;

	(void)state;
	many_init(many);
	assert_int_equal(lun_policy_new(&policy, &config, NULL), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		const struct frontend *found = policy_find(policy, &many->ips[i], PORT, LUN_TCP);
		const struct endpoint_list *list;
		const struct endpoint *endpoints;

		assert_non_null(found);
		assert_string_equal(policy->ports[found->service_port].service->name, many->names[i]);
		assert_ptr_equal(policy_service(policy, many->names[i]), policy->ports[found->service_port].service);
		list = policy_endpoints(policy, &policy->ports[found->service_port], false, &endpoints);
		assert_int_equal(list->cluster.count, MANY_ENDPOINTS);
		assert_int_equal(endpoints[list->cluster.first].address.bytes[15], many->ips[i].bytes[15]);
		assert_null(policy_find(policy, &many->ips[i], PORT, LUN_UDP));
		assert_null(policy_find(policy, &many->ips[i], PORT + 1, LUN_TCP));
		assert_true(policy_holds_cluster_ip(policy, &many->ips[i]));
	}
	assert_null(policy_service(policy, "many/10000"));
	assert_null(policy_service(policy, ""));
	for (const char *last = ""; lun_policy_frontend(policy, count, &frontend); count++, last = frontend.service)
		assert_true(strcmp(last, frontend.service) < 0);
	assert_int_equal(count, MANY);
	lun_policy_unref(policy);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define RULE_ENTRY(name) cmocka_unit_test(rule_##name),
		RULES(RULE_ENTRY) cmocka_unit_test(r3_protocols_are_apart),
		cmocka_unit_test(r2_an_endpoint_may_have_its_own_port),
		cmocka_unit_test(r19_families_have_endpoints_of_their_own),
		cmocka_unit_test(r32_node_ports_are_of_the_families_of_their_service),
		cmocka_unit_test(r16_an_endpoint_that_comes_twice_is_here_if_one_of_them_is),
		cmocka_unit_test(r15_an_address_that_is_listed_twice_is_the_first_of_its_kinds),
		cmocka_unit_test(r28_a_loopback_address_of_the_node_serves_no_node_ports),
		cmocka_unit_test(r35_new_flows_see_only_the_new_policy),
		cmocka_unit_test(r35_endpoints_change_and_the_rest_is_shared),
		cmocka_unit_test(a_cluster_ip_can_be_pinged),
		cmocka_unit_test(a_wrong_policy_says_where_and_what),
		cmocka_unit_test(a_config_is_as_long_as_it_says),
		cmocka_unit_test(round_robin_takes_turns),
		cmocka_unit_test(round_robin_is_fair_in_both_families_at_once),
		cmocka_unit_test(random_is_near_uniform),
		cmocka_unit_test(the_same_seed_gives_the_same_choices),
		cmocka_unit_test(masquerade_addresses_are_paired_with_clients),
		cmocka_unit_test(without_an_address_of_the_family_nothing_is_masqueraded),
		cmocka_unit_test(hooks_decide),
		cmocka_unit_test(a_failed_hook_is_counted_also_when_the_map_refuses),
		cmocka_unit_test(on_error_decides_for_a_failed_hook),
		cmocka_unit_test(on_error_must_be_one_of_three),
		cmocka_unit_test(forward_takes_a_port_by_name_number_or_order),
		cmocka_unit_test(hooks_see_services_and_what_is_intercepted),
		cmocka_unit_test(hooks_see_everything_if_everything_is_intercepted),
		cmocka_unit_test(the_last_reference_frees_hooks_once),
		cmocka_unit_test(traces_explain_a_service),
		cmocka_unit_test(traces_explain_refusals_and_what_is_left_alone),
		cmocka_unit_test(traces_quote_the_script),
		cmocka_unit_test(a_trace_keeps_to_its_room),
		cmocka_unit_test(frontends_are_listed_in_order_of_names),
		cmocka_unit_test(endpoints_are_listed_once_for_each_port),
		cmocka_unit_test(ten_thousand_services_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
