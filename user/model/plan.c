/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/plan.h"

#include <errno.h>
#include <string.h>

/* Counts when it has no room, so that one walk measures and a second one fills. */
struct builder {
	struct plan_operation *operations;
	size_t counts[PLAN_STEP_COUNT];
	bool touches_services;
};

static void add_operation(struct builder *builder, struct plan_operation operation)
{
	size_t at = builder->counts[operation.step]++;

	builder->touches_services |= operation.step == PLAN_SET_SERVICE ||
				     operation.step == PLAN_DELETE_SERVICE;
	if (builder->operations)
		builder->operations[at] = operation;
}

static bool forwards(const struct image_backend *backend)
{
	return backend->value.forward == LEAT_FORWARD_L2 ||
	       backend->value.forward == LEAT_FORWARD_IPIP;
}

static enum plan_step change_step(const struct image_backend *was, const struct image_backend *now)
{
	if (!was)
		return PLAN_ADD_BACKEND;
	return forwards(now) ? PLAN_SET_BACKEND : PLAN_CLEAR_BACKEND;
}

static void plan_backends(struct builder *builder, const struct image *before,
			  const struct image *after)
{
	for (size_t i = 0; i < after->backend_count; i++) {
		const struct image_backend *now = &after->backends[i];
		const struct image_backend *was = before ? image_find_backend(before, &now->address)
							 : NULL;
		struct plan_operation operation = { .image = after, .backend = now };

		if (was && memcmp(&was->value, &now->value, sizeof(now->value)) == 0)
			continue;
		operation.step = change_step(was, now);
		add_operation(builder, operation);
	}
}

static void plan_lost_backends(struct builder *builder, const struct image *before,
			       const struct image *after)
{
	for (size_t i = 0; i < before->backend_count; i++) {
		const struct image_backend *was = &before->backends[i];

		if (after && image_find_backend(after, &was->address))
			continue;
		add_operation(builder, (struct plan_operation){ .step = PLAN_DELETE_BACKEND,
								.image = before,
								.backend = was });
	}
}

static bool same_table(const struct image *a, const struct image *b)
{
	return a->value.table == b->value.table && a->value.table_size == b->value.table_size &&
	       memcmp(a->slots, b->slots, a->value.table_size * sizeof(a->slots[0])) == 0;
}

static bool opens_slots(const struct image *before, const struct image *after)
{
	bool is_comparable = before && before->value.table == after->value.table;

	for (uint32_t i = 0; i < after->value.table_size; i++) {
		if (slot_is_open(after->slots[i]) &&
		    !(is_comparable && slot_is_open(before->slots[i])))
			return true;
	}
	return false;
}

static void plan_change(struct builder *builder, const struct image *before,
			const struct image *after)
{
	if (after)
		plan_backends(builder, before, after);
	if (after && !(before && same_table(before, after)))
		add_operation(builder, (struct plan_operation){
					       .step = PLAN_SET_TABLE,
					       .image = after,
					       .opens_slots = opens_slots(before, after),
				       });
	if (after && !(before && memcmp(&before->value, &after->value, sizeof(after->value)) == 0))
		add_operation(builder, (struct plan_operation){ .step = PLAN_SET_SERVICE,
								.image = after,
								.is_new = !before });
	if (before && !after)
		add_operation(builder, (struct plan_operation){ .step = PLAN_DELETE_SERVICE,
								.image = before });
	if (before && !(after && after->value.table == before->value.table))
		add_operation(builder, (struct plan_operation){ .step = PLAN_DELETE_TABLE,
								.image = before });
	if (before)
		plan_lost_backends(builder, before, after);
}

static void plan_changes(struct builder *builder, const struct plan_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		plan_change(builder, changes[i].before, changes[i].after);
	if (builder->touches_services)
		add_operation(builder, (struct plan_operation){ .step = PLAN_SWAP_SERVICES });
}

int plan_make(const struct plan_change *changes, size_t count, struct plan *ret_plan)
{
	struct builder builder = { 0 };
	size_t starts[PLAN_STEP_COUNT], total = 0;

	plan_changes(&builder, changes, count);
	for (size_t step = 0; step < PLAN_STEP_COUNT; step++) {
		starts[step] = total;
		total += builder.counts[step];
	}
	builder.operations = calloc(total + 1, sizeof(*builder.operations));
	if (!builder.operations)
		return -ENOMEM;
	memcpy(builder.counts, starts, sizeof(starts));
	plan_changes(&builder, changes, count);
	*ret_plan = (struct plan){ .operations = builder.operations, .count = total };
	return 0;
}

void plan_deinit(struct plan *plan)
{
	free(plan->operations);
	*plan = (struct plan){ 0 };
}

const char *plan_step_name(enum plan_step step)
{
	static const char *const names[] = {
#define X(name, text) text,
		PLAN_STEPS(X)
#undef X
	};

	return names[step];
}
