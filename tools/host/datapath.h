/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The datapath's maps in plain memory, beside bpf/'s own C that is compiled for the host. Stands for
 * user/datapath: what the daemon's modules call of that, memory.c answers.
 */
#ifndef LEAT_TOOLS_HOST_DATAPATH_H
#define LEAT_TOOLS_HOST_DATAPATH_H

#include "datapath/datapath.h"
#include "tools/host/clock.h"
#include "tools/host/map.h"

/* Those of bpf/ that the datapath looks into, and no more. */
#define HOST_MAPS(X)                                                                               \
	X(services)                                                                                \
	X(tables)                                                                                  \
	X(backends)                                                                                \
	X(egress)                                                                                  \
	X(service_count)                                                                           \
	X(refusals)                                                                                \
	X(backend_count)                                                                           \
	X(reason_count)                                                                            \
	X(flows)                                                                                   \
	X(half_open)                                                                               \
	X(clients)                                                                                 \
	X(fragments)                                                                               \
	X(sources)                                                                                 \
	X(access_lists)                                                                            \
	X(answer_count)                                                                            \
	X(dissected)                                                                               \
	X(clocks)                                                                                  \
	X(quic_ids)                                                                                \
	X(policies)                                                                                \
	X(loads)                                                                                   \
	X(orders)                                                                                  \
	X(cursors)                                                                                 \
	X(event_count)                                                                             \
	X(nat_flows)                                                                               \
	X(nat_pool)                                                                                \
	X(nat_working)

struct datapath {
#define X(name) struct host_map name;
	HOST_MAPS(X)
#undef X
	uint32_t *all_cursors; /* of all CPUs, one after the other; `cursors` has one CPU's */
	struct leat_options options;
	struct leat_memory memory;
	struct leat_service_entry *services_next; /* with the next swap */
	size_t service_count_next;
};

/* As datapath_init() of tools/host/program.h makes it. */
void datapath_deinit(struct datapath *datapath);

/* The CPU that packets are on. */
extern uint32_t host_cpu;

#endif
