/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "model/table_kinds.h"

uint64_t table_hash_address(const struct leat_addr *address, uint64_t seed)
{
	return XXH64(address->bytes, sizeof(address->bytes), seed);
}

uint64_t table_weight_sum(const struct table_backend *backends, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += backends[i].weight;
	return sum;
}

static int compare_addresses(const void *a, const void *b)
{
	const struct table_backend *first = a, *second = b;

	return address_compare(&first->address, &second->address);
}

/* Keeps the backends that have a weight, in an order that owes nothing to the configuration's. */
static size_t select_backends(const struct table_backend *backends, size_t count,
			      struct table_backend *ret_selected)
{
	size_t selected = 0;

	for (size_t i = 0; i < count; i++) {
		if (backends[i].weight > 0)
			ret_selected[selected++] = backends[i];
	}
	qsort(ret_selected, selected, sizeof(*ret_selected), compare_addresses);
	return selected;
}

int table_build(enum table_kind kind, const struct table_backend *backends, size_t count,
		uint64_t seed, uint16_t *slots, uint32_t size)
{
	cleanup(freep) struct table_backend *selected = NULL;

	assert(count <= LEAT_MAX_SERVICE_BACKENDS);
	/* One more than needed: calloc() may answer NULL for none. */
	selected = calloc(count + 1, sizeof(*selected));
	if (!selected)
		return -ENOMEM;
	count = select_backends(backends, count, selected);
	if (count == 0) {
		memset(slots, 0, size * sizeof(*slots));
		return 0;
	}
	if (kind == TABLE_MAGLEV)
		return table_maglev_build(selected, count, seed, slots, size);
	return table_rendezvous_build(selected, count, seed, slots, size);
}
