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
	struct access_list *access; /* the node's own, in the datapath; NULL: none */
	bool knows_access;	    /* else an earlier daemon may have left one there */
	bool has_flows;		    /* the last walk found some remembered */
};

int applier_init(struct applier *applier, struct datapath *datapath);
void applier_deinit(struct applier *applier);

/* Takes over what the pinned maps hold. 0 or -errno, logged. */
int applier_read_back(struct applier *applier);

/* What the datapath was told of a service; NULL: nothing. */
const struct image *applier_find_image(const struct applier *applier,
				       const struct leat_service_key *key);

/*
 * Brings the datapath to these services of the node, and writes ids and numbers of slots back to
 * them. With `is_all`, services that the datapath has and the list has not are deleted, and the node's
 * own list of sources is brought there, too.
 * 0 or -errno, logged; then the datapath is as it was, unless the kernel failed half-way, and the
 * images are read back from it.
 */
int applier_apply(struct applier *applier, const struct node *node, struct service **services,
		  size_t count, bool is_all);

/* Who looks at the changes of a call's services before the first of them is made; the images are the
 * applier's. What it returns below 0 ends the call. */
struct applier_observer {
	int (*see)(void *user, const struct plan_change *changes, size_t count);
	void *user;
};

/* applier_apply() with `is_all`, which lets somebody look. */
int applier_apply_seen(struct applier *applier, const struct node *node, struct service **services,
		       size_t count, const struct applier_observer *observer);
/* Lets somebody look at what applier_apply() would do now, and does nothing. 0 or -errno, logged. */
int applier_preview(struct applier *applier, const struct node *node, struct service **services,
		    size_t count, bool is_all, const struct applier_observer *observer);

/* Brings the datapath to the node's own list of sources alone. 0 or -errno, logged. */
int applier_apply_access(struct applier *applier, const struct node *node);

/* Opens slots of a service as image_import() says. 0, -ENOENT when the datapath does not have the
 * service, or -errno, logged. */
int applier_import(struct applier *applier, struct service *service, const struct image_past *past);

/*
 * Counts what is remembered of flows and writes it to the node's backends, forgets what was silent for
 * too long, corrects the numbers that least connections goes by, and closes the open slots that
 * nothing needs any more. now_us: monotonic. Costs a walk through the memory of flows, unless no
 * service remembers any. 0 or -errno.
 */
int applier_settle(struct applier *applier, struct node *node, uint64_t now_us);

#endif
