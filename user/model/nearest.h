/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of the services that a packet is not for, the one that was most likely meant.
 */
#ifndef LEAT_MODEL_NEAREST_H
#define LEAT_MODEL_NEAREST_H

#include <stddef.h>

#include "maps/layout.h"

/* In what it differs from the packet's destination; the first of these is nearest. */
enum nearness {
	NEAREST_PROTOCOL, /* that address and port, with the other protocol */
	NEAREST_PORT,	  /* that address and protocol, with another port */
	NEAREST_BOTH,	  /* that address alone */
	NEAREST_ADDRESS,  /* that port and protocol, at another address */
	NEAREST_NONE,
};

/* What to call it: "protocol", ... */
const char *nearness_name(enum nearness nearness);

/* The nearest of the services, of which none has the key itself; among equals the closest port, or the
 * address with most leading bits in common. NULL and NEAREST_NONE if none has anything in common. */
const struct leat_service_entry *nearest_service(const struct leat_service_entry *services,
						 size_t count, const struct leat_service_key *key,
						 enum nearness *ret_nearness);

#endif
