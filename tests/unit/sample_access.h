/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A list of sources made by hand.
 */
#ifndef LEAT_TESTS_UNIT_SAMPLE_ACCESS_H
#define LEAT_TESTS_UNIT_SAMPLE_ACCESS_H

#include <assert.h>

#include "model/access_list.h"

/* Denies one prefix. */
static inline struct access_list *sample_access(const char *denied)
{
	struct access_builder builder = { 0 };
	struct access_list *list = NULL;
	struct prefix prefix = { 0 };
	int r = prefix_parse(denied, &prefix);

	assert(r == 0);
	access_builder_add(&builder, &prefix, LEAT_ACCESS_DENIED);
	r = access_builder_finish(&builder, false, &list);
	assert(r == 0);
	return list;
}

#endif
