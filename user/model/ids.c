/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/ids.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"

static uint64_t id_bit(uint32_t id)
{
	return UINT64_C(1) << (id % 64);
}

int ids_init(struct ids *ids, uint32_t first, uint32_t limit)
{
	uint64_t *used = calloc((limit + 63) / 64, sizeof(*used));

	if (!used)
		return -ENOMEM;
	*ids = (struct ids){ .used = used, .first = first, .limit = limit };
	return 0;
}

void ids_deinit(struct ids *ids)
{
	free(ids->used);
	*ids = (struct ids){ 0 };
}

static void ids_mark(struct ids *ids, uint32_t id)
{
	ids->used[id / 64] |= id_bit(id);
	ids->count++;
}

int ids_take(struct ids *ids, uint32_t *ret_id)
{
	for (uint32_t id = ids->first; id < ids->limit; id++) {
		if (ids->used[id / 64] == UINT64_MAX) {
			id |= 63;
			continue;
		}
		if (!(ids->used[id / 64] & id_bit(id))) {
			ids_mark(ids, id);
			*ret_id = id;
			return 0;
		}
	}
	return -ENOSPC;
}

int ids_take_this(struct ids *ids, uint32_t id)
{
	if (id < ids->first || id >= ids->limit)
		return -ERANGE;
	if (ids->used[id / 64] & id_bit(id))
		return -EEXIST;
	ids_mark(ids, id);
	return 0;
}

void ids_give_back(struct ids *ids, uint32_t id)
{
	assert(id >= ids->first && id < ids->limit && (ids->used[id / 64] & id_bit(id)));
	ids->used[id / 64] &= ~id_bit(id);
	ids->count--;
}
