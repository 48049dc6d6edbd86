/* rules_text.c - what the firewall rules say.
 *
 *	-305  what may open a flow to a service address is queued: a SYN, an INIT, a UDP packet whose flow the kernel does not know
 *	      by the sets "committed"; where nft cannot queue, it gets the mark bit "queue",
 *	-300  by which iptables queues it.  It comes back with the bit "committed" or "reject", or both: left alone
 *	-200  (the kernel's conntrack finds the entry that was committed)
 *	-190  what a client sends is queued where it is to be edited and has payload: that is told by the lengths of its headers; of a
 *	      connection that is watched everything is, the upstream's packets with the bit "reject"; where nft cannot queue, it
 *	      gets the mark bit "queue", by which iptables queues it at -150.  This stays when the agent stops: nothing goes on unedited
 *	-190  fail-safe: what was to be translated and is not, is dropped, whatever the cause, but for TCP in mid-stream: a reset
 *	      tells its client that the connection is no more; what is to be left alone gets our connection mark, which says so
 *	      for all packets to come.  UDP that passes is put into "committed", what is dropped is taken out, so that the next
 *	      packet is decided anew
 *	-100  (the kernel translates.)  A ping to a cluster address that has endpoints is led to the node's own, which answers it: by
 *	      the kernel alone, so that it costs no trip here, and the agent need not be there
 *
 * Kept when the agent stops: all but the rule that queues.  The nat chains and the match on conntrack are needed in any case: the
 * kernel has its hooks for conntrack and NAT only where some rule uses them.
 *
 * What is carried passes one rule at each of these places: that is the price of a packet, keep it so.  UDP pays more, for its
 * flows have to be known before the kernel's conntrack knows them.
 *
 * Our bits are worth something only if nobody else can set them: they are cleared on what arrives and on what is made here.
 * Not on "lo": a connection of this host to itself passes twice, as output and as input, and was decided the first time. */
#define _GNU_SOURCE
#include "live/conntrack.h"
#include "live/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char table_head[] =
	"table " RULES_TABLE " {\n"
	"	set services4 { type ipv4_addr . inet_proto . inet_service; }\n"
	"	set services6 { type ipv6_addr . inet_proto . inet_service; }\n"
	"	set ranges4 { type ipv4_addr; flags interval; auto-merge; }\n"
	"	set ranges6 { type ipv6_addr; flags interval; auto-merge; }\n"
	"	map pinged4 { type ipv4_addr : ipv4_addr; }\n"
	"	map pinged6 { type ipv6_addr : ipv6_addr; }\n"
	"	set committed4 { type ipv4_addr . inet_service . ipv4_addr . inet_service; size 65535; "
	"flags dynamic,timeout; }\n"
	"	set committed6 { type ipv6_addr . inet_service . ipv6_addr . inet_service; size 65535; "
	"flags dynamic,timeout; }\n"
	"}\n";

/* Elements of one family.  No text at all if there are none: nft wants none then. */
static void put_elements(FILE *out, const struct lun_policy *policy, const char *set, bool v4)
{
	struct lun_frontend frontend;
	char address[LUN_ADDRESS_TEXT];
	bool first = true;

	for (size_t i = 0; lun_policy_frontend(policy, i, &frontend); i++) {
		if (lun_address_is_v4(&frontend.address) != v4)
			continue;
		if (first)
			fprintf(out, "add element " RULES_TABLE " %s {\n", set);
		fprintf(out, "\t%s . %s . %u,\n", lun_address_format(&frontend.address, address),
			lun_protocol_name(frontend.protocol), frontend.port);
		first = false;
	}
	if (!first)
		fputs("}\n", out);
}

/* A prefix of the policy's counts in IPv6, where IPv4 is ::ffff:0:0/96: one that is shorter may hold both families. */
static void put_range(FILE *out, const struct lun_prefix *prefix)
{
	static const struct lun_address v4 = { { [10] = 0xff, [11] = 0xff } };
	char address[LUN_ADDRESS_TEXT];

	lun_address_format(&prefix->address, address);
	if (prefix->length >= 96 && lun_address_is_v4(&prefix->address)) {
		fprintf(out, "add element " RULES_TABLE " ranges4 { %s/%d }\n", address, prefix->length - 96);
		return;
	}
	fprintf(out, "add element " RULES_TABLE " ranges6 { %s/%d }\n", address, prefix->length);
	if (lun_prefix_holds(prefix, &v4))
		fputs("add element " RULES_TABLE " ranges4 { 0.0.0.0/0 }\n", out);
}

void rules_put_services(FILE *out, const struct lun_policy *policy)
{
	fputs("flush set " RULES_TABLE " services4\nflush set " RULES_TABLE " services6\n", out);
	put_elements(out, policy, "services4", true);
	put_elements(out, policy, "services6", false);
}

/* The node's primary address of a family, as text; false if it has none. */
static bool format_primary(const struct lun_policy *policy, bool v4, char text[LUN_ADDRESS_TEXT])
{
	struct lun_address address;

	for (size_t i = 0; lun_policy_address(policy, i, &address); i++)
		if (lun_address_is_v4(&address) == v4)
			return lun_address_format(&address, text);
	return false;
}

/* Where pings to addresses of a family go: once for each port that is served there, which nft does not mind. */
static void put_pinged(FILE *out, const struct lun_policy *policy, const char *map, bool v4)
{
	char address[LUN_ADDRESS_TEXT], primary[LUN_ADDRESS_TEXT];
	struct lun_frontend frontend;

	fprintf(out, "flush map " RULES_TABLE " %s\n", map);
	if (!format_primary(policy, v4, primary))
		return;
	for (size_t i = 0; lun_policy_frontend(policy, i, &frontend); i++)
		if (frontend.echo && lun_address_is_v4(&frontend.address) == v4)
			fprintf(out, "add element " RULES_TABLE " %s { %s : %s }\n", map,
				lun_address_format(&frontend.address, address), primary);
}

static void put_sets(FILE *out, const struct lun_policy *policy)
{
	struct lun_prefix range;

	rules_put_services(out, policy);
	fputs("flush set " RULES_TABLE " ranges4\nflush set " RULES_TABLE " ranges6\n", out);
	for (size_t i = 0; lun_policy_range(policy, i, &range); i++)
		put_range(out, &range);
	put_pinged(out, policy, "pinged4", true);
	put_pinged(out, policy, "pinged6", false);
}

/* A UDP flow as its set has it, by the family of addresses. */
#define FLOW4 "ip saddr . udp sport . ip daddr . udp dport"
#define FLOW6 "ip6 saddr . udp sport . ip6 daddr . udp dport"

/* The lengths that a packet has only with payload, by that of its TCP header.  With IP options or extension headers it seems to have
 * some if it has none, which is as good. */
static void put_payload_set(FILE *out, const char *set, unsigned ip_header)
{
	fprintf(out, "	set %s { typeof tcp doff . meta length; flags interval; elements = {", set);
	for (unsigned words = 5; words <= 15; words++)
		fprintf(out, " %u . %u-4294967295,", words, ip_header + 4 * words + 1);
	fputs(" }; }\n", out);
}

static void put_edited(FILE *out, const struct rules *rules)
{
	put_payload_set(out, "payload4", 20);
	put_payload_set(out, "payload6", 40);
	fprintf(out,
		"	chain edited {\n"
		"		iif lo accept\n" /* this host's own to itself, edited as output */
		"		ct mark & 0x%08x == 0 tcp flags & syn == 0 goto watched\n"
		"		ct direction reply accept\n"
		"		meta nfproto ipv4 tcp doff . meta length @payload4 goto to_edits\n"
		"		meta nfproto ipv6 tcp doff . meta length @payload6 goto to_edits\n"
		"	}\n"
		"	chain watched {\n"
		"		ct direction reply meta mark set meta mark | 0x%08x\n"
		"		goto to_edits\n"
		"	}\n",
		CONNTRACK_UNWATCHED, rules->marks.reject);
	if (rules->queueing == RULES_NFT)
		fprintf(out, "	chain to_edits {\n		queue num %u\n	}\n", rules_edits_queue(rules));
	else
		fprintf(out, "	chain to_edits {\n		meta mark set meta mark | 0x%08x\n	}\n",
			rules->marks.queue);
}

/* A packet may also have inherited our bits from the one that it came in, or wraps (a tunnel). */
static void put_opening(FILE *out, const struct rules *rules)
{
	const struct lun_live_marks *marks = &rules->marks;
	uint32_t both = marks->committed | marks->reject, bits = both | marks->queue;

	fprintf(out,
		"	chain opening_prerouting {\n"
		"		type filter hook prerouting priority -305; policy accept;\n"
		"		tcp flags & (fin | syn | rst | ack) != syn meta mark & 0x%08x == 0 accept\n"
		"		iif lo meta mark & 0x%08x == 0x%08x notrack\n"
		"		iif != lo meta mark set meta mark & 0x%08x\n"
		"		meta mark & 0x%08x == 0 goto opening\n"
		"	}\n"
		"	chain opening_output {\n"
		"		type filter hook output priority -305; policy accept;\n"
		"		tcp flags & (fin | syn | rst | ack) != syn meta mark & 0x%08x == 0 accept\n"
		"		meta mark set meta mark & 0x%08x\n"
		"		goto opening\n"
		"	}\n",
		bits, both, both, ~bits, marks->committed, bits, ~bits);
	fprintf(out,
		"	chain opening {\n"
		"		" FLOW4 " @committed4 meta mark set meta mark | 0x%08x accept\n"
		"		" FLOW6 " @committed6 meta mark set meta mark | 0x%08x accept\n"
		"		ip daddr . ip protocol . th dport @services4 goto served\n"
		"		ip6 daddr . meta l4proto . th dport @services6 goto served\n"
		"		ip daddr @ranges4 goto served\n"
		"		ip6 daddr @ranges6 goto served\n"
		"	}\n"
		"	chain served {\n"
		"		tcp flags & (fin | syn | rst | ack) == syn goto to_queue\n"
		"		meta l4proto udp goto to_queue\n"
		"		meta l4proto sctp @th,96,8 1 goto to_queue\n"
		"	}\n",
		marks->committed, marks->committed);
	if (rules->queueing == RULES_NFT)
		fprintf(out, "	chain to_queue {\n		queue num %u\n	}\n", rules->queue);
	else
		fprintf(out, "	chain to_queue {\n		meta mark set meta mark | 0x%08x\n	}\n", marks->queue);
}

static void put_nat(FILE *out)
{
	static const char *const hooks[] = { "prerouting", "output" };

	for (int i = 0; i < 2; i++)
		fprintf(out,
			"	chain nat_%s {\n"
			"		type nat hook %s priority -100; policy accept;\n"
			"		icmp type echo-request dnat ip to ip daddr map @pinged4\n"
			"		icmpv6 type echo-request dnat ip6 to ip6 daddr map @pinged6\n"
			"	}\n",
			hooks[i], hooks[i]);
	fputs("	chain nat_input { type nat hook input priority 100; policy accept; }\n"
	      "	chain nat_postrouting { type nat hook postrouting priority 100; policy accept; }\n",
	      out);
}

/* The hooks that carry.  `ct status dnat` alone says nothing of what came past the queue: that may have been rejected. */
static void put_carry(FILE *out, const struct lun_live_marks *marks)
{
	static const char *const hooks[] = { "prerouting", "output" };
	uint32_t both = marks->committed | marks->reject;

	for (int i = 0; i < 2; i++)
		fprintf(out,
			"	chain failsafe_%s {\n"
			"		type filter hook %s priority -190; policy accept;\n"
			"		meta mark & 0x%08x == 0 ct mark & 0x%08x == 0x%08x goto edited\n"
			"		meta mark & 0x%08x == 0 ct status dnat accept\n"
			"		meta mark & 0x%08x == 0x%08x ct status dnat goto learn\n"
			"		goto failsafe\n"
			"	}\n",
			hooks[i], hooks[i], both, CONNTRACK_MASK | CONNTRACK_EDITED, CONNTRACK_MARK | CONNTRACK_EDITED, both,
			both, marks->committed);
}

static void put_failsafe(FILE *out, const struct rules *rules)
{
	const struct lun_live_marks *marks = &rules->marks;
	uint32_t both = marks->committed | marks->reject, plain = CONNTRACK_MARK | CONNTRACK_PLAIN;
	uint32_t left_alone = plain | CONNTRACK_UNWATCHED;

	fprintf(out,
		"	chain failsafe {\n"
		"		meta mark & 0x%08x == 0x%08x goto left_alone\n"
		"		meta mark & 0x%08x != 0 goto refuse\n"
		"		meta mark & 0x%08x != 0 goto untranslated\n"
		"		ct direction reply return\n"
		"		ct mark & 0x%08x == 0x%08x return\n"
		"		ip daddr . ip protocol . th dport @services4 goto no_flow\n"
		"		ip6 daddr . meta l4proto . th dport @services6 goto no_flow\n"
		"	}\n"
		"	chain no_flow {\n"
		"		tcp flags & (syn | rst) == 0 reject with tcp reset\n"
		"		drop\n"
		"	}\n",
		both, both, marks->reject, marks->committed, CONNTRACK_MASK | CONNTRACK_PLAIN, plain);
	fprintf(out,
		"	chain untranslated {\n"
		"		ct mark & 0x%08x == 0x%08x goto learn\n"
		"		delete @committed4 { " FLOW4 " }\n"
		"		delete @committed6 { " FLOW6 " }\n"
		"		drop\n"
		"	}\n"
		"	chain left_alone {\n"
		"		ct direction original ct mark set ct mark & 0x%08x | 0x%08x goto learn\n"
		"	}\n"
		"	chain learn {\n"
		"		ct mark & 0x%08x != 0x%08x return\n"
		"		update @committed4 { " FLOW4 " timeout %ums }\n"
		"		update @committed6 { " FLOW6 " timeout %ums }\n"
		"	}\n"
		"	chain refuse {\n"
		"		meta l4proto tcp reject with tcp reset\n"
		"		reject with icmpx type port-unreachable\n"
		"	}\n",
		CONNTRACK_MASK | CONNTRACK_PLAIN, plain, ~CONNTRACK_ALL, left_alone, CONNTRACK_MASK, CONNTRACK_MARK,
		rules->udp_timeout_ms, rules->udp_timeout_ms);
}

static void put_table(FILE *out, const struct rules *rules, const struct lun_policy *policy, bool of_inline)
{
	if (of_inline)
		fputs("delete table " RULES_TABLE "\n", out);
	fputs(table_head, out);
	fputs("flush table " RULES_TABLE "\n", out);
	put_sets(out, policy);
	fputs("table " RULES_TABLE " {\n", out);
	put_opening(out, rules);
	put_edited(out, rules);
	put_nat(out);
	put_carry(out, &rules->marks);
	put_failsafe(out, rules);
	fputs("}\n", out);
}

char *rules_table_text(const struct rules *rules, const struct lun_policy *policy, bool of_inline)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (rules->mode == LUN_LIVE_INLINE)
		rules_put_inline_table(out, rules, policy);
	else
		put_table(out, rules, policy, of_inline);
	return fclose(out) == 0 ? text : NULL;
}

char *rules_sets_text(const struct rules *rules, const struct lun_policy *policy)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (rules->mode == LUN_LIVE_INLINE)
		rules_put_inline_sets(out, policy);
	else
		put_sets(out, policy);
	return fclose(out) == 0 ? text : NULL;
}

/* Deletes every jump to our chain that a listing holds, whatever mark it looks for. */
static void put_deletions(FILE *out, const char *listing)
{
	static const char target[] = " -j " RULES_CHAIN;

	for (const char *line = listing; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t length = strcspn(line, "\n");

		if (length > sizeof(target) && strncmp(line, "-A ", 3) == 0 &&
		    strncmp(line + length - strlen(target), target, strlen(target)) == 0)
			fprintf(out, "-D %.*s\n", (int)length - 3, line + 3);
	}
}

char *rules_chain_text(const struct rules *rules, const char *table, const char *listing)
{
	static const char *const hooks[] = { "PREROUTING", "OUTPUT" };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "*%s\n:" RULES_CHAIN " - [0:0]\n", table);
	put_deletions(out, listing);
	fprintf(out, "-A " RULES_CHAIN " -j NFQUEUE --queue-num %d%s\n",
		strcmp(table, "raw") == 0 ? rules->queue : rules_edits_queue(rules),
		rules->mode == LUN_LIVE_INLINE ? " --queue-bypass" : "");
	for (int i = 0; i < 2; i++)
		fprintf(out, "-A %s -m mark --mark 0x%x/0x%x -j " RULES_CHAIN "\n", hooks[i], rules->marks.queue,
			rules->marks.queue);
	fputs("COMMIT\n", out);
	return fclose(out) == 0 ? text : NULL;
}

char *rules_no_chain_text(const char *table, const char *listing)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (strstr(listing, "-N " RULES_CHAIN "\n")) {
		fprintf(out, "*%s\n", table);
		put_deletions(out, listing);
		fputs("-F " RULES_CHAIN "\n-X " RULES_CHAIN "\nCOMMIT\n", out);
	}
	return fclose(out) == 0 ? text : NULL;
}

char *rules_text(const struct rules *rules, const struct lun_policy *policy)
{
	static const char format[] =
		"# nft -f -\n%s\n"
		"# Where the kernel lacks nft's queue expression, the chains to_queue and to_edits set the mark 0x%08x "
		"instead, for\n"
		"# iptables-nft-restore --noflush and ip6tables-nft-restore --noflush (or the same of iptables-legacy)\n"
		"%s%s";
	char *table = rules_table_text(rules, policy, false), *chain = rules_chain_text(rules, "raw", "");
	char *edits = rules->mode == LUN_LIVE_COMMIT ? rules_chain_text(rules, "mangle", "") : strdup("");
	char *text = NULL;

	if (table && chain && edits && asprintf(&text, format, table, rules->marks.queue, chain, edits) < 0)
		text = NULL;
	free(table);
	free(chain);
	free(edits);
	return text;
}
