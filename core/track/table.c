/* table.c - the life of flows: records, index, wheel.  See flow.h for the idea. */
#include "base/memory.h"
#include "base/process.h"
#include "track/track.h"

enum { NS_PER_MS = 1000000, LEAP_MS = 1 << 29 /* six days */ };

static uint64_t hash_of_slot(const void *owner, uint32_t slot)
{
	const struct flow_table *table = owner;

	return flow_hash(table, &table->flows[slot >> 1].tuple[slot & 1]);
}

int flow_table_init(struct flow_table *table, uint32_t capacity, uint32_t edits, const uint64_t seed[2])
{
	*table = (struct flow_table) { .capacity = capacity, .free = FLOW_NONE, .map_count = edits };
	hash_key_init(&table->key, seed);
	table->flows = memory_new((size_t)capacity * sizeof(*table->flows));
	table->more = memory_new((size_t)capacity * sizeof(*table->more));
	table->maps = memory_new((size_t)edits * sizeof(*table->maps));
	table->timeouts = memory_zeroed(FLOW_TIMEOUT_ROWS, sizeof(*table->timeouts));
	if (!table->flows || !table->more || !table->maps || !table->timeouts ||
	    index_init(&table->index, capacity * 2, hash_of_slot, table) < 0 ||
	    wheel_init(&table->wheel, capacity, &table->flows->place, sizeof(*table->flows)) < 0) {
		flow_table_fini(table);
		return LUN_NO_MEMORY;
	}
	track_default_timeouts(table->timeouts[0].ms);
	flow_timeouts_settle(table, false);
	return 0;
}

int flow_table_edit_replies(struct flow_table *table)
{
	if (!table->reply_maps)
		table->reply_maps = memory_new((size_t)table->map_count * sizeof(*table->reply_maps));
	return table->reply_maps ? 0 : LUN_NO_MEMORY;
}

void flow_table_fini(struct flow_table *table)
{
	memory_free(table->flows, (size_t)table->capacity * sizeof(*table->flows));
	memory_free(table->more, (size_t)table->capacity * sizeof(*table->more));
	memory_free(table->maps, (size_t)table->map_count * sizeof(*table->maps));
	memory_free(table->reply_maps, (size_t)table->map_count * sizeof(*table->reply_maps));
	memory_give(table->timeouts);
	index_fini(&table->index);
	wheel_fini(&table->wheel);
	table->flows = NULL;
	table->more = NULL;
	table->maps = table->reply_maps = NULL;
	table->timeouts = NULL;
}

int flow_timeouts_want(struct flow_table *table, const uint32_t ms[LUN_STATE_COUNT])
{
	struct flow_timeouts *found = NULL;

	for (struct flow_timeouts *row = table->timeouts; row < table->timeouts + FLOW_TIMEOUT_ROWS; row++) {
		bool is_free = !row->flows && !row->held && !row->wanted;

		if (!is_free && memcmp(row->ms, ms, sizeof(row->ms)) == 0) {
			row->wanted = true;
			return (int)(row - table->timeouts);
		}
		if (is_free && !found)
			found = row;
	}
	if (!found)
		return LUN_FULL;
	memcpy(found->ms, ms, sizeof(found->ms));
	found->wanted = true;
	return (int)(found - table->timeouts);
}

void flow_timeouts_settle(struct flow_table *table, bool set)
{
	for (int i = 0; i < FLOW_TIMEOUT_ROWS; i++) {
		struct flow_timeouts *row = &table->timeouts[i];

		row->held = i == 0 || (set ? row->wanted : row->held);
		row->wanted = false;
	}
}

struct flow *flow_by_id(const struct flow_table *table, uint64_t id)
{
	uint32_t index = (uint32_t)id - 1;
	struct flow *flow;

	if ((uint32_t)id == 0 || index >= table->used)
		return NULL;
	flow = &table->flows[index];
	return (flow->flags & FLOW_OPEN) && flow->generation == id >> 32 ? flow : NULL;
}

static struct flow *bucket_find(const struct flow_table *table, const struct bucket *bucket, uint8_t tag,
				const struct lun_tuple *tuple, enum lun_direction *direction)
{
	for (uint32_t match = bucket_match(bucket, tag); match; match &= match - 1) {
		uint32_t slot = bucket->slots[__builtin_ctz(match)];
		struct flow *flow = &table->flows[slot >> 1];

		if (tuple_equal(&flow->tuple[slot & 1], tuple)) {
			*direction = (enum lun_direction)(slot & 1);
			return flow;
		}
	}
	return NULL;
}

struct flow *flow_lookup(const struct flow_table *table, const struct lun_tuple *tuple, uint64_t hash,
			 enum lun_direction *direction)
{
	const struct bucket *first = index_first(&table->index, hash);
	uint8_t tag = index_tag(hash);
	struct flow *flow = bucket_find(table, first, tag, tuple, direction);

	if (!flow && first->away)
		flow = bucket_find(table, index_second(&table->index, hash), tag, tuple, direction);
	return flow;
}

/* The flow at the packet's guess, if it is still the right one. */
static struct flow *flow_guessed(const struct flow_table *table, const struct packet *p)
{
	const uint32_t index = p->guess == UINT32_MAX ? 0 : p->guess >> 1;
	struct flow *flow = &table->flows[index];

	if (p->guess == UINT32_MAX || !(flow->flags & FLOW_OPEN) || !tuple_equal(&flow->tuple[p->guess & 1], &p->tuple))
		return NULL;
	return flow;
}

bool flow_find(const struct flow_table *table, struct packet *p)
{
	enum lun_direction direction = LUN_ORIG;

	p->flow = flow_guessed(table, p);
	if (p->flow) {
		p->direction = p->guess & 1;
		return true;
	}
	p->flow = flow_lookup(table, &p->tuple, p->hash, &direction);
	p->direction = direction & 1;
	return p->flow != NULL;
}

/* A record from the free list, or a fresh one; NULL if all are taken. */
static struct flow *record_take(struct flow_table *table)
{
	struct flow *flow;

	if (table->free != FLOW_NONE) {
		flow = &table->flows[table->free];
		table->free = flow->place;
		return flow;
	}
	return table->used < table->capacity ? &table->flows[table->used++] : NULL;
}

static void record_give(struct flow_table *table, struct flow *flow)
{
	flow->place = table->free;
	table->free = flow_index(table, flow);
}

/* Puts both tuples into the index, or neither.  The record has its tuples already, for an entry may have to move. */
static bool index_flow(struct flow_table *table, const struct flow *flow, const uint64_t hash[2])
{
	uint32_t slot = flow_index(table, flow) * 2;

	if (!index_insert(&table->index, hash[LUN_ORIG], slot))
		return false;
	if (index_insert(&table->index, hash[LUN_REPLY], slot + 1))
		return true;
	index_remove(&table->index, hash[LUN_ORIG], slot);
	return false;
}

struct flow *flow_open(struct flow_table *table, const struct lun_tuple tuple[2], const uint64_t hash[2])
{
	struct flow *flow = record_take(table);

	if (!flow)
		return NULL;
	memcpy(flow->tuple, tuple, sizeof(flow->tuple));
	memset((uint8_t *)flow + offsetof(struct flow, count_low), 0,
	       offsetof(struct flow, generation) - offsetof(struct flow, count_low));
	flow->place = WHEEL_NONE;
	flow->port = FLOW_NONE;
	flow->deadline = (uint32_t)table->now_ms;
	flow->flags = FLOW_OPEN;
	flow->generation++;
	flow->opened = (uint32_t)table->now_ms;
	if (!index_flow(table, flow, hash)) {
		flow->flags = 0;
		record_give(table, flow);
		return NULL;
	}
	if (tuple->protocol == LUN_TCP || tuple->protocol == LUN_SCTP)
		*flow_more(table, flow) = (struct flow_more) { .edit = FLOW_NONE };
	table->timeouts[0].flows++;
	table->count++;
	table->opened++;
	return flow;
}

void flow_schedule(struct flow_table *table, const struct flow *flow)
{
	wheel_put(&table->wheel, flow_index(table, flow), table->now_ms + flow_left_ms(table, flow));
}

void flow_schedule_anew(struct flow_table *table, const struct flow *flow)
{
	wheel_remove(&table->wheel, flow_index(table, flow));
	flow_schedule(table, flow);
}

bool flow_rekey(struct flow_table *table, struct flow *flow, const struct lun_tuple *reply)
{
	uint32_t slot = flow_index(table, flow) * 2 + 1;
	uint64_t old = flow_hash(table, &flow->tuple[LUN_REPLY]);

	if (tuple_equal(&flow->tuple[LUN_REPLY], reply))
		return true;
	/* Out first: both entries have the same slot, and might have the same tag. */
	index_remove(&table->index, old, slot);
	if (index_insert(&table->index, flow_hash(table, reply), slot)) {
		flow->tuple[LUN_REPLY] = *reply;
		return true;
	}
	index_insert(&table->index, old, slot); /* its place is still free */
	return false;
}

void flow_end(struct flow_table *table, struct flow *flow)
{
	uint32_t slot = flow_index(table, flow) * 2;

	index_remove(&table->index, flow_hash(table, &flow->tuple[LUN_ORIG]), slot);
	index_remove(&table->index, flow_hash(table, &flow->tuple[LUN_REPLY]), slot + 1);
	wheel_remove(&table->wheel, slot / 2);
	table->half_open -= flow->tuple[LUN_ORIG].protocol == LUN_TCP && state_is_half_open(flow->state);
	table->timeouts[flow->timeouts].flows--;
	flow->flags = 0;
	record_give(table, flow);
	table->count--;
	table->ended++;
}

/* The clock is about to leap so far that a deadline of 32 bits, which is compared by the sign of a difference, would seem to lie
 * ahead again: those that are passed are set to the new time. */
static void deadlines_leap(struct flow_table *table, uint64_t now_ms)
{
	for (uint32_t i = 0; i < table->used; i++)
		if (flow_left_ms(table, &table->flows[i]) < now_ms - table->now_ms)
			table->flows[i].deadline = (uint32_t)now_ms;
}

void flow_set_clock(struct flow_table *table, uint64_t now)
{
	uint64_t ms;

	if (!table->started) {
		table->epoch = now;
		table->started = true;
	}
	ms = now > table->epoch ? (now - table->epoch) / NS_PER_MS : 0;
	if (ms <= table->now_ms)
		return;
	if (ms - table->now_ms > LEAP_MS)
		deadlines_leap(table, ms);
	table->now_ms = ms;
}

/* Fetches the index's lines that a flow's end will change. */
static inline __attribute__((always_inline)) void fetch_buckets(const struct flow_table *table, const struct flow *flow)
{
	__builtin_prefetch(index_first(&table->index, flow_hash(table, &flow->tuple[LUN_ORIG])), 1);
	__builtin_prefetch(index_first(&table->index, flow_hash(table, &flow->tuple[LUN_REPLY])), 1);
}

uint32_t flow_take_expired(struct flow_table *table, uint32_t *budget, struct flow *expired[FLOW_EXPIRED])
{
	uint32_t indices[FLOW_EXPIRED], taken, count = 0;

	while (count == 0 && (taken = wheel_take(&table->wheel, table->now_ms, budget, indices, FLOW_EXPIRED)) > 0) {
		for (uint32_t i = 0; i < taken; i++)
			__builtin_prefetch(table->flows[indices[i]].tuple);
		for (uint32_t i = 0; i < taken; i++) {
			struct flow *flow = &table->flows[indices[i]];
			uint32_t left = flow_left_ms(table, flow);

			if (left > 0)
				wheel_put(&table->wheel, indices[i], table->now_ms + left);
			else
				expired[count++] = flow;
		}
	}
	for (uint32_t i = 0; i < count; i++)
		fetch_buckets(table, expired[i]);
	return count;
}

uint64_t flow_now(const struct flow_table *table)
{
	return table->epoch + table->now_ms * NS_PER_MS;
}

uint64_t flow_deadline(const struct flow_table *table)
{
	uint64_t ms = wheel_deadline(&table->wheel);

	return ms == UINT64_MAX ? UINT64_MAX : table->epoch + ms * NS_PER_MS;
}

static void count_add(struct flow *flow, int counter, uint32_t amount)
{
	uint32_t before = flow->count_low[counter];

	flow->count_low[counter] = before + amount;
	flow->count_high[counter] = (uint16_t)(flow->count_high[counter] + (before + amount < before));
}

void flow_count(struct flow *flow, enum lun_direction direction, uint32_t bytes)
{
	count_add(flow, (int)direction, 1);
	count_add(flow, 2 + (int)direction, bytes);
}

static void count_set(struct flow *flow, int counter, uint64_t value)
{
	flow->count_low[counter] = (uint32_t)value;
	flow->count_high[counter] = (uint16_t)(value >> 32);
}

void flow_set_counts(struct flow *flow, const uint64_t packets[2], const uint64_t bytes[2])
{
	for (int direction = 0; direction < 2; direction++) {
		count_set(flow, direction, packets[direction]);
		count_set(flow, 2 + direction, bytes[direction]);
	}
}

void flow_describe(const struct flow_table *table, const struct flow *flow, struct lun_flow *description)
{
	*description = (struct lun_flow) {
		.id = flow_id(table, flow),
		.orig = flow->tuple[LUN_ORIG],
		.reply = flow->tuple[LUN_REPLY],
		.state = (enum lun_state)flow->state,
		.owner = (enum lun_owner)flow->owner,
		.expires = (uint64_t)flow_left_ms(table, flow) * NS_PER_MS,
		.age = (uint64_t)((uint32_t)table->now_ms - flow->opened) * NS_PER_MS,
		.packets = { flow_count_of(flow, 0), flow_count_of(flow, 1) },
		.bytes = { flow_count_of(flow, 2), flow_count_of(flow, 3) },
		.translated = flow->flags & FLOW_TRANSLATED,
		.masquerade = flow->flags & FLOW_MASQUERADE,
		.assured = flow->flags & FLOW_ASSURED,
	};
}

void flow_set_owner(struct flow *flow, enum lun_owner owner)
{
	/* From left to the states it may go to, as bits. */
	static const uint8_t legal[] = {
		[LUN_OWNER_ENGINE] = 1 << LUN_OWNER_PENDING | 1 << LUN_OWNER_KERNEL,        /* commit asked for; imported */
		[LUN_OWNER_PENDING] = 1 << LUN_OWNER_KERNEL | 1 << LUN_OWNER_KERNEL_EDITED, /* confirmed */
		[LUN_OWNER_KERNEL] = 1 << LUN_OWNER_KERNEL, /* confirmed again, with another port */
		/* confirmed again; nothing is left to edit */
		[LUN_OWNER_KERNEL_EDITED] = 1 << LUN_OWNER_KERNEL_EDITED | 1 << LUN_OWNER_KERNEL,
	};

	invariant(flow->owner < sizeof(legal) && legal[flow->owner] >> owner & 1);
	flow->owner = (uint8_t)owner;
}
