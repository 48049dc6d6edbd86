/* surroundings.c - what an agent has to live with.
 *
 * Others' rules are read as text, line by line: nobody's rules are understood here, only words looked for that have made trouble.
 * So what is found is a hint with the rule beside it, never a failure. */
#include "live/surroundings.h"
#include "live/program.h"
#include "live/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HALF_OF_ALL_BITS = 16, READINGS = 1000, SLOW_NS = 1000, TABLE_LEAST = 65536 };

/* ---- rules ---- */

/* Does the line speak of one of these bits of the packet mark?  A number with more than half of all bits set is a mask of what stays,
 * so its complement counts. */
static bool uses_bits(const char *line, uint32_t bits)
{
	if (!strstr(line, "mark") && !strstr(line, "MARK"))
		return false;
	if (strstr(line, "ct mark") || strstr(line, "connmark") || strstr(line, "CONNMARK"))
		return false;
	for (const char *number = strstr(line, "0x"); number; number = strstr(number + 2, "0x")) {
		uint32_t value = (uint32_t)strtoul(number, NULL, 16);

		if (__builtin_popcount(value) > HALF_OF_ALL_BITS)
			value = ~value;
		if (value & bits)
			return true;
	}
	return false;
}

/* The first line of a kind is kept, with its table. */
static void keep(char place[SURROUNDINGS_TEXT], const char *table, const char *line)
{
	if (!place[0])
		snprintf(place, SURROUNDINGS_TEXT, "%.80s: %.200s", table, line);
}

static void look_at_line(struct surrounding_rules *rules, const char *table, const char *line, uint32_t bits)
{
	if (strstr(line, "KUBE-SERVICES") || strstr(table, "kube-proxy"))
		keep(rules->kube_proxy, table, line);
	if (uses_bits(line, bits))
		keep(rules->mark_bits, table, line);
	if (strstr(line, "notrack") || strstr(line, "NOTRACK"))
		keep(rules->notrack, table, line);
	if ((strstr(line, "hook forward") && strstr(line, "policy drop")) || strncmp(line, ":FORWARD DROP", 13) == 0)
		keep(rules->forward, table, line);
}

/* `listing` is changed: it is cut into lines. */
static void look_at_rules(struct surrounding_rules *rules, char *listing, uint32_t bits)
{
	char table[100] = "iptables-legacy", chain[100] = "", *rest, *line;

	for (line = strtok_r(listing, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		line += strspn(line, " \t");
		if (sscanf(line, "table %98[^{]", table) == 1)
			table[strlen(table) - 1] = 0; /* the blank before the brace */
		else if (line[0] == '*')
			snprintf(table, sizeof(table), "iptables-legacy, table %s", line + 1);
		sscanf(line, "chain %98s", chain);
		if (line[0] == '#' || strncmp(table, "inet lunette", 12) == 0 || strcmp(chain, "LUNETTE") == 0 ||
		    strstr(line, "LUNETTE"))
			continue;
		look_at_line(rules, table, line, bits);
	}
}

/* iptables-legacy's tables are loaded by looking at them, so only those that there are are looked at. */
static bool legacy_in_use(const char *names)
{
	FILE *file = fopen(names, "re");
	bool in_use = file && fgetc(file) != EOF;

	if (file)
		fclose(file);
	return in_use;
}

int surroundings_rules(struct surrounding_rules *rules, uint32_t bits, struct lun_error *error)
{
	static const struct {
		const char *names; /* of a file that is empty if there are none; NULL: always */
		const char *argv[4];
	} listings[] = {
		{ NULL, { "nft", "list", "ruleset", NULL } },
		{ "/proc/net/ip_tables_names", { "iptables-legacy-save", NULL } },
		{ "/proc/net/ip6_tables_names", { "ip6tables-legacy-save", NULL } },
	};

	*rules = (struct surrounding_rules) { .kube_proxy = "" };
	for (size_t i = 0; i < sizeof(listings) / sizeof(listings[0]); i++) {
		char *listing = NULL;
		int code = listings[i].names && !legacy_in_use(listings[i].names)
				   ? 0
				   : program_run(listings[i].argv, NULL, &listing, error);

		if (code < 0)
			return code;
		if (listing)
			look_at_rules(rules, listing, bits);
		free(listing);
	}
	return 0;
}

/* ---- the rest ---- */

bool surroundings_queue(uint16_t number, char text[SURROUNDINGS_TEXT])
{
	char owner[64];

	if (!queue_owner(number, owner, sizeof(owner))) {
		snprintf(text, SURROUNDINGS_TEXT, "queue %u is free", number);
		return true;
	}
	snprintf(text, SURROUNDINGS_TEXT, "queue %u belongs to %s", number, owner);
	return strstr(owner, "(lunette)") != NULL;
}

/* A file with a number, or 0. */
static unsigned long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long number = 0;

	if (file) {
		if (fscanf(file, "%lu", &number) != 1)
			number = 0;
		fclose(file);
	}
	return number;
}

bool surroundings_table(char text[SURROUNDINGS_TEXT])
{
	unsigned long most = read_number("/proc/sys/net/netfilter/nf_conntrack_max");
	unsigned long count = read_number("/proc/sys/net/netfilter/nf_conntrack_count");
	unsigned long buckets = read_number("/proc/sys/net/netfilter/nf_conntrack_buckets");

	snprintf(text, SURROUNDINGS_TEXT, "%lu of %lu entries, %lu buckets", count, most, buckets);
	return most >= TABLE_LEAST && count < most / 10 * 8 && buckets >= most / 8;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The best of some tries: others may have the processor meanwhile. */
static uint64_t reading_ns(void)
{
	uint64_t least = UINT64_MAX;

	for (int tries = 0; tries < 5; tries++) {
		uint64_t start = clock_ns(CLOCK_MONOTONIC), took;

		for (int i = 0; i < READINGS; i++)
			clock_ns(CLOCK_MONOTONIC);
		took = (clock_ns(CLOCK_MONOTONIC) - start) / READINGS;
		least = took < least ? took : least;
	}
	return least;
}

/* An agent reads the clock for each batch of packets; one that is no register of the processor's makes that a system call. */
bool surroundings_clock(char text[SURROUNDINGS_TEXT])
{
	static const uint64_t year_2024 = UINT64_C(1704067200) * 1000000000u;
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
	uint64_t took = reading_ns();
	bool is_set = clock_ns(CLOCK_REALTIME) > year_2024;
	char source[32] = "";

	if (file) {
		if (!fgets(source, sizeof(source), file))
			source[0] = 0;
		fclose(file);
	}
	source[strcspn(source, "\n")] = 0;
	snprintf(text, SURROUNDINGS_TEXT, "%s takes %llu ns to read%s", source[0] ? source : "a clock without a name",
		 (unsigned long long)took, is_set ? "" : "; the time of day is not set");
	return took < SLOW_NS && is_set;
}
