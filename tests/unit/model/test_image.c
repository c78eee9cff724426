/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/image.h"

#include "model/encode.h"
#include "tests/unit/model/image_fixture.h"

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
	assert_true(f.image->value.lookup.hash_key ==
		    leat_service_hash_key(CONFIG_DEFAULT_SEED, &f.image->key));
	assert_int_equal(f.image->value.lookup.size, SIZE);
	assert_int_equal(f.image->value.lookup.hash, LEAT_HASH_FLOW);
	expected = backend_encode(f.node.config, &service_of(&f)->config, &nth(&f, 1)->config,
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
	table = f.image->value.lookup.table;
	first = id_of(&f, 0);
	third = id_of(&f, 2);
	sample_add_backends(sample_add_service(config, 0, IPPROTO_TCP, SIZE), 2, 2);
	sample_add_backend(&config->services[0], 0, 7);
	change(&f, config);
	assert_int_equal(f.image->value.id, service);
	assert_int_equal(f.image->value.lookup.table, table);
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

static void table_stays_when_only_its_slots_change(void **state)
{
	static struct config *(*const ways[])(struct config *) = { with_kind, with_weight };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct fixture f;
		uint32_t table;

		begin(&f, sample_config_of(IPPROTO_TCP, 3, 509));
		table = f.image->value.lookup.table;
		change(&f, ways[i](sample_config_of(IPPROTO_TCP, 3, 509)));
		assert_int_equal(f.image->value.lookup.table, table);
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

static bool is_in_order(const struct image *image, uint16_t id)
{
	for (uint32_t i = 0; i < image->order_size; i++) {
		if (image->order[i] == id)
			return true;
	}
	return false;
}

static void order_is_a_round_robins_alone_and_visits_who_takes_new_flows(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, scheduled(LEAT_SCHEDULER_HASH, 3, SIZE));
	assert_null(f.image->order);
	change(&f, scheduled(LEAT_SCHEDULER_ROUND_ROBIN, 3, SIZE));
	assert_non_null(f.image->order);
	assert_in_range(f.image->order_size, 3, LEAT_MAX_ORDER_SIZE);
	for (size_t i = 0; i < 3; i++)
		assert_true(is_in_order(f.image, id_of(&f, i)));
	assert_false(is_in_order(f.image, 0));

	nth(&f, 0)->operator_change.state = OPERATOR_DRAIN;
	sample_set_health(nth(&f, 1), false);
	image_free(rebuild(&f));
	assert_false(is_in_order(f.image, id_of(&f, 0)));
	assert_false(is_in_order(f.image, id_of(&f, 1)));
	assert_true(is_in_order(f.image, id_of(&f, 2)));

	nth(&f, 2)->operator_change.state = OPERATOR_DISABLE;
	image_free(rebuild(&f));
	assert_non_null(f.image->order);
	assert_int_equal(f.image->order_size, 0);

	change(&f, scheduled(LEAT_SCHEDULER_LEAST_CONNECTIONS, 3, SIZE));
	assert_null(f.image->order);
	assert_int_equal(f.image->order_size, 0);
	end(&f);
}

static void policy_is_in_ticks_and_never_shorter_than_asked(void **state)
{
	static const uint32_t times_ms[] = { LEAT_MIN_IDLE_MS, 1073, 1074, LEAT_DEFAULT_TCP_IDLE_MS,
					     LEAT_MAX_IDLE_MS };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times_ms); i++) {
		struct config *config = sample_config_of(IPPROTO_TCP, 1, SIZE);
		uint64_t wanted_ns = times_ms[i] * UINT64_C(1000000);
		struct fixture f;

		config->services[0].tcp_idle_ms = times_ms[i];
		config->services[0].udp_idle_ms = LEAT_MIN_IDLE_MS;
		config->services[0].sticky_ms = times_ms[i];
		begin(&f, config);
		assert_true((uint64_t)f.image->policy.tcp_idle << LEAT_TICK_SHIFT >= wanted_ns);
		assert_true((uint64_t)(f.image->policy.tcp_idle - 1) << LEAT_TICK_SHIFT <=
			    wanted_ns);
		assert_int_equal(f.image->policy.sticky, f.image->policy.tcp_idle);
		assert_int_equal(f.image->policy.udp_idle, LEAT_TICKS(LEAT_MIN_IDLE_MS));
		end(&f);
	}
}

static void client_stays_nowhere_unless_asked(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 1, SIZE));
	assert_int_equal(f.image->policy.sticky, 0);
	end(&f);
}

static struct leat_load load_of(const struct fixture *f, size_t index)
{
	const struct leat_addr address = sample_backend_address(index);

	return image_find_backend(f->image, &address)->load;
}

static void assert_load(struct fixture *f, uint16_t weight, uint16_t flags)
{
	image_free(rebuild(f));
	assert_int_equal(load_of(f, 0).weight, weight);
	assert_int_equal(load_of(f, 0).flags, flags);
	assert_int_equal(load_of(f, 0).flows, 0);
}

static void load_has_the_weight_for_new_flows(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_load(&f, CONFIG_DEFAULT_WEIGHT, 0);
	nth(&f, 0)->ramp_percent = 10;
	assert_load(&f, CONFIG_DEFAULT_WEIGHT / 10, 0);
	nth(&f, 0)->ramp_percent = 100;
	nth(&f, 0)->operator_change =
		(struct operator_change){ .has_weight = true, .weight = LEAT_MAX_WEIGHT };
	assert_load(&f, LEAT_MAX_WEIGHT, 0);
	sample_set_health(nth(&f, 0), false);
	assert_load(&f, 0, 0);
	end(&f);
}

/* Whatever makes it drain; and where it keeps no flow, there is nothing to count. */
static void old_flows_are_counted_while_a_backend_drains(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	nth(&f, 0)->operator_change.state = OPERATOR_DRAIN;
	assert_load(&f, 0, LEAT_LOAD_COUNTED);
	sample_set_health(nth(&f, 0), false);
	assert_load(&f, 0, 0);
	sample_set_health(nth(&f, 0), true);
	assert_load(&f, 0, LEAT_LOAD_COUNTED);
	nth(&f, 0)->operator_change.state = OPERATOR_DISABLE;
	assert_load(&f, 0, 0);
	nth(&f, 0)->operator_change = (struct operator_change){ .has_weight = true, .weight = 0 };
	assert_load(&f, 0, LEAT_LOAD_COUNTED);
	nth(&f, 0)->operator_change = (struct operator_change){ 0 };
	nth(&f, 0)->health = health_new(1, 1);
	assert_load(&f, 0, 0);
	end(&f);
}

static void backend_that_leaves_keeps_its_flows_and_gets_no_new_ones(void **state)
{
	struct image *before;
	struct fixture f;
	uint16_t leaving;

	(void)state;
	begin(&f, config_from(0, 3, SIZE));
	leaving = id_of(&f, 0);
	sample_adopt_config(&f.node, config_from(1, 2, SIZE), true);
	before = rebuild(&f);
	assert_int_equal(id_of(&f, 0), leaving);
	assert_int_equal(load_of(&f, 0).weight, 0);
	assert_int_equal(load_of(&f, 0).flags, LEAT_LOAD_COUNTED);
	for (uint32_t i = 0; i < SIZE; i++) {
		assert_int_not_equal(f.image->slots[i].current, leaving);
		assert_int_equal(previous_of(f.image->slots[i]), before->slots[i].current);
	}
	image_free(before);

	/* And when it has gone, its id is free. */
	change(&f, config_from(1, 2, SIZE));
	assert_int_equal(f.ids.backends.count, 2);
	for (uint32_t i = 0; i < SIZE; i++)
		assert_int_not_equal(previous_of(f.image->slots[i]), leaving);
	end(&f);
}

static void backend_that_comes_back_while_it_leaves_is_the_one_that_it_was(void **state)
{
	struct image *before;
	struct fixture f;
	uint16_t leaving;

	(void)state;
	begin(&f, config_from(0, 3, SIZE));
	leaving = id_of(&f, 0);
	sample_adopt_config(&f.node, config_from(1, 2, SIZE), true);
	before = rebuild(&f);
	sample_adopt_config(&f.node, config_from(0, 3, SIZE), true);
	image_free(rebuild(&f));
	assert_int_equal(id_of(&f, 0), leaving);
	assert_int_equal(load_of(&f, 0).flags, 0);
	for (uint32_t i = 0; i < SIZE; i++)
		assert_int_equal(f.image->slots[i].current, before->slots[i].current);
	image_free(before);
	end(&f);
}

static void image_knows_the_names_that_leaving_backends_are_noted_by(void **state)
{
	const struct leat_addr address = sample_backend_address(1);
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_string_equal(image_find_backend(f.image, &address)->name, "backend1");
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
		cmocka_unit_test(order_is_a_round_robins_alone_and_visits_who_takes_new_flows),
		cmocka_unit_test(policy_is_in_ticks_and_never_shorter_than_asked),
		cmocka_unit_test(client_stays_nowhere_unless_asked),
		cmocka_unit_test(load_has_the_weight_for_new_flows),
		cmocka_unit_test(old_flows_are_counted_while_a_backend_drains),
		cmocka_unit_test(backend_that_leaves_keeps_its_flows_and_gets_no_new_ones),
		cmocka_unit_test(backend_that_comes_back_while_it_leaves_is_the_one_that_it_was),
		cmocka_unit_test(image_knows_the_names_that_leaving_backends_are_noted_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
