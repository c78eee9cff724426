/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/applier.h"

#include "tests/unit/daemon/scene.h"

#define RR LEAT_SCHEDULER_ROUND_ROBIN
#define LC LEAT_SCHEDULER_LEAST_CONNECTIONS

/* Monotonic, in the middle of the tick. */
static uint64_t to_us(uint32_t tick)
{
	return (((uint64_t)tick << LEAT_TICK_SHIFT) + (1 << (LEAT_TICK_SHIFT - 1))) / 1000;
}

static void settle_now(struct scene *scene)
{
	assert_int_equal(applier_settle(&scene->edge.applier, &scene->edge.node, to_us(scene->now)),
			 0);
}

static const struct image *image_of(const struct scene *scene)
{
	return edge_image(&scene->edge, 0);
}

/* The maps hold what the applier takes them to hold. */
static void assert_maps_agree(struct scene *scene)
{
	struct image **images;
	size_t count;

	assert_int_equal(datapath_read_images(scene->edge.datapath, &images, &count), 0);
	assert_int_equal(count, scene->edge.applier.count);
	for (size_t i = 0; i < count; i++) {
		const struct image *held = scene->edge.applier.images[i];

		assert_memory_equal(&images[i]->value, &held->value, sizeof(held->value));
		assert_memory_equal(images[i]->slots, held->slots,
				    held->value.lookup.size * sizeof(*held->slots));
		image_free(images[i]);
	}
	free(images);
}

static void quiet_lines_are_closed_and_others_stay_open(void **state)
{
	struct scene scene;
	uint32_t open = 0;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	set_clock(&scene, 1, LONG_AGO, 5);
	settle_now(&scene);
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		bool is_in_line = slot / LEAT_SLOTS_PER_LINE == 1;

		if (!is_in_line)
			assert_false(slot_is_open(slot_at(&scene, slot)));
		open += slot_is_open(slot_at(&scene, slot));
	}
	assert_true(open > 0);
	assert_int_equal(image_of(&scene)->open_count, open);
	assert_int_equal(scene.edge.node.services[0]->open_slots, open);
	assert_maps_agree(&scene);

	set_clock(&scene, 1, LONG_AGO, IDLE + 1);
	settle_now(&scene);
	assert_int_equal(image_of(&scene)->open_count, 0);
	assert_int_equal(scene.edge.node.services[0]->open_slots, 0);
	assert_maps_agree(&scene);
	end(&scene);
}

static void former_table_goes_when_all_lines_are_quiet(void **state)
{
	struct scene scene;

	(void)state;
	resize(&scene, LEAT_SCHEDULER_HASH, LONG_AGO);
	set_clock(&scene, 7, LONG_AGO, 5);
	settle_now(&scene);
	assert_int_equal(image_of(&scene)->open_count, 2 * SIZE);
	assert_int_equal(image_of(&scene)->value.former.size, SIZE);
	assert_int_equal(scene.edge.applier.ids.tables.count, 2);

	set_clock(&scene, 7, LONG_AGO, IDLE + 1);
	settle_now(&scene);
	assert_int_equal(image_of(&scene)->open_count, 0);
	assert_int_equal(image_of(&scene)->value.former.size, 0);
	assert_int_equal(scene.edge.applier.ids.tables.count, 1);
	assert_maps_agree(&scene);
	end(&scene);
}

static void flows_of_slots_that_closed_are_forgotten_with_the_next_round(void **state)
{
	struct leat_flow *flow;
	struct scene scene;
	uint32_t slot = 0;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	while (!slot_is_open(slot_at(&scene, slot)))
		slot++;
	flow = remember(&scene, slot_at(&scene, slot).current, 5, slot, 0);
	settle_now(&scene);
	assert_int_equal(image_of(&scene)->open_count, 0);
	assert_true(is_there(flow));
	settle_now(&scene);
	assert_false(is_there(flow));
	assert_int_equal(scene.edge.node.flow_memory.remembered, 0);
	end(&scene);
}

/* What another daemon left may be in nobody's way until its slots open again, and then it would be. */
static void flows_that_an_earlier_daemon_left_are_forgotten_at_the_start(void **state)
{
	struct leat_flow *flow;
	struct scene scene;

	(void)state;
	begin(&scene, hashed(2));
	assert_int_equal(applier_read_back(&scene.edge.applier), 0);
	flow = remember(&scene, id_of(&scene, 0), 5, 0, 0);
	settle_now(&scene);
	assert_false(is_there(flow));
	end(&scene);
}

static uint32_t load_of(const struct scene *scene, size_t index)
{
	return datapath_read_load(scene->edge.datapath, id_of(scene, index));
}

static void set_load(struct scene *scene, size_t index, uint32_t flows)
{
	scene->edge.datapath->loads[id_of(scene, index)].flows = flows;
}

static void loads_are_live_flows_of_services_that_go_by_them(void **state)
{
	static const struct {
		enum leat_scheduler scheduler;
		bool counts;
	} cases[] = { { LC, true }, { RR, false }, { LEAT_SCHEDULER_HASH, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene scene;

		open_slots(&scene, cases[i].scheduler, IPPROTO_TCP);
		for (uint32_t n = 0; n < 3; n++)
			remember(&scene, id_of(&scene, 0), n, NO_SUCH_SLOT, 0);
		remember(&scene, id_of(&scene, 0), 0, NO_SUCH_SLOT, LEAT_FLOW_CLOSING);
		remember(&scene, id_of(&scene, 1), IDLE + 1, NO_SUCH_SLOT, 0);
		half_open(&scene, id_of(&scene, 1), 0, NO_SUCH_SLOT);
		set_load(&scene, 0, 2);
		set_load(&scene, 1, 1000);
		set_load(&scene, 2, (uint32_t)-7);
		settle_now(&scene);
		assert_int_equal(load_of(&scene, 0), cases[i].counts ? 3 : 0);
		assert_int_equal(load_of(&scene, 1), 0);
		assert_int_equal(load_of(&scene, 2), 0);
		/* Weights and flags are the plan's. */
		assert_int_equal(scene.edge.datapath->loads[id_of(&scene, 0)].weight,
				 CONFIG_DEFAULT_WEIGHT);
		end(&scene);
	}
}

static void node_is_told_what_is_remembered(void **state)
{
	const struct flow_memory *memory;
	const struct backend_flows *flows;
	struct config *config = scheduled(RR, IPPROTO_TCP, 2);
	struct scene scene;

	(void)state;
	config->services[0].sticky_ms = 1800000;
	begin(&scene, config);
	for (uint32_t i = 0; i < 4; i++)
		remember(&scene, id_of(&scene, 0), i, i, 0);
	remember(&scene, id_of(&scene, 0), 0, 0, LEAT_FLOW_CLOSING);
	remember(&scene, id_of(&scene, 1), 0, 0, LEAT_FLOW_OLD);
	half_open(&scene, id_of(&scene, 1), 0, 0);
	plant(&scene, scene.edge.datapath->clients, id_of(&scene, 1), 0, 0, 0);
	settle_now(&scene);
	memory = &scene.edge.node.flow_memory;
	assert_int_equal(memory->remembered, 6);
	assert_int_equal(memory->old, 1);
	assert_int_equal(memory->half_open, 1);
	assert_int_equal(memory->clients, 1);
	flows = &edge_backend(&scene.edge, 0)->flows;
	assert_int_equal(flows->live, 4);
	assert_int_equal(flows->closing, 1);
	assert_true(flows->is_counted);
	assert_int_equal(flows->previous_slots, 0);
	assert_int_equal(flows->silent_s, 0);
	assert_int_equal(edge_backend(&scene.edge, 1)->flows.live, 1);
	end(&scene);
}

static void hash_counts_no_flows_in_the_steady_state(void **state)
{
	struct scene scene;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	settle_now(&scene);
	assert_false(edge_backend(&scene.edge, 0)->flows.is_counted);
	assert_int_equal(edge_backend(&scene.edge, 0)->flows.since_us, 0);
	end(&scene);
}

/* Drains the first of two backends; what it had, it had a long time ago. */
static struct backend *drain(struct scene *scene, enum leat_scheduler scheduler)
{
	begin(scene, scheduled(scheduler, IPPROTO_TCP, 2));
	set_packets(scene, 0, 1);
	set_packets(scene, 1, 1);
	edge_set_operator(&scene->edge, 0, OPERATOR_DRAIN);
	set_clocks(scene, 0, 0);
	settle_now(scene);
	return edge_backend(&scene->edge, 0);
}

static uint32_t slots_of(const struct scene *scene, uint16_t previous)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < SIZE; slot++)
		count += slot_is_open(slot_at(scene, slot)) &&
			 (slot_at(scene, slot).previous & LEAT_SLOT_BACKEND) == previous;
	return count;
}

/* Older flows show themselves when they speak, at the latest after the idle time. */
static void hash_drains_for_the_idle_time_and_until_no_flow_is_left(void **state)
{
	struct backend *draining;
	struct leat_flow *flow;
	struct scene scene;
	uint32_t began;

	(void)state;
	draining = drain(&scene, LEAT_SCHEDULER_HASH);
	began = scene.now;
	assert_true(draining->flows.is_counted);
	assert_int_equal(draining->flows.since_us, to_us(began));
	assert_int_equal(draining->flows.previous_slots, slots_of(&scene, (uint16_t)draining->id));
	assert_true(draining->flows.previous_slots > 0);
	assert_true(draining->flows.silent_s >= LEAT_DEFAULT_TCP_IDLE_MS / 1000);
	assert_false(backend_is_drained(draining));

	scene.now = began + IDLE;
	settle_now(&scene);
	assert_int_equal(draining->flows.since_us, to_us(began));
	assert_in_range(draining->flows.silent_s, 1, 2);
	assert_false(backend_is_drained(draining));

	/* One that has spoken is counted until it ends. */
	scene.now = began + IDLE + 1;
	flow = remember(&scene, (uint16_t)draining->id, 3, 0, LEAT_FLOW_OLD);
	while ((slot_at(&scene, flow->state.slot).previous & LEAT_SLOT_BACKEND) != draining->id)
		flow->state.slot++;
	settle_now(&scene);
	assert_int_equal(draining->flows.silent_s, 0);
	assert_int_equal(draining->flows.live, 1);
	assert_int_equal(slots_of(&scene, (uint16_t)draining->id), 1);
	assert_false(backend_is_drained(draining));

	flow->digest = LEAT_DIGEST_NONE;
	settle_now(&scene);
	assert_true(backend_is_drained(draining));
	end(&scene);
}

static void scheduler_that_remembers_drains_without_waiting(void **state)
{
	struct backend *draining;
	struct leat_flow *flow;
	struct scene scene;

	(void)state;
	draining = drain(&scene, RR);
	assert_true(draining->flows.is_counted);
	assert_int_equal(draining->flows.silent_s, 0);
	flow = remember(&scene, (uint16_t)draining->id, 3, 0, 0);
	settle_now(&scene);
	assert_int_equal(draining->flows.live, 1);
	assert_false(backend_is_drained(draining));
	flow->state.flags = LEAT_FLOW_CLOSING;
	settle_now(&scene);
	assert_int_equal(draining->flows.live, 0);
	assert_int_equal(draining->flows.closing, 1);
	assert_false(backend_is_drained(draining));
	flow->digest = LEAT_DIGEST_NONE;
	settle_now(&scene);
	assert_true(backend_is_drained(draining));
	end(&scene);
}

/* Flows that are older than that are not remembered. */
static void scheduler_that_remembers_waits_for_flows_older_than_an_earlier_change(void **state)
{
	struct backend *draining;
	struct scene scene;

	(void)state;
	begin(&scene, scheduled(RR, IPPROTO_TCP, 2));
	set_packets(&scene, 0, 1);
	set_packets(&scene, 1, 1);
	edge_adopt(&scene.edge, scheduled(RR, IPPROTO_TCP, 3));
	edge_set_operator(&scene.edge, 0, OPERATOR_DRAIN);
	set_clocks(&scene, 100, 100);
	draining = edge_backend(&scene.edge, 0);
	settle_now(&scene);
	assert_true(draining->flows.silent_s >= LEAT_DEFAULT_TCP_IDLE_MS / 1000);
	assert_false(backend_is_drained(draining));
	end(&scene);
}

static int send_one(struct scene *scene, uint32_t client, uint8_t flags)
{
	return client_send(&scene->edge, (struct client){ .number = client }, IPPROTO_TCP, flags);
}

/* The number of a client with a flow on a backend. */
static uint32_t open_flow_on(struct scene *scene, int backend)
{
	for (uint32_t client = 0; client < 100; client++) {
		if (send_one(scene, client, SYN) != backend)
			continue;
		assert_int_equal(send_one(scene, client, ACK), backend);
		return client;
	}
	fail_msg("no client goes to backend %d", backend);
	return 0;
}

/* Those of the hash are in nobody's memory until they speak. */
static void drain_waits_for_flows_that_are_older_than_a_scheduler_that_remembers(void **state)
{
	static const enum leat_scheduler schedulers[] = { RR, LC };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(schedulers); i++) {
		struct scene scene;
		uint32_t client;

		begin(&scene, hashed(2));
		client = open_flow_on(&scene, 0);
		edge_adopt(&scene.edge, scheduled(schedulers[i], IPPROTO_TCP, 2));
		scene.now = datapath_now();
		set_clocks(&scene, 0, LONG_AGO);
		settle_now(&scene);
		assert_true(image_of(&scene)->open_count > 0);
		scene.now += 10;
		edge_set_operator(&scene.edge, 0, OPERATOR_DRAIN);
		settle_now(&scene);
		assert_int_equal(edge_backend(&scene.edge, 0)->flows.live, 0);
		assert_false(backend_is_drained(edge_backend(&scene.edge, 0)));
		assert_int_equal(send_one(&scene, client, ACK), 0);
		settle_now(&scene);
		assert_int_equal(edge_backend(&scene.edge, 0)->flows.live, 1);
		end(&scene);
	}
}

#define SHORT_MS 60000 /* so that the machine need not have been up for long */

static struct config *short_idle(struct config *config)
{
	config->services[0].tcp_idle_ms = SHORT_MS;
	return config;
}

/* Then nothing is waited for, but all is counted. */
static void flows_that_are_older_than_memory_are_remembered_when_they_speak(void **state)
{
	static const enum leat_scheduler schedulers[] = { RR, LC };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(schedulers); i++) {
		struct scene scene;
		uint32_t client;

		begin(&scene, short_idle(hashed(2)));
		client = open_flow_on(&scene, 0);
		edge_adopt(&scene.edge, short_idle(scheduled(schedulers[i], IPPROTO_TCP, 2)));
		assert_int_equal(send_one(&scene, client, ACK), 0);
		assert_int_equal(load_of(&scene, 0), schedulers[i] == LC);
		scene.now = datapath_now();
		set_clocks(&scene, 2 * LEAT_TICKS(SHORT_MS), 2 * LEAT_TICKS(SHORT_MS));
		settle_now(&scene);
		assert_int_equal(image_of(&scene)->open_count, 0);
		edge_set_operator(&scene.edge, 0, OPERATOR_DRAIN);
		settle_now(&scene);
		assert_int_equal(edge_backend(&scene.edge, 0)->flows.silent_s, 0);
		assert_int_equal(edge_backend(&scene.edge, 0)->flows.live, 1);
		assert_false(backend_is_drained(edge_backend(&scene.edge, 0)));
		assert_int_equal(send_one(&scene, client, ACK), 0);
		end(&scene);
	}
}

static void backend_that_never_had_a_packet_is_drained_at_once(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, hashed(2));
	edge_set_operator(&scene.edge, 0, OPERATOR_DRAIN);
	set_clocks(&scene, 0, 0);
	settle_now(&scene);
	assert_true(backend_is_drained(edge_backend(&scene.edge, 0)));
	end(&scene);
}

/* Also flows that only the former table still sends there. */
static void drain_waits_for_a_former_table(void **state)
{
	struct backend *draining;
	struct scene scene;

	(void)state;
	resize(&scene, LEAT_SCHEDULER_HASH, 100);
	set_packets(&scene, 0, 1);
	edge_set_operator(&scene.edge, 0, OPERATOR_DRAIN);
	draining = edge_backend(&scene.edge, 0);
	settle_now(&scene);
	assert_int_equal(draining->flows.previous_slots, 2 * SIZE);
	assert_true(draining->flows.silent_s >= LEAT_DEFAULT_TCP_IDLE_MS / 1000);
	end(&scene);
}

static void drain_that_is_called_off_and_begun_again_begins_anew(void **state)
{
	struct backend *draining;
	struct scene scene;

	(void)state;
	draining = drain(&scene, LEAT_SCHEDULER_HASH);
	scene.now += 100;
	edge_set_operator(&scene.edge, 0, OPERATOR_NONE);
	settle_now(&scene);
	assert_int_equal(draining->flows.since_us, 0);
	assert_int_equal(draining->flows.silent_s, 0);
	assert_false(draining->flows.is_counted);
	scene.now += 100;
	edge_set_operator(&scene.edge, 0, OPERATOR_DRAIN);
	settle_now(&scene);
	assert_int_equal(draining->flows.since_us, to_us(scene.now));
	assert_true(draining->flows.silent_s >= LEAT_DEFAULT_TCP_IDLE_MS / 1000);
	end(&scene);
}

/* A walk through the memory of flows is not for nothing. */
static void nothing_is_looked_at_where_nothing_is_remembered(void **state)
{
	struct leat_flow *flow;
	struct scene scene;

	(void)state;
	begin(&scene, hashed(2));
	flow = remember(&scene, id_of(&scene, 0), 0, 0, 0);
	settle_now(&scene);
	assert_true(is_there(flow));
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_lines_are_closed_and_others_stay_open),
		cmocka_unit_test(former_table_goes_when_all_lines_are_quiet),
		cmocka_unit_test(flows_of_slots_that_closed_are_forgotten_with_the_next_round),
		cmocka_unit_test(flows_that_an_earlier_daemon_left_are_forgotten_at_the_start),
		cmocka_unit_test(loads_are_live_flows_of_services_that_go_by_them),
		cmocka_unit_test(node_is_told_what_is_remembered),
		cmocka_unit_test(hash_counts_no_flows_in_the_steady_state),
		cmocka_unit_test(hash_drains_for_the_idle_time_and_until_no_flow_is_left),
		cmocka_unit_test(scheduler_that_remembers_drains_without_waiting),
		cmocka_unit_test(
			scheduler_that_remembers_waits_for_flows_older_than_an_earlier_change),
		cmocka_unit_test(
			drain_waits_for_flows_that_are_older_than_a_scheduler_that_remembers),
		cmocka_unit_test(flows_that_are_older_than_memory_are_remembered_when_they_speak),
		cmocka_unit_test(backend_that_never_had_a_packet_is_drained_at_once),
		cmocka_unit_test(drain_waits_for_a_former_table),
		cmocka_unit_test(drain_that_is_called_off_and_begun_again_begins_anew),
		cmocka_unit_test(nothing_is_looked_at_where_nothing_is_remembered),
	};

	log_set_sink(sample_keep_line);
	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
