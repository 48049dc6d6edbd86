/* http_rows.c - every class of requests that parsers read differently: what goes on and what is refused, at which byte; each
 * whole, byte by byte, and cut in two at every offset.
 *
 * The service has no headers, so what goes on goes on as it is. */
#include "http_rows.h"

#include "request.h"

static struct lun_policy *policy;
static struct outcome outcome;

static void feed(unsigned answer, const char *bytes, size_t length, size_t first, size_t step)
{
	const struct trial trial = {
		.policy = policy, .answer = answer, .bytes = bytes, .length = length, .first = first, .step = step
	};

	trial_run(&trial, &outcome);
}

/* A service that reads its requests, and edits nothing. */
static struct lun_policy *strict_policy(void)
{
	struct lun_address ip = { { 10 } };
	struct lun_port port = { .port = 80 };
	struct lun_service service = { .name = "default/web",
				       .cluster_ips = &ip,
				       .cluster_ip_count = 1,
				       .ports = &port,
				       .port_count = 1,
				       .http = true };
	struct lun_policy_config config = { .size = sizeof(config), .services = &service, .service_count = 1 };
	struct lun_policy *made;
	struct lun_error error;

	if (lun_policy_new(&made, &config, &error) < 0)
		fail_msg("%s", error.text);
	return made;
}

static void check(const struct row *row, size_t first, size_t step)
{
	const struct lun_http_status *status = &outcome.status;

	feed(row->answer, row->bytes, row->length, first, step);
	if (status->refused != (row->refused >= 0))
		fail_msg("%s, cut at %zu, then each %zu: %s at %llu: %s", row->name, first, step,
			 status->refused ? "refused" : "not refused", (unsigned long long)status->offset,
			 status->text ? status->text : "");
	if (status->refused && (status->offset != (uint64_t)row->refused || !status->text))
		fail_msg("%s, cut at %zu, then each %zu: refused at %llu, expected %ld: %s", row->name, first, step,
			 (unsigned long long)status->offset, row->refused, status->text);
	if (outcome.length != row->passed || memcmp(outcome.bytes, row->bytes, row->passed) != 0)
		fail_msg("%s, cut at %zu, then each %zu: %zu bytes went on, expected %zu", row->name, first, step,
			 outcome.length, row->passed);
	if (status->requests != row->requests)
		fail_msg("%s, cut at %zu, then each %zu: %llu requests, expected %u", row->name, first, step,
			 (unsigned long long)status->requests, row->requests);
	if (!status->refused && (status->reason == LUN_REASON_http_incomplete) != (row->passed < row->length))
		fail_msg("%s: what was kept back was not said", row->name);
	if (row->passed < row->length && !status->refused)
		assert_int_equal(status->offset, row->passed);
}

static void every_row_is_read_alike_however_it_is_cut(void **state)
{
	(void)state;
	policy = strict_policy();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(&rows[i], rows[i].length, 1);
		check(&rows[i], 1, 1);
		check(&rows[i], 1, 3);
		for (size_t cut = 0; cut < rows[i].length; cut++)
			check(&rows[i], cut, rows[i].length);
	}
	lun_policy_unref(policy);
}

/* The size row: a line has at most 8 kB, a head 64 kB. */
static void sizes_have_limits(void **state)
{
	static char bytes[100000];
	static const size_t steps[] = { 1, 1448, 8192, sizeof(bytes) };
	size_t line_start = strlen(GET), length;

	(void)state;
	policy = strict_policy();
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		for (size_t line = 8191; line <= 8194; line++) {
			length = (size_t)sprintf(bytes, GET "X: %0*d\r\n\r\n", (int)line - 5, 0);
			feed(0, bytes, length, steps[i], steps[i]);
			assert_int_equal(outcome.status.refused, line > 8192);
			if (line > 8192) {
				assert_int_equal(outcome.status.offset, line_start + 8192);
				assert_int_equal(outcome.status.reason, LUN_REASON_http_too_large);
			}
			length = (size_t)sprintf(bytes, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", (int)line - 16, 0);
			feed(0, bytes, length, steps[i], steps[i]);
			assert_int_equal(outcome.status.refused, line > 8192);
			length = (size_t)sprintf(bytes, CHUNKED "1;%0*d\r\na\r\n0\r\n\r\n", (int)line - 4, 0);
			feed(0, bytes, length, steps[i], steps[i]);
			assert_int_equal(outcome.status.refused, line > 8192);
		}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		for (size_t head = 65535; head <= 65538; head++) {
			length = (size_t)sprintf(bytes, GET);
			while (head - length > 1010)
				length += (size_t)sprintf(bytes + length, "X: %0*d\r\n", 995, 0);
			length += (size_t)sprintf(bytes + length, "X: %0*d\r\n\r\n", (int)(head - length) - 7, 0);
			assert_int_equal(length, head);
			feed(0, bytes, length, steps[i], steps[i]);
			assert_int_equal(outcome.status.refused, head > 65536);
			assert_int_equal(outcome.length, head > 65536 ? 0 : head);
			if (head > 65536)
				assert_int_equal(outcome.status.offset, 65536);
		}
	lun_policy_unref(policy);
}

/* What is kept back behind a request for another protocol has a limit, too. */
static void what_waits_for_an_answer_is_limited(void **state)
{
	static char bytes[70000];
	static const size_t steps[] = { 1, 1448, sizeof(bytes) };
	size_t head = (size_t)sprintf(bytes, GET "Upgrade: websocket\r\n\r\n");

	(void)state;
	policy = strict_policy();
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		feed(0, bytes, head + 65536, steps[i], steps[i]);
		assert_false(outcome.status.refused);
		feed(0, bytes, head + 65537, steps[i], steps[i]);
		assert_true(outcome.status.refused);
		assert_int_equal(outcome.status.offset, head);
		feed(101, bytes, sizeof(bytes), steps[i], steps[i]);
		assert_false(outcome.status.refused);
		assert_int_equal(outcome.length, sizeof(bytes));
	}
	lun_policy_unref(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_read_alike_however_it_is_cut),
		cmocka_unit_test(sizes_have_limits),
		cmocka_unit_test(what_waits_for_an_answer_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
