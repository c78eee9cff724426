/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes after which a table has no slot in common with the one before, or after which memory begins
 * or ends.
 */
#include "model/image.h"

#include "tests/unit/model/image_fixture.h"

static struct config *(*const geometries[])(struct config *) = { with_size, with_hash, with_seed };

/* Whose slots are closed and hold what an image's had as previous. */
static void assert_former_is(const struct image *image, const struct image *old)
{
	assert_memory_equal(&image->value.former, &old->value.lookup, sizeof(old->value.lookup));
	for (uint32_t i = 0; i < old->value.lookup.size; i++) {
		assert_int_equal(image->former_slots[i].previous, previous_of(old->slots[i]));
		assert_int_equal(image->former_slots[i].current, previous_of(old->slots[i]));
	}
}

static void assert_all_open(const struct image *image)
{
	assert_int_equal(image->open_count, image->value.lookup.size);
	for (uint32_t i = 0; i < image->value.lookup.size; i++)
		assert_true(slot_is_open(image->slots[i]));
}

/* It is seen together with its service's entry, so its index is another. */
static void table_with_other_slots_keeps_the_one_that_was_as_former(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(geometries); i++) {
		struct fixture f, fresh;
		struct image *before;

		begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
		begin(&fresh, geometries[i](sample_config_of(IPPROTO_TCP, 3, SIZE)));
		sample_adopt(&f.node, geometries[i](sample_config_of(IPPROTO_TCP, 3, SIZE)));
		before = rebuild(&f);
		assert_int_equal(f.image->value.id, before->value.id);
		assert_int_not_equal(f.image->value.lookup.table, before->value.lookup.table);
		assert_former_is(f.image, before);
		assert_all_open(f.image);
		for (uint32_t slot = 0; slot < f.image->value.lookup.size; slot++)
			assert_int_equal(f.image->slots[slot].current,
					 fresh.image->slots[slot].current);
		assert_int_equal(f.ids.tables.count, 2);
		image_free(before);
		end(&fresh);
		end(&f);
	}
}

static void former_table_has_what_was_previous_in_slots_that_were_open(void **state)
{
	struct image *before;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	change(&f, sample_config_of(IPPROTO_TCP, 4, SIZE));
	assert_true(f.image->open_count > 0);
	sample_adopt(&f.node, with_size(sample_config_of(IPPROTO_TCP, 4, SIZE)));
	before = rebuild(&f);
	assert_former_is(f.image, before);
	for (uint32_t i = 0; i < SIZE; i++)
		assert_in_range(f.image->former_slots[i].previous, 1, 2);
	image_free(before);
	end(&f);
}

/* All flows that were opened since are remembered. */
static void further_change_of_that_kind_keeps_the_oldest_table(void **state)
{
	struct image *first, *second;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	sample_adopt(&f.node, with_size(sample_config_of(IPPROTO_TCP, 3, SIZE)));
	first = rebuild(&f);
	sample_adopt(&f.node, with_seed(with_size(sample_config_of(IPPROTO_TCP, 3, SIZE))));
	second = rebuild(&f);
	assert_former_is(f.image, first);
	assert_all_open(f.image);
	assert_int_not_equal(f.image->value.lookup.table, second->value.lookup.table);
	assert_int_equal(f.ids.tables.count, 2);

	/* Also when it leads back to where all began. */
	image_free(second);
	sample_adopt(&f.node, sample_config_of(IPPROTO_TCP, 3, SIZE));
	second = rebuild(&f);
	assert_former_is(f.image, first);
	assert_all_open(f.image);
	assert_int_not_equal(f.image->value.lookup.table, first->value.lookup.table);
	image_free(first);
	image_free(second);
	end(&f);
}

static bool is_even(void *user, uint32_t slot)
{
	(void)user;
	return slot % 2 == 0;
}

static void slots_beside_a_former_table_close_together_and_with_it(void **state)
{
	struct leat_lookup former;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	former = f.image->value.lookup;
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 3, SIZE)));
	close_slots(&f, is_even);
	assert_all_open(f.image);
	assert_memory_equal(&f.image->value.former, &former, sizeof(former));
	assert_int_equal(f.ids.tables.count, 2);

	close_slots(&f, is_none);
	assert_int_equal(f.image->open_count, 0);
	assert_int_equal(f.image->value.former.size, 0);
	assert_null(f.image->former_slots);
	assert_int_equal(f.ids.tables.count, 1);
	for (uint32_t i = 0; i < f.image->value.lookup.size; i++)
		assert_int_equal(f.image->slots[i].previous, f.image->slots[i].current);
	end(&f);
}

static void table_index_of_a_dropped_former_table_is_used_again(void **state)
{
	uint16_t first, second;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	first = f.image->value.lookup.table;
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 3, SIZE)));
	second = f.image->value.lookup.table;
	close_slots(&f, is_none);
	change(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	assert_int_equal(f.image->value.lookup.table, first);
	assert_int_equal(f.image->value.former.table, second);
	end(&f);
}

static size_t count_in_former(const struct image *image, uint16_t id)
{
	size_t count = 0;

	for (uint32_t i = 0; i < image->value.former.size; i++)
		count += image->former_slots[i].current == id ||
			 image->former_slots[i].previous == id;
	return count;
}

/* Its id may soon be another's. It is lost after the change, or with it. */
static void lost_backend_is_in_no_former_slot(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		bool is_with_it = i == 1;
		uint16_t lost;
		struct fixture f;

		begin(&f, config_from(0, 3, SIZE));
		lost = id_of(&f, 0);
		if (!is_with_it)
			change(&f, config_from(0, 3, 2 * SIZE));
		change(&f, config_from(1, 2, 2 * SIZE));
		assert_int_equal(count_in_former(f.image, lost), 0);
		assert_true(count_in_former(f.image, 0) > 0);
		assert_true(count_in_former(f.image, id_of(&f, 1)) > 0);
		assert_true(count_in_former(f.image, id_of(&f, 2)) > 0);
		change(&f, config_from(1, 3, 2 * SIZE));
		assert_int_equal(id_of(&f, 3), lost);
		assert_int_equal(count_in_former(f.image, lost), 0);
		end(&f);
	}
}

/* The program asks whether it serves, and it may come back. */
static void backend_that_is_down_stays_in_former_slots(void **state)
{
	struct fixture f;
	size_t count;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 3, SIZE)));
	count = count_in_former(f.image, id_of(&f, 0));
	assert_true(count > 0);
	sample_set_health(nth(&f, 0), false);
	image_free(rebuild(&f));
	assert_int_equal(count_in_former(f.image, id_of(&f, 0)), count);
	end(&f);
}

static void service_that_never_sent_a_flow_anywhere_needs_no_former_table(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	sample_set_health(nth(&f, 0), false);
	sample_set_health(nth(&f, 1), false);
	image_free(rebuild(&f));
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 2, SIZE)));
	assert_int_equal(f.image->value.former.size, 0);
	assert_null(f.image->former_slots);
	assert_int_equal(f.image->open_count, 0);
	assert_int_equal(f.ids.tables.count, 1);
	end(&f);
}

/* Flows may be remembered that were opened in them. */
static void open_slots_without_a_backend_are_kept_as_former_all_the_same(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	for (size_t i = 0; i < 2; i++) {
		nth(&f, i)->operator_change.state = OPERATOR_DRAIN;
		image_free(rebuild(&f));
	}
	nth(&f, 0)->operator_change.state = OPERATOR_DISABLE;
	nth(&f, 1)->operator_change.state = OPERATOR_DISABLE;
	image_free(rebuild(&f));
	for (uint32_t i = 0; i < SIZE; i++) {
		assert_int_equal(f.image->slots[i].current, 0);
		assert_int_equal(f.image->slots[i].previous, LEAT_SLOT_OPEN);
	}
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 2, SIZE)));
	assert_int_equal(f.image->value.former.size, SIZE);
	assert_all_open(f.image);
	end(&f);
}

/* What a daemon finds whose predecessor was killed between closing the slots and dropping the former
 * table. */
static void leave_dead_former(struct fixture *f)
{
	struct image *image = f->image;

	for (uint32_t i = 0; i < image->value.lookup.size; i++)
		image->slots[i].previous = image->slots[i].current;
	image->open_count = 0;
}

/* Flows that were opened meanwhile are not remembered, and in the former table they would be found
 * where they are not. */
static void former_table_beside_closed_slots_goes_before_a_slot_opens(void **state)
{
	struct image *before;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 3, SIZE)));
	leave_dead_former(&f);
	sample_adopt(&f.node, with_size(sample_config_of(IPPROTO_TCP, 4, SIZE)));
	before = rebuild(&f);
	assert_int_equal(f.image->value.former.size, 0);
	assert_null(f.image->former_slots);
	assert_int_not_equal(f.image->value.lookup.table, before->value.lookup.table);
	assert_int_equal(f.ids.tables.count, 1);
	for (uint32_t i = 0; i < 2 * SIZE; i++) {
		struct leat_slot was = before->slots[i], now = f.image->slots[i];

		assert_int_equal(previous_of(now), was.current);
		assert_int_equal(slot_is_open(now), now.current != was.current);
	}
	image_free(before);
	end(&f);
}

static void further_change_drops_a_former_table_beside_closed_slots(void **state)
{
	struct image *before;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 3, SIZE)));
	leave_dead_former(&f);
	sample_adopt(&f.node, sample_config_of(IPPROTO_TCP, 3, SIZE));
	before = rebuild(&f);
	assert_former_is(f.image, before);
	assert_all_open(f.image);
	assert_int_equal(f.ids.tables.count, 2);
	image_free(before);
	end(&f);
}

static void image_with_a_former_table_claims_both_tables(void **state)
{
	struct image_ids ids;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 2, SIZE)));
	assert_int_equal(image_ids_init(&ids), 0);
	assert_int_equal(image_claim(f.image, &ids), 0);
	assert_int_equal(ids.tables.count, 2);
	assert_int_equal(ids_take_this(&ids.tables, f.image->value.former.table), -EEXIST);
	image_retire(f.image, NULL, &ids);
	assert_int_equal(ids.tables.count, 0);

	assert_int_equal(ids_take_this(&ids.tables, f.image->value.former.table), 0);
	assert_int_equal(image_claim(f.image, &ids), -EEXIST);
	image_ids_deinit(&ids);
	end(&f);
}

static void change_that_finds_no_table_leaves_the_old_one_and_its_former(void **state)
{
	struct image *untouched = NULL;
	uint32_t tables;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 2, SIZE)));
	exhaust(&f.ids.tables, 0);
	tables = f.ids.tables.count;
	sample_adopt(&f.node, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_int_equal(image_build(&f.node, service_of(&f), f.image, &f.ids, &untouched),
			 -ENOSPC);
	assert_null(untouched);
	assert_int_equal(f.ids.tables.count, tables);
	assert_int_equal(ids_take_this(&f.ids.tables, f.image->value.lookup.table), -EEXIST);
	assert_int_equal(ids_take_this(&f.ids.tables, f.image->value.former.table), -EEXIST);
	image_free(f.image);
	image_ids_deinit(&f.ids);
	node_deinit(&f.node);
}

/* Which flows are old, nobody knows where none were remembered; and where they were, they are all over
 * the backends. */
static void slots_open_where_a_scheduler_begins_or_ends_to_remember(void **state)
{
	static const enum leat_scheduler all[] = { LEAT_SCHEDULER_HASH, LEAT_SCHEDULER_ROUND_ROBIN,
						   LEAT_SCHEDULER_LEAST_CONNECTIONS };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(all); j++) {
			bool remembered = all[i] != LEAT_SCHEDULER_HASH;
			bool remembers = all[j] != LEAT_SCHEDULER_HASH;
			struct image *before;
			struct fixture f;

			begin(&f, scheduled(all[i], 3, SIZE));
			sample_adopt(&f.node, scheduled(all[j], 3, SIZE));
			before = rebuild(&f);
			assert_int_equal(f.image->value.scheduler, all[j]);
			assert_int_equal(f.image->value.lookup.table, before->value.lookup.table);
			assert_int_equal(f.image->value.former.size, 0);
			assert_int_equal(f.image->open_count, remembered == remembers ? 0 : SIZE);
			for (uint32_t slot = 0; slot < SIZE; slot++) {
				assert_int_equal(f.image->slots[slot].current,
						 before->slots[slot].current);
				assert_int_equal(previous_of(f.image->slots[slot]),
						 before->slots[slot].current);
			}
			image_free(before);
			end(&f);
		}
	}
}

/* All of its backends drain, so no former table is needed, and remembered flows are on each of them. */
static void memory_that_ends_with_the_table_opens_all_slots_of_the_new_one(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, scheduled(LEAT_SCHEDULER_ROUND_ROBIN, 2, SIZE));
	for (size_t i = 0; i < 2; i++) {
		nth(&f, i)->operator_change.state = OPERATOR_DRAIN;
		image_free(rebuild(&f));
	}
	close_slots(&f, is_none);
	assert_int_equal(f.image->open_count, 0);
	change(&f, scheduled(LEAT_SCHEDULER_HASH, 3, 2 * SIZE));
	assert_int_equal(f.image->value.former.size, 0);
	assert_all_open(f.image);
	for (uint32_t i = 0; i < 2 * SIZE; i++)
		assert_int_equal(previous_of(f.image->slots[i]), 0);
	end(&f);
}

/* Another node's, with every second slot open on the first backend. */
static struct image_past past_of(const struct fixture *f, uint32_t former_size)
{
	uint32_t size = f->image->value.lookup.size;
	struct image_past past = {
		.previous = calloc(size, sizeof(*past.previous)),
		.former = { .hash_key = 7, .size = former_size, .hash = LEAT_HASH_SOURCE },
		.former_previous = calloc(former_size + 1, sizeof(*past.former_previous)),
	};

	assert_true(past.previous && past.former_previous);
	for (uint32_t i = 0; i < size; i++)
		past.previous[i] = i % 2 ? id_of(f, 0) : IMAGE_CLOSED;
	for (uint32_t i = 0; i < former_size; i++)
		past.former_previous[i] = id_of(f, i % 2);
	return past;
}

/* The image that was there before is returned, for the caller to free. */
static struct image *import(struct fixture *f, struct image_past past)
{
	struct image *before = f->image;

	assert_int_equal(image_import(before, &past, &f->ids, &f->image), 0);
	assert_int_equal(f->image->open_count, image_count_open(f->image));
	image_retire(before, f->image, &f->ids);
	free(past.previous);
	free(past.former_previous);
	return before;
}

static void slots_that_are_open_elsewhere_open_here_on_what_was_previous_there(void **state)
{
	struct image *before;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	before = import(&f, past_of(&f, 0));
	for (uint32_t i = 0; i < SIZE; i++) {
		struct leat_slot was = before->slots[i], now = f.image->slots[i];

		assert_int_equal(now.current, was.current);
		assert_int_equal(slot_is_open(now), i % 2);
		assert_int_equal(previous_of(now), i % 2 ? id_of(&f, 0) : was.current);
	}
	assert_int_equal(f.image->value.former.size, 0);
	assert_null(f.image->former_slots);
	image_free(before);
	end(&f);
}

static void slots_that_are_open_here_stay_as_they_are(void **state)
{
	struct image *before;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	change(&f, sample_config_of(IPPROTO_TCP, 4, SIZE));
	before = import(&f, past_of(&f, 0));
	for (uint32_t i = 0; i < SIZE; i++) {
		if (slot_is_open(before->slots[i]))
			assert_memory_equal(&f.image->slots[i], &before->slots[i],
					    sizeof(before->slots[i]));
	}
	image_free(before);
	end(&f);
}

static void former_table_of_another_node_opens_all_slots(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	image_free(import(&f, past_of(&f, 64)));
	assert_int_equal(f.image->value.former.size, 64);
	assert_int_equal(f.image->value.former.hash_key, 7);
	assert_int_equal(f.image->value.former.hash, LEAT_HASH_SOURCE);
	assert_int_not_equal(f.image->value.former.table, f.image->value.lookup.table);
	assert_int_equal(f.ids.tables.count, 2);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(f.image->former_slots[i].previous, id_of(&f, i % 2));
	assert_all_open(f.image);
	close_slots(&f, is_none);
	assert_int_equal(f.ids.tables.count, 1);
	end(&f);
}

static void own_former_table_goes_before_another_nodes(void **state)
{
	struct leat_lookup former;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	former = f.image->value.lookup;
	change(&f, with_size(sample_config_of(IPPROTO_TCP, 2, SIZE)));
	image_free(import(&f, past_of(&f, 64)));
	assert_memory_equal(&f.image->value.former, &former, sizeof(former));
	assert_int_equal(f.ids.tables.count, 2);
	end(&f);
}

static void import_that_finds_no_table_changes_nothing(void **state)
{
	struct image *untouched = NULL;
	struct image_past past;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	exhaust(&f.ids.tables, 0);
	past = past_of(&f, 64);
	assert_int_equal(image_import(f.image, &past, &f.ids, &untouched), -ENOSPC);
	assert_null(untouched);
	assert_int_equal(f.image->open_count, 0);
	free(past.previous);
	free(past.former_previous);
	image_free(f.image);
	image_ids_deinit(&f.ids);
	node_deinit(&f.node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_with_other_slots_keeps_the_one_that_was_as_former),
		cmocka_unit_test(former_table_has_what_was_previous_in_slots_that_were_open),
		cmocka_unit_test(further_change_of_that_kind_keeps_the_oldest_table),
		cmocka_unit_test(slots_beside_a_former_table_close_together_and_with_it),
		cmocka_unit_test(table_index_of_a_dropped_former_table_is_used_again),
		cmocka_unit_test(lost_backend_is_in_no_former_slot),
		cmocka_unit_test(backend_that_is_down_stays_in_former_slots),
		cmocka_unit_test(service_that_never_sent_a_flow_anywhere_needs_no_former_table),
		cmocka_unit_test(open_slots_without_a_backend_are_kept_as_former_all_the_same),
		cmocka_unit_test(former_table_beside_closed_slots_goes_before_a_slot_opens),
		cmocka_unit_test(further_change_drops_a_former_table_beside_closed_slots),
		cmocka_unit_test(image_with_a_former_table_claims_both_tables),
		cmocka_unit_test(change_that_finds_no_table_leaves_the_old_one_and_its_former),
		cmocka_unit_test(slots_open_where_a_scheduler_begins_or_ends_to_remember),
		cmocka_unit_test(memory_that_ends_with_the_table_opens_all_slots_of_the_new_one),
		cmocka_unit_test(
			slots_that_are_open_elsewhere_open_here_on_what_was_previous_there),
		cmocka_unit_test(slots_that_are_open_here_stay_as_they_are),
		cmocka_unit_test(former_table_of_another_node_opens_all_slots),
		cmocka_unit_test(own_former_table_goes_before_another_nodes),
		cmocka_unit_test(import_that_finds_no_table_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
