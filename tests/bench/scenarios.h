/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scenarios of packets, one a line.
 */
#ifndef LEAT_TESTS_BENCH_SCENARIOS_H
#define LEAT_TESTS_BENCH_SCENARIOS_H

#include "tests/bench/results.h"
#include "tests/bench/services.h"

/* Packets whose flow has not been seen before, in whatever number they are. */
#define NEVER_SEEN (UINT64_C(1) << 32)

enum subject {
	SUBJECT_WRAPPER,
	SUBJECT_FLOOR,
	SUBJECT_LINE, /* the floor, and a cache line for each flow */
	SUBJECT_LEAT,
};

struct scenario {
	const char *name;
	enum subject subject;
	const char *service;
	uint64_t flows; /* a power of two */
	uint8_t tcp_flags;
	uint32_t
		opened; /* so many of the flows begin, with a SYN and an ACK, before they are measured */
	unsigned int open_percent; /* of the service's slots that have to be open */
	int action;		   /* what has to come out of every packet */
	double target;		   /* of the ratio to the floor; 0: none */
};

const struct scenario *scenario_find(const char *name);

/* Measures all of them. 0 or -errno, with the cause on standard error. */
int bench_scenarios(struct results *results, struct rehearsal *rehearsals);

#endif
