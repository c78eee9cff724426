/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two clocks that Leat reads: one that never jumps, for intervals; the calendar, for people.
 */
#ifndef LEAT_BASE_CLOCK_H
#define LEAT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Seconds of UNIX time. */
static inline uint64_t clock_wall_s(void)
{
	return (uint64_t)time(NULL);
}

/* Milliseconds of it. */
static inline uint64_t clock_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
