/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/difference.h"

#include <math.h>

#include "model/memory.h"
#include "tests/unit/model/image_fixture.h"
#include "tests/unit/model/world.h"

#define NEAR 1e-9

/* What becomes of the fixture's service under another configuration, which it then runs. */
struct step {
	struct difference difference;
	struct image *before; /* freed by end_step() */
	struct node was;
};

static const struct difference_service *only(const struct difference *difference)
{
	assert_int_equal(difference->service_count, 1);
	return &difference->services[0];
}

/* A reload's, while what ran is still there to look at. */
static struct node successor(const struct node *was, struct config *config, bool drains)
{
	struct succession next;

	assert_int_equal(succession_make(was, config, drains, &next), 0);
	for (size_t i = 0; i < next.count; i++)
		sample_resolve(next.services[i]);
	return (struct node){ .config = config,
			      .services = next.services,
			      .service_count = next.count };
}

static void begin_step(struct step *step, struct fixture *f, struct config *config, bool drains)
{
	struct plan_change change;

	*step = (struct step){ .was = f->node };
	f->node = successor(&step->was, config, drains);
	step->before = rebuild(f);
	change = (struct plan_change){ step->before, f->image };
	assert_int_equal(difference_add(&step->difference, &change, step->was.services[0],
					f->node.services[0]),
			 0);
	difference_compare(&step->difference, step->was.config, config);
}

static void end_step(struct step *step)
{
	difference_deinit(&step->difference);
	image_free(step->before);
	node_deinit(&step->was);
}

static const struct difference_backend *backend_at(const struct difference_service *service,
						   size_t index)
{
	const struct leat_addr address = sample_backend_address(index);

	for (size_t i = 0; i < service->backend_count; i++) {
		if (address_equal(&service->backends[i].address, &address))
			return &service->backends[i];
	}
	fail_msg("backend %zu is not there", index);
	return NULL;
}

static double sum_of_moves(const struct difference_service *service)
{
	double sum = 0;

	for (size_t i = 0; i < service->move_count; i++) {
		assert_true(i == 0 ||
			    service->moves[i].share <= service->moves[i - 1].share + NEAR);
		sum += service->moves[i].share;
	}
	return sum;
}

static void same_configuration_is_no_difference(void **state)
{
	char text[DIFFERENCE_TEXT_SIZE];
	struct fixture f;
	struct step step;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	begin_step(&step, &f, sample_config_of(IPPROTO_TCP, 3, SIZE), true);
	assert_true(difference_is_empty(&step.difference));
	assert_int_equal(step.difference.unchanged, 1);
	assert_string_equal(difference_format(&step.difference, text), "nothing that packets see");
	end_step(&step);
	end(&f);
}

static void backend_that_comes_takes_its_share_from_the_others(void **state)
{
	const struct difference_service *service;
	char text[DIFFERENCE_TEXT_SIZE];
	struct fixture f;
	struct step step;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	begin_step(&step, &f, sample_config_of(IPPROTO_TCP, 4, SIZE), true);
	service = only(&step.difference);
	assert_int_equal(service->kind, DIFFERENCE_CHANGED);
	assert_int_equal(backend_at(service, 3)->kind, DIFFERENCE_ADDED);
	assert_int_equal(backend_at(service, 0)->kind, DIFFERENCE_SAME);
	/* Nearly all that moves: the others have bounded room. */
	assert_in_range(backend_at(service, 3)->slots_after, service->slots_moved * 9 / 10,
			service->slots_moved);
	assert_int_equal(service->slots_opened, service->slots_moved);
	assert_true(fabs(sum_of_moves(service) - service->share_moved) < NEAR);
	assert_true(strstr(difference_format(&step.difference, text), "backends +1 -0 ~0"));
	end_step(&step);
	end(&f);
}

static void backend_that_goes_keeps_its_flows_only_while_it_drains(void **state)
{
	for (int drains = 0; drains < 2; drains++) {
		const struct difference_service *service;
		const struct difference_backend *gone;
		struct fixture f;
		struct step step;

		(void)state;
		begin(&f, scheduled(LEAT_SCHEDULER_ROUND_ROBIN, 3, SIZE));
		for (size_t i = 0; i < 3; i++)
			nth(&f, i)->flows =
				(struct backend_flows){ .is_counted = true, .live = 10 + i };
		begin_step(&step, &f, scheduled(LEAT_SCHEDULER_ROUND_ROBIN, 2, SIZE), drains);
		service = only(&step.difference);
		gone = backend_at(service, 2);
		assert_int_equal(gone->kind, drains ? DIFFERENCE_LEAVING : DIFFERENCE_REMOVED);
		assert_true(service->is_counted);
		assert_int_equal(service->flows_break, drains ? 0 : 12);
		assert_int_equal(service->flows_stay, drains ? 33 : 21);
		assert_true(drains ? !gone->breaks
				   : strcmp(gone->breaks, "the backend is removed at once") == 0);
		assert_int_equal(gone->slots_after, 0);
		end_step(&step);
		end(&f);
	}
}

static void flows_of_a_service_that_remembers_none_are_not_counted(void **state)
{
	struct fixture f;
	struct step step;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	begin_step(&step, &f, sample_config_of(IPPROTO_TCP, 2, SIZE), true);
	assert_false(only(&step.difference)->is_counted);
	end_step(&step);
	end(&f);
}

static void service_that_goes_breaks_its_flows(void **state)
{
	struct difference difference = { 0 };
	struct plan_change change;
	struct fixture f;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 2, SIZE));
	nth(&f, 1)->flows = (struct backend_flows){ .is_counted = true, .live = 5 };
	change = (struct plan_change){ f.image, NULL };
	assert_int_equal(difference_add(&difference, &change, f.node.services[0], NULL), 0);
	assert_int_equal(only(&difference)->kind, DIFFERENCE_REMOVED);
	assert_int_equal(only(&difference)->flows_break, 5);
	assert_string_equal(only(&difference)->backends[0].breaks, "the service is removed");
	assert_int_equal(difference.memory_before, memory_of_image(f.image));
	assert_int_equal(difference.memory_after, 0);
	difference_deinit(&difference);
	end(&f);
}

static void table_of_another_size_moves_what_chance_says(void **state)
{
	const struct difference_service *service;
	struct fixture f;
	struct step step;

	(void)state;
	begin(&f, sample_config_of(IPPROTO_TCP, 4, SIZE));
	begin_step(&step, &f, with_size(sample_config_of(IPPROTO_TCP, 4, SIZE)), true);
	service = only(&step.difference);
	assert_true(service->is_rehashed);
	assert_int_equal(service->slots_opened, 2 * SIZE);
	assert_string_equal(service->keys[0], "table");
	assert_int_equal(service->key_count, 1);
	assert_true(service->share_moved > 0.7 && service->share_moved < 0.8);
	assert_true(fabs(sum_of_moves(service) - service->share_moved) < NEAR);
	assert_true(step.difference.memory_after > step.difference.memory_before);
	end_step(&step);
	end(&f);
}

static void keys_that_differ_are_named_as_in_the_file(void **state)
{
	struct config *config = sample_config_of(IPPROTO_TCP, 3, SIZE);
	const struct difference_service *service;
	struct fixture f;
	struct step step;

	(void)state;
	config->mode = ATTACH_GENERIC;
	config->seed++;
	config->services[0].tcp_idle_ms++;
	config->services[0].udp_idle_ms++;
	config->services[0].sticky_ms++;
	config->services[0].probe.rise = 7;
	config->services[0].access = sample_access("10.0.0.0/8");
	begin(&f, sample_config_of(IPPROTO_TCP, 3, SIZE));
	begin_step(&step, &f, config, true);
	service = only(&step.difference);
	assert_int_equal(step.difference.key_count, 2);
	assert_string_equal(step.difference.keys[0], "mode");
	assert_string_equal(step.difference.keys[1], "seed");
	assert_int_equal(service->key_count, 4);
	assert_string_equal(service->keys[0], "idle");
	assert_string_equal(service->keys[1], "sticky");
	assert_string_equal(service->keys[2], "allow, deny");
	assert_string_equal(service->keys[3], "probe");
	end_step(&step);
	end(&f);
}

/* Counted once more, slot by slot and from the tables alone. */
static void assert_moves_are_true(const struct difference_service *service,
				  const struct image *before, const struct image *after)
{
	uint32_t moved = 0, opened = 0;

	for (uint32_t i = 0; i < after->value.lookup.size; i++) {
		bool was_open = before->value.lookup.table == after->value.lookup.table &&
				slot_is_open(before->slots[i]);

		if (!service->is_rehashed)
			moved += before->slots[i].current != after->slots[i].current;
		opened += slot_is_open(after->slots[i]) && !was_open;
	}
	if (!service->is_rehashed)
		assert_int_equal(service->slots_moved, moved);
	assert_int_equal(service->slots_opened, opened);
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct difference_backend *backend = &service->backends[i];
		const struct image_backend *now = image_find_backend(after, &backend->address);
		uint32_t slots = 0;

		for (uint32_t j = 0; now && j < after->value.lookup.size; j++)
			slots += after->slots[j].current == now->id;
		assert_int_equal(backend->slots_after, slots);
	}
	assert_true(fabs(sum_of_moves(service) - service->share_moved) < 1e-6);
}

static const struct service *find(const struct node *node, const struct leat_service_key *key)
{
	for (size_t i = 0; i < node->service_count; i++) {
		if (memcmp(&node->services[i]->config.key, key, sizeof(*key)) == 0)
			return node->services[i];
	}
	return NULL;
}

/* Whether there is a difference. */
static bool check_service(const struct node *was, const struct node *now,
			  const struct service *service, struct image_ids *ids)
{
	const struct service *old = find(was, &service->config.key);
	struct difference difference = { 0 };
	struct plan_change change;
	bool differs;

	if (!old)
		return false;
	assert_int_equal(image_build(was, old, NULL, ids, &change.before), 0);
	assert_int_equal(image_build(now, service, change.before, ids, &change.after), 0);
	assert_int_equal(difference_add(&difference, &change, old, service), 0);
	differs = difference.service_count > 0;
	if (differs)
		assert_moves_are_true(only(&difference), change.before, change.after);
	else
		assert_memory_equal(change.before->slots, change.after->slots,
				    change.after->value.lookup.size * sizeof(struct leat_slot));
	difference_deinit(&difference);
	image_retire(change.before, change.after, ids);
	image_retire(change.after, NULL, ids);
	image_free(change.before);
	image_free(change.after);
	return differs;
}

static void differences_of_random_changes_are_what_the_tables_say(void **state)
{
	struct world world = { .random = sample_seed() };
	struct image_ids ids;
	size_t seen = 0;

	(void)state;
	assert_int_equal(image_ids_init(&ids), 0);
	for (int round = 0; round < 300; round++) {
		struct node was = { 0 }, now;

		sample_adopt(&was, make_random_config(&world));
		now = successor(&was, make_random_config(&world), pick(&world, 2));
		for (size_t i = 0; i < now.service_count; i++)
			seen += check_service(&was, &now, now.services[i], &ids);
		node_deinit(&was);
		node_deinit(&now);
	}
	assert_int_equal(ids.backends.count, 0);
	assert_true(seen > 300);
	image_ids_deinit(&ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_configuration_is_no_difference),
		cmocka_unit_test(backend_that_comes_takes_its_share_from_the_others),
		cmocka_unit_test(backend_that_goes_keeps_its_flows_only_while_it_drains),
		cmocka_unit_test(flows_of_a_service_that_remembers_none_are_not_counted),
		cmocka_unit_test(service_that_goes_breaks_its_flows),
		cmocka_unit_test(table_of_another_size_moves_what_chance_says),
		cmocka_unit_test(keys_that_differ_are_named_as_in_the_file),
		cmocka_unit_test(differences_of_random_changes_are_what_the_tables_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
