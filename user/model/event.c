/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/event.h"

#include <string.h>

static const struct {
	enum log_level level;
	const char *name;
	const char *text;
} kinds[] = {
#define X(name, level, label, text) { LOG_LEVEL_##level, label, text },
	EVENT_KINDS(X)
#undef X
};

const char *event_kind_name(enum event_kind kind)
{
	return kinds[kind].name;
}

const char *event_kind_text(enum event_kind kind)
{
	return kinds[kind].text;
}

enum log_level event_kind_level(enum event_kind kind)
{
	return kinds[kind].level;
}

bool event_kind_names_sources(enum event_kind kind)
{
	return kind == EVENT_SOURCE_DENIED || kind == EVENT_SOURCE_ADMITTED;
}

void event_ring_add(struct event_ring *ring, const struct event *event)
{
	struct event *kept = &ring->events[++ring->last % EVENT_RING_SIZE];

	*kept = *event;
	kept->number = ring->last;
}

static uint64_t first_kept(const struct event_ring *ring)
{
	return ring->last > EVENT_RING_SIZE ? ring->last - EVENT_RING_SIZE + 1 : 1;
}

const struct event *event_ring_next(const struct event_ring *ring, uint64_t after)
{
	if (after >= ring->last)
		return NULL;
	return &ring->events[MAX(after + 1, first_kept(ring)) % EVENT_RING_SIZE];
}

uint64_t event_ring_lost(const struct event_ring *ring, uint64_t after)
{
	uint64_t first = first_kept(ring);

	return first > after + 1 ? first - after - 1 : 0;
}

bool event_ring_has(const struct event_ring *ring, enum event_kind kind, const char *text,
		    uint64_t count)
{
	uint64_t after = ring->last > count ? ring->last - count : 0;
	const struct event *event;

	while ((event = event_ring_next(ring, after))) {
		if (event->kind == kind && strcmp(event->text, text) == 0)
			return true;
		after = event->number;
	}
	return false;
}
