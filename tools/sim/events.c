/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/sim/events.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "model/table.h"
#include "tools/sim/random.h"

#define DAY_S	     86400
#define BURST	     20
#define BURST_GAP_S  240.0
#define MOST_AT_ONCE 50 /* one in so many backends is the most that one change takes */

static int compare_times(const void *a, const void *b)
{
	const struct event *left = a, *right = b;

	return (left->at_s > right->at_s) - (left->at_s < right->at_s);
}

/* Room is left for the ends of what these begin: they count, too. */
void events_init(struct events *events, uint64_t *random, uint32_t count, double days)
{
	uint32_t at_s = 0, length_s = (uint32_t)(days * DAY_S);

	assert(count < WORLD_MAX_EVENTS / 2);
	*events = (struct events){ .count = count };
	for (uint32_t i = 0; i < count; i++) {
		if (i % BURST == 0)
			at_s = random_below(random, length_s);
		at_s += 1 + (uint32_t)random_exponential(random, BURST_GAP_S);
		events->list[i] = (struct event){ .at_s = at_s, .kind = WORLD_EVENT_KINDS };
	}
	qsort(events->list, count, sizeof(events->list[0]), compare_times);
}

uint32_t events_next_s(const struct events *events)
{
	return events->next < events->count ? events->list[events->next].at_s : UINT32_MAX;
}

/* In the place of the next one that is yet to be drawn, so that there are as many as were asked for. */
static void events_schedule(struct events *events, struct event event)
{
	uint32_t at = events->next, last;

	while (at < events->count && events->list[at].at_s <= event.at_s)
		at++;
	last = at;
	while (last < events->count && events->list[last].kind != WORLD_EVENT_KINDS)
		last++;
	if (last == events->count)
		events->count++;
	memmove(&events->list[at + 1], &events->list[at], (last - at) * sizeof(events->list[0]));
	events->list[at] = event;
}

static void end_later(struct events *events, struct world *world, enum world_event kind,
		      uint32_t least_s, uint32_t most_s)
{
	const struct event *now = &events->list[events->next - 1];

	events_schedule(events,
			(struct event){
				.at_s = now->at_s + random_between(&world->random, least_s, most_s),
				.kind = kind,
				.group = world->event,
			});
}

static uint32_t count_serving(const struct world *world)
{
	uint32_t count = 0;

	for (uint32_t node = 0; node < world->node_count; node++)
		count += world->serves[node];
	return count;
}

static uint32_t count_weighted(const struct world *world)
{
	uint32_t count = 0;

	for (uint32_t i = 1; i < world->backend_end; i++)
		count += world_weight(world, i) > 0;
	return count;
}

/* One that takes new flows; 0: too few would be left. */
static uint32_t draw_backend(struct world *world)
{
	uint32_t backend;

	if (count_weighted(world) <= world->least_backends)
		return 0;
	do
		backend = random_between(&world->random, 1, world->backend_end - 1);
	while (!world_weight(world, backend));
	return backend;
}

/* Mostly one, sometimes a rack. */
static uint32_t draw_count(struct world *world)
{
	uint32_t most = MAX(count_weighted(world) / MOST_AT_ONCE, 1U);

	return random_below(&world->random, 4) ? 1 : random_between(&world->random, 1, most);
}

static bool drain(struct world *world)
{
	uint32_t drained = 0, backend;

	for (uint32_t left = draw_count(world); left; left--) {
		backend = draw_backend(world);
		if (!backend)
			break;
		world->backends[backend].drained_by = world->event;
		drained++;
	}
	return drained;
}

static bool fail(struct world *world)
{
	uint32_t failed = 0, backend;

	for (uint32_t left = draw_count(world); left; left--) {
		backend = draw_backend(world);
		if (!backend)
			break;
		world->backends[backend].is_up = false;
		world->backends[backend].failed_by = world->event;
		failed++;
	}
	return failed;
}

static bool undrain(struct world *world, uint16_t group)
{
	for (uint32_t i = 1; i < world->backend_end; i++) {
		if (world->backends[i].drained_by == group)
			world->backends[i].drained_by = 0;
	}
	return true;
}

static bool recover(struct world *world, uint16_t group)
{
	for (uint32_t i = 1; i < world->backend_end; i++) {
		if (world->backends[i].failed_by != group)
			continue;
		world->backends[i].failed_by = 0;
		world->backends[i].is_up = true;
	}
	return true;
}

static bool change_weight(struct world *world)
{
	uint32_t backend = draw_backend(world);

	if (backend)
		world->backends[backend].weight = 25 * random_between(&world->random, 1, 8);
	return backend;
}

static bool add(struct world *world)
{
	if (world->backend_end == WORLD_MAX_BACKENDS)
		return false;
	world->backends[world->backend_end++] = (struct world_backend){
		.is_configured = true,
		.is_up = true,
		.weight = 100,
	};
	return true;
}

static bool remove_one(struct world *world)
{
	uint32_t backend = draw_backend(world);

	if (backend)
		world->backends[backend].is_configured = false;
	return backend;
}

static bool resize(struct world *world)
{
	uint32_t small = table_maglev_size(65536), large = table_maglev_size(131072);

	world->table_size = world->table_size == small ? large : small;
	return true;
}

static bool reseed(struct world *world)
{
	world->seed = random_next(&world->random);
	return true;
}

static bool leave(struct world *world, struct event_effect *effect)
{
	if (count_serving(world) < 2)
		return false;
	do
		effect->node = (uint8_t)random_below(&world->random, world->node_count);
	while (!world->serves[effect->node]);
	world->serves[effect->node] = false;
	return true;
}

static bool join(struct world *world, struct event_effect *effect)
{
	effect->node = 0;
	while (effect->node < world->node_count && world->serves[effect->node])
		effect->node++;
	if (effect->node == world->node_count)
		return false;
	world->serves[effect->node] = true;
	return true;
}

static bool change_rss(struct world *world, struct event_effect *effect)
{
	effect->node = (uint8_t)random_below(&world->random, world->node_count);
	if (!world->serves[effect->node])
		return false;
	world->rss_key[effect->node] = random_next(&world->random);
	world->rss_by[effect->node] = world->event;
	return true;
}

/* How often which kind is drawn; the others end these. */
static enum world_event draw_kind(struct world *world)
{
	static const struct {
		enum world_event kind;
		uint32_t share;
	} shares[] = {
		{ WORLD_DRAIN, 20 }, { WORLD_WEIGHT, 26 }, { WORLD_FAIL, 16 },
		{ WORLD_ADD, 12 },   { WORLD_REMOVE, 12 }, { WORLD_RESIZE, 2 },
		{ WORLD_RESEED, 2 }, { WORLD_LEAVE, 8 },   { WORLD_RSS, 4 },
	};
	uint32_t drawn = random_below(&world->random, 100), i = 0;

	while (drawn >= shares[i].share)
		drawn -= shares[i++].share;
	return shares[i].kind;
}

static bool change_world(struct world *world, const struct event *event,
			 struct event_effect *effect)
{
	switch (effect->kind) {
	case WORLD_DRAIN:
		return drain(world);
	case WORLD_UNDRAIN:
		return undrain(world, event->group);
	case WORLD_WEIGHT:
		return change_weight(world);
	case WORLD_FAIL:
		return fail(world);
	case WORLD_RECOVER:
		return recover(world, event->group);
	case WORLD_ADD:
		return add(world);
	case WORLD_REMOVE:
		return remove_one(world);
	case WORLD_RESIZE:
		return resize(world);
	case WORLD_RESEED:
		return reseed(world);
	case WORLD_LEAVE:
		return leave(world, effect);
	case WORLD_JOIN:
		return join(world, effect);
	default:
		return change_rss(world, effect);
	}
}

static void schedule_end(struct events *events, struct world *world, enum world_event kind)
{
	if (kind == WORLD_DRAIN)
		end_later(events, world, WORLD_UNDRAIN, 600, 3600);
	else if (kind == WORLD_FAIL)
		end_later(events, world, WORLD_RECOVER, 60, 1200);
	else if (kind == WORLD_LEAVE)
		end_later(events, world, WORLD_JOIN, 300, 1800);
}

bool events_happen(struct events *events, struct world *world, struct event_effect *ret_effect)
{
	const struct event event = events->list[events->next++];
	struct event_effect effect = { .kind = event.kind };

	if (effect.kind == WORLD_EVENT_KINDS)
		effect.kind = draw_kind(world);
	world->event++;
	world->kinds[world->event] = (uint8_t)effect.kind;
	if (!change_world(world, &event, &effect)) {
		world->event--;
		return false;
	}
	effect.changes_tables = effect.kind < WORLD_LEAVE;
	effect.fails_backends = effect.kind == WORLD_FAIL;
	schedule_end(events, world, effect.kind);
	*ret_effect = effect;
	return true;
}
