/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The node's events as JSON: those that are kept in one document, or a stream of lines that goes on as
 * they happen. A watcher has a position in the ring and no memory of its own for what it has not read:
 * one that is slow hears how many events it lost.
 */
#ifndef LEAT_CONTROL_CONTROL_EVENTS_H
#define LEAT_CONTROL_CONTROL_EVENTS_H

#include <jansson.h>

#include "base/http.h"
#include "model/event.h"

#define CONTROL_MAX_WATCHERS 16

/* Which events a client asked for. */
struct control_selection {
	uint64_t after; /* their numbers are higher */
	bool is_followed;
	char kind[CONFIG_MAX_NAME + 1]; /* "": any; likewise the others */
	char service[CONFIG_MAX_NAME + 1];
	char backend[CONFIG_MAX_NAME + 1];
};

struct control_watchers {
	unsigned int count;
};

/* Of ?after=, ?follow=, ?kind=, ?service= and ?backend=. Numbers start anew with each daemon, so one
 * that is higher than all means the start. Without `after`, a stream begins with what comes next. 0, or
 * -EINVAL with *ret_error, a literal for people. */
int control_selection_parse(const struct http_request *request, const struct event_ring *ring,
			    struct control_selection *ret_selection, const char **ret_error);

/* {"number", "time_ms", "kind", "level", "service", "backend", "text"} */
json_t *control_event_json(const struct event *event);
/* {"events": [...], "lost": those asked for that are not kept any more, "last": number}; NULL when out
 * of memory. */
json_t *control_events_json(const struct event_ring *ring,
			    const struct control_selection *selection);

/* Replies with a stream of one event, or {"lost": N}, or nothing as a sign of life, a line. 0, -ENOSPC:
 * there are CONTROL_MAX_WATCHERS; -ENOMEM. */
int control_watchers_add(struct control_watchers *watchers, const struct event_ring *ring,
			 const struct control_selection *selection,
			 struct http_response *ret_response);

#endif
