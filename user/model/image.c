/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/image.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "model/encode.h"
#include "model/order.h"
#include "model/table.h"

int image_ids_init(struct image_ids *ids)
{
	*ids = (struct image_ids){ 0 };
	if (ids_init(&ids->services, 0, LEAT_MAX_SERVICES) < 0 ||
	    ids_init(&ids->tables, 0, LEAT_MAX_TABLES) < 0 ||
	    ids_init(&ids->backends, 1, LEAT_MAX_BACKENDS) < 0) {
		image_ids_deinit(ids);
		return -ENOMEM;
	}
	return 0;
}

void image_ids_deinit(struct image_ids *ids)
{
	ids_deinit(&ids->services);
	ids_deinit(&ids->tables);
	ids_deinit(&ids->backends);
}

struct image *image_free(struct image *image)
{
	free(image->backends);
	free(image->quic_ids);
	free(image->slots);
	free(image->former_slots);
	free(image->order);
	access_list_unref(image->access);
	free(image);
	return NULL;
}

static int compare_backends(const void *a, const void *b)
{
	const struct image_backend *left = a, *right = b;

	return address_compare(&left->address, &right->address);
}

void image_sort(struct image *image)
{
	if (image->backend_count)
		qsort(image->backends, image->backend_count, sizeof(*image->backends),
		      compare_backends);
}

const struct image_backend *image_find_backend(const struct image *image,
					       const struct leat_addr *address)
{
	struct image_backend key = { .address = *address };

	if (image->backend_count == 0)
		return NULL;
	return bsearch(&key, image->backends, image->backend_count, sizeof(*image->backends),
		       compare_backends);
}

/* The tables' inputs, in the order of the addresses. */
static struct table_backend *table_inputs(const struct service *service, const struct image *image)
{
	struct table_backend *inputs = calloc(image->backend_count + 1, sizeof(*inputs));

	if (!inputs)
		return NULL;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *backend = service->backends[i];
		const struct image_backend *in_image =
			image_find_backend(image, &backend->config.address);
		struct table_backend *input = &inputs[in_image - image->backends];

		input->address = in_image->address;
		input->weight = backend_effective_weight(backend);
		input->id = (uint16_t)in_image->id;
	}
	return inputs;
}

static uint64_t table_digest(const struct service *service, uint64_t seed,
			     const struct table_backend *inputs, size_t count)
{
	const uint64_t parameters[] = { seed, service->config.table, service->config.table_size };
	uint64_t digest = XXH64(parameters, sizeof(parameters), 0);

	for (size_t i = 0; i < count; i++) {
		digest = XXH64(&inputs[i].address, sizeof(inputs[i].address), digest);
		digest = XXH64(&inputs[i].weight, sizeof(inputs[i].weight), digest);
		digest = XXH64(&inputs[i].id, sizeof(inputs[i].id), digest);
	}
	return digest | 1;
}

/* Whether a flow finds the same slot by both. */
static bool same_lookup(const struct leat_lookup *a, const struct leat_lookup *b)
{
	return a->hash_key == b->hash_key && a->size == b->size && a->hash == b->hash;
}

static struct leat_slot closed_slot(uint16_t current)
{
	return (struct leat_slot){ .current = current, .previous = current };
}

static struct leat_slot open_slot(uint16_t current, uint16_t previous)
{
	return (struct leat_slot){
		.current = current,
		.previous = (uint16_t)(LEAT_SLOT_OPEN | previous),
	};
}

/* What decides over the slots of a new image. */
struct transition {
	const struct image *old;       /* NULL: no slot has a predecessor */
	bool keeps[LEAT_MAX_BACKENDS]; /* by id: whether it may stay somebody's previous */
	bool opens_all;
};

/* A slot that was open stays so even when its previous has gone: flows that were opened meanwhile are
 * remembered elsewhere. */
static struct leat_slot succeed_slot(const struct transition *transition, struct leat_slot was,
				     uint16_t current)
{
	uint16_t previous = slot_is_open(was) ? was.previous & LEAT_SLOT_BACKEND : was.current;

	if (!slot_is_open(was) && !transition->opens_all &&
	    (was.current == current || !transition->keeps[was.current]))
		return closed_slot(current);
	return open_slot(current, transition->keeps[previous] ? previous : 0);
}

static void find_keepers(struct transition *transition, const struct image *image,
			 const struct service *service)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *backend = service->backends[i];

		transition->keeps[image_find_backend(image, &backend->config.address)->id] =
			backend_keeps_flows(backend);
	}
}

/* One that remembers every flow leaves them all over the backends, and one that takes over does not
 * know which are old. */
static bool changes_memory(const struct image *old, const struct image *image)
{
	bool was_hash = old->value.scheduler == LEAT_SCHEDULER_HASH;

	return was_hash != (image->value.scheduler == LEAT_SCHEDULER_HASH);
}

static int open_slots(struct image *image, const struct service *service, const struct image *old,
		      const uint16_t *currents)
{
	cleanup(freep) struct transition *transition = calloc(1, sizeof(*transition));

	if (!transition)
		return -ENOMEM;
	find_keepers(transition, image, service);
	if (old && same_lookup(&old->value.lookup, &image->value.lookup))
		transition->old = old;
	transition->opens_all = image->value.former.size || (old && changes_memory(old, image));
	for (uint32_t i = 0; i < image->value.lookup.size; i++) {
		if (transition->old)
			image->slots[i] = succeed_slot(transition, old->slots[i], currents[i]);
		else
			image->slots[i] = transition->opens_all ? open_slot(currents[i], 0)
								: closed_slot(currents[i]);
	}
	image->open_count = image_count_open(image);
	return 0;
}

static bool has_id(const struct image *image, uint32_t id)
{
	for (size_t i = 0; i < image->backend_count; i++) {
		if (image->backends[i].id == id)
			return true;
	}
	return false;
}

static void former_forget(struct image *image, uint32_t id)
{
	for (uint32_t slot = 0; slot < image->value.former.size; slot++) {
		if (image->former_slots[slot].current == id)
			image->former_slots[slot] = closed_slot(0);
	}
}

/* The id of a backend that goes may soon be another's, so no former slot keeps it. */
static void forget_lost_backends(struct image *image, const struct image *old)
{
	for (size_t i = 0; i < old->backend_count; i++) {
		if (!has_id(image, old->backends[i].id))
			former_forget(image, old->backends[i].id);
	}
}

/* In the former table only what was previous matters: what its open slots remembered, still is. */
static int image_fill_former(struct image *image, const struct image *old)
{
	uint32_t size = image->value.former.size;
	const struct leat_slot *slots;

	if (size == 0)
		return 0;
	slots = image->value.former.table == old->value.lookup.table ? old->slots
								     : old->former_slots;
	image->former_slots = calloc(size, sizeof(*slots));
	if (!image->former_slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < size; i++)
		image->former_slots[i] = closed_slot(slots[i].previous & LEAT_SLOT_BACKEND);
	forget_lost_backends(image, old);
	return 0;
}

static bool same_inputs(const struct image *image, const struct image *old)
{
	return old && old->table_digest == image->table_digest &&
	       old->value.lookup.size == image->value.lookup.size;
}

static int image_fill_order(struct image *image, const struct image *old,
			    const struct table_backend *inputs)
{
	bool is_same = same_inputs(image, old) && old->order;
	uint32_t size;

	if (image->value.scheduler != LEAT_SCHEDULER_ROUND_ROBIN)
		return 0;
	size = is_same ? old->order_size
		       : order_size(inputs, image->backend_count, LEAT_MAX_ORDER_SIZE);
	image->order = calloc(size + 1, sizeof(*image->order));
	if (!image->order)
		return -ENOMEM;
	image->order_size = size;
	if (is_same)
		memcpy(image->order, old->order, size * sizeof(*image->order));
	return is_same ? 0 : order_build(inputs, image->backend_count, image->order, size);
}

static int compute_currents(struct image *image, const struct node *node,
			    const struct service *service, const struct image *old,
			    const struct table_backend *inputs, uint16_t *currents)
{
	uint32_t size = service->config.table_size;
	uint64_t seed = node->config->seed;

	if (!same_inputs(image, old))
		return table_build(service->config.table, inputs, image->backend_count, seed,
				   currents, size);
	for (uint32_t i = 0; i < size; i++)
		currents[i] = old->slots[i].current;
	return 0;
}

/* Whether old backends keep their flows as before. */
static bool same_keepers(const struct image *image, const struct image *old)
{
	for (size_t i = 0; i < image->backend_count; i++) {
		const struct image_backend *now = &image->backends[i];
		const struct image_backend *was = image_find_backend(old, &now->address);
		bool kept = was && was->value.forward != LEAT_FORWARD_NONE;

		if (kept != (now->value.forward != LEAT_FORWARD_NONE))
			return false;
	}
	return true;
}

/* A reload looks at all services, and most are as they were. */
static bool moves_nothing(const struct image *image, const struct image *old)
{
	return same_inputs(image, old) && !changes_memory(old, image) &&
	       memcmp(&image->value.lookup, &old->value.lookup, sizeof(old->value.lookup)) == 0 &&
	       memcmp(&image->value.former, &old->value.former, sizeof(old->value.former)) == 0 &&
	       same_keepers(image, old);
}

static int copy_slots(struct image *image, const struct image *old)
{
	size_t size = image->value.lookup.size * sizeof(*image->slots);

	image->slots = malloc(size + 1);
	if (!image->slots)
		return -ENOMEM;
	memcpy(image->slots, old->slots, size);
	image->open_count = old->open_count;
	return 0;
}

static int compute_slots(struct image *image, const struct node *node,
			 const struct service *service, const struct image *old,
			 const struct table_backend *inputs)
{
	uint32_t size = service->config.table_size;
	cleanup(freep) uint16_t *currents = malloc(size * sizeof(*currents));
	int r;

	image->slots = malloc(size * sizeof(*image->slots));
	if (!image->slots || !currents)
		return -ENOMEM;
	r = compute_currents(image, node, service, old, inputs, currents);
	return r < 0 ? r : open_slots(image, service, old, currents);
}

static int image_fill_slots(struct image *image, const struct node *node,
			    const struct service *service, const struct image *old)
{
	cleanup(freep) struct table_backend *inputs = table_inputs(service, image);
	int r;

	if (!inputs)
		return -ENOMEM;
	image->table_digest =
		table_digest(service, node->config->seed, inputs, image->backend_count);
	if (moves_nothing(image, old))
		r = copy_slots(image, old);
	else
		r = compute_slots(image, node, service, old, inputs);
	if (r == 0)
		r = image_fill_former(image, old);
	return r < 0 ? r : image_fill_order(image, old, inputs);
}

uint32_t image_count_open(const struct image *image)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < image->value.lookup.size; i++)
		count += slot_is_open(image->slots[i]);
	return count;
}

static int copy_array(const void *from, size_t size, void *ret_copy)
{
	void *copy = from ? malloc(size + 1) : NULL;

	if (from && !copy)
		return -ENOMEM;
	if (from)
		memcpy(copy, from, size);
	memcpy(ret_copy, &copy, sizeof(copy));
	return 0;
}

static int image_copy(const struct image *image, struct image **ret_copy)
{
	cleanup(image_freep) struct image *copy = calloc(1, sizeof(*copy));
	const struct leat_service *value = &image->value;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	*copy = *image;
	/* Every pointer is replaced before any failure is looked at, so that only ours are freed. */
	r |= copy_array(image->backends, image->backend_count * sizeof(*image->backends),
			&copy->backends);
	r |= copy_array(image->quic_ids, image->quic_id_count * sizeof(*image->quic_ids),
			&copy->quic_ids);
	r |= copy_array(image->slots, value->lookup.size * sizeof(*image->slots), &copy->slots);
	r |= copy_array(image->former_slots, value->former.size * sizeof(*image->former_slots),
			&copy->former_slots);
	r |= copy_array(image->order, image->order_size * sizeof(*image->order), &copy->order);
	access_list_ref(copy->access);
	if (r < 0)
		return -ENOMEM;
	*ret_copy = take_ptr(copy);
	return 0;
}

static int take_table(struct image_ids *ids, uint16_t *ret_table)
{
	uint32_t table;
	int r = ids_take(&ids->tables, &table);

	if (r == 0)
		*ret_table = (uint16_t)table;
	return r;
}

/* Beside a former table all slots are open, whatever is said of them. */
static void import_slots(struct image *image, const uint16_t *previous)
{
	for (uint32_t i = 0; i < image->value.lookup.size; i++) {
		struct leat_slot *slot = &image->slots[i];

		if (slot_is_open(*slot))
			continue;
		if (previous[i] != IMAGE_CLOSED)
			*slot = open_slot(slot->current, previous[i]);
		else if (image->value.former.size)
			*slot = open_slot(slot->current, slot->current);
	}
}

static int import_former(struct image *image, const struct image_past *past, struct image_ids *ids)
{
	struct leat_lookup former = past->former;
	int r;

	if (former.size == 0 || image->value.former.size)
		return 0;
	image->former_slots = calloc(former.size, sizeof(*image->former_slots));
	if (!image->former_slots)
		return -ENOMEM;
	r = take_table(ids, &former.table);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < former.size; i++)
		image->former_slots[i] = closed_slot(past->former_previous[i]);
	image->value.former = former;
	return 0;
}

int image_import(const struct image *image, const struct image_past *past, struct image_ids *ids,
		 struct image **ret_image)
{
	cleanup(image_freep) struct image *copy = NULL;
	int r = image_copy(image, &copy);

	if (r == 0)
		r = import_former(copy, past, ids);
	if (r < 0)
		return r;
	import_slots(copy, past->previous);
	copy->is_imported = true;
	copy->open_count = image_count_open(copy);
	*ret_image = take_ptr(copy);
	return 0;
}

static void drop_former(struct image *image)
{
	image->value.former = (struct leat_lookup){ 0 };
	free(take_ptr(image->former_slots));
}

int image_close(const struct image *image, bool (*is_busy)(void *user, uint32_t slot), void *user,
		struct image **ret_image)
{
	struct image *copy;
	int r = image_copy(image, &copy);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < copy->value.lookup.size; i++) {
		if (slot_is_open(copy->slots[i]) && !is_busy(user, i))
			copy->slots[i] = closed_slot(copy->slots[i].current);
	}
	copy->open_count = image_count_open(copy);
	if (copy->former_slots && copy->open_count == 0)
		drop_former(copy);
	else if (copy->former_slots)
		memcpy(copy->slots, image->slots, copy->value.lookup.size * sizeof(*copy->slots));
	copy->open_count = image_count_open(copy);
	*ret_image = copy;
	return 0;
}

static struct leat_load backend_load(const struct backend *backend)
{
	return (struct leat_load){
		.weight = (uint16_t)backend_effective_weight(backend),
		.flags = backend_current_state(backend) == BACKEND_DRAINING &&
					 backend_keeps_flows(backend)
				 ? LEAT_LOAD_COUNTED
				 : 0,
	};
}

static int image_fill_backends(struct image *image, const struct node *node,
			       const struct service *service, const struct image *old,
			       struct image_ids *ids)
{
	image->backends = calloc(service->backend_count + 1, sizeof(*image->backends));
	if (!image->backends)
		return -ENOMEM;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *backend = service->backends[i];
		const struct leat_addr *address = &backend->config.address;
		const struct image_backend *before = old ? image_find_backend(old, address) : NULL;
		struct image_backend *now = &image->backends[i];
		int r;

		now->address = *address;
		memcpy(now->name, backend->config.name, sizeof(now->name));
		now->load = backend_load(backend);
		if (backend_keeps_flows(backend))
			now->value = backend_encode(node->config, &service->config,
						    &backend->config, &backend->next_hop);
		now->id = before ? before->id : 0;
		r = before ? 0 : ids_take(&ids->backends, &now->id);
		if (r < 0)
			return r;
		image->backend_count++;
	}
	image_sort(image);
	return 0;
}

#define NO_SERVICE UINT32_MAX
#define NO_TABLE   UINT16_MAX

/* Flows have a former table to be found in only if the old one ever sent them anywhere. Those of an open
 * slot may be remembered, on whatever backend. */
static bool holds_flows(const struct image *image)
{
	for (uint32_t i = 0; i < image->value.lookup.size; i++) {
		if (image->slots[i].current || image->slots[i].previous)
			return true;
	}
	return false;
}

/*
 * Beside closed slots: a daemon was killed that had closed them and was about to drop the former table.
 * Flows that were opened since are not remembered, so that no slot may be opened while it is there. A
 * table with another index is seen together with the entry that has no former table.
 */
static bool has_dead_former(const struct image *image)
{
	return image->value.former.size && image->open_count == 0;
}

static void image_fill_lookup(struct image *image, const struct service *service, uint64_t seed,
			      const struct image *old)
{
	struct leat_lookup *lookup = &image->value.lookup;

	lookup->hash_key = leat_service_hash_key(seed, &image->key);
	lookup->size = service->config.table_size;
	lookup->hash = (uint8_t)service->config.hash;
	lookup->table = NO_TABLE;
	if (!old)
		return;
	if (!has_dead_former(old))
		image->value.former = old->value.former;
	if (!same_lookup(lookup, &old->value.lookup)) {
		if (image->value.former.size == 0 && holds_flows(old))
			image->value.former = old->value.lookup;
	} else if (!has_dead_former(old)) {
		lookup->table = old->value.lookup.table;
	}
}

static uint16_t to_ticks(uint32_t ms)
{
	return (uint16_t)LEAT_TICKS(ms);
}

#define NS_PER_S 1000000000U

static uint32_t quic_lengths(const struct service_config *config)
{
	uint32_t lengths = 0;

	for (unsigned int i = 0; i < LEAT_QUIC_CONFIGS; i++)
		lengths |= config->quic_lengths[i] << 4 * i;
	return lengths;
}

static void image_fill_policy(struct image *image, const struct service_config *config)
{
	image->policy = (struct leat_policy){
		.rate_gap_ns = config->rate_new ? NS_PER_S / config->rate_new : 0,
		.rate_burst = config->rate_burst,
		.quic_lengths = quic_lengths(config),
		.tcp_idle = to_ticks(config->tcp_idle_ms),
		.udp_idle = to_ticks(config->udp_idle_ms),
		.sticky = config->sticky_ms ? to_ticks(config->sticky_ms) : 0,
	};
}

static uint8_t service_flags(const struct service_config *config)
{
	unsigned int flags = config->ping ? LEAT_SERVICE_PING : 0;

	if (config->hashes_fragments)
		flags |= LEAT_SERVICE_FRAGMENTS;
	if (config->rate_new)
		flags |= LEAT_SERVICE_RATE;
	if (service_is_quic(config))
		flags |= LEAT_SERVICE_QUIC;
	if (config->forward == LEAT_FORWARD_NAT)
		flags |= LEAT_SERVICE_NAT;
	return (uint8_t)flags;
}

static int image_fill_value(struct image *image, const struct node *node,
			    const struct service *service, const struct image *old,
			    struct image_ids *ids)
{
	struct leat_service *value = &image->value;
	int r = 0;

	image->key = service->config.key;
	image_fill_lookup(image, service, node->config->seed, old);
	image_fill_policy(image, &service->config);
	value->scheduler = (uint8_t)service->config.scheduler;
	value->flags = service_flags(&service->config);
	value->id = old ? old->value.id : NO_SERVICE;
	image->access = access_list_ref(service->config.access);
	image->has_access = image->access != NULL;

	if (value->id == NO_SERVICE)
		r = ids_take(&ids->services, &value->id);
	if (r == 0 && value->lookup.table == NO_TABLE)
		r = take_table(ids, &value->lookup.table);
	return r;
}

int image_build(const struct node *node, const struct service *service, const struct image *old,
		struct image_ids *ids, struct image **ret_image)
{
	cleanup(image_freep) struct image *image = calloc(1, sizeof(*image));
	int r;

	if (!image)
		return -ENOMEM;
	image->value.id = NO_SERVICE;
	image->value.lookup.table = NO_TABLE;
	r = image_fill_value(image, node, service, old, ids);
	if (r == 0)
		r = image_fill_backends(image, node, service, old, ids);
	if (r == 0)
		r = image_fill_quic_ids(image, service);
	if (r == 0)
		r = image_fill_slots(image, node, service, old);
	if (r < 0) {
		image_retire(image, old, ids);
		return r;
	}
	*ret_image = take_ptr(image);
	return 0;
}

static bool has_table(const struct image *image, uint16_t table)
{
	return image && (image->value.lookup.table == table ||
			 (image->value.former.size && image->value.former.table == table));
}

void image_retire(const struct image *image, const struct image *kept, struct image_ids *ids)
{
	const struct leat_service *value = &image->value;

	if (value->id != NO_SERVICE && (!kept || kept->value.id != value->id))
		ids_give_back(&ids->services, value->id);
	if (value->lookup.table != NO_TABLE && !has_table(kept, value->lookup.table))
		ids_give_back(&ids->tables, value->lookup.table);
	if (value->former.size && !has_table(kept, value->former.table))
		ids_give_back(&ids->tables, value->former.table);
	for (size_t i = 0; i < image->backend_count; i++) {
		const struct image_backend *backend = &image->backends[i];

		if (!kept || !image_find_backend(kept, &backend->address))
			ids_give_back(&ids->backends, backend->id);
	}
}

int image_claim(const struct image *image, struct image_ids *ids)
{
	const struct leat_service *value = &image->value;

	if (ids_take_this(&ids->services, value->id) < 0 ||
	    ids_take_this(&ids->tables, value->lookup.table) < 0)
		return -EEXIST;
	if (value->former.size && ids_take_this(&ids->tables, value->former.table) < 0)
		return -EEXIST;
	for (size_t i = 0; i < image->backend_count; i++) {
		if (ids_take_this(&ids->backends, image->backends[i].id) < 0)
			return -EEXIST;
	}
	return 0;
}
