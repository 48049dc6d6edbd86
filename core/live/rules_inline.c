/* rules_inline.c - what the firewall rules of inline mode say.
 *
 *	-305  whatever arrives or is made here is queued; where nft cannot, it gets the mark bit "queue",
 *	-300  by which iptables queues it.  It comes back with the bit "committed": translated, or with "reject", too: left alone
 *	-290  what is translated is none of the kernel's conntrack's business.  What has no bit (it was not valid, the queue was
 *	      full, or nobody is there) goes on, but for what concerns a service: to its address, or from its endpoints, it
 *	      would leave untranslated.  Fragments but the first have no ports to tell, so all of them are dropped
 *	-200  (the kernel's conntrack, if some rule of others uses it: none of ours does)
 *
 * Not queued: multicast and what belongs to a link alone (addresses that are not known yet, link-local ones, IPv6 neighbour
 * discovery), which is never translated; nor what goes from a loopback address to one and to no service.
 *
 * What this host sends to itself passes twice, as output and over "lo", and is decided the first time.  What the agent sends
 * itself comes over "lo", too, with the bit.  Our bits are worth something only if nobody else can set them: they are cleared
 * on what arrives elsewhere and on what is made here. */
#include "live/rules.h"

static const char table_head[] = "table " RULES_TABLE "\n"
				 "delete table " RULES_TABLE "\n"
				 "table " RULES_TABLE " {\n"
				 "	set services4 { type ipv4_addr . inet_proto . inet_service; }\n"
				 "	set services6 { type ipv6_addr . inet_proto . inet_service; }\n"
				 "	set endpoints4 { type ipv4_addr . inet_service; }\n"
				 "	set endpoints6 { type ipv6_addr . inet_service; }\n"
				 "}\n";

/* Those of one family.  No text at all if there are none: nft wants none then. */
static void put_endpoints(FILE *out, const struct lun_policy *policy, const char *set, bool v4)
{
	char text[LUN_ADDRESS_TEXT];
	struct lun_address address;
	bool first = true;
	uint16_t port;

	fprintf(out, "flush set " RULES_TABLE " %s\n", set);
	for (size_t i = 0; lun_policy_endpoint(policy, i, &address, &port); i++) {
		if (lun_address_is_v4(&address) != v4)
			continue;
		if (first)
			fprintf(out, "add element " RULES_TABLE " %s {\n", set);
		fprintf(out, "\t%s . %u,\n", lun_address_format(&address, text), port);
		first = false;
	}
	if (!first)
		fputs("}\n", out);
}

void rules_put_inline_sets(FILE *out, const struct lun_policy *policy)
{
	rules_put_services(out, policy);
	put_endpoints(out, policy, "endpoints4", true);
	put_endpoints(out, policy, "endpoints6", false);
}

static void put_queueing(FILE *out, const struct rules *rules)
{
	const struct lun_live_marks *marks = &rules->marks;
	uint32_t both = marks->committed | marks->reject, bits = both | marks->queue;

	fprintf(out,
		"	chain arriving {\n"
		"		type filter hook prerouting priority -305; policy accept;\n"
		"		iif lo meta mark & 0x%08x != 0 accept\n"
		"		meta mark & 0x%08x != 0 meta mark set meta mark & 0x%08x\n"
		"		jump choose\n"
		"	}\n"
		"	chain leaving {\n"
		"		type filter hook output priority -305; policy accept;\n"
		"		meta mark & 0x%08x != 0 meta mark set meta mark & 0x%08x\n"
		"		jump choose\n"
		"	}\n"
		"	chain choose {\n"
		"		ip daddr 224.0.0.0/3 goto left_alone\n"
		"		ip saddr 0.0.0.0 goto left_alone\n"
		"		ip saddr 127.0.0.0/8 ip daddr 127.0.0.0/8 ip daddr . ip protocol . th dport != @services4 "
		"goto left_alone\n"
		"		ip6 daddr { ::1, fe80::/10, ff00::/8 } goto left_alone\n"
		"		ip6 saddr { ::, fe80::/10 } goto left_alone\n"
		"		icmpv6 type 130-136 goto left_alone\n"
		"		goto to_queue\n"
		"	}\n"
		"	chain left_alone {\n"
		"		meta mark set meta mark | 0x%08x\n"
		"	}\n",
		marks->committed, bits, ~bits, bits, ~bits, both);
	if (rules->queueing == RULES_NFT)
		fprintf(out, "	chain to_queue {\n		queue num %u bypass\n	}\n", rules->queue);
	else
		fprintf(out, "	chain to_queue {\n		meta mark set meta mark | 0x%08x\n	}\n", marks->queue);
}

static void put_answered(FILE *out, const struct lun_live_marks *marks, const char *hook)
{
	fprintf(out,
		"	chain answered_%s {\n"
		"		type filter hook %s priority -290; policy accept;\n"
		"		meta mark & 0x%08x == 0 goto unanswered\n"
		"		meta mark & 0x%08x == 0 notrack\n"
		"	}\n",
		hook, hook, marks->committed, marks->reject);
}

void rules_put_inline_table(FILE *out, const struct rules *rules, const struct lun_policy *policy)
{
	fputs(table_head, out);
	rules_put_inline_sets(out, policy);
	fputs("table " RULES_TABLE " {\n", out);
	put_queueing(out, rules);
	fputs("	chain unanswered {\n"
	      "		ip daddr . ip protocol . th dport @services4 drop\n"
	      "		ip6 daddr . meta l4proto . th dport @services6 drop\n"
	      "		ip saddr . th sport @endpoints4 drop\n"
	      "		ip6 saddr . th sport @endpoints6 drop\n"
	      "		ip frag-off & 0x1fff != 0 drop\n"
	      "		frag frag-off != 0 drop\n"
	      "	}\n",
	      out);
	put_answered(out, &rules->marks, "prerouting");
	put_answered(out, &rules->marks, "output");
	fputs("}\n", out);
}
