/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bpf/ takes from the kernel and from libbpf's bpf_helpers.h, for the host. A helper that is not
 * here does not compile.
 */
#ifndef LEAT_TOOLS_HOST_HELPERS_H
#define LEAT_TOOLS_HOST_HELPERS_H

#include <linux/bpf.h>

#include "tools/host/datapath.h"
#include "tools/host/frame.h"

/* Instead of that. */
#define __BPF_HELPERS__

/* A map's definition says with each member's type what it is, as for libbpf; in addition each has a
 * key_size and a value_size, however they were given. Its first member, that is null, leads to the
 * map itself while the program runs. */
#define __uint(name, val) int(*name)[val]
#define __type(name, val)                                                                          \
	typeof(val) *name;                                                                         \
	int(*name##_size)[sizeof(val)]
#define __array(name, val) int(*value_size)[sizeof(void *)]
#define SEC(name)

#ifndef __noinline
#define __noinline __attribute__((__noinline__))
#endif
#ifndef __always_inline
#define __always_inline inline __attribute__((__always_inline__))
#endif
#define barrier_var(var) __asm__ volatile("" : "+r"(var))

/* The kernel's has pointers of 32 bits. */
#define xdp_md host_frame

#define bpf_map_lookup_elem(map, key) host_map_lookup(map, key)
#define bpf_map_update_elem(map, key, value, flags)                                                \
	host_map_update(host_map_of(map), key, value, flags)
#define bpf_map_delete_elem(map, key)		      host_map_delete(host_map_of(map), key)
#define bpf_redirect_map(map, key, flags)	      host_redirect(map, key, flags)
#define bpf_redirect(ifindex, flags)		      XDP_REDIRECT
#define bpf_xdp_adjust_head(ctx, delta)		      host_frame_adjust_head(ctx, delta)
#define bpf_xdp_adjust_tail(ctx, delta)		      host_frame_adjust_tail(ctx, delta)
#define bpf_check_mtu(ctx, ifindex, len, diff, flags) ((void)(len), 0)
#define bpf_xdp_get_buff_len(ctx)		      host_frame_size(ctx)
#define bpf_xdp_load_bytes(ctx, offset, to, size)     host_frame_load(ctx, offset, to, size)
#define bpf_xdp_store_bytes(ctx, offset, from, size)  host_frame_store(ctx, offset, from, size)
#define bpf_csum_diff(from, from_size, to, to_size, seed)                                          \
	host_csum_diff(from, from_size, to, to_size, seed)
#define bpf_loop(count, step, context, flags)                                                      \
	({                                                                                         \
		uint32_t steps = 0;                                                                \
		while (steps < (count) && (step)(steps++, context) == 0)                           \
			;                                                                          \
		(long)steps;                                                                       \
	})
#define bpf_ktime_get_coarse_ns()  host_clock_ns
#define bpf_ktime_get_ns()	   host_clock_ns
#define bpf_get_smp_processor_id() host_cpu

static inline uint32_t host_csum_add(uint32_t sum, const void *words, uint32_t size, uint32_t flip)
{
	uint64_t wide = sum;
	uint32_t word;

	for (uint32_t at = 0; at < size; at += sizeof(word)) {
		memcpy(&word, (const uint8_t *)words + at, sizeof(word));
		wide += word ^ flip;
	}
	wide = (wide & UINT32_MAX) + (wide >> 32);
	return (uint32_t)(wide + (wide >> 32));
}

static inline int64_t host_csum_diff(const void *from, uint32_t from_size, const void *to,
				     uint32_t to_size, uint32_t seed)
{
	return host_csum_add(host_csum_add(seed, from, from_size, UINT32_MAX), to, to_size, 0);
}

static inline long host_redirect(const void *map, uint32_t key, uint64_t flags)
{
	return host_map_lookup(map, &key) ? XDP_REDIRECT : (long)(flags & 3);
}

#endif
