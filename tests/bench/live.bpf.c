/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames that really leave: BPF_F_TEST_XDP_LIVE_FRAMES sends them through one end of a veth pair, and
 * the sink on the other end counts and drops them. A frame comes back from its page pool as it was
 * sent, so its Ethernet header is written anew, for Leat and for the floor alike.
 */
#include "tests/bench/wrapper.h"

const volatile __u32 sent_size; /* of a frame with its outer header; others are not counted */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps");

static __always_inline int restore(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memset(eth, 0x02, 2 * ETH_ALEN);
	eth->h_proto = bpf_htons(ETH_P_IP);
	return vary(ctx, flow_at(next_turn()));
}

SEC("xdp")
int live_floor(struct xdp_md *ctx)
{
	return restore(ctx) ? XDP_ABORTED : encapsulate(ctx, ANY_DESTINATION);
}

SEC("xdp")
int live_leat(struct xdp_md *ctx)
{
	return restore(ctx) ? XDP_ABORTED : balance(ctx);
}

SEC("xdp")
int live_sink(struct xdp_md *ctx)
{
	__u64 *here;
	__u32 zero = 0;

	if (ctx->data_end - ctx->data != sent_size)
		return XDP_DROP;
	here = bpf_map_lookup_elem(&arrived, &zero);
	if (here)
		++*here;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
