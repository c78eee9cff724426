/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Questions to the kernel's routing, link and neighbour tables, one at a time: each call sends a
 * request over a socket of its own and waits for the answer, which netlink gives at once. Nothing is
 * remembered between calls. The events are rtnl_monitor's.
 */
#ifndef LEAT_NETLINK_RTNL_H
#define LEAT_NETLINK_RTNL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

#define RTNL_TIMEOUT_MS	 500
#define RTNL_BUFFER_SIZE 32768

struct rtnl {
	struct mnl_socket *socket;
	uint32_t sequence;
	char *buffer; /* request and then answer; answers point into it */
};

#define RTNL_NULL(x)                                                                               \
	{                                                                                          \
		0                                                                                  \
	}

enum rtnl_route_kind {
	RTNL_ROUTE_NONE, /* no route, or one that refuses */
	RTNL_ROUTE_LOCAL,
	RTNL_ROUTE_UNICAST,
};

struct rtnl_route {
	enum rtnl_route_kind kind;
	uint32_t ifindex;
	uint32_t mtu; /* 0: the link's */
	bool has_gateway;
	struct leat_addr gateway; /* may be IPv6 for an IPv4 address */
};

struct rtnl_link {
	uint32_t ifindex;
	uint32_t mtu;
	uint16_t type; /* ARPHRD_* */
	uint8_t mac[6];
	uint32_t lower; /* the interface that it is stacked upon; 0: none */
	uint16_t vlan;	/* VID, of an 802.1Q interface; else 0 */
	bool is_vlan;
};

struct rtnl_neighbour {
	uint16_t state; /* NUD_*; NUD_NONE: no entry */
	bool has_mac;
	uint8_t mac[6];
};

int rtnl_init(struct rtnl *rtnl);
void rtnl_deinit(struct rtnl *rtnl);

/* 0; -ETIMEDOUT: no answer; other -errno: the question could not be asked. */
int rtnl_get_route(struct rtnl *rtnl, const struct leat_addr *address,
		   struct rtnl_route *ret_route);
/* Also -ENODEV. */
int rtnl_get_link(struct rtnl *rtnl, uint32_t ifindex, struct rtnl_link *ret_link);
int rtnl_get_neighbour(struct rtnl *rtnl, uint32_t ifindex, const struct leat_addr *address,
		       struct rtnl_neighbour *ret_neighbour);
/* As if a packet had just been sent to the neighbour: the kernel resolves what it does not know and
 * verifies what is stale. Takes the permanence from a permanent entry, so it is not for those.
 * Also -ENOBUFS: the kernel's neighbour table is full. */
int rtnl_use_neighbour(struct rtnl *rtnl, uint32_t ifindex, const struct leat_addr *address);

/* An address of 4 or 16 bytes in an attribute. 0 or -EINVAL. */
int rtnl_attr_get_address(const struct nlattr *attr, struct leat_addr *ret_address);

#endif
