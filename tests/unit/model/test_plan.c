/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/plan.h"

#include "tests/unit/model/world.h"

#define ROUNDS 600
#define SIZE   64

static bool is_third(void *user, uint32_t slot)
{
	(void)user;
	return slot % 3 == 0;
}

static bool is_none(void *user, uint32_t slot)
{
	(void)user;
	(void)slot;
	return false;
}

static void close_images(struct world *world, bool (*is_busy)(void *user, uint32_t slot),
			 struct plan_change changes[SERVICES])
{
	for (size_t i = 0; i < SERVICES; i++) {
		changes[i] = (struct plan_change){ .before = world->images[i] };
		if (world->images[i])
			assert_int_equal(
				image_close(world->images[i], is_busy, NULL, &changes[i].after), 0);
	}
}

/* What is known of slots and of former ones, no matter from where. */
static struct image_past random_past(struct world *world, const struct image *image)
{
	const struct leat_lookup *own = &image->value.lookup;
	struct image_past past = { .previous = calloc(own->size, sizeof(*past.previous)) };

	if (pick(world, 2))
		past.former = (struct leat_lookup){ .hash_key = 1, .size = 101 };
	past.former_previous = calloc(past.former.size + 1, sizeof(*past.former_previous));
	assert_true(past.previous && past.former_previous);
	for (uint32_t i = 0; i < own->size; i++)
		past.previous[i] = pick(world, 2) ? IMAGE_CLOSED : image->slots[i].current;
	for (uint32_t i = 0; i < past.former.size; i++)
		past.former_previous[i] = image->slots[i % own->size].current;
	return past;
}

static void import_images(struct world *world, struct plan_change changes[SERVICES])
{
	for (size_t i = 0; i < SERVICES; i++) {
		struct image *image = world->images[i];
		struct image_past past;

		changes[i] = (struct plan_change){ .before = image };
		if (!image)
			continue;
		past = random_past(world, image);
		assert_int_equal(image_import(image, &past, &world->ids, &changes[i].after), 0);
		free(past.previous);
		free(past.former_previous);
	}
}

/* The names of the steps, apart by blanks; their number is returned. */
static size_t go_on(struct world *world, const struct plan_change changes[SERVICES], char *names,
		    size_t size)
{
	struct plan plan = make_plan(changes);
	size_t count = plan.count, used = 0;

	names[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (used < size)
			used += (size_t)snprintf(names + used, size - used, "%s%s", i ? " " : "",
						 plan_step_name(plan.operations[i].step));
		carry_out_step(world, &plan, i);
	}
	plan_deinit(&plan);
	commit(world, changes);
	toy_check_equal(world->toy, world->images, SERVICES);
	return count;
}

static void nothing_is_ever_referenced_that_is_not_there(void **state)
{
	struct plan_change changes[SERVICES];
	struct world world;
	size_t steps = 0;
	char names[16];

	(void)state;
	world_init(&world, sample_seed());
	for (int round = 0; round < ROUNDS; round++) {
		world.toy->now++;
		change_node(&world);
		build_images(&world, changes);
		steps += go_on(&world, changes, names, sizeof(names));
		if (pick(&world, 4) == 0) {
			close_images(&world, pick(&world, 2) ? is_third : is_none, changes);
			steps += go_on(&world, changes, names, sizeof(names));
		}
		if (pick(&world, 16) == 0) {
			import_images(&world, changes);
			steps += go_on(&world, changes, names, sizeof(names));
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
	char names[16];

	(void)state;
	world_init(&world, 1);
	for (int round = 0; round < 50; round++) {
		change_node(&world);
		build_images(&world, changes);
		go_on(&world, changes, names, sizeof(names));
		build_images(&world, changes);
		assert_int_equal(go_on(&world, changes, names, sizeof(names)), 0);
	}
	world_deinit(&world);
}

/* How a service differs from one with two backends of weight 100, 64 slots and nothing else, and the
 * steps that lead there from the scene before. */
struct scene {
	const char *steps;
	bool closes; /* all open slots, and nothing else happens */
	int backends;
	uint32_t size;
	uint32_t idle_ms;
	uint64_t seed;
	enum leat_scheduler scheduler;
	const char *denied;	   /* a prefix of sources */
	enum operator_state first; /* of the first backend, as the two below */
	int weight;
	enum next_hop_state next_hop;
};

static void adopt(struct world *world, const struct scene *scene)
{
	struct config *config =
		sample_config_of(IPPROTO_TCP, 2 + (size_t)scene->backends, SIZE + scene->size);
	struct service_config *service = &config->services[0];
	struct backend *first;

	config->seed += scene->seed;
	service->scheduler = scene->scheduler;
	service->tcp_idle_ms += scene->idle_ms;
	if (scene->denied)
		service->access = sample_access(scene->denied);
	service->backends[0].weight = (uint32_t)(100 + scene->weight);
	sample_adopt(&world->node, config);
	first = sample_find(world->node.services[0], 0);
	first->operator_change.state = scene->first;
	if (scene->next_hop)
		first->next_hop.state = scene->next_hop;
}

static void play(struct world *world, const struct scene *scene)
{
	struct plan_change changes[SERVICES];
	char names[1024];

	if (scene->closes) {
		close_images(world, is_none, changes);
	} else {
		adopt(world, scene);
		build_images(world, changes);
	}
	go_on(world, changes, names, sizeof(names));
	assert_string_equal(names, scene->steps);
}

/* And then the service goes. */
static void play_all(const struct scene *scenes, size_t count, const char *end)
{
	struct plan_change changes[SERVICES];
	struct world world;
	char names[1024];

	world_init(&world, 1);
	for (size_t i = 0; i < count; i++)
		play(&world, &scenes[i]);
	sample_adopt(&world.node, sample_config_new());
	build_images(&world, changes);
	go_on(&world, changes, names, sizeof(names));
	assert_string_equal(names, end);
	world_deinit(&world);
}

/* clang-format off */
#define BEGINS { .steps = "add-backend add-backend set-load set-load set-policy set-table set-service " \
		 "swap-services" }
#define CLOSES { .steps = "set-table stop-clocks", .closes = true }
/* clang-format on */

static void change_of_backends_takes_the_table_and_no_service(void **state)
{
	static const struct scene scenes[] = {
		BEGINS,
		{ .steps = "" },
		{ .steps = "set-load start-clocks set-table", .first = OPERATOR_DRAIN },
		{ .steps = "set-load set-table" },
		/* No flow was noted while it was on the current backend. */
		{ .steps = "set-load start-clocks set-table", .first = OPERATOR_DRAIN },
		{ .steps = "set-load set-table" },
		CLOSES,
		{ .steps = "set-load set-table clear-backend", .first = OPERATOR_DISABLE },
		{ .steps = "set-backend set-load start-clocks set-table" },
		{ .steps = "set-load set-table clear-backend", .first = OPERATOR_DISABLE },
		CLOSES,
		{ .steps = "set-backend set-load start-clocks set-table" },
		CLOSES,
		{ .steps = "set-load start-clocks set-table", .weight = -50 },
		{ .steps = "set-load start-clocks set-table", .weight = -75 },
		{ .steps = "set-load set-table" },
		CLOSES,
		{ .steps = "add-backend set-load start-clocks set-table", .backends = 1 },
		{ .steps = "set-table delete-backend" },
		CLOSES,
		{ .steps = "set-policy", .idle_ms = 5000 },
		{ .steps = "set-policy" },
		{ .steps = "clear-backend", .next_hop = NEXT_HOP_NO_ROUTE },
		{ .steps = "set-backend" },
		{ .steps = "set-load set-table clear-backend", .first = OPERATOR_DISABLE },
		/* Comes back without a next hop: its flows are its own before it has slots. */
		{ .steps = "set-backend set-load start-clocks set-table",
		  .next_hop = NEXT_HOP_NO_ROUTE },
	};

	(void)state;
	play_all(scenes, ARRAY_SIZE(scenes),
		 "delete-service swap-services stop-clocks delete-table delete-backend "
		 "delete-backend");
}

static void change_of_size_or_seed_keeps_the_table_that_was(void **state)
{
	static const struct scene scenes[] = {
		BEGINS,
		{ .steps = "start-clocks set-table set-service swap-services", .size = SIZE },
		{ .steps = "start-clocks set-table set-former delete-backend",
		  .size = SIZE,
		  .backends = -1 },
		{ .steps = "add-backend set-load start-clocks set-table", .size = SIZE },
		/* Only the oldest is kept. */
		{ .steps =
			  "start-clocks set-table set-service swap-services stop-clocks delete-table",
		  .size = SIZE,
		  .seed = 1 },
		{ .steps = "set-table set-service swap-services stop-clocks delete-table",
		  .closes = true },
		{ .steps =
			  "start-clocks set-table set-service swap-services set-former delete-backend",
		  .size = SIZE,
		  .backends = -1 },
	};

	(void)state;
	play_all(scenes, ARRAY_SIZE(scenes),
		 "delete-service swap-services stop-clocks delete-table delete-table "
		 "delete-backend");
}

static void change_of_scheduler_opens_slots_where_memory_begins_or_ends(void **state)
{
	static const struct scene scenes[] = {
		BEGINS,
		{ .steps = "set-order start-clocks set-table set-service swap-services",
		  .scheduler = LEAT_SCHEDULER_ROUND_ROBIN },
		{ .steps = "set-load set-order set-table clear-backend",
		  .scheduler = LEAT_SCHEDULER_ROUND_ROBIN,
		  .first = OPERATOR_DISABLE },
		{ .steps = "set-backend set-load set-order set-table",
		  .scheduler = LEAT_SCHEDULER_ROUND_ROBIN },
		CLOSES,
		{ .steps = "set-service swap-services delete-order",
		  .scheduler = LEAT_SCHEDULER_LEAST_CONNECTIONS },
		{ .steps = "start-clocks set-table set-service swap-services" },
		CLOSES,
		{ .steps = "set-order start-clocks set-table set-service swap-services",
		  .scheduler = LEAT_SCHEDULER_ROUND_ROBIN,
		  .size = SIZE },
		{ .steps = "set-table set-service swap-services stop-clocks delete-table",
		  .closes = true },
	};

	(void)state;
	play_all(scenes, ARRAY_SIZE(scenes),
		 "delete-service swap-services delete-order delete-table delete-backend "
		 "delete-backend");
}

static void a_list_of_sources_is_there_before_its_service_and_goes_after_it(void **state)
{
	static const struct scene scenes[] = {
		{ .steps = "add-backend add-backend set-load set-load set-policy set-access "
			   "set-table set-service swap-services",
		  .denied = "10.0.0.0/8" },
		{ .steps = "", .denied = "10.0.0.0/8" },
		{ .steps = "set-access", .denied = "10.0.0.0/9" },
		{ .steps = "delete-access" },
		{ .steps = "set-access", .denied = "2001:db8::/32" },
	};

	(void)state;
	play_all(scenes, ARRAY_SIZE(scenes),
		 "delete-service swap-services delete-access delete-table delete-backend "
		 "delete-backend");
}

static void former_table_of_another_node_is_there_before_it_is_referred_to(void **state)
{
	static const struct scene begin = BEGINS;
	uint16_t previous[SIZE], former_previous[2 * SIZE];
	struct image_past past = { .previous = previous,
				   .former = { .hash_key = 1, .size = 2 * SIZE },
				   .former_previous = former_previous };
	struct plan_change changes[SERVICES];
	struct world world;
	char names[1024];

	(void)state;
	world_init(&world, 1);
	play(&world, &begin);
	for (uint32_t i = 0; i < 2 * SIZE; i++)
		previous[i / 2] = former_previous[i] = 1;
	memset(changes, 0, sizeof(changes));
	changes[0].before = world.images[0];
	assert_int_equal(image_import(world.images[0], &past, &world.ids, &changes[0].after), 0);
	go_on(&world, changes, names, sizeof(names));
	assert_string_equal(names, "start-clocks set-table set-table set-service swap-services");
	close_images(&world, is_none, changes);
	go_on(&world, changes, names, sizeof(names));
	assert_string_equal(names, "set-table set-service swap-services stop-clocks delete-table");
	world_deinit(&world);
}

/* An image that was read back from maps has none, and yet the datapath goes by it. */
static void order_stays_when_slots_of_an_image_close_that_does_not_hold_it(void **state)
{
	static const struct scene robin = { .scheduler = LEAT_SCHEDULER_ROUND_ROBIN };
	static const struct scene more = { .scheduler = LEAT_SCHEDULER_ROUND_ROBIN, .backends = 1 };
	struct plan_change changes[SERVICES];
	struct world world;
	char names[1024];

	(void)state;
	world_init(&world, 1);
	adopt(&world, &robin);
	build_images(&world, changes);
	go_on(&world, changes, names, sizeof(names));
	adopt(&world, &more);
	build_images(&world, changes);
	go_on(&world, changes, names, sizeof(names));
	free(take_ptr(world.images[0]->order));
	close_images(&world, is_none, changes);
	go_on(&world, changes, names, sizeof(names));
	assert_string_equal(names, "set-table stop-clocks");
	world_deinit(&world);
}

/* Those of lines that are open already, and stay as they are, go on. */
static void clocks_start_in_the_lines_in_which_slots_open(void **state)
{
	const uint32_t size = 16 * LEAT_SLOTS_PER_LINE;
	struct plan_change changes[SERVICES];
	uint32_t expected[16] = { 0 };
	struct world world;
	char names[16];

	(void)state;
	world_init(&world, 1);
	for (size_t backends = 20; backends < 24; backends++) {
		world.toy->now++;
		sample_adopt(&world.node, sample_config_of(IPPROTO_TCP, backends, size));
		build_images(&world, changes);
		for (uint32_t slot = 0; slot < size; slot++) {
			if (image_opens_slot(changes[0].before, changes[0].after, slot))
				expected[slot / LEAT_SLOTS_PER_LINE] = world.toy->now;
		}
		go_on(&world, changes, names, sizeof(names));
		if (backends > 20)
			assert_memory_equal(
				world.toy->clocks[world.images[0]->value.lookup.table].opened,
				expected, sizeof(expected));
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
		cmocka_unit_test(change_of_backends_takes_the_table_and_no_service),
		cmocka_unit_test(change_of_size_or_seed_keeps_the_table_that_was),
		cmocka_unit_test(change_of_scheduler_opens_slots_where_memory_begins_or_ends),
		cmocka_unit_test(a_list_of_sources_is_there_before_its_service_and_goes_after_it),
		cmocka_unit_test(former_table_of_another_node_is_there_before_it_is_referred_to),
		cmocka_unit_test(order_stays_when_slots_of_an_image_close_that_does_not_hold_it),
		cmocka_unit_test(clocks_start_in_the_lines_in_which_slots_open),
		cmocka_unit_test(steps_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
