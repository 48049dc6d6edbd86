/* timing.h - the clock of the benchmarks, and the middle of what it measured. */
#ifndef LUNETTE_BENCH_TIMING_H
#define LUNETTE_BENCH_TIMING_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* CPU time of this thread. */
static inline uint64_t cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static inline int timing_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double median(double *values, uint32_t count)
{
	qsort(values, count, sizeof(*values), timing_compare);
	return values[count / 2];
}

#endif
