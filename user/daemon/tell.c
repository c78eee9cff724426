/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that makes an event: it goes to the log, into the node's ring, and to whoever watches.
 */
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/daemon.h"

/* One of these among so many of the latest events is not told again: a failure that is tried again every
 * second must not push out what happened before it. */
#define TELL_AGAIN_AFTER 64

static void keep(struct daemon *daemon, struct event *event)
{
	event->time_ms = clock_wall_ms();
	event_ring_add(&daemon->node.events, event);
	if (daemon->control)
		control_wake(daemon->control);
}

static void tell(struct daemon *daemon, enum event_kind kind, const struct service *service,
		 const struct backend *backend, const char *text)
{
	struct event event = { .kind = kind };

	if (service)
		strcpy(event.service, service->config.name);
	if (backend)
		strcpy(event.backend, backend->config.name);
	snprintf(event.text, sizeof(event.text), "%s", text);
	keep(daemon, &event);
	daemon->is_telling = true;
	log_write(event_kind_level(kind), "%s", text);
	daemon->is_telling = false;
}

void daemon_tell(struct daemon *daemon, enum event_kind kind, const struct service *service,
		 const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tell(daemon, kind, service, NULL, text);
}

void daemon_tell_backend(struct daemon *daemon, enum event_kind kind, const struct backend *backend,
			 const char *format, ...)
{
	const struct service *service = backend->service;
	char text[1024];
	va_list args;
	int length;

	length = snprintf(text, sizeof(text), "%s/%s", service->config.name, backend->config.name);
	va_start(args, format);
	vsnprintf(text + length, sizeof(text) - (size_t)length, format, args);
	va_end(args);
	tell(daemon, kind, service, backend, text);
}

static void on_trouble(void *user, enum log_level level, const char *line)
{
	struct daemon *daemon = user;
	struct event event = { .kind = level == LOG_LEVEL_ERROR ? EVENT_ERROR : EVENT_WARNING };

	if (daemon->is_telling)
		return;
	snprintf(event.text, sizeof(event.text), "%s", line);
	if (!event_ring_has(&daemon->node.events, event.kind, event.text, TELL_AGAIN_AFTER))
		keep(daemon, &event);
}

void daemon_begin_telling(struct daemon *daemon)
{
	log_set_listener(on_trouble, daemon);
}

void daemon_end_telling(void)
{
	log_set_listener(NULL, NULL);
}
