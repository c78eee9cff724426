/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/table_part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE LEAT_PART_SLOTS

struct scene {
	struct leat_slot slots[SIZE], read[SIZE];
	struct leat_table_part part;
};

static int make_scene(void **state)
{
	*state = calloc(1, sizeof(struct scene));
	return *state ? 0 : -1;
}

static int free_scene(void **state)
{
	free(*state);
	return 0;
}

/* Ids as far apart as they get, of `backends` backends. */
static uint16_t backend_of(uint32_t slot, uint32_t backends)
{
	return (uint16_t)(slot * 2654435761U % backends * (LEAT_SLOT_BACKEND / backends));
}

static void close_all(struct scene *scene, uint32_t size, uint32_t backends)
{
	for (uint32_t i = 0; i < size; i++) {
		uint16_t backend = backend_of(i, backends);

		scene->slots[i] = (struct leat_slot){ backend, backend };
	}
}

static void open_every(struct scene *scene, uint32_t size, uint32_t step)
{
	for (uint32_t i = 0; i < size; i += step)
		scene->slots[i] = (struct leat_slot){ .current = (uint16_t)(1000 + i % 1000),
						      .previous = (uint16_t)(LEAT_SLOT_OPEN | i) };
}

static void fill_and_compare(struct scene *scene, uint32_t size)
{
	memset(&scene->part, 0, sizeof(scene->part));
	memset(scene->read, 0xff, sizeof(scene->read));
	table_part_fill(&scene->part, scene->slots, size);
	table_part_read(&scene->part, scene->read, size);
	assert_memory_equal(scene->read, scene->slots, size * sizeof(*scene->slots));
	for (uint32_t i = size; i < SIZE; i++)
		assert_int_equal(scene->part.slots[i].current, 0);
}

static void what_is_filled_is_read(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 63, 64, 65, 1021, SIZE - 1, SIZE };
	static const uint32_t backends[] = { 1, 2, 14, 15, 16, 17, 255, 4096 };
	static const uint32_t steps[] = { 1, 2, 3, 20, SIZE };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		for (size_t b = 0; b < sizeof(backends) / sizeof(*backends); b++) {
			close_all(*state, sizes[s], backends[b]);
			fill_and_compare(*state, sizes[s]);
			for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
				close_all(*state, sizes[s], backends[b]);
				open_every(*state, sizes[s], steps[i]);
				fill_and_compare(*state, sizes[s]);
			}
		}
	}
}

static void fifteen_backends_are_packed_and_sixteen_are_not(void **state)
{
	struct scene *scene = *state;

	close_all(scene, SIZE, LEAT_PART_MEMBERS);
	fill_and_compare(scene, SIZE);
	assert_true(scene->part.is_packed);
	close_all(scene, SIZE, LEAT_PART_MEMBERS + 1);
	fill_and_compare(scene, SIZE);
	assert_false(scene->part.is_packed);
}

/* However many backends they name: their slots are looked up. */
static void open_slots_take_no_member(void **state)
{
	struct scene *scene = *state;

	close_all(scene, SIZE, LEAT_PART_MEMBERS);
	open_every(scene, SIZE, 2);
	fill_and_compare(scene, SIZE);
	assert_true(scene->part.is_packed);
	assert_int_equal(scene->part.closed[0] & LEAT_PART_MEMBERS, LEAT_PART_MEMBERS);
	assert_int_not_equal(scene->part.closed[0] >> 4, LEAT_PART_MEMBERS);
}

static void last_slot_of_the_largest_table_has_a_part(void **state)
{
	(void)state;
	assert_in_range(leat_part_index(0, LEAT_MAX_TABLE_SIZE - 1), 0, LEAT_TABLE_MAX_PARTS - 1);
	assert_int_equal(leat_part_index(1, 0), LEAT_TABLE_MAX_PARTS);
	assert_int_equal(LEAT_TABLE_PARTS(LEAT_PART_SLOTS), 1);
	assert_int_equal(LEAT_TABLE_PARTS(LEAT_PART_SLOTS + 1), 2);
	assert_int_equal(table_part_size(LEAT_PART_SLOTS + 5, LEAT_PART_SLOTS), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_filled_is_read, make_scene, free_scene),
		cmocka_unit_test_setup_teardown(fifteen_backends_are_packed_and_sixteen_are_not,
						make_scene, free_scene),
		cmocka_unit_test_setup_teardown(open_slots_take_no_member, make_scene, free_scene),
		cmocka_unit_test(last_slot_of_the_largest_table_has_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
