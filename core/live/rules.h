/* rules.h - the firewall rules: what they say (rules_text.c, and rules_inline.c for that mode) and how they come and go
 * (rules.c). */
#ifndef LUNETTE_LIVE_RULES_H
#define LUNETTE_LIVE_RULES_H

#include <lunette/live.h>
#include <stdbool.h>
#include <stdio.h>

#define RULES_TABLE "inet lunette"
#define RULES_CHAIN "LUNETTE" /* in the raw tables of iptables, where nft cannot queue */

/* Which program can make this kernel queue a packet. */
enum rules_queueing { RULES_NFT, RULES_IPTABLES_NFT, RULES_IPTABLES_LEGACY };

struct rules {
	enum lun_live_mode mode;
	enum rules_queueing queueing;
	struct lun_live_marks marks;
	uint16_t queue;          /* of openings, or of everything; that of edits is the next */
	unsigned udp_timeout_ms; /* how long a UDP flow that is silent is known */
};

static inline uint16_t rules_edits_queue(const struct rules *rules)
{
	return (uint16_t)(rules->queue + 1);
}

/* ---- Text; malloc'ed, NULL without memory ---- */

/* The whole table of ours for nft, which replaces what is there in one transaction, and no hook of it: but those of inline mode, if
 * the table that is there is `of_inline` and this one is not to be. */
char *rules_table_text(const struct rules *rules, const struct lun_policy *policy, bool of_inline);

/* Only the sets of service addresses, likewise. */
char *rules_sets_text(const struct rules *rules, const struct lun_policy *policy);

/* The chain that queues and the jumps to it, for iptables-restore --noflush, in the table "raw", or "mangle" for edits.  `listing` is
 * what that holds, by iptables -S: what of ours is among it is replaced. */
char *rules_chain_text(const struct rules *rules, const char *table, const char *listing);

/* Takes the chain away again, likewise.  "" if it is not there. */
char *rules_no_chain_text(const char *table, const char *listing);

/* All of it for a person, each part headed by the program it is for. */
char *rules_text(const struct rules *rules, const struct lun_policy *policy);

/* Parts of the table and of the sets: the addresses of services, which both modes have, and what inline mode has. */
void rules_put_services(FILE *out, const struct lun_policy *policy);
void rules_put_inline_sets(FILE *out, const struct lun_policy *policy);
void rules_put_inline_table(FILE *out, const struct rules *rules, const struct lun_policy *policy);

/* ---- Installing.  All take bounded time and fail with LUN_SYSTEM, LUN_UNSUPPORTED, LUN_NO_MEMORY ---- */

/* Does the kernel have tables of nft at all; can this program queue?  Nothing is left behind. */
int rules_try_nft(struct lun_error *error);
int rules_try(enum rules_queueing queueing, struct lun_error *error);

/* How long a UDP flow may be known as committed: somewhat less than the kernel's table keeps it, in ms. */
unsigned rules_udp_timeout(void);

/* Finds out which program can queue here. */
int rules_detect(enum rules_queueing *queueing, struct lun_error *error);

/* Puts the rules in place, taking over what an earlier agent left.  Undoes what it did if a later step fails.  Also fails
 * with LUN_EXISTS: another agent serves this network namespace. */
int rules_install(const struct rules *rules, const struct lun_policy *policy, struct lun_error *error);

/* The service addresses of another policy, in one transaction; none if they are those of the policy `before`. */
int rules_update(const struct rules *rules, const struct lun_policy *before, const struct lun_policy *policy,
		 struct lun_error *error);

/* Are the chain that queues and the jumps to it in the raw tables of iptables, where they are needed? */
bool rules_are_in_raw(const struct rules *rules);

/* No packet is queued any more; chains and everything else stay, and carry what was committed. */
int rules_stop_queueing(const struct rules *rules, struct lun_error *error);

/* Everything goes. */
int rules_remove(const struct rules *rules, struct lun_error *error);

#endif
