/* The text format of metrics: what stands in a label is escaped, whatever it is. */
#include "control/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(void (*put)(FILE *out), const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	put(out);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void put_hostile(FILE *out)
{
	const struct label labels[] = { { "service", "a\"b\\c\nd{},=" }, { "endpoint", NULL }, { 0 } };

	exposition_count(out, "x", labels, UINT64_MAX);
}

static void hostile_labels(void **state)
{
	(void)state;
	check(put_hostile, "x{service=\"a\\\"b\\\\c\\nd{},=\",endpoint=\"\"} 18446744073709551615\n");
}

static void put_family(FILE *out)
{
	const struct label none[] = { { 0 } };

	exposition_family(out, "x_seconds_total", "counter", "Time.");
	exposition_seconds(out, "x_seconds_total", NULL, 1500000001);
	exposition_seconds(out, "x_seconds_total", none, 7);
}

static void family(void **state)
{
	(void)state;
	check(put_family, "# HELP x_seconds_total Time.\n# TYPE x_seconds_total counter\n"
			  "x_seconds_total 1.500000001\nx_seconds_total 0.000000007\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hostile_labels), cmocka_unit_test(family) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
