/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys that are about QUIC: quic of a service and server_id of its backends.
 */
#ifndef LEAT_CONFIG_QUIC_H
#define LEAT_CONFIG_QUIC_H

#include "config/schema.h"
#include "model/config.h"

/* schema_reader; target: a struct service_config. */
void quic_read(struct report *report, const struct tree_node *node,
	       const struct schema_field *field, void *target);
/* schema_reader; target: server_ids of a backend. */
void quic_read_server_id(struct report *report, const struct tree_node *node,
			 const struct schema_field *field, void *target);
/* What the keys of a service that was read mean together; `node` is the service's. */
void quic_complete(struct report *report, const struct tree_node *node,
		   struct service_config *service);

#endif
