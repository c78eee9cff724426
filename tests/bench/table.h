/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a table takes to build. Needs no privilege and no kernel.
 */
#ifndef LEAT_TESTS_BENCH_TABLE_H
#define LEAT_TESTS_BENCH_TABLE_H

#include "model/table.h"

/* The median of several builds from nothing; 0 when memory is short. For TABLE_MAGLEV the next
 * prime serves as the size. All weights are equal. */
uint64_t bench_table_build_ns(enum table_kind kind, size_t backends, uint32_t size);

#endif
