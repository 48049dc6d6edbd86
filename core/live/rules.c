/* rules.c - how the firewall rules come and go.
 *
 * Removing a hook drops every packet that is queued in the namespace at that moment, so nothing here removes one but
 * rules_remove: chains are filled and emptied, in one transaction each.  The chain of iptables comes first and the table
 * of nft last, for without the latter no packet has the bit that the former looks for: the last step is the one that
 * counts. */
#include "live/rules.h"
#include "live/fail.h"
#include "live/program.h"
#include "live/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* iptables for both families; the second is left out where the kernel has no IPv6. */
static const char *const xtables_programs[][2] = {
	[RULES_IPTABLES_NFT] = { "iptables-nft", "ip6tables-nft" },
	[RULES_IPTABLES_LEGACY] = { "iptables-legacy", "ip6tables-legacy" },
};

static const char *const restore_programs[][2] = {
	[RULES_IPTABLES_NFT] = { "iptables-nft-restore", "ip6tables-nft-restore" },
	[RULES_IPTABLES_LEGACY] = { "iptables-legacy-restore", "ip6tables-legacy-restore" },
};

/* The tables in which packets are queued: before the kernel's conntrack, and behind it what is to be edited. */
static const char *const xtables_tables[] = { "raw", "mangle" };

static int table_count(const struct rules *rules)
{
	return rules->mode == LUN_LIVE_COMMIT ? 2 : 1;
}

static int family_count(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0 ? 2 : 1;
}

/* Feeds `text`, which it frees, to nft. */
static int nft(char *text, struct lun_error *error)
{
	const char *const argv[] = { "nft", "-f", "-", NULL };
	int code;

	if (!text)
		return live_fail(error, LUN_NO_MEMORY, "no memory for the rules");
	code = program_run(argv, text, NULL, error);
	free(text);
	return code;
}

/* Has the kernel this, in a table that is only tried (-c) and never there? */
static int nft_try(const char *rule, struct lun_error *error)
{
	const char *const argv[] = { "nft", "-c", "-f", "-", NULL };
	char text[256];

	snprintf(text, sizeof(text), "table inet lunette_probe { chain probe { %s; }; }\n", rule);
	return program_run(argv, text, NULL, error);
}

/* The rules of a table as text, which the caller frees. */
static int xtables_list(const char *program, const char *table, char **listing, struct lun_error *error)
{
	const char *const argv[] = { program, "-w", "5", "-t", table, "-S", NULL };

	return program_run(argv, NULL, listing, error);
}

static int xtables_restore(const char *program, const char *text, bool try, struct lun_error *error)
{
	const char *const argv[] = { program, "-w", "5", "--noflush", try ? "--test" : NULL, NULL };

	return program_run(argv, text, NULL, error);
}

int rules_try_nft(struct lun_error *error)
{
	return nft_try("meta mark 0", error);
}

int rules_try(enum rules_queueing queueing, struct lun_error *error)
{
	static const char text[] = "*raw\n-A PREROUTING -m mark --mark 0x1/0x1 -j NFQUEUE --queue-num 0\nCOMMIT\n";

	if (queueing == RULES_NFT)
		return nft_try("queue num 0", error);
	return xtables_restore(restore_programs[queueing][0], text, true, error);
}

unsigned rules_udp_timeout(void)
{
	enum { DEFAULT_S = 30, MOST_S = 86400, EARLIER_MS = 5000 };
	FILE *file = fopen("/proc/sys/net/netfilter/nf_conntrack_udp_timeout", "re");
	unsigned seconds = DEFAULT_S;

	if (file) {
		if (fscanf(file, "%u", &seconds) != 1 || seconds == 0 || seconds > MOST_S)
			seconds = DEFAULT_S;
		fclose(file);
	}
	return seconds * 1000 > 2 * EARLIER_MS ? seconds * 1000 - EARLIER_MS : seconds * 500;
}

int rules_detect(enum rules_queueing *queueing, struct lun_error *error)
{
	struct lun_error why = { 0 };
	int code = rules_try_nft(error);

	if (code < 0)
		return code;
	for (*queueing = RULES_NFT; *queueing <= RULES_IPTABLES_LEGACY; ++*queueing)
		if (rules_try(*queueing, &why) == 0)
			return 0;
	*queueing = RULES_NFT;
	return live_fail(error, LUN_UNSUPPORTED,
			 "this kernel can queue neither with nft (CONFIG_NFT_QUEUE) nor with iptables "
			 "(CONFIG_NETFILTER_XT_TARGET_NFQUEUE): %s",
			 why.text);
}

/* Refuses where the rules in place feed another queue that a living process has. */
static int refuse_other_agent(const char *listing, uint16_t queue, struct lun_error *error)
{
	static const char *const before[] = { "--queue-num ", "queue num ", "queue to " };
	char owner[64];

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		const char *number = strstr(listing, before[i]);
		uint16_t other = number ? (uint16_t)strtoul(number + strlen(before[i]), NULL, 10) : queue;

		if (other != queue && queue_owner(other, owner, sizeof(owner)))
			return live_fail(error, LUN_EXISTS, "this network namespace is served by %s already (queue %u)",
					 owner, other);
	}
	return 0;
}

static int find_other_agent(uint16_t queue, struct lun_error *error)
{
	const char *const argv[] = { "nft", "list", "chain", "inet", "lunette", "to_queue", NULL };
	struct lun_error ignored;
	char *listing = NULL;
	int code = 0;

	if (program_run(argv, NULL, &listing, &ignored) == 0)
		code = refuse_other_agent(listing, queue, error);
	free(listing);
	return code;
}

/* Only our part of the listing: another tool may queue, too. */
static const char *chain_in(const char *listing)
{
	const char *rule = strstr(listing, "-A " RULES_CHAIN " ");

	return rule ? rule : "";
}

/* Has the listing a line with this beginning and this end? */
static bool has_line(const char *listing, const char *beginning, const char *end)
{
	bool found = false;

	for (const char *line = listing; *line && !found; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t length = strcspn(line, "\n"), tail = strlen(end);

		found = length >= strlen(beginning) + tail && strncmp(line, beginning, strlen(beginning)) == 0 &&
			strncmp(line + length - tail, end, tail) == 0;
	}
	return found;
}

/* Feeds `text`, which it frees, to iptables-restore. */
static int xtables_restore_text(enum rules_queueing queueing, int family, char *text, struct lun_error *error)
{
	int code = text ? 0 : live_fail(error, LUN_NO_MEMORY, "no memory for the rules");

	if (text && *text)
		code = xtables_restore(restore_programs[queueing][family], text, false, error);
	free(text);
	return code;
}

static int xtables_install_table(const struct rules *rules, int family, const char *table, struct lun_error *error)
{
	char *listing = NULL;
	int code = xtables_list(xtables_programs[rules->queueing][family], table, &listing, error);

	if (code == 0 && table == xtables_tables[0])
		code = refuse_other_agent(chain_in(listing), rules->queue, error);
	if (code == 0)
		code = xtables_restore_text(rules->queueing, family, rules_chain_text(rules, table, listing), error);
	free(listing);
	return code;
}

static int xtables_install_family(const struct rules *rules, int family, struct lun_error *error)
{
	int code = 0;

	for (int i = 0; code == 0 && i < table_count(rules); i++)
		code = xtables_install_table(rules, family, xtables_tables[i], error);
	return code;
}

/* iptables-nft leaves a table of empty chains, which was not there before us; gone, it comes back when it is needed. */
static int xtables_remove_empty_table(enum rules_queueing queueing, int family, const char *table, struct lun_error *error)
{
	char *listing = NULL, text[64];
	int code = xtables_list(xtables_programs[queueing][family], table, &listing, error);
	bool empty = code == 0 && !strstr(listing, "-A ") && !strstr(listing, "-N ") && !strstr(listing, " DROP\n");

	free(listing);
	if (!empty || queueing != RULES_IPTABLES_NFT)
		return code;
	snprintf(text, sizeof(text), "table %1$s %2$s\ndelete table %1$s %2$s\n", family == 0 ? "ip" : "ip6", table);
	return nft(strdup(text), error);
}

static int xtables_remove_chain(enum rules_queueing queueing, int family, const char *table, struct lun_error *error)
{
	char *listing = NULL;
	int code = xtables_list(xtables_programs[queueing][family], table, &listing, error);

	if (code == 0)
		code = xtables_restore_text(queueing, family, rules_no_chain_text(table, listing), error);
	free(listing);
	return code ? code : xtables_remove_empty_table(queueing, family, table, error);
}

static int xtables_remove_family(const struct rules *rules, int family, struct lun_error *error)
{
	int code = 0;

	for (int i = 0; i < table_count(rules); i++) {
		int problem = xtables_remove_chain(rules->queueing, family, xtables_tables[i], error);

		code = code ? code : problem;
	}
	return code;
}

/* Is there a table of an earlier agent, whose connections it carries? */
static bool table_exists(void)
{
	const char *const argv[] = { "nft", "list", "set", "inet", "lunette", "services4", NULL };
	struct lun_error ignored;

	return program_run(argv, NULL, NULL, &ignored) == 0;
}

/* Is that table one of inline mode? */
static bool table_is_of_inline(void)
{
	const char *const argv[] = { "nft", "list", "chain", "inet", "lunette", "answered_output", NULL };
	struct lun_error ignored;

	return program_run(argv, NULL, NULL, &ignored) == 0;
}

int rules_install(const struct rules *rules, const struct lun_policy *policy, struct lun_error *error)
{
	bool before = rules->mode == LUN_LIVE_COMMIT && table_exists();
	struct lun_error ignored;
	int code = rules->queueing == RULES_NFT ? find_other_agent(rules->queue, error) : 0;

	if (rules->queueing != RULES_NFT)
		for (int family = 0; code == 0 && family < family_count(); family++)
			code = xtables_install_family(rules, family, error);
	if (code == 0)
		code = nft(rules_table_text(rules, policy, before && table_is_of_inline()), error);
	if (code < 0 && code != LUN_EXISTS) {
		if (before)
			rules_stop_queueing(rules, &ignored);
		else
			rules_remove(rules, &ignored);
	}
	return code;
}

int rules_update(const struct rules *rules, const struct lun_policy *before, const struct lun_policy *policy,
		 struct lun_error *error)
{
	char *text = rules_sets_text(rules, policy), *there = rules_sets_text(rules, before);
	bool same = text && there && strcmp(text, there) == 0;

	free(there);
	if (!same)
		return nft(text, error);
	free(text);
	return 0;
}

bool rules_are_in_raw(const struct rules *rules)
{
	static const char *const parts[] = { "-A PREROUTING ", "-A OUTPUT ", "-A " RULES_CHAIN " -j NFQUEUE " };
	struct lun_error ignored;
	bool complete = true;

	for (int i = 0; rules->queueing != RULES_NFT && complete && i < family_count() * table_count(rules); i++) {
		const char *program = xtables_programs[rules->queueing][i / table_count(rules)];
		char *listing = NULL;

		complete = xtables_list(program, xtables_tables[i % table_count(rules)], &listing, &ignored) == 0;
		for (size_t k = 0; complete && k < sizeof(parts) / sizeof(parts[0]); k++)
			complete = has_line(listing, parts[k], k < 2 ? " -j " RULES_CHAIN : "");
		free(listing);
	}
	return complete;
}

int rules_stop_queueing(const struct rules *rules, struct lun_error *error)
{
	int code = 0;

	if (rules->queueing == RULES_NFT)
		return nft(strdup("flush chain " RULES_TABLE " to_queue\n"), error);
	for (int family = 0; family < family_count(); family++) {
		const char *const argv[] = {
			xtables_programs[rules->queueing][family], "-w", "5", "-t", "raw", "-F", RULES_CHAIN, NULL
		};
		int problem = program_run(argv, NULL, NULL, error);

		code = code ? code : problem;
	}
	return code;
}

int rules_remove(const struct rules *rules, struct lun_error *error)
{
	int code = nft(strdup("table " RULES_TABLE "\ndelete table " RULES_TABLE "\n"), error);

	if (rules->queueing == RULES_NFT)
		return code;
	for (int family = 0; family < family_count(); family++) {
		int problem = xtables_remove_family(rules, family, error);

		code = code ? code : problem;
	}
	return code;
}
