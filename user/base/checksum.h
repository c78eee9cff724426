/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Internet checksum (RFC 1071) of headers that are built here.
 */
#ifndef LEAT_BASE_CHECKSUM_H
#define LEAT_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The sum over `size` bytes, an even number below 64 KiB: folded, not complemented, and in the bytes'
 * own order. */
static inline uint16_t checksum_sum(const void *bytes, size_t size)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t at = 0; at < size; at += sizeof(word)) {
		memcpy(&word, (const uint8_t *)bytes + at, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

#endif
