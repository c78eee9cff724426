/* SPDX-License-Identifier: GPL-2.0-only */
#include "netlink/neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>
#include <utlist.h>

#include "base/log.h"
#include "base/macros.h"

#define NUD_STATIC (NUD_PERMANENT | NUD_NOARP)
#define NUD_USABLE (NUD_STATIC | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

void neighbour_table_deinit(struct neighbour_table *table)
{
	struct neighbour *neighbour, *next;

	HASH_ITER(hh, table->all, neighbour, next) {
		neighbour_table_drop(table, neighbour);
	}
}

static struct neighbour_key make_key(uint32_t ifindex, const struct leat_addr *address)
{
	return (struct neighbour_key){ .address = *address, .ifindex = ifindex };
}

struct neighbour *neighbour_table_find(struct neighbour_table *table, uint32_t ifindex,
				       const struct leat_addr *address)
{
	struct neighbour_key key = make_key(ifindex, address);
	struct neighbour *neighbour;

	HASH_FIND(hh, table->all, &key, sizeof(key), neighbour);
	return neighbour;
}

static int add(struct neighbour_table *table, uint32_t ifindex, const struct leat_addr *address,
	       struct neighbour **ret_neighbour)
{
	struct neighbour *neighbour = calloc(1, sizeof(*neighbour));

	if (!neighbour)
		return -ENOMEM;
	neighbour->key = make_key(ifindex, address);
	HASH_ADD(hh, table->all, key, sizeof(neighbour->key), neighbour);
	if (!neighbour->hh.tbl) {
		free(neighbour);
		return -ENOMEM;
	}
	*ret_neighbour = neighbour;
	return 0;
}

int neighbour_table_get(struct neighbour_table *table, uint32_t ifindex,
			const struct leat_addr *address, struct neighbour **ret_neighbour)
{
	struct neighbour *neighbour = neighbour_table_find(table, ifindex, address);
	int r;

	if (neighbour) {
		*ret_neighbour = neighbour;
		return 0;
	}
	r = add(table, ifindex, address, &neighbour);
	if (r < 0)
		return r;
	r = neighbour_table_update(table, neighbour);
	if (r < 0) {
		neighbour_table_drop(table, neighbour);
		return r;
	}
	*ret_neighbour = neighbour;
	return 0;
}

static void unqueue(struct neighbour_table *table, struct neighbour *neighbour)
{
	if (neighbour->is_queued)
		DL_DELETE(table->queue, neighbour);
	neighbour->is_queued = false;
}

void neighbour_table_drop(struct neighbour_table *table, struct neighbour *neighbour)
{
	unqueue(table, neighbour);
	HASH_DEL(table->all, neighbour);
	free(neighbour);
}

void neighbour_table_queue(struct neighbour_table *table, struct neighbour *neighbour)
{
	/* One that waits already keeps its place, so that everyone gets a turn. */
	if (!neighbour->is_queued)
		DL_APPEND(table->queue, neighbour);
	neighbour->is_queued = true;
}

void neighbour_table_queue_all(struct neighbour_table *table)
{
	struct neighbour *neighbour, *next;

	HASH_ITER(hh, table->all, neighbour, next) {
		neighbour_table_queue(table, neighbour);
	}
}

void neighbour_table_tick(struct neighbour_table *table)
{
	struct neighbour *neighbour, *next;

	if (table->log_full_ticks > 0)
		table->log_full_ticks--;
	HASH_ITER(hh, table->all, neighbour, next) {
		if (neighbour->ticks_left > 0)
			neighbour->ticks_left--;
		if (neighbour->ticks_left == 0)
			neighbour_table_queue(table, neighbour);
	}
}

static int look_up(struct neighbour_table *table, const struct neighbour *neighbour,
		   struct rtnl_neighbour *ret_found)
{
	int r = rtnl_get_neighbour(table->rtnl, neighbour->key.ifindex, &neighbour->key.address,
				   ret_found);

	if (r != -ENODEV)
		return r;
	/* The interface has just gone; its routes' changes are on the way. */
	*ret_found = (struct rtnl_neighbour){ .state = NUD_FAILED };
	return 0;
}

static void log_full(struct neighbour_table *table)
{
	if (table->log_full_ticks > 0)
		return;
	table->log_full_ticks = NEIGHBOUR_LOG_FULL_TICKS;
	log_warning("the kernel's neighbour table is full: next hops cannot be resolved; raise "
		    "net.ipv4.neigh.default.gc_thresh3 or net.ipv6.neigh.default.gc_thresh3");
}

/* Makes the kernel resolve or verify the neighbour, then looks what came of it. */
static int look_up_again(struct neighbour_table *table, const struct neighbour *neighbour,
			 struct rtnl_neighbour *ret_found)
{
	int r = rtnl_use_neighbour(table->rtnl, neighbour->key.ifindex, &neighbour->key.address);

	if (r == -ENOBUFS)
		log_full(table);
	if (r == 0)
		return look_up(table, neighbour, ret_found);
	/* Refused: nothing is under way that could tell whether an old MAC still holds. */
	*ret_found = (struct rtnl_neighbour){ .state = NUD_FAILED };
	return 0;
}

static bool mac_is_zero(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return memcmp(mac, zero, sizeof(zero)) == 0;
}

/*
 * While the kernel is resolving, or has no entry, what was known stands: a good MAC serves until the
 * kernel has given up on it, and what failed has failed until it answers.
 */
static void learn(struct neighbour *neighbour, const struct rtnl_neighbour *found)
{
	bool is_usable = found->state & NUD_USABLE;

	neighbour->ticks_left = is_usable ? NEIGHBOUR_VERIFY_TICKS : NEIGHBOUR_RETRY_TICKS;
	if (is_usable && found->has_mac && !mac_is_zero(found->mac)) {
		neighbour->state = NEIGHBOUR_RESOLVED;
		memcpy(neighbour->mac, found->mac, sizeof(neighbour->mac));
	} else if (is_usable || found->state & NUD_FAILED) {
		neighbour->state = NEIGHBOUR_FAILED;
		memset(neighbour->mac, 0, sizeof(neighbour->mac));
	}
}

static int find_out(struct neighbour_table *table, const struct neighbour *neighbour,
		    struct rtnl_neighbour *ret_found)
{
	bool is_due = neighbour->ticks_left == 0;
	int r;

	r = look_up(table, neighbour, ret_found);
	if (r < 0 || ret_found->state & NUD_STATIC)
		return r;
	if (is_due || ret_found->state == NUD_NONE)
		return look_up_again(table, neighbour, ret_found);
	return 0;
}

int neighbour_table_update(struct neighbour_table *table, struct neighbour *neighbour)
{
	struct neighbour old = *neighbour;
	struct rtnl_neighbour found;
	int r;

	unqueue(table, neighbour);
	r = find_out(table, neighbour, &found);
	if (r < 0) {
		/* At the end, so that one that always fails does not hold up the others. */
		neighbour_table_queue(table, neighbour);
		return r;
	}
	learn(neighbour, &found);
	return neighbour->state != old.state ||
	       memcmp(neighbour->mac, old.mac, sizeof(old.mac)) != 0;
}
