/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The difference that an applier's changes make to the node's services: the same for what is planned and
 * for what is applied, because it is made where both go through.
 */
#ifndef LEAT_DAEMON_OBSERVATION_H
#define LEAT_DAEMON_OBSERVATION_H

#include "model/difference.h"

struct observation {
	const struct node *before;
	const struct node *after;
	struct difference *difference;
};

/* applier_observer.see; `user` is the observation. 0 or -ENOMEM. */
int observation_see(void *user, const struct plan_change *changes, size_t count);

#endif
