/* bench_scenario.c - a scenario as a unit benchmark: what does this policy cost on this traffic?
 *
 *	bench_scenario POLICY CAPTURE RUNS
 *
 * The capture is read once and run RUNS times through a fresh engine; only the engine is timed. */
#include <lunette/lua.h>
#include <lunette/replay.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	const struct lun_config config = { .size = sizeof(config) };
	struct lun_replay_bench bench;
	struct lun_capture *capture = NULL;
	struct lun_policy *policy = NULL;
	struct lun_error error;
	bool failed;

	if (argc != 4) {
		fprintf(stderr, "usage: %s POLICY CAPTURE RUNS\n", argv[0]);
		return 2;
	}
	failed = lun_lua_policy_load(&policy, argv[1], NULL, &error) < 0 ||
		 lun_capture_load(&capture, argv[2], &error) < 0 ||
		 lun_replay_bench(capture, &config, policy, strtoul(argv[3], NULL, 10), &bench, &error) < 0;
	if (failed)
		fprintf(stderr, "%s\n", error.text);
	else
		printf("%zu packets, %llu flows, %llu runs: %.1f ns a packet (%.1f to %.1f)\n", lun_capture_count(capture),
		       (unsigned long long)(bench.flows_opened / bench.runs), (unsigned long long)bench.runs,
		       bench.packet_ns, bench.packet_min_ns, bench.packet_max_ns);
	lun_capture_free(capture);
	lun_policy_unref(policy);
	return failed ? 2 : 0;
}
