/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/sim/edge.h"

#include "tools/host/leat.h"

int edge_init(struct datapath *edge, uint32_t flow_buckets, uint32_t cpus, uint64_t flow_key)
{
	return datapath_init(edge, flow_buckets, cpus, flow_key);
}

/* The part of the table that a hash's slot is in, and where it is in there. */
static const struct leat_table_part *find_part(const struct datapath *edge, uint64_t hash,
					       uint32_t *ret_at)
{
	const struct leat_lookup *lookup = &edge->services_next[0].value.lookup;
	uint32_t slot = leat_hash_slot(hash, lookup->size);
	struct host_map *const *map =
		host_map_at(&edge->tables, leat_part_index(lookup->table, slot));

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
		__builtin_prefetch(host_map_at(&edge->backends, part_slot(part, at).current));
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
	struct leat_counter *counter = host_map_at(&edge->backend_count, backend);

	counter->packets++;
}

uint32_t edge_send(struct datapath *edge, const struct edge_packet *packet)
{
	uint32_t backend;

	datapath_enter(edge, packet->cpu);
	backend = pick(packet);
	if (backend)
		count_packet(edge, backend);
	return backend;
}
