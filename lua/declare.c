/* declare.c - `node { ... }` and `service "namespace/name" { ... }`: from Lua tables to the structs of lunette.h.
 *
 * Each function reads one table and asks for its keys by name, so the code is the list of what there is.  What the engine
 * checks anyway (headers, an address and port that two services share) is left to it. */
#include "read.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_LENGTH = LUN_NAME_SIZE / 2 - 1, PORT_NAME_LENGTH = 63 }; /* "namespace/name:port" fits into LUN_NAME_SIZE */

/* Registry key of the table from a service's name to the place that declared it. */
static const char names_key;

/* One address of text, or a list of them. */
static const struct lun_address *read_address_or_list(struct reader *reader, struct keys *keys, const char *key,
						      size_t *count)
{
	struct lun_address *address;

	lua_getfield(reader->state, -1, key);
	if (lua_type(reader->state, -1) != LUA_TSTRING) {
		lua_pop(reader->state, 1);
		return read_addresses(reader, keys, key, count);
	}
	lua_pop(reader->state, 1);
	read_enter(reader, keys, key);
	address = read_memory(reader, 1, sizeof(*address));
	*address = read_address(reader);
	*count = 1;
	read_leave(reader);
	return address;
}

/* ---- timeouts, of the node or of a service --------------------------------------------------------------------------- */

#define STATE(name) (UINT32_C(1) << LUN_STATE_##name)

static_assert(LUN_STATE_COUNT <= 32, "a state is a bit of 32");

/* One key is the time of all of `states`.  => how many timeouts it made */
static size_t read_timeout(struct reader *reader, struct keys *keys, const char *key, uint32_t states,
			   struct lun_timeout *timeouts)
{
	uint64_t time = read_duration(reader, keys, key);
	size_t count = 0;

	for (int state = 0; time != 0 && state < LUN_STATE_COUNT; state++) {
		if (states >> state & 1)
			timeouts[count++] = (struct lun_timeout) { .state = (enum lun_state)state, .time = time };
	}
	return count;
}

static const struct lun_timeout *read_timeouts(struct reader *reader, struct keys *owner_keys, size_t *count)
{
	const uint32_t opening = STATE(SYN_SENT) | STATE(SYN_SENT2) | STATE(SYN_RECV);
	const uint32_t closing = STATE(FIN_WAIT) | STATE(CLOSE_WAIT) | STATE(LAST_ACK) | STATE(TIME_WAIT) | STATE(CLOSE);
	const uint32_t udp = STATE(UDP_UNREPLIED) | STATE(UDP_REPLIED) | STATE(UDP_STREAM);
	const uint32_t icmp = STATE(ICMP_UNREPLIED) | STATE(ICMP_REPLIED);
	const uint32_t other = STATE(OTHER_UNREPLIED) | STATE(OTHER_REPLIED);
	struct keys keys = { .count = 0 };
	struct lun_timeout *timeouts, *end;

	if (!read_enter(reader, owner_keys, "timeouts"))
		return NULL;
	read_table(reader, "timeouts, { tcp_established = \"2h4m\" }");
	timeouts = end = read_memory(reader, LUN_STATE_COUNT, sizeof(*timeouts));
	end += read_timeout(reader, &keys, "tcp_established", STATE(ESTABLISHED), end);
	end += read_timeout(reader, &keys, "tcp_opening", opening, end);
	end += read_timeout(reader, &keys, "tcp_closing", closing, end);
	end += read_timeout(reader, &keys, "udp", udp, end);
	end += read_timeout(reader, &keys, "icmp", icmp, end);
	end += read_timeout(reader, &keys, "sctp_established", STATE(SCTP_ESTABLISHED), end);
	end += read_timeout(reader, &keys, "other", other, end);
	read_end(reader, &keys);
	read_leave(reader);
	*count = (size_t)(end - timeouts);
	return timeouts;
}

/* ---- node ------------------------------------------------------------------------------------------------------------ */

/* intercept = "services" | "all" | list of prefixes */
static void read_intercept(struct reader *reader, struct keys *keys, struct declared *declared)
{
	static const char *const words[] = { "services", "all", NULL };
	static const struct lun_prefix all;
	int type = lua_getfield(reader->state, -1, "intercept");

	lua_pop(reader->state, 1);
	if (type == LUA_TTABLE) {
		declared->intercept = read_prefixes(reader, keys, "intercept", &declared->intercept_count);
	} else if (type != LUA_TNIL && type != LUA_TSTRING) {
		read_enter(reader, keys, "intercept");
		read_unexpected(reader, "\"services\", \"all\" or a list of prefixes");
	} else if (read_choice(reader, keys, "intercept", words, NULL) == 1) {
		declared->intercept = &all;
		declared->intercept_count = 1;
	}
}

static const char node_port_items[] = "a prefix such as \"10.0.0.0/8\", \"primary\", \"all\" or \"localhost\"";

/* An item of node_port_addresses: a prefix, or a word that stands for up to two; returns past the last. */
static struct lun_prefix *read_node_port_item(struct reader *reader, struct lun_node *node, struct lun_prefix *out)
{
	const char *text = read_string(reader, node_port_items);
	bool seen[2] = { false, false };

	if (strcmp(text, "primary") == 0) {
		for (size_t i = 0; i < node->address_count; i++) {
			bool v4 = lun_address_is_v4(&node->addresses[i]);

			if (!seen[v4])
				*out++ = (struct lun_prefix) { node->addresses[i], 128 };
			seen[v4] = true;
		}
	} else if (strcmp(text, "all") == 0) {
		lun_prefix_parse(out++, "0.0.0.0/0");
		lun_prefix_parse(out++, "::/0");
	} else if (strcmp(text, "localhost") == 0) {
		lun_prefix_parse(out++, "127.0.0.0/8");
		if (node->localhost_node_ports == LUN_DEFAULT)
			node->localhost_node_ports = LUN_ON;
	} else if (lun_prefix_parse(out++, text) < 0) {
		read_unexpected(reader, node_port_items);
	}
	return out;
}

/* node_port_addresses = "primary" | "all" | "localhost" | list of these and of prefixes.  Read after the node's addresses and
 * its localhost_node_ports. */
static void read_node_port_addresses(struct reader *reader, struct keys *keys, struct lun_node *node)
{
	bool one = lua_getfield(reader->state, -1, "node_port_addresses") == LUA_TSTRING;
	struct lun_prefix *prefixes, *end;
	size_t count;

	lua_pop(reader->state, 1);
	if (!read_enter(reader, keys, "node_port_addresses"))
		return;
	count = one ? 1 : read_list(reader, "a list of prefixes");
	prefixes = end = read_memory(reader, count * 2, sizeof(*prefixes));
	if (one)
		end = read_node_port_item(reader, node, end);
	for (size_t i = 0; i < count && !one; i++) {
		read_enter_item(reader, i);
		end = read_node_port_item(reader, node, end);
		read_leave(reader);
	}
	read_leave(reader);
	node->node_port_addresses = prefixes;
	node->node_port_address_count = (size_t)(end - prefixes);
}

static void read_limits(struct reader *reader, struct keys *node_keys, struct declared *declared)
{
	static const char *const answers[] = { "reject", "drop", NULL };
	struct keys keys = { .count = 0 };

	if (!read_enter(reader, node_keys, "limits"))
		return;
	read_table(reader, "limits, { per_source = 1000 }");
	declared->source_limit = read_limit(reader, &keys, "per_source");
	declared->half_open_limit = read_limit(reader, &keys, "half_open");
	declared->limits_drop = read_choice(reader, &keys, "answer", answers, NULL) == 1;
	read_end(reader, &keys);
	read_leave(reader);
}

static void read_on_error(struct reader *reader, struct keys *keys, struct declared *declared)
{
	static const char *const words[] = { "services", "drop", "accept", NULL };
	static const enum lun_action actions[] = { LUN_ACTION_MAP, LUN_ACTION_DROP, LUN_ACTION_ACCEPT };
	int choice = read_choice(reader, keys, "on_error", words, NULL);

	declared->on_error = choice < 0 ? LUN_ACTION_MAP : actions[choice];
}

static void read_node(struct reader *reader, struct declared *declared)
{
	struct keys keys = { .count = 0 };
	struct lun_node *node = &declared->node;

	node->name = read_text(reader, &keys, "name", "a string");
	node->zone = read_text(reader, &keys, "zone", "the name of a zone");
	node->addresses = read_addresses(reader, &keys, "addresses", &node->address_count);
	node->pods = read_prefixes(reader, &keys, "pods", &node->pod_count);
	node->service_ranges = read_prefixes(reader, &keys, "service_ranges", &node->service_range_count);
	node->localhost_node_ports = read_switch(reader, &keys, "localhost_node_ports");
	read_node_port_addresses(reader, &keys, node);
	node->masquerade_addresses =
		read_address_or_list(reader, &keys, "masquerade_address", &node->masquerade_address_count);
	node->masquerade_all = read_switch(reader, &keys, "masquerade_all") == LUN_ON;
	node->no_echo = read_switch(reader, &keys, "answer_echo") == LUN_OFF;
	declared->hash_seed = read_limit(reader, &keys, "hash_seed");
	read_intercept(reader, &keys, declared);
	declared->timeouts = read_timeouts(reader, &keys, &declared->timeout_count);
	read_limits(reader, &keys, declared);
	read_on_error(reader, &keys, declared);
	read_unsupported(reader, &keys, "invalid");
	read_unsupported(reader, &keys, "inline");
	read_end(reader, &keys);
	if (node->name == NULL)
		read_fail(reader, "expected a name, as in node { name = \"worker\" }");
}

static struct declared *declared_while_loading(lua_State *state, const char *word)
{
	struct script *script = script_of(state);

	if (!script->loading)
		luaL_error(state, "%s can be declared only while the policy is loaded", word);
	return &script->declared;
}

static int declare_node(lua_State *state)
{
	struct declared *declared = declared_while_loading(state, "a node");
	struct reader reader;

	read_begin(&reader, state, "node", NULL);
	if (declared->node_place[0] != '\0')
		read_fail(&reader, "declared twice, first at %s", declared->node_place);
	lua_settop(state, 1);
	read_table(&reader, "node { name = ..., addresses = { ... } }");
	read_place(&reader, declared->node_place);
	read_node(&reader, declared);
	return 0;
}

/* ---- service: ports and endpoints ------------------------------------------------------------------------------------ */

/* A name that goes into "namespace/name:port": letters, digits, '-', '_', '.'. */
static bool is_name(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)text[i]) && strchr("-_.", text[i]) == NULL)
			return false;
	}
	return length > 0;
}

static uint8_t read_protocol(struct reader *reader, struct keys *keys)
{
	static const uint8_t protocols[] = { LUN_TCP, LUN_UDP, LUN_SCTP };
	uint8_t found = 0;

	if (!read_enter(reader, keys, "protocol"))
		return LUN_TCP;
	for (size_t i = 0; i < sizeof(protocols); i++) {
		if (strcasecmp(read_string(reader, "\"tcp\", \"udp\" or \"sctp\""), lun_protocol_name(protocols[i])) == 0)
			found = protocols[i];
	}
	if (found == 0)
		read_unexpected(reader, "\"tcp\", \"udp\" or \"sctp\"");
	read_leave(reader);
	return found;
}

/* Against the ports before it: what may not come twice in one service. */
static void check_port(struct reader *reader, const struct lun_port *ports, size_t index)
{
	const struct lun_port *port = &ports[index];

	if (port->port == 0)
		read_fail(reader, "expected a port, as in { port = 80 }");
	if (port->name != NULL && (!is_name(port->name, strlen(port->name)) || strlen(port->name) > PORT_NAME_LENGTH))
		read_fail(reader, "name: expected at most %d letters, digits, '-', '_' and '.', got \"%.80s\"",
			  PORT_NAME_LENGTH, port->name);
	for (size_t i = 0; i < index; i++) {
		const char *protocol = lun_protocol_name(port->protocol);

		if (port->name != NULL && ports[i].name != NULL && strcmp(port->name, ports[i].name) == 0)
			read_fail(reader, "the name \"%s\" is that of ports[%zu] already", port->name, i + 1);
		if (port->protocol != ports[i].protocol)
			continue;
		if (port->port == ports[i].port)
			read_fail(reader, "port %u/%s is that of ports[%zu] already", port->port, protocol, i + 1);
		if (port->node_port != 0 && port->node_port == ports[i].node_port)
			read_fail(reader, "node_port %u/%s is that of ports[%zu] already", port->node_port, protocol, i + 1);
	}
}

static void read_ports(struct reader *reader, struct keys *service_keys, struct lun_service *service)
{
	struct lun_port *ports;

	if (!read_enter(reader, service_keys, "ports"))
		return;
	service->port_count = read_list(reader, "a list of ports, { { port = 80 } }");
	service->ports = ports = read_memory(reader, service->port_count, sizeof(*ports));
	for (size_t i = 0; i < service->port_count; i++) {
		struct keys keys = { .count = 0 };

		read_enter_item(reader, i);
		read_table(reader, "a port, { port = 80 }");
		ports[i].name = read_text(reader, &keys, "name", "a string");
		ports[i].protocol = read_protocol(reader, &keys);
		ports[i].port = read_port(reader, &keys, "port");
		ports[i].node_port = read_port(reader, &keys, "node_port");
		ports[i].target_port = read_port(reader, &keys, "target_port");
		read_end(reader, &keys);
		check_port(reader, ports, i);
		read_leave(reader);
	}
	read_leave(reader);
}

/* Whether a text that was read as an endpoint says a port: "[fd00::1]:0" and "10.0.0.1:0" do, "fd00::0" does not. */
static bool says_port(const char *text)
{
	const char *colon = strchr(text, ':');

	return strstr(text, "]:") != NULL || (colon != NULL && strchr(colon + 1, ':') == NULL);
}

/* The value on top: "10.244.0.5", "10.0.0.1:80", "[fd00::1]:80". */
static void read_endpoint_address(struct reader *reader, struct lun_endpoint *endpoint)
{
	static const char expected[] = "an endpoint such as \"10.244.0.5\", \"10.244.0.5:80\" or \"[fd00::5]:80\"";
	const char *text = read_string(reader, expected);

	if (lun_endpoint_parse(&endpoint->address, &endpoint->port, text) < 0 || (endpoint->port == 0 && says_port(text)))
		read_unexpected(reader, expected);
}

/* A list of names. */
static const char *const *read_names(struct reader *reader, struct keys *keys, const char *key, size_t *count)
{
	const char **names;

	if (!read_enter(reader, keys, key))
		return NULL;
	*count = read_list(reader, "a list of names");
	names = read_memory(reader, *count, sizeof(const char *));
	for (size_t i = 0; i < *count; i++) {
		read_enter_item(reader, i);
		names[i] = read_kept_string(reader, "a name");
		read_leave(reader);
	}
	read_leave(reader);
	return names;
}

/* hints = { zones = { "a" }, nodes = { "n1" } } */
static void read_hints(struct reader *reader, struct keys *endpoint_keys, struct lun_endpoint *endpoint)
{
	struct keys keys = { .count = 0 };

	if (!read_enter(reader, endpoint_keys, "hints"))
		return;
	read_table(reader, "hints, { zones = { \"a\" } }");
	endpoint->zone_hints = read_names(reader, &keys, "zones", &endpoint->zone_hint_count);
	endpoint->node_hints = read_names(reader, &keys, "nodes", &endpoint->node_hint_count);
	read_end(reader, &keys);
	read_leave(reader);
}

/* A weight of 0 keeps new flows away, as if it were not ready. */
static void read_weight(struct reader *reader, struct keys *keys, struct lun_endpoint *endpoint)
{
	lua_Integer weight;
	int exact;

	if (!read_enter(reader, keys, "weight"))
		return;
	weight = lua_tointegerx(reader->state, -1, &exact);
	if (lua_type(reader->state, -1) != LUA_TNUMBER || !exact || weight < 0 || weight > UINT16_MAX)
		read_unexpected(reader, "a whole number from 0 to 65535");
	read_leave(reader);
	endpoint->weight = (uint16_t)weight;
	if (weight == 0) {
		endpoint->not_ready = true;
		endpoint->ending = false;
	}
}

/* What is not said follows from the rest: one that ends is not ready, and serves. */
static void read_conditions(struct reader *reader, struct keys *keys, struct lun_endpoint *endpoint)
{
	enum lun_switch ready = read_switch(reader, keys, "ready"), serving = read_switch(reader, keys, "serving"),
			terminating = read_switch(reader, keys, "terminating");

	if (ready == LUN_DEFAULT)
		endpoint->not_ready = terminating == LUN_ON || serving == LUN_OFF;
	else
		endpoint->not_ready = ready == LUN_OFF;
	endpoint->ending = terminating == LUN_ON && serving != LUN_OFF;
}

/* { "10.244.0.6", port = 80, node = "other", ready = true } */
static void read_endpoint_table(struct reader *reader, struct lun_endpoint *endpoint)
{
	struct keys keys = { .positional = true };
	uint16_t port;

	read_enter_item(reader, 0);
	read_endpoint_address(reader, endpoint);
	read_leave(reader);
	port = read_port(reader, &keys, "port");
	if (port != 0)
		endpoint->port = port;
	endpoint->node = read_text(reader, &keys, "node", "the name of a node");
	endpoint->zone = read_text(reader, &keys, "zone", "the name of a zone");
	read_conditions(reader, &keys, endpoint);
	read_weight(reader, &keys, endpoint);
	read_hints(reader, &keys, endpoint);
	read_end(reader, &keys);
}

static void read_endpoints(struct reader *reader, struct keys *keys, struct lun_service *service)
{
	struct lun_endpoint *endpoints;

	if (!read_enter(reader, keys, "endpoints"))
		return;
	service->endpoint_count = read_list(reader, "a list of endpoints");
	service->endpoints = endpoints = read_memory(reader, service->endpoint_count, sizeof(*endpoints));
	for (size_t i = 0; i < service->endpoint_count; i++) {
		read_enter_item(reader, i);
		if (lua_istable(reader->state, -1))
			read_endpoint_table(reader, &endpoints[i]);
		else
			read_endpoint_address(reader, &endpoints[i]);
		read_leave(reader);
	}
	read_leave(reader);
}

/* ---- service --------------------------------------------------------------------------------------------------------- */

/* => `word` if the key is not there. */
static int read_choice_or(struct reader *reader, struct keys *keys, const char *key, const char *const *words, int word)
{
	int choice = read_choice(reader, keys, key, words, NULL);

	return choice < 0 ? word : choice;
}

/* The type only says what Kubernetes would allow: what is declared counts. */
static void check_type(struct reader *reader, const struct lun_service *service, bool cluster_ip)
{
	bool node_port = false;

	for (size_t i = 0; i < service->port_count; i++)
		node_port |= service->ports[i].node_port != 0;
	if (cluster_ip && node_port)
		read_warn(reader, "the type is ClusterIP, but a port has a node_port, which is served");
	else if (!cluster_ip && !node_port)
		read_warn(reader, "the type is NodePort or LoadBalancer, but no port has a node_port");
}

/* { client_ip = 10800 } */
static void read_affinity(struct reader *reader, struct keys *service_keys, struct lun_service *service)
{
	struct keys keys = { .count = 0 };

	if (!read_enter(reader, service_keys, "affinity"))
		return;
	read_table(reader, "{ client_ip = 10800 }");
	service->affinity = read_duration(reader, &keys, "client_ip");
	read_end(reader, &keys);
	if (service->affinity == 0)
		read_fail(reader, "expected { client_ip = 10800 }");
	read_leave(reader);
}

/* proxy_protocol = 1 | 2 */
static void read_proxy_protocol(struct reader *reader, struct keys *keys, struct lun_service *service)
{
	lua_Integer version;
	bool tcp = false;
	int exact;

	if (!read_enter(reader, keys, "proxy_protocol"))
		return;
	version = lua_tointegerx(reader->state, -1, &exact);
	if (lua_type(reader->state, -1) != LUA_TNUMBER || !exact || version < 1 || version > 2)
		read_unexpected(reader, "the version, 1 or 2");
	for (size_t i = 0; i < service->port_count; i++)
		tcp |= service->ports[i].protocol == LUN_TCP;
	if (!tcp)
		read_fail(reader, "expected a TCP port: the header stands at the beginning of a stream");
	read_leave(reader);
	service->proxy_protocol = (uint8_t)version;
}

/* rest = { after = 3, time = "10s" } */
static void read_rest(struct reader *reader, struct keys *service_keys, struct lun_service *service)
{
	struct keys keys = { .count = 0 };
	uint32_t after;

	if (!read_enter(reader, service_keys, "rest"))
		return;
	read_table(reader, "{ after = 3, time = \"10s\" }");
	after = read_limit(reader, &keys, "after");
	service->rest = read_duration(reader, &keys, "time");
	read_end(reader, &keys);
	if (after == 0 || after > UINT8_MAX)
		read_fail(reader, "expected after = 1 to 255, as in { after = 3, time = \"10s\" }");
	service->rest_after = (uint8_t)after;
	read_leave(reader);
}

/* A load balancer's address, or { "192.0.2.1", ip_mode = "Proxy" }: those are not handled on the node (R33).  => whether it is */
static bool read_load_balancer_ip(struct reader *reader, struct lun_address *address)
{
	static const char *const modes[] = { "VIP", "Proxy", NULL };
	struct keys keys = { .positional = true };
	bool proxy;

	if (!lua_istable(reader->state, -1)) {
		*address = read_address(reader);
		return true;
	}
	read_enter_item(reader, 0);
	*address = read_address(reader);
	read_leave(reader);
	proxy = read_choice(reader, &keys, "ip_mode", modes, NULL) == 1;
	read_end(reader, &keys);
	return !proxy;
}

static void read_load_balancer_ips(struct reader *reader, struct keys *keys, struct lun_service *service)
{
	struct lun_address *addresses;
	size_t count;

	if (!read_enter(reader, keys, "load_balancer_ips"))
		return;
	count = read_list(reader, "a list of addresses");
	service->load_balancer_ips = addresses = read_memory(reader, count, sizeof(*addresses));
	for (size_t i = 0; i < count; i++) {
		read_enter_item(reader, i);
		if (read_load_balancer_ip(reader, &addresses[service->load_balancer_ip_count]))
			service->load_balancer_ip_count++;
		read_leave(reader);
	}
	read_leave(reader);
}

static void read_choices(struct reader *reader, struct keys *keys, struct lun_service *service)
{
	static const char *const types[] = { "ClusterIP", "NodePort", "LoadBalancer", NULL };
	static const char *const balances[] = {
		"random", "round_robin", "least_connections", "maglev", "source_hash", NULL
	};                                                                          /* as enum lun_balance */
	static const char *const preferences[] = { "none", "local", "zone", NULL }; /* as enum lun_prefer */
	static const char *const masquerades[] = { "auto", "always", "never", NULL };
	static const char *const policies[] = { "Cluster", "Local", NULL };

	int type = read_choice(reader, keys, "type", types, NULL);

	service->balance = (enum lun_balance)read_choice_or(reader, keys, "balance", balances, LUN_BALANCE_RANDOM);
	service->prefer = (enum lun_prefer)read_choice_or(reader, keys, "prefer", preferences, LUN_PREFER_NONE);
	service->masquerade =
		(enum lun_masquerade)read_choice_or(reader, keys, "masquerade", masquerades, LUN_MASQUERADE_AUTO);
	service->external_local = read_choice(reader, keys, "external_traffic_policy", policies, NULL) == 1;
	service->internal_local = read_choice(reader, keys, "internal_traffic_policy", policies, NULL) == 1;
	if (type >= 0)
		check_type(reader, service, type == 0);
}

static void read_service(struct reader *reader, struct lun_service *service)
{
	struct keys keys = { .count = 0 };

	service->cluster_ips = read_addresses(reader, &keys, "cluster_ips", &service->cluster_ip_count);
	service->external_ips = read_addresses(reader, &keys, "external_ips", &service->external_ip_count);
	read_load_balancer_ips(reader, &keys, service);
	read_affinity(reader, &keys, service);
	read_rest(reader, &keys, service);
	service->slow_start = read_duration(reader, &keys, "slow_start");
	service->drain = read_duration(reader, &keys, "drain");
	service->no_retry = read_switch(reader, &keys, "retry") == LUN_OFF;
	service->load_balancer_source_ranges =
		read_prefixes(reader, &keys, "load_balancer_source_ranges", &service->load_balancer_source_range_count);
	read_ports(reader, &keys, service);
	read_endpoints(reader, &keys, service);
	read_choices(reader, &keys, service);
	http_read(reader, &keys, service);
	service->timeouts = read_timeouts(reader, &keys, &service->timeout_count);
	service->flow_limit = read_limit(reader, &keys, "flow_limit");
	service->health_check_node_port = read_port(reader, &keys, "health_check_node_port");
	read_proxy_protocol(reader, &keys, service);
	read_end(reader, &keys);
	if (service->port_count == 0)
		read_fail(reader, "expected ports, as in ports = { { port = 80 } }");
}

static void declared_add(lua_State *state, struct declared *declared, const struct lun_service *service)
{
	size_t capacity = declared->service_capacity * 2 + 16;
	struct lun_service *services;

	if (declared->service_count == declared->service_capacity) {
		services = realloc(declared->services, capacity * sizeof(*services));
		if (services == NULL)
			limits_no_memory(state);
		declared->services = services;
		declared->service_capacity = capacity;
	}
	declared->services[declared->service_count++] = *service;
}

bool declare_add(lua_State *state, const struct lun_service *service)
{
	lua_rawgetp(state, LUA_REGISTRYINDEX, &names_key);
	if (lua_getfield(state, -1, service->name) != LUA_TNIL)
		return false;
	lua_pop(state, 2);
	declared_add(state, &script_of(state)->declared, service);
	return true;
}

/* The place of a service, which no other one of its name may have.  => lives until declare_release */
static const char *declared_place(struct reader *reader)
{
	lua_State *state = reader->state;
	char place[SCRIPT_PLACE];
	const char *kept;

	lua_rawgetp(state, LUA_REGISTRYINDEX, &names_key);
	if (lua_getfield(state, -1, reader->name) != LUA_TNIL)
		read_fail(reader, "declared twice, first at %s", lua_tostring(state, -1));
	kept = lua_pushstring(state, read_place(reader, place));
	lua_setfield(state, -3, reader->name);
	lua_pop(state, 2);
	return kept;
}

/* The second half of `service "default/nginx" { ... }`; upvalues: the name, the line of the first half. */
static int declare_service_table(lua_State *state)
{
	struct declared *declared = declared_while_loading(state, "a service");
	struct lun_service service = { .name = lua_tostring(state, lua_upvalueindex(1)) };
	struct reader reader;

	declared->pending = NULL;
	lua_settop(state, 1);
	read_begin(&reader, state, "service", service.name);
	reader.line = (int)lua_tointeger(state, lua_upvalueindex(2));
	read_table(&reader, "a table behind the name");
	service.at = declared_place(&reader);
	read_service(&reader, &service);
	declared_add(state, declared, &service);
	return 0;
}

static void check_pending(lua_State *state, const struct declared *declared)
{
	if (declared->pending == NULL)
		return;
	lua_pushfstring(state, "%s: expected a table behind the name, service \"%s\" { ... }", declared->pending_place,
			declared->pending);
	lua_error(state);
}

static bool is_service_name(const char *name, size_t length)
{
	const char *slash = strchr(name, '/');

	return length <= NAME_LENGTH && slash != NULL && is_name(name, (size_t)(slash - name)) &&
	       is_name(slash + 1, length - (size_t)(slash + 1 - name));
}

/* The first half: the name.  => the function that takes the table */
static int declare_service(lua_State *state)
{
	static const char expected[] = "a name such as \"default/nginx\"";
	struct declared *declared = declared_while_loading(state, "a service");
	struct reader reader;
	const char *name;

	check_pending(state, declared);
	lua_settop(state, 1);
	read_begin(&reader, state, "service", NULL);
	name = read_kept_string(&reader, expected);
	if (!is_service_name(name, lua_rawlen(state, 1)))
		read_unexpected(&reader, expected);
	declared->pending = name;
	read_place(&reader, declared->pending_place);
	lua_pushinteger(state, reader.line);
	lua_pushcclosure(state, declare_service_table, 2);
	return 1;
}

void declare_open(lua_State *state)
{
	lua_newtable(state);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &names_key);
	lua_pushcfunction(state, declare_node);
	lua_setglobal(state, "node");
	lua_pushcfunction(state, declare_service);
	lua_setglobal(state, "service");
}

void declare_finish(lua_State *state)
{
	const struct script *script = script_of(state);

	check_pending(state, &script->declared);
	if (script->declared.node_place[0] != '\0') {
		kubernetes_declare(state);
		return;
	}
	lua_pushfstring(state, "%s:1: no node, expected node { name = ..., addresses = { ... } }", script->name);
	lua_error(state);
}

void declare_release(lua_State *state)
{
	lua_pushnil(state);
	lua_rawsetp(state, LUA_REGISTRYINDEX, &names_key);
	read_release(state);
}
