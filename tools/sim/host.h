/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bpf/ takes from libbpf and from bpf/maps.h, for the host. A map is a name there; whose map it
 * is says host_edge. For edge.c alone, which is one translation unit with the datapath.
 */
#ifndef LEAT_TOOLS_SIM_HOST_H
#define LEAT_TOOLS_SIM_HOST_H

#include <stddef.h>

#include "tools/sim/clock.h"
#include "tools/sim/edge.h"

/* Instead of these. */
#define __BPF_HELPERS__
#define LEAT_BPF_MAPS_H

#ifndef __noinline
#define __noinline __attribute__((__noinline__))
#endif
#define barrier_var(var) __asm__ volatile("" : "+r"(var))

static struct datapath *host_edge;
static struct leat_options options;
static struct leat_memory memory;
static struct leat_trace trace;

struct host_map {
	size_t offset; /* in struct datapath */
};

#define HOST_MAP(name) static const struct host_map name = { offsetof(struct datapath, name) }

HOST_MAP(services);
HOST_MAP(tables);
HOST_MAP(clocks);
HOST_MAP(orders);
HOST_MAP(flows);
HOST_MAP(half_open);
HOST_MAP(clients);
HOST_MAP(backends);
HOST_MAP(loads);
HOST_MAP(policies);
HOST_MAP(event_count);
HOST_MAP(cursors);

static inline void *host_lookup_inner(const void *inner, const void *key)
{
	const struct edge_map *map = inner;
	uint32_t index = *(const uint32_t *)key;
	void *value;

	if (index >= map->max_entries)
		return NULL;
	if (map->touched)
		map->touched[index / 64] |= UINT64_C(1) << index % 64;
	value = (char *)map->values + (size_t)index * map->value_size;
	return map->is_outer ? *(void **)value : value;
}

static inline void *host_lookup(const struct host_map *name, const void *key)
{
	return host_lookup_inner((const char *)host_edge + name->offset, key);
}

#define bpf_map_lookup_elem(map, key)                                                              \
	_Generic((map), const struct host_map * : host_lookup, void * : host_lookup_inner)(map, key)

static inline uint64_t bpf_ktime_get_coarse_ns(void)
{
	return clock_simulated_ns;
}

static inline uint32_t bpf_get_smp_processor_id(void)
{
	return host_edge->cpu;
}

#endif
