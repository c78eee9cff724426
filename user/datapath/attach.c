/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <string.h>

#include "base/log.h"
#include "base/number.h"
#include "datapath/library.h"

DEFINE_CLEANUP(DIR *, closedir)

/* What runs on an interface, from our point of view. */
struct occupant {
	struct xdp_multiprog *programs; /* NULL: nothing is attached */
	struct xdp_program *ours;	/* among them; theirs to free */
	bool is_alone;			/* without a dispatcher */
};

static void occupant_deinit(struct occupant *occupant)
{
	if (occupant->programs)
		xdp_multiprog__close(occupant->programs);
}

static bool has_name(const struct xdp_program *program, const char *name)
{
	return program && strcmp(xdp_program__name(program), name) == 0;
}

static void occupant_find_ours(struct occupant *occupant, const char *name)
{
	struct xdp_program *program = NULL;

	if (occupant->is_alone) {
		program = xdp_multiprog__main_prog(occupant->programs);
		occupant->ours = has_name(program, name) ? program : NULL;
		return;
	}
	while ((program = xdp_multiprog__next_prog(program, occupant->programs))) {
		if (has_name(program, name))
			occupant->ours = program;
	}
}

static int occupant_read(struct occupant *occupant, const char *name, uint32_t ifindex)
{
	struct xdp_multiprog *programs = xdp_multiprog__get_from_ifindex((int)ifindex);
	int r = (int)libxdp_get_error(programs);

	*occupant = (struct occupant){ 0 };
	if (r == -ENOENT || (r == 0 && !programs))
		return 0;
	if (r < 0)
		return r;
	occupant->programs = programs;
	occupant->is_alone = xdp_multiprog__is_legacy(programs);
	occupant_find_ours(occupant, name);
	return 0;
}

static enum xdp_attach_mode libxdp_mode(enum attach_mode mode)
{
	return mode == ATTACH_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE;
}

static uint32_t kernel_flag(enum attach_mode mode)
{
	return mode == ATTACH_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
}

static enum attach_mode occupant_mode(const struct occupant *occupant)
{
	return xdp_multiprog__attach_mode(occupant->programs) == XDP_MODE_SKB ? ATTACH_GENERIC
									      : ATTACH_NATIVE;
}

int attachee_open(struct bpf_object *object, const char *program_name,
		  struct xdp_program **ret_program)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = object, .prog_name = program_name);
	struct xdp_program *program = xdp_program__create(&options);
	int r = (int)libxdp_get_error(program);

	if (r < 0) {
		log_error("cannot open the program %s: %s (%s)", program_name, strerror(-r),
			  library_warning());
		return r;
	}
	/* The section's name tells libbpf, but not libxdp, whose dispatcher has to have them, too. */
	r = xdp_program__set_xdp_frags_support(program, true);
	if (r < 0) {
		log_error("cannot have packets in several buffers: %s", strerror(-r));
		xdp_program__close(program);
		return r;
	}
	*ret_program = program;
	return 0;
}

static bool is_loaded(const struct attachee *attachee)
{
	return bpf_program__fd(attachee->program) >= 0;
}

/* libxdp loads a program as an extension when it has put a dispatcher in front. */
static bool is_loaded_alone(const struct attachee *attachee)
{
	return is_loaded(attachee) && bpf_program__type(attachee->program) == BPF_PROG_TYPE_XDP;
}

int attachee_load(const struct attachee *attachee)
{
	int r = is_loaded(attachee) ? 0 : bpf_object__load(attachee->object);

	if (r < 0)
		log_error("the kernel refused the program %s: %s (%s)", attachee->name,
			  strerror(-r), library_warning());
	return r;
}

static bool is_program(const char *descriptor)
{
	cleanup(freep) char *path = NULL;
	char target[sizeof("anon_inode:bpf-prog")] = "";

	if (asprintf(&path, "/proc/self/fd/%s", descriptor) < 0)
		return false;
	return readlink(path, target, sizeof(target) - 1) > 0 &&
	       strcmp(target, "anon_inode:bpf-prog") == 0;
}

void attachee_close_strays(const struct attachee *attachee)
{
	cleanup(closedirp) DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		uint64_t number;
		int fd;

		if (!is_program(entry->d_name) ||
		    number_parse(entry->d_name, 0, INT_MAX, &number) < 0)
			continue;
		fd = (int)number;
		if (fd != bpf_program__fd(attachee->program) &&
		    fd != xdp_program__fd(attachee->xdp))
			close(fd);
	}
}

/* Puts the program, loaded as one of its own, where `old_fd` is (-1: where nothing is). */
static int attach_alone(const struct attachee *attachee, uint32_t ifindex, enum attach_mode mode,
			int old_fd)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);
	uint32_t flags = kernel_flag(mode);
	int r = attachee_load(attachee);

	if (r < 0)
		return r;
	if (old_fd >= 0) {
		options.old_prog_fd = old_fd;
		flags |= XDP_FLAGS_REPLACE;
	} else {
		flags |= XDP_FLAGS_UPDATE_IF_NOEXIST;
	}
	return bpf_xdp_attach((int)ifindex, bpf_program__fd(attachee->program), flags, &options);
}

/* More than one is ours where a daemon was killed between attaching the new and detaching the old. */
static int detach_from_dispatcher(const struct occupant *occupant, const char *name,
				  uint32_t ifindex, enum attach_mode mode)
{
	struct xdp_program *program = NULL;
	int r = 0;

	while (r == 0 && (program = xdp_multiprog__next_prog(program, occupant->programs))) {
		if (has_name(program, name))
			r = xdp_program__detach(program, (int)ifindex, libxdp_mode(mode), 0);
	}
	return r;
}

static int attach_in_mode(const struct attachee *attachee, uint32_t ifindex, enum attach_mode mode,
			  const struct occupant *occupant)
{
	int r;

	if (occupant->is_alone)
		return attach_alone(attachee, ifindex, mode, xdp_program__fd(occupant->ours));
	if (!occupant->programs && (attachee->is_alone || is_loaded_alone(attachee)))
		return attach_alone(attachee, ifindex, mode, -1);
	r = xdp_program__attach(attachee->xdp, (int)ifindex, libxdp_mode(mode), 0);
	if (r == 0 && occupant->ours)
		r = detach_from_dispatcher(occupant, attachee->name, ifindex, mode);
	return r;
}

/*
 * A dispatcher of libxdp before 1.5.5 has no place for a program that moves a packet's start, says
 * Linux 6.12 and later. The program is of the dispatcher's kind then, and its object was loaded in vain.
 */
static bool is_refused_by_dispatcher(const struct attachee *attachee, int r)
{
	return r == -EINVAL && !is_loaded(attachee) &&
	       bpf_program__type(attachee->program) == BPF_PROG_TYPE_EXT;
}

static const char *attach_hint(const struct attachee *attachee, enum attach_mode mode, int r)
{
	if (is_refused_by_dispatcher(attachee, r))
		return "; to join other XDP programs, this kernel needs a newer libxdp";
	return mode == ATTACH_NATIVE ? "; mode: auto falls back to generic" : "";
}

static int attach_new(const struct attachee *attachee, uint32_t ifindex, const char *name,
		      enum attach_mode mode, const struct occupant *occupant)
{
	int r = attach_in_mode(attachee, ifindex, mode == ATTACH_AUTO ? ATTACH_NATIVE : mode,
			       occupant);

	if (!occupant->programs && is_refused_by_dispatcher(attachee, r)) {
		log_notice(
			"%s: libxdp's dispatcher cannot run this program here (%s); attaching it "
			"without, so no other XDP program can join it",
			name, library_warning());
		return -ELIBACC;
	}
	if (r < 0 && mode == ATTACH_AUTO && !occupant->programs) {
		log_notice("%s: the driver refused native XDP (%s); using generic mode, which is "
			   "much slower",
			   name, strerror(-r));
		r = attach_in_mode(attachee, ifindex, ATTACH_GENERIC, occupant);
	}
	if (r < 0)
		log_error("%s: cannot attach in %s mode: %s (%s)%s", name, attach_mode_name(mode),
			  strerror(-r), library_warning(), attach_hint(attachee, mode, r));
	return r;
}

static void describe(const struct occupant *occupant, const char *interface, uint32_t ifindex,
		     struct interface_status *ret_status)
{
	*ret_status = (struct interface_status){
		.ifindex = ifindex,
		.is_attached = true,
		.mode = occupant_mode(occupant),
		.has_dispatcher = !occupant->is_alone,
		.program_id = xdp_program__id(occupant->ours),
	};
	strncpy(ret_status->name, interface, sizeof(ret_status->name) - 1);
}

static int find_interface(const char *name, uint32_t *ret_ifindex)
{
	*ret_ifindex = if_nametoindex(name);
	if (*ret_ifindex)
		return 0;
	log_error("%s: no such interface", name);
	return -ENODEV;
}

static bool mode_serves(enum attach_mode wanted, const struct occupant *occupant)
{
	return wanted == ATTACH_AUTO || wanted == occupant_mode(occupant);
}

static int detach_occupant(const struct occupant *occupant, const char *name, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);
	enum attach_mode mode;

	if (!occupant->ours)
		return 0;
	mode = occupant_mode(occupant);
	if (!occupant->is_alone)
		return detach_from_dispatcher(occupant, name, ifindex, mode);
	options.old_prog_fd = xdp_program__fd(occupant->ours);
	return bpf_xdp_detach((int)ifindex, kernel_flag(mode) | XDP_FLAGS_REPLACE, &options);
}

static int refuse_stranger(const struct occupant *occupant, const char *name)
{
	const struct xdp_program *stranger;

	if (!occupant->is_alone || occupant->ours)
		return 0;
	stranger = xdp_multiprog__main_prog(occupant->programs);
	log_error("%s: the XDP program %s (id %u) is attached without a dispatcher, so Leat cannot "
		  "join it; detach it first: ip link set dev %s xdp off",
		  name, xdp_program__name(stranger), xdp_program__id(stranger), name);
	return -EBUSY;
}

/* The mode that a replacement must keep: the kernel does not swap across modes. */
static enum attach_mode replacement_mode(enum attach_mode wanted, const struct occupant *occupant)
{
	return occupant->programs && wanted == ATTACH_AUTO ? occupant_mode(occupant) : wanted;
}

int attach_status(const char *program_name, const char *interface,
		  struct interface_status *ret_status)
{
	cleanup(occupant_deinit) struct occupant occupant = { 0 };
	uint32_t ifindex;
	int r = find_interface(interface, &ifindex);

	if (r == 0)
		r = occupant_read(&occupant, program_name, ifindex);
	if (r < 0)
		return r;
	if (!occupant.ours)
		return -ENOENT;
	describe(&occupant, interface, ifindex, ret_status);
	return 0;
}

/* The kernel does not swap a program for one in another mode: this leaves a gap, and only a changed
 * configuration asks for it. */
static int clear_other_mode(struct occupant *occupant, const struct attachee *attachee,
			    uint32_t ifindex, enum attach_mode mode)
{
	int r;

	if (!occupant->ours || mode_serves(mode, occupant))
		return 0;
	r = detach_occupant(occupant, attachee->name, ifindex);
	occupant_deinit(occupant);
	*occupant = (struct occupant){ 0 };
	return r < 0 ? r : occupant_read(occupant, attachee->name, ifindex);
}

int attach_interface(const struct attachee *attachee, const char *interface, enum attach_mode mode,
		     struct interface_status *ret_status)
{
	cleanup(occupant_deinit) struct occupant occupant = { 0 };
	uint32_t ifindex;
	int r = find_interface(interface, &ifindex);

	if (r == 0)
		r = occupant_read(&occupant, attachee->name, ifindex);
	if (r == 0)
		r = refuse_stranger(&occupant, interface);
	if (r == 0)
		r = clear_other_mode(&occupant, attachee, ifindex, mode);
	if (r < 0)
		return r;
	if (occupant.ours && attachee->is_current) {
		describe(&occupant, interface, ifindex, ret_status);
		ret_status->was_reused = true;
		return 0;
	}
	r = attach_new(attachee, ifindex, interface, replacement_mode(mode, &occupant), &occupant);
	return r < 0 ? r : attach_status(attachee->name, interface, ret_status);
}

int detach_interface(const char *program_name, const char *interface)
{
	cleanup(occupant_deinit) struct occupant occupant = { 0 };
	uint32_t ifindex = if_nametoindex(interface);
	int r;

	/* An interface that is gone took its program along. */
	if (!ifindex)
		return 0;
	r = occupant_read(&occupant, program_name, ifindex);
	if (r == 0)
		r = detach_occupant(&occupant, program_name, ifindex);
	if (r < 0)
		log_error("%s: cannot detach: %s (%s)", interface, strerror(-r), library_warning());
	return r;
}

uint32_t attached_program_id(const char *program_name, uint32_t ifindex)
{
	cleanup(occupant_deinit) struct occupant occupant = { 0 };

	if (occupant_read(&occupant, program_name, ifindex) < 0 || !occupant.ours)
		return 0;
	return xdp_program__id(occupant.ours);
}
