/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/scenarios.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "tests/bench/run.h"
#include "tests/bench/timing.h"

#define ROUNDS 61 /* odd, for the median */
#define SYN    0x02
#define ACK    0x10
#define LEAT   SUBJECT_LEAT
#define FLOOR  1 /* index of the scenario that the others relate to */

static const struct scenario scenarios[] = {
	{ "wrapper", SUBJECT_WRAPPER, "tcp4", 1, ACK, .action = XDP_PASS },
	{ "floor", SUBJECT_FLOOR, "tcp4", 1, ACK, .action = XDP_TX },
	{ "line-16M", SUBJECT_LINE, "tcp4", 1 << 18, ACK, .action = XDP_TX },
	{ "line-64M", SUBJECT_LINE, "tcp4", 1 << 20, ACK, .action = XDP_TX },
	{ "tcp4-1", LEAT, "tcp4", 1, ACK, .action = XDP_TX, .target = 2.2 },
	{ "tcp4-16k", LEAT, "tcp4", 1 << 14, ACK, .action = XDP_TX },
	{ "tcp4-128k", LEAT, "tcp4", 1 << 17, ACK, .action = XDP_TX },
	{ "tcp4-1M", LEAT, "tcp4", 1 << 20, ACK, .action = XDP_TX, .target = 2.6 },
	{ "tcp6-1M", LEAT, "tcp6", 1 << 20, ACK, .action = XDP_TX, .target = 3.0 },
	{ "udp4-128k", LEAT, "udp4", 1 << 17, 0, .action = XDP_TX },
	{ "udp4-1M", LEAT, "udp4", 1 << 20, 0, .action = XDP_TX, .target = 2.6 },
	{ "quic4-1M", LEAT, "quic4", 1 << 20, 0, .action = XDP_TX },
	{ "allow4-1M", LEAT, "allow", 1 << 20, ACK, .action = XDP_TX },
	{ "rate4-new", LEAT, "rate", NEVER_SEEN, SYN, .action = XDP_TX },
	{ "syn4-new", LEAT, "tcp4", NEVER_SEEN, SYN, .action = XDP_TX, .target = 2.6 },
	{ "ack4-unknown", LEAT, "tcp4", NEVER_SEEN, ACK, .action = XDP_TX, .target = 2.6 },
	{ "services-100", LEAT, "many", 1 << 20, ACK, .action = XDP_TX, .target = 6 },
	{ "open-1M", LEAT, "open", 1 << 20, ACK, .opened = 1 << 19, .open_percent = 5,
	  .action = XDP_TX, .target = 6 },
	{ "rr-16k", LEAT, "rr", 1 << 14, ACK, .opened = 1 << 14, .action = XDP_TX },
	{ "rr-128k", LEAT, "rr", 1 << 17, ACK, .opened = 1 << 17, .action = XDP_TX },
	{ "rr-256k", LEAT, "rr", 1 << 18, ACK, .opened = 1 << 18, .action = XDP_TX },
	{ "rr-1M", LEAT, "rr", 1 << 20, ACK, .opened = 1 << 20, .action = XDP_TX, .target = 10 },
	{ "lc-1M", LEAT, "lc", 1 << 20, ACK, .opened = 1 << 20, .action = XDP_TX, .target = 10 },
	{ "flood-open", LEAT, "flood", NEVER_SEEN, SYN, .open_percent = 100, .action = XDP_TX },
	{ "pass4", LEAT, "nobody", 1, ACK, .action = XDP_PASS, .target = 1.3 },
};

const struct scenario *scenario_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	}
	return NULL;
}

struct measurement {
	struct run run;
	double ns[ROUNDS];
	double floor_ns[ROUNDS]; /* of the floor, each just before */
};

static int prepare(struct rehearsal *rehearsals, struct measurement *measurements)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		int r = run_open(&measurements[i].run, rehearsals, &scenarios[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int measure_round(struct measurement *measurements, size_t round)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		struct measurement *m = &measurements[i];
		int r = run_packets(&measurements[FLOOR].run, &m->floor_ns[round]);

		if (r == 0)
			r = run_packets(&m->run, &m->ns[round]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Round by round, so that a slow spell of the machine hits all scenarios alike. */
static int measure(struct measurement *measurements)
{
	int r = 0;

	for (size_t round = 0; r == 0 && round < ROUNDS; round++)
		r = measure_round(measurements, round);
	return r;
}

static void report_all(struct results *results, const struct measurement *measurements)
{
	results_section(results, "SCENARIO", "ns");
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		const double *ns = measurements[i].ns;
		struct result row = {
			.value = timing_median(ns, ROUNDS),
			.least = timing_least(ns, ROUNDS),
			.ratio = timing_median_ratio(ns, measurements[i].floor_ns, ROUNDS),
			.target = scenarios[i].target,
		};

		snprintf(row.name, sizeof(row.name), "%s", scenarios[i].name);
		results_add(results, &row);
	}
}

int bench_scenarios(struct results *results, struct rehearsal *rehearsals)
{
	cleanup(freep) struct measurement *measurements =
		calloc(ARRAY_SIZE(scenarios), sizeof(*measurements));
	int r = measurements ? prepare(rehearsals, measurements) : -ENOMEM;

	if (r == 0)
		r = measure(measurements);
	if (r == 0)
		report_all(results, measurements);
	for (size_t i = 0; measurements && i < ARRAY_SIZE(scenarios); i++)
		run_close(&measurements[i].run);
	return r;
}
