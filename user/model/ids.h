/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hands out the small numbers that index the maps: lowest free first, so that what is in use stays
 * close together in memory.
 */
#ifndef LEAT_MODEL_IDS_H
#define LEAT_MODEL_IDS_H

#include <stdbool.h>
#include <stdint.h>

struct ids {
	uint64_t *used; /* a bit each */
	uint32_t first; /* ids run from first to limit - 1 */
	uint32_t limit;
	uint32_t count; /* in use */
};

/* 0 or -ENOMEM. */
int ids_init(struct ids *ids, uint32_t first, uint32_t limit);
void ids_deinit(struct ids *ids);
/* 0 with a free id, now taken; -ENOSPC when all are in use. */
int ids_take(struct ids *ids, uint32_t *ret_id);
/* Takes this very id. 0, -EEXIST or -ERANGE. */
int ids_take_this(struct ids *ids, uint32_t id);
void ids_give_back(struct ids *ids, uint32_t id);

#endif
