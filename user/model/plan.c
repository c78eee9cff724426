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
	return backend->value.forward != LEAT_FORWARD_NONE &&
	       backend->value.forward != LEAT_FORWARD_UNRESOLVED;
}

/* One that comes back without a next hop has its slots, too. */
static enum plan_step change_step(const struct image_backend *was, const struct image_backend *now)
{
	if (!was)
		return PLAN_ADD_BACKEND;
	return forwards(now) || was->value.forward == LEAT_FORWARD_NONE ? PLAN_SET_BACKEND
									: PLAN_CLEAR_BACKEND;
}

static bool same_load(const struct image_backend *a, const struct image_backend *b)
{
	return a->load.weight == b->load.weight && a->load.flags == b->load.flags;
}

static void plan_backend(struct builder *builder, const struct image *after,
			 const struct image_backend *was, const struct image_backend *now)
{
	struct plan_operation operation = { .image = after, .backend = now };

	if (!was || memcmp(&was->value, &now->value, sizeof(now->value)) != 0) {
		operation.step = change_step(was, now);
		add_operation(builder, operation);
	}
	if (!was || !same_load(was, now)) {
		operation.step = PLAN_SET_LOAD;
		add_operation(builder, operation);
	}
}

static void plan_backends(struct builder *builder, const struct image *before,
			  const struct image *after)
{
	for (size_t i = 0; i < after->backend_count; i++) {
		const struct image_backend *now = &after->backends[i];

		plan_backend(builder, after,
			     before ? image_find_backend(before, &now->address) : NULL, now);
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

static const struct image_quic_id *quic_id_at(const struct image *image, size_t index)
{
	return image && index < image->quic_id_count ? &image->quic_ids[index] : NULL;
}

static void plan_quic_id(struct builder *builder, enum plan_step step,
			 const struct image_quic_id *quic_id)
{
	add_operation(builder, (struct plan_operation){ .step = step, .quic_id = quic_id });
}

/* A walk over both, which are in one order. An id that goes over to another backend is set, not deleted. */
static void plan_quic_ids(struct builder *builder, const struct image *before,
			  const struct image *after)
{
	const struct image_quic_id *was = quic_id_at(before, 0), *now = quic_id_at(after, 0);

	for (size_t i = 0, j = 0; was || now;
	     was = quic_id_at(before, i), now = quic_id_at(after, j)) {
		int order = was && now ? image_compare_quic_ids(was, now) : was ? -1 : 1;

		if (order < 0)
			plan_quic_id(builder, PLAN_DELETE_QUIC_ID, was);
		else if (order > 0 || was->backend != now->backend)
			plan_quic_id(builder, PLAN_SET_QUIC_ID, now);
		i += order <= 0;
		j += order >= 0;
	}
}

static bool has_table(const struct image *image, uint16_t table)
{
	return image && (image->value.lookup.table == table ||
			 (image->value.former.size && image->value.former.table == table));
}

static bool same_table(const struct image *a, const struct image *b)
{
	return image_is_comparable(a, b) &&
	       memcmp(a->slots, b->slots, a->value.lookup.size * sizeof(a->slots[0])) == 0;
}

static bool starts_clocks(const struct image *before, const struct image *after)
{
	for (uint32_t i = 0; i < after->value.lookup.size; i++) {
		if (image_opens_slot(before, after, i) || image_moves_slot(before, after, i))
			return true;
	}
	return false;
}

/* In the map; an image that was read back from maps does not hold it. */
static bool has_order(const struct image *image)
{
	return image->value.scheduler == LEAT_SCHEDULER_ROUND_ROBIN;
}

static bool same_order(const struct image *a, const struct image *b)
{
	return a && a->order && a->order_size == b->order_size &&
	       memcmp(a->order, b->order, a->order_size * sizeof(*a->order)) == 0;
}

/* A former table that comes from another node: no service had it before. */
static bool brings_former(const struct image *before, const struct image *after)
{
	return after->former_slots && !has_table(before, after->value.former.table);
}

/* What the map holds for the former table: before this change, that may have been the service's own. */
static bool former_differs(const struct image *before, const struct image *after)
{
	const struct leat_slot *was;

	if (!after->former_slots || !before || brings_former(before, after))
		return false;
	was = before->value.lookup.table == after->value.former.table ? before->slots
								      : before->former_slots;
	for (uint32_t i = 0; i < after->value.former.size; i++) {
		if ((was[i].previous ^ after->former_slots[i].previous) & LEAT_SLOT_BACKEND)
			return true;
	}
	return false;
}

static void add_step(struct builder *builder, enum plan_step step, const struct image *image,
		     uint16_t table)
{
	add_operation(builder,
		      (struct plan_operation){ .step = step, .image = image, .table = table });
}

static void plan_slots(struct builder *builder, const struct image *before,
		       const struct image *after)
{
	uint16_t table = after->value.lookup.table;

	if (same_table(before, after))
		return;
	if (starts_clocks(before, after))
		add_operation(builder, (struct plan_operation){ .step = PLAN_START_CLOCKS,
								.image = after,
								.before = before,
								.table = table });
	add_step(builder, PLAN_SET_TABLE, after, table);
}

static void plan_table(struct builder *builder, const struct image *before,
		       const struct image *after)
{
	plan_slots(builder, before, after);
	if (brings_former(before, after))
		add_step(builder, PLAN_SET_TABLE, after, after->value.former.table);
	if (after->order && !same_order(before, after))
		add_step(builder, PLAN_SET_ORDER, after, after->value.lookup.table);
	if (former_differs(before, after))
		add_step(builder, PLAN_SET_FORMER, after, after->value.former.table);
}

static void plan_service(struct builder *builder, const struct image *before,
			 const struct image *after)
{
	if (!before || memcmp(&before->policy, &after->policy, sizeof(after->policy)) != 0)
		add_step(builder, PLAN_SET_POLICY, after, 0);
	if (after->access && !(before && access_list_equal(before->access, after->access)))
		add_step(builder, PLAN_SET_ACCESS, after, 0);
	if (!before || memcmp(&before->value, &after->value, sizeof(after->value)) != 0)
		add_operation(builder, (struct plan_operation){ .step = PLAN_SET_SERVICE,
								.image = after,
								.is_new = !before });
}

static void plan_lost_table(struct builder *builder, const struct image *before,
			    const struct image *after, uint16_t table)
{
	if (!has_table(after, table))
		add_step(builder, PLAN_DELETE_TABLE, before, table);
}

static void plan_lost(struct builder *builder, const struct image *before,
		      const struct image *after)
{
	uint16_t table = before->value.lookup.table;
	bool keeps_clocks = after && after->value.lookup.table == table && after->open_count;

	if (!after)
		add_step(builder, PLAN_DELETE_SERVICE, before, 0);
	if (before->has_access && !(after && after->has_access))
		add_step(builder, PLAN_DELETE_ACCESS, before, 0);
	if (has_order(before) && !(after && has_order(after)))
		add_step(builder, PLAN_DELETE_ORDER, before, 0);
	if (before->open_count && !keeps_clocks)
		add_step(builder, PLAN_STOP_CLOCKS, before, table);
	plan_lost_table(builder, before, after, table);
	if (before->former_slots)
		plan_lost_table(builder, before, after, before->value.former.table);
	plan_lost_backends(builder, before, after);
}

static void plan_change(struct builder *builder, const struct image *before,
			const struct image *after)
{
	if (after) {
		plan_backends(builder, before, after);
		plan_table(builder, before, after);
		plan_service(builder, before, after);
	}
	if (before)
		plan_lost(builder, before, after);
	plan_quic_ids(builder, before, after);
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
