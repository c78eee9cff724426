/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/table.h"

#include <arpa/inet.h>
#include <errno.h>

#include "model/table.h"
#include "tests/bench/timing.h"

#define BUILDS 9
#define SLOTS  65536

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

/* Several builds from nothing. All weights are equal, and Maglev takes the next prime as its size. */
static int time_builds(enum table_kind kind, size_t backends, double ms[BUILDS])
{
	uint32_t size = kind == TABLE_MAGLEV ? table_maglev_size(SLOTS) : SLOTS;
	cleanup(freep) struct table_backend *list = calloc(backends, sizeof(*list));
	cleanup(freep) uint16_t *slots = calloc(size, sizeof(*slots));
	int r = 0;

	if (!list || !slots)
		return -ENOMEM;
	make_backends(list, backends);
	for (size_t i = 0; r == 0 && i < BUILDS; i++) {
		uint64_t start = timing_now_ns();

		r = table_build(kind, list, backends, CONFIG_DEFAULT_SEED, slots, size);
		ms[i] = (double)(timing_now_ns() - start) / 1e6;
	}
	return r;
}

int bench_tables(struct results *results)
{
	static const size_t counts[] = { 8, 128, 1000 };

	results_section(results, "TABLE OF 65536 SLOTS", "ms");
	for (int kind = TABLE_RENDEZVOUS; kind <= TABLE_MAGLEV; kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
			struct result row = { 0 };
			double ms[BUILDS];
			int r = time_builds((enum table_kind)kind, counts[i], ms);

			if (r < 0)
				return r;
			snprintf(row.name, sizeof(row.name), "table-%s-%zu",
				 table_kind_name((enum table_kind)kind), counts[i]);
			row.value = timing_median(ms, BUILDS);
			row.least = timing_least(ms, BUILDS);
			results_add(results, &row);
		}
	}
	return 0;
}
