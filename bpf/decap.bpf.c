/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leat-decap: on a backend, takes the outer headers off IP-in-IP packets (4in4, 6in6, 4in6, 6in4) and
 * off GUE ones that are addressed to it, so that it needs no tunnel device. Only for inner destinations that were
 * named, and only from named sources if any were; everything else goes up as it came.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/packet.h"
#include "maps/layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LEAT_MAX_DECAP_INNER);
	__type(key, struct leat_addr);
	__type(value, __u8);
} decap_inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LEAT_MAX_DECAP_OUTER);
	__type(key, struct leat_addr);
	__type(value, __u8);
} decap_outer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LEAT_MAX_DECAP_SOURCES);
	__type(key, struct leat_prefix);
	__type(value, __u8);
} decap_source SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEAT_DECAP_REASON_COUNT);
	__type(key, __u32);
	__type(value, struct leat_counter);
} decap_count SEC(".maps");

const volatile struct leat_decap_options options;

/* What both headers have in common. */
struct layer {
	struct leat_addr source;
	struct leat_addr destination;
	__u32 header_len;
	__u32 len; /* header and payload, by the header's own account */
	__u8 next; /* protocol */
	__u8 ecn;
};

#define ECN_MASK 3
#define ECN_CE	 3

static __always_inline int layer_parse_ipv4(struct layer *layer, struct cursor *c)
{
	struct iphdr *ip = c->at;

	if ((void *)(ip + 1) > c->end)
		return -LEAT_DECAP_MALFORMED;
	layer->header_len = ip->ihl * 4;
	if (ip->version != 4 || layer->header_len < sizeof(*ip))
		return -LEAT_DECAP_MALFORMED;
	layer->source = addr_from_ipv4(ip->saddr);
	layer->destination = addr_from_ipv4(ip->daddr);
	layer->len = bpf_ntohs(ip->tot_len);
	layer->ecn = ip->tos & ECN_MASK;
	/* A fragment's payload is no packet; the kernel puts it together first. */
	layer->next = ip->frag_off & bpf_htons(IPV4_FRAGMENT_MASK) ? IPPROTO_RAW : ip->protocol;
	return 0;
}

static __always_inline int layer_parse_ipv6(struct layer *layer, struct cursor *c)
{
	struct ipv6hdr *ip = c->at;

	if ((void *)(ip + 1) > c->end || ip->version != 6)
		return -LEAT_DECAP_MALFORMED;
	layer->header_len = sizeof(*ip);
	layer->source = addr_from_ipv6(&ip->saddr);
	layer->destination = addr_from_ipv6(&ip->daddr);
	if (leat_addr_is_ipv4(&layer->source) || leat_addr_is_ipv4(&layer->destination))
		return -LEAT_DECAP_MALFORMED;
	layer->len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	layer->ecn = ip->flow_lbl[0] >> 4 & ECN_MASK;
	layer->next = ip->nexthdr;
	return 0;
}

/* Parses and steps over one IP header; its length must fit into `room` bytes. */
static __always_inline int layer_parse(struct layer *layer, struct cursor *c, __be16 proto,
				       __u32 room)
{
	int r;

	if (proto == bpf_htons(ETH_P_IP))
		r = layer_parse_ipv4(layer, c);
	else
		r = layer_parse_ipv6(layer, c);
	if (r < 0)
		return r;
	if (layer->len > room || layer->len < layer->header_len ||
	    c->at + layer->header_len > c->end)
		return -LEAT_DECAP_MALFORMED;
	c->at += layer->header_len;
	return 0;
}

/* Moves over GUE's headers, which then are part of the outer one: outer->next becomes what they carry. How
 * long they are; 0: it is something else. Private data and options are not for us. */
static __always_inline __u32 parse_gue(struct layer *outer, struct cursor *c)
{
	const struct leat_gue *gue = c->at;

	if (!options.gue_port || (void *)(gue + 1) > c->end || gue->version_and_len || gue->flags ||
	    gue->destination != options.gue_port || outer->len < outer->header_len + sizeof(*gue) ||
	    bpf_ntohs(gue->len) != outer->len - outer->header_len)
		return 0;
	outer->next = gue->protocol;
	c->at += sizeof(*gue);
	return sizeof(*gue);
}

static __always_inline int is_source_allowed(const struct leat_addr *source)
{
	struct leat_prefix key = {
		.len = 128,
		.address = { source->words[0], source->words[1], source->words[2],
			     source->words[3] },
	};

	const __u8 *family;

	if (!options.check_source)
		return 1;
	family = bpf_map_lookup_elem(&decap_source, &key);
	return family && *family == leat_decap_family(source);
}

/* RFC 6040: congestion that the outer header met is the inner packet's too. One that does not speak
 * ECN stays as it is. The checksum is mended by RFC 1624. */
static __always_inline int mark_congestion(struct cursor *inner, __be16 proto)
{
	struct iphdr *ipv4 = inner->at;
	struct ipv6hdr *ipv6 = inner->at;
	__u32 sum;

	if (proto == bpf_htons(ETH_P_IPV6)) {
		if ((void *)(ipv6 + 1) > inner->end)
			return -LEAT_DECAP_MALFORMED;
		ipv6->flow_lbl[0] |= ECN_CE << 4;
		return 0;
	}
	if ((void *)(ipv4 + 1) > inner->end)
		return -LEAT_DECAP_MALFORMED;
	sum = (__u16)~ipv4->check + (__u16)~bpf_htons(ipv4->tos);
	ipv4->tos |= ECN_CE;
	sum += bpf_htons(ipv4->tos);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ipv4->check = ~sum;
	return 0;
}

static __always_inline int unwrap(struct xdp_md *ctx, __u32 outer_len, __be16 inner_proto)
{
	struct ethhdr *eth = (void *)(long)ctx->data, moved;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return -LEAT_DECAP_MALFORMED;
	moved = *eth;
	moved.h_proto = inner_proto;
	if (bpf_xdp_adjust_head(ctx, outer_len))
		return -LEAT_DECAP_MALFORMED;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return -LEAT_DECAP_MALFORMED;
	*eth = moved;
	return 0;
}

static __always_inline int decap_packet(struct xdp_md *ctx)
{
	struct cursor c = { .at = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end };
	struct layer outer, inner;
	struct cursor inner_at;
	int proto, r;
	__be16 inner_proto;
	__u32 gue_len;

	proto = parse_ethernet(&c);
	if (proto != bpf_htons(ETH_P_IP) && proto != bpf_htons(ETH_P_IPV6))
		return -LEAT_DECAP_NOT_TUNNELLED;
	r = layer_parse(&outer, &c, proto, c.end - c.at);
	if (r < 0)
		return r;
	gue_len = outer.next == IPPROTO_UDP ? parse_gue(&outer, &c) : 0;
	if (outer.next != IPPROTO_IPIP && outer.next != IPPROTO_IPV6)
		return -LEAT_DECAP_NOT_TUNNELLED;
	if (!bpf_map_lookup_elem(&decap_outer, &outer.destination))
		return -LEAT_DECAP_NOT_TO_US;
	if (!is_source_allowed(&outer.source))
		return -LEAT_DECAP_SOURCE_REFUSED;

	inner_proto = bpf_htons(outer.next == IPPROTO_IPIP ? ETH_P_IP : ETH_P_IPV6);
	inner_at = c;
	r = layer_parse(&inner, &c, inner_proto, outer.len - outer.header_len - gue_len);
	if (r < 0)
		return r;
	if (!bpf_map_lookup_elem(&decap_inner, &inner.destination))
		return -LEAT_DECAP_INNER_REFUSED;
	/* One that is marked already stays as it is to the bit, whatever its checksum. */
	if (outer.ecn == ECN_CE && inner.ecn && inner.ecn != ECN_CE) {
		r = mark_congestion(&inner_at, inner_proto);
		if (r < 0)
			return r;
	}
	return unwrap(ctx, outer.header_len + gue_len, inner_proto);
}

SEC("xdp.frags")
int leat_decap(struct xdp_md *ctx)
{
	struct leat_counter *counter;
	__u32 bytes = ctx->data_end - ctx->data;
	__u32 reason = -decap_packet(ctx);

	counter = bpf_map_lookup_elem(&decap_count, &reason);
	if (counter) {
		counter->packets++;
		counter->bytes += bytes;
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
