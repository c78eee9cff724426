/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A configuration as text, and what is said of it.
 */
#ifndef LEAT_TESTS_UNIT_CONFIG_EXPECT_H
#define LEAT_TESTS_UNIT_CONFIG_EXPECT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the ones above first. */
#include <cmocka.h>

#include "config/config_file.h"

/* The caller frees it. */
static inline struct config *parse_good(const char *text)
{
	struct config_errors errors;
	struct config *config = NULL;
	int r = config_file_parse("f", text, strlen(text), &config, &errors);
	cleanup(freep) char *shown = config_errors_format(&errors);

	config_errors_deinit(&errors);
	assert_string_equal(shown, "");
	assert_int_equal(r, 0);
	assert_non_null(config);
	return config;
}

/* All of them, a line each. */
static inline void expect_errors_of(const char *text, size_t size, const char *expected)
{
	struct config_errors errors;
	struct config *config = NULL;
	int r = config_file_parse("f", text, size, &config, &errors);
	cleanup(freep) char *shown = config_errors_format(&errors);

	config_errors_deinit(&errors);
	assert_null(config);
	assert_string_equal(shown, expected);
	assert_int_equal(r, -EINVAL);
}

static inline void expect_errors(const char *text, const char *expected)
{
	expect_errors_of(text, strlen(text), expected);
}

#endif
