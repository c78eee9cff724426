/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/model/table_backends.h"

#define POSITIONS 65536

static uint16_t order[POSITIONS], other_order[POSITIONS];
static struct table_backend many[LEAT_MAX_SERVICE_BACKENDS];

static void build(const struct table_backend *backends, size_t count, uint32_t size)
{
	memset(order, 0xff, sizeof(order));
	assert_int_equal(order_build(backends, count, order, size), 0);
	for (uint32_t i = size; i < POSITIONS; i++)
		assert_int_equal(order[i], 0xffff);
}

static uint32_t size_of_weights(const uint32_t *weights, size_t count, uint32_t most)
{
	struct table_backend backends[8];

	for (size_t i = 0; i < count; i++)
		backends[i] = backend_at(i, weights[i]);
	return order_size(backends, count, most);
}

static void size_is_the_largest_that_is_exact(void **state)
{
	(void)state;
	assert_int_equal(size_of_weights((uint32_t[]){ 1, 2, 4 }, 3, 7), 7);
	assert_int_equal(size_of_weights((uint32_t[]){ 1, 2, 4 }, 3, 13), 7);
	assert_int_equal(size_of_weights((uint32_t[]){ 1, 2, 4 }, 3, 14), 14);
	assert_int_equal(size_of_weights((uint32_t[]){ 1, 2, 4 }, 3, 65536), 65534);
	assert_int_equal(size_of_weights((uint32_t[]){ 300, 100, 200 }, 3, 8), 6);
	assert_int_equal(size_of_weights((uint32_t[]){ 12, 0, 18 }, 3, 5), 5);
	assert_int_equal(size_of_weights((uint32_t[]){ LEAT_MAX_WEIGHT }, 1, 65536), 65536);
}

static void size_is_all_that_there_is_when_none_is_exact(void **state)
{
	(void)state;
	assert_int_equal(size_of_weights((uint32_t[]){ 1, 2, 4 }, 3, 6), 6);
	assert_int_equal(size_of_weights((uint32_t[]){ 65535, 65534 }, 2, 65536), 65536);
	assert_int_equal(size_of_weights((uint32_t[]){ 1, 2, 4 }, 3, 0), 0);
}

static void size_is_0_without_weights(void **state)
{
	(void)state;
	assert_int_equal(order_size(NULL, 0, 65536), 0);
	assert_int_equal(size_of_weights((uint32_t[]){ 0, 0 }, 2, 65536), 0);
}

static void assert_order(const uint32_t *weights, size_t count, const char *expected)
{
	uint32_t size = (uint32_t)strlen(expected);
	struct table_backend backends[16];

	for (size_t i = 0; i < count; i++)
		backends[i] = backend_at(i, weights[i]);
	build(backends, count, size);
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal('a' - 1 + order[i], expected[i]);
}

static void small_orders_are_what_one_would_write_down(void **state)
{
	(void)state;
	assert_order((uint32_t[]){ 7 }, 1, "aaa");
	assert_order((uint32_t[]){ 1, 1, 1 }, 3, "abcabcabc");
	assert_order((uint32_t[]){ 1, 2 }, 2, "bbabba");
	assert_order((uint32_t[]){ 1, 2, 4 }, 3, "ccbcbca");
	assert_order((uint32_t[]){ 5, 1, 1 }, 3, "aaabaac");
	assert_order((uint32_t[]){ 5, 1, 1, 1, 1, 1 }, 6, "abacadaeaf");
}

/* Each backend's positions, by its id, and how many of them there have been. */
static uint32_t positions[LEAT_MAX_SERVICE_BACKENDS + 1], seen[LEAT_MAX_SERVICE_BACKENDS + 1];

static void count_positions(uint32_t size)
{
	memset(positions, 0, sizeof(positions));
	for (uint32_t i = 0; i < size; i++) {
		assert_in_range(order[i], 1, LEAT_MAX_SERVICE_BACKENDS);
		positions[order[i]]++;
	}
}

static void assert_positions_are_exact(const struct table_backend *backends, size_t count,
				       uint32_t size)
{
	uint64_t sum = table_weight_sum(backends, count);

	count_positions(size);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(positions[backends[i].id] * sum,
				 (uint64_t)backends[i].weight * size);
}

/* At no point is anybody a whole position away from its share, in units of 1 / size. */
static void assert_spread_evenly(const struct table_backend *backends, size_t count, uint32_t size)
{
	count_positions(size);
	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < size; i++) {
		seen[order[i]]++;
		for (size_t j = 0; j < count; j++) {
			uint16_t id = backends[j].id;
			int64_t share = (int64_t)(i + 1) * positions[id];

			assert_in_range((int64_t)seen[id] * size - share + size, 1, 2UL * size - 1);
		}
	}
}

static void random_weights_are_exact_and_spread_evenly(void **state)
{
	static const struct {
		size_t count;
		uint32_t max_weight;
		uint32_t most;
	} cases[] = {
		{ 1, 9, 100 },	     { 2, 9, 100 },	{ 2, 65535, POSITIONS }, { 3, 1000, 3000 },
		{ 5, 3, 500 },	     { 10, 2, 1000 },	{ 40, 1, 1000 },	 { 50, 100, 5000 },
		{ 100, 100, 20000 }, { 200, 20, 5000 }, { 256, 3, 2000 },
	};
	struct table_backend backends[MAX_BACKENDS];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t seed = leat_mix(i + 1);
		uint32_t size;

		print_message("seed %016llx\n", (unsigned long long)seed);
		make_random_backends(backends, cases[i].count, cases[i].max_weight, seed);
		size = order_size(backends, cases[i].count, cases[i].most);
		assert_in_range(size, 1, cases[i].most);
		build(backends, cases[i].count, size);
		if (table_weight_sum(backends, cases[i].count) <= cases[i].most)
			assert_positions_are_exact(backends, cases[i].count, size);
		assert_spread_evenly(backends, cases[i].count, size);
	}
}

/* The same said of windows, past the end and on from the start, by counting. */
static void no_window_is_off_by_two(void **state)
{
	struct table_backend backends[MAX_BACKENDS];
	uint64_t random = 11;
	uint32_t size;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)random);
	make_random_backends(backends, 30, 50, random);
	size = order_size(backends, 30, 1000);
	build(backends, 30, size);
	count_positions(size);
	for (int i = 0; i < 3000; i++) {
		uint32_t start = (uint32_t)(next_random(&random) % size);
		uint32_t length = (uint32_t)(next_random(&random) % size) + 1;
		uint16_t id = backends[i % 30].id;
		int64_t held = 0, share = (int64_t)length * positions[id];

		for (uint32_t j = 0; j < length; j++)
			held += order[(start + j) % size] == id;
		assert_in_range(held * size - share + 2L * size, 1, 4UL * size - 1);
	}
}

static void hundred_mixed_weights_are_within_half_a_percent(void **state)
{
	struct table_backend backends[MAX_BACKENDS];
	uint32_t size;
	uint64_t sum;

	(void)state;
	/* Not exact, as they are beyond 65536 together; the lightest has 256 positions. */
	for (size_t i = 0; i < 100; i++)
		backends[i] = backend_at(i, 1000 + (uint32_t)i * 59);
	sum = table_weight_sum(backends, 100);
	size = order_size(backends, 100, POSITIONS);
	assert_int_equal(size, POSITIONS);
	build(backends, 100, size);
	count_positions(size);
	for (size_t i = 0; i < 100; i++) {
		double share = (double)backends[i].weight * size / (double)sum;

		assert_true(positions[backends[i].id] > share * 0.995);
		assert_true(positions[backends[i].id] < share * 1.005);
	}
}

static void assert_positions(const uint32_t *expected, size_t count, uint32_t size)
{
	count_positions(size);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(positions[i + 1], expected[i]);
}

static void parts_of_positions_go_to_the_largest(void **state)
{
	struct table_backend backends[] = { backend_at(0, 11), backend_at(1, 15),
					    backend_at(2, 14) };

	(void)state;
	/* 2.75, 3.75 and 3.5. */
	build(backends, 3, 10);
	assert_positions((uint32_t[]){ 3, 4, 3 }, 3, 10);
	/* All the same: the first by address. */
	backends[0].weight = backends[1].weight = backends[2].weight = 5;
	build(backends, 3, 11);
	assert_positions((uint32_t[]){ 4, 4, 3 }, 3, 11);
}

static void everybody_with_a_weight_has_a_position(void **state)
{
	struct table_backend backends[] = { backend_at(0, 1), backend_at(1, 900), backend_at(2, 1),
					    backend_at(3, 0), backend_at(4, 110) };

	(void)state;
	/* Of 10, 1.09 are due to the fifth, but of the 8 that are left no more than 0.87. */
	build(backends, 5, 10);
	assert_positions((uint32_t[]){ 1, 7, 1, 0, 1 }, 5, 10);
	assert_spread_evenly(backends, 5, 10);
}

static void heaviest_have_positions_when_these_are_too_few(void **state)
{
	struct table_backend backends[] = { backend_at(0, 3), backend_at(1, 9), backend_at(2, 7),
					    backend_at(3, 3) };

	(void)state;
	build(backends, 4, 3);
	assert_positions((uint32_t[]){ 1, 1, 1, 0 }, 4, 3);
	build(backends, 4, 1);
	assert_positions((uint32_t[]){ 0, 1, 0, 0 }, 4, 1);
}

static void more_weights_than_positions_can_show_are_spread_evenly(void **state)
{
	struct table_backend backends[MAX_BACKENDS];

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint32_t size = (uint32_t)(leat_mix(seed) % 2000) + 256;

		print_message("seed %llu\n", (unsigned long long)seed);
		make_random_backends(backends, 256, LEAT_MAX_WEIGHT, seed);
		for (size_t i = 0; i < 256; i++)
			backends[i].weight >>= leat_mix(seed + i) % 16;
		build(backends, 256, size);
		assert_spread_evenly(backends, 256, size);
		for (size_t i = 0; i < 256; i++)
			assert_true(positions[backends[i].id] > 0 || backends[i].weight == 0);
	}
}

static void order_of_backends_does_not_matter(void **state)
{
	struct table_backend backends[MAX_BACKENDS];

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		uint64_t random = seed;

		print_message("seed %llu\n", (unsigned long long)seed);
		make_random_backends(backends, 100, seed % 2 ? 4 : 4000, seed);
		build(backends, 100, 10000);
		memcpy(other_order, order, sizeof(order));
		for (size_t i = 99; i > 0; i--) {
			size_t other = next_random(&random) % (i + 1);
			struct table_backend swapped = backends[i];

			backends[i] = backends[other];
			backends[other] = swapped;
		}
		build(backends, 100, 10000);
		assert_memory_equal(order, other_order, sizeof(order));
	}
}

static void weightless_backend_changes_nothing(void **state)
{
	struct table_backend backends[MAX_BACKENDS];

	(void)state;
	make_random_backends(backends, 50, 9, 1);
	backends[49].weight = 0;
	build(backends, 50, 1000);
	memcpy(other_order, order, sizeof(order));
	build(backends, 49, 1000);
	assert_memory_equal(order, other_order, sizeof(order));
}

static void no_weight_at_all_leaves_every_position_empty(void **state)
{
	struct table_backend backends[] = { backend_at(0, 0), backend_at(1, 0) };

	(void)state;
	build(backends, 2, 100);
	assert_int_equal(count_slots(order, 100, 0), 100);
	build(NULL, 0, 100);
	assert_int_equal(count_slots(order, 100, 0), 100);
	build(backends, 2, 0);
}

static void four_thousand_backends_have_their_shares(void **state)
{
	uint32_t size;

	(void)state;
	for (size_t i = 0; i < LEAT_MAX_SERVICE_BACKENDS; i++)
		many[i] = backend_at(i, i % 2 ? 7000 : 21000);
	size = order_size(many, LEAT_MAX_SERVICE_BACKENDS, POSITIONS);
	assert_int_equal(size, POSITIONS);
	build(many, LEAT_MAX_SERVICE_BACKENDS, size);
	assert_positions_are_exact(many, LEAT_MAX_SERVICE_BACKENDS, size);
	for (size_t i = 0; i < LEAT_MAX_SERVICE_BACKENDS; i++)
		many[i].weight = LEAT_MAX_WEIGHT - (uint32_t)i;
	build(many, LEAT_MAX_SERVICE_BACKENDS, POSITIONS);
	count_positions(POSITIONS);
	for (size_t i = 0; i < LEAT_MAX_SERVICE_BACKENDS; i++)
		assert_in_range(positions[many[i].id], 15, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_is_the_largest_that_is_exact),
		cmocka_unit_test(size_is_all_that_there_is_when_none_is_exact),
		cmocka_unit_test(size_is_0_without_weights),
		cmocka_unit_test(small_orders_are_what_one_would_write_down),
		cmocka_unit_test(random_weights_are_exact_and_spread_evenly),
		cmocka_unit_test(no_window_is_off_by_two),
		cmocka_unit_test(hundred_mixed_weights_are_within_half_a_percent),
		cmocka_unit_test(parts_of_positions_go_to_the_largest),
		cmocka_unit_test(everybody_with_a_weight_has_a_position),
		cmocka_unit_test(heaviest_have_positions_when_these_are_too_few),
		cmocka_unit_test(more_weights_than_positions_can_show_are_spread_evenly),
		cmocka_unit_test(order_of_backends_does_not_matter),
		cmocka_unit_test(weightless_backend_changes_nothing),
		cmocka_unit_test(no_weight_at_all_leaves_every_position_empty),
		cmocka_unit_test(four_thousand_backends_have_their_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
