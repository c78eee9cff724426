/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the datapath's maps take of the kernel's memory, by the kernel's own account.
 */
#ifndef LEAT_TESTS_BENCH_MEMORY_H
#define LEAT_TESTS_BENCH_MEMORY_H

#include "tests/bench/results.h"

int bench_memory(struct results *results);

#endif
