/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/table_kinds.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/model/table_backends.h"

#define ONE  ((long double)(1ULL << TABLE_DISTANCE_BITS))
/* Scores that differ by less may be judged either way: integers against long double. */
#define NEAR 1e-6L

static uint16_t slots[MAX_SLOTS];

static void logarithm_is_right_everywhere(void **state)
{
	uint64_t random = 1;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)random);
	for (int i = 0; i < 1000000; i++) {
		/* Every magnitude from 1 to 2^48 - 1, and as close to 2^48. */
		uint64_t small = next_random(&random) >> (16 + i % TABLE_DISTANCE_BITS);
		uint64_t distance = i & 64 ? small : (uint64_t)ONE - 1 - small;
		long double expected = -log1pl(-(long double)distance / ONE) * ONE;
		uint64_t got = table_rendezvous_log(distance);

		assert_true(fabsl((long double)got - expected) <= expected * 2e-8L + 100);
		assert_true(got >= distance);
	}
}

static void logarithm_has_its_ends(void **state)
{
	(void)state;
	assert_int_equal(table_rendezvous_log(0), 0);
	assert_int_equal(table_rendezvous_log(1), 1);
	assert_true(table_rendezvous_log((uint64_t)ONE - 1) < 34ULL << TABLE_DISTANCE_BITS);
}

/* What the half variance of shares rests on. */
static void upper_bits_are_a_permutation_of_each_block(void **state)
{
	static uint8_t seen[65536];

	(void)state;
	for (uint32_t first = 0; first < LEAT_MAX_TABLE_SIZE; first += 65536 * 5) {
		struct table_backend backend = backend_at(first / 65536, 1);
		uint64_t hash = table_hash_address(&backend.address, first);

		for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
			seen[i] = 0;
		for (uint32_t i = 0; i < ARRAY_SIZE(seen); i++)
			seen[table_rendezvous_distance(hash, first + i) >> 32]++;
		for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
			assert_int_equal(seen[i], 1);
	}
}

static void room_is_105_percent_rounded_up(void **state)
{
	(void)state;
	assert_int_equal(table_rendezvous_room(65536, 100, 12800), 538); /* 537.6 */
	assert_int_equal(table_rendezvous_room(2000, 1, 2), 1050);
	assert_int_equal(table_rendezvous_room(64, 1, 100000000), 1);
	assert_int_equal(table_rendezvous_room(LEAT_MAX_TABLE_SIZE, LEAT_MAX_WEIGHT,
					       (uint64_t)LEAT_MAX_WEIGHT * 4096),
			 269); /* 268.8 */
}

static long double score_of(const struct table_backend *backend, uint64_t seed, uint32_t slot)
{
	uint64_t hash = table_hash_address(&backend->address, seed);

	return -log1pl(-(long double)table_rendezvous_distance(hash, slot) / ONE) /
	       (long double)backend->weight;
}

static long double least_score(const struct table_backend *backends, size_t count,
			       const uint32_t *rooms, uint64_t seed, uint32_t slot)
{
	long double least = INFINITY;

	for (size_t i = 0; i < count; i++) {
		long double score = score_of(&backends[i], seed, slot);

		if (rooms[i] > 0 && score < least)
			least = score;
	}
	return least;
}

/* Follows the definition slot by slot. Backends' ids are their indexes plus one. */
static void assert_follows_definition(const struct table_backend *backends, size_t count,
				      uint64_t seed, uint32_t size)
{
	uint64_t sum = table_weight_sum(backends, count);
	uint32_t rooms[MAX_BACKENDS];

	for (size_t i = 0; i < count; i++)
		rooms[i] = table_rendezvous_room(size, backends[i].weight, sum);
	for (uint32_t slot = 0; slot < size; slot++) {
		size_t chosen = slots[slot] - 1U;
		long double least = least_score(backends, count, rooms, seed, slot);

		assert_in_range(chosen, 0, count - 1);
		assert_true(rooms[chosen] > 0);
		assert_true(score_of(&backends[chosen], seed, slot) <= least * (1 + NEAR));
		rooms[chosen]--;
	}
}

static void each_slot_has_the_best_backend_with_room(void **state)
{
	static const struct {
		size_t count;
		uint32_t size;
		uint32_t max_weight;
	} cases[] = {
		{ 1, 64, 1 },	   { 2, 64, 1 },	 { 3, 1023, 1 },      { 5, 1024, 100 },
		{ 8, 1025, 7 },	   { 16, 4096, 1 },	 { 32, 5000, 65535 }, { 64, 3000, 1 },
		{ 100, 1000, 10 }, { 200, 100, 50 },	 { 256, 2048, 2 },    { 3, 70000, 65535 },
		{ 4, 131100, 1 },  { 1, 65536, 1 },	 { 2, 65536, 1 },     { 10, 65536, 100 },
		{ 64, 9000, 1 },   { 256, 9000, 65535 },
	};
	struct table_backend backends[MAX_BACKENDS];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t seed = leat_mix(i + 1);

		print_message("seed %016llx\n", (unsigned long long)seed);
		make_random_backends(backends, cases[i].count, cases[i].max_weight, seed);
		assert_int_equal(table_rendezvous_build(backends, cases[i].count, seed, slots,
							cases[i].size),
				 0);
		assert_follows_definition(backends, cases[i].count, seed, cases[i].size);
	}
}

/* The heavy ones fill early and the others have to take the rest. */
static void skewed_weights_follow_the_definition(void **state)
{
	struct table_backend backends[MAX_BACKENDS];

	(void)state;
	for (size_t i = 0; i < 40; i++)
		backends[i] = backend_at(i, i % 20 == 0 ? LEAT_MAX_WEIGHT : (uint32_t)i);
	assert_int_equal(table_rendezvous_build(backends, 40, CONFIG_DEFAULT_SEED, slots, 20000),
			 0);
	assert_follows_definition(backends, 40, CONFIG_DEFAULT_SEED, 20000);
}

/* One walks nearly all of its permutation, and the others a single step, if any. */
static void one_that_outweighs_all_others_follows_the_definition(void **state)
{
	struct table_backend backends[MAX_BACKENDS];

	(void)state;
	for (size_t i = 0; i < 16; i++)
		backends[i] = backend_at(i, i == 5 ? LEAT_MAX_WEIGHT : 1);
	assert_int_equal(table_rendezvous_build(backends, 16, CONFIG_DEFAULT_SEED, slots, 131072),
			 0);
	assert_follows_definition(backends, 16, CONFIG_DEFAULT_SEED, 131072);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logarithm_is_right_everywhere),
		cmocka_unit_test(logarithm_has_its_ends),
		cmocka_unit_test(upper_bits_are_a_permutation_of_each_block),
		cmocka_unit_test(room_is_105_percent_rounded_up),
		cmocka_unit_test(each_slot_has_the_best_backend_with_room),
		cmocka_unit_test(skewed_weights_follow_the_definition),
		cmocka_unit_test(one_that_outweighs_all_others_follows_the_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
