/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether an interface carries anything, as the kernel says at this moment.
 */
#ifndef LEAT_NETLINK_LINK_H
#define LEAT_NETLINK_LINK_H

#include "model/node.h"

/* LINK_GONE also when the name is another interface's by now. What cannot be found out counts as up. */
enum link_state link_read_state(const char *name, uint32_t ifindex);

#endif
