/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How evenly schedulers spread flows over backends of mixed weights: round robin by the flows that it
 * opens, least connections by those that live, beside the hash under the same flows.
 */
#ifndef LEAT_TOOLS_SIM_SPREAD_H
#define LEAT_TOOLS_SIM_SPREAD_H

#include <stdint.h>

struct spread_options {
	uint32_t flows;	 /* at a time, for least connections */
	uint32_t opened; /* by round robin, one after the other */
	uint32_t backends;
	uint32_t minutes; /* that live flows are looked at */
	uint64_t seed;
};

/* Of flows per weight: the largest over the mean. */
struct spread_live {
	double worst;	/* at any minute */
	double typical; /* the mean of all minutes */
};

struct spread_result {
	/* The largest deviation of what a backend got from what it should have, relative to that. */
	double round_robin;
	double hash_opened;
	struct spread_live least_connections;
	struct spread_live hash;
};

/* 0 or -errno. */
int spread_run(const struct spread_options *options, struct spread_result *ret_result);

#endif
