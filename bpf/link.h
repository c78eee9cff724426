/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The link layer of packets off the fast path: Ethernet with up to two VLAN tags (802.1Q, 802.1ad).
 */
#ifndef LEAT_BPF_LINK_H
#define LEAT_BPF_LINK_H

#include "bpf/packet.h"

struct vlan_tag {
	__be16 tpid;
	__be16 tci;
};

#define VLAN_TAGS      2
#define VLAN_ID_MASK   0x0fff
#define LINK_LEN(tags) (sizeof(struct ethhdr) + (tags) * sizeof(struct vlan_tag))
#define LINK_LEN_MAX   LINK_LEN(VLAN_TAGS)

/* Where a tag's TPID is, or the type of what follows. */
#define LINK_TYPE_OFFSET 12

static __always_inline int is_vlan(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

/* The type of what follows the tags, or a negative reason. */
static __always_inline int parse_link(struct cursor *c)
{
	int proto = parse_ethernet(c);

#pragma unroll
	for (int i = 0; i < VLAN_TAGS; i++) {
		if (proto < 0 || !is_vlan(proto))
			return proto;
		if (c->at + sizeof(struct vlan_tag) > c->end)
			return -LEAT_RUNT;
		/* TCI and the next type: a tag, but for the order of its halves. */
		proto = ((__be16 *)c->at)[1];
		c->at += sizeof(struct vlan_tag);
	}
	return proto;
}

/* How far parse_link() came; the verifier needs to be told a bound. */
static __always_inline __u32 link_parsed_len(const struct xdp_md *ctx, const struct cursor *c)
{
	__u32 len = c->at - (void *)(long)ctx->data;

	barrier_var(len);
	return len & 0x1f;
}

#endif
