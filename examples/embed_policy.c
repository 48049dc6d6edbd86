/* embed_policy.c - a policy in C, no Lua: two services, and a hook that is asked about each new connection.
 *
 *	embed_policy "tcp 192.0.2.7:40000 10.96.0.10:80"...
 *
 * Says of each connection where it would go.  Clients of 192.0.2.0/28 try the next version of the shop; those of 203.0.113.0/24 are
 * refused; all others get what the map of services says. */
#include <lunette/replay.h>
#include <stdio.h>

struct rules {
	struct lun_prefix testers, blocked;
};

static int on_flow(void *user, const struct lun_new_flow *flow, struct lun_decision *decision)
{
	const struct rules *rules = user;

	if (lun_prefix_holds(&rules->blocked, &flow->tuple.source)) {
		decision->action = LUN_ACTION_REJECT;
		decision->why = "blocked range";
	} else if (flow->service && lun_prefix_holds(&rules->testers, &flow->tuple.source)) {
		decision->action = LUN_ACTION_FORWARD;
		decision->service = "shop/next";
	}
	return 0; /* else the map decides */
}

/* The rules must live as long as the policy; all else is copied. */
static int make_policy(struct lun_policy **policy, struct rules *rules, struct lun_error *error)
{
	struct lun_address cluster_ip;
	struct lun_port port = { .port = 80, .target_port = 8080 };
	struct lun_endpoint web = { 0 }, next = { 0 };
	struct lun_service services[] = {
		{ .name = "shop/web", .cluster_ips = &cluster_ip, .cluster_ip_count = 1, .endpoints = &web },
		{ .name = "shop/next", .endpoints = &next }, /* no address: only the hook leads there */
	};
	struct lun_policy_config config = {
		.size = sizeof(config), .services = services, .service_count = 2, .hooks = { .flow = on_flow, .user = rules }
	};

	for (int i = 0; i < 2; i++) {
		services[i].ports = &port;
		services[i].port_count = services[i].endpoint_count = 1;
	}
	lun_address_parse(&cluster_ip, "10.96.0.10");
	lun_address_parse(&web.address, "10.244.0.5");
	lun_address_parse(&next.address, "10.244.0.6");
	lun_prefix_parse(&rules->testers, "192.0.2.0/28");
	lun_prefix_parse(&rules->blocked, "203.0.113.0/24");
	return lun_policy_new(policy, &config, error);
}

static int ask(struct lun_engine *engine, const char *query)
{
	char text[LUN_TUPLE_TEXT];
	struct lun_packet packet = { 0 };
	struct lun_event event;
	struct lun_error error;
	uint8_t data[128];

	if (lun_replay_query(query, data, sizeof(data), &packet, &error) < 0)
		return fprintf(stderr, "%s\n", error.text), 2;
	lun_engine_packets(engine, &packet, 1, 0);
	printf("%s: %s", query, lun_verdict_name(packet.verdict));
	if (packet.verdict == LUN_ACCEPT)
		printf(" %s\n", lun_tuple_format(&packet.is, text));
	else
		printf(", %s\n", lun_reason_text(packet.reason));
	while (lun_engine_next_event(engine, &event))
		continue; /* the answer to who was rejected: an agent sends it */
	return 0;
}

int main(int argc, char **argv)
{
	const struct lun_config config = { .size = sizeof(config), .flows = 1000 };
	struct lun_policy *policy = NULL;
	struct lun_engine *engine = NULL;
	struct lun_error error;
	struct rules rules;
	int status = 0;

	if (argc < 2)
		return fprintf(stderr, "usage: embed_policy \"PROTOCOL SOURCE:PORT DESTINATION:PORT\"...\n"), 2;
	if (make_policy(&policy, &rules, &error) < 0 || lun_engine_new(&engine, &config, policy, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		status = 1;
	}
	for (int i = 1; status == 0 && i < argc; i++)
		status = ask(engine, argv[i]);
	lun_engine_free(engine);
	lun_policy_unref(policy);
	return status;
}
