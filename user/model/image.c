/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/image.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "model/encode.h"
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
	free(image->slots);
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

/* Whether a change of the service's entry must not be seen apart from a change of its table. */
static bool same_entry(const struct leat_service *a, const struct leat_service *b)
{
	return a->hash_key == b->hash_key && a->table_size == b->table_size && a->hash == b->hash;
}

static struct leat_slot closed_slot(uint16_t current)
{
	return (struct leat_slot){ .current = current, .previous = current };
}

/*
 * `keeps` says of each id whether it may stay somebody's previous. A slot that was open stays so even
 * when its previous has gone: flows that were opened meanwhile are remembered elsewhere.
 */
static struct leat_slot succeed_slot(struct leat_slot was, uint16_t current, const bool *keeps)
{
	uint16_t previous = was.previous & LEAT_SLOT_BACKEND;

	if (!slot_is_open(was) && (was.current == current || !keeps[was.current]))
		return closed_slot(current);
	if (!slot_is_open(was))
		previous = was.current;
	return (struct leat_slot){
		.current = current,
		.previous = (uint16_t)(LEAT_SLOT_OPEN | (keeps[previous] ? previous : 0)),
	};
}

static int open_slots(struct image *image, const struct service *service, const struct image *old,
		      const uint16_t *currents)
{
	cleanup(freep) bool *keeps = calloc(LEAT_MAX_BACKENDS, sizeof(*keeps));

	if (!keeps)
		return -ENOMEM;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *backend = service->backends[i];

		keeps[image_find_backend(image, &backend->config.address)->id] =
			backend_keeps_flows(backend);
	}
	for (uint32_t i = 0; i < image->value.table_size; i++)
		image->slots[i] = old ? succeed_slot(old->slots[i], currents[i], keeps)
				      : closed_slot(currents[i]);
	image->open_count = image_count_open(image);
	return 0;
}

static int compute_currents(struct image *image, const struct node *node,
			    const struct service *service, const struct image *old,
			    uint16_t *currents)
{
	cleanup(freep) struct table_backend *inputs = table_inputs(service, image);
	uint32_t size = service->config.table_size;
	uint64_t seed = node->config->seed;

	if (!inputs)
		return -ENOMEM;
	image->table_digest = table_digest(service, seed, inputs, image->backend_count);
	if (!old || old->table_digest != image->table_digest)
		return table_build(service->config.table, inputs, image->backend_count, seed,
				   currents, size);
	for (uint32_t i = 0; i < size; i++)
		currents[i] = old->slots[i].current;
	return 0;
}

static int image_fill_slots(struct image *image, const struct node *node,
			    const struct service *service, const struct image *old)
{
	uint32_t size = service->config.table_size;
	cleanup(freep) uint16_t *currents = calloc(size, sizeof(*currents));
	bool is_comparable = old && same_entry(&old->value, &image->value);
	int r;

	image->slots = calloc(size, sizeof(*image->slots));
	if (!image->slots || !currents)
		return -ENOMEM;
	r = compute_currents(image, node, service, old, currents);
	if (r < 0)
		return r;
	return open_slots(image, service, is_comparable ? old : NULL, currents);
}

uint32_t image_count_open(const struct image *image)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < image->value.table_size; i++)
		count += slot_is_open(image->slots[i]);
	return count;
}

static struct image *image_copy(const struct image *image)
{
	size_t backends = image->backend_count * sizeof(*image->backends);
	size_t slots = image->value.table_size * sizeof(*image->slots);
	cleanup(image_freep) struct image *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *image;
	copy->backends = malloc(backends + 1);
	copy->slots = malloc(slots);
	if (!copy->backends || !copy->slots)
		return NULL;
	memcpy(copy->backends, image->backends, backends);
	memcpy(copy->slots, image->slots, slots);
	return take_ptr(copy);
}

int image_close(const struct image *image, bool (*is_busy)(void *user, uint32_t slot), void *user,
		struct image **ret_image)
{
	struct image *copy = image_copy(image);

	if (!copy)
		return -ENOMEM;
	for (uint32_t i = 0; i < copy->value.table_size; i++) {
		if (slot_is_open(copy->slots[i]) && !is_busy(user, i))
			copy->slots[i] = closed_slot(copy->slots[i].current);
	}
	copy->open_count = image_count_open(copy);
	*ret_image = copy;
	return 0;
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
		if (backend_keeps_flows(backend))
			now->value = backend_encode(node->config, &service->config, address,
						    &backend->next_hop);
		now->id = before ? before->id : 0;
		r = before ? 0 : ids_take(&ids->backends, &now->id);
		if (r < 0)
			return r;
		image->backend_count++;
	}
	image_sort(image);
	return 0;
}

#define NO_ID UINT32_MAX

static int image_fill_value(struct image *image, const struct node *node,
			    const struct service *service, const struct image *old,
			    struct image_ids *ids)
{
	struct leat_service *value = &image->value;
	int r = 0;

	image->key = service->config.key;
	value->hash_key = leat_service_hash_key(node->config->seed, &image->key);
	value->table_size = service->config.table_size;
	value->hash = (uint8_t)service->config.hash;
	value->id = old ? old->value.id : NO_ID;
	value->table = old && same_entry(&old->value, value) ? old->value.table : NO_ID;

	if (value->id == NO_ID)
		r = ids_take(&ids->services, &value->id);
	if (r == 0 && value->table == NO_ID)
		r = ids_take(&ids->tables, &value->table);
	return r;
}

int image_build(const struct node *node, const struct service *service, const struct image *old,
		struct image_ids *ids, struct image **ret_image)
{
	cleanup(image_freep) struct image *image = calloc(1, sizeof(*image));
	int r;

	if (!image)
		return -ENOMEM;
	image->value.id = image->value.table = NO_ID;
	r = image_fill_value(image, node, service, old, ids);
	if (r == 0)
		r = image_fill_backends(image, node, service, old, ids);
	if (r == 0)
		r = image_fill_slots(image, node, service, old);
	if (r < 0) {
		image_retire(image, old, ids);
		return r;
	}
	*ret_image = take_ptr(image);
	return 0;
}

void image_retire(const struct image *image, const struct image *kept, struct image_ids *ids)
{
	const struct leat_service *value = &image->value;

	if (value->id != NO_ID && (!kept || kept->value.id != value->id))
		ids_give_back(&ids->services, value->id);
	if (value->table != NO_ID && (!kept || kept->value.table != value->table))
		ids_give_back(&ids->tables, value->table);
	for (size_t i = 0; i < image->backend_count; i++) {
		const struct image_backend *backend = &image->backends[i];

		if (!kept || !image_find_backend(kept, &backend->address))
			ids_give_back(&ids->backends, backend->id);
	}
}

int image_claim(const struct image *image, struct image_ids *ids)
{
	if (ids_take_this(&ids->services, image->value.id) < 0 ||
	    ids_take_this(&ids->tables, image->value.table) < 0)
		return -EEXIST;
	for (size_t i = 0; i < image->backend_count; i++) {
		if (ids_take_this(&ids->backends, image->backends[i].id) < 0)
			return -EEXIST;
	}
	return 0;
}
