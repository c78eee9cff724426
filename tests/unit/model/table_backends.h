/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Backends for the tests of tables: 198.51.100.1 and on, with ids from 1 in the same order.
 */
#ifndef LEAT_TESTS_UNIT_MODEL_TABLE_BACKENDS_H
#define LEAT_TESTS_UNIT_MODEL_TABLE_BACKENDS_H

#include <arpa/inet.h>

#include "model/table_kinds.h"

#define SLOTS	     65536
#define MAX_SLOTS    (LEAT_MAX_TABLE_SIZE + 128)
#define MAX_BACKENDS 256

static inline struct table_backend backend_at(size_t index, uint32_t weight)
{
	struct in_addr in = { .s_addr = htonl(0xc6336401 + (uint32_t)index) };

	return (struct table_backend){
		.address = address_from_ipv4(in),
		.weight = weight,
		.id = (uint16_t)(index + 1),
	};
}

static inline void make_equal_backends(struct table_backend *backends, size_t count)
{
	for (size_t i = 0; i < count; i++)
		backends[i] = backend_at(i, CONFIG_DEFAULT_WEIGHT);
}

/* Numbers that depend on nothing but the state, which the test prints as its seed. */
static inline uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return leat_mix(*state);
}

static inline void make_random_backends(struct table_backend *backends, size_t count,
					uint32_t max_weight, uint64_t seed)
{
	for (size_t i = 0; i < count; i++)
		backends[i] = backend_at(i, (uint32_t)(next_random(&seed) % max_weight) + 1);
}

static inline uint32_t count_slots(const uint16_t *slots, uint32_t size, uint16_t id)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < size; i++)
		held += slots[i] == id;
	return held;
}

#endif
