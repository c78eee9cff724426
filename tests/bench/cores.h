/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two cores at once over the same maps, against each of them alone.
 */
#ifndef LEAT_TESTS_BENCH_CORES_H
#define LEAT_TESTS_BENCH_CORES_H

#include "tests/bench/results.h"
#include "tests/bench/services.h"

/* 0 also where there are no two cores, with a line that says so. Otherwise 0 or -errno. */
int bench_cores(struct results *results, struct rehearsal *rehearsals);

#endif
