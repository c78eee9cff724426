/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One simulated node's datapath: the maps as plain memory, and bpf/'s own C over them. Stands for
 * user/datapath; what the daemon's modules call of that, memory.c answers.
 */
#ifndef LEAT_TOOLS_SIM_EDGE_H
#define LEAT_TOOLS_SIM_EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "maps/layout.h"

/* An array map. One that is outer holds pointers to others, which are on the heap. */
struct edge_map {
	void *values;
	uint32_t value_size;
	uint32_t max_entries;
	bool is_outer;
	uint64_t *touched; /* a bit for each value that was looked up; NULL: nobody asks */
};

struct datapath {
	struct edge_map services, tables, clocks, orders; /* outer */
	struct edge_map flows, half_open, clients;
	struct edge_map backends, loads, policies, event_count, backend_count;
	struct edge_map cursors; /* of the CPU that a packet is on */
	uint32_t *all_cursors;	 /* of all CPUs, one after the other */
	uint32_t cpu;
	struct leat_options options;
	struct leat_memory memory;
	struct leat_service_entry service; /* the one there is, with the next swap */
};

/* flow_buckets: a power of two. 0 or -ENOMEM. */
int edge_init(struct datapath *edge, uint32_t flow_buckets, uint32_t cpus, uint64_t flow_key);
void edge_deinit(struct datapath *edge);

/* 0 or -ENOMEM; all values are zero. */
int edge_map_init(struct edge_map *map, uint32_t value_size, uint32_t max_entries);
void edge_map_deinit(struct edge_map *map);
void *edge_map_at(const struct edge_map *map, uint32_t index);

/* All that the datapath knows of a packet when it looks for a backend. */
struct edge_packet {
	struct leat_service_key service;
	struct leat_addr source;
	uint32_t ports;
	uint32_t cpu;
	uint8_t tcp_flags;
};

/* What a hash under the service's key finds. */
struct leat_slot edge_slot(const struct datapath *edge, uint64_t hash);
/* Fetches the slot of a hash under the service's key into the CPU's cache, and then what is in there. */
void edge_prefetch(const struct datapath *edge, uint64_t hash, bool is_last);
/* The id of the backend that the packet goes to, or 0. */
uint32_t edge_send(struct datapath *edge, const struct edge_packet *packet);

#endif
