/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When a run's next probe starts. Starts are one interval apart, give or take a little, so that
 * probes of many backends do not march in step; while the last results do not settle the backend's
 * state, they are half an interval apart. Pure: no clock and no randomness of its own.
 */
#ifndef LEAT_PROBE_SCHEDULE_H
#define LEAT_PROBE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"

#define SCHEDULE_MAX_FIRST_DELAY_US 200000

struct schedule {
	uint64_t interval_us;
	uint32_t rise;
	uint32_t fall;
	uint32_t streak; /* equal results in a row; 0 before the first */
	bool was_success;
	bool has_phase; /* its starts have moved away from everybody's first */
};

struct schedule schedule_new(const struct probe_config *config);

/* Takes the outcome of a probe; one that says nothing about the backend is not for here. */
void schedule_record(struct schedule *schedule, bool is_success);

/* Microseconds until the first start: soon, for a backend gets no traffic before. `random` is any
 * number, every bit of it. */
uint64_t schedule_first_delay_us(const struct schedule *schedule, uint32_t random);

/* Microseconds from the last start to the next. */
uint64_t schedule_period_us(struct schedule *schedule, uint32_t random);

#endif
