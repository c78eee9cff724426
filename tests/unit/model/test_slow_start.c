/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/slow_start.h"

#include "tests/unit/sample_config.h"

#define RAMP_MS 30000
#define NOW_S	UINT64_C(1700000000)

static void weight_grows_in_equal_steps_from_a_tenth_to_all_of_it(void **state)
{
	uint32_t last = 0, steps = 0;

	(void)state;
	for (uint64_t elapsed_ms = 0; elapsed_ms <= RAMP_MS; elapsed_ms++) {
		uint32_t percent = slow_start_percent(elapsed_ms, RAMP_MS);

		if (percent == last)
			continue;
		assert_int_equal(percent, last + 100 / SLOW_START_STEPS);
		last = percent;
		steps++;
	}
	assert_int_equal(last, 100);
	assert_int_equal(steps, SLOW_START_STEPS);
}

static void last_step_is_at_the_end_and_not_before(void **state)
{
	static const uint32_t times_ms[] = { 1000, 1001, 9, RAMP_MS, 3600000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times_ms); i++) {
		assert_int_equal(slow_start_percent(0, times_ms[i]), 10);
		assert_int_equal(slow_start_percent(times_ms[i] - 1, times_ms[i]), 90);
		assert_int_equal(slow_start_percent(times_ms[i], times_ms[i]), 100);
		assert_int_equal(slow_start_percent(UINT64_MAX, times_ms[i]), 100);
	}
}

static void percentage_never_falls_and_is_always_in_its_bounds(void **state)
{
	uint64_t random = sample_seed();

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint32_t ramp_ms = (uint32_t)(sample_random(&random) % 3600000);
		uint64_t earlier = sample_random(&random) % 4000000;
		uint64_t later = earlier + sample_random(&random) % 4000000;

		assert_in_range(slow_start_percent(earlier, ramp_ms), 10, 100);
		assert_true(slow_start_percent(earlier, ramp_ms) <=
			    slow_start_percent(later, ramp_ms));
	}
}

static void without_a_slow_start_all_of_the_weight_is_there_at_once(void **state)
{
	(void)state;
	assert_int_equal(slow_start_percent(0, 0), 100);
}

/* A service with two backends that are up for longer than they started slowly. */
static void begin(struct node *node)
{
	struct config *config = sample_config_of(IPPROTO_TCP, 2, 64);

	*node = (struct node){ 0 };
	config->services[0].slow_start_ms = RAMP_MS;
	sample_adopt(node, config);
	for (size_t i = 0; i < 2; i++) {
		sample_find(node->services[0], i)->state = BACKEND_UP;
		sample_find(node->services[0], i)->state_changed_s = NOW_S - 1000;
	}
}

static bool applies(const struct node *node)
{
	return slow_start_applies(sample_find(node->services[0], 0), NOW_S);
}

static void backend_starts_slowly_beside_one_that_carries_all_of_its_weight(void **state)
{
	struct node node;

	(void)state;
	begin(&node);
	assert_true(applies(&node));
	/* From the very second on. */
	sample_find(node.services[0], 1)->state_changed_s = NOW_S - RAMP_MS / 1000;
	assert_true(applies(&node));
	node_deinit(&node);
}

static void backend_starts_at_once_where_the_service_does_not_ask_for_more(void **state)
{
	struct node node;

	(void)state;
	begin(&node);
	node.services[0]->config.slow_start_ms = 0;
	assert_false(applies(&node));
	node_deinit(&node);
}

static void backend_that_is_alone_starts_at_once(void **state)
{
	struct config *config = sample_config_of(IPPROTO_TCP, 1, 64);
	struct node node = { 0 };

	(void)state;
	config->services[0].slow_start_ms = RAMP_MS;
	sample_adopt(&node, config);
	sample_find(node.services[0], 0)->state = BACKEND_UP;
	sample_find(node.services[0], 0)->state_changed_s = NOW_S - 1000;
	assert_false(applies(&node));
	node_deinit(&node);
}

/* Where all come up together there is nobody to take the load meanwhile. */
static void backend_starts_at_once_where_no_other_could_carry_the_load(void **state)
{
	struct backend *other;
	struct node node;

	(void)state;
	begin(&node);
	other = sample_find(node.services[0], 1);
	for (enum backend_state wrong = BACKEND_DOWN; wrong < BACKEND_STATE_COUNT; wrong++) {
		other->state = wrong;
		assert_false(applies(&node));
	}
	other->state = BACKEND_UP;
	other->ramp_percent = 90;
	assert_false(applies(&node));
	other->ramp_percent = 100;
	other->state_changed_s = NOW_S - RAMP_MS / 1000 + 1;
	assert_false(applies(&node));
	/* The clock was set back. */
	other->state_changed_s = NOW_S + 1000;
	assert_false(applies(&node));
	node_deinit(&node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weight_grows_in_equal_steps_from_a_tenth_to_all_of_it),
		cmocka_unit_test(last_step_is_at_the_end_and_not_before),
		cmocka_unit_test(percentage_never_falls_and_is_always_in_its_bounds),
		cmocka_unit_test(without_a_slow_start_all_of_the_weight_is_there_at_once),
		cmocka_unit_test(backend_starts_slowly_beside_one_that_carries_all_of_its_weight),
		cmocka_unit_test(backend_starts_at_once_where_the_service_does_not_ask_for_more),
		cmocka_unit_test(backend_that_is_alone_starts_at_once),
		cmocka_unit_test(backend_starts_at_once_where_no_other_could_carry_the_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
