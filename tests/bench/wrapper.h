/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmark's programs share: the next flow's source, and the bare encapsulation that all
 * figures relate to.
 */
#ifndef LEAT_TESTS_BENCH_WRAPPER_H
#define LEAT_TESTS_BENCH_WRAPPER_H

#include "bpf/balance.h"
#include "tests/bench/marks.h"

const volatile __u32 flow_mask;		/* flows - 1, a power of two less one */
const volatile __u32 flow_bits;		/* the same as a power */
const volatile __u32 service_total = 1; /* services whose ports follow each other */
const volatile __u32 port;		/* the first one's */

__u32 sequence;
__u32 mark_count;
__u64 marks[MARKS];

/* One number for each packet, and the time at every one of so many. */
static __always_inline __u32 next_turn(void)
{
	__u32 turn = sequence++, mark = mark_count;

	if (turn % MARK_PACKETS == 0 && mark < MARKS) {
		marks[mark] = bpf_ktime_get_ns();
		mark_count = mark + 1;
	}
	return turn;
}

/* All flows in an order that no prefetcher follows: the multiplier is odd. */
static __always_inline __u32 flow_at(__u32 turn)
{
	return (turn * 2654435761U) & flow_mask;
}

/* Source port, a flow's own, and destination port, its service's. */
static __always_inline __be32 flow_ports(__u32 flow)
{
	__u32 to = port;

	if (service_total > 1)
		to += ((__u64)flow * service_total) >> flow_bits;
	return bpf_htonl((1024 + (flow & 0x3fff)) << 16 | to);
}

/*
 * Writes in the sizes that parsers read: a wider read of bytes that are still on their way to the
 * cache stalls, and packets that a network card wrote do not do that.
 */
static __always_inline int vary(struct xdp_md *ctx, __u32 flow)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	if (data + sizeof(*eth) + sizeof(struct ipv6hdr) + sizeof(struct udphdr) > end)
		return -1;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		ip->saddr = bpf_htonl(0x0a000000 + flow);
		*(__be32 *)(ip + 1) = flow_ports(flow);
	} else {
		struct ipv6hdr *ip = (void *)(eth + 1);

		*(__u64 *)&ip->saddr.s6_addr32[2] = bpf_cpu_to_be64(flow);
		*(__be32 *)(ip + 1) = flow_ports(flow);
	}
	return 0;
}

#define ANY_DESTINATION 0x02020202

/* The least that any IP-in-IP forwarder does: room for 20 bytes, and 34 bytes of constants. */
static __always_inline int encapsulate(struct xdp_md *ctx, __be32 destination)
{
	struct {
		struct ethhdr eth;
		struct iphdr ip;
	} __attribute__((__packed__)) * front;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct iphdr)))
		return XDP_DROP;
	front = (void *)(long)ctx->data;
	if ((void *)(front + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memset(front, 0x02, sizeof(*front));
	front->eth.h_proto = bpf_htons(ETH_P_IP);
	front->ip.daddr = destination;
	return XDP_TX;
}

#endif
