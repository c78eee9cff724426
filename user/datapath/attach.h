/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One XDP program on one interface. libxdp shares an interface among several programs by a
 * dispatcher; where the kernel refuses that, it attaches one program alone, and replacing it is then
 * up to us.
 */
#ifndef LEAT_DATAPATH_ATTACH_H
#define LEAT_DATAPATH_ATTACH_H

#include <xdp/libxdp.h>

#include "model/node.h"

/* A program that is to run on an interface. */
struct attachee {
	const char *name; /* the program's; one of this name that is there already is ours */
	struct bpf_object *object;
	struct bpf_program *program; /* of the object, loaded when it has to be */
	struct xdp_program *xdp;     /* the same in libxdp's hands */
	bool is_current;	     /* what is there already is this very program, and may stay */
	bool is_alone;		     /* no dispatcher is asked for */
};

/* Opens `program_name` of an object that is not loaded yet in libxdp's hands. 0 or -errno, logged. */
int attachee_open(struct bpf_object *object, const char *program_name,
		  struct xdp_program **ret_program);
/* Loads it as a program of its own, unless libxdp has. 0 or -errno, logged. */
int attachee_load(const struct attachee *attachee);
/* Closes what libxdp before 1.4 leaves open: every program that it looked at. The process must not
 * hold other programs than this one. */
void attachee_close_strays(const struct attachee *attachee);

/* Attaches or keeps or replaces, without a gap. 0 with what it got; -ENODEV; -EBUSY: somebody else's
 * program is there and cannot be joined; -ELIBACC: libxdp's dispatcher cannot have the program, and the
 * object is used up, but a new one with is_alone set may do; other -errno. The cause is logged. */
int attach_interface(const struct attachee *attachee, const char *interface, enum attach_mode mode,
		     struct interface_status *ret_status);
/* Detaches the program of this name; none is no error. 0 or -errno, logged. */
int detach_interface(const char *program_name, const char *interface);
/* The id of the program of this name on an interface; 0: none. */
uint32_t attached_program_id(const char *program_name, uint32_t ifindex);
/* What attach_interface() would report now; -ENOENT: no program of this name is there. */
int attach_status(const char *program_name, const char *interface,
		  struct interface_status *ret_status);

#endif
