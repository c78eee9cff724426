/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The server ids of a service's image: which backend a QUIC connection id names.
 */
#include <errno.h>
#include <string.h>

#include "model/image.h"

int image_compare_quic_ids(const struct image_quic_id *a, const struct image_quic_id *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key));
}

/* Of two with the same key, the one of the backend that stays comes first. */
static int compare(const void *a, const void *b)
{
	const struct image_quic_id *left = a, *right = b;
	int r = image_compare_quic_ids(left, right);

	return r != 0 ? r : left->is_leaving - right->is_leaving;
}

void image_sort_quic_ids(struct image *image)
{
	if (image->quic_id_count)
		qsort(image->quic_ids, image->quic_id_count, sizeof(*image->quic_ids), compare);
}

static void drop_equals(struct image *image)
{
	size_t kept = 0;

	for (size_t i = 0; i < image->quic_id_count; i++) {
		if (kept == 0 ||
		    image_compare_quic_ids(&image->quic_ids[kept - 1], &image->quic_ids[i]) != 0)
			image->quic_ids[kept++] = image->quic_ids[i];
	}
	image->quic_id_count = kept;
}

static void add_server_ids(struct image *image, const struct service *service,
			   const struct backend *backend, uint32_t id)
{
	for (uint8_t config = 0; config < LEAT_QUIC_CONFIGS; config++) {
		const struct server_id *server_id = &backend->config.server_ids[config];
		struct image_quic_id *added;

		if (!service->config.quic_lengths[config] || !server_id->length)
			continue;
		added = &image->quic_ids[image->quic_id_count++];
		*added = (struct image_quic_id){
			.key = { .service = image->value.id, .config = config },
			.backend = id,
			.is_leaving = backend->is_leaving,
		};
		memcpy(added->key.server_id, server_id->bytes, sizeof(added->key.server_id));
	}
}

int image_fill_quic_ids(struct image *image, const struct service *service)
{
	if (!service_is_quic(&service->config))
		return 0;
	image->quic_ids =
		calloc(service->backend_count * LEAT_QUIC_CONFIGS + 1, sizeof(*image->quic_ids));
	if (!image->quic_ids)
		return -ENOMEM;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *backend = service->backends[i];

		add_server_ids(image, service, backend,
			       image_find_backend(image, &backend->config.address)->id);
	}
	image_sort_quic_ids(image);
	drop_equals(image);
	return 0;
}

/* Grows by doubling: the count is a power of two exactly when the room is used up. */
int image_add_quic_id(struct image *image, const struct leat_quic_key *key, uint32_t backend)
{
	size_t count = image->quic_id_count;

	if ((count & (count - 1)) == 0) {
		struct image_quic_id *more =
			realloc(image->quic_ids, MAX(count * 2, 1U) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		image->quic_ids = more;
	}
	image->quic_ids[image->quic_id_count++] =
		(struct image_quic_id){ .key = *key, .backend = backend };
	return 0;
}

void image_server_ids(const struct image *image, uint32_t backend,
		      struct server_id ret_ids[LEAT_QUIC_CONFIGS])
{
	memset(ret_ids, 0, LEAT_QUIC_CONFIGS * sizeof(*ret_ids));
	for (size_t i = 0; i < image->quic_id_count; i++) {
		const struct leat_quic_key *key = &image->quic_ids[i].key;
		struct server_id *id = &ret_ids[key->config % LEAT_QUIC_CONFIGS];

		if (image->quic_ids[i].backend != backend)
			continue;
		id->length = (uint8_t)leat_quic_length(image->policy.quic_lengths, key->config);
		memcpy(id->bytes, key->server_id, sizeof(id->bytes));
	}
}
