/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a decision takes to reach the datapath: from the node that has changed to the maps that
 * packets see, tables built in between.
 */
#ifndef LEAT_TESTS_BENCH_CHANGES_H
#define LEAT_TESTS_BENCH_CHANGES_H

#include "tests/bench/results.h"

int bench_changes(struct results *results);

#endif
