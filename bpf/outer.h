/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The outer IP header of an encapsulation. It is precomputed in the backend's entry but for its first
 * word; what differs per packet is its length, TOS and the bits of its source that spread flows over
 * the receiver's queues.
 */
#ifndef LEAT_BPF_OUTER_H
#define LEAT_BPF_OUTER_H

#include "bpf/checksum.h"
#include "bpf/packet.h"
#include "maps/hash.h"

struct outer {
	__u32 len; /* of what is behind the header */
	__u32 tos;
	__u64 hash;
};

static __always_inline __be32 outer_source_bits(const struct leat_backend *backend, __u64 hash)
{
	return leat_hash_spread(hash) & backend->source_mask;
}

/* Headers are written by words, as far as they are constant: the compiler would copy bytes. */
static __always_inline void write_outer_ipv4(__u32 *to, const struct leat_backend *backend,
					     const struct outer *outer)
{
	__be32 source_bits = outer_source_bits(backend, outer->hash);
	__be32 tos_and_len = bpf_htonl(outer->tos << 16 | (outer->len + sizeof(struct iphdr)));
	const __u32 *from = backend->outer_words;
	const __u16 *ttl_and_check = (const void *)&from[2];

	to[0] = bpf_htonl(0x45U << 24) | tos_and_len;
	to[1] = from[1];
	((__u16 *)to)[4] = ttl_and_check[0];
	((__u16 *)to)[5] = checksum_finish((__u64)ttl_and_check[1] + tos_and_len + source_bits);
	to[3] = from[3] | source_bits;
	to[4] = from[4];
}

static __always_inline void write_outer_ipv6(__u32 *to, const struct leat_backend *backend,
					     const struct outer *outer)
{
	__u32 label = leat_hash_spread(outer->hash) >> 12;
	const __u32 *from = backend->outer_words;

	to[0] = bpf_htonl(6U << 28 | outer->tos << 20 | label);
	to[1] = from[1] | bpf_htonl(outer->len << 16);
#pragma unroll
	for (__u32 i = 2; i < sizeof(struct ipv6hdr) / 4; i++)
		to[i] = from[i];
	to[5] = from[5] | outer_source_bits(backend, outer->hash);
}

#endif
