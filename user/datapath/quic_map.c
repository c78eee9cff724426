/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map of QUIC server ids: which backend of a service a connection id names.
 */
#include <bpf/bpf.h>
#include <errno.h>

#include "datapath/internal.h"

static int quic_fd(const struct datapath *datapath)
{
	return bpf_map__fd(datapath->maps->maps.quic_ids);
}

int quic_map_set(struct datapath *datapath, const struct image_quic_id *quic_id)
{
	return bpf_map_update_elem(quic_fd(datapath), &quic_id->key, &quic_id->backend, BPF_ANY);
}

int quic_map_delete(struct datapath *datapath, const struct leat_quic_key *key)
{
	return bpf_map_delete_elem(quic_fd(datapath), key) < 0 && errno != ENOENT ? -errno : 0;
}

/* By their ids; of a backend, the image that has it. */
struct owners {
	struct image *services[LEAT_MAX_SERVICES];
	const struct image *backends[LEAT_MAX_BACKENDS];
};

static void find_owners(struct image **images, size_t count, struct owners *owners)
{
	for (size_t i = 0; i < count; i++) {
		owners->services[images[i]->value.id] = images[i];
		for (size_t j = 0; j < images[i]->backend_count; j++)
			owners->backends[images[i]->backends[j].id % LEAT_MAX_BACKENDS] = images[i];
	}
}

/* Who is meant is in the images, or gone. */
static int read_one(struct datapath *datapath, const struct owners *owners,
		    const struct leat_quic_key *key)
{
	bool is_known = key->service < LEAT_MAX_SERVICES && key->config < LEAT_QUIC_CONFIGS;
	struct image *image = is_known ? owners->services[key->service] : NULL;
	uint32_t backend;

	if (bpf_map_lookup_elem(quic_fd(datapath), key, &backend) < 0)
		return -errno;
	if (!image || backend >= LEAT_MAX_BACKENDS || owners->backends[backend] != image)
		return quic_map_delete(datapath, key);
	return image_add_quic_id(image, key, backend);
}

int quic_map_read(struct datapath *datapath, struct image **images, size_t count)
{
	cleanup(freep) struct owners *owners = calloc(1, sizeof(*owners));
	struct leat_quic_key key, next;
	bool has_next;
	int r = 0;

	if (!owners)
		return -ENOMEM;
	find_owners(images, count, owners);
	/* The next key is asked for before this one may be deleted: a deleted key starts from the top. */
	has_next = bpf_map_get_next_key(quic_fd(datapath), NULL, &next) == 0;
	while (r == 0 && has_next) {
		key = next;
		has_next = bpf_map_get_next_key(quic_fd(datapath), &key, &next) == 0;
		r = read_one(datapath, owners, &key);
	}
	for (size_t i = 0; i < count; i++)
		image_sort_quic_ids(images[i]);
	return r;
}
