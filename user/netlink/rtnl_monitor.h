/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's announcements of changes to links, routes and neighbours. It says that something
 * changed, and not what it is now: the listener asks with rtnl, so that a late announcement cannot
 * undo a newer answer.
 */
#ifndef LEAT_NETLINK_RTNL_MONITOR_H
#define LEAT_NETLINK_RTNL_MONITOR_H

#include <libmnl/libmnl.h>
#include <systemd/sd-event.h>

#include "maps/layout.h"

#define RTNL_MONITOR_RECEIVE_BUFFER (8 * 1024 * 1024)
#define RTNL_MONITOR_BATCH	    64 /* datagrams before other sources get their turn */

struct rtnl_monitor_listener {
	void (*link_changed)(void *user);
	/* A route, rule, next hop object or address of this node. */
	void (*route_changed)(void *user);
	void (*neighbour_changed)(void *user, uint32_t ifindex, const struct leat_addr *address);
	/* The socket's buffer overflowed: anything may have changed. */
	void (*lost)(void *user);
};

struct rtnl_monitor {
	struct mnl_socket *socket;
	sd_event_source *source;
	char *buffer;
	const struct rtnl_monitor_listener *listener;
	void *user;
};

#define RTNL_MONITOR_NULL(x)                                                                       \
	{                                                                                          \
		0                                                                                  \
	}

/* `listener` must outlive the monitor. 0 or -errno. */
int rtnl_monitor_init(struct rtnl_monitor *monitor, sd_event *event,
		      const struct rtnl_monitor_listener *listener, void *user);
void rtnl_monitor_deinit(struct rtnl_monitor *monitor);

#endif
