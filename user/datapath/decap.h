/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leat-decap on an interface of a backend. Nothing is pinned: the attached program keeps its maps
 * alive, and what it was told is read back from them.
 */
#ifndef LEAT_DATAPATH_DECAP_H
#define LEAT_DATAPATH_DECAP_H

#include "model/node.h"

/* At most LEAT_MAX_DECAP_INNER, _OUTER and _SOURCES of each. */
struct decap_config {
	struct leat_addr *inner; /* destinations of inner packets that are unwrapped */
	size_t inner_count;
	struct leat_addr *outer; /* destinations of outer packets that are this machine's */
	size_t outer_count;
	struct prefix *sources; /* none: any */
	size_t source_count;
	uint16_t gue_port; /* where GUE is received */
};

void decap_config_deinit(struct decap_config *config);
/* Adds what is not there yet. 0; -ENOSPC at the limit; -ENOMEM. */
int decap_add_inner(struct decap_config *config, const struct leat_addr *address);
int decap_add_source(struct decap_config *config, const struct prefix *prefix);
/* Adds the addresses that this machine's interfaces have now. 0 or -errno. */
int decap_add_own_addresses(struct decap_config *config);

struct decap_status {
	struct interface_status interface;
	struct decap_config config;
	struct leat_counter reasons[LEAT_DECAP_REASON_COUNT];
};

/* Replaces, without a gap, what an earlier call attached. As attach_interface(). */
int decap_attach(const char *interface, enum attach_mode mode, const struct decap_config *config,
		 struct interface_status *ret_status);
/* 0; -ENOENT: it is not attached; other -errno, logged. */
int decap_detach(const char *interface);
/* As decap_detach(). The caller deinits ret_status->config. */
int decap_read(const char *interface, struct decap_status *ret_status);

#endif
