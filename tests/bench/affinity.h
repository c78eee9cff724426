/* SPDX-License-Identifier: GPL-2.0-only */
/* Which core a thread runs on. */
#ifndef LEAT_TESTS_BENCH_AFFINITY_H
#define LEAT_TESTS_BENCH_AFFINITY_H

#include <stddef.h>

/* Up to `most` cores that this process may use. Their number, or -errno. */
int affinity_find(size_t *ret_cores, int most);
/* The calling thread's; 0 or -errno. */
int affinity_pin(size_t core);

#endif
