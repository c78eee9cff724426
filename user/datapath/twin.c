/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second datapath beside one that runs: the same program over the same maps, but for those that
 * packets write, of which it has copies. What is shared is opened for reading alone, and what is not
 * named here is copied: no packet that is put through it changes anything that traffic sees.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "datapath/internal.h"

#define BATCH 4096U

/* The program only looks into these, or they are the daemon's alone. */
static const char *const shared_maps[] = {
	"services", "tables", "backends", "egress",   "access_lists", "quic_ids",
	"policies", "orders", "nat_pool", "registry", "node",	      "retired",
};

static bool is_shared(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(shared_maps); i++) {
		if (strcmp(name, shared_maps[i]) == 0)
			return true;
	}
	return false;
}

static int read_info(int fd, struct bpf_map_info *ret_info)
{
	uint32_t size = sizeof(*ret_info);

	*ret_info = (struct bpf_map_info){ 0 };
	return bpf_obj_get_info_by_fd(fd, ret_info, &size) < 0 ? -errno : 0;
}

/* flags: BPF_F_RDONLY for a descriptor through which nothing can be written. It, or -errno. */
static int open_pin(const struct datapath *datapath, const char *name, uint32_t flags)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = flags);
	cleanup(freep) char *path = datapath_pin_path(datapath, name);
	int fd;

	if (!path)
		return -ENOMEM;
	fd = bpf_obj_get_opts(path, &options);
	return fd < 0 ? -errno : fd;
}

/* Before it is loaded: shares the map, or makes it as large as the one that it will be a copy of. */
static int prepare_map(struct datapath *datapath, struct bpf_map *map)
{
	cleanup(close_fdp) int fd = open_pin(datapath, bpf_map__name(map), BPF_F_RDONLY);
	struct bpf_map_info info;
	int r;

	if (fd < 0)
		return fd;
	r = read_info(fd, &info);
	if (r < 0)
		return r;
	if (!map_has_shape(map, &info))
		return -EUCLEAN;
	if (is_shared(bpf_map__name(map)))
		return bpf_map__reuse_fd(map, fd) < 0 ? -errno : 0;
	return bpf_map__set_max_entries(map, info.max_entries) < 0 ? -errno : 0;
}

static size_t mapped_size(const struct bpf_map_info *info)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)info->max_entries * ((info->value_size + 7U) / 8 * 8);

	return (size + page - 1) / page * page;
}

static int copy_mapped(int from, int to, const struct bpf_map_info *info)
{
	size_t size = mapped_size(info);
	void *source = mmap(NULL, size, PROT_READ, MAP_SHARED, from, 0), *copy;

	if (source == MAP_FAILED)
		return -errno;
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	if (copy != MAP_FAILED) {
		memcpy(copy, source, size);
		munmap(copy, size);
	}
	munmap(source, size);
	return copy == MAP_FAILED ? -ENOMEM : 0;
}

/* Of one entry, as it goes through a system call. */
static size_t value_bytes(const struct datapath *datapath, const struct bpf_map_info *info)
{
	if (info->type != BPF_MAP_TYPE_PERCPU_ARRAY)
		return info->value_size;
	return (size_t)(info->value_size + 7U) / 8 * 8 * datapath->cpus;
}

static int copy_batches(const struct datapath *datapath, int from, int to,
			const struct bpf_map_info *info)
{
	cleanup(freep) void *keys = calloc(BATCH, info->key_size);
	cleanup(freep) void *values = calloc(BATCH, value_bytes(datapath, info));
	uint32_t next = 0, *at = NULL;
	int r = 0;

	if (!keys || !values)
		return -ENOMEM;
	while (r == 0) {
		uint32_t count = BATCH;

		r = bpf_map_lookup_batch(from, at, &next, keys, values, &count, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		if (count && bpf_map_update_batch(to, keys, values, &count, NULL) < 0)
			return -errno;
		at = &next;
	}
	return 0;
}

static int copy_contents(const struct datapath *datapath, int from, int to)
{
	struct bpf_map_info info;
	int r = read_info(from, &info);

	if (r < 0)
		return r;
	return info.map_flags & BPF_F_MMAPABLE ? copy_mapped(from, to, &info)
					       : copy_batches(datapath, from, to, &info);
}

/* A copy of the map with this id; its descriptor or -errno. */
static int clone_map(const struct datapath *datapath, uint32_t id)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	cleanup(close_fdp) int from = bpf_map_get_fd_by_id(id);
	cleanup(close_fdp) int to = -1;
	struct bpf_map_info info;
	int r;

	if (from < 0)
		return -errno;
	r = read_info(from, &info);
	if (r < 0)
		return r;
	options.map_flags = info.map_flags;
	to = bpf_map_create((enum bpf_map_type)info.type, info.name, info.key_size, info.value_size,
			    info.max_entries, &options);
	if (to < 0)
		return -errno;
	r = copy_contents(datapath, from, to);
	return r < 0 ? r : take_fd(to);
}

/* One that goes meanwhile is none that a packet needs. */
static int copy_inner_maps(const struct datapath *datapath, int from, int to, uint32_t count)
{
	for (uint32_t index = 0; index < count; index++) {
		cleanup(close_fdp) int clone = -1;
		uint32_t id;

		if (bpf_map_lookup_elem(from, &index, &id) < 0)
			continue;
		clone = clone_map(datapath, id);
		if (clone == -ENOENT)
			continue;
		if (clone < 0)
			return clone;
		if (bpf_map_update_elem(to, &index, &clone, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int copy_map(struct datapath *datapath, struct bpf_map *map)
{
	cleanup(close_fdp) int from = -1;

	if (is_shared(bpf_map__name(map)))
		return 0;
	/* The kernel maps no memory of one that is open for reading alone, not even to be read. */
	from = open_pin(datapath, bpf_map__name(map), 0);
	if (from < 0)
		return from;
	if (bpf_map__type(map) == BPF_MAP_TYPE_ARRAY_OF_MAPS)
		return copy_inner_maps(datapath, from, bpf_map__fd(map), bpf_map__max_entries(map));
	return copy_contents(datapath, from, bpf_map__fd(map));
}

static bool ends_in(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);

	return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* What the program was told before it was loaded is in a map that nobody can write any more. */
static int read_rodata(struct datapath *datapath, uint32_t id)
{
	size_t size = bpf_map__value_size(datapath->maps->maps.rodata);
	cleanup(freep) typeof(datapath->maps->rodata) rodata = malloc(size);
	cleanup(close_fdp) int fd = bpf_map_get_fd_by_id(id);
	const uint32_t zero = 0;
	struct bpf_map_info info;
	int r;

	if (!rodata)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	r = read_info(fd, &info);
	if (r < 0)
		return r;
	if (!ends_in(info.name, ".rodata"))
		return -ENOENT;
	if (info.value_size != size)
		return -EUCLEAN;
	if (bpf_map_lookup_elem(fd, &zero, rodata) < 0)
		return -errno;
	datapath->options = rodata->options;
	return 0;
}

#define PROGRAM_MAPS 64

/* The options of the program that is pinned. */
static int read_options(struct datapath *datapath)
{
	uint32_t ids[PROGRAM_MAPS], size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {
		.nr_map_ids = PROGRAM_MAPS,
		.map_ids = (uintptr_t)ids,
	};
	cleanup(close_fdp) int fd = open_pin(datapath, "program", 0);
	int r = -ENOENT;

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -errno;
	for (uint32_t i = 0; r == -ENOENT && i < MIN(info.nr_map_ids, PROGRAM_MAPS); i++)
		r = read_rodata(datapath, ids[i]);
	return r;
}

static int take_memory(struct datapath *datapath)
{
	const struct bpf_map *flows = datapath->maps->maps.flows;
	const uint32_t zero = 0;
	struct leat_node node;
	int r = bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.node), &zero, &node);

	if (r < 0)
		return -errno;
	datapath->memory.flow_key = node.flow_key;
	datapath->memory.flow_mask = bpf_map__max_entries(flows) - 1;
	return 0;
}

/* The verifier takes a second, so the copies come after it. */
static int load_program(struct datapath *datapath)
{
	int r = program_open(datapath);

	return r == 0 ? attachee_load(&datapath->program) : r;
}

static int build(struct datapath *datapath, bool *ret_is_current)
{
	int r;

	datapath->maps = leat_bpf__open();
	if (!datapath->maps)
		return -errno;
	bpf_program__set_autoload(datapath->maps->progs.leat, false);
	r = datapath_for_each_map(datapath, prepare_map);
	if (r == 0)
		r = leat_bpf__load(datapath->maps);
	if (r == 0)
		r = take_memory(datapath);
	if (r == 0)
		r = read_options(datapath);
	if (r < 0)
		return r;
	*ret_is_current = datapath_program_is_current(datapath);
	datapath->options.trace = true;
	r = load_program(datapath);
	return r == 0 ? datapath_for_each_map(datapath, copy_map) : r;
}

int datapath_new_twin(struct datapath **ret_datapath, const char *pin_path, bool *ret_is_current)
{
	cleanup(datapath_freep) struct datapath *datapath = calloc(1, sizeof(*datapath));
	int cpus, r;

	library_capture_warnings();
	if (!datapath)
		return -ENOMEM;
	cpus = libbpf_num_possible_cpus();
	if (cpus < 0)
		return cpus;
	datapath->cpus = (unsigned int)cpus;
	datapath->pin_path = strdup(pin_path);
	if (!datapath->pin_path)
		return -ENOMEM;
	r = build(datapath, ret_is_current);
	if (r < 0)
		return r;
	*ret_datapath = take_ptr(datapath);
	return 0;
}
