/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/config_version.h"

#include "tests/unit/sample_config.h"

static void versions_count_upwards_and_the_oldest_are_forgotten(void **state)
{
	struct config_versions versions = { 0 };

	(void)state;
	assert_null(config_versions_running(&versions));
	assert_null(config_versions_previous(&versions));
	for (uint64_t i = 1; i <= 2 * CONFIG_VERSIONS_MAX; i++) {
		config_versions_add(&versions, CONFIG_BY_APPLY, i, 10, 1000 + i);
		assert_int_equal(config_versions_running(&versions)->number, i);
		if (i > 1)
			assert_int_equal(config_versions_previous(&versions)->number, i - 1);
	}
	assert_int_equal(versions.count, CONFIG_VERSIONS_MAX);
	assert_null(config_versions_find(&versions, CONFIG_VERSIONS_MAX));
	assert_int_equal(config_versions_find(&versions, CONFIG_VERSIONS_MAX + 1)->time_s,
			 1001 + CONFIG_VERSIONS_MAX);
}

static void version_is_meant_by_its_number_or_by_all_of_it(void **state)
{
	const struct config_version version = { .number = 12, .hash = 0x3fa9c2d100000000 };
	char text[CONFIG_VERSION_TEXT_SIZE];

	(void)state;
	assert_string_equal(config_version_format(&version, text), "12-3fa9c2d1");
	assert_string_equal(config_version_format(NULL, text), "none");
	assert_true(config_version_is(&version, "12-3fa9c2d1"));
	assert_true(config_version_is(&version, "12"));
	assert_false(config_version_is(&version, "1"));
	assert_false(config_version_is(&version, "12-"));
	assert_false(config_version_is(&version, "12-3fa9c2d"));
	assert_false(config_version_is(&version, "12-3fa9c2d11"));
	assert_false(config_version_is(&version, "13-3fa9c2d1"));
	assert_false(config_version_is(&version, ""));
	assert_false(config_version_is(NULL, "12"));
}

/* By the letters of their states: up, down, Down before the trial, unknown, drained, disabled. */
static uint32_t percent_of(const char *states, bool is_final)
{
	struct backend backends[8] = { 0 }, *pointers[8];
	struct service service = { .backends = pointers };

	for (; *states; states++) {
		struct backend *backend = &backends[service.backend_count];

		backend->config.weight = 100;
		backend->has_probe = true;
		backend->health = health_new(1, 1);
		backend->state_changed_s = *states == 'D' ? 99 : 100;
		if (*states == 'e')
			backend->operator_change.state = OPERATOR_DISABLE;
		else if (*states == 'r')
			backend->config.weight = 0;
		if (*states != '?')
			sample_set_health(backend, *states == 'u');
		pointers[service.backend_count++] = backend;
	}
	return service_healthy_percent(&service, 100, is_final);
}

static void healthy_are_those_that_are_up_of_those_that_should_be(void **state)
{
	(void)state;
	assert_int_equal(percent_of("", true), 100);
	assert_int_equal(percent_of("uu", false), 100);
	assert_int_equal(percent_of("uud", false), 66);
	assert_int_equal(percent_of("dd", false), 0);
	assert_int_equal(percent_of("ure", true), 100);
	assert_int_equal(percent_of("re", true), 100);
}

static void what_was_down_before_is_not_the_changes_fault(void **state)
{
	(void)state;
	assert_int_equal(percent_of("DDD", true), 100);
	assert_int_equal(percent_of("uD", true), 100);
	assert_int_equal(percent_of("dD", true), 0);
}

static void unknown_is_unhealthy_only_at_the_end(void **state)
{
	(void)state;
	assert_int_equal(percent_of("??", false), 100);
	assert_int_equal(percent_of("??", true), 0);
	assert_int_equal(percent_of("u?", false), 100);
	assert_int_equal(percent_of("u?", true), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_count_upwards_and_the_oldest_are_forgotten),
		cmocka_unit_test(version_is_meant_by_its_number_or_by_all_of_it),
		cmocka_unit_test(healthy_are_those_that_are_up_of_those_that_should_be),
		cmocka_unit_test(what_was_down_before_is_not_the_changes_fault),
		cmocka_unit_test(unknown_is_unhealthy_only_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
