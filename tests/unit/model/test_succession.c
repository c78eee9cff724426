/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/succession.h"

#include <errno.h>

#include "tests/unit/sample_config.h"

#define SIZE 64

static struct backend *nth(const struct succession *succession, size_t index)
{
	return sample_find(succession->services[0], index);
}

static struct config *with_probe(struct config *config, uint32_t rise, uint32_t fall)
{
	config->services[0].probe =
		(struct probe_config){ .type = PROBE_TCP, .rise = rise, .fall = fall };
	return config;
}

static struct config *probed(size_t backends)
{
	return with_probe(sample_config_of(IPPROTO_TCP, backends, SIZE), 2, 3);
}

static struct succession succeed_draining(const struct node *node, const struct config *config,
					  bool drains_lost)
{
	struct succession succession;

	assert_int_equal(succession_make(node, config, drains_lost, &succession), 0);
	return succession;
}

static struct succession succeed(const struct node *node, const struct config *config)
{
	return succeed_draining(node, config, false);
}

static void release(struct succession *succession, struct config *config)
{
	succession_deinit(succession);
	config_free(config);
}

/* Everything about a backend that is more than its file. */
static void live(struct backend *backend)
{
	backend->health = health_restore(4, true, 2, 3);
	backend->operator_change = (struct operator_change){ .state = OPERATOR_DRAIN,
							     .has_weight = true,
							     .weight = 7 };
	backend->probe_stats.failures[PROBE_LAYER_L4] = 5;
	backend->state = BACKEND_DRAINING;
	backend->state_changed_s = 1700000000;
	strcpy(backend->reason, "drained by the operator");
	backend->ramp_percent = 40;
	backend->ramp_started_us = 123456789;
	backend->is_drain_told = true;
	backend->flows = (struct backend_flows){
		.is_counted = true, .live = 5, .closing = 2, .silent_s = 60, .since_us = 77
	};
	backend->id = 12;
	backend->counter = (struct leat_counter){ .packets = 1000, .bytes = 64000 };
	backend->rate = (struct counter_rate){ .packets_per_s = 10 };
}

static void assert_lives_on(const struct backend *now, const struct backend *old)
{
	assert_memory_equal(&now->health, &old->health, sizeof(now->health));
	assert_int_equal(now->operator_change.state, old->operator_change.state);
	assert_int_equal(now->operator_change.has_weight, old->operator_change.has_weight);
	assert_int_equal(now->operator_change.weight, old->operator_change.weight);
	assert_true(next_hop_equal(&now->next_hop, &old->next_hop));
	assert_memory_equal(&now->probe_stats, &old->probe_stats, sizeof(now->probe_stats));
	assert_int_equal(now->state, old->state);
	assert_int_equal(now->state_changed_s, old->state_changed_s);
	assert_string_equal(now->reason, old->reason);
	assert_int_equal(now->ramp_percent, old->ramp_percent);
	assert_int_equal(now->ramp_started_us, old->ramp_started_us);
	assert_int_equal(now->is_drain_told, old->is_drain_told);
	assert_memory_equal(&now->flows, &old->flows, sizeof(now->flows));
	assert_int_equal(now->id, old->id);
	assert_memory_equal(&now->counter, &old->counter, sizeof(now->counter));
	assert_true(now->rate.packets_per_s == old->rate.packets_per_s);
}

static void what_is_known_of_a_backend_goes_over(void **state)
{
	struct config *next = probed(2);
	struct succession succession;
	struct node node = { 0 };
	struct backend *old;

	(void)state;
	sample_adopt(&node, probed(2));
	old = sample_find(node.services[0], 1);
	live(old);
	succession = succeed(&node, next);
	assert_lives_on(nth(&succession, 1), old);
	assert_ptr_equal(nth(&succession, 1)->service, succession.services[0]);
	release(&succession, next);
	node_deinit(&node);
}

static void what_is_known_of_a_service_goes_over(void **state)
{
	struct config *next = probed(2);
	struct succession succession;
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, probed(2));
	node.services[0]->id = 9;
	node.services[0]->counter = (struct leat_counter){ .packets = 3, .bytes = 4 };
	node.services[0]->rate.bytes_per_s = 5;
	node.services[0]->open_slots = 17;
	succession = succeed(&node, next);
	assert_int_equal(succession.services[0]->id, 9);
	assert_int_equal(succession.services[0]->counter.packets, 3);
	assert_int_equal(succession.services[0]->counter.bytes, 4);
	assert_true(succession.services[0]->rate.bytes_per_s == 5);
	assert_int_equal(succession.services[0]->open_slots, 17);
	release(&succession, next);
	node_deinit(&node);
}

/* As bytes, without what its heap blocks hold. */
static void nothing_of_the_old_is_touched(void **state)
{
	struct config *next = probed(3);
	struct backend *const *backends;
	struct succession succession;
	struct service before;
	struct backend copy;
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, probed(2));
	live(sample_find(node.services[0], 1));
	memcpy(&before, node.services[0], sizeof(before));
	memcpy(&copy, sample_find(node.services[0], 1), sizeof(copy));
	backends = node.services[0]->backends;
	succession = succeed(&node, next);
	live(nth(&succession, 0));
	release(&succession, next);
	assert_memory_equal(&before, node.services[0], sizeof(before));
	assert_memory_equal(&copy, backends[1], sizeof(copy));
	node_deinit(&node);
}

/* Names and weights are the new file's. */
static void backend_is_the_same_by_its_address_alone(void **state)
{
	struct config *next = probed(2);
	struct backend_config *renamed = &next->services[0].backends[0];
	struct succession succession;
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, probed(2));
	live(sample_find(node.services[0], 0));
	strcpy(renamed->name, "renamed");
	strcpy(next->services[0].backends[1].name, "backend0");
	renamed->weight = 1;
	succession = succeed(&node, next);
	assert_lives_on(nth(&succession, 0), sample_find(node.services[0], 0));
	assert_string_equal(nth(&succession, 0)->config.name, "renamed");
	assert_int_equal(nth(&succession, 0)->config.weight, 1);
	assert_int_equal(nth(&succession, 1)->id, 0);
	release(&succession, next);
	node_deinit(&node);
}

static void service_is_another_with_another_address_port_or_protocol(void **state)
{
	struct config *nexts[] = { probed(1), probed(1), probed(1), probed(1) };
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, probed(1));
	live(sample_find(node.services[0], 0));
	node.services[0]->id = 9;
	nexts[0]->services[0].key.address = sample_service_address(1);
	nexts[1]->services[0].key.port = htons(81);
	nexts[2]->services[0].key.protocol = IPPROTO_UDP;
	strcpy(nexts[3]->services[0].name, "renamed");
	for (size_t i = 0; i < ARRAY_SIZE(nexts); i++) {
		struct succession succession = succeed(&node, nexts[i]);
		bool is_same = i == 3;

		assert_int_equal(succession.services[0]->id, is_same ? 9 : 0);
		assert_int_equal(nth(&succession, 0)->id, is_same ? 12 : 0);
		assert_int_equal(health_is_unknown(&nth(&succession, 0)->health), !is_same);
		release(&succession, nexts[i]);
	}
	node_deinit(&node);
}

static void order_is_the_new_files(void **state)
{
	struct config *next = sample_config_new();
	struct succession succession;
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, sample_config_new());
	sample_add_backends(sample_add_service(next, 2, IPPROTO_TCP, SIZE), 5, 1);
	sample_add_backends(sample_add_service(next, 0, IPPROTO_UDP, SIZE), 1, 1);
	sample_add_backends(&next->services[1], 0, 1);
	succession = succeed(&node, next);
	assert_int_equal(succession.count, 2);
	assert_string_equal(succession.services[0]->config.name, "service2");
	assert_string_equal(succession.services[1]->config.name, "service0");
	assert_string_equal(succession.services[1]->backends[0]->config.name, "backend1");
	assert_string_equal(succession.services[1]->backends[1]->config.name, "backend0");
	release(&succession, next);
	node_deinit(&node);
}

static void new_backend_with_a_probe_is_unknown(void **state)
{
	struct config *next = probed(3);
	struct succession succession;
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, probed(2));
	succession = succeed(&node, next);
	assert_true(nth(&succession, 2)->has_probe);
	assert_int_equal(nth(&succession, 2)->state, BACKEND_UNKNOWN);
	assert_int_equal(backend_current_state(nth(&succession, 2)), BACKEND_UNKNOWN);
	assert_int_not_equal(nth(&succession, 2)->reason[0], '\0');
	assert_int_not_equal(nth(&succession, 2)->state_changed_s, 0);
	assert_int_equal(nth(&succession, 2)->health.rise, 2);
	assert_int_equal(nth(&succession, 2)->health.fall, 3);
	release(&succession, next);
	node_deinit(&node);
}

static void other_thresholds_keep_the_state(void **state)
{
	static const struct {
		uint32_t rise, fall;
	} others[] = { { 1, 1 }, { 2, 3 }, { 5, 1 }, { 1, 9 } };
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, probed(3));
	sample_find(node.services[0], 0)->health = health_restore(4, true, 2, 3);
	sample_find(node.services[0], 1)->health = health_restore(1, false, 2, 3);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct config *next = with_probe(sample_config_of(IPPROTO_TCP, 3, SIZE),
						 others[i].rise, others[i].fall);
		struct succession succession = succeed(&node, next);

		assert_int_equal(nth(&succession, 0)->health.rise, others[i].rise);
		assert_int_equal(nth(&succession, 0)->health.fall, others[i].fall);
		assert_true(health_is_up(&nth(&succession, 0)->health));
		assert_false(health_is_up(&nth(&succession, 1)->health));
		assert_false(health_is_unknown(&nth(&succession, 1)->health));
		assert_true(health_is_unknown(&nth(&succession, 2)->health));
		release(&succession, next);
	}
	node_deinit(&node);
}

static void backend_whose_probe_goes_is_up(void **state)
{
	struct config *next = sample_config_of(IPPROTO_TCP, 1, SIZE);
	struct succession succession;
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, probed(1));
	sample_find(node.services[0], 0)->health = health_restore(0, false, 2, 3);
	succession = succeed(&node, next);
	assert_false(nth(&succession, 0)->has_probe);
	assert_int_equal(backend_current_state(nth(&succession, 0)), BACKEND_UP);
	release(&succession, next);
	node_deinit(&node);
}

/* A reload must not leave a service that ran without backends until its first probes end. */
static void backend_that_gets_a_probe_stays_up_until_it_fails(void **state)
{
	struct config *next = probed(1);
	struct succession succession;
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, sample_config_of(IPPROTO_TCP, 1, SIZE));
	succession = succeed(&node, next);
	assert_true(nth(&succession, 0)->has_probe);
	assert_int_equal(backend_current_state(nth(&succession, 0)), BACKEND_UP);
	for (int failures = 1; failures < 3; failures++)
		assert_false(health_update(&nth(&succession, 0)->health, false));
	assert_true(health_update(&nth(&succession, 0)->health, false));
	assert_int_equal(backend_current_state(nth(&succession, 0)), BACKEND_DOWN);
	release(&succession, next);
	node_deinit(&node);
}

static struct config *backends_from(size_t first, size_t count)
{
	struct config *config = sample_config_new();

	sample_add_backends(sample_add_service(config, 0, IPPROTO_TCP, SIZE), first, count);
	return with_probe(config, 2, 3);
}

/* Whose backends 0 to 2 are up. */
static void begin(struct node *node)
{
	*node = (struct node){ 0 };
	sample_adopt(node, backends_from(0, 3));
	for (size_t i = 0; i < 3; i++)
		sample_find(node->services[0], i)->health = health_restore(4, true, 2, 3);
}

static void backend_that_is_lost_leaves_behind_the_files(void **state)
{
	struct config *next = backends_from(1, 3);
	struct succession succession;
	const struct backend *leaving;
	struct node node;

	(void)state;
	begin(&node);
	live(sample_find(node.services[0], 0));
	succession = succeed_draining(&node, next, true);
	assert_int_equal(succession.services[0]->backend_count, 4);
	leaving = succession.services[0]->backends[3];
	assert_ptr_equal(leaving, nth(&succession, 0));
	assert_true(leaving->is_leaving);
	assert_lives_on(leaving, sample_find(node.services[0], 0));
	assert_string_equal(leaving->config.name, "backend0");
	assert_ptr_equal(leaving->service, succession.services[0]);
	assert_int_equal(backend_current_state(leaving), BACKEND_DRAINING);
	assert_int_equal(backend_effective_weight(leaving), 0);
	assert_true(backend_keeps_flows(leaving));
	for (size_t i = 1; i < 4; i++)
		assert_false(nth(&succession, i)->is_leaving);
	release(&succession, next);
	node_deinit(&node);
}

static void backend_that_is_lost_goes_at_once_when_asked_to(void **state)
{
	struct config *next = backends_from(1, 3);
	struct succession succession;
	struct node node;

	(void)state;
	begin(&node);
	succession = succeed_draining(&node, next, false);
	assert_int_equal(succession.services[0]->backend_count, 3);
	assert_null(nth(&succession, 0));
	release(&succession, next);
	node_deinit(&node);
}

/* One that was never probed may have flows all the same. */
static void only_what_keeps_flows_has_something_to_stay_for(void **state)
{
	struct config *next = backends_from(7, 1);
	struct succession succession;
	struct service *service;
	struct node node;

	(void)state;
	begin(&node);
	service = node.services[0];
	sample_find(service, 0)->health = health_restore(0, false, 2, 3);
	sample_find(service, 1)->operator_change.state = OPERATOR_DISABLE;
	sample_find(service, 2)->health = health_new(2, 3);
	succession = succeed_draining(&node, next, true);
	assert_null(nth(&succession, 0));
	assert_null(nth(&succession, 1));
	assert_non_null(nth(&succession, 2));
	release(&succession, next);
	node_deinit(&node);
}

/* By a reload, which then is the node's. */
static void reload(struct node *node, struct config *config)
{
	sample_adopt_config(node, config, true);
}

static void leaving_backend_stays_over_reloads_until_it_is_drained(void **state)
{
	struct backend *leaving;
	struct node node;

	(void)state;
	begin(&node);
	reload(&node, backends_from(1, 2));
	for (int i = 0; i < 3; i++) {
		reload(&node, backends_from(1, 2));
		leaving = sample_find(node.services[0], 0);
		assert_non_null(leaving);
		assert_true(leaving->is_leaving);
	}
	leaving->flows = (struct backend_flows){ .is_counted = true, .live = 1, .since_us = 1 };
	reload(&node, backends_from(1, 2));
	leaving = sample_find(node.services[0], 0);
	assert_non_null(leaving);
	leaving->flows.live = 0;
	reload(&node, backends_from(1, 2));
	assert_null(sample_find(node.services[0], 0));
	node_deinit(&node);
}

static void leaving_backend_that_dies_goes_with_the_next_reload(void **state)
{
	struct node node;

	(void)state;
	begin(&node);
	reload(&node, backends_from(1, 2));
	sample_find(node.services[0], 0)->health = health_restore(0, false, 2, 3);
	reload(&node, backends_from(1, 2));
	assert_null(sample_find(node.services[0], 0));
	node_deinit(&node);
}

static void leaving_backend_is_back_when_the_file_has_it_again(void **state)
{
	struct backend *back;
	struct node node;

	(void)state;
	begin(&node);
	sample_find(node.services[0], 0)->id = 12;
	reload(&node, backends_from(1, 2));
	sample_find(node.services[0], 0)->flows.live = 9;
	reload(&node, backends_from(0, 3));
	assert_int_equal(node.services[0]->backend_count, 3);
	back = sample_find(node.services[0], 0);
	assert_ptr_equal(back, node.services[0]->backends[0]);
	assert_false(back->is_leaving);
	assert_int_equal(back->id, 12);
	assert_int_equal(back->flows.live, 9);
	assert_int_equal(backend_current_state(back), BACKEND_UP);
	assert_int_equal(backend_effective_weight(back), CONFIG_DEFAULT_WEIGHT);
	node_deinit(&node);
}

/* The file may give its name to another backend, which commands then mean. */
static void leaving_backend_whose_name_is_taken_goes_by_its_address(void **state)
{
	struct config *next = backends_from(1, 2);
	char address[ADDRESS_TEXT_SIZE];
	struct node node;

	(void)state;
	begin(&node);
	strcpy(next->services[0].backends[0].name, "backend0");
	reload(&node, next);
	address_format(&sample_find(node.services[0], 0)->config.address, address);
	assert_string_equal(sample_find(node.services[0], 0)->config.name, address);
	assert_ptr_equal(service_find_backend(node.services[0], "backend0"),
			 sample_find(node.services[0], 1));
	assert_ptr_equal(service_find_backend(node.services[0], address),
			 sample_find(node.services[0], 0));
	node_deinit(&node);
}

static void other_services_backends_leave_nowhere(void **state)
{
	struct config *next = sample_config_new();
	struct node node;

	(void)state;
	begin(&node);
	sample_add_backends(sample_add_service(next, 1, IPPROTO_TCP, SIZE), 1, 1);
	reload(&node, next);
	assert_int_equal(node.service_count, 1);
	assert_int_equal(node.services[0]->backend_count, 1);
	node_deinit(&node);
}

/* As many as fit. */
static void leaving_backends_have_what_room_the_files_leave(void **state)
{
	struct node node;

	(void)state;
	begin(&node);
	reload(&node, backends_from(1, LEAT_MAX_SERVICE_BACKENDS));
	assert_int_equal(node.services[0]->backend_count, LEAT_MAX_SERVICE_BACKENDS);
	assert_null(sample_find(node.services[0], 0));
	node_deinit(&node);

	begin(&node);
	reload(&node, backends_from(3, LEAT_MAX_SERVICE_BACKENDS - 2));
	assert_int_equal(node.services[0]->backend_count, LEAT_MAX_SERVICE_BACKENDS);
	assert_non_null(sample_find(node.services[0], 1));
	assert_null(sample_find(node.services[0], 2));
	node_deinit(&node);
}

static const struct server_id server_ids[LEAT_QUIC_CONFIGS] = { [3] = { 2, { 0xab, 0xcd } } };

/* As it is noted in an earlier daemon's maps. */
static void assert_added_as(struct service *service, const char *name, size_t index,
			    const char *expected)
{
	const struct leat_addr address = sample_backend_address(index);
	size_t count = service->backend_count;
	const struct backend *added;

	assert_int_equal(succession_add_leaving(service, name, &address, server_ids), 0);
	assert_int_equal(service->backend_count, count + 1);
	added = service->backends[count];
	assert_true(added->is_leaving);
	assert_true(address_equal(&added->config.address, &address));
	assert_string_equal(added->config.name, expected);
	assert_memory_equal(added->config.server_ids, server_ids, sizeof(server_ids));
	assert_ptr_equal(added->service, service);
	assert_int_equal(backend_current_state(added), BACKEND_DRAINING);
	assert_true(backend_keeps_flows(added));
	assert_int_equal(added->has_probe, service->config.probe.type != PROBE_NONE);
}

static void backends_of_earlier_maps_leave_too(void **state)
{
	struct node node;

	(void)state;
	begin(&node);
	assert_added_as(node.services[0], "gone", 8, "gone");
	assert_added_as(node.services[0], "backend1", 9, "198.51.100.10");
	assert_added_as(node.services[0], "gone", 10, "198.51.100.11");
	/* Over the next reload, too. */
	reload(&node, backends_from(0, 3));
	assert_int_equal(node.services[0]->backend_count, 6);
	assert_true(sample_find(node.services[0], 9)->is_leaving);
	node_deinit(&node);
}

static void backends_of_earlier_maps_have_a_limit(void **state)
{
	const struct leat_addr address = sample_backend_address(5000);
	struct service *service;
	struct node node = { 0 };

	(void)state;
	sample_adopt(&node, backends_from(0, LEAT_MAX_SERVICE_BACKENDS - 1));
	service = node.services[0];
	assert_added_as(service, "gone", 4999, "gone");
	assert_int_equal(succession_add_leaving(service, "too many", &address, server_ids),
			 -ENOSPC);
	assert_int_equal(service->backend_count, LEAT_MAX_SERVICE_BACKENDS);
	assert_null(sample_find(service, 5000));
	node_deinit(&node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_of_a_backend_goes_over),
		cmocka_unit_test(what_is_known_of_a_service_goes_over),
		cmocka_unit_test(nothing_of_the_old_is_touched),
		cmocka_unit_test(backend_is_the_same_by_its_address_alone),
		cmocka_unit_test(service_is_another_with_another_address_port_or_protocol),
		cmocka_unit_test(order_is_the_new_files),
		cmocka_unit_test(new_backend_with_a_probe_is_unknown),
		cmocka_unit_test(other_thresholds_keep_the_state),
		cmocka_unit_test(backend_whose_probe_goes_is_up),
		cmocka_unit_test(backend_that_gets_a_probe_stays_up_until_it_fails),
		cmocka_unit_test(backend_that_is_lost_leaves_behind_the_files),
		cmocka_unit_test(backend_that_is_lost_goes_at_once_when_asked_to),
		cmocka_unit_test(only_what_keeps_flows_has_something_to_stay_for),
		cmocka_unit_test(leaving_backend_stays_over_reloads_until_it_is_drained),
		cmocka_unit_test(leaving_backend_that_dies_goes_with_the_next_reload),
		cmocka_unit_test(leaving_backend_is_back_when_the_file_has_it_again),
		cmocka_unit_test(leaving_backend_whose_name_is_taken_goes_by_its_address),
		cmocka_unit_test(other_services_backends_leave_nowhere),
		cmocka_unit_test(leaving_backends_have_what_room_the_files_leave),
		cmocka_unit_test(backends_of_earlier_maps_leave_too),
		cmocka_unit_test(backends_of_earlier_maps_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
