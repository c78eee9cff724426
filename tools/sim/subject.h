/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A way to balance: what picks a backend for a packet, and hears of the world's changes. One subject
 * stands for that way on all nodes.
 */
#ifndef LEAT_TOOLS_SIM_SUBJECT_H
#define LEAT_TOOLS_SIM_SUBJECT_H

#include "tools/sim/flow.h"
#include "tools/sim/world.h"

struct subject {
	const char *name;
	const struct subject_kind *kind;
	void *state;
	const struct subject *table; /* the one whose table it goes by; NULL: it has its own */
};

struct subject_kind {
	/* The number of the backend that a packet of this flow goes to, or 0. */
	uint32_t (*pick)(const struct subject *subject, const struct world *world,
			 const struct flow *flow, uint8_t tcp_flags);
	/* Backends, weights, seed or size have changed. 0 or -errno. */
	int (*change)(const struct subject *subject, const struct world *world);
	/* A node serves that knows nothing, or serves no more; NULL: nodes hold no state. */
	int (*join)(const struct subject *subject, const struct world *world, uint8_t node);
	void (*leave)(const struct subject *subject, uint8_t node);
	/* The last event that changed where an unknown packet of this flow goes. */
	uint16_t (*changed_by)(const struct subject *subject, const struct world *world,
			       const struct flow *flow);
	/* Fetches what the flow's next packet needs into the CPU's cache, in two steps; may be NULL. */
	void (*prefetch)(const struct subject *subject, const struct flow *flow, bool is_last);
	void (*free)(void *state);
};

void subject_deinit(struct subject *subject);

/* All of these return 0 or -ENOMEM. Before the first packet, a subject wants to hear of the world by
 * change() and of each node by join(). */

/* No memory of flows: tables alone. */
int subject_init_modulo(struct subject *subject);
int subject_init_maglev(struct subject *subject);
int subject_init_rendezvous(struct subject *subject);

/* A memory of `entries` flows a node, divided over its CPUs, each of which sees its own part alone. */
int subject_init_lru(struct subject *subject, const struct subject *table, uint32_t entries,
		     const struct world *world, uint32_t flows);

/* The daemon's modules over the datapath. `table` only tells what changed when. flow_buckets: of each
 * node's memory of flows, a power of two. */
int subject_init_leat(struct subject *subject, const struct subject *table, uint32_t flow_buckets,
		      const struct world *world);
/* Has every node's daemon do what it does once a second. 0 or -errno. */
int leat_settle(const struct subject *subject, const struct world *world);
/* Whether no node has an open slot, or a backend that is on its way out. */
bool leat_is_settled(const struct subject *subject);
uint32_t leat_count_open(const struct subject *subject);
/* Whether the flow's slot is open, on the node that it is sent to. */
bool leat_opens_flow(const struct subject *subject, const struct flow *flow);
/* What happened to memories of flows, on all nodes that there ever were. */
void leat_read_events(const struct subject *subject, uint64_t ret_events[LEAT_EVENT_COUNT]);

#endif
