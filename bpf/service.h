/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a parsed packet to its service, and from there over the flow's slot to a backend.
 */
#ifndef LEAT_BPF_SERVICE_H
#define LEAT_BPF_SERVICE_H

#include "bpf/flow.h"
#include "bpf/maps.h"
#include "bpf/packet.h"
#include "bpf/quic.h"
#include "maps/hash.h"

static __always_inline const struct leat_service_entry *service_entry(void *table, __u32 index)
{
	index %= LEAT_SERVICE_ENTRIES;
	return bpf_map_lookup_elem(table, &index);
}

struct service_scan {
	void *table;
	const struct leat_service_key *key;
	__u32 index; /* of the key's first entry; afterwards of the one that it is in */
	__u32 is_found;
};

static long service_scan_entry(__u32 step, struct service_scan *scan)
{
	__u32 index = scan->index + 1 + step;
	const struct leat_service_entry *entry = service_entry(scan->table, index);

	if (!entry || !entry->key.protocol)
		return 1;
	scan->is_found = leat_service_key_equal(&entry->key, scan->key);
	if (scan->is_found)
		scan->index = index;
	return scan->is_found;
}

/* The entries after the first one: a function of its own, so that the first one's way is short. The loop is
 * the kernel's, whose verifier goes through one step of it and not through all of them. */
static __noinline const struct leat_service *
service_search(void *table, const struct leat_service_key *key, __u32 index)
{
	struct service_scan scan = { .table = table, .key = key, .index = index };
	const struct leat_service_entry *entry;

	bpf_loop(LEAT_SERVICE_PROBES - 1, service_scan_entry, &scan, 0);
	entry = scan.is_found ? service_entry(table, scan.index) : NULL;
	return entry ? &entry->value : NULL;
}

static __always_inline const struct leat_service *service_lookup(const struct leat_service_key *key)
{
	__u32 index = leat_service_entry_index(key), zero = 0;
	const struct leat_service_entry *entry;
	void *table = bpf_map_lookup_elem(&services, &zero);
	struct leat_service_key copy;

	if (!table)
		return NULL;
	entry = service_entry(table, index);
	if (!entry)
		return NULL;
	if (leat_service_key_equal(&entry->key, key))
		return &entry->value;
	if (!entry->key.protocol)
		return NULL;
	copy = *key;
	return service_search(table, &copy, index);
}

static __always_inline const struct leat_service *service_find(struct packet *p)
{
	const struct leat_service *service = service_lookup(&p->service_key);

	if (!service && options.any_port) {
		p->service_key.port = 0;
		service = service_lookup(&p->service_key);
	}
	/* Here and below: what is traced at once need not be kept for the end. */
	if (options.trace && service)
		trace.service = service->id + 1;
	return service;
}

static __always_inline struct leat_slot service_slot(const struct leat_service *service,
						     struct packet *p)
{
	const struct leat_lookup *lookup = &service->lookup;
	__u32 ports = lookup->hash == LEAT_HASH_FLOW ? p->ports : 0;

	p->hash = leat_flow_hash(lookup->hash_key, &p->source, ports);
	p->slot = leat_hash_slot(p->hash, lookup->size);
	if (options.trace)
		trace.slot = p->slot;
	return lookup_slot(lookup, p->slot);
}

static __always_inline int slot_suffices(const struct leat_service *service, struct leat_slot slot)
{
	if (options.remembers && service->scheduler != LEAT_SCHEDULER_HASH)
		return 0;
	return !(slot.previous & LEAT_SLOT_OPEN);
}

static __always_inline struct flow_packet flow_packet(struct leat_slot slot, const struct packet *p)
{
	struct flow_packet packet = {
		.source = p->source,
		.hash = p->hash,
		.ports = p->ports,
		.slot = p->slot,
		.current = slot.current,
		.previous = slot.previous & LEAT_SLOT_BACKEND,
		.is_open = !!(slot.previous & LEAT_SLOT_OPEN),
		.protocol = p->service_key.protocol,
		.tcp_flags = p->tcp_flags,
		.is_quoted = p->is_quoted,
	};

	return packet;
}

static __always_inline __u32 service_pick_flow(const struct leat_service *service,
					       struct leat_slot slot, const struct packet *p)
{
	struct flow_packet packet = flow_packet(slot, p);

	return flow_pick(service, &packet);
}

/* The backend that the packet's connection id names, or 0. */
static __always_inline __u32 service_pick_quic(const struct leat_service *service,
					       struct leat_slot slot, const struct packet *p)
{
	__u32 offset = p->l4_offset + sizeof(struct udphdr), id;
	__u32 link_len = p->link_len ?: sizeof(struct ethhdr);

	if (!(service->flags & LEAT_SERVICE_QUIC) || p->is_quoted || p->ip_len <= offset)
		return 0;
	id = quic_pick(p->ctx, service->id, link_len + offset, p->ip_len - offset);
	if (id && counts_old_flows(id)) {
		struct flow_packet packet = flow_packet(slot, p);

		flow_note(service, &packet, id);
	}
	return id;
}

/* 0 with *ret_id, or a negative reason. */
static __always_inline int service_pick_id(const struct leat_service *service, struct packet *p,
					   __u32 *ret_id)
{
	struct leat_slot slot = service_slot(service, p);
	__u32 id = options.quic ? service_pick_quic(service, slot, p) : 0;

	if (!id)
		id = slot_suffices(service, slot) ? slot.current
						  : service_pick_flow(service, slot, p);
	if (!id)
		return -LEAT_NO_BACKEND;
	*ret_id = id;
	return 0;
}

/*
 * The same with *ret_backend. The key is a variable of its own: a helper that got a pointer into the
 * packet would force all of it out of registers.
 */
static __always_inline int service_pick(const struct leat_service *service, struct packet *p,
					__u32 *ret_id, const struct leat_backend **ret_backend)
{
	const struct leat_backend *backend;
	__u32 id;
	int r = service_pick_id(service, p, &id);

	if (r < 0)
		return r;
	if (options.trace)
		trace.backend = id;
	backend = bpf_map_lookup_elem(&backends, &id);
	if (!backend)
		return -LEAT_INTERNAL;
	*ret_id = id;
	*ret_backend = backend;
	return 0;
}

#endif
