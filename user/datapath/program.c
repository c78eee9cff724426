/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program as an object of its own over the datapath's maps, so that another one with other
 * options can take its place.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"
#include "datapath/internal.h"

uint64_t program_digest(const struct datapath *datapath)
{
	size_t size;
	const void *elf = leat_bpf__elf_bytes(&size);
	uint64_t digest = XXH64(&datapath->options, sizeof(datapath->options), LEAT_LAYOUT);

	/* 0 is the note of a program that is being replaced. */
	digest = XXH64(&datapath->memory, sizeof(datapath->memory), digest);
	return XXH64(elf, size, digest) | 1;
}

void program_close(struct datapath *datapath)
{
	if (datapath->program.xdp)
		xdp_program__close(datapath->program.xdp);
	leat_bpf__destroy(take_ptr(datapath->object));
	datapath->program = (struct attachee){ 0 };
}

int datapath_share_maps(struct datapath *datapath, struct bpf_object *object)
{
	struct bpf_map *map, *shared;

	bpf_object__for_each_map(map, object)
	{
		if (strchr(bpf_map__name(map), '.'))
			continue;
		shared = bpf_object__find_map_by_name(datapath->maps->obj, bpf_map__name(map));
		if (shared && bpf_map__reuse_fd(map, bpf_map__fd(shared)) < 0)
			return -errno;
	}
	return 0;
}

int program_open(struct datapath *datapath)
{
	struct xdp_program *xdp;
	int r;

	if (datapath->object)
		return 0;
	datapath->object = leat_bpf__open();
	if (!datapath->object)
		return -errno;
	datapath->object->rodata->options = datapath->options;
	datapath->object->rodata->memory = datapath->memory;
	r = datapath_share_maps(datapath, datapath->object->obj);
	if (r == 0)
		r = attachee_open(datapath->object->obj, PROGRAM_NAME, &xdp);
	if (r < 0) {
		program_close(datapath);
		return r;
	}
	datapath->program = (struct attachee){
		.name = PROGRAM_NAME,
		.object = datapath->object->obj,
		.program = datapath->object->progs.leat,
		.xdp = xdp,
	};
	return 0;
}

int program_pin(struct datapath *datapath)
{
	cleanup(freep) char *path = NULL;

	if (!datapath->pin_path || bpf_program__fd(datapath->program.program) < 0)
		return 0;
	path = datapath_pin_path(datapath, "program");
	if (!path)
		return -ENOMEM;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(bpf_program__fd(datapath->program.program), path) < 0 ? -errno : 0;
}

/* Where the program leaves its trace. libxdp may have loaded it, so the skeleton has no view of it. */
static int trace_fd(const struct datapath *datapath)
{
	return bpf_map__fd(datapath->object->maps.bss);
}

static int run_program(struct datapath *datapath, struct bpf_test_run_opts *options,
		       struct leat_trace *ret_trace)
{
	typeof(*datapath->object->bss) trace = { 0 };
	const uint32_t zero = 0;
	int r = bpf_map_update_elem(trace_fd(datapath), &zero, &trace, BPF_ANY);

	if (r == 0)
		r = bpf_prog_test_run_opts(bpf_program__fd(datapath->program.program), options);
	if (r == 0)
		r = bpf_map_lookup_elem(trace_fd(datapath), &zero, &trace);
	if (r == 0)
		*ret_trace = trace.trace;
	return r;
}

void datapath_set_ingress(struct datapath *datapath, uint32_t ifindex)
{
	datapath->ingress = ifindex;
}

int datapath_run_packet(struct datapath *datapath, uint8_t *packet, size_t size, size_t room,
			struct datapath_run *ret_run)
{
	cleanup(freep) uint8_t *out = malloc(room);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_out = out, .repeat = 1);
	struct xdp_md context = { .data_end = (uint32_t)size,
				  .ingress_ifindex = datapath->ingress };
	struct leat_trace trace;
	int r = program_open(datapath);

	if (r == 0)
		r = attachee_load(&datapath->program);
	if (r < 0)
		return r;
	if (!out)
		return -ENOMEM;
	options.data_size_in = (uint32_t)size;
	options.data_size_out = (uint32_t)room;
	if (datapath->ingress) {
		options.ctx_in = &context;
		options.ctx_size_in = sizeof(context);
	}
	r = run_program(datapath, &options, &trace);
	if (r < 0)
		return r;
	memcpy(packet, out, options.data_size_out);
	*ret_run = (struct datapath_run){
		.action = options.retval,
		.trace = trace,
		.size = options.data_size_out,
	};
	return 0;
}
