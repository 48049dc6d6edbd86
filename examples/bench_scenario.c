/* bench_scenario.c - a scenario as a unit benchmark: what does this policy cost on this traffic, and is it more than it was?
 *
 *	bench_scenario POLICY CAPTURE RUNS [BASELINE [PERCENT]]
 *
 * The capture is read once and run RUNS times, each in a fresh engine; only the engine is timed, in CPU time of the thread, so what else
 * the machine does counts little.  Prints how the runs spread.
 *
 * BASELINE is a file to be kept beside the policy.  If it is not there it is made; else this is a test, in cmocka's form and with its
 * output (CMOCKA_MESSAGE_OUTPUT=TAP): that as many flows and verdicts came out, and that the median is not more than PERCENT (50) above
 * the file's.  A baseline is one machine's.  RUNS of some tens give a median that holds still. */
#include <inttypes.h>
#include <lunette/lua.h>
#include <lunette/replay.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RUNS_MOST = 100000, BARS = 10, BAR_WIDTH = 50, PERCENT = 50 };

struct result {
	double median;
	uint64_t packets, flows;           /* of one run */
	uint64_t verdicts[LUN_STOLEN + 1]; /* of one run */
};

static struct result now, before; /* which cmocka's tests compare */
static unsigned long percent = PERCENT;

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What one packet cost in each run, sorted; and the result of all. */
static int measure(const struct lun_capture *capture, struct lun_policy *policy, double *times, unsigned long runs,
		   struct lun_error *error)
{
	/* No larger than it need be: a fresh engine's memory is touched for the first time, which costs more than a packet. */
	const struct lun_config config = { .size = sizeof(config),
					   .flows = (uint32_t)lun_capture_count(capture) + 1,
					   .captured = true };
	struct lun_replay_bench bench;

	for (unsigned long i = 0; i < runs; i++) {
		int code = lun_replay_bench(capture, &config, policy, 1, &bench, error);

		if (code < 0)
			return code;
		times[i] = bench.packet_ns;
	}
	qsort(times, runs, sizeof(*times), by_size);
	now.median = (times[(runs - 1) / 2] + times[runs / 2]) / 2;
	now.packets = bench.packets;
	now.flows = bench.flows_opened;
	for (int i = 0; i <= LUN_STOLEN; i++)
		now.verdicts[i] = bench.verdicts[i];
	return 0;
}

/* The slowest twentieth is told by its end alone, else one run would decide the width of all bars. */
static void print_histogram(const double *times, unsigned long runs)
{
	double first = times[0], width = (times[(runs - 1) * 19 / 20] - first) / BARS;
	unsigned long next = 0, count;

	printf("%" PRIu64 " packets, %" PRIu64 " flows, %lu runs: %.1f ns a packet (%.1f to %.1f)\n", now.packets, now.flows,
	       runs, now.median, first, times[runs - 1]);
	for (int bar = 0; width > 0 && bar < BARS; bar++) {
		double end = first + width * (bar + 1);

		for (count = 0; next < runs && (times[next] <= end || bar == BARS - 1); next++)
			count += 1;
		printf("%8.1f ns %6lu  ", end - width / 2, count);
		for (unsigned long i = 0; i < (count * BAR_WIDTH + runs - 1) / runs; i++)
			putchar('#');
		putchar('\n');
	}
}

static void outcomes_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(now.packets, before.packets);
	assert_int_equal(now.flows, before.flows);
	for (enum lun_verdict i = LUN_ACCEPT; i <= LUN_STOLEN; i++)
		if (now.verdicts[i] != before.verdicts[i])
			fail_msg("%" PRIu64 " packets %s, expected %" PRIu64, now.verdicts[i], lun_verdict_name(i),
				 before.verdicts[i]);
}

static void a_packet_costs_no_more(void **state)
{
	(void)state;
	if (now.median > before.median * (1 + (double)percent / 100))
		fail_msg("%.1f ns a packet, expected at most %lu %% more than %.1f", now.median, percent, before.median);
}

/* Writes the baseline; false, and it says why: it cannot be. */
static bool record(const char *path)
{
	FILE *file = fopen(path, "w");
	bool written = file != NULL;

	if (file) {
		fprintf(file, "packet_ns %.1f\npackets %" PRIu64 "\nflows %" PRIu64 "\n", now.median, now.packets,
			now.flows);
		for (enum lun_verdict i = LUN_ACCEPT; i <= LUN_STOLEN; i++)
			fprintf(file, "%s %" PRIu64 "\n", lun_verdict_name(i), now.verdicts[i]);
		written = fclose(file) == 0;
	}
	if (!written)
		perror(path);
	else
		printf("recorded %s\n", path);
	return written;
}

static bool parse(FILE *file)
{
	char name[16];

	if (fscanf(file, "packet_ns %lf packets %" SCNu64 " flows %" SCNu64, &before.median, &before.packets,
		   &before.flows) != 3)
		return false;
	for (enum lun_verdict i = LUN_ACCEPT; i <= LUN_STOLEN; i++)
		if (fscanf(file, "%15s %" SCNu64, name, &before.verdicts[i]) != 2)
			return false;
	return true;
}

static int compare(const char *path)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes_are_the_same),
		cmocka_unit_test(a_packet_costs_no_more),
	};
	FILE *file = fopen(path, "r");
	bool read;

	if (!file)
		return record(path) ? 0 : 2;
	read = parse(file);
	fclose(file);
	if (!read)
		return fprintf(stderr, "%s: expected what this program recorded\n", path), 2;
	return cmocka_run_group_tests_name(path, tests, NULL, NULL) ? 1 : 0;
}

int main(int argc, char **argv)
{
	unsigned long runs = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	struct lun_capture *capture = NULL;
	struct lun_policy *policy = NULL;
	struct lun_error error;
	double *times;
	int status = 2;

	if (argc > 5)
		percent = strtoul(argv[5], NULL, 10);
	if (argc < 4 || argc > 6 || runs == 0 || runs > RUNS_MOST || percent == 0)
		return fprintf(stderr, "usage: bench_scenario POLICY CAPTURE RUNS [BASELINE [PERCENT]]\n"), 2;
	times = calloc(runs, sizeof(*times));
	if (!times || lun_lua_policy_load(&policy, argv[1], NULL, &error) < 0 ||
	    lun_capture_load(&capture, argv[2], &error) < 0 || measure(capture, policy, times, runs, &error) < 0) {
		fprintf(stderr, "%s\n", times ? error.text : lun_strerror(LUN_NO_MEMORY));
	} else {
		print_histogram(times, runs);
		status = argc > 4 ? compare(argv[4]) : 0;
	}
	lun_capture_free(capture);
	lun_policy_unref(policy);
	free(times);
	return status;
}
