/* surroundings.h - what else is on this host that an agent has to live with: others' rules, their queue, the kernel's table, the
 * clock. */
#ifndef LUNETTE_LIVE_SURROUNDINGS_H
#define LUNETTE_LIVE_SURROUNDINGS_H

#include <lunette/live.h>

enum { SURROUNDINGS_TEXT = sizeof(((struct lun_live_finding *)NULL)->text) };

/* What others' firewall rules do that gets in our way.  Each is a rule, as it is listed, or "" if there is none. */
struct surrounding_rules {
	char kube_proxy[SURROUNDINGS_TEXT]; /* serves the same addresses, perhaps */
	char mark_bits[SURROUNDINGS_TEXT];  /* uses bits of the packet mark that are ours by default */
	char notrack[SURROUNDINGS_TEXT];    /* takes packets away from conntrack */
	char forward[SURROUNDINGS_TEXT];    /* drops forwarded packets that nobody lets pass */
};

/* Reads what nft lists, iptables-nft's rules with it, and iptables-legacy's, if it is in use.  `bits` are our marks.  Fails: as
 * program_run. */
int surroundings_rules(struct surrounding_rules *rules, uint32_t bits, struct lun_error *error);

/* Each says what it found, and whether that is good. */
bool surroundings_queue(uint16_t number, char text[SURROUNDINGS_TEXT]);
bool surroundings_table(char text[SURROUNDINGS_TEXT]);
bool surroundings_clock(char text[SURROUNDINGS_TEXT]);

#endif
