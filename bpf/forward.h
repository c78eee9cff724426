/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts a packet on its way to a backend: a new MAC (l2), or an outer IP header in front of it
 * (ipip). The outer header is precomputed in the backend's entry; what differs per packet is its
 * length, TOS and the bits of its source that spread flows over the receiver's queues.
 */
#ifndef LEAT_BPF_FORWARD_H
#define LEAT_BPF_FORWARD_H

#include "bpf/maps.h"
#include "bpf/packet.h"
#include "maps/hash.h"

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

/* RFC 1071: 34 bits take three folds, and the last carry needs no mask. */
static __always_inline __u16 checksum_finish(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

/* Headers are written by words, as far as they are constant: the compiler would copy bytes. Which word
 * of 32 bits a 16-bit one belongs to does not matter to a checksum. */
static __always_inline void write_outer_ipv4(__u32 *to, const struct packet *p,
					     const struct leat_backend *backend, __be32 source_bits)
{
	__be32 tos_and_len = bpf_htonl((__u32)p->tos << 16 | (p->ip_len + sizeof(struct iphdr)));
	const __u32 *from = backend->outer_words;
	const __u16 *ttl_and_check = (const void *)&from[2];

	to[0] = from[0] | tos_and_len;
	to[1] = from[1];
	((__u16 *)to)[4] = ttl_and_check[0];
	((__u16 *)to)[5] = checksum_finish((__u64)ttl_and_check[1] + tos_and_len + source_bits);
	to[3] = from[3] | source_bits;
	to[4] = from[4];
}

static __always_inline void write_outer_ipv6(__u32 *to, const struct packet *p,
					     const struct leat_backend *backend, __be32 source_bits)
{
	__u32 label = leat_hash_spread(p->hash) >> 12;
	const __u32 *from = backend->outer_words;

	to[0] = bpf_htonl(6U << 28 | (__u32)p->tos << 20 | label);
	to[1] = from[1] | bpf_htonl(p->ip_len << 16);
#pragma unroll
	for (__u32 i = 2; i < sizeof(struct ipv6hdr) / 4; i++)
		to[i] = from[i];
	to[5] = from[5] | source_bits;
}

static __always_inline int forward_ipip(struct packet *p, const struct leat_backend *backend)
{
	__be32 source_bits = leat_hash_spread(p->hash) & backend->source_mask;
	struct mac_parts source = source_mac(p, backend);
	struct ethhdr *eth;
	void *outer;

	if (bpf_xdp_adjust_head(p->ctx, -(int)backend->outer_len))
		return -LEAT_NO_ROOM;

	eth = packet_data(p);
	outer = eth + 1;
	if (backend->outer_len == sizeof(struct iphdr)) {
		if (outer + sizeof(struct iphdr) > packet_end(p))
			return -LEAT_INTERNAL;
		write_outer_ipv4(outer, p, backend, source_bits);
		set_proto(eth, bpf_htons(ETH_P_IP));
	} else {
		if (outer + sizeof(struct ipv6hdr) > packet_end(p))
			return -LEAT_INTERNAL;
		write_outer_ipv6(outer, p, backend, source_bits);
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

/* An action, or a negative reason; then the packet may be half changed and must be dropped. */
static __always_inline int forward_to(struct packet *p, const struct leat_backend *backend)
{
	int r;

	if (backend->forward != LEAT_FORWARD_L2 && backend->forward != LEAT_FORWARD_IPIP)
		return -LEAT_NO_NEXT_HOP;
	if (backend->mtu && p->ip_len + backend->outer_len > backend->mtu)
		return -LEAT_TOO_BIG;
	if (backend->forward == LEAT_FORWARD_IPIP)
		r = forward_ipip(p, backend);
	else
		r = forward_l2(p, backend);
	return r < 0 ? r : forward_transmit(p, backend);
}

#endif
