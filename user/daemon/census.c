/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/census.h"

#include <errno.h>

static bool remembers_all(const struct image *image)
{
	return image->value.scheduler != LEAT_SCHEDULER_HASH;
}

static uint32_t idle_of(const struct image *image)
{
	return image->key.protocol == IPPROTO_TCP ? image->policy.tcp_idle : image->policy.udp_idle;
}

static uint32_t age_of(const struct census *census, const struct leat_flow *flow)
{
	return leat_flow_age(census->now, flow->state.seen);
}

static uint32_t lifetime_of(const struct image *image, const struct leat_flow *flow,
			    bool is_half_open)
{
	uint32_t idle = idle_of(image);

	if (is_half_open)
		return MIN(idle, LEAT_TICKS(LEAT_HALF_OPEN_MS));
	return flow->state.flags & LEAT_FLOW_CLOSING ? MIN(idle, LEAT_TICKS(LEAT_CLOSING_MS))
						     : idle;
}

static uint32_t opened_at(const struct census_image *where, uint32_t slot)
{
	return where->clocks[slot / LEAT_SLOTS_PER_LINE].opened & ~LEAT_CLOCK_IMPORTED;
}

static bool is_imported(const struct census_image *where, uint32_t slot)
{
	return where->clocks[slot / LEAT_SLOTS_PER_LINE].opened & LEAT_CLOCK_IMPORTED;
}

/* While there is a former table, a flow that was not seen since still has the slot that it had there. */
static bool knows_slot(const struct census *census, const struct census_image *where,
		       const struct leat_flow *flow)
{
	const struct image *image = where->image;
	uint32_t slot = flow->state.slot;

	if (slot >= image->value.lookup.size)
		return false;
	return !image->former_slots || age_of(census, flow) < census->now - opened_at(where, slot);
}

static void mark_stray(const struct census *census, struct census_image *where,
		       const struct leat_flow *flow)
{
	uint32_t slot = flow->state.slot;

	if (!knows_slot(census, where, flow))
		where->has_lost_flow = true;
	else if (flow->state.backend != where->image->slots[slot].current)
		where->has_stray_flow[slot] = true;
}

static void count_flow(struct census *census, struct census_backend *backend,
		       const struct leat_flow *flow, bool is_half_open)
{
	if (is_half_open) {
		census->half_open++;
		backend->half_open++;
		return;
	}
	census->remembered++;
	census->old += !!(flow->state.flags & LEAT_FLOW_OLD);
	if (flow->state.flags & LEAT_FLOW_CLOSING)
		backend->closing++;
	else
		backend->live++;
}

static bool is_quic(const struct image *image)
{
	return image->value.flags & LEAT_SERVICE_QUIC;
}

/* Nobody looks for a flow of a closed slot, and it would be wrong once its 5-tuple is used again. That a
 * connection id has brought to a backend which drains is there to be counted, whatever its slot. */
static bool is_needed(const struct census_image *where, const struct leat_flow *flow)
{
	const struct image *image = where->image;

	if (remembers_all(image) || (is_quic(image) && flow->state.flags & LEAT_FLOW_OLD))
		return true;
	if (!where->clocks)
		return false;
	return flow->state.slot >= image->value.lookup.size ||
	       slot_is_open(image->slots[flow->state.slot]);
}

static bool flow_stays(void *user, const struct leat_flow *flow, bool is_half_open)
{
	struct census *census = user;
	struct census_backend *backend = &census->backends[flow->state.backend % LEAT_MAX_BACKENDS];
	struct census_image *where = backend->where;

	if (!where || age_of(census, flow) > lifetime_of(where->image, flow, is_half_open) ||
	    !is_needed(where, flow))
		return false;
	count_flow(census, backend, flow, is_half_open);
	if (where->clocks && !remembers_all(where->image))
		mark_stray(census, where, flow);
	return true;
}

static bool client_stays(void *user, const struct leat_flow *client, bool is_half_open)
{
	struct census *census = user;
	const struct census_image *where =
		census->backends[client->state.backend % LEAT_MAX_BACKENDS].where;
	bool stays = where && age_of(census, client) <= where->image->policy.sticky;

	(void)is_half_open;
	census->clients += stays;
	return stays;
}

/* Counters are read after the slots were opened, so a backend without packets has no flows: what comes
 * from now on for a previous backend is counted there. */
static void add_backend(struct census *census, struct census_image *where, uint32_t id)
{
	struct census_backend *backend = &census->backends[id];
	struct leat_counter counter;

	backend->where = where;
	backend->had_packets = where->image->open_count == 0 ||
			       datapath_read_backend(census->datapath, id, &counter) < 0 ||
			       counter.packets > 0;
}

static void add_slot(struct census_slots *slots, uint32_t opened)
{
	if (slots->count++ == 0)
		slots->first_opened = opened;
	slots->first_opened = MIN(slots->first_opened, opened);
	slots->last_opened = MAX(slots->last_opened, opened);
}

/* One walk for all backends: there may be a thousand of them. */
static void count_open(struct census *census, struct census_image *where)
{
	const struct image *image = where->image;

	for (uint32_t i = 0; i < image->value.lookup.size; i++) {
		uint32_t opened = opened_at(where, i);
		uint16_t previous = image->slots[i].previous & LEAT_SLOT_BACKEND;

		if (!slot_is_open(image->slots[i]))
			continue;
		add_slot(&where->open, opened);
		add_slot(&census->backends[previous].previous, opened);
		census->backends[previous].had_packets |= is_imported(where, i);
	}
	for (uint32_t i = 0; image->former_slots && i < image->value.former.size; i++)
		census->backends[image->former_slots[i].previous & LEAT_SLOT_BACKEND].is_former =
			true;
}

static int add_image(struct census *census, const struct image *image)
{
	struct census_image *added = &census->images[census->count++];
	uint32_t size = image->value.lookup.size;
	int r;

	added->image = image;
	for (size_t i = 0; i < image->backend_count; i++)
		add_backend(census, added, image->backends[i].id);
	if (image->open_count == 0)
		return 0;
	added->clocks = calloc(LEAT_TABLE_LINES(size), sizeof(*added->clocks));
	added->has_stray_flow = calloc(size, sizeof(bool));
	if (!added->clocks || !added->has_stray_flow)
		return -ENOMEM;
	r = datapath_read_clocks(census->datapath, &image->value.lookup, added->clocks);
	if (r == 0)
		count_open(census, added);
	return r;
}

int census_take(struct census *census, struct datapath *datapath, struct image **images,
		size_t count, uint32_t now)
{
	int r = 0;

	*census = (struct census){ .datapath = datapath, .now = now };
	census->backends = calloc(LEAT_MAX_BACKENDS, sizeof(*census->backends));
	census->images = calloc(count + 1, sizeof(*census->images));
	if (!census->backends || !census->images)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_image(census, images[i]);
	if (r < 0) {
		census_deinit(census);
		return r;
	}
	datapath_sweep_flows(datapath, flow_stays, census);
	datapath_sweep_clients(datapath, client_stays, census);
	return 0;
}

void census_deinit(struct census *census)
{
	for (size_t i = 0; i < census->count; i++) {
		free(census->images[i].clocks);
		free(census->images[i].has_stray_flow);
	}
	free(census->images);
	free(census->backends);
	*census = (struct census){ 0 };
}

static bool is_quiet(const struct census *census, const struct census_image *where, uint32_t slot)
{
	const struct leat_clock *clock = &where->clocks[slot / LEAT_SLOTS_PER_LINE];
	uint32_t last = MAX(opened_at(where, slot), clock->previous);

	return census->now > last && census->now - last > idle_of(where->image);
}

/* Without being remembered. Where both are the same it matters to UDP, whose unknown flows count as old,
 * and to who remembers all: it does not know the older ones before they have spoken. */
static bool may_have_old_flows(const struct census *census, const struct census_image *where,
			       uint32_t slot)
{
	const struct image *image = where->image;
	uint16_t current = image->slots[slot].current;
	uint16_t previous = image->slots[slot].previous & LEAT_SLOT_BACKEND;
	bool is_tcp = image->key.protocol == IPPROTO_TCP;

	if (image->former_slots)
		return true;
	if (!previous)
		return false;
	if (previous == current && (!is_tcp || !remembers_all(image)))
		return !is_tcp;
	return census->backends[previous].had_packets;
}

bool census_slot_is_busy(const struct census *census, const struct census_image *where,
			 uint32_t slot)
{
	if (where->has_lost_flow || where->has_stray_flow[slot])
		return true;
	return may_have_old_flows(census, where, slot) && !is_quiet(census, where, slot);
}

static uint32_t ticks_left(const struct census *census, const struct census_image *where,
			   uint32_t opened)
{
	uint32_t end = opened + idle_of(where->image);

	return end >= census->now ? end - census->now + 1 : 0;
}

/* Where all flows are remembered, only those that were older than an earlier change are not. */
static uint32_t silent_ticks(const struct census *census, const struct census_image *where,
			     const struct census_slots *slots, uint32_t drained_at)
{
	/* Connection ids name a backend that no slot has, too. */
	if (is_quic(where->image))
		return ticks_left(census, where, MAX(slots->last_opened, drained_at));
	if (slots->count == 0)
		return 0;
	if (!remembers_all(where->image))
		return ticks_left(census, where, MAX(slots->last_opened, drained_at));
	return slots->first_opened + 1 < drained_at ? ticks_left(census, where, drained_at) : 0;
}

struct census_drain census_drain(const struct census *census, const struct census_image *where,
				 uint32_t backend, uint32_t drained_at)
{
	const struct census_backend *counted = &census->backends[backend];
	const struct census_slots *slots = counted->is_former ? &where->open : &counted->previous;

	return (struct census_drain){
		.slots = slots->count,
		.silent = counted->had_packets ? silent_ticks(census, where, slots, drained_at) : 0,
	};
}
