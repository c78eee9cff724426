/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#include "model/health.h"

static struct schedule schedule_of(uint32_t interval_ms, uint32_t rise, uint32_t fall)
{
	struct probe_config config = { .interval_ms = interval_ms, .rise = rise, .fall = fall };

	return schedule_new(&config);
}

static void record(struct schedule *schedule, bool is_success, unsigned int times)
{
	while (times--)
		schedule_record(schedule, is_success);
}

static void first_start_comes_soon(void **state)
{
	struct schedule fast = schedule_of(100, 2, 3), slow = schedule_of(3600000, 2, 3);

	(void)state;
	assert_int_equal(schedule_first_delay_us(&fast, 0), 0);
	assert_int_equal(schedule_first_delay_us(&fast, UINT32_MAX), 100000);
	assert_int_equal(schedule_first_delay_us(&slow, 0), 0);
	assert_int_equal(schedule_first_delay_us(&slow, UINT32_MAX), 200000);
}

static void unsettled_result_is_confirmed_after_half_an_interval(void **state)
{
	struct schedule schedule = schedule_of(1000, 2, 3);

	(void)state;
	record(&schedule, true, 1);
	assert_int_equal(schedule_period_us(&schedule, 0), 500000);
	record(&schedule, false, 1);
	assert_int_equal(schedule_period_us(&schedule, 0), 500000);
	record(&schedule, false, 1);
	assert_int_equal(schedule_period_us(&schedule, UINT32_MAX), 500000);
}

static void settled_results_come_once_per_interval_give_or_take(void **state)
{
	struct schedule schedule = schedule_of(1000, 2, 3);

	(void)state;
	record(&schedule, false, 3);
	schedule_period_us(&schedule, 0);
	assert_int_equal(schedule_period_us(&schedule, 0), 950000);
	assert_int_equal(schedule_period_us(&schedule, UINT32_MAX), 1050000);
	record(&schedule, true, 2);
	assert_int_equal(schedule_period_us(&schedule, 0), 950000);
	assert_int_equal(schedule_period_us(&schedule, UINT32_MAX), 1050000);
}

static void first_regular_period_spreads_the_crowd_once(void **state)
{
	struct schedule early = schedule_of(1000, 1, 1), late = early;

	(void)state;
	record(&early, true, 1);
	record(&late, true, 1);
	assert_int_equal(schedule_period_us(&early, 0), 500000);
	assert_int_equal(schedule_period_us(&late, UINT32_MAX), 1000000);
	assert_int_equal(schedule_period_us(&early, 0), 950000);
}

static void probe_without_a_result_keeps_the_pace(void **state)
{
	struct schedule schedule = schedule_of(1000, 2, 3);

	(void)state;
	schedule_period_us(&schedule, 0);
	assert_int_equal(schedule_period_us(&schedule, 0), 950000);
}

/*
 * How long a backend that dies at the worst moment, right after a probe of it has started and
 * succeeded, stays up: every period as long as it can be.
 */
static uint64_t detection_us(uint32_t interval_ms, uint64_t failure_us)
{
	struct schedule schedule = schedule_of(interval_ms, 2, 3);
	struct health health = health_new(2, 3);
	uint64_t start_us = 0, end_us = 0;

	for (unsigned int i = 0; i < 2; i++) {
		schedule_record(&schedule, true);
		health_update(&health, true);
	}
	schedule_period_us(&schedule, 0);
	while (health_is_up(&health)) {
		start_us = MAX(start_us + schedule_period_us(&schedule, UINT32_MAX), end_us);
		end_us = start_us + failure_us;
		schedule_record(&schedule, false);
		health_update(&health, false);
	}
	return end_us;
}

static void dead_backend_is_out_in_time(void **state)
{
	(void)state;
	assert_in_range(detection_us(CONFIG_DEFAULT_INTERVAL_MS, 0), 1, 3000000);
	assert_in_range(detection_us(CONFIG_DEFAULT_INTERVAL_MS, 500000), 1, 3000000);
	assert_in_range(detection_us(100, 0), 1, 400000);
	assert_in_range(detection_us(100, 50000), 1, 400000);
}

static void periods_stay_within_bounds_whatever_happens(void **state)
{
	long seed = time(NULL);

	(void)state;
	print_message("seed %ld\n", seed);
	srand48(seed);
	for (unsigned int i = 0; i < 10000; i++) {
		uint32_t interval_ms = 1 + (uint32_t)lrand48() % 3600000;
		struct schedule schedule = schedule_of(interval_ms, (uint32_t)lrand48() % 10,
						       (uint32_t)lrand48() % 10);

		for (unsigned int j = 0; j < 10; j++) {
			uint64_t period_us;

			record(&schedule, lrand48() % 2, (unsigned int)lrand48() % 3);
			period_us = schedule_period_us(&schedule, (uint32_t)mrand48());
			assert_in_range(period_us, interval_ms * 500ULL, interval_ms * 1050ULL);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_start_comes_soon),
		cmocka_unit_test(unsettled_result_is_confirmed_after_half_an_interval),
		cmocka_unit_test(settled_results_come_once_per_interval_give_or_take),
		cmocka_unit_test(first_regular_period_spreads_the_crowd_once),
		cmocka_unit_test(probe_without_a_result_keeps_the_pace),
		cmocka_unit_test(dead_backend_is_out_in_time),
		cmocka_unit_test(periods_stay_within_bounds_whatever_happens),
	};

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
