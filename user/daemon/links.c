/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells of the links of the interfaces that packets come in by. Nothing else follows from them: what the
 * kernel knows of next hops, the resolver follows.
 */
#include "daemon/daemon.h"
#include "netlink/link.h"

static void tell_link(struct daemon *daemon, const struct interface_status *interface)
{
	const char *name = interface->name;

	switch (interface->link) {
	case LINK_UP:
		daemon_tell(daemon, EVENT_INTERFACE_UP, NULL, "%s: its link is up", name);
		break;
	case LINK_DOWN:
		daemon_tell(daemon, EVENT_INTERFACE_DOWN, NULL, "%s: its link is down", name);
		break;
	case LINK_GONE:
		daemon_tell(daemon, EVENT_INTERFACE_GONE, NULL,
			    "%s: it is gone; when it is back, a reload gives it its program", name);
		break;
	}
}

void daemon_follow_links(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->node.interface_count; i++) {
		struct interface_status *interface = &daemon->node.interfaces[i];
		enum link_state link = link_read_state(interface->name, interface->ifindex);

		if (link == interface->link)
			continue;
		interface->link = link;
		tell_link(daemon, interface);
	}
}
