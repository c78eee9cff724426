/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of flows from the daemon's side: read, counted and forgotten in memory that is shared with
 * the datapath, while that goes on adding to it.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "datapath/internal.h"

static int map_memory(const struct bpf_map *map, size_t size, void *ret_memory)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return -errno;
	memcpy(ret_memory, &memory, sizeof(memory));
	return 0;
}

static size_t bucket_bytes(size_t buckets)
{
	return buckets * sizeof(struct leat_bucket);
}

#define LOAD_BYTES (LEAT_MAX_BACKENDS * sizeof(struct leat_load))

int flow_map_open(struct datapath *datapath)
{
	const typeof(datapath->maps->maps) *maps = &datapath->maps->maps;
	int r = map_memory(maps->flows, bucket_bytes(datapath_flow_capacity(datapath)),
			   &datapath->flows);

	if (r == 0)
		r = map_memory(maps->half_open, bucket_bytes(LEAT_HALF_OPEN_BUCKETS),
			       &datapath->half_open);
	if (r == 0)
		r = map_memory(maps->clients, bucket_bytes(LEAT_CLIENT_BUCKETS),
			       &datapath->clients);
	return r < 0 ? r : map_memory(maps->loads, LOAD_BYTES, &datapath->loads);
}

static void unmap(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

void flow_map_close(struct datapath *datapath)
{
	unmap(datapath->flows, bucket_bytes(datapath_flow_capacity(datapath)));
	unmap(datapath->half_open, bucket_bytes(LEAT_HALF_OPEN_BUCKETS));
	unmap(datapath->clients, bucket_bytes(LEAT_CLIENT_BUCKETS));
	unmap(datapath->loads, LOAD_BYTES);
}

uint32_t datapath_flow_capacity(const struct datapath *datapath)
{
	return datapath->memory.flow_mask + 1;
}

struct leat_memory datapath_memory(const struct datapath *datapath)
{
	return datapath->memory;
}

/* An entry that changed since it was looked at is another flow's, and stays. */
static void forget(struct leat_flow *flow, __u64 digest)
{
	__atomic_compare_exchange_n(&flow->digest, &digest, LEAT_DIGEST_NONE, false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

struct sweep {
	bool (*stays)(void *user, const struct leat_flow *flow, bool is_half_open);
	void *user;
	bool is_half_open;
};

static void sweep_entry(const struct sweep *sweep, struct leat_flow *flow)
{
	struct leat_flow now = {
		.digest = __atomic_load_n(&flow->digest, __ATOMIC_RELAXED),
		.state = flow->state,
	};

	if (now.digest == LEAT_DIGEST_NONE || now.digest == LEAT_DIGEST_CLAIMED)
		return;
	if (!sweep->stays(sweep->user, &now, sweep->is_half_open))
		forget(flow, now.digest);
}

static void sweep_buckets(const struct sweep *sweep, struct leat_bucket *buckets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < LEAT_BUCKET_FLOWS; j++)
			sweep_entry(sweep, &buckets[i].flows[j]);
	}
}

void datapath_sweep_flows(struct datapath *datapath,
			  bool (*stays)(void *user, const struct leat_flow *flow,
					bool is_half_open),
			  void *user)
{
	struct sweep sweep = { stays, user, true };

	/* In the direction in which flows move, so that none slips through in between. */
	sweep_buckets(&sweep, datapath->half_open, LEAT_HALF_OPEN_BUCKETS);
	sweep.is_half_open = false;
	sweep_buckets(&sweep, datapath->flows, datapath_flow_capacity(datapath));
}

void datapath_sweep_clients(struct datapath *datapath,
			    bool (*stays)(void *user, const struct leat_flow *flow,
					  bool is_half_open),
			    void *user)
{
	struct sweep sweep = { stays, user, false };

	sweep_buckets(&sweep, datapath->clients, LEAT_CLIENT_BUCKETS);
}

uint32_t datapath_read_load(const struct datapath *datapath, uint32_t backend)
{
	return __atomic_load_n(&datapath->loads[backend].flows, __ATOMIC_RELAXED);
}

void datapath_correct_load(struct datapath *datapath, uint32_t backend, int32_t by)
{
	__atomic_fetch_add(&datapath->loads[backend].flows, (uint32_t)by, __ATOMIC_RELAXED);
}

/* An array's memory is whole pages. */
static size_t clock_bytes(uint32_t table_size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = LEAT_TABLE_LINES(table_size) * sizeof(struct leat_clock);

	return (size + page - 1) / page * page;
}

int clock_lines_map(int fd, uint32_t table_size, int protection, struct clock_lines *ret_lines)
{
	size_t size = clock_bytes(table_size);
	void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret_lines = (struct clock_lines){ .clocks = memory, .size = size };
	return 0;
}

void clock_lines_unmap(struct clock_lines *lines)
{
	munmap(lines->clocks, lines->size);
}

int datapath_read_clocks(struct datapath *datapath, const struct leat_lookup *lookup,
			 struct leat_clock *ret_clocks)
{
	cleanup(close_fdp) int fd = -1;
	struct clock_lines lines;
	uint32_t index = lookup->table, id;
	int r = bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.clocks), &index, &id);

	if (r < 0)
		return r;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	r = clock_lines_map(fd, lookup->size, PROT_READ, &lines);
	if (r < 0)
		return r;
	memcpy(ret_clocks, lines.clocks, LEAT_TABLE_LINES(lookup->size) * sizeof(*ret_clocks));
	clock_lines_unmap(&lines);
	return 0;
}
