/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A service's table: which backend each slot of the hash belongs to. A pure function of the
 * backends' addresses, weights, the seed and the size, whatever order the backends come in, so that
 * every node of a fleet builds the same one with nothing exchanged.
 */
#ifndef LEAT_MODEL_TABLE_H
#define LEAT_MODEL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "model/config.h"

struct table_backend {
	struct leat_addr address;
	uint32_t weight; /* 0: gets no slot */
	uint16_t id;	 /* what its slots hold; not 0 */
};

/*
 * Fills slots[0..size-1] with backends' ids, or with 0 when no backend has a weight. Addresses must
 * differ. For TABLE_MAGLEV, size must be prime (table_maglev_size()).
 * 0, or -ENOMEM with the slots untouched.
 */
int table_build(enum table_kind kind, const struct table_backend *backends, size_t count,
		uint64_t seed, uint16_t *slots, uint32_t size);

/* The smallest prime that is not below size. */
uint32_t table_maglev_size(uint32_t size);

#endif
