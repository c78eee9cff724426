/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holds the images of what the datapath was told, and brings the datapath to what the node wants by
 * planning and executing the difference.
 */
#ifndef LEAT_DAEMON_APPLIER_H
#define LEAT_DAEMON_APPLIER_H

#include "datapath/datapath.h"
#include "model/image.h"

struct applier {
	struct datapath *datapath; /* borrowed */
	struct image_ids ids;
	struct image **images; /* ordered by key */
	size_t count;
};

int applier_init(struct applier *applier, struct datapath *datapath);
void applier_deinit(struct applier *applier);

/* Takes over what the pinned maps hold. 0 or -errno, logged. */
int applier_read_back(struct applier *applier);

/*
 * Brings the datapath to these services of the node, and writes ids and numbers of slots back to
 * them. With `is_all`, services that the datapath has and the list has not are deleted.
 * 0 or -errno, logged; then the datapath is as it was, unless the kernel failed half-way, and the
 * images are read back from it.
 */
int applier_apply(struct applier *applier, const struct node *node, struct service **services,
		  size_t count, bool is_all);

/*
 * Closes the open slots of a service that nothing needs any more: no flow remembered for the slot is
 * anywhere but on its current backend, and the previous one is the current one again, is gone, never
 * got a packet, or has got none for the idle time. 0 or -errno.
 */
int applier_close_quiet(struct applier *applier, struct service *service, uint64_t now_us);

#endif
