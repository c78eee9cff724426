/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/schedule.h"

#define JITTER_PERCENT 5

struct schedule schedule_new(const struct probe_config *config)
{
	return (struct schedule){
		.interval_us = (uint64_t)config->interval_ms * 1000,
		.rise = config->rise,
		.fall = config->fall,
	};
}

void schedule_record(struct schedule *schedule, bool is_success)
{
	if (schedule->streak == 0 || schedule->was_success != is_success)
		schedule->streak = 0;
	schedule->was_success = is_success;
	if (schedule->streak < UINT32_MAX)
		schedule->streak++;
}

/* least..most, both possible. */
static uint64_t spread(uint64_t least, uint64_t most, uint32_t random)
{
	return least + (((most - least + 1) * random) >> 32);
}

uint64_t schedule_first_delay_us(const struct schedule *schedule, uint32_t random)
{
	return spread(0, MIN(schedule->interval_us, (uint64_t)SCHEDULE_MAX_FIRST_DELAY_US), random);
}

static bool schedule_is_settled(const struct schedule *schedule)
{
	return schedule->streak >= (schedule->was_success ? schedule->rise : schedule->fall);
}

uint64_t schedule_period_us(struct schedule *schedule, uint32_t random)
{
	uint64_t interval = schedule->interval_us;

	if (schedule->streak > 0 && !schedule_is_settled(schedule))
		return interval / 2;
	/* First starts are crowded; one short period, once, spreads the later ones. */
	if (!schedule->has_phase) {
		schedule->has_phase = true;
		return spread(interval / 2, interval, random);
	}
	return spread(interval - interval * JITTER_PERCENT / 100,
		      interval + interval * JITTER_PERCENT / 100, random);
}
