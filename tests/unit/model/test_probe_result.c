/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/probe_result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void outcome_is_named_by_its_layer(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < PROBE_OUTCOME_COUNT; i++) {
		enum probe_layer layer = probe_outcome_layer(i);
		const char *code = probe_outcome_code(i);

		assert_true(layer < PROBE_LAYER_COUNT);
		if (layer != PROBE_LAYER_NONE && layer != PROBE_LAYER_INTERNAL)
			assert_int_equal(strncmp(code, probe_layer_name(layer), 2), 0);
		assert_true(strlen(probe_outcome_text(i)) > 0);
	}
}

static void only_ok_is_success(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < PROBE_OUTCOME_COUNT; i++)
		assert_int_equal(probe_outcome_layer(i) == PROBE_LAYER_NONE,
				 i == PROBE_L4OK || i == PROBE_L7OK);
}

static void layers_have_names_of_their_own(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < PROBE_LAYER_COUNT; i++) {
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(probe_layer_name(i), probe_layer_name(j));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcome_is_named_by_its_layer),
		cmocka_unit_test(only_ok_is_success),
		cmocka_unit_test(layers_have_names_of_their_own),
	};

	return cmocka_run_group_tests_name("probe_result", tests, NULL, NULL);
}
