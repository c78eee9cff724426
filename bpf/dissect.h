/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parser of all that bpf/packet.h leaves as UNUSUAL: VLAN tags, IPv6 extension headers, fragments,
 * ICMP, frames in several buffers. A global function, so that none of it is in the fast path's
 * registers; what it found is plain numbers.
 */
#ifndef LEAT_BPF_DISSECT_H
#define LEAT_BPF_DISSECT_H

#include "bpf/icmp.h"
#include "bpf/link.h"
#include "bpf/packet.h"
#include "maps/trace.h"

struct dissection {
	struct leat_service_key key; /* destination; its port is 0 where there are no ports */
	struct leat_addr source;
	__u32 ports;
	__u32 size; /* of the whole frame */
	__u32 link_len;
	__u32 ip_len;	     /* by the header's own account */
	__u32 l4_offset;     /* from the IP header */
	__u32 quoted_offset; /* of the transport that an ICMP error quotes, from what it quotes */
	__u32 fragment_id;
	__u8 protocol; /* of the packet itself */
	__u8 tos;
	__u8 tcp_flags;
	__u8 shape; /* enum leat_shape */
};

/* Each CPU's present one: it would be a large part of what a program may have on its stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dissection);
} dissected SEC(".maps");

/* What an IP header's own fields say of fragments. */
struct fragment {
	__u32 id;
	__u8 is_first; /* offset 0, and more follow */
	__u8 is_later;
};

#define IPV4_MORE_FRAGMENTS  0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS  0x0001

struct ipv6_extension {
	__u8 next;
	__u8 len;  /* in units of 8 bytes, without the first one */
	__u8 type; /* of a routing header */
	__u8 segments_left;
	__be32 rest;
};

struct ipv6_fragment {
	__u8 next;
	__u8 zero;
	__be16 offset;
	__be32 id;
};

static __always_inline int walk_ipv4(struct cursor *c, struct leat_addr *source,
				     struct leat_addr *destination, struct fragment *fragment)
{
	struct iphdr *ip = c->at;
	__u32 header_len;
	__u16 offset;

	if ((void *)(ip + 1) > c->end)
		return -LEAT_RUNT;
	header_len = ip->ihl * 4;
	if (ip->version != 4 || header_len < sizeof(*ip))
		return -LEAT_BAD_HEADER;
	if (c->at + header_len > c->end)
		return -LEAT_RUNT;
	*source = addr_from_ipv4(ip->saddr);
	*destination = addr_from_ipv4(ip->daddr);
	offset = bpf_ntohs(ip->frag_off);
	fragment->is_later = !!(offset & IPV4_FRAGMENT_OFFSET);
	fragment->is_first = !fragment->is_later && offset & IPV4_MORE_FRAGMENTS;
	fragment->id = ip->id;
	c->at += header_len;
	return ip->protocol;
}

/* One that is the whole packet (RFC 6946) is none. */
static __always_inline void note_fragment(const struct ipv6_fragment *header,
					  struct fragment *fragment)
{
	__u16 offset = bpf_ntohs(header->offset);

	fragment->is_later = !!(offset & IPV6_FRAGMENT_OFFSET);
	fragment->is_first = !fragment->is_later && offset & IPV6_MORE_FRAGMENTS;
	fragment->id = header->id;
}

/*
 * Where the headers at `offset` of the frame end, the first of them being `next`: that offset, shifted
 * by 8, and the protocol that follows; or a negative reason. A routing header with segments left means
 * that the destination is not the last one. Global, and by offsets, because a pointer that moves a few
 * times is far more to verify.
 */
__noinline int skip_extensions(struct xdp_md *ctx, __u32 offset, int next,
			       struct fragment *fragment)
{
	union {
		struct ipv6_extension extension;
		struct ipv6_fragment fragment;
	} header;

	if (!fragment)
		return -LEAT_INTERNAL;
	for (int i = 0; i < LEAT_MAX_EXTENSIONS; i++) {
		int is_fragment = next == IPPROTO_FRAGMENT && !fragment->is_first;

		if (!is_fragment && next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
		    next != IPPROTO_DSTOPTS)
			return offset << 8 | next;
		if (bpf_xdp_load_bytes(ctx, offset, &header, sizeof(header)))
			return -LEAT_RUNT;
		if (next == IPPROTO_ROUTING && header.extension.segments_left)
			return -LEAT_NOT_TCP_UDP;
		if (is_fragment)
			note_fragment(&header.fragment, fragment);
		next = header.extension.next;
		offset += is_fragment ? 8 : (header.extension.len + 1) * 8;
		if (fragment->is_later)
			return offset << 8 | next;
	}
	return -LEAT_EXTENSIONS;
}

/* Where the verifier believes that a header may begin. */
#define HEADER_OFFSET_MAX 0x3fff

static __always_inline int walk_extensions(struct xdp_md *ctx, struct cursor *c, int next,
					   struct fragment *fragment)
{
	void *data = (void *)(long)ctx->data;
	__u32 offset = c->at - data;
	int r = skip_extensions(ctx, offset, next, fragment);

	barrier_var(r);
	if (r < 0)
		return r;
	offset = (__u32)r >> 8;
	if (offset > HEADER_OFFSET_MAX)
		return -LEAT_RUNT;
	c->at = data + offset;
	return r & 0xff;
}

static __always_inline int walk_ipv6(struct xdp_md *ctx, struct cursor *c, struct leat_addr *source,
				     struct leat_addr *destination, struct fragment *fragment)
{
	struct ipv6hdr *ip = c->at;

	if ((void *)(ip + 1) > c->end)
		return -LEAT_RUNT;
	if (ip->version != 6)
		return -LEAT_BAD_HEADER;
	*source = addr_from_ipv6(&ip->saddr);
	*destination = addr_from_ipv6(&ip->daddr);
	if (leat_addr_is_ipv4(source) || leat_addr_is_ipv4(destination))
		return -LEAT_BAD_HEADER;
	c->at = ip + 1;
	return walk_extensions(ctx, c, ip->nexthdr, fragment);
}

/* Moves over the IP header and what belongs to it; the protocol that follows, or a negative reason. */
static __always_inline int walk_ip(struct xdp_md *ctx, struct cursor *c, __be16 proto,
				   struct leat_addr *source, struct leat_addr *destination,
				   struct fragment *fragment)
{
	if (proto == bpf_htons(ETH_P_IP))
		return walk_ipv4(c, source, destination, fragment);
	return walk_ipv6(ctx, c, source, destination, fragment);
}

static __always_inline int dissect_transport(struct dissection *d, const struct cursor *c,
					     int protocol)
{
	__u32 len = protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);

	if (c->at + sizeof(struct udphdr) > c->end)
		return -LEAT_RUNT;
	d->ports = *(__u32 *)c->at;
	if (protocol == IPPROTO_TCP) {
		if (c->at + sizeof(struct tcphdr) > c->end || d->ip_len < d->l4_offset + len) {
			if (d->shape != LEAT_SHAPE_FIRST)
				return -LEAT_RUNT;
			d->shape = LEAT_SHAPE_FIRST_SHORT;
			return 0;
		}
		d->tcp_flags = ((__u8 *)c->at)[TCP_FLAGS_OFFSET];
	}
	d->key.port = d->ports >> 16;
	d->key.protocol = protocol;
	return 0;
}

/* RFC 792 promises the first eight bytes of what was sent, and ports are the first four of them. What
 * the client got was sent by the service: from here on it is looked at the other way round. */
static __always_inline int dissect_quoted(struct dissection *d, struct xdp_md *ctx,
					  struct cursor *c, __be16 proto)
{
	struct fragment fragment = { 0 };
	struct leat_addr source, destination;
	const void *quoted = c->at;
	int protocol = walk_ip(ctx, c, proto, &source, &destination, &fragment);
	__u32 ports;

	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || fragment.is_later ||
	    c->at + 8 > c->end || !addr_equal(&source, &d->key.address))
		return -LEAT_NOT_TCP_UDP;
	ports = *(__u32 *)c->at;
	d->source = destination;
	d->ports = leat_swap_ports(ports);
	d->quoted_offset = c->at - quoted;
	d->key.port = d->ports >> 16;
	d->key.protocol = protocol;
	d->shape = LEAT_SHAPE_ERROR;
	return 0;
}

static __always_inline int is_icmp_error(__be16 proto, __u8 type)
{
	if (proto == bpf_htons(ETH_P_IP))
		return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED ||
		       type == ICMP4_PARAMETER;
	return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
}

static __always_inline int dissect_icmp(struct dissection *d, struct xdp_md *ctx, struct cursor *c,
					__be16 proto)
{
	struct icmp_header *icmp = c->at;

	if ((void *)(icmp + 1) > c->end)
		return -LEAT_RUNT;
	if (icmp->type == (proto == bpf_htons(ETH_P_IP) ? ICMP4_ECHO : ICMP6_ECHO)) {
		d->shape = LEAT_SHAPE_ECHO;
		return 0;
	}
	if (!is_icmp_error(proto, icmp->type))
		return -LEAT_NOT_TCP_UDP;
	c->at = icmp + 1;
	return dissect_quoted(d, ctx, c, proto);
}

static __always_inline int dissect_payload(struct dissection *d, struct xdp_md *ctx,
					   struct cursor *c, __be16 proto,
					   const struct fragment *fragment)
{
	int protocol = d->protocol;

	d->fragment_id = fragment->id;
	if (fragment->is_later) {
		d->shape = LEAT_SHAPE_LATER;
		return 0;
	}
	if (fragment->is_first)
		d->shape = LEAT_SHAPE_FIRST;
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
		return dissect_transport(d, c, protocol);
	if (fragment->is_first)
		return -LEAT_FRAGMENT;
	if (protocol == (proto == bpf_htons(ETH_P_IP) ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return dissect_icmp(d, ctx, c, proto);
	return -LEAT_NOT_TCP_UDP;
}

static __always_inline void dissect_lengths(struct dissection *d, const void *at, __be16 proto)
{
	const struct iphdr *ipv4 = at;
	const struct ipv6hdr *ipv6 = at;

	if (proto == bpf_htons(ETH_P_IP)) {
		d->ip_len = bpf_ntohs(ipv4->tot_len);
		d->tos = ipv4->tos;
	} else {
		d->ip_len = sizeof(*ipv6) + bpf_ntohs(ipv6->payload_len);
		d->tos = ipv6->priority << 4 | ipv6->flow_lbl[0] >> 4;
	}
}

static __always_inline int dissect_ip(struct dissection *d, struct xdp_md *ctx, struct cursor *c,
				      __be16 proto)
{
	struct fragment fragment = { 0 };
	void *ip = c->at;
	int protocol;

	if (ip + sizeof(struct iphdr) > c->end)
		return -LEAT_RUNT;
	dissect_lengths(d, ip, proto);
	protocol = walk_ip(ctx, c, proto, &d->source, &d->key.address, &fragment);
	if (protocol < 0)
		return protocol;
	d->l4_offset = c->at - ip;
	d->protocol = protocol;
	return dissect_payload(d, ctx, c, proto, &fragment);
}

/* 0 or a negative reason; `size` is set in any case. */
__noinline int dissect(struct xdp_md *ctx, struct dissection *d)
{
	struct cursor c = { .at = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end };
	int proto;

	if (!d)
		return -LEAT_INTERNAL;
	*d = (struct dissection){ 0 };
	d->size = bpf_xdp_get_buff_len(ctx);
	proto = parse_link(&c);
	if (proto < 0)
		return proto;
	if (proto != bpf_htons(ETH_P_IP) && proto != bpf_htons(ETH_P_IPV6))
		return -LEAT_NOT_IP;
	d->link_len = link_parsed_len(ctx, &c);
	return dissect_ip(d, ctx, &c, proto);
}

#endif
