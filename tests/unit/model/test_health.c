/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "maps/hash.h"

/* '+' for a success, '-' for a failure; returns the index of the last change of state, or -1. */
static int feed(struct health *health, const char *results)
{
	int last_change = -1;

	for (int i = 0; results[i]; i++) {
		if (health_update(health, results[i] == '+'))
			last_change = i;
	}
	return last_change;
}

static struct health after(uint32_t rise, uint32_t fall, const char *results)
{
	struct health health = health_new(rise, fall);

	feed(&health, results);
	return health;
}

static void backend_starts_unknown_and_not_up(void **state)
{
	struct health health = health_new(2, 3);

	(void)state;
	assert_true(health_is_unknown(&health));
	assert_false(health_is_up(&health));
}

static void first_result_decides_about_an_unknown_backend(void **state)
{
	struct health good = health_new(5, 5), bad = health_new(5, 5);

	(void)state;
	assert_true(health_update(&good, true));
	assert_true(health_is_up(&good));
	assert_true(health_update(&bad, false));
	assert_false(health_is_up(&bad));
	assert_false(health_is_unknown(&bad));
}

static void fall_failures_in_a_row_take_an_up_backend_down(void **state)
{
	struct health health = after(2, 3, "+");

	(void)state;
	assert_int_equal(feed(&health, "--+--+"), -1);
	assert_int_equal(feed(&health, "---"), 2);
	assert_false(health_is_up(&health));
	assert_int_equal(feed(&health, "----"), -1);
}

static void rise_successes_in_a_row_bring_a_down_backend_up(void **state)
{
	struct health health = after(3, 2, "-");

	(void)state;
	assert_int_equal(feed(&health, "++-++-"), -1);
	assert_int_equal(feed(&health, "+++"), 2);
	assert_true(health_is_up(&health));
	assert_int_equal(feed(&health, "+++"), -1);
}

static void rise_and_fall_of_one_follow_every_result(void **state)
{
	struct health health = health_new(1, 1);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(health_update(&health, i % 2));
}

/* Counting in a row, with nothing but counting: a second opinion for any sequence. */
static void random_results_agree_with_plain_counting(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		uint32_t rise = (uint32_t)(seed % 4) + 1, fall = (uint32_t)(seed % 5) + 1, row = 0;
		struct health health = health_new(rise, fall);
		bool is_up = false, was_success = false;

		for (uint64_t i = 0; i < 500; i++) {
			bool is_success = leat_mix(seed * 1000 + i) % 8 < 4 + seed % 3;
			bool expected = is_up;

			row = i > 0 && is_success == was_success ? row + 1 : 1;
			if (i == 0 || row >= (is_success ? rise : fall))
				expected = is_success;
			if (health_update(&health, is_success) != (i == 0 || expected != is_up) ||
			    health_is_up(&health) != expected)
				fail_msg("seed %llu, result %llu", (unsigned long long)seed,
					 (unsigned long long)i);
			is_up = expected;
			was_success = is_success;
		}
	}
}

static void new_thresholds_keep_the_state(void **state)
{
	for (uint32_t rise = 1; rise < 6; rise++) {
		for (uint32_t fall = 1; fall < 6; fall++) {
			struct health up = after(3, 3, "+--"), down = after(3, 3, "-++");
			struct health unknown = health_new(3, 3);

			health_set_thresholds(&up, rise, fall);
			health_set_thresholds(&down, rise, fall);
			health_set_thresholds(&unknown, rise, fall);
			assert_true(health_is_up(&up));
			assert_false(health_is_up(&down) || health_is_unknown(&down));
			assert_true(health_is_unknown(&unknown));
		}
	}
	(void)state;
}

static void new_thresholds_keep_what_was_counted(void **state)
{
	struct health up = after(2, 3, "+-"), down = after(3, 2, "-+");

	(void)state;
	health_set_thresholds(&up, 2, 5);
	assert_int_equal(feed(&up, "---"), -1);
	assert_int_equal(feed(&up, "-"), 0);
	health_set_thresholds(&down, 5, 2);
	assert_int_equal(feed(&down, "+++"), -1);
	assert_int_equal(feed(&down, "+"), 0);
}

static void restored_health_goes_on_where_it_was(void **state)
{
	struct health up = after(2, 3, "+--"), down = after(2, 3, "-+");

	(void)state;
	up = health_restore(up.counter, true, 2, 3);
	assert_int_equal(feed(&up, "-"), 0);
	down = health_restore(down.counter, false, 2, 3);
	assert_int_equal(feed(&down, "+"), 0);
}

static void restored_health_fits_other_thresholds(void **state)
{
	static const int32_t counters[] = { INT32_MIN, -2, 0, 1, 5, 7, 1000, INT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		struct health up = health_restore(counters[i], true, 2, 3);
		struct health not_up = health_restore(counters[i], false, 2, 3);

		assert_true(health_is_up(&up));
		assert_int_not_equal(feed(&up, "---"), -1);
		assert_false(health_is_up(&not_up));
		assert_int_not_equal(feed(&not_up, "++"), -1);
	}
}

static void unknown_is_restored_as_unknown(void **state)
{
	struct health health = health_restore(HEALTH_UNKNOWN, false, 2, 3);

	(void)state;
	assert_true(health_is_unknown(&health));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backend_starts_unknown_and_not_up),
		cmocka_unit_test(first_result_decides_about_an_unknown_backend),
		cmocka_unit_test(fall_failures_in_a_row_take_an_up_backend_down),
		cmocka_unit_test(rise_successes_in_a_row_bring_a_down_backend_up),
		cmocka_unit_test(rise_and_fall_of_one_follow_every_result),
		cmocka_unit_test(random_results_agree_with_plain_counting),
		cmocka_unit_test(new_thresholds_keep_the_state),
		cmocka_unit_test(new_thresholds_keep_what_was_counted),
		cmocka_unit_test(restored_health_goes_on_where_it_was),
		cmocka_unit_test(restored_health_fits_other_thresholds),
		cmocka_unit_test(unknown_is_restored_as_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
