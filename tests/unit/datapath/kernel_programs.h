/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Both XDP programs in the kernel, over maps that hold what the host's hold.
 */
#ifndef LEAT_TESTS_UNIT_DATAPATH_KERNEL_PROGRAMS_H
#define LEAT_TESTS_UNIT_DATAPATH_KERNEL_PROGRAMS_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "decap.skel.h"
#include "leat.skel.h"
#include "tests/judge/opinion.h"
#include "tests/unit/sample_config.h"

/* More than a page goes in as several buffers, in the kernel and here. */
#define KERNEL_FRAME_MAX 9216

struct kernel_programs {
	struct leat_bpf *leat;
	struct leat_bpf *unloaded; /* still knows what inner maps are like */
	struct decap_bpf *decap;
};

static inline void kernel_load(struct kernel_programs *kernel, const struct scene *scene)
{
	kernel->leat = leat_bpf__open();
	kernel->unloaded = leat_bpf__open();
	assert_true(kernel->leat && kernel->unloaded);
	kernel->leat->rodata->options = scene->datapath.options;
	kernel->leat->rodata->memory = scene->datapath.memory;
	assert_int_equal(bpf_map__set_max_entries(kernel->leat->maps.flows,
						  scene->datapath.flows.max_entries),
			 0);
	assert_int_equal(leat_bpf__load(kernel->leat), 0);
	kernel->decap = decap_bpf__open();
	assert_non_null(kernel->decap);
	kernel->decap->rodata->options = scene->decap.options;
	assert_int_equal(decap_bpf__load(kernel->decap), 0);
}

static inline void kernel_unload(struct kernel_programs *kernel)
{
	leat_bpf__destroy(kernel->leat);
	leat_bpf__destroy(kernel->unloaded);
	decap_bpf__destroy(kernel->decap);
}

static inline bool is_zero(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size && !*at++)
		size--;
	return size == 0;
}

/* Its descriptor. */
static inline int kernel_make_inner(const struct bpf_map *like, const struct host_map *from)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = bpf_map__map_flags(like));
	int fd = bpf_map_create(bpf_map__type(like), "inner", bpf_map__key_size(like),
				bpf_map__value_size(like), from->max_entries, &options);

	assert_true(fd >= 0);
	assert_int_equal(bpf_map__value_size(like), from->value_size);
	for (uint32_t i = 0; i < from->max_entries; i++) {
		const void *key = &i;

		if (from->keys && !from->is_used[i])
			continue;
		if (from->keys)
			key = from->keys + (size_t)i * from->key_size;
		assert_int_equal(bpf_map_update_elem(fd, key, host_map_at(from, i), BPF_ANY), 0);
	}
	return fd;
}

static inline void kernel_put_inner(const struct kernel_programs *kernel, const struct bpf_map *map,
				    const struct host_map *from)
{
	struct bpf_map *outer = bpf_object__find_map_by_name(kernel->unloaded->obj, from->name);

	for (uint32_t i = 0; i < from->max_entries; i++) {
		struct host_map *const *inner = host_map_at(from, i);
		int fd;

		if (!*inner)
			continue;
		fd = kernel_make_inner(bpf_map__inner_map(outer), *inner);
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), &i, &fd, BPF_ANY), 0);
		close(fd);
	}
}

/* Arrays are zero at first; of those for each CPU the host has nothing to tell yet. */
static inline void kernel_put_values(struct bpf_map *map, const struct host_map *from)
{
	bool is_per_cpu = bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY;

	for (uint32_t i = 0; from->values && i < from->max_entries; i++) {
		const void *value = host_map_at(from, i), *key = &i;

		if (from->keys)
			key = from->keys + (size_t)i * from->key_size;
		if (from->keys ? !from->is_used[i] : is_zero(value, from->value_size))
			continue;
		assert_false(is_per_cpu);
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
	}
}

/* Both have the same shape, or they are not one map. */
static inline void kernel_put_map(const struct kernel_programs *kernel, struct bpf_object *object,
				  const struct host_map *from)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, from->name);

	if (!map)
		fail_msg("the kernel's program has no map %s", from->name);
	assert_int_equal(bpf_map__type(map), from->type);
	assert_int_equal(bpf_map__key_size(map), from->key_size);
	if (from->is_outer) {
		kernel_put_inner(kernel, map, from);
		return;
	}
	assert_int_equal(bpf_map__value_size(map), from->value_size);
	kernel_put_values(map, from);
}

static inline void kernel_fill(struct kernel_programs *kernel, const struct scene *scene)
{
#define X(name) kernel_put_map(kernel, kernel->leat->obj, &scene->datapath.name);
	HOST_MAPS(X)
#undef X
	kernel_put_map(kernel, kernel->decap->obj, &scene->decap.inner);
	kernel_put_map(kernel, kernel->decap->obj, &scene->decap.outer);
	kernel_put_map(kernel, kernel->decap->obj, &scene->decap.source);
}

static inline struct bytes kernel_run(const struct bpf_program *program, struct bytes in,
				      uint8_t *room, size_t size, uint32_t *ret_action)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.at, .data_size_in = (uint32_t)in.size,
		    .data_out = room, .data_size_out = (uint32_t)size, .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0);
	*ret_action = options.retval;
	return (struct bytes){ room, options.data_size_out };
}

static inline struct outcome kernel_run_leat(struct kernel_programs *kernel, struct bytes in,
					     uint8_t *room, size_t size)
{
	struct outcome outcome;

	kernel->leat->bss->trace = (struct leat_trace){ 0 };
	outcome.out = kernel_run(kernel->leat->progs.leat, in, room, size, &outcome.action);
	outcome.trace = kernel->leat->bss->trace;
	return outcome;
}

/* The sum over all CPUs. */
static inline struct leat_counter kernel_counter(const struct bpf_map *map, uint32_t index)
{
	int cpus = libbpf_num_possible_cpus();
	struct leat_counter *counters = calloc((size_t)cpus, sizeof(*counters)), sum = { 0 };

	assert_non_null(counters);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &index, counters), 0);
	for (int i = 0; i < cpus; i++) {
		sum.packets += counters[i].packets;
		sum.bytes += counters[i].bytes;
	}
	free(counters);
	return sum;
}

#endif
