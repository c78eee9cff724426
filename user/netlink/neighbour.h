/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The neighbours in use: gateways and directly connected addresses, each once, however many watched
 * addresses it serves. Keeps what the kernel knows of each and makes the kernel resolve them and
 * verify them, as traffic that XDP sends past the kernel's own stack does not.
 */
#ifndef LEAT_NETLINK_NEIGHBOUR_H
#define LEAT_NETLINK_NEIGHBOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "maps/layout.h"
#include "netlink/rtnl.h"

/* In ticks, that is calls to neighbour_table_tick(), one a second. */
#define NEIGHBOUR_VERIFY_TICKS	 10
#define NEIGHBOUR_RETRY_TICKS	 1
#define NEIGHBOUR_LOG_FULL_TICKS 60

enum neighbour_state {
	NEIGHBOUR_PENDING,
	NEIGHBOUR_RESOLVED,
	NEIGHBOUR_FAILED,
};

struct neighbour_key {
	struct leat_addr address;
	uint32_t ifindex;
	uint32_t zero; /* no padding: keys are compared as bytes */
};

struct watch; /* the resolver's */

struct neighbour {
	struct neighbour_key key;
	enum neighbour_state state;
	uint8_t mac[6]; /* zero unless resolved */
	unsigned int ticks_left;
	bool is_queued;
	struct neighbour *prev, *next; /* in the queue */
	struct watch *watches;	       /* the resolver's list of who uses it */
	UT_hash_handle hh;
};

struct neighbour_table {
	struct rtnl *rtnl;
	struct neighbour *all;
	struct neighbour *queue; /* may have changed in the kernel, or is due */
	unsigned int log_full_ticks;
};

#define NEIGHBOUR_TABLE_NULL(x)                                                                    \
	{                                                                                          \
		0                                                                                  \
	}

/* Frees what is left. */
void neighbour_table_deinit(struct neighbour_table *table);

/* NULL if it is not in use. */
struct neighbour *neighbour_table_find(struct neighbour_table *table, uint32_t ifindex,
				       const struct leat_addr *address);
/* A neighbour that is not in use yet is asked for at once. 0 or -errno. */
int neighbour_table_get(struct neighbour_table *table, uint32_t ifindex,
			const struct leat_addr *address, struct neighbour **ret_neighbour);
/* For one that nobody uses any more. */
void neighbour_table_drop(struct neighbour_table *table, struct neighbour *neighbour);

void neighbour_table_queue(struct neighbour_table *table, struct neighbour *neighbour);
void neighbour_table_queue_all(struct neighbour_table *table);
/* Queues those that are due to be verified or tried again. */
void neighbour_table_tick(struct neighbour_table *table);

/* Takes a neighbour off the queue and asks the kernel for it. 1: its state or MAC changed; 0: not;
 * -errno: the kernel could not be asked, and it is queued again. */
int neighbour_table_update(struct neighbour_table *table, struct neighbour *neighbour);

#endif
