/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A frame as an XDP program has it. Every byte that the program may not touch is one that
 * AddressSanitizer knows: the bytes lie in blocks of their own, and each helper that makes pointers into
 * them stale moves them elsewhere.
 */
#ifndef LEAT_TOOLS_HOST_FRAME_H
#define LEAT_TOOLS_HOST_FRAME_H

#include <stdint.h>

/* As the kernel has it for BPF_PROG_TEST_RUN: 256 bytes less its struct xdp_frame. */
#define HOST_HEADROOM	216
#define HOST_TAILROOM	320
/* What goes into one page there; the rest is fragments, which the program does not see. */
#define HOST_LINEAR_MAX 3520

/* The members that struct xdp_md has too, in its place. */
struct host_frame {
	unsigned long data;
	unsigned long data_end;
	unsigned long data_meta;
	uint32_t ingress_ifindex;
	uint32_t rx_queue_index;
	uint32_t egress_ifindex;

	uint32_t headroom;
	uint32_t tailroom;
	uint8_t *rest; /* behind data_end: fragments */
	uint32_t rest_size;
};

/* The first `linear` bytes, at least one, are what the program sees. 0 or -ENOMEM. */
int host_frame_init(struct host_frame *frame, const uint8_t *bytes, uint32_t size, uint32_t linear);
void host_frame_deinit(struct host_frame *frame);

uint32_t host_frame_size(const struct host_frame *frame);

/* As the helpers: 0 or -EINVAL. */
long host_frame_adjust_head(struct host_frame *frame, int delta);
long host_frame_adjust_tail(struct host_frame *frame, int delta);
long host_frame_load(const struct host_frame *frame, uint32_t offset, void *to, uint32_t size);
long host_frame_store(struct host_frame *frame, uint32_t offset, const void *from, uint32_t size);

#endif
