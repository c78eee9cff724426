/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/image.h"

#include <errno.h>

#include "model/encode.h"
#include "tests/unit/sample_config.h"

#define SIZE 512

/* A node of one service and its image. */
struct fixture {
	struct node node;
	struct image_ids ids;
	struct image *image;
};

static const struct service *service_of(const struct fixture *f)
{
	return f->node.services[0];
}

static struct backend *nth(const struct fixture *f, size_t index)
{
	return sample_find(f->node.services[0], index);
}

static uint16_t id_of(const struct fixture *f, size_t index)
{
	const struct leat_addr address = sample_backend_address(index);

	return (uint16_t)image_find_backend(f->image, &address)->id;
}

/* What the image is now, after the node changed; the caller frees the one before. */
static struct image *rebuild(struct fixture *f)
{
	struct image *before = f->image;

	assert_int_equal(image_build(&f->node, service_of(f), before, &f->ids, &f->image), 0);
	assert_int_equal(f->image->open_count, image_count_open(f->image));
	if (before)
		image_retire(before, f->image, &f->ids);
	return before;
}

static void change(struct fixture *f, struct config *config)
{
	struct image *before;

	sample_adopt(&f->node, config);
	before = rebuild(f);
	if (before)
		image_free(before);
}

static void begin(struct fixture *f, struct config *config)
{
	*f = (struct fixture){ 0 };
	assert_int_equal(image_ids_init(&f->ids), 0);
	change(f, config);
}

static void end(struct fixture *f)
{
	image_retire(f->image, NULL, &f->ids);
	assert_int_equal(f->ids.services.count, 0);
	assert_int_equal(f->ids.tables.count, 0);
	assert_int_equal(f->ids.backends.count, 0);
	image_free(f->image);
	image_ids_deinit(&f->ids);
	node_deinit(&f->node);
}

static uint16_t previous_of(struct leat_slot slot)
{
	return slot.previous & LEAT_SLOT_BACKEND;
}

static void new_image_has_every_slot_closed_on_one_of_its_backends(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	assert_int_equal(f.image->open_count, 0);
	assert_int_equal(f.image->backend_count, 3);
	for (uint32_t i = 0; i < SIZE; i++) {
		assert_in_range(f.image->slots[i].current, 1, 3);
		assert_int_equal(f.image->slots[i].previous, f.image->slots[i].current);
	}
	end(&f);
}

static void image_holds_what_packets_need(void **state)
{
	const struct leat_addr address = sample_backend_address(1);
	struct leat_backend expected;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_true(f.image->value.hash_key ==
		    leat_service_hash_key(CONFIG_DEFAULT_SEED, &f.image->key));
	assert_int_equal(f.image->value.table_size, SIZE);
	assert_int_equal(f.image->value.hash, LEAT_HASH_FLOW);
	expected = backend_encode(f.node.config, &service_of(&f)->config, &address,
				  &nth(&f, 1)->next_hop);
	assert_memory_equal(&image_find_backend(f.image, &address)->value, &expected,
			    sizeof(expected));
	end(&f);
}

static void ids_stay_with_what_stays(void **state)
{
	struct config *config = sample_config_new();
	uint32_t service, table;
	uint16_t first, third;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	service = f.image->value.id;
	table = f.image->value.table;
	first = id_of(&f, 0);
	third = id_of(&f, 2);
	sample_add_backends(sample_add_service(config, 0, IPPROTO_TCP, SIZE), 2, 2);
	sample_add_backend(&config->services[0], 0, 7);
	change(&f, config);
	assert_int_equal(f.image->value.id, service);
	assert_int_equal(f.image->value.table, table);
	assert_int_equal(id_of(&f, 0), first);
	assert_int_equal(id_of(&f, 2), third);
	assert_int_equal(f.ids.backends.count, 3);
	end(&f);
}

static void id_of_a_lost_backend_is_free_only_after_it_was_retired(void **state)
{
	struct fixture f;
	uint16_t second;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	second = id_of(&f, 1);
	change(&f, sample_config_of(IPPROTO_TCP, 1, SIZE));
	assert_int_equal(f.ids.backends.count, 1);
	change(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_int_equal(id_of(&f, 1), second);
	end(&f);
}

static void images_that_share_an_id_are_refused(void **state)
{
	struct image_ids ids;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_int_equal(image_ids_init(&ids), 0);
	assert_int_equal(image_claim(f.image, &ids), 0);
	assert_int_equal(ids.backends.count, 2);
	assert_int_equal(image_claim(f.image, &ids), -EEXIST);
	image_ids_deinit(&ids);
	end(&f);
}

/* Leaves room for `left` more. */
static void exhaust(struct ids *ids, uint32_t left)
{
	uint32_t id;

	while (ids->count < ids->limit - ids->first - left)
		assert_int_equal(ids_take(ids, &id), 0);
}

/* With so much room, a service of three backends does not fit, and all ids are as they were. */
static void assert_does_not_fit(uint32_t services, uint32_t tables, uint32_t backends)
{
	struct image *untouched = NULL;
	struct image_ids ids;
	struct node node = { 0 };

	sample_adopt(&node, sample_config_of(IPPROTO_TCP, 3, SIZE));
	assert_int_equal(image_ids_init(&ids), 0);
	exhaust(&ids.services, services);
	exhaust(&ids.tables, tables);
	exhaust(&ids.backends, backends);
	assert_int_equal(image_build(&node, node.services[0], NULL, &ids, &untouched), -ENOSPC);
	assert_null(untouched);
	assert_int_equal(ids.services.count, LEAT_MAX_SERVICES - services);
	assert_int_equal(ids.tables.count, LEAT_MAX_TABLES - tables);
	assert_int_equal(ids.backends.count, LEAT_MAX_BACKENDS - 1 - backends);
	image_ids_deinit(&ids);
	node_deinit(&node);
}

static void image_that_does_not_fit_gives_everything_back(void **state)
{
	(void)state;
	assert_does_not_fit(0, 1, 3);
	assert_does_not_fit(1, 0, 3);
	assert_does_not_fit(1, 1, 2);
}

static void image_that_does_not_fit_leaves_the_old_ones_ids(void **state)
{
	struct image *untouched = NULL;
	uint32_t backends, tables;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	exhaust(&f.ids.backends, 1);
	backends = f.ids.backends.count;
	tables = f.ids.tables.count;
	sample_adopt(&f.node, sample_config_of(IPPROTO_TCP, 5, 2 * SIZE));
	assert_int_equal(image_build(&f.node, service_of(&f), f.image, &f.ids, &untouched),
			 -ENOSPC);
	assert_null(untouched);
	assert_int_equal(f.ids.backends.count, backends);
	assert_int_equal(f.ids.tables.count, tables);
	image_free(f.image);
	image_ids_deinit(&f.ids);
	node_deinit(&f.node);
}

static struct config *with_size(struct config *config)
{
	config->services[0].table_size = 2 * SIZE;
	return config;
}

static struct config *with_hash(struct config *config)
{
	config->services[0].hash = LEAT_HASH_SOURCE;
	return config;
}

static struct config *with_seed(struct config *config)
{
	config->seed++;
	return config;
}

static struct config *with_kind(struct config *config)
{
	config->services[0].table = TABLE_MAGLEV;
	return config;
}

static struct config *with_weight(struct config *config)
{
	config->services[0].backends[0].weight = 1;
	return config;
}

static void table_moves_when_the_services_entry_must_change_with_it(void **state)
{
	static struct config *(*const ways[])(struct config *) = { with_size, with_hash,
								   with_seed };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		uint32_t service, table;
		struct fixture f;

		begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
		service = f.image->value.id;
		table = f.image->value.table;
		change(&f, ways[i](sample_config_of(IPPROTO_TCP, 3, SIZE)));
		assert_int_equal(f.image->value.id, service);
		assert_int_not_equal(f.image->value.table, table);
		assert_int_equal(f.image->open_count, 0);
		assert_int_equal(f.ids.tables.count, 1);
		end(&f);
	}
}

static void table_stays_when_only_its_slots_change(void **state)
{
	static struct config *(*const ways[])(struct config *) = { with_kind, with_weight };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct fixture f;
		uint32_t table;

		begin(&f, sample_config_of(IPPROTO_TCP, 3, 509));
		table = f.image->value.table;
		change(&f, ways[i](sample_config_of(IPPROTO_TCP, 3, 509)));
		assert_int_equal(f.image->value.table, table);
		assert_true(f.image->open_count > 0);
		end(&f);
	}
}

/* A mark in the old table shows whether it was copied or computed anew. */
static void table_is_computed_only_when_its_inputs_changed(void **state)
{
	struct fixture f;
	uint16_t marked;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	marked = f.image->slots[0].current == 1 ? 2 : 1;
	f.image->slots[0].current = f.image->slots[0].previous = marked;
	change(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_int_equal(f.image->slots[0].current, marked);

	nth(&f, 0)->next_hop.mtu = 1400;
	image_free(rebuild(&f));
	assert_int_equal(f.image->slots[0].current, marked);

	f.image->table_digest = 0;
	image_free(rebuild(&f));
	assert_int_not_equal(f.image->slots[0].current, marked);
	end(&f);
}

static void slots_open_exactly_where_the_backend_changed(void **state)
{
	struct fixture f, fresh;
	uint32_t opened = 0;
	struct image *before;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	begin(&fresh, sample_config_of(IPPROTO_TCP, 4, SIZE));
	sample_adopt(&f.node, sample_config_of(IPPROTO_TCP, 4, SIZE));
	before = rebuild(&f);
	for (uint32_t i = 0; i < SIZE; i++) {
		struct leat_slot was = before->slots[i], now = f.image->slots[i];

		assert_int_equal(now.current, fresh.image->slots[i].current);
		assert_int_equal(slot_is_open(now), now.current != was.current);
		assert_int_equal(previous_of(now), was.current);
		opened += slot_is_open(now);
	}
	assert_true(opened > 0);
	assert_int_equal(f.image->open_count, opened);
	image_free(before);
	end(&fresh);
	end(&f);
}

static void open_slot_keeps_its_previous_over_several_changes(void **state)
{
	struct image *first;
	uint32_t moved_twice = 0;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	sample_adopt(&f.node, sample_config_of(IPPROTO_TCP, 3, SIZE));
	first = rebuild(&f);
	for (size_t backends = 4; backends <= 8; backends++) {
		uint16_t newest = (uint16_t)backends;

		change(&f, sample_config_of(IPPROTO_TCP, backends, SIZE));
		for (uint32_t i = 0; i < SIZE; i++) {
			struct leat_slot now = f.image->slots[i];

			assert_int_equal(previous_of(now), first->slots[i].current);
			moved_twice += slot_is_open(now) && now.current == newest;
		}
	}
	assert_true(moved_twice > 0);
	image_free(first);
	end(&f);
}

static void change_that_is_taken_back_leaves_the_slot_open(void **state)
{
	struct fixture f;
	uint32_t opened;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	nth(&f, 0)->operator_change.state = OPERATOR_DRAIN;
	image_free(rebuild(&f));
	opened = f.image->open_count;
	assert_true(opened > 0);
	nth(&f, 0)->operator_change.state = OPERATOR_NONE;
	image_free(rebuild(&f));
	assert_int_equal(f.image->open_count, opened);
	for (uint32_t i = 0; i < SIZE; i++)
		assert_int_equal(previous_of(f.image->slots[i]), f.image->slots[i].current);
	end(&f);
}

static void let_fail(struct fixture *f)
{
	sample_set_health(nth(f, 0), false);
	image_free(rebuild(f));
}

static void disable(struct fixture *f)
{
	nth(f, 0)->operator_change.state = OPERATOR_DISABLE;
	image_free(rebuild(f));
}

static void take_out(struct fixture *f)
{
	struct config *config = sample_config_new();

	sample_add_backends(sample_add_service(config, 0, IPPROTO_TCP, SIZE), 1, 2);
	change(f, config);
}

static void (*const deaths[])(struct fixture *) = { let_fail, disable, take_out };

static void dead_backend_is_nobodys_previous(void **state)
{
	uint16_t was[SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++) {
		struct fixture f;

		begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
		for (uint32_t slot = 0; slot < SIZE; slot++)
			was[slot] = f.image->slots[slot].current;
		deaths[i](&f);
		for (uint32_t slot = 0; slot < SIZE; slot++) {
			struct leat_slot now = f.image->slots[slot];

			assert_in_range(now.current, 2, 3);
			assert_int_equal(previous_of(now),
					 was[slot] == 1 ? now.current : was[slot]);
			assert_int_equal(slot_is_open(now), previous_of(now) != now.current);
		}
		end(&f);
	}
}

/* Flows that were opened meanwhile are remembered elsewhere. */
static void slot_stays_open_when_its_previous_dies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++) {
		struct image *drained;
		struct fixture f;

		begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
		nth(&f, 0)->operator_change.state = OPERATOR_DRAIN;
		image_free(rebuild(&f));
		drained = f.image;
		f.image = NULL;
		assert_int_equal(image_build(&f.node, service_of(&f), drained, &f.ids, &f.image),
				 0);
		deaths[i](&f);
		for (uint32_t slot = 0; slot < SIZE; slot++) {
			struct leat_slot now = f.image->slots[slot], was = drained->slots[slot];

			assert_in_range(now.current, 2, 3);
			if (slot_is_open(was))
				assert_true(slot_is_open(now));
			if (previous_of(was) == 1)
				assert_int_equal(previous_of(now), 0);
		}
		image_free(drained);
		end(&f);
	}
}

static void backend_that_is_down_or_disabled_has_no_forwarding(void **state)
{
	const struct leat_addr address = sample_backend_address(0);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture f;

		begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
		deaths[i](&f);
		assert_int_equal(image_find_backend(f.image, &address)->value.forward,
				 LEAT_FORWARD_NONE);
		end(&f);
	}
}

static void draining_backend_is_previous_and_goes_on_forwarding(void **state)
{
	const struct leat_addr address = sample_backend_address(0);
	struct image *before;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	nth(&f, 0)->operator_change.state = OPERATOR_DRAIN;
	before = rebuild(&f);
	for (uint32_t i = 0; i < SIZE; i++) {
		assert_int_equal(previous_of(f.image->slots[i]), before->slots[i].current);
		assert_in_range(f.image->slots[i].current, 2, 3);
	}
	assert_int_equal(image_find_backend(f.image, &address)->value.forward, LEAT_FORWARD_IPIP);
	image_free(before);
	end(&f);
}

static void service_without_a_usable_backend_has_none_in_its_slots(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	sample_set_health(nth(&f, 0), false);
	sample_set_health(nth(&f, 1), false);
	image_free(rebuild(&f));
	for (uint32_t i = 0; i < SIZE; i++) {
		assert_int_equal(f.image->slots[i].current, 0);
		assert_int_equal(f.image->slots[i].previous, 0);
	}
	end(&f);
}

/* Every third open slot. */
static bool is_third(void *user, uint32_t slot)
{
	const struct image *image = user;

	assert_true(slot_is_open(image->slots[slot]));
	return slot % 3 == 0;
}

static void slots_that_are_not_busy_close_on_their_current(void **state)
{
	struct image *closed;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	change(&f, sample_config_of(IPPROTO_TCP, 4, SIZE));
	assert_int_equal(image_close(f.image, is_third, f.image, &closed), 0);
	for (uint32_t i = 0; i < SIZE; i++) {
		struct leat_slot was = f.image->slots[i], now = closed->slots[i];

		assert_int_equal(now.current, was.current);
		assert_int_equal(slot_is_open(now), slot_is_open(was) && i % 3 == 0);
		assert_int_equal(now.previous, slot_is_open(now) ? was.previous : was.current);
	}
	assert_in_range(closed->open_count, 1, f.image->open_count - 1);
	assert_int_equal(closed->open_count, image_count_open(closed));
	assert_true(closed->table_digest == f.image->table_digest);
	assert_int_equal(closed->backend_count, f.image->backend_count);
	image_free(closed);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_image_has_every_slot_closed_on_one_of_its_backends),
		cmocka_unit_test(image_holds_what_packets_need),
		cmocka_unit_test(ids_stay_with_what_stays),
		cmocka_unit_test(id_of_a_lost_backend_is_free_only_after_it_was_retired),
		cmocka_unit_test(images_that_share_an_id_are_refused),
		cmocka_unit_test(image_that_does_not_fit_gives_everything_back),
		cmocka_unit_test(image_that_does_not_fit_leaves_the_old_ones_ids),
		cmocka_unit_test(table_moves_when_the_services_entry_must_change_with_it),
		cmocka_unit_test(table_stays_when_only_its_slots_change),
		cmocka_unit_test(table_is_computed_only_when_its_inputs_changed),
		cmocka_unit_test(slots_open_exactly_where_the_backend_changed),
		cmocka_unit_test(open_slot_keeps_its_previous_over_several_changes),
		cmocka_unit_test(change_that_is_taken_back_leaves_the_slot_open),
		cmocka_unit_test(dead_backend_is_nobodys_previous),
		cmocka_unit_test(slot_stays_open_when_its_previous_dies),
		cmocka_unit_test(backend_that_is_down_or_disabled_has_no_forwarding),
		cmocka_unit_test(draining_backend_is_previous_and_goes_on_forwarding),
		cmocka_unit_test(service_without_a_usable_backend_has_none_in_its_slots),
		cmocka_unit_test(slots_that_are_not_busy_close_on_their_current),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
