/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/sim/host.h"

/* The datapath's warnings are for the compiler that it is made for. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Waddress-of-packed-member"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "bpf/service.h"
#pragma GCC diagnostic pop

#include <errno.h>
#include <stdlib.h>

int edge_map_init(struct edge_map *map, uint32_t value_size, uint32_t max_entries)
{
	*map = (struct edge_map){ .value_size = value_size, .max_entries = max_entries };
	map->values = calloc(max_entries, value_size);
	return map->values ? 0 : -ENOMEM;
}

static int outer_init(struct edge_map *map, uint32_t max_entries)
{
	int r = edge_map_init(map, sizeof(struct edge_map *), max_entries);

	map->is_outer = true;
	return r;
}

static int buckets_init(struct edge_map *map, uint32_t buckets)
{
	int r = edge_map_init(map, sizeof(struct leat_bucket), buckets);

	map->touched = calloc((buckets + 63) / 64, sizeof(*map->touched));
	return map->touched ? r : -ENOMEM;
}

void *edge_map_at(const struct edge_map *map, uint32_t index)
{
	return (char *)map->values + (size_t)index * map->value_size;
}

static void free_inner_maps(const struct edge_map *map)
{
	struct edge_map **inner = map->values;

	for (uint32_t i = 0; i < map->max_entries; i++) {
		if (inner[i])
			edge_map_deinit(inner[i]);
		free(inner[i]);
	}
}

void edge_map_deinit(struct edge_map *map)
{
	if (map->is_outer && map->values)
		free_inner_maps(map);
	free(map->values);
	free(map->touched);
	*map = (struct edge_map){ 0 };
}

int edge_init(struct datapath *edge, uint32_t flow_buckets, uint32_t cpus, uint64_t flow_key)
{
	int r = 0;

	*edge = (struct datapath){
		.memory = { .flow_key = flow_key, .flow_mask = flow_buckets - 1 },
	};
	r |= outer_init(&edge->services, 1);
	r |= outer_init(&edge->tables, LEAT_MAX_PARTS);
	r |= outer_init(&edge->clocks, LEAT_MAX_TABLES);
	r |= outer_init(&edge->orders, LEAT_MAX_SERVICES);
	r |= buckets_init(&edge->flows, flow_buckets);
	r |= buckets_init(&edge->half_open, LEAT_HALF_OPEN_BUCKETS);
	r |= buckets_init(&edge->clients, LEAT_CLIENT_BUCKETS);
	r |= edge_map_init(&edge->backends, sizeof(struct leat_backend), LEAT_MAX_BACKENDS);
	r |= edge_map_init(&edge->loads, sizeof(struct leat_load), LEAT_MAX_BACKENDS);
	r |= edge_map_init(&edge->policies, sizeof(struct leat_policy), LEAT_MAX_SERVICES);
	r |= edge_map_init(&edge->event_count, sizeof(uint64_t), LEAT_EVENT_COUNT);
	r |= edge_map_init(&edge->backend_count, sizeof(struct leat_counter), LEAT_MAX_BACKENDS);
	edge->cursors.value_size = sizeof(uint32_t);
	edge->cursors.max_entries = LEAT_MAX_SERVICES;
	edge->all_cursors = calloc((size_t)LEAT_MAX_SERVICES * cpus, sizeof(uint32_t));
	if (r == 0 && edge->all_cursors)
		return 0;
	edge_deinit(edge);
	return -ENOMEM;
}

void edge_deinit(struct datapath *edge)
{
	struct edge_map *maps[] = {
		&edge->services, &edge->tables,	   &edge->clocks,      &edge->orders,
		&edge->flows,	 &edge->half_open, &edge->clients,     &edge->backends,
		&edge->loads,	 &edge->policies,  &edge->event_count, &edge->backend_count,
	};

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		edge_map_deinit(maps[i]);
	free(edge->all_cursors);
	edge->all_cursors = NULL;
}

/* The part of the table that a hash's slot is in, and where it is in there. */
static const struct leat_table_part *find_part(const struct datapath *edge, uint64_t hash,
					       uint32_t *ret_at)
{
	const struct leat_lookup *lookup = &edge->service.value.lookup;
	uint32_t slot = leat_hash_slot(hash, lookup->size);
	struct edge_map *const *map =
		edge_map_at(&edge->tables, leat_part_index(lookup->table, slot));

	*ret_at = slot % LEAT_PART_SLOTS;
	return (*map)->values;
}

struct leat_slot edge_slot(const struct datapath *edge, uint64_t hash)
{
	uint32_t at;
	const struct leat_table_part *part = find_part(edge, hash, &at);

	return part_slot(part, at);
}

void edge_prefetch(const struct datapath *edge, uint64_t hash, bool is_last)
{
	uint32_t at;
	const struct leat_table_part *part = find_part(edge, hash, &at);

	if (is_last)
		__builtin_prefetch(edge_map_at(&edge->backends, part_slot(part, at).current));
	else if (part->is_packed)
		__builtin_prefetch(&part->closed[at / 2]);
	else
		__builtin_prefetch(&part->slots[at]);
}

static uint32_t pick(const struct edge_packet *packet)
{
	struct packet p = {
		.service_key = packet->service,
		.source = packet->source,
		.ports = packet->ports,
		.tcp_flags = packet->tcp_flags,
	};
	const struct leat_service *service = service_find(&p);
	const struct leat_backend *backend;
	uint32_t id;

	if (!service || service_pick(service, &p, &id, &backend) < 0)
		return 0;
	return backend->forward == LEAT_FORWARD_L2 ? id : 0;
}

static void count_packet(const struct datapath *edge, uint32_t backend)
{
	struct leat_counter *counter = edge_map_at(&edge->backend_count, backend);

	counter->packets++;
}

uint32_t edge_send(struct datapath *edge, const struct edge_packet *packet)
{
	uint32_t backend;

	host_edge = edge;
	options = edge->options;
	memory = edge->memory;
	edge->cpu = packet->cpu;
	edge->cursors.values = edge->all_cursors + (size_t)packet->cpu * LEAT_MAX_SERVICES;
	backend = pick(packet);
	if (backend)
		count_packet(edge, backend);
	return backend;
}
