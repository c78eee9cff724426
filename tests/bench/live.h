/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames over a veth pair to a counting sink, with Leat and with a bare encapsulation in turn.
 */
#ifndef LEAT_TESTS_BENCH_LIVE_H
#define LEAT_TESTS_BENCH_LIVE_H

#include "tests/bench/results.h"
#include "tests/bench/services.h"

/* In a network namespace of its own, which goes away with it. 0 or -errno. */
int bench_live(struct results *results, struct rehearsal *rehearsals);

#endif
