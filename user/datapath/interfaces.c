/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The datapath on the interfaces of its node.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "datapath/internal.h"

uint32_t pinned_program_id(const struct datapath *datapath)
{
	cleanup(freep) char *path = datapath_pin_path(datapath, "program");
	cleanup(close_fdp) int fd = path ? bpf_obj_get(path) : -1;
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return 0;
	return info.id;
}

/* Only the program that is pinned with these maps is ours to detach: another node's daemon may share
 * the machine. */
static int detach_others(struct datapath *datapath, char (*names)[IF_NAMESIZE], size_t count)
{
	uint32_t id = pinned_program_id(datapath);
	struct if_nameindex *all = if_nameindex();
	int r = 0;

	for (const struct if_nameindex *i = all; id && i && i->if_index; i++) {
		if (!interface_is_listed(i->if_name, names, count) &&
		    attached_program_id(PROGRAM_NAME, i->if_index) == id &&
		    detach_interface(PROGRAM_NAME, i->if_name) < 0)
			r = -EIO;
	}
	if_freenameindex(all);
	return r;
}

/* A program of an earlier process must run on all interfaces, since only one can be pinned. */
static bool may_stay(const struct datapath *datapath, char (*names)[IF_NAMESIZE], size_t count)
{
	uint32_t id = pinned_program_id(datapath);

	if (!datapath_program_is_current(datapath))
		return false;
	if (bpf_program__fd(datapath->program.program) >= 0)
		return true;
	for (size_t i = 0; i < count; i++) {
		if (attached_program_id(PROGRAM_NAME, if_nametoindex(names[i])) != id)
			return false;
	}
	return true;
}

static int note_program(struct datapath *datapath)
{
	int r = datapath_note_program(datapath, program_digest(datapath));

	if (r == 0)
		r = program_pin(datapath);
	if (r < 0)
		log_error("cannot pin the datapath's program: %s", strerror(-r));
	return r;
}

static int attach_one(struct datapath *datapath, const char *name, enum attach_mode mode,
		      struct interface_status *ret_status)
{
	int r = attach_interface(&datapath->program, name, mode, ret_status);

	if (r != -ELIBACC)
		return r;
	program_close(datapath);
	r = program_open(datapath);
	if (r < 0)
		return r;
	datapath->program.is_alone = true;
	return attach_interface(&datapath->program, name, mode, ret_status);
}

int datapath_attach(struct datapath *datapath, char (*names)[IF_NAMESIZE], size_t count,
		    enum attach_mode mode, struct interface_status *ret_statuses)
{
	int r = program_open(datapath);

	if (r == 0)
		r = detach_others(datapath, names, count);
	datapath->program.is_current = may_stay(datapath, names, count);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = attach_one(datapath, names[i], mode, &ret_statuses[i]);
	if (r == 0)
		r = note_program(datapath);
	if (r == 0)
		datapath_drop_foreign_layouts(datapath);
	attachee_close_strays(&datapath->program);
	return r;
}

int datapath_detach(struct datapath *datapath)
{
	return detach_others(datapath, NULL, 0);
}
