/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way of a packet that the fast path does not know: the same steps, over what bpf/dissect.h found.
 */
#ifndef LEAT_BPF_UNUSUAL_H
#define LEAT_BPF_UNUSUAL_H

#include "bpf/access.h"
#include "bpf/dissect.h"
#include "bpf/forward.h"
#include "bpf/fragment.h"
#include "bpf/nat.h"
#include "bpf/nat_rewrite.h"
#include "bpf/rate.h"
#include "bpf/service.h"
#include "bpf/verdict.h"

/* That the packet is all there, and has room for the headers that it was found to have. */
static __always_inline int unusual_check_length(const struct dissection *d)
{
	__u32 least = d->l4_offset;

	if (d->shape == LEAT_SHAPE_TRANSPORT)
		least += d->key.protocol == IPPROTO_TCP ? sizeof(struct tcphdr)
							: sizeof(struct udphdr);
	if (d->ip_len > d->size - d->link_len || d->ip_len < least)
		return -LEAT_BAD_LENGTH;
	return 0;
}

static __always_inline int unusual_check(const struct dissection *d)
{
	int r = unusual_check_length(d);

	if (r < 0)
		return r;
	if (addr_equal(&d->source, &d->key.address))
		return -LEAT_LAND;
	return 0;
}

/* Whether a packet fits the way to the backend that it is for; its length is p's from then on. */
static __always_inline int unusual_check_size(struct packet *p, const struct dissection *d,
					      const struct leat_backend *backend, __u32 id)
{
	int r;

	if (options.trace)
		trace.backend = id;
	p->ip_len = d->ip_len;
	r = forward_check_size(p, backend);
	if (r < 0 && (d->shape == LEAT_SHAPE_ERROR || d->shape == LEAT_SHAPE_LATER))
		p->mtu = 0; /* RFC 1122, 3.2.2: no error about these */
	return r;
}

static __always_inline int unusual_forward(struct packet *p, const struct dissection *d, __u32 id)
{
	const struct leat_backend *backend = bpf_map_lookup_elem(&backends, &id);
	struct outbound out = {
		.hash = p->hash,
		.link_len = d->link_len,
		.ip_len = d->ip_len,
		.l4_offset = d->l4_offset,
		.tos = d->tos,
		.is_ipv6 = !leat_addr_is_ipv4(&d->source),
		.protocol = d->shape == LEAT_SHAPE_TRANSPORT ? d->protocol : 0,
	};
	int r;

	if (!backend)
		return -LEAT_INTERNAL;
	r = unusual_check_size(p, d, backend, id);
	if (r < 0)
		return r;
	if (!is_encapsulation(backend->forward))
		return -LEAT_NO_NEXT_HOP;
	r = encapsulate_any(p->ctx, backend, &out);
	if (r == 0)
		r = forward_transmit(p, backend);
	return r < 0 ? r : verdict_forwarded(id, d->size, r);
}

static __always_inline int unusual_pick(const struct leat_service *service, struct packet *p,
					const struct dissection *d)
{
	int r = unusual_check(d);
	__u32 id;

	/* An ICMP error is let in as the client that it is about, not as the router that sent it. */
	if (r == 0)
		r = access_check(service->id, &d->source);
	if (r == 0)
		r = rate_check(service, p);
	if (r < 0)
		return r;
	r = service_pick_id(service, p, &id);
	if (r < 0)
		return r;
	if (d->shape == LEAT_SHAPE_FIRST)
		id = fragment_first(d, id, service->id);
	return unusual_forward(p, d, id);
}

/* Fragments but the first have no ports, and quotes may be cut short. */
static __always_inline int nat_check(const struct dissection *d)
{
	__u32 least = d->l4_offset;
	int r = unusual_check(d);

	if (r < 0)
		return r;
	if (d->shape == LEAT_SHAPE_FIRST)
		return -LEAT_NAT_SHAPE;
	if (d->shape == LEAT_SHAPE_ERROR)
		least += sizeof(struct icmp_header) + d->quoted_offset + sizeof(struct udphdr);
	return d->ip_len < least ? -LEAT_BAD_LENGTH : 0;
}

static __always_inline int nat_send(struct packet *p, const struct dissection *d,
				    const struct leat_backend *backend)
{
	struct outbound out = { .link_len = d->link_len, .ip_len = d->ip_len };
	int r = nat_rewrite(p->ctx);

	return r < 0 ? r : encapsulate_any(p->ctx, backend, &out);
}

static __always_inline int nat_forward(struct packet *p, const struct dissection *d, __u32 id)
{
	const struct leat_backend *backend = bpf_map_lookup_elem(&backends, &id);
	int r;

	if (!backend)
		return -LEAT_INTERNAL;
	r = nat_send(p, d, backend);
	if (r == 0)
		r = forward_transmit(p, backend);
	return r < 0 ? r : verdict_forwarded(id, d->size, r);
}

/* Whether a packet can go to a backend: before a flow is noted for it. */
static __always_inline int nat_check_backend(struct packet *p, const struct dissection *d, __u32 id)
{
	const struct leat_backend *backend = bpf_map_lookup_elem(&backends, &id);
	int r;

	if (!backend)
		return -LEAT_INTERNAL;
	r = unusual_check_size(p, d, backend, id);
	if (r < 0)
		return r;
	return backend->forward % LEAT_FORWARD_TAGGED == LEAT_FORWARD_NAT ? 0 : -LEAT_NO_NEXT_HOP;
}

/* Only a TCP flow's first packet says that it is one. */
static __always_inline int nat_opens(const struct dissection *d)
{
	if (d->shape == LEAT_SHAPE_ERROR)
		return 0;
	return d->key.protocol == IPPROTO_UDP || (d->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* A client's packet. The backend is picked as for any other packet, so that schedulers and drains count its
 * flow; where that is noted already, its packets go there whatever was picked. */
static __always_inline int nat_client(struct packet *p, const struct dissection *d,
				      const struct leat_service *service)
{
	int r = nat_check(d), known, picked;
	__u32 id = 0;

	if (r == 0)
		r = access_check(service->id, &d->source);
	if (r < 0)
		return r;
	known = nat_find_client(p->ctx);
	barrier_var(known);
	if (known < 0)
		return known;
	if (!known && !nat_opens(d))
		return -LEAT_NAT_NO_STATE;
	r = known ? 0 : rate_check(service, p);
	if (r < 0)
		return r;
	picked = service_pick_id(service, p, &id);
	if (!known && picked < 0)
		return picked;
	if (known) {
		trace_choice(LEAT_CHOICE_NAT);
		id = known;
	}
	r = nat_check_backend(p, d, id);
	if (r == 0 && !known) {
		r = nat_open(service->id, id);
		barrier_var(r);
		id = r;
	}
	return r < 0 ? r : nat_forward(p, d, id);
}

/* It leaves as the client's packets came, turned round. */
static __always_inline int nat_send_back(struct packet *p, const struct dissection *d,
					 struct nat_work *work)
{
	int r;

	work->back.forward = LEAT_FORWARD_L2;
	work->back.ifindex = work->nat.ifindex;
	work->back.vlan = work->nat.vlan;
	__builtin_memcpy(work->back.dst_mac, work->nat.client_mac, sizeof(work->back.dst_mac));
	__builtin_memcpy(work->back.src_mac, work->nat.own_mac, sizeof(work->back.src_mac));
	r = nat_send(p, d, &work->back);
	if (r < 0)
		return r;
	count(&reason_count, LEAT_NAT_REPLY, d->size);
	if (options.trace)
		trace.reason = LEAT_NAT_REPLY;
	if (work->nat.ifindex == p->ctx->ingress_ifindex)
		return XDP_TX;
	return bpf_redirect(work->nat.ifindex, 0);
}

/* What is redirected is dropped without a word where it does not fit; its backend is told instead. */
static __always_inline int nat_check_way_back(struct packet *p, const struct dissection *d,
					      const struct nat_work *work)
{
	__u32 mtu = d->ip_len;

	if (work->nat.ifindex == p->ctx->ingress_ifindex ||
	    bpf_check_mtu(p->ctx, work->nat.ifindex, &mtu, 0, 0) != BPF_MTU_CHK_RET_FRAG_NEEDED)
		return 0;
	p->mtu = d->shape == LEAT_SHAPE_ERROR ? 0 : mtu;
	return -LEAT_TOO_BIG;
}

/* A packet for no service: a backend's, if its flow is known. The kernel's own connections may have the
 * same address. */
static __always_inline int nat_reply(struct packet *p, const struct dissection *d)
{
	struct nat_work *work = nat_work();
	int id, r;

	if (!work)
		return -LEAT_INTERNAL;
	id = nat_find_reply();
	barrier_var(id);
	if (id <= 0)
		return -LEAT_NOT_OURS;
	if (options.trace) {
		trace.service = work->nat.service + 1;
		trace.backend = id;
		trace.choice = LEAT_CHOICE_ANSWER;
	}
	r = nat_check(d);
	if (r == 0)
		r = nat_check_way_back(p, d, work);
	if (r == 0)
		r = nat_send_back(p, d, work);
	if (r < 0)
		count_refused(work->nat.service, d->size, -r);
	return r;
}

/* TCP or UDP, with its ports. */
static __always_inline int unusual_service(struct packet *p, const struct dissection *d)
{
	const struct leat_service *service;

	p->service_key = d->key;
	p->source = d->source;
	p->ports = d->ports;
	p->tcp_flags = d->tcp_flags;
	p->link_len = d->link_len;
	p->ip_len = d->ip_len;
	p->l4_offset = d->l4_offset;
	p->is_quoted = d->shape == LEAT_SHAPE_ERROR;
	service = service_find(p);
	if (!service)
		return options.nat ? nat_reply(p, d) : -LEAT_NOT_OURS;
	if (options.nat && service->flags & LEAT_SERVICE_NAT)
		return verdict_of_service(service, d->size, nat_client(p, d, service));
	return verdict_of_service(service, d->size, unusual_pick(service, p, d));
}

static __always_inline int unusual_later(struct packet *p, const struct dissection *d)
{
	int fate = fragment_later(d), r;

	barrier_var(fate);
	if (fate < 0)
		return fate;
	p->hash = fragment_digest(d);
	r = unusual_check_length(d) < 0 ? -LEAT_BAD_LENGTH
					: unusual_forward(p, d, FRAGMENT_BACKEND(fate));
	if (r < 0)
		count_refused(FRAGMENT_SERVICE(fate), d->size, -r);
	return r;
}

/* Global, for the verifier. */
__noinline int unusual_address(const struct dissection *d)
{
	const struct leat_service *entry;
	struct leat_service_key key = { .protocol = LEAT_ADDRESS_ENTRY };
	int r;

	if (!d)
		return -LEAT_INTERNAL;
	key.address = d->key.address;
	entry = service_lookup(&key);
	if (d->shape == LEAT_SHAPE_FIRST_SHORT)
		return entry ? -LEAT_FRAGMENT_SHORT : -LEAT_FRAGMENT;
	if (!entry || !(entry->flags & LEAT_SERVICE_PING))
		return -LEAT_NOT_TCP_UDP;
	if (unusual_check_length(d) < 0)
		return -LEAT_BAD_LENGTH;
	r = access_check(LEAT_ACCESS_NODE, &d->source);
	return r < 0 ? r : -LEAT_ECHO;
}

static __always_inline void trace_dissection(const struct dissection *d)
{
	if (!options.trace)
		return;
	trace.key = d->key;
	trace.source = d->source;
	trace.ports = d->ports;
	trace.tcp_flags = d->tcp_flags;
	trace.shape = d->shape;
	trace.is_parsed = 1;
	if (!trace.key.protocol)
		trace.key.protocol = d->protocol;
}

static __always_inline int balance_dissected(struct packet *p, const struct dissection *d)
{
	trace_dissection(d);
	switch (d->shape) {
	case LEAT_SHAPE_LATER:
		return unusual_later(p, d);
	case LEAT_SHAPE_ECHO:
	case LEAT_SHAPE_FIRST_SHORT:
		return unusual_address(d);
	default:
		return unusual_service(p, d);
	}
}

static __always_inline int balance_unusual(struct packet *p)
{
	__u32 zero = 0;
	struct dissection *d = bpf_map_lookup_elem(&dissected, &zero);
	int r;

	if (!d)
		return XDP_DROP;
	r = dissect(p->ctx, d);
	return verdict(p, d->size, r < 0 ? r : balance_dissected(p, d));
}

#endif
