/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plans are carried out step by step on toy maps that complain like a packet would: about a slot
 * whose backend, or a service whose table, is not there.
 */
#include "model/plan.h"

#include "tests/unit/sample_config.h"

#define SERVICES 5
#define BACKENDS 6
#define ROUNDS	 600

struct toy_backend {
	bool exists;
	struct leat_service_key owner;
	struct leat_backend value;
};

struct toy_table {
	struct leat_slot *slots; /* NULL: there is none */
	uint32_t size;
};

struct toy_services {
	struct leat_service_entry list[2 * SERVICES];
	size_t count;
};

struct toy {
	struct toy_backend backends[LEAT_MAX_BACKENDS];
	struct toy_table tables[LEAT_MAX_TABLES];
	struct toy_services services,
		collected; /* as packets see them; as the next swap makes them */
};

static struct leat_service_entry *toy_find(struct toy_services *services,
					   const struct leat_service_key *key)
{
	for (size_t i = 0; i < services->count; i++) {
		if (leat_service_key_equal(&services->list[i].key, key))
			return &services->list[i];
	}
	return NULL;
}

static void toy_set_backend(struct toy *toy, const struct plan_operation *operation)
{
	struct toy_backend *backend = &toy->backends[operation->backend->id];

	assert_int_equal(backend->exists, operation->step != PLAN_ADD_BACKEND);
	if (backend->exists)
		assert_true(leat_service_key_equal(&backend->owner, &operation->image->key));
	*backend = (struct toy_backend){ true, operation->image->key, operation->backend->value };
}

static void toy_delete_backend(struct toy *toy, const struct plan_operation *operation)
{
	assert_true(toy->backends[operation->backend->id].exists);
	toy->backends[operation->backend->id].exists = false;
}

static void toy_set_table(struct toy *toy, const struct image *image)
{
	struct toy_table *table = &toy->tables[image->value.table];
	size_t size = image->value.table_size * sizeof(*table->slots);

	free(table->slots);
	table->slots = malloc(size);
	assert_non_null(table->slots);
	memcpy(table->slots, image->slots, size);
	table->size = image->value.table_size;
}

static void toy_delete_table(struct toy *toy, const struct image *image)
{
	assert_non_null(toy->tables[image->value.table].slots);
	free(take_ptr(toy->tables[image->value.table].slots));
}

static void toy_set_service(struct toy *toy, const struct plan_operation *operation)
{
	const struct image *image = operation->image;
	struct leat_service_entry *entry = toy_find(&toy->collected, &image->key);

	assert_int_equal(operation->is_new, !entry);
	if (!entry)
		entry = &toy->collected.list[toy->collected.count++];
	*entry = (struct leat_service_entry){ .key = image->key, .value = image->value };
}

static void toy_delete_service(struct toy *toy, const struct image *image)
{
	struct leat_service_entry *entry = toy_find(&toy->collected, &image->key);

	assert_non_null(entry);
	*entry = toy->collected.list[--toy->collected.count];
}

static void toy_execute(struct toy *toy, const struct plan_operation *operation)
{
	switch (operation->step) {
	case PLAN_ADD_BACKEND:
	case PLAN_SET_BACKEND:
	case PLAN_CLEAR_BACKEND:
		toy_set_backend(toy, operation);
		break;
	case PLAN_SET_TABLE:
		toy_set_table(toy, operation->image);
		break;
	case PLAN_SET_SERVICE:
		toy_set_service(toy, operation);
		break;
	case PLAN_DELETE_SERVICE:
		toy_delete_service(toy, operation->image);
		break;
	case PLAN_SWAP_SERVICES:
		toy->services = toy->collected;
		break;
	case PLAN_DELETE_TABLE:
		toy_delete_table(toy, operation->image);
		break;
	case PLAN_DELETE_BACKEND:
		toy_delete_backend(toy, operation);
		break;
	case PLAN_STEP_COUNT:
		fail();
	}
}

static void check_reference(const struct toy *toy, const struct leat_service_key *key, uint32_t id)
{
	if (id == 0)
		return;
	assert_true(toy->backends[id].exists);
	assert_true(leat_service_key_equal(&toy->backends[id].owner, key));
}

/* Whatever packet comes now finds all that it is sent to. */
static void check_references(const struct toy *toy)
{
	for (size_t i = 0; i < toy->services.count; i++) {
		const struct leat_service_entry *entry = &toy->services.list[i];
		const struct toy_table *table = &toy->tables[entry->value.table];

		assert_non_null(table->slots);
		assert_int_equal(table->size, entry->value.table_size);
		for (uint32_t slot = 0; slot < table->size; slot++) {
			check_reference(toy, &entry->key, table->slots[slot].current);
			check_reference(toy, &entry->key,
					table->slots[slot].previous & LEAT_SLOT_BACKEND);
		}
	}
}

static void check_image(struct toy *toy, const struct image *image)
{
	const struct leat_service_entry *entry = toy_find(&toy->services, &image->key);
	const struct toy_table *table = &toy->tables[image->value.table];

	assert_non_null(entry);
	assert_memory_equal(&entry->value, &image->value, sizeof(image->value));
	assert_memory_equal(table->slots, image->slots, table->size * sizeof(*table->slots));
	for (size_t i = 0; i < image->backend_count; i++) {
		const struct image_backend *backend = &image->backends[i];

		assert_true(toy->backends[backend->id].exists);
		assert_memory_equal(&toy->backends[backend->id].value, &backend->value,
				    sizeof(backend->value));
	}
}

/* The toy holds these images and nothing else. */
static void check_equal(struct toy *toy, struct image *const *images, size_t count)
{
	size_t backends = 0, tables = 0, wanted_backends = 0, wanted = 0;

	for (size_t i = 0; i < count; i++) {
		if (!images[i])
			continue;
		check_image(toy, images[i]);
		wanted_backends += images[i]->backend_count;
		wanted++;
	}
	for (size_t i = 0; i < LEAT_MAX_BACKENDS; i++)
		backends += toy->backends[i].exists;
	for (size_t i = 0; i < LEAT_MAX_TABLES; i++)
		tables += toy->tables[i].slots != NULL;
	assert_int_equal(toy->services.count, wanted);
	assert_int_equal(tables, wanted);
	assert_int_equal(backends, wanted_backends);
}

static void toy_carry_out(struct toy *toy, const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		assert_true(i == 0 || plan->operations[i - 1].step <= plan->operations[i].step);
		toy_execute(toy, &plan->operations[i]);
		check_references(toy);
	}
}

/* What an operator may have, by the index of the service; its image is the one in the toy. */
struct world {
	struct toy *toy;
	struct node node;
	struct image_ids ids;
	struct image *images[SERVICES];
	uint64_t random;
};

static uint64_t pick(struct world *world, uint64_t count)
{
	return sample_random(&world->random) % count;
}

static void add_random_service(struct world *world, struct config *config, size_t index)
{
	static const uint32_t sizes[] = { 64, 64, 101 };
	struct service_config *service = sample_add_service(
		config, index, index % 2 ? IPPROTO_UDP : IPPROTO_TCP, sizes[pick(world, 3)]);

	service->hash = pick(world, 8) ? LEAT_HASH_FLOW : LEAT_HASH_SOURCE;
	service->forward = pick(world, 4) ? LEAT_FORWARD_IPIP : LEAT_FORWARD_L2;
	for (size_t i = 0; i < BACKENDS; i++) {
		if (pick(world, 4))
			sample_add_backend(service, i, (uint32_t)pick(world, 3) * 100);
	}
}

static struct config *make_random_config(struct world *world)
{
	struct config *config = sample_config_new();

	config->seed += pick(world, 10) == 0;
	for (size_t i = 0; i < SERVICES; i++) {
		if (pick(world, 4))
			add_random_service(world, config, i);
	}
	return config;
}

static void change_random_backend(struct world *world, struct backend *backend)
{
	if (pick(world, 3) == 0)
		sample_set_health(backend, pick(world, 2));
	if (pick(world, 3) == 0)
		backend->operator_change.state = (enum operator_state)pick(world, 3);
	if (pick(world, 3) == 0)
		backend->next_hop.state = pick(world, 2) ? NEXT_HOP_RESOLVED : NEXT_HOP_PENDING;
}

static void change_node(struct world *world)
{
	if (pick(world, 2) || !world->node.config)
		sample_adopt(&world->node, make_random_config(world));
	for (size_t i = 0; i < world->node.service_count; i++) {
		struct service *service = world->node.services[i];

		for (size_t j = 0; j < service->backend_count; j++)
			change_random_backend(world, service->backends[j]);
	}
}

static size_t service_index(const struct service *service)
{
	return ntohl(service->config.key.address.words[3]) -
	       ntohl(sample_service_address(0).words[3]);
}

static void build_images(struct world *world, struct plan_change changes[SERVICES])
{
	for (size_t i = 0; i < SERVICES; i++)
		changes[i] = (struct plan_change){ .before = world->images[i] };
	for (size_t i = 0; i < world->node.service_count; i++) {
		const struct service *service = world->node.services[i];
		struct plan_change *change = &changes[service_index(service)];

		assert_int_equal(image_build(&world->node, service, change->before, &world->ids,
					     &change->after),
				 0);
	}
}

static bool is_third(void *user, uint32_t slot)
{
	(void)user;
	return slot % 3 == 0;
}

static void close_images(struct world *world, struct plan_change changes[SERVICES])
{
	for (size_t i = 0; i < SERVICES; i++) {
		changes[i] = (struct plan_change){ .before = world->images[i] };
		if (world->images[i])
			assert_int_equal(
				image_close(world->images[i], is_third, NULL, &changes[i].after),
				0);
	}
}

static void commit(struct world *world, const struct plan_change changes[SERVICES])
{
	for (size_t i = 0; i < SERVICES; i++) {
		if (changes[i].before) {
			image_retire(changes[i].before, changes[i].after, &world->ids);
			image_free(changes[i].before);
		}
		world->images[i] = changes[i].after;
	}
}

/* Services that are in neither are no part of a plan. */
static size_t real_changes(const struct plan_change changes[SERVICES],
			   struct plan_change real[SERVICES])
{
	size_t count = 0;

	for (size_t i = 0; i < SERVICES; i++) {
		if (changes[i].before || changes[i].after)
			real[count++] = changes[i];
	}
	return count;
}

static size_t go_on(struct world *world, const struct plan_change changes[SERVICES])
{
	struct plan_change real[SERVICES];
	size_t count = real_changes(changes, real), operations;
	struct plan plan;

	assert_int_equal(plan_make(real, count, &plan), 0);
	operations = plan.count;
	toy_carry_out(world->toy, &plan);
	plan_deinit(&plan);
	commit(world, changes);
	check_equal(world->toy, world->images, SERVICES);
	return operations;
}

static void world_init(struct world *world, uint64_t seed)
{
	*world = (struct world){ .random = seed, .toy = calloc(1, sizeof(struct toy)) };
	assert_non_null(world->toy);
	assert_int_equal(image_ids_init(&world->ids), 0);
}

static void world_deinit(struct world *world)
{
	for (size_t i = 0; i < SERVICES; i++) {
		if (world->images[i])
			image_free(world->images[i]);
	}
	for (size_t i = 0; i < LEAT_MAX_TABLES; i++)
		free(world->toy->tables[i].slots);
	free(world->toy);
	image_ids_deinit(&world->ids);
	node_deinit(&world->node);
}

static void nothing_is_ever_referenced_that_is_not_there(void **state)
{
	struct plan_change changes[SERVICES];
	struct world world;
	size_t steps = 0;

	(void)state;
	world_init(&world, sample_seed());
	for (int round = 0; round < ROUNDS; round++) {
		change_node(&world);
		build_images(&world, changes);
		steps += go_on(&world, changes);
		if (pick(&world, 4) == 0) {
			close_images(&world, changes);
			steps += go_on(&world, changes);
		}
	}
	print_message("%zu steps\n", steps);
	assert_true(steps > ROUNDS);
	world_deinit(&world);
}

static void plan_of_no_change_is_empty(void **state)
{
	struct plan_change changes[SERVICES];
	struct world world;

	(void)state;
	world_init(&world, 1);
	change_node(&world);
	build_images(&world, changes);
	assert_true(go_on(&world, changes) > 0);
	build_images(&world, changes);
	assert_int_equal(go_on(&world, changes), 0);
	world_deinit(&world);
}

static void assert_steps(struct world *world, const enum plan_step *steps, size_t count)
{
	struct plan_change changes[SERVICES], real[SERVICES];
	struct plan plan;

	build_images(world, changes);
	assert_int_equal(plan_make(real, real_changes(changes, real), &plan), 0);
	assert_int_equal(plan.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(plan.operations[i].step, steps[i]);
	toy_carry_out(world->toy, &plan);
	plan_deinit(&plan);
	commit(world, changes);
}

static void steps_are_those_that_the_change_needs(void **state)
{
	static const enum plan_step begins[] = { PLAN_ADD_BACKEND, PLAN_ADD_BACKEND, PLAN_SET_TABLE,
						 PLAN_SET_SERVICE, PLAN_SWAP_SERVICES };
	static const enum plan_step fails[] = { PLAN_SET_TABLE, PLAN_CLEAR_BACKEND };
	static const enum plan_step recovers[] = { PLAN_SET_BACKEND, PLAN_SET_TABLE };
	static const enum plan_step grows[] = { PLAN_SET_TABLE, PLAN_SET_SERVICE,
						PLAN_SWAP_SERVICES, PLAN_DELETE_TABLE };
	static const enum plan_step shrinks[] = { PLAN_SET_TABLE, PLAN_DELETE_BACKEND };
	static const enum plan_step ends[] = { PLAN_DELETE_SERVICE, PLAN_SWAP_SERVICES,
					       PLAN_DELETE_TABLE, PLAN_DELETE_BACKEND };
	struct world world;

	(void)state;
	world_init(&world, 1);
	sample_adopt(&world.node, sample_config_of(IPPROTO_TCP, 2, 64));
	assert_steps(&world, begins, ARRAY_SIZE(begins));
	sample_set_health(world.node.services[0]->backends[0], false);
	assert_steps(&world, fails, ARRAY_SIZE(fails));
	world.node.services[0]->backends[0]->has_probe = false;
	assert_steps(&world, recovers, ARRAY_SIZE(recovers));
	sample_adopt(&world.node, sample_config_of(IPPROTO_TCP, 2, 128));
	assert_steps(&world, grows, ARRAY_SIZE(grows));
	sample_adopt(&world.node, sample_config_of(IPPROTO_TCP, 1, 128));
	assert_steps(&world, shrinks, ARRAY_SIZE(shrinks));
	sample_adopt(&world.node, sample_config_new());
	assert_steps(&world, ends, ARRAY_SIZE(ends));
	world_deinit(&world);
}

/* The clock of a transition starts with a slot that opens, and with no other change. */
static void table_opens_slots_only_where_none_was_open(void **state)
{
	static const bool expected[] = { false, true, false, true };
	struct plan_change changes[SERVICES];
	struct world world;

	(void)state;
	world_init(&world, 1);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		struct plan plan;

		if (i == 2)
			close_images(&world, changes);
		sample_adopt(&world.node, sample_config_of(IPPROTO_TCP, 2 + i, 64));
		if (i != 2)
			build_images(&world, changes);
		assert_int_equal(plan_make(changes, 1, &plan), 0);
		for (size_t j = 0; j < plan.count; j++) {
			if (plan.operations[j].step == PLAN_SET_TABLE)
				assert_int_equal(plan.operations[j].opens_slots, expected[i]);
		}
		toy_carry_out(world.toy, &plan);
		plan_deinit(&plan);
		commit(&world, changes);
	}
	world_deinit(&world);
}

static void steps_have_names(void **state)
{
	(void)state;
	assert_string_equal(plan_step_name(PLAN_ADD_BACKEND), "add-backend");
	assert_string_equal(plan_step_name(PLAN_SWAP_SERVICES), "swap-services");
	assert_string_equal(plan_step_name(PLAN_DELETE_BACKEND), "delete-backend");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_ever_referenced_that_is_not_there),
		cmocka_unit_test(plan_of_no_change_is_empty),
		cmocka_unit_test(steps_are_those_that_the_change_needs),
		cmocka_unit_test(table_opens_slots_only_where_none_was_open),
		cmocka_unit_test(steps_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
