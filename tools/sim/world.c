/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/sim/world.h"

#include <arpa/inet.h>

#include "maps/hash.h"

#define PREFIX 0x20010db8

const char *world_event_label(enum world_event kind)
{
	static const char *const labels[] = {
#define X(name, label) label,
		WORLD_EVENTS(X)
#undef X
	};

	return labels[kind];
}

uint32_t world_weight(const struct world *world, uint32_t backend)
{
	const struct world_backend *b = &world->backends[backend];

	return b->is_configured && b->is_up && !b->drained_by ? b->weight : 0;
}

uint8_t world_route(const struct world *world, uint32_t hash)
{
	uint8_t serving[WORLD_MAX_NODES];
	uint32_t count = 0;

	for (uint8_t node = 0; node < world->node_count; node++) {
		if (world->serves[node])
			serving[count++] = node;
	}
	return serving[((uint64_t)hash * count) >> 32];
}

uint32_t world_cpu(const struct world *world, uint8_t node, uint64_t flow)
{
	uint64_t hash = leat_mix(flow ^ world->rss_key[node]);

	return (uint32_t)(((hash >> 32) * world->cpus) >> 32);
}

struct leat_addr world_backend_address(uint32_t backend)
{
	return (struct leat_addr){ .words = { htonl(PREFIX), htonl(0x10000), 0, htonl(backend) } };
}

uint32_t world_backend_number(const struct leat_addr *address)
{
	return ntohl(address->words[3]);
}

struct leat_service_key world_service_key(const struct world *world)
{
	return (struct leat_service_key){
		.address = { .words = { htonl(PREFIX), 0, 0, htonl(1) } },
		.port = htons(80),
		.protocol = world->protocol,
	};
}
