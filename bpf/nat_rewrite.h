/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turns a packet into what bpf/nat.h found for it: addresses, ports, TTL, and those of a packet that it
 * quotes; checksums by what differs (RFC 1624), so that a packet that was wrong stays wrong.
 */
#ifndef LEAT_BPF_NAT_REWRITE_H
#define LEAT_BPF_NAT_REWRITE_H

#include "bpf/checksum.h"
#include "bpf/nat.h"

#define TCP_CHECK_OFFSET 16
#define UDP_CHECK_OFFSET 6
#define IP_OFFSET_MASK	 0x1f
#define QUOTE_OFFSET_MAX 0x3fff

/* Words that were taken out of a sum and others that were put in. */
static __always_inline void replace_word(__u32 *at, __u32 to, __u64 *difference)
{
	*difference += (__u64)(__u32) ~*at + to;
	*at = to;
}

static __always_inline __u16 checksum_adjust(__u16 check, __u64 difference)
{
	return checksum_finish_long((__u64)(__u16)~check + difference);
}

static __always_inline void replace_check(__u16 *check, __u16 to, __u64 *difference)
{
	*difference += (__u64)(__u16) ~*check + to;
	*check = to;
}

static __always_inline void replace_ipv4(struct iphdr *ip, const struct leat_addr *source,
					 const struct leat_addr *destination, __u64 *difference)
{
	replace_word(&ip->saddr, source->words[3], difference);
	replace_word(&ip->daddr, destination->words[3], difference);
}

static __always_inline void replace_ipv6(struct ipv6hdr *ip, const struct leat_addr *source,
					 const struct leat_addr *destination, __u64 *difference)
{
	__u32 *from = (void *)&ip->saddr, *to = (void *)&ip->daddr;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		replace_word(&from[i], source->words[i], difference);
		replace_word(&to[i], destination->words[i], difference);
	}
}

/* *ret_difference: of the addresses alone, which the transport's pseudo header has. */
static __always_inline int rewrite_ipv4(struct iphdr *ip, const void *end,
					const struct leat_nat *nat, __u64 *ret_difference)
{
	__u16 was;

	if ((void *)(ip + 1) > end)
		return -LEAT_RUNT;
	if (ip->ttl <= 1)
		return -LEAT_NAT_TTL;
	was = *(__u16 *)&ip->ttl;
	ip->ttl--;
	ip->check = checksum_replace(ip->check, was, *(__u16 *)&ip->ttl);
	replace_ipv4(ip, &nat->source, &nat->destination, ret_difference);
	ip->check = checksum_adjust(ip->check, *ret_difference);
	return 0;
}

static __always_inline int rewrite_ipv6(struct ipv6hdr *ip, const void *end,
					const struct leat_nat *nat, __u64 *ret_difference)
{
	if ((void *)(ip + 1) > end)
		return -LEAT_RUNT;
	if (ip->hop_limit <= 1)
		return -LEAT_NAT_TTL;
	ip->hop_limit--;
	replace_ipv6(ip, &nat->source, &nat->destination, ret_difference);
	return 0;
}

static __always_inline int rewrite_tcp(void *tcp, const void *end, __u32 ports, __u64 difference)
{
	__u16 *check = tcp + TCP_CHECK_OFFSET;

	if (tcp + sizeof(struct tcphdr) > end)
		return -LEAT_RUNT;
	replace_word(tcp, ports, &difference);
	*check = checksum_adjust(*check, difference);
	return 0;
}

/* 0 is no checksum, and stays none; one that comes out as 0 is written as the other zero. */
static __always_inline __u16 udp_checksum_adjust(__u16 check, __u64 difference)
{
	if (!check)
		return 0;
	check = checksum_adjust(check, difference);
	return check ? check : 0xffff;
}

static __always_inline int rewrite_udp(void *udp, const void *end, __u32 ports, __u64 difference)
{
	__u16 *check = udp + UDP_CHECK_OFFSET;

	if (udp + sizeof(struct udphdr) > end)
		return -LEAT_RUNT;
	replace_word(udp, ports, &difference);
	*check = udp_checksum_adjust(*check, difference);
	return 0;
}

/* Where a quoted transport's checksum is, if the quote has it. */
static __always_inline __u16 *quoted_check(void *transport, const void *end,
					   const struct dissection *d)
{
	__u32 offset = d->key.protocol == IPPROTO_TCP ? TCP_CHECK_OFFSET : UDP_CHECK_OFFSET;

	if (sizeof(struct icmp_header) + d->l4_offset + d->quoted_offset + offset + 2 > d->ip_len)
		return NULL;
	barrier_var(offset);
	offset &= 0x1f;
	return transport + offset + 2 <= end ? transport + offset : NULL;
}

/* *difference: of the addresses; in the end that of all that was quoted. */
static __always_inline int rewrite_quoted_ports(void *transport, const void *end,
						const struct dissection *d, __u32 ports,
						__u64 *difference)
{
	__u16 *check;
	__u16 was;

	if (transport + sizeof(struct udphdr) > end)
		return -LEAT_RUNT;
	replace_word(transport, ports, difference);
	check = quoted_check(transport, end, d);
	if (!check)
		return 0;
	was = *check;
	if (d->key.protocol == IPPROTO_TCP)
		*check = checksum_adjust(was, *difference);
	else
		*check = udp_checksum_adjust(was, *difference);
	*difference += (__u64)(__u16)~was + *check;
	return 0;
}

/* What the flow's other direction sent, as it was before that was translated. */
static __always_inline int rewrite_quoted(void *quoted, const void *end, const struct dissection *d,
					  const struct leat_nat *nat, int is_ipv6,
					  __u64 *difference)
{
	struct iphdr *ip = quoted;
	__u64 header = 0;
	__u16 was;
	int r;

	if (is_ipv6) {
		if (quoted + sizeof(struct ipv6hdr) > end)
			return -LEAT_RUNT;
		replace_ipv6(quoted, &nat->destination, &nat->source, &header);
	} else {
		if ((void *)(ip + 1) > end)
			return -LEAT_RUNT;
		replace_ipv4(ip, &nat->destination, &nat->source, &header);
		was = ip->check;
		replace_check(&ip->check, checksum_adjust(was, header), difference);
	}
	r = rewrite_quoted_ports(quoted + (d->quoted_offset & QUOTE_OFFSET_MAX), end, d,
				 leat_swap_ports(nat->ports), &header);
	*difference += header;
	return r;
}

static __always_inline int rewrite_error(void *at, const void *end, const struct dissection *d,
					 const struct leat_nat *nat, int is_ipv6, __u64 difference)
{
	struct icmp_header *icmp = at;
	int r;

	if ((void *)(icmp + 1) > end)
		return -LEAT_RUNT;
	/* ICMPv6 has a pseudo header (RFC 4443, 2.3), ICMP has none. */
	if (!is_ipv6)
		difference = 0;
	r = rewrite_quoted(icmp + 1, end, d, nat, is_ipv6, &difference);
	icmp->check = checksum_adjust(icmp->check, difference);
	return r;
}

static __always_inline int rewrite_payload(void *at, const void *end, const struct dissection *d,
					   const struct leat_nat *nat, int is_ipv6,
					   __u64 difference)
{
	if (d->shape == LEAT_SHAPE_ERROR)
		return rewrite_error(at, end, d, nat, is_ipv6, difference);
	if (d->key.protocol == IPPROTO_TCP)
		return rewrite_tcp(at, end, nat->ports, difference);
	return rewrite_udp(at, end, nat->ports, difference);
}

/* 0, or a negative reason; but for the TTL's, the packet may be half changed then. */
__noinline int nat_rewrite(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *ip;
	__u32 zero = 0;
	const struct dissection *d = bpf_map_lookup_elem(&dissected, &zero);
	const struct nat_work *work = nat_work();
	__u64 difference = 0;
	int is_ipv6, r;

	if (!d || !work)
		return -LEAT_INTERNAL;
	is_ipv6 = !leat_addr_is_ipv4(&work->nat.destination);
	ip = data + (d->link_len & IP_OFFSET_MASK);
	r = is_ipv6 ? rewrite_ipv6(ip, end, &work->nat, &difference)
		    : rewrite_ipv4(ip, end, &work->nat, &difference);
	if (r < 0)
		return r;
	return rewrite_payload(ip + (d->l4_offset & QUOTE_OFFSET_MAX), end, d, &work->nat, is_ipv6,
			       difference);
}

#endif
