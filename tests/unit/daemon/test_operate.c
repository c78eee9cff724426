/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/daemon.h"

#include <errno.h>

#include "tests/unit/sample_config.h"

/* One service whose last of two backends is no longer in the file. */
static int begin(void **state)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));

	assert_non_null(daemon);
	sample_adopt(&daemon->node, sample_config_of(IPPROTO_TCP, 2, 64));
	sample_find(daemon->node.services[0], 1)->is_leaving = true;
	*state = daemon;
	return 0;
}

static int end(void **state)
{
	struct daemon *daemon = *state;

	node_deinit(&daemon->node);
	free(daemon);
	return 0;
}

static void expect_refusal(struct daemon *daemon, const struct control_change *change, int result,
			   const char *text)
{
	cleanup(freep) char *error = NULL;

	assert_int_equal(daemon_change(daemon, change, &error), result);
	assert_string_equal(error, text);
}

static void a_backend_that_leaves_cannot_be_kept(void **state)
{
	static const enum control_verb verbs[] = { CONTROL_UNDRAIN, CONTROL_ENABLE,
						   CONTROL_WEIGHT };
	struct daemon *daemon = *state;
	struct backend *leaving = sample_find(daemon->node.services[0], 1);

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		expect_refusal(daemon,
			       &(struct control_change){
				       .verb = verbs[i], .backend = "backend1", .weight = 7 },
			       -EINVAL,
			       "service0/backend1 is no longer in the configuration and only stays "
			       "until its flows have ended; put it into the file again");
	assert_int_equal(leaving->operator_change.state, OPERATOR_NONE);
	assert_false(leaving->operator_change.has_weight);
}

static void what_is_not_there_is_named(void **state)
{
	expect_refusal(*state, &(struct control_change){ .backend = "backend2" }, -ENOENT,
		       "no service has a backend backend2");
	expect_refusal(*state,
		       &(struct control_change){ .backend = "backend2", .service = "service0" },
		       -ENOENT, "the service service0 has no backend backend2");
	expect_refusal(*state,
		       &(struct control_change){ .backend = "backend0", .service = "service1" },
		       -ENOENT, "there is no service service1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_backend_that_leaves_cannot_be_kept, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_named, begin, end),
	};

	log_set_sink(sample_keep_line);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
