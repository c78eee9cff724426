/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One scenario's program, with a sequence of flows of its own, over the maps of a rehearsal.
 */
#ifndef LEAT_TESTS_BENCH_RUN_H
#define LEAT_TESTS_BENCH_RUN_H

#include "tests/bench/frame.h"
#include "tests/bench/scenarios.h"

struct bench_bpf;

struct run {
	const struct scenario *scenario;
	struct bench_bpf *program; /* NULL: not open */
	struct frame frame;
};

/* Opens the scenario's flows too. 0 or -errno; run_close() in either case. */
int run_open(struct run *run, struct rehearsal *rehearsals, const struct scenario *scenario);
void run_close(struct run *run);

/* Goes on somewhere else in the sequence of flows. */
void run_skip(struct run *run, uint32_t turns);

/* Sends a run of packets (marks.h); nanoseconds for each. 0; -EINVAL: something else came out than has to;
 * other -errno. */
int run_packets(struct run *run, double *ret_ns);

#endif
