/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/census.h"

#include "tests/unit/daemon/scene.h"

static void take(struct scene *scene)
{
	struct applier *applier = &scene->edge.applier;

	census_deinit(&scene->census);
	assert_int_equal(census_take(&scene->census, scene->edge.datapath, applier->images,
				     applier->count, scene->now),
			 0);
}

static void flows_are_counted_at_their_backends(void **state)
{
	const struct census_backend *first, *second;
	struct scene scene;

	(void)state;
	begin(&scene, scheduled(LEAT_SCHEDULER_ROUND_ROBIN, IPPROTO_TCP, 2));
	for (uint32_t i = 0; i < 5; i++)
		remember(&scene, id_of(&scene, 0), i, i, 0);
	for (uint32_t i = 0; i < 3; i++)
		remember(&scene, id_of(&scene, 0), i, i, LEAT_FLOW_CLOSING);
	for (uint32_t i = 0; i < 2; i++)
		remember(&scene, id_of(&scene, 1), i, i, LEAT_FLOW_OLD);
	for (uint32_t i = 0; i < 4; i++)
		half_open(&scene, id_of(&scene, 1), i, i);
	take(&scene);
	first = &scene.census.backends[id_of(&scene, 0)];
	second = &scene.census.backends[id_of(&scene, 1)];
	assert_int_equal(first->live, 5);
	assert_int_equal(first->closing, 3);
	assert_int_equal(first->half_open, 0);
	assert_int_equal(second->live, 2);
	assert_int_equal(second->closing, 0);
	assert_int_equal(second->half_open, 4);
	assert_int_equal(scene.census.remembered, 10);
	assert_int_equal(scene.census.old, 2);
	assert_int_equal(scene.census.half_open, 4);
	assert_int_equal(edge_count_flows(&scene.edge).flows, 10);
	assert_int_equal(edge_count_flows(&scene.edge).half_open, 4);
	end(&scene);
}

/* Alike on the last tick at which a flow stays, and on the first one at which it does not. */
static void assert_lifetime(struct config *config, uint32_t flags, bool is_half_open,
			    uint32_t ticks)
{
	struct leat_flow *stays, *goes;
	struct scene scene;

	begin(&scene, config);
	if (is_half_open) {
		stays = half_open(&scene, id_of(&scene, 0), ticks, 0);
		goes = half_open(&scene, id_of(&scene, 0), ticks + 1, 0);
	} else {
		stays = remember(&scene, id_of(&scene, 0), ticks, 0, flags);
		goes = remember(&scene, id_of(&scene, 0), ticks + 1, 0, flags);
	}
	take(&scene);
	assert_true(is_there(stays));
	assert_false(is_there(goes));
	assert_int_equal(scene.census.remembered + scene.census.half_open, 1);
	end(&scene);
}

static struct config *round_robin(uint8_t protocol)
{
	return scheduled(LEAT_SCHEDULER_ROUND_ROBIN, protocol, 2);
}

static struct config *impatient(void)
{
	struct config *config = round_robin(IPPROTO_TCP);

	config->services[0].tcp_idle_ms = 5000;
	return config;
}

static void flow_that_was_silent_for_longer_than_its_idle_time_is_forgotten(void **state)
{
	(void)state;
	assert_lifetime(round_robin(IPPROTO_TCP), 0, false, IDLE);
	assert_lifetime(round_robin(IPPROTO_UDP), LEAT_FLOW_UDP, false, UDP_IDLE);
	assert_lifetime(round_robin(IPPROTO_TCP), LEAT_FLOW_OLD, false, IDLE);
	assert_lifetime(impatient(), 0, false, LEAT_TICKS(5000));
}

static void flow_that_ends_or_has_not_begun_is_forgotten_sooner(void **state)
{
	(void)state;
	assert_lifetime(round_robin(IPPROTO_TCP), LEAT_FLOW_CLOSING, false, CLOSING);
	assert_lifetime(round_robin(IPPROTO_TCP), 0, true, HALF_OPEN);
	/* But not later than any other. */
	assert_lifetime(impatient(), LEAT_FLOW_CLOSING, false, LEAT_TICKS(5000));
	assert_lifetime(impatient(), 0, true, LEAT_TICKS(5000));
}

/* A flow's clock has 16 bits, of which an age never needs all. */
static void ages_are_right_when_a_flows_clock_wraps(void **state)
{
	struct leat_flow *young, *old;
	struct scene scene;

	(void)state;
	begin(&scene, round_robin(IPPROTO_TCP));
	scene.now = (scene.now & ~0xffffU) + 0x10000 + 10;
	young = remember(&scene, id_of(&scene, 0), 100, 0, 0);
	old = remember(&scene, id_of(&scene, 0), IDLE + 100, 0, 0);
	assert_true(young->state.seen > 0xff00);
	take(&scene);
	assert_true(is_there(young));
	assert_false(is_there(old));
	end(&scene);
}

/* The walk takes a while, and the datapath goes on meanwhile. */
static void flow_that_was_seen_after_the_census_began_stays(void **state)
{
	struct leat_flow *flow, *half;
	struct scene scene;

	(void)state;
	begin(&scene, round_robin(IPPROTO_TCP));
	flow = remember(&scene, id_of(&scene, 0), (uint32_t)-1, 0, 0);
	half = half_open(&scene, id_of(&scene, 0), (uint32_t)-2, 0);
	take(&scene);
	assert_true(is_there(flow));
	assert_true(is_there(half));
	end(&scene);
}

static void flow_of_nobody_is_forgotten(void **state)
{
	struct leat_flow *flow, *half;
	struct scene scene;

	(void)state;
	begin(&scene, round_robin(IPPROTO_TCP));
	flow = remember(&scene, 77, 0, 0, 0);
	half = half_open(&scene, 0, 0, 0);
	take(&scene);
	assert_false(is_there(flow));
	assert_false(is_there(half));
	end(&scene);
}

/* The datapath is about to fill it in. */
static void entry_that_is_claimed_is_left_alone(void **state)
{
	struct leat_flow *flow;
	struct scene scene;

	(void)state;
	begin(&scene, round_robin(IPPROTO_TCP));
	flow = remember(&scene, id_of(&scene, 0), LONG_AGO, 0, 0);
	flow->digest = LEAT_DIGEST_CLAIMED;
	take(&scene);
	assert_true(flow->digest == LEAT_DIGEST_CLAIMED);
	assert_int_equal(scene.census.remembered, 0);
	end(&scene);
}

static void clients_are_forgotten_when_they_no_longer_stick(void **state)
{
	struct config *config = round_robin(IPPROTO_TCP);
	struct leat_flow *stays, *goes, *stranger;
	struct leat_bucket *clients;
	struct scene scene;

	(void)state;
	config->services[0].sticky_ms = 1800000;
	begin(&scene, config);
	clients = scene.edge.datapath->clients;
	stays = plant(&scene, clients, id_of(&scene, 0), LEAT_TICKS(1800000), 0, 0);
	goes = plant(&scene, clients, id_of(&scene, 0), LEAT_TICKS(1800000) + 1, 0, 0);
	stranger = plant(&scene, clients, 77, 0, 0, 0);
	take(&scene);
	assert_true(is_there(stays));
	assert_false(is_there(goes));
	assert_false(is_there(stranger));
	assert_int_equal(scene.census.clients, 1);
	end(&scene);
}

static bool is_busy(struct scene *scene, uint32_t slot)
{
	return census_slot_is_busy(&scene->census, &scene->census.images[0], slot);
}

/* The n-th open slot of a line. */
static uint32_t find_open(const struct scene *scene, uint32_t line, uint32_t n)
{
	for (uint32_t i = 0; i < LEAT_SLOTS_PER_LINE; i++) {
		uint32_t slot = line * LEAT_SLOTS_PER_LINE + i;

		if (slot_is_open(slot_at(scene, slot)) && n-- == 0)
			return slot;
	}
	fail_msg("line %u has too few open slots", line);
	return 0;
}

static uint32_t find_closed(const struct scene *scene)
{
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		if (!slot_is_open(slot_at(scene, slot)))
			return slot;
	}
	fail_msg("no slot is closed");
	return 0;
}

static size_t count_busy(struct scene *scene)
{
	const struct image *image = edge_image(&scene->edge, 0);
	size_t count = 0;

	for (uint32_t slot = 0; slot < image->value.lookup.size; slot++)
		count += slot_is_open(image->slots[slot]) && is_busy(scene, slot);
	return count;
}

static void hash_needs_flows_of_open_slots_alone(void **state)
{
	struct leat_flow *needed, *other, *lost;
	struct scene scene;
	uint32_t slot;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	slot = find_open(&scene, 0, 0);
	needed = remember(&scene, slot_at(&scene, slot).current, 5, slot, 0);
	other = remember(&scene, id_of(&scene, 0), 5, find_closed(&scene), 0);
	lost = remember(&scene, id_of(&scene, 0), 5, NO_SUCH_SLOT, 0);
	take(&scene);
	assert_true(is_there(needed));
	assert_false(is_there(other));
	/* Of a former table; where it is now, nobody knows. */
	assert_true(is_there(lost));
	end(&scene);
}

static void hash_needs_no_flow_once_all_slots_are_closed(void **state)
{
	struct leat_flow *flow, *half;
	struct scene scene;

	(void)state;
	begin(&scene, hashed(2));
	flow = remember(&scene, id_of(&scene, 0), 0, 0, 0);
	half = half_open(&scene, id_of(&scene, 0), 0, 0);
	take(&scene);
	assert_false(is_there(flow));
	assert_false(is_there(half));
	end(&scene);
}

static void line_is_quiet_when_nothing_went_to_previous_for_the_idle_time(void **state)
{
	static const struct {
		uint32_t opened_ago, previous_ago;
		bool is_quiet;
	} cases[] = {
		{ LONG_AGO, IDLE, false }, { LONG_AGO, IDLE + 1, true },
		{ IDLE, LONG_AGO, false }, { IDLE + 1, LONG_AGO, true },
		{ LONG_AGO, 0, false },
	};
	struct scene scene;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		set_clock(&scene, 1, cases[i].opened_ago, cases[i].previous_ago);
		take(&scene);
		assert_int_equal(is_busy(&scene, find_open(&scene, 1, 0)), !cases[i].is_quiet);
		/* Its neighbours' clocks are their own. */
		assert_false(is_busy(&scene, find_open(&scene, 0, 0)));
		assert_false(is_busy(&scene, find_open(&scene, 2, 0)));
	}
	end(&scene);
}

/* The datapath's clock may be ahead of the daemon's by a tick. */
static void line_whose_clock_is_ahead_is_not_quiet(void **state)
{
	struct scene scene;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	set_clock(&scene, 0, LONG_AGO, (uint32_t)-1);
	take(&scene);
	assert_true(is_busy(&scene, find_open(&scene, 0, 0)));
	end(&scene);
}

static void remembered_flow_keeps_its_slot_open_unless_it_is_on_the_current_backend(void **state)
{
	uint32_t stray, at_home, young, slot;
	struct scene scene;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	stray = find_open(&scene, 0, 0);
	at_home = find_open(&scene, 0, 1);
	young = find_open(&scene, 1, 0);
	remember(&scene, slot_at(&scene, stray).previous & LEAT_SLOT_BACKEND, 5, stray, 0);
	remember(&scene, slot_at(&scene, at_home).current, 5, at_home, 0);
	half_open(&scene, slot_at(&scene, young).previous & LEAT_SLOT_BACKEND, 5, young);
	take(&scene);
	for (slot = 0; slot < SIZE; slot++) {
		if (slot_is_open(slot_at(&scene, slot)))
			assert_int_equal(is_busy(&scene, slot), slot == stray || slot == young);
	}
	end(&scene);
}

static void expired_flow_keeps_nothing_open(void **state)
{
	struct scene scene;
	uint32_t slot;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	slot = find_open(&scene, 0, 0);
	remember(&scene, slot_at(&scene, slot).previous & LEAT_SLOT_BACKEND, IDLE + 1, slot, 0);
	take(&scene);
	assert_int_equal(count_busy(&scene), 0);
	end(&scene);
}

/* It is found by what is remembered, whether its slot is open or not. */
static void flow_of_a_scheduler_that_remembers_keeps_no_slot_open(void **state)
{
	struct scene scene;
	uint32_t slot;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_ROUND_ROBIN, IPPROTO_TCP);
	slot = find_open(&scene, 0, 0);
	remember(&scene, slot_at(&scene, slot).previous & LEAT_SLOT_BACKEND, 5, slot, 0);
	take(&scene);
	assert_false(is_busy(&scene, slot));
	end(&scene);
}

static void slot_whose_previous_never_had_a_packet_need_not_wait(void **state)
{
	struct scene scene;
	uint16_t never;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	set_packets(&scene, 0, 0);
	set_clocks(&scene, 0, 0);
	never = id_of(&scene, 0);
	take(&scene);
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		if (slot_is_open(slot_at(&scene, slot)))
			assert_int_equal(is_busy(&scene, slot), (slot_at(&scene, slot).previous &
								 LEAT_SLOT_BACKEND) != never);
	}
	assert_in_range(count_busy(&scene), 1, edge_image(&scene.edge, 0)->open_count - 1);
	end(&scene);
}

/* Their older flows came by another node, and any backend may have some. */
static void imported_slot_waits_although_its_previous_never_had_a_packet_here(void **state)
{
	struct clock_lines lines;
	struct scene scene;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	set_packets(&scene, 0, 0);
	set_packets(&scene, 1, 0);
	set_clocks(&scene, IDLE, IDLE);
	take(&scene);
	assert_int_equal(count_busy(&scene), 0);
	lines = map_clocks(&scene);
	for (uint32_t line = 0; line < LEAT_TABLE_LINES(SIZE); line++)
		lines.clocks[line].opened |= LEAT_CLOCK_IMPORTED;
	clock_lines_unmap(&lines);
	take(&scene);
	assert_int_equal(count_busy(&scene), edge_image(&scene.edge, 0)->open_count);
	scene.now++;
	take(&scene);
	assert_int_equal(count_busy(&scene), 0);
	end(&scene);
}

/* Goes from two backends to three and back. */
static void take_back(struct scene *scene, uint8_t protocol)
{
	open_slots(scene, LEAT_SCHEDULER_HASH, protocol);
	edge_adopt(&scene->edge, scheduled(LEAT_SCHEDULER_HASH, protocol, 2));
	assert_true(edge_image(&scene->edge, 0)->open_count > 0);
}

/* UDP's unknown flows count as old, and are remembered, until those have been silent for long. */
static void change_that_was_taken_back_waits_for_udp_alone(void **state)
{
	struct scene scene;

	(void)state;
	take_back(&scene, IPPROTO_TCP);
	set_clocks(&scene, 0, 0);
	take(&scene);
	assert_int_equal(count_busy(&scene), 0);
	end(&scene);

	take_back(&scene, IPPROTO_UDP);
	set_clocks(&scene, UDP_IDLE, LONG_AGO);
	take(&scene);
	assert_int_equal(count_busy(&scene), edge_image(&scene.edge, 0)->open_count);
	set_clocks(&scene, UDP_IDLE + 1, LONG_AGO);
	take(&scene);
	assert_int_equal(count_busy(&scene), 0);
	end(&scene);
}

static void slot_whose_previous_has_gone_waits_for_nobody(void **state)
{
	struct scene scene;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	edge_set_health(&scene.edge, 0, false);
	edge_set_health(&scene.edge, 1, false);
	set_clocks(&scene, 0, 0);
	take(&scene);
	assert_true(edge_image(&scene.edge, 0)->open_count > 0);
	assert_int_equal(count_busy(&scene), 0);
	end(&scene);
}

static void slots_beside_a_former_table_wait_for_the_idle_time_whatever_they_hold(void **state)
{
	struct scene scene;

	(void)state;
	resize(&scene, LEAT_SCHEDULER_HASH, IDLE);
	take(&scene);
	assert_int_equal(count_busy(&scene), 2 * SIZE);
	set_clocks(&scene, IDLE + 1, IDLE + 1);
	take(&scene);
	assert_int_equal(count_busy(&scene), 0);
	set_clock(&scene, 3, IDLE + 1, 5);
	take(&scene);
	assert_int_equal(count_busy(&scene), LEAT_SLOTS_PER_LINE);
	end(&scene);
}

/* Which of the new slots it is in shows only when it speaks. */
static void flow_that_was_silent_since_its_table_changed_keeps_all_slots_open(void **state)
{
	struct leat_flow *flow;
	struct scene scene;
	uint16_t current;

	(void)state;
	resize(&scene, LEAT_SCHEDULER_HASH, LONG_AGO);
	current = slot_at(&scene, 5).current;
	flow = remember(&scene, current, 10, 5, 0);
	take(&scene);
	assert_int_equal(count_busy(&scene), 0);

	/* Seen on the very tick of the change, that is before it or after it. */
	set_clocks(&scene, 10, LONG_AGO);
	take(&scene);
	assert_true(is_there(flow));
	assert_true(scene.census.images[0].has_lost_flow);
	assert_int_equal(count_busy(&scene), 2 * SIZE);
	end(&scene);
}

static void flow_that_spoke_since_its_table_changed_keeps_its_slot_open(void **state)
{
	struct scene scene;
	uint16_t other;

	(void)state;
	resize(&scene, LEAT_SCHEDULER_HASH, LONG_AGO);
	other = slot_at(&scene, 5).current == id_of(&scene, 0) ? id_of(&scene, 1)
							       : id_of(&scene, 0);
	remember(&scene, other, 10, 5, 0);
	take(&scene);
	assert_false(scene.census.images[0].has_lost_flow);
	assert_int_equal(count_busy(&scene), 1);
	assert_true(is_busy(&scene, 5));
	end(&scene);
}

static void flow_with_a_slot_that_no_table_has_keeps_all_slots_open(void **state)
{
	struct scene scene;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	remember(&scene, id_of(&scene, 0), 10, SIZE, 0);
	take(&scene);
	assert_int_equal(count_busy(&scene), edge_image(&scene.edge, 0)->open_count);
	end(&scene);
}

/* The map may still hold what new flows went by before the table became the former one. */
static void former_table_that_was_read_back_is_what_was_previous_in_it(void **state)
{
	const struct census_backend *backends;
	struct scene scene;

	(void)state;
	open_slots(&scene, LEAT_SCHEDULER_HASH, IPPROTO_TCP);
	edge_adopt(&scene.edge, sample_config_of(IPPROTO_TCP, 3, 2 * SIZE));
	assert_int_equal(applier_read_back(&scene.edge.applier), 0);
	take(&scene);
	backends = scene.census.backends;
	assert_true(backends[id_of(&scene, 0)].is_former);
	assert_true(backends[id_of(&scene, 1)].is_former);
	assert_false(backends[id_of(&scene, 2)].is_former);
	end(&scene);
}

/* Both with so many. */
static struct config *two_services(size_t backends)
{
	struct config *config = hashed(backends);

	sample_add_backends(sample_add_service(config, 1, IPPROTO_TCP, SIZE), 3, backends);
	return config;
}

/* Its own service's alone. */
static void flow_keeps_no_slot_of_another_service_open(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, two_services(2));
	edge_adopt(&scene.edge, two_services(3));
	set_clocks(&scene, LONG_AGO, LONG_AGO);
	remember(&scene, (uint16_t)scene.edge.node.services[1]->backends[0]->id, 10, NO_SUCH_SLOT,
		 0);
	take(&scene);
	assert_false(scene.census.images[0].has_lost_flow);
	assert_true(scene.census.images[1].has_lost_flow);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_counted_at_their_backends),
		cmocka_unit_test(flow_that_was_silent_for_longer_than_its_idle_time_is_forgotten),
		cmocka_unit_test(flow_that_ends_or_has_not_begun_is_forgotten_sooner),
		cmocka_unit_test(ages_are_right_when_a_flows_clock_wraps),
		cmocka_unit_test(flow_that_was_seen_after_the_census_began_stays),
		cmocka_unit_test(flow_of_nobody_is_forgotten),
		cmocka_unit_test(entry_that_is_claimed_is_left_alone),
		cmocka_unit_test(clients_are_forgotten_when_they_no_longer_stick),
		cmocka_unit_test(hash_needs_flows_of_open_slots_alone),
		cmocka_unit_test(hash_needs_no_flow_once_all_slots_are_closed),
		cmocka_unit_test(line_is_quiet_when_nothing_went_to_previous_for_the_idle_time),
		cmocka_unit_test(line_whose_clock_is_ahead_is_not_quiet),
		cmocka_unit_test(
			remembered_flow_keeps_its_slot_open_unless_it_is_on_the_current_backend),
		cmocka_unit_test(expired_flow_keeps_nothing_open),
		cmocka_unit_test(flow_of_a_scheduler_that_remembers_keeps_no_slot_open),
		cmocka_unit_test(slot_whose_previous_never_had_a_packet_need_not_wait),
		cmocka_unit_test(imported_slot_waits_although_its_previous_never_had_a_packet_here),
		cmocka_unit_test(change_that_was_taken_back_waits_for_udp_alone),
		cmocka_unit_test(slot_whose_previous_has_gone_waits_for_nobody),
		cmocka_unit_test(
			slots_beside_a_former_table_wait_for_the_idle_time_whatever_they_hold),
		cmocka_unit_test(flow_that_was_silent_since_its_table_changed_keeps_all_slots_open),
		cmocka_unit_test(flow_that_spoke_since_its_table_changed_keeps_its_slot_open),
		cmocka_unit_test(flow_with_a_slot_that_no_table_has_keeps_all_slots_open),
		cmocka_unit_test(former_table_that_was_read_back_is_what_was_previous_in_it),
		cmocka_unit_test(flow_keeps_no_slot_of_another_service_open),
	};

	log_set_sink(sample_keep_line);
	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
