/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon's modules call of user/datapath, answered from maps in memory: plans are carried out
 * in their order, and the memory of flows is counted and forgotten as over real maps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/service_table.h"
#include "model/table_part.h"
#include "tools/host/datapath.h"

uint64_t host_clock_ns;
uint32_t host_cpu;

void datapath_deinit(struct datapath *datapath)
{
	/* They are in there for one CPU or the other. */
	datapath->cursors.values = NULL;
#define X(name) host_map_deinit(&datapath->name);
	HOST_MAPS(X)
#undef X
	free(datapath->all_cursors);
	free(datapath->services_next);
	*datapath = (struct datapath){ 0 };
}

static int set_slots(const struct datapath *datapath, uint16_t table, const struct leat_slot *slots,
		     uint32_t size)
{
	for (uint32_t slot = 0; slot < size; slot += LEAT_PART_SLOTS) {
		struct host_map *map = host_map_new(sizeof(struct leat_table_part), 1);

		if (!map)
			return -ENOMEM;
		table_part_fill(map->values, &slots[slot], table_part_size(size, slot));
		host_map_swap(&datapath->tables, leat_part_index(table, slot), map);
	}
	return 0;
}

/* The service's own, or the former one that is imported. */
static int set_table(const struct datapath *datapath, const struct plan_operation *operation)
{
	const struct image *image = operation->image;

	if (operation->table == image->value.lookup.table)
		return set_slots(datapath, operation->table, image->slots,
				 image->value.lookup.size);
	return set_slots(datapath, operation->table, image->former_slots, image->value.former.size);
}

static int set_order(const struct datapath *datapath, const struct image *image)
{
	struct host_map *map =
		host_map_new(sizeof(struct leat_order_line), LEAT_ORDER_LINES(image->order_size));
	struct leat_order_line *lines;

	if (!map)
		return -ENOMEM;
	lines = map->values;
	lines->size = image->order_size;
	memcpy(&lines[1], image->order, image->order_size * sizeof(*image->order));
	host_map_swap(&datapath->orders, image->value.id, map);
	return 0;
}

/* NULL: there is none. */
static int swap_access(const struct datapath *datapath, uint32_t index,
		       const struct access_list *list)
{
	struct host_map *map = NULL;

	if (list)
		map = host_map_new_trie(sizeof(uint32_t), (uint32_t)list->count);
	if (list && !map)
		return -ENOMEM;
	for (size_t i = 0; list && i < list->count; i++)
		host_map_update(map, &list->rules[i].prefix, &list->rules[i].access, BPF_ANY);
	host_map_swap(&datapath->access_lists, index, map);
	return 0;
}

int datapath_set_access(struct datapath *datapath, const struct access_list *list)
{
	return swap_access(datapath, LEAT_ACCESS_NODE, list);
}

/* The clocks that a table has already, or new ones. */
static struct host_map *open_clocks(const struct datapath *datapath,
				    const struct plan_operation *operation)
{
	struct host_map **held = host_map_at(&datapath->clocks, operation->table);

	if (image_is_comparable(operation->before, operation->image) &&
	    operation->before->open_count && *held)
		return *held;
	return host_map_new(sizeof(struct leat_clock),
			    LEAT_TABLE_LINES(operation->image->value.lookup.size));
}

static int start_clocks(const struct datapath *datapath, const struct plan_operation *operation)
{
	const struct image *image = operation->image;
	struct host_map *map = open_clocks(datapath, operation);
	uint32_t now = (uint32_t)(host_clock_ns >> LEAT_TICK_SHIFT);
	uint32_t opened = now | (image->is_imported ? LEAT_CLOCK_IMPORTED : 0);

	if (!map)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < image->value.lookup.size; slot++) {
		struct leat_clock *clock = host_map_at(map, slot / LEAT_SLOTS_PER_LINE);

		if (image_opens_slot(operation->before, image, slot))
			clock->opened = opened;
		else if (!image_moves_slot(operation->before, image, slot))
			continue;
		clock->previous = now;
	}
	host_map_swap(&datapath->clocks, operation->table, map);
	return 0;
}

static int set_backend(const struct datapath *datapath, const struct image_backend *backend)
{
	uint32_t ifindex = backend->value.ifindex;

	if (ifindex && host_map_update(&datapath->egress, &ifindex, &ifindex, BPF_ANY) < 0)
		return -ENOSPC;
	memcpy(host_map_at(&datapath->backends, backend->id), &backend->value,
	       sizeof(backend->value));
	return 0;
}

static void forget_backend(const struct datapath *datapath, uint32_t id)
{
	memset(host_map_at(&datapath->loads, id), 0, sizeof(struct leat_load));
	memset(host_map_at(&datapath->backend_count, id), 0, sizeof(struct leat_counter));
}

static int add_backend(const struct datapath *datapath, const struct image_backend *backend)
{
	forget_backend(datapath, backend->id);
	return set_backend(datapath, backend);
}

static int delete_backend(const struct datapath *datapath, uint32_t id)
{
	forget_backend(datapath, id);
	memset(host_map_at(&datapath->backends, id), 0, sizeof(struct leat_backend));
	return 0;
}

static int set_load(const struct datapath *datapath, const struct image_backend *backend)
{
	struct leat_load *load = host_map_at(&datapath->loads, backend->id);

	/* The flows beside them are the datapath's. */
	load->weight = backend->load.weight;
	load->flags = backend->load.flags;
	return 0;
}

static int set_policy(const struct datapath *datapath, const struct image *image)
{
	memcpy(host_map_at(&datapath->policies, image->value.id), &image->policy,
	       sizeof(image->policy));
	return 0;
}

static struct leat_service_entry *find_service(const struct datapath *datapath,
					       const struct leat_service_key *key)
{
	for (size_t i = 0; i < datapath->service_count_next; i++) {
		if (leat_service_key_equal(&datapath->services_next[i].key, key))
			return &datapath->services_next[i];
	}
	return NULL;
}

static int set_service(struct datapath *datapath, const struct image *image)
{
	struct leat_service_entry *entry = find_service(datapath, &image->key);
	size_t count = datapath->service_count_next;

	if (!entry) {
		entry = realloc(datapath->services_next, (count + 1) * sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		datapath->services_next = entry;
		datapath->service_count_next++;
		entry += count;
	}
	*entry = (struct leat_service_entry){ .key = image->key, .value = image->value };
	return 0;
}

static int delete_service(struct datapath *datapath, const struct image *image)
{
	struct leat_service_entry *entry = find_service(datapath, &image->key);

	if (entry)
		*entry = datapath->services_next[--datapath->service_count_next];
	return 0;
}

static int swap_services(const struct datapath *datapath)
{
	struct host_map *map =
		host_map_new(sizeof(struct leat_service_entry), LEAT_SERVICE_ENTRIES);
	int r = 0;

	if (!map)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < datapath->service_count_next; i++)
		r = service_table_place(map->values, &datapath->services_next[i]);
	host_map_swap(&datapath->services, 0, map);
	return r;
}

static int drop_inner(const struct host_map *outer, uint32_t index)
{
	host_map_swap(outer, index, NULL);
	return 0;
}

static int delete_table(const struct datapath *datapath, uint32_t table)
{
	for (uint32_t part = 0; part < LEAT_TABLE_MAX_PARTS; part++)
		host_map_swap(&datapath->tables, leat_part_index(table, 0) + part, NULL);
	return 0;
}

static int execute_operation(struct datapath *datapath, const struct plan_operation *operation)
{
	const struct image *image = operation->image;

	switch (operation->step) {
	case PLAN_ADD_BACKEND:
		return add_backend(datapath, operation->backend);
	case PLAN_SET_BACKEND:
	case PLAN_CLEAR_BACKEND:
		return set_backend(datapath, operation->backend);
	case PLAN_SET_LOAD:
		return set_load(datapath, operation->backend);
	case PLAN_SET_QUIC_ID:
		return host_map_update(&datapath->quic_ids, &operation->quic_id->key,
				       &operation->quic_id->backend, BPF_ANY);
	case PLAN_DELETE_QUIC_ID:
		return host_map_delete(&datapath->quic_ids, &operation->quic_id->key);
	case PLAN_SET_POLICY:
		return set_policy(datapath, image);
	case PLAN_SET_ACCESS:
		return swap_access(datapath, image->value.id, image->access);
	case PLAN_SET_ORDER:
		return set_order(datapath, image);
	case PLAN_START_CLOCKS:
		return start_clocks(datapath, operation);
	case PLAN_SET_TABLE:
	case PLAN_SET_FORMER:
		return set_table(datapath, operation);
	case PLAN_SET_SERVICE:
		return set_service(datapath, image);
	case PLAN_DELETE_SERVICE:
		return delete_service(datapath, image);
	case PLAN_SWAP_SERVICES:
		return swap_services(datapath);
	case PLAN_DELETE_ACCESS:
		return drop_inner(&datapath->access_lists, image->value.id);
	case PLAN_DELETE_ORDER:
		return drop_inner(&datapath->orders, image->value.id);
	case PLAN_STOP_CLOCKS:
		return drop_inner(&datapath->clocks, operation->table);
	case PLAN_DELETE_TABLE:
		return delete_table(datapath, operation->table);
	case PLAN_DELETE_BACKEND:
		return delete_backend(datapath, operation->backend->id);
	default:
		return -EINVAL;
	}
}

static bool is_kept(void *user, const struct leat_flow *flow, bool is_half_open)
{
	const bool *lost = user;

	(void)is_half_open;
	return !lost[flow->state.backend % LEAT_MAX_BACKENDS];
}

/* Remembered flows and clients of backends that go are forgotten before others can get their ids. */
static int forget_lost(struct datapath *datapath, const struct plan *plan)
{
	cleanup(freep) bool *lost = calloc(LEAT_MAX_BACKENDS, sizeof(bool));
	bool any = false;

	if (!lost)
		return -ENOMEM;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_operation *operation = &plan->operations[i];

		if (operation->step == PLAN_DELETE_BACKEND)
			any = lost[operation->backend->id] = true;
	}
	if (any) {
		datapath_sweep_flows(datapath, is_kept, lost);
		datapath_sweep_clients(datapath, is_kept, lost);
	}
	return 0;
}

int datapath_execute(struct datapath *datapath, const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		int r = execute_operation(datapath, &plan->operations[i]);

		if (r < 0)
			return r;
	}
	return forget_lost(datapath, plan);
}

int datapath_set_nat_pools(struct datapath *datapath,
			   const struct leat_nat_pool pools[NAT_FAMILIES])
{
	static const uint32_t families[] = { [NAT_IPV4] = 4, [NAT_IPV6] = 6 };
	int r = 0;

	for (size_t i = 0; i < NAT_FAMILIES; i++)
		r |= host_map_update(&datapath->nat_pool, &families[i], &pools[i], BPF_ANY);
	return r;
}

/* Nobody starts over maps that another one left. */
int datapath_read_images(struct datapath *datapath, struct image ***ret_images, size_t *ret_count)
{
	(void)datapath;
	(void)ret_images;
	(void)ret_count;
	return -ENOTSUP;
}

int datapath_read_backend(struct datapath *datapath, uint32_t id, struct leat_counter *ret_counter)
{
	memcpy(ret_counter, host_map_at(&datapath->backend_count, id), sizeof(*ret_counter));
	return 0;
}

int datapath_read_events(struct datapath *datapath, uint64_t ret_events[LEAT_EVENT_COUNT])
{
	memcpy(ret_events, datapath->event_count.values, LEAT_EVENT_COUNT * sizeof(*ret_events));
	return 0;
}

uint32_t datapath_read_load(const struct datapath *datapath, uint32_t backend)
{
	const struct leat_load *load = host_map_at(&datapath->loads, backend);

	return load->flows;
}

void datapath_correct_load(struct datapath *datapath, uint32_t backend, int32_t by)
{
	struct leat_load *load = host_map_at(&datapath->loads, backend);

	load->flows += (uint32_t)by;
}

int datapath_read_clocks(struct datapath *datapath, const struct leat_lookup *lookup,
			 struct leat_clock *ret_clocks)
{
	struct host_map **map = host_map_at(&datapath->clocks, lookup->table);

	if (!*map)
		return -ENOENT;
	memcpy(ret_clocks, (*map)->values, LEAT_TABLE_LINES(lookup->size) * sizeof(*ret_clocks));
	return 0;
}

struct sweep {
	bool (*stays)(void *user, const struct leat_flow *flow, bool is_half_open);
	void *user;
	bool is_half_open;
};

/* Whether anything is left in it. */
static bool sweep_bucket(const struct sweep *sweep, struct leat_bucket *bucket)
{
	bool holds_any = false;

	for (size_t i = 0; i < LEAT_BUCKET_FLOWS; i++) {
		struct leat_flow *flow = &bucket->flows[i];

		if (flow->digest != LEAT_DIGEST_NONE &&
		    !sweep->stays(sweep->user, flow, sweep->is_half_open))
			flow->digest = LEAT_DIGEST_NONE;
		holds_any |= flow->digest != LEAT_DIGEST_NONE;
	}
	return holds_any;
}

/* A bucket that nobody looked at since it was empty is empty. */
static void sweep_map(const struct sweep *sweep, const struct host_map *map)
{
	for (uint32_t word = 0; word < (map->max_entries + 63) / 64; word++) {
		uint64_t left = map->touched[word];

		for (; left; left &= left - 1) {
			uint32_t bit = (uint32_t)__builtin_ctzll(left);

			if (!sweep_bucket(sweep, host_map_at(map, word * 64 + bit)))
				map->touched[word] &= ~(UINT64_C(1) << bit);
		}
	}
}

void datapath_sweep_flows(struct datapath *datapath,
			  bool (*stays)(void *user, const struct leat_flow *flow,
					bool is_half_open),
			  void *user)
{
	struct sweep sweep = { stays, user, true };

	sweep_map(&sweep, &datapath->half_open);
	sweep.is_half_open = false;
	sweep_map(&sweep, &datapath->flows);
}

void datapath_sweep_clients(struct datapath *datapath,
			    bool (*stays)(void *user, const struct leat_flow *flow,
					  bool is_half_open),
			    void *user)
{
	struct sweep sweep = { stays, user, false };

	sweep_map(&sweep, &datapath->clients);
}
