/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node of a few services that changes at random in every way that an operator, a file or a probe can
 * change it, and the images that follow it on toy maps.
 */
#ifndef LEAT_TESTS_UNIT_MODEL_WORLD_H
#define LEAT_TESTS_UNIT_MODEL_WORLD_H

#include "tests/unit/model/toy.h"

#define SERVICES 5
#define BACKENDS 6

struct world {
	struct toy *toy;
	struct node node;
	struct image_ids ids;
	struct image *images[SERVICES]; /* what the toy holds, by the index of the service */
	uint64_t random;
};

static inline uint64_t pick(struct world *world, uint64_t count)
{
	return sample_random(&world->random) % count;
}

/* Server ids of a configuration, which go around among the backends from one time to the next. */
static inline void set_random_quic(struct world *world, struct service_config *service)
{
	unsigned int config = (unsigned int)pick(world, LEAT_QUIC_CONFIGS);
	uint8_t turn = (uint8_t)pick(world, 3);

	sample_set_quic(service, config);
	for (size_t i = 0; i < service->backend_count; i++)
		service->backends[i].server_ids[config].bytes[0] += turn;
}

static inline void add_random_service(struct world *world, struct config *config, size_t index)
{
	/* Primes, for maglev. */
	static const uint32_t sizes[] = { 67, 67, 67, 101 };
	struct service_config *service = sample_add_service(
		config, index, index % 2 ? IPPROTO_UDP : IPPROTO_TCP, sizes[pick(world, 4)]);

	service->scheduler = pick(world, 2) ? LEAT_SCHEDULER_HASH
					    : (enum leat_scheduler)pick(world, 3);
	service->hash = pick(world, 8) ? LEAT_HASH_FLOW : LEAT_HASH_SOURCE;
	service->table = pick(world, 8) ? TABLE_RENDEZVOUS : TABLE_MAGLEV;
	service->forward = pick(world, 4) ? LEAT_FORWARD_IPIP : LEAT_FORWARD_L2;
	if (pick(world, 3) == 0)
		service->access = sample_access(pick(world, 2) ? "10.0.0.0/8" : "2001:db8::/32");
	service->tcp_idle_ms = pick(world, 4) ? LEAT_DEFAULT_TCP_IDLE_MS : LEAT_MIN_IDLE_MS;
	for (size_t i = 0; i < BACKENDS; i++) {
		if (pick(world, 4))
			sample_add_backend(service, i, (uint32_t)pick(world, 3) * 100);
	}
	for (unsigned int i = 0; service->key.protocol == IPPROTO_UDP && i < pick(world, 4); i++)
		set_random_quic(world, service);
}

static inline struct config *make_random_config(struct world *world)
{
	struct config *config = sample_config_new();

	config->seed += pick(world, 10) == 0;
	for (size_t i = 0; i < SERVICES; i++) {
		if (pick(world, 8))
			add_random_service(world, config, i);
	}
	return config;
}

static inline void change_random_backend(struct world *world, struct backend *backend)
{
	if (pick(world, 3) == 0)
		sample_set_health(backend, pick(world, 3));
	if (pick(world, 3) == 0)
		backend->operator_change.state =
			pick(world, 2) ? OPERATOR_NONE : (enum operator_state)pick(world, 3);
	if (pick(world, 3) == 0)
		backend->next_hop.state = pick(world, 2) ? NEXT_HOP_RESOLVED : NEXT_HOP_PENDING;
	if (pick(world, 3) == 0)
		backend->ramp_percent = (uint32_t)pick(world, 10) * 10 + 10;
}

static inline void change_random_backends(struct world *world)
{
	for (size_t i = 0; i < world->node.service_count; i++) {
		struct service *service = world->node.services[i];

		for (size_t j = 0; j < service->backend_count; j++)
			change_random_backend(world, service->backends[j]);
	}
}

static inline void change_node(struct world *world)
{
	if (pick(world, 2) || !world->node.config)
		sample_adopt_config(&world->node, make_random_config(world), pick(world, 2));
	if (pick(world, 2))
		change_random_backends(world);
}

static inline size_t service_index(const struct leat_service_key *key)
{
	return ntohl(key->address.words[3]) - ntohl(sample_service_address(0).words[3]);
}

static inline void build_images(struct world *world, struct plan_change changes[SERVICES])
{
	for (size_t i = 0; i < SERVICES; i++)
		changes[i] = (struct plan_change){ .before = world->images[i] };
	for (size_t i = 0; i < world->node.service_count; i++) {
		const struct service *service = world->node.services[i];
		struct plan_change *change = &changes[service_index(&service->config.key)];

		assert_int_equal(image_build(&world->node, service, change->before, &world->ids,
					     &change->after),
				 0);
	}
}

static inline void commit(struct world *world, const struct plan_change changes[SERVICES])
{
	for (size_t i = 0; i < SERVICES; i++) {
		if (changes[i].before) {
			image_retire(changes[i].before, changes[i].after, &world->ids);
			image_free(changes[i].before);
		}
		world->images[i] = changes[i].after;
	}
}

/* Services that are in neither are no part of a plan. */
static inline struct plan make_plan(const struct plan_change changes[SERVICES])
{
	struct plan_change real[SERVICES];
	struct plan plan;
	size_t count = 0;

	for (size_t i = 0; i < SERVICES; i++) {
		if (changes[i].before || changes[i].after)
			real[count++] = changes[i];
	}
	assert_int_equal(plan_make(real, count, &plan), 0);
	return plan;
}

static inline void carry_out_step(struct world *world, const struct plan *plan, size_t at)
{
	const struct plan_operation *operations = plan->operations;

	assert_true(at == 0 || operations[at - 1].step <= operations[at].step);
	toy_execute(world->toy, &operations[at]);
	toy_check_references(world->toy);
}

static inline void world_init(struct world *world, uint64_t seed)
{
	*world = (struct world){ .random = seed, .toy = toy_new() };
	assert_int_equal(image_ids_init(&world->ids), 0);
}

static inline void world_drop_images(struct world *world)
{
	for (size_t i = 0; i < SERVICES; i++) {
		if (world->images[i])
			image_free(world->images[i]);
		world->images[i] = NULL;
	}
	image_ids_deinit(&world->ids);
}

static inline void world_deinit(struct world *world)
{
	world_drop_images(world);
	toy_free(world->toy);
	node_deinit(&world->node);
}

#endif
