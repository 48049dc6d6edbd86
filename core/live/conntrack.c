/* conntrack.c - the kernel's connection table, in its own messages (linux/netfilter/nfnetlink_conntrack.h).
 *
 * They are written with libmnl attribute by attribute: the library for this table cannot say two of the things that are
 * said here, "delete this very entry" (by id) and "delete all with this mark".
 *
 * Entries are made with the TCP flag "liberal" for both directions: a segment outside the window is then still translated,
 * instead of leaving for the service's address and drawing a reset. */
#define _GNU_SOURCE
#include "live/conntrack.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

/* Until the opening packet itself passes the entry and sets the kernel's timeout, which is at once. */
enum { OPENING_TIMEOUT_S = 10 };

/* A bound for the size of one message of ours. */
enum { MESSAGE_SIZE = 512 };

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static struct nlmsghdr *put_header(void *buffer, unsigned type, unsigned flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	return message;
}

static uint8_t family_of(const struct lun_tuple *tuple)
{
	return lun_address_is_v4(&tuple->source) ? AF_INET : AF_INET6;
}

/* An address as attribute `v4` or `v6`, whichever it is. */
static void put_address(struct nlmsghdr *message, uint16_t v4, uint16_t v6, const struct lun_address *address)
{
	if (lun_address_is_v4(address))
		mnl_attr_put(message, v4, 4, address->bytes + sizeof(v4_prefix));
	else
		mnl_attr_put(message, v6, sizeof(address->bytes), address->bytes);
}

static void put_tuple(struct nlmsghdr *message, uint16_t type, const struct lun_tuple *tuple)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);
	struct nlattr *inner = mnl_attr_nest_start(message, CTA_TUPLE_IP);

	put_address(message, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &tuple->source);
	put_address(message, CTA_IP_V4_DST, CTA_IP_V6_DST, &tuple->destination);
	mnl_attr_nest_end(message, inner);
	inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, tuple->protocol);
	mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(tuple->source_port));
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple->destination_port));
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static void put_zone(struct nlmsghdr *message, uint16_t zone)
{
	if (zone)
		mnl_attr_put_u16(message, CTA_ZONE, htons(zone));
}

/* A translation to one address and, if `port` is not 0, one port. */
static void put_nat(struct nlmsghdr *message, uint16_t type, const struct lun_address *address, uint16_t port)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);
	struct nlattr *inner;

	put_address(message, CTA_NAT_V4_MINIP, CTA_NAT_V6_MINIP, address);
	if (port) {
		inner = mnl_attr_nest_start(message, CTA_NAT_PROTO);
		mnl_attr_put_u16(message, CTA_PROTONAT_PORT_MIN, htons(port));
		mnl_attr_put_u16(message, CTA_PROTONAT_PORT_MAX, htons(port));
		mnl_attr_nest_end(message, inner);
	}
	mnl_attr_nest_end(message, nest);
}

static void put_tcp(struct nlmsghdr *message)
{
	static const struct nf_ct_tcp_flags liberal = { IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL };
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_PROTOINFO);
	struct nlattr *inner = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);

	mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_SYN_SENT);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(liberal), &liberal);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(liberal), &liberal);
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static struct lun_tuple inverted(const struct lun_tuple *tuple)
{
	struct lun_tuple result = *tuple;

	result.source = tuple->destination;
	result.source_port = tuple->destination_port;
	result.destination = tuple->source;
	result.destination_port = tuple->source_port;
	return result;
}

/* The kernel marks an entry "dnat" only if its destination really changes. */
static bool changes_destination(const struct conntrack_commit *commit)
{
	return commit->translate && (commit->endpoint_port != commit->orig.destination_port ||
				     memcmp(&commit->endpoint, &commit->orig.destination, sizeof(commit->endpoint)) != 0);
}

bool conntrack_changes(const struct conntrack_commit *commit)
{
	return commit->edited || changes_destination(commit) || !lun_address_is_zero(&commit->masquerade);
}

/* The part of the mark that says what comes to user space. */
static uint32_t wanted_bits(bool edited, bool watched)
{
	return (edited ? CONNTRACK_EDITED : 0) | (watched ? 0 : CONNTRACK_UNWATCHED);
}

static struct nlmsghdr *put_commit(void *buffer, const struct conntrack_commit *commit)
{
	struct nlmsghdr *message =
		put_header(buffer, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, family_of(&commit->orig));
	struct lun_tuple reply = inverted(&commit->orig);
	bool changes = changes_destination(commit);

	put_tuple(message, CTA_TUPLE_ORIG, &commit->orig);
	put_tuple(message, CTA_TUPLE_REPLY, &reply);
	put_zone(message, commit->orig.tenant);
	mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(OPENING_TIMEOUT_S));
	mnl_attr_put_u32(message, CTA_MARK,
			 htonl(CONNTRACK_MARK | (changes ? 0 : CONNTRACK_PLAIN) |
			       wanted_bits(commit->edited, commit->watched)));
	if (commit->orig.protocol == LUN_TCP)
		put_tcp(message);
	if (changes)
		put_nat(message, CTA_NAT_DST, &commit->endpoint, commit->endpoint_port);
	if (!lun_address_is_zero(&commit->masquerade))
		put_nat(message, CTA_NAT_SRC, &commit->masquerade, 0);
	return message;
}

static struct nlmsghdr *put_deletion(void *buffer, const struct conntrack_entry *entry)
{
	struct nlmsghdr *message = put_header(buffer, IPCTNL_MSG_CT_DELETE, 0, family_of(&entry->orig));

	put_tuple(message, CTA_TUPLE_ORIG, &entry->orig);
	put_zone(message, entry->orig.tenant);
	mnl_attr_put_u32(message, CTA_ID, htonl(entry->id));
	return message;
}

/* The error that a message tells, or 0 if it tells none. */
static int problem_of(const struct nlmsghdr *message)
{
	const struct nlmsgerr *problem = mnl_nlmsg_get_payload(message);

	return message->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(message) >= sizeof(*problem) ? problem->error
													    : 0;
}

/* Reads the errors of a write: whoever is not mentioned succeeded, unless some of it was lost. */
static int read_problems(struct netlink *netlink, struct conntrack_commit *commits, size_t count, uint32_t first)
{
	int length;

	while ((length = netlink_read(netlink)) > 0) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)netlink->buffer;

		for (; netlink_holds(message, length); message = mnl_nlmsg_next(message, &length))
			if (message->nlmsg_seq - first < count)
				commits[message->nlmsg_seq - first].problem = problem_of(message);
	}
	return length;
}

void conntrack_create(struct netlink *netlink, struct conntrack_commit *commits, size_t count)
{
	_Alignas(16) char buffer[CONNTRACK_BATCH * 2 * MESSAGE_SIZE];
	uint32_t first = netlink->sequence + 1, ignored = first + (uint32_t)count;
	size_t length = 0;
	int problem;

	if (!count)
		return;
	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *message;

		if (commits[i].replaces) { /* if it is gone by itself, so much the better */
			message = put_deletion(buffer + length, &commits[i].replaced);
			message->nlmsg_seq = ignored;
			length += MNL_ALIGN(message->nlmsg_len);
		}
		message = put_commit(buffer + length, &commits[i]);
		message->nlmsg_seq = first + (uint32_t)i;
		length += MNL_ALIGN(message->nlmsg_len);
	}
	netlink->sequence = ignored;
	for (size_t i = 0; i < count; i++)
		commits[i].problem = 0;
	problem = netlink_send(netlink, &(struct iovec) { buffer, length }, 1);
	problem = problem ? problem : read_problems(netlink, commits, count, first);
	for (size_t i = 0; problem && i < count; i++)
		if (!commits[i].problem)
			commits[i].problem = problem;
}

/* Reads answers until there is one for each question: an entry or an error. */
static int read_answers(struct netlink *netlink, struct conntrack_question *questions, size_t count, uint32_t first)
{
	for (size_t answered = 0; answered < count;) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)netlink->buffer;
		int length = netlink_read(netlink);

		if (length <= 0)
			return length ? length : -EIO;
		for (; netlink_holds(message, length); message = mnl_nlmsg_next(message, &length)) {
			struct conntrack_question *question;

			if (message->nlmsg_seq - first >= count)
				continue; /* late, of an earlier write */
			question = &questions[message->nlmsg_seq - first];
			question->problem = problem_of(message);
			if (!question->problem && !conntrack_parse(message, &question->entry))
				question->problem = -EBADMSG;
			answered++;
		}
	}
	return 0;
}

void conntrack_get(struct netlink *netlink, struct conntrack_question *questions, size_t count)
{
	_Alignas(16) char buffer[CONNTRACK_BATCH * MESSAGE_SIZE];
	uint32_t first = netlink->sequence + 1;
	size_t length = 0;
	int problem;

	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *message = put_header(buffer + length, IPCTNL_MSG_CT_GET, 0, family_of(&questions[i].tuple));

		put_tuple(message, CTA_TUPLE_ORIG, &questions[i].tuple);
		put_zone(message, questions[i].tuple.tenant);
		message->nlmsg_seq = ++netlink->sequence;
		length += MNL_ALIGN(message->nlmsg_len);
		questions[i].problem = -EIO; /* until it is answered */
	}
	if (!count)
		return;
	problem = netlink_send(netlink, &(struct iovec) { buffer, length }, 1);
	problem = problem ? problem : read_answers(netlink, questions, count, first);
	for (size_t i = 0; problem && i < count; i++)
		if (questions[i].problem == -EIO)
			questions[i].problem = problem;
}

struct nlmsghdr *conntrack_put_update(void *buffer, const struct lun_tuple *tuple)
{
	struct nlmsghdr *message = put_header(buffer, IPCTNL_MSG_CT_NEW, 0, family_of(tuple));

	put_tuple(message, CTA_TUPLE_ORIG, tuple);
	put_zone(message, tuple->tenant);
	return message;
}

static void put_adjustment(struct nlmsghdr *message, uint16_t type, const struct lun_shift *shift)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	mnl_attr_put_u32(message, CTA_SEQADJ_CORRECTION_POS, htonl(shift->position));
	mnl_attr_put_u32(message, CTA_SEQADJ_OFFSET_BEFORE, htonl(shift->before));
	mnl_attr_put_u32(message, CTA_SEQADJ_OFFSET_AFTER, htonl(shift->after));
	mnl_attr_nest_end(message, nest);
}

size_t conntrack_put_shift(void *buffer, const struct lun_event *event)
{
	struct nlmsghdr *message = conntrack_put_update(buffer, &event->orig);

	mnl_attr_put_u32(message, CTA_MARK, htonl(wanted_bits(event->edited, event->watched)));
	mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(CONNTRACK_EDITED | CONNTRACK_UNWATCHED));
	put_adjustment(message, CTA_SEQ_ADJ_ORIG, &event->shift);
	put_adjustment(message, CTA_SEQ_ADJ_REPLY, &(struct lun_shift) { 0 }); /* one is not taken without the other */
	return MNL_ALIGN(message->nlmsg_len);
}

void conntrack_send(struct netlink *netlink, const void *messages, size_t length)
{
	if (length && netlink_send(netlink, &(struct iovec) { (void *)messages, length }, 1) == 0)
		while (netlink_read(netlink) > 0)
			;
}

void conntrack_delete(struct netlink *netlink, const struct conntrack_entry *entries, size_t count)
{
	_Alignas(16) char buffer[CONNTRACK_BATCH * MESSAGE_SIZE];
	uint32_t ignored = ++netlink->sequence;
	size_t length = 0;

	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *message = put_deletion(buffer + length, &entries[i]);

		message->nlmsg_seq = ignored;
		length += MNL_ALIGN(message->nlmsg_len);
	}
	conntrack_send(netlink, buffer, length);
}

static void put_our_mark(struct nlmsghdr *message)
{
	mnl_attr_put_u32(message, CTA_MARK, htonl(CONNTRACK_MARK));
	mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(CONNTRACK_MASK));
}

int conntrack_flush(struct netlink *netlink)
{
	_Alignas(16) char buffer[MESSAGE_SIZE];
	struct nlmsghdr *message = put_header(buffer, IPCTNL_MSG_CT_DELETE, 0, AF_UNSPEC);

	put_our_mark(message);
	return netlink_request(netlink, message, NULL, NULL);
}

int conntrack_dump(struct netlink *netlink)
{
	_Alignas(16) char buffer[MESSAGE_SIZE];
	struct nlmsghdr *message = put_header(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);

	put_our_mark(message);
	message->nlmsg_seq = ++netlink->sequence;
	return netlink_send(netlink, &(struct iovec) { message, message->nlmsg_len }, 1);
}

/* Collects the attributes of a nest, up to `count` types, into `attributes`. */
struct attributes {
	const struct nlattr **attributes;
	size_t count;
};

static int on_attribute(const struct nlattr *attribute, void *user)
{
	struct attributes *into = user;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type < into->count)
		into->attributes[type] = attribute;
	return MNL_CB_OK;
}

/* False if there is no such nest. */
static bool parse_nest(const struct nlattr *nest, const struct nlattr **attributes, size_t count)
{
	struct attributes into = { attributes, count };

	memset(attributes, 0, count * sizeof(*attributes));
	return nest && mnl_attr_parse_nested(nest, on_attribute, &into) >= 0;
}

static bool parse_u32(const struct nlattr *attribute, uint32_t *value)
{
	if (!attribute || mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
		return false;
	*value = ntohl(mnl_attr_get_u32(attribute));
	return true;
}

static bool parse_port(const struct nlattr *attribute, uint16_t *port)
{
	if (!attribute || mnl_attr_validate(attribute, MNL_TYPE_U16) < 0)
		return false;
	*port = ntohs(mnl_attr_get_u16(attribute));
	return true;
}

static bool parse_address(const struct nlattr *v4, const struct nlattr *v6, struct lun_address *address)
{
	if (v4 && mnl_attr_get_payload_len(v4) == 4) {
		memcpy(address->bytes, v4_prefix, sizeof(v4_prefix));
		memcpy(address->bytes + sizeof(v4_prefix), mnl_attr_get_payload(v4), 4);
		return true;
	}
	if (v6 && mnl_attr_get_payload_len(v6) == sizeof(address->bytes)) {
		memcpy(address->bytes, mnl_attr_get_payload(v6), sizeof(address->bytes));
		return true;
	}
	return false;
}

static bool parse_tuple(const struct nlattr *nest, struct lun_tuple *tuple)
{
	const struct nlattr *parts[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *ports[CTA_PROTO_MAX + 1];

	if (!parse_nest(nest, parts, CTA_TUPLE_MAX + 1) || !parse_nest(parts[CTA_TUPLE_IP], ip, CTA_IP_MAX + 1) ||
	    !parse_nest(parts[CTA_TUPLE_PROTO], ports, CTA_PROTO_MAX + 1))
		return false;
	if (!ports[CTA_PROTO_NUM] || mnl_attr_validate(ports[CTA_PROTO_NUM], MNL_TYPE_U8) < 0)
		return false;
	tuple->protocol = mnl_attr_get_u8(ports[CTA_PROTO_NUM]);
	return parse_address(ip[CTA_IP_V4_SRC], ip[CTA_IP_V6_SRC], &tuple->source) &&
	       parse_address(ip[CTA_IP_V4_DST], ip[CTA_IP_V6_DST], &tuple->destination) &&
	       parse_port(ports[CTA_PROTO_SRC_PORT], &tuple->source_port) &&
	       parse_port(ports[CTA_PROTO_DST_PORT], &tuple->destination_port);
}

/* A state that a nest of a nest tells as one byte, through a table of `count`; LUN_STATE_NONE if it does not. */
static enum lun_state parse_state(const struct nlattr *protoinfo, uint16_t protocol, uint16_t attribute,
				  const enum lun_state *states, size_t count)
{
	const struct nlattr *info[CTA_PROTOINFO_MAX + 1], *parts[CTA_PROTOINFO_TCP_MAX + 1];
	uint8_t state;

	_Static_assert((int)CTA_PROTOINFO_TCP_MAX >= (int)CTA_PROTOINFO_SCTP_MAX, "room for either");
	if (!parse_nest(protoinfo, info, CTA_PROTOINFO_MAX + 1) ||
	    !parse_nest(info[protocol], parts, CTA_PROTOINFO_TCP_MAX + 1) || !parts[attribute] ||
	    mnl_attr_validate(parts[attribute], MNL_TYPE_U8) < 0)
		return LUN_STATE_NONE;
	state = mnl_attr_get_u8(parts[attribute]);
	return state < count ? states[state] : LUN_STATE_NONE;
}

static enum lun_state parse_tcp_state(const struct nlattr *protoinfo)
{
	static const enum lun_state states[] = {
		[TCP_CONNTRACK_SYN_SENT] = LUN_STATE_SYN_SENT,       [TCP_CONNTRACK_SYN_RECV] = LUN_STATE_SYN_RECV,
		[TCP_CONNTRACK_ESTABLISHED] = LUN_STATE_ESTABLISHED, [TCP_CONNTRACK_FIN_WAIT] = LUN_STATE_FIN_WAIT,
		[TCP_CONNTRACK_CLOSE_WAIT] = LUN_STATE_CLOSE_WAIT,   [TCP_CONNTRACK_LAST_ACK] = LUN_STATE_LAST_ACK,
		[TCP_CONNTRACK_TIME_WAIT] = LUN_STATE_TIME_WAIT,     [TCP_CONNTRACK_CLOSE] = LUN_STATE_CLOSE,
		[TCP_CONNTRACK_SYN_SENT2] = LUN_STATE_SYN_SENT2,
	};

	return parse_state(protoinfo, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, states,
			   sizeof(states) / sizeof(states[0]));
}

static enum lun_state parse_sctp_state(const struct nlattr *protoinfo)
{
	static const enum lun_state states[] = {
		[SCTP_CONNTRACK_NONE] = LUN_STATE_SCTP_CLOSED,
		[SCTP_CONNTRACK_CLOSED] = LUN_STATE_SCTP_CLOSED,
		[SCTP_CONNTRACK_COOKIE_WAIT] = LUN_STATE_SCTP_COOKIE_WAIT,
		[SCTP_CONNTRACK_COOKIE_ECHOED] = LUN_STATE_SCTP_COOKIE_ECHOED,
		[SCTP_CONNTRACK_ESTABLISHED] = LUN_STATE_SCTP_ESTABLISHED,
		[SCTP_CONNTRACK_SHUTDOWN_SENT] = LUN_STATE_SCTP_SHUTDOWN_SENT,
		[SCTP_CONNTRACK_SHUTDOWN_RECD] = LUN_STATE_SCTP_SHUTDOWN_RECD,
		[SCTP_CONNTRACK_SHUTDOWN_ACK_SENT] = LUN_STATE_SCTP_SHUTDOWN_ACK_SENT,
		[SCTP_CONNTRACK_HEARTBEAT_SENT] = LUN_STATE_SCTP_HEARTBEAT_SENT,
	};

	return parse_state(protoinfo, CTA_PROTOINFO_SCTP, CTA_PROTOINFO_SCTP_STATE, states,
			   sizeof(states) / sizeof(states[0]));
}

/* UDP has no state in the kernel but what was seen of it. */
static enum lun_state state_of(uint8_t protocol, const struct nlattr *protoinfo, uint32_t status)
{
	switch (protocol) {
	case LUN_TCP:
		return parse_tcp_state(protoinfo);
	case LUN_SCTP:
		return parse_sctp_state(protoinfo);
	case LUN_UDP:
		return status & IPS_ASSURED      ? LUN_STATE_UDP_STREAM
		       : status & IPS_SEEN_REPLY ? LUN_STATE_UDP_REPLIED
						 : LUN_STATE_UDP_UNREPLIED;
	default:
		return LUN_STATE_NONE;
	}
}

static uint64_t parse_u64(const struct nlattr *attribute)
{
	return attribute && mnl_attr_validate(attribute, MNL_TYPE_U64) >= 0 ? be64toh(mnl_attr_get_u64(attribute)) : 0;
}

static void parse_counters(const struct nlattr *nest, uint64_t *packets, uint64_t *bytes)
{
	const struct nlattr *counters[CTA_COUNTERS_MAX + 1];

	if (!parse_nest(nest, counters, CTA_COUNTERS_MAX + 1))
		return;
	*packets = parse_u64(counters[CTA_COUNTERS_PACKETS]);
	*bytes = parse_u64(counters[CTA_COUNTERS_BYTES]);
}

bool conntrack_parse(const struct nlmsghdr *message, struct conntrack_entry *entry)
{
	const struct nlattr *attributes[CTA_MAX + 1] = { 0 };
	struct attributes into = { attributes, CTA_MAX + 1 };
	uint32_t status = 0, timeout_s = 0;
	uint16_t zone = 0;

	memset(entry, 0, sizeof(*entry));
	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK ||
	    mnl_attr_parse(message, sizeof(struct nfgenmsg), on_attribute, &into) < 0 ||
	    !parse_tuple(attributes[CTA_TUPLE_ORIG], &entry->orig) ||
	    !parse_tuple(attributes[CTA_TUPLE_REPLY], &entry->reply))
		return false;
	parse_port(attributes[CTA_ZONE], &zone);
	parse_u32(attributes[CTA_MARK], &entry->mark);
	parse_u32(attributes[CTA_ID], &entry->id);
	parse_u32(attributes[CTA_STATUS], &status);
	parse_u32(attributes[CTA_TIMEOUT], &timeout_s);
	parse_counters(attributes[CTA_COUNTERS_ORIG], &entry->packets[LUN_ORIG], &entry->bytes[LUN_ORIG]);
	parse_counters(attributes[CTA_COUNTERS_REPLY], &entry->packets[LUN_REPLY], &entry->bytes[LUN_REPLY]);
	entry->orig.tenant = entry->reply.tenant = zone;
	entry->assured = status & IPS_ASSURED;
	entry->answered = status & IPS_SEEN_REPLY;
	entry->timeout = timeout_s * UINT64_C(1000000000);
	entry->state = state_of(entry->orig.protocol, attributes[CTA_PROTOINFO], status);
	return true;
}
