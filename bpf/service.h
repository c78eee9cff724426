/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a parsed packet to its service, and from there over the flow's slot to a backend.
 */
#ifndef LEAT_BPF_SERVICE_H
#define LEAT_BPF_SERVICE_H

#include "bpf/maps.h"
#include "bpf/packet.h"
#include "bpf/transition.h"
#include "maps/hash.h"

static __always_inline const struct leat_service *service_lookup(const struct leat_service_key *key)
{
	__u32 index = leat_service_entry_index(key), zero = 0;
	const struct leat_service_entry *entry;
	void *table = bpf_map_lookup_elem(&services, &zero);

	if (!table)
		return NULL;
	for (__u32 probe = 0; probe < LEAT_SERVICE_PROBES; probe++) {
		__u32 at = (index + probe) % LEAT_SERVICE_ENTRIES;

		entry = bpf_map_lookup_elem(table, &at);
		if (!entry || !entry->key.protocol)
			return NULL;
		if (leat_service_key_equal(&entry->key, key))
			return &entry->value;
	}
	return NULL;
}

static __always_inline const struct leat_service *service_find(struct packet *p)
{
	const struct leat_service *service = service_lookup(&p->service_key);

	if (!service && options.any_port) {
		p->service_key.port = 0;
		service = service_lookup(&p->service_key);
	}
	if (service) {
		p->service_id = service->id;
		p->has_service = 1;
	}
	return service;
}

static __always_inline __u64 service_hash(const struct leat_service *service,
					  const struct packet *p)
{
	__u32 ports = service->hash == LEAT_HASH_FLOW ? p->ports : 0;

	return leat_flow_hash(service->hash_key, &p->source, ports);
}

static __always_inline const struct leat_slot *service_slot(const struct leat_service *service,
							    struct packet *p)
{
	const struct leat_slot_line *line;
	__u32 index;
	void *table;

	p->hash = service_hash(service, p);
	p->slot = leat_hash_slot(p->hash, service->table_size);
	index = service->table;
	table = bpf_map_lookup_elem(&tables, &index);
	if (!table)
		return NULL;
	index = p->slot / LEAT_SLOTS_PER_LINE;
	line = bpf_map_lookup_elem(table, &index);
	if (!line)
		return NULL;
	return &line->slots[p->slot % LEAT_SLOTS_PER_LINE];
}

/* A flow is known by its ports too, even where its slot is not. */
static __always_inline __u32 service_pick_open(const struct leat_service *service,
					       const struct leat_slot *slot, const struct packet *p)
{
	__u64 flow = p->hash;

	if (service->hash != LEAT_HASH_FLOW)
		flow = leat_flow_hash(service->hash_key, &p->source, p->ports);
	return transition_pick(flow, service->table, p->slot,
			       (__u32)slot->previous << 16 | slot->current,
			       (__u32)p->service_key.protocol << 8 | p->tcp_flags);
}

/*
 * 0 with *ret_backend, or a negative reason. The key is a variable of its own: a helper that got a
 * pointer into the packet would force all of it out of registers.
 */
static __always_inline int service_pick(const struct leat_service *service, struct packet *p,
					const struct leat_backend **ret_backend)
{
	const struct leat_slot *slot = service_slot(service, p);
	const struct leat_backend *backend;
	__u32 id;

	if (!slot)
		return -LEAT_INTERNAL;
	id = slot->current;
	if (slot->previous & LEAT_SLOT_OPEN)
		id = service_pick_open(service, slot, p);
	if (!id)
		return -LEAT_NO_BACKEND;
	p->backend_id = id;
	backend = bpf_map_lookup_elem(&backends, &id);
	if (!backend)
		return -LEAT_INTERNAL;
	*ret_backend = backend;
	return 0;
}

#endif
