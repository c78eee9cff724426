/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The services that a new configuration asks for, as successors of those that run: what is known of a
 * service (by address, port and protocol) and of its backends (by address) goes over to the new
 * ones. The old ones stay untouched, so that a change can still be called off.
 */
#ifndef LEAT_MODEL_SUCCESSION_H
#define LEAT_MODEL_SUCCESSION_H

#include "model/node.h"

struct succession {
	struct service **services; /* in the configuration's order */
	size_t count;
};

/*
 * `config` must live as long as the services. With `drains_lost`, a backend that the configuration no
 * longer has stays with its service, leaving: it takes no new flows, and goes when its old ones have
 * ended. 0 or -ENOMEM.
 */
int succession_make(const struct node *node, const struct config *config, bool drains_lost,
		    struct succession *ret_succession);
/* Adds a backend that an earlier daemon's maps have and the configuration has not, with its QUIC server
 * ids. 0, -ENOSPC when the service has as many as it can, or -ENOMEM. */
int succession_add_leaving(struct service *service, const char *name,
			   const struct leat_addr *address,
			   const struct server_id server_ids[LEAT_QUIC_CONFIGS]);
void succession_deinit(struct succession *succession);

#endif
