/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a table takes to build. Needs no privilege and no kernel.
 */
#ifndef LEAT_TESTS_BENCH_TABLE_H
#define LEAT_TESTS_BENCH_TABLE_H

#include "tests/bench/results.h"

int bench_tables(struct results *results);

#endif
