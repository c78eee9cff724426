/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Passes everything. A veth takes frames that the other end's XDP program sends only while it has a
 * program of its own, so the edge node's end in the fabric carries this one.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *context)
{
	(void)context;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
