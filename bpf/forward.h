/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts a packet on its way to a backend: a new MAC (l2), or an outer IP header in front of it (ipip);
 * other ways are bpf/encapsulate.h's.
 */
#ifndef LEAT_BPF_FORWARD_H
#define LEAT_BPF_FORWARD_H

#include "bpf/encapsulate.h"
#include "bpf/maps.h"
#include "bpf/outer.h"
#include "bpf/packet.h"

/* A MAC by the two parts that both of an Ethernet header's can be read and written by. */
struct mac_parts {
	__u16 first;
	__u32 rest;
};

/* What goes out has the MAC that the packet came to as its source, unless another interface has it. */
static __always_inline struct mac_parts source_mac(const struct packet *p,
						   const struct leat_backend *backend)
{
	const void *mac = backend->ifindex ? (const void *)backend->src_mac : p->eth->h_dest;
	struct mac_parts parts = { *(const __u16 *)mac, *(const __u32 *)(mac + 2) };

	return parts;
}

static __always_inline void set_proto(struct ethhdr *eth, __be16 proto)
{
	__be16 *to = (void *)&eth->h_proto;

	*to = proto;
}

static __always_inline void set_macs(struct ethhdr *eth, const struct leat_backend *backend,
				     struct mac_parts source)
{
	void *to = eth;

	*(__u32 *)to = backend->mac_words[0];
	*(__u16 *)(to + 4) = backend->mac_words[1];
	*(__u16 *)(to + 6) = source.first;
	*(__u32 *)(to + 8) = source.rest;
}

static __always_inline int forward_ipip(struct packet *p, const struct leat_backend *backend)
{
	struct outer outer = { .len = p->ip_len, .tos = p->tos, .hash = p->hash };
	struct mac_parts source = source_mac(p, backend);
	struct ethhdr *eth;
	void *at;

	if (bpf_xdp_adjust_head(p->ctx, -(int)backend->outer_len))
		return -LEAT_NO_ROOM;

	eth = packet_data(p);
	at = eth + 1;
	if (backend->outer_len == sizeof(struct iphdr)) {
		if (at + sizeof(struct iphdr) > packet_end(p))
			return -LEAT_INTERNAL;
		write_outer_ipv4(at, backend, &outer);
		set_proto(eth, bpf_htons(ETH_P_IP));
	} else {
		if (at + sizeof(struct ipv6hdr) > packet_end(p))
			return -LEAT_INTERNAL;
		write_outer_ipv6(at, backend, &outer);
		set_proto(eth, bpf_htons(ETH_P_IPV6));
	}
	set_macs(eth, backend, source);
	return 0;
}

static __always_inline int forward_l2(struct packet *p, const struct leat_backend *backend)
{
	set_macs(p->eth, backend, source_mac(p, backend));
	return 0;
}

static __always_inline int is_encapsulation(__u32 forward)
{
	forward %= LEAT_FORWARD_TAGGED;
	return forward == LEAT_FORWARD_L2 || forward == LEAT_FORWARD_IPIP ||
	       forward == LEAT_FORWARD_GUE;
}

/* Of a packet without VLAN tags and extension headers. */
static __always_inline int forward_rest(struct packet *p, const struct leat_backend *backend)
{
	struct outbound out = {
		.hash = p->hash,
		.link_len = sizeof(struct ethhdr),
		.ip_len = p->ip_len,
		.l4_offset = p->l4_offset,
		.tos = p->tos,
		.is_ipv6 = !leat_addr_is_ipv4(&p->source),
		.protocol = p->service_key.protocol,
	};

	if (!is_encapsulation(backend->forward))
		return -LEAT_NO_NEXT_HOP;
	return encapsulate_any(p->ctx, backend, &out);
}

static __always_inline int forward_transmit(struct packet *p, const struct leat_backend *backend)
{
	if (!backend->ifindex || backend->ifindex == p->ctx->ingress_ifindex)
		return XDP_TX;
	if (bpf_redirect_map(&egress, backend->ifindex, 0) == XDP_REDIRECT)
		return XDP_REDIRECT;
	/* It is counted as it came. */
	bpf_xdp_adjust_head(p->ctx, backend->outer_len);
	return -LEAT_INTERNAL;
}

static __always_inline int forward_check_size(struct packet *p, const struct leat_backend *backend)
{
	if (!backend->mtu || p->ip_len + backend->outer_len <= backend->mtu)
		return 0;
	p->mtu = backend->mtu - backend->outer_len;
	return -LEAT_TOO_BIG;
}

/* An action, or a negative reason; then the packet may be half changed and must be dropped. */
static __always_inline int forward_to(struct packet *p, const struct leat_backend *backend)
{
	int r = forward_check_size(p, backend);

	if (r < 0)
		return r;
	if (backend->forward == LEAT_FORWARD_IPIP)
		r = forward_ipip(p, backend);
	else if (backend->forward == LEAT_FORWARD_L2)
		r = forward_l2(p, backend);
	else
		r = forward_rest(p, backend);
	return r < 0 ? r : forward_transmit(p, backend);
}

#endif
