/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the top level's `nat`, and judges services that need it.
 */
#ifndef LEAT_CONFIG_NAT_H
#define LEAT_CONFIG_NAT_H

#include "config/report.h"
#include "config/schema.h"
#include "model/config.h"

/* struct nat_config */
void nat_read(struct report *report, const struct tree_node *node, const struct schema_field *field,
	      void *target);

/* The service, which stands at `node`. */
void nat_check_service(struct report *report, const struct config *config,
		       const struct service_config *service, const struct tree_node *node);

#endif
