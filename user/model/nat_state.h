/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When a flow that is translated is over, by what both of its directions have seen.
 */
#ifndef LEAT_MODEL_NAT_STATE_H
#define LEAT_MODEL_NAT_STATE_H

#include <stdint.h>

#include "maps/layout.h"

/* No flow of the service ends after less silence, in ticks. */
uint32_t nat_least_lifetime(const struct leat_policy *policy);

/* How long both directions may be silent, in ticks. client, backend: enum leat_nat_flag of what the one and
 * the other sent. */
uint32_t nat_lifetime(uint8_t protocol, uint8_t client, uint8_t backend,
		      const struct leat_policy *policy);

#endif
