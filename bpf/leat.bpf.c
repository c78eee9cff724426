/* SPDX-License-Identifier: GPL-2.0-only */
#include "bpf/balance.h"

SEC("xdp.frags")
int leat(struct xdp_md *ctx)
{
	return balance(ctx);
}

char LICENSE[] SEC("license") = "GPL";
