/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Internet checksum (RFC 1071) over numbers that are already at hand. Which word of 32 bits a
 * 16-bit one belongs to does not matter to it.
 */
#ifndef LEAT_BPF_CHECKSUM_H
#define LEAT_BPF_CHECKSUM_H

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/* 34 bits take three folds, and the last carry needs no mask. */
static __always_inline __u16 checksum_finish(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

/* The same of a sum that may be of any size. */
static __always_inline __u16 checksum_finish_long(__u64 sum)
{
	return checksum_finish((sum & 0xffffffff) + (sum >> 32));
}

/* `count` words of 32 bits, which must be few: they are unrolled. */
static __always_inline __u64 checksum_words(const __u32 *words, __u32 count)
{
	__u64 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

/* RFC 1624: of a header of which one word was changed. */
static __always_inline __u16 checksum_replace(__u16 check, __u16 from, __u16 to)
{
	return checksum_finish((__u64)(__u16)~check + (__u16)~from + to);
}

#endif
