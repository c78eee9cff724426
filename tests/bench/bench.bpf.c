/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark's wrapper around the datapath. BPF_PROG_TEST_RUN does not put a packet back between
 * two runs, so the wrapper does: it gives the packet the next flow's source, lets the datapath have
 * it, and takes off again what that put in front.
 */
#include "bpf/balance.h"

const volatile __u32 flow_mask; /* flows - 1, a power of two less one */
const volatile __u32 outer_len = sizeof(struct iphdr);
const volatile __u32 port; /* the destination's */

__u32 sequence;

/* Walks all flows in an order that no prefetcher follows: the multiplier is odd. */
static __always_inline __u32 next_flow(void)
{
	return (sequence++ * 2654435761U) & flow_mask;
}

/*
 * Writes in the sizes that parsers read: a wider read of bytes that are still on their way to the
 * cache stalls, and packets that a network card wrote do not do that.
 */
static __always_inline int vary(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	__u32 flow = next_flow();
	__u32 ports = bpf_htonl((1024 + (flow & 0x3fff)) << 16 | port);

	if (data + sizeof(*eth) + sizeof(struct ipv6hdr) + sizeof(struct udphdr) > end)
		return -1;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		ip->saddr = bpf_htonl(0x0a000000 | (flow & 0xffffff));
		*(__u32 *)(ip + 1) = ports;
	} else {
		struct ipv6hdr *ip = (void *)(eth + 1);

		*(__u64 *)&ip->saddr.s6_addr32[2] = bpf_cpu_to_be64(flow);
		*(__u32 *)(ip + 1) = ports;
	}
	return 0;
}

static __always_inline int unwrap(struct xdp_md *ctx, __be16 proto)
{
	struct ethhdr *eth;

	if (bpf_xdp_adjust_head(ctx, outer_len))
		return XDP_ABORTED;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memset(eth, 0x02, 2 * ETH_ALEN);
	eth->h_proto = proto;
	return XDP_TX;
}

static __always_inline __be16 read_proto(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	return (void *)(eth + 1) > (void *)(long)ctx->data_end ? 0 : eth->h_proto;
}

/* The least that any IP-in-IP forwarder does: room for 20 bytes, and 34 bytes of constants. */
static __always_inline int encapsulate(struct xdp_md *ctx)
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
	return XDP_TX;
}

SEC("xdp")
int bench_wrapper(struct xdp_md *ctx)
{
	return vary(ctx) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp")
int bench_floor(struct xdp_md *ctx)
{
	__be16 proto = read_proto(ctx);

	if (vary(ctx) || encapsulate(ctx) != XDP_TX)
		return XDP_ABORTED;
	return unwrap(ctx, proto);
}

SEC("xdp")
int bench_leat(struct xdp_md *ctx)
{
	__be16 proto = read_proto(ctx);
	int action;

	if (vary(ctx))
		return XDP_ABORTED;
	action = balance(ctx);
	return action == XDP_TX ? unwrap(ctx, proto) : action;
}

char LICENSE[] SEC("license") = "GPL";
