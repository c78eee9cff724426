/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows that are translated: their memory, and the ports of the pool. A port is taken by inserting the
 * entry of the backend's packets, which only one CPU can do, and is free again when that is deleted. A
 * client's entry is there only while the backend's is: the latter is made first and goes last.
 */
#ifndef LEAT_BPF_NAT_H
#define LEAT_BPF_NAT_H

#include <linux/errno.h>

#include "bpf/dissect.h"
#include "bpf/flow.h"

/* Each CPU's present packet and flow, which would not fit on the stack. */
struct nat_work {
	struct leat_nat_key key; /* the packet's */
	struct leat_nat_key reply_key;
	struct leat_nat
		nat; /* what the packet becomes; a copy, or about to be the client's entry */
	struct leat_nat reply;
	struct leat_backend
		back; /* how a backend's packet leaves, in the form of another backend */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_work);
} nat_working SEC(".maps");

static __always_inline struct nat_work *nat_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nat_working, &zero);
}

static __always_inline __u32 nat_now(void)
{
	return bpf_ktime_get_coarse_ns() >> LEAT_TICK_SHIFT;
}

static __always_inline void nat_write_key(struct leat_nat_key *key, const struct dissection *d)
{
	key->source = d->source;
	key->destination = d->key.address;
	key->ports = d->ports;
	key->protocol = d->key.protocol;
}

static __always_inline __u8 nat_flags_after(const struct leat_nat *nat, const struct dissection *d)
{
	__u8 flags = nat->flags;

	if (d->key.protocol != IPPROTO_TCP)
		return flags | LEAT_NAT_LIVE;
	if (flags & LEAT_NAT_FROM_BACKEND || !(d->tcp_flags & TCP_SYN))
		flags |= LEAT_NAT_LIVE;
	if (d->tcp_flags & TCP_FIN)
		flags |= LEAT_NAT_FIN;
	return d->tcp_flags & TCP_RST ? flags | LEAT_NAT_RST : flags & ~LEAT_NAT_RST;
}

/* Written only where something changes, so that a flow's packets do not take the line from each other. */
static __always_inline void nat_touch(struct leat_nat *nat, const struct dissection *d)
{
	__u8 flags = nat_flags_after(nat, d);
	__u32 now = nat_now();

	if (nat->flags != flags)
		nat->flags = flags;
	if (nat->seen != now)
		nat->seen = now;
}

/* Whether both ends have said that the flow is over, or one that it never was. */
static __always_inline int nat_is_over(const struct leat_nat *nat, const struct leat_nat *peer)
{
	__u8 either = nat->flags | peer->flags, both = nat->flags & peer->flags;

	return either & LEAT_NAT_RST || both & LEAT_NAT_FIN;
}

static __always_inline void nat_remove(const struct nat_work *work)
{
	bpf_map_delete_elem(&nat_flows, &work->key);
	bpf_map_delete_elem(&nat_flows, &work->reply_key);
}

/* Of the packet that bpf/dissect.h looked at. An 802.1ad tag is not given back, and so not taken. */
static __always_inline int nat_read_link(struct leat_nat *nat, const struct xdp_md *ctx,
					 __u32 link_len)
{
	const void *data = (void *)(long)ctx->data;
	const __u16 *at = data;

	if (data + LINK_LEN_MAX > (void *)(long)ctx->data_end)
		return -LEAT_RUNT;
	__builtin_memcpy(nat->own_mac, data, sizeof(nat->own_mac));
	__builtin_memcpy(nat->client_mac, data + 6, sizeof(nat->client_mac));
	nat->ifindex = ctx->ingress_ifindex;
	nat->vlan = 0;
	if (link_len == LINK_LEN(0))
		return 0;
	if (link_len != LINK_LEN(1) || at[LINK_TYPE_OFFSET / 2] != bpf_htons(ETH_P_8021Q))
		return -LEAT_NAT_SHAPE;
	nat->vlan = at[LINK_TYPE_OFFSET / 2 + 1] & bpf_htons(VLAN_ID_MASK);
	return 0;
}

static __always_inline int nat_same_link(const struct leat_nat *a, const struct leat_nat *b)
{
	const __u16 *macs = (const void *)a->own_mac, *others = (const void *)b->own_mac;
	__u32 differ = (a->ifindex ^ b->ifindex) | (a->vlan ^ b->vlan);

#pragma unroll
	for (int i = 0; i < 6; i++)
		differ |= macs[i] ^ others[i];
	return !differ;
}

static __always_inline void nat_copy_link(struct leat_nat *to, const struct leat_nat *from)
{
	__u16 *macs = (void *)to->own_mac;
	const __u16 *others = (const void *)from->own_mac;

	to->ifindex = from->ifindex;
	to->vlan = from->vlan;
#pragma unroll
	for (int i = 0; i < 6; i++)
		macs[i] = others[i];
}

/* The router towards the client may be another one now. work->nat has the packet's own link. */
static __always_inline void nat_follow_link(const struct nat_work *work, struct leat_nat *nat)
{
	struct leat_nat *reply;

	if (nat_same_link(nat, &work->nat))
		return;
	nat_copy_link(nat, &work->nat);
	reply = bpf_map_lookup_elem(&nat_flows, &work->reply_key);
	if (reply)
		nat_copy_link(reply, &work->nat);
}

/*
 * Of a client's packet: the backend that its flow is on, with what the packet becomes in nat_work(); 0 if
 * the flow is not known, -LEAT_NAT_SHAPE if it cannot be. One that is over and opens again is a new
 * one, and so is one whose backend is gone. An error that quotes a flow (is_quoted) changes nothing.
 */
__noinline int nat_find_client(struct xdp_md *ctx)
{
	__u32 zero = 0;
	const struct dissection *d = bpf_map_lookup_elem(&dissected, &zero);
	struct nat_work *work = nat_work();
	struct leat_nat *found, *reply;
	int r;

	if (!d || !work)
		return -LEAT_INTERNAL;
	nat_write_key(&work->key, d);
	r = nat_read_link(&work->nat, ctx, d->link_len);
	if (r < 0)
		return r;
	found = bpf_map_lookup_elem(&nat_flows, &work->key);
	if (!found || found->flags & LEAT_NAT_FROM_BACKEND)
		return 0;
	leat_nat_peer(&work->key, found, &work->reply_key);
	if (d->shape != LEAT_SHAPE_ERROR) {
		int opens = d->key.protocol == IPPROTO_TCP &&
			    (d->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;

		reply = opens ? bpf_map_lookup_elem(&nat_flows, &work->reply_key) : NULL;
		if ((reply && nat_is_over(found, reply)) || !serves(found->backend)) {
			nat_remove(work);
			return 0;
		}
		nat_touch(found, d);
		nat_follow_link(work, found);
	}
	work->nat = *found;
	return found->backend;
}

/* The same of a backend's packet, which has come to an address of the pool. */
__noinline int nat_find_reply(void)
{
	__u32 zero = 0;
	const struct dissection *d = bpf_map_lookup_elem(&dissected, &zero);
	struct nat_work *work = nat_work();
	struct leat_nat *found;

	if (!d || !work)
		return -LEAT_INTERNAL;
	nat_write_key(&work->key, d);
	found = bpf_map_lookup_elem(&nat_flows, &work->key);
	if (!found || !(found->flags & LEAT_NAT_FROM_BACKEND))
		return 0;
	if (d->shape != LEAT_SHAPE_ERROR)
		nat_touch(found, d);
	work->nat = *found;
	return found->backend;
}

/* Before Linux 6.4 a map's own function, which the call becomes, returns an int, and leaves nothing that
 * could be relied on in the upper half of the register. */
static __always_inline int nat_insert(const struct leat_nat_key *key, const struct leat_nat *nat)
{
	int r = (int)bpf_map_update_elem(&nat_flows, key, nat, BPF_NOEXIST);

	barrier_var(r);
	return r;
}

#define NAT_TAKEN 1

/* Tries to take the port of the pool that `hash` says; work->reply_key has it then. 0, NAT_TAKEN, or a
 * negative reason. */
__noinline int nat_take_port(__u64 hash, __u32 family)
{
	const struct leat_nat_pool *pool = bpf_map_lookup_elem(&nat_pool, &family);
	struct nat_work *work = nat_work();
	__u32 index, port;
	int r;

	if (!work)
		return -LEAT_INTERNAL;
	if (!pool || !pool->count)
		return -LEAT_NAT_EXHAUSTED;
	index = (__u32)hash % pool->count;
	port = pool->first_port + leat_hash_slot(hash, pool->port_count);
	barrier_var(index);
	if (index >= LEAT_NAT_ADDRESSES)
		return -LEAT_INTERNAL;
	work->reply_key.destination = pool->addresses[index];
	work->reply_key.ports = (work->reply_key.ports & 0xffff) | (__u32)bpf_htons(port) << 16;
	r = nat_insert(&work->reply_key, &work->reply);
	if (r == 0)
		return 0;
	return r == -EEXIST ? NAT_TAKEN : -LEAT_NAT_FULL;
}

/* A client that tries again later finds other ports. */
static __always_inline int nat_allocate(const struct dissection *d, __u32 service, __u32 family)
{
	__u64 hash = leat_flow_digest(memory.flow_key, service, &d->source, d->ports) + nat_now();
	int r = NAT_TAKEN;

	for (int i = 0; i < LEAT_NAT_PROBES && r == NAT_TAKEN; i++) {
		hash = leat_mix(hash + 0x9e3779b97f4a7c15ULL);
		r = nat_take_port(hash, family);
		barrier_var(r);
	}
	return r == NAT_TAKEN ? -LEAT_NAT_EXHAUSTED : r;
}

static __always_inline void nat_fill_reply(struct nat_work *work, const struct dissection *d,
					   const struct leat_backend *backend)
{
	__u32 port = backend->nat_port ? backend->nat_port : d->ports >> 16;

	work->reply_key.source = backend->nat_address;
	work->reply_key.ports = port;
	work->reply_key.protocol = d->key.protocol;
	work->reply.source = d->key.address;
	work->reply.destination = d->source;
	work->reply.ports = leat_swap_ports(d->ports);
	work->reply.flags = LEAT_NAT_FROM_BACKEND;
	nat_copy_link(&work->reply, &work->nat);
}

/* Another CPU noted the flow in the meantime: its port is the one, and ours is given back. */
static __always_inline int nat_yield(struct nat_work *work)
{
	const struct leat_nat *other;

	bpf_map_delete_elem(&nat_flows, &work->reply_key);
	other = bpf_map_lookup_elem(&nat_flows, &work->key);
	if (!other || other->flags & LEAT_NAT_FROM_BACKEND)
		return -LEAT_NAT_FULL;
	work->nat = *other;
	return other->backend;
}

/* Notes the flow that the packet opens, towards `backend`, after nat_find_client(). The backend that it is
 * on, with what the packet becomes in nat_work(), or a negative reason. */
__noinline int nat_open(__u32 service, __u32 id)
{
	__u32 zero = 0;
	const struct dissection *d = bpf_map_lookup_elem(&dissected, &zero);
	const struct leat_backend *backend = bpf_map_lookup_elem(&backends, &id);
	struct nat_work *work = nat_work();
	int r;

	if (!d || !work || !backend)
		return -LEAT_INTERNAL;
	nat_fill_reply(work, d, backend);
	work->nat.seen = work->reply.seen = nat_now();
	work->nat.backend = work->reply.backend = id;
	work->nat.service = work->reply.service = service;
	r = nat_allocate(d, service, leat_addr_is_ipv4(&backend->nat_address) ? 4 : 6);
	if (r < 0)
		return r;
	work->nat.source = work->reply_key.destination;
	work->nat.destination = work->reply_key.source;
	work->nat.ports = leat_swap_ports(work->reply_key.ports);
	work->nat.flags = d->key.protocol == IPPROTO_TCP ? 0 : LEAT_NAT_LIVE;
	r = nat_insert(&work->key, &work->nat);
	if (r == 0) {
		trace_noted(LEAT_MEMORY_NAT);
		return id;
	}
	if (r == -EEXIST)
		return nat_yield(work);
	bpf_map_delete_elem(&nat_flows, &work->reply_key);
	return -LEAT_NAT_FULL;
}

#endif
