/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/memory.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/bench/services.h"

#include "bench.skel.h"

#define FEW	 10 /* services with defaults */
#define MORE	 20
#define BACKENDS 10 /* of each */
#define MIB	 (1024 * 1024.0)

/* Whose a map's entries are. All other maps grow with nothing. */
static const struct owner {
	const char *map;
	enum { OF_SERVICE, OF_BACKEND, OF_FLOW, OF_HALF_OPEN, OWNER_COUNT } owner;
	unsigned int holds; /* so many of them an entry */
} owners[] = {
	{ "service_count", OF_SERVICE, 1 },
	{ "policies", OF_SERVICE, 1 },
	{ "orders", OF_SERVICE, 1 },
	{ "cursors", OF_SERVICE, 1 },
	{ "retired", OF_SERVICE, 1 },
	{ "backends", OF_BACKEND, 1 },
	{ "backend_count", OF_BACKEND, 1 },
	{ "loads", OF_BACKEND, 1 },
	{ "flows", OF_FLOW, LEAT_BUCKET_FLOWS },
	{ "half_open", OF_HALF_OPEN, LEAT_BUCKET_FLOWS },
};

struct usage {
	double total;
	double entry[OWNER_COUNT]; /* bytes in maps that were made for all there may ever be */
};

/* Bytes; 0 when the kernel does not say. */
static double read_memlock(int fd)
{
	cleanup(fclosep) FILE *file = NULL;
	unsigned long long bytes;
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			return (double)bytes;
	}
	return 0;
}

/* The maps in a map of maps. */
static double read_inner(int outer_fd, uint32_t entries)
{
	double sum = 0;

	for (uint32_t i = 0; i < entries; i++) {
		cleanup(close_fdp) int fd = -1;
		uint32_t id;

		if (bpf_map_lookup_elem(outer_fd, &i, &id) == 0)
			fd = bpf_map_get_fd_by_id(id);
		if (fd >= 0)
			sum += read_memlock(fd);
	}
	return sum;
}

static void add_map(struct usage *usage, const struct bpf_map *map)
{
	double bytes = read_memlock(bpf_map__fd(map));

	usage->total += bytes;
	if (bpf_map__type(map) == BPF_MAP_TYPE_ARRAY_OF_MAPS)
		usage->total += read_inner(bpf_map__fd(map), bpf_map__max_entries(map));
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		if (strcmp(owners[i].map, bpf_map__name(map)) == 0)
			usage->entry[owners[i].owner] +=
				bytes / bpf_map__max_entries(map) / owners[i].holds;
	}
}

/* The maps are the datapath's; a program over them is how they are found. */
static int read_usage(const struct rehearsal *rehearsal, struct usage *ret_usage)
{
	struct bench_bpf *program = bench_bpf__open();
	struct bpf_map *map;
	int r;

	if (!program)
		return -errno;
	*ret_usage = (struct usage){ 0 };
	r = datapath_share_maps(rehearsal->datapath, program->obj);
	if (r == 0)
		r = bench_bpf__load(program);
	if (r == 0) {
		bpf_object__for_each_map(map, program->obj) add_map(ret_usage, map);
	}
	bench_bpf__destroy(program);
	return r;
}

static int use(unsigned int services, struct usage *ret_usage)
{
	const struct bench_service service = {
		"service", 4, IPPROTO_TCP, 10000, .count = services, .backends = BACKENDS,
	};
	cleanup(rehearsal_deinit) struct rehearsal rehearsal = { 0 };
	struct config *config;
	int r = bench_config_make(&service, 1, LEAT_DEFAULT_FLOWS, &config);

	if (r == 0)
		r = rehearsal_init(&rehearsal, config, false, NULL);
	return r < 0 ? r : read_usage(&rehearsal, ret_usage);
}

static void add_bytes(struct results *results, const char *name, double bytes, double target)
{
	struct result row = { .value = bytes, .target = target };

	snprintf(row.name, sizeof(row.name), "%s", name);
	results_add(results, &row);
}

/* A service takes its table, which more services show, and its entries in maps that do not grow. */
int bench_memory(struct results *results)
{
	struct usage few, more;
	int r = use(FEW, &few);

	if (r == 0)
		r = use(MORE, &more);
	if (r < 0)
		return r;
	results_section(results, "LOCKED MEMORY", "bytes");
	add_bytes(results, "memory-10-services", few.total, 64 * MIB);
	add_bytes(results, "memory-service",
		  (more.total - few.total) / (MORE - FEW) + few.entry[OF_SERVICE], 0);
	add_bytes(results, "memory-backend", few.entry[OF_BACKEND], 0);
	add_bytes(results, "memory-flow", few.entry[OF_FLOW], 0);
	add_bytes(results, "memory-half-open-flow", few.entry[OF_HALF_OPEN], 0);
	return 0;
}
