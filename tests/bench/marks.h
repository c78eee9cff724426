/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A run of packets is timed by its program: it notes the time at every MARK_PACKETS'th packet. What a
 * call of the kernel costs before and after its packets is not in there, nanoseconds have fractions,
 * and the median of the spans between two marks knows nothing of interruptions.
 */
#ifndef LEAT_TESTS_BENCH_MARKS_H
#define LEAT_TESTS_BENCH_MARKS_H

#define MARK_PACKETS 2048 /* a power of two; far less than a time slice */
#define MARKS	     160  /* of one run; the first spans warm the caches */
#define MARKS_WARM   24

/* Packets of a run: wherever the sequence begins, it has all its marks. */
#define MARKED_RUN (MARKS * MARK_PACKETS)

#endif
