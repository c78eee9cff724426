/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens to a world, and when: operators work in bursts of about twenty changes, minutes apart;
 * what fails recovers, what is drained comes back, and a node that leaves joins again.
 */
#ifndef LEAT_TOOLS_SIM_EVENTS_H
#define LEAT_TOOLS_SIM_EVENTS_H

#include "tools/sim/world.h"

struct event {
	uint32_t at_s;
	enum world_event kind; /* WORLD_EVENT_KINDS: any, drawn when it is due */
	uint16_t group;	       /* the event that this one ends */
};

struct events {
	struct event list[WORLD_MAX_EVENTS];
	uint32_t count;
	uint32_t next;
};

/* `count` events over `days`, those that only end an earlier one included. */
void events_init(struct events *events, uint64_t *random, uint32_t count, double days);
/* When the next one is due; UINT32_MAX: there is none. */
uint32_t events_next_s(const struct events *events);

/*
 * What a change means to those who have to hear of it. A backend that dies takes its flows with it;
 * changed nodes mean that routers send elsewhere.
 */
struct event_effect {
	enum world_event kind;
	bool changes_tables;
	bool fails_backends; /* those with failed_by == world->event */
	uint8_t node;	     /* LEAVE, JOIN, RSS */
};

/* Lets the next one happen. False: nothing of its kind was possible. */
bool events_happen(struct events *events, struct world *world, struct event_effect *ret_effect);

#endif
