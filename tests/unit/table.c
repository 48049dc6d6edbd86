/* table.c - index, wheel and flow table against plain models, with many random steps. */
#include "notation.h"

#include "track/flow.h"
#include "track/track.h"

enum { FLOWS = 3000, STEPS = 200000 };

static struct lun_tuple random_tuple(struct random *random)
{
	struct lun_tuple tuple = { .protocol = LUN_UDP };

	tuple.source = notation_address("10.0.0.1");
	tuple.destination = notation_address("10.0.0.2");
	tuple.source.bytes[15] = (uint8_t)random_next(random);
	tuple.source_port = (uint16_t)random_next(random);
	tuple.destination_port = (uint16_t)random_next(random);
	return tuple;
}

static void the_two_forms_of_matching_agree(void **state)
{
	struct random random = { 7 };

	(void)state;
	for (int i = 0; i < 1000; i++) {
		_Alignas(64) struct bucket bucket = { .away = (uint32_t)random_next(&random) };

		for (int way = 0; way < INDEX_WAYS; way++)
			bucket.tags[way] = (uint8_t)random_below(&random, 4);
		for (uint8_t tag = 0; tag < 5; tag++)
			assert_int_equal(bucket_match(&bucket, tag), bucket_match_plain(&bucket, tag));
	}
}

/* Opens and ends flows at random in a table that is nearly always full; every open one must be found by both tuples. */
static struct flow *open_flow(struct flow_table *table, const struct lun_tuple tuple[2])
{
	const uint64_t hash[2] = { flow_hash(table, &tuple[0]), flow_hash(table, &tuple[1]) };

	return flow_open(table, tuple, hash);
}

/* Random puts, takes and removals against a plain list: no entry is lost or comes twice, and chunks never run out. */
static void the_wheel_keeps_every_entry(void **state)
{
	enum { ENTRIES = 300, ROUNDS = 20000 };
	static uint32_t places[ENTRIES];
	static bool inside[ENTRIES];
	struct random random = { 13 };
	struct wheel wheel;
	uint64_t now = 0;
	uint32_t indices[5];

	(void)state;
	memset(places, 0xff, sizeof(places));
	assert_int_equal(wheel_init(&wheel, ENTRIES, places, sizeof(places[0])), 0);
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t i = random_below(&random, ENTRIES), budget = random_below(&random, 40), taken;

		if (inside[i])
			wheel_remove(&wheel, i);
		else /* many in few slots, few in many, so that chunks fill and empty */
			wheel_put(&wheel, i, now + random_below(&random, i % 2 ? 40 : 10000000));
		inside[i] = !inside[i];
		now += random_below(&random, 8);
		taken = wheel_take(&wheel, now, &budget, indices, 5);
		for (uint32_t k = 0; k < taken; k++) {
			assert_true(inside[indices[k]]);
			inside[indices[k]] = false;
		}
		assert_int_equal(inside[i], places[i] != WHEEL_NONE);
	}
	wheel_fini(&wheel);
}

static void flows_are_found_by_both_tuples(void **state)
{
	static struct lun_tuple kept[FLOWS][2];
	static struct flow *flows[FLOWS];
	const uint64_t seed[2] = { 3, 4 };
	struct random random = { 5 };
	struct flow_table table;
	enum lun_direction direction;

	(void)state;
	assert_int_equal(flow_table_init(&table, FLOWS, 1, seed), 0);
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = random_below(&random, FLOWS);

		if (flows[i] && random_below(&random, 3) == 0) {
			flow_end(&table, flows[i]);
			flows[i] = NULL;
			assert_null(flow_lookup(&table, &kept[i][0], flow_hash(&table, &kept[i][0]), &direction));
		} else if (!flows[i]) {
			kept[i][0] = random_tuple(&random);
			kept[i][1] = tuple_inverted(&kept[i][0]);
			if (flow_lookup(&table, &kept[i][0], flow_hash(&table, &kept[i][0]), &direction))
				continue;
			flows[i] = open_flow(&table, kept[i]);
			assert_non_null(flows[i]);
		} else {
			int side = (int)random_below(&random, 2);

			assert_ptr_equal(flow_lookup(&table, &kept[i][side], flow_hash(&table, &kept[i][side]), &direction),
					 flows[i]);
			assert_int_equal(direction, side);
		}
	}
	assert_true(table.count > FLOWS * 2 / 3);
	flow_table_fini(&table);
}

static void an_id_kept_too_long_finds_nothing(void **state)
{
	const uint64_t seed[2] = { 0, 0 };
	struct lun_tuple tuple[2] = { { .protocol = LUN_UDP, .source_port = 1 }, { .protocol = LUN_UDP, .source_port = 2 } };
	struct flow_table table;
	struct flow *flow;
	uint64_t id;

	(void)state;
	assert_int_equal(flow_table_init(&table, 1, 1, seed), 0);
	flow = open_flow(&table, tuple);
	id = flow_id(&table, flow);
	assert_ptr_equal(flow_by_id(&table, id), flow);
	assert_null(open_flow(&table, tuple)); /* full */
	flow_end(&table, flow);
	assert_null(flow_by_id(&table, id));
	assert_non_null(open_flow(&table, tuple));
	assert_null(flow_by_id(&table, id));
	assert_null(flow_by_id(&table, 0));
	assert_null(flow_by_id(&table, UINT64_MAX));
	flow_table_fini(&table);
}

/* Every entry comes out not before its deadline and at most a tick late, whatever the clock's jumps; none is lost. */
static void the_wheel_is_late_by_a_tick_at_most(void **state)
{
	enum { ENTRIES = 2000 };
	static uint32_t places[ENTRIES];
	static uint64_t deadlines[ENTRIES];
	struct random random = { 11 };
	struct wheel wheel;
	uint64_t now = 0, longest = 3ull * 24 * 3600 * 1000;
	uint32_t indices[7], taken, out = 0;

	(void)state;
	assert_int_equal(wheel_init(&wheel, ENTRIES, places, sizeof(places[0])), 0);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		deadlines[i] = 1 + random_next(&random) % (i % 3 == 0 ? 3000 : i % 3 == 1 ? 600000 : longest);
		wheel_put(&wheel, i, deadlines[i]);
	}
	for (uint32_t i = 0; i < ENTRIES; i += 10) { /* some leave early */
		wheel_remove(&wheel, i);
		out++;
	}
	while (out < ENTRIES) {
		uint64_t next = wheel_deadline(&wheel), jump = random_next(&random) % 5000;
		uint32_t budget = UINT32_MAX;

		assert_true(next != UINT64_MAX);
		now = now + jump > next ? now + jump : next;
		while ((taken = wheel_take(&wheel, now, &budget, indices, 7)) > 0) {
			for (uint32_t i = 0; i < taken; i++) {
				uint64_t deadline = deadlines[indices[i]];

				assert_true(places[indices[i]] == WHEEL_NONE);
				assert_true(deadline > now || now - deadline <= jump + 3 * WHEEL_TICK_MS);
				if (deadline > now)
					wheel_put(&wheel, indices[i], deadline);
				else
					out++;
			}
		}
	}
	assert_true(wheel_deadline(&wheel) == UINT64_MAX);
	wheel_fini(&wheel);
}

/* A budget stops the work, and the next call goes on where it stopped. */
static void the_wheel_works_in_pieces(void **state)
{
	enum { ENTRIES = 1000 };
	static uint32_t places[ENTRIES];
	struct wheel wheel;
	uint32_t index, out = 0, calls = 0;

	(void)state;
	assert_int_equal(wheel_init(&wheel, ENTRIES, places, sizeof(places[0])), 0);
	for (uint32_t i = 0; i < ENTRIES; i++)
		wheel_put(&wheel, i, 5000);
	while (out < ENTRIES) {
		uint32_t budget = 10;

		while (wheel_take(&wheel, 5016, &budget, &index, 1) > 0) {
			if (calls < 50 && index % 2) { /* not due after all: put again, comes later */
				wheel_put(&wheel, index, 5016);
				continue;
			}
			out++;
		}
		assert_true(++calls < 10000);
		if (calls > 60) {
			budget = UINT32_MAX;
			while (wheel_take(&wheel, 6000, &budget, &index, 1) > 0)
				out++;
		}
	}
	assert_int_equal(out, ENTRIES);
	wheel_fini(&wheel);
}

static void rekeying_moves_the_reply_tuple(void **state)
{
	const uint64_t seed[2] = { 0, 0 };
	struct lun_tuple tuple[2] = { { .protocol = LUN_UDP, .source_port = 1 }, { .protocol = LUN_UDP, .source_port = 2 } };
	struct lun_tuple other = { .protocol = LUN_UDP, .source_port = 3 };
	struct flow_table table;
	enum lun_direction direction;
	struct flow *flow;

	(void)state;
	assert_int_equal(flow_table_init(&table, 4, 1, seed), 0);
	flow = open_flow(&table, tuple);
	assert_true(flow_rekey(&table, flow, &other));
	assert_ptr_equal(flow_lookup(&table, &other, flow_hash(&table, &other), &direction), flow);
	assert_int_equal(direction, LUN_REPLY);
	assert_null(flow_lookup(&table, &tuple[1], flow_hash(&table, &tuple[1]), &direction));
	flow_end(&table, flow);
	assert_null(flow_lookup(&table, &other, flow_hash(&table, &other), &direction));
	flow_table_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_two_forms_of_matching_agree),   cmocka_unit_test(flows_are_found_by_both_tuples),
		cmocka_unit_test(an_id_kept_too_long_finds_nothing), cmocka_unit_test(the_wheel_is_late_by_a_tick_at_most),
		cmocka_unit_test(the_wheel_works_in_pieces),         cmocka_unit_test(rekeying_moves_the_reply_tuple),
		cmocka_unit_test(the_wheel_keeps_every_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
