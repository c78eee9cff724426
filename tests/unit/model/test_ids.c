/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/ids.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t take(struct ids *ids)
{
	uint32_t id;

	assert_int_equal(ids_take(ids, &id), 0);
	return id;
}

static void lowest_free_id_is_taken_first(void **state)
{
	struct ids ids;

	(void)state;
	assert_int_equal(ids_init(&ids, 1, 200), 0);
	for (uint32_t expected = 1; expected < 200; expected++)
		assert_int_equal(take(&ids), expected);
	ids_give_back(&ids, 130);
	ids_give_back(&ids, 64);
	ids_give_back(&ids, 63);
	assert_int_equal(ids.count, 196);
	assert_int_equal(take(&ids), 63);
	assert_int_equal(take(&ids), 64);
	assert_int_equal(take(&ids), 130);
	ids_deinit(&ids);
}

static void limits_that_are_no_multiple_of_64_hold(void **state)
{
	static const uint32_t limits[] = { 1, 2, 63, 64, 65, 127, 128, 129 };

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		uint32_t untouched = 12345;
		struct ids ids;

		assert_int_equal(ids_init(&ids, 0, limits[i]), 0);
		for (uint32_t expected = 0; expected < limits[i]; expected++)
			assert_int_equal(take(&ids), expected);
		assert_int_equal(ids_take(&ids, &untouched), -ENOSPC);
		assert_int_equal(untouched, 12345);
		assert_int_equal(ids.count, limits[i]);
		ids_give_back(&ids, limits[i] - 1);
		assert_int_equal(take(&ids), limits[i] - 1);
		ids_deinit(&ids);
	}
}

static void certain_ids_are_taken_once_and_only_in_range(void **state)
{
	struct ids ids;

	(void)state;
	assert_int_equal(ids_init(&ids, 1, 100), 0);
	assert_int_equal(ids_take_this(&ids, 0), -ERANGE);
	assert_int_equal(ids_take_this(&ids, 100), -ERANGE);
	assert_int_equal(ids_take_this(&ids, 1), 0);
	assert_int_equal(ids_take_this(&ids, 99), 0);
	assert_int_equal(ids_take_this(&ids, 99), -EEXIST);
	assert_int_equal(ids.count, 2);
	assert_int_equal(take(&ids), 2);
	ids_give_back(&ids, 1);
	assert_int_equal(ids_take_this(&ids, 1), 0);
	ids_deinit(&ids);
}

static void released_ids_can_be_released_again(void **state)
{
	struct ids ids;

	(void)state;
	assert_int_equal(ids_init(&ids, 0, 64), 0);
	ids_deinit(&ids);
	ids_deinit(&ids);
	assert_null(ids.used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lowest_free_id_is_taken_first),
		cmocka_unit_test(limits_that_are_no_multiple_of_64_hold),
		cmocka_unit_test(certain_ids_are_taken_once_and_only_in_range),
		cmocka_unit_test(released_ids_can_be_released_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
