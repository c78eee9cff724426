/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much memory the kernel says that the maps take.
 */
#include <bpf/libbpf.h>
#include <inttypes.h>

#include "datapath/internal.h"

/* 0 where the kernel does not say. */
static uint64_t memory_of(int fd)
{
	cleanup(fclosep) FILE *info = NULL;
	char path[64], line[128];
	uint64_t memory = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	while (info && memory == 0 && fgets(line, sizeof(line), info))
		sscanf(line, "memlock:%" SCNu64, &memory);
	return memory;
}

uint64_t datapath_locked_memory(const struct datapath *datapath)
{
	const struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, datapath->maps->obj)
	{
		if (bpf_map__fd(map) >= 0)
			sum += memory_of(bpf_map__fd(map));
	}
	return sum;
}
