/* doctor.c - what this kernel and these privileges allow, found out by doing it.
 *
 * A child process moves into a network namespace of its own, does there what lun_live_start does, and goes away with it;
 * its findings come back through a pipe.  Where that namespace needs a user namespace too (no CAP_SYS_ADMIN), the findings
 * are the kernel's, and what this process may do is told apart. */
#define _GNU_SOURCE
#include "live/conntrack.h"
#include "live/fail.h"
#include "live/inject.h"
#include "live/privilege.h"
#include "live/queue.h"
#include "live/rules.h"
#include "live/surroundings.h"
#include "live/sysctl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct doctor {
	void (*report)(void *user, const struct lun_live_finding *finding);
	void *user;
	struct lun_error *error;
	int code;     /* of the first thing that is needed and missing */
	int child_fd; /* in the child: where findings go */
};

/* What is said of a thing before it is known. */
struct question {
	const char *name;
	bool needed;
	int code; /* of a start without it */
	const char *cure;
};

/* Every question; the child sends the index. */
enum asked {
	ASK_NET_ADMIN,
	ASK_NET_RAW,
	ASK_NAMESPACE,
	ASK_NFT,
	ASK_NFT_QUEUE,
	ASK_IPTABLES_NFT,
	ASK_IPTABLES_LEGACY,
	ASK_QUEUEING,
	ASK_BIND,
	ASK_RULES,
	ASK_COMMIT4,
	ASK_COMMIT6,
	ASK_SEQUENCE,
	ASK_INLINE,
	ASK_INLINE_SYSCTLS,
	ASK_FORWARD4,
	ASK_FORWARD6,
	ASK_LOCALNET,
	ASK_ACCOUNTING,
	ASK_QUEUE,
	ASK_KUBE_PROXY,
	ASK_MARKS,
	ASK_NOTRACK,
	ASK_FORWARD,
	ASK_TABLE,
	ASK_CLOCK,
};

enum { DEFAULT_QUEUE = 4242, DEFAULT_MARKS = 0x00700000 /* live.h has them */ };

static const struct question questions[] = {
	[ASK_NET_ADMIN] = { "cap_net_admin", true, LUN_NO_PRIVILEGE, "run as root, or with this capability (also ambient)" },
	[ASK_NET_RAW] = { "cap_net_raw", false, 0,
			  "only iptables-legacy, `run --inline`, edits of requests, and resets to clients that only receive "
			  "ask for it" },
	[ASK_NAMESPACE] = { "namespace", false, 0,
			    "nothing could be tried out: run as root, or allow user namespaces (user.max_user_namespaces)" },
	[ASK_NFT] = { "nft", true, LUN_UNSUPPORTED, "install nftables; the kernel needs CONFIG_NF_TABLES_INET" },
	[ASK_NFT_QUEUE] = { "nft_queue", false, 0, "CONFIG_NFT_QUEUE; without it iptables is used, which is as good" },
	[ASK_IPTABLES_NFT] = { "iptables_nft", false, 0, "only needed without nft_queue: install iptables" },
	[ASK_IPTABLES_LEGACY] = { "iptables_legacy", false, 0, "only needed without nft_queue and iptables_nft" },
	[ASK_QUEUEING] = { "queueing", true, LUN_UNSUPPORTED,
			   "CONFIG_NFT_QUEUE, or CONFIG_NETFILTER_XT_TARGET_NFQUEUE and iptables" },
	[ASK_BIND] = { "queue_bind", true, LUN_UNSUPPORTED, "CONFIG_NETFILTER_NETLINK_QUEUE (module nfnetlink_queue)" },
	[ASK_RULES] = { "rules", true, LUN_UNSUPPORTED, "CONFIG_NFT_CT, CONFIG_NFT_NAT, CONFIG_NFT_REJECT_INET" },
	[ASK_COMMIT4] = { "commit_ipv4", true, LUN_UNSUPPORTED, "CONFIG_NF_CT_NETLINK, CONFIG_NF_NAT" },
	[ASK_COMMIT6] = { "commit_ipv6", false, 0, "CONFIG_NF_CT_NETLINK, CONFIG_NF_NAT, CONFIG_IPV6" },
	[ASK_SEQUENCE] = { "sequence_adjustment", false, 0,
			   "without it streams cannot be edited while the kernel carries them" },
	[ASK_INLINE] = { "inline", false, 0, "only for `run --inline`: CONFIG_PACKET, CONFIG_NFT_CT, cap_net_raw" },
	[ASK_INLINE_SYSCTLS] = { "inline_sysctls", false, 0, "only for `run --inline`" },
	[ASK_FORWARD4] = { "ip_forward", false, 0, "sysctl -w net.ipv4.ip_forward=1, to reach endpoints beyond this host" },
	[ASK_FORWARD6] = { "ipv6_forwarding", false, 0, "sysctl -w net.ipv6.conf.all.forwarding=1, likewise" },
	[ASK_LOCALNET] = { "route_localnet", false, 0,
			   "sysctl -w net.ipv4.conf.all.route_localnet=1, only for node ports on 127.0.0.1" },
	[ASK_ACCOUNTING] = { "conntrack_acct", false, 0,
			     "sysctl -w net.netfilter.nf_conntrack_acct=1, to have the kernel count bytes" },
	[ASK_QUEUE] = { "queue_free", false, 0, "run --queue N with another number" },
	[ASK_KUBE_PROXY] = { "kube_proxy", false, 0,
			     "no two may serve an address: stop it, or leave its services out of the policy" },
	[ASK_MARKS] = { "mark_bits", false, 0, "run --marks Q,C,R with three bits that nobody else uses" },
	[ASK_NOTRACK] = { "notrack", false, 0,
			  "what the rule holds is not translated in the kernel: leave out the policy's services" },
	[ASK_FORWARD] = { "forward_policy", false, 0,
			  "a rule must let pass what goes to endpoints and comes from them; inline, what has the mark bit "
			  "0x200000" },
	[ASK_TABLE] = { "conntrack_size", false, 0,
			"sysctl -w net.netfilter.nf_conntrack_max=262144 nf_conntrack_buckets=65536 (in the first "
			"namespace)" },
	[ASK_CLOCK] = { "clock", false, 0,
			"another clock source, such as tsc (kernel parameter clocksource=tsc); set the time of day" },
};

/* What the child sends. */
struct answer {
	uint32_t asked;
	bool ok;
	char text[300];
};

static void tell(struct doctor *doctor, const struct answer *answer)
{
	const struct question *question = &questions[answer->asked];
	struct lun_live_finding finding = { .name = question->name, .ok = answer->ok, .needed = question->needed };

	snprintf(finding.text, sizeof(finding.text), "%s", answer->text);
	if (!answer->ok) {
		snprintf(finding.cure, sizeof(finding.cure), "%s", question->cure);
		if (question->needed && !doctor->code)
			doctor->code = live_fail(doctor->error, question->code, "%s: %s", question->name, answer->text);
	}
	doctor->report(doctor->user, &finding);
}

static void answer(struct doctor *doctor, enum asked asked, bool ok, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Tells a finding; from the child by way of the pipe. */
static void answer(struct doctor *doctor, enum asked asked, bool ok, const char *format, ...)
{
	struct answer found = { .asked = asked, .ok = ok };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(found.text, sizeof(found.text), format, arguments);
	va_end(arguments);
	if (doctor->child_fd < 0)
		tell(doctor, &found);
	else if (write(doctor->child_fd, &found, sizeof(found)) != sizeof(found))
		_exit(1);
}

/* The usual form: it worked, or this is the error. */
static bool answer_code(struct doctor *doctor, enum asked asked, int code, const struct lun_error *error, const char *good)
{
	answer(doctor, asked, code == 0, "%s", code == 0 ? good : error->text);
	return code == 0;
}

/* ---- In the namespace ---- */

static bool try_queueing(struct doctor *doctor, enum rules_queueing *queueing)
{
	static const char *const programs[] = {
		[RULES_NFT] = "nft queues by itself",
		[RULES_IPTABLES_NFT] = "iptables-nft queues for nft",
		[RULES_IPTABLES_LEGACY] = "iptables-legacy queues for nft",
	};
	struct lun_error error;
	int code;

	answer_code(doctor, ASK_NFT_QUEUE, rules_try(RULES_NFT, &error), &error, "nft has the queue expression");
	answer_code(doctor, ASK_IPTABLES_NFT, rules_try(RULES_IPTABLES_NFT, &error), &error, "has the target NFQUEUE");
	answer_code(doctor, ASK_IPTABLES_LEGACY, rules_try(RULES_IPTABLES_LEGACY, &error), &error, "has the target NFQUEUE");
	code = rules_detect(queueing, &error);
	return answer_code(doctor, ASK_QUEUEING, code, &error, programs[*queueing]);
}

static int try_rules(enum lun_live_mode mode, enum rules_queueing queueing, struct lun_error *error)
{
	struct rules rules = { .mode = mode, .queueing = queueing, .queue = 1, .marks = { 1, 2, 4 } };
	struct lun_policy_config config = { .size = sizeof(config) };
	struct lun_policy *policy;
	int code = lun_policy_new(&policy, &config, error);

	if (code == 0) {
		code = rules_install(&rules, policy, error);
		lun_policy_unref(policy);
	}
	return code;
}

/* Everything that inline mode has and commit mode has not. */
static void try_inline(struct doctor *doctor, enum rules_queueing queueing)
{
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct inject inject = { 0 };
	static struct queue queue;
	struct lun_error error;
	int code = try_rules(LUN_LIVE_INLINE, queueing, &error);

	if (code == 0)
		code = queue_open(&queue, 2, QUEUE_WHOLE, &error);
	if (code == 0 && ioctl(queue.netlink.fd, SIOCSIFFLAGS, &loopback) < 0)
		code = live_fail(&error, LUN_SYSTEM, "the loopback interface: %s", strerror(errno));
	if (code == 0)
		code = inject_open(&inject, &error);
	answer_code(doctor, ASK_INLINE, code, &error, "rules, queue and packet socket of inline mode work");
}

/* An update of an entry with sequence offsets, as editing a stream needs it. */
static int adjust_sequence(struct netlink *netlink, const struct lun_tuple *tuple)
{
	_Alignas(16) char buffer[512];
	struct nlmsghdr *message = conntrack_put_update(buffer, tuple);

	for (int type = CTA_SEQ_ADJ_ORIG; type <= CTA_SEQ_ADJ_REPLY; type++) {
		struct nlattr *nest = mnl_attr_nest_start(message, (uint16_t)type);

		mnl_attr_put_u32(message, CTA_SEQADJ_CORRECTION_POS, htonl(1));
		mnl_attr_put_u32(message, CTA_SEQADJ_OFFSET_BEFORE, 0);
		mnl_attr_put_u32(message, CTA_SEQADJ_OFFSET_AFTER, htonl(1));
		mnl_attr_nest_end(message, nest);
	}
	return netlink_request(netlink, message, NULL, NULL);
}

/* Commits a connection that does not exist and reads it back. */
static bool try_commit(struct doctor *doctor, struct netlink *netlink, enum asked asked, const char *const addresses[4])
{
	struct conntrack_commit commit = {
		.orig = { .source_port = 40000, .destination_port = 80, .protocol = LUN_TCP },
		.translate = true,
		.endpoint_port = 8080,
	};
	struct conntrack_question question;
	const struct conntrack_entry *entry = &question.entry;
	int problem;

	lun_address_parse(&commit.orig.source, addresses[0]);
	lun_address_parse(&commit.orig.destination, addresses[1]);
	lun_address_parse(&commit.endpoint, addresses[2]);
	lun_address_parse(&commit.masquerade, addresses[3]);
	conntrack_create(netlink, &commit, 1);
	question.tuple = commit.orig;
	conntrack_get(netlink, &question, 1);
	problem = commit.problem ? commit.problem : question.problem;
	if (problem) {
		answer(doctor, asked, false, "an entry with NAT cannot be made: %s", strerror(-problem));
		return false;
	}
	if (memcmp(&entry->reply.source, &commit.endpoint, sizeof(commit.endpoint)) != 0 ||
	    memcmp(&entry->reply.destination, &commit.masquerade, sizeof(commit.masquerade)) != 0 ||
	    entry->reply.source_port != commit.endpoint_port || !conntrack_is_ours(entry)) {
		answer(doctor, asked, false, "an entry was made, but not with the translation that was asked for");
		return false;
	}
	answer(doctor, asked, true, "an entry with DNAT and masquerade was made in the kernel's conntrack");
	if (asked == ASK_COMMIT4) {
		problem = adjust_sequence(netlink, &commit.orig);
		answer(doctor, ASK_SEQUENCE, problem == 0, "%s", problem ? strerror(-problem) : "the kernel takes offsets");
	}
	return true;
}

static void try_all(struct doctor *doctor)
{
	static const char *const ipv4[] = { "192.0.2.1", "192.0.2.2", "198.51.100.1", "198.51.100.2" };
	static const char *const ipv6[] = { "2001:db8::1", "2001:db8::2", "2001:db8:1::1", "2001:db8:1::2" };
	static struct queue queue;
	static struct netlink netlink;
	enum rules_queueing queueing = RULES_NFT;
	struct lun_error error;

	if (!answer_code(doctor, ASK_NFT, rules_try_nft(&error), &error, "nft and the kernel's tables work"))
		return;
	if (try_queueing(doctor, &queueing))
		answer_code(doctor, ASK_RULES, try_rules(LUN_LIVE_COMMIT, queueing, &error), &error,
			    "all rules can be installed");
	answer_code(doctor, ASK_BIND, queue_open(&queue, 1, QUEUE_HEADERS, &error), &error, "a queue can be bound");
	if (netlink_open(&netlink, NETLINK_NETFILTER, &error) < 0) {
		answer(doctor, ASK_COMMIT4, false, "%s", error.text);
		return;
	}
	try_commit(doctor, &netlink, ASK_COMMIT4, ipv4);
	try_commit(doctor, &netlink, ASK_COMMIT6, ipv6);
	try_inline(doctor, queueing);
}

/* ---- The child ---- */

/* A file of /proc/self that takes one line. */
static bool write_line(const char *path, const char *line)
{
	FILE *file = fopen(path, "we");
	bool written = file && fputs(line, file) >= 0;

	return file && fclose(file) == 0 && written;
}

/* Moves into a network namespace of its own; without the privilege for that, as root of a user namespace.  Returns 0 or an
 * errno. */
static int move_away(void)
{
	char map[32];

	snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());
	if (unshare(CLONE_NEWNET) == 0)
		return 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return errno;
	return write_line("/proc/self/uid_map", map) ? 0 : errno;
}

static void child(struct doctor *doctor)
{
	int problem = move_away();

	answer(doctor, ASK_NAMESPACE, problem == 0, "%s", problem ? strerror(problem) : "trying out in one of its own");
	if (!problem)
		try_all(doctor);
	_exit(0);
}

static int ask_child(struct doctor *doctor)
{
	struct answer found;
	int ends[2], status;
	ssize_t length;
	pid_t pid;

	if (pipe(ends) < 0)
		return live_fail(doctor->error, LUN_SYSTEM, "a pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		doctor->child_fd = ends[1];
		child(doctor);
	}
	close(ends[1]);
	while (pid > 0 && (length = read(ends[0], &found, sizeof(found))) != 0)
		if (length == sizeof(found))
			tell(doctor, &found);
		else if (errno != EINTR)
			break;
	close(ends[0]);
	if (pid < 0)
		return live_fail(doctor->error, LUN_SYSTEM, "a process to try things out in: %s", strerror(errno));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* ---- Here ---- */

static void look_at_inline_sysctls(struct doctor *doctor)
{
	struct sysctls sysctls = { 0 };
	struct lun_error error;

	answer_code(doctor, ASK_INLINE_SYSCTLS, sysctls_require(&sysctls, NULL, "inline mode needs", false, &error), &error,
		    "as inline mode needs them");
}

static void look_at_sysctl(struct doctor *doctor, enum asked asked, const char *path)
{
	FILE *file = fopen(path, "re");
	char value[32] = "";

	if (!file || !fgets(value, sizeof(value), file))
		snprintf(value, sizeof(value), "unknown");
	if (file)
		fclose(file);
	value[strcspn(value, "\n")] = 0;
	answer(doctor, asked, strcmp(value, "0") != 0 && strcmp(value, "unknown") != 0, "is %s", value);
}

static void answer_rule(struct doctor *doctor, enum asked asked, const char *rule)
{
	answer(doctor, asked, !rule[0], "%s", rule[0] ? rule : "no rule that gets in the way");
}

static void look_around(struct doctor *doctor)
{
	char text[SURROUNDINGS_TEXT];
	struct surrounding_rules rules;
	struct lun_error error;
	bool good = surroundings_queue(DEFAULT_QUEUE, text);

	answer(doctor, ASK_QUEUE, good, "%s", text);
	if (surroundings_rules(&rules, DEFAULT_MARKS, &error) < 0) {
		answer(doctor, ASK_KUBE_PROXY, false, "rules cannot be listed: %s", error.text);
	} else {
		answer_rule(doctor, ASK_KUBE_PROXY, rules.kube_proxy);
		answer_rule(doctor, ASK_MARKS, rules.mark_bits);
		answer_rule(doctor, ASK_NOTRACK, rules.notrack);
		answer_rule(doctor, ASK_FORWARD, rules.forward);
	}
	good = surroundings_table(text);
	answer(doctor, ASK_TABLE, good, "%s", text);
	good = surroundings_clock(text);
	answer(doctor, ASK_CLOCK, good, "%s", text);
}

int lun_live_doctor(void (*report)(void *user, const struct lun_live_finding *finding), void *user, struct lun_error *error)
{
	struct doctor doctor = { .report = report, .user = user, .error = error, .child_fd = -1 };
	bool admin = privilege_has(CAP_NET_ADMIN), raw = privilege_has(CAP_NET_RAW);
	int code;

	answer(&doctor, ASK_NET_ADMIN, admin, "%s", admin ? "in effect" : "missing");
	answer(&doctor, ASK_NET_RAW, raw, "%s", raw ? "in effect" : "missing");
	code = ask_child(&doctor);
	if (code < 0)
		return code;
	look_at_inline_sysctls(&doctor);
	look_at_sysctl(&doctor, ASK_FORWARD4, "/proc/sys/net/ipv4/ip_forward");
	look_at_sysctl(&doctor, ASK_FORWARD6, "/proc/sys/net/ipv6/conf/all/forwarding");
	look_at_sysctl(&doctor, ASK_LOCALNET, "/proc/sys/net/ipv4/conf/all/route_localnet");
	look_at_sysctl(&doctor, ASK_ACCOUNTING, "/proc/sys/net/netfilter/nf_conntrack_acct");
	look_around(&doctor);
	return doctor.code;
}
