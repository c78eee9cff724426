/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one service or backend alone cannot show: names and addresses that collide, families that the
 * forwarding cannot carry, totals.
 */
#ifndef LEAT_CONFIG_CHECK_H
#define LEAT_CONFIG_CHECK_H

#include "config/tree.h"

/* config as services_read() filled it from `services`, the tree's list; errors may be in both.
 * 0 or -ENOMEM. */
int check_services(struct report *report, const struct config *config,
		   const struct tree_node *services);

#endif
