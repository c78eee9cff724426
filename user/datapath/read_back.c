/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the images back that an earlier daemon's maps hold. Whatever lies in the maps without being
 * reachable from a service (a daemon killed between two operations leaves such) is deleted.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "datapath/internal.h"
#include "model/table_part.h"

#define TABLE_SIZE_BOUND (LEAT_TABLE_MAX_PARTS * LEAT_PART_SLOTS)

struct reading {
	struct datapath *datapath;
	struct image **images;
	size_t count;
};

static void reading_deinit(struct reading *reading)
{
	for (size_t i = 0; i < reading->count; i++)
		image_free(reading->images[i]);
	free(reading->images);
}

static int fd_of(const struct bpf_map *map)
{
	return bpf_map__fd(map);
}

static bool is_plausible_lookup(const struct leat_lookup *lookup)
{
	return lookup->table < LEAT_MAX_TABLES && lookup->size <= TABLE_SIZE_BOUND;
}

static bool is_plausible(const struct leat_service *service)
{
	return service->id < LEAT_MAX_SERVICES && is_plausible_lookup(&service->lookup) &&
	       is_plausible_lookup(&service->former);
}

/* The inner map at `index`; a descriptor or -errno. */
static int open_inner(const struct bpf_map *outer, uint32_t index)
{
	uint32_t id;
	int r = bpf_map_lookup_elem(fd_of(outer), &index, &id);

	if (r == 0)
		r = bpf_map_get_fd_by_id(id);
	return r < 0 ? -errno : r;
}

static int read_part(struct datapath *datapath, uint32_t index, struct leat_table_part *part)
{
	cleanup(close_fdp) int fd = open_inner(datapath->maps->maps.tables, index);
	const uint32_t zero = 0;

	if (fd < 0)
		return fd;
	return bpf_map_lookup_elem(fd, &zero, part) < 0 ? -errno : 0;
}

static int read_table(struct datapath *datapath, const struct leat_lookup *lookup,
		      struct leat_slot **ret_slots)
{
	cleanup(freep) struct leat_table_part *part = calloc(1, sizeof(*part));
	cleanup(freep) struct leat_slot *slots = calloc(lookup->size + 1, sizeof(*slots));

	if (!part || !slots)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < lookup->size; slot += LEAT_PART_SLOTS) {
		int r = read_part(datapath, leat_part_index(lookup->table, slot), part);

		if (r < 0)
			return r;
		table_part_read(part, &slots[slot], table_part_size(lookup->size, slot));
	}
	*ret_slots = take_ptr(slots);
	return 0;
}

static int read_tables(struct datapath *datapath, struct image *image)
{
	int r = read_table(datapath, &image->value.lookup, &image->slots);

	if (r < 0)
		return r;
	image->open_count = image_count_open(image);
	if (image->value.former.size == 0)
		return 0;
	return read_table(datapath, &image->value.former, &image->former_slots);
}

static int read_policy(struct datapath *datapath, struct image *image)
{
	return bpf_map_lookup_elem(fd_of(datapath->maps->maps.policies), &image->value.id,
				   &image->policy);
}

static void read_access(struct datapath *datapath, struct image *image)
{
	uint32_t id;

	image->has_access = bpf_map_lookup_elem(fd_of(datapath->maps->maps.access_lists),
						&image->value.id, &id) == 0;
}

static int read_service(struct reading *reading, const struct leat_service_entry *entry)
{
	cleanup(image_freep) struct image *image = calloc(1, sizeof(*image));
	int r;

	if (!image)
		return -ENOMEM;
	image->key = entry->key;
	image->value = entry->value;
	r = is_plausible(&image->value) ? read_tables(reading->datapath, image) : -EUCLEAN;
	if (r == 0)
		r = read_policy(reading->datapath, image);
	if (r < 0)
		return r;
	read_access(reading->datapath, image);
	reading->images[reading->count++] = take_ptr(image);
	return 0;
}

static int read_services(struct reading *reading)
{
	const struct datapath *datapath = reading->datapath;
	int r = service_map_read(reading->datapath);

	reading->images = calloc(LEAT_MAX_SERVICES, sizeof(struct image *));
	if (!reading->images)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < datapath->service_count; i++)
		r = read_service(reading, &datapath->services[i]);
	return r;
}

static int compare_images(const void *a, const void *b)
{
	const struct image *const *left = a, *const *right = b;

	return memcmp(&(*left)->key, &(*right)->key, sizeof((*left)->key));
}

static struct image *find_image(const struct reading *reading, const struct leat_service_key *key)
{
	struct image wanted = { .key = *key }, *pointer = &wanted, **found;

	found = bsearch(&pointer, reading->images, reading->count, sizeof(*reading->images),
			compare_images);
	return found ? *found : NULL;
}

/* Grows by doubling: the count is a power of two exactly when the room is used up. */
static int add_backend(struct image *image, const struct image_backend *backend)
{
	size_t count = image->backend_count;

	if ((count & (count - 1)) == 0) {
		struct image_backend *more =
			realloc(image->backends, MAX(count * 2, 1U) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		image->backends = more;
	}
	image->backends[image->backend_count++] = *backend;
	return 0;
}

/* Its service is gone, and what it had counted is not to go with it. */
static int delete_orphan_backend(struct reading *reading, const struct leat_registry_key *key,
				 uint32_t id)
{
	int r = counters_retire_backend(reading->datapath, LEAT_RETIRED_TOTAL, id);

	if (r < 0)
		return r;
	return bpf_map_delete_elem(fd_of(reading->datapath->maps->maps.registry), key);
}

static int read_registered(struct reading *reading, const struct leat_registry_key *key)
{
	struct image *image = find_image(reading, &key->service);
	struct image_backend backend = { .address = key->backend };
	struct leat_registry_entry entry;
	int r;

	r = datapath_read_note(reading->datapath, key, &entry);
	if (r < 0)
		return r;
	if (!image)
		return delete_orphan_backend(reading, key, entry.id);
	backend.id = entry.id;
	backend.load = reading->datapath->loads[entry.id % LEAT_MAX_BACKENDS];
	memcpy(backend.name, entry.name, sizeof(backend.name));
	backend.name[sizeof(backend.name) - 1] = '\0';
	r = bpf_map_lookup_elem(fd_of(reading->datapath->maps->maps.backends), &backend.id,
				&backend.value);
	return r < 0 ? r : add_backend(image, &backend);
}

static int read_registry(struct reading *reading)
{
	int fd = fd_of(reading->datapath->maps->maps.registry);
	struct leat_registry_key key, next, *previous = NULL;
	bool has_next;

	/* The next key is asked for before this one may be deleted: a deleted key starts from the top. */
	has_next = bpf_map_get_next_key(fd, NULL, &next) == 0;
	while (has_next) {
		int r;

		key = next;
		previous = &key;
		has_next = bpf_map_get_next_key(fd, previous, &next) == 0;
		r = read_registered(reading, &key);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The ids that services use. */
struct used {
	bool tables[LEAT_MAX_TABLES];
	bool backends[LEAT_MAX_BACKENDS];
};

static void find_used(const struct reading *reading, struct used *used)
{
	for (size_t i = 0; i < reading->count; i++) {
		const struct image *image = reading->images[i];

		used->tables[image->value.lookup.table] = true;
		used->tables[image->value.former.table] |= image->value.former.size != 0;
		for (size_t j = 0; j < image->backend_count; j++)
			used->backends[image->backends[j].id] = true;
	}
}

/* Before Linux 6.8 each of these calls waits until no program runs any more, so not every id is asked
 * for. They are handed out lowest first: whatever lies beyond the first gap only holds memory, until
 * its id is used again. */
static void delete_orphan_tables(struct reading *reading, const struct used *used)
{
	for (uint32_t table = 0; table < LEAT_MAX_TABLES; table++) {
		if (!used->tables[table] && table_delete(reading->datapath, table) < 0)
			return;
	}
}

static bool is_owned_flow(void *user, const struct leat_flow *flow, bool is_half_open)
{
	const struct used *used = user;

	(void)is_half_open;
	return flow->state.backend < LEAT_MAX_BACKENDS && used->backends[flow->state.backend];
}

/* Flows too: they would come back to life with the next owner of their backend's id. */
static int delete_orphans(struct reading *reading)
{
	cleanup(freep) struct used *used = calloc(1, sizeof(*used));

	if (!used)
		return -ENOMEM;
	find_used(reading, used);
	delete_orphan_tables(reading, used);
	datapath_sweep_flows(reading->datapath, is_owned_flow, used);
	datapath_sweep_clients(reading->datapath, is_owned_flow, used);
	return 0;
}

int datapath_read_images(struct datapath *datapath, struct image ***ret_images, size_t *ret_count)
{
	cleanup(reading_deinit) struct reading reading = { .datapath = datapath };
	int r = read_services(&reading);

	if (r == 0 && reading.count)
		qsort(reading.images, reading.count, sizeof(*reading.images), compare_images);
	if (r == 0)
		r = read_registry(&reading);
	if (r == 0)
		r = quic_map_read(datapath, reading.images, reading.count);
	if (r == 0)
		r = delete_orphans(&reading);
	if (r < 0) {
		log_error("the pinned maps cannot be read back: %s", strerror(-r));
		return r;
	}
	for (size_t i = 0; i < reading.count; i++)
		image_sort(reading.images[i]);
	*ret_images = take_ptr(reading.images);
	*ret_count = reading.count;
	reading.count = 0;
	return 0;
}
