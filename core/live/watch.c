/* watch.c - somebody else takes our firewall rules away: `nft flush ruleset`, `iptables -t raw -F`, a firewall that starts
 * again.
 *
 * The kernel tells every change of nft's tables, iptables-nft's among them; of iptables-legacy's tables it is asked once a second how
 * many rules there are and how long, which a change of them hardly leaves alone.  A message
 * bears the port of the socket that asked for the change, which is the number of the process: so what the programs that we
 * ran did is known as ours.  Of what others delete, nobody has business in our table; in the raw tables it is looked whether
 * our rules are still there.
 *
 * To install is what a start does over the rules of an earlier agent, so it is always safe; it is done at most once a
 * second, for two who put their rules back against each other shall not keep the machine busy. */
#include "live/watch.h"
#include "live/fail.h"
#include "live/live.h"
#include "live/program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE_BUFFER = 64 << 20 /* for the elements of very many services */, INTERVAL_MS = 1000, NS_PER_MS = 1000000 };

/* The first attribute of every message about a table, or about what is in one, is the table's name. */
_Static_assert((int)NFTA_TABLE_NAME == 1 && (int)NFTA_CHAIN_TABLE == 1 && (int)NFTA_RULE_TABLE == 1 &&
		       (int)NFTA_SET_TABLE == 1 && (int)NFTA_SET_ELEM_LIST_TABLE == 1,
	       "the attribute of a table's name");

int watch_open(struct watch *watch, enum rules_queueing queueing, struct lun_error *error)
{
	int size = RECEIVE_BUFFER, group = NFNLGRP_NFTABLES;
	int code = netlink_open(&watch->netlink, NETLINK_NETFILTER, error);

	if (code < 0)
		return code;
	watch->raw = queueing == RULES_IPTABLES_NFT;
	watch->legacy = queueing == RULES_IPTABLES_LEGACY;
	if (watch->legacy) { /* any socket will do to ask; one that is not there knows of no table */
		watch->sockets[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		watch->sockets[1] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	setsockopt(watch->netlink.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (mnl_socket_setsockopt(watch->netlink.socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return live_fail(error, LUN_SYSTEM, "watching the firewall rules: %s", strerror(errno));
	return 0;
}

void watch_close(struct watch *watch)
{
	netlink_close(&watch->netlink);
	for (int i = 0; watch->legacy && i < 2; i++)
		if (watch->sockets[i] >= 0)
			close(watch->sockets[i]);
}

/* Has one of iptables-legacy's tables in which packets are queued become another one since the last call? */
static bool legacy_changed(struct watch *watch)
{
	static const char *const tables[] = { "raw", "mangle" };
	static const int levels[] = { IPPROTO_IP, IPPROTO_IPV6 };
	bool changed = false;

	for (int i = 0; i < WATCH_TABLES; i++) {
		struct ipt_getinfo info = { 0 }; /* IPv6's is the same, and so is the option's number */
		socklen_t size = sizeof(info);
		uint64_t shape = 0;

		strcpy(info.name, tables[i / 2]);
		if (getsockopt(watch->sockets[i % 2], levels[i % 2], IPT_SO_GET_INFO, &info, &size) == 0)
			shape = (uint64_t)info.num_entries << 32 | info.size;
		changed = changed || shape != watch->shapes[i];
		watch->shapes[i] = shape;
	}
	return changed;
}

/* Is this what the message's table is called? */
static bool is_of_table(const struct nlmsghdr *message, const char *name)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == NFTA_TABLE_NAME)
			return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 &&
			       strcmp(mnl_attr_get_str(attribute), name) == 0;
	}
	return false;
}

static bool is_deletion(unsigned type)
{
	switch (type) {
	case NFT_MSG_DELTABLE:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_DELRULE:
	case NFT_MSG_DELSET:
	case NFT_MSG_DELSETELEM:
		return true;
	default:
		return false;
	}
}

/* What somebody else has deleted something of. */
struct losses {
	bool table; /* ours */
	bool raw;   /* iptables' tables in which packets are queued */
};

static void take_message(struct watch *watch, const struct nlmsghdr *message, struct losses *losses)
{
	const struct nfgenmsg *family = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || mnl_nlmsg_get_payload_len(message) < sizeof(*family) ||
	    !is_deletion(message->nlmsg_type & 0xff) || program_was_run((pid_t)message->nlmsg_pid))
		return;
	if (family->nfgen_family == NFPROTO_INET)
		losses->table = losses->table || is_of_table(message, strchr(RULES_TABLE, ' ') + 1);
	else
		losses->raw = losses->raw || (watch->raw && (is_of_table(message, "raw") || is_of_table(message, "mangle")));
}

/* Reads all that was told.  What was lost for want of room may have been anything: ours, if `overflow` is. */
static struct losses read_losses(struct watch *watch, bool overflow)
{
	struct losses losses = { false, watch->legacy && legacy_changed(watch) };
	int length;

	while ((length = netlink_read(&watch->netlink)) != 0) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)watch->netlink.buffer;

		if (length == -ENOBUFS || length == -EMSGSIZE)
			losses.table = losses.table || overflow;
		else if (length < 0)
			break;
		for (; netlink_holds(message, length); message = mnl_nlmsg_next(message, &length))
			take_message(watch, message, &losses);
	}
	return losses;
}

static void take_losses(struct lun_live *live, bool overflow)
{
	struct losses losses = read_losses(&live->watch, overflow);

	live->watch.wanted = live->watch.wanted || losses.table || (losses.raw && !rules_are_in_raw(&live->rules));
}

void watch_own_change(struct lun_live *live)
{
	take_losses(live, false);
}

static void install(struct lun_live *live)
{
	struct watch *watch = &live->watch;
	struct lun_error error;
	bool done = rules_install(&live->rules, live->policy, &error) == 0;

	watch->wanted = !done;
	watch_own_change(live);
	if (done) {
		live->stats.rules_restored++;
		live_log(live, LUN_LOG_WARNING, "somebody else took firewall rules of ours away: they are installed again");
	} else if (!watch->failed) {
		live_log(live, LUN_LOG_ERROR,
			 "somebody else took firewall rules of ours away, and they cannot be installed again: %s",
			 error.text);
	}
	watch->failed = !done;
}

uint64_t watch_proceed(struct lun_live *live, uint64_t now)
{
	struct watch *watch = &live->watch;
	uint64_t interval = (uint64_t)INTERVAL_MS * NS_PER_MS;

	take_losses(live, true);
	if (watch->wanted && (!watch->done_at || now - watch->done_at >= interval)) {
		install(live);
		watch->done_at = now;
	}
	if (watch->wanted)
		return (interval - (now - watch->done_at)) / NS_PER_MS + 1;
	return watch->legacy ? INTERVAL_MS : 0;
}
