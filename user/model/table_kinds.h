/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What table.c and the two kinds of table share, and what their tests check them against. Both
 * kinds get backends that have a weight, in the order of their addresses, and at least one.
 */
#ifndef LEAT_MODEL_TABLE_KINDS_H
#define LEAT_MODEL_TABLE_KINDS_H

#include "model/table.h"

/* All randomness of a table comes from here: it depends on nothing but the address and the seed. */
uint64_t table_hash_address(const struct leat_addr *address, uint64_t seed);
uint64_t table_weight_sum(const struct table_backend *backends, size_t count);

/* 0, or -ENOMEM with the slots untouched. */
int table_rendezvous_build(const struct table_backend *backends, size_t count, uint64_t seed,
			   uint16_t *slots, uint32_t size);
int table_maglev_build(const struct table_backend *backends, size_t count, uint64_t seed,
		       uint16_t *slots, uint32_t size);

#define TABLE_DISTANCE_BITS 48

/* 1 - u(slot, backend), in units of 2^-48. */
uint64_t table_rendezvous_distance(uint64_t hash, uint32_t slot);
/* -ln(1 - distance) of such a number, in the same unit; never less than the distance itself. */
uint64_t table_rendezvous_log(uint64_t distance);
/* The most slots that a backend may have: 1.05 times its share, rounded up. */
uint32_t table_rendezvous_room(uint32_t size, uint32_t weight, uint64_t weight_sum);

#endif
