/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A configuration in private maps, with every backend up and no daemon, interface or pin: what
 * `leat packet run` and the benchmark put packets through.
 */
#ifndef LEAT_DAEMON_REHEARSAL_H
#define LEAT_DAEMON_REHEARSAL_H

#include "daemon/applier.h"
#include "datapath/datapath.h"
#include "model/node.h"

struct rehearsal {
	struct node node;
	struct datapath *datapath;
	struct applier applier;
};

/* The way to every backend, instead of the configuration's next_hop: over the interface that a packet
 * comes in on. */
struct rehearsal_path {
	uint16_t mtu;  /* 0: any packet fits */
	uint16_t vlan; /* 0: packets leave untagged */
};

/* Takes the configuration over, also on failure. `path` may be NULL: packets go to the configuration's next
 * hop, or without one to REHEARSAL_NEXT_HOP. 0 or -errno, logged. */
#define REHEARSAL_NEXT_HOP                                                                         \
	{                                                                                          \
		{                                                                                  \
			0x02, 0, 0, 0, 0, 0x01                                                     \
		}                                                                                  \
	}
int rehearsal_init(struct rehearsal *rehearsal, struct config *config, bool has_trace,
		   const struct rehearsal_path *path);
void rehearsal_deinit(struct rehearsal *rehearsal);

/* By the numbers in a trace; NULL when there is none. */
const struct service *rehearsal_service(const struct rehearsal *rehearsal, uint32_t number);
const struct backend *rehearsal_backend(const struct rehearsal *rehearsal, uint32_t id);

#endif
