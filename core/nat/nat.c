/* nat.c - every kind of translation is one difference between two tuples; see track/flow.h. */
#include "nat/nat.h"

#include "base/address.h"
#include "base/cold.h"
#include "packet/trace.h"

/* Ports tried one after the other from a random start (RFC 6056, 3.3.1), then half as many from another, as Linux does: 240 in
 * four runs.  With one port in ten free, wherever, they find none once in 10^11; less seldom where free ones lie together.  A full
 * scan of 64,000 tuples at a cache miss each would hold up everybody else's packets for milliseconds. */
enum { PORT_TRIES = 128, PORT_TRIES_LEAST = 16 };

/* The range that a source port may be exchanged within: privileged ports stay privileged, as on Linux
 * (net/netfilter/nf_nat_core.c). */
static void port_class(uint16_t port, uint16_t *first, uint32_t *count)
{
	if (port < 512) {
		*first = 1;
		*count = 511;
	} else if (port < 1024) {
		*first = 600;
		*count = 424;
	} else {
		*first = 1024;
		*count = 65536 - 1024;
	}
}

/* Whether a flow is seen with `tuple`; one whose time is over counts until the wheel has come by. */
static bool tuple_taken(const struct flow_table *table, const struct lun_tuple *tuple, uint64_t hash)
{
	enum lun_direction direction;

	return flow_lookup(table, tuple, hash, &direction) != NULL;
}

static bool search_port(const struct flow_table *table, struct random *random, struct lun_tuple *reply, uint64_t *hash)
{
	uint16_t first;
	uint32_t count;

	port_class(reply->destination_port, &first, &count);
	for (uint32_t tries = PORT_TRIES; tries >= PORT_TRIES_LEAST; tries /= 2) {
		uint32_t start = random_below(random, count);

		for (uint32_t i = 0; i < tries; i++) {
			reply->destination_port = (uint16_t)(first + (start + i) % count);
			*hash = flow_hash(table, reply);
			if (!tuple_taken(table, reply, *hash))
				return true;
		}
	}
	return false;
}

struct lun_tuple nat_wanted_reply(const struct decision *decision, const struct lun_tuple *orig)
{
	struct lun_tuple reply = tuple_inverted(orig);

	if (decision->translate) {
		reply.source = decision->destination;
		reply.source_port = decision->port;
	}
	if (decision->masquerade)
		reply.destination = decision->source;
	return reply;
}

enum lun_reason nat_bind(const struct flow_table *table, struct random *random, struct lun_tuple *reply, uint64_t *hash)
{
	if (!tuple_taken(table, reply, *hash) ||
	    (protocol_has_ports(reply->protocol) && search_port(table, random, reply, hash)))
		return LUN_REASON_none;
	return LUN_REASON_no_free_port;
}

/* An ICMP error goes to whoever sent the packet it quotes, and quotes it as that one sent it.  Its own source, which may be any
 * router, is hidden where the flow's own source is. */
static COLD void apply_related(struct packet *p)
{
	struct lun_tuple leaves = tuple_inverted(&p->flow->tuple[!p->direction]), outer = p->io->was;

	if (!address_equal(&leaves.source, &p->tuple.source))
		outer.source = leaves.source;
	if (!address_equal(&leaves.destination, &p->tuple.destination))
		outer.destination = leaves.destination;
	packet_set_related(p, &outer, &p->flow->tuple[!p->direction]);
	TRACE(p, "nat", NULL, "outer and quoted addresses are put back as the sender knows them");
}

static COLD void trace_translation(const struct packet *p)
{
	char before[LUN_TUPLE_TEXT], after[LUN_TUPLE_TEXT];

	if (!tuple_equal(&p->tuple, &p->io->is))
		TRACE(p, "nat", NULL, "%s -> %s", lun_tuple_format(&p->tuple, before), lun_tuple_format(&p->io->is, after));
}

void nat_apply(struct packet *p)
{
	if (p->role == PACKET_ICMP_ERROR) {
		apply_related(p);
		return;
	}
	packet_set_inverse(p, &p->flow->tuple[!p->direction]);
	if (p->io->trace)
		trace_translation(p);
}
