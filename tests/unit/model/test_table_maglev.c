/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/table_kinds.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/model/table_backends.h"

#define MAX_REFERENCE 2003

static uint16_t slots[MAX_REFERENCE], expected[MAX_REFERENCE];
static uint32_t permutations[MAX_BACKENDS][MAX_REFERENCE];

/* The paper's permutation[i][j] = (offset + j * skip) mod M, written out. */
static void make_permutation(const struct table_backend *backend, uint64_t seed, uint32_t size,
			     uint32_t *ret_permutation)
{
	uint64_t hash = table_hash_address(&backend->address, seed);
	uint64_t offset = hash % size, skip = leat_mix(hash) % (size - 1) + 1;

	for (uint32_t j = 0; j < size; j++)
		ret_permutation[j] = (uint32_t)((offset + j * skip) % size);
}

static uint32_t heaviest_of(const struct table_backend *backends, size_t count)
{
	uint32_t heaviest = 0;

	for (size_t i = 0; i < count; i++)
		heaviest = MAX(heaviest, backends[i].weight);
	return heaviest;
}

static void take_first_free(const uint32_t *permutation, uint16_t id)
{
	uint32_t next = 0;

	while (expected[permutation[next]] != 0)
		next++;
	expected[permutation[next]] = id;
}

/* Turn by turn, backend by backend. */
static void build_expected(const struct table_backend *backends, size_t count, uint64_t seed,
			   uint32_t size)
{
	uint64_t heaviest = heaviest_of(backends, count), taken[MAX_BACKENDS] = { 0 };
	uint32_t filled = 0;

	for (uint32_t i = 0; i < size; i++)
		expected[i] = 0;
	for (size_t i = 0; i < count; i++)
		make_permutation(&backends[i], seed, size, permutations[i]);
	for (uint64_t turn = 1; filled < size; turn++) {
		for (size_t i = 0; i < count && filled < size; i++) {
			if (turn * backends[i].weight / heaviest <= taken[i])
				continue;
			take_first_free(permutations[i], backends[i].id);
			taken[i]++;
			filled++;
		}
	}
}

static void table_is_the_papers(void **state)
{
	static const struct {
		size_t count;
		uint32_t size;
		uint32_t max_weight;
	} cases[] = {
		{ 1, 67, 5 },	     { 2, 67, 1 },     { 3, 1009, 1 },	   { 7, 1009, 10 },
		{ 20, 2003, 65535 }, { 100, 2003, 1 }, { 256, 2003, 100 }, { 256, 67, 3 },
	};
	struct table_backend backends[MAX_BACKENDS];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t seed = leat_mix(i + 1);
		uint32_t size = cases[i].size;

		print_message("seed %016llx\n", (unsigned long long)seed);
		make_random_backends(backends, cases[i].count, cases[i].max_weight, seed);
		build_expected(backends, cases[i].count, seed, size);
		assert_int_equal(table_maglev_build(backends, cases[i].count, seed, slots, size),
				 0);
		assert_memory_equal(slots, expected, size * sizeof(*slots));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_the_papers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
