/* SPDX-License-Identifier: GPL-2.0-only */
/* Reloads in the background, one after the other, while packets are measured. */
#ifndef LEAT_TESTS_BENCH_RELOADS_H
#define LEAT_TESTS_BENCH_RELOADS_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/rehearsal.h"

/* Each changes a hundred services, none of which the packets are for. */
struct reloads {
	pthread_t thread;
	struct rehearsal *rehearsal;
	size_t core;
	atomic_uint done; /* so many have ended */
	atomic_bool stops;
	int result;
};

/* On `core`. 0 or -errno. */
int reloads_start(struct reloads *reloads, struct rehearsal *rehearsal, size_t core);
/* Waits for the one that runs. 0 or -errno of the first that failed. */
int reloads_stop(struct reloads *reloads);

#endif
