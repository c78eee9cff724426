/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A service's `probe:` mapping.
 */
#ifndef LEAT_CONFIG_PROBE_H
#define LEAT_CONFIG_PROBE_H

#include "config/schema.h"

struct service_port {
	bool is_any;
	uint16_t number; /* 0: any, or it could not be read */
};

/* struct probe_config */
void probe_read(struct report *report, const struct tree_node *node,
		const struct schema_field *field, void *target);
/* What a probe takes from its service, once both are read, and what its type asks for. */
void probe_complete(struct report *report, const struct tree_node *node,
		    const struct service_port *port, struct probe_config *probe);

#endif
