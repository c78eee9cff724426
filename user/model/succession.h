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

/* `config` must live as long as the services. 0 or -ENOMEM. */
int succession_make(const struct node *node, const struct config *config,
		    struct succession *ret_succession);
void succession_deinit(struct succession *succession);

#endif
