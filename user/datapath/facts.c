/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the maps say of one service, backend or source, for people. Nothing here writes.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "datapath/internal.h"

int datapath_list_services(struct datapath *datapath,
			   const struct leat_service_entry **ret_services, size_t *ret_count)
{
	int r = service_map_read(datapath);

	if (r < 0)
		return r;
	*ret_services = datapath->services;
	*ret_count = datapath->service_count;
	return 0;
}

int datapath_read_policy(const struct datapath *datapath, uint32_t service,
			 struct leat_policy *ret_policy)
{
	return bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.policies), &service,
				   ret_policy);
}

/* The registry is by address, so all of it may have to be looked at. */
static int find_registered(const struct datapath *datapath, uint32_t id,
			   struct leat_registry_key *ret_key, struct leat_registry_entry *ret_entry)
{
	int fd = bpf_map__fd(datapath->maps->maps.registry);
	struct leat_registry_key key, *previous = NULL;
	struct leat_registry_entry entry;

	while (bpf_map_get_next_key(fd, previous, &key) == 0) {
		if (bpf_map_lookup_elem(fd, &key, &entry) == 0 && entry.id == id) {
			*ret_key = key;
			*ret_entry = entry;
			return 0;
		}
		previous = &key;
	}
	return -ENOENT;
}

int datapath_read_facts(const struct datapath *datapath, uint32_t backend,
			struct backend_facts *ret_facts)
{
	struct backend_facts facts;
	int r = find_registered(datapath, backend, &facts.key, &facts.note);

	if (r == 0)
		r = bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.backends), &backend,
					&facts.value);
	if (r == 0)
		r = bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.loads), &backend,
					&facts.load);
	if (r == 0)
		*ret_facts = facts;
	return r;
}

static bool prefix_has(const struct leat_prefix *prefix, const struct leat_addr *address)
{
	for (uint32_t bit = 0; bit < prefix->len; bit++) {
		uint32_t mask = 0x80U >> bit % 8;
		const uint8_t *bytes = (const uint8_t *)prefix->address;

		if ((bytes[bit / 8] ^ address->bytes[bit / 8]) & mask)
			return false;
	}
	return true;
}

/* The datapath learns what a list says, and not by which prefix: a trie's look-up does not tell. */
int datapath_find_rule(const struct datapath *datapath, uint32_t list,
		       const struct leat_addr *source, struct leat_prefix *ret_prefix)
{
	struct leat_prefix prefix, *previous = NULL;
	bool is_found = false;
	cleanup(close_fdp) int fd = -1;
	uint32_t id;
	int r = bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.access_lists), &list, &id);

	if (r < 0)
		return r;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	while (bpf_map_get_next_key(fd, previous, &prefix) == 0) {
		if (prefix_has(&prefix, source) && (!is_found || prefix.len > ret_prefix->len)) {
			*ret_prefix = prefix;
			is_found = true;
		}
		previous = &prefix;
	}
	return is_found ? 0 : -ENOENT;
}

bool datapath_runs_on(const struct datapath *datapath, uint32_t ifindex)
{
	uint32_t id = attached_program_id(PROGRAM_NAME, ifindex);

	return id && id == pinned_program_id(datapath);
}
