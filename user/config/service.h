/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The `services:` list: each service with its backends. Item i of the tree's list becomes service i
 * and item j of its backends backend j, also when something in it is wrong; what could not be read
 * stays zero.
 */
#ifndef LEAT_CONFIG_SERVICE_H
#define LEAT_CONFIG_SERVICE_H

#include "config/schema.h"

/* struct config */
void services_read(struct report *report, const struct tree_node *node,
		   const struct schema_field *field, void *target);
/* Whether address, port and protocol could all be read. */
bool service_has_key(const struct service_config *service, const struct tree_node *node);

#endif
