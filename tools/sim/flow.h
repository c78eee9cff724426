/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients that open one flow after the other: a mix of short and of hour-long ones, each of which
 * speaks at least once per idle time. A flow says when it speaks next and with what; where its
 * packets go is others' business.
 */
#ifndef LEAT_TOOLS_SIM_FLOW_H
#define LEAT_TOOLS_SIM_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/sim/world.h"

#define FLOW_SUBJECTS 6

#define FLOW_FIN 0x01
#define FLOW_SYN 0x02
#define FLOW_ACK 0x10

enum flow_state {
	FLOW_NONE, /* its client waits */
	FLOW_OPENING,
	FLOW_OPEN,
	FLOW_ENDING, /* has sent FIN */
};

struct flow {
	uint64_t client; /* the lower half of its address, 2001:db8:2:: */
	uint64_t hash;	 /* under the world's seed */
	uint32_t ports;
	uint32_t route; /* how routers hash it */
	uint32_t index; /* among the population's */
	uint32_t ends_s;
	uint16_t pace_s; /* it never waits for longer */
	uint16_t generation;
	uint16_t own[FLOW_SUBJECTS]; /* the backend that it is on, by subject; 0: none any more */
	uint16_t moved;		     /* the last event that sent it to another node; 0: none */
	uint8_t node;
	uint8_t state;
	bool is_asleep; /* nobody looks at it, and it is never due */
} __attribute__((aligned(64)));

/* A second's flows. */
struct flow_due {
	uint32_t *flows;
	uint32_t count, room;
};

#define FLOW_WHEEL 1024 /* seconds; more than an idle time */

struct population {
	struct flow *flows;
	uint32_t count;
	uint64_t random;
	uint64_t opened;
	struct flow_due wheel[FLOW_WHEEL];
};

/* What a flow sends; is_first: it opens with this packet, which says what backend is its own. */
struct flow_packet {
	uint8_t tcp_flags;
	bool is_first;
};

/* 0 or -ENOMEM. */
int population_init(struct population *population, uint32_t count, uint64_t seed);
void population_deinit(struct population *population);

/* Puts all clients to sleep, where they are at first; or a flow that is due, instead of letting it speak. */
void population_sleep(struct population *population);
void population_sleep_one(struct flow *flow);
/*
 * Wakes those that sleep. They have gone on meanwhile: a flow that lasts until now is still there; other
 * clients are in the middle of another one, as at any time of an ordinary day, and open that by calling
 * `send`. Everybody speaks within an idle time from now.
 */
void population_wake(struct population *population, const struct world *world,
		     void (*send)(void *user, struct flow *flow, struct flow_packet packet),
		     void *user);

/* Those that speak in the present second; valid until they have. */
const struct flow_due *population_due(const struct population *population);
/* What a flow that is due sends now, and when it is due again. False: nothing. */
bool population_speak(struct population *population, const struct world *world, struct flow *flow,
		      struct flow_packet *ret_packet);
/* All that were due have spoken. */
void population_end_second(struct population *population);

struct leat_addr flow_source(const struct flow *flow);
void flow_rehash(struct flow *flow, const struct world *world);

#endif
