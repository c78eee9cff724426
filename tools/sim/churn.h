/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows, nodes and events under every subject at once, and how many flows each of them breaks: a packet
 * went to another backend than its flow's, although that lives.
 */
#ifndef LEAT_TOOLS_SIM_CHURN_H
#define LEAT_TOOLS_SIM_CHURN_H

#include <stdio.h>

#include "tools/sim/flow.h"
#include "tools/sim/world.h"

struct churn_options {
	uint32_t flows;
	uint32_t backends;
	uint32_t nodes;
	uint32_t events;
	double days;
	uint64_t seed;
	uint32_t settle_s; /* how often a daemon looks after its flows */
	uint32_t flow_buckets;
	uint8_t scheduler;
	uint8_t protocol;
	bool imports_history; /* by Leat's nodes that join */
	uint32_t explain;     /* how many of Leat's broken flows to describe on standard error */
};

struct churn_subject {
	char name[32];
	uint64_t broken[WORLD_EVENT_KINDS]; /* by the kind of event that did it */
	uint64_t total;
	uint64_t moved; /* of these, flows that routers had sent to another node */
	uint64_t died;	/* with their backend; not broken */
};

/* After how many days how many were broken; one for each event. */
struct churn_point {
	double day;
	uint64_t broken[FLOW_SUBJECTS];
};

struct churn_result {
	struct churn_subject subjects[FLOW_SUBJECTS];
	uint32_t happened[WORLD_EVENT_KINDS];
	struct churn_point *points;
	uint32_t point_count;
	uint64_t opened;  /* flows */
	uint64_t packets; /* in the simulated time */
	uint64_t reroutes;
	double simulated_h; /* of all days; nothing was open in the rest */
	double quiet_h;	    /* of these, hours in which only flows in open slots were looked at */
	uint32_t most_open; /* slots, of all nodes */
	uint64_t memory[LEAT_EVENT_COUNT];
};

/* 0 or -errno. */
int churn_run(const struct churn_options *options, struct churn_result *ret_result);
void churn_result_deinit(struct churn_result *result);

#endif
