/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts the flows that are translated and forgets those that are over, a part of them at a time.
 */
#ifndef LEAT_DAEMON_NAT_WATCH_H
#define LEAT_DAEMON_NAT_WATCH_H

#include "daemon/applier.h"

struct nat_watch {
	struct nat_cursor cursor;
	uint32_t *counting; /* flows by backend, of the walk that is under way */
	uint32_t *counted;  /* of the last one that came to its end */
	uint64_t counting_all, counted_all;
	uint64_t counting_since_us, counted_since_us; /* when these walks began, monotonic */
	bool is_empty;				      /* as that one found */
};

/* 0 or -ENOMEM. */
int nat_watch_init(struct nat_watch *watch);
void nat_watch_deinit(struct nat_watch *watch);

/* A step of it, after applier_settle(), and the numbers into the node's backends. Costs nothing while there
 * is no service with forward: nat and no flow of one. now_us: monotonic. 0 or -errno. */
int nat_watch_step(struct nat_watch *watch, const struct applier *applier, struct node *node,
		   uint64_t now_us);

#endif
