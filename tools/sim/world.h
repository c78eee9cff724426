/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is true outside the balancers: which servers there are and live, what operators want of them,
 * which nodes routers send to, and what happened last. Every subject is told of the same world.
 */
#ifndef LEAT_TOOLS_SIM_WORLD_H
#define LEAT_TOOLS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "maps/layout.h"

#define WORLD_MAX_BACKENDS 4096 /* that there ever are; numbered from 1 */
#define WORLD_MAX_NODES	   8
#define WORLD_MAX_EVENTS   4096

/* X(NAME, "label") */
#define WORLD_EVENTS(X)                                                                            \
	X(DRAIN, "drain")                                                                          \
	X(UNDRAIN, "end of a drain")                                                               \
	X(WEIGHT, "weight")                                                                        \
	X(FAIL, "failure")                                                                         \
	X(RECOVER, "recovery")                                                                     \
	X(ADD, "addition")                                                                         \
	X(REMOVE, "removal")                                                                       \
	X(RESIZE, "table size")                                                                    \
	X(RESEED, "seed")                                                                          \
	X(LEAVE, "node leaves")                                                                    \
	X(JOIN, "node joins")                                                                      \
	X(RSS, "CPUs of a node")

enum world_event {
#define X(name, label) WORLD_##name,
	WORLD_EVENTS(X)
#undef X
		WORLD_EVENT_KINDS,
};

const char *world_event_label(enum world_event kind);

/* A backend that is removed is a server that nobody configures: it serves the flows that it has. */
struct world_backend {
	bool is_configured;
	bool is_up;
	uint16_t drained_by; /* the event; 0: it is not */
	uint16_t failed_by;
	uint32_t weight;
};

struct world {
	uint64_t random;
	struct world_backend backends[WORLD_MAX_BACKENDS];
	uint32_t backend_end; /* the first number that was never used */
	uint32_t least_backends;

	uint64_t seed; /* of the tables */
	uint32_t table_size;
	uint8_t protocol;
	uint8_t scheduler;
	uint32_t idle_s;
	bool imports_history; /* a node that joins, of Leat's, from one that serves */

	uint32_t node_count;
	bool serves[WORLD_MAX_NODES];
	uint64_t rss_key[WORLD_MAX_NODES]; /* how a node's packets find their CPU */
	uint16_t rss_by[WORLD_MAX_NODES];  /* the event that changed that last */
	uint32_t cpus;

	uint16_t event; /* the number of the last one */
	uint8_t kinds[WORLD_MAX_EVENTS];
};

/* 0: gets no new flows. */
uint32_t world_weight(const struct world *world, uint32_t backend);
/* The serving node that a router sends this hash to (hash-threshold, RFC 2992). */
uint8_t world_route(const struct world *world, uint32_t hash);
uint32_t world_cpu(const struct world *world, uint8_t node, uint64_t flow);

/* Backends are 2001:db8:1::1 and on; the service is 2001:db8::1, port 80. */
struct leat_addr world_backend_address(uint32_t backend);
uint32_t world_backend_number(const struct leat_addr *address);
struct leat_service_key world_service_key(const struct world *world);

#endif
