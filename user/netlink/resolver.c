/* SPDX-License-Identifier: GPL-2.0-only */
#include "netlink/resolver.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "maps/limits.h"
#include "netlink/neighbour.h"
#include "netlink/rtnl.h"
#include "netlink/rtnl_monitor.h"

/* However fast routes change: so many questions, then the loop's other sources for so long. */
#define PASS_BATCH	  1024
#define PASS_INTERVAL_US  10000
#define TICK_US		  1000000
#define TIMER_ACCURACY_US 1000
/* For what the kernel does not announce: learned path MTUs come and go. In ticks. */
#define RECHECK_TICKS	  30
#define LOG_LOST_TICKS	  60

struct watch {
	struct leat_addr address;
	unsigned int references;
	struct next_hop next_hop;	     /* as last told */
	struct neighbour *neighbour;	     /* NULL: its route needs none */
	struct watch *peer_prev, *peer_next; /* in the neighbour's list */
	bool is_queued;
	struct watch *prev, *next; /* in the queue */
	UT_hash_handle hh;
};

struct resolver {
	struct rtnl rtnl;
	struct rtnl_monitor monitor;
	struct neighbour_table neighbours;
	sd_event_source *pass;
	sd_event_source *tick;
	resolver_changed changed;
	void *user;

	struct watch *watches;
	struct watch *queue;   /* to be resolved anew */
	bool is_all_dirty;     /* the next pass queues every watch */
	struct rtnl_link link; /* the one asked for last; ifindex 0: none */
	uint64_t pass_end_us;
	unsigned int recheck_ticks;
	unsigned int log_lost_ticks;
};

static void watch_queue(struct resolver *resolver, struct watch *watch)
{
	/* One that waits already keeps its place, so that everyone gets a turn. */
	if (!watch->is_queued)
		DL_APPEND(resolver->queue, watch);
	watch->is_queued = true;
}

static void watch_unqueue(struct resolver *resolver, struct watch *watch)
{
	if (watch->is_queued)
		DL_DELETE(resolver->queue, watch);
	watch->is_queued = false;
}

static void watch_set_neighbour(struct resolver *resolver, struct watch *watch,
				struct neighbour *neighbour)
{
	struct neighbour *old = watch->neighbour;

	if (old == neighbour)
		return;
	if (old)
		DL_DELETE2(old->watches, watch, peer_prev, peer_next);
	if (neighbour)
		DL_APPEND2(neighbour->watches, watch, peer_prev, peer_next);
	watch->neighbour = neighbour;
	if (old && !old->watches)
		neighbour_table_drop(&resolver->neighbours, old);
}

static void watch_free(struct resolver *resolver, struct watch *watch)
{
	watch_set_neighbour(resolver, watch, NULL);
	watch_unqueue(resolver, watch);
	if (watch->hh.tbl)
		HASH_DEL(resolver->watches, watch);
	free(watch);
}

static struct watch *find_watch(struct resolver *resolver, const struct leat_addr *address)
{
	struct watch *watch;

	HASH_FIND(hh, resolver->watches, address, sizeof(*address), watch);
	return watch;
}

/* Most addresses share an interface, so remembering one saves most of the questions. Forgotten when
 * a link changes. */
static int get_link(struct resolver *resolver, uint32_t ifindex, struct rtnl_link *ret_link)
{
	int r;

	if (resolver->link.ifindex != ifindex) {
		r = rtnl_get_link(&resolver->rtnl, ifindex, &resolver->link);
		if (r < 0)
			return r;
	}
	*ret_link = resolver->link;
	return 0;
}

static uint16_t egress_mtu(const struct rtnl_route *route, const struct rtnl_link *link)
{
	uint32_t mtu = route->mtu ? MIN(route->mtu, link->mtu) : link->mtu;

	return (uint16_t)MIN(mtu, (uint32_t)UINT16_MAX);
}

static enum next_hop_state state_of(const struct neighbour *neighbour)
{
	/* A device without Ethernet (loopback, a tunnel) has no MAC to write: to XDP, which sends
	 * whole frames, that is as good as no neighbour. */
	if (!neighbour)
		return NEXT_HOP_NO_NEIGHBOUR;
	switch (neighbour->state) {
	case NEIGHBOUR_PENDING:
		return NEXT_HOP_PENDING;
	case NEIGHBOUR_RESOLVED:
		return NEXT_HOP_RESOLVED;
	case NEIGHBOUR_FAILED:
		return NEXT_HOP_NO_NEIGHBOUR;
	}
	return NEXT_HOP_NO_NEIGHBOUR;
}

static struct next_hop make_next_hop(const struct watch *watch, const struct rtnl_route *route,
				     const struct rtnl_link *link)
{
	struct next_hop hop = {
		.state = state_of(watch->neighbour),
		.has_gateway = route->has_gateway,
		.ifindex = link->is_vlan ? link->lower : link->ifindex,
		.mtu = egress_mtu(route, link),
		.vlan = link->is_vlan ? link->vlan : 0,
	};

	if (watch->neighbour) {
		memcpy(hop.dst_mac, watch->neighbour->mac, sizeof(hop.dst_mac));
		memcpy(hop.src_mac, link->mac, sizeof(hop.src_mac));
	}
	return hop;
}

static int resolve_unicast(struct resolver *resolver, struct watch *watch,
			   const struct rtnl_route *route, struct next_hop *ret_next_hop)
{
	struct neighbour *neighbour = NULL;
	struct rtnl_link link;
	int r;

	r = get_link(resolver, route->ifindex, &link);
	if (r < 0)
		return r;
	if (link.type == ARPHRD_ETHER) {
		r = neighbour_table_get(&resolver->neighbours, link.ifindex,
					route->has_gateway ? &route->gateway : &watch->address,
					&neighbour);
		if (r < 0)
			return r;
	}
	watch_set_neighbour(resolver, watch, neighbour);
	*ret_next_hop = make_next_hop(watch, route, &link);
	return 0;
}

static int resolve(struct resolver *resolver, struct watch *watch, struct next_hop *ret_next_hop)
{
	struct next_hop hop = { .state = NEXT_HOP_NO_ROUTE };
	struct rtnl_route route;
	int r;

	r = rtnl_get_route(&resolver->rtnl, &watch->address, &route);
	if (r < 0)
		return r;
	if (route.kind == RTNL_ROUTE_UNICAST) {
		r = resolve_unicast(resolver, watch, &route, ret_next_hop);
		/* -ENODEV: the interface went between the two questions, and the route with it. */
		if (r != -ENODEV)
			return r;
	} else if (route.kind == RTNL_ROUTE_LOCAL) {
		hop.state = NEXT_HOP_LOCAL;
	}
	watch_set_neighbour(resolver, watch, NULL);
	*ret_next_hop = hop;
	return 0;
}

static bool has_work(const struct resolver *resolver)
{
	return resolver->is_all_dirty || resolver->queue || resolver->neighbours.queue;
}

/* A burst of changes is one pass: the first runs at once, the next an interval later. */
static void schedule_pass(struct resolver *resolver)
{
	uint64_t due_us = MAX(clock_monotonic_us(), resolver->pass_end_us + PASS_INTERVAL_US);
	int r;

	if (sd_event_source_get_enabled(resolver->pass, NULL) != 0)
		return;
	r = sd_event_source_set_time(resolver->pass, due_us);
	if (r >= 0)
		r = sd_event_source_set_enabled(resolver->pass, SD_EVENT_ONESHOT);
	if (r < 0)
		log_error("cannot schedule the resolution of next hops: %s", strerror(-r));
}

static void queue_all_watches(struct resolver *resolver)
{
	struct watch *watch, *next;

	HASH_ITER(hh, resolver->watches, watch, next) {
		watch_queue(resolver, watch);
	}
	resolver->is_all_dirty = false;
}

static void queue_watches_of(struct resolver *resolver, const struct neighbour *neighbour)
{
	struct watch *watch;

	DL_FOREACH2(neighbour->watches, watch, peer_next)
	{
		watch_queue(resolver, watch);
	}
}

static int update_neighbours(struct resolver *resolver)
{
	struct neighbour *neighbour;
	int r;

	for (int i = 0; i < PASS_BATCH && resolver->neighbours.queue; i++) {
		neighbour = resolver->neighbours.queue;
		r = neighbour_table_update(&resolver->neighbours, neighbour);
		if (r < 0)
			return r;
		if (r > 0)
			queue_watches_of(resolver, neighbour);
	}
	return 0;
}

static int update_watch(struct resolver *resolver, struct watch *watch)
{
	struct leat_addr address = watch->address;
	struct next_hop hop;
	int r;

	watch_unqueue(resolver, watch);
	r = resolve(resolver, watch, &hop);
	if (r < 0) {
		/* At the end, so that one that always fails does not hold up the others. */
		watch_queue(resolver, watch);
		return r;
	}
	if (next_hop_equal(&hop, &watch->next_hop))
		return 0;
	watch->next_hop = hop;
	/* May free the watch, and any other; hence the copies. */
	resolver->changed(resolver->user, &address, &hop);
	return 0;
}

static int update_watches(struct resolver *resolver)
{
	int r;

	for (int i = 0; i < PASS_BATCH && resolver->queue; i++) {
		r = update_watch(resolver, resolver->queue);
		if (r < 0)
			return r;
	}
	return 0;
}

static int on_pass(sd_event_source *source, uint64_t usec, void *user)
{
	struct resolver *resolver = user;
	int r;

	(void)source, (void)usec;
	if (resolver->is_all_dirty)
		queue_all_watches(resolver);
	r = update_neighbours(resolver);
	if (r == 0)
		r = update_watches(resolver);
	resolver->pass_end_us = clock_monotonic_us();
	if (r < 0) /* What is left in the queues waits for the tick. */
		log_warning("cannot ask the kernel for next hops, trying again in a second: %s",
			    strerror(-r));
	else if (has_work(resolver))
		schedule_pass(resolver);
	return 0;
}

static void tick_recheck(struct resolver *resolver)
{
	if (--resolver->recheck_ticks > 0)
		return;
	resolver->recheck_ticks = RECHECK_TICKS;
	resolver->is_all_dirty = true;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *user)
{
	struct resolver *resolver = user;
	int r;

	(void)usec;
	if (resolver->log_lost_ticks > 0)
		resolver->log_lost_ticks--;
	tick_recheck(resolver);
	neighbour_table_tick(&resolver->neighbours);
	if (has_work(resolver))
		schedule_pass(resolver);
	r = sd_event_source_set_time_relative(source, TICK_US);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_route_changed(void *user)
{
	struct resolver *resolver = user;

	resolver->is_all_dirty = true;
	schedule_pass(resolver);
}

static void on_link_changed(void *user)
{
	struct resolver *resolver = user;

	resolver->link.ifindex = 0;
	on_route_changed(resolver);
}

static void on_neighbour_changed(void *user, uint32_t ifindex, const struct leat_addr *address)
{
	struct resolver *resolver = user;
	struct neighbour *neighbour;

	neighbour = neighbour_table_find(&resolver->neighbours, ifindex, address);
	if (!neighbour)
		return;
	neighbour_table_queue(&resolver->neighbours, neighbour);
	schedule_pass(resolver);
}

static void on_lost(void *user)
{
	struct resolver *resolver = user;

	if (resolver->log_lost_ticks == 0)
		log_warning("the kernel's routes or neighbours change faster than they can be "
			    "followed; resolving every next hop anew");
	resolver->log_lost_ticks = LOG_LOST_TICKS;
	neighbour_table_queue_all(&resolver->neighbours);
	on_link_changed(resolver);
}

static const struct rtnl_monitor_listener listener = {
	.link_changed = on_link_changed,
	.route_changed = on_route_changed,
	.neighbour_changed = on_neighbour_changed,
	.lost = on_lost,
};

static int add_timers(struct resolver *resolver, sd_event *event)
{
	int r;

	r = sd_event_add_time(event, &resolver->pass, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US,
			      on_pass, resolver);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(resolver->pass, SD_EVENT_OFF);
	if (r < 0)
		return r;
	return sd_event_add_time_relative(event, &resolver->tick, CLOCK_MONOTONIC, TICK_US,
					  TIMER_ACCURACY_US, on_tick, resolver);
}

int resolver_new(struct resolver **ret_resolver, sd_event *event, resolver_changed changed,
		 void *user)
{
	cleanup(resolver_freep) struct resolver *resolver = calloc(1, sizeof(*resolver));
	int r;

	if (!resolver)
		return -ENOMEM;
	resolver->changed = changed;
	resolver->user = user;
	resolver->recheck_ticks = RECHECK_TICKS;
	resolver->neighbours.rtnl = &resolver->rtnl;
	r = rtnl_init(&resolver->rtnl);
	if (r < 0)
		return r;
	r = rtnl_monitor_init(&resolver->monitor, event, &listener, resolver);
	if (r < 0)
		return r;
	r = add_timers(resolver, event);
	if (r < 0)
		return r;
	*ret_resolver = take_ptr(resolver);
	return 0;
}

struct resolver *resolver_free(struct resolver *resolver)
{
	struct watch *watch, *next;

	HASH_ITER(hh, resolver->watches, watch, next) {
		watch_free(resolver, watch);
	}
	sd_event_source_disable_unref(resolver->tick);
	sd_event_source_disable_unref(resolver->pass);
	neighbour_table_deinit(&resolver->neighbours);
	rtnl_monitor_deinit(&resolver->monitor);
	rtnl_deinit(&resolver->rtnl);
	free(resolver);
	return NULL;
}

static int add_watch(struct resolver *resolver, const struct leat_addr *address,
		     struct watch **ret_watch)
{
	struct watch *watch;
	int r;

	if (HASH_COUNT(resolver->watches) >= LEAT_MAX_BACKENDS)
		return -ENOSPC;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->address = *address;
	HASH_ADD(hh, resolver->watches, address, sizeof(watch->address), watch);
	r = watch->hh.tbl ? resolve(resolver, watch, &watch->next_hop) : -ENOMEM;
	if (r < 0) {
		watch_free(resolver, watch);
		return r;
	}
	*ret_watch = watch;
	return 0;
}

int resolver_watch(struct resolver *resolver, const struct leat_addr *address,
		   struct next_hop *ret_next_hop)
{
	struct watch *watch = find_watch(resolver, address);
	int r;

	if (!watch) {
		r = add_watch(resolver, address, &watch);
		if (r < 0)
			return r;
	}
	watch->references++;
	*ret_next_hop = watch->next_hop;
	return 0;
}

void resolver_unwatch(struct resolver *resolver, const struct leat_addr *address)
{
	struct watch *watch = find_watch(resolver, address);

	if (watch && --watch->references == 0)
		watch_free(resolver, watch);
}
