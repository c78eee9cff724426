/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Carries out a plan: first takes all the memory that its tables need, then writes, one map update
 * an operation.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"
#include "datapath/internal.h"
#include "model/table_part.h"

static int map_fd(const struct bpf_map *map)
{
	return bpf_map__fd(map);
}

static int create_inner_map(const char *name, uint32_t value_size, uint32_t count, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), value_size, count,
				&options);

	return fd < 0 ? -errno : fd;
}

/* A new inner map that holds `values`; its descriptor or -errno. */
static int create_filled(const char *name, const void *values, uint32_t value_size, uint32_t count)
{
	cleanup(freep) uint32_t *indices = calloc(count, sizeof(*indices));
	cleanup(close_fdp) int fd = create_inner_map(name, value_size, count, BPF_F_INNER_MAP);
	int r;

	if (!indices)
		return -ENOMEM;
	if (fd < 0)
		return fd;
	for (uint32_t i = 0; i < count; i++)
		indices[i] = i;
	r = bpf_map_update_batch(fd, indices, values, &count, NULL);
	return r < 0 ? r : take_fd(fd);
}

static int create_part(const struct leat_slot *slots, uint32_t size)
{
	cleanup(close_fdp) int fd =
		create_inner_map("leat_part", sizeof(struct leat_table_part), 1, BPF_F_MMAPABLE);
	struct leat_table_part *part;

	if (fd < 0)
		return fd;
	part = mmap(NULL, sizeof(*part), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (part == MAP_FAILED)
		return -errno;
	table_part_fill(part, slots, size);
	munmap(part, sizeof(*part));
	return take_fd(fd);
}

static int create_order(const struct image *image)
{
	uint32_t count = LEAT_ORDER_LINES(image->order_size);
	cleanup(freep) struct leat_order_line *lines = calloc(count, sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	lines[0].size = image->order_size;
	for (uint32_t i = 0; i < image->order_size; i++)
		lines[1 + i / LEAT_ORDER_PER_LINE].backends[i % LEAT_ORDER_PER_LINE] =
			image->order[i];
	return create_filled("leat_order", lines, sizeof(*lines), count);
}

static int create_access(const struct access_list *list)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	cleanup(close_fdp) int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "leat_access",
						   sizeof(struct leat_prefix), sizeof(uint32_t),
						   LEAT_ACCESS_ENTRIES, &options);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < list->count; i++) {
		const struct access_rule *rule = &list->rules[i];

		if (bpf_map_update_elem(fd, &rule->prefix, &rule->access, BPF_ANY) < 0)
			return -errno;
	}
	return take_fd(fd);
}

/* The clocks that a table has already, or new ones; a descriptor or -errno. */
static int open_clocks(struct datapath *datapath, const struct plan_operation *operation)
{
	uint32_t index = operation->table, id;

	if (image_is_comparable(operation->before, operation->image) &&
	    operation->before->open_count &&
	    bpf_map_lookup_elem(map_fd(datapath->maps->maps.clocks), &index, &id) == 0)
		return bpf_map_get_fd_by_id(id);
	return create_inner_map("leat_clocks", sizeof(struct leat_clock),
				LEAT_TABLE_LINES(operation->image->value.lookup.size),
				BPF_F_INNER_MAP | BPF_F_MMAPABLE);
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

	memcpy(entry.name, backend->name, sizeof(entry.name));
	memset(&datapath->loads[backend->id], 0, sizeof(*datapath->loads));
	r = counters_begin_backend(datapath, backend->id);
	if (r < 0)
		return r;
	r = bpf_map_update_elem(map_fd(datapath->maps->maps.registry), &key, &entry, BPF_ANY);
	return r < 0 ? r : set_backend(datapath, backend);
}

static int set_load(struct datapath *datapath, const struct image_backend *backend)
{
	struct leat_load *load = &datapath->loads[backend->id];

	/* The flows beside them are the datapath's. */
	__atomic_store_n(&load->weight, backend->load.weight, __ATOMIC_RELAXED);
	__atomic_store_n(&load->flags, backend->load.flags, __ATOMIC_RELAXED);
	return 0;
}

static int set_policy(struct datapath *datapath, const struct image *image)
{
	return bpf_map_update_elem(map_fd(datapath->maps->maps.policies), &image->value.id,
				   &image->policy, BPF_ANY);
}

/* The clocks run before the first packet can meet an open slot. The others of a map go on: each line is
 * written by itself. */
static int start_lines(const struct plan_operation *operation, int fd)
{
	const struct image *image = operation->image;
	uint32_t now = datapath_now(),
		 opened = now | (image->is_imported ? LEAT_CLOCK_IMPORTED : 0);
	struct clock_lines lines;
	int r = clock_lines_map(fd, image->value.lookup.size, PROT_READ | PROT_WRITE, &lines);

	if (r < 0)
		return r;
	for (uint32_t slot = 0; slot < image->value.lookup.size; slot++) {
		struct leat_clock *clock = &lines.clocks[slot / LEAT_SLOTS_PER_LINE];

		if (image_opens_slot(operation->before, image, slot))
			__atomic_store_n(&clock->opened, opened, __ATOMIC_RELAXED);
		else if (!image_moves_slot(operation->before, image, slot))
			continue;
		__atomic_store_n(&clock->previous, now, __ATOMIC_RELAXED);
	}
	clock_lines_unmap(&lines);
	return 0;
}

/* The slots of the table that a step writes. */
static const struct leat_slot *written_slots(const struct plan_operation *operation,
					     uint32_t *ret_size)
{
	const struct image *image = operation->image;
	bool is_former = operation->step == PLAN_SET_FORMER ||
			 operation->table != image->value.lookup.table;

	*ret_size = is_former ? image->value.former.size : image->value.lookup.size;
	return is_former ? image->former_slots : image->slots;
}

static size_t count_inner_maps(const struct plan_operation *operation)
{
	uint32_t size;

	switch (operation->step) {
	case PLAN_SET_TABLE:
	case PLAN_SET_FORMER:
		written_slots(operation, &size);
		return LEAT_TABLE_PARTS(size);
	case PLAN_SET_ACCESS:
	case PLAN_SET_ORDER:
	case PLAN_START_CLOCKS:
		return 1;
	default:
		return 0;
	}
}

/*
 * The inner maps that a plan swaps in, in the order of its operations, made before the first one is
 * executed.
 */
struct prepared {
	uint32_t *indices; /* in their outer map */
	int *fds;
	size_t count;
	size_t done; /* so many were swapped in */
};

static void prepared_deinit(struct prepared *prepared)
{
	for (size_t i = 0; i < prepared->count; i++)
		close(prepared->fds[i]);
	free(prepared->indices);
	free(prepared->fds);
}

static size_t count_same_step(const struct plan *plan, size_t first)
{
	size_t count = 0;

	while (first + count < plan->count &&
	       plan->operations[first + count].step == plan->operations[first].step)
		count++;
	return count;
}

/*
 * Swaps in all inner maps of a step by one call: since Linux 6.8 the kernel then waits once, not once
 * a map, until no program sees the old ones any more. The parts of a table are swapped one after the
 * other, which no packet sees because each looks at one slot, and all of them even if the daemon is
 * killed meanwhile: the call is not interrupted.
 */
static int swap_inner_maps(const struct bpf_map *outer, const struct plan *plan, size_t first,
			   struct prepared *prepared)
{
	size_t operations = count_same_step(plan, first), at = prepared->done;
	uint32_t count = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < operations; i++) {
		const struct plan_operation *operation = &plan->operations[first + i];

		if (operation->step == PLAN_START_CLOCKS)
			r = start_lines(operation, prepared->fds[at + i]);
		count += (uint32_t)count_inner_maps(operation);
	}
	if (r < 0)
		return r;
	prepared->done += count;
	return bpf_map_update_batch(map_fd(outer), &prepared->indices[at], &prepared->fds[at],
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
	memset(&datapath->loads[operation->backend->id], 0, sizeof(*datapath->loads));
	return bpf_map_update_elem(map_fd(datapath->maps->maps.backends), &operation->backend->id,
				   &nothing, BPF_ANY);
}

/* Here and below: what a daemon that was killed had deleted already is deleted. */
static int delete_inner_map(const struct bpf_map *outer, uint32_t index)
{
	return bpf_map_delete_elem(map_fd(outer), &index) < 0 && errno != ENOENT ? -errno : 0;
}

int table_delete(struct datapath *datapath, uint32_t table)
{
	for (uint32_t part = 0; part < LEAT_TABLE_MAX_PARTS; part++) {
		uint32_t index = leat_part_index(table, 0) + part;

		if (bpf_map_delete_elem(map_fd(datapath->maps->maps.tables), &index) < 0)
			return part && errno == ENOENT ? 0 : -errno;
	}
	return 0;
}

static int delete_table(struct datapath *datapath, uint32_t table)
{
	int r = table_delete(datapath, table);

	return r == -ENOENT ? 0 : r;
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
	case PLAN_SET_LOAD:
		return set_load(datapath, operation->backend);
	case PLAN_SET_QUIC_ID:
		return quic_map_set(datapath, operation->quic_id);
	case PLAN_DELETE_QUIC_ID:
		return quic_map_delete(datapath, &operation->quic_id->key);
	case PLAN_SET_POLICY:
		return set_policy(datapath, image);
	case PLAN_SET_SERVICE:
		return set_service(datapath, operation);
	case PLAN_DELETE_SERVICE:
		return service_map_delete(datapath, &image->key);
	case PLAN_SWAP_SERVICES:
		return service_map_swap(datapath);
	case PLAN_DELETE_ACCESS:
		return delete_inner_map(datapath->maps->maps.access_lists, image->value.id);
	case PLAN_DELETE_ORDER:
		return delete_inner_map(datapath->maps->maps.orders, image->value.id);
	case PLAN_STOP_CLOCKS:
		return delete_inner_map(datapath->maps->maps.clocks, operation->table);
	case PLAN_DELETE_TABLE:
		return delete_table(datapath, operation->table);
	case PLAN_DELETE_BACKEND:
		return delete_backend(datapath, operation);
	default:
		return -EINVAL;
	}
}

/* The map that a step swaps its inner maps into, or NULL. */
static const struct bpf_map *outer_map(const struct datapath *datapath, enum plan_step step)
{
	switch (step) {
	case PLAN_SET_TABLE:
	case PLAN_SET_FORMER:
		return datapath->maps->maps.tables;
	case PLAN_SET_ACCESS:
		return datapath->maps->maps.access_lists;
	case PLAN_SET_ORDER:
		return datapath->maps->maps.orders;
	case PLAN_START_CLOCKS:
		return datapath->maps->maps.clocks;
	default:
		return NULL;
	}
}

/* Takes over the descriptor, or passes its error on. */
static int prepared_add(struct prepared *prepared, uint32_t index, int fd)
{
	if (fd < 0)
		return fd;
	prepared->indices[prepared->count] = index;
	prepared->fds[prepared->count++] = fd;
	return 0;
}

static int prepare_table(struct prepared *prepared, const struct plan_operation *operation)
{
	uint32_t size;
	const struct leat_slot *slots = written_slots(operation, &size);
	int r = 0;

	for (uint32_t slot = 0; r == 0 && slot < size; slot += LEAT_PART_SLOTS)
		r = prepared_add(prepared, leat_part_index(operation->table, slot),
				 create_part(&slots[slot], table_part_size(size, slot)));
	return r;
}

static int prepare_inner_maps(struct datapath *datapath, const struct plan_operation *operation,
			      struct prepared *prepared)
{
	switch (operation->step) {
	case PLAN_SET_TABLE:
	case PLAN_SET_FORMER:
		return prepare_table(prepared, operation);
	case PLAN_SET_ACCESS:
		return prepared_add(prepared, operation->image->value.id,
				    create_access(operation->image->access));
	case PLAN_SET_ORDER:
		return prepared_add(prepared, operation->image->value.id,
				    create_order(operation->image));
	case PLAN_START_CLOCKS:
		return prepared_add(prepared, operation->table, open_clocks(datapath, operation));
	default:
		return 0;
	}
}

static int prepare(struct datapath *datapath, const struct plan *plan, struct prepared *prepared)
{
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; i < plan->count; i++)
		count += count_inner_maps(&plan->operations[i]);
	prepared->indices = calloc(count + 1, sizeof(*prepared->indices));
	prepared->fds = calloc(count + 1, sizeof(*prepared->fds));
	if (!prepared->indices || !prepared->fds)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < plan->count; i++)
		r = prepare_inner_maps(datapath, &plan->operations[i], prepared);
	return r;
}

/* The backends whose ids a plan gives back. */
struct lost {
	bool backends[LEAT_MAX_BACKENDS];
	bool any;
};

static bool is_kept_nat(void *user, const struct leat_nat_key *key, const struct leat_nat *client,
			const struct leat_nat *backend)
{
	const struct lost *lost = user;

	(void)key;
	(void)backend;
	return client->backend >= LEAT_MAX_BACKENDS || !lost->backends[client->backend];
}

static bool is_kept(void *user, const struct leat_flow *flow, bool is_half_open)
{
	const struct lost *lost = user;

	(void)is_half_open;
	return flow->state.backend >= LEAT_MAX_BACKENDS || !lost->backends[flow->state.backend];
}

static int forget_lost_nat(struct datapath *datapath, struct lost *lost)
{
	struct nat_cursor cursor = { 0 };
	struct nat_walk walk = {
		.stays = is_kept_nat,
		.user = lost,
		.young = UINT32_MAX,
		.most = SIZE_MAX,
	};
	int r = datapath_walk_nat(datapath, &cursor, &walk);

	return MIN(r, 0);
}

/* Remembered flows and clients of backends that go are forgotten before others can get their ids. */
static int forget_lost(struct datapath *datapath, const struct plan *plan)
{
	cleanup(freep) struct lost *lost = calloc(1, sizeof(*lost));

	if (!lost)
		return -ENOMEM;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_operation *operation = &plan->operations[i];

		if (operation->step == PLAN_DELETE_BACKEND)
			lost->any = lost->backends[operation->backend->id] = true;
	}
	if (!lost->any)
		return 0;
	datapath_sweep_flows(datapath, is_kept, lost);
	datapath_sweep_clients(datapath, is_kept, lost);
	return forget_lost_nat(datapath, lost);
}

static int execute_step(struct datapath *datapath, const struct plan *plan, size_t at,
			struct prepared *prepared)
{
	const struct plan_operation *operation = &plan->operations[at];
	const struct bpf_map *outer = outer_map(datapath, operation->step);

	if (datapath->latch)
		datapath->latch(datapath->latch_user, operation);
	return outer ? swap_inner_maps(outer, plan, at, prepared)
		     : execute_operation(datapath, operation);
}

int datapath_execute(struct datapath *datapath, const struct plan *plan)
{
	cleanup(prepared_deinit) struct prepared prepared = { 0 };
	int r = prepare(datapath, plan, &prepared);

	if (r < 0) {
		log_error("cannot make room for the new tables: %s", strerror(-r));
		return r;
	}
	for (size_t i = 0; i < plan->count; i++) {
		enum plan_step step = plan->operations[i].step;

		r = execute_step(datapath, plan, i, &prepared);
		if (r < 0) {
			log_error("the map operation %s failed: %s", plan_step_name(step),
				  strerror(-r));
			return r;
		}
		if (outer_map(datapath, step))
			i += count_same_step(plan, i) - 1;
	}
	return forget_lost(datapath, plan);
}

int datapath_set_access(struct datapath *datapath, const struct access_list *list)
{
	const uint32_t index = LEAT_ACCESS_NODE;
	cleanup(close_fdp) int fd = -1;

	if (!list)
		return delete_inner_map(datapath->maps->maps.access_lists, index);
	fd = create_access(list);
	if (fd < 0)
		return fd;
	return bpf_map_update_elem(map_fd(datapath->maps->maps.access_lists), &index, &fd, BPF_ANY);
}

void datapath_set_latch(struct datapath *datapath,
			void (*latch)(void *user, const struct plan_operation *next), void *user)
{
	datapath->latch = latch;
	datapath->latch_user = user;
}
