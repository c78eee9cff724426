/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happened to the node, for whoever watches it: the last events, each with a number, a time, a
 * kind for programs and a text for people. What the datapath counts of its memory of flows is another
 * matter, see maps/events.h.
 *
 * X(NAME, level, "kind", "what it means")
 */
#ifndef LEAT_MODEL_EVENT_H
#define LEAT_MODEL_EVENT_H

#include "base/log.h"
#include "model/config.h"

#define EVENT_RING_SIZE 1024 /* how many are kept; later ones push out the earliest */
#define EVENT_TEXT_SIZE 256  /* a longer text is cut */

#define EVENT_KINDS(X)                                                                             \
	X(DAEMON_STARTED, NOTICE, "daemon_started", "leatd serves")                                \
	X(DAEMON_ENDING, NOTICE, "daemon_ending", "leatd ends on a signal")                        \
	X(CONFIG_RELOADED, NOTICE, "config_reloaded", "another configuration runs")                \
	X(CONFIG_APPLIED, NOTICE, "config_applied",                                                \
	  "a configuration that came over the API runs, for good or on trial")                     \
	X(CONFIG_CONFIRMED, NOTICE, "config_confirmed",                                            \
	  "a configuration's trial is over, and it stays")                                         \
	X(CONFIG_WITHDRAWN, WARNING, "config_withdrawn",                                           \
	  "a configuration failed its trial; the one before it is on its way back")                \
	X(CONFIG_REFUSED, ERROR, "config_refused",                                                 \
	  "a configuration was not taken; what ran goes on")                                       \
	X(BACKEND_UNKNOWN, NOTICE, "backend_unknown", "a backend waits for its first probe")       \
	X(BACKEND_UP, NOTICE, "backend_up", "a backend takes new flows")                           \
	X(BACKEND_DOWN, WARNING, "backend_down", "a backend's probe failed; it gets nothing")      \
	X(BACKEND_DRAINING, NOTICE, "backend_draining",                                            \
	  "a backend takes no new flows and keeps those that it has")                              \
	X(BACKEND_DISABLED, NOTICE, "backend_disabled", "the operator keeps a backend out")        \
	X(BACKEND_WEIGHT, NOTICE, "backend_weight", "the operator gave a backend another weight")  \
	X(BACKEND_STARTED, INFO, "backend_started",                                                \
	  "a backend that started slowly has all of its weight")                                   \
	X(BACKEND_DRAINED, NOTICE, "backend_drained", "no flow is left on a backend that drains")  \
	X(BACKEND_LEFT, NOTICE, "backend_left", "a backend that is no longer configured is gone")  \
	X(NEXT_HOP_FOUND, INFO, "next_hop_found", "where packets for a backend go from here on")   \
	X(NEXT_HOP_LOST, WARNING, "next_hop_lost", "packets for a backend have no way there")      \
	X(SERVICE_SETTLED, INFO, "service_settled",                                                \
	  "a service's last change is complete: no flow is on an earlier backend")                 \
	X(INTERFACE_ATTACHED, INFO, "interface_attached", "an interface runs the program")         \
	X(INTERFACE_UP, NOTICE, "interface_up", "an interface's link is up again")                 \
	X(INTERFACE_DOWN, WARNING, "interface_down", "an interface's link is down")                \
	X(INTERFACE_GONE, WARNING, "interface_gone",                                               \
	  "an interface is gone; when it is back, a reload gives it its program")                  \
	X(SOURCE_DENIED, NOTICE, "source_denied", "the operator denies a source")                  \
	X(SOURCE_ADMITTED, NOTICE, "source_admitted", "sources are no longer denied")              \
	X(WARNING, WARNING, "warning", "something else is not as it should be")                    \
	X(ERROR, ERROR, "error", "something else failed")

enum event_kind {
#define X(name, level, label, text) EVENT_##name,
	EVENT_KINDS(X)
#undef X
		EVENT_KIND_COUNT,
};

struct event {
	uint64_t number;  /* 1 for a daemon's first */
	uint64_t time_ms; /* of UNIX time */
	enum event_kind kind;
	char service[CONFIG_MAX_NAME + 1]; /* "": it is about none, or several */
	char backend[CONFIG_MAX_NAME + 1];
	char text[EVENT_TEXT_SIZE];
};

/* The event with number n is at n % EVENT_RING_SIZE. */
struct event_ring {
	struct event events[EVENT_RING_SIZE];
	uint64_t last; /* number of the latest; 0: none yet */
};

const char *event_kind_name(enum event_kind kind);
const char *event_kind_text(enum event_kind kind);
enum log_level event_kind_level(enum event_kind kind);
/* Whether it names sources, which are clients' addresses. */
bool event_kind_names_sources(enum event_kind kind);

/* Keeps a copy, under the next number. */
void event_ring_add(struct event_ring *ring, const struct event *event);
/* The first one that is kept of those with higher numbers than `after`, or NULL. */
const struct event *event_ring_next(const struct event_ring *ring, uint64_t after);
/* How many of those with higher numbers than `after` were pushed out. */
uint64_t event_ring_lost(const struct event_ring *ring, uint64_t after);
/* Whether one with this kind and text is among the last `count`. */
bool event_ring_has(const struct event_ring *ring, enum event_kind kind, const char *text,
		    uint64_t count);

#endif
