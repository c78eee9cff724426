/* SPDX-License-Identifier: GPL-2.0-only */
#include "netlink/rtnl_monitor.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/macros.h"
#include "netlink/rtnl.h"

static const int groups[] = {
	RTNLGRP_LINK,	     RTNLGRP_NEIGH,	  RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV4_RULE,	  RTNLGRP_IPV6_RULE,
	RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEXTHOP,
};

struct neighbour_report {
	struct rtnl_monitor *monitor;
	uint32_t ifindex;
};

static int report_neighbour_attr(const struct nlattr *attr, void *user)
{
	const struct neighbour_report *report = user;
	struct rtnl_monitor *monitor = report->monitor;
	struct leat_addr address;

	if (mnl_attr_get_type(attr) == NDA_DST && rtnl_attr_get_address(attr, &address) == 0)
		monitor->listener->neighbour_changed(monitor->user, report->ifindex, &address);
	return MNL_CB_OK;
}

static void report_neighbour(struct rtnl_monitor *monitor, const struct nlmsghdr *message)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct neighbour_report report = { .monitor = monitor };

	/* Bridges announce their forwarding tables with the same message. */
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
	    (header->ndm_family != AF_INET && header->ndm_family != AF_INET6))
		return;
	report.ifindex = (uint32_t)header->ndm_ifindex;
	mnl_attr_parse(message, sizeof(*header), report_neighbour_attr, &report);
}

static void report_message(struct rtnl_monitor *monitor, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		report_neighbour(monitor, message);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		monitor->listener->link_changed(monitor->user);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		monitor->listener->route_changed(monitor->user);
		break;
	}
}

static void report_all(struct rtnl_monitor *monitor, size_t size)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)monitor->buffer;
	int left = (int)size;

	while (mnl_nlmsg_ok(message, left)) {
		report_message(monitor, message);
		message = mnl_nlmsg_next(message, &left);
	}
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct rtnl_monitor *monitor = user;
	ssize_t size;

	(void)source, (void)fd, (void)events;
	for (int i = 0; i < RTNL_MONITOR_BATCH; i++) {
		size = mnl_socket_recvfrom(monitor->socket, monitor->buffer, RTNL_BUFFER_SIZE);
		if (size >= 0)
			report_all(monitor, (size_t)size);
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR) /* ENOBUFS, an overflow; ENOSPC, a datagram cut short */
			monitor->listener->lost(monitor->user);
	}
	return 0;
}

static int enlarge_receive_buffer(int fd)
{
	int size = RTNL_MONITOR_RECEIVE_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0 ? -errno : 0;
}

static int subscribe(struct mnl_socket *socket)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
		    0)
			return -errno;
	}
	return 0;
}

int rtnl_monitor_init(struct rtnl_monitor *monitor, sd_event *event,
		      const struct rtnl_monitor_listener *listener, void *user)
{
	int r;

	monitor->listener = listener;
	monitor->user = user;
	monitor->buffer = malloc(RTNL_BUFFER_SIZE);
	if (!monitor->buffer)
		return -ENOMEM;
	monitor->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!monitor->socket)
		return -errno;
	r = enlarge_receive_buffer(mnl_socket_get_fd(monitor->socket));
	if (r < 0)
		return r;
	if (mnl_socket_bind(monitor->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	r = subscribe(monitor->socket);
	if (r < 0)
		return r;
	return sd_event_add_io(event, &monitor->source, mnl_socket_get_fd(monitor->socket), EPOLLIN,
			       on_readable, monitor);
}

void rtnl_monitor_deinit(struct rtnl_monitor *monitor)
{
	sd_event_source_disable_unref(monitor->source);
	if (monitor->socket)
		mnl_socket_close(monitor->socket);
	free(monitor->buffer);
	*monitor = (struct rtnl_monitor)RTNL_MONITOR_NULL(*monitor);
}
