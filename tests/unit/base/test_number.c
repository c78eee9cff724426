/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* After the headers that it wants first. */
#include <cmocka.h>

#include "base/macros.h"
#include "base/number.h"

static void a_number_within_its_bounds_is_read(void **state)
{
	uint64_t number = 0;

	(void)state;
	assert_int_equal(number_parse("0", 0, 10, &number), 0);
	assert_int_equal(number, 0);
	assert_int_equal(number_parse("10", 10, 10, &number), 0);
	assert_int_equal(number, 10);
	assert_int_equal(number_parse("18446744073709551614", 0, UINT64_MAX, &number), 0);
	assert_true(number == UINT64_MAX - 1);
}

static void a_number_outside_its_bounds_is_out_of_range(void **state)
{
	uint64_t number = 7;

	(void)state;
	assert_int_equal(number_parse("9", 10, 20, &number), -ERANGE);
	assert_int_equal(number_parse("21", 10, 20, &number), -ERANGE);
	assert_int_equal(number, 7);
}

static void a_number_beyond_64_bits_is_out_of_range(void **state)
{
	static const char *const numbers[] = { "18446744073709551615", "18446744073709551616",
					       "18446744073709551620", "184467440737095516150",
					       "99999999999999999999999999999999999999999" };
	uint64_t number = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		assert_int_equal(number_parse(numbers[i], 0, UINT64_MAX, &number), -ERANGE);
	assert_int_equal(number, 7);
}

static void what_is_not_only_digits_is_no_number(void **state)
{
	static const char *const texts[] = {
		"", " 1", "1 ", "+1", "-1", "0x1", "1e3", "1.0", "a", "99999999999999999999999x"
	};
	uint64_t number = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(number_parse(texts[i], 0, UINT64_MAX, &number), -EINVAL);
	assert_int_equal(number, 7);
}

static void a_duration_is_read_in_each_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} durations[] = { { "250ms", 250 }, { "3s", 3000 }, { "10m", 600000 }, { "2h", 7200000 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		uint64_t ms = 0;

		assert_int_equal(duration_parse(durations[i].text, 1, 7200000, &ms), 0);
		assert_int_equal(ms, durations[i].ms);
	}
}

static void a_duration_outside_its_bounds_is_out_of_range(void **state)
{
	static const char *const texts[] = { "9ms",
					     "1001ms",
					     "2s",
					     "18446744073709551616ms",
					     "5124095576030431h",
					     "18446744073709551615h" };
	uint64_t ms = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(duration_parse(texts[i], 10, 1000, &ms), -ERANGE);
	assert_int_equal(ms, 7);
}

static void a_duration_needs_a_known_unit(void **state)
{
	static const char *const texts[] = {
		"", "1", "s", "1 s", "1S", "1d", "1.5s", "-1s", "1ss"
	};
	uint64_t ms = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(duration_parse(texts[i], 0, UINT64_MAX, &ms), -EINVAL);
	assert_int_equal(ms, 7);
}

static void a_duration_is_written_in_its_largest_whole_unit(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} durations[] = { { 0, "0ms" },	      { 1, "1ms" },	 { 1500, "1500ms" },
			  { 1000, "1s" },     { 90000, "90s" },	 { 60000, "1m" },
			  { 900000, "15m" },  { 3600000, "1h" }, { 5400000, "90m" },
			  { 43200000, "12h" } };
	char text[DURATION_TEXT_SIZE];
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		assert_string_equal(duration_format(durations[i].ms, text), durations[i].text);
		assert_int_equal(duration_parse(text, 0, UINT64_MAX, &ms), 0);
		assert_true(ms == durations[i].ms);
	}
	assert_string_equal(duration_format(UINT64_MAX, text), "18446744073709551615ms");
}

static void sixteen_hexadecimal_digits_are_a_number(void **state)
{
	uint64_t number = 0;

	(void)state;
	assert_int_equal(hex64_parse("0123456789abCDEF", &number), 0);
	assert_true(number == 0x0123456789abcdefULL);
	assert_int_equal(hex64_parse("ffffffffffffffff", &number), 0);
	assert_true(number == UINT64_MAX);
}

static void fewer_more_or_other_digits_are_not(void **state)
{
	static const char *const texts[] = { "",
					     "0123456789abcde",
					     "0123456789abcdef0",
					     "0x23456789abcdef",
					     "0123456789abcdeg",
					     "-123456789abcdef" };
	uint64_t number = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(hex64_parse(texts[i], &number), -EINVAL);
	assert_int_equal(number, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_within_its_bounds_is_read),
		cmocka_unit_test(a_number_outside_its_bounds_is_out_of_range),
		cmocka_unit_test(a_number_beyond_64_bits_is_out_of_range),
		cmocka_unit_test(what_is_not_only_digits_is_no_number),
		cmocka_unit_test(a_duration_is_read_in_each_unit),
		cmocka_unit_test(a_duration_outside_its_bounds_is_out_of_range),
		cmocka_unit_test(a_duration_needs_a_known_unit),
		cmocka_unit_test(a_duration_is_written_in_its_largest_whole_unit),
		cmocka_unit_test(sixteen_hexadecimal_digits_are_a_number),
		cmocka_unit_test(fewer_more_or_other_digits_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
