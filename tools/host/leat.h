/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leat's datapath compiled for the host, for the one source of a program that includes this.
 */
#ifndef LEAT_TOOLS_HOST_LEAT_H
#define LEAT_TOOLS_HOST_LEAT_H

#include <errno.h>
#include <stdlib.h>

#include "tools/host/program.h"

/* clang-format off: the pragmas have no semicolons */
HOST_BEGIN_BPF
/* What is set before load there is set at any time here. */
#define const
#include "bpf/maps.h"
#undef const
#include "bpf/balance.h"
HOST_END_BPF
/* clang-format on */

static inline int datapath_init_maps(struct datapath *datapath, uint32_t flow_buckets)
{
	struct host_map descriptions[] = {
#define X(name) HOST_DESCRIBE(name),
		HOST_MAPS(X)
#undef X
	};
	const struct host_map *description = descriptions;
	int r = 0;

	for (size_t i = 0; i < sizeof(descriptions) / sizeof(descriptions[0]); i++) {
		if (strcmp(descriptions[i].name, "flows") == 0)
			descriptions[i].max_entries = flow_buckets;
	}
#define X(name) r |= host_map_init(&datapath->name, description++);
	HOST_MAPS(X)
#undef X
	return r;
}

/* flow_buckets: a power of two. 0 or -ENOMEM. */
static inline int datapath_init(struct datapath *datapath, uint32_t flow_buckets, uint32_t cpus,
				uint64_t flow_key)
{
	int r;

	*datapath = (struct datapath){
		.memory = { .flow_key = flow_key, .flow_mask = flow_buckets - 1 },
	};
	r = datapath_init_maps(datapath, flow_buckets);
	r |= host_map_watch(&datapath->flows);
	r |= host_map_watch(&datapath->half_open);
	r |= host_map_watch(&datapath->clients);
	free(datapath->cursors.values);
	datapath->cursors.values = NULL;
	datapath->all_cursors = calloc((size_t)LEAT_MAX_SERVICES * cpus, sizeof(uint32_t));
	if (r == 0 && datapath->all_cursors)
		return 0;
	datapath_deinit(datapath);
	return -ENOMEM;
}

/* Whose maps and options the program has, and on which CPU, until the next call. */
static inline void datapath_enter(struct datapath *datapath, uint32_t cpu)
{
#define X(name) HOST_BIND(name, &datapath->name);
	HOST_MAPS(X)
#undef X
	options = datapath->options;
	memory = datapath->memory;
	host_cpu = cpu;
	datapath->cursors.values = datapath->all_cursors + (size_t)cpu * LEAT_MAX_SERVICES;
}

#endif
