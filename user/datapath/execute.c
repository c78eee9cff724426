/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Carries out a plan: first takes all the memory that its tables need, then writes, one map update
 * an operation.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "datapath/internal.h"

static int map_fd(const struct bpf_map *map)
{
	return bpf_map__fd(map);
}

static int create_inner_map(uint32_t lines)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "leat_table", sizeof(uint32_t),
				sizeof(struct leat_slot_line), lines, &options);

	return fd < 0 ? -errno : fd;
}

static void fill_lines(const struct image *image, struct leat_slot_line *lines, uint32_t *indices)
{
	for (uint32_t slot = 0; slot < image->value.table_size; slot++)
		lines[slot / LEAT_SLOTS_PER_LINE].slots[slot % LEAT_SLOTS_PER_LINE] =
			image->slots[slot];
	for (uint32_t line = 0; line < LEAT_TABLE_LINES(image->value.table_size); line++)
		indices[line] = line;
}

/* A new inner map with the image's slots; its descriptor or -errno. */
static int create_table(const struct image *image)
{
	uint32_t count = LEAT_TABLE_LINES(image->value.table_size);
	cleanup(freep) struct leat_slot_line *lines = calloc(count, sizeof(*lines));
	cleanup(freep) uint32_t *indices = calloc(count, sizeof(*indices));
	cleanup(close_fdp) int fd = create_inner_map(count);
	int r;

	if (!lines || !indices)
		return -ENOMEM;
	if (fd < 0)
		return fd;
	fill_lines(image, lines, indices);
	r = bpf_map_update_batch(fd, indices, lines, &count, NULL);
	return r < 0 ? r : take_fd(fd);
}

/* Makes an interface a target of redirects. One that has just gone is no error: its backends' next
 * hops are about to change. */
static int add_egress(struct datapath *datapath, uint32_t ifindex)
{
	if (ifindex == 0)
		return 0;
	for (size_t i = 0; i < datapath->egress_count; i++) {
		if (datapath->egress[i] == ifindex)
			return 0;
	}
	if (datapath->egress_count == ARRAY_SIZE(datapath->egress))
		return -ENOSPC;
	if (bpf_map_update_elem(map_fd(datapath->maps->maps.egress), &ifindex, &ifindex, BPF_ANY) ==
	    0)
		datapath->egress[datapath->egress_count++] = ifindex;
	return 0;
}

static int set_backend(struct datapath *datapath, const struct image_backend *backend)
{
	int r = add_egress(datapath, backend->value.ifindex);

	if (r < 0)
		return r;
	return bpf_map_update_elem(map_fd(datapath->maps->maps.backends), &backend->id,
				   &backend->value, BPF_ANY);
}

static struct leat_registry_key registry_key(const struct plan_operation *operation)
{
	return (struct leat_registry_key){
		.service = operation->image->key,
		.backend = operation->backend->address,
	};
}

static int add_backend(struct datapath *datapath, const struct plan_operation *operation)
{
	const struct image_backend *backend = operation->backend;
	struct leat_registry_key key = registry_key(operation);
	struct leat_registry_entry entry = {
		.id = backend->id,
		.health = HEALTH_UNKNOWN,
		.changed_s = clock_wall_s(),
	};
	int r;

	r = counters_begin_backend(datapath, backend->id);
	if (r < 0)
		return r;
	r = bpf_map_update_elem(map_fd(datapath->maps->maps.registry), &key, &entry, BPF_ANY);
	return r < 0 ? r : set_backend(datapath, backend);
}

/* The clock starts before the first packet can meet an open slot. */
static int begin_transition(struct datapath *datapath, const struct plan_operation *operation)
{
	struct leat_transition transition = { .changed_ns = clock_monotonic_us() * 1000 };

	transition.previous_ns = transition.changed_ns;
	return bpf_map_update_elem(map_fd(datapath->maps->maps.transitions),
				   &operation->image->value.table, &transition, BPF_ANY);
}

static size_t count_tables(const struct plan *plan, size_t first)
{
	size_t count = 0;

	while (first + count < plan->count &&
	       plan->operations[first + count].step == PLAN_SET_TABLE)
		count++;
	return count;
}

/* Swaps in all tables of a plan by one call: since Linux 6.8 the kernel then waits once, not once a
 * table, until no program sees the old ones any more. */
static int set_tables(struct datapath *datapath, const struct plan *plan, size_t first, int *fds)
{
	uint32_t count = (uint32_t)count_tables(plan, first);
	cleanup(freep) uint32_t *indices = calloc(count, sizeof(*indices));
	int r = indices ? 0 : -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < count; i++) {
		const struct plan_operation *operation = &plan->operations[first + i];

		indices[i] = operation->image->value.table;
		if (operation->opens_slots)
			r = begin_transition(datapath, operation);
	}
	if (r < 0)
		return r;
	return bpf_map_update_batch(map_fd(datapath->maps->maps.tables), indices, &fds[first],
				    &count, NULL);
}

static int set_service(struct datapath *datapath, const struct plan_operation *operation)
{
	const struct image *image = operation->image;
	int r = 0;

	if (operation->is_new)
		r = counters_begin_service(datapath, image->value.id);
	if (r < 0)
		return r;
	return service_map_set(datapath, &image->key, &image->value);
}

static int delete_backend(struct datapath *datapath, const struct plan_operation *operation)
{
	static const struct leat_backend nothing;
	struct leat_registry_key key = registry_key(operation);
	int r = bpf_map_delete_elem(map_fd(datapath->maps->maps.registry), &key);

	if (r == 0)
		r = counters_retire_backend(datapath, operation->image->value.id,
					    operation->backend->id);
	if (r < 0)
		return r;
	return bpf_map_update_elem(map_fd(datapath->maps->maps.backends), &operation->backend->id,
				   &nothing, BPF_ANY);
}

static int execute_operation(struct datapath *datapath, const struct plan_operation *operation)
{
	const struct image *image = operation->image;

	switch (operation->step) {
	case PLAN_ADD_BACKEND:
		return add_backend(datapath, operation);
	case PLAN_SET_BACKEND:
	case PLAN_CLEAR_BACKEND:
		return set_backend(datapath, operation->backend);
	case PLAN_SET_SERVICE:
		return set_service(datapath, operation);
	case PLAN_DELETE_SERVICE:
		return service_map_delete(datapath, &image->key);
	case PLAN_SWAP_SERVICES:
		return service_map_swap(datapath);
	case PLAN_DELETE_TABLE:
		return bpf_map_delete_elem(map_fd(datapath->maps->maps.tables),
					   &image->value.table);
	case PLAN_DELETE_BACKEND:
		return delete_backend(datapath, operation);
	case PLAN_SET_TABLE:
	case PLAN_STEP_COUNT:
		break;
	}
	return -EINVAL;
}

/* The inner maps of a plan's SET_TABLE operations, made before the first of them is executed. */
struct prepared {
	int *fds;
	size_t count;
};

static void prepared_deinit(struct prepared *prepared)
{
	for (size_t i = 0; i < prepared->count; i++) {
		if (prepared->fds[i] >= 0)
			close(prepared->fds[i]);
	}
	free(prepared->fds);
}

static int prepare(const struct plan *plan, struct prepared *prepared)
{
	prepared->fds = calloc(plan->count + 1, sizeof(*prepared->fds));
	if (!prepared->fds)
		return -ENOMEM;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_operation *operation = &plan->operations[i];

		prepared->fds[prepared->count++] = -1;
		if (operation->step != PLAN_SET_TABLE)
			continue;
		prepared->fds[i] = create_table(operation->image);
		if (prepared->fds[i] < 0)
			return prepared->fds[i];
	}
	return 0;
}

/* The ids that a plan gives back. */
struct lost {
	bool backends[LEAT_MAX_BACKENDS];
	bool tables[LEAT_MAX_TABLES];
	bool any;
};

static bool is_lost(void *user, const struct leat_flow *flow)
{
	const struct lost *lost = user;

	return (flow->backend < LEAT_MAX_BACKENDS && lost->backends[flow->backend]) ||
	       (flow->table < LEAT_MAX_TABLES && lost->tables[flow->table]);
}

/* Remembered flows of backends and tables that go are forgotten before others can get their ids. */
static int forget_lost(struct datapath *datapath, const struct plan *plan)
{
	cleanup(freep) struct lost *lost = calloc(1, sizeof(*lost));

	if (!lost)
		return -ENOMEM;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_operation *operation = &plan->operations[i];

		if (operation->step == PLAN_DELETE_BACKEND)
			lost->any = lost->backends[operation->backend->id] = true;
		else if (operation->step == PLAN_DELETE_TABLE)
			lost->any = lost->tables[operation->image->value.table] = true;
	}
	return lost->any ? datapath_forget_flows(datapath, is_lost, lost) : 0;
}

int datapath_execute(struct datapath *datapath, const struct plan *plan)
{
	cleanup(prepared_deinit) struct prepared prepared = { 0 };
	enum plan_step step = PLAN_ADD_BACKEND;
	int r = prepare(plan, &prepared);

	if (r < 0) {
		log_error("cannot make room for the new tables: %s", strerror(-r));
		return r;
	}
	for (size_t i = 0; r == 0 && i < plan->count; i++) {
		step = plan->operations[i].step;
		if (step == PLAN_SET_TABLE) {
			r = set_tables(datapath, plan, i, prepared.fds);
			i += count_tables(plan, i) - 1;
		} else {
			r = execute_operation(datapath, &plan->operations[i]);
		}
	}
	if (r < 0) {
		log_error("the map operation %s failed: %s", plan_step_name(step), strerror(-r));
		return r;
	}
	return forget_lost(datapath, plan);
}
