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

/* Headers are written by words: the compiler would copy arrays of bytes byte by byte. */
union outer_ipv4 {
	struct iphdr header;
	__u32 words[sizeof(struct iphdr) / 4];
};

union outer_ipv6 {
	struct ipv6hdr header;
	__u32 words[sizeof(struct ipv6hdr) / 4];
};

/* The MAC that the packet came to, as the upper 48 of 64 bits in the order of the bytes. */
static __always_inline __u64 own_mac(const struct ethhdr *eth)
{
	const __u32 *first = (const void *)eth->h_dest;
	const __u16 *last = (const void *)&eth->h_dest[4];

	return (__u64)*first << 16 | (__u64)*last << 48;
}

static __always_inline void set_proto(struct ethhdr *eth, __be16 proto)
{
	__be16 *to = (void *)&eth->h_proto;

	*to = proto;
}

static __always_inline void set_macs(struct ethhdr *eth, const struct leat_backend *backend,
				     __u64 own)
{
	__u32 *to = (void *)eth, middle = backend->mac_words[1], last = backend->mac_words[2];

	if (!backend->ifindex) {
		middle = (middle & 0xffff) | (__u32)own;
		last = own >> 32;
	}
	to[0] = backend->mac_words[0];
	to[1] = middle;
	to[2] = last;
}

/* RFC 1071. The sum covers an IPv4 header, so two folds are enough. */
static __always_inline __u16 checksum_finish(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline void write_outer_ipv4(__u32 *to, const struct packet *p,
					     const struct leat_backend *backend, __be32 source_bits)
{
	__be16 len = bpf_htons(p->ip_len + sizeof(struct iphdr));
	union outer_ipv4 outer;
	__u32 sum;

#pragma unroll
	for (__u32 i = 0; i < sizeof(outer) / 4; i++)
		outer.words[i] = backend->outer_words[i];
	/* TOS is the second byte of its word, whichever end the machine reads first. */
	sum = outer.header.check + bpf_htons(p->tos) + len;
	sum += (source_bits & 0xffff) + (source_bits >> 16);
	outer.header.tos = p->tos;
	outer.header.tot_len = len;
	outer.header.saddr |= source_bits;
	outer.header.check = checksum_finish(sum);
#pragma unroll
	for (__u32 i = 0; i < sizeof(outer) / 4; i++)
		to[i] = outer.words[i];
}

static __always_inline void write_outer_ipv6(__u32 *to, const struct packet *p,
					     const struct leat_backend *backend, __be32 source_bits)
{
	__u32 label = leat_hash_spread(p->hash) >> 12;
	union outer_ipv6 outer;

#pragma unroll
	for (__u32 i = 0; i < sizeof(outer) / 4; i++)
		outer.words[i] = backend->outer_words[i];
	outer.words[0] = bpf_htonl(6U << 28 | (__u32)p->tos << 20 | label);
	outer.header.payload_len = bpf_htons(p->ip_len);
	outer.header.saddr.s6_addr32[3] |= source_bits;
#pragma unroll
	for (__u32 i = 0; i < sizeof(outer) / 4; i++)
		to[i] = outer.words[i];
}

static __always_inline int forward_ipip(struct packet *p, const struct leat_backend *backend)
{
	__be32 source_bits = leat_hash_spread(p->hash) & backend->source_mask;
	struct ethhdr *eth = packet_data(p);
	void *outer;
	__u64 own;

	if ((void *)(eth + 1) > packet_end(p))
		return -LEAT_INTERNAL;
	own = own_mac(eth);
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
	set_macs(eth, backend, own);
	return 0;
}

static __always_inline int forward_l2(struct packet *p, const struct leat_backend *backend)
{
	struct ethhdr *eth = packet_data(p);

	if ((void *)(eth + 1) > packet_end(p))
		return -LEAT_INTERNAL;
	set_macs(eth, backend, own_mac(eth));
	return 0;
}

static __always_inline int forward_transmit(struct packet *p, const struct leat_backend *backend)
{
	p->action = XDP_TX;
	if (backend->ifindex && backend->ifindex != p->ctx->ingress_ifindex)
		p->action = bpf_redirect_map(&egress, backend->ifindex, 0);
	return p->action == XDP_ABORTED ? -LEAT_INTERNAL : 0;
}

/* 0, or a negative reason; then the packet may be half changed and must be dropped. */
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
