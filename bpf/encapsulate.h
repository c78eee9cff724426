/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every way of forwarding that is not on the fast path: packets that have VLAN tags or get one, and
 * GUE. A global function, as bpf/dissect.h.
 */
#ifndef LEAT_BPF_ENCAPSULATE_H
#define LEAT_BPF_ENCAPSULATE_H

#include "bpf/checksum.h"
#include "bpf/link.h"
#include "bpf/outer.h"

/* What of a packet its outer headers depend on. */
struct outbound {
	__u64 hash;
	__u32 link_len;
	__u32 ip_len;
	__u32 l4_offset;
	__u8 tos;
	__u8 is_ipv6;
	__u8 protocol; /* 0: what follows the IP header need not have a checksum of its own */
};

/* The packet's link header as it came, and what it becomes. */
struct relink {
	__u16 source_mac[3];
	__u16 tags[2 * VLAN_TAGS];
	__be16 proto;
	__u32 tag_count;
};

/* With a static next hop a packet leaves where it came in, tags and all. Else the egress says. */
static __always_inline int relink_read(struct relink *link, struct xdp_md *ctx,
				       const struct leat_backend *backend, __u32 link_len)
{
	const void *data = (void *)(long)ctx->data;
	const __u16 *at = data;

	if (data + LINK_LEN_MAX > (void *)(long)ctx->data_end)
		return -LEAT_RUNT;
#pragma unroll
	for (int i = 0; i < 2 * VLAN_TAGS; i++)
		link->tags[i] = at[LINK_TYPE_OFFSET / 2 + i];
	link->tag_count = link_len > LINK_LEN(1) ? 2 : link_len > LINK_LEN(0);
	link->proto = at[LINK_TYPE_OFFSET / 2 + 2 * link->tag_count];
#pragma unroll
	for (int i = 0; i < 3; i++)
		link->source_mac[i] = backend->ifindex ? ((const __u16 *)backend->src_mac)[i]
						       : at[i];
	if (!backend->ifindex)
		return 0;
	link->tag_count = !!backend->vlan;
	link->tags[0] = bpf_htons(ETH_P_8021Q);
	link->tags[1] = backend->vlan;
	return 0;
}

static __always_inline void relink_write(const struct relink *link, __u16 *to,
					 const struct leat_backend *backend)
{
	const __u16 *mac = (const void *)backend->dst_mac;

#pragma unroll
	for (int i = 0; i < 3; i++) {
		to[i] = mac[i];
		to[3 + i] = link->source_mac[i];
	}
	to += LINK_TYPE_OFFSET / 2;
	if (link->tag_count > 0) {
		to[0] = link->tags[0];
		to[1] = link->tags[1];
		to += 2;
	}
	if (link->tag_count > 1) {
		to[0] = link->tags[2];
		to[1] = link->tags[3];
		to += 2;
	}
	to[0] = link->proto;
}

/*
 * The sum of a packet whose own checksums are right, from its headers alone (local checksum offload: the
 * kernel's Documentation/networking/checksum-offloads): an IPv4 header sums up to nothing, and so do a
 * segment and its pseudo header. 0 if that does not hold for this one.
 */
static __always_inline int sum_of_inner(const void *ip, const void *end, const struct outbound *out,
					__u64 *ret_sum)
{
	__u32 l4_len = out->ip_len - out->l4_offset;
	const struct iphdr *ipv4 = ip;
	const struct ipv6hdr *ipv6 = ip;
	__u64 pseudo = bpf_htons(out->protocol) + (__u64)bpf_htonl(l4_len);
	const struct udphdr *udp;
	__u64 header = 0;

	if (!out->protocol)
		return 0;
	if (out->is_ipv6) {
		if ((void *)(ipv6 + 1) > end || out->l4_offset != sizeof(*ipv6))
			return 0;
		header = checksum_words(ip, sizeof(*ipv6) / 4);
		pseudo += checksum_words((void *)&ipv6->saddr, 2 * sizeof(ipv6->saddr) / 4);
	} else {
		if ((void *)(ipv4 + 1) > end)
			return 0;
		pseudo += (__u64)ipv4->saddr + ipv4->daddr;
	}
	udp = ip + (out->l4_offset & 0x3f);
	if (out->protocol == IPPROTO_UDP && ((void *)(udp + 1) > end || !udp->check))
		return 0;
	*ret_sum = header + checksum_finish_long(pseudo);
	return 1;
}

/* Over IPv4 the checksum may be left out, and is. Over IPv6 receivers want it (RFC 6935), where it can
 * be had without reading all of the packet. */
static __always_inline void write_gue(struct leat_gue *gue, const void *end,
				      const struct leat_backend *backend,
				      const struct outbound *out)
{
	__u32 len = sizeof(*gue) + out->ip_len;
	__u64 sum = 0;

	*gue = (struct leat_gue){
		.source = bpf_htons(0xc000 | (leat_hash_spread(out->hash) & 0x3fff)),
		.destination = backend->gue_port,
		.len = bpf_htons(len),
		.protocol = out->is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
	};
	if (backend->outer_len != sizeof(struct ipv6hdr) + sizeof(*gue) ||
	    !sum_of_inner(gue + 1, end, out, &sum))
		return;
	sum += checksum_words((void *)gue, sizeof(*gue) / 4);
	sum += checksum_words((void *)gue - 32, 8); /* both outer addresses */
	sum += bpf_htons(IPPROTO_UDP) + gue->len;
	gue->check = checksum_finish_long(sum);
	if (!gue->check)
		gue->check = 0xffff;
}

static __always_inline int write_headers(void *at, const void *end,
					 const struct leat_backend *backend,
					 const struct outbound *out)
{
	__u32 extra = backend->forward % LEAT_FORWARD_TAGGED == LEAT_FORWARD_GUE
			      ? sizeof(struct leat_gue)
			      : 0;
	struct outer outer = {
		.len = out->ip_len + extra,
		.tos = out->tos,
		.hash = out->hash,
	};

	if (backend->outer_len - extra == sizeof(struct iphdr)) {
		if (at + sizeof(struct iphdr) > end)
			return -LEAT_INTERNAL;
		write_outer_ipv4(at, backend, &outer);
		at += sizeof(struct iphdr);
	} else {
		if (at + sizeof(struct ipv6hdr) > end)
			return -LEAT_INTERNAL;
		write_outer_ipv6(at, backend, &outer);
		at += sizeof(struct ipv6hdr);
	}
	if (!extra)
		return 0;
	if (at + sizeof(struct leat_gue) > end)
		return -LEAT_INTERNAL;
	write_gue(at, end, backend, out);
	return 0;
}

/*
 * 0, or a negative reason: then the packet may be half changed. `backend` is one of LEAT_FORWARD_L2,
 * IPIP or GUE, tagged or not.
 */
__noinline int encapsulate_any(struct xdp_md *ctx, const struct leat_backend *backend,
			       const struct outbound *out)
{
	struct relink link = { 0 };
	__u32 new_len;
	void *data;
	int r;

	if (!backend || !out)
		return -LEAT_INTERNAL;
	r = relink_read(&link, ctx, backend, out->link_len);
	if (r < 0)
		return r;
	if (backend->outer_len) {
		__u32 outer_len = backend->outer_len;

		if (backend->forward % LEAT_FORWARD_TAGGED == LEAT_FORWARD_GUE)
			outer_len -= sizeof(struct leat_gue);
		link.proto = outer_len == sizeof(struct iphdr) ? bpf_htons(ETH_P_IP)
							       : bpf_htons(ETH_P_IPV6);
	}
	new_len = LINK_LEN(link.tag_count);
	if (bpf_xdp_adjust_head(ctx, (int)out->link_len - (int)(new_len + backend->outer_len)))
		return -LEAT_NO_ROOM;
	data = (void *)(long)ctx->data;
	if (data + LINK_LEN_MAX > (void *)(long)ctx->data_end)
		return -LEAT_INTERNAL;
	relink_write(&link, data, backend);
	if (!backend->outer_len)
		return 0;
	return write_headers(data + new_len, (void *)(long)ctx->data_end, backend, out);
}

#endif
