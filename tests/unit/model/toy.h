/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Toy maps that plans are carried out on, step by step, and that complain as a packet would: about a
 * slot whose backend, a service whose table or an open slot whose clock is not there. They do to arrays
 * what user/datapath/execute.c does to maps.
 */
#ifndef LEAT_TESTS_UNIT_MODEL_TOY_H
#define LEAT_TESTS_UNIT_MODEL_TOY_H

#include "model/plan.h"
#include "tests/unit/sample_config.h"

#define TOY_SERVICES	   16
#define TOY_QUIC_IDS	   256
#define TOY_ORDER_BACKENDS 16

struct toy_backend {
	bool exists;
	bool has_load;
	struct leat_service_key owner;
	struct image_backend is; /* its load and value as they are now */
};

struct toy_table {
	struct leat_slot *slots; /* NULL: there is none */
	uint32_t size;
};

struct toy_clocks {
	uint32_t *opened; /* by line; NULL: there are none */
	uint32_t lines;
};

struct toy_order {
	uint16_t *backends; /* NULL: there is none */
	uint32_t size;
	uint16_t each[TOY_ORDER_BACKENDS]; /* backend in it, once */
	size_t count;
};

struct toy_services {
	struct leat_service_entry list[TOY_SERVICES];
	size_t count;
};

struct toy {
	struct toy_backend backends[LEAT_MAX_BACKENDS];
	struct toy_table tables[LEAT_MAX_TABLES];
	struct toy_clocks clocks[LEAT_MAX_TABLES];
	struct toy_order orders[LEAT_MAX_SERVICES];
	struct leat_policy policies[LEAT_MAX_SERVICES];
	struct access_list *access[LEAT_MAX_SERVICES];
	bool has_policy[LEAT_MAX_SERVICES];
	struct image_quic_id quic_ids[TOY_QUIC_IDS];
	size_t quic_id_count;
	struct toy_services services,
		collected; /* as packets see them; as the next swap makes them */
	uint32_t now;	   /* ticks; never 0 */
	bool has_orphans;  /* a daemon was killed over it: not all is somebody's */
};

static inline struct toy *toy_new(void)
{
	struct toy *toy = calloc(1, sizeof(*toy));

	assert_non_null(toy);
	toy->now = 1;
	return toy;
}

static inline void toy_free(struct toy *toy)
{
	for (size_t i = 0; i < LEAT_MAX_TABLES; i++) {
		free(toy->tables[i].slots);
		free(toy->clocks[i].opened);
	}
	for (size_t i = 0; i < LEAT_MAX_SERVICES; i++)
		free(toy->orders[i].backends);
	for (size_t i = 0; i < LEAT_MAX_SERVICES; i++)
		access_list_unref(toy->access[i]);
	free(toy);
}

static inline struct leat_service_entry *toy_find(struct toy_services *services,
						  const struct leat_service_key *key)
{
	for (size_t i = 0; i < services->count; i++) {
		if (leat_service_key_equal(&services->list[i].key, key))
			return &services->list[i];
	}
	return NULL;
}

static inline void toy_set_backend(struct toy *toy, const struct plan_operation *operation)
{
	struct toy_backend *backend = &toy->backends[operation->backend->id];

	assert_int_equal(backend->exists, operation->step != PLAN_ADD_BACKEND);
	if (backend->exists)
		assert_true(leat_service_key_equal(&backend->owner, &operation->image->key));
	else
		*backend = (struct toy_backend){ .exists = true,
						 .owner = operation->image->key,
						 .is = *operation->backend };
	backend->is.value = operation->backend->value;
}

static inline void toy_set_load(struct toy *toy, const struct plan_operation *operation)
{
	struct toy_backend *backend = &toy->backends[operation->backend->id];

	assert_true(backend->exists);
	assert_true(leat_service_key_equal(&backend->owner, &operation->image->key));
	backend->is.load = operation->backend->load;
	backend->has_load = true;
}

static inline void toy_delete_backend(struct toy *toy, const struct plan_operation *operation)
{
	assert_true(toy->backends[operation->backend->id].exists);
	toy->backends[operation->backend->id] = (struct toy_backend){ 0 };
}

static inline void toy_write_table(struct toy *toy, uint16_t index, const struct leat_slot *slots,
				   uint32_t size)
{
	struct toy_table *table = &toy->tables[index];

	free(table->slots);
	table->slots = malloc(size * sizeof(*slots));
	assert_non_null(table->slots);
	memcpy(table->slots, slots, size * sizeof(*slots));
	table->size = size;
}

/* What is taken out of a former table must not be what somebody's new flows go by. */
static inline void toy_set_former(struct toy *toy, const struct plan_operation *operation)
{
	const struct image *image = operation->image;

	assert_int_equal(operation->table, image->value.former.table);
	assert_int_equal(toy->tables[operation->table].size, image->value.former.size);
	for (size_t i = 0; i < toy->services.count; i++)
		assert_int_not_equal(toy->services.list[i].value.lookup.table, operation->table);
	toy_write_table(toy, operation->table, image->former_slots, image->value.former.size);
}

/* The service's own, or a former one that another node told of. */
static inline void toy_set_table(struct toy *toy, const struct plan_operation *operation)
{
	const struct image *image = operation->image;

	if (operation->table == image->value.lookup.table) {
		toy_write_table(toy, operation->table, image->slots, image->value.lookup.size);
		return;
	}
	assert_int_equal(operation->table, image->value.former.table);
	assert_null(toy->tables[operation->table].slots);
	toy_write_table(toy, operation->table, image->former_slots, image->value.former.size);
}

static inline void toy_delete_table(struct toy *toy, uint16_t index)
{
	assert_non_null(toy->tables[index].slots);
	free(take_ptr(toy->tables[index].slots));
}

static inline void toy_note_in_order(struct toy_order *order, uint16_t id)
{
	for (size_t i = 0; i < order->count; i++) {
		if (order->each[i] == id)
			return;
	}
	assert_true(order->count < TOY_ORDER_BACKENDS);
	order->each[order->count++] = id;
}

static inline void toy_set_order(struct toy *toy, const struct image *image)
{
	struct toy_order *order = &toy->orders[image->value.id];

	free(order->backends);
	order->backends = calloc(image->order_size + 1, sizeof(*order->backends));
	assert_non_null(order->backends);
	memcpy(order->backends, image->order, image->order_size * sizeof(*order->backends));
	order->size = image->order_size;
	order->count = 0;
	for (uint32_t i = 0; i < order->size; i++)
		toy_note_in_order(order, order->backends[i]);
}

static inline void toy_delete_order(struct toy *toy, const struct image *image)
{
	assert_non_null(toy->orders[image->value.id].backends);
	free(take_ptr(toy->orders[image->value.id].backends));
}

static inline void toy_set_access(struct toy *toy, const struct image *image)
{
	struct access_list **access = &toy->access[image->value.id];

	assert_non_null(image->access);
	access_list_unref(*access);
	*access = access_list_ref(image->access);
}

static inline void toy_delete_access(struct toy *toy, const struct image *image)
{
	assert_non_null(toy->access[image->value.id]);
	toy->access[image->value.id] = access_list_unref(toy->access[image->value.id]);
}

static inline struct toy_clocks *toy_open_clocks(struct toy *toy,
						 const struct plan_operation *operation)
{
	struct toy_clocks *clocks = &toy->clocks[operation->table];
	uint32_t lines = LEAT_TABLE_LINES(operation->image->value.lookup.size);

	if (image_is_comparable(operation->before, operation->image) &&
	    operation->before->open_count && clocks->opened) {
		assert_int_equal(clocks->lines, lines);
		return clocks;
	}
	free(clocks->opened);
	clocks->opened = calloc(lines, sizeof(*clocks->opened));
	assert_non_null(clocks->opened);
	clocks->lines = lines;
	return clocks;
}

static inline void toy_start_clocks(struct toy *toy, const struct plan_operation *operation)
{
	struct toy_clocks *clocks = toy_open_clocks(toy, operation);

	for (uint32_t slot = 0; slot < operation->image->value.lookup.size; slot++) {
		if (image_opens_slot(operation->before, operation->image, slot))
			clocks->opened[slot / LEAT_SLOTS_PER_LINE] = toy->now;
	}
}

static inline void toy_stop_clocks(struct toy *toy, uint16_t index)
{
	assert_true(toy->clocks[index].opened || toy->has_orphans);
	free(take_ptr(toy->clocks[index].opened));
}

static inline void toy_set_service(struct toy *toy, const struct plan_operation *operation)
{
	const struct image *image = operation->image;
	struct leat_service_entry *entry = toy_find(&toy->collected, &image->key);

	assert_int_equal(operation->is_new, !entry);
	if (!entry) {
		assert_true(toy->collected.count < TOY_SERVICES);
		entry = &toy->collected.list[toy->collected.count++];
	}
	*entry = (struct leat_service_entry){ .key = image->key, .value = image->value };
}

static inline void toy_delete_service(struct toy *toy, const struct image *image)
{
	struct leat_service_entry *entry = toy_find(&toy->collected, &image->key);

	assert_non_null(entry);
	*entry = toy->collected.list[--toy->collected.count];
}

static inline void toy_set_policy(struct toy *toy, const struct image *image)
{
	toy->policies[image->value.id] = image->policy;
	toy->has_policy[image->value.id] = true;
}

static inline size_t toy_find_quic_id(const struct toy *toy, const struct leat_quic_key *key)
{
	size_t i = 0;

	while (i < toy->quic_id_count && memcmp(&toy->quic_ids[i].key, key, sizeof(*key)) != 0)
		i++;
	return i;
}

/* Its backend is there already. */
static inline void toy_set_quic_id(struct toy *toy, const struct image_quic_id *quic_id)
{
	size_t at = toy_find_quic_id(toy, &quic_id->key);

	assert_true(toy->backends[quic_id->backend].exists);
	toy->quic_id_count += at == toy->quic_id_count;
	assert_true(toy->quic_id_count <= TOY_QUIC_IDS);
	toy->quic_ids[at] = *quic_id;
}

static inline void toy_delete_quic_id(struct toy *toy, const struct leat_quic_key *key)
{
	size_t at = toy_find_quic_id(toy, key);

	assert_true(at < toy->quic_id_count);
	toy->quic_ids[at] = toy->quic_ids[--toy->quic_id_count];
}

static inline void toy_execute(struct toy *toy, const struct plan_operation *operation)
{
	const struct image *image = operation->image;

	switch (operation->step) {
	case PLAN_ADD_BACKEND:
	case PLAN_SET_BACKEND:
	case PLAN_CLEAR_BACKEND:
		toy_set_backend(toy, operation);
		break;
	case PLAN_SET_LOAD:
		toy_set_load(toy, operation);
		break;
	case PLAN_SET_QUIC_ID:
		toy_set_quic_id(toy, operation->quic_id);
		break;
	case PLAN_DELETE_QUIC_ID:
		toy_delete_quic_id(toy, &operation->quic_id->key);
		break;
	case PLAN_SET_POLICY:
		toy_set_policy(toy, image);
		break;
	case PLAN_SET_ACCESS:
		toy_set_access(toy, image);
		break;
	case PLAN_DELETE_ACCESS:
		toy_delete_access(toy, image);
		break;
	case PLAN_SET_ORDER:
		toy_set_order(toy, image);
		break;
	case PLAN_START_CLOCKS:
		toy_start_clocks(toy, operation);
		break;
	case PLAN_SET_TABLE:
		toy_set_table(toy, operation);
		break;
	case PLAN_SET_SERVICE:
		toy_set_service(toy, operation);
		break;
	case PLAN_DELETE_SERVICE:
		toy_delete_service(toy, image);
		break;
	case PLAN_SWAP_SERVICES:
		toy->services = toy->collected;
		break;
	case PLAN_SET_FORMER:
		toy_set_former(toy, operation);
		break;
	case PLAN_DELETE_ORDER:
		toy_delete_order(toy, image);
		break;
	case PLAN_STOP_CLOCKS:
		toy_stop_clocks(toy, operation->table);
		break;
	case PLAN_DELETE_TABLE:
		toy_delete_table(toy, operation->table);
		break;
	case PLAN_DELETE_BACKEND:
		toy_delete_backend(toy, operation);
		break;
	case PLAN_STEP_COUNT:
		fail();
	}
}

static inline void toy_check_reference(const struct toy *toy, const struct leat_service_key *key,
				       uint32_t id)
{
	if (id == 0)
		return;
	assert_true(toy->backends[id].exists);
	assert_true(toy->backends[id].has_load);
	assert_true(leat_service_key_equal(&toy->backends[id].owner, key));
}

/* Where new flows go, packets are forwarded, or at least not to nobody. */
static inline void toy_check_target(const struct toy *toy, const struct leat_service_key *key,
				    uint32_t id)
{
	toy_check_reference(toy, key, id);
	if (id)
		assert_int_not_equal(toy->backends[id].is.value.forward, LEAT_FORWARD_NONE);
}

static inline void toy_check_table(const struct toy *toy, const struct leat_service_entry *entry)
{
	const struct leat_lookup *lookup = &entry->value.lookup;
	const struct toy_table *table = &toy->tables[lookup->table];
	const struct toy_clocks *clocks = &toy->clocks[lookup->table];

	assert_non_null(table->slots);
	assert_int_equal(table->size, lookup->size);
	for (uint32_t slot = 0; slot < table->size; slot++) {
		toy_check_target(toy, &entry->key, table->slots[slot].current);
		toy_check_reference(toy, &entry->key,
				    table->slots[slot].previous & LEAT_SLOT_BACKEND);
		if (!slot_is_open(table->slots[slot]))
			continue;
		assert_non_null(clocks->opened);
		assert_int_equal(clocks->lines, LEAT_TABLE_LINES(lookup->size));
		assert_int_not_equal(clocks->opened[slot / LEAT_SLOTS_PER_LINE], 0);
	}
}

static inline void toy_check_former(const struct toy *toy, const struct leat_service_entry *entry)
{
	const struct leat_lookup *former = &entry->value.former;
	const struct toy_table *table = &toy->tables[former->table];

	if (former->size == 0)
		return;
	assert_non_null(table->slots);
	assert_int_equal(table->size, former->size);
	for (uint32_t slot = 0; slot < table->size; slot++)
		toy_check_reference(toy, &entry->key,
				    table->slots[slot].previous & LEAT_SLOT_BACKEND);
}

static inline void toy_check_order(const struct toy *toy, const struct leat_service_entry *entry)
{
	const struct toy_order *order = &toy->orders[entry->value.id];

	if (entry->value.scheduler != LEAT_SCHEDULER_ROUND_ROBIN)
		return;
	assert_non_null(order->backends);
	for (size_t i = 0; i < order->count; i++) {
		assert_int_not_equal(order->each[i], 0);
		toy_check_target(toy, &entry->key, order->each[i]);
	}
}

/* A server id never outlives its backend. */
static inline void toy_check_quic_ids(const struct toy *toy)
{
	for (size_t i = 0; i < toy->quic_id_count; i++)
		assert_true(toy->backends[toy->quic_ids[i].backend].exists);
}

/* Whatever packet comes now finds all that it is sent to. */
static inline void toy_check_references(const struct toy *toy)
{
	toy_check_quic_ids(toy);
	for (size_t i = 0; i < toy->services.count; i++) {
		const struct leat_service_entry *entry = &toy->services.list[i];

		assert_true(toy->has_policy[entry->value.id]);
		toy_check_table(toy, entry);
		toy_check_former(toy, entry);
		toy_check_order(toy, entry);
	}
}

static inline void toy_check_image_backend(const struct toy *toy,
					   const struct image_backend *backend)
{
	const struct toy_backend *held = &toy->backends[backend->id];

	assert_true(held->exists);
	assert_memory_equal(&held->is.value, &backend->value, sizeof(backend->value));
	assert_int_equal(held->is.load.weight, backend->load.weight);
	assert_int_equal(held->is.load.flags, backend->load.flags);
}

/* In a former table only what was previous is of use to anybody. */
static inline void toy_check_image_former(const struct toy *toy, const struct image *image)
{
	const struct toy_table *table = &toy->tables[image->value.former.table];

	assert_int_equal(!image->former_slots, image->value.former.size == 0);
	for (uint32_t i = 0; i < image->value.former.size; i++)
		assert_int_equal(table->slots[i].previous & LEAT_SLOT_BACKEND,
				 image->former_slots[i].previous & LEAT_SLOT_BACKEND);
}

static inline void toy_check_image_quic_ids(const struct toy *toy, const struct image *image)
{
	size_t count = 0;

	for (size_t i = 0; i < toy->quic_id_count; i++)
		count += toy->quic_ids[i].key.service == image->value.id;
	assert_int_equal(count, image->quic_id_count);
	for (size_t i = 0; i < image->quic_id_count; i++) {
		size_t at = toy_find_quic_id(toy, &image->quic_ids[i].key);

		assert_true(at < toy->quic_id_count);
		assert_int_equal(toy->quic_ids[at].backend, image->quic_ids[i].backend);
	}
}

static inline void toy_check_image(struct toy *toy, const struct image *image)
{
	const struct leat_service_entry *entry = toy_find(&toy->services, &image->key);
	const struct toy_table *table = &toy->tables[image->value.lookup.table];
	const struct toy_order *order = &toy->orders[image->value.id];

	assert_non_null(entry);
	assert_memory_equal(&entry->value, &image->value, sizeof(image->value));
	assert_memory_equal(table->slots, image->slots, table->size * sizeof(*table->slots));
	assert_memory_equal(&toy->policies[image->value.id], &image->policy, sizeof(image->policy));
	toy_check_image_former(toy, image);
	if (image->access)
		assert_true(access_list_equal(toy->access[image->value.id], image->access));
	toy_check_image_quic_ids(toy, image);
	if (image->order) {
		assert_int_equal(order->size, image->order_size);
		assert_memory_equal(order->backends, image->order,
				    order->size * sizeof(*order->backends));
	}
	for (size_t i = 0; i < image->backend_count; i++)
		toy_check_image_backend(toy, &image->backends[i]);
}

struct toy_count {
	size_t services, tables, clocks, orders, lists, backends;
};

static inline struct toy_count toy_count(const struct toy *toy)
{
	struct toy_count count = { .services = toy->services.count };

	for (size_t i = 0; i < LEAT_MAX_BACKENDS; i++)
		count.backends += toy->backends[i].exists;
	for (size_t i = 0; i < LEAT_MAX_TABLES; i++) {
		count.tables += toy->tables[i].slots != NULL;
		count.clocks += toy->clocks[i].opened != NULL;
	}
	for (size_t i = 0; i < LEAT_MAX_SERVICES; i++) {
		count.orders += toy->orders[i].backends != NULL;
		count.lists += toy->access[i] != NULL;
	}
	return count;
}

static inline struct toy_count toy_count_images(struct image *const *images, size_t count)
{
	struct toy_count wanted = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (!images[i])
			continue;
		wanted.services++;
		wanted.tables += images[i]->former_slots ? 2 : 1;
		wanted.clocks += images[i]->open_count > 0;
		wanted.orders += images[i]->value.scheduler == LEAT_SCHEDULER_ROUND_ROBIN;
		wanted.lists += images[i]->has_access;
		wanted.backends += images[i]->backend_count;
	}
	return wanted;
}

/* The toy holds these images (NULLs are none) and, unless a daemon was killed, nothing else. */
static inline void toy_check_equal(struct toy *toy, struct image *const *images, size_t count)
{
	struct toy_count held = toy_count(toy), wanted = toy_count_images(images, count);

	for (size_t i = 0; i < count; i++) {
		if (images[i])
			toy_check_image(toy, images[i]);
	}
	assert_int_equal(held.services, wanted.services);
	assert_int_equal(held.tables, wanted.tables);
	assert_int_equal(held.backends, wanted.backends);
	if (toy->has_orphans)
		return;
	assert_int_equal(held.clocks, wanted.clocks);
	assert_int_equal(held.orders, wanted.orders);
}

#endif
