/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets that go back to where they came from, from a service's address: the answer to a ping, and
 * the ICMP error that tells a sender how much would fit. The latter are limited in their rate.
 */
#ifndef LEAT_BPF_ANSWER_H
#define LEAT_BPF_ANSWER_H

#include "bpf/checksum.h"
#include "bpf/flow_table.h"
#include "bpf/icmp.h"
#include "bpf/link.h"

#define ANSWER_TTL   64
#define IPV4_MIN_MTU 68
#define IPV6_MIN_MTU 1280

/* How much of the packet an error quotes. What is too big is longer than the first one, unless the path
 * is narrower than any real one. */
#define QUOTE_LONG  512
#define QUOTE_SHORT 64

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u16 *at = (void *)eth, kept;

#pragma unroll
	for (int i = 0; i < ETH_ALEN / 2; i++) {
		kept = at[i];
		at[i] = at[i + ETH_ALEN / 2];
		at[i + ETH_ALEN / 2] = kept;
	}
}

static __always_inline int answer_echo_ipv4(struct cursor *c)
{
	struct iphdr *ip = c->at;
	struct icmp_header *icmp;
	__be32 source;
	__u16 was;

	if ((void *)(ip + 1) > c->end)
		return XDP_DROP;
	icmp = c->at + ip->ihl * 4;
	if ((void *)(icmp + 1) > c->end)
		return XDP_DROP;
	source = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = source;
	was = *(__u16 *)&ip->ttl;
	ip->ttl = ANSWER_TTL;
	ip->check = checksum_replace(ip->check, was, *(__u16 *)&ip->ttl);
	icmp->check = checksum_replace(icmp->check, bpf_htons(ICMP4_ECHO << 8),
				       bpf_htons(ICMP4_ECHO_REPLY << 8));
	/* Nothing but zeros sums up to 0, which is not the other zero that receivers want. */
	if (!icmp->check)
		icmp->check = 0xffff;
	icmp->type = ICMP4_ECHO_REPLY;
	return XDP_TX;
}

/* Without extension headers; the addresses' sum stays the same. */
static __always_inline int answer_echo_ipv6(struct cursor *c)
{
	struct ipv6hdr *ip = c->at;
	struct icmp_header *icmp = (void *)(ip + 1);
	struct in6_addr source;

	if ((void *)(icmp + 1) > c->end)
		return XDP_DROP;
	source = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = source;
	ip->hop_limit = ANSWER_TTL;
	icmp->check = checksum_replace(icmp->check, bpf_htons(ICMP6_ECHO << 8),
				       bpf_htons(ICMP6_ECHO_REPLY << 8));
	icmp->type = ICMP6_ECHO_REPLY;
	return XDP_TX;
}

static __always_inline int answer_echo(struct xdp_md *ctx)
{
	struct cursor c = { .at = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end };
	struct ethhdr *eth = c.at;
	int proto = parse_link(&c);

	if (proto < 0)
		return XDP_DROP;
	swap_macs(eth);
	return proto == bpf_htons(ETH_P_IP) ? answer_echo_ipv4(&c) : answer_echo_ipv6(&c);
}

/* What an error is made of, in the order in which it leaves. */
struct error_ipv4 {
	struct iphdr ip;
	struct icmp_header icmp;
};

struct error_ipv6 {
	struct ipv6hdr ip;
	struct icmp_header icmp;
};

static __always_inline void write_error_ipv4(struct error_ipv4 *to, const struct iphdr *packet,
					     __u32 quote, __u64 quote_sum, __u32 mtu)
{
	*to = (struct error_ipv4){
		.ip = {
			.version = 4,
			.ihl = 5,
			.tot_len = bpf_htons(sizeof(*to) + quote),
			.frag_off = bpf_htons(0x4000),
			.ttl = ANSWER_TTL,
			.protocol = IPPROTO_ICMP,
			.saddr = packet->daddr,
			.daddr = packet->saddr,
		},
		.icmp = {
			.type = ICMP4_UNREACHABLE,
			.code = ICMP4_FRAGMENT_NEEDED,
			.rest = bpf_htonl(mtu > IPV4_MIN_MTU ? mtu : IPV4_MIN_MTU),
		},
	};
	to->ip.check = checksum_finish_long(checksum_words((void *)&to->ip, sizeof(to->ip) / 4));
	to->icmp.check = checksum_finish_long(
		quote_sum + checksum_words((void *)&to->icmp, sizeof(to->icmp) / 4));
}

static __always_inline void write_error_ipv6(struct error_ipv6 *to, const struct ipv6hdr *packet,
					     __u32 quote, __u64 quote_sum, __u32 mtu)
{
	*to = (struct error_ipv6){
		.ip = {
			.version = 6,
			.payload_len = bpf_htons(sizeof(to->icmp) + quote),
			.nexthdr = IPPROTO_ICMPV6,
			.hop_limit = ANSWER_TTL,
			.saddr = packet->daddr,
			.daddr = packet->saddr,
		},
		.icmp = {
			.type = ICMP6_TOO_BIG,
			.rest = bpf_htonl(mtu > IPV6_MIN_MTU ? mtu : IPV6_MIN_MTU),
		},
	};
	quote_sum += checksum_words((void *)&to->ip.saddr, 2 * sizeof(to->ip.saddr) / 4);
	quote_sum += to->ip.payload_len + bpf_htons(IPPROTO_ICMPV6);
	to->icmp.check = checksum_finish_long(
		quote_sum + checksum_words((void *)&to->icmp, sizeof(to->icmp) / 4));
}

/* One CPU's share; a coarse second is good enough for a limit. */
static __always_inline int may_answer(void)
{
	__u32 zero = 0, now = bpf_ktime_get_coarse_ns() >> LEAT_TICK_SHIFT;
	struct leat_answers *answers = bpf_map_lookup_elem(&answer_count, &zero);

	if (!answers)
		return 0;
	if (answers->tick != now)
		*answers = (struct leat_answers){ .tick = now };
	if (answers->sent >= LEAT_ANSWERS_PER_TICK) {
		count_event(LEAT_EVENT_ANSWER_LIMITED);
		return 0;
	}
	answers->sent++;
	return 1;
}

/* Puts the link header, tags and all, in front of an answer that needs `room` bytes before the packet.
 * Where the answer's header goes is left in the cursor. */
static __always_inline int make_room(struct xdp_md *ctx, __u32 link_len, __u32 room,
				     struct cursor *c)
{
	__u16 link[LINK_LEN_MAX / 2], *at = (void *)(long)ctx->data;

	c->end = (void *)(long)ctx->data_end;
	if ((void *)at + LINK_LEN_MAX > c->end)
		return -1;
#pragma unroll
	for (__u32 i = 0; i < LINK_LEN_MAX / 2; i++)
		link[i] = at[i];
	if (bpf_xdp_adjust_head(ctx, -(int)room))
		return -1;
	at = (void *)(long)ctx->data;
	c->end = (void *)(long)ctx->data_end;
	if ((void *)at + LINK_LEN_MAX > c->end)
		return -1;
#pragma unroll
	for (__u32 i = 0; i < LINK_LEN_MAX / 2; i++)
		at[i] = link[i];
	swap_macs((void *)at);
	c->at = (void *)at + link_len;
	return 0;
}

/* The sum of what is quoted, and how much that is; 0 when the packet is too short for that. */
static __always_inline __u32 sum_quote(const struct cursor *c, __s64 *ret_sum)
{
	if (c->at + QUOTE_LONG <= c->end) {
		*ret_sum = bpf_csum_diff(NULL, 0, c->at, QUOTE_LONG, 0);
		return QUOTE_LONG;
	}
	if (c->at + QUOTE_SHORT <= c->end) {
		*ret_sum = bpf_csum_diff(NULL, 0, c->at, QUOTE_SHORT, 0);
		return QUOTE_SHORT;
	}
	return 0;
}

static __always_inline int answer_too_big(struct xdp_md *ctx, __u32 mtu)
{
	struct cursor c = { .at = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end };
	int proto = parse_link(&c);
	__u32 link_len = link_parsed_len(ctx, &c), quote, room;
	__s64 sum = 0;

	quote = sum_quote(&c, &sum);
	if (!mtu || proto < 0 || !quote || !may_answer())
		return XDP_DROP;
	room = proto == bpf_htons(ETH_P_IP) ? sizeof(struct error_ipv4) : sizeof(struct error_ipv6);
	if (make_room(ctx, link_len, room, &c))
		return XDP_DROP;
	if (proto == bpf_htons(ETH_P_IP)) {
		struct error_ipv4 *error = c.at;
		const struct iphdr *packet = (void *)(error + 1);

		if ((void *)(packet + 1) > c.end)
			return XDP_DROP;
		write_error_ipv4(error, packet, quote, sum, mtu);
	} else {
		struct error_ipv6 *error = c.at;
		const struct ipv6hdr *packet = (void *)(error + 1);

		if ((void *)(packet + 1) > c.end)
			return XDP_DROP;
		write_error_ipv6(error, packet, quote, sum, mtu);
	}
	quote += link_len + room;
	if (bpf_xdp_adjust_tail(ctx, (int)quote - (int)bpf_xdp_get_buff_len(ctx)))
		return XDP_DROP;
	return XDP_TX;
}

#define RESET_FLAGS 0x5004 /* five words of header, and RST */
#define RESET_ASKED 0x14   /* ACK, without RST */

/* What a segment with an ACK gets of which nobody knows (RFC 9293, 3.5.2). `pseudo` is the sum of the
 * addresses. */
static __always_inline int write_reset(__u32 *tcp, __u64 pseudo)
{
	if ((((__u8 *)tcp)[TCP_FLAGS_OFFSET] & RESET_ASKED) != 0x10)
		return -1;
	tcp[0] = leat_swap_ports(tcp[0]);
	tcp[1] = tcp[2];
	tcp[2] = 0;
	tcp[3] = bpf_htonl((__u32)RESET_FLAGS << 16);
	tcp[4] = 0;
	pseudo += bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(struct tcphdr));
	((__u16 *)tcp)[8] =
		checksum_finish_long(pseudo + checksum_words(tcp, sizeof(struct tcphdr) / 4));
	return 0;
}

/* Without options. How long the packet is then, or 0. */
static __always_inline __u32 reset_ipv4(struct cursor *c)
{
	const __u16 len = bpf_htons(sizeof(struct iphdr) + sizeof(struct tcphdr));
	struct iphdr *ip = c->at;
	__be32 source;
	__u16 was;

	if ((void *)(ip + 1) + sizeof(struct tcphdr) > c->end || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_TCP ||
	    write_reset((void *)(ip + 1), (__u64)ip->saddr + ip->daddr))
		return 0;
	source = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = source;
	ip->check = checksum_replace(ip->check, ip->tot_len, len);
	ip->tot_len = len;
	was = *(__u16 *)&ip->ttl;
	ip->ttl = ANSWER_TTL;
	ip->check = checksum_replace(ip->check, was, *(__u16 *)&ip->ttl);
	return sizeof(*ip) + sizeof(struct tcphdr);
}

/* Without extension headers. */
static __always_inline __u32 reset_ipv6(struct cursor *c)
{
	struct ipv6hdr *ip = c->at;
	struct in6_addr source;
	__u64 addresses;

	if ((void *)(ip + 1) + sizeof(struct tcphdr) > c->end || ip->nexthdr != IPPROTO_TCP)
		return 0;
	addresses = checksum_words((void *)&ip->saddr, 2 * sizeof(ip->saddr) / 4);
	if (write_reset((void *)(ip + 1), addresses))
		return 0;
	source = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = source;
	ip->payload_len = bpf_htons(sizeof(struct tcphdr));
	ip->hop_limit = ANSWER_TTL;
	return sizeof(*ip) + sizeof(struct tcphdr);
}

static __always_inline int answer_reset(struct xdp_md *ctx)
{
	struct cursor c = { .at = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end };
	struct ethhdr *eth = c.at;
	int proto = parse_link(&c);
	__u32 link_len = link_parsed_len(ctx, &c), len;

	if (proto < 0)
		return XDP_DROP;
	len = proto == bpf_htons(ETH_P_IP) ? reset_ipv4(&c) : reset_ipv6(&c);
	if (!len || !may_answer())
		return XDP_DROP;
	swap_macs(eth);
	len += link_len;
	if (bpf_xdp_adjust_tail(ctx, (int)len - (int)bpf_xdp_get_buff_len(ctx)))
		return XDP_DROP;
	return XDP_TX;
}

/* The packet is counted, and becomes its own answer. mtu: of one that is too big, what would fit; 0: it
 * is nothing that may be answered. */
__noinline int answer(struct xdp_md *ctx, __u32 reason, __u32 mtu)
{
	if (reason == LEAT_ECHO)
		return answer_echo(ctx);
	if (options.nat && reason == LEAT_NAT_NO_STATE)
		return answer_reset(ctx);
	return answer_too_big(ctx, mtu);
}

#endif
