/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/memory.h"

#define PAGE	  4096
/* Of a rule in a trie: the kernel's node, the prefix behind it, and the value. */
#define TRIE_NODE 64

/* A map that is memory-mapped has whole pages. */
static uint64_t pages(uint64_t size)
{
	return (size + PAGE - 1) / PAGE * PAGE;
}

static uint64_t table(uint32_t size)
{
	return LEAT_TABLE_PARTS((uint64_t)size) * pages(sizeof(struct leat_table_part));
}

uint64_t memory_of_image(const struct image *image)
{
	uint32_t size = image->value.lookup.size;
	uint64_t sum = table(size) + table(image->value.former.size);

	if (image->open_count)
		sum += pages(LEAT_TABLE_LINES((uint64_t)size) * sizeof(struct leat_clock));
	if (image->order)
		sum += LEAT_ORDER_LINES((uint64_t)image->order_size) *
		       sizeof(struct leat_order_line);
	if (image->access)
		sum += image->access->count * TRIE_NODE;
	return sum;
}
