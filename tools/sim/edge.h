/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One simulated node's datapath: maps in memory (tools/host), and bpf/'s own C over them.
 */
#ifndef LEAT_TOOLS_SIM_EDGE_H
#define LEAT_TOOLS_SIM_EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/host/datapath.h"

/* flow_buckets: a power of two. 0 or -ENOMEM. */
int edge_init(struct datapath *edge, uint32_t flow_buckets, uint32_t cpus, uint64_t flow_key);

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
