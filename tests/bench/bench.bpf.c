/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark's wrapper around the datapath. BPF_PROG_TEST_RUN does not put a packet back between
 * two runs, so the wrapper does: it gives the packet the next flow's source, lets the datapath have
 * it, and takes off again what that put in front.
 */
#include "tests/bench/wrapper.h"

const volatile __u32 outer_len = sizeof(struct iphdr);
const volatile int expected; /* the action of every packet */

__u64 unexpected; /* packets that got another one */

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

static __always_inline int balance_and_undo(struct xdp_md *ctx, __be16 proto)
{
	int action = balance(ctx);

	if (action != expected)
		unexpected++;
	return action == XDP_TX ? unwrap(ctx, proto) : action;
}

SEC("xdp")
int bench_wrapper(struct xdp_md *ctx)
{
	return vary(ctx, flow_at(next_turn())) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp")
int bench_floor(struct xdp_md *ctx)
{
	__be16 proto = read_proto(ctx);

	if (vary(ctx, flow_at(next_turn())) || encapsulate(ctx, ANY_DESTINATION) != XDP_TX)
		return XDP_ABORTED;
	return unwrap(ctx, proto);
}

/* The least that one does that looks a flow up: it hashes something, and reads one cache line. */
SEC("xdp")
int bench_line(struct xdp_md *ctx)
{
	__be16 proto = read_proto(ctx);
	__u32 flow = flow_at(next_turn()), index = leat_mix(flow) & flow_mask;
	const struct leat_bucket *line = bpf_map_lookup_elem(&flows, &index);

	if (!line || vary(ctx, flow) || encapsulate(ctx, line->flows[0].digest) != XDP_TX)
		return XDP_ABORTED;
	return unwrap(ctx, proto);
}

SEC("xdp")
int bench_leat(struct xdp_md *ctx)
{
	__be16 proto = read_proto(ctx);

	return vary(ctx, flow_at(next_turn())) ? XDP_ABORTED : balance_and_undo(ctx, proto);
}

static __always_inline int set_tcp_flags(struct xdp_md *ctx, __u8 flags)
{
	void *l4 = (void *)(long)ctx->data + sizeof(struct ethhdr) + sizeof(struct iphdr);

	if (l4 + sizeof(struct tcphdr) > (void *)(long)ctx->data_end)
		return -1;
	((__u8 *)l4)[TCP_FLAGS_OFFSET] = flags;
	return 0;
}

/* Opens the flows that are measured later: a SYN and an ACK each. IPv4 without options only. */
SEC("xdp")
int bench_open(struct xdp_md *ctx)
{
	__be16 proto = read_proto(ctx);
	__u32 turn = next_turn();

	if (vary(ctx, flow_at(turn >> 1)) || set_tcp_flags(ctx, turn & 1 ? TCP_ACK : TCP_SYN))
		return XDP_ABORTED;
	return balance_and_undo(ctx, proto);
}

char LICENSE[] SEC("license") = "GPL";
