/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/timing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "tests/bench/marks.h"

uint64_t timing_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		abort();
	return memory;
}

double timing_median(const double *samples, size_t count)
{
	cleanup(freep) double *sorted = allocate(count * sizeof(*sorted));

	memcpy(sorted, samples, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_doubles);
	return sorted[count / 2];
}

double timing_least(const double *samples, size_t count)
{
	double least = samples[0];

	for (size_t i = 1; i < count; i++)
		least = MIN(least, samples[i]);
	return least;
}

double timing_median_ratio(const double *samples, const double *floor, size_t count)
{
	cleanup(freep) double *ratios = allocate(count * sizeof(*ratios));

	for (size_t i = 0; i < count; i++)
		ratios[i] = samples[i] / floor[i];
	return timing_median(ratios, count);
}

double timing_mean_ns(const __u64 *marks)
{
	return (double)(marks[MARKS - 1] - marks[MARKS_WARM]) /
	       ((MARKS - 1 - MARKS_WARM) * (double)MARK_PACKETS);
}

double timing_marked_ns(const __u64 *marks)
{
	double spans[MARKS];
	size_t count = 0;

	for (size_t i = MARKS_WARM; i + 1 < MARKS; i++)
		spans[count++] = (double)(marks[i + 1] - marks[i]) / MARK_PACKETS;
	return timing_median(spans, count);
}
