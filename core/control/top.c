/* top.c - who has most.
 *
 * Flows end, and take along what they carried, so the difference of two sums would be no rate.  What is new is found flow by flow
 * instead: beside the flow table lies what each flow had counted at the last question.  It is taken for the first question and given
 * back with the session, so an agent that nobody watches has none of it.
 *
 * All is done in steps of bounded work: the flows are walked, the greatest groups picked, and told.  Groups are bounded too: a
 * flood from more sources than GROUPS is told in one sum, as "other". */
#include "control/top.h"
#include "control/line.h"
#include "control/tally.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uv.h>

enum { GROUPS = 8192, FLOWS_A_STEP = 1024, GROUPS_A_STEP = 4096, ROWS = 100, ROWS_A_STEP = 32 };

/* What a flow had counted when it was last looked at, and what of it was new then.  Four counters: packets of both directions, then
 * bytes of both. */
struct seen {
	uint64_t id;
	uint64_t counts[4], news[4];
	uint64_t since; /* the question at which it was first there */
};

struct top {
	const struct lun_live *live;
	const struct request *request;
	struct seen *seen; /* by the flow's place in the table */
	uint64_t seen_count;
	uint64_t question;           /* number of it; one that asks again has the number of that before */
	uint64_t asked_at, interval; /* ns; interval 0: this is the first question */
	enum { WALK, PICK, TELL } stage;
	uint64_t cursor;
	struct tally tally;
	struct tally_entry other, sum;
	const struct tally_entry *rows[ROWS]; /* the greatest first */
	size_t row_count;
};

struct top *top_new(const struct lun_live *live)
{
	struct top *top = calloc(1, sizeof(*top));
	struct lun_stats stats;

	if (!top)
		return NULL;
	lun_engine_stats(lun_live_engine(live), &stats);
	top->live = live;
	top->seen_count = stats.flows_max;
	/* Of which only what is written is taken, and all given back; calloc, once it has learnt the size, does neither. */
	top->seen =
		mmap(NULL, top->seen_count * sizeof(*top->seen), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (top->seen != MAP_FAILED && tally_reserve(&top->tally, GROUPS))
		return top;
	top_free(top);
	return NULL;
}

void top_free(struct top *top)
{
	if (!top)
		return;
	tally_fini(&top->tally);
	if (top->seen != MAP_FAILED)
		munmap(top->seen, top->seen_count * sizeof(*top->seen));
	free(top);
}

void top_begin(struct top *top, const struct request *request)
{
	uint64_t now = uv_hrtime();

	top->request = request;
	if (!request->again || !top->question) {
		top->interval = top->question++ ? now - top->asked_at : 0;
		top->asked_at = now;
	}
	top->stage = WALK;
	top->cursor = 0;
	top->row_count = 0;
	top->other = top->sum = (struct tally_entry) { 0 };
	tally_clear(&top->tally);
}

/* ---- Counting ---- */

/* Notes what the flow has counted since the last question.  One that opened brings all that it has; but at the first question
 * nothing is new. */
static void look(const struct top *top, struct seen *seen, const struct lun_flow *flow)
{
	const uint64_t counts[4] = { flow->packets[0], flow->packets[1], flow->bytes[0], flow->bytes[1] };

	if (seen->id != flow->id)
		*seen = (struct seen) { .id = flow->id, .since = top->question };
	for (int i = 0; i < 4; i++) {
		seen->news[i] = top->interval && counts[i] > seen->counts[i] ? counts[i] - seen->counts[i] : 0;
		seen->counts[i] = counts[i];
	}
}

/* The flow, and what is new of it, as a group of its own. */
static struct tally_entry news_of(struct top *top, const struct lun_flow *flow)
{
	struct seen *seen = &top->seen[((uint32_t)flow->id - 1) % top->seen_count];

	if (!top->request->again)
		look(top, seen, flow); /* also what does not fit: filters change */
	if (seen->id != flow->id)
		return (struct tally_entry) { .flows = 1 };
	return (struct tally_entry) { .flows = 1,
				      .opened = top->interval && seen->since == top->question,
				      .packets = { seen->news[0], seen->news[1] },
				      .bytes = { seen->news[2], seen->news[3] } };
}

static void add(struct tally_entry *entry, const struct tally_entry *news)
{
	entry->flows += news->flows;
	entry->opened += news->opened;
	for (int way = 0; way < 2; way++) {
		entry->packets[way] += news->packets[way];
		entry->bytes[way] += news->bytes[way];
	}
}

/* The group that the flow belongs to. */
static struct tally_entry *group_of(struct top *top, const struct lun_flow *flow)
{
	struct tally_entry key = tally_key(flow), *entry;
	char text[LUN_TUPLE_TEXT];

	switch (top->request->by) {
	case REQUEST_BY_ENDPOINT:
		break;
	case REQUEST_BY_SERVICE:
		key = (struct tally_entry) { .service = key.service };
		break;
	case REQUEST_BY_SOURCE:
		key = (struct tally_entry) { .endpoint = flow->orig.source };
		break;
	case REQUEST_BY_FLOW:
		key = (struct tally_entry) { .service = lun_tuple_format(&flow->orig, text) };
		break;
	}
	entry = top->tally.count < GROUPS ? tally_place(&top->tally, &key) : tally_find(&top->tally, &key);
	return entry ? entry : &top->other;
}

/* True: all flows were seen. */
static bool walk(struct top *top)
{
	struct lun_flow flow;

	for (int i = 0; i < FLOWS_A_STEP; i++) {
		struct tally_entry news;

		if (!lun_flow_next(lun_live_engine(top->live), &top->cursor, &flow))
			return true;
		news = news_of(top, &flow);
		if (!lun_flow_filter_holds(top->request->filter, &flow))
			continue;
		add(group_of(top, &flow), &news);
		add(&top->sum, &news);
	}
	return false;
}

/* ---- Picking ---- */

static uint64_t rank_of(const struct top *top, const struct tally_entry *entry)
{
	switch (top->request->sort) {
	case REQUEST_SORT_FLOWS:
		return entry->flows;
	case REQUEST_SORT_OPENED:
		return entry->opened;
	case REQUEST_SORT_PACKETS:
		return entry->packets[LUN_ORIG] + entry->packets[LUN_REPLY];
	case REQUEST_SORT_BYTES:
		break;
	}
	return entry->bytes[LUN_ORIG] + entry->bytes[LUN_REPLY];
}

/* What is equal stays in an order that does not depend on the table. */
static bool is_greater(const struct top *top, const struct tally_entry *a, const struct tally_entry *b)
{
	uint64_t left = rank_of(top, a), right = rank_of(top, b);
	int order;

	if (left != right)
		return left > right;
	if (a->flows != b->flows)
		return a->flows > b->flows;
	order = strcmp(a->service ? a->service : "", b->service ? b->service : "");
	order = order ? order : memcmp(&a->endpoint, &b->endpoint, sizeof(a->endpoint));
	return order ? order < 0 : a->port != b->port ? a->port < b->port : a->protocol < b->protocol;
}

static void pick_one(struct top *top, const struct tally_entry *entry)
{
	size_t place = top->row_count;

	if (place == ROWS && !is_greater(top, entry, top->rows[ROWS - 1]))
		return;
	place -= place == ROWS;
	for (; place > 0 && is_greater(top, entry, top->rows[place - 1]); place--)
		top->rows[place] = top->rows[place - 1];
	top->rows[place] = entry;
	top->row_count += top->row_count < ROWS;
}

/* True: all groups were looked at. */
static bool pick(struct top *top)
{
	for (int i = 0; i < GROUPS_A_STEP && top->cursor < top->tally.capacity; i++, top->cursor++)
		if (top->tally.entries[top->cursor].used)
			pick_one(top, &top->tally.entries[top->cursor]);
	return top->cursor >= top->tally.capacity;
}

/* ---- Telling ---- */

static void add_counts(cJSON *object, const struct tally_entry *entry)
{
	cJSON_AddNumberToObject(object, "flows", (double)entry->flows);
	cJSON_AddNumberToObject(object, "opened", (double)entry->opened);
	line_pair(object, "packets", entry->packets);
	line_pair(object, "bytes", entry->bytes);
}

static void put_row(const struct top *top, const struct tally_entry *entry, FILE *out)
{
	cJSON *object = cJSON_CreateObject();
	char text[LUN_ADDRESS_TEXT];

	switch (top->request->by) {
	case REQUEST_BY_ENDPOINT:
		line_text(object, "endpoint", lun_endpoint_format(&entry->endpoint, entry->port, text));
		line_text(object, "protocol", lun_protocol_name(entry->protocol));
		line_text(object, "service", entry->service);
		break;
	case REQUEST_BY_SERVICE:
		line_text(object, "service", entry->service);
		break;
	case REQUEST_BY_SOURCE:
		line_text(object, "source", lun_address_format(&entry->endpoint, text));
		break;
	case REQUEST_BY_FLOW:
		line_text(object, "orig", entry->service);
		break;
	}
	add_counts(object, entry);
	line_put(out, object);
}

static void put_summary(const struct top *top, FILE *out)
{
	cJSON *object = cJSON_CreateObject(), *summary = cJSON_AddObjectToObject(object, "summary");
	struct lun_live_stats stats;

	lun_live_stats(top->live, &stats);
	cJSON_AddNumberToObject(summary, "interval_ms", (double)(top->interval / 1000000));
	cJSON_AddBoolToObject(summary, "counts", stats.counts);
	cJSON_AddNumberToObject(summary, "groups", (double)top->tally.count);
	add_counts(summary, &top->sum);
	line_put(out, object);
}

/* True: that were all rows. */
static bool tell(struct top *top, FILE *out)
{
	cJSON *object;

	for (int i = 0; i < ROWS_A_STEP && top->cursor < top->row_count; i++)
		put_row(top, top->rows[top->cursor++], out);
	if (top->cursor < top->row_count)
		return false;
	if (top->other.flows) {
		object = cJSON_CreateObject();
		cJSON_AddBoolToObject(object, "other", true);
		add_counts(object, &top->other);
		line_put(out, object);
	}
	put_summary(top, out);
	return true;
}

bool top_step(struct top *top, FILE *out)
{
	bool done = top->stage == WALK ? walk(top) : top->stage == PICK ? pick(top) : tell(top, out);

	if (done && top->stage == TELL)
		return true;
	if (done) {
		top->stage++;
		top->cursor = 0;
	}
	return false;
}
