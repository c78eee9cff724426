/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "datapath/bpffs.h"
#include "datapath/internal.h"

#define LAYOUT_DIRECTORY "layout-"

/* PIN_PATH/layout-N: another layout's maps lie beside ours, never among them. */
static char *layout_path(const struct datapath *datapath, unsigned int layout)
{
	char *path;

	return asprintf(&path, "%s/" LAYOUT_DIRECTORY "%u", datapath->pin_path, layout) < 0 ? NULL
											    : path;
}

char *datapath_pin_path(const struct datapath *datapath, const char *name)
{
	char *path;

	return asprintf(&path, "%s/" LAYOUT_DIRECTORY "%u/%s", datapath->pin_path, LEAT_LAYOUT,
			name) < 0
		       ? NULL
		       : path;
}

static bool is_pinned(const char *name)
{
	/* libbpf's own maps (.rodata and .bss) belong to one program, not to the datapath. */
	return !strchr(name, '.');
}

/* The memory of flows keeps the size that it was made with; all else has one. */
static bool has_size(struct datapath *datapath, const struct bpf_map *map, uint32_t entries)
{
	if (map != datapath->maps->maps.flows)
		return entries == bpf_map__max_entries(map);
	if (entries != bpf_map__max_entries(map))
		log_warning("%u flows can be remembered, as when the maps were made; the file's %u "
			    "holds once %s is removed while no leatd runs",
			    entries, bpf_map__max_entries(map), datapath->pin_path);
	return entries && (entries & (entries - 1)) == 0;
}

static bool has_shape(struct datapath *datapath, int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       has_size(datapath, map, info.max_entries);
}

/* libbpf would do this by itself, but takes the flag that the kernel adds to every devmap for a
 * difference. */
static int reuse_pin(struct datapath *datapath, struct bpf_map *map)
{
	cleanup(freep) char *path = datapath_pin_path(datapath, bpf_map__name(map));
	cleanup(close_fdp) int fd = -1;

	if (!path)
		return -ENOMEM;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!has_shape(datapath, fd, map)) {
		log_error("%s is not of layout %d; remove %s if no other leatd uses it", path,
			  LEAT_LAYOUT, datapath->pin_path);
		return -EUCLEAN;
	}
	return bpf_map__reuse_fd(map, fd) < 0 ? -errno : 0;
}

static int pin_new(struct datapath *datapath, struct bpf_map *map)
{
	cleanup(freep) char *path = datapath_pin_path(datapath, bpf_map__name(map));

	if (!path)
		return -ENOMEM;
	if (bpf_obj_pin(bpf_map__fd(map), path) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int for_each_pinned(struct datapath *datapath,
			   int (*fn)(struct datapath *datapath, struct bpf_map *map))
{
	struct bpf_map *map;

	if (!datapath->pin_path)
		return 0;
	bpf_object__for_each_map(map, datapath->maps->obj)
	{
		int r = is_pinned(bpf_map__name(map)) ? fn(datapath, map) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_layout_directory(const char *name, unsigned int *ret_layout)
{
	return sscanf(name, LAYOUT_DIRECTORY "%u", ret_layout) == 1;
}

static void for_each_layout(struct datapath *datapath,
			    void (*fn)(struct datapath *datapath, unsigned int layout))
{
	DIR *directory = opendir(datapath->pin_path);
	const struct dirent *entry;
	unsigned int layout;

	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		if (is_layout_directory(entry->d_name, &layout))
			fn(datapath, layout);
	}
	closedir(directory);
}

static void find_layout(struct datapath *datapath, unsigned int layout)
{
	if (layout == LEAT_LAYOUT)
		datapath->was_reused = true;
	else
		datapath->has_foreign_layout = true;
}

static int read_node(const struct datapath *datapath, struct leat_node *ret_node)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.node), &zero, ret_node);
}

static int write_node(struct datapath *datapath, const struct leat_node *node)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_map__fd(datapath->maps->maps.node), &zero, node, BPF_ANY);
}

/* What flows are remembered by lives as long as the maps do. */
static int begin_memory(struct datapath *datapath)
{
	struct leat_node node;
	int r = read_node(datapath, &node);

	if (r == 0 && node.flow_key == 0) {
		if (getrandom(&node.flow_key, sizeof(node.flow_key), 0) < 0)
			return -errno;
		node.flow_key |= 1;
		r = write_node(datapath, &node);
	}
	datapath->memory.flow_key = node.flow_key;
	datapath->memory.flow_mask = bpf_map__max_entries(datapath->maps->maps.flows) - 1;
	return r < 0 ? r : flow_map_open(datapath);
}

/* Pinned maps are there for options that come later, too. */
static int size_maps(struct datapath *datapath, uint32_t flows)
{
	int r = bpf_map__set_max_entries(datapath->maps->maps.flows, flows);

	if (r == 0 && !datapath->pin_path && !datapath->options.nat)
		r = bpf_map__set_max_entries(datapath->maps->maps.nat_flows, 1);
	if (r == 0 && !datapath->pin_path && !datapath->options.quic)
		r = bpf_map__set_max_entries(datapath->maps->maps.quic_ids, 1);
	return r;
}

static int load_maps(struct datapath *datapath, uint32_t flows)
{
	int r;

	datapath->maps = leat_bpf__open();
	if (!datapath->maps)
		return -errno;
	bpf_program__set_autoload(datapath->maps->progs.leat, false);
	r = size_maps(datapath, flows);
	if (r == 0)
		r = for_each_pinned(datapath, reuse_pin);
	if (r == 0)
		r = leat_bpf__load(datapath->maps);
	if (r == 0)
		r = for_each_pinned(datapath, pin_new);
	if (r == 0)
		r = begin_memory(datapath);
	if (r < 0)
		log_error("cannot create the maps%s%s: %s (%s)",
			  datapath->pin_path ? " below " : "",
			  datapath->pin_path ? datapath->pin_path : "", strerror(-r),
			  library_warning());
	return r;
}

static int find_pins(struct datapath *datapath, const char *pin_path)
{
	cleanup(freep) char *path = NULL;

	datapath->pin_path = strdup(pin_path);
	if (!datapath->pin_path)
		return -ENOMEM;
	for_each_layout(datapath, find_layout);
	path = layout_path(datapath, LEAT_LAYOUT);
	return path ? bpffs_make_directory(path) : -ENOMEM;
}

int datapath_new(struct datapath **ret_datapath, const char *pin_path, uint32_t flows,
		 const struct leat_options *options)
{
	cleanup(datapath_freep) struct datapath *datapath = calloc(1, sizeof(*datapath));
	int cpus, r;

	library_capture_warnings();
	if (!datapath)
		return -ENOMEM;
	datapath->options = *options;
	cpus = libbpf_num_possible_cpus();
	if (cpus < 0)
		return cpus;
	datapath->cpus = (unsigned int)cpus;
	datapath->per_cpu = calloc(datapath->cpus, sizeof(*datapath->per_cpu));
	if (!datapath->per_cpu)
		return -ENOMEM;
	if (pin_path) {
		r = find_pins(datapath, pin_path);
		if (r < 0)
			return r;
	}
	r = load_maps(datapath, flows);
	if (r < 0)
		return r;
	*ret_datapath = take_ptr(datapath);
	return 0;
}

struct datapath *datapath_free(struct datapath *datapath)
{
	program_close(datapath);
	flow_map_close(datapath);
	leat_bpf__destroy(datapath->maps);
	free(datapath->services);
	free(datapath->per_cpu);
	free(datapath->pin_path);
	free(datapath);
	return NULL;
}

void datapath_set_options(struct datapath *datapath, const struct leat_options *options)
{
	if (memcmp(&datapath->options, options, sizeof(*options)) == 0)
		return;
	datapath->options = *options;
	program_close(datapath);
}

bool datapath_was_reused(const struct datapath *datapath)
{
	return datapath->was_reused;
}

bool datapath_has_foreign_layout(const struct datapath *datapath)
{
	return datapath->has_foreign_layout;
}

static void remove_layout(struct datapath *datapath, unsigned int layout)
{
	cleanup(freep) char *path = layout_path(datapath, layout);

	if (path)
		bpffs_remove_directory(path);
}

static void remove_foreign_layout(struct datapath *datapath, unsigned int layout)
{
	if (layout != LEAT_LAYOUT)
		remove_layout(datapath, layout);
}

void datapath_drop_foreign_layouts(struct datapath *datapath)
{
	if (!datapath->has_foreign_layout)
		return;
	for_each_layout(datapath, remove_foreign_layout);
	datapath->has_foreign_layout = false;
}

void datapath_unpin(struct datapath *datapath)
{
	remove_layout(datapath, LEAT_LAYOUT);
	if (rmdir(datapath->pin_path) < 0 && errno != ENOENT && errno != ENOTEMPTY)
		log_warning("cannot remove %s: %s", datapath->pin_path, strerror(errno));
}

int datapath_read_note(struct datapath *datapath, const struct leat_registry_key *key,
		       struct leat_registry_entry *ret_entry)
{
	return bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.registry), key, ret_entry);
}

int datapath_write_note(struct datapath *datapath, const struct leat_registry_key *key,
			const struct leat_registry_entry *entry)
{
	int fd = bpf_map__fd(datapath->maps->maps.registry);
	struct leat_registry_entry kept, now = *entry;
	int r;

	/* The id and the name are the plan's business. */
	r = bpf_map_lookup_elem(fd, key, &kept);
	if (r < 0)
		return r;
	now.id = kept.id;
	memcpy(now.name, kept.name, sizeof(now.name));
	return bpf_map_update_elem(fd, key, &now, BPF_EXIST);
}

int datapath_note_program(struct datapath *datapath, uint64_t digest)
{
	struct leat_node note = {
		.layout = LEAT_LAYOUT,
		.program = digest,
		.started_s = clock_wall_s(),
		.flow_key = datapath->memory.flow_key,
	};

	return write_node(datapath, &note);
}

bool datapath_program_is_current(const struct datapath *datapath)
{
	struct leat_node note;

	return read_node(datapath, &note) == 0 && note.program == program_digest(datapath);
}
