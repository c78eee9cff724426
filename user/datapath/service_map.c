/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map of services: one inner map, built aside from a list and swapped in whole.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "datapath/internal.h"
#include "model/service_table.h"

#define TABLE_SIZE (LEAT_SERVICE_ENTRIES * sizeof(struct leat_service_entry))

static struct leat_service_entry *find(struct datapath *datapath,
				       const struct leat_service_key *key)
{
	for (size_t i = 0; i < datapath->service_count; i++) {
		if (leat_service_key_equal(&datapath->services[i].key, key))
			return &datapath->services[i];
	}
	return NULL;
}

/* The list has room for all services from the first one on. */
static int reserve(struct datapath *datapath)
{
	if (!datapath->services)
		datapath->services = calloc(LEAT_MAX_SERVICES, sizeof(*datapath->services));
	return datapath->services ? 0 : -ENOMEM;
}

int service_map_set(struct datapath *datapath, const struct leat_service_key *key,
		    const struct leat_service *value)
{
	struct leat_service_entry *entry;
	int r = reserve(datapath);

	if (r < 0)
		return r;
	entry = find(datapath, key);
	if (!entry && datapath->service_count == LEAT_MAX_SERVICES)
		return -E2BIG;
	if (!entry)
		entry = &datapath->services[datapath->service_count++];
	*entry = (struct leat_service_entry){ .key = *key, .value = *value };
	return 0;
}

int service_map_delete(struct datapath *datapath, const struct leat_service_key *key)
{
	struct leat_service_entry *entry = find(datapath, key);

	if (!entry)
		return -ENOENT;
	*entry = datapath->services[--datapath->service_count];
	return 0;
}

/* With the reason why not, if it has no room. */
static int place_service(struct leat_service_entry *table, const struct leat_service_entry *service)
{
	int r = service_table_place(table, service);
	char address[ADDRESS_TEXT_SIZE];

	if (r < 0)
		log_error(
			"port %u of %s finds no place in the map of services: %d others share it; "
			"use another address or port",
			ntohs(service->key.port), address_format(&service->key.address, address),
			LEAT_SERVICE_PROBES);
	return r;
}

static bool is_service(const struct leat_service_entry *entry)
{
	return entry->key.protocol == IPPROTO_TCP || entry->key.protocol == IPPROTO_UDP;
}

static int fill(const struct datapath *datapath, int fd)
{
	struct leat_service_entry *table =
		mmap(NULL, TABLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int r = 0;

	if (table == MAP_FAILED)
		return -errno;
	for (size_t i = 0; r == 0 && i < datapath->service_count; i++)
		r = place_service(table, &datapath->services[i]);
	munmap(table, TABLE_SIZE);
	return r;
}

int service_map_swap(struct datapath *datapath)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	cleanup(close_fdp) int fd = -1;
	const uint32_t zero = 0;
	int r;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "leat_services", sizeof(uint32_t),
			    sizeof(struct leat_service_entry), LEAT_SERVICE_ENTRIES, &options);
	if (fd < 0)
		return -errno;
	r = fill(datapath, fd);
	if (r < 0)
		return r;
	return bpf_map_update_elem(bpf_map__fd(datapath->maps->maps.services), &zero, &fd, BPF_ANY);
}

static int read_table(struct datapath *datapath, int fd)
{
	const struct leat_service_entry *table =
		mmap(NULL, TABLE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	if (table == MAP_FAILED)
		return -errno;
	for (uint32_t i = 0; i < LEAT_SERVICE_ENTRIES; i++) {
		if (is_service(&table[i]) && datapath->service_count < LEAT_MAX_SERVICES)
			datapath->services[datapath->service_count++] = table[i];
	}
	return munmap((void *)(uintptr_t)table, TABLE_SIZE);
}

int service_map_read(struct datapath *datapath)
{
	cleanup(close_fdp) int fd = -1;
	const uint32_t zero = 0;
	uint32_t id;
	int r = reserve(datapath);

	if (r < 0)
		return r;
	datapath->service_count = 0;
	r = bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.services), &zero, &id);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? -errno : read_table(datapath, fd);
}
