/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the next hop of a set of addresses as the kernel sees it: route, egress interface, source
 * and destination MAC, MTU; follows route, neighbour and link changes over netlink, and asks the
 * kernel to resolve and refresh the neighbours in use. Knows nothing of backends or maps.
 */
#ifndef LEAT_NETLINK_RESOLVER_H
#define LEAT_NETLINK_RESOLVER_H

#include <systemd/sd-event.h>

#include "model/node.h"

struct resolver;

/* Called from the loop, never from within a call into the resolver, when the next hop of `address`
 * is not what it was. */
typedef void (*resolver_changed)(void *user, const struct leat_addr *address,
				 const struct next_hop *next_hop);

int resolver_new(struct resolver **ret_resolver, sd_event *event, resolver_changed changed,
		 void *user);
struct resolver *resolver_free(struct resolver *resolver);

/* Starts to follow an address (counted: as many unwatch calls as watch calls). Writes what is known
 * at once, which may be NEXT_HOP_PENDING. 0 or -errno. */
int resolver_watch(struct resolver *resolver, const struct leat_addr *address,
		   struct next_hop *ret_next_hop);
void resolver_unwatch(struct resolver *resolver, const struct leat_addr *address);

DEFINE_CLEANUP(struct resolver *, resolver_free)

#endif
