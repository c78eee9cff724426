/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct health healthy(void)
{
	return health_restore(1, true, 1, 1);
}

static struct health failed(void)
{
	return health_restore(0, false, 1, 1);
}

static void backend_without_a_probe_is_up(void **state)
{
	struct backend backend = { .config.weight = 100, .ramp_percent = 100 };

	(void)state;
	assert_int_equal(backend_current_state(&backend), BACKEND_UP);
	assert_int_equal(backend_effective_weight(&backend), 100);
}

static void probed_backend_is_what_its_health_says(void **state)
{
	struct backend backend = { .config.weight = 100, .has_probe = true, .ramp_percent = 100 };

	(void)state;
	backend.health = health_new(2, 3);
	assert_int_equal(backend_current_state(&backend), BACKEND_UNKNOWN);
	assert_int_equal(backend_effective_weight(&backend), 0);
	backend.health = healthy();
	assert_int_equal(backend_current_state(&backend), BACKEND_UP);
	assert_int_equal(backend_effective_weight(&backend), 100);
	backend.health = failed();
	assert_int_equal(backend_current_state(&backend), BACKEND_DOWN);
	assert_int_equal(backend_effective_weight(&backend), 0);
}

static void weight_zero_drains_whoever_set_it(void **state)
{
	struct backend by_file = { .config.weight = 0 };
	struct backend by_operator = { .config.weight = 100,
				       .operator_change = { .has_weight = true, .weight = 0 } };

	(void)state;
	assert_int_equal(backend_current_state(&by_file), BACKEND_DRAINING);
	assert_int_equal(backend_current_state(&by_operator), BACKEND_DRAINING);
	assert_int_equal(backend_effective_weight(&by_operator), 0);
}

static void operators_weight_goes_before_the_files(void **state)
{
	struct backend backend = { .config.weight = 0,
				   .operator_change = { .has_weight = true, .weight = 7 },
				   .ramp_percent = 100 };

	(void)state;
	assert_int_equal(backend_wanted_weight(&backend), 7);
	assert_int_equal(backend_effective_weight(&backend), 7);
	assert_int_equal(backend_current_state(&backend), BACKEND_UP);
}

static void draining_goes_before_health_and_disabling_before_draining(void **state)
{
	struct backend backend = { .config.weight = 100, .has_probe = true, .health = failed() };

	(void)state;
	backend.operator_change.state = OPERATOR_DRAIN;
	assert_int_equal(backend_current_state(&backend), BACKEND_DRAINING);
	backend.config.weight = 0;
	backend.operator_change.state = OPERATOR_DISABLE;
	assert_int_equal(backend_current_state(&backend), BACKEND_DISABLED);
}

static void operators_drain_and_disable_take_the_weight_but_keep_the_wish(void **state)
{
	struct backend backend = { .config.weight = 100, .has_probe = true, .health = healthy() };

	(void)state;
	backend.operator_change.state = OPERATOR_DRAIN;
	assert_int_equal(backend_effective_weight(&backend), 0);
	assert_int_equal(backend_wanted_weight(&backend), 100);
	backend.operator_change.state = OPERATOR_DISABLE;
	assert_int_equal(backend_effective_weight(&backend), 0);
	assert_int_equal(backend_wanted_weight(&backend), 100);
}

static void backend_keeps_its_flows_unless_it_is_down_or_disabled(void **state)
{
	struct backend backend = { .config.weight = 100, .has_probe = true, .health = healthy() };

	(void)state;
	assert_true(backend_keeps_flows(&backend));
	backend.operator_change.state = OPERATOR_DRAIN;
	assert_true(backend_keeps_flows(&backend));
	backend.health = health_new(2, 3);
	assert_true(backend_keeps_flows(&backend));
	backend.health = failed();
	assert_false(backend_keeps_flows(&backend));
	backend.has_probe = false;
	assert_true(backend_keeps_flows(&backend));
	backend.operator_change.state = OPERATOR_DISABLE;
	assert_false(backend_keeps_flows(&backend));
}

static void backend_that_leaves_drains_whatever_else_it_is(void **state)
{
	struct backend backend = { .config.weight = 100,
				   .has_probe = true,
				   .health = healthy(),
				   .ramp_percent = 100,
				   .is_leaving = true };

	(void)state;
	assert_int_equal(backend_current_state(&backend), BACKEND_DRAINING);
	assert_int_equal(backend_effective_weight(&backend), 0);
	backend.health = failed();
	assert_int_equal(backend_current_state(&backend), BACKEND_DRAINING);
	backend.operator_change.state = OPERATOR_DISABLE;
	assert_int_equal(backend_current_state(&backend), BACKEND_DISABLED);
}

/* Rounded up: whoever has a weight gets flows. */
static void weight_is_a_part_of_what_is_wanted_while_it_starts_slowly(void **state)
{
	static const struct {
		uint32_t weight, percent, expected;
	} cases[] = {
		{ 100, 10, 10 },
		{ 100, 90, 90 },
		{ 100, 100, 100 },
		{ 1, 10, 1 },
		{ 15, 10, 2 },
		{ 7, 50, 4 },
		{ 0, 10, 0 },
		{ LEAT_MAX_WEIGHT, 10, 6554 },
		{ LEAT_MAX_WEIGHT, 100, LEAT_MAX_WEIGHT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct backend by_file = { .config.weight = cases[i].weight,
					   .ramp_percent = cases[i].percent };
		struct backend by_operator = by_file;

		assert_int_equal(backend_effective_weight(&by_file), cases[i].expected);
		assert_int_equal(backend_wanted_weight(&by_file), cases[i].weight);
		by_operator.config.weight = 1;
		by_operator.operator_change =
			(struct operator_change){ .has_weight = true, .weight = cases[i].weight };
		assert_int_equal(backend_effective_weight(&by_operator), cases[i].expected);
	}
}

static struct backend drained(void)
{
	return (struct backend){
		.config.weight = 100,
		.operator_change.state = OPERATOR_DRAIN,
		.ramp_percent = 100,
		.flows = { .is_counted = true, .since_us = 1 },
	};
}

static void backend_is_drained_when_nothing_is_on_its_way_to_it(void **state)
{
	struct backend backends[] = { drained(), drained(), drained(), drained(), drained() };

	(void)state;
	assert_true(backend_is_drained(&backends[0]));
	backends[0].operator_change.state = OPERATOR_NONE;
	backends[1].flows.live = 1;
	backends[2].flows.closing = 1;
	backends[3].flows.silent_s = 1;
	/* Counted by its scheduler, but not since it drains. */
	backends[4].flows.since_us = 0;
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		assert_false(backend_is_drained(&backends[i]));
}

/* Its flows have ended with it, whatever was counted last. */
static void backend_that_keeps_no_flow_is_drained(void **state)
{
	struct backend down = drained(), disabled = drained();

	(void)state;
	down.flows.live = disabled.flows.live = 7;
	down.has_probe = true;
	down.health = failed();
	disabled.operator_change.state = OPERATOR_DISABLE;
	assert_true(backend_is_drained(&down));
	assert_true(backend_is_drained(&disabled));
}

static void names_are_the_documented_ones(void **state)
{
	(void)state;
	assert_string_equal(backend_state_name(BACKEND_UP), "up");
	assert_string_equal(backend_state_name(BACKEND_DOWN), "down");
	assert_string_equal(backend_state_name(BACKEND_UNKNOWN), "unknown");
	assert_string_equal(backend_state_name(BACKEND_DRAINING), "draining");
	assert_string_equal(backend_state_name(BACKEND_DISABLED), "disabled");
	assert_string_equal(operator_state_name(OPERATOR_NONE), "none");
	assert_string_equal(operator_state_name(OPERATOR_DRAIN), "drain");
	assert_string_equal(operator_state_name(OPERATOR_DISABLE), "disable");
	assert_string_equal(next_hop_state_name(NEXT_HOP_PENDING), "pending");
	assert_string_equal(next_hop_state_name(NEXT_HOP_RESOLVED), "resolved");
	assert_string_equal(next_hop_state_name(NEXT_HOP_NO_ROUTE), "no_route");
	assert_string_equal(next_hop_state_name(NEXT_HOP_NO_NEIGHBOUR), "no_neighbour");
	assert_string_equal(next_hop_state_name(NEXT_HOP_LOCAL), "local");
}

static void next_hops_differ_in_any_field(void **state)
{
	const struct next_hop hop = { .state = NEXT_HOP_RESOLVED,
				      .ifindex = 2,
				      .mtu = 1500,
				      .dst_mac = { 2, 0, 0, 0, 0, 1 },
				      .src_mac = { 2, 0, 0, 0, 0, 2 } };
	struct next_hop others[] = { hop, hop, hop, hop, hop, hop };

	(void)state;
	assert_true(next_hop_equal(&hop, &others[0]));
	others[0].state = NEXT_HOP_PENDING;
	others[1].has_gateway = true;
	others[2].ifindex = 3;
	others[3].mtu = 9000;
	others[4].dst_mac[5] = 9;
	others[5].src_mac[0] = 6;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(next_hop_equal(&hop, &others[i]));
}

static void count_outcome(struct probe_stats *stats, enum probe_outcome outcome,
			  uint64_t duration_us)
{
	const struct probe_result result = { .outcome = outcome, .duration_us = duration_us };

	probe_stats_count(stats, &result);
}

static void probe_duration_goes_to_the_bucket_that_holds_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROBE_BUCKETS - 1; i++) {
		struct probe_stats stats = { 0 };

		count_outcome(&stats, PROBE_L7OK, probe_bucket_us[i]);
		assert_int_equal(stats.buckets[i], 1);
		count_outcome(&stats, PROBE_L7OK, probe_bucket_us[i] + 1);
		assert_int_equal(stats.buckets[i], 1);
		assert_int_equal(stats.buckets[i + 1], 1);
		assert_int_equal(stats.sum_us, 2 * probe_bucket_us[i] + 1);
	}
}

static void probe_buckets_rise(void **state)
{
	(void)state;
	for (size_t i = 1; i < PROBE_BUCKETS - 1; i++)
		assert_true(probe_bucket_us[i - 1] < probe_bucket_us[i]);
}

static void probe_failures_are_counted_by_layer_and_successes_are_not(void **state)
{
	struct probe_stats stats = { 0 };

	(void)state;
	count_outcome(&stats, PROBE_L4OK, 10);
	count_outcome(&stats, PROBE_L4TOUT, 800000);
	count_outcome(&stats, PROBE_L7STS, 20);
	count_outcome(&stats, PROBE_L7RSP, 30);
	assert_int_equal(stats.failures[PROBE_LAYER_NONE], 0);
	assert_int_equal(stats.failures[PROBE_LAYER_L4], 1);
	assert_int_equal(stats.failures[PROBE_LAYER_L7], 2);
	assert_int_equal(stats.buckets[0], 3);
	assert_int_equal(stats.sum_us, 800060);
}

static void probe_that_could_not_run_has_no_duration(void **state)
{
	static const uint64_t none[PROBE_BUCKETS];
	struct probe_stats stats = { 0 };

	(void)state;
	count_outcome(&stats, PROBE_INTERNAL, 10);
	assert_int_equal(stats.failures[PROBE_LAYER_INTERNAL], 1);
	assert_int_equal(stats.sum_us, 0);
	assert_memory_equal(stats.buckets, none, sizeof(none));
}

static struct backend *backend_named(struct service *service, const char *name)
{
	struct backend *backend = calloc(1, sizeof(*backend));

	assert_non_null(backend);
	strcpy(backend->config.name, name);
	backend->service = service;
	return backend;
}

/* With two backends, web1 and web2. */
static struct service *service_named(const char *name)
{
	struct service *service = calloc(1, sizeof(*service));

	assert_non_null(service);
	strcpy(service->config.name, name);
	service->backends = calloc(2, sizeof(*service->backends));
	assert_non_null(service->backends);
	service->backends[0] = backend_named(service, "web1");
	service->backends[1] = backend_named(service, "web2");
	service->backend_count = 2;
	return service;
}

/* With two services, web and dns. */
static struct node make_node(void)
{
	struct node node = { .service_count = 2, .config_path = strdup("leat.yaml") };

	node.config = calloc(1, sizeof(*node.config));
	node.services = calloc(2, sizeof(*node.services));
	assert_true(node.config && node.services);
	node.services[0] = service_named("web");
	node.services[1] = service_named("dns");
	return node;
}

static void services_and_backends_are_found_by_name(void **state)
{
	struct node node = make_node();
	struct service *dns = node_find_service(&node, "dns");

	(void)state;
	assert_ptr_equal(dns, node.services[1]);
	assert_ptr_equal(service_find_backend(dns, "web2"), dns->backends[1]);
	assert_null(node_find_service(&node, "dn"));
	assert_null(service_find_backend(dns, "web"));
	node_deinit(&node);
}

static void a_name_is_that_of_a_backend_that_stays_before_one_that_leaves(void **state)
{
	struct node node = make_node();
	struct service *dns = node.services[1];

	(void)state;
	strcpy(dns->backends[1]->config.name, dns->backends[0]->config.name);
	dns->backends[0]->is_leaving = true;
	assert_ptr_equal(service_find_backend(dns, dns->backends[0]->config.name),
			 dns->backends[1]);
	dns->backends[1]->is_leaving = true;
	assert_ptr_equal(service_find_backend(dns, dns->backends[0]->config.name),
			 dns->backends[0]);
	node_deinit(&node);
}

static void node_can_be_released_at_any_stage_and_twice(void **state)
{
	struct node node = make_node(), half_built = { .config_path = strdup("leat.yaml") };

	(void)state;
	node_deinit(&node);
	node_deinit(&node);
	node_deinit(&half_built);
	assert_null(node.services);
	assert_null(half_built.config_path);
}

static void share_is_the_part_of_the_services_table(void **state)
{
	struct service service = { .config.table_size = 65536 };
	struct backend backend = { .service = &service, .slots = 16384 };

	(void)state;
	assert_true(backend_share(&backend) == 0.25);
	backend.slots = 0;
	assert_true(backend_share(&backend) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backend_without_a_probe_is_up),
		cmocka_unit_test(probed_backend_is_what_its_health_says),
		cmocka_unit_test(weight_zero_drains_whoever_set_it),
		cmocka_unit_test(operators_weight_goes_before_the_files),
		cmocka_unit_test(draining_goes_before_health_and_disabling_before_draining),
		cmocka_unit_test(operators_drain_and_disable_take_the_weight_but_keep_the_wish),
		cmocka_unit_test(backend_keeps_its_flows_unless_it_is_down_or_disabled),
		cmocka_unit_test(backend_that_leaves_drains_whatever_else_it_is),
		cmocka_unit_test(weight_is_a_part_of_what_is_wanted_while_it_starts_slowly),
		cmocka_unit_test(backend_is_drained_when_nothing_is_on_its_way_to_it),
		cmocka_unit_test(backend_that_keeps_no_flow_is_drained),
		cmocka_unit_test(names_are_the_documented_ones),
		cmocka_unit_test(next_hops_differ_in_any_field),
		cmocka_unit_test(probe_duration_goes_to_the_bucket_that_holds_it),
		cmocka_unit_test(probe_buckets_rise),
		cmocka_unit_test(probe_failures_are_counted_by_layer_and_successes_are_not),
		cmocka_unit_test(probe_that_could_not_run_has_no_duration),
		cmocka_unit_test(services_and_backends_are_found_by_name),
		cmocka_unit_test(a_name_is_that_of_a_backend_that_stays_before_one_that_leaves),
		cmocka_unit_test(node_can_be_released_at_any_stage_and_twice),
		cmocka_unit_test(share_is_the_part_of_the_services_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
