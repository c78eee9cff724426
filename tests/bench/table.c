/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/table.h"

#include <arpa/inet.h>
#include <time.h>

#define BUILDS 9

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return (first > second) - (first < second);
}

static void make_backends(struct table_backend *backends, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct in_addr in = { .s_addr = htonl(0xc6330000 + (uint32_t)i) };

		backends[i] = (struct table_backend){
			.address = address_from_ipv4(in),
			.weight = CONFIG_DEFAULT_WEIGHT,
			.id = (uint16_t)(i + 1),
		};
	}
}

uint64_t bench_table_build_ns(enum table_kind kind, size_t backends, uint32_t size)
{
	cleanup(freep) struct table_backend *list = calloc(backends, sizeof(*list));
	cleanup(freep) uint16_t *slots = NULL;
	uint64_t ns[BUILDS];

	if (kind == TABLE_MAGLEV)
		size = table_maglev_size(size);
	slots = calloc(size, sizeof(*slots));
	if (!list || !slots)
		return 0;
	make_backends(list, backends);
	for (size_t i = 0; i < BUILDS; i++) {
		uint64_t start = now_ns();

		if (table_build(kind, list, backends, CONFIG_DEFAULT_SEED, slots, size) < 0)
			return 0;
		ns[i] = now_ns() - start;
	}
	qsort(ns, BUILDS, sizeof(ns[0]), compare_numbers);
	return ns[BUILDS / 2];
}
