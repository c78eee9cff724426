/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the churn test's client tells its driver: JSON, one object a line. Times are seconds of
 * CLOCK_MONOTONIC, which all processes share.
 */
#ifndef LEAT_TESTS_CHURN_REPORT_H
#define LEAT_TESTS_CHURN_REPORT_H

#include <stddef.h>

#include "tests/churn/flow.h"

struct tally {
	uint64_t opened; /* flows, again and again */
	uint64_t exchanges;
	uint64_t broken;
	uint64_t slowest_us; /* answer */
};

/* Call it before the flow is closed. */
void report_broken(const struct flow *flow, uint64_t now_us);
/* "status" every now and then, "end" as the last line; with the long flows of each backend. */
void report_tally(const char *event, const struct tally *tally, const struct flow *flows,
		  size_t count, uint64_t now_us);

#endif
