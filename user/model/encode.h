/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the datapath needs to know of a backend, as the one cache line that it reads: forwarding
 * mode, next hop and the precomputed outer header.
 */
#ifndef LEAT_MODEL_ENCODE_H
#define LEAT_MODEL_ENCODE_H

#include "model/node.h"

/*
 * With config->has_next_hop the static MAC goes before `next_hop`, and packets leave where they came
 * in. A next hop that does not serve (for l2, also one behind a router) gives LEAT_FORWARD_UNRESOLVED.
 */
struct leat_backend backend_encode(const struct config *config,
				   const struct service_config *service,
				   const struct backend_config *backend,
				   const struct next_hop *next_hop);

/* What flows of that family are translated to. */
struct leat_nat_pool nat_pool_encode(const struct config *config, enum nat_family family);

/* The program's options that this configuration needs. */
struct leat_options options_encode(const struct config *config);

/* What serves both configurations. */
struct leat_options options_merge(struct leat_options a, struct leat_options b);

#endif
