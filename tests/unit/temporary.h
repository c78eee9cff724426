/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A directory of the test's own, which goes with all that is in it.
 */
#ifndef LEAT_TESTS_UNIT_TEMPORARY_H
#define LEAT_TESTS_UNIT_TEMPORARY_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka needs the ones above first. */
#include <cmocka.h>

#define TEMPORARY_SIZE 64

static inline void temporary_make(char directory[TEMPORARY_SIZE])
{
	snprintf(directory, TEMPORARY_SIZE, "/tmp/leat-t-%d-unit-XXXXXX", getpid());
	assert_non_null(mkdtemp(directory));
}

static inline int temporary_remove_entry(const char *path, const struct stat *status, int type,
					 struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

/* It may be gone already. */
static inline void temporary_remove(const char *directory)
{
	nftw(directory, temporary_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
