/* SPDX-License-Identifier: GPL-2.0-only */
/* A part of a table as the datapath reads it. */
#ifndef LEAT_MODEL_TABLE_PART_H
#define LEAT_MODEL_TABLE_PART_H

#include <stdint.h>

#include "maps/layout.h"

/* The slots of a table that lie in the part that begins with `first`. */
static inline uint32_t table_part_size(uint32_t table_size, uint32_t first)
{
	uint32_t left = table_size - first;

	return left < LEAT_PART_SLOTS ? left : LEAT_PART_SLOTS;
}

/* Fills a part that is all zeros with `size` slots. */
void table_part_fill(struct leat_table_part *part, const struct leat_slot *slots, uint32_t size);
/* The slots that a part was filled with. */
void table_part_read(const struct leat_table_part *part, struct leat_slot *slots, uint32_t size);

#endif
