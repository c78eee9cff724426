/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Subjects that remember nothing: hash modulo the number of backends, and a table of slots that every
 * node computes by itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "model/table.h"
#include "tools/sim/subject.h"

struct table {
	enum table_kind kind;
	bool is_modulo; /* slots are the backends themselves */
	uint64_t seed;
	uint32_t size;
	uint16_t *slots;
	uint16_t *changed_by; /* by slot */
};

void subject_deinit(struct subject *subject)
{
	if (subject->state)
		subject->kind->free(subject->state);
	subject->state = NULL;
}

static void table_free(void *state)
{
	struct table *table = state;

	free(table->slots);
	free(table->changed_by);
	free(table);
}

static uint32_t table_slot(const struct table *table, const struct flow *flow)
{
	return table->is_modulo ? (uint32_t)((flow->hash >> 32) % table->size)
				: leat_hash_slot(flow->hash, table->size);
}

static uint32_t table_pick(const struct subject *subject, const struct world *world,
			   const struct flow *flow, uint8_t tcp_flags)
{
	const struct table *table = subject->state;

	(void)world;
	(void)tcp_flags;
	return table->slots[table_slot(table, flow)];
}

static uint16_t table_changed_by(const struct subject *subject, const struct world *world,
				 const struct flow *flow)
{
	const struct table *table = subject->state;

	(void)world;
	return table->changed_by[table_slot(table, flow)];
}

static int fill_modulo(const struct world *world, uint16_t *slots, uint32_t *ret_size)
{
	uint32_t size = 0;

	for (uint32_t i = 1; i < world->backend_end; i++) {
		if (world_weight(world, i))
			slots[size++] = (uint16_t)i;
	}
	*ret_size = size;
	return 0;
}

static int fill_table(const struct table *table, const struct world *world, uint16_t *slots)
{
	cleanup(freep) struct table_backend *inputs = calloc(world->backend_end, sizeof(*inputs));
	size_t count = 0;

	if (!inputs)
		return -ENOMEM;
	for (uint32_t i = 1; i < world->backend_end; i++) {
		if (world->backends[i].is_configured)
			inputs[count++] = (struct table_backend){
				.address = world_backend_address(i),
				.weight = world_weight(world, i),
				.id = (uint16_t)i,
			};
	}
	return table_build(table->kind, inputs, count, world->seed, slots, world->table_size);
}

/* Another seed or size leaves no slot what it was. */
static void note_changes(struct table *table, const struct world *world, const uint16_t *slots,
			 uint32_t size)
{
	bool is_same = table->seed == world->seed && table->size == size;

	for (uint32_t i = 0; i < size; i++) {
		if (!is_same || slots[i] != table->slots[i])
			table->changed_by[i] = world->event;
	}
}

static int table_change(const struct subject *subject, const struct world *world)
{
	struct table *table = subject->state;
	uint32_t size = table->is_modulo ? WORLD_MAX_BACKENDS : world->table_size;
	cleanup(freep) uint16_t *slots = calloc(size, sizeof(*slots));
	uint16_t *changed_by = realloc(table->changed_by, size * sizeof(*changed_by));
	int r;

	if (changed_by)
		table->changed_by = changed_by;
	if (!changed_by || !slots)
		return -ENOMEM;
	r = table->is_modulo ? fill_modulo(world, slots, &size) : fill_table(table, world, slots);
	if (r < 0)
		return r;
	note_changes(table, world, slots, size);
	free(table->slots);
	table->slots = take_ptr(slots);
	table->size = size;
	table->seed = world->seed;
	return 0;
}

static int table_init(struct subject *subject, const char *name, const struct table *made)
{
	static const struct subject_kind kind = {
		.pick = table_pick,
		.change = table_change,
		.changed_by = table_changed_by,
		.free = table_free,
	};
	struct table *table = malloc(sizeof(*table));

	if (!table)
		return -ENOMEM;
	*table = *made;
	*subject = (struct subject){ .name = name, .kind = &kind, .state = table };
	return 0;
}

int subject_init_modulo(struct subject *subject)
{
	return table_init(subject, "hash modulo n", &(struct table){ .is_modulo = true });
}

int subject_init_maglev(struct subject *subject)
{
	return table_init(subject, "maglev", &(struct table){ .kind = TABLE_MAGLEV });
}

int subject_init_rendezvous(struct subject *subject)
{
	return table_init(subject, "rendezvous", &(struct table){ .kind = TABLE_RENDEZVOUS });
}
