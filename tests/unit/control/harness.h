/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control API over a sample node, on a socket in a directory of its own.
 */
#ifndef LEAT_TESTS_UNIT_CONTROL_HARNESS_H
#define LEAT_TESTS_UNIT_CONTROL_HARNESS_H

#include "control/control.h"
#include "tests/unit/http_client.h"
#include "tests/unit/sample_node.h"

struct harness {
	struct sample_node sample;
	sd_event *event;
	struct control *control; /* NULL: the test has ended it */
	char folder[64];
};

/* `user` gets the operations. */
static inline void harness_begin(struct harness *harness,
				 const struct control_operations *operations, void *user)
{
	sample_node_init(&harness->sample);
	strcpy(harness->folder, "/tmp/leat-test-control-XXXXXX");
	assert_non_null(mkdtemp(harness->folder));
	snprintf(harness->sample.socket, sizeof(harness->sample.socket), "%s/leat.sock",
		 harness->folder);
	assert_int_equal(sd_event_new(&harness->event), 0);
	assert_int_equal(control_new(&harness->control, harness->event, &harness->sample.config,
				     &harness->sample.node, operations, user),
			 0);
}

static inline void harness_end(struct harness *harness)
{
	if (harness->control)
		control_free(harness->control);
	sd_event_unref(harness->event);
	assert_int_equal(rmdir(harness->folder), 0);
}

#endif
