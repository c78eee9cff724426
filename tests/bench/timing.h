/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clocks in nanoseconds, and what is made of many samples on a machine that others use too.
 */
#ifndef LEAT_TESTS_BENCH_TIMING_H
#define LEAT_TESTS_BENCH_TIMING_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

uint64_t timing_now_ns(void);

double timing_median(const double *samples, size_t count);
double timing_least(const double *samples, size_t count);
/* The median of the pairs' own ratios: a machine that is slow for a while is so for both of a pair. */
double timing_median_ratio(const double *samples, const double *floor, size_t count);

/* Of the spans between a run's MARKS marks, for one packet. */
double timing_marked_ns(const __u64 *marks);
/* The mean of all of them: whatever held a packet up is in there. */
double timing_mean_ns(const __u64 *marks);

#endif
